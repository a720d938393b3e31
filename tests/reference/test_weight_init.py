"""The reference's initial weights against the normal distribution itself."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from albor_reference.optim.weight_init import weight_init

LIKE = np.empty((300, 100))
DEVIATIONS = 6  # a right generator strays this far once in 500 million


@pytest.mark.parametrize("std", [0.02, 3.0])
def test_draws_are_normal(std: float) -> None:
    w = weight_init(1, "layers.0.q", std, LIKE).astype(np.float64) / std
    n = w.size
    # Moments of N(0, 1) with the variances of their estimates: 1, 2, 15 and 96, by n.
    for power, mean, variance in ((1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96)):
        assert abs((w**power).mean() - mean) < DEVIATIONS * math.sqrt(variance / n)
    # The largest gap between both distribution functions: above 1.36/sqrt(n) 5 times in 100, above 3/sqrt(n) never.
    exact = np.array([0.5 * math.erfc(-x / math.sqrt(2)) for x in np.sort(w.ravel())])
    assert np.abs(exact - (np.arange(n) + 0.5) / n).max() < 3 / math.sqrt(n)


def test_names_and_seeds_draw_independently() -> None:
    drawn = [weight_init(*key, 1.0, LIKE).ravel() for key in itertools.product((-1, 0, 1, 2**63), ("a", "b", ""))]
    for first, second in itertools.combinations(drawn, 2):
        assert abs(np.mean(first.astype(np.float64) * second)) < DEVIATIONS / math.sqrt(first.size)


def test_bits_depend_on_seed_and_name_alone() -> None:
    first = weight_init(3, "head", 0.02, LIKE)
    np.random.seed(0)
    weight_init(3, "other", 0.02, LIKE)
    second = weight_init(3, "head", 0.02, np.ones((300, 100), dtype=np.float16))
    assert first.dtype == np.float32 and first.tobytes() == second.tobytes()
    np.testing.assert_array_equal(weight_init(3, "head", 0.04, LIKE), 2 * first)


def test_shapes() -> None:
    assert weight_init(0, "x", 1.0, np.empty(())).shape == ()
    assert weight_init(0, "x", 1.0, np.empty((2, 0, 3))).shape == (2, 0, 3)


@pytest.mark.parametrize("std", [0.0, -0.02, math.nan])
def test_a_deviation_that_is_none_is_refused(std: float) -> None:
    with pytest.raises(ValueError, match=r"^std: expected a positive number"):
        weight_init(0, "x", std, LIKE)
