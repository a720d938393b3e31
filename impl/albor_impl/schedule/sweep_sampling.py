"""Values for the trials of a sweep, on the host: a hash of seed, name and number is the random number of a trial.

No generator has a state: trial 17 can be drawn by itself, on any machine, in any order.

    log-uniform   x = low (high / low)^u, within [low, high]          choice   floor(options u)          u in [0, 1)

Values are float64, choices int64, one a trial. Errors: ValueError, as each function says; OverflowError for a seed
outside [-2^127, 2^127).
Source: Bergstra and Bengio, "Random Search for Hyper-Parameter Optimization" (2012), section 4.
"""

from __future__ import annotations

import hashlib
import math

import torch


def _word(seed: int, name: str, trial: int) -> int:
    """53 random bits."""
    key = seed.to_bytes(16, "little", signed=True) + trial.to_bytes(8, "little")
    return int.from_bytes(hashlib.blake2b(name.encode(), key=key, digest_size=8).digest(), "little") >> 11


def log_uniform_value(u: float, low: float, high: float) -> float:
    """The value at u in [0, 1] of the way from low to high, in ratios. ValueError unless 0 < low < high < infinity."""
    if not 0 < low < high < math.inf:
        raise ValueError(f"low: expected two rates, 0 < low < high < infinity, got low = {low}, high = {high}")
    return min(high, max(low, math.exp(math.log(low) + u * (math.log(high) - math.log(low)))))


def log_uniform_at(u: torch.Tensor, low: float, high: float) -> torch.Tensor:
    """`log_uniform_value` of each element of u[N], float64."""
    return torch.tensor([log_uniform_value(v, low, high) for v in u.tolist()], dtype=torch.float64, device=u.device)


def log_uniform(seed: int, name: str, low: float, high: float, like: torch.Tensor) -> torch.Tensor:
    """One log-uniform value in [low, high] for each trial of like[N], float64. Errors: as `log_uniform_value`."""
    values = [log_uniform_value(_word(seed, name, i) * 2.0**-53, low, high) for i in range(like.numel())]
    return torch.tensor(values, dtype=torch.float64, device=like.device)


def choice(seed: int, name: str, options: int, like: torch.Tensor) -> torch.Tensor:
    """One of 0 ... options - 1 for each trial of like[N], int64, equally likely. ValueError for options below 1."""
    if options < 1:
        raise ValueError(f"options: expected something to choose from, got {options}")
    return torch.tensor([_word(seed, name, i) * options >> 53 for i in range(like.numel())], device=like.device)
