"""All generated files of a library, as texts."""

from __future__ import annotations

from pathlib import Path

from ..collection import without_collection
from ..evidence.hashing import meaning_hash
from ..library import Library
from .harness import harness_module, has_proofs
from .module import test_module


def generated_files(library: Library) -> dict[Path, str]:
    """Path below the output folder -> text."""
    files: dict[Path, str] = {}
    checked = dict(library.checked)
    with without_collection():
        for name, contract in checked.items():
            family, kernel = name.split("/")
            stem = kernel.replace("-", "_")
            meaning = meaning_hash(contract.model, library.contracts)
            files[Path(family) / f"test_{stem}.py"] = test_module(contract, checked, meaning)
            if has_proofs(contract):
                files[Path(family) / f"prove_{stem}.py"] = harness_module(contract, checked, meaning)
    return files
