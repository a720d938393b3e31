import numpy as np
import pytest
import torch
from albor_impl._triton import poisoned, record_launches
from albor_impl.core import residual_add
from albor_reference.core import residual_add as reference
from core_bounds import FLOATS, U32, draw, exact, layouts, worst


def check(x, f, c):
    y = residual_add.residual_add(x, f, c)
    assert y.dtype == x.dtype
    c32 = float(np.float32(c))
    sizes = np.abs(exact(x)) + np.abs(c32 * exact(f))
    assert worst(y, reference.residual_add(exact(x), exact(f), c32), 2 * U32 * sizes) <= 1
    dx, df = residual_add.residual_add_backward(x, c)
    assert torch.equal(dx, x)
    assert worst(df, c32 * exact(x), U32 * np.abs(c32 * exact(x))) <= 1


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize("n", [1, 3, 129, 4097])
@pytest.mark.parametrize("c", [1.0, -0.3, 0.0])
def test_agrees_with_the_reference(n, c, dtype):
    check(draw((5, n), dtype, 1), draw((5, n), dtype, 2) * 9, c)


@pytest.mark.parametrize("layout", ["transposed", "sliced", "strided", "expanded"])
def test_layouts_are_read_as_they_are_and_left_alone(layout):
    x, f = layouts(draw((6, 37), torch.float32, 3))[layout], layouts(draw((6, 37), torch.float32, 4))["sliced"]
    before = x.clone(), f.clone()
    check(x, f, 0.5)
    check(f, x, 1.0)
    assert torch.equal(x, before[0]) and torch.equal(f, before[1])


def test_every_element_is_written_in_one_launch_each():
    x, f = draw((7, 5000), torch.float32, 5), draw((7, 5000), torch.float32, 6)
    runs = []
    for poison in (float("nan"), 1e30):
        with poisoned(poison), record_launches() as log:
            runs.append((residual_add.residual_add(x, f, 0.5), *residual_add.residual_add_backward(x, 0.5)))
        assert len(log) == 2
    for first, second in zip(*runs, strict=True):
        assert torch.equal(first, second) and torch.isfinite(first).all()


@pytest.mark.parametrize("c", [1.0, 0.25])
def test_autograd(c):
    x, f = (draw((2, 3, 5), torch.float32, seed).requires_grad_() for seed in (7, 8))
    g = draw((2, 3, 5), torch.float32, 9)
    y = residual_add.residual_add_autograd(x, f, c)
    assert torch.equal(y, residual_add.residual_add(x.detach().view(6, 5), f.detach().view(6, 5), c).view(2, 3, 5))
    y.backward(g)
    assert torch.equal(x.grad, g) and torch.equal(f.grad, c * g)


def test_wrong_arguments_are_named():
    x = torch.ones(2, 3)
    with pytest.raises(ValueError, match="f: N is 4, but x has N = 3"):
        residual_add.residual_add(x, torch.ones(2, 4), 1.0)
    with pytest.raises(TypeError, match="one dtype"):
        residual_add.residual_add(x, x.bfloat16(), 1.0)
    with pytest.raises(ValueError, match="f: expected the shape of x"):
        residual_add.residual_add_autograd(torch.ones(2, 3, 4), torch.ones(3, 2, 4))
