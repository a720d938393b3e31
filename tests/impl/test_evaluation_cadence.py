import itertools

import pytest
from albor_impl.training.evaluation_cadence import checkpoint_due, evaluation_due
from albor_reference.training import evaluation_cadence as reference


def test_agrees_with_the_reference():
    for step, every in itertools.product(range(25), range(8)):
        due = evaluation_due(step, every)
        assert type(due) is bool and due == reference.evaluation_due(step, every)
        for total, resumed in itertools.product((0, 1, 7, 20, 24), (0, 1, 6, 20)):
            due = checkpoint_due(step, every, total, resumed)
            assert type(due) is bool and due == reference.checkpoint_due(step, every, total, resumed)


def test_a_resumed_run_does_not_write_over_what_it_came_from():
    fresh = {step for step in range(23) if checkpoint_due(step, 5, 22, 0)}
    resumed = {step for step in range(23) if checkpoint_due(step, 5, 22, 10)}
    assert fresh == {5, 10, 15, 20, 22} and resumed == {15, 20, 22}


def test_large_steps_are_exact():
    assert evaluation_due(3 * (10**17 + 1), 10**17 + 1) and not evaluation_due(3 * (10**17 + 1) + 1, 10**17 + 1)


def test_a_negative_interval_is_refused():
    with pytest.raises(ValueError, match="every must not be negative"):
        evaluation_due(1, -1)
    with pytest.raises(ValueError, match="every must not be negative"):
        checkpoint_due(1, -1, 1, 0)
