"""Statistics of activations, in Triton: mean and sum of squares about it for each chunk, joined by Chan's formula.

    mu = 1/N sum x,    sd = sqrt(1/N sum (x - mu)^2)          (population: divided by N)

Traffic: each element read once. A block of BLOCK elements stays in registers for its mean and for the squares about
that mean, so that nothing cancels; blocks of a chunk are joined in order, chunks in float32 by three small operations.

Errors, beside those named below: ValueError for other shapes or several devices, TypeError for other dtypes than
float32, bfloat16, float16.
Sources: Chan, Golub and LeVeque, "Algorithms for Computing the Sample Variance" (1983); Shazeer, "GLU Variants Improve
Transformer" (2020), for points 3 to 6.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
import triton
import triton.language as tl

from .._triton import empty, example, kernel, unify

BLOCK = 4096  # elements of a program at once: with eight warps, sixteen of a thread
CHUNK = 16384  # elements of a program

# 0 input, 1 qkv before bias, 2 qkv after bias, 3 gate, 4 silu(gate), 5 silu(gate) * up, 6 product with down
POINTS = ("input", "qkv", "qkv + bias", "gate", "silu(gate)", "silu(gate) up", "down")

_TYPES = "x=*{t} partials=*fp32 n=i64:16 chunks=i32"


@kernel(
    *[example(_TYPES.format(t=t), label=t, BLOCK=BLOCK, CHUNK=CHUNK, num_warps=8) for t in ("bf16", "fp16", "fp32")]
)
def _statistics_kernel(x, partials, n, chunks, BLOCK: tl.constexpr, CHUNK: tl.constexpr):
    pid = tl.program_id(0)
    offset = pid.to(tl.int64) * CHUNK  # int64: activations pass 2^31
    count = 0.0
    mean = 0.0
    squares = 0.0
    for start in range(0, tl.minimum(n - offset, CHUNK), BLOCK):
        place = offset + start + tl.arange(0, BLOCK)
        value = tl.load(x + place, mask=place < n, other=0.0).to(tl.float32)
        inside = tl.minimum(n - offset - start, BLOCK).to(tl.float32)
        m = tl.sum(value, axis=0) / inside
        away = tl.where(place < n, value - m, 0.0)
        share = inside / (count + inside)
        step = m - mean
        squares += tl.sum(away * away, axis=0) + step * step * count * share
        mean += step * share
        count += inside
    tl.store(partials + pid, mean)
    tl.store(partials + chunks + pid, squares)


def activation_statistics(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """mu[] and sd[] of x[N] in float32, the deviation that of the population. Deterministic; the host never waits.

    Raises ValueError for no elements, TypeError for other dtypes than float32, bfloat16, float16.
    """
    n = unify(x=(x, "N"))["N"]
    if not n:
        raise ValueError("x: expected at least one element")
    x = x.contiguous()
    chunks = triton.cdiv(n, CHUNK)
    partials = empty((2, chunks), torch.float32, x.device)
    _statistics_kernel[(chunks,)](x, partials, n, chunks, BLOCK=BLOCK, CHUNK=CHUNK, num_warps=8)
    sizes = torch.full((chunks,), CHUNK, dtype=torch.float32, device=x.device)
    sizes[-1] = n - (chunks - 1) * CHUNK
    mu = (sizes * partials[0]).sum() / n
    return mu, ((partials[1] + sizes * (partials[0] - mu) ** 2).sum() / n).sqrt()


def captured_statistics(
    x: torch.Tensor,
    w: torch.Tensor,
    b: torch.Tensor,
    gate: torch.Tensor,
    up: torch.Tensor,
    down: torch.Tensor,
    points: int,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """mu[7], sd[7] in float32 and filled[7] at the POINTS of a block; only what bit k of `points` asks for is computed.

    x[T, H], w[H, D], b[D], gate and up [H, I], down[I, H], one dtype. A point that was not asked for is NaN.
    Raises ValueError for a bit beyond the last point.
    """
    if points >> len(POINTS):  # a negative number never becomes 0
        raise ValueError(f"points: expected bits 0 to {len(POINTS) - 1} ({', '.join(POINTS)}), got {points:#x}")
    unify(x=(x, "T H"), w=(w, "H D"), b=(b, "D"), gate=(gate, "H I"), up=(up, "H I"), down=(down, "I H"))
    mu, sd = torch.full((2, len(POINTS)), torch.nan, dtype=torch.float32, device=x.device)

    def record(point: int, tensor: torch.Tensor) -> None:
        if points >> point & 1:
            mu[point], sd[point] = activation_statistics(tensor.reshape(-1))

    record(0, x)
    if points & 0b0000110:
        qkv = x @ w
        record(1, qkv)
        record(2, qkv + b)
    if points & 0b1111000:
        gated = x @ gate
        record(3, gated)
        silu = F.silu(gated)
        record(4, silu)
        product = silu * (x @ up)
        record(5, product)
        record(6, product @ down)
    filled = torch.tensor([points >> k & 1 == 1 for k in range(len(POINTS))], device=x.device)
    return mu, sd, filled


def largest_difference(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """d[] = max |a - b| in float32 of a[N] and b[N], N > 0. Raises ValueError when lengths differ."""
    unify(a=(a, "N"), b=(b, "N"))
    return (a.float() - b.float()).abs().max()
