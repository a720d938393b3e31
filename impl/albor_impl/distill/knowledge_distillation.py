"""Knowledge distillation from teacher logits: loss and student gradient in one pass of one kernel.

Formula, for a token with teacher logits t, student logits s and label y
    p = softmax(t / T)      q = softmax(s / T)
    loss_row = alpha * T^2 * sum_j p_j (log p_j - log q_j)  +  (1 - alpha) * (logsumexp(s) - s_y)
    ds_j     = alpha * T * (q_j - p_j)                      +  (1 - alpha) * (softmax(s)_j - [j == y])
Both are averaged over the n tokens whose label is not ignored.

Traffic: student and teacher are read and the gradient is written, 3 T V elements, as far as a pair of rows stays in
registers (up to 8192 words) or in the L2 cache between the two sweeps. No tensor of terms is ever written.
Everything is computed in float32; only ds is rounded to the dtype of s. The result is the same in every run.

Source: Hinton, Vinyals, Dean, "Distilling the Knowledge in a Neural Network" (2015), section 2.
"""

from __future__ import annotations

import math
from typing import Any

import torch
import triton
import triton.language as tl
from torch.autograd.function import once_differentiable

from .._triton import empty, empty_like, example, kernel
from ..loss import cross_entropy as hard_loss
from ..loss.cross_entropy import (
    check_labels,
    check_logits,
    exp_nonpositive,
    hand_on,
    row_blocks,
    with_unit_columns,
)

# Two rows and three exponentials are alive at once: a quarter of what cross-entropy takes.
LARGEST_BLOCK = 8192
SWEEP_BLOCK = 8192


def _examples():
    for student, teacher in (("bf16", "bf16"), ("fp32", "fp32"), ("fp16", "fp16"), ("bf16", "fp32")):
        types = (
            f"s=*{student} t=*{teacher} y=*i64 count=*i64 row_loss=*fp32 ds=*{student} T=i32:16 V=i32:16 "
            "stride_s=i32:16 stride_t=i32:16 stride_ds=i32:16 ignore=i32 "
            "inverse_temperature=fp32 soft_loss=fp32 soft_gradient=fp32 hard=fp32"
        )
        sizes = (("V=8192", LARGEST_BLOCK, True, 32), ("V=131072", SWEEP_BLOCK, False, 32))
        same = student == teacher != "fp16"  # the other pairs differ in conversions: the longest loop stands for them
        for label, block, single, warps in sizes if same else sizes[1:]:
            yield example(
                types, label=label, ROWS=1, BLOCK=block, ONE_BLOCK=single, PRECISE=student == "fp32", HARD=True,
                num_warps=warps,
            )  # fmt: skip
        if same:
            yield example(
                types.replace("i32:16", "i32"), label="V=33", ROWS=16, BLOCK=64, ONE_BLOCK=True,
                PRECISE=student == "fp32", HARD=False, num_warps=4,
            )  # fmt: skip


@kernel
def _or_zero(x):
    """x, or 0 where x is -inf: a base that exponents can be taken relative to, since -inf - (-inf) would be NaN."""
    return tl.where(x == float("-inf"), 0.0, x)


@kernel
def _add_block(
    x, z, max_s, max_t, soft_s, soft_t, hard_s, inverse_temperature, PRECISE: tl.constexpr, HARD: tl.constexpr
):
    """Take one block of student logits x and teacher logits z into the running maxima and sums of exponentials."""
    new_s = tl.maximum(max_s, tl.max(x, axis=1))
    new_t = tl.maximum(max_t, tl.max(z, axis=1))
    base_s = _or_zero(new_s)
    base_t = _or_zero(new_t)
    below = x - base_s[:, None]
    moved = max_s - base_s
    soft_s = soft_s * exp_nonpositive(moved * inverse_temperature, PRECISE) + tl.sum(
        exp_nonpositive(below * inverse_temperature, PRECISE), axis=1
    )
    soft_t = soft_t * exp_nonpositive((max_t - base_t) * inverse_temperature, PRECISE) + tl.sum(
        exp_nonpositive((z - base_t[:, None]) * inverse_temperature, PRECISE), axis=1
    )
    if HARD:
        hard_s = hard_s * exp_nonpositive(moved, PRECISE) + tl.sum(exp_nonpositive(below, PRECISE), axis=1)
    return new_s, new_t, soft_s, soft_t, hard_s


