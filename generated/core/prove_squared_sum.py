"""core/squared-sum: Sums of squares, what is proved.

Compiled from contracts/core/squared-sum-v1.yaml: change the contract and run `albor-contracts generate`, never this file.
Meaning: 5d1b0a0474b29242bfe5e6e34c96022bd18975c7806f049331ee385795685f23
"""

from albor_contracts.prove import RealProblem, over, proof, sum_over


def squared_sum(problem: RealProblem, x):
    """s = sum x^2"""
    (N,) = x.shape
    s = sum_over(x[i] * x[i] for i in range(N))
    return s


@proof("SQ-SCALE", "z3")
def prove_sq_scale(problem: RealProblem) -> None:
    """c times as large elements have c^2 times as large a sum.

    Sizes: N = 2.
    """
    N = 2
    x = problem.reals("x", N, within="[-100, 100]")
    factor = problem.real("factor", within="[1/4, 4]")
    scaled = problem.table("scaled", N)
    for n in over(N):
        scaled[n] = factor * x[n]
    s = squared_sum(problem, x)
    s_scaled = squared_sum(problem, scaled)
    problem.claim(s_scaled == factor ** 2 * s)
