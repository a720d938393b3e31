"""The counters of a run: where it begins, and where in the data each of its steps is.

All numbers are whole, and count steps and epochs. Errors: ValueError for negative ones, or an epoch without a step.
Source: Loshchilov and Hutter, "Decoupled Weight Decay Regularization" (2019), algorithm 2, for the count that the
correction takes; places in the data are the definition in contracts/training/resume-v1.yaml.
"""

from __future__ import annotations


def resume_point(found: bool, saved: int) -> tuple[int, int]:
    """Steps done, and the step number of the next bias correction. `saved` counts only with a checkpoint."""
    if saved < 0:
        raise ValueError(f"a checkpoint cannot hold {saved} steps")
    if not found:
        return 0, 1
    return saved, saved + 1


def position(done: int, per_epoch: int) -> tuple[int, int]:
    """Epoch and place of the next step. Raises ValueError where an epoch has no step."""
    if per_epoch < 1:
        raise ValueError(f"per_epoch must be at least 1, got {per_epoch}: the data is smaller than a step")
    if done < 0:
        raise ValueError(f"done must not be negative, got {done}")
    epoch = done // per_epoch
    return epoch, done - epoch * per_epoch
