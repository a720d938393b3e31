'''Proofs: harness files, the engines that judge them, and verdicts.

A **harness** is a Python file on disk with one module-level function per obligation, marked `@proof(ID, ENGINE)`.
The function's docstring is the obligation in words. It reads as a person would have written it, and it runs
nothing when imported. `run_harness(path)` gives every obligation a process of its own and returns `Verdict`s.

Engine `crosshair`: integer and discrete code that ships. Leading asserts are assumptions, then at least one statement,
then asserts that claim. Beside it stands its canary: the same assumptions, and a claim that is false. ::

    from albor_contracts.prove import proof
    from albor_reference.schedule.training_config import steps_per_epoch

    @proof("TC-COMPOSE", "crosshair", seconds=30)
    def prove_tc_compose(n: int, b: int, a: int) -> None:
        """Micro-batches of b accumulated a at a time make as many steps as batches of a * b."""
        assert n >= 1
        assert b >= 1
        assert a >= 1
        steps = steps_per_epoch(steps_per_epoch(n, b), a)
        assert steps == steps_per_epoch(n, a * b)

    def canary_tc_compose(n: int, b: int, a: int) -> None:
        """The assumptions of TC-COMPOSE can be met: this claim must be refuted."""
        assert n >= 1
        assert b >= 1
        assert a >= 1
        pass  # the assumptions end here
        assert False

Engine `z3`: algebra over the reals, dimensions unrolled. The function receives a `RealProblem`. ::

    from albor_contracts.prove import RealProblem, all_of, exp, max_over, over, proof, sum_over

    @proof("SM-SUM", "z3")
    def prove_sm_sum(problem: RealProblem) -> None:
        """Each row sums to one."""
        B, N = 1, 3
        x = problem.reals("x", B, N)
        problem.axiom("exp_positive")
        e, p = problem.table("e", B, N), problem.table("p", B, N)
        for b, i in over(B, N):
            e[b, i] = exp(x[b, i] - max_over(x[b, j] for j in range(N)))
        for b, i in over(B, N):
            p[b, i] = e[b, i] / sum_over(e[b, j] for j in range(N))
        problem.claim(all_of(sum_over(p[b, i] for i in range(N)) == 1 for b in range(B)))

Engine `ieee`: a law with one argument, on every finite float16 value. ::

    @proof("RELU-IDEMPOTENT", "ieee")
    def prove_relu_idempotent(x: np.ndarray) -> np.ndarray:
        """Applying ReLU twice changes nothing."""
        return relu(relu(x)) == relu(x)

The law may instead return `assumption, claim`, two boolean arrays.

What an emitter of z3 harnesses needs, all exported here:

=============================== ====================================================================================
in the contract                 in the harness
=============================== ====================================================================================
input `x: float[B, N]`          `x = problem.reals("x", B, N)`; scalar `c`: `c = problem.real("c")`; integer input:
                                `problem.integers("k", N)`, `problem.integer("n")`
domain `in [a, b]`, `[a, b)`    `problem.assume_in(x, "[a, b)")` with numbers in place of a and b; `real` and `reals`
                                take the same text as `within=`
`assume: [c]`                   `problem.assume(c, ...)`, before the claims
`axioms: [n]`                   `problem.axiom("n")`; `AXIOMS` is the catalogue
`y[b, i] = e`                   `y = problem.table("y", B, N)`, then `for b, i in over(B, N): y[b, i] = e`
`c = e`                         `c = e`
`sum[j](e)`, `prod mean max     `sum_over(e for j in range(N))`, `prod_over mean_over max_over min_over argmax_over
min argmax argmin count all     argmin_over count_of all_of any_of`
any`
`sum[j](e, where=c)`            `... if c` in the generator where c is about indices only, else `given(c, e)` as item
`and or not`, `a <= b <= c`     `both(a, b)`, `either(a, b)`, `negate(a)`, `both(a <= b, b <= c)`; `implies(a, b)`
`where(c, a, b)`, `abs`, `sign` the same names
`max(a, b)`, `min(a, b)`        `maximum(a, b)`, `minimum(a, b)`
`exp log sqrt rsqrt cos sin`    the same names, and `expm1 log1p tanh erf floor ceil clip`
`approx(a, b)`, `equal(a, b)`   `a == b`: over the reals there is nothing to round
a law of another equation       a Python function of tables that returns tables, or its body inlined
=============================== ====================================================================================

Indices are Python ints (`h // G` just works); an index out of range or an element never written is an error.
A decimal such as 0.1 means one tenth. A quotient, root or logarithm must be shown to be defined wherever the claim
uses it: the engine proves that first, under the condition of the `where` it stands in.

Verdicts: `proved`, `refuted` (a counterexample was replayed), `vacuous` (nothing satisfies the assumptions) and
`undecided` (everything else, with the reason). Only `proved` counts.
'''

from typing import TYPE_CHECKING

from ..lazy import lazily

if TYPE_CHECKING:
    from .axioms import AXIOMS
    from .harness import HarnessError, Obligation, ProverMissing, check_harness, proof, read_harness
    from .problem import RealProblem
    from .run import run_harness
    from .terms import (
        Table,
        Term,
        abs_,
        all_of,
        any_of,
        argmax_over,
        argmin_over,
        both,
        ceil,
        clip,
        cos,
        count_of,
        either,
        erf,
        exp,
        expm1,
        floor,
        given,
        implies,
        log,
        log1p,
        max_over,
        maximum,
        mean_over,
        min_over,
        minimum,
        negate,
        over,
        prod_over,
        rsqrt,
        sign,
        sin,
        sqrt,
        sum_over,
        tanh,
        where,
    )
    from .verdict import PROVED, REFUTED, UNDECIDED, VACUOUS, Verdict

__all__ = [
    "AXIOMS",
    "PROVED",
    "REFUTED",
    "UNDECIDED",
    "VACUOUS",
    "HarnessError",
    "Obligation",
    "ProverMissing",
    "RealProblem",
    "Table",
    "Term",
    "Verdict",
    "abs_",
    "all_of",
    "any_of",
    "argmax_over",
    "argmin_over",
    "both",
    "ceil",
    "check_harness",
    "clip",
    "cos",
    "count_of",
    "either",
    "erf",
    "exp",
    "expm1",
    "floor",
    "given",
    "implies",
    "log",
    "log1p",
    "max_over",
    "maximum",
    "mean_over",
    "min_over",
    "minimum",
    "negate",
    "over",
    "prod_over",
    "proof",
    "read_harness",
    "rsqrt",
    "run_harness",
    "sign",
    "sin",
    "sqrt",
    "sum_over",
    "tanh",
    "where",
]

__getattr__ = lazily(
    __name__,
    {
        "axioms": "AXIOMS",
        "harness": "HarnessError Obligation ProverMissing check_harness proof read_harness",
        "problem": "RealProblem",
        "run": "run_harness",
        "terms": (
            "Table Term abs_ all_of any_of argmax_over argmin_over both ceil clip cos count_of either erf exp "
            "expm1 floor given implies log log1p max_over maximum mean_over min_over minimum negate over "
            "prod_over rsqrt sign sin sqrt sum_over tanh where"
        ),
        "verdict": "PROVED REFUTED UNDECIDED VACUOUS Verdict",
    },
)
