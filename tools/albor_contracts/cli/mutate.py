"""`albor-contracts mutate [CONTRACT...]`"""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..errors import Text
    from ..library import Library
    from ..mutate.edits import Mutant
    from ..mutate.run import Verdict

DTYPES = ("f32", "bf16")  # bf16 shows where a kernel leaves float32
LISTED = "impl"  # the binding whose sources mutants/ speaks of; of any other nothing is known
EVERY = 15.0  # seconds between lines of progress


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("contracts", nargs="*", metavar="CONTRACT", help="contract or family (default: all)")
    parser.add_argument("--binding", default="impl", metavar="B", help="binding file whose kernels are changed")
    parser.add_argument(
        "--limit",
        type=_positive,
        default=None,
        metavar="N",
        help="try at most N mutants of each contract, drawn by seed",
    )
    parser.add_argument(
        "--seed", type=int, default=0, help="decides which mutants are drawn, and the cases (default: 0)"
    )
    parser.add_argument(
        "--cases", type=_positive, default=25, metavar="N", help="most cases of an obligation (default: 25)"
    )  # fmt: skip
    parser.add_argument(
        "--function", default=None, metavar="NAME", help="only mutants of this function or Class.method"
    )
    parser.add_argument(
        "-n", dest="workers", type=_positive, default=min(2, os.cpu_count() or 1), metavar="N", help="processes at once"
    )
    parser.add_argument("--list", action="store_true", help="print the mutants and try none")
    parser.add_argument("--format", choices=("text", "json"), default="text")


def run(options: argparse.Namespace) -> int:
    from ..library import open_selected
    from ._project import find_kernels, keep_scratch, print_json

    library = open_selected(options.contracts)
    keep_scratch(library.root)
    find_kernels(library.root)
    found, bad = [], False
    for name in library.select(options.contracts):
        mutants = every = _mutants(library, name, options.binding)
        if options.function is not None:
            mutants = [(module, m) for module, m in mutants if m.function == options.function]
        if not mutants:
            print(f"{name}: the binding {options.binding} has no function to change", file=sys.stderr)
            continue
        if options.list:
            files = {module: _file(module) for module, _ in mutants}
            known = _known(library, name, options.binding, [m for _, m in every])
            listed = [{**_shown(files[module], m), "reason": str(known.get(m, ""))} for module, m in mutants]
            found.append({"contract": name, "binding": options.binding, "mutants": listed})
            if options.format == "text":
                for module, m in mutants:
                    print(_diff(files[module], m, f"{m.operator}, listed as equivalent" if m in known else m.operator))
            continue
        tally = _Tally(name, options.binding, library.root)
        bad |= not tally.collect(library, mutants, options)
        found.append(tally.data())
        if options.format == "text":
            print(tally.text(), flush=True)
    if options.format == "json":
        print_json({"contracts": found} if options.list else {"holds": not bad, "contracts": found})
    if not found:
        print("there is nothing to change", file=sys.stderr)
        return 2
    return 1 if bad else 0


def _mutants(library: Library, name: str, binding: str) -> list[tuple[str, Mutant]]:
    """Module and edit, for the modules that the binding's callables of one contract stand in."""
    from ..mutate import mutants_of
    from ..verify.plan import binding_data

    targets = binding_data(library.root, binding).kernels.get(name, {}).values()
    modules = sorted({str(t.function).partition(":")[0] for t in targets if t.function is not None})
    return [(module, m) for module in modules for m in mutants_of(_file(module).read_text(encoding="utf-8"))]


def _known(library: Library, name: str, binding: str, mutants: list[Mutant]) -> dict[Mutant, Text]:
    """Those among the mutants of one contract that are listed as equivalent, with the reasons."""
    from ..mutate import equivalents, known_mutants

    return equivalents(known_mutants(library.root, name), mutants) if binding == LISTED else {}


def _file(module: str) -> Path:
    from ..errors import Position, problem

    try:
        spec = importlib.util.find_spec(module)
    except ModuleNotFoundError:
        spec = None
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        raise problem("E506", f"there is no source of the module {module!r}", Position(module))
    return Path(spec.origin)


