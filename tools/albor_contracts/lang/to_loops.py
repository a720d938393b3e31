"""Tree to plain Python over whole numbers: what CrossHair executes symbolically.

Arrays are lists of ints, reductions are comprehensions, `y[i, j] = e` is a list of lists. Every number is an int:
what cannot stay one is refused, since CrossHair takes floats for real numbers.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sequence

from . import tree
from .scope import Scope
from .types import parse_arithmetic
from .unroll import COMPARISONS, OPERATORS, CannotExpress, Names, unparse

WORDS = ("range", "min", "max", "abs", "sum", "all", "any", "int", "len", "product")

PRODUCT = [
    "def product(items):",
    '    """The product; 1 over nothing."""',
    "    result = 1",
    "    for item in items:",
    "        result = result * item",
    "    return result",
]

_INTEGERS = "clear denominators: compare a * d with c * b instead of a / b with c / d"


class LoopEmitter:
    """Emits for trees checked in `scope`. `function` gives the name of what a call calls.

    `written` holds what stands in place of some names: the elements of an array before it has become a list.
    """

    def __init__(
        self, scope: Scope, names: Names, function: Callable[[tree.Call], str], sizes: Mapping[str, int] | None = None
    ) -> None:
        self.scope = scope
        self.names = names
        self.function = function
        self.sizes = sizes or {}  # dimensions that stand as numbers
        self.written: Mapping[str, ast.expr] = {}
        self.used: set[str] = set()

    def statement(self, s: tree.Statement) -> str:
        targets = ", ".join(t if t == "_" else self.names(t) for t in s.targets)
        value = self.expression(s.value)
        for index in reversed(s.indices or ()):
            value = ast.ListComp(value, [self.loop(index)])
        return f"{targets} = {unparse(value)}"

    def text(self, node: tree.Node) -> str:
        return unparse(self.expression(node))

    def size(self, range_: str | int) -> str:
        if isinstance(range_, int):
            return str(range_)
        return self.bound(range_)

    def loop(self, index: str, tests: Sequence[ast.expr] = ()) -> ast.comprehension:
        size = self.size(self.scope.indices[index].range)
        iterable = ast.parse(f"range({size})", mode="eval").body
        return ast.comprehension(ast.Name(self.names(index)), iterable, list(tests), 0)

    def name(self, name: str) -> ast.expr:
        if name in self.sizes:
            return ast.Constant(self.sizes[name])
        return self.written.get(name, ast.Name(self.names(name)))

    def expression(self, node: tree.Node) -> ast.expr:
        match node:
            case tree.Number(_, value):
                if isinstance(value, float):
                    raise CannotExpress(f"{value!r} is not a whole number", _INTEGERS)
                return ast.UnaryOp(ast.USub(), ast.Constant(-value)) if value < 0 else ast.Constant(value)
            case tree.Literal():
                raise CannotExpress("a text has no place among whole numbers")
            case tree.Name(_, name):
                return self.name(name)
            case tree.Element(_, array, indices):
                value_ = self.name(array)
                for index in indices:
                    value_ = ast.Subscript(value_, self.expression(index))
                return value_
            case tree.Unary(_, op, operand):
                kind = {"-": ast.USub(), "+": ast.UAdd(), "~": ast.Invert(), "not": ast.Not()}[op]
                return ast.UnaryOp(kind, self.expression(operand))
            case tree.Binary():
                return self.binary(node)
            case tree.Compare(_, op, left, right):
                return ast.Compare(self.expression(left), [COMPARISONS[op]], [self.expression(right)])
            case tree.Logic(_, op, left, right):
                word = ast.And() if op == "and" else ast.Or()
                return ast.BoolOp(word, [self.expression(left), self.expression(right)])
            case tree.Apply(_, function, arguments):
                return self.apply(function, arguments)
            case tree.RoundTo():
                raise CannotExpress("round_to is about floats, which CrossHair takes for real numbers", _INTEGERS)
            case tree.Reduce(_, op, over, body, where):
                return self.reduce(op, over, body, where)
            case tree.Call(_, _, arguments, _):
                return ast.Call(ast.Name(self.function(node)), [self.expression(a) for a in arguments], [])
        raise AssertionError(node)

    def binary(self, node: tree.Binary) -> ast.expr:
        if node.op == "/":
            raise CannotExpress("a quotient is not a whole number", _INTEGERS)
        left, right = self.expression(node.left), self.expression(node.right)
        if node.op != "**":
            return ast.BinOp(left, OPERATORS[node.op], right)
        power = node.right.value if isinstance(node.right, tree.Number) else None
        if not isinstance(power, int) or power < 0:
            raise CannotExpress("an exponent among whole numbers is a number that is not negative", _INTEGERS)
        # Solvers know products and not powers.
        result: ast.expr = ast.Constant(1)
        for k in range(min(power, 8)):
            result = left if k == 0 else ast.BinOp(result, ast.Mult(), left)
        return result if power <= 8 else ast.BinOp(left, ast.Pow(), right)

    def apply(self, function: str, arguments: Sequence[tree.Node]) -> ast.expr:
        if function in ("floor", "ceil") and isinstance(arguments[0], tree.Binary) and arguments[0].op == "/":
            a, b = self.expression(arguments[0].left), self.expression(arguments[0].right)
            if function == "floor":
                return ast.BinOp(a, ast.FloorDiv(), b)
            return ast.UnaryOp(ast.USub(), ast.BinOp(ast.UnaryOp(ast.USub(), a), ast.FloorDiv(), b))
        values = [self.expression(a) for a in arguments]
        match function:
            case "where":
                return ast.IfExp(values[0], values[1], values[2])
            case "approx" | "equal" | "exact":
                return ast.Compare(values[0], [ast.Eq()], [values[1]])
            case "abs" | "min" | "max" | "int":
                return ast.Call(ast.Name(function), values, [])
            case "clip":
                return ast.Call(ast.Name("min"), [ast.Call(ast.Name("max"), values[:2], []), values[2]], [])
            case "sign":
                up, down = (ast.Compare(values[0], [op], [ast.Constant(0)]) for op in (ast.Gt(), ast.Lt()))
                return ast.BinOp(up, ast.Sub(), down)
            case "floor" | "ceil" | "round":
                return values[0]
            case "isfinite":
                return ast.Constant(True)
        raise CannotExpress(f"{function} does not give whole numbers", _INTEGERS)

    def reduce(self, op: str, over: Sequence[str], body: tree.Node, where: tree.Node | None) -> ast.expr:
        if op == "mean":
            raise CannotExpress("a mean is not a whole number", _INTEGERS)
        tests = [] if where is None else [self.expression(where)]
        loops = [self.loop(i, tests if k == len(over) - 1 else ()) for k, i in enumerate(over)]
        item = self.expression(body)
        if op in ("argmax", "argmin"):
            # max and min of Python return the first of equals, which is the rule here.
            places: ast.expr = loops[0].iter
            if tests:
                places = ast.GeneratorExp(ast.Name(self.names(over[0])), loops)
            key = ast.Lambda(ast.arguments([], [ast.arg(self.names(over[0]))], None, [], [], None, []), item)
            return ast.Call(ast.Name(op.removeprefix("arg")), [places], [ast.keyword("key", key)])
        function = {"count": "sum", "prod": "product"}.get(op, op)
        self.used.add(function)
        return ast.Call(ast.Name(function), [ast.GeneratorExp(item, loops)], [])

    def bound(self, text: str) -> str:
        """A small arithmetic expression, such as a bound of a domain, over whole numbers."""
        return unparse(self._whole(parse_arithmetic(text), text))

    def _whole(self, n: ast.expr, text: str) -> ast.expr:
        match n:
            case ast.Constant(int() | float() as value):
                if float(value) != int(value):
                    raise CannotExpress(f"the bound {value!r} is not a whole number")
                return ast.Constant(int(value))
            case ast.Name(name):
                return self.name(name)
            case ast.UnaryOp(op, operand):
                return ast.UnaryOp(op, self._whole(operand, text))
            case ast.BinOp(left, op, right) if not isinstance(op, ast.Div):
                return ast.BinOp(self._whole(left, text), op, self._whole(right, text))
        raise CannotExpress(f"the bound {text} is not a whole number", _INTEGERS)
