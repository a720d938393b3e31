"""Output and workspace buffers: one place to count them, and to fill them so that an unwritten element shows."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Allocation:
    """One buffer that a wrapper asked for."""

    shape: tuple[int, ...]
    dtype: torch.dtype
    nbytes: int


_logs: list[list[Allocation]] = []
_poisons: list[float] = []


def empty(shape: Sequence[int], dtype: torch.dtype, device: torch.device | str) -> torch.Tensor:
    """A contiguous buffer without defined content (or with the poison, inside `poisoned`)."""
    buffer = torch.empty(tuple(shape), dtype=dtype, device=device)
    for log in _logs:
        log.append(Allocation(tuple(buffer.shape), dtype, buffer.numel() * buffer.element_size()))
    if _poisons:
        _fill(buffer, _poisons[-1])
    return buffer


def empty_like(tensor: torch.Tensor, dtype: torch.dtype | None = None) -> torch.Tensor:
    """`empty` with the shape and device of `tensor`, and its dtype unless another is named; always contiguous."""
    return empty(tensor.shape, dtype or tensor.dtype, tensor.device)


def _fill(buffer: torch.Tensor, value: float) -> None:
    if buffer.dtype == torch.bool:
        buffer.fill_(not math.isnan(value) and value != 0)
    elif buffer.dtype.is_floating_point:
        most = torch.finfo(buffer.dtype).max
        buffer.fill_(min(max(value, -most), most) if math.isfinite(value) else value)
    else:
        info = torch.iinfo(buffer.dtype)
        fits = math.isfinite(value) and value.is_integer() and info.min <= value <= info.max
        buffer.fill_(int(value) if fits else info.max)


@contextlib.contextmanager
def poisoned(value: float = math.nan) -> Iterator[None]:
    """New buffers in the block start filled with `value`.

    A buffer whose dtype cannot hold it is filled with the largest value it can hold. Running twice with two poisons and
    comparing bitwise shows every element that the kernel did not write, or read before it wrote it.
    """
    _poisons.append(float(value))
    try:
        yield
    finally:
        _poisons.pop()


@contextlib.contextmanager
def record_allocations() -> Iterator[list[Allocation]]:
    """The buffers asked for in the block, in order."""
    log: list[Allocation] = []
    _logs.append(log)
    try:
        yield log
    finally:
        _logs[:] = [other for other in _logs if other is not log]
