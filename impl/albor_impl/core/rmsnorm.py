"""Root-mean-square normalisation (Zhang and Sennrich 2019, arXiv:1910.07467), forward and backward, in Triton.

    r = 1 / sqrt(mean_j x_j^2 + eps)      n = x r      y = n w
    dx = r (g w - n mean_j(g_j w_j n_j))  dw = sum over rows of g n

Traffic: the forward reads x and writes y, the backward reads g and x and writes dx, each once while a row fits a
block (16,384 columns forward, 8,192 backward); a longer row is read a second time, mostly from L2. One launch for all
rows in each direction; the rows' contributions to dw go to one float32 partial for each program, and a second launch
sums these in a fixed order.

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

FORWARD_BLOCK = 16384  # columns of a row that are kept on chip at once
BACKWARD_BLOCK = 8192  # with g, x, w and dw in registers, twice as many spill
FORWARD_TILE = 4096  # elements of a program that takes several short rows; measured on an H200
BACKWARD_TILE = 2048
BACKWARD_WARPS = 16  # for each multiprocessor: as many as its registers hold, and the partials stay small
CPU_BACKWARD_PROGRAMS = 3
STAGED_BYTES = 1 << 16  # of g and x that a program of the backward fetches ahead, at most: any GPU's shared memory
SUM_COLUMNS = 16  # of a program that sums partials
SUM_ROWS = 256  # that it takes at a time

_FORWARD = "x=*{t} y=*{t} w=*{t} {rstd} x_stride=i32:16 rows=i32:16 n=i32:16 eps=fp32"
_BACKWARD = (
    "g=*{t} x=*{t} w=*{t} {rstd} dx=*{t} partials=*fp32 g_stride=i32:16 x_stride=i32:16 rows=i32:16 n=i32:16 eps=fp32"
)


def _tiles(n: int, most: int, tile: int) -> dict[str, int]:
    """The block (at `most`) of a row of `n` elements, the rows of a program, and the warps that work on them."""
    block = min(triton.next_power_of_2(max(n, 1)), most)
    rows = max(1, min(tile // block, 64))
    # Sixteen elements of a thread keep every load wide.
    warps = min(16, max(4, rows * block // (32 * 16)))
    return {"BLOCK": block, "ROWS": rows, "ONE_BLOCK": n <= block, "num_warps": warps}


def _stages(tiles: dict[str, int], dtype: torch.dtype) -> int:
    """How many tiles of g and x a program of the backward has under way: three, or one where two would not fit."""
    return 3 if 4 * tiles["ROWS"] * tiles["BLOCK"] * dtype.itemsize <= STAGED_BYTES else 1


def _examples(types: str, most: int, staged: bool) -> list[Any]:
    """With the inverse root mean squares kept for the backward, as in training, and once without."""
    sizes = {"350M": 1024, "7B": 4096, "long row": most, "two blocks": most + 4096}

    def launch(n: int, dtype: torch.dtype) -> dict[str, int]:
        tiles = _tiles(n, most, BACKWARD_TILE if staged else FORWARD_TILE)
        return {**tiles, **({"STAGES": _stages(tiles, dtype)} if staged else {})}

    training = [
        example(types.format(t=t, rstd="rstd=*fp32"), label=f"{label} {t}", **launch(n, dtype))
        for label, n in sizes.items()
        for t, dtype in (("bf16", torch.bfloat16), ("fp32", torch.float32))
    ]
    last = launch(4096, torch.bfloat16)
    return [*training, example(types.format(t="bf16", rstd=""), label="7B bf16, no rstd", rstd=None, **last)]


@kernel(*_examples(_FORWARD, FORWARD_BLOCK, staged=False))
def _forward_kernel(
    x, y, w, rstd, x_stride, rows, n, eps,
    BLOCK: tl.constexpr, ROWS: tl.constexpr, ONE_BLOCK: tl.constexpr,
):  # fmt: skip
    row = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)[:, None]  # int64: rows * n passes 2^31
    cols = tl.arange(0, BLOCK)[None, :]
    x_row = x + row * x_stride
    y_row = y + row * n
    mask = (row < rows) & (cols < n)
    value = tl.load(x_row + cols, mask=mask, other=0.0).to(tl.float32)
    squares = value * value
    if not ONE_BLOCK:
        for start in range(BLOCK, n, BLOCK):
            more = tl.load(x_row + start + cols, mask=(row < rows) & (start + cols < n), other=0.0).to(tl.float32)
            squares += more * more
    weight = tl.load(w + cols, mask=cols < n, other=0.0).to(tl.float32)  # on its way while the squares are summed
    r = tl.rsqrt(tl.sum(squares, axis=1, keep_dims=True) / n + eps)
    if rstd is not None:
        tl.store(rstd + row, r, mask=row < rows)
    tl.store(y_row + cols, value * r * weight, mask=mask)
    if not ONE_BLOCK:
        for start in range(BLOCK, n, BLOCK):
            inside = (row < rows) & (start + cols < n)
            more = tl.load(x_row + start + cols, mask=inside, other=0.0).to(tl.float32)
            weight = tl.load(w + start + cols, mask=start + cols < n, other=0.0).to(tl.float32)
            tl.store(y_row + start + cols, more * r * weight, mask=inside)


@kernel(*_examples(_BACKWARD, BACKWARD_BLOCK, staged=True))
def _backward_kernel(
    g, x, w, rstd, dx, partials, g_stride, x_stride, rows, n, eps,
    BLOCK: tl.constexpr, ROWS: tl.constexpr, ONE_BLOCK: tl.constexpr, STAGES: tl.constexpr,
):  # fmt: skip
    pid = tl.program_id(0)
    cols = tl.arange(0, BLOCK)[None, :]
    partial = partials + pid.to(tl.int64) * n
    step = tl.num_programs(0) * ROWS
    if ONE_BLOCK:
        weight = tl.load(w + cols, mask=cols < n, other=0.0).to(tl.float32)
        dw = tl.zeros([ROWS, BLOCK], dtype=tl.float32)
        # Rows to come are fetched while one is worked on.
        for first in tl.range(pid * ROWS, rows, step, num_stages=STAGES):
            row = first + tl.arange(0, ROWS)[:, None].to(tl.int64)
            mask = (row < rows) & (cols < n)
            value = tl.load(x + row * x_stride + cols, mask=mask, other=0.0).to(tl.float32)
            grad = tl.load(g + row * g_stride + cols, mask=mask, other=0.0).to(tl.float32)
            if rstd is not None:
                r = tl.load(rstd + row, mask=row < rows, other=0.0)
            else:
                r = tl.rsqrt(tl.sum(value * value, axis=1, keep_dims=True) / n + eps)
            normed = value * r
            weighted = grad * weight
            mean = tl.sum(weighted * normed, axis=1, keep_dims=True) / n
            tl.store(dx + row * n + cols, r * (weighted - normed * mean), mask=mask)
            # Rows past the end would add 0 * rsqrt(eps), which is NaN for eps = 0.
            dw += tl.where(mask, grad * normed, 0.0)
        tl.store(partial + cols, tl.sum(dw, axis=0, keep_dims=True), mask=cols < n)
    else:
        # A row longer than the block: the partial of this program is its accumulator, in memory.
        for start in range(0, n, BLOCK):
            tl.store(partial + start + cols, tl.zeros([1, BLOCK], dtype=tl.float32), mask=start + cols < n)
        for first in range(pid, rows, tl.num_programs(0)):
            row = first + tl.zeros([1, 1], dtype=tl.int64)
            squares = tl.zeros([1, BLOCK], dtype=tl.float32)
            products = tl.zeros([1, BLOCK], dtype=tl.float32)
            for start in range(0, n, BLOCK):
                inside = start + cols < n
                value = tl.load(x + row * x_stride + start + cols, mask=inside, other=0.0).to(tl.float32)
                grad = tl.load(g + row * g_stride + start + cols, mask=inside, other=0.0).to(tl.float32)
                weight = tl.load(w + start + cols, mask=inside, other=0.0).to(tl.float32)
                squares += value * value
                products += grad * weight * value
            computed = tl.rsqrt(tl.sum(squares, axis=1, keep_dims=True) / n + eps)
            r = tl.load(rstd + row) if rstd is not None else computed
            mean = tl.sum(products, axis=1, keep_dims=True) * r / n
            tl.debug_barrier()  # the next pass adds to what threads of this program stored for the row before
            for start in range(0, n, BLOCK):
                inside = start + cols < n
                value = tl.load(x + row * x_stride + start + cols, mask=inside, other=0.0).to(tl.float32)
                grad = tl.load(g + row * g_stride + start + cols, mask=inside, other=0.0).to(tl.float32)
                weight = tl.load(w + start + cols, mask=inside, other=0.0).to(tl.float32)
                normed = value * r
                tl.store(dx + row * n + start + cols, r * (grad * weight - normed * mean), mask=inside)
                before = tl.load(partial + start + cols, mask=inside, other=0.0)
                tl.store(partial + start + cols, before + grad * normed, mask=inside)


@kernel(*[
    example(f"partials=*fp32 dw=*{t} programs=i32 n=i32:16", label=t, COLUMNS=SUM_COLUMNS, ROWS=SUM_ROWS, num_warps=4)
    for t in ("bf16", "fp32")
])  # fmt: skip
def _sum_kernel(partials, dw, programs, n, COLUMNS: tl.constexpr, ROWS: tl.constexpr):
    cols = tl.program_id(0) * COLUMNS + tl.arange(0, COLUMNS)[None, :]
    total = tl.zeros([ROWS, COLUMNS], tl.float32)
    for first in range(0, programs, ROWS):
        row = first + tl.arange(0, ROWS)[:, None].to(tl.int64)
        total += tl.load(partials + row * n + cols, mask=(row < programs) & (cols < n), other=0.0)
    tl.store(dw + cols, tl.sum(total, axis=0, keep_dims=True), mask=cols < n)


def _rows(tensor: torch.Tensor) -> torch.Tensor:
    """`tensor` itself when the elements of a row are adjacent (any stride between rows), else a copy."""
    return tensor if tensor.stride(1) == 1 or tensor.shape[1] == 1 else tensor.contiguous()


@functools.cache
def _multiprocessors(device: torch.device) -> int:
    return torch.cuda.get_device_properties(device).multi_processor_count


def _check(eps: float, **arguments: tuple[torch.Tensor, str]) -> tuple[int, int]:
    sizes = unify(**arguments)
    if not eps >= 0:
        raise ValueError(f"eps: expected a number >= 0, got {eps}")
    return sizes["R"], sizes["N"]


def _forward(
    x: torch.Tensor, w: torch.Tensor, eps: float, keep: bool, tiles: dict[str, int] | None = None
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """y and, for the backward when `keep` is set, r[R] in float32; `tiles`, as `_tiles` gives them, decide speed."""
    rows, n = _check(eps, x=(x, "R N"), w=(w, "N"))
    y = empty_like(x)
    rstd = empty((rows,), torch.float32, x.device) if keep else None
    if rows and n:
        x, w = _rows(x), w.contiguous()
        tiles = tiles or _tiles(n, FORWARD_BLOCK, FORWARD_TILE)
        _forward_kernel[(triton.cdiv(rows, tiles["ROWS"]),)](
            x, y, w, rstd, x.stride(0), rows, n, float(eps), **tiles
        )  # fmt: skip
    return y, rstd


def _backward(
    g: torch.Tensor, x: torch.Tensor, w: torch.Tensor, eps: float, rstd: torch.Tensor | None
) -> tuple[torch.Tensor, torch.Tensor]:
    rows, n = _check(eps, g=(g, "R N"), x=(x, "R N"), w=(w, "N"))
    dx = empty_like(x)
    if not (rows and n):
        return dx, torch.zeros_like(w)
    g, x, w = _rows(g), _rows(x), w.contiguous()
    tiles = _tiles(n, BACKWARD_BLOCK, BACKWARD_TILE)
    if x.device.type == "cuda":
        most = _multiprocessors(x.device) * max(1, BACKWARD_WARPS // tiles["num_warps"])
    else:
        most = CPU_BACKWARD_PROGRAMS
    programs = min(most, triton.cdiv(rows, tiles["ROWS"]))
    partials = empty((programs, n), torch.float32, x.device)
    _backward_kernel[(programs,)](
        g, x, w, rstd, dx, partials, g.stride(0), x.stride(0), rows, n, float(eps),
        STAGES=_stages(tiles, x.dtype), **tiles,
    )  # fmt: skip
    dw = empty_like(w)
    _sum_kernel[(triton.cdiv(n, SUM_COLUMNS),)](
        partials, dw, programs, n, COLUMNS=SUM_COLUMNS, ROWS=SUM_ROWS, num_warps=4
    )  # fmt: skip
    return dx, dw


def rmsnorm(x: torch.Tensor, w: torch.Tensor, eps: float) -> torch.Tensor:
    """y[R, N] = x / sqrt(mean_j x_j^2 + eps) * w for x[R, N], w[N]; dtype of x.

    Rows may have any stride. float32 inside: a row whose mean square passes 3.4e38 gives zeros.
    Raises ValueError for shapes that do not fit or eps < 0, TypeError for other dtypes than float32, bfloat16, float16.
    """
    return _forward(x, w, eps, keep=False)[0]


def rmsnorm_backward(
    g: torch.Tensor, x: torch.Tensor, w: torch.Tensor, eps: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """dx[R, N] (dtype of x) and dw[N] (dtype of w) of sum(g * rmsnorm(x, w, eps)). Deterministic."""
    return _backward(g, x, w, eps, None)


class RMSNormFunction(torch.autograd.Function):
    """`rmsnorm` over the last axis of x[..., N] with its gradients; keeps r, four bytes a row."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, w: torch.Tensor, eps: float) -> torch.Tensor:
        flat = x.reshape(-1, x.shape[-1])
        y, rstd = _forward(flat, w, eps, keep=True)
        ctx.save_for_backward(flat, w, rstd)
        ctx.eps = eps
        return y.view(x.shape)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, g: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, None]:
        x, w, rstd = ctx.saved_tensors
        dx, dw = _backward(g.reshape(x.shape), x, w, ctx.eps, rstd)
        return dx.view(g.shape), dw, None


def rmsnorm_autograd(x: torch.Tensor, w: torch.Tensor, eps: float) -> torch.Tensor:
    """`rmsnorm` over the last axis of x[..., N], differentiable in x and w."""
    return RMSNormFunction.apply(x, w, eps)
