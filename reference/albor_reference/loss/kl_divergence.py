"""The Kullback-Leibler divergence of two distributions given as logits.

Formula, with log P = log softmax(p) and log Q = log softmax(q)
    KL_t  = sum_v P_tv (log P_tv - log Q_tv)
    dp_tv = g_t P_tv (log P_tv - log Q_tv - KL_t)          dq_tv = g_t (Q_tv - P_tv)
A class with P = 0 adds nothing (x log x goes to 0); one with P > 0 and Q = 0 makes the divergence infinite.

Arrays in, float64 out.
Source: Cover and Thomas, "Elements of Information Theory" (2006), section 2.3.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .cross_entropy import log_softmax

Array = NDArray[np.float64]


def _logs(p: ArrayLike, q: ArrayLike) -> tuple[Array, Array]:
    p, q = np.asarray(p, dtype=np.float64), np.asarray(q, dtype=np.float64)
    if p.ndim != 2 or p.shape != q.shape or p.shape[1] == 0:
        raise ValueError(f"expected logits p, q[T, V] with V >= 1, got shapes {list(p.shape)} and {list(q.shape)}")
    return log_softmax(p), log_softmax(q)


def _terms(lp: Array, lq: Array) -> Array:
    """log P - log Q where P > 0; elsewhere 0, since there it is only ever multiplied by P."""
    possible = lp > -np.inf
    return np.where(possible, np.where(possible, lp, 0.0) - lq, 0.0)


def kl_divergence(p: ArrayLike, q: ArrayLike) -> Array:
    """KL_t of softmax(p_t) from softmax(q_t), in nats, for logits p, q[T, V].

    Raises:
        ValueError: the logits do not have one shape [T, V].
    """
    lp, lq = _logs(p, q)
    return (np.exp(lp) * _terms(lp, lq)).sum(axis=1)


def kl_backward(g: ArrayLike, p: ArrayLike, q: ArrayLike) -> tuple[Array, Array]:
    """Gradients dp, dq[T, V] of sum_t g_t KL_t, for g[T].

    Raises:
        ValueError: the logits do not have one shape [T, V], or g is not [T].
    """
    lp, lq = _logs(p, q)
    g = np.asarray(g, dtype=np.float64)
    if g.shape != lp.shape[:1]:
        raise ValueError(f"g: expected shape {list(lp.shape[:1])}, got {list(g.shape)}")
    terms = _terms(lp, lq)
    kl = (np.exp(lp) * terms).sum(axis=1, keepdims=True)
    return g[:, None] * np.exp(lp) * (terms - kl), g[:, None] * (np.exp(lq) - np.exp(lp))
