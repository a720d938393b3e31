"""Attention of new tokens against a cache of keys and values.

With `used` places filled, the T new tokens included, query i stands at position used - T + i:
    s_ij = sum_d q_id k_jd / sqrt(D) for j <= used - T + i,   o_i = softmax(s_i) v,   lse_i = log sum_j exp(s_ij)
Query head h reads key head h // G, G = H / K. Size of the cache: 2 layers batch K capacity D elements.

Arrays in, float64 out; scores and lse are in nats. `cache_bytes` refuses nothing.
Sources: Shazeer, "Fast Transformer Decoding: One Write-Head is All You Need" (2019); Ainslie et al., "GQA" (2023).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


def cache_append(cache: ArrayLike, fresh: ArrayLike, used: int) -> Array:
    """A copy of cache [B, K, C, D] with fresh [B, K, T, D] at places used to used + T - 1.

    Raises:
        ValueError: shapes do not fit together, or the rows do not fit into the cache.
    """
    cache, fresh = np.array(cache, dtype=np.float64), np.asarray(fresh, dtype=np.float64)
    if cache.ndim != 4 or fresh.ndim != 4 or cache.shape[:2] + cache.shape[3:] != fresh.shape[:2] + fresh.shape[3:]:
        raise ValueError(
            f"expected cache[B, K, C, D] and fresh[B, K, T, D], got {list(cache.shape)} and {list(fresh.shape)}"
        )
    end = used + fresh.shape[2]
    if used < 0 or end > cache.shape[2]:
        raise ValueError(f"rows for places {used} to {end} (exclusive) do not fit into a cache of {cache.shape[2]}")
    cache[:, :, used:end] = fresh
    return cache


def cached_attention(q: ArrayLike, k: ArrayLike, v: ArrayLike, used: int) -> tuple[Array, Array]:
    """Attention of the T newest tokens.

    Args:
        q: their queries [B, H, T, D].
        k, v: the cache [B, K, C, D], H a multiple of K; the new rows are in it. Places from `used` on are not read.
        used: places filled, from T to C.

    Returns:
        o, float64 [B, H, T, D]; lse, float64 [B, H, T].

    Raises:
        ValueError: shapes do not fit together, H is no multiple of K, or used is not from T to C.
    """
    q, k, v = (np.asarray(a, dtype=np.float64) for a in (q, k, v))
    if q.ndim != 4 or k.ndim != 4 or k.shape != v.shape or (q.shape[0], q.shape[3]) != (k.shape[0], k.shape[3]):
        raise ValueError(
            f"expected q[B, H, T, D] and k, v[B, K, C, D], got {list(q.shape)}, {list(k.shape)} and {list(v.shape)}"
        )
    heads, tokens, dim = q.shape[1:]
    kv_heads, capacity = k.shape[1:3]
    if heads % kv_heads:
        raise ValueError(f"{heads} query heads are not a multiple of {kv_heads} key and value heads")
    if not tokens <= used <= capacity:
        raise ValueError(f"used: expected {tokens} (new tokens) to {capacity} (capacity), got {used}")
    o, lse = np.empty_like(q), np.empty(q.shape[:3])
    for h in range(heads):
        keys, values = k[:, h // (heads // kv_heads)], v[:, h // (heads // kv_heads)]
        for i in range(tokens):
            seen = used - tokens + i + 1
            s = np.einsum("bd,bjd->bj", q[:, h, i], keys[:, :seen]) / np.sqrt(dim)
            largest = s.max(axis=1, keepdims=True)
            e = np.exp(s - largest)
            total = e.sum(axis=1, keepdims=True)
            o[:, h, i] = np.einsum("bj,bjd->bd", e / total, values[:, :seen])
            lse[:, h, i] = (largest + np.log(total))[:, 0]
    return o, lse


def cache_bytes(layers: int, batch: int, heads: int, kv_heads: int, capacity: int, head_dim: int, element: int) -> int:
    """Bytes of the keys and values of all layers; the number of query heads does not matter.

    Args:
        layers, batch, kv_heads, capacity, head_dim: sizes of the cache.
        heads: query heads, a multiple of kv_heads, for callers that have both at hand.
        element: bytes of one number.

    Raises:
        ValueError: heads is not a multiple of kv_heads.
    """
    if heads % kv_heads:
        raise ValueError(f"heads must be a multiple of kv_heads, got {heads} and {kv_heads}")
    keys = layers * batch * kv_heads * capacity * head_dim
    return 2 * keys * element
