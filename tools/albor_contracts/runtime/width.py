"""Whether the offsets of Triton kernels fit their integers at sizes that no memory holds."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..lang.signature import Signature
from .dtypes import IN_TORCH
from .kernel import Kernel
from .target import Target, line_of

_SCALARS = {"int": 1, "bool": False, "real": 0.5}
SECONDS = 10.0  # for one call of somebody's kernel: its host code may have a loop over all rows

Sizes = tuple[str, Mapping[str, int]]  # equation, its dimensions and integer inputs


class _TooLong(BaseException):
    pass


def overflow(kernel: Kernel, equation: str, sizes: Mapping[str, int]) -> str:
    """What overflows when a kernel on the CPU is called with tensors of these sizes that have no memory; empty where
    nothing does, and where nothing can be found out: its host code looks at values, or launches no Triton kernel.

    `sizes` are dimensions, integer inputs that shall not be 1, and what integer arrays hold if not 0. A call that takes
    longer than `SECONDS` ends.
    """
    import torch
    from albor_impl._triton.large import IndexOverflow, last_programs

    target, signature = kernel.targets.get(equation), kernel.signatures[equation]
    if target is None or any(sizes.get(name, taken.low) not in taken for name, taken in target.sizes.items()):
        return ""
    dtypes = {"float": kernel.dtype, "accum": kernel.precision}
    values = [_value(p.name, p.type, sizes, dtypes) for p in signature.inputs]
    try:
        positional, keywords = kernel.arranged(target, signature, values)
        with _for_seconds(SECONDS), torch.device("meta"), last_programs(_held(signature, values, sizes)):
            target.call(*positional, **keywords)
    except IndexOverflow as problem:
        words = ", ".join(f"{name} = {size}" for name, size in sizes.items())
        return f"{target.name}, called with {words}: {problem}{line_of(problem.__cause__ or problem, target, 1)}"
    except (Exception, _TooLong):
        return ""
    return ""


@contextlib.contextmanager
def _for_seconds(seconds: float) -> Iterator[None]:
    """Raises `_TooLong` in the block when it lasts longer, where a process can be told so."""
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "setitimer"):
        yield
        return

    def ended(*_: object) -> None:
        raise _TooLong

    before = signal.signal(signal.SIGALRM, ended)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def overflows(
    signatures: Mapping[str, Signature], targets: Mapping[str, Target], launches: Sequence[Sizes]
) -> str | None:
    """What goes wrong when kernels of the implementation are launched at these sizes; None if nothing."""
    for equation, sizes in launches:
        try:
            wide_launches(signatures[equation], targets[equation], sizes)
        except Exception as error:
            return f"{equation}: {type(error).__name__}: {error}"
    return None


def wide_launches(signature: Signature, target: Target, sizes: Mapping[str, int]) -> list[Any]:
    """The launches that one call makes, in bfloat16. Triton kernels only: see `albor_impl._triton.large`, which raises
    `IndexOverflow`."""
    from albor_impl._triton.large import last_programs

    dtypes = {"float": "bf16", "accum": "f32"}
    values = [_value(p.name, p.type, sizes, dtypes) for p in signature.inputs]
    with last_programs(_held(signature, values, sizes)) as launches:
        target.call(*values)
    if not launches:
        raise ValueError(f"no Triton kernel was launched by {target.name}: its offsets cannot be judged")
    return launches


def _held(signature: Signature, values: Sequence[Any], sizes: Mapping[str, int]) -> list[tuple[Any, int]]:
    """Arrays of whose elements `sizes` says what they are."""
    named = zip(signature.inputs, values, strict=True)
    return [(value, sizes[p.name]) for p, value in named if p.type.is_array and p.name in sizes]


def _value(name: str, kind: Any, sizes: Mapping[str, int], dtypes: Mapping[str, str]) -> Any:
    import torch

    if not kind.is_array:
        return sizes.get(name, _SCALARS[kind.dtype])
    shape = [sizes[d] if isinstance(d, str) else d for d in kind.shape]
    dtype = getattr(torch, IN_TORCH[dtypes.get(kind.dtype, kind.dtype)])
    return torch.empty(shape, dtype=dtype, device="meta")
