"""An RMSNorm whose backward pass is wrong in a way that training hides at first.

The forward pass is right. In dx the weight is missing inside the row mean; as long as the weight is 1, which it is
at initialisation, the gradient is exact to the last bit.

    albor-contracts verify core/rmsnorm --binding examples.wrong_rmsnorm:rmsnorm_backward
"""

from __future__ import annotations

import torch


def rmsnorm_backward(
    g: torch.Tensor, x: torch.Tensor, w: torch.Tensor, eps: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """dx[R, N] and dw[N] for the gradient g[R, N] of y = x / sqrt(mean(x^2) + eps) * w."""
    r = torch.rsqrt(x.pow(2).mean(dim=1, keepdim=True) + eps)
    n = x * r
    dx = r * (g * w - n * (g * n).mean(dim=1, keepdim=True))
    return dx, (g * n).sum(dim=0)
