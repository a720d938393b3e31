"""core/swiglu: SwiGLU, what is proved.

Compiled from contracts/core/swiglu-v1.yaml: change the contract and run `albor-contracts generate`, never this file.
Meaning: c6157f62fc3baea6939ab12602f59d2a3022b2c8b340b05b8fb90861462a8789
"""

from albor_contracts.prove import RealProblem, all_of, exp, over, proof


def swiglu(problem: RealProblem, gate, up):
    """h = gate sigmoid(gate) up"""
    R, N = gate.shape
    h = problem.table("h", R, N)
    for r, i in over(R, N):
        h[r, i] = gate[r, i] * (1 / (1 + exp(-gate[r, i]))) * up[r, i]
    return h


def swiglu_backward(problem: RealProblem, g, gate, up):
    """dgate = g up s (1 + gate (1 - s)), dup = g gate s, with s = sigmoid(gate)"""
    R, N = g.shape
    s = problem.table("s", R, N)
    for r, i in over(R, N):
        s[r, i] = 1 / (1 + exp(-gate[r, i]))
    dgate = problem.table("dgate", R, N)
    for r, i in over(R, N):
        dgate[r, i] = g[r, i] * up[r, i] * (s[r, i] * (1 + gate[r, i] * (1 - s[r, i])))
    dup = problem.table("dup", R, N)
    for r, i in over(R, N):
        dup[r, i] = g[r, i] * (gate[r, i] * s[r, i])
    return dgate, dup


@proof("SG-REFLECT", "z3")
def prove_sg_reflect(problem: RealProblem) -> None:
    """silu(x) - silu(-x) = x: the outputs of a gate and of its negative differ by gate up.

    Sizes: R = 1, N = 1.
    """
    R, N = 1, 1
    gate = problem.reals("gate", R, N, within="[-120, 120]")
    up = problem.reals("up", R, N, within="[-64, 64]")
    problem.assume(exp(0) == 1)
    problem.axiom("exp_positive")
    problem.axiom("exp_add")
    problem.axiom("exp_zero")
    opposite = problem.table("opposite", R, N)
    for r, i in over(R, N):
        opposite[r, i] = -gate[r, i]
    h = swiglu(problem, gate, up)
    k = swiglu(problem, opposite, up)
    problem.claim(all_of(h[r, i] - k[r, i] == gate[r, i] * up[r, i] for r, i in over(R, N)))


@proof("SG-RATIO", "z3")
def prove_sg_ratio(problem: RealProblem) -> None:
    """silu(x) = -exp(x) silu(-x): the sigmoid is the logistic one. With the reflection law this leaves no other function.

    Sizes: R = 1, N = 1.
    """
    R, N = 1, 1
    gate = problem.reals("gate", R, N, within="[-10, 10]")
    up = problem.reals("up", R, N, within="[-64, 64]")
    problem.assume(exp(0) == 1)
    problem.axiom("exp_positive")
    problem.axiom("exp_add")
    problem.axiom("exp_zero")
    opposite = problem.table("opposite", R, N)
    for r, i in over(R, N):
        opposite[r, i] = -gate[r, i]
    h = swiglu(problem, gate, up)
    k = swiglu(problem, opposite, up)
    problem.claim(all_of(h[r, i] == -(exp(gate[r, i]) * k[r, i]) for r, i in over(R, N)))


@proof("SG-EULER", "z3")
def prove_sg_euler(problem: RealProblem) -> None:
    """h is linear in up: up dup = g h, element by element.

    Sizes: R = 1, N = 2.
    """
    R, N = 1, 2
    g = problem.reals("g", R, N, within="[-8, 8]")
    gate = problem.reals("gate", R, N, within="[-120, 120]")
    up = problem.reals("up", R, N, within="[-64, 64]")
    problem.axiom("exp_positive")
    problem.axiom("exp_negative")
    dgate, dup = swiglu_backward(problem, g, gate, up)
    h = swiglu(problem, gate, up)
    problem.claim(all_of(up[r, i] * dup[r, i] == g[r, i] * h[r, i] for r, i in over(R, N)))
