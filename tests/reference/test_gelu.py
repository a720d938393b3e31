"""Both reference forms of GELU against PyTorch in float64 (its autograd for the gradients) and at known points."""

import numpy as np
import pytest
import torch
from albor_reference.core.gelu import gelu, gelu_backward, gelu_tanh, gelu_tanh_backward


@pytest.mark.parametrize(
    ("form", "forward", "backward"), [("none", gelu, gelu_backward), ("tanh", gelu_tanh, gelu_tanh_backward)]
)
def test_is_that_of_torch_and_so_is_its_gradient(form, forward, backward):
    rng = np.random.default_rng(34)
    x, g = torch.tensor(3 * rng.normal(size=(3, 50)), requires_grad=True), rng.normal(size=(3, 50))
    y = torch.nn.functional.gelu(x, approximate=form)
    y.backward(torch.tensor(g))
    np.testing.assert_allclose(forward(x.detach().numpy()), y.detach().numpy(), rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(backward(g, x.detach().numpy()), x.grad.numpy(), rtol=1e-12, atol=1e-14)


def test_known_points():
    np.testing.assert_allclose(gelu([1, -1]), [0.8413447460685429, -0.15865525393145707], rtol=1e-15)
    np.testing.assert_allclose(gelu_tanh([1, -1]), [0.8411919906082768, -0.1588080093917232], rtol=1e-14)
    x = np.linspace(-8, 8, 20001)
    assert 4.7e-4 < np.abs(gelu(x) - gelu_tanh(x)).max() < 4.74e-4
    assert gelu(x).min() == pytest.approx(-0.16997, abs=1e-5)
    assert gelu_tanh(x).min() == pytest.approx(-0.17004, abs=1e-5)
    # The tail keeps its digits: P(-10) is 7.6e-24.
    assert gelu([-10.0])[0] == pytest.approx(-7.61985302416e-23, rel=1e-11)


def test_rejects():
    for backward in (gelu_backward, gelu_tanh_backward):
        with pytest.raises(ValueError, match="g: expected shape"):
            backward(np.ones(2), np.ones(3))
