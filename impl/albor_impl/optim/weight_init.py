"""Normal initial weights from a seed and a parameter's name, drawn on the host so that every device gets the same.

Errors: ValueError, as named below; OverflowError for a seed outside [-2^127, 2^127).
Source: Radford et al., "Language Models are Unsupervised Multitask Learners" (2019), section 2.3: N(0, 0.02^2).
"""

from __future__ import annotations

import hashlib

import torch


def weight_init(seed: int, name: str, std: float, like: torch.Tensor) -> torch.Tensor:
    """w ~ N(0, std^2), float32, of the shape and on the device of `like`. Raises ValueError for std <= 0 or NaN.

    The generator is seeded with a hash of seed and name: neither the order in which parameters are made nor what else
    was drawn matters. PyTorch keeps 32 bits of it: two names get the same draws with a probability of 2^-32. Powers of
    two of std scale the same draws.
    """
    if not std > 0:
        raise ValueError(f"std must be positive, got {std}")
    digest = hashlib.blake2b(name.encode(), key=seed.to_bytes(16, "little", signed=True), digest_size=8).digest()
    source = torch.Generator().manual_seed(int.from_bytes(digest, "little") >> 1)
    return torch.randn(like.shape, generator=source, dtype=torch.float32).mul_(std).to(like.device)
