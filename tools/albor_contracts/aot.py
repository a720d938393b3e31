"""The compile gate: every declared kernel is compiled ahead of time for every architecture, without a GPU.

A kernel fails when it does not compile or assemble, when it keeps more values in local memory (spills) than its binding
file declares, or when it wants more shared memory than one block may have. Told besides, and judged by nobody: how much
of what it moves between global memory and registers goes in accesses of 16 bytes a thread or more. What is compiled are
the examples declared next to each kernel: argument types, constants and warps of the launches that happen in practice.
Passing says nothing about results: no kernel runs.
"""

from __future__ import annotations

import multiprocessing
import re
import struct
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Any

# Shared memory that one block may ask for, in bytes (CUDA programming guide, "maximum amount of shared memory per
# thread block", by compute capability).
SHARED_LIMITS = {80: 163 * 1024, 86: 99 * 1024, 89: 99 * 1024, 90: 227 * 1024, 100: 227 * 1024, 120: 99 * 1024}
TARGETS = (80, 89, 90, 100)

_REGISTERS = 0x2F  # attributes of a cubin's .nv.info section: EIATTR_REGCOUNT and EIATTR_FRAME_SIZE
_FRAME = 0x11
_SIZED = 4  # the form of an attribute that is followed by its length and data


@dataclass(frozen=True)
class CompileResult:
    """One example of one kernel for one architecture. `spills` is the stack frame of a thread, in bytes; `wide` the
    share of bytes in wide accesses (see `wide_share`), None where there are none."""

    kernel: str
    contract: str
    example: str
    target: int
    ok: bool
    registers: int
    spills: int
    shared_bytes: int
    shared_limit: int
    seconds: float
    error: str = ""
    wide: float | None = None


@dataclass(frozen=True)
class _Job:
    module: str
    kernel: str
    index: int
    target: int
    spills: int  # bytes that are declared


def contract_of(module: str) -> str:
    """`albor_impl.attention.causal_gqa` implements the contract `attention/causal-gqa`. A module that contracts share,
    `albor_impl.loss._means`, keeps its name: `loss/_means`."""
    parts = module.split(".")[1:]
    return "/".join(part if part.startswith("_") else part.replace("_", "-") for part in parts)


def compile_all(
    targets: Sequence[int] = TARGETS,
    select: Collection[str] | None = None,
    *,
    package: str = "albor_impl",
    processes: int = 2,
    progress: Callable[[CompileResult, int], None] | None = None,
    declared: Mapping[tuple[str, int], int] | None = None,
) -> list[CompileResult]:
    """Compile every example of every kernel of `package` for every target (80 stands for sm_80).

    `select` names contracts (`core/rmsnorm`) or families (`core`). Nothing selected gives an empty list, which is
    not a pass. The work is spread over `processes`; Triton's cache makes a second run short. `progress` is told each
    result as it arrives, and how many there will be. `declared` gives bytes that a thread may spill, by contract and
    target.
    Raises ValueError for a target whose shared memory limit is unknown.
    """
    unknown = [target for target in targets if target not in SHARED_LIMITS]
    if unknown:
        raise ValueError(f"unknown target {unknown[0]}; known are {', '.join(map(str, sorted(SHARED_LIMITS)))}")
    from albor_impl._triton import declared_kernels

    def wanted(module: str) -> bool:
        contract = contract_of(module)
        return select is None or contract in select or contract.split("/", maxsplit=1)[0] in select

    kernels = declared_kernels(package, wanted)
    jobs = [
        _Job(
            kernel.module, kernel.__name__, index, target, (declared or {}).get((contract_of(kernel.module), target), 0)
        )
        for kernel in kernels
        for index in range(len(kernel.examples))
        for target in targets
    ]

    def told(results: Iterable[CompileResult]) -> list[CompileResult]:
        found = []
        for result in results:
            found.append(result)
            if progress is not None:
                progress(result, len(jobs))
        return found

    if processes < 2 or len(jobs) < 2:
        return told(map(_compile, jobs))
    # Not forked: a process that has started CUDA cannot be.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=context) as pool:
        return told(pool.map(_compile, jobs, chunksize=2))


def _compile(job: _Job) -> CompileResult:
    import importlib

    kernel = getattr(importlib.import_module(job.module), job.kernel)
    return compile_example(kernel, kernel.examples[job.index], job.target, job.spills)


