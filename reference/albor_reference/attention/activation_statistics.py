"""Mean and standard deviation at named points of a block, and the comparison that decides (element by element).

Arrays in, float64 out. The points are numbered as at POINTS.
Errors: ValueError, as named below. Of no elements `activation_statistics` makes NaN.
Sources: Chan, Golub and LeVeque, "Algorithms for Computing the Sample Variance" (1983); Shazeer, "GLU Variants Improve
Transformer" (2020), for points 3 to 6.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

# 0 input, 1 qkv before bias, 2 qkv after bias, 3 gate, 4 silu(gate), 5 silu(gate) * up, 6 product with down
POINTS = 7

Floats = NDArray[np.float64]


def activation_statistics(x: ArrayLike) -> tuple[Floats, Floats]:
    """Mean and standard deviation of the population, [] each: sd = sqrt(1/N sum (x - mean)^2)."""
    x = np.asarray(x, dtype=np.float64)
    mean = x.mean()
    return np.array(mean), np.array(np.sqrt(((x - mean) ** 2).mean()))


def captured_statistics(
    x: ArrayLike, w: ArrayLike, b: ArrayLike, gate: ArrayLike, up: ArrayLike, down: ArrayLike, points: int
) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """Means [7], deviations [7] and which are filled [7]; NaN where bit k of `points` is 0.

    Shapes    x[T, H], w[H, D], b[D], gate and up [H, I], down[I, H]
    Errors    ValueError: a bit of `points` beyond the last point, or b does not fit w
    """
    if not 0 <= points < 2**POINTS:
        raise ValueError(f"points: expected bits 0 to {POINTS - 1}, got {points:#x}")
    x, w, b, gate, up, down = (np.asarray(a, dtype=np.float64) for a in (x, w, b, gate, up, down))
    if b.shape != (w.shape[1],):
        raise ValueError(f"b: expected the length of a row of w, {w.shape[1]}, got shape {list(b.shape)}")
    before = x @ w
    after = before + b
    gated = x @ gate
    silu = gated / (1 + np.exp(-gated))
    product = silu * (x @ up)
    tensors = [x, before, after, gated, silu, product, product @ down]
    filled = np.array([points >> k & 1 == 1 for k in range(POINTS)])
    mu, sd = np.full(POINTS, np.nan), np.full(POINTS, np.nan)
    for k in np.flatnonzero(filled):
        mu[k], sd[k] = activation_statistics(tensors[k])
    return mu, sd, filled


def largest_difference(a: ArrayLike, b: ArrayLike) -> Floats:
    """max |a - b| of a[N] and b[N]. Raises ValueError when their shapes differ."""
    a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if a.shape != b.shape:
        raise ValueError(f"b: expected the shape of a, {a.shape}, got {b.shape}")
    return np.array(np.abs(a - b).max())
