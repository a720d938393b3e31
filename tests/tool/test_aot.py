"""The compile gate: what it measures, and what it rejects. Nothing here needs a GPU."""

import re
import subprocess

import pytest
import triton.language as tl
from albor_contracts import aot
from albor_impl._triton import example, kernel
from triton.backends.nvidia.compiler import get_ptxas


@kernel(
    example("x=*fp32 y=*fp32", label="fits", N=2048, num_warps=4),
    example("x=*fp32 y=*fp32", label="spills", N=4096, num_warps=4, maxnreg=32),
)
def _copy_kernel(x, y, N: tl.constexpr):
    at = tl.arange(0, N)
    value = tl.load(x + at)
    total = tl.sum(value, 0)  # keeps every element of the block alive over a reduction
    tl.store(y + at, value * total)


@kernel(example("a=*fp32 c=*fp32", N=128, num_warps=8))
def _dot_kernel(a, c, N: tl.constexpr):
    at = tl.arange(0, N)[:, None] * N + tl.arange(0, N)[None, :]
    value = tl.load(a + at)
    tl.store(c + at, tl.dot(value, value, input_precision="tf32"))


@kernel(example("x=*fp32", N=48))
def _not_a_power_of_two(x, N: tl.constexpr):
    tl.store(x + tl.arange(0, N), 1.0)


@pytest.mark.parametrize("target", aot.TARGETS)
@pytest.mark.parametrize("index", [0, 1])
def test_registers_and_spills_are_those_that_the_assembler_reports(index, target, tmp_path):
    ptx = aot._build(_copy_kernel, _copy_kernel.examples[index], target).asm["ptx"]
    source, cubin = tmp_path / "kernel.ptx", tmp_path / "kernel.cubin"
    source.write_text(ptx)
    arch = re.search(r"\.target (sm_\w+)", ptx).group(1)
    command = [get_ptxas(target).path, "-v", f"--gpu-name={arch}", str(source), "-o", str(cubin)]
    log = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    registers, frame = re.search(r"Used (\d+) registers", log), re.search(r"(\d+) bytes stack frame", log)
    assert aot.resources(cubin.read_bytes()) == (int(registers.group(1)), int(frame.group(1)))


def test_a_kernel_that_fits_passes():
    result = aot.compile_example(_copy_kernel, _copy_kernel.examples[0], 90)
    assert result.ok and not result.error and result.example == "fits"
    assert 0 < result.registers <= 255 and result.spills == 0
    assert 0 < result.shared_bytes <= result.shared_limit == 227 * 1024


@kernel(
    example("x=*fp32 y=*fp32 n=i32:16", label="whole vectors", N=1024),
    example("x=*fp32 y=*fp32 n=i32", label="any length", N=1024),
)
def _masked_copy_kernel(x, y, n, N: tl.constexpr):
    at = tl.arange(0, N)
    tl.store(y + at, tl.load(x + at, mask=at < n, other=0.0), mask=at < n)


def test_wide_accesses_are_told():
    whole, other = (aot.compile_example(_masked_copy_kernel, e, 90) for e in _masked_copy_kernel.examples)
    assert whole.ok and whole.wide == 1.0
    assert other.ok and other.wide == 0.0  # it moves the same bytes, four at a time


def test_what_counts_as_an_access():
    ptx = """
        ld.param.u64 %rd1, [_param_0];
        @%p1 ld.global.v4.b32 { %r1, %r2, %r3, %r4 }, [ %rd1 + 0 ];
        ld.global.L1::evict_last.L2::cache_hint.v2.b64 { %rd2, %rd3 }, [ %rd4 + 0 ], %rd9;
        ld.global.nc.b16 { %rs1 }, [ %rd5 + 0 ];
        st.global.b16 [ %rd6 + 0 ], { %rs1 };
        st.shared.v4.b32 [ %r5 + 0 ], { %r1, %r2, %r3, %r4 };
        cp.async.cg.shared.global [ %r62 + 0 ], [ %rd47 + 0 ], 0x10, %r67;
        cp.async.ca.shared.global [ %r62 + 0 ], [ %rd47 + 0 ], 0x4, %r67;
    """
    assert aot.wide_share(ptx) == 48 / 56
    assert aot.wide_share("ld.param.u64 %rd1, [_param_0];") is None


def test_a_kernel_that_spills_fails():
    result = aot.compile_example(_copy_kernel, _copy_kernel.examples[1], 90)
    assert not result.ok and result.spills > 0 and "local memory" in result.error
    declared = aot.compile_example(_copy_kernel, _copy_kernel.examples[1], 90, result.spills)
    assert declared.ok and declared.spills == result.spills
    more = aot.compile_example(_copy_kernel, _copy_kernel.examples[1], 90, result.spills - 1)
    assert not more.ok and more.error.endswith(f"local memory, {result.spills - 1} are declared")


def test_too_much_shared_memory_fails():
    result = aot.compile_example(_dot_kernel, _dot_kernel.examples[0], 89)
    assert not result.ok and result.shared_bytes > result.shared_limit == 99 * 1024
    assert "shared memory" in result.error


def test_a_kernel_that_does_not_compile_fails_with_the_reason():
    result = aot.compile_example(_not_a_power_of_two, _not_a_power_of_two.examples[0], 80)
    assert not result.ok and "power of 2" in result.error


def test_an_example_that_does_not_fit_its_kernel_fails():
    result = aot.compile_example(_copy_kernel, example("x=*fp32 z=*fp32", N=16), 80)
    assert not result.ok and "missing ['y'], unknown ['z']" in result.error


@pytest.mark.parametrize(
    "cubin", [b"", b"\x7fELF" + bytes(60), b"\x7fELF" + b"\xff" * 60], ids=["empty", "zeros", "ones"]
)
def test_what_is_no_cubin_is_refused(cubin):
    with pytest.raises(ValueError, match="not a cubin"):
        aot.resources(cubin)


def test_unknown_target():
    with pytest.raises(ValueError, match="unknown target 70"):
        aot.compile_all(targets=(70,))


def test_selection_by_contract_and_by_family():
    assert aot.compile_all(targets=(90,), select=["nothing"]) == []
    results = aot.compile_all(targets=(90,), select=["core/swiglu"], processes=1)
    assert {(r.contract, r.kernel) for r in results} == {
        ("core/swiglu", "_forward_kernel"),
        ("core/swiglu", "_backward_kernel"),
    }


def test_a_family_in_two_processes():
    seen = []
    results = aot.compile_all(targets=(90, 89), select=["quantize"], progress=lambda r, total: seen.append((r, total)))
    assert {result.contract for result in results} == {"quantize/q4-k"}
    assert [result for result in results if not result.ok] == []
    assert seen == [(result, len(results)) for result in results]
