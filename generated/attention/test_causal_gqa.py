"""attention/causal-gqa: Causal attention with grouped heads.

Compiled from contracts/attention/causal-gqa-v1.yaml: change the contract and run `albor-contracts generate`, never this file.
Meaning: 58b64c1b57de9e9c582233496853bdd9f7ef26746dde7aa23b45b1646f7e51cc
"""

from albor_contracts.testing import (
    all, approx, array, cases, cast, claim, defines, definitions, dot, example, exp, given, gradient, grid, independent,
    log, max, min, obligation, real, rejects, same_twice, sqrt, sum, uses_at_most, where,
)

CONTRACT = "attention/causal-gqa"


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
    "attention_backward(g: float[B, H, S, D], q: float[B, H, S, D], k: float[B, K, S, D], v: float[B, K, S, D])"
    " -> dq: float[B, H, S, D], dk: float[B, K, S, D], dv: float[B, K, S, D]"
)
def attention_backward(g, q, k, v):
    """dS = A (g v^T - rowsum(g o)), dq = dS k / sqrt(D), dk = dS^T q / sqrt(D), dv = A^T g, summed over the group"""
    B, H, S, D = g.shape
    K = k.shape[1]
    G = H // K
    b, h, i, d, j, c = grid(B, H, S, D, S, K)
    s = array[b, h, i, j](dot[d](q[b, h, i, d], k[b, h // G, j, d]) / sqrt(D))
    m = array[b, h, i](max[j](s[b, h, i, j], where=j <= i))
    e = array[b, h, i, j](where(j <= i, exp(s[b, h, i, j] - m[b, h, i]), 0))
    z = array[b, h, i](sum[j](e[b, h, i, j]))
    o = array[b, h, i, d](cast(dot[j](cast(e[b, h, i, j]), v[b, h // G, j, d]) / z[b, h, i]))
    lse = array[b, h, i](m[b, h, i] + log(z[b, h, i]))
    a = array[b, h, i, j](where(j <= i, exp(s[b, h, i, j] - lse[b, h, i]), 0))
    da = array[b, h, i, j](dot[d](g[b, h, i, d], v[b, h // G, j, d]))
    delta = array[b, h, i](dot[d](g[b, h, i, d], o[b, h, i, d]))
    ds = array[b, h, i, j](a[b, h, i, j] * (da[b, h, i, j] - delta[b, h, i]))
    dq = array[b, h, i, d](dot[j](cast(ds[b, h, i, j]), k[b, h // G, j, d]) / sqrt(D))
    dkh = array[b, h, j, d](dot[i](cast(ds[b, h, i, j]), q[b, h, i, d]))
    dvh = array[b, h, j, d](dot[i](cast(a[b, h, i, j]), g[b, h, i, d]))
    dk = array[b, c, j, d](sum[h](dkh[b, h, j, d], where=h // G == c) / sqrt(D))
    dv = array[b, c, j, d](sum[h](dvh[b, h, j, d], where=h // G == c))
    return dq, dk, dv


spec = definitions(CONTRACT, attention, attention_backward)

attention_backward_inputs = cases(
    dims={"B": "1", "G": "1..2", "K": "1..2", "H": "G * K", "S": "1..17", "D": "1..17"},
    g="float[B, H, S, D] in [-2, 2]",
    q="float[B, H, S, D] in [-4, 4]",
    k="float[B, K, S, D] in [-4, 4]",
    v="float[B, K, S, D] in [-4, 4]",
)
attention_inputs = cases(
    dims={"B": "1", "G": "1..2", "K": "1..2", "H": "G * K", "S": "1..17", "D": "1..17"},
    work={"S * S": 2**18},
    q="float[B, H, S, D] in [-4, 4]",
    k="float[B, K, S, D] in [-4, 4]",
    v="float[B, K, S, D] in [-4, 4]",
    other_k="float[B, K, S, D] in [-4, 4]",
)
att_future_v_inputs = cases(
    dims={"B": "1", "G": "1..2", "K": "1..2", "H": "G * K", "S": "1..17", "D": "1..17"},
    work={"S * S": 2**18},
    q="float[B, H, S, D] in [-4, 4]",
    k="float[B, K, S, D] in [-4, 4]",
    v="float[B, K, S, D] in [-4, 4]",
    other_v="float[B, K, S, D] in [-4, 4]",
)
att_rows_inputs = cases(
    dims={"B": "1..2", "G": "1..2", "K": "1", "H": "G * K", "S": "1..17", "D": "1..17"},
    work={"B * H * S * B * H * S": 2**18},
    q="float[B, H, S, D] in [-4, 4]",
    k="float[B, K, S, D] in [-4, 4]",
    v="float[B, K, S, D] in [-4, 4]",
    other_q="float[B, H, S, D] in [-4, 4]",
)
att_past_inputs = cases(
    dims={"B": "1", "G": "1..2", "K": "1..2", "H": "G * K", "S": "1..17", "D": "1..17"},
    work={"S * S": 2**18},
    g="float[B, H, S, D] in [-2, 2]",
    q="float[B, H, S, D] in [-4, 4]",
    k="float[B, K, S, D] in [-4, 4]",
    v="float[B, K, S, D] in [-4, 4]",
    other_g="float[B, H, S, D] in [-2, 2]",
)
att_hull_inputs = cases(
    dims={"B": "1", "G": "1..2", "K": "1..2", "H": "G * K", "S": "1..17", "D": "1..17"},
    work={"B * S * D * H * S": 2**18},
    q="float[B, H, S, D] in [-4, 4]",
    k="float[B, K, S, D] in [-4, 4]",
    v="float[B, K, S, D] in [-4, 4]",
)
att_shift_inputs = cases(
    dims={"B": "1", "G": "1..2", "K": "1..2", "H": "G * K", "S": "1..17", "D": "1..17"},
    q="float[B, H, S, D] in [-8, 8]",
    k="float[B, K, S, D] in [-4, 4]",
    v="float[B, K, S, D] in [-4, 4]",
    w="float[D] in [-60, 60]",
)
att_heads_inputs = cases(
    dims={"B": "1..2", "G": "1..3", "K": "1..2", "H": "G * K", "S": "1..17", "D": "1..17"},
    q="float[B, H, S, D] in [-4, 4]",
    k="float[B, K, S, D] in [-4, 4]",
    v="float[B, K, S, D] in [-4, 4]",
)
att_sums_inputs = cases(
    dims={"B": "1", "G": "1..2", "K": "1..2", "H": "G * K", "S": "1..17", "D": "1..17"},
    work={"B * K * S * D * H * S": 2**18},
    g="float[B, H, S, D] in [-2, 2]",
    q="float[B, H, S, D] in [-4, 4]",
    k="float[B, K, S, D] in [-4, 4]",
    v="float[B, K, S, D] in [-4, 4]",
)
att_tiles_inputs = cases(
    dims={"B": "1", "G": "1..2", "K": "1", "H": "G * K", "S": "31, 32, 47, 63, 64, 65, 96, 97, 127, 128, 129", "D": "1, 5, 16, 33"},
    q="float[B, H, S, D] in [-4, 4]",
    k="float[B, K, S, D] in [-4, 4]",
    v="float[B, K, S, D] in [-4, 4]",
)
att_tiles_backward_inputs = cases(
    dims={"B": "1", "G": "1..2", "K": "1", "H": "G * K", "S": "31, 32, 47, 63, 64, 65, 96, 97, 127, 128, 129", "D": "1, 5, 16, 33"},
    g="float[B, H, S, D] in [-2, 2]",
    q="float[B, H, S, D] in [-4, 4]",
    k="float[B, K, S, D] in [-4, 4]",
    v="float[B, K, S, D] in [-4, 4]",
)
att_memory_inputs = cases(
    dims={"B": "1", "G": "1..2", "K": "1", "H": "G * K", "S": "64, 96, 129", "D": "1, 5, 16"},
    q="float[B, H, S, D] in [-4, 4]",
    k="float[B, K, S, D] in [-4, 4]",
    v="float[B, K, S, D] in [-4, 4]",
)
att_groups_inputs = cases(
    dims={"B": "1", "G": "1", "K": "1", "H": "G * K", "S": "1..5", "D": "1..5", "E": "7", "J": "3"},
    q="float[B, H, S, D] in [-4, 4]",
    k="float[B, K, S, D] in [-4, 4]",
    v="float[B, K, S, D] in [-4, 4]",
    q7="float[B, E, S, D] in [-4, 4]",
    k3="float[B, J, S, D] in [-4, 4]",
    v3="float[B, J, S, D] in [-4, 4]",
)
att_model_inputs = cases(
    dims={"B": "1..2", "G": "1..2", "K": "2", "H": "G * K", "S": "65, 130", "D": "64, 80, 128"},
    elements=133120,
    g="float[B, H, S, D] in [-2, 2]",
    q="float[B, H, S, D] in [-4, 4]",
    k="float[B, K, S, D] in [-4, 4]",
    v="float[B, K, S, D] in [-4, 4]",
)
att_many_heads_inputs = cases(
    dims={"B": "1", "G": "4, 8", "K": "1, 2, 3", "H": "G * K", "S": "2, 16, 33", "D": "1, 4, 16"},
    q="float[B, H, S, D] in [-4, 4]",
    k="float[B, K, S, D] in [-4, 4]",
    v="float[B, K, S, D] in [-4, 4]",
)
att_many_heads_backward_inputs = cases(
    dims={"B": "1", "G": "4, 8", "K": "1, 2, 3", "H": "G * K", "S": "2, 16, 33", "D": "1, 4, 16"},
    elements=28512,
    g="float[B, H, S, D] in [-2, 2]",
    q="float[B, H, S, D] in [-4, 4]",
    k="float[B, K, S, D] in [-4, 4]",
    v="float[B, K, S, D] in [-4, 4]",
)
att_long_inputs = cases(
    dims={"B": "1", "G": "1", "K": "1", "H": "G * K", "S": "257, 320", "D": "1, 4"},
    q="float[B, H, S, D] in [-4, 4]",
    k="float[B, K, S, D] in [-4, 4]",
    v="float[B, K, S, D] in [-4, 4]",
    g="float[B, H, S, D] in [-2, 2]",
)
att_deep_inputs = cases(
    dims={"B": "1", "G": "1..2", "K": "1", "H": "G * K", "S": "2..8", "D": "1, 4"},
    work={"S * S": 2**18, "B * S * D * S * H": 2**18},
    q="float[B, H, S, D] in {128, 256, 2048}",
    k="float[B, K, S, D] in [-4, 4]",
    v="float[B, K, S, D] in [-4, 4]",
    order="permutation[S]",
)
att_billions_inputs = cases(
    dims={"B": "1", "G": "1..2", "K": "1..2", "H": "G * K", "S": "1..17", "D": "1..17"},
    work={"S * S": 2**18},
    q="float[B, H, S, D] in [40000, 60000]",
    k="float[B, K, S, D] in [-60000, -40000]",
    v="float[B, K, S, D] in [-4, 4]",
    other_v="float[B, K, S, D] in [-4, 4]",
)
att_batches_inputs = cases(
    dims={"B": "3, 4, 5", "G": "1..2", "K": "1..2", "H": "G * K", "S": "1..3", "D": "1..3"},
    q="float[B, H, S, D] in [-4, 4]",
    k="float[B, K, S, D] in [-4, 4]",
    v="float[B, K, S, D] in [-4, 4]",
)
att_batches_backward_inputs = cases(
    dims={"B": "3, 4, 5", "G": "1..2", "K": "1..2", "H": "G * K", "S": "1..3", "D": "1..3"},
    g="float[B, H, S, D] in [-2, 2]",
    q="float[B, H, S, D] in [-4, 4]",
    k="float[B, K, S, D] in [-4, 4]",
    v="float[B, K, S, D] in [-4, 4]",
)
att_longer_inputs = cases(
    dims={"B": "1", "G": "1", "K": "1", "H": "G * K", "S": "513", "D": "16"},
    elements=24624,
    q="float[B, H, S, D] in [0.5, 1]",
    k="float[B, K, S, D] in {-0.015625, 0, 0.015625}",
    v="float[B, K, S, D] in [2, 3]",
)
att_def_attention_backward_inputs = cases(
    dims={"B": "1..2", "G": "1..3", "K": "1..2", "H": "G * K", "S": "1..17", "D": "1..17"},
    g="float[B, H, S, D] in [-2, 2]",
    q="float[B, H, S, D] in [-4, 4]",
    k="float[B, K, S, D] in [-4, 4]",
    v="float[B, K, S, D] in [-4, 4]",
)


@obligation("ATT-GRAD", equation="attention_backward", type="gradient")
@given(case=attention_backward_inputs)
def test_att_grad(kernel, case):
    """dq, dk and dv are the gradients of sum(g * o)."""
    g, q, k, v = kernel.receives(case, "g q k v")
    dq, dk, dv = kernel.attention_backward(g, q, k, v)
    expected_dq, expected_dk, expected_dv = gradient(
        spec,
        "attention",
        {"q": q, "k": k, "v": v},
        wrt="q k v",
        cotangents=(g, None),
    )
    claim(approx(dq, expected_dq))
    claim(approx(dk, expected_dk))
    claim(approx(dv, expected_dv))


@obligation("ATT-FUTURE-K", equation="attention", type="independence")
@given(case=attention_inputs)
def test_att_future_k(kernel, case):
    """Keys after position i do not change row i by one bit."""
    q, k, v, other_k = kernel.receives(case, "q k v other_k")
    B, K, H, S, D = case.B, case.K, case.H, case.S, case.D
    b, h, i, d, c, j = grid(B, H, S, D, K, S)
    independent(
        lambda k: kernel.attention(q, k, v)[0],
        k,
        other_k,
        when=j > i,
        output=(b, h, i, d),
        input=(b, c, j, d),
        case=case,
    )


@obligation("ATT-FUTURE-V", equation="attention", type="independence")
@given(case=att_future_v_inputs)
def test_att_future_v(kernel, case):
    """Values after position i do not change row i by one bit."""
    q, k, v, other_v = kernel.receives(case, "q k v other_v")
    B, K, H, S, D = case.B, case.K, case.H, case.S, case.D
    b, h, i, d, c, j = grid(B, H, S, D, K, S)
    independent(
        lambda v: kernel.attention(q, k, v)[0],
        v,
        other_v,
        when=j > i,
        output=(b, h, i, d),
        input=(b, c, j, d),
        case=case,
    )


@obligation("ATT-ROWS", equation="attention", type="independence")
@given(case=att_rows_inputs)
def test_att_rows(kernel, case):
    """Row i of a head depends on no query but its own."""
    q, k, v, other_q = kernel.receives(case, "q k v other_q")
    B, H, S, D = case.B, case.H, case.S, case.D
    b, h, i, d, c, r, j = grid(B, H, S, D, B, H, S)
    independent(
        lambda q: kernel.attention(q, k, v)[0],
        q,
        other_q,
        when=(c != b) | (r != h) | (j != i),
        output=(b, h, i, d),
        input=(c, r, j, d),
        case=case,
    )


@obligation("ATT-PAST", equation="attention_backward", type="independence")
@given(case=att_past_inputs)
def test_att_past(kernel, case):
    """The gradient of a key does not depend on output gradients at positions before it."""
    g, q, k, v, other_g = kernel.receives(case, "g q k v other_g")
    B, K, H, S, D = case.B, case.K, case.H, case.S, case.D
    b, c, j, d, h, i = grid(B, K, S, D, H, S)
    independent(
        lambda g: kernel.attention_backward(g, q, k, v)[1],
        g,
        other_g,
        when=i < j,
        output=(b, c, j, d),
        input=(b, h, i, d),
        case=case,
    )


@obligation("ATT-HULL", equation="attention", type="bound")
@given(case=att_hull_inputs)
def test_att_hull(kernel, case):
    """Every output lies between the smallest and the largest value it may see."""
    q, k, v = kernel.receives(case, "q k v")
    B, G, H, S, D = case.B, case.G, case.H, case.S, case.D
    b, j, d, h, i = grid(B, S, D, H, S)
    o, _ = kernel.attention(q, k, v)
    claim(all[b, h, i, d]((min[j](v[b, h // G, j, d], where=j <= i) <= o[b, h, i, d]) & (o[b, h, i, d] <= max[j](v[b, h // G, j, d], where=j <= i))))


@obligation("ATT-SHIFT", equation="attention", type="invariance")
@given(case=att_shift_inputs)
def test_att_shift(kernel, case):
    """A vector added to all keys leaves the output and moves lse of row i by q_i . w / sqrt(D), however large."""
    q, k, v, w = kernel.receives(case, "q k v w")
    B, K, H, S, D = case.B, case.K, case.H, case.S, case.D
    b, c, j, d, h, i = grid(B, K, S, D, H, S)
    moved = array[b, c, j, d](k[b, c, j, d] + w[d])
    o, lse = kernel.attention(q, k, v)
    o2, lse2 = kernel.attention(q, moved, v)
    by = array[b, h, i](dot[d](q[b, h, i, d], w[d]) / sqrt(D))
    claim(approx(o, o2))
    claim(all[b, h, i](approx(lse2[b, h, i], lse[b, h, i] + by[b, h, i])))


@obligation("ATT-HEADS", equation="attention", type="equivalence")
@given(case=att_heads_inputs)
def test_att_heads(kernel, case):
    """Sharing key and value heads is the same as repeating each of them G times in place."""
    q, k, v = kernel.receives(case, "q k v")
    B, G, H, S, D = case.B, case.G, case.H, case.S, case.D
    b, h, j, d = grid(B, H, S, D)
    q_all = array[b, h, j, d](q[b, h, j, d])
    k_all = array[b, h, j, d](k[b, h // G, j, d])
    v_all = array[b, h, j, d](v[b, h // G, j, d])
    o, lse = kernel.attention(q, k, v)
    o2, lse2 = kernel.attention(q_all, k_all, v_all)
    claim(approx(o, o2))
    claim(approx(lse, lse2))


@obligation("ATT-SUMS", equation="attention_backward", type="conservation")
@given(case=att_sums_inputs)
def test_att_sums(kernel, case):
    """Summed over positions, dv is g summed over the group, and dk is 0."""
    g, q, k, v = kernel.receives(case, "g q k v")
    B, G, K, H, S, D = case.B, case.G, case.K, case.H, case.S, case.D
    b, c, j, d, h, i = grid(B, K, S, D, H, S)
    _, dk, dv = kernel.attention_backward(g, q, k, v)
    claim(all[b, c, d](approx(sum[j](dv[b, c, j, d]), sum[h, i](g[b, h, i, d], where=h // G == c))))
    claim(all[b, c, d](approx(sum[j](dk[b, c, j, d]), 0)))


@obligation("ATT-TILES", equation="attention", type="equivalence")
@given(case=att_tiles_inputs)
def test_att_tiles(kernel, case):
    """Sequences of several tiles, and of one position more or less than a tile, agree with the definition."""
    q, k, v = kernel.receives(case, "q k v")
    o, lse = kernel.attention(q, k, v)
    expected_o, expected_lse = spec.attention(q, k, v)
    claim(approx(o, expected_o))
    claim(approx(lse, expected_lse))


@obligation("ATT-TILES-BACKWARD", equation="attention_backward", type="equivalence")
@given(case=att_tiles_backward_inputs)
def test_att_tiles_backward(kernel, case):
    """The same of the gradients."""
    g, q, k, v = kernel.receives(case, "g q k v")
    dq, dk, dv = kernel.attention_backward(g, q, k, v)
    expected_dq, expected_dk, expected_dv = spec.attention_backward(g, q, k, v)
    claim(approx(dq, expected_dq))
    claim(approx(dk, expected_dk))
    claim(approx(dv, expected_dv))


@obligation("ATT-REPEAT", equation="attention_backward", type="determinism", cost=4)
@given(case=attention_backward_inputs)
def test_att_repeat(kernel, case):
    """The same inputs give bitwise the same gradients."""
    g, q, k, v = kernel.receives(case, "g q k v")
    same_twice(lambda: kernel.attention_backward(g, q, k, v))


@obligation("ATT-LAUNCH", equation="attention", type="resource")
@given(case=att_heads_inputs)
def test_att_launch(kernel, case):
    """One launch serves all batches, heads and positions."""
    q, k, v = kernel.receives(case, "q k v")
    uses_at_most(1, "launches", lambda: kernel.attention(q, k, v))


@obligation("ATT-MEMORY", equation="attention", type="resource")
@given(case=att_memory_inputs)
def test_att_memory(kernel, case):
    """No array of S x S scores is stored: the outputs are all that is allocated."""
    q, k, v = kernel.receives(case, "q k v")
    B, H, S, D = case.B, case.H, case.S, case.D
    uses_at_most(4 * B * H * S * (D + 1), "bytes", lambda: kernel.attention(q, k, v))


@obligation("ATT-GROUPS", equation="attention", type="rejection")
@given(case=att_groups_inputs)
def test_att_groups(kernel, case):
    """A number of query heads that is no multiple of the key heads is refused, with both numbers."""
    q7, k3, v3 = kernel.receives(case, "q7 k3 v3")
    rejects(kernel, "attention", (q7, k3, v3), ValueError, mentions=["7", "3"])


@obligation("ATT-MODEL", equation="attention_backward", type="equivalence", cost=8)
@given(case=att_model_inputs)
def test_att_model(kernel, case):
    """Heads of a model's width, several of them over several sequences of several tiles, agree with the definition,
    gradients included."""
    g, q, k, v = kernel.receives(case, "g q k v")
    o, lse = kernel.attention(q, k, v)
    dq, dk, dv = kernel.attention_backward(g, q, k, v)
    expected_o, expected_lse = spec.attention(q, k, v)
    expected_dq, expected_dk, expected_dv = spec.attention_backward(g, q, k, v)
    claim(approx(o, expected_o))
    claim(approx(lse, expected_lse))
    claim(approx(dq, expected_dq))
    claim(approx(dk, expected_dk))
    claim(approx(dv, expected_dv))


@obligation("ATT-MANY-HEADS", equation="attention", type="equivalence", cost=4)
@given(case=att_many_heads_inputs)
def test_att_many_heads(kernel, case):
    """Groups of four and eight query heads, several of them, agree with the definition."""
    q, k, v = kernel.receives(case, "q k v")
    o, lse = kernel.attention(q, k, v)
    expected_o, expected_lse = spec.attention(q, k, v)
    claim(approx(o, expected_o))
    claim(approx(lse, expected_lse))


@obligation("ATT-MANY-HEADS-BACKWARD", equation="attention_backward", type="equivalence", cost=4)
@given(case=att_many_heads_backward_inputs)
def test_att_many_heads_backward(kernel, case):
    """Gradients of groups of four and eight query heads, several of them, agree with the definition."""
    g, q, k, v = kernel.receives(case, "g q k v")
    dq, dk, dv = kernel.attention_backward(g, q, k, v)
    expected_dq, expected_dk, expected_dv = spec.attention_backward(g, q, k, v)
    claim(approx(dq, expected_dq))
    claim(approx(dk, expected_dk))
    claim(approx(dv, expected_dv))


@obligation("ATT-LONG", equation="attention", type="equivalence", cost=8)
@given(case=att_long_inputs)
def test_att_long(kernel, case):
    """Sequences of hundreds of positions, whole numbers of tiles and others, agree with the definition, gradients
    included."""
    q, k, v, g = kernel.receives(case, "q k v g")
    o, lse = kernel.attention(q, k, v)
    dq, dk, dv = kernel.attention_backward(g, q, k, v)
    expected_o, expected_lse = spec.attention(q, k, v)
    expected_dq, expected_dk, expected_dv = spec.attention_backward(g, q, k, v)
    claim(approx(o, expected_o))
    claim(approx(lse, expected_lse))
    claim(approx(dq, expected_dq))
    claim(approx(dk, expected_dk))
    claim(approx(dv, expected_dv))


@obligation("ATT-DEEP", equation="attention", type="boundary", cost=2)
@given(case=att_deep_inputs)
def test_att_deep(kernel, case):
    """Where scores are far below -10000 and far apart, each position reads the one place of its past with the largest
    score."""
    q, k, v, order = kernel.receives(case, "q k v order")
    B, G, K, H, S, D = case.B, case.G, case.K, case.H, case.S, case.D
    b, c, j, d, i, h = grid(B, K, S, D, S, H)
    deep = array[b, c, j, d](0 * k[b, c, j, d] - 128 - 16 * order[j])
    o, lse = kernel.attention(q, deep, v)
    least = array[i](min[j](order[j], where=j <= i))
    seen = array[b, h, i, d](sum[j](where(order[j] == least[i], v[b, h // G, j, d], 0)))
    score = array[b, h, i](sum[d](q[b, h, i, d]) * (0 - 128 - 16 * least[i]) / sqrt(D))
    claim(all[b, h, i, d](o[b, h, i, d] == seen[b, h, i, d]))
    claim(all[b, h, i](approx(lse[b, h, i], score[b, h, i])))


@obligation("ATT-BILLIONS", equation="attention", type="independence")
@given(case=att_billions_inputs)
def test_att_billions(kernel, case):
    """Values after position i do not change row i by one bit where scores lie billions below zero either."""
    q, k, v, other_v = kernel.receives(case, "q k v other_v")
    B, K, H, S, D = case.B, case.K, case.H, case.S, case.D
    b, h, i, d, c, j = grid(B, H, S, D, K, S)
    independent(
        lambda v: kernel.attention(q, k, v)[0],
        v,
        other_v,
        when=j > i,
        output=(b, h, i, d),
        input=(b, c, j, d),
        case=case,
    )


@obligation("ATT-BATCHES", equation="attention", type="equivalence", cost=3)
@given(case=att_batches_inputs)
def test_att_batches(kernel, case):
    """Each of three, four or five sequences is its own."""
    q, k, v = kernel.receives(case, "q k v")
    o, lse = kernel.attention(q, k, v)
    expected_o, expected_lse = spec.attention(q, k, v)
    claim(approx(o, expected_o))
    claim(approx(lse, expected_lse))


@obligation("ATT-BATCHES-BACKWARD", equation="attention_backward", type="equivalence", cost=3)
@given(case=att_batches_backward_inputs)
def test_att_batches_backward(kernel, case):
    """The same of the gradients."""
    g, q, k, v = kernel.receives(case, "g q k v")
    dq, dk, dv = kernel.attention_backward(g, q, k, v)
    expected_dq, expected_dk, expected_dv = spec.attention_backward(g, q, k, v)
    claim(approx(dq, expected_dq))
    claim(approx(dk, expected_dk))
    claim(approx(dv, expected_dv))


@obligation("ATT-LONGER", equation="attention", type="equivalence", cost=25)
@given(case=att_longer_inputs)
def test_att_longer(kernel, case):
    """Over 513 positions whose scores rise, with values of one sign, the output is that of the definition."""
    q, k, v = kernel.receives(case, "q k v")
    B, K, S, D = case.B, case.K, case.S, case.D
    b, c, j, d = grid(B, K, S, D)
    rising = array[b, c, j, d](k[b, c, j, d] + real(j // 64) / 16)
    o, lse = kernel.attention(q, rising, v)
    expected_o, expected_lse = spec.attention(q, rising, v)
    claim(approx(o, expected_o))
    claim(approx(lse, expected_lse))


@obligation("ATT-DEF-ATTENTION", equation="attention", type="definition")
@given(case=att_heads_inputs)
def test_att_def_attention(kernel, case):
    """attention computes its definition."""
    q, k, v = kernel.receives(case, "q k v")
    o, lse = kernel.attention(q, k, v)
    expected_o, expected_lse = spec.attention(q, k, v)
    claim(approx(o, expected_o))
    claim(approx(lse, expected_lse))


@obligation("ATT-DEF-ATTENTION_BACKWARD", equation="attention_backward", type="definition")
@given(case=att_def_attention_backward_inputs)
def test_att_def_attention_backward(kernel, case):
    """attention_backward computes its definition."""
    g, q, k, v = kernel.receives(case, "g q k v")
    dq, dk, dv = kernel.attention_backward(g, q, k, v)
    expected_dq, expected_dk, expected_dv = spec.attention_backward(g, q, k, v)
    claim(approx(dq, expected_dq))
    claim(approx(dk, expected_dk))
    claim(approx(dv, expected_dv))


@obligation("ATT-T-FIRST", rule="ATT-DEF-ATTENTION", type="falsification")
def test_att_t_first(kernel):
    """The first position sees itself alone: its output is v_0 exactly, its lse the score."""
    case = example(
        {"q": "float[B, H, S, D]", "k": "float[B, K, S, D]", "v": "float[B, K, S, D]"},
        q=[[[[1.5, -2.0]]]],
        k=[[[[2.0, 0.5]]]],
        v=[[[[0.3125, -7.0]]]],
    )
    q, k, v = kernel.receives(case, "q k v")
    B, H, S, D = case.B, case.H, case.S, case.D
    b, h, i, d = grid(B, H, S, D)
    o, lse = kernel.attention(q, k, v)
    claim(all[b, h, i, d](o[b, h, i, d] == v[b, h, i, d]))
    claim(approx(lse[0, 0, 0], sqrt(2)))


@obligation("ATT-T-MEAN", rule="ATT-DEF-ATTENTION", type="falsification")
def test_att_t_mean(kernel):
    """Queries of zero give the mean of all values so far, and lse = log(i + 1)."""
    case = example(
        {"q": "float[B, H, S, D]", "k": "float[B, K, S, D]", "v": "float[B, K, S, D]"},
        q=[[[[0, 0], [0, 0], [0, 0]]]],
        k=[[[[1, 2], [-3, 4], [5, -6]]]],
        v=[[[[3, 0], [6, -3], [-3, 9]]]],
    )
    q, k, v = kernel.receives(case, "q k v")
    B, H, S = case.B, case.H, case.S
    b, h, i = grid(B, H, S)
    o, lse = kernel.attention(q, k, v)
    claim(approx(o[0, 0, 1, 0], 4.5))
    claim(approx(o[0, 0, 2, 0], 2))
    claim(approx(o[0, 0, 2, 1], 2))
    claim(all[b, h, i](approx(lse[b, h, i], log(i + 1))))


@obligation("ATT-T-FAR", rule="ATT-SHIFT", type="falsification")
def test_att_t_far(kernel):
    """Scores thousands apart select one position, with no overflow."""
    case = example(
        {"q": "float[B, H, S, D]", "k": "float[B, K, S, D]", "v": "float[B, K, S, D]"},
        q=[[[[100], [100], [100]]]],
        k=[[[[-50], [90], [30]]]],
        v=[[[[1], [2], [4]]]],
    )
    q, k, v = kernel.receives(case, "q k v")
    o, lse = kernel.attention(q, k, v)
    claim(o[0, 0, 0, 0] == 1)
    claim(o[0, 0, 1, 0] == 2)
    claim(o[0, 0, 2, 0] == 2)
    claim(approx(lse[0, 0, 2], 9000))


@obligation("ATT-T-GROUP", rule="ATT-SUMS", type="falsification")
def test_att_t_group(kernel):
    """With one position dv is the sum of g over the group, and dq and dk are 0."""
    case = example(
        {"g": "float[B, H, S, D]", "q": "float[B, H, S, D]", "k": "float[B, K, S, D]", "v": "float[B, K, S, D]"},
        g=[[[[1.0]], [[2.5]]]],
        q=[[[[1.0]], [[-2.0]]]],
        k=[[[[3.0]]]],
        v=[[[[0.5]]]],
    )
    g, q, k, v = kernel.receives(case, "g q k v")
    dq, dk, dv = kernel.attention_backward(g, q, k, v)
    claim(dv[0, 0, 0, 0] == 3.5)
    claim(approx(dk[0, 0, 0, 0], 0))
    claim(approx(dq[0, 0, 0, 0], 0))
    claim(approx(dq[0, 1, 0, 0], 0))
