"""PyTorch's own kernels where they are not one call with the equation's inputs: transposes, and gradients by autograd.

Nothing here computes; each function only arranges the call. They run on the device and in the dtype of the tensors
they get, under whatever global settings PyTorch has.
"""

from __future__ import annotations

import math
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


def softmax_backward(g: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """dx[R, N] of sum(g * softmax(x)) over the last axis."""
    return vector_jacobian(lambda x: torch.softmax(x, 1), (x,), g)[0]


def layernorm_backward(g: torch.Tensor, x: torch.Tensor, w: torch.Tensor, eps: float) -> tuple[torch.Tensor, ...]:
    """dx[R, N], dw[N] and db[N] of sum(g * layer_norm(x, w, b, eps)) over the last axis; b does not matter."""
    return vector_jacobian(
        lambda x, w, b: functional.layer_norm(x, [x.shape[1]], w, b, eps), (x, w, torch.zeros_like(w)), g
    )


def silu_backward(g: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """dx of sum(g * silu(x))."""
    return vector_jacobian(functional.silu, (x,), g)[0]


def embedding_backward(g: torch.Tensor, ids: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
    """dw[V, D] of sum(g * embedding(ids, w))."""
    return vector_jacobian(lambda w: functional.embedding(ids, w), (w,), g)[0]


def linear_backward(g: torch.Tensor, x: torch.Tensor, w: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """dx[M, K], dw[N, K] and db[N] of sum(g * linear(x, w, b)); b does not matter."""
    return vector_jacobian(functional.linear, (x, w, w.new_zeros(w.shape[0])), g)


def cross_entropy(z: torch.Tensor, y: torch.Tensor, ignore: int) -> tuple[torch.Tensor, torch.Tensor]:
    """loss[] and dz[T, V]: the sum over valid tokens divided by their number, or by 1 where there is none.

    PyTorch's own mean divides by 0 there; its documentation leaves that case open, and gives NaN.
    """
    leaf = z.detach().requires_grad_()
    with torch.enable_grad():
        total = functional.cross_entropy(leaf, y, ignore_index=ignore, reduction="sum")
        loss = total / (y != ignore).sum().clamp(min=1)
    (gradient,) = torch.autograd.grad(loss, leaf)
    return loss.detach(), gradient


def knowledge_distillation(
    s: torch.Tensor, t: torch.Tensor, y: torch.Tensor, alpha: float, temperature: float, ignore: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """loss[] and ds[T, V] as training scripts put them together: kl_div of log_softmax, and cross_entropy."""
    leaf = s.detach().requires_grad_()
    valid = y != ignore
    with torch.enable_grad():
        rows = leaf[valid]
        student = functional.log_softmax(rows / temperature, dim=-1)
        teacher = functional.log_softmax(t[valid] / temperature, dim=-1)
        divergence = functional.kl_div(student, teacher, reduction="sum", log_target=True)
        hard = functional.cross_entropy(rows, y[valid], reduction="sum")
        loss = (alpha * temperature**2 * divergence + (1 - alpha) * hard) / valid.sum().clamp(min=1)
    (gradient,) = torch.autograd.grad(loss, leaf)
    return loss.detach(), gradient


def attention(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """o[B, H, S, D] of scaled_dot_product_attention, and lse[B, H, S].

    That function does not give lse away; it is computed beside it, by matmul and logsumexp in float32.
    """
    o = functional.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
    keys = k.repeat_interleave(q.shape[1] // k.shape[1], dim=1).float()
    scores = torch.matmul(q.float(), keys.transpose(-1, -2)) / math.sqrt(q.shape[3])
    future = torch.ones(scores.shape[-2:], dtype=torch.bool, device=q.device).triu(1)
    return o, torch.logsumexp(scores.masked_fill(future, -math.inf), dim=-1)


def attention_backward(g: torch.Tensor, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """dq, dk and dv of sum(g * scaled_dot_product_attention(q, k, v))."""
    return vector_jacobian(
        lambda q, k, v: functional.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True), (q, k, v), g
    )


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
