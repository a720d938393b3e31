"""Values with error bounds: how wrong may a careful computation in the accumulation precision be?

`Bounded(value, error)` says: the exact result is `value`, and a kernel that evaluates the same formula with unit
roundoff u, in any order of summation, computes something within `error` of it. An infinite error says that nothing
can be known: a divisor or a logarithm's argument may be zero. Every rule is first order in u and keeps the products
of errors; the constants stand in `lang.functions` and nowhere else.

    a + b      ea + eb + u |a + b|
    a * b      |a| eb + |b| ea + ea eb + u |ab|
    a / b      (ea + |a/b| eb) / (|b| - eb) + 4 u |a/b|
    sum of k   sum of errors + growth(k) u sum |a|
    f(a)       |f'| ea + ulp(f) u |f(a)|, and where hardware rounds the argument first, |f'| u |a| each time
    max        the ends of the interval it may lie in
    discrete   0, or the whole difference where the decision falls inside the bound

growth(k) is k - 1, the worst case, while that is less than 8 sqrt(k), and 8 sqrt(k + m k) from there on, where m
counts terms that are alike: roundings are independent only as long as the terms differ by something like the unit in
the last place of their sum, and thousands of equal terms, added one by one, are all rounded in the same direction.

Where the magnitude of a result counts, it is that of a computed one, |value| + error. Underflow may be flushed to
zero: each product, quotient and function adds min(|value|, smallest normal number). Overflow inside a formula is not
modelled: domains keep inputs away from it.

Source: N. J. Higham, Accuracy and Stability of Numerical Algorithms (2002), chapters 2-4; Higham and Mary, A new
approach to probabilistic rounding error analysis (2019) for the factor sqrt(k) and for its failure on equal terms.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from ..lang.functions import FUNCTIONS, OPERATORS
from .dtypes import FORMATS, Format, holds, round_to
from .grid import Index, lay_out, reshaped
from .quiet import quiet
from .truth import Gap, Truth

LAMBDA = 8.0
ALIKE = 0.125  # terms that differ by less than this times u sum |a| are rounded alike
PRODUCTS = 2**17  # a sum of products forms them, to compare neighbours, up to so many elements


class _Precision:
    """Unit roundoff and smallest normal number of the accumulation dtype now in force, and the dtype under test
    where that is a narrower one."""

    def __init__(self) -> None:
        self.unit = FORMATS["f64"].unit
        self.tiny = FORMATS["f64"].smallest_normal
        self.narrow: Format | None = None


_now = _Precision()
_F64 = np.dtype(np.float64)


class accumulating:
    """Bounds inside are those of a computation that accumulates in `dtype`, for a kernel of dtype `under_test`."""

    def __init__(self, dtype: str, under_test: str | None = None) -> None:
        self.form = FORMATS[dtype]
        self.narrow = None if under_test in (None, dtype) else FORMATS[str(under_test)]

    def __enter__(self) -> None:
        self.saved = _now.unit, _now.tiny, _now.narrow
        _now.unit, _now.tiny, _now.narrow = self.form.unit, self.form.smallest_normal, self.narrow

    def __exit__(self, *_: object) -> None:
        _now.unit, _now.tiny, _now.narrow = self.saved


def _of_whole(operator: Callable[[Any, Any], Any], swapped: bool = False) -> Callable[[Bounded, Any], Bounded]:
    def method(self: Bounded, other: Any) -> Bounded:
        pair = (self, Bounded.of(other))
        a, b = (np.asarray(x.value, np.int64) for x in (reversed(pair) if swapped else pair))
        with quiet:
            value = operator(a, b)
        unsure = pair[0].errors() + pair[1].errors() > 0
        return Bounded(value, np.where(unsure, np.inf, 0.0) if unsure.any() else 0.0)

    return method


class Bounded:
    """An array of values and how far a computed value may be from each. The error 0.0 marks exact values."""

    __array_ufunc__ = None
    __slots__ = ("_size", "error", "value")

    def __init__(self, value: Any, error: Any = 0.0, size: Any = None) -> None:
        self.value = value if type(value) is np.ndarray and value.dtype is _F64 else np.asarray(value, np.float64)
        self.error = error
        self._size = size

    @property
    def magnitude(self) -> Any:
        """|value|"""
        if self._size is None:
            self._size = np.abs(self.value)
        return self._size

    @staticmethod
    def of(x: Any) -> Bounded:
        if isinstance(x, Bounded):
            return x
        if isinstance(x, (float, np.floating)):
            # A constant that binary32 cannot hold is rounded by the kernel.
            x = float(x)
            return Bounded(x, 0.0 if holds(x, "f32") else _now.unit * abs(x))
        if isinstance(x, int):
            return Bounded(x, 0.0 if abs(x) <= _WHOLE else _now.unit * float(abs(x)))
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
        error = np.asarray(self.error, dtype=np.float64)
        return error if error.shape == self.shape else np.broadcast_to(error, self.shape)

    def __getitem__(self, where: Any) -> Bounded:
        error = self.error
        order, shape = whole_axes(where, self.value.shape)
        if shape is not None and order is None:
            return self.reshape(*shape)

        def pick(x: np.ndarray) -> np.ndarray:
            return x[where] if shape is None else x.transpose(order).reshape(shape)

        size = None if self._size is None else pick(self._size)
        return Bounded(pick(self.value), error if isinstance(error, float) else pick(self.errors()), size)

    def laid_out(self, full: tuple[int, ...], order: tuple[int, ...]) -> Bounded:
        error = self.error
        shape = reshaped(self.value.shape, full, order)
        if shape is not None:
            return self.reshape(*shape)
        value = lay_out(self.value, full, order)
        return Bounded(value, error if isinstance(error, float) else lay_out(np.asarray(error), full, order))

    def reshape(self, *shape: int) -> Bounded:
        error, size = self.error, self._size
        return Bounded(
            self.value.reshape(shape),
            error if isinstance(error, float) else self.errors().reshape(shape),
            None if size is None else size.reshape(shape),
        )

    # Arithmetic

    def __neg__(self) -> Bounded:
        return Bounded(-self.value, self.error, self._size)

    def __pos__(self) -> Bounded:
        return self

    def __abs__(self) -> Bounded:
        return Bounded(self.magnitude, self.error, self._size)

    def __add__(self, other: Any) -> Bounded:
        o = Bounded.of(other)
        return _sum_of_two(self.value + o.value, self, o)

    __radd__ = __add__

    def __sub__(self, other: Any) -> Bounded:
        o = Bounded.of(other)
        return _sum_of_two(self.value - o.value, self, o)

    def __rsub__(self, other: Any) -> Bounded:
        return -(self - other)

    def __mul__(self, other: Any) -> Bounded:
        o = Bounded.of(other)
        return _computed(self.value * o.value, _product_error(self, o), OPERATORS["*"], self, o)

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

    # Operators of whole numbers: what a kernel returned as such is exact, or undecided as a whole

    __floordiv__, __rfloordiv__ = _of_whole(np.floor_divide), _of_whole(np.floor_divide, swapped=True)
    __mod__, __rmod__ = _of_whole(np.remainder), _of_whole(np.remainder, swapped=True)
    __lshift__, __rlshift__ = _of_whole(np.left_shift), _of_whole(np.left_shift, swapped=True)
    __rshift__, __rrshift__ = _of_whole(np.right_shift), _of_whole(np.right_shift, swapped=True)
    __and__ = __rand__ = _of_whole(np.bitwise_and)
    __or__ = __ror__ = _of_whole(np.bitwise_or)
    __xor__ = __rxor__ = _of_whole(np.bitwise_xor)

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
            return Truth(value, False, (Gap(self.value, o.value, np.asarray(0.0), relation, _ratio(excess, bound)),))
        with quiet:
            # Equal values without errors are decided; an infinite bound decides nothing, not even about NaN.
            unsure = ((np.abs(difference) <= bound) & (bound > 0)) | (bound == np.inf)
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


_WHOLE = 2**24  # binary32 holds every whole number up to here
_RELATIONS = {"<": np.less, "<=": np.less_equal, ">": np.greater, ">=": np.greater_equal, "==": np.equal}


_Axes = tuple[tuple[int, ...] | None, tuple[int, ...] | None]


def whole_axes(where: Any, shape: tuple[int, ...]) -> _Axes:
    """`x[r, i]` with every index running over the whole of an axis of its own is a view: its order and shape."""
    indices = where if isinstance(where, tuple) else (where,)
    places = tuple([i.place if type(i) is Index else None for i in indices])
    return (None, None) if None in places else _view(places, shape)  # type: ignore[arg-type]


@lru_cache(maxsize=4096)
def _view(places: tuple[tuple[int, int, int], ...], shape: tuple[int, ...]) -> _Axes:
    axes = [axis for _, axis, _ in places]
    if not places or len(set(axes)) != len(axes) or tuple(size for size, _, _ in places) != shape:
        return None, None
    grid = [1] * places[0][2]
    for axis, n in zip(axes, shape, strict=True):
        grid[axis] = n
    order = tuple(sorted(range(len(axes)), key=axes.__getitem__))
    return (None if order == tuple(range(len(axes))) else order), tuple(grid)


def _ratio(excess: np.ndarray, bound: Any) -> np.ndarray:
    with quiet:
        return np.where(excess <= 0, 0.0, excess / np.asarray(bound))


def _is_exact(a: Bounded) -> bool:
    error = a.error
    return type(error) is float and error == 0.0


_SHORT = 8192  # elements up to which a dot product stays on one thread


def all_finite(x: Any) -> bool:
    """A quick look. A false answer may be wrong: the square of a very large number overflows."""
    if not isinstance(x, np.ndarray):
        return math.isfinite(x)
    if x.size > _SHORT:
        return math.isfinite(np.add.reduce(x, axis=None))
    flat = x.ravel()
    return math.isfinite(flat.dot(flat))


def _settled(value: Any, error: Any, *operands: Bounded, size: Any = None) -> Bounded:
    """Infinite and undefined values carry no error: they are compared as such. An undefined bound is no bound.

    Whatever comes of an operand that may be anything may be anything.
    """
    if not all_finite(error):
        error = np.where(np.isfinite(value), np.where(np.isnan(error), np.inf, error), 0.0)
        for o in operands:
            if not _is_exact(o):
                error = np.where(np.isposinf(o.error), np.inf, error)
    return Bounded(value, error, size)


def _computed(value: Any, error: Any, ulps: float, *operands: Bounded, size: Any = None) -> Bounded:
    """`value` within `error`, rounded to `ulps` units roundoff of what was computed, or flushed to zero."""
    if size is None:
        size = np.abs(value)
    exact = isinstance(error, float) and error == 0.0
    reach = size if exact else size + error
    bound = reach * (ulps * _now.unit)
    bound += np.minimum(reach, _now.tiny)
    if not exact:
        bound += error
    return _settled(value, bound, *operands, size=size)


def _sum_of_two(value: Any, a: Bounded, b: Bounded) -> Bounded:
    size = np.abs(value)
    exact_a, exact_b = _is_exact(a), _is_exact(b)
    unit = OPERATORS["+"] * _now.unit
    if exact_a and exact_b:
        return _settled(value, unit * size, size=size)
    error = a.error if exact_b else b.error if exact_a else a.error + b.error
    return _settled(value, unit * size + (1.0 + unit) * error, a, b, size=size)


def _product_error(a: Bounded, b: Bounded) -> Any:
    if _is_exact(b):
        return 0.0 if _is_exact(a) else b.magnitude * a.error
    if _is_exact(a):
        return a.magnitude * b.error
    return (b.magnitude + b.error) * a.error + a.magnitude * b.error


def _divide(a: Bounded, b: Bounded) -> Bounded:
    with quiet:
        value = a.value / b.value
        if _is_exact(b):
            return _computed(value, 0.0 if _is_exact(a) else a.error / b.magnitude, OPERATORS["/"], a)
        room = b.magnitude - b.error
        size = np.abs(value)
        error = size * (b.error / room) if _is_exact(a) else (a.error + size * b.error) / room
        clear = room > 0
        if np.count_nonzero(clear) == clear.size:
            return _computed(value, error, OPERATORS["/"], a, b, size=size)
        pole = ~clear
        # A divisor that is exactly zero, or not a number, is what it is; one that may be zero decides nothing.
        found = _computed(value, np.where(pole, 0.0, error), OPERATORS["/"], a, b, size=size)
        return Bounded(value, np.where(pole & (np.asarray(b.error) > 0), np.inf, found.error))


def _power(a: Bounded, b: Bounded) -> Bounded:
    with quiet:
        value = np.power(a.value, b.value)
        slope = np.abs(np.log(a.magnitude))
        relative = np.where(np.asarray(a.error) > 0, -b.magnitude * np.log1p(-a.error / a.magnitude), 0.0)
        relative = relative + np.where(np.asarray(b.error) > 0, slope * b.error, 0.0)
        # The power is taken as 2^(b log2 a): the logarithm and the product are rounded.
        relative = relative + np.where(np.isfinite(slope), 2 * _now.unit * b.magnitude * slope, 0.0)
        return _computed(value, np.abs(value) * np.expm1(relative), OPERATORS["**"], a, b)


# Functions


def _at(a: Bounded, value: Any, error: Any, name: str) -> Bounded:
    """The function's value at `a`. At infinite arguments functions are exact limits."""
    if not all_finite(a.value):
        error = np.where(np.isfinite(a.value), error, 0.0)
    return _computed(value, error, FUNCTIONS[name].ulp, a)


