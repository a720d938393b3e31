"""`albor-contracts validate [PATH...]`"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import ContractError, Diagnostic
from ..library import Library, contract_files, open_library

if TYPE_CHECKING:
    from ..older_format import OlderContract


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "paths", nargs="*", type=Path, metavar="PATH",
        help="files or folders (default: contracts/ of the project, and its bindings)",
    )  # fmt: skip
    parser.add_argument("--format", choices=("text", "json", "sarif", "github"), default="text")
    parser.add_argument(
        "--lenient", action="store_true",
        help="read files in the older prose format: they are listed as prose (level 0, never valid; exit status 1)",
    )  # fmt: skip


def run(options: argparse.Namespace) -> int:
    from ..report.diagnostics import as_data, render, wants_colour

    library, named = _open(options.paths)
    older: tuple[OlderContract, ...] = ()
    if options.lenient:
        from ._project import set_apart

        project = set_apart(library)
        library, older = project.library, project.older
    diagnostics = [*library.diagnostics, *(note for o in older for note in o.notes)]
    if not options.paths:
        diagnostics += _bindings(library)
    errors = [d for d in diagnostics if d.severity == "error"]
    wrong = {d.position.file for d in errors}
    contracts = {name: c for name, c in library.contracts.items() if named is None or c.path in named}
    valid = [name for name, c in contracts.items() if name in library.checked and c.path not in wrong]
    unread = {f for f in wrong if f.endswith(".yaml") and "bindings" not in Path(f).parts[-2:-1]}
    total = len(contracts) + len(unread - {c.path for c in library.contracts.values()}) + len(older)
    if options.format == "json":
        data = {
            "contracts": total,
            "valid": valid,
            "prose": [{"file": o.path, "level": o.level, "obligations": len(o.obligations)} for o in older],
            "diagnostics": [as_data(d) for d in diagnostics],
        }
        print(json.dumps(data, indent=2))
    else:
        print(render(diagnostics, options.format, colour=wants_colour(sys.stdout)), end="")
    if options.format == "text":
        obligations = sum(len(library.checked[name].obligations) for name in valid)
        faults = sum(len(library.checked[name].faults) for name in valid)
        prose = f"; {len(older)} prose, level 0, not counted" if older else ""
        print(f"{len(valid)} of {total} contracts are valid: {obligations} obligations, {faults} faults{prose}")
    if errors or not total:
        return 2
    return 1 if older or len(valid) < total else 0


def _open(paths: Collection[Path]) -> tuple[Library, set[str] | None]:
    """The library, and the files that were named when not all were.

    Contracts that named files depend on are read too, from the project the files belong to.
    """
    if not paths:
        return open_library(), None
    from ..load.files import find_root

    try:
        root = Path(find_root(next(iter(paths))))
    except ContractError:
        root = Path.cwd()  # named files need no project
    library = open_library(paths, root)
    named = {c.path for c in library.contracts.values()}
    files = list(paths)
    while True:
        missing = {str(d) for c in library.contracts.values() for d in c.metadata.depends_on} - set(library.contracts)
        found = [p for name in sorted(missing) for p in contract_files(root, name) if p not in files]
        if not found:
            return library, named
        files += found
        library = open_library(files, root)


def _bindings(library: Library) -> Iterable[Diagnostic]:
    """What is wrong with the binding files of the project."""
    from ..binding_file import check_binding_links, load_binding
    from ..load.files import contract_name

    unreadable = {contract_name(d.position.file) for d in library.errors} - {""}
    for path in sorted((library.root / "bindings").glob("*.yaml")):
        try:
            yield from check_binding_links(load_binding(os.fspath(path)), library.contracts, unreadable)
        except ContractError as error:
            yield from error.diagnostics
