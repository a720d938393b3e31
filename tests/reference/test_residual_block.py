"""The NumPy residual block and stack against torch autograd in float64."""

import numpy as np
import pytest
import torch
from albor_reference.attention.residual_block import residual_block, residual_block_backward, residual_stack_backward

EPS = 1e-4


def torch_block(x, w, a):
    return x + (x / torch.sqrt((x * x).mean(1, keepdim=True) + EPS) * w) @ a


@pytest.mark.parametrize(("rows", "n"), [(1, 1), (3, 5), (4, 33)])
def test_value_and_gradients_equal_torch_in_float64(rows, n):
    rng = np.random.default_rng(n)
    x, g = rng.standard_normal((2, rows, n))
    w, a = rng.standard_normal(n), rng.standard_normal((n, n))
    leaves = [torch.tensor(t, requires_grad=True) for t in (x, w, a)]
    y = torch_block(*leaves)
    gradients = torch.autograd.grad(y, leaves, torch.tensor(g))
    # Sums of n and of rows terms of size below 30, a dozen roundings each.
    bound = 2.0**-53 * 40 * n * 30
    assert np.abs(residual_block(x, w, a, EPS) - y.detach().numpy()).max() <= bound
    for got, wanted in zip(residual_block_backward(g, x, w, a, EPS), gradients, strict=True):
        assert np.abs(got - wanted.numpy()).max() <= bound * n


@pytest.mark.parametrize("every", [0, 1, 2, 3, 4, 9])
def test_a_stack_equals_torch_and_keeping_less_changes_no_bit(every):
    rng = np.random.default_rng(1)
    x, g = rng.standard_normal((2, 3, 5))
    w, a = rng.standard_normal((4, 5)), rng.standard_normal((4, 5, 5)) / 3
    leaves = [torch.tensor(t, requires_grad=True) for t in (x, w, a)]
    y = leaves[0]
    for layer in range(4):
        y = torch_block(y, leaves[1][layer], leaves[2][layer])
    gradients = torch.autograd.grad(y, leaves, torch.tensor(g))
    found = residual_stack_backward(g, x, w, a, EPS, every)
    for got, wanted, kept in zip(found, gradients, residual_stack_backward(g, x, w, a, EPS, 0), strict=True):
        assert np.abs(got - wanted.numpy()).max() <= 1e-12 * np.abs(wanted.numpy()).max()
        assert np.array_equal(got, kept)


def test_a_branch_near_minus_the_identity_cancels_the_skip():
    dx, _, _ = residual_block_backward([[1.0, 1.0]], [[1.0, -1.0]], [1.0, 1.0], -np.eye(2), 1e-6)
    assert np.abs(dx).max() < 1e-6


def test_wrong_arguments():
    x, w, a = np.zeros((2, 3)), np.zeros(3), np.zeros((3, 3))
    with pytest.raises(ValueError, match=r"expected x\[R, N\] and a\[N, N\]"):
        residual_block(x, w, a[:2], EPS)
    with pytest.raises(ValueError, match="g: expected shape"):
        residual_block_backward(x[:1], x, w, a, EPS)
    with pytest.raises(ValueError, match=r"expected w\[L, N\]"):
        residual_stack_backward(x, x, w, a, EPS, 0)
    with pytest.raises(ValueError, match="every: expected 0 or more, got -1"):
        residual_stack_backward(x, x, w[None], a[None], EPS, -1)
