"""Results as a table, as JSON and as records of evidence."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from ..events import KernelMeasured
from ..evidence.record import Record
from .ceiling import Ceilings
from .judge import Judgement
from .run import OWN, PEERS

CPU_NOTE = (
    "These times are of a CPU, where Triton kernels run in Triton's interpreter on tiny sizes. They show that every\n"
    "kernel and peer can be run and measured; they say nothing about a GPU, nor about which is faster. Percentages,\n"
    "ratios, peak memory and targets are therefore not shown."
)
DTYPES = {"torch.bfloat16": "bf16", "torch.float32": "f32", "torch.float16": "f16"}
COLUMNS = ("kernel", "size", "device", "ms p50", "of ceiling", *(f"x {p}" for p in PEERS), "target", "when", "state")
_UNITS = ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))


def quantity(value: float, unit: str) -> str:
    """`3.35e12` and `B/s` as `3.35 TB/s`."""
    for factor, letter in _UNITS:
        if value >= factor:
            return f"{value / factor:.3g} {letter}{unit}"
    return f"{value:.3g} {unit}"


def milliseconds(value: float) -> str:
    return f"{value:.4f}" if value < 1 else f"{value:.3f}" if value < 100 else f"{value:.0f}"


def table(judgements: Sequence[Judgement], ceilings: Ceilings | None, after: Ceilings | None = None) -> str:
    """One row for each kernel and size, and below them what needs words. On a GPU with rates, percentages, ratios:
    `ceiling` is of the large copy or product, `its copy` of a copy of as many bytes as the kernel moves.

    `after` are the ceilings measured again at the end: they show how far the device drifted.
    """
    rows = [_head(ceilings is not None)]
    notes: list[str] = []
    for j in judgements:
        rows.append(_row(j, ceilings is not None))
        notes += _notes(j)
    lines = _aligned(rows)
    if notes:
        lines += ["", *dict.fromkeys(notes)]
    if ceilings is not None:
        lines += ["", f"ceilings: {_ceilings(ceilings)}" + (f"; at the end {_ceilings(after)}" if after else "")]
        lines += [summary(judgements)]
    return "\n".join(lines)


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return [lines[0], "  ".join("-" * width for width in widths), *lines[1:]]


def _ceilings(ceilings: Ceilings) -> str:
    return f"copy {quantity(ceilings.copy, 'B/s')}, product {quantity(ceilings.gemm, 'FLOP/s')}"


def _head(gpu: bool) -> list[str]:
    head = ["kernel", "size", "ms p50", "p20", "p80", "work"]
    if gpu:
        return [
            *head,
            "rate",
            "ceiling",
            "its copy",
            "peak MiB",
            "call ms",
            *(f"x {p}" for p in PEERS),
            "waits",
            "target",
        ]
    return [*head, *(f"{p} ms" for p in PEERS)]


def _row(j: Judgement, gpu: bool) -> list[str]:
    r, own = j.result, j.result.own
    by_bytes = r.workload.limit == "copy"
    work = quantity(j.bytes, "B") if by_bytes else quantity(j.flops, "FLOP")
    times = ["failed", "", ""] if own.time is None else [milliseconds(t) for t in asdict(own.time).values()]
    row = [r.workload.name, r.size, *times, work]
    if not gpu:
        return [*row, *(_peer_time(j, p) for p in PEERS)]
    return [
        *row,
        "-" if j.rate is None else quantity(j.rate, "B/s" if by_bytes else "FLOP/s"),
        "-" if j.percent is None else f"{j.percent:.0f}%",
        "-" if r.copy is None or own.time is None else f"{100 * r.copy / own.time.p50:.0f}%",
        "-" if own.peak_bytes is None else f"{own.peak_bytes / 2**20:.1f}",
        "-" if own.host_ms is None else milliseconds(own.host_ms),
        *(f"{j.ratios[p]:.2f}" if p in j.ratios else "-" for p in PEERS),
        "yes" if own.synchronises else "no",
        j.target,
    ]


def _peer_time(j: Judgement, name: str) -> str:
    timing = j.result.timings.get(name)
    return "-" if timing is None or timing.time is None else milliseconds(timing.time.p50)


def _notes(j: Judgement) -> list[str]:
    """What a row cannot say, one line each."""
    r = j.result
    where = f"{r.workload.name}, {r.size}"
    notes = [f"{where}: PROBLEM: {problem}" for problem in j.problems]
    notes += [f"{where}: {reason}" for reason in j.reasons]
    for name, timing in r.timings.items():
        if timing.error and name != OWN:
            notes.append(f"{where}: {name} failed: {timing.error}")
        elif timing.why and name != OWN:
            notes.append(f"{where}: {name} is timed from Python: {timing.why}")
        if name != OWN and timing.time is not None and timing.difference is None and r.own.time is not None:
            notes.append(f"{where}: the result of {name} was not compared")
        if timing.note:
            notes.append(f"{r.workload.name}: {name}: {timing.note}")
    if r.own.synchronises and r.workload.synchronises:
        notes.append(f"{r.workload.name} is timed from Python: it waits once, {r.workload.synchronises}")
    notes += [f"{r.workload.name}: {name} {why}" for name, why in r.absent.items()]
    return notes


def summary(judgements: Sequence[Judgement]) -> str:
    counts = {state: sum(j.target == state for j in judgements) for state in ("met", "missed", "not measured")}
    return f"targets: {', '.join(f'{n} {state}' for state, n in counts.items())}"


def data(
    judgements: Sequence[Judgement],
    ceilings: Ceilings | None,
    device: str,
    versions: Mapping[str, str],
    rounds: int,
    after: Ceilings | None = None,
) -> dict[str, Any]:
    """Everything that was found, as JSON data."""
    return {
        "device": device,
        "note": CPU_NOTE.replace("\n", " ") if ceilings is None else "",
        "versions": dict(versions),
        "rounds": rounds,
        "ceilings": None if ceilings is None else _rates(ceilings),
        "ceilings_after": None if after is None else _rates(after),
        "results": [_data(j) for j in judgements],
        "targets": {state: sum(j.target == state for j in judgements) for state in ("met", "missed", "not measured")},
        "problems": [f"{j.result.workload.name}, {j.result.size}: {p}" for j in judgements for p in j.problems],
    }


def _rates(ceilings: Ceilings) -> dict[str, float]:
    return {"copy_bytes_per_s": ceilings.copy, "gemm_flop_per_s": ceilings.gemm}


def _data(j: Judgement) -> dict[str, Any]:
    r, work = j.result, j.result.workload
    return {
        "contract": work.contract,
        "kernel": work.kernel,
        "callable": work.kernel_name,
        "size": r.size,
        "dims": dict(r.dims),
        "dtype": DTYPES[str(work.dtype)],
        "argument_sets": r.sets,
        "bytes": j.bytes,
        "flops": j.flops,
        "limit": work.limit,
        "rate": j.rate,
        "percent": j.percent,
        "copy_of_as_many_bytes_ms": r.copy,
        "variants": {name: _finite(asdict(timing)) for name, timing in r.timings.items()},
        "absent": dict(r.absent),
        "ratios": dict(j.ratios),
        "target": {"percent": work.target, "verdict": j.target, "reasons": list(j.reasons)},
        "problems": list(j.problems),
        "state": r.state,
    }


def _finite(values: dict[str, Any]) -> dict[str, Any]:
    """NaN, which is not JSON, as text."""
    return {name: str(v) if isinstance(v, float) and math.isnan(v) else v for name, v in values.items()}


def record(j: Judgement, kind: str, device: str, rounds: int, kernel_hash: str) -> KernelMeasured | None:
    """The verdict to keep; None when the kernel was not measured."""
    r, work, own = j.result, j.result.workload, j.result.own
    if own.time is None:
        return None
    return KernelMeasured(
        contract=work.contract, kernel=work.kernel_name, size=r.size, dims=dict(r.dims), p50=own.time.p50,
        p20=own.time.p20, p80=own.time.p80, dtype=DTYPES[str(work.dtype)], device=kind, device_name=device,
        state=r.state, method=own.method, rounds=rounds, bytes=j.bytes, flops=j.flops, limit=work.limit,
        ceiling=j.ceiling, percent=j.percent, host_ms=own.host_ms, peak_bytes=own.peak_bytes,
        peers={name: t.time.p50 for name, t in r.timings.items() if name != OWN and t.time is not None},
        target=j.target, kernel_hash=kernel_hash, message="; ".join((*j.problems, *j.reasons)),
    )  # fmt: skip


def recorded(records: Sequence[Record], current: Callable[[Record], str]) -> str:
    """What earlier runs found, one row a record; `stale` where the kernel has changed since. `current` gives the hash
    a record's kernel has now. Ratios as in `table`, and only for a GPU."""
    rows: list[Sequence[str]] = [COLUMNS]
    for r in records:
        v = r.verdict
        assert isinstance(v, KernelMeasured)
        gpu = v.percent is not None
        rows.append([
            v.kernel, v.size, v.device_name or v.device, milliseconds(v.p50), f"{v.percent:.0f}%" if gpu else "-",
            *(f"{v.peers[p] / v.p50:.2f}" if gpu and p in v.peers else "-" for p in PEERS), v.target, r.time,
            "fresh" if v.kernel_hash == current(r) else "stale",
        ])  # fmt: skip
    return "\n".join(_aligned(rows))
