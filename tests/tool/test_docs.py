"""The language reference says what the tool does: its functions, its example contract, its obligation types."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from albor_contracts.checked import check_contracts
from albor_contracts.falsify import kill_matrix
from albor_contracts.lang.functions import FUNCTIONS, REDUCTIONS
from albor_contracts.library import open_library
from albor_contracts.links import FORMS
from albor_contracts.model import OBLIGATION_TYPES

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "language.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)


def test_every_function_and_its_constant_is_listed() -> None:
    rows = re.findall(r"^\| `(\w+)\(.*?\)` \| ([\d.]+) \|", TEXT, re.MULTILINE)
    assert {name: float(ulp) for name, ulp in rows} == {f.name: f.ulp for f in FUNCTIONS.values()}


def test_every_reduction_is_named() -> None:
    for name in REDUCTIONS:
        assert re.search(rf"\b{name}\b", TEXT), name


def test_every_obligation_type_has_a_row_and_an_example() -> None:
    examples = [yaml.safe_load(line) for block in BLOCKS for line in _entries(block)]
    shown = {e["type"] for e in examples if isinstance(e, dict) and "type" in e}
    assert set(OBLIGATION_TYPES) <= shown
    table = TEXT[TEXT.index("| type | parameters | law |") :]
    for name in OBLIGATION_TYPES:
        assert f"`{name}`" in table, name


def test_examples_have_the_parameters_that_their_type_demands() -> None:
    for block in BLOCKS:
        for line in _entries(block):
            entry = yaml.safe_load(line)
            if isinstance(entry, dict) and "type" in entry and "id" in entry:
                assert any(set(form.required) <= set(entry) for form in FORMS[entry["type"]]), entry["id"]


def test_the_example_contract_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The contract at the top of the page validates, and its obligations and fault do what they should."""
    folder = tmp_path / "contracts" / "toy"
    folder.mkdir(parents=True)
    (folder / "softmax-v1.yaml").write_text(BLOCKS[0], encoding="utf-8")
    library = open_library(root=tmp_path).sound()
    checked, diagnostics = check_contracts(library.contracts)
    assert not diagnostics
    matrix = kill_matrix(checked["toy/softmax"], library)
    assert matrix.cells["SMX-ONE-COLUMN-SHORT", "SMX-SUM"].killed
    assert matrix.cells["SMX-ONE-COLUMN-SHORT", "SMX-DEF-SOFTMAX"].killed
    assert matrix.holds, matrix.problems


def _entries(block: str) -> list[str]:
    """The flow mappings of a block, and the block itself when it is one entry."""
    found, current = [], ""
    for line in block.splitlines():
        if line.startswith("#"):
            continue
        current += " " + line.strip()
        if current.strip().startswith("{") and current.count("{") == current.count("}"):
            found.append(current.strip())
            current = ""
    return found or [block]
