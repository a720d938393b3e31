"""Programs that are replayed do what the interpreter does, to the last bit; what cannot be foreseen is interpreted."""

import traceback

import pytest
import torch
import triton
import triton.language as tl
from albor_impl._triton import OutOfBounds, interpret, kernel, recording, replay, steps
from albor_impl._triton.plain import interpret_plain_kernels, undefined
from albor_impl.attention.causal_gqa import attention, attention_backward
from albor_impl.core.embedding import embedding_backward
from albor_impl.core.rmsnorm import rmsnorm, rmsnorm_backward
from albor_impl.core.softmax import softmax
from albor_impl.loss.cross_entropy import cross_entropy
from triton.language.extra import libdevice

KINDS = [torch.float32, torch.float16, torch.bfloat16]


@pytest.fixture(autouse=True)
def _replaying(monkeypatch):
    monkeypatch.setattr(replay, "_trees", type(replay._trees)())
    monkeypatch.setattr(interpret, "launch", replay.launch)


def _replayed():
    return sum(tree.replayed for tree in replay._trees.values())


def _bits(results):
    results = results if isinstance(results, tuple) else (results,)
    return [(r.dtype, r.shape, r.reshape(-1).contiguous().view(torch.uint8).numpy().tobytes()) for r in results]


def _numbers(seed, *shape, dtype=torch.float32):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).to(dtype)


def _attend(seed, kind):
    q, k, v = (_numbers(seed + i, 1, heads, 37, 16, dtype=kind) for i, heads in enumerate((4, 2, 2)))
    return (*attention(q, k, v), *attention_backward(_numbers(seed + 3, 1, 4, 37, 16, dtype=kind), q, k, v))


WORK = {
    "softmax": lambda seed, kind: softmax(_numbers(seed, 9, 130, dtype=kind)),
    "rmsnorm": lambda seed, kind: rmsnorm(_numbers(seed, 7, 96, dtype=kind), _numbers(seed + 1, 96, dtype=kind), 1e-5),
    "rmsnorm_backward": lambda seed, kind: rmsnorm_backward(
        *(_numbers(seed + k, *shape, dtype=kind) for k, shape in enumerate([(40, 96), (40, 96), (96,)])), 1e-5
    ),
    "embedding_backward": lambda seed, kind: embedding_backward(
        _numbers(seed, 50, 24, dtype=kind), (torch.arange(50) * (seed + 3)) % 11, _numbers(seed, 11, 24, dtype=kind)
    ),
    "cross_entropy": lambda seed, kind: cross_entropy(
        _numbers(seed, 12, 70, dtype=kind), (torch.arange(12) * (seed + 3)) % 70, 3
    ),
    "attention": _attend,
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS, ids=str)
@pytest.mark.parametrize("name", WORK)
def test_kernels_come_to_the_same(name, kind):
    for seed in (0, 10):
        with replay.off():
            expected = _bits(WORK[name](seed, kind))
        assert _bits(WORK[name](seed, kind)) == expected
    assert _replayed() > 0


