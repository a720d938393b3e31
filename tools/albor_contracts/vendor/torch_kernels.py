"""PyTorch's own kernels where they are not one call with the equation's inputs: transposes, and gradients by autograd.

Nothing here computes; each function only arranges the call. They run on the device and in the dtype of the tensors
they get, under whatever global settings PyTorch has.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch.nn import functional


def vector_jacobian(
    forward: Callable[..., torch.Tensor], inputs: Sequence[torch.Tensor], cotangent: torch.Tensor
) -> tuple[torch.Tensor, ...]:
    """The gradients of sum(cotangent * forward(*inputs)) by each input, by PyTorch's autograd."""
    leaves = [tensor.detach().requires_grad_() for tensor in inputs]
    with torch.enable_grad():
        output = forward(*leaves)
    return torch.autograd.grad(output, leaves, cotangent)


def gemm_tn(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """c[M, N] = a^T b for a[K, M], b[K, N]."""
    return torch.matmul(a.T, b)


def gemm_nt(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """c[M, N] = a b^T for a[M, K], b[N, K]."""
    return torch.matmul(a, b.T)


def gemm_tt(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """c[M, N] = a^T b^T for a[K, M], b[N, K]."""
    return torch.matmul(a.T, b.T)


def gemm_backward(g: torch.Tensor, a: torch.Tensor, b: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """da[M, K] and db[K, N] of sum(g * torch.matmul(a, b))."""
    return vector_jacobian(torch.matmul, (a, b), g)


def rmsnorm_backward(g: torch.Tensor, x: torch.Tensor, w: torch.Tensor, eps: float) -> tuple[torch.Tensor, ...]:
    """dx[R, N] and dw[N] of sum(g * rms_norm(x, w, eps)) over the last axis."""
    return vector_jacobian(lambda x, w: functional.rms_norm(x, [x.shape[1]], w, eps), (x, w), g)
