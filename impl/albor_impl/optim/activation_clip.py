"""The clip of a gradient on its way to another device; it never waits for the host.

Source: Pascanu, Mikolov, Bengio, "On the difficulty of training recurrent neural networks" (2013), algorithm 1.
"""

from __future__ import annotations

import torch

DEFAULT = 1.0


def activation_clip(a: torch.Tensor, limit: float, chosen: bool) -> torch.Tensor:
    """a[R, N] with a norm of at most `limit`, of at most 1 where no limit is given; in the dtype of a.

    The norm is taken in float64, where no square of a float32 overflows. Zeros where an element is not finite.
    Raises ValueError for a limit that is given and not positive.
    """
    if chosen and not limit > 0:
        raise ValueError(f"limit must be positive, got {limit}")
    most = limit if chosen else DEFAULT
    norm = torch.linalg.vector_norm(a.to(torch.float64))  # the sum of squares of 1e30 fits
    coefficient = (most / norm).clamp(max=1.0)  # of zeros: infinity, and so 1
    scaled = (a.double() * coefficient).to(a.dtype)  # times 1 in float64: a to the last bit
    return torch.where(torch.isfinite(norm), scaled, torch.zeros_like(a))
