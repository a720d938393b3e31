"""All generated files of a library, as texts."""

from __future__ import annotations

from pathlib import Path

from ..evidence.hashing import meaning_hash
from ..library import Library, without_collection
from .harness import harness_module, has_proofs
from .module import test_module


def generated_files(library: Library) -> dict[Path, str]:
    """Path below the output folder -> text."""
    files: dict[Path, str] = {}
    with without_collection():
        for name, contract in library.checked.items():
            files.update([generated_test(library, name)])
            if has_proofs(contract):
                files.update([generated_harness(library, name)])
    return files


def generated_test(library: Library, name: str) -> tuple[Path, str]:
    """The test module of one contract: its path below the output folder, and its text."""
    return _place("test", name), test_module(library.checked[name], dict(library.checked), _meaning(library, name))


def generated_harness(library: Library, name: str) -> tuple[Path, str]:
    """The proof harness of one contract that has proofs: its path below the output folder, and its text."""
    return _place("prove", name), harness_module(library.checked[name], dict(library.checked), _meaning(library, name))


def _place(what: str, name: str) -> Path:
    family, kernel = name.split("/")
    return Path(family) / f"{what}_{kernel.replace('-', '_')}.py"


def _meaning(library: Library, name: str) -> str:
    return meaning_hash(library.checked[name].model, library.contracts)
