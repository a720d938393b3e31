"""The cross-entropy of hidden states through an output head, without storing all logits.

Formula
    z_tv  = sum_k h_tk w_vk
    loss  = 1/n sum over valid t of (log sum_v exp(z_tv) - z_t,y_t)
    dz_tv = (exp(z_tv - lse_t) - [v == y_t]) / n       valid rows; 0 on ignored rows
    dh_tk = sum_v dz_tv w_vk,   dw_vk = sum_t dz_tv h_tk

A group of rows at a time: cuBLAS writes their logits into one buffer, the kernel of `cross_entropy` overwrites them by
their gradient, and two more products give dh and the share of dw. Nothing is computed twice: 6 T V H operations,
as without fusing. The buffer takes as many elements as h, or a few rows; without fusing it would be V / H times that.

Logits and their gradient are stored in the dtype of h; dw is accumulated in float32 and rounded once at the end.

Errors: TypeError for dtypes that differ or are not supported, ValueError for shapes, devices or (CPU tensors) labels
that do not fit. `product_` and `add_product_` check nothing.
Source: Hsu et al., "Liger Kernel: Efficient Triton Kernels for LLM Training" (2024), section 3.3.
"""

from __future__ import annotations

from typing import Any

import torch
import triton
from torch.autograd.function import once_differentiable

from .._triton import empty, empty_like, unify
from ..core.gemm import ieee_products
from ._means import count_valid, mean_loss
from .cross_entropy import _cross_entropy_kernel, check_labels, cross_entropy_blocks, scale_

LEAST_ROWS = 2048


def group_rows(tokens: int, vocabulary: int, hidden: int) -> int:
    """Rows of a group: as many as make the logits of the group no larger than all hidden states.

    Each group reads and writes the float32 sum for dw once, which takes longer than its products where it has a few
    hundred rows. So it has at least LEAST_ROWS, unless that were more than a quarter of all. (On an H200, with 8192
    tokens of 4096 elements and a vocabulary of 32768, all of it takes 11.0 ms with 1024 rows, 10.4 with 2048 and as
    much with 4096.)
    """
    return max(1, tokens // -(-vocabulary // hidden), min(LEAST_ROWS, tokens // 4))


def product_(out: torch.Tensor, a: torch.Tensor, b: torch.Tensor) -> None:
    """out = a b, accumulated in float32 and rounded once."""
    if out.device.type == "cpu" and out.dtype != torch.float32:
        # What PyTorch's CPU kernels accumulate in depends on the processor.
        out.copy_(a.float() @ b.float())
    else:
        torch.matmul(a, b, out=out)


def add_product_(out: torch.Tensor, a: torch.Tensor, b: torch.Tensor, first: bool) -> None:
    """out += a^T b into float32, for a and b of one dtype; out = a^T b when it is the first, and out holds nothing."""
    if a.dtype != torch.float32 and out.device.type == "cuda":
        if first:
            torch.mm(a.T, b, out_dtype=torch.float32, out=out)
        else:
            torch.addmm(out, a.T, b, out_dtype=torch.float32, out=out)
    elif first:
        torch.mm(a.T.float(), b.float(), out=out)
    else:
        out.addmm_(a.T.float(), b.float())


def check(h: torch.Tensor, w: torch.Tensor, y: torch.Tensor, ignore: int) -> None:
    """TypeError or ValueError unless hidden states, head and labels fit together."""
    sizes = unify(h=(h, "T H"), w=(w, "V H"))
    if h.dtype != w.dtype:
        raise TypeError(f"w: expected {h.dtype} like h, got {w.dtype}")
    if not sizes["V"] or not sizes["H"]:
        raise ValueError(f"w: expected a head [V, H] with V >= 1 and H >= 1, got {list(w.shape)}")
    if y.shape != h.shape[:1]:
        raise ValueError(f"labels must have shape [{len(h)}] like the rows of h, got {list(y.shape)}")
    check_labels(y, w.T[:1].expand(len(y), -1), ignore)


def fused_linear_cross_entropy(
    h: torch.Tensor, w: torch.Tensor, y: torch.Tensor, ignore: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Mean cross-entropy of the logits h w^T over the valid tokens, and its gradients.

    Args:
        h: hidden states [T, H], float32, bfloat16 or float16.
        w: output head [V, H], of the same dtype.
        y: labels [T], int64, in [0, V) or `ignore`.
        ignore: label of the tokens that do not count.

    Returns:
        loss, float32 [] in nats; dh [T, H] and dw [V, H] in the dtype of h. All are 0 when every token is ignored.

    Raises:
        TypeError: a dtype is not supported or they differ.
        ValueError: shapes do not fit, or (CPU tensors) a label is outside [0, V) and is not `ignore`. On a GPU such a
            label makes the loss NaN.
    """
    check(h, w, y, ignore)
    y = y.contiguous()
    tokens, hidden = h.shape
    vocabulary = len(w)
    count = count_valid(y, ignore)
    group = group_rows(tokens, vocabulary, hidden)
    dh = empty_like(h)
    total = empty(w.shape, torch.float32, w.device)
    if not tokens:
        total.zero_()
    losses = empty((tokens,), torch.float32, h.device)
    buffer = empty((group, vocabulary), h.dtype, h.device)
    with ieee_products(), torch.autocast(h.device.type, enabled=False):
        for start in range(0, tokens, group):
            rows = slice(start, min(start + group, tokens))
            part = h[rows]
            logits = buffer[: len(part)]
            product_(logits, part, w.T)
            blocks = cross_entropy_blocks(len(part), vocabulary, h.element_size(), h.device.type == "cpu")
            _cross_entropy_kernel[(triton.cdiv(len(part), blocks["ROWS"]),)](
                logits, y[rows], count, losses[rows], logits, len(part), vocabulary, logits.stride(0), logits.stride(0),
                ignore, PRECISE=h.dtype == torch.float32, **blocks,
            )  # fmt: skip
            product_(dh[rows], logits, w)
            add_product_(total, logits, part, start == 0)
    return mean_loss(losses, count), dh, total.to(w.dtype)


class FusedLinearCrossEntropy(torch.autograd.Function):
    """The loss for autograd: gradients are made in the forward pass, the backward pass hands them on."""

    @staticmethod
    def forward(ctx: Any, h: torch.Tensor, w: torch.Tensor, y: torch.Tensor, ignore: int) -> torch.Tensor:
        loss, *ctx.gradients = fused_linear_cross_entropy(h.detach(), w.detach(), y, ignore)
        return loss

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, None, None]:
        gradients, ctx.gradients = ctx.gradients, None
        if gradients is None:
            raise RuntimeError("the gradients were handed out by an earlier backward pass and scaled in place")
        dh, dw = (scale_(gradient, grad) for gradient in gradients)
        return dh, dw, None, None


def fused_linear_cross_entropy_loss(
    h: torch.Tensor, w: torch.Tensor, y: torch.Tensor, ignore: int = -100
) -> torch.Tensor:
    """The loss alone, float32 [], for a training script; `loss.backward()` reaches h and w.

    Errors: as `fused_linear_cross_entropy`; RuntimeError in a second backward pass.
    """
    return FusedLinearCrossEntropy.apply(h, w, y, ignore)
