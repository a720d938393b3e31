"""Nodes -> the dataclasses of the model, driven by their annotations and field metadata alone.

The same `Rule`s describe the format to the JSON Schema, so that an editor and the reader agree.
"""

from __future__ import annotations

import dataclasses
import keyword
import math
import re
import types
import typing
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeVar

from ..errors import ContractError, Position, Text
from ..model import Entry
from ..suggest import did_you_mean
from .nodes import Broken, Mapping, Node, Scalar, Sequence, short
from .scalars import MAX_DIGITS, TooLong, plain, text_of, value_of
from .source import FORBIDDEN, Source

MAX_NAME = 64
MAX_TEXT = 64 * 1024

E = TypeVar("E", bound=Entry)


@dataclass(frozen=True, slots=True)
class Shape:
    """Type of a value: kind is text, bool, int, float, any, list, map or entry."""

    kind: str
    item: Shape | None = None
    entry: type[Entry] | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """One key of the format."""

    field: str
    key: str
    shape: Shape
    required: bool
    doc: str
    one_of: tuple[str, ...] = ()
    pattern: str = ""
    number: bool = False
    empty: bool = False
    keys: str = ""
    over: float | None = None
    under: float | None = None


def shape_of(hint: Any) -> Shape:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        (hint,) = [argument for argument in arguments if argument is not type(None)]
        return shape_of(hint)
    if origin is tuple:
        return Shape("list", shape_of(arguments[0]))
    if origin is dict:
        return Shape("map", shape_of(arguments[1]))
    if dataclasses.is_dataclass(hint):
        return Shape("entry", entry=typing.cast(type[Entry], hint))
    return Shape({Text: "text", bool: "bool", int: "int", float: "float", Any: "any"}[hint])


_RULES: dict[type, dict[str, Rule]] = {}


def rules_of(cls: type[Entry]) -> dict[str, Rule]:
    """YAML key -> rule, in the order of the fields. Hidden fields have no key."""
    if cls not in _RULES:
        _RULES[cls] = _derive_rules(cls)
    return _RULES[cls]


_REQUIRED: dict[type, tuple[Rule, ...]] = {}


def _required(cls: type[Entry]) -> tuple[Rule, ...]:
    if cls not in _REQUIRED:
        _REQUIRED[cls] = tuple(rule for rule in rules_of(cls).values() if rule.required)
    return _REQUIRED[cls]


@lru_cache(maxsize=256)
def _whole(pattern: str) -> Callable[[str], re.Match[str] | None]:
    """What tells whether a whole text matches."""
    return re.compile(pattern, re.ASCII).fullmatch


def _derive_rules(cls: type[Entry]) -> dict[str, Rule]:
    hints = typing.get_type_hints(cls)
    rules = {}
    for item in dataclasses.fields(cls):
        meta = item.metadata
        if meta.get("hidden"):
            continue
        name = item.name.removesuffix("_")
        required = item.default is dataclasses.MISSING and item.default_factory is dataclasses.MISSING
        rules[name] = Rule(
            item.name, name, shape_of(hints[item.name]), required, meta["doc"], tuple(meta["one_of"] or ()),
            meta["pattern"], meta["number"], meta["empty"], meta["keys"], meta["over"], meta["under"],
        )  # fmt: skip
    return rules


def bind(source: Source, node: Node | None, cls: type[E], what: str, **hidden: Any) -> E:
    """The root of a file as a `cls`. Raises `ContractError` with every problem of the file."""
    if node is None or (isinstance(node, Scalar) and not node.style and not node.value):
        source.fail("E104", "the file is empty", Position(source.file, 1, 1), f"{what} is a mapping of keys to values")
    binder = _Binder(source)
    if isinstance(node, Mapping):
        result = binder.entry(node, cls, "", what, hidden)
    else:
        result = None
        if not isinstance(node, Broken):
            binder.wrong(node, what, "a mapping of keys to values")
    if source.failed or result is None:
        raise ContractError(*source.diagnostics)
    return typing.cast(E, result)


_FAILED = object()