def _argument(a: Bounded, name: str) -> Any:
    """The error of the argument, after what the hardware rounds it."""
    rounding = FUNCTIONS[name].argument * _now.unit
    return a.magnitude * rounding if _is_exact(a) else (a.magnitude + a.error) * rounding + a.error


def exp(a: Bounded) -> Bounded:
    with quiet:
        value, slack = np.exp(a.value), _argument(a, "exp")
        error = value * np.expm1(slack)
        if not all_finite(error):
            error = np.fmin(error, np.exp(a.value + slack))  # zero times infinity, far below where exp underflows
        return _at(a, value, error, "exp")


def expm1(a: Bounded) -> Bounded:
    with quiet:
        value, slack, power = np.expm1(a.value), _argument(a, "expm1"), np.exp(a.value)
        error = power * np.expm1(slack)
        if not all_finite(error):
            error = np.fmin(error, power + np.exp(a.value + slack))
        return _at(a, value, error, "expm1")


def _logarithm(a: Bounded, value: Any, room: Any, least: float, name: str) -> Bounded:
    """`room`: how far the argument stays from the pole; `least`: what the constant is relative to at least."""
    lost = ~(room > 0) & (np.asarray(a.error) > 0)
    error = np.where(room > 0, -np.log1p(-a.error / (room + a.error)), 0.0)
    size = np.abs(value)
    rounding = FUNCTIONS[name].ulp * _now.unit * np.maximum(size + error, least) + np.minimum(size + error, _now.tiny)
    found = _settled(value, error + rounding, a)
    return Bounded(value, np.where(lost, np.inf, found.error)) if lost.any() else found


