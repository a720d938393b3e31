"""Every change of meaning is seen, and classed."""

from __future__ import annotations

import dataclasses
import json

import pytest
from albor_contracts.diff import diff, numeric, to_dict, to_text
from albor_contracts.model import Equation, Fault, Obligation, Proof, QaGate
from contract_builder import SOFTMAX, make, softmax, text, with_equation, with_obligation

BASE = softmax()


def obligation(**values):
    return make(Obligation, id="SM-X", equation="softmax", type="bound", property="p", **values)


def pair(old, new):
    """Two contracts that differ in one obligation."""
    return tuple(dataclasses.replace(BASE, proof_obligations=(obligation(**v),)) for v in (old, new))


def metadata(**changes):
    return dataclasses.replace(BASE, metadata=dataclasses.replace(BASE.metadata, **text(changes)))


def fault(**changes):
    return dataclasses.replace(BASE, faults=(dataclasses.replace(BASE.faults[0], **text(changes)),))


def prediction(**changes):
    new = dataclasses.replace(BASE.falsification_tests[0], **text(changes))
    return dataclasses.replace(BASE, falsification_tests=(new,))


def gate(*checks):
    return dataclasses.replace(BASE, qa_gate=make(QaGate, id="G", name="Gate", checks=list(checks)))


PROOF = BASE.proof_obligations[0].prove
DOUBLE = make(Equation, signature="double(x: float[B, N]) -> y: float[B, N]", define="y[b, i] = 2 * x[b, i]")

