"""What the interpreter would run and no GPU does: refused before the launch, in the words of the compiler."""

import subprocess
import sys
from collections.abc import Iterator

import pytest
import torch
import triton
import triton.language as tl
from albor_contracts import compilable
from albor_contracts.compilable import NotCompiled, must_compile
from albor_impl._triton.large import last_programs
from albor_impl._triton.plain import interpret_plain_kernels


@triton.jit
def _copy(x, y, n, BLOCK: tl.constexpr):
    at = tl.arange(0, BLOCK)
    tl.store(y + at, tl.load(x + at, mask=at < n), mask=at < n)


@triton.jit
def _sum(x, y, n, BLOCK: tl.constexpr):
    total = 0
    for k in range(n):
        total += tl.load(x + k)
    tl.store(y, total)


@triton.jit
def _added(total, value):
    for _ in range(2):
        total += value
    return total


@triton.jit
def _nested(x, y, n, BLOCK: tl.constexpr):
    value = tl.load(x + tl.arange(0, BLOCK))
    tl.store(y + tl.arange(0, BLOCK), _added(0, value))


@triton.jit
def _product(a, b, c, BLOCK: tl.constexpr, K: tl.constexpr):
    row, k = tl.arange(0, BLOCK), tl.arange(0, K)
    left = tl.load(a + row[:, None] * K + k[None, :])
    right = tl.load(b + k[:, None] * BLOCK + row[None, :])
    tl.store(c + row[:, None] * BLOCK + row[None, :], tl.dot(left, right))


@triton.jit
def _branch(x, y, n, BLOCK: tl.constexpr):
    at = tl.arange(0, BLOCK)
    if at < n:
        tl.store(y + at, tl.load(x + at))


X, Y = torch.zeros(64), torch.zeros(64)


def line_of(kernel: triton.JITFunction, text: str) -> int:
    return kernel.starting_line_number + next(k for k, line in enumerate(kernel.raw_src) if text in line)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16, torch.int64])
def test_what_compiles_is_let_through(dtype: torch.dtype) -> None:
    must_compile(_copy, (X.to(dtype), Y.to(dtype), 5), {"BLOCK": 64, "num_warps": 2})
    must_compile(_copy, (X, Y, 1), {"BLOCK": 64})
    must_compile(_product, (X, X, X), {"BLOCK": 16, "K": 16})


@pytest.mark.parametrize(
    ("kernel", "args", "options", "words", "line"),
    [
        (_sum, (X, Y, 5), {"BLOCK": 8}, "total has initial type int32 but is re-assigned to fp32", "for k in range"),
        (_nested, (X, Y, 5), {"BLOCK": 8}, "total", "_added(0, value)"),
        (_copy, (X, Y, 5), {"BLOCK": 48}, "arange's range must be a power of 2", "at = tl.arange"),
        (_product, (X.half(), X.half(), X), {"BLOCK": 16, "K": 8}, "K >= 16", "tl.dot"),
        (_branch, (X, Y, 5), {"BLOCK": 8}, "", "if at < n"),
    ],
)
def test_what_does_not_is_refused_at_its_line(kernel, args, options, words, line) -> None:
    with pytest.raises(NotCompiled) as refused:
        must_compile(kernel, args, options)
    assert words in str(refused.value)
    assert str(refused.value).endswith(f"(at tests/tool/test_compilable.py:{line_of(kernel, line)})")
    assert "\n" not in str(refused.value)
    with pytest.raises(NotCompiled) as again:
        must_compile(kernel, args, options)
    assert str(again.value) == str(refused.value)


def test_what_a_block_has_not_is_refused() -> None:
    with pytest.raises(NotCompiled, match="64 warps are wanted, a block has 32"):
        must_compile(_copy, (X, Y, 5), {"BLOCK": 64, "num_warps": 64})
    with pytest.raises(NotCompiled, match="524288 bytes of shared memory are wanted, a block has 232448"):
        must_compile(_product, (X.half(), X.half(), X), {"BLOCK": 128, "K": 1024, "num_warps": 8})
    with pytest.raises(NotCompiled, match=r"Insufficient registers[^/]*$"):
        must_compile(_product, (X, X, X), {"BLOCK": 256, "K": 128, "num_warps": 16})


def _configs(*blocks: int, **options: int) -> list[triton.Config]:
    return [triton.Config({"BLOCK": block}, **options) for block in blocks]


