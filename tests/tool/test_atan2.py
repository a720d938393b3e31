"""atan2 in definitions: its bound holds wherever the point may have moved, and is not much wider than that."""

from __future__ import annotations

import math

import numpy as np
import pytest
from albor_contracts.runtime.bounded import Bounded, atan2
from albor_contracts.runtime.traced import Traced, apply


@pytest.mark.parametrize(("y", "x"), [(1.0, 2.0), (-3.0, 0.5), (1e-3, 1.0), (1.0, 1e-3), (2.0, 0.0), (0.01, 0.02)])
@pytest.mark.parametrize(("ey", "ex"), [(1e-3, 0.0), (0.0, 1e-3), (5e-4, 2e-3)])
def test_the_bound_covers_every_point_of_the_box(y: float, x: float, ey: float, ex: float) -> None:
    rng = np.random.default_rng(1)
    moved = np.arctan2(y + ey * rng.uniform(-1, 1, 20_000), x + ex * rng.uniform(-1, 1, 20_000))
    bound = float(atan2(Bounded(y, ey), Bounded(x, ex)).error)
    reach = float(np.max(np.abs(moved - math.atan2(y, x))))
    assert reach <= bound <= 2.5 * reach + 1e-14


def test_exact_arguments_leave_the_rounding_of_the_function() -> None:
    result = atan2(Bounded(1.0), Bounded(1.0))
    assert float(result.value) == math.pi / 4
    assert 0 < float(result.error) < 1e-15


def test_a_point_that_may_be_the_origin_may_have_any_angle() -> None:
    assert float(atan2(Bounded(1e-9, 1e-6), Bounded(1e-9, 1e-6)).error) >= 2 * math.pi


def test_its_gradient_is_that_of_the_angle() -> None:
    import torch

    y, x = torch.tensor(3.0, dtype=torch.float64, requires_grad=True), torch.tensor(4.0, dtype=torch.float64)
    apply("atan2", Traced(y), Traced(x)).value.backward()
    assert y.grad is not None
    assert float(y.grad) == pytest.approx(4 / 25)