class _Binder:
    def __init__(self, source: Source) -> None:
        self.source = source

    def entry(self, node: Mapping, cls: type[Entry], path: str, what: str, hidden: dict[str, Any]) -> Entry | None:
        rules = rules_of(cls)
        position = self.source.position(*node.start)
        values: dict[str, Any] = dict(hidden)
        extensions: dict[str, Any] = {}
        keys: dict[str, Position] = {}
        complete = True
        for key, value in node.pairs:
            place = self.source.position(*key.start)
            if key.value.startswith("x-"):
                extensions[text_of(self.source, key)] = plain(self.source, value)
                continue
            rule = rules.get(key.value)
            if rule is None:
                self.source.report(
                    "E201", f"unknown key `{short(key.value)}` in {what}", place,
                    hint=did_you_mean(key.value, rules, f"the keys are: {', '.join(rules)}; your own begin with `x-`"),
                )  # fmt: skip
                continue
            keys[key.value] = place
            bound = self.value(value, rule.shape, rule, f"{path}.{key.value}" if path else key.value)
            if bound is _FAILED:
                complete = False
            else:
                values[rule.field] = bound
        for rule in _required(cls):
            if rule.key not in keys:
                complete = False
                message = f"{what} lacks the key `{rule.key}`"
                self.source.report("E202", message, position, hint=f"{rule.key}: {rule.doc}")
        if not complete:
            return None
        return cls(position=position, extensions=extensions, keys=keys, **values)

    def value(self, node: Node, shape: Shape, rule: Rule, path: str) -> Any:
        if isinstance(node, Broken):
            return _FAILED
        if shape.kind == "any":
            return plain(self.source, node, bare_inf=True)
        if isinstance(node, Scalar) and not node.style and not node.value:
            self.source.report(
                "E206",
                f"`{path}` has no value",
                self.source.position(*node.start),
                hint="give it one, or delete the key",
            )
            return _FAILED
        if shape.kind == "list":
            return self.sequence(node, shape, rule, path)
        if shape.kind == "map":
            return self.mapping(node, shape, rule, path)
        if shape.kind == "entry":
            return self.nested(node, shape, path)
        if not isinstance(node, Scalar):
            return self.wrong(node, f"`{path}`", _EXPECTED[shape.kind])
        return self.text(node, rule, path) if shape.kind == "text" else self.number(node, shape, rule, path)

    def sequence(self, node: Node, shape: Shape, rule: Rule, path: str) -> Any:
        assert shape.item is not None
        if not isinstance(node, Sequence):
            hint = f"write [{short(node.value)}]" if isinstance(node, Scalar) and len(node.value) < 40 else ""
            return self.wrong(node, f"`{path}`", "a list", hint)
        items = [self.value(item, shape.item, rule, f"{path}[{i}]") for i, item in enumerate(node.items)]
        if not items and rule.required:
            self.source.report("E206", f"`{path}` is an empty list", self.source.position(*node.start), hint=rule.doc)
            return _FAILED
        return _FAILED if any(item is _FAILED for item in items) else tuple(items)

    def mapping(self, node: Node, shape: Shape, rule: Rule, path: str) -> Any:
        assert shape.item is not None
        if not isinstance(node, Mapping):
            return self.wrong(node, f"`{path}`", "a mapping of names to values")
        result: dict[str, Any] = {}
        # Only the outermost level of a map of maps has the pattern; inner names are identifiers.
        inner = dataclasses.replace(rule, keys="") if shape.item.kind == "map" else rule
        failed = False
        for key, value in node.pairs:
            if not self.name(key, rule.keys, path):
                failed = True
                continue
            bound = self.value(value, shape.item, inner, f"{path}.{key.value}")
            failed = failed or bound is _FAILED
            result[text_of(self.source, key)] = bound
        if not result and not failed and rule.required:
            self.source.report("E206", f"`{path}` is empty", self.source.position(*node.start), hint=rule.doc)
            return _FAILED
        return _FAILED if failed else result

    def name(self, key: Scalar, pattern: str, path: str) -> bool:
        """Whether a key chosen by the author can be a name everywhere it will be used."""
        word = key.value
        if len(word) > MAX_NAME:
            self.source.report(
                "E210", f"a name in `{path}` has more than {MAX_NAME} characters", self.source.position(*key.start)
            )
            return False
        if not _whole(pattern or _IDENTIFIER)(word):
            hint = _lookalike(word) or f"it must match {pattern or _IDENTIFIER}"
            self.source.report(
                "E207", f"`{short(word)}` in `{path}` is not a name", self.source.position(*key.start), hint=hint
            )
            return False
        if keyword.iskeyword(word) or (word.startswith("__") and word.endswith("__")):
            self.source.report(
                "E207",
                f"`{word}` in `{path}` is a word of Python and cannot be a name",
                self.source.position(*key.start),
                hint=f"write `{word.strip('_')}_1`, say",
            )
            return False
        return True

    def nested(self, node: Node, shape: Shape, path: str) -> Any:
        assert shape.entry is not None
        alone = getattr(shape.entry, "shorthand", "")
        if alone and isinstance(node, Scalar):
            rule_alone = rules_of(shape.entry)[alone]
            bound = self.text(node, rule_alone, path)
            if bound is _FAILED:
                return _FAILED
            place = self.source.position(*node.start)
            return shape.entry(position=place, keys={alone: place}, **{rule_alone.field: bound})
        if not isinstance(node, Mapping):
            return self.wrong(node, f"`{path}`", "text or a mapping" if alone else "a mapping of keys to values")
        bound_entry = self.entry(node, shape.entry, path, f"`{path}`", {})
        return _FAILED if bound_entry is None else bound_entry

    def text(self, node: Scalar, rule: Rule, path: str) -> Any:
        try:
            value = value_of(node)
        except TooLong:
            self.source.report("E115", f"`{path}` has more than {MAX_DIGITS} digits", self.source.position(*node.start))
            return _FAILED
        if not isinstance(value, str):
            finite = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
            if not (rule.number and finite):
                if rule.number:
                    return self.wrong(node, f"`{path}`", "a finite number or an expression")
                return self.wrong(node, f"`{path}`", "text", f'write it in quotes: "{short(node.value)}"')
        text = text_of(self.source, node)
        if len(text) > MAX_TEXT:
            self.source.report(
                "E210", f"`{path}` has more than {MAX_TEXT:,} characters", self.source.position(*node.start)
            )
            return _FAILED
        if not text.strip() and not rule.empty:
            self.source.report("E206", f"`{path}` is empty", self.source.position(*node.start), hint=rule.doc)
            return _FAILED
        if not text.isprintable() and (found := FORBIDDEN.search(text)):
            self.source.report(
                "E209",
                f"`{path}` contains the character U+{ord(found[0]):04X}",
                self.source.position(*node.start),
                hint="only visible characters, spaces, tabs and line ends are permitted here",
            )
            return _FAILED
        if rule.one_of and text not in rule.one_of:
            words = ", ".join(rule.one_of)
            self.source.report(
                "E205",
                f"`{path}` cannot be `{short(text)}`",
                self.source.position(*node.start),
                hint=did_you_mean(text, rule.one_of, f"one of: {words}"),
            )
            return _FAILED
        if rule.pattern and (len(text) > 2 * MAX_NAME or not _whole(rule.pattern)(text)):
            hint = _lookalike(text) or f"it must match {rule.pattern}"
            self.source.report(
                "E204", f"`{path}` cannot be `{short(text)}`", self.source.position(*node.start), hint=hint
            )
            return _FAILED
        return text

    def number(self, node: Scalar, shape: Shape, rule: Rule, path: str) -> Any:
        place = self.source.position(*node.start)
        try:
            value = value_of(node)
        except TooLong:
            self.source.report("E115", f"`{path}` has more than {MAX_DIGITS} digits", place)
            return _FAILED
        kind = type(value)
        fits = {"bool": kind is bool, "int": kind is int, "float": kind in (int, float)}[shape.kind]
        if not fits:
            return self.wrong(node, f"`{path}`", _EXPECTED[shape.kind])
        if kind is bool:
            return value
        if kind is float and not math.isfinite(value):
            self.source.report("E208", f"`{path}` must be a finite number, not {node.value}", place)
            return _FAILED
        if (rule.over is not None and value <= rule.over) or (rule.under is not None and value >= rule.under):
            limits = " and ".join(
                f"{word} {limit:g}" for word, limit in (("more than", rule.over), ("less than", rule.under))
                if limit is not None
            )  # fmt: skip
            self.source.report("E208", f"`{path}` must be {limits}, not {short(node.value)}", place)
            return _FAILED
        try:
            return float(value) if shape.kind == "float" else value
        except OverflowError:
            self.source.report("E208", f"`{path}` does not fit a float64", place)
            return _FAILED

    def wrong(self, node: Node, what: str, expected: str, hint: str = "") -> Any:
        self.source.report(
            "E203", f"{what} must be {expected}, not {_describe(node)}", self.source.position(*node.start), hint=hint
        )
        return _FAILED


_IDENTIFIER = r"[A-Za-z_][A-Za-z0-9_]*"
_EXPECTED = {"text": "text", "bool": "true or false", "int": "a whole number", "float": "a number"}


def _describe(node: Node) -> str:
    if isinstance(node, Mapping):
        return "a mapping"
    if isinstance(node, Sequence):
        return "a list"
    assert isinstance(node, Scalar)
    try:
        value = value_of(node)
    except TooLong:
        return "a very long number"
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return f"the truth value {node.value}"
    if isinstance(value, int | float):
        return f"the number {short(node.value)}"
    return f"the text `{short(node.value)}`"


def _lookalike(word: str) -> str:
    """A hint that names the first character outside ASCII: many look exactly like a letter inside."""
    odd = next((c for c in word if ord(c) > 127), "")
    return f"the character {odd!r} is U+{ord(odd):04X}, not an ASCII letter" if odd else ""
