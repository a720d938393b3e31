"""docs/coverage-of-the-catalogue.md: what it names exists, and no contract of its families is left out."""

import re
from pathlib import Path

from albor_contracts.library import open_library

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/coverage-of-the-catalogue.md").read_text(encoding="utf-8")
FAMILIES = ("core", "attention", "loss", "optim", "training", "schedule", "inference", "accounting")


def test_what_the_page_names_exists_and_nothing_is_left_out():
    library = open_library(root=ROOT)
    named = set(re.findall(r"`([a-z]+/[a-z0-9-]+)`", PAGE))
    assert named <= set(library.contracts)
    assert {name for name in library.contracts if name.split("/")[0] in FAMILIES} <= named
    known = {o.id for contract in library.checked.values() for o in contract.obligations}
    for contract in library.contracts.values():
        known |= {str(t.id) for t in (*contract.falsification_tests, *contract.faults)}
    assert set(re.findall(r"\b[A-Z]{2,4}-[A-Z][A-Z0-9-]*", PAGE)) <= known
