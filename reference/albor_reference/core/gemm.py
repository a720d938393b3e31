"""Matrix products: c[m, n] = sum_k a[m, k] b[k, n], with either operand transposed, and the gradients.

Arrays in, float64 out. Shapes that do not fit raise ValueError.
Source: Dongarra, Du Croz, Hammarling, Duff, "A Set of Level 3 Basic Linear Algebra Subprograms" (1990).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def _matrix(name: str, value: ArrayLike) -> NDArray[np.float64]:
    array = np.asarray(value, dtype=np.float64)
    if array.ndim != 2:
        raise ValueError(f"{name}: expected a matrix, got shape {array.shape}")
    return array


def gemm(a: ArrayLike, b: ArrayLike) -> NDArray[np.float64]:
    """c = a b for a[M, K], b[K, N]."""
    return _matrix("a", a) @ _matrix("b", b)


def gemm_tn(a: ArrayLike, b: ArrayLike) -> NDArray[np.float64]:
    """c = a^T b for a[K, M], b[K, N]."""
    return _matrix("a", a).T @ _matrix("b", b)


def gemm_nt(a: ArrayLike, b: ArrayLike) -> NDArray[np.float64]:
    """c = a b^T for a[M, K], b[N, K]."""
    return _matrix("a", a) @ _matrix("b", b).T


def gemm_tt(a: ArrayLike, b: ArrayLike) -> NDArray[np.float64]:
    """c = a^T b^T for a[K, M], b[N, K]."""
    return _matrix("a", a).T @ _matrix("b", b).T


def gemm_backward(g: ArrayLike, a: ArrayLike, b: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Gradients of sum(g * (a b)) for g[M, N], a[M, K], b[K, N].

    da[M, K] = g b^T and db[K, N] = a^T g: d c[m, n] / d a[m, k] = b[k, n], summed over n with g, and likewise.
    """
    g, a, b = _matrix("g", g), _matrix("a", a), _matrix("b", b)
    if g.shape != (a.shape[0], b.shape[1]):
        raise ValueError(f"g: expected shape {(a.shape[0], b.shape[1])}, got {g.shape}")
    return g @ b.T, a.T @ g
