"""loss/kl-divergence: Kullback-Leibler divergence of two rows of logits.

Compiled from contracts/loss/kl-divergence-v1.yaml: change the contract and run `albor-contracts generate`, never this file.
Meaning: bf8e25b715cd4253c9b8a956b031553e1bd548f4a2cd32e44f1b0bfae1ea152c
"""

from albor_contracts.testing import (
    abs, all, approx, array, cases, claim, defines, definitions, example, exp, given, gradient, grid, independent, inf,
    isfinite, log, max, obligation, ratio, rejects, sum, truth, uses_at_most, where,
)

CONTRACT = "loss/kl-divergence"


@defines("kl_divergence(p: float[T, V], q: float[T, V]) -> kl: accum[T]")
def kl_divergence(p, q):
    """KL_t = sum_v P_tv (log P_tv - log Q_tv), P = softmax(p), Q = softmax(q)"""
    T, V = p.shape
    t, v, u = grid(T, V, V)
    a = array[t, v](p[t, v] - max[u](p[t, u]))
    b = array[t, v](q[t, v] - max[u](q[t, u]))
    lp = array[t, v](a[t, v] - log(sum[u](exp(a[t, u]))))
    lq = array[t, v](b[t, v] - log(sum[u](exp(b[t, u]))))
    kl = array[t](sum[v](where(p[t, v] > -inf, exp(lp[t, v]) * (lp[t, v] - lq[t, v]), 0)))
    return kl


@defines("kl_backward(g: accum[T], p: float[T, V], q: float[T, V]) -> dp: float[T, V], dq: float[T, V]")
def kl_backward(g, p, q):
    """dp = g P (log P - log Q - KL), dq = g (Q - P)"""
    (T,) = g.shape
    V = p.shape[1]
    t, v, u = grid(T, V, V)
    a = array[t, v](p[t, v] - max[u](p[t, u]))
    b = array[t, v](q[t, v] - max[u](q[t, u]))
    lp = array[t, v](a[t, v] - log(sum[u](exp(a[t, u]))))
    lq = array[t, v](b[t, v] - log(sum[u](exp(b[t, u]))))
    kl = array[t](sum[v](where(p[t, v] > -inf, exp(lp[t, v]) * (lp[t, v] - lq[t, v]), 0)))
    dp = array[t, v](where(p[t, v] > -inf, g[t] * exp(lp[t, v]) * (lp[t, v] - lq[t, v] - kl[t]), 0))
    dq = array[t, v](g[t] * (exp(lq[t, v]) - exp(lp[t, v])))
    return dp, dq


spec = definitions(CONTRACT, kl_divergence, kl_backward)

