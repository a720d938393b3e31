"""What a scalar means: YAML 1.2's core types, and texts that know where each character stands.

PyYAML follows YAML 1.1, where `1e-5` is a string and `no` is false; contracts are read by the 1.2 rules.
"""

from __future__ import annotations

import re
from typing import Any

from ..errors import Position, Text
from .nodes import Broken, Mapping, Node, Scalar, Sequence
from .source import Source

MAX_DIGITS = 400  # longer than any float64 written out; also below Python's own limit for int()

_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_SPECIAL = re.compile(r"([-+]?)\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_BARE_SPECIAL = re.compile(r"([-+]?)inf|nan")
_WORDS: dict[str, Any] = {
    "": None,
    "~": None,
    "null": None,
    "Null": None,
    "NULL": None,
    "true": True,
    "True": True,
    "TRUE": True,
    "false": False,
    "False": False,
    "FALSE": False,
}


class TooLong(ValueError):
    """A number with more digits than any that makes sense."""


def value_of(node: Scalar, *, bare_inf: bool = False) -> Any:
    """None, bool, int, float or str. `bare_inf`: inf and nan are numbers without the leading dot too."""
    if node.style:
        return node.value
    text = node.value
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in "-+.0123456789in":
        return text
    special = _SPECIAL.fullmatch(text) or (_BARE_SPECIAL.fullmatch(text) if bare_inf else None)
    if special:
        return float(text.lower().replace(".", ""))
    whole = _INT.fullmatch(text)
    if whole or _FLOAT.fullmatch(text):
        if len(text) > MAX_DIGITS:
            raise TooLong(text)
        if not whole:
            return float(text)
        return int(text[2:], {"o": 8, "x": 16}[text[1]]) if text[:2] in ("0o", "0x") else int(text)
    return text


def text_of(source: Source, node: Scalar) -> Text:
    """The scalar as written, with the position of each line. Not exact where YAML folds or unescapes."""
    line, column = node.start
    if node.style == "|":
        starts = _literal_starts(source, node)
        if starts:
            return Text(node.value, starts)
    elif node.style != ">" and node.end[0] == line:
        offset = column + (1 if node.style else 0)
        if source.lines[line].startswith(node.value, offset) and (
            not node.style or node.end[1] == offset + len(node.value) + 1
        ):
            return Text(node.value, (source.position(line, offset),))
    return Text(node.value, (source.position(line, column),), exact=False)


def _literal_starts(source: Source, node: Scalar) -> tuple[Position, ...]:
    """One position for each line of a `|` text: its lines are the file's lines without the indentation."""
    first = node.start[0] + 1
    indent = -1
    lines = node.value.split("\n")
    for number, text in enumerate(lines):
        if text:
            written = source.lines[first + number] if first + number < len(source.lines) else ""
            if not written.endswith(text):
                return ()
            indent = len(written) - len(text)
            break
    if indent < 0:
        return ()
    return tuple(source.position(first + number, indent) for number in range(len(lines)))


def plain(source: Source, node: Node, *, bare_inf: bool = False) -> Any:
    """A node as Python data: None, bool, int, float, Text, list and dict. For `given` and for extensions."""
    if isinstance(node, Scalar):
        try:
            value = value_of(node, bare_inf=bare_inf)
        except TooLong:
            source.report("E115", f"this number has more than {MAX_DIGITS} digits", source.position(*node.start))
            return None
        return text_of(source, node) if isinstance(value, str) else value
    if isinstance(node, Sequence):
        return [plain(source, item, bare_inf=bare_inf) for item in node.items]
    if isinstance(node, Mapping):
        return {text_of(source, key): plain(source, value, bare_inf=bare_inf) for key, value in node.pairs}
    assert isinstance(node, Broken)
    return None
