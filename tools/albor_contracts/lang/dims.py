"""Dimensions as polynomials with integer coefficients, and proofs that an index fits.

A dimension is a name (`N`), a number, or a derived product such as `G * K`. Replacing every name n by its lower
bound plus a variable that is at least 0 turns "P >= 0 for all permitted sizes" into "all coefficients are >= 0",
which is sufficient, quick and explains itself.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from .types import parse_arithmetic

Monomial = tuple[str, ...]


@dataclass(frozen=True)
class Poly:
    terms: tuple[tuple[Monomial, int], ...]

    @staticmethod
    def of(terms: Mapping[Monomial, int]) -> Poly:
        return Poly(tuple(sorted([term for term in terms.items() if term[1]])))

    @staticmethod
    @lru_cache(maxsize=1000)
    def number(value: int) -> Poly:
        return Poly((((), value),) if value else ())

    @staticmethod
    @lru_cache(maxsize=1000)
    def name(name: str) -> Poly:
        return Poly((((str(name),), 1),))

    def __add__(self, other: Poly) -> Poly:
        if not other.terms or not self.terms:
            return self if self.terms else other
        terms = dict(self.terms)
        for m, c in other.terms:
            terms[m] = terms.get(m, 0) + c
        return Poly.of(terms)

    def __neg__(self) -> Poly:
        return Poly(tuple((m, -c) for m, c in self.terms))

    def __sub__(self, other: Poly) -> Poly:
        if not other.terms:
            return self
        terms = dict(self.terms)
        for m, c in other.terms:
            terms[m] = terms.get(m, 0) - c
        return Poly.of(terms)

    def __mul__(self, other: Poly) -> Poly:
        terms: dict[Monomial, int] = {}
        for m, c in self.terms:
            for n, d in other.terms:
                product = tuple(sorted(m + n))
                terms[product] = terms.get(product, 0) + c * d
        return Poly.of(terms)

    @property
    def constant(self) -> int | None:
        """The value, when no name occurs."""
        if not self.terms:
            return 0
        return self.terms[0][1] if len(self.terms) == 1 and self.terms[0][0] == () else None

    def __str__(self) -> str:
        if not self.terms:
            return "0"
        parts = []
        for m, c in sorted(self.terms, key=lambda t: (-len(t[0]), t[0])):
            factor = " * ".join(m)
            parts.append(str(c) if not m else factor if c == 1 else f"-{factor}" if c == -1 else f"{c} * {factor}")
        return " + ".join(parts).replace("+ -", "- ")


ONE = Poly.number(1)


@dataclass(frozen=True)
class Dims:
    """Known dimensions: the definitions of derived ones, the smallest values of the others, and facts `P >= 0`."""

    derived: Mapping[str, Poly]
    low: Mapping[str, int]
    facts: tuple[Poly, ...] = ()
    shown: dict[Poly, bool] = field(default_factory=dict, compare=False, repr=False)  # answers of never_negative
    tops: dict[str | int, Poly | None] = field(default_factory=dict, compare=False, repr=False)  # answers of last

    def last(self, size: str | int) -> Poly | None:
        """The largest index below a size; None if the size is no polynomial."""
        if size not in self.tops:
            whole = self.poly(size)
            self.tops[size] = None if whole is None else whole - ONE
        return self.tops[size]

    def poly(self, expression: str | int | ast.expr) -> Poly | None:
        """The polynomial of a dimension expression, derived names replaced; None if it is not one."""
        if isinstance(expression, int):
            return Poly.number(expression)
        if isinstance(expression, str):
            if expression.isidentifier():
                return self.derived.get(expression) or Poly.name(expression)
            expression = parse_arithmetic(expression)
        match expression:
            case ast.Constant(int() as value):
                return Poly.number(value)
            case ast.Name(name):
                return self.derived.get(name) or Poly.name(name)
            case ast.UnaryOp(ast.USub(), operand):
                inner = self.poly(operand)
                return None if inner is None else -inner
            case ast.BinOp(left, op, right):
                a, b = self.poly(left), self.poly(right)
                if a is None or b is None:
                    return None
                match op:
                    case ast.Add():
                        return a + b
                    case ast.Sub():
                        return a - b
                    case ast.Mult():
                        return a * b
                    case ast.FloorDiv():
                        return self.floor_divide(a, b)
        return None

    def never_negative(self, p: Poly) -> bool:
        """Whether p >= 0 for all permitted sizes can be shown."""
        known = self.shown.get(p)
        if known is None:
            known = self.shown[p] = any(self._obvious(q) for q in (p, *(p - fact for fact in self.facts)))
        return known

    def _obvious(self, p: Poly) -> bool:
        shifted = Poly.number(0)
        for m, c in p.terms:
            term = Poly.number(c)
            for name in m:
                if name not in self.low:
                    return False
                term = term * (Poly.name(name) + Poly.number(self.low[name]))
            shifted = shifted + term
        return all(c >= 0 for _, c in shifted.terms)

    def at_most(self, a: Poly, b: Poly) -> bool:
        return self.never_negative(b - a)

    def floor_divide(self, a: Poly, b: Poly) -> Poly | None:
        """a // b for b >= 1, when a = q * b + r with 0 <= r < b or -b <= r < 0 can be shown."""
        if not self.at_most(ONE, b) or len(b.terms) != 1:
            return None
        (divisor, scale) = b.terms[0]
        quotient: dict[Monomial, int] = {}
        rest: dict[Monomial, int] = {}
        for m, c in a.terms:
            left = list(m)
            try:
                for name in divisor:
                    left.remove(name)
            except ValueError:
                rest[m] = c
                continue
            if divisor or m == ():
                q, r = divmod(c, scale)
            else:
                q, r = (c // scale, 0) if c % scale == 0 else (0, c)
            quotient[tuple(left)] = quotient.get(tuple(left), 0) + q
            if r:
                rest[m] = r
        remainder = Poly.of(rest)
        if self.never_negative(remainder) and self.at_most(remainder + ONE, b):
            return Poly.of(quotient)
        if self.at_most(remainder + ONE, Poly.number(0)) and self.never_negative(remainder + b):
            return Poly.of(quotient) - ONE
        return None
