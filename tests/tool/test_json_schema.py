"""The JSON Schema is current, valid, and agrees with the reader on what a contract looks like."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from albor_contracts import json_schema
from albor_contracts.errors import ContractError
from albor_contracts.links import FORMS, check_links
from albor_contracts.load import load_contract
from albor_contracts.load.nodes import compose
from albor_contracts.load.scalars import plain
from albor_contracts.load.source import read_source
from contract_samples import GOOD, GOOD_PATH, LINK_SLIPS, STRUCTURE_SLIPS, write

jsonschema = pytest.importorskip("jsonschema")


@pytest.fixture(scope="module")
def validator():
    schema = json.loads(json_schema.PATH.read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def data_of(path: Path):
    source = read_source(path)
    node = compose(source)
    assert node is not None
    return plain(source, node)


def test_committed_schema_is_current():
    assert json_schema.PATH.read_text(encoding="utf-8") == json_schema.render(), (
        "run: python -m albor_contracts.json_schema"
    )


def test_good_contract_is_accepted(validator):
    assert [error.message for error in validator.iter_errors(data_of(GOOD_PATH))] == []


@pytest.mark.parametrize("slip", STRUCTURE_SLIPS, ids=lambda s: f"{s.code}-{s.at[:12]!r}")
def test_what_the_reader_refuses_the_schema_refuses(validator, tmp_path, slip):
    path = write(tmp_path, slip.apply())
    with pytest.raises(ContractError):
        load_contract(path)
    if ".nan" in slip.new or "\\n" in slip.new:
        # JSON has no NaN; and `$` of JSON Schema is the very end, where Python's also matches before a last line end.
        return
    assert not validator.is_valid(data_of(path))


@pytest.mark.parametrize(
    "slip", [s for s in LINK_SLIPS if s.code in ("E306", "E307")], ids=lambda s: s.new.strip()[:20]
)
def test_parameters_of_obligations_are_known_to_the_schema(validator, tmp_path, slip):
    path = write(tmp_path, slip.apply())
    contract = load_contract(path)
    assert slip.code in {d.code for d in check_links({contract.name: contract})}
    assert not validator.is_valid(data_of(path))


@pytest.mark.parametrize(
    ("old", "new"),
    [("dims: {B: 1..8,", "dims: {B: 8,"), ("upper: 1", "upper: \"sqrt(N)\""), ("put: \"cols < n - 1\"", "put: \"\""),
     ("title: Softmax", "title: \"It's \\\"quoted\\\" \\\\ __import__('os')\""), ("kernel_structure:", "x-structure:"),
     ("    upper: 1\n", ""), ("seconds: 1e1", "seconds: 10")],
)  # fmt: skip
def test_what_the_reader_accepts_the_schema_accepts(validator, tmp_path, old, new):
    assert old in GOOD
    path = write(tmp_path, GOOD.replace(old, new, 1))
    load_contract(path)
    assert [error.message for error in validator.iter_errors(data_of(path))] == []


def test_every_key_is_documented():
    schema = json_schema.contract_schema()
    keys = 0
    for entry in (schema, *schema["$defs"].values()):
        for name, value in entry["properties"].items():
            assert value["description"].endswith((".", "]")), name
            keys += 1
    assert keys > 80
    assert len(schema["$defs"]["Obligation"]["allOf"]) == len(FORMS)
