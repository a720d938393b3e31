"""loss/kl-divergence: Kullback-Leibler divergence of two rows of logits.

Compiled from contracts/loss/kl-divergence-v1.yaml: change the contract and run `albor-contracts generate`, never this file.
Meaning: c75468e0768084eabc54a7d5a134716d0b5e49eac28768dcb6f641947e6fdd6f
"""

from albor_contracts.testing import (
    abs, all, approx, array, cases, claim, defines, definitions, example, exp, given, gradient, grid, independent, inf,
    log, max, obligation, sum, uses_at_most, where,
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
kld_launch_inputs = cases(
    dims={"T": "1..6", "V": "1..65"},
    p="float[T, V] in [-30, 30]",
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


@obligation("KLD-LAUNCH", equation="kl_divergence", type="resource")
@given(case=kld_launch_inputs)
def test_kld_launch(kernel, case):
    """One launch reads both rows of logits; no probabilities are stored."""
    p, q = kernel.receives(case, "p q")
    uses_at_most(1, "launches", lambda: kernel.kl_divergence(p, q))


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
