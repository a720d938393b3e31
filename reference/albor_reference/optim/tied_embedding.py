"""One table as embedding and head: z = W[ids] A W^T, and the two gradients that sum to that of W.

Arrays in, float64 out. Source: Press and Wolf, "Using the Output Embedding to Improve Language Models" (2017).
Errors: ValueError for shapes of table, a and ids that do not fit, or an id outside the table.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


def _checked(table: ArrayLike, a: ArrayLike, ids: ArrayLike) -> tuple[Array, Array, NDArray[np.int64]]:
    table, a, ids = np.asarray(table, dtype=np.float64), np.asarray(a, dtype=np.float64), np.asarray(ids)
    if table.ndim != 2 or a.shape != (table.shape[1],) * 2 or ids.ndim != 1:
        raise ValueError(f"expected a table [V, E], a[E, E], ids[T], got shapes {table.shape}, {a.shape}, {ids.shape}")
    if ids.size and not 0 <= ids.min() <= ids.max() < len(table):
        raise ValueError(f"tokens must be in [0, {len(table)}), got {ids.min()} to {ids.max()}")
    return table, a, ids


def tied_logits(w: ArrayLike, a: ArrayLike, ids: ArrayLike) -> Array:
    """z[T, V] = W[ids] A W^T for w[V, E], a[E, E], ids[T]."""
    w, a, ids = _checked(w, a, ids)
    return w[ids] @ a @ w.T


def untied_gradients(
    g: ArrayLike, embedding: ArrayLike, head: ArrayLike, a: ArrayLike, ids: ArrayLike
) -> tuple[Array, Array]:
    """Gradients [V, E] of sum(g * embedding[ids] A head^T) with respect to embedding and head, for g[T, V]."""
    embedding, a, ids = _checked(embedding, a, ids)
    g, head = np.asarray(g, dtype=np.float64), np.asarray(head, dtype=np.float64)
    dembedding = np.zeros_like(embedding)
    np.add.at(dembedding, ids, g @ head @ a.T)  # a token that occurs twice gets both
    return dembedding, g.T @ (embedding[ids] @ a)


def tied_gradient(g: ArrayLike, w: ArrayLike, a: ArrayLike, ids: ArrayLike) -> Array:
    """The gradient [V, E] of sum(g * tied_logits(w, a, ids)): the sum over both uses of the table."""
    dembedding, dhead = untied_gradients(g, w, w, a, ids)
    return dembedding + dhead
