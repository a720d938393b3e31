"""Embedding: rows of a table looked up by id, and the gradient of the table, in Triton.

    y_t  = w_(ids_t)          dw_v = sum of g_t over t with ids_t = v

The backward is one launch, and adds no numbers atomically. Each program owns some rows of the table: every 2^shift-th,
so that frequent ids, which are often neighbours, go to different programs. It reads all ids, which lie in the cache,
and enters the tokens of its rows in a list of its own: how many each row has, and up to FEW of them. (The places in the
list are given out atomically, so their order varies; the smallest is taken out first.) Then it sums the gradients of
each row's tokens in float32, one after the other, rounds once and writes the row, zeros where there are no tokens. Rows
with more than FEW tokens are left to the end: the program puts all its tokens in order, stably, and sums them in TOKENS
partial sums, each of which takes every TOKENS-th. So it is deterministic, and dw needs no clearing. Traffic: the
forward reads and writes T D elements, the backward reads T D and writes V D; the ids are read by each program, from the
cache.

On a GPU the host does not wait for the device to look at ids: one outside the table makes its row of y NaN, and every
element of dw. No address is formed from it.

Errors: ValueError for (CPU tensors) an id outside [0, V), or for shapes or devices that do not fit; TypeError for ids
that are not int64, and for other dtypes that differ or are not float32, bfloat16 or float16.
Source: Bengio, Ducharme, Vincent, Jauvin, "A Neural Probabilistic Language Model" (2003).
"""

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl
from torch.autograd.function import once_differentiable

from .._triton import empty, example, kernel, unify
from ._rows import element_grid, element_tiles, one_dtype, tile, unit_columns

# What decides in which order gradients are added: most tokens of a row that are added one after the other, and how many
# partial sums a row has that has more.
FEW = 8
TOKENS = 16
# Neighbouring tokens that one warp counts, and tokens that are compared with each other.
LANE = 64
CHUNK = 256

_FORWARD = "ids=*i64 w=*{t} y=*{t} w_stride=i32:16 tokens=i32:16 vocabulary=i32:16 d=i32:16 blocks=i32"
_BACKWARD = (
    "g=*{t} ids=*i64 tables=*i32 picked=*i64 order=*i32 dw=*{t} g_stride=i32:16 tokens=i32:16 vocabulary=i32:16 "
    "d=i32:16 shift=i32 rows=i32:16"
)


