"""How a kernel's outputs deviate from correctly rounded ones: the worst error in units in the last place, and bias.

Rounding to nearest errs in both directions alike. A kernel that truncates, or is off by a constant factor smaller
than the bound, errs in one: no single element gives it away, their mean does. Where the definition fixes a result to
within a few units roundoff of a narrow output dtype, d = (|y| - |round(y*)|) / ulp is 0 for a correct kernel except
next to midpoints between two numbers of the format, which are left out, and has mean 0 where the definition allows
roundings on the way. The mean over elements of one case is one observation, because elements of one case may share
their roundings; a kernel is biased if

    |mean of d| > 6 s / sqrt(cases) + 0.02,  s^2 = variance over cases + 1 / (12 elements of a case)

over more than 1000 elements in at least 20 cases; the same is asked of the signed error. Truncation has mean -0.5.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .dtypes import Format, round_to
from .quiet import quiet

SIGMAS = 6.0
ALLOWED = 0.02  # units in the last place
ELEMENTS = 1000
CASES = 20
FEWEST = 8  # elements that make the mean of a case an observation
LOOKED_AT = 512  # elements of one output of one case, evenly spread
WELL_CONDITIONED = 8.0  # units roundoff
_EXPONENT = np.int64(0x7FF0000000000000)  # the bits of a float64's exponent


@dataclass
class _Observations:
    elements: int = 0
    magnitude: list[tuple[float, int]] = field(default_factory=list)  # mean of a case, and over how many elements
    signed: list[tuple[float, int]] = field(default_factory=list)


class Deviation:
    """What was seen of every floating output during one obligation."""

    def __init__(self) -> None:
        self.worst_ulp: float | None = None
        self.seen: dict[str, _Observations] = {}

    def note(self, name: str, value: np.ndarray, exact: np.ndarray, error: Any, form: Format, narrow: bool) -> None:
        """One output: what the kernel computed, what is right, and how far a computation in the accumulation
        precision may be off. `narrow`: the output is rounded to a narrower dtype than sums are."""
        if not np.ndim(value):
            value, exact = np.reshape(value, 1), np.reshape(exact, 1)
        if value.shape != exact.shape or not value.size:
            return
        with quiet:
            self._ulps(value, exact, error, form)
            if narrow:
                self._bias(name, value, exact, error, form)

    def _ulps(self, value: np.ndarray, exact: np.ndarray, error: Any, form: Format) -> None:
        worst = self.worst_ulp or 0.0
        self.worst_ulp = worst
        size = np.abs(exact)
        distance = np.abs(value - exact)
        # Most cases have no element that beats the worst so far: one comparison with the powers of two tells.
        power = np.maximum(_power_of_two(size), form.smallest_normal)
        candidates = distance > power * (worst * 2 * form.unit)
        if not np.count_nonzero(candidates):
            return
        size, distance = size[candidates], distance[candidates]
        # Of a result that may be lost in cancellation no digit is fixed.
        slack = error if np.ndim(error) == 0 else np.broadcast_to(error, exact.shape)[candidates]
        fixed = (slack < size) & (distance < np.inf) & (size >= form.smallest_normal)
        if fixed.any():
            self.worst_ulp = max(worst, float((distance[fixed] / _ulp(size[fixed], form)).max()))

    def _bias(self, name: str, value: np.ndarray, exact: np.ndarray, error: Any, form: Format) -> None:
        step = max(1, value.size // LOOKED_AT)
        y, right = value.reshape(-1)[::step], exact.reshape(-1)[::step]
        slack = np.broadcast_to(np.asarray(error), exact.shape).reshape(-1)[::step]
        size = np.abs(right)
        good = (slack <= WELL_CONDITIONED * form.unit * size) & np.isfinite(y) & (size > 2 * form.smallest_normal)
        good &= size < form.largest / 2
        if np.count_nonzero(good) < FEWEST:
            return
        y, right, slack, size = y[good], right[good], slack[good], size[good]
        near = round_to(right, form.name)
        ulp = _ulp(size, form)
        # Next to a midpoint either neighbour is right, if the error is small enough for that to be the question.
        decided = (np.abs(np.abs(right - near) - ulp / 2) > slack) | (slack > ulp / 64)
        if np.count_nonzero(decided) < FEWEST:
            return
        d = ((np.abs(y) - np.abs(near)) / ulp)[decided]
        s = ((y - near) / ulp)[decided]
        found = self.seen.setdefault(name, _Observations())
        found.elements += d.size
        found.magnitude.append((float(d.mean()), d.size))
        found.signed.append((float(s.mean()), s.size))

    def bias(self) -> str | None:
        """What is biased, in words; None where nothing is, or too little was seen."""
        for name, found in self.seen.items():
            if found.elements <= ELEMENTS or len(found.magnitude) < CASES:
                continue
            for words, means in (("in magnitude", found.magnitude), ("in value", found.signed)):
                mean, limit = _judged(means)
                if abs(mean) > limit:
                    direction = "too small" if mean < 0 else "too large"
                    return (
                        f"{name} is biased: over {found.elements} elements of {len(means)} cases it is on average "
                        f"{abs(mean):.3f} units in the last place {direction} {words}, and rounding to nearest stays "
                        f"within {limit:.3f}; each error is inside its bound, but they all point the same way, as "
                        "truncation or a factor slightly off 1 makes them"
                    )
        return None


def _judged(means: list[tuple[float, int]]) -> tuple[float, float]:
    """The mean over cases, and how large it may be."""
    n = len(means)
    values = [m for m, _ in means]
    mean = sum(values) / n
    variance = sum((m - mean) ** 2 for m in values) / (n - 1) + sum(1 / (12 * k) for _, k in means) / n
    return mean, SIGMAS * math.sqrt(variance / n) + ALLOWED


def _power_of_two(size: np.ndarray) -> np.ndarray:
    """The largest power of two up to each; 0 for subnormal numbers of float64."""
    return (size.view(np.int64) & _EXPONENT).view(np.float64)


def _ulp(size: np.ndarray, form: Format) -> np.ndarray:
    """The distance of neighbouring numbers of the format at this magnitude."""
    _, exponent = np.frexp(size)
    return np.ldexp(1.0, np.maximum(exponent - 1, form.emin) - form.digits + 1)
