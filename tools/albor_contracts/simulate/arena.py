"""The memory of a device: one flat array of bytes from which buffers are cut, side by side.

A kernel gets a `Memory`: the address of a buffer and the type of its elements, and no length. An index past the end
reads or writes whatever lies there, as on a GPU: first the guard words, then the neighbour. New buffers are filled with
poison, since the allocator of a GPU hands out what was there before.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

CANARY = 0xDEADBEEF  # every word that belongs to no buffer
WORD = 4  # bytes of a guard word
GUARD = 8  # words between two buffers, at least
ALIGNMENT = 16  # bytes
POISONS = (0xFF, 0xCB)  # a NaN or -1 in every type; large negative numbers in every signed type


class DeviceError(RuntimeError):
    """The device refused or failed something. Like CUDA's errors it stays: nothing runs on the device after it."""


class OutOfMemory(DeviceError):
    """The arena has no room for a buffer."""


@dataclass(frozen=True, eq=False)
class Buffer:
    """An allocation: a name for messages, its shape and type, and where it begins in the arena, in bytes."""

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype
    start: int

    @property
    def size(self) -> int:
        """Elements."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        return self.size * self.dtype.itemsize

    @property
    def end(self) -> int:
        return self.start + self.nbytes

    def __str__(self) -> str:
        return f"`{self.name}` ({self.dtype} [{', '.join(map(str, self.shape))}])"


class Arena:
    """`capacity` bytes, and the buffers cut from them in the order of their addresses."""

    def __init__(self, capacity: int = 1 << 20, poison: int = POISONS[0]) -> None:
        self.words = np.full(-(-capacity // ALIGNMENT) * (ALIGNMENT // WORD), CANARY, dtype=np.uint32)
        self.bytes = self.words.view(np.uint8)
        self.poison = poison
        self.buffers: list[Buffer] = []

    def allocate(self, name: str, shape: Sequence[int], dtype: Any) -> Buffer:
        """A new buffer behind the last one, full of poison. Raises `OutOfMemory` when it does not fit."""
        last = self.buffers[-1].end if self.buffers else 0
        start = -(-(last + GUARD * WORD) // ALIGNMENT) * ALIGNMENT
        buffer = Buffer(name, tuple(map(int, shape)), np.dtype(dtype), start)
        if buffer.end + GUARD * WORD > len(self.bytes):
            raise OutOfMemory(
                f"no room for {buffer}: {buffer.nbytes} bytes wanted, {max(len(self.bytes) - start, 0)} left"
            )
        self.bytes[start : buffer.end] = self.poison
        self.buffers.append(buffer)
        return buffer

    def contents(self, buffer: Buffer) -> np.ndarray:
        """The elements of a buffer, as a view in its shape."""
        return self.bytes[buffer.start : buffer.end].view(buffer.dtype).reshape(buffer.shape)

    def memory(self, buffer: Buffer) -> Memory:
        """What a kernel gets of a buffer."""
        return Memory(self.bytes, buffer)

    def damage(self, before: np.ndarray, allowed: Iterable[Buffer] = ()) -> str:
        """What changed since `before` (a copy of `bytes`) outside the `allowed` buffers; empty when nothing did.

        For example "8 words of the guard behind `dx` from word 0 on, 3 elements of `v` from element 12 on".
        """
        changed = self.bytes != before
        for buffer in allowed:
            changed[buffer.start : buffer.end] = False
        if not changed.any():
            return ""
        found = []
        last = 0
        for k, buffer in enumerate(self.buffers):
            where = f"behind `{self.buffers[k - 1].name}`" if k else f"before `{buffer.name}`"
            found.append(_part(changed[last : buffer.start], WORD, "words", f"the guard {where}", "word"))
            found.append(
                _part(
                    changed[buffer.start : buffer.end],
                    buffer.dtype.itemsize,
                    "elements",
                    f"`{buffer.name}`",
                    "element",
                )
            )
            last = buffer.end
        where = f"behind `{self.buffers[-1].name}`" if self.buffers else "at the beginning"
        found.append(_part(changed[last:], WORD, "words", f"the memory {where}", "word"))
        return ", ".join(filter(None, found))


def _part(changed: np.ndarray, unit: int, plural: str, what: str, single: str) -> str:
    places = np.unique(np.flatnonzero(changed) // unit)
    if not len(places):
        return ""
    return f"{len(places)} {plural if len(places) > 1 else single} of {what} from {single} {places[0]} on"


class Memory:
    """A typed address. `x[i]` and `x[i] = value` take a number, a slice or an array of numbers, counted from it.

    Nothing is checked but the ends of the arena: beyond them there is no memory, and the access raises `DeviceError`.
    """

    def __init__(self, data: np.ndarray, buffer: Buffer) -> None:
        size = buffer.dtype.itemsize
        self._data = data[: len(data) // size * size].view(buffer.dtype)
        self._first = buffer.start // size
        self._buffer = buffer

    def _place(self, index: Any) -> Any:
        if isinstance(index, slice):
            index = np.arange(index.start or 0, index.stop, index.step or 1)
        place = self._first + np.asarray(index, dtype=np.int64)
        if place.size and (place.min() < 0 or place.max() >= len(self._data)):
            raise DeviceError(f"illegal address: {self._buffer} was accessed far outside its memory")
        return place

    def __getitem__(self, index: Any) -> Any:
        return self._data[self._place(index)]

    def __setitem__(self, index: Any, value: Any) -> None:
        self._data[self._place(index)] = value
