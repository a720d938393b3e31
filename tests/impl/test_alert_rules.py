"""Alert rules that ship: made once, asked at every step, against the reference."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from albor_impl.training.alert_rules import LOSS, NONE, NORM, NOT_FINITE, AlertRules, alert, first_alert, guarded_clip
from albor_reference.training import alert_rules as reference


def test_rules_over_a_run() -> None:
    rules = AlertRules(vocabulary=32768)
    assert rules.loss_limit == pytest.approx(15.5958, abs=1e-4)
    assert [rules.check(x, 1.0) for x in (10.4, 15.59, 15.6, math.nan)] == [NONE, NONE, LOSS, NOT_FINITE]
    assert [rules.check(3.0, x) for x in (0.0, 100.0, 100.5, math.inf)] == [NONE, NONE, NORM, NOT_FINITE]
    assert rules.check(rules.loss_limit, 100.0) == NONE  # at a limit is not above it
    endless = ((10.4 if step < 7 else 16.0, 1.0) for step in iter(int, 1) for step in range(9))
    assert rules.first(endless) == (7, LOSS)  # reads no further than it must
    assert rules.first([]) == (0, NONE)


def test_is_the_reference() -> None:
    rng = np.random.default_rng(3)
    special = np.array([math.nan, math.inf, -math.inf, 0.0])
    for _ in range(300):
        vocabulary = int(rng.integers(2, 60000))
        loss, norm = 20 * rng.random(5), 150 * rng.random(5)
        loss[rng.random(5) < 0.1] = rng.choice(special)
        norm[rng.random(5) < 0.1] = rng.choice(special)
        given = (vocabulary, 1.5, 120.0)
        assert first_alert(torch.tensor(loss), torch.tensor(norm), *given) == reference.first_alert(loss, norm, *given)
        assert alert(loss[0], norm[0], *given) == reference.alert(loss[0], norm[0], *given)
        assert guarded_clip(float(norm[0]), 2.0, 100.0) == pytest.approx(reference.guarded_clip(norm[0], 2.0, 100.0))


@pytest.mark.parametrize(("change", "name"), [({"vocabulary": 1}, "vocabulary"), ({"factor": math.nan}, "factor"),
                                              ({"norm_limit": 0.0}, "norm_limit")])  # fmt: skip
def test_what_is_refused(change: dict[str, float], name: str) -> None:
    with pytest.raises(ValueError, match=f"^{name}: expected"):
        AlertRules(**({"vocabulary": 8} | change))


def test_a_log_has_a_loss_and_a_norm_for_each_step() -> None:
    with pytest.raises(ValueError, match="shorter"):
        first_alert(torch.zeros(3), torch.zeros(2), 8, 1.5, 1.0)
