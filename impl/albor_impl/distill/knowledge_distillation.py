"""Knowledge distillation from teacher logits: loss and student gradient in one pass of one kernel.

Formula, for a token with teacher logits t, student logits s and label y
    p = softmax(t / T)      q = softmax(s / T)
    loss_row = alpha * T^2 * sum_j p_j (log p_j - log q_j)  +  (1 - alpha) * (logsumexp(s) - s_y)
    ds_j     = alpha * T * (q_j - p_j)                      +  (1 - alpha) * (softmax(s)_j - [j == y])
Both are averaged over the n tokens whose label is not ignored.

Traffic: student and teacher are read and the gradient is written, 3 T V elements. Short pairs of rows stay in registers
between the sums and the gradient; long ones are swept twice, and the second sweep finds them in the L2 cache as long as
the rows in flight fit into it. No tensor of terms is ever written.
Arithmetic weighs nearly as much as traffic: in 16 bits and at T = 2 or 4, long rows are swept without looking for their
maxima, relative to a logit that is known before, and the few rows that this does not suit are done again with them.
Everything is computed in float32; only ds is rounded to the dtype of s. The result is the same in every run.

Logits and losses are in nats. Errors: as `knowledge_distillation` says; `launch` checks nothing.
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
from ..core._sweep import (
    INTERPRETED,
    Sweep,
    clear_row,
    exp_at,
    exp_nonpositive,
    first_kept,
    join_lanes,
    load_kept_tiles,
    load_tiles,
    or_zero,
    place_rows,
    row_blocks,
    row_pointer,
    scaled_exp,
    tiles_max,
    wide,
)
from ..loss import cross_entropy as hard_loss
from ..loss._means import count_valid, mean_loss
from ..loss.cross_entropy import check_labels, check_logits, hand_on, with_unit_columns

# The longest row that is one block.
LARGEST_BLOCK = 2048
# How longer rows are swept. On an H200 rows of 65,536 words take 6 % less with 10 tiles kept and 128 registers, but
# float16, which the compiler keeps widened, would not fit into these.
SWEEP: Sweep = (16, 2, 2, 64)
# Temperatures T at which exp(x) is made of exp(x / T) by multiplication.
POWERS = (1.0, 2.0, 4.0)
# Sums of exponentials from here on say that logits are too far above the one that the exponents begin at.
LIMIT = tl.constexpr(2.0**32)


def _blocks(tokens: int, vocabulary: int, itemsize: int, interpreted: bool = False) -> dict[str, Any]:
    """How the kernel is cut. `itemsize` is that of the wider logits."""
    sweeps = 3 * (INTERPRETED if interpreted else SWEEP,)
    return row_blocks(tokens, vocabulary, LARGEST_BLOCK, itemsize, per_warp=512, sweeps=sweeps)


def _examples():
    for student, teacher in (("bf16", "bf16"), ("fp32", "fp32"), ("fp16", "fp16"), ("bf16", "fp32")):
        types = (
            f"s=*{student} t=*{teacher} y=*i64 count=*i64 row_loss=*fp32 ds=*{student} T=i32:16 V=i32:16 "
            "stride_s=i32:16 stride_t=i32:16 stride_ds=i32:16 ignore=i32 "
            "inverse_temperature=fp32 soft_loss=fp32 soft_gradient=fp32 hard=fp32"
        )
        same = student == teacher != "fp16"  # the other pairs differ in conversions: the longest loop stands for them
        precise = student == "fp32"
        for size in (1024, 32768, 131072) if same else (131072,):
            yield example(
                types, label=f"V={size}", PRECISE=precise, HARD=True, POWER=0 if precise else 2,
                **_blocks(4096, size, 4 if "fp32" in (student, teacher) else 2),
            )  # fmt: skip
        if same:
            yield example(
                types.replace("i32:16", "i32"), label="V=33", PRECISE=precise, HARD=False, POWER=0,
                **_blocks(4096, 33, 4 if precise else 2),
            )  # fmt: skip


@kernel
def _power(e, POWER: tl.constexpr):
    """e^POWER for 0 to 4: exp(x) is the power T of exp(x / T), multiplications instead of another exponential."""
    result = 1.0
    for _ in tl.static_range(POWER):
        result = result * e
    return result


@kernel
def _divergence(mean, soft_s, soft_t):
    """KL(p || q) from the teacher's mean of log(p / q) without the constants of the row, and from the two sums."""
    constants = tl.log(soft_s) - tl.log(soft_t)
    # Where no logit is NaN, the mean is only for teacher mass on an impossible class, which underflows.
    underflowed = (mean != mean) & (constants == constants)  # noqa: PLR0124
    return tl.where(underflowed, float("inf"), mean) + constants