def compile_example(kernel: Any, example: Any, target: int, declared: int = 0) -> CompileResult:
    """Compile one `Example` of a `Kernel` for one target; a failure is part of the result, never raised. A thread may
    keep `declared` bytes of its values in local memory."""
    start = time.perf_counter()
    registers = spills = shared = 0
    wide = None
    limit = SHARED_LIMITS[target]
    try:
        compiled = _build(kernel, example, target)
        registers, spills = resources(compiled.asm["cubin"])
        shared = int(compiled.metadata.shared)
        wide = wide_share(compiled.asm["ptx"])
        faults = [f"{spills} bytes of a thread's values are kept in local memory"] if spills > declared else []
        if faults and declared:
            faults[0] += f", {declared} are declared"
        if shared > limit:
            faults.append(f"{shared} bytes of shared memory are wanted, {limit} are there")
        error = "; ".join(faults)
    except Exception as problem:  # whatever the compiler raises is the finding
        error = f"{type(problem).__name__}: {problem}".strip()
    return CompileResult(
        kernel=kernel.__name__,
        contract=contract_of(kernel.module),
        example=example.label,
        target=target,
        ok=not error,
        registers=registers,
        spills=spills,
        shared_bytes=shared,
        shared_limit=limit,
        seconds=time.perf_counter() - start,
        error=error,
        wide=wide,
    )


def _build(kernel: Any, example: Any, target: int) -> Any:
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    types, constants = dict(example.types), dict(example.constexprs)
    given = types.keys() | constants.keys()
    names: list[str] = kernel.arg_names
    if given != set(names):
        missing, surplus = sorted(set(names) - given), sorted(given - set(names))
        raise ValueError(f"the example does not fit the kernel: missing {missing}, unknown {surplus}")
    source = ASTSource(
        kernel,
        {name: types.get(name, "constexpr") for name in names},
        {(names.index(name),): value for name, value in constants.items()},
        {(names.index(name),): [["tt.divisibility", 16]] for name in example.aligned},
    )
    # Said here, since its default differs between versions of Triton; launches say the same.
    options = {"enable_fp_fusion": True, **dict(example.options)}
    return triton.compile(source, target=GPUTarget("cuda", target, 32), options=options)


_ACCESS = re.compile(r"\b(?:ld|st)\.[\w.:]*\bglobal\b[\w.:]*?(?:\.v(\d))?\.[a-z]+(\d+)\s")
_COPY = re.compile(r"\bcp\.async\.c[ag]\.shared\.global\b[^;]*?\],\s*(0x[0-9a-f]+|\d+)")
WIDE = 16  # bytes: the widest access that every architecture has


def wide_share(ptx: str) -> float | None:
    """Of the bytes that the loads, stores and copies of global memory in this code name, the share that goes in
    accesses of 16 bytes a thread or more; None where there are no accesses.

    Each instruction counts once, however often it runs. Where it is small for a kernel that memory limits, the compiler
    could not prove that neighbouring elements may go together: an unaligned stride, or a mask that changes within 16
    bytes.
    """
    sizes = [int(vector or 1) * int(bits) // 8 for vector, bits in _ACCESS.findall(ptx)]
    sizes += [int(size, 0) for size in _COPY.findall(ptx)]
    return sum(size for size in sizes if size >= WIDE) / sum(sizes) if sizes else None


def resources(cubin: bytes) -> tuple[int, int]:
    """Registers and stack frame (bytes) of a thread, read from the .nv.info section of a cubin with one kernel.

    Raises ValueError when the file is no ELF file or lacks these attributes.
    """
    if cubin[:4] != b"\x7fELF":
        raise ValueError("not a cubin: the ELF signature is missing")
    try:
        found = _attributes(_section(cubin, b".nv.info"))
    except (struct.error, IndexError, OverflowError, ValueError) as problem:
        raise ValueError(f"not a cubin: {problem}") from problem
    if _REGISTERS not in found:
        raise ValueError("not a cubin: no register count in .nv.info")
    return found[_REGISTERS], found.get(_FRAME, 0)


def _section(elf: bytes, wanted: bytes) -> bytes:
    """The content of a section of a 64-bit ELF file, empty when there is none of that name."""
    offset, entry_size, count, names_index = struct.unpack_from("<Q10xHHH", elf, 40)
    entries = [struct.unpack_from("<IIQQQQ", elf, offset + k * entry_size) for k in range(count)]
    names = entries[names_index][4]
    for name, _, _, _, start, size in entries:
        end = elf.index(b"\0", names + name)
        if elf[names + name : end] == wanted:
            return elf[start : start + size]
    return b""


def _attributes(section: bytes) -> dict[int, int]:
    """The attributes of .nv.info that hold a symbol and a number: {attribute: largest number}."""
    found: dict[int, int] = {}
    place = 0
    while place + 4 <= len(section):
        form, attribute, size = struct.unpack_from("<BBH", section, place)
        place += 4
        if form != _SIZED:
            continue
        if size == 8:
            found[attribute] = max(found.get(attribute, 0), struct.unpack_from("<II", section, place)[1])
        place += size
    return found
