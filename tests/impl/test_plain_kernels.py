"""Kernels declared with plain `@triton.jit`, launched with tensors on the CPU."""

import pytest
import torch
import triton
import triton.language as tl
from albor_contracts.compilable import must_compile
from albor_impl._triton import OutOfBounds, record_launches
from albor_impl._triton.plain import NotInterpreted, backwards, interpret_plain_kernels, undefined
from torch.utils._python_dispatch import TorchDispatchMode
from triton.language import arange as own_arange
from triton.language import load as own_load
from triton.language import store
from triton.language.extra import libdevice
from triton.language.extra.cuda import gdc_wait, num_warps
from triton.language.extra.libdevice import rsqrt


@pytest.fixture(autouse=True)
def uncompiled() -> None:
    """Another module of tests may have asked for kernels to be compiled first."""
    interpret_plain_kernels()


@triton.jit
def _scale_kernel(x, y, n, factor, BLOCK: tl.constexpr):
    at = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    value = tl.load(x + at, mask=at < n, other=0.0).to(tl.float32)
    tl.store(y + at, (value * factor).to(y.dtype.element_ty), mask=at < n)


@triton.heuristics({"BLOCK": lambda args: triton.next_power_of_2(args["n"])})
@triton.jit
def _copy_kernel(x, y, n, BLOCK: tl.constexpr):
    at = tl.arange(0, BLOCK)
    tl.store(y + at, tl.load(x + at, mask=at < n), mask=at < n)


