"""A kernel of single values called in index notation with arguments that vary: one call for each place of the grid."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..lang.signature import Signature
from .bounded import Bounded
from .texts import boxed, on_grid
from .truth import Truth


def varies(signature: Signature, arguments: Sequence[Any]) -> bool:
    """Whether an argument that must be a single value varies with an index."""
    return any(getattr(arguments[k], "ndim", 0) for k in signature.single_values)


def one_by_one(signature: Signature, arguments: Sequence[Any], call: Callable[..., Any]) -> Any:
    """The outputs of one call for each value of the varying arguments, on their grid."""
    plain = [a.value if isinstance(a, (Bounded, Truth)) else a for a in arguments]
    moving = [k for k, p in enumerate(signature.inputs) if not p.type.is_array and np.ndim(boxed(plain[k]))]
    shape = np.broadcast_shapes(*(plain[k].shape for k in moving))
    columns = [np.broadcast_to(plain[k], shape).reshape(-1).tolist() for k in moving]
    now = list(arguments)
    rows = []
    for values in zip(*columns, strict=True):
        for k, value in zip(moving, values, strict=True):
            now[k] = value
        outputs = call(*now)
        rows.append(outputs if isinstance(outputs, tuple) else (outputs,))
    found = tuple(
        _laid_out(p.type.dtype, p.type.is_opaque, [r[k] for r in rows], shape) for k, p in enumerate(signature.outputs)
    )
    return found if len(found) != 1 else found[0]


def _laid_out(dtype: str, opaque: bool, values: list[Any], shape: tuple[int, ...]) -> Any:
    if opaque:
        return on_grid(values, shape)
    if dtype in ("bool", "int"):
        return np.reshape([v.value if isinstance(v, (Bounded, Truth)) else v for v in values], shape)
    parts = [Bounded.of(v) for v in values]
    errors = [np.asarray(p.error, dtype=np.float64).reshape(()) for p in parts]
    return Bounded(np.reshape([p.value for p in parts], shape), np.reshape(errors, shape))