@kernel
def _ratio(t, s):
    """t - s, of which the teacher's probability makes a term of the divergence.

    0 log 0 is 0: where p is 0 because t is -inf, the ratio only has to be finite. Where s is -inf and t is not, it is
    +inf, and the mean +inf, or NaN if p underflows.
    """
    return tl.maximum(t - s, -3e38)


@kernel
def _add_tiles(
    xs, zs, max_s, max_t, soft_s, soft_t, hard_s, inverse_temperature,
    PRECISE: tl.constexpr, HARD: tl.constexpr, POWER: tl.constexpr, TILES: tl.constexpr,
):  # fmt: skip
    """Take student logits xs and teacher logits zs of one step into the running maxima and sums of exponentials."""
    new_s = tiles_max(xs, max_s, 0, TILES)
    new_t = tiles_max(zs, max_t, 0, TILES)
    base_s = or_zero(new_s)
    base_t = or_zero(new_t)
    moved = max_s - base_s
    soft_s = soft_s * exp_at(moved, inverse_temperature, PRECISE)
    soft_t = soft_t * exp_at(max_t - base_t, inverse_temperature, PRECISE)
    if HARD:
        hard_s = hard_s * exp_nonpositive(moved, PRECISE)
    for i in tl.static_range(TILES):
        below = wide(xs[i]) - base_s[:, None]
        e = exp_at(below, inverse_temperature, PRECISE)
        soft_s += tl.sum(e, axis=1)
        soft_t += tl.sum(exp_at(wide(zs[i]) - base_t[:, None], inverse_temperature, PRECISE), axis=1)
        if HARD:
            hard_s += tl.sum(_power(e, POWER) if POWER else exp_nonpositive(below, PRECISE), axis=1)
    return new_s, new_t, soft_s, soft_t, hard_s


@kernel
def _gradient(
    below_s, below_t, soft_s, soft_t, hard_s, inverse_temperature, soft_gradient, hard,
    PRECISE: tl.constexpr, HARD: tl.constexpr, POWER: tl.constexpr,
):  # fmt: skip
    """Gradient without the label's part, and the teacher's probabilities; arguments are logits less their maximum."""
    q = scaled_exp(below_s, inverse_temperature, 1.0 / soft_s, PRECISE)
    p = scaled_exp(below_t, inverse_temperature, 1.0 / soft_t, PRECISE)
    if HARD and POWER:
        # softmax(s) is q^T, made to sum to one.
        weight = hard * _power(soft_s, POWER) / hard_s
        gradient = q * (soft_gradient + weight[:, None] * _power(q, POWER - 1)) - soft_gradient * p
    else:
        gradient = soft_gradient * (q - p)
        if HARD:
            gradient += hard * scaled_exp(below_s, 1.0, 1.0 / hard_s, PRECISE)
    return gradient, p


