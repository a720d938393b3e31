import numpy as np
import pytest
import torch
from albor_impl._triton import poisoned, record_launches
from albor_impl._triton.large import last_programs
from albor_impl.attention import causal_gqa
from albor_impl.attention import flash_recurrence as module
from albor_reference.attention import flash_recurrence as reference
from core_bounds import FLOATS, LAMBDA, ROUNDOFF, U32, draw, exact, worst


def nothing(q):
    return torch.full(q.shape[:2], -torch.inf), torch.zeros(q.shape[:2]), torch.zeros(q.shape)


def agree(q, k, v, state, gap):
    """Against the reference, within what float32 and the rounding of exp(s - m) to the inputs' dtype allow."""
    got = module.flash_step(q, k, v, *state, gap)
    m, total, out = reference.flash_step(*map(exact, (q, k, v, *state)), gap)
    score = (np.abs(exact(q)).max() * np.abs(exact(k)).max() * q.shape[2] + 8) * U32 * (LAMBDA * np.sqrt(q.shape[2]))
    terms = LAMBDA * np.sqrt(k.shape[1]) + 16
    relative = 4 * score + terms * U32
    assert worst(got[0], np.where(np.isfinite(m), m, 0), np.full(m.shape, 4 * score)) <= 1 or not np.isfinite(m).all()
    assert worst(got[1], total, relative * (total + 1)) <= 1
    narrow = ROUNDOFF[q.dtype] if q.dtype != torch.float32 else 0.0
    size = (np.abs(exact(state[2])).max() + np.abs(exact(v)).max() * k.shape[1]) * (relative + narrow)
    assert worst(got[2], out, np.full(out.shape, size)) <= 1
    return got


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize(
    ("heads", "queries", "keys", "dim", "gap"),
    [(1, 1, 1, 1, 0), (2, 5, 7, 3, 3), (3, 33, 40, 16, 5), (1, 17, 65, 20, 99)],
)
def test_agrees_with_the_reference(heads, queries, keys, dim, gap, dtype):
    q, k, v = (draw((heads, n, dim), dtype, seed) for seed, n in ((1, queries), (2, keys), (3, keys)))
    agree(q, k, v, agree(q, k, v, nothing(q), gap), gap - 2)


def test_views_are_read_as_they_are():
    fused = draw((4, 3, 2, 5), torch.float32, 4)  # [S, q | k | v, heads, D], as one projection leaves it
    q, k, v = (fused[:, n].transpose(0, 1) for n in range(3))
    plain = [t.contiguous() for t in (q, k, v)]
    for a, b in zip(module.flash_step(q, k, v, *nothing(q), 0), module.flash_step(*plain, *nothing(q), 0), strict=True):
        assert torch.equal(a, b)


def test_the_state_is_left_alone_and_every_element_is_written():
    q, k, v = (draw((2, 19, 5), torch.float32, seed) for seed in (5, 6, 7))
    state = module.flash_step(q, k, v, *nothing(q), 0)
    before = [t.clone() for t in state]
    runs = []
    for poison in (float("nan"), 1e30):
        with poisoned(poison):
            runs.append(module.flash_step(q, k, v, *state, 3))
    for first, second, old, copy in zip(*runs, state, before, strict=True):
        assert torch.equal(first, second) and torch.isfinite(first).all() and torch.equal(old, copy)


def test_a_tile_in_the_future_keeps_the_state_bit_for_bit():
    q, k, v = (draw((1, 20, 4), torch.bfloat16, seed) for seed in (8, 9, 10))
    state = module.flash_step(q, k, v, *nothing(q), 0)
    for old, new in zip(state, module.flash_step(q, k, v, *state, -20), strict=True):
        assert torch.equal(old, new)
    m, total, out = module.flash_step(q, k, v, *nothing(q), -20)
    assert bool((m == -torch.inf).all()) and not total.any() and not out.any()


def test_one_launch():
    q = draw((3, 40, 4), torch.float32, 11)
    with record_launches() as log:
        module.flash_step(q, q, q, *nothing(q), 0)
    assert [launch.kernel for launch in log] == ["_step_kernel"]


