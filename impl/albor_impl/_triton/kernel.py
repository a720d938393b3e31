"""Declaring and launching kernels."""

from __future__ import annotations

import contextlib
import importlib
import pkgutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from triton import knobs
from triton.runtime.jit import JITFunction

from . import interpret

# What a compiled launch accepts beside the kernel's own arguments; the interpreter has no use for it.
LAUNCH_OPTIONS = frozenset({
    "debug", "enable_fp_fusion", "launch_cooperative_grid", "launch_pdl", "maxnreg", "num_ctas", "num_stages",
    "num_warps",
})  # fmt: skip


@dataclass(frozen=True)
class Example:
    """One way in which a kernel is launched in practice: what the compile gate compiles.

    `types` names every argument that is not a constexpr, in Triton's notation (`*bf16`, `i32`, `fp32`);
    `aligned` are those known to be divisible by 16 (all pointers, unless said otherwise).
    """

    label: str
    types: tuple[tuple[str, str], ...]
    aligned: frozenset[str]
    constexprs: tuple[tuple[str, Any], ...]
    options: tuple[tuple[str, int], ...]


def example(types: str, *, label: str = "", **values: Any) -> Example:
    """An `Example` from text: `example("x=*bf16 n=i32:16 eps=fp32", BLOCK=1024, num_warps=8)`.

    `:16` after an integer says that it is divisible by 16, `:1` after a pointer that it is not.
    Raises ValueError when a part is not `name=type`.
    """
    pairs, aligned = [], set()
    for part in types.split():
        name, sign, kind = part.partition("=")
        if not (name and sign and kind):
            raise ValueError(f"{part!r}: expected name=type, such as x=*bf16")
        kind, _, divisor = kind.partition(":")
        pairs.append((name, kind))
        if divisor == "16" or (kind.startswith("*") and divisor != "1"):
            aligned.add(name)
    options = {name: value for name, value in values.items() if name in LAUNCH_OPTIONS}
    constexprs = {name: value for name, value in values.items() if name not in LAUNCH_OPTIONS}
    return Example(label, tuple(pairs), frozenset(aligned), tuple(constexprs.items()), tuple(options.items()))


@dataclass(frozen=True)
class Launch:
    """One launch: which kernel, over which grid, `compiled` or `interpreted`."""

    kernel: str
    grid: tuple[int, ...]
    mode: str
    options: tuple[tuple[str, int], ...] = field(default=())


_logs: list[list[Launch]] = []


@contextlib.contextmanager
def record_launches() -> Iterator[list[Launch]]:
    """The launches of kernels of this package in the block, in order, from every thread."""
    log: list[Launch] = []
    _logs.append(log)
    try:
        yield log
    finally:
        _logs[:] = [other for other in _logs if other is not log]


class Kernel(JITFunction):
    """A Triton kernel that is compiled for CUDA tensors and interpreted for CPU tensors.

    Launched as usual, `k[grid](arguments, num_warps=4)`; `k.fn` is the plain function. `reachable=[tensors]`
    names tensors that the kernel reaches through pointers kept in memory. Called from another kernel it is a
    device function. Raises ValueError when tensors of several devices are mixed or lie on none of these two,
    TypeError for an argument that the kernel has not, RuntimeError where TRITON_INTERPRET keeps it from being compiled.
    """

    def __init__(self, fn: Callable, examples: tuple[Example, ...] = ()) -> None:
        super().__init__(fn)
        self.examples = examples

    def run(self, *args: Any, grid: Any, warmup: bool, reachable: Any = (), **kwargs: Any) -> Any:
        if warmup:
            with interpret.LOCK:
                return super().run(*args, grid=grid, warmup=True, **kwargs)
        tensors = [value for value in (*args, *kwargs.values()) if isinstance(value, torch.Tensor)]
        devices = {tensor.device for tensor in tensors}
        if len(devices) != 1:
            found = ", ".join(sorted(map(str, devices))) or "none"
            raise ValueError(f"kernel {self.__name__}: expected tensors on one device, found {found}")
        device = devices.pop()
        if device.type == "cpu":
            return self._interpret(args, grid, reachable, kwargs)
        if device.type != "cuda":
            raise ValueError(f"kernel {self.__name__}: runs on cpu and cuda tensors, not on {device.type}")
        if knobs.runtime.interpret:
            raise RuntimeError(
                f"kernel {self.__name__}: TRITON_INTERPRET is set, so nothing can be compiled for {device}; unset it, "
                "tensors on the CPU are interpreted without it"
            )
        self._record(grid(kwargs) if callable(grid) else tuple(grid), "compiled", kwargs)
        kwargs.setdefault("enable_fp_fusion", True)  # said here, since the default differs between versions of Triton
        with interpret.LOCK, torch.cuda.device(device):
            return super().run(*args, grid=grid, warmup=False, **kwargs)

    def _interpret(self, args: tuple[Any, ...], grid: Any, reachable: Any, kwargs: dict[str, Any]) -> None:
        own = {name: value for name, value in kwargs.items() if name in self.arg_names}
        unknown = kwargs.keys() - own.keys() - LAUNCH_OPTIONS
        if unknown:
            raise TypeError(f"kernel {self.__name__}: unknown argument {', '.join(sorted(unknown))}")
        bound = self.signature.bind(*args, **own)
        bound.apply_defaults()
        where = tuple(map(int, grid(bound.arguments) if callable(grid) else grid))
        self._record(where, "interpreted", kwargs)
        constexprs = [parameter.name for parameter in self.params if parameter.is_constexpr]
        interpret.launch(self.fn, constexprs, bound.arguments, where, reachable)

    def _record(self, grid: tuple[int, ...], mode: str, kwargs: dict[str, Any]) -> None:
        if _logs:
            options = tuple((name, value) for name, value in kwargs.items() if name in LAUNCH_OPTIONS)
            for log in _logs:
                log.append(Launch(self.__name__, tuple(grid), mode, options))


def kernel(*examples: Example | Callable) -> Any:
    """Declare a kernel, `@kernel(example(...), ...)`, or a device function, `@kernel`."""
    if len(examples) == 1 and not isinstance(examples[0], Example):
        return Kernel(examples[0])
    return lambda fn: Kernel(fn, examples)  # type: ignore[arg-type]


def declared_kernels(package: str = "albor_impl", wanted: Callable[[str], bool] = lambda module: True) -> list[Kernel]:
    """Every kernel with examples in the modules of `package` whose name is `wanted`, by module. Imports these."""
    root = importlib.import_module(package)
    names = [package, *(m.name for m in pkgutil.walk_packages(root.__path__, f"{package}."))]
    found = []
    for name in filter(wanted, sorted(names)):
        for value in vars(importlib.import_module(name)).values():
            if isinstance(value, Kernel) and value.examples and value.module == name:
                found.append(value)
    return found
