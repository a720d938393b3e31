"""The true value of a term at a point, in exact arithmetic.

Rational terms are evaluated with `Fraction`. The functions exp, log, sqrt, cos, sin and erf are enclosed in intervals
with rational ends, so that every answer `True` or `False` is a fact; where the enclosure is too wide to decide, the
answer is None. A counterexample counts only when it is confirmed here.
"""

from __future__ import annotations

import decimal
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction

from .terms import Term

Point = Mapping[str, Fraction]

_DIGITS = 60  # of a function's value
_SCALE = 10**200  # scaled integers of the power series: room for terms as large as exp(144)
_CONTEXT = decimal.Context(prec=_DIGITS, Emax=decimal.MAX_EMAX, Emin=decimal.MIN_EMIN)


class NotDefined(ArithmeticError):
    """The term has no value at this point: it divides by zero or leaves a function's domain."""


class Unclear(ArithmeticError):
    """The enclosures are too wide to say."""


@dataclass(frozen=True)
class Interval:
    """A real number known to lie between `lo` and `hi`; known exactly where they are equal."""

    lo: Fraction
    hi: Fraction

    @property
    def exact(self) -> bool:
        return self.lo == self.hi

    def __str__(self) -> str:
        if self.exact and len(str(self.lo)) <= 24:
            return str(self.lo)
        return f"{float(self.lo):.9g}"


def value(node: Term, point: Point) -> Interval:
    """The value of a real term. Raises NotDefined or Unclear."""
    return _Evaluator(point).real(node)


def holds(node: Term, point: Point) -> bool | None:
    """Whether a condition holds; None where the enclosures are too wide. Raises NotDefined."""
    try:
        return _Evaluator(point).truth(node)
    except Unclear:
        return None


def _outward(lo: Fraction, hi: Fraction) -> Interval:
    """The interval, with ends of bounded size. Exact values stay exact."""
    if lo == hi:
        return Interval(lo, hi)
    size = max(abs(lo), abs(hi))
    exponent = len(str(size.numerator)) - len(str(size.denominator))
    unit = Fraction(10) ** (exponent - _DIGITS - 20)
    return Interval(math.floor(lo / unit) * unit, math.ceil(hi / unit) * unit)


def _add(a: Interval, b: Interval) -> Interval:
    return _outward(a.lo + b.lo, a.hi + b.hi)


def _mul(a: Interval, b: Interval) -> Interval:
    corners = (a.lo * b.lo, a.lo * b.hi, a.hi * b.lo, a.hi * b.hi)
    return _outward(min(corners), max(corners))


def _div(a: Interval, b: Interval) -> Interval:
    if b.lo == b.hi == 0:
        raise NotDefined("division by zero")
    if b.lo <= 0 <= b.hi:
        raise Unclear("a denominator that may be zero")
    return _mul(a, Interval(1 / b.hi, 1 / b.lo))


def _around(centre: Fraction, radius: Fraction) -> Interval:
    return _outward(centre - radius, centre + radius)


def _exp(x: Interval) -> Interval:
    if x.lo == x.hi == 0:
        return Interval(Fraction(1), Fraction(1))
    if max(abs(x.lo), abs(x.hi)) > 10_000:
        raise Unclear("exp of a huge number")
    ends = []
    for end, side in ((x.lo, -1), (x.hi, 1)):
        rounded = _CONTEXT.divide(decimal.Decimal(end.numerator), decimal.Decimal(end.denominator))
        result = Fraction(_CONTEXT.exp(rounded))
        # The argument is off by at most |x| 10^(1-digits), the result by one unit in the last place.
        ends.append(result * (1 + side * (abs(end) + 2) * Fraction(1, 10 ** (_DIGITS - 4))))
    return _outward(ends[0], ends[1])


def _log(x: Interval) -> Interval:
    if x.hi <= 0:
        raise NotDefined("log of a number that is not positive")
    if x.lo <= 0:
        raise Unclear("log of a number that may not be positive")
    if x.lo == x.hi == 1:
        return Interval(Fraction(0), Fraction(0))
    ends = []
    for end, side in ((x.lo, -1), (x.hi, 1)):
        rounded = _CONTEXT.divide(decimal.Decimal(end.numerator), decimal.Decimal(end.denominator))
        result = Fraction(_CONTEXT.ln(rounded))
        ends.append(result + side * (abs(result) + 2) * Fraction(1, 10 ** (_DIGITS - 4)))
    return _outward(ends[0], ends[1])


def _sqrt(x: Interval) -> Interval:
    if x.hi < 0:
        raise NotDefined("square root of a negative number")
    if x.lo < 0:
        raise Unclear("square root of a number that may be negative")
    ends = []
    for end, side in ((x.lo, 0), (x.hi, 1)):
        # sqrt(n / d) = sqrt(n d s^2) / (d s), and isqrt is exact.
        n, d = end.numerator, end.denominator
        root = math.isqrt(n * d)
        if root * root == n * d:
            ends.append(Fraction(root, d))
            continue
        scale = 10**_DIGITS
        ends.append(Fraction(math.isqrt(n * d * scale * scale) + side, d * scale))
    return _outward(ends[0], ends[1])


