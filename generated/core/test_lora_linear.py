"""core/lora-linear: Linear layer with a low-rank update.

Compiled from contracts/core/lora-linear-v1.yaml: change the contract and run `albor-contracts generate`, never this file.
Meaning: 63903b5bbb2eb96d729ad976c4cf429b31dbc983490cd2813af46993cab6e293
"""

from albor_contracts.testing import (
    approx, array, cases, cast, claim, defines, definitions, dot, example, given, gradient, grid, obligation, ratio,
    rejects, single, sum,
)

CONTRACT = "core/lora-linear"


@defines("lora_linear(x: float[M, K], w: float[N, K], a: float[K, R], b: float[R, N], alpha: real) -> y: float[M, N]")
def lora_linear(x, w, a, b, alpha):
    """y = x w^T + (alpha / r) (x a) b"""
    M, K = x.shape
    N = w.shape[0]
    R = a.shape[1]
    m, k, q, n = grid(M, K, R, N)
    u = array[m, q](cast(dot[k](x[m, k], a[k, q])))
    c = array[m, n](cast(dot[k](x[m, k], w[n, k])))
    y = array[m, n](c[m, n] + cast(ratio(alpha, R) * cast(dot[q](u[m, q], b[q, n]))))
    return y


@defines("linear(x: float[M, K], w: float[N, K], b: float[N]) -> y: float[M, N]")
def linear(x, w, b):
    """y = x w^T + b"""
    M, K = x.shape
    N = w.shape[0]
    m, k, n = grid(M, K, N)
    y = array[m, n](dot[k](x[m, k], w[n, k]) + sum[k](b[n] / K))
    return y


@defines(
    "lora_linear_backward(g: float[M, N], x: float[M, K], w: float[N, K], a: float[K, R], b: float[R, N], "
    "alpha: real) -> dx: float[M, K], da: float[K, R], db: float[R, N]"
)
def lora_linear_backward(g, x, w, a, b, alpha):
    """dx = g w + s h a^T, da = s x^T h, db = s (x a)^T g, with s = alpha / r, h = g b^T"""
    M, N = g.shape
    K = x.shape[1]
    R = a.shape[1]
    m, n, q, k = grid(M, N, R, K)
    s = single(ratio(alpha, R))
    h = array[m, q](cast(s * dot[n](g[m, n], b[q, n])))
    c = array[m, k](cast(dot[n](g[m, n], w[n, k])))
    u = array[m, q](cast(s * dot[k](x[m, k], a[k, q])))
    dx = array[m, k](c[m, k] + cast(dot[q](h[m, q], a[k, q])))
    da = array[k, q](dot[m](x[m, k], h[m, q]))
    db = array[q, n](dot[m](u[m, q], g[m, n]))
    return dx, da, db


spec = definitions(CONTRACT, lora_linear, linear, lora_linear_backward)

lora_linear_backward_inputs = cases(
    dims={"M": "1..17", "N": "1..33", "K": "1..65", "R": "1..8"},
    g="float[M, N] in [-4, 4]",
    x="float[M, K] in [-8, 8]",
    w="float[N, K] in [-4, 4]",
    a="float[K, R] in [-2, 2]",
    b="float[R, N] in [-2, 2]",
    alpha="real in [0.5, 32]",
)
lora_linear_inputs = cases(
    dims={"M": "1..17", "N": "1..33", "K": "1..65", "R": "1..8"},
    work={"M * N": 2**15},
    x="float[M, K] in [-8, 8]",
    w="float[N, K] in [-4, 4]",
    a="float[K, R] in [-2, 2]",
    b="float[R, N] in [-2, 2]",
    alpha="real in [0.5, 32]",
)
lo_merge_inputs = cases(
    dims={"M": "1..17", "N": "1..33", "K": "1..65", "R": "1..8"},
    work={"M * N": 2**15, "N * K * R": 2**18, "N * K * M": 2**18},
    x="float[M, K] in [-8, 8]",
    w="float[N, K] in [-4, 4]",
    a="float[K, R] in [-2, 2]",
    b="float[R, N] in [-2, 2]",
    alpha="real in [0.5, 32]",
)
lo_double_inputs = cases(
    dims={"M": "1..17", "N": "1..33", "K": "1..65", "R": "1..4", "Q": "2 * R"},
    work={"M * N": 2**15},
    x="float[M, K] in [-8, 8]",
    w="float[N, K] in [-4, 4]",
    a="float[K, R] in [-2, 2]",
    b="float[R, N] in [-2, 2]",
    alpha="real in [0.5, 32]",
    a2="float[K, Q] in [-2, 2]",
    b2="float[Q, N] in [-2, 2]",
)
lo_square_inputs = cases(
    dims={"M": "1..5", "N": "R", "K": "R", "R": "2..8"},
    work={"M * N": 2**15},
    x="float[M, K] in [-8, 8]",
    w="float[N, K] in [-4, 4]",
    a="float[K, R] in [-2, 2]",
    b="float[R, N] in [-2, 2]",
    alpha="real in [0.5, 32]",
)
lo_shape_inputs = cases(
    dims={"M": "1..17", "N": "1..33", "K": "1..65", "R": "2..8", "L": "1, 9"},
    work={"M * N": 2**15},
    x="float[M, K] in [-8, 8]",
    w="float[N, K] in [-4, 4]",
    a="float[K, R] in [-2, 2]",
    b="float[R, N] in [-2, 2]",
    alpha="real in [0.5, 32]",
    wrong="float[L, N] in [-2, 2]",
)
lo_tiles_inputs = cases(
    dims={"M": "65, 130", "N": "129", "K": "129, 200", "R": "16, 33"},
    elements=79428,
    x="float[M, K] in [-8, 8]",
    w="float[N, K] in [-4, 4]",
    a="float[K, R] in [-2, 2]",
    b="float[R, N] in [-2, 2]",
    alpha="real in [0.5, 32]",
    g="float[M, N] in [-4, 4]",
)


