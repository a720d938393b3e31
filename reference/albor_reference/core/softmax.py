"""Softmax over the last axis, p_i = exp(x_i - max x) / sum_j exp(x_j - max x), and its gradient.

Arrays in, float64 out. -inf is an impossible class with probability 0; a row of nothing else has no distribution and
gives NaN.
Errors: ValueError for other shapes than x[R, N] and g[R, N].
Source: Goodfellow, Bengio, Courville, "Deep Learning" (2016), sections 4.1 and 6.2.2.3.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def _matrix(name: str, value: ArrayLike) -> NDArray[np.float64]:
    array = np.asarray(value, dtype=np.float64)
    if array.ndim != 2:
        raise ValueError(f"{name}: expected shape [R, N], got {list(array.shape)}")
    return array


def softmax(x: ArrayLike) -> NDArray[np.float64]:
    """p[R, N] for logits x[R, N] in nats.

    The maximum is taken off first, so that no exponential overflows; the largest term is exp(0) = 1, so that the sum
    is at least 1. Raises ValueError unless x is a matrix.
    """
    x = _matrix("x", x)
    with np.errstate(invalid="ignore"):  # -inf - (-inf) is NaN where a row has no finite logit, as it should be
        e = np.exp(x - x.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def softmax_backward(g: ArrayLike, x: ArrayLike) -> NDArray[np.float64]:
    """dx[R, N] of sum(g * softmax(x)) for g[R, N]: dx = p (g - sum_j g_j p_j). Each row of it sums to 0."""
    g, p = _matrix("g", g), softmax(x)
    if g.shape != p.shape:
        raise ValueError(f"g: expected shape {list(p.shape)}, got {list(g.shape)}")
    return p * (g - (g * p).sum(axis=1, keepdims=True))
