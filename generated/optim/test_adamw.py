"""optim/adamw: AdamW with one global gradient clip.

Compiled from contracts/optim/adamw-v1.yaml: change the contract and run `albor-contracts generate`, never this file.
Meaning: bec65109fda0fc5fd22888ceb07865c5396500ea9ddef75997720c626379814c
"""

from albor_contracts.testing import (
    Steps, abs, all, approx, array, cases, claim, clip, defines, definitions, dot, drawing, exact, example, given, grid,
    independent, initialize, isfinite, min, obligation, ratio, real, rejects, rule, run_steps, same_twice, single, sqrt,
    uses_at_most, where,
)

CONTRACT = "optim/adamw"


@defines(
    "adamw(p: float[L, P], g: float[L, P], m: accum[L, P], v: accum[L, P], step: int, lr: real, beta1: real, "
    "beta2: real, eps: real, weight_decay: real, max_norm: real)"
    " -> p2: float[L, P], m2: accum[L, P], v2: accum[L, P], norm: accum[]"
)
def adamw(p, g, m, v, step, lr, beta1, beta2, eps, weight_decay, max_norm):
    """c = min(1, max_norm / |g|), m' = b1 m + (1 - b1) c g, v' = b2 v + (1 - b2) (c g)^2, p' = p - lr (m' / (1 - b1^t)
    / (sqrt(v' / (1 - b2^t)) + eps) + wd p)"""
    L, P = p.shape
    l, i = grid(L, P)
    norm = single(sqrt(dot[l, i](g[l, i], g[l, i])))
    c = single(where(norm > max_norm, max_norm / norm, 1))
    gc = array[l, i](c * g[l, i])
    mn = array[l, i](beta1 * m[l, i] + (1 - beta1) * gc[l, i])
    vn = array[l, i](beta2 * v[l, i] + (1 - beta2) * gc[l, i] * gc[l, i])
    mh = array[l, i](mn[l, i] / (1 - real(beta1) ** step))
    vh = array[l, i](vn[l, i] / (1 - real(beta2) ** step))
    u = array[l, i](mh[l, i] / (sqrt(vh[l, i]) + eps))
    p2 = array[l, i](where(isfinite(norm), (1 - lr * weight_decay) * p[l, i] - lr * u[l, i], p[l, i]))
    m2 = array[l, i](where(isfinite(norm), mn[l, i], m[l, i]))
    v2 = array[l, i](where(isfinite(norm), vn[l, i], v[l, i]))
    return p2, m2, v2, norm


spec = definitions(CONTRACT, adamw)

