"""The arithmetic that ships against the reference: equal integers, equal refusals, rates within a rounding."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from albor_impl.schedule import training_config as impl
from albor_reference.schedule import training_config as reference
from hypothesis import example, given, settings
from hypothesis import strategies as st

FUNCTIONS = {
    "steps_per_epoch": 3,
    "total_steps": 5,
    "epochs_needed": 4,
    "tokens_per_step": 3,
    "warmup_ok": 2,
    "check_training_config": 8,
}


def outcome(function: Callable, arguments: list) -> object:
    try:
        return function(*arguments)
    except (TypeError, ValueError) as error:
        return type(error), str(error)


@pytest.mark.parametrize("name", FUNCTIONS)
@given(st.data())
@settings(deadline=None, max_examples=200)
def test_counts_and_refusals_are_those_of_the_reference(name: str, data: st.DataObject) -> None:
    number = st.one_of(st.integers(1, 60), st.integers(1, 10**12), st.integers(-2, 2))
    arguments = data.draw(st.lists(number, min_size=FUNCTIONS[name], max_size=FUNCTIONS[name]))
    assert outcome(getattr(impl, name), arguments) == outcome(getattr(reference, name), arguments)


def test_a_count_is_a_whole_number() -> None:
    for bad in (2.0, True):
        with pytest.raises(TypeError, match="batch must be a whole number"):
            impl.steps_per_epoch(10, bad, 1)


def test_the_run_of_43_steps_is_refused_with_its_remedy() -> None:
    with pytest.raises(ValueError) as caught:
        impl.check_training_config(22_079, 4, 128, 1, 5_000, 500, 1_024, 10**9)
    for part in ("epochs * steps_per_epoch >= max_steps", "only 43 of 5000 steps", "epochs >= 117", "warmup <= 4"):
        assert part in str(caught.value)
    assert impl.check_training_config(22_079, 4, 128, 117, 5_000, 500, 1_024, 10**9) is None


rates = st.floats(0, 1)


@given(st.integers(0, 300), st.integers(1, 200), st.lists(st.integers(0, 500), min_size=1, max_size=20), rates, rates)
# Here floor + (peak - floor) is below peak in binary arithmetic.
@example(0, 10, [3], 0.9391491627785106, 0.35800764067250507)
@settings(deadline=None, max_examples=200)
def test_rates_are_those_of_the_reference(warmup: int, total: int, steps: list[int], one: float, two: float) -> None:
    warmup, floor, peak = min(warmup, total), min(one, two), max(one, two)
    steps = [*steps, 0, warmup, total, total + 1]
    expected = [reference.learning_rate(step, warmup, total, peak, floor) for step in steps]
    assert [impl.learning_rate(step, warmup, total, peak, floor) for step in steps] == expected
    got = impl.learning_rates(torch.tensor(steps), warmup, total, peak, floor)
    assert got.dtype == torch.float64
    # The cosines of two libraries differ by at most 2 ulp of numbers up to 2; then one product and one sum.
    bound = torch.tensor([4 * 2.0**-52 * (peak - floor) + 2.0**-52 * peak + 2.0**-1022] * len(steps))
    assert ((got - torch.tensor(expected, dtype=torch.float64)).abs() <= bound).all()
    assert got[-3] == peak and got[-1] == floor and (got <= peak).all()
    assert got[-2] == (peak if warmup == total else floor)


def test_rates_keep_the_shape() -> None:
    steps = torch.arange(24).reshape(2, 3, 4)
    got = impl.learning_rates(steps.transpose(0, 2), 5, 20, 1.0, 0.1)
    assert torch.equal(got, impl.learning_rates(steps, 5, 20, 1.0, 0.1).transpose(0, 2))
    assert impl.learning_rates(torch.zeros(0, dtype=torch.int32), 5, 20, 1.0, 0.1).shape == (0,)


BAD = [(-1, 10, 1.0, 0.0), (11, 10, 1.0, 0.0), (0, 0, 1.0, 0.0), (0, 10, 1.0, 2.0), (0, 10, math.nan, 0.0)]


@pytest.mark.parametrize(("warmup", "total", "peak", "floor"), [*BAD, (0, 10, math.inf, 0.0), (0, 10, 1.0, -1.0)])
def test_rates_refuse(warmup: int, total: int, peak: float, floor: float) -> None:
    with pytest.raises(ValueError):
        impl.learning_rate(0, warmup, total, peak, floor)
    with pytest.raises(ValueError):
        impl.learning_rates(torch.tensor([0]), warmup, total, peak, floor)


def test_steps_are_checked() -> None:
    with pytest.raises(ValueError, match="step must be at least 0, got -2"):
        impl.learning_rates(torch.tensor([3, -2]), 0, 10, 1.0, 0.0)
    with pytest.raises(ValueError, match="step must be at least 0, got -1"):
        impl.learning_rates(torch.tensor([-1]), 0, 10, 1.0, 0.0)
    with pytest.raises(ValueError, match="step must be at least 0"):
        impl.learning_rate(-1, 0, 10, 1.0, 0.0)
    with pytest.raises(TypeError, match="whole numbers"):
        impl.learning_rates(torch.tensor([0.5]), 0, 10, 1.0, 0.0)
