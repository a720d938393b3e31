"""Clipping by the global norm as a program for a device: norm, coefficient and product stay there, nobody waits.

Formula
    norm        = sqrt(sum over all elements of all tensors of g^2)
    coefficient = min(1, max_norm / (norm + eps))       0 when the norm is not finite
    g'          = coefficient g                         0 when the norm is not finite
One coefficient for all tensors keeps the direction of the whole gradient. Whether the step is to be left out can be
read from the norm, on the device or later.

The kernels below are written as on a GPU: flat memory without lengths, `n` elements, and a sum over 32 lanes.

Gradients have the dtype of the device, sums, norm and coefficient that of its sums. The kernels check nothing.
Source: Pascanu, Mikolov, Bengio, "On the difficulty of training recurrent neural networks" (2013), algorithm 1; eps as
in `torch.nn.utils.clip_grad_norm_`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

LANES = 32  # threads that add up squares side by side


def add_squares(g: Any, total: Any, n: int) -> None:
    """Kernel: total[0] += sum of g[i]^2 for i < n. Each lane takes every 32nd element, then the lanes are added."""
    lanes = np.zeros(LANES)
    for lane in range(min(LANES, n)):
        own = g[np.arange(lane, n, LANES)]
        lanes[lane] = np.dot(own, own)
    total[0] += lanes.sum()


def decide(total: Any, coefficient: Any, norm: Any, max_norm: float, eps: float) -> None:
    """Kernel: norm and coefficient from the sum of squares, each a single number."""
    length = np.sqrt(total[0])
    norm[0] = length
    # A NaN compares false: it and an infinity give the coefficient of a step that must not happen.
    coefficient[0] = min(1.0, max_norm / (length + eps)) if length < np.inf else 0.0


def scale(g: Any, coefficient: Any, out: Any, n: int) -> None:
    """Kernel: out[i] = coefficient[0] g[i] for i < n; 0 where the coefficient is 0, whatever g is."""
    c = coefficient[0]
    i = np.arange(n)
    out[i] = c * g[i] if c > 0 else 0.0


def global_clip(device: Any, a: Any, b: Any, max_norm: float, eps: float) -> tuple[Any, Any, Any, Any]:
    """Scale two gradients by one coefficient.

    Args:
        device: where everything happens; it offers `allocate`, `clear` and `launch`.
        a, b: gradients [L, P] and [M, Q] on the device.
        max_norm: largest norm that is not clipped, inf for none.
        eps: beside the norm, >= 0.

    Returns:
        a', b', coefficient [] and norm [] (before clipping), all on the device and not waited for.

    Raises:
        ValueError: max_norm is negative or NaN, or eps is negative or not finite.
    """
    if not max_norm >= 0.0:
        raise ValueError(f"max_norm must not be negative (inf means no clipping), got {max_norm}")
    if not (eps >= 0.0 and math.isfinite(eps)):
        raise ValueError(f"eps must be finite and not negative, got {eps}")
    total = device.allocate("total", (), device.accumulates)
    device.clear(total)
    for g in (a, b):
        device.launch(add_squares, (g,), (total,), g.size)
    coefficient = device.allocate("coefficient", (), device.accumulates)
    norm = device.allocate("norm", (), device.accumulates)
    device.launch(decide, (total,), (coefficient, norm), max_norm, eps)
    clipped = []
    for name, g in (("clipped a", a), ("clipped b", b)):
        out = device.allocate(name, g.shape)
        device.launch(scale, (g, coefficient), (out,), g.size)
        clipped.append(out)
    return clipped[0], clipped[1], coefficient, norm
