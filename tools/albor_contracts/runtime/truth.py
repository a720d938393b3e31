"""Truth values that know when they are undecided.

A comparison of values that carry error bounds may be undecided: within the bounds both answers are possible.
A claim fails only where it is certainly false.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .grid import lay_out


@dataclass
class Gap:
    """A comparison as it was made, kept to explain a failure and to report the worst error."""

    left: np.ndarray
    right: np.ndarray
    bound: np.ndarray
    relation: str
    ratio: np.ndarray  # error / bound; above 1 it fails
    name: str = ""  # of the output of a kernel that was compared as a whole
    made_by: str = ""  # the equation of that kernel
    excused: np.ndarray | bool = False  # where it may fail, since the other side of an `or` holds
    aligned: bool = True  # whether its axes are still those of the truth value that it is part of
    negated: bool = False  # a part that holds where the comparison does not

    @property
    def beyond(self) -> bool:
        """Whether it fails somewhere, by more than its bound and without an excuse."""
        return not self.negated and bool(np.any(np.nan_to_num(self.judged(), nan=np.inf) > 1.0))

    def judged(self) -> np.ndarray:
        """error / bound, 0 where it is excused."""
        return self.ratio if self.excused is False else np.where(self.excused, 0.0, self.ratio)


class Truth:
    """Truth values with `unsure` where the opposite is possible as well."""

    __array_ufunc__ = None
    __slots__ = ("gaps", "unsure", "value")

    def __init__(self, value: np.ndarray, unsure: np.ndarray | bool = False, gaps: tuple[Gap, ...] = ()) -> None:
        self.value = np.asarray(value)
        self.unsure = unsure
        self.gaps = gaps

    @staticmethod
    def of(x: Truth | np.ndarray | bool) -> Truth:
        return x if isinstance(x, Truth) else Truth(np.asarray(x, dtype=bool))

    @property
    def possible(self) -> np.ndarray:
        """Where it is true, or undecided."""
        return self.value | self.unsure

    @property
    def avoidable(self) -> np.ndarray:
        """Where it is false, or undecided."""
        return ~self.value | self.unsure

    @property
    def shape(self) -> tuple[int, ...]:
        return self.value.shape

    @property
    def ndim(self) -> int:
        return self.value.ndim

    def __and__(self, other: Truth | np.ndarray | bool) -> Truth:
        o = Truth.of(other)
        if self.unsure is False and o.unsure is False:
            return Truth(self.value & o.value, False, self.gaps + o.gaps)
        possible, avoidable = self.possible & o.possible, self.avoidable | o.avoidable
        return Truth(self.value & o.value, possible & avoidable, self.gaps + o.gaps)

    __rand__ = __and__

    def __or__(self, other: Truth | np.ndarray | bool) -> Truth:
        o = Truth.of(other)
        if self.unsure is False and o.unsure is False:
            value = self.value | o.value
            return Truth(value, False, _excused(self.gaps, o.value) + _excused(o.gaps, self.value))
        held = _excused(self.gaps, o.possible) + _excused(o.gaps, self.possible)
        possible, avoidable = self.possible | o.possible, self.avoidable & o.avoidable
        return Truth(self.value | o.value, possible & avoidable, held)

    __ror__ = __or__

    def __invert__(self) -> Truth:
        return Truth(~self.value, self.unsure, tuple(replace(gap, negated=not gap.negated) for gap in self.gaps))

    def __xor__(self, other: Truth | np.ndarray | bool) -> Truth:
        o = Truth.of(other)
        decided = self.unsure is False and o.unsure is False
        unsure = False if decided else np.asarray(self.unsure) | o.unsure
        return Truth(self.value ^ o.value, unsure, self.gaps + o.gaps)

    def __eq__(self, other: Any) -> Truth:  # type: ignore[override]
        apart = self ^ other
        return Truth(~apart.value, apart.unsure, apart.gaps)

    def __ne__(self, other: Any) -> Truth:  # type: ignore[override]
        return self ^ other

    __hash__ = None  # type: ignore[assignment]

    def __getitem__(self, where: Any) -> Truth:
        unsure = self.unsure if isinstance(self.unsure, bool) else np.broadcast_to(self.unsure, self.shape)[where]
        return Truth(self.value[where], unsure, _moved(self.gaps))

    def laid_out(self, full: tuple[int, ...], order: tuple[int, ...]) -> Truth:
        unsure = self.unsure if isinstance(self.unsure, bool) else lay_out(np.asarray(self.unsure), full, order)
        gaps = self.gaps if order == tuple(range(self.ndim)) else _moved(self.gaps)
        return Truth(lay_out(self.value, full, order), unsure, gaps)

    def all(self, axes: tuple[int, ...], where: Truth | np.ndarray | None = None) -> Truth:
        me = self if where is None else self | ~Truth.of(where)
        value = np.asarray(me.value.all(axis=axes, keepdims=True))
        if me.unsure is False:
            return Truth(value, False, me.gaps)
        possible, avoidable = me.possible.all(axis=axes, keepdims=True), me.avoidable.any(axis=axes, keepdims=True)
        return Truth(value, np.asarray(possible & avoidable), me.gaps)

    def any(self, axes: tuple[int, ...], where: Truth | np.ndarray | None = None) -> Truth:
        me = self if where is None else self & where
        value = np.asarray(me.value.any(axis=axes, keepdims=True))
        if me.unsure is False:
            return Truth(value, False, me.gaps)
        possible, avoidable = me.possible.any(axis=axes, keepdims=True), me.avoidable.all(axis=axes, keepdims=True)
        return Truth(value, np.asarray(possible & avoidable), me.gaps)


def _excused(gaps: tuple[Gap, ...], holds: np.ndarray) -> tuple[Gap, ...]:
    """The comparisons of one side of an `or`, whose other side holds there."""
    return tuple(_one_excused(gap, holds) for gap in gaps) if gaps and holds.any() else gaps


def _one_excused(gap: Gap, holds: np.ndarray) -> Gap:
    """The comparison itself where its axes are not those of `holds` any more."""
    shape = np.shape(gap.ratio)
    same = len(shape) == holds.ndim and all(h in (1, n) for h, n in zip(holds.shape, shape, strict=True))
    if not gap.aligned or not (same or holds.ndim == 0):
        return gap
    return replace(gap, excused=np.broadcast_to(gap.excused | holds, shape))


def _moved(gaps: tuple[Gap, ...]) -> tuple[Gap, ...]:
    return tuple(replace(gap, aligned=False) for gap in gaps)
