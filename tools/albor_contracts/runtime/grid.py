"""Open grids: an index is an integer array that varies along one axis of its own."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np


class Index(np.ndarray):
    """`arange(size)` laid along `axis` of a grid. Arithmetic on it gives plain integer arrays."""

    axis: int
    place: tuple[int, int, int] | None  # size, axis and number of axes, of an index as `grid` made it

    def __array_finalize__(self, obj: object) -> None:
        self.axis = -1
        self.place = None

    def __array_wrap__(self, array: Any, context: object = None, return_scalar: bool = False) -> Any:
        return np.asarray(array)


@lru_cache(maxsize=4096)
def _index(size: int, axis: int, axes: int) -> Index:
    shape = [1] * axes
    shape[axis] = size
    index = np.arange(size).reshape(shape).view(Index)
    index.axis = axis
    index.place = (size, axis, axes)
    index.flags.writeable = False
    return index


def grid(*sizes: int) -> tuple[Index, ...] | Index:
    """`b, i, j = grid(B, N, N)`: one index for each size, each along an axis of its own."""
    indices = tuple(_index(int(size), axis, len(sizes)) for axis, size in enumerate(sizes))
    return indices if len(indices) != 1 else indices[0]


class _Array:
    """`y = array[b, i](expression)`: the expression as an array with the axes b and i, in this order."""

    def __getitem__(self, axes: Index | tuple[Index, ...]) -> _Shaped:
        return _Shaped(axes if isinstance(axes, tuple) else (axes,))


class _Shaped:
    def __init__(self, axes: tuple[Index, ...]) -> None:
        self.axes = axes

    def __call__(self, value):
        return _lay_out(value, *_axes(tuple([a.place for a in self.axes])))


@lru_cache(maxsize=4096)
def _axes(places: tuple[tuple[int, int, int], ...]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Shape of the grid, with 1 where an axis is not named, and the named axes in order."""
    full = [1] * (places[0][2] if places else 0)
    for size, axis, _ in places:
        full[axis] = size
    return tuple(full), tuple(axis for _, axis, _ in places)


def _lay_out(value, full: tuple[int, ...], order: tuple[int, ...]):
    if hasattr(value, "laid_out"):
        return value.laid_out(full, order)
    return lay_out(np.asarray(value), full, order)


def lay_out(value: np.ndarray, full: tuple[int, ...], order: tuple[int, ...]) -> np.ndarray:
    """`value` broadcast over the grid, without the axes that are not named, the others in `order`."""
    shape = reshaped(value.shape, full, order)
    if shape is not None:
        return value.reshape(shape)
    if value.shape != full:
        value = np.broadcast_to(value, full)
    rest = tuple(k for k in range(len(full)) if k not in order)
    return value.transpose(order + rest).reshape([full[k] for k in order])


@lru_cache(maxsize=4096)
def reshaped(shape: tuple[int, ...], full: tuple[int, ...], order: tuple[int, ...]) -> tuple[int, ...] | None:
    """The shape that `lay_out` gives a value of this shape, where that is all there is to do."""
    if shape != full or list(order) != sorted(order) or any(n != 1 for k, n in enumerate(full) if k not in order):
        return None
    return tuple(full[k] for k in order)


array = _Array()


def single(value):
    """A value without indices: everything of size one is dropped."""
    if hasattr(value, "laid_out"):
        return value.laid_out((1,) * value.ndim, ())
    return value.reshape(()) if isinstance(value, np.ndarray) else value
