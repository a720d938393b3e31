"""Embedding: rows of a table looked up by id, and the gradient of the table, in Triton.

    y_t  = w_(ids_t)          dw_v = sum of g_t over t with ids_t = v

The backward is two launches and adds nothing atomically. The first orders the tokens by id, stably: each of its
programs owns some consecutive rows of the table, and picks and orders their tokens. The second sums: a program owns a
block of dw, sums the gradients of each row's tokens in float32 in a fixed order (up to FEW tokens one after the other,
more of them in TOKENS partial sums, each of which takes every TOKENS-th), rounds once and writes the block, zeros where
there are no tokens. So it is deterministic, and dw needs no clearing. Most rows have at most two tokens, which the
first launch names for each row, so that the second reads gradients after a single look-up. Traffic: the forward reads
and writes T D elements, the backward reads T D and writes V D; the ids are read by each program of the first launch,
from the cache, and twice when they do not fit into its registers.

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

# The launch that orders tokens: rows of the table that a program owns, most ids that it keeps in registers, ids that it
# looks at at once when there are more, neighbours among them that one warp counts, tokens of its own that it compares
# with each other.
GROUP = 256
ONCE = 8192
IDS = 8192
LANE = 64
CHUNK = 256
ORDER_WARPS = 16
# The interpreter pays little for a loop over ids, and this one shows there what happens between blocks of them.
INTERPRETED_IDS = 1024
# The launch that sums: rows of a block and bytes of each (measured on an H200), most tokens of a row that is summed
# beside others, and tokens that are read at once of a row that has more.
ROWS = 4
WIDTH = 2048
FEW = 8
TOKENS = 4
SUM_WARPS = 4

_FORWARD = "ids=*i64 w=*{t} y=*{t} w_stride=i32:16 tokens=i32:16 vocabulary=i32:16 d=i32:16 blocks=i32"
_ORDER = "ids=*i64 picked=*i64 order=*i32 table=*i32 tokens=i32:16 vocabulary=i32:16"
_BACKWARD = "g=*{t} order=*i32 table=*i32 dw=*{t} g_stride=i32:16 vocabulary=i32:16 d=i32:16 blocks=i32"


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


@kernel
def _columns(table, vocabulary):
    """For each row of w: its first place in the order, the one behind its last, its first token, its second."""
    # Step by step: three times the vocabulary may pass 2^31.
    last = table + vocabulary
    one = last + vocabulary
    return table, last, one, one + vocabulary


@kernel
def _local_rows(ids, start, tokens, lowest, vocabulary, IDS: tl.constexpr, LANE: tl.constexpr):
    """Tokens from `start` on and their rows, int32 [IDS / LANE, LANE].

    Rows are counted from `lowest`: -1 if the row is below, -2 if the id is wrong, V if there is no token.
    """
    token = start + (tl.arange(0, IDS // LANE) * LANE)[:, None] + tl.arange(0, LANE)[None, :]
    row = tl.load(ids + token, mask=token < tokens, other=vocabulary)
    wrong = (row < 0) | (row >= vocabulary)
    local = tl.where(wrong, -2, tl.maximum(row - lowest, -1)).to(tl.int32)
    return token, tl.where(token < tokens, local, vocabulary)


@kernel(*[
    example(
        _ORDER, label=label, GROUP=GROUP, IDS=block, LANE=LANE, CHUNK=CHUNK, ONE_BLOCK=one, num_warps=ORDER_WARPS
    )
    for label, block, one in (("7B", ONCE, True), ("350M", IDS, False))
])  # fmt: skip
def _order_kernel(
    ids, picked, order, table, tokens, vocabulary,
    GROUP: tl.constexpr, IDS: tl.constexpr, LANE: tl.constexpr, CHUNK: tl.constexpr, ONE_BLOCK: tl.constexpr,
):  # fmt: skip
    first, last, one, two = _columns(table, vocabulary)
    lowest = tl.program_id(0) * GROUP
    rows = lowest + tl.arange(0, GROUP)
    live = rows < vocabulary

    # 1. The tokens of the rows before this group stand before its own.
    if ONE_BLOCK:
        token, local = _local_rows(ids, 0, tokens, lowest, vocabulary, IDS, LANE)
        below = tl.sum((local == -1).to(tl.int32), axis=1)
        wrong = tl.max((local == -2).to(tl.int32), axis=1)
    else:
        below = tl.zeros([IDS // LANE], tl.int32)
        wrong = tl.zeros([IDS // LANE], tl.int32)
        for start in range(0, tokens, IDS):
            token, local = _local_rows(ids, start, tokens, lowest, vocabulary, IDS, LANE)
            below += tl.sum((local == -1).to(tl.int32), axis=1)
            wrong |= tl.max((local == -2).to(tl.int32), axis=1)
    base = tl.sum(below)
    spoiled = tl.max(wrong) > 0

    # 2. Pick the tokens of this group, in their order, each with its row. A warp counts within a lane, without the
    # others; then the lanes are added up.
    stop = base
    for start in range(0, IDS if ONE_BLOCK else tokens, IDS):
        if not ONE_BLOCK:
            token, local = _local_rows(ids, start, tokens, lowest, vocabulary, IDS, LANE)
        mine = (local >= 0) & (local < GROUP) & (local < vocabulary - lowest)
        among = tl.cumsum(mine.to(tl.int32), axis=1)
        lanes = tl.sum(mine.to(tl.int32), axis=1)
        place = stop + (tl.cumsum(lanes, axis=0) - lanes)[:, None] + among - 1
        tl.store(picked + place, (local.to(tl.int64) << 32) | token, mask=mine)
        stop += tl.sum(lanes, axis=0)
    tl.debug_barrier()  # other threads read what was stored

    # 3. Where the tokens of each row begin and end.
    at = tl.arange(0, CHUNK)
    count = tl.zeros([GROUP], tl.int32)
    for start in range(base, stop, CHUNK):
        inside = start + at < stop
        row = (tl.load(picked + start + at, mask=inside, other=0) >> 32).to(tl.int32)
        count += tl.histogram(row, GROUP, mask=inside)
    begin = base + tl.cumsum(count, axis=0) - count
    # Negative in `two`: there is none, or (-2) the order has to be looked at.
    pair = (count == 2) & (spoiled == 0)
    tl.store(first + rows, begin, mask=live)
    tl.store(last + rows, tl.where(spoiled, begin - 1, begin + count), mask=live)
    tl.store(one + rows, -1, mask=live & (count == 0))
    tl.store(two + rows, tl.where((count > 2) | spoiled, -2, -1), mask=live & (pair == 0))

    # 4. Put them in: behind those of earlier chunks, and those before it in its own.
    PART: tl.constexpr = min(CHUNK, 32)
    cursor = begin
    for start in range(base, stop, CHUNK):
        inside = start + at < stop
        key = tl.load(picked + start + at, mask=inside, other=0)
        chosen = key.to(tl.int32)
        row = (key >> 32).to(tl.int32)
        equal = tl.zeros([CHUNK, PART], tl.int32)
        for part in range(0, CHUNK, PART):  # all at once do not fit into the registers
            beside = part + tl.arange(0, PART)
            other = tl.load(picked + start + beside, mask=start + beside < stop, other=0) >> 32
            equal += ((row[:, None] == other.to(tl.int32)[None, :]) & (beside[None, :] < at[:, None])).to(tl.int32)
        earlier = tl.sum(equal, axis=1)
        place = tl.gather(cursor, row, 0) + earlier
        rank = place - tl.gather(begin, row, 0)
        tl.store(order + place, chosen, mask=inside)
        tl.store(one + lowest + row, chosen, mask=inside & (rank == 0))
        tl.store(two + lowest + row, chosen, mask=inside & (rank == 1) & (tl.gather(pair.to(tl.int32), row, 0) != 0))
        cursor += tl.histogram(row, GROUP, mask=inside)


@kernel
def _gradients(g, token, inside, cols, g_stride, d):
    """Rows of g, float32 [tokens, columns], of these tokens; 0 outside."""
    mask = inside[:, None] & (cols < d)
    return tl.load(g + token.to(tl.int64)[:, None] * g_stride + cols, mask=mask, other=0.0).to(tl.float32)


@kernel
def _gradients_at(g, order, place, inside, cols, g_stride, d):
    """`_gradients` of the tokens at these places of the order."""
    return _gradients(g, tl.load(order + place, mask=inside, other=0), inside, cols, g_stride, d)


@kernel(*[
    example(
        _BACKWARD.format(t=t), label=f"350M {t}", ROWS=ROWS, BLOCK=WIDTH // size, FEW=FEW, TOKENS=TOKENS,
        num_warps=SUM_WARPS,
    )
    for t, size in (("bf16", 2), ("fp32", 4))
])  # fmt: skip
def _backward_kernel(
    g, order, table, dw, g_stride, vocabulary, d, blocks,
    ROWS: tl.constexpr, BLOCK: tl.constexpr, FEW: tl.constexpr, TOKENS: tl.constexpr,
):  # fmt: skip
    pid = tl.program_id(0)
    local = tl.arange(0, ROWS)
    row = (pid // blocks).to(tl.int64) * ROWS + local
    cols = (pid % blocks) * BLOCK + tl.arange(0, BLOCK)[None, :]
    live = row < vocabulary

    # 1. Rows with up to two tokens, side by side: a look-up, the gradients, the store, with nothing between them.
    firsts, lasts, ones, twos = _columns(table, vocabulary)
    one = tl.load(ones + row, mask=live, other=-1)
    two = tl.load(twos + row, mask=live, other=-1)
    known = two >= -1
    total = _gradients(g, one, known & (one >= 0), cols, g_stride, d)
    total += _gradients(g, two, two >= 0, cols, g_stride, d)
    tl.store(dw + row[:, None] * d + cols, total, mask=(live & known)[:, None] & (cols < d))
    if tl.min(two) < -1:
        # 2. Rows with a few, side by side too, a token of each at a time.
        begin = tl.load(firsts + row, mask=known == 0, other=0)
        end = tl.load(lasts + row, mask=known == 0, other=0)
        count = end - begin
        few = count <= FEW
        total = tl.zeros([ROWS, BLOCK], tl.float32)
        for k in range(0, tl.max(tl.where(few, count, 0))):
            total += _gradients_at(g, order, begin + k, few & (k < count), cols, g_stride, d)
        total = tl.where((count < 0)[:, None], float("nan"), total)
        tl.store(dw + row[:, None] * d + cols, total, mask=((known == 0) & few)[:, None] & (cols < d))

        # 3. The others, one after the other, many tokens at a time.
        waiting = tl.where(few, ROWS, local)
        chosen = tl.min(waiting)
        while chosen < ROWS:
            mine = local == chosen
            start = tl.sum(tl.where(mine, begin, 0))
            stop = tl.sum(tl.where(mine, end, 0))
            partial = tl.zeros([TOKENS, BLOCK], tl.float32)
            for first_place in range(start, stop, TOKENS):
                place = first_place + tl.arange(0, TOKENS)
                partial += _gradients_at(g, order, place, place < stop, cols, g_stride, d)
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


def ordered(ids: torch.Tensor, vocabulary: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Tokens by id: int32 order[T], and table[4, V] with rows first, last, one and two.

    order[first_v : last_v] are the tokens with id v, ascending. one_v is the first of them, or -1; two_v the second of
    two, -1 with fewer, and -2 when there are more. Nothing is checked: with an id outside [0, V), last < first and
    two = -2 everywhere.
    """
    tokens = len(ids)
    picked = empty((tokens,), torch.int64, ids.device)
    order = empty((tokens,), torch.int32, ids.device)
    table = empty((4, vocabulary), torch.int32, ids.device)
    once, several = (INTERPRETED_IDS,) * 2 if ids.device.type == "cpu" else (ONCE, IDS)
    block = max(LANE, triton.next_power_of_2(tokens)) if tokens <= once else several
    _order_kernel[(triton.cdiv(vocabulary, GROUP),)](
        ids.contiguous(), picked, order, table, tokens, vocabulary, GROUP=GROUP, IDS=block, LANE=LANE,
        CHUNK=min(CHUNK, block), ONE_BLOCK=tokens <= block, num_warps=ORDER_WARPS,
    )  # fmt: skip
    return order, table


def sum_rows(g: torch.Tensor, ids: torch.Tensor, dw: torch.Tensor) -> None:
    """Write the sums of the rows of g[T, D] with equal ids[T] into the contiguous dw[V, D]. Nothing is checked."""
    vocabulary, d = dw.shape
    if dw.numel():
        g = unit_columns(g)
        order, table = ordered(ids, vocabulary)
        width = min(WIDTH // dw.element_size(), triton.next_power_of_2(d))
        blocks = triton.cdiv(d, width)
        _backward_kernel[(triton.cdiv(vocabulary, ROWS) * blocks,)](
            g, order, table, dw, g.stride(0), vocabulary, d, blocks,
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
