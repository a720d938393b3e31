"""Matrix products by cuBLAS, with the arithmetic pinned down.

    gemm       c = a b        gemm_tn  c = a^T b
    gemm_nt    c = a b^T      gemm_tt  c = a^T b^T
    gemm_backward             da = g b^T,  db = a^T g

float32 is multiplied in IEEE float32 (no TF32); bfloat16 and float16 are accumulated in float32 and rounded once, with
no reduction in the narrow type. PyTorch's global switches are set for the length of the call and put back.

Results have the dtype of the operands. Errors: ValueError for shapes or devices that do not fit, TypeError for dtypes
that differ or are not float64, float32, bfloat16 or float16.
Source: Dongarra, Du Croz, Hammarling, Duff, "A Set of Level 3 Basic Linear Algebra Subprograms" (1990).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
from torch.autograd.function import once_differentiable

from .._triton import unify

_DTYPES = (torch.float64, torch.float32, torch.bfloat16, torch.float16)
_NARROW_SUMS = ("allow_bf16_reduced_precision_reduction", "allow_fp16_reduced_precision_reduction")


@contextlib.contextmanager
def ieee_products() -> Iterator[None]:
    """Matrix products in the block use IEEE float32 and accumulate narrow types in float32."""
    cuda, cpu = torch.backends.cuda.matmul, torch.backends.mkldnn.matmul
    precisions = cuda.fp32_precision, cpu.fp32_precision
    sums = {name: (getattr(cuda, name), getattr(cuda, f"{name}_split_k", None)) for name in _NARROW_SUMS}
    accumulation = cuda.allow_fp16_accumulation
    # Older code sets one switch for all backends. PyTorch refuses to read it once the newer ones disagree with it;
    # where it can be read it is moved along with them, so that no check inside sees the two disagree.
    try:
        joint = torch.get_float32_matmul_precision()
    except RuntimeError:
        joint = None
    try:
        if joint is not None:
            torch.set_float32_matmul_precision("highest")
        cuda.fp32_precision = cpu.fp32_precision = "ieee"
        for name in sums:
            setattr(cuda, name, False)
        cuda.allow_fp16_accumulation = False
        yield
    finally:
        if joint is not None:
            torch.set_float32_matmul_precision(joint)
        cuda.fp32_precision, cpu.fp32_precision = precisions
        for name, (allowed, split) in sums.items():
            setattr(cuda, name, allowed if split is None else (allowed, split))
        cuda.allow_fp16_accumulation = accumulation


def _product(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    if a.dtype != b.dtype:
        raise TypeError(f"a is {a.dtype} but b is {b.dtype}: the operands must have the same dtype")
    with ieee_products(), torch.autocast(a.device.type, enabled=False):
        if a.device.type == "cpu" and a.dtype in (torch.bfloat16, torch.float16):
            # What PyTorch's CPU kernels accumulate in depends on the processor.
            return torch.matmul(a.float(), b.float()).to(a.dtype)
        return torch.matmul(a, b)


def gemm(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """c[m, n] = sum_k a[m, k] b[k, n] for a[M, K], b[K, N]; dtype of the operands."""
    unify(_DTYPES, a=(a, "M K"), b=(b, "K N"))
    return _product(a, b)


def gemm_tn(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """c[m, n] = sum_k a[k, m] b[k, n] for a[K, M], b[K, N]."""
    unify(_DTYPES, a=(a, "K M"), b=(b, "K N"))
    return _product(a.T, b)


def gemm_nt(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """c[m, n] = sum_k a[m, k] b[n, k] for a[M, K], b[N, K]."""
    unify(_DTYPES, a=(a, "M K"), b=(b, "N K"))
    return _product(a, b.T)


def gemm_tt(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """c[m, n] = sum_k a[k, m] b[n, k] for a[K, M], b[N, K]."""
    unify(_DTYPES, a=(a, "K M"), b=(b, "N K"))
    return _product(a.T, b.T)


def gemm_backward(g: torch.Tensor, a: torch.Tensor, b: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Gradients of sum(g * gemm(a, b)): da[M, K] = g b^T and db[K, N] = a^T g, for g[M, N], a[M, K], b[K, N]."""
    unify(_DTYPES, g=(g, "M N"), a=(a, "M K"), b=(b, "K N"))
    return _product(g, b.T), _product(a.T, g)


class GemmFunction(torch.autograd.Function):
    """`gemm` with its gradients."""

    @staticmethod
    def forward(ctx: Any, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(a, b)
        return gemm(a, b)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, g: torch.Tensor) -> tuple[torch.Tensor | None, torch.Tensor | None]:
        a, b = ctx.saved_tensors
        da = gemm_nt(g, b) if ctx.needs_input_grad[0] else None
        db = gemm_tn(a, g) if ctx.needs_input_grad[1] else None
        return da, db


def gemm_autograd(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """`gemm`, differentiable in both operands."""
    return GemmFunction.apply(a, b)