@kernel
def _collatz_kernel(x, y, n, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    value = tl.load(x + row)
    count = 0
    while value > 1:
        if value % 2 == 1:
            value = 3 * value + 1
            count += 1
        value = value // 2
        count += 1
    cols = tl.arange(0, BLOCK)
    tl.store(y + row * n + cols, count + cols, mask=cols < n)


def test_a_kernel_that_branches_on_what_it_loads():
    x = torch.tensor([1, 2, 3, 6, 7, 6, 3, 2, 1, 12, 24, 7], dtype=torch.int32)
    y = torch.zeros(12, 3, dtype=torch.int32)
    _collatz_kernel[(12,)](x, y, 3, BLOCK=4)
    assert y[:, 0].tolist() == [0, 1, 7, 8, 16, 8, 7, 1, 0, 9, 10, 16]
    assert (y - y[:, :1]).tolist() == [[0, 1, 2]] * 12
    assert _replayed() == 5  # the second of each number


@kernel
def _count_kernel(x, total, LIMIT: tl.constexpr):
    row = tl.program_id(0)
    tl.atomic_add(total, 1)
    value = tl.load(x + row)
    if value > LIMIT:
        tl.atomic_add(total + 1, value)
    else:
        tl.store(total + 2, tl.load(total + 2) * 2 + value)


def test_what_was_done_before_an_unexpected_branch_is_done_once():
    x, total = torch.tensor([1, 1, 9, 0, 9, 1], dtype=torch.int32), torch.zeros(3, dtype=torch.int32)
    _count_kernel[(6,)](x, total, LIMIT=5)
    assert total.tolist() == [6, 18, ((1 * 2 + 1) * 2 + 0) * 2 + 1]
    assert _replayed() == 4


@kernel
def _copy_kernel(x, y, n, BLOCK: tl.constexpr):
    cols = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    value = tl.load(x + cols)
    tl.store(y + cols, value, mask=cols < n)


def test_an_error_comes_from_the_line_that_made_it():
    x, y = torch.ones(20), torch.zeros(20)
    with pytest.raises(OutOfBounds, match="load outside every tensor argument: the nearest is 'x'") as caught:
        _copy_kernel[(4,)](x, y, 20, BLOCK=8)
    assert caught.value.__notes__ == ["in program (2, 0, 0) of kernel _copy_kernel, interpreted"]
    lines = [frame.line for frame in traceback.extract_tb(caught.value.__traceback__) if frame.filename == __file__]
    assert lines[-1] == "value = tl.load(x + cols)"
    assert y.tolist() == [1.0] * 16 + [0.0] * 4
    assert _replayed() == 1
    longer = torch.ones(32)
    _copy_kernel[(4,)](longer, y, 20, BLOCK=8)  # and the next launch is as good as the first
    assert y.tolist() == [1.0] * 20 and _replayed() == 5


@kernel
def _sure_kernel(x, y):
    row = tl.program_id(0)
    value = tl.load(x + row)
    tl.device_assert(value > 0, "a positive number")
    tl.store(y + row, value)


def test_an_assertion_of_a_later_program():
    x, y = torch.tensor([1.0, 2.0, -3.0, 4.0]), torch.zeros(4)
    with pytest.raises(AssertionError, match="a positive number"):
        _sure_kernel[(4,)](x, y)
    assert y.tolist() == [1.0, 2.0, 0.0, 0.0]


@kernel
def _times(x):
    return x * 2


@kernel
def _thrice(x):
    return x * 3


@kernel
def _helped_kernel(x, y):
    row = tl.program_id(0)
    tl.store(y + row, _times(tl.load(x + row)))


def test_a_helper_that_is_exchanged_is_seen(monkeypatch):
    x, y = torch.tensor([1.0, 2.0]), torch.zeros(2)
    _helped_kernel[(2,)](x, y)
    assert y.tolist() == [2.0, 4.0]
    monkeypatch.setitem(globals(), "_times", _thrice)
    _helped_kernel[(2,)](x, y)
    assert y.tolist() == [3.0, 6.0]


@kernel
def _constant_kernel(y, scale, C: tl.constexpr):
    row = tl.program_id(0)
    tl.store(y + row, 1.0 / (tl.zeros([], tl.float32) + C) + scale)


def test_constants_that_are_equal_and_not_the_same():
    found = []
    for value in (0.0, -0.0):
        y = torch.zeros(2)
        _constant_kernel[(2,)](y, 0.0, C=value)
        found.append(y.tolist())
    with replay.off():
        for value, expected in zip((0.0, -0.0), found, strict=True):
            y = torch.zeros(2)
            _constant_kernel[(2,)](y, 0.0, C=value)
            assert y.tolist() == expected


def test_arguments_of_another_type_are_another_kernel():
    y = torch.zeros(2)
    for scale, expected in ((1, 1.0), (2.5, 2.5), (2**40, float(2**40)), (True, 1.0), (7, 7.0), (0.5, 0.5)):
        _constant_kernel[(2,)](y, scale, C=float("inf"))
        assert y.tolist() == [expected] * 2


@kernel
def _chain_kernel(x, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    cols = tl.arange(0, BLOCK)
    before = tl.load(x + row * BLOCK + cols)
    tl.store(x + (row + 1) * BLOCK + cols, before + tl.sum(before) + row)


def test_programs_see_what_those_before_them_wrote():
    x = torch.ones(6, 4)
    _chain_kernel[(5,)](x, BLOCK=4)
    row, expected = torch.ones(4), []
    for k in range(5):
        expected.append(row.tolist())
        row = row + row.sum() + k
    assert x.tolist() == [*expected, row.tolist()]
    assert _replayed() == 4


def test_a_short_way_that_comes_to_something_else_is_not_taken(monkeypatch):
    def wrong(operation):
        return steps._function(lambda data: data + 1, operation.args[0], operation)

    with replay.off():
        expected = _bits(softmax(_numbers(0, 9, 130)))
    monkeypatch.setitem(steps._SHORT, "create_expand_dims", wrong)
    monkeypatch.setitem(steps._SHORT, "reduce", wrong)
    assert _bits(softmax(_numbers(0, 9, 130))) == expected
    assert _replayed() > 0


@kernel
def _unforeseen_kernel(x, y):
    row = tl.program_id(0)
    value = tl.load(x + row)
    total = 0
    for k in range(value):
        total += k
    tl.store(y + row, total)


def test_a_kernel_that_cannot_be_foreseen_is_interpreted():
    x, y = torch.arange(100, dtype=torch.int32), torch.zeros(100, dtype=torch.int32)
    for _ in range(2):
        _unforeseen_kernel[(50,)](x, y)
        x = x + 50
    assert y[:50].tolist() == [k * (k - 1) // 2 for k in range(50, 100)]
    (tree,) = replay._trees.values()
    assert tree.hopeless


@kernel
def _long_kernel(x, y, n, BLOCK: tl.constexpr):
    cols = tl.arange(0, BLOCK)
    total = tl.zeros([BLOCK], tl.float32)
    for start in range(n):
        total += tl.load(x + start + cols)
    tl.store(y + tl.program_id(0) * BLOCK + cols, total)


@pytest.mark.parametrize(("limit", "value"), [("MAX_VALUES", 100), ("MAX_BYTES", 2000)])
def test_a_long_program_is_not_kept(monkeypatch, limit, value):
    monkeypatch.setattr(recording, limit, value)
    x, y = torch.arange(54.0), torch.zeros(2, 4)
    _long_kernel[(2,)](x, y, 50, BLOCK=4)
    assert y.tolist() == [[x[k : k + 50].sum().item() for k in range(4)]] * 2
    (tree,) = replay._trees.values()
    assert tree.hopeless and len(tree.levels) < 200


@kernel
def _turned_kernel(x, y, BLOCK: tl.constexpr):
    cols = tl.arange(0, BLOCK)
    block = tl.load(x + cols[:, None] * BLOCK + cols[None, :])
    tl.store(y + cols[:, None] * BLOCK + cols[None, :], block.T + tl.program_id(0))


def test_what_the_interpreter_does_past_its_operations_is_not_replayed():
    x, y = torch.arange(16.0).reshape(4, 4), torch.zeros(4, 4)
    _turned_kernel[(3,)](x, y, BLOCK=4)
    assert y.tolist() == (x.T + 2).tolist()
    (tree,) = replay._trees.values()
    assert tree.hopeless and not tree.replayed
    assert len(tree.levels) < 30  # of one program: the others are interpreted and nothing else


# Kernels of others


@triton.jit
def _half_kernel(x, y, n, BLOCK: tl.constexpr):
    cols = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    value = tl.load(x + cols, mask=cols < n)
    tl.store(y + cols, value + tl.load(x + cols, mask=cols < n, other=0), mask=cols < n)


def test_loads_that_leave_something_undefined_are_noted_by_programs_that_are_replayed():
    interpret_plain_kernels()
    undefined.clear()
    x, y = torch.arange(20.0), torch.zeros(20)
    _half_kernel[(2,)](x, y, 20, BLOCK=8)
    assert not undefined and _replayed() == 1
    _half_kernel[(3,)](x, y, 20, BLOCK=8)
    assert undefined == {f"{__file__}:{_half_kernel.starting_line_number + 3}"} and _replayed() == 4
    assert torch.equal(y, 2 * x)


@triton.jit
def _product_kernel(x, y, out, SIZE: tl.constexpr):
    at = tl.program_id(0) * SIZE * SIZE + tl.arange(0, SIZE)[:, None] * SIZE + tl.arange(0, SIZE)[None, :]
    tl.store(out + at, tl.dot(tl.load(x + at), tl.load(y + at)))


def test_products_are_rounded_as_they_were():
    """The first program multiplies numbers that TF32 holds, the second does not."""
    interpret_plain_kernels()
    x = torch.cat([torch.ones(16, 16), _numbers(0, 16, 16)])
    found, expected = torch.zeros(32, 16), torch.zeros(32, 16)
    _product_kernel[(2,)](x, x, found, SIZE=16)
    with replay.off():
        _product_kernel[(2,)](x, x, expected, SIZE=16)
    assert _replayed() == 1
    assert torch.equal(found, expected) and not torch.equal(found[16:], x[16:] @ x[16:])


@triton.jit
def _root_kernel(x, y):
    row = tl.program_id(0)
    tl.store(y + row, libdevice.rsqrt(tl.load(x + row)))


def test_functions_of_the_device_are_operations_too():
    interpret_plain_kernels()
    x, y = torch.tensor([1.0, 4.0, 16.0]), torch.zeros(3)
    _root_kernel[(3,)](x, y)
    assert y.tolist() == [1.0, 0.5, 0.25]
    assert _replayed() == 2
