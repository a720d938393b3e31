"""Three layers, y = W2 tanh(W1 tanh(W0 x)), and two orders of their updates W - lr dW that must not differ.

Weights w[3, N, N], inputs x[B, N], gradients g[B, N] of y. Arrays in, float64 out.
Source: Rumelhart, Hinton, Williams (1986) for the gradients; Lv et al. (2023), section 3, for the fused update.
Errors: ValueError for other shapes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


def _inputs(w: ArrayLike, x: ArrayLike) -> tuple[Array, list[Array]]:
    """The weights, and the input of every layer."""
    # One layout for all: BLAS sums in another order where a matrix lies transposed, and bits are compared here.
    w, x = np.ascontiguousarray(w, dtype=np.float64), np.asarray(x, dtype=np.float64)
    if w.ndim != 3 or w.shape[0] != 3 or w.shape[1] != w.shape[2] or x.shape[1:] != w.shape[2:]:
        raise ValueError(f"expected w[3, N, N] and x[B, N], got shapes {w.shape} and {x.shape}")
    inputs = [x]
    for layer in w[:-1]:
        inputs.append(np.tanh(inputs[-1] @ layer.T))
    return w, inputs


def network(w: ArrayLike, x: ArrayLike) -> Array:
    """y[B, N]."""
    layers, inputs = _inputs(w, x)
    return inputs[-1] @ layers[-1].T


def weight_gradients(g: ArrayLike, w: ArrayLike, x: ArrayLike) -> Array:
    """dw[3, N, N] of sum(g * network(w, x)). tanh' = 1 - tanh^2."""
    layers, inputs = _inputs(w, x)
    dy = np.asarray(g, dtype=np.float64)
    found = np.empty_like(layers)
    for layer in (2, 1, 0):
        found[layer] = dy.T @ inputs[layer]
        dy = (dy @ layers[layer]) * (1 - inputs[layer] ** 2)  # for the layer below; that of x itself is not needed
    return found


def decoupled(g: ArrayLike, w: ArrayLike, x: ArrayLike, lr: float) -> Array:
    """All gradients first, then all updates: w - lr dw."""
    return np.asarray(w, dtype=np.float64) - lr * weight_gradients(g, w, x)


def interleaved(g: ArrayLike, w: ArrayLike, x: ArrayLike, lr: float) -> Array:
    """Each layer is updated as soon as the gradient of its own input has been formed."""
    layers, inputs = _inputs(w, x)
    layers = layers.copy()
    dy = np.asarray(g, dtype=np.float64)
    for layer in (2, 1, 0):
        below = (dy @ layers[layer]) * (1 - inputs[layer] ** 2)
        layers[layer] -= lr * (dy.T @ inputs[layer])
        dy = below
    return layers
