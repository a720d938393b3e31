"""Kernels of others, declared with plain `@triton.jit`: with tensors on the CPU they run in the repaired interpreter.

Without this, a launch with CPU tensors fails for want of a driver, or with TRITON_INTERPRET=1 runs in the stock
interpreter, which truncates where a GPU rounds. A launch is recorded and may be refused like one of this package. Of
`@triton.autotune` the first configuration is taken that its own pruning leaves and that tuning would not pass over,
since nothing is measured here.

What kernels of this package do not need is repaired besides: functions of libdevice are there, functions of Triton
are found under another name, `and`, `or`, `not`, `min` and `max` of blocks are what a compiler makes of them, what is
cast to an unsigned type is unsigned, and `tl.dot` of float32 multiplies as a GPU does that was not told otherwise:
operands rounded to the ten bits of TF32.
Source of the rounding: NVIDIA, "Parallel Thread Execution ISA", cvt.rna.tf32.f32.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import os
import sys
import types
import weakref
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import numpy as np
import torch
import triton
import triton.language as tl
from torch._library import triton as wrapping
from triton._C.libtriton import ir
from triton.runtime import interpreter
from triton.runtime.autotuner import Autotuner
from triton.runtime.interpreter import InterpretedFunction
from triton.runtime.jit import JITFunction

from . import interpret, libdevice, operators, remembered
from .kernel import LAUNCH_OPTIONS, Kernel
from .operators import Operators
from .reached import exchanged_in, namespaces
from .recording import Exchanged
from .repaired import RepairedBuilder

First = Callable[[JITFunction, tuple[Any, ...], dict[str, Any]], None]
_kernels: weakref.WeakKeyDictionary[Callable, PlainKernel] = weakref.WeakKeyDictionary()
_taken: weakref.WeakKeyDictionary[Autotuner, Any] = weakref.WeakKeyDictionary()  # the configuration launched last
_under_way = types.SimpleNamespace(has_other=False)  # the load that is: whether it says what lies outside of its mask
undefined: set[str] = set()  # where kernels loaded under a mask without `other`; who reads it, clears it
_MACHINERY = (os.path.dirname(triton.__file__), os.path.dirname(__file__))
_stock_min_max = interpreter.ReduceOps.min_max
_stock = {owner: owner.run for owner in (JITFunction, InterpretedFunction, Autotuner)}
_enter = torch.cuda.device.__enter__
# MLIR's integers have no sign, and Triton's types forget theirs on the way there; in NumPy it is part of the type.
_ir_types = {kind.name: kind for kind in (tl.uint8, tl.uint16, tl.uint32, tl.uint64)}


class NotInterpreted(Exception):
    """What a kernel does can be compiled, and not be interpreted: here it can be neither right nor wrong."""


class Unsuitable(Exception):
    """A configuration that tuning passes over: an assertion at compile time, more of a block than there is."""


class PlainKernel(Kernel):
    """A kernel that takes its buffers from where it likes: its launches can be counted, its memory cannot."""

    first: ClassVar[First | None] = None

    def fits(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
        """Whether a launch names the arguments that the kernel has."""
        own = {name: value for name, value in kwargs.items() if name in self.arg_names}
        try:
            self.signature.bind(*args, **own)
        except TypeError:
            return False
        return not kwargs.keys() - own.keys() - LAUNCH_OPTIONS

    def _record(self, grid: tuple[int, ...], mode: str, kwargs: dict[str, Any]) -> None:
        super()._record(grid, "plain", kwargs)

    def _interpret(self, args: tuple[Any, ...], grid: Any, reachable: Any, kwargs: dict[str, Any]) -> None:
        warps = kwargs.get("num_warps", libdevice.DEFAULT_WARPS)
        reachable = [*reachable, *(t for v in (*args, *kwargs.values()) if (t := _behind(v)) is not None)]
        with self.repaired(), exchanged(libdevice.launched, "warps", warps):
            try:
                super()._interpret(args, grid, reachable, kwargs)
            except NotImplementedError as lacking:  # of libdevice here, of assembly in Triton
                raise NotInterpreted(f"{lacking}; --device cuda judges it") from None

    @contextlib.contextmanager
    def repaired(self) -> Iterator[None]:
        """While active, the interpreter has what only kernels of others need."""
        with (
            interpret.LOCK,
            libdevice.available(self.fn),
            _renamed(self.fn),
            exchanged(interpret._builder, "create_dot", _EXCHANGED_DOT),
            exchanged(interpret._semantic, "load", _load),
            exchanged(interpret._builder, "create_masked_load", _EXCHANGED_LOAD),
            exchanged(interpreter, "ASTTransformer", Operators),
            exchanged(remembered, "_ir_types", _ir_types),
            exchanged(interpreter.ReduceOps, "min_max", _min_max),
        ):
            yield


def interpret_plain_kernels(first: First | None = None) -> None:
    """From now on, in this process. Launches with tensors on a GPU are what they were.

    `first` is called before a launch is interpreted, with the kernel, its arguments and its keywords, and may raise.
    It is not called for kernels that Triton itself was told to interpret (TRITON_INTERPRET): there is no compiler then.
    """
    importlib.import_module("triton.compiler.code_generator")  # during a launch it would keep what is exchanged then
    PlainKernel.first = None if first is None else staticmethod(first)
    operators.install()
    # A launch behind `torch.library.wrap_triton` would be an operator: one that does nothing with tensors that have no
    # memory, and that a mode which counts operators has no rule for. PyTorch itself leaves it a launch where it can.
    wrapping.wrap_triton_enabled_default = False
    runs = ((JITFunction, "run", _run), (InterpretedFunction, "run", _run), (Autotuner, "run", _run_tuned))
    for owner, name, own in (*runs, (torch.cuda.device, "__enter__", _entered)):
        setattr(owner, name, own)


@contextlib.contextmanager
def backwards() -> Iterator[None]:
    """While active, interpreted launches run the programs of their grids in the opposite order: a GPU runs them in any,
    and what comes out must not depend on it. In force for kernels of this package, too."""
    place = interpret._builder.set_grid_idx

    def opposite(*at: int) -> None:
        place(*(size - 1 - k for size, k in zip(interpret._builder.grid_dim, at, strict=True)))

    with exchanged(interpret._builder, "set_grid_idx", opposite):
        yield


@contextlib.contextmanager
def exchanged(owner: Any, name: str, value: Any) -> Iterator[None]:
    """While active, `owner` has another attribute of its own."""
    before = vars(owner).get(name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        delattr(owner, name)
        if before is not None:
            setattr(owner, name, before)


@functools.cache
def _interpreting_functions() -> dict[int, tuple[Any, Any]]:
    """id of a function of Triton -> the function, and what stands for it during a launch."""
    return {id(before): (before, value) for _, _, before, value in interpret._exchanges() if callable(before)}


def _renamed(fn: Callable) -> contextlib.AbstractContextManager[None]:
    """While active, functions of `triton.language` interpret where a kernel holds them under a name of its own, too
    (`cast = tl.cast`, `from triton.language import load`): a launch exchanges them in Triton's modules alone."""
    own = [space for space in namespaces(fn) if not space.get("__name__", "").startswith("triton.")]
    return exchanged_in(own, _interpreting_functions())