@triton.autotune([triton.Config({"BLOCK": 8}, num_warps=2), triton.Config({"BLOCK": 16})], key=["n"])
@triton.jit
def _tuned_kernel(y, n, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(y + at, tl.zeros([BLOCK], tl.float32) + BLOCK, mask=at < n)


@triton.jit
def _far_kernel(x, y, n, BLOCK: tl.constexpr):
    at = tl.arange(0, BLOCK)
    tl.store(y + at, tl.load(x + at), mask=at < n)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_it_computes_what_a_compiled_launch_would(dtype: torch.dtype) -> None:
    x = torch.linspace(-3, 3, 100).to(dtype)
    y = torch.empty_like(x)
    with record_launches() as launches:
        _scale_kernel[lambda meta: (triton.cdiv(100, meta["BLOCK"]),)](x, y, 100, 1.1, BLOCK=32, num_warps=4)
    assert torch.equal(y, (x.float() * 1.1).to(dtype))
    assert [(launch.kernel, launch.grid, launch.mode) for launch in launches] == [("_scale_kernel", (4,), "plain")]


def test_a_launch_on_the_device_of_its_tensors_needs_no_gpu() -> None:
    x = torch.ones(5)
    y = torch.empty_like(x)
    with torch.cuda.device(x.device.index):
        _scale_kernel[(1,)](x, y, 5, 2.0, BLOCK=8)
    assert torch.equal(y, 2 * x)


def test_a_launch_behind_wrap_triton_is_a_launch() -> None:
    """Where operators are counted, too: it is none of them, and there would be no rule for it."""

    class Counting(TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            return func(*args, **(kwargs or {}))

    x = torch.ones(5)
    y = torch.empty_like(x)
    with Counting():
        torch.library.wrap_triton(_scale_kernel)[(1,)](x, y, 5, 2.0, BLOCK=8)
    assert torch.equal(y, 2 * x)


def test_heuristics_are_asked() -> None:
    x = torch.randn(37)
    y = torch.empty_like(x)
    _copy_kernel[(1,)](x, y, 37)
    assert torch.equal(x, y)


def test_of_a_list_to_tune_the_first_configuration_is_taken() -> None:
    y = torch.empty(20)
    _tuned_kernel[lambda meta: (triton.cdiv(20, meta["BLOCK"]),)](y, 20)
    assert y.tolist() == [8.0] * 20


def test_what_lies_outside_is_not_read() -> None:
    with pytest.raises(OutOfBounds, match="'x'"):
        _far_kernel[(1,)](torch.randn(5), torch.empty(5), 5, BLOCK=8)


def test_a_misspelt_argument_is_told() -> None:
    with pytest.raises(TypeError, match="BLOK"):
        _copy_kernel[(1,)](torch.randn(5), torch.empty(5), 5, BLOK=8)


def _pruned(configs, named, **_):
    return [c for c in configs if c.kwargs["BLOCK"] >= named["n"]]


@triton.autotune(
    [triton.Config({"BLOCK": 8}), triton.Config({"BLOCK": 32})],
    key=["n"],
    prune_configs_by={"early_config_prune": _pruned},
)
@triton.jit
def _pruned_kernel(y, n, BLOCK: tl.constexpr):
    at = tl.arange(0, BLOCK)
    tl.store(y + at, tl.zeros([BLOCK], tl.float32) + BLOCK, mask=at < n)


def test_what_a_list_prunes_is_not_taken() -> None:
    y = torch.empty(20)
    _pruned_kernel[(1,)](y, 20)
    assert y.tolist() == [32.0] * 20


@triton.jit
def _errors(x):
    return libdevice.erf(x)


@triton.jit
def _library_kernel(x, y, n, BLOCK: tl.constexpr):
    at = tl.arange(0, BLOCK)
    value = tl.load(x + at, mask=at < n, other=1.0)
    found = rsqrt(value * value) + _errors(value) + tl.extra.cuda.libdevice.pow(value, 2.0) + libdevice.isnan(value)
    tl.store(y + at, found, mask=at < n)


def test_functions_of_libdevice_are_there() -> None:
    x = torch.linspace(-3, 3, 10)
    y = torch.empty_like(x)
    _library_kernel[(1,)](x, y, 10, BLOCK=16)
    torch.testing.assert_close(y, 1 / x.abs() + torch.erf(x) + x * x)
    assert libdevice.erf(x) is None  # outside of a launch all is as it was


_own_cast = tl.cast


@triton.jit
def _renamed_kernel(x, y, BLOCK: tl.constexpr):
    at = own_arange(0, BLOCK)
    store(y + at, _own_cast(own_load(x + at), tl.float32))


def test_functions_of_triton_under_another_name_are_those_of_triton() -> None:
    y = torch.empty(8)
    before = store, own_load, own_arange, _own_cast
    must_compile(_renamed_kernel, (torch.ones(8, dtype=torch.int32), y), {"BLOCK": 8})
    _renamed_kernel[(1,)](torch.arange(8, dtype=torch.int32), y, BLOCK=8)
    torch.testing.assert_close(y, torch.arange(8.0))
    assert before == (store, own_load, own_arange, _own_cast)


@triton.jit
def _narrow_kernel(x, y, BLOCK: tl.constexpr):
    at = tl.arange(0, BLOCK)
    tl.store(y + at, libdevice.erf(tl.load(x + at)))


@triton.jit
def _toward_zero_kernel(x, y, BLOCK: tl.constexpr):
    at = tl.arange(0, BLOCK)
    tl.store(y + at, libdevice.mul_rz(tl.load(x + at), 2.0))


def test_what_libdevice_does_not_take_is_refused() -> None:
    x = torch.ones(8, dtype=torch.bfloat16)
    with pytest.raises(TypeError, match=r"libdevice\.erf takes float32 or float64, not bf16"):
        _narrow_kernel[(1,)](x, x.clone(), BLOCK=8)
    with pytest.raises(NotInterpreted, match=r"libdevice\.mul_rz has no counterpart"):
        _toward_zero_kernel[(1,)](x.float(), x.float(), BLOCK=8)


@triton.jit
def _assembly_kernel(x, y, BLOCK: tl.constexpr):
    at = tl.arange(0, BLOCK)
    value = tl.inline_asm_elementwise("tanh.approx.f32 $0, $1;", "=f,f", [tl.load(x + at)], tl.float32, True, 1)
    tl.store(y + at, value)


def test_assembly_says_nothing_of_the_kernel() -> None:
    must_compile(_assembly_kernel, (torch.ones(8), torch.ones(8)), {"BLOCK": 8})
    with pytest.raises(NotInterpreted, match="inline_asm not supported in interpreter mode; --device cuda judges it"):
        _assembly_kernel[(1,)](torch.ones(8), torch.ones(8), BLOCK=8)


class _Holder:
    """As libraries of kernels hand on a tensor together with its layout."""

    def __init__(self, data: torch.Tensor) -> None:
        self.storage = _Storage(data)

    dtype = property(lambda self: self.storage.data.dtype)

    def data_ptr(self) -> int:
        return self.storage.data.data_ptr()


class _Storage:
    def __init__(self, data: torch.Tensor) -> None:
        self.data = data


def test_what_stands_for_a_tensor_is_within_bounds() -> None:
    x, y = torch.randn(20), torch.empty(20)
    for stands in (_Holder(x), triton.reinterpret(x, tl.float32)):
        _scale_kernel[(1,)](stands, y.zero_(), 20, 2.0, BLOCK=32)
        assert torch.equal(y, 2 * x)
    with pytest.raises(OutOfBounds):
        _scale_kernel[(1,)](_Holder(x), y, 21, 2.0, BLOCK=32)


@triton.jit
def _launch_kernel(y):
    gdc_wait()
    tl.store(y, tl.extra.cuda.num_threads())
    tl.store(y + 1, tl.sum(tl.full([num_warps()], 1.0, tl.float32)))
    tl.extra.cuda.gdc_launch_dependents()


@triton.jit
def _where_kernel(y):
    tl.store(y, tl.extra.cuda.smid().to(tl.float32))


def test_what_a_program_asks_of_its_launch_is_there() -> None:
    y = torch.empty(2)
    for options, warps in (({}, 4), ({"num_warps": 8}, 8)):
        _launch_kernel[(1,)](y, **options)
        assert y.tolist() == [32 * warps, warps]
    with pytest.raises(NotInterpreted, match="smid has no counterpart"):
        _where_kernel[(1,)](y)


@triton.jit
def _unsigned_kernel(x, y, z, BLOCK: tl.constexpr):
    at = tl.arange(0, BLOCK)
    small = tl.load(x + at).to(tl.uint8)
    tl.store(y + at, small.to(tl.float32))
    large = (tl.load(x + at) - 256).to(tl.uint32)
    tl.store(y + BLOCK + at, (large >> 4).to(tl.float32))
    tl.store(y + 2 * BLOCK + at, (large // 3).to(tl.float32))
    tl.store(y + 3 * BLOCK + at, tl.maximum(large, 7).to(tl.float32))
    tl.store(y + 4 * BLOCK + at, (large.to(tl.int32, bitcast=True) > 5).to(tl.float32))
    tl.store(z + at, large.to(tl.uint64) << 16)


def test_what_is_cast_to_an_unsigned_type_is_unsigned() -> None:
    x = torch.tensor([0, 1, 200, 255], dtype=torch.int32)
    y, z = torch.empty(5, 4), torch.empty(4, dtype=torch.int64)
    _unsigned_kernel[(1,)](x, y, z, BLOCK=4)
    large = x.to(torch.int64) - 256 + 2**32
    assert y[0].tolist() == [0, 1, 200, 255]
    assert torch.equal(y[1:4], torch.stack([large >> 4, large // 3, large]).float())
    assert y[4].tolist() == [0, 0, 0, 0]
    assert torch.equal(z, large << 16)


@triton.jit
def _key_kernel(x, at, y, BLOCK: tl.constexpr, K: tl.constexpr):
    """The largest K with their places, as routers sort: bits whose order is that of the numbers, above the place."""
    here = tl.arange(0, BLOCK)
    bits = tl.load(x + here).to(tl.uint32, bitcast=True)
    keys = bits ^ tl.where((bits & 0x80000000) != 0, 0xFFFFFFFF, 0x80000000).to(tl.uint32)
    both = tl.sort((keys.to(tl.uint64) << 32) | (BLOCK - here), descending=True)
    found = (both >> 32).to(tl.uint32)
    found = found ^ tl.where((found & 0x80000000) == 0, 0xFFFFFFFF, 0x80000000).to(tl.uint32)
    tl.store(y + here, found.to(tl.float32, bitcast=True), mask=here < K)
    tl.store(at + here, BLOCK - both.to(tl.uint32), mask=here < K)


def test_keys_of_unsigned_bits_have_the_order_of_the_numbers() -> None:
    x = torch.tensor([-1.5, 3.0, -0.25, 3.0, float("-inf"), 1e-40, 2.0, -7.0])
    values, places = torch.empty(4), torch.empty(4, dtype=torch.int32)
    _key_kernel[(1,)](x, places, values, BLOCK=8, K=4)
    assert values.tolist() == [3.0, 3.0, 2.0, x[5].item()]
    assert places.tolist() == [1, 3, 6, 5]


@triton.jit
def _product_kernel(a, b, c, PRECISION: tl.constexpr):
    at = tl.arange(0, 16)[:, None] * 16 + tl.arange(0, 16)[None, :]
    tl.store(c + at, tl.dot(tl.load(a + at), tl.load(b + at), input_precision=PRECISION))


def test_products_of_float32_have_the_ten_bits_of_tf32_unless_told_otherwise() -> None:
    a, b, c = torch.eye(16), torch.full((16, 16), 1 + 2.0**-11 + 2.0**-20), torch.empty(16, 16)
    _product_kernel[(1,)](a, b, c, PRECISION="tf32")
    assert torch.equal(c, torch.full_like(c, 1 + 2.0**-10))
    b[0, 0] = float("nan")
    b[0, 1] = float("inf")
    _product_kernel[(1,)](a, b, c, PRECISION="tf32")
    assert c[0, 0].isnan() and c[0, 1] == float("inf") and c[0, 2] == 1 + 2.0**-10
    _product_kernel[(1,)](a, b, c, PRECISION="ieee")
    assert c[0, 2] == b[0, 2]


@triton.jit
def _order_kernel(seen, place, width):
    at = tl.load(place)
    tl.store(seen + at, tl.program_id(0) * width + tl.program_id(1))
    tl.store(place, at + 1)


def test_programs_run_in_the_opposite_order_when_asked_to() -> None:
    def order() -> list[int]:
        seen, place = torch.full((6,), -1), torch.zeros(1, dtype=torch.int64)
        _order_kernel[(2, 3)](seen, place, 3)
        return seen.tolist()

    assert order() == [0, 1, 2, 3, 4, 5]
    with backwards():
        assert order() == [5, 4, 3, 2, 1, 0]
    assert order() == [0, 1, 2, 3, 4, 5]


@triton.jit
def _bounded(at, low, high):
    return at >= low and not (at >= high)


@triton.jit
def _logic_kernel(x, y, low, high, WHICH: tl.constexpr, BLOCK: tl.constexpr):
    at = tl.arange(0, BLOCK)
    value = tl.load(x + at)
    if WHICH == "and":
        tl.store(y + at, value, mask=_bounded(at, low, high))
    elif WHICH == "or":
        tl.store(y + at, value, mask=at < low or at >= high)
    elif WHICH == "extremes":
        tl.store(y + at, min(max(value, 2.0), 5.0))
    elif WHICH == "constants":
        tl.store(y + at, value, mask=WHICH == "and" or (BLOCK > 4 and at >= high))
    elif WHICH is not None and not (low > high or low == high):
        tl.store(y + at, min(low, high, 4) + max(BLOCK, 1))


@pytest.mark.parametrize(
    ("which", "expected"),
    [
        ("and", [-1, -1, 2, 3, 4, -1, -1, -1]),
        ("or", [0, 1, -1, -1, -1, 5, 6, 7]),
        ("extremes", [2, 2, 2, 3, 4, 5, 5, 5]),
        ("constants", [-1, -1, -1, -1, -1, 5, 6, 7]),
        ("scalars", [10] * 8),
    ],
)
def test_logic_of_blocks_is_that_of_their_elements(which: str, expected: list[int]) -> None:
    x, y = torch.arange(8.0), torch.full((8,), -1.0)
    must_compile(_logic_kernel, (x, y, 2, 5), {"WHICH": which, "BLOCK": 8})
    _logic_kernel[(1,)](x, y, 2, 5, WHICH=which, BLOCK=8)
    assert y.tolist() == expected


@triton.jit
def _largest_kernel(x, y, places, rows, BLOCK: tl.constexpr):
    row, at = tl.arange(0, BLOCK)[:, None], tl.arange(0, BLOCK)
    value = tl.load(x + row * BLOCK + at, mask=row < rows, other=-float("inf"))
    largest, place = tl.max(value - tl.max(value, 1)[:, None], 1, return_indices=True)
    tl.store(y + at, largest, mask=at < rows)
    tl.store(places + at, place, mask=at < rows)


def test_rows_outside_of_a_mask_may_be_nan_where_the_place_of_the_largest_is_asked_for() -> None:
    x, y, places = torch.tensor([[1.0, 2.0], [3.0, torch.nan]]), torch.empty(2), torch.empty(2, dtype=torch.int32)
    _largest_kernel[(1,)](x, y, places, 1, BLOCK=2)
    assert (y[0], places[0]) == (0, 1)


@triton.jit
def _without_other(x, mask):
    return tl.load(x, mask=mask)


@triton.jit
def _undefined_kernel(x, y, n, BLOCK: tl.constexpr):
    at = tl.arange(0, BLOCK)
    tl.store(y + at, _without_other(x + at, at < n))


@triton.jit
def _single_kernel(x, y, n, OTHER: tl.constexpr):
    tl.store(y, tl.load(x, mask=n > 0, other=OTHER) + tl.load(x, mask=n > 1, other=OTHER))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.int64])
@pytest.mark.parametrize("other", [0, 3])
def test_a_single_element_outside_of_its_mask_is_other(other: int, dtype: torch.dtype) -> None:
    undefined.clear()
    x, y = torch.full((1,), 5, dtype=dtype), torch.full((1,), -1, dtype=dtype)
    _single_kernel[(1,)](x, y, 1, OTHER=other)
    assert y.item() == 5 + other and not undefined


def test_loads_that_leave_something_undefined_are_noted() -> None:
    undefined.clear()
    x = torch.ones(8)
    _undefined_kernel[(1,)](x, x.clone(), 8, BLOCK=8)
    _copy_kernel[(1,)](torch.ones(8), torch.ones(8), 8)
    assert not undefined
    _undefined_kernel[(1,)](x, x.clone(), 7, BLOCK=8)
    assert undefined == {f"{__file__}:{_without_other.starting_line_number + 2}"}
