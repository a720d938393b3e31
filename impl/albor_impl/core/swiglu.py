"""The gated activation SwiGLU (Shazeer 2020, arXiv:2002.05202), forward and backward, in Triton.

    h = silu(gate) up          silu(x) = x s(x),  s(x) = 1 / (1 + exp(-x))
    dup = g silu(gate)         dgate = g up silu'(gate),  silu'(x) = s(x) (1 + x s(-x))

Traffic: three tensors forward, five backward, each once.
Errors: ValueError for shapes that differ, TypeError for dtypes that differ or are not float32, bfloat16, float16.
"""

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl
from torch.autograd.function import once_differentiable

from .._triton import empty_like, example, kernel, unify

TILE = 2048  # elements of a program
BLOCKS = (2048, 1024, 512)  # columns of a program, where a row has more than the last
FORWARD_WARPS = 4  # sixteen elements of a thread; backward, with more tensors, eight: measured on an H200
BACKWARD_WARPS = 8

_FORWARD = "gate=*{t} up=*{t} h=*{t} gate_stride=i32:16 up_stride=i32:16 rows=i32:16 n=i32:16 blocks=i32"
_BACKWARD = (
    "g=*{t} gate=*{t} up=*{t} dgate=*{t} dup=*{t} g_stride=i32:16 gate_stride=i32:16 up_stride=i32:16 "
    "rows=i32:16 n=i32:16 blocks=i32"
)