def _tuned_kernel(y, n, BLOCK: tl.constexpr):
    tl.static_assert(BLOCK <= 16 or BLOCK == 48)
    at = tl.arange(0, BLOCK)
    tl.store(y + at, BLOCK + tl.zeros([BLOCK], tl.float32), mask=at < n)


@pytest.fixture
def compiled_first() -> Iterator[None]:
    interpret_plain_kernels(must_compile)
    yield
    interpret_plain_kernels()


@pytest.mark.usefixtures("compiled_first")
def test_what_tuning_passes_over_is_not_judged() -> None:
    y = torch.zeros(8)
    configs = [*_configs(64), *_configs(16, num_warps=64), *_configs(8, 4)]
    tuned = triton.autotune(configs, key=["n"])(triton.jit(_tuned_kernel))
    tuned[(1,)](y, 8)
    assert y.tolist() == [8.0] * 8
    with last_programs() as launches:  # nothing is compiled then, and the same configuration taken
        tuned[(1,)](torch.empty(8, device="meta"), 8)
    assert len(launches) == 1


@pytest.mark.usefixtures("compiled_first")
def test_a_list_of_which_nothing_is_left_is_refused_for_its_first() -> None:
    tuned = triton.autotune(_configs(64, 32), key=["n"])(triton.jit(_tuned_kernel))
    with pytest.raises(NotCompiled, match="static_assert"):
        tuned[(1,)](torch.zeros(8), 8)
    wrong = triton.autotune(_configs(48, 8), key=["n"])(triton.jit(_tuned_kernel))  # tuning fails as well
    with pytest.raises(NotCompiled, match="power of 2"):
        wrong[(1,)](torch.zeros(8), 8)


def test_an_argument_that_no_kernel_takes_is_refused() -> None:
    with pytest.raises(NotCompiled, match="object"):
        must_compile(_copy, (X, Y, object()), {"BLOCK": 64})


def test_a_launch_is_compiled_once_and_many_sizes_in_part(monkeypatch: pytest.MonkeyPatch) -> None:
    whole, parts = [], []
    compiled, translated = triton.compile, compilable._translated
    monkeypatch.setattr(triton, "compile", lambda *a, **k: whole.append(1) or compiled(*a, **k))
    monkeypatch.setattr(compilable, "_translated", lambda *a: parts.append(1) or translated(*a))
    monkeypatch.setattr(compilable, "WHOLE", 2)

    @triton.jit
    def fill(y, n, N: tl.constexpr):
        if N < 99:
            tl.store(y + n, N)
        else:
            tl.store(y + tl.arange(0, N), N)

    for n in (2, 3, 4, 5, 16, 32):
        must_compile(fill, (Y, n), {"N": 7})
    assert (len(whole), len(parts)) == (1, 0)
    for size in (8, 9, 10):
        must_compile(fill, (Y, 2), {"N": size})
    assert (len(whole), len(parts)) == (2, 2)
    with pytest.raises(NotCompiled, match="power of 2"):
        must_compile(fill, (Y, 2), {"N": 100})


def test_a_real_constant_stands_for_all_others(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = []
    compiled = triton.compile
    monkeypatch.setattr(triton, "compile", lambda *a, **k: whole.append(1) or compiled(*a, **k))

    @triton.jit
    def scaled(y, n, by: tl.constexpr):
        if by == 0:
            tl.store(y + n, tl.arange(0, 3))
        tl.store(y + n, by)

    for by in (1e-5, 1e-6, 0.25):
        must_compile(scaled, (Y, 2), {"by": by})
    assert len(whole) == 1
    with pytest.raises(NotCompiled, match="power of 2"):
        must_compile(scaled, (Y, 2), {"by": 0.0})


def test_where_the_compiler_cannot_run_nothing_is_said_of_the_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(triton, "compile", full)
    with pytest.warns(UserWarning, match="Triton's compiler could not run: .*No space left on device"):
        must_compile(_copy, (X, Y, 5), {"BLOCK": 16, "num_stages": 2})


def test_the_compiler_keeps_nothing_that_a_launch_exchanges() -> None:
    """Triton imports it when it is first asked for the type of an argument: in a process that has only interpreted
    kernels of this project, that was during a launch, and what no GPU takes was compiled from then on."""
    code = (
        "import torch, triton.language as tl\n"
        "from albor_contracts.callables import resolve\n"
        "from albor_contracts.errors import Position\n"
        "resolve('albor_impl.core.softmax:softmax', Position('here', 1, 1))(torch.ones(2, 3))\n"
        "from triton.compiler.code_generator import CodeGenerator\n"
        "assert tl.core.static_assert in CodeGenerator.statically_implemented_functions\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
