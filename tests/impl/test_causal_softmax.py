import numpy as np
import pytest
import torch
from albor_impl._triton import poisoned, record_launches
from albor_impl.attention import causal_softmax as module
from albor_reference.attention import causal_softmax as reference
from core_bounds import FLOATS, LAMBDA, U32, draw, exact, worst


def errors(g, x, scale):
    """Errors of a and dx in float32: the argument of exp, a sum of S terms, and a few operations."""
    a = reference.causal_softmax(x, scale)
    seen = np.tri(x.shape[1], dtype=bool)
    gap = np.where(seen, np.abs(scale * x), 0).max(axis=2, keepdims=True)
    relative = U32 * (6 * gap + LAMBDA * np.sqrt(x.shape[1]) + 16)
    g = np.where(seen, np.abs(g), 0)
    return relative * a, 3 * relative * abs(scale) * a * (g + (a * g).sum(axis=2, keepdims=True))


def agree(g, x, scale):
    scale = float(np.float32(scale))
    error, slope_error = errors(exact(g), exact(x), scale)
    assert worst(module.causal_softmax(x, scale), reference.causal_softmax(exact(x), scale), error) <= 1
    wanted = reference.causal_softmax_backward(exact(g), exact(x), scale)
    assert worst(module.causal_softmax_backward(g, x, scale), wanted, slope_error) <= 1


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize(("batch", "size"), [(1, 1), (3, 2), (2, 33), (1, 65)])
def test_agrees_with_the_reference(batch, size, dtype):
    agree(draw((batch, size, size), dtype, 1), 4 * draw((batch, size, size), dtype, 2), 0.3)


def test_rows_share_a_program_until_they_fill_one():
    assert module.blocks(4099, 4099) == {"ROWS": 1, "BLOCK": 8192, "num_warps": 16}
    assert module.blocks(130, 130)["ROWS"] == 16
    x = draw((1, 130, 130), torch.float32, 3)
    agree(x, x, 1.0)


@pytest.mark.parametrize("view", ["transposed", "sliced", "expanded", "constant rows"])
def test_layouts_are_read_as_they_are_and_left_alone(view):
    x = draw((3, 7, 7), torch.float32, 4)
    g = draw((3, 7, 7), torch.float32, 5)
    laid = {
        "transposed": lambda t: t.transpose(1, 2).contiguous().transpose(1, 2),
        "sliced": lambda t: torch.cat([t, t], 2)[:, :, :7],
        "expanded": lambda t: t[:1].expand(3, 7, 7),
        "constant rows": lambda t: t[:, :, :1].expand(3, 7, 7),
    }[view]
    one, two = laid(x), laid(g)
    before = one.clone(), two.clone()
    agree(two, one, 0.7)
    agree(g, one, 0.7)
    assert torch.equal(one, before[0]) and torch.equal(two, before[1])


def test_the_future_is_not_read_and_every_element_is_written():
    x, g = draw((2, 9, 9), torch.float32, 6), draw((2, 9, 9), torch.float32, 7)
    a, dx = module.causal_softmax(x, 0.5), module.causal_softmax_backward(g, x, 0.5)
    future = torch.ones(9, 9, dtype=torch.bool).triu(1)
    x[:, future] = g[:, future] = float("nan")
    for poison in (float("nan"), 1e30):
        with poisoned(poison):
            assert torch.equal(module.causal_softmax(x, 0.5), a)
            assert torch.equal(module.causal_softmax_backward(g, x, 0.5), dx)
    assert not a[:, future].any() and not dx[:, future].any()


def test_impossible_positions():
    x = torch.tensor([[[0.0, 0.0, 0.0], [-np.inf, 2.0, 0.0], [1.0, -np.inf, 1.0]]])
    assert module.causal_softmax(x, 1.0).tolist() == [[[1, 0, 0], [0, 1, 0], [0.5, 0, 0.5]]]
    x[0, 0, 0] = -np.inf
    assert module.causal_softmax(x, 1.0)[0, 0, 0].isnan()


def test_nan_is_not_hidden():
    x = torch.zeros(1, 4, 4)
    x[0, 2, 1] = float("nan")
    a = module.causal_softmax(x, 1.0)
    assert a[0, 2, :3].isnan().all() and not a[0, [0, 1, 3]].isnan().any()


def test_mask():
    x = draw((2, 5, 5), torch.bfloat16, 8)
    assert torch.equal(module.causal_mask(x).double(), torch.from_numpy(reference.causal_mask(exact(x))))


def test_autograd():
    x = draw((2, 6, 6), torch.float32, 9).requires_grad_()
    g = draw((2, 6, 6), torch.float32, 10)
    a = module.causal_softmax_autograd(x, 0.25)
    a.backward(g)
    assert torch.equal(a.detach(), module.causal_softmax(x.detach(), 0.25))
    assert torch.equal(x.grad, module.causal_softmax_backward(g, x.detach(), 0.25))


def test_one_launch_each():
    x = draw((3, 9, 9), torch.float32, 11)
    with record_launches() as log:
        module.causal_softmax(x, 1.0)
        module.causal_softmax_backward(x, x, 1.0)
    assert [launch.kernel for launch in log] == ["_forward_kernel", "_backward_kernel"]


def test_empty_batch():
    x = torch.empty(0, 4, 4)
    assert module.causal_softmax(x, 1.0).shape == module.causal_softmax_backward(x, x, 1.0).shape == (0, 4, 4)


def test_wrong_arguments_are_named():
    x = torch.zeros(1, 3, 3)
    with pytest.raises(ValueError, match=r"x: expected scores \[B, S, S\]"):
        module.causal_softmax(torch.zeros(1, 3, 4), 1.0)
    with pytest.raises(ValueError, match=r"x: expected shape \[B, S, T\]"):
        module.causal_softmax(torch.zeros(3, 3), 1.0)
    with pytest.raises(ValueError, match="scale: expected a finite number"):
        module.causal_softmax(x, float("inf"))
    with pytest.raises(ValueError, match="at most 16384 is supported"):
        module.causal_softmax(torch.zeros(1, 1, 1).expand(1, 16385, 16385), 1.0)
    module.check(torch.empty(1, 16384, 16384, device="meta"), 1.0)
    with pytest.raises(TypeError, match=r"x: .*float64"):
        module.causal_softmax(x.double(), 1.0)
    with pytest.raises(TypeError, match=r"g: expected torch.float32 like x"):
        module.causal_softmax_backward(x.bfloat16(), x, 1.0)
    with pytest.raises(ValueError, match="g: B is 2"):
        module.causal_softmax_backward(torch.zeros(2, 3, 3), x, 1.0)


def test_what_lies_behind_the_diagonal_is_read_and_left_out():
    """Vectors are read to their end: not even NaN there may reach a result."""
    x, g = draw((2, 21, 21), torch.float32, 11), draw((2, 21, 21), torch.float32, 12)
    behind = torch.ones(21, 21, dtype=torch.bool).triu(1)
    for nothing in (float("nan"), float("inf")):
        x2, g2 = (z.masked_fill(behind, nothing) for z in (x, g))
        assert torch.equal(module.causal_softmax(x2, 0.5), module.causal_softmax(x, 0.5))
        assert torch.equal(module.causal_softmax_backward(g2, x2, 0.5), module.causal_softmax_backward(g, x, 0.5))
