import numpy as np
import pytest
import torch
from albor_impl._triton import poisoned, record_allocations, record_launches
from albor_impl.loss import kl_divergence as module
from albor_reference.loss import kl_divergence as reference
from core_bounds import FLOATS, LAMBDA, U32, draw, exact, worst


def agree(g, p, q):
    kl = module.kl_divergence(p, q)
    wanted = reference.kl_divergence(exact(p), exact(q))
    span = max(np.ptp(exact(p)), np.ptp(exact(q))) + np.log(p.shape[1]) + 1
    relative = U32 * (6 * span + LAMBDA * np.sqrt(p.shape[1]) + 32)
    assert worst(kl, wanted, np.full(wanted.shape, relative * 2 * span)) <= 1
    dp, dq = module.kl_backward(g, p, q)
    wanted_dp, wanted_dq = reference.kl_backward(exact(g), exact(p), exact(q))
    own = np.exp(exact(p) - exact(p).max(1, keepdims=True))
    own /= own.sum(1, keepdims=True)
    other = np.exp(exact(q) - exact(q).max(1, keepdims=True))
    other /= other.sum(1, keepdims=True)
    slope = np.abs(exact(g))[:, None]
    assert worst(dp, wanted_dp, slope * own * relative * 6 * span) <= 1
    assert worst(dq, wanted_dq, slope * (own + other) * relative * 2) <= 1


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize(("tokens", "vocabulary"), [(1, 1), (5, 7), (3, 129), (2, 1025)])
def test_agrees_with_the_reference(tokens, vocabulary, dtype):
    p, q = 4 * draw((tokens, vocabulary), dtype, 1), 4 * draw((tokens, vocabulary), dtype, 2) - 30
    agree(draw((tokens,), torch.float32, 3), p, q)


def test_rows_longer_than_a_block():
    p, q = draw((2, 20_000), torch.float32, 4), draw((2, 20_000), torch.float32, 5)
    p[0, 19_999], q[1, 19_999] = 12.0, 12.0
    agree(draw((2,), torch.float32, 6), p, q)


def test_impossible_classes():
    inf = float("inf")
    p, q = torch.tensor([[0.0, -inf, 0.0, -inf]]), torch.tensor([[0.0, 0.0, 0.0, -inf]])
    assert abs(module.kl_divergence(p, q).item() - np.log(1.5)) <= 16 * U32
    dp, dq = module.kl_backward(torch.ones(1), p, q)
    assert (dq - torch.tensor([[-1 / 6, 1 / 3, -1 / 6, 0]])).abs().max() <= 16 * U32 and dp.abs().max() <= 32 * U32
    assert module.kl_divergence(q, p).item() == inf


def test_a_row_without_any_possible_class_is_nan():
    p, none = torch.zeros(2, 5), torch.zeros(2, 5)
    none[1] = float("-inf")
    for one, two in ((p, none), (none, p), (none, none)):
        assert module.kl_divergence(one, two).isnan().tolist() == [False, True]
        for gradient in module.kl_backward(torch.ones(2), one, two):
            assert not gradient[0].any() and gradient[1].isnan().all()


def test_nan_is_not_hidden():
    p = draw((2, 9), torch.float32, 7)
    q = p.clone()
    q[1, 3] = float("nan")
    assert module.kl_divergence(p, q).isnan().tolist() == [False, True]
    assert module.kl_divergence(q, p).isnan().tolist() == [False, True]


def test_views_and_every_element():
    p, q = draw((6, 11), torch.bfloat16, 8), draw((6, 11), torch.bfloat16, 9)
    g = draw((12,), torch.float32, 10)[::2]
    views = p.t().contiguous().t(), torch.cat([q, q], 1)[:, 3:14].clone().repeat(1, 2)[:, :11]
    plain = [v.contiguous() for v in views]
    for poison in (float("nan"), 1e30):
        with poisoned(poison):
            for one, two in zip(module.kl_backward(g, *views), module.kl_backward(g.contiguous(), *plain), strict=True):
                assert torch.equal(one, two) and torch.isfinite(one).all()
            assert torch.equal(module.kl_divergence(*views), module.kl_divergence(*plain))


def test_one_launch_and_no_probabilities():
    p, q = draw((7, 33), torch.float32, 11), draw((7, 33), torch.float32, 12)
    with record_launches() as log, record_allocations() as buffers:
        module.kl_divergence(p, q)
    assert [launch.kernel for launch in log] == ["_forward_kernel"] and [b.shape for b in buffers] == [(7,)]


def test_autograd():
    p, q = draw((4, 9), torch.float32, 13).requires_grad_(), draw((4, 9), torch.float32, 14).requires_grad_()
    g = draw((4,), torch.float32, 15)
    kl = module.kl_divergence_autograd(p, q)
    assert torch.equal(kl, module.kl_divergence(p.detach(), q.detach()))
    kl.backward(g)
    dp, dq = module.kl_backward(g, p.detach(), q.detach())
    assert torch.equal(p.grad, dp) and torch.equal(q.grad, dq)
    module.kl_divergence_autograd(p, q).sum().backward()  # an expanded gradient


def test_no_tokens():
    p = torch.empty(0, 5)
    assert module.kl_divergence(p, p).shape == (0,)
    assert all(t.shape == (0, 5) for t in module.kl_backward(torch.empty(0), p, p))


def test_wrong_arguments_are_named():
    p = torch.zeros(2, 3)
    with pytest.raises(ValueError, match="q: V is 4"):
        module.kl_divergence(p, torch.zeros(2, 4))
    with pytest.raises(ValueError, match="q: V is 4"):
        module.kl_backward(torch.ones(2), p, torch.zeros(2, 4))
    with pytest.raises(TypeError, match="one dtype"):
        module.kl_divergence(p, p.half())
    with pytest.raises(ValueError, match="V >= 1"):
        module.kl_divergence(p[:, :0], p[:, :0])
    with pytest.raises(ValueError, match=r"g: expected shape \[2\]"):
        module.kl_backward(torch.ones(3), p, p)
    with pytest.raises(TypeError, match=r"g: expected one of torch\.float32"):
        module.kl_backward(torch.ones(2).half(), p, p)
