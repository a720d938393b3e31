"""schedule/batch-algebra: Batches, in sequences and tokens, what is proved.

Compiled from contracts/schedule/batch-algebra-v1.yaml: change the contract and run `albor-contracts generate`, never this file.
Meaning: 19158a2f180815118d1789d9d910e6ad11287ed89e3a9d0d793c30acd2ac9688
"""

from albor_contracts.prove import proof
from albor_impl.schedule.batch_algebra import accumulation_for, step_tokens


@proof("BAL-FOLD", "crosshair")
def prove_bal_fold(micro: int, accumulation: int, world: int, sequence: int) -> None:
    """Workers, micro-batches and their size are interchangeable: only the product counts."""
    assert micro >= 1
    assert accumulation >= 1
    assert world >= 1
    assert sequence >= 1
    pass
    assert step_tokens(micro, accumulation, world, sequence) == step_tokens(micro * accumulation, 1, world, sequence)
    assert step_tokens(micro, accumulation, world, sequence) == step_tokens(micro, accumulation * world, 1, sequence)


def canary_bal_fold(micro: int, accumulation: int, world: int, sequence: int) -> None:
    """The assumptions of BAL-FOLD can be met: this claim must be refuted."""
    assert micro >= 1
    assert accumulation >= 1
    assert world >= 1
    assert sequence >= 1
    pass  # the assumptions end here
    assert False


@proof("BAL-REACHES", "crosshair")
def prove_bal_reaches(target: int, per_pass: int) -> None:
    """So many micro-batches reach the target, and one fewer does not."""
    assert target >= 1
    assert per_pass >= 1
    accumulation = accumulation_for(target, per_pass)
    assert accumulation * per_pass >= target
    assert (accumulation - 1) * per_pass < target


def canary_bal_reaches(target: int, per_pass: int) -> None:
    """The assumptions of BAL-REACHES can be met: this claim must be refuted."""
    assert target >= 1
    assert per_pass >= 1
    pass  # the assumptions end here
    assert False
