"""The gated activation SwiGLU (Shazeer 2020, arXiv:2002.05202): h = silu(gate) up, silu(x) = x / (1 + exp(-x)).

Arrays in, float64 out.
Errors: ValueError for shapes that differ.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def _sigmoid(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """1 / (1 + exp(-x)) without overflow: for x < 0 both sides are multiplied by exp(x)."""
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, 1 / (1 + e), e / (1 + e))


def _same_shape(**arguments: ArrayLike) -> list[NDArray[np.float64]]:
    arrays = {name: np.asarray(value, dtype=np.float64) for name, value in arguments.items()}
    if len({array.shape for array in arrays.values()}) != 1:
        found = ", ".join(f"{name} {array.shape}" for name, array in arrays.items())
        raise ValueError(f"expected one shape, got {found}")
    return list(arrays.values())


def swiglu(gate: ArrayLike, up: ArrayLike) -> NDArray[np.float64]:
    """h[R, N] = silu(gate) * up for gate[R, N], up[R, N]."""
    gate, up = _same_shape(gate=gate, up=up)
    return gate * _sigmoid(gate) * up


def swiglu_backward(g: ArrayLike, gate: ArrayLike, up: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Gradients dgate[R, N], dup[R, N] of sum(g * swiglu(gate, up)) for g[R, N].

    dup = g silu(gate);  dgate = g up silu'(gate),  silu'(x) = s(x) (1 + x (1 - s(x))) with s the sigmoid, and
    1 - s(x) = s(-x), which does not cancel.
    """
    g, gate, up = _same_shape(g=g, gate=gate, up=up)
    s = _sigmoid(gate)
    return g * up * s * (1 + gate * _sigmoid(-gate)), g * gate * s