kl_backward_inputs = cases(
    dims={"T": "1..6", "V": "1..65"},
    g="accum[T] in [-4, 4]",
    p="float[T, V] in [-30, 30]",
    q="float[T, V] in [-30, 30]",
)
kl_divergence_inputs = cases(
    dims={"T": "1..6", "V": "1..65"},
    work={"T * V * V": 2**18},
    p="float[T, V] in [-30, 30]",
    q="float[T, V] in [-30, 30]",
)
kld_same_inputs = cases(
    dims={"T": "1..6", "V": "1..65"},
    p="float[T, V] in [-10, 10]",
    q="float[T, V] in [-30, 30]",
    c="float[T] in [-20, 20]",
)
kld_shift_inputs = cases(
    dims={"T": "1..6", "V": "1..65"},
    p="float[T, V] in [-10, 10]",
    q="float[T, V] in [-10, 10]",
    c="float[T] in [-200, 200]",
)
kld_tokens_inputs = cases(
    dims={"T": "1..6", "V": "1..65"},
    work={"T * T": 2**18},
    p="float[T, V] in [-30, 30]",
    q="float[T, V] in [-30, 30]",
    other_q="float[T, V] in [-30, 30]",
)
kld_wide_inputs = cases(
    dims={"T": "1", "V": "8193, 9001"},
    g="accum[T] in [-4, 4]",
    p="float[T, V] in [-30, 30]",
    q="float[T, V] in [-30, 30]",
)
kld_beside_inputs = cases(
    dims={"T": "2", "V": "8193, 9001"},
    elements=36006,
    g="accum[T] in [-4, 4]",
    p="float[T, V] in [-30, 30]",
    q="float[T, V] in [-30, 30]",
)
kld_tiles_inputs = cases(
    dims={"T": "5, 6", "V": "257, 300"},
    g="accum[T] in [-4, 4]",
    p="float[T, V] in [-30, 30]",
    q="float[T, V] in [-30, 30]",
)
kld_holes_inputs = cases(
    dims={"T": "1", "V": "8195"},
    p="float[T, V] in [-30, 30]",
    q="float[T, V] in [-30, 30]",
    both="bool",
)
kld_shapes_inputs = cases(
    dims={"T": "1..6", "V": "2..17", "W": "1, 18"},
    p="float[T, V] in [-30, 30]",
    q="float[T, V] in [-30, 30]",
    other="float[T, W] in [-30, 30]",
)
kld_shapes_backward_inputs = cases(
    dims={"T": "1..6", "V": "2..17", "W": "1, 18"},
    g="accum[T] in [-4, 4]",
    p="float[T, V] in [-30, 30]",
    q="float[T, V] in [-30, 30]",
    other="float[T, W] in [-30, 30]",
)
kld_slopes_inputs = cases(
    dims={"T": "1..6", "V": "1..65"},
    g="accum[T] in [-4, 4]",
    p="float[T, V] in [-30, 30]",
    q="float[T, V] in [-30, 30]",
    wide="accum[T, V] in [-4, 4]",
)
kld_launch_inputs = cases(
    dims={"T": "1..6", "V": "1..65"},
    p="float[T, V] in [-30, 30]",
    q="float[T, V] in [-30, 30]",
)
kld_multiples_inputs = cases(
    dims={"T": "8, 9, 16, 64, 128, 257", "V": "3, 16, 64, 256, 512, 1024"},
    assume=("T * V <= 8192",),
    g="accum[T] in [-4, 4]",
    p="float[T, V] in [-30, 30]",
    q="float[T, V] in [-30, 30]",
)
kld_batch_inputs = cases(
    dims={"T": "1025", "V": "2..5"},
    p="float[T, V] in [-30, 30]",
    q="float[T, V] in [-30, 30]",
)
kld_batch_backward_inputs = cases(
    dims={"T": "1025", "V": "2..5"},
    g="accum[T] in [-4, 4]",
    p="float[T, V] in [-30, 30]",
    q="float[T, V] in [-30, 30]",
)
kld_wide_rows_inputs = cases(
    dims={"T": "2", "V": "8193"},
    elements=32772,
    p="float[T, V] in [-30, 30]",
    q="float[T, V] in [-30, 30]",
)
kld_apart_inputs = cases(
    dims={"T": "1..6", "V": "1..9"},
    p="float[T, V] in [-3000, 3000]",
    q="float[T, V] in [-3000, 3000]",
)
kld_unlikely_inputs = cases(
    dims={"T": "1..6", "V": "2..9"},
    p="float[T, V] in [-15, 15]",
    q="float[T, V] in [-30, 30]",
)
kld_least_inputs = cases(
    dims={"T": "1..6", "V": "2..9"},
    p="float[T, V] in [-4, 4]",
    q="float[T, V] in [-30, 30]",
)


@obligation("KLD-GRAD", equation="kl_backward", type="gradient")
@given(case=kl_backward_inputs)
def test_kld_grad(kernel, case):
    """dp and dq are the gradients of sum(g * kl)."""
    g, p, q = kernel.receives(case, "g p q")
    dp, dq = kernel.kl_backward(g, p, q)
    expected_dp, expected_dq = gradient(spec, "kl_divergence", {"p": p, "q": q}, wrt="p q", cotangents=(g,))
    claim(approx(dp, expected_dp))
    claim(approx(dq, expected_dq))


@obligation("KLD-PINSKER", equation="kl_divergence", type="bound")
@given(case=kl_divergence_inputs)
def test_kld_pinsker(kernel, case):
    """KL is at least half the squared distance sum |P - Q|: at least 0, and 0 only where the distributions are
    equal."""
    p, q = kernel.receives(case, "p q")
    T, V = case.T, case.V
    t, v, u = grid(T, V, V)
    kl = kernel.kl_divergence(p, q)
    ep = array[t, v](exp(p[t, v] - max[u](p[t, u])))
    eq = array[t, v](exp(q[t, v] - max[u](q[t, u])))
    gap = array[t](sum[v](abs(ep[t, v] / sum[u](ep[t, u]) - eq[t, v] / sum[u](eq[t, u]))))
    claim(all[t](kl[t] >= 0.5 * gap[t] * gap[t]))


@obligation("KLD-SAME", equation="kl_divergence", type="boundary")
@given(case=kld_same_inputs)
def test_kld_same(kernel, case):
    """Logits that differ by a constant for each token have divergence 0."""
    p, c = kernel.receives(case, "p c")
    T, V = case.T, case.V
    t, v = grid(T, V)
    moved = array[t, v](p[t, v] + c[t])
    kl = kernel.kl_divergence(p, moved)
    claim(all[t](approx(kl[t], 0)))


