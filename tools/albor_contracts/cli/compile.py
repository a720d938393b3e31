"""`albor-contracts compile [CONTRACT...]`"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ._numbers import add_workers

if TYPE_CHECKING:
    from ..aot import CompileResult
    from ..events import KernelCompiled

PACKAGE = "albor_impl"
EVERY = 15.0  # seconds between lines of progress


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("contracts", nargs="*", metavar="CONTRACT", help="contract or family (default: all kernels)")
    parser.add_argument("--select", action="append", default=[], metavar="CONTRACT", help="the same, as an option")
    parser.add_argument(
        "--target", action="append", type=_target, metavar="SM",
        help="architecture such as sm_90; may be repeated (default: sm_80, sm_89, sm_90, sm_100)",
    )  # fmt: skip
    add_workers(parser)
    parser.add_argument(
        "--evidence",
        type=Path,
        default=None,
        metavar="FILE",
        help="append verdicts to this file (default: .albor/evidence/)",
    )
    parser.add_argument("--format", choices=("text", "json"), default="text")


def run(options: argparse.Namespace) -> int:
    from ..aot import TARGETS, compile_all
    from ..errors import Position, problem
    from ..events import RunStarted
    from ..evidence import Recorder, installed_versions, scratch_file
    from ..load.files import find_root
    from ._project import print_json

    chosen = [*options.contracts, *options.select] or None
    targets = list(dict.fromkeys(options.target or TARGETS))
    shown = ", ".join(f"sm_{t}" for t in targets)
    print(f"compiling {', '.join(chosen) if chosen else 'all kernels'} for {shown}", file=sys.stderr, flush=True)
    try:
        results = compile_all(
            targets, chosen, package=PACKAGE, processes=max(options.workers, 1), progress=_Progress(),
            declared=_declared(find_root()),
        )  # fmt: skip
    except ImportError as error:
        raise problem(
            "E506", f"the kernels cannot be imported: {error}", Position(PACKAGE), "install triton and torch"
        ) from None
    if not results:
        print(f"nothing was compiled: {', '.join(chosen) if chosen else PACKAGE} has no Triton kernel", file=sys.stderr)
        return 2
    events = verdicts(results)
    with Recorder(options.evidence or scratch_file(find_root())) as recorder:
        recorder(RunStarted(versions=installed_versions()))
        for event in events:
            recorder(event)
    failed = [r for r in results if not r.ok]
    if options.format == "json":
        print_json({"targets": [f"sm_{t}" for t in targets], "ok": not failed, "results": [_data(r) for r in results]})
    else:
        print(_table(results, targets))
    return 1 if failed else 0


def _declared(root: Path) -> dict[tuple[str, int], int]:
    """Bytes that a thread may spill, by contract and architecture: what the implementation's binding file says."""
    from ._project import bindings_of

    found: dict[tuple[str, int], int] = {}
    binding = bindings_of(root).get("impl")
    for contract, targets in binding.kernels.items() if binding is not None else ():
        for target in targets.values():
            for architecture, spills in target.spills.items():
                key = contract, int(architecture.removeprefix("sm_"))
                found[key] = max(found.get(key, 0), spills.bytes)
    return found


class _Progress:
    """A line on stderr from time to time."""

    def __init__(self) -> None:
        self.start = self.said = time.monotonic()
        self.done = self.failed = 0

    def __call__(self, result: CompileResult, total: int) -> None:
        self.done += 1
        self.failed += not result.ok
        now = time.monotonic()
        if now - self.said >= EVERY:
            self.said = now
            seconds = f"{now - self.start:.0f} s"
            print(f"... {self.done}/{total} compiled, {self.failed} failed, {seconds}", file=sys.stderr, flush=True)


def verdicts(results: Iterable[CompileResult]) -> list[KernelCompiled]:
    """One verdict for each kernel and architecture: it holds when every example of the kernel compiles."""
    from ..events import KernelCompiled
    from ..evidence import kernel_hash

    groups: dict[tuple[str, str, int], list[CompileResult]] = {}
    for r in results:
        groups.setdefault((r.contract, r.kernel, r.target), []).append(r)
    events = []
    for (contract, kernel, target), group in groups.items():
        name = f"{PACKAGE}.{contract.replace('/', '.').replace('-', '_')}:{kernel}"
        events.append(KernelCompiled(
            contract=contract, kernel=name, architecture=f"sm_{target}", ok=all(r.ok for r in group),
            registers=max(r.registers for r in group), spills=max(r.spills for r in group),
            shared_memory=max(r.shared_bytes for r in group), seconds=round(sum(r.seconds for r in group), 3),
            kernel_hash=kernel_hash(name), message="; ".join(f"{r.example}: {r.error}" for r in group if r.error),
        ))  # fmt: skip
    return events


def _target(text: str) -> int:
    from ..aot import SHARED_LIMITS

    digits = text.removeprefix("sm_")
    if not digits.isascii() or not digits.isdigit() or int(digits) not in SHARED_LIMITS:
        known = ", ".join(f"sm_{t}" for t in sorted(SHARED_LIMITS))
        raise argparse.ArgumentTypeError(f"unknown architecture {text!r}; known are {known}")
    return int(digits)


def _data(r: CompileResult) -> dict[str, Any]:
    return {
        "contract": r.contract, "kernel": r.kernel, "example": r.example, "target": f"sm_{r.target}", "ok": r.ok,
        "registers": r.registers, "spills": r.spills, "shared_bytes": r.shared_bytes, "shared_limit": r.shared_limit,
        "wide": None if r.wide is None else round(r.wide, 4), "seconds": round(r.seconds, 3), "error": r.error,
    }  # fmt: skip


def _table(results: Sequence[CompileResult], targets: Sequence[int]) -> str:
    """A line for each example, a column for each architecture: registers of a thread, shared memory of a block, share
    of wide accesses."""
    cells: dict[tuple[str, str, str], dict[int, str]] = {}
    for r in results:
        wide = "" if r.wide is None else f" {r.wide:.0%}"
        spilt = f" {r.spills} spilt" if r.spills else ""
        shown = f"{r.registers} regs {r.shared_bytes / 1024:.1f} KiB{wide}{spilt}" if r.ok else "FAILED"
        cells.setdefault((r.contract, r.kernel, r.example), {})[r.target] = shown
    lines = [["contract", "kernel", "example", *(f"sm_{t}" for t in targets)]]
    lines += [[*name, *(row.get(t, "-") for t in targets)] for name, row in cells.items()]
    widths = [max(len(line[k]) for line in lines) for k in range(len(lines[0]))]
    text = ["  ".join(item.ljust(width) for item, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    text += ["percent: bytes of global memory that go in accesses of 16 bytes or more"]
    failed = [r for r in results if not r.ok]
    text += [f"{r.contract} {r.kernel} ({r.example}) for sm_{r.target}: {r.error}" for r in failed]
    good = len(results) - len(failed)
    few = sum(r.ok and r.spills > 0 for r in results)
    within = f"{few} with spills that are declared and the others without" if few else "without spills"
    verdict = f"{good} of {len(results)} compile, {within}, and within shared memory"
    return "\n".join([*text, f"{verdict}; {sum(r.seconds for r in results):.0f} s of work"])