@kernel
def _from_maxima(
    s, t, y, count, row_loss, ds, T, V, stride_s, stride_t, stride_ds, ignore,
    inverse_temperature, soft_loss, soft_gradient, hard,
    ROWS: tl.constexpr, BLOCK: tl.constexpr, ONE_BLOCK: tl.constexpr, PRECISE: tl.constexpr, HARD: tl.constexpr,
    POWER: tl.constexpr, VECTOR: tl.constexpr, TILES: tl.constexpr,
):  # fmt: skip
    """Gradients and losses of rows of any logits, with exponentials relative to the maxima of their rows."""
    # 1. Which rows; see the cross-entropy kernel for the treatment of rows, tiles and labels.
    rows, lanes, cols = place_rows(ROWS, BLOCK, ONE_BLOCK, VECTOR)
    live = rows < T
    label = tl.load(y + rows, mask=live, other=0)
    valid = live & (label != ignore)
    known = valid & (label >= 0) & (label < V)
    first_lane = (lanes == 0) | ONE_BLOCK
    share = 1.0 / tl.maximum(tl.load(count), 1).to(tl.float32)
    s_rows = row_pointer(s, rows, stride_s, ONE_BLOCK)
    t_rows = row_pointer(t, rows, stride_t, ONE_BLOCK)
    ds_rows = row_pointer(ds, rows, stride_ds, ONE_BLOCK)
    picked_s = tl.load(s + rows * stride_s + label, mask=known, other=float("nan")).to(tl.float32)
    picked_t = tl.load(t + rows * stride_t + label, mask=known, other=float("nan")).to(tl.float32)

    # 2. Maxima and sums of exponentials: of the student with and without temperature, of the teacher with it.
    max_s = tl.full([rows.shape[0]], float("-inf"), tl.float32)
    max_t = tl.full([rows.shape[0]], float("-inf"), tl.float32)
    soft_s = tl.zeros([rows.shape[0]], tl.float32)
    soft_t = tl.zeros([rows.shape[0]], tl.float32)
    hard_s = tl.zeros([rows.shape[0]], tl.float32)
    STEP: tl.constexpr = BLOCK * TILES
    last = 0
    if not ONE_BLOCK:
        last = first_kept(valid, V, STEP, STEP)
        for start in range(0, last, STEP):
            xs = load_tiles(s_rows + start, cols, BLOCK, TILES, "evict_last")
            zs = load_tiles(t_rows + start, cols, BLOCK, TILES, "evict_last")
            max_s, max_t, soft_s, soft_t, hard_s = _add_tiles(
                xs, zs, max_s, max_t, soft_s, soft_t, hard_s, inverse_temperature, PRECISE, HARD, POWER, TILES
            )
    xs_kept = load_kept_tiles(s_rows + last, cols, valid, V - last, BLOCK, TILES)
    zs_kept = load_kept_tiles(t_rows + last, cols, valid, V - last, BLOCK, TILES)
    max_s, max_t, soft_s, soft_t, hard_s = _add_tiles(
        xs_kept, zs_kept, max_s, max_t, soft_s, soft_t, hard_s, inverse_temperature, PRECISE, HARD, POWER, TILES
    )
    if not ONE_BLOCK:
        _, hard_s = join_lanes(max_s, hard_s, 1.0, PRECISE)
        max_s, soft_s = join_lanes(max_s, soft_s, inverse_temperature, PRECISE)
        max_t, soft_t = join_lanes(max_t, soft_t, inverse_temperature, PRECISE)
    base_s = or_zero(max_s)
    base_t = or_zero(max_t)

    # 3. Gradient and divergence.
    tl.debug_barrier()  # ds may be s
    # A label that is not known makes the row NaN.
    soft_gradient = tl.where(known, soft_gradient * share, float("nan"))[:, None]
    hard_share = hard * share
    mean = tl.zeros_like(soft_s)
    for i in tl.static_range(TILES):
        below_s = wide(xs_kept[i]) - base_s[:, None]
        below_t = wide(zs_kept[i]) - base_t[:, None]
        gradient, p = _gradient(
            below_s, below_t, soft_s, soft_t, hard_s, inverse_temperature, soft_gradient, hard_share,
            PRECISE, HARD, POWER,
        )  # fmt: skip
        mean += tl.sum(p * _ratio(below_t, below_s), axis=1)
        gradient = tl.where(valid[:, None], gradient, 0.0)
        at = i * BLOCK + cols
        tl.store(ds_rows + last + at, gradient, live[:, None] & (at < V - last), eviction_policy="evict_first")
    if not ONE_BLOCK:
        for done in range(0, last, STEP):
            start = last - STEP - done
            xs = load_tiles(s_rows + start, cols, BLOCK, TILES, "evict_first")
            zs = load_tiles(t_rows + start, cols, BLOCK, TILES, "evict_first")
            for i in tl.static_range(TILES):
                below_s = wide(xs[i]) - base_s[:, None]
                below_t = wide(zs[i]) - base_t[:, None]
                gradient, p = _gradient(
                    below_s, below_t, soft_s, soft_t, hard_s, inverse_temperature, soft_gradient, hard_share,
                    PRECISE, HARD, POWER,
                )  # fmt: skip
                mean += tl.sum(p * _ratio(below_t, below_s), axis=1)
                tl.store(ds_rows + start + i * BLOCK + cols, gradient, eviction_policy="evict_first")
        if last == 0:  # an ignored row
            clear_row(ds_rows, cols, tl.zeros_like(gradient), V, BLOCK, TILES)
        mean = tl.zeros_like(mean) + tl.sum(mean, axis=0)

    # 4. The label's element, after the one that another thread may have written there.
    if HARD:
        tl.debug_barrier()
        at_label, _ = _gradient(
            (picked_s - base_s)[:, None], (picked_t - base_t)[:, None], soft_s, soft_t, hard_s,
            inverse_temperature, soft_gradient, hard_share, PRECISE, HARD, POWER,
        )  # fmt: skip
        at_label = tl.sum(at_label, axis=1) - hard_share
        tl.store(ds + rows * stride_ds + label, at_label, mask=known & first_lane)

    # 5. The row's loss.
    loss = soft_loss * _divergence(mean * inverse_temperature, soft_s, soft_t)
    if HARD:
        loss += hard * (tl.log(hard_s) + (base_s - picked_s))
    loss = tl.where(known, loss, tl.where(valid, float("nan"), 0.0))
    tl.store(row_loss + rows, loss, mask=live & first_lane)


