import numpy as np
import pytest
import torch
from albor_impl._triton import poisoned, record_launches
from albor_impl.core import rmsnorm
from albor_reference.core import rmsnorm as reference
from core_bounds import FLOATS, LAMBDA, U32, WIDTHS, draw, exact, layouts, worst

EPS = float(np.float32(1e-5))  # a kernel receives float32 scalars


def forward_error(y, n):
    """mean: LAMBDA sqrt(n) u relative, halved by the root; 8 u for the operations after it."""
    return (LAMBDA / 2 * np.sqrt(n) + 8) * U32 * np.abs(y)


def backward_errors(g, x, w, eps):
    rows, n = x.shape
    r = 1 / np.sqrt((x * x).mean(1, keepdims=True) + eps)
    normed = np.abs(x * r)
    inner = (np.abs(g * w) * normed).mean(1, keepdims=True)
    each = LAMBDA / 2 * np.sqrt(n) + 12
    dx = r * (np.abs(g * w) + normed * inner) * each * U32 + r * normed * inner * LAMBDA * np.sqrt(n) * U32
    dw = (np.abs(g) * normed).sum(0) * (each + LAMBDA * np.sqrt(rows)) * U32
    return dx, dw


def check(g, x, w, eps=EPS):
    y = rmsnorm.rmsnorm(x, w, eps)
    dx, dw = rmsnorm.rmsnorm_backward(g, x, w, eps)
    assert y.dtype == dx.dtype == x.dtype and dw.dtype == w.dtype
    wanted = reference.rmsnorm(exact(x), exact(w), eps)
    assert worst(y, wanted, forward_error(wanted, x.shape[1])) <= 1
    wanted_dx, wanted_dw = reference.rmsnorm_backward(exact(g), exact(x), exact(w), eps)
    error_dx, error_dw = backward_errors(exact(g), exact(x), exact(w), eps)
    assert worst(dx, wanted_dx, error_dx) <= 1
    assert worst(dw, wanted_dw, error_dw) <= 1


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize("n", WIDTHS)
def test_agrees_with_the_reference(n, dtype):
    check(draw((5, n), dtype, 1), draw((5, n), dtype, 2), draw((n,), dtype, 3, 0.5, 2))


@pytest.mark.parametrize("n", [16384, 16385, 20001])
def test_rows_at_and_beyond_one_block(n):
    check(draw((4, n), torch.float32, 4), draw((4, n), torch.float32, 5), draw((n,), torch.float32, 6, 0.5, 2))


@pytest.mark.parametrize(("block", "rows", "warps"), [(64, 1, 1), (64, 4, 2), (128, 8, 8)])
def test_what_a_program_takes_changes_no_bit(block, rows, warps):
    x, w = draw((7, 60), torch.bfloat16, 34), draw((60,), torch.bfloat16, 35, 0.5, 2)
    tiles = {"BLOCK": block, "ROWS": rows, "ONE_BLOCK": True, "num_warps": warps}
    with poisoned(float("nan")):
        y, rstd = rmsnorm._forward(x, w, EPS, True, tiles)
    wanted, r = rmsnorm._forward(x, w, EPS, True)
    assert torch.equal(y, wanted) and torch.allclose(rstd, r, rtol=4e-7, atol=0)


def test_many_rows_share_programs():
    check(draw((301, 33), torch.float32, 7), draw((301, 33), torch.float32, 8), draw((33,), torch.float32, 9, 0.5, 2))


def test_more_programs_than_the_sum_takes_at_a_time(monkeypatch):
    """As on a GPU, which has hundreds of them where the interpreter has three."""
    monkeypatch.setattr(rmsnorm, "CPU_BACKWARD_PROGRAMS", 301)
    rows, n = rmsnorm.SUM_ROWS + 45, 1025
    with record_launches() as log:
        check(draw((rows, n), torch.float32, 29), draw((rows, n), torch.float32, 30), draw((n,), torch.float32, 31))
    assert [launch.grid[0] for launch in log if launch.kernel == "_backward_kernel"] == [rows]


def test_mass_in_the_last_column():
    x = torch.full((3, 129), 1e-3)
    x[:, -1] = 50
    check(draw((3, 129), torch.float32, 10), x, draw((129,), torch.float32, 11, 0.5, 2))


def test_rows_near_the_root_of_eps():
    check(draw((4, 65), torch.float32, 12), draw((4, 65), torch.float32, 13) * 3e-3, draw((65,), torch.float32, 14))


@pytest.mark.parametrize("n", [100, 20001])
def test_eps_zero_leaves_no_trace_of_missing_rows(n):
    check(draw((3, n), torch.float32, 15), draw((3, n), torch.float32, 16), draw((n,), torch.float32, 17), 0.0)


@pytest.mark.parametrize("layout", ["transposed", "sliced", "strided", "expanded"])
def test_layouts_are_read_as_they_are_and_left_alone(layout):
    x, g = layouts(draw((6, 37), torch.float32, 18))[layout], layouts(draw((6, 37), torch.float32, 19))[layout]
    before = x.clone(), g.clone()
    check(g, x, draw((74,), torch.float32, 20, 0.5, 2)[::2])
    assert torch.equal(x, before[0]) and torch.equal(g, before[1])


