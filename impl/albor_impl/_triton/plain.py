"""Kernels of others, declared with plain `@triton.jit`: with tensors on the CPU they run in the repaired interpreter.

Without this, a launch with CPU tensors fails for want of a driver, or with TRITON_INTERPRET=1 runs in the stock
interpreter, which truncates where a GPU rounds. A launch is recorded and may be refused like one of this package. Of
`@triton.autotune` the first configuration is taken, since nothing is measured here.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

import torch
from triton.runtime.autotuner import Autotuner
from triton.runtime.interpreter import InterpretedFunction
from triton.runtime.jit import JITFunction

from .kernel import Kernel

_kernels: weakref.WeakKeyDictionary[Callable, PlainKernel] = weakref.WeakKeyDictionary()
_stock = {owner: owner.run for owner in (JITFunction, InterpretedFunction, Autotuner)}


class PlainKernel(Kernel):
    """A kernel that takes its buffers from where it likes: its launches can be counted, its memory cannot."""

    def _record(self, grid: tuple[int, ...], mode: str, kwargs: dict[str, Any]) -> None:
        super()._record(grid, "plain", kwargs)


def interpret_plain_kernels() -> None:
    """From now on, in this process. Launches with tensors on a GPU are what they were."""
    JITFunction.run = _run
    InterpretedFunction.run = _run
    Autotuner.run = _run_tuned


def _run(self: Any, *args: Any, grid: Any, warmup: bool, **kwargs: Any) -> Any:
    if warmup or not _on_cpu(args, kwargs):
        owner = next(c for c in type(self).__mro__ if c in _stock)
        return _stock[owner](self, *args, grid=grid, warmup=warmup, **kwargs)
    if self.fn not in _kernels:
        _kernels[self.fn] = PlainKernel(self.fn)
    return _kernels[self.fn].run(*args, grid=grid, warmup=False, **kwargs)


def _run_tuned(self: Any, *args: Any, **kwargs: Any) -> Any:
    if not _on_cpu(args, kwargs):
        return _stock[Autotuner](self, *args, **kwargs)
    config = self.configs[0]
    if config.pre_hook is not None:
        config.pre_hook({**dict(zip(self.arg_names, args, strict=False)), **kwargs, **config.all_kwargs()})
    return self.fn.run(*args, **kwargs, **config.all_kwargs())


def _on_cpu(args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    return any(isinstance(v, torch.Tensor) and v.device.type == "cpu" for v in (*args, *kwargs.values()))
