"""The NumPy loss of a linear head against torch in float64."""

import numpy as np
import pytest
import torch
from albor_reference.loss.fused_linear_cross_entropy import fused_linear_cross_entropy

UNIT = 2.0**-53
IGNORE = -100


@pytest.mark.parametrize(("tokens", "vocabulary", "hidden"), [(1, 1, 1), (4, 7, 3), (9, 33, 8)])
def test_loss_and_gradients_equal_torch_in_float64(tokens, vocabulary, hidden):
    rng = np.random.default_rng(tokens)
    h, w = rng.standard_normal((tokens, hidden)), rng.standard_normal((vocabulary, hidden))
    y = rng.integers(0, vocabulary, tokens)
    y[1::3] = IGNORE
    leaves = [torch.tensor(a, requires_grad=True) for a in (h, w)]
    expected = torch.nn.functional.cross_entropy(leaves[0] @ leaves[1].T, torch.tensor(y), ignore_index=IGNORE)
    gradients = torch.autograd.grad(expected, leaves)
    loss, *found = fused_linear_cross_entropy(h, w, y, IGNORE)
    # Logits below 32, each rounded in a sum of `hidden` terms.
    bound = UNIT * 32 * (8 * np.sqrt(hidden) + 16)
    assert abs(loss - expected.item()) <= 4 * bound
    for got, wanted in zip(found, gradients, strict=True):
        assert np.abs(got - wanted.numpy()).max() <= 4 * bound * (1 + np.abs(h).max() + np.abs(w).max()) * vocabulary


def test_ignored_rows_have_no_part():
    h = np.array([[1.0, 2.0], [np.nan, np.nan]])
    w = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    loss, dh, dw = fused_linear_cross_entropy(h[:1], w, [2], IGNORE)
    again = fused_linear_cross_entropy(np.where(np.isnan(h), 5.0, h), w, [2, IGNORE], IGNORE)
    assert loss == again[0] and np.array_equal(dh[0], again[1][0]) and not again[1][1].any()
    assert np.abs(dw - again[2]).max() <= 4 * UNIT


def test_wrong_arguments():
    with pytest.raises(ValueError, match=r"expected h\[T, H\] and w\[V, H\]"):
        fused_linear_cross_entropy(np.zeros((2, 3)), np.zeros((4, 2)), [0, 0], IGNORE)
    with pytest.raises(ValueError, match="label 4 of token 1"):
        fused_linear_cross_entropy(np.zeros((2, 3)), np.zeros((4, 3)), [0, 4], IGNORE)
