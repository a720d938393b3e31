import numpy as np
import pytest
import torch
from albor_impl._triton import poisoned, record_launches
from albor_impl.core import layernorm
from albor_reference.core import layernorm as reference
from core_bounds import FLOATS, LAMBDA, U32, draw, exact, layouts, worst

EPS = float(np.float32(1e-5))  # a kernel receives float32 scalars


def parts(x, eps):
    """n, r, the error of n, and the relative error of r: the mean strays by LAMBDA sqrt(N) u mean|x|."""
    n = x.shape[1]
    each = LAMBDA * np.sqrt(n) * U32
    d = x - x.mean(1, keepdims=True)
    r = 1 / np.sqrt((d * d).mean(1, keepdims=True) + eps)
    off = each * np.abs(x).mean(1, keepdims=True) + U32 * np.abs(x)
    relative = r * off.max(1, keepdims=True) + each + 8 * U32
    return d * r, r, off * r + np.abs(d * r) * relative, relative


def check(g, x, w, b, eps=EPS):
    y = layernorm.layernorm(x, w, b, eps)
    dx, dw, db = layernorm.layernorm_backward(g, x, w, eps)
    assert y.dtype == dx.dtype == x.dtype and dw.dtype == db.dtype == w.dtype
    g, x, w, b = map(exact, (g, x, w, b))
    rows, n = x.shape
    normed, r, error, relative = parts(x, eps)
    wanted = reference.layernorm(x, w, b, eps)
    assert worst(y, wanted, error * np.abs(w) + 4 * U32 * (np.abs(normed * w) + np.abs(b))) <= 1
    h = np.abs(g * w)
    sums = LAMBDA * np.sqrt(n) * U32
    mean, along = h.mean(1, keepdims=True), (h * np.abs(normed)).mean(1, keepdims=True)
    stray = (h * error).mean(1, keepdims=True) + sums * along
    error_dx = r * (relative + 8 * U32) * (h + mean + np.abs(normed) * along)
    error_dx += r * (sums * mean + error * along + np.abs(normed) * stray)
    error_dw = (np.abs(g) * (error + LAMBDA * np.sqrt(rows) * U32 * np.abs(normed))).sum(0)
    error_db = LAMBDA * np.sqrt(rows) * U32 * np.abs(g).sum(0)
    wanted = reference.layernorm_backward(g, x, w, eps)
    for got, value, allowed in zip((dx, dw, db), wanted, (error_dx, error_dw, error_db), strict=True):
        assert worst(got, value, allowed) <= 1


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize("n", [1, 2, 17, 129, 1025, 4097])
def test_agrees_with_the_reference(n, dtype):
    check(draw((5, n), dtype, 1), draw((5, n), dtype, 2), draw((n,), dtype, 3, 0.5, 2), draw((n,), dtype, 4))


@pytest.mark.parametrize("n", [16384, 16385, 20001])
def test_rows_at_and_beyond_one_block(n):
    x = draw((4, n), torch.float32, 5)
    x[:, 16383:] += 3
    check(draw((4, n), torch.float32, 6), x, draw((n,), torch.float32, 7, 0.5, 2), draw((n,), torch.float32, 8))


@pytest.mark.parametrize("n", [33, 5000])
def test_many_rows_share_programs_and_eps_may_be_zero(n):
    rows = 301 if n < 100 else 7
    check(draw((rows, n), torch.float32, 9), draw((rows, n), torch.float32, 10), *draw((2, n), torch.float32, 11), 0.0)


def test_far_from_zero():
    check(draw((3, 40), torch.float32, 12), 1000 + draw((3, 40), torch.float32, 13), *draw((2, 40), torch.float32, 14))


@pytest.mark.parametrize("layout", ["transposed", "sliced", "strided", "expanded"])
def test_layouts_are_read_as_they_are_and_left_alone(layout):
    g, x = layouts(draw((6, 37), torch.float32, 15))[layout], layouts(draw((6, 37), torch.float32, 16))["sliced"]
    w, b = draw((74,), torch.float32, 17)[::2], draw((74,), torch.float32, 18)[::2]
    before = g.clone(), x.clone()
    check(g, x, w, b)
    check(x, g, w, b)
    assert torch.equal(g, before[0]) and torch.equal(x, before[1])


@pytest.mark.parametrize("n", [33, 17000])
def test_every_element_is_written_in_one_launch_each(n):
    g, x = draw((7, n), torch.float32, 19), draw((7, n), torch.float32, 20)
    w, b = draw((2, n), torch.float32, 21)
    runs = []
    for poison in (float("nan"), 1e30):
        with poisoned(poison), record_launches() as log:
            runs.append((layernorm.layernorm(x, w, b, EPS), *layernorm.layernorm_backward(g, x, w, EPS)))
        assert [launch.kernel for launch in log] == ["_forward_kernel", "_backward_kernel"]
    for first, second in zip(*runs, strict=True):
        assert torch.equal(first, second) and torch.isfinite(first).all()


def test_autograd():
    x, w, b = draw((2, 3, 37), torch.float32, 22), draw((37,), torch.float32, 23), draw((37,), torch.float32, 24)
    leaves = [t.requires_grad_() for t in (x, w, b)]
    g = draw((2, 3, 37), torch.float32, 25)
    y = layernorm.layernorm_autograd(*leaves, EPS)
    assert torch.equal(y, layernorm.layernorm(x.detach().view(6, 37), w.detach(), b.detach(), EPS).view(2, 3, 37))
    y.backward(g)
    wanted = layernorm.layernorm_backward(g.view(6, 37), x.detach().view(6, 37), w.detach(), EPS)
    for leaf, value in zip(leaves, wanted, strict=True):
        assert torch.equal(leaf.grad, value.view(leaf.shape))


@pytest.mark.parametrize("shape", [(0, 5), (5, 0)])
def test_empty(shape):
    x, w = torch.ones(shape), torch.ones(shape[1])
    dx, dw, db = layernorm.layernorm_backward(x, x, w, EPS)
    assert layernorm.layernorm(x, w, w, EPS).shape == dx.shape == shape
    assert torch.equal(dw, torch.zeros(shape[1])) and torch.equal(db, dw)


def test_wrong_arguments_are_named():
    x, w = torch.ones(2, 3), torch.ones(3)
    with pytest.raises(ValueError, match=r"b: N is 4, but x has N = 3"):
        layernorm.layernorm(x, w, torch.ones(4), EPS)
    with pytest.raises(ValueError, match="eps"):
        layernorm.layernorm(x, w, w, -1.0)
    with pytest.raises(TypeError, match=r"x: .* got torch.float64"):
        layernorm.layernorm(x.double(), w, w, EPS)
