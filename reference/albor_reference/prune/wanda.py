"""Wanda: pruning by weight magnitude times activation norm, row by row.

Sparsities and counts are exact: fractions and whole numbers.
Source: Sun, Liu, Bair, Kolter, "A Simple and Effective Pruning Approach for Large Language Models" (2023).
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np


def sparsity_ratio(sparsity: float | str | Fraction) -> tuple[int, int]:
    """The sparsity as an exact (numerator, denominator), read as the number it prints as: 0.3 is 3/10.

    Errors: ValueError when it is not a number in [0, 1].
    """
    ratio = Fraction(str(sparsity))
    if not 0 <= ratio <= 1:
        raise ValueError(f"sparsity must be in [0, 1], got {sparsity}")
    return ratio.numerator, ratio.denominator


def prune_count(columns: int, num: int, den: int) -> int:
    """How many of a row's weights a sparsity of num / den prunes: floor(num * columns / den), in whole numbers.

    Errors: ValueError unless 0 <= num <= den, den >= 1 and columns >= 0.
    """
    if den < 1 or not 0 <= num <= den:
        raise ValueError(f"sparsity must be a ratio num/den with 0 <= num <= den and den >= 1, got {num}/{den}")
    if columns < 0:
        raise ValueError(f"columns must not be negative, got {columns}")
    return num * columns // den


def _prune_rows(w: np.ndarray, score: np.ndarray, num: int, den: int) -> tuple[np.ndarray, np.ndarray]:
    """In every row, zero the floor(num * C / den) weights of lowest score; equal scores go lower column first."""
    rows, columns = w.shape
    count = prune_count(columns, num, den)
    mask = np.ones((rows, columns), dtype=bool)
    for r in range(rows):
        mask[r, np.argsort(score[r], kind="stable")[:count]] = False
    return np.where(mask, w, 0.0), mask


def _matrix(w: np.ndarray) -> np.ndarray:
    w = np.asarray(w, dtype=np.float64)
    if w.ndim != 2:
        raise ValueError(f"w must be a matrix [R, C], got shape {w.shape}")
    return w


def wanda(w: np.ndarray, x: np.ndarray, num: int, den: int) -> tuple[np.ndarray, np.ndarray]:
    """Prune the weights that matter least to the output on the calibration inputs x.

    Formula   score[r, c] = |w[r, c]| * sqrt(sum_t x[t, c]^2)
              each row r loses its k = floor(num * C / den) lowest scores
    Shapes    w float[R, C] (C input features), x float[T, C] with T >= 1 calibration tokens, num / den the sparsity
    Returns   pruned f64[R, C], mask bool[R, C] (True = kept); kept weights are unchanged, pruned ones are +0
    Ties      equal scores prune the lower column first
    Errors    ValueError: shapes do not fit, no tokens, not 0 <= num <= den, den < 1
    Source    Sun et al., A Simple and Effective Pruning Approach for Large Language Models, 2023. The score is the
              norm of the change of output row r over the tokens if that one weight is removed.
    """
    w, x = _matrix(w), np.asarray(x, dtype=np.float64)
    if x.ndim != 2 or x.shape[1] != w.shape[1] or len(x) == 0:
        raise ValueError(f"x must be [T, C] with T >= 1 and C = {w.shape[1]} as in w {w.shape}, got {x.shape}")
    return _prune_rows(w, np.abs(w) * np.sqrt(np.sum(x * x, axis=0)), num, den)


def magnitude(w: np.ndarray, num: int, den: int) -> tuple[np.ndarray, np.ndarray]:
    """Prune by |w| alone: `wanda` where all columns of x have the same norm. Shapes, ties, errors as there."""
    w = _matrix(w)
    return _prune_rows(w, np.abs(w), num, den)


def prune_layers(w: np.ndarray, x: np.ndarray, excluded: np.ndarray, num: int, den: int) -> np.ndarray:
    """`wanda` on each layer except the excluded ones (embeddings, heads), which are returned as they are.

    Shapes    w float[L, R, C], x float[L, T, C], excluded bool[L]
    Returns   f64[L, R, C]
    Errors    ValueError: shapes do not fit, or as `wanda`
    """
    w, x, excluded = np.asarray(w, dtype=np.float64), np.asarray(x, dtype=np.float64), np.asarray(excluded)
    if w.ndim != 3 or x.ndim != 3 or len(x) != len(w) or excluded.shape != w.shape[:1]:
        raise ValueError(
            f"prune_layers needs w[L, R, C], x[L, T, C], excluded[L]; got {w.shape}, {x.shape}, {excluded.shape}"
        )
    pruned = np.empty_like(w)
    for layer in range(len(w)):
        candidate, _ = wanda(w[layer], x[layer], num, den)
        pruned[layer] = w[layer] if excluded[layer] else candidate
    return pruned
