"""Learning rates as a training script asks for them: for one step, for all groups of parameters, for another width.

The decay is evaluated as a squared cosine of half the angle, lowest + (peak - lowest) cos^2(pi/2 progress): no
cancellation near its end, where 1 + cos(pi progress) loses its digits.

Steps, marks and percents are whole numbers; rates are floats, all in one unit. Errors: ValueError, as each function
says; `set_rate` refuses nothing.
Sources: Loshchilov and Hutter, SGDR (2017); Hu and others, MiniCPM (2024); Yang and others, Tensor Programs V (2022).
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch


def _check_marks(step: int, warmup: int, stable: int, total: int) -> None:
    if total < 1 or not 0 <= warmup <= stable <= total:
        raise ValueError(
            f"marks must satisfy 0 <= warmup <= stable <= total and 1 <= total, got warmup {warmup}, "
            f"stable {stable}, total {total}; a run without horizon has no schedule"
        )
    if step < 0:
        raise ValueError(f"step must be at least 0, got {step}")


def _check_rates(peak: float, lowest: float) -> None:
    if not (math.isfinite(peak) and 0 <= lowest <= peak):
        raise ValueError(f"rates must satisfy 0 <= lowest <= peak < infinity, got lowest {lowest}, peak {peak}")


def _between(progress: float, peak: float, lowest: float) -> float:
    c = math.cos(math.pi / 2 * progress)
    return min(lowest + (peak - lowest) * c * c, peak)


def linear_warmup(step: int, warmup: int, peak: float) -> float:
    """peak * step / warmup before the mark, the peak from it on (at once without a warm-up).

    Errors: ValueError when step or warmup is negative, or the peak is negative or not finite.
    """
    if step < 0 or warmup < 0:
        raise ValueError(f"step and warmup must be at least 0, got step {step}, warmup {warmup}")
    _check_rates(peak, 0.0)
    return float(peak) * (min(step, warmup) / warmup if warmup else 1.0)


def cosine_decay(step: int, start: int, end: int, peak: float, lowest: float) -> float:
    """The peak until `start`, half a cosine down to `lowest` at `end`, then `lowest`.

    Errors: ValueError unless 0 <= start < end, step >= 0 and 0 <= lowest <= peak < infinity.
    """
    if not 0 <= start < end:
        raise ValueError(f"marks must satisfy 0 <= start < end, got start {start}, end {end}")
    return wsd(step, 0, start, end, peak, lowest)


def wsd(step: int, warmup: int, stable: int, total: int, peak: float, lowest: float) -> float:
    """Warm-up, stable, decay: linear up to `warmup`, the peak up to `stable`, cosine down to `lowest` at `total`.

    Units     as peak. Steps count from 0; the marks are steps, not lengths
    Exact     the peak from `warmup` to `stable`, lowest from `total` on (where total > stable)
    Errors    ValueError unless 0 <= warmup <= stable <= total, 1 <= total, step >= 0, 0 <= lowest <= peak < infinity
    Source    Hu and others, MiniCPM, 2024, with the cosine of Loshchilov and Hutter, SGDR, 2017
    """
    _check_marks(step, warmup, stable, total)
    _check_rates(peak, lowest)
    if step < warmup:
        return float(peak) * (step / warmup)
    if step <= stable:
        return float(peak)
    return float(lowest) if step >= total else _between((step - stable) / (total - stable), peak, lowest)


def wsd_marks(total: int, warmup_percent: int, decay_percent: int) -> tuple[int, int]:
    """Marks of a run: the first and the last so many percent of its steps, rounded down, are warm-up and decay.

    Errors: ValueError when total < 1, a share is negative, or both exceed 100 percent together.
    """
    if total < 1 or warmup_percent < 0 or decay_percent < 0 or warmup_percent + decay_percent > 100:
        raise ValueError(
            "needs total >= 1 and shares of at least 0 and at most 100 percent together, "
            f"got total {total}, warmup_percent {warmup_percent}, decay_percent {decay_percent}"
        )
    return (total * warmup_percent) // 100, total - (total * decay_percent) // 100


def group_rates(
    factors: torch.Tensor, step: int, warmup: int, stable: int, total: int, peak: float, lowest: float
) -> torch.Tensor:
    """The rate of every parameter group at one step: factors f64[G] * wsd(step), f64[G]. Errors: as `wsd`."""
    return factors * wsd(step, warmup, stable, total, peak, lowest)


def set_rate(optimizers: Iterable[torch.optim.Optimizer], rate: float) -> None:
    """Give every group of every optimizer the rate, times the group's own "factor" where it has one.

    A model trained by several optimizers (one for embeddings, one for matrices) has one schedule: none may be left out.
    """
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = rate * group.get("factor", 1.0)


def width_rate(base: float, base_width: int, width: int, hidden: bool) -> float:
    """The rate found at one width, carried to another, under muP with Adam: only hidden matrices change theirs.

    Formula   base * base_width / width where both dimensions of the parameter grow with the width, else base
    Errors    ValueError when a width is below 1
    Source    Yang and others, Tensor Programs V, 2022, table 8
    """
    if min(base_width, width) < 1:
        raise ValueError(f"widths must be at least 1, got base_width {base_width}, width {width}")
    return base * (base_width / width) if hidden else float(base)
