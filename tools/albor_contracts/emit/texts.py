"""Pieces of Python text: literals that hold any text, calls that keep to a line length."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable, Sequence
from typing import Any

WIDTH = 120
HEADER = "Compiled from {path}: change the contract and run `albor-contracts generate`, never this file."


def literal(text: str) -> str:
    """A text as a Python string literal in double quotes, plain ASCII."""
    body = ascii(text)[1:-1]
    if ascii(text).startswith("'"):
        body = body.replace("\\'", "'")
    body = body.replace('"', '\\"')
    return f'"{body}"'


def value_text(value: Any) -> str:
    """A concrete input as a Python literal."""
    if isinstance(value, list | tuple):
        return "[" + ", ".join(value_text(v) for v in value) + "]"
    if isinstance(value, bool) or value is None:
        return repr(value)
    if isinstance(value, float) and not math.isfinite(value):
        return f'float("{value}")'
    if isinstance(value, int | float):
        return repr(value)
    return literal(str(value))


def quoted_doc(text: str) -> str:
    """A one-line docstring; whatever could end it is escaped."""
    flat = " ".join(text.split())
    safe = flat.replace("\\", "\\\\").replace('"', '\\"')
    printable = "".join(c if c.isprintable() else "?" for c in safe)
    return f'"""{printable}"""'


def call_lines(name: str, parts: Sequence[str], before: str = "", spread: bool = False, indent: int = 4) -> list[str]:
    """A call on one line, or with each argument on its own where that is too long."""
    line = f"{before}{name}({', '.join(parts)})"
    if not spread and len(line) + indent <= WIDTH:
        return [line]
    return [f"{before}{name}(", *(f"    {part}," for part in parts), ")"]


def import_lines(module: str, names: Sequence[str]) -> list[str]:
    """`from module import ...`, sorted, as many names on a line as fit."""
    ordered = sorted(names, key=_isort_key)
    line = f"from {module} import {', '.join(ordered)}"
    if len(line) <= WIDTH:
        return [line]
    return [f"from {module} import (", *wrapped([f"{name}," for name in ordered]), ")"]


def wrapped(words: Sequence[str], indent: int = 4) -> list[str]:
    """Words joined by blanks, as many on an indented line as fit."""
    return textwrap.wrap(
        " ".join(words), WIDTH, initial_indent=" " * indent, subsequent_indent=" " * indent, break_long_words=False,
        break_on_hyphens=False,
    )  # fmt: skip


def doc_lines(text: str) -> list[str]:
    """A docstring, indented by four and wrapped where it is long."""
    line = quoted_doc(text)
    if len(line) + 4 <= WIDTH:
        return [f"    {line}"]
    return wrapped([line])


def signature_lines(text: str, on_device: Iterable[str] = ()) -> list[str]:
    """`@defines("...")` of a signature, cut between parameters where it is long."""
    lies = f'on_device="{" ".join(sorted(on_device))}"' if on_device else ""
    line = f'@defines("{text}"{", " + lies if lies else ""})'
    if len(line) <= WIDTH:
        return [line]
    inputs, outputs = text.split(" -> ")
    parts = [f"{part}, " for part in inputs.split(", ")]
    parts[-1] = parts[-1].removesuffix(", ")
    rows = [""]
    for part in (*parts, f" -> {outputs}"):
        if len(rows[-1]) + len(part) > WIDTH - 8:
            rows.append("")
        rows[-1] += part
    if lies:
        return ["@defines(", *(f'    "{row}"' for row in rows[:-1]), f'    "{rows[-1]}",', f"    {lies},", ")"]
    return ["@defines(", *(f'    "{row}"' for row in rows), ")"]


def _isort_key(name: str) -> tuple[int, str]:
    """Constants, then classes, then functions."""
    return 0 if name.isupper() and len(name) > 1 else 1 if name[:1].isupper() else 2, name
