"""The pre-norm residual block with a linear map as its branch, and gradients through a stack of them.

Formula, with r = 1 / sqrt(mean_j x_j^2 + eps) of a row and n = x r
    h = n w,  y = x + h a
    dh = g a^T,  da = h^T g,  dw = sum over rows of dh n
    dx = r (dh w - n mean_j(dh_j w_j n_j)) + g
Two paths lead back from y to x, and their gradients add: the branch's through the norm, the skip's as it is.

Arrays in, float64 out. Errors: ValueError, as each function says.
Sources: Xiong et al., "On Layer Normalization in the Transformer Architecture" (2020); Chen et al., "Training Deep Nets
with Sublinear Memory Cost" (2016).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..core.rmsnorm import rmsnorm, rmsnorm_backward

Array = NDArray[np.float64]


def _check(x: ArrayLike, a: ArrayLike) -> tuple[Array, Array]:
    x, a = np.asarray(x, dtype=np.float64), np.asarray(a, dtype=np.float64)
    if x.ndim != 2 or a.shape != (x.shape[1], x.shape[1]):
        raise ValueError(f"expected x[R, N] and a[N, N], got shapes {list(x.shape)} and {list(a.shape)}")
    return x, a


def residual_block(x: ArrayLike, w: ArrayLike, a: ArrayLike, eps: float) -> Array:
    """y[R, N] = x + rmsnorm(x, w, eps) a for x[R, N], w[N], a[N, N].

    Raises:
        ValueError: shapes do not fit together, or eps is negative.
    """
    x, a = _check(x, a)
    return x + rmsnorm(x, w, eps) @ a


def residual_block_backward(
    g: ArrayLike, x: ArrayLike, w: ArrayLike, a: ArrayLike, eps: float
) -> tuple[Array, Array, Array]:
    """Gradients dx[R, N], dw[N], da[N, N] of sum(g * residual_block(x, w, a, eps)) for g[R, N].

    Raises:
        ValueError: shapes do not fit together, or eps is negative.
    """
    x, a = _check(x, a)
    g = np.asarray(g, dtype=np.float64)
    if g.shape != x.shape:
        raise ValueError(f"g: expected shape {list(x.shape)}, got {list(g.shape)}")
    da = rmsnorm(x, w, eps).T @ g
    dn, dw = rmsnorm_backward(g @ a.T, x, w, eps)
    return dn + g, dw, da


def residual_stack_backward(
    g: ArrayLike, x: ArrayLike, w: ArrayLike, a: ArrayLike, eps: float, every: int
) -> tuple[Array, Array, Array]:
    """Gradients of sum(g * y) for y the output of L blocks one after the other.

    Args:
        g, x: gradient of the output and input of the first block [R, N].
        w, a: weights [L, N] and maps [L, N, N].
        eps: as in the block.
        every: 0 keeps the input of every block; k >= 1 keeps those of blocks 0, k, 2k, ... and computes the others
            again when they are needed.

    Returns:
        dx [R, N], dw [L, N], da [L, N, N].

    Raises:
        ValueError: shapes do not fit together, eps or every is negative.
    """
    w, a = np.asarray(w, dtype=np.float64), np.asarray(a, dtype=np.float64)
    if w.ndim != 2 or a.ndim != 3 or len(w) != len(a) or not len(w):
        raise ValueError(f"expected w[L, N] and a[L, N, N] with L >= 1, got {list(w.shape)} and {list(a.shape)}")
    if every < 0:
        raise ValueError(f"every: expected 0 or more, got {every}")
    kept = {}
    stream, _ = _check(x, a[0])
    for layer in range(len(w)):
        if layer % max(every, 1) == 0:
            kept[layer] = stream
        stream = residual_block(stream, w[layer], a[layer], eps)
    dw, da = np.empty_like(w), np.empty_like(a)
    slope = np.asarray(g, dtype=np.float64)
    for layer in reversed(range(len(w))):
        start = layer - layer % max(every, 1)
        stream = kept[start]
        for before in range(start, layer):
            stream = residual_block(stream, w[before], a[before], eps)
        slope, dw[layer], da[layer] = residual_block_backward(slope, stream, w[layer], a[layer], eps)
    return slope, dw, da
