"""The reference logsumexp against PyTorch's autograd in float64, and closed forms."""

import numpy as np
import pytest
import torch
from albor_reference.core.logsumexp import logsumexp, logsumexp_backward, logsumexp_chunked

CLOSE = {"rtol": 1e-13, "atol": 1e-13}


@pytest.fixture
def rng():
    return np.random.default_rng(31)


def test_is_that_of_torch_and_so_is_its_gradient(rng):
    x, g = torch.tensor(20 * rng.normal(size=(4, 7)), requires_grad=True), rng.normal(size=4)
    lse = torch.logsumexp(x, 1)
    lse.backward(torch.tensor(g))
    np.testing.assert_allclose(logsumexp(x.detach().numpy()), lse.detach().numpy(), **CLOSE)
    np.testing.assert_allclose(logsumexp_backward(g, x.detach().numpy()), x.grad.numpy(), **CLOSE)


@pytest.mark.parametrize("chunk", [1, 2, 3, 7, 8, 100])
def test_chunks_of_any_width(rng, chunk):
    x = rng.normal(size=(5, 7))
    x[0, :4] = -np.inf
    x[1] = -np.inf
    with np.errstate(divide="ignore"):
        wanted = np.log(np.exp(x).sum(1))
    np.testing.assert_allclose(logsumexp_chunked(x, chunk), wanted, **CLOSE)


def test_by_hand():
    np.testing.assert_allclose(logsumexp(np.log([[1, 2, 5], [1, 1, 1]])), np.log([8, 3]), **CLOSE)
    np.testing.assert_array_equal(logsumexp([[1e5, -1e5], [-np.inf, -np.inf]]), [1e5, -np.inf])


def test_rejects():
    with pytest.raises(ValueError, match="x: expected shape"):
        logsumexp(np.ones(3))
    with pytest.raises(ValueError, match="chunk"):
        logsumexp_chunked(np.ones((2, 3)), 0)
    with pytest.raises(ValueError, match="g: expected shape"):
        logsumexp_backward(np.ones(3), np.ones((2, 3)))
