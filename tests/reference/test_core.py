"""The references of family core against PyTorch in float64 (its autograd for gradients) and against identities."""

import numpy as np
import pytest
import torch
from albor_reference.core import gemm, rmsnorm, rope, swiglu

CLOSE = {"rtol": 1e-12, "atol": 1e-12}
ROWS, N, EPS = 4, 7, 1e-3


@pytest.fixture
def rng():
    return np.random.default_rng(20)


def leaf(array):
    return torch.tensor(array, dtype=torch.float64, requires_grad=True)


def test_gemm_in_all_four_forms(rng):
    a, b = rng.normal(size=(3, 5)), rng.normal(size=(5, 4))
    wanted = np.einsum("mk,kn->mn", a, b)
    for got in (gemm.gemm(a, b), gemm.gemm_tn(a.T, b), gemm.gemm_nt(a, b.T), gemm.gemm_tt(a.T, b.T)):
        assert got.dtype == np.float64
        np.testing.assert_allclose(got, wanted, **CLOSE)


def test_gemm_by_hand():
    np.testing.assert_array_equal(gemm.gemm([[1, 2], [3, 4], [5, 6]], [[1, 0], [10, 1]]), [[21, 2], [43, 4], [65, 6]])


def test_gemm_backward_is_autograd(rng):
    a, b, g = leaf(rng.normal(size=(3, 5))), leaf(rng.normal(size=(5, 4))), rng.normal(size=(3, 4))
    (a @ b).backward(torch.tensor(g))
    da, db = gemm.gemm_backward(g, a.detach().numpy(), b.detach().numpy())
    np.testing.assert_allclose(da, a.grad.numpy(), **CLOSE)
    np.testing.assert_allclose(db, b.grad.numpy(), **CLOSE)


def test_gemm_shapes():
    with pytest.raises(ValueError):
        gemm.gemm(np.ones((2, 3)), np.ones((4, 2)))
    with pytest.raises(ValueError, match="a: expected a matrix"):
        gemm.gemm(np.ones(3), np.ones((3, 2)))
    with pytest.raises(ValueError, match="g: expected shape"):
        gemm.gemm_backward(np.ones((2, 5)), np.ones((2, 3)), np.ones((3, 4)))


def test_rmsnorm_is_that_of_torch_and_so_are_its_gradients(rng):
    x, w, g = leaf(rng.normal(size=(ROWS, N))), leaf(rng.uniform(0.5, 2, N)), rng.normal(size=(ROWS, N))
    y = torch.nn.functional.rms_norm(x, (N,), w, EPS)
    y.backward(torch.tensor(g))
    arrays = x.detach().numpy(), w.detach().numpy()
    np.testing.assert_allclose(rmsnorm.rmsnorm(*arrays, EPS), y.detach().numpy(), **CLOSE)
    dx, dw = rmsnorm.rmsnorm_backward(g, *arrays, EPS)
    np.testing.assert_allclose(dx, x.grad.numpy(), **CLOSE)
    np.testing.assert_allclose(dw, w.grad.numpy(), **CLOSE)


def test_rmsnorm_identities(rng):
    x, w, g = rng.normal(size=(ROWS, N)), rng.uniform(0.5, 2, N), rng.normal(size=(ROWS, N))
    q = (x * x).mean(1)
    y = rmsnorm.rmsnorm(x, np.ones(N), EPS)
    np.testing.assert_allclose((y * y).mean(1), q / (q + EPS), **CLOSE)
    np.testing.assert_allclose(rmsnorm.rmsnorm(-3 * x, w, EPS), -rmsnorm.rmsnorm(x, w, EPS / 9), **CLOSE)
    # <x, dx> = eps r^2 sum_j g_j w_j n_j: a change along x only moves r, and by eps alone.
    r = 1 / np.sqrt(q + EPS)
    dx, _ = rmsnorm.rmsnorm_backward(g, x, w, EPS)
    np.testing.assert_allclose((x * dx).sum(1), EPS * r**2 * (g * w * x * r[:, None]).sum(1), **CLOSE)


def test_rmsnorm_by_hand():
    np.testing.assert_allclose(
        rmsnorm.rmsnorm([[3.0, 4.0]], [1.0, 2.0], 0.0), [[3 / 12.5**0.5, 8 / 12.5**0.5]], **CLOSE
    )
    assert not rmsnorm.rmsnorm(np.zeros((2, 3)), np.ones(3), 1e-5).any()


def test_rmsnorm_rejects():
    with pytest.raises(ValueError, match="expected x"):
        rmsnorm.rmsnorm(np.ones((2, 3)), np.ones(2), EPS)
    with pytest.raises(ValueError, match="eps"):
        rmsnorm.rmsnorm(np.ones((2, 3)), np.ones(3), -1)
    with pytest.raises(ValueError, match="g: expected"):
        rmsnorm.rmsnorm_backward(np.ones((2, 2)), np.ones((2, 3)), np.ones(3), EPS)


