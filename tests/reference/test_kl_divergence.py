"""The NumPy divergence against scipy and torch in float64, and against numbers worked out by hand."""

import numpy as np
import pytest
import torch
from albor_reference.loss.kl_divergence import kl_backward, kl_divergence
from scipy.special import rel_entr, softmax

UNIT = 2.0**-53


@pytest.mark.parametrize(("tokens", "vocabulary", "scale"), [(1, 1, 1), (3, 7, 1), (4, 33, 10), (2, 500, 3)])
def test_value_and_gradients(tokens, vocabulary, scale):
    rng = np.random.default_rng(vocabulary)
    p, q = scale * rng.standard_normal((2, tokens, vocabulary))
    g = rng.standard_normal(tokens)
    kl = kl_divergence(p, q)
    span = scale * 16 + np.log(vocabulary)  # the largest |log P| or |log Q|
    bound = UNIT * span * 40 * np.sqrt(vocabulary)
    assert np.abs(kl - rel_entr(softmax(p, axis=1), softmax(q, axis=1)).sum(axis=1)).max() <= bound
    leaves = [torch.tensor(a, requires_grad=True) for a in (p, q)]
    logs = [torch.log_softmax(leaf, dim=1) for leaf in leaves]
    expected = torch.nn.functional.kl_div(logs[1], logs[0], reduction="none", log_target=True).sum(1)
    gradients = torch.autograd.grad(expected, leaves, torch.tensor(g))
    for got, wanted in zip(kl_backward(g, p, q), gradients, strict=True):
        assert np.abs(got - wanted.numpy()).max() <= bound * 4 * np.abs(g).max()


def test_two_coins():
    kl = kl_divergence([[0.0, 0.0]], [[np.log(3), 0.0]])
    assert abs(kl[0] - (np.log(2) - np.log(3) / 2)) <= 8 * UNIT
    back = kl_divergence([[np.log(3), 0.0]], [[0.0, 0.0]])
    assert abs(back[0] - (0.75 * np.log(3) - np.log(2))) <= 8 * UNIT


def test_impossible_classes():
    p, q = np.array([[0.0, -np.inf, 0.0, -np.inf]]), np.array([[0.0, 0.0, 0.0, -np.inf]])
    assert abs(kl_divergence(p, q)[0] - np.log(1.5)) <= 8 * UNIT
    dp, dq = kl_backward([1.0], p, q)
    assert np.abs(dq - [[-1 / 6, 1 / 3, -1 / 6, 0]]).max() <= 4 * UNIT and np.abs(dp).max() <= 8 * UNIT
    assert kl_divergence(q, p)[0] == np.inf


def test_equal_distributions():
    p = np.random.default_rng(0).standard_normal((4, 9))
    assert np.abs(kl_divergence(p, p + 7)).max() <= 400 * UNIT
    assert not kl_divergence(p, p).any()


def test_wrong_arguments():
    with pytest.raises(ValueError, match=r"expected logits p, q\[T, V\]"):
        kl_divergence(np.zeros((2, 3)), np.zeros((2, 4)))
    with pytest.raises(ValueError, match="g: expected shape"):
        kl_backward([1.0], np.zeros((2, 3)), np.zeros((2, 3)))
