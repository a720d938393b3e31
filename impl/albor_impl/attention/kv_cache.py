"""A cache of keys and values, and attention of the newest tokens against it.

Formula, with `used` places filled, the T new tokens included
    s_ij = sum_d q_id k_jd / sqrt(D) for j <= used - T + i,   o_i = softmax(s_i) v,   lse_i = log sum_j exp(s_ij)
The keys and values of all layers are 2 layers B K C D elements, of so many bytes each.

Decoding reads the whole cache for a few queries, so that its traffic is the cache. The queries of the G heads that
share a key head, times the T new tokens, are the rows of one tile: each key and value is read once for the group, where
a program for each query head would read it G times. Places from `used` on are not read.

bfloat16 and float16 inputs: exp(s - m) is rounded to the input dtype before it meets v, m being the largest score up to
the end of the tile; everything else is float32, and products of float32 are IEEE float32.

Scores and lse are in nats. Errors: TypeError for dtypes that differ or are not float32, bfloat16 or float16; ValueError
for shapes, devices or places that do not fit together.
Sources: Shazeer, "Fast Transformer Decoding: One Write-Head is All You Need" (2019); Ainslie et al., "GQA" (2023).
"""

from __future__ import annotations

import math

import torch
import triton
import triton.language as tl

from .._triton import empty, empty_like, example, kernel, unify
from .causal_gqa import LARGEST_HEAD


def cut(rows: int, dim: int, dtype: torch.dtype) -> dict[str, int]:
    """Rows and keys a tile, warps and stages: few rows while decoding, so that many keys fit."""
    wide = dtype == torch.float32
    tall = 16 if rows <= 16 or wide else 64
    keys = 32 if wide else 64
    return {"BM": tall, "BN": keys, "num_warps": 8 if wide else 4, "num_stages": 1 if wide else 2}


def _examples():
    for dtype, kind in (("bf16", torch.bfloat16), ("fp16", torch.float16), ("fp32", torch.float32)):
        for rows, dim in ((4, 128), (512, 64)) if dtype == "bf16" else ((4, 128),):
            types = [f"{name}=*{dtype}" for name in "qkvo"] + ["lse=*fp32"]
            types += [f"stride_{name}{axis}=i64:16" for name in "qkv" for axis in "bhs"]
            yield example(
                " ".join([*types, "K=i32 T=i32 used=i32 scale=fp32"]), label=f"{dtype} rows={rows} D={dim}",
                G=4, D=dim, BD=dim, **cut(rows, dim, kind),
            )  # fmt: skip


