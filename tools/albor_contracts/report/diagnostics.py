"""Diagnostics for people (text), programs (json), pull requests (github) and scanners (SARIF 2.1.0).

Everything quoted from a file is untrusted: control characters are printed as escapes, so that no contract can move
the cursor, forge a line of a log or start a workflow command.
"""

from __future__ import annotations

import json
import os
import unicodedata
from collections.abc import Callable, Iterable
from typing import Any, TextIO

from ..codes import CODES
from ..errors import ContractError, Diagnostic, Position, from_here
from ..load.source import FORBIDDEN, Source, read_source

MAX_WIDTH = 140

_COLOURS = {"error": "\033[1;31m", "warning": "\033[1;33m", "note": "\033[1;36m"}
_BOLD, _BLUE, _RESET = "\033[1m", "\033[1;34m", "\033[0m"


def wants_colour(stream: TextIO) -> bool:
    """Only a terminal that did not ask for plain text (https://no-color.org) gets colour."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def escape(text: str) -> str:
    """Control characters, line ends included, and invisible characters as escapes. Unpaired surrogates too."""
    text = text.replace("\n", "\\n").replace("\r", "\\r").replace("\t", "\\t")
    text = FORBIDDEN.sub(lambda m: _code_point(m[0]), text)
    return "".join(_code_point(c) if "\ud800" <= c <= "\udfff" else c for c in text)


def render_text(diagnostics: Iterable[Diagnostic], *, colour: bool = False) -> str:
    """The messages in the manner of a compiler: what, where, the line, a caret, help."""
    paint: Callable[[str, str], str] = (lambda c, s: f"{c}{s}{_RESET}") if colour else (lambda _, s: s)
    lines = _Lines()
    blocks = []
    diagnostics = list(diagnostics)
    for d in diagnostics:
        head = paint(_COLOURS.get(d.severity, _BOLD), f"{d.severity}[{d.code}]")
        block = [f"{head}{paint(_BOLD, f': {escape(d.message)}')}"]
        block += _excerpt(d.position, lines.of(d), paint)
        for place, label in d.related:
            block += _excerpt(place, lines.at(place), paint, label=label)
        if d.hint:
            block.append(f"  {paint(_BLUE, '=')} {paint(_BOLD, 'help')}: {escape(d.hint)}")
        blocks.append("\n".join(block))
    if not blocks:
        return ""
    return "\n\n".join(blocks) + "\n\n" + summary(diagnostics) + "\n"


def summary(diagnostics: Iterable[Diagnostic]) -> str:
    """`2 errors, 1 warning`."""
    severities = [d.severity for d in diagnostics]
    parts = []
    for word in ("error", "warning", "note"):
        n = severities.count(word)
        if n:
            parts.append(f"{n} {word}{'s' if n > 1 else ''}")
    return ", ".join(parts) or "no problems"


def as_data(diagnostic: Diagnostic) -> dict[str, Any]:
    """One diagnostic as JSON data. Lines and columns count from 1; null where the message is about a whole file."""
    return {
        "code": diagnostic.code,
        "severity": diagnostic.severity,
        "message": diagnostic.message,
        "hint": diagnostic.hint,
        **_place(diagnostic.position),
        "related": [{"message": label, **_place(position)} for position, label in diagnostic.related],
    }


def render_json(diagnostics: Iterable[Diagnostic]) -> str:
    # ASCII only: nothing of what was quoted can disturb a terminal, and unpaired surrogates survive.
    return json.dumps({"diagnostics": [as_data(d) for d in diagnostics]}, indent=2) + "\n"


def render_github(diagnostics: Iterable[Diagnostic]) -> str:
    """Workflow commands, one a line: ::error file=...,line=...,col=...,title=...::message"""
    out = []
    for d in diagnostics:
        kind = "notice" if d.severity == "note" else d.severity
        properties = {"file": from_here(d.position.file).replace(os.sep, "/")}
        if d.position.line:
            properties |= {"line": str(d.position.line), "col": str(d.position.column)}
        properties["title"] = d.code
        settings = ",".join(f"{name}={_github(value, property=True)}" for name, value in properties.items())
        message = d.message + (f"\nhelp: {d.hint}" if d.hint else "")
        out.append(f"::{kind} {settings}::{_github(message)}")
    return "\n".join(out) + ("\n" if out else "")


def render_sarif(diagnostics: Iterable[Diagnostic]) -> str:
    """A SARIF 2.1.0 log with one run. Every code that occurs is a rule with its explanation."""
    diagnostics = list(diagnostics)
    codes = sorted({d.code for d in diagnostics})
    rules = []
    for code in codes:
        known = CODES.get(code)
        rule: dict[str, Any] = {"id": code}
        if known is not None:
            rule |= {
                "name": "".join(word.capitalize() for word in known.title.split() if word.isalnum()) or code,
                "shortDescription": {"text": known.title},
                "fullDescription": {"text": known.explanation},
                "help": {"text": f"{known.explanation}\n\nNot this:\n{known.bad}\n\nBut this:\n{known.good}"},
            }
        rules.append(rule)
    results = []
    for d in diagnostics:
        result: dict[str, Any] = {
            "ruleId": d.code,
            "ruleIndex": codes.index(d.code),
            "level": d.severity if d.severity in ("error", "warning", "note") else "none",
            "message": {"text": d.message + (f" (help: {d.hint})" if d.hint else "")},
            "locations": [_location(d.position)],
        }
        if d.related:
            result["relatedLocations"] = [
                {"id": i, **_location(place), "message": {"text": label}} for i, (place, label) in enumerate(d.related)
            ]
        results.append(result)
    from importlib import metadata  # slow to import, and only needed here

    driver = {
        "name": "albor-contracts",
        "version": metadata.version("albor-contracts"),
        "rules": rules,
    }
    log = {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        # Columns of the reader count characters, as YAML marks do.
        "runs": [{"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}],
    }
    return json.dumps(log, indent=2) + "\n"


def render(diagnostics: Iterable[Diagnostic], form: str, *, colour: bool = False) -> str:
    """`form` is text, json, github or sarif."""
    if form == "text":
        return render_text(diagnostics, colour=colour)
    return {"json": render_json, "github": render_github, "sarif": render_sarif}[form](diagnostics)


class _Lines:
    """Lines of the files that messages point into, read once and only when the message did not bring its own."""

    def __init__(self) -> None:
        self.sources: dict[str, Source | None] = {}

    def of(self, diagnostic: Diagnostic) -> str:
        return diagnostic.source or self.at(diagnostic.position)

    def at(self, position: Position) -> str:
        if not position.line:
            return ""
        if position.file not in self.sources:
            try:
                self.sources[position.file] = read_source(position.file, lenient=True)
            except ContractError:
                self.sources[position.file] = None
        source = self.sources[position.file]
        return source.line(position) if source else ""


def _excerpt(position: Position, line: str, paint: Callable[[str, str], str], *, label: str = "") -> list[str]:
    """Where a message points: the diagnostic's own place with a caret, a related one with a dash and its label."""
    mark, arrow = ("-", ":::") if label else ("^", "-->")
    number = str(position.line) if position.line and line.strip() else ""
    pad = " " * len(number)
    out = [f"{pad} {paint(_BLUE, arrow)} {escape(str(position))}{'' if number or not label else ': ' + escape(label)}"]
    if number:
        shown, before = _window(line, max(position.column - 1, 0))
        bar = paint(_BLUE, "|")
        out.append(f"{pad} {bar}")
        out.append(f"{paint(_BLUE, number)} {bar} {shown}")
        caret = paint(_BLUE if label else _COLOURS["error"], mark)
        out.append(f"{pad} {bar} {' ' * before}{caret}{' ' + escape(label) if label else ''}")
    return out