@kernel
def _sample(row, V):
    """The largest of a few logits of a row, eight from each quarter; 0 where they are -inf."""
    i = tl.arange(0, 32)  # one a thread of each warp, which need not ask another
    at = i % 4 * (V // 4) + i // 4
    return or_zero(tl.max(tl.load(row + at, mask=at < V, other=float("-inf")).to(tl.float32), axis=0))


@kernel
def _exponent(x, scale, reference):
    """x scale - reference, rounded once."""
    return tl.fma(x, scale, -reference)


@kernel
def _sum_three(a, b, c, x, y, z):
    """Three sums at a time."""
    return a + x, b + y, c + z


@kernel
def _sum_tiles(
    xs, zs, reference_s, reference_t, soft_s, soft_t, hard_s, scale,
    HARD: tl.constexpr, POWER: tl.constexpr, TILES: tl.constexpr,
):  # fmt: skip
    """Add the exponentials of student logits xs and teacher logits zs to sums of lanes, hard_s to sums of columns."""
    for i in tl.static_range(TILES):
        e = tl.exp2(_exponent(wide(xs[i]), scale, reference_s))
        soft_s += tl.sum(e, axis=1)
        soft_t += tl.sum(tl.exp2(_exponent(wide(zs[i]), scale, reference_t)), axis=1)
        if HARD:
            hard_s += _power(e, POWER)
    return soft_s, soft_t, hard_s


@kernel
def _turn(
    x, z, reference_s, reference_t, factor_s, factor_t, factor_hard, scale, HARD: tl.constexpr, POWER: tl.constexpr
):
    """Gradient without the label's part, and p log2(p / q) without the constants of the row, times the sum of p.

    q, p and softmax(s) are e_s, e_t and e_s^T over their sums, which the factors hold. A ratio of more than 1e28 may
    become +inf.
    """
    exponent_s = _exponent(x, scale, reference_s)
    exponent_t = _exponent(z, scale, reference_t)
    e_s = tl.exp2(exponent_s)
    e_t = tl.exp2(exponent_t)
    factor = factor_s + factor_hard * _power(e_s, POWER - 1) if HARD else factor_s
    return e_s * factor - factor_t * e_t, e_t * _ratio(exponent_t, exponent_s)


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
    POWER: tl.constexpr,
    VECTOR: tl.constexpr,
    TILES: tl.constexpr,
    KEEP: tl.constexpr,
):
    if ONE_BLOCK or PRECISE or POWER < 2:
        _from_maxima(
            s, t, y, count, row_loss, ds, T, V, stride_s, stride_t, stride_ds, ignore,
            inverse_temperature, soft_loss, soft_gradient, hard,
            ROWS, BLOCK, ONE_BLOCK, PRECISE, HARD, POWER, VECTOR, TILES,
        )  # fmt: skip
    else:
        # A long row in 16 bits at T = 2 or 4. Its exponentials are 2^(x c - r), c = log2(e) / T, each exponent one
        # operation, rounded once. r is c times a logit of the row, rounded: what it is exactly does not matter, since
        # sums and gradient have the same, and log(p / q) is a difference of exponents. The maximum is not needed as
        # long as it is not far above that logit, and the sums tell. As c < 1, no product overflows.

        # 1. Which row, and where its exponents begin.
        rows, lanes, cols = place_rows(ROWS, BLOCK, ONE_BLOCK, VECTOR)
        s_row = row_pointer(s, rows, stride_s, ONE_BLOCK)
        t_row = row_pointer(t, rows, stride_t, ONE_BLOCK)
        ds_row = row_pointer(ds, rows, stride_ds, ONE_BLOCK)
        scale = inverse_temperature * 1.4426950408889634
        reference_s = _sample(s_row, V) * scale
        reference_t = _sample(t_row, V) * scale
        y_row = y + tl.program_id(0).to(tl.int64)
        size = tl.where(tl.load(y_row) == ignore, 0, V)  # an ignored row has sums of 0

        # 2. Sums of exponentials. Whole steps need no mask; the end of the row is kept.
        soft_s = tl.zeros([rows.shape[0]], tl.float32)
        soft_t = tl.zeros([rows.shape[0]], tl.float32)
        hard_s = tl.zeros(cols.shape, tl.float32)
        STEP: tl.constexpr = BLOCK * TILES
        kept = (tl.maximum(size - BLOCK * KEEP, 0) + STEP - 1) // STEP * STEP
        for start in range(0, kept, STEP):
            xs = load_tiles(s_row + start, cols, BLOCK, TILES, "evict_last")
            zs = load_tiles(t_row + start, cols, BLOCK, TILES, "evict_last")
            soft_s, soft_t, hard_s = _sum_tiles(
                xs, zs, reference_s, reference_t, soft_s, soft_t, hard_s, scale, HARD, POWER, TILES
            )
        xs_kept = load_kept_tiles(s_row + kept, cols, lanes >= 0, size - kept, BLOCK, KEEP)
        zs_kept = load_kept_tiles(t_row + kept, cols, lanes >= 0, size - kept, BLOCK, KEEP)
        soft_s, soft_t, hard_s = _sum_tiles(
            xs_kept, zs_kept, reference_s, reference_t, soft_s, soft_t, hard_s, scale, HARD, POWER, KEEP
        )
        soft_s, soft_t, hard_s = tl.reduce((soft_s, soft_t, tl.sum(hard_s, axis=1)), 0, _sum_three)

        # An exponent a makes an error of |a| u, for the largest logits up to 32 u, less than the 8 sqrt(V) u that the
        # sum of V > 2048 terms may lose. A row that is ignored, has NaN or is rounded too much at r is not within.
        if (soft_s > 0.5) & (soft_s < LIMIT) & (soft_t > 0.5) & (soft_t < LIMIT) & (hard_s < LIMIT * LIMIT):
            # 3. Gradient and divergence.
            label = tl.load(y_row)
            known = (label >= 0) & (label < V)
            place = tl.where(known, label, 0)
            picked_s = tl.load(s_row + place).to(tl.float32)
            picked_t = tl.load(t_row + place).to(tl.float32)
            tl.debug_barrier()  # ds may be s
            share = 1.0 / tl.maximum(tl.load(count), 1).to(tl.float32)
            # A label that is not known makes the row NaN.
            factor_s = tl.where(known, soft_gradient * share, float("nan")) / soft_s
            factor_t = soft_gradient * share / soft_t
            factor_hard = hard * share / hard_s
            # Nothing is added, but the compiler cannot know it and keep the kept tiles' exponentials in registers; nor
            # their logits in float32, since they are not made by `wide` again.
            reference_s += 0.0 * soft_s
            reference_t += 0.0 * soft_t
            mean = tl.zeros(cols.shape, tl.float32)
            for i in tl.static_range(KEEP):
                x = xs_kept[i].to(tl.float32)
                z = zs_kept[i].to(tl.float32)
                gradient, terms = _turn(
                    x, z, reference_s, reference_t, factor_s, factor_t, factor_hard, scale, HARD, POWER
                )
                mean += terms
                at = i * BLOCK + cols
                tl.store(ds_row + kept + at, gradient, at < size - kept, eviction_policy="evict_first")
            for done in range(0, kept, STEP):
                start = kept - STEP - done
                xs = load_tiles(s_row + start, cols, BLOCK, TILES, "evict_first")
                zs = load_tiles(t_row + start, cols, BLOCK, TILES, "evict_first")
                for i in tl.static_range(TILES):
                    x = wide(xs[i])
                    z = wide(zs[i])
                    gradient, terms = _turn(
                        x, z, reference_s, reference_t, factor_s, factor_t, factor_hard, scale, HARD, POWER
                    )
                    mean += terms
                    tl.store(ds_row + start + i * BLOCK + cols, gradient, eviction_policy="evict_first")
            mean = tl.sum(tl.sum(mean, axis=1), axis=0) / soft_t
            loss = soft_loss * _divergence(mean * 0.6931471805599453, soft_s, soft_t)

            # 4. The label's element, after the one that another thread may have written there.
            if HARD:
                tl.debug_barrier()
                at_label, _ = _turn(
                    picked_s, picked_t, reference_s, reference_t, factor_s, factor_t, factor_hard, scale, HARD, POWER
                )
                tl.store(ds_row + place, at_label - hard * share)
                loss += hard * (tl.log(hard_s) - _exponent(picked_s, scale, reference_s) / scale)
            tl.store(row_loss + tl.program_id(0).to(tl.int64), tl.where(known, loss, float("nan")))
        else:
            _from_maxima(
                s, t, y, count, row_loss, ds, T, V, stride_s, stride_t, stride_ds, ignore,
                inverse_temperature, soft_loss, soft_gradient, hard,
                ROWS, BLOCK, ONE_BLOCK, PRECISE, HARD, POWER, VECTOR, 1,
            )  # fmt: skip


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
    count = count_valid(y, ignore)
    row_loss = empty((tokens,), torch.float32, s.device)
    if tokens:
        precise = s.dtype == torch.float32
        power = int(temperature) if temperature in POWERS and not precise else 0
        itemsize = max(s.element_size(), t.element_size())
        blocks = blocks or _blocks(tokens, vocabulary, itemsize, s.device.type == "cpu")
        _distillation_kernel[(triton.cdiv(tokens, blocks["ROWS"]),)](
            s, t, y, count, row_loss, ds, tokens, vocabulary, s.stride(0), t.stride(0), ds.stride(0), ignore,
            1.0 / temperature, alpha * temperature**2, alpha * temperature, 1.0 - alpha,
            PRECISE=precise, HARD=alpha < 1.0, POWER=power, **blocks,
        )  # fmt: skip
    return mean_loss(row_loss, count)


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
        ignore: label of the tokens that do not count; what their logits are does not matter.

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
    Errors: as `knowledge_distillation`; ValueError where the logits to overwrite are not contiguous; RuntimeError in a
    second backward pass.
    """
    return KnowledgeDistillation.apply(s, t, y, alpha, temperature, ignore, inplace)
