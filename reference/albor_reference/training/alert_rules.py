"""Which loss or gradient norm stops a run: limits that know where a run begins, and what clipping hides.

Losses are floats in nats, norms and factors floats, reasons and steps whole numbers. `guarded_clip` refuses nothing.
Sources: Pascanu, Mikolov, Bengio, "On the difficulty of training recurrent neural networks" (2013), algorithm 1, for
the clip; the rules are the definitions in contracts/training/alert-rules-v1.yaml.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike


def _checked(vocabulary: int, factor: float, norm_limit: float) -> None:
    if vocabulary < 2:
        raise ValueError(f"vocabulary: expected at least 2 tokens, got {vocabulary}")
    if not factor > 1:
        raise ValueError(f"factor: expected more than 1, got {factor}: a run begins at a loss of ln V")
    if not norm_limit > 0:
        raise ValueError(f"norm_limit: expected a positive number, got {norm_limit}")


def alert(loss: float, norm: float, vocabulary: int, factor: float, norm_limit: float) -> int:
    """Why to stop: 1 not finite, 2 loss > factor ln V, 3 norm > norm_limit, 0 nothing; the first that applies.

    Units     loss in nats, the mean over tokens; norm of the gradient before clipping
    Errors    ValueError: a vocabulary below 2, a factor not above 1, a limit not above 0 (NaN is neither)
    """
    _checked(vocabulary, factor, norm_limit)
    if not np.isfinite([loss, norm]).all():
        return 1
    if loss > factor * np.log(vocabulary):
        return 2
    return 3 if norm > norm_limit else 0


def first_alert(loss: ArrayLike, norm: ArrayLike, vocabulary: int, factor: float, norm_limit: float) -> tuple[int, int]:
    """The first step of loss[T] and norm[T] whose `alert` is not 0, and that alert; T and 0 when there is none.

    Errors: as `alert`; ValueError where loss and norm differ in length.
    """
    reasons = [alert(l, n, vocabulary, factor, norm_limit) for l, n in zip(np.array(loss), np.array(norm), strict=True)]
    raised = np.flatnonzero(reasons)
    return (int(raised[0]), reasons[raised[0]]) if len(raised) else (len(reasons), 0)


def guarded_clip(norm: float, max_norm: float, norm_limit: float) -> tuple[float, bool]:
    """What to multiply a gradient by, min(1, max_norm / norm), and whether its norm before that stops the run.

    A norm that is not finite gives 0 and True. Source: Pascanu, Mikolov and Bengio 2013, algorithm 1.
    """
    if not np.isfinite(norm):
        return 0.0, True
    scale = max_norm / norm if norm > max_norm else 1.0
    return float(scale), bool(norm > norm_limit)
