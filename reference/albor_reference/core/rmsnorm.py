"""Root-mean-square normalisation (Zhang and Sennrich 2019, arXiv:1910.07467).

r = 1 / sqrt(mean_j x_j^2 + eps),  n = x r,  y = n w. Arrays in, float64 out.
Errors: ValueError for shapes that do not fit, or eps < 0.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def _inverse_rms(x: NDArray[np.float64], eps: float) -> NDArray[np.float64]:
    """r[R, 1] for x[R, N]."""
    return 1 / np.sqrt(np.mean(x * x, axis=1, keepdims=True) + eps)


def _check(x: ArrayLike, w: ArrayLike, eps: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    x, w = np.asarray(x, dtype=np.float64), np.asarray(w, dtype=np.float64)
    if x.ndim != 2 or w.shape != x.shape[1:]:
        raise ValueError(f"expected x[R, N] and w[N], got shapes {x.shape} and {w.shape}")
    if not eps >= 0:
        raise ValueError(f"eps: expected a number >= 0, got {eps}")
    return x, w


def rmsnorm(x: ArrayLike, w: ArrayLike, eps: float) -> NDArray[np.float64]:
    """y[R, N] = x / sqrt(mean_j x_j^2 + eps) * w for x[R, N], w[N].

    Each row has root mean square 1 before the weight, but for eps: exactly sqrt(q / (q + eps)), q = mean_j x_j^2.
    """
    x, w = _check(x, w, eps)
    return x * _inverse_rms(x, eps) * w


def rmsnorm_backward(
    g: ArrayLike, x: ArrayLike, w: ArrayLike, eps: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Gradients dx[R, N], dw[N] of sum(g * rmsnorm(x, w, eps)) for g[R, N].

    With n = x r:  dx = r (g w - n mean_j(g_j w_j n_j)),  dw = sum over rows of g n. The second term of dx is the
    dependence of r on every x_j; the weight belongs in it, which a test with w = 1 cannot see.
    """
    x, w = _check(x, w, eps)
    g = np.asarray(g, dtype=np.float64)
    if g.shape != x.shape:
        raise ValueError(f"g: expected shape {x.shape}, got {g.shape}")
    r = _inverse_rms(x, eps)
    n = x * r
    dx = r * (g * w - n * np.mean(g * w * n, axis=1, keepdims=True))
    return dx, np.sum(g * n, axis=0)
