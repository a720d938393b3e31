"""Schedules of the reference against PyTorch's schedulers, and against counting for the marks."""

from __future__ import annotations

import pytest
import torch
from albor_reference.schedule.learning_rate import cosine_decay, linear_warmup, width_rate, wsd, wsd_marks


def rates_of(scheduler_of, peak: float, steps: int) -> list[float]:
    """What a scheduler of PyTorch sets, step by step."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=peak)
    scheduler = scheduler_of(optimizer)
    rates = []
    for _ in range(steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return rates


def test_decay_is_that_of_pytorch() -> None:
    expected = rates_of(lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, 40, eta_min=0.1), 0.7, 41)
    assert [cosine_decay(step, 0, 40, 0.7, 0.1) for step in range(41)] == pytest.approx(expected, rel=1e-12)


def test_warmup_plateau_and_decay_are_those_of_pytorch() -> None:
    lr = torch.optim.lr_scheduler
    parts = [
        # LinearLR refuses a factor of 0; its last step of warm-up is the first of the plateau.
        lambda o: lr.LambdaLR(o, lambda step: step / 10),
        lambda o: lr.ConstantLR(o, factor=1.0),
        lambda o: lr.CosineAnnealingLR(o, 20, eta_min=0.05),
    ]
    expected = rates_of(lambda o: lr.LambdaLR(o, lambda s: s / 10), 0.5, 11)
    expected += rates_of(parts[1], 0.5, 15)[1:]
    expected += rates_of(parts[2], 0.5, 21)
    got = [wsd(step, 10, 25, 45, 0.5, 0.05) for step in range(46)]
    assert got[:25] == pytest.approx(expected[:25], rel=1e-12)
    assert got[25:] == pytest.approx(expected[25:], rel=1e-12)


def test_empty_parts() -> None:
    assert [wsd(step, 0, 0, 2, 1.0, 0.5) for step in range(4)] == [1.0, 0.75, 0.5, 0.5]
    assert [wsd(step, 3, 3, 3, 3.0, 0.5) for step in range(5)] == [0.0, 1.0, 2.0, 3.0, 0.5]
    assert linear_warmup(0, 0, 0.3) == 0.3


@pytest.mark.parametrize("total", [1, 7, 19, 100, 1019])
@pytest.mark.parametrize("shares", [(0, 0), (5, 20), (33, 67), (100, 0), (0, 100)])
def test_marks_by_counting(total: int, shares: tuple[int, int]) -> None:
    warmup, stable = wsd_marks(total, *shares)
    assert warmup == sum(100 * step <= shares[0] * total for step in range(1, total + 1))
    assert total - stable == sum(100 * step <= shares[1] * total for step in range(1, total + 1))


def test_refusals() -> None:
    for marks in ((0, 0, 0), (2, 1, 3), (0, 4, 3), (-1, 0, 3)):
        with pytest.raises(ValueError, match="marks must satisfy"):
            wsd(0, *marks, 1.0, 0.0)
    for rates in ((1.0, 2.0), (1.0, -0.1), (float("inf"), 0.0), (float("nan"), 0.0)):
        with pytest.raises(ValueError, match="rates must satisfy"):
            cosine_decay(0, 0, 3, *rates)
    for shares in ((-1, 5), (5, -1), (60, 41)):
        with pytest.raises(ValueError, match="shares"):
            wsd_marks(10, *shares)
    for call in (lambda: wsd(-1, 0, 0, 3, 1.0, 0.0), lambda: linear_warmup(-1, 2, 1.0), lambda: wsd_marks(0, 5, 5)):
        with pytest.raises(ValueError, match="at least"):
            call()
    with pytest.raises(ValueError, match="width must be at least 1"):
        width_rate(0.1, 3, 0, True)
