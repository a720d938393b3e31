"""core/embedding: Embedding, what is proved.

Compiled from contracts/core/embedding-v1.yaml: change the contract and run `albor-contracts generate`, never this file.
Meaning: 814ae55a5fabd06999f0fc0711a71f8f241043f08fc681a26c939043b4d62115
"""

from albor_contracts.prove import RealProblem, all_of, over, proof, sum_over, where


def embedding_backward(problem: RealProblem, g, ids, w):
    """dw_v = sum of g_t over t with ids(t) = v"""
    T, D = g.shape
    V = w.shape[0]
    dw = problem.table("dw", V, D)
    for v, d in over(V, D):
        dw[v, d] = sum_over(where(ids[t] == v, g[t, d], 0) for t in range(T)) + 0 * w[v, d]
    return dw


@proof("EM-SUM", "z3")
def prove_em_sum(problem: RealProblem) -> None:
    """Each column of dw sums to that column of g: no token is lost or counted twice.

    Sizes: T = 2, V = 2, D = 1.
    """
    T, V, D = 2, 2, 1
    g = problem.reals("g", T, D, within="[-8, 8]")
    ids = problem.integers("ids", T, within="[0, 2)")
    w = problem.reals("w", V, D, within="[-2, 2]")
    dw = embedding_backward(problem, g, ids, w)
    problem.claim(all_of(sum_over(dw[v, d] for v in range(V)) == sum_over(g[t, d] for t in range(T)) for d in range(D)))
