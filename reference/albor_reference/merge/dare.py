"""DARE merging: drop changes at random and rescale the rest."""

from __future__ import annotations

import numpy as np


def dare(base: np.ndarray, tuned: np.ndarray, p: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Drop each element of the task vector with probability p and rescale what is left, so that the mean stays.

    Formula   mask[i] ~ Bernoulli(1 - p), independent;  merged = base + (tuned - base) / (1 - p) where mask, else base
    Shapes    base, tuned float[N]; p real in [0, 1), the share that is DROPPED; seed int in [0, 2^32)
    Returns   merged f64[N], mask bool[N] (True = kept). p = 0 keeps everything.
    Moments   E[merged] = tuned, Var[merged] = (tuned - base)^2 p / (1 - p)
    Seed      the same seed gives the same mask; tensors of one model need seeds of their own, else their masks agree
    Errors    ValueError: shapes differ or are not one-dimensional, p outside [0, 1), seed out of range
    Source    Yu et al., Language Models are Super Mario: Absorbing Abilities from Homologous Models, 2023
    """
    base, tuned = np.asarray(base, dtype=np.float64), np.asarray(tuned, dtype=np.float64)
    _check(base, tuned, p)
    if not 0 <= seed < 2**32:
        raise ValueError(f"seed must be in [0, 2^32), got {seed}")
    mask = np.random.Generator(np.random.PCG64(seed)).random(len(base)) >= p  # random() is in [0, 1)
    return dare_rescale(base, tuned, mask, p), mask


def dare_rescale(base: np.ndarray, tuned: np.ndarray, mask: np.ndarray, p: float) -> np.ndarray:
    """What `dare` makes of a mask that is known: the part of it that is not random.

    Formula   merged = base + (tuned - base) / (1 - p) where mask, else base
    Shapes    base, tuned float[N], mask bool[N] (True = kept), p real in [0, 1)
    Returns   f64[N]
    Errors    ValueError: shapes differ or are not one-dimensional, p outside [0, 1)
    Source    as `dare`
    """
    base, tuned, mask = np.asarray(base, dtype=np.float64), np.asarray(tuned, dtype=np.float64), np.asarray(mask)
    _check(base, tuned, p)
    if mask.shape != base.shape:
        raise ValueError(f"the mask needs the shape of the vectors, {base.shape}, got {mask.shape}")
    return np.where(mask, base + (tuned - base) / (1 - p), base)


def _check(base: np.ndarray, tuned: np.ndarray, p: float) -> None:
    if base.ndim != 1 or base.shape != tuned.shape:
        raise ValueError(f"dare needs two vectors of one length, got shapes {base.shape} and {tuned.shape}")
    if not 0 <= p < 1:
        raise ValueError(f"p must be in [0, 1), got {p}")
