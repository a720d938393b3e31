"""Q4_K: super-blocks of 256 weights in 144 bytes (4.5 bits a weight).

A super-block has 8 sub-blocks of 32 weights. Its bytes:

    0-1    d     float16, little-endian: the scale of the scales
    2-3    dmin  float16, little-endian: the scale of the mins
    4-15   eight 6-bit scales sc[j] and eight 6-bit mins m[j]; with b = the twelve bytes,
             j < 4   sc[j] = b[j] & 63                                  m[j] = b[j + 4] & 63
             j >= 4  sc[j] = (b[j + 4] & 15) | (b[j - 4] >> 6) << 4     m[j] = (b[j + 4] >> 4) | (b[j] >> 6) << 4
    16-143 codes q in 0..15: chunk c of 32 bytes holds sub-block 2c in its low and 2c + 1 in its high nibbles

A weight of sub-block j is d * sc[j] * q - dmin * m[j].
Source: the GGUF format of ggml (`block_q4_K`).
"""

from __future__ import annotations

import numpy as np

BLOCK, BYTES, SUB_BLOCKS = 256, 144, 8
LARGEST = 63 * 65504
"""The largest scale or min that a 6-bit multiple of a finite float16 can hold."""


def q4k_fields(blocks: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Take super-blocks apart: d f64[B], dmin f64[B], sc u8[B, 8], m u8[B, 8], q u8[B, 8, 32].

    Errors: as `q4k_decode`.
    """
    blocks = np.asarray(blocks)
    if blocks.dtype != np.uint8:
        raise TypeError(f"blocks must be uint8, got {blocks.dtype}")
    if blocks.ndim != 2 or blocks.shape[1] != BYTES:
        raise ValueError(f"blocks must be [B, {BYTES}], got shape {blocks.shape}")
    count = len(blocks)
    halves = np.ascontiguousarray(blocks[:, :4]).view("<f2").astype(np.float64)

    b = blocks[:, 4:16]
    sc, m = np.empty((count, SUB_BLOCKS), np.uint8), np.empty((count, SUB_BLOCKS), np.uint8)
    for j in range(4):
        sc[:, j] = b[:, j] & 63
        m[:, j] = b[:, j + 4] & 63
    for j in range(4, 8):
        sc[:, j] = (b[:, j + 4] & 15) | (b[:, j - 4] >> 6) << 4
        m[:, j] = (b[:, j + 4] >> 4) | (b[:, j] >> 6) << 4

    q = np.empty((count, SUB_BLOCKS, 32), np.uint8)
    for chunk in range(4):
        bytes_ = blocks[:, 16 + 32 * chunk : 48 + 32 * chunk]
        q[:, 2 * chunk] = bytes_ & 15
        q[:, 2 * chunk + 1] = bytes_ >> 4
    return halves[:, 0], halves[:, 1], sc, m, q


def q4k_decode(blocks: np.ndarray) -> np.ndarray:
    """Weights of Q4_K super-blocks.

    Formula   x = d * sc * q - dmin * m, per sub-block of 32
    Shapes    blocks u8[B, 144] -> f64[B, 256]
    Exact     every product and difference of these short numbers is exact in float64, so float32(x) is what a
              decoder in float32 must give, bit for bit. An infinite or NaN d or dmin spreads as in that formula.
    Errors    TypeError: not uint8; ValueError: not [B, 144]
    """
    d, dmin, sc, m, q = q4k_fields(blocks)
    with np.errstate(invalid="ignore"):
        scale = (d[:, None] * sc)[:, :, None]
        low = (dmin[:, None] * m)[:, :, None]
        return (scale * q - low).reshape(-1, BLOCK)


def _float16_at_least(x: np.ndarray) -> np.ndarray:
    """The least float16 that is not below x >= 0."""
    near = x.astype(np.float16)
    below = near.astype(np.float64) < x
    near[below] = np.nextafter(near[below], np.float16(np.inf))
    return near


def _six_bits(value: np.ndarray, unit: np.ndarray) -> np.ndarray:
    """Nearest multiple of the block's unit (half to even); `unit` >= value / 63, so it fits in six bits."""
    unit = unit.astype(np.float64)[:, None]
    return np.rint(value / np.where(unit > 0, unit, 1)).astype(np.uint8)


def q4k_encode(x: np.ndarray) -> np.ndarray:
    """Quantize with a min/max encoder (not ggml's search for the least squared error).

    Per sub-block   lo = min(0, min x), hi = max x, wanted scale s = (hi - lo) / 15, wanted min = -lo
    Per block       d = the least float16 >= max s / 63, dmin = the least float16 >= max(-lo) / 63
                    sc = rint(s / d), m = rint(-lo / dmin), both with d and dmin as stored
    Per weight      q = the nearest codeword of D q - M for D = d * sc and M = dmin * m as stored;
                    halfway goes to the even code; q = 0 when D = 0
    Rounding d and dmin upwards keeps sc and m below 64 without clipping, hence in exact arithmetic
                    |x - decoded| <= max(D / 2, 7.5 d + dmin / 2), also where d or dmin is subnormal.
    Shapes          x float[B, 256] -> u8[B, 144]
    Errors          ValueError: not [B, 256], NaN or infinity, or a range that float16 scales cannot hold
                    (hi - lo > 15 * 63 * 65504 or -lo > 63 * 65504)
    """
    x = np.asarray(x, dtype=np.float64)
    if x.ndim != 2 or x.shape[1] != BLOCK:
        raise ValueError(f"x must be [B, {BLOCK}], got shape {x.shape}")
    finite = np.isfinite(x).all(axis=1)
    if not finite.all():
        raise ValueError(f"x holds NaN or infinity (first in block {int(np.argmin(finite))})")
    x = x.reshape(-1, SUB_BLOCKS, 32) + 0.0  # no -0, so that no scale is stored as -0

    lo = np.minimum(x.min(axis=2), 0)
    scale, low = (x.max(axis=2) - lo) / 15, 0 - lo
    fits = (np.maximum(scale, low) <= LARGEST).all(axis=1)
    if not fits.all():
        first = int(np.argmin(fits))
        raise ValueError(
            f"block {first} ranges over [{lo[first].min():g}, {x[first].max():g}]: Q4_K holds scales (hi - lo) / 15 "
            f"and mins -lo of at most 63 * 65504 = {LARGEST}"
        )
    d, dmin = _float16_at_least(scale.max(axis=1) / 63), _float16_at_least(low.max(axis=1) / 63)
    sc, m = _six_bits(scale, d), _six_bits(low, dmin)

    step = (d.astype(np.float64)[:, None] * sc)[:, :, None]
    start = (dmin.astype(np.float64)[:, None] * m)[:, :, None]
    nearest = np.rint((x + start) / np.where(step > 0, step, 1))
    q = np.where(step > 0, np.clip(nearest, 0, 15), 0).astype(np.uint8)
    return _pack(d, dmin, sc, m, q)


def _pack(d: np.ndarray, dmin: np.ndarray, sc: np.ndarray, m: np.ndarray, q: np.ndarray) -> np.ndarray:
    blocks = np.empty((len(d), BYTES), np.uint8)
    blocks[:, 0:2] = d.astype("<f2").view(np.uint8).reshape(-1, 2)
    blocks[:, 2:4] = dmin.astype("<f2").view(np.uint8).reshape(-1, 2)
    for j in range(4):
        blocks[:, 4 + j] = sc[:, j] | (sc[:, j + 4] >> 4) << 6
        blocks[:, 8 + j] = m[:, j] | (m[:, j + 4] >> 4) << 6
        blocks[:, 12 + j] = (sc[:, j + 4] & 15) | (m[:, j + 4] & 15) << 4
    for chunk in range(4):
        blocks[:, 16 + 32 * chunk : 48 + 32 * chunk] = q[:, 2 * chunk] | q[:, 2 * chunk + 1] << 4
    return blocks
