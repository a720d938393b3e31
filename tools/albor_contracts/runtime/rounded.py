"""Arrays that round after every operation: careful implementations of a definition, made from the definition.

`implementations(spec, arithmetic)` gives the functions of a contract evaluated in the accumulation precision, as
different honest kernels would: in several orders of summation, with or without fused multiply-add, with the
approximate instructions of a GPU. The trials of the derived bounds run on these, and on ones that are wrong on purpose.
"""

from __future__ import annotations

import builtins
import contextlib
import math
import types
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..lang.functions import REDUCTIONS
from . import functions
from .definitions import Definitions
from .dtypes import FORMATS, round_to
from .functions import Reduction
from .grid import Index, lay_out
from .truth import Truth

AT_ONCE = 2**16  # products that are formed together


@dataclass(frozen=True)
class Arithmetic:
    """How an implementation computes. `order` of sums: naive, reversed, pairwise, or "blocks of N".

    fused    products enter sums unrounded (fma)
    fast     exp(x) as 2^(x log2 e), quotients and roots through reciprocals, subnormal results flushed to zero
    casts    rounds where the definition allows it, to the dtype under test
    sums_in  accumulates in this dtype instead: wrong where the definition does not say so
    drop     forgets the last term of every sum: wrong
    divisor  a mean, and a quotient by a count, divides by N + divisor: wrong unless 0
    """

    order: str = "pairwise"
    fused: bool = False
    fast: bool = False
    casts: bool = False
    precision: str = "f32"
    dtype: str = "f32"
    sums_in: str = ""
    drop: bool = False
    divisor: int = 0


class _Current:
    def __init__(self) -> None:
        self.arithmetic = Arithmetic()
        self.longest = 0  # terms of the longest sum so far
        self.overflowed = False  # a product or a sum of finite numbers was infinite
        self.wide = False


_current = _Current()


@contextlib.contextmanager
def computing(arithmetic: Arithmetic) -> Iterator[None]:
    """Rounded arrays inside compute like this."""
    saved = _current.arithmetic
    _current.arithmetic = replace(arithmetic, precision="f64") if _current.wide else arithmetic
    try:
        yield
    finally:
        _current.arithmetic = saved


def longest_sum() -> int:
    """Number of terms of the longest sum since the last call."""
    found, _current.longest = _current.longest, 0
    return found


def overflowed() -> bool:
    """Whether a product or a sum of finite numbers was infinite since the last call."""
    found, _current.overflowed = _current.overflowed, False
    return found


@contextlib.contextmanager
def in_float64() -> Iterator[None]:
    """Everything inside is computed in float64, whatever the arithmetic says."""
    _current.wide = True
    try:
        yield
    finally:
        _current.wide = False


def _watched(result: np.ndarray, *operands: np.ndarray) -> np.ndarray:
    if np.isinf(result).any() and all(np.isfinite(x).all() for x in operands):
        _current.overflowed = True
    return result


_NATIVE: dict[str, Any] = {"f32": np.float32, "f64": np.float64}


def fit(x: Any, flush: bool = False) -> np.ndarray:
    """x rounded to the accumulation precision."""
    how = _current.arithmetic
    native = _NATIVE.get(how.precision)
    with np.errstate(all="ignore"):
        x = np.asarray(x, dtype=native) if native is not None else round_to(x, how.precision)
    if flush and how.fast:
        x = np.where(np.abs(x) < FORMATS[how.precision].smallest_normal, x * 0, x)
    return x


def _wide(x: np.ndarray) -> np.ndarray:
    return np.asarray(x, dtype=np.float64)


