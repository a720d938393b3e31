"""Layer normalisation (Ba, Kiros, Hinton 2016, arXiv:1607.06450), forward and backward, in Triton.

    d = x - mean_j x_j     r = 1 / sqrt(mean_j d_j^2 + eps)     n = d r     y = n w + b
    h = g w     dx = r (h - mean_j h_j - n mean_j(h_j n_j))     dw = sum over rows of g n     db = sum over rows of g

Traffic: the forward reads x and writes y, the backward reads g and x and writes dx, each once while a row fits a block
(16,384 columns forward, 4,096 backward); a longer row is read again, mostly from L2. The mean is taken off before
anything is squared; over several blocks mean and squares are merged (Chan, Golub, LeVeque 1979), in one sweep.
The rows' contributions to dw and db go to one float32 partial for each program, and these are summed in a fixed order.
Errors: ValueError for shapes that do not fit or eps < 0, TypeError for other dtypes than float32, bfloat16, float16.
"""

from __future__ import annotations

import functools
from typing import Any

import torch
import triton
import triton.language as tl
from torch.autograd.function import once_differentiable

from .._triton import empty, empty_like, example, kernel, unify
from ._rows import row_tiles, unit_columns

FORWARD_BLOCK = 16384  # columns of a row that are kept on chip at once
BACKWARD_BLOCK = 4096  # with g, x, w, dw and db in registers
BACKWARD_PROGRAMS = 2  # for each multiprocessor: as many as its registers hold, and the partials stay small
CPU_BACKWARD_PROGRAMS = 3

_FORWARD = "x=*{t} w=*{t} b=*{t} y=*{t} x_stride=i32:16 rows=i32:16 n=i32:16 eps=fp32"
_BACKWARD = (
    "g=*{t} x=*{t} w=*{t} dx=*{t} dw=*fp32 db=*fp32 g_stride=i32:16 x_stride=i32:16 rows=i32:16 n=i32:16 eps=fp32"
)


def _examples(types: str, most: int) -> list[Any]:
    sizes = {"350M": 1024, "7B": 4096, "long row": 2 * most}
    return [
        example(types.format(t=t), label=f"{label} {t}", **row_tiles(n, most))
        for label, n in sizes.items()
        for t in ("bf16", "fp32")
    ]


@kernel
def _merge(mean, squares, value, mask, seen, count):
    """Mean and sum of squared deviations of `seen` elements a row, and of the `count` of `value` that `mask` marks."""
    here = tl.sum(tl.where(mask, value, 0.0), axis=1, keep_dims=True) / count
    apart = tl.where(mask, value - here, 0.0)
    total = seen + count
    delta = here - mean
    squares += tl.sum(apart * apart, axis=1, keep_dims=True) + delta * delta * (seen * (count / total))
    return mean + delta * (count / total), squares


@kernel(*_examples(_FORWARD, FORWARD_BLOCK))
def _forward_kernel(
    x, w, b, y, x_stride, rows, n, eps, BLOCK: tl.constexpr, ROWS: tl.constexpr, ONE_BLOCK: tl.constexpr
):  # fmt: skip
    row = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)[:, None]  # int64: rows * n passes 2^31
    cols = tl.arange(0, BLOCK)[None, :]
    x_row, y_row = x + row * x_stride, y + row * n
    if ONE_BLOCK:
        mask = (row < rows) & (cols < n)
        value = tl.load(x_row + cols, mask=mask, other=0.0).to(tl.float32)
        apart = tl.where(mask, value - tl.sum(value, axis=1, keep_dims=True) / n, 0.0)
        r = tl.rsqrt(tl.sum(apart * apart, axis=1, keep_dims=True) / n + eps)
        weight = tl.load(w + cols, mask=cols < n, other=0.0).to(tl.float32)
        bias = tl.load(b + cols, mask=cols < n, other=0.0).to(tl.float32)
        tl.store(y_row + cols, apart * r * weight + bias, mask=mask)
    else:
        mean = tl.zeros([ROWS, 1], tl.float32)
        squares = tl.zeros([ROWS, 1], tl.float32)
        for start in range(0, n, BLOCK):
            inside = (row < rows) & (start + cols < n)
            value = tl.load(x_row + start + cols, mask=inside, other=0.0).to(tl.float32)
            count = tl.minimum(n - start, BLOCK)
            mean, squares = _merge(mean, squares, value, inside, start * 1.0, count * 1.0)
        r = tl.rsqrt(squares / n + eps)
        for start in range(0, n, BLOCK):
            inside = (row < rows) & (start + cols < n)
            value = tl.load(x_row + start + cols, mask=inside, other=0.0).to(tl.float32)
            weight = tl.load(w + start + cols, mask=start + cols < n, other=0.0).to(tl.float32)
            bias = tl.load(b + start + cols, mask=start + cols < n, other=0.0).to(tl.float32)
            tl.store(y_row + start + cols, (value - mean) * r * weight + bias, mask=inside)


