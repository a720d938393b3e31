"""Embedding: rows of a table looked up by id, and the gradient of the table, in Triton.

    y_t  = w_(ids_t)          dw_v = sum of g_t over t with ids_t = v

The backward is two launches and adds nothing atomically. The first orders the tokens by id, stably: each of its
programs owns some consecutive rows of the table, and picks and orders their tokens. The second sums: a program owns a
block of dw, sums the gradients of each row's tokens in float32 in a fixed order (up to FEW tokens one after the other,
more of them in TOKENS partial sums, each of which takes every TOKENS-th), rounds once and writes the block, zeros where
there are no tokens. So it is deterministic, and dw needs no clearing. Traffic: the forward reads and writes T D
elements, the backward reads T D and writes V D; the ids are read twice by each program of the first launch, from the
cache.

On a GPU the host does not wait for the device to look at ids: one outside the table makes its row of y NaN, and every
element of dw. No address is formed from it.
"""

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl
from torch.autograd.function import once_differentiable

from .._triton import empty, example, kernel, unify
from ._rows import element_grid, element_tiles, one_dtype, tile, unit_columns

# The launch that orders tokens: rows of the table that a program owns, ids that it looks at at once, tokens of its own
# that it compares with each other.
GROUP = 256
IDS = 4096
CHUNK = 64
ORDER_WARPS = 16
# The launch that sums: rows of a block and bytes of each (16 for each thread of a warp), most tokens of a row that is
# summed beside others, and tokens that are read at once of a row that has more.
ROWS = 16
WIDTH = 512
FEW = 8
TOKENS = 16
SUM_WARPS = 8

_FORWARD = "ids=*i64 w=*{t} y=*{t} w_stride=i32:16 tokens=i32:16 vocabulary=i32:16 d=i32:16 blocks=i32"
_ORDER = "ids=*i64 picked=*i32 order=*i32 first=*i32 last=*i32 tokens=i32:16 vocabulary=i32:16"
_BACKWARD = "g=*{t} order=*i32 first=*i32 last=*i32 dw=*{t} g_stride=i32:16 vocabulary=i32:16 d=i32:16 blocks=i32"


@kernel(*[example(_FORWARD.format(t=t), label=f"350M {t}", **element_tiles(1024)) for t in ("bf16", "fp32")])
def _forward_kernel(
    ids, w, y, w_stride, tokens, vocabulary, d, blocks, BLOCK: tl.constexpr, ROWS: tl.constexpr
):  # fmt: skip
    token, col = tile(blocks, BLOCK, ROWS)
    row = tl.load(ids + token, mask=token < tokens, other=0)
    known = (row >= 0) & (row < vocabulary)
    mask = (token < tokens) & (col < d)
    value = tl.load(w + row * w_stride + col, mask=mask & known, other=float("nan"))
    tl.store(y + token * d + col, value, mask=mask)


@kernel(example(_ORDER, label="350M", GROUP=GROUP, IDS=IDS, CHUNK=CHUNK, num_warps=ORDER_WARPS))
def _order_kernel(
    ids, picked, order, first, last, tokens, vocabulary, GROUP: tl.constexpr, IDS: tl.constexpr, CHUNK: tl.constexpr
):  # fmt: skip
    # order[first_v : last_v] are the tokens of row v, ascending; last_v < first_v everywhere says that an id is wrong.
    lowest = tl.program_id(0) * GROUP
    rows = lowest + tl.arange(0, GROUP)
    live = rows < vocabulary

    # 1. The tokens of the rows before this group stand before its own.
    below = tl.zeros([IDS], tl.int32)
    wrong = tl.zeros([IDS], tl.int32)
    for start in range(0, tokens, IDS):
        token = start + tl.arange(0, IDS)
        row = tl.load(ids + token, mask=token < tokens, other=vocabulary)
        below += ((row >= 0) & (row < lowest)).to(tl.int32)
        wrong |= ((token < tokens) & ((row < 0) | (row >= vocabulary))).to(tl.int32)
    base = tl.sum(below)

    # 2. Pick the tokens of this group, in their order.
    stop = base
    for start in range(0, tokens, IDS):
        token = start + tl.arange(0, IDS)
        row = tl.load(ids + token, mask=token < tokens, other=vocabulary)
        mine = (row >= lowest) & (row < lowest + GROUP) & (row < vocabulary)
        place = tl.cumsum(mine.to(tl.int32), axis=0)
        tl.store(picked + stop + place - 1, token, mask=mine)
        stop += tl.sum(mine.to(tl.int32))
    tl.debug_barrier()  # other threads read what was stored

    # 3. Where the tokens of each row begin. `last` runs from there to their end as they are put in.
    count = tl.zeros([GROUP], tl.int32)
    for start in range(base, stop, CHUNK):
        place = start + tl.arange(0, CHUNK)
        token = tl.load(picked + place, mask=place < stop, other=0)
        row = tl.load(ids + token, mask=place < stop, other=0) - lowest
        count += tl.histogram(row.to(tl.int32), GROUP, mask=place < stop)
    begin = base + tl.cumsum(count, axis=0) - count
    tl.store(first + rows, begin, mask=live)
    tl.store(last + rows, begin, mask=live)
    tl.debug_barrier()

    # 4. Put them in: behind those of earlier chunks, and those before it in its own.
    at = tl.arange(0, CHUNK)
    for start in range(base, stop, CHUNK):
        inside = start + at < stop
        token = tl.load(picked + start + at, mask=inside, other=0)
        row = tl.where(inside, tl.load(ids + token, mask=inside, other=0), -1)
        same = row[:, None] == row[None, :]
        earlier = tl.sum((same & (at[None, :] < at[:, None])).to(tl.int32), axis=1)
        later = tl.sum((same & (at[None, :] > at[:, None])).to(tl.int32), axis=1)
        place = tl.load(last + row, mask=inside, other=0) + earlier
        tl.store(order + place, token, mask=inside)
        tl.debug_barrier()  # all have read `last`
        tl.store(last + row, place + 1, mask=inside & (later == 0))
        tl.debug_barrier()
    if tl.max(wrong) > 0:
        tl.store(last + rows, begin - 1, mask=live)


