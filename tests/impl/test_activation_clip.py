import numpy as np
import pytest
import torch
from albor_impl.optim.activation_clip import activation_clip
from albor_reference.optim import activation_clip as reference
from core_bounds import FLOATS, draw, exact, layouts, worst

U64 = 2.0**-53  # norm and product are made in float64, and rounded once


def check(a, limit, chosen=True):
    before = a.clone()
    got = activation_clip(a, limit, chosen)
    wanted = reference.activation_clip(exact(a), limit, chosen)
    assert got.dtype == a.dtype
    assert worst(got, wanted, (a.numel() + 4) * U64 * np.abs(wanted)) <= 1
    assert torch.equal(a, before)
    return got


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize("shape", [(1, 1), (3, 17), (5, 129)])
def test_agrees_with_the_reference(shape, dtype):
    a = draw(shape, dtype, 1)
    for limit in (0.01, 1.0, 4.0, 1e4):
        check(a, limit)
    check(a, 4.0, chosen=False)


@pytest.mark.parametrize("layout", ["transposed", "sliced", "strided", "expanded"])
def test_layouts(layout):
    check(layouts(draw((6, 37), torch.float32, 2))[layout], 0.5)


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_what_is_small_enough_does_not_change_by_a_bit(dtype):
    a = draw((3, 5), dtype, 3)
    assert torch.equal(check(a, 1e4), a)
    assert torch.equal(check(torch.zeros(3, 5, dtype=dtype), 0.5), torch.zeros(3, 5, dtype=dtype))
    assert check(torch.zeros(0, 5, dtype=dtype), 0.5).shape == (0, 5)


def test_squares_that_overflow_float32_do_not():
    check(torch.tensor([[3e38, -3e38]]), 1.0)
    check(torch.tensor([[1e-38, 2e-38]]), 1e-38)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_one_element_that_is_not_finite_leaves_zeros(bad, dtype):
    a = draw((3, 5), dtype, 4)
    a[1, 2] = bad
    assert torch.equal(activation_clip(a, 1.0, True), torch.zeros_like(a))


@pytest.mark.parametrize("limit", [0.0, -1.0, float("nan")])
def test_a_limit_that_is_no_limit_is_refused(limit):
    with pytest.raises(ValueError, match="limit must be positive"):
        activation_clip(torch.ones(1, 2), limit, True)
    check(torch.ones(1, 2), limit, chosen=False)
