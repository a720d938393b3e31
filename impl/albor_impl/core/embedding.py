"""Embedding: rows of a table looked up by id, and the gradient of the table, in Triton.

    y_t  = w_(ids_t)          dw_v = sum of g_t over t with ids_t = v

The backward does not add atomically: the tokens are sorted by id, and the program of row v sums the gradients of its
tokens in their order in float32, rounds once and writes the row, zeros where there are none. So it is deterministic,
and dw needs no clearing. Traffic: the forward reads and writes T D elements, the backward reads T D and writes V D.
Ids are checked before anything is read, which waits for the device once.
"""

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl
from torch.autograd.function import once_differentiable

from .._triton import empty, example, kernel, unify
from ._rows import element_grid, element_tiles, one_dtype, tile, unit_columns

TOKENS = 16  # tokens that a program of the backward sums at once
WIDTH = 512  # columns of a program of the backward

_FORWARD = "ids=*i64 w=*{t} y=*{t} w_stride=i32:16 tokens=i32:16 d=i32:16 blocks=i32"
_BACKWARD = "g=*{t} order=*i64 first=*i64 dw=*{t} g_stride=i32:16 d=i32:16 blocks=i32"


def _width(d: int) -> int:
    return min(triton.next_power_of_2(d), WIDTH)


@kernel(*[example(_FORWARD.format(t=t), label=f"350M {t}", **element_tiles(1024)) for t in ("bf16", "fp32")])
def _forward_kernel(
    ids, w, y, w_stride, tokens, d, blocks, BLOCK: tl.constexpr, ROWS: tl.constexpr
):  # fmt: skip
    token, col = tile(blocks, BLOCK, ROWS)
    mask = (token < tokens) & (col < d)
    row = tl.load(ids + token, mask=token < tokens, other=0)
    tl.store(y + token * d + col, tl.load(w + row * w_stride + col, mask=mask, other=0.0), mask=mask)


@kernel(*[
    example(_BACKWARD.format(t=t), label=f"350M {t}", BLOCK=WIDTH, TOKENS=TOKENS, num_warps=4) for t in ("bf16", "fp32")
])  # fmt: skip
def _backward_kernel(
    g, order, first, dw, g_stride, d, blocks, BLOCK: tl.constexpr, TOKENS: tl.constexpr
):  # fmt: skip
    pid = tl.program_id(0)
    row = (pid // blocks).to(tl.int64)
    cols = (pid % blocks) * BLOCK + tl.arange(0, BLOCK)[None, :]
    begin, end = tl.load(first + row), tl.load(first + row + 1)
    total = tl.zeros([1, BLOCK], tl.float32)
    for start in range(begin, end, TOKENS):
        place = start + tl.arange(0, TOKENS)[:, None]
        token = tl.load(order + place, mask=place < end, other=0)
        mask = (place < end) & (cols < d)
        grad = tl.load(g + token * g_stride + cols, mask=mask, other=0.0).to(tl.float32)
        total += tl.sum(grad, axis=0, keep_dims=True)
    tl.store(dw + row * d + cols, total, mask=cols < d)


def check_ids(ids: torch.Tensor, vocabulary: int) -> None:
    """TypeError or ValueError unless `ids` is int64 [T] with values in [0, vocabulary)."""
    unify((torch.int64,), ids=(ids, "T"))
    outside = (ids < 0) | (ids >= vocabulary)
    if outside.any():
        token = int(outside.nonzero()[0])
        raise ValueError(f"id {int(ids[token])} of token {token} is outside [0, {vocabulary})")


def embedding(ids: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
    """y[T, D] with y_t = w_(ids_t) for ids[T] in int64 and the table w[V, D]; dtype of w, bit by bit.

    Raises ValueError for an id outside [0, V), negative ones included, and for shapes that do not fit; TypeError for
    other dtypes of w than float32, bfloat16, float16.
    """
    vocabulary, d = one_dtype(w=(w, "V D")).values()
    check_ids(ids, vocabulary)
    if ids.device != w.device:
        raise ValueError(f"ids are on {ids.device}, w is on {w.device}")
    y = empty((len(ids), d), w.dtype, w.device)
    if y.numel():
        ids, w = ids.contiguous(), unit_columns(w)
        tiles = element_tiles(d)
        grid, blocks = element_grid(len(ids), d, tiles)
        _forward_kernel[grid](ids, w, y, w.stride(0), len(ids), d, blocks, **tiles)
    return y


def embedding_backward(g: torch.Tensor, ids: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
    """dw[V, D] (dtype of w) of sum(g * embedding(ids, w)) for g[T, D]. Deterministic. Of w only the shape counts."""
    sizes = one_dtype(g=(g, "T D"), w=(w, "V D"))
    vocabulary, d = sizes["V"], sizes["D"]
    check_ids(ids, vocabulary)
    if len(ids) != len(g):
        raise ValueError(f"g: T is {len(g)}, but ids has T = {len(ids)}")
    dw = empty((vocabulary, d), w.dtype, w.device)
    if dw.numel():
        g = unit_columns(g)
        ordered, order = torch.sort(ids, stable=True)
        first = torch.searchsorted(ordered, torch.arange(vocabulary + 1, device=ids.device))
        width = _width(d)
        blocks = triton.cdiv(d, width)
        _backward_kernel[(vocabulary * blocks,)](
            g, order, first, dw, g.stride(0), d, blocks, BLOCK=width, TOKENS=TOKENS, num_warps=4
        )  # fmt: skip
    return dw


class EmbeddingFunction(torch.autograd.Function):
    """`embedding` of ids of any shape, with the gradient of the table; keeps the ids."""

    @staticmethod
    def forward(ctx: Any, ids: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(ids, w)
        return embedding(ids.reshape(-1), w).view(*ids.shape, w.shape[1])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, g: torch.Tensor) -> tuple[None, torch.Tensor]:
        ids, w = ctx.saved_tensors
        return None, embedding_backward(g.reshape(-1, g.shape[-1]), ids.reshape(-1), w)


def embedding_autograd(ids: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
    """`embedding` of ids [...] as [..., D], differentiable in w."""
    return EmbeddingFunction.apply(ids, w)