@kernel(*_examples())
def _decode_kernel(
    q, k, v, o, lse,
    stride_qb, stride_qh, stride_qs, stride_kb, stride_kh, stride_ks, stride_vb, stride_vh, stride_vs,
    K, T, used, scale,
    G: tl.constexpr, D: tl.constexpr, BD: tl.constexpr, BM: tl.constexpr, BN: tl.constexpr,
):  # fmt: skip
    # 1. Rows of one group: head g of the group and token i are row g * T + i.
    kv_head = tl.program_id(1).to(tl.int64)  # batch * K + kv
    batch = kv_head // K
    kv = kv_head % K
    rows = tl.program_id(0) * BM + tl.arange(0, BM)
    cols = tl.arange(0, BN)
    dims = tl.arange(0, BD)
    in_head = (dims < D)[None, :]
    live = rows < G * T
    own = live[:, None] & in_head
    position = used - T + rows % T
    place = batch * stride_qb + (kv * G + rows // T) * stride_qh + (rows % T) * stride_qs
    q_tile = tl.load(q + place[:, None] + dims[None, :], mask=own, other=0.0)

    # 2. Running maximum, sum and output. Place 0 is in every row's past, so the maximum is finite from the first tile.
    largest = tl.full([BM], float("-inf"), tl.float32)
    total = tl.zeros([BM], tl.float32)
    out = tl.zeros([BM, BD], tl.float32)
    for start in range(0, used, BN):
        near = start + cols
        inside = (near < used)[:, None] & in_head
        keys = tl.load(
            k + batch * stride_kb + kv * stride_kh + near.to(tl.int64)[:, None] * stride_ks + dims[None, :],
            mask=inside, other=0.0,
        )  # fmt: skip
        s = tl.dot(q_tile, tl.trans(keys), input_precision="ieee") * scale
        s = tl.where(near[None, :] <= position[:, None], s, float("-inf"))
        new = tl.maximum(largest, tl.max(s, axis=1))
        e = tl.exp(s - new[:, None])
        kept = tl.exp(largest - new)
        total = total * kept + tl.sum(e, axis=1)
        values = tl.load(
            v + batch * stride_vb + kv * stride_vh + near.to(tl.int64)[:, None] * stride_vs + dims[None, :],
            mask=inside, other=0.0,
        )  # fmt: skip
        out = tl.dot(e.to(values.dtype), values, out * kept[:, None], input_precision="ieee")
        largest = new

    # 3. Normalise and store.
    place = (batch * K * G + kv * G + rows // T) * T + rows % T
    tl.store(o + place[:, None] * D + dims[None, :], out / total[:, None], mask=own)
    tl.store(lse + place, largest + tl.log(total), mask=live)


def check(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, used: int) -> None:
    """TypeError or ValueError unless queries and cache fit together."""
    sizes = unify(q=(q, "B H T D"), k=(k, "B K C D"), v=(v, "B K C D"))
    if not q.dtype == k.dtype == v.dtype:
        raise TypeError(f"q, k and v must have one dtype, got {q.dtype}, {k.dtype}, {v.dtype}")
    if not all(sizes.values()):
        raise ValueError(f"q {list(q.shape)} and k {list(k.shape)} must not be empty")
    if sizes["H"] % sizes["K"]:
        raise ValueError(f"{sizes['H']} query heads are not a multiple of {sizes['K']} key and value heads")
    if sizes["D"] > LARGEST_HEAD:
        raise ValueError(f"the head dimension must be at most {LARGEST_HEAD}, got {sizes['D']}")
    if not sizes["T"] <= used <= sizes["C"]:
        raise ValueError(f"used: expected {sizes['T']} (new tokens) to {sizes['C']} (capacity), got {used}")


def cached_attention(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, used: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Attention of the T newest tokens.

    Args:
        q: their queries [B, H, T, D], float32, bfloat16 or float16, D at most 128.
        k, v: the cache [B, K, C, D] of the same dtype, H a multiple of K; the new rows are in it. Places from `used` on
            are not read.
        used: places filled, from T to C.

    Returns:
        o [B, H, T, D] in the dtype of q; lse, float32 [B, H, T].

    Raises:
        TypeError: a dtype is not supported or they differ.
        ValueError: shapes do not fit together, H is no multiple of K, D is above 128, or used is not from T to C.
    """
    check(q, k, v, used)
    q, k, v = (t if t.stride(3) == 1 or t.shape[3] == 1 else t.contiguous() for t in (q, k, v))
    batch, heads, tokens, dim = q.shape
    kv_heads = k.shape[1]
    group = heads // kv_heads
    o = empty_like(q)
    lse = empty(q.shape[:3], torch.float32, q.device)
    options = cut(group * tokens, dim, q.dtype)
    _decode_kernel[(triton.cdiv(group * tokens, options["BM"]), batch * kv_heads)](
        q, k, v, o, lse, *q.stride()[:3], *k.stride()[:3], *v.stride()[:3], kv_heads, tokens, used,
        1.0 / math.sqrt(dim), G=group, D=dim, BD=max(16, triton.next_power_of_2(dim)), **options,
    )  # fmt: skip
    return o, lse


def append_(cache: torch.Tensor, fresh: torch.Tensor, used: int) -> torch.Tensor:
    """Write fresh [B, K, T, D] into cache [B, K, C, D] at places used to used + T - 1, and return it.

    Raises:
        TypeError: the dtypes differ or are not supported.
        ValueError: shapes do not fit together, or the rows do not fit into the cache, which is then unchanged.
    """
    sizes = unify(cache=(cache, "B K C D"), fresh=(fresh, "B K T D"))
    if cache.dtype != fresh.dtype:
        raise TypeError(f"fresh: expected {cache.dtype} like the cache, got {fresh.dtype}")
    capacity, tokens = sizes["C"], sizes["T"]
    if not 0 <= used <= capacity - tokens:
        raise ValueError(f"rows for places {used} to {used + tokens} (exclusive) do not fit into a cache of {capacity}")
    cache[:, :, used : used + tokens] = fresh
    return cache


def cache_append(cache: torch.Tensor, fresh: torch.Tensor, used: int) -> torch.Tensor:
    """`append_` to a copy, for callers that keep the cache as it was. Raises as `append_`."""
    return append_(cache.clone(), fresh, used)


def cache_bytes(layers: int, batch: int, heads: int, kv_heads: int, capacity: int, head_dim: int, element: int) -> int:
    """Bytes of the keys and values of all layers. Query heads share key heads, so their number does not matter.

    Args:
        layers, batch, kv_heads, capacity, head_dim: sizes of the cache.
        heads: query heads, a multiple of kv_heads.
        element: bytes of one number.

    Raises:
        ValueError: heads is not a multiple of kv_heads.
    """
    if heads % kv_heads:
        raise ValueError(f"{heads} query heads are not a multiple of {kv_heads} key and value heads")
    return layers * batch * capacity * (2 * kv_heads * head_dim) * element
