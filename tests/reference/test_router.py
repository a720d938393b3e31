"""The router of the reference against PyTorch's softmax and topk in float64, and its gradient against autograd."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from albor_reference.inference.router import route, route_backward, route_padded


@pytest.mark.parametrize("k", [1, 2, 8])
def test_router_is_softmax_topk_renormalised(k: int) -> None:
    logits = np.random.default_rng(k).normal(size=(40, 8)) * 5
    weights, experts = route(logits, k)
    p, chosen = torch.tensor(logits).softmax(1).topk(k)
    assert np.array_equal(experts, chosen.numpy())
    assert np.allclose(weights, (p / p.sum(1, keepdim=True)).numpy(), rtol=1e-13, atol=0)


def test_gradient_is_that_of_autograd() -> None:
    rng = np.random.default_rng(1)
    logits, g = rng.normal(size=(30, 9)), rng.normal(size=(30, 4))
    x = torch.tensor(logits, requires_grad=True)
    values, _ = x.topk(4)
    (values.softmax(1) * torch.tensor(g)).sum().backward()
    assert np.allclose(route_backward(g, logits, 4), x.grad.numpy(), rtol=0, atol=1e-15)


def test_ties_and_padding() -> None:
    weights, experts = route_padded(np.array([[1.0, 3.0, 3.0, 2.0]]), 2)
    assert experts.tolist() == [[1, 2, -1, -1]] and weights.tolist() == [[0.5, 0.5, 0, 0]]


@pytest.mark.parametrize("k", [0, 5])
def test_refusals(k: int) -> None:
    with pytest.raises(ValueError, match="1 <= k <= 4"):
        route(np.zeros((2, 4)), k)
