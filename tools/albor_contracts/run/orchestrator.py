"""Work through tests in a few worker processes, whatever the kernels under test do to them.

A worker that dies or falls silent loses only the test it was at: that one is reported as crashed or timed out, with
the signal and the last lines it wrote, and the rest go on in a fresh worker. A test that has begun never runs twice.
"""

from __future__ import annotations

import contextlib
import signal
import tempfile
import threading
import time
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from ..events import (
    BAD_OUTCOMES,
    Event,
    Failure,
    Listener,
    ObligationFinished,
    ObligationStarted,
    Progress,
    RunFinished,
    RunStarted,
    TestFinished,
    TestStarted,
    WorkerFailed,
)
from .worker import Ahead, Command, Worker, exit_words

POLL_SECONDS = 0.05
IMPATIENT = 6  # a group of which one test has stalled is waited for so many times less long


@dataclass(frozen=True)
class Job:
    """A test to run: the id that a worker is given and reports back, and how long it is expected to take.

    Tests of one group share what a worker must load for them, and stay together unless they are a large part of all.
    Once one of them has stalled the others have a sixth of the time: they are likely to wait for the same thing.
    """

    test: str
    weight: float = 1.0
    group: str = ""


@dataclass
class RunResult:
    """What came of a run. `crashed` and `timed_out` are the tests whose worker had to be given up."""

    outcomes: Counter[str] = field(default_factory=Counter)
    finished: list[str] = field(default_factory=list)
    crashed: list[str] = field(default_factory=list)
    timed_out: list[str] = field(default_factory=list)
    not_run: list[str] = field(default_factory=list)
    test_failures: list[str] = field(default_factory=list)
    workers: int = 0
    garbage: int = 0
    seconds: float = 0.0
    interrupted: bool = False

    @property
    def exit_code(self) -> int:
        """0 everything held, 1 something was falsified or is incomplete, 2 interrupted before a verdict."""
        if self.interrupted:
            return 2
        bad = any(self.outcomes[name] for name in BAD_OUTCOMES) or self.crashed or self.timed_out
        if bad or self.not_run or self.test_failures:
            return 1
        judged = self.outcomes["passed"] or self.outcomes["partial"]
        return 0 if judged else 1  # an empty run is not a green one


def run_jobs(
    jobs: Sequence[Job],
    command: Command,
    *,
    on_event: Listener,
    workers: int = 2,
    stall_seconds: float = 60.0,
    startup_seconds: float = 180.0,
    batches: int = 1,
    cwd: str | Path | None = None,
    env: Mapping[str, str] | None = None,
    ahead: Ahead | None = None,
) -> RunResult:
    """Run all `jobs` in up to `workers` processes and tell `on_event` everything as it happens.

    `command(tests, channel)` builds the command line of a worker that runs the tests in order, appending events as
    JSON lines to the file `channel`: `TestStarted` and `TestFinished` around each test, and in between whatever it
    has to say. `stall_seconds` is the longest silence inside a test, `startup_seconds` the longest before the first
    event and between tests. With `batches` above 1 half of the work is handed out first, then half of the rest,
    and so on, to whichever worker is done: better balance, more start-ups.
    `ahead` is a process that makes ready already; the first worker is that one.
    Ctrl-C and SIGTERM end the workers and return a result that says so.
    """
    run = _Run(
        tell=on_event,
        command=command,
        stall_seconds=stall_seconds,
        startup_seconds=startup_seconds,
        cwd=Path(cwd) if cwd else None,
        env=env,
        ahead=ahead,
        queue=deque(_shares(jobs, max(1, workers), max(1, batches))),
        groups={job.test: job.group for job in jobs},
    )
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="albor-run-", ignore_cleanup_errors=True) as folder:
        run.folder = Path(folder)
        try:
            with _terminate_as_interrupt():
                run.loop(max(1, workers))
        except KeyboardInterrupt:
            run.result.interrupted = True
        finally:
            run.abandon()
    run.result.seconds = time.monotonic() - began
    on_event(
        RunFinished(outcomes=dict(run.result.outcomes), seconds=run.result.seconds, interrupted=run.result.interrupted)
    )
    return run.result


