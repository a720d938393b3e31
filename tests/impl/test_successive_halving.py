"""The search that ships against the reference, diverged runs among its losses."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from albor_impl.schedule import successive_halving as impl
from albor_reference.schedule import successive_halving as reference

COUNTS = [*range(1, 40), 64, 65, 81, 100, 125, 1_000, 12_345]


@pytest.mark.parametrize("reduction", [2, 3, 5, 10])
def test_plans_are_those_of_the_reference(reduction: int) -> None:
    for n in COUNTS:
        assert impl.rungs(n, reduction) == reference.rungs(n, reduction)
        assert impl.total_budget(n, reduction, 3) == reference.total_budget(n, reduction, 3)
        assert impl.resumed_budget(n, reduction, 3) == reference.resumed_budget(n, reduction, 3)
        for rung in range(6):
            assert impl.survivors(n, reduction, rung) == reference.survivors(n, reduction, rung)
            assert impl.rung_units(reduction, rung, n) == reference.rung_units(reduction, rung, n)


def test_searches_with_diverged_runs_are_those_of_the_reference() -> None:
    rng = np.random.default_rng(0)
    for n in (1, 2, 3, 7, 16, 31, 32):
        for _ in range(10):
            losses = rng.choice([0.0, 1.0, -1.0, 3.0, np.nan, np.inf], (6, n))
            assert impl.halving(torch.tensor(losses), 2) == reference.halving(losses, 2)


def test_when_everything_diverges_the_first_wins() -> None:
    assert impl.halving(torch.full((3, 4), float("nan"), dtype=torch.float64), 2) == (0, 12)


def test_refusals() -> None:
    calls = [
        lambda: impl.rungs(0, 2),
        lambda: impl.survivors(3, 1, 1),
        lambda: impl.survivors(3, 2, -1),
        lambda: impl.rung_units(2, -1, 1),
        lambda: impl.total_budget(3, 2, 0),
        lambda: impl.select(torch.zeros(3), 4),
        lambda: impl.halving(torch.zeros(2, 5), 2),
        lambda: impl.halving(torch.zeros(3, 0), 2),
    ]
    for call in calls:
        with pytest.raises(ValueError):
            call()
