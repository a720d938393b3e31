import numpy as np
import pytest
import torch
from albor_impl._triton import poisoned, record_launches
from albor_impl.core import embedding
from albor_reference.core import embedding as reference
from core_bounds import FLOATS, LAMBDA, U32, draw, exact, layouts, worst


def check(g, ids, w):
    y, dw = embedding.embedding(ids, w), embedding.embedding_backward(g, ids, w)
    assert y.dtype == dw.dtype == w.dtype
    assert torch.equal(y, w[ids])
    wanted = reference.embedding_backward(exact(g), ids.numpy(), exact(w))
    sizes = reference.embedding_backward(np.abs(exact(g)), ids.numpy(), exact(w))
    assert worst(dw, wanted, LAMBDA * np.sqrt(len(ids)) * U32 * sizes) <= 1


def draw_ids(tokens, vocabulary, seed):
    return torch.randint(0, vocabulary, (tokens,), generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize(("tokens", "vocabulary", "d"), [(1, 1, 1), (7, 3, 5), (50, 9, 129), (33, 40, 513)])
def test_agrees_with_the_reference(tokens, vocabulary, d, dtype):
    check(draw((tokens, d), dtype, 1), draw_ids(tokens, vocabulary, 2), draw((vocabulary, d), dtype, 3))


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_one_id_for_all_tokens(dtype):
    check(draw((300, 8), dtype, 4, 0.5, 1.5), torch.full((300,), 2), draw((4, 8), dtype, 5))


@pytest.mark.parametrize("layout", ["transposed", "sliced", "strided", "expanded"])
def test_layouts_are_read_as_they_are_and_left_alone(layout):
    g, w = layouts(draw((6, 37), torch.float32, 6))[layout], layouts(draw((4, 37), torch.float32, 7))[layout]
    ids = torch.tensor([3, 0, 1, 0, 3, 3, 0, 0, 1, 1, 2, 2])[::2]
    before = g.clone(), w.clone(), ids.clone()
    check(g, ids, w)
    assert all(torch.equal(a, b) for a, b in zip((g, w, ids), before, strict=True))


def test_every_element_is_written_once_in_one_launch_each():
    g, w = draw((9, 33), torch.float32, 8), draw((5, 33), torch.float32, 9)
    ids = torch.tensor([4, 4, 0, 4, 1, 1, 0, 4, 4])
    runs = []
    for poison in (float("nan"), 1e30):
        with poisoned(poison), record_launches() as log:
            runs.append((embedding.embedding(ids, w), embedding.embedding_backward(g, ids, w)))
        assert [launch.kernel for launch in log] == ["_forward_kernel", "_backward_kernel"]
    for first, second in zip(*runs, strict=True):
        assert torch.equal(first, second) and torch.isfinite(first).all()
    assert not runs[0][1][[2, 3]].any()


def test_autograd_takes_ids_of_any_shape():
    ids, w = torch.tensor([[1, 2, 1], [0, 0, 2]]), draw((4, 5), torch.float32, 10).requires_grad_()
    g = draw((2, 3, 5), torch.float32, 11)
    y = embedding.embedding_autograd(ids, w)
    assert y.shape == (2, 3, 5)
    y.backward(g)
    assert torch.equal(w.grad, embedding.embedding_backward(g.view(6, 5), ids.view(6), w.detach()))


def test_nothing():
    w, none = torch.ones(3, 2), torch.empty(0, dtype=torch.int64)
    assert embedding.embedding(none, w).shape == (0, 2)
    assert torch.equal(embedding.embedding_backward(torch.ones(0, 2), none, w), torch.zeros(3, 2))


@pytest.mark.parametrize("wrong", [-1, 3, 10**6])
def test_ids_outside_are_refused_by_both_passes(wrong):
    w, ids = torch.ones(3, 2), torch.tensor([0, wrong])
    with pytest.raises(ValueError, match=rf"id {wrong} of token 1 is outside \[0, 3\)"):
        embedding.embedding(ids, w)
    with pytest.raises(ValueError, match=rf"id {wrong} of token 1"):
        embedding.embedding_backward(torch.ones(2, 2), ids, w)


def test_wrong_arguments_are_named():
    w, ids = torch.ones(3, 2), torch.tensor([0, 1])
    with pytest.raises(TypeError, match=r"ids: .* got torch.int32"):
        embedding.embedding(ids.int(), w)
    with pytest.raises(ValueError, match="g: T is 3, but ids has T = 2"):
        embedding.embedding_backward(torch.ones(3, 2), ids, w)
    with pytest.raises(TypeError, match="one dtype"):
        embedding.embedding_backward(torch.ones(2, 2).bfloat16(), ids, w)
