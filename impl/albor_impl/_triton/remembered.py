"""Types of Triton's language, worked out once instead of at each operation of an interpreted program.

A compiler asks for the type of an intermediate result once in a kernel's life; the interpreter asks again for each
program of each launch, and spends most of its time on it. Here the stock code runs for the first value of a kind, and
what it found is kept by name: nothing is decided differently. In force during launches only, like the rest of the
interpreter.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import triton.language as tl
from triton.language.semantic import TritonSemantic
from triton.runtime import interpreter

_POINTER = np.dtype(np.uint64)
_stock_np_dtype = interpreter._get_np_dtype
_stock_block_init = tl.core.block_type.__init__
_stock_tensor_init = tl.core.tensor.__init__
_stock_equal = tl.core.dtype.__eq__
_stock_to_ir = tl.core.dtype.to_ir

_np_dtypes: dict[str, np.dtype] = {}
_blocks: dict[tuple[str, tuple[int, ...]], dict[str, Any]] = {}
_sizes: dict[tuple[int, ...], Any] = {}
_joint: dict[tuple[int, int], tuple[Any, Any, Any]] = {}
_shapes: dict[str, dict[str, Any]] = {}
_ir_types: dict[str, Any] = {}


def np_dtype(kind: Any) -> np.dtype:
    """The NumPy dtype that holds a Triton dtype, or the elements of a block type."""
    scalar = kind.scalar
    if isinstance(scalar, tl.pointer_type):
        return _POINTER
    found = _np_dtypes.get(scalar.name)
    if found is None:
        found = _np_dtypes[scalar.name] = _stock_np_dtype(scalar)
    return found


def block_init(self: Any, element_ty: Any, shape: Any) -> None:
    """`block_type.__init__`: of a shape and an element type, name, size and checks are the same each time.

    Types of one shape share the object that holds it.
    """
    try:
        key = element_ty.name, tuple(map(operator.index, shape))
        known = _blocks.get(key)
    except (AttributeError, TypeError):  # no type, no sequence, no numbers: the stock code says what is wrong
        known = key = None
    if known is None:
        _stock_block_init(self, element_ty, shape)
        if key is not None:
            self.shape = _sizes.setdefault(key[1], self.shape)
            _blocks[key] = {name: value for name, value in vars(self).items() if name != "element_ty"}
    else:
        self.__dict__.update(known)
        self.element_ty = element_ty


def tensor_init(self: Any, handle: Any, type: Any) -> None:
    """`tensor.__init__`: the shape, wrapped as constants, is the same for each tensor of a type."""
    known = _shapes.get(type.name)
    if known is None:
        _stock_tensor_init(self, handle, type)
        _shapes[type.name] = {k: v for k, v in vars(self).items() if k not in ("handle", "type", "dtype")}
    else:
        self.__dict__.update(known)
        self.handle = handle
        self.type = type
        self.dtype = type.scalar


def equal(self: Any, other: Any) -> bool:
    """`dtype.__eq__`: a type is itself."""
    return self is other or _stock_equal(self, other)


def to_ir(self: Any, builder: Any) -> Any:
    """`dtype.to_ir`, which goes through all names of types, one after the other."""
    found = _ir_types.get(self.name)
    if found is None:
        found = _ir_types[self.name] = _stock_to_ir(self, builder)
    return found


def direct(stock: Any, semantic: TritonSemantic) -> Any:
    """A builtin that is called with `semantic`, without the layers the interpreter puts around it.

    `stock` is what the interpreter exchanges the builtin for: it copies the keywords, drops `_semantic` from them and
    calls a wrapper that looks for `_semantic`. Anything else is returned as it is.
    """
    member = (getattr(stock, "__kwdefaults__", None) or {}).get("member")
    if member is None:
        return stock
    function: Callable[..., Any] = getattr(member, "__wrapped__", member)

    def call(*args: Any, **kwargs: Any) -> Any:
        kwargs["_semantic"] = semantic
        return function(*args, **kwargs)

    return call


class RememberedSemantic(TritonSemantic):
    """Triton's rules for operands, with the answers to the commonest questions kept."""

    def broadcast_impl_value(self, lhs: Any, rhs: Any) -> Any:
        """Both operands in one shape."""
        left, right = lhs.type, rhs.type
        if not (left.is_block() and right.is_block()):
            return super().broadcast_impl_value(lhs, rhs) if left.is_block() or right.is_block() else (lhs, rhs)
        if left.shape is right.shape:
            return lhs, rhs
        key = id(left.shape), id(right.shape)
        known = _joint.get(key)
        if known is None:
            lhs, rhs = super().broadcast_impl_value(lhs, rhs)
            if len(left.shape) == len(right.shape):
                _joint[key] = left.shape, right.shape, lhs.type.shape  # the shapes live on, so that ids stay theirs
            return lhs, rhs
        return self._broadcast(lhs, known[2]), self._broadcast(rhs, known[2])

    def _broadcast(self, value: Any, shape: Any) -> Any:
        if value.type.shape is shape:
            return value
        sizes = list(shape)
        kind = tl.block_type(value.type.scalar, sizes)
        return self.tensor(self.builder.create_broadcast(value.handle, sizes), kind)

    def cast(self, input: Any, dst_ty: Any, fp_downcast_rounding: str | None = None) -> Any:
        """`input` as `dst_ty`; most operands have that type already."""
        if input.dtype is dst_ty:
            return input
        return super().cast(input, dst_ty, fp_downcast_rounding)

    def computation_type_impl(
        self, a_ty: Any, a_is_scalar: bool, b_ty: Any, b_is_scalar: bool, div_or_mod: bool
    ) -> Any:
        """The type in which two operands meet."""
        return _computation_type(self, a_ty, a_is_scalar, b_ty, b_is_scalar, div_or_mod)


@functools.cache
def _computation_type(semantic: RememberedSemantic, *operands: Any) -> Any:
    return TritonSemantic.computation_type_impl(semantic, *operands)
