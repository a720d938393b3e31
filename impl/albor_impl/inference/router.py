"""Router of a mixture of experts in Triton: the k largest logits of a token and the softmax over them, in one pass.

    experts = the k largest logits, the lower number first among equals     weights = softmax over them
    dlogits = weights (g - sum g weights) at the chosen experts, 0 elsewhere

A program holds the logits of several tokens in registers and takes the largest k times; k is small. Traffic: logits
once, k weights and k numbers a token; backward: logits and g once, dlogits once.

Errors: ValueError unless 1 <= k <= E <= 4096, or for shapes that do not fit, TypeError for other dtypes than float32,
bfloat16, float16.
Sources: Shazeer and others, "Outrageously large neural networks" (2017); Jiang and others, "Mixtral of experts" (2024).
"""

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl
from torch.autograd.function import once_differentiable

from .._triton import empty, empty_like, example, kernel, unify

TILE = 1024  # logits of a program: with four warps, eight of a thread
LARGEST = 4096  # experts: their logits stay in the registers of one program

_FORWARD = "logits=*{t} weights=*fp32 chosen=*i64 stride=i32:16 tokens=i32 experts=i32:16"
_BACKWARD = "g=*fp32 logits=*{t} dlogits=*{t} stride=i32:16 tokens=i32 experts=i32:16"


