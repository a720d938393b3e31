"""attention/kv-cache: Attention with a key and value cache.

Compiled from contracts/attention/kv-cache-v1.yaml: change the contract and run `albor-contracts generate`, never this file.
Meaning: 7646b257be9529dde26bf8bdc5f6fc459cc7a67b83d270a0030b791213886674
"""

from albor_contracts.testing import (
    all, approx, array, cases, cast, claim, clip, defines, definitions, dot, exact, example, exp, given, grid,
    independent, log, max, min, obligation, real, rejects, sqrt, sum, uses_at_most, where, within,
)

CONTRACT = "attention/kv-cache"


@defines("cache_append(cache: float[B, K, C, D], fresh: float[B, K, T, D], used: int) -> cache2: float[B, K, C, D]")
def cache_append(cache, fresh, used):
    """cache'[used + i] = fresh[i], all other places as they were"""
    B, K, C, D = cache.shape
    T = fresh.shape[2]
    b, c, d, j = grid(B, K, D, C)
    cache2 = array[b, c, j, d](where((used <= j) & (j < used + T), fresh[b, c, clip(j - used, 0, T - 1), d], cache[b, c, j, d]))
    return cache2


@defines(
    "cached_attention(q: float[B, H, T, D], k: float[B, K, C, D], v: float[B, K, C, D], used: int)"
    " -> o: float[B, H, T, D], lse: accum[B, H, T]"
)
def cached_attention(q, k, v, used):
    """o_i = softmax(q_i k^T / sqrt(D), j <= used - T + i) v"""
    B, H, T, D = q.shape
    _, K, C, _ = k.shape
    G = H // K
    b, h, i, d, j = grid(B, H, T, D, C)
    s = array[b, h, i, j](dot[d](q[b, h, i, d], k[b, h // G, j, d]) / sqrt(D))
    m = array[b, h, i](max[j](s[b, h, i, j], where=j <= used - T + i))
    e = array[b, h, i, j](where(j <= used - T + i, exp(s[b, h, i, j] - m[b, h, i]), 0))
    z = array[b, h, i](sum[j](e[b, h, i, j]))
    o = array[b, h, i, d](dot[j](cast(e[b, h, i, j]), v[b, h // G, j, d]) / z[b, h, i])
    lse = array[b, h, i](m[b, h, i] + log(z[b, h, i]))
    return o, lse


@defines(
    "attention(q: float[B, H, S, D], k: float[B, K, S, D], v: float[B, K, S, D])"
    " -> o: float[B, H, S, D], lse: accum[B, H, S]"
)
def attention(q, k, v):
    """o = softmax(q k^T / sqrt(D), j <= i) v, lse = log sum exp(q k^T / sqrt(D))"""
    B, H, S, D = q.shape
    K = k.shape[1]
    G = H // K
    b, h, i, d, j = grid(B, H, S, D, S)
    s = array[b, h, i, j](dot[d](q[b, h, i, d], k[b, h // G, j, d]) / sqrt(D))
    m = array[b, h, i](max[j](s[b, h, i, j], where=j <= i))
    e = array[b, h, i, j](where(j <= i, exp(s[b, h, i, j] - m[b, h, i]), 0))
    z = array[b, h, i](sum[j](e[b, h, i, j]))
    o = array[b, h, i, d](dot[j](cast(e[b, h, i, j]), v[b, h // G, j, d]) / z[b, h, i])
    lse = array[b, h, i](m[b, h, i] + log(z[b, h, i]))
    return o, lse


@defines(
    "cache_bytes(layers: int, batch: int, heads: int, kv_heads: int, capacity: int, head_dim: int, element: int)"
    " -> size: int"
)
def cache_bytes(layers, batch, heads, kv_heads, capacity, head_dim, element):
    """2 layers batch kv_heads capacity head_dim element"""
    size = 2 * layers * batch * kv_heads * capacity * head_dim * element + 0 * heads
    return size


spec = definitions(CONTRACT, cache_append, cached_attention, attention, cache_bytes)

cache_append_inputs = cases(
    dims={"B": "1..2", "K": "1..2", "T": "1..4", "C": "1, 2, 5, 16, 17, 33", "D": "1..9"},
    assume=("T <= C",),
    cache="float[B, K, C, D] in [-4, 4]",
    fresh="float[B, K, T, D] in [-4, 4]",
    used="int in [0, C - T]",
)
cached_attention_inputs = cases(
    dims={"B": "1..2", "G": "1..3", "K": "1..2", "H": "G * K", "T": "1..3", "C": "16, 17", "D": "1..9", "P": "1..9", "S": "P + T"},
    assume=("T <= C",),
    work={"B * K * D * S": 2**18, "B * D * S * H": 2**18},
    q="float[B, H, T, D] in [-4, 4]",
    k="float[B, K, C, D] in [-4, 4]",
    v="float[B, K, C, D] in [-4, 4]",
    used="int in [T, C]",
    kp="float[B, K, P, D] in [-4, 4]",
    vp="float[B, K, P, D] in [-4, 4]",
    kn="float[B, K, T, D] in [-4, 4]",
    vn="float[B, K, T, D] in [-4, 4]",
    zero="float[S] in {0}",
)
kvc_prefill_inputs = cases(
    dims={"B": "1..2", "G": "1..3", "K": "1..2", "H": "G * K", "T": "2..9", "C": "16, 17", "D": "1..9"},
    assume=("T <= C",),
    q="float[B, H, T, D] in [-4, 4]",
    k="float[B, K, C, D] in [-4, 4]",
    v="float[B, K, C, D] in [-4, 4]",
    used="int in [T, C]",
    kn="float[B, K, T, D] in [-4, 4]",
    vn="float[B, K, T, D] in [-4, 4]",
)
kvc_junk_inputs = cases(
    dims={"B": "1..2", "G": "1..3", "K": "1..2", "H": "G * K", "T": "1..4", "C": "1, 2, 5, 16, 17, 33", "D": "1..9"},
    assume=("T <= C",),
    work={"T * C": 2**18},
    q="float[B, H, T, D] in [-4, 4]",
    k="float[B, K, C, D] in [-4, 4]",
    v="float[B, K, C, D] in [-4, 4]",
    used="int in [T, C]",
    other_v="float[B, K, C, D] in [-4, 4]",
)
kvc_hull_inputs = cases(
    dims={"B": "1..2", "G": "1..3", "K": "1..2", "H": "G * K", "T": "1..4", "C": "1, 2, 5, 16, 17, 33", "D": "1..9"},
    assume=("T <= C",),
    work={"B * C * D * H * T": 2**18},
    q="float[B, H, T, D] in [-4, 4]",
    k="float[B, K, C, D] in [-4, 4]",
    v="float[B, K, C, D] in [-4, 4]",
    used="int in [T, C]",
)
cache_bytes_inputs = cases(
    layers="int in [1, 200]",
    batch="int in [1, 4096]",
    heads="int in {8, 16, 64}",
    kv_heads="int in {1, 2, 4, 8}",
    capacity="int in [1, 2000000]",
    head_dim="int in {64, 80, 128}",
    element="int in {1, 2, 4}",
)
kvc_uneven_inputs = cases(
    layers="int in [1, 200]",
    batch="int in [1, 4096]",
    heads="int in {9, 15, 63}",
    kv_heads="int in {2, 4, 8}",
    capacity="int in [1, 2000000]",
    head_dim="int in {64, 80, 128}",
    element="int in {1, 2, 4}",
)
kvc_launch_inputs = cases(
    dims={"B": "1..2", "G": "1..3", "K": "1..2", "H": "G * K", "T": "1..4", "C": "1, 2, 5, 16, 17, 33", "D": "1..9"},
    assume=("T <= C",),
    q="float[B, H, T, D] in [-4, 4]",
    k="float[B, K, C, D] in [-4, 4]",
    v="float[B, K, C, D] in [-4, 4]",
    used="int in [T, C]",
)
kvc_overflow_inputs = cases(
    dims={"B": "1..2", "K": "1..2", "T": "3", "C": "5", "D": "1..9"},
    assume=("T <= C",),
    cache="float[B, K, C, D] in [-4, 4]",
    fresh="float[B, K, T, D] in [-4, 4]",
    used="int in [0, C - T]",
)
kvc_tiles_inputs = cases(
    dims={"B": "1", "G": "1..2", "K": "1", "H": "G * K", "T": "1..2", "C": "71, 130", "D": "20"},
    assume=("T <= C",),
    q="float[B, H, T, D] in [7, 8]",
    k="float[B, K, C, D] in [-5, -4]",
    v="float[B, K, C, D] in [-4, 4]",
    used="int in [C - 6, C]",
)
kvc_views_inputs = cases(
    dims={"B": "1..2", "G": "1..3", "K": "1..2", "H": "G * K", "T": "1", "C": "2, 5", "D": "2"},
    assume=("T <= C",),
    q="float[B, H, T, D] in [-4, 4]",
    k="float[B, K, C, D] in [-4, 4]",
    v="float[B, K, C, D] in [-4, 4]",
    used="int in [T, C]",
)
kvc_fits_inputs = cases(
    dims={"B": "1..2", "G": "1..3", "K": "1..2", "H": "G * K", "T": "1..2", "C": "2..5", "D": "1..4", "W": "1..5"},
    assume=("T <= C", "W != C",),
    q="float[B, H, T, D] in [-4, 4]",
    k="float[B, K, C, D] in [-4, 4]",
    v="float[B, K, C, D] in [-4, 4]",
    used="int in [T, C]",
    other="float[B, K, W, D] in [-4, 4]",
)
kvc_model_inputs = cases(
    dims={"B": "2", "G": "1..2", "K": "2", "H": "G * K", "T": "1..2", "C": "71, 130", "D": "64, 128"},
    assume=("T <= C",),
    elements=133633,
    q="float[B, H, T, D] in [-4, 4]",
    k="float[B, K, C, D] in [-4, 4]",
    v="float[B, K, C, D] in [-4, 4]",
    used="int in [T, C]",
)
kvc_long_inputs = cases(
    dims={"B": "1", "G": "1..2", "K": "1", "H": "G * K", "T": "1..2", "C": "513, 1025", "D": "1, 4"},
    assume=("T <= C",),
    q="float[B, H, T, D] in [0.5, 2]",
    k="float[B, K, C, D] in {-0.25, -0.125, 0, 0.125, 0.25}",
    v="float[B, K, C, D] in [-4, 4]",
    used="int in [C - 6, C]",
)
kvc_many_new_inputs = cases(
    dims={"B": "1", "G": "1..2", "K": "1", "H": "G * K", "T": "16, 17, 33", "C": "33, 35, 70", "D": "1..4"},
    assume=("T <= C",),
    q="float[B, H, T, D] in [-4, 4]",
    k="float[B, K, C, D] in [-4, 4]",
    v="float[B, K, C, D] in [-4, 4]",
    used="int in [T, C]",
)
kvc_batches_inputs = cases(
    dims={"B": "3, 4, 5", "G": "1..3", "K": "1..2", "H": "G * K", "T": "1..2", "C": "2, 5", "D": "1..3"},
    assume=("T <= C",),
    q="float[B, H, T, D] in [-4, 4]",
    k="float[B, K, C, D] in [-4, 4]",
    v="float[B, K, C, D] in [-4, 4]",
    used="int in [T, C]",
)
kvc_batches_append_inputs = cases(
    dims={"B": "3, 4, 5", "K": "1..2", "T": "1..2", "C": "2, 5", "D": "1..3"},
    assume=("T <= C",),
    cache="float[B, K, C, D] in [-4, 4]",
    fresh="float[B, K, T, D] in [-4, 4]",
    used="int in [0, C - T]",
)
kvc_deep_inputs = cases(
    dims={"B": "1", "G": "1..2", "K": "1", "H": "G * K", "T": "1..3", "C": "5, 17", "D": "1, 4"},
    assume=("T <= C",),
    work={"C * T": 2**18, "B * C * D * T * H": 2**18},
    q="float[B, H, T, D] in {128, 256, 2048}",
    k="float[B, K, C, D] in [-4, 4]",
    v="float[B, K, C, D] in [-4, 4]",
    used="int in [T, C]",
    order="permutation[C]",
)


@obligation("KVC-APPEND", equation="cache_append", type="definition")
@given(case=cache_append_inputs)
def test_kvc_append(kernel, case):
    """The new rows stand where they belong, and no other place changes by a bit."""
    cache, fresh, used = kernel.receives(case, "cache fresh used")
    cache2 = kernel.cache_append(cache, fresh, used)
    expected_cache2 = spec.cache_append(cache, fresh, used)
    claim(exact(cache2, expected_cache2))


@obligation("KVC-FULL", equation="cached_attention", type="equivalence")
@given(case=cached_attention_inputs)
def test_kvc_full(kernel, case):
    """Prefill and decoding from the cache give what full attention gives at these positions."""
    q, k, v, kp, vp, kn, vn, zero = kernel.receives(case, "q k v kp vp kn vn zero")
    B, K, H, T, D, P, S = case.B, case.K, case.H, case.T, case.D, case.P, case.S
    b, c, d, s, h, i = grid(B, K, D, S, H, T)
    k1 = kernel.cache_append(k, kp, 0)
    v1 = kernel.cache_append(v, vp, 0)
    k2 = kernel.cache_append(k1, kn, P)
    v2 = kernel.cache_append(v1, vn, P)
    o, lse = kernel.cached_attention(q, k2, v2, P + T)
    kf = array[b, c, s, d](where(s < P, kp[b, c, within(s + 0, P), d], kn[b, c, within(s - P, T), d]) + zero[s])
    vf = array[b, c, s, d](where(s < P, vp[b, c, within(s + 0, P), d], vn[b, c, within(s - P, T), d]) + zero[s])
    qf = array[b, h, s, d](where(s < P, zero[s], q[b, h, within(s - P, T), d]))
    of, lsef = spec.attention(qf, kf, vf)
    claim(all[b, h, i, d](approx(o[b, h, i, d], of[b, h, i + P, d])))
    claim(all[b, h, i](approx(lse[b, h, i], lsef[b, h, i + P])))


@obligation("KVC-PREFILL", equation="cached_attention", type="equivalence")
@given(case=kvc_prefill_inputs)
def test_kvc_prefill(kernel, case):
    """With nothing before them, the new tokens get causal attention: prefill."""
    q, k, v, kn, vn = kernel.receives(case, "q k v kn vn")
    T = case.T
    k1 = kernel.cache_append(k, kn, 0)
    v1 = kernel.cache_append(v, vn, 0)
    o, lse = kernel.cached_attention(q, k1, v1, T)
    expected_o, expected_lse = spec.attention(q, kn, vn)
    claim(approx(o, expected_o))
    claim(approx(lse, expected_lse))


@obligation("KVC-JUNK", equation="cached_attention", type="independence")
@given(case=kvc_junk_inputs)
def test_kvc_junk(kernel, case):
    """What stands beyond a query's position, used or not, does not change its output by a bit."""
    q, k, v, used, other_v = kernel.receives(case, "q k v used other_v")
    B, K, H, T, C, D = case.B, case.K, case.H, case.T, case.C, case.D
    b, h, i, d, c, j, n = grid(B, H, T, D, K, C, D)
    independent(
        lambda v: kernel.cached_attention(q, k, v, used)[0],
        v,
        other_v,
        when=j > used - T + i,
        output=(b, h, i, d),
        input=(b, c, j, n),
        case=case,
    )


@obligation("KVC-HULL", equation="cached_attention", type="bound")
@given(case=kvc_hull_inputs)
def test_kvc_hull(kernel, case):
    """Every output lies between the smallest and the largest value its query may see."""
    q, k, v, used = kernel.receives(case, "q k v used")
    B, G, H, T, C, D = case.B, case.G, case.H, case.T, case.C, case.D
    b, j, d, h, i = grid(B, C, D, H, T)
    o, _ = kernel.cached_attention(q, k, v, used)
    claim(all[b, h, i, d]((min[j](v[b, h // G, j, d], where=j <= used - T + i) <= o[b, h, i, d]) & (o[b, h, i, d] <= max[j](v[b, h // G, j, d], where=j <= used - T + i))))


@obligation("KVC-SHARE", equation="cache_bytes", type="conservation")
@given(case=cache_bytes_inputs)
def test_kvc_share(kernel, case):
    """A cache of n_kv heads is n_kv / n_q of that of all query heads."""
    layers, batch, heads, kv_heads, capacity, head_dim, element = kernel.receives(case, "layers batch heads kv_heads capacity head_dim element")
    claim(kernel.cache_bytes(layers, batch, heads, kv_heads, capacity, head_dim, element) * heads == kernel.cache_bytes(layers, batch, heads, heads, capacity, head_dim, element) * kv_heads)


@obligation("KVC-UNEVEN", equation="cache_bytes", type="rejection")
@given(case=kvc_uneven_inputs)
def test_kvc_uneven(kernel, case):
    """Query heads that are no multiple of the key heads are refused, with both numbers."""
    layers, batch, heads, kv_heads, capacity, head_dim, element = kernel.receives(case, "layers batch heads kv_heads capacity head_dim element")
    rejects(
        kernel,
        "cache_bytes",
        (layers, batch, heads, kv_heads, capacity, head_dim, element),
        ValueError,
        mentions=["heads"],
    )


@obligation("KVC-LAUNCH", equation="cached_attention", type="resource")
@given(case=kvc_launch_inputs)
def test_kvc_launch(kernel, case):
    """One launch serves all sequences and heads."""
    q, k, v, used = kernel.receives(case, "q k v used")
    uses_at_most(1, "launches", lambda: kernel.cached_attention(q, k, v, used))


@obligation("KVC-OVERFLOW", equation="cache_append", type="rejection")
@given(case=kvc_overflow_inputs)
def test_kvc_overflow(kernel, case):
    """Rows that do not fit into the cache are refused, with both numbers."""
    cache, fresh, used = kernel.receives(case, "cache fresh used")
    rejects(kernel, "cache_append", (cache, fresh, 4 + 0 * used), ValueError, mentions=["7", "5"])


@obligation("KVC-TILES", equation="cached_attention", type="equivalence")
@given(case=kvc_tiles_inputs)
def test_kvc_tiles(kernel, case):
    """Caches of several blocks of keys are swept to the last used place, with heads wider than the smallest tile."""
    q, k, v, used = kernel.receives(case, "q k v used")
    o, lse = kernel.cached_attention(q, k, v, used)
    expected_o, expected_lse = spec.cached_attention(q, k, v, used)
    claim(approx(o, expected_o))
    claim(approx(lse, expected_lse))


@obligation("KVC-VIEWS", equation="cached_attention", type="equivalence")
@given(case=kvc_views_inputs)
def test_kvc_views(kernel, case):
    """A single query of two elements is read where it lies, be its elements adjacent or not."""
    q, k, v, used = kernel.receives(case, "q k v used")
    o, lse = kernel.cached_attention(q, k, v, used)
    expected_o, expected_lse = spec.cached_attention(q, k, v, used)
    claim(approx(o, expected_o))
    claim(approx(lse, expected_lse))


@obligation("KVC-FITS", equation="cached_attention", type="rejection")
@given(case=kvc_fits_inputs)
def test_kvc_fits(kernel, case):
    """As many values as keys: other numbers are refused."""
    q, k, used, other = kernel.receives(case, "q k used other")
    rejects(kernel, "cached_attention", (q, k, other, used), ValueError, mentions=["v"])


@obligation("KVC-MODEL", equation="cached_attention", type="equivalence", cost=2)
@given(case=kvc_model_inputs)
def test_kvc_model(kernel, case):
    """Heads of a model's width, several of them over several sequences, are served from caches of several blocks."""
    q, k, v, used = kernel.receives(case, "q k v used")
    o, lse = kernel.cached_attention(q, k, v, used)
    expected_o, expected_lse = spec.cached_attention(q, k, v, used)
    claim(approx(o, expected_o))
    claim(approx(lse, expected_lse))


@obligation("KVC-LONG", equation="cached_attention", type="equivalence", cost=6)
@given(case=kvc_long_inputs)
def test_kvc_long(kernel, case):
    """Caches of hundreds of places, filled to the last or nearly, are read whole, in whatever pieces; the later the
    place, the larger its scores."""
    q, k, v, used = kernel.receives(case, "q k v used")
    B, K, C, D = case.B, case.K, case.C, case.D
    b, c, j, d = grid(B, K, C, D)
    rising = array[b, c, j, d](k[b, c, j, d] + real(j // 128) / 4)
    o, lse = kernel.cached_attention(q, rising, v, used)
    expected_o, expected_lse = spec.cached_attention(q, rising, v, used)
    claim(approx(o, expected_o))
    claim(approx(lse, expected_lse))


@obligation("KVC-MANY-NEW", equation="cached_attention", type="equivalence", cost=2)
@given(case=kvc_many_new_inputs)
def test_kvc_many_new(kernel, case):
    """Seventeen or thirty-three new tokens at once, with and without a past, each see the places up to their own."""
    q, k, v, used = kernel.receives(case, "q k v used")
    T = case.T
    o, lse = kernel.cached_attention(q, k, v, used)
    full_o, full_lse = kernel.cached_attention(q, k, v, T)
    expected_o, expected_lse = spec.cached_attention(q, k, v, used)
    wanted_o, wanted_lse = spec.cached_attention(q, k, v, T)
    claim(approx(o, expected_o))
    claim(approx(lse, expected_lse))
    claim(approx(full_o, wanted_o))
    claim(approx(full_lse, wanted_lse))


@obligation("KVC-BATCHES", equation="cached_attention", type="equivalence", cost=2)
@given(case=kvc_batches_inputs)
def test_kvc_batches(kernel, case):
    """Each of three, four or five sequences reads its own cache."""
    q, k, v, used = kernel.receives(case, "q k v used")
    o, lse = kernel.cached_attention(q, k, v, used)
    expected_o, expected_lse = spec.cached_attention(q, k, v, used)
    claim(approx(o, expected_o))
    claim(approx(lse, expected_lse))


@obligation("KVC-BATCHES-APPEND", equation="cache_append", type="equivalence")
@given(case=kvc_batches_append_inputs)
def test_kvc_batches_append(kernel, case):
    """Each of three, four or five sequences gets its own new rows."""
    cache, fresh, used = kernel.receives(case, "cache fresh used")
    claim(exact(kernel.cache_append(cache, fresh, used), spec.cache_append(cache, fresh, used)))


@obligation("KVC-DEEP", equation="cached_attention", type="boundary")
@given(case=kvc_deep_inputs)
def test_kvc_deep(kernel, case):
    """Where scores are far below -10000 and far apart, each query reads the one place it may see with the largest
    score."""
    q, k, v, used, order = kernel.receives(case, "q k v used order")
    B, G, K, H, T, C, D = case.B, case.G, case.K, case.H, case.T, case.C, case.D
    b, c, j, d, i, h = grid(B, K, C, D, T, H)
    deep = array[b, c, j, d](0 * k[b, c, j, d] - 128 - 16 * order[j])
    o, lse = kernel.cached_attention(q, deep, v, used)
    least = array[i](min[j](order[j], where=j <= used - T + i))
    seen = array[b, h, i, d](sum[j](where(order[j] == least[i], v[b, h // G, j, d], 0)))
    score = array[b, h, i](sum[d](q[b, h, i, d]) * (0 - 128 - 16 * least[i]) / sqrt(D))
    claim(all[b, h, i, d](o[b, h, i, d] == seen[b, h, i, d]))
    claim(all[b, h, i](approx(lse[b, h, i], score[b, h, i])))


@obligation("KVC-DEF-CACHED_ATTENTION", equation="cached_attention", type="definition")
@given(case=kvc_launch_inputs)
def test_kvc_def_cached_attention(kernel, case):
    """cached_attention computes its definition."""
    q, k, v, used = kernel.receives(case, "q k v used")
    o, lse = kernel.cached_attention(q, k, v, used)
    expected_o, expected_lse = spec.cached_attention(q, k, v, used)
    claim(approx(o, expected_o))
    claim(approx(lse, expected_lse))


@obligation("KVC-DEF-CACHE_BYTES", equation="cache_bytes", type="definition")
@given(case=cache_bytes_inputs)
def test_kvc_def_cache_bytes(kernel, case):
    """cache_bytes computes its definition."""
    layers, batch, heads, kv_heads, capacity, head_dim, element = kernel.receives(case, "layers batch heads kv_heads capacity head_dim element")
    size = kernel.cache_bytes(layers, batch, heads, kv_heads, capacity, head_dim, element)
    expected_size = spec.cache_bytes(layers, batch, heads, kv_heads, capacity, head_dim, element)
    claim(approx(size, expected_size))


@obligation("KVC-T-JUNK", rule="KVC-DEF-CACHED_ATTENTION", type="falsification")
def test_kvc_t_junk(kernel):
    """Places never written may hold NaN."""
    case = example(
        {"q": "float[B, H, T, D]", "k": "float[B, K, C, D]", "v": "float[B, K, C, D]", "used": "int"},
        q=[[[[0.0]]]],
        k=[[[[1.0], [5.0], [float("nan")]]]],
        v=[[[[2.0], [6.0], [float("nan")]]]],
        used=2,
    )
    q, k, v, used = kernel.receives(case, "q k v used")
    o, lse = kernel.cached_attention(q, k, v, used)
    claim(o[0, 0, 0, 0] == 4)
    claim(approx(lse[0, 0, 0], log(2)))


@obligation("KVC-T-POSITION", rule="KVC-FULL", type="falsification")
def test_kvc_t_position(kernel):
    """Two new tokens after one old: the first sees two places, the second three."""
    case = example(
        {"q": "float[B, H, T, D]", "k": "float[B, K, C, D]", "v": "float[B, K, C, D]", "used": "int", "kp": "float[B, K, P, D]", "vp": "float[B, K, P, D]", "kn": "float[B, K, T, D]", "vn": "float[B, K, T, D]", "zero": "float[S]"},
        q=[[[[0.0], [0.0]]]],
        k=[[[[0.0], [0.0], [0.0]]]],
        v=[[[[3.0], [9.0], [-6.0]]]],
        used=3,
        kp=[[[[0.0]]]],
        vp=[[[[0.0]]]],
        kn=[[[[0.0], [0.0]]]],
        vn=[[[[0.0], [0.0]]]],
        zero=[0.0, 0.0, 0.0],
    )
    q, k, v, used = kernel.receives(case, "q k v used")
    o, _ = kernel.cached_attention(q, k, v, used)
    claim(approx(o[0, 0, 0, 0], 6))
    claim(approx(o[0, 0, 1, 0], 2))


@obligation("KVC-T-BYTES", rule="KVC-SHARE", type="falsification")
def test_kvc_t_bytes(kernel):
    """24 layers, 4 key heads of 64, 1024 places, bfloat16: 24 MiB, not the 96 MiB of 16 query heads."""
    case = example(
        {"layers": "int", "batch": "int", "heads": "int", "kv_heads": "int", "capacity": "int", "head_dim": "int", "element": "int"},
        layers=24,
        batch=1,
        heads=16,
        kv_heads=4,
        capacity=1024,
        head_dim=64,
        element=2,
    )
    layers, batch, heads, kv_heads, capacity, head_dim, element = kernel.receives(case, "layers batch heads kv_heads capacity head_dim element")
    size = kernel.cache_bytes(layers, batch, heads, kv_heads, capacity, head_dim, element)
    claim(size == 25165824)
