"""Sampling for a batch on its device: one stable sort, cuts by rank and cumulative mass, a draw by the Gumbel maximum.

The largest of log q + Gumbel noise is a draw from q: no cumulative sum has to be searched, and rows are independent.

Logits of any float dtype. Errors: ValueError, as each function says; `greedy` refuses nothing.
Sources: Fan, Lewis and Dauphin, "Hierarchical neural story generation" (2018), for top-k; Holtzman and others, "The
curious case of neural text degeneration" (2020), for top-p.
"""

from __future__ import annotations

import torch


def _check(temperature: float, k: int, p: float) -> None:
    if not (temperature >= 0 and k >= 1 and 0 < p <= 1):
        raise ValueError(f"needs temperature >= 0, k >= 1 and 0 < p <= 1, got {temperature}, {k}, {p}")


def greedy(logits: torch.Tensor) -> torch.Tensor:
    """i64[N]: the largest logit of each row of logits[N, V], the lower number among equals."""
    # torch.argmax does not promise which of equals it returns.
    number = torch.arange(logits.shape[1], device=logits.device)
    largest = logits == logits.amax(1, keepdim=True)
    return torch.where(largest, number, logits.shape[1]).amin(1)


def _ranks(logits: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Sorted logits of each row, and for every sorted place the token it came from; equal ones by number."""
    return torch.sort(logits, dim=-1, descending=True, stable=True)


def top_k(logits: torch.Tensor, k: int) -> torch.Tensor:
    """bool[..., V]: the min(k, V) largest logits, exactly so many; equal logits by number. ValueError for k < 1."""
    _check(1, k, 1)
    _, tokens = _ranks(logits)
    kept = torch.zeros(logits.shape, dtype=torch.bool, device=logits.device)
    return kept.scatter_(-1, tokens[..., :k], True)


def top_p(logits: torch.Tensor, p: float) -> torch.Tensor:
    """bool[..., V]: the fewest tokens, by falling probability, that have probability p together; at least one.

    Sums are float32. Raises ValueError unless 0 < p <= 1.
    """
    _check(1, 1, p)
    ranked, tokens = _ranks(logits.float())
    mass = ranked.softmax(-1)
    above = mass.cumsum(-1) - mass
    inside = above < p
    inside[..., :1] = True
    return torch.zeros_like(inside).scatter_(-1, tokens, inside)


def probabilities(logits: torch.Tensor, kept: torch.Tensor, temperature: float) -> torch.Tensor:
    """f32[..., V]: softmax of logits / temperature over the kept tokens, 0 elsewhere; all 0 when nothing is kept.

    Raises ValueError for a temperature of 0 or below.
    """
    if not temperature > 0:
        raise ValueError(f"probabilities need temperature > 0, got {temperature}")
    scaled = (logits.float() / temperature).masked_fill(~kept, -torch.inf)
    return scaled.softmax(-1).masked_fill(~kept, 0.0)


def sample(logits: torch.Tensor, temperature: float, k: int, p: float, seed: int) -> torch.Tensor:
    """i64[N]: one token for each row of logits[N, V]. Temperature first, then top-k, then top-p among the k.

    The same seed gives the same tokens on one kind of device. Raises ValueError unless temperature >= 0, k >= 1 and
    0 < p <= 1.
    """
    _check(temperature, k, p)
    if temperature == 0:
        return greedy(logits)
    scaled = logits.float() / temperature
    scaled = scaled.masked_fill(~top_k(logits, k), -torch.inf)
    scaled = scaled.masked_fill(~top_p(scaled, p), -torch.inf)
    generator = torch.Generator(logits.device).manual_seed(seed)
    noise = torch.empty_like(scaled).exponential_(generator=generator)
    return greedy(scaled - noise.log())
