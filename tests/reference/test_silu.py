"""The reference SiLU against PyTorch in float64 (its autograd for the gradient) and at known points."""

import numpy as np
import pytest
import torch
from albor_reference.core.silu import silu, silu_backward

CLOSE = {"rtol": 1e-12, "atol": 1e-15}


def test_is_that_of_torch_and_so_is_its_gradient():
    rng = np.random.default_rng(33)
    x, g = torch.tensor(6 * rng.normal(size=(3, 50)), requires_grad=True), rng.normal(size=(3, 50))
    y = torch.nn.functional.silu(x)
    y.backward(torch.tensor(g))
    np.testing.assert_allclose(silu(x.detach().numpy()), y.detach().numpy(), **CLOSE)
    np.testing.assert_allclose(silu_backward(g, x.detach().numpy()), x.grad.numpy(), **CLOSE)


def test_known_points():
    # The minimum, where the derivative vanishes, and the steepest point.
    assert silu([-1.2784645427610738])[0] == pytest.approx(-0.2784645427610738, abs=1e-15)
    assert abs(silu_backward([1.0], [-1.2784645427610738])[0]) < 1e-15
    assert silu_backward([1.0], [2.3993572209614906])[0] == pytest.approx(1.099839320128867, abs=1e-14)
    with np.errstate(all="raise", under="ignore"):
        np.testing.assert_array_equal(silu([-1e4, 0.0, 1e4]), [0, 0, 1e4])


def test_rejects():
    with pytest.raises(ValueError, match="g: expected shape"):
        silu_backward(np.ones(2), np.ones(3))
