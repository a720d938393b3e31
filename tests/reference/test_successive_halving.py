"""The search of the reference against a plain simulation that trains, sorts and drops."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from albor_reference.schedule.successive_halving import (
    halving,
    resumed_budget,
    rung_units,
    rungs,
    select,
    survivors,
    total_budget,
)


def simulate(losses: np.ndarray, reduction: int) -> tuple[int, int, int]:
    """Winner, units from the start, units when survivors go on; every unit is counted as it is trained."""
    alive, trained = list(range(losses.shape[1])), [0] * losses.shape[1]
    fresh, resumed, length = 0, 0, 1
    for row in losses:
        for i in alive:
            fresh += length
            resumed += length - trained[i]
            trained[i] = length
        if len(alive) == 1:
            return alive[0], fresh, resumed
        alive = sorted(sorted(alive, key=lambda i: row[i])[: math.ceil(Fraction(len(alive), reduction))])
        length *= reduction
    raise AssertionError("the table is too short")


@pytest.mark.parametrize("reduction", [2, 3, 4])
def test_the_search_is_that_of_the_simulation(reduction: int) -> None:
    rng = np.random.default_rng(reduction)
    for n in range(1, 33):
        losses = rng.integers(0, 5, (6, n)).astype(float)
        winner, fresh, resumed = simulate(losses, reduction)
        assert halving(losses, reduction) == (winner, fresh)
        assert total_budget(n, reduction, 7) == 7 * fresh
        assert resumed_budget(n, reduction, 7) == 7 * resumed


def test_rungs_and_survivors() -> None:
    assert [rungs(n, 3) for n in (1, 2, 3, 4, 9, 10, 27, 28)] == [0, 1, 1, 2, 2, 3, 3, 4]
    assert rungs(125, 5) == 3 and rungs(1_000, 10) == 3
    for n in range(1, 60):
        for rung in range(5):
            assert survivors(n, 3, rung) == math.ceil(Fraction(n, 3**rung))
    assert [rung_units(3, rung, 5) for rung in range(3)] == [5, 15, 45]


def test_selection_of_what_diverged() -> None:
    losses = np.array([np.nan, 2.0, np.inf, 2.0, 1e308])
    assert select(losses, 2).tolist() == [False, True, False, True, False]
    assert select(losses, 4).tolist() == [True, True, False, True, True]


def test_refusals() -> None:
    table = np.zeros((2, 5))
    calls = [
        lambda: rungs(0, 2),
        lambda: survivors(3, 1, 1),
        lambda: survivors(3, 2, -1),
        lambda: rung_units(2, -1, 1),
        lambda: total_budget(3, 2, 0),
        lambda: select(np.zeros(3), 4),
        lambda: halving(table, 2),
        lambda: halving(np.zeros((3, 0)), 2),
    ]
    for call in calls:
        with pytest.raises(ValueError):
            call()
