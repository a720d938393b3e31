"""Running a kernel's source in Triton's interpreter, for tensors on the CPU.

Triton decides once, when it is imported, whether to compile or to interpret. Here the decision is made at each
launch: the functions of `triton.language` are exchanged for interpreting ones during the launch and put back after
it. One launch at a time; a lock keeps compiled launches of this package from another thread apart.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import inspect
import textwrap
import threading
import types
import warnings
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
import triton.language as tl
from triton.runtime import interpreter
from triton.runtime.jit import JITFunction

from . import remembered
from .repaired import Memory, RepairedBuilder, halving_reduce, wide_reduction

LOCK = threading.RLock()
_builder = RepairedBuilder()
_semantic = remembered.RememberedSemantic(_builder)
_rewritten: weakref.WeakKeyDictionary[Callable, Callable] = weakref.WeakKeyDictionary()
_MISSING = object()


@contextlib.contextmanager
def sanitized() -> Iterator[None]:
    """Interpreted launches in the block raise when 32-bit (or narrower) integer arithmetic overflows."""
    with LOCK:
        before = _builder.options
        _builder.sanitize(overflow=True)
        try:
            yield
        finally:
            _builder.options = before


@functools.cache
def _exchanges() -> list[tuple[Any, str, Any, Any]]:
    """What must change for the length of a launch: (object, attribute, before, during), found by doing it once."""
    spaces = [tl, tl.core, tl.math, interpreter.ReduceOps]
    spaces += [value for value in vars(tl.core).values() if isinstance(value, type)]
    spaces = list({id(space): space for space in spaces}.values())
    before = [dict(vars(space)) for space in spaces]
    # Up to Triton 3.7 the exchanged functions keep the builder that is in force now; later ones look it up.
    stock = interpreter.interpreter_builder
    interpreter.interpreter_builder = _builder
    try:
        scope = interpreter._patch_lang(types.SimpleNamespace(__globals__={"tl": tl, "core": tl.core}))
    finally:
        interpreter.interpreter_builder = stock
    after = [dict(vars(space)) for space in spaces]
    if scope is not None:
        scope.restore()
    found = []
    for space, old, new in zip(spaces, before, after, strict=True):
        for name, value in new.items():
            if old.get(name, _MISSING) is not value:
                _put(space, name, old.get(name, _MISSING))
                quick = remembered.direct(value, _semantic)
                during = wide_reduction(quick) if name == "reduce" else quick
                found.append((space, name, old.get(name, _MISSING), during))
    own = [
        (interpreter, "interpreter_semantic", _semantic),
        (interpreter, "interpreter_builder", _builder),
        (interpreter.ReduceOps, "generic_reduce", halving_reduce),
        # Functions of Triton's own library, and device functions of ours, are called as plain functions.
        (JITFunction, "__call__", _call_device_function),
        (JITFunction, "__get__", _bind_device_function),
        (interpreter.InterpretedFunction, "__call__", _call_device_function),
        (interpreter, "_get_np_dtype", remembered.np_dtype),
        (tl.core.block_type, "__init__", remembered.block_init),
        (tl.core.tensor, "__init__", remembered.tensor_init),
        (tl.core.dtype, "__eq__", remembered.equal),
        (tl.core.dtype, "to_ir", remembered.to_ir),
        # Triton 3.6 converts arrays of one element in a way that NumPy 2.4 no longer allows.
        (tl.core.tensor, "__index__", _as_index),
    ]
    found += [(space, name, vars(space).get(name, _MISSING), value) for space, name, value in own]
    return found


def _put(space: Any, name: str, value: Any) -> None:
    if value is not _MISSING:
        setattr(space, name, value)
    elif name in vars(space):
        delattr(space, name)


@contextlib.contextmanager
def _interpreting() -> Iterator[None]:
    exchanges = _exchanges()
    try:
        for space, name, _, during in exchanges:
            setattr(space, name, during)
        # Overflow, division by zero and NaN are results, as on the device.
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            yield
    finally:
        for space, name, before, _ in exchanges:
            _put(space, name, before)


def _call_device_function(self: Any, *args: Any, **kwargs: Any) -> Any:
    kwargs.pop("_semantic", None)
    return rewrite(self.fn)(*args, **kwargs)


def _as_index(self: Any) -> int:
    return int(self.handle.data.item())


def _bind_device_function(self: Any, instance: Any, owner: Any = None) -> Any:
    return self if instance is None else functools.partial(self, instance)


def rewrite(fn: Callable) -> Callable:
    """`fn` with assignments turned into tensors, as the interpreter needs it. Cached for the life of `fn`.

    The rewritten function shares the globals of `fn`, so that a helper exchanged in the module is seen. The names
    that the rewriting introduces are parameters of an enclosing function, to keep that module clean.
    """
    if fn not in _rewritten:
        lines, first = inspect.getsourcelines(fn)
        tree = ast.parse(textwrap.dedent("".join(lines)))
        definition = next(node for node in tree.body if isinstance(node, ast.FunctionDef))
        definition.decorator_list = []
        used = _names(definition)
        interpreter.ASTTransformer().visit(definition)
        closure = dict(zip(fn.__code__.co_freevars, (c.cell_contents for c in fn.__closure__ or ()), strict=True))
        closure |= {
            name: getattr(interpreter, name) for name in _names(definition) - used if hasattr(interpreter, name)
        }
        closure["interpreter_semantic"] = _semantic
        outer = ast.parse(f"def _enclose({', '.join(closure)}): return None")
        function = outer.body[0]
        assert isinstance(function, ast.FunctionDef)
        ast.increment_lineno(definition, first - 1)
        function.body = [definition, ast.Return(ast.Name(definition.name, ast.Load()))]
        ast.fix_missing_locations(outer)
        space: dict[str, Any] = {}
        exec(compile(outer, fn.__code__.co_filename, "exec"), fn.__globals__, space)
        _rewritten[fn] = space["_enclose"](**closure)
    return _rewritten[fn]


def _names(tree: ast.AST) -> set[str]:
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}


def _argument(value: Any) -> Any:
    """One launch argument as the program sees it. A Python float is a float32, as in a compiled launch."""
    if isinstance(value, float):
        return tl.tensor(interpreter.TensorHandle(np.array([value], dtype=np.float32), tl.float32), tl.float32)
    if isinstance(value, bool):
        return tl.tensor(interpreter.TensorHandle(np.array([value]), tl.int1), tl.int1)
    if isinstance(value, tuple):
        items = [_argument(item) for item in value]
        return type(value)(*items) if hasattr(value, "_fields") else tuple(items)
    return interpreter._implicit_cvt(value)


def extent(tensor: torch.Tensor, name: str) -> tuple[int, int, str]:
    """The bytes from the first to the last element of `tensor`: (start, end, name)."""
    if not tensor.numel():
        return (tensor.data_ptr(), tensor.data_ptr(), name)
    last = sum((size - 1) * stride for size, stride in zip(tensor.shape, tensor.stride(), strict=True))
    return (tensor.data_ptr(), tensor.data_ptr() + (last + 1) * tensor.element_size(), name)


def launch(
    fn: Callable,
    constexprs: Sequence[str],
    arguments: Mapping[str, Any],
    grid: tuple[int, ...],
    reachable: Sequence[torch.Tensor] = (),
) -> None:
    """Run every program of `grid`, one after the other, on the tensors where they are."""
    tensors = [(name, value) for name, value in arguments.items() if isinstance(value, torch.Tensor)]
    spans = [extent(tensor, name) for name, tensor in tensors]
    spans += [extent(tensor, f"reachable[{k}]") for k, tensor in enumerate(reachable)]
    with LOCK, _interpreting():
        outer = _builder.memory, _builder.grid_idx, _builder.grid_dim
        _builder.memory = Memory(spans)
        _builder.set_grid_dim(*(*grid, 1, 1, 1)[:3])
        values = {name: v if name in constexprs else _argument(v) for name, v in arguments.items()}
        program = rewrite(fn)
        place = (0, 0, 0)
        try:
            for place in np.ndindex(*_builder.grid_dim):
                _builder.set_grid_idx(*place)
                program(**values)
        except Exception as error:
            error.add_note(f"in program {place} of kernel {fn.__name__}, interpreted")
            raise
        finally:
            _builder.memory, _builder.grid_idx, _builder.grid_dim = outer