def log(a: Bounded) -> Bounded:
    with quiet:
        return _logarithm(a, np.log(a.value), a.value - a.error, 1.0, "log")


def log1p(a: Bounded) -> Bounded:
    with quiet:
        return _logarithm(a, np.log1p(a.value), 1.0 + a.value - a.error, 0.0, "log1p")


def sqrt(a: Bounded) -> Bounded:
    with quiet:
        value = np.sqrt(a.value)
        if _is_exact(a):
            return _computed(value, 0.0, FUNCTIONS["sqrt"].ulp)
        low = np.sqrt(np.maximum(a.value - a.error, 0.0))
        low += value
        error = a.error / low
        if np.count_nonzero(low) != low.size:
            error = np.where(low == 0, np.sqrt(a.error), error)
        return _at(a, value, error, "sqrt")


def rsqrt(a: Bounded) -> Bounded:
    with quiet:
        value = 1.0 / np.sqrt(a.value)
        if _is_exact(a):
            return _computed(value, 0.0, FUNCTIONS["rsqrt"].ulp)
        room = a.value - a.error
        lost = ~(room > 0) & (np.asarray(a.error) > 0)
        # 1/sqrt(low) - 1/sqrt(a), without cancellation
        low = np.sqrt(np.maximum(room, 0.0))
        error = np.where(room > 0, value * a.error / (low * (low + np.sqrt(a.value))), 0.0)
        found = _at(a, value, error, "rsqrt")
        return Bounded(value, np.where(lost, np.inf, found.error)) if lost.any() else found


