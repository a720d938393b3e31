"""What kernels were called with, where a law makes it of the inputs of its case: a failure shows both."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from .claims import exact
from .missing import Missing

SHOWN = 8  # elements of an array that a failure tells of
MOST = 4  # calls of which a failure tells what they were given


def called_with(calls: Iterable[tuple[str, Mapping[str, Any]]], case: Mapping[str, Any]) -> str:
    """`ties(keep = 1, lam = 1.0); ties(models = [[2.0]])`: of each call the arguments that are not the inputs of the
    case under their own names. Empty where there are none."""
    found: dict[str, None] = {}
    for equation, arguments in calls:
        other = {n: value for n, a in arguments.items() if not _same(value := getattr(a, "value", a), case.get(n))}
        if other:
            found[f"{equation}({', '.join(f'{n} = {outline(v)}' for n, v in other.items())})"] = None
    words = list(found)
    return "; ".join(words[:MOST]) + "; ..." * (len(words) > MOST)


def _same(value: Any, other: Any) -> bool:
    """Whether both are the same numbers, zeros with the same sign, in arrays of one shape, or the same text."""
    if other is None or isinstance(value, (str, bytes)) or isinstance(other, (str, bytes)):
        return bool(other is not None and value == other)
    a, b = np.asarray(value), np.asarray(other)
    return a.shape == b.shape and not isinstance(same := exact(a, b), Missing) and bool(np.all(same.value))


def outline(value: Any) -> str:
    """A value of any type: numbers as they are, of long arrays shape and beginning."""
    value = getattr(value, "value", value)
    if isinstance(value, np.ndarray) and value.size > SHOWN:
        return f"array{list(value.shape)} [{', '.join(repr(v) for v in value.reshape(-1)[:4].tolist())}, ...]"
    if isinstance(value, bytes) and len(value) > 4 * SHOWN:
        return f"{len(value)} bytes"
    return repr(value.tolist() if isinstance(value, (np.ndarray, np.generic)) else value)
