"""Kernels as users have them: plain `@triton.jit`, nothing of this project."""

import torch
import triton
import triton.language as tl


@triton.jit
def _silu_kernel(x, y, n, BLOCK: tl.constexpr):
    at = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    mask = at < n
    value = tl.load(x + at, mask=mask).to(tl.float32)
    tl.store(y + at, (value / (1 + tl.exp(-value))).to(y.dtype.element_ty), mask=mask)


def _launched(x, last):
    x = x.contiguous()
    y = torch.empty_like(x)
    _silu_kernel[(triton.cdiv(max(x.numel(), 1), 128),)](x, y, x.numel() - last, BLOCK=128)
    return y


def silu(x):
    return _launched(x, 0)


def unfinished_silu(x):
    """The last element is masked."""
    return _launched(x, 1)


@triton.jit
def _rmsnorm_kernel(x, w, y, n, eps, BLOCK: tl.constexpr):
    row, at = tl.program_id(0).to(tl.int64), tl.arange(0, BLOCK)
    value = tl.load(x + row * n + at, mask=at < n, other=0.0).to(tl.float32)
    root = tl.sqrt(tl.sum(value * value, axis=0) / n + eps)
    tl.store(y + row * n + at, value / root * tl.load(w + at, mask=at < n, other=0.0), mask=at < n)


@triton.jit
def _backward_kernel(g, x, w, dx, dw, rows, n, eps, BLOCK: tl.constexpr):
    at = tl.arange(0, BLOCK)
    mask = at < n
    weight = tl.load(w + at, mask=mask, other=0.0)
    total = tl.zeros([BLOCK], tl.float32)
    for _ in range(0, rows):
        value = tl.load(x + at, mask=mask, other=0.0)
        slope = tl.load(g + at, mask=mask, other=0.0)
        root = 1 / tl.sqrt(tl.sum(value * value, axis=0) / n + eps)
        normal = value * root
        mean = tl.sum(slope * weight * normal, axis=0) / n
        tl.store(dx + at, root * (slope * weight - normal * mean), mask=mask)
        total += slope * normal
        x, g, dx = x + n, g + n, dx + n
    tl.store(dw + at, total, mask=mask)


class RMSNorm(torch.autograd.Function):
    """One launch forward and one backward, in float32."""

    @staticmethod
    def forward(ctx, x, w, eps):
        if w.shape != x.shape[1:]:
            raise ValueError(f"w has the shape {tuple(w.shape)}, a row {tuple(x.shape[1:])}")
        x, w = x.contiguous(), w.contiguous()
        ctx.save_for_backward(x, w)
        ctx.eps = eps
        y = torch.empty_like(x)
        _rmsnorm_kernel[(len(x),)](x, w, y, x.shape[1], eps, BLOCK=triton.next_power_of_2(x.shape[1]))
        return y

    @staticmethod
    def backward(ctx, g):
        x, w = ctx.saved_tensors
        dx, dw = torch.empty_like(x), torch.empty_like(w)
        block = triton.next_power_of_2(x.shape[1])
        _backward_kernel[(1,)](g.contiguous(), x, w, dx, dw, *x.shape, ctx.eps, BLOCK=block)
        return dx, dw, None
