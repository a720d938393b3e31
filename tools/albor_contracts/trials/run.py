"""Running trials: cases drawn from a seed and their number, through the contracts' own obligations."""

from __future__ import annotations

import contextlib
import math
import random
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

from hypothesis.errors import HypothesisDeprecationWarning, UnsatisfiedAssumption

from ..checked import CheckedContract, CheckedEquation, CheckedObligation
from ..falsify.generated import few_cases, load_generated, tests_of
from ..library import Library
from ..links import definition_id
from ..runtime.definitions import Definitions
from ..runtime.session import ObligationFailed, session
from ..verify.plan import current_modules
from .correct import DTYPES, ORDER_NAMES, Trial
from .wrong import Doubt, Verdict

KEPT = 60  # cases of correct code that are made wrong
WORK = 2**21  # product of all sizes of a case; a larger one is drawn again
DRAWS = 100  # until one is small enough
FIRST_LINE = 160  # characters of an alarm's message that are kept


class _Uniform:
    """What cases are drawn from: integers that are uniform in their range."""

    __slots__ = ("random",)

    def __init__(self, seed: str) -> None:
        self.random = random.Random(seed)

    def draw_integer(self, low: int, high: int) -> int:
        return self.random.randint(low, high)

    def start_span(self, label: int) -> None:
        """Spans are for shrinking."""

    def stop_span(self, *, discard: bool = False) -> None:
        """Spans are for shrinking."""

    def draw(self, strategy: Any) -> Any:
        raise TypeError(f"{strategy} cannot be drawn without Hypothesis")


@dataclass
class Drawer:
    """Stands in for Hypothesis: case `number` of a seed is the same whatever was drawn before, and the trial goes on
    after a case that fails."""

    seed: str
    first: int
    count: int
    trial: Trial
    alarms: list[tuple[str, str]] = field(default_factory=list)  # order that computed the case, what failed

    def __call__(self, cases: Any, test: Callable[[Any], None]) -> None:
        for number in range(self.first, self.first + self.count):
            source = _Uniform(f"{self.seed}:{number}")
            while True:
                try:
                    test(_affordable(cases, source))
                except UnsatisfiedAssumption:
                    continue  # the next draw of this case
                except AssertionError as error:
                    message = str(error).split("\n")[0][:FIRST_LINE]
                    self.alarms.append((self.trial.order, f"case {number}: {message}"))
                break


def _affordable(cases: Any, source: _Uniform) -> Any:
    """The next case of a size that can be computed in rounded arithmetic within a second; of a law that is about large
    sizes only, the smallest of many."""
    best: tuple[int, Any] | None = None
    for _ in range(DRAWS):
        case = cases.do_draw(source)
        size = math.prod(case.dims.values())
        if size <= WORK:
            return case
        if best is None or size < best[0]:
            best = size, case
    assert best is not None
    return best[1]


@contextlib.contextmanager
def drawing(drawer: Drawer) -> Iterator[None]:
    """Obligations inside take their cases from `drawer`."""
    session.draw = drawer
    try:
        with warnings.catch_warnings():
            # Hypothesis is not told of cases that are rejected here.
            warnings.simplefilter("ignore", HypothesisDeprecationWarning)
            yield
    finally:
        session.draw = None


@dataclass(frozen=True)
class Subject:
    """One kernel: an equation with a definition and an output of floating-point numbers."""

    contract: CheckedContract
    module: ModuleType
    equation: CheckedEquation

    @property
    def name(self) -> str:
        return str(self.equation.name)

    @property
    def full_name(self) -> str:
        return f"{self.contract.name}:{self.name}"

    @property
    def obligation(self) -> str:
        return definition_id(self.contract.model, self.name)

    @property
    def outputs(self) -> list[tuple[int, str]]:
        """Position and name of the outputs that are floating-point numbers."""
        return [(k, p.name) for k, p in enumerate(self.equation.signature.outputs) if p.type.is_floating]

    @property
    def dtypes(self) -> tuple[str, ...]:
        """The dtypes in which the kernel differs: one, if nothing it takes or gives has the dtype under test."""
        signature = self.equation.signature
        return DTYPES if any(p.type.dtype == "float" for p in (*signature.inputs, *signature.outputs)) else ("f32",)


@dataclass
class Slice:
    """Correct code over some cases of one kernel and dtype; then the first of them made wrong."""

    subject: Subject
    dtype: str
    seed: int
    first: int
    drawn: int
    cases: dict[str, int] = field(default_factory=dict)  # order -> cases
    alarms: dict[str, list[str]] = field(default_factory=dict)  # order -> what failed
    worst: dict[str, dict[str, float]] = field(default_factory=dict)  # order -> output -> largest error / bound
    seconds: float = 0.0
    bias: str = ""  # of correct code, over all cases
    verdicts: dict[str, dict[str, Verdict]] = field(default_factory=dict)  # output -> way of being wrong
    forms: dict[str, str] = field(default_factory=dict)  # output -> its dtype

    @property
    def false_alarms(self) -> list[str]:
        found = [f"{o}: {m}" for o, messages in self.alarms.items() for m in messages]
        return [*found, self.bias] if self.bias else found

    @property
    def survivors(self) -> list[str]:
        return [f"{o}: {name}" for o, by_name in self.verdicts.items() for name, v in by_name.items() if v.survived]


