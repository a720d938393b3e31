"""distill/knowledge-distillation: Knowledge distillation with its gradient.

Compiled from contracts/distill/knowledge-distillation-v1.yaml: change the contract and run `albor-contracts generate`, never this file.
Meaning: 816c84b60535064c77c9eddc6e01d6cb8bf943e78da26fd59d4fb1521d41a3ed
"""

from albor_contracts.testing import (
    abs, all, any, approx, array, cases, claim, clip, count, defines, definitions, exact, example, exp, given, gradient,
    grid, independent, inf, isfinite, log, max, obligation, ratio, rejects, same_twice, single, sum, supposing, truth,
    uses_at_most, where,
)

CONTRACT = "distill/knowledge-distillation"


@defines(
    "knowledge_distillation(s: float[T, V], t: float[T, V], y: i64[T], alpha: real, temperature: real, ignore: int)"
    " -> loss: accum[], ds: float[T, V]"
)
def knowledge_distillation(s, t, y, alpha, temperature, ignore):
    """loss = mean(alpha T^2 KL(softmax(t/T) || softmax(s/T)) + (1 - alpha) CE(y, s)), ds = mean part of alpha T (q_T -
    p_T) + (1 - alpha) (q_1 - onehot)"""
    T, V = s.shape
    r, v, u = grid(T, V, V)
    n = single(max(count[r](y[r] != ignore), 1))
    ms = array[r](max[v](s[r, v]))
    mt = array[r](max[v](t[r, v]))
    lq = array[r, v]((s[r, v] - ms[r]) / temperature - log(sum[u](exp((s[r, u] - ms[r]) / temperature))))
    lp = array[r, v]((t[r, v] - mt[r]) / temperature - log(sum[u](exp((t[r, u] - mt[r]) / temperature))))
    lh = array[r, v](s[r, v] - ms[r] - log(sum[u](exp(s[r, u] - ms[r]))))
    kl = array[r](sum[v](where(lp[r, v] == -inf, 0, where(lq[r, v] == -inf, inf, exp(lp[r, v]) * (lp[r, v] - lq[r, v])))))
    soft = array[r](where(alpha > 0, alpha * temperature ** 2 * kl[r], 0))
    hard = array[r](where(alpha < 1, -(1 - alpha) * lh[r, clip(y[r], 0, V - 1)], 0))
    loss = single(sum[r](where(y[r] != ignore, soft[r] + hard[r], 0)) / n)
    gs = array[r, v](where(alpha > 0, alpha * temperature * (exp(lq[r, v]) - exp(lp[r, v])), 0))
    gh = array[r, v](where(alpha < 1, (1 - alpha) * (exp(lh[r, v]) - where(v == y[r], 1, 0)), 0))
    ds = array[r, v](where(y[r] != ignore, (gs[r, v] + gh[r, v]) / n, 0))
    return loss, ds


@defines("cross_entropy(z: float[T, V], y: i64[T], ignore: int) -> loss: accum[], dz: float[T, V]")
def cross_entropy(z, y, ignore):
    """loss = 1/n sum over valid t of (logsumexp z_t - z_t[y_t]), dz = (softmax(z) - onehot(y)) / n"""
    T, V = z.shape
    t, v = grid(T, V)
    n = single(max(count[t](y[t] != ignore), 1))
    m = array[t](max[v](z[t, v]))
    lse = array[t](m[t] + log(sum[v](exp(z[t, v] - m[t]))))
    c = array[t](where(y[t] != ignore, lse[t] - z[t, clip(y[t], 0, V - 1)], 0))
    loss = single(sum[t](c[t]) / n)
    dz = array[t, v](where(y[t] != ignore, (exp(z[t, v] - lse[t]) - where(v == y[t], 1, 0)) / n, 0))
    return loss, dz


spec = definitions(CONTRACT, knowledge_distillation, cross_entropy)


def supposed_1(case):
    """all[r](any[v](s[r, v] > -inf))"""
    s, T, V = case.s, case.T, case.V
    r, v = grid(T, V)
    return all[r](any[v](s[r, v] > -inf))


def supposed_2(case):
    """all[r](any[v](t[r, v] > -inf))"""
    t, T, V = case.t, case.T, case.V
    r, v = grid(T, V)
    return all[r](any[v](t[r, v] > -inf))


def supposed_3(case):
    """any[q, r](y[q] == ignore and q != r)"""
    y, ignore, T = case.y, case.ignore, case.T
    r, q = grid(T, T)
    return any[q, r]((y[q] == ignore) & (q != r))


def supposed_4(case):
    """any[r](y[r] == ignore)"""
    y, ignore, T = case.y, case.ignore, case.T
    r = grid(T)
    return any[r](y[r] == ignore)


