"""Numbers on the command line: types for argparse, which refuse what a command could not use."""

from __future__ import annotations

import argparse
import os


def add_workers(parser: argparse.ArgumentParser) -> None:
    """The option `-n`, of every command that works in several processes."""
    parser.add_argument(
        "-n", dest="workers", type=at_least_one, default=min(2, os.cpu_count() or 1), metavar="N",
        help="worker processes",
    )  # fmt: skip


def at_least_one(text: str) -> int:
    """A whole number from 1 on."""
    if not text.isascii() or not text.isdigit() or not int(text):
        raise argparse.ArgumentTypeError(f"expected a number from 1 on, got {text!r}")
    return int(text)


def seed_number(text: str) -> int:
    """A whole number that every generator takes as a seed."""
    if not text.isascii() or not text.isdigit() or int(text) >= 2**63:
        raise argparse.ArgumentTypeError(f"expected a number from 0 to 2^63 - 1, got {text!r}")
    return int(text)


def positive_seconds(text: str) -> float:
    """A length of time."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 1e6:
        raise argparse.ArgumentTypeError(f"expected seconds, above 0 and below a million, got {text!r}")
    return value
