"""Early stopping for a training loop: a state of three numbers, so that it can be kept in a checkpoint.

Losses are floats in one unit, evaluations and steps whole numbers.
Errors: ValueError for a patience, delta or count that is negative, and as `run_status` says.
Source: Prechelt, "Early Stopping - But When?" (1998).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import IntEnum


class Status(IntEnum):
    """What a run shows of itself."""

    RUNNING = 0
    COMPLETED = 1
    STOPPED = 2
    FAILED = 3


@dataclass
class EarlyStopping:
    """`update(value)` after each evaluation says whether to stop; `improved` whether to keep this checkpoint."""

    patience: int
    delta: float = 0.0
    best: float = math.inf
    waited: int = 0
    improved: bool = False

    def __post_init__(self) -> None:
        for name in ("patience", "delta", "waited"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must not be negative, got {getattr(self, name)}")

    def update(self, value: float) -> bool:
        """Take note of the value of one more evaluation. Whether to stop."""
        self.improved = not math.isnan(value) and value < self.best - self.delta
        self.waited = 0 if self.improved else self.waited + 1
        if self.improved:
            self.best = value
        return self.patience > 0 and self.waited >= self.patience


def early_stop(best: float, waited: int, value: float, patience: int, delta: float) -> tuple[float, int, bool, bool]:
    """One evaluation: the best, the evaluations since it, whether this one improved, whether to stop."""
    state = EarlyStopping(patience, delta, best, waited)
    stop = state.update(value)
    return state.best, state.waited, state.improved, stop


def run_status(value: float, done: int, total: int, stop: bool) -> tuple[int, float]:
    """The `Status` of a run with this loss after `done` of `total` steps, told to stop or not; and the loss to log.

    Errors: ValueError unless 0 <= done <= total and total is at least 1.
    """
    if not (total >= 1 and 0 <= done <= total):
        raise ValueError(f"steps: expected 0 <= done <= total and a total of at least 1, got {done} of {total}")
    if not math.isfinite(value):
        status = Status.FAILED
    elif done == total:
        status = Status.COMPLETED
    else:
        status = Status.STOPPED if stop else Status.RUNNING
    return int(status), value
