"""The value with its bound, its arithmetic, and what two of them compare to."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from ...lang.functions import OPERATORS
from ..dtypes import FORMATS, Format, holds
from ..grid import Index, lay_out, reshaped
from ..quiet import quiet
from ..truth import Gap, Truth


class _Precision:
    """Unit roundoff and smallest normal number of the accumulation dtype now in force, and the dtype under test
    where that is a narrower one."""

    def __init__(self) -> None:
        self.unit = FORMATS["f64"].unit
        self.tiny = FORMATS["f64"].smallest_normal
        self.narrow: Format | None = None


now = _Precision()
_F64 = np.dtype(np.float64)


class accumulating:
    """Bounds inside are those of a computation that accumulates in `dtype`, for a kernel of dtype `under_test`."""

    def __init__(self, dtype: str, under_test: str | None = None) -> None:
        self.form = FORMATS[dtype]
        self.narrow = None if under_test in (None, dtype) else FORMATS[str(under_test)]

    def __enter__(self) -> None:
        self.saved = now.unit, now.tiny, now.narrow
        now.unit, now.tiny, now.narrow = self.form.unit, self.form.smallest_normal, self.narrow

    def __exit__(self, *_: object) -> None:
        now.unit, now.tiny, now.narrow = self.saved


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
            return Bounded(x, 0.0 if holds(x, "f32") else now.unit * abs(x))
        if isinstance(x, int):
            return Bounded(x, 0.0 if abs(x) <= _WHOLE else now.unit * float(abs(x)))
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
        return computed(self.value * o.value, _product_error(self, o), OPERATORS["*"], self, o)

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
        value = RELATIONS[relation](self.value, o.value)
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
RELATIONS = {"<": np.less, "<=": np.less_equal, ">": np.greater, ">=": np.greater_equal, "==": np.equal}


_Axes = tuple[tuple[int, ...] | None, tuple[int, ...] | None]


def whole_axes(where: Any, shape: tuple[int, ...]) -> _Axes:
    """`x[r, i]` with every index running over the whole of an axis of its own is a view: its order and shape."""
    indices = where if isinstance(where, tuple) else (where,)
    places = tuple([i.place if type(i) is Index else None for i in indices])
    return (None, None) if None in places else _view(places, shape)


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


def is_exact(a: Bounded) -> bool:
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


def settled(value: Any, error: Any, *operands: Bounded, size: Any = None) -> Bounded:
    """Infinite and undefined values carry no error: they are compared as such. An undefined bound is no bound.

    Whatever comes of an operand that may be anything may be anything.
    """
    if not all_finite(error):
        error = np.where(np.isfinite(value), np.where(np.isnan(error), np.inf, error), 0.0)
        for o in operands:
            if not is_exact(o):
                error = np.where(np.isposinf(o.error), np.inf, error)
    return Bounded(value, error, size)


def computed(value: Any, error: Any, ulps: float, *operands: Bounded, size: Any = None) -> Bounded:
    """`value` within `error`, rounded to `ulps` units roundoff of what was computed, or flushed to zero."""
    if size is None:
        size = np.abs(value)
    exact = isinstance(error, float) and error == 0.0
    reach = size if exact else size + error
    bound = reach * (ulps * now.unit)
    bound += np.minimum(reach, now.tiny)
    if not exact:
        bound += error
    return settled(value, bound, *operands, size=size)


def _sum_of_two(value: Any, a: Bounded, b: Bounded) -> Bounded:
    size = np.abs(value)
    exact_a, exact_b = is_exact(a), is_exact(b)
    unit = OPERATORS["+"] * now.unit
    if exact_a and exact_b:
        return settled(value, unit * size, size=size)
    error = a.error if exact_b else b.error if exact_a else a.error + b.error
    return settled(value, unit * size + (1.0 + unit) * error, a, b, size=size)


def _product_error(a: Bounded, b: Bounded) -> Any:
    if is_exact(b):
        return 0.0 if is_exact(a) else b.magnitude * a.error
    if is_exact(a):
        return a.magnitude * b.error
    return (b.magnitude + b.error) * a.error + a.magnitude * b.error


def _divide(a: Bounded, b: Bounded) -> Bounded:
    with quiet:
        value = a.value / b.value
        if is_exact(b):
            return computed(value, 0.0 if is_exact(a) else a.error / b.magnitude, OPERATORS["/"], a)
        room = b.magnitude - b.error
        size = np.abs(value)
        error = size * (b.error / room) if is_exact(a) else (a.error + size * b.error) / room
        clear = room > 0
        if np.count_nonzero(clear) == clear.size:
            return computed(value, error, OPERATORS["/"], a, b, size=size)
        pole = ~clear
        # A divisor that is exactly zero, or not a number, is what it is; one that may be zero decides nothing.
        found = computed(value, np.where(pole, 0.0, error), OPERATORS["/"], a, b, size=size)
        return Bounded(value, np.where(pole & (np.asarray(b.error) > 0), np.inf, found.error))


def _power(a: Bounded, b: Bounded) -> Bounded:
    with quiet:
        value = np.power(a.value, b.value)
        slope = np.abs(np.log(a.magnitude))
        relative = np.where(np.asarray(a.error) > 0, -b.magnitude * np.log1p(-a.error / a.magnitude), 0.0)
        relative = relative + np.where(np.asarray(b.error) > 0, slope * b.error, 0.0)
        # The power is taken as 2^(b log2 a): the logarithm and the product are rounded.
        relative = relative + np.where(np.isfinite(slope), 2 * now.unit * b.magnitude * slope, 0.0)
        return computed(value, np.abs(value) * np.expm1(relative), OPERATORS["**"], a, b)


def approx(left: Any, right: Any) -> Truth:
    """Equal within the bounds of both sides; NaN equals NaN, an infinity itself. An infinite bound rejects nothing."""
    a, b = Bounded.of(left), Bounded.of(right)
    bound = np.asarray(a.error if is_exact(b) else a.error + b.error)
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
