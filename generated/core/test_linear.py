"""core/linear: Affine layer.

Compiled from contracts/core/linear-v1.yaml: change the contract and run `albor-contracts generate`, never this file.
Meaning: 25212c1ab43668ae1631e4c06c454a4080fede6ec3471b8a9267456df71e4fd7
"""

from albor_contracts.testing import (
    all, approx, array, cases, claim, defines, definitions, dot, example, given, gradient, grid, obligation, rejects,
    sum, supposing,
)

CONTRACT = "core/linear"


@defines("linear(x: float[M, K], w: float[N, K], b: float[N]) -> y: float[M, N]")
def linear(x, w, b):
    """y = x w^T + b"""
    M, K = x.shape
    N = w.shape[0]
    m, k, n = grid(M, K, N)
    y = array[m, n](dot[k](x[m, k], w[n, k]) + sum[k](b[n] / K))
    return y


@defines("gemm_nt(a: float[M, K], b: float[N, K]) -> c: float[M, N]")
def gemm_nt(a, b):
    """c = a b^T"""
    M, K = a.shape
    N = b.shape[0]
    m, k, n = grid(M, K, N)
    c = array[m, n](dot[k](a[m, k], b[n, k]))
    return c


@defines(
    "linear_backward(g: float[M, N], x: float[M, K], w: float[N, K])"
    " -> dx: float[M, K], dw: float[N, K], db: float[N]"
)
def linear_backward(g, x, w):
    """dx = g w, dw = g^T x, db = sum over rows of g"""
    M, N = g.shape
    K = x.shape[1]
    m, n, k = grid(M, N, K)
    dx = array[m, k](dot[n](g[m, n], w[n, k]))
    dw = array[n, k](dot[m](g[m, n], x[m, k]))
    db = array[n](sum[m](g[m, n]))
    return dx, dw, db


spec = definitions(CONTRACT, linear, gemm_nt, linear_backward)


def supposed_1(case):
    """M * N * K <= 2**18"""
    M, N, K = case.M, case.N, case.K
    return M * N * K <= 2 ** 18


linear_backward_inputs = cases(
    dims={"M": "1..33", "N": "1..65", "K": "1..129"},
    g="float[M, N] in [-8, 8]",
    x="float[M, K] in [-16, 16]",
    w="float[N, K] in [-8, 8]",
    b="float[N] in [-8, 8]",
)
linear_inputs = cases(
    dims={"M": "1..33", "N": "1..65", "K": "1..129"},
    work={"M * N": 2**15},
    x="float[M, K] in [-16, 16]",
    w="float[N, K] in [-8, 8]",
    b="float[N] in [-64, 64]",
)
li_bias_inputs = cases(
    dims={"M": "1..33", "N": "1..65", "K": "1..129"},
    work={"M * N": 2**15},
    x="float[M, K] in [-16, 16]",
    w="float[N, K] in [-8, 8]",
    b="float[N] in [0.001, 64]",
)
li_square_inputs = cases(
    dims={"M": "1..5", "N": "2..33", "K": "N"},
    work={"M * N": 2**15},
    x="float[M, K] in [-16, 16]",
    w="float[N, K] in [-8, 8]",
    b="float[N] in [-64, 64]",
)
li_shape_inputs = cases(
    dims={"M": "1..33", "N": "1..65", "K": "2..9", "L": "1, 10"},
    work={"M * N": 2**15},
    x="float[M, K] in [-16, 16]",
    w="float[N, K] in [-8, 8]",
    b="float[N] in [-64, 64]",
    wrong="float[N, L] in [-8, 8]",
)
li_shape_backward_inputs = cases(
    dims={"M": "1..33", "N": "1..65", "K": "2..9", "L": "1, 10"},
    g="float[M, N] in [-8, 8]",
    x="float[M, K] in [-16, 16]",
    w="float[N, K] in [-8, 8]",
    wrong="float[N, L] in [-8, 8]",
)
li_tiles_inputs = cases(
    dims={"M": "130, 193", "N": "129", "K": "65, 129"},
    elements=66564,
    x="float[M, K] in [-16, 16]",
    w="float[N, K] in [-8, 8]",
    b="float[N] in [-64, 64]",
    g="float[M, N] in [-8, 8]",
)
li_multiples_inputs = cases(
    dims={"M": "2, 64, 128, 256", "N": "1, 64, 128", "K": "3, 32, 64, 96, 128"},
    such_that=supposing(supposed_1),
    elements=82048,
    x="float[M, K] in [-16, 16]",
    w="float[N, K] in [-8, 8]",
    b="float[N] in [-64, 64]",
    g="float[M, N] in [-8, 8]",
)
li_def_linear_backward_inputs = cases(
    dims={"M": "1..33", "N": "1..65", "K": "1..129"},
    g="float[M, N] in [-8, 8]",
    x="float[M, K] in [-16, 16]",
    w="float[N, K] in [-8, 8]",
)


@obligation("LI-GRAD", equation="linear_backward", type="gradient")
@given(case=linear_backward_inputs)
def test_li_grad(kernel, case):
    """dx, dw and db are the gradients of sum(g * linear(x, w, b))."""
    g, x, w, b = kernel.receives(case, "g x w b")
    dx, dw, db = kernel.linear_backward(g, x, w)
    expected_dx, expected_dw, expected_db = gradient(
        spec,
        "linear",
        {"x": x, "w": w, "b": b},
        wrt="x w b",
        cotangents=(g,),
    )
    claim(approx(dx, expected_dx))
    claim(approx(dw, expected_dw))
    claim(approx(db, expected_db))


