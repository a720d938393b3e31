"""`albor-contracts generate [PATH] [-o DIR] [--check]`"""

from __future__ import annotations

import argparse
from pathlib import Path


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("paths", nargs="*", type=Path, metavar="PATH", help="contracts (default: contracts/)")
    parser.add_argument(
        "-o", "--output", type=Path, default=None, metavar="DIR", help="output folder (default: generated/)"
    )
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when a file is not current")


def run(options: argparse.Namespace) -> int:
    from ..emit import write_generated
    from ..emit.files import generated_files
    from ..errors import ContractError
    from ..library import open_library

    library = open_library(options.paths).sound()
    output = options.output or library.root / "generated"
    changes, problems = write_generated(generated_files(library), output, check=options.check, prune=not options.paths)
    if problems:
        raise ContractError(*problems)
    moved = [c for c in changes if c.kind != "current"]
    for change in moved:
        print(f"{change.kind}: {change.path}")
    print(f"{len(changes) - len(moved)} of {len(changes)} generated files are current")
    if options.check and moved:
        print("run `albor-contracts generate` and commit the result")
        return 1
    return 0