@kernel
def _gradient_and_terms(
    x, z, base_s, base_t, log_soft_s, log_soft_t, scale_hard, hot, inverse_temperature, soft_gradient, hard,
    PRECISE: tl.constexpr, HARD: tl.constexpr,
):  # fmt: skip
    """Gradient (not yet divided by n) and terms of the divergence for one block."""
    below = x - base_s[:, None]
    log_q = below * inverse_temperature - log_soft_s[:, None]
    log_p = (z - base_t[:, None]) * inverse_temperature - log_soft_t[:, None]
    p = exp_nonpositive(log_p, PRECISE)
    gradient = soft_gradient * (exp_nonpositive(log_q, PRECISE) - p)
    if HARD:
        gradient += hard * (exp_nonpositive(below, PRECISE) * scale_hard[:, None] - hot)
    # 0 * log 0 is 0; mass that the student calls impossible costs infinitely much, also where it underflows.
    terms = tl.where(log_q == float("-inf"), float("inf"), p * (log_p - log_q))
    terms = tl.where(log_p == float("-inf"), 0.0, terms)
    return gradient, terms


@kernel(*_examples())
def _distillation_kernel(
    s,
    t,
    y,
    count,
    row_loss,
    ds,
    T,
    V,
    stride_s,
    stride_t,
    stride_ds,
    ignore,
    inverse_temperature,
    soft_loss,
    soft_gradient,
    hard,
    ROWS: tl.constexpr,
    BLOCK: tl.constexpr,
    ONE_BLOCK: tl.constexpr,
    PRECISE: tl.constexpr,
    HARD: tl.constexpr,
):
    # 1. Which rows; see the cross-entropy kernel for the treatment of labels.
    rows = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)
    live = rows < T
    label = tl.load(y + rows, mask=live, other=0)
    valid = live & (label != ignore)
    known = valid & (label >= 0) & (label < V)
    share = 1.0 / tl.maximum(tl.load(count), 1).to(tl.float32)
    s_rows = s + rows[:, None] * stride_s
    t_rows = t + rows[:, None] * stride_t
    ds_rows = ds + rows[:, None] * stride_ds
    cols = tl.arange(0, BLOCK)
    picked = tl.load(s + rows * stride_s + label, mask=known, other=float("nan")).to(tl.float32)
    tl.debug_barrier()  # ds may be s

    # 2. Maxima and sums of exponentials: of the student with and without temperature, of the teacher with it.
    max_s = tl.full([ROWS], float("-inf"), tl.float32)
    max_t = tl.full([ROWS], float("-inf"), tl.float32)
    soft_s = tl.zeros([ROWS], tl.float32)
    soft_t = tl.zeros([ROWS], tl.float32)
    hard_s = tl.zeros([ROWS], tl.float32)
    if ONE_BLOCK:
        in_row = (cols < V)[None, :]
        inside = valid[:, None] & in_row
        x = tl.load(s_rows + cols[None, :], mask=inside, other=float("-inf")).to(tl.float32)
        z = tl.load(t_rows + cols[None, :], mask=inside, other=float("-inf")).to(tl.float32)
        max_s, max_t, soft_s, soft_t, hard_s = _add_block(
            x, z, max_s, max_t, soft_s, soft_t, hard_s, inverse_temperature, PRECISE, HARD
        )
    else:
        for start in range(0, V, BLOCK):
            part = start + cols[None, :]
            here = valid[:, None] & (part < V)
            x_part = tl.load(s_rows + part, mask=here, other=float("-inf"), eviction_policy="evict_last")
            z_part = tl.load(t_rows + part, mask=here, other=float("-inf"), eviction_policy="evict_last")
            max_s, max_t, soft_s, soft_t, hard_s = _add_block(
                x_part.to(tl.float32), z_part.to(tl.float32), max_s, max_t, soft_s, soft_t, hard_s,
                inverse_temperature, PRECISE, HARD,
            )  # fmt: skip
    base_s = _or_zero(max_s)
    base_t = _or_zero(max_t)
    log_soft_s = tl.log(soft_s)
    log_soft_t = tl.log(soft_t)
    scale_hard = 1.0 / hard_s
    bad = tl.where(valid, float("nan"), 0.0)

    # 3. Gradient and divergence.
    if ONE_BLOCK:
        hot = tl.where(cols[None, :] == label[:, None], 1.0, 0.0)
        gradient, terms = _gradient_and_terms(
            x, z, base_s, base_t, log_soft_s, log_soft_t, scale_hard, hot, inverse_temperature, soft_gradient, hard,
            PRECISE, HARD,
        )  # fmt: skip
        divergence = tl.sum(tl.where(inside, terms, 0.0), axis=1)
        gradient = tl.where(known[:, None], gradient * share, bad[:, None])
        tl.store(ds_rows + cols[None, :], gradient, mask=live[:, None] & in_row)
    else:
        divergence = tl.zeros([ROWS], tl.float32)
        for start in range(0, V, BLOCK):
            part = start + cols[None, :]
            here = valid[:, None] & (part < V)
            x_part = tl.load(s_rows + part, mask=here, other=float("-inf"), eviction_policy="evict_first")
            z_part = tl.load(t_rows + part, mask=here, other=float("-inf"), eviction_policy="evict_first")
            hot = tl.where(part == label[:, None], 1.0, 0.0)
            gradient, terms = _gradient_and_terms(
                x_part.to(tl.float32), z_part.to(tl.float32), base_s, base_t, log_soft_s, log_soft_t, scale_hard, hot,
                inverse_temperature, soft_gradient, hard, PRECISE, HARD,
            )  # fmt: skip
            divergence += tl.sum(tl.where(here, terms, 0.0), axis=1)
            gradient = tl.where(known[:, None], gradient * share, bad[:, None])
            tl.store(ds_rows + part, gradient, mask=live[:, None] & (part < V))

    # 4. The row's loss.
    loss = soft_loss * divergence
    if HARD:
        loss += hard * (tl.log(hard_s) + (base_s - picked))
    loss = tl.where(known, loss, bad)
    tl.store(row_loss + rows, loss, mask=live)


