"""merge/ties: TIES merging.

Compiled from contracts/merge/ties-v1.yaml: change the contract and run `albor-contracts generate`, never this file.
Meaning: 8f0d024cdb377bccd431e331d1a5a63245acdcd68bf9cbbbd6ec9f4778141d0a
"""

from albor_contracts.testing import (
    abs, all, approx, array, cases, claim, count, defines, definitions, exact, example, given, grid, inf, max, min,
    obligation, ratio, rejects, round, single, sum, supposing, truth, where,
)

CONTRACT = "merge/ties"


@defines("ties(base: float[N], models: float[M, N], weights: float[M], keep: int, lam: real) -> merged: float[N]")
def ties(base, models, weights, keep, lam):
    """merged = base + lam sum_m(D where D agrees) / sum_m(weights where D agrees), D = weights * trim(models - base)"""
    (N,) = base.shape
    M = models.shape[0]
    m, i, j = grid(M, N, N)
    tau = array[m, i](models[m, i] - base[i])
    ahead = array[m, i](count[j]((abs(tau[m, j]) > abs(tau[m, i])) | (abs(tau[m, j]) == abs(tau[m, i])) & (j < i), where=j != i))
    change = array[m, i](where(ahead[m, i] < keep, weights[m] * tau[m, i], 0))
    elected = array[i](where(sum[m](change[m, i]) >= 0, 1, -1))
    agrees = array[m, i](change[m, i] * elected[i] > 0)
    share = array[i](sum[m](where(agrees[m, i], weights[m], 0)))
    mass = array[i](sum[m](where(agrees[m, i], change[m, i], 0)))
    merged = array[i](where(share[i] > 0, base[i] + lam * mass[i] / share[i], base[i]))
    return merged


@defines("kept_count(num: int, den: int, n: int) -> k: int")
def kept_count(num, den, n):
    """k = floor(num n / den)"""
    k = num * n // den
    return k


spec = definitions(CONTRACT, ties, kept_count, "kept(density: real, n: int) -> k: int")


def supposed_1(case):
    """M * N * N <= 2**17"""
    M, N = case.M, case.N
    return M * N * N <= 2 ** 17


