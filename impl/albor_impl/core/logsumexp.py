"""log sum_j exp(x_j) over the last axis, whole or in chunks that run in parallel, and its gradient, in Triton.

    lse  = m + log sum_j exp(x_j - m), m = max_j x_j          lse(x) = lse(lse(chunk) for each chunk)
    dx_j = g exp(x_j - lse)

Traffic: x once, and a float32 for each row and chunk. Whole rows take one program each; with few rows and a wide
vocabulary that leaves the device idle, and chunks of a row go to programs of their own. The backward reads x once and
writes dx once while a row fits its block, and sweeps a longer row twice.

Errors: ValueError for shapes that do not fit or chunk < 1, TypeError for other dtypes of x than float32, bfloat16,
float16, and of g than float32.
Source: Milakov, Gimelshein, "Online normalizer calculation for softmax" (2018), section 3.1.
"""

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl
from torch.autograd.function import once_differentiable

from .._triton import empty, empty_like, example, kernel, unify
from ._rows import row_tiles, unit_columns

BLOCK = 16384  # columns of a row that are kept on chip at once

_FORWARD = "x=*{t} lse=*fp32 x_stride=i32:16 rows=i32:16 n=i32:16 chunk=i32:16 chunks=i32"
_BACKWARD = "g=*fp32 x=*{t} dx=*{t} x_stride=i32:16 rows=i32:16 n=i32:16"


def _examples(types: str) -> list[Any]:
    sizes = {"scores of 1024 keys": 1024, "V=32768": 32768}
    return [
        example(types.format(t=t), label=f"{label} {t}", **row_tiles(n, BLOCK))
        for label, n in sizes.items()
        for t in ("bf16", "fp32")
    ]


@kernel
def _shift(largest):
    """What exponents are taken relative to: the maximum, or 0 while everything is -inf (-inf - (-inf) is NaN)."""
    return tl.where(largest == float("-inf"), 0.0, largest)


@kernel(*_examples(_FORWARD))
def _forward_kernel(
    x, lse, x_stride, rows, n, chunk, chunks, BLOCK: tl.constexpr, ROWS: tl.constexpr, ONE_BLOCK: tl.constexpr
):  # fmt: skip
    pid = tl.program_id(0)
    part = pid % chunks
    row = (pid // chunks).to(tl.int64) * ROWS + tl.arange(0, ROWS)[:, None]  # int64: rows * n passes 2^31
    cols = tl.arange(0, BLOCK)[None, :]
    first = part * chunk
    end = tl.minimum(first + chunk, n)
    largest = tl.full([ROWS, 1], float("-inf"), tl.float32)
    total = tl.zeros([ROWS, 1], tl.float32)
    for start in range(first, end, BLOCK):
        mask = (row < rows) & (start + cols < end)
        value = tl.load(x + row * x_stride + start + cols, mask=mask, other=float("-inf")).to(tl.float32)
        new = tl.maximum(largest, tl.max(value, axis=1, keep_dims=True))
        base = _shift(new)
        total = total * tl.exp(largest - base) + tl.sum(tl.exp(value - base), axis=1, keep_dims=True)
        largest = new
    tl.store(lse + row * chunks + part, _shift(largest) + tl.log(total), mask=row < rows)


@kernel(*_examples(_BACKWARD))
def _backward_kernel(
    g, x, dx, x_stride, rows, n, BLOCK: tl.constexpr, ROWS: tl.constexpr, ONE_BLOCK: tl.constexpr
):  # fmt: skip
    row = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)[:, None]
    cols = tl.arange(0, BLOCK)[None, :]
    x_row, dx_row = x + row * x_stride, dx + row * n
    grad = tl.load(g + row, mask=row < rows, other=0.0)
    if ONE_BLOCK:
        mask = (row < rows) & (cols < n)
        value = tl.load(x_row + cols, mask=mask, other=float("-inf")).to(tl.float32)
        e = tl.exp(value - tl.max(value, axis=1, keep_dims=True))
        tl.store(dx_row + cols, e * (grad / tl.sum(e, axis=1, keep_dims=True)), mask=mask)
    else:
        largest = tl.full([ROWS, 1], float("-inf"), tl.float32)
        total = tl.zeros([ROWS, 1], tl.float32)
        for start in range(0, n, BLOCK):
            mask = (row < rows) & (start + cols < n)
            value = tl.load(x_row + start + cols, mask=mask, other=float("-inf")).to(tl.float32)
            new = tl.maximum(largest, tl.max(value, axis=1, keep_dims=True))
            base = _shift(new)
            total = total * tl.exp(largest - base) + tl.sum(tl.exp(value - base), axis=1, keep_dims=True)
            largest = new
        scale = grad / total
        for start in range(0, n, BLOCK):
            mask = (row < rows) & (start + cols < n)
            value = tl.load(x_row + start + cols, mask=mask, other=float("-inf")).to(tl.float32)
            tl.store(dx_row + start + cols, tl.exp(value - _shift(largest)) * scale, mask=mask)


