import numpy as np
import pytest
import torch
from albor_impl._triton import poisoned, record_launches
from albor_impl.core import silu
from albor_reference.core import silu as reference
from core_bounds import FLOATS, U32, draw, exact, layouts, worst


def check(g, x):
    y, dx = silu.silu(x), silu.silu_backward(g, x)
    assert y.dtype == dx.dtype == x.dtype
    g, x = exact(g), exact(x)
    wanted = reference.silu(x)
    assert worst(y, wanted, 12 * U32 * np.abs(wanted)) <= 1
    s = np.exp(-np.logaddexp(0, -x))
    error = 16 * U32 * np.abs(g) * s * (1 + np.abs(x) * np.exp(-np.logaddexp(0, x)))
    assert worst(dx, reference.silu_backward(g, x), error) <= 1


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize("n", [1, 3, 129, 4097])
def test_agrees_with_the_reference(n, dtype):
    check(draw((5, n), dtype, 1), draw((5, n), dtype, 2) * 4)


def test_far_from_zero():
    x = torch.tensor([[-1e4, -90.0, -20.0, -0.0, 0.0, 1e-30, 17.0, 90.0, 1e4]])
    check(torch.ones_like(x), x)


@pytest.mark.parametrize("layout", ["transposed", "sliced", "strided", "expanded"])
def test_layouts_are_read_as_they_are_and_left_alone(layout):
    g, x = layouts(draw((6, 37), torch.float32, 3))[layout], layouts(draw((6, 37), torch.float32, 4))["sliced"]
    before = g.clone(), x.clone()
    check(g, x)
    check(x, g)
    assert torch.equal(g, before[0]) and torch.equal(x, before[1])


@pytest.mark.parametrize("n", [33, 5000])
def test_every_element_is_written_in_one_launch_each(n):
    g, x = draw((7, n), torch.float32, 5), draw((7, n), torch.float32, 6)
    runs = []
    for poison in (float("nan"), 1e30):
        with poisoned(poison), record_launches() as log:
            runs.append((silu.silu(x), silu.silu_backward(g, x)))
        assert len(log) == 2
    for first, second in zip(*runs, strict=True):
        assert torch.equal(first, second) and torch.isfinite(first).all()


def test_autograd_and_empty():
    x, g = draw((2, 3, 37), torch.float32, 7).requires_grad_(), draw((2, 3, 37), torch.float32, 8)
    silu.silu_autograd(x).backward(g)
    assert torch.equal(x.grad.view(6, 37), silu.silu_backward(g.view(6, 37), x.detach().view(6, 37)))
    assert silu.silu(torch.ones(0, 5)).shape == (0, 5)


def test_wrong_arguments_are_named():
    x = torch.ones(2, 3)
    with pytest.raises(ValueError, match="x: N is 3, but g has N = 4"):
        silu.silu_backward(torch.ones(2, 4), x)
    with pytest.raises(TypeError, match="one dtype"):
        silu.silu_backward(x.bfloat16(), x)
