import numpy as np
import pytest
import torch
from albor_impl.training.device_step import (
    _image,
    _plain_update,
    compiled_updates,
    gemm_backward,
    moments,
    snapshot_between,
    train_step,
)
from core_bounds import LAMBDA, U32, draw, exact, worst

LR, BETA1, BETA2, EPS = (float(np.float32(v)) for v in (0.02, 0.9, 0.99, 1e-3))  # kernels take float32 scalars


def drawn(a=2, t=3, k=4, h=5, n=2):
    x, y, w1, w2 = (draw(s, torch.float32, i) for i, s in enumerate(((a, t, k), (a, t, n), (k, h), (h, n))))
    return x, y, w1, w2, *(draw(w.shape, torch.float32, 9, 0.1, 1) for w in (w1, w1, w2, w2))


def gradients(x, y, w1, w2):
    """Loss and gradients by PyTorch's autograd in float64, over all rows at once."""
    leaves = [w.double().requires_grad_() for w in (w1, w2)]
    z = torch.nn.functional.silu(x.double().flatten(0, 1) @ leaves[0]) @ leaves[1]
    loss = ((z - y.double().flatten(0, 1)) ** 2).sum() / (2 * len(z))
    loss.backward()
    return loss.item(), [leaf.grad.numpy() for leaf in leaves]


def errors(x, y, w1, w2):
    """What float32 may be off in the loss and in both gradients: the error of each sum, and what earlier ones do."""
    x, y, w1, w2 = (exact(t) for t in (x, y, w1, w2))
    x, y = x.reshape(-1, x.shape[2]), y.reshape(-1, y.shape[2])
    rows, u = len(x), LAMBDA * U32
    b1, b2, ax = np.abs(w1), np.abs(w2), np.abs(x)
    h = x @ w1
    sigma = 1 / (1 + np.exp(-h))
    s = h * sigma
    slope = np.abs(sigma * (1 + h * (1 - sigma)))
    eh = u * np.sqrt(len(w1)) * (ax @ b1)
    es = 1.1 * eh + 12 * U32 * np.abs(s)  # |silu'| < 1.1
    gap = s @ w2 - y
    egap = es @ b2 + u * np.sqrt(len(w2)) * (np.abs(s) @ b2) + U32 * (np.abs(s @ w2) + 2 * np.abs(gap))
    loss = (np.abs(gap) * egap + (u * np.sqrt(gap.size) + 4 * U32) * gap**2).sum() / rows
    dz, edz = np.abs(gap) / rows, (egap + 2 * U32 * np.abs(gap)) / rows
    e2 = np.abs(s).T @ edz + es.T @ (dz + edz) + u * np.sqrt(rows) * (np.abs(s).T @ dz)
    ds = dz @ b2.T
    eds = edz @ b2.T + u * np.sqrt(w2.shape[1]) * ds
    edh = eds * (slope + 0.5 * eh) + ds * (0.5 * eh + 16 * U32 * (1 + np.abs(h)))  # |silu''| <= 1/2
    e1 = ax.T @ edh + u * np.sqrt(rows) * (ax.T @ (ds * slope))
    return loss, [e1, e2]


@pytest.mark.parametrize("sizes", [(1, 1, 1, 1, 1), (2, 3, 4, 5, 2), (3, 5, 17, 9, 3)])
@pytest.mark.parametrize("max_norm", [0.05, float("inf")])
@pytest.mark.parametrize("step", [1, 40])
def test_a_step_is_autograd_and_adam(sizes, max_norm, step):
    x, y, w1, w2, m1, v1, m2, v2 = inputs = drawn(*sizes)
    before = [t.clone() for t in inputs]
    p1, p2, n1, u1, n2, u2, loss, norm = train_step(*inputs, step, LR, BETA1, BETA2, EPS, max_norm)
    assert all(torch.equal(a, b) for a, b in zip(inputs, before, strict=True))
    wanted_loss, g = gradients(x, y, w1, w2)
    loss_error, ge = errors(x, y, w1, w2)
    assert worst(loss, np.asarray(wanted_loss), np.asarray(loss_error)) <= 1
    length = np.sqrt(sum((one * one).sum() for one in g))
    length_error = np.sqrt(sum((one * one).sum() for one in ge)) + LAMBDA * np.sqrt(p1.numel()) * U32 * length
    assert worst(norm, np.asarray(length), np.asarray(length_error)) <= 1
    c = min(1.0, max_norm / length)
    ec = c * length_error / length if length + length_error > max_norm else 0.0
    for g1, e, w, m, v, p, new_m, new_v in zip(g, ge, (w1, w2), (m1, m2), (v1, v2), (p1, p2), (n1, n2), (u1, u2),
                                               strict=True):  # fmt: skip
        clipped = c * g1
        off = c * e + ec * (np.abs(g1) + e) + 4 * U32 * np.abs(clipped)
        wanted = BETA1 * exact(m) + (1 - BETA1) * clipped
        # 1 - beta is formed in float32 or before: half a unit of 1 in either case.
        size = np.abs(exact(m)) + np.abs(clipped)
        assert worst(new_m, wanted, (1 - BETA1) * off + 4 * U32 * size) <= 1
        wanted = BETA2 * exact(v) + (1 - BETA2) * clipped**2
        size = exact(v) + clipped**2
        assert worst(new_v, wanted, (1 - BETA2) * off * (2 * np.abs(clipped) + off) + 4 * U32 * size) <= 1
        # The weights follow from these moments.
        move = LR * exact(new_m) / (1 - BETA1**step) / (np.sqrt(exact(new_v) / (1 - BETA2**step)) + EPS)
        assert worst(p, exact(w) - move, 16 * U32 * np.abs(move) + U32 * np.abs(exact(w))) <= 1


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_row_that_is_not_finite_changes_nothing(bad):
    x, *rest = drawn()
    x[1, 2, 0] = bad
    *state, loss, norm = train_step(x, *rest, 7, LR, BETA1, BETA2, EPS, 1.0)
    _, w1, w2, m1, v1, m2, v2 = rest
    assert not torch.isfinite(loss) and not torch.isfinite(norm)
    assert all(torch.equal(a, b) for a, b in zip(state, (w1, w2, m1, v1, m2, v2), strict=True))


