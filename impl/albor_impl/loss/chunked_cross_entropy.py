"""Cross-entropy over a vocabulary that comes in chunks: an online sweep, then the gradient chunk by chunk.

Formula, for the classes of one chunk
    m' = max(m, max_v z_v),   l' = exp(m - m') l + sum_v exp(z_v - m')
and at the end
    loss  = 1/n sum over valid t of (m_t + log l_t - z_t,y_t)
    dz_tv = (exp(z_tv - m_t) / l_t - [v == y_t]) / n       valid rows; exactly 0 on ignored rows

For logits that exist only a chunk at a time: spread over devices (the states of all devices merge by the same formula)
or produced by a product that is cut by classes. Logits that lie in one array are quicker through `cross_entropy`.
The sweep reads each logit once, the gradient reads it once more and writes it. m and l are float32; keeping them apart
instead of their logarithm costs no digits, however many chunks there are.

Sources: Milakov, Gimelshein, "Online normalizer calculation for softmax" (2018), algorithm 3; Shoeybi et al.,
"Megatron-LM" (2019), section 3.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl

from .._triton import empty, empty_like, example, kernel, unify
from ..core._sweep import exp_nonpositive
from .cross_entropy import check_labels, check_logits, with_unit_columns

# Columns a program takes at a time: 16 for each of 512 threads.
BLOCK = 8192
# Elements that one program takes when chunks are narrow; several rows then share a program.
SHARED_BLOCK = 2048


def blocks(rows: int, columns: int) -> dict[str, int]:
    """How the kernels are cut: rows a program, columns a block, warps."""
    block = min(BLOCK, triton.next_power_of_2(columns))
    shared = min(max(1, SHARED_BLOCK // block), triton.next_power_of_2(max(rows, 1)))
    return {"ROWS": shared, "BLOCK": block, "num_warps": min(16, max(4, shared * block // 512))}


def _examples(gradient: bool):
    for dtype, columns in (("bf16", 16384), ("fp16", 16384), ("fp32", 16384), ("fp32", 500)):
        types = f"z=*{dtype} y=*i64 m=*fp32 l=*fp32 "
        if gradient:
            types += f"count=*i64 dz=*{dtype} stride_z=i32:16 stride_dz=i32:16 first=i32 ignore=i32 T=i32 V=i32"
        else:
            types += "picked=*fp32 m2=*fp32 l2=*fp32 picked2=*fp32 stride_z=i32:16 first=i32 T=i32 V=i32"
        types += ":16" * (columns % 16 == 0)
        yield example(types, label=f"{dtype} V={columns}", PRECISE=dtype == "fp32", **blocks(1 << 20, columns))


@kernel(*_examples(False))
def _update_kernel(
    z, y, m, l, picked, m2, l2, picked2, stride_z, first, T, V,
    ROWS: tl.constexpr, BLOCK: tl.constexpr, PRECISE: tl.constexpr,
):  # fmt: skip
    # int64 before the stride: T * V passes 2^31 in real runs.
    rows = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)
    cols = tl.arange(0, BLOCK)
    live = rows < T
    largest = tl.load(m + rows, mask=live, other=0.0)
    total = tl.load(l + rows, mask=live, other=0.0)
    for start in range(0, V, BLOCK):
        inside = live[:, None] & (start + cols < V)[None, :]
        x = tl.load(z + rows[:, None] * stride_z + start + cols[None, :], mask=inside, other=float("-inf")).to(
            tl.float32
        )
        new = tl.maximum(largest, tl.max(x, axis=1))
        # While everything seen is -inf, the exponents are taken relative to 0: -inf - (-inf) would be NaN.
        base = tl.where(new == float("-inf"), 0.0, new)
        total = total * exp_nonpositive(largest - base, PRECISE) + tl.sum(
            exp_nonpositive(x - base[:, None], PRECISE), axis=1
        )
        largest = new
    tl.store(m2 + rows, largest, mask=live)
    tl.store(l2 + rows, total, mask=live)
    column = tl.load(y + rows, mask=live, other=-1) - first
    here = live & (column >= 0) & (column < V)
    own = tl.load(z + rows * stride_z + column, mask=here, other=0.0).to(tl.float32)
    before = tl.load(picked + rows, mask=live, other=0.0)
    tl.store(picked2 + rows, tl.where(here, own, before), mask=live)


@kernel(*_examples(True))
def _gradient_kernel(
    z, y, m, l, count, dz, stride_z, stride_dz, first, ignore, T, V,
    ROWS: tl.constexpr, BLOCK: tl.constexpr, PRECISE: tl.constexpr,
):  # fmt: skip
    rows = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)
    cols = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    live = rows < T
    label = tl.load(y + rows, mask=live, other=0)
    valid = live & (label != ignore)
    share = 1.0 / tl.maximum(tl.load(count), 1).to(tl.float32)
    largest = tl.load(m + rows, mask=valid, other=0.0)
    scale = 1.0 / tl.load(l + rows, mask=valid, other=1.0)
    inside = (cols < V)[None, :]
    x = tl.load(
        z + rows[:, None] * stride_z + cols[None, :], mask=valid[:, None] & inside, other=float("-inf")
    ).to(tl.float32)  # fmt: skip
    hot = tl.where((first + cols)[None, :] == label[:, None], 1.0, 0.0)
    gradient = (exp_nonpositive(x - largest[:, None], PRECISE) * scale[:, None] - hot) * share
    tl.store(
        dz + rows[:, None] * stride_dz + cols[None, :], tl.where(valid[:, None], gradient, 0.0),
        mask=live[:, None] & inside,
    )  # fmt: skip


def chunk_update(
    z: torch.Tensor, y: torch.Tensor, first: int, m: torch.Tensor, l: torch.Tensor, picked: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The state after one chunk.

    Args:
        z: logits of the chunk [T, V], float32, bfloat16 or float16.
        y: labels [T], int64, in the whole vocabulary; those of other chunks are left alone.
        first: class of the chunk's first column.
        m, l, picked: the state, float32 [T]: largest logit, sum of exponentials relative to it, the label's logit;
            m = -inf, l = 0 where nothing was seen.

    Returns:
        m, l, picked after the chunk, new tensors.

    Raises:
        TypeError: a dtype is not supported. ValueError: shapes do not fit together.
    """
    check_logits(z, "logits")
    unify((torch.int64,), y=(y, "T"))
    sizes = unify((torch.float32,), m=(m, "T"), l=(l, "T"), picked=(picked, "T"))
    if not sizes["T"] == len(y) == len(z):
        raise ValueError(f"expected as many rows of logits, labels and states: {len(z)}, {len(y)} and {sizes['T']}")
    z, y, m, l, picked = with_unit_columns(z), *(a.contiguous() for a in (y, m, l, picked))
    results = empty_like(m), empty_like(l), empty_like(picked)
    _update(z, y, first, (m, l, picked), results)
    return results


