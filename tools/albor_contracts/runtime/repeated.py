"""Calling a kernel again: the same inputs give the same bits, and what it returned before stays as it was.

Under the obligation of a definition every call is made twice, on buffers with another poison. Sums in an order that
varies, a generator without a seed and memory that nobody wrote show in the second result; so do programs of a Triton
kernel that wait for one another or write to the same place, since an interpreter can run them in the opposite order the
second time. The first calls are followed by one on other values of the same sizes: a workspace that is kept from call
to call and handed out as a result is overwritten by it. Last, these values are written over the first ones, where they
lie: what a kernel has kept for an address, such as a transposed weight, is then out of date.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, ClassVar

import numpy as np

from ..lang.signature import Signature
from .bounded import Bounded
from .claims import approx, exact, explain
from .poison import LARGE
from .truth import Truth


class Repeated:
    """How many calls of this obligation are still to be followed by one on other values."""

    # Where an interpreter runs kernels: what has it run the programs of a grid in another order.
    another_order: ClassVar[Callable[[], AbstractContextManager[None]]] = staticmethod(contextlib.nullcontext)

    def __init__(self, others: int = 4) -> None:
        self.others = others


def difference(signature: Signature, first: Sequence[Any], second: Sequence[Any]) -> str:
    """Which output is not bitwise the same, and where; empty if all are."""
    for p, a, b in zip(signature.outputs, first, second, strict=True):
        same = exact(a, b)
        if isinstance(same, Truth) and not same.value.all():
            return f"{p.name} is {explain(same.gaps[0])}{_unwritten(same)}"
    return ""


def apart(signature: Signature, got: Sequence[Any], wanted: Sequence[Any]) -> str:
    """Which output is not the same within the derived bounds of those wanted, and where; empty if all are. Where arrays
    lie decides in which order a sum is taken, and so about its last bits."""
    for p, a, b in zip(signature.outputs, got, wanted, strict=True):
        same = approx(a, b) if isinstance(b, (Bounded, Truth)) else exact(a, b)
        if isinstance(same, Truth) and not np.all(same.possible):
            return f"{p.name}: {explain(same.gaps[0])}" if same.gaps else p.name
    return ""


def _unwritten(same: Truth) -> str:
    """A note where the two are the poisons of new buffers, up to their rounding."""
    a, b = (np.where(same.value, 0.0, side) for side in (same.gaps[0].left, same.gaps[0].right))
    if np.asarray(a).dtype.kind != "f":
        return ""
    one, other = (np.isnan(x) & (np.abs(y - LARGE) < LARGE / 128) for x, y in ((a, b), (b, a)))
    found = int(np.count_nonzero(one | other))
    words = f"{found} element{' was' if found == 1 else 's were'} never written"
    return f" (new buffers are filled with these two: {words})" if found else ""


def kept(values: Sequence[Any]) -> list[Any]:
    """The outputs of a call as they are now."""
    return [np.array(v.value) if isinstance(v, (Bounded, Truth)) else v for v in values]


def other_values(signature: Signature, received: Sequence[Any], on_cpu: bool) -> list[Any] | None:
    """The same inputs with the elements of arrays in the opposite order: each is still in its domain. None if there is
    nothing to turn round. Whole numbers may be places in other arrays, and stay where an error would cost the device.
    """
    floats = [p.type.is_array and p.type.is_floating for p in signature.inputs]
    turned = floats if any(floats) else [p.type.is_array and on_cpu for p in signature.inputs]
    others = [_turned(r) if turn else r for r, turn in zip(received, turned, strict=True)]
    return others if any(a is not b for a, b in zip(received, others, strict=True)) else None


@contextlib.contextmanager
def changed_in_place(arrays: Sequence[Any], others: Sequence[Any]) -> Iterator[bool]:
    """While active, the arrays hold the values of those others that are not themselves; whether that was possible."""
    pairs = [(a, b) for a, b in zip(arrays, others, strict=True) if a is not b]
    if any(0 in _strides(a) for a, _ in pairs):  # one element that stands for several
        yield False
        return
    saved = [a.copy() if isinstance(a, np.ndarray) else a.detach().clone() for a, _ in pairs]
    try:
        for a, b in pairs:
            _write(a, b)
        yield True
    finally:
        for (a, _), before in zip(pairs, saved, strict=True):
            _write(a, before)


def _strides(array: Any) -> tuple[int, ...]:
    """Of the axes with more than one element."""
    strides = array.strides if isinstance(array, np.ndarray) else array.stride()
    return tuple(s for s, size in zip(strides, array.shape, strict=True) if size > 1)


def _write(array: Any, values: Any) -> None:
    if isinstance(array, np.ndarray):
        array[...] = values
    else:
        array.detach().copy_(values)


def _turned(received: Any) -> Any:
    value = np.asarray(received.value if isinstance(received, Bounded) else received)
    return received if np.array_equal(turned := np.flip(value), value) else turned
