"""attention/activation-statistics: Statistics of named activations.

Compiled from contracts/attention/activation-statistics-v1.yaml: change the contract and run `albor-contracts generate`, never this file.
Meaning: 547dec32e82e955beed1f6131b5bc2607a892669f504e794ebd9466d800efea5
"""

from albor_contracts.testing import (
    abs, all, approx, array, cases, cast, claim, defines, definitions, dot, exact, example, given, grid, inf, isfinite,
    max, mean, obligation, rejects, sigmoid, single, sqrt, where,
)

CONTRACT = "attention/activation-statistics"


@defines("activation_statistics(x: float[N]) -> mu: accum[], sd: accum[]")
def activation_statistics(x):
    """mu = 1/N sum x, sd = sqrt(1/N sum (x - mu)^2)"""
    (N,) = x.shape
    i = grid(N)
    mu = single(mean[i](x[i]))
    sd = single(sqrt(mean[i]((x[i] - mu) * (x[i] - mu))))
    return mu, sd


@defines("largest_difference(a: float[N], b: float[N]) -> d: accum[]")
def largest_difference(a, b):
    """d = max |a - b|"""
    (N,) = a.shape
    i = grid(N)
    d = single(max[i](abs(a[i] - b[i])))
    return d


@defines(
    "captured_statistics(x: float[T, H], w: float[H, D], b: float[D], gate: float[H, I], up: float[H, I], "
    "down: float[I, H], points: int) -> mu: accum[7], sd: accum[7], filled: bool[7]"
)
def captured_statistics(x, w, b, gate, up, down, points):
    """mean and deviation of x, x w, x w + b, x gate, silu(x gate), silu(x gate) x up, (silu(x gate) x up) down"""
    T, H = x.shape
    D = w.shape[1]
    I = gate.shape[1]
    t, h, d, i, k = grid(T, H, D, I, 7)
    q = array[t, d](cast(dot[h](x[t, h], w[h, d])))
    r = array[t, d](cast(q[t, d] + b[d]))
    g = array[t, i](cast(dot[h](x[t, h], gate[h, i])))
    s = array[t, i](cast(g[t, i] * sigmoid(g[t, i])))
    u = array[t, i](cast(dot[h](x[t, h], up[h, i])))
    p = array[t, i](cast(s[t, i] * u[t, i]))
    o = array[t, h](cast(dot[i](p[t, i], down[i, h])))
    m0 = single(mean[t, h](x[t, h]))
    m1 = single(mean[t, d](q[t, d]))
    m2 = single(mean[t, d](r[t, d]))
    m3 = single(mean[t, i](g[t, i]))
    m4 = single(mean[t, i](s[t, i]))
    m5 = single(mean[t, i](p[t, i]))
    m6 = single(mean[t, h](o[t, h]))
    v0 = single(mean[t, h]((x[t, h] - m0) * (x[t, h] - m0)))
    v1 = single(mean[t, d]((q[t, d] - m1) * (q[t, d] - m1)))
    v2 = single(mean[t, d]((r[t, d] - m2) * (r[t, d] - m2)))
    v3 = single(mean[t, i]((g[t, i] - m3) * (g[t, i] - m3)))
    v4 = single(mean[t, i]((s[t, i] - m4) * (s[t, i] - m4)))
    v5 = single(mean[t, i]((p[t, i] - m5) * (p[t, i] - m5)))
    v6 = single(mean[t, h]((o[t, h] - m6) * (o[t, h] - m6)))
    filled = array[k](points >> k & 1 == 1)
    mk = array[k](where(k < 3, where(k == 0, m0, where(k == 1, m1, m2)), where(k < 5, where(k == 3, m3, m4), where(k == 5, m5, m6))))
    vk = array[k](where(k < 3, where(k == 0, v0, where(k == 1, v1, v2)), where(k < 5, where(k == 3, v3, v4), where(k == 5, v5, v6))))
    mu = array[k](where(filled[k], mk[k], inf - inf))
    sd = array[k](where(filled[k], sqrt(vk[k]), inf - inf))
    return mu, sd, filled


spec = definitions(CONTRACT, activation_statistics, largest_difference, captured_statistics)

