"""What the kernels of the core family share: when a matrix is copied, which dtypes mix, how work is cut into tiles."""

from __future__ import annotations

import pytest
import torch
from albor_impl.core._rows import TILE, element_grid, element_tiles, one_dtype, row_tiles, unit_columns

WIDE = torch.arange(24.0).reshape(4, 6)


@pytest.mark.parametrize("tensor", [WIDE, WIDE[::2], WIDE[:, 1:4], WIDE[:, :1], WIDE.T[:, :1], WIDE[:0], WIDE[:1]])
def test_a_matrix_with_adjacent_columns_is_not_copied(tensor):
    assert unit_columns(tensor) is tensor


@pytest.mark.parametrize("tensor", [WIDE.T, WIDE.T[:, :2], WIDE[:, ::2], WIDE[:1].expand(4, 6).T])
def test_any_other_is(tensor):
    found = unit_columns(tensor)
    assert found.stride(1) == 1 and torch.equal(found, tensor)


def test_dtypes_do_not_mix():
    x, y = torch.ones(2, 3), torch.ones(2, 3, dtype=torch.bfloat16)
    assert one_dtype(x=(x, "R N"), y=(x, "R N")) == {"R": 2, "N": 3}
    with pytest.raises(TypeError, match=r"expected one dtype, got x torch.float32, y torch.bfloat16"):
        one_dtype(x=(x, "R N"), y=(y, "R N"))


@pytest.mark.parametrize("n", [0, 1, 2, 3, 64, 65, 4096, 4097, 131072])
def test_tiles_cover_a_row_and_have_a_size(n):
    rows = row_tiles(n, 2048)
    assert 1 <= rows["BLOCK"] <= 2048 and rows["ONE_BLOCK"] == (n <= rows["BLOCK"])
    assert rows["BLOCK"] >= min(n, 2048) and rows["BLOCK"] < 2 * max(n, 1)
    assert 1 <= rows["ROWS"] <= 64 and rows["ROWS"] * rows["BLOCK"] <= TILE and 4 <= rows["num_warps"] <= 16
    tiles = element_tiles(n)
    assert tiles["BLOCK"] * tiles["ROWS"] == TILE and tiles["BLOCK"] < 2 * max(n, 1)
    (programs,), beside = element_grid(5, n, tiles)
    assert beside * tiles["BLOCK"] >= n and programs == beside * -(-5 // tiles["ROWS"])