def test_weights_may_lie_in_any_order():
    inputs = drawn()
    turned = [t.transpose(-1, -2).contiguous().transpose(-1, -2) for t in inputs]
    first, second = (train_step(*t, 1, LR, BETA1, BETA2, EPS, 1.0) for t in (inputs, turned))
    for a, b in zip(first, second, strict=True):
        torch.testing.assert_close(a, b)  # another order of the sums
        assert b.is_contiguous()


def test_moments_begin_at_zero_and_gemm_backward_is_that_of_torch():
    w1, w2 = torch.ones(4, 3, dtype=torch.bfloat16).T, torch.ones(4, 2)
    for made, w in zip(moments(w1, w2), (w1, w1, w2, w2), strict=True):
        assert made.dtype == torch.float32 and made.shape == w.shape and made.is_contiguous() and not made.any()
    dc, a, b = (draw(s, torch.float32, i) for i, s in enumerate(((3, 5), (3, 2), (2, 5))))
    leaves = [t.double().requires_grad_() for t in (a, b)]
    (leaves[0] @ leaves[1]).backward(dc.double())
    da, db = gemm_backward(dc, a, b)
    for got, leaf, size in ((da, leaves[0], dc.abs() @ b.abs().T), (db, leaves[1], a.abs().T @ dc.abs())):
        assert worst(got, leaf.grad.numpy(), 5 * U32 * exact(size)) <= 1


def test_a_snapshot_is_of_the_step_before_and_no_argument_is_written_to():
    inputs = [draw((3, 5), torch.float32, k) for k in range(4)]
    before = [t.clone() for t in inputs]
    lr, beta = 0.125, 0.75
    found = snapshot_between(*inputs, lr, beta)
    assert all(torch.equal(a, b) for a, b in zip(inputs, before, strict=True))
    w, m, g, h = (exact(t) for t in inputs)
    size_w, size_m = np.abs(w), np.abs(m)  # of the terms so far: each operation rounds to a unit of them
    for k, by in enumerate((g, h)):
        m, size_m = beta * m + by, beta * size_m + np.abs(by)
        w, size_w = w - lr * m, size_w + lr * size_m
        assert worst(found[2 * k], w, 4 * (k + 1) * U32 * size_w) <= 1
        assert worst(found[2 * k + 1], m, 2 * (k + 1) * U32 * size_m) <= 1


def test_a_rate_has_an_update_of_its_own():
    w, g = torch.tensor([[1.0, -2.0]]), torch.tensor([[2.0, 4.0]])
    found = torch.stack(compiled_updates(w, g, 0.5, 0.25))
    assert found.tolist() == [[[0.0, -4.0]], [[0.5, -3.0]], [[0.25, -2.5]]]
    images = {}
    assert _image(images, _plain_update, 0.5) is _image(images, _plain_update, 0.5)
    assert _image(images, _plain_update, 0.25) is not _image(images, _plain_update, 0.5)


def test_what_is_refused():
    x, y, *rest = drawn()
    with pytest.raises(ValueError, match="step"):
        train_step(x, y, *rest, 0, LR, BETA1, BETA2, EPS, 1.0)
    for targets in (y[:1], y[:, :2]):
        with pytest.raises(ValueError, match="same micro-batches and rows"):
            train_step(x, targets, *rest, 1, LR, BETA1, BETA2, EPS, 1.0)
