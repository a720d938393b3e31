"""Causal attention with grouped key and value heads: tiled forward and backward kernels.

Formula, with H = G * K query heads, kv head h // G for query head h, and j <= i everywhere
    s_ij   = sum_d q_id k_jd / sqrt(D)
    lse_i  = log sum_j exp(s_ij)
    o_id   = sum_j exp(s_ij - lse_i) v_jd
Backward, for the gradient g of o, with a_ij = exp(s_ij - lse_i)
    ds_ij  = a_ij (sum_d g_id v_jd - sum_d g_id o_id)
    dq_id  = sum_j ds_ij k_jd / sqrt(D)         dk_jd = sum_i ds_ij q_id / sqrt(D)         dv_jd = sum_i a_ij g_id
where the sums for dk and dv run over the G query heads of the group as well.

No S x S matrix is stored: the forward pass keeps a running maximum and sum for each query, the backward pass
recomputes a from lse. A program owns its output tile and adds in a fixed order, so every run gives the same bits, and
o_i, lse_i do not depend on anything finite at positions after i, bit for bit.

Roundings. float32 inputs: products and sums in IEEE float32 throughout (no TF32), nothing else is rounded.
bfloat16 and float16 inputs, because the matrix units take no other operands:
- forward, exp(s_ij - m_i) is rounded to the input dtype before it meets v; m_i is the largest score of row i up to
  the end of the tile of j. The sum in the denominator takes the unrounded values;
- backward, a_ij and ds_ij are rounded to the input dtype before the products that give dv, dq and dk, and the o_id in
  ds_ij is the rounded output.
All other arithmetic is float32, and each result is rounded once when it is stored.

Shapes: q, o, g and dq [B, H, S, D]; k, v, dk and dv [B, K, S, D]; lse [B, H, S], in nats. lse is float32, the others
have the dtype of q.
Errors: TypeError for dtypes that differ or are not float32, bfloat16 or float16; ValueError for shapes that do not fit
together, empty tensors, several devices, or D above 128. `forward` and `backward` check nothing.
Sources: Dao et al., "FlashAttention" (2022), algorithms 1 and 4; Dao, "FlashAttention-2" (2023), section 3;
Ainslie et al., "GQA" (2023), section 2.2.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
import triton
import triton.language as tl
from torch.autograd.function import once_differentiable

from .._triton import empty, empty_like, example, kernel

FLOATS = (torch.float32, torch.bfloat16, torch.float16)
LARGEST_HEAD = 128
_LOG2_E = math.log2(math.e)


@dataclass(frozen=True)
class Tiles:
    """How a kernel is cut: queries and keys a tile, warps, stages of the software pipeline."""

    queries: int
    keys: int
    warps: int
    stages: int

    def options(self) -> dict[str, int]:
        """The options of a launch."""
        return {"BM": self.queries, "BN": self.keys, "num_warps": self.warps, "num_stages": self.stages}


# One choice for all architectures: it fits into the 99 KiB of shared memory of sm_89 and does not spill.
# Keys: kernel, width of the head rounded up, whether the inputs are float32.
_TILES = {
    ("forward", 64, False): Tiles(128, 64, 4, 2),
    ("forward", 128, False): Tiles(128, 32, 8, 2),
    ("dq", 64, False): Tiles(128, 64, 8, 2),
    ("dq", 128, False): Tiles(64, 32, 4, 2),
    ("dkdv", 64, False): Tiles(32, 128, 8, 2),
    ("dkdv", 128, False): Tiles(32, 64, 8, 2),
    # float32 products run on the scalar units, which want small tiles in registers.
    ("forward", 64, True): Tiles(32, 32, 4, 1),
    ("forward", 128, True): Tiles(32, 32, 8, 1),
    ("dq", 64, True): Tiles(32, 32, 8, 1),
    ("dq", 128, True): Tiles(16, 16, 8, 1),
    ("dkdv", 64, True): Tiles(32, 32, 8, 1),
    ("dkdv", 128, True): Tiles(32, 16, 8, 1),
}


def tiles(which: str, dim: int, dtype: torch.dtype, device: torch.device) -> Tiles:
    """The tiles that kernel `which` (forward, dq or dkdv) is launched with."""
    if device.type == "cpu":
        return Tiles(32, 32, 4, 1)  # interpreted: few programs, but short sequences still have several tiles
    return _TILES[which, 64 if dim <= 64 else 128, dtype == torch.float32]


def _examples(which: str):
    tensors = {
        "forward": "q k v o",
        "dq": "q k v o g dq",
        "dkdv": "q k v g dk dv",
    }[which].split()  # fmt: skip
    floats = {"forward": "lse", "dq": "lse delta", "dkdv": "lse delta"}[which].split()
    strided = {"forward": "q k v", "dq": "q k v g", "dkdv": "q k v g"}[which].split()
    # float16 compiles to what bfloat16 does, with other conversions: the widest head stands for it. A width that is no
    # power of two is padded to the next one.
    for dtype, dims in (("bf16", (64, 128, 80)), ("fp16", (128,)), ("fp32", (64, 128))):
        for dim in dims:
            types = [f"{name}=*{dtype}" for name in tensors] + [f"{name}=*fp32" for name in floats]
            types += [f"stride_{name}{axis}=i32:16" for name in strided for axis in "bhs"]
            types += ["K=i32", "S=i32:16", "to_log2=fp32"] + (["scale=fp32"] if which != "forward" else [])
            yield example(
                " ".join(types), label=f"{dtype} D={dim}", G=4, D=dim, BD=triton.next_power_of_2(dim),
                **_TILES[which, 64 if dim <= 64 else 128, dtype == "fp32"].options(),
            )  # fmt: skip


@kernel
def _row(pointer, batch, head, row, stride_b, stride_h, stride_s):
    """Where `row` of one head begins. int64: a tensor may have more than 2^31 elements."""
    return pointer + batch * stride_b + head * stride_h + tl.cast(row, tl.int64) * stride_s


@kernel
def _tile(pointer, near, stride, dims, inside):
    """The tile that begins at `pointer`: rows `near` (0, 1, ...), columns `dims`; 0 outside. Offsets fit int32."""
    return tl.load(pointer + (near[:, None] * stride + dims[None, :]), mask=inside, other=0.0)


@kernel(*_examples("forward"))
def _forward_kernel(
    q, k, v, o, lse,
    stride_qb, stride_qh, stride_qs, stride_kb, stride_kh, stride_ks, stride_vb, stride_vh, stride_vs,
    K, S, to_log2,
    G: tl.constexpr, D: tl.constexpr, BD: tl.constexpr, BM: tl.constexpr, BN: tl.constexpr,
):  # fmt: skip
    # 1. One tile of queries of one head. The last tiles see the longest past, so they go first.
    first = (tl.num_programs(0) - 1 - tl.program_id(0)) * BM
    head = tl.program_id(1).to(tl.int64)  # batch * H + h
    batch = head // (K * G)
    h = head % (K * G)
    near = tl.arange(0, BM)
    cols = tl.arange(0, BN)
    dims = tl.arange(0, BD)
    in_head = (dims < D)[None, :]
    live = near < S - first
    own = live[:, None] & in_head
    q_tile = _tile(_row(q, batch, h, first, stride_qb, stride_qh, stride_qs), near, stride_qs, dims, own)

    # 2. Running maximum, sum and output, in units of log 2. Position 0 is in every query's past, so that the maximum
    # is finite from the first tile on.
    largest = tl.full([BM], float("-inf"), tl.float32)
    total = tl.zeros([BM], tl.float32)
    out = tl.zeros([BM, BD], tl.float32)
    for start in range(0, tl.minimum(first + BM, S), BN):
        inside = (cols < S - start)[:, None] & in_head
        k_tile = _tile(_row(k, batch, h // G, start, stride_kb, stride_kh, stride_ks), cols, stride_ks, dims, inside)
        s = tl.dot(q_tile, tl.trans(k_tile), input_precision="ieee") * to_log2
        s = tl.where((start + cols)[None, :] <= (first + near)[:, None], s, float("-inf"))
        new = tl.maximum(largest, tl.max(s, axis=1))
        e = tl.exp2(s - new[:, None])
        kept = tl.exp2(largest - new)
        total = total * kept + tl.sum(e, axis=1)
        v_tile = _tile(_row(v, batch, h // G, start, stride_vb, stride_vh, stride_vs), cols, stride_vs, dims, inside)
        out = tl.dot(e.to(v_tile.dtype), v_tile, out * kept[:, None], input_precision="ieee")
        largest = new

    # 3. Normalise and store.
    place = head * S + first
    tl.store(o + place * D + (near[:, None] * D + dims[None, :]), out / total[:, None], mask=own)
    tl.store(lse + place + near, (largest + tl.log2(total)) * 0.6931471805599453, mask=live)


@kernel(*_examples("dq"))
def _dq_kernel(
    q, k, v, o, g, dq, lse, delta,
    stride_qb, stride_qh, stride_qs, stride_kb, stride_kh, stride_ks, stride_vb, stride_vh, stride_vs,
    stride_gb, stride_gh, stride_gs,
    K, S, to_log2, scale,
    G: tl.constexpr, D: tl.constexpr, BD: tl.constexpr, BM: tl.constexpr, BN: tl.constexpr,
):  # fmt: skip
    first = (tl.num_programs(0) - 1 - tl.program_id(0)) * BM
    head = tl.program_id(1).to(tl.int64)
    batch = head // (K * G)
    h = head % (K * G)
    near = tl.arange(0, BM)
    cols = tl.arange(0, BN)
    dims = tl.arange(0, BD)
    in_head = (dims < D)[None, :]
    live = near < S - first
    own = live[:, None] & in_head
    place = head * S + first
    q_tile = _tile(_row(q, batch, h, first, stride_qb, stride_qh, stride_qs), near, stride_qs, dims, own)
    g_tile = _tile(_row(g, batch, h, first, stride_gb, stride_gh, stride_gs), near, stride_gs, dims, own)
    o_tile = _tile(o + place * D, near, D, dims, own)

    # sum_j a_ij da_ij = sum_d g_id o_id. The kernel for dk and dv needs it too.
    shift = tl.sum(g_tile.to(tl.float32) * o_tile.to(tl.float32), axis=1)
    tl.store(delta + place + near, shift, mask=live)
    lse_2 = tl.load(lse + place + near, mask=live, other=0.0) * 1.4426950408889634

    out = tl.zeros([BM, BD], tl.float32)
    for start in range(0, tl.minimum(first + BM, S), BN):
        inside = (cols < S - start)[:, None] & in_head
        k_tile = _tile(_row(k, batch, h // G, start, stride_kb, stride_kh, stride_ks), cols, stride_ks, dims, inside)
        v_tile = _tile(_row(v, batch, h // G, start, stride_vb, stride_vh, stride_vs), cols, stride_vs, dims, inside)
        s = tl.dot(q_tile, tl.trans(k_tile), input_precision="ieee") * to_log2
        a = tl.where((start + cols)[None, :] <= (first + near)[:, None], tl.exp2(s - lse_2[:, None]), 0.0)
        ds = a * (tl.dot(g_tile, tl.trans(v_tile), input_precision="ieee") - shift[:, None])
        out = tl.dot(ds.to(k_tile.dtype), k_tile, out, input_precision="ieee")
    tl.store(dq + place * D + (near[:, None] * D + dims[None, :]), out * scale, mask=own)


@kernel(*_examples("dkdv"))
def _dkdv_kernel(
    q, k, v, g, dk, dv, lse, delta,
    stride_qb, stride_qh, stride_qs, stride_kb, stride_kh, stride_ks, stride_vb, stride_vh, stride_vs,
    stride_gb, stride_gh, stride_gs,
    K, S, to_log2, scale,
    G: tl.constexpr, D: tl.constexpr, BD: tl.constexpr, BM: tl.constexpr, BN: tl.constexpr,
):  # fmt: skip
    # One tile of keys of one kv head. The first tiles have the longest future, and they go first as it is.
    first = tl.program_id(0) * BN
    kv_head = tl.program_id(1).to(tl.int64)  # batch * K + kv
    batch = kv_head // K
    kv = kv_head % K
    near = tl.arange(0, BN)
    rows = tl.arange(0, BM)
    dims = tl.arange(0, BD)
    in_head = (dims < D)[None, :]
    own = (near < S - first)[:, None] & in_head
    k_tile = _tile(_row(k, batch, kv, first, stride_kb, stride_kh, stride_ks), near, stride_ks, dims, own)
    v_tile = _tile(_row(v, batch, kv, first, stride_vb, stride_vh, stride_vs), near, stride_vs, dims, own)
    dk_out = tl.zeros([BN, BD], tl.float32)
    dv_out = tl.zeros([BN, BD], tl.float32)
    for member in range(0, G):
        h = kv * G + member
        place = (batch * (K * G) + h) * S
        # Queries before the tile's first key do not see it. Those after the last are zeros and add nothing.
        for start in range(first // BM * BM, S, BM):
            live = rows < S - start
            inside = live[:, None] & in_head
            q_tile = _tile(_row(q, batch, h, start, stride_qb, stride_qh, stride_qs), rows, stride_qs, dims, inside)
            g_tile = _tile(_row(g, batch, h, start, stride_gb, stride_gh, stride_gs), rows, stride_gs, dims, inside)
            lse_2 = tl.load(lse + place + start + rows, mask=live, other=0.0) * 1.4426950408889634
            shift = tl.load(delta + place + start + rows, mask=live, other=0.0)
            s = tl.dot(k_tile, tl.trans(q_tile), input_precision="ieee") * to_log2
            a = tl.where((first + near)[:, None] <= (start + rows)[None, :], tl.exp2(s - lse_2[None, :]), 0.0)
            dv_out = tl.dot(a.to(g_tile.dtype), g_tile, dv_out, input_precision="ieee")
            ds = a * (tl.dot(v_tile, tl.trans(g_tile), input_precision="ieee") - shift[None, :])
            dk_out = tl.dot(ds.to(q_tile.dtype), q_tile, dk_out, input_precision="ieee")
    place = (kv_head * S + first) * D
    tile = near[:, None] * D + dims[None, :]
    tl.store(dk + place + tile, dk_out * scale, mask=own)
    tl.store(dv + place + tile, dv_out, mask=own)


def check(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> None:
    """TypeError or ValueError unless q, k and v fit together."""
    if q.dtype not in FLOATS:
        raise TypeError(f"q, k and v must be float32, bfloat16 or float16, got {q.dtype}")
    if not q.dtype == k.dtype == v.dtype:
        raise TypeError(f"q, k and v must have one dtype, got {q.dtype}, {k.dtype}, {v.dtype}")
    if not q.device == k.device == v.device:
        raise ValueError(f"q, k and v must be on one device, got {q.device}, {k.device}, {v.device}")
    if q.ndim != 4 or k.ndim != 4:
        raise ValueError(f"q and k must have shape [B, heads, S, D], got {list(q.shape)} and {list(k.shape)}")
    if k.shape != v.shape:
        raise ValueError(f"k and v must have one shape [B, K, S, D], got {list(k.shape)} and {list(v.shape)}")
    if (q.shape[0], q.shape[2], q.shape[3]) != (k.shape[0], k.shape[2], k.shape[3]):
        raise ValueError(f"q {list(q.shape)} and k {list(k.shape)} differ in batch, sequence or head dimension")
    if not q.numel() or not k.numel():
        raise ValueError(f"q {list(q.shape)} and k {list(k.shape)} must not be empty")
    if q.shape[1] % k.shape[1]:
        raise ValueError(f"{q.shape[1]} query heads are not a multiple of {k.shape[1]} key and value heads")
    if q.shape[3] > LARGEST_HEAD:
        raise ValueError(f"the head dimension must be at most {LARGEST_HEAD}, got {q.shape[3]}")


def _unit_last(*tensors: torch.Tensor) -> list[torch.Tensor]:
    """Each tensor itself when the elements of a head's row are adjacent, else a contiguous copy."""
    return [t if t.stride(-1) == 1 or t.shape[-1] == 1 else t.contiguous() for t in tensors]


