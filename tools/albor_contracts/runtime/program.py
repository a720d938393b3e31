"""A kernel that is a program for the simulated device: its inputs are placed there, its outputs fetched from there.

What is placed and fetched is not counted. When the program has returned, the queue is drained and the device asked
for what it noticed; the first finding fails the call, whatever the results are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..inputs.layouts import NUMPY
from ..lang.signature import Signature
from ..simulate import Buffer, Device, DeviceError
from .kernel_fault import KernelFault

if TYPE_CHECKING:
    from .kernel import Kernel

_ROOM = 64  # bytes of the device for each byte of input, and as many as a small device has


class Program:
    """One call: `device`, and `inputs` with buffers in place of the arrays that lie on it."""

    def __init__(self, kernel: Kernel, signature: Signature, returns: Sequence[str], raw: Sequence[Any]) -> None:
        self.signature = signature
        self.returns = tuple(returns) or tuple(p.name for p in signature.outputs)
        total = sum(getattr(value, "nbytes", 0) for value in raw)
        self.device = Device(
            NUMPY[kernel.dtype], NUMPY[kernel.precision], poison=kernel.calls, capacity=(1 << 20) + _ROOM * total
        )
        self._placed: list[tuple[Buffer, np.ndarray]] = []
        self.inputs = [self._place(p.name, value) for p, value in zip(signature.inputs, raw, strict=True)]

    def _place(self, name: str, value: Any) -> Any:
        if name not in self.signature.on_device:
            return value
        buffer = self.device.place(name, np.asarray(value))
        self._placed.append((buffer, self.device.fetch(buffer)))
        return buffer

    def finished(self, outputs: Any) -> Any:
        """The outputs as arrays. Raises `KernelFault` for what the device noticed."""
        try:
            self.device.close()
        except DeviceError as error:
            raise KernelFault("device error", f"the device failed after the call had returned: {error}") from error
        if self.device.findings:
            first, *more = self.device.findings
            also = f" (and {len(more)} more)" if more else ""
            raise KernelFault(first.kind, f"{self.signature.name} {first.kind}: {first.message}{also}")
        for buffer, before in self._placed:
            if self.device.fetch(buffer).tobytes() != before.tobytes():
                raise KernelFault(
                    "writes to its inputs", f"{self.signature.name} changed its input {buffer.name} on the device"
                )
        if not isinstance(outputs, (tuple, list)):
            return self._fetched(self.returns[0], outputs)
        return tuple(self._fetched(n, v) for n, v in zip(self.returns, outputs, strict=False))

    def _fetched(self, name: str, value: Any) -> Any:
        there = isinstance(value, Buffer) and self.device.owns(value)
        if there != (name in self.signature.on_device):
            found, wanted = ("on the device", "on the host") if there else (type(value).__name__, "on the device")
            raise KernelFault("wrong device", f"{self.signature.name} returned {name} as {found}; it must lie {wanted}")
        return self.device.fetch(value) if there else value
