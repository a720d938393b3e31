"""core/silu: SiLU, what is proved.

Compiled from contracts/core/silu-v1.yaml: change the contract and run `albor-contracts generate`, never this file.
Meaning: c2bed46be7426c785a7db4974d6c90f294da35d36786c0e4e360283b20ea6079
"""

import numpy as np
from albor_contracts.prove import RealProblem, all_of, exp, over, proof


def half(x):
    """x rounded once to float16; as float64, so that the law about it is computed without another rounding."""
    return np.asarray(x).astype(np.float16).astype(np.float64)


def silu(problem: RealProblem, x):
    """y = x sigmoid(x)"""
    R, N = x.shape
    y = problem.table("y", R, N)
    for r, i in over(R, N):
        y[r, i] = x[r, i] * (1 / (1 + exp(-x[r, i])))
    return y


def wide_silu(x):
    """y = x sigmoid(x), in float64"""
    y = x * (1 / (1 + np.exp(-x)))
    return y


@proof("SI-REFLECT", "z3")
def prove_si_reflect(problem: RealProblem) -> None:
    """silu(x) - silu(-x) = x.

    Sizes: R = 1, N = 1.
    """
    R, N = 1, 1
    x = problem.reals("x", R, N, within="[-120, 120]")
    problem.assume(exp(0) == 1)
    problem.axiom("exp_positive")
    problem.axiom("exp_add")
    problem.axiom("exp_zero")
    opposite = problem.table("opposite", R, N)
    for r, i in over(R, N):
        opposite[r, i] = -x[r, i]
    y = silu(problem, x)
    z = silu(problem, opposite)
    problem.claim(all_of(y[r, i] - z[r, i] == x[r, i] for r, i in over(R, N)))


@proof("SI-RATIO", "z3")
def prove_si_ratio(problem: RealProblem) -> None:
    """silu(x) = -exp(x) silu(-x): the sigmoid is the logistic one. With the reflection law this leaves no other function.

    Sizes: R = 1, N = 1.
    """
    R, N = 1, 1
    x = problem.reals("x", R, N, within="[-10, 10]")
    problem.assume(exp(0) == 1)
    problem.axiom("exp_positive")
    problem.axiom("exp_add")
    problem.axiom("exp_zero")
    opposite = problem.table("opposite", R, N)
    for r, i in over(R, N):
        opposite[r, i] = -x[r, i]
    y = silu(problem, x)
    z = silu(problem, opposite)
    problem.claim(all_of(y[r, i] == -(exp(x[r, i]) * z[r, i]) for r, i in over(R, N)))


@proof("SI-BELOW", "ieee")
def prove_si_below(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """No value lies below -0.27846454277."""
    x = x.astype(np.float64)
    y = half(wide_silu(x))
    return np.logical_and.reduce([x >= -4.0, x <= 1.0]), -0.2786 <= y
