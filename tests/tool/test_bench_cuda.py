"""The clock of a GPU on a make-believe GPU: what it asks of torch, in which order, and what it does when it is refused.

That the make-believe is true to torch is checked by name only; times come from a GPU.
"""

from __future__ import annotations

import contextlib
import gc
import re
import weakref
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from albor_contracts.bench import cuda
from albor_contracts.bench.cuda import CudaClock
from albor_contracts.bench.measure import interleave


class Gpu:
    """As much of torch.cuda as the clock uses. Work is done at once; what happens is written to `log`."""

    def __init__(self):
        self.log, self.mode, self.capturing, self.allocated, self.peak = [], 0, False, 1000, 1000
        self.calls_in_graph = 0

    # What kernels do

    def kernel(self):
        if self.capturing:
            self.calls_in_graph += 1
        self.allocated, self.peak = self.allocated + 64, max(self.peak, self.allocated + 100)
        self.allocated -= 64

    def waiting_kernel(self):
        if self.mode == "error":
            raise RuntimeError("called a synchronizing CUDA operation\nin f")
        return self.kernel()

    def uncapturable_kernel(self):
        if self.capturing:
            raise RuntimeError("operation not permitted when stream is capturing")
        return self.kernel()

    # What torch.cuda offers

    def current_device(self):
        return 0

    def get_device_properties(self, device):
        return SimpleNamespace(L2_cache_size=50 << 20, uuid="0-1")

    def Stream(self, device):
        return "stream"

    @contextlib.contextmanager
    def stream(self, stream):
        self.log.append("stream")
        yield
        self.log.append("default stream")

    def synchronize(self, device):
        assert not self.capturing
        self.log.append("synchronize")

    def Event(self, enable_timing):
        assert enable_timing
        return SimpleNamespace(record=lambda stream: self.log.append("event"), elapsed_time=lambda end: 30.0)

    def _sleep(self, cycles):
        self.log.append("spin")

    def get_sync_debug_mode(self):
        return self.mode

    def set_sync_debug_mode(self, mode):
        self.mode = mode

    def reset_peak_memory_stats(self, device):
        self.peak = self.allocated

    def memory_allocated(self, device):
        return self.allocated

    def max_memory_allocated(self, device):
        return self.peak

    def CUDAGraph(self):
        return SimpleNamespace(replay=lambda: self.log.append("replay"))

    @contextlib.contextmanager
    def graph(self, graph, stream):
        assert stream == "stream"
        self.capturing = True
        try:
            yield
        finally:
            self.capturing = False


@pytest.fixture
def gpu(monkeypatch):
    fake = Gpu()
    monkeypatch.setattr(cuda, "torch", SimpleNamespace(cuda=fake, device=lambda *where: where))
    monkeypatch.setattr(cuda, "WARM_UP", 0.0)
    return fake


def test_calls_are_captured_and_replayed_between_two_events(gpu):
    clock = CudaClock()
    with clock.on_stream():
        program = clock.program([gpu.kernel] * 3)
        assert program.method == "graph" and not program.why and not program.synchronises
        assert program.calls == gpu.calls_in_graph >= 200 and program.calls % 3 == 0
        assert program.peak_bytes == 100 and program.host_ms > 0
        gpu.log.clear()
        (time,) = interleave(clock, [program], rounds=2)
    assert time.p50 == 30.0 / program.calls
    # Nothing waits between replays, and the device is busy when an event is put in the queue.
    assert gpu.log == ["spin", "event", "replay", "event"] * 3 + ["synchronize", "default stream", "synchronize"]


def test_what_a_graph_reads_lives_as_long_as_the_graph(gpu):
    class Table:
        """Addresses on the device, say, which a kernel follows in each replay."""

    def call_with_a_table():
        table = Table()
        return weakref.ref(table), lambda: (gpu.kernel(), table)

    alive, call = call_with_a_table()
    program = CudaClock().program([call])
    del call
    gc.collect()
    assert program.method == "graph" and alive() is not None
    del program
    gc.collect()
    assert alive() is None


def test_rotation_exceeds_the_cache_of_the_device(gpu):
    clock = CudaClock()
    assert clock.sets(32 << 20) == 5 and clock.sets(1 << 30) == 2


def test_a_call_that_waits_is_seen_and_not_captured(gpu):
    program = CudaClock().program([gpu.waiting_kernel] * 2)
    assert program.synchronises == "RuntimeError: called a synchronizing CUDA operation"
    assert program.method == "calls" and program.why == "a call makes the host wait"
    assert gpu.mode == 0 and gpu.calls_in_graph == 0
    program.replay()


def test_a_call_that_cannot_be_captured_is_timed_from_python(gpu):
    program = CudaClock().program([gpu.uncapturable_kernel] * 2)
    assert program.method == "calls" and "not permitted when stream is capturing" in program.why
    assert not program.synchronises
    program.replay()


def test_another_error_is_not_mistaken_for_waiting(gpu):
    def broken():
        if gpu.mode == "error":
            raise RuntimeError("illegal address")

    with pytest.raises(RuntimeError, match="illegal address"):
        CudaClock().program([broken])
    assert gpu.mode == 0


def test_results_of_one_rotation_are_kept():
    alive = set()

    class Output:
        def __init__(self):
            alive.add(self.__hash__())
            most.append(len(alive))

        def __del__(self):
            alive.discard(self.__hash__())

    most = []
    cuda._run([Output] * 3, 9)
    assert max(most) == 4  # three kept, and the one that takes the place of the oldest


def test_what_the_clock_asks_of_torch_is_there():
    """And the make-believe GPU has no more than torch."""
    source = Path(cuda.__file__).read_text(encoding="utf-8")
    used = set(re.findall(r"torch\.cuda\.(\w+)", source))
    assert {"CUDAGraph", "graph", "Event", "_sleep", "set_sync_debug_mode"} <= used
    missing = [name for name in used if not hasattr(torch.cuda, name)]
    assert missing == []
    stub = (Path(torch.__file__).parent / "_C" / "__init__.pyi").read_text(encoding="utf-8")
    properties = stub[stub.index("class _CudaDeviceProperties") :]
    assert "L2_cache_size" in properties and "uuid" in properties


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_a_copy_on_a_real_gpu():
    clock = CudaClock()
    with clock.on_stream():
        x = torch.randn(1 << 26, device="cuda")
        outputs = [torch.empty_like(x) for _ in range(2)]
        program = clock.program([lambda y=y: y.copy_(x) for y in outputs])
        (time,) = interleave(clock, [program], rounds=5)
        waits = clock.program([lambda: x[:8].sum().item()])
    assert program.method == "graph" and not program.synchronises and program.peak_bytes == 0
    assert 0.05 < time.p50 < 50 and waits.synchronises and waits.method == "calls"
