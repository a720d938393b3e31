"""`albor-contracts import FILE [-o FILE]`"""

from __future__ import annotations

import argparse
from pathlib import Path


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE", help="a contract in the older prose format")
    parser.add_argument("-o", "--output", type=Path, default=None, metavar="FILE", help="write here (default: stdout)")
    parser.add_argument("--format", choices=("text", "json"), default="text")


def run(options: argparse.Namespace) -> int:
    """Exit status 0 says that the skeleton was made, not that anything in it holds."""
    from ..errors import Position, problem
    from ..older_format import import_skeleton, is_older, read_older
    from ..scaffold import write_new
    from ._project import print_json

    older = read_older(options.file)  # says why, when the file cannot be read at all
    if not is_older(options.file):
        raise problem(
            "E805", "this is not a contract in the older format", Position(older.path, 1, 1),
            "`albor-contracts validate` reads the present format",
        )  # fmt: skip
    text = import_skeleton(options.file)
    if options.output is not None:
        write_new({options.output: text})
    if options.format == "json":
        data = {"equations": list(older.equations), "obligations": len(older.obligations), "level": older.level}
        print_json({"file": older.path, "output": str(options.output or ""), **data, "skeleton": text})
    elif options.output is None:
        print(text, end="")
    else:
        prose = f"{len(older.obligations)} obligations are still prose"
        print(f"wrote {options.output}: {len(older.equations)} equations; {prose}")
    return 0
