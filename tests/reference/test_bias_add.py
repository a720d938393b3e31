import numpy as np
import pytest
import torch
from albor_reference.core.bias_add import bias_add, bias_add_backward


def test_value_and_gradient_by_autograd():
    rng = np.random.default_rng(40)
    x, b = torch.tensor(rng.normal(size=(3, 4))), torch.tensor(rng.normal(size=4), requires_grad=True)
    g = rng.normal(size=(3, 4))
    y = x + b
    y.backward(torch.tensor(g))
    np.testing.assert_array_equal(bias_add(x.numpy(), b.detach().numpy()), y.detach().numpy())
    np.testing.assert_allclose(bias_add_backward(g), b.grad.numpy(), rtol=1e-14)


def test_rejects():
    with pytest.raises(ValueError, match="expected x"):
        bias_add(np.ones((2, 3)), np.ones(1))
    with pytest.raises(ValueError, match="g: expected shape"):
        bias_add_backward(np.ones(3))
