"""Reference statistics of activations against PyTorch in float64, and what statistics cannot see."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from albor_reference.attention.activation_statistics import (
    activation_statistics,
    captured_statistics,
    largest_difference,
)


def test_are_those_of_pytorch() -> None:
    x = np.random.default_rng(1).normal(size=301) * 3 + 50
    sd, mu = torch.std_mean(torch.tensor(x), correction=0)
    np.testing.assert_allclose(activation_statistics(x), (mu, sd), rtol=1e-13)


def test_a_block_is_that_of_pytorch() -> None:
    torch.manual_seed(2)
    x, w, b, gate, up, down = (torch.randn(*s).double() for s in ((3, 5), (5, 4), (4,), (5, 6), (5, 6), (6, 5)))
    gated = torch.nn.functional.linear(x, gate.T)
    product = torch.nn.functional.silu(gated) * torch.nn.functional.linear(x, up.T)
    tensors = [x, x @ w, torch.nn.functional.linear(x, w.T, b), gated, torch.nn.functional.silu(gated), product,
               product @ down]  # fmt: skip
    mu, sd, filled = captured_statistics(*(t.numpy() for t in (x, w, b, gate, up, down)), 0b1110101)
    assert filled.tolist() == [True, False, True, False, True, True, True]
    for k, tensor in enumerate(tensors):
        expected = [tensor.mean(), tensor.std(correction=0)] if filled[k] else [np.nan, np.nan]
        np.testing.assert_allclose([mu[k], sd[k]], expected, rtol=1e-12)


def test_statistics_decide_nothing() -> None:
    a = np.arange(6.0)
    assert activation_statistics(a) == activation_statistics(a[::-1])
    assert largest_difference(a, a[::-1]) == 5 and largest_difference(a, a) == 0
    assert np.isnan(largest_difference([1.0, np.nan], [1.0, 2.0]))


def test_what_is_refused() -> None:
    one = np.ones((1, 1))
    with pytest.raises(ValueError, match="points: expected bits 0 to 6, got 0x80"):
        captured_statistics(one, one, one[0], one, one, one, 128)
    with pytest.raises(ValueError, match=r"b: expected the shape of a, \(2,\), got \(1,\)"):
        largest_difference([1.0, 2.0], [1.0])
