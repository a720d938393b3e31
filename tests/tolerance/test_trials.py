"""The derived tolerances on every contract: no false alarm on correct code, no wrong output accepted.

A reduced number of cases by default; `ALBOR_TRIAL_CASES=10000 pytest tests/tolerance` runs 10,000 of every contract.
`python -m albor_contracts.trials` prints the table of a longer run.
"""

from __future__ import annotations

import os

import numpy as np
import pytest
from albor_contracts import trials
from albor_contracts.library import open_library
from albor_contracts.runtime.dtypes import FORMATS, round_to

FULL = int(os.environ.get("ALBOR_TRIAL_CASES", "0"))
LIBRARY = open_library()
# A contract with problems of its own is the business of `validate`.
CONTRACTS = [c.name for c in LIBRARY.checked.values() if trials.defines_floats(c)]


@pytest.mark.parametrize("dtype", trials.DTYPES)
@pytest.mark.parametrize("name", CONTRACTS)
def test_correct_code_passes_and_wrong_code_does_not(name, dtype):
    ((contract, module),) = trials.modules(LIBRARY, [name])
    cases, others = trials.KEPT if dtype != "f32" else 24, 2
    if FULL:
        cases, others = trials.shared_out(contract, FULL), 20
    report = trials.try_contract(contract, module, cases=cases, others=others, dtypes=(dtype,))
    assert not report.alarms
    assert not report.survivors
    assert report.rows
    for row in report.rows:
        assert any(v.rejected for v in row.verdicts.values()), f"{row.equation}.{row.output}: nothing was rejected"


def test_contracts_are_found():
    assert "core/rmsnorm" in CONTRACTS
    assert len(CONTRACTS) >= 8


@pytest.mark.parametrize("dtype", ["bf16", "f16"])
def test_truncation_rounds_towards_zero(dtype):
    rng = np.random.default_rng(2)
    y = np.clip(rng.normal(size=1000) * np.exp(rng.normal(size=1000) * 5), -65000, 65000)
    cut = trials.truncated(y, dtype)
    assert np.array_equal(round_to(cut, dtype), cut)
    assert (np.abs(cut) <= np.abs(y)).all()
    assert (np.abs(y - cut) <= 2 * FORMATS[dtype].unit * np.abs(y) + FORMATS[dtype].smallest).all()
    assert (cut != round_to(y, dtype)).mean() > 0.3
    assert trials.truncated(np.array([-1e6]), "f16") == -65504


def test_a_wrong_tolerance_would_be_noticed(monkeypatch):
    """With bounds that are far too wide wrong outputs survive, with bounds that are too narrow correct code fails."""
    ((contract, module),) = trials.modules(LIBRARY, ["core/swiglu"])
    honest = trials.Trial._tolerance

    def widened(self, *arguments):
        return honest(self, *arguments) * 1e6

    def narrowed(self, *arguments):
        return honest(self, *arguments) / 4

    monkeypatch.setattr(trials.Trial, "_tolerance", widened)
    assert trials.try_contract(contract, module, cases=8, others=0, dtypes=("bf16",)).survivors
    monkeypatch.setattr(trials.Trial, "_tolerance", narrowed)
    assert trials.try_contract(contract, module, cases=8, others=0, dtypes=("bf16",)).alarms


def test_every_way_of_being_wrong_says_when_it_does_not_apply():
    assert set(trials.UNCHANGED) == set(trials.MUTATIONS)
