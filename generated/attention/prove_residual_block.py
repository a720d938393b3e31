"""attention/residual-block: Pre-norm residual block and its recomputation, what is proved.

Compiled from contracts/attention/residual-block-v1.yaml: change the contract and run `albor-contracts generate`, never this file.
Meaning: 63d42e72e281db9d9e17fb763751a5f1c9549e89c51b5c779a5b6b813a96ddae
"""

from albor_contracts.prove import RealProblem, all_of, mean_over, over, proof, sqrt, sum_over


def residual_block(problem: RealProblem, x, w, a, eps):
    """y = x + RMSNorm(x, w, eps) a"""
    R, N = x.shape
    h = problem.table("h", R, N)
    for r, i in over(R, N):
        h[r, i] = x[r, i] / sqrt(mean_over(x[r, j] * x[r, j] for j in range(N)) + eps) * w[i]
    y = problem.table("y", R, N)
    for r, i in over(R, N):
        y[r, i] = x[r, i] + sum_over(h[r, k] * a[k, i] for k in range(N))
    return y


@proof("RSB-PRENORM", "z3")
def prove_rsb_prenorm(problem: RealProblem) -> None:
    """The branch does not see the scale of x: only the skip grows with it.

    Sizes: R = 1, N = 2.
    """
    R, N = 1, 2
    x = problem.reals("x", R, N, within="[-4, 4]")
    w = problem.reals("w", N, within="[-2, 2]")
    a = problem.reals("a", N, N, within="[-1, 1]")
    eps = problem.real("eps", within="[1/1000000, 1/1000]")
    c = problem.real("c", within="[1/2, 4]")
    problem.axiom("sqrt_squared")
    scaled = problem.table("scaled", R, N)
    for r, i in over(R, N):
        scaled[r, i] = c * x[r, i]
    y = residual_block(problem, x, w, a, eps)
    y2 = residual_block(problem, scaled, w, a, c * c * eps)
    problem.claim(all_of(y2[r, i] - c * x[r, i] == y[r, i] - x[r, i] for r, i in over(R, N)))
