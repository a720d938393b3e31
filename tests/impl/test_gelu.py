import numpy as np
import pytest
import torch
from albor_impl._triton import poisoned, record_launches
from albor_impl.core import gelu
from albor_reference.core import gelu as reference
from core_bounds import FLOATS, U32, draw, exact, layouts, worst

FORMS = {
    "exact": (gelu.gelu, gelu.gelu_backward, reference.gelu, reference.gelu_backward),
    "tanh": (gelu.gelu_tanh, gelu.gelu_tanh_backward, reference.gelu_tanh, reference.gelu_tanh_backward),
}


def check(form, g, x):
    forward, backward, wanted, wanted_backward = FORMS[form]
    y, dx = forward(x), backward(g, x)
    assert y.dtype == dx.dtype == x.dtype
    g, x = exact(g), exact(x)
    # 1 + erf cancels below zero: absolute in x. exp(-x^2 / 2) and the sigmoid of a cube round an argument of that size.
    size = 1 + x * x + 0.1 * np.abs(x) ** 3
    tail = np.exp(-np.abs(x))
    assert worst(y, wanted(x), 12 * U32 * np.abs(x) * (1 + size * tail)) <= 1
    assert worst(dx, wanted_backward(g, x), 24 * U32 * np.abs(g) * (1 + size * size * tail)) <= 1


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize("n", [1, 3, 129, 4097])
@pytest.mark.parametrize("form", FORMS)
def test_agrees_with_the_reference(form, n, dtype):
    check(form, draw((2, n), dtype, 1), draw((2, n), dtype, 2) * 3)


@pytest.mark.parametrize("form", FORMS)
def test_far_from_zero(form):
    x = torch.tensor([[-1e4, -90.0, -20.0, -0.0, 0.0, 1e-30, 17.0, 90.0, 1e4]])
    forward, backward, *_ = FORMS[form]
    assert torch.equal(forward(x)[0, [0, 1, 7, 8]], torch.tensor([0.0, 0.0, 90.0, 1e4]))
    assert torch.equal(backward(torch.ones_like(x), x)[0, [0, 1, 7, 8]], torch.tensor([0.0, 0.0, 1.0, 1.0]))
    check(form, torch.ones_like(x[:, 2:7]), x[:, 2:7])


@pytest.mark.parametrize("layout", ["transposed", "sliced", "strided", "expanded"])
def test_layouts_are_read_as_they_are_and_left_alone(layout):
    g, x = layouts(draw((6, 37), torch.float32, 3))[layout], layouts(draw((6, 37), torch.float32, 4))["sliced"]
    before = g.clone(), x.clone()
    check("exact", g, x)
    check("tanh", x, g)
    assert torch.equal(g, before[0]) and torch.equal(x, before[1])


@pytest.mark.parametrize("form", FORMS)
def test_every_element_is_written_in_one_launch_each(form):
    g, x = draw((3, 5000), torch.float32, 5), draw((3, 5000), torch.float32, 6)
    forward, backward, *_ = FORMS[form]
    runs = []
    for poison in (float("nan"), 1e30):
        with poisoned(poison), record_launches() as log:
            runs.append((forward(x), backward(g, x)))
        assert len(log) == 2
    for first, second in zip(*runs, strict=True):
        assert torch.equal(first, second) and torch.isfinite(first).all()


@pytest.mark.parametrize("form", FORMS)
def test_autograd_and_empty(form):
    x, g = draw((2, 3, 37), torch.float32, 7).requires_grad_(), draw((2, 3, 37), torch.float32, 8)
    gelu.gelu_autograd(x, tanh=form == "tanh").backward(g)
    assert torch.equal(x.grad.view(6, 37), FORMS[form][1](g.view(6, 37), x.detach().view(6, 37)))
    assert FORMS[form][0](torch.ones(0, 5)).shape == (0, 5)


def test_the_form_has_no_default():
    with pytest.raises(TypeError, match="tanh"):
        gelu.gelu_autograd(torch.ones(2, 3))


def test_wrong_arguments_are_named():
    x = torch.ones(2, 3)
    with pytest.raises(ValueError, match="x: N is 3, but g has N = 4"):
        gelu.gelu_backward(torch.ones(2, 4), x)
    with pytest.raises(TypeError, match="one dtype"):
        gelu.gelu_tanh_backward(x.bfloat16(), x)
