"""Files as contracts."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field

from ..errors import ContractError, Diagnostic, Position
from ..model import Contract
from .bind import bind
from .nodes import Mapping, Node, Scalar, Sequence, compose
from .paths import contract_name, find_root, gather, last_two
from .source import Source, read_source

__all__ = ["Loaded", "contract_name", "find_root", "load_contract", "load_contracts", "looks_older"]

# Keys that only the older prose format has.
_OLDER_KEYS = frozenset(
    ("kani_harnesses", "verification_summary", "enforcement", "simd_dispatch", "coq_spec", "type_invariants")
)


@dataclass(frozen=True)
class Loaded:
    """What was read: contracts by name, the messages, and the names of contracts whose files could not be read."""

    contracts: dict[str, Contract] = field(default_factory=dict)
    diagnostics: list[Diagnostic] = field(default_factory=list)
    unreadable: frozenset[str] = frozenset()


def load_contract(path: str | os.PathLike[str], data: bytes | None = None) -> Contract:
    """Reads one contract. Raises `ContractError` with every problem of the file. `data`: its bytes, if at hand."""
    source = read_source(path, data=data)
    name = contract_name(path)
    node = compose(source)
    if not name:
        source.report(
            "E116", f"the path of a contract ends in <family>/<kernel>-v1.yaml, not in {'/'.join(last_two(path))}",
            Position(source.file), hint="family and kernel are lower-case letters, digits and hyphens",
        )  # fmt: skip
    try:
        return bind(source, node, Contract, "a contract", name=name, path=source.file)
    except ContractError as error:
        if looks_older(node):
            raise ContractError(_older_note(source), *error.diagnostics) from None
        raise


def load_contracts(paths: Iterable[str | os.PathLike[str]]) -> Loaded:
    """Reads files, and every *.yaml below folders. Goes on after a file that cannot be read."""
    return Loaded(*gather(paths, load_contract))


def looks_older(node: Node | None) -> bool:
    """Whether a tree is a contract in the older prose format."""
    if not isinstance(node, Mapping):
        return False
    if any(key.value in _OLDER_KEYS for key, _ in node.pairs):
        return True
    metadata = node.get("metadata")
    if isinstance(metadata, Mapping) and any(metadata.get(key) for key in ("title", "prefix")):
        return False
    equations, obligations = node.get("equations"), node.get("proof_obligations")
    if isinstance(equations, Mapping):
        entries: list[Node] = [value for _, value in equations.pairs]
        if any(isinstance(entry, Mapping) and entry.get("formula") and not entry.get("signature") for entry in entries):
            return True
    if isinstance(obligations, Sequence):
        return any(isinstance(entry, Mapping) and not entry.get("id") for entry in obligations.items)
    kind = metadata.get("kind") if isinstance(metadata, Mapping) else None
    return isinstance(kind, Scalar)


def _older_note(source: Source) -> Diagnostic:
    return Diagnostic(
        "E211", "this looks like a contract in the older prose format", Position(source.file, 1, 1), "note",
        hint="read it with --lenient (level 0, never counted), or convert it: albor-contracts import FILE",
        source=source.lines[0] if source.lines else "",
    )  # fmt: skip
