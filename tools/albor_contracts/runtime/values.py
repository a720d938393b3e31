"""What goes into a kernel and comes out of it, as laws see it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..lang.types import Type
from .bounded import Bounded
from .truth import Truth


class Received(Bounded):
    """An input exactly as the kernel gets it, with the layout it is presented in."""

    __slots__ = ("layout",)

    def __init__(self, value: Any, layout: str = "contiguous") -> None:
        super().__init__(value)
        self.layout = layout


class Whole(np.ndarray):
    """An input of whole numbers or truth values, with the layout it is presented in. What is made of it is plain."""

    layout: str

    def __array_finalize__(self, obj: object) -> None:
        self.layout = "contiguous"

    def __array_wrap__(self, array: np.ndarray, context: Any = None, return_scalar: bool = False) -> Any:
        return np.asarray(array)


class Output(Bounded):
    """A kernel's output. Its error bound is derived when it is first needed."""

    __slots__ = ("_derive", "made_by", "name")

    def __init__(self, value: Any, derive: Callable[[], Any], name: str, made_by: str) -> None:
        super().__init__(value)
        del self.error  # until it is looked for
        self._derive = derive
        self.name, self.made_by = name, made_by  # the equation's output, and the equation

    def __getattr__(self, name: str) -> Any:
        if name != "error":
            raise AttributeError(f"an output has no attribute {name!r}")
        self.error = self._derive()
        return self.error


class Count(Bounded):
    """Whole numbers without doubt: sums, differences and products with others are exact."""

    __slots__ = ()

    def __getitem__(self, where: Any) -> Bounded:
        return Count(super().__getitem__(where).value)

    def reshape(self, *shape: int) -> Bounded:
        return Count(self.value.reshape(shape))

    def laid_out(self, full: tuple[int, ...], order: tuple[int, ...]) -> Bounded:
        return Count(super().laid_out(full, order).value)

    def __neg__(self) -> Bounded:
        return Count(-self.value)


def _exactly(name: str) -> Callable[[Count, Any], Bounded]:
    operator = getattr(np.ndarray, name)
    rounded = getattr(Bounded, name)

    def method(self: Count, other: Any) -> Bounded:
        if isinstance(other, Count):
            return Count(operator(self.value, other.value))
        whole = type(other) is int or (isinstance(other, np.ndarray) and other.dtype.kind in "iu")
        return Count(operator(self.value, other)) if whole else rounded(self, other)

    return method


for _name in ("__add__", "__radd__", "__sub__", "__rsub__", "__mul__", "__rmul__"):
    setattr(Count, _name, _exactly(_name))


class WholeOutput(Output):
    """Whole numbers that a kernel returned; their elements are a `Count` where the definition leaves no doubt."""

    __slots__ = ()

    def __getitem__(self, where: Any) -> Bounded:
        found = super().__getitem__(where)
        return found if np.any(found.error) else Count(found.value)


class OutputTruth(Truth):
    """A kernel's truth values; undecided where the definition is."""

    __slots__ = ("_derive", "_unsure")

    def __init__(self, value: np.ndarray, derive: Callable[[], Any]) -> None:
        super().__init__(value)
        self._unsure: Any = None  # until it is looked for
        self._derive = derive

    @property
    def unsure(self) -> Any:
        if self._unsure is None:
            self._unsure = self._derive()
        return self._unsure

    @unsure.setter
    def unsure(self, value: Any) -> None:
        self._unsure = value


def wide(a: Any) -> Any:
    """Whole numbers of a contract have no largest value: arrays of bytes are computed with as int64."""
    return a.astype(np.int64, copy=False) if isinstance(a, np.ndarray) and a.dtype.kind in "iu" else a


def counted(a: Any, type_: Type) -> Any:
    """Whole numbers that a kernel returned, as such: a definition may take bits from them, or use them as indices."""
    if (
        type_.is_array
        and not type_.is_floating
        and type_.dtype != "bool"
        and isinstance(a, Bounded)
        and not np.any(a.error)
    ):
        return a.value.astype(np.int64)
    return wide(a)


def plain(a: Any) -> Any:
    return a.value if isinstance(a, (Bounded, Truth)) else a
