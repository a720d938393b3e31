"""The NumPy chunked cross-entropy against torch in float64, for chunks that divide the vocabulary and that do not."""

import numpy as np
import pytest
import torch
from albor_reference.loss.chunked_cross_entropy import chunk_update, chunked_cross_entropy

UNIT = 2.0**-53
IGNORE = -100


@pytest.mark.parametrize("vocabulary", [1, 7, 16, 33])
@pytest.mark.parametrize("chunk", [1, 5, 16, 100])
def test_loss_and_gradient_equal_torch_in_float64(vocabulary, chunk):
    rng = np.random.default_rng(vocabulary)
    z = 6 * rng.standard_normal((5, vocabulary)) - 30
    y = rng.integers(0, vocabulary, 5)
    y[2] = IGNORE
    loss, dz = chunked_cross_entropy(z, y, IGNORE, chunk)
    leaf = torch.tensor(z, requires_grad=True)
    expected = torch.nn.functional.cross_entropy(leaf, torch.tensor(y), ignore_index=IGNORE)
    (gradient,) = torch.autograd.grad(expected, leaf)
    # Logits below 64, so that torch's log-sum-exp is off by 64 units; a few dozen roundings beside it.
    assert abs(loss - expected.item()) <= 200 * UNIT * 64
    assert np.abs(dz - gradient.numpy()).max() <= 400 * UNIT
    assert not dz[2].any()


def test_states_by_hand():
    m, total, picked = chunk_update([[1.0, 1.0], [0.0, 3.0]], [3, 9], 2, [-np.inf, 3.0], [0, 5], [0, 7])
    assert m.tolist() == [1, 3] and picked.tolist() == [1, 7]
    assert total[0] == 2 and abs(total[1] - (6 + np.exp(-3))) <= 8 * UNIT


def test_a_chunk_of_impossible_classes_leaves_an_empty_state_empty():
    m, total, _ = chunk_update([[-np.inf, -np.inf]], [0], 0, [-np.inf], [0], [0])
    assert m[0] == -np.inf and total[0] == 0


def test_ignored_rows_may_hold_anything():
    z = np.array([[1.0, 2.0], [np.nan, np.inf]])
    loss, dz = chunked_cross_entropy(z, [0, IGNORE], IGNORE, 1)
    assert abs(loss - np.log1p(np.e)) <= 8 * UNIT and not dz[1].any()
    loss, dz = chunked_cross_entropy(z, [IGNORE, IGNORE], IGNORE, 1)
    assert loss == 0 and not dz.any()


def test_wrong_arguments():
    z = np.zeros((2, 3))
    with pytest.raises(ValueError, match="chunk: expected at least 1 class, got 0"):
        chunked_cross_entropy(z, [0, 0], IGNORE, 0)
    with pytest.raises(ValueError, match="label 3 of token 1"):
        chunked_cross_entropy(z, [0, 3], IGNORE, 2)
    with pytest.raises(ValueError, match=r"expected z\[T, V\]"):
        chunk_update(z, [0], 0, [0, 0], [0, 0], [0, 0])
