"""Coverage counts fresh evidence and nothing else, and says of how many."""

from __future__ import annotations

import dataclasses
import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
from albor_contracts import status
from albor_contracts.coverage import Named, Prose, compute
from albor_contracts.events import BAD_OUTCOMES, OUTCOMES, FaultTried, KernelCompiled, ProofFinished
from albor_contracts.evidence import (
    Record,
    fault_hash,
    kernel_hash,
    prediction_hash,
    proof_hash,
    rules_hash,
)
from albor_contracts.report import coverage
from contract_builder import KERNEL, passed, softmax, text, with_equation, with_obligation

BASE = softmax()
OBLIGATIONS = ("SM-SUM", "SM-DEF-SOFTMAX")
BOTH = ("reference", "impl")
TIME = "2026-01-01T00:00:00+00:00"


def killed(contract, obligation, **changes):
    values = {"killed": True, "contract_hash": fault_hash(contract, "F1", obligation), "rules": rules_hash()}
    values |= changes
    return Record(FaultTried(contract=contract.name, fault="F1", obligation=obligation, **values), TIME)


def proved(contract, **changes):
    values = {
        "verdict": "proved",
        "semantics": "reals (exp_positive)",
        "contract_hash": proof_hash(contract, "SM-SUM"),
        **changes,
    }
    return Record(ProofFinished(contract=contract.name, obligation="SM-SUM", **values), TIME)


def compiled(**changes):
    values = {"architecture": "sm_90", "ok": True, "kernel": KERNEL, "kernel_hash": kernel_hash(KERNEL), **changes}
    return Record(KernelCompiled(contract=BASE.name, **values), TIME)


def predictions(contract):
    subject = {"obligation": "SM-T-BIG", "type": "falsification", "cases": 1}
    meaning = prediction_hash(contract, "SM-T-BIG")
    verdicts = [passed(contract, "SM-SUM", binding).verdict for binding in BOTH]
    return [Record(dataclasses.replace(v, contract_hash=meaning, **subject), TIME) for v in verdicts]


def complete(contract=BASE):
    """Everything level 3 asks for, and a proof of one obligation."""
    runs = [passed(contract, o, b) for o in OBLIGATIONS for b in BOTH]
    return [*predictions(contract), *runs, *(killed(contract, o) for o in OBLIGATIONS), proved(contract)]


def table(records, contract=BASE, **options):
    (found,) = compute({contract.name: contract}, records, **options).tables
    return found


def row(records, obligation="SM-SUM", contract=BASE, **options):
    return next(r for r in table(records, contract, **options).rows if r.obligation == obligation)


def without(records, unwanted):
    left = [r for r in records if not unwanted(r.verdict)]
    assert len(left) < len(records)
    return left


def test_nothing_run_is_typed_and_no_more():
    found = table([])
    assert found.level == 1
    assert {cell.state for r in found.rows for cell in r.cells.values()} == {"not run"}


def test_complete_evidence_reaches_the_levels():
    found = table(complete())
    assert {r.obligation: r.level for r in found.rows} == {"SM-SUM": 4, "SM-DEF-SOFTMAX": 3}
    assert found.level == 3
    assert found.faults == {"F1": "killed"}


LACKS = {
    "falsification test": (lambda v: v.obligation == "SM-T-BIG" and v.binding == "impl", 1),
    "run of the reference": (lambda v: v.obligation == "SM-SUM" and getattr(v, "binding", "") == "reference", 1),
    "run of the implementation": (
        lambda v: v.kind == "obligation_finished" and v.obligation == "SM-SUM" and v.binding == "impl",
        1,
    ),
    "fault": (lambda v: v.kind == "fault_tried" and v.obligation == "SM-SUM", 2),
    "proof": (lambda v: v.kind == "proof_finished", 3),
}


@pytest.mark.parametrize(("unwanted", "level"), LACKS.values(), ids=LACKS)
def test_each_part_is_needed(unwanted, level):
    assert row(without(complete(), unwanted)).level == level


