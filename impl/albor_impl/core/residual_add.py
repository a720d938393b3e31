"""The residual connection y = x + c f, with the scale c of the branch f, and its gradients, in Triton.

    y = x + c f          dx = g,  df = c g

Traffic: x and f read, y written, each once. Backward g is read once and df written once; dx is g itself, not a copy.

Errors: ValueError for shapes that differ, TypeError for dtypes that differ or are not float32, bfloat16, float16.
Source: He, Zhang, Ren, Sun, "Deep Residual Learning for Image Recognition" (2015).
"""

from __future__ import annotations

from typing import Any

import torch
import triton.language as tl
from torch.autograd.function import once_differentiable

from .._triton import empty_like, example, kernel
from ._rows import element_grid, element_tiles, one_dtype, tile, unit_columns

_FORWARD = "x=*{t} f=*{t} y=*{t} x_stride=i32:16 f_stride=i32:16 rows=i32:16 n=i32:16 blocks=i32 c=fp32"
_BACKWARD = "g=*{t} df=*{t} g_stride=i32:16 rows=i32:16 n=i32:16 blocks=i32 c=fp32"


def _examples(types: str) -> list[Any]:
    return [example(types.format(t=t), label=f"350M {t}", **element_tiles(1024)) for t in ("bf16", "fp32")]


@kernel(*_examples(_FORWARD))
def _forward_kernel(
    x, f, y, x_stride, f_stride, rows, n, blocks, c, BLOCK: tl.constexpr, ROWS: tl.constexpr
):  # fmt: skip
    row, col = tile(blocks, BLOCK, ROWS)
    mask = (row < rows) & (col < n)
    stream = tl.load(x + row * x_stride + col, mask=mask, other=0.0).to(tl.float32)
    branch = tl.load(f + row * f_stride + col, mask=mask, other=0.0).to(tl.float32)
    tl.store(y + row * n + col, stream + c * branch, mask=mask)


@kernel(*_examples(_BACKWARD))
def _backward_kernel(g, df, g_stride, rows, n, blocks, c, BLOCK: tl.constexpr, ROWS: tl.constexpr):
    row, col = tile(blocks, BLOCK, ROWS)
    mask = (row < rows) & (col < n)
    grad = tl.load(g + row * g_stride + col, mask=mask, other=0.0).to(tl.float32)
    tl.store(df + row * n + col, c * grad, mask=mask)


def residual_add(x: torch.Tensor, f: torch.Tensor, c: float) -> torch.Tensor:
    """y[R, N] = x + c f for x[R, N], f[R, N]; their dtype, summed in float32 and rounded once.

    Rows may have any stride.
    Raises ValueError for shapes that differ, TypeError for dtypes that differ or are not float32, bfloat16, float16.
    """
    sizes = one_dtype(x=(x, "R N"), f=(f, "R N"))
    rows, n = sizes["R"], sizes["N"]
    y = empty_like(x)
    if rows and n:
        x, f = unit_columns(x), unit_columns(f)
        tiles = element_tiles(n)
        grid, blocks = element_grid(rows, n, tiles)
        _forward_kernel[grid](x, f, y, x.stride(0), f.stride(0), rows, n, blocks, float(c), **tiles)
    return y


def residual_add_backward(g: torch.Tensor, c: float) -> tuple[torch.Tensor, torch.Tensor]:
    """dx = g (the tensor itself) and df = c g of sum(g * residual_add(x, f, c)); for c = 1 df is g as well."""
    rows, n = one_dtype(g=(g, "R N")).values()
    if c == 1:
        return g, g
    df = empty_like(g)
    if rows and n:
        source = unit_columns(g)
        tiles = element_tiles(n)
        grid, blocks = element_grid(rows, n, tiles)
        _backward_kernel[grid](source, df, source.stride(0), rows, n, blocks, float(c), **tiles)
    return g, df


class ResidualAddFunction(torch.autograd.Function):
    """`residual_add` of tensors [..., N] with its gradients; keeps nothing but c."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, f: torch.Tensor, c: float) -> torch.Tensor:
        if x.shape != f.shape:
            raise ValueError(f"f: expected the shape of x, {list(x.shape)}, got {list(f.shape)}")
        ctx.c = c
        return residual_add(x.reshape(-1, x.shape[-1]), f.reshape(-1, x.shape[-1]), c).view(x.shape)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, g: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, None]:
        dx, df = residual_add_backward(g.reshape(-1, g.shape[-1]), ctx.c)
        return dx.view(g.shape), df.view(g.shape), None


def residual_add_autograd(x: torch.Tensor, f: torch.Tensor, c: float = 1.0) -> torch.Tensor:
    """`residual_add` of tensors [..., N], differentiable in x and f."""
    return ResidualAddFunction.apply(x, f, c)
