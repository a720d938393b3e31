import numpy as np
import pytest
import torch
from albor_impl.core import lora_linear
from albor_reference.core import lora_linear as reference
from core_bounds import FLOATS, LAMBDA, ROUNDOFF, U32, draw, exact, worst


def check(g, x, w, a, b, alpha):
    y = lora_linear.lora_linear(x, w, a, b, alpha)
    gradients = lora_linear.lora_linear_backward(g, x, w, a, b, alpha)
    assert {t.dtype for t in (y, *gradients)} == {x.dtype}
    arrays = [exact(t) for t in (x, w, a, b)]
    sizes = [np.abs(t) for t in arrays]
    # Products that enter another are rounded to the operands' dtype, at most twice on the way to an element.
    each = 2 * ROUNDOFF[x.dtype] + (3 * LAMBDA * np.sqrt(max(*g.shape, *x.shape)) + 8) * U32
    assert worst(y, reference.lora_linear(*arrays, alpha), each * reference.lora_linear(*sizes, alpha)) <= 1
    wanted = reference.lora_linear_backward(exact(g), *arrays, alpha)
    allowed = reference.lora_linear_backward(np.abs(exact(g)), *sizes, alpha)
    for got, value, size in zip(gradients, wanted, allowed, strict=True):
        assert worst(got, value, each * size) <= 1


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize(("m", "n", "k", "r"), [(1, 1, 1, 1), (3, 5, 7, 2), (33, 17, 129, 16), (5, 4, 4, 4)])
def test_agrees_with_the_reference(m, n, k, r, dtype):
    shapes = (m, n), (m, k), (n, k), (k, r), (r, n)
    check(*(draw(s, dtype, seed) for seed, s in enumerate(shapes)), 3.0)


def test_a_new_update_changes_nothing():
    x, w, a = draw((3, 5), torch.float32, 6), draw((4, 5), torch.float32, 7), draw((5, 2), torch.float32, 8)
    assert torch.equal(lora_linear.lora_linear(x, w, a, torch.zeros(2, 4), 16.0), lora_linear.gemm_nt(x, w))


def test_autograd_leaves_the_weight_frozen():
    shapes = (2, 3, 5), (4, 5), (5, 2), (2, 4)
    x, w, a, b = (draw(s, torch.float32, 9 + k).requires_grad_() for k, s in enumerate(shapes))
    g = draw((2, 3, 4), torch.float32, 14)
    y = lora_linear.lora_linear_autograd(x, w, a, b, 16.0)
    assert y.shape == (2, 3, 4)
    y.backward(g)
    flat = [t.detach() for t in (x.reshape(6, 5), w, a, b)]
    wanted = lora_linear.lora_linear_backward(g.view(6, 4), *flat, 16.0)
    for leaf, value in zip((x, a, b), wanted, strict=True):
        assert torch.equal(leaf.grad, value.view(leaf.shape))
    assert w.grad is None


def test_wrong_arguments_are_named():
    x, w, a, b = torch.ones(2, 3), torch.ones(4, 3), torch.ones(3, 2), torch.ones(2, 4)
    with pytest.raises(ValueError, match="b: r is 1, but a has r = 2"):
        lora_linear.lora_linear(x, w, a, b[:1], 1.0)
    with pytest.raises(ValueError, match="rank r of the update is 0"):
        lora_linear.lora_linear(x, w, a[:, :0], b[:0], 1.0)
    with pytest.raises(TypeError, match="one dtype"):
        lora_linear.lora_linear(x, w, a.bfloat16(), b, 1.0)
