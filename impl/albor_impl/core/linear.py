"""The affine layer y = x W^T + b with its gradients, by cuBLAS with the arithmetic of `gemm`.

    y = x W^T + b          dx = g W,  dW = g^T x,  db = sum over rows of g

float32 is multiplied in IEEE float32; narrow types are accumulated in float32, the bias included, and rounded once.

Errors: ValueError for shapes that do not fit, TypeError for dtypes that differ or are not float32, bfloat16, float16.
Source: the definition in contracts/core/linear-v1.yaml.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.autograd.function import once_differentiable

from ._rows import one_dtype
from .bias_add import bias_add_backward
from .gemm import gemm, gemm_tn, ieee_products


def linear(x: torch.Tensor, w: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """y[M, N] = x w^T + b for x[M, K], w[N, K], b[N]; their dtype.

    Raises ValueError for shapes that do not fit, TypeError for dtypes that differ or are not float32, bfloat16 or
    float16.
    """
    one_dtype(x=(x, "M K"), w=(w, "N K"), b=(b, "N"))
    with ieee_products(), torch.autocast(x.device.type, enabled=False):
        if x.device.type == "cpu" and x.dtype != torch.float32:
            # What PyTorch's CPU kernels accumulate in depends on the processor.
            return torch.addmm(b.float(), x.float(), w.float().T).to(x.dtype)
        return torch.addmm(b, x, w.T)  # the bias is added in the epilogue of the product, before it is rounded


def linear_backward(
    g: torch.Tensor, x: torch.Tensor, w: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """dx[M, K] = g w, dw[N, K] = g^T x and db[N] = sum over rows of g, of sum(g * linear(x, w, b)) for g[M, N]."""
    one_dtype(g=(g, "M N"), x=(x, "M K"), w=(w, "N K"))
    return gemm(g, w), gemm_tn(g, x), bias_add_backward(g)


class LinearFunction(torch.autograd.Function):
    """`linear` over the last axis of x[..., K] with its gradients; keeps x and w."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, w: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        flat = x.reshape(-1, x.shape[-1])
        ctx.save_for_backward(flat, w)
        return linear(flat, w, b).view(*x.shape[:-1], w.shape[0])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, g: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        x, w = ctx.saved_tensors
        dx, dw, db = linear_backward(g.reshape(-1, g.shape[-1]), x, w)
        return dx.view(*g.shape[:-1], w.shape[1]), dw, db


def linear_autograd(x: torch.Tensor, w: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """`linear` over the last axis of x[..., K], differentiable in x, w and b."""
    return LinearFunction.apply(x, w, b)
