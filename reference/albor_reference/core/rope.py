"""Rotary position embedding (Su et al. 2021, arXiv:2104.09864), half-split form.

Each pair (x_k, x_{k + D/2}) of position t is turned by the angle (t + offset) base^(-2k/D). Arrays in, float64 out.
Errors: ValueError unless x is [B, H, T, D] with an even D, and base > 0.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def _rotate(x: ArrayLike, offset: int, base: float, sign: int) -> NDArray[np.float64]:
    x = np.asarray(x, dtype=np.float64)
    if x.ndim != 4 or x.shape[3] % 2:
        raise ValueError(f"x: expected shape [B, H, T, D] with D even, got {x.shape}")
    if not base > 0:
        raise ValueError(f"base: expected a number > 0, got {base}")
    length, half = x.shape[2], x.shape[3] // 2
    position = np.arange(offset, offset + length, dtype=np.float64)
    frequency = float(base) ** (-np.arange(half) / half) if half else np.empty(0)
    angle = sign * position[:, None] * frequency
    first, second = x[..., :half], x[..., half:]
    cos, sin = np.cos(angle), np.sin(angle)
    return np.concatenate([first * cos - second * sin, first * sin + second * cos], axis=3)


def rope(x: ArrayLike, offset: int, base: float) -> NDArray[np.float64]:
    """x[B, H, T, D] with the pair (k, k + D/2) of position t turned by (t + offset) base^(-2k/D) radians.

    y_k = x_k cos a - x_{k+D/2} sin a,  y_{k+D/2} = x_k sin a + x_{k+D/2} cos a. Lengths are kept, and the product of
    a query and a key depends on the difference of their positions alone.
    """
    return _rotate(x, offset, base, 1)


def rope_inverse(x: ArrayLike, offset: int, base: float) -> NDArray[np.float64]:
    """The inverse of `rope`, and its transpose (hence its vector-Jacobian product): turns by the opposite angles."""
    return _rotate(x, offset, base, -1)