class Rounded:
    """An array in the accumulation precision. `unrounded` holds a product until a sum may fuse with it."""

    __array_ufunc__ = None
    __slots__ = ("unrounded", "value")

    def __init__(self, value: Any, unrounded: np.ndarray | None = None) -> None:
        self.value = fit(value)
        self.unrounded = unrounded

    @staticmethod
    def of(x: Any) -> Rounded:
        return x if isinstance(x, Rounded) else Rounded(x.value if isinstance(x, Truth) else x)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.value.shape

    @property
    def ndim(self) -> int:
        return self.value.ndim

    @property
    def size(self) -> int:
        return self.value.size

    def __getitem__(self, where: Any) -> Rounded:
        return Rounded(self.value[where])

    def laid_out(self, full: tuple[int, ...], order: tuple[int, ...]) -> Rounded:
        return Rounded(lay_out(self.value, full, order))

    def reshape(self, *shape: int) -> Rounded:
        return Rounded(self.value.reshape(*shape))

    def __neg__(self) -> Rounded:
        return Rounded(-self.value, None if self.unrounded is None else -self.unrounded)

    def __pos__(self) -> Rounded:
        return self

    def __abs__(self) -> Rounded:
        return Rounded(np.abs(self.value))

    def __add__(self, other: Any) -> Rounded:
        o = Rounded.of(other)
        with np.errstate(all="ignore"):
            if self.unrounded is not None:
                return Rounded(self.unrounded + _wide(o.value))
            if o.unrounded is not None:
                return Rounded(_wide(self.value) + o.unrounded)
            return Rounded(self.value + o.value)

    __radd__ = __add__

    def __sub__(self, other: Any) -> Rounded:
        return self + -Rounded.of(other)

    def __rsub__(self, other: Any) -> Rounded:
        return Rounded.of(other) + -self

    def __mul__(self, other: Any) -> Rounded:
        o = Rounded.of(other)
        with np.errstate(all="ignore"):
            if _current.arithmetic.fused:
                exact = _wide(self.value) * _wide(o.value)
                return Rounded(_watched(fit(exact, flush=True), exact), exact)
            return Rounded(_watched(fit(self.value * o.value, flush=True), self.value, o.value))

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> Rounded:
        o = Rounded.of(_miscounted(other))
        with np.errstate(all="ignore"):
            if _current.arithmetic.fast:
                inverse = fit(1.0 / _wide(o.value))
                usable = np.isfinite(inverse) & (
                    np.abs(inverse) >= FORMATS[_current.arithmetic.precision].smallest_normal
                )
                exact = _wide(self.value) / _wide(o.value)
                return Rounded(fit(np.where(usable, _wide(self.value) * inverse, exact), flush=True))
            return Rounded(fit(_wide(self.value) / _wide(o.value), flush=True))

    def __rtruediv__(self, other: Any) -> Rounded:
        return Rounded.of(other) / self

    def __pow__(self, other: Any) -> Rounded:
        if isinstance(other, int) and 1 <= other <= 4:
            result = self
            for _ in range(other - 1):
                result = Rounded(result.value) * self
            return result
        o = Rounded.of(other)
        with np.errstate(all="ignore"):
            if _current.arithmetic.fast and bool((self.value > 0).all()):
                return Rounded(fit(np.exp2(_wide(fit(_wide(o.value) * np.log2(_wide(self.value))))), flush=True))
            return Rounded(fit(np.power(_wide(self.value), _wide(o.value)), flush=True))

    def __rpow__(self, other: Any) -> Rounded:
        return Rounded.of(other) ** self

    def _compared(self, other: Any, relation: Any) -> Any:
        return relation(self.value, Rounded.of(other).value)

    def __lt__(self, other: Any) -> Any:
        return self._compared(other, np.less)

    def __le__(self, other: Any) -> Any:
        return self._compared(other, np.less_equal)

    def __gt__(self, other: Any) -> Any:
        return self._compared(other, np.greater)

    def __ge__(self, other: Any) -> Any:
        return self._compared(other, np.greater_equal)

    def __eq__(self, other: object) -> Any:
        return self._compared(other, np.equal)

    def __ne__(self, other: object) -> Any:
        return self._compared(other, np.not_equal)

    __hash__ = None  # type: ignore[assignment]


def _miscounted(divisor: Any) -> Any:
    """A divisor; where it is a number that was counted, what the arithmetic makes of it."""
    wrong = _current.arithmetic.divisor
    if wrong and isinstance(divisor, (np.ndarray, np.integer)) and divisor.dtype.kind in "iu":
        return np.maximum(divisor + wrong, 1)
    return divisor


# Sums


