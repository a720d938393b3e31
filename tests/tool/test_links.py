"""Links between entries resolve, ids are unique, and each kind of obligation has exactly its parameters."""

from __future__ import annotations

import dataclasses

import pytest
from albor_contracts.errors import Text
from albor_contracts.links import (
    EVERYWHERE,
    FOREIGN_TO_ENGINE,
    FORMS,
    check_links,
    check_parameters,
    definition_id,
    obligation_ids,
    written_keys,
)  # fmt: skip
from albor_contracts.load import load_contract, load_contracts
from albor_contracts.load.bind import rules_of
from albor_contracts.model import OBLIGATION_TYPES, Obligation, Proof
from contract_samples import GOOD, GOOD_PATH, LINK_SLIPS, Slip, write

# A value that fits each parameter, as it would stand in the file.
VALUES = {
    "of": Text("f"), "wrt": (Text("x"),), "gives": (Text("dx"),), "cotangent": {"y": Text("dy")}, "left": Text("a"),
    "right": Text("b"), "exact": True, "lower": Text("0"), "upper": Text("1"), "in": Text("x"),
    "direction": Text("increasing"), "axis": Text("N"), "degree": 1, "permute": {"x": Text("N")},
    "permutes": {"y": Text("N")}, "output": Text("y[i]"), "input": Text("x[j]"), "when": Text("j > i"),
    "raises": Text("ValueError"), "call": Text("f(x)"), "mentions": (Text("x"),), "count": Text("launches"),
    "at_most": Text("1"), "trials": 10, "statistic": Text("y"), "expect": Text("0"), "variance": Text("1"),
    "observations": Text("N"), "false_alarm": 1e-6, "detects": Text("0.1"), "state": {"m": Text("0")},
    "step": Text("m = f(m)"), "steps": Text("3..6"), "check": Text("y > 0"),
}  # fmt: skip


def obligation(kind: str, keys) -> Obligation:
    rules = rules_of(Obligation)
    fields = {rules[key].field: VALUES[key] for key in keys}
    return Obligation(id=Text("A-B"), equation=Text("f"), type=Text(kind), property=Text("p"), **fields)


def codes(found) -> list[str]:
    return [d.code for d in found]


def test_good_contract_has_no_loose_link():
    loaded = load_contracts([GOOD_PATH])
    assert not loaded.diagnostics
    assert check_links(loaded.contracts) == []


@pytest.mark.parametrize("slip", LINK_SLIPS, ids=lambda s: f"{s.code}-{s.new.strip()[:20]!r}")
def test_each_slip_gets_its_code_place_and_hint(tmp_path, slip: Slip):
    contract = load_contract(write(tmp_path, slip.apply()))
    found = [d for d in check_links({contract.name: contract}) if d.code == slip.code]
    assert found
    assert any(slip.hint in d.hint for d in found)
    if slip.at and slip.new != "id: SM-DEF-SOFTMAX":
        assert slip.place() in {(d.position.line, d.position.column) for d in found}


def test_the_tables_speak_of_the_model_and_nothing_else():
    assert set(FORMS) == set(OBLIGATION_TYPES)
    parameters = set(rules_of(Obligation)) - set(EVERYWHERE)
    assert set().union(*(form.permitted for forms in FORMS.values() for form in forms)) == parameters
    assert parameters == set(VALUES)
    assert set(FOREIGN_TO_ENGINE) == set(rules_of(Proof)["engine"].one_of)
    for keys in FOREIGN_TO_ENGINE.values():
        assert set(keys) <= set(rules_of(Proof))


@pytest.mark.parametrize("kind", OBLIGATION_TYPES)
def test_every_form_is_accepted_whole_and_refused_without_any_of_its_keys(kind):
    for form in FORMS[kind]:
        least = [*form.required, *form.any_of[:1]]
        assert not list(check_parameters(obligation(kind, least)))
        assert not list(check_parameters(obligation(kind, form.permitted)))
        for key in least:
            rest = [other for other in least if other != key]
            found = list(check_parameters(obligation(kind, rest)))
            assert "E306" in codes(found)
            assert "takes" in found[0].hint


@pytest.mark.parametrize("kind", OBLIGATION_TYPES)
def test_every_foreign_parameter_is_refused(kind):
    form = FORMS[kind][0]
    least = [*form.required, *form.any_of[:1]]
    for key in sorted(set(VALUES) - form.permitted):
        found = list(check_parameters(obligation(kind, [*least, key])))
        assert "E307" in codes(found), key
        assert any(f"`{key}`" in d.message for d in found)