def _shares(jobs: Sequence[Job], workers: int, batches: int = 1) -> list[list[str]]:
    """The jobs in at most `workers * batches` lists, in the order in which they are to be handed out.

    Each batch is half as heavy as what remains, the last takes the rest; within a batch lists weigh about the same.
    Groups stay together unless they are heavy for the lightest list. Within a list jobs keep their order.
    """
    shares = [0.5 ** min(k + 1, batches - 1) / workers for k in range(batches) for _ in range(workers)]
    place = {job.test: k for k, job in enumerate(jobs)}
    unique = list({job.test: job for job in jobs}.values())
    total = sum(job.weight for job in unique)
    pieces = _pieces(unique, min(shares) * total / 4)
    room = [share * total for share in shares]
    lists: list[list[str]] = [[] for _ in shares]
    for weight, tests in sorted(pieces, key=lambda piece: (-piece[0], place[piece[1][0]])):
        roomiest = max(range(len(room)), key=lambda k: (room[k], -k))
        room[roomiest] -= weight
        lists[roomiest] += tests
    return [sorted(tests, key=place.__getitem__) for tests in lists if tests]


def _pieces(jobs: Sequence[Job], limit: float) -> list[tuple[float, list[str]]]:
    """Jobs of one group in pieces that weigh no more than `limit` (or are a single job), each with its weight."""
    pieces: list[tuple[float, list[str]]] = []
    latest: dict[str, int] = {}  # group -> its piece that still takes jobs
    for job in jobs:
        at = latest.get(job.group) if job.group else None
        if at is not None and pieces[at][0] + job.weight <= limit:
            pieces[at] = pieces[at][0] + job.weight, [*pieces[at][1], job.test]
        else:
            latest[job.group] = len(pieces)
            pieces.append((job.weight, [job.test]))
    return pieces


@dataclass
class _Seat:
    """A worker together with what its parent knows of it."""

    worker: Worker
    left: list[str]
    retried: bool
    test: str = ""  # the test in progress
    open: dict[tuple[str, str, str, str], ObligationStarted] = field(default_factory=dict)
    cases: int = 0
    progressed: bool = False


