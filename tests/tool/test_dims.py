"""Sizes as polynomials: arithmetic, and what is shown about all permitted sizes is true for each of them."""

from __future__ import annotations

import itertools
import math

import pytest
from albor_contracts.lang.dims import ONE, Dims, Poly
from hypothesis import given, settings
from hypothesis import strategies as st

LOW = {"A": 1, "B": 2, "C": 0}
RANGES = {"A": (1, 2, 3, 7), "B": (2, 3, 5), "C": (0, 1, 4)}
DIMS = Dims({"H": Poly.name("A") * Poly.name("B")}, LOW)
SIZES = [dict(zip(RANGES, s, strict=True)) for s in itertools.product(*RANGES.values())]


def value(p: Poly, sizes: dict[str, int]) -> int:
    total = 0
    for names, c in p.terms:
        total += c * math.prod(sizes[n] for n in names)
    return total


polys = st.dictionaries(
    st.lists(st.sampled_from("ABC"), max_size=2).map(lambda m: tuple(sorted(m))), st.integers(-4, 4), max_size=4
).map(Poly.of)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(polys, polys)
def test_arithmetic(a, b):
    for sizes in SIZES[::5]:
        x, y = value(a, sizes), value(b, sizes)
        assert value(a + b, sizes) == x + y
        assert value(a - b, sizes) == x - y
        assert value(a * b, sizes) == x * y
    assert (a - a).constant == 0
    assert a + b == b + a and a * b == b * a


@settings(max_examples=300, deadline=None, derandomize=True)
@given(polys, polys)
def test_what_is_shown_holds(a, b):
    if DIMS.at_most(a, b):
        assert all(value(a, s) <= value(b, s) for s in SIZES)
    quotient = DIMS.floor_divide(a, b)
    if quotient is not None:
        assert all(value(quotient, s) == value(a, s) // value(b, s) for s in SIZES)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(polys, polys, st.sampled_from([("A", "B"), ("C", "A"), ("B", "C")]))
def test_facts_are_used_and_nothing_else(a, b, fact):
    small, large = fact
    dims = Dims({}, LOW, (Poly.name(large) - Poly.name(small),))
    if dims.at_most(a, b):
        assert all(value(a, s) <= value(b, s) for s in SIZES if s[small] <= s[large])


@pytest.mark.parametrize(
    ("smaller", "larger"),
    [
        ("1", "A"),
        ("2", "B"),
        ("0", "C"),
        ("A", "A * B"),
        ("A + 1", "A * B + 0"),
        ("2 * A", "A * B"),
        ("H", "A * B"),
        ("A - 1", "H - A + A"),
    ],
)
def test_what_can_be_shown(smaller, larger):
    a, b = DIMS.poly(smaller), DIMS.poly(larger)
    assert a is not None and b is not None and DIMS.at_most(a, b)


@pytest.mark.parametrize(
    ("a", "b", "text"),
    [
        ("H", "A", "B"),
        ("H - 1", "A", "B - 1"),
        ("2 * A + 1", "2", "A"),
        ("A + 1", "2", "None"),
        ("4 * A + 3", "4", "A"),
        ("A * B + A - 1", "A", "B"),
        ("A", "C", "None"),
        ("A * A", "A", "A"),
        ("-1", "B", "-1"),
        ("0 - A", "A", "-1"),
    ],
)
def test_quotients(a, b, text):
    x, y = DIMS.poly(a), DIMS.poly(b)
    assert x is not None and y is not None
    assert str(DIMS.floor_divide(x, y)) == text


def test_what_is_no_polynomial():
    for text in ("A / B", "A % B", "1.5"):
        assert DIMS.poly(text) is None
    assert DIMS.poly("H // A") == Poly.name("B")


def test_words():
    p = DIMS.poly("2 * A * B - A + 1 - C")
    assert str(p) == "2 * A * B - A - C + 1"
    assert str(ONE - ONE) == "0"
    assert ONE.constant == 1 and Poly.name("A").constant is None
