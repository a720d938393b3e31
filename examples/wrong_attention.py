"""Causal grouped-query attention that gives the query heads the wrong key heads.

`repeat` lays the key heads out as 0 1 0 1, `repeat_interleave` as 0 0 1 1. With one key head, or as many as query
heads, both are the same, and so are shapes, norms and the causal structure.

    albor-contracts verify attention/causal-gqa --binding examples.wrong_attention:attention
"""

from __future__ import annotations

import math

import torch


def attention(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """o[B, H, S, D] and logsumexp[B, H, S] for q[B, H, S, D], k and v[B, K, S, D]."""
    groups = q.shape[1] // k.shape[1]
    k, v = k.repeat(1, groups, 1, 1), v.repeat(1, groups, 1, 1)
    scores = q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])
    causal = torch.ones(scores.shape[-2:], dtype=torch.bool, device=q.device).tril()
    scores = scores.masked_fill(~causal, float("-inf"))
    return torch.softmax(scores, dim=-1) @ v, torch.logsumexp(scores, dim=-1)
