"""The functions and reductions of index notation, on whichever kind of value they are given."""

from __future__ import annotations

import builtins
from typing import Any

import numpy as np

from . import bounded, dtypes
from .bounded import Bounded
from .grid import Index
from .quiet import quiet
from .truth import Truth

_state = {"bounds": False}


class carrying_bounds:
    """While active, numbers without a bound become `Bounded` as soon as a function or ratio touches them."""

    def __enter__(self) -> None:
        self.saved = _state["bounds"]
        _state["bounds"] = True

    def __exit__(self, *_: object) -> None:
        _state["bounds"] = self.saved


def _traced(*values: Any) -> bool:
    return "Traced" in [type(v).__name__ for v in values]


def _is_bounded(*values: Any) -> bool:
    return _state["bounds"] or builtins.any(isinstance(v, (Bounded, Truth)) for v in values)


def _function(name: str, plain: Any, with_bounds: Any) -> Any:
    def apply(x: Any) -> Any:
        if _is_bounded(x):
            if _traced(x):
                return _torch().apply(name, x)
            return with_bounds(Bounded.of(x))
        if _traced(x):
            return _torch().apply(name, x)
        with quiet:
            return plain(np.asarray(x, dtype=np.float64))

    apply.__name__ = name
    return apply


def _torch() -> Any:
    from . import traced

    return traced


def _sigmoid(x: np.ndarray) -> np.ndarray:
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, 1.0 / (1.0 + e), e / (1.0 + e))


def _erf(x: np.ndarray) -> np.ndarray:
    from scipy.special import erf as exact

    return exact(x)


exp = _function("exp", np.exp, bounded.exp)
expm1 = _function("expm1", np.expm1, bounded.expm1)
log = _function("log", np.log, bounded.log)
log1p = _function("log1p", np.log1p, bounded.log1p)
sqrt = _function("sqrt", np.sqrt, bounded.sqrt)
rsqrt = _function("rsqrt", lambda x: 1.0 / np.sqrt(x), bounded.rsqrt)
sin = _function("sin", np.sin, bounded.sin)
cos = _function("cos", np.cos, bounded.cos)


def atan2(y: Any, x: Any) -> Any:
    if _traced(y, x):
        return _torch().apply("atan2", y, x)
    return bounded.atan2(y, x) if _is_bounded(y, x) else np.arctan2(y, x)


tanh = _function("tanh", np.tanh, bounded.tanh)
erf = _function("erf", _erf, bounded.erf)
sigmoid = _function("sigmoid", _sigmoid, bounded.sigmoid)
floor = _function("floor", np.floor, bounded.floor)
ceil = _function("ceil", np.ceil, bounded.ceil)
round = _function("round", np.rint, bounded.round_half_even)


def sign(x: Any) -> Any:
    if isinstance(x, Bounded):
        return bounded.sign(x)
    return _torch().apply("sign", x) if _traced(x) else np.sign(x)


def abs(x: Any) -> Any:
    return x.__abs__()


def real(x: Any) -> Any:
    if isinstance(x, Truth):
        return real(int(x))
    return x if isinstance(x, Bounded) or _traced(x) else np.asarray(x, dtype=np.float64)


def int(x: Any) -> Any:
    """A truth value as 0 or 1."""
    x = _decided(x)
    if isinstance(x, Truth):
        return Bounded(x.value.astype(np.float64), np.where(x.unsure, 1.0, 0.0))
    if isinstance(x, (bool, np.bool_)):
        return builtins.int(x)  # of any size when it is multiplied
    return x if isinstance(x, Bounded) or _traced(x) else np.asarray(x).astype(np.int64)


def ratio(a: Any, b: Any) -> Any:
    """The quotient of two numbers that may be Python's own; of whole numbers, too, a kernel rounds it."""
    if _traced(a, b):
        return a / b
    if _is_bounded(a, b):
        return Bounded.of(a) / Bounded.of(b)
    with quiet:
        return np.true_divide(a, b)


def whole(x: Any) -> Any:
    """A whole number that was computed from reals, as an integer; with its bound where it is not decided."""
    if isinstance(x, Bounded) and np.any(np.asarray(x.error) > 0):
        return x
    if _traced(x):
        x = x.value.detach().numpy()
    value = np.asarray(x.value if isinstance(x, Bounded) else x)
    return value if value.dtype.kind in "iub" else _integers(value)


def _integers(value: np.ndarray) -> np.ndarray:
    """Whole numbers held in floats, as int64; what is none becomes 0, what does not fit the nearest that does."""
    limit = 2.0**62
    return np.clip(np.nan_to_num(np.rint(value), nan=0.0, posinf=limit, neginf=-limit), -limit, limit).astype(np.int64)


