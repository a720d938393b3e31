"""Asking another process for the same call: what does not depend on this one comes back the same.

Under an obligation of determinism the first calls of a kernel that is given a text are made in a second process as
well. Who makes such a process is no concern of this module (`run/elsewhere.py`).
"""

from __future__ import annotations

import abc
import operator
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..lang.signature import Signature


class RaisedElsewhere(Exception):
    """The other process has no result. The text says why."""


class Other(abc.ABC):
    """Another process that can make calls."""

    @abc.abstractmethod
    def call(self, name: str, positional: Sequence[Any], keywords: Mapping[str, Any]) -> Any:
        """What `module:function` returns there. Raises `RaisedElsewhere`."""

    @abc.abstractmethod
    def close(self) -> None:
        """End the process, if there is one."""


class Asked:
    """How many calls of this obligation the other process is still asked for."""

    def __init__(self, other: Other, calls: int = 64) -> None:
        self.other, self.calls = other, calls

    def takes(self, signature: Signature, name: str, call: Callable[..., Any], raw: Sequence[Any]) -> bool:
        """Whether the other process can make this call: it finds the callable under its name, and gets the inputs as
        they are (strided arrays would arrive in another layout, and sums in another order)."""
        if not self.calls or not any(p.type.dtype == "text" for p in signature.inputs):
            return False
        return _named(name) == call and all(_in_order(r) for r in raw)


def _named(name: str) -> Any:
    module, _, attribute = name.partition(":")
    try:
        return operator.attrgetter(attribute)(sys.modules[module])
    except (KeyError, AttributeError):
        return None


def _in_order(value: Any) -> bool:
    if hasattr(value, "is_contiguous"):
        return bool(value.is_contiguous())
    return not hasattr(value, "flags") or bool(value.flags.c_contiguous)
