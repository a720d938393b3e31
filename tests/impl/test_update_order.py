import numpy as np
import pytest
import torch
from albor_impl.optim.update_order import decoupled, interleaved, network, weight_gradients
from albor_reference.optim import update_order as reference
from core_bounds import FLOATS, LAMBDA, U32, draw, exact, layouts, worst


def errors(g, w, x):
    """What float32 may be off in y and in dw: the error of each sum, and what earlier errors do to it."""
    width, step = np.sqrt(w.shape[1]), LAMBDA * U32
    h, eh = x, np.zeros_like(x)
    kept = [(h, eh)]
    for layer in np.abs(w[:-1]):
        size = np.abs(h) @ layer.T
        eh = eh @ layer.T + step * width * size + 6 * U32  # tanh: 4 u and its argument, |tanh| <= 1
        h = np.tanh(h @ w[len(kept) - 1].T)
        kept.append((h, eh))
    ey = eh @ np.abs(w[2]).T + step * width * (np.abs(h) @ np.abs(w[2]).T)
    edw = np.zeros_like(w)
    d, ed = g, np.zeros_like(g)
    for k in (2, 1, 0):
        h, eh = kept[k]
        edw[k] = ed.T @ (np.abs(h) + eh) + np.abs(d).T @ eh + step * np.sqrt(len(g)) * (np.abs(d).T @ np.abs(h))
        back = np.abs(d) @ np.abs(w[k])
        slope = 1 - h * h
        ed = (ed @ np.abs(w[k]) + step * width * back) * (slope + 2 * eh) + back * (2 * eh + eh * eh + 4 * U32)
        d = (d @ w[k]) * slope
    return ey, edw


def check(g, w, x, lr=0.3):
    arrays = [exact(t) for t in (g, w, x)]
    ey, edw = errors(*arrays)
    assert worst(network(w, x), reference.network(*arrays[1:]), ey) <= 1
    dw = reference.weight_gradients(*arrays)
    assert worst(weight_gradients(g, w, x), dw, edw) <= 1
    wanted = arrays[1] - lr * dw
    for update in (decoupled, interleaved):
        moved = update(g, w, x, lr)
        assert moved.dtype == w.dtype
        assert worst(moved, wanted, lr * edw + 3 * U32 * lr * np.abs(dw)) <= 1


@pytest.mark.parametrize(("batch", "n"), [(1, 1), (3, 5), (17, 9)])
def test_agrees_with_the_reference(batch, n):
    check(*(draw(shape, torch.float32, k) for k, shape in enumerate(((batch, n), (3, n, n), (batch, n)))))


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_both_orders_agree_to_the_last_bit(dtype):
    g, w, x = (draw(shape, dtype, k) for k, shape in enumerate(((4, 6), (3, 6, 6), (4, 6))))
    first, second = decoupled(g, w, x, 0.5), interleaved(g, w, x, 0.5)
    assert torch.equal(first, second) and not torch.equal(first, w)


@pytest.mark.parametrize("layout", ["transposed", "sliced", "strided"])
def test_layouts_are_read_as_they_are_and_left_alone(layout):
    g, x = (layouts(draw((4, 5), torch.float32, k))[layout] for k in (1, 2))
    w = draw((3, 5, 5), torch.float32, 3).transpose(1, 2)
    before = w.clone()
    check(g, w, x)
    assert torch.equal(w, before) and w.grad is None


def test_no_rows_move_nothing_and_nan_is_not_hidden():
    w = draw((3, 4, 4), torch.float32, 4)
    none = torch.zeros(0, 4)
    assert torch.equal(interleaved(none, w, none, 0.5), w) and torch.equal(decoupled(none, w, none, 0.5), w)
    assert torch.isnan(interleaved(torch.ones(1, 4), w, torch.full((1, 4), float("nan")), 0.5)).all()


def test_shapes_that_do_not_fit_are_refused():
    for w, x in (((2, 3, 3), (1, 3)), ((3, 3, 2), (1, 3)), ((3, 3, 3), (1, 2)), ((3, 3), (1, 3))):
        for call in (network, lambda w, x: interleaved(x, w, x, 0.1)):
            with pytest.raises(ValueError, match=r"expected w\[3, N, N\] and x\[B, N\]"):
                call(torch.ones(w), torch.ones(x))
