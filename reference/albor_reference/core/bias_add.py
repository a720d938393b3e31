"""A bias added to every row, y = x + b, and its gradient. Float64 throughout.

Errors: ValueError for shapes that do not fit.
Source: the definition in contracts/core/bias-add-v1.yaml.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def bias_add(x: ArrayLike, b: ArrayLike) -> NDArray[np.float64]:
    """y[R, N] = x[r, i] + b[i] for x[R, N], b[N]. Raises ValueError for shapes that do not fit."""
    x, b = np.asarray(x, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if x.ndim != 2 or b.shape != x.shape[1:]:
        raise ValueError(f"expected x[R, N] and b[N], got shapes {x.shape} and {b.shape}")
    return x + b


def bias_add_backward(g: ArrayLike) -> NDArray[np.float64]:
    """db[N] of sum(g * bias_add(x, b)) for g[R, N]: the sum of the rows of g. (dx is g itself.)"""
    g = np.asarray(g, dtype=np.float64)
    if g.ndim != 2:
        raise ValueError(f"g: expected shape [R, N], got {list(g.shape)}")
    return g.sum(axis=0)
