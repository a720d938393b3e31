"""attention/flash-recurrence: The online recurrence of tiled attention.

Compiled from contracts/attention/flash-recurrence-v1.yaml: change the contract and run `albor-contracts generate`, never this file.
Meaning: 88f18bd89ee90d33a95d00924b86c5156619d71d2e680b48df23c656195ecf27
"""

from albor_contracts.testing import (
    all, approx, array, cases, cast, claim, defines, definitions, dot, exact, example, exp, given, grid, inf, log, max,
    obligation, prod, rejects, sqrt, sum, uses_at_most, where, within,
)

CONTRACT = "attention/flash-recurrence"


@defines(
    "flash_step(q: float[C, M, D], k: float[C, N, D], v: float[C, N, D], m: accum[C, M], l: accum[C, M], o: accum[C, "
    "M, D], gap: int) -> m2: accum[C, M], l2: accum[C, M], o2: accum[C, M, D]"
)
def flash_step(q, k, v, m, l, o, gap):
    """m' = max(m, max s), l' = exp(m - m') l + sum exp(s - m'), o' = exp(m - m') o + sum exp(s - m') v"""
    C, M, D = q.shape
    N = k.shape[1]
    c, i, d, j = grid(C, M, D, N)
    s = array[c, i, j](dot[d](q[c, i, d], k[c, j, d]) / sqrt(D))
    m2 = array[c, i](max(m[c, i], max[j](where(j <= i + gap, s[c, i, j], m[c, i]))))
    a = array[c, i](exp(m[c, i] - m2[c, i]))
    e = array[c, i, j](where(j <= i + gap, exp(s[c, i, j] - m2[c, i]), 0))
    l2 = array[c, i](where(i + gap < 0, l[c, i], a[c, i] * l[c, i] + sum[j](e[c, i, j])))
    o2 = array[c, i, d](where(i + gap < 0, o[c, i, d], a[c, i] * o[c, i, d] + dot[j](cast(e[c, i, j]), v[c, j, d])))
    return m2, l2, o2


