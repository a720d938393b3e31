"""Cross-entropy of next-token logits with its gradient: one pass of one kernel over the logits.

Formula
    lse_t   = log sum_j exp(z_tj)
    loss    = 1/n * sum over valid t of (lse_t - z_t,y_t)          n = number of valid tokens, y_t != ignore
    dz_tj   = (exp(z_tj - lse_t) - [j == y_t]) / n                 valid rows; exactly 0 on ignored rows

A row that fits into one block is read once and stays in registers: 2 T V elements of traffic for loss and gradient.
A longer row is swept twice by the same program, as `core/_sweep.py` tells: DRAM is read once as long as the rows in
flight fit into the L2 cache. Two small launches beside it count the valid tokens and add up the rows' losses.
Everything is computed in float32; only dz is rounded to the dtype of z. The result is the same in every run.

Errors: TypeError for dtypes that are not supported, ValueError for shapes, devices or (CPU tensors) labels that do not
fit. `launch` and `scale_` check nothing.
Sources: Milakov, Gimelshein, "Online normalizer calculation for softmax" (2018), algorithm 3; Goodfellow, Bengio,
Courville, "Deep Learning" (2016), section 6.2.2.3.
"""

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl
from torch.autograd.function import once_differentiable

from .._triton import empty, empty_like, example, kernel
from ..core._sweep import (
    INTERPRETED,
    Sweep,
    add_tiles,
    clear_row,
    exp_nonpositive,
    first_kept,
    join_lanes,
    load_kept_tiles,
    load_tiles,
    or_zero,
    place_rows,
    row_blocks,
    row_pointer,
    scaled_exp,
)
from ._means import count_valid, mean_loss

FLOATS = (torch.float32, torch.bfloat16, torch.float16)

# The longest row that is one block.
LARGEST_BLOCK = 8192
# How longer rows are swept, measured on an H200: see `row_blocks`.
SWEEPS: tuple[Sweep, ...] = ((16, 2, 2, 0), (16, 4, 4, 64), (32, 4, 4, 0))


def cross_entropy_blocks(tokens: int, vocabulary: int, itemsize: int, interpreted: bool = False) -> dict[str, Any]:
    """How the kernel of cross-entropy is cut."""
    sweeps = 3 * (INTERPRETED,) if interpreted else SWEEPS
    return row_blocks(tokens, vocabulary, LARGEST_BLOCK, itemsize, per_warp=1024, sweeps=sweeps)


def _examples():
    for dtype, itemsize in (("bf16", 2), ("fp16", 2), ("fp32", 4)):
        types = f"z=*{dtype} y=*i64 count=*i64 row_loss=*fp32 dz=*{dtype} T=i32:16 V=i32:16 "
        types += "stride_z=i32:16 stride_dz=i32:16 ignore=i32"
        for size in (1024, 32768, 65536, 131072):
            blocks = cross_entropy_blocks(8192, size, itemsize)
            yield example(types, label=f"V={size}", PRECISE=dtype == "fp32", **blocks)
    yield example(
        "z=*bf16 y=*i64 count=*i64 row_loss=*fp32 dz=*bf16 T=i32 V=i32 stride_z=i32 stride_dz=i32 ignore=i32",
        label="V=33", PRECISE=False, **cross_entropy_blocks(8192, 33, 2),
    )  # fmt: skip