@dataclass
class _Run:
    tell: Listener
    command: Command
    stall_seconds: float
    startup_seconds: float
    cwd: Path | None
    env: Mapping[str, str] | None
    ahead: Ahead | None
    queue: deque[list[str]]
    groups: Mapping[str, str]
    folder: Path = Path()
    result: RunResult = field(default_factory=RunResult)
    seats: list[_Seat] = field(default_factory=list)
    stalled: set[str] = field(default_factory=set)  # groups
    retries: set[str] = field(default_factory=set)  # first tests of lists whose worker died before it did anything
    announced: bool = False

    def loop(self, workers: int) -> None:
        while self.queue or self.seats:
            while self.queue and len(self.seats) < workers:
                self.start(self.queue.popleft())
            for seat in list(self.seats):
                self.attend(seat)
            time.sleep(POLL_SECONDS)

    def start(self, tests: list[str]) -> None:
        self.result.workers += 1
        folder = self.folder / f"worker-{self.result.workers}"
        try:
            worker = Worker(tests, self.command, folder, self.cwd, self.env, self.ahead)
        except OSError as error:
            self.give_up(tests, f"the worker cannot be started: {error}", "")
            return
        self.ahead = None
        self.seats.append(_Seat(worker, list(tests), retried=tests[0] in self.retries))

    def attend(self, seat: _Seat) -> None:
        status = seat.worker.poll()  # before reading: after its end nothing is added
        for event in seat.worker.read():
            self.take(seat, event)
        if status is not None:
            self.ended(seat, f"the process {exit_words(status)}", "crashed")
            return
        patience = self.patience(seat.test)
        if seat.worker.silent_for() > patience:
            seat.worker.ask_where()
            seat.worker.kill()
            for event in seat.worker.read():
                self.take(seat, event)
            if group := self.groups.get(seat.test):
                self.stalled.add(group)
            self.ended(seat, f"no sign of life for {patience:g} s; the process was ended", "timeout")

    def patience(self, test: str) -> float:
        """The longest silence in a test, or between tests."""
        if not test:
            return self.startup_seconds
        return self.stall_seconds / (IMPATIENT if self.groups.get(test) in self.stalled else 1)

    def take(self, seat: _Seat, event: Event) -> None:
        if isinstance(event, RunFinished):
            return  # the parent says that when all workers are done
        if isinstance(event, RunStarted):
            if self.announced:
                return
            self.announced = True
        elif isinstance(event, TestStarted):
            seat.test, seat.cases, seat.progressed = event.test, 0, True
        elif isinstance(event, TestFinished):
            self.finish_test(seat, event)
        elif isinstance(event, ObligationStarted):
            seat.open[_key(event)] = event
            seat.cases = 0
        elif isinstance(event, Progress):
            seat.cases = event.cases
        elif isinstance(event, ObligationFinished):
            seat.open.pop(_key(event), None)
            self.result.outcomes[event.outcome] += 1
        self.tell(event)

    def finish_test(self, seat: _Seat, event: TestFinished) -> None:
        if event.test in seat.left:
            seat.left.remove(event.test)
        seat.test, seat.progressed = "", True
        seat.open.clear()
        self.result.finished.append(event.test)
        if event.outcome in BAD_OUTCOMES:
            self.result.test_failures.append(event.test)

    def ended(self, seat: _Seat, why: str, outcome: str) -> None:
        """The worker is gone: settle the test it was at, and see to what it leaves behind."""
        self.seats.remove(seat)
        words, given = seat.worker.last_words(), seat.worker.last_input()
        self.result.garbage += seat.worker.garbage
        seat.worker.close()
        if seat.test:
            self.settle(seat, why, words, given, outcome)
        if not seat.left:
            return
        if seat.progressed or not seat.retried:
            if not seat.progressed:
                self.retries.add(seat.left[0])
            self.queue.appendleft(seat.left)
        else:
            self.give_up(seat.left, f"{why} before it began a test, twice", words)

    def settle(self, seat: _Seat, why: str, words: str, given: str, outcome: str) -> None:
        for started in seat.open.values():
            self.result.outcomes[outcome] += 1
            failure = Failure(
                property=started.property,
                message=f"{why}, after {seat.cases} cases or more" if seat.cases else why,
                case=given,
                replay=started.replay,
                traceback=words,
            )
            self.tell(started.finished(outcome, cases=seat.cases, failure=failure))
        if not seat.open:
            self.tell(WorkerFailed(tests=(seat.test,), message=f"{seat.test}: {why}", stderr=words))
        (self.result.crashed if outcome == "crashed" else self.result.timed_out).append(seat.test)
        self.tell(TestFinished(test=seat.test, outcome=outcome))
        if seat.test in seat.left:
            seat.left.remove(seat.test)

    def give_up(self, tests: Sequence[str], why: str, words: str) -> None:
        self.result.not_run += tests
        self.tell(WorkerFailed(tests=tuple(tests), message=f"{len(tests)} tests were not run: {why}", stderr=words))

    def abandon(self) -> None:
        """End what still runs, keeping the verdicts that have arrived."""
        for seat in self.seats:
            seat.worker.kill()
            for event in seat.worker.read():
                if isinstance(event, ObligationFinished | TestFinished):
                    self.take(seat, event)
            self.result.not_run += seat.left
            self.result.garbage += seat.worker.garbage
            seat.worker.close()
        for tests in self.queue:
            self.result.not_run += tests
        self.seats, self.queue = [], deque()


def _key(event: ObligationStarted | ObligationFinished) -> tuple[str, str, str, str]:
    return event.contract, event.obligation, event.binding, event.dtype


@contextlib.contextmanager
def _terminate_as_interrupt() -> Iterator[None]:
    """A polite request to end is treated like Ctrl-C. Only the main thread may set signal handlers."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
