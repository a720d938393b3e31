"""loss/perplexity: Perplexity, what is proved.

Compiled from contracts/loss/perplexity-v1.yaml: change the contract and run `albor-contracts generate`, never this file.
Meaning: 5c10f829bedd650522823dbe6602af73da27e5935c550d1fb938cdf356e99f91
"""

from albor_contracts.prove import RealProblem, any_of, count_of, exp, over, proof, sum_over, where


def perplexity(problem: RealProblem, nll, valid):
    """exp(sum of nll over valid tokens / number of valid tokens)"""
    B, S = nll.shape
    n = count_of(valid[b, s] for b, s in over(B, S))
    ppl = exp(sum_over(where(valid[b, s], nll[b, s], 0) for b, s in over(B, S)) / n)
    return ppl


@proof("PPL-ONE", "z3")
def prove_ppl_one(problem: RealProblem) -> None:
    """Perplexity is at least 1.

    Sizes: B = 1, S = 2.
    """
    B, S = 1, 2
    nll = problem.reals("nll", B, S, within="[0, 12]")
    at_bits = problem.integers("valid", B, S, within="[0, 1]")
    valid = problem.table("valid", B, S)
    for at1, at2 in over(B, S):
        valid[at1, at2] = at_bits[at1, at2] == 1
    problem.assume(any_of(valid[b, s] for b, s in over(B, S)))
    problem.axiom("exp_at_least_one_plus_x")
    ppl = perplexity(problem, nll, valid)
    problem.claim(ppl >= 1)
