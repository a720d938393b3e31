"""Launches too large for any memory: whether the offsets of a kernel fit its integers, seen without a GPU.

A wrapper called with tensors on torch's meta device does all it does with real ones, except that nothing is stored:
it works out strides, blocks and grid. Inside `last_programs` the launch that follows runs one program, the last of the
grid, which has the largest offsets: loads give zeros, stores go nowhere, loops take their first and their last two
steps, and integer arithmetic of 32 bits that overflows raises, as do integers of 64 bits that are made into fewer and
do not fit. What a kernel loads is 0, but for tensors of integers of which the caller says what they hold (ids): offsets
made of other values that were loaded are not judged.
"""

from __future__ import annotations

import builtins
import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
import triton.language as tl
from torch._library import custom_ops
from triton.runtime import interpreter

from . import interpret
from .kernel import LAUNCH_OPTIONS, Kernel, Launch
from .plain import PlainKernel, exchanged
from .repaired import RepairedBuilder

GRID_LIMITS = (2**31 - 1, 65535, 65535)  # CUDA programming guide, "maximum x-, y- or z-dimension of a grid"


class IndexOverflow(OverflowError):
    """Offsets of a launch do not fit the integers they are computed in, or its grid is too large."""


class _Nowhere:
    """Stands for the interpreter's access to memory: every address of an argument holds the same number, mostly 0."""

    def __init__(self, held: Mapping[int, int]) -> None:
        self.held = held  # place of an argument -> what it holds

    def __getattr__(self, name: str) -> Any:
        return getattr(_stock, name)

    def load(self, pointers: np.ndarray, mask: np.ndarray, other: np.ndarray, dtype: Any) -> np.ndarray:
        found = np.zeros(np.shape(pointers), dtype)
        for place, value in self.held.items():
            if (there := pointers >> _APART == place).any():
                found[there] = value
        return np.where(mask, found, other).astype(dtype)

    @staticmethod
    def store(pointers: np.ndarray, value: np.ndarray, mask: np.ndarray) -> None:
        return None

    @staticmethod
    def atomic_rmw(operation: Any, pointers: np.ndarray, value: np.ndarray, *rest: Any) -> np.ndarray:
        return np.zeros_like(value)

    @staticmethod
    def atomic_cas(pointers: np.ndarray, expected: np.ndarray, value: np.ndarray, *rest: Any) -> np.ndarray:
        return np.zeros_like(value)


class _Everywhere:
    """Stands for the ranges a launch may touch: all."""

    def check(self, *_: Any) -> None:
        return None


_stock = interpreter._interpreter
_APART = 44  # bits that offsets may take before the address of one argument could be another's


def _block(kind: Any, start: int, stop: int) -> Any:
    """`tl.arange`, but for blocks that no compiler takes: they are not made."""
    if stop - start > tl.TRITON_MAX_TENSOR_NUMEL:
        raise ValueError(f"a block of {stop - start} elements; Triton takes {tl.TRITON_MAX_TENSOR_NUMEL}")
    return RepairedBuilder.create_make_range(interpret._builder, kind, start, stop)


def _cast(value: Any, kind: Any, *rest: Any) -> Any:
    """From one integer to another, but for numbers that the other cannot hold. Unsigned ones may wrap: they are hashes
    and random numbers."""
    old, new = value.type.scalar, kind.scalar
    if old.is_int_signed() and new.is_int_signed() and 8 <= new.primitive_bitwidth < old.primitive_bitwidth:
        limit, numbers = 1 << new.primitive_bitwidth - 1, value.handle.data
        if not ((-limit <= numbers) & (numbers < limit)).all():
            raise AssertionError(f"{old} does not fit the {new} it is made into")  # as Triton's own of overflows
    return type(interpret._semantic).cast(interpret._semantic, value, kind, *rest)


def _ends(*bounds: Any, **options: Any) -> Iterator[Any]:
    """`range` and `tl.range`, but only their first step and their last two; of 64 bits where a bound is."""
    steps = builtins.range(*(int(b.handle.data.item()) if hasattr(b, "handle") else int(b) for b in bounds))
    chosen = [steps[k] for k in sorted({0, len(steps) - 2, len(steps) - 1}) if 0 <= k < len(steps)]
    if any(isinstance(b, tl.tensor) and b.dtype.primitive_bitwidth == 64 for b in bounds):
        return iter([_wide(step) for step in chosen])
    return iter(chosen)


def _wide(step: int) -> Any:
    return tl.tensor(interpreter.TensorHandle(np.array([step], dtype=np.int64), tl.int64), tl.int64)


