"""The NumPy AdamW against torch.optim.AdamW over several steps, the clip's algebra and the proven step bound."""

import math

import numpy as np
import pytest
import torch
from albor_reference.optim.adamw import adamw

UNIT = 2.0**-53
INF = math.inf
HYPER = {"lr": 3e-2, "beta1": 0.9, "beta2": 0.95, "eps": 1e-6, "weight_decay": 0.1}


def start(rows=3, size=5, seed=0):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((rows, size)), np.zeros((rows, size)), np.zeros((rows, size)), rng


@pytest.mark.parametrize("changed", [
    {}, {"lr": 1e-3}, {"beta1": 0.5}, {"beta2": 0.999}, {"eps": 1e-2}, {"weight_decay": 0.0}, {"beta1": 0.0},
])  # fmt: skip
def test_six_steps_with_changing_gradients_equal_torch(changed):
    hyper = HYPER | changed
    p, m, v, rng = start()
    tensors = [torch.nn.Parameter(torch.tensor(row)) for row in p]
    optimizer = torch.optim.AdamW(
        tensors, lr=hyper["lr"], betas=(hyper["beta1"], hyper["beta2"]), eps=hyper["eps"],
        weight_decay=hyper["weight_decay"],
    )  # fmt: skip
    for step in range(1, 7):
        g = 10.0 ** rng.integers(-3, 3) * rng.standard_normal(p.shape)
        for tensor, row in zip(tensors, g, strict=True):
            tensor.grad = torch.tensor(row)
        optimizer.step()
        p, m, v, _ = adamw(p, g, m, v, step, **hyper, max_norm=INF)
    expected = torch.stack([tensor.detach() for tensor in tensors]).numpy()
    # Six steps of about 16 roundings each of terms whose size is |p| or lr * |update| <= 4 lr.
    assert np.all(np.abs(p - expected) <= 6 * 32 * UNIT * (np.abs(expected) + 4 * hyper["lr"]))
    for tensor, m_row, v_row in zip(tensors, m, v, strict=True):
        state = optimizer.state[tensor]
        # b1 m + (1 - b1) g may cancel: the bound is on the sizes that were added, at most the largest gradient.
        assert np.all(np.abs(state["exp_avg"].numpy() - m_row) <= 6 * 8 * UNIT * 500)
        assert np.all(np.abs(state["exp_avg_sq"].numpy() - v_row) <= 6 * 8 * UNIT * v_row)


def test_first_step_by_hand():
    p, m, v, norm = adamw([[2.0]], [[3.0]], [[0.0]], [[0.0]], 1, 0.5, 0.75, 0.5, 0.0, 0.25, INF)
    assert m == 0.75 and v == 4.5 and norm == 3.0
    # The corrected update is g / |g| = 1: p - lr (1 + wd p) = 2 - 0.5 * 1.5.
    assert p == 1.25


def test_decay_is_decoupled():
    zero = np.zeros((1, 4))
    p = np.arange(1.0, 5.0)[None]
    moved, m, v, _ = adamw(p, zero, zero, zero, 1, **HYPER, max_norm=1.0)
    assert not m.any() and not v.any()
    assert np.array_equal(moved, p - HYPER["lr"] * (HYPER["weight_decay"] * p))


def test_one_coefficient_for_all_tensors():
    p, m, v, rng = start(rows=4, size=7, seed=1)
    g = rng.standard_normal(p.shape) * [[1e-3], [1.0], [1e3], [0.0]]
    _, m2, v2, norm = adamw(p, g, m, v, 1, **HYPER, max_norm=0.5)
    exact = math.sqrt(math.fsum((g * g).ravel()))
    assert abs(norm - exact) <= 32 * UNIT * exact
    clipped = 0.5 / exact * g
    assert np.all(np.abs(m2 - 0.1 * clipped) <= 64 * UNIT * np.abs(clipped))
    assert np.all(np.abs(v2 - 0.05 * clipped**2) <= 64 * UNIT * clipped**2)
    assert abs(math.sqrt(math.fsum((m2 / 0.1).ravel() ** 2)) - 0.5) <= 64 * UNIT


def test_norm_within_the_limit_changes_nothing():
    p, m, v, rng = start(seed=2)
    g = rng.standard_normal(p.shape)
    free = adamw(p, g, m, v, 1, **HYPER, max_norm=INF)
    limit = float(free[3])
    for max_norm in (limit, 2 * limit):
        for one, other in zip(free, adamw(p, g, m, v, 1, **HYPER, max_norm=max_norm), strict=True):
            assert np.array_equal(one, other)


def test_zero_gradient_with_a_limit_of_zero():
    p, m, v, _ = start(seed=3)
    moved, m2, v2, norm = adamw(p, np.zeros_like(p), m, v, 1, **HYPER, max_norm=0.0)
    assert norm == 0 and not m2.any() and not v2.any() and np.isfinite(moved).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_one_bad_gradient_stops_the_whole_step(bad):
    p, m, v, rng = start(seed=4)
    m, v = rng.standard_normal(p.shape), rng.random(p.shape)
    g = rng.standard_normal(p.shape)
    g[2, 3] = bad
    for max_norm in (1.0, INF):
        p2, m2, v2, norm = adamw(p, g, m, v, 3, **HYPER, max_norm=max_norm)
        assert not math.isfinite(norm)
        assert np.array_equal(p2, p) and np.array_equal(m2, m) and np.array_equal(v2, v)


def test_step_size_keeps_the_cauchy_schwarz_bound():
    """|m_hat / sqrt(v_hat)| is bounded for every history of gradients; the bound is 1 in the first step."""
    b1, b2 = 0.9, 0.95
    p, m, v, rng = start(rows=1, size=200, seed=5)
    for step in range(1, 30):
        g = rng.standard_normal(p.shape) * 10.0 ** rng.uniform(-4, 4, p.shape)
        p2, m, v, _ = adamw(p, g, m, v, step, 1.0, b1, b2, 0.0, 0.0, INF)
        rho = b1 * b1 / b2
        bound = (1 - b1) / (1 - b1**step) * math.sqrt((1 - b2**step) / (1 - b2) * (1 - rho**step) / (1 - rho))
        assert np.abs(p2 - p).max() <= bound * (1 + 64 * UNIT) + 8 * UNIT * np.abs(p).max()
        p = p2


def test_inputs_are_not_written():
    arrays = [np.ones((2, 2)) for _ in range(4)]
    adamw(*arrays, 1, **HYPER, max_norm=1.0)
    assert all((a == 1).all() for a in arrays)


@pytest.mark.parametrize(("name", "value"), [
    ("step", 0), ("beta1", 1.0), ("beta2", -0.1), ("beta2", np.nan), ("lr", -1.0), ("lr", INF), ("eps", -1e-8),
    ("weight_decay", np.nan), ("max_norm", -1.0), ("max_norm", np.nan),
])  # fmt: skip
def test_hyperparameters_outside_their_range(name, value):
    arguments = {"step": 1, **HYPER, "max_norm": 1.0} | {name: value}
    with pytest.raises(ValueError, match=name):
        adamw(*(np.ones((1, 1)) for _ in range(4)), **arguments)


def test_shapes_must_be_equal():
    with pytest.raises(ValueError, match=r"\[L, P\]"):
        adamw(np.ones((2, 3)), np.ones((3, 2)), np.ones((2, 3)), np.ones((2, 3)), 1, **HYPER, max_norm=1.0)