def _bounded_wave(a: Bounded, value: Any, name: str) -> Bounded:
    slack = np.minimum(_argument(a, name), 2.0)
    return _settled(value, slack + FUNCTIONS[name].ulp * _now.unit)


def sin(a: Bounded) -> Bounded:
    return _bounded_wave(a, np.sin(a.value), "sin")


def cos(a: Bounded) -> Bounded:
    return _bounded_wave(a, np.cos(a.value), "cos")


def atan2(y: Any, x: Any) -> Bounded:
    """The point may move from p to q: the sine of the angle between them is |p x q| / (|p| |q|)."""
    a, b = Bounded.of(y), Bounded.of(x)
    with quiet:
        value = np.arctan2(a.value, b.value)
        across = b.magnitude * a.error + a.magnitude * b.error
        size = np.hypot(a.value, b.value)
        room = size - np.hypot(a.error, b.error)
        sine = np.where(across > 0, across / size / room, 0.0)
        turned = np.where(room > 0, np.arcsin(np.minimum(sine, 1.0)), np.pi)
        # An exact origin stays; beyond the cut along the negative axis the angle jumps by a whole turn.
        errs = (np.asarray(a.error) > 0) | (np.asarray(b.error) > 0)
        over = errs & (a.magnitude <= a.error) & (b.value - b.error < 0)
        turned = np.where(over, 2 * np.pi, np.where(errs, turned, 0.0))
        return _computed(value, turned, FUNCTIONS["atan2"].ulp)


