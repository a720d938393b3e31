import numpy as np
import pytest
import torch
from albor_impl.attention import residual_block as module
from albor_reference.attention import residual_block as reference
from core_bounds import FLOATS, LAMBDA, ROUNDOFF, draw, exact, worst

EPS = float(np.float32(1e-4))


def inputs(rows, n, layers, dtype):
    x, g = draw((rows, n), dtype, 1), draw((rows, n), dtype, 2)
    return g, x, draw((layers, n), dtype, 3, 0.5, 1.5), draw((layers, n, n), dtype, 4) / (2 * n**0.5)


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize(("rows", "n"), [(1, 1), (5, 17), (3, 130)])
def test_agrees_with_the_reference(rows, n, dtype):
    g, x, w, a = (t if t.ndim == 2 and len(t) == rows else t[0] for t in inputs(rows, n, 1, dtype))
    g, x = g.reshape(rows, n), x.reshape(rows, n)
    w, a = w.reshape(n), a.reshape(n, n)
    unit = ROUNDOFF[dtype]

    def slack(terms, count):
        """Values are stored in the dtype three times on the way; sums of `count` terms are float32."""
        return terms * (4 * unit + (LAMBDA * np.sqrt(count) + 16) * 2.0**-24)

    y = module.residual_block(x, w, a, EPS)
    normed = np.abs(exact(x)) / np.sqrt((exact(x) ** 2).mean(1, keepdims=True) + EPS)
    weights, maps, slope = np.abs(exact(w)), np.abs(exact(a)), np.abs(exact(g))
    wanted = reference.residual_block(*map(exact, (x, w, a)), EPS)
    assert worst(y, wanted, slack((normed * weights) @ maps + np.abs(exact(x)), n)) <= 1
    dx, dw, da = module.residual_block_backward(g, x, w, a, EPS)
    wanted = reference.residual_block_backward(*map(exact, (g, x, w, a)), EPS)
    dh = slope @ maps.T
    r = 1 / np.sqrt((exact(x) ** 2).mean(1, keepdims=True) + EPS)
    inner = dh * weights + normed * (dh * weights * normed).mean(1, keepdims=True)
    assert worst(dx, wanted[0], slack(r * inner + slope, n)) <= 1
    assert worst(dw, wanted[1], slack((dh * normed).sum(0), rows)) <= 1
    assert worst(da, wanted[2], slack((normed * weights).T @ slope, rows)) <= 1


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize("every", [1, 2, 3, 5, 8])
def test_recomputation_changes_no_bit(every, dtype):
    g, x, w, a = inputs(3, 9, 5, dtype)
    kept = module.residual_stack_backward(g, x, w, a, EPS, 0)
    for first, second in zip(kept, module.residual_stack_backward(g, x, w, a, EPS, every), strict=True):
        assert torch.equal(first, second)


def test_less_is_kept():
    _, x, w, a = inputs(3, 9, 6, torch.float32)
    for every, layers, normed in ((0, [0, 1, 2, 3, 4, 5], 6), (1, [0, 1, 2, 3, 4, 5], 0), (4, [0, 4], 0), (9, [0], 0)):
        _, kept, streams = module.stack_forward(x, w, a, EPS, every)
        assert list(kept) == layers and len(streams) == normed


@pytest.mark.parametrize("every", [0, 2])
def test_autograd(every):
    g, *leaves = inputs(3, 9, 5, torch.float32)
    x, w, a = (leaf.requires_grad_() for leaf in leaves)
    module.residual_stack(x, w, a, EPS, every).backward(g)
    wanted = module.residual_stack_backward(g, x.detach(), w.detach(), a.detach(), EPS, 0)
    for leaf, gradient in zip((x, w, a), wanted, strict=True):
        assert torch.equal(leaf.grad, gradient)


def test_weights_changed_before_the_backward_pass_are_noticed():
    g, x, w, a = inputs(3, 9, 5, torch.float32)
    w.requires_grad_()
    y = module.residual_stack(x, w, a, EPS, 2)
    with torch.no_grad():
        w.mul_(0.9)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.backward(g)


def test_inputs_are_left_alone():
    tensors = inputs(2, 5, 3, torch.float32)
    before = [t.clone() for t in tensors]
    module.residual_stack_backward(*tensors, EPS, 2)
    assert all(torch.equal(one, two) for one, two in zip(tensors, before, strict=True))


def test_wrong_arguments_are_named():
    g, x, w, a = inputs(2, 3, 1, torch.float32)
    with pytest.raises(ValueError, match="a: N is 2"):
        module.residual_block(x, w[0], a[0, :2], EPS)
    with pytest.raises(TypeError, match=r"must have one dtype, got torch\.bfloat16, torch\.float32"):
        module.residual_block(x, w[0].bfloat16(), a[0], EPS)
    with pytest.raises(ValueError, match="every = -1"):
        module.residual_stack_backward(g, x, w, a, EPS, -1)
    with pytest.raises(ValueError, match="0 blocks"):
        module.residual_stack_backward(g, x, w[:0], a[:0], EPS, 0)
    with pytest.raises(ValueError, match="eps"):
        module.residual_block(x, w[0], a[0], -1.0)
    with pytest.raises(ValueError, match="w: N is 2"):
        module.residual_stack(x, w[:, :2], a, EPS)
    with pytest.raises(ValueError, match="a: L is 1, but w has L = 2"):
        module.residual_stack(x, torch.cat([w, w]), a, EPS)
