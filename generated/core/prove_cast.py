"""core/cast: Casts between float32 and the 16-bit types, what is proved.

Compiled from contracts/core/cast-v1.yaml: change the contract and run `albor-contracts generate`, never this file.
Meaning: 048ae64f67804aa6d7b2a71fb56c5128dc40258d09ecc937b463f4f603a235aa
"""

import numpy as np
from albor_contracts.prove import proof


def half(x):
    """x rounded once to float16; as float64, so that the law about it is computed without another rounding."""
    return np.asarray(x).astype(np.float16).astype(np.float64)


def same_bits(a, b):
    """Whether two values are the same float16, the sign of a zero included."""
    first, second = (np.asarray(v).astype(np.float16) for v in (a, b))
    return np.equal(first.view(np.uint16), second.view(np.uint16))


def wide_from_f16(h):
    """x = h, in float64"""
    x = h
    return x


def wide_to_f16(x):
    """h = x to nearest even at 11 significant bits, in float64"""
    h = half(x)
    return h


@proof("CA-BACK-HALF", "ieee")
def prove_ca_back_half(h: np.ndarray) -> np.ndarray:
    """What comes from float16 goes back to it unchanged, subnormals included."""
    h = h.astype(np.float64)
    return same_bits(half(wide_to_f16(half(wide_from_f16(h)))), h)
