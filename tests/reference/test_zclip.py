"""The reference's spike clipping by hand, against closed forms of its running mean, and at its limits."""

from __future__ import annotations

import math

import numpy as np
import pytest
from albor_reference.optim.zclip import zclip


def test_by_hand() -> None:
    """Mean 1, deviation 0.2, threshold 2: a norm of 2 has z = 5 and goes to z = 4/5, that is 1.16."""
    found = zclip(2.0, 1.0, 0.04, 0.9, 2.0)
    np.testing.assert_allclose(found, (1.16, 1.016, 0.9 * 0.04 + 0.1 * 0.144**2), rtol=1e-13)
    # z = 1.5: nothing is clipped, and the statistics move towards the norm.
    np.testing.assert_allclose(zclip(1.3, 1.0, 0.04, 0.9, 2.0), (1.3, 1.03, 0.036 + 0.1 * 0.27**2), rtol=1e-13)


@pytest.mark.parametrize("z", [2.5, 3.0, 10.0, 1e6])
def test_the_score_becomes_its_reciprocal(z: float) -> None:
    target, _, _ = zclip(8.0 + 0.5 * z, 8.0, 0.25, 0.97, 2.5)
    # 8 and the target are rounded to 2^-50 and divided by the deviation.
    assert (target - 8.0) / 0.5 == pytest.approx(2.5**2 / z, abs=2.0**-48)


def test_without_spikes_the_mean_is_the_exponential_one() -> None:
    rng = np.random.default_rng(8)
    norms = 1.0 + 0.01 * rng.random(30)
    mean, variance = 1.0, 1.0  # a deviation of 1: no norm is a spike
    for norm in norms:
        target, mean, variance = zclip(float(norm), mean, variance, 0.9, 2.5)
        assert target == norm
    weights = 0.1 * 0.9 ** np.arange(29, -1, -1)
    assert mean == pytest.approx(0.9**30 + weights @ norms, rel=1e-14)
    assert 0.9**30 < variance < 0.9**30 + 1e-4


def test_at_the_edges() -> None:
    assert zclip(5.0, 1.0, 0.0, 0.0, 2.0) == (5.0, 5.0, 0.0)  # no deviation is known: nothing is a spike
    assert zclip(2.0, 1.0, 0.25, 0.5, 2.0)[0] == 2.0  # z is the threshold
    assert zclip(-9.0, 1.0, 0.25, 0.5, 2.0)[0] == -9.0  # far below is no spike
    assert zclip(0.0, 0.0, 0.0, 0.5, 1.0) == (0.0, 0.0, 0.0)


@pytest.mark.parametrize("norm", [math.nan, math.inf, -math.inf])
def test_a_norm_that_is_not_finite_is_refused(norm: float) -> None:
    with pytest.raises(ValueError, match="norm must be finite"):
        zclip(norm, 1.0, 1.0, 0.9, 2.0)


@pytest.mark.parametrize("rest", [(-1e-9, 0.9, 2.0), (1.0, 1.0, 2.0), (1.0, -0.1, 2.0), (1.0, 0.9, 0.0)])
def test_statistics_that_are_none_are_refused(rest: tuple[float, float, float]) -> None:
    with pytest.raises(ValueError, match="variance >= 0"):
        zclip(1.0, 1.0, *rest)
