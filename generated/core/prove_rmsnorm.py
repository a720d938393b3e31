"""core/rmsnorm: RMSNorm, what is proved.

Compiled from contracts/core/rmsnorm-v1.yaml: change the contract and run `albor-contracts generate`, never this file.
Meaning: bf9fb5df9c13616084274ee0444f8264fd1366b0f42ad5cfd7d1e622dfeb69ba
"""

from albor_contracts.prove import RealProblem, all_of, mean_over, over, proof, sqrt


def rmsnorm(problem: RealProblem, x, w, eps):
    """y = x / sqrt(mean(x^2) + eps) * w"""
    R, N = x.shape
    q = problem.table("q", R)
    for r in over(R):
        q[r] = mean_over(x[r, j] * x[r, j] for j in range(N))
    y = problem.table("y", R, N)
    for r, i in over(R, N):
        y[r, i] = x[r, i] / sqrt(q[r] + eps) * w[i]
    return y


@proof("RN-SCALE", "z3")
def prove_rn_scale(problem: RealProblem) -> None:
    """Scaling a row by c leaves the output unchanged when eps is scaled by c^2.

    Sizes: R = 1, N = 2.
    """
    R, N = 1, 2
    x = problem.reals("x", R, N, within="[-100, 100]")
    w = problem.reals("w", N, within="[-2, 2]")
    eps = problem.real("eps", within="[1/1000000, 1/1000]")
    c = problem.real("c", within="[1/2, 8]")
    problem.axiom("sqrt_squared")
    scaled = problem.table("scaled", R, N)
    for r, i in over(R, N):
        scaled[r, i] = c * x[r, i]
    y = rmsnorm(problem, x, w, eps)
    z = rmsnorm(problem, scaled, w, c * c * eps)
    problem.claim(all_of(z[at1, at2] == y[at1, at2] for at1, at2 in over(R, N)))
