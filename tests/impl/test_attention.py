"""The Triton attention (interpreted on CPU tensors) against the NumPy reference, within derived bounds."""

import numpy as np
import pytest
import torch
from albor_impl._triton import poisoned, record_launches, sanitized
from albor_impl.attention.causal_gqa import (
    CausalAttention,
    Tiles,
    attention,
    attention_backward,
    attention_sdpa,
    attention_sdpa_backward,
    backward,
    causal_attention,
    forward,
    tiles,
)
from albor_reference.attention.causal_gqa import attention as reference
from albor_reference.attention.causal_gqa import attention_backward as reference_backward

U32 = 2.0**-24
UNIT = {torch.float32: U32, torch.bfloat16: 2.0**-8, torch.float16: 2.0**-11}
# Half of the spacing below the smallest normal number: what a rounding of a small number can cost beyond its unit.
TINY = {torch.float32: 2.0**-150, torch.bfloat16: 2.0**-134, torch.float16: 2.0**-25}
DTYPES = list(UNIT)
#          B  H  K   S   D
SHAPES = [(1, 1, 1, 1, 1), (2, 4, 2, 5, 3), (1, 6, 3, 17, 8), (1, 4, 1, 33, 16), (1, 2, 2, 32, 5), (1, 2, 1, 9, 128)]


def doubles(tensor):
    return tensor.detach().double().numpy()


def case(batch, heads, kv_heads, size, dim, dtype, scale=1.0, seed=0):
    rng = np.random.default_rng(seed + size * dim + heads)

    def draw(h):
        return torch.tensor(scale * rng.standard_normal((batch, h, size, dim))).to(dtype)

    return draw(heads), draw(heads), draw(kv_heads), draw(kv_heads)