def add_up(terms: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
    """The terms added along `axes` (kept with size 1), in the order and precision in force."""
    how = _current.arithmetic
    ndim = terms.ndim
    rest = tuple(k for k in range(ndim) if k not in axes)
    kept = [1 if k in axes else terms.shape[k] for k in range(ndim)]
    row = terms.transpose(rest + axes).reshape([*(terms.shape[k] for k in rest), -1])
    _current.longest = builtins.max(_current.longest, row.shape[-1])
    if how.drop and row.shape[-1] > 1:
        row = row[..., :-1]
    if row.shape[-1] == 0:
        return np.zeros(kept, dtype=terms.dtype)
    form = how.sums_in or how.precision
    with np.errstate(all="ignore"):
        match how.order.split():
            case ["naive"]:
                found = one_by_one(row, form)
            case ["reversed"]:
                found = one_by_one(row[..., ::-1], form)
            case ["blocks", "of", size]:
                found = one_by_one(one_by_one(_blocks(row, int(size)), form), form)
            case _:
                found = in_pairs(row, form)
    return _watched(fit(found.reshape(kept)), terms)


_TYPES: dict[str, Any] = {"f32": np.float32, "f64": np.float64, "f16": np.float16}


def one_by_one(row: np.ndarray, form: str) -> np.ndarray:
    """The sum along the last axis, from its first element to its last, rounded to `form` after each addition."""
    native = _TYPES.get(form)
    if native is not None and row.dtype == native:
        return np.add.accumulate(row, axis=-1)[..., -1]
    # Products that enter unrounded are wider than the sum.
    total = _kept(row[..., 0], form)
    for k in range(1, row.shape[-1]):
        total = _kept(total.astype(np.float64) + row[..., k], form)
    return total


def in_pairs(row: np.ndarray, form: str) -> np.ndarray:
    """The sum along the last axis as a balanced tree."""
    while row.shape[-1] > 1:
        half = row.shape[-1] // 2
        odd = row[..., 2 * half :]
        row = _kept(row[..., 0 : 2 * half : 2] + row[..., 1 : 2 * half : 2], form)
        row = np.concatenate([row, odd], axis=-1) if odd.shape[-1] else row
    return _kept(row[..., 0], form)


def _kept(x: np.ndarray, form: str) -> np.ndarray:
    """x rounded to `form`, in its own type where NumPy has it."""
    native = _TYPES.get(form)
    return x.astype(native, copy=False) if native is not None else round_to(x, form)


def _blocks(row: np.ndarray, size: int) -> np.ndarray:
    n = row.shape[-1]
    missing = -n % size
    padded = np.concatenate([row, np.zeros((*row.shape[:-1], missing), dtype=row.dtype)], axis=-1) if missing else row
    return padded.reshape([*row.shape[:-1], -1, size])


def _products(factors: Any) -> np.ndarray:
    how = _current.arithmetic
    with np.errstate(all="ignore"):
        terms = _wide(factors[0].value) if how.fused else factors[0].value
        for number, f in enumerate(factors[1:], 2):
            terms = terms * f.value
            if not how.fused or number < len(factors):
                terms = _watched(fit(terms, flush=True), *(f.value for f in factors))
                terms = _wide(terms) if how.fused else terms
        return terms


# Functions and reductions of index notation


def _function(exact: Callable[[np.ndarray], np.ndarray], fast: Callable[[np.ndarray], np.ndarray] | None = None) -> Any:
    def apply(x: Any) -> Rounded:
        value = _wide(Rounded.of(x).value)
        with np.errstate(all="ignore"):
            chosen = fast if fast is not None and _current.arithmetic.fast else exact
            return Rounded(fit(chosen(value), flush=True))

    return apply


def _exp_of_two(x: np.ndarray) -> np.ndarray:
    return np.exp2(_wide(fit(x * _wide(fit(1.4426950408889634)))))


def _root(x: np.ndarray) -> np.ndarray:
    inverse = _wide(fit(1.0 / np.sqrt(x)))
    return np.where(np.isfinite(inverse), x * inverse, np.sqrt(x))


def _quick_sigmoid(x: np.ndarray) -> np.ndarray:
    return _wide(fit(1.0 / _wide(fit(1.0 + _wide(fit(_exp_of_two(-x)))))))


def _sigmoid(x: np.ndarray) -> np.ndarray:
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, 1.0 / (1.0 + e), e / (1.0 + e))


def _erf(x: np.ndarray) -> np.ndarray:
    from scipy.special import erf

    return erf(x)


