"""Sums of squares of several tensors, in Triton: partial sums at distinct places of one buffer, then one sum each.

    s = sum_i x_i^2          (not its root: clipping takes one root, of the total)

Traffic: each element read once. A program takes CHUNK elements and leaves one float32 in its own place of the buffer;
nothing is added atomically, so two runs agree. The partials of all tensors lie in one buffer, each tensor's at its own
offset, and only they are read again.

Errors: ValueError for other shapes, TypeError for other dtypes than float32, bfloat16, float16.
Source: the definition in contracts/core/squared-sum-v1.yaml.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import triton
import triton.language as tl

from .._triton import empty, example, kernel, unify

BLOCK = 4096  # elements of a program at once
CHUNK = 65536  # elements of a program

_TYPES = "x=*{t} partials=*fp32 n=i64:16 first=i32"


@kernel(
    *[example(_TYPES.format(t=t), label=t, BLOCK=BLOCK, CHUNK=CHUNK, num_warps=8) for t in ("bf16", "fp16", "fp32")]
)
def _squares_kernel(x, partials, n, first, BLOCK: tl.constexpr, CHUNK: tl.constexpr):
    pid = tl.program_id(0)
    offset = pid.to(tl.int64) * CHUNK  # int64: parameters pass 2^31
    total = tl.zeros([BLOCK], tl.float32)
    for start in range(0, tl.minimum(n - offset, CHUNK), BLOCK):
        place = offset + start + tl.arange(0, BLOCK)
        value = tl.load(x + place, mask=place < n, other=0.0).to(tl.float32)
        total += value * value
    tl.store(partials + first + pid, tl.sum(total, axis=0))


def sums_of_squares(tensors: Sequence[torch.Tensor]) -> torch.Tensor:
    """parts[k] in float32: the sum of squares of each of `tensors`, of any shapes, on one device.

    Raises ValueError for no tensors or several devices, TypeError for other dtypes than float32, bfloat16, float16.
    """
    if not tensors:
        raise ValueError("tensors: expected at least one")
    flat = [t.contiguous().view(-1) for t in tensors]  # reshape would keep the stride of a strided vector
    unify(**{f"tensors[{k}]": (t, f"N{k}") for k, t in enumerate(flat)})
    counts = [triton.cdiv(t.numel(), CHUNK) for t in flat]
    places = [sum(counts[:k]) for k in range(len(counts))]
    partials = empty((sum(counts),), torch.float32, flat[0].device)
    for tensor, place, count in zip(flat, places, counts, strict=True):
        if count:
            _squares_kernel[(count,)](tensor, partials, tensor.numel(), place, BLOCK=BLOCK, CHUNK=CHUNK, num_warps=8)
    return torch.stack([partials[at : at + count].sum() for at, count in zip(places, counts, strict=True)])


def squared_sum(x: torch.Tensor) -> torch.Tensor:
    """s[] in float32: the sum of the squares of x[N], 0 for no elements. Deterministic."""
    unify(x=(x, "N"))
    return sums_of_squares([x])[0]


def squared_sums(x: torch.Tensor, y: torch.Tensor, z: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The sums of squares of x[N], y[M] and z[L], in this order, [] in float32 each."""
    unify(x=(x, "N"), y=(y, "M"), z=(z, "L"))
    a, b, c = sums_of_squares([x, y, z])
    return a, b, c
