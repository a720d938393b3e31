"""Values with error bounds: how wrong may a careful computation in the accumulation precision be?

`Bounded(value, error)` says: the exact result is `value`, and a kernel that evaluates the same formula with unit
roundoff u, in any order of summation, computes something within `error` of it. Every rule is first order; the
constants of functions stand in `lang.functions` and nowhere else.

    a + b      ea + eb + u |a + b|
    a * b      |a| eb + |b| ea + ea eb + u |ab|
    a / b      (ea + |a/b| eb) / (|b| - eb) + u |a/b|
    sum of k   sum of errors + min(k - 1, 8 sqrt(k)) u sum |a|     (worst case, or probabilistic with factor 8)
    f(a)       |f'| ea + ulp(f) u |f(a)|, and where hardware rounds the argument once more, |f'| u |a|
    discrete   0, or the whole difference where the decision falls inside the bound

Underflow may be flushed to zero: each product, quotient and function adds min(|value|, smallest normal number).

Source: N. J. Higham, Accuracy and Stability of Numerical Algorithms (2002), chapters 2-4; Higham and Mary, A new
approach to probabilistic rounding error analysis (2019) for the factor sqrt(k).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ..lang.functions import FUNCTIONS
from .dtypes import FORMATS, Format, round_to
from .grid import lay_out
from .truth import Gap, Truth

LAMBDA = 8.0


class _Precision:
    """Unit roundoff and smallest normal number of the accumulation dtype now in force, and the dtype under test
    where that is a narrower one."""

    def __init__(self) -> None:
        self.unit = FORMATS["f64"].unit
        self.tiny = FORMATS["f64"].smallest_normal
        self.narrow: Format | None = None


_now = _Precision()


@contextlib.contextmanager
def accumulating(dtype: str, under_test: str | None = None) -> Iterator[None]:
    """Bounds inside are those of a computation that accumulates in `dtype`, for a kernel of dtype `under_test`."""
    saved = _now.unit, _now.tiny, _now.narrow
    form = FORMATS[dtype]
    _now.unit, _now.tiny = form.unit, form.smallest_normal
    _now.narrow = None if under_test in (None, dtype) else FORMATS[str(under_test)]
    try:
        yield
    finally:
        _now.unit, _now.tiny, _now.narrow = saved


Number = Any


class Bounded:
    """An array of values and how far a computed value may be from each."""

    __array_ufunc__ = None
    __slots__ = ("_error", "value")

    def __init__(self, value: Any, error: Any = 0.0) -> None:
        self.value = np.asarray(value, dtype=np.float64)
        self._error = error

    @property
    def error(self) -> Any:
        return self._error

    @staticmethod
    def of(x: Any) -> Bounded:
        if isinstance(x, Bounded):
            return x
        if isinstance(x, float | np.floating):
            # A constant that binary32 cannot hold is rounded by the kernel.
            return Bounded(x, 0.0 if not np.isfinite(x) or float(np.float32(x)) == x else _now.unit * abs(x))
        if isinstance(x, Truth):
            raise TypeError("a truth value stands where a number is expected")
        return Bounded(x)

    # Shape

    @property
    def shape(self) -> tuple[int, ...]:
        return self.value.shape

    @property
    def ndim(self) -> int:
        return self.value.ndim

    @property
    def size(self) -> int:
        return self.value.size

    def errors(self) -> np.ndarray:
        """The bound as an array of the shape of the value."""
        return np.broadcast_to(np.asarray(self.error, dtype=np.float64), self.shape)

    def __getitem__(self, where: Any) -> Bounded:
        error = self.error
        return Bounded(self.value[where], error if isinstance(error, float) else self.errors()[where])

    def laid_out(self, full: tuple[int, ...], order: tuple[int, ...]) -> Bounded:
        error = self.error
        return Bounded(lay_out(self.value, full, order), error if isinstance(error, float) else lay_out(np.asarray(error), full, order))

    def reshape(self, *shape: int) -> Bounded:
        error = self.error
        return Bounded(self.value.reshape(*shape), error if isinstance(error, float) else self.errors().reshape(*shape))

    # Arithmetic

    def __neg__(self) -> Bounded:
        return Bounded(-self.value, self.error)

    def __pos__(self) -> Bounded:
        return self

    def __abs__(self) -> Bounded:
        return Bounded(np.abs(self.value), self.error)

    def __add__(self, other: Any) -> Bounded:
        o = Bounded.of(other)
        value = self.value + o.value
        return _settled(value, self.error + o.error + _now.unit * np.abs(value))

    __radd__ = __add__

    def __sub__(self, other: Any) -> Bounded:
        o = Bounded.of(other)
        value = self.value - o.value
        return _settled(value, self.error + o.error + _now.unit * np.abs(value))

    def __rsub__(self, other: Any) -> Bounded:
        return -(self - other)

    def __mul__(self, other: Any) -> Bounded:
        o = Bounded.of(other)
        value = self.value * o.value
        return _settled(value, _product_error(self, o) + _rounding(value))

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> Bounded:
        return _divide(self, Bounded.of(other))

    def __rtruediv__(self, other: Any) -> Bounded:
        return _divide(Bounded.of(other), self)

    def __pow__(self, other: Any) -> Bounded:
        if isinstance(other, int) and 1 <= other <= 4:
            result = self
            for _ in range(other - 1):
                result = result * self
            return result
        return _power(self, Bounded.of(other))

    def __rpow__(self, other: Any) -> Bounded:
        return _power(Bounded.of(other), self)

    # Comparisons: undecided within the bounds

    def _compared(self, other: Any, relation: str) -> Truth:
        o = Bounded.of(other)
        value = _RELATIONS[relation](self.value, o.value)
        bound = self.error + o.error
        difference = self.value - o.value
        if relation in ("<", "<="):
            excess = difference
        elif relation in (">", ">="):
            excess = -difference
        else:
            excess = np.abs(difference)
        if isinstance(bound, float) and bound == 0.0:
            return Truth(value, False, (Gap(self.value, o.value, np.float64(0.0), relation, _ratio(excess, bound)),))
        with np.errstate(invalid="ignore"):
            unsure = np.abs(difference) <= bound
        return Truth(value, unsure, (Gap(self.value, o.value, np.asarray(bound), relation, _ratio(excess, bound)),))

    def __lt__(self, other: Any) -> Truth:
        return self._compared(other, "<")

    def __le__(self, other: Any) -> Truth:
        return self._compared(other, "<=")

    def __gt__(self, other: Any) -> Truth:
        return self._compared(other, ">")

    def __ge__(self, other: Any) -> Truth:
        return self._compared(other, ">=")

    def __eq__(self, other: object) -> Truth:  # type: ignore[override]
        return self._compared(other, "==")

    def __ne__(self, other: object) -> Truth:  # type: ignore[override]
        return ~self._compared(other, "==")

    __hash__ = None  # type: ignore[assignment]


_RELATIONS = {"<": np.less, "<=": np.less_equal, ">": np.greater, ">=": np.greater_equal, "==": np.equal}


def _ratio(excess: np.ndarray, bound: Any) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(excess <= 0, 0.0, excess / np.asarray(bound))


def _settled(value: np.ndarray, error: Any) -> Bounded:
    """Infinite and undefined values carry no error: they are compared as such. An undefined bound is no bound."""
    if not np.isfinite(np.sum(error)):
        error = np.where(np.isfinite(value), np.where(np.isnan(error), np.inf, error), 0.0)
    return Bounded(value, error)


def _rounding(value: np.ndarray, ulps: float = 1.0) -> np.ndarray:
    """`ulps` units roundoff of the result, and what flushing to zero may cost."""
    size = np.abs(value)
    return ulps * _now.unit * size + np.minimum(size, _now.tiny)


def _product_error(a: Bounded, b: Bounded) -> Any:
    error: Any = 0.0
    exact_a, exact_b = _is_exact(a), _is_exact(b)
    if not exact_a:
        error = error + np.abs(b.value) * a.error
    if not exact_b:
        error = error + np.abs(a.value) * b.error
    if not exact_a and not exact_b:
        error = error + a.error * b.error
    return error


def _is_exact(a: Bounded) -> bool:
    return isinstance(a.error, float) and a.error == 0.0


def _divide(a: Bounded, b: Bounded) -> Bounded:
    with np.errstate(all="ignore"):
        value = a.value / b.value
        size = np.abs(b.value)
        room = size - b.error
        error = np.where(room > 0, (a.error + np.abs(value) * b.error) / room, np.inf)
        return _settled(value, error + _rounding(value))


def _power(a: Bounded, b: Bounded) -> Bounded:
    with np.errstate(all="ignore"):
        value = np.power(a.value, b.value)
        slope = np.abs(np.log(np.abs(a.value)))
        relative = np.abs(b.value) * a.error / np.abs(a.value) + slope * b.error
        error = np.abs(value) * (np.expm1(relative) + _now.unit * np.abs(b.value) * slope) + _rounding(value, 4.0)
        return _settled(value, error)


# Functions


def _finite_argument(a: Bounded, value: np.ndarray, error: np.ndarray) -> Bounded:
    """At infinite arguments functions are exact limits."""
    if not np.isfinite(np.sum(a.value)):
        error = np.where(np.isfinite(a.value), error, 0.0)
    return _settled(value, error)


def exp(a: Bounded) -> Bounded:
    with np.errstate(all="ignore"):
        value = np.exp(a.value)
        slack = a.error + _now.unit * np.abs(a.value)
        return _finite_argument(a, value, value * np.expm1(slack) + _rounding(value, FUNCTIONS["exp"].ulp))


def expm1(a: Bounded) -> Bounded:
    with np.errstate(all="ignore"):
        value = np.expm1(a.value)
        slack = a.error + _now.unit * np.abs(a.value)
        return _finite_argument(a, value, np.exp(a.value) * np.expm1(slack) + _rounding(value, FUNCTIONS["expm1"].ulp))


def log(a: Bounded) -> Bounded:
    with np.errstate(all="ignore"):
        value = np.log(a.value)
        room = a.value - a.error
        error = np.where(room > 0, a.error / room, np.where(a.error == 0, 0.0, np.inf))
        scale = np.maximum(np.abs(value), 1.0)
        return _finite_argument(a, value, error + FUNCTIONS["log"].ulp * _now.unit * scale)


def log1p(a: Bounded) -> Bounded:
    with np.errstate(all="ignore"):
        value = np.log1p(a.value)
        room = 1.0 + a.value - a.error
        error = np.where(room > 0, a.error / room, np.where(a.error == 0, 0.0, np.inf))
        return _finite_argument(a, value, error + _rounding(value, FUNCTIONS["log1p"].ulp))


def sqrt(a: Bounded) -> Bounded:
    with np.errstate(all="ignore"):
        value = np.sqrt(a.value)
        low = np.sqrt(np.maximum(a.value - a.error, 0.0))
        error = np.where(value + low > 0, a.error / (value + low), np.sqrt(a.error))
        return _finite_argument(a, value, error + _rounding(value, FUNCTIONS["sqrt"].ulp))


def rsqrt(a: Bounded) -> Bounded:
    with np.errstate(all="ignore"):
        value = 1.0 / np.sqrt(a.value)
        room = a.value - a.error
        error = np.where(room > 0, 1.0 / np.sqrt(room) - value, np.where(a.error == 0, 0.0, np.inf))
        return _finite_argument(a, value, error + _rounding(value, FUNCTIONS["rsqrt"].ulp))


def _bounded_wave(a: Bounded, value: np.ndarray, name: str) -> Bounded:
    slack = np.minimum(a.error + _now.unit * np.abs(a.value), 2.0)
    return _settled(value, slack + FUNCTIONS[name].ulp * _now.unit)


def sin(a: Bounded) -> Bounded:
    return _bounded_wave(a, np.sin(a.value), "sin")


def cos(a: Bounded) -> Bounded:
    return _bounded_wave(a, np.cos(a.value), "cos")


def atan2(y: Any, x: Any) -> Bounded:
    """The point may move from p to q: the sine of the angle between them is |p x q| / (|p| |q|)."""
    a, b = Bounded.of(y), Bounded.of(x)
    with np.errstate(all="ignore"):
        value = np.arctan2(a.value, b.value)
        across = np.abs(b.value) * a.error + np.abs(a.value) * b.error
        size = np.hypot(a.value, b.value)
        room = size - np.hypot(a.error, b.error)
        sine = np.where(across > 0, across / (size * room), 0.0)
        anything = np.where(across > 0, 2 * np.pi, 0.0)
        turned = np.where((room > 0) & (sine < 1), np.arcsin(np.minimum(sine, 1.0)), anything)
        return _settled(value, turned + _rounding(value, FUNCTIONS["atan2"].ulp))


def tanh(a: Bounded) -> Bounded:
    value = np.tanh(a.value)
    return _settled(value, a.error + _rounding(value, FUNCTIONS["tanh"].ulp) + _now.unit * np.abs(a.value) * (1 - value * value))


def erf(a: Bounded) -> Bounded:
    from scipy.special import erf as exact  # only kernels that use it need the package

    value = exact(a.value)
    slope = 2.0 / np.sqrt(np.pi) * np.exp(-np.maximum(np.abs(a.value) - a.error, 0.0) ** 2)
    return _settled(value, slope * a.error + _rounding(value, FUNCTIONS["erf"].ulp))


def sigmoid(a: Bounded) -> Bounded:
    with np.errstate(all="ignore"):
        e = np.exp(-np.abs(a.value))
        value = np.where(a.value >= 0, 1.0 / (1.0 + e), e / (1.0 + e))
        rest = np.where(a.value >= 0, e / (1.0 + e), 1.0 / (1.0 + e))
        slack = a.error + _now.unit * np.abs(a.value)
        error = value * rest * np.expm1(slack) + _rounding(value, FUNCTIONS["sigmoid"].ulp)
        return _finite_argument(a, value, error)


def sign(a: Bounded) -> Bounded:
    undecided = (np.abs(a.value) <= a.error) & (np.asarray(a.error) > 0)
    return Bounded(np.sign(a.value), np.where(undecided, 2.0, 0.0))


def _stepped(a: Bounded, step: Any) -> Bounded:
    """A step function: the bound is the largest jump within the argument's bound."""
    value = step(a.value)
    if _is_exact(a):
        return Bounded(value)
    low, high = step(a.value - a.error), step(a.value + a.error)
    return _settled(value, np.maximum(np.abs(high - value), np.abs(value - low)))


