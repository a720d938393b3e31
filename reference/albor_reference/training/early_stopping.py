"""When a run stops because it no longer improves (Prechelt 1998)."""

from __future__ import annotations


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
