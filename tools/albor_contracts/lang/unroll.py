"""What the backends of proofs share: names that cannot collide, truth values, conjunctions, sizes as numbers."""

from __future__ import annotations

import ast
import keyword
import re
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from functools import lru_cache

from . import tree
from .scope import Scope
from .types import names_in, parse_arithmetic, parse_dim

OPERATORS: dict[str, ast.operator] = {
    "+": ast.Add(), "-": ast.Sub(), "*": ast.Mult(), "/": ast.Div(), "//": ast.FloorDiv(), "%": ast.Mod(),
    "**": ast.Pow(), "&": ast.BitAnd(), "|": ast.BitOr(), "^": ast.BitXor(), "<<": ast.LShift(), ">>": ast.RShift(),
}  # fmt: skip
COMPARISONS: dict[str, ast.cmpop] = {
    "==": ast.Eq(), "!=": ast.NotEq(), "<": ast.Lt(), "<=": ast.LtE(), ">": ast.Gt(), ">=": ast.GtE(),
}  # fmt: skip

MARKED = ("prove_", "canary_")  # functions so called mean something to a harness
_OWN = re.compile(r"at_bits|at(_?\d+)+")  # places and values that have no name in the contract


class CannotExpress(Exception):
    """The engine has no words for this. `code` is that of the diagnostic it becomes."""

    def __init__(self, message: str, hint: str = "", code: str = "E320") -> None:
        super().__init__(message)
        self.message, self.hint, self.code = message, hint, code


class Names:
    """Names of a contract as names of a harness. Words that mean something there get an underscore more.

    Injective: `over` becomes `over_`, and a contract's own `over_` becomes `over__`.
    """

    def __init__(self, taken: Iterable[str]) -> None:
        self.taken = frozenset(taken)

    def __call__(self, name: str) -> str:
        bare = name.rstrip("_")
        clash = bare in self.taken or _OWN.fullmatch(bare) or keyword.iskeyword(bare) or keyword.issoftkeyword(bare)
        return f"{name}_" if bare and clash else name

    def module_level(self, name: str) -> str:
        """The name of a function of the file, which must not look like a proof."""
        return f"the_{name}" if name.startswith(MARKED) else self(name)

    def line(self, text: str) -> str:
        """A line of Python in which only names of the contract occur, renamed."""
        if all(self(name) == name for name in _names_of(text)):
            return text
        parsed = ast.parse(text)
        for node in ast.walk(parsed):
            if isinstance(node, ast.Name):
                node.id = self(node.id)
        return ast.unparse(parsed)


@lru_cache(maxsize=1000)
def _names_of(line: str) -> frozenset[str]:
    return frozenset(node.id for node in ast.walk(ast.parse(line)) if isinstance(node, ast.Name))


def conjuncts(node: tree.Node) -> list[tree.Node]:
    """The parts of `a and b and c`."""
    if isinstance(node, tree.Logic) and node.op == "and":
        return [*conjuncts(node.left), *conjuncts(node.right)]
    return [node]


def conjunction(nodes: list[tree.Node]) -> tree.Node | None:
    """The inverse of `conjuncts`; None for no parts."""
    result: tree.Node | None = None
    for node in nodes:
        result = node if result is None else tree.Logic(node.place, "and", result, node)
    return result


def is_truth(node: tree.Node, scope: Scope) -> bool:
    """Whether the value of a checked expression is true or false, rather than a number."""
    match node:
        case tree.Number(_, value):
            return isinstance(value, bool)
        case tree.Name(_, name) | tree.Element(_, name, _):
            type_ = scope.values.get(name)
            return type_ is not None and type_.dtype == "bool"
        case tree.Compare() | tree.Logic():
            return True
        case tree.Unary(_, op, _):
            return op == "not"
        case tree.Reduce(_, op, _, _, _):
            return op in ("all", "any")
        case tree.Apply(_, "where", arguments):
            return is_truth(arguments[1], scope)
        case tree.Apply(_, function, _):
            return function in ("isfinite", "approx", "equal", "exact")
        case tree.Call(_, equation, _, _):
            signature = scope.equations.get(equation)
            return signature is not None and signature.outputs[0].type.dtype == "bool"
    return False


