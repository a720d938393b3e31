"""Selection by a condition, y = a where pred holds and b elsewhere, and its gradient. Float64 throughout.

Arrays of any shape. Errors: TypeError unless pred holds truth values, ValueError for shapes that differ.
Source: the definition in contracts/core/select-v1.yaml.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def _condition(pred: ArrayLike, *shapes: tuple[int, ...]) -> NDArray[np.bool_]:
    pred = np.asarray(pred)
    if pred.dtype != np.bool_:
        raise TypeError(f"pred: expected truth values as the first argument, got {pred.dtype}")
    for shape in shapes:
        if shape != pred.shape:
            raise ValueError(f"expected the shape of pred, {list(pred.shape)}, got {list(shape)}")
    return pred


def select(pred: ArrayLike, a: ArrayLike, b: ArrayLike) -> NDArray[np.float64]:
    """y = a where pred, else b. What is not selected does not matter, NaN and infinities included.

    Raises TypeError unless pred holds truth values (arguments in another order), ValueError for shapes that differ.
    """
    a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    pred = _condition(pred, a.shape, b.shape)
    y = b.copy()
    y[pred] = a[pred]
    return y


def select_backward(g: ArrayLike, pred: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """da and db of sum(g * select(pred, a, b)): g where the input was selected, exactly 0 elsewhere."""
    g = np.asarray(g, dtype=np.float64)
    pred = _condition(pred, g.shape)
    da, db = np.zeros_like(g), np.zeros_like(g)
    da[pred], db[~pred] = g[pred], g[~pred]
    return da, db
