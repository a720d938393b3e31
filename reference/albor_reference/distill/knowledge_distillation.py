"""Knowledge distillation from teacher logits, with the gradient for the student.

Formula, for a token with teacher logits t, student logits s and label y
    p = softmax(t / T)      q = softmax(s / T)
    loss_row = alpha * T^2 * sum_j p_j (log p_j - log q_j)  +  (1 - alpha) * (logsumexp(s) - s_y)
    ds_j     = alpha * T * (q_j - p_j)                      +  (1 - alpha) * (softmax(s)_j - [j == y])
Both are averaged over the n tokens whose label is not ignored. T^2 keeps the size of the soft gradient comparable
when T changes (it is not constant in T; only its limit for T -> infinity is).

Arrays in, float64 out; logits and losses are in nats. `kl_divergence` takes log-probabilities, and checks nothing.
Source: Hinton, Vinyals, Dean, "Distilling the Knowledge in a Neural Network" (2015), section 2.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from albor_reference.loss.cross_entropy import checked, log_softmax


def kl_divergence(log_p: NDArray[np.float64], log_q: NDArray[np.float64]) -> NDArray[np.float64]:
    """KL(p || q) over the last axis, in nats, from log-probabilities.

    0 * log 0 is 0, and a p_j > 0 that meets q_j = 0 makes the divergence +inf. Both are decided on the logarithms:
    a p_j that only underflows to 0 is not a probability of zero.
    """
    impossible = log_p == -np.inf
    # Where p_j is 0 the difference may be inf - inf; such places are left out before the product is formed.
    difference = np.subtract(log_p, log_q, out=np.zeros_like(log_p), where=~impossible)
    finite = np.isfinite(difference)
    terms = np.multiply(np.exp(log_p), difference, out=difference.copy(), where=finite)
    return terms.sum(axis=-1)


def knowledge_distillation(
    s: ArrayLike, t: ArrayLike, y: ArrayLike, alpha: float, temperature: float, ignore: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Distillation loss, mean over the tokens whose label is not `ignore`, and its gradient for the student.

    Args:
        s: student logits [T, V]. -inf means probability zero.
        t: teacher logits [T, V], over the same vocabulary.
        y: labels [T], integers in [0, V) or `ignore`.
        alpha: share of the soft part, in [0, 1]. 0 is exactly cross-entropy, 1 ignores the labels' values:
            the part with weight zero is not evaluated, so that an infinite one does not become NaN.
        temperature: T > 0, divides both logits in the soft part only.
        ignore: label of the tokens that do not count.

    Returns:
        loss, float64 [] in nats; ds, float64 [T, V]. Both are 0 when every token is ignored.

    Raises:
        ValueError: shapes, vocabulary sizes, labels, alpha or temperature do not fit.
    """
    if not 0.0 <= alpha <= 1.0:
        raise ValueError(f"alpha must be in [0, 1], got {alpha}")
    if not (temperature > 0.0 and np.isfinite(temperature)):
        raise ValueError(f"temperature must be positive and finite, got {temperature}")
    t = np.asarray(t, dtype=np.float64)
    if t.shape != np.shape(s):
        raise ValueError(
            f"student logits {list(np.shape(s))} and teacher logits {list(t.shape)} must have the same number of rows "
            "and the same vocabulary"
        )
    s, y, valid = checked(s, y, ignore)
    ds = np.zeros_like(s)
    rows = np.flatnonzero(valid)
    n = len(rows)
    if n == 0:
        return np.array(0.0), ds

    s, t, picked = s[rows], t[rows], (np.arange(n), y[rows])
    loss = np.zeros(n)
    gradient = np.zeros_like(s)
    if alpha > 0.0:
        log_p = log_softmax(t / temperature)
        log_q = log_softmax(s / temperature)
        loss += alpha * temperature**2 * kl_divergence(log_p, log_q)
        gradient += alpha * temperature * (np.exp(log_q) - np.exp(log_p))
    if alpha < 1.0:
        log_softmax_s = log_softmax(s)
        hard = np.exp(log_softmax_s)
        hard[picked] -= 1.0
        loss += (1.0 - alpha) * -log_softmax_s[picked]
        gradient += (1.0 - alpha) * hard
    ds[rows] = gradient / n
    return np.array(loss.sum() / n), ds