def floor(a: Bounded) -> Bounded:
    return _stepped(a, np.floor)


def ceil(a: Bounded) -> Bounded:
    return _stepped(a, np.ceil)


def round_half_even(a: Bounded) -> Bounded:
    return _stepped(a, np.rint)


def rounded(a: Bounded, dtype: str) -> Bounded:
    """A declared rounding: correct rounding of the exact value, or of anything within its bound."""
    return _stepped(a, lambda x: round_to(x, dtype))


def cast(a: Bounded) -> Bounded:
    """A rounding to the dtype under test that a kernel may or may not make: none where it accumulates in that dtype."""
    form = _now.narrow
    if form is None:
        return a
    with np.errstate(all="ignore"):
        reach = np.abs(a.value) + a.error
        error = a.error + form.unit * reach + np.where(reach > 0, form.smallest, 0.0)
        error = np.where(reach * (1 + form.unit) >= form.largest, np.inf, error)
    return _settled(a.value, error)


def where(condition: Any, first: Any, second: Any) -> Bounded:
    a, b = Bounded.of(first), Bounded.of(second)
    if not isinstance(condition, Truth):
        error: Any = 0.0 if _is_exact(a) and _is_exact(b) else np.where(condition, a.error, b.error)
        return Bounded(np.where(condition, a.value, b.value), error)
    value = np.where(condition.value, a.value, b.value)
    error = np.where(condition.value, a.error, b.error)
    if condition.unsure is not False:
        with np.errstate(invalid="ignore"):
            spread = np.abs(a.value - b.value) + np.maximum(a.error, b.error)
        spread = np.where(np.isnan(spread), 0.0 if np.array_equal(a.value, b.value) else np.inf, spread)
        error = np.where(condition.unsure, spread, error)
    return Bounded(value, error)


