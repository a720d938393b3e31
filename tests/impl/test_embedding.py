import itertools

import numpy as np
import pytest
import torch
from albor_impl._triton import poisoned, record_launches, repaired, sanitized
from albor_impl._triton.repaired import RepairedBuilder, TensorHandle
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


@pytest.mark.parametrize("tokens", [3, 5, embedding.FEW + 3, 2 * embedding.TOKENS])
def test_rows_of_a_gradient_far_apart(tokens):
    """The offset of a token passes 2^31, and its number was read from memory: the check of index width sees a 0."""
    stride = 2**31 // (tokens - 1) + 1
    memory = torch.empty((tokens - 1) * stride + 4, dtype=torch.float16)  # of 4 GiB one page a token is touched
    g = memory.as_strided((tokens, 4), (stride, 1))
    g.copy_(draw((tokens, 4), torch.float16, 20))
    with sanitized():
        check(g, torch.tensor([0] + [1] * (tokens - 1)), draw((2, 4), torch.float16, 21))


def test_long_rows_of_a_table(monkeypatch):
    """The element where a row begins passes 2^31. Of the loops over columns the first step is taken."""
    rows, block, tokens = 9, 16, embedding.FEW + 3
    d = 2**31 // (rows - 1) + block
    dw = torch.empty((rows, d), dtype=torch.float16)  # of 4 GiB a few pages are touched, and so of the gradient
    g = torch.empty((tokens + 1) * block + d, dtype=torch.float16).as_strided((tokens + 1, d), (block, 1))
    g[:, :block] = draw((tokens + 1, block), torch.float16, 22)
    steps = range
    monkeypatch.setattr(
        embedding, "range", lambda low, high, step=1: steps(low, block if int(high) == d else high, step), raising=False
    )
    with sanitized():
        ids = torch.tensor([rows - 2] + [rows - 1] * tokens)
        embedding.sum_rows(g, ids, dw, {"width": 2 * block, "wide": 2 * block})
    found, used = dw[:, :block].clone(), g[:, :block].clone()
    assert not found[: rows - 2].any() and torch.equal(found[rows - 2], used[0])
    sizes = np.abs(exact(used[1:])).sum(0)
    assert worst(found[rows - 1], exact(used[1:]).sum(0), LAMBDA * np.sqrt(tokens) * U32 * sizes) <= 1


def test_every_element_is_written_once_in_two_launches():
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


def check_sums(ids, vocabulary, **blocks):
    g = draw_ids(2 * len(ids), 64, 18).view(len(ids), 2).float()  # whole numbers: sums are exact in any order
    dw = torch.full((vocabulary, 2), 7.0)
    with poisoned():  # a place that nobody has written leads out of every tensor
        embedding.sum_rows(g, ids, dw, blocks)
    assert torch.equal(dw, torch.zeros(vocabulary, 2).index_add_(0, ids, g))


@pytest.mark.parametrize("blocks", [{}, {"group": 32}, {"group": 64, "each": 1, "picked": 128, "rows": 4}], ids=str)
@pytest.mark.parametrize(
    ("tokens", "vocabulary"),
    [(1, 1), (300, 3), (64, 256), (65, 257), (1024, 100), (1025, 300), (2100, 600), (0, 5), (0, 300)],
)
def test_each_row_has_the_sum_of_its_tokens(tokens, vocabulary, blocks):
    ids = draw_ids(tokens, vocabulary, 12)
    check_sums(ids, vocabulary, **blocks)
    common = draw_ids(tokens, 2, 13) == 0
    check_sums(torch.where(common, vocabulary - 1, ids), vocabulary, **blocks)


def test_all_tokens_in_one_row():
    check_sums(torch.full((5000,), 299), 600)
    check_sums(torch.full((5000,), 299), 600, group=8)


def test_all_rows_of_a_program_have_many_tokens():
    """The last of its group too, whose place is the largest."""
    check_sums(torch.arange(8).repeat(embedding.FEW + 4), 8, group=4)


