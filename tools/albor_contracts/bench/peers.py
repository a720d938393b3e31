"""The mathematics of kernels in plain PyTorch, as a training script without special kernels would write it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F


def rmsnorm(x: torch.Tensor, w: torch.Tensor, eps: float) -> torch.Tensor:
    return F.rms_norm(x, w.shape, w, eps)


def swiglu(gate: torch.Tensor, up: torch.Tensor) -> torch.Tensor:
    return F.silu(gate) * up


def rope_tables(x: torch.Tensor, offset: int, base: float) -> tuple[torch.Tensor, torch.Tensor]:
    """cos and sin [T, D] in the dtype of x, both halves alike."""
    half = x.shape[3] // 2
    k = torch.arange(half, dtype=torch.float64, device=x.device)
    t = torch.arange(offset, offset + x.shape[2], dtype=torch.float64, device=x.device)
    angle = t[:, None] * base ** (-k / half)
    angle = torch.cat([angle, angle], dim=1)
    return angle.cos().to(x.dtype), angle.sin().to(x.dtype)


def rope(x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    first, second = x.chunk(2, dim=-1)
    return x * cos + torch.cat([-second, first], dim=-1) * sin


def rope_arguments(x: torch.Tensor, offset: int, base: float) -> list[torch.Tensor]:
    return [x, *rope_tables(x, offset, base)]


def rope_inverse_arguments(x: torch.Tensor, offset: int, base: float) -> list[torch.Tensor]:
    cos, sin = rope_tables(x, offset, base)
    return [x, cos, -sin]


def liger_rope_arguments(x: torch.Tensor, offset: int, base: float) -> list[torch.Tensor]:
    """Liger turns queries and keys in one launch and in place: half of the heads each, the same bytes."""
    cos, sin = rope_tables(x, offset, base)
    q, k = (part.transpose(1, 2).contiguous().transpose(1, 2) for part in x.chunk(2, dim=1))
    return [q, k, cos[None], sin[None]]


def attention(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    return F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=q.shape[1] != k.shape[1])


def gemm_backward(g: torch.Tensor, a: torch.Tensor, b: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return g @ b.T, a.T @ g


def cross_entropy(z: torch.Tensor, y: torch.Tensor, ignore: int) -> torch.Tensor:
    return F.cross_entropy(z, y, ignore_index=ignore)


def distillation(
    s: torch.Tensor, t: torch.Tensor, y: torch.Tensor, alpha: float, temperature: float, ignore: int
) -> torch.Tensor:
    """No label is ignored in what is measured: the mean is over all rows."""
    log_q, log_p = F.log_softmax(s / temperature, dim=-1), F.log_softmax(t / temperature, dim=-1)
    soft = F.kl_div(log_q, log_p, reduction="batchmean", log_target=True) * temperature**2
    return alpha * soft + (1 - alpha) * F.cross_entropy(s, y, ignore_index=ignore)


def own_adamw_arguments(*given: Any) -> list[Any]:
    """The chunks of the tensors are found once, as a training loop does."""
    from albor_impl.optim.adamw import cut

    lists, rest = [list(t.unbind()) for t in given[:4]], given[4:]
    return [lists, rest, cut(lists)]


def own_adamw(lists: Any, rest: Sequence[float], chunks: Any) -> torch.Tensor:
    from albor_impl.optim.adamw import adamw_step_

    names = ("step", "lr", "beta1", "beta2", "eps", "weight_decay", "max_norm")
    return adamw_step_(*lists, **dict(zip(names, rest, strict=True)), chunks=chunks)


def adamw_arguments(p: torch.Tensor, g: torch.Tensor, m: torch.Tensor, v: torch.Tensor, *rest: float) -> list[Any]:
    _, lr, beta1, beta2, eps, weight_decay, max_norm = rest
    parameters = [torch.nn.Parameter(t) for t in p.clone().unbind()]
    for parameter, gradient in zip(parameters, g.clone().unbind(), strict=True):
        parameter.grad = gradient
    on_gpu = p.device.type == "cuda"
    optimizer = torch.optim.AdamW(
        parameters, lr=lr, betas=(beta1, beta2), eps=eps, weight_decay=weight_decay, fused=True, capturable=on_gpu
    )
    return [parameters, optimizer, max_norm]


def adamw(parameters: list[torch.nn.Parameter], optimizer: torch.optim.Optimizer, max_norm: float) -> torch.Tensor:
    norm = torch.nn.utils.clip_grad_norm_(parameters, max_norm, foreach=True)
    optimizer.step()
    return norm


def slerp(a: torch.Tensor, b: torch.Tensor, t: float) -> torch.Tensor:
    """Without refusals, and so without waiting for the device."""
    x, y = a.float(), b.float()
    omega = torch.arccos((torch.dot(x, y) / (x.norm() * y.norm())).clamp(-1, 1))
    return ((torch.sin((1 - t) * omega) * x + torch.sin(t * omega) * y) / torch.sin(omega)).to(a.dtype)


def ties(base: torch.Tensor, models: torch.Tensor, share: torch.Tensor, keep: int, lam: float) -> torch.Tensor:
    tau = models.float() - base.float()
    least = tau.abs().kthvalue(tau.shape[1] - keep + 1, dim=1, keepdim=True).values
    change = torch.where(tau.abs() >= least, tau * share, 0.0)
    sign = torch.where(change.sum(0) >= 0, 1.0, -1.0)
    agrees = change * sign > 0
    mass, total = torch.where(agrees, change, 0.0).sum(0), torch.where(agrees, share, 0.0).sum(0)
    return (base.float() + lam * mass / total.clamp(min=1e-30)).to(base.dtype)


def ties_arguments(base: torch.Tensor, models: torch.Tensor, weights: Sequence[float], *rest: Any) -> list[Any]:
    return [base, models, torch.tensor(weights, device=base.device)[:, None], *rest]


def dare_rescale(base: torch.Tensor, tuned: torch.Tensor, mask: torch.Tensor, p: float) -> torch.Tensor:
    return torch.where(mask, base + (tuned - base) / (1 - p), base)


def wanda(w: torch.Tensor, x: torch.Tensor, num: int, den: int) -> tuple[torch.Tensor, torch.Tensor]:
    score = w.float().abs() * x.float().norm(dim=0)
    return _prune(w, score, num * w.shape[1] // den)


def magnitude(w: torch.Tensor, num: int, den: int) -> tuple[torch.Tensor, torch.Tensor]:
    return _prune(w, w.abs(), num * w.shape[1] // den)


def _prune(w: torch.Tensor, score: torch.Tensor, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    lowest = torch.sort(score, dim=1, stable=True).indices[:, :count]  # as in the authors' code
    mask = torch.ones_like(w, dtype=torch.bool).scatter_(1, lowest, False)
    return torch.where(mask, w, 0.0), mask


def q4k_decode(blocks: torch.Tensor) -> torch.Tensor:
    scales = blocks[:, :4].contiguous().view(torch.float16).float()
    a, b, c = blocks[:, 4:8], blocks[:, 8:12], blocks[:, 12:16]
    sc = torch.cat([a & 63, (c & 15) | ((a >> 6) << 4)], dim=1).float() * scales[:, :1]
    m = torch.cat([b & 63, (c >> 4) | ((b >> 6) << 4)], dim=1).float() * scales[:, 1:]
    pairs = blocks[:, 16:].unflatten(1, (4, 32))
    q = torch.stack([pairs & 15, pairs >> 4], dim=2).flatten(1, 2).float()
    return (sc[:, :, None] * q - m[:, :, None]).flatten(1)


def fused_linear_cross_entropy(h: torch.Tensor, w: torch.Tensor, y: torch.Tensor, ignore: int) -> torch.Tensor:
    return F.cross_entropy(h @ w.T, y, ignore_index=ignore)


def kl_divergence(p: torch.Tensor, q: torch.Tensor) -> torch.Tensor:
    log_p, log_q = F.log_softmax(p.float(), dim=-1), F.log_softmax(q.float(), dim=-1)
    return F.kl_div(log_q, log_p, reduction="none", log_target=True).sum(-1)


def causal_mask(x: torch.Tensor) -> torch.Tensor:
    future = torch.ones(x.shape[-2:], dtype=torch.bool, device=x.device).triu(1)
    return x.masked_fill(future, float("-inf"))


def causal_softmax(x: torch.Tensor, scale: float) -> torch.Tensor:
    return torch.softmax(causal_mask(x) * scale, dim=-1)


def lora_linear(x: torch.Tensor, w: torch.Tensor, a: torch.Tensor, b: torch.Tensor, alpha: float) -> torch.Tensor:
    return x @ w.T + (alpha / a.shape[1]) * ((x @ a) @ b)


def batched_gemm(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    return a @ b.repeat_interleave(a.shape[0] // b.shape[0], dim=0)


def batched_gemm_nt(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    return a @ b.repeat_interleave(a.shape[0] // b.shape[0], dim=0).transpose(1, 2)


def select_backward(g: torch.Tensor, pred: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.where(pred, g, 0.0), torch.where(pred, 0.0, g)
