import numpy as np
import pytest
import torch
from albor_impl._triton import poisoned, record_launches
from albor_impl.core import softmax
from albor_reference.core import softmax as reference
from core_bounds import FLOATS, LAMBDA, U32, draw, exact, layouts, worst

INF = float("inf")


def forward_error(x, p):
    """exp rounds its argument twice: gap + 8 u; a sum of N terms adds what its terms carry on average."""
    gap = x.max(1, keepdims=True) - x
    seen = np.where(np.isfinite(gap), gap, 0)
    mean = (p * seen).sum(1, keepdims=True)
    return p * (2 * seen + 2 * mean + LAMBDA * np.sqrt(x.shape[1]) + 16) * U32 + 2.0**-126 * (p < 2.0**-125)


def backward_error(g, x, p):
    relative = forward_error(x, p) / np.where(p > 0, p, 1)
    mean = (np.abs(g) * p).sum(1, keepdims=True)
    worst_mean = (np.abs(g) * p * relative).sum(1, keepdims=True) + LAMBDA * np.sqrt(x.shape[1]) * U32 * mean
    return p * (relative + 4 * U32) * (np.abs(g) + mean) + p * worst_mean + 2.0**-126


def check(g, x):
    p = softmax.softmax(x)
    dx = softmax.softmax_backward(g, x)
    assert p.dtype == dx.dtype == x.dtype
    wanted = reference.softmax(exact(x))
    assert worst(p, wanted, forward_error(exact(x), wanted)) <= 1
    wanted_dx = reference.softmax_backward(exact(g), exact(x))
    assert worst(dx, wanted_dx, backward_error(exact(g), exact(x), wanted)) <= 1


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize("n", [1, 2, 17, 129, 1025, 4097])
def test_agrees_with_the_reference(n, dtype):
    check(draw((5, n), dtype, 1), draw((5, n), dtype, 2) * 6)


@pytest.mark.parametrize("n", [8192, 8193, 16384, 16385, 20001])
def test_rows_at_and_beyond_one_block(n):
    x = draw((2, n), torch.float32, 3) * 4
    x[0, -1] = 30  # the maximum comes last
    check(draw((2, n), torch.float32, 4), x)


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize("how", [(1, 1, 1, 0), (1, 2, 2, 0), (1, 2, 4, 0)], ids=str)
@pytest.mark.parametrize("n", [1, 127, 128, 255, 257, 511, 513, 1025, 1279])
def test_a_sweep_keeps_any_part_of_a_row(n, how, dtype):
    """Of a row that ends in the tiles that are kept, before them or with them."""
    x = draw((3, n), dtype, 15) * 6
    p = torch.full_like(x, 7)
    softmax.sweep(x, p, how)
    wanted = reference.softmax(exact(x))
    assert worst(p, wanted, forward_error(exact(x), wanted)) <= 1


@pytest.mark.parametrize("n", [5, 16390])
def test_impossible_classes_and_impossible_rows(n):
    x = draw((3, n), torch.float32, 5)
    x[0, : n - 1] = -INF
    x[1, :] = -INF
    p, dx = softmax.softmax(x), softmax.softmax_backward(torch.ones_like(x), x)
    assert p[0, -1] == 1 and not p[0, :-1].any() and not dx[0].any()
    assert p[1].isnan().all() and dx[1].isnan().all()
    assert torch.equal(p[2:], softmax.softmax(x[2:].contiguous()))


def test_nan_is_not_hidden():
    x = torch.tensor([[0.0, float("nan"), 1.0], [0.0, 1.0, 2.0]])
    p = softmax.softmax(x)
    assert p[0].isnan().all() and torch.isfinite(p[1]).all()


def test_many_rows_share_programs():
    check(draw((301, 33), torch.float32, 6), draw((301, 33), torch.float32, 7))


@pytest.mark.parametrize("layout", ["transposed", "sliced", "strided", "expanded"])
def test_layouts_are_read_as_they_are_and_left_alone(layout):
    g, x = layouts(draw((6, 37), torch.float32, 8))[layout], layouts(draw((6, 37), torch.float32, 9))["sliced"]
    before = g.clone(), x.clone()
    check(g, x)
    check(x, g)
    assert torch.equal(g, before[0]) and torch.equal(x, before[1])


@pytest.mark.parametrize(("n", "forward"), [(33, "_forward_kernel"), (17000, "_sweep_kernel")])
def test_every_element_is_written_in_one_launch(n, forward):
    g, x = draw((7, n), torch.float32, 10), draw((7, n), torch.float32, 11)
    runs = []
    for poison in (float("nan"), 1e30):
        with poisoned(poison), record_launches() as log:
            runs.append((softmax.softmax(x), softmax.softmax_backward(g, x)))
        assert [launch.kernel for launch in log] == [forward, "_backward_kernel"]
    for first, second in zip(*runs, strict=True):
        assert torch.equal(first, second) and torch.isfinite(first).all()


def test_autograd():
    x = draw((2, 3, 37), torch.float32, 12).requires_grad_()
    g = draw((2, 3, 37), torch.float32, 13)
    softmax.softmax_autograd(x).backward(g)
    assert torch.equal(x.grad.reshape(6, 37), softmax.softmax_backward(g.view(6, 37), x.detach().view(6, 37)))


def test_the_bound_rejects_a_factor_of_1_0001():
    x = draw((5, 129), torch.float32, 14)
    wanted = reference.softmax(exact(x))
    assert worst(softmax.softmax(x) * 1.0001, wanted, forward_error(exact(x), wanted)) > 1


@pytest.mark.parametrize("shape", [(0, 5), (5, 0)])
def test_empty(shape):
    x = torch.ones(shape)
    assert softmax.softmax(x).shape == softmax.softmax_backward(x, x).shape == shape


def test_wrong_arguments_are_named():
    x = torch.ones(2, 3)
    with pytest.raises(ValueError, match=r"x: expected shape \[R, N\]"):
        softmax.softmax(x[0])
    with pytest.raises(ValueError, match="x: N is 3, but g has N = 4"):
        softmax.softmax_backward(torch.ones(2, 4), x)
    with pytest.raises(TypeError, match="one dtype"):
        softmax.softmax_backward(x.bfloat16(), x)
    with pytest.raises(TypeError, match=r"x: .* got torch.float64"):
        softmax.softmax(x.double())