def tanh(a: Bounded) -> Bounded:
    with quiet:
        value, slack = np.tanh(a.value), _argument(a, "tanh")
        # The slope 1 - tanh^2 grows by no more than exp(2 s) over a distance s.
        error = np.fmin(slack * (1 - value * value) * np.exp(2 * slack), np.minimum(slack, 2.0))
        return _computed(value, error, FUNCTIONS["tanh"].ulp)


def erf(a: Bounded) -> Bounded:
    from scipy.special import erf as exact  # only kernels that use it need the package

    with quiet:
        value = exact(a.value)
        slope = 2.0 / np.sqrt(np.pi) * np.exp(-(np.maximum(a.magnitude - a.error, 0.0) ** 2))
        return _computed(value, np.minimum(slope * a.error, 2.0), FUNCTIONS["erf"].ulp)


def sigmoid(a: Bounded) -> Bounded:
    with quiet:
        e = np.exp(-a.magnitude)
        value = np.where(a.value >= 0, 1.0 / (1.0 + e), e / (1.0 + e))
        rest = np.where(a.value >= 0, e / (1.0 + e), 1.0 / (1.0 + e))
        slack = _argument(a, "sigmoid")
        error = value * rest * np.expm1(slack)
        if not all_finite(error):
            error = np.fmin(error, np.minimum(np.exp(slack - a.magnitude), 1.0))
        return _at(a, value, error, "sigmoid")


def sign(a: Bounded) -> Bounded:
    undecided = (a.magnitude <= a.error) & (np.asarray(a.error) > 0)
    return Bounded(np.sign(a.value), np.where(undecided, 2.0, 0.0))


def _stepped(a: Bounded, step: Any) -> Bounded:
    """A step function: the bound is the largest jump within the argument's bound."""
    value = step(a.value)
    if _is_exact(a):
        return Bounded(value)
    with quiet:
        low, high = step(a.value - a.error), step(a.value + a.error)
        return _settled(value, np.maximum(np.abs(high - value), np.abs(value - low)), a)


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
    with quiet:
        reach = a.magnitude + a.error
        error = a.error + form.unit * reach + np.where(reach > 0, form.smallest, 0.0)
        error = np.where(reach * (1 + form.unit) >= form.largest, np.inf, error)
        return _settled(a.value, error, a)


