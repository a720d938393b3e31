"""Functions whose gradients autograd computes: with a backward pass of their own, right and wrong, or with none."""

from __future__ import annotations

import torch
from torch.nn import functional


def _root(x, eps):
    return torch.rsqrt(x.float().square().mean(-1, keepdim=True) + eps)


class RMSNorm(torch.autograd.Function):
    """y = x / sqrt(mean(x^2) + eps) w, with its backward pass written out."""

    weighted = True

    @staticmethod
    def forward(ctx, x, w, eps):
        if w.shape != x.shape[1:]:
            raise ValueError(f"w has the shape {tuple(w.shape)}, a row {tuple(x.shape[1:])}")
        r = _root(x, eps)
        ctx.save_for_backward(x, w, r)
        return (x.float() * r * w.float()).to(x.dtype)

    @classmethod
    def backward(cls, ctx, g):
        x, w, r = ctx.saved_tensors
        n, gw = x.float() * r, g.float() * w.float()
        dx = r * (gw - n * ((gw if cls.weighted else g.float()) * n).mean(-1, keepdim=True))
        return dx.to(x.dtype), (g.float() * n).sum(0).to(w.dtype), None


class Unweighted(RMSNorm):
    """Lacks the weight in the row mean of the backward pass."""

    weighted = False


class Forgotten(RMSNorm):
    """Returns nothing for the weight."""

    @staticmethod
    def backward(ctx, g):
        return RMSNorm.backward(ctx, g)[0], None, None


class Frozen(RMSNorm):
    """Leaves out the row mean, which it takes for a part of the weight's gradient, where the weight needs none."""

    @staticmethod
    def backward(ctx, g):
        _, w, r = ctx.saved_tensors
        dx, dw, _ = RMSNorm.backward(ctx, g)
        return (dx if ctx.needs_input_grad[1] else r * g * w), dw, None


def frozen(x, w, eps):
    return Frozen.apply(x, w, eps)


def rmsnorm(x, w, eps):
    return RMSNorm.apply(x, w, eps)


def unweighted(x, w, eps):
    return Unweighted.apply(x, w, eps)


def forgotten(x, w, eps):
    return Forgotten.apply(x, w, eps)


def in_a_copy(gate, up):
    h = gate.contiguous().clone()
    h.data.copy_(torch.nn.functional.silu(gate.detach()) * up.detach())  # as a launch writes, unseen by autograd
    return h


def through_numpy(x, w, eps):
    y = x.numpy() / (torch.sqrt(x.square().mean(-1, keepdim=True) + eps)).numpy() * w.numpy()
    return torch.from_numpy(y)


def layernorm(x, w, b, eps):
    return functional.layer_norm(x, x.shape[1:], w, b, eps)


def cross_entropy(z, y, ignore):
    """The loss alone; of no valid token 0."""
    if ((y != ignore) & ((y < 0) | (y >= z.shape[1]))).any():
        raise ValueError("a label outside of the vocabulary")
    total = functional.cross_entropy(z.float(), y, ignore_index=ignore, reduction="sum")
    return total / (y != ignore).sum().clamp(min=1)


class OfOnes(torch.autograd.Function):
    """The cross-entropy with its gradient made in the forward pass, as fused kernels do; by default it is handed out
    whatever the loss is weighted with."""

    weighted = False

    @classmethod
    def forward(cls, ctx, z, y, ignore):
        with torch.enable_grad():
            held = z.detach().requires_grad_()
            loss = cross_entropy(held, y, ignore)
            (slope,) = torch.autograd.grad(loss, held)
        ctx.save_for_backward(slope)
        return loss.detach()

    @classmethod
    def backward(cls, ctx, g):
        (slope,) = ctx.saved_tensors
        return (slope.mul_(g) if cls.weighted else slope), None, None


class Weighted(OfOnes):
    """The same, in place: a second backward pass through it would be wrong, and nobody makes one."""

    weighted = True


def swapped(labels, scores, ignore):
    return cross_entropy(scores, labels, ignore)


def residual_add(x, f, c):
    if x.shape != f.shape:
        raise ValueError(f"x has the shape {tuple(x.shape)}, f {tuple(f.shape)}")
    return (x.float() + c * f.float()).to(x.dtype)


def bias_add(x, b):
    if b.shape != x.shape[1:]:
        raise ValueError(f"b has the shape {tuple(b.shape)}, a row {tuple(x.shape[1:])}")
    return x + b


def rope(x, offset, base):
    """Pairs (k, k + D/2) as complex numbers."""
    half = x.shape[-1] // 2
    if 2 * half != x.shape[-1]:
        raise ValueError(f"a head of {x.shape[-1]}: its size has to be even")
    if not (0 < base < float("inf")):
        raise ValueError(f"base is {base}: expected a positive number")
    t = torch.arange(x.shape[-2], dtype=torch.float64) + offset
    angle = t[:, None] * float(base) ** (-2 * torch.arange(half, dtype=torch.float64) / x.shape[-1])
    wide = x.float()
    real, imaginary = wide[..., :half], wide[..., half:]
    cos, sin = angle.cos().float(), angle.sin().float()
    return torch.cat((real * cos - imaginary * sin, imaginary * cos + real * sin), -1).to(x.dtype)


class Kept(RMSNorm):
    """Keeps what its backward pass needs on the class: right until another forward pass comes between."""

    kept: tuple = ()

    @staticmethod
    def forward(ctx, x, w, eps):
        Kept.kept = (x, w, _root(x, eps))
        return RMSNorm.forward(ctx, x, w, eps)

    @staticmethod
    def backward(ctx, g):
        class Mine:
            saved_tensors = Kept.kept

        return RMSNorm.backward(Mine, g)


def kept(x, w, eps):
    return Kept.apply(x, w, eps)
