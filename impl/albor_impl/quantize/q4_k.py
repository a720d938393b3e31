"""Q4_K super-blocks (256 weights in 144 bytes): the decoder in Triton, the encoder in PyTorch.

Bytes of a super-block, with 8 sub-blocks of 32 weights: 0-1 float16 d, 2-3 float16 dmin, 4-15 eight 6-bit scales and
eight 6-bit mins, 16-143 the 4-bit codes. A weight of sub-block j is d * sc[j] * q - dmin * m[j]. The twelve scale
bytes are three rows of four, for j = 0..3:

    row 0   high bits of sc[j + 4] (2) | sc[j] (6)
    row 1   high bits of m[j + 4]  (2) | m[j]  (6)
    row 2   low bits of m[j + 4]   (4) | low bits of sc[j + 4] (4)

Source: the GGUF format of ggml (`block_q4_K`).
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl

from .._triton import empty, example, kernel

FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
BLOCK, BYTES, SUB_BLOCKS = 256, 144, 8
LARGEST = 63 * 65504
TILE = 16
"""Super-blocks a program decodes: 4,096 weights."""


@kernel
def _float16_at(bytes_, mask):
    low = tl.load(bytes_, mask=mask, other=0).to(tl.uint16)
    high = tl.load(bytes_ + 1, mask=mask, other=0).to(tl.uint16)
    return (low | (high << 8)).to(tl.float16, bitcast=True).to(tl.float32)


@kernel(example("blocks=*u8 x=*fp32 count=i32", label="7B layer", TILE=16, num_warps=8))
def _decode_kernel(blocks, x, count, TILE: tl.constexpr):
    row = tl.program_id(0).to(tl.int64) * TILE + tl.arange(0, TILE)
    inside = row < count
    j = tl.arange(0, 8)
    i = tl.arange(0, 32)

    start = blocks + row * 144
    d = _float16_at(start, inside)
    dmin = _float16_at(start + 2, inside)

    corner = start[:, None] + (4 + j % 4)[None, :]
    sc_bits = tl.load(corner, mask=inside[:, None], other=0).to(tl.int32)
    m_bits = tl.load(corner + 4, mask=inside[:, None], other=0).to(tl.int32)
    both = tl.load(corner + 8, mask=inside[:, None], other=0).to(tl.int32)
    first = (j < 4)[None, :]
    sc = tl.where(first, sc_bits & 63, (both & 15) | ((sc_bits >> 6) << 4))
    m = tl.where(first, m_bits & 63, (both >> 4) | ((m_bits >> 6) << 4))

    place = ((j // 2) * 32)[:, None] + i[None, :]
    pair = tl.load(start[:, None, None] + 16 + place[None, :, :], mask=inside[:, None, None], other=0).to(tl.int32)
    q = (pair >> ((j % 2) * 4)[None, :, None]) & 15

    scale = d[:, None] * sc.to(tl.float32)
    low = dmin[:, None] * m.to(tl.float32)
    value = scale[:, :, None] * q.to(tl.float32) - low[:, :, None]
    out = x + row[:, None, None] * 256 + (j * 32)[None, :, None] + i[None, None, :]
    tl.store(out, value, mask=inside[:, None, None])


def _check_blocks(blocks: torch.Tensor) -> None:
    if blocks.dtype != torch.uint8:
        raise TypeError(f"blocks must be uint8, got {blocks.dtype}")
    if blocks.ndim != 2 or blocks.shape[1] != BYTES:
        raise ValueError(f"blocks must be [B, {BYTES}], got shape {tuple(blocks.shape)}")


def q4k_decode(blocks: torch.Tensor) -> torch.Tensor:
    """Weights of Q4_K super-blocks: x = d * sc * q - dmin * m, per sub-block of 32.

    Shapes    blocks u8[B, 144] -> f32[B, 256] on the same device
    Exact     d * sc * q and dmin * m are exact in float32, so the one difference rounds once: every correct decoder
              gives the same bits. An infinite or NaN d or dmin spreads as in the formula.
    Errors    TypeError: not uint8; ValueError: not [B, 144]
    Cost      one launch
    """
    _check_blocks(blocks)
    blocks = blocks.contiguous()
    x = empty((len(blocks), BLOCK), torch.float32, blocks.device)
    if len(blocks):
        _decode_kernel[(triton.cdiv(len(blocks), TILE),)](blocks, x, len(blocks), TILE=TILE, num_warps=8)
    return x


def q4k_fields(
    blocks: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Take super-blocks apart: d f32[B], dmin f32[B], sc u8[B, 8], m u8[B, 8], q u8[B, 8, 32].

    Errors: as `q4k_decode`.
    """
    _check_blocks(blocks)
    # A copy: a view of two bytes as one float16 must begin at an even place.
    halves = blocks[:, :4].clone(memory_format=torch.contiguous_format).view(torch.float16).float()
    sc_bits, m_bits, both = blocks[:, 4:16].unflatten(1, (3, 4)).unbind(1)
    sc = torch.cat([sc_bits & 63, (both & 15) | ((sc_bits >> 6) << 4)], dim=1)
    m = torch.cat([m_bits & 63, (both >> 4) | ((m_bits >> 6) << 4)], dim=1)
    pairs = blocks[:, 16:].unflatten(1, (4, 32))
    q = torch.stack([pairs & 15, pairs >> 4], dim=2).flatten(1, 2)
    return halves[:, 0], halves[:, 1], sc, m, q


