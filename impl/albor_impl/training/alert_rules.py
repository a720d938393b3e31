"""Alert rules for a training loop: made once, asked at every step with two numbers of the host.

Losses are floats in nats, norms and factors floats, reasons and steps whole numbers.
Errors: ValueError as `AlertRules` says, and where loss and norm of a log differ in length. `guarded_clip` refuses
nothing.
Sources: Pascanu, Mikolov, Bengio, "On the difficulty of training recurrent neural networks" (2013), algorithm 1, for
the clip; the rules are the definitions in contracts/training/alert-rules-v1.yaml.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

import torch

NONE, NOT_FINITE, LOSS, NORM = range(4)


@dataclass(frozen=True)
class AlertRules:
    """`check(loss, norm)` gives the reason to stop, or NONE.

    The limit of the loss follows from the vocabulary: a run begins at ln V nats. The norm is that before clipping.
    Errors: ValueError for a vocabulary below 2, a factor not above 1, a norm_limit not above 0.
    """

    vocabulary: int
    factor: float = 1.5
    norm_limit: float = 100.0
    loss_limit: float = field(init=False)

    def __post_init__(self) -> None:
        if self.vocabulary < 2:
            raise ValueError(f"vocabulary: expected two tokens or more, got {self.vocabulary}")
        if not self.factor > 1:
            raise ValueError(
                f"factor: expected more than 1, got {self.factor}: a fresh run begins at ln V and would be stopped"
            )
        if not self.norm_limit > 0:
            raise ValueError(f"norm_limit: expected a positive number, got {self.norm_limit}")
        object.__setattr__(self, "loss_limit", self.factor * math.log(self.vocabulary))

    def check(self, loss: float, norm: float) -> int:
        """The reason to stop at this loss and norm, the first that applies, or NONE."""
        if not (math.isfinite(loss) and math.isfinite(norm)):
            return NOT_FINITE
        if loss > self.loss_limit:
            return LOSS
        return NORM if norm > self.norm_limit else NONE

    def first(self, steps: Iterable[tuple[float, float]]) -> tuple[int, int]:
        """Step and reason of the first alert in pairs of loss and norm; their number and NONE without one."""
        step = 0
        for loss, norm in steps:
            if reason := self.check(loss, norm):
                return step, reason
            step += 1
        return step, NONE


def alert(loss: float, norm: float, vocabulary: int, factor: float, norm_limit: float) -> int:
    """`AlertRules.check` for one step."""
    return AlertRules(vocabulary, factor, norm_limit).check(loss, norm)


def first_alert(
    loss: torch.Tensor, norm: torch.Tensor, vocabulary: int, factor: float, norm_limit: float
) -> tuple[int, int]:
    """`AlertRules.first` over loss[T] and norm[T] of a log."""
    rules = AlertRules(vocabulary, factor, norm_limit)
    return rules.first(zip(loss.tolist(), norm.tolist(), strict=True))


def guarded_clip(norm: float, max_norm: float, norm_limit: float) -> tuple[float, bool]:
    """The factor of clipping, min(1, max_norm / norm), and whether the norm before it stops the run.

    0 and True for a norm that is not finite: nothing of such a gradient may reach the weights.
    """
    if not math.isfinite(norm):
        return 0.0, True
    return min(1.0, max_norm / norm) if norm > 0 else 1.0, norm > norm_limit
