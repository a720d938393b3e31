"""When a run stops because it no longer improves (Prechelt 1998).

Losses are floats in one unit, evaluations and steps whole numbers.
"""

from __future__ import annotations

import math


def early_stop(best: float, waited: int, value: float, patience: int, delta: float) -> tuple[float, int, bool, bool]:
    """The best value, the evaluations since it, whether this one improved, and whether to stop.

    Formula   improved = value < best - delta (false for NaN);  stop = 0 < patience <= evaluations without improvement
    Units     value, best and delta alike; patience counts evaluations, 0 means never
    Errors    ValueError: patience or waited negative, delta negative
    """
    if patience < 0 or waited < 0 or delta < 0:
        raise ValueError(f"patience, waited and delta must not be negative, got {patience}, {waited}, {delta}")
    improved = value < best - delta
    if improved:
        best, waited = value, 0
    else:
        waited += 1
    return best, waited, improved, 0 < patience <= waited


def run_status(value: float, done: int, total: int, stop: bool) -> tuple[int, float]:
    """The status of a run and the loss to log: 0 running, 1 completed, 2 stopped early, 3 failed.

    Args      value: the loss; done of total steps; stop: whether the run was told to stop
    Errors    ValueError unless 0 <= done <= total and total >= 1
    """
    if total < 1 or not 0 <= done <= total:
        raise ValueError(f"steps done must lie in [0, total], total at least 1, got {done} of {total}")
    if not math.isfinite(value):
        return 3, value
    if done == total:
        return 1, value
    return (2 if stop else 0), value
