"""core/rmsnorm: RMSNorm.

Compiled from contracts/core/rmsnorm-v1.yaml: change the contract and run `albor-contracts generate`, never this file.
Meaning: bf9fb5df9c13616084274ee0444f8264fd1366b0f42ad5cfd7d1e622dfeb69ba
"""

from albor_contracts.testing import (
    abs, all, approx, array, cases, claim, defines, definitions, dot, example, given, gradient, grid, independent, mean,
    obligation, rejects, same_twice, sqrt, sum, uses_at_most, where,
)

CONTRACT = "core/rmsnorm"


@defines("rmsnorm(x: float[R, N], w: float[N], eps: real) -> y: float[R, N]")
def rmsnorm(x, w, eps):
    """y = x / sqrt(mean(x^2) + eps) * w"""
    R, N = x.shape
    r, j, i = grid(R, N, N)
    q = array[r](mean[j](x[r, j] * x[r, j]))
    y = array[r, i](x[r, i] / sqrt(q[r] + eps) * w[i])
    return y


@defines("rmsnorm_backward(g: float[R, N], x: float[R, N], w: float[N], eps: real) -> dx: float[R, N], dw: float[N]")
def rmsnorm_backward(g, x, w, eps):
    """dx = r (g w - n mean(g w n)), dw = sum over rows of g n, with r = 1 / sqrt(mean(x^2) + eps), n = x r"""
    R, N = g.shape
    r, j, i = grid(R, N, N)
    v = array[r](1 / sqrt(mean[j](x[r, j] * x[r, j]) + eps))
    n = array[r, i](x[r, i] * v[r])
    m = array[r](mean[j](g[r, j] * w[j] * n[r, j]))
    dx = array[r, i](v[r] * (g[r, i] * w[i] - n[r, i] * m[r]))
    dw = array[i](dot[r](g[r, i], n[r, i]))
    return dx, dw


spec = definitions(CONTRACT, rmsnorm, rmsnorm_backward)

rmsnorm_backward_inputs = cases(
    dims={"R": "1..8", "N": "1..1025"},
    g="float[R, N] in [-8, 8]",
    x="float[R, N] in [-60000, 60000]",
    w="float[N] in [-2, 2]",
    eps="real in [1e-6, 1e-3]",
)
rmsnorm_inputs = cases(
    dims={"R": "1..8", "N": "1..1025"},
    x="float[R, N] in [-100, 100]",
    w="float[N] in [-2, 2]",
    eps="real in [1e-6, 1e-3]",
    c="real in [0.5, 8]",
)
rn_unit_inputs = cases(
    dims={"R": "1..8", "N": "1..1025"},
    x="float[R, N] in [-60000, 60000]",
    w="float[N] in {1}",
    eps="real in [1e-6, 1e-3]",
)
rn_rows_inputs = cases(
    dims={"R": "2..8", "N": "1..129"},
    work={"R * R": 2**18},
    x="float[R, N] in [-60000, 60000]",
    w="float[N] in [-2, 2]",
    eps="real in [1e-6, 1e-3]",
    other_x="float[R, N] in [-60000, 60000]",
)
rn_long_inputs = cases(
    dims={"R": "1..3", "N": "16383..20001"},
    elements=65533,
    x="float[R, N] in [-60000, 60000]",
    w="float[N] in [-2, 2]",
    eps="real in [1e-6, 1e-3]",
)
rn_long_backward_inputs = cases(
    dims={"R": "1, 5", "N": "8191, 8193, 12289"},
    elements=135180,
    g="float[R, N] in [-8, 8]",
    x="float[R, N] in [-60000, 60000]",
    w="float[N] in [-2, 2]",
    eps="real in [1e-6, 1e-3]",
)
rn_repeat_inputs = cases(
    dims={"R": "1..8", "N": "1..4097"},
    g="float[R, N] in [-8, 8]",
    x="float[R, N] in [-60000, 60000]",
    w="float[N] in [-2, 2]",
    eps="real in [1e-6, 1e-3]",
)
rn_launch_inputs = cases(
    dims={"R": "1..8", "N": "1..129"},
    x="float[R, N] in [-60000, 60000]",
    w="float[N] in [-2, 2]",
    eps="real in [1e-6, 1e-3]",
)
rn_launch_backward_inputs = cases(
    dims={"R": "1..8", "N": "1..129"},
    g="float[R, N] in [-8, 8]",
    x="float[R, N] in [-60000, 60000]",
    w="float[N] in [-2, 2]",
    eps="real in [1e-6, 1e-3]",
)
rn_shape_inputs = cases(
    dims={"R": "1..8", "N": "2..129", "L": "1, 130"},
    x="float[R, N] in [-60000, 60000]",
    w="float[N] in [-2, 2]",
    eps="real in [1e-6, 1e-3]",
    wrong="float[L] in [-2, 2]",
)
rn_long_narrow_inputs = cases(
    dims={"R": "1..2", "N": "16448, 16512"},
    elements=49345,
    x="float[R, N] in [0.5, 2]",
    w="float[N] in [-2, 2]",
    eps="real in [1e-6, 1e-5]",
)
rn_batch_inputs = cases(
    dims={"R": "9, 16, 32, 64, 128, 257", "N": "1, 5, 16"},
    g="float[R, N] in [-8, 8]",
    x="float[R, N] in [-60000, 60000]",
    w="float[N] in [-2, 2]",
    eps="real in [1e-6, 1e-3]",
)
rn_thousands_inputs = cases(
    dims={"R": "5003", "N": "2..3"},
    elements=30022,
    g="float[R, N] in [-8, 8]",
    x="float[R, N] in [-60000, 60000]",
    w="float[N] in [-2, 2]",
    eps="real in [1e-6, 1e-3]",
)
rn_def_rmsnorm_inputs = cases(
    dims={"R": "1..8", "N": "1..4097"},
    x="float[R, N] in [-60000, 60000]",
    w="float[N] in [-2, 2]",
    eps="real in [1e-6, 1e-3]",
)


