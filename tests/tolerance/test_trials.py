"""The derived tolerances on every contract: no false alarm on correct code, no wrong output accepted.

A reduced number of cases, from a fixed seed; `python -m albor_contracts.trials` runs as many as one likes, and
`test_record.py` looks at what it found.
"""

from __future__ import annotations

import numpy as np
import pytest
from albor_contracts import trials
from albor_contracts.library import open_library
from albor_contracts.runtime.dtypes import FORMATS, round_to
from hidden import hidden

LIBRARY = open_library()
# A contract with problems of its own is the business of `validate`.
SUBJECTS = trials.subjects(LIBRARY)
# Which cases notice truncation inside the bounds only together: attention may round its probabilities.
CASES = {"f32": 18, "bf16": trials.KEPT, "f16": trials.KEPT}
# Enough for most kernels; one of which something survives these gets all. The recorded trials have thousands.
FEW = {"f32": 8, "bf16": 24, "f16": 24}
ALWAYS = ("all zeros", "sign flipped", "one wrong element", "scaled", "smallest scaling")
# Compositions of the kernels above; `python -m albor_contracts.trials` tries them as well, and takes its time.
SLOW = {"training/llama-step:block_backward", "training/llama-step:gradients", "training/llama-step:train_step"}
# Zeros by definition: there is nothing to scale, and no sign.
ZEROS = {"training/device-step:moments"}
QUICK = [s for s in SUBJECTS if s.full_name not in SLOW | ZEROS]


@pytest.mark.parametrize("subject", QUICK, ids=lambda s: s.full_name)
def test_correct_code_passes_and_wrong_code_does_not(subject):
    for dtype in subject.dtypes:
        found = trials.try_slice(subject, dtype, cases=FEW[dtype], wrong=True)
        assert not found.false_alarms
        if found.survivors or not all(v[always].rejected for v in found.verdicts.values() for always in ALWAYS):
            found = trials.try_slice(subject, dtype, cases=CASES[dtype], wrong=True)
            assert not found.false_alarms
        assert set(found.survivors) == hidden(subject.full_name, dtype)
        assert found.verdicts.keys() == dict(map(reversed, subject.outputs)).keys()
        for output, verdicts in found.verdicts.items():
            assert verdicts.keys() == {*trials.MUTATIONS, "smallest scaling"}
            for always in ALWAYS:
                assert verdicts[always].rejected, f"{output}: {always}"


@pytest.mark.parametrize("name", sorted({s.contract.name for s in SUBJECTS}))
def test_correct_code_obeys_the_other_laws(name):
    ((contract, module),) = trials.modules(LIBRARY, [name])
    # A law that is bitwise on subnormal numbers holds for kernels that keep them; the trial flushes them to zero.
    bitwise = ("AC-SMALL", "GCL-SMALL")
    failed = [words for words in trials.try_laws(contract, module, "bf16", cases=2) if not words.startswith(bitwise)]
    assert not failed


def test_every_contract_that_computes_numbers_is_tried():
    """Those without a dtype to round to are named here: a new contract must not be left out unnoticed."""
    in_python = {
        "accounting/parameters", "accounting/performance", "data/fim", "inference/prompt-guard",
        "optim/gradient-noise-scale", "optim/weight-init", "optim/zclip", "schedule/batch-algebra",
        "schedule/configuration-keys", "schedule/learning-rate", "schedule/successive-halving",
        "schedule/sweep-sampling", "schedule/training-config", "training/alert-rules", "training/checkpoint-formats",
        "training/early-stopping", "training/evaluation-cadence", "training/resume",
    }  # fmt: skip
    assert {s.contract.name for s in SUBJECTS} == LIBRARY.checked.keys() - in_python
    # Masks and weights that are random, whole runs, files: their parts have definitions.
    assert trials.undefined(LIBRARY) == [
        "merge/dare dare", "optim/weight-init weight_init", "training/llama-step initial", "training/llama-step load",
        "training/llama-step train", "training/llama-step resume",
    ]  # fmt: skip


def test_what_does_not_apply_is_what_the_formulas_say():
    """A reason may not become an excuse: these kernels have means and long sums, and they must be tried."""
    by_name = {s.full_name: s for s in SUBJECTS}
    means = {"core/rmsnorm:rmsnorm", "core/rmsnorm:rmsnorm_backward", "loss/cross-entropy:cross_entropy",
             "distill/knowledge-distillation:knowledge_distillation"}  # fmt: skip
    for name in means:
        for verdicts in trials.try_slice(by_name[name], "bf16", cases=20).verdicts.values():
            assert verdicts["mean over N - 1"].rejected
    long = {"core/gemm:gemm_tt", "core/rmsnorm:rmsnorm", "loss/cross-entropy:cross_entropy", "merge/slerp:slerp"}
    for name in long:
        found = trials.try_slice(by_name[name], "bf16", cases=20).verdicts
        assert any(v["sums in the output dtype"].rejected for v in found.values()), name


def test_a_case_depends_on_its_seed_and_number_alone():
    (subject,) = trials.subjects(LIBRARY, ["core/swiglu:swiglu"])
    whole = trials.try_slice(subject, "f32", seed=3, cases=12, wrong=False)
    parts = [trials.try_slice(subject, "f32", seed=3, first=k, cases=6, wrong=False) for k in (0, 6)]
    for order, cases in whole.cases.items():
        assert cases == sum(p.cases[order] for p in parts)
        assert whole.worst[order] == {"h": max(p.worst[order]["h"] for p in parts)}
    assert whole.worst != trials.try_slice(subject, "f32", seed=4, cases=12, wrong=False).worst


def test_an_unknown_kernel_is_said_to_be_one():
    with pytest.raises(ValueError, match="no kernel 'core/nothing'"):
        trials.subjects(LIBRARY, ["core/nothing"])


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
    (subject,) = trials.subjects(LIBRARY, ["core/swiglu:swiglu"])
    honest = trials.Trial._tolerance

    def widened(self, *arguments):
        return honest(self, *arguments) * 1e6

    def narrowed(self, *arguments):
        return honest(self, *arguments) / 4

    monkeypatch.setattr(trials.Trial, "_tolerance", widened)
    assert trials.try_slice(subject, "bf16", cases=8).survivors
    monkeypatch.setattr(trials.Trial, "_tolerance", narrowed)
    found = trials.try_slice(subject, "bf16", cases=8)
    assert len(found.false_alarms) > 1  # the trial goes on after the first
    assert "case 0" in found.false_alarms[0] or found.alarms


def test_every_way_of_being_wrong_says_when_it_does_not_apply():
    assert set(trials.UNCHANGED) == set(trials.MUTATIONS)
