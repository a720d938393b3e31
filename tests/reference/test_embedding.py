"""The reference embedding against PyTorch in float64 (its autograd for the gradient) and one-hot products."""

import numpy as np
import pytest
import torch
from albor_reference.core.embedding import embedding, embedding_backward


def test_is_that_of_torch_and_so_is_its_gradient():
    rng = np.random.default_rng(35)
    ids, g = rng.integers(0, 5, 40), rng.normal(size=(40, 3))
    w = torch.tensor(rng.normal(size=(6, 3)), requires_grad=True)
    y = torch.nn.functional.embedding(torch.tensor(ids), w)
    y.backward(torch.tensor(g))
    np.testing.assert_array_equal(embedding(ids, w.detach().numpy()), y.detach().numpy())
    dw = embedding_backward(g, ids, w.detach().numpy())
    np.testing.assert_allclose(dw, w.grad.numpy(), rtol=1e-13, atol=1e-13)
    np.testing.assert_allclose(dw, np.eye(6)[ids].T @ g, rtol=1e-13, atol=1e-13)
    assert not dw[5].any()


def test_rejects():
    w = np.ones((4, 2))
    for ids in ([0, 4], [-1, 0]):
        with pytest.raises(ValueError, match=r"id -?\d of token \d is outside \[0, 4\)"):
            embedding(ids, w)
    for ids in ([0.0, 2.7], [True, False]):  # cut off, they would be rows
        with pytest.raises(TypeError, match="ids must be whole numbers"):
            embedding(ids, w)
    assert embedding([], w).shape == (0, 2)
    with pytest.raises(ValueError, match="expected ids"):
        embedding([[0]], w)
    with pytest.raises(ValueError, match="g: expected shape"):
        embedding_backward(np.ones((3, 2)), [0, 1], w)
