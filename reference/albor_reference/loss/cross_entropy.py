"""Cross-entropy of next-token logits, with its gradient.

Formula
    lse_t   = log sum_j exp(z_tj)
    loss    = 1/n * sum over valid t of (lse_t - z_t,y_t)          n = number of valid tokens, y_t != ignore
    dz_tj   = (exp(z_tj - lse_t) - [j == y_t]) / n                 valid rows; exactly 0 on ignored rows

Arrays in, float64 out; logits and losses are in nats. `log_softmax` checks nothing.
Source: the negative log-likelihood of a categorical distribution in its exponential-family form; see
Goodfellow, Bengio, Courville, "Deep Learning" (2016), sections 4.1 and 6.2.2.3.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def checked(
    z: ArrayLike, y: ArrayLike, ignore: int
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.bool_]]:
    """Logits as float64, labels as int64 and the mask of valid tokens; ValueError when they do not fit together."""
    z = np.asarray(z, dtype=np.float64)
    y = np.asarray(y)
    if z.ndim != 2:
        raise ValueError(f"logits must have shape [T, V], got {list(z.shape)}")
    if y.shape != (z.shape[0],):
        raise ValueError(f"labels must have shape [{z.shape[0]}] like the rows of the logits, got {list(y.shape)}")
    if not np.issubdtype(y.dtype, np.integer):
        raise ValueError(f"labels must be integers, got {y.dtype}")
    valid = y != ignore
    outside = valid & ((y < 0) | (y >= z.shape[1]))
    if outside.any():
        row = int(np.flatnonzero(outside)[0])
        raise ValueError(
            f"label {int(y[row])} of token {row} is outside [0, {z.shape[1]}) and is not the ignored label {ignore}"
        )
    return z, y.astype(np.int64), valid


def log_softmax(z: NDArray[np.float64]) -> NDArray[np.float64]:
    """log softmax over the last axis. The maximum is taken off first, so that no exponential overflows."""
    shifted = z - z.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def cross_entropy(z: ArrayLike, y: ArrayLike, ignore: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean cross-entropy over the tokens whose label is not `ignore`, and its gradient with respect to the logits.

    Args:
        z: logits [T, V], in nats. -inf means probability zero.
        y: labels [T], integers in [0, V) or `ignore`.
        ignore: label of the tokens that do not count.

    Returns:
        loss, float64 [] in nats; dz, float64 [T, V]. Both are 0 when every token is ignored.

    Raises:
        ValueError: shapes do not fit, or a label is outside [0, V) and is not `ignore`.
    """
    z, y, valid = checked(z, y, ignore)
    dz = np.zeros_like(z)
    rows = np.flatnonzero(valid)
    n = len(rows)
    if n == 0:
        return np.array(0.0), dz

    # Only the valid rows are looked at: whatever stands in an ignored row, NaN included, cannot reach the result.
    log_p = log_softmax(z[rows])
    picked = (np.arange(n), y[rows])
    loss = -log_p[picked].sum() / n
    gradient = np.exp(log_p)
    gradient[picked] -= 1.0
    dz[rows] = gradient / n
    return np.array(loss), dz