def check(s: torch.Tensor, t: torch.Tensor, y: torch.Tensor, alpha: float, temperature: float, ignore: int) -> None:
    """TypeError or ValueError unless the arguments of `knowledge_distillation` fit together."""
    if not 0.0 <= alpha <= 1.0:
        raise ValueError(f"alpha must be in [0, 1], got {alpha}")
    if not (temperature > 0.0 and math.isfinite(temperature)):
        raise ValueError(f"temperature must be positive and finite, got {temperature}")
    check_logits(s, "student logits")
    check_logits(t, "teacher logits")
    if s.shape != t.shape:
        raise ValueError(
            f"student logits {list(s.shape)} and teacher logits {list(t.shape)} must have the same number of rows and "
            "the same vocabulary"
        )
    if s.device != t.device:
        raise ValueError(f"student logits are on {s.device}, teacher logits on {t.device}")
    check_labels(y, s, ignore)


def launch(
    s: torch.Tensor,
    t: torch.Tensor,
    y: torch.Tensor,
    alpha: float,
    temperature: float,
    ignore: int,
    ds: torch.Tensor,
    blocks: dict[str, Any] | None = None,
) -> torch.Tensor:
    """Write the gradient into `ds` (which may be `s`) and return the loss, float32 []. Nothing is checked."""
    if alpha == 0.0:
        return hard_loss.launch(s, y, ignore, ds, blocks)  # the teacher need not be read
    tokens, vocabulary = s.shape
    count = (y != ignore).sum()
    row_loss = empty((tokens,), torch.float32, s.device)
    if tokens:
        blocks = blocks or row_blocks(tokens, vocabulary, LARGEST_BLOCK, SWEEP_BLOCK, per_warp=256)
        _distillation_kernel[(triton.cdiv(tokens, blocks["ROWS"]),)](
            s, t, y, count, row_loss, ds, tokens, vocabulary, s.stride(0), t.stride(0), ds.stride(0), ignore,
            1.0 / temperature, alpha * temperature**2, alpha * temperature, 1.0 - alpha,
            PRECISE=s.dtype == torch.float32, HARD=alpha < 1.0, **blocks,
        )  # fmt: skip
    return row_loss.sum() / count.clamp(min=1)


