"""Under a definition a kernel is called again: the same inputs give the same bits, and earlier results stay."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from albor_contracts.runtime.kernel_fault import KernelFault
from albor_contracts.runtime.repeated import Repeated, changed_in_place
from toys import HEAD, Toy

TOY = (
    HEAD
    + """
dims: {N: 1..4}
equations:
  f:
    signature: "f(x: float[N]) -> y: float[N], z: float[N]"
    define: |
      y[i] = 2 * x[i]
      z[i] = x[i] / x[i]
  next: {signature: "next(k: int) -> n: int", domain: {k: "in [0, 9]"}, define: n = k + 1}
proof_obligations:
  - {id: TY-LAW, equation: f, type: conservation, property: A law, let: "y, z = f(x)", check: "all[i](isfinite(y[i]))"}
"""
)


def once(x):
    with np.errstate(all="ignore"):
        return 2 * x, x / x  # 0 / 0: not a number is the same as not a number


@pytest.fixture(scope="module")
def toy() -> Toy:
    return Toy(TOY)


def test_what_repeats_passes_and_is_called_twice(toy):
    calls = []

    def f(x):
        calls.append(x)
        return once(x)

    assert toy.judge("TY-DEF-F", f=f) == "passed"
    assert 2 * toy.cases <= len(calls) <= 2 * toy.cases + 8 and calls[0] is calls[1] and calls[-2] is calls[-1]
    calls.clear()
    assert toy.judge("TY-LAW", f=f) == "passed"  # definitions alone
    assert len(calls) == toy.cases


def test_the_last_bit_counts(toy):
    calls = []

    def f(x):
        calls.append(0)
        y, z = once(x)
        y[-1] = np.nextafter(y[-1], np.inf) if len(calls) % 2 else y[-1]
        return y, z

    found = toy.judge("TY-DEF-F", f=f)
    assert "f was called twice on the same inputs, and not the same came back: y is not bitwise equal" in found
    *_, first, second = found.replace(" and ", " ").split()
    assert np.nextafter(float(second), np.inf) == float(first)  # both are shown with all their digits


def test_memory_that_nobody_wrote_shows_where_the_bound_is_wide(toy):
    def f(x):
        y, z = once(x)
        y[0] += np.empty(1)[0] * 1e-25  # nothing a bound would see, if 6e4 were what memory holds
        return y, z

    assert "called twice" in toy.judge("TY-DEF-F", f=f)


def test_an_element_that_nobody_wrote_is_called_so(toy):
    def f(x):
        y, z = np.empty(len(x)), once(x)[1]
        y[:-1] = 2 * x[:-1]
        return y, z

    found = toy.judge("TY-DEF-F", f=f)
    assert "y is not bitwise equal" in found and "filled with these two: 1 element was never written)" in found


def test_a_workspace_is_no_result(toy):
    kept = {}

    def f(x):
        y = kept.setdefault(len(x), np.empty(len(x)))
        y[:] = 2 * x
        return y, once(x)[1]

    found = toy.judge("TY-DEF-F", f=f)
    assert "f was called again on other inputs, and what it had returned before changed: y is not" in found


def test_what_is_kept_for_an_address_is_out_of_date_once_it_is_written_to(toy):
    kept = {}

    def f(x):
        place = (x.__array_interface__["data"][0], x.shape, x.strides)
        if place not in kept or not np.array_equal(np.sort(kept[place]), np.sort(x)):  # a new array at an old address
            kept[place] = x.copy()
        return once(kept[place])

    assert "were changed in place, as an optimizer changes weights" in toy.judge("TY-DEF-F", f=f)


@pytest.mark.parametrize("make", [np.array, torch.tensor])
def test_arrays_are_as_they_were_afterwards(make):
    x, y = make([1.0, 2.0, float("nan")]), make([3.0, 4.0, 5.0])
    with changed_in_place([x, y], [y, y]) as changed:
        assert changed and x.tolist() == y.tolist() == [3, 4, 5]
    assert x.tolist()[:2] == [1, 2] and math.isnan(x.tolist()[2])
    wide = np.broadcast_to(x[:1], 3) if isinstance(x, np.ndarray) else x[:1].expand(3)
    with changed_in_place([wide], [y]) as changed:  # one element stands for three
        assert not changed and x.tolist()[:2] == [1, 2]


def test_a_constant_may_be_handed_out_again():
    toy = Toy(
        HEAD + 'dims: {N: 1..4}\nequations: {ones: {signature: "ones(x: float[N]) -> y: float[N]", '
        'define: "y[i] = 1"}}\n'
    )
    kept = {}
    assert toy.judge("TY-DEF-ONES", ones=lambda x: kept.setdefault(len(x), np.ones(len(x)))) == "passed"


def test_whole_numbers(toy):
    calls = []
    assert toy.judge("TY-DEF-NEXT", next=lambda k: k + 1) == "passed"
    assert "n is not bitwise equal" in toy.judge("TY-DEF-NEXT", next=lambda k: calls.append(0) or k + len(calls) % 2)


def test_one_call_for_each_value_of_an_index(toy):
    calls = []
    under_test = toy.kernel(next=lambda k: calls.append(0) or k + len(calls) // 5)
    assert under_test.next(np.arange(3)).tolist() == [0, 1, 2]
    under_test.repeated = Repeated()
    with pytest.raises(KernelFault, match=r"next was called twice on the same inputs, .*: the results are 0 and 1"):
        under_test.next(np.arange(3))
