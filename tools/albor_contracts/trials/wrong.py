"""Wrong code: outputs and arithmetic made wrong in one way at a time, and whether the definition's obligation notices.

Every size here is the change of an output element as a fraction of its bound, |wrong - right| / bound, where right is
what the correct implementation returned. A change beyond the bound by itself is rejected at once; one inside it is
noticed only where all cases together are biased.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..runtime.bounded import Bounded
from ..runtime.claims import compared
from ..runtime.definitions import LazyBounds
from ..runtime.deviation import Deviation
from ..runtime.dtypes import FORMATS, round_to
from ..runtime.rounded import longest_sum
from .correct import Sample, Trial

LONG = 256  # terms from which on a sum in the output dtype shows
SCALES = {"f32": 1e-3, "bf16": 8 * FORMATS["bf16"].unit, "f16": 8 * FORMATS["f16"].unit}
SCALINGS = 12  # cases that are scaled to find the smallest rejected factor

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
LEAST = "smallest scaling"  # the factor that is just rejected, searched for
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
class Verdict:
    """One way of being wrong of one output: how it was noticed, or why it does not apply.

    by        "element" (beyond its bound), "bias" (all cases together), or "" where it was not noticed
    cases     how many cases it took
    smallest  the smallest change that was rejected, as a fraction of the bound
    units     for scalings: the relative change in units roundoff of the output's dtype
    """

    by: str = ""
    cases: int = 0
    smallest: float = float("inf")
    units: float = float("inf")
    reason: str = ""

    @property
    def rejected(self) -> bool:
        return bool(self.by)

    @property
    def survived(self) -> bool:
        return not self.by and not self.reason


class _Known(LazyBounds):
    """Bounds that were evaluated before."""

    def __init__(self, outputs: tuple[Any, ...]) -> None:
        super().__init__(lambda: outputs)


class Doubt:
    """One output of the equation whose calls a trial has kept."""

    def __init__(self, trial: Trial, k: int, more: int = SCALINGS) -> None:
        self.trial = trial
        self.equation = trial.sampling
        self.k = k
        self.more = more  # cases that are looked at after the first that was rejected, for the smallest change
        self.form = trial.form(self.equation, k)

    def verdicts(self) -> Iterator[tuple[str, Verdict]]:
        """Every way of being wrong with its verdict, and the smallest scaling that is rejected."""
        for mutation in MUTATIONS:
            yield mutation, self.judged(mutation)
        yield LEAST, self.smallest_scaling()

    def judged(self, mutation: str) -> Verdict:
        """Whether the obligation of the definition notices: by one of the cases, or by all of them."""
        trial = self.trial
        if mutation in (TRUNCATED, NARROW) and self.form == trial.precision:
            return Verdict(reason="the output has the accumulation dtype")
        trial.deviation, changed, number, first, largest = Deviation(), False, 0, 0, 0.0
        found = Verdict()
        longest_sum()
        try:
            for number, sample in enumerate(trial.samples, 1):
                right, wrong = self.right(sample), self.mutated(sample, mutation)
                if np.array_equal(right, wrong, equal_nan=True):
                    wrong = right
                else:
                    changed = True
                rejected, tolerance = self.judge(sample, wrong)
                size = _size(wrong, right, tolerance)
                largest = max(largest, size)
                if rejected:
                    first = first or number
                    found = Verdict("element", first, min(found.smallest, size))
                if first and number >= first + self.more:
                    return found
            if not first and trial.deviation.bias() is not None:
                return Verdict("bias", number, largest)
        finally:
            trial.deviation = None
        longest = longest_sum()
        if first:
            return found
        if mutation == NARROW and 1 < longest < LONG:
            return Verdict(cases=number, reason=f"no sum is longer than {longest} terms")
        return Verdict(cases=number, reason="" if changed else UNCHANGED[mutation])

    def right(self, sample: Sample) -> np.ndarray:
        """The output as correct code stores it."""
        with np.errstate(all="ignore"):
            return round_to(np.asarray(sample.computed[self.k], dtype=np.float64), self.form)

    def mutated(self, sample: Sample, mutation: str) -> np.ndarray:
        """The output after what the mutation does to it, in its dtype."""
        trial, y = self.trial, np.asarray(sample.computed[self.k], dtype=np.float64)
        if mutation in ARITHMETIC or mutation == NARROW:
            trial.stream = sample.stream
            trial.changed = ARITHMETIC.get(mutation) or {"order": "naive", "sums_in": trial.dtype}
            try:
                y = np.asarray(trial.computed(self.equation, sample.arguments)[self.k], dtype=np.float64)
            finally:
                trial.changed = {}
        with np.errstate(all="ignore"):
            if mutation == TRUNCATED:
                return truncated(y, self.form)
            if mutation == SCALED:
                y = y * (1 + SCALES[self.form])
            elif mutation in CHANGES:
                y = CHANGES[mutation](y, np.random.default_rng(sample.stream))
            return round_to(y, self.form)

    def judge(self, sample: Sample, value: np.ndarray) -> tuple[bool, np.ndarray]:
        """Whether the obligation of the definition fails on this output, and the output's tolerance."""
        exact = Bounded.of(sample.bounds[self.k]).value
        type_ = self.trial.signatures[self.equation].outputs[self.k].type
        tolerance = self.trial._tolerance(_Known(sample.bounds), self.k, type_, value, self.equation)
        return not bool(compared(Bounded(value, tolerance), exact).possible.all()), tolerance

    def smallest_scaling(self) -> Verdict:
        """The smallest factor on the whole output that is rejected, over cases."""
        found, wanted = Verdict(reason="the output is zero"), max(1, self.more)
        for number, sample in enumerate(self._scalable(), 1):
            y, exact = np.asarray(sample.computed[self.k], dtype=np.float64), Bounded.of(sample.bounds[self.k]).value
            _, tolerance = self.judge(sample, self.right(sample))
            one = _scaled_until_rejected(y, exact, np.broadcast_to(tolerance, exact.shape), self.form)
            found = replace(found, cases=number, reason="")
            if one.rejected:  # others cancel so far that nothing of them is fixed
                smallest, units = min(found.smallest, one.smallest), min(found.units, one.units)
                found, wanted = Verdict("element", number, smallest, units), wanted - 1
            if not wanted:
                break
        return found

    def _scalable(self) -> list[Sample]:
        chosen = []
        for sample in self.trial.samples:
            y, exact = np.asarray(sample.computed[self.k]), Bounded.of(sample.bounds[self.k]).value
            if np.isfinite(exact).all() and np.isfinite(y).all() and np.any(exact != 0):
                chosen.append(sample)
        return chosen


