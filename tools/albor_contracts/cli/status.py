"""`albor-contracts status [CONTRACT...]`"""

from __future__ import annotations

import argparse


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("contracts", nargs="*", metavar="CONTRACT", help="contract or family (default: all)")
    parser.add_argument("--format", choices=("text", "json"), default="text")


def run(options: argparse.Namespace) -> int:
    """A report: it exits 1 only where there is nothing to report on."""
    from ..status import to_dict, to_text
    from ._project import coverage_of, open_project, print_json

    project = open_project()
    found = coverage_of(project, options.contracts)
    if options.format == "json":
        print_json({"contracts": to_dict(project.library.contracts, found)})
    else:
        print(to_text(project.library.contracts, found))
    return 0 if found.tables else 1