def _atan2(y: Any, x: Any) -> Rounded:
    return Rounded(np.arctan2(_wide(Rounded.of(y).value), _wide(Rounded.of(x).value)))


def _where(condition: Any, first: Any, second: Any) -> Any:
    if isinstance(first, (str, bytes)):
        return functions.where(condition, first, second)
    c = condition.value if isinstance(condition, Truth) else condition
    if isinstance(first, Truth) or isinstance(second, Truth):
        return functions.where(Truth.of(c), first, second)
    if isinstance(first, Rounded) or isinstance(second, Rounded):
        return Rounded(np.where(c, Rounded.of(first).value, Rounded.of(second).value))
    return np.where(c, first, second)


def _whole(x: Any) -> Any:
    return functions.whole(_wide(x.value)) if isinstance(x, Rounded) else functions.whole(x)


def _take(a: Any, *indices: Any) -> Any:
    plain = [_wide(i.value) if isinstance(i, Rounded) else i for i in indices]
    return Rounded(functions.take(a.value, *plain)) if isinstance(a, Rounded) else functions.take(a, *plain)


def _real(x: Any) -> Any:
    return Rounded.of(x)


def _int(x: Any) -> Any:
    if isinstance(x, Truth):
        return x.value.astype(np.int64)
    return x if isinstance(x, Rounded) else functions.int(x)


def _ratio(a: Any, b: Any) -> Any:
    return Rounded.of(a) / Rounded.of(b)


def _isfinite(x: Any) -> Any:
    return np.isfinite(x.value) if isinstance(x, Rounded) else functions.isfinite(x)


def _cast(x: Any) -> Any:
    how = _current.arithmetic
    return Rounded(round_to(Rounded.of(x).value, how.dtype)) if how.casts else x


def _round_to(dtype: str, x: Any) -> Any:
    return Rounded(round_to(Rounded.of(x).value, dtype))


def _max_or_min(name: str, *values: Any) -> Any:
    if not any(isinstance(v, Rounded) for v in values):
        return functions.max_or_min(name, *values)
    result = Rounded.of(values[0]).value
    for v in values[1:]:
        result = (np.maximum if name == "max" else np.minimum)(result, Rounded.of(v).value)
    return Rounded(result)


def _clip(x: Any, low: Any, high: Any) -> Any:
    return _max_or_min("max", _max_or_min("min", x, high), low)


class _Reduction(Reduction):
    def __call__(self, *values: Any) -> Any:
        return _max_or_min(self.name, *values)

    def reduce(self, body: Any, axes: tuple, sizes: dict, mask: Any, ndim: Any) -> Any:
        name = self.name
        mask = mask.value if isinstance(mask, Truth) else mask
        if isinstance(body, np.ndarray) and body.dtype.kind == "f":
            body = Rounded(body)
        if name == "mean":
            body = Rounded.of(body)
        if not isinstance(body, Rounded):
            return super().reduce(body, axes, sizes, mask, ndim)
        value = body.value if body.ndim else body.value.reshape((1,) * ndim)
        value = np.broadcast_to(value, [int(sizes.get(k, n)) for k, n in enumerate(value.shape)])
        if mask is not None:
            value, mask = np.broadcast_arrays(value, mask)
        match name:
            case "argmax" | "argmin":
                worst = -np.inf if name == "argmax" else np.inf
                seen = value if mask is None else np.where(mask, value, worst)
                return (np.argmax if name == "argmax" else np.argmin)(seen, axis=axes[0], keepdims=True)
            case "max" | "min":
                worst = -np.inf if name == "max" else np.inf
                seen = value if mask is None else np.where(mask, value, worst)
                return Rounded((np.max if name == "max" else np.min)(seen, axis=axes, keepdims=True))
            case "prod":
                seen = value if mask is None else np.where(mask, value, 1)
                return Rounded(np.prod(seen, axis=axes, keepdims=True))
        if mask is not None:
            value = np.where(mask, value, 0)
        found = Rounded(add_up(value, axes))
        if name == "sum":
            return found
        count = np.prod([value.shape[k] for k in axes]) if mask is None else mask.sum(axis=axes, keepdims=True)
        return found / Rounded(np.maximum(count + _current.arithmetic.divisor, 1))