def test_a_parameter_written_with_its_default_value_is_still_written(tmp_path):
    contract = load_contract(write(tmp_path, GOOD.replace("lower: 0\n", "lower: 0\n    false_alarm: 1e-9\n")))
    assert "false_alarm" in written_keys(contract.proof_obligations[1])
    assert codes(check_links({contract.name: contract})) == ["E307"]


def test_implied_definitions_have_ids():
    contract = load_contract(GOOD_PATH)
    assert definition_id(contract, "softmax_backward") == "SM-DEF-SOFTMAX_BACKWARD"
    assert {"SM-DEF-SOFTMAX", "SM-DEF-SOFTMAX_BACKWARD"} < set(obligation_ids(contract))


def test_a_written_definition_takes_the_place_of_the_implied_one(tmp_path):
    own = "\n  - {id: SM-SAME, equation: softmax, type: definition, property: Equal to its definition}\n"
    text = GOOD.replace("\nfalsification_tests:", own + "\nfalsification_tests:").replace("SM-DEF-SOFTMAX]", "SM-SAME]")
    contract = load_contract(write(tmp_path, text))
    assert definition_id(contract, "softmax") == "SM-SAME"
    assert "SM-DEF-SOFTMAX" not in obligation_ids(contract)
    assert check_links({contract.name: contract}) == []


def renamed(text: str, prefix: str) -> str:
    return text.replace("SM-", f"{prefix}-").replace("prefix: SM", f"prefix: {prefix}")


def test_ids_and_prefixes_are_unique_across_contracts(tmp_path):
    write(tmp_path, GOOD, "core/a-v1.yaml")
    write(tmp_path, GOOD, "core/b-v1.yaml")
    found = check_links(load_contracts([tmp_path]).contracts)
    assert set(codes(found)) == {"E302", "E313"}
    assert all("b-v1" in d.position.file and "a-v1" in d.related[0][0].file for d in found)


def test_circles_are_found_once(tmp_path):
    for name, prefix, needs in (("a", "AA", "b"), ("b", "BB", "c"), ("c", "CC", "a"), ("d", "DD", "a")):
        text = renamed(GOOD, prefix).replace("  x-owner", f"  depends_on: [core/{needs}]\n  x-owner")
        write(tmp_path, text, f"core/{name}-v1.yaml")
    found = check_links(load_contracts([tmp_path]).contracts)
    assert codes(found) == ["E305"]
    assert "core/a -> core/b -> core/c -> core/a" in found[0].message


def test_a_gradient_may_be_of_an_equation_of_a_dependency(tmp_path):
    write(tmp_path, renamed(GOOD, "AA").replace("  softmax:\n    sig", "  base:\n    sig", 1), "core/base-v1.yaml")
    text = GOOD.replace("of: softmax\n    wrt", "of: base\n    wrt")
    write(tmp_path, text, "core/softmax-v1.yaml")
    alone = check_links(load_contracts([tmp_path / "core" / "softmax-v1.yaml"]).contracts)
    assert codes(alone) == ["E301"]
    write(tmp_path, text.replace("  x-owner", "  depends_on: [core/base]\n  x-owner"), "core/softmax-v1.yaml")
    loaded = load_contracts([tmp_path])
    assert not [d for d in check_links(loaded.contracts) if d.position.file.endswith("softmax-v1.yaml")]


def test_a_link_to_a_contract_that_cannot_be_read_is_not_reported_again(tmp_path):
    write(tmp_path, "[]", "core/base-v1.yaml")
    text = GOOD.replace("  x-owner", "  depends_on: [core/base]\n  x-owner").replace(
        "of: softmax\n    wrt", "of: base\n    wrt"
    )
    write(tmp_path, text)
    loaded = load_contracts([tmp_path])
    assert codes(loaded.diagnostics) == ["E203"]
    assert check_links(loaded.contracts, loaded.unreadable) == []
    assert codes(check_links(loaded.contracts)) == ["E304", "E301"]


def test_a_definition_without_a_law_is_a_warning():
    contract = load_contract(GOOD_PATH)
    only_sum = dataclasses.replace(contract, proof_obligations=contract.proof_obligations[:1], faults=(), qa_gate=None)
    (found,) = check_links({contract.name: only_sum})
    assert (found.code, found.severity) == ("E310", "warning")
    assert "softmax_backward" in found.message
