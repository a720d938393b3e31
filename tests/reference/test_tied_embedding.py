"""The reference's tied table against PyTorch's embedding, matrix product and autograd in float64."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from albor_reference.optim.tied_embedding import tied_gradient, tied_logits, untied_gradients

CLOSE = {"rtol": 1e-12, "atol": 1e-12}
IDS = [3, 0, 3, 3]  # one token three times


def drawn() -> tuple[torch.Tensor, ...]:
    torch.manual_seed(4)
    return tuple(torch.randn(shape, dtype=torch.float64) for shape in ((4, 5), (5, 3), (5, 3), (3, 3)))


def test_logits_and_gradients_are_those_of_torch() -> None:
    g, w, head, a = drawn()
    embedding, other = w.clone().requires_grad_(), head.clone().requires_grad_()
    (torch.nn.functional.embedding(torch.tensor(IDS), embedding) @ a @ other.T).backward(g)
    found = untied_gradients(g.numpy(), w.numpy(), head.numpy(), a.numpy(), IDS)
    for got, leaf in zip(found, (embedding, other), strict=True):
        np.testing.assert_allclose(got, leaf.grad.numpy(), **CLOSE)
    table = w.clone().requires_grad_()
    z = torch.nn.functional.embedding(torch.tensor(IDS), table) @ a @ table.T
    z.backward(g)
    np.testing.assert_allclose(tied_logits(w.numpy(), a.numpy(), IDS), z.detach().numpy(), **CLOSE)
    np.testing.assert_allclose(tied_gradient(g.numpy(), w.numpy(), a.numpy(), IDS), table.grad.numpy(), **CLOSE)


def test_by_hand() -> None:
    """w = [2, 3], a = [1], token 1: z = [6, 9]; d(z0 + z1)/dw0 = w1 = 3, d/dw1 = w0 + 2 w1 = 8."""
    np.testing.assert_array_equal(tied_logits([[2.0], [3.0]], [[1.0]], [1]), [[6.0, 9.0]])
    np.testing.assert_array_equal(tied_gradient([[1.0, 1.0]], [[2.0], [3.0]], [[1.0]], [1]), [[3.0], [8.0]])


def test_no_tokens_and_no_gradient() -> None:
    w, a = np.ones((3, 2)), np.eye(2)
    assert tied_logits(w, a, np.zeros(0, int)).shape == (0, 3)
    np.testing.assert_array_equal(tied_gradient(np.zeros((0, 3)), w, a, np.zeros(0, int)), np.zeros((3, 2)))
    np.testing.assert_array_equal(tied_gradient(np.zeros((2, 3)), w, a, [0, 2]), np.zeros((3, 2)))


def test_what_is_refused() -> None:
    w, a = np.ones((3, 2)), np.eye(2)
    for table, middle, ids in ((np.ones(3), a, [0]), (w, np.eye(3), [0]), (w, a, [[0]])):
        with pytest.raises(ValueError, match=r"expected a table \[V, E\]"):
            tied_logits(table, middle, ids)
    for ids in ([-1], [0, 3]):
        with pytest.raises(ValueError, match=r"tokens must be in \[0, 3\)"):
            tied_gradient(np.ones((len(ids), 3)), w, a, ids)
