"""Functions of one element, or of a few: what the error of an argument becomes, and what the function adds."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...lang.functions import FUNCTIONS
from ..dtypes import round_to
from ..quiet import quiet
from ..truth import Truth
from .value import Bounded, all_finite, computed, is_exact, now, settled


def _at(a: Bounded, value: Any, error: Any, name: str) -> Bounded:
    """The function's value at `a`. At infinite arguments functions are exact limits."""
    if not all_finite(a.value):
        error = np.where(np.isfinite(a.value), error, 0.0)
    return computed(value, error, FUNCTIONS[name].ulp, a)


def _argument(a: Bounded, name: str) -> Any:
    """The error of the argument, after what the hardware rounds it."""
    rounding = FUNCTIONS[name].argument * now.unit
    return a.magnitude * rounding if is_exact(a) else (a.magnitude + a.error) * rounding + a.error


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
    rounding = FUNCTIONS[name].ulp * now.unit * np.maximum(size + error, least) + np.minimum(size + error, now.tiny)
    found = settled(value, error + rounding, a)
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
        if is_exact(a):
            return computed(value, 0.0, FUNCTIONS["sqrt"].ulp)
        low = np.sqrt(np.maximum(a.value - a.error, 0.0))
        low += value
        error = a.error / low
        if np.count_nonzero(low) != low.size:
            error = np.where(low == 0, np.sqrt(a.error), error)
        return _at(a, value, error, "sqrt")


def rsqrt(a: Bounded) -> Bounded:
    with quiet:
        value = 1.0 / np.sqrt(a.value)
        if is_exact(a):
            return computed(value, 0.0, FUNCTIONS["rsqrt"].ulp)
        room = a.value - a.error
        lost = ~(room > 0) & (np.asarray(a.error) > 0)
        # 1/sqrt(low) - 1/sqrt(a), without cancellation
        low = np.sqrt(np.maximum(room, 0.0))
        error = np.where(room > 0, value * a.error / (low * (low + np.sqrt(a.value))), 0.0)
        found = _at(a, value, error, "rsqrt")
        return Bounded(value, np.where(lost, np.inf, found.error)) if lost.any() else found


def _bounded_wave(a: Bounded, value: Any, name: str) -> Bounded:
    slack = np.minimum(_argument(a, name), 2.0)
    return settled(value, slack + FUNCTIONS[name].ulp * now.unit)


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
        return computed(value, turned, FUNCTIONS["atan2"].ulp)


def tanh(a: Bounded) -> Bounded:
    with quiet:
        value, slack = np.tanh(a.value), _argument(a, "tanh")
        # The slope 1 - tanh^2 grows by no more than exp(2 s) over a distance s.
        error = np.fmin(slack * (1 - value * value) * np.exp(2 * slack), np.minimum(slack, 2.0))
        return computed(value, error, FUNCTIONS["tanh"].ulp)


def erf(a: Bounded) -> Bounded:
    from scipy.special import erf as exact  # only kernels that use it need the package

    with quiet:
        value = exact(a.value)
        slope = 2.0 / np.sqrt(np.pi) * np.exp(-(np.maximum(a.magnitude - a.error, 0.0) ** 2))
        return computed(value, np.minimum(slope * a.error, 2.0), FUNCTIONS["erf"].ulp)


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
    if is_exact(a):
        return Bounded(value)
    with quiet:
        low, high = step(a.value - a.error), step(a.value + a.error)
        return settled(value, np.maximum(np.abs(high - value), np.abs(value - low)), a)


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
    form = now.narrow
    if form is None:
        return a
    with quiet:
        reach = a.magnitude + a.error
        error = a.error + form.unit * reach + np.where(reach > 0, form.smallest, 0.0)
        error = np.where(reach * (1 + form.unit) >= form.largest, np.inf, error)
        return settled(a.value, error, a)


def where(condition: Any, first: Any, second: Any) -> Bounded:
    a, b = Bounded.of(first), Bounded.of(second)
    if not isinstance(condition, Truth):
        error: Any = 0.0 if is_exact(a) and is_exact(b) else np.where(condition, a.error, b.error)
        return Bounded(np.where(condition, a.value, b.value), error)
    value = np.where(condition.value, a.value, b.value)
    if condition.unsure is False and is_exact(a) and is_exact(b):
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
        if is_exact(result) and is_exact(other):
            result = Bounded(value)
            continue
        with quiet:
            high = np.maximum(result.value + result.error, other.value + other.error)
            low = np.maximum(result.value - result.error, other.value - other.error)
            result = settled(value, np.maximum(high - value, value - low), result, other)
    return result
