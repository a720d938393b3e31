"""Softmax over the last axis, forward and backward, in Triton.

    p_i  = exp(x_i - max x) / sum_j exp(x_j - max x)
    dx_i = p_i (g_i - sum_j g_j p_j)

Traffic: the forward reads x and writes p; the backward reads g and x, forms p again and writes dx. Each element passes
once while a row fits a block (16,384 columns forward, 8,192 backward); a longer row is swept a second time, mostly
from L2, forward as `_sweep` tells. The backward takes x and not p: the same traffic, and p is not rounded to a narrow
type on the way.

Errors: ValueError for shapes that do not fit, TypeError for dtypes that differ or are not float32, bfloat16, float16.
Source: Milakov, Gimelshein, "Online normalizer calculation for softmax" (2018), algorithm 3.
"""

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl
from torch.autograd.function import once_differentiable

from .._triton import empty_like, example, kernel
from ._rows import one_dtype, row_tiles, unit_columns
from ._sweep import (
    INTERPRETED,
    Sweep,
    add_tiles,
    first_kept,
    join_lanes,
    load_kept_tiles,
    load_tiles,
    or_zero,
    place_rows,
    scaled_exp,
    sweep_blocks,
)

FORWARD_BLOCK = 16384  # columns of a row that are kept on chip at once
BACKWARD_BLOCK = 8192  # with g and x in registers
SWEEP: Sweep = (32, 4, 4, 0)  # of longer rows, forward; measured on an H200

_FORWARD = "x=*{t} p=*{t} x_stride=i32:16 rows=i32:16 n=i32:16"
_SWEEP = "x=*{t} p=*{t} x_stride=i32:16 n=i32:16"
_BACKWARD = "g=*{t} x=*{t} dx=*{t} g_stride=i32:16 x_stride=i32:16 rows=i32:16 n=i32:16"


def _tiles(n: int, most: int) -> dict[str, int]:
    """`row_tiles` with half as many short rows for a program and half the warps: on an H200 5 % faster."""
    tiles = row_tiles(n, most)
    halves = 1 if tiles["ROWS"] == 1 else 2
    return {**tiles, "ROWS": tiles["ROWS"] // halves, "num_warps": max(4, tiles["num_warps"] // halves)}


def _examples(types: str, most: int, **sizes: int) -> list[Any]:
    return [
        example(types.format(t=t), label=f"{label} {t}", **_tiles(n, most))
        for label, n in {"scores of 1024 keys": 1024, "long row": most, **sizes}.items()
        for t in ("bf16", "fp32")
    ]


@kernel(*_examples(_FORWARD, FORWARD_BLOCK))
def _forward_kernel(x, p, x_stride, rows, n, BLOCK: tl.constexpr, ROWS: tl.constexpr, ONE_BLOCK: tl.constexpr):
    tl.static_assert(ONE_BLOCK, "longer rows are swept")
    row = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)[:, None]  # int64: rows * n passes 2^31
    cols = tl.arange(0, BLOCK)[None, :]
    mask = (row < rows) & (cols < n)
    value = tl.load(x + row * x_stride + cols, mask=mask, other=float("-inf")).to(tl.float32)
    # A row without a finite logit becomes NaN here, and stays so: it has no distribution.
    e = tl.exp(value - tl.max(value, axis=1, keep_dims=True))
    tl.store(p + row * n + cols, e / tl.sum(e, axis=1, keep_dims=True), mask=mask)


