"""The NumPy cache against torch's attention over the whole sequence in float64, token by token."""

import numpy as np
import pytest
import torch
from albor_reference.attention.kv_cache import cache_append, cache_bytes, cached_attention

UNIT = 2.0**-53


@pytest.mark.parametrize("steps", [[9], [4, 1, 1, 3], [1] * 9])
def test_prefill_and_decoding_equal_torch_over_the_whole_sequence(steps):
    rng = np.random.default_rng(0)
    q = rng.standard_normal((2, 6, 9, 4))
    k, v = rng.standard_normal((2, 2, 3, 9, 4))
    expected = torch.nn.functional.scaled_dot_product_attention(
        *map(torch.tensor, (q, k, v)), is_causal=True, enable_gqa=True
    ).numpy()
    keys = values = np.full((2, 3, 12, 4), np.nan)
    used = 0
    for size in steps:
        rows = slice(used, used + size)
        keys, values = cache_append(keys, k[:, :, rows], used), cache_append(values, v[:, :, rows], used)
        used += size
        o, lse = cached_attention(q[:, :, rows], keys, values, used)
        assert np.abs(o - expected[:, :, rows]).max() <= 2000 * UNIT * np.abs(v).max()
        assert lse.shape == (2, 6, size) and np.isfinite(lse).all()


def test_append_leaves_the_rest_and_the_cache_itself():
    cache, fresh = np.arange(10.0).reshape(1, 1, 5, 2), np.full((1, 1, 2, 2), -1.0)
    found = cache_append(cache, fresh, 2)
    assert found[0, 0].tolist() == [[0, 1], [2, 3], [-1, -1], [-1, -1], [8, 9]] and cache[0, 0, 2, 0] == 4


def test_by_hand():
    k = np.array([[[[1.0], [5.0], [np.nan]]]])
    v = np.array([[[[2.0], [6.0], [np.nan]]]])
    o, lse = cached_attention([[[[0.0]]]], k, v, 2)
    assert o.item() == 4 and lse.item() == np.log(2)


def test_the_cache_of_a_model():
    # 24 layers, 4 key heads of 64 elements in bfloat16, 1024 places: 24 MiB; the 16 query heads do not count.
    assert cache_bytes(24, 1, 16, 4, 1024, 64, 2) == 24 * 2**20
    arrays = np.zeros((24, 2, 3, 4, 10, 8), dtype=np.float32)
    assert cache_bytes(24, 3, 8, 4, 10, 8, 4) == arrays.nbytes


def test_wrong_arguments():
    q, k = np.zeros((1, 4, 2, 3)), np.zeros((1, 2, 5, 3))
    with pytest.raises(ValueError, match=r"places 4 to 6 .* cache of 5"):
        cache_append(k, k[:, :, :2], 4)
    with pytest.raises(ValueError, match="expected cache"):
        cache_append(k, k[:, :1], 0)
    with pytest.raises(ValueError, match=r"used: expected 2 .* to 5 .*got 6"):
        cached_attention(q, k, k, 6)
    with pytest.raises(ValueError, match="got 1"):
        cached_attention(q, k, k, 1)
    with pytest.raises(ValueError, match="3 query heads are not a multiple of 2"):
        cached_attention(q[:, :3], k, k, 5)
    with pytest.raises(ValueError, match="expected q"):
        cached_attention(q, k, k[:, :1], 5)
