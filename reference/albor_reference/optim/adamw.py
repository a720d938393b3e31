"""AdamW with one global gradient-norm clip over all tensors.

Formula, for every element of every tensor, step = 1, 2, ...
    norm = sqrt(sum over all tensors of g^2)
    c    = min(1, max_norm / norm)                  1 when norm is 0 or max_norm is inf
    m'   = b1 m + (1 - b1) (c g)
    v'   = b2 v + (1 - b2) (c g)^2
    p'   = p - lr * ( (m' / (1 - b1^step)) / (sqrt(v' / (1 - b2^step)) + eps) + weight_decay * p )
Weight decay is decoupled: it sees the old p and never enters m or v. One scalar c for all tensors keeps the
direction of the whole gradient. A norm that is NaN or infinite means that the step must not happen.

Arrays in, float64 out. `clip_coefficient` checks nothing.
Sources: Kingma, Ba, "Adam" (2015), algorithm 1; Loshchilov, Hutter, "Decoupled Weight Decay Regularization" (2019),
algorithm 2; Pascanu, Mikolov, Bengio, "On the difficulty of training recurrent neural networks" (2013), algorithm 1.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray


def check_hyperparameters(
    step: int, lr: float, beta1: float, beta2: float, eps: float, weight_decay: float, max_norm: float
) -> None:
    """ValueError naming the first hyper-parameter that is outside its range."""
    if step < 1:
        raise ValueError(f"step counts from 1, got {step}")
    for name, value in (("beta1", beta1), ("beta2", beta2)):
        if not 0.0 <= value < 1.0:
            raise ValueError(f"{name} must be in [0, 1), got {value}")
    for name, value in (("lr", lr), ("eps", eps), ("weight_decay", weight_decay)):
        if not (value >= 0.0 and math.isfinite(value)):
            raise ValueError(f"{name} must be finite and not negative, got {value}")
    if not max_norm >= 0.0:
        raise ValueError(f"max_norm must not be negative (inf means no clipping), got {max_norm}")


def clip_coefficient(norm: float, max_norm: float) -> float:
    """min(1, max_norm / norm); 1 when there is nothing to clip."""
    if norm == 0.0 or norm <= max_norm:
        return 1.0
    return max_norm / norm


def adamw(
    p: ArrayLike,
    g: ArrayLike,
    m: ArrayLike,
    v: ArrayLike,
    step: int,
    lr: float,
    beta1: float,
    beta2: float,
    eps: float,
    weight_decay: float,
    max_norm: float,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """One AdamW step on L tensors of P elements each.

    Args:
        p, g: parameters and gradients [L, P]; each row stands for one tensor.
        m, v: first and second moment [L, P], zero before the first step, v >= 0.
        step: number of this step, from 1.
        lr, beta1, beta2, eps, weight_decay: see the formula.
        max_norm: largest global norm that is not clipped; inf switches clipping off.

    Returns:
        p', m', v' as float64 [L, P], and the norm before clipping, float64 []. When that norm is not finite,
        p, m and v come back unchanged.

    Raises:
        ValueError: shapes differ or a hyper-parameter is outside its range.
    """
    check_hyperparameters(step, lr, beta1, beta2, eps, weight_decay, max_norm)
    p, g, m, v = (np.array(a, dtype=np.float64) for a in (p, g, m, v))
    if p.ndim != 2 or not p.shape == g.shape == m.shape == v.shape:
        raise ValueError(
            f"p, g, m and v must have one shape [L, P], got {list(p.shape)}, {list(g.shape)}, {list(m.shape)}, "
            f"{list(v.shape)}"
        )
    norm = float(np.sqrt((g * g).sum()))
    if not math.isfinite(norm):
        return p, m, v, np.array(norm)

    clipped = clip_coefficient(norm, max_norm) * g
    m = beta1 * m + (1.0 - beta1) * clipped
    v = beta2 * v + (1.0 - beta2) * clipped**2
    m_hat = m / (1.0 - beta1**step)
    v_hat = v / (1.0 - beta2**step)
    p = p - lr * (m_hat / (np.sqrt(v_hat) + eps) + weight_decay * p)
    return p, m, v, np.array(norm)