def take(a: Any, *indices: Any) -> Any:
    """`a[i, j]` where an index follows from real numbers: where it is undecided, so is the element."""
    parts, unsure = [], np.zeros((), dtype=bool)
    for index, size in zip(indices, a.shape, strict=True):
        if isinstance(index, Bounded):
            unsure = unsure | (np.asarray(index.error) > 0)
        plain = (
            index.value.detach().numpy()
            if _traced(index)
            else index.value
            if isinstance(index, Bounded)
            else np.asarray(index)
        )
        parts.append(within(plain if plain.dtype.kind in "iu" else _integers(plain), size))
    found = a[tuple(parts)]
    if not unsure.any() or _traced(found):
        return found
    if isinstance(found, Truth):
        return Truth(found.value, np.broadcast_to(found.unsure, found.shape) | unsure, found.gaps)
    found = Bounded.of(found)
    return Bounded(found.value, np.where(unsure, np.inf, found.error))


def within(index: Any, size: Any) -> Any:
    """The nearest index that exists: for elements that are read and not used."""
    return np.clip(index, 0, builtins.max(size - 1, 0))


def isfinite(x: Any) -> Any:
    if isinstance(x, Bounded):
        return np.isfinite(x.value)
    return np.isfinite(x.value.detach().numpy()) if _traced(x) else np.isfinite(x)


def where(condition: Any, first: Any, second: Any) -> Any:
    if isinstance(first, (str, bytes)):
        return first if bool(Truth.of(condition).value.all()) else second
    if _traced(first, second):
        return _torch().where(condition, first, second)
    if (
        isinstance(first, Truth)
        or isinstance(second, Truth)
        or (isinstance(condition, Truth) and _is_truth_value(first))
    ):
        c = Truth.of(condition)
        return (c & Truth.of(first)) | (~c & Truth.of(second))
    condition = _decided(condition)
    if _is_bounded(condition, first, second):
        return bounded.where(condition, first, second)
    if type(first) is type(second) is builtins.int and np.ndim(condition) == 0:
        return first if condition else second  # NumPy's have 64 bits, and products of them wrap without a word
    return np.where(condition, first, second)


def _decided(x: Any) -> Any:
    """A condition without its bound, where it has none: exact numbers stay exact."""
    return x.value if isinstance(x, Truth) and x.unsure is False else x


def _is_truth_value(x: Any) -> bool:
    return isinstance(x, (bool, np.bool_)) or (isinstance(x, np.ndarray) and x.dtype == bool)


def max_or_min(name: str, *values: Any) -> Any:
    if _traced(*values):
        return _torch().apply(name, *values)
    if builtins.any(isinstance(v, Bounded) for v in values):
        return (bounded.maximum if name == "max" else bounded.minimum)(*values)
    if builtins.all(type(v) is builtins.int for v in values):
        return (builtins.max if name == "max" else builtins.min)(values)  # of any size
    function = np.maximum if name == "max" else np.minimum
    result = values[0]
    for v in values[1:]:
        result = function(result, v)
    return result


def clip(x: Any, low: Any, high: Any) -> Any:
    return max_or_min("max", max_or_min("min", x, high), low)


def cast(x: Any) -> Any:
    """x, which a kernel may round to the dtype under test: a value like any other, with a wider bound."""
    if _traced(x) or not _is_bounded(x):
        return x
    return bounded.cast(Bounded.of(x))


def round_to(dtype: str, x: Any) -> Any:
    if _traced(x):
        return _torch().rounded(x, dtype)
    if _is_bounded(x):
        return bounded.rounded(Bounded.of(x), dtype)
    return dtypes.round_to(x, dtype)


_PLAIN: dict[str, Any] = {
    "sum": (np.sum, 0), "prod": (np.prod, 1), "mean": (np.mean, 0), "max": (np.max, -np.inf), "min": (np.min, np.inf),
}  # fmt: skip
_BOUNDED = {
    "sum": bounded.total, "prod": bounded.product, "mean": bounded.mean, "max": bounded.largest,
    "min": bounded.smallest, "argmax": bounded.arg_largest, "argmin": bounded.arg_smallest,
}  # fmt: skip


