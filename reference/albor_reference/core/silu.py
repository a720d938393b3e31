"""SiLU, x s(x) with s the logistic sigmoid (Elfwing, Uchibe, Doya 2017, arXiv:1702.03118), and its gradient.

Arrays of any shape in, float64 out.
Errors: ValueError where g has another shape than x.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def _sigmoid(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """1 / (1 + exp(-x)) without overflow: for x < 0 both sides are multiplied by exp(x)."""
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, 1 / (1 + e), e / (1 + e))


def silu(x: ArrayLike) -> NDArray[np.float64]:
    """y = x / (1 + exp(-x)), element by element. Its minimum is -0.27846 at x = -1.27846."""
    x = np.asarray(x, dtype=np.float64)
    return x * _sigmoid(x)


def silu_backward(g: ArrayLike, x: ArrayLike) -> NDArray[np.float64]:
    """dx of sum(g * silu(x)): dx = g s(x) (1 + x s(-x)), where s(-x) = 1 - s(x) does not cancel.

    The derivative is at most 1.09984, at x = 2.39936. Raises ValueError unless g has the shape of x.
    """
    g, x = np.asarray(g, dtype=np.float64), np.asarray(x, dtype=np.float64)
    if g.shape != x.shape:
        raise ValueError(f"g: expected shape {list(x.shape)}, got {list(g.shape)}")
    return g * _sigmoid(x) * (1 + x * _sigmoid(-x))
