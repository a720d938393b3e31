"""The NumPy distillation loss against torch autograd in float64, scipy's relative entropy and its limits."""

import numpy as np
import pytest
import torch
from albor_reference.distill.knowledge_distillation import knowledge_distillation
from albor_reference.loss.cross_entropy import cross_entropy
from scipy.special import rel_entr, softmax

UNIT = 2.0**-53
IGNORE = -100
INF = np.inf


def by_torch(s, t, y, alpha, temperature):
    """Loss and gradient from torch's functions for KL and cross-entropy, by autograd."""
    functional = torch.nn.functional
    student, teacher, labels = torch.tensor(s, requires_grad=True), torch.tensor(t), torch.tensor(y)
    valid = labels != IGNORE
    log_q = functional.log_softmax(student / temperature, dim=-1)[valid]
    log_p = functional.log_softmax(teacher / temperature, dim=-1)[valid]
    soft = functional.kl_div(log_q, log_p, log_target=True, reduction="batchmean")
    hard = functional.cross_entropy(student, labels, ignore_index=IGNORE)
    loss = alpha * temperature**2 * soft + (1 - alpha) * hard
    (gradient,) = torch.autograd.grad(loss, student)
    return loss.item(), gradient.numpy()


@pytest.mark.parametrize(("rows", "vocabulary"), [(1, 2), (5, 7), (9, 33), (3, 4099)])
@pytest.mark.parametrize(("alpha", "temperature"), [(0.3, 3.0), (0.9, 0.5), (1.0, 4.0), (0.0, 2.0)])
def test_loss_and_gradient_equal_torch_in_float64(rows, vocabulary, alpha, temperature):
    rng = np.random.default_rng(rows * vocabulary)
    s, t = 3 * rng.standard_normal((rows, vocabulary)), 5 * rng.standard_normal((rows, vocabulary)) - 20
    y = rng.integers(0, vocabulary, rows)
    y[1::3] = IGNORE
    loss, ds = knowledge_distillation(s, t, y, alpha, temperature, IGNORE)
    expected, gradient = by_torch(s, t, y, alpha, temperature)
    # Every exponent is below `reach` in size and carries its relative rounding into the probabilities; sums add
    # 8 sqrt(V) roundings. Both sides round, hence the 2.
    reach = max(np.ptp(s), np.ptp(t)) / min(temperature, 1.0)
    relative = 2 * UNIT * (2 * reach + 8 * np.sqrt(vocabulary) + 16)
    weight = alpha * temperature**2 + 1 - alpha
    assert loss.shape == () and abs(loss - expected) <= relative * weight * 2 * (reach + np.log(vocabulary) + 1)
    assert np.all(np.abs(ds - gradient) <= relative * (alpha * temperature + 1 - alpha) * 2)
    assert not ds[y == IGNORE].any()


def test_alpha_one_is_the_squared_temperature_times_kl_of_scipy():
    rng = np.random.default_rng(3)
    s, t = rng.standard_normal((2, 6, 11))
    temperature = 3.0
    loss, ds = knowledge_distillation(s, t, np.zeros(6, int), 1.0, temperature, IGNORE)
    p, q = softmax(t / temperature, axis=1), softmax(s / temperature, axis=1)
    kl = rel_entr(p, q)
    # rel_entr divides probabilities that carry about 12 roundings each; the sum of |terms| carries them on.
    assert abs(loss - temperature**2 * kl.sum() / 6) <= temperature**2 * 64 * UNIT * (np.abs(kl) + p).sum() / 6
    assert np.all(np.abs(ds - temperature * (q - p) / 6) <= 64 * UNIT * temperature * (q + p) / 6)


def test_student_equal_to_teacher_costs_nothing():
    t = np.random.default_rng(4).standard_normal((3, 9))
    loss, ds = knowledge_distillation(t, t, [0, 1, 2], 1.0, 2.5, IGNORE)
    assert loss == 0 and not ds.any()


@pytest.mark.parametrize("temperature", [0.5, 1.0, 4.0])
def test_alpha_zero_is_cross_entropy_bitwise_even_when_kl_is_infinite(temperature):
    rng = np.random.default_rng(5)
    s, t, y = rng.standard_normal((4, 6)), rng.standard_normal((4, 6)), np.array([0, IGNORE, 5, 2])
    s[0, 3] = -INF
    t[2] = -INF
    loss, ds = knowledge_distillation(s, t, y, 0.0, temperature, IGNORE)
    hard, dz = cross_entropy(s, y, IGNORE)
    assert loss == hard and np.array_equal(ds, dz)


