"""The transposes of a batch of matrices. Float64 throughout.

Errors: ValueError unless x has three axes.
Source: the definition in contracts/core/transpose-v1.yaml.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def batched_transpose(x: ArrayLike) -> NDArray[np.float64]:
    """y[B, C, R] with y[b, c, r] = x[b, r, c] for x[B, R, C], as an array of its own.

    Raises ValueError unless x has three axes.
    """
    x = np.asarray(x, dtype=np.float64)
    if x.ndim != 3:
        raise ValueError(f"x: expected shape [B, R, C], got {list(x.shape)}")
    y = np.empty((x.shape[0], x.shape[2], x.shape[1]))
    for r in range(x.shape[1]):
        y[:, :, r] = x[:, r, :]
    return y
