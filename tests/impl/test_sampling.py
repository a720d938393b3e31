"""Sampling that ships: cuts against the reference, draws against their probabilities, batches and seeds."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from albor_impl.inference import sampling as impl
from albor_reference.inference import sampling as reference


def test_cuts_are_those_of_the_reference() -> None:
    rng = np.random.default_rng(0)
    for _ in range(60):
        logits = np.round(rng.normal(size=9) * 2)  # whole numbers: many ties
        k = int(rng.integers(1, 11))
        assert np.array_equal(impl.top_k(torch.tensor(logits).float(), k).numpy(), reference.top_k(logits, k))
        fine = rng.normal(size=9)
        assert np.array_equal(impl.top_p(torch.tensor(fine).float(), 0.77).numpy(), reference.top_p(fine, 0.77))
    assert impl.top_k(torch.zeros(2, 3, 5), 2).sum(-1).eq(2).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16], ids=str)
def test_draws_have_their_probabilities(dtype: torch.dtype) -> None:
    row = torch.tensor([0.0, 1.0, 2.0, 1.5, -3.0])
    ids = impl.sample(row.to(dtype).expand(20_000, 5), 1.5, 4, 0.9, 7)
    kept = reference.top_k(row.numpy(), 4)
    kept[kept] = reference.top_p(row.numpy()[kept] / 1.5, 0.9)
    q = reference.probabilities(row.double().numpy(), kept, 1.5)
    seen = np.bincount(ids.numpy(), minlength=5) / len(ids)
    assert (np.abs(seen - q) <= 5 * np.sqrt(q * (1 - q) / len(ids))).all()  # five standard errors


def test_probabilities_of_a_batch_are_those_of_its_rows() -> None:
    """Equal logits have equal shares, whatever the temperature; exp(0) and their sum are exact."""
    logits = torch.tensor([[1.0, 9.0, 1.0], [4.0, 4.0, 4.0]])
    kept = torch.tensor([[True, False, True], [True, True, True]])
    assert torch.equal(impl.probabilities(logits, kept, 0.7), torch.tensor([[1 / 2, 0, 1 / 2], [1 / 3] * 3]))


def test_seeds() -> None:
    logits = torch.randn(50, 30, generator=torch.Generator().manual_seed(1))
    state = torch.get_rng_state()
    once = impl.sample(logits, 1.0, 30, 1.0, 5)
    assert torch.equal(state, torch.get_rng_state())  # the process's own generator is left alone
    assert torch.equal(once, impl.sample(logits, 1.0, 30, 1.0, 5))
    assert not torch.equal(once, impl.sample(logits, 1.0, 30, 1.0, 6))


def test_small_temperatures_do_not_overflow() -> None:
    logits = torch.tensor([[30.0, -30.0, 29.0]], dtype=torch.float16)
    assert impl.sample(logits, 1e-6, 3, 1.0, 0).tolist() == [0]


def test_greedy_and_refusals() -> None:
    logits = torch.tensor([[1.0, 3.0, 3.0], [2.0, 2.0, 1.0]])
    assert impl.greedy(logits).tolist() == impl.sample(logits, 0, 3, 1, 0).tolist() == [1, 0]
    for bad in ((-1, 1, 1), (1, 0, 1), (1, 1, 0), (1, 1, 1.1), (float("nan"), 1, 1)):
        with pytest.raises(ValueError, match="temperature >= 0"):
            impl.sample(logits, *bad, 0)
    for call in (
        lambda: impl.top_k(logits[0], 0),
        lambda: impl.top_p(logits[0], 0),
        lambda: impl.probabilities(logits[0], logits[0] > 0, 0),
    ):
        with pytest.raises(ValueError):
            call()
