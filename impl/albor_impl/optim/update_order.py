"""The fused update of layer-wise training: weights move inside the backward pass, each after its input's gradient.

`interleaved` hangs the update on autograd's own order by hooks, as a memory-saving training loop does; `decoupled` is
the ordinary loop. Both for y = W2 tanh(W1 tanh(W0 x)).

Weights w[3, N, N], inputs x[B, N], gradients g[B, N] of y, all of one dtype, which the results have.
Errors: ValueError for other shapes of w or x, TypeError for dtypes that differ or are not float64, float32, bfloat16 or
float16.
Source: Lv et al., "Full Parameter Fine-tuning for Large Language Models with Limited Resources" (2023), section 3.
"""

from __future__ import annotations

import torch

from ..core.gemm import gemm_autograd


def _network(layers: list[torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    for layer in layers[:-1]:
        x = torch.tanh(gemm_autograd(x, layer.T))
    return gemm_autograd(x, layers[-1].T)


def _layers(w: torch.Tensor, x: torch.Tensor) -> list[torch.Tensor]:
    if w.ndim != 3 or w.shape[0] != 3 or w.shape[1] != w.shape[2] or x.shape[1:] != w.shape[2:]:
        raise ValueError(f"expected w[3, N, N] and x[B, N], got shapes {list(w.shape)} and {list(x.shape)}")
    return [layer.detach().clone().requires_grad_() for layer in w]


def network(w: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """y[B, N] for w[3, N, N], x[B, N]."""
    with torch.no_grad():
        return _network(_layers(w, x), x)


def weight_gradients(g: torch.Tensor, w: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """dw[3, N, N] of sum(g * network(w, x))."""
    layers = _layers(w, x)
    with torch.enable_grad():
        return torch.stack(torch.autograd.grad(_network(layers, x), layers, g))


def decoupled(g: torch.Tensor, w: torch.Tensor, x: torch.Tensor, lr: float) -> torch.Tensor:
    """w - lr dw, after the whole backward pass."""
    return w - lr * weight_gradients(g, w, x)


def interleaved(g: torch.Tensor, w: torch.Tensor, x: torch.Tensor, lr: float) -> torch.Tensor:
    """The same updates inside the backward pass: a gradient is gone as soon as its weight has moved."""
    layers = _layers(w, x)

    @torch.no_grad()
    def move(layer: torch.Tensor) -> None:
        assert layer.grad is not None
        # The gradient of the layer's input has been formed by now: one backward function makes both.
        layer.data = layer - lr * layer.grad
        layer.grad = None

    for layer in layers:
        layer.register_post_accumulate_grad_hook(move)
    with torch.enable_grad():
        _network(layers, x).backward(g)
    return torch.stack([layer.detach() for layer in layers])
