import math

import numpy as np
import pytest
from albor_impl.training.early_stopping import EarlyStopping, Status, early_stop, run_status
from albor_reference.training import early_stopping as reference


def test_agrees_with_the_reference():
    rng = np.random.default_rng(1)
    special = [math.nan, math.inf, -math.inf, 0.0]
    for _ in range(300):
        best, value = (float(rng.choice([*special, *rng.integers(-8, 8, 4) / 4])) for _ in range(2))
        given = best, int(rng.integers(0, 5)), value, int(rng.integers(0, 5)), float(rng.choice([0.0, 0.25, 1.0]))
        got = early_stop(*given)
        np.testing.assert_equal(got, reference.early_stop(*given))
        assert [type(v) for v in got] == [float, int, bool, bool]


def test_a_run_that_is_resumed_goes_on_where_it_was():
    values = [3.0, 2.5, 2.5, 2.75, 1.0, 1.0, 1.0]
    whole = EarlyStopping(patience=2)
    expected = [(whole.update(v), whole.improved) for v in values]
    assert expected == [(False, True), (False, True), (False, False), (True, False), (False, True), (False, False),
                        (True, False)]  # fmt: skip
    for cut in range(len(values)):
        first = EarlyStopping(patience=2)
        found = [(first.update(v), first.improved) for v in values[:cut]]
        second = EarlyStopping(patience=2, best=first.best, waited=first.waited)
        assert found + [(second.update(v), second.improved) for v in values[cut:]] == expected


def test_patience_of_zero_never_stops():
    stopper = EarlyStopping(patience=0)
    assert not any(stopper.update(math.nan) for _ in range(50)) and stopper.best == math.inf


@pytest.mark.parametrize("change", [{"patience": -1}, {"delta": -0.5}, {"waited": -1}])
def test_what_is_refused(change):
    with pytest.raises(ValueError, match=f"{next(iter(change))} must not be negative"):
        EarlyStopping(**({"patience": 1} | change))


def test_the_status_of_a_whole_run():
    values = [10.39, 9.0, 8.5]
    assert [run_status(v, n, 3, False) for n, v in enumerate(values, 1)] == [
        (Status.RUNNING, 10.39), (Status.RUNNING, 9.0), (Status.COMPLETED, 8.5)
    ]  # fmt: skip
    for value in (1.0, math.inf, math.nan):
        for done, total, stop in (
            (0, 2, False),
            (1, 2, True),
            (2, 2, True),
            (3, 2, True),
            (-1, 2, False),
            (0, 0, True),
        ):
            found = []
            for function in (run_status, reference.run_status):
                try:
                    found.append(function(value, done, total, stop))
                except ValueError:
                    found.append("refused")
            np.testing.assert_equal(*found)
            assert found[0] == "refused" or [type(v) for v in found[0]] == [int, float]
