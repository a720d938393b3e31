"""One workload at one size: arguments, variants, times. What goes wrong with a variant is part of its result."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from .ceiling import passes
from .measure import Clock, Program, Quantiles, interleave
from .workload import Workload, calls, size_of, snapshot, tensors_of

OWN = "albor"
AGAIN, COPY = "albor again", "a copy"
PEERS = ("eager", "compile", "liger")
PART = 1 << 24  # elements that are compared at a time


@dataclass(frozen=True)
class Timing:
    """What was found of one variant; `error` instead of `time` when it could not be measured."""

    time: Quantiles | None = None
    method: str = ""
    why: str = ""  # there is no graph
    synchronises: str = ""
    peak_bytes: int | None = None
    host_ms: float | None = None
    difference: float | None = None  # from the kernel's result: norm of the difference over its norm
    note: str = ""
    error: str = ""
    again: float | None = None  # median of the same variant, prepared and measured once more among the others


@dataclass(frozen=True)
class Result:
    """All variants of one workload at one size. `absent`: peers that were asked for and are not here, and why."""

    workload: Workload
    size: str
    dims: Mapping[str, int]
    sets: int
    timings: Mapping[str, Timing]
    absent: Mapping[str, str] = field(default_factory=dict)
    state: str = ""
    copy: float | None = None  # median of a copy of as many bytes, measured among the variants

    @property
    def own(self) -> Timing:
        return self.timings[OWN]


def run_workload(
    workload: Workload,
    size: str,
    dims: Mapping[str, int],
    clock: Clock,
    device: torch.device,
    *,
    peers: Collection[str] = PEERS,
    rounds: int = 20,
    seed: int = 0,
    state: Callable[[], str] = lambda: "",
    compiler: Callable[[Any], Any] | None = None,
    controls: bool = False,
) -> Result:
    """Measure the kernel and those of `peers` that it has, in turn. `compiler` is torch.compile unless it is given.

    `controls` adds two variants: the kernel itself once more, since how far its two times lie apart is what this run
    can tell apart at all; and, where memory is the limit, a copy of as many bytes, whose launch weighs as much.
    """
    try:
        first = workload.arguments(dims, device, seed)
        count = clock.sets(size_of(first))
        sets = [first, *(workload.arguments(dims, device, seed + k) for k in range(1, count))]
    except Exception as error:  # the memory may not hold them; the other workloads are still measured
        return Result(workload, size, dims, 0, {OWN: Timing(error=_words(error))}, {}, state())

    programs: dict[str, Program] = {}
    timings: dict[str, Timing] = {}
    differences: dict[str, float | None] = {}
    reference: list[torch.Tensor] = []
    absent: dict[str, str] = {}
    offered = workload.peers()
    for name in (OWN, *(p for p in PEERS if p in peers), *([AGAIN] if controls else [])):
        if name not in (OWN, AGAIN) and name not in offered:
            absent[name] = "has no such kernel"
            continue
        peer, form = workload.variant(OWN if name == AGAIN else name)
        try:
            wrap = (compiler or _compiler()) if name == "compile" else None
            made = calls(peer, form, sets, wrap, workload.wrt)
            found = made[0]()  # also compiles
            if name == OWN:
                reference = snapshot(found)
            elif name != AGAIN:
                differences[name] = _difference(reference, peer.result(found) if peer.result else found)
            del found
            for call in made[1:]:
                call()
            programs[name] = clock.program(made)
        except ModuleNotFoundError as error:
            if name == OWN:
                timings[name] = Timing(error=_words(error))
            else:
                absent[name] = f"{error.name} is not installed"
        except Exception as error:  # whatever a library raises, the others are still measured
            timings[name] = Timing(note=peer.note, error=_words(error))

    if controls and workload.limit == "copy" and OWN in programs:
        with contextlib.suppress(torch.OutOfMemoryError):  # the kernel is measured all the same
            programs[COPY] = clock.program(passes(workload.cost(workload.bytes, dims), count, device))

    times: Sequence[Quantiles] = ()
    try:
        times = interleave(clock, list(programs.values()), rounds, discard=2 if clock.kind == "cuda" else 0)
    except Exception as error:  # an error of the device shows when it is waited for, and is nobody's in particular
        timings |= {name: Timing(error=_words(error)) for name in programs}
        programs = {}
    medians = {name: time.p50 for name, time in zip(programs, times, strict=True)}
    for (name, program), time in zip(programs.items(), times, strict=True):
        if name in (AGAIN, COPY):
            continue
        timings[name] = Timing(
            time, program.method, program.why, program.synchronises, program.peak_bytes, program.host_ms,
            differences.get(name), workload.variant(name)[0].note, again=medians.get(AGAIN) if name == OWN else None,
        )  # fmt: skip
    in_order = {name: timings[name] for name in (OWN, *PEERS) if name in timings}
    return Result(workload, size, dims, count, in_order, absent, state(), medians.get(COPY))


def _compiler() -> Callable[[Any], Any]:
    """torch.compile for fixed shapes, started afresh: what it knows of an earlier workload must not count."""
    import torch._dynamo
    import torch._functorch.config as functorch

    torch._dynamo.reset()
    # The backward pass is run many times from one forward pass, so that its inputs may not be reused for outputs.
    functorch.donated_buffer = False
    return lambda function: torch.compile(function, dynamic=False)


def _difference(own: Any, other: Any) -> float | None:
    """The largest relative distance between tensors of both results that stand at one place and have one shape."""
    found = [
        _distance(a.detach().reshape(-1), b.detach().reshape(-1))
        for a, b in zip(tensors_of(own), tensors_of(other), strict=False)
        if a.shape == b.shape and a.numel() and a.is_floating_point() and b.is_floating_point()
    ]
    if any(math.isnan(d) for d in found):
        return math.nan
    return max(found, default=None)


def _distance(a: torch.Tensor, b: torch.Tensor) -> float:
    """The norm of a - b over that of a, in float64; part by part, since a copy of logits in float64 may not fit."""
    apart = norm = torch.zeros((), dtype=torch.float64, device=a.device)
    for x, y in zip(a.split(PART), b.split(PART), strict=True):
        apart, norm = apart + (x.double() - y.double()).square().sum(), norm + x.double().square().sum()
    return float(apart.sqrt() / norm.sqrt().clamp(min=1e-30))


def _words(error: Exception) -> str:
    lines: Sequence[str] = str(error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {lines[0][:200]}"
