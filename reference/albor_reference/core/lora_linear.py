"""A linear layer with a low-rank update (Hu and others 2021, arXiv:2106.09685), and its gradients. Float64 throughout.

y = x W^T + (alpha / r) (x A) B for x[M, K], the frozen W[N, K], and the trained A[K, r], B[r, N]. B starts at zero, so
that the update does. The weight of the merged layer is W + (alpha / r) (A B)^T.
Errors: ValueError for shapes that do not fit, or a rank of 0.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def _check(
    x: ArrayLike, w: ArrayLike, a: ArrayLike, b: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    x, w, a, b = (np.asarray(m, dtype=np.float64) for m in (x, w, a, b))
    shapes = [m.shape for m in (x, w, a, b)]
    if any(len(s) != 2 for s in shapes):
        raise ValueError(f"expected matrices x[M, K], w[N, K], a[K, r] and b[r, N], got shapes {shapes}")
    (_, k), (n, k2), (k3, r), (r2, n2) = shapes
    if not (k == k2 == k3 and r == r2 and n == n2):
        raise ValueError(f"expected x[M, K], w[N, K], a[K, r] and b[r, N], got shapes {shapes}")
    if r == 0:
        raise ValueError("the rank r of the update is 0: alpha / r has no value")
    return x, w, a, b


def lora_linear(x: ArrayLike, w: ArrayLike, a: ArrayLike, b: ArrayLike, alpha: float) -> NDArray[np.float64]:
    """y[M, N] = x w^T + (alpha / r) (x a) b. Raises ValueError for shapes that do not fit, or a rank of 0."""
    x, w, a, b = _check(x, w, a, b)
    return x @ w.T + alpha / a.shape[1] * ((x @ a) @ b)


def lora_linear_backward(
    g: ArrayLike, x: ArrayLike, w: ArrayLike, a: ArrayLike, b: ArrayLike, alpha: float
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """dx[M, K], da[K, r] and db[r, N] of sum(g * lora_linear(x, w, a, b, alpha)); w is frozen.

    With s = alpha / r and h = g b^T:  dx = g w + s h a^T,  da = s x^T h,  db = s (x a)^T g.
    """
    x, w, a, b = _check(x, w, a, b)
    g = np.asarray(g, dtype=np.float64)
    if g.shape != (len(x), len(w)):
        raise ValueError(f"g: expected shape {[len(x), len(w)]}, got {list(g.shape)}")
    s, h = alpha / a.shape[1], g @ b.T
    return g @ w + s * (h @ a.T), s * (x.T @ h), s * ((x @ a).T @ g)