class Reduction:
    """`sum[i, j](body, where=condition)`; called without an index, `max` and `min` compare their arguments."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __getitem__(self, over: Index | tuple[Index, ...]) -> Any:
        indices = over if isinstance(over, tuple) else (over,)
        axes = tuple([i.axis for i in indices])
        sizes = {i.axis: i.size for i in indices}

        def run(body: Any, where: Any = None) -> Any:
            return self.reduce(body, axes, sizes, where, indices[0].ndim)

        return run

    def __call__(self, *values: Any) -> Any:
        return max_or_min(self.name, *values)

    def reduce(self, body: Any, axes: tuple, sizes: dict, mask: Any, ndim: Any) -> Any:
        name = self.name
        if name in ("all", "any", "count"):
            truth = Truth.of(_grown(body, sizes, ndim))
            if name == "count":
                return _counted(truth if mask is None else truth & mask, axes)
            return getattr(truth, name)(axes, mask)
        body = _grown(body, sizes, ndim)
        mask = _decided(mask)
        if _traced(body):
            return _torch().reduce(name, body, axes, mask)
        if isinstance(body, Bounded) or isinstance(mask, Truth) or (_state["bounds"] and _rounds(name, body)):
            return _BOUNDED[name](Bounded.of(body), axes, mask)
        if name in ("argmax", "argmin"):
            return _BOUNDED[name](Bounded(body), axes, mask).value.astype(np.int64)
        function, neutral = _PLAIN[name]
        body = np.asarray(body)
        if mask is None:
            return function(body, axis=axes, keepdims=True)
        if name == "mean":
            mask = np.broadcast_to(mask, np.broadcast_shapes(body.shape, mask.shape))
            with quiet:
                return np.where(mask, body, 0.0).sum(axis=axes, keepdims=True) / mask.sum(axis=axes, keepdims=True)
        return function(np.where(mask, body, neutral), axis=axes, keepdims=True)


def _rounds(name: str, body: np.ndarray) -> bool:
    """Whether a kernel rounds while it computes this of exact values."""
    return name == "mean" or (body.dtype.kind == "f" and name in ("sum", "prod"))


def _grown(body: Any, sizes: dict, ndim: Any) -> Any:
    """The body on the grid of `ndim` axes, along every index it is reduced over, even if it does not mention it."""
    if not (isinstance(body, (np.ndarray, Bounded, Truth)) or _traced(body)):
        body = np.asarray(body)
    shape = body.shape
    if shape and builtins.all(shape[axis] == size for axis, size in sizes.items()):
        return body
    if not body.ndim:
        ones = (1,) * ndim
        body = Truth(body.value.reshape(ones), body.unsure) if isinstance(body, Truth) else body.reshape(*ones)
    full = tuple(sizes.get(k, body.shape[k]) for k in range(ndim))
    return body.laid_out(full, tuple(range(ndim))) if hasattr(body, "laid_out") else np.broadcast_to(body, full)


def _counted(truth: Truth, axes: tuple) -> Any:
    result = bounded.count(truth, axes)
    return result if truth.unsure is not False else result.value.astype(np.int64)


sum = Reduction("sum")
prod = Reduction("prod")
mean = Reduction("mean")
max = Reduction("max")
argmax = Reduction("argmax")
argmin = Reduction("argmin")
count = Reduction("count")
all = Reduction("all")
any = Reduction("any")
min = Reduction("min")


class _Dot:
    """`dot[d](a, b)`: the sum over d of a * b, through einsum."""

    def __getitem__(self, over: Index | tuple[Index, ...]) -> Any:
        indices = over if isinstance(over, tuple) else (over,)
        axes = tuple(i.axis for i in indices)
        sizes = {i.axis: i.size for i in indices}

        def run(*factors: Any) -> Any:
            missing = [
                k for k in axes if not builtins.any(getattr(f, "ndim", 0) and f.shape[k] == sizes[k] for f in factors)
            ]
            if missing:
                factors = (*factors, np.ones([sizes[k] if k in missing else 1 for k in range(indices[0].ndim)]))
            if _traced(*factors):
                return _torch().dot([_lifted(f, indices[0].ndim) for f in factors], axes)
            if builtins.all(
                isinstance(f, (np.ndarray, builtins.int)) and np.asarray(f).dtype.kind in "iu" for f in factors
            ):
                return bounded.sum_of_products([_lifted(f, indices[0].ndim) for f in factors], axes)  # exact
            if _is_bounded(*factors):
                return bounded.dot([Bounded.of(_lifted(f, indices[0].ndim)) for f in factors], axes)
            return bounded.sum_of_products([_lifted(f, indices[0].ndim) for f in factors], axes)

        return run


def _lifted(f: Any, ndim: Any) -> Any:
    """A single number as a factor on the grid."""
    if getattr(f, "ndim", 0):
        return f
    if isinstance(f, Bounded):
        return f.reshape(*(1,) * ndim)
    if _traced(f):
        return type(f)(f.value.reshape((1,) * ndim))
    return np.asarray(f).reshape((1,) * ndim)


dot = _Dot()
