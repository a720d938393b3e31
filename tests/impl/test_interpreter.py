"""The layer under the Triton kernels: the interpreter, its repairs, launches, buffers, declarations."""

import inspect
import linecache
import sys
import textwrap
import threading

import numpy as np
import pytest
import torch
import triton
import triton.language as tl
from albor_impl._triton import (
    OutOfBounds,
    bfloat16,
    declared_kernels,
    empty,
    empty_like,
    example,
    kernel,
    poisoned,
    record_allocations,
    record_launches,
    sanitized,
    unify,
)
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource


@kernel
def _twice(x):
    return x + x


@triton.jit
def _plain_twice(x):
    return x + x


@kernel(example("x=*fp32 y=*fp32 n=i32", label="small", BLOCK=64, num_warps=1))
def _double_kernel(x, y, n, BLOCK: tl.constexpr):
    at = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    value = tl.load(x + at, mask=at < n, other=0.0)
    tl.store(y + at, _twice(value), mask=at < n)


def double(x):
    y = empty_like(x)
    _double_kernel[(triton.cdiv(len(x), 64),)](x, y, len(x), BLOCK=64, num_warps=2)
    return y


# bfloat16


def test_bfloat16_patterns_decode_as_torch_has_them():
    patterns = torch.arange(-(2**15), 2**15, dtype=torch.int32).to(torch.int16)
    wanted = patterns.view(torch.bfloat16).float().numpy()
    np.testing.assert_array_equal(bfloat16.decode(patterns.numpy().view(np.uint16)), wanted)


def test_bfloat16_rounding_is_that_of_torch():
    upper = np.arange(2**16, dtype=np.uint32) << 16  # every pattern, and what lies next to it and half-way
    lower = np.array([0, 1, 0x7FFF, 0x8000, 0x8001, 0xFFFF], dtype=np.uint32)
    values = (upper[:, None] | lower).view(np.float32).ravel()
    wanted = torch.from_numpy(values).bfloat16()
    got = torch.from_numpy(bfloat16.encode(values).view(np.int16)).view(torch.bfloat16)
    nan = torch.from_numpy(np.isnan(values))
    assert torch.equal(got.isnan(), nan) and torch.equal(wanted.isnan(), nan)
    assert torch.equal(got.view(torch.int16)[~nan], wanted.view(torch.int16)[~nan])


def test_bfloat16_towards_zero():
    values = np.array([1.0, 1.00390625, 1.0078124, -1.0078124, 3.4e38, np.inf, np.nan], dtype=np.float32)
    got = bfloat16.decode(bfloat16.truncate(values))
    np.testing.assert_array_equal(got, [1, 1, 1, -1, bfloat16.decode(np.array([0x7F7F], np.uint16))[0], np.inf, np.nan])


@kernel
def _bf16_kernel(a, b, total, product, less, negative, summed, largest, cast, N: tl.constexpr):
    at = tl.arange(0, N)
    x, y = tl.load(a + at), tl.load(b + at)
    tl.store(total + at, x + y)
    tl.store(product + at, x * y)
    tl.store(less + at, x < y)
    tl.store(negative + at, -tl.abs(x))
    tl.store(summed, tl.sum(x, 0))
    tl.store(largest, tl.max(x, 0))
    tl.store(cast + at, x.to(tl.float16).to(tl.bfloat16))


def test_bfloat16_arithmetic_without_upcast():
    a, b = torch.randn(2, 64, generator=torch.Generator().manual_seed(1)).bfloat16()
    total, product, negative, cast = (torch.empty_like(a) for _ in range(4))
    less = torch.empty(64, dtype=torch.bool)
    summed, largest = torch.empty(2, 1, dtype=torch.bfloat16)
    _bf16_kernel[(1,)](a, b, total, product, less, negative, summed, largest, cast, N=64)
    assert torch.equal(total, a + b) and torch.equal(product, a * b)
    assert torch.equal(less, a < b) and torch.equal(negative, -a.abs())
    assert torch.equal(largest[0], a.max()) and torch.equal(cast, a.half().bfloat16())
    assert abs(summed.item() - a.double().sum().item()) <= 2**-8 * abs(a.double().sum().item()) + 1e-5


@kernel
def _dot_kernel(a, b, c, N: tl.constexpr):
    at = tl.arange(0, N)[:, None] * N + tl.arange(0, N)[None, :]
    tl.store(c + at, tl.dot(tl.load(a + at), tl.load(b + at), input_precision="ieee"))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16], ids=str)
