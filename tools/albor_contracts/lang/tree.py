"""The tree of an expression in index notation. Immutable; every backend walks this and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields

Place = tuple[int, int]  # 0-based line and column inside the text it was parsed from


@dataclass(frozen=True)
class Node:
    place: Place


@dataclass(frozen=True)
class Number(Node):
    value: int | float | bool


@dataclass(frozen=True)
class Literal(Node):
    """A text in quotes: only where a text may stand."""

    value: str


@dataclass(frozen=True)
class Name(Node):
    """A dimension, an index, a scalar, or a whole array where one is allowed."""

    id: str


@dataclass(frozen=True)
class Element(Node):
    """x[b, i]"""

    array: str
    indices: tuple[Node, ...]


@dataclass(frozen=True)
class Unary(Node):
    op: str  # - + ~ not
    operand: Node


@dataclass(frozen=True)
class Binary(Node):
    op: str  # + - * / // % ** & | ^ << >>
    left: Node
    right: Node


@dataclass(frozen=True)
class Compare(Node):
    op: str  # == != < <= > >=
    left: Node
    right: Node


@dataclass(frozen=True)
class Logic(Node):
    op: str  # and | or
    left: Node
    right: Node


@dataclass(frozen=True)
class Apply(Node):
    """A function of the closed list, applied elementwise."""

    function: str
    arguments: tuple[Node, ...]


@dataclass(frozen=True)
class RoundTo(Node):
    """round_to(bf16, x): the value rounded to nearest even in that dtype."""

    dtype: str
    operand: Node


@dataclass(frozen=True)
class Reduce(Node):
    """sum[i, j](body, where=condition)"""

    op: str
    over: tuple[str, ...]
    body: Node
    where: Node | None


@dataclass(frozen=True)
class Call(Node):
    """softmax(x): the kernel under test; spec.softmax(x): the definition."""

    equation: str
    arguments: tuple[Node, ...]
    spec: bool


@dataclass(frozen=True)
class Statement(Node):
    """targets[...] = value. `indices` is None for a plain name; several targets take the outputs of one call.

    `ranges` are those that indices on the left state: y[t: T] = ...
    """

    targets: tuple[str, ...]
    indices: tuple[str, ...] | None
    value: Node
    ranges: tuple[tuple[str, str | int], ...] = ()


# The fields that hold further nodes, in the order they are read.
_PARTS: dict[type, tuple[str, ...]] = {
    Number: (), Literal: (), Name: (), Element: ("indices",), Unary: ("operand",), Binary: ("left", "right"),
    Compare: ("left", "right"), Logic: ("left", "right"), Apply: ("arguments",), RoundTo: ("operand",),
    Reduce: ("body", "where"), Call: ("arguments",), Statement: ("value",),
}  # fmt: skip

_FIELDS: dict[type, tuple[str, ...]] = {}


def _names(kind: type) -> tuple[str, ...]:
    """Fields of a kind of node, but for its place. Looked up very often."""
    found = _FIELDS.get(kind)
    if found is None:
        found = _FIELDS[kind] = tuple(f.name for f in fields(kind) if f.name != "place")
    return found


def below(node: Node) -> list[Node]:
    """The nodes just below."""
    found: list[Node] = []
    for name in _PARTS[type(node)]:
        value = getattr(node, name)
        if value.__class__ is tuple:
            found += value
        elif value is not None:
            found.append(value)
    return found


def walk(node: Node) -> Iterator[Node]:
    """The node and all below it, each before its children."""
    return iter(nodes(node))


def nodes(node: Node) -> tuple[Node, ...]:
    """What `walk` gives. Trees never change, and the same ones are walked again and again: found once and kept."""
    known: tuple[Node, ...] | None = node.__dict__.get("_nodes")
    if known is None:
        found: list[Node] = []
        waiting = [node]
        while waiting:
            found.append(following := waiting.pop())
            if inner := below(following):
                waiting += reversed(inner)
        known = node.__dict__["_nodes"] = tuple(found)
    return known


def form(node: Node) -> tuple[object, ...]:
    """The node without its places: equal for expressions that are written alike."""
    known: tuple[object, ...] | None = node.__dict__.get("_form")
    if known is None:
        known = node.__dict__["_form"] = _form(node)
    return known


def _form(node: Node) -> tuple[object, ...]:
    parts: list[object] = [type(node).__name__]
    for name in _names(type(node)):
        value = getattr(node, name)
        if isinstance(value, Node):
            parts.append(form(value))
        elif isinstance(value, tuple):
            parts.append(tuple(form(v) if isinstance(v, Node) else v for v in value))
        else:
            parts.append(value)
    return tuple(parts)
