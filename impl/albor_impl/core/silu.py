"""SiLU, x s(x) with s the logistic sigmoid (Elfwing, Uchibe, Doya 2017, arXiv:1702.03118), in Triton.

    y = x s(x)          dx = g s(x) (1 + x s(-x))

Traffic: two tensors forward, three backward, each once.
Errors: ValueError for shapes that do not fit, TypeError for dtypes that differ or are not float32, bfloat16, float16.
"""

from __future__ import annotations

from typing import Any

import torch
import triton.language as tl
from torch.autograd.function import once_differentiable

from .._triton import empty_like, example, kernel
from ._rows import element_grid, element_tiles, one_dtype, tile, unit_columns

_FORWARD = "x=*{t} y=*{t} x_stride=i32:16 rows=i32:16 n=i32:16 blocks=i32"
_BACKWARD = "g=*{t} x=*{t} dx=*{t} g_stride=i32:16 x_stride=i32:16 rows=i32:16 n=i32:16 blocks=i32"


def _examples(types: str) -> list[Any]:
    return [example(types.format(t=t), label=f"350M and 7B {t}", **element_tiles(4096)) for t in ("bf16", "fp32")]


@kernel
def _sigmoids(x):
    """s(x) and s(-x), neither of which overflows or cancels for any x."""
    e = tl.exp(-tl.abs(x))
    near, far = 1.0 / (1.0 + e), e / (1.0 + e)
    return tl.where(x >= 0, near, far), tl.where(x >= 0, far, near)


@kernel(*_examples(_FORWARD))
def _forward_kernel(x, y, x_stride, rows, n, blocks, BLOCK: tl.constexpr, ROWS: tl.constexpr):
    row, col = tile(blocks, BLOCK, ROWS)
    mask = (row < rows) & (col < n)
    value = tl.load(x + row * x_stride + col, mask=mask, other=0.0).to(tl.float32)
    s, _ = _sigmoids(value)
    tl.store(y + row * n + col, value * s, mask=mask)


@kernel(*_examples(_BACKWARD))
def _backward_kernel(
    g, x, dx, g_stride, x_stride, rows, n, blocks, BLOCK: tl.constexpr, ROWS: tl.constexpr
):  # fmt: skip
    row, col = tile(blocks, BLOCK, ROWS)
    mask = (row < rows) & (col < n)
    grad = tl.load(g + row * g_stride + col, mask=mask, other=0.0).to(tl.float32)
    value = tl.load(x + row * x_stride + col, mask=mask, other=0.0).to(tl.float32)
    s, s_of_minus = _sigmoids(value)
    tl.store(dx + row * n + col, grad * (s * (1.0 + value * s_of_minus)), mask=mask)


def silu(x: torch.Tensor) -> torch.Tensor:
    """y[R, N] = x / (1 + exp(-x)) for x[R, N]; dtype of x, float32 inside. Rows may have any stride.

    Raises ValueError unless x is a matrix, TypeError for other dtypes than float32, bfloat16, float16.
    """
    rows, n = one_dtype(x=(x, "R N")).values()
    y = empty_like(x)
    if rows and n:
        x = unit_columns(x)
        tiles = element_tiles(n)
        grid, blocks = element_grid(rows, n, tiles)
        _forward_kernel[grid](x, y, x.stride(0), rows, n, blocks, **tiles)
    return y


def silu_backward(g: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """dx[R, N] of sum(g * silu(x)); dtype of x, which g shares."""
    rows, n = one_dtype(g=(g, "R N"), x=(x, "R N")).values()
    dx = empty_like(x)
    if rows and n:
        g, x = unit_columns(g), unit_columns(x)
        tiles = element_tiles(n)
        grid, blocks = element_grid(rows, n, tiles)
        _backward_kernel[grid](g, x, dx, g.stride(0), x.stride(0), rows, n, blocks, **tiles)
    return dx


class SiLUFunction(torch.autograd.Function):
    """`silu` of a tensor [..., N] with its gradient; keeps x and forms the sigmoid again."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        flat = x.reshape(-1, x.shape[-1])
        ctx.save_for_backward(flat)
        return silu(flat).view(x.shape)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, g: torch.Tensor) -> torch.Tensor:
        (x,) = ctx.saved_tensors
        return silu_backward(g.reshape(x.shape), x).view(g.shape)


def silu_autograd(x: torch.Tensor) -> torch.Tensor:
    """`silu` of a tensor [..., N], differentiable."""
    return SiLUFunction.apply(x)
