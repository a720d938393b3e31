"""A declared domain, and the region of numbers it becomes once dimensions and scalars are known."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ..errors import problem
from ..lang.formats import FORMATS, at_least, at_most
from ..lang.types import INTEGER_RANGES, Domain
from .expressions import Env, Expression, arithmetic
from .rounding import round_to

LARGEST = FORMATS["f64"].largest
# What an input without a domain is drawn from. A contract that wants more says so: `in (-inf, inf)`.
DEFAULT_FLOAT = (-64.0, 64.0)
DEFAULT_INTEGER = {"u8": (0, 255), "i8": (-128, 127), "i32": (-100, 100), "i64": (-100, 100), "int": (-100, 100)}


class Empty(Exception):
    """The domain has no element for the drawn dimensions and scalars."""


@dataclass(frozen=True)
class FloatRegion:
    """Closed intervals with finite ends, and single values (infinities and NaN among them)."""

    intervals: tuple[tuple[float, float], ...]
    values: tuple[float, ...] = ()

    @property
    def infinite(self) -> bool:
        return any(math.isinf(v) for v in self.values)

    def received(self, x: np.ndarray, dtype: str) -> np.ndarray:
        """`x` rounded to `dtype` and moved back into the region where rounding left it."""
        rounded = round_to(x, dtype, overflow=self.infinite)
        return self.inside(rounded, dtype, x)

    def inside(self, rounded: np.ndarray, dtype: str, exact: np.ndarray | None = None) -> np.ndarray:
        """The element of the region nearest to each of `rounded`, among the values of `dtype`."""
        intervals, values = snapped(self, dtype)
        if len(intervals) == 1 and not values:
            return np.clip(rounded, *intervals[0])
        if not intervals:
            choices = np.array(values)
            with np.errstate(invalid="ignore"):
                distance = np.abs(rounded[..., None] - choices)
            distance = np.where(np.isnan(distance), math.inf, distance)
            result = choices[np.argmin(distance, axis=-1)]
        else:
            result = np.clip(rounded, *intervals[0])
            for low, high in intervals[1:]:
                other = np.clip(rounded, low, high)
                result = np.where(np.abs(other - rounded) < np.abs(result - rounded), other, result)
        source = rounded if exact is None else exact
        for declared, value in zip(self.values, values, strict=True):
            same = np.isnan(source) if math.isnan(declared) else (source == declared) | (rounded == value)
            result = np.where(same, value, result)
        return result


@lru_cache(maxsize=4096)
def snapped(region: FloatRegion, dtype: str) -> tuple[tuple[tuple[float, float], ...], tuple[float, ...]]:
    """Intervals with ends that are values of `dtype`, and the single values rounded to it."""
    ends = ((at_least(low, dtype), at_most(high, dtype)) for low, high in region.intervals)
    intervals = tuple((low, high) for low, high in ends if low <= high)
    values = tuple(float(round_to(np.array(v), dtype, overflow=region.infinite)) for v in region.values)
    if not intervals and not values:
        raise problem("E405", f"the domain {region.intervals} has no {dtype} value", hint="widen the domain")
    return intervals, values


@dataclass(frozen=True)
class IntegerRegion:
    """Closed integer intervals, and single values."""

    intervals: tuple[tuple[int, int], ...]
    values: tuple[int, ...] = ()

    @property
    def count(self) -> int:
        """Integers in the intervals."""
        return sum(high - low + 1 for low, high in self.intervals)

    def at(self, index: np.ndarray) -> np.ndarray:
        """The integers with these positions, the intervals laid end to end."""
        if len(self.intervals) == 1:
            return index + self.intervals[0][0]
        ends = np.cumsum([high - low + 1 for low, high in self.intervals])
        which = np.searchsorted(ends, index, side="right")
        starts = np.array([low for low, _ in self.intervals]) - np.concatenate([[0], ends[:-1]])
        return index + starts[which]


class Bounds:
    """A domain with compiled bounds. `names` are the dimensions and scalars that it depends on."""

    def __init__(self, domain: Domain) -> None:
        self.intervals: list[tuple[Expression, Expression, bool, bool]] = [
            (arithmetic(i.low), arithmetic(i.high), i.low_open, i.high_open) for i in domain.intervals
        ]
        self.values = [arithmetic(v) for v in domain.values]
        self.length = domain.length
        self.free = not self.intervals and not self.values
        parts = [*self.values, *(e for low, high, *_ in self.intervals for e in (low, high))]
        self.expressions = parts
        self.names = frozenset().union(*(e.names for e in parts))
        self._constant: dict[str, FloatRegion | IntegerRegion] = {}

    def floats(self, env: Env) -> FloatRegion:
        if not self.names and (found := self._constant.get("float")):
            assert isinstance(found, FloatRegion)
            return found
        region = self._floats(env)
        if not self.names:
            self._constant["float"] = region
        return region

    def _floats(self, env: Env) -> FloatRegion:
        if self.free:
            return FloatRegion((DEFAULT_FLOAT,))
        intervals = []
        values = [float(_value(v, env)) for v in self.values]
        for low_text, high_text, low_open, high_open in self.intervals:
            low, high = float(_value(low_text, env)), float(_value(high_text, env))
            for end, is_open in ((low, low_open), (high, high_open)):
                if math.isinf(end) and not is_open and end not in values:
                    values.append(end)
            for past in (_past, _next):  # of a very narrow interval the former may leave nothing
                first = max(past(low) if low_open else low, -LARGEST)
                last = min(-past(-high) if high_open else high, LARGEST)
                if first <= last:
                    intervals.append((first, last))
                    break
        if not intervals and not values:
            raise Empty
        return FloatRegion(tuple(intervals), tuple(values))

    def integers(self, env: Env, dtype: str) -> IntegerRegion:
        if not self.names and (found := self._constant.get(dtype)):
            assert isinstance(found, IntegerRegion)
            return found
        region = self._integers(env, dtype)
        if not self.names:
            self._constant[dtype] = region
        return region

    def _integers(self, env: Env, dtype: str) -> IntegerRegion:
        if self.free:
            return IntegerRegion((DEFAULT_INTEGER[dtype],))
        least, greatest = INTEGER_RANGES.get(dtype, INTEGER_RANGES["i64"])
        intervals = []
        for low_text, high_text, low_open, high_open in self.intervals:
            low, high = _value(low_text, env), _value(high_text, env)
            first = least if low == -math.inf else math.floor(low) + 1 if low_open else math.ceil(low)
            last = greatest if high == math.inf else math.ceil(high) - 1 if high_open else math.floor(high)
            first, last = max(first, least), min(last, greatest)
            if first <= last:
                intervals.append((first, last))
        values = tuple(int(_value(v, env)) for v in self.values)
        if not intervals and not values:
            raise Empty
        if any(not least <= v <= greatest for v in values):
            raise problem("E405", f"a value of the domain does not fit {dtype}", hint=f"{least}..{greatest}")
        return IntegerRegion(tuple(intervals), values)


def _next(end: float) -> float:
    return math.nextafter(end, math.inf)


def _past(end: float) -> float:
    """The first number beyond an open end that is still beyond it in float32, as which many kernels take scalars, where
    subnormal numbers are zero."""
    f32 = FORMATS["f32"]
    if abs(end) >= f32.largest:
        return _next(end)
    return math.ldexp(1.0, f32.emin) if end == 0 else at_least(_next(end), "f32")


def _value(expression: Expression, env: Env) -> float:
    try:
        return expression(env)
    except ZeroDivisionError:
        raise problem("E405", f"division by zero in {expression.text!r}") from None