def knowledge_distillation(
    s: torch.Tensor, t: torch.Tensor, y: torch.Tensor, alpha: float, temperature: float, ignore: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Distillation loss, mean over the tokens whose label is not `ignore`, and its gradient for the student.

    Args:
        s: student logits [T, V], float32, bfloat16 or float16; -inf means probability zero. Not written to.
        t: teacher logits [T, V] over the same vocabulary; its dtype may be another one.
        y: labels [T], int64, in [0, V) or `ignore`.
        alpha: share of the soft part, in [0, 1]. 0 is exactly cross-entropy and does not read the teacher; 1 does not
            evaluate the hard part.
        temperature: T > 0, divides both logits in the soft part only.
        ignore: label of the tokens that do not count; their logits are not read.

    Returns:
        loss, float32 [] in nats; ds [T, V] in the dtype of s. Both are 0 when every token is ignored.

    Raises:
        TypeError: a dtype is not supported.
        ValueError: shapes, vocabulary sizes, alpha, temperature or (CPU tensors) labels do not fit. On a GPU a label
            outside the vocabulary makes the loss and its row of ds NaN.
    """
    check(s, t, y, alpha, temperature, ignore)
    s, t = with_unit_columns(s), with_unit_columns(t)
    ds = empty_like(s)
    return launch(s, t, y.contiguous(), alpha, temperature, ignore, ds), ds


class KnowledgeDistillation(torch.autograd.Function):
    """`knowledge_distillation` for autograd: the gradient is made in the forward pass. The teacher gets none."""

    @staticmethod
    def forward(
        ctx: Any,
        s: torch.Tensor,
        t: torch.Tensor,
        y: torch.Tensor,
        alpha: float,
        temperature: float,
        ignore: int,
        inplace: bool,
    ) -> torch.Tensor:
        check(s, t, y, alpha, temperature, ignore)
        if inplace and not s.is_contiguous():
            raise ValueError(f"in place the student logits must be contiguous, got strides {s.stride()}")
        s, t = with_unit_columns(s.detach()), with_unit_columns(t.detach())
        ds = s if inplace else empty_like(s)
        loss = launch(s, t, y.contiguous(), alpha, temperature, ignore, ds)
        ctx.gradient = ds
        return loss

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        return hand_on(ctx, grad), None, None, None, None, None, None


def knowledge_distillation_loss(
    s: torch.Tensor,
    t: torch.Tensor,
    y: torch.Tensor,
    alpha: float,
    temperature: float,
    ignore: int = -100,
    *,
    inplace: bool = False,
) -> torch.Tensor:
    """The loss alone, float32 [], for a training script; `loss.backward()` reaches the student's logits.

    With `inplace` the gradient overwrites the student's logits: nothing may read them afterwards.
    """
    return KnowledgeDistillation.apply(s, t, y, alpha, temperature, ignore, inplace)
