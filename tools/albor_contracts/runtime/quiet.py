"""Floating-point warnings off, at the cost of a counter where they are off already.

Definitions are evaluated at infinities, poles and NaN on purpose. `np.errstate` costs some microseconds each time, as
much as the small operation it guards: only the outermost `quiet` pays for it.
"""

from __future__ import annotations

from threading import local
from typing import Any

import numpy as np


class _Depth(local):
    depth = 0
    guard: Any = None


_now = _Depth()


class _Quiet:
    """`with quiet:`; may be nested."""

    __slots__ = ()

    def __enter__(self) -> None:
        if not _now.depth:
            _now.guard = np.errstate(all="ignore")
            _now.guard.__enter__()
        _now.depth += 1

    def __exit__(self, *error: object) -> None:
        _now.depth -= 1
        if not _now.depth:
            _now.guard.__exit__(*error)


quiet = _Quiet()
