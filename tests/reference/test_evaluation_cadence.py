"""The reference's cadence against the multiples themselves, counted by a loop that knows no remainder."""

from __future__ import annotations

import pytest
from albor_reference.training.evaluation_cadence import checkpoint_due, evaluation_due


@pytest.mark.parametrize("every", [1, 2, 7, 20, 21])
def test_evaluations_are_at_the_multiples(every: int) -> None:
    assert [step for step in range(41) if evaluation_due(step, every)] == list(range(every, 41, every))


@pytest.mark.parametrize(("every", "total", "resumed"), [(5, 20, 0), (5, 22, 0), (5, 22, 10), (7, 3, 0), (0, 9, 0),
                                                         (5, 20, 20), (4, 20, 6)])  # fmt: skip
def test_checkpoints_are_those_and_the_last_step_after_the_resumed_one(every: int, total: int, resumed: int) -> None:
    wanted = {*(range(every, total + 1, every) if every else ()), total} - set(range(resumed + 1))
    assert {step for step in range(total + 1) if checkpoint_due(step, every, total, resumed)} == wanted


def test_nothing_is_due_before_the_first_step_or_never() -> None:
    assert not evaluation_due(0, 1) and not checkpoint_due(0, 1, 0, 0)
    assert not any(evaluation_due(step, 0) for step in range(100))


def test_what_is_refused() -> None:
    for step, every in ((-1, 1), (1, -1)):
        with pytest.raises(ValueError, match="must not be negative"):
            evaluation_due(step, every)
        with pytest.raises(ValueError, match="must not be negative"):
            checkpoint_due(step, every, 10, 0)
