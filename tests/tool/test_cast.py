"""`cast`: the value of its argument, with room for one rounding to the dtype under test where that is a narrow one."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from albor_contracts.lang.signature import parse_signature
from albor_contracts.runtime import functions as f
from albor_contracts.runtime.bounded import Bounded, accumulating
from albor_contracts.runtime.definitions import Definitions
from albor_contracts.runtime.dtypes import ACCUMULATES_IN, FORMATS, round_to
from albor_contracts.runtime.traced import Traced

X = np.concatenate([
    np.random.default_rng(0).standard_normal(500), np.random.default_rng(1).standard_normal(500) * 1e-7,
    [0.0, -0.0, 1.0, 60000.0, 2.0**-24, 2.0**-26],
])  # fmt: skip


@pytest.mark.parametrize("dtype", ["bf16", "f16"])
def test_the_bound_holds_the_rounding_and_little_more(dtype):
    with accumulating(ACCUMULATES_IN[dtype], dtype):
        result = f.cast(Bounded(X))
    assert np.array_equal(result.value, X)
    moved = np.abs(round_to(X, dtype) - X)
    form = FORMATS[dtype]
    assert (moved <= result.errors()).all()
    assert (result.errors() <= form.unit * np.abs(X) + form.smallest).all()
    assert result.errors()[X == 0].max() == 0
    normal = np.abs(X) > 4 * form.smallest_normal
    assert (moved[normal] > 0.9 * form.unit * np.abs(X[normal])).any()


@pytest.mark.parametrize("dtype", ["f64", "f32"])
def test_nothing_is_rounded_where_sums_have_the_dtype_under_test(dtype):
    with accumulating(ACCUMULATES_IN[dtype], dtype):
        assert np.max(f.cast(Bounded(X)).error) == 0
    assert np.max(f.cast(Bounded(X)).error) == 0  # nor outside of a kernel's bounds


def test_the_scope_ends():
    with accumulating("f32", "bf16"):
        with accumulating("f32"):
            assert np.max(f.cast(Bounded(X)).error) == 0
        assert np.max(f.cast(Bounded(X)).error) > 0
    assert np.max(f.cast(Bounded(X)).error) == 0


def test_an_error_on_the_way_in_is_carried_and_overflow_has_no_bound():
    with accumulating("f32", "f16"):
        assert f.cast(Bounded(1.0, 0.25)).error >= 0.25 + 2.0**-11 * 1.25
        assert f.cast(Bounded(65520.0)).error == math.inf
        assert f.cast(Bounded(-math.inf)).error == 0


def test_plain_numbers_and_gradients_pass_through():
    assert f.cast(3.25) == 3.25 and f.cast(X) is X
    leaf = torch.tensor([0.1, 2.0], dtype=torch.float64, requires_grad=True)
    f.cast(Traced(leaf)).value.sum().backward()
    assert leaf.grad.tolist() == [1.0, 1.0]


def test_a_definition_widens_for_narrow_kernels_alone():
    signature = parse_signature("double(x: float[N]) -> y: float[N]")
    spec = Definitions("toy/double", {"double": lambda x: f.cast(x) * 2}, {"double": signature})

    def error(precision, dtype):
        (output,) = spec.bounds("double", [Bounded(np.ones(3))], precision, dtype)
        return float(np.max(output.error))

    assert error("f64", "f64") < 1e-15
    assert error("f32", "f32") < 1e-6
    assert 2**-10 < error("f32", "f16") < 2**-9
    assert 2**-7 < error("f32", "bf16") < 2**-6
