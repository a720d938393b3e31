"""The reference's clip against PyTorch's, whose own constant beside the norm is accounted for, and by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from albor_reference.optim.activation_clip import activation_clip


@pytest.mark.parametrize("limit", [0.25, 1.0, 3.0])
def test_it_is_that_of_pytorch_but_for_the_constant(limit: float) -> None:
    a = np.random.default_rng(1).normal(size=(5, 7))
    parameter = torch.zeros(5, 7, dtype=torch.float64, requires_grad=True)
    parameter.grad = torch.tensor(a)
    norm = float(torch.nn.utils.clip_grad_norm_([parameter], limit))
    assert norm > limit
    # PyTorch divides by norm + 1e-6, this clip by the norm.
    wanted = parameter.grad.numpy() * ((norm + 1e-6) / norm)
    np.testing.assert_allclose(activation_clip(a, limit, True), wanted, rtol=1e-12)


def test_by_hand() -> None:
    a = np.array([[3.0, 0.0], [0.0, 4.0]])
    np.testing.assert_allclose(activation_clip(a, 2.0, True), a * 0.4, rtol=1e-15)
    np.testing.assert_allclose(activation_clip(a, 2.0, False), a * 0.2, rtol=1e-15)  # 1 where none is given
    kept = activation_clip(a, 5.0, True)
    np.testing.assert_array_equal(kept, a)
    assert not np.shares_memory(kept, a)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_one_element_that_is_not_finite_leaves_zeros(bad: float) -> None:
    np.testing.assert_array_equal(activation_clip([[bad, 1.0], [2.0, 3.0]], 1.0, True), np.zeros((2, 2)))


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (2, 2)])
def test_nothing_and_zeros_stay(shape: tuple[int, int]) -> None:
    np.testing.assert_array_equal(activation_clip(np.zeros(shape), 0.5, True), np.zeros(shape))


@pytest.mark.parametrize("limit", [0.0, -1.0, np.nan])
def test_a_limit_that_is_no_limit_is_refused(limit: float) -> None:
    with pytest.raises(ValueError, match=r"^limit: expected a positive number"):
        activation_clip([[1.0]], limit, True)
    np.testing.assert_array_equal(activation_clip([[1.0]], limit, False), [[1.0]])  # it is not looked at
