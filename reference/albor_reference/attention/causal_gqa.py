"""Causal scaled dot-product attention with grouped key and value heads.

Formula, with H = G * K query heads, kv head h // G for query head h, and j <= i everywhere
    s_ij   = sum_d q_id k_jd / sqrt(D)
    lse_i  = log sum_j exp(s_ij)
    a_ij   = exp(s_ij - lse_i)
    o_id   = sum_j a_ij v_jd
Backward, for the gradient g of o
    da_ij  = sum_d g_id v_jd
    ds_ij  = a_ij (da_ij - sum_l a_il da_il)
    dq_id  = sum_j ds_ij k_jd / sqrt(D)
    dk_jd  = sum over i >= j and the G query heads of the group of ds_ij q_id / sqrt(D)
    dv_jd  = sum over the same of a_ij g_id

Arrays in, float64 out; scores and lse are in nats. `attention_weights` takes what was `checked`, and checks nothing.
Sources: Vaswani et al., "Attention Is All You Need" (2017), section 3.2.1; Ainslie et al., "GQA" (2023), section 2.2;
Dao et al., "FlashAttention" (2022), appendix B.2, for the backward pass.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


def checked(q: ArrayLike, k: ArrayLike, v: ArrayLike) -> tuple[Array, Array, Array]:
    """The three inputs as float64; ValueError when their shapes do not fit together."""
    q, k, v = (np.asarray(a, dtype=np.float64) for a in (q, k, v))
    if q.ndim != 4 or k.ndim != 4:
        raise ValueError(f"q and k must have shape [B, heads, S, D], got {list(q.shape)} and {list(k.shape)}")
    if k.shape != v.shape:
        raise ValueError(f"k and v must have one shape [B, K, S, D], got {list(k.shape)} and {list(v.shape)}")
    if (q.shape[0], q.shape[2], q.shape[3]) != (k.shape[0], k.shape[2], k.shape[3]):
        raise ValueError(f"q {list(q.shape)} and k {list(k.shape)} differ in batch, sequence or head dimension")
    if 0 in q.shape or 0 in k.shape:
        raise ValueError(f"q {list(q.shape)} and k {list(k.shape)} must not be empty")
    if q.shape[1] % k.shape[1]:
        raise ValueError(f"{q.shape[1]} query heads are not a multiple of {k.shape[1]} key and value heads")
    return q, k, v


def attention_weights(q: Array, k: Array) -> tuple[Array, Array]:
    """Weights a [B, K, G, S, S], zero above the diagonal, and lse [B, K, G, S], for q [B, K, G, S, D]."""
    size, dim = q.shape[-2:]
    scores = np.einsum("bkgid,bkjd->bkgij", q, k) / np.sqrt(dim)
    allowed = np.tril(np.ones((size, size), dtype=bool))
    scores = np.where(allowed, scores, -np.inf)
    largest = scores.max(axis=-1, keepdims=True)
    lse = largest + np.log(np.exp(scores - largest).sum(axis=-1, keepdims=True))
    return np.exp(scores - lse), lse[..., 0]


def attention(q: ArrayLike, k: ArrayLike, v: ArrayLike) -> tuple[Array, Array]:
    """Causal grouped-query attention.

    Args:
        q: queries [B, H, S, D].
        k, v: keys and values [B, K, S, D], H a multiple of K.

    Returns:
        o, float64 [B, H, S, D]; lse, float64 [B, H, S], the log of the sum of exponentials of the scaled scores.

    Raises:
        ValueError: shapes do not fit together, or H is not a multiple of K.
    """
    q, k, v = checked(q, k, v)
    batch, heads, size, dim = q.shape
    grouped = q.reshape(batch, k.shape[1], -1, size, dim)  # head h = kv * G + g, so kv = h // G
    weights, lse = attention_weights(grouped, k)
    o = np.einsum("bkgij,bkjd->bkgid", weights, v)
    return o.reshape(q.shape), lse.reshape(batch, heads, size)


def attention_backward(g: ArrayLike, q: ArrayLike, k: ArrayLike, v: ArrayLike) -> tuple[Array, Array, Array]:
    """Gradients of `attention` with respect to q, k and v, for the gradient g [B, H, S, D] of o.

    Returns:
        dq [B, H, S, D], dk [B, K, S, D], dv [B, K, S, D], float64.

    Raises:
        ValueError: shapes do not fit together.
    """
    q, k, v = checked(q, k, v)
    g = np.asarray(g, dtype=np.float64)
    if g.shape != q.shape:
        raise ValueError(f"the gradient of o must have the shape of q {list(q.shape)}, got {list(g.shape)}")
    batch, _, size, dim = q.shape
    grouped = q.reshape(batch, k.shape[1], -1, size, dim)
    g = g.reshape(grouped.shape)
    weights, _ = attention_weights(grouped, k)
    dv = np.einsum("bkgij,bkgid->bkjd", weights, g)
    da = np.einsum("bkgid,bkjd->bkgij", g, v)
    ds = weights * (da - (weights * da).sum(axis=-1, keepdims=True)) / np.sqrt(dim)
    dq = np.einsum("bkgij,bkjd->bkgid", ds, k)
    dk = np.einsum("bkgij,bkgid->bkjd", ds, grouped)
    return dq.reshape(q.shape), dk, dv