def _forward(x: torch.Tensor, chunk: int) -> torch.Tensor:
    """lse[R, chunks] in float32, of each chunk of `chunk` columns."""
    rows, n = x.shape
    chunks = triton.cdiv(n, chunk)
    lse = empty((rows, chunks), torch.float32, x.device)
    if rows:
        x = unit_columns(x)
        tiles = row_tiles(min(n, chunk), BLOCK)
        _forward_kernel[(triton.cdiv(rows, tiles["ROWS"]) * chunks,)](
            x, lse, x.stride(0), rows, n, chunk, chunks, **tiles
        )  # fmt: skip
    return lse


def logsumexp(x: torch.Tensor) -> torch.Tensor:
    """lse[R] in float32 for logits x[R, N]. Rows may have any stride. A row of -inf, or of nothing, gives -inf.

    Raises ValueError unless x is a matrix, TypeError for other dtypes than float32, bfloat16, float16.
    """
    rows, n = unify(x=(x, "R N")).values()
    return _forward(x, n).view(rows) if n else x.new_full((rows,), float("-inf"), dtype=torch.float32)


def logsumexp_chunked(x: torch.Tensor, chunk: int) -> torch.Tensor:
    """`logsumexp` with the columns taken in parallel chunks of `chunk`, the last one shorter; two launches.

    Raises ValueError unless chunk >= 1.
    """
    rows, n = unify(x=(x, "R N")).values()
    if chunk < 1:
        raise ValueError(f"chunk: expected at least 1 column, got {chunk}")
    if not n:
        return x.new_full((rows,), float("-inf"), dtype=torch.float32)
    parts = _forward(x, min(chunk, n))
    return _forward(parts, parts.shape[1]).view(rows)


def logsumexp_backward(g: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """dx[R, N] (dtype of x) of sum(g * logsumexp(x)) for g[R] in float32. A row of -inf gives NaN."""
    if isinstance(g, torch.Tensor) and g.dtype != torch.float32:
        raise TypeError(f"g: expected torch.float32, the dtype of the logsumexp, got {g.dtype}")
    rows, n = unify(g=(g, "R"), x=(x, "R N")).values()
    dx = empty_like(x)
    if rows and n:
        g, x = g.contiguous(), unit_columns(x)
        tiles = row_tiles(n, BLOCK)
        _backward_kernel[(triton.cdiv(rows, tiles["ROWS"]),)](g, x, dx, x.stride(0), rows, n, **tiles)
    return dx


class LogSumExpFunction(torch.autograd.Function):
    """`logsumexp` over the last axis of x[..., N] with its gradient; keeps x and nothing else."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        flat = x.reshape(-1, x.shape[-1])
        ctx.save_for_backward(flat)
        ctx.shape = x.shape
        return logsumexp(flat).view(x.shape[:-1])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, g: torch.Tensor) -> torch.Tensor:
        (x,) = ctx.saved_tensors
        return logsumexp_backward(g.reshape(-1), x).view(ctx.shape)


def logsumexp_autograd(x: torch.Tensor) -> torch.Tensor:
    """`logsumexp` over the last axis of x[..., N], float32 [...], differentiable."""
    return LogSumExpFunction.apply(x)
