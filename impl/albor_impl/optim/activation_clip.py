"""The clip of a gradient on its way to another device; it never waits for the host."""

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
    coefficient = torch.where(norm > most, most / norm, torch.ones_like(norm))
    scaled = torch.where(coefficient < 1, (a.double() * coefficient).to(a.dtype), a)
    return torch.where(torch.isfinite(norm), scaled, torch.zeros_like(a))