CASES = {
    "nothing": (BASE, BASE, {}),
    "comments in a definition": (BASE, with_equation(BASE, define=SOFTMAX + "# stable"), {}),
    "formula": (BASE, with_equation(BASE, formula="q"), {"equations.softmax.formula": "editorial"}),
    "definition": (BASE, with_equation(BASE, define="p = x"), {"equations.softmax.define": "breaking"}),
    "definition removed": (BASE, with_equation(BASE, define=None), {"equations.softmax.define": "weakening"}),
    "signature": (
        BASE,
        with_equation(BASE, signature="softmax(y: float[B, N]) -> p: float[B, N]"),
        {"equations.softmax.signature": "breaking"},
    ),
    "equation added": (
        BASE,
        dataclasses.replace(BASE, equations={**BASE.equations, "double": DOUBLE}),
        {"equations.double": "tightening"},
    ),
    "equation removed": (
        dataclasses.replace(BASE, equations={**BASE.equations, "double": DOUBLE}),
        BASE,
        {"equations.double": "breaking"},
    ),
    "domain wider": (
        BASE,
        with_equation(BASE, domain={"x": "in [-60, 50]"}),
        {"equations.softmax.domain.x": "tightening"},
    ),
    "domain narrower by its end": (
        BASE,
        with_equation(BASE, domain={"x": "in [-50, 50)"}),
        {"equations.softmax.domain.x": "weakening"},
    ),
    "domain wider by its beginning": (
        with_equation(BASE, domain={"x": "in (-50, 50]"}),
        BASE,
        {"equations.softmax.domain.x": "tightening"},
    ),
    "domain shifted": (
        BASE,
        with_equation(BASE, domain={"x": "in [-40, 60]"}),
        {"equations.softmax.domain.x": "unknown"},
    ),
    "domain with a name": (
        BASE,
        with_equation(BASE, domain={"x": "in [0, N)"}),
        {"equations.softmax.domain.x": "unknown"},
    ),
    "domain written otherwise": (
        BASE,
        with_equation(BASE, domain={"x": "in [-50.0, 5e1]"}),
        {"equations.softmax.domain.x": "neutral"},
    ),
    "range wider": (
        BASE,
        dataclasses.replace(BASE, dims=text({"B": "1..9", "N": "1..4097"})),
        {"dims.B": "tightening"},
    ),
    "range to a number": (
        BASE,
        dataclasses.replace(BASE, dims=text({"B": "4", "N": "1..4097"})),
        {"dims.B": "weakening"},
    ),
    "assumption added": (BASE, with_equation(BASE, assume=["N > 1"]), {"equations.softmax.assume": "weakening"}),
    "assumption removed": (with_equation(BASE, assume=["N > 1"]), BASE, {"equations.softmax.assume": "tightening"}),
    "dtypes restricted": (BASE, with_equation(BASE, dtypes=["f32"]), {"equations.softmax.dtypes": "weakening"}),
    "dtype added": (
        with_equation(BASE, dtypes=["f32"]),
        with_equation(BASE, dtypes=["bf16", "f32"]),
        {"equations.softmax.dtypes": "tightening"},
    ),
    "obligation removed": (
        BASE,
        dataclasses.replace(BASE, proof_obligations=()),
        {"proof_obligations.SM-SUM": "weakening"},
    ),
    "obligation added": (
        dataclasses.replace(BASE, proof_obligations=()),
        BASE,
        {"proof_obligations.SM-SUM": "tightening"},
    ),
    "property": (BASE, with_obligation(BASE, property="q"), {"proof_obligations.SM-SUM.property": "editorial"}),
    "exact": (*pair({}, {"exact": True}), {"proof_obligations.SM-X.exact": "tightening"}),
    "no longer exact": (*pair({"exact": True}, {}), {"proof_obligations.SM-X.exact": "weakening"}),
    "lower raised": (*pair({"lower": "0"}, {"lower": "1/2"}), {"proof_obligations.SM-X.lower": "tightening"}),
    "lower dropped": (*pair({"lower": "0"}, {}), {"proof_obligations.SM-X.lower": "weakening"}),
    "upper raised": (*pair({"upper": "1"}, {"upper": "2**3"}), {"proof_obligations.SM-X.upper": "weakening"}),
    "upper by name": (*pair({"upper": "N"}, {"upper": "2 * N"}), {"proof_obligations.SM-X.upper": "unknown"}),
    "at_most lowered": (*pair({"at_most": "2"}, {"at_most": "1"}), {"proof_obligations.SM-X.at_most": "tightening"}),
    "trials lowered": (*pair({"trials": 100}, {"trials": 10}), {"proof_obligations.SM-X.trials": "weakening"}),
    "smaller shifts found": (
        *pair({"detects": "0.1"}, {"detects": "0.01"}),
        {"proof_obligations.SM-X.detects": "tightening"},
    ),
    "fewer false alarms": (
        *pair({}, {"false_alarm": 1e-12}),
        {"proof_obligations.SM-X.false_alarm": "weakening"},
    ),
    "mention added": (
        *pair({"mentions": ["a"]}, {"mentions": ["a", "b"]}),
        {"proof_obligations.SM-X.mentions": "tightening"},
    ),
    "steps": (*pair({"steps": "3..6"}, {"steps": "3..9"}), {"proof_obligations.SM-X.steps": "tightening"}),
    "claims more": (
        *pair({"check": "a >= 0"}, {"check": "a >= 0 and b >= 0"}),
        {"proof_obligations.SM-X.check": "tightening"},
    ),
    "claims less": (
        *pair({"check": "a >= 0 and b >= 0"}, {"check": "b >= 0"}),
        {"proof_obligations.SM-X.check": "weakening"},
    ),
    "claims the same in another order": (
        *pair({"check": "a and b"}, {"check": "b and a"}),
        {"proof_obligations.SM-X.check": "neutral"},
    ),
    "claims something else": (*pair({"check": "a"}, {"check": "b"}), {"proof_obligations.SM-X.check": "unknown"}),
    "keyword field": (*pair({"in_": "x"}, {"in_": "w"}), {"proof_obligations.SM-X.in": "unknown"}),
    "proof removed": (
        BASE,
        with_obligation(BASE, prove=None),
        {"proof_obligations.SM-SUM.prove": "weakening"},
    ),
    "axiom added": (
        BASE,
        with_obligation(BASE, prove=dataclasses.replace(PROOF, axioms=text(["exp_positive", "exp_sum"]))),
        {"proof_obligations.SM-SUM.prove.axioms": "weakening"},
    ),
    "solver budget": (
        BASE,
        with_obligation(BASE, prove=dataclasses.replace(PROOF, seconds=1.0)),
        {"proof_obligations.SM-SUM.prove.seconds": "neutral"},
    ),
    "fault removed": (BASE, dataclasses.replace(BASE, faults=()), {"faults.F1": "weakening"}),
    "fault reworded": (BASE, fault(title="Other"), {"faults.F1.title": "editorial"}),
    "fault changed": (BASE, fault(define={"softmax": "p = 0"}), {"faults.F1.define": "unknown"}),
    "killer removed": (BASE, fault(killed_by=["SM-SUM"]), {"faults.F1.killed_by": "weakening"}),
    "prediction input": (BASE, prediction(given={"x": [[1.0]]}), {"falsification_tests.SM-T-BIG.given": "unknown"}),
    "prediction removed": (
        BASE,
        dataclasses.replace(BASE, falsification_tests=()),
        {"falsification_tests.SM-T-BIG": "weakening"},
    ),
    "gate removed": (gate("SM-SUM"), BASE, {"qa_gate": "weakening"}),
    "gate opened": (gate("SM-SUM", "SM-X"), gate("SM-SUM"), {"qa_gate.checks": "weakening"}),
    "description": (BASE, metadata(description="q"), {"metadata.description": "editorial"}),
    "references": (BASE, metadata(references=["a paper"]), {"metadata.references": "editorial"}),
    "prefix": (BASE, metadata(prefix="SX"), {"metadata.prefix": "breaking"}),
    "dependency": (BASE, metadata(depends_on=["core/gemm"]), {"metadata.depends_on": "neutral"}),
}


