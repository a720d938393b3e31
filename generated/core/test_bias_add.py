"""core/bias-add: Bias.

Compiled from contracts/core/bias-add-v1.yaml: change the contract and run `albor-contracts generate`, never this file.
Meaning: 5131db3f62f0d39ed40ced88bc6c1d3c776863c890aeaf7aa79b7bd3f214cfac
"""

from albor_contracts.testing import (
    all, approx, array, cases, claim, defines, definitions, exact, example, given, gradient, grid, obligation, rejects,
    same_twice, sum,
)

CONTRACT = "core/bias-add"


@defines("bias_add(x: float[R, N], b: float[N]) -> y: float[R, N]")
def bias_add(x, b):
    """y = x + b"""
    R, N = x.shape
    r, i = grid(R, N)
    y = array[r, i](x[r, i] + b[i])
    return y


@defines("bias_add_backward(g: float[R, N]) -> db: float[N]")
def bias_add_backward(g):
    """db = sum over rows of g"""
    R, N = g.shape
    r, i = grid(R, N)
    db = array[i](sum[r](g[r, i]))
    return db


spec = definitions(CONTRACT, bias_add, bias_add_backward)

bias_add_backward_inputs = cases(
    dims={"R": "1..33", "N": "1..257"},
    g="float[R, N] in [-8, 8]",
    x="float[R, N] in [-8, 8]",
    b="float[N] in [-8, 8]",
)
bias_add_inputs = cases(
    dims={"R": "1..33", "N": "1..257"},
    x="float[R, N] in [0.001, 20000]",
    b="float[N] in [-20000, 20000]",
)
ba_same_inputs = cases(
    dims={"R": "2..9", "N": "2..65"},
    x="float[R, N] in [-20000, 20000]",
    b="float[N] in [-20000, 20000]",
)
ba_many_inputs = cases(
    dims={"R": "255, 257, 300", "N": "1, 129"},
    elements=38700,
    g="float[R, N] in [0.5, 2]",
)
ba_tiles_inputs = cases(
    dims={"R": "3, 65", "N": "4286 - 63 * R"},
    x="float[R, N] in [-20000, 20000]",
    b="float[N] in [-20000, 20000]",
)
ba_repeat_inputs = cases(
    dims={"R": "1..33", "N": "1..257"},
    g="float[R, N] in [-8, 8]",
)
ba_shape_inputs = cases(
    dims={"R": "1..33", "N": "2..65", "L": "1, 66"},
    x="float[R, N] in [-20000, 20000]",
    b="float[N] in [-20000, 20000]",
    wrong="float[L] in [-8, 8]",
)
ba_large_inputs = cases(
    dims={"R": "2, 257", "N": "33153 - 128 * R"},
    elements=66306,
    x="float[R, N] in [-20000, 20000]",
    b="float[N] in [-20000, 20000]",
)
ba_def_bias_add_inputs = cases(
    dims={"R": "1..33", "N": "1..257"},
    x="float[R, N] in [-20000, 20000]",
    b="float[N] in [-20000, 20000]",
)


@obligation("BA-GRAD", equation="bias_add_backward", type="gradient")
@given(case=bias_add_backward_inputs)
def test_ba_grad(kernel, case):
    """db is the gradient of sum(g * bias_add(x, b))."""
    g, x, b = kernel.receives(case, "g x b")
    db = kernel.bias_add_backward(g)
    (expected_db,) = gradient(spec, "bias_add", {"x": x, "b": b}, wrt="b", cotangents=(g,))
    claim(approx(db, expected_db))


@obligation("BA-ZERO", equation="bias_add", type="boundary")
@given(case=bias_add_inputs)
def test_ba_zero(kernel, case):
    """A bias of zeros leaves every row as it is, bit by bit."""
    x, b = kernel.receives(case, "x b")
    N = case.N
    i = grid(N)
    none = array[i](0 * b[i])
    y = kernel.bias_add(x, none)
    claim(exact(y, x))