def _window(line: str, column: int) -> tuple[str, int]:
    """The line as printed, cut around the column when it is long, and the width of what stands before the column."""
    start, end = 0, len(line)
    if end > MAX_WIDTH:
        start = max(0, min(column - MAX_WIDTH // 2, end - MAX_WIDTH))
        end = start + MAX_WIDTH
    left, right = "..." if start else "", "..." if end < len(line) else ""
    before = left + _visible(line[start:column])
    return left + _visible(line[start:end]).rstrip() + right, sum(_width(c) for c in before)


def _visible(text: str) -> str:
    return escape(text.replace("\t", "    "))


def _width(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _code_point(character: str) -> str:
    n = ord(character)
    return f"\\x{n:02x}" if n < 0x100 else f"\\u{n:04x}"


def _place(position: Position) -> dict[str, Any]:
    return {"file": from_here(position.file), "line": position.line or None, "column": position.column or None}


def _github(text: str, *, property: bool = False) -> str:
    text = text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    if property:
        text = text.replace(":", "%3A").replace(",", "%2C")
    return escape(text)


def _location(position: Position) -> dict[str, Any]:
    physical: dict[str, Any] = {"artifactLocation": {"uri": _uri(from_here(position.file))}}
    if position.line:
        physical["region"] = {"startLine": position.line, "startColumn": max(position.column, 1)}
    return {"physicalLocation": physical}


def _uri(file: str) -> str:
    from urllib.parse import quote

    path = quote(file.replace(os.sep, "/"), errors="replace")
    return f"file://{path}" if file.startswith("/") else path
