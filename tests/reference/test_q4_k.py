"""The reference Q4_K codec against its byte layout read one weight at a time, and the encoder against its bound."""

from __future__ import annotations

import struct
from fractions import Fraction

import numpy as np
import pytest
from albor_reference.quantize.q4_k import LARGEST, q4k_decode, q4k_encode, q4k_fields


def weight_exactly(block: bytes, element: int) -> Fraction:
    """One weight of a super-block, from the layout of the format."""
    d, dmin = (Fraction(value) for value in struct.unpack("<2e", block[:4]))
    j, i = divmod(element, 32)
    s = block[4:16]
    if j < 4:
        scale, low = s[j] % 64, s[j + 4] % 64
    else:
        scale = s[j + 4] % 16 + 16 * (s[j - 4] // 64)
        low = s[j + 4] // 16 + 16 * (s[j] // 64)
    byte = block[16 + 32 * (j // 2) + i]
    return d * scale * (byte // 16 if j % 2 else byte % 16) - dmin * low


def random_blocks(rng: np.random.Generator, count: int) -> np.ndarray:
    """Random bytes with finite d and dmin (the exponent of a float16 is not all ones)."""
    blocks = rng.integers(0, 256, (count, 144), dtype=np.uint8)
    blocks[:, [1, 3]] &= 0xBB
    return blocks


def test_decoding_is_the_layout_exactly() -> None:
    blocks = random_blocks(np.random.default_rng(0), 40)
    decoded = q4k_decode(blocks)
    for block, values in zip(blocks, decoded, strict=True):
        for element in range(256):
            assert Fraction(float(values[element])) == weight_exactly(block.tobytes(), element)


def test_every_scale_bit_lands_in_one_place() -> None:
    blocks = np.zeros((96, 144), np.uint8)
    for bit in range(96):
        blocks[bit, 4 + bit // 8] = 1 << bit % 8
    _, _, sc, m, _ = q4k_fields(blocks)
    bits = np.concatenate([sc, m], axis=1)[:, :, None] >> np.arange(6) & 1  # byte bit -> sixteen numbers of six bits
    placed = bits.reshape(96, 96)
    assert (placed.sum(axis=0) == 1).all()
    assert (placed.sum(axis=1) == 1).all()


def test_a_block_of_zero_codes_is_its_min() -> None:
    blocks = random_blocks(np.random.default_rng(1), 20)
    blocks[:, 16:] = 0
    _, dmin, _, m, _ = q4k_fields(blocks)
    assert np.array_equal(
        q4k_decode(blocks).reshape(-1, 8, 32), np.repeat(-(dmin[:, None] * m)[:, :, None], 32, axis=2)
    )


def test_an_infinite_scale_spreads() -> None:
    blocks = np.zeros((1, 144), np.uint8)
    blocks[0, 1] = 0x7C  # d = infinity
    blocks[0, 4] = 1  # sc[0] = 1, all other scales 0
    blocks[0, 16] = 3
    decoded = q4k_decode(blocks)[0]
    assert decoded[0] == np.inf
    assert np.isnan(decoded[1:]).all()  # infinity times code 0, or times scale 0


def distributions() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(7)
    shape = (24, 256)
    normal = rng.normal(size=shape)
    spike = normal.copy()
    spike[:, 100] = 1e4
    return {
        "normal": normal,
        "float32": normal.astype(np.float32),
        "offset": normal + 100,
        "negative": -np.abs(normal) - 3,
        "positive": np.abs(normal) + 3,
        "heavy": rng.standard_cauchy(size=shape),
        "spike": spike,
        "constant": np.repeat(rng.normal(size=(24, 1)), 256, axis=1),
        "constant rows of one sub-block": np.repeat(rng.normal(size=(24, 8)), 32, axis=1),
        "two values": np.where(normal > 0, 1.5, -0.25),
        "very different sub-blocks": normal * np.repeat(10.0 ** np.arange(-4, 4), 32),
        "subnormal scales": normal * 3e-6,
        "scales below float16": normal * 1e-9,
        "far below": normal * 1e-300,
        "large": normal * 1e6,
    }


@pytest.mark.parametrize("name", distributions())
def test_encoding_takes_the_nearest_codeword_within_the_bound(name: str) -> None:
    x = distributions()[name].astype(np.float64)
    blocks = q4k_encode(x)
    d, dmin, sc, m, _ = q4k_fields(blocks)
    step, start = (d[:, None] * sc)[:, :, None, None], (dmin[:, None] * m)[:, :, None, None]
    codewords = step * np.arange(16) - start
    wanted = x.reshape(-1, 8, 32)
    error = np.abs(wanted - q4k_decode(blocks).reshape(-1, 8, 32))
    best = np.abs(wanted[..., None] - codewords).min(axis=-1)
    # What rounds: x + M, the quotient, and the differences of this check, each relative to |x| + M.
    slack = 4 * 2.0**-53 * (np.abs(wanted) + start[..., 0] + 15 * step[..., 0])
    assert (error <= best + slack).all()
    bound = np.maximum(step[..., 0] / 2, 7.5 * d[:, None, None] + dmin[:, None, None] / 2)
    assert (error <= bound + slack).all()


@pytest.mark.parametrize("zero", [0.0, -0.0])
def test_zero_is_zero_bytes_and_zero_weights(zero: float) -> None:
    blocks = q4k_encode(np.full((2, 256), zero))
    assert not blocks.any()
    assert not q4k_decode(blocks).any()


def test_zeros_survive_beside_other_values() -> None:
    x = np.where(np.arange(256) % 3, 0.0, 15.0 * 63)[None]  # d = 1 exactly, sc = 63, dmin = 0
    assert np.array_equal(q4k_decode(q4k_encode(x)), x)


def test_exact_multiples_come_back_exactly() -> None:
    sc, m = np.array([63, 1, 2, 17, 33, 48, 62, 5]), np.array([0, 63, 1, 31, 16, 15, 47, 32])
    codes = np.tile(np.arange(16), 2)
    x = (0.25 * sc[:, None] * codes - 0.5 * m[:, None]).reshape(1, 256)
    x_low = x.reshape(8, 32).min(axis=1)
    assert np.array_equal(x_low, -0.5 * m)
    assert np.array_equal(q4k_decode(q4k_encode(x)), x)


def test_positive_blocks_have_no_min_and_negative_constants_no_scale() -> None:
    _, dmin, _, m, _ = q4k_fields(q4k_encode(np.full((1, 256), 5.0)))
    assert dmin[0] == 0 and not m.any()
    d, _, sc, _, q = q4k_fields(q4k_encode(np.full((1, 256), -5.0)))
    assert d[0] == 0 and not sc.any() and not q.any()


def test_halfway_goes_to_the_even_code() -> None:
    x = np.zeros((1, 256))
    x[0, :8] = [63 * 15, 31.5, 63 * 1.5, 63 * 2.5, 63 * 14.5, 0, 0, 0]  # d = 1, step 63 in the first sub-block
    _, _, _, _, q = q4k_fields(q4k_encode(x))
    assert q[0, 0, :5].tolist() == [15, 0, 2, 2, 14]


def test_the_largest_range_is_the_largest_float16_scale() -> None:
    x = np.zeros((2, 256))
    x[1, 3], x[1, 40] = 15.0 * LARGEST, -float(LARGEST)
    x[1, 41] = 14.0 * LARGEST
    decoded = q4k_decode(q4k_encode(x))
    assert (decoded[1, 3], decoded[1, 40]) == (15.0 * LARGEST, -float(LARGEST))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.nan, "block 1"),
        (np.inf, "NaN or infinity"),
        (-np.inf, "NaN or infinity"),
        (np.nextafter(15.0 * LARGEST, np.inf), "block 1 ranges"),
        (3.4e38, "ranges"),
        (np.nextafter(-float(LARGEST), -np.inf), "ranges"),
    ],
)
def test_encoding_refuses(value: float, message: str) -> None:
    x = np.zeros((3, 256))
    x[1, 17] = value
    with pytest.raises(ValueError, match=message):
        q4k_encode(x)


def test_shapes_and_types_are_checked() -> None:
    assert q4k_encode(np.zeros((0, 256))).shape == (0, 144)
    assert q4k_decode(np.zeros((0, 144), np.uint8)).shape == (0, 256)
    with pytest.raises(ValueError, match="256"):
        q4k_encode(np.zeros((2, 300)))
    with pytest.raises(ValueError, match="144"):
        q4k_decode(np.zeros((2, 143), np.uint8))
    with pytest.raises(TypeError, match="uint8"):
        q4k_decode(np.zeros((2, 144)))
