"""The schedules that ship: against the reference step by step, and on the optimizers of a script."""

from __future__ import annotations

import pytest
import torch
from albor_impl.schedule import learning_rate as impl
from albor_reference.schedule import learning_rate as reference
from hypothesis import given, settings
from hypothesis import strategies as st

U64 = 2.0**-53


@given(st.lists(st.integers(0, 80), min_size=3, max_size=3), st.floats(0, 1), st.floats(0, 1))
@settings(deadline=None, max_examples=100)
def test_every_step_is_that_of_the_reference(marks: list[int], one: float, two: float) -> None:
    warmup, stable, total = sorted(marks)
    total = max(total, 1)
    lowest, peak = min(one, two), max(one, two)
    for step in range(total + 3):
        expected = reference.wsd(step, warmup, stable, total, peak, lowest)
        # One squares the cosine of half the angle. Angle (three roundings), cosine, products, difference and sum make
        # an error of 7 to 9 units roundoff of the peak in each.
        assert impl.wsd(step, warmup, stable, total, peak, lowest) == pytest.approx(
            expected, abs=16 * U64 * peak + 1e-300
        )


def test_every_group_of_every_optimizer_gets_the_rate() -> None:
    one, two = (torch.nn.Parameter(torch.zeros(2)) for _ in range(2))
    matrices = torch.optim.AdamW([{"params": [one]}], lr=1.0)
    embedding = torch.optim.SGD([{"params": [two], "factor": 0.1}], lr=1.0)
    impl.set_rate([matrices, embedding], impl.wsd(90, 5, 80, 100, 1e-3, 0.0))
    assert matrices.param_groups[0]["lr"] == pytest.approx(5e-4)
    assert embedding.param_groups[0]["lr"] == pytest.approx(5e-5)


def test_refusals() -> None:
    for marks in ((0, 0, 0), (2, 1, 3), (0, 4, 3), (-1, 0, 3)):
        with pytest.raises(ValueError, match="marks must satisfy"):
            impl.wsd(0, *marks, 1.0, 0.0)
    for rates in ((1.0, 2.0), (1.0, -0.1), (float("inf"), 0.0), (float("nan"), 0.0)):
        with pytest.raises(ValueError, match="rates must satisfy"):
            impl.cosine_decay(0, 0, 3, *rates)
    for call in (
        lambda: impl.wsd(-1, 0, 0, 3, 1.0, 0.0),
        lambda: impl.linear_warmup(-1, 2, 1.0),
        lambda: impl.wsd_marks(0, 5, 5),
        lambda: impl.wsd_marks(9, 60, 41),
        lambda: impl.width_rate(0.1, 0, 3, True),
        lambda: impl.cosine_decay(0, 3, 3, 1.0, 0.0),
    ):
        with pytest.raises(ValueError):
            call()
