"""What several commands need to know of a project besides its contracts: evidence, bindings, older files."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..binding_file import Binding, load_binding
from ..errors import Diagnostic, Position, problem
from ..library import Library, open_library
from ..load.files import contract_name
from ..older_format import OlderContract, is_older, read_older
from ..suggest import did_you_mean

if TYPE_CHECKING:
    from ..coverage import Coverage, Named
    from ..evidence import Record


@dataclass(frozen=True)
class Project:
    """The contracts of a project, and those of its files that are prose in the older format."""

    library: Library
    older: tuple[OlderContract, ...]

    @property
    def root(self) -> Path:
        return self.library.root


def open_project(paths: Iterable[str | Path] = (), root: Path | None = None) -> Project:
    """The library without what is wrong with older files: those are prose, listed apart, and never count."""
    return set_apart(open_library(paths, root))


def set_apart(library: Library) -> Project:
    """Tell the files in the older format from those that are wrong."""
    older = older_among(library.errors)
    paths = {o.path for o in older}
    contracts = {name: c for name, c in library.contracts.items() if c.path not in paths}
    checked = {name: c for name, c in library.checked.items() if name in contracts}
    left = tuple(d for d in library.diagnostics if d.position.file not in paths)
    return Project(replace(library, contracts=contracts, checked=checked, diagnostics=left), older)


def older_among(errors: Iterable[Diagnostic]) -> tuple[OlderContract, ...]:
    """The files with errors that are contracts in the older format."""
    files = dict.fromkeys(d.position.file for d in errors)
    return tuple(read_older(file) for file in files if Path(file).is_file() and is_older(file))


def older_name(older: OlderContract) -> str:
    return contract_name(older.path) or older.name


def bindings_of(root: Path) -> dict[str, Binding]:
    """The binding files of a project, by name. Raises `ContractError` for one that cannot be read."""
    return {path.stem: load_binding(path) for path in sorted((root / "bindings").glob("*.yaml"))}


def targets_of(bindings: Mapping[str, Binding]) -> dict[tuple[str, str], dict[str, str]]:
    """(contract, equation) -> binding -> the callable, or why there is none."""
    found: dict[tuple[str, str], dict[str, str]] = {}
    for name, binding in bindings.items():
        for contract, kernel in binding.kernels.items():
            for equation, target in kernel.items():
                words = str(target.function) if target.function is not None else f"declined: {target.declines}"
                found.setdefault((str(contract), str(equation)), {})[name] = words
    return found


def stated_by(
    library: Library, bindings: Mapping[str, Binding], device: str = "cpu"
) -> dict[tuple[str, str], tuple[str, str]]:
    """(binding, obligation or test) -> ("declined", reason): what is about an equation that the binding declines, and
    what it documents another convention for on this device."""
    from ..evidence import obligations_of

    found: dict[tuple[str, str], tuple[str, str]] = {}
    for name, binding in bindings.items():
        for contract, kernel in binding.kernels.items():
            model = library.contracts.get(contract)
            declined = {str(e): str(t.declines) for e, t in kernel.items() if t.declines is not None}
            if model is None:
                continue
            known = {*obligations_of(model), *(str(t.id) for t in model.falsification_tests)}
            found |= {
                (name, str(k)): ("declined", str(v))
                for t in kernel.values()
                for k, v in t.deviations(device).items()
                if str(k) in known
            }
            for identifier, entry in obligations_of(model).items():
                if str(entry.equation) in declined:
                    found[name, identifier] = ("declined", declined[str(entry.equation)])
    return found


def named_by(bindings: Mapping[str, Binding]) -> dict[tuple[str, str], Named]:
    """(binding, contract) -> the kernels that the file names, how it has them called, and in which dtypes."""
    from ..coverage import Named

    found = {}
    for name, binding in bindings.items():
        for contract, kernels in binding.kernels.items():
            there = {str(e): t for e, t in kernels.items() if t.function is not None}
            dtypes = {e: binding.dtypes_of(t) for e, t in there.items()}
            functions = frozenset(str(t.function) for t in there.values())
            found[name, str(contract)] = Named(functions, binding.adapted(contract), dtypes)
    return found


def records_of(root: Path, more: Iterable[str | Path] = ()) -> tuple[Record, ...]:
    """Evidence of the project, committed and scratch, and of further files. What cannot be read is a warning."""
    from ..evidence import default_folders, read

    reading = read([*default_folders(root), *more])
    warn(reading.warnings)
    return reading.records


def coverage_of(
    project: Project, names: Iterable[str] = (), bindings: Iterable[str] = (), more: Iterable[str | Path] = ()
) -> Coverage:
    """Coverage of the named contracts (all by default). Raises `ContractError` where a contract cannot be judged."""
    from ..coverage import IMPLEMENTATION, REFERENCE, Prose, compute

    find_kernels(project.root)
    library = project.library
    prose = {older_name(o): len(o.obligations) for o in project.older}
    wanted = list(names)
    chosen = {n for n in wanted if n in prose} if wanted else set(prose)
    named = [n for n in wanted if n not in prose]
    selected = set(library.select(named)) if named or not wanted else set()
    if not wanted:
        library.sound()
    known = bindings_of(project.root)
    known |= {b: load_binding(b) for b in bindings if b.endswith((".yaml", ".yml")) and Path(b).is_file()}
    records = records_of(project.root, more)
    columns = dict.fromkeys((REFERENCE, IMPLEMENTATION, *bindings))
    _refuse_unknown(columns, known, records)
    found = compute(
        library.contracts,
        records,
        bindings=tuple(columns),
        stated=stated_by(library, known),
        stated_on_gpu=stated_by(library, known, "cuda"),
        named=named_by(known),
        prose=[Prose(name, count) for name, count in prose.items() if name in chosen],
    )
    return replace(found, tables=tuple(t for t in found.tables if t.contract in selected or t.contract in chosen))


def _refuse_unknown(names: Iterable[str], known: Mapping[str, Binding], records: Iterable[Record]) -> None:
    """Raises `ContractError` for a binding without a file that no evidence names: its column would stay empty."""
    from ..coverage import IMPLEMENTATION, REFERENCE

    judged = {REFERENCE, IMPLEMENTATION, *known, *(getattr(r.verdict, "binding", "") for r in records)}
    for name in names:
        if name not in judged and not (name.endswith((".yaml", ".yml")) and Path(name).is_file()):
            raise problem(
                "E503", f"there is no binding {name!r}, and no evidence of one", Position(f"--binding {name}"),
                did_you_mean(name, judged, "a file under bindings/, a path to one, or what `verify --binding` got"),
            )  # fmt: skip


def find_kernels(root: Path) -> None:
    """Kernels are looked for in the working folder and the project, as `verify` does. Nothing is imported."""
    for folder in (str(root), str(Path.cwd())):
        if folder not in sys.path:
            sys.path.insert(0, folder)


def keep_scratch(root: Path) -> None:
    """Hypothesis keeps its notes with the other scratch files, not in the working folder."""
    os.environ.setdefault("HYPOTHESIS_STORAGE_DIRECTORY", str(root / ".albor" / "hypothesis"))


def warn(diagnostics: Iterable[Diagnostic]) -> None:
    from ..report.diagnostics import render, wants_colour

    text = render(tuple(diagnostics), "text", colour=wants_colour(sys.stderr))
    if text:
        print(text, end="", file=sys.stderr)


def print_json(data: Any) -> None:
    # ASCII only: nothing quoted from a file can disturb a terminal.
    print(json.dumps(data, indent=2))
