import numpy as np
import pytest
import torch
from albor_impl._triton import poisoned, record_allocations
from albor_impl.loss import fused_linear_cross_entropy as module
from albor_reference.loss import fused_linear_cross_entropy as reference
from core_bounds import FLOATS, LAMBDA, ROUNDOFF, U32, draw, exact, worst

IGNORE = -100


def case(tokens, vocabulary, hidden, dtype):
    h, w = draw((tokens, hidden), dtype, 1), draw((vocabulary, hidden), dtype, 2)
    y = torch.randint(0, vocabulary, (tokens,), generator=torch.Generator().manual_seed(3))
    y[1::3] = IGNORE
    return h, w, y


def agree(h, w, y):
    """Against the reference: logits and their gradient are rounded to the dtype, everything else is float32."""
    loss, dh, dw = module.fused_linear_cross_entropy(h, w, y, IGNORE)
    wanted, wanted_dh, wanted_dw = reference.fused_linear_cross_entropy(exact(h), exact(w), y.numpy(), IGNORE)
    narrow = ROUNDOFF[h.dtype]
    size = (np.abs(exact(h)) @ np.abs(exact(w)).T).max()
    logit = size * (narrow + U32 * LAMBDA * np.sqrt(h.shape[1]))
    n = max(int((y != IGNORE).sum()), 1)
    slope = (4 * logit + 4 * narrow + U32 * (4 * size + LAMBDA * np.sqrt(len(w)) + 32)) * 2 / n
    assert worst(loss, np.asarray(wanted), np.asarray(4 * logit + 100 * U32 * (1 + size))) <= 1
    assert worst(dh, wanted_dh, np.full(dh.shape, slope * np.abs(exact(w)).max() * 2)) <= 1
    assert worst(dw, wanted_dw, np.full(dw.shape, slope * np.abs(exact(h)).max() * len(h))) <= 1
    return loss, dh, dw


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize(("tokens", "vocabulary", "hidden"), [(1, 1, 1), (5, 33, 8), (17, 65, 3), (8, 5, 40)])
def test_agrees_with_the_reference(tokens, vocabulary, hidden, dtype):
    agree(*case(tokens, vocabulary, hidden, dtype))


@pytest.mark.parametrize(
    ("tokens", "vocabulary", "hidden", "rows"),
    [(8192, 128256, 4096, 2048), (2048, 128256, 4096, 512), (8192, 32768, 4096, 2048), (64, 32, 64, 64), (3, 99, 2, 1)],
)
def test_rows_of_a_group(tokens, vocabulary, hidden, rows):
    assert module.group_rows(tokens, vocabulary, hidden) == rows


def test_all_logits_are_never_stored():
    h, w, y = case(64, 200, 4, torch.float32)
    with record_allocations() as buffers:
        module.fused_linear_cross_entropy(h, w, y, IGNORE)
    assert max(np.prod(buffer.shape) for buffer in buffers) <= 64 * 200 / 4


def test_every_element_is_written():
    h, w, y = case(17, 65, 3, torch.bfloat16)
    runs = []
    for poison in (float("nan"), 1e30):
        with poisoned(poison):
            runs.append(module.fused_linear_cross_entropy(h, w, y, IGNORE))
    assert all(torch.equal(one, two) and torch.isfinite(one).all() for one, two in zip(*runs, strict=True))


@pytest.mark.parametrize("layout", ["transposed", "sliced", "expanded"])
def test_layouts_are_left_alone(layout):
    h, w, y = case(9, 12, 6, torch.float32)
    view = {
        "transposed": lambda t: t.t().contiguous().t(),
        "sliced": lambda t: torch.cat([t, t], 1)[:, :6],
        "expanded": lambda t: t[:1].expand(t.shape),
    }[layout]
    h, w = view(h), view(w)
    before = h.clone(), w.clone()
    agree(h, w, y)
    assert torch.equal(h, before[0]) and torch.equal(w, before[1])


@pytest.mark.parametrize("factor", [1.0, 0.375])
def test_autograd(factor):
    h, w, y = case(9, 12, 6, torch.float32)
    _, dh, dw = module.fused_linear_cross_entropy(h, w, y, IGNORE)
    h.requires_grad_(), w.requires_grad_()
    loss = module.fused_linear_cross_entropy_loss(h, w, y)
    (loss * factor).backward(retain_graph=True)
    assert torch.equal(h.grad, dh * factor) and torch.equal(w.grad, dw * factor)
    with pytest.raises(RuntimeError, match="earlier backward"):
        loss.backward()


def test_all_ignored_and_no_tokens():
    h, w, y = case(3, 5, 2, torch.float32)
    loss, dh, dw = module.fused_linear_cross_entropy(h, w, torch.full_like(y, IGNORE), IGNORE)
    assert loss.item() == 0 and not dh.any() and not dw.any()
    loss, dh, dw = module.fused_linear_cross_entropy(h[:0], w, y[:0], IGNORE)
    assert loss.item() == 0 and dh.shape == (0, 2) and not dw.any()


def test_wrong_arguments_are_named():
    h, w, y = case(2, 5, 3, torch.float32)
    with pytest.raises(ValueError, match="w: H is 2"):
        module.fused_linear_cross_entropy(h, w[:, :2], y, IGNORE)
    with pytest.raises(TypeError, match=r"w: expected torch\.float32 like h"):
        module.fused_linear_cross_entropy(h, w.half(), y, IGNORE)
    with pytest.raises(ValueError, match="label 5 of token 0"):
        module.fused_linear_cross_entropy(h, w, torch.tensor([5, 0]), IGNORE)
    with pytest.raises(ValueError, match="labels must have shape"):
        module.fused_linear_cross_entropy(h, w, y[:1], IGNORE)
    with pytest.raises(ValueError, match="V >= 1 and H >= 1"):
        module.fused_linear_cross_entropy(torch.zeros(2, 0), torch.zeros(3, 0), torch.zeros(2, dtype=torch.int64), -100)
    with pytest.raises(ValueError, match="V >= 1"):
        module.fused_linear_cross_entropy(h, w[:0], y, IGNORE)
