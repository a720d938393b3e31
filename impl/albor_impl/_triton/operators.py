"""`and`, `or`, `not`, `min` and `max` of blocks as the compiler reads them, for kernels of others.

In Python a block has one truth value, which Triton's interpreter says is True: `a and b` would be `b`, `not a` False
and `max(a, b)` one of the two. A compiler combines the elements, and evaluates both unless the first is a constant.
Sources: Triton, `compiler/code_generator.py` (`visit_BoolOp`, `visit_UnaryOp`) and `language/core.py` (`builtin_min`).
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Callable
from typing import Any

import triton.language as tl
from triton.runtime import interpreter

from . import interpret

_METHODS = {ast.And: "every", ast.Or: "some"}
_EXTREMES = {"min": "minimum", "max": "maximum"}  # of `tl`, looked up during the launch: an exchanged one


class Operators(interpreter.ASTTransformer):
    """Triton's rewriting of a kernel's source, and that of these operators."""

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.AST:
        self.generic_visit(node)
        nothing = ast.arguments(posonlyargs=[], args=[], kwonlyargs=[], kw_defaults=[], defaults=[])
        return _call(node, _METHODS[type(node.op)], *(ast.Lambda(nothing, value) for value in node.values))

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.AST:
        self.generic_visit(node)
        return _call(node, "no", node.operand) if isinstance(node.op, ast.Not) else node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.func, ast.Name) and node.func.id in _EXTREMES and not node.keywords:
            return _call(node, "extreme", node.func, *node.args)
        return node


def _call(node: ast.AST, method: str, *args: ast.expr) -> ast.AST:
    semantic = ast.Name("interpreter_semantic", ast.Load())  # a name that every rewritten kernel has
    return ast.copy_location(ast.Call(ast.Attribute(semantic, method, ast.Load()), list(args), []), node)


def _every(*values: Callable[[], Any]) -> Any:
    return _combined(values, False, tl.tensor.logical_and)


def _some(*values: Callable[[], Any]) -> Any:
    return _combined(values, True, tl.tensor.logical_or)


def _combined(values: tuple[Callable[[], Any], ...], decides: bool, combine: Callable[[Any, Any], Any]) -> Any:
    result = last = None
    for value in values:
        last = value()
        if isinstance(last, tl.tensor):
            result = last if result is None else combine(result, last)
        elif bool(last) is decides:
            return last
    return last if result is None else result


def _no(value: Any) -> Any:
    return interpret._semantic.not_(value) if isinstance(value, tl.tensor) else not value


def _extreme(function: Callable[..., Any], *values: Any) -> Any:
    """`min` or `max`, unless the kernel's module has something else under that name."""
    own = function in (builtins.min, builtins.max)
    if not own or len(values) < 2 or not any(isinstance(value, tl.tensor) for value in values):
        return function(*values)
    result = values[0]
    for value in values[1:]:
        result = getattr(tl, _EXTREMES[function.__name__])(result, value)
    return result


def install() -> None:
    """Rewritten kernels may call these from now on; only what is rewritten by `Operators` does."""
    for name, function in (("every", _every), ("some", _some), ("no", _no), ("extreme", _extreme)):
        setattr(interpret._semantic, name, function)
