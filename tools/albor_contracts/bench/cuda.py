"""The clock of an NVIDIA GPU, through torch: everything here needs one, and nothing else in this package does.

The calls of a program are captured in one CUDA graph, whose replay leaves Python and the launch path out. What cannot
be captured (a call that makes the host wait cannot) is run from Python between two events, and the report says so.
All work is on one stream of its own: the backward pass of autograd runs on the stream of its forward pass, and it must
be the one that is captured.
"""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch

from .measure import Call, Program, calls_needed, sets_needed

WARM_UP = 0.2  # seconds before a variant is captured: clocks settle
HOST_CALLS = 50
SPIN_CYCLES = 3_000_000  # one or two milliseconds of a busy device before each replay


class CudaClock:
    """Events on one stream. Use it inside `with clock.on_stream():`."""

    kind = "cuda"

    def __init__(self) -> None:
        self.device = torch.device("cuda", torch.cuda.current_device())
        self.properties = torch.cuda.get_device_properties(self.device)
        self.stream = torch.cuda.Stream(self.device)

    @contextmanager
    def on_stream(self) -> Iterator[None]:
        with torch.cuda.stream(self.stream):
            yield
        self.finish()

    def sets(self, nbytes: int) -> int:
        return sets_needed(nbytes, self.properties.L2_cache_size)

    def program(self, calls: Sequence[Call]) -> Program:
        self.finish()
        peak = self._peak(calls[-1])
        synchronises = _synchronises(calls[-1])
        seconds = self._warm_up(calls)
        host_ms = self._host(calls)
        count = calls_needed(seconds, len(calls))
        program = Program(
            lambda: _run(calls, count), count, synchronises=synchronises, peak_bytes=peak, host_ms=host_ms
        )
        if synchronises:
            program.why = "a call makes the host wait"
            return program
        graph = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(graph, stream=self.stream):
                _run(calls, count)
        except Exception as error:
            self.finish()
            program.why = f"not captured: {_first_line(error)}"
            return program
        # A graph knows addresses only. What the calls hold beside their arguments (tables of addresses, copies made for
        # a peer) would be freed with them, and a replay would read whatever was put in its place.
        program.replay, program.method, program.keeps = graph.replay, "graph", calls
        return program

    def lap(self, program: Program) -> Callable[[], float]:
        # The device spins while the host puts the first event and the replay in the queue: else the time the host
        # needs to launch a graph would lie between the events.
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        torch.cuda._sleep(SPIN_CYCLES)
        start.record(self.stream)
        program.replay()
        end.record(self.stream)
        return lambda: start.elapsed_time(end)

    def finish(self) -> None:
        torch.cuda.synchronize(self.device)

    def _peak(self, call: Call) -> int:
        torch.cuda.reset_peak_memory_stats(self.device)
        before = torch.cuda.memory_allocated(self.device)
        result = call()
        self.finish()
        peak = torch.cuda.max_memory_allocated(self.device) - before
        del result
        return peak

    def _warm_up(self, calls: Sequence[Call]) -> float:
        """Run for WARM_UP seconds; the seconds of one call on the device (or of Python, if it is slower)."""
        end = time.perf_counter() + WARM_UP
        while True:
            start = time.perf_counter()
            _run(calls, len(calls))
            self.finish()
            now = time.perf_counter()
            if now >= end:
                return (now - start) / len(calls)

    def _host(self, calls: Sequence[Call]) -> float:
        """Milliseconds of one call from Python, waited for once after many."""
        self.finish()
        start = time.perf_counter()
        _run(calls, HOST_CALLS)
        self.finish()
        return 1e3 * (time.perf_counter() - start) / HOST_CALLS


def _run(calls: Sequence[Call], count: int) -> None:
    """`count` calls, set after set. The results of one rotation are kept: each call writes other memory than the last
    ones, so that no result is overwritten while it is still in the cache."""
    kept: list[Any] = [None] * len(calls)
    for k in range(count):
        kept[k % len(calls)] = calls[k % len(calls)]()


def _synchronises(call: Call) -> str:
    """What torch says when the call makes the host wait for the device; "" when it does not."""
    before = torch.cuda.get_sync_debug_mode()
    torch.cuda.set_sync_debug_mode("error")
    try:
        call()
    except RuntimeError as error:
        if "synchronizing" not in str(error):
            raise
        return _first_line(error)
    finally:
        torch.cuda.set_sync_debug_mode(before)
    return ""


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error).strip() else ''}"


def device_name() -> str:
    return torch.cuda.get_device_name()


def device_versions() -> dict[str, str]:
    """CUDA, driver and cuBLAS side of the versions."""
    found = {"cuda": str(torch.version.cuda), "device": device_name()}
    driver = _nvidia_smi("driver_version")
    return found | ({"driver": driver} if driver else {})


def device_state() -> str:
    """Clocks, temperature and power now, as nvidia-smi prints them; "" without it."""
    return _nvidia_smi("clocks.sm,clocks.mem,temperature.gpu,power.draw")


def _nvidia_smi(query: str) -> str:
    program = shutil.which("nvidia-smi")
    if program is None:
        return ""
    try:
        identity = f"GPU-{torch.cuda.get_device_properties(torch.cuda.current_device()).uuid}"
        done = subprocess.run(
            [program, f"--query-gpu={query}", "--format=csv,noheader", "-i", identity],
            capture_output=True, text=True, timeout=20, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired, AttributeError):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def free_memory() -> None:
    """Give what earlier workloads allocated back to the device."""
    import gc

    gc.collect()
    torch.cuda.empty_cache()
