"""Tree to NumPy over all float16 values at once: laws about each value alone.

An element `x[i]` is the whole array of values, `all[i]` is what the engine does by itself. Everything is computed in
float64 and the result of a kernel is rounded once to float16; what looks at other elements is refused.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sequence

from . import tree
from .scope import Scope
from .unroll import COMPARISONS, OPERATORS, CannotExpress, Names, conjuncts, is_truth, unparse

WORDS = ("np", "math", "half", "same_bits", "erf", "narrow")

HALF = [
    "def half(x):",
    '    """x rounded once to float16; as float64, so that the law about it is computed without another rounding."""',
    "    return np.asarray(x).astype(np.float16).astype(np.float64)",
]
SAME_BITS = [
    "def same_bits(a, b):",
    '    """Whether two values are the same float16, the sign of a zero included."""',
    "    first, second = (np.asarray(v).astype(np.float16) for v in (a, b))",
    "    return np.equal(first.view(np.uint16), second.view(np.uint16))",
]
ERF = ["erf = np.vectorize(math.erf, otypes=[np.float64])"]

_NUMPY = {
    "abs": "abs", "sign": "sign", "exp": "exp", "expm1": "expm1", "log": "log", "log1p": "log1p", "sqrt": "sqrt",
    "sin": "sin", "cos": "cos", "tanh": "tanh", "floor": "floor", "ceil": "ceil", "round": "rint", "clip": "clip",
    "isfinite": "isfinite", "where": "where",
}  # fmt: skip
_ALONE = "engine ieee judges each value alone: y[i] may depend on x[i] and on nothing else"


class HalfEmitter:
    """Emits for trees checked in `scope`. `constants` are scalar inputs with one value."""

    def __init__(
        self, scope: Scope, names: Names, function: Callable[[tree.Call], str], constants: Mapping[str, float]
    ) -> None:
        self.scope = scope
        self.names = names
        self.function = function
        self.constants = constants
        self.indices: tuple[str, ...] = ()
        self.used: set[str] = set()

    def statement(self, s: tree.Statement) -> str:
        if len(s.targets) > 1:
            raise CannotExpress("a kernel with several outputs has no place in a law about one value")
        self.indices = s.indices or ()
        return f"{self.names(s.targets[0])} = {unparse(self.expression(s.value))}"

    def claim(self, node: tree.Node) -> list[str]:
        """The conjuncts of a claim, each one truth value for each value of the argument."""
        parts: list[str] = []
        for part in conjuncts(node):
            if isinstance(part, tree.Reduce) and part.op == "all" and part.where is None:
                self.indices = part.over
                parts += [self.text(p) for p in conjuncts(part.body)]
                self.indices = ()
            else:
                parts.append(self.text(part))
        return parts

    def text(self, node: tree.Node) -> str:
        return unparse(self.expression(node))

    def call(self, function: str, arguments: Sequence[ast.expr]) -> ast.Call:
        return ast.Call(ast.parse(function, mode="eval").body, list(arguments), [])

    def expression(self, node: tree.Node) -> ast.expr:
        match node:
            case tree.Number(_, value):
                if value in (float("inf"), float("-inf")):
                    return ast.parse("np.inf" if value > 0 else "-np.inf", mode="eval").body
                if not isinstance(value, bool) and value < 0:
                    return ast.UnaryOp(ast.USub(), ast.Constant(-value))
                return ast.Constant(value)
            case tree.Name(_, name):
                if name in self.constants:
                    return ast.Constant(self.constants[name])
                if name not in self.scope.values:
                    raise CannotExpress(f"{name} is an index or a size", _ALONE)
                return ast.Name(self.names(name))
            case tree.Element(_, array, indices):
                plain = tuple(i.id for i in indices if isinstance(i, tree.Name))
                if plain != self.indices or len(plain) != len(indices):
                    raise CannotExpress(f"{array} is read at another place than the one the line is about", _ALONE)
                return ast.Name(self.names(array))
            case tree.Unary(_, op, operand):
                if op == "~":
                    raise CannotExpress("bits of a float cannot be taken")
                inner = self.expression(operand)
                if op == "not":
                    return self.call("np.logical_not", [inner])
                return inner if op == "+" else ast.UnaryOp(ast.USub(), inner)
            case tree.Binary(_, op, left, right):
                if op in ("&", "|", "^", "<<", ">>"):
                    raise CannotExpress("bits of a float cannot be taken")
                return ast.BinOp(self.expression(left), OPERATORS[op], self.expression(right))
            case tree.Compare(_, op, left, right):
                return ast.Compare(self.expression(left), [COMPARISONS[op]], [self.expression(right)])
            case tree.Logic(_, op, left, right):
                return self.call(f"np.logical_{op}", [self.expression(left), self.expression(right)])
            case tree.Apply(_, function, arguments):
                return self.apply(function, arguments)
            case tree.RoundTo(_, dtype, operand):
                if dtype == "bf16":
                    raise CannotExpress("NumPy has no bfloat16")
                inner = self.expression(operand)
                if dtype == "f32":
                    return self.call("np.float64", [self.call("np.float32", [inner])])
                self.used.add("half")
                return self.call("half", [inner])
            case tree.Call(_, _, arguments, _):
                if len(arguments) - sum(self._is_constant(a) for a in arguments) != 1:
                    raise CannotExpress(f"{node.equation} takes more than one varying argument", _ALONE)
                values = [self.expression(a) for a in arguments]
                result = self.call(self.function(node), values)
                if node.spec or self.scope.definition:  # a definition calls definitions, which do not round
                    return result
                self.used.add("half")
                return self.call("half", [result])
        raise CannotExpress("a sum or another reduction looks at other elements", _ALONE)

    def _is_constant(self, node: tree.Node) -> bool:
        names = [n for n in tree.walk(node) if not isinstance(n, tree.Number | tree.Unary | tree.Binary)]
        return all(isinstance(n, tree.Name) and n.id in self.constants for n in names)

    def apply(self, function: str, arguments: Sequence[tree.Node]) -> ast.expr:
        values = [self.expression(a) for a in arguments]
        match function:
            case "approx":
                raise CannotExpress(
                    "approx needs a bound, and over every float16 value a claim is exact",
                    "state prove.claim with exact(a, b), round_to(f16, b) or an inequality",
                )
            case "equal" | "exact":
                self.used.add("same_bits")
                return self.call("same_bits", values)
            case "min" | "max":
                result = values[0]
                for value in values[1:]:
                    result = self.call(f"np.{function}imum", [result, value])
                return result
            case "sigmoid":
                grown = self.call("np.exp", [ast.UnaryOp(ast.USub(), values[0])])
                return ast.BinOp(ast.Constant(1), ast.Div(), ast.BinOp(ast.Constant(1), ast.Add(), grown))
            case "rsqrt":
                return ast.BinOp(ast.Constant(1), ast.Div(), self.call("np.sqrt", values))
            case "erf":
                self.used.add("erf")
                return self.call("erf", values)
            case "int" | "real":
                return self.call("np.float64", values) if is_truth(arguments[0], self.scope) else values[0]
        if function not in _NUMPY:
            raise CannotExpress(f"{function} has no place in a law about numbers")
        return self.call(f"np.{_NUMPY[function]}", values)
