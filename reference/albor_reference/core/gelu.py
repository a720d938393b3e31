"""GELU (Hendrycks, Gimpel 2016, arXiv:1606.08415), exact and in its tanh form, each with its gradient.

exact   y = x P(x), P the distribution function of the standard normal
tanh    y = x (1 + tanh(z)) / 2, z = sqrt(2 / pi) (x + 0.044715 x^3)

The two differ by up to 4.7e-4 and are not interchangeable: a model must run with the form it was trained with.
Arrays of any shape in, float64 out.
Errors: ValueError where g has another shape than x.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

_erfc = np.vectorize(math.erfc, otypes=[np.float64])


def _normal(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """P(x) = erfc(-x / sqrt 2) / 2, which keeps its digits far below zero, where 1 + erf(x / sqrt 2) cancels."""
    return 0.5 * _erfc(-x / math.sqrt(2)) if x.size else x


def _tanh_argument(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)


def _pair(g: ArrayLike, x: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    g, x = np.asarray(g, dtype=np.float64), np.asarray(x, dtype=np.float64)
    if g.shape != x.shape:
        raise ValueError(f"g: expected shape {list(x.shape)}, got {list(g.shape)}")
    return g, x


def gelu(x: ArrayLike) -> NDArray[np.float64]:
    """y = x P(x), the exact form. Its minimum is -0.16997 at x = -0.75179."""
    x = np.asarray(x, dtype=np.float64)
    return x * _normal(x)


def gelu_backward(g: ArrayLike, x: ArrayLike) -> NDArray[np.float64]:
    """dx of sum(g * gelu(x)): dx = g (P(x) + x p(x)), p the density of the standard normal."""
    g, x = _pair(g, x)
    return g * (_normal(x) + x * np.exp(-x * x / 2) / math.sqrt(2 * math.pi))


def gelu_tanh(x: ArrayLike) -> NDArray[np.float64]:
    """y = x (1 + tanh(z)) / 2 with z = sqrt(2 / pi) (x + 0.044715 x^3), the tanh form."""
    x = np.asarray(x, dtype=np.float64)
    return 0.5 * x * (1 + np.tanh(_tanh_argument(x)))


def gelu_tanh_backward(g: ArrayLike, x: ArrayLike) -> NDArray[np.float64]:
    """dx of sum(g * gelu_tanh(x)): dx = g ((1 + t) / 2 + x (1 - t^2) z' / 2), t = tanh(z), z' the derivative of z."""
    g, x = _pair(g, x)
    t = np.tanh(_tanh_argument(x))
    slope = math.sqrt(2 / math.pi) * (1 + 3 * 0.044715 * x * x)
    return g * (0.5 * (1 + t) + 0.5 * x * (1 - t * t) * slope)
