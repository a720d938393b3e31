"""Kernels as users have them: plain `@triton.jit`, nothing of this project."""

import torch
import triton
import triton.language as tl


@triton.jit
def _silu_kernel(x, y, n, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = at < n
    value = tl.load(x + at, mask=mask).to(tl.float32)
    tl.store(y + at, (value / (1 + tl.exp(-value))).to(y.dtype.element_ty), mask=mask)


def _launched(x, last):
    x = x.contiguous()
    y = torch.empty_like(x)
    _silu_kernel[(triton.cdiv(max(x.numel(), 1), 128),)](x, y, x.numel() - last, BLOCK=128)
    return y


def silu(x):
    return _launched(x, 0)


def unfinished_silu(x):
    """The last element is masked."""
    return _launched(x, 1)