def test_swiglu_is_that_of_torch_and_so_are_its_gradients(rng):
    gate, up, g = leaf(4 * rng.normal(size=(ROWS, N))), leaf(rng.normal(size=(ROWS, N))), rng.normal(size=(ROWS, N))
    h = torch.nn.functional.silu(gate) * up
    h.backward(torch.tensor(g))
    arrays = gate.detach().numpy(), up.detach().numpy()
    np.testing.assert_allclose(swiglu.swiglu(*arrays), h.detach().numpy(), **CLOSE)
    dgate, dup = swiglu.swiglu_backward(g, *arrays)
    np.testing.assert_allclose(dgate, gate.grad.numpy(), **CLOSE)
    np.testing.assert_allclose(dup, up.grad.numpy(), **CLOSE)


def test_swiglu_identities(rng):
    x, one = rng.normal(size=(ROWS, N)), np.ones((ROWS, N))
    # s(x) + s(-x) = 1, hence silu(x) - silu(-x) = x.
    np.testing.assert_allclose(swiglu.swiglu(x, one) + swiglu.swiglu(-x, -one), x, **CLOSE)
    far = np.array([[-1e4, -800.0, 800.0, 1e4]])
    with np.errstate(all="raise", under="ignore"):
        np.testing.assert_array_equal(swiglu.swiglu(far, np.ones((1, 4)))[:, 2:], far[:, 2:])
        np.testing.assert_array_equal(swiglu.swiglu_backward(np.ones((1, 4)), far, np.ones((1, 4)))[0][0, 2:], [1, 1])
    # The minimum of silu, -0.27846 at -1.27846, is where its derivative vanishes.
    dgate, dup = swiglu.swiglu_backward([[1.0]], [[-1.2784645427610738]], [[1.0]])
    assert abs(dgate.item()) < 1e-15 and dup.item() == pytest.approx(-0.2784645427610738, abs=1e-15)


def test_swiglu_shapes():
    with pytest.raises(ValueError, match=r"gate \(2, 3\), up \(2, 4\)"):
        swiglu.swiglu(np.ones((2, 3)), np.ones((2, 4)))


def as_complex(x):
    half = x.shape[-1] // 2
    return x[..., :half] + 1j * x[..., half:]


def test_rope_is_a_complex_rotation(rng):
    x = rng.normal(size=(2, 3, 5, 8))
    k, t = np.arange(4), np.arange(5)
    turned = as_complex(x) * np.exp(1j * (t[:, None] + 11) * 500.0 ** (-2 * k / 8))
    y = rope.rope(x, 11, 500.0)
    np.testing.assert_allclose(y, np.concatenate([turned.real, turned.imag], axis=-1), **CLOSE)
    np.testing.assert_allclose(rope.rope_inverse(y, 11, 500.0), x, **CLOSE)
    np.testing.assert_allclose((y * y).sum(-1), (x * x).sum(-1), **CLOSE)


def test_rope_depends_on_the_difference_of_positions(rng):
    q, k = rng.normal(size=(2, 1, 1, 1, 6))
    dots = [(rope.rope(q, at, 100.0) * rope.rope(k, at - 3, 100.0)).sum() for at in (3, 8, 1000)]
    np.testing.assert_allclose(dots, dots[0], **CLOSE)


def test_rope_by_hand():
    quarter = np.array([[[[1.0, 2.0, 3.0, 4.0]]]])
    np.testing.assert_array_equal(rope.rope(quarter, 0, 10.0), quarter)
    c, s, c2, s2 = np.cos(1), np.sin(1), np.cos(0.1), np.sin(0.1)
    wanted = [c - 3 * s, 2 * c2 - 4 * s2, s + 3 * c, 2 * s2 + 4 * c2]
    np.testing.assert_allclose(rope.rope(quarter, 1, 100.0).ravel(), wanted, **CLOSE)


def test_rope_gradient_is_the_inverse_rotation(rng):
    x, g = rng.normal(size=(1, 2, 3, 4)), rng.normal(size=(1, 2, 3, 4))
    jacobian = np.stack([rope.rope(e.reshape(x.shape), 2, 50.0).ravel() for e in np.eye(x.size)], axis=1)
    np.testing.assert_allclose(rope.rope_inverse(g, 2, 50.0).ravel(), jacobian.T @ g.ravel(), **CLOSE)


def test_rope_rejects():
    with pytest.raises(ValueError, match="D even"):
        rope.rope(np.ones((1, 1, 2, 3)), 0, 10.0)
    with pytest.raises(ValueError, match="base"):
        rope.rope(np.ones((1, 1, 2, 4)), 0, 0.0)
