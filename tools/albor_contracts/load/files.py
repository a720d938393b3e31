"""Which files are contracts, and what each is called."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import ContractError, Diagnostic, Position, problem
from ..model import Contract
from .bind import bind
from .nodes import Mapping, Node, Scalar, Sequence, compose
from .source import Source, read_source

_FILE = re.compile(r"([a-z][a-z0-9-]*)-v[0-9]+\.yaml", re.ASCII)
_FAMILY = re.compile(r"[a-z][a-z0-9-]*", re.ASCII)
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


def load_contract(path: str | os.PathLike[str]) -> Contract:
    """Reads one contract. Raises `ContractError` with every problem of the file."""
    source = read_source(path)
    name = contract_name(path)
    node = compose(source)
    if not name:
        source.report(
            "E116", f"the path of a contract ends in <family>/<kernel>-v1.yaml, not in {'/'.join(_last_two(path))}",
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
    contracts: dict[str, Contract] = {}
    diagnostics: list[Diagnostic] = []
    unreadable: set[str] = set()
    seen: set[str] = set()
    for path in paths:
        for file in _files(os.fspath(path), diagnostics):
            real = os.path.realpath(file)
            if real in seen:
                continue
            seen.add(real)
            try:
                contract = load_contract(file)
            except ContractError as error:
                diagnostics.extend(error.diagnostics)
                unreadable.add(contract_name(file))
                continue
            first = contracts.setdefault(contract.name, contract)
            if first is not contract:
                diagnostics.append(Diagnostic(
                    "E118", f"the contract {contract.name} is written twice", contract.position,
                    hint="one file per kernel", related=((first.position, "first written here"),),
                ))  # fmt: skip
    return Loaded(contracts, diagnostics, frozenset(unreadable - {""}))


def contract_name(path: str | os.PathLike[str]) -> str:
    """.../<family>/<kernel>-v1.yaml -> "family/kernel"; "" for any other path."""
    family, file = _last_two(path)
    match = _FILE.fullmatch(file)
    return f"{family}/{match[1]}" if match and _FAMILY.fullmatch(family) else ""


def find_root(start: str | os.PathLike[str] | None = None) -> Path:
    """The project: the nearest folder at or above `start` (the working folder) that holds contracts/.

    Falls back to the repository this tool was installed from in place. Raises `ContractError` where there is neither.
    """
    here = Path(os.path.abspath(os.fspath(start) if start is not None else os.curdir))
    for folder in (here, *here.parents, Path(__file__).resolve().parents[3]):
        if (folder / "contracts").is_dir():
            return folder
    raise problem(
        "E119",
        "no folder contracts/ here or above",
        Position(str(here)),
        hint="run inside a project, or name the files",
    )


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


def _files(path: str, diagnostics: list[Diagnostic]) -> Iterator[str]:
    if not os.path.isdir(path):
        yield path
        return
    found = False
    for folder, folders, names in os.walk(path):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if name.endswith(".yaml") and not name.startswith("."):
                found = True
                yield os.path.join(folder, name)
    if not found:
        diagnostics.append(Diagnostic("E117", "no contract (*.yaml) in this folder", Position(path)))


def _last_two(path: str | os.PathLike[str]) -> tuple[str, str]:
    full = os.path.abspath(os.fspath(path))
    return os.path.basename(os.path.dirname(full)), os.path.basename(full)
