"""YAML text -> a tree of nodes that know their place.

Built from libyaml's events rather than by PyYAML's constructor: nothing is constructed, nothing is recursive, and
nesting, size, aliases, tags and duplicate keys are judged while reading.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from ..errors import Position
from .source import Source

MAX_DEPTH = 32
MAX_NODES = 50_000

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(slots=True)
class Scalar:
    value: str
    style: str  # "" plain, ' or " quoted, | literal, > folded
    start: tuple[int, int]  # 0-based line and column of the first character, quotes and | included
    end: tuple[int, int]


@dataclass(slots=True)
class Sequence:
    start: tuple[int, int]
    items: list[Node] = field(default_factory=list)


@dataclass(slots=True)
class Mapping:
    start: tuple[int, int]
    pairs: list[tuple[Scalar, Node]] = field(default_factory=list)

    def get(self, key: str) -> Node | None:
        """Value of the first `key`."""
        return next((value for name, value in self.pairs if name.value == key), None)


@dataclass(slots=True)
class Broken:
    """Stands where something was refused, so that nothing is said about it twice."""

    start: tuple[int, int]


Node = Scalar | Sequence | Mapping | Broken


def compose(source: Source, *, lenient: bool = False) -> Node | None:
    """The tree of a file with one document; None for a file without one.

    Lenient reading notes what strict reading refuses (duplicate keys, aliases, tags, further documents) and goes on:
    the last duplicate holds, an alias stands for its own name, tags are dropped.
    """
    loader = None
    try:
        loader = _LOADER(source.text)
        return _Composer(source, lenient).run(iter(loader.get_event, None))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        position = source.position(mark.line, mark.column) if mark else Position(source.file)
        what = ", ".join(part for part in (error.problem, error.context) if part)
        source.fail("E107", f"this is not YAML: {what}", position, _advice(source, error))
    except (yaml.YAMLError, UnicodeError) as error:
        source.fail("E107", f"this is not YAML: {' '.join(str(error).split())}", Position(source.file))
    finally:
        if loader is not None:
            loader.dispose()


class _Composer:
    def __init__(self, source: Source, lenient: bool) -> None:
        self.source = source
        self.lenient = lenient
        self.stack: list[Sequence | Mapping] = []
        self.keys: list[Node | None] = []  # the key that waits for its value, for each open mapping
        self.seen: list[dict[str, tuple[int, int]]] = []
        self.root: Node | None = None
        self.nodes = 0

    def run(self, events: Iterator[Any]) -> Node | None:
        documents = 0
        for event in events:
            kind = type(event)
            if kind is yaml.ScalarEvent:
                if event.anchor is not None or event.tag is not None:
                    self.mark(event)
                start, end = event.start_mark, event.end_mark
                place = start.line, start.column
                self.add(Scalar(event.value, event.style or "", place, (end.line, end.column)))
            elif kind is yaml.MappingStartEvent or kind is yaml.SequenceStartEvent:
                self.open(event, Mapping(_start(event)) if kind is yaml.MappingStartEvent else Sequence(_start(event)))
            elif kind is yaml.MappingEndEvent or kind is yaml.SequenceEndEvent:
                self.close()
            elif kind is yaml.AliasEvent:
                self.refuse("E109", f"the alias *{short(event.anchor)} is not permitted", event, "write the value out")
                self.add(
                    Scalar(f"*{event.anchor}", "'", _start(event), _end(event))
                    if self.lenient
                    else Broken(_start(event))
                )
            elif kind is yaml.DocumentStartEvent:
                documents += 1
                if documents > 1:
                    self.refuse("E110", "a second YAML document begins here", event, "put it in a file of its own")
                    break
        return self.root

    def open(self, event: Any, node: Sequence | Mapping) -> None:
        self.mark(event)
        self.add(node)
        self.stack.append(node)
        self.keys.append(None)
        self.seen.append({})
        if len(self.stack) > MAX_DEPTH:
            self.source.fail("E112", f"nested more than {MAX_DEPTH} deep", self.source.position(*node.start))

    def close(self) -> None:
        self.stack.pop()
        self.keys.pop()
        self.seen.pop()

    def add(self, node: Node) -> None:
        self.nodes += 1
        if self.nodes > MAX_NODES:
            self.source.fail("E113", f"more than {MAX_NODES:,} entries", self.source.position(*node.start))
        if not self.stack:
            self.root = node
            return
        parent = self.stack[-1]
        if isinstance(parent, Sequence):
            parent.items.append(node)
            return
        key = self.keys[-1]
        if key is None:
            self.keys[-1] = self.key(node)
            return
        self.keys[-1] = None
        if isinstance(key, Scalar):
            parent.pairs.append((key, node))

    def key(self, node: Node) -> Node:
        """The key itself, or Broken when its value must be dropped."""
        if not isinstance(node, Scalar):
            if not isinstance(node, Broken):
                self.say("E114", "a key must be text", self.source.position(*node.start))
            return Broken(node.start)
        seen = self.seen[-1]
        if node.value in seen:
            first = self.source.position(*seen[node.value])
            self.say(
                "E108",
                f"the key `{short(node.value)}` is written twice",
                self.source.position(*node.start),
                hint="keep one of them",
                related=((first, "first written here"),),
            )
            if not self.lenient:
                return Broken(node.start)
            mapping = self.stack[-1]
            assert isinstance(mapping, Mapping)
            mapping.pairs = [pair for pair in mapping.pairs if pair[0].value != node.value]
        seen[node.value] = node.start
        return node

    def mark(self, event: Any) -> None:
        if event.anchor is not None:
            self.refuse("E109", f"the anchor &{short(event.anchor)} is not permitted", event, "write the value out")
        if event.tag is not None:
            self.refuse(
                "E111", f"the tag {short(event.tag)} is not permitted", event, "the key decides the type; delete it"
            )

    def refuse(self, code: str, message: str, event: Any, hint: str) -> None:
        self.say(code, message, self.source.position(*_start(event)), hint=hint)

    def say(
        self,
        code: str,
        message: str,
        place: Position,
        *,
        hint: str = "",
        related: tuple[tuple[Position, str], ...] = (),
    ) -> None:
        if self.lenient and len(self.source.diagnostics) > 20:
            return  # notes only; enough of them
        severity = "note" if self.lenient else "error"
        self.source.report(code, message, place, hint=hint, severity=severity, related=related)


def short(word: str) -> str:
    """A word of the file as messages quote it: one line, and not too long."""
    line = word.split("\n", 1)[0]
    return line if len(line) <= 60 and line == word else line[:57] + "..."


def _start(event: Any) -> tuple[int, int]:
    return event.start_mark.line, event.start_mark.column


def _end(event: Any) -> tuple[int, int]:
    return event.end_mark.line, event.end_mark.column


def _advice(source: Source, error: yaml.MarkedYAMLError) -> str:
    what = error.problem or ""
    mark = error.problem_mark
    line = source.lines[mark.line] if mark and mark.line < len(source.lines) else ""
    if "mapping values are not allowed" in what:
        return "a text that contains ': ' must be quoted"
    if "\t" in line[: len(line) - len(line.lstrip())] or ("cannot start any token" in what and "\t" in line):
        return "indent with spaces, not with tabs"
    if "cannot start any token" in what:
        return "a text that begins with this character must be quoted"
    if "expected <block end>" in what or "did not find expected" in what:
        return "check the indentation, and quote texts that hold brackets, braces, commas or colons"
    return ""
