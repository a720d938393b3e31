"""The handle that a program works with, and what it notices beyond what a GPU would tell.

    def scaled(device, x, factor):                    # x lies on the device
        y = device.allocate("y", x.shape)
        device.launch(scale, (x,), (y,), x.size, factor)
        host = device.host("y on the host", y.shape)
        device.download(y, host)
        device.synchronize()                          # without it, host.read() is what was there before
        return host.read()

    def scale(x, y, n, factor):                       # a kernel: flat memory, no lengths
        for i in range(n):
            y[i] = factor * x[i]

Everything goes to one queue, unless a second one is opened for copies that run beside the kernels:

        copies = device.queue("copies")
        device.wait(device.event(), copies)           # the copies come after what was launched so far
        device.download(y, host, queue=copies)
        device.wait(device.event(copies))             # what is launched from now on comes after the copy

`findings` collects what the program did wrong in ways that may not show in its results: memory changed that a launch
was not given, host memory read or changed while a copy of it waits, memory that two queues use without an order between
them, errors of the device that were swallowed.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .arena import POISONS, Arena, Buffer, DeviceError
from .record import opened
from .stream import Event, Operation, Queue, Queues


@dataclass(frozen=True)
class Finding:
    """Something a program did wrong. `kind` names it in a few words."""

    kind: str
    message: str


class HostBuffer:
    """Memory of the host that takes part in copies. Nobody waits here: `read` gives what is there now."""

    def __init__(self, device: Device, name: str, values: np.ndarray) -> None:
        self.name = name
        self._device = device
        self._values = values

    @property
    def shape(self) -> tuple[int, ...]:
        return self._values.shape

    @property
    def nbytes(self) -> int:
        return self._values.nbytes

    def read(self) -> np.ndarray:
        """A copy of the values as they are at this moment."""
        self._device._touched(self, "was read", lambda op: self in op.writes)
        return self._values.copy()

    def write(self, values: Any) -> None:
        """Replace the values. A copy from here that waits takes the new ones."""
        self._device._touched(self, "was changed", lambda op: self in (*op.reads, *op.writes))
        self._values[...] = values


class Device:
    """A device of its own: memory, queue and log. `dtype` is the type of its numbers, `accumulates` that of its sums.

    `poison` chooses what new memory is filled with (one of two patterns, in turn); `blocking` hides faults of order.
    """

    def __init__(
        self,
        dtype: Any = np.float64,
        accumulates: Any = None,
        poison: int = 0,
        blocking: bool = False,
        capacity: int = 1 << 20,
    ) -> None:
        self.dtype = np.dtype(dtype)
        self.accumulates = np.dtype(dtype if accumulates is None else accumulates)
        self.record = opened()
        self.findings: list[Finding] = []
        self._poison = POISONS[poison % len(POISONS)]
        self._arena = Arena(capacity, self._poison)
        self._queues = Queues(blocking)
        self._refused = _refusals[-1] if _refusals else None
        self._told: DeviceError | None = None  # the first error that the program was told of

    # What a program uses

    def allocate(self, name: str, shape: Sequence[int] = (), dtype: Any = None) -> Buffer:
        """Memory on the device, full of poison. Raises `DeviceError` when there is no room."""
        with self._telling():
            buffer = self._arena.allocate(name, shape, self.dtype if dtype is None else dtype)
        self.record.add("allocate", name, buffer.nbytes)
        return buffer

    def host(self, name: str, shape: Sequence[int] = (), dtype: Any = None) -> HostBuffer:
        """Memory on the host that copies can go to and come from, full of poison."""
        kind = self.dtype if dtype is None else np.dtype(dtype)
        shape = tuple(shape)
        raw = np.full(int(np.prod(shape, dtype=np.int64)) * kind.itemsize, self._poison, dtype=np.uint8)
        return HostBuffer(self, name, raw.view(kind).reshape(shape))

    def queue(self, name: str) -> Queue:
        """A second queue, for copies or kernels that need not wait for those of the first."""
        return self._queues.open(name)

    def event(self, queue: Queue | None = None) -> Event:
        """The place in a queue behind everything that it was given so far. Nobody waits here."""
        return self._queues.mark(queue or self._queues.main)

    def wait(self, event: Event, queue: Queue | None = None) -> None:
        """What is given to `queue` from now on comes after the event. The host does not wait."""
        self._put("wait", event.queue.name, 0, queue=queue, event=event)

    def launch(
        self,
        kernel: Callable[..., None],
        reads: Sequence[Buffer],
        writes: Sequence[Buffer],
        *sizes: Any,
        queue: Queue | None = None,
    ) -> None:
        """Enqueue `kernel(*reads, *writes, *sizes)`, buffers as flat memory. It may change the `writes` only.

        Raises `DeviceError` when the device has no such kernel, and for an earlier error of the queue.
        """
        name = kernel.__name__
        if self._refused == (name, "launch"):
            self.record.add("launch", name, outcome="refused")
            with self._telling():
                raise DeviceError(f"kernel {name}: no image of it for this device")
        number = self.record.count("launches") + 1

        def run() -> None:
            if self._refused == (name, "run"):
                raise DeviceError(f"kernel {name}: launch {number} failed on the device")
            before = self._arena.bytes.copy()
            kernel(*(self._arena.memory(b) for b in (*reads, *writes)), *sizes)
            damage = self._arena.damage(before, writes)
            if damage:
                own = ", ".join(map(str, writes))
                self._find(
                    "writes outside its buffers", f"{name} (launch {number}), which writes {own}, changed {damage}"
                )

        self._put("launch", name, 0, run, reads=reads, writes=writes, queue=queue)

    def clear(self, buffer: Buffer, *, queue: Queue | None = None) -> None:
        """Enqueue filling a buffer with zeros."""
        self._put(
            "clear", buffer.name, buffer.nbytes, lambda: self._arena.contents(buffer).fill(0), writes=[buffer],
            queue=queue,
        )  # fmt: skip

    def upload(self, source: Any, into: Buffer, *, queue: Queue | None = None) -> None:
        """Enqueue a copy from the host. An array is read now, a `HostBuffer` when its turn comes."""
        if isinstance(source, HostBuffer):
            held, values = source, source._values
        else:
            held, values = None, np.array(source, dtype=into.dtype)
        self._same_size("upload", values.nbytes, into.nbytes, into)
        self._put(
            "upload", into.name, into.nbytes, *_halves(lambda: values, lambda: self._arena.contents(into)),
            reads=[] if held is None else [held], writes=[into], queue=queue,
        )  # fmt: skip

    def download(self, source: Buffer, into: HostBuffer, *, queue: Queue | None = None) -> None:
        """Enqueue a copy to the host: `into` holds it once the queue is drained."""
        self._same_size("download", source.nbytes, into.nbytes, source)
        self._put(
            "download", source.name, source.nbytes,
            *_halves(lambda: self._arena.contents(source), lambda: into._values),
            reads=[source], writes=[into], queue=queue,
        )  # fmt: skip

    def copy(self, source: Buffer, into: Buffer, *, queue: Queue | None = None) -> None:
        """Enqueue a copy within the device. The sizes must be equal."""
        self._same_size("copy", source.nbytes, into.nbytes, into)

        def memory(buffer: Buffer) -> np.ndarray:
            return self._arena.contents(buffer).reshape(-1).view(np.uint8)

        self._put(
            "copy", into.name, source.nbytes, *_halves(lambda: memory(source), lambda: memory(into)),
            reads=[source], writes=[into], queue=queue,
        )  # fmt: skip

    def synchronize(self) -> None:
        """The host waits until all queues are drained. Raises the error of whatever failed in them."""
        self.record.add("synchronise")
        with self._telling():
            self._queues.drain()

    # What a judge uses: none of it is counted

    def place(self, name: str, values: np.ndarray) -> Buffer:
        """An input that lies on the device before the program begins."""
        buffer = self._arena.allocate(name, values.shape, values.dtype)
        self._arena.contents(buffer)[...] = values
        return buffer

    def owns(self, value: Any) -> bool:
        return any(value is b for b in self._arena.buffers)

    def fetch(self, buffer: Buffer) -> np.ndarray:
        """A copy of what a buffer holds; call `close` first."""
        return self._arena.contents(buffer).copy()

    def close(self) -> None:
        """The program has returned: drain what still waits. Raises `DeviceError` if that fails."""
        if self._told is not None:
            self._find(
                "swallows an error of the device", f"the device reported: {self._told}; the call returned all the same"
            )
            return
        self._queues.drain()

    # Inside

    def _put(
        self,
        kind: str,
        name: str,
        nbytes: int,
        *parts: Callable[[], None],
        reads: Sequence[Any] = (),
        writes: Sequence[Any] = (),
        queue: Queue | None = None,
        event: Event | None = None,
    ) -> None:
        self.record.add(kind, name, nbytes)
        operation = Operation(f"{kind} {name}", parts, tuple(reads), tuple(writes), event)
        with self._telling():
            race = self._queues.put(operation, queue or self._queues.main)
        if race:
            self._find("races with another queue", race)

    def _same_size(self, what: str, source: int, into: int, buffer: Buffer) -> None:
        if source != into:
            with self._telling():
                raise DeviceError(f"{what} of {buffer}: {source} bytes do not fit {into}")

    @contextlib.contextmanager
    def _telling(self) -> Iterator[None]:
        """Remembers that the program was told of an error."""
        try:
            yield
        except DeviceError as error:
            self._told = self._told or error
            raise

    def _touched(self, buffer: HostBuffer, what: str, waits: Callable[[Operation], bool]) -> None:
        waiting = [op.name for op in self._queues.pending if waits(op)]
        if waiting:
            self._find(
                "does not wait for the queue",
                f"`{buffer.name}` on the host {what} while {len(self._queues.pending)} operations waited, "
                f"among them {waiting[0]} that uses it: synchronize first",
            )

    def _find(self, kind: str, message: str) -> None:
        self.findings.append(Finding(kind, message))


def _halves(source: Callable[[], np.ndarray], into: Callable[[], np.ndarray]) -> list[Callable[[], None]]:
    """A copy in two parts: what runs beside it may change what the second one finds."""

    def copy(second: bool) -> None:
        found, target = source().reshape(-1), into().reshape(-1)  # views: device memory and the host's are contiguous
        middle = target.size // 2
        half = slice(middle, None) if second else slice(middle)
        target[half] = found[half]

    return [lambda: copy(False), lambda: copy(True)]


_refusals: list[tuple[str, str]] = []


@contextlib.contextmanager
def refusing(kernel: str, when: str) -> Iterator[None]:
    """Devices made in the block have no `kernel` (when="launch"), or fail while they run it (when="run")."""
    _refusals.append((kernel, when))
    try:
        yield
    finally:
        _refusals.pop()
