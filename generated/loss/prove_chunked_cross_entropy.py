"""loss/chunked-cross-entropy: Cross-entropy over a vocabulary in chunks, what is proved.

Compiled from contracts/loss/chunked-cross-entropy-v1.yaml: change the contract and run `albor-contracts generate`, never this file.
Meaning: fd782e15fce5cfb1ba71b83574ab3bd53bf3ec25dedb4f2d3e0052e02ed47b88
"""

from albor_contracts.prove import RealProblem, all_of, both, clip, exp, max_over, maximum, over, proof, sum_over, where


def chunk_update(problem: RealProblem, z, y, first, m, l, picked):
    """m' = max(m, max z), l' = exp(m - m') l + sum exp(z - m'), picked' = z_(y - first) where first <= y < first + V, else picked"""
    T, V = z.shape
    m2 = problem.table("m2", T)
    for t in over(T):
        m2[t] = maximum(m[t], max_over(z[t, v] for v in range(V)))
    l2 = problem.table("l2", T)
    for t in over(T):
        l2[t] = exp(m[t] - m2[t]) * l[t] + sum_over(exp(z[t, v] - m2[t]) for v in range(V))
    picked2 = problem.table("picked2", T)
    for t in over(T):
        picked2[t] = where(both(first <= y[t], y[t] < first + V), sum_over(where(clip(y[t] - first, 0, V - 1) == at_1_2, z[t, at_1_2], 0) for at_1_2 in range(V)), picked[t])
    return m2, l2, picked2


@proof("CCE-INVARIANT", "z3")
def prove_cce_invariant(problem: RealProblem) -> None:
    """l exp(m) grows by the exponentials of the chunk: the induction step.

    Sizes: T = 1, V = 2.
    """
    T, V = 1, 2
    z = problem.reals("z", T, V, within="[-8, 8]")
    y = problem.integers("y", T, within="[0, 200]")
    first = problem.integer("first", within="[0, 100]")
    m = problem.reals("m", T, within="[-8, 8]")
    l = problem.reals("l", T, within="[1, 100]")
    picked = problem.reals("picked", T, within="[-20, 20]")
    problem.axiom("exp_positive")
    problem.axiom("exp_add")
    m2, l2, picked2 = chunk_update(problem, z, y, first, m, l, picked)
    problem.claim(all_of(l2[t] * exp(m2[t]) == l[t] * exp(m[t]) + sum_over(exp(z[t, v]) for v in range(V)) for t in range(T)))