@obligation("RN-GRAD", equation="rmsnorm_backward", type="gradient")
@given(case=rmsnorm_backward_inputs)
def test_rn_grad(kernel, case):
    """dx and dw are the gradients of sum(g * rmsnorm(x, w, eps))."""
    g, x, w, eps = kernel.receives(case, "g x w eps")
    dx, dw = kernel.rmsnorm_backward(g, x, w, eps)
    expected_dx, expected_dw = gradient(spec, "rmsnorm", {"x": x, "w": w, "eps": eps}, wrt="x w", cotangents=(g,))
    claim(approx(dx, expected_dx))
    claim(approx(dw, expected_dw))


@obligation("RN-SCALE", equation="rmsnorm", type="invariance")
@given(case=rmsnorm_inputs)
def test_rn_scale(kernel, case):
    """Scaling a row by c leaves the output unchanged when eps is scaled by c^2."""
    x, w, eps, c = kernel.receives(case, "x w eps c")
    R, N = case.R, case.N
    r, i = grid(R, N)
    scaled = array[r, i](c * x[r, i])
    y = kernel.rmsnorm(x, w, eps)
    z = kernel.rmsnorm(scaled, w, c * c * eps)
    claim(approx(z, y))


@obligation("RN-UNIT", equation="rmsnorm", type="conservation")
@given(case=rn_unit_inputs)
def test_rn_unit(kernel, case):
    """With unit weight the mean square of an output row is q / (q + eps), where q is that of the input row."""
    x, w, eps = kernel.receives(case, "x w eps")
    R, N = case.R, case.N
    r, i = grid(R, N)
    y = kernel.rmsnorm(x, w, eps)
    q = array[r](mean[i](x[r, i] * x[r, i]))
    claim(all[r](approx(mean[i](y[r, i] * y[r, i]), q[r] / (q[r] + eps))))


@obligation("RN-RADIAL", equation="rmsnorm_backward", type="conservation")
@given(case=rmsnorm_backward_inputs)
def test_rn_radial(kernel, case):
    """Along x itself only eps keeps a gradient: sum(x dx) = eps r^2 sum(g w n), row by row."""
    g, x, w, eps = kernel.receives(case, "g x w eps")
    R, N = case.R, case.N
    r, j, i = grid(R, N, N)
    dx, _ = kernel.rmsnorm_backward(g, x, w, eps)
    v = array[r](1 / sqrt(mean[j](x[r, j] * x[r, j]) + eps))
    claim(all[r](approx(dot[i](x[r, i], dx[r, i]), eps * v[r] ** 3 * dot[i](g[r, i], w[i], x[r, i]))))