def _tiles(n: int, warps: int) -> dict[str, int]:
    """The columns and rows of a program: columns so that few of the last program of a row lie past its end."""
    block = triton.next_power_of_2(max(n, 1))
    if block > BLOCKS[-1]:
        block = min(BLOCKS, key=lambda columns: triton.cdiv(n, columns) * columns)
    return {"BLOCK": block, "ROWS": TILE // block, "num_warps": warps}


def _examples(types: str, warps: int) -> list[Any]:
    return [
        example(types.format(t=t), label=f"{label} {t}", **_tiles(n, warps))
        for label, n in {"350M": 4096, "7B": 14336, "narrow": 512}.items()
        for t in ("bf16", "fp32")
    ]


@kernel
def _sigmoids(x):
    """s(x) and s(-x), neither of which overflows or cancels for any x."""
    e = tl.exp(-tl.abs(x))
    near = 1.0 / (1.0 + e)
    return tl.where(x >= 0, near, e * near), tl.where(x >= 0, e * near, near)


@kernel
def _tile(rows, n, blocks, BLOCK: tl.constexpr, ROWS: tl.constexpr):
    """Rows and columns of this program's tile, and which of its elements exist. int64: offsets pass 2^31."""
    pid = tl.program_id(0)
    row = (pid // blocks).to(tl.int64) * ROWS + tl.arange(0, ROWS)[:, None]
    col = (pid % blocks).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)[None, :]
    return row, col, (row < rows) & (col < n)


@kernel(*_examples(_FORWARD, FORWARD_WARPS))
def _forward_kernel(
    gate, up, h, gate_stride, up_stride, rows, n, blocks,
    BLOCK: tl.constexpr, ROWS: tl.constexpr,
):  # fmt: skip
    row, col, mask = _tile(rows, n, blocks, BLOCK, ROWS)
    x = tl.load(gate + row * gate_stride + col, mask=mask, other=0.0).to(tl.float32)
    u = tl.load(up + row * up_stride + col, mask=mask, other=0.0).to(tl.float32)
    s, _ = _sigmoids(x)
    tl.store(h + row * n + col, x * s * u, mask=mask)


@kernel(*_examples(_BACKWARD, BACKWARD_WARPS))
def _backward_kernel(
    g, gate, up, dgate, dup, g_stride, gate_stride, up_stride, rows, n, blocks,
    BLOCK: tl.constexpr, ROWS: tl.constexpr,
):  # fmt: skip
    row, col, mask = _tile(rows, n, blocks, BLOCK, ROWS)
    grad = tl.load(g + row * g_stride + col, mask=mask, other=0.0).to(tl.float32)
    x = tl.load(gate + row * gate_stride + col, mask=mask, other=0.0).to(tl.float32)
    u = tl.load(up + row * up_stride + col, mask=mask, other=0.0).to(tl.float32)
    s, s_of_minus = _sigmoids(x)
    tl.store(dup + row * n + col, grad * (x * s), mask=mask)
    tl.store(dgate + row * n + col, grad * u * (s * (1.0 + x * s_of_minus)), mask=mask)


def _rows(tensor: torch.Tensor) -> torch.Tensor:
    """`tensor` itself when the elements of a row are adjacent (gate and up cut from one product), else a copy."""
    return tensor if tensor.stride(1) == 1 or tensor.shape[1] == 1 else tensor.contiguous()


def _check(**arguments: tuple[torch.Tensor, str]) -> tuple[int, int]:
    sizes = unify(**arguments)
    dtypes = {name: tensor.dtype for name, (tensor, _) in arguments.items()}
    if len(set(dtypes.values())) > 1:
        raise TypeError(f"expected one dtype, got {', '.join(f'{name} {dtype}' for name, dtype in dtypes.items())}")
    return sizes["R"], sizes["N"]


def _forward(gate: torch.Tensor, up: torch.Tensor, tiles: dict[str, int] | None = None) -> torch.Tensor:
    """`swiglu`; `tiles`, as `_tiles` gives them, decide speed alone."""
    rows, n = _check(gate=(gate, "R N"), up=(up, "R N"))
    h = empty_like(gate)
    if rows and n:
        gate, up = _rows(gate), _rows(up)
        tiles = tiles or _tiles(n, FORWARD_WARPS)
        blocks = triton.cdiv(n, tiles["BLOCK"])
        _forward_kernel[(triton.cdiv(rows, tiles["ROWS"]) * blocks,)](
            gate, up, h, gate.stride(0), up.stride(0), rows, n, blocks, **tiles
        )  # fmt: skip
    return h


def _backward(
    g: torch.Tensor, gate: torch.Tensor, up: torch.Tensor, tiles: dict[str, int] | None = None
) -> tuple[torch.Tensor, torch.Tensor]:
    """`swiglu_backward`; `tiles` as for `_forward`."""
    rows, n = _check(g=(g, "R N"), gate=(gate, "R N"), up=(up, "R N"))
    dgate, dup = empty_like(gate), empty_like(up)
    if rows and n:
        g, gate, up = _rows(g), _rows(gate), _rows(up)
        tiles = tiles or _tiles(n, BACKWARD_WARPS)
        blocks = triton.cdiv(n, tiles["BLOCK"])
        _backward_kernel[(triton.cdiv(rows, tiles["ROWS"]) * blocks,)](
            g, gate, up, dgate, dup, g.stride(0), gate.stride(0), up.stride(0), rows, n, blocks, **tiles
        )  # fmt: skip
    return dgate, dup


def swiglu(gate: torch.Tensor, up: torch.Tensor) -> torch.Tensor:
    """h[R, N] = gate / (1 + exp(-gate)) * up for gate[R, N], up[R, N]; their dtype.

    Raises ValueError for shapes that differ, TypeError for dtypes that differ or are not float32, bfloat16, float16.
    """
    return _forward(gate, up)


def swiglu_backward(g: torch.Tensor, gate: torch.Tensor, up: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """dgate[R, N] and dup[R, N] of sum(g * swiglu(gate, up)); both are computed before either is written."""
    return _backward(g, gate, up)


class SwiGLUFunction(torch.autograd.Function):
    """`swiglu` over tensors [..., N] with its gradients; keeps gate and up, and recomputes the activation."""

    @staticmethod
    def forward(ctx: Any, gate: torch.Tensor, up: torch.Tensor) -> torch.Tensor:
        if gate.shape != up.shape:
            raise ValueError(f"up: expected the shape of gate, {list(gate.shape)}, got {list(up.shape)}")
        shape = gate.shape
        gate, up = gate.reshape(-1, shape[-1]), up.reshape(-1, shape[-1])
        ctx.save_for_backward(gate, up)
        return swiglu(gate, up).view(shape)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, g: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        gate, up = ctx.saved_tensors
        dgate, dup = swiglu_backward(g.reshape(gate.shape), gate, up)
        return dgate.view(g.shape), dup.view(g.shape)


def swiglu_autograd(gate: torch.Tensor, up: torch.Tensor) -> torch.Tensor:
    """`swiglu` of tensors [..., N], differentiable in both."""
    return SwiGLUFunction.apply(gate, up)