@kernel(*_examples())
def _cross_entropy_kernel(
    z,
    y,
    count,
    row_loss,
    dz,
    T,
    V,
    stride_z,
    stride_dz,
    ignore,
    ROWS: tl.constexpr,
    BLOCK: tl.constexpr,
    ONE_BLOCK: tl.constexpr,
    PRECISE: tl.constexpr,
    VECTOR: tl.constexpr,
    TILES: tl.constexpr,
    KEEP: tl.constexpr,
):
    # 1. Which rows.
    rows, lanes, cols = place_rows(ROWS, BLOCK, ONE_BLOCK, VECTOR)
    live = rows < T
    label = tl.load(y + rows, mask=live, other=0)
    valid = live & (label != ignore)
    # A label outside the vocabulary must not become a wild address; it makes its row NaN, which nobody overlooks.
    known = valid & (label >= 0) & (label < V)
    share = 1.0 / tl.maximum(tl.load(count), 1).to(tl.float32)
    first_lane = (lanes == 0) | ONE_BLOCK
    z_rows = row_pointer(z, rows, stride_z, ONE_BLOCK)
    dz_rows = row_pointer(dz, rows, stride_dz, ONE_BLOCK)

    # 2. The label's logit.
    picked = tl.load(z + rows * stride_z + label, mask=known, other=float("nan")).to(tl.float32)

    # 3. Online maximum and sum of exponentials. Ignored rows are not read. The end of the row is kept in registers; the
    # steps before it are whole and need no mask.
    STEP: tl.constexpr = BLOCK * TILES
    last = 0
    largest = tl.full([rows.shape[0]], float("-inf"), tl.float32)
    total = tl.zeros([rows.shape[0]], tl.float32)
    if not ONE_BLOCK:
        last = first_kept(valid, V, STEP, KEEP * BLOCK)
        for start in range(0, last, STEP):
            tiles = load_tiles(z_rows + start, cols, BLOCK, TILES, "evict_last")
            largest, total = add_tiles(tiles, largest, total, PRECISE, 0, TILES)
    kept = load_kept_tiles(z_rows + last, cols, valid, V - last, BLOCK, KEEP)
    for first in tl.static_range(0, KEEP, TILES):
        largest, total = add_tiles(kept, largest, total, PRECISE, first, TILES)
    if not ONE_BLOCK:
        largest, total = join_lanes(largest, total, 1.0, PRECISE)
    base = or_zero(largest)

    # 4. The row's loss. Both terms are >= 0: no digits are lost when the logits are far from 0.
    loss = tl.log(total) + (base - picked)
    tl.store(row_loss + rows, tl.where(valid, loss, 0.0), mask=live & first_lane)

    # 5. The gradient without the label's -1: of the step that was kept, then of the others, those read last first.
    # dz may be z: by now every thread has to have read the label's logit.
    tl.debug_barrier()
    scale = tl.where(known, share / total, float("nan"))
    for i in tl.static_range(KEEP):
        # Not `wide`: the compiler would keep what it made of these tiles before, in twice as many registers.
        gradient = scaled_exp(kept[i].to(tl.float32) - base[:, None], 1.0, scale, PRECISE)
        gradient = tl.where(valid[:, None], gradient, 0.0)
        at = i * BLOCK + cols
        tl.store(dz_rows + last + at, gradient, live[:, None] & (at < V - last), eviction_policy="evict_first")
    if not ONE_BLOCK:
        for done in range(0, last, STEP):
            start = last - STEP - done
            tiles = load_tiles(z_rows + start, cols, BLOCK, TILES, "evict_first")
            for i in tl.static_range(TILES):
                gradient = scaled_exp(tiles[i].to(tl.float32) - base[:, None], 1.0, scale, PRECISE)
                tl.store(dz_rows + start + i * BLOCK + cols, gradient, eviction_policy="evict_first")
        if last == 0:  # an ignored row
            clear_row(dz_rows, cols, tl.zeros_like(gradient), V, BLOCK, KEEP)

    # 6. The label's element, after the one that another thread may have written there.
    tl.debug_barrier()
    at_label = (exp_nonpositive(picked - base, PRECISE) / total - 1.0) * share
    tl.store(dz + rows * stride_dz + label, at_label, mask=known & first_lane)


@kernel(*[example(f"x=*{t} factor=*fp32 n=i64:16", label=t, BLOCK=8192, num_warps=8) for t in ("bf16", "fp16", "fp32")])
def _scale_kernel(x, factor, n, BLOCK: tl.constexpr):
    # A loss that starts the backward pass has the factor 1: then there is nothing to read or write, and the host
    # does not have to ask the device.
    scale = tl.load(factor)
    if scale != 1.0:
        offsets = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
        inside = offsets < n
        tl.store(x + offsets, tl.load(x + offsets, mask=inside, other=0.0).to(tl.float32) * scale, mask=inside)


def scale_(x: torch.Tensor, factor: torch.Tensor) -> torch.Tensor:
    """Multiply the contiguous `x` in place by the one-element `factor`, which stays on its device."""
    if x.numel():
        block = min(8192, triton.next_power_of_2(x.numel()))
        factor = factor.detach().to(torch.float32).reshape(1)
        _scale_kernel[(triton.cdiv(x.numel(), block),)](x, factor, x.numel(), BLOCK=block, num_warps=8)
    return x


def check_logits(z: torch.Tensor, name: str) -> None:
    """TypeError or ValueError unless `z` is a matrix of logits [T, V] on a device that a kernel runs on."""
    if z.dtype not in FLOATS:
        raise TypeError(f"{name} must be float32, bfloat16 or float16, got {z.dtype}")
    if z.ndim != 2 or z.shape[1] == 0:
        raise ValueError(f"{name} must have shape [T, V] with V >= 1, got {list(z.shape)}")


