"""Types, domains and dimension ranges, parsed from the short texts of a contract.

    type:    float[B, N]   accum[]   i64[T]   u8[B, 144]   real   int   bool   text   bytes   record   nothing
    domain:  in [-50, 50]   in [0, V)   in {1, 2, 4}   in [0, V) or {ignore}   length 0..64
    range:   1..4097   8   1, 2, 4, 8   G * K  (derived)

`float` is the dtype under test, `accum` the dtype it is accumulated in (f32; f64 when the dtype under test is f64).
`nothing` is the output of an equation that is called for its verdict: it returns None or raises.
Bounds of domains are small arithmetic expressions in dimensions and scalar inputs.
"""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from ..errors import Text, problem

FLOATING = ("float", "accum", "f64", "f32", "f16", "bf16")
INTEGER_RANGES = {"i64": (-(2**63), 2**63 - 1), "i32": (-(2**31), 2**31 - 1), "i8": (-128, 127), "u8": (0, 255)}
INTEGER = tuple(INTEGER_RANGES)
ARRAY_DTYPES = (*FLOATING, *INTEGER, "bool")
SCALARS = ("real", "int", "bool")
OPAQUE = ("text", "bytes", "record", "nothing")

MAX_DOMAIN = 500

_MOST = 10_000  # the same few texts come back for every obligation of a contract; what they mean is kept

_TYPE = re.compile(r"\s*([a-z][a-z0-9]*)\s*(\[([^\]]*)\])?\s*")


@dataclass(frozen=True)
class Type:
    """`dtype` with the dimensions of an array, or `shape=None` for a scalar, text, bytes or record."""

    dtype: str
    shape: tuple[str | int, ...] | None = None

    @property
    def is_array(self) -> bool:
        return self.shape is not None

    @property
    def is_floating(self) -> bool:
        return self.dtype in FLOATING or self.dtype == "real"

    @property
    def is_opaque(self) -> bool:
        return self.dtype in OPAQUE

    @property
    def kind(self) -> str:
        """What the elements are: floating, whole, boolean; of texts, bytes and records their own name."""
        if self.is_floating:
            return "floating"
        return "boolean" if self.dtype == "bool" else self.dtype if self.is_opaque else "whole"

    def __str__(self) -> str:
        return self.dtype if self.shape is None else f"{self.dtype}[{', '.join(map(str, self.shape))}]"


@lru_cache(maxsize=_MOST)
def parse_type(text: str) -> tuple[Type, str]:
    """The type at the beginning of `text`, and the rest of the text."""
    match = _TYPE.match(text)
    if not match:
        raise problem(
            "E401", f"expected a type, found {text!r}", _place(text), "for example float[B, N], i64[T] or real"
        )
    name, brackets, inside = match.groups()
    rest = text[match.end() :].strip()
    if brackets is None:
        if name not in (*SCALARS, *OPAQUE):
            hint = (
                f"write {name}[] for a single value"
                if name in ARRAY_DTYPES
                else f"one of {', '.join((*SCALARS, *OPAQUE))}"
            )
            raise problem("E401", f"unknown scalar type {name!r}", _place(text), hint)
        return Type(name), rest
    if name not in ARRAY_DTYPES:
        raise problem("E401", f"unknown element type {name!r}", _place(text), f"one of {', '.join(ARRAY_DTYPES)}")
    shape: list[str | int] = []
    for part in inside.split(",") if inside.strip() else []:
        word = part.strip()
        if re.fullmatch(r"[0-9]{1,9}", word):
            shape.append(int(word))
        elif word.isidentifier() and word.isascii():
            shape.append(word)
        else:
            raise problem(
                "E401", f"{word!r} is not a dimension", _place(text), "a name or a number; declare H: G * K under dims"
            )
    return Type(name, tuple(shape)), rest


@dataclass(frozen=True)
class Interval:
    """One interval of a domain; bounds are expressions in dimensions and scalar inputs."""

    low: str
    high: str
    low_open: bool = False
    high_open: bool = False


