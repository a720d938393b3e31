"""The reference casts against the definition of rounding in exact arithmetic, and against PyTorch bit by bit."""

from fractions import Fraction

import numpy as np
import pytest
import torch
from albor_reference.core.cast import from_bf16, from_f16, to_bf16, to_f16


def by_definition(x, digits, emin):
    """x (a float) to nearest even with `digits` significant bits, exponents from `emin`, in exact arithmetic."""
    if x == 0:
        return Fraction(0)
    value = Fraction(x)
    exponent = max(np.frexp(x)[1] - 1, emin)
    step = Fraction(2) ** (int(exponent) - digits + 1)
    return round(value / step) * step  # Python rounds halves of a Fraction to even


@pytest.mark.parametrize(("cast", "digits", "emin"), [(to_bf16, 8, -126), (to_f16, 11, -14)])
def test_is_the_definition(cast, digits, emin):
    rng = np.random.default_rng(36)
    scale = np.float32(2.0) ** rng.integers(-30, 4, 300)
    for x in (rng.normal(size=300).astype(np.float32) * scale, (2 * rng.integers(-2048, 2048, 300) + 1) * scale):
        for value, got in zip(x.astype(np.float32), cast(x), strict=True):
            assert Fraction(float(got)) == by_definition(float(value), digits, emin)


def every_upper_half(lower):
    """float32 values whose upper 16 bits take every pattern and whose lower ones are `lower`."""
    return ((np.arange(1 << 16, dtype=np.uint32) << 16) | np.uint32(lower)).view(np.float32)


@pytest.mark.parametrize("lower", [0, 1, 0x7FFF, 0x8000, 0x8001, 0xFFFF])
def test_is_that_of_torch_around_every_tie(lower):
    x = every_upper_half(lower)
    with np.errstate(invalid="ignore"):
        for cast, dtype in ((to_bf16, torch.bfloat16), (to_f16, torch.float16)):
            wanted = torch.from_numpy(x.copy()).to(dtype).float().numpy()
            got = np.asarray(cast(x), dtype=np.float32)
            nan = np.isnan(x)
            np.testing.assert_array_equal(got[~nan].view(np.uint32), wanted[~nan].view(np.uint32))
            assert np.isnan(got[nan]).all()


def test_every_16_bit_number_comes_back():
    h = np.arange(1 << 16, dtype=np.uint32).astype(np.uint16).view(np.float16)
    h = h[~np.isnan(h)]
    np.testing.assert_array_equal(to_f16(from_f16(h)).view(np.uint16), h.view(np.uint16))
    b = every_upper_half(0)
    b = b[~np.isnan(b)]
    np.testing.assert_array_equal(to_bf16(from_bf16(b)).view(np.uint32), b.view(np.uint32))
