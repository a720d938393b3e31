"""Router of a mixture of experts: which experts see a token, and with which weights.

Source: Shazeer and others 2017; Jiang and others, Mixtral of experts, 2024.
Arrays are float64, experts int64.
"""

from __future__ import annotations

import numpy as np


def _softmax(x: np.ndarray) -> np.ndarray:
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def _order(logits: np.ndarray, k: int) -> np.ndarray:
    """Experts by falling logit, the lower number first among equals, cut to k."""
    if not 1 <= k <= logits.shape[1]:
        raise ValueError(f"k must satisfy 1 <= k <= {logits.shape[1]} experts, got {k}")
    return np.argsort(-logits, axis=1, kind="stable")[:, :k]


def route(logits: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Weights and experts of every token.

    Formula   experts: the k largest of a token's logits; weights: softmax over these k
    Shapes    logits[T, E] -> weights[T, k], experts[T, k] (int64), both by falling logit
    Errors    ValueError unless 1 <= k <= E
    """
    experts = _order(logits, k)
    return _softmax(np.take_along_axis(logits, experts, axis=1)), experts


def route_padded(logits: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """`route` with as many slots as experts, [T, E]: weight 0 and expert -1 from slot k on."""
    weights, experts = route(logits, k)
    rest = ((0, 0), (0, logits.shape[1] - k))
    return np.pad(weights, rest), np.pad(experts, rest, constant_values=-1)


def route_backward(g: np.ndarray, logits: np.ndarray, k: int) -> np.ndarray:
    """Gradient of sum(g * weights) with respect to the logits, the choice taken as given.

    Formula   J^T g with the Jacobian of the softmax, J = diag(w) - w w^T, at the chosen experts; 0 elsewhere
    Shapes    g[T, k] (further slots are not read), logits[T, E] -> dlogits[T, E]
    Errors    ValueError unless 1 <= k <= E
    """
    experts = _order(logits, k)
    dlogits = np.zeros_like(logits)
    for token, chosen in enumerate(experts):
        w = _softmax(logits[token, chosen])
        dlogits[token, chosen] = (np.diag(w) - np.outer(w, w)) @ g[token, :k]
    return dlogits
