"""training/resume: Fresh start and resumption, what is proved.

Compiled from contracts/training/resume-v1.yaml: change the contract and run `albor-contracts generate`, never this file.
Meaning: 1f7fceabb601b60c1511d433f4a4333b1b95ed6d323f85155e8f287f13e75a8a
"""

from albor_contracts.prove import proof
from albor_impl.training.resume import position, resume_point


@proof("RS-FOUND", "crosshair")
def prove_rs_found(saved: int) -> None:
    """With a checkpoint the run goes on after it: the correction is never 0, nor that of a step already made."""
    assert 0 <= saved <= 1000000
    done, correction = resume_point(True, saved)
    assert done == saved
    assert correction == saved + 1


def canary_rs_found(saved: int) -> None:
    """The assumptions of RS-FOUND can be met: this claim must be refuted."""
    assert 0 <= saved <= 1000000
    pass  # the assumptions end here
    assert False


@proof("RS-EACH-ONCE", "crosshair")
def prove_rs_each_once(done: int, per_epoch: int) -> None:
    """Epoch and place give the step back, and the place lies within the epoch: every batch is read once in every epoch."""
    assert 0 <= done <= 1000000
    assert 1 <= per_epoch <= 5000
    epoch, place = position(done, per_epoch)
    assert epoch * per_epoch + place == done
    assert 0 <= place
    assert place < per_epoch


def canary_rs_each_once(done: int, per_epoch: int) -> None:
    """The assumptions of RS-EACH-ONCE can be met: this claim must be refuted."""
    assert 0 <= done <= 1000000
    assert 1 <= per_epoch <= 5000
    pass  # the assumptions end here
    assert False