@obligation("RN-ROWS", equation="rmsnorm", type="independence")
@given(case=rn_rows_inputs)
def test_rn_rows(kernel, case):
    """A row of the output depends on that row of the input alone."""
    x, w, eps, other_x = kernel.receives(case, "x w eps other_x")
    R, N = case.R, case.N
    r, i, s, j = grid(R, N, R, N)
    independent(
        lambda x: kernel.rmsnorm(x, w, eps),
        x,
        other_x,
        when=s != r,
        output=(r, i),
        input=(s, j),
        case=case,
    )


@obligation("RN-LONG", equation="rmsnorm", type="equivalence")
@given(case=rn_long_inputs)
def test_rn_long(kernel, case):
    """Rows longer than any block on chip are normalised as wholes."""
    x, w, eps = kernel.receives(case, "x w eps")
    y = kernel.rmsnorm(x, w, eps)
    expected = spec.rmsnorm(x, w, eps)
    claim(approx(y, expected))


@obligation("RN-LONG-BACKWARD", equation="rmsnorm_backward", type="equivalence", cost=3)
@given(case=rn_long_backward_inputs)
def test_rn_long_backward(kernel, case):
    """Rows longer than any block on chip have their gradients taken as wholes."""
    g, x, w, eps = kernel.receives(case, "g x w eps")
    dx, dw = kernel.rmsnorm_backward(g, x, w, eps)
    expected_dx, expected_dw = spec.rmsnorm_backward(g, x, w, eps)
    claim(approx(dx, expected_dx))
    claim(approx(dw, expected_dw))


@obligation("RN-REPEAT", equation="rmsnorm_backward", type="determinism")
@given(case=rn_repeat_inputs)
def test_rn_repeat(kernel, case):
    """The same inputs give bitwise the same gradients."""
    g, x, w, eps = kernel.receives(case, "g x w eps")
    same_twice(lambda: kernel.rmsnorm_backward(g, x, w, eps))


@obligation("RN-LAUNCH", equation="rmsnorm", type="resource")
@given(case=rn_launch_inputs)
def test_rn_launch(kernel, case):
    """One launch normalises all rows."""
    x, w, eps = kernel.receives(case, "x w eps")
    uses_at_most(1, "launches", lambda: kernel.rmsnorm(x, w, eps))


@obligation("RN-LAUNCH-BACKWARD", equation="rmsnorm_backward", type="resource")
@given(case=rn_launch_backward_inputs)
def test_rn_launch_backward(kernel, case):
    """One launch takes the gradients of all rows, and at most one more adds up their parts of dw."""
    g, x, w, eps = kernel.receives(case, "g x w eps")
    uses_at_most(2, "launches", lambda: kernel.rmsnorm_backward(g, x, w, eps))


@obligation("RN-SHAPE", equation="rmsnorm", type="rejection")
@given(case=rn_shape_inputs)
def test_rn_shape(kernel, case):
    """A weight of another length than the rows is refused."""
    x, eps, wrong = kernel.receives(case, "x eps wrong")
    rejects(kernel, "rmsnorm", (x, wrong, eps), ValueError)


@obligation("RN-LONG-NARROW", equation="rmsnorm", type="equivalence")
@given(case=rn_long_narrow_inputs)
def test_rn_long_narrow(kernel, case):
    """The squares of every block of a long row are formed in float32, also where equal elements err in one direction:
    the square of 1.0625 is a tie of bfloat16."""
    x, w, eps = kernel.receives(case, "x w eps")
    R, N = case.R, case.N
    r, i = grid(R, N)
    s = array[r, i](where(i < 16384, 0.001 * x[r, i], 1.0625))
    y = kernel.rmsnorm(s, w, eps)
    expected = spec.rmsnorm(s, w, eps)
    claim(approx(y, expected))


@obligation("RN-BUFFERS", equation="rmsnorm", type="resource")
@given(case=rn_launch_inputs)
def test_rn_buffers(kernel, case):
    """The output is the only buffer: what a backward pass would need is not stored where there is none."""
    x, w, eps = kernel.receives(case, "x w eps")
    uses_at_most(1, "allocations", lambda: kernel.rmsnorm(x, w, eps))