def _trigonometric(x: Interval, sine: bool) -> Interval:
    if x.lo == x.hi == 0:
        return Interval(Fraction(0), Fraction(0)) if sine else Interval(Fraction(1), Fraction(1))
    centre, radius = (x.lo + x.hi) / 2, (x.hi - x.lo) / 2
    if abs(centre) > 100:
        raise Unclear("a trigonometric function of a large number")
    scaled = round(centre * _SCALE)
    square = scaled * scaled // _SCALE
    total = term = scaled if sine else _SCALE
    index = 1 if sine else 0
    steps = 0
    while abs(term) > 1 or steps < 3:
        term = -(term * square) // (_SCALE * (index + 1) * (index + 2))
        total += term
        index += 2
        steps += 1
    # Truncations grow by at most exp(|x|) on their way through the recurrence; 10^60 units cover exp(100) steps.
    slack = Fraction(10**60, _SCALE)
    result = _around(Fraction(total, _SCALE), radius + slack)
    return Interval(max(result.lo, Fraction(-1)), min(result.hi, Fraction(1)))


def _erf(x: Interval) -> Interval:
    if x.lo == x.hi == 0:
        return Interval(Fraction(0), Fraction(0))
    centre, radius = (x.lo + x.hi) / 2, (x.hi - x.lo) / 2
    if abs(centre) > 9:
        raise Unclear("erf of a large number")
    scaled = round(centre * _SCALE)
    square = scaled * scaled // _SCALE
    power = total = scaled  # erf x = 2/sqrt(pi) sum (-1)^n x^(2n+1) / (n! (2n+1))
    n = 0
    while abs(power) > 1 or n < 3:
        n += 1
        power = -(power * square) // (_SCALE * n)
        total += power // (2 * n + 1)
    factor = 2 * Fraction(total, _SCALE)
    root = _sqrt(_PI)
    result = _div(Interval(factor, factor), root)
    return _outward(result.lo - radius * 2 - Fraction(1, 10**50), result.hi + radius * 2 + Fraction(1, 10**50))


def _arctan_of_inverse(n: int) -> Fraction:
    total, power, k = 0, _SCALE // n, 0
    while power:
        total += (-1) ** k * (power // (2 * k + 1))
        power //= n * n
        k += 1
    return Fraction(total, _SCALE)


_PI = _around(4 * (4 * _arctan_of_inverse(5) - _arctan_of_inverse(239)), Fraction(1, 10**100))  # Machin's formula

_FUNCTIONS: dict[str, Callable[[Interval], Interval]] = {
    "exp": _exp,
    "log": _log,
    "sqrt": _sqrt,
    "cos": lambda x: _trigonometric(x, sine=False),
    "sin": lambda x: _trigonometric(x, sine=True),
    "erf": _erf,
}


class _Evaluator:
    def __init__(self, point: Point) -> None:
        self.point = point
        self.memo: dict[Term, Interval] = {}

    def real(self, node: Term) -> Interval:
        known = self.memo.get(node)
        if known is None:
            known = self.memo[node] = self._real(node)
        return known

    def _real(self, node: Term) -> Interval:
        match node.op:
            case "const":
                return Interval(node.value, node.value)
            case "var" | "int":
                return Interval(self.point[node.value], self.point[node.value])
            case "add":
                return _add(self.real(node.args[0]), self.real(node.args[1]))
            case "mul":
                return _mul(self.real(node.args[0]), self.real(node.args[1]))
            case "div":
                return _div(self.real(node.args[0]), self.real(node.args[1]))
            case "where":
                chosen = self.truth(node.args[0])
                if chosen is None:
                    then, otherwise = self.real(node.args[1]), self.real(node.args[2])
                    return Interval(min(then.lo, otherwise.lo), max(then.hi, otherwise.hi))
                return self.real(node.args[1] if chosen else node.args[2])
            case "floor":
                x = self.real(node.args[0])
                lo, hi = math.floor(x.lo), math.floor(x.hi)
                if lo != hi:
                    raise Unclear("floor of a number next to an integer")
                return Interval(Fraction(lo), Fraction(lo))
            case "nothing":
                raise NotDefined(str(node.value))
        if node.op in _FUNCTIONS:
            return _FUNCTIONS[node.op](self.real(node.args[0]))
        raise TypeError(f"`{node}` is not a number")

    def truth(self, node: Term) -> bool | None:
        match node.op:
            case "true":
                return bool(node.value)
            case "not":
                inner = self.truth(node.args[0])
                return None if inner is None else not inner
            case "and" | "or":
                return self._joined(node, node.op == "or")
            case "lt" | "le" | "eq":
                return self._compared(node)
        raise TypeError(f"`{node}` is not a condition")

    def _joined(self, node: Term, deciding: bool) -> bool | None:
        left = self.truth(node.args[0])
        if left is deciding:
            return deciding
        try:
            right = self.truth(node.args[1])
        except (NotDefined, Unclear):
            if left is None:
                return None  # the right side may never have been asked for
            raise
        if right is deciding:
            return deciding
        return None if left is None or right is None else not deciding

    def _compared(self, node: Term) -> bool | None:
        a, b = (self.real(x) for x in node.args)
        if node.op == "eq":
            if a.exact and b.exact:
                return a.lo == b.lo
            return None if a.lo <= b.hi and b.lo <= a.hi else False
        if node.op == "lt":
            return True if a.hi < b.lo else False if a.lo >= b.hi else None
        return True if a.hi <= b.lo else False if a.lo > b.hi else None
