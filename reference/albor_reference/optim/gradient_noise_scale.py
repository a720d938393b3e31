"""The gradient noise scale from squared gradient norms at two batch sizes.

E |G_b|^2 = |G|^2 + tr(S) / b for a gradient over b samples; two sizes give both unknowns.
Norms and results are floats, batch sizes whole numbers.
Source: McCandlish et al., "An Empirical Model of Large-Batch Training" (2018), appendix A.1.
"""

from __future__ import annotations


def noise_scale(small: float, large: float, small_batch: int, large_batch: int) -> tuple[float, float, float]:
    """|G|^2, tr(S) and B = tr(S) / |G|^2 in samples, from squared norms over small_batch and large_batch samples.

    Raises ValueError for sizes below 1 or equal ones.
    """
    if small_batch < 1 or large_batch < 1 or small_batch == large_batch:
        raise ValueError(f"two different batch sizes of at least 1 are needed, got {small_batch} and {large_batch}")
    signal = (large_batch * large - small_batch * small) / (large_batch - small_batch)
    noise = (small - large) / (1 / small_batch - 1 / large_batch)
    if signal == 0:
        return signal, noise, float("nan") if noise == 0 else noise * float("inf")
    return signal, noise, noise / signal