def _sizes(q: torch.Tensor, k: torch.Tensor) -> dict[str, int]:
    dim = q.shape[3]
    return {"G": q.shape[1] // k.shape[1], "D": dim, "BD": max(16, triton.next_power_of_2(dim))}


def forward(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, cut: Tiles | None = None
) -> tuple[torch.Tensor, torch.Tensor]:
    """`attention` without the checks; `cut` replaces the tiles."""
    q, k, v = _unit_last(q, k, v)
    batch, heads, size, dim = q.shape
    o = empty_like(q)
    lse = empty((batch, heads, size), torch.float32, q.device)
    cut = cut or tiles("forward", dim, q.dtype, q.device)
    _forward_kernel[(triton.cdiv(size, cut.queries), batch * heads)](
        q, k, v, o, lse, *q.stride()[:3], *k.stride()[:3], *v.stride()[:3],
        k.shape[1], size, _LOG2_E / math.sqrt(dim), **_sizes(q, k), **cut.options(),
    )  # fmt: skip
    return o, lse


def backward(
    g: torch.Tensor,
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    o: torch.Tensor,
    lse: torch.Tensor,
    cut: Tiles | None = None,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Gradients from what `forward` returned; `cut` replaces the tiles of both kernels."""
    g, q, k, v = _unit_last(g, q, k, v)
    batch, heads, size, dim = q.shape
    dq, dk, dv = empty_like(q), empty_like(k), empty_like(v)
    delta = empty_like(lse)
    strides = (*q.stride()[:3], *k.stride()[:3], *v.stride()[:3], *g.stride()[:3])
    rest = (k.shape[1], size, _LOG2_E / math.sqrt(dim), 1.0 / math.sqrt(dim))
    first, second = (cut or tiles(which, dim, q.dtype, q.device) for which in ("dq", "dkdv"))
    _dq_kernel[(triton.cdiv(size, first.queries), batch * heads)](
        q, k, v, o, g, dq, lse, delta, *strides, *rest, **_sizes(q, k), **first.options()
    )
    _dkdv_kernel[(triton.cdiv(size, second.keys), batch * k.shape[1])](
        q, k, v, g, dk, dv, lse, delta, *strides, *rest, **_sizes(q, k), **second.options()
    )
    return dq, dk, dv


def attention(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Causal grouped-query attention.

    Args:
        q: queries [B, H, S, D], float32, bfloat16 or float16, D at most 128.
        k, v: keys and values [B, K, S, D] of the same dtype, H a multiple of K.

    Returns:
        o [B, H, S, D] in the dtype of q; lse, float32 [B, H, S], the log of the sum of exponentials of the scores.

    Raises:
        TypeError: a dtype is not supported or they differ.
        ValueError: shapes do not fit together, H is not a multiple of K, or D is above 128.
    """
    check(q, k, v)
    return forward(q, k, v)


def _check_gradient(g: torch.Tensor, q: torch.Tensor) -> None:
    if g.shape != q.shape:
        raise ValueError(f"the gradient of o must have the shape of q {list(q.shape)}, got {list(g.shape)}")
    if g.dtype != q.dtype or g.device != q.device:
        raise TypeError(f"the gradient of o must be {q.dtype} on {q.device}, got {g.dtype} on {g.device}")


def attention_backward(
    g: torch.Tensor, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Gradients of `attention` with respect to q, k and v, for the gradient g [B, H, S, D] of o.

    Returns:
        dq [B, H, S, D], dk [B, K, S, D], dv [B, K, S, D], in the dtype of q.

    Raises:
        TypeError, ValueError: as `attention`, and when g does not fit q.
    """
    check(q, k, v)
    _check_gradient(g, q)
    return backward(g, q, k, v, *forward(q, k, v))


class CausalAttention(torch.autograd.Function):
    """`attention` for autograd. lse comes back as well, without a gradient."""

    @staticmethod
    def forward(ctx: Any, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        check(q, k, v)
        o, lse = forward(q, k, v)
        ctx.save_for_backward(q, k, v, o, lse)
        ctx.mark_non_differentiable(lse)
        return o, lse

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, g: torch.Tensor, _: Any) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        return backward(g, *ctx.saved_tensors)


def causal_attention(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    """The output alone, for a training script; differentiable with respect to q, k and v."""
    return CausalAttention.apply(q, k, v)[0]


def attention_sdpa(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """`attention` through torch.nn.functional.scaled_dot_product_attention, whose kernel torch chooses.

    torch does not give lse out of that function; it is computed beside it in float32, from all S x S scores.
    """
    check(q, k, v)
    o = torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
    keys = k.repeat_interleave(q.shape[1] // k.shape[1], dim=1)
    scores = torch.matmul(q.float(), keys.float().transpose(-1, -2)) / math.sqrt(q.shape[3])
    future = torch.ones(scores.shape[-2:], dtype=torch.bool, device=q.device).triu(1)
    return o, torch.logsumexp(scores.masked_fill(future, -math.inf), dim=-1)


def attention_sdpa_backward(
    g: torch.Tensor, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """`attention_backward` through torch's autograd of scaled_dot_product_attention."""
    check(q, k, v)
    _check_gradient(g, q)
    with torch.enable_grad():
        leaves = [t.detach().requires_grad_() for t in (q, k, v)]
        o = torch.nn.functional.scaled_dot_product_attention(*leaves, is_causal=True, enable_gqa=True)
    return torch.autograd.grad(o, leaves, g)
