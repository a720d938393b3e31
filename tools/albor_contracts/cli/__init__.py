"""The command line: one small module for each command, imported only when it is called."""

from __future__ import annotations

import argparse
import contextlib
import gc
import importlib
import io
import keyword
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..errors import ContractError, Position

COMMANDS = {
    "validate": "check contracts: structure, links, names, types, ranges",
    "generate": "compile contracts into tests and proof harnesses",
    "verify": "run the obligations against kernels",
    "prove": "prove obligations: integer code that ships, real algebra, every float16 value",
    "falsify": "inject the faults; print the kill matrix",
    "mutate": "change the source of the implementation bit by bit; show which changes nobody notices",
    "compile": "compile the Triton kernels ahead of time, without a GPU",
    "bench": "measure the kernels against a copy, a matrix product and their peers",
    "coverage": "show which obligations evidence covers",
    "audit": "trace equations to obligations, faults, kernels and evidence; show what stands alone",
    "status": "summarise each contract: where it stands, and what would lift it",
    "equations": "print the equations of contracts as text or LaTeX",
    "graph": "show which contract depends on which",
    "diff": "list every change of meaning between two versions of a contract",
    "scaffold": "begin a contract with its reference, implementation and binding entries",
    "import": "turn a contract in the older prose format into a skeleton of the present one",
    "replay": "run one obligation again, by default as it failed last",
    "explain": "show a contract for reading; explain an obligation, a fault, a type of obligation or a diagnostic code",
}
EXITS = "exit status: 0 it holds, 1 something was falsified or is incomplete, 2 the input could not be judged"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. 0: it holds; 1: something was falsified or is incomplete; 2: the input could not be judged."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    _open_streams()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # What a terminal or file cannot show is escaped; it never ends a command.
            stream.reconfigure(errors="backslashreplace")
    try:
        try:
            return _run(given)
        finally:
            sys.stdout.flush()
            if arguments is None and "triton" not in sys.modules:  # whose bindings complain about what is left
                gc.freeze()  # the process ends here: nothing is worth a last walk through everything
    except BrokenPipeError:
        # Whoever read the output has seen enough.
        _drop_output()
    except OSError as error:
        # `_run` has told all others: this one is about what was still to be written.
        from ..errors import Position, problem

        _drop_output()
        with contextlib.suppress(OSError):
            _refuse(problem("E101", f"cannot be written: {error.strerror or error}", Position("<stdout>")), "text")
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
    return 2


def _open_streams() -> None:
    """Streams that are closed when the command begins lead nowhere. They keep their numbers, which are the lowest: a
    file with one of them would get whatever a library writes to stdout."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_RDWR), mode, encoding="utf-8"))


def _drop_output() -> None:
    """What is still buffered must not raise again at exit."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _run(given: Sequence[str]) -> int:
    options = _parser(given).parse_args(given)
    if options.command is None:
        _parser(given).print_help()
        return 2
    from ..errors import ContractError, Diagnostic

    form = getattr(options, "format", "text")
    try:
        return options.run(options)
    except ContractError as error:
        return _refuse(error, form)
    except BrokenPipeError:
        raise
    except OSError as error:
        return _refuse(ContractError(Diagnostic("E101", *_about(error))), form)


def _about(error: OSError) -> tuple[str, Position]:
    """What an error of the system is about: its file, or the working folder, which has been deleted."""
    from ..errors import Position

    words = error.strerror or str(error)
    if isinstance(error.filename, str | bytes):
        return words, Position(os.fsdecode(error.filename))
    try:
        os.getcwd()
    except OSError as missing:
        return f"the working folder cannot be used: {missing.strerror}", Position(os.curdir)
    return words, Position("<system>")


def _parser(given: Sequence[str]) -> argparse.ArgumentParser:
    """All commands with a line of help, but the options of the wanted one only: no other is imported."""
    parser = argparse.ArgumentParser(
        prog="albor-contracts", description="Contracts for the kernels of language models.", epilog=EXITS
    )
    parser.add_argument("--version", action=_Version, help="show the version and exit")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    wanted = next((a for a in given if not a.startswith("-")), None)
    for name, text in COMMANDS.items():
        sub = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".", epilog=EXITS)
        if name == wanted:
            word = name.replace("-", "_")
            module = importlib.import_module(f".{word}_" if keyword.iskeyword(word) else f".{word}", __package__)
            module.arguments(sub)
            sub.set_defaults(run=module.run)
    return parser


def _refuse(error: ContractError, form: str) -> int:
    """Say why the input cannot be judged: for programs on stdout, in their format; for people on stderr."""
    from ..report.diagnostics import render, wants_colour

    if form in ("json", "sarif", "github"):
        print(render(error.diagnostics, form), end="")
    else:
        print(render(error.diagnostics, "text", colour=wants_colour(sys.stderr)), end="", file=sys.stderr)
    return 2


class _Version(argparse.Action):
    """Looks the version up only when it is asked for."""

    def __init__(self, option_strings: Sequence[str], dest: str, help: str | None = None) -> None:
        super().__init__(option_strings, argparse.SUPPRESS, nargs=0, help=help)

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib.metadata import version

        print(f"albor-contracts {version('albor-contracts')}")
        parser.exit()
