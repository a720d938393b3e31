"""The floating point formats under test, without NumPy: which of their values lie next to a number."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Format:
    """A binary floating point format: significant bits, smallest normal exponent, largest finite value."""

    bits: int
    emin: int
    largest: float


FORMATS = {
    "f64": Format(53, -1022, float.fromhex("0x1.fffffffffffffp1023")),
    "f32": Format(24, -126, float.fromhex("0x1.fffffep127")),
    "bf16": Format(8, -126, float.fromhex("0x1.fep127")),
    "f16": Format(11, -14, 65504.0),
}


def at_least(bound: float, dtype: str) -> float:
    """The smallest finite value of `dtype` that is >= bound; +inf when there is none."""
    form = FORMATS[dtype]
    if bound <= -form.largest:
        return -form.largest
    if bound > form.largest:
        return math.inf
    step = _spacing(bound, form)
    # Adding 0.0 turns the -0.0 that ceil gives for small negative bounds into 0.0.
    return math.ceil(bound / step) * step + 0.0


def at_most(bound: float, dtype: str) -> float:
    """The largest finite value of `dtype` that is <= bound; -inf when there is none."""
    return -at_least(-bound, dtype)


def _spacing(value: float, form: Format) -> float:
    exponent = math.frexp(value)[1] - 1 if value else form.emin
    return math.ldexp(1.0, max(exponent, form.emin) - form.bits + 1)