adamw_inputs = cases(
    dims={"L": "1..3", "P": "1..33", "Q": "1..5"},
    p="float[L, P] in [-4, 4]",
    g="float[L, P] in [-4, 4]",
    m="accum[L, P] in [-1, 1]",
    v="accum[L, P] in [0, 4]",
    step="int in [1, 1000]",
    lr="real in [0.0001, 0.1]",
    beta1="real in [0.5, 0.9]",
    beta2="real in [0.9, 0.999]",
    eps="real in [1e-8, 0.01]",
    weight_decay="real in [0.01, 0.5]",
    max_norm="real in {inf}",
    gs="float[Q, L, P] in [-4, 4]",
)
aw_unclipped_inputs = cases(
    dims={"L": "1..4", "P": "1..257"},
    p="float[L, P] in [-4, 4]",
    g="float[L, P] in [-4, 4]",
    m="accum[L, P] in [-1, 1]",
    v="accum[L, P] in [0, 4]",
    step="int in [1, 1000]",
    lr="real in [0.0001, 0.1]",
    beta1="real in [0.5, 0.95]",
    beta2="real in [0.5, 0.999]",
    eps="real in [1e-8, 0.01]",
    weight_decay="real in [0.01, 0.5]",
    max_norm="real in {inf}",
)
aw_first_inputs = cases(
    dims={"L": "1..4", "P": "1..257"},
    p="float[L, P] in [-4, 4]",
    g="float[L, P] in [-4, 4]",
    m="accum[L, P] in [-1, 1]",
    v="accum[L, P] in [0, 4]",
    step="int in [1, 1000]",
    lr="real in [0.0001, 0.1]",
    beta1="real in [0.5, 0.95]",
    beta2="real in [0.5, 0.999]",
    eps="real in [1e-8, 0.01]",
    weight_decay="real in [0.01, 0.5]",
    max_norm="real in [0.05, 5] or {inf}",
)
aw_clip_inputs = cases(
    dims={"L": "1..4", "P": "1..33"},
    p="float[L, P] in [-4, 4]",
    g="float[L, P] in [-0.5, 0.5]",
    m="accum[L, P] in [-1, 1]",
    v="accum[L, P] in [0, 4]",
    step="int in [1, 1000]",
    lr="real in [0.0001, 0.1]",
    beta1="real in [0.5, 0.95]",
    beta2="real in [0.5, 0.999]",
    eps="real in [1e-8, 0.01]",
    weight_decay="real in [0.01, 0.5]",
    max_norm="real in [0.01, 0.5]",
)
aw_scale_inputs = cases(
    dims={"L": "1..4", "P": "1..257"},
    p="float[L, P] in [-4, 4]",
    g="float[L, P] in [-4, 4]",
    m="accum[L, P] in [-1, 1]",
    v="accum[L, P] in [0, 4]",
    step="int in [1, 1000]",
    lr="real in [0.0001, 0.1]",
    beta1="real in [0.5, 0.95]",
    beta2="real in [0.5, 0.999]",
    eps="real in [1e-8, 0.01]",
    weight_decay="real in [0.01, 0.5]",
    max_norm="real in [0.05, 5] or {inf}",
    c="real in [0.25, 4]",
)
aw_decoupled_inputs = cases(
    dims={"L": "1..4", "P": "1..257"},
    p="float[L, P] in [-4, 4]",
    g="float[L, P] in [-4, 4]",
    m="accum[L, P] in [-1, 1]",
    v="accum[L, P] in [0, 4]",
    step="int in [1, 1000]",
    lr="real in [0.0001, 0.1]",
    beta1="real in [0.5, 0.95]",
    beta2="real in [0.5, 0.999]",
    eps="real in [1e-8, 0.01]",
    weight_decay="real in [0.01, 0.5]",
    max_norm="real in [0.05, 5] or {inf}",
    other_p="float[L, P] in [-4, 4]",
)
aw_nonfinite_inputs = cases(
    dims={"L": "1..4", "P": "1..257"},
    p="float[L, P] in [-4, 4]",
    g="float[L, P] in [-4, 4]",
    m="accum[L, P] in [-1, 1]",
    v="accum[L, P] in [0, 4]",
    step="int in [1, 1000]",
    lr="real in [0.0001, 0.1]",
    beta1="real in [0.5, 0.95]",
    beta2="real in [0.5, 0.999]",
    eps="real in [1e-8, 0.01]",
    weight_decay="real in [0.01, 0.5]",
    max_norm="real in [0.05, 5] or {inf}",
    row="int in [0, L - 1]",
    place="int in [0, P - 1]",
    bad="real in {inf, -inf, nan}",
)
aw_range_inputs = cases(
    dims={"L": "1..3", "P": "1..33"},
    p="float[L, P] in [-4, 4]",
    g="float[L, P] in [-1e30, 1e30]",
    m="accum[L, P] in [-1, 1]",
    v="accum[L, P] in [0, 4]",
    step="int in [1, 1000]",
    lr="real in [0.0001, 0.1]",
    beta1="real in [0.5, 0.95]",
    beta2="real in [0.5, 0.999]",
    eps="real in [1e-8, 0.01]",
    weight_decay="real in [0.01, 0.5]",
    max_norm="real in [0.05, 5]",
)
aw_wide_inputs = cases(
    dims={"L": "1..3", "P": "4095, 4096, 4097, 8193"},
    elements=49147,
    p="float[L, P] in [-4, 4]",
    g="float[L, P] in [-4, 4]",
    m="accum[L, P] in [-1, 1]",
    v="accum[L, P] in [0, 4]",
    step="int in [1, 1000]",
    lr="real in [0.0001, 0.1]",
    beta1="real in [0.5, 0.95]",
    beta2="real in [0.5, 0.999]",
    eps="real in [1e-8, 0.01]",
    weight_decay="real in [0.01, 0.5]",
    max_norm="real in [0.05, 5] or {inf}",
)
aw_launch_inputs = cases(
    dims={"L": "1..40", "P": "1..9"},
    p="float[L, P] in [-4, 4]",
    g="float[L, P] in [-4, 4]",
    m="accum[L, P] in [-1, 1]",
    v="accum[L, P] in [0, 4]",
    step="int in [1, 1000]",
    lr="real in [0.0001, 0.1]",
    beta1="real in [0.5, 0.95]",
    beta2="real in [0.5, 0.999]",
    eps="real in [1e-8, 0.01]",
    weight_decay="real in [0.01, 0.5]",
    max_norm="real in [0.05, 5] or {inf}",
)
aw_count_inputs = cases(
    dims={"L": "1..4", "P": "1..257"},
    p="float[L, P] in [-4, 4]",
    g="float[L, P] in [-4, 4]",
    m="accum[L, P] in [-1, 1]",
    v="accum[L, P] in [0, 4]",
    step="int in [1, 1000]",
    lr="real in [0.0001, 0.1]",
    beta1="real in [0.5, 0.95]",
    beta2="real in [0.5, 0.999]",
    eps="real in [1e-8, 0.01]",
    weight_decay="real in [0.01, 0.5]",
    max_norm="real in [0.05, 5] or {inf}",
    early="int in [-3, 0]",
)
aw_many_inputs = cases(
    dims={"L": "8, 9, 16, 33, 64", "P": "5, 8, 64, 256, 1024"},
    assume=("L * P <= 8192",),
    elements=32775,
    p="float[L, P] in [-4, 4]",
    g="float[L, P] in [-4, -1] or [1, 4]",
    m="accum[L, P] in [-1, 1]",
    v="accum[L, P] in [0, 4]",
    step="int in [1, 1000]",
    lr="real in [0.0001, 0.1]",
    beta1="real in [0.5, 0.9]",
    beta2="real in [0.5, 0.999]",
    eps="real in [1e-8, 0.01]",
    weight_decay="real in [0.01, 0.5]",
    max_norm="real in [0.05, 0.5]",
)
aw_still_inputs = cases(
    dims={"L": "1..4", "P": "1..257"},
    p="float[L, P] in [-4, -0.1] or [0.1, 4]",
    g="float[L, P] in [-4, 4]",
    m="accum[L, P] in [-1, 1]",
    v="accum[L, P] in [0, 4]",
    step="int in [1, 1000]",
    lr="real in {0}",
    beta1="real in [0.5, 0.95]",
    beta2="real in [0.5, 0.999]",
    eps="real in [1e-8, 0.01]",
    weight_decay="real in [0.01, 0.5]",
    max_norm="real in {inf}",
)
aw_no_decay_inputs = cases(
    dims={"L": "1..4", "P": "1..257"},
    p="float[L, P] in [-4, -0.1] or [0.1, 4]",
    g="float[L, P] in [-4, 4]",
    m="accum[L, P] in [-1, 1]",
    v="accum[L, P] in [0, 4]",
    step="int in [1, 1000]",
    lr="real in [0.0001, 0.1]",
    beta1="real in [0.5, 0.95]",
    beta2="real in [0.5, 0.999]",
    eps="real in [1e-8, 0.01]",
    weight_decay="real in {0}",
    max_norm="real in [0.05, 5] or {inf}",
)
aw_memoryless_inputs = cases(
    dims={"L": "1..4", "P": "1..257"},
    assume=("beta1 * beta2 == 0",),
    p="float[L, P] in [-4, 4]",
    g="float[L, P] in [-4, 4]",
    m="accum[L, P] in [-1, 1]",
    v="accum[L, P] in [0, 4]",
    step="int in [1, 1000]",
    lr="real in [0.0001, 0.1]",
    beta1="real in {0, 0.9}",
    beta2="real in {0, 0.999}",
    eps="real in [1e-8, 0.01]",
    weight_decay="real in [0.01, 0.5]",
    max_norm="real in {inf}",
)
aw_no_constant_inputs = cases(
    dims={"L": "1..4", "P": "1..33"},
    p="float[L, P] in [-4, 4]",
    g="float[L, P] in [-0.00001, -0.000001] or [0.000001, 0.00001]",
    m="accum[L, P] in [-0.00001, 0.00001]",
    v="accum[L, P] in [1e-12, 1e-10]",
    step="int in [1, 1000]",
    lr="real in [0.01, 0.1]",
    beta1="real in [0.5, 0.95]",
    beta2="real in [0.5, 0.999]",
    eps="real in {0}",
    weight_decay="real in [0.01, 0.5]",
    max_norm="real in {inf}",
)
aw_late_inputs = cases(
    dims={"L": "1..4", "P": "1..65"},
    p="float[L, P] in [-4, 4]",
    g="float[L, P] in [-4, 4]",
    m="accum[L, P] in [-1, 1]",
    v="accum[L, P] in [0, 4]",
    step="int in {1001, 10000, 1000000}",
    lr="real in [0.01, 0.1]",
    beta1="real in [0.5, 0.95]",
    beta2="real in {0.999, 0.9999}",
    eps="real in [1e-8, 0.01]",
    weight_decay="real in [0.01, 0.5]",
    max_norm="real in {inf}",
)
aw_chunks_inputs = cases(
    dims={"L": "1", "P": "65537, 66001"},
    elements=264011,
    p="float[L, P] in [-4, 4]",
    g="float[L, P] in [-4, 4]",
    m="accum[L, P] in [-1, 1]",
    v="accum[L, P] in [0, 4]",
    step="int in [1, 1000]",
    lr="real in [0.0001, 0.1]",
    beta1="real in [0.5, 0.95]",
    beta2="real in [0.5, 0.999]",
    eps="real in [1e-8, 0.01]",
    weight_decay="real in [0.01, 0.5]",
    max_norm="real in [0.05, 5] or {inf}",
)


