"""Trials of the derived tolerances: correct implementations must pass, wrong ones must not.

    python -m albor_contracts.trials [CONTRACT...] [--cases N] [--write]

For every equation with a definition and floating outputs, implementations are made from the definition: float32
accumulation in several orders of summation, blocked, in pairs, fused, with a GPU's approximate instructions, and the
output rounded to float32, bfloat16 or float16. Each runs the contract's own obligations; none may fail. Then each is
made wrong in one way at a time, and the obligation of the definition has to notice.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from types import ModuleType
from typing import Any

import numpy as np

from .checked import CheckedContract, CheckedObligation
from .falsify.matrix import few_cases, load_generated, tests_of
from .lang import tree
from .lang.signature import Signature
from .library import Library, open_library
from .links import definition_id
from .runtime.bounded import Bounded
from .runtime.claims import approx, watching
from .runtime.deviation import Deviation
from .runtime.dtypes import FORMATS, round_to
from .runtime.kernel import Definitions, Kernel, Output, Target, _Lazy
from .runtime.rounded import Arithmetic, implementations, in_float64, longest_sum, overflowed
from .runtime.session import ObligationFailed
from .runtime.truth import Truth
from .verify.plan import current_modules

NUMPY = {"f64": np.float64, "f32": np.float32, "f16": np.float16, "bf16": np.float32}
DTYPES = ("f32", "bf16", "f16")
ORDERS = (
    Arithmetic("pairwise"),
    Arithmetic("naive"),
    Arithmetic("reversed", casts=True),
    Arithmetic("blocks of 32", fused=True),
    Arithmetic("blocks of 128", fast=True),
    Arithmetic("blocks of 128", fused=True, fast=True, casts=True),
)
LONG = 256  # terms from which on a sum in the output dtype shows
SCALES = {"f32": 1e-3, "bf16": 8 * FORMATS["bf16"].unit, "f16": 8 * FORMATS["f16"].unit}
KEPT = 60  # cases of correct code that are kept to be made wrong
SCALINGS = 12  # how many of them are scaled to find the smallest rejected factor

Outputs = list[Any]
Change = Callable[[np.ndarray, np.random.Generator], np.ndarray]


# What is done to an output. Nothing is changed where the change does not apply, and that is noticed.


def _shifted(y: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    if y.ndim and y.shape[-1] > 1:
        return np.roll(y, 1, axis=-1)
    return np.roll(y.reshape(-1), 1).reshape(y.shape)


def _one_wrong(y: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    changed = y.copy()
    places = np.flatnonzero(y)
    if places.size:
        changed.reshape(-1)[rng.choice(places)] *= -1
    return changed


def _last_column(y: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    changed = y.copy()
    if y.ndim and y.shape[-1] > 1:
        changed[..., -1] = 0
    return changed


CHANGES: dict[str, Change] = {
    "all zeros": lambda y, rng: np.zeros_like(y),
    "sign flipped": lambda y, rng: -y,
    "permuted": _shifted,
    "one wrong element": _one_wrong,
    "last column missing": _last_column,
}
SCALED, TRUNCATED, NARROW = "scaled", "truncated", "sums in the output dtype"
ARITHMETIC: dict[str, dict[str, Any]] = {
    "last term of sums dropped": {"drop": True},
    "mean over N - 1": {"divisor": -1},
}
MUTATIONS = (*CHANGES, SCALED, TRUNCATED, *ARITHMETIC, NARROW)
UNCHANGED = {
    **dict.fromkeys(("all zeros", "sign flipped", "one wrong element", SCALED), "the output is zero"),
    "permuted": "a single element",
    "last column missing": "a single column",
    TRUNCATED: "every value is held exactly",
    "last term of sums dropped": "no sum",
    "mean over N - 1": "no mean",
    NARROW: "no sum",
}


def truncated(y: np.ndarray, dtype: str) -> np.ndarray:
    """y rounded towards zero."""
    near, form = round_to(y, dtype), FORMATS[dtype]
    _, exponent = np.frexp(np.where(np.isfinite(y), y, 0.0))
    quantum = np.ldexp(1.0, np.maximum(exponent - 1, form.emin) - form.digits + 1)
    with np.errstate(invalid="ignore"):
        cut = np.where(np.isfinite(near), np.trunc(y / quantum) * quantum, np.copysign(form.largest, y))
        return np.where(np.abs(near) > np.abs(y), cut, near)


@dataclass
class Sample:
    """One call of correct code, kept to be made wrong."""

    arguments: tuple[Any, ...]
    stream: int
    computed: list[Any]  # outputs in the accumulation precision
    bounds: tuple[Any, ...]  # of the definition


@dataclass
class Accuracy:
    """What correct code did to one output at one dtype."""

    cases: int = 0
    worst: float = 0.0  # largest error, as a fraction of its bound


@dataclass(frozen=True, order=True)
class Scaling:
    """A relative perturbation that is just rejected: in units roundoff of the output, and as a share of the bound."""

    units: float = float("inf")
    share: float = float("inf")


@dataclass
class Verdict:
    """One mutation of one output: rejected after so many cases, or why it does not apply."""

    rejected: bool
    cases: int = 0
    reason: str = ""

    @property
    def survived(self) -> bool:
        return not self.rejected and not self.reason


@dataclass
class Row:
    """One output of one equation at one dtype."""

    contract: str
    equation: str
    output: str
    dtype: str
    form: str  # the dtype of this output
    accuracy: Accuracy
    scaling: tuple[Scaling, Scaling]  # the smallest that is rejected, over cases: smallest and median
    verdicts: dict[str, Verdict] = field(default_factory=dict)


@dataclass
class Report:
    contract: str
    rows: list[Row] = field(default_factory=list)
    alarms: list[str] = field(default_factory=list)  # obligations that rejected correct code
    cases: dict[str, int] = field(default_factory=dict)  # obligation -> cases over all dtypes

    @property
    def survivors(self) -> list[str]:
        return [
            f"{r.equation}.{r.output} {r.dtype}: {name}"
            for r in self.rows
            for name, v in r.verdicts.items()
            if v.survived
        ]


class Trial(Kernel):
    """A kernel made of the honest implementations. Which of `ORDERS` computes a case is a property of the case."""

    def __init__(self, spec: Definitions, dtype: str) -> None:
        self.stream = 0
        self.counted = 0
        self.mutation = ""  # arithmetic that is made wrong
        self.seen: dict[tuple[str, int], Accuracy] = {}
        self.samples: dict[str, list[Sample]] = {}
        self.sampling = ""  # equation whose calls are kept
        self.latest: list[Any] = []
        self.evaluated: tuple[Any, ...] | None = None  # bounds of the last call
        self.functions = implementations(spec, self._arithmetic)
        targets = {name: Target(self._implementation(name, f), f"trial:{name}") for name, f in self.functions.items()}
        super().__init__(spec.contract, "trial", "numpy", dtype, "cpu", targets, spec)

    def __repr__(self) -> str:
        # Without one of its own, Hypothesis prints the fields of a dataclass, and with them every array of the case.
        return f"trial-{self.dtype}"

    def form(self, equation: str, k: int) -> str:
        """The dtype of an output."""
        found = self._dtype_of(self.signatures[equation].outputs[k].type)
        return found if found in FORMATS else self.precision

    def _arithmetic(self) -> Arithmetic:
        how = replace(ORDERS[self.stream % len(ORDERS)], precision=self.precision, dtype=self.dtype)
        if not self.mutation:
            return how
        if self.mutation == NARROW:
            return replace(how, order="naive", sums_in=self.dtype)
        return replace(how, **ARITHMETIC[self.mutation])

    def receives(self, case: Any, names: str, step: bool = False) -> Any:
        self.stream = case.stream
        self.counted += not step
        return super().receives(case, names, step)

    def _implementation(self, name: str, function: Callable[..., tuple[Any, ...]]) -> Callable[..., Any]:
        def run(*arguments: Any) -> Any:
            self.latest = list(function(*arguments))
            if overflowed():
                # The formula leaves the range of float32 on the way; a careful implementation scales.
                with in_float64():
                    self.latest = list(function(*arguments))
            made = tuple([self._stored(name, k, value) for k, value in enumerate(self.latest)])
            return made if len(made) != 1 else made[0]

        return run

    def _stored(self, name: str, k: int, value: Any) -> Any:
        """The output in its dtype."""
        type_ = self.signatures[name].outputs[k].type
        if not type_.is_array:
            kind = {"int": int, "bool": bool, "real": float}.get(type_.dtype)
            return value if kind is None else kind(np.asarray(value).reshape(()))
        if not type_.is_floating:
            kinds = {"bool": bool, "u8": np.uint8, "i64": np.int64, "i32": np.int32, "i8": np.int8}
            return np.asarray(value.value if isinstance(value, Truth) else value).astype(kinds[type_.dtype])
        form = self._dtype_of(type_)
        with np.errstate(all="ignore"):
            return round_to(value, form).astype(NUMPY[form])

    def run(self, name: str, arguments: Any, judged: bool = True) -> Any:
        self.evaluated = None
        found = super().run(name, arguments, judged)
        outputs = found if isinstance(found, tuple) else (found,)
        for k, value in enumerate(outputs):
            if isinstance(value, Output) and self.signatures[name].outputs[k].type.is_floating:
                self._note(name, k, value)
        if self.evaluated is not None and self.sampling == name and len(self.samples.setdefault(name, [])) < KEPT:
            plain = tuple(a.value if isinstance(a, Bounded) else a for a in arguments)
            self.samples[name].append(Sample(plain, self.stream, list(self.latest), self.evaluated))
        return found

    def _bounds(self, signature: Signature, received: Any) -> tuple[Any, ...] | None:
        self.evaluated = super()._bounds(signature, received)
        return self.evaluated

    def _note(self, name: str, k: int, value: Output) -> None:
        """Compare a correct output with the definition, whatever the obligation is about."""
        error = value.error
        if self.evaluated is None:
            return
        expected = Bounded.of(self.evaluated[k]).value
        accuracy = self.seen.setdefault((name, k), Accuracy())
        accuracy.cases += 1
        with np.errstate(all="ignore"):
            distance = np.abs(value.value - expected)
            share = np.where(distance <= 0, 0.0, distance / error)
        # What is flushed to zero is off by its own size, which is all that its bound says.
        share = share[np.isfinite(share) & (np.abs(expected) >= FORMATS[self.form(name, k)].smallest_normal)]
        accuracy.worst = max(accuracy.worst, float(share.max(initial=0.0)))

    # Made wrong

    def mutated(self, name: str, k: int, sample: Sample, mutation: str) -> np.ndarray:
        """One output of a kept call, after what the mutation does to it, in its dtype."""
        form, y = self.form(name, k), np.asarray(sample.computed[k], dtype=np.float64)
        if mutation in ARITHMETIC or mutation == NARROW:
            self.stream, self.mutation = sample.stream, mutation
            try:
                y = np.asarray(self.functions[name](*sample.arguments)[k], dtype=np.float64)
            finally:
                self.mutation = ""
        with np.errstate(all="ignore"):
            if mutation == TRUNCATED:
                return truncated(y, form)
            if mutation == SCALED:
                y = y * (1 + SCALES[form])
            elif mutation in CHANGES:
                y = CHANGES[mutation](y, np.random.default_rng(sample.stream))
            return round_to(y, form)

    def rejects(self, name: str, k: int, sample: Sample, value: np.ndarray) -> bool:
        """Whether the obligation of the definition fails on this output."""
        bounds = _Known(sample.bounds)
        tolerance = self._tolerance(bounds, k, self.signatures[name].outputs[k].type, value, name)
        close = approx(Bounded(value, tolerance), Bounded.of(sample.bounds[k]).value)
        return not bool(close.possible.all())

    def smallest_rejected(self, name: str, k: int) -> tuple[Scaling, Scaling]:
        """The smallest scaling of the whole output that is rejected: over kept cases the smallest and the median."""
        form = self.form(name, k)
        found: list[Scaling] = []
        for sample in self.samples.get(name, ()):
            y, exact = np.asarray(sample.computed[k], dtype=np.float64), Bounded.of(sample.bounds[k]).value
            if np.isfinite(exact).all() and np.isfinite(y).all() and np.any(exact != 0) and len(found) < SCALINGS:
                tolerance = self._tolerance(_Known(sample.bounds), k, self.signatures[name].outputs[k].type, y, name)
                found.append(_scaled_until_rejected(y, exact, np.broadcast_to(tolerance, exact.shape), form))
        found.sort()
        return (found[0], found[len(found) // 2]) if found else (Scaling(), Scaling())


def _scaled_until_rejected(y: np.ndarray, exact: np.ndarray, tolerance: np.ndarray, form: str) -> Scaling:
    unit = FORMATS[form].unit

    def share_rejected(scale: float) -> float:
        with np.errstate(all="ignore"):
            caught = np.abs(round_to(y * (1 + scale), form) - exact) > tolerance
            return float(np.where(caught, np.abs(scale * exact) / tolerance, 0.0).max(initial=0.0))

    low, high = unit / 1024, 1.0
    if not share_rejected(high):
        return Scaling()
    for _ in range(20):
        middle = float(np.sqrt(low * high))
        low, high = (low, middle) if share_rejected(middle) else (middle, high)
    return Scaling(high / unit, share_rejected(high))


class _Known(_Lazy):
    """Bounds that were evaluated before."""

    def __init__(self, outputs: tuple[Any, ...]) -> None:
        super().__init__(lambda: outputs)


def _calls(o: CheckedObligation) -> set[str]:
    """Equations whose kernels an obligation runs."""
    found = set()
    for part in (*o.law.statements, *((o.law.check,) if o.law.check is not None else ())):
        found |= {n.equation for n in tree.walk(part) if isinstance(n, tree.Call) and not n.spec}
    if o.model.call is not None:
        found.add(str(o.model.call).split("(")[0].strip())
    if str(o.model.type) in ("gradient", "independence") or not found:
        found.add(o.equation.name)
    return found


def suitable(contract: CheckedContract, spec: Definitions) -> list[CheckedObligation]:
    """Obligations about formulas whose kernels all have a definition; inputs that must be refused say nothing here."""
    skipped = ("rejection", "resource", "statistical")
    return [o for o in contract.obligations if str(o.model.type) not in skipped and _calls(o) <= set(spec.functions)]


def _fails(test: Any, kernel: Trial, cases: int) -> str | None:
    import _pytest.outcomes

    with few_cases(cases), watching():
        try:
            test(kernel)
        except ObligationFailed as failed:
            return failed.failure.message.split("\n")[0]
        except _pytest.outcomes.Skipped:
            return None
    return None


def defines_floats(contract: CheckedContract) -> bool:
    """Whether an equation with a definition has an output of floating-point numbers."""
    return any(
        p.type.is_floating and p.type.is_array
        for e in contract.equations.values()
        if e.define is not None
        for p in e.signature.outputs
    )


def modules(library: Library, names: Iterable[str]) -> Iterator[tuple[CheckedContract, ModuleType]]:
    """Checked contracts that define a floating output, with their tests as current as the contract."""
    chosen = [n for n in names if n in library.checked]
    paths = current_modules(library, chosen)
    for name in chosen:
        if defines_floats(library.checked[name]):
            yield library.checked[name], load_generated(paths[name])


def shared_out(contract: CheckedContract, cases: int) -> int:
    """Cases of each definition and dtype, so that they are `cases` over all of them."""
    defined = sum(e.define is not None for e in contract.equations.values())
    return max(KEPT, math.ceil(cases / (len(DTYPES) * defined)))


def try_contract(
    contract: CheckedContract,
    module: ModuleType,
    *,
    cases: int,
    others: int | None = None,
    dtypes: Iterable[str] = DTYPES,
) -> Report:
    """Run correct implementations through `cases` cases of every definition and dtype (`others` of the other
    obligations), then make the outputs of up to `KEPT` of the cases wrong in every way."""
    report = Report(contract.name)
    tests = tests_of(module)
    definitions = {definition_id(contract.model, name): name for name in contract.equations}
    chosen = suitable(contract, module.spec)
    for dtype in dtypes:
        honest = Trial(module.spec, dtype)
        for o in chosen:
            if others == 0 and o.id not in definitions:
                continue
            honest.counted = 0
            honest.sampling = definitions.get(o.id, "")
            message = _fails(tests[o.id], honest, cases if o.id in definitions or others is None else others)
            report.cases[o.id] = report.cases.get(o.id, 0) + honest.counted
            if message is not None:
                report.alarms.append(f"{o.id} {dtype}: {message}")
        for o in chosen:
            if o.id in definitions:
                report.rows += _rows(contract.name, honest, o.equation.name)
    return report


def _rows(contract: str, honest: Trial, equation: str) -> list[Row]:
    rows = []
    for k, p in enumerate(honest.signatures[equation].outputs):
        if p.type.is_floating and p.type.is_array:
            seen = honest.seen.get((equation, k), Accuracy())
            scaling = honest.smallest_rejected(equation, k)
            row = Row(contract, equation, p.name, honest.dtype, honest.form(equation, k), seen, scaling)
            row.verdicts = {mutation: _judged(honest, equation, k, mutation) for mutation in MUTATIONS}
            rows.append(row)
    return rows


def _judged(trial: Trial, equation: str, k: int, mutation: str) -> Verdict:
    """Whether the obligation of the definition notices the mutation: by one of the cases, or by all of them."""
    form = trial.form(equation, k)
    if mutation in (TRUNCATED, NARROW) and form == trial.precision:
        return Verdict(False, reason="the output has the accumulation dtype")
    trial.deviation, changed, number = Deviation(), False, 0
    longest_sum()
    try:
        for number, sample in enumerate(trial.samples.get(equation, ()), 1):
            wrong = trial.mutated(equation, k, sample, mutation)
            changed |= not np.array_equal(round_to(np.asarray(sample.computed[k]), form), wrong, equal_nan=True)
            if trial.rejects(equation, k, sample, wrong):
                return Verdict(True, number)
        if trial.deviation.bias() is not None:
            return Verdict(True, number)
    finally:
        trial.deviation = None
    longest = longest_sum()
    if not changed:
        return Verdict(False, number, UNCHANGED[mutation])
    if mutation == NARROW and longest < LONG:
        return Verdict(False, number, f"no sum is longer than {longest} terms")
    return Verdict(False, number)


# The report


def table(reports: Iterable[Report]) -> str:
    """Accuracy of correct code and the smallest rejected perturbation, for every output and dtype."""
    lines = [
        "| contract | output | dtype | cases | worst correct / bound | rejected / bound | rejected | median case |",
        "|---|---|---|---:|---:|---:|---:|---:|",
    ]
    for report in reports:
        for r in report.rows:
            least, median = r.scaling
            lines.append(
                f"| {r.contract} | {r.equation}.{r.output} | {r.dtype} | {r.accuracy.cases} | {r.accuracy.worst:.3f} "
                f"| {least.share:.3f} | 1 + {least.units:.3g} u | 1 + {median.units:.3g} u |"
            )
    return "\n".join(lines)


def mutation_table(reports: Iterable[Report]) -> str:
    """For every output and dtype the number of cases until each mutation was rejected, with footnotes."""
    notes: dict[str, int] = {}
    lines = [
        "| contract | output | dtype | " + " | ".join(MUTATIONS) + " |",
        "|---|---|---|" + "---:|" * len(MUTATIONS),
    ]
    for report in reports:
        for r in report.rows:
            cells = []
            for mutation in MUTATIONS:
                v = r.verdicts[mutation]
                if v.rejected:
                    cells.append(str(v.cases))
                elif v.reason:
                    cells.append(f"({notes.setdefault(v.reason, len(notes) + 1)})")
                else:
                    cells.append("**survives**")
            lines.append(f"| {r.contract} | {r.equation}.{r.output} | {r.dtype} | {' | '.join(cells)} |")
    return "\n".join([*lines, "", *(f"({number}) does not apply: {reason}" + "  " for reason, number in notes.items())])


def document(reports: Iterable[Report], command: str) -> str:
    """The page docs/tolerance-trials.md."""
    reports = list(reports)
    total = sum(sum(r.cases.values()) for r in reports)
    alarms = [f"- {r.contract} {a}" for r in reports for a in r.alarms]
    survivors = [f"- {r.contract} {s}" for r in reports for s in r.survivors]
    return "\n".join([
        "# Trials of the tolerances", "",
        f"Written by `{command}`.", "",
        "Correct implementations of every definition, accumulating in float32 in six ways (in pairs, one by one,",
        "reversed, in blocks of 32 with fused multiply-add, in blocks of 128 with approximate instructions and flushed",
        "subnormals, and all of that together), run the contracts' own obligations. Then one thing is made wrong.", "",
        f"{total} cases of correct code, {len(alarms)} false alarms; {len(survivors)} wrong outputs accepted.", "",
        *alarms, *survivors, *([""] if alarms or survivors else []),
        "## Correct code, and the smallest wrong scaling", "",
        "u is the unit roundoff of the output's dtype. `rejected` is the smallest factor on a whole output that is",
        f"found wrong in any of {SCALINGS} cases; that of the `median case` is found wrong in half of them.",
        "Factors far below 1 + u show where a result next to a midpoint rounds the other way.", "",
        table(reports), "",
        "## Cases until a wrong output is rejected", "",
        mutation_table(reports), "",
    ])  # fmt: skip


def main(arguments: list[str] | None = None) -> int:
    """Run the trials from the command line. 0: no false alarm and nothing wrong accepted."""
    parser = argparse.ArgumentParser(prog="python -m albor_contracts.trials", description=__doc__.split("\n")[0])
    parser.add_argument("contract", nargs="*", help="names of contracts; all that define a floating output")
    parser.add_argument("--cases", type=int, default=1000, help="cases of a contract's definitions, over all dtypes")
    parser.add_argument("--others", type=int, default=20, help="cases of every other obligation and dtype")
    parser.add_argument("--write", action="store_true", help="write docs/tolerance-trials.md")
    options = parser.parse_args(arguments)
    library = open_library()
    reports = []
    for contract, module in modules(library, options.contract or sorted(library.checked)):
        report = try_contract(contract, module, cases=shared_out(contract, options.cases), others=options.others)
        print(table([report]), *report.alarms, *(f"survives: {s}" for s in report.survivors), "", sep="\n", flush=True)
        reports.append(report)
    if options.write:
        words = ["python -m albor_contracts.trials", *(sys.argv[1:] if arguments is None else arguments)]
        page = library.root / "docs" / "tolerance-trials.md"
        page.write_text(document(reports, " ".join(words)), encoding="utf-8")
        print(f"written: {page}")
    return 1 if any(r.alarms or r.survivors for r in reports) or not reports else 0


if __name__ == "__main__":
    sys.exit(main())
