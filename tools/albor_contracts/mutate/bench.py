"""Judging one mutant: the edit is put into the imported module, and the contract's obligations run against it.

All of this happens in a process that is thrown away afterwards: nothing is put back.
"""

from __future__ import annotations

import ast
import contextlib
import gc
import importlib
import linecache
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, FrameType, ModuleType
from typing import Any

from ..bindings import bind
from ..errors import ContractError, problem
from ..runtime.width import Sizes, overflows
from .edits import Mutant

FEW, MANY = 4, 25  # cases: first a few of every obligation; what survives them meets as many as `verify` runs
OTHER = 8  # at most, of the dtypes after the first, which only show where a kernel leaves float32
WIDTH = "index width"  # the check of offsets at large sizes, where the contract's list of mutants gives some


@dataclass(frozen=True)
class Trial:
    """One obligation on one dtype."""

    obligation: str
    dtype: str


@dataclass
class Control:
    """How the unchanged implementation fares: seconds and lines of each trial, what does not hold, memory."""

    seconds: dict[Any, float] = field(default_factory=dict)  # of a `Trial`, or of a test of pytest by its name
    lines: dict[Any, dict[str, set[int]]] = field(default_factory=dict)  # module -> lines
    failed: list[str] = field(default_factory=list)
    modules: list[str] = field(default_factory=list)  # imported on the way
    memory: int = 0  # bytes of addresses that it took

    def reaching(self, module: str, mutant: Mutant) -> list[Any]:
        """The trials that run a line of the mutant, the shortest first."""
        wanted = range(mutant.line, mutant.end_line + 1)
        found = [t for t, lines in self.lines.items() if not lines.get(module, set()).isdisjoint(wanted)]
        return sorted(found, key=lambda t: self.seconds[t])


class Bench:
    """The tests of a contract and the kernels they are run on. Imports both."""

    def __init__(
        self,
        root: Path,
        contract: str,
        binding: str,
        tests: Path,
        trials: Sequence[Trial],
        large: Sequence[Sizes],
        seed: int,
        cases: int,
        changed: Sequence[str],
    ) -> None:
        from ..falsify.generated import load_generated, tests_of
        from ..inputs import profiles

        self.root, self.contract, self.binding, self.large = root, contract, binding, large
        self.module = load_generated(tests)
        self.tests = tests_of(self.module)
        self.trials, self.cases = trials, cases
        profiles.load("quick", seed)
        self.modules = sorted({target.name.partition(":")[0] for target in self.bound().targets.values()} | {*changed})

    def bound(self) -> Any:
        found = bind(self.binding, self.contract, self.module.spec.signatures, self.root)
        if found is None:
            raise problem("E503", f"the binding {self.binding} has no kernel of {self.contract}")
        return found

    def control(self) -> Control:
        """Everything once, on the unchanged source, watching which lines run."""
        found = Control()
        before = set(sys.modules)
        if self.large and (died := self.wide()) is not None:
            found.failed.append(f"{WIDTH}: {died}")
        kernels = self.kernels()
        for trial in self.trials:
            lines: dict[str, set[int]] = {}
            begin = time.process_time()
            with watched(self.modules, lines):
                died = self.dies(trial, kernels[trial.dtype], self.most(trial))
            found.seconds[trial], found.lines[trial] = time.process_time() - begin, lines
            if died is not None:
                found.failed.append(f"{trial.obligation} {trial.dtype}: {died}")
        found.modules = sorted(set(sys.modules) - before)
        return found

    def judge(self, mutant: Mutant, trials: Sequence[Trial]) -> tuple[str, str]:
        """Who kills the mutant, which is planted, and with what words; two empty texts when nobody does."""
        if not trials:
            return "", ""
        try:
            kernels = self.kernels()
        except ContractError as error:
            return "binding", str(error)
        rounds = [*((t, min(FEW, self.cases)) for t in trials), *((t, self.most(t)) for t in trials)]
        at = 0 if mutant.operator == WIDTH else len(trials)
        for k, (trial, cases) in enumerate(rounds):
            if k == at and self.large and (died := self.wide()) is not None:
                return WIDTH, died
            if (died := self.dies(trial, kernels[trial.dtype], cases)) is not None:
                return f"{trial.obligation} {trial.dtype}", died
        return "", ""

    def kernels(self) -> dict[str, Any]:
        """The kernel under test of each dtype, looked up anew: the module may have changed."""
        bound = self.bound()
        dtypes = tuple(dict.fromkeys(t.dtype for t in self.trials))
        return {k.dtype: k for k in bound.kernels(self.module.spec, "cpu", dtypes, everything=True)}

    def most(self, trial: Trial) -> int:
        return self.cases if trial.dtype == self.trials[0].dtype else min(OTHER, self.cases)

    def dies(self, trial: Trial, kernel: Any, cases: int) -> str | None:
        from hypothesis import Phase, settings

        from ..falsify.generated import dies
        from ..runtime.session import session

        session.override = settings(
            settings.get_profile("quick"), max_examples=cases, phases=(Phase.explicit, Phase.generate),
            report_multiple_bugs=False,
        )  # fmt: skip
        return dies(self.tests[trial.obligation], kernel)

    def wide(self) -> str | None:
        return overflows(self.module.spec.signatures, self.bound().targets, self.large)


