"""TIES merging (trim, elect sign, disjoint mean), in PyTorch.

Densities and counts are exact: fractions and whole numbers.
Source: Yadav, Tam, Choshen, Raffel, Bansal, "TIES-Merging: Resolving Interference When Merging Models" (2023).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

import torch

FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


def kept(density: float | str | Fraction, n: int) -> int:
    """How many of n elements a density keeps: floor(density * n).

    The density is the number it prints as, so 0.7 of 90 is 63 (in binary arithmetic int(0.7 * 90) is 62).
    Errors: ValueError when density is outside [0, 1] or n is negative.
    """
    share = Fraction(str(density))
    return kept_count(share.numerator, share.denominator, n)


def kept_count(num: int, den: int, n: int) -> int:
    """How many of n elements a density of num / den keeps: floor(num * n / den), in whole numbers.

    Errors: ValueError unless 0 <= num <= den, den >= 1 and n >= 0.
    """
    if den < 1 or not 0 <= num <= den:
        raise ValueError(f"density must be in [0, 1], got {num}/{den}")
    if n < 0:
        raise ValueError(f"n must not be negative, got {n}")
    return num * n // den


def ties(
    base: torch.Tensor,
    models: torch.Tensor,
    weights: torch.Tensor | Sequence[float],
    keep: int,
    lam: float,
) -> torch.Tensor:
    """Merge fine-tuned models into their common base, letting only agreeing changes through.

    Formula   tau[m] = models[m] - base;  D[m] = weights[m] * tau[m] on its `keep` largest |tau[m]|, else 0
              s = +1 where sum_m D[m] >= 0, else -1;  A[m] = D[m] != 0 and sign(D[m]) == s
              merged = base + lam * sum_m(D[m] where A[m]) / sum_m(weights[m] where A[m]);  base where no A[m]
    Shapes    base float[N], models float[M, N] of one dtype and device, weights[M], keep int in [0, N], lam real
    Returns   float[N] of that dtype
    Ties      equal |tau| keep the lower index; a sum of zero elects +1
    Inside    float64: ranks and signs are decisions, and differences of float32 weights rounded again to float32
              would tie or flip them. The weights are read by the host (M numbers, one synchronisation on CUDA).
    Errors    TypeError: dtypes; ValueError: shapes or devices do not fit, no model, keep outside [0, N], a negative
              or non-finite weight
    Source    Yadav et al., TIES-Merging: Resolving Interference When Merging Models, 2023. Trimming is per vector.
    """
    if base.dtype != models.dtype or base.dtype not in FLOATS:
        raise TypeError(f"ties needs base and models of one floating-point dtype, got {base.dtype} and {models.dtype}")
    shares = [float(w) for w in (weights.tolist() if isinstance(weights, torch.Tensor) else weights)]
    if base.ndim != 1 or models.ndim != 2 or models.shape[1:] != base.shape or len(shares) != len(models):
        raise ValueError(
            f"ties needs base[N], models[M, N] and weights[M], "
            f"got {tuple(base.shape)}, {tuple(models.shape)} and {len(shares)} weights"
        )
    if base.device != models.device:
        raise ValueError(f"ties needs base and models on one device, got {base.device} and {models.device}")
    if not shares:
        raise ValueError("ties needs at least one model")
    if not 0 <= keep <= len(base):
        raise ValueError(f"keep must be in [0, {len(base)}], got {keep}")
    if not all(0 <= w < math.inf for w in shares):
        raise ValueError(f"weights must be finite and not negative, got {shares}")

    origin = base.double()
    changes = [weight * _trim(model.double() - origin, keep) for model, weight in zip(models, shares, strict=True)]
    positive = sum(changes) >= 0  # model by model: a defined order of addition, the same on every device

    mass, share = torch.zeros_like(origin), torch.zeros_like(origin)
    for change, weight in zip(changes, shares, strict=True):
        agrees = torch.where(positive, change > 0, change < 0)
        mass += torch.where(agrees, change, 0.0)
        share += torch.where(agrees, weight, 0.0)
    merged = torch.where(share > 0, origin + lam * mass / torch.where(share > 0, share, 1.0), origin)
    return merged.to(base.dtype)


def _trim(tau: torch.Tensor, keep: int) -> torch.Tensor:
    """tau on its `keep` largest magnitudes (a stable sort puts the lower index first), zero elsewhere."""
    largest = torch.sort(-tau.abs(), stable=True).indices[:keep]
    return torch.zeros_like(tau).index_copy_(0, largest, tau[largest])
