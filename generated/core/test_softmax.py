"""core/softmax: Softmax.

Compiled from contracts/core/softmax-v1.yaml: change the contract and run `albor-contracts generate`, never this file.
Meaning: 14c8a6a4ea7ebc89f29999a197ce181238f960249d2d3e40941541877d18c455
"""

from albor_contracts.testing import (
    all, approx, array, cases, claim, defines, definitions, dot, example, exp, given, gradient, grid, independent, inf,
    isfinite, max, obligation, sum, uses_at_most, where,
)

CONTRACT = "core/softmax"


@defines("softmax(x: float[R, N]) -> p: float[R, N]")
def softmax(x):
    """p = exp(x - max x) / sum exp(x - max x)"""
    R, N = x.shape
    r, i, j = grid(R, N, N)
    e = array[r, i](exp(x[r, i] - max[j](x[r, j])))
    p = array[r, i](e[r, i] / sum[j](e[r, j]))
    return p


@defines("softmax_backward(g: float[R, N], x: float[R, N]) -> dx: float[R, N]")
def softmax_backward(g, x):
    """dx = p (g - sum g p), with p = softmax(x)"""
    R, N = g.shape
    r, i, j = grid(R, N, N)
    e = array[r, i](exp(x[r, i] - max[j](x[r, j])))
    p = array[r, i](e[r, i] / sum[j](e[r, j]))
    dx = array[r, i](p[r, i] * (g[r, i] - dot[j](g[r, j], p[r, j])))
    return dx


spec = definitions(CONTRACT, softmax, softmax_backward)

softmax_inputs = cases(
    dims={"R": "1..5", "N": "1..129"},
    x="float[R, N] in [-120, 120]",
)
sm_sum_inputs = cases(
    dims={"R": "1..5", "N": "1..257"},
    x="float[R, N] in [-120, 120]",
)
sm_order_inputs = cases(
    dims={"R": "1..5", "N": "1..65"},
    work={"R * N * N": 2**18},
    x="float[R, N] in [-120, 120]",
)
sm_shift_inputs = cases(
    dims={"R": "1..5", "N": "1..257"},
    x="float[R, N] in [-10, 10]",
    c="real in [-110, 110]",
)
sm_holes_inputs = cases(
    dims={"R": "1..5", "N": "1..129"},
    x="float[R, N] in [-10, 10]",
    c="real in {-100, 0, 100}",
    gap="int in [2, 5]",
)
sm_wide_inputs = cases(
    dims={"R": "1..1", "N": "16385, 16401, 17001"},
    x="float[R, N] in [-95, -2]",
    hole="int in {0, 16384}",
    first="real in {-50, 0}",
    c="real in {-110, 0, 110}",
)
sm_rows_inputs = cases(
    dims={"R": "2..5", "N": "1..65"},
    work={"R * R": 2**18},
    x="float[R, N] in [-40, 40]",
    other_x="float[R, N] in [-40, 40]",
)
softmax_backward_inputs = cases(
    dims={"R": "1..5", "N": "1..257"},
    g="float[R, N] in [-8, 8]",
    x="float[R, N] in [-120, 120]",
)
sm_wide_backward_inputs = cases(
    dims={"R": "1..1", "N": "8193, 8211, 9001"},
    g="float[R, N] in [-8, 8]",
    x="float[R, N] in [-95, -2]",
    hole="int in {0, 8192}",
    first="real in {-50, 0}",
    c="real in {-110, 0, 110}",
)
sm_launch_inputs = cases(
    dims={"R": "1..5", "N": "1..65"},
    x="float[R, N] in [-120, 120] or {-inf}",
)
sm_tiles_inputs = cases(
    dims={"R": "9, 17", "N": "257, 300"},
    x="float[R, N] in [-40, 40]",
    g="float[R, N] in [-8, 8]",
)
sm_beside_inputs = cases(
    dims={"R": "2..3", "N": "16385, 16401"},
    elements=98310,
    x="float[R, N] in [-40, 40]",
    g="float[R, N] in [-8, 8]",
)
sm_multiples_inputs = cases(
    dims={"R": "4, 8, 16, 64", "N": "64, 128, 256, 512, 1024, 2048"},
    assume=("R * N <= 8192",),
    elements=262144,
    x="float[R, N] in [-40, 40]",
    g="float[R, N] in [-8, 8]",
)
sm_many_rows_inputs = cases(
    dims={"R": "65, 129, 513", "N": "3, 33"},
    x="float[R, N] in [-40, 40]",
)
sm_many_rows_backward_inputs = cases(
    dims={"R": "65, 129, 513", "N": "3, 33"},
    elements=33858,
    g="float[R, N] in [-8, 8]",
    x="float[R, N] in [-40, 40]",
)
sm_def_softmax_inputs = cases(
    dims={"R": "1..5", "N": "1..257"},
    x="float[R, N] in [-120, 120] or {-inf}",
)


