"""attention/causal-softmax: Causal mask and causal softmax, what is proved.

Compiled from contracts/attention/causal-softmax-v1.yaml: change the contract and run `albor-contracts generate`, never this file.
Meaning: cc4507a0f0186631f22f23f71f60a2b4c368f085d550bfd6ab9b32645a056556
"""

from albor_contracts.prove import RealProblem, all_of, both, exp, max_over, over, proof, sum_over


def causal_softmax(problem: RealProblem, x, scale):
    """a_ij = exp(scale x_ij) / sum over l <= i of exp(scale x_il) where j <= i, 0 elsewhere"""
    B = x.shape[0]
    S = x.shape[1]
    m = problem.table("m", B, S)
    for b, i in over(B, S):
        m[b, i] = max_over(scale * x[b, i, j] for j in range(S) if j <= i)
    e = problem.table("e", B, S, S)
    for b, i, j in over(B, S, S):
        e[b, i, j] = exp(scale * x[b, i, j] - m[b, i]) if j <= i else 0
    a = problem.table("a", B, S, S)
    for b, i, j in over(B, S, S):
        a[b, i, j] = e[b, i, j] / sum_over(e[b, i, l] for l in range(S))
    return a


def causal_softmax_backward(problem: RealProblem, g, x, scale):
    """dx_ij = scale a_ij (g_ij - sum_l a_il g_il)"""
    B = g.shape[0]
    S = g.shape[1]
    m = problem.table("m", B, S)
    for b, i in over(B, S):
        m[b, i] = max_over(scale * x[b, i, j] for j in range(S) if j <= i)
    e = problem.table("e", B, S, S)
    for b, i, j in over(B, S, S):
        e[b, i, j] = exp(scale * x[b, i, j] - m[b, i]) if j <= i else 0
    a = problem.table("a", B, S, S)
    for b, i, j in over(B, S, S):
        a[b, i, j] = e[b, i, j] / sum_over(e[b, i, l] for l in range(S))
    dx = problem.table("dx", B, S, S)
    for b, i, j in over(B, S, S):
        dx[b, i, j] = scale * a[b, i, j] * (g[b, i, j] - sum_over(a[b, i, l] * g[b, i, l] for l in range(S))) if j <= i else 0
    return dx


@proof("CSM-SEEN", "z3")
def prove_csm_seen(problem: RealProblem) -> None:
    """A visible weight lies between exp(s - max) / (i + 1) and exp(s - max).

    Sizes: B = 1, S = 3.
    """
    B, S = 1, 3
    x = problem.reals("x", B, S, S, within="[-20, 20]")
    scale = problem.real("scale", within="[1/20, 2]")
    problem.axiom("exp_positive")
    problem.axiom("exp_at_most_one")
    problem.axiom("exp_zero")
    a = causal_softmax(problem, x, scale)
    m = problem.table("m", B, S)
    for b, i in over(B, S):
        m[b, i] = max_over(scale * x[b, i, j] for j in range(S) if j <= i)
    e = problem.table("e", B, S, S)
    for b, i, j in over(B, S, S):
        e[b, i, j] = exp(scale * x[b, i, j] - m[b, i]) if j <= i else 0
    problem.claim(all_of(both(e[b, i, j] <= a[b, i, j] * (i + 1), a[b, i, j] <= e[b, i, j]) for b, i, j in over(B, S, S)))


@proof("CSM-SUM", "z3")
def prove_csm_sum(problem: RealProblem) -> None:
    """Each row sums to one.

    Sizes: B = 1, S = 3.
    """
    B, S = 1, 3
    x = problem.reals("x", B, S, S, within="[-20, 20]")
    scale = problem.real("scale", within="[1/20, 2]")
    problem.axiom("exp_positive")
    a = causal_softmax(problem, x, scale)
    problem.claim(all_of(sum_over(a[b, i, j] for j in range(S)) == 1 for b, i in over(B, S)))


@proof("CSM-ROWSUM", "z3")
def prove_csm_rowsum(problem: RealProblem) -> None:
    """Each row of dx sums to zero.

    Sizes: B = 1, S = 2.
    """
    B, S = 1, 2
    g = problem.reals("g", B, S, S, within="[-4, 4]")
    x = problem.reals("x", B, S, S, within="[-20, 20]")
    scale = problem.real("scale", within="[1/20, 2]")
    problem.axiom("exp_positive")
    dx = causal_softmax_backward(problem, g, x, scale)
    problem.claim(all_of(sum_over(dx[b, i, j] for j in range(S)) == 0 for b, i in over(B, S)))