@pytest.mark.parametrize("anything", [0, 1, -5])
def test_what_a_masked_load_returns_is_not_used(anything, monkeypatch):
    """On a device that is anything, and not the largest number, as it is in the interpreter."""
    stock = repaired._poison

    def poison(shape, dtype):
        found = stock(shape, dtype)
        return np.full_like(found, anything) if found.dtype.kind == "i" else found

    monkeypatch.setattr(repaired, "_poison", poison)
    check_sums(draw_ids(300, 40, 32), 40)
    check_sums(draw_ids(90, 30, 33), 30)


def test_what_an_atomic_operation_returns_where_it_is_masked_is_not_used(monkeypatch):
    """On a device that is anything: here a huge count."""
    stock = RepairedBuilder.create_atomic_rmw

    def poisoned_rmw(self, operation, pointers, value, mask, *rest):
        result = stock(self, operation, pointers, value, mask, *rest)
        return TensorHandle(np.where(mask.data, result.data, 10**6).astype(result.data.dtype), result.dtype)

    monkeypatch.setattr(RepairedBuilder, "create_atomic_rmw", poisoned_rmw)
    check_sums(draw_ids(300, 40, 30), 40)
    check_sums(draw_ids(100, 9, 31), 9, group=1)


def test_frequent_ids_that_are_neighbours_go_to_different_programs():
    """Each with too many tokens for its list, between others that have few."""
    ids = torch.cat([torch.arange(20).repeat(30), draw_ids(200, 300, 19)])
    check_sums(ids[torch.randperm(len(ids), generator=torch.Generator().manual_seed(23))], 300, group=16)


