"""The reference's network, gradients and both orders of update against PyTorch's autograd and SGD in float64."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from albor_reference.optim.update_order import decoupled, interleaved, network, weight_gradients

CLOSE = {"rtol": 1e-12, "atol": 1e-12}


@pytest.mark.parametrize(("batch", "n"), [(1, 1), (4, 3), (0, 2)])
def test_it_is_what_torch_computes(batch: int, n: int) -> None:
    torch.manual_seed(6)
    w, x, g = (torch.randn(shape, dtype=torch.float64) for shape in ((3, n, n), (batch, n), (batch, n)))
    layers = torch.nn.Sequential(*(torch.nn.Linear(n, n, bias=False, dtype=torch.float64) for _ in range(3)))
    for layer, weight in zip(layers, w, strict=True):
        layer.weight.data = weight.clone()
    y = layers[2](torch.tanh(layers[1](torch.tanh(layers[0](x)))))
    y.backward(g)
    np.testing.assert_allclose(network(w.numpy(), x.numpy()), y.detach().numpy(), **CLOSE)
    gradients = np.stack([layer.weight.grad.numpy() for layer in layers])
    np.testing.assert_allclose(weight_gradients(g.numpy(), w.numpy(), x.numpy()), gradients, **CLOSE)
    torch.optim.SGD(layers.parameters(), lr=0.3).step()
    moved = np.stack([layer.weight.detach().numpy() for layer in layers])
    for update in (decoupled, interleaved):
        np.testing.assert_allclose(update(g.numpy(), w.numpy(), x.numpy(), 0.3), moved, **CLOSE)


def test_by_hand() -> None:
    """Weights 1, 0, 2 and an input of 1 for one unit: the middle layer is 0, so only W1 has a gradient: 2 tanh 1."""
    w, one = np.array([[[1.0]], [[0.0]], [[2.0]]]), np.array([[1.0]])
    assert network(w, one) == 0
    np.testing.assert_allclose(weight_gradients(one, w, one).ravel(), [0, 2 * np.tanh(1.0), 0], rtol=1e-15)


def test_arguments_are_left_alone_whatever_their_layout() -> None:
    rng = np.random.default_rng(7)
    w, x, g = np.asfortranarray(rng.normal(size=(3, 4, 4))), rng.normal(size=(4, 2)).T, rng.normal(size=(2, 4))
    before = w.copy()
    first = interleaved(g, w, x, 0.5)
    np.testing.assert_array_equal(w, before)
    np.testing.assert_array_equal(first, decoupled(g, np.ascontiguousarray(w), np.ascontiguousarray(x), 0.5))


def test_shapes_that_do_not_fit_are_refused() -> None:
    for w, x in (((2, 3, 3), (1, 3)), ((3, 3, 2), (1, 3)), ((3, 3, 3), (1, 2)), ((3, 3), (1, 3))):
        with pytest.raises(ValueError, match=r"expected w\[3, N, N\] and x\[B, N\]"):
            network(np.ones(w), np.ones(x))