@obligation("BA-SAME", equation="bias_add", type="conservation")
@given(case=ba_same_inputs)
def test_ba_same(kernel, case):
    """Rows that are equal stay equal: every row gets the same bias."""
    x, b = kernel.receives(case, "x b")
    R, N = case.R, case.N
    i, r = grid(N, R)
    same = array[r, i](x[0, i] + 0 * x[r, i])
    y = kernel.bias_add(same, b)
    first = array[r, i](y[0, i] + 0 * y[r, i])
    claim(approx(y, first))


@obligation("BA-MANY", equation="bias_add_backward", type="equivalence")
@given(case=ba_many_inputs)
def test_ba_many(kernel, case):
    """Batches of hundreds of rows are summed as wholes."""
    g = kernel.receives(case, "g")
    db = kernel.bias_add_backward(g)
    expected = spec.bias_add_backward(g)
    claim(approx(db, expected))


@obligation("BA-TILES", equation="bias_add", type="equivalence")
@given(case=ba_tiles_inputs)
def test_ba_tiles(kernel, case):
    """Matrices that are wider or higher than a tile are covered to the last row and column."""
    x, b = kernel.receives(case, "x b")
    y = kernel.bias_add(x, b)
    expected = spec.bias_add(x, b)
    claim(approx(y, expected))


@obligation("BA-REPEAT", equation="bias_add_backward", type="determinism")
@given(case=ba_repeat_inputs)
def test_ba_repeat(kernel, case):
    """The same inputs give bitwise the same gradient."""
    g = kernel.receives(case, "g")
    same_twice(lambda: kernel.bias_add_backward(g))


@obligation("BA-SHAPE", equation="bias_add", type="rejection")
@given(case=ba_shape_inputs)
def test_ba_shape(kernel, case):
    """A bias of another length than the rows is refused."""
    x, wrong = kernel.receives(case, "x wrong")
    rejects(kernel, "bias_add", (x, wrong), ValueError)


@obligation("BA-LARGE", equation="bias_add", type="equivalence", cost=12)
@given(case=ba_large_inputs)
def test_ba_large(kernel, case):
    """More than 65536 elements get their bias to the last one."""
    x, b = kernel.receives(case, "x b")
    y = kernel.bias_add(x, b)
    expected = spec.bias_add(x, b)
    claim(approx(y, expected))


@obligation("BA-DEF-BIAS_ADD", equation="bias_add", type="definition")
@given(case=ba_def_bias_add_inputs)
def test_ba_def_bias_add(kernel, case):
    """bias_add computes its definition."""
    x, b = kernel.receives(case, "x b")
    y = kernel.bias_add(x, b)
    expected_y = spec.bias_add(x, b)
    claim(approx(y, expected_y))


@obligation("BA-DEF-BIAS_ADD_BACKWARD", equation="bias_add_backward", type="definition")
@given(case=ba_repeat_inputs)
def test_ba_def_bias_add_backward(kernel, case):
    """bias_add_backward computes its definition."""
    g = kernel.receives(case, "g")
    db = kernel.bias_add_backward(g)
    expected_db = spec.bias_add_backward(g)
    claim(approx(db, expected_db))


@obligation("BA-FT-ROWS", rule="BA-DEF-BIAS_ADD", type="falsification")
def test_ba_ft_rows(kernel):
    """Two rows of (0, 0, 0) become two copies of the bias."""
    case = example({"x": "float[R, N]", "b": "float[N]"}, x=[[0, 0, 0], [0, 0, 0]], b=[1, 2, 3])
    x, b = kernel.receives(case, "x b")
    R, N = case.R, case.N
    r, i = grid(R, N)
    y = kernel.bias_add(x, b)
    claim(all[r, i](y[r, i] == b[i]))


@obligation("BA-FT-SUM", rule="BA-DEF-BIAS_ADD_BACKWARD", type="falsification")
def test_ba_ft_sum(kernel):
    """Rows (1, 10) and (2, 20) give (3, 30): a sum, not a mean."""
    case = example({"g": "float[R, N]"}, g=[[1, 10], [2, 20]])
    g = kernel.receives(case, "g")
    db = kernel.bias_add_backward(g)
    claim(db[0] == 3)
    claim(db[1] == 30)
