import numpy as np
import pytest
import torch
from albor_impl._triton import poisoned, record_allocations
from albor_impl.loss import chunked_cross_entropy as module
from albor_impl.loss.cross_entropy import cross_entropy
from albor_reference.loss import chunked_cross_entropy as reference
from core_bounds import FLOATS, LAMBDA, U32, draw, exact, worst

IGNORE = -100


def case(tokens, vocabulary, dtype, seed=0):
    z = 6 * draw((tokens, vocabulary), dtype, seed) - 20
    y = torch.randint(0, vocabulary, (tokens,), generator=torch.Generator().manual_seed(seed))
    y[1::3] = IGNORE
    return z, y


def agree(z, y, chunk):
    loss, dz = module.chunked_cross_entropy(z, y, IGNORE, chunk)
    wanted, gradient = reference.chunked_cross_entropy(exact(z), y.numpy(), IGNORE, chunk)
    gap = exact(z).max(axis=1, keepdims=True) - exact(z)
    relative = U32 * (4 * gap + 2 * gap.max() + LAMBDA * np.sqrt(z.shape[1]) + 4 * (z.shape[1] / chunk + 4))
    n = max(int((y != IGNORE).sum()), 1)
    hot = np.zeros_like(gradient)
    hot[np.arange(len(y)), np.clip(y.numpy(), 0, None)] = 1 / n
    assert worst(dz, gradient, relative * (np.abs(gradient) + 2 * hot)) <= 1
    assert worst(loss, np.asarray(wanted), np.asarray((relative.max() + 16 * U32) * (np.abs(exact(z)).max() + 10))) <= 1
    return loss, dz


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize(("vocabulary", "chunk"), [(1, 1), (33, 16), (33, 33), (65, 7), (65, 100)])
def test_agrees_with_the_reference(vocabulary, chunk, dtype):
    agree(*case(4, vocabulary, dtype), chunk)


def test_chunks_longer_than_a_block():
    z, y = case(2, 20_000, torch.float32)
    z[0, 19_999] = 30.0
    agree(z, y, 9_000)


def test_equals_the_kernel_for_whole_rows():
    z, y = case(5, 129, torch.float32)
    loss, dz = module.chunked_cross_entropy(z, y, IGNORE, 50)
    whole, gradient = cross_entropy(z, y, IGNORE)
    assert abs(loss - whole) <= 200 * U32 * 64 and (dz - gradient).abs().max() <= 400 * U32


def test_states_from_nothing():
    z = torch.tensor([[1.0, 1.0], [-torch.inf, -torch.inf]])
    state = torch.full((2,), -torch.inf), torch.zeros(2), torch.tensor([0.0, 7.0])
    m, total, picked = module.chunk_update(z, torch.tensor([3, 9]), 2, *state)
    assert m.tolist() == [1, -torch.inf] and total.tolist() == [2, 0] and picked.tolist() == [1, 7]
    assert state[1].tolist() == [0, 0]  # the state that was handed in is left alone


def test_a_row_without_any_possible_class_is_nan():
    z = torch.zeros(2, 5)
    z[1] = -torch.inf
    for chunk in (2, 9):
        loss, dz = module.chunked_cross_entropy(z, torch.tensor([0, 4]), IGNORE, chunk)
        assert loss.isnan() and dz[0].isfinite().all() and dz[1].isnan().all()


@pytest.mark.parametrize("layout", ["transposed", "sliced", "expanded"])
def test_layouts(layout):
    z, y = case(4, 6, torch.float32)
    view = {
        "transposed": lambda: z.t().contiguous().t(),
        "sliced": lambda: torch.cat([z, z], 1)[:, :6],
        "expanded": lambda: z[:1].expand(4, 6),
    }[layout]()
    before = view.clone()
    agree(view, y, 4)
    assert torch.equal(view, before)


def test_every_element_is_written_and_little_is_allocated():
    z, y = case(5, 33, torch.bfloat16)
    with poisoned(float("nan")), record_allocations() as buffers:
        loss, dz = module.chunked_cross_entropy(z, y, IGNORE, 16)
    with poisoned(1e30):
        again, dz_again = module.chunked_cross_entropy(z, y, IGNORE, 16)
    assert torch.equal(loss, again) and torch.equal(dz, dz_again) and not dz.isnan().any()
    assert sorted(buffer.shape for buffer in buffers) == [(5,), (5,), (5,), (5, 33)]


def test_all_ignored_and_no_tokens():
    z = torch.full((3, 5), float("nan"))
    loss, dz = module.chunked_cross_entropy(z, torch.full((3,), IGNORE), IGNORE, 2)
    assert loss.item() == 0 and torch.equal(dz, torch.zeros(3, 5))
    loss, dz = module.chunked_cross_entropy(z[:0], torch.empty(0, dtype=torch.int64), IGNORE, 2)
    assert loss.item() == 0 and dz.shape == (0, 5)


def test_wrong_arguments_are_named():
    z, y = case(2, 3, torch.float32)
    with pytest.raises(ValueError, match="chunk: expected at least 1 class, got 0"):
        module.chunked_cross_entropy(z, y, IGNORE, 0)
    with pytest.raises(ValueError, match="label 3 of token 0"):
        module.chunked_cross_entropy(z, torch.tensor([3, 0]), IGNORE, 2)
    with pytest.raises(TypeError, match=r"m: expected one of torch\.float32"):
        module.chunk_update(z, y, 0, torch.zeros(2).half(), torch.zeros(2), torch.zeros(2))
    for bad, error in ((z.double(), TypeError), (z[0], ValueError), (z[:, :0], ValueError)):
        with pytest.raises(error, match="logits must"):
            module.chunk_update(bad, y, 0, torch.zeros(2), torch.zeros(2), torch.zeros(2))
        with pytest.raises(error, match="logits must"):
            module.chunked_cross_entropy(bad, y, IGNORE, 2)
    with pytest.raises(TypeError, match=r"y: expected one of torch\.int64"):
        module.chunk_update(z, y.int(), 0, torch.zeros(2), torch.zeros(2), torch.zeros(2))
    with pytest.raises(ValueError, match="2, 2 and 3"):
        module.chunk_update(z, y, 0, torch.zeros(3), torch.zeros(3), torch.zeros(3))


@pytest.mark.parametrize("label", [7, 100, -1, -2])
def test_a_label_that_nobody_looked_at_makes_the_loss_nan(monkeypatch, label):
    """As on a GPU: not the loss of a class whose logit is 0."""
    monkeypatch.setattr(module, "check", lambda *_: None)
    loss, dz = module.chunked_cross_entropy(draw((3, 7), torch.float32, 11), torch.tensor([1, label, -100]), -100, 3)
    assert loss.isnan() and dz[0].isfinite().all() and not dz[2].any()
