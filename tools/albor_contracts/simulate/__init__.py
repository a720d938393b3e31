"""A simulated device: what goes wrong with buffers, queues and transfers on a GPU goes wrong here too, on a CPU.

- `arena`: one flat memory. Allocations lie side by side with guard words between them, begin filled with poison, and
  kernels reach them by unchecked flat indices.
- `stream`: queues. What is launched or copied happens when they are drained, not when it is asked for, and in no
  order between two of them but that of events.
- `record`: a log of everything that was asked for, and the counters that follow from it.
- `device`: the handle a program works with. It reports what a GPU would not.

A program is a function whose first argument is the device; it imports nothing from here.
"""

from .arena import Arena, Buffer, DeviceError, Memory, OutOfMemory
from .device import Device, HostBuffer, refusing
from .record import COUNTS, Entry, Record, watching

__all__ = [
    "COUNTS",
    "Arena",
    "Buffer",
    "Device",
    "DeviceError",
    "Entry",
    "HostBuffer",
    "Memory",
    "OutOfMemory",
    "Record",
    "refusing",
    "watching",
]
