"""Which known fault does a failing kernel behave like?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ..checked import CheckedContract
from ..library import open_library, read_closure
from ..runtime.bounded import Bounded
from ..runtime.claims import compared
from ..runtime.dtypes import FORMATS
from ..runtime.kernel import Kernel
from ..runtime.missing import Missing
from ..runtime.truth import Truth
from ..runtime.values import Output
from .wrong import rounded_to, wrong_definitions

AS_NEAR = 8  # units roundoff that two explanations may differ by and still be as near as each other
NAMED = 3  # explanations that are told


def known_fault(root: Path, kernel: Kernel) -> tuple[str, str] | None:
    """`behaves_like` for a kernel of a contract that is read from the project."""
    files = [c.path for c in read_closure(root, kernel.contract).values()]
    contract = open_library(files, root).checked.get(kernel.contract) if files else None
    return None if contract is None else behaves_like(contract, kernel)


def behaves_like(contract: CheckedContract, kernel: Kernel) -> tuple[str, str] | None:
    """Id and title of the fault whose outputs equal the kernel's on its last calls, where the definition's do not.

    Of several the nearest: where bounds are wide, many lie within them. Others that are as near, up to rounding, cannot
    be told apart by these inputs and stand behind its title.
    """
    found: list[tuple[float, str, str]] = []
    for fault in contract.faults:
        try:
            wrong = wrong_definitions(contract, fault, kernel.spec)
        except Exception:  # a fault that cannot be compiled is reported by `falsify`
            continue
        calls = [entry for entry in kernel.log if entry[0] in wrong]
        apart = [_distance(wrong[name], kernel, name, inputs, outputs) for name, inputs, outputs in calls]
        if calls and None not in apart:
            found.append((max(d for d in apart if d is not None), str(fault.model.id), str(fault.model.title)))
    if not found:
        return None
    nearest = min(d for d, _, _ in found) + AS_NEAR * FORMATS[kernel.dtype].unit
    (_, identifier, title), *others = [entry for entry in found if entry[0] <= nearest]
    return identifier, "; or like ".join([title, *(f"{i}: {words}" for _, i, words in others[: NAMED - 1])])


def _distance(function: Any, kernel: Kernel, name: str, inputs: Any, outputs: tuple[Any, ...]) -> float | None:
    """How far the wrong definition is from what the kernel returned, relative to its largest number; None where it is
    no explanation: beyond the bound somewhere, or nowhere apart from the right definition."""
    signature = kernel.signatures[name]
    plain = [i.value if isinstance(i, Bounded | Truth) else i for i in inputs.values()]
    try:
        with np.errstate(all="ignore"):
            wrong = rounded_to(function, signature, kernel.dtype)(*plain)
    except Exception:  # it need not be defined on what the law made of its inputs
        return None
    expected = wrong if isinstance(wrong, tuple) else (wrong,)
    right = kernel.spec.functions[name](*plain)
    truths = right if isinstance(right, tuple) else (right,)
    apart, furthest = False, 0.0
    for got, want, true in zip(outputs, expected, truths, strict=True):
        if isinstance(got, Missing):
            continue
        value = np.asarray(want, dtype=np.float64) if not isinstance(got, Truth) else want
        exact = true.value if isinstance(true, Bounded | Truth) else np.asarray(true)
        possible = compared(got, value).possible
        if isinstance(got, Output):
            possible = possible | _near_where_zero(got.value, value, exact, FORMATS[kernel.dtype].unit)
        if not bool(np.all(possible)):
            return None
        error = got.errors() if isinstance(got, Output) else 0.0
        with np.errstate(invalid="ignore"):
            apart |= bool(np.any(np.abs(np.asarray(want, dtype=float) - np.asarray(exact, dtype=float)) > error))
        if isinstance(got, Output):
            furthest = max(furthest, _relative(np.asarray(got.value, dtype=float), value))
    return furthest if apart else None


def _near_where_zero(got: Any, want: np.ndarray, exact: Any, unit: float) -> np.ndarray:
    """Where the definition is exactly 0, and its bound with it, and kernel and wrong definition are not: as near to
    each other as two ways to round. A bound of 0 would let no wrong value explain another."""
    got, exact = (np.asarray(a, dtype=float) for a in (got, exact))
    with np.errstate(all="ignore"):
        size = np.abs(want)
        largest = size[np.isfinite(size)].max(initial=0.0)
        return (exact == 0) & (got != 0) & (want != 0) & (np.abs(got - want) <= AS_NEAR * unit * largest)


def _relative(got: np.ndarray, want: np.ndarray) -> float:
    with np.errstate(all="ignore"):
        gap, size = np.abs(got - want), np.abs(want)
        finite = np.isfinite(gap) & np.isfinite(size)
        return float(gap[finite].max(initial=0.0) / max(size[finite].max(initial=0.0), np.finfo(float).tiny))