def changed_run(records, **changes):
    def touched(record):
        v = record.verdict
        hit = v.kind == "obligation_finished" and v.obligation == "SM-SUM" and v.binding == "impl"
        return dataclasses.replace(record, verdict=dataclasses.replace(v, **changes)) if hit else record

    return list(map(touched, records))


NOT_ENOUGH = {
    "too few cases": ({"cases": 9_999}, "passed"),
    "no cases": ({"cases": 0}, "not run"),
    "another kernel": ({"kernel_hash": "0" * 64}, "stale"),
    "other bounds": ({"rules": "0" * 16}, "stale"),
    "another meaning": ({"contract_hash": "0" * 64}, "stale"),
    "no hashes": ({"kernel_hash": "", "contract_hash": ""}, "stale"),
    "no kernel": ({"kernel": "", "kernel_hash": ""}, "stale"),
    "a kernel that is gone": ({"kernel": "no_such_module:f"}, "stale"),
    "failed": ({"outcome": "failed"}, "failed"),
    "timeout": ({"outcome": "timeout"}, "failed"),
    "crashed": ({"outcome": "crashed"}, "failed"),
    "error": ({"outcome": "error"}, "failed"),
    "declined": ({"outcome": "declined", "reason": "needs a GPU"}, "declined"),
    "on a GPU only": ({"device": "cuda"}, "not run"),
}


@pytest.mark.parametrize(("changes", "state"), NOT_ENOUGH.values(), ids=NOT_ENOUGH)
def test_what_does_not_count(changes, state):
    found = row(changed_run(complete(), **changes))
    assert found.cells["impl"].state == state
    assert found.level == (2 if state == "passed" else 1)


def test_seeds_add_up_and_repetitions_do_not():
    half = changed_run(complete(), cases=5_000)
    assert row(half + half).level == 2
    other_seed = [r for r in changed_run(complete(), cases=5_000, seed=1) if getattr(r.verdict, "seed", 0) == 1]
    cell = row(half + other_seed).cells["impl"]
    assert (cell.cases, cell.seeds, cell.enough) == (10_000, 2, True)


def test_all_there_is_is_enough():
    assert row(changed_run(complete(), cases=3, exhaustive=True)).level == 4


def test_one_failing_seed_fails_the_obligation():
    bad = [r for r in changed_run(complete(), outcome="failed", seed=5) if getattr(r.verdict, "seed", 0) == 5]
    cell = row(complete() + bad).cells["impl"]
    assert (cell.state, cell.reason) == ("failed", "failed (f32, seed 5)")


def test_what_does_not_apply_is_left_out_only_on_one_side():
    one = changed_run(complete(), outcome="not_applicable", reason="no launches in NumPy")
    assert row(one).level == 4
    assert row(one).cells["impl"].reason == "no launches in NumPy"
    neither = [
        dataclasses.replace(r, verdict=dataclasses.replace(r.verdict, outcome="not_applicable"))
        if r.verdict.kind == "obligation_finished" and r.verdict.obligation == "SM-SUM"
        else r
        for r in one
    ]
    assert row(neither).level == 1


NAMED = Named(frozenset({KERNEL}), "", {"softmax": ("f32",)})


@pytest.mark.parametrize(
    ("changes", "named", "state", "reason"),
    [
        ({}, NAMED, "passed", ""),
        ({}, replace(NAMED, kernels=frozenset({KERNEL, "more:kernels"})), "passed", ""),
        ({}, replace(NAMED, kernels=frozenset({"math:exp"})), "stale", "the contract or the kernel has changed since"),
        ({}, replace(NAMED, adapted="0" * 16), "stale", "the contract or the kernel has changed since"),
        ({"adapted": "0" * 16}, NAMED, "stale", "the contract or the kernel has changed since"),
        ({}, replace(NAMED, dtypes={"softmax": ("bf16", "f16", "f32")}), "not run", "not in bf16, f16"),
        ({"outcome": "declined", "kernel": "", "kernel_hash": ""}, NAMED, "stale", None),
    ],
)
def test_evidence_is_about_what_the_binding_names_now(changes, named, state, reason):
    cell = row(changed_run(complete(), **changes), named={("impl", BASE.name): named}).cells["impl"]
    assert cell.state == state and reason in (None, cell.reason)


