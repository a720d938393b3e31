"""A training step of a two-layer network, with everything on the device and no wait for it.

Network: z = silu(x W1) W2, loss = sum (z - y)^2 / (2 A T) over A micro-batches of T rows; gradients are added up in
float32 over the micro-batches, clipped by their global norm and applied by Adam, in place nowhere. Products by cuBLAS,
activations and update by Triton. Loss and norm are float32 [] on the device: who needs them waits for them.

Sources: Rumelhart, Hinton, Williams (1986) for the backward pass; Kingma, Ba, "Adam" (2015), algorithm 1.
"""

from __future__ import annotations

import torch

from ..core.gemm import gemm, gemm_nt, gemm_tn
from ..core.silu import silu, silu_backward
from ..optim.adamw import adamw_step_


def gemm_backward(dc: torch.Tensor, a: torch.Tensor, b: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Gradients of c = a b: da[M, K] = dc b^T and db[K, N] = a^T dc, in the dtype of the operands."""
    return gemm_nt(dc, b), gemm_tn(a, dc)


def moments(w1: torch.Tensor, w2: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """The moments m1, v1, m2, v2 of an optimizer that has made no step: float32 zeros in the shapes of w1 and w2."""
    m1, v1, m2, v2 = (torch.zeros_like(w, dtype=torch.float32, memory_format=torch.contiguous_format)
                      for w in (w1, w1, w2, w2))  # fmt: skip
    return m1, v1, m2, v2


def train_step(
    x: torch.Tensor, y: torch.Tensor, w1: torch.Tensor, w2: torch.Tensor, m1: torch.Tensor, v1: torch.Tensor,
    m2: torch.Tensor, v2: torch.Tensor, step: int, lr: float, beta1: float, beta2: float, eps: float, max_norm: float,
) -> tuple[torch.Tensor, ...]:  # fmt: skip
    """One step over the micro-batches x[A, T, K], y[A, T, N].

    Returns W1'[K, H], W2'[H, N], m1', v1', m2', v2', loss and norm before clipping. When the norm is not finite,
    weights and moments come back unchanged. Raises ValueError for step < 1 or shapes that do not fit.
    """
    if x.shape[:2] != y.shape[:2]:
        raise ValueError(f"x and y must have the same micro-batches and rows, got {x.shape[:2]} and {y.shape[:2]}")
    share = 1.0 / (x.shape[0] * x.shape[1])
    loss = torch.zeros((), dtype=torch.float32, device=w1.device)
    g1, g2 = (torch.zeros(w.shape, dtype=torch.float32, device=w.device) for w in (w1, w2))
    for rows, targets in zip(x, y, strict=True):
        h = gemm(rows, w1)
        s = silu(h)
        gap = gemm(s, w2) - targets
        loss = loss + 0.5 * share * (gap.float() * gap.float()).sum()
        dz = share * gap
        g2 += gemm_tn(s, dz)
        g1 += gemm_tn(rows, silu_backward(gemm_nt(dz, w2), h))
    state = [t.detach().clone(memory_format=torch.contiguous_format) for t in (w1, w2, m1, m2, v1, v2)]
    norm = adamw_step_(
        state[:2], [g1, g2], state[2:4], state[4:], step=step, lr=lr, beta1=beta1, beta2=beta2, eps=eps,
        weight_decay=0.0, max_norm=max_norm,
    )  # fmt: skip
    return state[0], state[1], state[2], state[4], state[3], state[5], loss, norm
