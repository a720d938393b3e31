"""What stands under `args` in a binding file: names of inputs and dimensions, numbers, texts, lists, and + - * / //.

Such an expression is read by Python's parser, and nothing but the operators below is ever evaluated.
"""

from __future__ import annotations

import ast
import operator
import warnings
from collections.abc import Callable, Collection, Mapping
from typing import Any

from .errors import Position, Text, problem
from .suggest import did_you_mean

OPERATORS: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
}
LONGEST = 1 << 20  # items of a list that is repeated
_LEAVES = (ast.Name, ast.Constant, ast.List, ast.Tuple, ast.expr_context, *OPERATORS, ast.USub)
_HINT = "names, numbers, lists and + - * / //"


class NoValue(Exception):
    """An argument cannot be computed from the inputs of a case. That is no failure of the kernel."""


def parse_argument(text: Text) -> ast.expr:
    """The expression. Raises `ContractError` for what is none, and for one without names that cannot be computed."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what Python finds odd is refused below
            node = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise problem("E509", f"cannot read the argument {str(text)!r}", text.position, _HINT) from None
    for part in ast.walk(node):
        inner = part.op if isinstance(part, ast.BinOp | ast.UnaryOp) else part
        if not isinstance(inner, _LEAVES):
            where = _place(text, part if isinstance(part, ast.expr) else node)
            raise problem("E509", f"{type(inner).__name__} is not allowed in an argument", where, _HINT)
    if not any(isinstance(part, ast.Name) for part in ast.walk(node)):
        try:
            _value(node, {})
        except Exception as error:
            raise problem(
                "E509", _words(text, error), text.position, "the same for every input: write it out"
            ) from None
    return node


def check_names(node: ast.expr, text: Text, known: Collection[str]) -> None:
    """Raises `ContractError` for a name that is no input or dimension of the equation."""
    for part in ast.walk(node):
        if isinstance(part, ast.Name) and part.id not in known:
            hint = did_you_mean(part.id, known, f"its inputs and dims are: {', '.join(known)}")
            raise problem("E509", f"unknown name {part.id!r}", _place(text, part), hint)


def evaluate_argument(node: ast.expr, text: Text, values: Mapping[str, Any]) -> Any:
    """The value of an expression. Raises `NoValue` where these inputs give it none."""
    try:
        return _value(node, values)
    except Exception as error:
        raise NoValue(f"{text.position}: {_words(text, error)}") from None


def _words(text: Text, error: Exception) -> str:
    why = f": {error}" if str(error) else ""
    return f"the argument {str(text)!r} cannot be computed: {type(error).__name__}{why}"


def _value(node: ast.expr, values: Mapping[str, Any]) -> Any:
    match node:
        case ast.Constant(value):
            return value
        case ast.Name(name):
            return values[name]
        case ast.List(items) | ast.Tuple(items):
            return [_value(i, values) for i in items]
        case ast.UnaryOp(_, operand):
            return -_value(operand, values)
        case ast.BinOp(left, op, right):
            a, b = _value(left, values), _value(right, values)
            if isinstance(op, ast.Mult):
                _short(a, b)
            return OPERATORS[type(op)](a, b)
    raise AssertionError(f"{ast.unparse(node)} was allowed")


def _short(a: Any, b: Any) -> None:
    """Refuse to repeat a list or text until memory is full."""
    for items, times in ((a, b), (b, a)):
        if isinstance(items, list | str | bytes) and isinstance(times, int) and len(items) * times > LONGEST:
            raise ValueError(f"a list of {len(items) * times:,} items")


def _place(text: Text, node: ast.expr) -> Position:
    """Where a part of the expression stands in the file."""
    if text != text.strip():
        return text.position
    before = text.split("\n")[node.lineno - 1].encode()[: node.col_offset]
    return text.at(node.lineno - 1, len(before.decode(errors="replace")))