class AwStepsRun(Steps):
    """Over several steps with different gradients the state follows the definition, and no step exceeds its bound."""

    @initialize(case=adamw_inputs)
    def begin(self, case):
        p, m, beta1, beta2 = self.receives(case, "p m beta1 beta2")
        L, P = case.L, case.P
        l, i = grid(L, P)
        zero = array[l, i](abs(0 * m[l, i]))
        rho = single(ratio(beta1 * beta1, beta2))
        self.holds(rho=rho, n=1, pk=p, mk=zero, vk=zero, ps=p, ms=zero, vs=zero)

    @rule(draw=drawing())
    def step(self, draw):
        kernel = self.kernel
        lr, beta1, beta2, eps, weight_decay, max_norm, gs = self.receives(draw, "lr beta1 beta2 eps weight_decay max_norm gs")
        n, pk, mk, vk, ps, ms, vs, rho = self.held("n pk mk vk ps ms vs rho")
        L, P, Q = self.case.L, self.case.P, self.case.Q
        l, i = grid(L, P)
        now = array[l, i](gs[clip(3 * n, 0, 100) % Q, l, i])
        next_pk, next_mk, next_vk, norm = kernel.adamw(pk, now, mk, vk, n, lr, beta1, beta2, eps, weight_decay, max_norm)
        next_ps, next_ms, next_vs, expected_norm = spec.adamw(ps, now, ms, vs, n, lr, beta1, beta2, eps, weight_decay, max_norm)
        most = single(ratio(1 - beta1, 1 - real(beta1) ** n) * sqrt(ratio(1 - real(beta2) ** n, 1 - beta2)) * sqrt(ratio(1 - real(rho) ** n, 1 - rho)))
        next_n = n + 1
        claim(approx(next_pk, next_ps))
        claim(approx(next_mk, next_ms))
        claim(approx(next_vk, next_vs))
        claim(approx(norm, expected_norm))
        claim(all[l, i](abs(next_pk[l, i] - (1 - lr * weight_decay) * pk[l, i]) <= lr * most))
        self.holds(n=next_n, pk=next_pk, mk=next_mk, vk=next_vk, ps=next_ps, ms=next_ms, vs=next_vs)


@obligation("AW-STEPS", equation="adamw", type="protocol")
def test_aw_steps(kernel):
    """Over several steps with different gradients the state follows the definition, and no step exceeds its bound."""
    run_steps(AwStepsRun, adamw_inputs, kernel, steps=4)


