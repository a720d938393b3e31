"""PyTorch's own kernels where they are not one call with the equation's inputs: transposes, reductions, optimizers.

Nothing here computes; each function only arranges the call. They run on the device and in the dtype of the tensors
they get, under whatever global settings PyTorch has.
"""

from __future__ import annotations

import math

import torch
from torch.nn import functional


def gemm_tn(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """c[M, N] = a^T b for a[K, M], b[K, N]."""
    return torch.matmul(a.T, b)


def gemm_nt(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """c[M, N] = a b^T for a[M, K], b[N, K]."""
    return torch.matmul(a, b.T)


def gemm_tt(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """c[M, N] = a^T b^T for a[K, M], b[N, K]."""
    return torch.matmul(a.T, b.T)


def cross_entropy(z: torch.Tensor, y: torch.Tensor, ignore: int) -> torch.Tensor:
    """loss[]: the sum over valid tokens divided by their number, or by 1 where there is none.

    PyTorch's own mean divides by 0 there; its documentation leaves that case open, and gives NaN.
    """
    return functional.cross_entropy(z, y, ignore_index=ignore, reduction="sum") / (y != ignore).sum().clamp(min=1)


def knowledge_distillation(
    s: torch.Tensor, t: torch.Tensor, y: torch.Tensor, alpha: float, temperature: float, ignore: int
) -> torch.Tensor:
    """loss[] as training scripts put it together: kl_div of log_softmax, and cross_entropy."""
    valid = y != ignore
    student = functional.log_softmax(s[valid] / temperature, dim=-1)
    teacher = functional.log_softmax(t[valid] / temperature, dim=-1)
    divergence = functional.kl_div(student, teacher, reduction="sum", log_target=True)
    hard = functional.cross_entropy(s[valid], y[valid], reduction="sum")
    return (alpha * temperature**2 * divergence + (1 - alpha) * hard) / valid.sum().clamp(min=1)


def attention(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """o[B, H, S, D] of scaled_dot_product_attention, and lse[B, H, S].

    That function does not give lse away; it is computed beside it, by matmul and logsumexp in float32.
    """
    o = functional.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
    keys = k.repeat_interleave(q.shape[1] // k.shape[1], dim=1).float()
    scores = torch.matmul(q.float(), keys.transpose(-1, -2)) / math.sqrt(q.shape[3])
    future = torch.ones(scores.shape[-2:], dtype=torch.bool, device=q.device).triu(1)
    return o, torch.logsumexp(scores.masked_fill(future, -math.inf), dim=-1)


def adamw(
    p: torch.Tensor,
    g: torch.Tensor,
    m: torch.Tensor,
    v: torch.Tensor,
    step: int,
    lr: float,
    beta1: float,
    beta2: float,
    eps: float,
    weight_decay: float,
    max_norm: float,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """clip_grad_norm_ and one step of AdamW on copies: p2, m2, v2 [L, P] and the norm []."""
    params = [torch.nn.Parameter(row.clone()) for row in p]
    for param, row in zip(params, g, strict=True):
        param.grad = row.clone()
    optimizer = torch.optim.AdamW(params, lr, (beta1, beta2), eps, weight_decay)
    for k, param in enumerate(params):
        optimizer.state[param] = {
            "step": torch.tensor(float(step - 1)), "exp_avg": m[k].clone(), "exp_avg_sq": v[k].clone(),
        }  # fmt: skip
    norm = torch.nn.utils.clip_grad_norm_(params, max_norm)
    optimizer.step()
    first, second = ([optimizer.state[param][key] for param in params] for key in ("exp_avg", "exp_avg_sq"))
    return torch.stack([param.detach() for param in params]), torch.stack(first), torch.stack(second), norm


def global_clip(a: torch.Tensor, b: torch.Tensor, max_norm: float) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """clip_grad_norm_ on copies of two gradients: both scaled, and the norm []. It does not return its coefficient."""
    params = [torch.nn.Parameter(torch.zeros_like(g)) for g in (a, b)]
    for param, g in zip(params, (a, b), strict=True):
        param.grad = g.clone()
    norm = torch.nn.utils.clip_grad_norm_(params, max_norm)
    scaled = [param.grad for param in params]
    assert scaled[0] is not None and scaled[1] is not None
    return scaled[0], scaled[1], norm