@dataclass(frozen=True)
class Domain:
    """Union of intervals and single values. `length` bounds texts and bytes. Everything empty: unrestricted."""

    intervals: tuple[Interval, ...] = ()
    values: tuple[str, ...] = ()
    length: tuple[int, int] | None = None


_INTERVAL = re.compile(r"([\[\(])\s*(.+?)\s*,\s*(.+?)\s*([\]\)])$")


@lru_cache(maxsize=_MOST)
def parse_domain(text: str) -> Domain:
    """`in [-1, 1]`, `in (0, 1] or {2}`, `in {1, 2}`, `length 0..64`, or the empty text."""
    body = text.strip()
    if not body:
        return Domain()
    if len(body) > MAX_DOMAIN:
        raise problem("E402", f"this domain has {len(body)} characters; the limit is {MAX_DOMAIN}", _place(text))
    if body.startswith("length"):
        low, high = parse_range(body.removeprefix("length").strip(), text)
        return Domain(length=(low, high))
    if not body.startswith("in "):
        raise problem(
            "E402",
            f"expected a domain, found {body!r}",
            _place(text),
            "for example: in [-50, 50], in [0, V), in {1, 2, 4}",
        )
    intervals: list[Interval] = []
    values: list[str] = []
    for part in re.split(r"\bor\b", body[3:]):
        piece = part.strip()
        if piece.startswith("{") and piece.endswith("}"):
            values += [v.strip() for v in piece[1:-1].split(",")]
        elif match := _INTERVAL.match(piece):
            left, start, end, right = match.groups()
            intervals.append(Interval(start, end, left == "(", right == ")"))
        else:
            raise problem(
                "E402", f"cannot read the domain {piece!r}", _place(text), "an interval [a, b] or a set {a, b}"
            )
    for expression in [*values, *(b for i in intervals for b in (i.low, i.high))]:
        parse_arithmetic(expression, text)
    return Domain(tuple(intervals), tuple(values))


@dataclass(frozen=True)
class DimRange:
    """Values a dimension may take: `choices` if listed, else everything from low to high."""

    low: int
    high: int
    choices: tuple[int, ...] = ()

    def __contains__(self, size: int) -> bool:
        return size in self.choices if self.choices else self.low <= size <= self.high

    def common(self, other: DimRange) -> DimRange | None:
        """The values of both; None where there are none."""
        listed = tuple(v for v in self.choices or other.choices if v in self and v in other)
        if listed:
            return DimRange(listed[0], listed[-1], listed)
        low, high = max(self.low, other.low), min(self.high, other.high)
        return None if self.choices or other.choices or low > high else DimRange(low, high)

    def __str__(self) -> str:
        return ", ".join(map(str, self.choices)) if self.choices else f"{self.low}..{self.high}"


@lru_cache(maxsize=_MOST)
def parse_dim(text: str) -> DimRange | str:
    """`1..8`, `8`, `1, 2, 4` give a range; anything else is the expression of a derived dimension, e.g. `G * K`."""
    body = text.strip()
    if ".." in body:
        return DimRange(*parse_range(body, text))
    if re.fullmatch(r"[0-9]{1,9}(\s*,\s*[0-9]{1,9})*", body):
        choices = tuple(sorted({int(v) for v in body.split(",")}))
        return DimRange(choices[0], choices[-1], choices)
    if not names_in(parse_arithmetic(body, text)):
        raise problem(
            "E403", f"{body!r} is not a size", _place(text), "1..4097, 8, or a product of dimensions such as G * K"
        )
    return body


def parse_range(body: str, text: str) -> tuple[int, int]:
    match = re.fullmatch(r"([0-9]{1,9})\s*\.\.\s*([0-9]{1,9})", body.strip())
    if not match or int(match[1]) > int(match[2]):
        raise problem("E403", f"cannot read the range {body!r}", _place(text), "low..high with low <= high, e.g. 1..8")
    return int(match[1]), int(match[2])