def check_labels(y: torch.Tensor, z: torch.Tensor, ignore: int, wait: bool = False) -> None:
    """TypeError or ValueError unless `y` holds one label for each row of `z`, in the vocabulary or ignored.

    On a GPU the labels' values are looked at only with `wait`, because the host has to wait for the device.
    """
    if y.dtype != torch.int64:
        raise TypeError(f"labels must be int64, got {y.dtype}")
    if y.shape != z.shape[:1]:
        raise ValueError(f"labels must have shape [{z.shape[0]}] like the rows of the logits, got {list(y.shape)}")
    if y.device != z.device:
        raise ValueError(f"labels are on {y.device}, logits on {z.device}")
    if wait or y.device.type == "cpu":
        outside = (y != ignore) & ((y < 0) | (y >= z.shape[1]))
        if outside.any():
            row = int(outside.nonzero()[0])
            raise ValueError(
                f"label {int(y[row])} of token {row} is outside [0, {z.shape[1]}) and is not the ignored label {ignore}"
            )


def with_unit_columns(z: torch.Tensor) -> torch.Tensor:
    """`z` itself when its rows are contiguous, however far apart they lie, else a contiguous copy."""
    return z if z.stride(1) == 1 or z.shape[1] == 1 else z.contiguous()


def launch(
    z: torch.Tensor, y: torch.Tensor, ignore: int, dz: torch.Tensor, blocks: dict[str, Any] | None = None
) -> torch.Tensor:
    """Write the gradient into `dz` (which may be `z`) and return the loss, float32 []. Nothing is checked."""
    tokens, vocabulary = z.shape
    count = count_valid(y, ignore)
    row_loss = empty((tokens,), torch.float32, z.device)
    if tokens:
        blocks = blocks or cross_entropy_blocks(tokens, vocabulary, z.element_size(), z.device.type == "cpu")
        _cross_entropy_kernel[(triton.cdiv(tokens, blocks["ROWS"]),)](
            z, y, count, row_loss, dz, tokens, vocabulary, z.stride(0), dz.stride(0), ignore,
            PRECISE=z.dtype == torch.float32, **blocks,
        )  # fmt: skip
    return mean_loss(row_loss, count)


def cross_entropy(z: torch.Tensor, y: torch.Tensor, ignore: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean cross-entropy over the tokens whose label is not `ignore`, and its gradient with respect to the logits.

    Args:
        z: logits [T, V], float32, bfloat16 or float16; -inf means probability zero. Not written to.
        y: labels [T], int64, in [0, V) or `ignore`.
        ignore: label of the tokens that do not count; their logits are not read.

    Returns:
        loss, float32 [] in nats; dz [T, V] in the dtype of z. Both are 0 when every token is ignored.

    Raises:
        TypeError: a dtype is not supported.
        ValueError: shapes do not fit, or (CPU tensors) a label is outside [0, V) and is not `ignore`. On a GPU such a
            label makes the loss and its row of dz NaN.
    """
    check_logits(z, "logits")
    check_labels(y, z, ignore)
    z = with_unit_columns(z)
    dz = empty_like(z)
    return launch(z, y.contiguous(), ignore, dz), dz


class CrossEntropy(torch.autograd.Function):
    """`cross_entropy` for autograd: the gradient is made in the forward pass, the backward pass hands it on."""

    @staticmethod
    def forward(ctx: Any, z: torch.Tensor, y: torch.Tensor, ignore: int, inplace: bool) -> torch.Tensor:
        check_logits(z, "logits")
        check_labels(y, z, ignore)
        if inplace and not z.is_contiguous():
            raise ValueError(f"in place the logits must be contiguous, got strides {z.stride()}")
        z = with_unit_columns(z.detach())
        dz = z if inplace else empty_like(z)
        loss = launch(z, y.contiguous(), ignore, dz)
        ctx.gradient = dz
        return loss

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor, None, None, None]:
        return hand_on(ctx, grad), None, None, None


def hand_on(ctx: Any, grad: torch.Tensor) -> torch.Tensor:
    """The gradient kept in `ctx`, scaled in place by `grad`; RuntimeError the second time, when it would be wrong."""
    gradient, ctx.gradient = ctx.gradient, None
    if gradient is None:
        raise RuntimeError("the gradient was handed out by an earlier backward pass and scaled in place")
    return scale_(gradient, grad)


def cross_entropy_loss(z: torch.Tensor, y: torch.Tensor, ignore: int = -100, *, inplace: bool = False) -> torch.Tensor:
    """The loss alone, float32 [], for a training script; `loss.backward()` reaches the logits.

    With `inplace` the gradient overwrites the logits: nothing may read them afterwards, and no other operation may
    have kept them for its own backward pass (a linear layer does not keep its output).
    Errors: as `cross_entropy`; ValueError where the logits to overwrite are not contiguous; RuntimeError in a second
    backward pass.
    """
    return CrossEntropy.apply(z, y, ignore, inplace)
