"""The reference's run arithmetic against a loop that counts, and the pre-flight against its own advice."""

from __future__ import annotations

import math
import re
from itertools import pairwise

import pytest
from albor_reference.schedule.training_config import (
    check_training_config,
    epochs_needed,
    learning_rate,
    steps_per_epoch,
    tokens_per_step,
    total_steps,
    warmup_ok,
)
from hypothesis import given, settings
from hypothesis import strategies as st

count = st.integers(1, 40)


def steps_by_counting(samples: int, batch: int, accumulation: int, epochs: int, max_steps: int) -> int:
    """Run the loop of a training script, without the training."""
    steps = 0
    for _ in range(epochs):
        left = samples
        while left >= batch * accumulation and steps < max_steps:
            left -= batch * accumulation
            steps += 1
    return steps


@given(count, st.integers(1, 6), st.integers(1, 6), st.integers(1, 6), count)
@settings(deadline=None, max_examples=300)
def test_steps_are_those_of_the_loop(samples: int, batch: int, accumulation: int, epochs: int, max_steps: int) -> None:
    assert steps_per_epoch(samples, batch, accumulation) == steps_by_counting(samples, batch, accumulation, 1, 10**9)
    loop = steps_by_counting(samples, batch, accumulation, epochs, max_steps)
    assert total_steps(samples, batch, accumulation, epochs, max_steps) == loop
    if samples >= batch * accumulation:
        needed = epochs_needed(samples, batch, accumulation, max_steps)
        assert steps_by_counting(samples, batch, accumulation, needed, max_steps) == max_steps
        assert needed == 1 or steps_by_counting(samples, batch, accumulation, needed - 1, max_steps) < max_steps


def test_numbers_of_known_runs() -> None:
    assert steps_per_epoch(22_079, 4, 128) == 43
    assert steps_per_epoch(67_977, 4, 1) == 16_994
    assert epochs_needed(22_079, 4, 128, 5_000) == 117
    assert total_steps(22_079, 4, 128, 1, 5_000) == 43
    assert tokens_per_step(4, 128, 1_024) == 524_288


@pytest.mark.parametrize(
    ("warmup", "total", "ok"),
    [(0, 1, True), (0, 0, False), (1, 9, False), (1, 10, True), (4, 43, True), (5, 43, False), (10**9, 10**10, True)],
)
def test_warmup(warmup: int, total: int, ok: bool) -> None:
    assert warmup_ok(warmup, total) is ok


@pytest.mark.parametrize("bad", [0, -1])
def test_counts_below_one_are_refused(bad: int) -> None:
    calls = [
        (steps_per_epoch, {"samples": 5, "batch": 2, "accumulation": 1}),
        (total_steps, {"samples": 5, "batch": 2, "accumulation": 1, "epochs": 1, "max_steps": 3}),
        (epochs_needed, {"samples": 5, "batch": 2, "accumulation": 1, "max_steps": 3}),
        (tokens_per_step, {"batch": 2, "accumulation": 1, "sequence": 8}),
    ]
    for function, arguments in calls:
        for name in arguments:
            with pytest.raises(ValueError, match=f"{name} must be at least 1, got {bad}"):
                function(**(arguments | {name: bad}))


def test_other_refusals() -> None:
    with pytest.raises(ValueError, match="fill no step"):
        epochs_needed(7, 4, 2, 1)
    with pytest.raises(ValueError, match="warmup"):
        warmup_ok(-1, 5)
    with pytest.raises(TypeError, match="batch must be a whole number"):
        steps_per_epoch(10, 2.0, 1)


PEAK, FLOOR = 3e-4, 3e-5


def test_learning_rate_at_the_marks() -> None:
    def rate(step: int) -> float:
        return learning_rate(step, 100, 1_000, PEAK, FLOOR)

    assert rate(0) == 0
    assert rate(50) == PEAK / 2
    assert rate(100) == PEAK
    assert rate(550) == pytest.approx((PEAK + FLOOR) / 2, rel=1e-15)
    assert rate(400) == pytest.approx(FLOOR + (PEAK - FLOOR) * 0.75, rel=1e-15)  # a third of the way: (1 + 1/2) / 2
    assert [rate(step) for step in (1_000, 1_001, 10**9)] == [FLOOR] * 3


def test_learning_rate_without_warmup_and_with_nothing_else() -> None:
    assert learning_rate(0, 0, 10, PEAK, 0.0) == PEAK
    # floor + (peak - floor) is below this peak in binary arithmetic
    assert learning_rate(2, 2, 10, 0.9391491627785106, 0.35800764067250507) == 0.9391491627785106
    assert learning_rate(10, 0, 10, PEAK, 0.0) == 0
    assert [learning_rate(step, 10, 10, PEAK, FLOOR) for step in (5, 10, 11, 99)] == [PEAK / 2, PEAK, FLOOR, FLOOR]
    assert learning_rate(0, 0, 1, PEAK, PEAK) == PEAK


