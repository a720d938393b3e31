"""GELU (Hendrycks, Gimpel 2016, arXiv:1606.08415), exact and in its tanh form, forward and backward, in Triton.

    exact  y = x P(x)          dx = g (P(x) + x p(x))                       P, p: standard normal
    tanh   y = x s(2 z)        dx = g (s(2 z) + x s(2 z) s(-2 z) 2 z')      z = sqrt(2 / pi) (x + 0.044715 x^3)

(1 + tanh(z)) / 2 is the sigmoid s(2 z): the hardware has exp, and the far tail does not cancel.
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
    return [
        example(types.format(t=t), label=f"{'tanh' if tanh else 'exact'} {t}", TANH=tanh, **element_tiles(4096))
        for tanh in (False, True)
        for t in ("bf16", "fp32")
    ]


@kernel
def _sigmoids(x):
    """s(x) and s(-x), neither of which overflows or cancels for any x."""
    e = tl.exp(-tl.abs(x))
    near, far = 1.0 / (1.0 + e), e / (1.0 + e)
    return tl.where(x >= 0, near, far), tl.where(x >= 0, far, near)


@kernel
def _normal(x):
    """P(x), the distribution function of the standard normal."""
    return 0.5 * (1.0 + tl.erf(x * 0.7071067811865476))


@kernel(*_examples(_FORWARD))
def _forward_kernel(
    x, y, x_stride, rows, n, blocks, BLOCK: tl.constexpr, ROWS: tl.constexpr, TANH: tl.constexpr
):  # fmt: skip
    row, col = tile(blocks, BLOCK, ROWS)
    mask = (row < rows) & (col < n)
    value = tl.load(x + row * x_stride + col, mask=mask, other=0.0).to(tl.float32)
    if TANH:
        # 2 sqrt(2 / pi) (x + 0.044715 x^3)
        share, _ = _sigmoids(1.5957691216057308 * value * (1.0 + 0.044715 * value * value))
    else:
        share = _normal(value)
    tl.store(y + row * n + col, value * share, mask=mask)


@kernel(*_examples(_BACKWARD))
def _backward_kernel(
    g, x, dx, g_stride, x_stride, rows, n, blocks, BLOCK: tl.constexpr, ROWS: tl.constexpr, TANH: tl.constexpr
):  # fmt: skip
    row, col = tile(blocks, BLOCK, ROWS)
    mask = (row < rows) & (col < n)
    grad = tl.load(g + row * g_stride + col, mask=mask, other=0.0).to(tl.float32)
    value = tl.load(x + row * x_stride + col, mask=mask, other=0.0).to(tl.float32)
    if TANH:
        share, rest = _sigmoids(1.5957691216057308 * value * (1.0 + 0.044715 * value * value))
        slope = 1.5957691216057308 * (1.0 + 0.134145 * value * value)
        derivative = share + value * share * rest * slope
    else:
        density = 0.3989422804014327 * tl.exp(-0.5 * value * value)
        derivative = _normal(value) + value * density
    tl.store(dx + row * n + col, grad * derivative, mask=mask)


def _forward(x: torch.Tensor, tanh: bool) -> torch.Tensor:
    rows, n = one_dtype(x=(x, "R N")).values()
    y = empty_like(x)
    if rows and n:
        x = unit_columns(x)
        tiles = element_tiles(n)
        grid, blocks = element_grid(rows, n, tiles)
        _forward_kernel[grid](x, y, x.stride(0), rows, n, blocks, TANH=tanh, **tiles)
    return y


def _backward(g: torch.Tensor, x: torch.Tensor, tanh: bool) -> torch.Tensor:
    rows, n = one_dtype(g=(g, "R N"), x=(x, "R N")).values()
    dx = empty_like(x)
    if rows and n:
        g, x = unit_columns(g), unit_columns(x)
        tiles = element_tiles(n)
        grid, blocks = element_grid(rows, n, tiles)
        _backward_kernel[grid](g, x, dx, g.stride(0), x.stride(0), rows, n, blocks, TANH=tanh, **tiles)
    return dx


def gelu(x: torch.Tensor) -> torch.Tensor:
    """y[R, N] = x P(x), the exact form, for x[R, N]; dtype of x, float32 inside. Rows may have any stride.

    Raises ValueError unless x is a matrix, TypeError for other dtypes than float32, bfloat16, float16.
    """
    return _forward(x, False)


def gelu_backward(g: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """dx[R, N] of sum(g * gelu(x)); dtype of x, which g shares."""
    return _backward(g, x, False)


def gelu_tanh(x: torch.Tensor) -> torch.Tensor:
    """y[R, N] = x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2, the tanh form; otherwise as `gelu`."""
    return _forward(x, True)


def gelu_tanh_backward(g: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """dx[R, N] of sum(g * gelu_tanh(x)); dtype of x, which g shares."""
    return _backward(g, x, True)


class GELUFunction(torch.autograd.Function):
    """`gelu` or `gelu_tanh` of a tensor [..., N] with its gradient; keeps x."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, tanh: bool) -> torch.Tensor:
        flat = x.reshape(-1, x.shape[-1])
        ctx.save_for_backward(flat)
        ctx.tanh = tanh
        return _forward(flat, tanh).view(x.shape)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, g: torch.Tensor) -> tuple[torch.Tensor, None]:
        (x,) = ctx.saved_tensors
        return _backward(g.reshape(x.shape), x, ctx.tanh).view(g.shape), None


def gelu_autograd(x: torch.Tensor, *, tanh: bool) -> torch.Tensor:
    """The exact or the tanh form over a tensor [..., N], differentiable. There is no default: say which."""
    return GELUFunction.apply(x, tanh)
