"""core/softmax: Softmax, what is proved.

Compiled from contracts/core/softmax-v1.yaml: change the contract and run `albor-contracts generate`, never this file.
Meaning: 14c8a6a4ea7ebc89f29999a197ce181238f960249d2d3e40941541877d18c455
"""

from albor_contracts.prove import RealProblem, all_of, both, exp, max_over, over, proof, sum_over


def softmax(problem: RealProblem, x):
    """p = exp(x - max x) / sum exp(x - max x)"""
    R, N = x.shape
    e = problem.table("e", R, N)
    for r, i in over(R, N):
        e[r, i] = exp(x[r, i] - max_over(x[r, j] for j in range(N)))
    p = problem.table("p", R, N)
    for r, i in over(R, N):
        p[r, i] = e[r, i] / sum_over(e[r, j] for j in range(N))
    return p


def softmax_backward(problem: RealProblem, g, x):
    """dx = p (g - sum g p), with p = softmax(x)"""
    R, N = g.shape
    e = problem.table("e", R, N)
    for r, i in over(R, N):
        e[r, i] = exp(x[r, i] - max_over(x[r, j] for j in range(N)))
    p = problem.table("p", R, N)
    for r, i in over(R, N):
        p[r, i] = e[r, i] / sum_over(e[r, j] for j in range(N))
    dx = problem.table("dx", R, N)
    for r, i in over(R, N):
        dx[r, i] = p[r, i] * (g[r, i] - sum_over(g[r, j] * p[r, j] for j in range(N)))
    return dx


@proof("SM-RANGE", "z3")
def prove_sm_range(problem: RealProblem) -> None:
    """Probabilities lie in [0, 1]; both ends occur.

    Sizes: R = 1, N = 3.
    """
    R, N = 1, 3
    x = problem.reals("x", R, N, within="[-120, 120]")
    problem.axiom("exp_positive")
    p = softmax(problem, x)
    problem.claim(all_of(both(0 <= p[r, i], p[r, i] <= 1) for r, i in over(R, N)))


@proof("SM-SUM", "z3")
def prove_sm_sum(problem: RealProblem) -> None:
    """Each row sums to one.

    Sizes: R = 1, N = 3.
    """
    R, N = 1, 3
    x = problem.reals("x", R, N, within="[-120, 120]")
    problem.axiom("exp_positive")
    p = softmax(problem, x)
    problem.claim(all_of(sum_over(p[r, i] for i in range(N)) == 1 for r in range(R)))


@proof("SM-SHIFT", "z3")
def prove_sm_shift(problem: RealProblem) -> None:
    """Adding a constant to a row changes nothing.

    Sizes: R = 1, N = 2.
    """
    R, N = 1, 2
    x = problem.reals("x", R, N, within="[-10, 10]")
    c = problem.real("c", within="[-110, 110]")
    problem.axiom("exp_positive")
    problem.axiom("exp_add")
    s = problem.table("s", R, N)
    for r, i in over(R, N):
        s[r, i] = x[r, i] + c
    p = softmax(problem, s)
    q = softmax(problem, x)
    problem.claim(all_of(p[at1, at2] == q[at1, at2] for at1, at2 in over(R, N)))


@proof("SM-ZERO-SUM", "z3")
def prove_sm_zero_sum(problem: RealProblem) -> None:
    """Each row of dx sums to zero: shifting a row changes nothing.

    Sizes: R = 1, N = 2.
    """
    R, N = 1, 2
    g = problem.reals("g", R, N, within="[-8, 8]")
    x = problem.reals("x", R, N, within="[-120, 120]")
    problem.axiom("exp_positive")
    dx = softmax_backward(problem, g, x)
    problem.claim(all_of(sum_over(dx[r, i] for i in range(N)) == 0 for r in range(R)))
