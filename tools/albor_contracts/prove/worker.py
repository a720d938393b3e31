"""One obligation in a process of its own: `python -m albor_contracts.prove.worker FILE FUNCTION`.

Prints one JSON object: a verdict, or `{"error": {"code", "message"}}` with exit code 2 where nothing could be judged.
A process of its own because a solver can hang or die, and because hard verdicts change with what ran before.
"""

from __future__ import annotations

import argparse
import ast
import importlib.util
import json
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

from .harness import HarnessError, Obligation, ProverMissing, parts_of, read_harness, refuse_optimised
from .verdict import UNDECIDED, Verdict

_MEMORY = 8 << 30
_NEEDS = {"crosshair": ("crosshair", "crosshair-tool"), "z3": ("z3", "z3-solver")}


def judge(path: str, function: str, seconds: float | None = None, without: int | None = None) -> Verdict:
    """The verdict on one function of a harness, in this process.

    `without` leaves out one assumption or axiom, counted from 0 through the verdict's assumptions and then its axioms.
    """
    refuse_optimised(path)
    chosen = [o for o in read_harness(path) if function in (o.function, o.id)]
    if not chosen:
        raise _error("P001", f"{path} has no proof named {function}", path)
    obligation = chosen[0]
    budget = seconds if seconds is not None else obligation.seconds
    _require(obligation)
    start = time.perf_counter()
    fields = _run(obligation, budget, without)
    verdict: dict[str, Any] = {
        "obligation": obligation.id,
        "engine": obligation.engine,
        "semantics": "",
        "statement": obligation.statement,
        "file": obligation.file,
        "function": obligation.function,
        **fields,
        "seconds": time.perf_counter() - start,
    }
    return Verdict(**verdict)


def _run(obligation: Obligation, seconds: float, without: int | None) -> dict[str, Any]:
    if obligation.engine == "crosshair":
        from . import integers

        if without is None:
            return integers.prove(_load(obligation.file), obligation, seconds)
        with tempfile.TemporaryDirectory() as folder:
            weaker = _without_assumption(obligation, without, Path(folder))
            return integers.prove(_load(weaker.file), weaker, seconds, canary=False)
    target = getattr(_load(obligation.file), obligation.function)
    if obligation.engine == "ieee":
        from . import ieee

        return {"semantics": ieee.SEMANTICS, **ieee.prove(target)}
    from . import real
    from .problem import RealProblem

    problem = RealProblem()
    target(problem)
    if without is not None:
        if without < len(problem.assumptions):
            del problem.assumptions[without]
        else:
            used = [name for name, at in problem.instances().items() if at]
            del problem.axioms[used[without - len(problem.assumptions)]]
    return real.prove(problem, seconds)


def _without_assumption(obligation: Obligation, index: int, folder: Path) -> Obligation:
    """The harness with one assumption removed, as another file: CrossHair needs code that is on disk."""
    tree = ast.parse(Path(obligation.file).read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name == obligation.function:
            dropped = parts_of(node).assumptions[index]
            node.body[node.body.index(dropped)] = ast.Assert(ast.Constant(True))
    path = folder / f"{Path(obligation.file).stem}_without_{index}.py"
    path.write_text(ast.unparse(ast.fix_missing_locations(tree)) + "\n", encoding="utf-8")
    return replace(obligation, file=str(path))


def _require(obligation: Obligation) -> None:
    needed = _NEEDS.get(obligation.engine)
    if needed and importlib.util.find_spec(needed[0]) is None:
        message = f"{obligation.id} needs {needed[1]}, which is not installed"
        raise ProverMissing(
            *_error("P003", message, obligation.file, hint="pip install 'albor-contracts[test]'").diagnostics
        )


def _error(code: str, message: str, file: str, hint: str = "") -> HarnessError:
    from ..errors import Diagnostic, Position

    return HarnessError(Diagnostic(code, message, Position(file), hint=hint))


def _load(path: str) -> ModuleType:
    # Compiled from the text as it is now: a cached .pyc may be older than a file rewritten within the same second.
    file = str(Path(path).resolve())
    module = ModuleType(f"harness_{Path(path).stem}")
    module.__file__ = file
    sys.modules[module.__name__] = module
    exec(compile(Path(file).read_text(encoding="utf-8"), file, "exec"), module.__dict__)
    return module


def _undecided(path: str, function: str, reason: str) -> Verdict:
    try:
        known = next(o for o in read_harness(path) if function in (o.function, o.id))
    except (HarnessError, StopIteration):
        return Verdict(function, "", UNDECIDED, "", 0.0, reason=reason, file=path, function=function)
    return Verdict(
        known.id,
        known.engine,
        UNDECIDED,
        "",
        0.0,
        reason=reason,
        statement=known.statement,
        file=path,
        function=known.function,
    )


def _limit_memory() -> None:
    try:
        import resource
    except ImportError:  # not on this platform; the wall-clock limit remains
        return
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    limit = _MEMORY if hard == resource.RLIM_INFINITY else min(_MEMORY, hard)
    resource.setrlimit(resource.RLIMIT_AS, (limit, hard))


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point of the worker process."""
    parser = argparse.ArgumentParser(prog="python -m albor_contracts.prove.worker", description=__doc__.splitlines()[0])
    parser.add_argument("file")
    parser.add_argument("function")
    parser.add_argument("--seconds", type=float, help="solver budget; the harness's own by default")
    parser.add_argument("--without", type=int, help="leave out this assumption or axiom, counted from 0")
    options = parser.parse_args(argv)
    # Code under proof may print: only the answer goes to the real standard output.
    answer = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    _limit_memory()
    sys.setrecursionlimit(20_000)
    code = 0
    try:
        result = judge(options.file, options.function, options.seconds, options.without).to_json()
    except HarnessError as error:
        first = error.diagnostics[0]
        result = {"error": {"code": first.code, "message": str(error), "hint": first.hint}}
        code = 2
    except KeyboardInterrupt:
        return 130
    except BaseException as error:
        # SystemExit and a prover's own errors included: the process must answer.
        reason = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        result = _undecided(options.file, options.function, reason).to_json()
    with answer:
        json.dump(result, answer)
        answer.write("\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