@obligation("AW-UNCLIPPED", equation="adamw", type="equivalence")
@given(case=aw_unclipped_inputs)
def test_aw_unclipped(kernel, case):
    """Without clipping the step agrees with the definition."""
    p, g, m, v, step, lr, beta1, beta2, eps, weight_decay, max_norm = kernel.receives(case, "p g m v step lr beta1 beta2 eps weight_decay max_norm")
    p2, m2, v2, norm = kernel.adamw(p, g, m, v, step, lr, beta1, beta2, eps, weight_decay, max_norm)
    expected_p, expected_m, expected_v, expected_norm = spec.adamw(p, g, m, v, step, lr, beta1, beta2, eps, weight_decay, max_norm)
    claim(approx(p2, expected_p))
    claim(approx(m2, expected_m))
    claim(approx(v2, expected_v))
    claim(approx(norm, expected_norm))


@obligation("AW-FIRST", equation="adamw", type="boundary")
@given(case=aw_first_inputs)
def test_aw_first(kernel, case):
    """From zero moments the first step is lr (c g / (|c g| + eps) + wd p), whatever the betas."""
    p, g, m, lr, beta1, beta2, eps, weight_decay, max_norm = kernel.receives(case, "p g m lr beta1 beta2 eps weight_decay max_norm")
    L, P = case.L, case.P
    l, i = grid(L, P)
    zero = array[l, i](abs(0 * m[l, i]))
    p2, _, _, norm = kernel.adamw(p, g, zero, zero, 1, lr, beta1, beta2, eps, weight_decay, max_norm)
    c = single(where(norm > max_norm, max_norm / norm, 1))
    claim(all[l, i](approx(p2[l, i], p[l, i] - lr * (c * g[l, i] / (abs(c * g[l, i]) + eps) + weight_decay * p[l, i]))))


@obligation("AW-CLIP", equation="adamw", type="bound")
@given(case=aw_clip_inputs)
def test_aw_clip(kernel, case):
    """What enters the moments is one multiple of the whole gradient, and its norm is at most max_norm."""
    p, g, m, lr, beta1, beta2, eps, weight_decay, max_norm = kernel.receives(case, "p g m lr beta1 beta2 eps weight_decay max_norm")
    L, P = case.L, case.P
    l, i = grid(L, P)
    zero = array[l, i](abs(0 * m[l, i]))
    _, m2, _, norm = kernel.adamw(p, g, zero, zero, 1, lr, beta1, beta2, eps, weight_decay, max_norm)
    claim(sqrt(dot[l, i](m2[l, i], m2[l, i])) <= (1 - beta1) * max_norm)
    claim(all[l, i](approx(m2[l, i] * norm, (1 - beta1) * min(norm, max_norm) * g[l, i])))


@obligation("AW-SCALE", equation="adamw", type="homogeneity")
@given(case=aw_scale_inputs)
def test_aw_scale(kernel, case):
    """Gradients, moments, eps and max_norm in another unit give the same parameters."""
    p, g, m, v, step, lr, beta1, beta2, eps, weight_decay, max_norm, c = kernel.receives(case, "p g m v step lr beta1 beta2 eps weight_decay max_norm c")
    L, P = case.L, case.P
    l, i = grid(L, P)
    gc = array[l, i](c * g[l, i])
    mc = array[l, i](c * m[l, i])
    vc = array[l, i](c * c * v[l, i])
    p2, m2, v2, norm = kernel.adamw(p, g, m, v, step, lr, beta1, beta2, eps, weight_decay, max_norm)
    p3, m3, v3, norm3 = kernel.adamw(p, gc, mc, vc, step, lr, beta1, beta2, c * eps, weight_decay, c * max_norm)
    claim(approx(p3, p2))
    claim(approx(norm3, c * norm))
    claim(all[l, i](approx(m3[l, i], c * m2[l, i]) & approx(v3[l, i], c * c * v2[l, i])))


@obligation("AW-DECAY", equation="adamw", type="boundary")
@given(case=aw_first_inputs)
def test_aw_decay(kernel, case):
    """Without gradient and moments only decay acts: p (1 - lr wd); a norm of 0 is not divided by."""
    p, g, m, step, lr, beta1, beta2, eps, weight_decay, max_norm = kernel.receives(case, "p g m step lr beta1 beta2 eps weight_decay max_norm")
    L, P = case.L, case.P
    l, i = grid(L, P)
    zero = array[l, i](abs(0 * m[l, i]))
    none = array[l, i](0 * g[l, i])
    p2, m2, v2, norm = kernel.adamw(p, none, zero, zero, step, lr, beta1, beta2, eps, weight_decay, max_norm)
    claim(norm == 0)
    claim(all[l, i]((m2[l, i] == 0) & (v2[l, i] == 0) & approx(p2[l, i], p[l, i] - lr * weight_decay * p[l, i])))


@obligation("AW-DECOUPLED", equation="adamw", type="independence")
@given(case=aw_decoupled_inputs)
def test_aw_decoupled(kernel, case):
    """The moments do not depend on the parameters."""
    p, g, m, v, step, lr, beta1, beta2, eps, weight_decay, max_norm, other_p = kernel.receives(case, "p g m v step lr beta1 beta2 eps weight_decay max_norm other_p")
    L, P = case.L, case.P
    l, i, k, j = grid(L, P, L, P)
    independent(
        lambda p: kernel.adamw(p, g, m, v, step, lr, beta1, beta2, eps, weight_decay, max_norm)[1],
        p,
        other_p,
        when=k >= 0,
        output=(l, i),
        input=(k, j),
        case=case,
    )


