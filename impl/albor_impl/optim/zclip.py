"""Spike clipping of gradient norms, as a function and as what a training loop keeps between its steps.

    z = (norm - mean) / sigma, sigma^2 = variance
    target = mean + threshold^2 sigma / z where z > threshold, else norm
    mean' = decay mean + (1 - decay) target
    variance' = decay variance + (1 - decay) (target - mean')^2

Norms and statistics are floats. Where sigma is 0 nothing is clipped.
Errors: ValueError for a norm that is not finite, variance < 0, a decay outside [0, 1), threshold <= 0.
Source: Kumar et al., "ZClip: Adaptive Spike Mitigation for LLM Pre-Training" (2025), reciprocal clipping.
"""

from __future__ import annotations

import math
from dataclasses import dataclass


def zclip(norm: float, mean: float, variance: float, decay: float, threshold: float) -> tuple[float, float, float]:
    """Target norm, mean and variance after one more norm. Raises ValueError for a norm that is not finite."""
    if math.isnan(norm) or math.isinf(norm):
        raise ValueError(f"the gradient norm is {norm}: it must be finite to be judged")
    if not (variance >= 0 and 0 <= decay < 1 and threshold > 0):
        raise ValueError(f"variance {variance}, decay {decay} or threshold {threshold} is out of range")
    excess = norm - mean
    clipped = variance > 0 and excess > threshold * math.sqrt(variance)
    target = mean + threshold * threshold * variance / excess if clipped else norm
    moved = mean * decay + target * (1 - decay)
    return target, moved, variance * decay + (1 - decay) * (target - moved) * (target - moved)


@dataclass
class ZClip:
    """Collects `warmup` norms before it clips; `coefficient(norm)` is what the gradient is multiplied by."""

    threshold: float = 2.5
    decay: float = 0.97
    warmup: int = 25
    mean: float = 0.0
    variance: float = 0.0
    seen: int = 0

    def coefficient(self, norm: float) -> float:
        """The factor for a gradient of this norm; takes note of the norm. ValueError where it is not finite."""
        if self.seen < self.warmup:
            if not math.isfinite(norm):
                raise ValueError(f"the gradient norm is {norm}: it must be finite to be judged")
            self.seen += 1
            step = norm - self.mean
            self.mean += step / self.seen  # Welford: population variance so far
            self.variance += (step * (norm - self.mean) - self.variance) / self.seen
            return 1.0
        target, self.mean, self.variance = zclip(norm, self.mean, self.variance, self.decay, self.threshold)
        return target / norm if norm > 0 else 1.0
