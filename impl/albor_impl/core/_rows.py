"""What the row-wise and elementwise kernels of this family share: layouts, tiles, and one check.

An elementwise kernel works on tiles of TILE elements of a matrix [R, N]; a program finds its own with `tile`.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl

from .._triton import kernel, unify

TILE = 4096  # elements of a program: with eight warps, sixteen of a thread


def unit_columns(tensor: torch.Tensor) -> torch.Tensor:
    """`tensor` itself when the elements of a row are adjacent (any stride between rows), else a copy."""
    return tensor if tensor.stride(1) == 1 or tensor.shape[1] == 1 else tensor.contiguous()


def one_dtype(**arguments: tuple[torch.Tensor, str]) -> dict[str, int]:
    """`unify`, and TypeError when the dtypes differ: no kernel of this family promotes silently."""
    sizes = unify(**arguments)
    dtypes = {name: tensor.dtype for name, (tensor, _) in arguments.items()}
    if len(set(dtypes.values())) > 1:
        raise TypeError(f"expected one dtype, got {', '.join(f'{name} {dtype}' for name, dtype in dtypes.items())}")
    return sizes


def row_tiles(n: int, most: int) -> dict[str, int]:
    """The block (at `most`) of a row of `n` elements, the rows of a program, and the warps that work on them."""
    block = min(triton.next_power_of_2(max(n, 1)), most)
    rows = max(1, min(TILE // block, 64))
    # Sixteen elements of a thread keep every load wide.
    warps = min(16, max(4, rows * block // (32 * 16)))
    return {"BLOCK": block, "ROWS": rows, "ONE_BLOCK": n <= block, "num_warps": warps}


def element_tiles(n: int) -> dict[str, int]:
    """How `tile` cuts a matrix with rows of `n` elements."""
    block = min(triton.next_power_of_2(max(n, 1)), TILE)
    return {"BLOCK": block, "ROWS": TILE // block, "num_warps": 8}


def element_grid(rows: int, n: int, tiles: dict[str, int]) -> tuple[tuple[int], int]:
    """The grid that covers [rows, n], and how many tiles lie beside each other, which `tile` must be told."""
    blocks = triton.cdiv(n, tiles["BLOCK"])
    return (triton.cdiv(rows, tiles["ROWS"]) * blocks,), blocks


@kernel
def tile(blocks, BLOCK: tl.constexpr, ROWS: tl.constexpr):
    """Rows [ROWS, 1] and columns [1, BLOCK] of this program's tile. int64: offsets pass 2^31."""
    pid = tl.program_id(0)
    row = (pid // blocks).to(tl.int64) * ROWS + tl.arange(0, ROWS)[:, None]
    col = (pid % blocks).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)[None, :]
    return row, col
