"""Tree to Python: the lines of a contract as lines of a generated test.

`x[b, i]` stays `x[b, i]`; a reduction stays `sum[i](...)`; a sum of products becomes `dot[i](a, b)`, which lowers to
einsum; `y[b, i] = ...` becomes `y = array[b, i](...)`. The result runs on arrays, on values with bounds and on
tensors. Names were checked before; nothing here copies text from a contract.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping, Sequence

from . import tree
from .scope import Scope
from .types import Type, names_in, parse_arithmetic

_OPERATORS: dict[str, ast.operator] = {
    "+": ast.Add(), "-": ast.Sub(), "*": ast.Mult(), "/": ast.Div(), "//": ast.FloorDiv(), "%": ast.Mod(),
    "**": ast.Pow(), "&": ast.BitAnd(), "|": ast.BitOr(), "^": ast.BitXor(), "<<": ast.LShift(), ">>": ast.RShift(),
}  # fmt: skip
_COMPARISONS: dict[str, ast.cmpop] = {
    "==": ast.Eq(), "!=": ast.NotEq(), "<": ast.Lt(), "<=": ast.LtE(), ">": ast.Gt(), ">=": ast.GtE(),
}  # fmt: skip


class Emitter:
    """Emits Python for trees checked in `scope`; `kernel` and `spec` are the objects calls go through.

    In a definition both are `spec`: what it calls are definitions.
    """

    def __init__(self, scope: Scope, kernel: str = "kernel", spec: str = "spec") -> None:
        self.scope = scope
        self.kernel = kernel
        self.spec = spec
        self.used: set[str] = set()  # names of the runtime that occur
        self.sizes: set[str] = set()  # dimensions that occur besides those of the tree
        self.loose: set[str] = set()  # whole numbers whose value may be a float or carry a bound
        self.arrays: set[str] = set()  # names whose value is no plain Python number

    def text(self, node: tree.Node) -> str:
        return ast.unparse(self.expression(node))

    def statement(self, s: tree.Statement) -> str:
        targets = ", ".join(s.targets)
        if not self._is_python(s.value):
            self.arrays.update(s.targets)
        if isinstance(s.value, tree.Call):
            self.loose.update(s.targets)
            if set(s.targets) == {"_"}:
                return self.text(s.value)
            return f"{targets} = {self.text(s.value)}"
        if self._is_loose(s.value):
            self.loose.update(s.targets)
        if s.indices:
            self.used.add("array")
            return f"{targets} = array[{', '.join(s.indices)}]({self.text(s.value)})"
        if self._is_number(s.value):
            return f"{targets} = {self.text(s.value)}"
        self.used.add("single")
        return f"{targets} = single({self.text(s.value)})"

    def _is_number(self, node: tree.Node) -> bool:
        """Whether the value is a plain Python number: only dimensions, scalar inputs and constants occur."""
        for n in tree.walk(node):
            if isinstance(n, tree.Element | tree.Reduce | tree.Call | tree.Apply | tree.RoundTo):
                return False
            if isinstance(n, tree.Name):
                type_ = self.scope.values.get(n.id)
                if type_ is not None and type_.dtype != "int":
                    return False
        return True

    def is_integer(self, node: tree.Node) -> bool:
        match node:
            case tree.Number(_, value):
                return isinstance(value, int)
            case tree.Name(_, name):
                type_ = self.scope.values.get(name)
                return type_ is None or type_.dtype == "int" or (type_.is_array and not type_.is_floating)
            case tree.Element(_, array, _):
                return not self.scope.values[array].is_floating
            case tree.Unary(_, _, operand):
                return self.is_integer(operand)
            case tree.Binary(_, "**", left, right):
                return self.is_integer(left) and _is_count(right)
            case tree.Call(_, equation, _, _):
                signature = self.scope.equations.get(equation)
                return signature is not None and all(p.type.dtype == "int" for p in signature.outputs)
            case tree.Binary(_, op, left, right):
                return op in ("//", "%", "&", "|", "^", "<<", ">>") or (
                    op in "+-*" and self.is_integer(left) and self.is_integer(right)
                )
            case tree.Apply(_, "floor" | "ceil" | "round" | "int" | "length" | "occurrences", _):
                return True
            case tree.Apply(_, "max" | "min" | "clip" | "abs" | "sign", arguments):
                return all(self.is_integer(a) for a in arguments)
            case tree.Apply(_, "where", (_, first, second)):
                return self.is_integer(first) and self.is_integer(second)
            case tree.Reduce(_, "count" | "argmax" | "argmin", _, _, _):
                return True
            case tree.Reduce(_, "sum" | "prod" | "max" | "min", _, body, _):
                return self.is_integer(body)
        return False

    def expression(self, node: tree.Node) -> ast.expr:
        match node:
            case tree.Number(_, value):
                if value == float("inf") or value == float("-inf"):
                    self.used.add("inf")
                    return ast.Name("inf") if value > 0 else ast.UnaryOp(ast.USub(), ast.Name("inf"))
                if not isinstance(value, bool) and value < 0:
                    return ast.UnaryOp(ast.USub(), ast.Constant(-value))
                return ast.Constant(value)
            case tree.Literal(_, text):
                return ast.Constant(text)
            case tree.Name(_, name):
                return ast.Name(name)
            case tree.Element():
                return self._element(node)
            case tree.Unary(_, "~", operand):
                return ast.UnaryOp(ast.Invert(), self._whole(operand))
            case tree.Unary(_, op, operand):
                inner = self.expression(operand)
                if op == "not":
                    return ast.UnaryOp(ast.Invert(), self._truth(operand, inner))
                return inner if op == "+" else ast.UnaryOp(ast.USub(), inner)
            case tree.Binary(_, "/", left, right) if self.is_integer(left) and self.is_integer(right):
                return self._apply("ratio", left, right)
            case tree.Binary(_, "/", left, right) if not isinstance(right, tree.Number) and self._is_python(node):
                return self._apply("ratio", left, right)  # Python raises where a divisor is 0
            case tree.Binary(_, "**", left, right) if not _is_count(right) and (
                self.is_integer(left) or self._is_python(node)
            ):
                # Python raises, or gives complex or truncated numbers, where a power of reals does not.
                return ast.BinOp(self._apply("real", left), ast.Pow(), self.expression(right))
            case tree.Binary(_, "//" | "%" | "&" | "|" | "^" | "<<" | ">>" as op, left, right):
                return ast.BinOp(self._whole(left), _OPERATORS[op], self._whole(right))
            case tree.Binary(_, op, left, right):
                return ast.BinOp(self.expression(left), _OPERATORS[op], self.expression(right))
            case tree.Compare(_, op, left, right):
                return ast.Compare(self.expression(left), [_COMPARISONS[op]], [self.expression(right)])
            case tree.Logic(_, op, left, right):
                a, b = self._truth(left, self.expression(left)), self._truth(right, self.expression(right))
                return ast.BinOp(a, ast.BitAnd() if op == "and" else ast.BitOr(), b)
            case tree.Apply(_, function, arguments):
                return self._apply(function, *arguments)
            case tree.RoundTo(_, dtype, operand):
                self.used.add("round_to")
                return ast.Call(ast.Name("round_to"), [ast.Constant(dtype), self.expression(operand)], [])
            case tree.Reduce(_, op, over, body, where):
                return self._reduce(op, over, body, where)
            case tree.Call(_, equation, arguments, spec):
                owner = ast.Attribute(ast.Name(self.spec if spec else self.kernel), equation)
                return ast.Call(owner, [self.expression(a) for a in arguments], [])
        raise AssertionError(node)

    def _element(self, node: tree.Element) -> ast.expr:
        if any(self._is_loose(i) for i in node.indices):
            self.used.add("take")
            return ast.Call(ast.Name("take"), [ast.Name(node.array), *(self.expression(i) for i in node.indices)], [])
        shape = self.scope.values[node.array].shape or ()
        parts = []
        for axis, (index, size) in enumerate(zip(node.indices, shape, strict=True)):
            part = self.expression(index)
            if (node.array, node.place, axis) in self.scope.guarded:
                self.used.add("within")
                self.sizes.add(str(size))
                part = ast.Call(
                    ast.Name("within"), [part, ast.Constant(size) if isinstance(size, int) else ast.Name(size)], []
                )
            parts.append(part)
        return _subscript(ast.Name(node.array), parts)

    def _is_loose(self, node: tree.Node) -> bool:
        """Whether a whole number may be evaluated as a float, or with a bound: it follows from real numbers."""
        return any(
            (isinstance(n, tree.Apply) and n.function in ("floor", "ceil", "round"))
            or (isinstance(n, tree.Reduce) and n.op in ("argmax", "argmin", "count"))
            or (isinstance(n, tree.Name) and n.id in self.loose)
            or (isinstance(n, tree.Element) and n.array in self.loose)
            or isinstance(n, tree.Call)
            for n in tree.walk(node)
        )

    def _whole(self, node: tree.Node) -> ast.expr:
        """A whole number as an operand of bit operators and of division with remainder."""
        return self._apply("whole", node) if self._is_loose(node) else self.expression(node)

    def _is_python(self, node: tree.Node) -> bool:
        """Whether the value may be a plain Python number: nothing in it varies with an index."""
        return not any(
            isinstance(n, tree.Element | tree.Reduce | tree.Apply | tree.RoundTo | tree.Call)
            or (isinstance(n, tree.Name) and (n.id in self.scope.indices or n.id in self.arrays))
            for n in tree.walk(node)
        )

    def _truth(self, node: tree.Node, value: ast.expr) -> ast.expr:
        """What may be a Python bool, on which ~ would not negate, becomes a truth value."""
        if self._may_be_bool(node):
            self.used.add("truth")
            return ast.Call(ast.Name("truth"), [value], [])
        return value

    def _may_be_bool(self, node: tree.Node) -> bool:
        """A scalar input, a call, or a comparison in which nothing varies with an index."""
        if isinstance(node, tree.Number | tree.Name | tree.Call):
            return True
        if not isinstance(node, tree.Compare):
            return False
        parts = [n for side in (node.left, node.right) for n in tree.walk(side)]
        return not any(
            isinstance(n, tree.Element | tree.Reduce) or (isinstance(n, tree.Name) and n.id in self.scope.indices)
            for n in parts
        )

    def _apply(self, function: str, *arguments: tree.Node) -> ast.expr:
        self.used.add(function)
        return ast.Call(ast.Name(function), [self.expression(a) for a in arguments], [])

    def _reduce(self, op: str, over: Sequence[str], body: tree.Node, where: tree.Node | None) -> ast.expr:
        factors = _factors(body)
        if op == "sum" and where is None and len(factors) > 1:
            op, arguments = "dot", [self.expression(f) for f in factors]
        else:
            arguments = [self.expression(body)]
        self.used.add(op)
        keywords = [] if where is None else [ast.keyword("where", self.expression(where))]
        return ast.Call(_subscript(ast.Name(op), [ast.Name(i) for i in over]), arguments, keywords)


def _is_count(node: tree.Node) -> bool:
    """A literal 0, 1, 2, ..."""
    return isinstance(node, tree.Number) and isinstance(node.value, int) and node.value >= 0


def _factors(node: tree.Node) -> list[tree.Node]:
    if isinstance(node, tree.Binary) and node.op == "*":
        return [*_factors(node.left), *_factors(node.right)]
    return [node]


def _subscript(value: ast.expr, indices: Sequence[ast.expr]) -> ast.expr:
    inside = indices[0] if len(indices) == 1 else ast.Tuple(list(indices))
    return ast.Subscript(value, inside)


def sizes_header(values: Iterable[tuple[str, Type]], wanted: Iterable[str], derived: Mapping[str, str]) -> list[str]:
    """Lines that read the dimensions off the arrays: `B, N = x.shape`, `K = k.shape[1]`, `G = H // K`."""
    return _sizes(values, wanted, derived)[0]


def sizes_found(values: Iterable[tuple[str, Type]], wanted: Iterable[str], derived: Mapping[str, str]) -> set[str]:
    """The dimensions that these lines give."""
    return _sizes(values, wanted, derived)[1]


def _sizes(
    values: Iterable[tuple[str, Type]], wanted: Iterable[str], derived: Mapping[str, str]
) -> tuple[list[str], set[str]]:
    lines: list[str] = []
    known: set[str] = set()
    for name, type_ in values:
        shape = type_.shape or ()
        fresh = [d for d in shape if isinstance(d, str) and d not in known]
        if not fresh:
            continue
        plain = all(isinstance(d, str) and d.isidentifier() for d in shape)
        if plain and len(set(shape)) == len(shape) and len(fresh) > 1:
            lines.append(f"{', '.join(d if d in fresh else '_' for d in map(str, shape))} = {name}.shape")
        elif plain and len(shape) == 1:
            lines.append(f"({shape[0]},) = {name}.shape")
        else:
            lines += [f"{d} = {name}.shape[{shape.index(d)}]" for d in dict.fromkeys(fresh) if d.isidentifier()]
        known.update(d for d in fresh if d.isidentifier())
    pending = {d for d in (*wanted, *derived) if d not in known and d.isidentifier()}
    for _ in range(len(pending) + 1):
        for d in sorted(pending):
            line = _solve(d, known, derived)
            if line:
                lines.append(line)
                known.add(d)
                pending.discard(d)
    return lines, known


def _solve(d: str, known: set[str], derived: Mapping[str, str]) -> str | None:
    """A line that computes dimension d from known ones: directly, or from a product it is a factor of."""
    if d in derived and names_in(derived[d]) <= known:
        return f"{d} = {ast.unparse(parse_arithmetic(derived[d]))}"
    for product, text in derived.items():
        if product not in known:
            continue
        factors = _product_factors(parse_arithmetic(text))
        if factors is None or factors.count(d) != 1:
            continue
        rest = [f for f in factors if f != d]
        if all(f in known or f.isdigit() for f in rest):
            divisor = " * ".join(rest)
            return f"{d} = {product} // {divisor if len(rest) == 1 else f'({divisor})'}" if rest else f"{d} = {product}"
    return None


def _product_factors(node: ast.expr) -> list[str] | None:
    match node:
        case ast.Name(name):
            return [name]
        case ast.Constant(int() as value):
            return [str(value)]
        case ast.BinOp(left, ast.Mult(), right):
            a, b = _product_factors(left), _product_factors(right)
            return None if a is None or b is None else a + b
    return None


def grid_line(scope: Scope, used: Iterable[str]) -> str | None:
    """`b, i, j = grid(B, N, N)` for the indices of a block."""
    names = [name for name in scope.indices if name in set(used)]
    if not names:
        return None
    return f"{', '.join(names)} = grid({', '.join(str(scope.indices[n].range) for n in names)})"


def used_indices(nodes: Iterable[tree.Node]) -> set[str]:
    """Every name that occurs as an index or a reduction variable."""
    found: set[str] = set()
    for root in nodes:
        for node in tree.nodes(root):
            kind = node.__class__
            if kind is tree.Name:
                found.add(node.id)  # type: ignore[attr-defined]
            elif kind is tree.Reduce:
                found.update(node.over)  # type: ignore[attr-defined]
            elif kind is tree.Statement:
                found.update(node.indices or ())  # type: ignore[attr-defined]
    return found
