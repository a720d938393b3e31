"""A callable that stands for an equation: its arguments, where it is written, and what is said when it fails."""

from __future__ import annotations

import inspect
import os
import re
import sys
import sysconfig
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..errors import from_here, said
from ..lang.signature import Signature
from ..lang.types import DimRange
from .kernel_fault import KernelFault

MANY = 6  # outputs of which a message tells what they are
_PYTHON = sysconfig.get_path("stdlib") + os.sep


@dataclass(frozen=True)
class Target:
    """A callable and how to call it: `arguments` maps each of its parameters (or positions) to a function of the
    equation's inputs and dims; None passes the inputs as they are."""

    call: Callable[..., Any]
    name: str
    arguments: Mapping[str | int, Callable[[Mapping[str, Any]], Any]] | None = None
    returns: tuple[str, ...] = ()
    dtypes: tuple[str, ...] = ()
    sizes: Mapping[str, DimRange] = field(default_factory=dict)  # of dimensions of which it does not take all

    def refuses(self, signature: Signature, values: Sequence[Any]) -> str:
        """Why it is not called with inputs of these shapes; empty where it is."""
        if not self.sizes:
            return ""
        found = sizes_in(signature, values)
        odd = next((name for name, taken in self.sizes.items() if found.get(name, taken.low) not in taken), None)
        return "" if odd is None else f"{self.name} takes {odd} of {self.sizes[odd]}, here it is {found[odd]}"

    def is_named(self, equation: str) -> bool:
        """Whether the callable has the name of the equation, but for underscores."""
        name = self.name.rpartition(":")[2].rpartition(".")[2]
        return name.replace("_", "") == equation.replace("_", "")

    def place(self) -> str:
        """file:line of the callable's source; empty for what has none, such as functions of a library in C."""
        found: Any = inspect.unwrap(self.call)
        if inspect.ismethod(found) and found.__name__ == "apply" and hasattr(found.__self__, "forward"):
            found = found.__self__.forward  # of a torch.autograd.Function
        code = getattr(found, "__code__", None) or getattr(type(found).__call__, "__code__", None)
        if code is None or code.co_filename.startswith("<"):
            return ""
        return f"{from_here(code.co_filename)}:{code.co_firstlineno}"


def arranged(
    target: Target, raw: Sequence[Any], known: Callable[[], Mapping[str, Any]]
) -> tuple[list[Any], dict[str, Any]]:
    """Positional and keyword arguments for a target: the inputs in their order, or what its `arguments` make of the
    inputs and dims that are `known` by name."""
    if target.arguments is None:
        return list(raw), {}
    values = known()
    positions = sorted((k, f) for k, f in target.arguments.items() if isinstance(k, int))
    return [f(values) for _, f in positions], {k: f(values) for k, f in target.arguments.items() if isinstance(k, str)}


def sizes_in(signature: Signature, values: Sequence[Any]) -> dict[str, int]:
    """Dimensions as found in the shapes of the inputs."""
    sizes: dict[str, int] = {}
    for value, p in zip(values, signature.inputs, strict=True):
        for k, d in enumerate(p.type.shape or ()):
            if isinstance(d, str) and hasattr(value, "shape"):
                sizes.setdefault(d, int(value.shape[k]))
    return sizes


def miscounted(target: Target, given: Sequence[Any], wanted: Sequence[str]) -> KernelFault:
    kinds = ", ".join("None" if g is None else type(g).__name__ for g in given[:MANY])
    values = f"{len(given)} value{'' if len(given) == 1 else 's'} ({kinds}{', ...' if len(given) > MANY else ''})"
    hint = "; `returns` in a binding file says which of them it has" if len(given) < len(wanted) else ""
    return KernelFault(
        "wrong type", f"{target.name} returned {values}, expected {len(wanted)}: {', '.join(wanted)}{hint}"
    )


def unrepeatable(target: Target, difference: str, ordered: bool = False) -> KernelFault:
    words = f"{target.name} was called twice on the same inputs, and not the same came back: {difference}"
    note = "; the second time programs of Triton kernels ran in the opposite order, and a GPU runs them in any"
    return KernelFault("not repeatable", words + note * ordered)


# What PyTorch and Triton say where code asks for a GPU that is not there.
_NO_GPU = re.compile(
    "not compiled with CUDA|No CUDA GPUs|Expected a cuda device|NVIDIA driver|active drivers|CUDA driver|libcuda", re.I
)
_ASKS_FOR_A_GPU = "; it asks for a GPU, whatever its inputs lie on: --device cuda judges it where there is one"


def raised(target: Target, error: BaseException) -> KernelFault:
    told = said(error)
    said_so = f": {told}" if told else " without a message"
    words = f"{target.name} raised {type(error).__name__}{said_so}{line_of(error, target)}"
    return KernelFault("raises", words + _ASKS_FOR_A_GPU * bool(_NO_GPU.search(told)))


def uncompiled(target: Target, why: BaseException) -> KernelFault:
    return KernelFault("does not compile", f"{target.name} launches a kernel that no GPU takes: {said(why)}")


def line_of(error: BaseException, target: Target, least: int = 2) -> str:
    """Where in the kernel's own folder it was raised. A callable that hands on to a library is told that library's
    line: so it is if fewer of the kernel's functions had been entered than `least`, of two of which the first is the
    callable itself, and if a line of a library is there."""
    file = target.place().rpartition(":")[0]
    if not file:
        return ""
    folder = os.path.dirname(os.path.abspath(file))
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if os.path.dirname(os.path.abspath(f.filename)) == folder]
    if len(own) < least:
        below = frames[frames.index(own[0]) + 1 :] if own else frames
        own = [f for f in below if f not in own and not _of_machinery(f.filename)] or own
    return f" (at {from_here(own[-1].filename)}:{own[-1].lineno})" if own else ""


# Packages whose lines say nothing of a kernel that calls them, where they have been imported.
_MACHINERY = ("torch", "triton", "numpy", "albor_impl._triton", __package__.partition(".")[0])


def _of_machinery(file: str) -> bool:
    """Whether a file is of Python, of this tool, or of a package below kernels: not of a kernel."""
    full = os.path.abspath(file)
    if file.startswith("<") or (full.startswith(_PYTHON) and os.sep + "site-packages" + os.sep not in full):
        return True
    found = [getattr(sys.modules.get(name), "__file__", None) for name in _MACHINERY]
    return any(full.startswith(os.path.dirname(f) + os.sep) for f in found if f)
