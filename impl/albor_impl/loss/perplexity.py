"""Perplexity: exp of the mean negative log-likelihood over all valid tokens, in nats.

Losses of a whole corpus are summed in float64: in float32 a sum over 10^8 tokens no longer sees a token. `Perplexity`
adds up over batches; what it keeps is the sum and the number of tokens, never a perplexity or a mean.

Source: Jelinek et al., "Perplexity: a measure of the difficulty of speech recognition tasks" (1977).
"""

from __future__ import annotations

import math

import torch

from .._triton import unify
from .cross_entropy import check_labels, check_logits


def perplexity(nll: torch.Tensor, valid: torch.Tensor) -> torch.Tensor:
    """exp(sum of nll / number of tokens), float32 [], over the places of nll[B, S] where valid[B, S].

    Args:
        nll: negative log-likelihoods in nats, float32.
        valid: which places are tokens, bool.

    Raises:
        TypeError: a dtype is wrong. ValueError: the shapes differ, or no token is valid.
    """
    state = Perplexity()
    state.add(nll, valid)
    tokens = state.tokens
    if not tokens:
        raise ValueError("there is no valid token, so there is no perplexity")
    return torch.tensor(state.total / tokens, dtype=torch.float64, device=nll.device).exp().float()


class Perplexity:
    """The perplexity of a corpus that comes in batches."""

    def __init__(self) -> None:
        self.total = 0.0  # nats
        self.tokens = 0

    def add(self, nll: torch.Tensor, valid: torch.Tensor) -> None:
        """Count the valid tokens of a batch. Raises TypeError or ValueError when its tensors do not fit."""
        unify((torch.float32, torch.bool), nll=(nll, "B S"), valid=(valid, "B S"))
        if nll.dtype != torch.float32 or valid.dtype != torch.bool:
            raise TypeError(f"expected nll as float32 and valid as bool, got {nll.dtype} and {valid.dtype}")
        # where, not a product: what stands at a padded place may be NaN.
        self.total += float(torch.where(valid, nll, 0.0).sum(dtype=torch.float64))
        self.tokens += int(valid.sum())

    def value(self) -> float:
        """exp(total / tokens). Raises ValueError when there is no token."""
        if not self.tokens:
            raise ValueError("there is no valid token, so there is no perplexity")
        return math.exp(self.total / self.tokens)


def logits_perplexity(z: torch.Tensor, y: torch.Tensor, ignore: int) -> torch.Tensor:
    """exp of the cross-entropy of logits z[T, V] and labels y[T] over the labels that are not `ignore`, float32 [].

    For evaluation: no gradient is made.

    Raises:
        TypeError: a dtype is not supported.
        ValueError: shapes do not fit, a label is outside [0, V), or every label is `ignore`.
    """
    check_logits(z, "logits")
    # The host waits for the sum in any case, and PyTorch's cross-entropy takes a label for an index.
    check_labels(y, z, ignore, wait=True)
    nll = torch.nn.functional.cross_entropy(z.float(), y, ignore_index=ignore, reduction="none")
    return perplexity(nll[None], (y != ignore)[None])
