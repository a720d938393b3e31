"""core/squared-sum: Sums of squares.

Compiled from contracts/core/squared-sum-v1.yaml: change the contract and run `albor-contracts generate`, never this file.
Meaning: 5d1b0a0474b29242bfe5e6e34c96022bd18975c7806f049331ee385795685f23
"""

from albor_contracts.testing import (
    approx, array, cases, claim, defines, definitions, dot, example, given, grid, obligation, same_twice, single,
)

CONTRACT = "core/squared-sum"


@defines("squared_sum(x: float[N]) -> s: accum[]")
def squared_sum(x):
    """s = sum x^2"""
    (N,) = x.shape
    i = grid(N)
    s = single(dot[i](x[i], x[i]))
    return s


@defines("squared_sums(x: float[N], y: float[M], z: float[L]) -> a: accum[], b: accum[], c: accum[]")
def squared_sums(x, y, z):
    """a = sum x^2, b = sum y^2, c = sum z^2"""
    (N,) = x.shape
    (M,) = y.shape
    (L,) = z.shape
    i, j, k = grid(N, M, L)
    a = single(dot[i](x[i], x[i]))
    b = single(dot[j](y[j], y[j]))
    c = single(dot[k](z[k], z[k]))
    return a, b, c


spec = definitions(CONTRACT, squared_sum, squared_sums)

squared_sum_inputs = cases(
    dims={"N": "1..1025"},
    x="float[N] in [-100, 100]",
    factor="real in [0.25, 4]",
)
squared_sums_inputs = cases(
    dims={"N": "1..1025", "M": "1..65", "L": "1..33"},
    x="float[N] in [-30000, 30000]",
    y="float[M] in [-30000, 30000]",
    z="float[L] in [-30000, 30000]",
)
sq_long_inputs = cases(
    dims={"N": "65535, 65537, 98305", "M": "1, 98305", "L": "1..3"},
    elements=196611,
    x="float[N] in [0.5, 2]",
    y="float[M] in [0.5, 2]",
    z="float[L] in [0.5, 2]",
)
sq_repeat_inputs = cases(
    dims={"N": "1..129", "M": "1..65", "L": "1..33"},
    x="float[N] in [-30000, 30000]",
    y="float[M] in [-30000, 30000]",
    z="float[L] in [-30000, 30000]",
)
sq_def_squared_sum_inputs = cases(
    dims={"N": "1..1025"},
    x="float[N] in [-30000, 30000]",
)


@obligation("SQ-SCALE", equation="squared_sum", type="homogeneity")
@given(case=squared_sum_inputs)
def test_sq_scale(kernel, case):
    """c times as large elements have c^2 times as large a sum."""
    x, factor = kernel.receives(case, "x factor")
    N = case.N
    n = grid(N)
    scaled = array[n](factor * x[n])
    s = kernel.squared_sum(x)
    s_scaled = kernel.squared_sum(scaled)
    claim(approx(s_scaled, factor ** 2 * s))


@obligation("SQ-PARTS", equation="squared_sums", type="conservation")
@given(case=squared_sums_inputs)
def test_sq_parts(kernel, case):
    """Each place holds the sum of its own tensor, as if it stood alone."""
    x, y, z = kernel.receives(case, "x y z")
    a, b, c = kernel.squared_sums(x, y, z)
    d = kernel.squared_sum(x)
    e = kernel.squared_sum(y)
    f = kernel.squared_sum(z)
    claim(approx(a, d))
    claim(approx(b, e))
    claim(approx(c, f))


@obligation("SQ-LONG", equation="squared_sums", type="equivalence")
@given(case=sq_long_inputs)
def test_sq_long(kernel, case):
    """Tensors of several chunks are summed as wholes, beside others."""
    x, y, z = kernel.receives(case, "x y z")
    a, b, c = kernel.squared_sums(x, y, z)
    d, e, f = spec.squared_sums(x, y, z)
    claim(approx(a, d))
    claim(approx(b, e))
    claim(approx(c, f))


@obligation("SQ-REPEAT", equation="squared_sums", type="determinism")
@given(case=sq_repeat_inputs)
def test_sq_repeat(kernel, case):
    """The same tensors give bitwise the same sums."""
    x, y, z = kernel.receives(case, "x y z")
    same_twice(lambda: kernel.squared_sums(x, y, z))


@obligation("SQ-DEF-SQUARED_SUM", equation="squared_sum", type="definition")
@given(case=sq_def_squared_sum_inputs)
def test_sq_def_squared_sum(kernel, case):
    """squared_sum computes its definition."""
    x = kernel.receives(case, "x")
    s = kernel.squared_sum(x)
    expected_s = spec.squared_sum(x)
    claim(approx(s, expected_s))


@obligation("SQ-DEF-SQUARED_SUMS", equation="squared_sums", type="definition")
@given(case=squared_sums_inputs)
def test_sq_def_squared_sums(kernel, case):
    """squared_sums computes its definition."""
    x, y, z = kernel.receives(case, "x y z")
    a, b, c = kernel.squared_sums(x, y, z)
    expected_a, expected_b, expected_c = spec.squared_sums(x, y, z)
    claim(approx(a, expected_a))
    claim(approx(b, expected_b))
    claim(approx(c, expected_c))


@obligation("SQ-FT-FIVE", rule="SQ-DEF-SQUARED_SUM", type="falsification")
def test_sq_ft_five(kernel):
    """(3, 4) has the sum 25, not the root 5."""
    case = example({"x": "float[N]"}, x=[3, 4])
    x = kernel.receives(case, "x")
    s = kernel.squared_sum(x)
    claim(s == 25)


@obligation("SQ-FT-PLACES", rule="SQ-DEF-SQUARED_SUMS", type="falsification")
def test_sq_ft_places(kernel):
    """Each tensor has its place: (1, 4, 25)."""
    case = example({"x": "float[N]", "y": "float[M]", "z": "float[L]"}, x=[1], y=[2], z=[3, 4])
    x, y, z = kernel.receives(case, "x y z")
    a, b, c = kernel.squared_sums(x, y, z)
    claim(a == 1)
    claim(b == 4)
    claim(c == 25)
