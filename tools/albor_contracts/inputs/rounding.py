"""Rounding of float64 numbers to the dtypes under test: to nearest, ties to even, done once (never through float32)."""

from __future__ import annotations

import numpy as np

from ..lang.formats import FORMATS

DTYPES = ("f64", "f32", "bf16", "f16")

_DROPPED = 53 - 8  # significand bits of a float64 that a bfloat16 has not
_HALF = np.int64((1 << (_DROPPED - 1)) - 1)
_KEPT = np.int64(-1 << _DROPPED)


def round_to(x: np.ndarray, dtype: str, overflow: bool = False) -> np.ndarray:
    """`x` rounded to `dtype` ("f64", "f32", "bf16", "f16"), as float64.

    Finite values beyond the largest finite one saturate to it, or become infinite with `overflow=True`.
    NaN, infinities and the sign of zero are kept.
    """
    if dtype == "f64":
        return x
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        if dtype == "f32":
            rounded = x.astype(np.float32).astype(np.float64)
        elif dtype == "f16":
            rounded = x.astype(np.float16).astype(np.float64)
        elif dtype == "bf16":
            rounded = _bfloat16(x)
        else:
            raise ValueError(f"unknown dtype {dtype!r}: expected one of {', '.join(DTYPES)}")
    if overflow:
        return rounded
    largest = FORMATS[dtype].largest
    return np.where(np.isinf(x), x, np.clip(rounded, -largest, largest))


def _bfloat16(x: np.ndarray) -> np.ndarray:
    x = np.ascontiguousarray(x, dtype=np.float64).reshape(np.shape(x))
    bits = x.view(np.int64)
    even = (bits >> np.int64(_DROPPED)) & np.int64(1)
    normal = ((bits + _HALF + even) & _KEPT).view(np.float64)
    normal = np.where(np.abs(normal) > FORMATS["bf16"].largest, np.copysign(np.inf, x), normal)
    small = np.abs(x) < 2.0**-126
    if small.any():  # the spacing of subnormals is 2**-133; both scalings are exact
        normal = np.where(small, np.copysign(np.rint(x * 2.0**133) * 2.0**-133, x), normal)
    return np.where(np.isfinite(x), normal, x)