@pytest.mark.parametrize("size", [16, 33])
def test_a_ring_of_blocks_is_causal_attention(size):
    q, k, v = (draw((1, 2, size, 8), torch.float32, seed) for seed in (12, 13, 14))
    state = nothing(q[0])
    for start in range(0, size, 11):
        state = module.flash_step(q[0], k[0, :, start : start + 11], v[0, :, start : start + 11], *state, -start)
    m, total, out = state
    o, lse = causal_gqa.attention(q, k, v)
    assert (out / total[..., None] - o[0]).abs().max() <= 200 * U32 * v.abs().max()
    assert (m + total.log() - lse[0]).abs().max() <= 200 * U32
    for tile in (16, 32):
        o2, _ = module.flash_attention(q, k, v, tile)
        assert (o2 - o).abs().max() <= 200 * U32 * v.abs().max()


def test_rows_of_one_repeated_element():
    q, k, v = (draw((2, 3, 1), torch.float32, seed).expand(2, 3, 5) for seed in (17, 18, 19))
    agree(q, k, v, nothing(q), 1)


@pytest.mark.parametrize("wide", [True, False])
def test_every_head_has_tiles_on_a_gpu(wide):
    """One choice up to 64 columns, one beyond; float32 products run on the scalar units, which want small tiles."""
    chosen = [module.tiles(dim, wide, "cuda") for dim in range(1, 129)]
    assert chosen == [chosen[63]] * 64 + [chosen[127]] * 64
    for cut in {chosen[63], chosen[127]}:
        assert all(n & (n - 1) == 0 and n >= 16 for n in (cut.queries, cut.keys)) and cut.warps in (4, 8)
        assert cut.queries * cut.keys <= 1024 if wide else cut.queries * cut.keys >= 2048
    assert wide or chosen[63].keys > chosen[127].keys  # twice the columns, half the rows


def test_wrong_arguments_are_named():
    q = draw((1, 3, 4), torch.float32, 15)
    with pytest.raises(TypeError, match=r"m: the state must be float32, got torch\.bfloat16"):
        module.flash_step(q, q, q, nothing(q)[0].bfloat16(), *nothing(q)[1:], 0)
    with pytest.raises(TypeError, match="one dtype"):
        module.flash_step(q, q.bfloat16(), q, *nothing(q), 0)
    with pytest.raises(ValueError, match="v: N is 2"):
        module.flash_step(q, q, q[:, :2], *nothing(q), 0)
    m, l, o = nothing(q)
    with pytest.raises(ValueError, match=r"^l: M is 2"):
        module.flash_step(q, q, q, m, l[:, :2], o, 0)
    with pytest.raises(ValueError, match=r"got \[1, 1, 3, 4\] and \[1, 1, 2, 4\]"):
        module.flash_attention(q[None], q[None], q[None, :, :2], 16)
    with pytest.raises(ValueError, match="must not be empty"):
        module.flash_step(q, q[:, :0], q[:, :0], *nothing(q), 0)
    wide = torch.zeros(1, 1, 129)
    with pytest.raises(ValueError, match="at most 128, got 129"):
        module.flash_step(wide, wide, wide, *nothing(wide), 0)
    with pytest.raises(ValueError, match="power of two of at least 16, got 24"):
        module.flash_attention(q[None], q[None], q[None], 24)


def test_queries_far_apart_have_offsets_of_64_bits():
    """Heads between the rows, as [M, C, D]: the last of 65 queries begins 2^32 elements after the first."""
    heads, queries, keys, dim = 524288, 65, 3, 128

    def like(*shape, dtype=torch.float32):
        return torch.empty(shape, dtype=dtype, device="meta")

    q = like(queries, heads, dim, dtype=torch.bfloat16).transpose(0, 1)
    k, v = (like(heads, keys, dim, dtype=torch.bfloat16) for _ in range(2))
    with last_programs() as launches:  # raises IndexOverflow where 32 bits are left
        module.flash_step(q, k, v, like(heads, queries), like(heads, queries), like(heads, queries, dim), 1)
    assert len(launches) == 1
