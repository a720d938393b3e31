"""Bias over many cases, and errors in units in the last place."""

from __future__ import annotations

import math

import numpy as np
import pytest
from albor_contracts.runtime.deviation import CASES, Deviation
from albor_contracts.runtime.dtypes import FORMATS, round_to
from albor_contracts.trials import truncated

NARROW = ("bf16", "f16")


def _seen(dtype, make, cases=40, size=200, exact=None, error=1e-7):
    rng = np.random.default_rng(5)
    seen = Deviation()
    for _ in range(cases):
        right = rng.normal(size=size) if exact is None else exact(rng, size)
        seen.note("y", make(right), right, error * np.abs(right), FORMATS[dtype], narrow=True)
    return seen


@pytest.mark.parametrize("dtype", NARROW)
def test_rounding_to_nearest_is_not_biased(dtype):
    assert _seen(dtype, lambda y: round_to(y, dtype)).bias() is None


@pytest.mark.parametrize("dtype", NARROW)
def test_truncation_is_biased(dtype):
    words = _seen(dtype, lambda y: truncated(y, dtype)).bias()
    assert words is not None
    assert "y is biased" in words
    assert "too small in magnitude" in words


@pytest.mark.parametrize("dtype", NARROW)
def test_rounding_down_is_biased_in_value_though_not_in_magnitude(dtype):
    def floored(y):
        toward_zero = truncated(y, dtype)
        unit = np.ldexp(1.0, np.frexp(np.abs(y))[1] - FORMATS[dtype].digits)
        return np.where((y < 0) & (toward_zero != y), toward_zero - unit, toward_zero)

    words = _seen(dtype, floored).bias()
    assert words is not None
    assert "too small in value" in words


@pytest.mark.parametrize("dtype", NARROW)
def test_a_factor_inside_the_bound_is_biased(dtype):
    words = _seen(dtype, lambda y: round_to(y * (1 + FORMATS[dtype].unit / 2), dtype)).bias()
    assert words is not None
    assert "too large in magnitude" in words


@pytest.mark.parametrize("dtype", NARROW)
def test_results_that_cluster_below_representable_numbers_are_not_biased(dtype):
    """Saturated results, such as 1 - exp(-x), all round upwards, and rightly so."""
    unit = FORMATS[dtype].unit

    def saturated(rng, size):
        return rng.choice([1.0, 2.0, 4.0], size) * (1 - rng.uniform(0, unit / 4, size))

    seen = _seen(dtype, lambda y: round_to(y, dtype), exact=saturated)
    assert seen.seen["y"].elements > 1000
    assert seen.bias() is None


@pytest.mark.parametrize("dtype", NARROW)
def test_a_case_in_which_all_elements_are_rounded_alike_is_one_observation(dtype):
    """Intermediate roundings that the definition allows are the same for a whole row of equal elements."""
    unit = FORMATS[dtype].unit

    def constant(rng, size):
        return np.full(size, rng.uniform(1, 2))

    rng = np.random.default_rng(11)
    seen = _seen(dtype, lambda y: round_to(y * (1 + unit * rng.uniform(-1, 1)), dtype), exact=constant, error=2 * unit)
    assert seen.seen["y"].elements > 1000
    assert seen.bias() is None


def test_too_little_was_seen():
    assert _seen("bf16", lambda y: truncated(y, "bf16"), cases=CASES - 1).bias() is None
    assert _seen("bf16", lambda y: truncated(y, "bf16"), cases=40, size=20).bias() is None


def test_outputs_in_the_accumulation_dtype_are_left_alone():
    seen = Deviation()
    y = np.linspace(1, 2, 500)
    for _ in range(40):
        seen.note("y", truncated(y, "f32"), y, 1e-7, FORMATS["f32"], narrow=False)
    assert not seen.seen
    assert seen.bias() is None


def test_units_in_the_last_place():
    seen = Deviation()
    exact = np.array([1.0, 1.75, 4.0, 0.0, math.inf])
    ulp = 2.0**-23
    seen.note("y", exact + np.array([0, 3 * ulp, 4 * ulp, 1e-3, 0]), exact, 1e-6, FORMATS["f32"], narrow=False)
    assert seen.worst_ulp == pytest.approx(3)
    seen.note("y", np.array([8 * (1 + 5 * ulp)]), np.array([8.0]), 1e-6, FORMATS["f32"], narrow=False)
    assert seen.worst_ulp == pytest.approx(5)


def test_what_cancellation_leaves_open_has_no_units():
    seen = Deviation()
    seen.note("y", np.array([3e-7]), np.array([1e-7]), 1e-6, FORMATS["f32"], narrow=False)
    assert seen.worst_ulp == 0


def test_single_values_and_wrong_shapes():
    seen = Deviation()
    seen.note("y", np.array(1.5), np.array(1.5), np.array(1e-7), FORMATS["bf16"], narrow=True)
    seen.note("y", np.ones(3), np.ones(4), 1e-7, FORMATS["bf16"], narrow=True)
    assert seen.worst_ulp == 0
