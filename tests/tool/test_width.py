"""Offsets of users' Triton kernels at sizes that no memory holds."""

import math
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import triton
import triton.language as tl
from albor_contracts.bindings import bind
from albor_contracts.lang.signature import parse_signature
from albor_contracts.lang.types import DimRange
from albor_contracts.library import find_root
from albor_contracts.mutate.known import beyond_memory
from albor_contracts.runtime import width
from albor_contracts.runtime.definitions import Definitions
from albor_contracts.runtime.kernel import Kernel
from triton.language.extra import libdevice

ROOT = Path(find_root())
SIGNATURE = parse_signature("silu(x: float[R, N]) -> y: float[R, N]")
SIZES = {"R": 1048576, "N": 4097}


@triton.jit
def _narrow_kernel(x, y, n, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    value = tl.load(x + at, mask=at < n and at >= 0).to(tl.float32)
    tl.store(y + at, value / (1 + libdevice.exp(-value)), mask=at < n)


@triton.jit
def _wide_kernel(x, y, n, BLOCK: tl.constexpr):
    at = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    value = tl.load(x + at, mask=at < n and at >= 0).to(tl.float32)
    tl.store(y + at, value / (1 + libdevice.exp(-value)), mask=at < n)


@triton.jit
def _narrowed_kernel(x, y, n, BLOCK: tl.constexpr):
    first = tl.program_id(0).to(tl.int64) * BLOCK
    at = first.to(tl.int32) + tl.arange(0, BLOCK)
    tl.store(y + at, tl.load(x + at, mask=at < n), mask=at < n)


@triton.jit
def _hashing_kernel(x, y, n, BLOCK: tl.constexpr):
    at = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    noise = (at * 2654435761).to(tl.uint32) % 2 + (at % BLOCK).to(tl.int32)
    tl.store(y + at, noise.to(tl.float32), mask=at < n)


@triton.jit
def _rows_kernel(x, y, rows, n, BLOCK: tl.constexpr):
    last = (tl.program_id(0).to(tl.int64) + 1) * rows
    for row in range(last - rows, last):
        at = tl.arange(0, BLOCK)
        tl.store(y + row * n + at, tl.load(x + row * n + at, mask=at < n), mask=at < n)


@triton.jit
def _declared_kernel(x, y, rows, n: tl.int64, BLOCK: tl.constexpr):
    row, at = tl.program_id(0) * rows + rows - 1, tl.arange(0, BLOCK)
    tl.store(y + row * n + at, tl.load(x + row * n + at, mask=at < n), mask=at < n)


@triton.jit
def _narrow_rows_kernel(x, y, rows, n, BLOCK: tl.constexpr):
    last = (tl.program_id(0) + 1) * rows
    for row in range(last - rows, last):
        narrow_place = row * n
        at = tl.arange(0, BLOCK)
        tl.store(y + narrow_place + at, tl.load(x + narrow_place + at, mask=at < n), mask=at < n)


@triton.jit
def _gather_kernel(ids, w, y, n, BLOCK: tl.constexpr, KIND: tl.constexpr):
    row = tl.load(ids + tl.program_id(0)).to(KIND)
    at = tl.arange(0, BLOCK)
    value = tl.load(w + row * n + at, mask=at < n)
    tl.store(y + tl.program_id(0).to(tl.int64) * n + at, value, mask=at < n)


@triton.autotune([triton.Config({"BLOCK": 128})], key=["n"])
@triton.jit
def _tuned_kernel(x, y, n, BLOCK: tl.constexpr):
    at = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    tl.store(y + at, tl.load(x + at, mask=at < n), mask=at < n)


def launched(kernel, x, *grid, block=128):
    y = torch.empty_like(x)
    constants = {} if kernel is _tuned_kernel else {"BLOCK": block}
    kernel[(*grid, triton.cdiv(x.numel(), block))](x, y, x.numel(), **constants)
    return y


def narrow(x):
    return launched(_narrow_kernel, x)


def wide(x):
    return launched(_wide_kernel, x)


def narrowed(x):
    return launched(_narrowed_kernel, x)


def hashing(x):
    return launched(_hashing_kernel, x)


def in_loops(x, kernel=_rows_kernel):
    y = torch.empty_like(x)
    kernel[(8,)](x, y, len(x) // 8, x.shape[1], BLOCK=triton.next_power_of_2(x.shape[1]))
    return y


def declared_wide(x):
    return in_loops(x, _declared_kernel)


def in_narrow_loops(x):
    return in_loops(x, _narrow_rows_kernel)


def wrapped(x):
    y = torch.empty_like(x)
    torch.library.wrap_triton(_narrow_kernel)[(triton.cdiv(x.numel(), 128),)](x, y, x.numel(), BLOCK=128)
    return y


@torch.library.custom_op("albor_width::narrow", mutates_args=())
def in_operator(x: torch.Tensor) -> torch.Tensor:
    return narrow(x)


in_operator.register_fake(torch.empty_like)


def gathered(ids, w, kind=tl.int32):
    y = w.new_empty(len(ids), w.shape[1])
    _gather_kernel[(len(ids),)](ids.view(-1), w, y, w.shape[1], BLOCK=triton.next_power_of_2(w.shape[1]), KIND=kind)
    return y


def gathered_wide(ids, w):
    return gathered(ids, w, tl.int64)


def in_another_axis(x):
    return launched(_tuned_kernel, x, 1)


def one_block(x):
    return launched(_wide_kernel, x, block=triton.next_power_of_2(x.numel()))


def looks(x):
    return narrow(x) if x.sum() > 0 else x


def row_by_row(x):
    for row in range(len(x)):
        wide(x[row])
    return x


def of_pytorch(x):
    return torch.nn.functional.silu(x) + torch.zeros(x.shape[-1])


def kernel_of(name: str) -> Kernel:
    bound = bind(f"{__name__}:{name}", "core/silu", {"silu": SIGNATURE}, ROOT)
    assert bound is not None
    (kernel,) = bound.kernels(Definitions("core/silu", {}, {"silu": SIGNATURE}), "cpu")
    return kernel


@pytest.mark.parametrize(
    ("name", "words", "line"),
    [
        (
            "narrow",
            "_narrow_kernel, last program of (33562624,): int32 overflow detected for operation mul",
            "at = tl.pro",
        ),
        (
            "in_narrow_loops",
            "_narrow_rows_kernel, last program of (8,): int32 overflow detected for operation mul",
            "    narrow_place = row",
        ),
        (
            "narrowed",
            "_narrowed_kernel, last program of (33562624,): int64 does not fit the int32 it is made into",
            "    at = first.to",
        ),
        (
            "wrapped",
            "_narrow_kernel, last program of (33562624,): int32 overflow detected for operation mul",
            "at = tl.pro",
        ),
        (
            "in_operator",
            "_narrow_kernel, last program of (33562624,): int32 overflow detected for operation mul",
            "at = tl.pro",
        ),
        ("in_another_axis", "_tuned_kernel: the grid (1, 33562624) passes 65535 in axis 1", "    kernel[(*grid"),
    ],
)
def test_what_overflows_is_told_with_its_line(name: str, words: str, line: str) -> None:
    told = width.overflow(kernel_of(name), "silu", SIZES)
    place = 1 + next(k for k, text in enumerate(Path(__file__).read_text().splitlines()) if line in text)
    where = f"(at tests/tool/test_width.py:{place})"
    assert told == f"{__name__}:{name}, called with R = 1048576, N = 4097: kernel {words} {where}"


@pytest.mark.parametrize("name", ["wide", "hashing", "in_loops", "declared_wide"])
def test_nothing_is_said_of_what_fits(name: str) -> None:
    kernel = kernel_of(name)
    assert width.overflow(kernel, "silu", SIZES) == ""
    assert width.wide_launches(SIGNATURE, kernel.targets["silu"], SIZES)  # it was looked at to its end


@pytest.mark.parametrize("name", ["one_block", "looks", "of_pytorch"])
def test_nothing_is_said_of_what_cannot_be_found_out(name: str) -> None:
    kernel = kernel_of(name)
    assert width.overflow(kernel, "silu", SIZES) == ""
    with pytest.raises((ValueError, RuntimeError)):
        width.wide_launches(SIGNATURE, kernel.targets["silu"], SIZES)


def test_host_code_that_takes_long_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(width, "SECONDS", 0.3)
    begin = time.monotonic()
    assert width.overflow(kernel_of("row_by_row"), "silu", SIZES) == ""
    assert time.monotonic() - begin < 5


def test_sizes_that_a_kernel_does_not_take_are_not_tried() -> None:
    kernel = kernel_of("narrow")
    (target,) = (t for e, t in kernel.targets.items() if e == "silu")
    limited = replace(kernel, targets={"silu": replace(target, sizes={"N": DimRange(1, 4096)})})
    assert width.overflow(limited, "silu", SIZES) == ""


def test_the_sizes_are_those_of_the_implementation() -> None:
    kernel = kernel_of("narrow")
    found = beyond_memory(ROOT, kernel, "silu")
    assert found and all(math.prod(sizes.values()) > 2**31 for sizes in found)
    assert beyond_memory(ROOT, kernel, "gelu") == []
    # Nobody has a context of thirty million tokens, but many have as many parameters.
    cached = beyond_memory(ROOT, replace(kernel, contract="attention/kv-cache"), "cached_attention")
    assert [sizes["C"] for sizes in cached] == [8192]
    assert len(beyond_memory(ROOT, replace(kernel, contract="core/cast"), "to_bf16")) == 1
    for own in (replace(kernel, binding="impl"), replace(kernel, device="cuda"), replace(kernel, framework="numpy")):
        assert beyond_memory(ROOT, own, "silu") == []


def test_what_an_array_of_integers_holds_is_part_of_an_offset() -> None:
    signature = parse_signature("embedding(ids: i64[T], w: float[V, D]) -> y: float[T, D]")
    sizes = {"T": 1048576, "V": 1048576, "D": 4097}

    def told(name: str, **held: int) -> str:
        bound = bind(f"{__name__}:{name}", "core/embedding", {"embedding": signature}, ROOT)
        assert bound is not None
        (kernel,) = bound.kernels(Definitions("core/embedding", {}, {"embedding": signature}), "cpu")
        return width.overflow(kernel, "embedding", {**sizes, **held})

    assert told("gathered") == "" == told("gathered_wide", ids=1048575)
    words = told("gathered", ids=1048575)
    assert "_gather_kernel, last program of (1048576,): int32 overflow detected for operation mul" in words
    found = beyond_memory(ROOT, replace(kernel_of("narrow"), contract="core/embedding"), "embedding_backward")
    assert [entry["ids"] for entry in found] == [1048575]
