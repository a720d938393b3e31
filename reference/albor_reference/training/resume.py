"""Where a run begins and which data its steps read. Steps are counted from 0 before they are made.

All numbers are whole, and count steps and epochs.
Source: Loshchilov and Hutter, "Decoupled Weight Decay Regularization" (2019), algorithm 2, for the count that the
correction takes; places in the data are the definition in contracts/training/resume-v1.yaml.
"""

from __future__ import annotations


def resume_point(found: bool, saved: int) -> tuple[int, int]:
    """Steps done so far, and the count that the next step's bias correction takes.

    done = saved where a checkpoint was found, else 0; the correction is done + 1. ValueError for saved < 0.
    """
    if saved < 0:
        raise ValueError(f"saved: a number of steps is not negative, got {saved}")
    done = saved if found else 0
    return done, done + 1


def position(done: int, per_epoch: int) -> tuple[int, int]:
    """Epoch, and place within it, of the step after `done` others. ValueError for per_epoch < 1 or done < 0."""
    if per_epoch < 1 or done < 0:
        raise ValueError(f"expected per_epoch >= 1 and done >= 0, got per_epoch {per_epoch} and done {done}")
    return divmod(done, per_epoch)