@obligation("SM-RANGE", equation="softmax", type="bound")
@given(case=softmax_inputs)
def test_sm_range(kernel, case):
    """Probabilities lie in [0, 1]; both ends occur."""
    x = kernel.receives(case, "x")
    R, N = case.R, case.N
    r, i = grid(R, N)
    p = kernel.softmax(x)
    claim(all[r, i]((0 <= p[r, i]) & (p[r, i] <= 1)))


@obligation("SM-SUM", equation="softmax", type="conservation")
@given(case=sm_sum_inputs)
def test_sm_sum(kernel, case):
    """Each row sums to one."""
    x = kernel.receives(case, "x")
    R, N = case.R, case.N
    r, i = grid(R, N)
    p = kernel.softmax(x)
    claim(all[r](approx(sum[i](p[r, i]), 1)))


@obligation("SM-ORDER", equation="softmax", type="ordering")
@given(case=sm_order_inputs)
def test_sm_order(kernel, case):
    """A larger logit gets no smaller probability; the order need not stay strict."""
    x = kernel.receives(case, "x")
    R, N = case.R, case.N
    r, i, j = grid(R, N, N)
    p = kernel.softmax(x)
    claim(all[r, i, j]((x[r, i] < x[r, j]) | (p[r, j] <= p[r, i])))


@obligation("SM-SHIFT", equation="softmax", type="invariance")
@given(case=sm_shift_inputs)
def test_sm_shift(kernel, case):
    """Adding a constant to a row changes nothing."""
    x, c = kernel.receives(case, "x c")
    R, N = case.R, case.N
    r, i = grid(R, N)
    s = array[r, i](x[r, i] + c)
    p = kernel.softmax(s)
    q = kernel.softmax(x)
    claim(approx(p, q))


@obligation("SM-HOLES", equation="softmax", type="invariance")
@given(case=sm_holes_inputs)
def test_sm_holes(kernel, case):
    """Logits of -inf get exactly 0, and the others get what they get without them."""
    x, c, gap = kernel.receives(case, "x c gap")
    R, N = case.R, case.N
    r, i, j = grid(R, N, N)
    s = array[r, i](where(i % gap == 1, -inf, x[r, i] + c))
    p = kernel.softmax(s)
    kept = array[r](sum[j](exp(x[r, j] - x[r, 0]), where=j % gap != 1))
    claim(all[r, i](approx(p[r, i], where(i % gap == 1, 0, exp(x[r, i] - x[r, 0]) / kept[r])) & ((i % gap != 1) | (p[r, i] == 0))))


@obligation("SM-WIDE", equation="softmax", type="equivalence")
@given(case=sm_wide_inputs)
def test_sm_wide(kernel, case):
    """Rows longer than any block on chip are normalised as wholes, first blocks of -inf included."""
    x, hole, first, c = kernel.receives(case, "x hole first c")
    R, N = case.R, case.N
    r, i = grid(R, N)
    s = array[r, i](where(i < hole, -inf, where(i == N - 1, 0, where(i == 0, first, x[r, i])) + c))
    p = kernel.softmax(s)
    expected = spec.softmax(s)
    claim(approx(p, expected))


