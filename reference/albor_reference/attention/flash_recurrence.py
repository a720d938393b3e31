"""Attention tile by tile: the online softmax as it is carried out.

The state of a query is m, the largest score so far, and l and o, the sum of exponentials and the weighted sum of
values relative to m. A tile of keys with scores s moves it on:
    m' = max(m, max_j s_j)
    l' = exp(m - m') l + sum_j exp(s_j - m')
    o' = exp(m - m') o + sum_j exp(s_j - m') v_j
At the end o / l is the attention and m + log l the logarithm of the sum of exponentials.

Arrays in, float64 out; scores, m and lse are in nats.
Sources: Milakov and Gimelshein, "Online normalizer calculation for softmax" (2018); Dao et al., "FlashAttention"
(2022), algorithm 1.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .causal_gqa import checked

Array = NDArray[np.float64]


def flash_step(
    q: ArrayLike, k: ArrayLike, v: ArrayLike, m: ArrayLike, l: ArrayLike, o: ArrayLike, gap: int
) -> tuple[Array, Array, Array]:
    """The state after one tile of keys.

    Args:
        q: queries [C, M, D], one set for each head.
        k, v: keys and values of the tile [C, N, D].
        m, l, o: the state [C, M], [C, M], [C, M, D]; m = -inf, l = 0, o = 0 where nothing was seen.
        gap: position of the first query less that of the first key; query i sees key j where j <= i + gap.

    Returns:
        m, l, o after the tile. A query that sees no key of it keeps its state.

    Raises:
        ValueError: shapes do not fit together.
    """
    q, k, v, m, l, o = (np.asarray(a, dtype=np.float64) for a in (q, k, v, m, l, o))
    if q.ndim != 3 or k.ndim != 3 or k.shape != v.shape or (q.shape[0], q.shape[2]) != (k.shape[0], k.shape[2]):
        raise ValueError(
            f"expected q[C, M, D] and k, v[C, N, D], got {list(q.shape)}, {list(k.shape)} and {list(v.shape)}"
        )
    if m.shape != q.shape[:2] or l.shape != m.shape or o.shape != q.shape:
        raise ValueError(
            f"expected the state m, l[C, M] and o[C, M, D] of q {list(q.shape)}, "
            f"got {list(m.shape)}, {list(l.shape)} and {list(o.shape)}"
        )
    m, l, o = m.copy(), l.copy(), o.copy()
    for i in range(q.shape[1]):
        seen = min(max(i + gap + 1, 0), k.shape[1])
        if seen:
            s = np.einsum("cd,cjd->cj", q[:, i], k[:, :seen]) / np.sqrt(q.shape[2])
            new = np.maximum(m[:, i], s.max(axis=1))
            kept = np.exp(m[:, i] - new)
            e = np.exp(s - new[:, None])
            l[:, i] = kept * l[:, i] + e.sum(axis=1)
            o[:, i] = kept[:, None] * o[:, i] + np.einsum("cj,cjd->cd", e, v[:, :seen])
            m[:, i] = new
    return m, l, o


def flash_attention(q: ArrayLike, k: ArrayLike, v: ArrayLike, tile: int) -> tuple[Array, Array]:
    """Causal grouped-query attention, tile by tile of queries and keys.

    Args:
        q: queries [B, H, S, D].
        k, v: keys and values [B, K, S, D], H a multiple of K.
        tile: queries and keys a tile, at least 1; it need not divide S.

    Returns:
        o, float64 [B, H, S, D]; lse, float64 [B, H, S].

    Raises:
        ValueError: shapes do not fit together, or tile is less than 1.
    """
    q, k, v = checked(q, k, v)
    if tile < 1:
        raise ValueError(f"tile: expected at least 1, got {tile}")
    batch, heads, size, dim = q.shape
    keys, values = (np.repeat(a, heads // k.shape[1], axis=1).reshape(-1, size, dim) for a in (k, v))
    queries = q.reshape(-1, size, dim)
    out, lse = np.empty_like(queries), np.empty(queries.shape[:2])
    for first in range(0, size, tile):
        rows = slice(first, min(first + tile, size))
        block = queries[:, rows]
        m = np.full(block.shape[:2], -np.inf)
        l, o = np.zeros_like(m), np.zeros_like(block)
        for start in range(0, size, tile):
            if start > rows.stop - 1:  # strictly after the last query; at equality the tile holds the diagonal
                break
            cols = slice(start, start + tile)
            m, l, o = flash_step(block, keys[:, cols], values[:, cols], m, l, o, first - start)
        out[:, rows] = o / l[:, :, None]
        lse[:, rows] = m + np.log(l)
    return out.reshape(q.shape), lse.reshape(batch, heads, size)
