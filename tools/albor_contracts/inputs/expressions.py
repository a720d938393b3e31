"""Small expressions of a contract (bounds, derived dimensions, conditions), compiled once to closures.

The text is parsed and checked node by node; it is never evaluated as Python.
"""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import problem
from ..lang.types import parse_arithmetic

Env = Mapping[str, Any]
CONSTANTS = {"inf": math.inf, "nan": math.nan, "pi": math.pi}

_ARITHMETIC: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
}
_COMPARISON: dict[type, Callable[[Any, Any], bool]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}


@dataclass(frozen=True)
class Expression:
    """A compiled expression: `expression(env)` is its value, `names` what it depends on."""

    text: str
    names: frozenset[str]
    function: Callable[[Env], Any]

    def __call__(self, env: Env) -> Any:
        return self.function(env)


def arithmetic(text: str) -> Expression:
    """Numbers, names, `+ - * / // %` and constant powers."""
    tree = parse_arithmetic(text)
    return Expression(text, _names(tree), _compile(tree))


def condition(text: str) -> Expression:
    """Comparisons (chains too) of arithmetic expressions, joined by `and`, `or`, `not`."""
    if len(text) > 500:
        raise problem("E402", "this condition is too long", hint="split it into several conditions")
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        raise problem("E402", f"cannot read the condition {text!r}", hint="for example 2 * R <= N") from None
    return Expression(text, _names(tree), _compile_condition(tree, text))


def known(expression: Expression, names: set[str], what: str) -> Expression:
    """The expression itself, if all its names are among `names`."""
    if unknown := sorted(expression.names - names):
        hint = f"known here: {', '.join(sorted(names)) or 'none'}"
        raise problem("E404", f"unknown name {unknown[0]!r} in {expression.text!r} ({what})", hint=hint)
    return expression


def _names(tree: ast.AST) -> frozenset[str]:
    return frozenset(n.id for n in ast.walk(tree) if isinstance(n, ast.Name)) - CONSTANTS.keys()


def _compile_condition(node: ast.expr, text: str) -> Callable[[Env], bool]:
    match node:
        case ast.BoolOp(op, values):
            parts = [_compile_condition(v, text) for v in values]
            if isinstance(op, ast.And):
                return lambda env: all(p(env) for p in parts)
            return lambda env: any(p(env) for p in parts)
        case ast.UnaryOp(ast.Not(), operand):
            inner = _compile_condition(operand, text)
            return lambda env: not inner(env)
        case ast.Compare(left, ops, comparators) if all(type(o) in _COMPARISON for o in ops):
            terms = [_compile(parse_arithmetic(ast.unparse(t))) for t in (left, *comparators)]
            if len(ops) == 1:
                one, first, second = _COMPARISON[type(ops[0])], *terms
                return lambda env: one(first(env), second(env))
            links = [(_COMPARISON[type(o)], terms[k], terms[k + 1]) for k, o in enumerate(ops)]
            return lambda env: all(f(a(env), b(env)) for f, a, b in links)
    raise problem("E402", f"{text!r} is not a condition", hint="comparisons of numbers and names, and, or, not")


def _compile(node: ast.expr) -> Callable[[Env], Any]:
    match node:
        case ast.Constant(value):
            return lambda env: value
        case ast.Name(name) if name in CONSTANTS:
            constant = CONSTANTS[name]
            return lambda env: constant
        case ast.Name(name):
            return operator.itemgetter(name)
        case ast.BinOp(left, op, right):
            f, a, b = _ARITHMETIC[type(op)], _compile(left), _compile(right)
            if isinstance(op, ast.Pow) and isinstance(left, ast.Constant):
                constant = _power(a({}), b({}), node)
                return lambda env: constant
            return lambda env: f(a(env), b(env))
        case ast.UnaryOp(ast.USub(), operand):
            inner = _compile(operand)
            return lambda env: -inner(env)
        case ast.UnaryOp(ast.UAdd(), operand):
            return _compile(operand)
    raise problem("E402", f"cannot compile {ast.unparse(node)!r}")


def _power(base: Any, exponent: Any, node: ast.expr) -> Any:
    """A constant power; an integer one stays an integer, so that 2**31 can bound an int."""
    try:
        return base**exponent
    except (OverflowError, ZeroDivisionError):
        raise problem("E402", f"{ast.unparse(node)!r} has no value", hint="a finite number") from None
