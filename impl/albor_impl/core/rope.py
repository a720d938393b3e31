"""Rotary position embedding (Su et al. 2021, arXiv:2104.09864), half-split form, in Triton.

    y_k       = x_k cos(a) - x_{k+D/2} sin(a)          a = (t + offset) base^(-2k/D),  k < D/2
    y_{k+D/2} = x_k sin(a) + x_{k+D/2} cos(a)

The inverse turns by -a; since a rotation's transpose is its inverse, it is also the gradient. The angles come from a
table: at position 100,000 an angle computed in float32 is wrong by thousandths of a radian. The table is computed in
float64, rounded once, kept, and small beside x, so that the traffic is one read and one write of x. A program turns
the same positions of several heads by one part of the table: read for each head, a table in float32 would be as much
as 16-bit pairs.
"""

from __future__ import annotations

import functools
from typing import Any

import torch
import triton
import triton.language as tl
from torch.autograd.function import once_differentiable

from .._triton import empty, example, kernel, unify

TILE = 1024  # pairs of a program and head
HEADS = 2  # of a program, at most: their loads are under way together (more, and other warps, were slower on an H200)
WARPS = 2
KEPT_POSITIONS = 1 << 17  # tables up to this position are kept: 64 MiB for D = 128
_TABLES = 8  # how many (device, D, base) are kept

_TYPES = (
    "x=*{t} y=*{t} cosines=*fp32 sines=*fp32 stride_b=i32:16 stride_h=i32:16 stride_t=i32:16 "
    "heads=i32:16 length=i32:16 half=i32:16 blocks=i32 groups=i32"
)


def _tiles(heads: int, length: int, half: int) -> dict[str, int]:
    """The heads, positions and pairs of a program."""
    together = triton.cdiv(heads, triton.cdiv(heads, HEADS))  # five heads are three and two, not four and one
    pairs = triton.next_power_of_2(max(half, 1))
    rows = max(1, min(TILE // pairs, triton.next_power_of_2(max(length, 1))))
    return {"HEADS": together, "ROWS": rows, "PAIRS": pairs, "num_warps": WARPS}


@kernel(
    *[
        example(_TYPES.format(t=t), label=f"{label} {t}", INVERSE=inverse, **_tiles(heads, 4096, half))
        for label, heads, half in (("350M", 16, 32), ("7B", 32, 64))
        for t in ("bf16", "fp32")
        for inverse in (False, True)
    ],
)
def _rope_kernel(
    x, y, cosines, sines, stride_b, stride_h, stride_t, heads, length, half, blocks, groups,
    INVERSE: tl.constexpr, HEADS: tl.constexpr, ROWS: tl.constexpr, PAIRS: tl.constexpr,
):  # fmt: skip
    pid = tl.program_id(0)
    group, block = pid // blocks % groups, pid % blocks
    batch = (pid // (groups * blocks)).to(tl.int64)  # int64: offsets pass 2^31
    head = group.to(tl.int64) * HEADS
    t = block.to(tl.int64) * ROWS + tl.arange(0, ROWS)[:, None]
    k = tl.arange(0, PAIRS)[None, :]
    mask = (t < length) & (k < half)
    cos = tl.load(cosines + t * half + k, mask=mask, other=0.0)
    sin = tl.load(sines + t * half + k, mask=mask, other=0.0)
    if INVERSE:
        sin = -sin
    source = x + batch * stride_b + t * stride_t + k
    target = y + (batch * heads * length + t) * (2 * half) + k
    # All loads stand before the first store, since the compiler cannot know that x and y do not overlap.
    pairs = ()
    for i in tl.static_range(HEADS):
        inside = mask & (tl.full([1, 1], head + i, tl.int64) < heads)
        place = source + (head + i) * stride_h
        first = tl.load(place, mask=inside, other=0.0)
        second = tl.load(place + half, mask=inside, other=0.0)
        pairs += ((first, second),)
    for i in tl.static_range(HEADS):
        inside = mask & (tl.full([1, 1], head + i, tl.int64) < heads)
        first, second = pairs[i][0].to(tl.float32), pairs[i][1].to(tl.float32)
        place = target + (head + i) * length * (2 * half)
        tl.store(place, first * cos - second * sin, mask=inside)
        tl.store(place + half, first * sin + second * cos, mask=inside)


def _compute(first: int, count: int, half: int, base: float, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """cos and sin [count, half] of the angles from position `first` on: float64, rounded to float32."""
    k = torch.arange(half, dtype=torch.float64, device=device)
    t = torch.arange(first, first + count, dtype=torch.float64, device=device)
    angle = t[:, None] * torch.tensor(base, dtype=torch.float64, device=device) ** (-k / half)
    return angle.cos().float(), angle.sin().float()


@functools.lru_cache(maxsize=_TABLES)
def _kept(count: int, half: int, base: float, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    return _compute(0, count, half, base, device)


def _table(offset: int, length: int, half: int, base: float, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    if offset < 0 or offset + length > KEPT_POSITIONS:
        return _compute(offset, length, half, base, device)
    # Powers of two: a decoding loop, whose offset grows by one a step, makes a new table rarely.
    cos, sin = _kept(max(256, triton.next_power_of_2(offset + length)), half, base, device)
    return cos[offset : offset + length], sin[offset : offset + length]


def _rotate(
    x: torch.Tensor, offset: int, base: float, inverse: bool, tiles: dict[str, int] | None = None
) -> torch.Tensor:
    """`rope` or its inverse; `tiles`, as `_tiles` gives them, decide speed alone."""
    sizes = unify(x=(x, "B H T D"))
    batch, heads, length, width = (sizes[name] for name in "BHTD")
    if width % 2:
        raise ValueError(f"x: D must be even, got {width}")
    if not base > 0:
        raise ValueError(f"base: expected a number > 0, got {base}")
    y = empty(x.shape, x.dtype, x.device)
    if x.numel():
        x = x if x.stride(3) == 1 else x.contiguous()
        half = width // 2
        cos, sin = _table(int(offset), length, half, float(base), x.device)
        tiles = tiles or _tiles(heads, length, half)
        blocks, groups = triton.cdiv(length, tiles["ROWS"]), triton.cdiv(heads, tiles["HEADS"])
        _rope_kernel[(batch * groups * blocks,)](
            x, y, cos, sin, *x.stride()[:3], heads, length, half, blocks, groups, INVERSE=inverse, **tiles
        )  # fmt: skip
    return y


def rope(x: torch.Tensor, offset: int, base: float) -> torch.Tensor:
    """x[B, H, T, D] with each pair (k, k + D/2) of position t turned by (t + offset) base^(-2k/D); dtype of x.

    B, H and T may have any strides, as in `x.view(B, T, H, D).transpose(1, 2)`; the result is contiguous.
    Raises ValueError for odd D or base <= 0, TypeError for other dtypes than float32, bfloat16, float16.
    """
    return _rotate(x, offset, base, inverse=False)


def rope_inverse(x: torch.Tensor, offset: int, base: float) -> torch.Tensor:
    """The inverse of `rope`: turns by the opposite angles. Also its vector-Jacobian product."""
    return _rotate(x, offset, base, inverse=True)


class RopeFunction(torch.autograd.Function):
    """`rope` with its gradient, which is `rope_inverse`; nothing is kept."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, offset: int, base: float) -> torch.Tensor:
        ctx.position = offset, base
        return rope(x, offset, base)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, g: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        return rope_inverse(g, *ctx.position), None, None


def rope_autograd(x: torch.Tensor, offset: int, base: float) -> torch.Tensor:
    """`rope`, differentiable in x."""
    return RopeFunction.apply(x, offset, base)
