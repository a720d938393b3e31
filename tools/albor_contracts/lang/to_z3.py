"""Tree to the Python of a z3 harness: terms over the reals, dimensions unrolled.

What depends on sizes and indices alone stays a Python number, so that `x[t - 1] if t >= 1 else 0` never reads
x[-1]; every quotient of such numbers is a Fraction, so that 1 / 3 is a third. The rest become terms.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Collection, Sequence

from . import tree
from .scope import Scope
from .types import parse_arithmetic
from .unroll import COMPARISONS, OPERATORS, CannotExpress, Names, conjunction, conjuncts, is_truth, tuple_of, unparse

# Words of such a harness besides those of `albor_contracts.prove`.
WORDS = ("problem", "range", "min", "max", "abs", "sum", "all", "any", "int", "Fraction", "permutations", "term")

PYTHON, EXACT, TERM = 0, 1, 2  # an int or bool of Python; a number that may be a Fraction; a term

_REAL = ("exp", "expm1", "log", "log1p", "sqrt", "rsqrt", "sin", "cos", "tanh", "erf", "floor", "ceil")
_REDUCTIONS = {
    "sum": "sum_over", "prod": "prod_over", "mean": "mean_over", "max": "max_over", "min": "min_over",
    "argmax": "argmax_over", "argmin": "argmin_over", "count": "count_of", "all": "all_of", "any": "any_of",
}  # fmt: skip


class RealEmitter:
    """Emits for trees checked in `scope`. `function` gives the name of an equation's unrolled definition."""

    def __init__(
        self, scope: Scope, names: Names, function: Callable[[tree.Call], str], constant: Collection[str] = ()
    ) -> None:
        self.scope = scope
        self.names = names
        self.function = function
        self.constant = constant  # arrays whose elements are Python numbers
        self.levels: dict[str, int] = {}
        self.used: set[str] = set()
        self.hoisted: list[str] = []
        self.depth = 0
        self.doubtful = 0  # conditions around this place that no solver has decided yet

    # Statements

    def statement(self, s: tree.Statement) -> list[str]:
        targets = ", ".join(t if t == "_" else self.names(t) for t in s.targets)
        if isinstance(s.value, tree.Call):
            return [f"{targets} = {self.text(s.value)}"]
        name = s.targets[0]
        if not s.indices:
            level = self.levels[name] = self.level(s.value)
            value = self.condition(s.value) if level == TERM else self.exact(s.value)
            return [f"{targets} = {unparse(value)}"]
        dims = [self.size(self.scope.indices[i].range) for i in s.indices]
        indices = ", ".join(map(self.names, s.indices))
        self.used.add("over")
        return [
            f'{targets} = problem.table("{name}", {", ".join(dims)})',
            f"for {indices} in over({', '.join(dims)}):",
            f"    {targets}[{indices}] = {unparse(self.condition(s.value))}",
        ]

    def condition(self, node: tree.Node) -> ast.expr:
        """The value; a truth value is made a condition even where Python knows it already."""
        value = self.expression(node)
        if not is_truth(node, self.scope) or (isinstance(value, ast.Compare) and self.level(node) == TERM):
            return value
        return value if isinstance(value, ast.Call | ast.Name | ast.Subscript) else self.call("both", value)

    def text(self, node: tree.Node) -> str:
        return unparse(self.expression(node))

    def size(self, range_: str | int) -> str:
        if isinstance(range_, int):
            return str(range_)
        parse_arithmetic(range_)
        return self.names.line(range_)

    # Levels

    def level(self, node: tree.Node) -> int:
        if decided(node) is not None:
            return PYTHON
        match node:
            case tree.Number(_, value):
                return EXACT if isinstance(value, float) else PYTHON
            case tree.Name(_, name):
                return self.levels.get(name, TERM if name in self.scope.values else PYTHON)
            case tree.Element(_, array, indices):
                return PYTHON if array in self.constant and all(self.level(i) == PYTHON for i in indices) else TERM
            case tree.Unary(_, _, operand) | tree.RoundTo(_, _, operand):
                return self.level(operand)
            case tree.Binary(_, op, left, right):
                most = max(self.level(left), self.level(right))
                if op == "**" and self.level(right) != PYTHON and not _is_whole(right):
                    return TERM
                if most == PYTHON and (op == "/" or (op == "**" and not _is_count(right))):
                    return EXACT
                return most
            case tree.Compare(_, _, left, right) | tree.Logic(_, _, left, right):
                return TERM if TERM in (self.level(left), self.level(right)) else PYTHON
            case tree.Apply(_, "isfinite", _):
                return PYTHON
            case tree.Apply(_, function, arguments) if function not in (*_REAL, "sigmoid", "approx", "equal", "exact"):
                most = max(map(self.level, arguments))
                return PYTHON if function == "int" and most < TERM else most
            case tree.Reduce(_, op, _, body, where) if op in ("sum", "max", "min", "count", "all", "any"):
                parts = [body] if where is None else [body, where]
                return PYTHON if all(self.level(p) == PYTHON for p in parts) else TERM
        return TERM

    # Expressions

    def call(self, function: str, *arguments: ast.expr) -> ast.Call:
        self.used.add(function)
        return ast.Call(ast.Name(function), list(arguments), [])

    def exact(self, node: tree.Node) -> ast.expr:
        """A number below the level of terms, so that dividing it stays exact."""
        if isinstance(node, tree.Number) and isinstance(node.value, float):
            self.finite(node)
            number = self.call("Fraction", ast.Constant(repr(abs(node.value))))
            return ast.UnaryOp(ast.USub(), number) if node.value < 0 else number
        return self.expression(node)

    def operand(self, node: tree.Node, level: int) -> ast.expr:
        return self.exact(node) if level < TERM else self.expression(node)

    def finite(self, node: tree.Number) -> None:
        if node.value in (float("inf"), float("-inf")):
            raise CannotExpress("infinity is not a real number", "leave elements out with where=")

    def expression(self, node: tree.Node) -> ast.expr:
        known = decided(node)
        if known is not None:
            return ast.Constant(known)
        level = self.level(node)
        match node:
            case tree.Number(_, value):
                self.finite(node)
                if not isinstance(value, bool) and value < 0:
                    return ast.UnaryOp(ast.USub(), ast.Constant(-value))
                return ast.Constant(value)
            case tree.Literal():
                raise CannotExpress("a text has no place in a proof over the reals")
            case tree.Name(_, name):
                return ast.Name(self.names(name))
            case tree.Element():
                return self.element(node)
            case tree.Unary(_, "not", operand):
                inner = self.expression(operand)
                return self.call("negate", inner) if level == TERM else ast.UnaryOp(ast.Not(), inner)
            case tree.Unary(_, op, operand):
                if op == "~" and level == TERM:
                    raise CannotExpress("bits of a variable cannot be taken over the reals")
                kind = {"-": ast.USub(), "+": ast.UAdd(), "~": ast.Invert()}[op]
                return ast.UnaryOp(kind, self.operand(operand, level))
            case tree.Binary():
                return self.binary(node, level)
            case tree.Compare(_, op, left, right):
                a, b = self.operand(left, level), self.operand(right, level)
                return ast.Compare(a, [COMPARISONS[op]], [b])
            case tree.Logic(_, op, left, right):
                return self.logic(op, left, right)
            case tree.Apply():
                return self.apply(node, level)
            case tree.RoundTo(_, _, operand):
                return self.expression(operand)  # over the reals there is nothing to round
            case tree.Reduce():
                return self.reduce(node, level)
            case tree.Call(_, _, arguments, _):
                given = [ast.Name("problem"), *map(self.argument, arguments)]
                return ast.Call(ast.Name(self.function(node)), given, [])
        raise AssertionError(node)

    def argument(self, node: tree.Node) -> ast.expr:
        if self.level(node) == TERM:
            return self.expression(node)
        return self.call("term", self.exact(node))

    def logic(self, op: str, left: tree.Node, right: tree.Node) -> ast.expr:
        if self.level(left) == PYTHON:
            # What Python knows already guards the right side: it may read what is not there.
            word = ast.And() if op == "and" else ast.Or()
            return ast.BoolOp(word, [self.expression(left), self.expression(right)])
        guard = left if op == "and" else None
        return self.call("both" if op == "and" else "either", self.expression(left), self.under(guard, right))

    def binary(self, node: tree.Binary, level: int) -> ast.expr:
        left, right = node.left, node.right
        if node.op == "**":
            return self.power(left, right, level)
        if node.op in ("&", "|", "^", "<<", ">>") and level == TERM:
            raise CannotExpress("bits of a variable cannot be taken over the reals", "engine crosshair knows bits")
        a, b = self.operand(left, level), self.operand(right, level)
        if node.op == "/" and level < TERM and self.level(left) == PYTHON:
            if self.level(right) == PYTHON:
                return self.call("Fraction", a, b)
            a = self.call("Fraction", a)
        return ast.BinOp(a, OPERATORS[node.op], b)

    def power(self, base: tree.Node, exponent: tree.Node, level: int) -> ast.expr:
        root = exponent.value if isinstance(exponent, tree.Number) else None
        if root in (0.5, -0.5):
            return self.call("sqrt" if root == 0.5 else "rsqrt", self.expression(base))
        if isinstance(root, float) and _is_whole(exponent):
            exponent = tree.Number(exponent.place, int(root))
        if self.level(exponent) != PYTHON:
            # For a positive base this is what the power means; that it is positive has to be shown.
            grown = ast.BinOp(
                self.operand(exponent, self.level(exponent)), ast.Mult(), self.call("log", self.expression(base))
            )
            return self.call("exp", grown)
        below = self.operand(base, level)
        if level == EXACT and self.level(base) == PYTHON:
            below = self.call("Fraction", below)
        return ast.BinOp(below, ast.Pow(), self.expression(exponent))

    def element(self, node: tree.Element) -> ast.expr:
        array = ast.Name(self.names(node.array))
        levels = [self.level(i) for i in node.indices]
        if EXACT in levels:
            raise CannotExpress(f"an index of {node.array} is not a whole number")
        shape = self.scope.values[node.array].shape or ()
        if TERM not in levels:
            return ast.Subscript(array, tuple_of([self.place(node, k, shape[k]) for k in range(len(shape))]))
        # An index that is a variable: the element at each place it may mean.
        names, places, sizes = [], [], []
        conditions: list[ast.expr] = []
        self.depth += 1
        for k, (level, index) in enumerate(zip(levels, node.indices, strict=True), 1):
            if level == PYTHON:
                places.append(self.place(node, k - 1, shape[k - 1]))
                continue
            place = ast.Name(f"at_{self.depth}_{k}")
            conditions.append(ast.Compare(self.expression(index), [ast.Eq()], [place]))
            names.append(place)
            places.append(place)
            sizes.append(self.size(shape[k - 1]))
        self.depth -= 1
        condition = conditions[0] if len(conditions) == 1 else self.call("both", *conditions)
        value = ast.Subscript(array, tuple_of(places))
        loop = self.loop([n.id for n in names], sizes, [])
        if is_truth(node, self.scope):
            return self.call("any_of", ast.GeneratorExp(self.call("both", condition, value), [loop]))
        item = self.call("where", condition, value, ast.Constant(0))
        return self.call("sum_over", ast.GeneratorExp(item, [loop]))

    def place(self, node: tree.Element, axis: int, size: str | int) -> ast.expr:
        """An index that Python knows. Where only a solver can tell whether the element counts, it is kept inside."""
        index = self.expression(node.indices[axis])
        if not self.doubtful or (node.array, node.place, axis) not in self.scope.guarded:
            return index
        last = ast.parse(f"{self.size(size)} - 1", mode="eval").body
        inner = ast.Call(ast.Name("max"), [index, ast.Constant(0)], [])
        return ast.Call(ast.Name("min"), [inner, last], [])

    def under(self, condition: tree.Node | None, node: tree.Node, level: int = TERM) -> ast.expr:
        """The node, which counts only where the condition holds."""
        self.doubtful += condition is not None
        try:
            return self.operand(node, level)
        finally:
            self.doubtful -= condition is not None

    def apply(self, node: tree.Apply, level: int) -> ast.expr:
        function, arguments = node.function, node.arguments
        if function == "where":
            return self.choice(arguments[0], arguments[1], arguments[2], level)
        if function in ("approx", "equal", "exact"):
            return self.claim(arguments[0], arguments[1])
        if function == "isfinite":
            return ast.Constant(True)
        if function == "round":
            raise CannotExpress("round has no form over the reals", "use floor(x + 0.5) where ties do not matter")
        if function in ("length", "occurrences", "join"):
            raise CannotExpress("a text has no place in a proof over the reals")
        values = [self.operand(a, level) for a in arguments]
        match function:
            case "sigmoid":
                grown = self.call("exp", ast.UnaryOp(ast.USub(), values[0]))
                return ast.BinOp(ast.Constant(1), ast.Div(), ast.BinOp(ast.Constant(1), ast.Add(), grown))
            case "cast":
                return values[0]  # over the reals there is nothing to round
            case "real" | "int":
                if not is_truth(arguments[0], self.scope):
                    return values[0]
                if level == TERM:
                    return self.call("where", values[0], ast.Constant(1), ast.Constant(0))
                return ast.Call(ast.Name("int"), values, [])
            case "abs":
                return self.call("abs_", *values) if level == TERM else ast.Call(ast.Name("abs"), values, [])
            case "min" | "max" if level < TERM:
                return ast.Call(ast.Name(function), values, [])
            case "min" | "max":
                return self.call(f"{function}imum", *values)
            case "clip" if level < TERM:
                inner = ast.Call(ast.Name("max"), values[:2], [])
                return ast.Call(ast.Name("min"), [inner, values[2]], [])
            case "sign" if level < TERM:
                zero = ast.Constant(0)
                up, down = (ast.Compare(values[0], [op], [zero]) for op in (ast.Gt(), ast.Lt()))
                return ast.BinOp(up, ast.Sub(), down)
        return self.call(function, *values)

    def choice(self, condition: tree.Node, first: tree.Node, second: tree.Node, level: int) -> ast.expr:
        taken = decided(condition)
        if taken is not None:
            return self.operand(first if taken else second, level)
        known, open_ = self.parts(condition)
        a, b = self.under(open_, first, level), self.operand(second, level)
        chosen = a if open_ is None else self.call("where", self.expression(open_), a, b)
        return chosen if known is None else ast.IfExp(self.expression(known), chosen, b)

    def parts(self, condition: tree.Node) -> tuple[tree.Node | None, tree.Node | None]:
        """A condition as what sizes and indices decide, and the rest."""
        all_ = conjuncts(condition)
        known = conjunction([c for c in all_ if self.level(c) == PYTHON])
        return known, conjunction([c for c in all_ if self.level(c) != PYTHON])

    def claim(self, left: tree.Node, right: tree.Node) -> ast.expr:
        shapes = [self.shape(side) for side in (left, right)]
        if not shapes[0]:
            a, b = self.expression(left), self.expression(right)
            if TERM not in (self.level(left), self.level(right)):
                a = self.call("term", self.exact(left))
            return ast.Compare(a, [ast.Eq()], [b])
        sides = []
        for side in (left, right):
            if isinstance(side, tree.Name):
                sides.append(self.names(side.id))
                continue
            self.hoisted.append(f"at_{len(self.hoisted)} = {self.text(side)}")
            sides.append(f"at_{len(self.hoisted) - 1}")
        indices = [f"at{k}" for k in range(1, len(shapes[0]) + 1)]
        elements = [ast.Subscript(ast.Name(s), tuple_of([ast.Name(i) for i in indices])) for s in sides]
        sizes = list(map(self.size, shapes[0])) if isinstance(left, tree.Name) else [f"*{sides[0]}.shape"]
        loop = self.loop(indices, sizes, [])
        return self.call("all_of", ast.GeneratorExp(ast.Compare(elements[0], [ast.Eq()], [elements[1]]), [loop]))

    def shape(self, node: tree.Node) -> tuple[str | int, ...]:
        match node:
            case tree.Name(_, name):
                type_ = self.scope.values.get(name)
                return () if type_ is None else type_.shape or ()
            case tree.Call(_, equation, _, _):
                return self.scope.equations[equation].outputs[0].type.shape or ()
        return ()

    def reduce(self, node: tree.Reduce, level: int) -> ast.expr:
        names = [self.names(i) for i in node.over]
        sizes = [self.size(self.scope.indices[i].range) for i in node.over]
        if level == PYTHON:
            tests = [] if node.where is None else [self.expression(node.where)]
            items = ast.GeneratorExp(self.expression(node.body), [self.loop(names, sizes, tests)])
            return ast.Call(ast.Name("sum" if node.op == "count" else node.op), [items], [])
        known, open_ = (None, None) if node.where is None else self.parts(node.where)
        tests = [] if known is None else [self.expression(known)]
        body = self.under(open_, node.body)
        if node.op in ("argmax", "argmin") and known is not None:
            # Positions count every item, so those that an index condition removes must stay in their places.
            body = ast.IfExp(tests[0], body, ast.Constant(0))
            counts = tests[0] if open_ is None else ast.BoolOp(ast.And(), [tests[0], self.expression(open_)])
            body, tests = self.call("given", counts, body), []
        elif open_ is not None:
            join = {"count": "both", "any": "both", "all": "implies"}.get(node.op, "given")
            body = self.call(join, self.expression(open_), body)
        return self.call(_REDUCTIONS[node.op], ast.GeneratorExp(body, [self.loop(names, sizes, tests)]))

    def loop(self, names: Sequence[str], sizes: Sequence[str], tests: list[ast.expr]) -> ast.comprehension:
        if len(names) == 1 and not sizes[0].startswith("*"):
            iterable = ast.parse(f"range({sizes[0]})", mode="eval").body
        else:
            self.used.add("over")
            iterable = ast.parse(f"over({', '.join(sizes)})", mode="eval").body
        return ast.comprehension(tuple_of([ast.Name(n) for n in names]), iterable, tests, 0)


