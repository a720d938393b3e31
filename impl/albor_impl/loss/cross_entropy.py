"""Cross-entropy of next-token logits with its gradient: one pass of one kernel over the logits.

Formula
    lse_t   = log sum_j exp(z_tj)
    loss    = 1/n * sum over valid t of (lse_t - z_t,y_t)          n = number of valid tokens, y_t != ignore
    dz_tj   = (exp(z_tj - lse_t) - [j == y_t]) / n                 valid rows; exactly 0 on ignored rows

A row that fits into one block is read once and stays in registers: 2 T V elements of traffic for loss and gradient.
A longer row is swept twice by the same program, forwards and at once backwards: as long as the rows in flight fit into
the L2 cache, the second sweep finds its row there, and DRAM is read once. Several vectors a thread are on their way at
a time, and each thread keeps a maximum and a sum of its own, which are joined once.
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

# The longest row that is one block.
LARGEST_BLOCK = 8192
# How longer rows are swept, measured on an H200: see `row_blocks`.
NEAR = (16, 2)
FAR = (16, 4)
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
        result = tl.exp2(x * 1.4426950408889634)
    return result


Sweep = tuple[int, int]  # warps of a program, tiles that it takes at a time


def row_blocks(
    tokens: int, vocabulary: int, largest: int, itemsize: int, per_warp: int, near: Sweep, far: Sweep
) -> dict[str, Any]:
    """How a kernel over rows of logits of `itemsize` bytes is cut: rows a program, columns of a tile, warps.

    Rows of up to `largest` elements are one tile, of which a warp takes `per_warp` elements. Longer rows are swept in
    tiles of which a thread has a vector of 16 bytes: as `near` says up to 64 KiB, and as `far` says beyond, where few
    rows may be in flight, since they have to stay in the L2 cache.
    """
    width = triton.next_power_of_2(vocabulary)
    if width > largest:
        warps, tiles = near if vocabulary * itemsize <= 65536 else far
        vector = 16 // itemsize
        sizes = {"ROWS": 1, "BLOCK": 32 * warps * vector, "ONE_BLOCK": False, "VECTOR": vector, "TILES": tiles}
        return {**sizes, "num_warps": warps}
    rows = min(max(1, SHARED_BLOCK // width), triton.next_power_of_2(max(tokens, 1)))
    warps = min(32, max(4, rows * width // per_warp))
    return {"ROWS": rows, "BLOCK": width, "ONE_BLOCK": True, "VECTOR": 1, "TILES": 1, "num_warps": warps}


def cross_entropy_blocks(tokens: int, vocabulary: int, itemsize: int) -> dict[str, Any]:
    """How the kernel of cross-entropy is cut."""
    return row_blocks(tokens, vocabulary, LARGEST_BLOCK, itemsize, per_warp=1024, near=NEAR, far=FAR)


def _examples():
    for dtype, itemsize in (("bf16", 2), ("fp16", 2), ("fp32", 4)):
        types = f"z=*{dtype} y=*i64 count=*i64 row_loss=*fp32 dz=*{dtype} T=i32:16 V=i32:16 "
        types += "stride_z=i32:16 stride_dz=i32:16 ignore=i32"
        for size in (1024, 32768, 131072):
            blocks = cross_entropy_blocks(8192, size, itemsize)
            yield example(types, label=f"V={size}", PRECISE=dtype == "fp32", **blocks)
    yield example(
        "z=*bf16 y=*i64 count=*i64 row_loss=*fp32 dz=*bf16 T=i32 V=i32 stride_z=i32 stride_dz=i32 ignore=i32",
        label="V=33", PRECISE=False, **cross_entropy_blocks(8192, 33, 2),
    )  # fmt: skip


@kernel
def or_zero(x):
    """x, or 0 where x is -inf: a base that exponents can be taken relative to, since -inf - (-inf) would be NaN."""
    return tl.where(x == float("-inf"), 0.0, x)


@kernel
def place_rows(ROWS: tl.constexpr, BLOCK: tl.constexpr, ONE_BLOCK: tl.constexpr, VECTOR: tl.constexpr):
    """What a program works on: row and lane of each place of the first axis, columns of a tile.

    Short rows lie side by side, [ROWS, BLOCK]. A long row is shared by lanes, one a thread, each of which takes
    VECTOR neighbouring columns of a tile, [BLOCK / VECTOR, VECTOR]: it need not ask another thread to add them up.
    """
    # int64 before the stride: T * V passes 2^31 in real runs.
    program = tl.program_id(0).to(tl.int64)
    if ONE_BLOCK:
        lanes = tl.arange(0, ROWS)
        rows = program * ROWS + lanes
        cols = tl.arange(0, BLOCK)[None, :]
    else:
        tl.static_assert(ROWS == 1, "a row that is swept has a program of its own")
        lanes = tl.arange(0, BLOCK // VECTOR)
        rows = program + tl.zeros([BLOCK // VECTOR], tl.int64)
        cols = lanes[:, None] * VECTOR + tl.arange(0, VECTOR)[None, :]
    return rows, lanes, cols


@kernel
def row_pointer(matrix, rows, stride, ONE_BLOCK: tl.constexpr):
    """Where the rows of a tile begin. A row that is swept is the only one: then it is a scalar."""
    row = rows[:, None] if ONE_BLOCK else tl.program_id(0).to(tl.int64)
    return matrix + row * stride


@kernel
def first_of_last_step(valid, V, STEP: tl.constexpr):
    """First column of the last step, which may be partial, of a row that is swept; 0 for an ignored row."""
    return tl.where(tl.max(valid.to(tl.int32), axis=0) > 0, (V - 1) // STEP * STEP, 0)


@kernel
def load_tiles(row, cols, BLOCK: tl.constexpr, TILES: tl.constexpr, HINT: tl.constexpr):
    """The tiles of one step, all of them on their way before the first is used."""
    tiles = ()
    for i in tl.static_range(TILES):
        tile = tl.load(row + i * BLOCK + cols, eviction_policy=HINT)
        tiles = tiles + (tile,)  # noqa: RUF005 - Triton does not unpack
    return tiles


@kernel
def load_last_tiles(row, cols, left, BLOCK: tl.constexpr, TILES: tl.constexpr):
    """The tiles of the last step, of which there are `left` columns; -inf, which adds nothing, in the others."""
    tiles = ()
    for i in tl.static_range(TILES):
        inside = i * BLOCK + cols < left
        tile = tl.load(row + i * BLOCK + cols, mask=inside, other=float("-inf"), eviction_policy="evict_first")
        tiles = tiles + (tile,)  # noqa: RUF005 - Triton does not unpack
    return tiles


@kernel
def clear_row(row, cols, zeros, V, BLOCK: tl.constexpr, TILES: tl.constexpr):
    """Zeros from the second step of a row on."""
    for start in range(BLOCK * TILES, V, BLOCK):
        tl.store(row + start + cols, zeros, start + cols < V)


@kernel
def tiles_max(tiles, largest, TILES: tl.constexpr):
    """Maximum of `largest` and of each row of each tile. It is exact in every dtype, and cheaper in 16 bits."""
    for i in tl.static_range(TILES):
        largest = tl.maximum(largest, tl.max(tiles[i], axis=1).to(tl.float32))
    return largest


@kernel
def add_tiles(tiles, largest, total, PRECISE: tl.constexpr, TILES: tl.constexpr):
    """Take the logits of one step into the running maxima and sums of exponentials."""
    new = tiles_max(tiles, largest, TILES)
    base = or_zero(new)
    total = total * exp_nonpositive(largest - base, PRECISE)
    for i in tl.static_range(TILES):
        total += tl.sum(exp_nonpositive(tiles[i].to(tl.float32) - base[:, None], PRECISE), axis=1)
    return new, total


@kernel
def exp_at(below, factor, PRECISE: tl.constexpr):
    """exp(below * factor) for below <= 0."""
    return exp_nonpositive(below * factor, True) if PRECISE else tl.exp2(below * (factor * 1.4426950408889634))


@kernel
def join_lanes(largest, total, inverse_temperature, PRECISE: tl.constexpr):
    """Maximum and sum of the row of which each lane has seen a part; given to all lanes."""
    whole = tl.max(largest, axis=0)
    total = tl.sum(total * exp_at(largest - or_zero(whole), inverse_temperature, PRECISE), axis=0)
    return tl.zeros_like(largest) + whole, tl.zeros_like(largest) + total


@kernel
def scaled_exp(below, factor, scale, PRECISE: tl.constexpr):
    """exp(below * factor) * scale for below <= 0. Where 16 bits are wanted, the scale is a summand of the exponent."""
    if PRECISE:
        result = exp_nonpositive(below * factor, True) * scale[:, None]
    else:
        result = tl.exp2(below * (factor * 1.4426950408889634) + tl.log2(scale)[:, None])
    return result


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

    # 3. Online maximum and sum of exponentials. Ignored rows are not read. Steps before the last are whole and need no
    # mask; the last is kept.
    STEP: tl.constexpr = BLOCK * TILES
    last = 0
    largest = tl.full([rows.shape[0]], float("-inf"), tl.float32)
    total = tl.zeros([rows.shape[0]], tl.float32)
    if not ONE_BLOCK:
        last = first_of_last_step(valid, V, STEP)
        for start in range(0, last, STEP):
            tiles = load_tiles(z_rows + start, cols, BLOCK, TILES, "evict_last")
            largest, total = add_tiles(tiles, largest, total, PRECISE, TILES)
    kept = load_last_tiles(z_rows + last, cols, tl.where(valid, V - last, 0)[:, None], BLOCK, TILES)
    largest, total = add_tiles(kept, largest, total, PRECISE, TILES)
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
    left = tl.where(live, V - last, 0)[:, None]
    for i in tl.static_range(TILES):
        gradient = scaled_exp(kept[i].to(tl.float32) - base[:, None], 1.0, scale, PRECISE)
        gradient = tl.where(valid[:, None], gradient, 0.0)
        at = i * BLOCK + cols
        tl.store(dz_rows + last + at, gradient, at < left, eviction_policy="evict_first")
    if not ONE_BLOCK:
        for done in range(0, last, STEP):
            start = last - STEP - done
            tiles = load_tiles(z_rows + start, cols, BLOCK, TILES, "evict_first")
            for i in tl.static_range(TILES):
                gradient = scaled_exp(tiles[i].to(tl.float32) - base[:, None], 1.0, scale, PRECISE)
                tl.store(dz_rows + start + i * BLOCK + cols, gradient, eviction_policy="evict_first")
        if last == 0:  # an ignored row
            clear_row(dz_rows, cols, tl.zeros_like(gradient), V, BLOCK, TILES)

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
    count = (y != ignore).sum()
    row_loss = empty((tokens,), torch.float32, z.device)
    if tokens:
        blocks = blocks or cross_entropy_blocks(tokens, vocabulary, z.element_size())
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
