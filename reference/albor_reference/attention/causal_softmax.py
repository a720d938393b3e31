"""The causal mask, and the softmax of scores under it.

Formula, with j <= i for what position i sees
    y_ij = x_ij where j <= i, -inf elsewhere
    a_ij = exp(scale x_ij) / sum over l <= i of exp(scale x_il) where j <= i, 0 elsewhere
Backward, for the gradient g of a
    dx_ij = scale a_ij (g_ij - sum_l a_il g_il)

Arrays in, float64 out; the scaled scores are in nats.
Source: Vaswani et al., "Attention Is All You Need" (2017), section 3.2.3.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


def checked(x: ArrayLike, name: str = "x") -> Array:
    """Scores as float64 [B, S, S]; ValueError when they are not square."""
    x = np.asarray(x, dtype=np.float64)
    if x.ndim != 3 or x.shape[1] != x.shape[2] or x.shape[1] == 0:
        raise ValueError(f"{name}: expected scores [B, S, S] with S >= 1, got shape {list(x.shape)}")
    return x


def causal_mask(x: ArrayLike) -> Array:
    """Scores [B, S, S] with -inf where position i may not see j, that is above the diagonal.

    Raises:
        ValueError: x is not [B, S, S].
    """
    x = checked(x)
    return np.where(np.tri(x.shape[1], dtype=bool), x, -np.inf)


def causal_softmax(x: ArrayLike, scale: float) -> Array:
    """Weights a[B, S, S] of scores x[B, S, S]: rows sum to one, the future has exactly 0.

    Args:
        x: scores, finite at and below the diagonal; what stands above it is not looked at.
        scale: factor of the scores, 1 / sqrt(head dimension) in attention.

    Raises:
        ValueError: x is not [B, S, S], or scale is not finite.
    """
    x = checked(x)
    if not math.isfinite(scale):
        raise ValueError(f"scale: expected a finite number, got {scale}")
    weights = np.zeros_like(x)
    for i in range(x.shape[1]):
        seen = scale * x[:, i, : i + 1]
        grown = np.exp(seen - seen.max(axis=1, keepdims=True))
        weights[:, i, : i + 1] = grown / grown.sum(axis=1, keepdims=True)
    return weights


def causal_softmax_backward(g: ArrayLike, x: ArrayLike, scale: float) -> Array:
    """Gradient dx[B, S, S] of sum(g * causal_softmax(x, scale)) with respect to x, for g[B, S, S].

    Raises:
        ValueError: x is not [B, S, S], g has another shape, or scale is not finite.
    """
    x, g = checked(x), checked(g, "g")
    if g.shape != x.shape:
        raise ValueError(f"g: expected shape {list(x.shape)}, got {list(g.shape)}")
    seen = np.tri(x.shape[1], dtype=bool)
    weights = causal_softmax(x, scale)
    g = np.where(seen, g, 0.0)  # whatever stands in the future, it has no part
    return np.where(seen, scale * weights * (g - (weights * g).sum(axis=2, keepdims=True)), 0.0)
