"""Which files are contracts, what each is called, and where their project is. Nothing is parsed here."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Protocol, TypeVar

from ..errors import ContractError, Diagnostic, Position, problem

_FILE = re.compile(r"([a-z][a-z0-9-]*)-v[0-9]+\.yaml", re.ASCII)
_FAMILY = re.compile(r"[a-z][a-z0-9-]*", re.ASCII)


class Named(Protocol):
    """What was read from the file of a contract."""

    @property
    def name(self) -> str: ...

    @property
    def position(self) -> Position: ...


N = TypeVar("N", bound=Named)


def gather(
    paths: Iterable[str | os.PathLike[str]], read: Callable[[str], N]
) -> tuple[dict[str, N], list[Diagnostic], frozenset[str]]:
    """What `read` makes of files, and of every *.yaml below folders, by name; the messages; names that are unreadable.

    Goes on after a file that cannot be read.
    """
    contracts: dict[str, N] = {}
    diagnostics: list[Diagnostic] = []
    unreadable: set[str] = set()
    seen: set[str] = set()
    for path in paths:
        for file in files_below(os.fspath(path), diagnostics):
            real = os.path.realpath(file)
            if real in seen:
                continue
            seen.add(real)
            try:
                contract = read(file)
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
    return contracts, diagnostics, frozenset(unreadable - {""})


def contract_name(path: str | os.PathLike[str]) -> str:
    """.../<family>/<kernel>-v1.yaml -> "family/kernel"; "" for any other path."""
    family, file = last_two(path)
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


def files_named(root: Path, name: str) -> list[Path]:
    """Where the contract of this name stands in a project, if it does."""
    family, _, kernel = name.partition("/")
    if not kernel.replace("-", "").isalnum() or not family.replace("-", "").isalnum():
        return []
    return sorted((root / "contracts" / family).glob(f"{kernel}-v[0-9]*.yaml"))


def with_dependencies(
    root: Path, paths: Iterable[str | os.PathLike[str]], missing: Callable[[list[str | os.PathLike[str]]], set[str]]
) -> list[str | os.PathLike[str]]:
    """These files and folders, and the files of a project whose contracts are `missing` from them, directly or not."""
    files = list(paths)
    while found := [f for name in sorted(missing(files)) for f in files_named(root, name) if f not in files]:
        files += found
    return files


def files_below(path: str, diagnostics: list[Diagnostic]) -> Iterator[str]:
    """The file, or every *.yaml below the folder."""
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


def last_two(path: str | os.PathLike[str]) -> tuple[str, str]:
    full = os.path.abspath(os.fspath(path))
    return os.path.basename(os.path.dirname(full)), os.path.basename(full)
