"""Cross-entropy of next-token logits with its gradient: one pass of one kernel over the logits.

Formula
    lse_t   = log sum_j exp(z_tj)
    loss    = 1/n * sum over valid t of (lse_t - z_t,y_t)          n = number of valid tokens, y_t != ignore
    dz_tj   = (exp(z_tj - lse_t) - [j == y_t]) / n                 valid rows; exactly 0 on ignored rows

A row that fits into one block is read once and stays in registers: 2 T V elements of traffic for loss and gradient.
A longer row is swept twice by the same program, at once, so that the second sweep finds it in the L2 cache.
Everything is computed in float32; only dz is rounded to the dtype of z. The result is the same in every run.

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

FLOATS = (torch.float32, torch.bfloat16, torch.float16)

# Elements of a block that a program keeps in registers: 32 for each of 1024 threads.
LARGEST_BLOCK = 32768
# Block of the two sweeps over a longer row: what the registers hold when a program has a multiprocessor to itself.
SWEEP_BLOCK = {torch.float32: 16384, torch.bfloat16: 32768, torch.float16: 32768}
# Elements that one program takes when rows are short; several rows then share a program.
SHARED_BLOCK = 1024


@kernel
def exp_nonpositive(x, PRECISE: tl.constexpr):
    """exp(x) for x <= 0, -inf or NaN.

    The device computes exp(x) as 2^(x log2 e), and the rounding of that product is a relative error of |x| u in the
    result. That vanishes in a 16-bit output, but not in a float32 one: PRECISE splits x into n ln 2 + r first.
    """
    if PRECISE:
        # exp(-1000) is 0 as well, and n * ln 2 stays finite. A NaN must stay one.
        x = tl.maximum(x, -1000.0, propagate_nan=tl.PropagateNan.ALL)
        n = tl.floor(x * 1.4426950408889634)
        # ln 2 in two parts; the first has so few digits that its product with n is exact.
        r = (x - n * 0.693138122558594) - n * 9.05800061445916e-6
        result = tl.exp(r) * tl.exp2(n)
    else:
        result = tl.exp(x)
    return result


def _examples():
    for dtype, kind in (("bf16", torch.bfloat16), ("fp16", torch.float16), ("fp32", torch.float32)):
        types = f"z=*{dtype} y=*i64 count=*i64 row_loss=*fp32 dz=*{dtype} T=i32:16 V=i32:16 "
        types += "stride_z=i32:16 stride_dz=i32:16 ignore=i32"
        precise = dtype == "fp32"
        for label, block, single, warps in (
            ("V=32768", LARGEST_BLOCK, True, 32),
            ("V=131072", SWEEP_BLOCK[kind], False, 32),
            ("V=1024", 1024, True, 4),
        ):
            yield example(
                types, label=label, ROWS=1, BLOCK=block, ONE_BLOCK=single, PRECISE=precise,
                num_warps=warps,
            )  # fmt: skip
    yield example(
        "z=*bf16 y=*i64 count=*i64 row_loss=*fp32 dz=*bf16 T=i32 V=i32 stride_z=i32 stride_dz=i32 ignore=i32",
        label="V=33", ROWS=16, BLOCK=64, ONE_BLOCK=True, PRECISE=False, num_warps=4,
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
):
    # 1. Which rows. int64 before the stride: T * V passes 2^31 in real runs.
    rows = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)
    live = rows < T
    label = tl.load(y + rows, mask=live, other=0)
    valid = live & (label != ignore)
    # A label outside the vocabulary must not become a wild address; it makes its row NaN, which nobody overlooks.
    known = valid & (label >= 0) & (label < V)
    share = 1.0 / tl.maximum(tl.load(count), 1).to(tl.float32)
    z_rows = z + rows[:, None] * stride_z
    dz_rows = dz + rows[:, None] * stride_dz
    cols = tl.arange(0, BLOCK)

    # 2. The label's logit, before any part of the row may be overwritten (dz may be z; hence the barrier).
    picked = tl.load(z + rows * stride_z + label, mask=known, other=float("nan")).to(tl.float32)
    tl.debug_barrier()

    # 3. Online maximum and sum of exponentials. Ignored rows are not read.
    largest = tl.full([ROWS], float("-inf"), tl.float32)
    total = tl.zeros([ROWS], tl.float32)
    if ONE_BLOCK:
        x = tl.load(z_rows + cols[None, :], mask=valid[:, None] & (cols < V)[None, :], other=float("-inf")).to(
            tl.float32
        )
        largest = tl.max(x, axis=1)
        base = tl.where(largest == float("-inf"), 0.0, largest)
        e = exp_nonpositive(x - base[:, None], PRECISE)
        total = tl.sum(e, axis=1)
    else:
        for start in range(0, V, BLOCK):
            inside = valid[:, None] & (start + cols < V)[None, :]
            x = tl.load(
                z_rows + start + cols[None, :], mask=inside, other=float("-inf"), eviction_policy="evict_last"
            ).to(tl.float32)
            new = tl.maximum(largest, tl.max(x, axis=1))
            # While everything seen is -inf, the exponents are taken relative to 0: -inf - (-inf) would be NaN.
            base = tl.where(new == float("-inf"), 0.0, new)
            total = total * exp_nonpositive(largest - base, PRECISE) + tl.sum(
                exp_nonpositive(x - base[:, None], PRECISE), axis=1
            )
            largest = new
        base = tl.where(largest == float("-inf"), 0.0, largest)

    # 4. The row's loss. Both terms are >= 0: no digits are lost when the logits are far from 0.
    loss = tl.log(total) + (base - picked)
    tl.store(row_loss + rows, tl.where(valid, loss, 0.0), mask=live)

    # 5. The gradient.
    scale = 1.0 / total
    if ONE_BLOCK:
        hot = tl.where(cols[None, :] == label[:, None], 1.0, 0.0)
        gradient = (e * scale[:, None] - hot) * share
        gradient = tl.where(known[:, None], gradient, tl.where(valid[:, None], float("nan"), 0.0))
        tl.store(dz_rows + cols[None, :], gradient, mask=live[:, None] & (cols < V)[None, :])
    else:
        for start in range(0, V, BLOCK):
            inside = (start + cols < V)[None, :]
            x = tl.load(
                z_rows + start + cols[None, :], mask=valid[:, None] & inside, other=float("-inf"),
                eviction_policy="evict_first",
            ).to(tl.float32)  # fmt: skip
            hot = tl.where((start + cols)[None, :] == label[:, None], 1.0, 0.0)
            gradient = (exp_nonpositive(x - base[:, None], PRECISE) * scale[:, None] - hot) * share
            gradient = tl.where(known[:, None], gradient, tl.where(valid[:, None], float("nan"), 0.0))
            tl.store(dz_rows + start + cols[None, :], gradient, mask=live[:, None] & inside)


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


def row_blocks(tokens: int, vocabulary: int, largest: int, sweep: int, per_warp: int) -> dict[str, Any]:
    """How a kernel over rows of logits is cut: rows a program, block, whether one block holds a row, warps.

    A long row takes 32 warps, which fill a multiprocessor. So few rows are in flight at a time that all of them fit
    into the L2 cache between their two sweeps.
    """
    width = triton.next_power_of_2(vocabulary)
    one_block = width <= largest
    block = width if one_block else sweep
    rows = min(max(1, SHARED_BLOCK // block), triton.next_power_of_2(max(tokens, 1)))
    warps = min(32, max(4, rows * block // per_warp))
    return {"ROWS": rows, "BLOCK": block, "ONE_BLOCK": one_block, "num_warps": warps}


def launch(
    z: torch.Tensor, y: torch.Tensor, ignore: int, dz: torch.Tensor, blocks: dict[str, Any] | None = None
) -> torch.Tensor:
    """Write the gradient into `dz` (which may be `z`) and return the loss, float32 []. Nothing is checked."""
    tokens, vocabulary = z.shape
    count = (y != ignore).sum()
    row_loss = empty((tokens,), torch.float32, z.device)
    if tokens:
        blocks = blocks or row_blocks(tokens, vocabulary, LARGEST_BLOCK, SWEEP_BLOCK[z.dtype], per_warp=512)
        _cross_entropy_kernel[(triton.cdiv(tokens, blocks["ROWS"]),)](
            z, y, count, row_loss, dz, tokens, vocabulary, z.stride(0), dz.stride(0), ignore,
            PRECISE=z.dtype == torch.float32, **blocks,
        )  # fmt: skip
    return row_loss.sum() / count.clamp(min=1)


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
    """
    return CrossEntropy.apply(z, y, ignore, inplace)
