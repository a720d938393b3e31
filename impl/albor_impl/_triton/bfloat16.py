"""bfloat16 as the upper half of a float32, in NumPy: the interpreter keeps such values as uint16 patterns.

Arrays of any shape in and out; nothing is refused.
"""

from __future__ import annotations

import numpy as np


def encode(values: np.ndarray) -> np.ndarray:
    """Round float32 `values` to bfloat16, to nearest with ties to even; returns the uint16 patterns.

    Infinities stay, values beyond the largest bfloat16 become infinite, subnormals round like the others and a
    NaN stays a NaN: it takes the canonical pattern 0x7FFF, as `cvt.rn.bf16.f32` gives it.
    """
    with np.errstate(all="ignore"):  # a float64 beyond float32 becomes infinite, as it should
        bits = np.ascontiguousarray(values, dtype=np.float32).view(np.uint32)
    # Adding half of the last place (less one when the kept part is even) carries exactly when rounding goes up.
    rounded = (bits + np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))) >> np.uint32(16)
    is_nan = (bits & np.uint32(0x7FFFFFFF)) > np.uint32(0x7F800000)
    return np.where(is_nan, np.uint32(0x7FFF), rounded).astype(np.uint16).reshape(np.shape(values))


def truncate(values: np.ndarray) -> np.ndarray:
    """Round float32 `values` towards zero to bfloat16; returns the uint16 patterns."""
    bits = np.ascontiguousarray(values, dtype=np.float32).view(np.uint32)
    is_nan = (bits & np.uint32(0x7FFFFFFF)) > np.uint32(0x7F800000)
    return np.where(is_nan, np.uint32(0x7FFF), bits >> np.uint32(16)).astype(np.uint16).reshape(np.shape(values))


def decode(patterns: np.ndarray) -> np.ndarray:
    """The float32 values of bfloat16 `patterns` (uint16); exact."""
    shifted = np.ascontiguousarray(patterns).astype(np.uint32) << np.uint32(16)
    return shifted.view(np.float32).reshape(np.shape(patterns))
