"""Which known fault does a failing kernel behave like?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ..checked import CheckedContract
from ..library import open_library, read_closure
from ..runtime.bounded import Bounded
from ..runtime.claims import compared
from ..runtime.kernel import Kernel
from ..runtime.missing import Missing
from ..runtime.truth import Truth
from ..runtime.values import Output
from .wrong import rounded_to, wrong_definitions


def known_fault(root: Path, kernel: Kernel) -> tuple[str, str] | None:
    """`behaves_like` for a kernel of a contract that is read from the project."""
    files = [c.path for c in read_closure(root, kernel.contract).values()]
    contract = open_library(files, root).checked.get(kernel.contract) if files else None
    return None if contract is None else behaves_like(contract, kernel)


def behaves_like(contract: CheckedContract, kernel: Kernel) -> tuple[str, str] | None:
    """Id and title of the fault whose outputs equal the kernel's on its last calls, where the definition's do not."""
    for fault in contract.faults:
        try:
            wrong = wrong_definitions(contract, fault, kernel.spec)
        except Exception:  # a fault that cannot be compiled is reported by `falsify`
            continue
        calls = [entry for entry in kernel.log if entry[0] in wrong]
        if calls and all(_same(wrong[name], kernel, name, inputs, outputs) for name, inputs, outputs in calls):
            return str(fault.model.id), str(fault.model.title)
    return None


def _same(function: Any, kernel: Kernel, name: str, inputs: Any, outputs: tuple[Any, ...]) -> bool:
    signature = kernel.signatures[name]
    plain = [i.value if isinstance(i, Bounded | Truth) else i for i in inputs.values()]
    try:
        with np.errstate(all="ignore"):
            found = rounded_to(function, signature, kernel.dtype)(*plain)
    except Exception:
        return False
    expected = found if isinstance(found, tuple) else (found,)
    right = kernel.spec.functions[name](*plain)
    truths = right if isinstance(right, tuple) else (right,)
    apart = False
    for got, want, true in zip(outputs, expected, truths, strict=True):
        if isinstance(got, Missing):
            continue
        value = np.asarray(want, dtype=np.float64) if not isinstance(got, Truth) else want
        if not bool(np.all(compared(got, value).possible)):
            return False
        error = got.errors() if isinstance(got, Output) else 0.0
        exact = true.value if isinstance(true, Bounded | Truth) else np.asarray(true)
        with np.errstate(invalid="ignore"):
            apart |= bool(np.any(np.abs(np.asarray(want, dtype=float) - np.asarray(exact, dtype=float)) > error))
    return apart
