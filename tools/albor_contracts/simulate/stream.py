"""The queue between host and device: first in, first out, and nothing happens before it is drained.

A GPU may have done everything by the time the host looks, which is what hides a missing synchronisation. This queue
has done nothing: what a program sees without waiting is what was there before.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .arena import DeviceError


@dataclass(frozen=True)
class Operation:
    """One launch or copy that waits. `into` and `out_of` are the host's buffers that it writes or reads."""

    name: str
    run: Callable[[], None]
    into: Any = None
    out_of: Any = None


class Stream:
    """`blocking` drains after every operation, as CUDA_LAUNCH_BLOCKING=1 does: the faults of order disappear."""

    def __init__(self, blocking: bool = False) -> None:
        self.blocking = blocking
        self.pending: deque[Operation] = deque()
        self.broken: DeviceError | None = None

    def put(self, operation: Operation) -> None:
        """Enqueue. Raises the error of an earlier operation, if there was one."""
        if self.broken is not None:
            raise self.broken
        self.pending.append(operation)
        if self.blocking:
            self.drain()

    def drain(self) -> None:
        """Do everything that waits. An error drops the rest and stays."""
        if self.broken is not None:
            raise self.broken
        while self.pending:
            operation = self.pending.popleft()
            try:
                operation.run()
            except DeviceError as error:
                self.pending.clear()
                self.broken = error
                raise
