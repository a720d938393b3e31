"""Casts between float32 and the 16-bit types, to nearest with ties to even, by PyTorch's copy kernels.

One read and one write of each element; there is nothing to fuse. The functions exist to be judged and named: each
accepts one dtype, and nothing is cast by accident.
"""

from __future__ import annotations

import torch


def _only(x: torch.Tensor, name: str, dtype: torch.dtype) -> torch.Tensor:
    if not isinstance(x, torch.Tensor):
        raise TypeError(f"{name}: expected a torch.Tensor, got {type(x).__name__}")
    if x.dtype != dtype:
        raise TypeError(f"{name}: expected {dtype}, got {x.dtype}")
    return x


def to_bf16(x: torch.Tensor) -> torch.Tensor:
    """bfloat16 of x (float32) of any shape. NaN stays NaN, values beyond the largest become infinite.

    Raises TypeError for another dtype than float32.
    """
    return _only(x, "x", torch.float32).to(torch.bfloat16)


def from_bf16(h: torch.Tensor) -> torch.Tensor:
    """float32 of h (bfloat16); exact. Raises TypeError for another dtype than bfloat16."""
    return _only(h, "h", torch.bfloat16).to(torch.float32)


def to_f16(x: torch.Tensor) -> torch.Tensor:
    """float16 of x (float32): beyond 65520 infinite, below 2^-14 in steps of 2^-24. Otherwise as `to_bf16`."""
    return _only(x, "x", torch.float32).to(torch.float16)


def from_f16(h: torch.Tensor) -> torch.Tensor:
    """float32 of h (float16); exact, subnormals included. Raises TypeError for another dtype than float16."""
    return _only(h, "h", torch.float16).to(torch.float32)
