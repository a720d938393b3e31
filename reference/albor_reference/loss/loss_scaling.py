"""Loss scaling: keeping small gradients above the smallest float16 number.

The backward pass of a loss times S carries S times every gradient; they are divided by S again before anything reads
them. S is found by trial: halved whenever a gradient overflows, doubled after a number of steps without overflow.

Arrays in, float64 out; scales and factors are floats, `good` and `interval` counts of steps. `loss_scale` refuses
nothing.
Source: Micikevicius et al., "Mixed Precision Training" (2018), section 3.2.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]

LARGEST_SCALE = 2.0**24


def loss_scale(exponent_bits: int, wanted: float) -> float:
    """The scale for a backward pass in a format with so many exponent bits: `wanted`, or 1 from 8 bits on.

    float32 and bfloat16 have 8: their smallest numbers are below 1e-38, and there is nothing to save.
    """
    return float(wanted) if exponent_bits < 8 else 1.0


def unscale(s: ArrayLike, scale: float) -> tuple[Array, np.bool_]:
    """Gradients g[N] = s / scale, and whether all of s is finite.

    Raises:
        ValueError: the scale is not a positive number.
    """
    if not 0 < scale < np.inf:
        raise ValueError(f"scale: expected a positive number, got {scale}")
    s = np.asarray(s, dtype=np.float64)
    return s / scale, np.isfinite(s).all()


def scaled_backward(x: ArrayLike, w: ArrayLike, y: ArrayLike, scale: float) -> tuple[Array, Array, np.bool_]:
    """Squared error of a linear model and its gradient, taken through the scaled loss.

    Args:
        x: inputs [T, N].
        w: weights [N].
        y: targets [T].
        scale: of the loss in the backward pass.

    Returns:
        loss, float64 [], not scaled; dw [N], its gradient; whether the scaled error signal was finite.

    Raises:
        ValueError: shapes do not fit together, or the scale is not a positive number.
    """
    x, w, y = (np.asarray(a, dtype=np.float64) for a in (x, w, y))
    if x.ndim != 2 or w.shape != x.shape[1:] or y.shape != x.shape[:1]:
        raise ValueError(f"expected x[T, N], w[N] and y[T], got {list(x.shape)}, {list(w.shape)} and {list(y.shape)}")
    r = x @ w - y
    signal = scale * 2 * r / len(r)
    dw, _ = unscale(signal @ x, scale)
    return np.array(np.mean(r * r)), dw, np.isfinite(signal).all()


def scaler_update(
    scale: float, good: int, finite: bool, growth: float, backoff: float, interval: int
) -> tuple[float, int]:
    """Scale and number of finite steps in a row, after a step.

    Args:
        scale: of this step.
        good: finite steps in a row before it, less than interval.
        finite: whether every gradient of this step was finite; if not, the step is skipped.
        growth, backoff: factors after `interval` finite steps, and after an overflow.
        interval: finite steps in a row after which the scale grows.

    Returns:
        scale, between 1 and 2^24; good.

    Raises:
        ValueError: growth is less than 1, backoff is not in (0, 1], or interval is less than 1.
    """
    if not (growth >= 1 and 0 < backoff <= 1 and interval >= 1):
        raise ValueError(
            f"expected growth >= 1, backoff in (0, 1] and interval >= 1, got {growth}, {backoff} and {interval}"
        )
    if not finite:
        return max(scale * backoff, 1.0), 0
    if good + 1 == interval:
        return min(scale * growth, LARGEST_SCALE), 0
    return scale, good + 1
