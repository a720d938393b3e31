"""The reference's alerts on losses of models that exist: uniform ones, and random ones measured with PyTorch."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from albor_reference.training.alert_rules import alert, first_alert, guarded_clip


@pytest.mark.parametrize("vocabulary", [8, 256, 22026, 22027, 32768, 50257])
def test_a_model_that_knows_nothing_is_not_stopped(vocabulary: int) -> None:
    torch.manual_seed(0)
    logits = 0.3 * torch.randn(4, vocabulary, dtype=torch.float64)
    loss = float(torch.nn.functional.cross_entropy(logits, torch.randint(vocabulary, (4,))))
    assert (loss > 10) == (vocabulary > 22026)  # what `loss > 10` would have stopped
    assert alert(loss, 1.0, vocabulary, 1.5, 100.0) == 0
    assert alert(1.51 * math.log(vocabulary), 1.0, vocabulary, 1.5, 100.0) == 2


def test_the_first_of_several_alerts() -> None:
    losses, norms = [2.0, 2.0, 9.0, math.nan], [1.0, 101.0, 1.0, 1.0]
    assert first_alert(losses, norms, 256, 1.5, 100.0) == (1, 3)
    assert first_alert(losses[2:], norms[2:], 256, 1.5, 100.0) == (0, 2)
    assert first_alert(losses[3:], norms[3:], 256, 1.5, 100.0) == (0, 1)
    assert first_alert(losses[:1], norms[:1], 256, 1.5, 100.0) == (1, 0)


def test_clipping_is_that_of_pytorch_and_the_alert_sees_the_norm_before_it() -> None:
    rng = np.random.default_rng(5)
    for size in (0.1, 1.0, 30.0):
        weight = torch.zeros(50, dtype=torch.float64, requires_grad=True)
        weight.grad = torch.tensor(size * rng.normal(size=50))
        before = weight.grad.clone()
        norm = float(torch.nn.utils.clip_grad_norm_([weight], 1.0))
        scale, stop = guarded_clip(norm, 1.0, 100.0)
        torch.testing.assert_close(weight.grad, before * scale, rtol=2e-6, atol=0)  # PyTorch divides by norm + 1e-6
        assert stop == (norm > 100) == (size == 30.0)
    assert guarded_clip(math.inf, 1.0, 100.0) == guarded_clip(math.nan, 1.0, math.inf) == (0.0, True)


@pytest.mark.parametrize(("values", "name"), [((1, 1.5, 1.0), "vocabulary"), ((9, 1.0, 1.0), "factor"),
                                              ((9, 1.5, math.nan), "norm_limit")])  # fmt: skip
def test_what_is_refused(values: tuple[int, float, float], name: str) -> None:
    with pytest.raises(ValueError, match=f"^{name}: expected"):
        alert(1.0, 1.0, *values)
