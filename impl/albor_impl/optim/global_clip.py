"""Clipping by the global norm of any number of tensors; the norm and the coefficient stay on the device.

Formula
    norm        = sqrt(sum over all elements of all tensors of g^2)
    coefficient = min(1, max_norm / (norm + eps))       0 when the norm is not finite
    g'          = coefficient g                         0 when the norm is not finite

One launch a tensor adds up squares by chunks, one launch adds the chunks and decides, one launch a tensor scales.
Squares and their sums are float64: those of gradients beyond 1e19 or below 1e-19 are no numbers of float32. The chunks
are added in a fixed order: two runs agree. Traffic: each element read twice and written once.

Source: Pascanu, Mikolov, Bengio, "On the difficulty of training recurrent neural networks" (2013), algorithm 1; eps as
in `torch.nn.utils.clip_grad_norm_`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import triton
import triton.language as tl

from .._triton import empty, empty_like, example, kernel, unify
from ..core.squared_sum import BLOCK, CHUNK


@kernel(*[
    example(f"g=*{t} partials=*fp64 n=i64:16 first=i32", label=t, BLOCK=BLOCK, CHUNK=CHUNK, num_warps=8)
    for t in ("bf16", "fp16", "fp32")
])  # fmt: skip
def _squares_kernel(g, partials, n, first, BLOCK: tl.constexpr, CHUNK: tl.constexpr):
    pid = tl.program_id(0)
    offset = pid.to(tl.int64) * CHUNK  # int64: parameters pass 2^31
    total = tl.zeros([BLOCK], tl.float64)  # squares of 1e20 and of 1e-30 are no numbers of float32
    for start in range(0, tl.minimum(n - offset, CHUNK), BLOCK):
        place = offset + start + tl.arange(0, BLOCK)
        value = tl.load(g + place, mask=place < n, other=0.0).to(tl.float64)
        total += value * value
    tl.store(partials + first + pid, tl.sum(total, axis=0))


@kernel(example("partials=*fp64 coefficient=*fp32 norm=*fp32 n=i32 max_norm=fp32 eps=fp32", BLOCK=1024, num_warps=8))
def _decide_kernel(partials, coefficient, norm, n, max_norm, eps, BLOCK: tl.constexpr):
    total = tl.zeros([BLOCK], tl.float64)
    for start in range(0, n, BLOCK):
        place = start + tl.arange(0, BLOCK)
        total += tl.load(partials + place, mask=place < n, other=0.0)
    length = tl.sqrt(tl.sum(total, axis=0))
    shrink = length + eps > max_norm
    # The divisor is 1 where nothing is clipped, so that 0 / 0 and inf / inf are never formed.
    c = tl.where(shrink, tl.cast(max_norm, tl.float64) / tl.where(shrink, length + eps, 1.0), 1.0)
    # A NaN compares false: it and an infinity give the coefficient of a step that must not happen.
    tl.store(coefficient, tl.where(length < float("inf"), c, 0.0).to(tl.float32))
    tl.store(norm, length.to(tl.float32))


@kernel(*[
    example(f"g=*{t} coefficient=*fp32 out=*{t} n=i64:16", label=t, BLOCK=BLOCK, num_warps=8)
    for t in ("bf16", "fp16", "fp32")
])  # fmt: skip
def _scale_kernel(g, coefficient, out, n, BLOCK: tl.constexpr):
    place = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)  # int64: parameters pass 2^31
    inside = place < n
    c = tl.load(coefficient)
    value = tl.load(g + place, mask=inside, other=0.0).to(tl.float32)
    tl.store(out + place, tl.where(c > 0.0, c * value, 0.0), mask=inside)


def clip_gradients(
    gradients: Sequence[torch.Tensor], max_norm: float, eps: float, into: Sequence[torch.Tensor] | None = None
) -> tuple[list[torch.Tensor], torch.Tensor, torch.Tensor]:
    """The scaled tensors, the coefficient and the norm before clipping, float32 [] each; nothing waits for the device.

    `into` are contiguous tensors to write to, possibly the gradients themselves; new ones by default.
    Raises ValueError for no tensors, several devices, a negative or NaN max_norm, or an eps that is negative or not
    finite; TypeError for other dtypes than float32, bfloat16, float16.
    """
    if not gradients:
        raise ValueError("gradients: expected at least one tensor")
    if not max_norm >= 0.0:
        raise ValueError(f"max_norm must not be negative (inf means no clipping), got {max_norm}")
    if not (eps >= 0.0 and math.isfinite(eps)):
        raise ValueError(f"eps must be finite and not negative, got {eps}")
    flat = [g.contiguous().view(-1) for g in gradients]
    unify(**{f"gradients[{k}]": (g, f"N{k}") for k, g in enumerate(flat)})
    counts = [triton.cdiv(g.numel(), CHUNK) for g in flat]
    partials = empty((max(sum(counts), 1),), torch.float64, flat[0].device)
    for k, (g, count) in enumerate(zip(flat, counts, strict=True)):
        if count:
            _squares_kernel[(count,)](g, partials, g.numel(), sum(counts[:k]), BLOCK=BLOCK, CHUNK=CHUNK, num_warps=8)
    coefficient, norm = (empty((), torch.float32, flat[0].device) for _ in range(2))
    _decide_kernel[(1,)](partials, coefficient, norm, sum(counts), max_norm, eps, BLOCK=1024, num_warps=8)
    scaled = [empty_like(g) for g in gradients] if into is None else list(into)
    for g, out in zip(flat, scaled, strict=True):
        if g.numel():
            grid = (triton.cdiv(g.numel(), BLOCK),)
            _scale_kernel[grid](g, coefficient, out, g.numel(), BLOCK=BLOCK, num_warps=8)
    return scaled, coefficient, norm


def global_clip(
    a: torch.Tensor, b: torch.Tensor, max_norm: float, eps: float
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """a[L, P] and b[M, Q] scaled by one coefficient, that coefficient, and the norm before clipping.

    Dtypes and errors: as `clip_gradients`.
    """
    (a2, b2), coefficient, norm = clip_gradients([a, b], max_norm, eps)
    return a2, b2, coefficient, norm
