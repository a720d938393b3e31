"""Traceability, and what stands alone."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
from albor_contracts.audit import audit, to_dict, to_text
from albor_contracts.cli import main
from albor_contracts.coverage import compute
from albor_contracts.model import Equation
from contract_builder import make, passed, softmax, text, with_equation

BASE = softmax()
TARGETS = {("core/softmax", "softmax"): {"impl": "albor_impl.core.softmax:softmax"}}
HELPER = make(Equation, signature="helper(x: float[B, N]) -> y: float[B, N]")


def orphans(contract=BASE, **options):
    return [(orphan.kind, orphan.name) for orphan in audit({contract.name: contract}, **options).orphans]


def test_a_complete_contract_has_no_orphans():
    coverage = compute({BASE.name: BASE}, [passed(BASE, "SM-SUM", "impl")])
    found = audit({BASE.name: BASE}, coverage, TARGETS)
    assert found.complete
    trace = next(t for t in found.traces if t.obligation == "SM-SUM")
    assert (trace.equation, trace.faults, trace.tests) == ("softmax", ("F1",), ("SM-T-BIG",))
    assert trace.targets == {"impl": "albor_impl.core.softmax:softmax"}
    assert trace.evidence["impl"] == "passed, 10,000 cases in f32"
    assert trace.last == "2026-01-01T00:00:00+00:00"


def test_nothing_to_trace_is_not_complete():
    assert not audit({}).complete


def test_an_equation_without_obligations_stands_alone():
    more = dataclasses.replace(BASE, equations={**BASE.equations, "helper": HELPER})
    assert orphans(more) == [("equation", "core/softmax: helper")]


def test_an_equation_that_a_law_mentions_does_not_stand_alone():
    first, *others = BASE.proof_obligations
    calling = dataclasses.replace(first, let=text("z = helper(x)"))
    more = dataclasses.replace(
        BASE, equations={**BASE.equations, "helper": HELPER}, proof_obligations=(calling, *others)
    )
    assert orphans(more) == []


def test_an_obligation_that_kills_nothing_stands_alone():
    fault = dataclasses.replace(BASE.faults[0], killed_by=text(["SM-SUM"]))
    assert orphans(dataclasses.replace(BASE, faults=(fault,))) == [("obligation", "core/softmax: SM-DEF-SOFTMAX")]


def test_a_fault_that_nothing_must_kill_stands_alone():
    fault = dataclasses.replace(BASE.faults[0], id=text("F2"), killed_by=())
    assert orphans(dataclasses.replace(BASE, faults=(*BASE.faults, fault))) == [("fault", "core/softmax: F2")]


def test_a_binding_with_gaps_is_shown():
    more = with_equation(
        dataclasses.replace(BASE, equations={**BASE.equations, "helper": HELPER}), "helper", define="y = x"
    )
    fault = dataclasses.replace(BASE.faults[0], killed_by=text(["SM-SUM", "SM-DEF-SOFTMAX", "SM-DEF-HELPER"]))
    assert orphans(dataclasses.replace(more, faults=(fault,)), targets=TARGETS) == [
        ("binding", "core/softmax: helper in impl")
    ]


@pytest.fixture
def kernels(tmp_path):
    folder = tmp_path / "kernels" / "core"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text("def gather():\n    pass\n")
    (folder / "softmax.py").write_text("def softmax(x):\n    return x\n\ndef _inner(x):\n    return x\n")
    return folder


def test_functions_and_modules_without_a_contract_are_found(kernels):
    assert orphans(kernel_folders=[kernels.parent]) == []
    (kernels / "softmax.py").write_text("def softmax(x):\n    return x\n\ndef softmin(x):\n    return x\n")
    (kernels / "log_sum.py").write_text("raise RuntimeError\ndef log_sum(x):\n    return x\n")
    (kernels / "constants.py").write_text("N = 3\n")
    (kernels / "broken.py").write_text("def (:\n")
    assert orphans(kernel_folders=[kernels.parent]) == [
        ("module", "core/log-sum"),
        ("function", "core/softmax: softmin"),
    ]


def test_exported_names_decide(kernels):
    (kernels / "softmax.py").write_text(
        "__all__ = ['softmax']\ndef softmax(x):\n    return x\ndef softmin(x):\n    return x\n"
    )
    assert orphans(kernel_folders=[kernels.parent]) == []


def test_text_and_json():
    coverage = compute({BASE.name: BASE}, [])
    fault = dataclasses.replace(BASE.faults[0], killed_by=text(["SM-SUM"]))
    contract = dataclasses.replace(BASE, faults=(fault,))
    found = audit({BASE.name: contract}, coverage, TARGETS)
    out = to_text(found)
    assert "  SM-SUM [conservation] of softmax\n    kills: F1\n    predictions: SM-T-BIG" in out
    assert "evidence, impl: not run" in out
    assert "an obligation that kills no fault:\n  core/softmax: SM-DEF-SOFTMAX" in out
    assert out.endswith("2 obligations of 1 contracts, 1 orphans")
    data = json.loads(json.dumps(to_dict(found)))
    assert data["complete"] is False
    assert data["orphans"][0]["kind"] == "obligation"


def test_a_helper_outside_all_contracts_is_information(kernels):
    (kernels / "softmax.py").write_text("def softmax(x):\n    return x\n\ndef softmin(x):\n    return x\n")
    found = audit({BASE.name: BASE}, targets=TARGETS, kernel_folders=[kernels.parent])
    assert [orphan.kind for orphan in found.orphans] == ["function"]
    assert found.complete and found.gaps == () and to_dict(found)["complete"] is True
    assert "no contract names (information):" in to_text(found)
    assert to_text(found).endswith("0 orphans, 1 helpers outside all contracts")
    (kernels / "log_sum.py").write_text("def log_sum(x):\n    return x\n")
    assert not audit({BASE.name: BASE}, targets=TARGETS, kernel_folders=[kernels.parent]).complete


def test_nothing_of_this_project_stands_alone(capsys, monkeypatch):
    monkeypatch.chdir(Path(__file__).parents[2])
    status = main(["audit", "--format", "json"])
    orphans = json.loads(capsys.readouterr().out)["orphans"]
    assert status == 0 and [o for o in orphans if o["kind"] != "function"] == []