@obligation("KLD-SHIFT", equation="kl_divergence", type="invariance")
@given(case=kld_shift_inputs)
def test_kld_shift(kernel, case):
    """A constant added to all logits of one side changes nothing."""
    p, q, c = kernel.receives(case, "p q c")
    T, V = case.T, case.V
    t, v = grid(T, V)
    moved = array[t, v](q[t, v] + c[t])
    claim(approx(kernel.kl_divergence(p, moved), kernel.kl_divergence(p, q)))


@obligation("KLD-ROWSUM", equation="kl_backward", type="conservation")
@given(case=kl_backward_inputs)
def test_kld_rowsum(kernel, case):
    """Each row of both gradients sums to zero."""
    g, p, q = kernel.receives(case, "g p q")
    T, V = case.T, case.V
    t, v = grid(T, V)
    dp, dq = kernel.kl_backward(g, p, q)
    claim(all[t](approx(sum[v](dp[t, v]), 0) & approx(sum[v](dq[t, v]), 0)))


@obligation("KLD-TOKENS", equation="kl_divergence", type="independence")
@given(case=kld_tokens_inputs)
def test_kld_tokens(kernel, case):
    """The divergence of a token depends on that token alone."""
    p, q, other_q = kernel.receives(case, "p q other_q")
    T, V = case.T, case.V
    t, s, v = grid(T, T, V)
    independent(
        lambda q: kernel.kl_divergence(p, q),
        q,
        other_q,
        when=s != t,
        output=(t,),
        input=(s, v),
        case=case,
    )


@obligation("KLD-WIDE", equation="kl_backward", type="equivalence")
@given(case=kld_wide_inputs)
def test_kld_wide(kernel, case):
    """Vocabularies wider than a block have the gradients of the definition."""
    g, p, q = kernel.receives(case, "g p q")
    dp, dq = kernel.kl_backward(g, p, q)
    expected_dp, expected_dq = spec.kl_backward(g, p, q)
    claim(approx(dp, expected_dp))
    claim(approx(dq, expected_dq))


@obligation("KLD-BESIDE", equation="kl_backward", type="equivalence", cost=4)
@given(case=kld_beside_inputs)
def test_kld_beside(kernel, case):
    """Each of several rows wider than a block has its own divergence and gradients."""
    g, p, q = kernel.receives(case, "g p q")
    kl = kernel.kl_divergence(p, q)
    dp, dq = kernel.kl_backward(g, p, q)
    expected = spec.kl_divergence(p, q)
    expected_dp, expected_dq = spec.kl_backward(g, p, q)
    claim(approx(kl, expected))
    claim(approx(dp, expected_dp))
    claim(approx(dq, expected_dq))


@obligation("KLD-TILES", equation="kl_backward", type="equivalence", cost=4)
@given(case=kld_tiles_inputs)
def test_kld_tiles(kernel, case):
    """Batches of more rows than one program takes have the divergence and the gradients of the definition, to the last
    row."""
    g, p, q = kernel.receives(case, "g p q")
    kl = kernel.kl_divergence(p, q)
    dp, dq = kernel.kl_backward(g, p, q)
    expected = spec.kl_divergence(p, q)
    expected_dp, expected_dq = spec.kl_backward(g, p, q)
    claim(approx(kl, expected))
    claim(approx(dp, expected_dp))
    claim(approx(dq, expected_dq))


@obligation("KLD-HOLES", equation="kl_divergence", type="equivalence", cost=6)
@given(case=kld_holes_inputs)
def test_kld_holes(kernel, case):
    """Whole blocks of classes that are impossible under both, or under P alone, do not matter to the rest."""
    p, q, both = kernel.receives(case, "p q both")
    T, V = case.T, case.V
    t, v = grid(T, V)
    pp = array[t, v](where(v < V - 3, -inf, p[t, v]))
    qq = array[t, v](where(truth(both) & (v < V - 3), -inf, q[t, v]))
    kl = kernel.kl_divergence(pp, qq)
    expected = spec.kl_divergence(pp, qq)
    claim(approx(kl, expected))


@obligation("KLD-SHAPES", equation="kl_divergence", type="rejection")
@given(case=kld_shapes_inputs)
def test_kld_shapes(kernel, case):
    """Rows of other vocabularies are refused."""
    p, other = kernel.receives(case, "p other")
    rejects(kernel, "kl_divergence", (p, other), ValueError)