def test_programs_put_their_tokens_in_order_beside_each_other(monkeypatch):
    """On a device they do it at the same time, and may not use the same places."""
    ids, made = draw_ids(900, 40, 29), []

    def kept(*arguments):
        made.append(torch.zeros(arguments[0], dtype=arguments[1]))
        return made[-1]

    monkeypatch.setattr(embedding, "empty", kept)
    embedding.sum_rows(torch.ones(900, 1), ids, torch.empty(40, 1), {"group": 16, "picked": 128})
    assert min(torch.bincount(ids)) > embedding.FEW  # so that each program has to
    counts, listed = made[0][:, :16], made[0][:, 32:].view(4, 16, embedding.FEW)
    assert torch.equal(counts[:, :10], torch.bincount(ids, minlength=40).view(10, 4).T)
    programs, places = torch.arange(4)[:, None, None], torch.arange(10)[None, :, None]
    assert torch.equal(ids[listed[:, :10].long()], (programs + 4 * places).expand(4, 10, embedding.FEW))
    by_row = torch.argsort(ids % 4 * 40 + ids // 4, stable=True)
    assert torch.equal(made[2].long(), by_row)
    places = made[1]
    assert torch.equal(places & (2**32 - 1), torch.argsort(ids % 4, stable=True))
    assert torch.equal(places >> 32, (ids // 4)[places & (2**32 - 1)])


@pytest.mark.parametrize(
    "blocks", [{"group": 4}, {"each": 1}, {"rows": 1}, {"picked": 64}, {"width": 32, "wide": 64}, {"warps": 4}], ids=str
)
def test_how_it_is_launched_changes_no_bit(blocks):
    ids = torch.cat([torch.arange(30).repeat(3), draw_ids(1200, 3, 24), draw_ids(50, 30, 25)])
    ids = ids[torch.randperm(len(ids), generator=torch.Generator().manual_seed(26))]
    g, dw = draw((len(ids), 48), torch.float32, 27), torch.empty(2, 30, 48)
    embedding.sum_rows(g, ids, dw[0])
    embedding.sum_rows(g, ids, dw[1], blocks)
    assert torch.equal(dw[0], dw[1])


@pytest.mark.parametrize("tokens", [1, 1024, 1025, 16384, 16385, 10**6])
@pytest.mark.parametrize("vocabulary", [1, 128, 129, 32768, 200_000])
def test_what_a_program_is_given_on_a_gpu(tokens, vocabulary):
    """No more than there is, and no more than was fastest when it was measured."""
    for d, size in itertools.product((1, 16, 1000, 1024, 4096, 4100), (2, 4)):
        s = embedding.launch_blocks(tokens, vocabulary, d, size)
        assert s["num_warps"] == 32 and s["THREADS"] == 1024
        ids = s["EACH"] * s["THREADS"]
        assert s["EACH"] == (1 if tokens <= 1024 else 2 if tokens <= 2048 else 16) and s["ONE_BLOCK"] == (tokens <= ids)
        assert s["GROUP"] == {1: 1, 128: 1, 129: 2, 32768: 256, 200_000: 1024}[vocabulary]
        row = 2 ** (d - 1).bit_length() * size
        assert s["BLOCK"] * size == min(row, 4096 if d % 16 == 0 else 512)
        assert s["WIDE"] * size == min(row, 2048 if d % 16 == 0 else 512)
        assert s["ROWS"] == min(s["GROUP"], 16, 32768 // (s["BLOCK"] * size))
        assert (s["FEW"], s["TOKENS"], s["PICKED"], s["LANE"], s["CHUNK"]) == (8, 16, 4096, 64, 256)


def test_what_a_program_is_given_is_worked_out_from_the_sizes_of_the_call(monkeypatch):
    seen, stock = [], embedding.launch_blocks
    monkeypatch.setattr(
        embedding, "launch_blocks", lambda *sizes, **blocks: seen.append(sizes) or stock(*sizes, **blocks)
    )
    embedding.embedding_backward(
        torch.ones(7, 3, dtype=torch.float16), torch.zeros(7, dtype=torch.int64), torch.ones(5, 3).half()
    )
    assert seen == [(7, 5, 3, 2, True)]


@pytest.mark.parametrize("counts", [(8, 9, 0, 7, 25, 1, 40), (9,) * 20, (0, 0, 100)])
def test_rows_with_few_and_with_many_tokens_beside_each_other(counts):
    ids = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    ids = ids[torch.randperm(len(ids), generator=torch.Generator().manual_seed(14))]
    check(draw((len(ids), 33), torch.float32, 15), ids, draw((len(counts), 33), torch.float32, 16))


@pytest.mark.parametrize("places", [(0, 1, 2, 3), (3, 256, 300, 513), (255, 256, 511, 512, 700, 800, 900, 1000)])
def test_few_tokens_are_added_one_after_the_other(places):
    """Whatever the order in which threads find them: each looks at every 256th id."""
    ids, g = torch.ones(1024, dtype=torch.int64), torch.zeros(1024, 2)
    ids[list(places)] = 0
    # 2^24 + 1 - 2^24 is 0 in this order, and more when ones are added first, or last.
    g[list(places)] = 1.0
    g[places[0]], g[places[-1]] = 2.0**24, -(2.0**24)
    assert len(places) <= embedding.FEW
    dw = embedding.embedding_backward(g, ids, torch.ones(2, 2))
    assert torch.equal(dw, torch.zeros(2, 2))


def test_many_tokens_are_added_in_partial_sums():
    tokens = 3 * embedding.TOKENS
    g = draw((tokens, 2), torch.float32, 28)
    partial = torch.zeros(embedding.TOKENS, 2)
    for part in g.split(embedding.TOKENS):
        partial += part
    dw = embedding.embedding_backward(g, torch.zeros(tokens, dtype=torch.int64), torch.ones(1, 2))
    assert np.array_equal(dw[0].numpy(), partial.numpy().sum(0))


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
def test_an_id_outside_reaches_every_row(wrong):
    ids = draw_ids(4200, 600, 17)
    for place in (0, 4150):
        spoiled = ids.clone()
        spoiled[place] = wrong
        for group in (256, 64):
            dw = torch.zeros(600, 2)
            embedding.sum_rows(torch.ones(4200, 2), spoiled, dw, {"group": group})
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
