"""Engine ieee: a law with one argument, on every finite float16 value."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .verdict import PROVED, REFUTED, UNDECIDED, VACUOUS

SEMANTICS = "IEEE float16, exhaustive"

Law = Callable[[np.ndarray], Any]


def finite_float16() -> np.ndarray:
    """All 63,488 finite float16 values, both zeros and all subnormals included."""
    every = np.arange(1 << 16, dtype=np.uint32).astype(np.uint16).view(np.float16)
    finite = every[np.isfinite(every)]
    finite.flags.writeable = False
    return finite


def prove(law: Law) -> dict[str, Any]:
    """Judge the law. Returns the fields of a verdict that the engine decides."""
    x = finite_float16()
    assumed, claimed, problem = _judge(law, x)
    if problem:
        return {"status": UNDECIDED, "reason": problem}
    count = int(assumed.sum())
    if count == 0:
        return {"status": VACUOUS, "reason": "no finite float16 value meets the assumption"}
    canary = f"the assumption holds at {count:,} of {x.size:,} values"
    broken = np.flatnonzero(assumed & ~claimed)
    if broken.size:
        # The simplest counterexample is the one of smallest magnitude.
        at = broken[np.argmin(np.abs(x[broken].astype(np.float64)))]
        return _refute(law, x[at], broken.size, canary)
    # A law must speak of each value alone: another order of the values may change nothing.
    assumed, claimed, problem = _judge(law, np.ascontiguousarray(x[::-1]))
    if problem or int(assumed.sum()) != count or bool((assumed & ~claimed).any()):
        return {"status": UNDECIDED, "canary": canary, "reason": "the law depends on the order of the values"}
    return {"status": PROVED, "canary": canary}


def _refute(law: Law, at: np.float16, count: int, canary: str) -> dict[str, Any]:
    bits = int(at.view(np.uint16))
    text = f"x = {float(at)!r} (float16 bits 0x{bits:04x}), one of {count:,} values"
    assumed, claimed, problem = _judge(law, np.array([at]))
    if problem or not bool(assumed[0] and not claimed[0]):
        reason = problem or "the law holds there when the value is given alone, so it is not about each value alone"
        return {"status": UNDECIDED, "counterexample": text, "canary": canary, "reason": reason}
    return {"status": REFUTED, "counterexample": text, "replayed": True, "canary": canary}


def _judge(law: Law, x: np.ndarray) -> tuple[np.ndarray, np.ndarray, str]:
    x.flags.writeable = False
    with np.errstate(all="ignore"):
        answer = law(x)
    parts = answer if isinstance(answer, tuple) else (np.ones(x.shape, dtype=bool), answer)
    if len(parts) != 2:
        return x, x, f"the law must return a claim, or an assumption and a claim; it returned {len(parts)} parts"
    for part in parts:
        if not isinstance(part, np.ndarray) or part.dtype != np.bool_ or part.shape != x.shape:
            got = f"{part.dtype}{list(part.shape)}" if isinstance(part, np.ndarray) else type(part).__name__
            return x, x, f"the law must return one bool for each value; it returned {got}"
    return parts[0], parts[1], ""
