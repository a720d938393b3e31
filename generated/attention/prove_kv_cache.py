"""attention/kv-cache: Attention with a key and value cache, what is proved.

Compiled from contracts/attention/kv-cache-v1.yaml: change the contract and run `albor-contracts generate`, never this file.
Meaning: 7646b257be9529dde26bf8bdc5f6fc459cc7a67b83d270a0030b791213886674
"""

from albor_contracts.prove import (
    RealProblem, all_of, both, clip, exp, given, log, max_over, over, proof, sqrt, sum_over, where,
)
from albor_contracts.prove.terms import term


def cache_append(problem: RealProblem, cache, fresh, used):
    """cache'[used + i] = fresh[i], all other places as they were"""
    B, K, C, D = cache.shape
    T = fresh.shape[2]
    cache2 = problem.table("cache2", B, K, C, D)
    for b, c, j, d in over(B, K, C, D):
        cache2[b, c, j, d] = where(both(used <= j, j < used + T), sum_over(where(clip(j - used, 0, T - 1) == at_1_3, fresh[b, c, at_1_3, d], 0) for at_1_3 in range(T)), cache[b, c, j, d])
    return cache2


def cached_attention(problem: RealProblem, q, k, v, used):
    """o_i = softmax(q_i k^T / sqrt(D), j <= used - T + i) v"""
    B, H, T, D = q.shape
    _, K, C, _ = k.shape
    G = H // K
    s = problem.table("s", B, H, T, C)
    for b, h, i, j in over(B, H, T, C):
        s[b, h, i, j] = sum_over(q[b, h, i, d] * k[b, h // G, j, d] for d in range(D)) / sqrt(D)
    m = problem.table("m", B, H, T)
    for b, h, i in over(B, H, T):
        m[b, h, i] = max_over(given(j <= used - T + i, s[b, h, i, j]) for j in range(C))
    e = problem.table("e", B, H, T, C)
    for b, h, i, j in over(B, H, T, C):
        e[b, h, i, j] = where(j <= used - T + i, exp(s[b, h, i, j] - m[b, h, i]), 0)
    z = problem.table("z", B, H, T)
    for b, h, i in over(B, H, T):
        z[b, h, i] = sum_over(e[b, h, i, j] for j in range(C))
    o = problem.table("o", B, H, T, D)
    for b, h, i, d in over(B, H, T, D):
        o[b, h, i, d] = sum_over(e[b, h, i, j] * v[b, h // G, j, d] for j in range(C)) / z[b, h, i]
    lse = problem.table("lse", B, H, T)
    for b, h, i in over(B, H, T):
        lse[b, h, i] = m[b, h, i] + log(z[b, h, i])
    return o, lse


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


@proof("KVC-FULL", "z3")
def prove_kvc_full(problem: RealProblem) -> None:
    """Prefill and decoding from the cache give what full attention gives at these positions.

    Sizes: B = 1, K = 1, T = 1, C = 2, D = 1, P = 1, H = 1, S = 2.
    """
    B, K, T, C, D, P, H, S = 1, 1, 1, 2, 1, 1, 1, 2
    q = problem.reals("q", B, H, T, D, within="[-4, 4]")
    k = problem.reals("k", B, K, C, D, within="[-4, 4]")
    v = problem.reals("v", B, K, C, D, within="[-4, 4]")
    kp = problem.reals("kp", B, K, P, D, within="[-4, 4]")
    vp = problem.reals("vp", B, K, P, D, within="[-4, 4]")
    kn = problem.reals("kn", B, K, T, D, within="[-4, 4]")
    vn = problem.reals("vn", B, K, T, D, within="[-4, 4]")
    zero = problem.reals("zero", S)
    problem.assume(all_of(zero[at1] == 0 for at1 in over(S)))
    problem.axiom("exp_positive")
    problem.axiom("sqrt_squared")
    k1 = cache_append(problem, k, kp, term(0))
    v1 = cache_append(problem, v, vp, term(0))
    k2 = cache_append(problem, k1, kn, term(P))
    v2 = cache_append(problem, v1, vn, term(P))
    o, lse = cached_attention(problem, q, k2, v2, term(P + T))
    kf = problem.table("kf", B, K, S, D)
    for b, c, s, d in over(B, K, S, D):
        kf[b, c, s, d] = (kp[b, c, s + 0, d] if s < P else kn[b, c, s - P, d]) + zero[s]
    vf = problem.table("vf", B, K, S, D)
    for b, c, s, d in over(B, K, S, D):
        vf[b, c, s, d] = (vp[b, c, s + 0, d] if s < P else vn[b, c, s - P, d]) + zero[s]
    qf = problem.table("qf", B, H, S, D)
    for b, h, s, d in over(B, H, S, D):
        qf[b, h, s, d] = zero[s] if s < P else q[b, h, s - P, d]
    of, lsef = attention(problem, qf, kf, vf)
    problem.claim(all_of(o[b, h, i, d] == of[b, h, i + P, d] for b, h, i, d in over(B, H, T, D)))
    problem.claim(all_of(lse[b, h, i] == lsef[b, h, i + P] for b, h, i in over(B, H, T)))
