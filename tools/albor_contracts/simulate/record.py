"""The log of a device: one entry for everything a program asked for. Counters are read from it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Entry:
    """`kind` is launch, clear, upload, download, copy, wait, allocate or synchronise; `name` that of the kernel, the
    buffer or the queue.

    `outcome` is "served", or "refused" where the device would not take it: what served the call in its place, if the
    program went on, is in the entries that follow.
    """

    kind: str
    name: str
    nbytes: int = 0
    outcome: str = "served"

    def __str__(self) -> str:
        return f"{self.kind} {self.name}".strip() + (" (refused)" if self.outcome == "refused" else "")


# What is counted, and the entries it is counted from. Clearing a buffer is a launch: it takes its turn like one.
COUNTS = {
    "launches": ("launch", "clear"),
    "synchronisations": ("synchronise",),
    "uploads": ("upload",),
    "downloads": ("download",),
    "uploaded_bytes": ("upload",),
    "downloaded_bytes": ("download",),
    "allocations": ("allocate",),
    "bytes": ("allocate",),
}


@dataclass
class Record:
    """Everything that was asked for, in order: the dispatch log."""

    entries: list[Entry] = field(default_factory=list)

    def add(self, kind: str, name: str = "", nbytes: int = 0, outcome: str = "served") -> None:
        self.entries.append(Entry(kind, name, nbytes, outcome))

    def count(self, what: str) -> int:
        """One of `COUNTS`: how many, or how many bytes."""
        found = [e for e in self.entries if e.kind in COUNTS[what] and e.outcome == "served"]
        return sum(e.nbytes for e in found) if what.endswith("bytes") else len(found)

    def served(self) -> list[str]:
        """Names of the kernels that were launched, each once, in the order of their first launch."""
        return list(dict.fromkeys(e.name for e in self.entries if e.kind == "launch" and e.outcome == "served"))


_watchers: list[list[Record]] = []


@contextlib.contextmanager
def watching() -> Iterator[list[Record]]:
    """The records of the devices that are made in the block."""
    found: list[Record] = []
    _watchers.append(found)
    try:
        yield found
    finally:
        _watchers[:] = [other for other in _watchers if other is not found]


def opened() -> Record:
    """A new record, told to whoever watches."""
    record = Record()
    for found in _watchers:
        found.append(record)
    return record
