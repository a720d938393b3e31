"""Memory layouts: the same values contiguous, cut out, transposed, permuted, sliced, expanded, offset or between guard
bands.

A presented array is a view of a larger buffer whose gaps hold a canary (NaN, or a recognisable integer). A kernel that
reads a gap computes a NaN; one that writes where it must not is found by comparing the buffer's bits. A NaN among the
values has whatever sign and payload come next in a list: they are all the same to a definition.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import torch

LAYOUTS = ("contiguous", "guarded", "offset", "sliced", "cut out", "transposed", "expanded", "permuted")
GUARD = 64  # elements before and after; keeps the 16-byte alignment that kernels may specialise on
_QUICK = 2**16  # bytes up to which buffers are compared as a whole first
_NOTHING = np.empty(0, dtype=np.intp)
_INTEGER_CANARY = {"u8": 0xA5, "i8": 0x5A, "i32": 0x5A5A5A5A, "i64": 0x5A5A5A5A5A5A5A5A}
# NaN of both signs: quiet, with every bit set, and signalling. In float32 that holds bfloat16 the lower half is 0.
_NANS = {
    "f64": (0x7FF8 << 48, 0xFFF8 << 48, (1 << 63) - 1, (1 << 64) - 1, (0x7FF0 << 48) + 1, (0xFFF0 << 48) + 1),
    "f32": (0x7FC00000, 0xFFC00000, 0x7FFFFFFF, 0xFFFFFFFF, 0x7F800001, 0xFF800001),
    "bf16": (0x7FC0, 0xFFC0, 0x7FFF, 0xFFFF, 0x7F81, 0xFF81),
    "f16": (0x7E00, 0xFE00, 0x7FFF, 0xFFFF, 0x7C01, 0xFC01),
}
# The element type that NumPy has for each dtype. There is no bfloat16: float32 holds its values.
NUMPY: dict[str, type[np.generic]] = {
    "f64": np.float64, "f32": np.float32, "bf16": np.float32, "f16": np.float16,
    "i64": np.int64, "i32": np.int32, "i8": np.int8, "u8": np.uint8, "bool": np.bool_,
}  # fmt: skip


def applicable(ndim: int) -> tuple[str, ...]:
    """The layouts an array with so many axes can have, the plain one first."""
    return LAYOUTS[: (3, 4, 7, 8)[min(ndim, 3)]]


@dataclass(frozen=True)
class Plan:
    """Elements of the buffer, and the view of the array in it (strides and offset count elements)."""

    total: int
    offset: int
    strides: tuple[int, ...]


def plan(shape: Sequence[int], layout: str, constant_axis: int | None = None) -> Plan:
    """Where an array of this shape lies in its buffer under this layout.

    Nobody steps along an axis of one element. Where only such axes tell an array from one that is contiguous it has the
    strides of that: PyTorch takes it for contiguous, so `x.contiguous()` would not bring `x.stride(-1)` to 1.
    """
    found = _plan(shape, layout, constant_axis)
    plain = _contiguous(shape)
    if all(n <= 1 or s == p for n, s, p in zip(shape, found.strides, plain, strict=True)):
        return Plan(found.total, found.offset, plain)
    return found


def _plan(shape: Sequence[int], layout: str, constant_axis: int | None) -> Plan:
    size = math.prod(shape)
    strides = _contiguous(shape)
    match layout:
        case "contiguous":
            return Plan(size, 0, strides)
        case "guarded":
            return Plan(size + 2 * GUARD, GUARD, strides)
        case "offset":
            return Plan(size + 1, 1, strides)
        case "sliced":
            return Plan(2 * size + 1, 1 if size else 0, tuple(2 * s for s in strides))
        case "cut out":  # the second half of the columns, as `gate, up = both.chunk(2, -1)` gives it
            return Plan(2 * size, shape[-1] if size else 0, (*(2 * s for s in strides[:-1]), 1))
        case "transposed":
            swapped = [*shape[:-2], shape[-1], shape[-2]]
            *front, last, before = _contiguous(swapped)
            return Plan(size, 0, (*front, before, last))
        case "permuted":  # heads [B, H, S, D] cut out of [B, S, H, D]
            *front, before, middle, last = shape
            *around, second, first, innermost = _contiguous([*front, middle, before, last])
            return Plan(size, 0, (*around, first, second, innermost))
        case "expanded":
            assert constant_axis is not None
            kept = [1 if k == constant_axis else n for k, n in enumerate(shape)]
            inner = list(_contiguous(kept))
            inner[constant_axis] = 0
            return Plan(math.prod(kept) + 2 * GUARD, GUARD, tuple(inner))
    raise ValueError(f"unknown layout {layout!r}: expected one of {', '.join(LAYOUTS)}")


def told(array: np.ndarray, layout: str) -> str:
    """The layout as a person reads it, with the strides in elements where they are not those of an array that is
    contiguous: `sliced, strides 6 2`."""
    axis = _constant_axis(array) if layout == "expanded" else None
    if layout == "expanded" and axis is None:
        return layout
    strides = plan(array.shape, layout, axis).strides
    return layout if strides == _contiguous(array.shape) else f"{layout}, strides {' '.join(map(str, strides))}"


@dataclass(frozen=True)
class Presented:
    """`view` is what a kernel gets; `damage()` says what it changed, `intact()` that it changed nothing."""

    view: Any
    buffer: Any
    snapshot: Any
    plan: Plan
    shape: tuple[int, ...]

    def intact(self) -> bool:
        return not len(_changed(self.buffer, self.snapshot))

    def damage(self) -> str:
        """Empty, or for example "2 elements of the input were written, the first at (0, 3)"."""
        changed = _changed(self.buffer, self.snapshot)
        if not len(changed):
            return ""
        owner = _owners(self.plan, self.shape)
        inside = [int(c) for c in changed if int(c) in owner]
        if inside:
            return f"{len(inside)} elements of the input were written, the first at {owner[inside[0]]}"
        first = int(changed[0])
        return f"{len(changed)} elements outside the input were written, the first {self._where(first)}"

    def _where(self, place: int) -> str:
        end = self.plan.offset + sum((n - 1) * s for n, s in zip(self.shape, self.plan.strides, strict=True))
        if place < self.plan.offset:
            return f"{self.plan.offset - place} before its start"
        return f"{place - end} after its end" if place > end else "in a gap between its elements"


def present(
    array: np.ndarray,
    layout: str = "contiguous",
    framework: str = "numpy",
    dtype: str | None = None,
    device: str | torch.device = "cpu",
) -> Presented:
    """`array` in this layout, for "numpy" or "torch".

    `dtype` is the element type the kernel gets ("f64", "f32", "bf16", "f16", "i64", ...; default: that of `array`).
    NumPy has no bfloat16: there "bf16" gives float32 holding bfloat16 values. The values are expected to be
    representable (`Case.received`). Raises ValueError for a layout the array cannot have.
    """
    array = np.asarray(array)
    word = dtype or _word(array)
    if word not in NUMPY:
        raise ValueError(f"unknown dtype {dtype!r}: expected one of {', '.join(NUMPY)}")
    if layout not in LAYOUTS:
        raise ValueError(f"unknown layout {layout!r}: expected one of {', '.join(LAYOUTS)}")
    if layout not in applicable(array.ndim):
        raise ValueError(f"an array with {array.ndim} axes cannot be {layout}")
    axis = _constant_axis(array) if layout == "expanded" else None
    if layout == "expanded" and axis is None:
        raise ValueError("only an array that is constant along an axis can be expanded")
    where = plan(array.shape, layout, axis)
    # An expanded view has several elements in one place: write it once.
    once = np.take(array, [0], axis=axis) if axis is not None else array
    if framework == "numpy":
        return _present_numpy(array.shape, once, where, word)
    if framework == "torch":
        return _present_torch(array.shape, once, where, word, device)
    raise ValueError(f"unknown framework {framework!r}: expected numpy or torch")


def _present_numpy(shape: tuple[int, ...], once: np.ndarray, where: Plan, word: str) -> Presented:
    kind = np.dtype(NUMPY[word])
    buffer = np.full(where.total, _canary(word), dtype=kind)
    strides = tuple(s * kind.itemsize for s in where.strides)

    def view(of: tuple[int, ...]) -> np.ndarray:
        if not math.prod(of):
            return np.empty(of, dtype=kind)
        return np.ndarray(of, kind, buffer, where.offset * kind.itemsize, strides)

    view(once.shape)[...] = once
    if (places := _nan_places(once)) is not None:
        shift = 16 if word == "bf16" else 0  # bfloat16 in float32
        bits = np.array([b << shift for b in _nans(word, len(places[0]))], dtype=np.uint64)
        view(once.shape).view(f"u{kind.itemsize}")[places] = bits.astype(f"u{kind.itemsize}")
    return Presented(view(shape), buffer, buffer.copy(), where, shape)


def _present_torch(shape: tuple[int, ...], once: np.ndarray, where: Plan, word: str, device: Any) -> Presented:
    import torch

    kinds = {
        "f64": torch.float64, "f32": torch.float32, "bf16": torch.bfloat16, "f16": torch.float16,
        "i64": torch.int64, "i32": torch.int32, "i8": torch.int8, "u8": torch.uint8, "bool": torch.bool,
    }  # fmt: skip
    buffer = torch.full((where.total,), _canary(word), dtype=kinds[word], device=device)
    filled = buffer.as_strided(once.shape, where.strides, where.offset)
    filled.copy_(torch.from_numpy(np.array(once)))
    if (places := _nan_places(once)) is not None:
        size = buffer.element_size()
        bits = np.array(_nans(word, len(places[0])), dtype=np.uint64).astype(f"u{size}").view(f"i{size}")
        held = filled.view({2: torch.int16, 4: torch.int32, 8: torch.int64}[size])
        held[tuple(torch.from_numpy(p).to(device) for p in places)] = torch.from_numpy(bits).to(device)
    return Presented(buffer.as_strided(shape, where.strides, where.offset), buffer, buffer.clone(), where, shape)


def _nan_places(array: np.ndarray) -> tuple[np.ndarray, ...] | None:
    found = np.isnan(array) if array.dtype.kind == "f" and array.ndim else None
    return found.nonzero() if found is not None and found.any() else None


def _nans(word: str, count: int) -> list[int]:
    return [_NANS[word][k % len(_NANS[word])] for k in range(count)]


def _canary(word: str) -> float | int | bool:
    return True if word == "bool" else _INTEGER_CANARY.get(word, math.nan)


def _word(array: np.ndarray) -> str:
    for word, kind in NUMPY.items():
        if word != "bf16" and array.dtype == kind:
            return word
    raise ValueError(f"no layout for arrays of {array.dtype}")


def _contiguous(shape: Sequence[int]) -> tuple[int, ...]:
    strides = [1] * len(shape)
    for k in range(len(shape) - 2, -1, -1):
        strides[k] = strides[k + 1] * max(shape[k + 1], 1)
    return tuple(strides)


def _constant_axis(array: np.ndarray) -> int | None:
    """The first axis with several elements along which nothing changes, bit for bit."""
    for axis, n in enumerate(array.shape):
        if n > 1:
            first = np.take(array, [0], axis=axis)
            if array.astype(array.dtype).tobytes() == np.array(np.broadcast_to(first, array.shape)).tobytes():
                return axis
    return None


def _changed(buffer: Any, snapshot: Any) -> np.ndarray:
    """Positions in the buffer whose bits differ from the snapshot's."""
    if isinstance(buffer, np.ndarray) and buffer.nbytes <= _QUICK and buffer.tobytes() == snapshot.tobytes():
        return _NOTHING
    return np.flatnonzero((_bits(buffer) != _bits(snapshot)).any(axis=-1))


def _bits(buffer: Any) -> np.ndarray:
    if not isinstance(buffer, np.ndarray):
        import torch

        buffer = buffer.cpu().view(torch.uint8).numpy().reshape(len(buffer), -1) if len(buffer) else np.empty((0, 1))
        return buffer
    return buffer.view(np.uint8).reshape(len(buffer), -1) if len(buffer) else np.empty((0, 1))


def _owners(where: Plan, shape: tuple[int, ...]) -> dict[int, tuple[int, ...]]:
    """Position in the buffer -> index of the element that lies there (the first one, if several do)."""
    owners: dict[int, tuple[int, ...]] = {}
    for index in np.ndindex(*shape):
        place = where.offset + sum(i * s for i, s in zip(index, where.strides, strict=True))
        owners.setdefault(place, index)
    return owners