@obligation("KLD-SHAPES-BACKWARD", equation="kl_backward", type="rejection")
@given(case=kld_shapes_backward_inputs)
def test_kld_shapes_backward(kernel, case):
    """Rows of other vocabularies have no gradients either."""
    g, p, other = kernel.receives(case, "g p other")
    rejects(kernel, "kl_backward", (g, p, other), ValueError)


@obligation("KLD-SLOPES", equation="kl_backward", type="rejection")
@given(case=kld_slopes_inputs)
def test_kld_slopes(kernel, case):
    """One slope for each token is needed, not one for each class."""
    p, q, wide = kernel.receives(case, "p q wide")
    rejects(kernel, "kl_backward", (wide, p, q), ValueError, mentions=["g"])


@obligation("KLD-LAUNCH", equation="kl_divergence", type="resource")
@given(case=kld_launch_inputs)
def test_kld_launch(kernel, case):
    """One launch reads both rows of logits; no probabilities are stored."""
    p, q = kernel.receives(case, "p q")
    uses_at_most(1, "launches", lambda: kernel.kl_divergence(p, q))


@obligation("KLD-MULTIPLES", equation="kl_backward", type="equivalence")
@given(case=kld_multiples_inputs)
def test_kld_multiples(kernel, case):
    """Batches of many tokens, and vocabularies that fill their blocks exactly, have the divergence and the gradients of
    the definition."""
    g, p, q = kernel.receives(case, "g p q")
    kl = kernel.kl_divergence(p, q)
    dp, dq = kernel.kl_backward(g, p, q)
    expected = spec.kl_divergence(p, q)
    expected_dp, expected_dq = spec.kl_backward(g, p, q)
    claim(approx(kl, expected))
    claim(approx(dp, expected_dp))
    claim(approx(dq, expected_dq))


@obligation("KLD-BATCH", equation="kl_divergence", type="equivalence", cost=4)
@given(case=kld_batch_inputs)
def test_kld_batch(kernel, case):
    """Batches of more than a thousand tokens have the divergences of the definition, to the last one."""
    p, q = kernel.receives(case, "p q")
    claim(approx(kernel.kl_divergence(p, q), spec.kl_divergence(p, q)))


@obligation("KLD-BATCH-BACKWARD", equation="kl_backward", type="equivalence", cost=4)
@given(case=kld_batch_backward_inputs)
def test_kld_batch_backward(kernel, case):
    """Batches of more than a thousand tokens have the gradients of the definition, to the last one."""
    g, p, q = kernel.receives(case, "g p q")
    dp, dq = kernel.kl_backward(g, p, q)
    expected_dp, expected_dq = spec.kl_backward(g, p, q)
    claim(approx(dp, expected_dp))
    claim(approx(dq, expected_dq))


@obligation("KLD-WIDE-ROWS", equation="kl_divergence", type="equivalence", cost=6)
@given(case=kld_wide_rows_inputs)
def test_kld_wide_rows(kernel, case):
    """Each of several rows wider than a block has its own divergence."""
    p, q = kernel.receives(case, "p q")
    claim(approx(kernel.kl_divergence(p, q), spec.kl_divergence(p, q)))


@obligation("KLD-APART", equation="kl_divergence", type="equivalence")
@given(case=kld_apart_inputs)
def test_kld_apart(kernel, case):
    """Rows whose logits lie thousands apart have the divergence of the definition."""
    p, q = kernel.receives(case, "p q")
    claim(approx(kernel.kl_divergence(p, q), spec.kl_divergence(p, q)))


@obligation("KLD-UNLIKELY", equation="kl_divergence", type="boundary")
@given(case=kld_unlikely_inputs)
def test_kld_unlikely(kernel, case):
    """However unlikely a class is under P, where it is possible there and impossible under Q the divergence is
    infinite."""
    p, q = kernel.receives(case, "p q")
    T, V = case.T, case.V
    t, v = grid(T, V)
    pp = array[t, v](where(v == 0, p[t, v] - 45, p[t, v]))
    qq = array[t, v](where(v == 0, -inf, q[t, v]))
    kl = kernel.kl_divergence(pp, qq)
    claim(all[t](kl[t] == inf))


@obligation("KLD-LEAST", equation="kl_divergence", type="boundary")
@given(case=kld_least_inputs)
def test_kld_least(kernel, case):
    """Nor is the divergence a number where float32 has 0 for the probability under P: infinite, or 0 times infinity."""
    p, q = kernel.receives(case, "p q")
    T, V = case.T, case.V
    t, v = grid(T, V)
    pp = array[t, v](where(v == 0, p[t, v] - 120, p[t, v]))
    qq = array[t, v](where(v == 0, -inf, q[t, v]))
    kl = kernel.kl_divergence(pp, qq)
    claim(all[t](~isfinite(kl[t])))


