"""Sums of squares of several tensors, each by itself: what a global gradient norm is the root of.

Not the root: clipping takes one root, of the total.

Arrays of any shape in, float64 [] out; nothing is refused.
Source: the definition in contracts/core/squared-sum-v1.yaml; Shewchuk (1997) for the summation, as in `math.fsum`.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray


def squared_sum(x: ArrayLike) -> NDArray[np.float64]:
    """s[] = sum of x_i^2, exactly rounded (Shewchuk's summation). 0 for no elements."""
    x = np.asarray(x, dtype=np.float64).ravel()
    with np.errstate(over="ignore"):
        squares = x * x
    return np.array(math.fsum(squares) if np.isfinite(squares).all() else squares.sum())


def squared_sums(
    x: ArrayLike, y: ArrayLike, z: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """The sums of squares of x[N], y[M] and z[L], in this order, [] each."""
    return squared_sum(x), squared_sum(y), squared_sum(z)
