"""Texts in index notation: one of them, or one for each place of a grid.

NumPy's own text arrays drop trailing NUL characters, so texts always travel in arrays of objects.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .missing import Missing, NotOffered


class Texts(np.ndarray):
    """Texts or byte strings on a grid, as objects. Comparisons are exact."""

    def __eq__(self, other: object) -> Any:
        return _mapped(lambda a, b: a == b, self, other).astype(bool)

    def __ne__(self, other: object) -> Any:
        return _mapped(lambda a, b: a != b, self, other).astype(bool)

    __hash__ = None


def boxed(text: Any) -> np.ndarray:
    """An array of one object; an array as it is."""
    if isinstance(text, np.ndarray):
        return text
    box = np.empty((), dtype=object)
    box[()] = text
    return box


def on_grid(values: Sequence[Any], shape: tuple[int, ...]) -> Texts:
    """Texts laid on a grid of this shape, the last axis fastest."""
    found = np.empty(len(values), dtype=object)
    found[:] = values
    return found.reshape(shape).view(Texts)


def length(x: Any) -> Any:
    """Characters of a text, or bytes of a byte string."""
    return _whole(len, x)


def occurrences(x: Any, part: Any) -> Any:
    """How often `part` stands in `x`, without overlap."""
    return _whole(lambda text, wanted: text.count(wanted), x, part)


def join(*parts: Any) -> Any:
    """The texts one after the other."""
    _offered(*parts)
    if not any(isinstance(p, np.ndarray) for p in parts):
        return parts[0][:0].join(parts)
    return _mapped(lambda *texts: texts[0][:0].join(texts), *parts).view(Texts)


def _offered(*texts: Any) -> None:
    """Raises `NotOffered` where one of the texts is an output that the binding does not have."""
    for text in texts:
        if isinstance(text, Missing):
            raise NotOffered(text.reason)


def _whole(function: Callable[..., int], *arguments: Any) -> Any:
    _offered(*arguments)
    if not any(isinstance(a, np.ndarray) for a in arguments):
        return function(*arguments)
    return _mapped(function, *arguments).astype(np.int64)


def _mapped(function: Callable[..., Any], *arguments: Any) -> np.ndarray:
    objects = [np.asarray(boxed(a)) for a in arguments]
    return np.asarray(np.frompyfunc(function, len(arguments), 1)(*objects), dtype=object)