@pytest.mark.parametrize(("old", "new", "expected"), CASES.values(), ids=CASES)
def test_changes_are_classed(old, new, expected):
    assert {change.where: change.kind for change in diff(old, new).changes} == expected


FIELDS = [f for f in dataclasses.fields(Obligation) if not f.metadata.get("hidden") and f.name != "id"]


@pytest.mark.parametrize("field", FIELDS, ids=lambda f: f.name)
def test_no_field_of_an_obligation_changes_unseen(field):
    (old,) = pair({}, {})[:1]
    value = getattr(old.proof_obligations[0], field.name)
    other = {
        bool: not value,
        dict: text({"x": "in [0, 1]"}),
        tuple: text(["x"]),
        float: 0.5,
    }.get(type(value), 7 if field.name in ("degree", "trials") else text("changed"))
    if field.name == "prove":
        other = make(Proof, engine="z3")
    new = with_obligation(old, **{field.name: other})
    assert diff(old, new).changes


@pytest.mark.parametrize("field", [f.name for f in dataclasses.fields(Fault) if not f.metadata.get("hidden")])
def test_no_field_of_a_fault_changes_unseen(field):
    values = {"define": {"softmax": "p = 1"}, "killed_by": ["SM-X"], "patch": None}
    new = fault(**{field: values.get(field, "changed")})
    assert bool(diff(BASE, new).changes) == (field != "patch")


def test_the_bump_follows_the_gravest_change():
    assert diff(BASE, BASE).bump == "none"
    assert diff(BASE, metadata(title="T")).bump == "patch"
    assert diff(dataclasses.replace(BASE, proof_obligations=()), BASE).bump == "minor"
    assert diff(BASE, dataclasses.replace(BASE, proof_obligations=())).bump == "major"


@pytest.mark.parametrize(
    ("version", "declared", "announced"),
    [
        ("1.0.0", "none", False),
        ("1.0.1", "patch", False),
        ("1.1.0", "minor", False),
        ("2.0.0", "major", True),
        ("0.9.9", "backwards", False),
    ],
)
def test_the_version_must_announce_the_change(version, declared, announced):
    new = dataclasses.replace(metadata(version=version), faults=())
    found = diff(BASE, new)
    assert (found.declared, found.announced) == (declared, announced)


def test_text_and_json():
    new = dataclasses.replace(with_equation(BASE, formula="q"), faults=())
    lines = to_text(diff(BASE, new)).splitlines()
    assert lines[0] == "weakening   faults.F1: fault removed"
    assert lines[-2:] == [
        "2 changes: 1 weakening, 1 editorial",
        "suggested bump: major; version 1.0.0 -> 1.0.0 (none); the version number does not announce it",
    ]
    data = json.loads(json.dumps(to_dict(diff(BASE, new))))
    assert data["suggested_bump"] == "major"
    assert len(data["changes"]) == 2


@pytest.mark.parametrize(
    ("words", "value"),
    [("-1", -1.0), ("1/4", 0.25), ("2**20", 2.0**20), ("1e-9", 1e-9), ("inf", float("inf")), ("-2 * 3 + 1", -5.0)],
)
def test_numbers_are_read(words, value):
    assert numeric(words) == value


@pytest.mark.parametrize(
    "words", ["N", "1/0", "9**9**9", "__import__('os')", "True", "nan", "1 +", "(" * 5000, "'1'", "1j"]
)
def test_everything_else_is_no_number(words):
    assert numeric(words) is None