@obligation("SM-ROWS", equation="softmax", type="independence")
@given(case=sm_rows_inputs)
def test_sm_rows(kernel, case):
    """A row of probabilities depends on that row of logits alone."""
    x, other_x = kernel.receives(case, "x other_x")
    R, N = case.R, case.N
    r, i, s, j = grid(R, N, R, N)
    independent(
        kernel.softmax,
        x,
        other_x,
        when=s != r,
        output=(r, i),
        input=(s, j),
        case=case,
    )


@obligation("SM-GRAD", equation="softmax_backward", type="gradient")
@given(case=softmax_backward_inputs)
def test_sm_grad(kernel, case):
    """dx is the gradient of sum(g * softmax(x))."""
    g, x = kernel.receives(case, "g x")
    dx = kernel.softmax_backward(g, x)
    (expected_dx,) = gradient(spec, "softmax", {"x": x}, wrt="x", cotangents=(g,))
    claim(approx(dx, expected_dx))


@obligation("SM-ZERO-SUM", equation="softmax_backward", type="conservation")
@given(case=softmax_backward_inputs)
def test_sm_zero_sum(kernel, case):
    """Each row of dx sums to zero: shifting a row changes nothing."""
    g, x = kernel.receives(case, "g x")
    R, N = case.R, case.N
    r, i = grid(R, N)
    dx = kernel.softmax_backward(g, x)
    claim(all[r](approx(sum[i](dx[r, i]), 0)))


@obligation("SM-WIDE-BACKWARD", equation="softmax_backward", type="equivalence")
@given(case=sm_wide_backward_inputs)
def test_sm_wide_backward(kernel, case):
    """Gradients of rows longer than any block are taken over the whole row, first blocks of -inf included."""
    g, x, hole, first, c = kernel.receives(case, "g x hole first c")
    R, N = case.R, case.N
    r, i = grid(R, N)
    s = array[r, i](where(i < hole, -inf, where(i == N - 1, 0, where(i == 0, first, x[r, i])) + c))
    dx = kernel.softmax_backward(g, s)
    expected = spec.softmax_backward(g, s)
    claim(approx(dx, expected))


@obligation("SM-LAUNCH", equation="softmax", type="resource")
@given(case=sm_launch_inputs)
def test_sm_launch(kernel, case):
    """One launch for all rows."""
    x = kernel.receives(case, "x")
    uses_at_most(1, "launches", lambda: kernel.softmax(x))


@obligation("SM-TILES", equation="softmax", type="equivalence")
@given(case=sm_tiles_inputs)
def test_sm_tiles(kernel, case):
    """Batches of more rows than one program takes are normalised to the last row, forward and backward."""
    x, g = kernel.receives(case, "x g")
    p = kernel.softmax(x)
    dx = kernel.softmax_backward(g, x)
    expected_p = spec.softmax(x)
    expected_dx = spec.softmax_backward(g, x)
    claim(approx(p, expected_p))
    claim(approx(dx, expected_dx))


@obligation("SM-BESIDE", equation="softmax", type="equivalence")
@given(case=sm_beside_inputs)
def test_sm_beside(kernel, case):
    """Each of several rows longer than any block is normalised by itself, forward and backward."""
    x, g = kernel.receives(case, "x g")
    p = kernel.softmax(x)
    dx = kernel.softmax_backward(g, x)
    expected_p = spec.softmax(x)
    expected_dx = spec.softmax_backward(g, x)
    claim(approx(p, expected_p))
    claim(approx(dx, expected_dx))


@obligation("SM-MULTIPLES", equation="softmax", type="equivalence")
@given(case=sm_multiples_inputs)
def test_sm_multiples(kernel, case):
    """Rows and columns that fill their tiles exactly are normalised like any others, forward and backward."""
    x, g = kernel.receives(case, "x g")
    p = kernel.softmax(x)
    dx = kernel.softmax_backward(g, x)
    expected_p = spec.softmax(x)
    expected_dx = spec.softmax_backward(g, x)
    claim(approx(p, expected_p))
    claim(approx(dx, expected_dx))


