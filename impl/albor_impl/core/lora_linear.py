"""A linear layer with a low-rank update (Hu and others 2021, arXiv:2106.09685), by cuBLAS as in `gemm`.

    y  = x W^T + s (x A) B          s = alpha / r
    dx = g W + s h A^T,  dA = s x^T h,  dB = s (x A)^T g          h = g B^T

Every product is accumulated in float32; products that enter another product, and the frozen layer's before the update
is added to it, are kept in the operands' dtype, as matrix units take them. Factors and additions ride in the epilogue
of a product: nothing of size [M, N] is read twice, and the update is never formed as a matrix [N, K].

Errors: ValueError for shapes that do not fit or a rank of 0, TypeError for dtypes that differ or are not float32,
bfloat16, float16.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.autograd.function import once_differentiable

from ._rows import one_dtype
from .gemm import gemm, gemm_nt, gemm_tn, ieee_products


def _scale(alpha: float, rank: int) -> float:
    if rank == 0:
        raise ValueError("the rank r of the update is 0: alpha / r has no value")
    return alpha / rank


def _scaled(s: float, a: torch.Tensor, b: torch.Tensor, onto: torch.Tensor | None = None) -> torch.Tensor:
    """onto + s a b, summed in float32 and rounded once."""
    with ieee_products(), torch.autocast(a.device.type, enabled=False):
        if a.device.type == "cpu":
            # What PyTorch's CPU kernels accumulate narrow types in depends on the processor, and they begin the sum
            # with `onto`, whose rounding then enters at every step.
            product = s * torch.matmul(a.float(), b.float())
            return (product if onto is None else product + onto.float()).to(a.dtype)
        if onto is None:
            return torch.addmm(a.new_empty(1), a, b, beta=0, alpha=s)
        return torch.addmm(onto, a, b, alpha=s)


def lora_linear(x: torch.Tensor, w: torch.Tensor, a: torch.Tensor, b: torch.Tensor, alpha: float) -> torch.Tensor:
    """y[M, N] = x w^T + (alpha / r) (x a) b for x[M, K], w[N, K], a[K, r], b[r, N]; their dtype.

    Raises ValueError for shapes that do not fit or a rank of 0, TypeError for dtypes that differ or are not float32,
    bfloat16, float16.
    """
    sizes = one_dtype(x=(x, "M K"), w=(w, "N K"), a=(a, "K r"), b=(b, "r N"))
    s = _scale(alpha, sizes["r"])
    return _scaled(s, gemm(x, a), b, onto=gemm_nt(x, w))


def lora_linear_backward(
    g: torch.Tensor, x: torch.Tensor, w: torch.Tensor, a: torch.Tensor, b: torch.Tensor, alpha: float
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """dx[M, K], da[K, r] and db[r, N] of sum(g * lora_linear(x, w, a, b, alpha)) for g[M, N]; w is frozen."""
    sizes = one_dtype(g=(g, "M N"), x=(x, "M K"), w=(w, "N K"), a=(a, "K r"), b=(b, "r N"))
    s = _scale(alpha, sizes["r"])
    h = _scaled(s, g, b.T)
    return _scaled(1.0, h, a.T, onto=gemm(g, w)), gemm_tn(x, h), gemm_tn(_scaled(s, x, a), g)


class LoRALinearFunction(torch.autograd.Function):
    """`lora_linear` over the last axis of x[..., K] with its gradients; w gets none."""

    @staticmethod
    def forward(
        ctx: Any, x: torch.Tensor, w: torch.Tensor, a: torch.Tensor, b: torch.Tensor, alpha: float
    ) -> torch.Tensor:
        flat = x.reshape(-1, x.shape[-1])
        ctx.save_for_backward(flat, w, a, b)
        ctx.alpha = alpha
        return lora_linear(flat, w, a, b, alpha).view(*x.shape[:-1], w.shape[0])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, g: torch.Tensor) -> tuple[torch.Tensor, None, torch.Tensor, torch.Tensor, None]:
        x, w, a, b = ctx.saved_tensors
        dx, da, db = lora_linear_backward(g.reshape(-1, g.shape[-1]), x, w, a, b, ctx.alpha)
        return dx.view(*g.shape[:-1], w.shape[1]), None, da, db, None


def lora_linear_autograd(
    x: torch.Tensor, w: torch.Tensor, a: torch.Tensor, b: torch.Tensor, alpha: float
) -> torch.Tensor:
    """`lora_linear` over the last axis of x[..., K], differentiable in x, a and b."""
    return LoRALinearFunction.apply(x, w, a, b, alpha)
