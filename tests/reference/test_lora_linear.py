"""The reference low-rank layer against PyTorch's autograd in float64, and against the merged weight."""

import numpy as np
import pytest
import torch
from albor_reference.core.lora_linear import lora_linear, lora_linear_backward

CLOSE = {"rtol": 1e-12, "atol": 1e-12}


def test_is_the_merged_layer_and_its_gradients_are_autograds():
    rng = np.random.default_rng(42)
    x, w, a, b = (torch.tensor(rng.normal(size=s), requires_grad=True) for s in ((3, 5), (4, 5), (5, 2), (2, 4)))
    g, alpha = rng.normal(size=(3, 4)), 7.0
    y = x @ (w.detach() + alpha / 2 * (a @ b).T).T
    y.backward(torch.tensor(g))
    arrays = [t.detach().numpy() for t in (x, w, a, b)]
    np.testing.assert_allclose(lora_linear(*arrays, alpha), y.detach().numpy(), **CLOSE)
    for got, leaf in zip(lora_linear_backward(g, *arrays, alpha), (x, a, b), strict=True):
        np.testing.assert_allclose(got, leaf.grad.numpy(), **CLOSE)


def test_rejects():
    x, w, a, b = np.ones((2, 3)), np.ones((4, 3)), np.ones((3, 2)), np.ones((2, 4))
    with pytest.raises(ValueError, match="expected x"):
        lora_linear(x, w, b.T, a.T, 1.0)
    with pytest.raises(ValueError, match="rank"):
        lora_linear(x, w, a[:, :0], b[:0], 1.0)
    with pytest.raises(ValueError, match="g: expected shape"):
        lora_linear_backward(np.ones((2, 3)), x, w, a, b, 1.0)