@obligation("RN-BATCH", equation="rmsnorm_backward", type="equivalence")
@given(case=rn_batch_inputs)
def test_rn_batch(kernel, case):
    """Batches of many rows, whole numbers of tiles and others, are normalised to the last row, and dw sums all of
    them."""
    g, x, w, eps = kernel.receives(case, "g x w eps")
    y = kernel.rmsnorm(x, w, eps)
    dx, dw = kernel.rmsnorm_backward(g, x, w, eps)
    expected = spec.rmsnorm(x, w, eps)
    expected_dx, expected_dw = spec.rmsnorm_backward(g, x, w, eps)
    claim(approx(y, expected))
    claim(approx(dx, expected_dx))
    claim(approx(dw, expected_dw))


@obligation("RN-THOUSANDS", equation="rmsnorm_backward", type="equivalence", cost=8)
@given(case=rn_thousands_inputs)
def test_rn_thousands(kernel, case):
    """Thousands of rows, of which every program of a large grid takes several, all add to the gradient of the
    weight."""
    g, x, w, eps = kernel.receives(case, "g x w eps")
    dx, dw = kernel.rmsnorm_backward(g, x, w, eps)
    expected_dx, expected_dw = spec.rmsnorm_backward(g, x, w, eps)
    claim(approx(dx, expected_dx))
    claim(approx(dw, expected_dw))


@obligation("RN-DEF-RMSNORM", equation="rmsnorm", type="definition")
@given(case=rn_def_rmsnorm_inputs)
def test_rn_def_rmsnorm(kernel, case):
    """rmsnorm computes its definition."""
    x, w, eps = kernel.receives(case, "x w eps")
    y = kernel.rmsnorm(x, w, eps)
    expected_y = spec.rmsnorm(x, w, eps)
    claim(approx(y, expected_y))


@obligation("RN-DEF-RMSNORM_BACKWARD", equation="rmsnorm_backward", type="definition")
@given(case=rn_repeat_inputs)
def test_rn_def_rmsnorm_backward(kernel, case):
    """rmsnorm_backward computes its definition."""
    g, x, w, eps = kernel.receives(case, "g x w eps")
    dx, dw = kernel.rmsnorm_backward(g, x, w, eps)
    expected_dx, expected_dw = spec.rmsnorm_backward(g, x, w, eps)
    claim(approx(dx, expected_dx))
    claim(approx(dw, expected_dw))


@obligation("RN-FT-ZERO", rule="RN-DEF-RMSNORM", type="falsification")
def test_rn_ft_zero(kernel):
    """A row of zeros stays zero: eps keeps the root away from zero."""
    case = example({"x": "float[R, N]", "w": "float[N]", "eps": "real"}, x=[[0, 0, 0]], w=[1.5, 2, -1], eps=1e-05)
    x, w, eps = kernel.receives(case, "x w eps")
    R, N = case.R, case.N
    r, i = grid(R, N)
    y = kernel.rmsnorm(x, w, eps)
    claim(all[r, i](y[r, i] == 0))


@obligation("RN-FT-TINY", rule="RN-UNIT", type="falsification")
def test_rn_ft_tiny(kernel):
    """Elements of 1e-4 come out near 0.03 at eps = 1e-5, not near 1: eps outweighs their square a thousandfold."""
    case = example({"x": "float[R, N]", "w": "float[N]", "eps": "real"}, x=[[0.0001, -0.0001]], w=[1, 1], eps=1e-05)
    x, w, eps = kernel.receives(case, "x w eps")
    R, N = case.R, case.N
    r, i = grid(R, N)
    y = kernel.rmsnorm(x, w, eps)
    claim(all[r, i]((abs(y[r, i]) > 0.031) & (abs(y[r, i]) < 0.032)))


@obligation("RN-FT-WEIGHT", rule="RN-RADIAL", type="falsification")
def test_rn_ft_weight(kernel):
    """With g = x = (1, 1) and w = (1, 3) the gradient is (-1, 1): the mean of g w n is 2."""
    case = example(
        {"g": "float[R, N]", "x": "float[R, N]", "w": "float[N]", "eps": "real"},
        g=[[1, 1]],
        x=[[1, 1]],
        w=[1, 3],
        eps=1e-06,
    )
    g, x, w, eps = kernel.receives(case, "g x w eps")
    R, N = case.R, case.N
    r, i = grid(R, N)
    dx, _ = kernel.rmsnorm_backward(g, x, w, eps)
    claim(all[r](abs(sum[i](dx[r, i])) <= 0.001))
