"""Terms over the reals and conditions on them, built by Python operators.

A term is an immutable node; equal nodes are one object, so a shared subterm is shared by everything that walks it.
This is a small language of its own, and not z3's, so that a harness can be read, evaluated exactly (`exact.py`)
and searched for the places an axiom applies to (`axioms.py`) without a solver.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, ClassVar, TypeAlias

Number = int | float | Fraction

FUNCTIONS = ("exp", "log", "sqrt", "cos", "sin", "erf")  # uninterpreted for the solver
COMPARISONS = {"lt": "<", "le": "<=", "eq": "==", "ne": "!="}
_INFIX = {"add": "+", "mul": "*", "div": "/", "and": "and", "or": "or", **COMPARISONS}
_BOOLEAN = frozenset(COMPARISONS) | {"and", "or", "not", "true"}


class Term:
    """A node: `op`, the nodes it is made of, and for constants and variables a `value` or a name."""

    __slots__ = ("args", "op", "value")
    _known: ClassVar[dict[tuple[Any, ...], Term]] = {}

    op: str
    args: tuple[Term, ...]
    value: Any

    def __new__(cls, op: str, args: tuple[Term, ...] = (), value: Any = None) -> Term:
        key = (op, tuple(id(a) for a in args), value)
        known = cls._known.get(key)
        if known is None:
            known = super().__new__(cls)
            known.op, known.args, known.value = op, args, value
            cls._known[key] = known  # keeps the node, and so the ids in other keys, alive
        return known

    @property
    def is_condition(self) -> bool:
        return self.op in _BOOLEAN or (self.op == "where" and self.args[1].is_condition)

    def __add__(self, other: Operand) -> Term:
        return _real("add", self, other)

    def __radd__(self, other: Operand) -> Term:
        return _real("add", other, self)

    def __sub__(self, other: Operand) -> Term:
        return _real("add", self, -term(other))

    def __rsub__(self, other: Operand) -> Term:
        return _real("add", other, -self)

    def __mul__(self, other: Operand) -> Term:
        return _real("mul", self, other)

    def __rmul__(self, other: Operand) -> Term:
        return _real("mul", other, self)

    def __truediv__(self, other: Operand) -> Term:
        return _quotient(self, term(other))

    def __rtruediv__(self, other: Operand) -> Term:
        return _quotient(term(other), self)

    def __floordiv__(self, other: Operand) -> Term:
        return floor(self / other)

    def __rfloordiv__(self, other: Operand) -> Term:
        return floor(other / self)

    def __mod__(self, other: Operand) -> Term:
        return self - other * floor(self / other)

    def __rmod__(self, other: Operand) -> Term:
        return other - self * floor(other / self)

    def __neg__(self) -> Term:
        if self.op == "const":
            return Term("const", (), -self.value)
        return _real("mul", Term("const", (), Fraction(-1)), self)

    def __pos__(self) -> Term:
        return self

    def __abs__(self) -> Term:
        return where(self >= 0, self, -self)

    def __pow__(self, exponent: Any) -> Term:
        if isinstance(exponent, Term) and exponent.op == "const" and exponent.value.denominator == 1:
            exponent = int(exponent.value)
        if not isinstance(exponent, int) or isinstance(exponent, bool):
            raise TypeError(f"an exponent must be a whole number here, not {exponent!r}; write sqrt(x) for a root")
        if exponent < 0:
            return 1 / self ** (-exponent)
        result = term(1)
        for _ in range(exponent):
            result = result * self
        return result

    def __lt__(self, other: Operand) -> Term:
        return _real("lt", self, other)

    def __le__(self, other: Operand) -> Term:
        return _real("le", self, other)

    def __gt__(self, other: Operand) -> Term:
        return _real("lt", other, self)

    def __ge__(self, other: Operand) -> Term:
        return _real("le", other, self)

    def __eq__(self, other: object) -> Term:  # type: ignore[override]
        return _equation(self, other)

    def __ne__(self, other: object) -> Term:  # type: ignore[override]
        return negate(_equation(self, other))

    __hash__ = object.__hash__

    def __and__(self, other: Condition) -> Term:
        return both(self, other)

    __rand__ = __and__

    def __or__(self, other: Condition) -> Term:
        return either(self, other)

    __ror__ = __or__

    def __invert__(self) -> Term:
        return negate(self)

    def __bool__(self) -> bool:
        raise TypeError(
            f"`{self}` is symbolic and has no truth value: use both, either, negate, implies, where, maximum or "
            "minimum instead of and, or, not, if, chained comparisons, max or min"
        )

    def __str__(self) -> str:
        return _text(self)

    def __repr__(self) -> str:
        return f"Term({self})"


Operand: TypeAlias = Term | Number
Condition: TypeAlias = Term | bool


def term(value: Operand) -> Term:
    """`value` as a term over the reals. A float means the decimal that is written: 0.1 is one tenth."""
    if isinstance(value, Term):
        if value.is_condition:
            return where(value, 1, 0)
        return value
    if isinstance(value, bool):
        return Term("const", (), Fraction(int(value)))
    if isinstance(value, (int, Fraction)):
        return Term("const", (), Fraction(value))
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"{value} is not a real number")
        return Term("const", (), Fraction(repr(value)))
    raise TypeError(f"expected a term or a number, got {type(value).__name__}")


def condition(value: Condition) -> Term:
    """`value` as a condition: True and False are conditions, numbers are not."""
    if isinstance(value, Term) and value.is_condition:
        return value
    if isinstance(value, bool):
        return TRUE if value else FALSE
    raise TypeError(f"expected a condition such as `x > 0`, got `{value}`")


def variable(name: str, kind: str = "real") -> Term:
    """The variable `name`, of kind real or int."""
    return Term("var" if kind == "real" else "int", (), name)


TRUE = Term("true", (), True)
FALSE = Term("true", (), False)


def _real(op: str, left: Operand, right: Operand) -> Term:
    if not isinstance(left, (Term, int, float, Fraction)) or not isinstance(right, (Term, int, float, Fraction)):
        return NotImplemented
    return Term(op, (term(left), term(right)))


def _quotient(numerator: Term, denominator: Term) -> Term:
    if denominator.op == "const" and denominator.value == 0:
        raise ZeroDivisionError(f"`{numerator}` is divided by the number 0")
    return Term("div", (numerator, denominator))


def _equation(left: Term, right: object) -> Term:
    if not isinstance(right, (Term, int, float, Fraction)):
        raise TypeError(f"cannot compare `{left}` with a {type(right).__name__}")
    if left.is_condition and (isinstance(right, bool) or (isinstance(right, Term) and right.is_condition)):
        other = condition(right)
        return either(both(left, other), both(negate(left), negate(other)))
    return _real("eq", left, right)


def _text(node: Term, limit: int = 400) -> str:
    text = _render(node, {})
    return text if len(text) <= limit else text[: limit - 4] + " ..."


def _render(node: Term, memo: dict[Term, str]) -> str:
    known = memo.get(node)
    if known is not None:
        return known
    if node.op in ("var", "int", "true", "nothing"):
        text = str(node.value)
    elif node.op == "const":
        text = str(node.value) if node.value >= 0 else f"({node.value})"
    else:
        parts = [_render(a, memo) for a in node.args]
        if node.op in _INFIX:
            text = f"({parts[0]} {_INFIX[node.op]} {parts[1]})"
        elif node.op == "not":
            text = f"(not {parts[0]})"
        else:
            text = f"{node.op}({', '.join(parts)})"
    if len(text) > 2000:
        text = text[:1000] + " ... "
    memo[node] = text
    return text


# Conditions


def both(*conditions: Condition) -> Term:
    """All of the conditions hold, judged from left to right: a later one may rely on an earlier one."""
    return _join("and", TRUE, FALSE, conditions)


def either(*conditions: Condition) -> Term:
    """At least one of the conditions holds; a later one may rely on the earlier ones being false."""
    return _join("or", FALSE, TRUE, conditions)


def _join(op: str, neutral: Term, absorbing: Term, conditions: Iterable[Condition]) -> Term:
    result = neutral
    for one in map(condition, conditions):
        if result is absorbing or one is neutral:
            continue
        if result is neutral:
            result = one
        elif one is absorbing:
            result = absorbing
        else:
            result = Term(op, (result, one))
    return result


def negate(one: Condition) -> Term:
    """The condition does not hold."""
    this = condition(one)
    if this is TRUE or this is FALSE:
        return FALSE if this is TRUE else TRUE
    if this.op == "not":
        return this.args[0]
    return Term("not", (this,))


def implies(premise: Condition, conclusion: Condition) -> Term:
    """Where the premise holds, so does the conclusion."""
    return either(negate(premise), conclusion)


def where(when: Condition, then: Operand, otherwise: Operand) -> Term:
    """`then` where the condition holds, `otherwise` elsewhere."""
    this = condition(when)
    if this is TRUE or this is FALSE:
        chosen = then if this is TRUE else otherwise
        return chosen if isinstance(chosen, Term) else term(chosen)
    if _is_condition(then) and _is_condition(otherwise):
        return both(implies(this, then), implies(negate(this), otherwise))  # type: ignore[arg-type]
    return Term("where", (this, term(then), term(otherwise)))


def _is_condition(value: Operand) -> bool:
    return isinstance(value, bool) or (isinstance(value, Term) and value.is_condition)


# Functions


def exp(x: Operand) -> Term:
    """e to the power x."""
    return Term("exp", (term(x),))


def log(x: Operand) -> Term:
    """Natural logarithm, defined for x > 0."""
    return Term("log", (term(x),))


def sqrt(x: Operand) -> Term:
    """Square root, defined for x >= 0."""
    return Term("sqrt", (term(x),))


def rsqrt(x: Operand) -> Term:
    """1 / sqrt(x), defined for x > 0."""
    return 1 / sqrt(x)


def cos(x: Operand) -> Term:
    """Cosine of x radians."""
    return Term("cos", (term(x),))


def sin(x: Operand) -> Term:
    """Sine of x radians."""
    return Term("sin", (term(x),))


def erf(x: Operand) -> Term:
    """The error function."""
    return Term("erf", (term(x),))


def expm1(x: Operand) -> Term:
    """exp(x) - 1."""
    return exp(x) - 1


def log1p(x: Operand) -> Term:
    """log(1 + x)."""
    return log(1 + term(x))


def tanh(x: Operand) -> Term:
    """Hyperbolic tangent, (exp(2x) - 1) / (exp(2x) + 1)."""
    e = exp(2 * term(x))
    return (e - 1) / (e + 1)


def floor(x: Operand) -> Term:
    """Largest integer not above x."""
    return Term("floor", (term(x),))


def ceil(x: Operand) -> Term:
    """Smallest integer not below x."""
    return -floor(-term(x))


def abs_(x: Operand) -> Term:
    """|x|; the builtin `abs` gives the same."""
    return abs(term(x))


def sign(x: Operand) -> Term:
    """-1, 0 or 1."""
    this = term(x)
    return where(this > 0, 1, where(this < 0, -1, 0))


def maximum(*values: Operand) -> Term:
    """The largest of the values."""
    return max_over(values)


def minimum(*values: Operand) -> Term:
    """The smallest of the values."""
    return min_over(values)


def clip(x: Operand, low: Operand, high: Operand) -> Term:
    """min(max(x, low), high)."""
    return minimum(maximum(x, low), high)


# Reductions


@dataclass(frozen=True)
class Given:
    """An item of a reduction that counts only where `when` holds."""

    when: Term
    value: Operand


def given(when: Condition, value: Operand) -> Given:
    """An item of a reduction that counts only where the condition holds: sum[j](value, where=when)."""
    return Given(condition(when), value)


Item: TypeAlias = Operand | Given


def _split(items: Iterable[Item]) -> list[tuple[Term, Term]]:
    pairs = [(i.when, term(i.value)) if isinstance(i, Given) else (TRUE, term(i)) for i in items]
    return [pair for pair in pairs if pair[0] is not FALSE]


def sum_over(items: Iterable[Item]) -> Term:
    """The sum; 0 over nothing."""
    values = [where(when, value, 0) for when, value in _split(items)]
    return _fold(values, lambda a, b: a + b, term(0))


def prod_over(items: Iterable[Item]) -> Term:
    """The product; 1 over nothing."""
    values = [where(when, value, 1) for when, value in _split(items)]
    return _fold(values, lambda a, b: a * b, term(1))


def _fold(values: list[Term], join: Callable[[Term, Term], Term], empty: Term) -> Term:
    result = None
    for value in values:
        result = value if result is None else join(result, value)
    return empty if result is None else result


def count_of(conditions: Iterable[Condition]) -> Term:
    """How many of the conditions hold."""
    return sum_over(where(c, 1, 0) for c in conditions)


def mean_over(items: Iterable[Item]) -> Term:
    """The mean; over nothing it is not defined."""
    pairs = _split(items)
    total, count = sum_over(Given(c, v) for c, v in pairs), count_of(c for c, _ in pairs)
    if all(c is TRUE for c, _ in pairs):
        return total / len(pairs)
    return total / count


def max_over(items: Iterable[Item]) -> Term:
    """The largest item; over nothing it is not defined."""
    return _extreme(_split(items), lambda new, best: new > best)[0]


def min_over(items: Iterable[Item]) -> Term:
    """The smallest item; over nothing it is not defined."""
    return _extreme(_split(items), lambda new, best: new < best)[0]


def argmax_over(items: Iterable[Item]) -> Term:
    """The position (from 0) of the largest item, the first of equals."""
    return _position(items, lambda new, best: new > best)


def argmin_over(items: Iterable[Item]) -> Term:
    """The position (from 0) of the smallest item, the first of equals."""
    return _position(items, lambda new, best: new < best)


def _position(items: Iterable[Item], better: Callable[[Term, Term], Term]) -> Term:
    # Positions count every item, so those that an index condition removed may not be dropped here.
    pairs = [(i.when, term(i.value)) if isinstance(i, Given) else (TRUE, term(i)) for i in items]
    return _extreme(pairs, better)[1]


def _extreme(pairs: list[tuple[Term, Term]], better: Callable[[Term, Term], Term]) -> tuple[Term, Term]:
    best = Term("nothing", (), "the largest or smallest of nothing")
    place, seen = best, FALSE
    for index, (when, value) in enumerate(pairs):
        take = when if seen is FALSE else both(when, either(negate(seen), better(value, best)))
        best, place = where(take, value, best), where(take, index, place)
        seen = either(seen, when)
    return best, place


def all_of(conditions: Iterable[Condition]) -> Term:
    """Every one of the conditions holds."""
    return both(*conditions)


def any_of(conditions: Iterable[Condition]) -> Term:
    """At least one of the conditions holds."""
    return either(*conditions)


# Arrays

Index: TypeAlias = int | tuple[int, ...]


def over(*dims: int) -> Iterator[Any]:
    """The index tuples of an array of these dims, in order; plain ints for one dim."""
    if len(dims) == 1:
        return iter(range(dims[0]))
    return itertools.product(*(range(d) for d in dims))


class Table:
    """An array of terms with fixed dims, read and written element by element: `y[b, i] = x[b, i] / 2`.

    An element is written once. An index outside the dims, a negative one included, is an IndexError: in a formula
    it is a mistake and never means "from the end".
    """

    def __init__(self, name: str, *dims: int) -> None:
        self.name = name
        self.shape = dims
        self._cells: dict[tuple[int, ...], Term] = {}

    def _at(self, index: Index) -> tuple[int, ...]:
        at = index if isinstance(index, tuple) else (index,)
        if len(at) != len(self.shape):
            raise IndexError(f"{self.name} has {len(self.shape)} dims, but {len(at)} indices were given")
        for position, (i, dim) in enumerate(zip(at, self.shape, strict=True)):
            if not isinstance(i, int):
                raise TypeError(f"index {position} of {self.name} must be an int, not {type(i).__name__}")
            if not 0 <= i < dim:
                raise IndexError(f"index {position} of {self.name} is {i}, outside 0..{dim - 1}")
        return at

    def __getitem__(self, index: Index) -> Term:
        at = self._at(index)
        if at not in self._cells:
            raise LookupError(f"{self.name}[{', '.join(map(str, at))}] is read before it is written")
        return self._cells[at]

    def __setitem__(self, index: Index, value: Operand) -> None:
        at = self._at(index)
        if at in self._cells:
            raise LookupError(f"{self.name}[{', '.join(map(str, at))}] is written twice")
        self._cells[at] = value if isinstance(value, Term) else term(value)

    def __iter__(self) -> Iterator[Term]:
        """The elements, last index fastest."""
        return (self[at] for at in itertools.product(*(range(d) for d in self.shape)))

    def __repr__(self) -> str:
        return f"Table({self.name!r}, {', '.join(map(str, self.shape))})"


def walk(roots: Iterable[Term]) -> Iterator[Term]:
    """Every node reachable from `roots`, each once, arguments before what is made of them."""
    seen: set[Term] = set()
    for root in roots:
        stack = [(root, False)]
        while stack:
            node, done = stack.pop()
            if done:
                yield node
            elif node not in seen:
                seen.add(node)
                stack.append((node, True))
                stack.extend((a, False) for a in reversed(node.args))