def test_dot(dtype):
    a, b = torch.randn(2, 16, 16, generator=torch.Generator().manual_seed(2)).to(dtype)
    c = torch.empty(16, 16)
    _dot_kernel[(1,)](a, b, c, N=16)
    bound = 8 * 4 * 2.0**-24 * (a.double().abs() @ b.double().abs())
    assert ((c.double() - a.double() @ b.double()).abs() <= bound).all()


# Arguments and memory


@kernel
def _scalar_kernel(y, factor, flag, N: tl.constexpr):
    tl.store(
        y + tl.arange(0, N), (factor.to(tl.float32) if flag else factor * 0).to(tl.float64) + tl.zeros([N], tl.float64)
    )


def test_float_arguments_are_float32():
    y = torch.empty(4, dtype=torch.float64)
    _scalar_kernel[(1,)](y, 0.1, True, N=4)
    assert (y == float(np.float32(0.1))).all()


@kernel
def _no_other_kernel(x, y, n, N: tl.constexpr):
    at = tl.arange(0, N)
    tl.store(y + at, tl.load(x + at, mask=at < n))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16], ids=str)
def test_a_masked_load_without_other_poisons(dtype):
    x, y = torch.ones(5, dtype=dtype), torch.zeros(8, dtype=dtype)
    _no_other_kernel[(1,)](x, y, 5, N=8)
    assert (y[:5] == 1).all() and y[5:].isnan().all()


def test_a_masked_load_without_other_poisons_integers():
    x, y = torch.ones(5, dtype=torch.int32), torch.zeros(8, dtype=torch.int32)
    _no_other_kernel[(1,)](x, y, 5, N=8)
    assert y.tolist() == [1] * 5 + [2**31 - 1] * 3


def test_reading_past_a_tensor_is_found():
    x = torch.ones(100)
    with pytest.raises(
        OutOfBounds, match=r"load outside every tensor argument: the nearest is 'x' \(20 bytes\)"
    ) as info:
        _no_other_kernel[(1,)](x[:5], x.clone(), 8, N=8)
    assert "program (0, 0, 0) of kernel _no_other_kernel" in info.value.__notes__[0]


def test_writing_past_a_tensor_is_found_and_nothing_is_written():
    y = torch.zeros(8)
    with pytest.raises(OutOfBounds, match="store outside every tensor argument: the nearest is 'y'"):
        _no_other_kernel[(1,)](torch.ones(8), y[:6], 8, N=8)
    assert not y.any()


@kernel
def _gap_kernel(x, y, n, N: tl.constexpr):
    at = tl.arange(0, N) * n
    tl.store(y + tl.arange(0, N), tl.load(x + at))


def test_an_access_between_two_tensors_is_found():
    # First and last address are inside the extents of two arguments, the one in the middle is between them.
    memory = torch.zeros(96)
    with pytest.raises(OutOfBounds):
        _gap_kernel[(1,)](memory[:8], memory[64:], 40, N=2)
    with pytest.raises(OutOfBounds):
        _gap_kernel[(1,)](memory[:8], memory[72:], 20, N=4)


@kernel
def _table_kernel(table, n, N: tl.constexpr):
    target = tl.load(table).to(tl.pointer_type(tl.float32))
    at = tl.arange(0, N)
    tl.store(target + at, at.to(tl.float32), mask=at < n)


def test_tensors_behind_pointers_must_be_named():
    x = torch.zeros(4)
    table = torch.tensor([x.data_ptr()])
    with pytest.raises(OutOfBounds):
        _table_kernel[(1,)](table, 4, N=4)
    _table_kernel[(1,)](table, 4, N=4, reachable=[x])
    assert x.tolist() == [0, 1, 2, 3]


@kernel
def _atomic_kernel(x, at):
    tl.atomic_add(x + at, 1.0)


def test_atomic_operations_are_checked_too():
    x = torch.zeros(4)
    _atomic_kernel[(3,)](x, 3)
    assert x.tolist() == [0, 0, 0, 3]
    with pytest.raises(OutOfBounds, match="atomic"):
        _atomic_kernel[(1,)](x, 4)


# Semantics


@kernel
def _assert_kernel(x, limit, N: tl.constexpr):
    tl.device_assert(tl.load(x + tl.arange(0, N)) < limit, "too large")


