"""TIES merging: trim, elect sign, disjoint mean.

Densities and counts are exact: fractions and whole numbers.
Source: Yadav, Tam, Choshen, Raffel, Bansal, "TIES-Merging: Resolving Interference When Merging Models" (2023).
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np


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


def ties(base: np.ndarray, models: np.ndarray, weights: np.ndarray, keep: int, lam: float) -> np.ndarray:
    """Merge fine-tuned models into their common base, letting only agreeing changes through.

    Formula   tau[m] = models[m] - base                                         the task vectors
              D[m]   = weights[m] * (tau[m] where it is among its `keep` largest |tau[m]|, else 0)
              s      = +1 where sum_m D[m] >= 0, else -1                        the elected sign, by mass
              A[m]   = D[m] != 0 and sign(D[m]) == s                            who agrees
              merged = base + lam * sum_m(D[m] where A[m]) / sum_m(weights[m] where A[m])
    Shapes    base float[N], models float[M, N], weights float[M], keep int in [0, N], lam real
    Returns   f64[N]; where nobody agrees, base unchanged
    Ties      equal |tau| keep the lower index; a sum of zero elects +1
    Errors    ValueError: shapes do not fit, no model, keep outside [0, N], a negative or non-finite weight
    Source    Yadav et al., TIES-Merging: Resolving Interference When Merging Models, 2023. Trimming is per vector.
    """
    base, models, weights = (np.asarray(x, dtype=np.float64) for x in (base, models, weights))
    if base.ndim != 1 or models.ndim != 2 or models.shape[1:] != base.shape or weights.shape != models.shape[:1]:
        raise ValueError(
            f"ties needs base[N], models[M, N] and weights[M], got {base.shape}, {models.shape}, {weights.shape}"
        )
    if len(models) == 0:
        raise ValueError("ties needs at least one model")
    if not 0 <= keep <= len(base):
        raise ValueError(f"keep must be in [0, {len(base)}], got {keep}")
    if not all(0 <= w < np.inf for w in weights):
        raise ValueError(f"weights must be finite and not negative, got {weights.tolist()}")

    tau = models - base
    change = np.zeros_like(tau)
    for m in range(len(models)):
        largest = np.argsort(-np.abs(tau[m]), kind="stable")[:keep]
        change[m, largest] = weights[m] * tau[m, largest]

    elected = np.where(sum(change) >= 0, 1.0, -1.0)
    agrees = (change != 0) & (np.sign(change) == elected)
    mass = sum(np.where(agrees, change, 0.0))
    share = sum(np.where(agrees, weights[:, None], 0.0))
    return np.where(share > 0, base + lam * mass / np.where(share > 0, share, 1.0), base)