def test_alpha_one_does_not_read_the_labels_probability():
    s = np.array([[0.0, -INF, 0.0]])
    t = np.array([[np.log(3.0), -INF, 0.0]])
    loss, ds = knowledge_distillation(s, t, [1], 1.0, 1.0, IGNORE)
    expected = 0.75 * np.log(0.75 / 0.5) + 0.25 * np.log(0.25 / 0.5)
    assert abs(loss - expected) <= 16 * UNIT
    assert np.all(np.abs(ds - [[-0.25, 0.0, 0.25]]) <= 4 * UNIT)


def test_teacher_mass_where_the_student_has_none_is_infinite():
    loss, ds = knowledge_distillation([[0.0, -INF]], [[0.0, 0.0]], [0], 0.5, 2.0, IGNORE)
    assert loss == INF
    assert ds.tolist() == [[0.5 * 2.0 * 0.5, 0.5 * 2.0 * -0.5]]


def test_mass_that_underflows_is_still_mass():
    loss, _ = knowledge_distillation([[0.0, -INF]], [[0.0, -2000.0]], [0], 0.5, 1.0, IGNORE)
    assert loss == INF


def test_gradient_is_the_slope_of_the_loss():
    rng = np.random.default_rng(6)
    s, t, y = rng.standard_normal((3, 5)), rng.standard_normal((3, 5)), np.array([4, IGNORE, 0])
    _, ds = knowledge_distillation(s, t, y, 0.3, 2.0, IGNORE)
    h = 1e-5
    for index in np.ndindex(s.shape):
        up, down = s.copy(), s.copy()
        up[index] += h
        down[index] -= h
        slope = knowledge_distillation(up, t, y, 0.3, 2.0, IGNORE)[0]
        slope = (slope - knowledge_distillation(down, t, y, 0.3, 2.0, IGNORE)[0]) / (2 * h)
        assert abs(slope - ds[index]) <= h * h / 6 + 64 * UNIT / h


def test_high_temperature_limit_of_hinton():
    rng = np.random.default_rng(7)
    s, t = rng.standard_normal((2, 1, 6))
    _, ds = knowledge_distillation(s, t, [0], 1.0, 1e4, IGNORE)
    limit = ((s - s.mean()) - (t - t.mean())) / 6
    # The next term of the expansion is of order (largest logit)^2 / T; the difference q - p loses T * u.
    assert np.all(np.abs(ds - limit) <= 16 * max(np.abs(s).max(), np.abs(t).max()) ** 2 / 1e4 + 1e4 * 16 * UNIT)


def test_all_ignored_is_zero_even_where_logits_are_nan():
    nan = np.full((2, 3), np.nan)
    loss, ds = knowledge_distillation(nan, nan, [IGNORE] * 2, 0.5, 2.0, IGNORE)
    assert loss == 0 and not ds.any()


def test_vocabularies_must_be_equal():
    with pytest.raises(ValueError, match=r"\[2, 5\].*\[2, 7\]"):
        knowledge_distillation(np.zeros((2, 5)), np.zeros((2, 7)), [0, 0], 0.5, 1.0, IGNORE)


@pytest.mark.parametrize(("alpha", "temperature", "named"), [
    (-0.1, 1.0, "alpha"), (1.1, 1.0, "alpha"), (np.nan, 1.0, "alpha"),
    (0.5, 0.0, "temperature"), (0.5, -1.0, "temperature"), (0.5, np.nan, "temperature"), (0.5, INF, "temperature"),
])  # fmt: skip
def test_parameters_outside_their_range(alpha, temperature, named):
    with pytest.raises(ValueError, match=named):
        knowledge_distillation(np.zeros((1, 2)), np.zeros((1, 2)), [0], alpha, temperature, IGNORE)


def test_label_outside_the_vocabulary():
    with pytest.raises(ValueError, match="label 2 of token 0"):
        knowledge_distillation(np.zeros((1, 2)), np.zeros((1, 2)), [2], 1.0, 1.0, IGNORE)
