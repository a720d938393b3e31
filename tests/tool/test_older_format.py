"""Contracts in the older prose format are read whatever they hold, and never taken for more than prose."""

from __future__ import annotations

import pytest
from albor_contracts.errors import ContractError
from albor_contracts.links import check_links
from albor_contracts.load import load_contract
from albor_contracts.older_format import LEVEL, import_skeleton, is_older, read_older
from contract_samples import GOOD_PATH, write
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

OLDER = """\
metadata:
  version: "1.0.0"
  created: "2026-01-10"
  author: "Somebody"
  description: |
    Scaling of a row by its root mean square,
      with a weight.
  references: ["Zhang & Sennrich 2019", ""]
  depends_on: [sum-kernel-v1]
equations:
  rms norm:
    formula: "y_i = x_i / RMS(x) · γ_i"
    domain: "x ∈ ℝⁿ, n ≥ 1"
    invariants: ["scale invariant: N(cx) = N(x)", "finite output"]
  lambda:
    formula: |
      first: do this
        - then that # really
proof_obligations:
  - type: invariant
    property: "Output is finite"
    formal: "∀i: |y_i| < ∞"
    tolerance: 1e-5
    applies_to: all
  - type: bound
    property: 'Not "too" large \\ at all'
    tolerance: .nan
    applies_to: rms norm
  - just a sentence
falsification_tests:
  - id: FALSIFY-RN-001
    rule: finiteness
    prediction: holds for 1000 random rows
    test: |
      proptest with sizes 1..64
    if_fails: overflow in the sum
kani_harnesses:
  - id: KANI-RN-001
    obligation: RN-INV-001
    bound: 8
    strategy: stub_float
qa_gate:
  id: F-RN-001
  name: gate
  checks: [finiteness]
  min_coverage: 0.95
enforcement:
  no_panic: {description: never panics, severity: ERROR}
verification_summary: {total_obligations: 3, l4_lean_proved: 3}
"""


@pytest.fixture
def older(tmp_path):
    return write(tmp_path, OLDER, "rmsnorm-kernel-v1.yaml")


def test_everything_is_read_as_prose(older):
    contract = read_older(older)
    assert contract.level == LEVEL == 0
    assert list(contract.equations) == ["rms norm", "lambda"]
    assert contract.equations["rms norm"].get("formula").startswith("y_i")
    assert len(contract.obligations) == 3
    assert contract.obligations[0].get("tolerance") == "1e-5"
    assert contract.equation_of(contract.obligations[1]) == "rms norm"
    assert contract.equation_of(contract.obligations[0]) == ""
    assert contract.obligations[2].get("property") == "just a sentence"
    assert contract.obligations[1].position.line == 25
    assert contract.harnesses[0].get("strategy") == "stub_float"
    assert contract.gate.get("min_coverage") == "0.95"
    assert set(contract.others) == {"enforcement", "verification_summary"}
    assert contract.depends_on == ("sum-kernel-v1",)
    assert [(n.code, n.severity) for n in contract.notes] == [("E701", "note")]


def test_detection(older):
    assert is_older(older)
    assert not is_older(GOOD_PATH)
    assert not is_older(older.parent / "none.yaml")


@pytest.mark.parametrize(
    "text",
    ["equations: {f: {formula: y}}", "metadata: {version: 1}\nproof_obligations: [{type: bound, property: p}]",
     "kani_harnesses: []", "metadata: {kind: registry}\nequations: {}"],
)  # fmt: skip
def test_detection_by_any_mark(tmp_path, text):
    assert is_older(write(tmp_path, text))


def test_strict_reading_refuses_it_with_a_way_on(tmp_path):
    with pytest.raises(ContractError) as caught:
        load_contract(write(tmp_path, OLDER))
    assert caught.value.diagnostics[0].code == "E211"


def test_skeleton_loads_and_claims_nothing(tmp_path, older):
    text = import_skeleton(older)
    contract = load_contract(write(tmp_path, text))
    assert list(contract.equations) == ["rms_norm", "lambda_1"]
    assert all(equation.define is None for equation in contract.equations.values())
    assert not contract.proof_obligations and not contract.falsification_tests and not contract.faults
    assert contract.equations["rms_norm"].formula == "y_i = x_i / RMS(x) · γ_i"
    assert contract.equations["lambda_1"].formula == "first: do this\n  - then that # really\n"
    assert contract.metadata.description == "Scaling of a row by its root mean square,\n  with a weight.\n"
    prose = contract.extensions["x-prose"]
    assert [entry["property"] for entry in prose["proof_obligations"]] == [
        "Output is finite", 'Not "too" large \\ at all', "just a sentence",
    ]  # fmt: skip
    assert prose["proof_obligations"][1]["equation"] == "rms_norm"
    assert "note" in prose["proof_obligations"][0] and "note" not in prose["proof_obligations"][1]
    assert prose["falsification_tests"][0]["test"] == "proptest with sizes 1..64"
    assert "# domain: x ∈ ℝⁿ, n ≥ 1" in text
    assert "#   sum-kernel-v1" in text
    assert check_links({contract.name: contract}) == []


@pytest.mark.parametrize(
    "text",
    ["a: 1\na: 2", "a: &x [1]\nb: *x", "a: &x [*x]", "a: !!python/object:os.system id", "a: 1\n---\nb: 2", "{}",
     "metadata:\nequations:\nproof_obligations:\n", "metadata: 3\nequations: text\nproof_obligations: {a: b}\n",
     "equations: [1, {name: f}]", "? [a, b]\n: c\n", "equations: {'': x, ' ': y, '1': z, '...': w, '..': v}",
     "references: 1\nmetadata: {references: {a: b}, version: [1], description: '# no'}", "a: \"\\x1b\\0\"",
     "metadata: {description: \"  lead\\n tail\"}", "kani_harnesses: {a: {b: c}}\nqa_gate: [1, 2]",
     "obligations: [{id: a, description: b, '- x': '|'}]"],
)  # fmt: skip
def test_any_mapping_is_read_and_imported(tmp_path, text):
    path = write(tmp_path, text)
    contract = read_older(path)
    assert contract.level == 0
    assert all(note.severity == "note" for note in contract.notes)
    skeleton = write(tmp_path, import_skeleton(path), "core/skeleton-v1.yaml")
    assert load_contract(skeleton).equations


@pytest.mark.parametrize("content", [b"", b"[]", b"text", b"\x00", b"a: [", b"\xff"])
def test_what_is_no_mapping_is_refused_with_a_position(tmp_path, content):
    with pytest.raises(ContractError) as caught:
        read_older(write(tmp_path, content))
    assert caught.value.diagnostics[0].position.file.endswith(".yaml")


WORDS = st.text(st.characters(codec="utf-8"), max_size=30)
PROSE = st.recursive(
    WORDS | st.none() | st.booleans() | st.integers() | st.floats(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=8,
)
KEYS = st.sampled_from(
    ["metadata", "equations", "proof_obligations", "falsification_tests", "kani_harnesses", "qa_gate"]
)


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(KEYS | WORDS, PROSE, max_size=5))
def test_fuzz_reading_and_importing(tmp_path, data):
    import yaml

    text = yaml.safe_dump(data, allow_unicode=True)
    path = write(tmp_path, text)
    read_older(path)
    skeleton = load_contract(write(tmp_path, import_skeleton(path), "core/skeleton-v1.yaml"))
    assert all(equation.define is None for equation in skeleton.equations.values())
