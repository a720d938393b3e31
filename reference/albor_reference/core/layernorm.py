"""Layer normalisation (Ba, Kiros, Hinton 2016, arXiv:1607.06450): each row centred and scaled, then weight and bias.

d = x - mean_j x_j,  r = 1 / sqrt(mean_j d_j^2 + eps),  n = d r,  y = n w + b. The variance is the mean of squares
(divided by N, not N - 1). Arrays in, float64 out.
Errors: ValueError for shapes that do not fit, or eps < 0.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def _normalised(x: NDArray[np.float64], eps: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """n[R, N] and r[R, 1] for x[R, N]. The mean is taken off before squaring: E[x^2] - E[x]^2 would cancel."""
    d = x - x.mean(axis=1, keepdims=True)
    r = 1 / np.sqrt((d * d).mean(axis=1, keepdims=True) + eps)
    return d * r, r


def _check(
    x: ArrayLike, w: ArrayLike, b: ArrayLike, eps: float
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    x, w, b = (np.asarray(a, dtype=np.float64) for a in (x, w, b))
    if x.ndim != 2 or w.shape != x.shape[1:] or b.shape != w.shape:
        raise ValueError(f"expected x[R, N], w[N] and b[N], got shapes {x.shape}, {w.shape} and {b.shape}")
    if not eps >= 0:
        raise ValueError(f"eps: expected a number >= 0, got {eps}")
    return x, w, b


def layernorm(x: ArrayLike, w: ArrayLike, b: ArrayLike, eps: float) -> NDArray[np.float64]:
    """y[R, N] = (x - mean x) / sqrt(var x + eps) * w + b for x[R, N], w[N], b[N].

    Raises ValueError for shapes that do not fit, or eps < 0.
    """
    x, w, b = _check(x, w, b, eps)
    return _normalised(x, eps)[0] * w + b


def layernorm_backward(
    g: ArrayLike, x: ArrayLike, w: ArrayLike, eps: float
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Gradients dx[R, N], dw[N], db[N] of sum(g * layernorm(x, w, b, eps)) for g[R, N]; b does not matter.

    With h = g w:  dx = r (h - mean_j h_j - n mean_j(h_j n_j)),  dw = sum over rows of g n,  db = sum over rows of g.
    The two means are the dependence of the row's mean and of r on every x_j.
    """
    x, w, _ = _check(x, w, w, eps)
    g = np.asarray(g, dtype=np.float64)
    if g.shape != x.shape:
        raise ValueError(f"g: expected shape {x.shape}, got {g.shape}")
    n, r = _normalised(x, eps)
    h = g * w
    dx = r * (h - h.mean(axis=1, keepdims=True) - n * (h * n).mean(axis=1, keepdims=True))
    return dx, (g * n).sum(axis=0), g.sum(axis=0)
