"""The contracts of a project, loaded, linked and checked: where every command starts."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from .checked import CheckedContract, check_contracts
from .collection import without_collection
from .emit.harness import proof_problems
from .errors import ContractError, Diagnostic, Position
from .links import check_links, if_fails_of, stated_at
from .links_between import unexplained
from .load import Loaded, contract_name, find_root, load_contracts
from .load.paths import files_below, files_named, with_dependencies
from .model import Contract
from .outline import outline_of
from .suggest import did_you_mean


@dataclass(frozen=True)
class Library:
    """All contracts under one root, and what is wrong with them."""

    root: Path
    contracts: Mapping[str, Contract]
    checked: Mapping[str, CheckedContract]
    diagnostics: tuple[Diagnostic, ...]

    @property
    def errors(self) -> tuple[Diagnostic, ...]:
        return tuple(d for d in self.diagnostics if d.severity == "error")

    def sound(self) -> Library:
        """This library, or `ContractError` with everything that is wrong."""
        if self.errors:
            raise ContractError(*self.errors)
        return self

    def select(self, names: Iterable[str]) -> dict[str, CheckedContract]:
        """Contracts by name, family, or path of their file; all when nothing is named.

        Raises `ContractError` for a name without a contract, and when one of those selected is not valid. Problems of
        other contracts do not matter here.
        """
        wanted = list(names)
        if not wanted:
            return dict(self.sound().checked)
        found: list[str] = []
        for name in wanted:
            hits = meant_by(name, self.contracts)
            if not hits:
                raise ContractError(
                    Diagnostic(
                        "E503",
                        f"there is no contract {name!r}",
                        Position(str(self.root)),
                        hint=did_you_mean(name, self.contracts),
                    )
                )
            found += hits
        files = {self.contracts[n].path for n in self._with_dependencies(found)}
        errors = [d for d in self.errors if d.position.file in files]
        if errors:
            raise ContractError(*errors)
        return {n: self.checked[n] for n in dict.fromkeys(found)}

    def _with_dependencies(self, names: Iterable[str]) -> set[str]:
        seen: set[str] = set()
        waiting = list(names)
        while waiting:
            name = waiting.pop()
            if name not in seen and name in self.contracts:
                seen.add(name)
                waiting += map(str, self.contracts[name].metadata.depends_on)
        return seen


def open_library(paths: Iterable[str | Path] = (), root: Path | None = None) -> Library:
    """Load and check the contracts under `paths`, or under the contracts/ folder of the nearest project."""
    given = [Path(p) for p in paths]
    base = root or Path(find_root(given[0] if given else None))
    with without_collection():
        return _judged(base, load_contracts(given or [base / "contracts"]))


def open_files(paths: Iterable[str | Path]) -> tuple[Library, list[str]]:
    """The contracts in these files and folders, with those of their project that they depend on; which were named."""
    files = [Path(p) for p in paths]
    base = Path(find_root(files[0]))

    def missing(files: Iterable[str | os.PathLike[str]]) -> set[str]:
        contracts = load_contracts(files).contracts
        return {str(d) for c in contracts.values() for d in c.metadata.depends_on} - set(contracts)

    with without_collection():
        named = list(load_contracts(files).contracts)
        return _judged(base, load_contracts(with_dependencies(base, files, missing))), named


def _judged(base: Path, loaded: Loaded) -> Library:
    """What was read, linked and checked."""
    diagnostics = [*loaded.diagnostics, *check_links(loaded.contracts)]
    checked, problems = check_contracts(loaded.contracts)
    problems += (proofs := proof_problems(checked))
    unprovable = {d.position.file for d in proofs if d.severity == "error"}
    valid = {name: c for name, c in checked.items() if c.model.path not in unprovable}
    found = [*diagnostics, *problems]
    if len(valid) < len(loaded.contracts):
        found += unexplained({name: outline_of(c) for name, c in loaded.contracts.items()}, valid, found)
    return Library(base, loaded.contracts, valid, tuple(found))


def open_selected(names: Iterable[str], root: Path | None = None) -> Library:
    """The library for `select(names)`: only what these contracts and those they depend on need is read and checked.

    All is read where nothing is named, and where something is wrong: then the messages may depend on other contracts.
    What concerns contracts among each other, such as an id that two of them use, is for `validate` to find.
    """
    wanted = list(names)
    base = root or Path(find_root())
    files: dict[str, list[str]] = {}
    for file in files_below(str(base / "contracts"), []):
        files.setdefault(contract_name(file), []).append(file)
    hits = [meant_by(name, files) for name in wanted]
    if not wanted or not all(hits):
        return open_library(root=root)
    needed = [n for found in hits for n in found]
    chosen: dict[str, None] = {}
    contracts: dict[str, Contract] = {}
    with without_collection():
        while missing := [n for n in needed if n not in contracts and n in files and n not in chosen]:
            chosen.update(dict.fromkeys(missing))
            loaded = load_contracts([f for n in missing for f in files[n]])
            if loaded.diagnostics:
                return open_library(root=root)
            contracts |= loaded.contracts
            needed = [str(d) for n in missing for d in contracts[n].metadata.depends_on]
        # In the order of the whole library, so that everything else comes in the same order too.
        library = _judged(base, Loaded({n: contracts[n] for n in files if n in contracts}))
    return open_library(root=root) if library.errors else library


def meant_by(name: str, contracts: Iterable[str]) -> list[str]:
    """The contracts that a name, a family or the path of a file stands for."""
    stem = name.removesuffix(".yaml").removesuffix("-v1")
    return [
        n for n in contracts
        if n == name or n.startswith(f"{name.rstrip('/')}/") or ("/" in stem and stem.endswith(f"/{n}"))
    ]  # fmt: skip


def read_closure(root: Path, name: str) -> dict[str, Contract]:
    """A contract and those it depends on, read and not checked: enough to tell what an obligation of it means."""
    found: dict[str, Contract] = {}
    everything: dict[str, Contract] | None = None
    waiting = [name]
    while waiting:
        following = waiting.pop()
        if following in found:
            continue
        contract = load_contracts(files_named(root, following)).contracts.get(following)
        if contract is None:  # it may lie deeper in the folder
            if everything is None:
                everything = load_contracts([root / "contracts"]).contracts
            contract = everything.get(following)
        if contract is not None:
            found[following] = contract
            waiting += map(str, contract.metadata.depends_on)
    return found


def where_stated(root: Path, name: str, identifier: str, output: str = "") -> str:
    """file:line:column of an obligation or falsification test, read from the project; empty when there is none. Of a
    definition it is the line of `output`."""
    contract = read_closure(root, name).get(name)
    return "" if contract is None else place_of(contract, identifier, output)


def what_failure_means(root: Path, name: str, identifier: str) -> str:
    """`if_fails` of an obligation or falsification test, read from the project; empty when there is none."""
    contract = read_closure(root, name).get(name)
    return "" if contract is None else if_fails_of(contract, identifier)


def place_of(contract: Contract, identifier: str, output: str = "") -> str:
    """file:line:column of an obligation or falsification test of a contract; empty when there is none."""
    place = stated_at(contract, identifier, output)
    return "" if place is None else str(place)
