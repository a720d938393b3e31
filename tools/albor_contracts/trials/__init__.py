"""Trials of the derived tolerances: correct implementations must pass, wrong ones must not.

    python -m albor_contracts.trials --cases 10000 --seed 0 --kernel core/rmsnorm --out evidence/tolerance-trials.jsonl

For every equation with a definition and floating outputs, implementations are made from the definition: float32
accumulation in several orders of summation, blocked, in pairs, fused, with a GPU's approximate instructions, and the
output rounded to float32, bfloat16 or float16. They run through the obligation of the definition; none may fail. Then
each output is made wrong in one way at a time, and the same obligation has to notice.

correct   implementations that must pass
wrong     what is done to them, and whether it is noticed
run       cases, from a seed and their number
record    lines of evidence, and what makes them stale
page      docs/tolerance-trials.md
"""

from .correct import DTYPES, ORDERS, Trial
from .run import (
    KEPT,
    Slice,
    Subject,
    defines_floats,
    laws,
    modules,
    subjects,
    try_laws,
    try_slice,
    undefined,
)
from .wrong import MUTATIONS, UNCHANGED, Doubt, Verdict, truncated

__all__ = [
    "DTYPES",
    "KEPT",
    "MUTATIONS",
    "ORDERS",
    "UNCHANGED",
    "Doubt",
    "Slice",
    "Subject",
    "Trial",
    "Verdict",
    "defines_floats",
    "laws",
    "modules",
    "subjects",
    "truncated",
    "try_laws",
    "try_slice",
    "undefined",
]
