"""Casts between float32 and the 16-bit types, to nearest with ties to even.

One read and one write of each element; there is nothing to fuse. The functions exist to be judged and named: each
accepts one dtype, and nothing is cast by accident. Narrowing is PyTorch's copy kernel, which does it as fast as the
memory allows; widening is a kernel in Triton, since PyTorch's reaches half of that.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl

from .._triton import empty_like, example, kernel

BLOCK = 1024  # elements of a program
WARPS = 4


@kernel(*[example(f"h=*{t} x=*fp32 n=i32:16", label=t, BLOCK=BLOCK, num_warps=WARPS) for t in ("bf16", "fp16")])
def _widen_kernel(h, x, n, BLOCK: tl.constexpr):
    first = tl.program_id(0).to(tl.int64) * BLOCK
    offsets = first + tl.arange(0, BLOCK)
    if first + BLOCK <= n:
        # A mask would keep the compiler from wide accesses where n is no multiple of 16.
        tl.store(x + offsets, tl.load(h + offsets).to(tl.float32))
    else:
        inside = offsets < n
        tl.store(x + offsets, tl.load(h + offsets, mask=inside).to(tl.float32), mask=inside)


def _only(x: torch.Tensor, name: str, dtype: torch.dtype) -> torch.Tensor:
    if not isinstance(x, torch.Tensor):
        raise TypeError(f"{name}: expected a torch.Tensor, got {type(x).__name__}")
    if x.dtype != dtype:
        raise TypeError(f"{name}: expected {dtype}, got {x.dtype}")
    return x


def _widened(h: torch.Tensor) -> torch.Tensor:
    x = empty_like(h, torch.float32)
    n = x.numel()
    if n:
        _widen_kernel[(triton.cdiv(n, BLOCK),)](h.contiguous(), x, n, BLOCK=BLOCK, num_warps=WARPS)
    return x


def to_bf16(x: torch.Tensor) -> torch.Tensor:
    """bfloat16 of x (float32) of any shape. NaN stays NaN, values beyond the largest become infinite.

    Raises TypeError for another dtype than float32.
    """
    return _only(x, "x", torch.float32).to(torch.bfloat16)


def from_bf16(h: torch.Tensor) -> torch.Tensor:
    """float32 of h (bfloat16) of any shape; exact, contiguous. Raises TypeError for another dtype than bfloat16."""
    return _widened(_only(h, "h", torch.bfloat16))


def to_f16(x: torch.Tensor) -> torch.Tensor:
    """float16 of x (float32): beyond 65520 infinite, below 2^-14 in steps of 2^-24. Otherwise as `to_bf16`."""
    return _only(x, "x", torch.float32).to(torch.float16)


def from_f16(h: torch.Tensor) -> torch.Tensor:
    """float32 of h (float16) of any shape; exact, subnormals included, contiguous.

    Raises TypeError for another dtype than float16.
    """
    return _widened(_only(h, "h", torch.float16))
