"""The Kullback-Leibler divergence of two distributions given as logits, with both gradients.

Formula, with log P = log softmax(p) and log Q = log softmax(q)
    KL_t  = sum_v P_tv (log P_tv - log Q_tv)
    dp_tv = g_t P_tv (log P_tv - log Q_tv - KL_t)          dq_tv = g_t (Q_tv - P_tv)

A program takes whole rows and sweeps them block by block; what fits into one block is read from memory once, longer
rows are found again in the L2 cache. No probability and no term is ever stored: 2 T V reads forward, and 2 T V writes
more backward. Everything is float32; only the gradients are rounded to the dtype of the logits.

Source: Cover and Thomas, "Elements of Information Theory" (2006), section 2.3; Milakov, Gimelshein, "Online normalizer
calculation for softmax" (2018).
"""

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl
from torch.autograd.function import once_differentiable

from .._triton import empty, empty_like, example, kernel, unify
from ..core._sweep import exp_nonpositive
from .cross_entropy import with_unit_columns

# Columns a program takes at a time: two rows of 16 elements for each of 512 threads; of float32 half as many, since
# that is what fits into registers.
BLOCK = 8192
# Elements that one program takes when rows are short; several rows then share a program.
SHARED_BLOCK = 1024


def blocks(rows: int, columns: int, precise: bool) -> dict[str, int]:
    """How the kernels are cut: rows a program, columns a block, warps. `precise`: the logits are float32."""
    block = min(BLOCK // 2 if precise else BLOCK, triton.next_power_of_2(columns))
    shared = min(max(1, SHARED_BLOCK // block), triton.next_power_of_2(max(rows, 1)))
    return {"ROWS": shared, "BLOCK": block, "num_warps": min(16, max(4, shared * block // (256 if precise else 512)))}


def _examples(backward: bool):
    # Two columns are no practical size, but what the compiler does with the layouts of so small a block it does nowhere
    # else.
    for dtype, columns, rows in (
        ("bf16", 32768, 1 << 20), ("fp16", 32768, 1 << 20), ("fp32", 32768, 1 << 20), ("fp32", 500, 1 << 20),
        ("fp32", 2, 1), ("bf16", 2, 1),
    ):  # fmt: skip
        types = f"p=*{dtype} q=*{dtype} "
        types += f"g=*fp32 dp=*{dtype} dq=*{dtype} " if backward else "kl=*fp32 "
        types += "stride_p=i32 stride_q=i32 " if columns < 16 else "stride_p=i32:16 stride_q=i32:16 "
        types += "T=i32 V=i32" + ":16" * (columns % 16 == 0)
        yield example(
            types, label=f"{dtype} V={columns}", PRECISE=dtype == "fp32", **blocks(rows, columns, dtype == "fp32")
        )


@kernel
def _block(z_rows, start, cols, live, V):
    """One block of each row, -inf outside."""
    inside = live[:, None] & (start + cols < V)[None, :]
    return tl.load(z_rows + start + cols[None, :], mask=inside, other=float("-inf")).to(tl.float32)


@kernel
def _normaliser(z_rows, cols, live, V, ROWS: tl.constexpr, BLOCK: tl.constexpr, PRECISE: tl.constexpr):
    """Maximum and logarithm of the sum of exp(z - maximum) of each row; of a row of -inf both are -inf."""
    largest = tl.full([ROWS], float("-inf"), tl.float32)
    total = tl.zeros([ROWS], tl.float32)
    for start in range(0, V, BLOCK):
        x = _block(z_rows, start, cols, live, V)
        # Not maximum(largest, max(x)): Triton 3.6 keeps such a maximum by lanes when the loop needs it in several
        # layouts, and its compiler stops where `largest` is used more than once after the loop.
        new = tl.max(tl.maximum(largest[:, None], x), axis=1)
        # While everything seen is -inf, the exponents are taken relative to 0: -inf - (-inf) would be NaN.
        base = tl.where(new == float("-inf"), 0.0, new)
        total = total * exp_nonpositive(largest - base, PRECISE) + tl.sum(
            exp_nonpositive(x - base[:, None], PRECISE), axis=1
        )
        largest = new
    return largest, tl.log(total)


@kernel
def _divergence(
    p_rows, q_rows, cols, live, V, p_max, p_log, q_max, q_log,
    ROWS: tl.constexpr, BLOCK: tl.constexpr, PRECISE: tl.constexpr,
):  # fmt: skip
    """KL of each row."""
    kl = tl.zeros([ROWS], tl.float32)
    for start in range(0, V, BLOCK):
        lp = (_block(p_rows, start, cols, live, V) - p_max[:, None]) - p_log[:, None]
        lq = (_block(q_rows, start, cols, live, V) - q_max[:, None]) - q_log[:, None]
        # P = 0 adds nothing, though log P - log Q may be anything, NaN included.
        kl += tl.sum(tl.where(lp == float("-inf"), 0.0, exp_nonpositive(lp, PRECISE) * (lp - lq)), axis=1)
    return kl


@kernel(*_examples(False))
def _forward_kernel(
    p, q, kl, stride_p, stride_q, T, V, ROWS: tl.constexpr, BLOCK: tl.constexpr, PRECISE: tl.constexpr
):  # fmt: skip
    # int64 before the stride: T * V passes 2^31 in real runs.
    rows = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)
    cols = tl.arange(0, BLOCK)
    live = rows < T
    p_rows = p + rows[:, None] * stride_p
    q_rows = q + rows[:, None] * stride_q
    p_max, p_log = _normaliser(p_rows, cols, live, V, ROWS, BLOCK, PRECISE)
    q_max, q_log = _normaliser(q_rows, cols, live, V, ROWS, BLOCK, PRECISE)
    found = _divergence(p_rows, q_rows, cols, live, V, p_max, p_log, q_max, q_log, ROWS, BLOCK, PRECISE)
    tl.store(kl + rows, found, mask=live)


@kernel(*_examples(True))
def _backward_kernel(
    p, q, g, dp, dq, stride_p, stride_q, T, V, ROWS: tl.constexpr, BLOCK: tl.constexpr, PRECISE: tl.constexpr
):  # fmt: skip
    rows = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)
    cols = tl.arange(0, BLOCK)
    live = rows < T
    p_rows = p + rows[:, None] * stride_p
    q_rows = q + rows[:, None] * stride_q
    p_max, p_log = _normaliser(p_rows, cols, live, V, ROWS, BLOCK, PRECISE)
    q_max, q_log = _normaliser(q_rows, cols, live, V, ROWS, BLOCK, PRECISE)
    found = _divergence(p_rows, q_rows, cols, live, V, p_max, p_log, q_max, q_log, ROWS, BLOCK, PRECISE)
    slope = tl.load(g + rows, mask=live, other=0.0)
    for start in range(0, V, BLOCK):
        lp = (_block(p_rows, start, cols, live, V) - p_max[:, None]) - p_log[:, None]
        lq = (_block(q_rows, start, cols, live, V) - q_max[:, None]) - q_log[:, None]
        own = exp_nonpositive(lp, PRECISE)
        inside = live[:, None] & (start + cols < V)[None, :]
        place = rows[:, None] * V + start + cols[None, :]
        step = tl.where(lp == float("-inf"), 0.0, own * (lp - lq - found[:, None]))
        tl.store(dp + place, slope[:, None] * step, mask=inside)
        tl.store(dq + place, slope[:, None] * (exp_nonpositive(lq, PRECISE) - own), mask=inside)


def check(p: torch.Tensor, q: torch.Tensor) -> None:
    """TypeError or ValueError unless p and q are logits of one shape."""
    sizes = unify(p=(p, "T V"), q=(q, "T V"))
    if p.dtype != q.dtype:
        raise TypeError(f"p and q must have one dtype, got {p.dtype} and {q.dtype}")
    if not sizes["V"]:
        raise ValueError(f"p: expected logits [T, V] with V >= 1, got {list(p.shape)}")


def kl_divergence(p: torch.Tensor, q: torch.Tensor) -> torch.Tensor:
    """KL_t of softmax(p_t) from softmax(q_t), float32 [T] in nats.

    Args:
        p, q: logits [T, V] of one dtype, float32, bfloat16 or float16; -inf means probability zero.

    Returns:
        kl [T]: at least 0 but for rounding; inf where P holds something possible that Q does not.

    Raises:
        TypeError: a dtype is not supported or they differ. ValueError: shapes do not fit together.
    """
    check(p, q)
    p, q = with_unit_columns(p), with_unit_columns(q)
    tokens, vocabulary = p.shape
    kl = empty((tokens,), torch.float32, p.device)
    precise = p.dtype == torch.float32
    cut = blocks(tokens, vocabulary, precise)
    if tokens:
        _forward_kernel[(triton.cdiv(tokens, cut["ROWS"]),)](
            p, q, kl, p.stride(0), q.stride(0), tokens, vocabulary, PRECISE=precise, **cut
        )
    return kl


def kl_backward(g: torch.Tensor, p: torch.Tensor, q: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Gradients dp, dq[T, V] of sum_t g_t KL_t, in the dtype of the logits, for g float32 [T].

    Raises:
        TypeError, ValueError: as `kl_divergence`, and when g is not float32 [T].
    """
    check(p, q)
    unify((torch.float32,), g=(g, "T"))
    if len(g) != len(p):
        raise ValueError(f"g: expected shape [{len(p)}] like the rows of the logits, got {list(g.shape)}")
    p, q, g = with_unit_columns(p), with_unit_columns(q), g.contiguous()
    tokens, vocabulary = p.shape
    dp, dq = empty_like(p), empty_like(q)
    precise = p.dtype == torch.float32
    cut = blocks(tokens, vocabulary, precise)
    if tokens:
        _backward_kernel[(triton.cdiv(tokens, cut["ROWS"]),)](
            p, q, g, dp, dq, p.stride(0), q.stride(0), tokens, vocabulary, PRECISE=precise, **cut
        )
    return dp, dq


class KLDivergence(torch.autograd.Function):
    """`kl_divergence` for autograd. The logits are kept, nothing else."""

    @staticmethod
    def forward(ctx: Any, p: torch.Tensor, q: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(p, q)
        return kl_divergence(p, q)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, g: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return kl_backward(g, *ctx.saved_tensors)


def kl_divergence_autograd(p: torch.Tensor, q: torch.Tensor) -> torch.Tensor:
    """`kl_divergence`, differentiable with respect to both."""
    return KLDivergence.apply(p, q)
