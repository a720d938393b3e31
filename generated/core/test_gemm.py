"""core/gemm: Matrix products.

Compiled from contracts/core/gemm-v1.yaml: change the contract and run `albor-contracts generate`, never this file.
Meaning: 6dbea0c6726293f7bd7ff0f600ad0224a94168e86a6a30aeb720a5ace0b83ba1
"""

from albor_contracts.testing import (
    abs, all, approx, array, cases, claim, defines, definitions, dot, example, given, gradient, grid, obligation,
    rejects, same_twice, single, sum, supposing,
)

CONTRACT = "core/gemm"


@defines("gemm(a: float[M, K], b: float[K, N]) -> c: float[M, N]")
def gemm(a, b):
    """c = a b"""
    M, K = a.shape
    N = b.shape[1]
    m, k, n = grid(M, K, N)
    c = array[m, n](dot[k](a[m, k], b[k, n]))
    return c


@defines("gemm_backward(g: float[M, N], a: float[M, K], b: float[K, N]) -> da: float[M, K], db: float[K, N]")
def gemm_backward(g, a, b):
    """da = g b^T, db = a^T g"""
    M, N = g.shape
    K = a.shape[1]
    m, n, k = grid(M, N, K)
    da = array[m, k](dot[n](g[m, n], b[k, n]))
    db = array[k, n](dot[m](a[m, k], g[m, n]))
    return da, db


@defines("gemm_tn(a: float[K, M], b: float[K, N]) -> c: float[M, N]")
def gemm_tn(a, b):
    """c = a^T b"""
    K, M = a.shape
    N = b.shape[1]
    k, m, n = grid(K, M, N)
    c = array[m, n](dot[k](a[k, m], b[k, n]))
    return c


@defines("gemm_nt(a: float[M, K], b: float[N, K]) -> c: float[M, N]")
def gemm_nt(a, b):
    """c = a b^T"""
    M, K = a.shape
    N = b.shape[0]
    m, k, n = grid(M, K, N)
    c = array[m, n](dot[k](a[m, k], b[n, k]))
    return c


@defines("gemm_tt(a: float[K, M], b: float[N, K]) -> c: float[M, N]")
def gemm_tt(a, b):
    """c = a^T b^T"""
    K, M = a.shape
    N = b.shape[0]
    k, m, n = grid(K, M, N)
    c = array[m, n](dot[k](a[k, m], b[n, k]))
    return c


spec = definitions(CONTRACT, gemm, gemm_backward, gemm_tn, gemm_nt, gemm_tt)


def supposed_1(case):
    """M * N * K <= 2**18"""
    M, N, K = case.M, case.N, case.K
    return M * N * K <= 2 ** 18


