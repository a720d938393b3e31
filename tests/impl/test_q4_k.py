"""The Triton decoder and the PyTorch encoder against the reference, bit by bit."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from albor_impl._triton import poisoned, record_launches
from albor_impl.quantize.q4_k import LARGEST, q4k_decode, q4k_encode, q4k_fields
from albor_reference.quantize import q4_k as reference
from hypothesis import given, settings
from hypothesis import strategies as st


def same(got: torch.Tensor, expected: np.ndarray) -> bool:
    """Equal as float32 bits, where any NaN equals any other."""
    got, expected = got.numpy(), expected.astype(np.float32)
    nan = np.isnan(expected)
    return np.array_equal(np.isnan(got), nan) and got[~nan].tobytes() == expected[~nan].tobytes()


@pytest.mark.parametrize("count", [1, 2, 15, 16, 17, 33])
def test_decoding_is_the_reference(count: int) -> None:
    # All bytes occur, hence also infinite and NaN d and dmin.
    blocks = np.random.default_rng(count).integers(0, 256, (count, 144), dtype=np.uint8)
    blocks[0, 1], blocks[-1, 3] = 0x7C, 0xFE
    expected = reference.q4k_decode(blocks)
    with poisoned(1e30), record_launches() as log:
        assert same(q4k_decode(torch.from_numpy(blocks)), expected)
    assert len(log) == 1
    with poisoned(float("nan")):
        strided = torch.from_numpy(np.repeat(np.repeat(blocks, 2, axis=1), 3, axis=0))[1::3, ::2]
        assert same(q4k_decode(strided), expected)
        offset = torch.from_numpy(np.concatenate([[1], blocks.ravel()]).astype(np.uint8))[1:].view(count, 144)
        assert same(q4k_decode(offset), expected)


@given(st.binary(min_size=144, max_size=144))
@settings(deadline=None, max_examples=30)
def test_any_bytes_decode_as_the_reference(block: bytes) -> None:
    blocks = np.frombuffer(block, np.uint8).reshape(1, 144)
    assert same(q4k_decode(torch.from_numpy(blocks.copy())), reference.q4k_decode(blocks))


def test_fields_are_the_reference() -> None:
    blocks = np.random.default_rng(3).integers(0, 256, (50, 144), dtype=np.uint8)
    for got, expected in zip(q4k_fields(torch.from_numpy(blocks)), reference.q4k_fields(blocks), strict=True):
        assert np.array_equal(got.numpy(), expected, equal_nan=True)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16, torch.float64], ids=str)
@given(
    st.integers(0, 10**6),
    st.sampled_from([1e-30, 1e-9, 3e-6, 1e-3, 1.0, 50.0, 4e3]),
    st.sampled_from(["normal", "offset", "positive", "constant", "cauchy", "rounded", "mixed"]),
)
@settings(deadline=None, max_examples=40)
def test_encoding_is_the_reference(dtype: torch.dtype, seed: int, scale: float, kind: str) -> None:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(3, 256))
    x = {
        "normal": x,
        "offset": x - 7,
        "positive": np.abs(x) + 0.5,
        "constant": np.repeat(x[:, :1], 256, axis=1),
        "cauchy": np.clip(rng.standard_cauchy(size=(3, 256)), -8, 8),
        "rounded": np.rint(2 * x) / 2,  # many weights halfway between two codes
        "mixed": x * np.repeat(2.0 ** -np.arange(0, 24, 3), 32),
    }[kind]
    x = torch.from_numpy(x * scale).to(dtype)
    expected = torch.from_numpy(reference.q4k_encode(x.double().numpy()))
    assert torch.equal(q4k_encode(x), expected)
    assert torch.equal(q4k_encode(x.T.contiguous().T), expected)


def test_zero_is_zero_bytes() -> None:
    assert not q4k_encode(torch.zeros(2, 256)).any()
    assert not q4k_encode(-torch.zeros(2, 256)).any()


def test_the_largest_range() -> None:
    x = torch.zeros(2, 256, dtype=torch.float64)
    x[1, 3], x[1, 40], x[1, 41] = 15.0 * LARGEST, -float(LARGEST), 14.0 * LARGEST
    assert torch.equal(q4k_encode(x), torch.from_numpy(reference.q4k_encode(x.numpy())))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.nan, "NaN or infinity .first in block 1"),
        (np.inf, "NaN or infinity"),
        (-np.inf, "NaN or infinity"),
        (np.nextafter(15.0 * LARGEST, np.inf), "block 1 ranges"),
        (np.nextafter(-float(LARGEST), -np.inf), "block 1 ranges"),
        (3.4e38, "block 1 ranges"),
    ],
)
def test_encoding_refuses(value: float, message: str) -> None:
    x = torch.zeros(3, 256, dtype=torch.float64)
    x[1, 17] = value
    with pytest.raises(ValueError, match=message):
        q4k_encode(x)


def test_shapes_and_types_are_checked() -> None:
    assert q4k_encode(torch.zeros(0, 256)).shape == (0, 144)
    assert q4k_decode(torch.zeros(0, 144, dtype=torch.uint8)).shape == (0, 256)
    with pytest.raises(ValueError, match="256"):
        q4k_encode(torch.zeros(2, 300))
    with pytest.raises(TypeError, match="floating point"):
        q4k_encode(torch.zeros(2, 256, dtype=torch.int32))
    with pytest.raises(ValueError, match="144"):
        q4k_decode(torch.zeros(2, 143, dtype=torch.uint8))
    with pytest.raises(TypeError, match="uint8"):
        q4k_decode(torch.zeros(2, 144))