def test_every_dtype_is_judged():
    def in_bf16(outcome):
        found = changed_run(complete(), dtype="bf16", outcome=outcome, reason="no y")
        return [r for r in found if getattr(r.verdict, "dtype", "") == "bf16"]

    both = {("impl", BASE.name): replace(NAMED, dtypes={"softmax": ("bf16", "f32")})}
    states = {o: row(complete() + in_bf16(o), named=both).cells["impl"].state for o in OUTCOMES}
    bad = dict.fromkeys(BAD_OUTCOMES, "failed")
    assert states == {
        "passed": "passed", "partial": "not run", "not_applicable": "passed", "declined": "not run", **bad
    }  # fmt: skip


def test_all_there_is_in_one_dtype_is_not_all():
    exhaustive = changed_run(complete(), cases=3, exhaustive=True)
    other = [r for r in changed_run(complete(), cases=3, dtype="bf16") if getattr(r.verdict, "dtype", "") == "bf16"]
    assert not row(exhaustive + other).cells["impl"].enough


def test_what_was_judged_in_part_is_not_left_out():
    found = row(changed_run(complete(), outcome="partial", reason="impl does not return y"))
    assert found.level < row(complete()).level
    assert (found.cells["impl"].state, found.cells["impl"].reason) == ("not run", "impl does not return y")


def test_bindings_may_say_what_they_decline():
    stated = {("torch", "SM-SUM"): ("declined", "other convention")}
    found = row([], bindings=("torch",), stated=stated)
    assert (found.cells["torch"].state, found.cells["torch"].reason) == ("declined", "other convention")


def test_changes_of_the_contract_make_the_right_evidence_stale():
    reworded = with_obligation(with_equation(BASE, formula="other"), property="other")
    assert table(complete(), reworded).level == 3
    coefficient = with_equation(BASE, define=str(BASE.equations["softmax"].define).replace("/", "*"))
    assert {c.state for r in table(complete(), coefficient).rows for c in r.cells.values()} == {"stale"}
    assert table(complete(), coefficient).faults == {"F1": "stale"}
    one = with_obligation(BASE, exact=True)
    states = {r.obligation: {c.state for c in r.cells.values()} for r in table(complete(), one).rows}
    assert states == {"SM-SUM": {"stale"}, "SM-DEF-SOFTMAX": {"passed"}}


def test_a_new_fault_leaves_runs_fresh_but_lowers_the_level():
    fault = dataclasses.replace(BASE.faults[0], id=text("F2"), killed_by=text(["SM-SUM"]))
    more = dataclasses.replace(BASE, faults=(*BASE.faults, fault))
    found = table(complete(), more)
    assert found.rows[0].cells["impl"].state == "passed"
    assert found.faults == {"F1": "killed", "F2": "not run"}
    assert found.level == 2
    assert "F2" in found.rows[0].missing


def test_a_fault_that_survives_one_of_its_killers_is_not_killed():
    records = without(complete(), lambda v: v.kind == "fault_tried" and v.obligation == "SM-SUM")
    assert table([*records, killed(BASE, "SM-SUM", killed=False)]).faults == {"F1": "survived"}


def test_an_obligation_that_kills_nothing_stays_at_two():
    fault = dataclasses.replace(BASE.faults[0], killed_by=text(["SM-SUM"]))
    less = dataclasses.replace(BASE, faults=(fault,))
    found = row(complete(), "SM-DEF-SOFTMAX", less)
    assert (found.level, found.missing) == (2, "a fault that it kills")


@pytest.mark.parametrize("verdict", ["refuted", "undecided", "vacuous"])
def test_only_proved_counts(verdict):
    records = without(complete(), lambda v: v.kind == "proof_finished")
    found = row([*records, proved(BASE, verdict=verdict)])
    assert (found.level, found.proof) == (3, verdict)


def test_without_falsification_tests_the_level_is_one():
    none = dataclasses.replace(BASE, falsification_tests=())
    assert table(complete(), none).level == 1


def test_gpu_evidence_has_its_own_column():
    found = row([passed(BASE, "SM-SUM", "impl", device="cuda:0")])
    assert found.gpu["impl"].state == "passed"
    assert found.cells["impl"].state == "not run"


