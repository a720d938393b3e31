"""Trying mutants, each in a process of its own: a copy of one that has imported the kernels and the tests.

A mutant may hang, ask for all memory or take its process along. Its copy has a limit of processor time, which the
load of the machine does not shorten, a limit of memory and, far behind, one of waiting.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import resource
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from multiprocessing import connection, get_context
from pathlib import Path
from typing import Any

from ..runtime.width import Sizes
from .bench import MANY, Bench, Control, Trial, plant, warm
from .edits import Mutant

LEAST_SECONDS = 20.0  # of processor time
TIMES = 5.0  # what everything takes on the original
WAITING = 20.0  # times as long by the clock, for what sleeps or waits for ever
MEMORY = 4 << 30  # bytes beyond what the original takes


@dataclass(frozen=True)
class Job:
    """One contract: where its tests and kernels are, and the mutants of each module."""

    root: Path
    contract: str
    binding: str
    tests: Path
    trials: tuple[Trial, ...]
    mutants: tuple[tuple[str, Mutant], ...]  # module, edit
    large: tuple[Sizes, ...] = ()
    seed: int = 0
    workers: int = 1
    cases: int = MANY
    files: tuple[str, ...] = ()  # tests of pytest, for what no obligation notices


@dataclass(frozen=True)
class Verdict:
    """What became of one mutant: `killed` by an obligation or a test, `timeout`, `crashed`, `survived`, or not
    `reached`."""

    module: str
    mutant: Mutant
    outcome: str
    by: str = ""
    message: str = ""
    seconds: float = 0.0

    @property
    def by_test(self) -> bool:
        """Killed by a test of pytest, after no obligation had."""
        return "::" in self.by


@dataclass(frozen=True)
class Limits:
    """Of a copy: seconds of processor time, and bytes of addresses beyond those it begins with."""

    seconds: float
    memory: int = MEMORY


class OriginalFails(Exception):
    """The unchanged implementation does not hold, so that nothing would prove anything; or it cannot be run."""


def try_mutants(job: Job, chosen: Callable[[list[tuple[str, Mutant]]], list[tuple[str, Mutant]]]) -> Iterator[Verdict]:
    """The verdicts as they come. `chosen` picks those to try among the mutants that an obligation reaches.

    Raises `OriginalFails`.
    """
    context = get_context("spawn")  # this process may have threads; the one that is copied must not
    here, there = context.Pipe()
    os.environ["OMP_NUM_THREADS"] = "1"
    server = context.Process(target=_serve, args=(there, job))
    server.start()
    there.close()
    try:
        controls = [_answer(here) for _ in range(2 if job.files else 1)]
        if failed := [words for control in controls for words in control.failed]:
            raise OriginalFails("; ".join(failed))
        reached = [(module, m) for module, m in job.mutants if any(c.reaching(module, m) for c in controls)]
        kept = set(reached)
        yield from (Verdict(module, m, "unreached") for module, m in job.mutants if (module, m) not in kept)
        here.send(chosen(reached))
        while (verdict := _answer(here)) is not None:
            yield verdict
    finally:
        here.close()
        if server.is_alive():
            server.kill()  # and with it, what it has copied
        server.join()


def _answer(here: Any) -> Any:
    try:
        answer = here.recv()
    except EOFError:
        raise OriginalFails("the process that runs the original ended early") from None
    if isinstance(answer, str):
        raise OriginalFails(answer)
    return answer


def _serve(there: Any, job: Job) -> None:
    """The process that is copied: it imports the kernels, and runs none of them itself."""
    _end_with_parent()
    sys.path[:0] = [p for p in (str(Path.cwd()), str(job.root)) if p not in sys.path]
    os.environ.setdefault("HYPOTHESIS_STORAGE_DIRECTORY", str(job.root / ".albor" / "hypothesis"))
    try:
        bench = Bench(
            job.root, job.contract, job.binding, job.tests, job.trials, job.large, job.seed, job.cases,
            sorted({module for module, _ in job.mutants}),
        )  # fmt: skip
    except Exception as error:
        there.send(f"{type(error).__name__}: {error}")
        return
    first = _Copy(bench.control, None)
    control = first.result()
    if not isinstance(control, Control):
        there.send(f"the original ended its process: {first.ending()}")
        return
    there.send(control)
    warm(control.modules)
    limits = _limits(control)
    if job.files:
        from .suite import Suite

        suite = Suite(job.root, job.files)
        second = _Copy(partial(suite.control, bench.modules), None)
        of_tests = second.result()
        if not isinstance(of_tests, Control):
            there.send(f"the tests ended their process: {second.ending()}")
            return
        there.send(of_tests)
        limits = _limits(control, of_tests)

    def judged(module: str, mutant: Mutant) -> tuple[str, str]:
        plant(sys.modules[module], mutant)
        by, message = bench.judge(mutant, control.reaching(module, mutant))
        if not by and job.files and (tests := of_tests.reaching(module, mutant)):
            by, message = suite.kills(tests)
        return by, message

    waiting = list(reversed(there.recv()))
    running: list[tuple[str, Mutant, _Copy]] = []
    while waiting or running:
        while waiting and len(running) < job.workers:
            module, mutant = waiting.pop()
            running.append((module, mutant, _Copy(partial(judged, module, mutant), limits)))
        connection.wait([copy.channel for _, _, copy in running], timeout=1.0)
        for entry in list(running):
            if entry[2].done():
                running.remove(entry)
                there.send(_verdict(*entry))
    there.send(None)


def _verdict(module: str, mutant: Mutant, copy: _Copy) -> Verdict:
    found = copy.result()
    seconds = round(time.monotonic() - copy.begin, 3)
    if found is None:
        outcome = "timeout" if copy.late or copy.process.exitcode in (-signal.SIGXCPU, -signal.SIGKILL) else "crashed"
        return Verdict(module, mutant, outcome, message=copy.ending(), seconds=seconds)
    by, message = found
    return Verdict(module, mutant, "killed" if by else "survived", by, message, seconds)


class _Copy:
    """A forked process that computes one thing and sends it back, or ends without."""

    def __init__(self, work: Callable[[], Any], limits: Limits | None) -> None:
        context = get_context("fork")
        self.channel, end = context.Pipe(duplex=False)
        self.begin, self.late = time.monotonic(), False
        self.wait = None if limits is None else limits.seconds * WAITING
        self.process = context.Process(target=_work, args=(work, end, limits))
        self.process.start()
        end.close()

    def done(self) -> bool:
        if self.wait is not None and time.monotonic() - self.begin > self.wait:
            self.late = True
            self.process.kill()
        return self.late or self.channel.poll() or not self.process.is_alive()

    def result(self) -> Any:
        """What the copy sent; None when it ended without."""
        try:
            found = self.channel.recv() if not self.late else None
        except (EOFError, OSError):
            found = None
        self.process.join()
        return found

    def ending(self) -> str:
        code = self.process.exitcode or 0
        return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit status {code}"


def _work(work: Callable[[], Any], end: Any, limits: Limits | None) -> None:
    _end_with_parent()
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(null, stream)
    if limits is not None:
        _restrain(limits)
    before = _addresses("VmSize")
    found = work()
    if isinstance(found, Control):
        found.memory = _addresses("VmPeak") - before
    end.send(found)
    end.close()
    os._exit(0)  # nothing of what the mutant left behind runs


def _limits(*controls: Control) -> Limits:
    """Several times what the original takes."""
    seconds = [TIMES * sum(control.seconds.values()) for control in controls]
    return Limits(max(LEAST_SECONDS, *seconds), MEMORY + max(control.memory for control in controls))


def _addresses(what: str) -> int:
    """Bytes of addresses that this process has (VmSize), or had at most (VmPeak); 0 where the system does not say."""
    with contextlib.suppress(OSError):
        found = re.search(rf"^{what}:\s+([0-9]+) kB$", Path("/proc/self/status").read_text(), re.MULTILINE)
        return int(found[1]) << 10 if found else 0
    return 0


def _end_with_parent() -> None:
    """However the parent ends, this process ends too; on Linux, as a Triton kernel is."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def _restrain(limits: Limits) -> None:
    used = sum(resource.getrusage(resource.RUSAGE_SELF)[:2])
    resource.setrlimit(resource.RLIMIT_CPU, (int(used + limits.seconds) + 1, int(used + limits.seconds) + 3))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if size := _addresses("VmSize"):
        resource.setrlimit(resource.RLIMIT_AS, (size + limits.memory, size + limits.memory))


def sample(mutants: Sequence[tuple[str, Mutant]], limit: int | None, seed: int) -> list[tuple[str, Mutant]]:
    """At most `limit` of the mutants, drawn by `seed`, in the order of the source."""
    import random

    if limit is None or limit >= len(mutants):
        return list(mutants)
    places = random.Random(seed).sample(range(len(mutants)), limit)
    return [mutants[k] for k in sorted(places)]
