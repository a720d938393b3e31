"""One parameter as embedding and head, and its gradient from autograd: torch adds what both uses contribute.

    z = W[ids] A W^T          dW = dembedding + dhead

Computed in float32; logits have the dtype of w, gradients that of g.
Errors: ValueError for shapes of table, a and ids that do not fit, or (CPU tensors) an id outside the table, TypeError
for ids that are not int64. On a GPU an id outside makes NaN.
Source: Press and Wolf, "Using the Output Embedding to Improve Language Models" (2017).
"""

from __future__ import annotations

import torch

from ..core.embedding import embedding_autograd
from ..core.gemm import gemm_autograd


def _logits(embedding: torch.Tensor, head: torch.Tensor, a: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
    if embedding.ndim != 2 or a.shape != (embedding.shape[1],) * 2 or ids.ndim != 1:
        found = f"{list(embedding.shape)}, {list(a.shape)}, {list(ids.shape)}"
        raise ValueError(f"expected a table [V, E], a[E, E], ids[T], got shapes {found}")
    return gemm_autograd(gemm_autograd(embedding_autograd(ids, embedding), a), head.T)


def _gradients(g: torch.Tensor, tables: list[torch.Tensor], a: torch.Tensor, ids: torch.Tensor) -> list[torch.Tensor]:
    """In float32 whatever the tables are: a frequent token adds up hundreds of rows."""
    leaves = [t.detach().to(torch.float32).requires_grad_() for t in tables]
    with torch.enable_grad():
        z = _logits(leaves[0], leaves[-1], a.to(torch.float32), ids)
    return [d.to(g.dtype) for d in torch.autograd.grad(z, leaves, g.to(torch.float32))]


def tied_logits(w: torch.Tensor, a: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
    """z[T, V] = W[ids] A W^T for w[V, E], a[E, E], ids[T]; rounded once, to the dtype of w."""
    with torch.no_grad():
        wide = w.to(torch.float32)
        return _logits(wide, wide, a.to(torch.float32), ids).to(w.dtype)


def untied_gradients(
    g: torch.Tensor, embedding: torch.Tensor, head: torch.Tensor, a: torch.Tensor, ids: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Gradients [V, E] with respect to two tables, for g[T, V]."""
    din, dout = _gradients(g, [embedding, head], a, ids)
    return din, dout


def tied_gradient(g: torch.Tensor, w: torch.Tensor, a: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
    """The gradient [V, E] of the one table that is both."""
    return _gradients(g, [w], a, ids)[0]