ties_inputs = cases(
    dims={"M": "1..2", "N": "1..33"},
    base="float[N] in {-3, -2, -1, 0, 1, 2, 3}",
    models="float[M, N] in {-3, -2, -1, 0, 1, 2, 3}",
    weights="float[M] in {1, 3}",
    keep="int in [0, N]",
    lam="real in {0.5, 1, 2}",
)
tm_keep_inputs = cases(
    dims={"M": "1", "N": "1..65"},
    work={"N * N": 2**18},
    base="float[N] in {-3, -2, -1, 0, 1, 2, 3}",
    models="float[M, N] in {-3, -2, -1, 0, 1, 2, 3}",
    weights="float[M] in {1, 2}",
    keep="int in [0, N]",
    lam="real in {1}",
)
tm_alone_inputs = cases(
    dims={"M": "1", "N": "1..65"},
    base="float[N] in [-64, 64]",
    models="float[M, N] in [-64, 64]",
    weights="float[M] in [0.125, 4]",
    keep="int in [0, N]",
    lam="real in [0.125, 2]",
)
tm_alike_inputs = cases(
    dims={"M": "1..5", "N": "1..65"},
    base="float[N] in [-64, 64]",
    models="float[M, N] in [-64, 64]",
    weights="float[M] in [0.125, 4]",
    keep="int in [0, N]",
    lam="real in [0.125, 2]",
)
tm_order_inputs = cases(
    dims={"M": "1..5", "N": "1..65"},
    base="float[N] in [-64, 64]",
    models="float[M, N] in [-64, 64]",
    weights="float[M] in [0.125, 4]",
    keep="int in [0, N]",
    lam="real in [0.125, 2]",
    order="permutation[M]",
)
tm_scale_inputs = cases(
    dims={"M": "1..5", "N": "1..65"},
    base="float[N] in [-64, 64]",
    models="float[M, N] in [-64, 64]",
    weights="float[M] in [0.125, 4]",
    keep="int in [0, N]",
    lam="real in [0.125, 2]",
    s="real in {0.015625, 0.25, 4}",
    w="real in {0.25, 2}",
)
tm_shift_inputs = cases(
    dims={"M": "1..5", "N": "1..65"},
    base="float[N] in {-3, -2, -1, 0, 1, 2, 3}",
    models="float[M, N] in {-3, -2, -1, 0, 1, 2, 3}",
    weights="float[M] in [0.125, 4]",
    keep="int in [0, N]",
    lam="real in {1}",
    d="float[N] in {-8, -4, 0, 4, 8}",
)
kept_inputs = cases(
    density="real in [0, 1]",
    n="int in [0, 100000]",
    num="int in [0, 100]",
    hundreds="int in [0, 1000]",
)
kept_count_inputs = cases(
    num="int in [0, den]",
    den="int in [1, 1000]",
    n="int in [0, 100000]",
)
tm_keep_range_inputs = cases(
    dims={"M": "1..5", "N": "1..65"},
    base="float[N] in [-64, 64]",
    models="float[M, N] in [-64, 64]",
    weights="float[M] in [0.125, 4]",
    keep="int in [0, N]",
    lam="real in [0.125, 2]",
    wrong="int in [-8, -1] or [66, 80]",
)
tm_shapes_inputs = cases(
    dims={"M": "1..5", "N": "1..65", "L": "1..65"},
    assume=("L != N",),
    base="float[N] in [-64, 64]",
    models="float[M, N] in [-64, 64]",
    weights="float[M] in [0.125, 4]",
    keep="int in [0, N]",
    lam="real in [0.125, 2]",
    other="float[L] in [-64, 64]",
)
tm_weightless_inputs = cases(
    dims={"M": "1..3", "N": "1..9"},
    base="float[N] in [-64, 64]",
    models="float[M, N] in [-64, 64]",
    weights="float[M] in [0.125, 4]",
    keep="int in [0, N]",
    lam="real in [0.125, 2]",
)
tm_count_share_inputs = cases(
    num="int in [0, den]",
    den="int in [1, 1000]",
    n="int in [0, 100000]",
    beyond="int in [1, 9]",
    below="bool",
)
tm_count_size_inputs = cases(
    num="int in [0, den]",
    den="int in [1, 1000]",
    n="int in [0, 100000]",
    wrong="int in [-2, -1]",
)
tm_wide_inputs = cases(
    dims={"M": "1", "N": "1200"},
    base="float[N] in [-64, 64]",
    models="float[M, N] in [-64, 64]",
    weights="float[M] in [0.125, 4]",
    keep="int in [1, 1000]",
    lam="real in [0.125, 2]",
)
tm_many_inputs = cases(
    dims={"M": "6, 8, 9, 16, 32", "N": "3, 16, 64, 128"},
    such_that=supposing(supposed_1),
    base="float[N] in [-64, 64]",
    models="float[M, N] in [-64, 64]",
    weights="float[M] in [0.125, 4]",
    keep="int in [0, N]",
    lam="real in [0.125, 2]",
)
tm_kept_digits_inputs = cases(
    density="real in [0, 1]",
    n="int in [0, 100000]",
    num="int in [0, 1000]",
    fine="int in [0, 10000]",
    eighths="int in [0, 8]",
)
tm_kept_below_inputs = cases(
    density="real in [0, 1]",
    n="int in [0, 100000]",
    num="int in [1, 100]",
    below="real in {1e-7, 1e-8, 1e-9, 1e-11}",
)
tm_every_weight_inputs = cases(
    dims={"M": "2..5", "N": "1..9"},
    base="float[N] in [-64, 64]",
    models="float[M, N] in [-64, 64]",
    weights="float[M] in [0.125, 4]",
    keep="int in [0, N]",
    lam="real in [0.125, 2]",
    which="int in [1, M - 1]",
    bad="real in {-1, -0.125, inf, nan}",
)
tm_wide_weights_inputs = cases(
    dims={"M": "2", "N": "1100"},
    base="float[N] in {-3, -2, -1, 0, 1, 2, 3}",
    models="float[M, N] in {-3, -2, -1, 0, 1, 2, 3}",
    weights="float[M] in {1, 3, 4}",
    keep="int in [0, N]",
    lam="real in {0.5, 1, 2}",
)