def warm(modules: Sequence[str]) -> None:
    """Do once what every copy would do for itself, most of the time that a mutant killed at once takes: import the
    modules, and let Hypothesis set itself up. No kernel runs: what one had computed and kept might hide a mutant.
    """
    from hypothesis import Phase, given, settings
    from hypothesis import strategies as st

    for name in modules:
        with contextlib.suppress(Exception):  # then the copies will meet the same trouble, or find another way
            importlib.import_module(name)

    @settings(max_examples=2, database=None, phases=(Phase.generate,))
    @given(st.integers(0, 9), st.lists(st.floats(width=32)), st.sampled_from([1, 2]))
    def nothing(a: int, b: list[float], c: int) -> None:
        pass

    nothing()
    gc.collect()
    gc.freeze()  # a copy that collects would write to every page it shares


def plant(module: ModuleType, mutant: Mutant) -> None:
    """Run the changed definition in its module, under line numbers of its file; who imported it by name has it too."""
    assert module.__file__ is not None
    changed = mutant.applied(Path(module.__file__).read_text(encoding="utf-8"))
    name = f"<mutant of {module.__name__}>"
    tree = ast.parse(changed)
    top = mutant.function.partition(".")[0]
    kept = [
        n for n in tree.body
        if getattr(n, "name", "") == top or (isinstance(n, ast.ImportFrom) and n.module == "__future__")
    ]  # fmt: skip
    linecache.cache[name] = (len(changed), None, changed.splitlines(keepends=True), name)
    original = vars(module).get(top)
    exec(compile(ast.Module(kept, []), name, "exec", dont_inherit=True), vars(module))
    package = module.__name__.partition(".")[0]
    for other in [m for n, m in sys.modules.items() if n.partition(".")[0] == package]:
        for name in [n for n, value in vars(other).items() if value is original and original is not None]:
            setattr(other, name, vars(module)[top])


class watched:
    """While active, the lines of the named modules that run are noted in `lines`."""

    def __init__(self, modules: Sequence[str], lines: dict[str, set[int]]) -> None:
        self.names = {importlib.import_module(m).__file__: m for m in modules}
        self.lines = lines

    def __enter__(self) -> None:
        def entered(frame: FrameType, event: str, argument: object) -> Callable[..., Any] | None:
            code: CodeType = frame.f_code
            module = self.names.get(code.co_filename)
            if module is None:
                return None
            seen = self.lines.setdefault(module, set())
            seen.add(frame.f_lineno)

            def inside(frame: FrameType, event: str, argument: object) -> Callable[..., Any]:
                seen.add(frame.f_lineno)
                return inside

            return inside

        self.before = sys.gettrace()
        sys.settrace(entered)

    def __exit__(self, *_: object) -> None:
        sys.settrace(self.before)
