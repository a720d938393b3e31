"""log sum_j exp(x_j) over the last axis, whole or chunk by chunk, and its gradient.

Arrays in, float64 out. Over the empty set of finite logits, a row of -inf, the value is -inf.
Errors: ValueError for other shapes than x[R, N] and g[R], and for chunk < 1.
Source: Blanchard, Higham, Higham, "Accurately computing the log-sum-exp and softmax functions" (2021).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def _matrix(name: str, value: ArrayLike) -> NDArray[np.float64]:
    array = np.asarray(value, dtype=np.float64)
    if array.ndim != 2:
        raise ValueError(f"{name}: expected shape [R, N], got {list(array.shape)}")
    return array


def logsumexp(x: ArrayLike) -> NDArray[np.float64]:
    """lse[R] for logits x[R, N] in nats: m + log sum exp(x - m), m the largest logit of the row.

    Without the shift the sum overflows beyond 709. A row of -inf is not shifted, since -inf - (-inf) is NaN.
    Raises ValueError unless x is a matrix.
    """
    x = _matrix("x", x)
    largest = x.max(axis=1)
    shift = np.where(largest == -np.inf, 0.0, largest)
    with np.errstate(divide="ignore"):  # log 0 = -inf is the answer where nothing is finite
        return shift + np.log(np.exp(x - shift[:, None]).sum(axis=1))


def logsumexp_chunked(x: ArrayLike, chunk: int) -> NDArray[np.float64]:
    """lse[R] by chunks of `chunk` columns, the last one shorter: the logsumexp of the chunks' logsumexps.

    Raises ValueError unless chunk >= 1.
    """
    x = _matrix("x", x)
    if chunk < 1:
        raise ValueError(f"chunk: expected at least 1 column, got {chunk}")
    parts = [logsumexp(x[:, start : start + chunk]) for start in range(0, x.shape[1], chunk)]
    return logsumexp(np.stack(parts, axis=1))


def logsumexp_backward(g: ArrayLike, x: ArrayLike) -> NDArray[np.float64]:
    """dx[R, N] of sum(g * logsumexp(x)) for g[R]: the softmax times g.

    Formed from exp(x - max x) and not from exp(x - lse): lse is rounded, and far from 0 its rounding would show.
    """
    x, g = _matrix("x", x), np.asarray(g, dtype=np.float64)
    if g.shape != x.shape[:1]:
        raise ValueError(f"g: expected shape {[x.shape[0]]}, got {list(g.shape)}")
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return g[:, None] * e / e.sum(axis=1, keepdims=True)