activation_statistics_inputs = cases(
    dims={"N": "2..17"},
    x="float[N] in [1000, 1001]",
)
ast_long_inputs = cases(
    dims={"N": "16385, 24000, 33000"},
    elements=33001,
    x="float[N] in [-1, 1]",
    c="real in {4, 16}",
)
ast_shift_inputs = cases(
    dims={"N": "1..65"},
    x="float[N] in {-2, -1, 0, 1, 2}",
    c="real in {-8, 4, 16}",
)
ast_blind_inputs = cases(
    dims={"N": "1..129"},
    x="float[N] in [-100, 100]",
    order="permutation[N]",
)
largest_difference_inputs = cases(
    dims={"N": "2..65"},
    a="float[N] in {-3, -1, 0, 2, 5}",
    b="float[N] in [-100, 100]",
)
ast_elements_shapes_inputs = cases(
    dims={"N": "1..9", "M": "1..9"},
    assume=("M != N",),
    a="float[N] in [-100, 100]",
    b="float[N] in [-100, 100]",
    c="float[M] in [-1, 1]",
)
captured_statistics_inputs = cases(
    dims={"T": "1..3", "H": "1..6", "D": "1..6", "I": "1..6"},
    x="float[T, H] in {-1, 0, 1}",
    w="float[H, D] in {-1, 0, 1, 2}",
    b="float[D] in {1, 2, 8}",
    gate="float[H, I] in [-2, 2]",
    up="float[H, I] in [-2, 2]",
    down="float[I, H] in [-2, 2]",
    points="int in {6, 127}",
)
ast_not_asked_inputs = cases(
    dims={"T": "1..3", "H": "1..6", "D": "1..6", "I": "1..6"},
    x="float[T, H] in [-2, 2]",
    w="float[H, D] in [-2, 2]",
    b="float[D] in [1, 8]",
    gate="float[H, I] in [-2, 2]",
    up="float[H, I] in [-2, 2]",
    down="float[I, H] in [-2, 2]",
    points="int in [0, 128)",
)
ast_alone_inputs = cases(
    dims={"T": "1..3", "H": "1..6", "D": "1..6", "I": "1..6"},
    x="float[T, H] in [-2, 2]",
    w="float[H, D] in [-2, 2]",
    b="float[D] in [1, 8]",
    gate="float[H, I] in [-2, 2]",
    up="float[H, I] in [-2, 2]",
    down="float[I, H] in [-2, 2]",
    points="int in [0, 128)",
    which="int in [0, 6]",
)
ast_points_inputs = cases(
    dims={"T": "1..3", "H": "1..6", "D": "1..6", "I": "1..6"},
    x="float[T, H] in [-2, 2]",
    w="float[H, D] in [-2, 2]",
    b="float[D] in [1, 8]",
    gate="float[H, I] in [-2, 2]",
    up="float[H, I] in [-2, 2]",
    down="float[I, H] in [-2, 2]",
    points="int in [0, 128)",
    wrong="int in [128, 300] or [-9, -1]",
)
ast_bias_shape_inputs = cases(
    dims={"T": "1..3", "H": "1..6", "D": "1..6", "I": "1..6", "M": "1..6"},
    assume=("M != D",),
    x="float[T, H] in [-2, 2]",
    w="float[H, D] in [-2, 2]",
    b="float[D] in [1, 8]",
    gate="float[H, I] in [-2, 2]",
    up="float[H, I] in [-2, 2]",
    down="float[I, H] in [-2, 2]",
    points="int in [0, 128)",
    c="float[M] in [1, 8]",
)
ast_no_number_inputs = cases(
    dims={"N": "1..65"},
    a="float[N] in [-100, 100]",
    b="float[N] in [-100, 100]",
    at="int in [0, N - 1]",
)
ast_def_activation_statistics_inputs = cases(
    dims={"N": "1..4099"},
    x="float[N] in [-100, 100]",
)
ast_def_largest_difference_inputs = cases(
    dims={"N": "1..4099"},
    a="float[N] in [-100, 100]",
    b="float[N] in [-100, 100]",
)


@obligation("AST-OFFSET", equation="activation_statistics", type="equivalence")
@given(case=activation_statistics_inputs)
def test_ast_offset(kernel, case):
    """Small deviations around a large mean are found."""
    x = kernel.receives(case, "x")
    mu, sd = kernel.activation_statistics(x)
    m, s = spec.activation_statistics(x)
    claim(approx(mu, m))
    claim(approx(sd, s))


@obligation("AST-LONG", equation="activation_statistics", type="equivalence")
@given(case=ast_long_inputs)
def test_ast_long(kernel, case):
    """Tensors of several chunks have the statistics of the whole."""
    x, c = kernel.receives(case, "x c")
    N = case.N
    i = grid(N)
    y = array[i](x[i] + where(i < 16384, c, where(i < 20480, 0, 0 - c)))
    mu, sd = kernel.activation_statistics(y)
    m, s = spec.activation_statistics(y)
    claim(approx(mu, m))
    claim(approx(sd, s))


