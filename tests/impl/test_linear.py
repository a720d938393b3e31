import numpy as np
import pytest
import torch
from albor_contracts.falsify.generated import load_generated
from albor_contracts.library import find_root
from albor_impl.core import linear
from albor_reference.core import linear as reference
from core_bounds import FLOATS, LAMBDA, U32, draw, exact, layouts, worst


def check(g, x, w, b):
    y = linear.linear(x, w, b)
    gradients = linear.linear_backward(g, x, w)
    assert {t.dtype for t in (y, *gradients)} == {x.dtype}
    g, x, w, b = map(exact, (g, x, w, b))
    sizes = reference.linear(np.abs(x), np.abs(w), np.abs(b))
    assert worst(y, reference.linear(x, w, b), LAMBDA * np.sqrt(x.shape[1] + 1) * U32 * sizes) <= 1
    sizes = reference.linear_backward(*map(np.abs, (g, x, w)))
    for got, wanted, size in zip(gradients, reference.linear_backward(g, x, w), sizes, strict=True):
        assert worst(got, wanted, LAMBDA * np.sqrt(max(g.shape)) * U32 * size) <= 1


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize(("m", "n", "k"), [(1, 1, 1), (3, 5, 7), (33, 17, 129), (300, 9, 16)])
def test_agrees_with_the_reference(m, n, k, dtype):
    check(draw((m, n), dtype, 1), draw((m, k), dtype, 2), draw((n, k), dtype, 3), draw((n,), dtype, 4) * 10)


@pytest.mark.parametrize("layout", ["transposed", "sliced", "strided", "expanded"])
def test_layouts(layout):
    g, x, w = (layouts(draw((6, 6), torch.float32, seed))[layout] for seed in (5, 6, 7))
    check(g, x, w, draw((12,), torch.float32, 8)[::2])


def test_autograd():
    leaves = [draw(s, torch.float32, 9 + k).requires_grad_() for k, s in enumerate(((2, 3, 5), (4, 5), (4,)))]
    g = draw((2, 3, 4), torch.float32, 12)
    y = linear.linear_autograd(*leaves)
    assert y.shape == (2, 3, 4)
    y.backward(g)
    x, w, _ = (t.detach() for t in leaves)
    wanted = linear.linear_backward(g.view(6, 4), x.view(6, 5), w)
    for leaf, value in zip(leaves, wanted, strict=True):
        assert torch.equal(leaf.grad, value.view(leaf.shape))


def test_wrong_arguments_are_named():
    x, w, b = torch.ones(2, 3), torch.ones(4, 3), torch.ones(4)
    with pytest.raises(ValueError, match="w: K is 4, but x has K = 3"):
        linear.linear(x, w.T.contiguous(), b)
    with pytest.raises(TypeError, match="one dtype"):
        linear.linear(x, w.bfloat16(), b)
    with pytest.raises(ValueError, match="w: N is 4, but g has N = 5"):
        linear.linear_backward(torch.ones(2, 5), x, w)


def test_the_bound_of_the_contract_holds_where_products_and_bias_cancel():
    """Equal products, each rounded alike, in a sum that begins or ends with a bias of about their opposite."""
    spec = load_generated(find_root() / "generated" / "core" / "test_linear.py").spec
    x, w = (draw((40, 1), torch.float32, seed).expand(40, 65).contiguous() for seed in (9, 10))
    b = -(x[0, 0] * w[:, 0] * 65)
    ends = b.clone().expand(40, 40)
    begins = ends.clone()
    products = torch.zeros(40, 40)
    for k in range(65):
        begins = begins + x[:, k, None] * w[None, :, k]
        products = products + x[:, k, None] * w[None, :, k]
    given = [exact(t) for t in (x, w, b)]
    (bound,) = spec.bounds("linear", given, "f32", "f32")
    for y in (linear.linear(x, w, b), begins, products + ends):
        assert (np.abs(exact(y) - bound.value) <= bound.errors()).all()