@defines(
    "flash_attention(q: float[B, H, S, D], k: float[B, K, S, D], v: float[B, K, S, D], tile: int)"
    " -> o: float[B, H, S, D], lse: accum[B, H, S]"
)
def flash_attention(q, k, v, tile):
    """flash_step over the tiles of keys, then o / l and lse = m + log l"""
    B, H, S, D = q.shape
    K = k.shape[1]
    G = H // K
    b, h, i, d, j, n = grid(B, H, S, D, S, S)
    s = array[b, h, i, j](dot[d](q[b, h, i, d], k[b, h // G, j, d]) / sqrt(D))
    m = array[b, h, i, j](max[n](s[b, h, i, n], where=(n <= i) & (n // tile <= j // tile)))
    e = array[b, h, i, j](where(j <= i, exp(s[b, h, i, j] - m[b, h, i, j]), 0))
    r = array[b, h, i, j](prod[n](exp(where(n > 0, m[b, h, i, within(n - 1, S)], 0) - m[b, h, i, n]), where=(n > j) & (n % tile == 0) & (n <= i)))
    l = array[b, h, i](dot[j](e[b, h, i, j], r[b, h, i, j]))
    o = array[b, h, i, d](dot[j](cast(e[b, h, i, j]), r[b, h, i, j], v[b, h // G, j, d]) / l[b, h, i])
    lse = array[b, h, i](m[b, h, i, S - 1] + log(l[b, h, i]))
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


spec = definitions(CONTRACT, flash_step, flash_attention, attention)

flash_step_inputs = cases(
    dims={"C": "1..2", "M": "1..5", "N": "1..9", "D": "1..5"},
    work={"C * M * D * N": 2**18},
    q="float[C, M, D] in [-3, 3]",
    k="float[C, N, D] in [-3, 3]",
    v="float[C, N, D] in [-4, 4]",
    m="accum[C, M] in [-8, 8]",
    l="accum[C, M] in [1, 30]",
    o="accum[C, M, D] in [-60, 60]",
    gap="int in [-18, 18]",
)
flr_plain_inputs = cases(
    dims={"C": "1", "M": "1..4", "N": "1..5", "D": "1..3", "N2": "1..3"},
    work={"C * M * D * N": 2**18, "C * M * D * N2": 2**18, "C * M * N * N2": 2**18, "C * M * D * N * N2": 2**18},
    q="float[C, M, D] in [-3, 3]",
    k="float[C, N, D] in [-3, 3]",
    v="float[C, N, D] in [-4, 4]",
    m="accum[C, M] in [-30, -20]",
    l="accum[C, M] in {0}",
    o="accum[C, M, D] in {0}",
    gap="int in [0, 18]",
    k2="float[C, N2, D] in [-3, 3]",
    v2="float[C, N2, D] in [-4, 4]",
)
flr_split_inputs = cases(
    dims={"C": "1", "M": "1..5", "N": "1..17", "D": "1..5", "N2": "1..5", "P": "N + N2"},
    work={"C * D * P": 2**18},
    q="float[C, M, D] in [-3, 3]",
    k="float[C, N, D] in [-3, 3]",
    v="float[C, N, D] in [-4, 4]",
    m="accum[C, M] in [-8, 8]",
    l="accum[C, M] in [1, 30]",
    o="accum[C, M, D] in [-60, 60]",
    gap="int in [-18, 18]",
    k2="float[C, N2, D] in [-3, 3]",
    v2="float[C, N2, D] in [-4, 4]",
    zero="float[P] in {0}",
)
flr_skip_inputs = cases(
    dims={"C": "1..2", "M": "1..17", "N": "1..9", "D": "1..5"},
    q="float[C, M, D] in [-3, 3]",
    k="float[C, N, D] in [-3, 3]",
    v="float[C, N, D] in [-4, 4]",
    m="accum[C, M] in [-8, 8]",
    l="accum[C, M] in [1, 30]",
    o="accum[C, M, D] in [-60, 60]",
    gap="int in [-20, 0 - M]",
)
flr_diagonal_inputs = cases(
    dims={"C": "1..2", "M": "1..17", "N": "1..9", "D": "1..5"},
    q="float[C, M, D] in [-3, 3]",
    k="float[C, N, D] in [-3, 3]",
    v="float[C, N, D] in [-4, 4]",
    m="accum[C, M] in [-8, 8]",
    l="accum[C, M] in [1, 30]",
    o="accum[C, M, D] in [-60, 60]",
    gap="int in [1 - M, 1 - M]",
)
flash_attention_inputs = cases(
    dims={"B": "1", "G": "1", "K": "1", "H": "G * K", "S": "16, 17, 33, 49", "D": "1..3"},
    q="float[B, H, S, D] in [-4, 4]",
    k="float[B, K, S, D] in [-4, 4]",
    v="float[B, K, S, D] in [-4, 4]",
    tile="int in {16, 32}",
)
flr_launch_inputs = cases(
    dims={"C": "1..2", "M": "1..3", "N": "1..3", "D": "1..3"},
    q="float[C, M, D] in [-3, 3]",
    k="float[C, N, D] in [-3, 3]",
    v="float[C, N, D] in [-4, 4]",
    m="accum[C, M] in [-8, 8]",
    l="accum[C, M] in [1, 30]",
    o="accum[C, M, D] in [-60, 60]",
    gap="int in [-18, 18]",
)
flr_wide_inputs = cases(
    dims={"C": "1..2", "M": "1", "N": "1", "D": "20"},
    q="float[C, M, D] in [-3, 3]",
    k="float[C, N, D] in [-3, 3]",
    v="float[C, N, D] in [-4, 4]",
    m="accum[C, M] in [-8, 8]",
    l="accum[C, M] in [1, 30]",
    o="accum[C, M, D] in [-60, 60]",
    gap="int in [-18, 18]",
)
flr_shapes_inputs = cases(
    dims={"C": "1..2", "M": "1..3", "N": "1..3", "D": "1..4", "E": "1..4"},
    assume=("E != D",),
    q="float[C, M, D] in [-3, 3]",
    k="float[C, N, D] in [-3, 3]",
    v="float[C, N, D] in [-4, 4]",
    m="accum[C, M] in [-8, 8]",
    l="accum[C, M] in [1, 30]",
    o="accum[C, M, D] in [-60, 60]",
    gap="int in [-18, 18]",
    other="float[C, N, E] in [-4, 4]",
)
flr_tile_inputs = cases(
    dims={"B": "1", "G": "1..2", "K": "1..2", "H": "G * K", "S": "1..3", "D": "1..5"},
    q="float[B, H, S, D] in [-4, 4]",
    k="float[B, K, S, D] in [-4, 4]",
    v="float[B, K, S, D] in [-4, 4]",
    tile="int in {16, 32}",
    none="int in {-16, 0}",
)
flr_values_inputs = cases(
    dims={"B": "1", "G": "1..2", "K": "1..2", "H": "G * K", "S": "1..3", "D": "1..5", "R": "1..3"},
    assume=("R != S",),
    q="float[B, H, S, D] in [-4, 4]",
    k="float[B, K, S, D] in [-4, 4]",
    v="float[B, K, S, D] in [-4, 4]",
    tile="int in {16, 32}",
    other="float[B, K, R, D] in [-4, 4]",
)
flr_model_inputs = cases(
    dims={"C": "2", "M": "17, 33", "N": "33, 65", "D": "64, 128"},
    elements=50309,
    q="float[C, M, D] in [-3, 3]",
    k="float[C, N, D] in [-3, 3]",
    v="float[C, N, D] in [-4, 4]",
    m="accum[C, M] in [-8, 8]",
    l="accum[C, M] in [1, 30]",
    o="accum[C, M, D] in [-60, 60]",
    gap="int in [-18, 18]",
)
flr_def_flash_step_inputs = cases(
    dims={"C": "1..2", "M": "1..17", "N": "1..9", "D": "1..5"},
    q="float[C, M, D] in [-3, 3]",
    k="float[C, N, D] in [-3, 3]",
    v="float[C, N, D] in [-4, 4]",
    m="accum[C, M] in [-8, 8]",
    l="accum[C, M] in [1, 30]",
    o="accum[C, M, D] in [-60, 60]",
    gap="int in [-18, 18]",
)
flr_def_flash_attention_inputs = cases(
    dims={"B": "1", "G": "1..2", "K": "1..2", "H": "G * K", "S": "1, 2, 15, 16, 17, 33", "D": "1..5"},
    q="float[B, H, S, D] in [-4, 4]",
    k="float[B, K, S, D] in [-4, 4]",
    v="float[B, K, S, D] in [-4, 4]",
    tile="int in {16, 32}",
)


@obligation("FLR-INVARIANT", equation="flash_step", type="conservation")
@given(case=flash_step_inputs)
def test_flr_invariant(kernel, case):
    """l exp(m) grows by the exponentials of the scores seen, and o exp(m) by these times v: the induction step."""
    q, k, v, m, l, o, gap = kernel.receives(case, "q k v m l o gap")
    C, M, N, D = case.C, case.M, case.N, case.D
    c, i, d, j = grid(C, M, D, N)
    m2, l2, o2 = kernel.flash_step(q, k, v, m, l, o, gap)
    w = array[c, i, j](where(j <= i + gap, exp(dot[d](q[c, i, d], k[c, j, d]) / sqrt(D)), 0))
    claim(all[c, i](approx(l2[c, i] * exp(m2[c, i]), l[c, i] * exp(m[c, i]) + sum[j](w[c, i, j]))))
    claim(all[c, i, d](approx(o2[c, i, d] * exp(m2[c, i]), o[c, i, d] * exp(m[c, i]) + dot[j](w[c, i, j], v[c, j, d]))))


@obligation("FLR-PLAIN", equation="flash_step", type="equivalence")
@given(case=flr_plain_inputs)
def test_flr_plain(kernel, case):
    """Two tiles from an empty state give the softmax attention over all keys seen, however they are cut."""
    q, k, v, m, l, o, gap, k2, v2 = kernel.receives(case, "q k v m l o gap k2 v2")
    C, M, N, D, N2 = case.C, case.M, case.N, case.D, case.N2
    c, i, d, j, t = grid(C, M, D, N, N2)
    m1, l1, o1 = kernel.flash_step(q, k, v, m, l, o, gap)
    m2, l2, o2 = kernel.flash_step(q, k2, v2, m1, l1, o1, gap - N)
    w = array[c, i, j](where(j <= i + gap, exp(dot[d](q[c, i, d], k[c, j, d]) / sqrt(D)), 0))
    w2 = array[c, i, t](where(t + N <= i + gap, exp(dot[d](q[c, i, d], k2[c, t, d]) / sqrt(D)), 0))
    z = array[c, i](sum[j](w[c, i, j]) + sum[t](w2[c, i, t]))
    y = array[c, i, d](dot[j](w[c, i, j], v[c, j, d]) + dot[t](w2[c, i, t], v2[c, t, d]))
    claim(all[c, i](approx(l1[c, i] * exp(m1[c, i]), sum[j](w[c, i, j]))))
    claim(all[c, i, d](approx(o1[c, i, d] * exp(m1[c, i]), dot[j](w[c, i, j], v[c, j, d]))))
    claim(all[c, i](approx(l2[c, i] * exp(m2[c, i]), z[c, i])))
    claim(all[c, i, d](approx(o2[c, i, d] * exp(m2[c, i]), y[c, i, d])))
    claim(all[c, i, d](approx(o2[c, i, d] / l2[c, i], y[c, i, d] / z[c, i])))


@obligation("FLR-SPLIT", equation="flash_step", type="invariance")
@given(case=flr_split_inputs)
def test_flr_split(kernel, case):
    """Two tiles one after the other are the same as one tile of both: any cut gives the same state."""
    q, k, v, m, l, o, gap, k2, v2, zero = kernel.receives(case, "q k v m l o gap k2 v2 zero")
    C, N, D, N2, P = case.C, case.N, case.D, case.N2, case.P
    c, d, p = grid(C, D, P)
    m1, l1, o1 = kernel.flash_step(q, k, v, m, l, o, gap)
    m2, l2, o2 = kernel.flash_step(q, k2, v2, m1, l1, o1, gap - N)
    kk = array[c, p, d](where(p < N, k[c, within(p + 0, N), d], k2[c, within(p - N, N2), d]) + zero[p])
    vv = array[c, p, d](where(p < N, v[c, within(p + 0, N), d], v2[c, within(p - N, N2), d]) + zero[p])
    m3, l3, o3 = kernel.flash_step(q, kk, vv, m, l, o, gap)
    claim(approx(m2, m3))
    claim(approx(l2, l3))
    claim(approx(o2, o3))


@obligation("FLR-SKIP", equation="flash_step", type="boundary")
@given(case=flr_skip_inputs)
def test_flr_skip(kernel, case):
    """A tile that begins strictly after the last query leaves the state as it was, bit for bit."""
    q, k, v, m, l, o, gap = kernel.receives(case, "q k v m l o gap")
    m2, l2, o2 = kernel.flash_step(q, k, v, m, l, o, gap)
    claim(exact(m2, m))
    claim(exact(l2, l))
    claim(exact(o2, o))


@obligation("FLR-DIAGONAL", equation="flash_step", type="bound")
@given(case=flr_diagonal_inputs)
def test_flr_diagonal(kernel, case):
    """A tile whose first key is the last query still counts: l grows by that key's exponential."""
    q, k, v, m, l, o, gap = kernel.receives(case, "q k v m l o gap")
    C, M, D = case.C, case.M, case.D
    c, d = grid(C, D)
    m2, l2, _ = kernel.flash_step(q, k, v, m, l, o, gap)
    s = array[c](dot[d](q[c, M - 1, d], k[c, 0, d]) / sqrt(D))
    claim(all[c](l2[c, M - 1] * exp(m2[c, M - 1] - m[c, M - 1]) >= l[c, M - 1] + 0.5 * exp(s[c] - m[c, M - 1])))


@obligation("FLR-SAME", equation="flash_attention", type="equivalence")
@given(case=flash_attention_inputs)
def test_flr_same(kernel, case):
    """The recurrence is causal attention: output and lse are those of attention/causal-gqa, for any tile."""
    q, k, v, tile = kernel.receives(case, "q k v tile")
    o, lse = kernel.flash_attention(q, k, v, tile)
    expected_o, expected_lse = spec.attention(q, k, v)
    claim(approx(o, expected_o))
    claim(approx(lse, expected_lse))


@obligation("FLR-LAUNCH", equation="flash_step", type="resource")
@given(case=flr_launch_inputs)
def test_flr_launch(kernel, case):
    """One launch moves the state of all heads and queries."""
    q, k, v, m, l, o, gap = kernel.receives(case, "q k v m l o gap")
    uses_at_most(1, "launches", lambda: kernel.flash_step(q, k, v, m, l, o, gap))


@obligation("FLR-WIDE", equation="flash_step", type="equivalence")
@given(case=flr_wide_inputs)
def test_flr_wide(kernel, case):
    """One query and one key of a wide head, wherever they lie in memory, agree with the definition."""
    q, k, v, m, l, o = kernel.receives(case, "q k v m l o")
    m2, l2, o2 = kernel.flash_step(q, k, v, m, l, o, 0)
    m3, l3, o3 = spec.flash_step(q, k, v, m, l, o, 0)
    claim(approx(m2, m3))
    claim(approx(l2, l3))
    claim(approx(o2, o3))


@obligation("FLR-SHAPES", equation="flash_step", type="rejection")
@given(case=flr_shapes_inputs)
def test_flr_shapes(kernel, case):
    """Values of another width than the queries are refused."""
    q, k, m, l, o, gap, other = kernel.receives(case, "q k m l o gap other")
    rejects(kernel, "flash_step", (q, k, other, m, l, o, gap), ValueError, mentions=["v"])


@obligation("FLR-TILE", equation="flash_attention", type="rejection")
@given(case=flr_tile_inputs)
def test_flr_tile(kernel, case):
    """A tile of nothing is refused."""
    q, k, v, none = kernel.receives(case, "q k v none")
    rejects(kernel, "flash_attention", (q, k, v, none), ValueError, mentions=["tile"])


@obligation("FLR-VALUES", equation="flash_attention", type="rejection")
@given(case=flr_values_inputs)
def test_flr_values(kernel, case):
    """As many values as keys: other numbers are refused."""
    q, k, tile, other = kernel.receives(case, "q k tile other")
    rejects(kernel, "flash_attention", (q, k, other, tile), ValueError, mentions=["v"])


@obligation("FLR-MODEL", equation="flash_step", type="equivalence", cost=4)
@given(case=flr_model_inputs)
def test_flr_model(kernel, case):
    """Heads of a model's width, several of them, agree with the definition, with more queries and keys than a block."""
    q, k, v, m, l, o, gap = kernel.receives(case, "q k v m l o gap")
    m2, l2, o2 = kernel.flash_step(q, k, v, m, l, o, gap)
    m3, l3, o3 = spec.flash_step(q, k, v, m, l, o, gap)
    claim(approx(m2, m3))
    claim(approx(l2, l3))
    claim(approx(o2, o3))


@obligation("FLR-DEF-FLASH_STEP", equation="flash_step", type="definition")
@given(case=flr_def_flash_step_inputs)
def test_flr_def_flash_step(kernel, case):
    """flash_step computes its definition."""
    q, k, v, m, l, o, gap = kernel.receives(case, "q k v m l o gap")
    m2, l2, o2 = kernel.flash_step(q, k, v, m, l, o, gap)
    expected_m2, expected_l2, expected_o2 = spec.flash_step(q, k, v, m, l, o, gap)
    claim(approx(m2, expected_m2))
    claim(approx(l2, expected_l2))
    claim(approx(o2, expected_o2))


@obligation("FLR-DEF-FLASH_ATTENTION", equation="flash_attention", type="definition")
@given(case=flr_def_flash_attention_inputs)
def test_flr_def_flash_attention(kernel, case):
    """flash_attention computes its definition."""
    q, k, v, tile = kernel.receives(case, "q k v tile")
    o, lse = kernel.flash_attention(q, k, v, tile)
    expected_o, expected_lse = spec.flash_attention(q, k, v, tile)
    claim(approx(o, expected_o))
    claim(approx(lse, expected_lse))


@obligation("FLR-T-START", rule="FLR-INVARIANT", type="falsification")
def test_flr_t_start(kernel):
    """From nothing, m = -inf, the first key gives its score, l = 1 and o = v; a masked row stays empty, without NaN."""
    case = example(
        {"q": "float[C, M, D]", "k": "float[C, N, D]", "v": "float[C, N, D]", "m": "accum[C, M]", "l": "accum[C, M]", "o": "accum[C, M, D]", "gap": "int"},
        q=[[[2.0], [2.0]]],
        k=[[[3.0]]],
        v=[[[5.0]]],
        m=[[float("-inf"), float("-inf")]],
        l=[[0, 0]],
        o=[[[0], [0]]],
        gap=-1,
    )
    q, k, v, m, l, o, gap = kernel.receives(case, "q k v m l o gap")
    m2, l2, o2 = kernel.flash_step(q, k, v, m, l, o, gap)
    claim(m2[0, 1] == 6)
    claim(l2[0, 1] == 1)
    claim(o2[0, 1, 0] == 5)
    claim(l2[0, 0] == 0)
    claim(o2[0, 0, 0] == 0)
    claim(m2[0, 0] == -inf)


@obligation("FLR-T-GROWS", rule="FLR-DEF-FLASH_STEP", type="falsification")
def test_flr_t_grows(kernel):
    """A score log 4 above the maximum divides what was there by 4."""
    case = example(
        {"q": "float[C, M, D]", "k": "float[C, N, D]", "v": "float[C, N, D]", "m": "accum[C, M]", "l": "accum[C, M]", "o": "accum[C, M, D]", "gap": "int"},
        q=[[[2.0]]],
        k=[[[1.0]]],
        v=[[[10.0]]],
        m=[[0.6137056388801094]],
        l=[[8.0]],
        o=[[[12.0]]],
        gap=0,
    )
    q, k, v, m, l, o, gap = kernel.receives(case, "q k v m l o gap")
    m2, l2, o2 = kernel.flash_step(q, k, v, m, l, o, gap)
    claim(approx(l2[0, 0], 3))
    claim(approx(o2[0, 0, 0], 13))
    claim(m2[0, 0] == 2)
