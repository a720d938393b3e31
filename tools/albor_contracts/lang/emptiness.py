"""Whether a domain has values at all: for numbers written out, and for what sizes make of its bounds."""

from __future__ import annotations

import ast
import math
from collections.abc import Collection

from .dims import ONE, Dims
from .formats import at_most
from .types import INTEGER_RANGES, Domain, Interval, Type, evaluate, names_in, parse_arithmetic


def why_empty(domain: Domain, type_: Type, dtypes: Collection[str]) -> str:
    """What is wrong with the bounds and values that are plain numbers, or the empty text. `dtypes` are those under
    test."""
    zero = next((e for e in _expressions(domain) if _divides_by_zero(parse_arithmetic(e))), None)
    if zero is not None:
        return f"{zero} divides by zero"
    for value in domain.values:
        if not names_in(value) and not type_.is_floating and (wrong := _not_whole(evaluate(value, {}), type_)):
            return f"{value} {wrong}"
    known = [i for i in domain.intervals if not names_in(i.low) | names_in(i.high)]
    for interval in known:
        if _is_empty(interval, type_):
            return f"nothing lies in {as_written(interval)}"
    if known and len(known) == len(domain.intervals) and not domain.values and type_.is_array and type_.is_floating:
        dtype = _rounded(type_, dtypes)
        if dtype and all(_has_none(interval, dtype) for interval in known):
            return f"no value of {dtype} lies in {' or '.join(map(as_written, known))}"
    return ""


def as_written(interval: Interval) -> str:
    begin, end = "(" if interval.low_open else "[", ")" if interval.high_open else "]"
    return f"{begin}{interval.low}, {interval.high}{end}"


def never_filled(domain: Domain, dims: Dims) -> Interval | None:
    """An interval between whole bounds that holds nothing, whatever the sizes are."""
    for interval in domain.intervals:
        low, high = dims.poly(interval.low), dims.poly(interval.high)
        if low is None or high is None:
            continue
        if dims.at_most(high + ONE, low) or (low == high and (interval.low_open or interval.high_open)):
            return interval
    return None


def _expressions(domain: Domain) -> list[str]:
    return [*domain.values, *(bound for i in domain.intervals for bound in (i.low, i.high))]


def _divides_by_zero(expression: ast.expr) -> bool:
    """Whether a divisor in it is a number, and that number is 0."""
    divisors = [
        n.right
        for n in ast.walk(expression)
        if isinstance(n, ast.BinOp) and isinstance(n.op, ast.Div | ast.FloorDiv | ast.Mod) and not names_in(n.right)
    ]
    return any(_divides_by_zero(d) or evaluate(d, {}) == 0 for d in divisors)


def _not_whole(value: float, type_: Type) -> str:
    least, greatest = INTEGER_RANGES.get(type_.dtype, INTEGER_RANGES["i64"])
    if not math.isfinite(value) or value != math.floor(value):
        return "is no whole number"
    return "" if least <= value <= greatest else f"does not fit {type_.dtype}: {least}..{greatest}"


def _is_empty(interval: Interval, type_: Type) -> bool:
    low, high = evaluate(interval.low, {}), evaluate(interval.high, {})
    if not low <= high:
        return True
    if type_.is_floating:
        low, high = _closed(interval)
        return low > high
    least, greatest = INTEGER_RANGES.get(type_.dtype, INTEGER_RANGES["i64"])
    first = least if low == -math.inf else math.floor(low) + 1 if interval.low_open else math.ceil(low)
    last = greatest if high == math.inf else math.ceil(high) - 1 if interval.high_open else math.floor(high)
    return max(first, least) > min(last, greatest)


def _closed(interval: Interval) -> tuple[float, float]:
    """The smallest and the largest number of an interval of numbers."""
    low, high = float(evaluate(interval.low, {})), float(evaluate(interval.high, {}))
    low = math.nextafter(low, math.inf) if interval.low_open and math.isfinite(low) else low
    return low, math.nextafter(high, -math.inf) if interval.high_open and math.isfinite(high) else high


def _has_none(interval: Interval, dtype: str) -> bool:
    """Whether no number of the interval is one of this dtype."""
    low, high = _closed(interval)
    infinite = (math.isinf(low) and not interval.low_open) or (math.isinf(high) and not interval.high_open)
    return not infinite and at_most(high, dtype) < low


def _rounded(type_: Type, dtypes: Collection[str]) -> str:
    """The narrow dtype that elements of this type certainly have. Of `float` it is f32, where that is under test: a
    domain may be meant for wide formats, and a binding says which those of its kernel are."""
    if type_.dtype in ("float", "accum"):
        return "f32" if "f32" in dtypes else ""
    return "" if type_.dtype == "f64" else type_.dtype
