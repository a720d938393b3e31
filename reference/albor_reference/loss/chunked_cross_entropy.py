"""Cross-entropy over a vocabulary that comes in chunks.

The state of a token is m, the largest logit so far, l = sum of exp(z - m) over the classes so far, and the label's
logit. A chunk moves it on:
    m' = max(m, max_v z_v),   l' = exp(m - m') l + sum_v exp(z_v - m')
At the end
    loss  = 1/n sum over valid t of (m_t + log l_t - z_t,y_t)
    dz_tv = (exp(z_tv - m_t) / l_t - [v == y_t]) / n       valid rows; exactly 0 on ignored rows

Arrays in, float64 out; logits, m and losses are in nats.
Source: Milakov and Gimelshein, "Online normalizer calculation for softmax" (2018).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .cross_entropy import checked

Array = NDArray[np.float64]


def chunk_update(
    z: ArrayLike, y: ArrayLike, first: int, m: ArrayLike, l: ArrayLike, picked: ArrayLike
) -> tuple[Array, Array, Array]:
    """The state after one chunk.

    Args:
        z: logits of the chunk [T, V].
        y: labels [T] in the whole vocabulary; those of other chunks are left alone.
        first: class of the chunk's first column.
        m, l, picked: the state [T]; m = -inf, l = 0 where nothing was seen.

    Raises:
        ValueError: shapes do not fit together.
    """
    z, m, l, picked = (np.asarray(a, dtype=np.float64) for a in (z, m, l, picked))
    y = np.asarray(y)
    if z.ndim != 2 or any(a.shape != z.shape[:1] for a in (y, m, l, picked)):
        raise ValueError(f"expected z[T, V] and y, m, l, picked[T], got z {list(z.shape)} and y {list(y.shape)}")
    new = np.maximum(m, z.max(axis=1))
    # A token that has seen only impossible classes has a maximum of -inf: it is compared with 0 instead.
    base = np.where(np.isneginf(new), 0.0, new)
    total = l * np.exp(m - base) + np.exp(z - base[:, None]).sum(axis=1)
    here = (y >= first) & (y < first + z.shape[1])
    inside = np.where(here, y - first, 0)
    return new, total, np.where(here, z[np.arange(len(z)), inside], picked)


def chunked_cross_entropy(z: ArrayLike, y: ArrayLike, ignore: int, chunk: int) -> tuple[Array, Array]:
    """Mean cross-entropy over the valid tokens and its gradient, `chunk` classes at a time.

    Args:
        z: logits [T, V].
        y: labels [T], integers in [0, V) or `ignore`.
        ignore: label of the tokens that do not count.
        chunk: classes a chunk, at least 1; it need not divide V.

    Returns:
        loss, float64 [] in nats; dz, float64 [T, V]. Both are 0 when every token is ignored.

    Raises:
        ValueError: shapes do not fit, a label is outside [0, V) and is not `ignore`, or chunk is less than 1.
    """
    z, y, valid = checked(z, y, ignore)
    if chunk < 1:
        raise ValueError(f"chunk: expected at least 1 class, got {chunk}")
    dz = np.zeros_like(z)
    rows = np.flatnonzero(valid)
    if not len(rows):
        return np.array(0.0), dz
    z, y = z[rows], y[rows]
    state = np.full(len(rows), -np.inf), np.zeros(len(rows)), np.zeros(len(rows))
    for first in range(0, z.shape[1], chunk):
        state = chunk_update(z[:, first : first + chunk], y, first, *state)
    m, total, picked = state
    for first in range(0, z.shape[1], chunk):
        part = z[:, first : first + chunk]
        hot = y[:, None] == first + np.arange(part.shape[1])
        dz[rows, first : first + chunk] = (np.exp(part - m[:, None]) / total[:, None] - hot) / len(rows)
    return np.array((m + np.log(total) - picked).sum() / len(rows)), dz
