"""`albor-contracts bench [CONTRACT...]`"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ._numbers import at_least_one, seed_number

if TYPE_CHECKING:
    from ..bench.ceiling import Ceilings
    from ..bench.judge import Judgement
    from ..bench.workload import Workload

PEERS = ("eager", "compile", "liger")


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "contracts", nargs="*", metavar="CONTRACT",
        help="contract, family, or one kernel such as core/rmsnorm:rmsnorm_backward (default: all)",
    )  # fmt: skip
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument(
        "--sizes", choices=("350m", "7b", "all"), default="all", help="of which model (a CPU takes tiny ones instead)"
    )
    parser.add_argument(
        "--peers", type=_peers, default=None, metavar="LIST",
        help=f"some of {','.join(PEERS)}, or none (default: all; on a CPU eager)",
    )  # fmt: skip
    parser.add_argument(
        "--rounds", type=at_least_one, default=None, metavar="N", help="samples (default: 20; on a CPU 3)"
    )
    parser.add_argument(
        "--targets", action="store_true",
        help="also fail when a target is missed: percent of the ceiling, never slower than torch.compile or Liger",
    )  # fmt: skip
    parser.add_argument(
        "--out", type=Path, default=None, metavar="DIR", help="write bench.txt, bench.json and roofline.svg there"
    )
    parser.add_argument("--seed", type=seed_number, default=0, help="seed of the arguments")
    parser.add_argument(
        "--evidence", type=Path, default=None, metavar="FILE",
        help="append records to this file (default: .albor/evidence/)",
    )  # fmt: skip
    parser.add_argument(
        "--recorded", action="store_true", help="measure nothing; show what was recorded, and what is stale since"
    )
    parser.add_argument("--format", choices=("text", "json"), default="text")


def run(options: argparse.Namespace) -> int:
    from ..errors import Position, problem
    from ..evidence import installed_versions
    from ..load.files import find_root
    from ._project import find_kernels, print_json

    if options.targets and options.device == "cpu":
        print("targets are judged on times of a GPU only: add --device cuda, or leave --targets out", file=sys.stderr)
        return 2
    root = find_root()
    find_kernels(root)
    if options.recorded:
        return _recorded(root, options)
    try:
        import torch

        from ..bench.report import CPU_NOTE, data, table
        from ..bench.workloads import select
    except ImportError as error:
        raise problem("E506", f"the kernels cannot be imported: {error}", Position("albor_impl")) from None
    if options.device == "cuda" and not torch.cuda.is_available():
        raise problem(
            "E510",
            "cuda was asked for, but torch finds no usable GPU here",
            Position("--device cuda"),
            "run without --device cuda, or on a machine with a GPU",
        )
    chosen = select(options.contracts)
    if not chosen:
        print(f"nothing to measure: no workload belongs to {', '.join(options.contracts)}", file=sys.stderr)
        return 2

    gpu = options.device == "cuda"
    peers = options.peers if options.peers is not None else PEERS if gpu else PEERS[:1]
    rounds = options.rounds or (20 if gpu else 3)
    versions = installed_versions("" if gpu else "interpreter")
    if gpu:
        from ..bench.cuda import device_name, device_versions

        name, versions = device_name(), {**versions, **device_versions()}
    else:
        import platform

        name = platform.processor() or platform.machine()
        if options.format == "text":
            print(CPU_NOTE + "\n", flush=True)
    judgements, ceilings, after = _measure(chosen, options, gpu, peers, rounds, root, name, versions)
    found = data(judgements, ceilings, name, versions, rounds, after)
    words = table(judgements, ceilings, after)
    if options.out is not None:
        _write(options.out, judgements, ceilings, name, words if gpu else f"{CPU_NOTE}\n\n{words}", found)
    if options.format == "json":
        print_json(found)
    else:
        print(words)
    from ..bench.judge import fails

    return 1 if fails(judgements, options.targets) else 0


def _recorded(root: Path, options: argparse.Namespace) -> int:
    from ..bench.report import recorded
    from ..coverage import hash_of_kernel
    from ..events import KernelMeasured
    from ..evidence import compact
    from ._project import print_json, records_of

    names = {name.rstrip("/") for name in options.contracts}
    records = [
        r
        for r in compact(records_of(root, [options.evidence] if options.evidence else []))
        if isinstance(r.verdict, KernelMeasured)
        and (not names or names & {r.verdict.contract, r.verdict.contract.partition("/")[0]})
    ]
    if not records:
        print("no times are recorded here", file=sys.stderr)
        return 2
    if options.format == "json":
        print_json([{**json.loads(r.to_json()), "fresh": r.verdict.kernel_hash == hash_of_kernel(r)} for r in records])
    else:
        print(recorded(records, hash_of_kernel))
    return 0


def _measure(
    chosen: list[Workload],
    options: argparse.Namespace,
    gpu: bool,
    peers: tuple[str, ...],
    rounds: int,
    root: Path,
    name: str,
    versions: dict[str, str],
) -> tuple[list[Judgement], Ceilings | None, Ceilings | None]:
    """Measure and judge everything in one process; each record is kept as soon as it is there. Returns the ceilings
    before, which judge, and those after, which tell whether the device was the same."""
    from ..bench.ceiling import measure_ceilings
    from ..bench.judge import judge
    from ..bench.report import record
    from ..bench.run import run_workload
    from ..bench.workloads import sizes_of
    from ..events import RunStarted
    from ..evidence import Recorder, kernel_hash, scratch_file

    clock, device, stream, state = _clock(gpu)
    jobs = [
        (w, size, dims)
        for w in chosen
        for size, dims in (sizes_of(w, options.sizes) if gpu else {"tiny": w.tiny}).items()
    ]
    judgements = []
    ceilings = after = None
    with stream, Recorder(options.evidence or scratch_file(root)) as recorder:
        recorder(RunStarted(versions=versions))
        if gpu:
            ceilings = measure_ceilings(clock, device, rounds)
            _forget(gpu)
        for number, (workload, size, dims) in enumerate(jobs, 1):
            print(f"... {number}/{len(jobs)} {workload.name}, {size}", file=sys.stderr, flush=True)
            result = run_workload(
                workload, size, dims, clock, device, peers=peers, rounds=rounds, seed=options.seed, state=state,
                controls=gpu,
            )  # fmt: skip
            judgements.append(judge(result, ceilings, peers))
            event = record(judgements[-1], options.device, name, rounds, kernel_hash(workload.kernel_name))
            if event is not None:
                recorder(event)
            _forget(gpu)
        if gpu:
            after = measure_ceilings(clock, device, rounds)
    return judgements, ceilings, after


def _clock(gpu: bool):
    """Clock, device, the context to measure in, and what tells the device's state."""
    import torch

    if not gpu:
        from ..bench.measure import CpuClock

        return CpuClock(), torch.device("cpu"), contextlib.nullcontext(), lambda: ""
    from ..bench.cuda import CudaClock, device_state

    clock = CudaClock()
    return clock, clock.device, clock.on_stream(), device_state


def _forget(gpu: bool) -> None:
    if gpu:
        from ..bench.cuda import free_memory

        free_memory()


def _write(
    folder: Path,
    judgements: list[Judgement],
    ceilings: Ceilings | None,
    name: str,
    words: str,
    found: dict[str, object],
) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "bench.txt").write_text(words + "\n", encoding="utf-8")
    (folder / "bench.json").write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    if ceilings is None:
        print("no roofline: it would show times of an interpreter", file=sys.stderr)
        return
    from ..bench.roofline import roofline

    (folder / "roofline.svg").write_text(roofline(judgements, ceilings, f"Roofline on {name}"), encoding="utf-8")


def _peers(text: str) -> tuple[str, ...]:
    names = [] if text == "none" else text.split(",")
    for name in names:
        if name not in PEERS:
            raise argparse.ArgumentTypeError(f"unknown peer {name!r}; known are {', '.join(PEERS)}, or none")
    return tuple(p for p in PEERS if p in names)
