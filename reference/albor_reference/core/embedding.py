"""Embedding: rows of a table looked up by id, and the gradient of the table. Arrays in, float64 out.

Errors: ValueError for an id outside [0, V) or shapes that do not fit, TypeError for ids that are no whole numbers.
Source: Bengio, Ducharme, Vincent, Jauvin, "A Neural Probabilistic Language Model" (2003).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def _check(ids: ArrayLike, w: ArrayLike) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    ids, w = np.asarray(ids), np.asarray(w, dtype=np.float64)
    if ids.ndim != 1 or w.ndim != 2:
        raise ValueError(f"expected ids[T] and w[V, D], got shapes {ids.shape} and {w.shape}")
    if ids.dtype.kind not in "iu" and ids.size:
        raise TypeError(f"ids must be whole numbers, got {ids.dtype}")
    outside = (ids < 0) | (ids >= len(w))
    if outside.any():
        at = int(np.flatnonzero(outside)[0])
        raise ValueError(f"id {int(ids[at])} of token {at} is outside [0, {len(w)})")
    return ids.astype(np.int64), w


def embedding(ids: ArrayLike, w: ArrayLike) -> NDArray[np.float64]:
    """y[T, D] with y_t = w_(ids_t) for ids[T] and the table w[V, D].

    Raises ValueError for an id outside [0, V), negative ones included, and for other shapes; TypeError for ids that
    are no whole numbers.
    """
    ids, w = _check(ids, w)
    return w[ids]


def embedding_backward(g: ArrayLike, ids: ArrayLike, w: ArrayLike) -> NDArray[np.float64]:
    """dw[V, D] of sum(g * embedding(ids, w)) for g[T, D]: dw_v is the sum of g_t over all t with ids_t = v.

    A row nobody looked up is exactly zero. Of w only the shape counts.
    """
    ids, w = _check(ids, w)
    g = np.asarray(g, dtype=np.float64)
    if g.shape != (len(ids), w.shape[1]):
        raise ValueError(f"g: expected shape {[len(ids), w.shape[1]]}, got {list(g.shape)}")
    dw = np.zeros_like(w)
    for token, row in zip(ids, g, strict=True):
        dw[token] += row
    return dw