knowledge_distillation_inputs = cases(
    dims={"T": "1..8", "V": "2..257"},
    s="float[T, V] in [-30, 30]",
    t="float[T, V] in [-30, 30]",
    y="i64[T] in [0, V) or {ignore}",
    alpha="real in [0, 1]",
    temperature="real in [0.5, 8]",
    ignore="int in {-100, -1}",
)
kd_scale_inputs = cases(
    dims={"T": "1..8", "V": "2..257"},
    s="float[T, V] in [-8, 8]",
    t="float[T, V] in [-8, 8]",
    y="i64[T] in [0, V) or {ignore}",
    alpha="real in [0, 1]",
    temperature="real in [0.5, 8]",
    ignore="int in {-100, -1}",
    c="real in [0.25, 4]",
)
kd_soft_inputs = cases(
    dims={"T": "1..8", "V": "2..257"},
    s="float[T, V] in [-30, 30]",
    t="float[T, V] in [-30, 30]",
    y="i64[T] in [0, V) or {ignore}",
    alpha="real in [0, 1]",
    temperature="real in [0.5, 8]",
    ignore="int in {-100, -1}",
    by="int in [0, V - 1]",
)
kd_same_inputs = cases(
    dims={"T": "1..8", "V": "2..257"},
    s="float[T, V] in [-30, 30]",
    t="float[T, V] in [-30, 30]",
    y="i64[T] in [0, V) or {ignore}",
    alpha="real in [0, 1]",
    temperature="real in [0.5, 8]",
    ignore="int in {-100, -1}",
    c="float[T] in [-20, 20]",
)
kd_sign_inputs = cases(
    dims={"T": "1..8", "V": "1..1025"},
    s="float[T, V] in [-30, 30]",
    t="float[T, V] in [-30, 30]",
    y="i64[T] in [0, V) or {ignore}",
    alpha="real in [0, 1]",
    temperature="real in [0.5, 8]",
    ignore="int in {-100, -1}",
)
kd_mass_inputs = cases(
    dims={"T": "1..8", "V": "2..257"},
    s="float[T, V] in [-30, 30]",
    t="float[T, V] in [-30, 30]",
    y="i64[T] in [0, V) or {ignore}",
    alpha="real in [0.1, 1]",
    temperature="real in [0.5, 0.55]",
    ignore="int in {-100, -1}",
)
kd_holes_inputs = cases(
    dims={"T": "1..8", "V": "2..257"},
    such_that=supposing(supposed_1, supposed_2),
    s="float[T, V] in [-30, 30] or {-inf}",
    t="float[T, V] in [-30, 30] or {-inf}",
    y="i64[T] in [0, V) or {ignore}",
    alpha="real in [0, 1]",
    temperature="real in [0.5, 8]",
    ignore="int in {-100, -1}",
)
kd_aligned_inputs = cases(
    dims={"T": "1..8", "V": "2..257"},
    work={"T * T": 2**18},
    s="float[T, V] in [-30, 30]",
    t="float[T, V] in [-30, 30]",
    y="i64[T] in [0, V) or {ignore}",
    alpha="real in [0, 1]",
    temperature="real in [0.5, 8]",
    ignore="int in {-100, -1}",
    other_t="float[T, V] in [-30, 30]",
)
kd_padding_inputs = cases(
    dims={"T": "1..8", "V": "2..257"},
    such_that=supposing(supposed_3),
    work={"T * T": 2**18},
    s="float[T, V] in [-30, 30]",
    t="float[T, V] in [-30, 30]",
    y="i64[T] in [0, V) or {ignore}",
    alpha="real in [0, 1]",
    temperature="real in [0.5, 8]",
    ignore="int in {-100, -1}",
    other_s="float[T, V] in [-30, 30]",
)
kd_wide_inputs = cases(
    dims={"T": "1..2", "V": "8193, 12289, 16385, 20001"},
    elements=40008,
    s="float[T, V] in [-30, 30]",
    t="float[T, V] in [-30, 30]",
    y="i64[T] in [0, V) or {ignore}",
    alpha="real in [0, 1]",
    temperature="real in [0.5, 8]",
    ignore="int in {-100, -1}",
    far="int in [0, V - 1]",
    low="real in {-inf, -10, 10}",
)
kd_usual_inputs = cases(
    dims={"T": "1..8", "V": "2, 3, 33, 257, 2049, 4099"},
    s="float[T, V] in [-30, 30]",
    t="float[T, V] in [-30, 30]",
    y="i64[T] in [0, V) or {ignore}",
    alpha="real in [0.1, 0.9]",
    temperature="real in {1, 2, 4}",
    ignore="int in {-100, -1}",
)
kd_usual_wide_inputs = cases(
    dims={"T": "2..3", "V": "8192, 10201, 12289"},
    elements=49166,
    s="float[T, V] in [-30, 30]",
    t="float[T, V] in [-30, 30]",
    y="i64[T] in {0, V - 1} or {ignore}",
    alpha="real in [0.1, 0.9]",
    temperature="real in {2, 4}",
    ignore="int in {-100, -1}",
    back="int in [0, 400]",
    low_s="float[T] in {-400, -10, 0, 10}",
    low_t="float[T] in {-inf, -400, -10, 0, 10}",
)
kd_repeat_inputs = cases(
    dims={"T": "1..8", "V": "1..4099"},
    s="float[T, V] in [-30, 30]",
    t="float[T, V] in [-30, 30]",
    y="i64[T] in [0, V) or {ignore}",
    alpha="real in [0, 1]",
    temperature="real in [0.5, 8]",
    ignore="int in {-100, -1}",
)
kd_launch_inputs = cases(
    dims={"T": "1..8", "V": "1..129"},
    s="float[T, V] in [-30, 30]",
    t="float[T, V] in [-30, 30]",
    y="i64[T] in [0, V) or {ignore}",
    alpha="real in [0, 1]",
    temperature="real in [0.5, 8]",
    ignore="int in {-100, -1}",
)
kd_vocabulary_inputs = cases(
    dims={"T": "1..4", "V": "17", "W": "23"},
    s="float[T, V] in [-30, 30]",
    t="float[T, V] in [-30, 30]",
    y="i64[T] in [0, V) or {ignore}",
    alpha="real in [0, 1]",
    temperature="real in [0.5, 8]",
    ignore="int in {-100, -1}",
    wrong="float[T, W] in [-30, 30]",
)
kd_label_inputs = cases(
    dims={"T": "1..4", "V": "1..33"},
    s="float[T, V] in [-30, 30]",
    t="float[T, V] in [-30, 30]",
    y="i64[T] in [0, V) or {ignore}",
    alpha="real in [0, 1]",
    temperature="real in [0.5, 8]",
    ignore="int in {-100, -1}",
    far="int in [0, 5]",
)
kd_many_inputs = cases(
    dims={"T": "257", "V": "2..9"},
    s="float[T, V] in [-30, 30]",
    t="float[T, V] in [-30, 30]",
    y="i64[T] in [0, V)",
    alpha="real in [0.25, 0.75]",
    temperature="real in [0.5, 8]",
    ignore="int in {-100, -1}",
)
kd_ignore_inputs = cases(
    dims={"T": "2..8", "V": "2..33"},
    such_that=supposing(supposed_4),
    s="float[T, V] in [-30, 30]",
    t="float[T, V] in [-30, 30]",
    y="i64[T] in [0, V) or {ignore}",
    alpha="real in [0, 1]",
    temperature="real in [0.5, 8]",
    ignore="int in {0, V - 1}",
)
kd_negative_inputs = cases(
    dims={"T": "1..4", "V": "1..33"},
    s="float[T, V] in [-30, 30]",
    t="float[T, V] in [-30, 30]",
    y="i64[T] in [0, V) or {ignore}",
    alpha="real in [0, 1]",
    temperature="real in [0.5, 8]",
    ignore="int in {-100, 0}",
    below="int in [0, 7]",
)
kd_alpha_inputs = cases(
    dims={"T": "1..4", "V": "1..33"},
    s="float[T, V] in [-30, 30]",
    t="float[T, V] in [-30, 30]",
    y="i64[T] in [0, V) or {ignore}",
    alpha="real in [0, 1]",
    temperature="real in [0.5, 8]",
    ignore="int in {-100, -1}",
    wrong="real in {-0.5, 1.5, nan}",
)
kd_temperature_inputs = cases(
    dims={"T": "1..4", "V": "1..33"},
    s="float[T, V] in [-30, 30]",
    t="float[T, V] in [-30, 30]",
    y="i64[T] in [0, V) or {ignore}",
    alpha="real in [0, 1]",
    temperature="real in [0.5, 8]",
    ignore="int in {-100, -1}",
    wrong="real in {0, -2, nan}",
)
kd_deep_inputs = cases(
    dims={"T": "1..8", "V": "2..65"},
    s="float[T, V] in [-30, 30]",
    t="float[T, V] in [-30, 30]",
    y="i64[T] in [0, V)",
    alpha="real in [0, 1]",
    temperature="real in [0.5, 8]",
    ignore="int in {-100, -1}",
    far="float[T] in [-60000, -20000] or {200, 30000}",
    too="float[T] in [-60000, -20000] or {200, 30000}",
)


