"""optim/adamw: AdamW with one global gradient clip, what is proved.

Compiled from contracts/optim/adamw-v1.yaml: change the contract and run `albor-contracts generate`, never this file.
Meaning: bec65109fda0fc5fd22888ceb07865c5396500ea9ddef75997720c626379814c
"""

from albor_contracts.prove import RealProblem, abs_, all_of, exp, log, minimum, over, proof, sqrt, sum_over, where
from albor_contracts.prove.terms import term


def adamw(problem: RealProblem, p, g, m, v, step, lr, beta1, beta2, eps, weight_decay, max_norm):
    """c = min(1, max_norm / |g|), m' = b1 m + (1 - b1) c g, v' = b2 v + (1 - b2) (c g)^2, p' = p - lr (m' / (1 - b1^t) / (sqrt(v' / (1 - b2^t)) + eps) + wd p)"""
    L, P = p.shape
    norm = sqrt(sum_over(g[l, i] * g[l, i] for l, i in over(L, P)))
    c = where(norm > max_norm, max_norm / norm, 1)
    gc = problem.table("gc", L, P)
    for l, i in over(L, P):
        gc[l, i] = c * g[l, i]
    mn = problem.table("mn", L, P)
    for l, i in over(L, P):
        mn[l, i] = beta1 * m[l, i] + (1 - beta1) * gc[l, i]
    vn = problem.table("vn", L, P)
    for l, i in over(L, P):
        vn[l, i] = beta2 * v[l, i] + (1 - beta2) * gc[l, i] * gc[l, i]
    mh = problem.table("mh", L, P)
    for l, i in over(L, P):
        mh[l, i] = mn[l, i] / (1 - exp(step * log(beta1)))
    vh = problem.table("vh", L, P)
    for l, i in over(L, P):
        vh[l, i] = vn[l, i] / (1 - exp(step * log(beta2)))
    u = problem.table("u", L, P)
    for l, i in over(L, P):
        u[l, i] = mh[l, i] / (sqrt(vh[l, i]) + eps)
    p2 = problem.table("p2", L, P)
    for l, i in over(L, P):
        p2[l, i] = (1 - lr * weight_decay) * p[l, i] - lr * u[l, i]
    m2 = problem.table("m2", L, P)
    for l, i in over(L, P):
        m2[l, i] = mn[l, i]
    v2 = problem.table("v2", L, P)
    for l, i in over(L, P):
        v2[l, i] = vn[l, i]
    return p2, m2, v2, norm


@proof("AW-CLIP", "z3", seconds=60)
def prove_aw_clip(problem: RealProblem) -> None:
    """What enters the moments is one multiple of the whole gradient, and its norm is at most max_norm.

    Sizes: L = 2, P = 1.
    """
    L, P = 2, 1
    p = problem.reals("p", L, P, within="[-4, 4]")
    g = problem.reals("g", L, P, within="[-1/2, 1/2]")
    m = problem.reals("m", L, P, within="[-1, 1]")
    lr = problem.real("lr", within="[1/10000, 1/10]")
    beta1 = problem.real("beta1", within="[1/2, 19/20]")
    beta2 = problem.real("beta2", within="[1/2, 999/1000]")
    eps = problem.real("eps", within="[1/100000000, 1/100]")
    weight_decay = problem.real("weight_decay", within="[1/100, 1/2]")
    max_norm = problem.real("max_norm", within="[1/100, 1/2]")
    problem.axiom("sqrt_squared")
    zero = problem.table("zero", L, P)
    for l, i in over(L, P):
        zero[l, i] = abs_(0 * m[l, i])
    p2, m2, v2, norm = adamw(problem, p, g, zero, zero, term(1), lr, beta1, beta2, eps, weight_decay, max_norm)
    problem.claim(sqrt(sum_over(m2[l, i] * m2[l, i] for l, i in over(L, P))) <= (1 - beta1) * max_norm)
    problem.claim(all_of(m2[l, i] * norm == (1 - beta1) * minimum(norm, max_norm) * g[l, i] for l, i in over(L, P)))
