"""The residual connection y = x + c f, with the scale c of the branch f, and its gradients. Float64 throughout.

Arrays of any shape. Errors: ValueError where those of x and f differ.
Source: He, Zhang, Ren, Sun, "Deep Residual Learning for Image Recognition" (2015).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def residual_add(x: ArrayLike, f: ArrayLike, c: float) -> NDArray[np.float64]:
    """y = x + c f for x and f of one shape; c = 1 is the plain connection. Raises ValueError for shapes that differ."""
    x, f = np.asarray(x, dtype=np.float64), np.asarray(f, dtype=np.float64)
    if x.shape != f.shape:
        raise ValueError(f"f: expected shape {list(x.shape)}, got {list(f.shape)}")
    return x + c * f


def residual_add_backward(g: ArrayLike, c: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """dx = g and df = c g of sum(g * residual_add(x, f, c)): the stream gets all of g, the branch c g."""
    g = np.asarray(g, dtype=np.float64)
    return g.copy(), c * g
