"""`albor-contracts diff OLD NEW`"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..model import Contract


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("old", type=Path, metavar="OLD", help="a contract file, under any name")
    parser.add_argument("new", type=Path, metavar="NEW", help="a later version of it")
    parser.add_argument("--format", choices=("text", "json"), default="text")


def run(options: argparse.Namespace) -> int:
    """Exits 1 when the version number does not announce the changes."""
    from ..diff import diff, to_dict, to_text
    from ._project import print_json

    difference = diff(_load(options.old), _load(options.new))
    if options.format == "json":
        print_json(to_dict(difference))
    else:
        print(to_text(difference))
    return 0 if difference.announced else 1


def _load(path: Path) -> Contract:
    """A contract from a file of any name: an old version often lies in a temporary one."""
    from ..load.bind import bind
    from ..load.files import contract_name
    from ..load.nodes import compose
    from ..load.source import read_source
    from ..model import Contract

    source = read_source(path)
    return bind(source, compose(source), Contract, "a contract", name=contract_name(path), path=source.file)