def _dot(factors: list[Rounded], full: list[int], axes: tuple[int, ...]) -> np.ndarray:
    """Sums of products, of so many at a time as a cache holds: they are formed one by one, as a kernel forms them."""
    free = [k for k in range(len(full)) if k not in axes and full[k] > 1]
    size = math.prod(full)
    if size <= AT_ONCE or not free:
        return add_up(np.broadcast_to(_products(factors), full), axes)
    axis = builtins.max(free, key=lambda k: full[k])
    step = builtins.max(1, AT_ONCE * full[axis] // size)
    parts = []
    for begin in range(0, full[axis], step):
        where = (slice(None),) * axis + (slice(begin, begin + step),)
        some = [f[where] if f.shape[axis] > 1 else f for f in factors]
        parts.append(_dot(some, [*full[:axis], builtins.min(step, full[axis] - begin), *full[axis + 1 :]], axes))
    return np.concatenate(parts, axis=axis)


class _Dot:
    def __getitem__(self, over: Index | tuple[Index, ...]) -> Any:
        indices = over if isinstance(over, tuple) else (over,)
        axes = tuple([i.axis for i in indices])
        ndim = indices[0].ndim

        def run(*factors: Any) -> Any:
            if not any(isinstance(f, Rounded) for f in factors):
                return functions.dot[over](*factors)
            on_grid = [Rounded.of(f) for f in factors]
            on_grid = [f if f.ndim else f.reshape(*(1,) * ndim) for f in on_grid]
            full = list(np.broadcast_shapes(*(f.shape for f in on_grid)))
            for i in indices:
                full[i.axis] = i.size
            return Rounded(_dot(on_grid, full, axes))

        return run


NAMES: dict[str, Any] = {
    "exp": _function(np.exp, _exp_of_two),
    "expm1": _function(np.expm1),
    "log": _function(np.log),
    "log1p": _function(np.log1p),
    "sqrt": _function(np.sqrt, _root),
    "rsqrt": _function(lambda x: 1.0 / np.sqrt(x)),
    "sin": _function(np.sin),
    "cos": _function(np.cos),
    "atan2": _atan2,
    "tanh": _function(np.tanh),
    "erf": _function(_erf),
    "sigmoid": _function(_sigmoid, _quick_sigmoid),
    "floor": _function(np.floor),
    "ceil": _function(np.ceil),
    "round": _function(np.rint),
    "sign": _function(np.sign),
    "where": _where,
    "whole": _whole,
    "take": _take,
    "real": _real,
    "int": _int,
    "ratio": _ratio,
    "isfinite": _isfinite,
    "cast": _cast,
    "round_to": _round_to,
    "clip": _clip,
    "dot": _Dot(),
    **{name: _Reduction(name) for name in REDUCTIONS},
}


def implementations(spec: Definitions, arithmetic: Callable[[], Arithmetic]) -> Mapping[str, Callable[..., Any]]:
    """Every definition as a function of arrays in float64, computed in the arithmetic of the moment of the call.

    Outputs are in the accumulation precision: rounding them to the output dtype is left to the caller.
    """
    inner = types.SimpleNamespace()
    found: dict[str, Callable[..., Any]] = {}
    for name, function in spec.functions.items():
        space = {**function.__globals__, **NAMES, "spec": inner}
        made = types.FunctionType(function.__code__, space, name, function.__defaults__, function.__closure__)
        setattr(inner, name, made)
        found[name] = _entered(made, arithmetic)
    return found


def _entered(function: Callable[..., Any], arithmetic: Callable[[], Arithmetic]) -> Callable[..., Any]:
    def run(*arguments: Any) -> tuple[Any, ...]:
        with computing(arithmetic()), np.errstate(all="ignore"):
            outputs = function(*(_given(a) for a in arguments))
            outputs = outputs if isinstance(outputs, tuple) else (outputs,)
            return tuple(_wide(o.value) if isinstance(o, Rounded) else o for o in outputs)

    return run


def _given(a: Any) -> Any:
    if isinstance(a, (float, np.floating)) or (isinstance(a, np.ndarray) and a.dtype.kind == "f"):
        return Rounded(a)
    return a.astype(np.int64) if isinstance(a, np.ndarray) and a.dtype.kind in "iu" else a