def test_device_assert_raises():
    _assert_kernel[(1,)](torch.ones(4), 2, N=4)
    with pytest.raises(AssertionError, match="too large"):
        _assert_kernel[(1,)](torch.ones(4), 1, N=4)


@kernel
def _offset_kernel(y, row, stride):
    tl.store(y, row * stride)


def test_overflow_of_32_bit_integers_is_found_on_request():
    y = torch.zeros(1, dtype=torch.int64)
    _offset_kernel[(1,)](y, 70_000, 70_000)
    assert y.item() == (70_000**2 + 2**31) % 2**32 - 2**31  # wraps, as on the device
    with sanitized(), pytest.raises(AssertionError, match="int32 overflow detected"):
        _offset_kernel[(1,)](y, 70_000, 70_000)
    with sanitized():
        _offset_kernel[(1,)](y, 7, 70_000)
    assert y.item() == 490_000


@kernel
def _larger(a, i, b, j):
    first = (a > b) | ((a == b) & (i < j))
    return tl.where(first, a, b), tl.where(first, i, j)


@kernel
def _language_kernel(x, y, n, N: tl.constexpr):
    at = tl.arange(0, N)
    value = tl.load(x + at, mask=at < n, other=-1e30)
    best, where = tl.reduce((value, at), 0, _larger)
    tl.store(y, best)
    tl.store(y + 1, where)
    tl.store(y + 2, tl.where(at < n, value, 0).sum(0))
    tl.store(y + 3, tl.cdiv(n, 2))
    inside = (at >= 0) & (at < n)
    tl.store(y + 4, tl.sum(inside.to(tl.int32), 0))
    grid = value[:, None] + tl.zeros([1, 2], tl.float32)
    rows, _ = tl.reduce((grid, grid), 1, _larger, keep_dims=True)
    tl.store(y + 5 + at[:, None], rows, mask=at[:, None] < n)
    total = 0.0
    for start in range(0, n, 2):
        total += start
    tl.store(y + 5 + n, _plain_twice(total))


def test_the_language_works_without_a_decision_at_import():
    x, y = torch.tensor([1.0, 7.0, 3.0, 7.0, 2.0]), torch.zeros(11)
    _language_kernel[(1,)](x, y, 5, N=8)
    assert y.tolist() == [7, 1, 20, 3, 5, 1, 7, 3, 7, 2, 12]


def test_triton_is_as_it_was_after_a_launch_and_after_a_failure():
    spaces = [tl, tl.core, tl.math, tl.tensor, tl.dtype, triton.runtime.JITFunction, triton.runtime.interpreter]
    before = [dict(vars(space)) for space in spaces]
    double(torch.ones(3))
    with pytest.raises(OutOfBounds):
        _no_other_kernel[(1,)](torch.ones(1), torch.ones(1), 8, N=8)
    for space, old in zip(spaces, before, strict=True):
        new = dict(vars(space))
        assert new.keys() == old.keys()
        assert [name for name in old if old[name] is not new[name]] == []


def test_a_kernel_is_interpreted_and_compiled_in_one_process():
    assert double(torch.ones(3)).tolist() == [2, 2, 2]
    source = ASTSource(_double_kernel, {"x": "*fp32", "y": "*fp32", "n": "i32", "BLOCK": "constexpr"}, {(3,): 64})
    compiled = triton.compile(source, target=GPUTarget("cuda", 90, 32), options={"enable_fp_fusion": True})
    assert "st.global" in compiled.asm["ptx"]
    assert double(torch.ones(3)).tolist() == [2, 2, 2]


def test_the_module_of_a_kernel_stays_clean():
    names = set(globals())
    double(torch.ones(3))
    assert set(globals()) == names


def test_launches_from_several_threads():
    results = {}

    def work(k):
        results[k] = double(torch.full((70,), float(k)))

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all((results[k] == 2 * k).all() for k in range(4))


def planted(attribute, find, put):
    """The source of a kernel of this module, changed and executed again, as a fault is."""
    module = sys.modules[__name__]
    source = textwrap.dedent(inspect.getsource(getattr(module, attribute).fn))
    assert source.count(find) == 1
    code, name = source.replace(find, put), f"<fault {attribute} {put}>"
    linecache.cache[name] = (len(code), None, code.splitlines(True), name)
    exec(compile(code, name, "exec"), vars(module))


