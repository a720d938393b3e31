"""The unconditional clip of a gradient that leaves for another device (Pascanu et al. 2013, algorithm 1).

An array in, float64 out.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

DEFAULT = 1.0


def activation_clip(a: ArrayLike, limit: float, chosen: bool) -> NDArray[np.float64]:
    """a[R, N] scaled to a norm of at most `limit`, or of at most 1 where no limit is given.

    out = a min(1, limit / |a|), |a| over the whole array. Zeros where an element is not finite.
    Raises ValueError for a limit that is given and not positive.
    """
    if chosen and not limit > 0:
        raise ValueError(f"limit: expected a positive number, got {limit}")
    a = np.asarray(a, dtype=np.float64)
    most = limit if chosen else DEFAULT
    norm = np.sqrt((a * a).sum())
    if not np.isfinite(norm):
        return np.zeros_like(a)
    return a * (most / norm) if norm > most else a.copy()