@kernel(*_examples(_BACKWARD, BACKWARD_BLOCK))
def _backward_kernel(
    g, x, w, dx, dw, db, g_stride, x_stride, rows, n, eps,
    BLOCK: tl.constexpr, ROWS: tl.constexpr, ONE_BLOCK: tl.constexpr,
):  # fmt: skip
    pid = tl.program_id(0)
    cols = tl.arange(0, BLOCK)[None, :]
    dw_own, db_own = dw + pid.to(tl.int64) * n, db + pid.to(tl.int64) * n
    if ONE_BLOCK:
        weight = tl.load(w + cols, mask=cols < n, other=0.0).to(tl.float32)
        dw_sum = tl.zeros([ROWS, BLOCK], dtype=tl.float32)
        db_sum = tl.zeros([ROWS, BLOCK], dtype=tl.float32)
        for first in range(pid * ROWS, rows, tl.num_programs(0) * ROWS):
            row = first + tl.arange(0, ROWS)[:, None].to(tl.int64)
            mask = (row < rows) & (cols < n)
            value = tl.load(x + row * x_stride + cols, mask=mask, other=0.0).to(tl.float32)
            grad = tl.load(g + row * g_stride + cols, mask=mask, other=0.0).to(tl.float32)
            apart = tl.where(mask, value - tl.sum(value, axis=1, keep_dims=True) / n, 0.0)
            r = tl.rsqrt(tl.sum(apart * apart, axis=1, keep_dims=True) / n + eps)
            # Rows past the end would be 0 * rsqrt(eps), which is NaN for eps = 0.
            normed = tl.where(mask, apart * r, 0.0)
            weighted = grad * weight
            mean = tl.sum(weighted, axis=1, keep_dims=True) / n
            along = tl.sum(weighted * normed, axis=1, keep_dims=True) / n
            tl.store(dx + row * n + cols, r * (weighted - mean - normed * along), mask=mask)
            dw_sum += grad * normed
            db_sum += grad
        tl.store(dw_own + cols, tl.sum(dw_sum, axis=0, keep_dims=True), mask=cols < n)
        tl.store(db_own + cols, tl.sum(db_sum, axis=0, keep_dims=True), mask=cols < n)
    else:
        # A row longer than the block: the partials of this program are its accumulators, in memory.
        for start in range(0, n, BLOCK):
            nothing = tl.zeros([1, BLOCK], dtype=tl.float32)
            tl.store(dw_own + start + cols, nothing, mask=start + cols < n)
            tl.store(db_own + start + cols, nothing, mask=start + cols < n)
        for first in range(pid, rows, tl.num_programs(0)):
            row = first + tl.zeros([1, 1], dtype=tl.int64)
            x_row, g_row, dx_row = x + row * x_stride, g + row * g_stride, dx + row * n
            center = tl.zeros([1, 1], tl.float32)
            squares = tl.zeros([1, 1], tl.float32)
            for start in range(0, n, BLOCK):
                inside = start + cols < n
                value = tl.load(x_row + start + cols, mask=inside, other=0.0).to(tl.float32)
                count = tl.minimum(n - start, BLOCK)
                center, squares = _merge(center, squares, value, inside, start * 1.0, count * 1.0)
            r = tl.rsqrt(squares / n + eps)
            sums = tl.zeros([1, BLOCK], tl.float32)
            products = tl.zeros([1, BLOCK], tl.float32)
            for start in range(0, n, BLOCK):
                inside = start + cols < n
                value = tl.load(x_row + start + cols, mask=inside, other=0.0).to(tl.float32)
                grad = tl.load(g_row + start + cols, mask=inside, other=0.0).to(tl.float32)
                weight = tl.load(w + start + cols, mask=inside, other=0.0).to(tl.float32)
                sums += grad * weight
                products += grad * weight * ((value - center) * r)
            mean = tl.sum(sums, axis=1, keep_dims=True) / n
            along = tl.sum(products, axis=1, keep_dims=True) / n
            tl.debug_barrier()  # the next pass adds to what threads of this program stored for the row before
            for start in range(0, n, BLOCK):
                inside = start + cols < n
                value = tl.load(x_row + start + cols, mask=inside, other=0.0).to(tl.float32)
                grad = tl.load(g_row + start + cols, mask=inside, other=0.0).to(tl.float32)
                weight = tl.load(w + start + cols, mask=inside, other=0.0).to(tl.float32)
                normed = (value - center) * r
                tl.store(dx_row + start + cols, r * (grad * weight - mean - normed * along), mask=inside)
                dw_before = tl.load(dw_own + start + cols, mask=inside, other=0.0)
                db_before = tl.load(db_own + start + cols, mask=inside, other=0.0)
                tl.store(dw_own + start + cols, dw_before + grad * normed, mask=inside)
                tl.store(db_own + start + cols, db_before + grad, mask=inside)