_OPERATORS: dict[type, Callable[..., Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv, ast.Mod: operator.mod, ast.USub: operator.neg, ast.UAdd: operator.pos,
}  # fmt: skip


_TREES: dict[str, ast.expr] = {}


def parse_arithmetic(text: str, origin: str | None = None) -> ast.expr:
    """A small arithmetic expression over names and numbers (`inf` included); `**` only of numbers, e.g. 2**-14."""
    known = _TREES.get(text)
    if known is None:
        known = _read_arithmetic(text, origin)
        if len(_TREES) < _MOST:
            _TREES[str(text)] = known
    return known


def _read_arithmetic(text: str, origin: str | None) -> ast.expr:
    origin = text if origin is None else origin
    if len(text) > 200:
        raise problem("E402", "this expression is too long", _place(origin), "bounds are short: numbers and dimensions")
    if not all(" " <= c <= "~" and c not in "#\\" for c in text.strip()):
        raise problem(
            "E402",
            f"{text!a} holds a character that has no place here",
            _place(origin),
            "numbers, names and + - * / // %, on one line",
        )
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        raise problem("E402", f"cannot read {text!r}", _place(origin), "numbers, names and + - * / // %") from None
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant):
            fine = isinstance(node.value, int | float) and not isinstance(node.value, bool)
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow):
            exponent = _constant(node.right)
            fine = isinstance(node.left, ast.Constant) and exponent is not None and abs(exponent) <= 1100
        elif isinstance(node, ast.BinOp | ast.UnaryOp):
            fine = type(node.op) in _OPERATORS
        else:
            fine = isinstance(node, (ast.Name, ast.operator, ast.unaryop, ast.Load))
        if not fine:
            raise problem(
                "E402",
                f"{ast.unparse(node) or text!r} is not allowed here",
                _place(origin),
                "numbers, names and + - * / // %",
            )
    return tree


def evaluate(expression: str | ast.expr, names: Mapping[str, float]) -> float:
    """The value of a small arithmetic expression."""
    node = parse_arithmetic(expression) if isinstance(expression, str) else expression
    match node:
        case ast.Constant(value):
            return value  # type: ignore[return-value]
        case ast.Name(name):
            if name in names:
                return names[name]
            if name in ("inf", "nan"):
                return float(name)
            raise problem("E404", f"unknown name {name!r} in {ast.unparse(node)!r}")
        case ast.BinOp(left, ast.Pow(), right):
            try:
                return float(evaluate(left, names)) ** float(_constant(right) or 0)
            except (OverflowError, ZeroDivisionError):
                raise problem("E405", f"{ast.unparse(node)!r} has no finite value") from None
        case ast.BinOp(left, op, right):
            try:
                return _OPERATORS[type(op)](evaluate(left, names), evaluate(right, names))
            except ZeroDivisionError:
                raise problem("E405", f"division by zero in {ast.unparse(node)!r}") from None
        case ast.UnaryOp(op, operand):
            return _OPERATORS[type(op)](evaluate(operand, names))
    raise problem("E402", f"cannot evaluate {ast.unparse(node)!r}")


def names_in(expression: str | ast.expr) -> frozenset[str]:
    """Names an arithmetic expression mentions."""
    if isinstance(expression, str):
        return _names_in(expression)
    return frozenset(n.id for n in ast.walk(expression) if isinstance(n, ast.Name)) - {"inf", "nan"}


@lru_cache(maxsize=_MOST)
def _names_in(text: str) -> frozenset[str]:
    return names_in(parse_arithmetic(text)) if not text.isidentifier() else frozenset([str(text)]) - {"inf", "nan"}


def _constant(node: ast.expr) -> float | None:
    match node:
        case ast.Constant(int() | float() as value):
            return value
        case ast.UnaryOp(ast.USub(), ast.Constant(int() | float() as value)):
            return -value
    return None


def _place(text: str) -> Text | None:
    return text if isinstance(text, Text) else None
