"""core/rope: Rotary position embedding, what is proved.

Compiled from contracts/core/rope-v1.yaml: change the contract and run `albor-contracts generate`, never this file.
Meaning: d1005b247c35ad4d10c1772dac9aea4633839295d226f2116f3d7489164c571c
"""

from fractions import Fraction

from albor_contracts.prove import RealProblem, all_of, both, cos, either, exp, log, over, proof, sin


def rope(problem: RealProblem, x, offset, base):
    """y_k = x_k cos a - x_{k+D/2} sin a, y_{k+D/2} = x_k sin a + x_{k+D/2} cos a, a = (t + offset) base^(-2k/D)"""
    B, H, T, D = x.shape
    D2 = D // 2
    y = problem.table("y", B, H, T, D)
    for b, h, t, d in over(B, H, T, D):
        y[b, h, t, d] = x[b, h, t, d] * cos((t + offset) * exp(Fraction(-2 * (d % D2), D) * log(base))) + (-x[b, h, t, (d + D2) % D] if d < D2 else x[b, h, t, (d + D2) % D]) * sin((t + offset) * exp(Fraction(-2 * (d % D2), D) * log(base)))
    return y


@proof("RP-NORM", "z3")
def prove_rp_norm(problem: RealProblem) -> None:
    """The length of every pair is kept.

    Sizes: B = 1, H = 1, T = 2, D2 = 1, D = 2.
    """
    B, H, T, D2, D = 1, 1, 2, 1, 2
    x = problem.reals("x", B, H, T, D, within="[-1000, 1000]")
    offset = problem.integer("offset")
    base = problem.real("base", within="[100, 1000000]")
    problem.assume(either(both(offset >= 0, offset <= 4096), offset == 131072, offset == 1000000))
    problem.axiom("cos2_plus_sin2")
    y = rope(problem, x, offset, base)
    problem.claim(all_of(y[b, h, t, d] ** 2 + y[b, h, t, (d + D2) % D] ** 2 == x[b, h, t, d] ** 2 + x[b, h, t, (d + D2) % D] ** 2 for b, h, t, d in over(B, H, T, D)))
