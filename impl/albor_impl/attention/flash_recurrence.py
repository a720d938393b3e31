"""The online recurrence of tiled attention: one update of a running state, and the whole at a chosen tile.

Formula, for the scores s of a tile of keys
    m' = max(m, max_j s_j)
    l' = exp(m - m') l + sum_j exp(s_j - m')
    o' = exp(m - m') o + sum_j exp(s_j - m') v_j
At the end o / l is the attention and m + log l the logarithm of the sum of exponentials.

`flash_step` is what ring attention does with each block of keys that arrives, and what split keys need: the state stays
in float32 between calls. It is read and written once, q, k and v are read once for each tile of queries.
`flash_attention` is the kernel of `attention.causal_gqa` at the tile the caller asks for.

bfloat16 and float16 inputs: exp(s - m') is rounded to the input dtype before it meets v, as in `attention.causal_gqa`;
everything else is float32, and products of float32 are IEEE float32.

Scores, m and lse are in nats. Errors: TypeError for dtypes that are not supported or differ; ValueError for shapes that
do not fit together, empty tensors, several devices, or D above 128.
Sources: Milakov, Gimelshein, "Online normalizer calculation for softmax" (2018); Dao et al., "FlashAttention" (2022),
algorithm 1; Liu et al., "Ring Attention with Blockwise Transformers" (2023).
"""

from __future__ import annotations

import math

import torch
import triton
import triton.language as tl

from .._triton import empty_like, example, kernel, unify
from . import causal_gqa
from .causal_gqa import LARGEST_HEAD, Tiles


def tiles(dim: int, wide: bool, device: str) -> Tiles:
    """The tiles of a launch. They are smaller than those of a whole attention: the state of the queries takes part."""
    if device == "cpu":
        return Tiles(16, 16, 4, 1)  # interpreted: short tiles of keys still have several blocks
    if wide:
        return Tiles(16, 16, 8, 1)  # float32 products run on the scalar units
    return Tiles(64, 64, 4, 2) if dim <= 64 else Tiles(64, 32, 4, 2)


def _examples():
    for dtype, dim in (("bf16", 64), ("bf16", 128), ("fp16", 128), ("fp32", 64), ("fp32", 128)):
        types = [f"{name}=*{dtype}" for name in "qkv"]
        types += [f"{name}=*fp32" for name in ("m", "l", "o", "m2", "l2", "o2")]
        types += [f"stride_{name}{axis}=i64:16" for name in "qkv" for axis in "cr"] + ["M=i32", "N=i32", "gap=i32"]
        yield example(
            " ".join([*types, "scale=fp32"]), label=f"{dtype} D={dim}", D=dim, BD=dim,
            **tiles(dim, dtype == "fp32", "cuda").options(),
        )  # fmt: skip


@kernel(*_examples())
def _step_kernel(
    q, k, v, m, l, o, m2, l2, o2, stride_qc, stride_qr, stride_kc, stride_kr, stride_vc, stride_vr, M, N, gap, scale,
    D: tl.constexpr, BD: tl.constexpr, BM: tl.constexpr, BN: tl.constexpr,
):  # fmt: skip
    # 1. A tile of queries of one head, and its state. int64: a tensor may have more than 2^31 elements.
    head = tl.program_id(0).to(tl.int64)  # the first axis of a grid may have 2^31 programs, the others 65535
    first = tl.program_id(1) * BM
    rows = first + tl.arange(0, BM)
    cols = tl.arange(0, BN)
    dims = tl.arange(0, BD)
    live = rows < M
    own = live[:, None] & (dims < D)[None, :]
    q_tile = tl.load(q + head * stride_qc + rows.to(tl.int64)[:, None] * stride_qr + dims[None, :], mask=own, other=0.0)
    place = head * M + rows
    largest = tl.load(m + place, mask=live, other=0.0)
    total = tl.load(l + place, mask=live, other=0.0)
    out = tl.load(o + place[:, None] * D + dims[None, :], mask=own, other=0.0)

    # 2. Blocks of keys up to the last that the tile's last query sees.
    last = tl.minimum(N, tl.minimum(first + BM, M) + gap)
    for start in range(0, last, BN):
        near = start + cols
        inside = (near < N)[:, None] & (dims < D)[None, :]
        keys = tl.load(
            k + head * stride_kc + near.to(tl.int64)[:, None] * stride_kr + dims[None, :], mask=inside, other=0.0
        )
        s = tl.dot(q_tile, tl.trans(keys), input_precision="ieee") * scale
        s = tl.where((near < N)[None, :] & (near[None, :] <= rows[:, None] + gap), s, float("-inf"))
        new = tl.maximum(largest, tl.max(s, axis=1))
        # A row that has seen nothing yet has -inf here and there: its exponents are taken relative to 0.
        base = tl.where(new == float("-inf"), 0.0, new)
        e = tl.exp(s - base[:, None])
        kept = tl.exp(largest - base)
        total = total * kept + tl.sum(e, axis=1)
        values = tl.load(
            v + head * stride_vc + near.to(tl.int64)[:, None] * stride_vr + dims[None, :], mask=inside, other=0.0
        )
        out = tl.dot(e.to(values.dtype), values, out * kept[:, None], input_precision="ieee")
        largest = new

    # 3. The state.
    tl.store(m2 + place, largest, mask=live)
    tl.store(l2 + place, total, mask=live)
    tl.store(o2 + place[:, None] * D + dims[None, :], out, mask=own)