def _size(wrong: np.ndarray, right: np.ndarray, tolerance: Any) -> float:
    """The largest change of an element, as a fraction of its bound."""
    with np.errstate(all="ignore"):
        share = np.abs(wrong - right) / tolerance
        share = np.where((wrong == right) | (np.isnan(wrong) & np.isnan(right)), 0.0, share)
    return float(np.nan_to_num(share, nan=np.inf).max(initial=0.0))


def _scaled_until_rejected(y: np.ndarray, exact: np.ndarray, tolerance: np.ndarray, form: str) -> Verdict:
    unit, right = FORMATS[form].unit, round_to(y, form)

    def rejected(scale: float) -> float:
        """The smallest change among the elements that are rejected; 0 where none is."""
        with np.errstate(all="ignore"):
            wrong = round_to(y * (1 + scale), form)
            caught = np.abs(wrong - exact) > tolerance
            if not caught.any():
                return 0.0
            return float((np.abs(wrong - right)[caught] / tolerance[caught]).min())

    low, high = unit / 1024, 1.0
    if not rejected(high):
        return Verdict()
    for _ in range(20):
        middle = float(np.sqrt(low * high))
        low, high = (low, middle) if rejected(middle) else (middle, high)
    return Verdict("element", 1, rejected(high), high / unit)
