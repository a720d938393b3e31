"""core/gemm: Matrix products, what is proved.

Compiled from contracts/core/gemm-v1.yaml: change the contract and run `albor-contracts generate`, never this file.
Meaning: 6dbea0c6726293f7bd7ff0f600ad0224a94168e86a6a30aeb720a5ace0b83ba1
"""

from albor_contracts.prove import RealProblem, all_of, over, proof, sum_over


def gemm(problem: RealProblem, a, b):
    """c = a b"""
    M, K = a.shape
    N = b.shape[1]
    c = problem.table("c", M, N)
    for m, n in over(M, N):
        c[m, n] = sum_over(a[m, k] * b[k, n] for k in range(K))
    return c


def gemm_backward(problem: RealProblem, g, a, b):
    """da = g b^T, db = a^T g"""
    M, N = g.shape
    K = a.shape[1]
    da = problem.table("da", M, K)
    for m, k in over(M, K):
        da[m, k] = sum_over(g[m, n] * b[k, n] for n in range(N))
    db = problem.table("db", K, N)
    for k, n in over(K, N):
        db[k, n] = sum_over(a[m, k] * g[m, n] for m in range(M))
    return da, db


@proof("GM-EULER", "z3")
def prove_gm_euler(problem: RealProblem) -> None:
    """The product is linear in each operand: sum(da a) = sum(db b) = sum(g (a b)).

    Sizes: M = 1, N = 2, K = 3.
    """
    M, N, K = 1, 2, 3
    g = problem.reals("g", M, N, within="[-8, 8]")
    a = problem.reals("a", M, K, within="[-30, 30]")
    b = problem.reals("b", K, N, within="[-30, 30]")
    c = gemm(problem, a, b)
    da, db = gemm_backward(problem, g, a, b)
    total = sum_over(g[m, n] * c[m, n] for m, n in over(M, N))
    problem.claim(sum_over(da[m, k] * a[m, k] for m, k in over(M, K)) == total)
    problem.claim(sum_over(db[k, n] * b[k, n] for k, n in over(K, N)) == total)


@proof("GM-ORDER", "z3")
def prove_gm_order(problem: RealProblem) -> None:
    """The transpose of a product is the product of the transposes in the other order.

    Sizes: M = 2, N = 1, K = 3.
    """
    M, N, K = 2, 1, 3
    a = problem.reals("a", M, K, within="[-64, 64]")
    b = problem.reals("b", K, N, within="[-64, 64]")
    at = problem.table("at", K, M)
    for k, m in over(K, M):
        at[k, m] = a[m, k]
    bt = problem.table("bt", N, K)
    for n, k in over(N, K):
        bt[n, k] = b[k, n]
    c = gemm(problem, a, b)
    d = gemm(problem, bt, at)
    problem.claim(all_of(d[n, m] == c[m, n] for m, n in over(M, N)))


@proof("GM-LINEAR", "z3")
def prove_gm_linear(problem: RealProblem) -> None:
    """The product is linear in its first operand.

    Sizes: M = 1, N = 2, K = 2.
    """
    M, N, K = 1, 2, 2
    a = problem.reals("a", M, K, within="[-7, 7]")
    b = problem.reals("b", K, N, within="[-8, 8]")
    factor = problem.real("factor", within="[-3, 3]")
    other_a = problem.reals("other_a", M, K, within="[-7, 7]")
    mixed = problem.table("mixed", M, K)
    for m, k in over(M, K):
        mixed[m, k] = a[m, k] + factor * other_a[m, k]
    c = gemm(problem, a, b)
    c_other = gemm(problem, other_a, b)
    c_mixed = gemm(problem, mixed, b)
    problem.claim(all_of(c_mixed[m, n] == c[m, n] + factor * c_other[m, n] for m, n in over(M, N)))
