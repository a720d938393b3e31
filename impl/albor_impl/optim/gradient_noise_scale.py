"""Gradient noise scale for a training loop with micro-batches: their norms and that of their mean come for free.

    signal = (B large - b small) / (B - b)     noise = b B (small - large) / (B - b)     scale = noise / signal

for squared norms `small` and `large` over b and B samples. Norms and results are floats, batch sizes whole numbers.
Errors: ValueError for batch sizes below 1 or equal ones, and for a decay outside [0, 1).
Source: McCandlish et al., "An Empirical Model of Large-Batch Training" (2018), appendix A.1.
"""

from __future__ import annotations

import math


def noise_scale(small: float, large: float, small_batch: int, large_batch: int) -> tuple[float, float, float]:
    """Signal, noise and scale in samples, from squared norms of gradients over small_batch and large_batch samples."""
    if min(small_batch, large_batch) < 1 or small_batch == large_batch:
        raise ValueError(f"batch sizes must be at least 1 and differ, got {small_batch} and {large_batch}")
    # tr = b B (small - large) / (B - b); signal = large - tr / B, written so that large terms do not cancel.
    difference = large_batch - small_batch
    noise = small_batch * (small - large) * large_batch / difference
    signal = (large * large_batch - small * small_batch) / difference
    if signal == 0.0:
        return signal, noise, math.copysign(math.inf, noise) if noise else math.nan
    return signal, noise, noise / signal


class NoiseScale:
    """Running means of signal and noise: their quotient is far less biased than a mean of quotients."""

    def __init__(self, decay: float = 0.99) -> None:
        if not 0 <= decay < 1:
            raise ValueError(f"decay must be in [0, 1), got {decay}")
        self.decay, self.weight, self.signal, self.noise = decay, 0.0, 0.0, 0.0

    def update(self, small: float, large: float, small_batch: int, large_batch: int) -> float:
        """The scale in samples after one more pair of squared norms."""
        signal, noise, _ = noise_scale(small, large, small_batch, large_batch)
        keep, add = self.decay, 1 - self.decay
        self.signal, self.noise = keep * self.signal + add * signal, keep * self.noise + add * noise
        self.weight = keep * self.weight + add
        return self.noise / self.signal if self.signal else math.nan