@obligation("AW-NONFINITE", equation="adamw", type="boundary")
@given(case=aw_nonfinite_inputs)
def test_aw_nonfinite(kernel, case):
    """One infinite or undefined element of the gradient, anywhere, leaves everything as it was, clipping or not."""
    p, g, m, v, step, lr, beta1, beta2, eps, weight_decay, max_norm, row, place, bad = kernel.receives(case, "p g m v step lr beta1 beta2 eps weight_decay max_norm row place bad")
    L, P = case.L, case.P
    l, i = grid(L, P)
    spoiled = array[l, i](where((l == row) & (i == place), bad, g[l, i]))
    p2, m2, v2, norm = kernel.adamw(p, spoiled, m, v, step, lr, beta1, beta2, eps, weight_decay, max_norm)
    claim(exact(p2, p))
    claim(exact(m2, m))
    claim(exact(v2, v))
    claim(~isfinite(norm))


@obligation("AW-RANGE", equation="adamw", type="equivalence")
@given(case=aw_range_inputs)
def test_aw_range(kernel, case):
    """Gradients whose squares overflow float32 are clipped like any others."""
    p, g, m, v, step, lr, beta1, beta2, eps, weight_decay, max_norm = kernel.receives(case, "p g m v step lr beta1 beta2 eps weight_decay max_norm")
    p2, m2, v2, norm = kernel.adamw(p, g, m, v, step, lr, beta1, beta2, eps, weight_decay, max_norm)
    expected_p, expected_m, expected_v, expected_norm = spec.adamw(p, g, m, v, step, lr, beta1, beta2, eps, weight_decay, max_norm)
    claim(approx(p2, expected_p))
    claim(approx(m2, expected_m))
    claim(approx(v2, expected_v))
    claim(approx(norm, expected_norm))


@obligation("AW-WIDE", equation="adamw", type="equivalence")
@given(case=aw_wide_inputs)
def test_aw_wide(kernel, case):
    """Tensors longer than a block are updated as wholes, and all of them count in the norm."""
    p, g, m, v, step, lr, beta1, beta2, eps, weight_decay, max_norm = kernel.receives(case, "p g m v step lr beta1 beta2 eps weight_decay max_norm")
    p2, m2, v2, norm = kernel.adamw(p, g, m, v, step, lr, beta1, beta2, eps, weight_decay, max_norm)
    expected_p, expected_m, expected_v, expected_norm = spec.adamw(p, g, m, v, step, lr, beta1, beta2, eps, weight_decay, max_norm)
    claim(approx(p2, expected_p))
    claim(approx(m2, expected_m))
    claim(approx(v2, expected_v))
    claim(approx(norm, expected_norm))


@obligation("AW-REPEAT", equation="adamw", type="determinism")
@given(case=aw_first_inputs)
def test_aw_repeat(kernel, case):
    """The same inputs give bitwise the same state."""
    p, g, m, v, step, lr, beta1, beta2, eps, weight_decay, max_norm = kernel.receives(case, "p g m v step lr beta1 beta2 eps weight_decay max_norm")
    same_twice(lambda: kernel.adamw(p, g, m, v, step, lr, beta1, beta2, eps, weight_decay, max_norm))


@obligation("AW-LAUNCH", equation="adamw", type="resource")
@given(case=aw_launch_inputs)
def test_aw_launch(kernel, case):
    """The number of launches does not grow with the number of tensors."""
    p, g, m, v, step, lr, beta1, beta2, eps, weight_decay, max_norm = kernel.receives(case, "p g m v step lr beta1 beta2 eps weight_decay max_norm")
    uses_at_most(3, "launches", lambda: kernel.adamw(p, g, m, v, step, lr, beta1, beta2, eps, weight_decay, max_norm))


@obligation("AW-COUNT", equation="adamw", type="rejection")
@given(case=aw_count_inputs)
def test_aw_count(kernel, case):
    """A step number below 1 is refused."""
    p, g, m, v, lr, beta1, beta2, eps, weight_decay, max_norm, early = kernel.receives(case, "p g m v lr beta1 beta2 eps weight_decay max_norm early")
    rejects(
        kernel,
        "adamw",
        (p, g, m, v, early, lr, beta1, beta2, eps, weight_decay, max_norm),
        ValueError,
        mentions=["step"],
    )


@obligation("AW-MANY", equation="adamw", type="equivalence", cost=4)
@given(case=aw_many_inputs)
def test_aw_many(kernel, case):
    """Of dozens of tensors each is updated, and all of them count in the norm."""
    p, g, m, v, step, lr, beta1, beta2, eps, weight_decay, max_norm = kernel.receives(case, "p g m v step lr beta1 beta2 eps weight_decay max_norm")
    p2, m2, v2, norm = kernel.adamw(p, g, m, v, step, lr, beta1, beta2, eps, weight_decay, max_norm)
    expected_p, expected_m, expected_v, expected_norm = spec.adamw(p, g, m, v, step, lr, beta1, beta2, eps, weight_decay, max_norm)
    claim(approx(p2, expected_p))
    claim(approx(m2, expected_m))
    claim(approx(v2, expected_v))
    claim(approx(norm, expected_norm))