def check(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, m: torch.Tensor, l: torch.Tensor, o: torch.Tensor) -> None:
    """TypeError or ValueError unless queries, tile and state fit together."""
    sizes = unify(q=(q, "C M D"), k=(k, "C N D"), v=(v, "C N D"), m=(m, "C M"), l=(l, "C M"), o=(o, "C M D"))
    if not q.dtype == k.dtype == v.dtype:
        raise TypeError(f"q, k and v must have one dtype, got {q.dtype}, {k.dtype}, {v.dtype}")
    for name, tensor in (("m", m), ("l", l), ("o", o)):
        if tensor.dtype != torch.float32:
            raise TypeError(f"{name}: the state must be float32, got {tensor.dtype}")
    if sizes["D"] > LARGEST_HEAD:
        raise ValueError(f"the head dimension must be at most {LARGEST_HEAD}, got {sizes['D']}")
    if not all(sizes.values()):
        raise ValueError(f"q {list(q.shape)} and k {list(k.shape)} must not be empty")


def flash_step(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, m: torch.Tensor, l: torch.Tensor, o: torch.Tensor, gap: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The state after one tile of keys.

    Args:
        q: queries [C, M, D], one set for each head, float32, bfloat16 or float16, D at most 128.
        k, v: keys and values of the tile [C, N, D], of the same dtype.
        m, l, o: the state, float32 [C, M], [C, M], [C, M, D]; m = -inf, l = 0, o = 0 where nothing was seen.
        gap: position of the first query less that of the first key; query i sees key j where j <= i + gap.

    Returns:
        m, l, o after the tile, new tensors. A query that sees no key of it keeps its state bit for bit.

    Raises:
        TypeError: a dtype is not supported, or the state is not float32.
        ValueError: shapes do not fit together, or D is above 128.
    """
    check(q, k, v, m, l, o)
    q, k, v = (t if t.stride(2) == 1 or t.shape[2] == 1 else t.contiguous() for t in (q, k, v))
    m, l, o = m.contiguous(), l.contiguous(), o.contiguous()
    results = empty_like(m), empty_like(l), empty_like(o)
    heads, queries, dim = q.shape
    cut = tiles(dim, q.dtype == torch.float32, q.device.type)
    _step_kernel[(heads, triton.cdiv(queries, cut.queries))](
        q, k, v, m, l, o, *results, *q.stride()[:2], *k.stride()[:2], *v.stride()[:2], queries, k.shape[1], gap,
        1.0 / math.sqrt(dim), D=dim, BD=max(16, triton.next_power_of_2(dim)), **cut.options(),
    )  # fmt: skip
    return results


def flash_attention(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, tile: int) -> tuple[torch.Tensor, torch.Tensor]:
    """`attention.causal_gqa.attention` with tiles of `tile` queries and keys, a power of two of at least 16.

    For tests and tuning: the result does not depend on the tile but for rounding.

    Raises:
        TypeError, ValueError: as `attention.causal_gqa.attention`, and when tile is not such a power of two.
    """
    causal_gqa.check(q, k, v)
    if tile < 16 or tile & (tile - 1):
        raise ValueError(f"tile: expected a power of two of at least 16, got {tile}")
    return causal_gqa.forward(q, k, v, Tiles(tile, tile, 4, 1))