@obligation("TM-RULES", equation="ties", type="equivalence")
@given(case=ties_inputs)
def test_tm_rules(kernel, case):
    """On whole numbers, where nothing rounds, the rules for ties decide: lower index, zero elects +1, mean of those
    that agree."""
    base, models, weights, keep, lam = kernel.receives(case, "base models weights keep lam")
    N = case.N
    i = grid(N)
    merged = kernel.ties(base, models, weights, keep, lam)
    expected = spec.ties(base, models, weights, keep, lam)
    claim(all[i](exact(round(16 * merged[i]) + 0, round(16 * expected[i]) + 0)))


@obligation("TM-KEEP", equation="ties", type="conservation")
@given(case=tm_keep_inputs)
def test_tm_keep(kernel, case):
    """One model alone: exactly min(keep, nonzero changes) elements leave the base, and none of the rest changed
    more."""
    base, models, weights, keep, lam = kernel.receives(case, "base models weights keep lam")
    N = case.N
    i, j = grid(N, N)
    merged = kernel.ties(base, models, weights, keep, lam)
    size = array[i](abs(models[0, i] - base[i]))
    moved = array[i](~exact(merged[i] + 0, base[i] + 0))
    claim(count[i](moved[i]) == min(keep, count[i](size[i] > 0)))
    claim(all[i, j](~moved[i] | moved[j] | (size[i] >= size[j])))


@obligation("TM-ALONE", equation="ties", type="boundary")
@given(case=tm_alone_inputs)
def test_tm_alone(kernel, case):
    """One model, kept whole, with lam 1 is that model, whatever its weight."""
    base, models, weights = kernel.receives(case, "base models weights")
    N = case.N
    i = grid(N)
    merged = kernel.ties(base, models, weights, N, 1)
    claim(all[i](approx(merged[i], base[i] + (models[0, i] - base[i]))))


@obligation("TM-ALIKE", equation="ties", type="invariance")
@given(case=tm_alike_inputs)
def test_tm_alike(kernel, case):
    """Models that agree entirely merge to what one of them would, at any weights."""
    base, models, weights, lam = kernel.receives(case, "base models weights lam")
    M, N = case.M, case.N
    i, m = grid(N, M)
    same = array[m, i](models[0, i] + 0 * weights[m])
    merged = kernel.ties(base, same, weights, N, lam)
    claim(all[i](approx(merged[i], base[i] + lam * (models[0, i] - base[i]))))


@obligation("TM-ABSENT", equation="ties", type="invariance")
@given(case=tm_alike_inputs)
def test_tm_absent(kernel, case):
    """A model that changed nothing might as well be absent."""
    base, models, weights, keep, lam = kernel.receives(case, "base models weights keep lam")
    M, N = case.M, case.N
    i, m = grid(N, M)
    with_base = array[m, i](where(m == 0, base[i], models[m, i]))
    light = array[m](where(m == 0, 1, weights[m]))
    heavy = array[m](where(m == 0, 4, weights[m]))
    little = kernel.ties(base, with_base, light, keep, lam)
    much = kernel.ties(base, with_base, heavy, keep, lam)
    claim(approx(little, much))


@obligation("TM-ORDER", equation="ties", type="symmetry")
@given(case=tm_order_inputs)
def test_tm_order(kernel, case):
    """The order of the models does not matter."""
    base, models, weights, keep, lam, order = kernel.receives(case, "base models weights keep lam order")
    M, N = case.M, case.N
    n, m = grid(N, M)
    models_moved = array[m, n](models[order[m], n])
    weights_moved = array[m](weights[order[m]])
    merged = kernel.ties(base, models, weights, keep, lam)
    merged_after = kernel.ties(base, models_moved, weights_moved, keep, lam)
    claim(all[n](approx(merged_after[n], merged[n])))


@obligation("TM-SCALE", equation="ties", type="homogeneity")
@given(case=tm_scale_inputs)
def test_tm_scale(kernel, case):
    """Scaling base and models together scales the result; scaling all weights together changes nothing."""
    base, models, weights, keep, lam, s, w = kernel.receives(case, "base models weights keep lam s w")
    M, N = case.M, case.N
    i, m = grid(N, M)
    b = array[i](s * base[i])
    x = array[m, i](s * models[m, i])
    v = array[m](w * weights[m])
    merged = kernel.ties(base, models, weights, keep, lam)
    scaled = kernel.ties(b, x, v, keep, lam)
    claim(all[i](approx(scaled[i], s * merged[i])))


