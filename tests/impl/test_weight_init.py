import itertools
import math

import numpy as np
import pytest
import torch
from albor_impl.optim.weight_init import weight_init

LIKE = torch.empty(100, 100)
DEVIATIONS = 6  # a right generator strays this far once in 500 million


@pytest.mark.parametrize("std", [0.02, 3.0])
def test_draws_are_normal(std):
    w = weight_init(1, "layers.0.q", std, LIKE).double().numpy() / std
    for power, mean, variance in ((1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96)):  # of N(0, 1), and their estimates
        assert abs((w**power).mean() - mean) < DEVIATIONS * math.sqrt(variance / w.size)
    normal = np.array([0.5 * math.erfc(-x / math.sqrt(2)) for x in np.sort(w.ravel())])
    assert np.abs(normal - (np.arange(w.size) + 0.5) / w.size).max() < 3 / math.sqrt(w.size)  # as Kolmogorov has it


def test_names_and_seeds_draw_independently():
    keys = itertools.product((-1, 0, 1, 2**63, 2**126), ("a", "b", ""))
    drawn = [weight_init(*key, 1.0, LIKE).double() for key in keys]
    for first, second in itertools.combinations(drawn, 2):
        assert abs((first * second).mean()) < DEVIATIONS / math.sqrt(first.numel())


def test_bits_depend_on_seed_and_name_alone_and_the_global_generator_is_left_alone():
    first = weight_init(3, "head", 0.02, LIKE)
    torch.manual_seed(0)
    state = torch.get_rng_state()
    weight_init(3, "other", 0.02, LIKE)
    second = weight_init(3, "head", 0.02, torch.ones(100, 100, dtype=torch.bfloat16).T)
    assert torch.equal(torch.get_rng_state(), state)
    assert first.dtype == second.dtype == torch.float32 and torch.equal(first, second)
    assert torch.equal(weight_init(3, "head", 0.04, LIKE), 2 * first)


def test_shapes():
    assert weight_init(0, "x", 1.0, torch.empty(())).shape == ()
    assert weight_init(0, "x", 1.0, torch.empty(2, 0, 3)).shape == (2, 0, 3)
    assert weight_init(0, "x", 1.0, torch.empty(3, 4).T).is_contiguous()


@pytest.mark.parametrize("std", [0.0, -0.02, math.nan])
def test_a_deviation_that_is_none_is_refused(std):
    with pytest.raises(ValueError, match="std must be positive"):
        weight_init(0, "x", std, LIKE)
