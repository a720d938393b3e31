"""`albor-contracts falsify [CONTRACT...]`"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

from ._numbers import add_workers

if TYPE_CHECKING:
    from ..checked import CheckedContract
    from ..events import FaultTried
    from ..falsify import Matrix

Judged = tuple[str, "Matrix | None", list["FaultTried"]]


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("contracts", nargs="*", metavar="CONTRACT", help="contract or family (default: all)")
    parser.add_argument(
        "--all", action="store_true", dest="full",
        help="every obligation against every fault it reaches, not only against those that name it",
    )  # fmt: skip
    parser.add_argument("--fault", action="append", default=None, metavar="ID", help="only this fault; may be repeated")
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
    from ..errors import Position, problem
    from ..events import RunStarted
    from ..evidence import Recorder, installed_versions, scratch_file
    from ..library import open_selected
    from ..report.matrix import render_matrix
    from ..suggest import did_you_mean

    library = open_selected(options.contracts)
    contracts = library.select(options.contracts)
    if options.fault is not None:
        known = {str(f.model.id) for c in contracts.values() for f in c.faults}
        for identifier in options.fault:
            if identifier not in known:
                hint = did_you_mean(identifier, known)
                raise problem("E801", f"no contract has a fault {identifier!r}", Position(str(library.root)), hint)
        wanted = set(options.fault)
        contracts = {n: c for n, c in contracts.items() if wanted & {str(f.model.id) for f in c.faults}}
    if not contracts:
        print("there is no contract to falsify", file=sys.stderr)
        return 2
    failed: list[str] = []
    matrices = []
    with Recorder(options.evidence or scratch_file(library.root)) as recorder:
        recorder(RunStarted(versions=installed_versions("interpreter")))
        for name, matrix, events in judge_all(library.root, contracts, options.fault, options.workers, options.full):
            for event in events:
                recorder(event)
            if matrix is None:
                failed.append(name)
                print(
                    f"{name}: the process that tried its faults ended early; nothing is known of them", file=sys.stderr
                )
                continue
            if not matrix.holds:
                failed.append(name)
            if options.format == "json":
                matrices.append(json.loads(render_matrix(matrix, "json")))
            else:
                print(render_matrix(matrix, "text"), flush=True)
    if options.format == "json":
        print(json.dumps({"holds": not failed, "failed": sorted(failed), "contracts": matrices}, indent=2))
    else:
        bad = f"; these do not hold: {', '.join(sorted(failed))}" if failed else ""
        print(f"{len(contracts) - len(failed)} of {len(contracts)} contracts hold against their faults{bad}")
    return 1 if failed else 0


def judge_all(
    root: Path, contracts: dict[str, CheckedContract], only: Sequence[str] | None, workers: int, full: bool = False
) -> Iterator[Judged]:
    """The kill matrix of each contract as it is done, the longest begun first; None where the process ended early."""
    if workers <= 1 or len(contracts) == 1:
        for name in contracts:
            yield judge(root, name, only, full)
        return
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # one process a core, not all threads in each
    names = sorted(contracts, key=lambda n: -len(contracts[n].faults) * len(contracts[n].obligations))
    unfinished = []
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        tasks = {pool.submit(judge, root, name, only, full): name for name in names}
        try:
            for task in as_completed(tasks):
                try:
                    yield task.result()
                except BrokenProcessPool:
                    unfinished.append(tasks[task])
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    for name in unfinished:  # one at a time, to tell the contract that ends its process from those that shared it
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            try:
                yield pool.submit(judge, root, name, only, full).result()
            except BrokenProcessPool:
                yield name, None, []


def judge(root: Path, name: str, only: Sequence[str] | None, full: bool = False) -> Judged:
    """The kill matrix of one contract, and the verdicts behind it."""
    from ._project import find_kernels, keep_scratch

    keep_scratch(root)
    find_kernels(root)
    from ..falsify import kill_matrix
    from ..library import open_selected

    library = open_selected([name], root)
    events: list[FaultTried] = []
    return name, kill_matrix(library.select([name])[name], library, events.append, only, full), events
