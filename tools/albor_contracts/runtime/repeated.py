"""Calling a kernel again: the same inputs give the same bits, and results that it handed out before stay as they were.

Under the obligation of a definition every call is made twice, on buffers with another poison. Sums in an order that
varies, a generator without a seed and memory that nobody wrote show in the second result. A workspace that is kept
from call to call and handed out as a result shows when the next call with these sizes overwrites it.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any

import numpy as np

from ..lang.signature import Signature
from .bounded import Bounded
from .claims import exact, explain
from .truth import Truth

SIZES = 16  # of which the last result is kept


class Repeated:
    """What the kernel of each equation returned last, by sizes: for the length of one obligation."""

    def __init__(self) -> None:
        self.kept: dict[Hashable, tuple[Callable[[], Sequence[Any]], list[Any]]] = {}

    def stays(self, signature: Signature, sizes: Hashable, read: Callable[[], Sequence[Any]]) -> str:
        """How the result of an earlier call with these sizes differs by now, in words; empty if it does not.

        `read` looks at the new result, now and after later calls."""
        key = (signature.name, sizes)
        words = ""
        if key in self.kept:
            look, before = self.kept.pop(key)
            words = difference(signature, before, look())
        self.kept[key] = read, [_copy(v) for v in read()]
        if len(self.kept) > SIZES:
            del self.kept[next(iter(self.kept))]
        return words


def difference(signature: Signature, first: Sequence[Any], second: Sequence[Any]) -> str:
    """Which output is not bitwise the same, and where; empty if all are."""
    for p, a, b in zip(signature.outputs, first, second, strict=True):
        same = exact(a, b)
        if isinstance(same, Truth) and not same.value.all():
            return f"{p.name} is {explain(same.gaps[0])}"
    return ""


def _copy(value: Any) -> Any:
    if isinstance(value, (Bounded, Truth)):
        return np.array(value.value)
    return np.array(value) if isinstance(value, np.ndarray) else value
