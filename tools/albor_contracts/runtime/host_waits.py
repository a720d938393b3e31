"""Counting where a PyTorch kernel makes the host wait for the device, on a CPU.

On a GPU these calls wait until the queue is drained, because the host needs a value: `item`, `float`, `bool`, `cpu`,
`numpy`, `tolist`, `equal`, and operators whose result has a size that only the data decide (`nonzero`, a mask as an
index). They are the same calls when the tensors lie on a CPU, where nothing waits; so they can be counted there.
Copies from the host are not: on a GPU they may or may not wait.
"""

from __future__ import annotations

import contextlib
import functools
import sys
from collections.abc import Callable, Iterator
from typing import Any

# Operators that need a value of the device on the host.
WAITING = frozenset([
    "aten::_local_scalar_dense", "aten::nonzero", "aten::masked_select", "aten::equal", "aten::_unique2",
    "aten::unique_dim", "aten::unique_consecutive", "aten::repeat_interleave.Tensor",
])  # fmt: skip
# Methods that copy to the host and are no operators.
METHODS = ("cpu", "numpy", "tolist")
_MASKED = ("aten::index.Tensor", "aten::index_put", "aten::index_put_")


class Waits:
    """Operators seen, and those among them that would have made the host wait."""

    def __init__(self) -> None:
        self.operators = 0
        self.found: list[str] = []


_watchers: list[Waits] = []


@contextlib.contextmanager
def watching_waits() -> Iterator[Waits]:
    """The waits of the kernels that run in the block."""
    waits = Waits()
    _watchers.append(waits)
    try:
        yield waits
    finally:
        _watchers[:] = [other for other in _watchers if other is not waits]


def counting_waits(framework: str) -> contextlib.AbstractContextManager[None]:
    """Around the call of a kernel: tells the watchers, if there are any."""
    return _counting() if _watchers and framework == "torch" else _NOBODY


_NOBODY = contextlib.nullcontext()


@contextlib.contextmanager
def _counting() -> Iterator[None]:
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode

    inside = [0]  # Triton's interpreter reads memory on the host, which is not what the compiled kernel does

    def wait(name: str) -> None:
        if not inside[0]:
            for waits in _watchers:
                waits.found.append(name)

    class Mode(TorchDispatchMode):
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            name = func.name()
            for waits in _watchers:
                waits.operators += 1
            masked = name in _MASKED and any(
                isinstance(i, torch.Tensor) and i.dtype in (torch.bool, torch.uint8) for i in args[1]
            )
            if name in WAITING or masked:
                wait(name)
            return func(*args, **(kwargs or {}))

    with contextlib.ExitStack() as stack:
        for method in METHODS:
            stack.enter_context(_told(torch.Tensor, method, wait))
        layer = sys.modules.get("albor_impl._triton")
        if layer is not None:
            stack.enter_context(_inside(layer.Kernel, inside))
        stack.enter_context(Mode())
        yield


@contextlib.contextmanager
def _told(owner: Any, name: str, wait: Callable[[str], None]) -> Iterator[None]:
    """While active, calls of the method are told."""
    original = getattr(owner, name)
    own = name in vars(owner)

    @functools.wraps(original)
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        wait(f"Tensor.{name}")
        return original(self, *args, **kwargs)

    setattr(owner, name, method)
    try:
        yield
    finally:
        if own:
            setattr(owner, name, original)
        else:
            delattr(owner, name)


@contextlib.contextmanager
def _inside(kernel: Any, depth: list[int]) -> Iterator[None]:
    """While active, `depth` says whether a launch of the instrumented layer is going on."""
    original = kernel.run

    def run(self: Any, *args: Any, **kwargs: Any) -> Any:
        depth[0] += 1
        try:
            return original(self, *args, **kwargs)
        finally:
            depth[0] -= 1

    kernel.run = run
    try:
        yield
    finally:
        kernel.run = original