@contextlib.contextmanager
def last_programs(held: Sequence[tuple[torch.Tensor, int]] = ()) -> Iterator[list[Launch]]:
    """Launches with meta tensors in the block run their last program as described above; they are listed. `held` says
    of tensors of integers, and of their views, what each of their elements is.

    Raises IndexOverflow where 32-bit integers overflow or a grid is larger than a device takes.
    """
    launches: list[Launch] = []
    stock = Kernel.run
    numbers = {tensor.untyped_storage()._cdata: number for tensor, number in held}

    def run(self: Kernel, *args: Any, grid: Any, warmup: bool, reachable: Any = (), **kwargs: Any) -> Any:
        tensors = [v for v in (*args, *kwargs.values()) if isinstance(v, torch.Tensor)]
        if not any(t.device.type == "meta" for t in tensors):
            return stock(self, *args, grid=grid, warmup=warmup, reachable=reachable, **kwargs)
        own = {name: value for name, value in kwargs.items() if name in self.arg_names}
        unknown = kwargs.keys() - own.keys() - LAUNCH_OPTIONS
        if unknown:
            raise TypeError(f"kernel {self.__name__}: unknown argument {', '.join(sorted(unknown))}")
        bound = self.signature.bind(*args, **own)
        bound.apply_defaults()
        where = tuple(map(int, grid(bound.arguments) if callable(grid) else grid))
        launches.append(Launch(self.__name__, where, "last program"))
        for axis, (size, limit) in enumerate(zip(where, GRID_LIMITS, strict=False)):
            if size > limit:
                raise IndexOverflow(f"kernel {self.__name__}: the grid {where} passes {limit} in axis {axis}")
        constexprs = {parameter.name for parameter in self.params if parameter.is_constexpr}
        wide = {parameter.name for parameter in self.params if parameter.annotation_type in ("i64", "u64")}
        values = {
            name: v if name in constexprs else _wide(v) if name in wide else _argument(v, place)
            for place, (name, v) in enumerate(bound.arguments.items(), 1)
        }
        tensors_at = [(k, v) for k, v in enumerate(bound.arguments.values(), 1) if isinstance(v, torch.Tensor)]
        found = {place: numbers.get(tensor.untyped_storage()._cdata, 0) for place, tensor in tensors_at}
        with self.repaired() if isinstance(self, PlainKernel) else contextlib.nullcontext():
            _last_program(self, values, where, found)
        return None

    Kernel.run = run  # type: ignore[method-assign]
    try:
        with _operators_launching():
            yield launches
    finally:
        Kernel.run = stock  # type: ignore[method-assign]


@contextlib.contextmanager
def _operators_launching() -> Iterator[None]:
    """While active, operators of `torch.library.custom_op` do with meta tensors what they do with others. What they
    have been given for these (`register_fake`) says what comes out, and launches nothing. PyTorch's own stay as they
    are: they launch no Triton kernel, and some call themselves."""
    fakes = [
        (operator, operator._abstract_fn)
        for operator in custom_ops.OPDEFS.values()
        if not operator._init_fn.__module__.startswith("torch.")
    ]
    for operator, _ in fakes:
        operator._abstract_fn = operator._init_fn
    try:
        yield
    finally:
        for operator, fake in fakes:
            operator._abstract_fn = fake


def _argument(value: Any, place: int) -> Any:
    if not isinstance(value, torch.Tensor):
        return interpret._argument(value)
    pointer = interpret._argument(torch.empty(1, dtype=value.dtype))
    pointer.handle.data = np.array([place << _APART], np.uint64)  # an address of its own, which nothing follows
    return pointer


def _last_program(kernel: Kernel, values: dict[str, Any], grid: tuple[int, ...], held: Mapping[int, int]) -> None:
    builder, names = interpret._builder, kernel.fn.__globals__
    with (
        interpret.LOCK,
        interpret.sanitized(),
        interpret._interpreting(),
        exchanged(builder, "create_make_range", _block),
        exchanged(interpret._semantic, "cast", _cast),
    ):
        outer = builder.memory, builder.grid_idx, builder.grid_dim
        builder.memory = _Everywhere()  # type: ignore[assignment]
        builder.set_grid_dim(*(*grid, 1, 1, 1)[:3])
        builder.set_grid_idx(*(size - 1 for size in builder.grid_dim))
        interpreter._interpreter = _Nowhere(held)
        shadowed, steps = names.get("range", builtins.range), tl.range
        names["range"] = tl.range = _ends  # type: ignore[assignment, misc]
        try:
            interpret.rewrite(kernel.fn)(**values)
        except AssertionError as error:
            raise IndexOverflow(
                f"kernel {kernel.__name__}, last program of {grid}: {str(error).strip() or 'an assertion failed'}"
            ) from error
        finally:
            interpreter._interpreter = _stock
            tl.range = steps  # type: ignore[misc]
            if shadowed is builtins.range:
                del names["range"]
            else:
                names["range"] = shadowed
            builder.memory, builder.grid_idx, builder.grid_dim = outer