@obligation("LO-GRAD", equation="lora_linear_backward", type="gradient")
@given(case=lora_linear_backward_inputs)
def test_lo_grad(kernel, case):
    """dx, da and db are the gradients of sum(g * lora_linear(x, w, a, b, alpha))."""
    g, x, w, a, b, alpha = kernel.receives(case, "g x w a b alpha")
    dx, da, db = kernel.lora_linear_backward(g, x, w, a, b, alpha)
    expected_dx, expected_da, expected_db = gradient(
        spec,
        "lora_linear",
        {"x": x, "w": w, "a": a, "b": b, "alpha": alpha},
        wrt="x a b",
        cotangents=(g,),
    )
    claim(approx(dx, expected_dx))
    claim(approx(da, expected_da))
    claim(approx(db, expected_db))


@obligation("LO-START", equation="lora_linear", type="boundary")
@given(case=lora_linear_inputs)
def test_lo_start(kernel, case):
    """With B = 0, as training starts, it is the frozen layer."""
    x, w, a, b, alpha = kernel.receives(case, "x w a b alpha")
    N, R = case.N, case.R
    q, n = grid(R, N)
    none = array[q, n](0 * b[q, n])
    zero = array[n](0 * w[n, 0])
    y = kernel.lora_linear(x, w, a, none, alpha)
    frozen = spec.linear(x, w, zero)
    claim(approx(y, frozen))


@obligation("LO-MERGE", equation="lora_linear", type="equivalence")
@given(case=lo_merge_inputs)
def test_lo_merge(kernel, case):
    """It is the layer with the merged weight W + (alpha / r) (A B)^T."""
    x, w, a, b, alpha = kernel.receives(case, "x w a b alpha")
    M, N, K, R = case.M, case.N, case.K, case.R
    n, k, q, m = grid(N, K, R, M)
    merged = array[n, k](w[n, k] + ratio(alpha, R) * dot[q](a[k, q], b[q, n]))
    y = kernel.lora_linear(x, w, a, b, alpha)
    product = array[m, n](dot[k](x[m, k], merged[n, k]))
    claim(approx(y, product))


@obligation("LO-DOUBLE", equation="lora_linear", type="invariance")
@given(case=lo_double_inputs)
def test_lo_double(kernel, case):
    """A and B repeated to twice the rank, at the same alpha, change nothing: the factor is alpha / r."""
    x, w, a, b, alpha, a2, b2 = kernel.receives(case, "x w a b alpha a2 b2")
    N, K, R, Q = case.N, case.K, case.R, case.Q
    k, p, n = grid(K, Q, N)
    wide_a = array[k, p](a[k, p % R] + 0 * a2[k, p])
    wide_b = array[p, n](b[p % R, n] + 0 * b2[p, n])
    y = kernel.lora_linear(x, w, wide_a, wide_b, alpha)
    z = kernel.lora_linear(x, w, a, b, alpha)
    claim(approx(y, z))


