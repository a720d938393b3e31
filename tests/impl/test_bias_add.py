import numpy as np
import pytest
import torch
from albor_impl._triton import poisoned, record_launches
from albor_impl.core import bias_add
from albor_reference.core import bias_add as reference
from core_bounds import FLOATS, LAMBDA, U32, draw, exact, layouts, worst


def check(x, b):
    y, db = bias_add.bias_add(x, b), bias_add.bias_add_backward(x)
    assert y.dtype == db.dtype == x.dtype
    wanted = reference.bias_add(exact(x), exact(b))
    assert worst(y, wanted, U32 * np.abs(wanted)) <= 1
    error = LAMBDA * np.sqrt(len(x)) * U32 * np.abs(exact(x)).sum(0)
    assert worst(db, reference.bias_add_backward(exact(x)), error) <= 1


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize(("rows", "n"), [(1, 1), (5, 3), (16, 129), (257, 17), (600, 300), (3, 4097)])
def test_agrees_with_the_reference(rows, n, dtype):
    check(draw((rows, n), dtype, 1), draw((n,), dtype, 2))


@pytest.mark.parametrize("layout", ["transposed", "sliced", "strided", "expanded"])
def test_layouts_are_read_as_they_are_and_left_alone(layout):
    x, b = layouts(draw((6, 37), torch.float32, 3))[layout], draw((74,), torch.float32, 4)[::2]
    before = x.clone(), b.clone()
    check(x, b)
    assert torch.equal(x, before[0]) and torch.equal(b, before[1])


def test_every_element_is_written_in_one_launch_each():
    x, b = draw((300, 200), torch.float32, 5), draw((200,), torch.float32, 6)
    runs = []
    for poison in (float("nan"), 1e30):
        with poisoned(poison), record_launches() as log:
            runs.append((bias_add.bias_add(x, b), bias_add.bias_add_backward(x)))
        assert [launch.kernel for launch in log] == ["_forward_kernel", "_backward_kernel"]
    for first, second in zip(*runs, strict=True):
        assert torch.equal(first, second) and torch.isfinite(first).all()


def test_autograd_and_empty():
    x, b = draw((2, 3, 5), torch.float32, 7).requires_grad_(), draw((5,), torch.float32, 8).requires_grad_()
    g = draw((2, 3, 5), torch.float32, 9)
    bias_add.bias_add_autograd(x, b).backward(g)
    assert torch.equal(x.grad, g) and torch.equal(b.grad, bias_add.bias_add_backward(g.view(6, 5)))
    assert torch.equal(bias_add.bias_add_backward(torch.ones(0, 3)), torch.zeros(3))


def test_wrong_arguments_are_named():
    with pytest.raises(ValueError, match="b: N is 1, but x has N = 3"):
        bias_add.bias_add(torch.ones(2, 3), torch.ones(1))
    with pytest.raises(ValueError, match=r"g: expected shape \[R, N\]"):
        bias_add.bias_add_backward(torch.ones(3))
