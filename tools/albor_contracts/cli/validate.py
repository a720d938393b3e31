"""`albor-contracts validate [PATH...]`"""

from __future__ import annotations

import argparse
from pathlib import Path


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("paths", nargs="*", type=Path, metavar="PATH", help="files or folders (default: contracts/)")
    parser.add_argument("--format", choices=("text", "json", "sarif", "github"), default="text")
    parser.add_argument("--lenient", action="store_true", help="read files in the older prose format; they are never counted as covered")


def run(options: argparse.Namespace) -> int:
    from ..library import open_library
    from ..report.diagnostics import render

    library = open_library(options.paths)
    print(render(library.diagnostics, options.format), end="")
    if options.format == "text":
        n = len(library.contracts)
        obligations = sum(len(c.obligations) for c in library.checked.values())
        print(f"{len(library.checked)} of {n} contracts are valid: {obligations} obligations, {sum(len(c.faults) for c in library.checked.values())} faults")
    return 2 if library.errors or not library.contracts else 0
