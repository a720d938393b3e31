"""Inputs with power: shapes at block edges, values that hurt, layouts that are not contiguous.

`cases(dims=..., x="float[R, N] in [-50, 50]", ...)` is a Hypothesis strategy of `Case` records.
"""

from .case import Case
from .layouts import LAYOUTS, Presented, present
from .rounding import DTYPES, round_to
from .strategy import cases

__all__ = ["DTYPES", "LAYOUTS", "Case", "Presented", "cases", "present", "round_to"]
