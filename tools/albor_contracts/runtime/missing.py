"""An output that a binding does not return: what is said about it is not judged, and never counts as judged."""

from __future__ import annotations

from typing import Any
from unittest import SkipTest


class NotOffered(SkipTest):
    """The binding does not offer what this obligation is about. Hypothesis looks for no smaller case of a skip."""


class Missing:
    """Stands where the output would. A comparison that it takes part in is itself missing; computing with it ends
    the case as not applicable."""

    def __init__(self, reason: str) -> None:
        self.reason = reason

    def _used(self, *_: object) -> Any:
        raise NotOffered(self.reason)

    __getattr__ = __getitem__ = __call__ = __bool__ = __float__ = __int__ = __index__ = __len__ = __iter__ = _used
    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = _used
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = _used
    __floordiv__ = __rfloordiv__ = __mod__ = __rmod__ = __pow__ = __rpow__ = __neg__ = __abs__ = _used
    __and__ = __rand__ = __or__ = __ror__ = __invert__ = _used


def either(left: Any, right: Any) -> Missing | None:
    """The one of two operands that is missing."""
    return left if isinstance(left, Missing) else right if isinstance(right, Missing) else None
