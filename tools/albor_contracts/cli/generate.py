"""`albor-contracts generate [CONTRACT...] [-o DIR] [--check]`"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..library import Library


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "contracts", nargs="*", metavar="CONTRACT",
        help="contract, family, file or folder, e.g. core/rmsnorm (default: contracts/)",
    )  # fmt: skip
    parser.add_argument(
        "-o", "--output", type=Path, default=None, metavar="DIR", help="output folder (default: generated/)"
    )
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when a file is not current")


def run(options: argparse.Namespace) -> int:
    from ..emit import write_generated
    from ..emit.files import generated_files
    from ..errors import ContractError

    opened = _opened(options.contracts)
    output = options.output or opened[0][0].root / "generated"
    files = {path: text for library, names in opened for path, text in generated_files(library, names).items()}
    changes, problems = write_generated(files, output, check=options.check, prune=not options.contracts)
    if problems:
        raise ContractError(*problems)
    moved = [c for c in changes if c.kind != "current"]
    for change in moved:
        print(f"{change.kind}: {change.path}")
    if not options.check:
        print(f"{len(moved)} of {len(changes)} generated files had to change")
        return 0
    print(f"{len(changes) - len(moved)} of {len(changes)} generated files are current")
    if moved:
        print("run `albor-contracts generate` and commit the result")
    return 1 if moved else 0


def _opened(words: list[str]) -> list[tuple[Library, list[str]]]:
    """What the words mean: files and folders, or contracts of this project by name, and which contracts of each."""
    from ..library import open_files, open_library, open_selected

    paths = [w for w in words if Path(w).exists() or w.endswith((".yaml", ".yml"))]
    names = [w for w in words if w not in paths]
    opened: list[tuple[Library, list[str]]] = []
    if paths:
        library, named = open_files(paths)
        opened.append((library.sound(), named))
    if names or not words:
        library = open_selected(names) if names else open_library()
        opened.append((library, list(library.select(names))))
    return opened
