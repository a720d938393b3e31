"""How rows are cut for kernels that may have to sweep them: rows of one block, tiles of longer ones."""

from __future__ import annotations

import pytest
from albor_impl.core._sweep import row_blocks, sweep_blocks

SWEEPS = ((4, 1, 1, 0), (8, 1, 2, 0), (16, 2, 4, 64))
LARGEST = 8192


@pytest.mark.parametrize(("itemsize", "vector"), [(2, 8), (4, 4)])
def test_each_thread_has_16_bytes_of_a_tile(itemsize, vector):
    blocks = {"BLOCK": 32 * 16 * vector, "VECTOR": vector, "TILES": 2, "KEEP": 4, "num_warps": 16}
    assert sweep_blocks(itemsize, (16, 2, 4, 0)) == blocks
    assert sweep_blocks(itemsize, (16, 2, 4, 64)) == {**blocks, "maxnreg": 64}


@pytest.mark.parametrize(
    ("itemsize", "n", "sweep"),
    [
        (2, 8193, 0),
        (2, 32768, 0),
        (2, 32769, 1),
        (2, 65536, 1),
        (2, 65537, 2),
        (4, 8193, 0),
        (4, 16384, 0),
        (4, 16385, 1),
        (4, 32768, 1),
        (4, 32769, 2),
    ],
)
def test_the_longer_a_row_the_later_the_sweep(itemsize, n, sweep):
    found = row_blocks(5, n, LARGEST, itemsize, 1024, SWEEPS)
    assert found == {"ROWS": 1, "ONE_BLOCK": False, **sweep_blocks(itemsize, SWEEPS[sweep])}


@pytest.mark.parametrize(
    ("tokens", "n", "per_warp", "rows", "block", "warps"),
    [
        (0, 33, 1024, 1, 64, 4),
        (1, 33, 1024, 1, 64, 4),
        (3, 33, 1024, 4, 64, 4),
        (100, 33, 1024, 16, 64, 4),
        (100, 33, 128, 16, 64, 8),
        (100, 1, 1024, 128, 1, 4),
        (5, 1024, 1024, 1, 1024, 4),
        (5, 2048, 128, 1, 2048, 16),
        (5, 8192, 1024, 1, 8192, 8),
        (5, 8192, 128, 1, 8192, 32),
    ],
)
def test_short_rows_share_a_block(tokens, n, per_warp, rows, block, warps):
    found = row_blocks(tokens, n, LARGEST, 2, per_warp, SWEEPS)
    one = {"ONE_BLOCK": True, "VECTOR": 1, "TILES": 1, "KEEP": 1}
    assert found == {"ROWS": rows, "BLOCK": block, "num_warps": warps, **one}
