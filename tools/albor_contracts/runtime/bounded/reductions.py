"""Reductions. `mask` is None, an array of truth values, or a Truth with undecided places."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ...lang.functions import OPERATORS
from ..quiet import quiet
from ..truth import Truth
from .value import Bounded, all_finite, computed, is_exact, now, settled

LAMBDA = 8.0
ALIKE = 0.125  # terms that differ by less than this times u sum |a| are rounded alike
PRODUCTS = 2**17  # a sum of products forms them, to compare neighbours, up to so many elements


def _masked(a: Bounded, mask: Any, neutral: float) -> tuple[np.ndarray, Any]:
    if mask is None:
        return a.value, a.error
    t = Truth.of(mask)
    value = np.where(t.value, a.value, neutral)
    error: Any = 0.0 if is_exact(a) else np.where(t.value, a.error, 0.0)
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
    close = np.abs(apart, out=apart) <= ALIKE * now.unit * whole
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
        return settled(result, growth * now.unit * whole)
    error = error if np.shape(error) == value.shape else np.broadcast_to(error, value.shape)
    errors = np.add.reduce(error, axis=axes, keepdims=True)
    bound = errors + growth * now.unit * (whole + errors)
    if all_finite(bound):
        return Bounded(result, bound)
    return Bounded(result, np.where(_lost(error, axes), np.inf, settled(result, bound).error))


def mean(a: Bounded, axes: tuple[int, ...], mask: Any = None) -> Bounded:
    if mask is None:
        k, whole = _terms(a.shape, axes), total(a, axes)
        with quiet:  # of nothing it is 0 / 0
            return computed(whole.value / k, whole.error / k, OPERATORS["/"], whole)
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
            return computed(result, 0.0, ulps)
        error, sizes = np.broadcast_to(error, value.shape), np.abs(value)
        relative = np.where(error > 0, np.log1p(error / sizes), 0.0).sum(axis=axes, keepdims=True)
        most = (sizes + error).prod(axis=axes, keepdims=True)
        spread = np.where(result != 0, np.abs(result) * np.expm1(relative), most)
        found = computed(result, spread, ulps)
        return Bounded(result, np.where(_lost(error, axes), np.inf, found.error))


def largest(a: Bounded, axes: tuple[int, ...], mask: Any = None) -> Bounded:
    """From the largest lower end among elements that certainly count to the largest upper end of any that may."""
    t = None if mask is None else _over(mask, a.shape)
    value = a.value if t is None else np.where(t.value, a.value, -np.inf)
    result = value.max(axis=axes, keepdims=True)
    if is_exact(a) and (t is None or t.unsure is False):
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
    if is_exact(a) and (t is None or t.unsure is False):
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
    reach = [s if is_exact(f) else s + f.error for s, f in zip(sizes, factors, strict=True)]
    magnitude = sum_of_products(reach, axes)
    full = np.broadcast_shapes(*(v.shape for v in values))
    k = _terms(full, axes)
    growth = _growth(k, lambda: _alike_products(sizes, full, magnitude, axes))
    bound = (growth + len(factors) - 1) * now.unit * magnitude + np.minimum(magnitude, k * now.tiny)
    for position, factor in enumerate(factors):
        if not is_exact(factor):
            # |a + ea| in the places before keeps the second-order terms.
            bound = bound + sum_of_products([*reach[:position], factor.errors(), *sizes[position + 1 :]], axes)
    found = settled(result, bound)
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
