"""The next token from logits: greedy, or drawn after temperature, top-k and top-p.

Source: Fan and others 2018 (top-k); Holtzman and others 2020 (top-p).
Logits and probabilities are float64, masks bool[V], ids int64. `greedy` refuses nothing.
"""

from __future__ import annotations

import numpy as np


def greedy(logits: np.ndarray) -> np.ndarray:
    """The largest logit of each row of logits[N, V], the lower number among equals: ids[N] (int64)."""
    return logits.argmax(axis=1)


def _falling(logits: np.ndarray) -> np.ndarray:
    """Token numbers by falling logit, the lower number first among equals."""
    return np.lexsort((np.arange(len(logits)), -logits))


def top_k(logits: np.ndarray, k: int) -> np.ndarray:
    """True for the min(k, V) largest of logits[V]; equal logits by number. Errors: ValueError for k < 1."""
    if k < 1:
        raise ValueError(f"top-k needs k >= 1, got {k}")
    kept = np.zeros(len(logits), dtype=bool)
    kept[_falling(logits)[:k]] = True
    return kept


def top_p(logits: np.ndarray, p: float) -> np.ndarray:
    """True for the fewest of logits[V], by falling probability, that have probability p together; at least one.

    Errors: ValueError unless 0 < p <= 1.
    """
    if not 0 < p <= 1:
        raise ValueError(f"top-p needs 0 < p <= 1, got {p}")
    order = _falling(logits)
    mass = np.exp(logits[order] - logits[order[0]])
    above = np.cumsum(mass) - mass
    kept = np.zeros(len(logits), dtype=bool)
    kept[order] = above < p * mass.sum()
    kept[order[0]] = True
    return kept


def probabilities(logits: np.ndarray, kept: np.ndarray, temperature: float) -> np.ndarray:
    """Softmax of logits[V] / temperature over the kept tokens, 0 elsewhere; all 0 when nothing is kept.

    Errors: ValueError for a temperature of 0 or below.
    """
    if temperature <= 0:
        raise ValueError(f"probabilities need temperature > 0, got {temperature}")
    q = np.zeros(len(logits))
    if kept.any():
        scaled = logits[kept] / temperature
        e = np.exp(scaled - scaled.max())
        q[kept] = e / e.sum()
    return q


def sample(logits: np.ndarray, temperature: float, k: int, p: float, seed: int) -> np.ndarray:
    """One token for each row of logits[N, V]: ids[N]. Temperature first, then top-k, then top-p among the k.

    Drawn by inverting the distribution function at one uniform number for each row.
    Errors: ValueError unless temperature >= 0, k >= 1 and 0 < p <= 1.
    """
    if not (temperature >= 0 and k >= 1 and 0 < p <= 1):
        raise ValueError(f"needs temperature >= 0, k >= 1 and 0 < p <= 1, got {temperature}, {k}, {p}")
    if temperature == 0:
        return greedy(logits)
    rng = np.random.default_rng(seed)
    u = rng.random(len(logits))
    order = np.argsort(-logits, axis=1, kind="stable")
    scaled = np.take_along_axis(logits, order, axis=1) / temperature
    mass = np.exp(scaled - scaled[:, :1])
    mass[:, k:] = 0
    above = np.cumsum(mass, axis=1) - mass
    mass[above >= p * mass.sum(axis=1, keepdims=True)] = 0
    share = np.cumsum(mass, axis=1) / mass.sum(axis=1, keepdims=True)
    place = np.minimum((share <= u[:, None]).sum(axis=1), (mass > 0).sum(axis=1) - 1)
    return order[np.arange(len(logits)), place]