def minimum(*values: Any) -> Bounded:
    return -maximum(*(-Bounded.of(v) for v in values))


def maximum(*values: Any) -> Bounded:
    result = Bounded.of(values[0])
    for v in values[1:]:
        other = Bounded.of(v)
        # The smaller one matters only as far as it may be the larger.
        error = np.where(result.value >= other.value, result.error, other.error)
        near = np.minimum(result.value, other.value) + np.maximum(result.error, other.error)
        value = np.maximum(result.value, other.value)
        with np.errstate(invalid="ignore"):
            error = np.where(near >= value - error, np.maximum(result.error, other.error), error)
        result = Bounded(value, error)
    return result


# Reductions. `mask` is None, an array of truth values, or a Truth with undecided places.


def _masked(a: Bounded, mask: Any, neutral: float) -> tuple[np.ndarray, Any]:
    if mask is None:
        return a.value, a.error
    t = Truth.of(mask)
    value = np.where(t.value, a.value, neutral)
    error = np.where(t.value, a.error, 0.0)
    if t.unsure is not False:
        error = np.where(t.unsure, np.abs(a.value) + a.error, error)
    return value, error


def _terms(value: np.ndarray, axes: tuple[int, ...]) -> int:
    return int(np.prod([value.shape[k] for k in axes], dtype=np.int64)) if axes else 1


