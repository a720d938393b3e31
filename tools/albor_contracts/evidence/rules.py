"""The constants that bounds and verdicts are made of: a verdict says nothing once they are others."""

from __future__ import annotations

from functools import cache

from .canonical import digest


@cache
def rules_hash() -> str:
    """The beginning of a sha256 of the constants of the bounds and of the test for bias; not of the code that applies
    them, which may be written anew."""
    from ..lang.functions import FUNCTIONS, OPERATORS
    from ..runtime import bounded, deviation

    constants = {
        "functions": {name: [f.ulp, f.argument] for name, f in FUNCTIONS.items() if f.ulp or f.argument},
        "operators": OPERATORS,
        "sums": [bounded.LAMBDA, bounded.ALIKE, bounded.PRODUCTS],
        "bias": [deviation.SIGMAS, deviation.ALLOWED, deviation.WELL_CONDITIONED],
    }
    return digest(constants)[:16]
