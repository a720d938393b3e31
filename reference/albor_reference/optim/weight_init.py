"""Normal initial weights that depend on a seed and a name alone (Radford et al. 2019, section 2.3: N(0, 0.02^2)).

The generator is Philox: Salmon, Moraes, Dror, Shaw, "Parallel Random Numbers: As Easy as 1, 2, 3" (2011).
"""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import ArrayLike, NDArray


def _key(seed: int, name: str) -> int:
    """128 bits of the SHA-256 of both."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{name}".encode()).digest()[:16], "little")


def weight_init(seed: int, name: str, std: float, like: ArrayLike) -> NDArray[np.float32]:
    """w ~ N(0, std^2), float32, of the shape of `like`; equal seeds and names give equal bits.

    Raises ValueError for std <= 0 or NaN.
    """
    if not std > 0:
        raise ValueError(f"std: expected a positive number, got {std}")
    shape = np.shape(like)
    rng = np.random.Generator(np.random.Philox(key=_key(seed, name)))
    return (rng.standard_normal(shape) * std).astype(np.float32)
