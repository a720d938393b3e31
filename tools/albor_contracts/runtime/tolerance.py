"""How far an output may be from the definition: what the kernel's arithmetic carries, and one rounding of the result.

With y* and e the value and the bound of the definition, u and s the unit roundoff and the smallest subnormal of the
output's dtype:

    |y - y*| <= u (|y*| + e) + e + s
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .bounded import Bounded, all_finite
from .dtypes import FORMATS, Format
from .quiet import quiet


def carried(exact: Bounded, precision: str) -> Any:
    """The bound e. The expected value is computed in float64 itself, and may be as wrong as such a computation is."""
    share = 1.0 + FORMATS["f64"].unit / FORMATS[precision].unit
    return share * np.asarray(exact.error)


def rounding(value: Any, form: Format | None) -> Any:
    """One rounding of the value itself, where no definition says what it should be."""
    return form.unit * np.abs(value) + form.smallest if form else 0.0


def rounded_once(value: np.ndarray, exact: Bounded, error: Any, form: Format) -> Any:
    """The tolerance of an output that was computed within `error` of `exact` and then rounded to `form`. Where the
    definition is at the end of the format, infinity of its sign is accepted; where it is infinite, nothing else."""
    with quiet:
        # What is rounded is what was computed, at most size + error.
        reach = exact.magnitude + error
        tolerance = reach * form.unit
        tolerance += error
        tolerance += form.smallest
        if np.add.reduce(reach, axis=None) < form.largest / 2:
            return tolerance  # the usual case: everything is finite, and nothing comes near the end of the format
        beyond = exact.magnitude + tolerance >= form.largest
    if beyond.any():
        overflows = beyond & np.isinf(value) & (np.signbit(value) == np.signbit(exact.value))
        tolerance = np.where(overflows & np.isfinite(exact.value), np.inf, tolerance)
    if all_finite(exact.value):
        return tolerance
    return np.where(np.isfinite(exact.value) | np.isposinf(error), tolerance, 0.0)