@obligation("AW-STILL", equation="adamw", type="boundary", cost=3)
@given(case=aw_still_inputs)
def test_aw_still(kernel, case):
    """At a learning rate of 0, as in the first step of a warm-up, no parameter moves by one bit, and the moments are
    updated."""
    p, g, m, v, step, lr, beta1, beta2, eps, weight_decay, max_norm = kernel.receives(case, "p g m v step lr beta1 beta2 eps weight_decay max_norm")
    p2, m2, v2, _ = kernel.adamw(p, g, m, v, step, lr, beta1, beta2, eps, weight_decay, max_norm)
    _, expected_m, expected_v, _ = spec.adamw(p, g, m, v, step, lr, beta1, beta2, eps, weight_decay, max_norm)
    claim(exact(p2, p))
    claim(approx(m2, expected_m))
    claim(approx(v2, expected_v))


@obligation("AW-NO-DECAY", equation="adamw", type="boundary", cost=3)
@given(case=aw_no_decay_inputs)
def test_aw_no_decay(kernel, case):
    """Without weight decay, gradient and moments no parameter moves by one bit."""
    p, m, step, lr, beta1, beta2, eps, weight_decay, max_norm = kernel.receives(case, "p m step lr beta1 beta2 eps weight_decay max_norm")
    L, P = case.L, case.P
    l, i = grid(L, P)
    zero = array[l, i](abs(0 * m[l, i]))
    p2, m2, v2, _ = kernel.adamw(p, zero, zero, zero, step, lr, beta1, beta2, eps, weight_decay, max_norm)
    claim(exact(p2, p))
    claim(exact(m2, zero))
    claim(exact(v2, zero))


@obligation("AW-MEMORYLESS", equation="adamw", type="equivalence", cost=3)
@given(case=aw_memoryless_inputs)
def test_aw_memoryless(kernel, case):
    """A beta of 0 forgets the moment before: what is left is the gradient, or its square."""
    p, g, m, v, step, lr, beta1, beta2, eps, weight_decay, max_norm = kernel.receives(case, "p g m v step lr beta1 beta2 eps weight_decay max_norm")
    p2, m2, v2, norm = kernel.adamw(p, g, m, v, step, lr, beta1, beta2, eps, weight_decay, max_norm)
    expected_p, expected_m, expected_v, expected_norm = spec.adamw(p, g, m, v, step, lr, beta1, beta2, eps, weight_decay, max_norm)
    claim(approx(p2, expected_p))
    claim(approx(m2, expected_m))
    claim(approx(v2, expected_v))
    claim(approx(norm, expected_norm))


@obligation("AW-NO-CONSTANT", equation="adamw", type="equivalence", cost=3)
@given(case=aw_no_constant_inputs)
def test_aw_no_constant(kernel, case):
    """An eps of 0 leaves the root alone, also where it is as small as the usual constants."""
    p, g, m, v, step, lr, beta1, beta2, eps, weight_decay, max_norm = kernel.receives(case, "p g m v step lr beta1 beta2 eps weight_decay max_norm")
    p2, m2, v2, norm = kernel.adamw(p, g, m, v, step, lr, beta1, beta2, eps, weight_decay, max_norm)
    expected_p, expected_m, expected_v, expected_norm = spec.adamw(p, g, m, v, step, lr, beta1, beta2, eps, weight_decay, max_norm)
    claim(approx(p2, expected_p))
    claim(approx(m2, expected_m))
    claim(approx(v2, expected_v))
    claim(approx(norm, expected_norm))


@obligation("AW-LATE", equation="adamw", type="equivalence", cost=3)
@given(case=aw_late_inputs)
def test_aw_late(kernel, case):
    """Bias correction goes on beyond the thousandth step, until nothing is left of it."""
    p, g, m, v, step, lr, beta1, beta2, eps, weight_decay, max_norm = kernel.receives(case, "p g m v step lr beta1 beta2 eps weight_decay max_norm")
    p2, m2, v2, norm = kernel.adamw(p, g, m, v, step, lr, beta1, beta2, eps, weight_decay, max_norm)
    expected_p, expected_m, expected_v, expected_norm = spec.adamw(p, g, m, v, step, lr, beta1, beta2, eps, weight_decay, max_norm)
    claim(approx(p2, expected_p))
    claim(approx(m2, expected_m))
    claim(approx(v2, expected_v))
    claim(approx(norm, expected_norm))


@obligation("AW-CHUNKS", equation="adamw", type="equivalence", cost=12)
@given(case=aw_chunks_inputs)
def test_aw_chunks(kernel, case):
    """Tensors of tens of thousands of elements are updated to the last one."""
    p, g, m, v, step, lr, beta1, beta2, eps, weight_decay, max_norm = kernel.receives(case, "p g m v step lr beta1 beta2 eps weight_decay max_norm")
    p2, m2, v2, norm = kernel.adamw(p, g, m, v, step, lr, beta1, beta2, eps, weight_decay, max_norm)
    expected_p, expected_m, expected_v, expected_norm = spec.adamw(p, g, m, v, step, lr, beta1, beta2, eps, weight_decay, max_norm)
    claim(approx(p2, expected_p))
    claim(approx(m2, expected_m))
    claim(approx(v2, expected_v))
    claim(approx(norm, expected_norm))


@obligation("AW-DEF-ADAMW", equation="adamw", type="definition")
@given(case=aw_first_inputs)
def test_aw_def_adamw(kernel, case):
    """adamw computes its definition."""
    p, g, m, v, step, lr, beta1, beta2, eps, weight_decay, max_norm = kernel.receives(case, "p g m v step lr beta1 beta2 eps weight_decay max_norm")
    p2, m2, v2, norm = kernel.adamw(p, g, m, v, step, lr, beta1, beta2, eps, weight_decay, max_norm)
    expected_p2, expected_m2, expected_v2, expected_norm = spec.adamw(p, g, m, v, step, lr, beta1, beta2, eps, weight_decay, max_norm)
    claim(approx(p2, expected_p2))
    claim(approx(m2, expected_m2))
    claim(approx(v2, expected_v2))
    claim(approx(norm, expected_norm))


