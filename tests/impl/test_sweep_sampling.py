"""Sweeps that ship: any trial by itself, ends that are never passed, and refusals."""

from __future__ import annotations

import hashlib
import math

import numpy as np
import pytest
import torch
from albor_impl.schedule.sweep_sampling import choice, log_uniform, log_uniform_at, log_uniform_value
from albor_reference.schedule import sweep_sampling as reference
from scipy import stats


def test_values_are_those_of_the_reference() -> None:
    u = torch.linspace(0, 1, 33, dtype=torch.float64)
    np.testing.assert_allclose(log_uniform_at(u, 3e-5, 0.2), reference.log_uniform_at(u, 3e-5, 0.2), rtol=1e-13)
    for low in np.geomspace(1e-9, 0.9, 200):
        assert low <= log_uniform_value(0.0, low, 0.95) and log_uniform_value(1.0, low, 0.95) <= 0.95


def test_draws_have_the_distribution() -> None:
    x = log_uniform(-3, "rate", 1e-5, 1e-2, torch.zeros(3000))
    assert x.dtype == torch.float64 and stats.kstest(x.numpy(), stats.loguniform(1e-5, 1e-2).cdf).pvalue > 1e-6
    drawn = choice(3, "layers", 5, torch.zeros(5000))
    assert drawn.dtype == torch.int64 and stats.chisquare(torch.bincount(drawn, minlength=5)).pvalue > 1e-6


def test_a_longer_sweep_begins_alike() -> None:
    assert torch.equal(choice(1, "a", 9, torch.zeros(20))[:6], choice(1, "a", 9, torch.zeros(6)))
    assert not torch.equal(choice(1, "a", 9, torch.zeros(20)), choice(1, "b", 9, torch.zeros(20)))


def test_draws_are_the_hash_of_seed_name_and_number() -> None:
    """Drawing in another way would change every sweep that was ever made."""
    key = (7).to_bytes(16, "little") + (2).to_bytes(8, "little")
    word = int.from_bytes(hashlib.blake2b(b"rate", key=key, digest_size=8).digest(), "little") >> 11
    assert log_uniform(7, "rate", 1e-5, 1e-2, torch.zeros(3))[2] == log_uniform_value(word * 2.0**-53, 1e-5, 1e-2)
    assert choice(7, "rate", 1000, torch.zeros(3))[2] == word * 1000 >> 53


def test_what_is_refused() -> None:
    with pytest.raises(ValueError, match="low: expected two rates"):
        log_uniform(0, "rate", -5.0, -2.0, torch.zeros(1))
    with pytest.raises(ValueError, match="low: expected two rates"):
        log_uniform_value(0.5, math.nan, 1.0)
    with pytest.raises(ValueError, match="options: expected something to choose from, got 0"):
        choice(0, "layers", 0, torch.zeros(1))
