"""Schedules of the learning rate, piece by piece: warm-up, decay, both around a plateau, and the rates of groups.

Marks are steps counted from 0: the warm-up ends at `warmup`, the plateau at `stable`, the decay at `total`. At `warmup`
and `stable` the rate is exactly the peak, from `total` on exactly `lowest`, which is a rate and no share of the peak.
Steps, marks and percents are whole numbers; rates are floats, all in one unit.
Source: Loshchilov and Hutter, SGDR, 2017; Hu and others, MiniCPM, 2024 (there with an exponential decay).
"""

from __future__ import annotations

import math

import numpy as np


def _check_rates(peak: float, lowest: float) -> None:
    if not 0 <= lowest <= peak < math.inf:
        raise ValueError(f"rates must satisfy 0 <= lowest <= peak < infinity, got lowest {lowest}, peak {peak}")


def _check_step(step: int) -> None:
    if step < 0:
        raise ValueError(f"step must be at least 0, got {step}")


def linear_warmup(step: int, warmup: int, peak: float) -> float:
    """peak * step / warmup before the mark, the peak from it on (at once without a warm-up).

    Errors: ValueError when step or warmup is negative, or the peak is negative or not finite.
    """
    _check_step(step)
    _check_rates(peak, 0)
    if warmup < 0:
        raise ValueError(f"warmup must be at least 0, got {warmup}")
    return peak * step / warmup if step < warmup else float(peak)


def cosine_decay(step: int, start: int, end: int, peak: float, lowest: float) -> float:
    """The peak until `start`, half a cosine down to `lowest` at `end`, then `lowest`.

    Formula   lowest + (peak - lowest) / 2 * (1 + cos(pi * (step - start) / (end - start)))
    Errors    ValueError: not 0 <= start < end, step < 0, not 0 <= lowest <= peak < infinity
    """
    _check_step(step)
    _check_rates(peak, lowest)
    if not 0 <= start < end:
        raise ValueError(f"marks must satisfy 0 <= start < end, got start {start}, end {end}")
    if step <= start:
        return float(peak)
    if step >= end:
        return float(lowest)
    # The sum may round a last digit above the peak or below lowest.
    rate = lowest + (peak - lowest) / 2 * (1 + math.cos(math.pi * (step - start) / (end - start)))
    return min(max(rate, lowest), peak)


def wsd(step: int, warmup: int, stable: int, total: int, peak: float, lowest: float) -> float:
    """Warm-up, stable, decay: linear up to `warmup`, the peak up to `stable`, cosine down to `lowest` at `total`.

    Errors: ValueError unless 0 <= warmup <= stable <= total, 1 <= total, step >= 0, 0 <= lowest <= peak < infinity.
    A total of 0 is a run without horizon: nothing can decay towards it.
    """
    _check_rates(peak, lowest)
    if not (total >= 1 and 0 <= warmup <= stable <= total):
        raise ValueError(
            f"marks must satisfy 0 <= warmup <= stable <= total and 1 <= total, "
            f"got warmup {warmup}, stable {stable}, total {total}"
        )
    if step < warmup:
        return linear_warmup(step, warmup, peak)
    if step <= stable:
        _check_step(step)
        return float(peak)
    if stable == total:
        return float(lowest)
    return cosine_decay(step, stable, total, peak, lowest)


def wsd_marks(total: int, warmup_percent: int, decay_percent: int) -> tuple[int, int]:
    """The marks of a run of `total` steps whose first and last so many percent, rounded down, are warm-up and decay.

    Errors: ValueError when total < 1, a share is negative, or both exceed 100 percent together.
    """
    if total < 1:
        raise ValueError(f"total must be at least 1, got {total}")
    if warmup_percent < 0 or decay_percent < 0 or warmup_percent + decay_percent > 100:
        raise ValueError(
            f"shares must be at least 0 and at most 100 percent together, got {warmup_percent} and {decay_percent}"
        )
    return warmup_percent * total // 100, total - decay_percent * total // 100


def group_rates(
    factors: np.ndarray, step: int, warmup: int, stable: int, total: int, peak: float, lowest: float
) -> np.ndarray:
    """The rate of every parameter group at one step: factors[G] * wsd(step). Errors: as `wsd`."""
    return np.array([factor * wsd(step, warmup, stable, total, peak, lowest) for factor in factors])


def width_rate(base: float, base_width: int, width: int, hidden: bool) -> float:
    """The rate found at one width, carried to another, under muP with Adam.

    Hidden matrices (both dimensions grow with the width): base * base_width / width. All else (embeddings, norms,
    biases): base. Errors: ValueError when a width is below 1.
    Source: Yang and others, Tensor Programs V, 2022, table 8.
    """
    for name, value in (("base_width", base_width), ("width", width)):
        if value < 1:
            raise ValueError(f"{name} must be at least 1, got {value}")
    return base * base_width / width if hidden else base
