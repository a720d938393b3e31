"""What an expression is worth that mentions nothing."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable

from . import tree

_OPERATORS: dict[str, Callable[[float, float], float]] = {
    "+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv, "**": operator.pow,
}  # fmt: skip


def constant(node: tree.Node) -> float | None:
    """The value of a sum, product or power of numbers; None for any other expression."""
    match node:
        case tree.Number(_, value):
            return float(value)
        case tree.Unary(_, "-", operand):
            inner = constant(operand)
            return None if inner is None else -inner
        case tree.Binary(_, op, left, right) if op in _OPERATORS:
            a, b = constant(left), constant(right)
            if a is None or b is None:
                return None
            try:
                found = _OPERATORS[op](a, b)
            except OverflowError:
                return math.inf
            except ZeroDivisionError:
                return None
            return found if isinstance(found, float) else None  # a power of a negative number may be complex
    return None
