"""Sampling of the reference against PyTorch's topk and softmax in float64, and its draws against their shares."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from albor_reference.inference.sampling import greedy, probabilities, sample, top_k, top_p


@pytest.mark.parametrize("k", [1, 3, 10, 12])
def test_top_k_is_that_of_pytorch(k: int) -> None:
    logits = np.random.default_rng(k).normal(size=10)
    expected = np.zeros(10, dtype=bool)
    expected[torch.tensor(logits).topk(min(k, 10)).indices.numpy()] = True
    assert np.array_equal(top_k(logits, k), expected)


def test_top_p_by_adding_tokens_one_by_one() -> None:
    rng = np.random.default_rng(0)
    for _ in range(100):
        logits, p = rng.normal(size=8) * 3, rng.uniform(0.01, 1)
        q = torch.tensor(logits).softmax(0).numpy()
        expected, mass = np.zeros(8, dtype=bool), 0.0
        for token in np.argsort(-logits):
            if mass < p:
                expected[token] = True
            mass += q[token]
        assert np.array_equal(top_p(logits, p), expected)


def test_probabilities_are_the_softmax_of_what_is_kept() -> None:
    logits = np.array([1.0, 2.0, 5.0, -1.0])
    kept = np.array([True, True, False, True])
    expected = torch.tensor(logits[kept] / 0.7).softmax(0).numpy()
    assert np.allclose(probabilities(logits, kept, 0.7)[kept], expected, rtol=1e-14)
    assert not probabilities(logits, np.zeros(4, dtype=bool), 1.0).any()


def test_draws_have_their_probabilities() -> None:
    row = np.array([0.0, 1.0, 2.0, 1.5, -3.0])
    ids = sample(np.tile(row, (20_000, 1)), 1.5, 4, 0.9, 7)
    kept = top_k(row, 4)
    kept[kept] = top_p(row[kept] / 1.5, 0.9)
    q = probabilities(row, kept, 1.5)
    seen = np.bincount(ids, minlength=5) / len(ids)
    # Five standard errors.
    assert (np.abs(seen - q) <= 5 * np.sqrt(q * (1 - q) / len(ids))).all()


def test_greedy_and_refusals() -> None:
    logits = np.array([[1.0, 3.0, 3.0], [2.0, 2.0, 1.0]])
    assert greedy(logits).tolist() == sample(logits, 0, 3, 1, 0).tolist() == [1, 0]
    for bad in ((-1, 1, 1), (1, 0, 1), (1, 1, 0), (1, 1, 1.1)):
        with pytest.raises(ValueError, match="temperature >= 0"):
            sample(logits, *bad, 0)
    for call in (
        lambda: top_k(logits[0], 0),
        lambda: top_p(logits[0], 0),
        lambda: probabilities(logits[0], logits[0] > 0, 0),
    ):
        with pytest.raises(ValueError):
            call()