def where(condition: Any, first: Any, second: Any) -> Bounded:
    a, b = Bounded.of(first), Bounded.of(second)
    if not isinstance(condition, Truth):
        error: Any = 0.0 if _is_exact(a) and _is_exact(b) else np.where(condition, a.error, b.error)
        return Bounded(np.where(condition, a.value, b.value), error)
    value = np.where(condition.value, a.value, b.value)
    if condition.unsure is False and _is_exact(a) and _is_exact(b):
        return Bounded(value)
    error = np.where(condition.value, a.error, b.error)
    if np.any(condition.unsure):
        with quiet:
            spread = np.abs(a.value - b.value) + np.maximum(a.error, b.error)
        same = (a.value == b.value) | (np.isnan(a.value) & np.isnan(b.value))
        spread = np.where(np.isnan(spread), np.where(same, 0.0, np.inf), spread)
        error = np.where(condition.unsure, spread, error)
    return Bounded(value, error)


def minimum(*values: Any) -> Bounded:
    return -maximum(*(-Bounded.of(v) for v in values))


def maximum(*values: Any) -> Bounded:
    result = Bounded.of(values[0])
    for v in values[1:]:
        other = Bounded.of(v)
        value = np.maximum(result.value, other.value)
        if _is_exact(result) and _is_exact(other):
            result = Bounded(value)
            continue
        with quiet:
            high = np.maximum(result.value + result.error, other.value + other.error)
            low = np.maximum(result.value - result.error, other.value - other.error)
            result = _settled(value, np.maximum(high - value, value - low), result, other)
    return result


# Reductions. `mask` is None, an array of truth values, or a Truth with undecided places.


def _masked(a: Bounded, mask: Any, neutral: float) -> tuple[np.ndarray, Any]:
    if mask is None:
        return a.value, a.error
    t = Truth.of(mask)
    value = np.where(t.value, a.value, neutral)
    error: Any = 0.0 if _is_exact(a) else np.where(t.value, a.error, 0.0)
    if t.unsure is not False:
        error = np.where(t.unsure, np.abs(a.value - neutral) + a.error, error)
    return value, error


def _terms(shape: tuple[int, ...], axes: tuple[int, ...]) -> int:
    return math.prod([shape[k] for k in axes])


def _growth(k: int, alike: Callable[[], Any]) -> Any:
    """Error constant of a sum of k terms, in units roundoff of the sum of their absolute values."""
    if k - 1 <= LAMBDA * math.sqrt(k):
        return float(max(k - 1, 0))
    m = alike()
    return LAMBDA * math.sqrt(k) if m is None else np.minimum(k - 1.0, LAMBDA * np.sqrt(k + k * m))


def _close(sizes: np.ndarray, whole: np.ndarray, axis: int) -> np.ndarray | None:
    """Where a term is so close to its neighbour that their roundings are not independent; None: nowhere."""
    n = sizes.shape[axis]
    before = sizes[(slice(None),) * axis + (slice(0, n - 1),)]
    after = sizes[(slice(None),) * axis + (slice(1, n),)]
    apart = before - after
    close = np.abs(apart, out=apart) <= ALIKE * _now.unit * whole
    if not np.count_nonzero(close):
        return None
    close &= before != 0  # adding zero is exact
    return close


def _alike(sizes: np.ndarray, whole: np.ndarray, axes: tuple[int, ...]) -> np.ndarray | None:
    """How many terms of a sum are alike; None: none."""
    axis = max(axes, key=lambda k: sizes.shape[k])
    close = _close(sizes, whole, axis)
    return None if close is None else close.sum(axis=axes, keepdims=True)


def _alike_products(
    sizes: Sequence[np.ndarray], full: tuple[int, ...], whole: np.ndarray, axes: tuple[int, ...]
) -> np.ndarray | None:
    """How many terms of a sum of products are alike. Where they are too many to be formed, factor by factor."""
    if math.prod(full) <= PRODUCTS:
        terms = sizes[0]
        for s in sizes[1:]:
            terms = terms * s
        return _alike(np.broadcast_to(terms, full), whole, axes)
    axis = max(axes, key=lambda k: full[k])
    close: list[np.ndarray] = []
    for s in sizes:
        if s.shape[axis] == 1:
            close.append(np.ones_like(s))
            continue
        found = _close(s, s.sum(axis=axis, keepdims=True), axis)
        if found is None:
            return None
        close.append(found.astype(np.float64))
    return sum_of_products(close, axes)


def _lost(error: Any, axes: tuple[int, ...]) -> Any:
    """Where an element that is reduced may be anything."""
    return np.isposinf(error).any(axis=axes, keepdims=True)


