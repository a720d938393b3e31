"""The contracts of a project, loaded, linked and checked: where every command starts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from .checked import CheckedContract, check_contracts
from .errors import ContractError, Diagnostic, Position
from .links import check_links
from .load import find_root, load_contracts
from .model import Contract
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
        """Contracts by name, family, or path of their file; all when nothing is named."""
        wanted = list(names)
        if not wanted:
            return dict(self.checked)
        found: dict[str, CheckedContract] = {}
        for name in wanted:
            stem = name.removesuffix(".yaml").removesuffix("-v1")
            hits = [n for n in self.checked if n == name or n.startswith(f"{name.rstrip('/')}/") or (stem.endswith(n) and "/" in stem)]
            if not hits:
                raise ContractError(Diagnostic("E302", f"there is no contract {name!r}", Position(str(self.root)), hint=did_you_mean(name, self.checked)))
            found |= {n: self.checked[n] for n in hits}
        return found


def open_library(paths: Iterable[str | Path] = (), root: Path | None = None) -> Library:
    """Load and check the contracts under `paths`, or under the contracts/ folder of the nearest project."""
    given = [Path(p) for p in paths]
    base = root or Path(find_root(given[0] if given else None))
    loaded = load_contracts(given or [base / "contracts"])
    diagnostics = list(loaded.diagnostics)
    diagnostics += check_links(loaded.contracts)
    checked, problems = check_contracts(loaded.contracts)
    return Library(base, loaded.contracts, checked, (*diagnostics, *problems))
