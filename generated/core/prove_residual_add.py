"""core/residual-add: Residual connection, what is proved.

Compiled from contracts/core/residual-add-v1.yaml: change the contract and run `albor-contracts generate`, never this file.
Meaning: c88e18df7adc75e539ab6768be8c8024b3a0a30241ab5135c758ae4b69f89fef
"""

from fractions import Fraction

from albor_contracts.prove import RealProblem, all_of, over, proof
from albor_contracts.prove.terms import term


def residual_add(problem: RealProblem, x, f, c):
    """y = x + c f"""
    R, N = x.shape
    y = problem.table("y", R, N)
    for r, i in over(R, N):
        y[r, i] = x[r, i] + c * f[r, i]
    return y


@proof("RA-SWAP", "z3")
def prove_ra_swap(problem: RealProblem) -> None:
    """With c = 1 stream and branch may change places, bit by bit.

    Sizes: R = 1, N = 1.
    """
    R, N = 1, 1
    x = problem.reals("x", R, N, within="[-20000, 20000]")
    f = problem.reals("f", R, N, within="[-20000, 20000]")
    y = residual_add(problem, x, f, term(Fraction('1.0')))
    z = residual_add(problem, f, x, term(Fraction('1.0')))
    problem.claim(all_of(y[at1, at2] == z[at1, at2] for at1, at2 in over(R, N)))