@obligation("AW-T-TEN", rule="AW-CLIP", type="falsification")
def test_aw_t_ten(kernel):
    """A norm of 10 clipped at 1 divides the gradient by 10, not by 100."""
    case = example(
        {"p": "float[L, P]", "g": "float[L, P]", "m": "accum[L, P]", "v": "accum[L, P]", "step": "int", "lr": "real", "beta1": "real", "beta2": "real", "eps": "real", "weight_decay": "real", "max_norm": "real"},
        p=[[1.0, -2.0]],
        g=[[6.0, 8.0]],
        m=[[0, 0]],
        v=[[0, 0]],
        step=1,
        lr=0.125,
        beta1=0.75,
        beta2=0.875,
        eps=0.25,
        weight_decay=0.5,
        max_norm=1.0,
    )
    p, g, m, v, step, lr, beta1, beta2, eps, weight_decay, max_norm = kernel.receives(case, "p g m v step lr beta1 beta2 eps weight_decay max_norm")
    _, m2, v2, norm = kernel.adamw(p, g, m, v, step, lr, beta1, beta2, eps, weight_decay, max_norm)
    claim(approx(norm, 10))
    claim(approx(m2[0, 0], 0.15))
    claim(approx(m2[0, 1], 0.2))
    claim(approx(v2[0, 0], 0.045))


@obligation("AW-T-OFF", rule="AW-CLIP", type="falsification")
def test_aw_t_off(kernel):
    """max_norm = inf does not clip."""
    case = example(
        {"p": "float[L, P]", "g": "float[L, P]", "m": "accum[L, P]", "v": "accum[L, P]", "step": "int", "lr": "real", "beta1": "real", "beta2": "real", "eps": "real", "weight_decay": "real", "max_norm": "real"},
        p=[[1.0, -2.0]],
        g=[[6.0, 8.0]],
        m=[[0, 0]],
        v=[[0, 0]],
        step=1,
        lr=0.125,
        beta1=0.75,
        beta2=0.875,
        eps=0.25,
        weight_decay=0.5,
        max_norm=float("inf"),
    )
    p, g, m, v, step, lr, beta1, beta2, eps, weight_decay, max_norm = kernel.receives(case, "p g m v step lr beta1 beta2 eps weight_decay max_norm")
    _, m2, v2, norm = kernel.adamw(p, g, m, v, step, lr, beta1, beta2, eps, weight_decay, max_norm)
    claim(approx(norm, 10))
    claim(approx(m2[0, 0], 1.5))
    claim(approx(v2[0, 1], 8))


@obligation("AW-T-TWO-TENSORS", rule="AW-CLIP", type="falsification")
def test_aw_t_two_tensors(kernel):
    """Tensors of norms 3 and 4 make a norm of 5, and both are divided by 5."""
    case = example(
        {"p": "float[L, P]", "g": "float[L, P]", "m": "accum[L, P]", "v": "accum[L, P]", "step": "int", "lr": "real", "beta1": "real", "beta2": "real", "eps": "real", "weight_decay": "real", "max_norm": "real"},
        p=[[1.0], [1.0]],
        g=[[3.0], [-4.0]],
        m=[[0], [0]],
        v=[[0], [0]],
        step=1,
        lr=0.125,
        beta1=0.75,
        beta2=0.875,
        eps=0.25,
        weight_decay=0.5,
        max_norm=1.0,
    )
    p, g, m, v, step, lr, beta1, beta2, eps, weight_decay, max_norm = kernel.receives(case, "p g m v step lr beta1 beta2 eps weight_decay max_norm")
    _, m2, _, norm = kernel.adamw(p, g, m, v, step, lr, beta1, beta2, eps, weight_decay, max_norm)
    claim(approx(norm, 5))
    claim(approx(m2[0, 0], 0.15))
    claim(approx(m2[1, 0], -0.2))


@obligation("AW-T-UPDATE", rule="AW-DEF-ADAMW", type="falsification")
def test_aw_t_update(kernel):
    """One element by hand: g = 2 from m = 1, v = 4 at step 2 moves p = 1 by 0.125 (20/7 / (sqrt(256/15) + 1/4) +
    1/2)."""
    case = example(
        {"p": "float[L, P]", "g": "float[L, P]", "m": "accum[L, P]", "v": "accum[L, P]", "step": "int", "lr": "real", "beta1": "real", "beta2": "real", "eps": "real", "weight_decay": "real", "max_norm": "real"},
        p=[[1.0]],
        g=[[2.0]],
        m=[[1.0]],
        v=[[4.0]],
        step=2,
        lr=0.125,
        beta1=0.75,
        beta2=0.875,
        eps=0.25,
        weight_decay=0.5,
        max_norm=float("inf"),
    )
    p, g, m, v, step, lr, beta1, beta2, eps, weight_decay, max_norm = kernel.receives(case, "p g m v step lr beta1 beta2 eps weight_decay max_norm")
    p2, m2, v2, _ = kernel.adamw(p, g, m, v, step, lr, beta1, beta2, eps, weight_decay, max_norm)
    claim(approx(m2[0, 0], 1.25))
    claim(approx(v2[0, 0], 4))
    claim(approx(p2[0, 0], 1 - 0.125 * (ratio(20, 7) / (sqrt(ratio(256, 15)) + 0.25) + 0.5)))