def test_compiled_architectures_are_listed_in_order():
    found = table([compiled(architecture="sm_100"), compiled(), compiled(architecture="sm_80", ok=False)])
    assert dict(found.compiled) == {"sm_80": "failed", "sm_90": "passed", "sm_100": "passed"}
    assert dict(table([compiled(kernel_hash="0")]).compiled) == {"sm_90": "stale"}


def test_the_gate_names_its_denominator_and_can_go_red():
    found = compute({BASE.name: BASE}, complete())
    assert found.covered(3) == (2, 2)
    assert found.covered(4) == (1, 2)
    assert found.gate(100, 3) == (True, "coverage: 2 of 2 obligations at level 3 or above (100.0 %)")
    ok, words = found.gate(51, 4)
    assert not ok
    assert "1 of 2" in words
    assert not found.gate(math.nextafter(50, 51), 4)[0]
    assert found.gate(50, 4)[0]


def test_the_gate_is_red_where_anything_failed():
    found = compute({BASE.name: BASE}, changed_run(complete(), outcome="failed"))
    assert found.covered(2) == (1, 2)
    ok, words = found.gate(50, 2)
    assert not ok and words.endswith("but 1 of the obligations and predictions failed")
    assert found.gate(None, 2)[0]  # a report


def test_an_empty_set_is_not_covered():
    ok, words = compute({}, []).gate(0)
    assert not ok
    assert "empty set" in words
    empty = dataclasses.replace(BASE, equations={}, proof_obligations=(), falsification_tests=(), faults=())
    assert not compute({BASE.name: empty}, []).gate(0)[0]
    assert compute({BASE.name: empty}, []).tables[0].level == 1


def test_prose_counts_against():
    found = compute({BASE.name: BASE}, complete(), prose=[Prose("old/kernel", 3)])
    assert found.covered(3) == (2, 5)
    assert found.covered(1) == (2, 5)
    assert found.tables[1].level == 0
    assert "0 prose" in coverage.to_text(found)


def test_the_table_shows_every_column():
    out = coverage.to_text(compute({BASE.name: BASE}, [*complete(), compiled()]), details=True)
    lines = out.splitlines()
    header, first, total = lines[0], lines[2], lines[4]
    assert header.split("  ")[0] == "contract"
    for name in ("reference", "impl (interpreter)", "compiled", "GPU run", "proof", "faults", "level"):
        assert name in header
    assert first.split() == ["core/softmax", "2", "2/2", "2/2", "sm_90", "0/2", "1/1", "(1", "reals)", "1/1", "3"]
    assert total.split()[:3] == ["total", "(1", "contracts)"]
    assert "4 passed, 0 failed, 0 not run, 0 stale, 0 declined, 0 not applicable, of 4" in out
    assert "    impl: passed, 10,000 cases in f32" in out
    assert "wants a proof" in out


def test_json_is_json():
    infinite = changed_run(complete(), worst=math.inf, outcome="failed")
    data = json.loads(json.dumps(coverage.to_dict(compute({BASE.name: BASE}, infinite)), allow_nan=False))
    assert data["obligations"] == 2
    assert data["at_level"]["3"] == 1
    assert data["contracts"][0]["obligations"][0]["bindings"]["impl"]["worst"] == "inf"


def test_status_says_what_is_next():
    contracts = {BASE.name: BASE}
    out = status.to_text(contracts, compute(contracts, changed_run(complete(), cases=9_000)))
    assert "core/softmax 1.0.0: level 2" in out
    assert "next: SM-SUM wants impl: 1,000 more cases" in out
    assert "last evidence: 2026-01-01" in out
    assert "1 of 2 obligations at level 3" in out


def test_every_contract_of_the_project_predicts_something():
    """An obligation counts as covered from level 2 on, where predictions pass: a contract without any stays at 1."""
    from albor_contracts.library import open_library

    contracts = open_library(root=Path(__file__).parents[2]).contracts
    assert len(contracts) > 60
    assert not [name for name, contract in contracts.items() if not contract.falsification_tests]
