"""The NumPy perplexity against numbers worked out by hand, and against torch's cross-entropy."""

import numpy as np
import pytest
import torch
from albor_reference.loss.perplexity import logits_perplexity, perplexity

UNIT = 2.0**-53


def test_tokens_weigh_alike_not_sequences():
    nll = [[np.log(8)] * 3, [0.0, 5.0, 5.0]]
    valid = [[True, True, True], [True, False, False]]
    assert abs(perplexity(nll, valid) - 8**0.75) <= 16 * UNIT * 8
    assert abs(perplexity(nll[:1], valid[:1]) - 8) <= 16 * UNIT * 8


def test_padding_may_hold_anything():
    assert perplexity([[0.0, np.nan], [0.0, np.inf]], [[True, False], [True, False]]) == 1


@pytest.mark.parametrize("classes", [1, 2, 50257])
def test_guessing(classes):
    assert abs(perplexity(np.full((2, 3), np.log(classes)), np.ones((2, 3))) - classes) <= 64 * UNIT * classes
    z = np.full((4, min(classes, 99)), -3.0)
    assert abs(logits_perplexity(z, [0] * 4, -100) - z.shape[1]) <= 64 * UNIT * z.shape[1]


def test_logits_equal_torch_in_float64():
    rng = np.random.default_rng(0)
    z, y = 3 * rng.standard_normal((9, 17)), rng.integers(0, 17, 9)
    y[::4] = -100
    expected = torch.nn.functional.cross_entropy(torch.tensor(z), torch.tensor(y)).exp().item()
    assert abs(logits_perplexity(z, y, -100) - expected) <= 400 * UNIT * expected


def test_wrong_arguments():
    with pytest.raises(ValueError, match="no valid token"):
        perplexity(np.zeros((1, 2)), np.zeros((1, 2), dtype=bool))
    with pytest.raises(ValueError, match="no valid token"):
        logits_perplexity(np.zeros((1, 2)), [-100], -100)
    with pytest.raises(ValueError, match=r"expected nll and valid \[B, S\]"):
        perplexity(np.zeros((1, 2)), np.zeros((2, 1), dtype=bool))
