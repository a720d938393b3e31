"""The pre-norm residual block with a linear map as its branch, and gradients through a stack with recomputation.

Formula, with r = 1 / sqrt(mean_j x_j^2 + eps) of a row and n = x r
    h = n w,  y = x + h a
    dh = g a^T,  da = h^T g,  dw = sum over rows of dh n
    dx = r (dh w - n mean_j(dh_j w_j n_j)) + g

The parts are the package's own: the RMSNorm kernels and cuBLAS products in IEEE float32. h, the product and dh are
stored in the dtype of x.

Recomputation trades one more forward pass of a segment for its activations: `every` = k keeps L / k inputs and, during
the backward pass, the inputs and h of one segment. The same kernels run on the same numbers, so that the gradients are
those of kept activations bit for bit, as long as no weight changes in between.

All tensors have one dtype. Errors: TypeError for dtypes that differ or are not float32, bfloat16 or float16; ValueError
for shapes that do not fit together, several devices, or a negative eps. `stack_forward` and `stack_backward` have
no checks of their own.
Sources: Xiong et al., "On Layer Normalization in the Transformer Architecture" (2020); Chen et al., "Training Deep Nets
with Sublinear Memory Cost" (2016).
"""

from __future__ import annotations

from typing import Any

import torch
from torch.autograd.function import once_differentiable

from .._triton import unify
from ..core.gemm import gemm, gemm_nt, gemm_tn
from ..core.rmsnorm import rmsnorm, rmsnorm_backward


def _forward(x: torch.Tensor, w: torch.Tensor, a: torch.Tensor, eps: float) -> tuple[torch.Tensor, torch.Tensor]:
    """y, and the normalised h that the backward pass needs."""
    h = rmsnorm(x, w, eps)
    return gemm(h, a).add_(x), h


def _backward(
    g: torch.Tensor, x: torch.Tensor, h: torch.Tensor, w: torch.Tensor, a: torch.Tensor, eps: float
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    dx, dw = rmsnorm_backward(gemm_nt(g, a), x, w, eps)
    return dx.add_(g), dw, gemm_tn(h, g)


def residual_block(x: torch.Tensor, w: torch.Tensor, a: torch.Tensor, eps: float) -> torch.Tensor:
    """y[R, N] = x + rmsnorm(x, w, eps) a for x[R, N], w[N], a[N, N]; dtype of x.

    Raises:
        TypeError: a dtype is not float32, bfloat16 or float16, or they differ.
        ValueError: shapes do not fit together, or eps is negative.
    """
    _check(x=(x, "R N"), w=(w, "N"), a=(a, "N N"))
    return _forward(x, w, a, eps)[0]


def residual_block_backward(
    g: torch.Tensor, x: torch.Tensor, w: torch.Tensor, a: torch.Tensor, eps: float
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Gradients dx[R, N], dw[N], da[N, N] of sum(g * residual_block(x, w, a, eps)) for g[R, N].

    Raises:
        TypeError, ValueError: as `residual_block`.
    """
    _check(g=(g, "R N"), x=(x, "R N"), w=(w, "N"), a=(a, "N N"))
    return _backward(g, x, rmsnorm(x, w, eps), w, a, eps)


def _check(**arguments: tuple[torch.Tensor, str]) -> dict[str, int]:
    sizes = unify(**arguments)
    dtypes = {tensor.dtype for tensor, _ in arguments.values()}
    if len(dtypes) > 1:
        raise TypeError(f"{', '.join(arguments)} must have one dtype, got {', '.join(sorted(map(str, dtypes)))}")
    return sizes


def _segment(
    x: torch.Tensor, w: torch.Tensor, a: torch.Tensor, eps: float, layers: range
) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """Inputs and normalised streams of these blocks, from the input of the first; the last output is not needed."""
    inputs, normed = [], []
    for layer in layers:
        inputs.append(x)
        x, h = _forward(x, w[layer], a[layer], eps)
        normed.append(h)
    return inputs, normed


def stack_forward(
    x: torch.Tensor, w: torch.Tensor, a: torch.Tensor, eps: float, every: int
) -> tuple[torch.Tensor, dict[int, torch.Tensor], list[torch.Tensor]]:
    """Output of all blocks, the inputs that are kept by their block's number, and h of all blocks when every is 0."""
    kept, normed = {}, []
    for layer in range(len(w)):
        if every == 0 or layer % every == 0:
            kept[layer] = x
        x, h = _forward(x, w[layer], a[layer], eps)
        if every == 0:
            normed.append(h)
    return x, kept, normed


def stack_backward(
    g: torch.Tensor,
    w: torch.Tensor,
    a: torch.Tensor,
    eps: float,
    every: int,
    kept: dict[int, torch.Tensor],
    normed: list[torch.Tensor],
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Gradients from what `stack_forward` kept; segments are computed again one at a time, the last first."""
    dw, da = torch.empty_like(w), torch.empty_like(a)
    size = every or len(w)
    for start in reversed(range(0, len(w), size)):
        layers = range(start, min(start + size, len(w)))
        if every == 0:
            x_of, h_of = [kept[layer] for layer in layers], normed
        else:
            x_of, h_of = _segment(kept[start], w, a, eps, layers)
        for layer in reversed(layers):
            g, dw[layer], da[layer] = _backward(g, x_of[layer - start], h_of[layer - start], w[layer], a[layer], eps)
    return g, dw, da


def residual_stack_backward(
    g: torch.Tensor, x: torch.Tensor, w: torch.Tensor, a: torch.Tensor, eps: float, every: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Gradients of sum(g * y) for y the output of L blocks one after the other.

    Args:
        g, x: gradient of the output and input of the first block [R, N].
        w, a: weights [L, N] and maps [L, N, N].
        eps: as in the block.
        every: 0 keeps all activations; k >= 1 keeps the inputs of blocks 0, k, 2k, ... and computes the rest again.

    Returns:
        dx [R, N], dw [L, N], da [L, N, N], the same bits whatever `every` is.

    Raises:
        TypeError: a dtype is not supported or they differ.
        ValueError: shapes do not fit together, eps or every is negative.
    """
    sizes = _check(g=(g, "R N"), x=(x, "R N"), w=(w, "L N"), a=(a, "L N N"))
    if every < 0 or not sizes["L"]:
        raise ValueError(f"expected every >= 0 and at least one block, got every = {every} and {sizes['L']} blocks")
    _, kept, normed = stack_forward(x, w, a, eps, every)
    return stack_backward(g, w, a, eps, every, kept, normed)


class ResidualStack(torch.autograd.Function):
    """L blocks for autograd, with recomputation."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, w: torch.Tensor, a: torch.Tensor, eps: float, every: int) -> torch.Tensor:
        _check(x=(x, "R N"), w=(w, "L N"), a=(a, "L N N"))
        y, kept, normed = stack_forward(x, w, a, eps, every)
        ctx.save_for_backward(w, a, *kept.values(), *normed)
        ctx.layers, ctx.eps, ctx.every = list(kept), eps, every
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, g: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, None, None]:
        w, a, *saved = ctx.saved_tensors  # raises when a weight was changed in place since the forward pass
        kept = dict(zip(ctx.layers, saved, strict=False))
        return *stack_backward(g, w, a, ctx.eps, ctx.every, kept, saved[len(kept) :]), None, None


def residual_stack(x: torch.Tensor, w: torch.Tensor, a: torch.Tensor, eps: float, every: int = 0) -> torch.Tensor:
    """The output of L blocks for x[R, N], w[L, N], a[L, N, N], differentiable; `every` as above."""
    return ResidualStack.apply(x, w, a, eps, every)
