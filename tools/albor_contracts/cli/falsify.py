"""`albor-contracts falsify [CONTRACT...]`"""

from __future__ import annotations

import argparse


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("contracts", nargs="*", metavar="CONTRACT", help="contract or family (default: all)")
    parser.add_argument("--fault", action="append", default=None, metavar="ID", help="only this fault")
    parser.add_argument("--format", choices=("text", "json"), default="text")


def run(options: argparse.Namespace) -> int:
    from ..falsify import kill_matrix
    from ..library import open_library
    from ..report.matrix import render_matrix

    library = open_library().sound()
    failed = False
    for contract in library.select(options.contracts).values():
        matrix = kill_matrix(contract, library, only=options.fault)
        failed |= not matrix.holds
        print(render_matrix(matrix, options.format), flush=True)
    return 1 if failed else 0
