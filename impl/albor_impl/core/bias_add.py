"""A bias added to every row, y = x + b, and its gradient, in Triton.

    y = x + b          db = sum over rows of g,  dx = g

Traffic: x read and y written once; the backward reads g once. Its programs take slices of rows and leave one float32
partial each, and these are summed in a fixed order: two runs agree.

Errors: ValueError for shapes that do not fit, TypeError for other dtypes than float32, bfloat16, float16.
Source: the definition in contracts/core/bias-add-v1.yaml.
"""

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl
from torch.autograd.function import once_differentiable

from .._triton import empty, empty_like, example, kernel, unify
from ._rows import element_grid, element_tiles, tile, unit_columns

SLICE = 256  # rows of a program of the backward
ROWS = 16  # of these, at once
WIDTH = 128  # columns of a program of the backward

_FORWARD = "x=*{t} b=*{t} y=*{t} x_stride=i32:16 rows=i32:16 n=i32:16 blocks=i32"
_BACKWARD = "g=*{t} partials=*fp32 g_stride=i32:16 rows=i32:16 n=i32:16 blocks=i32"
_SIZES = {"BLOCK": WIDTH, "ROWS": ROWS, "SLICE": SLICE, "num_warps": 4}


@kernel(*[example(_FORWARD.format(t=t), label=f"350M {t}", **element_tiles(1024)) for t in ("bf16", "fp32")])
def _forward_kernel(x, b, y, x_stride, rows, n, blocks, BLOCK: tl.constexpr, ROWS: tl.constexpr):
    row, col = tile(blocks, BLOCK, ROWS)
    mask = (row < rows) & (col < n)
    value = tl.load(x + row * x_stride + col, mask=mask, other=0.0).to(tl.float32)
    bias = tl.load(b + col, mask=col < n, other=0.0).to(tl.float32)
    tl.store(y + row * n + col, value + bias, mask=mask)


@kernel(*[example(_BACKWARD.format(t=t), label=f"350M {t}", **_SIZES) for t in ("bf16", "fp32")])
def _backward_kernel(
    g, partials, g_stride, rows, n, blocks, BLOCK: tl.constexpr, ROWS: tl.constexpr, SLICE: tl.constexpr
):  # fmt: skip
    pid = tl.program_id(0)
    part = (pid // blocks).to(tl.int64)
    cols = (pid % blocks) * BLOCK + tl.arange(0, BLOCK)[None, :]
    total = tl.zeros([ROWS, BLOCK], tl.float32)
    for start in range(0, SLICE, ROWS):
        row = part * SLICE + start + tl.arange(0, ROWS)[:, None]
        mask = (row < rows) & (cols < n)
        total += tl.load(g + row * g_stride + cols, mask=mask, other=0.0).to(tl.float32)
    tl.store(partials + part * n + cols, tl.sum(total, axis=0, keep_dims=True), mask=cols < n)


def bias_add(x: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """y[R, N] = x + b for x[R, N], b[N]; dtype of x, summed in float32 and rounded once. Rows may have any stride.

    Raises ValueError for shapes that do not fit, TypeError for other dtypes than float32, bfloat16, float16.
    """
    sizes = unify(x=(x, "R N"), b=(b, "N"))
    rows, n = sizes["R"], sizes["N"]
    y = empty_like(x)
    if rows and n:
        x, b = unit_columns(x), b.contiguous()
        tiles = element_tiles(n)
        grid, blocks = element_grid(rows, n, tiles)
        _forward_kernel[grid](x, b, y, x.stride(0), rows, n, blocks, **tiles)
    return y


def bias_add_backward(g: torch.Tensor) -> torch.Tensor:
    """db[N] of sum(g * bias_add(x, b)) for g[R, N]; dtype of g, summed in float32. Deterministic. (dx is g itself.)"""
    sizes = unify(g=(g, "R N"))
    rows, n = sizes["R"], sizes["N"]
    if not (rows and n):
        return g.new_zeros(n)
    g = unit_columns(g)
    slices, blocks = triton.cdiv(rows, SLICE), triton.cdiv(n, WIDTH)
    partials = empty((slices, n), torch.float32, g.device)
    _backward_kernel[(slices * blocks,)](g, partials, g.stride(0), rows, n, blocks, **_SIZES)
    return partials.sum(0).to(g.dtype)


class BiasAddFunction(torch.autograd.Function):
    """`bias_add` over the last axis of x[..., N] with its gradients; keeps nothing."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return bias_add(x.reshape(-1, x.shape[-1]), b).view(x.shape)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, g: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return g, bias_add_backward(g.reshape(-1, g.shape[-1]))


def bias_add_autograd(x: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """`bias_add` over the last axis of x[..., N], differentiable in x and b."""
    return BiasAddFunction.apply(x, b)
