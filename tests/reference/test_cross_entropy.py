"""The NumPy cross-entropy against torch's own in float64, closed forms and finite values at the edges."""

import numpy as np
import pytest
import torch
from albor_reference.loss.cross_entropy import cross_entropy
from scipy.special import logsumexp

UNIT = 2.0**-53
IGNORE = -100


def roundings(z):
    """How far two float64 computations of softmax(z), in whatever order, can lie apart relatively, per element."""
    gap = z.max(axis=1, keepdims=True) - z
    return 2 * UNIT * (gap + gap.max(axis=1, keepdims=True) + 8 * np.sqrt(z.shape[1]) + 16)


@pytest.mark.parametrize(("rows", "vocabulary", "scale"), [(1, 1, 1), (1, 2, 3), (5, 7, 30), (9, 33, 1), (4, 4099, 10)])
def test_loss_and_gradient_equal_torch_in_float64(rows, vocabulary, scale):
    rng = np.random.default_rng(rows * vocabulary)
    z = scale * rng.standard_normal((rows, vocabulary)) - 30
    y = rng.integers(0, vocabulary, rows)
    y[1::3] = IGNORE
    loss, dz = cross_entropy(z, y, IGNORE)

    logits = torch.tensor(z, requires_grad=True)
    expected = torch.nn.functional.cross_entropy(logits, torch.tensor(y), ignore_index=IGNORE)
    (gradient,) = torch.autograd.grad(expected, logits)
    error = roundings(z)
    assert loss.shape == () and loss.dtype == np.float64
    assert abs(loss - expected.item()) <= error.max() * (np.abs(z).max() + np.log(vocabulary) + 1)
    probability = np.exp(z - logsumexp(z, axis=1, keepdims=True))
    assert np.all(np.abs(dz - gradient.numpy()) <= error * (probability + np.abs(gradient.numpy())) + 2 * UNIT)
    assert not dz[y == IGNORE].any()


def test_gradient_is_the_slope_of_the_loss():
    rng = np.random.default_rng(1)
    z, y = rng.standard_normal((3, 5)), np.array([4, IGNORE, 0])
    _, dz = cross_entropy(z, y, IGNORE)
    h = 1e-5
    for index in np.ndindex(z.shape):
        up, down = z.copy(), z.copy()
        up[index] += h
        down[index] -= h
        slope = (cross_entropy(up, y, IGNORE)[0] - cross_entropy(down, y, IGNORE)[0]) / (2 * h)
        # Central difference: h^2/6 times a third derivative below 1, and rounding 4u/h of a loss below 8.
        assert abs(slope - dz[index]) <= h * h / 6 + 32 * UNIT / h


def test_uniform_logits_cost_log_v():
    loss, dz = cross_entropy(np.full((4, 8), -3.5), [0, 1, 2, 7], IGNORE)
    assert loss == np.log(8)
    assert np.abs(dz - (1 / 8 - np.eye(8)[[0, 1, 2, 7]]) / 4).max() <= 4 * UNIT


def test_one_word_costs_nothing():
    loss, dz = cross_entropy([[17.0]], [0], IGNORE)
    assert loss == 0 and dz == 0


def test_all_ignored_is_zero_even_where_logits_are_nan():
    loss, dz = cross_entropy(np.full((3, 4), np.nan), [IGNORE] * 3, IGNORE)
    assert loss == 0 and not dz.any()


def test_ignored_row_cannot_change_the_result():
    rng = np.random.default_rng(2)
    z, y = rng.standard_normal((4, 6)), np.array([1, 3, IGNORE, 5])
    loss, dz = cross_entropy(z, y, IGNORE)
    z[2] = np.nan
    again, dz_again = cross_entropy(z, y, IGNORE)
    assert loss == again and np.array_equal(dz, dz_again)


def test_the_ignored_label_may_lie_in_the_vocabulary():
    loss, dz = cross_entropy([[0.0, 0.0], [0.0, 9.0]], [0, 1], ignore=1)
    assert loss == np.log(2) and not dz[1].any() and dz[0].tolist() == [-0.5, 0.5]


def test_impossible_words():
    z = np.array([[0.0, -np.inf, 0.0, -np.inf]])
    loss, dz = cross_entropy(z, [2], IGNORE)
    assert loss == np.log(2) and dz.tolist() == [[0.5, 0.0, -0.5, 0.0]]
    loss, dz = cross_entropy(z, [1], IGNORE)
    assert loss == np.inf and dz.tolist() == [[0.5, -1.0, 0.5, 0.0]]


@pytest.mark.parametrize("label", [-1, 3, 10**12])
def test_label_outside_the_vocabulary(label):
    with pytest.raises(ValueError, match=rf"label {label} of token 1 is outside \[0, 3\)"):
        cross_entropy(np.zeros((2, 3)), [0, label], IGNORE)


def test_shapes_that_do_not_fit():
    with pytest.raises(ValueError, match=r"\[T, V\]"):
        cross_entropy(np.zeros(3), [0], IGNORE)
    with pytest.raises(ValueError, match=r"shape \[2\]"):
        cross_entropy(np.zeros((2, 3)), [0], IGNORE)
    with pytest.raises(ValueError, match="integers"):
        cross_entropy(np.zeros((1, 3)), [0.5], IGNORE)