def _update(
    z: torch.Tensor, y: torch.Tensor, first: int, state: tuple[torch.Tensor, ...], results: tuple[torch.Tensor, ...]
) -> None:
    """`chunk_update` into `results`, which may be `state`: a program reads its rows before it writes them."""
    tokens, columns = z.shape
    if tokens:
        cut = blocks(*z.shape)
        _update_kernel[(triton.cdiv(tokens, cut["ROWS"]),)](
            z, y, *state, *results, z.stride(0), first, tokens, columns, PRECISE=z.dtype == torch.float32, **cut
        )


def check(z: torch.Tensor, y: torch.Tensor, ignore: int, chunk: int) -> None:
    """TypeError or ValueError unless logits, labels and chunk fit together."""
    check_logits(z, "logits")
    check_labels(y, z, ignore)
    if chunk < 1:
        raise ValueError(f"chunk: expected at least 1 class, got {chunk}")


def chunked_cross_entropy(
    z: torch.Tensor, y: torch.Tensor, ignore: int, chunk: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean cross-entropy over the valid tokens and its gradient, `chunk` classes at a time.

    Args:
        z: logits [T, V], float32, bfloat16 or float16; -inf means probability zero. Not written to.
        y: labels [T], int64, in [0, V) or `ignore`. On a GPU, where looking at them would wait, another label makes the
            loss NaN.
        ignore: label of the tokens that do not count.
        chunk: classes a chunk, at least 1; it need not divide V.

    Returns:
        loss, float32 [] in nats; dz [T, V] in the dtype of z. Both are 0 when every token is ignored.

    Raises:
        TypeError: a dtype is not supported.
        ValueError: shapes do not fit, (CPU tensors) a label is outside [0, V) and is not `ignore`, or chunk is below 1.
    """
    check(z, y, ignore, chunk)
    z, y = with_unit_columns(z), y.contiguous()
    tokens, vocabulary = z.shape
    dz = empty_like(z)
    valid = y != ignore
    count = valid.sum()
    state = tuple(empty((tokens,), torch.float32, z.device) for _ in range(3))
    # Of a label that no chunk has, the logit stays NaN: on a GPU nobody has looked at the labels.
    for tensor, start in zip(state, (float("-inf"), 0.0, float("nan")), strict=True):
        tensor.fill_(start)
    for first in range(0, vocabulary, chunk):
        _update(z[:, first : first + chunk], y, first, state, state)
    m, total, picked = state
    for first in range(0, vocabulary, chunk):
        part, out = z[:, first : first + chunk], dz[:, first : first + chunk]
        columns = part.shape[1]
        cut = blocks(*part.shape)
        if tokens:
            _gradient_kernel[(triton.cdiv(tokens, cut["ROWS"]), triton.cdiv(columns, cut["BLOCK"]))](
                part, y, m, total, count, out, part.stride(0), out.stride(0), first, ignore, tokens, columns,
                PRECISE=z.dtype == torch.float32, **cut,
            )  # fmt: skip
    # log l and m - picked are both >= 0: no digits are lost when the logits are far from 0.
    losses = torch.where(valid, total.log() + (m - picked), 0.0)
    return losses.sum() / count.clamp(min=1), dz