@obligation("KD-GRAD", equation="knowledge_distillation", type="gradient")
@given(case=knowledge_distillation_inputs)
def test_kd_grad(kernel, case):
    """ds is the gradient of the loss with respect to the student's logits."""
    s, t, y, alpha, temperature, ignore = kernel.receives(case, "s t y alpha temperature ignore")
    _, ds = kernel.knowledge_distillation(s, t, y, alpha, temperature, ignore)
    (expected_ds,) = gradient(
        spec,
        "knowledge_distillation",
        {"s": s, "t": t, "y": y, "alpha": alpha, "temperature": temperature, "ignore": ignore},
        wrt="s",
        cotangents=(1, None),
    )
    claim(approx(ds, expected_ds))


@obligation("KD-SCALE", equation="knowledge_distillation", type="homogeneity")
@given(case=kd_scale_inputs)
def test_kd_scale(kernel, case):
    """Logits and temperature c times as large leave the distributions: the divergence grows by c^2, its gradient by
    c."""
    s, t, y, temperature, ignore, c = kernel.receives(case, "s t y temperature ignore c")
    T, V = case.T, case.V
    r, v = grid(T, V)
    wide_s = array[r, v](c * s[r, v])
    wide_t = array[r, v](c * t[r, v])
    loss, ds = kernel.knowledge_distillation(s, t, y, 1.0, temperature, ignore)
    loss2, ds2 = kernel.knowledge_distillation(wide_s, wide_t, y, 1.0, c * temperature, ignore)
    claim(approx(loss2, c ** 2 * loss))
    claim(all[r, v](approx(ds2[r, v], c * ds[r, v])))


