"""Which known fault a failing kernel is said to behave like."""

from __future__ import annotations

import numpy as np
import pytest
from albor_contracts.falsify.diagnose import behaves_like
from toys import HEAD, Toy, check

# In float32 the bound of y is about 1e-3: what is added is rounded.
TOY = (
    HEAD
    + """
dims: {N: 1..4}
equations:
  f: {signature: "f(x: float[N]) -> y: float[N]", domain: {x: "in [1, 2]"}, define: "y[i] = (x[i] + 10000) - 10000"}
proof_obligations:
  - {id: TY-LAW, equation: f, type: conservation, property: "Finite.", let: "y = f(x)", check: "all[i](isfinite(y[i]))"}
faults:
  - {id: TY-NEAR, title: a bit more, origin: Toy, define: {f: "y[i] = 3 * x[i] + 2 ** -12"}, killed_by: [TY-DEF-F]}
  - {id: TY-THREE, title: "three", origin: Toy, define: {f: "y[i] = 3 * x[i]"}, killed_by: [TY-DEF-F]}
  - {id: TY-SUM, title: "three added", origin: Toy, define: {f: "y[i] = x[i] + x[i] + x[i]"}, killed_by: [TY-DEF-F]}
  - {id: TY-FOUR, title: "four", origin: Toy, define: {f: "y[i] = 4 * x[i]"}, killed_by: [TY-DEF-F]}
"""
)


@pytest.fixture(scope="module")
def toy():
    return Toy(TOY)


def said(toy, function):
    kernel = toy.kernel("f32", f=function)
    for values in ([1.0, 2.0], [1.5, 1.25]):
        kernel.f(np.array(values, dtype=np.float32))
    return behaves_like(check(TOY), kernel)


def test_the_nearest_is_named_though_another_lies_within_the_bound_too(toy):
    assert said(toy, lambda x: 4 * x) == ("TY-FOUR", "four")
    assert said(toy, lambda x: 3 * x + np.float32(1 / 4096)) == ("TY-NEAR", "a bit more")


def test_those_that_cannot_be_told_apart_are_named_together(toy):
    assert said(toy, lambda x: 3 * x) == ("TY-THREE", "three; or like TY-SUM: three added")


def test_what_is_like_no_fault_and_what_is_right_are_like_none(toy):
    assert said(toy, lambda x: 5 * x) is None
    assert said(toy, lambda x: x) is None


# Where `keep` is false y is 0 and so is its bound. The fault has a value there that two roundings may give differently.
MASKED = (
    HEAD
    + """
dims: {N: 1..4}
equations:
  f:
    signature: "f(x: float[N], keep: bool[N]) -> y: float[N]"
    domain: {x: "in [1, 2]"}
    define: "y[i] = where(keep[i], x[i] / 3, 0)"
proof_obligations:
  - {id: TY-LAW, equation: f, type: boundary, property: "Finite.", let: "y = f(x, keep)", check: "all[i](y[i] < 9)"}
faults:
  - {id: TY-LEAK, title: leak, origin: Toy, define: {f: "y[i] = x[i] / 3 + 0 * int(keep[i])"}, killed_by: [TY-DEF-F]}
"""
)


def test_a_fault_explains_values_where_the_definition_and_its_bound_are_zero():
    def told(function):
        kernel = Toy(MASKED).kernel("f32", f=function)
        kernel.f(np.array([1.25, 1.75], dtype=np.float32), np.array([True, False]))
        return behaves_like(check(MASKED), kernel)

    third = np.float32(1) / np.float32(3)
    assert float(third * np.float32(1.75)) != 1.75 / 3
    assert told(lambda x, keep: x * third) == ("TY-LEAK", "leak")
    assert told(lambda x, keep: x * third * np.where(keep, 1, 1.001).astype(np.float32)) is None
    assert told(lambda x, keep: np.where(keep, x * third, 0).astype(np.float32)) is None
