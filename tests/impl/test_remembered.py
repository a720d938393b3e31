"""Types that the interpreter remembers are those that Triton works out, asked once or again."""

import itertools

import numpy as np
import pytest
import triton.language as tl
from albor_impl._triton import interpret, remembered
from triton.language.semantic import TritonSemantic
from triton.runtime import interpreter

SCALARS = [tl.int1, tl.int32, tl.int64, tl.uint8, tl.float16, tl.bfloat16, tl.float32, tl.float64]
SHAPES = [(), (2,), (4,), (1, 4), (2, 1), (2, 4), (1, 1), (4, 2), (2, 1, 4)]
# Triton's own, as they are outside of a launch.
STOCK_BLOCK, STOCK_TENSOR = tl.core.block_type.__init__, tl.core.tensor.__init__
STOCK = TritonSemantic(interpret._builder)


@pytest.fixture(autouse=True)
def _interpreting():
    with interpret.LOCK, interpret._interpreting():
        yield


def _value(kind, shape):
    data = np.arange(max(1, int(np.prod(shape)))).reshape(shape or (1,)) % 3
    handle = interpreter.TensorHandle(data.astype(remembered.np_dtype(kind)), kind)
    return tl.tensor(handle, tl.block_type(kind, list(shape)) if shape else kind)


def _outcome(function, *arguments):
    """What comes of it, in a form that can be compared; errors by their words."""
    try:
        results = function(*arguments)
    except Exception as error:
        return type(error), str(error)
    results = results if isinstance(results, tuple) else (results,)
    return [
        (str(r.type), [s.value for s in r.shape], r.handle.data.tolist(), r.handle.data.shape, str(r.handle.dtype))
        if isinstance(r, tl.tensor) else str(r)
        for r in results
    ]  # fmt: skip


def test_the_remembered_code_is_in_force_during_a_launch_only():
    assert tl.core.block_type.__init__ is remembered.block_init
    assert STOCK_BLOCK is not remembered.block_init
    assert STOCK_TENSOR is not remembered.tensor_init


@pytest.mark.parametrize("kind", [*SCALARS, tl.pointer_type(tl.float32), tl.pointer_type(tl.int8, const=True)], ids=str)
def test_types_are_those_of_triton(kind):
    assert remembered.np_dtype(kind) == remembered._stock_np_dtype(kind)
    for shape, _ in itertools.product(SHAPES[1:], range(2)):
        ours, theirs = tl.block_type(kind, list(shape)), tl.block_type.__new__(tl.block_type)
        STOCK_BLOCK(theirs, kind, [tl.constexpr(size) for size in shape])
        assert ours == theirs and vars(ours).keys() == vars(theirs).keys()
        assert (ours.name, ours.numel, list(ours.shape)) == (theirs.name, theirs.numel, list(theirs.shape))
        assert ours.element_ty is kind and remembered.np_dtype(ours) == remembered.np_dtype(kind)
        assert str(ours.to_ir(interpret._builder)) == str(theirs.to_ir(interpret._builder))
        found, wanted = tl.tensor(None, ours), tl.tensor.__new__(tl.tensor)
        STOCK_TENSOR(wanted, None, theirs)
        assert vars(found).keys() == vars(wanted).keys() and found.dtype is wanted.dtype
        assert [s.value for s in found.shape] == [s.value for s in wanted.shape]
        assert found.numel.value == wanted.numel.value


@pytest.mark.parametrize("shape", [[], [3], [2.0], 4, ["4"], [2**21]])
def test_what_is_no_shape_is_refused_as_by_triton(shape):
    def stock(kind, sizes):
        return STOCK_BLOCK(tl.block_type.__new__(tl.block_type), kind, sizes)

    for _ in range(2):
        refused = _outcome(tl.block_type, tl.float32, shape)
        assert isinstance(refused, tuple) and refused == _outcome(stock, tl.float32, shape)


@pytest.mark.parametrize("left", SHAPES, ids=str)
def test_operands_meet_as_triton_says(left):
    ours = interpret._semantic
    for right, kind, _ in itertools.product(SHAPES, (tl.int32, tl.bfloat16), range(2)):
        a, b = _value(tl.float32, left), _value(kind, right)
        assert _outcome(ours.broadcast_impl_value, a, b) == _outcome(STOCK.broadcast_impl_value, a, b)


def test_casts_and_meeting_types_are_those_of_triton():
    ours = interpret._semantic
    for one, other, _ in itertools.product(SCALARS, SCALARS, range(2)):
        value = _value(one, (2, 4))
        assert _outcome(ours.cast, value, other) == _outcome(STOCK.cast, value, other)
        for flags in itertools.product((False, True), repeat=3):
            arguments = (one, flags[0], other, flags[1], flags[2])
            assert _outcome(ours.computation_type_impl, *arguments) == _outcome(STOCK.computation_type_impl, *arguments)


def test_blocks_do_not_share_memory_with_what_they_were_spread_from():
    row = _value(tl.float32, (1, 4))
    spread, _ = interpret._semantic.broadcast_impl_value(row, _value(tl.float32, (2, 1)))
    assert not np.shares_memory(spread.handle.data, row.handle.data)
    assert spread.handle.data.tolist() == [[0, 1, 2, 0], [0, 1, 2, 0]]
