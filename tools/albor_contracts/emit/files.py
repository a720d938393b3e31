"""All generated files of a library, as texts."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ..collection import without_collection
from ..evidence.hashing import meaning_hash
from ..library import Library
from .harness import harness_module, has_proofs
from .module import test_module


def generated_files(library: Library, names: Iterable[str] | None = None) -> dict[Path, str]:
    """Path below the output folder -> text, of the contracts with these names, or of all."""
    files: dict[Path, str] = {}
    with without_collection():
        for name in library.checked if names is None else names:
            contract = library.checked[name]
            files[module_path(name)] = module_text(library, name)
            if has_proofs(contract):
                files[harness_path(name)] = harness_text(library, name)
    return files


def module_path(contract: str) -> Path:
    family, kernel = contract.split("/")
    return Path(family) / f"test_{kernel.replace('-', '_')}.py"


def harness_path(contract: str) -> Path:
    family, kernel = contract.split("/")
    return Path(family) / f"prove_{kernel.replace('-', '_')}.py"


def module_text(library: Library, name: str) -> str:
    """The test module of one contract."""
    contract = library.checked[name]
    return test_module(contract, dict(library.checked), meaning_hash(contract.model, library.contracts))


def harness_text(library: Library, name: str) -> str:
    """The proof harness of one contract, which has proofs."""
    contract = library.checked[name]
    return harness_module(contract, dict(library.checked), meaning_hash(contract.model, library.contracts))
