"""Feed-forward layer of a mixture of experts, token by token: routed SwiGLU experts and a shared one with its gate.

Layouts: gate and up [E, I, H], down [E, H, I] (rows are outputs). Source: Shazeer 2020; Qwen1.5-MoE, 2024.
Arrays are float64, experts whole numbers. `mlp` leaves shapes that do not fit to NumPy.
"""

from __future__ import annotations

import numpy as np


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return np.exp(-np.logaddexp(0, -x))


def mlp(x: np.ndarray, gate: np.ndarray, up: np.ndarray, down: np.ndarray) -> np.ndarray:
    """One expert: down (silu(gate x) * (up x)) for x[T, H], gate and up [I, H], down [H, I] -> [T, H]."""
    a = np.einsum("th,ih->ti", x, gate)
    b = np.einsum("th,ih->ti", x, up)
    return np.einsum("ti,hi->th", a * _sigmoid(a) * b, down)


def dispatch(
    x: np.ndarray,
    gate: np.ndarray,
    up: np.ndarray,
    down: np.ndarray,
    weights: np.ndarray,
    experts: np.ndarray,
    shared_gate: np.ndarray,
    shared_up: np.ndarray,
    shared_down: np.ndarray,
    shared_weight: np.ndarray,
) -> np.ndarray:
    """y[T, H] of x[T, H]: the weighted sum of each token's experts, and the shared expert times its gate.

    Formula   sum_k weights[t, k] mlp(x_t, expert experts[t, k]) + sigmoid(shared_weight x_t) mlp(x_t, shared)
    Errors    ValueError for an expert outside [0, E), or weights and experts that are not both [T, K]
    """
    if weights.shape != experts.shape or len(experts) != len(x):
        raise ValueError(f"weights {weights.shape} and experts {experts.shape} must both be [T, K], T {len(x)}")
    if experts.size and not (experts.min() >= 0 and experts.max() < len(gate)):
        raise ValueError(f"experts must lie in [0, {len(gate)}), got {experts.min()} to {experts.max()}")
    y = np.zeros_like(x)
    shared = mlp(x, shared_gate, shared_up, shared_down)
    for t, chosen in enumerate(experts):
        for k, e in enumerate(chosen):
            y[t] += weights[t, k] * mlp(x[t : t + 1], gate[e], up[e], down[e])[0]
        y[t] += _sigmoid(x[t] @ shared_weight) * shared[t]
    return y


def unfuse(fused: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Gate and up of fused[E, 2 I, H]: the first and the second half of each expert's rows.

    Errors: ValueError for an odd number of rows.
    """
    if fused.shape[1] % 2:
        raise ValueError(f"fused must have an even number of rows an expert, got {fused.shape[1]}")
    gate, up = np.split(fused, 2, axis=1)
    return gate, up
