"""The method of measuring, free of any device: `Clock` is what a device must offer.

Each variant of a workload (the kernel and its peers) is prepared on several sets of arguments, which together exceed
the last cache several times, and is run on them in turn, so that no call finds its arguments in the cache. One
`Program` is many such calls; the programs of all variants are replayed in turn, so that a drift of clocks or
temperature meets all alike. A sample is the time of one replay divided by its calls.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

CACHES = 3  # the rotated arguments exceed the last cache so many times
LEAST_SETS = 2
MOST_CALLS = 200
LEAST_SECONDS = 0.02  # of one replay; short ones are made longer by more calls, up to MOST_CALLS

Call = Callable[[], Any]


@dataclass(frozen=True)
class Quantiles:
    """Milliseconds of one call: median, 20th and 80th percentile over the rounds."""

    p50: float
    p20: float
    p80: float


@dataclass
class Program:
    """One variant, ready to be replayed. Without a graph, `why` says why there is none."""

    replay: Callable[[], Any]
    calls: int
    method: str = "calls"  # graph: the device alone; calls: from Python, one after another
    why: str = ""
    synchronises: str = ""  # the device's message when a call made the host wait; "" when none did
    peak_bytes: int | None = None  # allocated by one call beyond its arguments
    host_ms: float | None = None
    keeps: Any = None  # what a graph reads by address: it must live as long as the graph


class Clock(Protocol):
    """What a device must offer to be measured on."""

    kind: str  # cpu, cuda

    def sets(self, nbytes: int) -> int:
        """How many sets of arguments of `nbytes` each are rotated."""

    def program(self, calls: Sequence[Call]) -> Program:
        """A program that runs the calls (one for each set of arguments) in turn; they have been run before."""

    def lap(self, program: Program) -> Callable[[], float]:
        """Begin one replay; the function returned gives its milliseconds once `finish` was called."""

    def finish(self) -> None:
        """Wait for all laps."""


def sets_needed(nbytes: int, cache: int) -> int:
    """The sets of arguments that exceed `CACHES` times the cache, at least two."""
    return max(LEAST_SETS, -(-CACHES * cache // max(nbytes, 1)))


def calls_needed(seconds_a_call: float, sets: int) -> int:
    """The calls of a replay: whole rotations that last LEAST_SECONDS, but no more than MOST_CALLS in all."""
    wanted = min(MOST_CALLS, -(-LEAST_SECONDS // max(seconds_a_call, 1e-9)))
    return int(sets * max(1, -(-wanted // sets)))


def order(variants: int, round_: int) -> list[int]:
    """The order of one round: each variant once, another first in each round, so that none always follows the same."""
    turned = [(round_ + k) % variants for k in range(variants)]
    return turned if round_ // variants % 2 == 0 else turned[::-1]


def interleave(clock: Clock, programs: Sequence[Program], rounds: int, discard: int = 1) -> list[Quantiles]:
    """Replay all programs in turn, `rounds` times after `discard` rounds that do not count."""
    laps: list[list[Callable[[], float]]] = [[] for _ in programs]
    for number in range(discard + rounds):
        for k in order(len(programs), number):
            lap = clock.lap(programs[k])
            if number >= discard:
                laps[k].append(lap)
    clock.finish()
    return [quantiles([lap() / program.calls for lap in taken]) for program, taken in zip(programs, laps, strict=True)]


def quantiles(samples: Sequence[float]) -> Quantiles:
    """Median, p20 and p80, each between the two nearest samples in proportion."""
    ordered = sorted(samples)
    return Quantiles(*(_quantile(ordered, q) for q in (0.5, 0.2, 0.8)))


def _quantile(ordered: Sequence[float], q: float) -> float:
    place = q * (len(ordered) - 1)
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (place - low) * (ordered[high] - ordered[low])


class CpuClock:
    """Wall time. Kernels run in an interpreter here: what it tells is that they run, not how fast they are."""

    kind = "cpu"

    def __init__(self, now: Callable[[], float] = time.perf_counter) -> None:
        self.now = now

    def sets(self, nbytes: int) -> int:
        return LEAST_SETS

    def program(self, calls: Sequence[Call]) -> Program:
        def replay() -> None:
            for call in calls:
                call()

        return Program(replay, len(calls))

    def lap(self, program: Program) -> Callable[[], float]:
        start = self.now()
        program.replay()
        took = 1e3 * (self.now() - start)
        return lambda: took

    def finish(self) -> None:
        pass