def _float16_at_least(x: torch.Tensor) -> torch.Tensor:
    """The least float16 that is not below x >= 0."""
    near = x.half()
    above = (near.view(torch.int16) + 1).view(torch.float16)  # the next float16, for numbers that are not negative
    return torch.where(near.double() < x, above, near)


def _six_bits(value: torch.Tensor, unit: torch.Tensor) -> torch.Tensor:
    """Nearest multiple of the block's unit (half to even); `unit` >= value / 63, so it fits in six bits."""
    unit = unit.double()[:, None]
    return torch.round(value / torch.where(unit > 0, unit, 1.0)).to(torch.uint8)


def q4k_encode(x: torch.Tensor) -> torch.Tensor:
    """Quantize with a min/max encoder (not ggml's search for the least squared error).

    Per sub-block   lo = min(0, min x), hi = max x, wanted scale s = (hi - lo) / 15, wanted min = -lo
    Per block       d = the least float16 >= max s / 63, dmin = the least float16 >= max(-lo) / 63
                    sc = rint(s / d), m = rint(-lo / dmin), both with d and dmin as stored
    Per weight      q = the nearest codeword of D q - M for D = d * sc and M = dmin * m as stored;
                    halfway goes to the even code; q = 0 when D = 0
    Bound           |x - decoded| <= max(D / 2, 7.5 d + dmin / 2) in exact arithmetic
    Shapes          x float[B, 256] -> u8[B, 144] on the same device; computed in float64, so that the codes are those
                    of the definition
    Errors          TypeError: dtype; ValueError: not [B, 256], NaN or infinity, or a range that float16 scales cannot
                    hold (hi - lo > 15 * 63 * 65504 or -lo > 63 * 65504). One host synchronisation to see that.
    """
    if x.dtype not in FLOATS:
        raise TypeError(f"x must be floating point, got {x.dtype}")
    if x.ndim != 2 or x.shape[1] != BLOCK:
        raise ValueError(f"x must be [B, {BLOCK}], got shape {tuple(x.shape)}")
    x = x.double().unflatten(1, (SUB_BLOCKS, 32)) + 0.0  # no -0, so that no scale is stored as -0
    lo, hi = x.aminmax(dim=2)
    lo = lo.clamp(max=0)
    scale, low = (hi - lo) / 15, 0.0 - lo
    top = torch.maximum(scale, low).amax(dim=1)  # NaN and infinity come through to here
    refused = ~(top <= LARGEST)
    if refused.any():
        first = int(refused.int().argmax())
        if not torch.isfinite(x[first]).all():
            raise ValueError(f"x holds NaN or infinity (first in block {first})")
        raise ValueError(
            f"block {first} ranges over [{lo[first].min().item():g}, {x[first].max().item():g}]: Q4_K holds scales "
            f"(hi - lo) / 15 and mins -lo of at most 63 * 65504 = {LARGEST}"
        )
    d, dmin = _float16_at_least(scale.amax(dim=1) / 63), _float16_at_least(low.amax(dim=1) / 63)
    sc, m = _six_bits(scale, d), _six_bits(low, dmin)

    step = (d.double()[:, None] * sc)[:, :, None]
    start = (dmin.double()[:, None] * m)[:, :, None]
    nearest = torch.round((x + start) / torch.where(step > 0, step, 1.0)).clamp(0, 15)
    q = torch.where(step > 0, nearest, 0.0).to(torch.uint8)

    sc_bits = sc[:, :4] | ((sc[:, 4:] >> 4) << 6)
    m_bits = m[:, :4] | ((m[:, 4:] >> 4) << 6)
    both = (sc[:, 4:] & 15) | ((m[:, 4:] & 15) << 4)
    codes = q[:, 0::2] | (q[:, 1::2] << 4)
    halves = torch.stack([d, dmin], dim=1).view(torch.uint8)
    return torch.cat([halves, sc_bits, m_bits, both, codes.flatten(1)], dim=1)
