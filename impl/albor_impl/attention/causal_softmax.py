"""Causal mask and fused causal softmax of stored scores: one pass, forward and backward.

Formula, with j <= i for what position i sees
    a_ij  = exp(scale x_ij) / sum over l <= i of exp(scale x_il) where j <= i, 0 elsewhere
    dx_ij = scale a_ij (g_ij - sum_l a_il g_il)
The backward kernel makes a again from x: that reads as much as a saved a would cost, stores nothing, and a is never
rounded on the way.

A program holds whole rows in registers. Of each row only the part at or below the diagonal is read, up to the end of
its vector of 16 elements, so that the traffic is half a matrix read and one written. Everything is float32; only the
result is rounded to the dtype of x.

For long sequences `attention.causal_gqa`, which never stores scores, is the right kernel; this one is for scores that
exist anyway (bias, capping or capture between product and softmax).

x, g, a and dx are [B, S, S], of one dtype; the scaled scores are in nats.
Errors: TypeError for dtypes that differ or are not float32, bfloat16 or float16; ValueError for another shape, several
devices, an S of 0 or above 16384, or a scale that is not finite.
Source: Vaswani et al., "Attention Is All You Need" (2017), section 3.2.3.
"""

from __future__ import annotations

import math
from typing import Any

import torch
import triton
import triton.language as tl
from torch.autograd.function import once_differentiable

from .._triton import empty_like, example, kernel, unify
from ..core._sweep import exp_nonpositive

# A row stays in registers: 16 elements for each of 1024 threads, and as many of the gradient in the backward pass.
LARGEST_SIZE = 16384
# Elements that one program takes when rows are short; several rows then share a program.
SHARED_BLOCK = 4096


