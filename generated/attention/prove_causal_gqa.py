"""attention/causal-gqa: Causal attention with grouped heads, what is proved.

Compiled from contracts/attention/causal-gqa-v1.yaml: change the contract and run `albor-contracts generate`, never this file.
Meaning: 58b64c1b57de9e9c582233496853bdd9f7ef26746dde7aa23b45b1646f7e51cc
"""

from albor_contracts.prove import RealProblem, all_of, both, exp, log, max_over, min_over, over, proof, sqrt, sum_over


def attention(problem: RealProblem, q, k, v):
    """o = softmax(q k^T / sqrt(D), j <= i) v, lse = log sum exp(q k^T / sqrt(D))"""
    B, H, S, D = q.shape
    K = k.shape[1]
    G = H // K
    s = problem.table("s", B, H, S, S)
    for b, h, i, j in over(B, H, S, S):
        s[b, h, i, j] = sum_over(q[b, h, i, d] * k[b, h // G, j, d] for d in range(D)) / sqrt(D)
    m = problem.table("m", B, H, S)
    for b, h, i in over(B, H, S):
        m[b, h, i] = max_over(s[b, h, i, j] for j in range(S) if j <= i)
    e = problem.table("e", B, H, S, S)
    for b, h, i, j in over(B, H, S, S):
        e[b, h, i, j] = exp(s[b, h, i, j] - m[b, h, i]) if j <= i else 0
    z = problem.table("z", B, H, S)
    for b, h, i in over(B, H, S):
        z[b, h, i] = sum_over(e[b, h, i, j] for j in range(S))
    o = problem.table("o", B, H, S, D)
    for b, h, i, d in over(B, H, S, D):
        o[b, h, i, d] = sum_over(e[b, h, i, j] * v[b, h // G, j, d] for j in range(S)) / z[b, h, i]
    lse = problem.table("lse", B, H, S)
    for b, h, i in over(B, H, S):
        lse[b, h, i] = m[b, h, i] + log(z[b, h, i])
    return o, lse


def attention_backward(problem: RealProblem, g, q, k, v):
    """dS = A (g v^T - rowsum(g o)), dq = dS k / sqrt(D), dk = dS^T q / sqrt(D), dv = A^T g, summed over the group"""
    B, H, S, D = g.shape
    K = k.shape[1]
    G = H // K
    s = problem.table("s", B, H, S, S)
    for b, h, i, j in over(B, H, S, S):
        s[b, h, i, j] = sum_over(q[b, h, i, d] * k[b, h // G, j, d] for d in range(D)) / sqrt(D)
    m = problem.table("m", B, H, S)
    for b, h, i in over(B, H, S):
        m[b, h, i] = max_over(s[b, h, i, j] for j in range(S) if j <= i)
    e = problem.table("e", B, H, S, S)
    for b, h, i, j in over(B, H, S, S):
        e[b, h, i, j] = exp(s[b, h, i, j] - m[b, h, i]) if j <= i else 0
    z = problem.table("z", B, H, S)
    for b, h, i in over(B, H, S):
        z[b, h, i] = sum_over(e[b, h, i, j] for j in range(S))
    o = problem.table("o", B, H, S, D)
    for b, h, i, d in over(B, H, S, D):
        o[b, h, i, d] = sum_over(e[b, h, i, j] * v[b, h // G, j, d] for j in range(S)) / z[b, h, i]
    lse = problem.table("lse", B, H, S)
    for b, h, i in over(B, H, S):
        lse[b, h, i] = m[b, h, i] + log(z[b, h, i])
    a = problem.table("a", B, H, S, S)
    for b, h, i, j in over(B, H, S, S):
        a[b, h, i, j] = exp(s[b, h, i, j] - lse[b, h, i]) if j <= i else 0
    da = problem.table("da", B, H, S, S)
    for b, h, i, j in over(B, H, S, S):
        da[b, h, i, j] = sum_over(g[b, h, i, d] * v[b, h // G, j, d] for d in range(D))
    delta = problem.table("delta", B, H, S)
    for b, h, i in over(B, H, S):
        delta[b, h, i] = sum_over(g[b, h, i, d] * o[b, h, i, d] for d in range(D))
    ds = problem.table("ds", B, H, S, S)
    for b, h, i, j in over(B, H, S, S):
        ds[b, h, i, j] = a[b, h, i, j] * (da[b, h, i, j] - delta[b, h, i])
    dq = problem.table("dq", B, H, S, D)
    for b, h, i, d in over(B, H, S, D):
        dq[b, h, i, d] = sum_over(ds[b, h, i, j] * k[b, h // G, j, d] for j in range(S)) / sqrt(D)
    dkh = problem.table("dkh", B, H, S, D)
    for b, h, j, d in over(B, H, S, D):
        dkh[b, h, j, d] = sum_over(ds[b, h, i, j] * q[b, h, i, d] for i in range(S))
    dvh = problem.table("dvh", B, H, S, D)
    for b, h, j, d in over(B, H, S, D):
        dvh[b, h, j, d] = sum_over(a[b, h, i, j] * g[b, h, i, d] for i in range(S))
    dk = problem.table("dk", B, K, S, D)
    for b, c, j, d in over(B, K, S, D):
        dk[b, c, j, d] = sum_over(dkh[b, h, j, d] for h in range(H) if h // G == c) / sqrt(D)
    dv = problem.table("dv", B, K, S, D)
    for b, c, j, d in over(B, K, S, D):
        dv[b, c, j, d] = sum_over(dvh[b, h, j, d] for h in range(H) if h // G == c)
    return dq, dk, dv


@proof("ATT-HULL", "z3")
def prove_att_hull(problem: RealProblem) -> None:
    """Every output lies between the smallest and the largest value it may see.

    Sizes: B = 1, G = 1, K = 1, S = 2, D = 1, H = 1.
    """
    B, G, K, S, D, H = 1, 1, 1, 2, 1, 1
    q = problem.reals("q", B, H, S, D, within="[-4, 4]")
    k = problem.reals("k", B, K, S, D, within="[-4, 4]")
    v = problem.reals("v", B, K, S, D, within="[-4, 4]")
    problem.axiom("exp_positive")
    problem.axiom("sqrt_squared")
    o, lse = attention(problem, q, k, v)
    problem.claim(all_of(both(min_over(v[b, h // G, j, d] for j in range(S) if j <= i) <= o[b, h, i, d], o[b, h, i, d] <= max_over(v[b, h // G, j, d] for j in range(S) if j <= i)) for b, h, i, d in over(B, H, S, D)))


@proof("ATT-HEADS", "z3")
def prove_att_heads(problem: RealProblem) -> None:
    """Sharing key and value heads is the same as repeating each of them G times in place.

    Sizes: B = 1, G = 2, K = 1, S = 2, D = 1, H = 2.
    """
    B, G, K, S, D, H = 1, 2, 1, 2, 1, 2
    q = problem.reals("q", B, H, S, D, within="[-4, 4]")
    k = problem.reals("k", B, K, S, D, within="[-4, 4]")
    v = problem.reals("v", B, K, S, D, within="[-4, 4]")
    problem.axiom("exp_positive")
    problem.axiom("sqrt_squared")
    q_all = problem.table("q_all", B, H, S, D)
    for b, h, j, d in over(B, H, S, D):
        q_all[b, h, j, d] = q[b, h, j, d]
    k_all = problem.table("k_all", B, H, S, D)
    for b, h, j, d in over(B, H, S, D):
        k_all[b, h, j, d] = k[b, h // G, j, d]
    v_all = problem.table("v_all", B, H, S, D)
    for b, h, j, d in over(B, H, S, D):
        v_all[b, h, j, d] = v[b, h // G, j, d]
    o, lse = attention(problem, q, k, v)
    o2, lse2 = attention(problem, q_all, k_all, v_all)
    problem.claim(all_of(o[at1, at2, at3, at4] == o2[at1, at2, at3, at4] for at1, at2, at3, at4 in over(B, H, S, D)))
    problem.claim(all_of(lse[at1, at2, at3] == lse2[at1, at2, at3] for at1, at2, at3 in over(B, H, S)))


@proof("ATT-SUMS", "z3")
def prove_att_sums(problem: RealProblem) -> None:
    """Summed over positions, dv is g summed over the group, and dk is 0.

    Sizes: B = 1, G = 1, K = 1, S = 2, D = 1, H = 1.
    """
    B, G, K, S, D, H = 1, 1, 1, 2, 1, 1
    g = problem.reals("g", B, H, S, D, within="[-2, 2]")
    q = problem.reals("q", B, H, S, D, within="[-4, 4]")
    k = problem.reals("k", B, K, S, D, within="[-4, 4]")
    v = problem.reals("v", B, K, S, D, within="[-4, 4]")
    problem.axiom("exp_positive")
    problem.axiom("exp_negative")
    problem.axiom("exp_add")
    problem.axiom("exp_log")
    problem.axiom("sqrt_squared")
    dq, dk, dv = attention_backward(problem, g, q, k, v)
    problem.claim(all_of(sum_over(dv[b, c, j, d] for j in range(S)) == sum_over(g[b, h, i, d] for h, i in over(H, S) if h // G == c) for b, c, d in over(B, K, D)))
    problem.claim(all_of(sum_over(dk[b, c, j, d] for j in range(S)) == 0 for b, c, d in over(B, K, D)))
