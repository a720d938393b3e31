"""Wanda pruning (weight magnitude times activation norm, row by row), in PyTorch.

Sparsities and counts are exact: fractions and whole numbers.
Source: Sun, Liu, Bair, Kolter, "A Simple and Effective Pruning Approach for Large Language Models" (2023).
"""

from __future__ import annotations

from fractions import Fraction

import torch

FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
CHUNK = 2**24
"""Elements of calibration data that are widened to float64 at a time: 128 MiB."""


def sparsity_ratio(sparsity: float | str | Fraction) -> tuple[int, int]:
    """The sparsity as an exact (numerator, denominator), read as the number it prints as: 0.3 is 3/10.

    Errors: ValueError when it is not a number in [0, 1].
    """
    exact = Fraction(str(sparsity))
    if exact < 0 or exact > 1:
        raise ValueError(f"sparsity must be in [0, 1], got {sparsity}")
    return exact.as_integer_ratio()


def prune_count(columns: int, num: int, den: int) -> int:
    """How many of a row's weights a sparsity of num / den prunes: floor(num * columns / den), in whole numbers.

    Errors: ValueError unless 0 <= num <= den, den >= 1 and columns >= 0.
    """
    if den < 1 or not 0 <= num <= den:
        raise ValueError(f"sparsity must be a ratio num/den with 0 <= num <= den and den >= 1, got {num}/{den}")
    if columns < 0:
        raise ValueError(f"columns must not be negative, got {columns}")
    return num * columns // den


def _weights(w: torch.Tensor) -> None:
    if w.dtype not in FLOATS:
        raise TypeError(f"w must be floating point, got {w.dtype}")
    if w.ndim != 2:
        raise ValueError(f"w must be a matrix [R, C], got shape {tuple(w.shape)}")


def _prune_rows(w: torch.Tensor, score: torch.Tensor, num: int, den: int) -> tuple[torch.Tensor, torch.Tensor]:
    """In every row, zero the floor(num * C / den) weights of lowest score; equal scores go lower column first."""
    count = prune_count(w.shape[1], num, den)
    lowest = torch.sort(score, dim=1, stable=True).indices[:, :count]
    mask = torch.ones(w.shape, dtype=torch.bool, device=w.device).scatter_(1, lowest, False)
    return torch.where(mask, w, 0.0), mask


def _norms(x: torch.Tensor) -> torch.Tensor:
    """Column norms in float64, every column added in the same order, so that equal columns have equal norms."""
    total = torch.zeros(x.shape[1], dtype=torch.float64, device=x.device)
    for rows in x.split(max(1, CHUNK // max(1, x.shape[1]))):
        squares = rows.double().square()
        while len(squares) > 1:
            half = len(squares) // 2
            odd = squares[2 * half :].sum(0)  # the last row of an odd number, or zeros
            squares = squares[:half] + squares[half : 2 * half]
            squares[0] += odd
        total += squares[0]
    return total.sqrt()


def wanda(w: torch.Tensor, x: torch.Tensor, num: int, den: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Prune the weights that matter least to the output on the calibration inputs x.

    Formula   score[r, c] = |w[r, c]| * sqrt(sum_t x[t, c]^2); each row loses its floor(num * C / den) lowest scores
    Shapes    w float[R, C], x float[T, C] with T >= 1, on one device (dtypes may differ); num / den the sparsity
    Returns   pruned[R, C] of w's dtype, mask bool[R, C] (True = kept); kept weights keep their bits, pruned are +0
    Ties      equal scores prune the lower column first
    Inside    scores in float64: weights that differ keep different scores, where float32 products could tie them
    Errors    TypeError: dtypes; ValueError: shapes or devices do not fit, no tokens, not 0 <= num <= den, den < 1
    Source    Sun et al., A Simple and Effective Pruning Approach for Large Language Models, 2023
    """
    _weights(w)
    if x.dtype not in FLOATS:
        raise TypeError(f"x must be floating point, got {x.dtype}")
    if x.ndim != 2 or x.shape[1] != w.shape[1] or len(x) == 0:
        raise ValueError(
            f"x must be [T, C] with T >= 1 and C = {w.shape[1]} as in w {tuple(w.shape)}, got {tuple(x.shape)}"
        )
    if w.device != x.device:
        raise ValueError(f"wanda needs w and x on one device, got {w.device} and {x.device}")
    return _prune_rows(w, w.double().abs() * _norms(x), num, den)


def magnitude(w: torch.Tensor, num: int, den: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Prune by |w| alone: `wanda` where all columns of x have the same norm. Shapes, ties, errors as there."""
    _weights(w)
    return _prune_rows(w, w.abs(), num, den)


def prune_layers(w: torch.Tensor, x: torch.Tensor, excluded: torch.Tensor, num: int, den: int) -> torch.Tensor:
    """`wanda` on each layer except the excluded ones (embeddings, heads), whose bits are returned as they are.

    Shapes    w float[L, R, C], x float[L, T, C], excluded bool[L] (read by the host) -> w's dtype [L, R, C]
    Errors    ValueError: shapes do not fit; and as `wanda`
    """
    if w.ndim != 3 or x.ndim != 3 or len(x) != len(w) or excluded.shape != w.shape[:1]:
        raise ValueError(
            "prune_layers needs w[L, R, C], x[L, T, C], excluded[L]; "
            f"got {tuple(w.shape)}, {tuple(x.shape)}, {tuple(excluded.shape)}"
        )
    pruned = w.clone(memory_format=torch.contiguous_format)
    for layer, skip in enumerate(excluded.tolist()):
        if not skip:
            pruned[layer] = wanda(w[layer], x[layer], num, den)[0]
    return pruned
