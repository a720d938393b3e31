"""The layer every Triton kernel of this package goes through.

- `kernel` declares one: CUDA tensors run the compiled kernel, CPU tensors run the same source in Triton's
  interpreter (repaired, see `repaired`), both in one process and whatever TRITON_INTERPRET says.
- `example` declares, next to the kernel, what it is launched with in practice; the compile gate reads this.
- `record_launches` counts launches, `empty` and `empty_like` make output and workspace buffers, which `poisoned`
  fills so that an element nobody wrote shows, and which `record_allocations` counts.
- `unify` checks the arguments of a wrapper and names their sizes.
"""

from .buffers import Allocation, empty, empty_like, poisoned, record_allocations
from .checks import unify
from .interpret import sanitized
from .kernel import Example, Kernel, Launch, declared_kernels, example, kernel, record_launches
from .repaired import OutOfBounds

__all__ = [
    "Allocation",
    "Example",
    "Kernel",
    "Launch",
    "OutOfBounds",
    "declared_kernels",
    "empty",
    "empty_like",
    "example",
    "kernel",
    "poisoned",
    "record_allocations",
    "record_launches",
    "sanitized",
    "unify",
]
