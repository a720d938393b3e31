"""Between which values a whole number lies: from dimensions, domains and the conditions around it.

Whether an index fits is decided here, with polynomials in the dimensions as limits.
"""

from __future__ import annotations

import abc
from collections.abc import Callable

from . import tree
from .dims import ONE, Poly
from .scope import Interval, Kind, Scope
from .types import Domain

ZERO = Poly.number(0)
UNKNOWN: Interval = (None, None)
NEGATED = {"<": ">=", "<=": ">", ">": "<=", ">=": "<", "==": "!=", "!=": "=="}
MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}


class Intervals(abc.ABC):
    """Intervals of the expressions of one block."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.bound: tuple[str, ...] = ()  # indices in force
        self.narrowed: dict[object, tuple[Interval, ...]] = {}  # by the form of an expression
        self.supposed: tuple[tuple[tree.Node, bool], ...] = ()  # conditions that hold or do not, not yet in `narrowed`
        self.kinds: dict[int, Kind] = {}  # of the nodes checked so far

    @abc.abstractmethod
    def scalar(self, node: tree.Node) -> str:
        """The kind of a single value."""

    def fits(self, node: tree.Node, last: Poly) -> bool:
        return self.natural(node) and self.below(node, last)

    def natural(self, node: tree.Node) -> bool:
        """Whether a whole number is never negative."""
        match node:
            case tree.Apply(_, "max", arguments) if any(self.natural(a) for a in arguments):
                return True
            case tree.Apply(_, "min", arguments):
                return all(self.natural(a) for a in arguments)
            case tree.Apply(_, "clip", (x, low, high)):
                return self.natural(low) or (self.natural(x) and self.natural(high))
            case tree.Apply(_, "where", (condition, first, second)):
                return self.in_both(condition, first, second, self.natural)
        return any(low is not None and self.scope.dims.never_negative(low) for low, _ in self.intervals(node))

    def below(self, node: tree.Node, limit: Poly) -> bool:
        """Whether a whole number never exceeds `limit`."""
        match node:
            case tree.Apply(_, "min", arguments) if any(self.below(a, limit) for a in arguments):
                return True
            case tree.Apply(_, "max", arguments):
                return all(self.below(a, limit) for a in arguments)
            case tree.Apply(_, "clip", (x, low, high)):
                return self.below(low, limit) and (self.below(x, limit) or self.below(high, limit))
            case tree.Apply(_, "where", (condition, first, second)):
                return self.in_both(condition, first, second, lambda branch: self.below(branch, limit))
        return any(high is not None and self.scope.dims.at_most(high, limit) for _, high in self.intervals(node))

    def in_both(
        self, condition: tree.Node, first: tree.Node, second: tree.Node, holds: Callable[[tree.Node], bool]
    ) -> bool:
        with Narrowed(self, condition, holds=True):
            if not holds(first):
                return False
        with Narrowed(self, condition, holds=False):
            return holds(second)

    def interval(self, node: tree.Node) -> Interval:
        """Smallest and largest value of a whole number, where the conditions around it hold."""
        first, *rest = self.intervals(node)
        for other in rest:
            first = self.meet(first, other)
        return first

    def intervals(self, node: tree.Node) -> tuple[Interval, ...]:
        """All that is known: limits such as 6 and N - 1 cannot be compared, and both may help."""
        if self.supposed:
            supposed, self.supposed, self.narrowed = self.supposed, (), dict(self.narrowed)
            for condition, holds in supposed:
                self.narrow(condition, holds)
        plain = self.plain_interval(node)
        return (plain, *self.narrowed.get(tree.form(node), ())) if self.narrowed else (plain,)

    def meet(self, a: Interval, b: Interval) -> Interval:
        """Both hold."""
        dims = self.scope.dims
        low = b[0] if a[0] is None or (b[0] is not None and dims.at_most(a[0], b[0])) else a[0]
        high = b[1] if a[1] is None or (b[1] is not None and dims.at_most(b[1], a[1])) else a[1]
        return low, high

    def hull(self, a: Interval, b: Interval) -> Interval:
        """One of both holds."""
        return self.least(a[0], b[0]), self.greatest(a[1], b[1])

    def least(self, a: Poly | None, b: Poly | None) -> Poly | None:
        if a is None or b is None:
            return None
        return a if self.scope.dims.at_most(a, b) else b if self.scope.dims.at_most(b, a) else None

    def greatest(self, a: Poly | None, b: Poly | None) -> Poly | None:
        if a is None or b is None:
            return None
        return b if self.scope.dims.at_most(a, b) else a if self.scope.dims.at_most(b, a) else None

    def plain_interval(self, node: tree.Node) -> Interval:
        dims = self.scope.dims
        match node:
            case tree.Number(_, int() as value):
                return Poly.number(value), Poly.number(value)
            case tree.Name(_, name):
                if name in self.bound:
                    last = dims.last(self.scope.indices[name].range)
                    return UNKNOWN if last is None else (ZERO, last)
                if name in self.scope.dim_names:
                    p = dims.poly(name)
                    return p, p
                return self.domain_interval(name)
            case tree.Element(_, array, _):
                return self.domain_interval(array)
            case tree.Unary(_, "-", operand):
                low, high = self.interval(operand)
                return None if high is None else -high, None if low is None else -low
            case tree.Binary(_, op, left, right):
                return self.arithmetic(op, self.interval(left), self.interval(right))
            case tree.Apply(_, "clip", (x, low_end, high_end)):
                # max(min(x, high), low)
                a, b, c = self.interval(x), self.interval(low_end), self.interval(high_end)
                upper = c[1] if a[1] is None or (c[1] is not None and dims.at_most(c[1], a[1])) else a[1]
                lower = self.least(a[0], c[0]) if a[0] is not None and c[0] is not None else None
                return self.meet((b[0], None), (lower, None))[0], self.greatest(upper, b[1])
            case tree.Apply(_, "max" | "min" as which, arguments):
                result = self.interval(arguments[0])
                for argument in arguments[1:]:
                    a, b = result, self.interval(argument)
                    # One side may be unlimited: max(x, 0) is at least 0 whatever x is.
                    if which == "max":
                        result = self.meet((a[0], None), (b[0], None))[0], self.greatest(a[1], b[1])
                    else:
                        result = self.least(a[0], b[0]), self.meet((None, a[1]), (None, b[1]))[1]
                return result
            case tree.Apply(_, "where", (condition, first, second)):
                with Narrowed(self, condition, holds=True):
                    a = self.interval(first)
                with Narrowed(self, condition, holds=False):
                    b = self.interval(second)
                return self.hull(a, b)
            case tree.Apply(_, "int", (operand,)):
                return (ZERO, ONE) if self.scalar(operand) == "bool" else self.interval(operand)
            case tree.Reduce(_, "argmax" | "argmin", (over,), _, _):
                last = dims.last(self.scope.indices[over].range)
                return UNKNOWN if last is None else (ZERO, last)
            case tree.Reduce(_, "count", over, _, _):
                sizes = [dims.poly(self.scope.indices[name].range) for name in over]
                most: Poly | None = ONE
                for size in sizes:
                    most = None if most is None or size is None else most * size
                return ZERO, most
        return UNKNOWN

    def arithmetic(self, op: str, a: Interval, b: Interval) -> Interval:
        dims = self.scope.dims
        (low_a, high_a), (low_b, high_b) = a, b
        natural = low_a is not None and low_b is not None and dims.never_negative(low_a) and dims.never_negative(low_b)
        match op:
            case "+":
                return _sum(low_a, low_b), _sum(high_a, high_b)
            case "-":
                return _difference(low_a, high_b), _difference(high_a, low_b)
            case "*" if natural:
                assert low_a is not None and low_b is not None
                return low_a * low_b, None if high_a is None or high_b is None else high_a * high_b
            case "//" if low_b is not None and low_b == high_b and dims.at_most(ONE, low_b):
                low = None if low_a is None else dims.floor_divide(low_a, low_b)
                high = None if high_a is None else dims.floor_divide(high_a, low_b)
                # What has no quotient in closed form is no larger than the dividend.
                return (low or ZERO, high or high_a) if natural else (low, high)
            case "%" if low_b is not None and low_b == high_b and dims.at_most(ONE, low_b):
                inside = low_a is not None and high_a is not None and dims.never_negative(low_a)
                if inside and high_a is not None and dims.at_most(high_a, low_b - ONE):
                    return a
                return ZERO, low_b - ONE
            case "&":
                for mask, end in (b, a):
                    if mask is not None and mask == end and (mask.constant or -1) >= 0:
                        return ZERO, mask
            case ">>" if natural:
                return ZERO, high_a
        return UNKNOWN

    def domain_interval(self, name: str) -> Interval:
        if name in self.scope.limits:
            return self.scope.limits[name]
        domain = self.scope.domains.get(name)
        if domain is None or domain.length is not None or not (domain.intervals or domain.values):
            return UNKNOWN
        result: Interval | None = None
        for piece in self.pieces(domain):
            result = piece if result is None else self.hull(result, piece)
        return result or UNKNOWN

    def pieces(self, domain: Domain) -> list[Interval]:
        """The intervals of a domain, and its values as intervals of one."""
        written: list[tuple[str, str, bool, bool]] = [
            (i.low, i.high, i.low_open, i.high_open) for i in domain.intervals
        ]
        written += [(v, v, False, False) for v in domain.values]
        found: list[Interval] = []
        for low, high, low_open, high_open in written:
            a, b = self.scope.dims.poly(low), self.scope.dims.poly(high)
            piece = _sum(a, ONE) if low_open else a, _difference(b, ONE) if high_open else b
            found.append((None if low.endswith("inf") else piece[0], None if high.endswith("inf") else piece[1]))
        return found

    def narrow(self, condition: tree.Node, holds: bool) -> None:
        """Use that `i >= c`, `i < c`, ... holds, or does not, to narrow the interval of whole numbers."""
        match condition:
            case tree.Logic(_, op, left, right) if (op == "and") == holds:
                self.narrow(left, holds)
                self.narrow(right, holds)
            case tree.Unary(_, "not", operand):
                self.narrow(operand, not holds)
            case tree.Compare(_, op, left, right):
                whole = self.kinds.get(id(left)) == "int" and self.kinds.get(id(right)) == "int"
                if whole and not any(isinstance(n, tree.Apply) and n.function == "where" for n in tree.walk(condition)):
                    relation = op if holds else NEGATED[op]
                    self.narrow_one(relation, left, right)
                    self.narrow_one(MIRRORED[relation], right, left)
                    zero = tree.Number(condition.place, 0)
                    self.narrow_one(relation, tree.Binary(condition.place, "-", left, right), zero)
                    self.narrow_one(MIRRORED[relation], tree.Binary(condition.place, "-", right, left), zero)

    def narrow_one(self, op: str, left: tree.Node, right: tree.Node) -> None:
        if isinstance(left, tree.Number):
            return
        low, high = self.interval(right)
        here = self.interval(left)
        match op:
            case "<" | "<=":
                found: Interval = None, _difference(high, ONE) if op == "<" else high
            case ">" | ">=":
                found = _sum(low, ONE) if op == ">" else low, None
            case "==":
                found = low, high
            case _:
                # Unequal to the end of its range: the range is shorter by one.
                point = low if low is not None and low == high else None
                found = (
                    _sum(here[0], ONE) if point == here[0] else None,
                    _difference(here[1], ONE) if point == here[1] else None,
                )
        form = tree.form(left)
        self.narrowed[form] = (*self.narrowed.get(form, ()), found)


def _sum(a: Poly | None, b: Poly | None) -> Poly | None:
    return None if a is None or b is None else a + b


def _difference(a: Poly | None, b: Poly | None) -> Poly | None:
    return None if a is None or b is None else a - b


class Narrowed:
    """While a condition is known to hold, or not to hold. What follows is worked out when an index has to fit."""

    def __init__(self, checker: Intervals, condition: tree.Node, holds: bool) -> None:
        self.checker, self.condition, self.holds = checker, condition, holds

    def __enter__(self) -> None:
        self.saved = self.checker.narrowed, self.checker.supposed
        self.checker.supposed = (*self.checker.supposed, (self.condition, self.holds))

    def __exit__(self, *_: object) -> None:
        self.checker.narrowed, self.checker.supposed = self.saved


class Unconditionally:
    """While nothing is known but ranges and domains."""

    def __init__(self, checker: Intervals) -> None:
        self.checker = checker

    def __enter__(self) -> None:
        self.saved = self.checker.narrowed, self.checker.supposed
        self.checker.narrowed, self.checker.supposed = {}, ()

    def __exit__(self, *_: object) -> None:
        self.checker.narrowed, self.checker.supposed = self.saved