@obligation("AST-SHIFT", equation="activation_statistics", type="invariance")
@given(case=ast_shift_inputs)
def test_ast_shift(kernel, case):
    """A constant added to every element moves the mean and leaves the deviation."""
    x, c = kernel.receives(case, "x c")
    N = case.N
    i = grid(N)
    y = array[i](x[i] + c)
    mu, sd = kernel.activation_statistics(x)
    m, s = kernel.activation_statistics(y)
    claim(approx(m, mu + c))
    claim(approx(s, sd))


@obligation("AST-BLIND", equation="activation_statistics", type="invariance")
@given(case=ast_blind_inputs)
def test_ast_blind(kernel, case):
    """The order of the elements does not show in statistics, which is why they decide nothing."""
    x, order = kernel.receives(case, "x order")
    N = case.N
    i = grid(N)
    mu, sd = kernel.activation_statistics(x)
    y = array[i](x[order[i]])
    m, s = kernel.activation_statistics(y)
    claim(approx(m, mu))
    claim(approx(s, sd))


@obligation("AST-ELEMENTS", equation="largest_difference", type="boundary")
@given(case=largest_difference_inputs)
def test_ast_elements(kernel, case):
    """Two tensors with one element exchanged differ, by what the elements differ; a tensor and itself do not."""
    a = kernel.receives(case, "a")
    N = case.N
    i = grid(N)
    turned = array[i](a[N - 1 - i])
    d = kernel.largest_difference(a, turned)
    same = kernel.largest_difference(a, a)
    claim(same == 0)
    claim(d == max[i](abs(a[i] - turned[i])))


@obligation("AST-ELEMENTS-SHAPES", equation="largest_difference", type="rejection")
@given(case=ast_elements_shapes_inputs)
def test_ast_elements_shapes(kernel, case):
    """Tensors of different lengths are refused."""
    a, c = kernel.receives(case, "a c")
    rejects(kernel, "largest_difference", (a, c), ValueError, mentions=["b"])


@obligation("AST-POINT", equation="captured_statistics", type="conservation")
@given(case=captured_statistics_inputs)
def test_ast_point(kernel, case):
    """From before the bias to after it the mean grows by the mean of the bias, and by nothing else."""
    x, w, b, gate, up, down, points = kernel.receives(case, "x w b gate up down points")
    D = case.D
    d = grid(D)
    mu, _, _ = kernel.captured_statistics(x, w, b, gate, up, down, points)
    claim(approx(mu[2] - mu[1], mean[d](b[d])))
    claim(mu[2] > mu[1])


@obligation("AST-NOT-ASKED", equation="captured_statistics", type="boundary")
@given(case=ast_not_asked_inputs)
def test_ast_not_asked(kernel, case):
    """A point is filled exactly when it was asked for: then it is finite, and else it is no number."""
    x, w, b, gate, up, down, points = kernel.receives(case, "x w b gate up down points")
    k = grid(7)
    mu, sd, filled = kernel.captured_statistics(x, w, b, gate, up, down, points)
    claim(all[k]((filled[k] == (points >> k & 1 == 1)) & (isfinite(mu[k]) == filled[k]) & (isfinite(sd[k]) == filled[k])))


@obligation("AST-ALONE", equation="captured_statistics", type="invariance")
@given(case=ast_alone_inputs)
def test_ast_alone(kernel, case):
    """What is recorded at a point does not depend on which others are recorded."""
    x, w, b, gate, up, down, which = kernel.receives(case, "x w b gate up down which")
    k = grid(7)
    mu, sd, _ = kernel.captured_statistics(x, w, b, gate, up, down, 127)
    m, s, _ = kernel.captured_statistics(x, w, b, gate, up, down, 1 << which)
    claim(all[k]((k != which) | exact(m[k], mu[k]) & exact(s[k], sd[k])))


@obligation("AST-POINTS", equation="captured_statistics", type="rejection")
@given(case=ast_points_inputs)
def test_ast_points(kernel, case):
    """A point that does not exist is refused."""
    x, w, b, gate, up, down, wrong = kernel.receives(case, "x w b gate up down wrong")
    rejects(kernel, "captured_statistics", (x, w, b, gate, up, down, wrong), ValueError, mentions=["points"])


@obligation("AST-BIAS-SHAPE", equation="captured_statistics", type="rejection")
@given(case=ast_bias_shape_inputs)
def test_ast_bias_shape(kernel, case):
    """A bias of another length is refused, whatever is recorded."""
    x, w, gate, up, down, points, c = kernel.receives(case, "x w gate up down points c")
    rejects(kernel, "captured_statistics", (x, w, c, gate, up, down, points), ValueError, mentions=["b"])