def _growth(k: int) -> float:
    """Error constant of a sum of k terms, in units roundoff of the sum of absolute values."""
    return min(max(k - 1, 0), LAMBDA * float(np.sqrt(k)))


def total(a: Bounded, axes: tuple[int, ...], mask: Any = None) -> Bounded:
    value, error = _masked(a, mask, 0.0)
    sizes = np.abs(value)
    k = _terms(value, axes)
    result = value.sum(axis=axes, keepdims=True)
    bound = _growth(k) * _now.unit * sizes.sum(axis=axes, keepdims=True)
    if not (isinstance(error, float) and error == 0.0):
        bound = bound + np.broadcast_to(error, value.shape).sum(axis=axes, keepdims=True)
    return _settled(result, bound)


def mean(a: Bounded, axes: tuple[int, ...], mask: Any = None) -> Bounded:
    if mask is None:
        return total(a, axes) / Bounded(float(_terms(a.value, axes)))
    ones = Bounded(np.broadcast_to(1.0, np.broadcast_shapes(a.shape, Truth.of(mask).shape)))
    return total(a, axes, mask) / total(ones, axes, mask)


def product(a: Bounded, axes: tuple[int, ...], mask: Any = None) -> Bounded:
    value, error = _masked(a, mask, 1.0)
    with np.errstate(all="ignore"):
        result = value.prod(axis=axes, keepdims=True)
        relative = np.where(value != 0, error / np.abs(value), np.inf).sum(axis=axes, keepdims=True)
        relative = np.where(np.asarray(error).max() == 0, 0.0, relative)
    return _settled(result, np.abs(result) * np.expm1(relative) + _rounding(result, _growth(_terms(value, axes))))