def launch_blocks(
    tokens: int, vocabulary: int, d: int, size: int, interpreted: bool = False, *, warps: int = 32, group: int = 0,
    each: int = 16, rows: int = 0, width: int = 4096, few: int = FEW, many: int = TOKENS,
    picked: int = 4096, wide: int = 2048,
) -> dict[str, Any]:  # fmt: skip
    """How the gradient is launched, where an element has `size` bytes. Only `few` and `many` change what it is.

    A program of `warps` owns `group` rows of the table at most (0: so that there are about 128 programs), looks at
    `each` ids a thread at once. Of the table it writes `rows` rows of `width` bytes at once (0: 32 KiB of them). Where
    rows have more than `few` tokens (at least 2), it looks at `picked` ids at once and adds `wide` bytes of `many`
    gradients.
    """
    threads = 32 * warps
    if interpreted:  # which pays little for a loop over ids, and much for a program
        group, threads, each, rows, picked = group or 256, 256, min(each, 4), max(rows, 64), min(picked, 1024)
    group = group or min(1024, triton.next_power_of_2(triton.cdiv(vocabulary, 128)))
    each = min(each, triton.next_power_of_2(max(1, triton.cdiv(tokens, threads))))
    if d % 16:  # neighbours are loaded one by one, each at an address of its own, for which registers are few
        width, wide = min(width, 512), min(wide, 512)
    columns = triton.next_power_of_2(d)
    width = min(width, columns * size)
    rows = rows or max(1, min(16, 32768 // width))
    return {
        "GROUP": group, "EACH": each, "THREADS": threads, "ONE_BLOCK": tokens <= each * threads,
        "ROWS": min(rows, group), "BLOCK": width // size, "FEW": few,
        "PICKED": picked, "LANE": LANE, "CHUNK": CHUNK, "WIDE": min(wide // size, columns), "TOKENS": many,
        "num_warps": warps,
    }  # fmt: skip


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
def _next(ids, bits, start, shift, THREADS: tl.constexpr):
    """The token of the lowest of each thread's bits, the place of its row, -1 without a bit, and the other bits."""
    lowest = bits & (0 - bits)
    number = (lowest.to(tl.float32).to(tl.int32, bitcast=True) >> 23) - 127  # the exponent of a power of two
    token = start + number * THREADS + tl.arange(0, THREADS)
    row = tl.load(ids + token, mask=bits > 0, other=0)
    return token, tl.where(bits > 0, (row >> shift).to(tl.int32), -1), bits - lowest


@kernel
def _count(table, place):
    """Count a token of each of these rows; how many there were before."""
    return tl.atomic_add(table + place, 1, mask=place >= 0, sem="relaxed", scope="cta")


@kernel
def _enter(table, place, before, token, GROUP: tl.constexpr, ROWS: tl.constexpr, FEW: tl.constexpr):
    """Enter these tokens, each as the one after `before` others of its row."""
    mine = place >= 0
    tl.store(table + 2 * GROUP + place * FEW + before, token, mask=mine & (before < FEW))
    most = table + GROUP + place // ROWS
    tl.atomic_max(most, before + 1, mask=mine & (before >= 2), sem="relaxed", scope="cta")


@kernel
def _list(
    ids, table, tokens, vocabulary, shift,
    GROUP: tl.constexpr, EACH: tl.constexpr, THREADS: tl.constexpr, ONE_BLOCK: tl.constexpr, ROWS: tl.constexpr,
    FEW: tl.constexpr,
):  # fmt: skip
    """Enter the tokens of this program's rows in its table. Whether an id is wrong: then the table is worth nothing."""
    WRONG: tl.constexpr = 1 << EACH
    local = tl.arange(0, GROUP)
    tl.store(table + local, 0)
    tl.store(table + GROUP + local, 0)
    tl.debug_barrier()  # other threads count on from what was stored
    thread = tl.arange(0, THREADS)
    spoiled = 0
    for start in range(0, 1 if ONE_BLOCK else tokens, EACH * THREADS):
        # 1. A bit for each id whose row is of this program: few are, and only they are looked at more closely.
        after = tokens - start - thread
        bits = tl.zeros([THREADS], tl.int32)
        outside = tl.zeros([THREADS], tl.int64)
        for k in tl.static_range(EACH):
            row = tl.load(ids + start + k * THREADS + thread, mask=k * THREADS < after, other=0)
            bits |= tl.where((row.to(tl.int32) & ((1 << shift) - 1)) == tl.program_id(0), 1 << k, 0)
            outside |= row | (vocabulary - 1 - row)  # one of the two is negative
        there = tl.minimum(tl.maximum(after + THREADS - 1, 0) // THREADS, EACH)
        bits &= (1 << there) - 1
        left = tl.max(tl.where(outside < 0, WRONG, bits))
        if left == WRONG:
            spoiled = 1

        # 2. Enter them, two of each thread at a time: a thread seldom has more.
        while (left > 0) & (left < WRONG):
            one, place, bits = _next(ids, bits, start, shift, THREADS)
            two, beside, bits = _next(ids, bits, start, shift, THREADS)
            before = _count(table, place)
            behind = _count(table, beside)
            left = tl.max(bits)
            _enter(table, place, before, one, GROUP, ROWS, FEW)
            _enter(table, beside, behind, two, GROUP, ROWS, FEW)
    tl.debug_barrier()  # other threads read what was stored
    return spoiled


@kernel
def _gradients(g, token, inside, cols, g_stride, d, fill):
    """Rows of g, float32 [tokens, columns], of these tokens; `fill` outside."""
    mask = inside[:, None] & (cols < d)
    return tl.load(g + token.to(tl.int64)[:, None] * g_stride + cols, mask=mask, other=fill).to(tl.float32)


@kernel
def _sum_few(
    g, table, dw, g_stride, vocabulary, d, shift, rows, spoiled,
    GROUP: tl.constexpr, ROWS: tl.constexpr, BLOCK: tl.constexpr, FEW: tl.constexpr,
):  # fmt: skip
    """Write this program's rows with up to FEW tokens, all as NaN if an id is wrong. More than FEW if one has more.

    Nothing here makes the threads of one warp wait for another's.
    """
    NONE: tl.constexpr = 2**31 - 1
    listed = table + 2 * GROUP
    fill = tl.where(spoiled > 0, float("nan"), 0.0)
    most = 0
    for start in range(0, rows, ROWS):
        local = start + tl.arange(0, ROWS)
        row = (local.to(tl.int64) << shift) + tl.program_id(0)
        live = row < vocabulary
        several = tl.load(table + GROUP + start // ROWS)
        count = tl.load(table + local)
        one = tl.load(listed + local * FEW)
        two = tl.load(listed + local * FEW + 1)
        count = tl.where(spoiled > 0, 0, count)
        at = dw + row[:, None] * d
        if several <= 2:
            # Two numbers have the same sum in either order.
            for start_col in range(0, d, BLOCK):
                cols = start_col + tl.arange(0, BLOCK)[None, :]
                total = _gradients(g, one, count > 0, cols, g_stride, d, fill)
                total += _gradients(g, two, count > 1, cols, g_stride, d, 0.0)
                tl.store(at + cols, total, mask=live[:, None] & (cols < d))
        else:
            most = tl.maximum(most, several)
            few = count <= FEW
            for start_col in range(0, d, BLOCK):
                cols = start_col + tl.arange(0, BLOCK)[None, :]
                total = tl.zeros([ROWS, BLOCK], tl.float32) + fill
                last = tl.zeros([ROWS], tl.int32) - 1
                for k in range(0, tl.minimum(several, FEW)):
                    next = tl.zeros([ROWS], tl.int32) + NONE
                    for j in tl.static_range(FEW):
                        token = tl.load(listed + local * FEW + j, mask=j < count, other=NONE)
                        next = tl.where(token > last, tl.minimum(next, token), next)
                    total += _gradients(g, next, few & (k < count), cols, g_stride, d, 0.0)
                    last = next
                tl.store(at + cols, total, mask=(live & few)[:, None] & (cols < d))
    return tl.where(spoiled > 0, 0, most)


@kernel
def _owners(ids, start, within, tokens, shift):
    """Of the tokens `start + within`: the program whose row each has, -1 where there is no token, and the place of the
    row among those of that program."""
    row = tl.load(ids + start + within, mask=within < tokens - start, other=-1)
    owner = tl.where(row < 0, -1, (row & ((1 << shift) - 1)).to(tl.int32))
    return owner, (row >> shift).to(tl.int32)


@kernel
def _order(
    ids, table, picked, order, tokens, shift,
    GROUP: tl.constexpr, PICKED: tl.constexpr, LANE: tl.constexpr, CHUNK: tl.constexpr,
):  # fmt: skip
    """Write the tokens of this program's rows to `order`, row by row, ascending in each. The second part of the table
    says where those of each row end."""
    pid = tl.program_id(0)
    within = (tl.arange(0, PICKED // LANE) * LANE)[:, None] + tl.arange(0, LANE)[None, :]

    # 1. The tokens of the programs before this one stand before its own.
    below = tl.zeros([PICKED // LANE, LANE], tl.int32)
    for start in range(0, tokens, PICKED):
        owner, place = _owners(ids, start, within, tokens, shift)
        below += ((owner >= 0) & (owner < pid)).to(tl.int32)
    base = tl.sum(below)

    # 2. Pick its own, in their order, each with its row. A warp counts within a lane, without the others; then the
    # lanes are added up.
    stop = base
    for start in range(0, tokens, PICKED):
        owner, place = _owners(ids, start, within, tokens, shift)
        mine = (owner == pid).to(tl.int32)
        among = tl.cumsum(mine, axis=1)
        lanes = tl.sum(mine, axis=1)
        at = stop + (tl.cumsum(lanes, axis=0) - lanes)[:, None] + among - 1
        tl.store(picked + at, (place.to(tl.int64) << 32) | (start + within), mask=mine > 0)
        stop += tl.sum(lanes, axis=0)

    # 3. Where the tokens of each row begin.
    local = tl.arange(0, GROUP)
    count = tl.load(table + local)
    cursor = table + GROUP
    tl.debug_barrier()  # what was there has been read
    tl.store(cursor + local, base + tl.cumsum(count, axis=0) - count)
    tl.debug_barrier()  # other threads read what was stored, here and in the last step

    # 4. Put them in: behind those of earlier chunks, and those before it in its own.
    PART: tl.constexpr = min(CHUNK, 32)
    at = tl.arange(0, CHUNK)
    for start in range(base, stop, CHUNK):
        inside = start + at < stop
        key = tl.load(picked + start + at, mask=inside, other=0)
        row = (key >> 32).to(tl.int32)
        equal = tl.zeros([CHUNK, PART], tl.int32)
        for part in range(0, CHUNK, PART):  # all at once do not fit into the registers
            beside = part + tl.arange(0, PART)
            other = tl.load(picked + start + beside, mask=start + beside < stop, other=0) >> 32
            equal += ((row[:, None] == other.to(tl.int32)[None, :]) & (beside[None, :] < at[:, None])).to(tl.int32)
        place = tl.load(cursor + row) + tl.sum(equal, axis=1)
        tl.store(order + place, key.to(tl.int32), mask=inside)
        tl.debug_barrier()
        tl.atomic_add(cursor + row, 1, mask=inside, sem="relaxed", scope="cta")
        tl.debug_barrier()


@kernel
def _sum_many(
    g, table, order, dw, g_stride, d, shift,
    GROUP: tl.constexpr, BLOCK: tl.constexpr, FEW: tl.constexpr, TOKENS: tl.constexpr,
):  # fmt: skip
    """Write the rows with more than FEW tokens, one after the other, many tokens at a time."""
    local = tl.arange(0, GROUP)
    waiting = tl.where(tl.load(table + local) > FEW, local, GROUP)
    chosen = tl.min(waiting)
    while chosen < GROUP:
        end = tl.load(table + GROUP + chosen)
        begin = end - tl.load(table + chosen)
        row = (chosen.to(tl.int64) << shift) + tl.program_id(0)
        for start_col in range(0, d, BLOCK):
            cols = start_col + tl.arange(0, BLOCK)[None, :]
            partial = tl.zeros([TOKENS, BLOCK], tl.float32)
            for start in range(begin, end, 2 * TOKENS):
                place = start + tl.arange(0, TOKENS)
                one = tl.load(order + place, mask=place < end, other=0)
                two = tl.load(order + TOKENS + place, mask=place < end - TOKENS, other=0)
                first = _gradients(g, one, place < end, cols, g_stride, d, 0.0)
                second = _gradients(g, two, place < end - TOKENS, cols, g_stride, d, 0.0)
                partial += first
                partial += second
            tl.store(dw + row * d + cols, tl.sum(partial, axis=0, keep_dims=True), mask=cols < d)
        waiting = tl.where(local == chosen, GROUP, waiting)
        chosen = tl.min(waiting)


@kernel(*[
    example(_BACKWARD.format(t=t), label=f"350M {t}", **launch_blocks(16384, 32768, 1024, size))
    for t, size in (("bf16", 2), ("fp32", 4))
])  # fmt: skip
def _backward_kernel(
    g, ids, tables, picked, order, dw, g_stride, tokens, vocabulary, d, shift, rows,
    GROUP: tl.constexpr, EACH: tl.constexpr, THREADS: tl.constexpr, ONE_BLOCK: tl.constexpr,
    ROWS: tl.constexpr, BLOCK: tl.constexpr, FEW: tl.constexpr, PICKED: tl.constexpr, LANE: tl.constexpr,
    CHUNK: tl.constexpr, WIDE: tl.constexpr, TOKENS: tl.constexpr,
):  # fmt: skip
    # Of this program's rows: how many tokens each has; of each block of rows, the most of one, if more than two; then
    # up to FEW tokens of each.
    table = tables + tl.program_id(0).to(tl.int64) * (GROUP * (2 + FEW))
    spoiled = _list(ids, table, tokens, vocabulary, shift, GROUP, EACH, THREADS, ONE_BLOCK, ROWS, FEW)
    most = _sum_few(g, table, dw, g_stride, vocabulary, d, shift, rows, spoiled, GROUP, ROWS, BLOCK, FEW)
    if most > FEW:
        _order(ids, table, picked, order, tokens, shift, GROUP, PICKED, LANE, CHUNK)
        _sum_many(g, table, order, dw, g_stride, d, shift, GROUP, WIDE, FEW, TOKENS)


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


def sum_rows(g: torch.Tensor, ids: torch.Tensor, dw: torch.Tensor, blocks: dict[str, Any] | None = None) -> None:
    """Write the sums of the rows of g[T, D] with equal ids[T] into the contiguous dw[V, D]. Nothing is checked.

    `blocks` are choices of `launch_blocks`.
    """
    (tokens, d), vocabulary = g.shape, len(dw)
    if dw.numel():
        g = unit_columns(g)
        tiles = launch_blocks(tokens, vocabulary, d, dw.element_size(), dw.device.type == "cpu", **(blocks or {}))
        shift = (triton.cdiv(vocabulary, tiles["GROUP"]) - 1).bit_length()
        programs = 2**shift
        tables = empty((programs, tiles["GROUP"] * (2 + tiles["FEW"])), torch.int32, ids.device)
        picked = empty((tokens,), torch.int64, ids.device)
        order = empty((tokens,), torch.int32, ids.device)
        _backward_kernel[(programs,)](
            g, ids.contiguous(), tables, picked, order, dw, g.stride(0), tokens, vocabulary, d, shift,
            triton.cdiv(vocabulary, programs), **tiles,
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
