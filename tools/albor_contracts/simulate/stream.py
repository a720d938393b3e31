"""The queues between host and device: each first in, first out, and nothing happens before they are drained.

A GPU may have done everything by the time the host looks, which is what hides a missing synchronisation. These queues
have done nothing: what a program sees without waiting is what was there before.

Between two queues only events make an order. Without one a copy and a kernel may run at the same time, so copies are
made in two halves, and when the queues are drained they take turns, the newest first. Such a pair is also found
without luck: each operation knows what it comes after, and two that share memory must know it of each other.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .arena import DeviceError


@dataclass(frozen=True, eq=False)
class Event:
    """A place in a queue, behind its first `count` operations; `after` is what has happened in all queues by then."""

    queue: Queue
    count: int
    after: Mapping[Queue, int]


@dataclass(frozen=True)
class Operation:
    """One launch or copy that waits, in `parts`; or the wait for an event. `reads` and `writes` are its memory."""

    name: str
    parts: tuple[Callable[[], None], ...]
    reads: tuple[Any, ...] = ()
    writes: tuple[Any, ...] = ()
    event: Event | None = None


@dataclass(eq=False)
class Queue:
    """`put` counts the operations it was given, `done` those that have run; the next one comes after `after`."""

    name: str
    pending: deque[Operation] = field(default_factory=deque)
    put: int = 0
    done: int = 0
    part: int = 0  # of the first one that waits
    after: dict[Queue, int] = field(default_factory=dict)

    def comes_after(self, others: Mapping[Queue, int]) -> None:
        for queue, count in others.items():
            self.after[queue] = max(count, self.after.get(queue, 0))

    def advance(self) -> None:
        """The next part of what waits, if it need not wait for another queue. Waits that are over take no turn."""
        while self.pending and (event := self.pending[0].event) is not None:
            if event.queue.done < event.count:
                return
            self.finish()
        if self.pending:
            parts = self.pending[0].parts
            parts[self.part]()
            self.part += 1
            if self.part == len(parts):
                self.finish()

    def finish(self) -> None:
        self.pending.popleft()
        self.done += 1
        self.part = 0


class Queues:
    """`blocking` drains after every operation, as CUDA_LAUNCH_BLOCKING=1 does: the faults of order disappear."""

    def __init__(self, blocking: bool = False) -> None:
        self.blocking = blocking
        self.main = Queue("main")
        self.all = [self.main]
        self.broken: DeviceError | None = None
        self._uses: list[tuple[Queue, int, Operation]] = []

    @property
    def pending(self) -> list[Operation]:
        """Everything that waits."""
        return [op for queue in self.all for op in queue.pending]

    def open(self, name: str) -> Queue:
        queue = Queue(name)
        self.all.append(queue)
        return queue

    def mark(self, queue: Queue) -> Event:
        """The place behind everything that `queue` was given so far."""
        return Event(queue, queue.put, {**queue.after, queue: queue.put})

    def put(self, operation: Operation, queue: Queue) -> str:
        """Enqueue. Says which operation of another queue it races with, or "". Raises an earlier operation's error."""
        if self.broken is not None:
            raise self.broken
        if operation.event is not None:
            queue.comes_after(operation.event.after)
        race = self._race(operation, queue)
        queue.put += 1
        queue.pending.append(operation)
        if operation.reads or operation.writes:
            self._uses.append((queue, queue.put, operation))
        if self.blocking:
            self.drain()
        return race

    def drain(self) -> None:
        """Do everything that waits: the host comes after it. An error drops the rest and stays."""
        if self.broken is not None:
            raise self.broken
        # An event is older than whoever waits for it, so there is always a queue that can go on.
        while self.pending:
            for queue in reversed(self.all):
                try:
                    queue.advance()
                except DeviceError as error:
                    for other in self.all:
                        other.pending.clear()
                    self.broken = error
                    raise
        self._uses.clear()  # whatever is put from now on comes after all of it

    def _race(self, operation: Operation, queue: Queue) -> str:
        for other, count, use in self._uses:
            if other is queue or count <= queue.after.get(other, 0):
                continue
            writes = [*((b, use) for b in use.writes), *((b, operation) for b in operation.writes)]
            for buffer, writer in writes:
                reader = operation if writer is use else use
                if any(buffer is b for b in (*reader.reads, *reader.writes)):
                    return (
                        f"{operation.name} in the queue `{queue.name}` and {use.name} in the queue `{other.name}` both "
                        f"use `{buffer.name}`, {writer.name} writes it, and nothing says which of them comes first"
                    )
        return ""