def largest(a: Bounded, axes: tuple[int, ...], mask: Any = None) -> Bounded:
    t = None if mask is None else Truth.of(mask)
    value = a.value if t is None else np.where(t.possible, a.value, -np.inf)
    result = value.max(axis=axes, keepdims=True)
    error: Any = a.error
    if not (isinstance(error, float) and error == 0.0):
        # Only elements that may be the maximum matter.
        errors = np.broadcast_to(error, value.shape)
        with np.errstate(invalid="ignore"):
            contends = value + errors >= result - np.where(value == result, errors, 0.0).max(axis=axes, keepdims=True)
        error = np.where(contends & np.isfinite(value), errors, 0.0).max(axis=axes, keepdims=True)
    return _settled(result, error + 0.0 * np.zeros_like(result))


def smallest(a: Bounded, axes: tuple[int, ...], mask: Any = None) -> Bounded:
    return -largest(-a, axes, mask)


def arg_largest(a: Bounded, axes: tuple[int, ...], mask: Any = None) -> Bounded:
    """First place of the maximum; where another element is within the bound, any place among the contenders."""
    (axis,) = axes
    value = a.value if mask is None else np.where(Truth.of(mask).possible, a.value, -np.inf)
    place = np.argmax(value, axis=axis, keepdims=True)
    errors = np.broadcast_to(np.asarray(a.error), value.shape)
    best = value.max(axis=axis, keepdims=True)
    margin = np.take_along_axis(errors, place, axis)
    where_ = np.arange(value.shape[axis]).reshape([-1 if k == axis else 1 for k in range(value.ndim)])
    contends = (value + errors >= best - margin) & ((errors > 0) | (margin > 0) | (where_ == place))
    reach = np.where(contends, np.abs(where_ - place), 0).max(axis=axis, keepdims=True)
    return Bounded(place, reach)