@obligation("AW-T-NAN", rule="AW-NONFINITE", type="falsification")
def test_aw_t_nan(kernel):
    """A gradient with a NaN changes nothing, and the norm says so."""
    case = example(
        {"p": "float[L, P]", "g": "float[L, P]", "m": "accum[L, P]", "v": "accum[L, P]", "step": "int", "lr": "real", "beta1": "real", "beta2": "real", "eps": "real", "weight_decay": "real", "max_norm": "real"},
        p=[[1.0, -2.0]],
        g=[[float("nan"), 1.0]],
        m=[[0.5, 0.25]],
        v=[[1.0, 0.5]],
        step=1,
        lr=0.125,
        beta1=0.75,
        beta2=0.875,
        eps=0.25,
        weight_decay=0.5,
        max_norm=1.0,
    )
    p, g, m, v, step, lr, beta1, beta2, eps, weight_decay, max_norm = kernel.receives(case, "p g m v step lr beta1 beta2 eps weight_decay max_norm")
    p2, m2, v2, norm = kernel.adamw(p, g, m, v, step, lr, beta1, beta2, eps, weight_decay, max_norm)
    claim(exact(p2, p))
    claim(exact(m2, m))
    claim(exact(v2, v))
    claim(~isfinite(norm))


@obligation("AW-T-HUGE", rule="AW-RANGE", type="falsification")
def test_aw_t_huge(kernel):
    """A gradient of 32768 is clipped, not thrown away."""
    case = example(
        {"p": "float[L, P]", "g": "float[L, P]", "m": "accum[L, P]", "v": "accum[L, P]", "step": "int", "lr": "real", "beta1": "real", "beta2": "real", "eps": "real", "weight_decay": "real", "max_norm": "real"},
        p=[[1.0]],
        g=[[32768.0]],
        m=[[0]],
        v=[[0]],
        step=1,
        lr=0.125,
        beta1=0.75,
        beta2=0.875,
        eps=0.25,
        weight_decay=0.5,
        max_norm=1.0,
    )
    p, g, m, v, step, lr, beta1, beta2, eps, weight_decay, max_norm = kernel.receives(case, "p g m v step lr beta1 beta2 eps weight_decay max_norm")
    _, m2, _, norm = kernel.adamw(p, g, m, v, step, lr, beta1, beta2, eps, weight_decay, max_norm)
    claim(approx(norm, 32768))
    claim(approx(m2[0, 0], 0.25))


@obligation("AW-T-ZERO-LIMIT", rule="AW-DECAY", type="falsification")
def test_aw_t_zero_limit(kernel):
    """A limit of 0 makes every gradient 0: moments fade and parameters move by what is left of them, as they do where
    the gradient, and with it the norm, is 0."""
    case = example(
        {"p": "float[L, P]", "g": "float[L, P]", "m": "accum[L, P]", "v": "accum[L, P]", "step": "int", "lr": "real", "beta1": "real", "beta2": "real", "eps": "real", "weight_decay": "real", "max_norm": "real"},
        p=[[1.0, -2.0]],
        g=[[3.0, 4.0]],
        m=[[0.5, 0.25]],
        v=[[1.0, 0.5]],
        step=2,
        lr=0.125,
        beta1=0.75,
        beta2=0.875,
        eps=0.25,
        weight_decay=0.5,
        max_norm=0.0,
    )
    p, g, m, v, step, lr, beta1, beta2, eps, weight_decay, max_norm = kernel.receives(case, "p g m v step lr beta1 beta2 eps weight_decay max_norm")
    L, P = case.L, case.P
    l, i = grid(L, P)
    none = array[l, i](0 * g[l, i])
    p2, m2, v2, norm = kernel.adamw(p, g, m, v, step, lr, beta1, beta2, eps, weight_decay, max_norm)
    p3, m3, v3, norm3 = kernel.adamw(p, none, m, v, step, lr, beta1, beta2, eps, weight_decay, max_norm)
    claim(approx(norm, 5))
    claim(norm3 == 0)
    claim(approx(m2[0, 0], 0.375))
    claim(approx(v2[0, 1], 0.4375))
    claim(approx(p2[0, 0], 1 - 0.125 * (ratio(6, 7) / (sqrt(ratio(56, 15)) + 0.25) + 0.5)))
    claim(approx(p3, p2))
    claim(approx(m3, m2))
    claim(approx(v3, v2))


@obligation("AW-T-BETA", rule="AW-COUNT", type="falsification")
def test_aw_t_beta(kernel):
    """beta2 = 1 is refused: bias correction would divide by zero."""
    case = example(
        {"p": "float[L, P]", "g": "float[L, P]", "m": "accum[L, P]", "v": "accum[L, P]", "step": "int", "lr": "real", "beta1": "real", "beta2": "real", "eps": "real", "weight_decay": "real", "max_norm": "real", "early": "int"},
        p=[[1.0, -2.0]],
        g=[[6.0, 8.0]],
        m=[[0, 0]],
        v=[[0, 0]],
        step=1,
        early=0,
        lr=0.125,
        beta1=0.75,
        beta2=1.0,
        eps=0.25,
        weight_decay=0.5,
        max_norm=1.0,
    )
    p, g, m, v, step, lr, beta1, beta2, eps, weight_decay, max_norm = kernel.receives(case, "p g m v step lr beta1 beta2 eps weight_decay max_norm")
    rejects(
        kernel,
        "adamw",
        (p, g, m, v, step, lr, beta1, beta2, eps, weight_decay, max_norm),
        ValueError,
        mentions=["beta2"],
    )
