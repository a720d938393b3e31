import numpy as np
import pytest
import torch
from albor_impl._triton import poisoned, record_launches, sanitized
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


@pytest.mark.parametrize("tokens", [3, embedding.FEW + 3])
def test_rows_of_a_gradient_far_apart(tokens):
    """The offset of a token passes 2^31, and its number was read from memory: the check of index width sees a 0."""
    stride = 2**31 // (tokens - 1) + 1
    memory = torch.empty((tokens - 1) * stride + 4, dtype=torch.float16)  # of 4 GiB one page a token is touched
    g = memory.as_strided((tokens, 4), (stride, 1))
    g.copy_(draw((tokens, 4), torch.float16, 20))
    with sanitized():
        check(g, torch.tensor([0] + [1] * (tokens - 1)), draw((2, 4), torch.float16, 21))


def test_long_rows_of_a_table_with_many_tokens():
    """The element where such a row begins passes 2^31. One program is launched: there would be a million."""
    rows, block, tokens = embedding.ROWS, 16, embedding.FEW + 3
    d = 2**31 // (rows - 1) + 1
    order, table = embedding.ordered(torch.full((tokens,), rows - 1), rows)
    g, dw = draw((tokens, block), torch.float16, 22), torch.empty((rows - 1) * d + block, dtype=torch.float16)
    with sanitized():
        embedding._backward_kernel[(1,)](
            g, order, table, dw, g.stride(0), rows, d, d // block,
            ROWS=rows, BLOCK=block, FEW=embedding.FEW, TOKENS=embedding.TOKENS, num_warps=4,
        )  # fmt: skip
    sizes = np.abs(exact(g)).sum(0)
    assert worst(dw[(rows - 1) * d :], exact(g).sum(0), LAMBDA * np.sqrt(tokens) * U32 * sizes) <= 1


def test_every_element_is_written_once_in_three_launches():
    g, w = draw((9, 33), torch.float32, 8), draw((5, 33), torch.float32, 9)
    ids = torch.tensor([4, 4, 0, 4, 1, 1, 0, 4, 4])
    runs = []
    for poison in (float("nan"), 1e30):
        with poisoned(poison), record_launches() as log:
            runs.append((embedding.embedding(ids, w), embedding.embedding_backward(g, ids, w)))
        assert [launch.kernel for launch in log] == ["_forward_kernel", "_order_kernel", "_backward_kernel"]
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


def check_order(ids, vocabulary):
    with poisoned():  # a place that another program has yet to write leads out of every tensor
        order, (first, last, one, two) = embedding.ordered(ids, vocabulary)
    wanted = torch.sort(ids, stable=True)
    edges = torch.searchsorted(wanted.values, torch.arange(vocabulary + 1))
    assert torch.equal(order.long(), wanted.indices)
    assert torch.equal(first.long(), edges[:-1]) and torch.equal(last.long(), edges[1:])
    counts, places = edges.diff(), torch.cat([wanted.indices, torch.zeros(2, dtype=torch.int64)])
    assert torch.equal(one.long(), torch.where(counts > 0, places[edges[:-1]], -1))
    second = torch.where(counts == 2, places[edges[:-1] + 1], -1)
    assert torch.equal(two.long(), torch.where(counts > 2, -2, second))


@pytest.mark.parametrize(
    ("tokens", "vocabulary"),
    [(1, 1), (300, 3), (64, 256), (65, 257), (4096, 512), (4097, 600), (9000, 1000), (0, 5), (0, 300)],
)
def test_tokens_are_ordered_by_id_and_stay_in_order(tokens, vocabulary):
    ids = draw_ids(tokens, vocabulary, 12)
    check_order(ids, vocabulary)
    common = draw_ids(tokens, 2, 13) == 0
    check_order(torch.where(common, vocabulary - 1, ids), vocabulary)


def test_all_tokens_in_one_row_of_a_later_group():
    check_order(torch.full((5000,), 299), 600)


@pytest.mark.parametrize("counts", [(8, 9, 0, 7, 25, 1, 40), (9,) * 20, (0, 0, 100)])
def test_rows_with_few_and_with_many_tokens_beside_each_other(counts):
    ids = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    ids = ids[torch.randperm(len(ids), generator=torch.Generator().manual_seed(14))]
    check(draw((len(ids), 33), torch.float32, 15), ids, draw((len(counts), 33), torch.float32, 16))


def test_few_tokens_are_added_one_after_the_other():
    # 2^24 + 1 - 2^24 is 0 in this order, and 1 when the ones are added first.
    g = torch.tensor([2.0**24, 1.0, 1.0, -(2.0**24)]).repeat_interleave(2).view(4, 2)
    dw = embedding.embedding_backward(g, torch.zeros(4, dtype=torch.int64), torch.ones(1, 2))
    assert torch.equal(dw, torch.zeros(1, 2))


WRONG = (-1, 3, 10**6, -(2**62), 2**62)


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_what_a_gpu_makes_of_an_id_outside_the_lookup(wrong, dtype):
    w, ids = torch.ones(3, 5, dtype=dtype), torch.tensor([0, wrong, 2])
    y = torch.zeros(3, 5, dtype=dtype)
    embedding.lookup(ids, w, y)
    assert y[1].isnan().all() and torch.equal(y[[0, 2]], w[:2])


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_what_a_gpu_makes_of_an_id_outside_the_gradient(wrong, dtype):
    g, ids = torch.ones(40, 5, dtype=dtype), torch.zeros(40, dtype=torch.int64)
    ids[20:] = 2
    ids[13] = wrong
    dw = torch.zeros(3, 5, dtype=dtype)
    embedding.sum_rows(g, ids, dw)
    assert dw.isnan().all()


@pytest.mark.parametrize("wrong", [-1, 600, 700, 1000])
def test_an_id_outside_reaches_every_group_of_rows(wrong):
    ids = draw_ids(4200, 600, 17)
    for place in (0, 4150):
        spoiled = ids.clone()
        spoiled[place] = wrong
        dw = torch.zeros(600, 2)
        embedding.sum_rows(torch.ones(4200, 2), spoiled, dw)
        assert dw.isnan().all()


def test_values_of_ids_are_looked_at_on_the_cpu_alone():
    embedding.check_ids(torch.empty(7, dtype=torch.int64, device="meta"), 3)
    with pytest.raises(ValueError, match=r"fewer than 2\^31 tokens"):
        embedding.check_ids(torch.empty(2**31, dtype=torch.int64, device="meta"), 3)


def test_tensors_on_two_devices_are_refused():
    ids = torch.zeros(2, dtype=torch.int64)
    w = torch.ones(3, 2, device="meta")
    with pytest.raises(ValueError, match="ids are on cpu, w is on meta"):
        embedding.embedding(ids, w)
    with pytest.raises(ValueError, match="ids are on cpu, g is on meta"):
        embedding.embedding_backward(w[:2], ids, w)