def arg_smallest(a: Bounded, axes: tuple[int, ...], mask: Any = None) -> Bounded:
    return arg_largest(-a, axes, mask)


def count(truth: Truth, axes: tuple[int, ...]) -> Bounded:
    value = truth.value.sum(axis=axes, keepdims=True)
    if truth.unsure is False:
        return Bounded(value)
    return Bounded(value, np.broadcast_to(truth.unsure, truth.shape).sum(axis=axes, keepdims=True).astype(np.float64))


def dot(factors: Sequence[Bounded], axes: tuple[int, ...]) -> Bounded:
    """Sum over `axes` of the product of the factors, without forming the products."""
    values = [f.value for f in factors]
    sizes = [np.abs(v) for v in values]
    result = sum_of_products(values, axes)
    magnitude = sum_of_products(sizes, axes)
    k = int(np.prod([max(v.shape[a] for v in values) for a in axes], dtype=np.int64))
    bound = (_growth(k) + len(factors) - 1) * _now.unit * magnitude + np.minimum(magnitude, k * _now.tiny)
    for position, factor in enumerate(factors):
        if not _is_exact(factor):
            # |a + ea| in the places before keeps the second-order terms.
            parts = [s + f.error for s, f in zip(sizes[:position], factors, strict=False)]
            bound = bound + sum_of_products([*parts, factor.errors(), *sizes[position + 1 :]], axes)
    return _settled(result, bound)


def sum_of_products(factors: Sequence[Any], axes: tuple[int, ...], einsum: Any = np.einsum) -> Any:
    """Broadcast product of arrays on one grid, summed over `axes` (kept with size 1), through einsum."""
    ndim = max(f.ndim for f in factors)
    operands: list[Any] = []
    labels: list[str] = []
    sizes = [1] * ndim
    for f in factors:
        keep = [k for k in range(ndim) if f.shape[k] != 1]
        for k in keep:
            sizes[k] = f.shape[k]
        operands.append(f.reshape([f.shape[k] for k in keep]))
        labels.append("".join(chr(97 + k) for k in keep))
    out = [k for k in range(ndim) if k not in axes and sizes[k] != 1]
    equation = ",".join(labels) + "->" + "".join(chr(97 + k) for k in out)
    result = einsum(equation, *operands)
    return result.reshape([1 if k in axes else sizes[k] for k in range(ndim)])


# Claims


def approx(left: Any, right: Any) -> Truth:
    """Equal within the bounds of both sides; NaN equals NaN, an infinity itself."""
    a, b = Bounded.of(left), Bounded.of(right)
    bound = np.asarray(a.error + b.error)
    with np.errstate(all="ignore"):
        difference = np.abs(a.value - b.value)
        same = (a.value == b.value) | (np.isnan(a.value) & np.isnan(b.value))
        close = same | (difference <= bound)
        ratio = np.where(same, 0.0, np.where(np.isfinite(difference), difference / bound, np.inf))
        ratio = np.where(close, np.minimum(np.nan_to_num(ratio, nan=0.0), 1.0), np.maximum(np.nan_to_num(ratio, nan=np.inf), 1.0))
    return Truth(close, False, (Gap(a.value, b.value, bound, "==", ratio),))
