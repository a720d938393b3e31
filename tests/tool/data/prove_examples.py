"""Harnesses for the prover's own tests: true laws, their faults, and empty ones. The id's ending names the verdict."""

# A canary is an `assert False` that must be reached, which the linter has no way to know.
# ruff: noqa: PT015, B011

import numpy as np
from albor_contracts.prove import (
    RealProblem,
    all_of,
    both,
    cos,
    exp,
    log,
    max_over,
    mean_over,
    over,
    proof,
    sin,
    sqrt,
    sum_over,
    where,
)


def steps_per_epoch(n, b):
    return -(-n // b)


def steps_rounded_down(n, b):
    return n // b


def kept(row, k):
    """Which entries of the row are among the k of largest magnitude; the first of equals wins."""
    return [
        sum((abs(u) > abs(v)) | ((abs(u) == abs(v)) & (j < i)) for j, u in enumerate(row)) < k
        for i, v in enumerate(row)
    ]


def kept_with_ties(row, k):
    return [sum(abs(u) > abs(v) for u in row) < k for v in row]


@proof("STEPS-COMPOSE-PROVED", "crosshair")
def prove_steps_compose(n: int, b: int, a: int) -> None:
    """Micro-batches of b accumulated a at a time make as many steps as batches of a * b."""
    assert n >= 1
    assert b >= 1
    assert a >= 1
    steps = steps_per_epoch(steps_per_epoch(n, b), a)
    assert steps == steps_per_epoch(n, a * b)


def canary_steps_compose(n: int, b: int, a: int) -> None:
    """The assumptions of STEPS-COMPOSE can be met: this claim must be refuted."""
    assert n >= 1
    assert b >= 1
    assert a >= 1
    pass
    assert False


@proof("STEPS-COVER-REFUTED", "crosshair")
def prove_steps_cover(n: int, b: int) -> None:
    """An epoch sees every example, said of code that drops the last, partial batch."""
    assert n >= 1
    assert b >= 1
    steps = steps_rounded_down(n, b)
    assert steps * b >= n


def canary_steps_cover(n: int, b: int) -> None:
    """The assumptions of STEPS-COVER can be met: this claim must be refuted."""
    assert n >= 1
    assert b >= 1
    pass
    assert False


@proof("MASK-TWO-PROVED", "crosshair")
def prove_mask_two(a: int, b: int, c: int, d: int) -> None:
    """A 2:4 mask keeps exactly two of four weights, ties or not."""
    assert True
    mask = kept([a, b, c, d], 2)
    assert sum(mask) == 2


def canary_mask_two(a: int, b: int, c: int, d: int) -> None:
    """The assumptions of MASK-TWO can be met: this claim must be refuted."""
    assert True
    pass
    assert False


@proof("MASK-TIES-REFUTED", "crosshair")
def prove_mask_ties(a: int, b: int, c: int, d: int) -> None:
    """A 2:4 mask keeps exactly two of four weights, said of code without a tie rule."""
    assert True
    mask = kept_with_ties([a, b, c, d], 2)
    assert sum(mask) == 2


def canary_mask_ties(a: int, b: int, c: int, d: int) -> None:
    """The assumptions of MASK-TIES can be met: this claim must be refuted."""
    assert True
    pass
    assert False


@proof("STEPS-EMPTY-VACUOUS", "crosshair")
def prove_steps_empty(n: int, b: int) -> None:
    """Nothing has fewer than one and more than one example."""
    assert n > 1 and b >= 1
    assert n < 1
    steps = steps_per_epoch(n, b)
    assert steps == 17


def canary_steps_empty(n: int, b: int) -> None:
    """The assumptions of STEPS-EMPTY can be met: this claim must be refuted."""
    assert n > 1 and b >= 1
    assert n < 1
    pass
    assert False


def two_classes(problem):
    p = problem.reals("p", 2, within="(0, 1)")
    q = problem.reals("q", 2, within="(0, 1)")
    problem.assume(p[0] + p[1] == 1, q[0] + q[1] == 1)
    return p, q


@proof("KL-NONNEGATIVE-PROVED", "z3")
def prove_kl_nonnegative(problem: RealProblem) -> None:
    """The divergence of two distributions is not negative."""
    p, q = two_classes(problem)
    problem.axiom("log_ge_1_minus_inverse")
    kl = sum_over(p[i] * log(p[i] / q[i]) for i in range(2))
    problem.claim(kl >= 0)


@proof("KL-NO-AXIOM-UNDECIDED", "z3")
def prove_kl_no_axiom(problem: RealProblem) -> None:
    """The same with no axiom: a logarithm that may be anything proves nothing and refutes nothing."""
    p, q = two_classes(problem)
    kl = sum_over(p[i] * log(p[i] / q[i]) for i in range(2))
    problem.claim(kl >= 0)


@proof("KL-WRONG-WEIGHT-REFUTED", "z3")
def prove_kl_wrong_weight(problem: RealProblem) -> None:
    """The divergence weighted with q: a fault."""
    p, q = two_classes(problem)
    problem.axiom("log_ge_1_minus_inverse")
    kl = sum_over(q[i] * log(p[i] / q[i]) for i in range(2))
    problem.claim(kl >= 0)


@proof("SM-SUM-PROVED", "z3")
def prove_sm_sum(problem: RealProblem) -> None:
    """Each row of a softmax sums to one."""
    B, N = 1, 3
    x = problem.reals("x", B, N)
    problem.axiom("exp_positive")
    e, p = problem.table("e", B, N), problem.table("p", B, N)
    for b, i in over(B, N):
        e[b, i] = exp(x[b, i] - max_over(x[b, j] for j in range(N)))
    for b, i in over(B, N):
        p[b, i] = e[b, i] / sum_over(e[b, j] for j in range(N))
    problem.claim(all_of(sum_over(p[b, i] for i in range(N)) == 1 for b in range(B)))


@proof("SM-SHIFT-PROVED", "z3")
def prove_sm_shift(problem: RealProblem) -> None:
    """A constant added to every logit changes nothing."""
    N = 3
    x = problem.reals("x", N)
    c = problem.real("c")
    problem.axiom("exp_positive")
    problem.axiom("exp_add")
    p, s = problem.table("p", N), problem.table("s", N)
    for i in over(N):
        p[i] = exp(x[i]) / sum_over(exp(x[j]) for j in range(N))
        s[i] = exp(x[i] + c) / sum_over(exp(x[j] + c) for j in range(N))
    problem.claim(all_of(p[i] == s[i] for i in range(N)))


@proof("SM-DROPPED-REFUTED", "z3")
def prove_sm_dropped(problem: RealProblem) -> None:
    """A denominator without the last column: a fault."""
    N = 3
    x = problem.reals("x", N, within="[-50, 50]")
    problem.axiom("exp_positive")
    p = problem.table("p", N)
    for i in over(N):
        p[i] = exp(x[i]) / sum_over(exp(x[j]) for j in range(N - 1))
    problem.claim(sum_over(p[i] for i in range(N)) == 1)


@proof("ROPE-NORM-PROVED", "z3")
def prove_rope_norm(problem: RealProblem) -> None:
    """A rotation keeps the norm of every pair."""
    x, y, t = problem.real("x"), problem.real("y"), problem.real("t")
    problem.axiom("cos2_plus_sin2")
    u = x * cos(t) - y * sin(t)
    v = x * sin(t) + y * cos(t)
    problem.claim(u * u + v * v == x * x + y * y)


@proof("ROPE-SIGN-REFUTED", "z3")
def prove_rope_sign(problem: RealProblem) -> None:
    """Both signs positive: a fault."""
    x, y, t = problem.real("x"), problem.real("y"), problem.real("t")
    problem.axiom("cos2_plus_sin2")
    u = x * cos(t) + y * sin(t)
    v = x * sin(t) + y * cos(t)
    problem.claim(u * u + v * v == x * x + y * y)


@proof("ROPE-RELATIVE-PROVED", "z3")
def prove_rope_relative(problem: RealProblem) -> None:
    """The product of two rotated pairs depends on the difference of their angles only."""
    q, k = problem.reals("q", 2), problem.reals("k", 2)
    s, t, c = problem.real("s"), problem.real("t"), problem.real("c")
    problem.axiom("cos2_plus_sin2")
    problem.axiom("cos_sin_addition")

    def score(a, b):
        u = (q[0] * cos(a) - q[1] * sin(a), q[0] * sin(a) + q[1] * cos(a))
        v = (k[0] * cos(b) - k[1] * sin(b), k[0] * sin(b) + k[1] * cos(b))
        return u[0] * v[0] + u[1] * v[1]

    problem.claim(score(s, t) == score(s + c, t + c))


def rms(x, n):
    return sqrt(mean_over(x[i] * x[i] for i in range(n)))


@proof("RMS-SCALE-PROVED", "z3")
def prove_rms_scale(problem: RealProblem) -> None:
    """Without epsilon, RMSNorm of c * x is RMSNorm of x for c > 0."""
    N = 2
    x, w = problem.reals("x", N), problem.reals("w", N)
    c = problem.real("c", within="(0, inf)")
    problem.assume(x[0] != 0)
    problem.axiom("sqrt_squared")
    scaled = problem.table("scaled", N)
    for i in over(N):
        scaled[i] = c * x[i]
    problem.lemma(rms(x, N) > 0)
    problem.lemma(rms(scaled, N) == c * rms(x, N))
    problem.claim(all_of(w[i] * scaled[i] / rms(scaled, N) == w[i] * x[i] / rms(x, N) for i in range(N)))


@proof("RMS-ANY-SCALE-REFUTED", "z3")
def prove_rms_any_scale(problem: RealProblem) -> None:
    """The same for every c but 0: wrong, since a negative c flips the sign."""
    N = 2
    x = problem.reals("x", N, within="[-3, 3]")
    c = problem.real("c", within="[-2, 2]")
    problem.assume(x[0] != 0, c != 0)
    problem.axiom("sqrt_squared")
    scaled = problem.table("scaled", N)
    for i in over(N):
        scaled[i] = c * x[i]
    problem.claim(all_of(scaled[i] / rms(scaled, N) == x[i] / rms(x, N) for i in range(N)))


@proof("RMS-UNDEFINED-REFUTED", "z3")
def prove_rms_undefined(problem: RealProblem) -> None:
    """A row of zeros has no RMS to divide by: the equation is not even defined there."""
    N = 2
    x = problem.reals("x", N)
    problem.axiom("sqrt_squared")
    problem.claim(all_of(x[i] / rms(x, N) == x[i] / rms(x, N) for i in range(N)))


@proof("CLIP-NORM-PROVED", "z3")
def prove_clip_norm(problem: RealProblem) -> None:
    """After clipping, the global norm is at most the limit."""
    N = 3
    g = problem.reals("g", N)
    limit = problem.real("limit", within="(0, inf)")
    problem.axiom("sqrt_squared")
    norm = sqrt(sum_over(g[i] * g[i] for i in range(N)))
    c = where(norm > limit, limit / norm, 1)
    problem.claim(sum_over((c * g[i]) * (c * g[i]) for i in range(N)) <= limit * limit)


@proof("CLIP-FLIPPED-REFUTED", "z3")
def prove_clip_flipped(problem: RealProblem) -> None:
    """The comparison the wrong way round: a fault."""
    N = 3
    g = problem.reals("g", N)
    limit = problem.real("limit", within="(0, inf)")
    problem.axiom("sqrt_squared")
    norm = sqrt(sum_over(g[i] * g[i] for i in range(N)))
    c = where(both(norm > 0, norm < limit), limit / norm, 1)
    problem.claim(sum_over((c * g[i]) * (c * g[i]) for i in range(N)) <= limit * limit)


@proof("REAL-EMPTY-VACUOUS", "z3")
def prove_real_empty(problem: RealProblem) -> None:
    """Nothing is above two and below one."""
    x = problem.real("x", within="(2, inf)")
    problem.assume(x < 1)
    problem.claim(x == 17)


@proof("REAL-FALSE-EXP-UNDECIDED", "z3")
def prove_real_false_exp(problem: RealProblem) -> None:
    """Only an exponential that is not the true one meets this assumption."""
    x = problem.real("x")
    problem.assume(exp(x) < -1)
    problem.claim(x == 17)


@proof("REAL-CONTRADICTS-VACUOUS", "z3")
def prove_real_contradicts_axiom(problem: RealProblem) -> None:
    """With the axiom, the assumption contradicts what is known of the exponential."""
    x = problem.real("x", within="[-50, 50]")
    problem.assume(exp(x) < -1)
    problem.axiom("exp_positive")
    problem.claim(x == 17)


@proof("RELU-IDEMPOTENT-PROVED", "ieee")
def prove_relu_idempotent(x: np.ndarray) -> np.ndarray:
    """Applying ReLU twice changes nothing."""
    once = np.maximum(x, np.float16(0))
    return np.maximum(once, np.float16(0)) == once


@proof("HALF-DOUBLE-REFUTED", "ieee")
def prove_half_double(x: np.ndarray) -> np.ndarray:
    """Half of x, doubled, is x: false for odd subnormals."""
    return (x / np.float16(2)) * np.float16(2) == x


@proof("HALF-DOUBLE-NORMAL-PROVED", "ieee")
def prove_half_double_normal(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Half of x, doubled, is x, where the half is a normal number."""
    return np.abs(x) >= 2.0**-13, (x / np.float16(2)) * np.float16(2) == x


@proof("HALF-EMPTY-VACUOUS", "ieee")
def prove_half_empty(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """No finite value is infinite."""
    return np.isinf(x), x < 0


@proof("SORTED-UNDECIDED", "ieee")
def prove_sorted(x: np.ndarray) -> np.ndarray:
    """Not a law about each value alone: whether the first value is zero."""
    return np.broadcast_to(x[0] == 0, x.shape).copy()
