"""Kernels declared with plain `@triton.jit`, launched with tensors on the CPU."""

import pytest
import torch
import triton
import triton.language as tl
from albor_impl._triton import OutOfBounds, record_launches
from albor_impl._triton.plain import interpret_plain_kernels

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
