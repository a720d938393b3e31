"""attention/flash-recurrence: The online recurrence of tiled attention, what is proved.

Compiled from contracts/attention/flash-recurrence-v1.yaml: change the contract and run `albor-contracts generate`, never this file.
Meaning: 88f18bd89ee90d33a95d00924b86c5156619d71d2e680b48df23c656195ecf27
"""

from albor_contracts.prove import RealProblem, all_of, exp, max_over, maximum, over, proof, sqrt, sum_over, where


def flash_step(problem: RealProblem, q, k, v, m, l, o, gap):
    """m' = max(m, max s), l' = exp(m - m') l + sum exp(s - m'), o' = exp(m - m') o + sum exp(s - m') v"""
    C, M, D = q.shape
    N = k.shape[1]
    s = problem.table("s", C, M, N)
    for c, i, j in over(C, M, N):
        s[c, i, j] = sum_over(q[c, i, d] * k[c, j, d] for d in range(D)) / sqrt(D)
    m2 = problem.table("m2", C, M)
    for c, i in over(C, M):
        m2[c, i] = maximum(m[c, i], max_over(where(j <= i + gap, s[c, i, j], m[c, i]) for j in range(N)))
    a = problem.table("a", C, M)
    for c, i in over(C, M):
        a[c, i] = exp(m[c, i] - m2[c, i])
    e = problem.table("e", C, M, N)
    for c, i, j in over(C, M, N):
        e[c, i, j] = where(j <= i + gap, exp(s[c, i, j] - m2[c, i]), 0)
    l2 = problem.table("l2", C, M)
    for c, i in over(C, M):
        l2[c, i] = where(i + gap < 0, l[c, i], a[c, i] * l[c, i] + sum_over(e[c, i, j] for j in range(N)))
    o2 = problem.table("o2", C, M, D)
    for c, i, d in over(C, M, D):
        o2[c, i, d] = where(i + gap < 0, o[c, i, d], a[c, i] * o[c, i, d] + sum_over(e[c, i, j] * v[c, j, d] for j in range(N)))
    return m2, l2, o2


@proof("FLR-INVARIANT", "z3")
def prove_flr_invariant(problem: RealProblem) -> None:
    """l exp(m) grows by the exponentials of the scores seen, and o exp(m) by these times v: the induction step.

    Sizes: C = 1, M = 1, N = 2, D = 1.
    """
    C, M, N, D = 1, 1, 2, 1
    q = problem.reals("q", C, M, D, within="[-3, 3]")
    k = problem.reals("k", C, N, D, within="[-3, 3]")
    v = problem.reals("v", C, N, D, within="[-4, 4]")
    m = problem.reals("m", C, M, within="[-8, 8]")
    l = problem.reals("l", C, M, within="[1, 30]")
    o = problem.reals("o", C, M, D, within="[-60, 60]")
    gap = problem.integer("gap", within="[-18, 18]")
    problem.assume(gap >= 0)
    problem.axiom("exp_positive")
    problem.axiom("exp_add")
    problem.axiom("sqrt_squared")
    m2, l2, o2 = flash_step(problem, q, k, v, m, l, o, gap)
    w = problem.table("w", C, M, N)
    for c, i, j in over(C, M, N):
        w[c, i, j] = where(j <= i + gap, exp(sum_over(q[c, i, d] * k[c, j, d] for d in range(D)) / sqrt(D)), 0)
    problem.claim(all_of(l2[c, i] * exp(m2[c, i]) == l[c, i] * exp(m[c, i]) + sum_over(w[c, i, j] for j in range(N)) for c, i in over(C, M)))
    problem.claim(all_of(o2[c, i, d] * exp(m2[c, i]) == o[c, i, d] * exp(m[c, i]) + sum_over(w[c, i, j] * v[c, j, d] for j in range(N)) for c, i, d in over(C, M, D)))


@proof("FLR-PLAIN", "z3", seconds=120)
def prove_flr_plain(problem: RealProblem) -> None:
    """Two tiles from an empty state give the softmax attention over all keys seen, however they are cut.

    Sizes: C = 1, M = 1, N = 1, D = 1, N2 = 1.
    """
    C, M, N, D, N2 = 1, 1, 1, 1, 1
    q = problem.reals("q", C, M, D, within="[-3, 3]")
    k = problem.reals("k", C, N, D, within="[-3, 3]")
    v = problem.reals("v", C, N, D, within="[-4, 4]")
    m = problem.reals("m", C, M, within="[-30, -20]")
    l = problem.reals("l", C, M)
    o = problem.reals("o", C, M, D)
    gap = problem.integer("gap", within="[0, 18]")
    k2 = problem.reals("k2", C, N2, D, within="[-3, 3]")
    v2 = problem.reals("v2", C, N2, D, within="[-4, 4]")
    problem.assume(all_of(l[at1, at2] == 0 for at1, at2 in over(C, M)))
    problem.assume(all_of(o[at1, at2, at3] == 0 for at1, at2, at3 in over(C, M, D)))
    problem.axiom("exp_positive")
    problem.axiom("exp_add")
    problem.axiom("sqrt_squared")
    m1, l1, o1 = flash_step(problem, q, k, v, m, l, o, gap)
    m2, l2, o2 = flash_step(problem, q, k2, v2, m1, l1, o1, gap - N)
    w = problem.table("w", C, M, N)
    for c, i, j in over(C, M, N):
        w[c, i, j] = where(j <= i + gap, exp(sum_over(q[c, i, d] * k[c, j, d] for d in range(D)) / sqrt(D)), 0)
    w2 = problem.table("w2", C, M, N2)
    for c, i, t in over(C, M, N2):
        w2[c, i, t] = where(t + N <= i + gap, exp(sum_over(q[c, i, d] * k2[c, t, d] for d in range(D)) / sqrt(D)), 0)
    z = problem.table("z", C, M)
    for c, i in over(C, M):
        z[c, i] = sum_over(w[c, i, j] for j in range(N)) + sum_over(w2[c, i, t] for t in range(N2))
    y = problem.table("y", C, M, D)
    for c, i, d in over(C, M, D):
        y[c, i, d] = sum_over(w[c, i, j] * v[c, j, d] for j in range(N)) + sum_over(w2[c, i, t] * v2[c, t, d] for t in range(N2))
    problem.claim(all_of(l1[c, i] * exp(m1[c, i]) == sum_over(w[c, i, j] for j in range(N)) for c, i in over(C, M)))
    problem.claim(all_of(o1[c, i, d] * exp(m1[c, i]) == sum_over(w[c, i, j] * v[c, j, d] for j in range(N)) for c, i, d in over(C, M, D)))
    problem.claim(all_of(l2[c, i] * exp(m2[c, i]) == z[c, i] for c, i in over(C, M)))
    problem.claim(all_of(o2[c, i, d] * exp(m2[c, i]) == y[c, i, d] for c, i, d in over(C, M, D)))
    problem.claim(all_of(o2[c, i, d] / l2[c, i] == y[c, i, d] / z[c, i] for c, i, d in over(C, M, D)))
