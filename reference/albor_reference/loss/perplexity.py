"""Perplexity: exp of the mean negative log-likelihood over all valid tokens, in nats.

Source: Jelinek et al., "Perplexity: a measure of the difficulty of speech recognition tasks" (1977).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .cross_entropy import cross_entropy


def perplexity(nll: ArrayLike, valid: ArrayLike) -> NDArray[np.float64]:
    """exp(sum of nll / number of tokens), float64 [], over the places of nll[B, S] where valid[B, S].

    Raises:
        ValueError: the shapes differ, or no token is valid.
    """
    nll, valid = np.asarray(nll, dtype=np.float64), np.asarray(valid, dtype=bool)
    if nll.ndim != 2 or nll.shape != valid.shape:
        raise ValueError(f"expected nll and valid [B, S], got shapes {list(nll.shape)} and {list(valid.shape)}")
    counted = nll[valid]
    if not counted.size:
        raise ValueError("there is no valid token, so there is no perplexity")
    return np.array(np.exp(counted.sum() / counted.size))


def logits_perplexity(z: ArrayLike, y: ArrayLike, ignore: int) -> NDArray[np.float64]:
    """exp of the cross-entropy of logits z[T, V] and labels y[T] over the labels that are not `ignore`, float64 [].

    Raises:
        ValueError: shapes do not fit, a label is outside [0, V) and is not `ignore`, or every label is `ignore`.
    """
    loss, _ = cross_entropy(z, y, ignore)
    if (np.asarray(y) == ignore).all():
        raise ValueError("there is no valid token, so there is no perplexity")
    return np.array(np.exp(loss))
