"""The reference's rule over whole runs, against running minima, and by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from albor_reference.training.early_stopping import early_stop, run_status


def over(values: list[float], patience: int, delta: float) -> list[tuple[float, int, bool, bool]]:
    found, best, waited = [], math.inf, 0
    for value in values:
        best, waited, improved, stop = early_stop(best, waited, value, patience, delta)
        found.append((best, waited, improved, stop))
    return found


def test_without_delta_the_best_is_the_running_minimum() -> None:
    values = np.random.default_rng(11).integers(0, 50, 200) / 8.0
    lowest = np.minimum.accumulate(values)
    first = [int(np.argmin(values[: k + 1])) for k in range(200)]  # argmin takes the first of equal ones
    for k, (best, waited, improved, stop) in enumerate(over(values.tolist(), 3, 0.0)):
        assert (best, waited, improved) == (lowest[k], k - first[k], k == first[k])
        assert stop == (k - first[k] >= 3)


def test_by_hand() -> None:
    values = [3.0, 2.5, 2.45, 2.4, 2.3999, 1.0]
    assert over(values, 2, 0.125) == [
        (3.0, 0, True, False), (2.5, 0, True, False), (2.5, 1, False, False), (2.5, 2, False, True),
        (2.5, 3, False, True), (1.0, 0, True, False),
    ]  # fmt: skip
    assert not early_stop(2.5, 0, 2.375, 1, 0.125)[2]  # exactly delta is no improvement


def test_patience_of_zero_never_stops_and_nan_never_improves() -> None:
    assert not any(stop for *_, stop in over([1.0] * 50, 0, 0.0))
    assert over([math.nan, math.nan], 2, 0.0) == [(math.inf, 1, False, False), (math.inf, 2, False, True)]
    assert over([math.inf, -math.inf], 1, 0.0) == [(math.inf, 1, False, True), (-math.inf, 0, True, False)]


@pytest.mark.parametrize(("waited", "patience", "delta"), [(-1, 1, 0.0), (0, -1, 0.0), (0, 1, -0.5)])
def test_what_is_refused(waited: int, patience: int, delta: float) -> None:
    with pytest.raises(ValueError, match="must not be negative"):
        early_stop(1.0, waited, 1.0, patience, delta)


def test_status_of_a_run() -> None:
    assert run_status(10.39, 0, 5, False) == (0, 10.39)
    assert run_status(2.0, 5, 5, True) == (1, 2.0)
    assert run_status(2.0, 4, 5, True) == (2, 2.0)
    assert run_status(math.inf, 5, 5, False) == (3, math.inf)
    for done, total in ((6, 5), (-1, 5), (0, 0)):
        with pytest.raises(ValueError, match="steps done"):
            run_status(1.0, done, total, False)
