"""After which steps a training loop evaluates and saves.

Steps are whole numbers. Errors: ValueError for a negative `every`.
Source: Prechelt, "Early Stopping - But When?" (1998), for evaluation in strips of k steps.
"""

from __future__ import annotations


def evaluation_due(step: int, every: int) -> bool:
    """Whether evaluation is due once `step` steps are done. `every` 0 means never; ValueError if it is negative."""
    if every < 0:
        raise ValueError(f"every must not be negative (0 means never), got {every}")
    if every == 0 or step <= 0:
        return False
    return step % every == 0


def checkpoint_due(step: int, every: int, total: int, resumed: int) -> bool:
    """Whether a checkpoint is due once `step` of `total` steps are done, in a run that began at step `resumed`."""
    due = evaluation_due(step, every)
    return step > resumed and (due or step == total)