def total(a: Bounded, axes: tuple[int, ...], mask: Any = None) -> Bounded:
    value, error = _masked(a, mask, 0.0)
    result = np.add.reduce(value, axis=axes, keepdims=True)
    sizes = a.magnitude if mask is None else np.abs(value)
    k = _terms(value.shape, axes)
    whole = np.add.reduce(sizes, axis=axes, keepdims=True)
    growth = _growth(k, lambda: _alike(sizes, whole, axes))
    if isinstance(error, float) and error == 0.0:
        return _settled(result, growth * _now.unit * whole)
    error = error if np.shape(error) == value.shape else np.broadcast_to(error, value.shape)
    errors = np.add.reduce(error, axis=axes, keepdims=True)
    bound = errors + growth * _now.unit * (whole + errors)
    if all_finite(bound):
        return Bounded(result, bound)
    return Bounded(result, np.where(_lost(error, axes), np.inf, _settled(result, bound).error))


def mean(a: Bounded, axes: tuple[int, ...], mask: Any = None) -> Bounded:
    if mask is None:
        k, whole = _terms(a.shape, axes), total(a, axes)
        with quiet:  # of nothing it is 0 / 0
            return _computed(whole.value / k, whole.error / k, OPERATORS["/"], whole)
    return total(a, axes, mask) / count(_over(mask, a.shape), axes)


def _over(mask: Any, shape: tuple[int, ...]) -> Truth:
    """The mask at every element of a body of this shape."""
    t = Truth.of(mask)
    full = np.broadcast_shapes(shape, t.shape)
    return t if t.shape == full else Truth(np.broadcast_to(t.value, full), t.unsure, t.gaps)


def product(a: Bounded, axes: tuple[int, ...], mask: Any = None) -> Bounded:
    value, error = _masked(a, mask, 1.0)
    k = _terms(value.shape, axes)
    ulps = OPERATORS["*"] * min(max(k - 1, 0), LAMBDA * math.sqrt(k))
    with quiet:
        result = value.prod(axis=axes, keepdims=True)
        if isinstance(error, float) and error == 0.0:
            return _computed(result, 0.0, ulps)
        error, sizes = np.broadcast_to(error, value.shape), np.abs(value)
        relative = np.where(error > 0, np.log1p(error / sizes), 0.0).sum(axis=axes, keepdims=True)
        most = (sizes + error).prod(axis=axes, keepdims=True)
        spread = np.where(result != 0, np.abs(result) * np.expm1(relative), most)
        found = _computed(result, spread, ulps)
        return Bounded(result, np.where(_lost(error, axes), np.inf, found.error))


def largest(a: Bounded, axes: tuple[int, ...], mask: Any = None) -> Bounded:
    """From the largest lower end among elements that certainly count to the largest upper end of any that may."""
    t = None if mask is None else _over(mask, a.shape)
    value = a.value if t is None else np.where(t.value, a.value, -np.inf)
    result = value.max(axis=axes, keepdims=True)
    if _is_exact(a) and (t is None or t.unsure is False):
        return Bounded(result)
    with quiet:
        high, low = a.value + a.error, a.value - a.error
        anything = np.isposinf(a.error)
        if t is not None:
            high = np.where(t.possible, high, -np.inf)
            low = np.where(t.value & ~np.asarray(t.unsure), low, -np.inf)
            anything = anything & t.possible
        high, low = high.max(axis=axes, keepdims=True), low.max(axis=axes, keepdims=True)
        error = np.maximum(np.where(high == result, 0.0, high - result), np.where(low == result, 0.0, result - low))
        # If no element need count, minus infinity and a finite maximum are both possible.
        lost = np.broadcast_to(anything, value.shape).any(axis=axes, keepdims=True) | (error == np.inf)
    return Bounded(result, np.where(lost, np.inf, np.where(np.isfinite(result), error, 0.0)))


def smallest(a: Bounded, axes: tuple[int, ...], mask: Any = None) -> Bounded:
    return -largest(-a, axes, mask)


