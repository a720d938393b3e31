"""Bias over the cases of an obligation, as a run reports it."""

from __future__ import annotations

import numpy as np
import pytest
from albor_contracts import trials
from albor_contracts.events import ObligationFinished
from albor_contracts.falsify import matrix
from albor_contracts.library import open_library
from albor_contracts.links import definition_id
from albor_contracts.runtime.session import ObligationFailed, session
from albor_contracts.trials import Trial, truncated


class Truncating(Trial):
    """Rounds one output towards zero. Attention may round its probabilities on the way, so no element is out of
    bounds."""

    def _stored(self, name, k, value):
        if self.signatures[name].outputs[k].name == "dq":
            value = truncated(np.asarray(value, dtype=np.float64), self.dtype)
        return super()._stored(name, k, value)


@pytest.fixture(scope="module")
def attention():
    ((contract, module),) = trials.modules(open_library(), ["attention/causal-gqa"])
    return module, matrix.tests_of(module)[definition_id(contract.model, "attention_backward")]


@pytest.fixture
def told(monkeypatch):
    events = []
    monkeypatch.setattr(session, "tell", events.append)
    return events


@pytest.mark.parametrize("dtype", ["bf16", "f16"])
def test_truncation_inside_the_bounds_fails_the_obligation(attention, told, dtype):
    module, test = attention
    with matrix.few_cases(60), pytest.raises(ObligationFailed, match=r"dq is biased.*too small in magnitude"):
        test(Truncating(module.spec, dtype))
    (finished,) = [e for e in told if isinstance(e, ObligationFinished)]
    assert finished.outcome == "failed"
    assert "truncation" in finished.failure.message
    assert finished.failure.case == ""  # no single case shows it


def test_correct_code_passes_and_its_error_is_told_in_units_in_the_last_place(attention, told):
    module, test = attention
    with matrix.few_cases(40):
        test(Trial(module.spec, "bf16"))
    (finished,) = [e for e in told if isinstance(e, ObligationFinished)]
    assert finished.outcome == "passed"
    assert finished.worst_ulp > 0.3
    assert 0 < finished.worst <= 1


def test_the_kernel_forgets_what_it_noted(attention):
    module, test = attention
    kernel = Trial(module.spec, "f32")
    with matrix.few_cases(3):
        test(kernel)
    assert kernel.deviation is None
