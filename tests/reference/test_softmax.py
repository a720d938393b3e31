"""The reference softmax against PyTorch in float64 (autograd for the gradient), quotients and closed forms."""

import numpy as np
import pytest
import torch
from albor_reference.core.softmax import softmax, softmax_backward

CLOSE = {"rtol": 1e-12, "atol": 1e-15}


@pytest.fixture
def rng():
    return np.random.default_rng(30)


def test_is_that_of_torch_and_so_is_its_gradient(rng):
    x = torch.tensor(20 * rng.normal(size=(4, 7)), requires_grad=True)
    g = rng.normal(size=(4, 7))
    p = torch.softmax(x, 1)
    p.backward(torch.tensor(g))
    np.testing.assert_allclose(softmax(x.detach().numpy()), p.detach().numpy(), **CLOSE)
    np.testing.assert_allclose(softmax_backward(g, x.detach().numpy()), x.grad.numpy(), rtol=1e-9, atol=1e-15)


def test_gradient_is_a_difference_quotient(rng):
    x, g, h = rng.normal(size=(1, 5)), rng.normal(size=(1, 5)), 1e-6
    for k in range(5):
        step = h * np.eye(5)[k]
        slope = ((softmax(x + step) - softmax(x - step)) * g).sum() / (2 * h)
        assert softmax_backward(g, x)[0, k] == pytest.approx(slope, abs=1e-9)


def test_by_hand():
    np.testing.assert_allclose(softmax(np.log([[1, 2, 5]])), [[0.125, 0.25, 0.625]], **CLOSE)
    np.testing.assert_array_equal(softmax([[1000.0, 1000.0], [-1e5, 0.0]]), [[0.5, 0.5], [0.0, 1.0]])


def test_infinite_logits():
    p = softmax([[-np.inf, 0.0, 0.0], [-np.inf, -np.inf, -np.inf]])
    np.testing.assert_array_equal(p[0], [0, 0.5, 0.5])
    assert np.isnan(p[1]).all()


def test_rejects():
    with pytest.raises(ValueError, match="x: expected shape"):
        softmax(np.ones(3))
    with pytest.raises(ValueError, match="g: expected shape"):
        softmax_backward(np.ones((2, 3)), np.ones((3, 2)))
