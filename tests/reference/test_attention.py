"""The NumPy attention against torch's scaled_dot_product_attention and autograd in float64, and against its laws."""

import numpy as np
import pytest
import torch
from albor_reference.attention.causal_gqa import attention, attention_backward
from scipy.special import logsumexp

UNIT = 2.0**-53
SHAPES = [(1, 1, 1, 1, 1), (2, 4, 2, 5, 3), (1, 6, 3, 17, 8), (1, 6, 2, 33, 16), (2, 3, 1, 9, 7), (1, 2, 2, 64, 5)]


def inputs(batch, heads, kv_heads, size, dim, seed=0, scale=1.0):
    rng = np.random.default_rng(seed)
    q, g = scale * rng.standard_normal((2, batch, heads, size, dim))
    k, v = scale * rng.standard_normal((2, batch, kv_heads, size, dim))
    return g, q, k, v


def slack(q, k, v, g):
    """Largest error two float64 computations can differ by: the scores' rounding moves every weight relatively."""
    size, dim = q.shape[-2:]
    score = np.abs(q).max() * np.abs(k).max() * np.sqrt(dim)
    relative = 2 * UNIT * (score * (8 * np.sqrt(dim) + 4) + 8 * np.sqrt(size) + 32)
    # A gradient is a sum over at most H * S terms weight * g * v * max(q, k).
    reach = 1 + np.abs(g).max() * np.abs(v).max() * max(np.abs(q).max(), np.abs(k).max(), 1) * dim
    return relative * reach * q.shape[1] * size


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("scale", [0.3, 3.0])
def test_output_and_gradients_equal_torch_in_float64(shape, scale):
    g, q, k, v = inputs(*shape, seed=sum(shape), scale=scale)
    leaves = [torch.tensor(a, requires_grad=True) for a in (q, k, v)]
    expected = torch.nn.functional.scaled_dot_product_attention(*leaves, is_causal=True, enable_gqa=True)
    gradients = torch.autograd.grad(expected, leaves, torch.tensor(g))
    bound = slack(q, k, v, g)
    o, _ = attention(q, k, v)
    assert np.abs(o - expected.detach().numpy()).max() <= bound
    for got, want in zip(attention_backward(g, q, k, v), gradients, strict=True):
        assert got.shape == tuple(want.shape)
        assert np.abs(got - want.numpy()).max() <= bound


@pytest.mark.parametrize("shape", SHAPES)
def test_every_output_row_by_hand(shape):
    _, q, k, v = inputs(*shape, seed=1)
    o, lse = attention(q, k, v)
    group = shape[1] // shape[2]
    bound = 64 * UNIT * (1 + np.abs(q).max() * np.abs(k).max() * shape[4]) * (1 + np.abs(v).max()) * shape[3]
    for b, h, i in np.ndindex(*q.shape[:3]):
        score = k[b, h // group, : i + 1] @ q[b, h, i] / np.sqrt(shape[4])
        assert abs(lse[b, h, i] - logsumexp(score)) <= bound
        assert np.abs(o[b, h, i] - np.exp(score - logsumexp(score)) @ v[b, h // group, : i + 1]).max() <= bound


def test_first_position_returns_its_value():
    _, q, k, v = inputs(2, 4, 2, 3, 5)
    o, lse = attention(q, k, v)
    assert np.array_equal(o[:, :, 0], np.repeat(v[:, :, 0], 2, axis=1))
    score = np.einsum("bhd,bhd->bh", q[:, :, 0], np.repeat(k[:, :, 0], 2, axis=1)) / np.sqrt(5)
    assert np.abs(lse[:, :, 0] - score).max() <= 32 * UNIT * np.abs(q).max() * np.abs(k).max() * 5


def test_equal_keys_give_the_mean_of_the_past():
    _, q, k, v = inputs(1, 2, 1, 7, 4)
    o, _ = attention(q, np.broadcast_to(k[:, :, :1], k.shape), v)
    for i in range(7):
        assert np.abs(o[0, :, i] - v[0, 0, : i + 1].mean(axis=0)).max() <= 64 * UNIT * np.abs(v).max()


def test_the_future_has_no_influence():
    _, q, k, v = inputs(1, 4, 2, 9, 3)
    o, lse = attention(q, k, v)
    for j in range(1, 9):
        changed = [a.copy() for a in (q, k, v)]
        for a in changed:
            a[:, :, j:] = 7.0 - 3.0 * a[:, :, j:]
        o2, lse2 = attention(*changed)
        assert np.array_equal(o[:, :, :j], o2[:, :, :j]) and np.array_equal(lse[:, :, :j], lse2[:, :, :j])
        assert not np.array_equal(o[:, :, j], o2[:, :, j])


def test_a_group_shares_its_head_and_no_other():
    _, q, k, v = inputs(1, 6, 3, 5, 4)
    o, _ = attention(q, k, v)
    k[:, 1], v[:, 1] = 2 * k[:, 1], -v[:, 1]
    o2, _ = attention(q, k, v)
    changed = [not np.array_equal(o[:, h], o2[:, h]) for h in range(6)]
    assert changed == [False, False, True, True, False, False]


def test_large_scores_do_not_overflow():
    q = np.full((1, 1, 3, 1), 1e3)
    k = np.array([1.0, 2.0, 3.0]).reshape(1, 1, 3, 1)
    v = np.array([5.0, 6.0, 7.0]).reshape(1, 1, 3, 1)
    o, lse = attention(q, k, v)
    assert o.ravel().tolist() == [5.0, 6.0, 7.0] and lse.ravel().tolist() == [1000.0, 2000.0, 3000.0]


@pytest.mark.parametrize(("q", "k", "v", "message"), [
    ((1, 3, 2, 4), (1, 2, 2, 4), (1, 2, 2, 4), "not a multiple"),
    ((1, 2, 2, 4), (1, 2, 3, 4), (1, 2, 3, 4), "differ in batch"),
    ((1, 2, 2, 4), (1, 2, 2, 4), (1, 1, 2, 4), "k and v"),
    ((2, 2, 4), (2, 2, 4), (2, 2, 4), "heads"),
    ((1, 2, 0, 4), (1, 2, 0, 4), (1, 2, 0, 4), "empty"),
])  # fmt: skip
def test_shapes_that_do_not_fit(q, k, v, message):
    with pytest.raises(ValueError, match=message):
        attention(np.zeros(q), np.zeros(k), np.zeros(v))


def test_gradient_of_the_wrong_shape():
    _, q, k, v = inputs(1, 2, 1, 3, 4)
    with pytest.raises(ValueError, match="shape of q"):
        attention_backward(q[:, :, :2], q, k, v)