# Scalars and float64 arrays are what Python computes with: there is no narrower dtype that a kernel could round to.
_OF_A_MACHINE = {"float", "accum", "f32", "bf16", "f16"}


def defines_floats(contract: CheckedContract) -> bool:
    """Whether an equation with a definition has an output in a dtype that kernels compute in."""
    return any(_tried(e) for e in contract.equations.values())


def _tried(equation: CheckedEquation) -> bool:
    return equation.define is not None and any(p.type.dtype in _OF_A_MACHINE for p in equation.signature.outputs)


def undefined(library: Library) -> list[str]:
    """Kernels with floating outputs and no definition: what they give has no bound of its own."""
    return [
        f"{c.name} {name}"
        for c in library.checked.values()
        for name, e in c.equations.items()
        if e.define is None and any(p.type.dtype in _OF_A_MACHINE for p in e.signature.outputs)
    ]


def modules(library: Library, names: Iterable[str]) -> Iterator[tuple[CheckedContract, ModuleType]]:
    """Checked contracts that define a floating output, with their tests as current as the contract."""
    chosen = [n for n in names if n in library.checked and defines_floats(library.checked[n])]
    paths = current_modules(library, chosen)
    for name in chosen:
        yield library.checked[name], load_generated(paths[name])


def subjects(library: Library, wanted: Iterable[str] = ()) -> list[Subject]:
    """Kernels named `family/kernel` (all equations) or `family/kernel:equation`; all kernels when nothing is named.

    Raises ValueError for a name without a kernel.
    """
    names = list(wanted) or sorted(library.checked)
    known = {name.partition(":")[0] for name in names}
    found = [
        Subject(contract, module, e)
        for contract, module in modules(library, sorted(known))
        for e in contract.equations.values()
        if _tried(e)
    ]
    chosen = []
    for name in names:
        hits = [s for s in found if name in (s.contract.name, s.full_name)]
        if not hits and wanted:
            raise ValueError(f"no kernel {name!r} with a definition and a floating output: name it family/kernel")
        chosen += [s for s in hits if s not in chosen]
    return chosen


def try_slice(
    subject: Subject, dtype: str, *, seed: int = 0, first: int = 0, cases: int, wrong: bool | None = None, more: int = 0
) -> Slice:
    """Cases `first` ... of a kernel's definition at one dtype, by correct code; and, in the slice that begins with
    case 0 (or where `wrong` says so), the first `KEPT` of them made wrong in every way. `more` cases are looked at
    after the first that was rejected."""
    doubted = first == 0 if wrong is None else wrong
    trial = Trial(subject.module.spec, dtype, subject.name, KEPT if doubted else 0)
    drawer = Drawer(f"{seed}:{subject.contract.name}:{subject.name}:{dtype}", first, cases, trial)
    found = Slice(subject, dtype, seed, first, cases)
    begin = time.monotonic()
    test = tests_of(subject.module)[subject.obligation]
    with drawing(drawer):
        try:
            test(trial)
        except ObligationFailed as failed:
            found.bias = failed.failure.message.split("\n")[0]
    found.seconds, found.cases = time.monotonic() - begin, dict(trial.cases)
    found.alarms = {order: [m for o, m in drawer.alarms if o == order] for order in ORDER_NAMES}
    outputs = dict(subject.outputs)
    found.worst = {o: {outputs[k]: trial.worst.get((subject.name, k, o), 0.0) for k in outputs} for o in ORDER_NAMES}
    found.forms = {name: trial.form(subject.name, k) for k, name in outputs.items()}
    if doubted:
        found.verdicts = {name: dict(Doubt(trial, k, more).verdicts()) for k, name in outputs.items()}
    return found


# Other laws than the definition


def laws(contract: CheckedContract, spec: Definitions) -> list[CheckedObligation]:
    """Obligations besides definitions whose kernels all have a definition; inputs that must be refused say nothing."""
    skipped = ("rejection", "resource", "dispatch", "statistical")
    definitions = {definition_id(contract.model, name) for name in contract.equations}
    return [
        o
        for o in contract.obligations
        if str(o.model.type) not in skipped and o.id not in definitions and o.calls() <= set(spec.functions)
    ]


def try_laws(contract: CheckedContract, module: ModuleType, dtype: str, *, seed: int = 0, cases: int) -> list[str]:
    """Run correct code through `cases` cases of every law; the laws that reject it, and why."""
    import _pytest.outcomes

    alarms, tests = [], tests_of(module)
    for o in laws(contract, module.spec):
        trial = Trial(module.spec, dtype)
        drawer = Drawer(f"{seed}:{contract.name}:{o.id}:{dtype}", 0, cases, trial)
        message = ""
        with drawing(drawer), few_cases(cases), contextlib.suppress(_pytest.outcomes.Skipped):
            try:
                tests[o.id](trial)
            except ObligationFailed as failed:
                message = failed.failure.message.split("\n")[0]
        message = message or (drawer.alarms[0][1] if drawer.alarms else "")
        if message:
            alarms.append(f"{o.id} {dtype}: {message}")
    return alarms