@pytest.mark.parametrize("n", [37, 20001])
def test_each_argument_has_its_own_stride(n):
    x, g, w = draw((3, n), torch.float32, 31), draw((3, n), torch.float32, 32), draw((n,), torch.float32, 33, 0.5, 2)
    check(layouts(g)["sliced"], x, w)
    check(g, layouts(x)["sliced"], w)


@pytest.mark.parametrize("n", [33, 20001])
def test_every_element_is_written(n):
    g, x, w = draw((7, n), torch.float32, 21), draw((7, n), torch.float32, 22), draw((n,), torch.float32, 23)
    runs = []
    for poison in (float("nan"), 1e30):
        with poisoned(poison):
            runs.append((rmsnorm.rmsnorm(x, w, EPS), *rmsnorm.rmsnorm_backward(g, x, w, EPS)))
    for first, second in zip(*runs, strict=True):
        assert torch.equal(first, second) and torch.isfinite(first).all()


@pytest.mark.parametrize("rows", [1, 64, 200])
def test_one_launch_for_all_rows(rows):
    x, w = draw((rows, 40), torch.float32, 24), torch.ones(40)
    with record_launches() as log:
        rmsnorm.rmsnorm(x, w, EPS)
    assert [launch.kernel for launch in log] == ["_forward_kernel"]
    with record_launches() as log:
        rmsnorm.rmsnorm_backward(x, x, w, EPS)
    assert [launch.kernel for launch in log] == ["_backward_kernel", "_sum_kernel"]


@pytest.mark.parametrize("n", [37, 20001])
def test_autograd(n):
    x = draw((2, 3, n), torch.float32, 25).requires_grad_()
    w = draw((n,), torch.float32, 26, 0.5, 2).requires_grad_()
    g = draw((2, 3, n), torch.float32, 27)
    y = rmsnorm.rmsnorm_autograd(x, w, EPS)
    y.backward(g)
    flat = exact(x).reshape(6, n)
    wanted = reference.rmsnorm(flat, exact(w), EPS)
    assert worst(y.reshape(6, n), wanted, forward_error(wanted, n)) <= 1
    dx, dw = reference.rmsnorm_backward(exact(g).reshape(6, n), flat, exact(w), EPS)
    error_dx, error_dw = backward_errors(exact(g).reshape(6, n), flat, exact(w), EPS)
    assert worst(x.grad.reshape(6, n), dx, error_dx) <= 1
    assert worst(w.grad, dw, error_dw) <= 1


def test_autograd_of_an_expanded_gradient():
    x = draw((3, 8), torch.float32, 28).requires_grad_()
    w = torch.full((8,), 2.0)
    rmsnorm.rmsnorm_autograd(x, w, EPS).sum().backward()
    wanted, _ = reference.rmsnorm_backward(np.ones((3, 8)), exact(x), exact(w), EPS)
    error, _ = backward_errors(np.ones((3, 8)), exact(x), exact(w), EPS)
    assert worst(x.grad, wanted, error) <= 1


def test_the_bound_rejects_a_factor_of_1_0001():
    x, w = draw((5, 129), torch.float32, 29), draw((129,), torch.float32, 30, 0.5, 2)
    wanted = reference.rmsnorm(exact(x), exact(w), EPS)
    assert worst(rmsnorm.rmsnorm(x, w, EPS) * 1.0001, wanted, forward_error(wanted, 129)) > 1


@pytest.mark.parametrize("shape", [(0, 5), (5, 0)])
def test_empty(shape):
    x, w = torch.ones(shape), torch.ones(shape[1])
    dx, dw = rmsnorm.rmsnorm_backward(x, x, w, EPS)
    assert rmsnorm.rmsnorm(x, w, EPS).shape == dx.shape == shape
    assert torch.equal(dw, torch.zeros(shape[1]))


def test_wrong_arguments_are_named():
    x, w = torch.ones(2, 3), torch.ones(3)
    with pytest.raises(ValueError, match=r"w: N is 4, but x has N = 3"):
        rmsnorm.rmsnorm(x, torch.ones(4), EPS)
    with pytest.raises(ValueError, match=r"x: expected shape \[R, N\]"):
        rmsnorm.rmsnorm(w, w, EPS)
    with pytest.raises(ValueError, match="eps"):
        rmsnorm.rmsnorm(x, w, -1.0)
    with pytest.raises(ValueError, match="eps"):
        rmsnorm.rmsnorm(x, w, float("nan"))
    with pytest.raises(TypeError, match=r"x: .* got torch.float64"):
        rmsnorm.rmsnorm(x.double(), w, EPS)
    with pytest.raises(TypeError, match=r"g: expected a torch\.Tensor"):
        rmsnorm.rmsnorm_backward([1.0], x, w, EPS)