def _load(pointers: Any, mask: Any, other: Any, *rest: Any, **more: Any) -> Any:
    _under_way.has_other = other is not None
    return type(interpret._semantic).load(interpret._semantic, pointers, mask, other, *rest, **more)


def _settled_load(pointers: Any, mask: Any, other: Any, *_: Any, **__: Any) -> Any:
    """The load that is under way, as a function of its operands alone."""
    if other is not None:
        return types.MethodType(RepairedBuilder.create_masked_load, interpret._builder)
    return functools.partial(_load_alone, _under_way.has_other, _place())


def _load_alone(has_other: bool, place: str, pointers: Any, mask: Any, other: Any, *rest: Any, **more: Any) -> Any:
    """A masked load to which nothing was given for outside of its mask, or a single 0: Triton asks whether there is
    something by its truth."""
    if has_other:
        kind = pointers.get_element_ty()
        zeros = np.zeros(pointers.data.shape, interpreter._get_np_dtype(kind))
        other = interpreter.TensorHandle(zeros, kind)
    elif not mask.data.all():
        undefined.add(place)
    return RepairedBuilder.create_masked_load(interpret._builder, pointers, mask, other, *rest, **more)


def _min_max(self: Any, input: Any, val_reduce_op: Any = None, idx_reduce_op: Any = None) -> Any:
    """A row of NaN alone has a place of its extreme, too, which is any: here the first. NumPy refuses it; a row that
    lies outside of a block's mask may well be one, and is not stored."""
    value = input[0] if isinstance(input, tuple) else input
    data = value.handle.data
    if idx_reduce_op is None or data.dtype.kind != "f":
        return _stock_min_max(self, value, val_reduce_op, idx_reduce_op)
    lost = np.isnan(data).all(axis=self.axis, keepdims=True)
    chosen = np.where(lost, np.zeros((), data.dtype), data)
    place = self.to_tensor(idx_reduce_op(chosen, axis=self.axis, keepdims=self.keep_dims), tl.int32)
    return place if val_reduce_op is None else (_stock_min_max(self, value, val_reduce_op), place)


