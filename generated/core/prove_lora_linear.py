"""core/lora-linear: Linear layer with a low-rank update, what is proved.

Compiled from contracts/core/lora-linear-v1.yaml: change the contract and run `albor-contracts generate`, never this file.
Meaning: 63903b5bbb2eb96d729ad976c4cf429b31dbc983490cd2813af46993cab6e293
"""

from albor_contracts.prove import RealProblem, all_of, over, proof, sum_over


def lora_linear(problem: RealProblem, x, w, a, b, alpha):
    """y = x w^T + (alpha / r) (x a) b"""
    M, K = x.shape
    N = w.shape[0]
    R = a.shape[1]
    u = problem.table("u", M, R)
    for m, q in over(M, R):
        u[m, q] = sum_over(x[m, k] * a[k, q] for k in range(K))
    c = problem.table("c", M, N)
    for m, n in over(M, N):
        c[m, n] = sum_over(x[m, k] * w[n, k] for k in range(K))
    y = problem.table("y", M, N)
    for m, n in over(M, N):
        y[m, n] = c[m, n] + alpha / R * sum_over(u[m, q] * b[q, n] for q in range(R))
    return y


@proof("LO-MERGE", "z3")
def prove_lo_merge(problem: RealProblem) -> None:
    """It is the layer with the merged weight W + (alpha / r) (A B)^T.

    Sizes: M = 1, N = 2, K = 2, R = 2.
    """
    M, N, K, R = 1, 2, 2, 2
    x = problem.reals("x", M, K, within="[-8, 8]")
    w = problem.reals("w", N, K, within="[-4, 4]")
    a = problem.reals("a", K, R, within="[-2, 2]")
    b = problem.reals("b", R, N, within="[-2, 2]")
    alpha = problem.real("alpha", within="[1/2, 32]")
    merged = problem.table("merged", N, K)
    for n, k in over(N, K):
        merged[n, k] = w[n, k] + alpha / R * sum_over(a[k, q] * b[q, n] for q in range(R))
    y = lora_linear(problem, x, w, a, b, alpha)
    product_ = problem.table("product", M, N)
    for m, n in over(M, N):
        product_[m, n] = sum_over(x[m, k] * merged[n, k] for k in range(K))
    problem.claim(all_of(y[at1, at2] == product_[at1, at2] for at1, at2 in over(M, N)))
