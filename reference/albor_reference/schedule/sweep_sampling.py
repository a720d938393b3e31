"""Values for the trials of a sweep, from a seed and a parameter's name (Bergstra and Bengio 2012).

Values are float64, choices int64, one a trial. Errors: ValueError, as each function says.
"""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import ArrayLike, NDArray


def _uniform(seed: int, name: str, count: int) -> NDArray[np.float64]:
    """`count` numbers of [0, 1), the first ones the same whatever the count."""
    key = int.from_bytes(hashlib.sha256(f"{seed}/{name}".encode()).digest()[:16], "little")
    return np.array(np.random.Generator(np.random.Philox(key=key)).random(count))


def log_uniform_at(u: ArrayLike, low: float, high: float) -> NDArray[np.float64]:
    """x = low (high / low)^u of u[N] in [0, 1], within [low, high]. ValueError unless 0 < low < high < infinity."""
    if not 0 < low < high < np.inf:
        raise ValueError(f"low: expected 0 < low < high < infinity, got low = {low}, high = {high}")
    return np.clip(low * np.exp(np.asarray(u, dtype=np.float64) * np.log(high / low)), low, high)


def log_uniform(seed: int, name: str, low: float, high: float, like: ArrayLike) -> NDArray[np.float64]:
    """One value in [low, high] for each trial of `like`[N]; logarithms are uniform. Errors: as `log_uniform_at`."""
    u = _uniform(seed, name, np.size(like))
    return log_uniform_at(u, low, high)


def choice(seed: int, name: str, options: int, like: ArrayLike) -> NDArray[np.int64]:
    """One of 0 ... options - 1 for each trial of `like`[N], equally likely. ValueError for options below 1."""
    if options < 1:
        raise ValueError(f"options: expected at least 1, got {options}")
    u = _uniform(seed, name, np.size(like))
    return np.floor(u * options).astype(np.int64)