@kernel(*[
    example(_SWEEP.format(t=t), label=f"V=131072 {t}", PRECISE=t == "fp32", **sweep_blocks(size, SWEEP))
    for t, size in (("bf16", 2), ("fp32", 4))
])  # fmt: skip
def _sweep_kernel(
    x, p, x_stride, n, PRECISE: tl.constexpr, BLOCK: tl.constexpr, VECTOR: tl.constexpr, TILES: tl.constexpr,
    KEEP: tl.constexpr,
):  # fmt: skip
    row = tl.program_id(0).to(tl.int64)
    x_row = x + row * x_stride
    p_row = p + row * n
    _, lanes, cols = place_rows(1, BLOCK, False, VECTOR)
    live = lanes >= 0

    # 1. Maximum and sum of exponentials.
    STEP: tl.constexpr = BLOCK * TILES
    last = first_kept(live, n, STEP, KEEP * BLOCK)
    largest = tl.full([BLOCK // VECTOR], float("-inf"), tl.float32)
    total = tl.zeros([BLOCK // VECTOR], tl.float32)
    for start in range(0, last, STEP):
        tiles = load_tiles(x_row + start, cols, BLOCK, TILES, "evict_last")
        largest, total = add_tiles(tiles, largest, total, PRECISE, 0, TILES)
    kept = load_kept_tiles(x_row + last, cols, live, n - last, BLOCK, KEEP)
    for first in tl.static_range(0, KEEP, TILES):
        largest, total = add_tiles(kept, largest, total, PRECISE, first, TILES)
    largest, total = join_lanes(largest, total, 1.0, PRECISE)
    base = or_zero(largest)[:, None]
    scale = 1.0 / total  # infinite where nothing is finite: 0 times it is NaN, as in a short row

    # 2. Probabilities: of what was kept, then of the other steps, those read last first.
    for i in tl.static_range(KEEP):
        # Not `wide`: the compiler would keep what it made of these tiles before, in twice as many registers.
        prob = scaled_exp(kept[i].to(tl.float32) - base, 1.0, scale, PRECISE)
        at = last + i * BLOCK + cols
        tl.store(p_row + at, prob, mask=i * BLOCK + cols < n - last, eviction_policy="evict_first")
    for done in range(0, last, STEP):
        start = last - STEP - done
        tiles = load_tiles(x_row + start, cols, BLOCK, TILES, "evict_first")
        for i in tl.static_range(TILES):
            prob = scaled_exp(tiles[i].to(tl.float32) - base, 1.0, scale, PRECISE)
            tl.store(p_row + start + i * BLOCK + cols, prob, eviction_policy="evict_first")


@kernel(*_examples(_BACKWARD, BACKWARD_BLOCK, **{"V=32768": 32768}))
def _backward_kernel(
    g, x, dx, g_stride, x_stride, rows, n, BLOCK: tl.constexpr, ROWS: tl.constexpr, ONE_BLOCK: tl.constexpr
):  # fmt: skip
    row = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)[:, None]
    cols = tl.arange(0, BLOCK)[None, :]
    g_row, x_row, dx_row = g + row * g_stride, x + row * x_stride, dx + row * n
    if ONE_BLOCK:
        mask = (row < rows) & (cols < n)
        value = tl.load(x_row + cols, mask=mask, other=float("-inf")).to(tl.float32)
        grad = tl.load(g_row + cols, mask=mask, other=0.0).to(tl.float32)
        e = tl.exp(value - tl.max(value, axis=1, keep_dims=True))
        prob = e / tl.sum(e, axis=1, keep_dims=True)
        mean = tl.sum(grad * prob, axis=1, keep_dims=True)
        tl.store(dx_row + cols, prob * (grad - mean), mask=mask)
    else:
        largest = tl.full([ROWS, 1], float("-inf"), tl.float32)
        total = tl.zeros([ROWS, 1], tl.float32)
        weighted = tl.zeros([ROWS, 1], tl.float32)
        for start in range(0, n, BLOCK):
            mask = (row < rows) & (start + cols < n)
            value = tl.load(x_row + start + cols, mask=mask, other=float("-inf")).to(tl.float32)
            grad = tl.load(g_row + start + cols, mask=mask, other=0.0).to(tl.float32)
            new = tl.maximum(largest, tl.max(value, axis=1, keep_dims=True))
            base = tl.where(new == float("-inf"), 0.0, new)
            e = tl.exp(value - base)
            shrink = tl.exp(largest - base)
            total = total * shrink + tl.sum(e, axis=1, keep_dims=True)
            weighted = weighted * shrink + tl.sum(grad * e, axis=1, keep_dims=True)
            largest = new
        base = tl.where(largest == float("-inf"), 0.0, largest)
        mean = weighted / total
        for start in range(0, n, BLOCK):
            mask = (row < rows) & (start + cols < n)
            value = tl.load(x_row + start + cols, mask=mask, other=float("-inf")).to(tl.float32)
            grad = tl.load(g_row + start + cols, mask=mask, other=0.0).to(tl.float32)
            tl.store(dx_row + start + cols, tl.exp(value - base) / total * (grad - mean), mask=mask)


def softmax(x: torch.Tensor) -> torch.Tensor:
    """p[R, N] for logits x[R, N]; dtype of x, float32 inside. Rows may have any stride.

    -inf has probability 0; a row of nothing else gives NaN. Raises ValueError unless x is a matrix, TypeError for other
    dtypes than float32, bfloat16, float16.
    """
    sizes = one_dtype(x=(x, "R N"))
    rows, n = sizes["R"], sizes["N"]
    p = empty_like(x)
    if rows and n > FORWARD_BLOCK:
        sweep(unit_columns(x), p, INTERPRETED if x.device.type == "cpu" else SWEEP)
    elif rows and n:
        x = unit_columns(x)
        tiles = _tiles(n, FORWARD_BLOCK)
        _forward_kernel[(triton.cdiv(rows, tiles["ROWS"]),)](x, p, x.stride(0), rows, n, **tiles)
    return p


def sweep(x: torch.Tensor, p: torch.Tensor, how: Sweep) -> None:
    """Write the softmax of long rows x[R, N] into the contiguous p. Nothing is checked."""
    rows, n = x.shape
    _sweep_kernel[(rows,)](
        x, p, x.stride(0), n, PRECISE=x.dtype == torch.float32, **sweep_blocks(x.element_size(), how)
    )


def softmax_backward(g: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """dx[R, N] of sum(g * softmax(x)); dtype of x, which g shares."""
    sizes = one_dtype(g=(g, "R N"), x=(x, "R N"))
    rows, n = sizes["R"], sizes["N"]
    dx = empty_like(x)
    if rows and n:
        g, x = unit_columns(g), unit_columns(x)
        tiles = _tiles(n, BACKWARD_BLOCK)
        _backward_kernel[(triton.cdiv(rows, tiles["ROWS"]),)](g, x, dx, g.stride(0), x.stride(0), rows, n, **tiles)
    return dx


class SoftmaxFunction(torch.autograd.Function):
    """`softmax` over the last axis of x[..., N] with its gradient; keeps x and nothing else."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        flat = x.reshape(-1, x.shape[-1])
        ctx.save_for_backward(flat)
        return softmax(flat).view(x.shape)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, g: torch.Tensor) -> torch.Tensor:
        (x,) = ctx.saved_tensors
        return softmax_backward(g.reshape(x.shape), x).view(g.shape)


def softmax_autograd(x: torch.Tensor) -> torch.Tensor:
    """`softmax` over the last axis of x[..., N], differentiable."""
    return SoftmaxFunction.apply(x)