def same_tree(a: object, b: object) -> bool:
    """Whether two trees say the same, wherever they stand."""
    if isinstance(a, tuple) and isinstance(b, tuple):
        return len(a) == len(b) and all(same_tree(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, tree.Node) and type(a) is type(b):
        return all(same_tree(getattr(a, f), getattr(b, f)) for f in a.__dataclass_fields__ if f != "place")
    return a == b


def integer_value(node: tree.Node, sizes: Mapping[str, int]) -> int | None:
    """The value of an expression in which only sizes and whole numbers occur, else None."""
    match node:
        case tree.Number(_, int() as value):
            return value
        case tree.Name(_, name):
            return sizes.get(name)
        case tree.Unary(_, op, operand):
            inner = integer_value(operand, sizes)
            if inner is None:
                return None
            return {"-": -inner, "+": inner, "~": ~inner, "not": int(not inner)}[op]
        case tree.Binary(_, op, left, right) | tree.Compare(_, op, left, right) | tree.Logic(_, op, left, right):
            a, b = integer_value(left, sizes), integer_value(right, sizes)
            return None if a is None or b is None else _calculate(op, a, b)
        case tree.Apply(_, "min" | "max" as function, arguments):
            values = [integer_value(a, sizes) for a in arguments]
            known = [v for v in values if v is not None]
            if len(known) < len(values):
                return None
            return min(known) if function == "min" else max(known)
    return None


def _calculate(op: str, a: int, b: int) -> int | None:
    match op:
        case "+" | "-" | "*":
            return a + b if op == "+" else a - b if op == "-" else a * b
        case "//" | "%":
            return None if b == 0 else a // b if op == "//" else a % b
        case "==" | "!=":
            return int((a == b) == (op == "=="))
        case "<" | ">=":
            return int((a < b) == (op == "<"))
        case ">" | "<=":
            return int((a > b) == (op == ">"))
        case "and" | "or":
            return int(bool(a and b) if op == "and" else bool(a or b))
        case "<<" if 0 <= b < 64:
            return a << b
    return None


def exact_value(text: str, sizes: Mapping[str, int]) -> Fraction | float | None:
    """A bound of a domain as an exact number, or an infinity; None where inputs are mentioned."""
    return _exact(parse_arithmetic(text), sizes)


def _exact(node: ast.expr, sizes: Mapping[str, int]) -> Fraction | float | None:
    match node:
        case ast.Constant(int() | float() as value):
            return Fraction(repr(value))
        case ast.Name(name):
            return float(name) if name in ("inf", "nan") else Fraction(sizes[name]) if name in sizes else None
        case ast.UnaryOp(op, operand):
            inner = _exact(operand, sizes)
            return inner if inner is None or isinstance(op, ast.UAdd) else -inner
        case ast.BinOp(left, op, right):
            a, b = _exact(left, sizes), _exact(right, sizes)
            if not isinstance(a, Fraction) or not isinstance(b, Fraction):
                return None
            match op:
                case ast.Add():
                    return a + b
                case ast.Sub():
                    return a - b
                case ast.Mult():
                    return a * b
                case ast.Div() | ast.FloorDiv() | ast.Mod() if b == 0:
                    return None
                case ast.Div():
                    return a / b
                case ast.FloorDiv():
                    return Fraction(a // b)
                case ast.Mod():
                    return a % b
                case ast.Pow() if b.denominator == 1 and not (a == 0 and b < 0):
                    return a ** int(b)
    return None


def fixed_sizes(texts: Mapping[str, str], fixed: Mapping[str, int]) -> tuple[dict[str, int], list[str]]:
    """Every dimension as a number: as fixed, else the smallest of its range. And the names of those not fixed."""
    sizes: dict[str, int] = {}
    chosen: list[str] = []
    pending: dict[str, str] = {}
    for name, text in texts.items():
        parsed = parse_dim(text)
        if isinstance(parsed, str):
            pending[name] = parsed
        elif name in fixed:
            sizes[name] = fixed[name]
        else:
            sizes[name] = parsed.low
            chosen.append(name)
    while pending:
        for name, expression in list(pending.items()):
            if not names_in(expression) & set(pending):
                value = exact_value(pending.pop(name), sizes)
                if not isinstance(value, Fraction) or value.denominator != 1 or value < 0:
                    raise CannotExpress(f"{name} is {expression}, which is no size here", "fix other sizes", "E322")
                sizes[name] = int(value)
                if fixed.get(name, sizes[name]) != sizes[name]:
                    message = f"{name} is {expression}, which is {sizes[name]} here and not {fixed[name]}"
                    raise CannotExpress(message, "fix the dimensions it is derived from", "E322")
    return sizes, chosen


def tuple_of(parts: Sequence[ast.expr]) -> ast.expr:
    """One expression as itself, several as a tuple."""
    return parts[0] if len(parts) == 1 else ast.Tuple(list(parts))


def unparse(node: ast.expr) -> str:
    """The text of a piece of Python, without the second pair of brackets that `ast` gives a lone generator."""
    text = ast.unparse(node)  # which asks no piece for its place
    partner: dict[int, int] = {}
    open_: list[int] = []
    for k, c in enumerate(text):
        if c in "([":
            open_.append(k)
        elif c in ")]":
            partner[open_.pop()] = k
    doubled = {k: end for k, end in partner.items() if text[k + 1 : k + 2] == "(" and partner.get(k + 1) == end - 1}
    dropped = {p for k, end in doubled.items() if k and text[k - 1].isidentifier() for p in (k + 1, end - 1)}
    return "".join(c for k, c in enumerate(text) if k not in dropped)
