"""The NumPy causal softmax against torch in float64, and against cases worked out by hand."""

import numpy as np
import pytest
import torch
from albor_reference.attention.causal_softmax import causal_mask, causal_softmax, causal_softmax_backward

UNIT = 2.0**-53


def torch_softmax(x, scale):
    future = torch.ones(x.shape[1:], dtype=torch.bool).triu(1)
    return torch.softmax((x * scale).masked_fill(future, -torch.inf), dim=-1)


@pytest.mark.parametrize(("batch", "size"), [(1, 1), (2, 2), (3, 7), (1, 33), (2, 64)])
@pytest.mark.parametrize("scale", [0.125, 1.0, 3.0])
def test_weights_and_gradient_equal_torch_in_float64(batch, size, scale):
    rng = np.random.default_rng(size)
    x, g = 5 * rng.standard_normal((2, batch, size, size))
    leaf = torch.tensor(x, requires_grad=True)
    expected = torch_softmax(leaf, scale)
    (gradient,) = torch.autograd.grad(expected, leaf, torch.tensor(g))
    # exp(s - max) of two computations differs by the rounding of s - max, of exp and of a sum of `size` terms.
    relative = 2 * UNIT * (4 * scale * np.abs(x).max() + 8 * np.sqrt(size) + 16)
    a = causal_softmax(x, scale)
    assert np.all(np.abs(a - expected.detach().numpy()) <= relative * expected.detach().numpy())
    bound = relative * scale * (np.abs(a * g) + a * (a * np.abs(g)).sum(axis=2, keepdims=True)) * 4
    assert np.all(np.abs(causal_softmax_backward(g, x, scale) - gradient.numpy()) <= bound)


def test_mask_by_hand():
    x = np.arange(9.0).reshape(1, 3, 3)
    assert causal_mask(x).tolist() == [[[0, -np.inf, -np.inf], [3, 4, -np.inf], [6, 7, 8]]]


def test_weights_by_hand():
    x = np.array([[[7, 9, 9], [np.log(3), 0, 50], [0, 0, 0]]])
    a = causal_softmax(x, 1.0)[0]
    assert a[0].tolist() == [1, 0, 0] and np.abs(a[1] - [0.75, 0.25, 0]).max() <= 4 * UNIT
    assert np.abs(a[2] - 1 / 3).max() <= 2 * UNIT


def test_whatever_stands_in_the_future_is_not_read():
    x, g = np.random.default_rng(0).standard_normal((2, 2, 5, 5))
    a, dx = causal_softmax(x, 0.5), causal_softmax_backward(g, x, 0.5)
    future = ~np.tri(5, dtype=bool)
    x[:, future] = g[:, future] = np.nan
    assert np.array_equal(causal_softmax(x, 0.5), a) and np.array_equal(causal_softmax_backward(g, x, 0.5), dx)
    assert not a[:, future].any() and not dx[:, future].any()


def test_scores_far_from_zero():
    x = np.array([[[-1e6, 0.0], [1e6, 1e6]]])
    assert causal_softmax(x, 1.0).tolist() == [[[1, 0], [0.5, 0.5]]]


def test_wrong_arguments():
    with pytest.raises(ValueError, match=r"x: expected scores \[B, S, S\].*\[1, 2, 3\]"):
        causal_softmax(np.zeros((1, 2, 3)), 1.0)
    with pytest.raises(ValueError, match=r"\[B, S, S\]"):
        causal_mask(np.zeros((2, 2)))
    with pytest.raises(ValueError, match="g: expected shape"):
        causal_softmax_backward(np.zeros((1, 3, 3)), np.zeros((1, 2, 2)), 1.0)
    with pytest.raises(ValueError, match="scale: expected a finite number, got nan"):
        causal_softmax(np.zeros((1, 2, 2)), float("nan"))
