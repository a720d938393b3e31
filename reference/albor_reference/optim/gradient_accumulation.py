"""The gradient of a batch from those of its micro-batches: mean = sum n_i g_i / sum n_i, with n_i valid tokens in i.

g_i is the mean over the tokens of micro-batch i. Arrays in, float64 out.
Source: Ott et al., "Scaling Neural Machine Translation" (2018), section 3.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def accumulate(g: ArrayLike, n: ArrayLike) -> NDArray[np.float64]:
    """mean[P] for g[N, P], n[N]; 0 where no token counts. ValueError for negative counts or other shapes."""
    g, n = np.asarray(g, dtype=np.float64), np.asarray(n)
    if g.ndim != 2 or n.shape != g.shape[:1]:
        raise ValueError(f"expected g[N, P] and n[N], got shapes {g.shape} and {n.shape}")
    if (n < 0).any():
        raise ValueError(f"n: a number of tokens is not negative, got {n.min()}")
    return n @ g / max(n.sum(), 1)


def micro_step(
    buffer: ArrayLike, tokens: int, seen: int, g: ArrayLike, n: int, cycle: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], int, int, bool]:
    """Add one micro-batch: buffer [P], mean [P], the counts of tokens and micro-batches, and whether a step is due.

    The mean is 0 until the cycle is complete; then the buffer and both counts are cleared.
    Raises ValueError for cycle < 1 or seen outside [0, cycle).
    """
    if cycle < 1:
        raise ValueError(f"cycle: expected at least one micro-batch for each step, got {cycle}")
    if not 0 <= seen < cycle:
        raise ValueError(f"seen: expected 0 <= seen < cycle = {cycle}, got {seen}")
    added = np.asarray(buffer, dtype=np.float64) + n * np.asarray(g, dtype=np.float64)
    nothing = np.zeros_like(added)
    if seen + 1 < cycle:
        return added, nothing, tokens + n, seen + 1, False
    return nothing, added / max(tokens + n, 1), 0, 0, True
