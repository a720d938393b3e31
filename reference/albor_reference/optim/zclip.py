"""Spike clipping by z-score with running statistics (Kumar et al. 2025, "ZClip", reciprocal clipping).

Norms and statistics are floats. sigma is the root of the variance; where it is 0 nothing is clipped.
"""

from __future__ import annotations

import math


def zclip(norm: float, mean: float, variance: float, decay: float, threshold: float) -> tuple[float, float, float]:
    """The norm to scale the gradient to, and the statistics after it.

    Formula   z = (norm - mean) / sigma;  z <= threshold: target = norm;  else target = mean + threshold^2 sigma / z
              mean' = decay mean + (1 - decay) target,  variance' = decay variance + (1 - decay) (target - mean')^2
    Errors    ValueError: norm is not finite, variance < 0, decay outside [0, 1), threshold <= 0
    """
    if not math.isfinite(norm):
        raise ValueError(f"norm must be finite, got {norm}: leave the step out and the statistics as they are")
    if variance < 0 or not 0 <= decay < 1 or threshold <= 0:
        raise ValueError(f"expected variance >= 0, 0 <= decay < 1, threshold > 0, got {variance}, {decay}, {threshold}")
    target = norm
    sigma = math.sqrt(variance)
    if sigma > 0 and norm > mean + threshold * sigma:
        z = (norm - mean) / sigma
        target = mean + threshold**2 * sigma / z
    mean = decay * mean + (1 - decay) * target
    variance = decay * variance + (1 - decay) * (target - mean) ** 2
    return target, mean, variance
