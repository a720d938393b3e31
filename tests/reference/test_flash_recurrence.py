"""The NumPy recurrence against torch's softmax and attention in float64, and against steps worked out by hand."""

import numpy as np
import pytest
import torch
from albor_reference.attention.flash_recurrence import flash_attention, flash_step

UNIT = 2.0**-53


def drawn(heads, queries, keys, dim, seed=0):
    rng = np.random.default_rng(seed)
    q = rng.standard_normal((heads, queries, dim))
    k, v = rng.standard_normal((2, heads, keys, dim))
    return q, k, v


def nothing(q):
    return np.full(q.shape[:2], -np.inf), np.zeros(q.shape[:2]), np.zeros(q.shape)


@pytest.mark.parametrize("cuts", [[9], [4, 5], [1, 1, 7], [8, 1], [2, 3, 4]])
def test_any_cut_of_the_keys_is_the_softmax(cuts):
    q, k, v = drawn(2, 9, 9, 4)
    state, start = nothing(q), 0
    for size in cuts:
        state = flash_step(q, k[:, start : start + size], v[:, start : start + size], *state, -start)
        start += size
    m, total, out = state
    expected = torch.nn.functional.scaled_dot_product_attention(*map(torch.tensor, (q, k, v)), is_causal=True)
    bound = 2000 * UNIT * np.abs(v).max()  # scores below 16, each rounded a few times; sums of 9 terms
    assert np.abs(out / total[:, :, None] - expected.numpy()).max() <= bound
    scores = torch.tensor(np.einsum("cid,cjd->cij", q, k) / 2).masked_fill(torch.ones(9, 9).triu(1).bool(), -torch.inf)
    assert np.abs(m + np.log(total) - torch.logsumexp(scores, -1).numpy()).max() <= 200 * UNIT
    assert np.abs(m - scores.amax(-1).numpy()).max() <= 100 * UNIT


@pytest.mark.parametrize("size", [1, 2, 7, 16, 33])
@pytest.mark.parametrize("tile", [1, 3, 16, 33, 100])
def test_tiles_that_divide_the_sequence_and_tiles_that_do_not(size, tile):
    rng = np.random.default_rng(size)
    q = rng.standard_normal((2, 4, size, 3))
    k, v = rng.standard_normal((2, 2, 2, size, 3))
    o, lse = flash_attention(q, k, v, tile)
    leaves = [torch.tensor(a) for a in (q, k, v)]
    expected = torch.nn.functional.scaled_dot_product_attention(*leaves, is_causal=True, enable_gqa=True)
    assert np.abs(o - expected.numpy()).max() <= 4000 * UNIT * np.abs(v).max()
    assert lse.shape == (2, 4, size)


def test_a_step_by_hand():
    # A score of log 4 above the maximum: what was there is divided by 4, the new key has weight 1.
    m, total, out = flash_step([[[np.log(4)]]], [[[1.0]]], [[[10.0]]], [[0.0]], [[8.0]], [[[12.0]]], 0)
    assert m[0, 0] == np.log(4) and abs(total[0, 0] - 3) <= 8 * UNIT and abs(out[0, 0, 0] - 13) <= 32 * UNIT


def test_a_tile_in_the_future_changes_nothing_and_one_at_the_last_query_counts():
    q, k, v = drawn(1, 4, 3, 2)
    state = flash_step(q, k, v, *nothing(q), 5)
    for before, after in zip(state, flash_step(q, k, v, *state, -4), strict=True):
        assert np.array_equal(before, after)
    after = flash_step(q, k, v, *state, -3)
    assert np.array_equal(after[1][:, :3], state[1][:, :3]) and after[1][0, 3] != state[1][0, 3]


def test_an_empty_state_stays_empty_without_nan():
    q, k, v = drawn(1, 2, 2, 3)
    m, total, out = flash_step(q, k, v, *nothing(q), -2)
    assert np.all(m == -np.inf) and not total.any() and not out.any()


def test_wrong_arguments():
    q, k, v = drawn(1, 2, 2, 3)
    with pytest.raises(ValueError, match=r"expected q\[C, M, D\]"):
        flash_step(q, k[:, :1], v, *nothing(q), 0)
    with pytest.raises(ValueError, match="expected the state"):
        flash_step(q, k, v, *nothing(q[:, :1]), 0)
    with pytest.raises(ValueError, match="tile: expected at least 1, got 0"):
        flash_attention(q[None], k[None], v[None], 0)