@obligation("KD-MIX", equation="knowledge_distillation", type="linearity")
@given(case=knowledge_distillation_inputs)
def test_kd_mix(kernel, case):
    """Loss and gradient are alpha times those of alpha = 1 plus 1 - alpha times those of alpha = 0."""
    s, t, y, alpha, temperature, ignore = kernel.receives(case, "s t y alpha temperature ignore")
    T, V = case.T, case.V
    r, v = grid(T, V)
    loss, ds = kernel.knowledge_distillation(s, t, y, alpha, temperature, ignore)
    soft, ds_soft = kernel.knowledge_distillation(s, t, y, 1.0, temperature, ignore)
    hard, ds_hard = kernel.knowledge_distillation(s, t, y, 0.0, temperature, ignore)
    claim(approx(loss, alpha * soft + (1 - alpha) * hard))
    claim(all[r, v](approx(ds[r, v], alpha * ds_soft[r, v] + (1 - alpha) * ds_hard[r, v])))


@obligation("KD-HARD", equation="knowledge_distillation", type="boundary")
@given(case=knowledge_distillation_inputs)
def test_kd_hard(kernel, case):
    """With alpha = 0 it is cross-entropy, whatever the teacher says: an infinite divergence does not become NaN."""
    s, t, y, temperature, ignore = kernel.receives(case, "s t y temperature ignore")
    T, V = case.T, case.V
    r, v = grid(T, V)
    holed = array[r, v](where(v == (clip(y[r], 0, V - 1) + 1) % V, -inf, s[r, v]))
    loss, ds = kernel.knowledge_distillation(holed, t, y, 0.0, temperature, ignore)
    expected_loss, expected_ds = spec.cross_entropy(holed, y, ignore)
    claim(approx(loss, expected_loss))
    claim(approx(ds, expected_ds))


@obligation("KD-SOFT", equation="knowledge_distillation", type="boundary")
@given(case=kd_soft_inputs)
def test_kd_soft(kernel, case):
    """With alpha = 1 labels only say which tokens count: bitwise the same for other labels, impossible ones
    included."""
    s, t, y, temperature, ignore, by = kernel.receives(case, "s t y temperature ignore by")
    T, V = case.T, case.V
    r, v = grid(T, V)
    other = array[r](where(y[r] == ignore, ignore, (clip(y[r], 0, V - 1) + by) % V))
    holed_s = array[r, v](where(v == other[r], -inf, s[r, v]))
    holed_t = array[r, v](where(v == other[r], -inf, t[r, v]))
    loss, ds = kernel.knowledge_distillation(holed_s, holed_t, y, 1.0, temperature, ignore)
    loss2, ds2 = kernel.knowledge_distillation(holed_s, holed_t, other, 1.0, temperature, ignore)
    claim(loss < inf)
    claim(exact(loss, loss2))
    claim(exact(ds, ds2))


@obligation("KD-SAME", equation="knowledge_distillation", type="boundary")
@given(case=kd_same_inputs)
def test_kd_same(kernel, case):
    """A student that equals its teacher up to a constant a row has no divergence and no gradient."""
    t, y, temperature, ignore, c = kernel.receives(case, "t y temperature ignore c")
    T, V = case.T, case.V
    r, v = grid(T, V)
    moved = array[r, v](t[r, v] + c[r])
    loss, ds = kernel.knowledge_distillation(moved, t, y, 1.0, temperature, ignore)
    claim(approx(loss, 0))
    claim(all[r, v](approx(ds[r, v], 0)))


@obligation("KD-SIGN", equation="knowledge_distillation", type="bound")
@given(case=kd_sign_inputs)
def test_kd_sign(kernel, case):
    """The loss is at least 0."""
    s, t, y, alpha, temperature, ignore = kernel.receives(case, "s t y alpha temperature ignore")
    loss, _ = kernel.knowledge_distillation(s, t, y, alpha, temperature, ignore)
    claim(0 <= loss)