gemm_backward_inputs = cases(
    dims={"M": "1..129", "N": "1..129", "K": "1..129"},
    g="float[M, N] in [-8, 8]",
    a="float[M, K] in [-64, 64]",
    b="float[K, N] in [-64, 64]",
)
gm_euler_inputs = cases(
    dims={"M": "1..64", "N": "1..64", "K": "1..64"},
    work={"M * N * K": 2**18},
    g="float[M, N] in [-8, 8]",
    a="float[M, K] in [-30, 30]",
    b="float[K, N] in [-30, 30]",
)
gemm_inputs = cases(
    dims={"M": "1..257", "N": "1..257", "K": "1..257"},
    work={"M * N": 2**15},
    a="float[M, K] in [-64, 64]",
    b="float[K, N] in [-64, 64]",
)
gm_squares_inputs = cases(
    dims={"M": "K", "N": "K", "K": "2..40"},
    work={"M * N": 2**15},
    a="float[M, K] in [-64, 64]",
    b="float[K, N] in [-64, 64]",
)
gm_linear_inputs = cases(
    dims={"M": "1..65", "N": "1..65", "K": "1..257"},
    work={"M * N": 2**15},
    a="float[M, K] in [-7, 7]",
    b="float[K, N] in [-8, 8]",
    factor="real in [-3, 3]",
    other_a="float[M, K] in [-7, 7]",
)
gm_magnitude_inputs = cases(
    dims={"M": "1..33", "N": "1..33", "K": "1..257"},
    work={"M * N": 2**15},
    a="float[M, K] in [-1e8, 1e8]",
    b="float[K, N] in [-1e8, 1e8]",
)
gm_repeat_inputs = cases(
    dims={"M": "1..4097", "N": "1..4097", "K": "1..4097"},
    work={"M * N": 2**15},
    a="float[M, K] in [-64, 64]",
    b="float[K, N] in [-64, 64]",
)
gm_shape_inputs = cases(
    dims={"M": "1..9", "N": "1..9", "K": "2..9", "L": "1, 10"},
    work={"M * N": 2**15},
    a="float[M, K] in [-64, 64]",
    b="float[K, N] in [-64, 64]",
    wrong="float[L, N] in [-64, 64]",
)
gm_multiples_inputs = cases(
    dims={"M": "1, 3, 64, 128", "N": "2, 5, 64, 128", "K": "32, 64, 96, 128, 160, 256"},
    such_that=supposing(supposed_1),
    work={"M * N": 2**15},
    elements=65536,
    a="float[M, K] in [-64, 64]",
    b="float[K, N] in [-64, 64]",
)
gm_multiples_backward_inputs = cases(
    dims={"M": "1, 32, 64, 96, 128", "N": "2, 32, 64, 96, 128", "K": "3, 64, 128"},
    such_that=supposing(supposed_1),
    elements=49152,
    g="float[M, N] in [-8, 8]",
    a="float[M, K] in [-64, 64]",
    b="float[K, N] in [-64, 64]",
)
gemm_tn_inputs = cases(
    dims={"M": "1..4097", "N": "1..4097", "K": "1..4097"},
    work={"M * N": 2**15},
    a="float[K, M] in [-64, 64]",
    b="float[K, N] in [-64, 64]",
)
gemm_nt_inputs = cases(
    dims={"M": "1..4097", "N": "1..4097", "K": "1..4097"},
    work={"M * N": 2**15},
    a="float[M, K] in [-64, 64]",
    b="float[N, K] in [-64, 64]",
)
gemm_tt_inputs = cases(
    dims={"M": "1..4097", "N": "1..4097", "K": "1..4097"},
    work={"M * N": 2**15},
    a="float[K, M] in [-64, 64]",
    b="float[N, K] in [-64, 64]",
)
gm_def_gemm_backward_inputs = cases(
    dims={"M": "1..4097", "N": "1..4097", "K": "1..4097"},
    g="float[M, N] in [-8, 8]",
    a="float[M, K] in [-64, 64]",
    b="float[K, N] in [-64, 64]",
)


@obligation("GM-GRAD", equation="gemm_backward", type="gradient")
@given(case=gemm_backward_inputs)
def test_gm_grad(kernel, case):
    """da and db are the gradients of sum(g * (a b))."""
    g, a, b = kernel.receives(case, "g a b")
    da, db = kernel.gemm_backward(g, a, b)
    expected_da, expected_db = gradient(spec, "gemm", {"a": a, "b": b}, wrt="a b", cotangents=(g,))
    claim(approx(da, expected_da))
    claim(approx(db, expected_db))


@obligation("GM-EULER", equation="gemm_backward", type="conservation")
@given(case=gm_euler_inputs)
def test_gm_euler(kernel, case):
    """The product is linear in each operand: sum(da a) = sum(db b) = sum(g (a b))."""
    g, a, b = kernel.receives(case, "g a b")
    M, N, K = case.M, case.N, case.K
    m, n, k = grid(M, N, K)
    c = kernel.gemm(a, b)
    da, db = kernel.gemm_backward(g, a, b)
    total = single(dot[m, n](g[m, n], c[m, n]))
    claim(approx(dot[m, k](da[m, k], a[m, k]), total))
    claim(approx(dot[k, n](db[k, n], b[k, n]), total))


@obligation("GM-ORDER", equation="gemm", type="symmetry")
@given(case=gemm_inputs)
def test_gm_order(kernel, case):
    """The transpose of a product is the product of the transposes in the other order."""
    a, b = kernel.receives(case, "a b")
    M, N, K = case.M, case.N, case.K
    m, k, n = grid(M, K, N)
    at = array[k, m](a[m, k])
    bt = array[n, k](b[k, n])
    c = kernel.gemm(a, b)
    d = kernel.gemm(bt, at)
    claim(all[m, n](approx(d[n, m], c[m, n])))


