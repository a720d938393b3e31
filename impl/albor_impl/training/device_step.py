"""A training step of a two-layer network, with everything on the device and no wait for it.

Network: z = silu(x W1) W2, loss = sum (z - y)^2 / (2 A T) over A micro-batches of T rows; gradients are added up in
float32 over the micro-batches, clipped by their global norm and applied by Adam, in place nowhere. Products by cuBLAS,
activations and update by Triton. Loss and norm are float32 [] on the device: who needs them waits for them.

Weights and activations have one dtype, moments are float32. Errors: ValueError for step < 1 or shapes that do not fit,
TypeError for dtypes that differ or that no kernel takes; `snapshot_between` and `compiled_updates` leave it to PyTorch.
Sources: Rumelhart, Hinton, Williams (1986) for the backward pass; Kingma, Ba, "Adam" (2015), algorithm 1.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

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


def _copies(tensors: list[torch.Tensor]) -> list[torch.Tensor]:
    return [t.clone() for t in tensors]


def snapshot_between(
    w: torch.Tensor, m: torch.Tensor, g: torch.Tensor, h: torch.Tensor, lr: float, beta: float
) -> tuple[torch.Tensor, ...]:
    """Two updates m = beta m + g, w = w - lr m, by g and by h, and a snapshot between them.

    Returns w and m [K, H] after the first and after the second update. On a GPU the snapshot is copied by a stream of
    its own, which waits for the first update, and for which the second one waits; the host waits for nothing.
    """
    state = [t.detach().clone() for t in (w, m)]

    def update(by: torch.Tensor) -> None:
        state[1].mul_(beta).add_(by)
        state[0].sub_(state[1] * lr)

    update(g)
    if w.is_cuda:
        main, copies = torch.cuda.current_stream(w.device), torch.cuda.Stream(w.device)
        copies.wait_stream(main)
        with torch.cuda.stream(copies):
            kept = _copies(state)
        main.wait_stream(copies)
        for t in kept:
            t.record_stream(main)  # its memory belongs to the other stream
    else:
        kept = _copies(state)
    update(h)
    return kept[0], kept[1], state[0], state[1]


def _plain_update(rate: float) -> Callable[..., torch.Tensor]:
    return lambda w, g: w - rate * g


def _decayed_update(rate: float) -> Callable[..., torch.Tensor]:
    return lambda w, g: w - rate * (g + w)


def _image(images: dict[Any, Any], build: Callable[..., Any], *constants: float) -> Any:
    """What `build` makes for these constants, made once; kept under its code and constants."""
    key = (build.__code__, constants)
    if key not in images:
        images[key] = build(*constants)
    return images[key]


def compiled_updates(
    w: torch.Tensor, g: torch.Tensor, first: float, second: float
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """w - first g, w - second g and w - second (g + w), each by a function made for its rate and kept."""
    images: dict[Any, Any] = {}
    a, b, c = (
        _image(images, build, rate)(w, g)
        for build, rate in ((_plain_update, first), (_plain_update, second), (_decayed_update, second))
    )
    return a, b, c