@obligation("KD-ROWSUM", equation="knowledge_distillation", type="conservation")
@given(case=kd_sign_inputs)
def test_kd_rowsum(kernel, case):
    """Every row of the gradient sums to zero."""
    s, t, y, alpha, temperature, ignore = kernel.receives(case, "s t y alpha temperature ignore")
    T, V = case.T, case.V
    r, v = grid(T, V)
    _, ds = kernel.knowledge_distillation(s, t, y, alpha, temperature, ignore)
    claim(all[r](approx(sum[v](ds[r, v]), 0)))


@obligation("KD-MASS", equation="knowledge_distillation", type="boundary")
@given(case=kd_mass_inputs)
def test_kd_mass(kernel, case):
    """Teacher mass on a class that the student calls impossible costs +inf, even mass that underflows; ds stays
    finite."""
    s, t, y, alpha, temperature, ignore = kernel.receives(case, "s t y alpha temperature ignore")
    T, V = case.T, case.V
    r, v = grid(T, V)
    hole = array[r]((clip(y[r], 0, V - 1) + 1) % V)
    holed = array[r, v](where(v == hole[r], -inf, s[r, v]))
    low = array[r, v](where(v == hole[r], -60, t[r, v]))
    loss, ds = kernel.knowledge_distillation(holed, low, y, alpha, temperature, ignore)
    claim((count[r](y[r] != ignore) == 0) | truth(loss > 1e+30))
    claim(all[r, v](isfinite(ds[r, v])))


@obligation("KD-HOLES", equation="knowledge_distillation", type="equivalence")
@given(case=kd_holes_inputs)
def test_kd_holes(kernel, case):
    """Logits of -inf anywhere, as long as each row keeps a finite one, agree with the definition."""
    s, t, y, alpha, temperature, ignore = kernel.receives(case, "s t y alpha temperature ignore")
    loss, ds = kernel.knowledge_distillation(s, t, y, alpha, temperature, ignore)
    expected_loss, expected_ds = spec.knowledge_distillation(s, t, y, alpha, temperature, ignore)
    claim(approx(loss, expected_loss))
    claim(approx(ds, expected_ds))


@obligation("KD-ALIGNED", equation="knowledge_distillation", type="independence")
@given(case=kd_aligned_inputs)
def test_kd_aligned(kernel, case):
    """A student's token learns from the teacher's logits of that token alone."""
    s, t, y, alpha, temperature, ignore, other_t = kernel.receives(case, "s t y alpha temperature ignore other_t")
    T, V = case.T, case.V
    r, v, q, u = grid(T, V, T, V)
    independent(
        lambda t: kernel.knowledge_distillation(s, t, y, alpha, temperature, ignore)[1],
        t,
        other_t,
        when=q != r,
        output=(r, v),
        input=(q, u),
        case=case,
    )


@obligation("KD-PADDING", equation="knowledge_distillation", type="independence")
@given(case=kd_padding_inputs)
def test_kd_padding(kernel, case):
    """Ignored tokens change no other token's gradient."""
    s, t, y, alpha, temperature, ignore, other_s = kernel.receives(case, "s t y alpha temperature ignore other_s")
    T, V = case.T, case.V
    r, v, q, u = grid(T, V, T, V)
    independent(
        lambda s: kernel.knowledge_distillation(s, t, y, alpha, temperature, ignore)[1],
        s,
        other_s,
        when=(y[q] == ignore) & (q != r),
        output=(r, v),
        input=(q, u),
        case=case,
    )


@obligation("KD-WIDE", equation="knowledge_distillation", type="equivalence", cost=4)
@given(case=kd_wide_inputs)
def test_kd_wide(kernel, case):
    """Vocabularies wider than a block agree with the definition, also where the first blocks are lower or
    impossible."""
    s, t, y, alpha, temperature, ignore, far, low = kernel.receives(case, "s t y alpha temperature ignore far low")
    T, V = case.T, case.V
    r, v = grid(T, V)
    step_s = array[r, v](where(v < far, s[r, v] + low, s[r, v]))
    step_t = array[r, v](where(v < far, t[r, v] + low, t[r, v]))
    loss, ds = kernel.knowledge_distillation(step_s, step_t, y, alpha, temperature, ignore)
    expected_loss, expected_ds = spec.knowledge_distillation(step_s, step_t, y, alpha, temperature, ignore)
    claim(approx(loss, expected_loss))
    claim(approx(ds, expected_ds))


