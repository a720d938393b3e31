"""`assume` over arrays: what is drawn satisfies it as drawn and as every dtype rounds it."""

from __future__ import annotations

import pytest
from albor_contracts.inputs import cases
from albor_contracts.model import DTYPES
from albor_contracts.testing import any, grid, supposing
from hypothesis import find, given, seed, settings
from hypothesis.errors import NoSuchExample, Unsatisfiable
from hypothesis.strategies import data


def not_zero(case):
    i = grid(case.N)
    return any[i](case.x[i] != 0)


@settings(max_examples=60, deadline=None, database=None)
@given(cases(dims={"N": "1..3"}, x="float[N] in [-1, 1]", such_that=supposing(not_zero)))
def test_no_case_is_a_vector_of_zeros_in_any_dtype(case):
    assert all(case.received(dtype).x.any() for dtype in DTYPES)


def test_values_that_vanish_in_one_dtype_are_not_drawn():
    """1e-30 is 0 in float16."""
    kept = cases(dims={"N": "1..3"}, x="float[N] in {0, 1e-30}", such_that=supposing(not_zero))
    with pytest.raises((NoSuchExample, Unsatisfiable)):
        find(kept, lambda case: True, settings=settings(max_examples=100, database=None))


def test_what_a_condition_refuses_is_drawn_again():
    """One case in four satisfies it: hardly any draw is thrown away, and failures still shrink to the smallest case."""
    kept = cases(dims={"N": "1..8"}, code="int in [0, 3]", such_that=lambda case: case.code == 2)
    seen = []

    @seed(1)
    @settings(max_examples=200, database=None, deadline=None)  # too many thrown away would fail of itself
    @given(data())
    def run(drawn):
        seen.append(False)
        assert drawn.draw(kept).code == 2
        seen[-1] = True

    run()
    assert sum(seen) > 0.75 * len(seen)  # without a second draw a quarter
    smallest = find(kept, lambda case: case.N >= 3, settings=settings(max_examples=200, database=None))
    assert (smallest.N, smallest.code) == (3, 2)
