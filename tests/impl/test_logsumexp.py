import numpy as np
import pytest
import torch
from albor_impl._triton import poisoned, record_launches
from albor_impl.core import logsumexp
from albor_reference.core import logsumexp as reference
from core_bounds import FLOATS, LAMBDA, U32, draw, exact, layouts, worst

INF = float("inf")


def relative(x):
    """Of the sum of exponentials: exp rounds its argument twice, a sum of N terms adds what they carry on average."""
    gap = x.max(1, keepdims=True) - x
    gap = np.where(np.isfinite(gap), gap, 0)
    e = np.where(np.isfinite(x), np.exp(-gap), 0)
    return (2 * (e * gap).sum(1) / np.maximum(e.sum(1), 1) + LAMBDA * np.sqrt(x.shape[1]) + 16) * U32


def forward_error(x, lse):
    return relative(x) + 6 * U32 * (np.abs(lse) + np.abs(x.max(1)) + np.log(x.shape[1]))


def check(g, x):
    lse, dx = logsumexp.logsumexp(x), logsumexp.logsumexp_backward(g, x)
    assert lse.dtype == torch.float32 and dx.dtype == x.dtype
    values = exact(x)
    wanted = reference.logsumexp(values)
    assert worst(lse, wanted, forward_error(values, wanted)) <= 1
    wanted_dx = reference.logsumexp_backward(exact(g), values)
    gap = values.max(1, keepdims=True) - values
    error = np.abs(wanted_dx) * (2 * gap * U32 + relative(values)[:, None]) + 8 * 2.0**-126
    assert worst(dx, wanted_dx, error) <= 1


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize("n", [1, 2, 17, 129, 1025, 4097])
def test_agrees_with_the_reference(n, dtype):
    check(draw((5,), torch.float32, 1), draw((5, n), dtype, 2) * 6)


@pytest.mark.parametrize("n", [16384, 16385, 20001])
def test_rows_at_and_beyond_one_block(n):
    x = draw((2, n), torch.float32, 3) * 4
    x[0, -1] = 30  # the maximum comes last
    check(draw((2,), torch.float32, 4), x)


@pytest.mark.parametrize("chunk", [1, 2, 16, 33, 99, 100, 101, 10**6])
def test_chunks(chunk):
    x = draw((5, 100), torch.float32, 5)
    x[0, :70], x[1], x[2, 1:] = -INF, -INF, -INF
    with record_launches() as log:
        lse = logsumexp.logsumexp_chunked(x, chunk)
    assert len(log) == 2
    wanted = reference.logsumexp_chunked(exact(x), chunk)
    assert lse[1] == -INF and lse[2] == x[2, 0]
    keep = [0, 2, 3, 4]
    assert worst(lse[keep], wanted[keep], 2 * forward_error(exact(x)[keep], wanted[keep])) <= 1


def test_nothing_and_nan():
    x = torch.tensor([[-INF, -INF], [float("nan"), 0.0], [0.0, -INF]])
    lse = logsumexp.logsumexp(x)
    assert lse[0] == -INF and lse[1].isnan() and lse[2] == 0
    for none in (logsumexp.logsumexp(torch.ones(2, 0)), logsumexp.logsumexp_chunked(torch.ones(2, 0), 4)):
        assert none.dtype == torch.float32 and torch.equal(none, torch.full((2,), -INF))
    assert logsumexp.logsumexp(torch.ones(0, 3)).shape == (0,)


@pytest.mark.parametrize("layout", ["transposed", "sliced", "strided", "expanded"])
def test_layouts_are_read_as_they_are_and_left_alone(layout):
    x, g = layouts(draw((6, 37), torch.float32, 6))[layout], draw((12,), torch.float32, 7)[::2]
    before = x.clone()
    check(g, x)
    assert torch.equal(x, before)


@pytest.mark.parametrize("n", [33, 17000])
def test_every_element_is_written(n):
    x, g = draw((7, n), torch.float32, 8), draw((7,), torch.float32, 9)
    runs = []
    for poison in (float("nan"), 1e30):
        with poisoned(poison):
            runs.append((logsumexp.logsumexp_chunked(x, 1000), logsumexp.logsumexp_backward(g, x)))
    for first, second in zip(*runs, strict=True):
        assert torch.equal(first, second) and torch.isfinite(first).all()


def test_autograd():
    x = draw((2, 3, 37), torch.float32, 10).requires_grad_()
    lse = logsumexp.logsumexp_autograd(x)
    assert lse.shape == (2, 3)
    lse.sum().backward()
    assert torch.equal(x.grad.view(6, 37), logsumexp.logsumexp_backward(torch.ones(6), x.detach().view(6, 37)))


def test_wrong_arguments_are_named():
    x = torch.ones(2, 3)
    with pytest.raises(ValueError, match="chunk: expected at least 1 column, got 0"):
        logsumexp.logsumexp_chunked(x, 0)
    with pytest.raises(TypeError, match=r"g: expected torch\.float32"):
        logsumexp.logsumexp_backward(torch.ones(2).bfloat16(), x)
    with pytest.raises(ValueError, match="x: R is 2, but g has R = 3"):
        logsumexp.logsumexp_backward(torch.ones(3), x)