@functools.cache
def _multiprocessors(device: torch.device) -> int:
    return torch.cuda.get_device_properties(device).multi_processor_count


def _check(eps: float, **arguments: tuple[torch.Tensor, str]) -> tuple[int, int]:
    sizes = unify(**arguments)
    if not eps >= 0:
        raise ValueError(f"eps: expected a number >= 0, got {eps}")
    return sizes["R"], sizes["N"]


def layernorm(x: torch.Tensor, w: torch.Tensor, b: torch.Tensor, eps: float) -> torch.Tensor:
    """y[R, N] = (x - mean x) / sqrt(var x + eps) * w + b for x[R, N], w[N], b[N]; dtype of x, float32 inside.

    Rows may have any stride. Raises ValueError for shapes that do not fit or eps < 0, TypeError for other dtypes than
    float32, bfloat16, float16.
    """
    rows, n = _check(eps, x=(x, "R N"), w=(w, "N"), b=(b, "N"))
    y = empty_like(x)
    if rows and n:
        x, w, b = unit_columns(x), w.contiguous(), b.contiguous()
        tiles = row_tiles(n, FORWARD_BLOCK)
        _forward_kernel[(triton.cdiv(rows, tiles["ROWS"]),)](x, w, b, y, x.stride(0), rows, n, float(eps), **tiles)
    return y


def layernorm_backward(
    g: torch.Tensor, x: torch.Tensor, w: torch.Tensor, eps: float
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """dx[R, N] (dtype of x), dw[N] and db[N] (dtype of w) of sum(g * layernorm(x, w, b, eps)). Deterministic."""
    rows, n = _check(eps, g=(g, "R N"), x=(x, "R N"), w=(w, "N"))
    dx = empty_like(x)
    if not (rows and n):
        return dx, torch.zeros_like(w), torch.zeros_like(w)
    g, x, w = unit_columns(g), unit_columns(x), w.contiguous()
    tiles = row_tiles(n, BACKWARD_BLOCK)
    most = BACKWARD_PROGRAMS * _multiprocessors(x.device) if x.device.type == "cuda" else CPU_BACKWARD_PROGRAMS
    programs = min(most, triton.cdiv(rows, tiles["ROWS"]))
    partials = empty((2, programs, n), torch.float32, x.device)
    _backward_kernel[(programs,)](
        g, x, w, dx, partials[0], partials[1], g.stride(0), x.stride(0), rows, n, float(eps), **tiles
    )  # fmt: skip
    dw, db = partials.sum(1).to(w.dtype)
    return dx, dw, db


class LayerNormFunction(torch.autograd.Function):
    """`layernorm` over the last axis of x[..., N] with its gradients; keeps x, and forms mean and r again."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, w: torch.Tensor, b: torch.Tensor, eps: float) -> torch.Tensor:
        flat = x.reshape(-1, x.shape[-1])
        ctx.save_for_backward(flat, w)
        ctx.eps = eps
        return layernorm(flat, w, b, eps).view(x.shape)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, g: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, None]:
        x, w = ctx.saved_tensors
        dx, dw, db = layernorm_backward(g.reshape(x.shape), x, w, ctx.eps)
        return dx.view(g.shape), dw, db, None


def layernorm_autograd(x: torch.Tensor, w: torch.Tensor, b: torch.Tensor, eps: float) -> torch.Tensor:
    """`layernorm` over the last axis of x[..., N], differentiable in x, w and b."""
    return LayerNormFunction.apply(x, w, b, eps)