class _Tally:
    """The verdicts on the mutants of one contract."""

    def __init__(self, contract: str, binding: str, root: Path) -> None:
        self.contract, self.binding, self.root = contract, binding, root
        self.verdicts: list[Verdict] = []
        self.listed: dict[Mutant, Text] = {}
        self.tried = 0
        self.problem = ""

    def collect(self, library: Library, mutants: list[tuple[str, Mutant]], options: argparse.Namespace) -> bool:
        from ..mutate import known_mutants
        from ..mutate.bench import Trial
        from ..mutate.run import Job, OriginalFails, sample, try_mutants
        from ..verify.plan import plan

        known = known_mutants(self.root, self.contract)
        every = [m for _, m in _mutants(library, self.contract, self.binding)]
        self.listed = _known(library, self.contract, self.binding, every)
        contracts = {self.contract: library.checked[self.contract]}
        tests, _ = plan(library, contracts, [self.binding], dtypes=DTYPES)
        if not tests:
            tests, _ = plan(library, contracts, [self.binding])
        job = Job(
            library.root, self.contract, self.binding, tests[0].module,
            tuple(Trial(t.obligation, t.dtype) for t in tests), tuple(mutants),
            tuple((str(entry.of), entry.sizes) for entry in (known.large if known is not None else ())),
            options.seed, options.workers, options.cases,
        )  # fmt: skip

        def chosen(reached: list[tuple[str, Mutant]]) -> list[tuple[str, Mutant]]:
            drawn = sample(reached, options.limit, options.seed)
            self.tried = len(drawn)
            return drawn

        said = time.monotonic()
        try:
            for verdict in try_mutants(job, chosen):
                self.verdicts.append(verdict)
                if options.format == "text" and verdict in self.survivors():
                    words = f"survived: {verdict.mutant.operator}"  # at once: the rest may take hours
                    print(_diff(_file(verdict.module), verdict.mutant, words), flush=True)
                if time.monotonic() - said >= EVERY:
                    said = time.monotonic()
                    done = sum(v.outcome != "unreached" for v in self.verdicts)
                    alive = sum(v.outcome == "survived" for v in self.verdicts)
                    print(f"... {self.contract}: {done}/{self.tried} tried, {alive} alive", file=sys.stderr, flush=True)
        except OriginalFails as error:
            self.problem = f"the unchanged implementation does not hold, so nothing was tried: {error}"
        return not (self.problem or self.survivors() or self.mistaken())

    def survivors(self) -> list[Verdict]:
        found = [v for v in self.verdicts if v.outcome == "survived" and v.mutant not in self.listed]
        return sorted(found, key=lambda v: (v.module, v.mutant.start, v.mutant.text))

    def mistaken(self) -> list[Verdict]:
        """Listed as equivalent, and killed."""
        return [v for v in self.verdicts if v.outcome not in ("survived", "unreached") and v.mutant in self.listed]

    def counts(self) -> dict[str, int]:
        outcomes = Counter(v.outcome for v in self.verdicts)
        alive = len(self.survivors())
        return {
            "unreached": outcomes["unreached"],
            "tried": self.tried,
            "killed": outcomes["killed"] + outcomes["timeout"] + outcomes["crashed"],
            "by_limit": outcomes["timeout"],
            "by_crash": outcomes["crashed"],
            "equivalent": outcomes["survived"] - alive,
            "survived": alive,
        }

    def text(self) -> str:
        if self.problem:
            return f"{self.contract} [{self.binding}]: {self.problem}"
        n = self.counts()
        ends = [f"{n['by_limit']} by the time limit"] * bool(n["by_limit"])
        ends += [f"{n['by_crash']} by ending the process"] * bool(n["by_crash"])
        how = f" ({', '.join(ends)})" if ends else ""
        head = (
            f"{self.contract} [{self.binding}]: {n['tried']} mutants tried, {n['killed']} killed{how}, "
            f"{n['equivalent']} equivalent, {n['survived']} survived"
        )
        lines = [head]  # the survivors have been printed when they were found
        if n["unreached"]:
            where = Counter(v.mutant.function for v in self.verdicts if v.outcome == "unreached")
            names = ", ".join(f"{name} {count}" for name, count in where.most_common())
            lines.append(f"  no obligation reaches {n['unreached']} more: {names}")
        for v in self.mistaken():
            lines.append(_diff(_file(v.module), v.mutant, f"listed as equivalent, but {v.outcome}: {v.by}"))
        return "\n".join(lines)

    def data(self) -> dict[str, Any]:
        shown = [
            {
                **_shown(_file(v.module), v.mutant),
                "outcome": "equivalent" if v.outcome == "survived" and v.mutant in self.listed else v.outcome,
                "by": v.by, "message": v.message, "seconds": v.seconds, "reason": str(self.listed.get(v.mutant, "")),
            }
            for v in self.verdicts
        ]  # fmt: skip
        return {
            "contract": self.contract, "binding": self.binding, "problem": self.problem, **self.counts(),
            "verdicts": shown,
        }  # fmt: skip


def _shown(file: Path, mutant: Mutant) -> dict[str, Any]:
    """One mutant as data."""
    return {
        "file": str(file), "line": mutant.line, "column": mutant.column, "function": mutant.function,
        "operator": mutant.operator, "find": mutant.find, "put": mutant.put, "nth": mutant.nth,
    }  # fmt: skip


def _diff(file: Path, mutant: Mutant, words: str) -> str:
    """One mutant as a place, and its lines before and after."""
    from ..errors import from_here

    lines = [f"  {from_here(file)}:{mutant.line}:{mutant.column}: {words}, in {mutant.function}"]
    lines += [f"    - {line}" for line in mutant.find.split("\n")]
    lines += [f"    + {line}" for line in mutant.put.split("\n")]
    return "\n".join(lines)


def _positive(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not int(text):
        raise argparse.ArgumentTypeError(f"expected a number of at least 1, got {text!r}")
    return int(text)