def _tiles(experts: int) -> dict[str, int]:
    block = triton.next_power_of_2(experts)
    return {"BLOCK": block, "ROWS": max(1, TILE // block), "num_warps": 4}


def _examples(types: str) -> list[Any]:
    return [
        example(types.format(t=t), label=f"{label} {t}", K=8, **_tiles(experts))
        for label, experts in {"256 experts": 256, "128 experts": 128}.items()
        for t in ("bf16", "fp32")
    ]


@kernel
def _load(logits, stride, tokens, experts, BLOCK: tl.constexpr, ROWS: tl.constexpr):
    """Logits of this program's tokens, -inf beyond them; places, and which of them exist. int64: offsets pass 2^31."""
    row = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)[:, None]
    col = tl.arange(0, BLOCK)[None, :]
    mask = (row < tokens) & (col < experts)
    x = tl.load(logits + row * stride + col, mask=mask, other=float("-inf")).to(tl.float32)
    # NaN is larger than nothing: left as it is, all comparisons with it are false, and a slot would stay empty.
    x = tl.where(x > float("-inf"), x, float("-inf"))
    return x, row, col, mask


@kernel
def _choose(x, col, mask, K: tl.constexpr, BLOCK: tl.constexpr):
    """Rank of each chosen expert (-1 where not chosen) and its share of the token (0 where not chosen)."""
    alive = mask
    rank = tl.where(mask, -1, -1)
    for j in tl.static_range(K):
        best = tl.max(tl.where(alive, x, float("-inf")), axis=1)
        place = tl.min(tl.where(alive & (x == best[:, None]), col, BLOCK), axis=1)
        rank = tl.where(col == place[:, None], j, rank)
        alive = alive & (col != place[:, None])
    largest = tl.max(tl.where(rank == 0, x, float("-inf")), axis=1)
    mass = tl.where(rank >= 0, tl.exp(x - largest[:, None]), 0.0)
    return rank, mass / tl.sum(mass, axis=1)[:, None]


@kernel(*_examples(_FORWARD))
def _forward_kernel(
    logits, weights, chosen, stride, tokens, experts, K: tl.constexpr, BLOCK: tl.constexpr, ROWS: tl.constexpr
):  # fmt: skip
    x, row, col, mask = _load(logits, stride, tokens, experts, BLOCK, ROWS)
    rank, share = _choose(x, col, mask, K, BLOCK)
    put = mask & (rank >= 0)
    tl.store(weights + row * K + rank, share, mask=put)
    tl.store(chosen + row * K + rank, tl.where(put, col, 0).to(tl.int64), mask=put)


@kernel(*_examples(_BACKWARD))
def _backward_kernel(
    g, logits, dlogits, stride, tokens, experts, K: tl.constexpr, BLOCK: tl.constexpr, ROWS: tl.constexpr
):  # fmt: skip
    x, row, col, mask = _load(logits, stride, tokens, experts, BLOCK, ROWS)
    rank, share = _choose(x, col, mask, K, BLOCK)
    slot = tl.load(g + row * K + rank, mask=mask & (rank >= 0), other=0.0)
    inner = tl.sum(tl.where(rank >= 0, share * slot, 0.0), axis=1)
    d = tl.where(rank >= 0, share * (slot - inner[:, None]), 0.0)
    tl.store(dlogits + row * experts + col, d, mask=mask)


def _check(logits: torch.Tensor, k: int) -> None:
    experts = logits.shape[1]
    if not 1 <= k <= experts:
        raise ValueError(f"k must satisfy 1 <= k <= {experts} experts, got {k}")
    if experts > LARGEST:
        raise ValueError(f"at most {LARGEST} experts fit one program, got {experts}")


def _rows(tensor: torch.Tensor) -> torch.Tensor:
    return tensor if tensor.stride(1) == 1 or tensor.shape[1] == 1 else tensor.contiguous()


def _launch(which: Any, logits: torch.Tensor, k: int, *buffers: torch.Tensor, g: torch.Tensor | None = None) -> None:
    tokens, experts = logits.shape
    if tokens:
        logits, tiles = _rows(logits), _tiles(experts)
        first = () if g is None else (g.contiguous(),)
        which[(triton.cdiv(tokens, tiles["ROWS"]),)](
            *first, logits, *buffers, logits.stride(0), tokens, experts, K=k, **tiles
        )  # fmt: skip


def route(logits: torch.Tensor, k: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Weights f32[T, k] and experts i64[T, k] of logits[T, E] (float32, bfloat16, float16), by falling logit.

    A NaN among the logits of a token is never chosen while numbers are left. Raises ValueError unless 1 <= k <= E <=
    4096, TypeError for another dtype.
    """
    sizes = unify(logits=(logits, "T E"))
    _check(logits, k)
    weights = empty((sizes["T"], k), dtype=torch.float32, device=logits.device)
    chosen = empty((sizes["T"], k), dtype=torch.int64, device=logits.device)
    _launch(_forward_kernel, logits, k, weights, chosen)
    return weights, chosen


def route_padded(logits: torch.Tensor, k: int) -> tuple[torch.Tensor, torch.Tensor]:
    """`route` with as many slots as experts, [T, E]: weight 0 and expert -1 from slot k on."""
    weights, chosen = route(logits, k)
    rest = (0, logits.shape[1] - k)
    return torch.nn.functional.pad(weights, rest), torch.nn.functional.pad(chosen, rest, value=-1)


def route_backward(g: torch.Tensor, logits: torch.Tensor, k: int) -> torch.Tensor:
    """dlogits[T, E] of sum(g * weights) for g f32[T, k]; the choice is recomputed and taken as given.

    Slots of g from k on are not read. Raises as `route`; ValueError when g has fewer slots or other tokens.
    """
    sizes = unify(logits=(logits, "T E"))
    _check(logits, k)
    slots = unify(g=(g, "T K"))
    if slots["T"] != sizes["T"] or slots["K"] < k:
        raise ValueError(f"g: expected shape [{sizes['T']}, {k}], got {list(g.shape)}")
    dlogits = empty_like(logits)
    _launch(_backward_kernel, logits, k, dlogits, g=g[:, :k])
    return dlogits


class RouteFunction(torch.autograd.Function):
    """`route` with the gradient of its weights; keeps the logits, and chooses again in the backward pass."""

    @staticmethod
    def forward(ctx: Any, logits: torch.Tensor, k: int) -> tuple[torch.Tensor, torch.Tensor]:
        ctx.save_for_backward(logits)
        ctx.k = k
        weights, experts = route(logits, k)
        ctx.mark_non_differentiable(experts)
        return weights, experts

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, g: torch.Tensor, _: torch.Tensor) -> tuple[torch.Tensor, None]:
        (logits,) = ctx.saved_tensors
        return route_backward(g.float(), logits, ctx.k), None


def route_autograd(logits: torch.Tensor, k: int) -> tuple[torch.Tensor, torch.Tensor]:
    """`route`, its weights differentiable in the logits."""
    return RouteFunction.apply(logits, k)