def blocks(size: int, rows: int) -> dict[str, int]:
    """How the kernels are cut for rows of `size` columns: rows a program, columns a block, warps."""
    block = triton.next_power_of_2(size)
    shared = min(max(1, SHARED_BLOCK // block), triton.next_power_of_2(max(rows, 1)))
    return {"ROWS": shared, "BLOCK": block, "num_warps": min(32, max(4, shared * block // 512))}


def _examples(tensors: str):
    for dtype, size in (("bf16", 1024), ("fp16", 1024), ("fp32", 1024), ("bf16", LARGEST_SIZE), ("fp32", LARGEST_SIZE)):
        types = " ".join(f"{name}=*{dtype}" for name in tensors.split())
        strides = " ".join(f"stride_{name}{axis}=i32:16" for name in tensors.split()[:-1] for axis in "br")
        yield example(
            f"{types} {strides} total=i32 S=i32:16 scale=fp32", label=f"{dtype} S={size}",
            PRECISE=dtype == "fp32", **blocks(size, 1 << 20),
        )  # fmt: skip


@kernel
def _near(cols, position, S, live):
    """Which elements of a row are read: those it sees, and the rest of the vector in which they end. A mask that
    changed within a vector would have every element read by itself."""
    return live & (cols // 16 <= position // 16) & (cols < S)


@kernel
def _weights(x, inside, scale, PRECISE: tl.constexpr):
    """Rows of weights for rows of scores, 0 outside."""
    s = tl.where(inside, x.to(tl.float32) * scale, float("-inf"))
    # A row that does not exist, or sees -inf alone, is NaN.
    e = exp_nonpositive(s - tl.max(s, axis=1)[:, None], PRECISE)
    return e / tl.sum(e, axis=1)[:, None]


@kernel(*_examples("x a"))
def _forward_kernel(
    x, a, stride_xb, stride_xr, total, S, scale, ROWS: tl.constexpr, BLOCK: tl.constexpr, PRECISE: tl.constexpr
):  # fmt: skip
    # int64 before the stride: B * S * S passes 2^31 in real runs.
    rows = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)
    cols = tl.arange(0, BLOCK)
    live = (rows < total)[:, None]
    seen = cols[None, :] <= (rows % S)[:, None]
    near = _near(cols[None, :], (rows % S)[:, None], S, live)
    place = (rows // S * stride_xb + rows % S * stride_xr)[:, None] + cols[None, :]
    weights = _weights(tl.load(x + place, mask=near, other=float("-inf")), live & seen, scale, PRECISE)
    tl.store(a + rows[:, None] * S + cols[None, :], tl.where(seen, weights, 0.0), mask=live & (cols < S)[None, :])


@kernel(*_examples("g x dx"))
def _backward_kernel(
    g, x, dx, stride_gb, stride_gr, stride_xb, stride_xr, total, S, scale,
    ROWS: tl.constexpr, BLOCK: tl.constexpr, PRECISE: tl.constexpr,
):  # fmt: skip
    rows = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)
    cols = tl.arange(0, BLOCK)
    live = (rows < total)[:, None]
    inside = live & (cols[None, :] <= (rows % S)[:, None])
    near = _near(cols[None, :], (rows % S)[:, None], S, live)
    place = (rows // S * stride_xb + rows % S * stride_xr)[:, None] + cols[None, :]
    weights = _weights(tl.load(x + place, mask=near, other=float("-inf")), inside, scale, PRECISE)
    place = (rows // S * stride_gb + rows % S * stride_gr)[:, None] + cols[None, :]
    # What lies behind the diagonal may be anything, and 0 times NaN is not 0.
    slope = tl.where(inside, tl.load(g + place, mask=near, other=0.0).to(tl.float32), 0.0)
    slope = slope - tl.sum(weights * slope, axis=1)[:, None]
    result = tl.where(inside, weights * slope * scale, 0.0)
    tl.store(dx + rows[:, None] * S + cols[None, :], result, mask=live & (cols < S)[None, :])


def check(x: torch.Tensor, scale: float, **others: torch.Tensor) -> None:
    """TypeError or ValueError unless x, and others like it, are scores [B, S, S] that the kernels take."""
    sizes = unify(x=(x, "B S T"), **{name: (tensor, "B S T") for name, tensor in others.items()})
    if sizes["S"] != sizes["T"] or not sizes["S"]:
        raise ValueError(f"x: expected scores [B, S, S] with S >= 1, got shape {list(x.shape)}")
    if sizes["S"] > LARGEST_SIZE:
        raise ValueError(
            f"x: S is {sizes['S']}, at most {LARGEST_SIZE} is supported; attention.causal_gqa stores no scores"
        )
    for name, tensor in others.items():
        if tensor.dtype != x.dtype:
            raise TypeError(f"{name}: expected {x.dtype} like x, got {tensor.dtype}")
    if not math.isfinite(scale):
        raise ValueError(f"scale: expected a finite number, got {scale}")


def _unit_last(x: torch.Tensor) -> torch.Tensor:
    """`x` itself when the elements of a row are adjacent, else a contiguous copy."""
    return x if x.stride(2) == 1 or x.shape[2] == 1 else x.contiguous()


def causal_mask(x: torch.Tensor) -> torch.Tensor:
    """Scores [B, S, S] with -inf above the diagonal, where position i may not see j.

    Raises:
        TypeError, ValueError: as `causal_softmax`.
    """
    check(x, 1.0)
    future = torch.ones(x.shape[1:], dtype=torch.bool, device=x.device).triu(1)
    return x.masked_fill(future, -math.inf)


def causal_softmax(x: torch.Tensor, scale: float) -> torch.Tensor:
    """Weights a[B, S, S] of scores x[B, S, S]: rows sum to one, the future has exactly 0.

    Args:
        x: scores, float32, bfloat16 or float16; what stands above the diagonal is not read.
        scale: factor of the scores, 1 / sqrt(head dimension) in attention.

    Returns:
        a, in the dtype of x. A row that sees only -inf is NaN.

    Raises:
        TypeError: the dtype is not supported.
        ValueError: x is not [B, S, S], S is above 16384, or scale is not finite.
    """
    check(x, scale)
    x = _unit_last(x)
    a = empty_like(x)
    batch, size, _ = x.shape
    cut = blocks(size, batch * size)
    if batch:
        _forward_kernel[(triton.cdiv(batch * size, cut["ROWS"]),)](
            x, a, x.stride(0), x.stride(1), batch * size, size, scale, PRECISE=x.dtype == torch.float32, **cut
        )
    return a


def causal_softmax_backward(g: torch.Tensor, x: torch.Tensor, scale: float) -> torch.Tensor:
    """Gradient dx[B, S, S] of sum(g * causal_softmax(x, scale)) with respect to x, for g[B, S, S].

    Raises:
        TypeError, ValueError: as `causal_softmax`, and when g does not fit x.
    """
    check(x, scale, g=g)
    g, x = _unit_last(g), _unit_last(x)
    dx = empty_like(x)
    batch, size, _ = x.shape
    cut = blocks(size, batch * size)
    if batch:
        _backward_kernel[(triton.cdiv(batch * size, cut["ROWS"]),)](
            g, x, dx, g.stride(0), g.stride(1), x.stride(0), x.stride(1), batch * size, size, scale,
            PRECISE=x.dtype == torch.float32, **cut,
        )  # fmt: skip
    return dx


class CausalSoftmax(torch.autograd.Function):
    """`causal_softmax` for autograd. The scores are kept, not the weights."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, scale: float) -> torch.Tensor:
        ctx.save_for_backward(x)
        ctx.scale = scale
        return causal_softmax(x, scale)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, g: torch.Tensor) -> tuple[torch.Tensor, None]:
        return causal_softmax_backward(g, *ctx.saved_tensors, ctx.scale), None


def causal_softmax_autograd(x: torch.Tensor, scale: float) -> torch.Tensor:
    """`causal_softmax`, differentiable with respect to x [B, S, S]."""
    return CausalSoftmax.apply(x, scale)