def arg_largest(a: Bounded, axes: tuple[int, ...], mask: Any = None) -> Bounded:
    """First place of the maximum; where another element is within the bound, any place among the contenders."""
    (axis,) = axes
    t = None if mask is None else _over(mask, a.shape)
    value = a.value if t is None else np.where(t.value, a.value, -np.inf)
    place = np.argmax(value, axis=axis, keepdims=True)
    if _is_exact(a) and (t is None or t.unsure is False):
        return Bounded(place)
    errors = np.broadcast_to(np.asarray(a.error), value.shape)
    unsure: Any = False if t is None else t.unsure
    with quiet:
        high = value + errors if t is None else np.where(t.possible, a.value + errors, -np.inf)
        low = np.where(unsure, -np.inf, value - errors).max(axis=axis, keepdims=True)
        # Exact ties follow the rule of the first place: such an element contends only if that place may be lost.
        loose = np.broadcast_to((errors > 0) | unsure, value.shape)
        loose = loose | np.take_along_axis(loose, place, axis)
        contends = (high > low) | ((high == low) & loose & (high > -np.inf))
    spot = np.arange(value.shape[axis]).reshape([-1 if k == axis else 1 for k in range(value.ndim)])
    reach = np.where(contends, np.abs(spot - place), 0).max(axis=axis, keepdims=True)
    return Bounded(place, reach.astype(np.float64))


def arg_smallest(a: Bounded, axes: tuple[int, ...], mask: Any = None) -> Bounded:
    return arg_largest(-a, axes, mask)


def count(truth: Truth, axes: tuple[int, ...]) -> Bounded:
    value = truth.value.sum(axis=axes, keepdims=True)
    if truth.unsure is False:
        return Bounded(value)
    return Bounded(value, np.broadcast_to(truth.unsure, truth.shape).sum(axis=axes, keepdims=True).astype(np.float64))


def dot(factors: Sequence[Bounded], axes: tuple[int, ...]) -> Bounded:
    """Sum over `axes` of the product of the factors; the products are formed only where they are few."""
    values = [f.value for f in factors]
    sizes = [f.magnitude for f in factors]
    result = sum_of_products(values, axes)
    reach = [s if _is_exact(f) else s + f.error for s, f in zip(sizes, factors, strict=True)]
    magnitude = sum_of_products(reach, axes)
    full = np.broadcast_shapes(*(v.shape for v in values))
    k = _terms(full, axes)
    growth = _growth(k, lambda: _alike_products(sizes, full, magnitude, axes))
    bound = (growth + len(factors) - 1) * _now.unit * magnitude + np.minimum(magnitude, k * _now.tiny)
    for position, factor in enumerate(factors):
        if not _is_exact(factor):
            # |a + ea| in the places before keeps the second-order terms.
            bound = bound + sum_of_products([*reach[:position], factor.errors(), *sizes[position + 1 :]], axes)
    found = _settled(result, bound)
    if found.error is not bound:
        parts = [np.isposinf(f.errors()) for f in factors]
        lost = [sum_of_products([p.astype(float), *(np.ones_like(s) for s in sizes)], axes) for p in parts if p.any()]
        for places in lost:
            found = Bounded(result, np.where(places > 0, np.inf, found.error))
    return found


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
    """Equal within the bounds of both sides; NaN equals NaN, an infinity itself. An infinite bound rejects nothing."""
    a, b = Bounded.of(left), Bounded.of(right)
    bound = np.asarray(a.error if _is_exact(b) else a.error + b.error)
    with quiet:
        difference = np.abs(a.value - b.value)
        close = difference <= bound
        if np.count_nonzero(close) == close.size:
            # The usual case: every difference is finite and inside.
            ratio = difference / bound
            if not all_finite(ratio):
                ratio = np.where(np.isfinite(ratio), ratio, 0.0)  # nothing by nothing, anything by anything
        else:
            same = (a.value == b.value) | (np.isnan(a.value) & np.isnan(b.value)) | (bound == np.inf)
            close = same | close
            ratio = np.where(same, 0.0, np.where(np.isfinite(difference), difference / bound, np.inf))
            inside = np.minimum(np.nan_to_num(ratio, nan=0.0), 1.0)
            ratio = np.where(close, inside, np.maximum(np.nan_to_num(ratio, nan=np.inf), 1.0))
    return Truth(close, False, (Gap(a.value, b.value, bound, "approx", ratio),))
