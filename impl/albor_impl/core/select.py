"""Selection by a condition, y = a where pred holds and b elsewhere, and its gradient, by PyTorch's own kernel.

One read of each operand and one write; there is nothing to fuse. The functions exist for their checks: the condition
comes first and is boolean, and no shape or dtype is adapted silently.

Errors: TypeError unless pred is boolean, or for dtypes of the others that differ or are not float32, bfloat16 or
float16; ValueError for shapes that differ.
Source: the definition in contracts/core/select-v1.yaml.
"""

from __future__ import annotations

import torch

from .._triton import unify
from ._rows import one_dtype


def _condition(pred: torch.Tensor) -> None:
    if not isinstance(pred, torch.Tensor) or pred.dtype != torch.bool:
        found = pred.dtype if isinstance(pred, torch.Tensor) else type(pred).__name__
        raise TypeError(f"pred: expected torch.bool as the first argument, got {found}")


def select(pred: torch.Tensor, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """y[R, N] = a where pred, else b, for pred[R, N] (bool), a[R, N], b[R, N]; their dtype, bit by bit.

    What is not selected does not matter, NaN included. Raises TypeError unless pred is boolean (arguments in another
    order) and a and b share a dtype, ValueError for shapes that differ.
    """
    _condition(pred)
    one_dtype(a=(a, "R N"), b=(b, "R N"))
    unify((torch.bool, a.dtype), pred=(pred, "R N"), a=(a, "R N"))
    return torch.where(pred, a, b)


def select_backward(g: torch.Tensor, pred: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """da and db of sum(g * select(pred, a, b)) for g[R, N]: g where the input was selected, exactly 0 elsewhere."""
    _condition(pred)
    one_dtype(g=(g, "R N"))
    unify((torch.bool, g.dtype), pred=(pred, "R N"), g=(g, "R N"))
    zero = g.new_zeros(())
    return torch.where(pred, g, zero), torch.where(pred, zero, g)
