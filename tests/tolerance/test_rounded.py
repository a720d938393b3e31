"""The arithmetic that correct implementations are made of."""

from __future__ import annotations

import numpy as np
import pytest
from albor_contracts.runtime.definitions import Definitions
from albor_contracts.runtime.dtypes import round_to
from albor_contracts.runtime.grid import array, grid
from albor_contracts.runtime.rounded import (
    NAMES,
    Arithmetic,
    Rounded,
    add_up,
    computing,
    implementations,
    in_float64,
    longest_sum,
    overflowed,
)
from albor_contracts.testing import defines, definitions, dot, exp, mean, single, sqrt, sum


@pytest.fixture
def numbers():
    rng = np.random.default_rng(3)
    return [rng.normal(size=200).astype(np.float32) for _ in range(2)]


def test_operators_are_those_of_float32(numbers):
    a, b = numbers
    x, y = Rounded(a), Rounded(b)
    assert np.array_equal((x + y).value, a + b)
    assert np.array_equal((x - y).value, a - b)
    assert np.array_equal((x * y).value, a * b)
    assert np.array_equal((x / y).value, a / b)
    assert np.array_equal((1 - x).value, np.float32(1) - a)
    assert np.array_equal((x**3).value, a * a * a)
    assert (x + y).value.dtype == np.float32


@pytest.mark.parametrize("precision", ["bf16", "f16"])
def test_operators_in_narrow_formats(precision, numbers):
    a, b = (round_to(n, precision) for n in numbers)
    with computing(Arithmetic(precision=precision)):
        assert np.array_equal((Rounded(a) * Rounded(b)).value, round_to(a * b, precision))
        assert np.array_equal((Rounded(a) + 0.1).value, round_to(a + round_to(0.1, precision), precision))


def test_a_fused_product_is_not_rounded_before_it_is_added(numbers):
    a, b = numbers
    with computing(Arithmetic(fused=True)):
        once = (Rounded(a) * Rounded(b) + Rounded(-(a * b))).value
    exact = a.astype(np.float64) * b - (a * b).astype(np.float64)
    assert np.array_equal(once, exact.astype(np.float32))
    assert once.any()
    assert not (Rounded(a) * Rounded(b) - Rounded(a * b)).value.any()


def test_orders_of_summation():
    rng = np.random.default_rng(4)
    terms = rng.normal(size=(3, 1000)).astype(np.float32)

    def one_by_one(row):
        total = np.float32(0)
        for t in row:
            total = np.float32(total + t)
        return total

    wanted = {
        "naive": [one_by_one(row) for row in terms],
        "reversed": [one_by_one(row[::-1]) for row in terms],
        "blocks of 32": [one_by_one([one_by_one(row[k : k + 32]) for k in range(0, 1000, 32)]) for row in terms],
    }
    longest_sum()  # forgets the sums of whatever ran before
    for order, right in wanted.items():
        with computing(Arithmetic(order)):
            assert np.array_equal(add_up(terms, (1,))[:, 0], right)
    with computing(Arithmetic("pairwise")):
        pairs = add_up(terms, (1,))[:, 0]
    exact = terms.astype(np.float64).sum(axis=1)
    assert np.abs(pairs - exact).max() < np.abs(np.array(wanted["naive"]) - exact).max()
    assert longest_sum() == 1000
    assert longest_sum() == 0


def test_sums_over_two_axes_and_wrong_sums():
    terms = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    assert np.array_equal(add_up(terms, (0, 2)), terms.sum(axis=(0, 2), keepdims=True))
    with computing(Arithmetic(drop=True)):
        assert np.array_equal(add_up(terms, (2,)), terms[..., :-1].sum(axis=2, keepdims=True))
    with computing(Arithmetic("naive", sums_in="bf16")):
        assert add_up(np.ones((1, 1000), np.float32), (1,))[0, 0] == 256  # where bf16 stops counting


def test_flushing_and_overflow():
    overflowed()
    with computing(Arithmetic(fast=True)):
        assert (Rounded(1e-20) * Rounded(1e-20)).value == 0
    assert (Rounded(1e-20) * Rounded(1e-20)).value > 0
    assert not overflowed()
    assert np.isinf((Rounded(1e30) * Rounded(1e30)).value)
    assert overflowed()
    with in_float64(), computing(Arithmetic()):
        assert (Rounded(1e30) * Rounded(1e30)).value == 1e30 * 1e30


@defines("softmax(x: float[R, N]) -> p: float[R, N], z: float[R], m: float[]")
def softmax(x):
    R, N = x.shape
    r, i = grid(R, N)
    e = array[r, i](exp(x[r, i]))
    z = array[r](sum[i](e[r, i]))
    m = mean[r, i](x[r, i]) + dot[r, i](x[r, i], x[r, i]) / sqrt(2.0)
    return array[r, i](e[r, i] / z[r]), z, single(m)


@pytest.mark.parametrize("how", [Arithmetic(), Arithmetic("naive", fused=True), Arithmetic("blocks of 8", fast=True)])
def test_definitions_run_in_it(how):
    spec: Definitions = definitions("test/softmax", softmax)
    x = np.random.default_rng(5).normal(size=(4, 50))
    found = implementations(spec, lambda: how)["softmax"](x)
    right = softmax(x)
    for computed, exact in zip(found, right, strict=True):
        assert np.allclose(computed, exact, rtol=3e-6)
        assert not np.array_equal(computed, exact)


def test_every_reduction_and_function_has_a_counterpart():
    from albor_contracts.lang.functions import FUNCTIONS, ON_TEXTS, REDUCTIONS

    elsewhere = {"abs", "max", "min", *ON_TEXTS}  # methods of values, reductions of the same name, texts
    assert set(NAMES) >= (set(FUNCTIONS) - elsewhere) | set(REDUCTIONS)
