"""After which steps a run is evaluated and saved. Steps are counted after they are done, from 1.

Steps are whole numbers. Errors: ValueError for a negative `step` or `every`.
Source: Prechelt, "Early Stopping - But When?" (1998), for evaluation in strips of k steps.
"""

from __future__ import annotations


def _check(step: int, every: int) -> None:
    if every < 0 or step < 0:
        raise ValueError(f"step and every must not be negative (every 0 means never), got {step} and {every}")


def evaluation_due(step: int, every: int) -> bool:
    """Whether evaluation is due after `step` steps: step > 0, every > 0, and every divides step."""
    _check(step, every)
    return step > 0 and every > 0 and step % every == 0


def checkpoint_due(step: int, every: int, total: int, resumed: int) -> bool:
    """Whether a checkpoint is due after `step` of `total` steps, in a run that was resumed at `resumed` (0: fresh)."""
    _check(step, every)
    if step <= resumed:
        return False  # its checkpoint is what the run was resumed from
    return step == total or evaluation_due(step, every)
