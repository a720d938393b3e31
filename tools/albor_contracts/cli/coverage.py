"""`albor-contracts coverage [CONTRACT...]`"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("contracts", nargs="*", metavar="CONTRACT", help="contract or family (default: all)")
    parser.add_argument(
        "--level", type=int, choices=(1, 2, 3, 4), default=3, help="what counts as covered (default: 3)"
    )
    parser.add_argument(
        "--fail-under", type=_percent, default=None, metavar="P",
        help="exit 1 when less than P percent of the obligations are at the level",
    )  # fmt: skip
    parser.add_argument("--details", action="store_true", help="a line for each obligation and binding")
    parser.add_argument("--binding", action="append", default=[], metavar="B", help="a column for this binding as well")
    parser.add_argument(
        "--evidence", action="append", default=[], type=Path, metavar="PATH",
        help="evidence besides that of evidence/ and .albor/evidence/",
    )  # fmt: skip
    parser.add_argument("--format", choices=("text", "json"), default="text")


def run(options: argparse.Namespace) -> int:
    from ..report.coverage import to_dict, to_text
    from ._project import bindings_of, coverage_of, open_project, print_json

    project = open_project()
    found = coverage_of(project, options.contracts, options.binding, options.evidence)
    holds, words = found.gate(options.fail_under, options.level)
    if options.format == "json":
        print_json({**to_dict(found), "gate": {"holds": holds, "level": options.level, "message": words}})
    else:
        print(to_text(found, details=options.details))
        shown = [file for name, file in bindings_of(project.root).items() if name in found.bindings]
        for line in (line for file in shown for line in file.limits(table.contract for table in found.tables)):
            print(line)
        print()
        print(words)
    if not holds:
        sys.stdout.flush()
        print(words, file=sys.stderr)
    return 0 if holds else 1


def _percent(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 100:
        raise argparse.ArgumentTypeError(f"a percentage from 0 to 100, not {text!r}")
    return value
