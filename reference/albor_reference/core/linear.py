"""The affine layer y = x W^T + b with its gradients. Float64 throughout.

W is stored as [N, K], output features first. Another convention stores [K, N] and multiplies x W; for square layers
nothing but the values tells them apart.

Errors: ValueError for shapes that do not fit.
Source: the definition in contracts/core/linear-v1.yaml.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def _matrices(**arguments: ArrayLike) -> list[NDArray[np.float64]]:
    arrays = [np.asarray(value, dtype=np.float64) for value in arguments.values()]
    for name, array in zip(arguments, arrays, strict=True):
        if array.ndim != 2:
            raise ValueError(f"{name}: expected a matrix, got shape {list(array.shape)}")
    return arrays


def linear(x: ArrayLike, w: ArrayLike, b: ArrayLike) -> NDArray[np.float64]:
    """y[M, N] = x w^T + b for x[M, K], w[N, K], b[N]. Raises ValueError for shapes that do not fit."""
    x, w = _matrices(x=x, w=w)
    b = np.asarray(b, dtype=np.float64)
    if x.shape[1] != w.shape[1] or b.shape != w.shape[:1]:
        raise ValueError(f"expected x[M, K], w[N, K] and b[N], got shapes {x.shape}, {w.shape} and {b.shape}")
    return np.einsum("mk,nk->mn", x, w) + b


def linear_backward(
    g: ArrayLike, x: ArrayLike, w: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """dx[M, K] = g w, dw[N, K] = g^T x, db[N] = sum over rows of g, of sum(g * linear(x, w, b)) for g[M, N]."""
    g, x, w = _matrices(g=g, x=x, w=w)
    if x.shape[1] != w.shape[1] or g.shape != (x.shape[0], w.shape[0]):
        raise ValueError(f"expected g[M, N], x[M, K] and w[N, K], got shapes {g.shape}, {x.shape} and {w.shape}")
    return np.einsum("mn,nk->mk", g, w), np.einsum("mn,mk->nk", g, x), g.sum(axis=0)
