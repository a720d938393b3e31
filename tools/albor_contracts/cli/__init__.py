"""The command line: one small module for each command, imported only when it is called."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence

COMMANDS = {
    "validate": "check contracts: structure, links, names, types, ranges",
    "generate": "compile contracts into tests and proof harnesses",
    "verify": "run the obligations against kernels",
    "falsify": "inject the faults; print the kill matrix",
}  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. 0: it holds; 1: something was falsified or is incomplete; 2: the input could not be judged."""
    from ..errors import ContractError

    parser = argparse.ArgumentParser(prog="albor-contracts", description="Contracts for the kernels of language models.")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    wanted = next((a for a in (arguments if arguments is not None else sys.argv[1:]) if not a.startswith("-")), None)
    for name, text in COMMANDS.items():
        sub = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
        if name == wanted:
            module = importlib.import_module(f".{name.replace('-', '_')}", __package__)
            module.arguments(sub)
            sub.set_defaults(run=module.run)
    options = parser.parse_args(arguments)
    if options.command is None:
        parser.print_help()
        return 2
    try:
        return options.run(options)
    except ContractError as error:
        from ..report.diagnostics import render

        print(render(error.diagnostics, "text"), file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 2
    except BrokenPipeError:
        return 2