def bounds(g, q, k, v, dtype):
    """Largest errors of (o, lse, dq, dk, dv): float32 arithmetic, the declared roundings, one rounding at the store.

    A sum of n terms costs 8 sqrt(n) units of its absolute terms; an error of a score is a relative error of a weight.
    """
    unit, tiny = UNIT[dtype], TINY[dtype]
    inner = 0.0 if dtype == torch.float32 else unit  # weights and ds before they enter a product
    grain = 0.0 if dtype == torch.float32 else tiny
    batch, heads, size, dim = q.shape
    group = heads // k.shape[1]
    k, v = np.repeat(k, group, axis=1), np.repeat(v, group, axis=1)
    root = np.sqrt(dim)
    sum_d, sum_s = U32 * (8 * np.sqrt(dim) + 4), U32 * (8 * np.sqrt(size * group) + 4)
    allowed = np.tril(np.ones((size, size), bool))
    scores = q @ k.swapaxes(-1, -2) / root
    score_error = sum_d * (np.abs(q) @ np.abs(k).swapaxes(-1, -2)) / root + 3 * U32 * np.abs(scores)
    masked = np.where(allowed, scores, -np.inf)
    largest = masked.max(-1, keepdims=True)
    lse = largest + np.log(np.exp(masked - largest).sum(-1, keepdims=True))
    a = np.exp(masked - lse)
    lse_error = (a * score_error).sum(-1, keepdims=True) + sum_s + 8 * U32 + 3 * U32 * (np.abs(lse) + np.abs(largest))
    weight_error = a * (score_error + lse_error + 3 * U32 * (np.abs(scores) + 4))
    # Weights are rounded before they are divided by their sum, which is at least 1.
    o_error = (weight_error + (sum_s + inner) * a + grain * allowed) @ np.abs(v) + 4 * U32 * (a @ np.abs(v))
    o = a @ v
    o_stored = o_error + unit * np.abs(o) + tiny
    da = g @ v.swapaxes(-1, -2)
    delta = (g * o).sum(-1, keepdims=True)
    da_error = sum_d * (np.abs(g) @ np.abs(v).swapaxes(-1, -2))
    delta_error = (np.abs(g) * o_stored).sum(-1, keepdims=True) + sum_d * np.abs(g * o).sum(-1, keepdims=True)
    ds = a * (da - delta)
    ds_error = weight_error * np.abs(da - delta) + a * (da_error + delta_error + 3 * U32 * (np.abs(da) + np.abs(delta)))
    ds_error += (inner + sum_s + 4 * U32) * np.abs(ds) + grain * allowed
    dv_error = (weight_error + (inner + sum_s) * a + grain * allowed).swapaxes(-1, -2) @ np.abs(g)
    dq_error = ds_error @ np.abs(k) / root
    dk_error = ds_error.swapaxes(-1, -2) @ np.abs(q) / root

    def of_group(x):
        return x.reshape(batch, heads // group, group, size, dim).sum(axis=2)

    # Products of two small errors: the relative ones are at most inner each.
    second = 1 + 4 * inner + 1e-3
    return [second * error for error in (o_error, lse_error[..., 0], dq_error, of_group(dk_error), of_group(dv_error))]


def agree(got, expected, error, unit, tiny):
    got = doubles(got)
    assert got.shape == expected.shape
    assert np.all(np.abs(got - expected) <= error + unit * np.abs(expected) + tiny)


def check(g, q, k, v, outputs, gradients):
    dtype = q.dtype
    arrays = [doubles(t) for t in (g, q, k, v)]
    errors = bounds(*arrays, dtype)
    o, lse = reference(*arrays[1:])
    assert outputs[0].dtype == dtype and outputs[1].dtype == torch.float32
    agree(outputs[0], o, errors[0], UNIT[dtype], TINY[dtype])
    agree(outputs[1], lse, errors[1], U32, 0.0)
    for got, want, error in zip(gradients, reference_backward(*arrays), errors[2:], strict=True):
        assert got.dtype == dtype
        agree(got, want, error, UNIT[dtype], TINY[dtype])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_equals_the_reference(shape, dtype):
    g, q, k, v = case(*shape, dtype)
    check(g, q, k, v, attention(q, k, v), attention_backward(g, q, k, v))


@pytest.mark.parametrize("scale", [1e-3, 4.0])
def test_flat_and_peaked_weights(scale):
    g, q, k, v = case(1, 2, 1, 33, 16, torch.float32, scale=scale)
    check(g, q, k, v, attention(q, k, v), attention_backward(g, q, k, v))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("cut", [(16, 16), (16, 32), (32, 16), (64, 16)])
@pytest.mark.parametrize("size", [15, 16, 17, 33])
def test_tile_boundaries(cut, size, dtype):
    """Tiles of queries and keys of different sizes, sequences that end before, at and after a boundary."""
    g, q, k, v = case(1, 2, 1, size, 4, dtype)
    tiles = Tiles(*cut, 4, 1)
    outputs = forward(q, k, v, tiles)
    check(g, q, k, v, outputs, backward(g, q, k, v, *outputs, tiles))


def test_scores_that_grow_along_the_row():
    """Every tile has a new maximum: the accumulators must be rescaled each time."""
    size = 40
    q = torch.ones(1, 1, size, 1)
    k = torch.linspace(-30, 30, size).reshape(1, 1, size, 1)
    v = torch.randn(1, 1, size, 1, generator=torch.Generator().manual_seed(0))
    g = torch.ones_like(q)
    for keys in (k, k.flip(2)):
        tiles = Tiles(16, 16, 4, 1)
        outputs = forward(q, keys, v, tiles)
        check(g, q, keys, v, outputs, backward(g, q, keys, v, *outputs, tiles))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("cut", [None, Tiles(16, 32, 4, 1)])
def test_the_future_has_no_influence_bitwise(dtype, cut):
    _, q, k, v = case(1, 4, 2, 35, 8, dtype)
    o, lse = forward(q, k, v, cut)
    for j in (1, 15, 16, 31, 32, 34):
        q2, k2, v2 = (t.clone() for t in (q, k, v))
        for t in (q2, k2, v2):
            t[:, :, j:] = 7.0 - 30.0 * t[:, :, j:]
        o2, lse2 = forward(q2, k2, v2, cut)
        assert torch.equal(o[:, :, :j], o2[:, :, :j]) and torch.equal(lse[:, :, :j], lse2[:, :, :j])
        assert not torch.equal(o[:, :, j], o2[:, :, j])


def test_a_gradient_reaches_no_later_key_and_every_earlier_one():
    _, q, k, v = case(1, 2, 1, 20, 4, torch.float32)
    for i in (0, 7, 16, 19):
        g = torch.zeros_like(q)
        g[:, 1, i] = 1.0
        dq, dk, dv = attention_backward(g, q, k, v)
        assert not dk[:, :, i + 1 :].any() and not dv[:, :, i + 1 :].any()
        assert (dv[:, :, : i + 1] != 0).all() and not dq[:, 0].any()
        assert torch.equal(dq[:, 1].any(dim=-1).nonzero()[:, 1], torch.tensor([i] if i else []).long())


def test_group_and_batch_are_independent_bitwise():
    _, q, k, v = case(2, 6, 3, 9, 4, torch.float32)
    o, lse = attention(q, k, v)
    for b in range(2):
        for h in range(6):
            part = q[b : b + 1, h : h + 1], k[b : b + 1, h // 2 : h // 2 + 1], v[b : b + 1, h // 2 : h // 2 + 1]
            o1, lse1 = attention(*part)
            assert torch.equal(o1[0, 0], o[b, h]) and torch.equal(lse1[0, 0], lse[b, h])


def test_layouts_and_inputs_unchanged():
    tensors = case(2, 4, 2, 5, 6, torch.float32)
    g, q, k, v = tensors
    views = (
        g[:1, :, :1].expand(2, 4, 5, 6),
        q.permute(0, 2, 1, 3).contiguous().permute(0, 2, 1, 3),  # as a projection to [B, S, H, D] leaves it
        torch.cat([k, k], dim=3)[..., 6:],
        v.transpose(2, 3).contiguous().transpose(2, 3),
    )
    before = [view.clone() for view in views]
    dense = [view.contiguous() for view in views]
    for one, other in zip(attention(*views[1:]), attention(*dense[1:]), strict=True):
        assert torch.equal(one, other)
    for one, other in zip(attention_backward(*views), attention_backward(*dense), strict=True):
        assert torch.equal(one, other)
    assert all(torch.equal(view, old) for view, old in zip(views, before, strict=True))


COLUMNS = {
    "every second": lambda t: torch.stack([t, t], -1).flatten(-2)[..., ::2],
    "first axis last": lambda t: t.permute(1, 2, 3, 0).contiguous().permute(3, 0, 1, 2),
    "all the same": lambda t: t[..., :1].expand(t.shape),
}


@pytest.mark.parametrize("lay", COLUMNS.values(), ids=COLUMNS)
@pytest.mark.parametrize(("size", "dim"), [(1, 5), (5, 2), (3, 4)])
def test_columns_that_are_not_adjacent(lay, size, dim):
    given = [lay(t) for t in case(2, 2, 1, size, dim, torch.float32)]
    assert all(t.stride(-1) != 1 for t in given)
    g, q, k, v = given
    plain = [t.contiguous() for t in given]
    for found, wanted in zip(
        (*attention(q, k, v), *attention_backward(g, q, k, v)),
        (*attention(*plain[1:]), *attention_backward(*plain)),
        strict=True,
    ):
        assert torch.equal(found, wanted)


def test_every_element_is_written():
    g, q, k, v = case(1, 4, 2, 33, 5, torch.bfloat16)
    with poisoned(float("nan")), record_launches() as launches:
        one = (*attention(q, k, v), *attention_backward(g, q, k, v))
    with poisoned(1e30), sanitized():
        other = (*attention(q, k, v), *attention_backward(g, q, k, v))
    assert all(torch.equal(a, b) and a.isfinite().all() for a, b in zip(one, other, strict=True))
    assert [x.kernel for x in launches] == ["_forward_kernel", "_forward_kernel", "_dq_kernel", "_dkdv_kernel"]


def test_autograd():
    g, q, k, v = case(1, 4, 2, 7, 4, torch.float32)
    leaves = [t.clone().requires_grad_() for t in (q, k, v)]
    o = causal_attention(*leaves)
    assert torch.equal(o, attention(q, k, v)[0])
    assert not CausalAttention.apply(*leaves)[1].requires_grad  # no gradient of lse is made
    gradients = torch.autograd.grad(o, leaves, g)
    for got, want in zip(gradients, attention_backward(g, q, k, v), strict=True):
        assert torch.equal(got, want)


@pytest.mark.parametrize("shape", SHAPES)
def test_torch_sdpa_in_float32(shape):
    """torch's own kernel keeps the weights in float32, so that the same bounds hold."""
    g, q, k, v = case(*shape, torch.float32)
    check(g, q, k, v, attention_sdpa(q, k, v), attention_sdpa_backward(g, q, k, v))


@pytest.mark.parametrize(("q", "k", "v", "message"), [
    ((1, 3, 2, 4), (1, 2, 2, 4), (1, 2, 2, 4), "not a multiple"),
    ((1, 2, 2, 4), (1, 2, 3, 4), (1, 2, 3, 4), "differ in batch"),
    ((1, 2, 2, 4), (1, 2, 2, 4), (1, 1, 2, 4), r"k and v .* got \[1, 2, 2, 4\] and \[1, 1, 2, 4\]"),
    ((2, 2, 4), (2, 2, 4), (2, 2, 4), "heads"),
    ((2, 2, 4), (1, 2, 2, 4), (1, 2, 2, 4), "heads"),
    ((1, 2, 0, 4), (1, 2, 0, 4), (1, 2, 0, 4), "empty"),
    ((1, 0, 2, 4), (1, 2, 2, 4), (1, 2, 2, 4), "empty"),
    ((1, 2, 2, 4), (1, 0, 2, 4), (1, 0, 2, 4), "empty"),
    ((1, 1, 2, 129), (1, 1, 2, 129), (1, 1, 2, 129), "at most 128"),
])  # fmt: skip
def test_shapes_that_do_not_fit(q, k, v, message):
    q, k, v = map(torch.zeros, (q, k, v))
    for function in (attention, causal_attention, attention_sdpa):
        with pytest.raises(ValueError, match=message):
            function(q, k, v)
    for function in (attention_backward, attention_sdpa_backward):
        with pytest.raises(ValueError, match=message):
            function(q, q, k, v)


def test_dtypes_and_gradients_that_do_not_fit():
    g, q, k, v = case(1, 2, 1, 3, 4, torch.float32)
    for function in (attention, causal_attention, attention_sdpa):
        with pytest.raises(TypeError, match="float64"):
            function(q.double(), k.double(), v.double())
        with pytest.raises(TypeError, match=r"one dtype, got torch.float32, torch.float16, torch.float32"):
            function(q, k.half(), v)
    for function in (attention_backward, attention_sdpa_backward):
        with pytest.raises(ValueError, match=r"shape of q \[1, 2, 3, 4\], got \[1, 2, 2, 4\]"):
            function(g[:, :, :2], q, k, v)
        with pytest.raises(TypeError, match="gradient of o"):
            function(g.half(), q, k, v)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("which", ["forward", "dq", "dkdv"])
def test_every_head_has_tiles_on_a_gpu(which, dtype):
    """Those that are compiled for the targets: one choice up to 64 columns, one beyond."""
    gpu = torch.device("cuda")
    chosen = [tiles(which, dim, dtype, gpu) for dim in range(1, 129)]
    assert chosen == [chosen[63]] * 64 + [chosen[127]] * 64
    for cut in {chosen[63], chosen[127]}:
        assert all(n & (n - 1) == 0 and n >= 16 for n in (cut.queries, cut.keys)) and cut.warps in (4, 8)
        # Products of float32 run on the scalar units: a tile in registers. Others have the tensor cores.
        assert cut.queries * cut.keys <= 1024 if dtype == torch.float32 else cut.queries * cut.keys >= 2048
    # Beside the wider rows of a wide head a thread has room for fewer scores.
    narrow, wide = (cut.queries * cut.keys / cut.warps for cut in (chosen[63], chosen[127]))
    assert narrow > wide