@pytest.mark.parametrize(
    ("attribute", "find", "put", "wanted"),
    [("_double_kernel", "_twice(value)", "value", [1, 1]), ("_twice", "x + x", "x + 2 * x", [3, 3])],
)
def test_a_fault_can_be_planted_in_a_kernel_and_in_its_helper(attribute, find, put, wanted, monkeypatch):
    monkeypatch.setattr(sys.modules[__name__], attribute, globals()[attribute])  # put back afterwards
    assert double(torch.ones(2)).tolist() == [2, 2]
    planted(attribute, find, put)
    assert double(torch.ones(2)).tolist() == wanted


def test_the_original_is_back_after_a_fault():
    assert double(torch.ones(2)).tolist() == [2, 2]


# Launches, buffers, declarations


def test_launches_are_recorded():
    with record_launches() as outer:
        double(torch.ones(3))
        with record_launches() as inner:
            double(torch.ones(130))
    double(torch.ones(3))
    assert [(launch.kernel, launch.grid, launch.mode) for launch in outer] == [
        ("_double_kernel", (1,), "interpreted"),
        ("_double_kernel", (3,), "interpreted"),
    ]
    assert inner == outer[1:] and outer[0].options == (("num_warps", 2),)


def test_a_grid_may_depend_on_the_arguments():
    x, y = torch.ones(130), torch.zeros(130)
    _double_kernel[lambda meta: (triton.cdiv(130, meta["BLOCK"]),)](x, y, 130, BLOCK=64)
    assert (y == 2).all()


def test_wrong_launches_are_refused():
    x = torch.ones(4)
    with pytest.raises(TypeError, match="unknown argument blocks"):
        _double_kernel[(1,)](x, x, 4, BLOCK=4, blocks=3)
    with pytest.raises(TypeError, match="missing a required argument"):
        _double_kernel[(1,)](x, x, BLOCK=4)
    with pytest.raises(ValueError, match="expected tensors on one device, found cpu, meta"):
        _double_kernel[(1,)](x, x.to("meta"), 4, BLOCK=4)
    with pytest.raises(ValueError, match="not on meta"):
        _double_kernel[(1,)](x.to("meta"), x.to("meta"), 4, BLOCK=4)
    with pytest.raises(RuntimeError, match="outside of the scope of a kernel"):
        _twice(x)


@pytest.mark.skipif(torch.cuda.is_available(), reason="states what happens on a machine without CUDA")
def test_cuda_without_a_device_is_an_error():
    with pytest.raises((RuntimeError, AssertionError)):
        double(torch.ones(3, device="cuda"))


def test_buffers_are_poisoned_and_counted():
    with record_allocations() as log, poisoned(float("nan")):
        floats, ints, flags = (
            empty((2, 3), torch.float32, "cpu"),
            empty((4,), torch.uint8, "cpu"),
            empty((), torch.bool, "cpu"),
        )
    assert floats.isnan().all() and (ints == 255).all() and not flags
    assert [entry.nbytes for entry in log] == [24, 4, 1]
    with poisoned(3.0):
        assert (empty_like(ints) == 3).all() and (empty_like(floats.T, dtype=torch.int32) == 3).all()
    with poisoned(-1e30):
        assert (empty((2,), torch.float16, "cpu") == -65504).all()
    assert empty_like(floats.T).is_contiguous()


def test_sizes_are_unified():
    x, w = torch.ones(2, 3), torch.ones(3)
    assert unify(x=(x, "R N"), w=(w, "N")) == {"R": 2, "N": 3}
    with pytest.raises(ValueError, match="on different devices, cpu, meta"):
        unify(x=(x, "R N"), w=(w.to("meta"), "N"))


def test_an_example_is_read_from_text():
    read = example("x=*bf16 y=*fp32:1 n=i32:16 m=i64", label="7B", BLOCK=128, num_warps=8)
    assert read.types == (("x", "*bf16"), ("y", "*fp32"), ("n", "i32"), ("m", "i64"))
    assert read.aligned == {"x", "n"}
    assert read.constexprs == (("BLOCK", 128),) and read.options == (("num_warps", 8),)
    with pytest.raises(ValueError, match="expected name=type"):
        example("x:*bf16")


def test_declared_kernels_are_found_by_module():
    found = {(k.module, k.__name__) for k in declared_kernels(wanted=lambda module: module.endswith("core.rmsnorm"))}
    assert found == {
        ("albor_impl.core.rmsnorm", "_forward_kernel"),
        ("albor_impl.core.rmsnorm", "_backward_kernel"),
        ("albor_impl.core.rmsnorm", "_sum_kernel"),
    }