@obligation("AST-NO-NUMBER", equation="largest_difference", type="boundary")
@given(case=ast_no_number_inputs)
def test_ast_no_number(kernel, case):
    """An element that is no number, in either tensor or in both, leaves no number as the difference: they do not
    agree."""
    a, b, at = kernel.receives(case, "a b at")
    N = case.N
    i = grid(N)
    broken = array[i](where(i == at, inf - inf, a[i]))
    both = array[i](where(i == at, inf - inf, b[i]))
    first = kernel.largest_difference(broken, b)
    second = kernel.largest_difference(a, both)
    third = kernel.largest_difference(broken, both)
    claim(~isfinite(first))
    claim(~isfinite(second))
    claim(~isfinite(third))


@obligation("AST-DEF-ACTIVATION_STATISTICS", equation="activation_statistics", type="definition")
@given(case=ast_def_activation_statistics_inputs)
def test_ast_def_activation_statistics(kernel, case):
    """activation_statistics computes its definition."""
    x = kernel.receives(case, "x")
    mu, sd = kernel.activation_statistics(x)
    expected_mu, expected_sd = spec.activation_statistics(x)
    claim(approx(mu, expected_mu))
    claim(approx(sd, expected_sd))


@obligation("AST-DEF-CAPTURED_STATISTICS", equation="captured_statistics", type="definition")
@given(case=ast_not_asked_inputs)
def test_ast_def_captured_statistics(kernel, case):
    """captured_statistics computes its definition."""
    x, w, b, gate, up, down, points = kernel.receives(case, "x w b gate up down points")
    mu, sd, filled = kernel.captured_statistics(x, w, b, gate, up, down, points)
    expected_mu, expected_sd, expected_filled = spec.captured_statistics(x, w, b, gate, up, down, points)
    claim(approx(mu, expected_mu))
    claim(approx(sd, expected_sd))
    claim(approx(filled, expected_filled))


@obligation("AST-DEF-LARGEST_DIFFERENCE", equation="largest_difference", type="definition")
@given(case=ast_def_largest_difference_inputs)
def test_ast_def_largest_difference(kernel, case):
    """largest_difference computes its definition."""
    a, b = kernel.receives(case, "a b")
    d = kernel.largest_difference(a, b)
    expected_d = spec.largest_difference(a, b)
    claim(approx(d, expected_d))


@obligation("AST-PREDICTS-POPULATION", rule="AST-DEF-ACTIVATION_STATISTICS", type="falsification")
def test_ast_predicts_population(kernel):
    """1, 2, 3, 4 have the mean 2.5 and the deviation sqrt(5) / 2 = 1.118, not 1.291."""
    case = example({"x": "float[N]"}, x=[1, 2, 3, 4])
    x = kernel.receives(case, "x")
    mu, sd = kernel.activation_statistics(x)
    claim(approx(mu, 2.5))
    claim(approx(sd, sqrt(1.25)))


@obligation("AST-PREDICTS-PERMUTED", rule="AST-ELEMENTS", type="falsification")
def test_ast_predicts_permuted(kernel):
    """(1, 2, 3) and (3, 2, 1) have equal statistics and differ by 2."""
    case = example({"a": "float[N]", "b": "float[N]"}, a=[1, 2, 3], b=[3, 2, 1])
    a, b = kernel.receives(case, "a b")
    d = kernel.largest_difference(a, b)
    m, s = kernel.activation_statistics(a)
    n, t = kernel.activation_statistics(b)
    claim(d == 2)
    claim(approx(m, n))
    claim(approx(s, t))


@obligation("AST-PREDICTS-BIAS", rule="AST-POINT", type="falsification")
def test_ast_predicts_bias(kernel):
    """x w = (1, 1) and b = (4, 8): mean 1 and deviation 0 before the bias, 7 and 2 after."""
    case = example(
        {"x": "float[T, H]", "w": "float[H, D]", "b": "float[D]", "gate": "float[H, I]", "up": "float[H, I]", "down": "float[I, H]", "points": "int"},
        x=[[1]],
        w=[[1, 1]],
        b=[4, 8],
        gate=[[0]],
        up=[[1]],
        down=[[1]],
        points=6,
    )
    x, w, b, gate, up, down, points = kernel.receives(case, "x w b gate up down points")
    mu, sd, filled = kernel.captured_statistics(x, w, b, gate, up, down, points)
    claim(approx(mu[1], 1))
    claim(sd[1] == 0)
    claim(approx(mu[2], 7))
    claim(approx(sd[2], 2))
    claim(filled[2])
    claim(~filled[0])