@kernel
def _gradients(g, order, place, inside, cols, g_stride, d):
    """Rows of g, float32 [places, columns], of the tokens at these places of the order; 0 outside."""
    token = tl.load(order + place, mask=inside, other=0).to(tl.int64)
    mask = inside[:, None] & (cols < d)
    return tl.load(g + token[:, None] * g_stride + cols, mask=mask, other=0.0).to(tl.float32)


@kernel(*[
    example(
        _BACKWARD.format(t=t), label=f"350M {t}", ROWS=ROWS, BLOCK=WIDTH // size, FEW=FEW, TOKENS=TOKENS,
        num_warps=SUM_WARPS,
    )
    for t, size in (("bf16", 2), ("fp32", 4))
])  # fmt: skip
def _backward_kernel(
    g, order, first, last, dw, g_stride, vocabulary, d, blocks,
    ROWS: tl.constexpr, BLOCK: tl.constexpr, FEW: tl.constexpr, TOKENS: tl.constexpr,
):  # fmt: skip
    pid = tl.program_id(0)
    local = tl.arange(0, ROWS)
    row = (pid // blocks).to(tl.int64) * ROWS + local
    cols = (pid % blocks) * BLOCK + tl.arange(0, BLOCK)[None, :]
    live = row < vocabulary
    begin = tl.load(first + row, mask=live, other=0)
    end = tl.load(last + row, mask=live, other=0)
    count = end - begin

    # 1. Rows with few tokens or none, side by side, two tokens of each at a time: both are on their way together.
    few = count <= FEW
    total = tl.zeros([ROWS, BLOCK], tl.float32)
    for k in range(0, tl.max(tl.where(few, count, 0)), 2):
        one = _gradients(g, order, begin + k, few & (k < count), cols, g_stride, d)
        two = _gradients(g, order, begin + k + 1, few & (k + 1 < count), cols, g_stride, d)
        total = (total + one) + two
    total = tl.where((count < 0)[:, None], float("nan"), total)
    tl.store(dw + row[:, None] * d + cols, total, mask=(live & few)[:, None] & (cols < d))

    # 2. The others, one after the other, many tokens at a time.
    waiting = tl.where(few, ROWS, local)
    chosen = tl.min(waiting)
    while chosen < ROWS:
        mine = local == chosen
        start = tl.sum(tl.where(mine, begin, 0))
        stop = tl.sum(tl.where(mine, end, 0))
        partial = tl.zeros([TOKENS, BLOCK], tl.float32)
        for first_place in range(start, stop, TOKENS):
            place = first_place + tl.arange(0, TOKENS)
            partial += _gradients(g, order, place, place < stop, cols, g_stride, d)
        at = (pid // blocks).to(tl.int64) * ROWS + chosen
        tl.store(dw + at * d + cols, tl.sum(partial, axis=0, keep_dims=True), mask=cols < d)
        waiting = tl.where(mine, ROWS, waiting)
        chosen = tl.min(waiting)


def check_ids(ids: torch.Tensor, vocabulary: int) -> None:
    """TypeError or ValueError unless `ids` is int64 [T], T < 2^31, with values in [0, vocabulary).

    On a GPU the values are not looked at, because the host would have to wait for the device.
    """
    unify((torch.int64,), ids=(ids, "T"))
    if len(ids) >= 2**31:
        raise ValueError(f"ids: expected fewer than 2^31 tokens, which are counted in 32 bits, got {len(ids)}")
    if ids.device.type == "cpu":
        outside = (ids < 0) | (ids >= vocabulary)
        if outside.any():
            token = int(outside.nonzero()[0])
            raise ValueError(f"id {int(ids[token])} of token {token} is outside [0, {vocabulary})")


def lookup(ids: torch.Tensor, w: torch.Tensor, y: torch.Tensor) -> None:
    """Write the rows of w[V, D] that ids[T] name into the contiguous y[T, D]. Nothing is checked."""
    tokens, d = y.shape
    if y.numel():
        ids, w = ids.contiguous(), unit_columns(w)
        tiles = element_tiles(d)
        grid, blocks = element_grid(tokens, d, tiles)
        _forward_kernel[grid](ids, w, y, w.stride(0), tokens, len(w), d, blocks, **tiles)


def ordered(ids: torch.Tensor, vocabulary: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Tokens by id: int32 order[T], first[V], last[V]; order[first_v : last_v] are the tokens with id v, ascending.

    Nothing is checked. With an id outside [0, V), last < first in every row.
    """
    tokens = len(ids)
    picked, order = (empty((tokens,), torch.int32, ids.device) for _ in range(2))
    first, last = (empty((vocabulary,), torch.int32, ids.device) for _ in range(2))
    block = min(IDS, triton.next_power_of_2(max(tokens, 1)))
    _order_kernel[(triton.cdiv(vocabulary, GROUP),)](
        ids.contiguous(), picked, order, first, last, tokens, vocabulary,
        GROUP=GROUP, IDS=block, CHUNK=CHUNK, num_warps=ORDER_WARPS,
    )  # fmt: skip
    return order, first, last


def sum_rows(g: torch.Tensor, ids: torch.Tensor, dw: torch.Tensor) -> None:
    """Write the sums of the rows of g[T, D] with equal ids[T] into the contiguous dw[V, D]. Nothing is checked."""
    vocabulary, d = dw.shape
    if dw.numel():
        g = unit_columns(g)
        order, first, last = ordered(ids, vocabulary)
        width = min(WIDTH // dw.element_size(), triton.next_power_of_2(d))
        blocks = triton.cdiv(d, width)
        _backward_kernel[(triton.cdiv(vocabulary, ROWS) * blocks,)](
            g, order, first, last, dw, g.stride(0), vocabulary, d, blocks,
            ROWS=ROWS, BLOCK=width, FEW=FEW, TOKENS=TOKENS, num_warps=SUM_WARPS,
        )  # fmt: skip


def embedding(ids: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
    """y[T, D] with y_t = w_(ids_t) for ids[T] in int64 and the table w[V, D]; dtype of w, bit by bit.

    Raises ValueError for an id outside [0, V), negative ones included, and for shapes that do not fit; TypeError for
    other dtypes of w than float32, bfloat16, float16. On a GPU, where the values of ids are not waited for, such an id
    makes its row of y NaN instead.
    """
    vocabulary, d = one_dtype(w=(w, "V D")).values()
    check_ids(ids, vocabulary)
    if ids.device != w.device:
        raise ValueError(f"ids are on {ids.device}, w is on {w.device}")
    y = empty((len(ids), d), w.dtype, w.device)
    lookup(ids, w, y)
    return y


def embedding_backward(g: torch.Tensor, ids: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
    """dw[V, D] (dtype of w) of sum(g * embedding(ids, w)) for g[T, D]. Deterministic. Of w only the shape counts.

    Raises ValueError for an id outside [0, V) and for shapes that do not fit, TypeError for other dtypes. On a GPU,
    where the values of ids are not waited for, such an id makes every element of dw NaN instead.
    """
    sizes = one_dtype(g=(g, "T D"), w=(w, "V D"))
    vocabulary, d = sizes["V"], sizes["D"]
    check_ids(ids, vocabulary)
    if len(ids) != len(g):
        raise ValueError(f"g: T is {len(g)}, but ids has T = {len(ids)}")
    if ids.device != g.device:
        raise ValueError(f"ids are on {ids.device}, g is on {g.device}")
    dw = empty((vocabulary, d), w.dtype, w.device)
    sum_rows(g, ids, dw)
    return dw


class EmbeddingFunction(torch.autograd.Function):
    """`embedding` of ids of any shape, with the gradient of the table; keeps the ids."""

    @staticmethod
    def forward(ctx: Any, ids: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(ids, w)
        return embedding(ids.reshape(-1), w).view(*ids.shape, w.shape[1])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, g: torch.Tensor) -> tuple[None, torch.Tensor]:
        ids, w = ctx.saved_tensors
        return None, embedding_backward(g.reshape(-1, g.shape[-1]), ids.reshape(-1), w)


def embedding_autograd(ids: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
    """`embedding` of ids [...] as [..., D], differentiable in w."""
    return EmbeddingFunction.apply(ids, w)