@obligation("GM-LAYOUTS", equation="gemm", type="equivalence")
@given(case=gemm_inputs)
def test_gm_layouts(kernel, case):
    """The four products agree when the operands are transposed accordingly."""
    a, b = kernel.receives(case, "a b")
    M, N, K = case.M, case.N, case.K
    m, k, n = grid(M, K, N)
    at = array[k, m](a[m, k])
    bt = array[n, k](b[k, n])
    nn = kernel.gemm(a, b)
    tn = kernel.gemm_tn(at, b)
    nt = kernel.gemm_nt(a, bt)
    tt = kernel.gemm_tt(at, bt)
    claim(approx(tn, nn))
    claim(approx(nt, nn))
    claim(approx(tt, nn))


@obligation("GM-SQUARES", equation="gemm", type="equivalence")
@given(case=gm_squares_inputs)
def test_gm_squares(kernel, case):
    """Square operands are treated like any others."""
    a, b = kernel.receives(case, "a b")
    M, N, K = case.M, case.N, case.K
    m, k, n = grid(M, K, N)
    at = array[k, m](a[m, k])
    bt = array[n, k](b[k, n])
    nn = kernel.gemm(a, b)
    tn = kernel.gemm_tn(at, b)
    nt = kernel.gemm_nt(a, bt)
    tt = kernel.gemm_tt(at, bt)
    c = spec.gemm(a, b)
    claim(approx(nn, c))
    claim(approx(tn, c))
    claim(approx(nt, c))
    claim(approx(tt, c))


@obligation("GM-LINEAR", equation="gemm", type="linearity")
@given(case=gm_linear_inputs)
def test_gm_linear(kernel, case):
    """The product is linear in its first operand."""
    a, b, factor, other_a = kernel.receives(case, "a b factor other_a")
    M, N, K = case.M, case.N, case.K
    m, k, n = grid(M, K, N)
    mixed = array[m, k](a[m, k] + factor * other_a[m, k])
    c = kernel.gemm(a, b)
    c_other = kernel.gemm(other_a, b)
    c_mixed = kernel.gemm(mixed, b)
    claim(all[m, n](approx(c_mixed[m, n], c[m, n] + factor * c_other[m, n])))


@obligation("GM-MAGNITUDE", equation="gemm", type="boundary")
@given(case=gm_magnitude_inputs)
def test_gm_magnitude(kernel, case):
    """At magnitudes up to 1e8 all four products are still right: finite operands give finite results."""
    a, b = kernel.receives(case, "a b")
    M, N, K = case.M, case.N, case.K
    m, k, n = grid(M, K, N)
    at = array[k, m](a[m, k])
    bt = array[n, k](b[k, n])
    nn = kernel.gemm(a, b)
    tn = kernel.gemm_tn(at, b)
    nt = kernel.gemm_nt(a, bt)
    tt = kernel.gemm_tt(at, bt)
    c = spec.gemm(a, b)
    claim(approx(nn, c))
    claim(approx(tn, c))
    claim(approx(nt, c))
    claim(approx(tt, c))


@obligation("GM-REPEAT", equation="gemm", type="determinism")
@given(case=gm_repeat_inputs)
def test_gm_repeat(kernel, case):
    """The same operands give bitwise the same product."""
    a, b = kernel.receives(case, "a b")
    same_twice(lambda: kernel.gemm(a, b))


@obligation("GM-SHAPE", equation="gemm", type="rejection")
@given(case=gm_shape_inputs)
def test_gm_shape(kernel, case):
    """Operands whose inner sizes differ are refused."""
    a, wrong = kernel.receives(case, "a wrong")
    rejects(kernel, "gemm", (a, wrong), ValueError)


@obligation("GM-MULTIPLES", equation="gemm", type="equivalence")
@given(case=gm_multiples_inputs)
def test_gm_multiples(kernel, case):
    """Sizes that fill their tiles exactly, and inner sizes that fill half a tile or one and a half, give the four
    products of the definition."""
    a, b = kernel.receives(case, "a b")
    M, N, K = case.M, case.N, case.K
    m, k, n = grid(M, K, N)
    at = array[k, m](a[m, k])
    bt = array[n, k](b[k, n])
    nn = kernel.gemm(a, b)
    tn = kernel.gemm_tn(at, b)
    nt = kernel.gemm_nt(a, bt)
    tt = kernel.gemm_tt(at, bt)
    c = spec.gemm(a, b)
    claim(approx(nn, c))
    claim(approx(tn, c))
    claim(approx(nt, c))
    claim(approx(tt, c))


