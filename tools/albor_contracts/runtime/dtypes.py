"""The floating-point formats: precision, range and correct rounding, in NumPy alone."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np


@dataclass(frozen=True)
class Format:
    """An IEEE-like binary format: `digits` of significand, exponents from `emin` (normal) to `emax`."""

    name: str
    digits: int
    emin: int
    emax: int

    @cached_property
    def unit(self) -> float:
        """Unit roundoff: half the gap above 1."""
        return 2.0**-self.digits

    @cached_property
    def smallest_normal(self) -> float:
        return 2.0**self.emin

    @cached_property
    def smallest(self) -> float:
        """Smallest positive subnormal."""
        return 2.0 ** max(self.emin - self.digits + 1, -1074)

    @cached_property
    def largest(self) -> float:
        return (2.0 - 2.0 ** (1 - self.digits)) * 2.0**self.emax


FORMATS = {
    "f64": Format("f64", 53, -1022, 1023),
    "f32": Format("f32", 24, -126, 127),
    "f16": Format("f16", 11, -14, 15),
    "bf16": Format("bf16", 8, -126, 127),
}

# What PyTorch calls the dtypes of signatures.
IN_TORCH = {
    "f64": "float64", "f32": "float32", "bf16": "bfloat16", "f16": "float16", "bool": "bool", "u8": "uint8",
    "i8": "int8", "i32": "int32", "i64": "int64",
}  # fmt: skip
ACCUMULATES_IN = {"f64": "f64", "f32": "f32", "f16": "f32", "bf16": "f32"}


def holds(x: float, dtype: str) -> bool:
    """Whether `dtype` has this number; infinities and NaN count as had."""
    if not math.isfinite(x) or dtype == "f64":
        return True
    if dtype == "f32":
        return abs(x) <= FORMATS["f32"].largest and float(np.float32(x)) == x
    return float(round_to(x, dtype)) == x


def round_to(x: np.ndarray | float, dtype: str) -> np.ndarray:
    """x rounded to nearest, ties to even, in `dtype`; as float64. Overflow gives infinity, NaN stays NaN."""
    x = np.asarray(x, dtype=np.float64)
    if dtype == "f64":
        return x
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        if dtype == "f32":
            return x.astype(np.float32).astype(np.float64)
        if dtype == "f16":
            return x.astype(np.float16).astype(np.float64)
        form = FORMATS[dtype]
        _, exponent = np.frexp(np.where(np.isfinite(x), x, 0.0))  # x = m * 2**exponent, 0.5 <= |m| < 1
        quantum = np.ldexp(1.0, np.maximum(exponent - 1, form.emin) - form.digits + 1)
        rounded = np.rint(x / quantum) * quantum
        return np.where(np.abs(rounded) > form.largest, np.copysign(np.inf, x), np.where(np.isfinite(x), rounded, x))
