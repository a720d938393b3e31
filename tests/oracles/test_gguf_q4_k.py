"""Q4_K against the `gguf` package: its dequantizer must read the same weights, bit for bit."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from albor_impl.quantize import q4_k as impl
from albor_reference.quantize import q4_k as reference

gguf = pytest.importorskip("gguf", reason="the gguf package is not installed (extra: oracles)")


def dequantize(blocks: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        return gguf.dequantize(blocks, gguf.GGMLQuantizationType.Q4_K).reshape(-1, 256)


def test_sizes_agree() -> None:
    assert gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType.Q4_K] == (reference.BLOCK, reference.BYTES)


@pytest.mark.parametrize("seed", range(4))
def test_random_bytes_decode_to_the_same_bits(seed: int) -> None:
    blocks = np.random.default_rng(seed).integers(0, 256, (200, 144), dtype=np.uint8)
    expected = dequantize(blocks)
    nan = np.isnan(expected)
    assert expected.dtype == np.float32 and nan.any() and not nan.all()
    for got in (reference.q4k_decode(blocks).astype(np.float32), impl.q4k_decode(torch.from_numpy(blocks)).numpy()):
        assert np.array_equal(np.isnan(got), nan)
        assert got[~nan].tobytes() == expected[~nan].tobytes()


def test_what_is_encoded_here_is_read_there() -> None:
    x = np.random.default_rng(9).normal(size=(50, 256)).astype(np.float32)
    for blocks in (reference.q4k_encode(x), impl.q4k_encode(torch.from_numpy(x)).numpy()):
        d, dmin, sc, _, _ = reference.q4k_fields(blocks)
        bound = np.maximum(d[:, None] * sc / 2, 7.5 * d[:, None] + dmin[:, None] / 2)
        error = np.abs(dequantize(blocks).astype(np.float64) - x).reshape(-1, 8, 32).max(axis=2)
        rounding = 2.0**-24 * np.abs(x).max()  # the decoder's one rounding to float32, of a number near x
        assert (error <= bound + 2 * rounding).all()