@obligation("GM-MULTIPLES-BACKWARD", equation="gemm_backward", type="equivalence")
@given(case=gm_multiples_backward_inputs)
def test_gm_multiples_backward(kernel, case):
    """Gradients of products agree with the definition where the sizes of the output, which are their inner sizes, fill
    tiles exactly, half a tile, or one and a half."""
    g, a, b = kernel.receives(case, "g a b")
    da, db = kernel.gemm_backward(g, a, b)
    expected_da, expected_db = spec.gemm_backward(g, a, b)
    claim(approx(da, expected_da))
    claim(approx(db, expected_db))


@obligation("GM-DEF-GEMM", equation="gemm", type="definition")
@given(case=gm_repeat_inputs)
def test_gm_def_gemm(kernel, case):
    """gemm computes its definition."""
    a, b = kernel.receives(case, "a b")
    c = kernel.gemm(a, b)
    expected_c = spec.gemm(a, b)
    claim(approx(c, expected_c))


@obligation("GM-DEF-GEMM_TN", equation="gemm_tn", type="definition")
@given(case=gemm_tn_inputs)
def test_gm_def_gemm_tn(kernel, case):
    """gemm_tn computes its definition."""
    a, b = kernel.receives(case, "a b")
    c = kernel.gemm_tn(a, b)
    expected_c = spec.gemm_tn(a, b)
    claim(approx(c, expected_c))


@obligation("GM-DEF-GEMM_NT", equation="gemm_nt", type="definition")
@given(case=gemm_nt_inputs)
def test_gm_def_gemm_nt(kernel, case):
    """gemm_nt computes its definition."""
    a, b = kernel.receives(case, "a b")
    c = kernel.gemm_nt(a, b)
    expected_c = spec.gemm_nt(a, b)
    claim(approx(c, expected_c))


@obligation("GM-DEF-GEMM_TT", equation="gemm_tt", type="definition")
@given(case=gemm_tt_inputs)
def test_gm_def_gemm_tt(kernel, case):
    """gemm_tt computes its definition."""
    a, b = kernel.receives(case, "a b")
    c = kernel.gemm_tt(a, b)
    expected_c = spec.gemm_tt(a, b)
    claim(approx(c, expected_c))


@obligation("GM-DEF-GEMM_BACKWARD", equation="gemm_backward", type="definition")
@given(case=gm_def_gemm_backward_inputs)
def test_gm_def_gemm_backward(kernel, case):
    """gemm_backward computes its definition."""
    g, a, b = kernel.receives(case, "g a b")
    da, db = kernel.gemm_backward(g, a, b)
    expected_da, expected_db = spec.gemm_backward(g, a, b)
    claim(approx(da, expected_da))
    claim(approx(db, expected_db))


@obligation("GM-FT-ORDER", rule="GM-DEF-GEMM", type="falsification")
def test_gm_ft_order(kernel):
    """Two matrices that do not commute: a b has one element, b a none."""
    case = example({"a": "float[M, K]", "b": "float[K, N]"}, a=[[0, 1], [0, 0]], b=[[0, 0], [0, 1]])
    a, b = kernel.receives(case, "a b")
    M, N = case.M, case.N
    m, n = grid(M, N)
    c = kernel.gemm(a, b)
    claim(sum[m, n](c[m, n]) == 1)


@obligation("GM-FT-LARGE", rule="GM-DEF-GEMM_TN", type="falsification")
def test_gm_ft_large(kernel):
    """A gradient of 2^17 in a transposed operand, or of 65504 where float16 ends, stays finite: half of it less a
    quarter is a quarter."""
    case = example(
        {"a": "float[K, M]", "b": "float[K, N]"},
        a=[[131072, -131072], [-131072, 131072]],
        b=[[0.5, 0.25], [0.25, 0.5]],
    )
    a, b = kernel.receives(case, "a b")
    M, N = case.M, case.N
    m, n = grid(M, N)
    c = kernel.gemm_tn(a, b)
    claim(all[m, n](abs(c[m, n]) == 0.25 * abs(a[0, 0])))
