"""The reference layer normalisation against PyTorch in float64 (its autograd for gradients) and by hand."""

import numpy as np
import pytest
import torch
from albor_reference.core.layernorm import layernorm, layernorm_backward

CLOSE = {"rtol": 1e-11, "atol": 1e-12}


def test_is_that_of_torch_and_so_are_its_gradients():
    rng = np.random.default_rng(32)
    x, w, b = (torch.tensor(a, requires_grad=True) for a in (rng.normal(size=(4, 7)), *rng.normal(size=(2, 7))))
    g = rng.normal(size=(4, 7))
    y = torch.nn.functional.layer_norm(x, (7,), w, b, 1e-3)
    y.backward(torch.tensor(g))
    arrays = x.detach().numpy(), w.detach().numpy(), b.detach().numpy()
    np.testing.assert_allclose(layernorm(*arrays, 1e-3), y.detach().numpy(), **CLOSE)
    for got, leaf in zip(layernorm_backward(g, *arrays[:2], 1e-3), (x, w, b), strict=True):
        np.testing.assert_allclose(got, leaf.grad.numpy(), **CLOSE)


def test_by_hand():
    np.testing.assert_array_equal(layernorm([[1.0, 3.0]], [1, 2], [10, 20], 0.0), [[9, 22]])
    np.testing.assert_array_equal(layernorm([[5.0, 5.0]], [1, 2], [10, 20], 1e-5), [[10, 20]])
    far = layernorm([[1e8, 1e8 + 1]], [1, 1], [0, 0], 0.0)
    np.testing.assert_array_equal(far, [[-1, 1]])


def test_rejects():
    with pytest.raises(ValueError, match="expected x"):
        layernorm(np.ones((2, 3)), np.ones(3), np.ones(2), 1e-5)
    with pytest.raises(ValueError, match="eps"):
        layernorm(np.ones((2, 3)), np.ones(3), np.ones(3), -1)
    with pytest.raises(ValueError, match="g: expected"):
        layernorm_backward(np.ones((2, 2)), np.ones((2, 3)), np.ones(3), 1e-5)