@obligation("KD-USUAL", equation="knowledge_distillation", type="equivalence")
@given(case=kd_usual_inputs)
def test_kd_usual(kernel, case):
    """At the temperatures in use, 1, 2 and 4, loss and gradient are those of the definition, in one block and in
    several."""
    s, t, y, alpha, temperature, ignore = kernel.receives(case, "s t y alpha temperature ignore")
    loss, ds = kernel.knowledge_distillation(s, t, y, alpha, temperature, ignore)
    expected_loss, expected_ds = spec.knowledge_distillation(s, t, y, alpha, temperature, ignore)
    claim(approx(loss, expected_loss))
    claim(approx(ds, expected_ds))


@obligation("KD-USUAL-WIDE", equation="knowledge_distillation", type="equivalence", cost=4)
@given(case=kd_usual_wide_inputs)
def test_kd_usual_wide(kernel, case):
    """At 2 and 4 rows of several blocks agree with the definition, also where their end is far above what precedes
    it."""
    s, t, y, alpha, temperature, ignore, back, low_s, low_t = kernel.receives(case, "s t y alpha temperature ignore back low_s low_t")
    T, V = case.T, case.V
    r, v = grid(T, V)
    step_s = array[r, v](where(v < V - 1 - back, s[r, v] + low_s[r], s[r, v]))
    step_t = array[r, v](where(v < V - 1 - back, t[r, v] + low_t[r], t[r, v]))
    loss, ds = kernel.knowledge_distillation(step_s, step_t, y, alpha, temperature, ignore)
    expected_loss, expected_ds = spec.knowledge_distillation(step_s, step_t, y, alpha, temperature, ignore)
    claim(approx(loss, expected_loss))
    claim(approx(ds, expected_ds))


@obligation("KD-REPEAT", equation="knowledge_distillation", type="determinism")
@given(case=kd_repeat_inputs)
def test_kd_repeat(kernel, case):
    """Two runs agree bitwise."""
    s, t, y, alpha, temperature, ignore = kernel.receives(case, "s t y alpha temperature ignore")
    same_twice(lambda: kernel.knowledge_distillation(s, t, y, alpha, temperature, ignore))


@obligation("KD-LAUNCH", equation="knowledge_distillation", type="resource")
@given(case=kd_launch_inputs)
def test_kd_launch(kernel, case):
    """One launch makes loss and gradient of all rows; one before it counts tokens, one after it adds up losses."""
    s, t, y, alpha, temperature, ignore = kernel.receives(case, "s t y alpha temperature ignore")
    uses_at_most(3, "launches", lambda: kernel.knowledge_distillation(s, t, y, alpha, temperature, ignore))


@obligation("KD-VOCABULARY", equation="knowledge_distillation", type="rejection")
@given(case=kd_vocabulary_inputs)
def test_kd_vocabulary(kernel, case):
    """A teacher of another vocabulary is refused, with both sizes."""
    s, y, alpha, temperature, ignore, wrong = kernel.receives(case, "s y alpha temperature ignore wrong")
    rejects(
        kernel,
        "knowledge_distillation",
        (s, wrong, y, alpha, temperature, ignore),
        ValueError,
        mentions=["17", "23"],
    )


@obligation("KD-LABEL", equation="knowledge_distillation", type="rejection")
@given(case=kd_label_inputs)
def test_kd_label(kernel, case):
    """A label outside the vocabulary is refused, whatever its part of the loss weighs."""
    s, t, y, alpha, temperature, ignore, far = kernel.receives(case, "s t y alpha temperature ignore far")
    T, V = case.T, case.V
    r = grid(T)
    wrong = array[r](V + far + 0 * y[r])
    rejects(kernel, "knowledge_distillation", (s, t, wrong, alpha, temperature, ignore), ValueError, mentions=["label"])


@obligation("KD-MANY", equation="knowledge_distillation", type="equivalence", cost=2)
@given(case=kd_many_inputs)
def test_kd_many(kernel, case):
    """More tokens than a 16-bit number can count one by one still have their mean."""
    s, t, y, alpha, temperature, ignore = kernel.receives(case, "s t y alpha temperature ignore")
    loss, ds = kernel.knowledge_distillation(s, t, y, alpha, temperature, ignore)
    expected_loss, expected_ds = spec.knowledge_distillation(s, t, y, alpha, temperature, ignore)
    claim(approx(loss, expected_loss))
    claim(approx(ds, expected_ds))


@obligation("KD-IGNORE", equation="knowledge_distillation", type="equivalence", cost=3)
@given(case=kd_ignore_inputs)
def test_kd_ignore(kernel, case):
    """The ignored label may be a word of the vocabulary, that of padding: its tokens do not count, and all others
    do."""
    s, t, y, alpha, temperature, ignore = kernel.receives(case, "s t y alpha temperature ignore")
    loss, ds = kernel.knowledge_distillation(s, t, y, alpha, temperature, ignore)
    expected_loss, expected_ds = spec.knowledge_distillation(s, t, y, alpha, temperature, ignore)
    claim(approx(loss, expected_loss))
    claim(approx(ds, expected_ds))


