"""The reference's counters of a resumed run against PyTorch's own step count, and against counting by hand."""

from __future__ import annotations

import copy

import pytest
import torch
from albor_reference.training.resume import position, resume_point


def stepped(optimizer: torch.optim.Optimizer, parameter: torch.Tensor, steps: int) -> int:
    """The count in the optimizer's state after so many steps."""
    for _ in range(steps):
        parameter.grad = torch.ones_like(parameter)
        optimizer.step()
    return int(optimizer.state[parameter]["step"])


@pytest.mark.parametrize("saved", [1, 2, 9])
def test_the_correction_goes_on_where_that_of_torch_does(saved: int) -> None:
    parameter = torch.zeros(2, requires_grad=True)
    adam = torch.optim.Adam([parameter])
    assert stepped(adam, parameter, saved) == saved
    kept = copy.deepcopy(adam.state_dict())
    again = torch.zeros(2, requires_grad=True)
    resumed = torch.optim.Adam([again])
    resumed.load_state_dict(kept)
    assert resume_point(True, saved) == (saved, stepped(resumed, again, 1))
    fresh = torch.zeros(2, requires_grad=True)
    assert resume_point(False, saved) == (0, stepped(torch.optim.Adam([fresh]), fresh, 1))


def test_positions_are_counted() -> None:
    for per_epoch in (1, 3, 8):
        counted = [(epoch, place) for epoch in range(4) for place in range(per_epoch)]
        assert [position(done, per_epoch) for done in range(4 * per_epoch)] == counted
    assert position(10**18 + 1, 10**9) == (10**9, 1)  # no float has held the count


def test_what_is_refused() -> None:
    assert resume_point(True, 0) == (0, 1)
    with pytest.raises(ValueError, match=r"^saved: .* got -1"):
        resume_point(True, -1)
    for done, per_epoch in ((-1, 3), (0, 0)):
        with pytest.raises(ValueError, match="per_epoch >= 1 and done >= 0"):
            position(done, per_epoch)
