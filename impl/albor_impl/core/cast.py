"""Casts between float32 and the 16-bit types, to nearest with ties to even.

One read and one write of each element; there is nothing to fuse. The functions exist to be judged and named: each
accepts one dtype, and nothing is cast by accident. One kernel does all four, in hardware's own conversions.

Tensors of any shape. Errors: TypeError for another dtype than the function's own.
Source: IEEE 754-2019, section 4.3.1.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl

from .._triton import empty_like, example, kernel

TILES: dict[str, int] = {"BLOCK": 1024, "num_warps": 4}  # elements of a program, and the warps that work on them
_PAIRS = [("fp32", "bf16"), ("bf16", "fp32"), ("fp32", "fp16"), ("fp16", "fp32")]


@kernel(*[example(f"x=*{a} y=*{b} n=i32:16", label=f"{a} to {b}", **TILES) for a, b in _PAIRS])
def _cast_kernel(x, y, n, BLOCK: tl.constexpr):
    first = tl.program_id(0).to(tl.int64) * BLOCK
    offsets = first + tl.arange(0, BLOCK)
    if first + BLOCK <= n:
        # A mask would keep the compiler from wide accesses where n is no multiple of 16.
        tl.store(y + offsets, tl.load(x + offsets).to(y.dtype.element_ty))
    else:
        inside = offsets < n
        tl.store(y + offsets, tl.load(x + offsets, mask=inside, other=0.0).to(y.dtype.element_ty), mask=inside)


def _only(x: torch.Tensor, name: str, dtype: torch.dtype) -> torch.Tensor:
    if not isinstance(x, torch.Tensor):
        raise TypeError(f"{name}: expected a torch.Tensor, got {type(x).__name__}")
    if x.dtype != dtype:
        raise TypeError(f"{name}: expected {dtype}, got {x.dtype}")
    return x


def _cast(x: torch.Tensor, dtype: torch.dtype, tiles: dict[str, int] | None = None) -> torch.Tensor:
    """x in `dtype`, contiguous; `tiles`, such as `TILES`, decide speed alone."""
    y = empty_like(x, dtype)
    n = y.numel()
    if n:
        tiles = tiles or TILES
        _cast_kernel[(triton.cdiv(n, tiles["BLOCK"]),)](x.contiguous(), y, n, **tiles)
    return y


def to_bf16(x: torch.Tensor) -> torch.Tensor:
    """bfloat16 of x (float32) of any shape, contiguous. NaN stays NaN, values beyond the largest become infinite.

    Raises TypeError for another dtype than float32.
    """
    return _cast(_only(x, "x", torch.float32), torch.bfloat16)


def from_bf16(h: torch.Tensor) -> torch.Tensor:
    """float32 of h (bfloat16) of any shape; exact, contiguous. Raises TypeError for another dtype than bfloat16."""
    return _cast(_only(h, "h", torch.bfloat16), torch.float32)


def to_f16(x: torch.Tensor) -> torch.Tensor:
    """float16 of x (float32): beyond 65520 infinite, below 2^-14 in steps of 2^-24. Otherwise as `to_bf16`."""
    return _cast(_only(x, "x", torch.float32), torch.float16)


def from_f16(h: torch.Tensor) -> torch.Tensor:
    """float32 of h (float16) of any shape; exact, subnormals included, contiguous.

    Raises TypeError for another dtype than float16.
    """
    return _cast(_only(h, "h", torch.float16), torch.float32)