@obligation("KD-NEGATIVE", equation="knowledge_distillation", type="rejection")
@given(case=kd_negative_inputs)
def test_kd_negative(kernel, case):
    """A negative label that is not the ignored one is refused."""
    s, t, y, alpha, temperature, ignore, below = kernel.receives(case, "s t y alpha temperature ignore below")
    T = case.T
    r = grid(T)
    wrong = array[r](-1 - below + 0 * y[r])
    rejects(kernel, "knowledge_distillation", (s, t, wrong, alpha, temperature, ignore), ValueError, mentions=["label"])


@obligation("KD-ALPHA", equation="knowledge_distillation", type="rejection")
@given(case=kd_alpha_inputs)
def test_kd_alpha(kernel, case):
    """A weight outside [0, 1], or NaN, is refused."""
    s, t, y, temperature, ignore, wrong = kernel.receives(case, "s t y temperature ignore wrong")
    rejects(kernel, "knowledge_distillation", (s, t, y, wrong, temperature, ignore), ValueError, mentions=["alpha"])


@obligation("KD-TEMPERATURE", equation="knowledge_distillation", type="rejection")
@given(case=kd_temperature_inputs)
def test_kd_temperature(kernel, case):
    """A temperature that is not positive, or NaN, is refused."""
    s, t, y, alpha, ignore, wrong = kernel.receives(case, "s t y alpha ignore wrong")
    rejects(kernel, "knowledge_distillation", (s, t, y, alpha, wrong, ignore), ValueError, mentions=["temperature"])


@obligation("KD-DEEP", equation="knowledge_distillation", type="boundary")
@given(case=kd_deep_inputs)
def test_kd_deep(kernel, case):
    """Equal logits, of student and of teacher, have no divergence and cost log V, however far from 0 they lie."""
    s, t, y, alpha, temperature, ignore, far, too = kernel.receives(case, "s t y alpha temperature ignore far too")
    T, V = case.T, case.V
    r, v = grid(T, V)
    a = array[r, v](far[r] + 0 * s[r, v])
    b = array[r, v](too[r] + 0 * t[r, v])
    loss, ds = kernel.knowledge_distillation(a, b, y, alpha, temperature, ignore)
    claim(approx(loss, (1 - alpha) * log(V)))
    claim(all[r, v](approx(ds[r, v], (1 - alpha) * (ratio(1, V) - where(v == y[r], 1, 0)) / T)))


@obligation("KD-DEF-KNOWLEDGE_DISTILLATION", equation="knowledge_distillation", type="definition")
@given(case=kd_repeat_inputs)
def test_kd_def_knowledge_distillation(kernel, case):
    """knowledge_distillation computes its definition."""
    s, t, y, alpha, temperature, ignore = kernel.receives(case, "s t y alpha temperature ignore")
    loss, ds = kernel.knowledge_distillation(s, t, y, alpha, temperature, ignore)
    expected_loss, expected_ds = spec.knowledge_distillation(s, t, y, alpha, temperature, ignore)
    claim(approx(loss, expected_loss))
    claim(approx(ds, expected_ds))


@obligation("KD-T-FAR", rule="KD-DEF-KNOWLEDGE_DISTILLATION", type="falsification")
def test_kd_t_far(kernel):
    """Student and teacher that find both words equally likely, 30000 below 0, cost half of log 2, and the label has
    half a step."""
    case = example(
        {"s": "float[T, V]", "t": "float[T, V]", "y": "i64[T]", "alpha": "real", "temperature": "real", "ignore": "int"},
        s=[[-30000.0, -30000.0]],
        t=[[-30000.0, -30000.0]],
        y=[0],
        alpha=0.5,
        temperature=1.0,
        ignore=-100,
    )
    s, t, y, alpha, temperature, ignore = kernel.receives(case, "s t y alpha temperature ignore")
    loss, ds = kernel.knowledge_distillation(s, t, y, alpha, temperature, ignore)
    claim(approx(loss, log(2) / 2))
    claim(approx(ds[0, 0], -0.25))
    claim(approx(ds[0, 1], 0.25))


@obligation("KD-T-VALUE", rule="KD-DEF-KNOWLEDGE_DISTILLATION", type="falsification")
def test_kd_t_value(kernel):
    """Teacher (1/2, 1/2), student (3/4, 1/4) at T = 2, alpha = 1: loss 4 (log 2 - log(3)/2), gradient 2 (1/4, -1/4)."""
    case = example(
        {"s": "float[T, V]", "t": "float[T, V]", "y": "i64[T]", "alpha": "real", "temperature": "real", "ignore": "int"},
        s=[[2.1972245773362196, 0.0]],
        t=[[1.0, 1.0]],
        y=[0],
        alpha=1.0,
        temperature=2.0,
        ignore=-100,
    )
    s, t, y, alpha, temperature, ignore = kernel.receives(case, "s t y alpha temperature ignore")
    loss, ds = kernel.knowledge_distillation(s, t, y, alpha, temperature, ignore)
    claim(abs(loss - 4 * (log(2) - log(3) / 2)) < 0.01)
    claim(abs(ds[0, 0] - 0.5) < 0.01)
    claim(abs(ds[0, 1] + 0.5) < 0.01)


