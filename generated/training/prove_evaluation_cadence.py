"""training/evaluation-cadence: Evaluation and checkpoint cadence, what is proved.

Compiled from contracts/training/evaluation-cadence-v1.yaml: change the contract and run `albor-contracts generate`, never this file.
Meaning: e75ceabe1c318f90dc22559c28f94f96b208ed9a024dccd16ef03e95f4c06d52
"""

from albor_contracts.prove import proof
from albor_impl.training.evaluation_cadence import checkpoint_due, evaluation_due


@proof("EC-NEVER", "crosshair")
def prove_ec_never(step: int, every: int) -> None:
    """0 switches evaluation off; nothing is evaluated before the first step."""
    assert 0 <= step <= 300
    assert 0 <= every <= 40
    pass
    assert not evaluation_due(step, 0)
    assert not evaluation_due(0, every)


def canary_ec_never(step: int, every: int) -> None:
    """The assumptions of EC-NEVER can be met: this claim must be refuted."""
    assert 0 <= step <= 300
    assert 0 <= every <= 40
    pass  # the assumptions end here
    assert False


@proof("EC-LAST", "crosshair")
def prove_ec_last(every: int, total: int, resumed: int) -> None:
    """The last step is always saved, unless the run was resumed there; the step resumed from never is."""
    assert 0 <= every <= 40
    assert 1 <= total <= 300
    assert 0 <= resumed <= total
    pass
    assert resumed == total or checkpoint_due(total, every, total, resumed)
    assert not checkpoint_due(resumed, every, total, resumed)


def canary_ec_last(every: int, total: int, resumed: int) -> None:
    """The assumptions of EC-LAST can be met: this claim must be refuted."""
    assert 0 <= every <= 40
    assert 1 <= total <= 300
    assert 0 <= resumed <= total
    pass  # the assumptions end here
    assert False