@obligation("LI-PRODUCT", equation="linear", type="equivalence")
@given(case=linear_inputs)
def test_li_product(kernel, case):
    """Without bias it is the product of x and the transpose of w."""
    x, w, b = kernel.receives(case, "x w b")
    N = case.N
    n = grid(N)
    none = array[n](0 * b[n])
    y = kernel.linear(x, w, none)
    c = spec.gemm_nt(x, w)
    claim(approx(y, c))


@obligation("LI-BIAS", equation="linear", type="conservation")
@given(case=li_bias_inputs)
def test_li_bias(kernel, case):
    """A row of zeros gives the bias."""
    x, w, b = kernel.receives(case, "x w b")
    M, N, K = case.M, case.N, case.K
    m, k, n = grid(M, K, N)
    none = array[m, k](0 * x[m, k])
    y = kernel.linear(none, w, b)
    claim(all[m, n](approx(y[m, n], b[n])))


@obligation("LI-SQUARE", equation="linear", type="equivalence")
@given(case=li_square_inputs)
def test_li_square(kernel, case):
    """A square weight is transposed like any other."""
    x, w, b = kernel.receives(case, "x w b")
    claim(approx(kernel.linear(x, w, b), spec.linear(x, w, b)))


@obligation("LI-SHAPE", equation="linear", type="rejection")
@given(case=li_shape_inputs)
def test_li_shape(kernel, case):
    """A weight whose rows are not as long as those of x is refused."""
    x, b, wrong = kernel.receives(case, "x b wrong")
    rejects(kernel, "linear", (x, wrong, b), ValueError)


@obligation("LI-SHAPE-BACKWARD", equation="linear_backward", type="rejection")
@given(case=li_shape_backward_inputs)
def test_li_shape_backward(kernel, case):
    """The gradients, too, refuse a weight whose rows are not as long as those of x."""
    g, x, wrong = kernel.receives(case, "g x wrong")
    rejects(kernel, "linear_backward", (g, x, wrong), ValueError)


@obligation("LI-TILES", equation="linear", type="equivalence", cost=4)
@given(case=li_tiles_inputs)
def test_li_tiles(kernel, case):
    """Layers of several tiles each way agree with the definition to the last row and column, gradients included."""
    x, w, b, g = kernel.receives(case, "x w b g")
    y = kernel.linear(x, w, b)
    dx, dw, db = kernel.linear_backward(g, x, w)
    expected = spec.linear(x, w, b)
    expected_dx, expected_dw, expected_db = spec.linear_backward(g, x, w)
    claim(approx(y, expected))
    claim(approx(dx, expected_dx))
    claim(approx(dw, expected_dw))
    claim(approx(db, expected_db))


@obligation("LI-MULTIPLES", equation="linear", type="equivalence")
@given(case=li_multiples_inputs)
def test_li_multiples(kernel, case):
    """Layers that fill their tiles exactly agree with the definition to the last row and column, bias and gradients
    included."""
    x, w, b, g = kernel.receives(case, "x w b g")
    y = kernel.linear(x, w, b)
    dx, dw, db = kernel.linear_backward(g, x, w)
    expected = spec.linear(x, w, b)
    expected_dx, expected_dw, expected_db = spec.linear_backward(g, x, w)
    claim(approx(y, expected))
    claim(approx(dx, expected_dx))
    claim(approx(dw, expected_dw))
    claim(approx(db, expected_db))


@obligation("LI-DEF-LINEAR", equation="linear", type="definition")
@given(case=linear_inputs)
def test_li_def_linear(kernel, case):
    """linear computes its definition."""
    x, w, b = kernel.receives(case, "x w b")
    y = kernel.linear(x, w, b)
    expected_y = spec.linear(x, w, b)
    claim(approx(y, expected_y))


@obligation("LI-DEF-LINEAR_BACKWARD", equation="linear_backward", type="definition")
@given(case=li_def_linear_backward_inputs)
def test_li_def_linear_backward(kernel, case):
    """linear_backward computes its definition."""
    g, x, w = kernel.receives(case, "g x w")
    dx, dw, db = kernel.linear_backward(g, x, w)
    expected_dx, expected_dw, expected_db = spec.linear_backward(g, x, w)
    claim(approx(dx, expected_dx))
    claim(approx(dw, expected_dw))
    claim(approx(db, expected_db))


@obligation("LI-FT-ROW", rule="LI-DEF-LINEAR", type="falsification")
def test_li_ft_row(kernel):
    """x = (1, 10), w = ((1, 2), (3, 4)), b = (100, 200): y = (121, 243)."""
    case = example(
        {"x": "float[M, K]", "w": "float[N, K]", "b": "float[N]"},
        x=[[1, 10]],
        w=[[1, 2], [3, 4]],
        b=[100, 200],
    )
    x, w, b = kernel.receives(case, "x w b")
    y = kernel.linear(x, w, b)
    claim(y[0, 0] == 121)
    claim(y[0, 1] == 243)
