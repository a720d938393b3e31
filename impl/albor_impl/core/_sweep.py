"""Rows that are too long for one block: how programs sweep them twice, and what the two sweeps are made of.

A program has one row. A tile of it is one vector of 16 bytes for each thread, so that a thread adds up its own columns
and asks no other before the end; a step of the first sweep is TILES tiles, all on their way before the first is used.
The last KEEP tiles stay in registers. The second sweep turns these first and then goes back through the row, from what
was read last to what was read first, which is found in a cache as long as the rows in flight fit into it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import triton
import triton.language as tl

from .._triton import kernel

# Elements that one program takes when rows are short; several rows then share a program.
SHARED_BLOCK = 1024

Sweep = tuple[int, int, int, int]  # warps of a program, TILES, KEEP (a multiple of TILES), registers (0: any number)

# The interpreter pays little for another step, and small ones show there what happens between steps.
INTERPRETED: Sweep = (4, 2, 4, 0)


def sweep_blocks(itemsize: int, sweep: Sweep) -> dict[str, int]:
    """How a long row of elements of `itemsize` bytes is cut."""
    warps, tiles, keep, registers = sweep
    vector = 16 // itemsize
    blocks = {"BLOCK": 32 * warps * vector, "VECTOR": vector, "TILES": tiles, "KEEP": keep, "num_warps": warps}
    return {**blocks, "maxnreg": registers} if registers else blocks


def row_blocks(
    tokens: int, vocabulary: int, largest: int, itemsize: int, per_warp: int, sweeps: Sequence[Sweep]
) -> dict[str, Any]:
    """How a kernel over rows of logits of `itemsize` bytes is cut: rows a program, columns of a tile, warps.

    Rows of up to `largest` elements are one tile, of which a warp takes `per_warp` elements. Longer rows are swept: as
    the first of `sweeps` says up to 64 KiB, as the second says up to twice that, and as the last says beyond: the
    longer the rows, the fewer may be in flight.
    """
    width = triton.next_power_of_2(vocabulary)
    if width > largest:
        longer = sum(vocabulary * itemsize > most for most in (65536, 131072))
        return {"ROWS": 1, "ONE_BLOCK": False, **sweep_blocks(itemsize, sweeps[longer])}
    rows = min(max(1, SHARED_BLOCK // width), triton.next_power_of_2(max(tokens, 1)))
    warps = min(32, max(4, rows * width // per_warp))
    return {"ROWS": rows, "BLOCK": width, "ONE_BLOCK": True, "VECTOR": 1, "TILES": 1, "KEEP": 1, "num_warps": warps}


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
def first_kept(valid, V, STEP: tl.constexpr, KEPT: tl.constexpr):
    """First column of the part of a row that is kept, after whole steps; 0 for an ignored row."""
    return tl.where(tl.max(valid.to(tl.int32), axis=0) > 0, (tl.maximum(V - KEPT, 0) + STEP - 1) // STEP * STEP, 0)


@kernel
def load_tiles(row, cols, BLOCK: tl.constexpr, TILES: tl.constexpr, HINT: tl.constexpr):
    """The tiles of one step, all of them on their way before the first is used."""
    tiles = ()
    for i in tl.static_range(TILES):
        tile = tl.load(row + i * BLOCK + cols, eviction_policy=HINT)
        tiles = tiles + (tile,)  # noqa: RUF005 - Triton does not unpack
    return tiles


@kernel
def load_kept_tiles(row, cols, valid, left, BLOCK: tl.constexpr, KEEP: tl.constexpr):
    """The tiles that are kept, of which there are `left` columns; -inf, which adds nothing, beyond, and in rows that
    are not valid."""
    tiles = ()
    for i in tl.static_range(KEEP):
        inside = valid[:, None] & (i * BLOCK + cols < left)
        tile = tl.load(row + i * BLOCK + cols, mask=inside, other=float("-inf"), eviction_policy="evict_first")
        tiles = tiles + (tile,)  # noqa: RUF005 - Triton does not unpack
    return tiles


@kernel
def clear_row(row, cols, zeros, V, BLOCK: tl.constexpr, KEEP: tl.constexpr):
    """Zeros in the part of an ignored row that is not kept."""
    for start in range(BLOCK * KEEP, V, BLOCK):
        tl.store(row + start + cols, zeros, start + cols < V)


@kernel
def wide(x):
    """x in float32. A bfloat16 is the upper half of one: of two in a register each costs one operation on integers."""
    if x.dtype == tl.bfloat16:
        result = (x.to(tl.uint16, bitcast=True).to(tl.uint32) << 16).to(tl.float32, bitcast=True)
    else:
        result = x.to(tl.float32)
    return result


@kernel
def tiles_max(tiles, largest, FIRST: tl.constexpr, TILES: tl.constexpr):
    """Maximum of `largest` and of each row of TILES tiles from FIRST on."""
    for i in tl.static_range(FIRST, FIRST + TILES):
        largest = tl.maximum(largest, tl.max(wide(tiles[i]), axis=1))
    return largest


@kernel
def add_tiles(tiles, largest, total, PRECISE: tl.constexpr, FIRST: tl.constexpr, TILES: tl.constexpr):
    """Take the logits of one step, TILES tiles from FIRST on, into the running maxima and sums of exponentials."""
    new = tiles_max(tiles, largest, FIRST, TILES)
    base = or_zero(new)
    total = total * exp_nonpositive(largest - base, PRECISE)
    for i in tl.static_range(FIRST, FIRST + TILES):
        total += tl.sum(exp_nonpositive(wide(tiles[i]) - base[:, None], PRECISE), axis=1)
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
