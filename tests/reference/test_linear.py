"""The reference affine layer against PyTorch in float64, its autograd included."""

import numpy as np
import pytest
import torch
from albor_reference.core.linear import linear, linear_backward

CLOSE = {"rtol": 1e-12, "atol": 1e-12}


def test_is_that_of_torch_and_so_are_its_gradients():
    rng = np.random.default_rng(38)
    x, w, b = (torch.tensor(rng.normal(size=s), requires_grad=True) for s in ((3, 5), (4, 5), (4,)))
    g = rng.normal(size=(3, 4))
    y = torch.nn.functional.linear(x, w, b)
    y.backward(torch.tensor(g))
    arrays = [t.detach().numpy() for t in (x, w, b)]
    np.testing.assert_allclose(linear(*arrays), y.detach().numpy(), **CLOSE)
    for got, leaf in zip(linear_backward(g, *arrays[:2]), (x, w, b), strict=True):
        np.testing.assert_allclose(got, leaf.grad.numpy(), **CLOSE)


def test_rejects():
    with pytest.raises(ValueError, match="expected x"):
        linear(np.ones((2, 3)), np.ones((3, 4)), np.ones(3))
    with pytest.raises(ValueError, match="x: expected a matrix"):
        linear(np.ones(3), np.ones((3, 3)), np.ones(3))
    with pytest.raises(ValueError, match="expected g"):
        linear_backward(np.ones((2, 5)), np.ones((2, 3)), np.ones((4, 3)))