@obligation("KLD-DEF-KL_DIVERGENCE", equation="kl_divergence", type="definition")
@given(case=kld_launch_inputs)
def test_kld_def_kl_divergence(kernel, case):
    """kl_divergence computes its definition."""
    p, q = kernel.receives(case, "p q")
    kl = kernel.kl_divergence(p, q)
    expected_kl = spec.kl_divergence(p, q)
    claim(approx(kl, expected_kl))


@obligation("KLD-DEF-KL_BACKWARD", equation="kl_backward", type="definition")
@given(case=kl_backward_inputs)
def test_kld_def_kl_backward(kernel, case):
    """kl_backward computes its definition."""
    g, p, q = kernel.receives(case, "g p q")
    dp, dq = kernel.kl_backward(g, p, q)
    expected_dp, expected_dq = spec.kl_backward(g, p, q)
    claim(approx(dp, expected_dp))
    claim(approx(dq, expected_dq))


@obligation("KLD-T-COIN", rule="KLD-DEF-KL_DIVERGENCE", type="falsification")
def test_kld_t_coin(kernel):
    """A fair coin against one of 3 to 1: log 2 - 1/2 log 3 = 0.1438; not 0.1308, which is the other way round."""
    case = example({"p": "float[T, V]", "q": "float[T, V]"}, p=[[0.0, 0.0]], q=[[1.0986122886681098, 0.0]])
    p, q = kernel.receives(case, "p q")
    kl = kernel.kl_divergence(p, q)
    claim(0.1425 < kl[0])
    claim(kl[0] < 0.1451)


@obligation("KLD-T-IMPOSSIBLE", rule="KLD-PINSKER", type="falsification")
def test_kld_t_impossible(kernel):
    """A class impossible under P adds nothing, even where Q calls it impossible too."""
    case = example(
        {"p": "float[T, V]", "q": "float[T, V]"},
        p=[[0.0, float("-inf"), 0.0, float("-inf")]],
        q=[[0.0, 0.0, 0.0, float("-inf")]],
    )
    p, q = kernel.receives(case, "p q")
    kl = kernel.kl_divergence(p, q)
    claim(approx(kl[0], log(1.5)))


@obligation("KLD-T-INFINITE", rule="KLD-PINSKER", type="falsification")
def test_kld_t_infinite(kernel):
    """What P holds possible and Q impossible makes the divergence infinite."""
    case = example({"p": "float[T, V]", "q": "float[T, V]"}, p=[[0.0, 0.0]], q=[[0.0, float("-inf")]])
    p, q = kernel.receives(case, "p q")
    kl = kernel.kl_divergence(p, q)
    claim(kl[0] == inf)


@obligation("KLD-T-FAR", rule="KLD-DEF-KL_BACKWARD", type="falsification")
def test_kld_t_far(kernel):
    """Equal distributions whose logits lie 30000 away from 0 on either side have divergence 0 and no gradient."""
    case = example(
        {"g": "accum[T]", "p": "float[T, V]", "q": "float[T, V]"},
        g=[1.0, 1.0],
        p=[[30000.0, 30000.0], [0.0, 0.0]],
        q=[[0.0, 0.0], [-30000.0, -30000.0]],
    )
    g, p, q = kernel.receives(case, "g p q")
    T, V = case.T, case.V
    t, v = grid(T, V)
    kl = kernel.kl_divergence(p, q)
    dp, dq = kernel.kl_backward(g, p, q)
    claim(all[t](approx(kl[t], 0)))
    claim(all[t, v](approx(dp[t, v], 0) & approx(dq[t, v], 0)))


@obligation("KLD-T-HOLE", rule="KLD-DEF-KL_BACKWARD", type="falsification")
def test_kld_t_hole(kernel):
    """A class impossible under P has no slope in p, and in q what Q gives it."""
    case = example(
        {"g": "accum[T]", "p": "float[T, V]", "q": "float[T, V]"},
        g=[1.0],
        p=[[0.0, float("-inf"), 0.0, float("-inf")]],
        q=[[0.0, 0.0, 0.0, float("-inf")]],
    )
    g, p, q = kernel.receives(case, "g p q")
    dp, dq = kernel.kl_backward(g, p, q)
    claim(dp[0, 1] == 0)
    claim(dp[0, 3] == 0)
    claim(approx(dp[0, 0], 0))
    claim(approx(dq[0, 1], ratio(1, 3)))
    claim(dq[0, 3] == 0)
