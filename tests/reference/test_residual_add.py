import numpy as np
import pytest
import torch
from albor_reference.core.residual_add import residual_add, residual_add_backward


def test_value_and_gradients_by_autograd():
    rng = np.random.default_rng(39)
    x, f = (torch.tensor(rng.normal(size=(3, 4)), requires_grad=True) for _ in range(2))
    g = rng.normal(size=(3, 4))
    y = x + 0.3 * f
    y.backward(torch.tensor(g))
    np.testing.assert_allclose(
        residual_add(x.detach().numpy(), f.detach().numpy(), 0.3), y.detach().numpy(), rtol=1e-15
    )
    dx, df = residual_add_backward(g, 0.3)
    np.testing.assert_array_equal(dx, x.grad.numpy())
    np.testing.assert_array_equal(df, f.grad.numpy())


def test_rejects():
    with pytest.raises(ValueError, match="f: expected shape"):
        residual_add(np.ones(3), np.ones(1), 1.0)