@obligation("LO-SQUARE", equation="lora_linear", type="equivalence")
@given(case=lo_square_inputs)
def test_lo_square(kernel, case):
    """Where K = r = N, so that every order of the factors runs, it is still x A B."""
    x, w, a, b, alpha = kernel.receives(case, "x w a b alpha")
    claim(approx(kernel.lora_linear(x, w, a, b, alpha), spec.lora_linear(x, w, a, b, alpha)))


@obligation("LO-SHAPE", equation="lora_linear", type="rejection")
@given(case=lo_shape_inputs)
def test_lo_shape(kernel, case):
    """Factors whose ranks differ are refused."""
    x, w, a, alpha, wrong = kernel.receives(case, "x w a alpha wrong")
    rejects(kernel, "lora_linear", (x, w, a, wrong, alpha), ValueError)


@obligation("LO-TILES", equation="lora_linear", type="equivalence")
@given(case=lo_tiles_inputs)
def test_lo_tiles(kernel, case):
    """Layers of several tiles, with factors of ranks beyond 16, agree with the definition, gradients included."""
    x, w, a, b, alpha, g = kernel.receives(case, "x w a b alpha g")
    y = kernel.lora_linear(x, w, a, b, alpha)
    dx, da, db = kernel.lora_linear_backward(g, x, w, a, b, alpha)
    expected = spec.lora_linear(x, w, a, b, alpha)
    expected_dx, expected_da, expected_db = spec.lora_linear_backward(g, x, w, a, b, alpha)
    claim(approx(y, expected))
    claim(approx(dx, expected_dx))
    claim(approx(da, expected_da))
    claim(approx(db, expected_db))


@obligation("LO-DEF-LORA_LINEAR", equation="lora_linear", type="definition")
@given(case=lora_linear_inputs)
def test_lo_def_lora_linear(kernel, case):
    """lora_linear computes its definition."""
    x, w, a, b, alpha = kernel.receives(case, "x w a b alpha")
    y = kernel.lora_linear(x, w, a, b, alpha)
    expected_y = spec.lora_linear(x, w, a, b, alpha)
    claim(approx(y, expected_y))


@obligation("LO-DEF-LORA_LINEAR_BACKWARD", equation="lora_linear_backward", type="definition")
@given(case=lora_linear_backward_inputs)
def test_lo_def_lora_linear_backward(kernel, case):
    """lora_linear_backward computes its definition."""
    g, x, w, a, b, alpha = kernel.receives(case, "g x w a b alpha")
    dx, da, db = kernel.lora_linear_backward(g, x, w, a, b, alpha)
    expected_dx, expected_da, expected_db = spec.lora_linear_backward(g, x, w, a, b, alpha)
    claim(approx(dx, expected_dx))
    claim(approx(da, expected_da))
    claim(approx(db, expected_db))


@obligation("LO-FT-HAND", rule="LO-DEF-LORA_LINEAR", type="falsification")
def test_lo_ft_hand(kernel):
    """x = (1, 2), W = 0, A = ((1, 0), (0, 1)), B = ((1, 0), (0, 3)), alpha = 4, r = 2: y = (2, 12)."""
    case = example(
        {"x": "float[M, K]", "w": "float[N, K]", "a": "float[K, R]", "b": "float[R, N]", "alpha": "real"},
        x=[[1, 2]],
        w=[[0, 0], [0, 0]],
        a=[[1, 0], [0, 1]],
        b=[[1, 0], [0, 3]],
        alpha=4,
    )
    x, w, a, b, alpha = kernel.receives(case, "x w a b alpha")
    y = kernel.lora_linear(x, w, a, b, alpha)
    claim(y[0, 0] == 2)
    claim(y[0, 1] == 12)


@obligation("LO-FT-FIRST-STEP", rule="LO-DEF-LORA_LINEAR_BACKWARD", type="falsification")
def test_lo_ft_first_step(kernel):
    """At B = 0 the gradient of A is zero and that of B is not: B moves first."""
    case = example(
        {"g": "float[M, N]", "x": "float[M, K]", "w": "float[N, K]", "a": "float[K, R]", "b": "float[R, N]", "alpha": "real"},
        g=[[1]],
        x=[[3]],
        w=[[1]],
        a=[[2]],
        b=[[0]],
        alpha=8,
    )
    g, x, w, a, b, alpha = kernel.receives(case, "g x w a b alpha")
    dx, da, db = kernel.lora_linear_backward(g, x, w, a, b, alpha)
    claim(da[0, 0] == 0)
    claim(db[0, 0] == 48)
    claim(dx[0, 0] == 1)
