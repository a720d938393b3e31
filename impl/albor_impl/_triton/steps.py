"""Operations that were recorded, as functions of the list of values.

Each has a full form, which calls the interpreter's operation, and the common ones a short one: what is left when types
and shapes are known. Little is taken on trust: what a short form gives is compared with what the interpreter gave, bit
by bit, in the program that was recorded; one that differs is not used. (Of loads and stores nothing is compared: memory
may have changed since.)
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import triton.language as tl
from triton.runtime import interpreter

from . import bfloat16, interpret
from .recording import LANGUAGE, Level, Operation, Ref, Stretch
from .repaired import RepairedBuilder, _poison

Step = Callable[[list[Any]], None]


class Steps:
    """The operations of a stretch as functions of the list of values, those of the launch apart from those of a
    program. `order` are the places of the latter among the operations."""

    def __init__(self, stretch: Stretch, values: list[Any]) -> None:
        self.of_launch: list[Step] = []
        self.of_program: list[Step] = []
        self.order: list[int] = []
        for place, operation in enumerate(stretch.operations):
            if operation.level is Level.ONCE:
                continue
            steps = self.of_launch if operation.level is Level.LAUNCH else self.of_program
            if operation.level is Level.PROGRAM:
                self.order.append(place)
            steps.append(_step(operation, values))

    def run(self, under: Any, values: list[Any]) -> int | None:
        """Carry out the stretch. How many operations were, where the next one failed."""
        if id(self) not in under.worked_out:
            try:
                for step in self.of_launch:
                    step(values)
            except Exception:
                return 0
            under.worked_out.add(id(self))
        steps = iter(self.of_program)
        try:
            for step in steps:
                step(values)
        except Exception:
            return self.order[len(self.of_program) - operator.length_hint(steps) - 1]
        return None


def _step(operation: Operation, values: list[Any]) -> Step:
    """What carries `operation` out. `values` are those of the program that was recorded: whatever does the same in a
    shorter way has to come to the same."""
    short = _short(operation)
    if short is None:
        return _full(operation)
    if operation.results and operation.name not in _READS:
        place = operation.results[0].place
        expected = values[place]
        try:
            short(values)
            same = _same(values[place], expected)
        except Exception:
            same = False
        values[place] = expected
        return short if same else _full(operation)
    return short


def _same(a: Any, b: Any) -> bool:
    return bool(type(a) is type(b) and a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes())


def _full(operation: Operation) -> Step:
    """The operation as the interpreter has it."""

    def filled(value: Any, values: list[Any]) -> Any:
        if isinstance(value, Ref):
            handle = interpreter.TensorHandle(values[value.place], value.dtype)
            return handle if value.wrapped is None else tl.tensor(handle, value.wrapped)
        if type(value) in (list, tuple):
            return type(value)(filled(part, values) for part in value)
        return value

    def step(values: list[Any]) -> None:
        values[0].language()
        args = [filled(value, values) for value in operation.args]
        result = operation.function(*args, **{k: filled(v, values) for k, v in operation.kwargs.items()})
        parts = result if operation.several else (result,) if operation.results else ()
        for ref, part in zip(operation.results, parts, strict=True):
            values[ref.place] = part.data if isinstance(part, interpreter.TensorHandle) else part.handle.data

    return step


def _short(operation: Operation) -> Step | None:
    """The operation without what is known by now; None where there is no shorter way."""
    if operation.several or (operation.kwargs and operation.name != "reduce"):
        return None
    if operation.name not in LANGUAGE:
        own = getattr(RepairedBuilder, operation.name, None)
        if own is None or getattr(operation.function, "__func__", None) is not own:
            return None  # another stands in its place, or it is a function of the device
    if operation.kernel is not None:
        return _applied(operation)
    make = _SHORT.get(operation.name)
    return make(operation) if make is not None else None


def _is_bf16(ref: Ref) -> bool:
    return bool(ref.dtype.scalar == tl.bfloat16)


def _applied(operation: Operation) -> Step | None:
    """A function of NumPy, applied to arrays. What it gives that is wider than the type is narrowed, as booleans and
    bfloat16 are treated; where this differs from the interpreter, the comparison shows it."""
    function = operation.kernel
    out = operation.results[0].place
    places = [ref.place for ref in operation.args]
    kind = interpreter._get_np_dtype(operation.results[0].dtype)
    narrow = any(map(_is_bf16, operation.args)) and function is not np.where
    a, b, c = (*places, 0, 0)[:3]
    if narrow and len(places) == 2 and all(map(_is_bf16, operation.args)):

        def step(values: list[Any]) -> None:
            found = function(bfloat16.decode(values[a]), bfloat16.decode(values[b]))
            values[out] = found if found.dtype == np.bool_ else bfloat16.encode(found)

    elif narrow and len(places) == 1:

        def step(values: list[Any]) -> None:
            values[out] = bfloat16.encode(function(bfloat16.decode(values[a])))

    elif narrow:
        return None
    elif len(places) == 1:

        def step(values: list[Any]) -> None:
            values[out] = function(values[a])

    elif len(places) == 2:
        booleans = function in (np.bitwise_and, np.bitwise_or, np.bitwise_xor)

        def step(values: list[Any]) -> None:
            x, y = values[a], values[b]
            if x.dtype == np.bool_ and not booleans:
                raise TypeError  # of one bit: the interpreter counts otherwise
            found = function(x, y)
            values[out] = found.astype(kind) if found.itemsize > kind.itemsize else found

    else:

        def step(values: list[Any]) -> None:
            found = function(values[a], values[b], values[c])
            values[out] = found.astype(kind) if found.itemsize > kind.itemsize else found

    return step


def _cast(operation: Operation) -> Step | None:
    source = operation.args[0]
    (result,) = operation.results
    a, out, target = source.place, result.place, interpreter._get_np_dtype(result.dtype)
    if _is_bf16(result):
        if _is_bf16(source):
            return _unchanged(operation)
        return lambda values: operator.setitem(values, out, bfloat16.encode(values[a]))
    if _is_bf16(source):
        if result.dtype.scalar == tl.float32:
            return lambda values: operator.setitem(values, out, bfloat16.decode(values[a]))
        return None
    return lambda values: operator.setitem(values, out, values[a].astype(target))


def _unchanged(operation: Operation) -> Step:
    a, out = operation.args[0].place, operation.results[0].place
    return lambda values: operator.setitem(values, out, values[a])


def _splat(operation: Operation) -> Step:
    kind, source = operation.args
    return _spread(source.place, operation.results[0], kind.shape)


def _broadcast(operation: Operation) -> Step:
    source, shape = operation.args
    return _spread(source.place, operation.results[0], shape)


def _spread(a: int, result: Ref, shape: Any) -> Step:
    out, sizes = result.place, tuple(map(operator.index, shape))

    def step(values: list[Any]) -> None:
        data = values[a]
        block = np.empty(sizes, data.dtype)
        block[...] = data
        values[out] = block

    return step


def _expand(operation: Operation) -> Step:
    source, axis = operation.args
    a, out = source.place, operation.results[0].place
    return lambda values: operator.setitem(values, out, np.expand_dims(values[a], axis))


def _advance(operation: Operation) -> Step:
    pointer, offset = operation.args
    a, b, out = pointer.place, offset.place, operation.results[0].place
    width = _width(pointer)
    return lambda values: operator.setitem(values, out, values[a] + width * values[b].astype(np.uint64))


def _divide(operation: Operation) -> Step:
    a, b, out = *(ref.place for ref in operation.args), operation.results[0].place

    def step(values: list[Any]) -> None:
        x, y = values[a], values[b]
        values[out] = (x - np.fmod(x, y)) // y

    return step


def _view(operation: Operation) -> Step:
    a, out = operation.args[0].place, operation.results[0].place
    kind = interpreter._get_np_dtype(operation.results[0].dtype)
    return lambda values: operator.setitem(values, out, values[a].view(kind))


def _absolute(operation: Operation) -> Step | None:
    (source,) = operation.args
    if source.dtype.scalar not in (tl.float16, tl.float32, tl.float64):  # others are kept as patterns of bits
        return None
    return _function(np.abs, source, operation)


def _function(function: Callable[[np.ndarray], Any], source: Ref, operation: Operation) -> Step:
    a, out = source.place, operation.results[0].place
    return lambda values: operator.setitem(values, out, function(values[a]))


def _inverse_root(operation: Operation) -> Step | None:
    (source,) = operation.args
    return None if _is_bf16(source) else _function(lambda x: 1 / np.sqrt(x), source, operation)


def _dot(operation: Operation) -> Step | None:
    a, b, added = operation.args[:3]
    if any(ref.dtype.scalar not in (tl.float16, tl.bfloat16, tl.float32) for ref in (a, b, added)) or _is_bf16(added):
        return None
    first, second = _wide(a), _wide(b)
    c, out = added.place, operation.results[0].place

    def step(values: list[Any]) -> None:
        d = values[c]
        values[out] = np.matmul(first(values), second(values), dtype=d.dtype) + d

    return step


def _wide(ref: Ref) -> Callable[[list[Any]], np.ndarray]:
    place = ref.place
    if _is_bf16(ref):
        return lambda values: bfloat16.decode(values[place])
    return operator.itemgetter(place)


def _transpose(operation: Operation) -> Step:
    source, order = operation.args
    return _function(lambda x: np.transpose(x, order), source, operation)


def _nothing(operation: Operation) -> Step:
    return lambda values: None


def _element(pointer: Ref) -> Any:
    kind = pointer.dtype
    while hasattr(kind, "element_ty"):
        kind = kind.element_ty
    return kind


def _width(pointer: Ref) -> int:
    return max(1, _element(pointer).primitive_bitwidth // 8)


def _program_id(operation: Operation) -> Step:
    (axis,) = operation.args
    out, builder = operation.results[0].place, interpret._builder

    def step(values: list[Any]) -> None:
        values[out] = np.array([builder.grid_idx[axis]], dtype=np.int32)

    return step


@functools.lru_cache(maxsize=256)
def _beyond(shape: tuple[int, ...], kind: Any, poisoned: bool) -> np.ndarray:
    """What a load gives outside of its mask when nothing else is said. Never written to."""
    return _poison(shape, kind) if poisoned else np.zeros(shape, interpreter._get_np_dtype(kind))


def _load(operation: Operation) -> Step | None:
    pointers, *rest = operation.args
    masked = operation.name == "create_masked_load"
    mask, other = rest[:2] if masked else (None, None)
    a, out, kind, width = pointers.place, operation.results[0].place, _element(pointers), _width(pointers)
    target, read = interpreter._get_np_dtype(kind), interpreter._interpreter.load
    if mask is None:

        def step(values: list[Any]) -> None:
            where = values[a]
            values[0].check(where, width, "load")
            values[out] = read(where, np.ones(where.shape, dtype=bool), _beyond(where.shape, kind, False), target)

        return step
    if not isinstance(mask, Ref) or not isinstance(other, Ref | None):
        return None
    m, c = mask.place, other.place if other is not None else None

    def step(values: list[Any]) -> None:
        where, under = values[a], values[m]
        if under.shape != where.shape:
            raise TypeError
        whole = bool(np.logical_and.reduce(under, axis=None))
        live = where if whole else where[under]
        if live.size:
            values[0].check(live, width, "load")
        fill = values[c] if c is not None else _beyond(where.shape, kind, not whole)
        values[out] = read(where, under, fill, target)

    return step


def _store(operation: Operation) -> Step | None:
    pointers, value, *rest = operation.args
    a, b, width, write = pointers.place, value.place, _width(pointers), interpreter._interpreter.store
    if operation.name == "create_store":

        def step(values: list[Any]) -> None:
            where = values[a]
            values[0].check(where, width, "store")
            write(where, values[b], np.ones(where.shape, dtype=bool))

        return step
    m = rest[0].place

    def step(values: list[Any]) -> None:
        where, under = values[a], values[m]
        live = where if np.logical_and.reduce(under, axis=None) else where[np.broadcast_to(under, where.shape)]
        if live.size:
            values[0].check(live, width, "store")
        write(where, values[b], under)

    return step


def _reduce(operation: Operation) -> Step | None:
    """Sums and extremes of blocks; other reductions go through the language."""
    block, axis, combine, *rest = operation.args
    keep = bool(_plain(operation.kwargs.get("keep_dims", *rest or (False,))))
    function = _REDUCTIONS.get(getattr(combine, "__name__", "")) if combine.__module__ == tl.standard.__name__ else None
    if not isinstance(block, Ref) or function is None or len(rest) > 1 or operation.kwargs.keys() - {"keep_dims"}:
        return None
    a, out, along, wide = block.place, operation.results[0].place, _plain(axis), _is_bf16(block)
    kind = np.dtype(np.float32) if wide else interpreter._get_np_dtype(block.dtype)

    def step(values: list[Any]) -> None:
        data = bfloat16.decode(values[a]) if wide else values[a]
        found = function(data, axis=along, keepdims=keep)
        found = found.astype(kind) if found.shape else np.array([found]).astype(kind)
        values[out] = bfloat16.encode(found) if wide else found

    return step


def _plain(value: Any) -> Any:
    return value.value if isinstance(value, tl.constexpr) else value


_READS = ("create_load", "create_masked_load")  # memory may have changed since
_REDUCTIONS = {
    "_sum_combine": np.add.reduce,
    "_elementwise_max": np.fmax.reduce,
    "_elementwise_min": np.fmin.reduce,
}
_CASTS = "fp_ext fp_trunc si_to_fp ui_to_fp fp_to_si fp_to_ui int_cast"
_SHORT: dict[str, Callable[[Operation], Step | None]] = {
    **{f"create_{name}": _cast for name in _CASTS.split()},
    "create_splat": _splat,
    "create_broadcast": _broadcast,
    "create_dot": _dot,
    "create_expand_dims": _expand,
    "create_addptr": _advance,
    "create_barrier": _nothing,
    "create_bitcast": _view,
    "create_int_to_ptr": _view,
    "create_fabs": _absolute,
    "create_rsqrt": _inverse_root,
    "create_sdiv": _divide,
    "create_get_program_id": _program_id,
    "create_load": _load,
    "create_masked_load": _load,
    "create_store": _store,
    "create_trans": _transpose,
    "create_masked_store": _store,
    "reduce": _reduce,
}
