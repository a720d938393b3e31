"""The transposes of a batch of matrices, in Triton: y[b, c, r] = x[b, r, c].

A tile is read along the rows of x and written along the rows of y; the exchange happens in shared memory, so that both
sides move whole cache lines. Traffic: each element read once and written once. The output has B C R elements of its
own, whatever the shape: a buffer cut for another one would be overrun.

Source: the definition in contracts/core/transpose-v1.yaml.
"""

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl
from torch.autograd.function import once_differentiable

from .._triton import empty, example, kernel, unify

TILE = 64  # rows and columns of a tile

_TYPES = "x=*{t} y=*{t} batch_stride=i64:16 row_stride=i32:16 rows=i32:16 columns=i32:16 down=i32 across=i32"


@kernel(*[example(_TYPES.format(t=t), label=f"heads of 64 {t}", TILE=TILE, num_warps=8) for t in ("bf16", "fp32")])
def _transpose_kernel(x, y, batch_stride, row_stride, rows, columns, down, across, TILE: tl.constexpr):
    pid = tl.program_id(0)
    batch = (pid // (down * across)).to(tl.int64)
    row = (pid // across) % down * TILE + tl.arange(0, TILE).to(tl.int64)
    col = pid % across * TILE + tl.arange(0, TILE).to(tl.int64)
    source = x + batch * batch_stride + row[:, None] * row_stride + col[None, :]
    value = tl.load(source, mask=(row < rows)[:, None] & (col < columns)[None, :], other=0.0)
    target = y + batch * rows * columns + col[:, None] * rows + row[None, :]
    tl.store(target, tl.trans(value), mask=(col < columns)[:, None] & (row < rows)[None, :])


def batched_transpose(x: torch.Tensor) -> torch.Tensor:
    """y[B, C, R] with y[b, c, r] = x[b, r, c] for x[B, R, C]; dtype of x, bit by bit, contiguous.

    Raises ValueError unless x has three axes, TypeError for other dtypes than float32, bfloat16, float16.
    """
    batch, rows, columns = unify(x=(x, "B R C")).values()
    y = empty((batch, columns, rows), x.dtype, x.device)
    if y.numel():
        x = x if x.stride(2) == 1 or columns == 1 else x.contiguous()
        down, across = triton.cdiv(rows, TILE), triton.cdiv(columns, TILE)
        _transpose_kernel[(batch * down * across,)](
            x, y, x.stride(0), x.stride(1), rows, columns, down, across, TILE=TILE, num_warps=8
        )  # fmt: skip
    return y


class TransposeFunction(torch.autograd.Function):
    """`batched_transpose` with its gradient, which is the transpose of the gradient."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        return batched_transpose(x)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, g: torch.Tensor) -> torch.Tensor:
        return batched_transpose(g)


def batched_transpose_autograd(x: torch.Tensor) -> torch.Tensor:
    """`batched_transpose`, differentiable."""
    return TransposeFunction.apply(x)
