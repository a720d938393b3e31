"""Casts between float32 and the 16-bit types, to nearest with ties to even (IEEE 754-2019, section 4.3.1).

bfloat16 has no type in NumPy: its values are returned as float32 with the lower 16 bits zero.

Arrays of one axis or more in; float32 of the same shape out, float16 of `to_f16`. Every value has its answer: nothing
is refused.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def _floats(x: ArrayLike) -> NDArray[np.float32]:
    with np.errstate(over="ignore"):  # a float64 beyond float32 is infinite, as it should be
        return np.ascontiguousarray(x, dtype=np.float32)


def to_bf16(x: ArrayLike) -> NDArray[np.float32]:
    """x (float32) rounded to 8 significant bits, exponents as they are.

    The upper half of the bit pattern, one more where the lower half is above a half, or is a half and the upper half is
    odd. The carry runs into the exponent on its own, up to infinity. A NaN stays one: its payload is cut, and a bit set
    so that the cut does not turn it into infinity.
    """
    bits = _floats(x).view(np.uint32)
    lower, upper = bits & np.uint32(0xFFFF), bits >> np.uint32(16)
    up = (lower > 0x8000) | ((lower == 0x8000) & (upper & 1 == 1))
    is_nan = bits & np.uint32(0x7FFFFFFF) > np.uint32(0x7F800000)
    rounded = np.where(is_nan, upper | np.uint32(0x40), upper + up.astype(np.uint32))
    return (rounded << np.uint32(16)).astype(np.uint32).view(np.float32)


def from_bf16(h: ArrayLike) -> NDArray[np.float32]:
    """The float32 values of bfloat16 numbers; exact. Here both are float32 arrays."""
    return _floats(h).copy()


def to_f16(x: ArrayLike) -> NDArray[np.float16]:
    """x (float32) rounded to 11 significant bits: beyond 65520 infinite, below 2^-14 in steps of 2^-24."""
    with np.errstate(over="ignore", under="ignore"):
        return _floats(x).astype(np.float16)


def from_f16(h: ArrayLike) -> NDArray[np.float32]:
    """The float32 values of float16 numbers; exact, subnormals included."""
    return np.asarray(h, dtype=np.float16).astype(np.float32)
