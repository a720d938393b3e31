"""Triton's interpreter with its differences from compiled code repaired.

| stock interpreter | here |
|---|---|
| float32 -> bfloat16 truncates | round to nearest, ties to even; NaN, infinities and subnormals right |
| bfloat16 arithmetic works on the bit patterns | through float32, rounded once |
| `tl.dot` of bfloat16 multiplies bit patterns | operands widened to float32 |
| a masked load without `other` returns 0 | returns a poison: NaN, or a huge integer |
| a wild pointer reads garbage or ends the process | `OutOfBounds`, when outside every tensor argument |
| `device_assert` is silent | it raises |
| `tl.reduce` with an own combine function visits elements | halves blocks, log2(n) calls |
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import triton.language as tl
from triton._C.libtriton import ir
from triton.runtime import interpreter

from . import bfloat16

TensorHandle = interpreter.TensorHandle


class OutOfBounds(IndexError):
    """A kernel touched memory outside every tensor it was given."""


def _is_bf16(handle: Any) -> bool:
    return handle.dtype.scalar == tl.bfloat16


def _widened(handle: Any) -> Any:
    """`handle` with bfloat16 patterns replaced by their float32 values; others as they are."""
    return TensorHandle(bfloat16.decode(handle.data), tl.float32) if _is_bf16(handle) else handle


def _narrowed(handle: Any) -> Any:
    """The inverse of `_widened`: rounds. Booleans (comparisons) stay."""
    if handle.data.dtype == np.bool_:
        return handle
    return TensorHandle(bfloat16.encode(handle.data), tl.bfloat16)


def _poison(shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    np_dtype = interpreter._get_np_dtype(dtype)
    if dtype.scalar == tl.bfloat16:
        return np.full(shape, 0x7FFF, np_dtype)
    if np_dtype.kind == "f":
        return np.full(shape, np.nan, np_dtype)
    if np_dtype.kind == "b":
        return np.ones(shape, np_dtype)
    return np.full(shape, np.iinfo(np_dtype).max, np_dtype)


def _filled(data: np.ndarray, shape: Any, dtype: Any) -> np.ndarray:
    """`data` broadcast to `shape`, in an array of its own."""
    block = np.empty(tuple(shape), dtype)
    block[...] = data
    return block


class Memory:
    """The byte ranges that a launch may touch: the extents of its tensor arguments."""

    def __init__(self, spans: list[tuple[int, int, str]]) -> None:
        merged: list[list[int]] = []
        for start, end, _ in sorted(spans):
            if merged and start <= merged[-1][1]:
                merged[-1][1] = max(merged[-1][1], end)
            else:
                merged.append([start, end])
        self.starts = np.array([start for start, _ in merged], dtype=np.uint64)
        self.ends = np.array([end for _, end in merged], dtype=np.uint64)
        self.spans = spans

    def check(self, pointers: np.ndarray, mask: np.ndarray, width: int, what: str) -> None:
        """Raise unless `width` bytes at each pointer under the mask belong to one of the tensors."""
        live = pointers if mask.all() else pointers[np.broadcast_to(mask, pointers.shape)]
        if not live.size:
            return
        for value in (live.min(), live.max()):  # both ends in one range: so are all between
            place = int(np.searchsorted(self.starts, value, side="right")) - 1
            if place < 0 or int(value) + width > int(self.ends[place]):
                self._complain(int(value), what)
        first = np.searchsorted(self.starts, live.min(), side="right")
        if first != np.searchsorted(self.starts, live.max(), side="right"):
            places = np.searchsorted(self.starts, live.ravel(), side="right") - 1
            wrong = live.ravel() + np.uint64(width) > self.ends[places]
            if wrong.any():
                self._complain(int(live.ravel()[wrong][0]), what)

    def _complain(self, address: int, what: str) -> None:
        def distance(span: tuple[int, int, str]) -> int:
            return max(span[0] - address, address - span[1], 0)

        if not self.spans:
            raise OutOfBounds(f"{what} of memory, but the kernel was given no tensor")
        start, end, name = min(self.spans, key=distance)
        raise OutOfBounds(
            f"{what} outside every tensor argument: the nearest is {name!r} ({end - start} bytes), "
            f"and the access is at byte {address - start} of it"
        )


class RepairedBuilder(interpreter.InterpreterBuilder):
    """The operations of a program on NumPy arrays, with the repairs of this module."""

    def __init__(self) -> None:
        super().__init__()
        self.grid_idx = None
        self.grid_dim = None
        self.memory = Memory([])
        self.sanitize(overflow=False)

    def sanitize(self, overflow: bool) -> None:
        """Turn the check for overflowing 32-bit integer arithmetic on or off; `device_assert` is always on."""
        self.options = dataclasses.replace(interpreter.InterpreterOptions(), debug=True, sanitize_overflow=overflow)

    # Memory

    def _check(self, pointers: Any, mask: np.ndarray, what: str) -> None:
        width = max(1, pointers.get_element_ty().primitive_bitwidth // 8)
        self.memory.check(pointers.data, np.asarray(mask), width, what)

    def create_masked_load(self, ptrs: Any, mask: Any, other: Any, *rest: Any, **more: Any) -> Any:
        self._check(ptrs, mask.data, "load")
        if other is None and not mask.data.all():
            dtype = ptrs.get_element_ty()
            other = TensorHandle(_poison(ptrs.data.shape, dtype), dtype)
        return super().create_masked_load(ptrs, mask, other, *rest, **more)

    def create_masked_store(self, ptrs: Any, value: Any, mask: Any, *rest: Any, **more: Any) -> Any:
        self._check(ptrs, mask.data, "store")
        return super().create_masked_store(ptrs, value, mask, *rest, **more)

    def create_atomic_rmw(self, op: Any, ptr: Any, val: Any, mask: Any, *rest: Any, **more: Any) -> Any:
        self._check(ptr, mask.data, "atomic operation")
        return super().create_atomic_rmw(op, ptr, val, mask, *rest, **more)

    def create_atomic_cas(self, ptr: Any, *rest: Any, **more: Any) -> Any:
        self._check(ptr, np.ones_like(ptr.data, dtype=bool), "atomic operation")
        return super().create_atomic_cas(ptr, *rest, **more)

    # Copies: a view with strides of 0 takes NumPy longer to make than a block of the usual sizes to fill.

    def create_splat(self, ret_ty: Any, arg: Any) -> Any:
        return TensorHandle(_filled(arg.data, ret_ty.shape, interpreter._get_np_dtype(arg.dtype)), arg.dtype.scalar)

    def create_broadcast(self, arg: Any, shape: Any) -> Any:
        return TensorHandle(_filled(arg.data, shape, arg.data.dtype), arg.dtype.scalar)

    # bfloat16

    def cast_impl(self, src: Any, dst_type: Any) -> Any:
        if dst_type.scalar == tl.bfloat16:
            return src if _is_bf16(src) else TensorHandle(bfloat16.encode(src.data), tl.bfloat16)
        return super().cast_impl(_widened(src), dst_type) if dst_type.scalar != tl.float32 else self._to_f32(src)

    def _to_f32(self, src: Any) -> Any:
        wide = _widened(src)
        return TensorHandle(wide.data.astype(np.float32, copy=False), tl.float32)

    def create_fp_to_fp(self, src: Any, dst_type: Any, rounding_mode: Any) -> Any:
        if dst_type.scalar == tl.bfloat16 and src.dtype.scalar == tl.float32:
            toward_zero = rounding_mode == ir.ROUNDING_MODE.RTZ
            data = bfloat16.truncate(src.data) if toward_zero else bfloat16.encode(src.data)
            return TensorHandle(data, tl.bfloat16)
        if _is_bf16(src) and dst_type.scalar == tl.float32:
            return _widened(src)
        return super().create_fp_to_fp(src, dst_type, rounding_mode)

    def binary_op(self, lhs: Any, rhs: Any, op: Any) -> Any:
        if _is_bf16(lhs) and lhs.data.dtype == np.uint16 and op not in (np.bitwise_and, np.bitwise_or, np.bitwise_xor):
            return _narrowed(super().binary_op(_widened(lhs), _widened(rhs), op))
        return super().binary_op(lhs, rhs, op)

    def unary_op(self, arg: Any, op: Any) -> Any:
        if _is_bf16(arg):
            return _narrowed(super().unary_op(_widened(arg), op))
        return super().unary_op(arg, op)

    def ternary_op(self, lhs: Any, rhs: Any, other: Any, op: Any) -> Any:
        if op is not np.where and _is_bf16(other):
            return _narrowed(super().ternary_op(_widened(lhs), _widened(rhs), _widened(other), op))
        return super().ternary_op(lhs, rhs, other, op)

    def create_fma(self, x: Any, y: Any, z: Any) -> Any:
        if _is_bf16(z):
            return _narrowed(super().create_fma(_widened(x), _widened(y), _widened(z)))
        return super().create_fma(x, y, z)

    def create_dot(self, a: Any, b: Any, d: Any, *rest: Any, **more: Any) -> Any:
        return super().create_dot(_widened(a), _widened(b), d, *rest, **more)


def wide_reduction(stock: Any) -> Any:
    """`tl.reduce` of the interpreter for bfloat16 operands: in float32, rounded once at the end."""

    def reduce(input: Any, axis: Any, combine_fn: Any, *rest: Any, **more: Any) -> Any:
        if not isinstance(input, tl.tensor) or input.dtype != tl.bfloat16:
            return stock(input, axis, combine_fn, *rest, **more)
        wide = tl.tensor(_widened(input.handle), input.type.with_element_ty(tl.float32))
        result = stock(wide, axis, combine_fn, *rest, **more)
        kind = result.type.with_element_ty(tl.bfloat16) if result.type.is_block() else tl.bfloat16
        return tl.tensor(_narrowed(result.handle), kind)

    return reduce


def halving_reduce(self: Any, input: Any) -> list[Any]:
    """`ReduceOps.generic_reduce` by halving: the combine function is associative, and works on whole blocks.

    The same tree as a GPU uses, log2(n) calls of the combine function instead of n.
    """
    kinds = [tensor.dtype for tensor in input]
    arrays = [tensor.handle.data for tensor in input]
    rank, axis = arrays[0].ndim, self.axis
    if axis is None:
        arrays, axis = [array.reshape(-1) for array in arrays], 0
    arrays = [np.moveaxis(array, axis, 0) for array in arrays]

    def as_tensors(parts: list[np.ndarray]) -> list[Any]:
        return [self.to_tensor(part, kind) for part, kind in zip(parts, kinds, strict=True)]

    while (length := arrays[0].shape[0]) > 1:
        half = length // 2
        low, high = [a[:half] for a in arrays], [a[half:] for a in arrays]
        combined = self.combine_fn(*as_tensors(low), *as_tensors(high))
        combined = combined if isinstance(combined, (tuple, list, tl.tuple)) else (combined,)
        arrays = [np.asarray(part.handle.data).reshape(low[0].shape) for part in combined]
    results = [array[0] for array in arrays]
    if self.keep_dims:
        results = [np.expand_dims(r, axis) if self.axis is not None else r.reshape((1,) * rank) for r in results]
    return as_tensors([r if r.shape else r.item() for r in results])