@obligation("TM-SHIFT", equation="ties", type="invariance")
@given(case=tm_shift_inputs)
def test_tm_shift(kernel, case):
    """Only changes count: adding one vector to base and models alike adds it to the result."""
    base, models, weights, keep, lam, d = kernel.receives(case, "base models weights keep lam d")
    M, N = case.M, case.N
    i, m = grid(N, M)
    b = array[i](base[i] + d[i])
    x = array[m, i](models[m, i] + d[i])
    merged = kernel.ties(base, models, weights, keep, lam)
    shifted = kernel.ties(b, x, weights, keep, lam)
    claim(all[i](approx(shifted[i], merged[i] + d[i])))


@obligation("TM-KEPT", equation="kept", type="conservation")
@given(case=kept_inputs)
def test_tm_kept(kernel, case):
    """A density of num hundredths keeps floor(num n / 100) of n: 0.7 of 90 is 63, and 0.29 of 100 is 29."""
    n, num, hundreds = kernel.receives(case, "n num hundreds")
    k = kernel.kept(ratio(num, 100), n)
    whole_number = kernel.kept(ratio(num, 100), 100 * hundreds)
    claim(k == num * n // 100)
    claim(whole_number == num * hundreds)


@obligation("TM-COUNT", equation="kept_count", type="bound")
@given(case=kept_count_inputs)
def test_tm_count(kernel, case):
    """The count is the largest whole number whose share of n does not exceed num / den."""
    num, den, n = kernel.receives(case, "num den n")
    k = kernel.kept_count(num, den, n)
    claim(0 <= k)
    claim(den * k <= num * n)
    claim(num * n < den * (k + 1))


@obligation("TM-KEEP-RANGE", equation="ties", type="rejection")
@given(case=tm_keep_range_inputs)
def test_tm_keep_range(kernel, case):
    """A count outside 0 .. N is refused."""
    base, models, weights, lam, wrong = kernel.receives(case, "base models weights lam wrong")
    rejects(kernel, "ties", (base, models, weights, wrong, lam), ValueError, mentions=["keep"])


@obligation("TM-WEIGHTS", equation="ties", type="rejection")
@given(case=tm_alike_inputs)
def test_tm_weights(kernel, case):
    """Negative weights are refused: a negative weight flips the sign that its model votes for."""
    base, models, weights, keep, lam = kernel.receives(case, "base models weights keep lam")
    M = case.M
    m = grid(M)
    negative = array[m](where(m == 0, -weights[m], weights[m]))
    rejects(kernel, "ties", (base, models, negative, keep, lam), ValueError, mentions=["weight"])


@obligation("TM-SHAPES", equation="ties", type="rejection")
@given(case=tm_shapes_inputs)
def test_tm_shapes(kernel, case):
    """Models and base of different lengths are refused."""
    models, weights, lam, other = kernel.receives(case, "models weights lam other")
    rejects(kernel, "ties", (other, models, weights, 0, lam), ValueError, mentions=["base"])


@obligation("TM-WEIGHTLESS", equation="ties", type="invariance")
@given(case=tm_weightless_inputs)
def test_tm_weightless(kernel, case):
    """A model of weight zero might as well be the base; where all weights are zero the base stays."""
    base, models, weights, keep, lam = kernel.receives(case, "base models weights keep lam")
    M, N = case.M, case.N
    m, i = grid(M, N)
    light = array[m](where(m == 0, 0, weights[m]))
    with_base = array[m, i](where(m == 0, base[i], models[m, i]))
    merged = kernel.ties(base, models, light, keep, lam)
    expected = kernel.ties(base, with_base, light, keep, lam)
    claim(all[i](approx(merged[i], expected[i]) & (truth(M > 1) | exact(merged[i], base[i]))))


@obligation("TM-FINITE-WEIGHTS", equation="ties", type="rejection")
@given(case=tm_weightless_inputs)
def test_tm_finite_weights(kernel, case):
    """An infinite weight is refused."""
    base, models, weights, keep, lam = kernel.receives(case, "base models weights keep lam")
    M = case.M
    m = grid(M)
    endless = array[m](where(m == 0, inf, weights[m]))
    rejects(kernel, "ties", (base, models, endless, keep, lam), ValueError, mentions=["weight"])


@obligation("TM-COUNT-SHARE", equation="kept_count", type="rejection")
@given(case=tm_count_share_inputs)
def test_tm_count_share(kernel, case):
    """A share below 0 or above 1 is refused."""
    den, n, beyond, below = kernel.receives(case, "den n beyond below")
    share = single(where(below, -beyond, den + beyond))
    rejects(kernel, "kept_count", (share, den, n), ValueError, mentions=["density"])


@obligation("TM-COUNT-SIZE", equation="kept_count", type="rejection")
@given(case=tm_count_size_inputs)
def test_tm_count_size(kernel, case):
    """A negative number of elements is refused."""
    num, den, wrong = kernel.receives(case, "num den wrong")
    rejects(kernel, "kept_count", (num, den, wrong), ValueError, mentions=["negative"])


@obligation("TM-WIDE", equation="ties", type="equivalence", cost=8)
@given(case=tm_wide_inputs)
def test_tm_wide(kernel, case):
    """Tensors of more elements than a block are trimmed as wholes."""
    base, models, weights, keep, lam = kernel.receives(case, "base models weights keep lam")
    merged = kernel.ties(base, models, weights, keep, lam)
    expected = spec.ties(base, models, weights, keep, lam)
    claim(approx(merged, expected))


@obligation("TM-MANY", equation="ties", type="equivalence")
@given(case=tm_many_inputs)
def test_tm_many(kernel, case):
    """Of many models each has its vote and its share, in tensors that fill their blocks as in others."""
    base, models, weights, keep, lam = kernel.receives(case, "base models weights keep lam")
    merged = kernel.ties(base, models, weights, keep, lam)
    expected = spec.ties(base, models, weights, keep, lam)
    claim(approx(merged, expected))


@obligation("TM-KEPT-DIGITS", equation="kept", type="conservation")
@given(case=tm_kept_digits_inputs)
def test_tm_kept_digits(kernel, case):
    """Densities of three digits, eighths and hundredths of a percent among them, keep their share, rounded down: 0.125
    of 1000 is 125."""
    n, num, fine, eighths = kernel.receives(case, "n num fine eighths")
    k = kernel.kept(ratio(num, 1000), n)
    finer = kernel.kept(ratio(fine, 10000), n)
    eighth = kernel.kept(ratio(eighths, 8), n)
    claim(k == num * n // 1000)
    claim(finer == fine * n // 10000)
    claim(eighth == eighths * n // 8)


@obligation("TM-KEPT-BELOW", equation="kept", type="bound")
@given(case=tm_kept_below_inputs)
def test_tm_kept_below(kernel, case):
    """A density just below num hundredths keeps one element of 100 fewer: the count is never rounded up, however
    near."""
    num, below = kernel.receives(case, "num below")
    claim(kernel.kept(ratio(num, 100) - below, 100) == num - 1)
    claim(kernel.kept(1 - below, 1) == 0)


@obligation("TM-EVERY-WEIGHT", equation="ties", type="rejection")
@given(case=tm_every_weight_inputs)
def test_tm_every_weight(kernel, case):
    """A negative weight, an infinite one, and one that is not a number are refused, whichever model has it."""
    base, models, weights, keep, lam, which, bad = kernel.receives(case, "base models weights keep lam which bad")
    M = case.M
    m = grid(M)
    wrong = array[m](where(m == which, bad, weights[m]))
    rejects(kernel, "ties", (base, models, wrong, keep, lam), ValueError, mentions=["weight"])


@obligation("TM-WIDE-WEIGHTS", equation="ties", type="conservation", cost=8)
@given(case=tm_wide_weights_inputs)
def test_tm_wide_weights(kernel, case):
    """Kept whole, each element is the base and the weighted mean of the changes of its own sign, beyond the thousandth
    place as before it."""
    base, models, weights, lam = kernel.receives(case, "base models weights lam")
    M, N = case.M, case.N
    m, i = grid(M, N)
    unequal = array[m](weights[m] + 4 * m)
    merged = kernel.ties(base, models, unequal, N, lam)
    change = array[m, i](unequal[m] * (models[m, i] - base[i]))
    elected = array[i](where(sum[m](change[m, i]) >= 0, 1, -1))
    share = array[i](sum[m](where(change[m, i] * elected[i] > 0, unequal[m], 0)))
    mass = array[i](sum[m](where(change[m, i] * elected[i] > 0, change[m, i], 0)))
    claim(all[i](approx(merged[i], base[i] + lam * mass[i] / max(share[i], 1))))


@obligation("TM-DEF-TIES", equation="ties", type="definition")
@given(case=tm_alike_inputs)
def test_tm_def_ties(kernel, case):
    """ties computes its definition."""
    base, models, weights, keep, lam = kernel.receives(case, "base models weights keep lam")
    merged = kernel.ties(base, models, weights, keep, lam)
    expected_merged = spec.ties(base, models, weights, keep, lam)
    claim(approx(merged, expected_merged))


@obligation("TM-DEF-KEPT_COUNT", equation="kept_count", type="definition")
@given(case=kept_count_inputs)
def test_tm_def_kept_count(kernel, case):
    """kept_count computes its definition."""
    num, den, n = kernel.receives(case, "num den n")
    k = kernel.kept_count(num, den, n)
    expected_k = spec.kept_count(num, den, n)
    claim(approx(k, expected_k))


@obligation("TM-FT-MASS", rule="TM-DEF-TIES", type="falsification")
def test_tm_ft_mass(kernel):
    """Changes +5, -1, -1: the sum is +3, so +5 is elected although two of three models say minus."""
    case = example(
        {"base": "float[N]", "models": "float[M, N]", "weights": "float[M]", "keep": "int", "lam": "real"},
        base=[1],
        models=[[6], [0], [0]],
        weights=[1, 1, 1],
        keep=1,
        lam=1,
    )
    base, models, weights, keep, lam = kernel.receives(case, "base models weights keep lam")
    merged = kernel.ties(base, models, weights, keep, lam)
    claim(exact(merged[0], 6))


@obligation("TM-FT-DISJOINT", rule="TM-DEF-TIES", type="falsification")
def test_tm_ft_disjoint(kernel):
    """Changes 4, 2, 0: the mean over the two that agree is 3."""
    case = example(
        {"base": "float[N]", "models": "float[M, N]", "weights": "float[M]", "keep": "int", "lam": "real"},
        base=[0],
        models=[[4], [2], [0]],
        weights=[1, 1, 1],
        keep=1,
        lam=1,
    )
    base, models, weights, keep, lam = kernel.receives(case, "base models weights keep lam")
    merged = kernel.ties(base, models, weights, keep, lam)
    claim(exact(merged[0], 3))


@obligation("TM-FT-ZERO-SUM", rule="TM-RULES", type="falsification")
def test_tm_ft_zero_sum(kernel):
    """Changes +2 and -2 cancel: +1 is elected, the result is base + 2."""
    case = example(
        {"base": "float[N]", "models": "float[M, N]", "weights": "float[M]", "keep": "int", "lam": "real"},
        base=[1],
        models=[[3], [-1]],
        weights=[1, 1],
        keep=1,
        lam=1,
    )
    base, models, weights, keep, lam = kernel.receives(case, "base models weights keep lam")
    merged = kernel.ties(base, models, weights, keep, lam)
    claim(exact(merged[0], 3))


@obligation("TM-FT-NOBODY", rule="TM-WEIGHTLESS", type="falsification")
def test_tm_ft_nobody(kernel):
    """Where nobody agrees the base stays, bit for bit: minus zero is minus zero."""
    case = example(
        {"base": "float[N]", "models": "float[M, N]", "weights": "float[M]", "keep": "int", "lam": "real"},
        base=[-0.0, 1],
        models=[[-0.0, 1]],
        weights=[1],
        keep=2,
        lam=1,
    )
    base, models, weights, keep, lam = kernel.receives(case, "base models weights keep lam")
    N = case.N
    i = grid(N)
    merged = kernel.ties(base, models, weights, keep, lam)
    claim(all[i](exact(merged[i], base[i])))


@obligation("TM-FT-NO-SHARE", rule="TM-COUNT-SHARE", type="falsification")
def test_tm_ft_no_share(kernel):
    """0 of 0 is no share, and refused as such."""
    case = example(
        {"num": "int", "den": "int", "n": "int", "beyond": "int", "below": "bool"},
        num=0,
        den=0,
        n=10,
        beyond=1,
        below=False,
    )
    num, den, n = kernel.receives(case, "num den n")
    rejects(kernel, "kept_count", (num, den, n), ValueError, mentions=["density"])