def _place() -> str:
    """The file:line of the kernel that is being interpreted."""
    frame: Any = sys._getframe(1)
    while frame is not None and os.path.dirname(frame.f_code.co_filename).startswith(_MACHINERY):
        frame = frame.f_back
    return "" if frame is None else f"{frame.f_code.co_filename}:{frame.f_lineno}"


def _dot(a: Any, b: Any, d: Any, precision: Any, *rest: Any) -> Any:
    if precision == ir.INPUT_PRECISION.TF32:
        a, b = _tf32(a), _tf32(b)
    return RepairedBuilder.create_dot(interpret._builder, a, b, d, precision, *rest)


_EXCHANGED_DOT = Exchanged(lambda *_: _dot)
_EXCHANGED_LOAD = Exchanged(_settled_load)


def _tf32(handle: Any) -> Any:
    """float32 with the ten bits that TF32 keeps, nearest, halves away from zero; anything else as it is."""
    if handle.dtype.scalar != tl.float32:
        return handle
    bits = np.ascontiguousarray(handle.data).view(np.uint32)
    finite = (bits & 0x7F800000) != 0x7F800000
    rounded = np.where(finite, (bits + np.uint32(0x1000)) & np.uint32(0xFFFFE000), bits)
    return interpreter.TensorHandle(rounded.view(np.float32), tl.float32)


def _run(self: Any, *args: Any, grid: Any, warmup: bool, **kwargs: Any) -> Any:
    if warmup or not _interpreted(args, kwargs):
        owner = next(c for c in type(self).__mro__ if c in _stock)
        return _stock[owner](self, *args, grid=grid, warmup=warmup, **kwargs)
    if self.fn not in _kernels:
        _kernels[self.fn] = PlainKernel(self.fn)
    kernel = _kernels[self.fn]
    compiles = isinstance(self, JITFunction) and _interpreted(args, kwargs, ("cpu",))
    if kernel.first is not None and compiles and kernel.fits(args, kwargs):
        with interpret.LOCK:
            kernel.first(self, args, kwargs)
    return kernel.run(*args, grid=grid, warmup=False, **kwargs)


def _run_tuned(self: Any, *args: Any, **kwargs: Any) -> Any:
    if not _interpreted(args, kwargs):
        return _stock[Autotuner](self, *args, **kwargs)
    self.nargs = dict(zip(self.arg_names, args, strict=False))  # where its pruning looks for them
    configs = list(self.prune_configs(kwargs))
    last = _taken.get(self)
    if last is not None and last in configs and not _interpreted(args, kwargs, ("cpu",)):
        configs = [last]  # what has no memory is not compiled: it is launched as the last that was
    first: Unsuitable | None = None
    for config in configs:
        if config.pre_hook is not None:
            config.pre_hook({**self.nargs, **kwargs, **config.all_kwargs()})
        try:
            result = self.fn.run(*args, **kwargs, **config.all_kwargs())
        except Unsuitable as refusal:
            first = first or refusal
            continue
        _taken[self] = config
        return result
    assert first is not None, f"pruning leaves no configuration of {self.base_fn.__name__}"
    raise first


def _behind(value: Any) -> torch.Tensor | None:
    """The tensor behind an object that Triton takes for one since it has a `data_ptr`: what `triton.reinterpret` makes,
    or a tensor with a layout of its own. It is an attribute, or one of an attribute."""
    if isinstance(value, torch.Tensor) or not callable(getattr(value, "data_ptr", None)):
        return None
    parts = list(getattr(value, "__dict__", {}).values())
    parts += [part for owner in parts for part in getattr(owner, "__dict__", {}).values()]
    same = (p for p in parts if isinstance(p, torch.Tensor) and p.data_ptr() == value.data_ptr())
    return next(same, None)


def _entered(self: torch.cuda.device) -> None:
    """`with torch.cuda.device(x.device.index)` stands around many a launch. Of a tensor on the CPU that is None: the
    current GPU where there is one, and where there is none what PyTorch cannot compare; a negative one it leaves be."""
    if self.idx is None:
        self.idx = -1
    return _enter(self)


def _interpreted(args: tuple[Any, ...], kwargs: dict[str, Any], devices: tuple[str, ...] = ("cpu", "meta")) -> bool:
    """Whether this is a launch with tensors on the CPU, or with some that have no memory (see `large`)."""
    return any(isinstance(v, torch.Tensor) and v.device.type in devices for v in (*args, *kwargs.values()))
