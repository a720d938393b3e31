import math

import numpy as np
import pytest
import torch
from albor_impl.loss import perplexity as module
from albor_reference.loss import perplexity as reference
from core_bounds import FLOATS, U32, draw, exact


@pytest.mark.parametrize(("batch", "size"), [(1, 1), (3, 7), (5, 130)])
def test_agrees_with_the_reference(batch, size):
    nll = draw((batch, size), torch.float32, 1, 0, 12)
    valid = draw((batch, size), torch.float32, 2) > -0.5
    valid[0, 0] = True
    wanted = reference.perplexity(exact(nll), valid.numpy())
    assert abs(module.perplexity(nll, valid).item() - wanted) <= U32 * wanted  # float64 inside, rounded once


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_logits_agree_with_the_reference(dtype):
    z, y = 3 * draw((9, 17), dtype, 3), torch.arange(9)
    y[::4] = -100
    wanted = reference.logits_perplexity(exact(z), y.numpy(), -100)
    assert abs(module.logits_perplexity(z, y, -100).item() - wanted) <= 200 * U32 * wanted


def test_batches_add_up_to_the_corpus():
    nll = draw((6, 9), torch.float32, 4, 0, 12)
    valid = torch.arange(9)[None] < torch.tensor([9, 1, 4, 0, 2, 9])[:, None]
    corpus = module.Perplexity()
    for rows in (slice(0, 1), slice(1, 4), slice(4, 6)):
        corpus.add(nll[rows], valid[rows])
    assert corpus.tokens == 25 and np.float32(corpus.value()) == module.perplexity(nll, valid).item()
    assert abs(math.log(corpus.value()) * 25 - nll[valid].double().sum().item()) <= 1e-12


def test_a_long_corpus_does_not_lose_tokens():
    corpus = module.Perplexity()
    corpus.total, corpus.tokens = 3e9, 10**9
    corpus.add(torch.full((1, 1), 1.0), torch.ones(1, 1, dtype=torch.bool))
    assert corpus.total == 3e9 + 1 and corpus.tokens == 10**9 + 1


def test_padding_may_hold_anything():
    nll = torch.tensor([[0.0, float("nan")], [0.0, float("inf")]])
    assert module.perplexity(nll, torch.tensor([[True, False]] * 2)).item() == 1.0


def test_wrong_arguments_are_named():
    nll, valid = torch.zeros(1, 2), torch.zeros(1, 2, dtype=torch.bool)
    with pytest.raises(ValueError, match="no valid token"):
        module.perplexity(nll, valid)
    with pytest.raises(ValueError, match="no valid token"):
        module.Perplexity().value()
    with pytest.raises(ValueError, match="no valid token"):
        module.logits_perplexity(nll, torch.tensor([-100]), -100)
    with pytest.raises(TypeError, match="valid as bool"):
        module.perplexity(nll, nll)
    with pytest.raises(TypeError, match="nll as float32"):
        module.perplexity(valid, valid)
    with pytest.raises(TypeError, match=r"logits must be float32, bfloat16 or float16, got torch\.float64"):
        module.logits_perplexity(nll.double(), torch.tensor([0]), -100)
    with pytest.raises(ValueError, match=r"logits must have shape \[T, V\]"):
        module.logits_perplexity(nll[None], torch.tensor([0]), -100)
    with pytest.raises(ValueError, match="valid: S is 1"):
        module.perplexity(nll, valid[:, :1])


def test_a_label_outside_the_vocabulary_is_looked_for_on_every_device(monkeypatch):
    """On a GPU PyTorch would use it as an index, and the whole process would lose the device."""
    asked = []
    monkeypatch.setattr(module, "check_labels", lambda y, z, ignore, wait=False: asked.append(wait))
    module.logits_perplexity(torch.zeros(1, 2), torch.tensor([1]), -100)
    assert asked == [True]