@obligation("KD-T-IGNORED", rule="KD-DEF-KNOWLEDGE_DISTILLATION", type="falsification")
def test_kd_t_ignored(kernel):
    """When every token is ignored, loss and gradient are exactly 0, whatever the logits hold."""
    case = example(
        {"s": "float[T, V]", "t": "float[T, V]", "y": "i64[T]", "alpha": "real", "temperature": "real", "ignore": "int"},
        s=[[1.0, float("-inf"), float("nan")]],
        t=[[float("-inf"), float("-inf"), float("-inf")]],
        y=[-1],
        alpha=0.3,
        temperature=2.0,
        ignore=-1,
    )
    s, t, y, alpha, temperature, ignore = kernel.receives(case, "s t y alpha temperature ignore")
    T, V = case.T, case.V
    r, v = grid(T, V)
    loss, ds = kernel.knowledge_distillation(s, t, y, alpha, temperature, ignore)
    claim(loss == 0)
    claim(all[r, v](ds[r, v] == 0))


@obligation("KD-T-BOTH-IMPOSSIBLE", rule="KD-HOLES", type="falsification")
def test_kd_t_both_impossible(kernel):
    """A class that teacher and student both call impossible adds nothing and gets no gradient."""
    case = example(
        {"s": "float[T, V]", "t": "float[T, V]", "y": "i64[T]", "alpha": "real", "temperature": "real", "ignore": "int"},
        s=[[0.0, float("-inf"), 0.0]],
        t=[[0.0, float("-inf"), 0.0]],
        y=[0],
        alpha=1.0,
        temperature=2.0,
        ignore=-100,
    )
    s, t, y, alpha, temperature, ignore = kernel.receives(case, "s t y alpha temperature ignore")
    loss, ds = kernel.knowledge_distillation(s, t, y, alpha, temperature, ignore)
    claim(approx(loss, 0))
    claim(ds[0, 1] == 0)


@obligation("KD-T-GAP", rule="KD-DEF-KNOWLEDGE_DISTILLATION", type="falsification")
def test_kd_t_gap(kernel):
    """A teacher that is sure of what the student gives exp(-60) costs 60 nats, not what a clamp allows."""
    case = example(
        {"s": "float[T, V]", "t": "float[T, V]", "y": "i64[T]", "alpha": "real", "temperature": "real", "ignore": "int"},
        s=[[60.0, 0.0]],
        t=[[0.0, 60.0]],
        y=[0],
        alpha=1.0,
        temperature=1.0,
        ignore=-100,
    )
    s, t, y, alpha, temperature, ignore = kernel.receives(case, "s t y alpha temperature ignore")
    loss, ds = kernel.knowledge_distillation(s, t, y, alpha, temperature, ignore)
    claim(approx(loss, 60))
    claim(approx(ds[0, 0], 1))
    claim(approx(ds[0, 1], -1))


@obligation("KD-T-ALPHA", rule="KD-VOCABULARY", type="falsification")
def test_kd_t_alpha(kernel):
    """A weight above 1 is refused."""
    case = example(
        {"s": "float[T, V]", "t": "float[T, V]", "y": "i64[T]", "alpha": "real", "temperature": "real", "ignore": "int", "wrong": "float[T, W]"},
        s=[[1.0, 2.0]],
        wrong=[[1.0, 2.0, 0.0]],
        t=[[1.0, 2.0]],
        y=[0],
        alpha=1.5,
        temperature=2.0,
        ignore=-100,
    )
    s, t, y, alpha, temperature, ignore = kernel.receives(case, "s t y alpha temperature ignore")
    rejects(kernel, "knowledge_distillation", (s, t, y, alpha, temperature, ignore), ValueError, mentions=["alpha"])


@obligation("KD-T-TEMPERATURE", rule="KD-VOCABULARY", type="falsification")
def test_kd_t_temperature(kernel):
    """A temperature of 0 is refused."""
    case = example(
        {"s": "float[T, V]", "t": "float[T, V]", "y": "i64[T]", "alpha": "real", "temperature": "real", "ignore": "int", "wrong": "float[T, W]"},
        s=[[1.0, 2.0]],
        wrong=[[1.0, 2.0, 0.0]],
        t=[[1.0, 2.0]],
        y=[0],
        alpha=0.5,
        temperature=0.0,
        ignore=-100,
    )
    s, t, y, alpha, temperature, ignore = kernel.receives(case, "s t y alpha temperature ignore")
    rejects(
        kernel,
        "knowledge_distillation",
        (s, t, y, alpha, temperature, ignore),
        ValueError,
        mentions=["temperature"],
    )