@given(st.integers(0, 60), st.integers(1, 60), st.floats(0, 1), st.floats(0, 1))
@settings(deadline=None, max_examples=200)
def test_learning_rate_rises_then_falls_between_floor_and_peak(warmup: int, total: int, one: float, two: float) -> None:
    warmup, floor, peak = min(warmup, total), min(one, two), max(one, two)
    rates = [learning_rate(step, warmup, total, peak, floor) for step in range(total + 3)]
    assert all(a <= b for a, b in pairwise(rates[: warmup + 1]))
    assert rates[warmup] == peak
    assert all(a >= b for a, b in pairwise(rates[warmup:]))
    assert all(floor <= rate <= peak for rate in rates[warmup:])
    assert rates[-1] == floor


@pytest.mark.parametrize(
    ("step", "warmup", "total", "peak", "floor"),
    [
        (-1, 0, 10, 1.0, 0.0),
        (0, -1, 10, 1.0, 0.0),
        (0, 11, 10, 1.0, 0.0),
        (0, 0, 0, 1.0, 0.0),
        (0, 0, 10, 1.0, 2.0),
        (0, 0, 10, 1.0, -1.0),
        (0, 0, 10, math.inf, 0.0),
        (0, 0, 10, math.nan, 0.0),
    ],
)
def test_learning_rate_refuses(step: int, warmup: int, total: int, peak: float, floor: float) -> None:
    with pytest.raises(ValueError):
        learning_rate(step, warmup, total, peak, floor)


RUN = {
    "samples": 22_079,
    "batch": 4,
    "accumulation": 128,
    "epochs": 117,
    "max_steps": 5_000,
    "warmup": 500,
    "sequence": 1_024,
    "token_budget": 10**9,
}


def refusal(**changed: int) -> str:
    with pytest.raises(ValueError) as caught:
        check_training_config(**(RUN | changed))
    return str(caught.value)


def test_a_sound_configuration_passes() -> None:
    assert check_training_config(**RUN) is None
    assert check_training_config(**(RUN | {"warmup": 0})) is None


def test_the_run_of_43_steps_is_refused_with_its_remedy() -> None:
    message = refusal(epochs=1)
    assert "epochs * steps_per_epoch >= max_steps is false: 1 * 43 = 43 < 5000" in message
    assert "only 43 of 5000 steps" in message
    assert "epochs >= 117 or max_steps <= 43" in message
    assert "10 * 500 = 5000 > 43; needs warmup <= 4" in message
    assert "43 * 524288 = 22544384 < 1000000000; needs max_steps >= 5000 with epochs >= 45" in message


def test_every_bad_count_is_named_at_once() -> None:
    message = refusal(batch=0, epochs=-3, warmup=-1)
    assert [line.split()[1] for line in message.splitlines()[1:]] == ["batch", "epochs", "warmup"]


def test_data_too_small_for_one_step() -> None:
    assert "needs samples >= 512 or accumulation <= 25" in refusal(samples=100)
    assert "needs samples >= 512" in refusal(samples=3) and "accumulation <=" not in refusal(samples=3)


def test_warmup_and_budget_alone() -> None:
    assert refusal(warmup=501).count("\n") == 1
    assert "needs warmup <= 500 or total_steps >= 5010" in refusal(warmup=501)
    budget = 5_000 * 524_288
    assert check_training_config(**(RUN | {"token_budget": budget})) is None
    assert "needs max_steps >= 5001 with epochs >= 117" in refusal(token_budget=budget + 1)


@given(
    st.fixed_dictionaries(
        {
            "samples": st.integers(1, 200),
            "batch": st.integers(1, 5),
            "accumulation": st.integers(1, 5),
            "epochs": st.integers(1, 4),
            "max_steps": st.integers(1, 100),
            "warmup": st.integers(0, 12),
            "sequence": st.integers(1, 4),
            "token_budget": st.integers(1, 4_000),
        }
    )
)
@settings(deadline=None, max_examples=300)
def test_the_advice_is_sound_and_least(run: dict[str, int]) -> None:
    """Following the numbers of each complaint in turn ends in a configuration that passes; one less does not."""
    for _ in range(6):
        try:
            check_training_config(**run)
        except ValueError as error:
            complaint = str(error).splitlines()[1]
        else:
            return
        remedy = complaint.split("needs ")[1]
        name, sign, number = re.match(r"(\w+) ([<>]=) (\d+)", remedy).groups()
        changes = {name: int(number)}
        if " with " in remedy:
            changes["epochs"] = int(remedy.split("epochs >= ")[1])
        nearly = {key: value - (1 if sign == ">=" else -1) for key, value in changes.items()}
        if " with " not in remedy:
            with pytest.raises(ValueError, match=re.escape(complaint.split(" is false")[0])):
                check_training_config(**(run | nearly))
        run = run | changes
        rest = ""
        try:
            check_training_config(**run)
        except ValueError as error:
            rest = str(error)
        assert complaint.split(" is false")[0] not in rest
    pytest.fail(f"advice does not converge: {run}")
