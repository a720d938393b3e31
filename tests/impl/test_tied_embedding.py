import numpy as np
import pytest
import torch
from albor_impl.optim.tied_embedding import tied_gradient, tied_logits, untied_gradients
from albor_reference.optim import tied_embedding as reference
from core_bounds import FLOATS, LAMBDA, U32, draw, exact, layouts, worst


def check(g, w, head, a, ids):
    """Bounds: three sums one after the other, each on magnitudes, which the reference gives of absolute values."""
    tokens, (vocabulary, width), numbers = len(ids), w.shape, ids.numpy()
    steps = LAMBDA * (2 * np.sqrt(width) + np.sqrt(vocabulary) + np.sqrt(tokens) + 1) * U32
    arrays = [exact(t) for t in (g, w, head, a)]
    sizes = [np.abs(array) for array in arrays]
    z = tied_logits(w, a, ids)
    assert z.dtype == w.dtype
    assert worst(z, reference.tied_logits(arrays[1], arrays[3], numbers),
                 steps * reference.tied_logits(sizes[1], sizes[3], numbers)) <= 1  # fmt: skip
    for got, wanted, size in zip(untied_gradients(g, w, head, a, ids), reference.untied_gradients(*arrays, numbers),
                                 reference.untied_gradients(*sizes, numbers), strict=True):  # fmt: skip
        assert got.dtype == g.dtype and worst(got, wanted, steps * size) <= 1
    wanted = reference.tied_gradient(arrays[0], arrays[1], arrays[3], numbers)
    assert worst(tied_gradient(g, w, a, ids), wanted,
                 2 * steps * reference.tied_gradient(sizes[0], sizes[1], sizes[3], numbers)) <= 1  # fmt: skip


def drawn(tokens, vocabulary, width, dtype=torch.float32):
    shapes = ((tokens, vocabulary), (vocabulary, width), (vocabulary, width), (width, width))
    return [draw(shape, dtype, k) for k, shape in enumerate(shapes)]


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize(("tokens", "vocabulary", "width"), [(1, 1, 1), (5, 7, 3), (3, 17, 9)])
def test_agrees_with_the_reference(tokens, vocabulary, width, dtype):
    check(*drawn(tokens, vocabulary, width, dtype), torch.arange(tokens) * 3 % vocabulary)


def test_a_token_that_comes_hundreds_of_times_adds_up_in_float32():
    g, w, head, a = drawn(600, 3, 2, torch.bfloat16)
    check(g.abs(), w, head.abs(), a.abs(), torch.ones(600, dtype=torch.int64))


@pytest.mark.parametrize("layout", ["transposed", "sliced", "strided"])
def test_layouts_are_read_as_they_are_and_left_alone(layout):
    tensors = [layouts(t)[layout] for t in drawn(4, 6, 5)]
    before = [t.clone() for t in tensors]
    check(*tensors, torch.tensor([1, 0, 5, 0, 1, 0, 3, 0])[::2])
    assert all(torch.equal(t, b) for t, b in zip(tensors, before, strict=True))


def test_no_tokens():
    g, w, _, a = drawn(0, 4, 3)
    ids = torch.zeros(0, dtype=torch.int64)
    assert tied_logits(w, a, ids).shape == (0, 4)
    assert torch.equal(tied_gradient(g, w, a, ids), torch.zeros(4, 3))


def test_what_is_refused():
    _, w, _, a = drawn(1, 4, 3)
    ids = torch.tensor([0])
    for table, middle, tokens in ((w[0], a, ids), (w, a[:2], ids), (w, a, ids[None])):
        with pytest.raises(ValueError, match=r"expected a table \[V, E\]"):
            tied_logits(table, middle, tokens)
    for bad in (-1, 4):
        with pytest.raises(ValueError, match=rf"id {bad} of token 0 is outside \[0, 4\)"):
            tied_logits(w, a, torch.tensor([bad]))
