"""What a call uses is counted from its beginning, or from where the kernel proper begins."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

_counting: list[tuple[list[Any], ...]] = []


@contextlib.contextmanager
def forgetting(*counts: list[Any] | None) -> Iterator[None]:
    """`begins_here` inside empties these lists."""
    _counting.append(tuple(c for c in counts if c is not None))
    try:
        yield
    finally:
        _counting.pop()


def begins_here() -> None:
    """What the call in progress has used so far does not count: a backward pass is preceded by a forward pass."""
    for counts in _counting:
        for found in counts:
            found.clear()
