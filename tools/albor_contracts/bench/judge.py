"""What times mean: rates, percent of a ceiling, ratios to peers, targets. Nothing is judged but times of a GPU."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from .ceiling import Ceilings
from .run import OWN, Result, Timing

NEVER_SLOWER_THAN = ("compile", "liger")
DIFFERENT = 0.05
"""A peer whose result is further from the kernel's, relative to its norm, does not compute the same."""


@dataclass(frozen=True)
class Judgement:
    """One result with what follows from it. On a CPU all is None and the target is not measured."""

    result: Result
    bytes: int
    flops: int
    rate: float | None  # bytes or FLOP a second, whichever the ceiling is about
    ceiling: float | None
    percent: float | None
    ratios: Mapping[str, float]  # the peer's time over the kernel's: above 1 the kernel is faster
    target: str  # met, missed, not measured
    reasons: tuple[str, ...]  # of a target that was not met
    problems: tuple[str, ...]  # what must not be, target or none

    @property
    def intensity(self) -> float:
        """FLOP a byte."""
        return self.flops / self.bytes


def judge(result: Result, ceilings: Ceilings | None, asked: Collection[str]) -> Judgement:
    """Judge one result; `ceilings` is None where times say nothing about the kernel."""
    work = result.workload
    amounts = {"copy": work.cost(work.bytes, result.dims), "gemm": work.cost(work.flops, result.dims)}
    rate = ceiling = percent = None
    ratios: dict[str, float] = {}
    if ceilings is not None and result.own.time is not None:
        ceiling = ceilings.of(work.limit)
        rate = amounts[work.limit] / (result.own.time.p50 * 1e-3)
        percent = 100 * rate / ceiling
        ratios = {
            name: timing.time.p50 / result.own.time.p50
            for name, timing in result.timings.items()
            if name != OWN and timing.time is not None
        }
    target, reasons = _target(result, percent, ratios, asked) if ceilings is not None else ("not measured", [])
    return Judgement(
        result, amounts["copy"], amounts["gemm"], rate, ceiling, percent, ratios, target, tuple(reasons),
        tuple(_problems(result)),
    )  # fmt: skip


def _target(
    result: Result, percent: float | None, ratios: Mapping[str, float], asked: Collection[str]
) -> tuple[str, list[str]]:
    missed, open_ = [], []
    wanted = result.workload.target
    judged = wanted is not None
    if percent is None:
        open_.append("the kernel was not measured")
    elif wanted is not None and percent < wanted:
        missed.append(f"{percent:.0f}% of the {result.workload.limit} ceiling, the target is {wanted:.0f}%")
    for name in NEVER_SLOWER_THAN:
        if name not in asked or name not in result.workload.peers():
            continue
        judged = True
        if name not in ratios:
            open_.append(f"{name} was not measured")
        elif slower(result.own, result.timings[name]):
            missed.append(f"slower than {name}: {1 / ratios[name]:.2f} of its time")
    if not judged:
        open_.append("without a percentage or a peer that was asked for there is nothing to hold it to")
    return ("missed" if missed else "not measured" if open_ else "met"), missed + open_


def slower(own: Timing, other: Timing) -> bool:
    """Whether the median is above the other's 80th percentile, and the other's below the kernel's 20th: by more than
    both scatter. And by more than the kernel's own two times lie apart, where it was measured twice: a program on other
    addresses in memory repeats its own times to a tenth of a percent, and those of its twin less well."""
    if own.time is None or other.time is None:
        return False
    apart = abs(own.time.p50 - own.again) if own.again is not None else 0.0
    return (
        own.time.p50 > other.time.p80
        and other.time.p50 < own.time.p20
        and min(own.time.p50, own.again or own.time.p50) - other.time.p50 > apart
    )


def _problems(result: Result) -> list[str]:
    found = []
    own, work = result.own, result.workload
    if own.error:
        found.append(f"the kernel failed: {own.error}")
    if own.synchronises and not work.synchronises:
        found.append(f"a call makes the host wait: {own.synchronises}")
    elif own.why and not work.synchronises:
        found.append(f"no graph: {own.why}")
    for name, timing in result.timings.items():
        if timing.difference is not None and not timing.difference <= DIFFERENT:
            shown = "NaN" if math.isnan(timing.difference) else f"{timing.difference:.2g} of its norm apart"
            found.append(f"{name} computes something else: {shown}")
    return found


def fails(judgements: Collection[Judgement], gate: bool) -> bool:
    """Whether the run does not hold: a problem, or, as a gate, a target that was missed or could not be judged."""
    return any(j.problems or (gate and j.target != "met") for j in judgements)