@obligation("SM-MANY-ROWS", equation="softmax", type="equivalence")
@given(case=sm_many_rows_inputs)
def test_sm_many_rows(kernel, case):
    """Each of hundreds of short rows is normalised, to the last one."""
    x = kernel.receives(case, "x")
    p = kernel.softmax(x)
    expected = spec.softmax(x)
    claim(approx(p, expected))


@obligation("SM-MANY-ROWS-BACKWARD", equation="softmax_backward", type="equivalence")
@given(case=sm_many_rows_backward_inputs)
def test_sm_many_rows_backward(kernel, case):
    """Each of hundreds of short rows has its own gradient, to the last one."""
    g, x = kernel.receives(case, "g x")
    dx = kernel.softmax_backward(g, x)
    expected = spec.softmax_backward(g, x)
    claim(approx(dx, expected))


@obligation("SM-DEF-SOFTMAX", equation="softmax", type="definition")
@given(case=sm_def_softmax_inputs)
def test_sm_def_softmax(kernel, case):
    """softmax computes its definition."""
    x = kernel.receives(case, "x")
    p = kernel.softmax(x)
    expected_p = spec.softmax(x)
    claim(approx(p, expected_p))


@obligation("SM-DEF-SOFTMAX_BACKWARD", equation="softmax_backward", type="definition")
@given(case=softmax_backward_inputs)
def test_sm_def_softmax_backward(kernel, case):
    """softmax_backward computes its definition."""
    g, x = kernel.receives(case, "g x")
    dx = kernel.softmax_backward(g, x)
    expected_dx = spec.softmax_backward(g, x)
    claim(approx(dx, expected_dx))


@obligation("SM-FT-EQUAL", rule="SM-DEF-SOFTMAX", type="falsification")
def test_sm_ft_equal(kernel):
    """Equal logits share the mass equally, whatever their size."""
    case = example({"x": "float[R, N]"}, x=[[-30000, -30000, -30000, -30000]])
    x = kernel.receives(case, "x")
    R, N = case.R, case.N
    r, i = grid(R, N)
    p = kernel.softmax(x)
    claim(all[r, i](p[r, i] == 0.25))


@obligation("SM-FT-NONE", rule="SM-DEF-SOFTMAX", type="falsification")
def test_sm_ft_none(kernel):
    """A row of -inf gives NaN, and the row beside it is not touched by it."""
    case = example({"x": "float[R, N]"}, x=[[float("-inf"), float("-inf")], [0, 0]])
    x = kernel.receives(case, "x")
    N = case.N
    i = grid(N)
    p = kernel.softmax(x)
    claim(all[i](~isfinite(p[0, i]) & (p[1, i] == 0.5)))


@obligation("SM-FT-FAR", rule="SM-DEF-SOFTMAX", type="falsification")
def test_sm_ft_far(kernel):
    """A class 200 nats below the largest has exactly 0 in float32, a single column exactly 1: neither end is
    excluded."""
    case = example({"x": "float[R, N]"}, x=[[0, -200]])
    x = kernel.receives(case, "x")
    p = kernel.softmax(x)
    claim(p[0, 0] == 1)
    claim(p[0, 1] <= 1e-80)


@obligation("SM-FT-JACOBIAN", rule="SM-DEF-SOFTMAX_BACKWARD", type="falsification")
def test_sm_ft_jacobian(kernel):
    """At p = (1/2, 1/2) and g = (1, 0) the gradient is (1/4, -1/4)."""
    case = example({"g": "float[R, N]", "x": "float[R, N]"}, g=[[1, 0]], x=[[3, 3]])
    g, x = kernel.receives(case, "g x")
    dx = kernel.softmax_backward(g, x)
    claim(dx[0, 0] == 0.25)
    claim(dx[0, 1] == -0.25)