def decided(node: tree.Node) -> bool | None:
    """The value of a condition that no number can change: a real number is less than infinity and never equal to it."""
    match node:
        case tree.Compare(_, op, left, tree.Number(_, value)) if abs(value) == float("inf"):
            return None if _is_infinite(left) else op in (("<", "<=", "!=") if value > 0 else (">", ">=", "!="))
        case tree.Compare(place, op, tree.Number(_, value) as number, right) if abs(value) == float("inf"):
            flipped = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}.get(op, op)
            return decided(tree.Compare(place, flipped, right, number))
        case tree.Unary(_, "not", operand):
            inner = decided(operand)
            return None if inner is None else not inner
        case tree.Logic(_, op, left, right):
            sides = decided(left), decided(right)
            if (op == "or") in sides:
                return op == "or"
            return None if None in sides else op == "and"
        case tree.Apply(_, "isfinite", _):
            return True
    return None


def _is_infinite(node: tree.Node) -> bool:
    return isinstance(node, tree.Number) and abs(node.value) == float("inf")


def _is_whole(node: tree.Node) -> bool:
    return isinstance(node, tree.Number) and float(node.value).is_integer()


def _is_count(node: tree.Node) -> bool:
    return isinstance(node, tree.Number) and isinstance(node.value, int) and node.value >= 0
