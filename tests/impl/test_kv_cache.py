import numpy as np
import pytest
import torch
from albor_impl._triton import poisoned, record_allocations, record_launches
from albor_impl.attention import kv_cache as module
from albor_reference.attention import kv_cache as reference
from core_bounds import FLOATS, LAMBDA, ROUNDOFF, U32, draw, exact, worst


def agree(q, k, v, used):
    o, lse = module.cached_attention(q, k, v, used)
    wanted, wanted_lse = reference.cached_attention(*map(exact, (q, k, v)), used)
    dim = q.shape[3]
    seen = exact(k)[:, :, :used], exact(v)[:, :, :used]
    score = np.abs(exact(q)).max() * np.abs(seen[0]).max() * np.sqrt(dim)
    relative = U32 * (4 * score * LAMBDA * np.sqrt(dim) + LAMBDA * np.sqrt(used) + 16)
    narrow = ROUNDOFF[q.dtype] if q.dtype != torch.float32 else 0.0
    assert worst(o, wanted, np.full(wanted.shape, (2 * relative + narrow) * np.abs(seen[1]).max())) <= 1
    assert worst(lse, wanted_lse, np.full(wanted_lse.shape, relative * (1 + np.abs(wanted_lse).max()))) <= 1


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize(
    ("group", "kv_heads", "tokens", "capacity", "used", "dim"),
    [(1, 1, 1, 1, 1, 1), (3, 2, 1, 70, 67, 5), (2, 3, 4, 40, 33, 16), (1, 1, 33, 40, 33, 8), (5, 1, 7, 130, 129, 20)],
)
def test_agrees_with_the_reference(group, kv_heads, tokens, capacity, used, dim, dtype):
    q = draw((2, group * kv_heads, tokens, dim), dtype, 1)
    k, v = draw((2, kv_heads, capacity, dim), dtype, 2), draw((2, kv_heads, capacity, dim), dtype, 3)
    agree(q, k, v, used)


def test_views_are_read_as_they_are():
    cache = draw((2, 20, 2, 3, 5), torch.float32, 4)  # [B, C, k | v, K, D], as some engines keep it
    k, v = (cache[:, :, n].transpose(1, 2) for n in range(2))
    agree(draw((2, 1, 6, 5), torch.float32, 5).transpose(1, 2), k, v, 13)


def test_rows_of_one_repeated_element_are_read_as_they_are():
    q, k, v = (draw((1, 1, n, 1), torch.float32, n).expand(1, 1, n, 5) for n in (2, 7, 9))
    agree(q, k, v[:, :, :7], 6)


@pytest.mark.parametrize(("tokens", "capacity", "used"), [(1, 7, 6), (1, 1, 1), (2, 7, 6)])
def test_every_other_element_of_a_row_is_read_as_it_is(tokens, capacity, used):
    """A row alone, too: that there is one says nothing about where its elements lie."""
    q, k, v = (draw((1, 2, n, 10), torch.float32, 20 + n)[..., ::2] for n in (tokens, capacity, capacity))
    agree(q, k, v, used)


def test_unused_places_are_not_read_and_every_element_is_written():
    q = draw((1, 4, 3, 8), torch.float32, 6)
    k, v = draw((1, 2, 40, 8), torch.float32, 7), draw((1, 2, 40, 8), torch.float32, 8)
    o, lse = module.cached_attention(q, k, v, 17)
    k[:, :, 17:] = v[:, :, 17:] = float("nan")
    for poison in (float("nan"), 1e30):
        with poisoned(poison), record_allocations() as buffers:
            o2, lse2 = module.cached_attention(q, k, v, 17)
        assert torch.equal(o, o2) and torch.equal(lse, lse2)
        assert sorted(buffer.shape for buffer in buffers) == [(1, 4, 3), (1, 4, 3, 8)]


def test_decoding_token_by_token_is_prefill():
    q = draw((1, 4, 9, 4), torch.float32, 9)
    k, v = draw((1, 2, 9, 4), torch.float32, 10), draw((1, 2, 9, 4), torch.float32, 11)
    whole, _ = module.cached_attention(q, k, v, 9)
    keys, values = torch.full((1, 2, 16, 4), float("nan")), torch.full((1, 2, 16, 4), float("nan"))
    for used in range(9):
        row = slice(used, used + 1)
        module.append_(keys, k[:, :, row], used)
        module.append_(values, v[:, :, row], used)
        o, _ = module.cached_attention(q[:, :, row], keys, values, used + 1)
        assert (o - whole[:, :, row]).abs().max() <= 100 * U32 * v.abs().max()


def test_append_in_place_and_to_a_copy():
    cache, fresh = draw((1, 2, 5, 3), torch.bfloat16, 12), draw((1, 2, 2, 3), torch.bfloat16, 13)
    before = cache.clone()
    found = module.cache_append(cache, fresh, 3)
    assert torch.equal(cache, before) and torch.equal(found[:, :, 3:], fresh)
    assert torch.equal(found[:, :, :3], cache[:, :, :3])
    assert module.append_(cache, fresh, 3) is cache and torch.equal(cache, found)


def test_one_launch():
    q = draw((3, 4, 2, 4), torch.float32, 14)
    with record_launches() as log:
        module.cached_attention(q, q[:, :2], q[:, :2], 2)
    assert [(launch.kernel, launch.grid) for launch in log] == [("_decode_kernel", (1, 6))]


def test_size_of_a_cache():
    cache = torch.empty(2, 3, 4, 10, 8, dtype=torch.bfloat16)
    assert module.cache_bytes(1, 3, 8, 4, 10, 8, 2) == cache.numel() * cache.element_size()
    with pytest.raises(ValueError, match="7 query heads are not a multiple of 4"):
        module.cache_bytes(1, 3, 7, 4, 10, 8, 2)


def test_wrong_arguments_are_named():
    q, k = torch.zeros(1, 4, 2, 3), torch.zeros(1, 2, 5, 3)
    with pytest.raises(ValueError, match=r"places 4 to 6 .* cache of 5"):
        module.append_(k, k[:, :, :2], 4)
    with pytest.raises(ValueError, match="places -1 to 1"):
        module.append_(k, k[:, :, :2], -1)
    with pytest.raises(TypeError, match=r"fresh: expected torch\.float32"):
        module.append_(k, k[:, :, :2].bfloat16(), 0)
    with pytest.raises(ValueError, match=r"used: expected 2 .* to 5 .*got 6"):
        module.cached_attention(q, k, k, 6)
    with pytest.raises(ValueError, match="3 query heads are not a multiple of 2"):
        module.cached_attention(q[:, :3], k, k, 5)
    with pytest.raises(TypeError, match="one dtype"):
        module.cached_attention(q, k.half(), k, 5)
    with pytest.raises(ValueError, match="v: C is 4, but k has C = 5"):
        module.cached_attention(q, k, k[:, :, :4], 2)
    wide = torch.zeros(1, 1, 1, 129)
    with pytest.raises(ValueError, match="at most 128, got 129"):
        module.cached_attention(wide, wide, wide, 1)
    with pytest.raises(ValueError, match="must not be empty"):
        module.cached_attention(q[:, :, :0], k, k, 5)
