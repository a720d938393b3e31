"""The mean over valid tokens, without asking the host: how many there are, and the sum of the rows' losses over that.

    n = number of t with y_t != ignore          loss = sum_t loss_t / max(n, 1)

One launch each, of one program: beside logits, labels and losses are few. Sums of float32 are formed in one order,
BLOCK partial sums that are added up at the end.
Nothing is checked.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl

from .._triton import empty, example, kernel

BLOCK = 8192  # tokens at a time: eight of each thread
WARPS = 32


@kernel(example("y=*i64 count=*i64 T=i32:16 ignore=i32", label="8192 tokens", BLOCK=BLOCK, num_warps=WARPS))
def _count_kernel(y, count, T, ignore, BLOCK: tl.constexpr):
    tokens = tl.arange(0, BLOCK)
    found = tl.zeros([BLOCK], tl.int32)
    for start in range(0, T, BLOCK):
        label = tl.load(y + start + tokens, mask=tokens < T - start, other=ignore)
        found += (label != ignore).to(tl.int32)
    tl.store(count, tl.sum(found.to(tl.int64), axis=0))


@kernel(example("row_loss=*fp32 count=*i64 loss=*fp32 T=i32:16", label="8192 tokens", BLOCK=BLOCK, num_warps=WARPS))
def _mean_kernel(row_loss, count, loss, T, BLOCK: tl.constexpr):
    tokens = tl.arange(0, BLOCK)
    total = tl.zeros([BLOCK], tl.float32)
    for start in range(0, T, BLOCK):
        total += tl.load(row_loss + start + tokens, mask=tokens < T - start, other=0.0)
    tl.store(loss, tl.sum(total, axis=0) / tl.maximum(tl.load(count), 1).to(tl.float32))


def _block(tokens: int) -> int:
    return min(BLOCK, triton.next_power_of_2(max(tokens, 1)))


def count_valid(y: torch.Tensor, ignore: int) -> torch.Tensor:
    """How many of the contiguous labels [T] are not `ignore`: int64 [1], on their device."""
    count = empty((1,), torch.int64, y.device)
    _count_kernel[(1,)](y, count, len(y), ignore, BLOCK=_block(len(y)), num_warps=WARPS)
    return count


def mean_loss(row_loss: torch.Tensor, count: torch.Tensor) -> torch.Tensor:
    """The sum of the contiguous float32 [T] over `count` (or 1 where that is 0): float32 []."""
    loss = empty((), torch.float32, row_loss.device)
    _mean_kernel[(1,)](row_loss, count, loss, len(row_loss), BLOCK=_block(len(row_loss)), num_warps=WARPS)
    return loss
