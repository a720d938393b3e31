"""core/silu: SiLU.

Compiled from contracts/core/silu-v1.yaml: change the contract and run `albor-contracts generate`, never this file.
Meaning: c2bed46be7426c785a7db4974d6c90f294da35d36786c0e4e360283b20ea6079
"""

from albor_contracts.testing import (
    abs, all, approx, array, cases, claim, defines, definitions, example, exp, given, gradient, grid, isfinite, max,
    obligation, sigmoid,
)

CONTRACT = "core/silu"


@defines("silu(x: float[R, N]) -> y: float[R, N]")
def silu(x):
    """y = x sigmoid(x)"""
    R, N = x.shape
    r, i = grid(R, N)
    y = array[r, i](x[r, i] * sigmoid(x[r, i]))
    return y


@defines("silu_backward(g: float[R, N], x: float[R, N]) -> dx: float[R, N]")
def silu_backward(g, x):
    """dx = g s (1 + x (1 - s)), s = sigmoid(x)"""
    R, N = g.shape
    r, i = grid(R, N)
    s = array[r, i](sigmoid(x[r, i]))
    dx = array[r, i](g[r, i] * (s[r, i] * (1 + x[r, i] * (1 - s[r, i]))))
    return dx


spec = definitions(CONTRACT, silu, silu_backward)

silu_inputs = cases(
    dims={"R": "1..6", "N": "1..257"},
    x="float[R, N] in [-120, 120]",
)
si_ratio_inputs = cases(
    dims={"R": "1..6", "N": "1..257"},
    x="float[R, N] in [-10, 10]",
)
si_below_inputs = cases(
    dims={"R": "1..6", "N": "1..257"},
    x="float[R, N] in [-4, 1]",
)
silu_backward_inputs = cases(
    dims={"R": "1..6", "N": "1..257"},
    g="float[R, N] in [-8, 8]",
    x="float[R, N] in [-120, 120]",
)
si_lipschitz_inputs = cases(
    dims={"R": "1..6", "N": "1..257"},
    g="float[R, N] in [-8, 8]",
    x="float[R, N] in [-8, 8]",
)
si_tiles_inputs = cases(
    dims={"R": "3, 65", "N": "4286 - 63 * R"},
    elements=24830,
    x="float[R, N] in [-120, 120]",
    g="float[R, N] in [-8, 8]",
)
si_multiples_inputs = cases(
    dims={"R": "1, 4, 8, 16, 64", "N": "16, 64, 256, 512, 1024, 2048"},
    assume=("R * N <= 8192", "R * N % 1024 == 0",),
    elements=262144,
    x="float[R, N] in [-120, 120]",
    g="float[R, N] in [-8, 8]",
)


@obligation("SI-REFLECT", equation="silu", type="symmetry")
@given(case=silu_inputs)
def test_si_reflect(kernel, case):
    """silu(x) - silu(-x) = x."""
    x = kernel.receives(case, "x")
    R, N = case.R, case.N
    r, i = grid(R, N)
    opposite = array[r, i](-x[r, i])
    y = kernel.silu(x)
    z = kernel.silu(opposite)
    claim(all[r, i](approx(y[r, i] - z[r, i], x[r, i])))


@obligation("SI-RATIO", equation="silu", type="invariance")
@given(case=si_ratio_inputs)
def test_si_ratio(kernel, case):
    """silu(x) = -exp(x) silu(-x): the sigmoid is the logistic one. With the reflection law this leaves no other
    function."""
    x = kernel.receives(case, "x")
    R, N = case.R, case.N
    r, i = grid(R, N)
    opposite = array[r, i](-x[r, i])
    y = kernel.silu(x)
    z = kernel.silu(opposite)
    claim(all[r, i](approx(y[r, i], -(exp(x[r, i]) * z[r, i]))))


@obligation("SI-BELOW", equation="silu", type="bound")
@given(case=si_below_inputs)
def test_si_below(kernel, case):
    """No value lies below -0.27846454277."""
    x = kernel.receives(case, "x")
    R, N = case.R, case.N
    r, i = grid(R, N)
    y = kernel.silu(x)
    claim(all[r, i](-0.27846454277 <= y[r, i]))


@obligation("SI-GRAD", equation="silu_backward", type="gradient")
@given(case=silu_backward_inputs)
def test_si_grad(kernel, case):
    """dx is the gradient of sum(g * silu(x))."""
    g, x = kernel.receives(case, "g x")
    dx = kernel.silu_backward(g, x)
    (expected_dx,) = gradient(spec, "silu", {"x": x}, wrt="x", cotangents=(g,))
    claim(approx(dx, expected_dx))


@obligation("SI-LIPSCHITZ", equation="silu_backward", type="bound")
@given(case=si_lipschitz_inputs)
def test_si_lipschitz(kernel, case):
    """The derivative of silu lies in [-0.09984, 1.09984]: |dx| <= 1.09984 |g|."""
    g, x = kernel.receives(case, "g x")
    R, N = case.R, case.N
    r, i = grid(R, N)
    dx = kernel.silu_backward(g, x)
    claim(all[r, i](abs(dx[r, i]) <= 1.0998393202 * abs(g[r, i])))


@obligation("SI-MIRROR", equation="silu_backward", type="conservation")
@given(case=silu_backward_inputs)
def test_si_mirror(kernel, case):
    """The derivatives at x and -x add up to 1."""
    g, x = kernel.receives(case, "g x")
    R, N = case.R, case.N
    r, i = grid(R, N)
    opposite = array[r, i](-x[r, i])
    a = kernel.silu_backward(g, x)
    b = kernel.silu_backward(g, opposite)
    claim(all[r, i](approx(a[r, i] + b[r, i], g[r, i])))


@obligation("SI-TILES", equation="silu", type="equivalence")
@given(case=si_tiles_inputs)
def test_si_tiles(kernel, case):
    """Matrices that are wider or higher than a tile are covered to the last row and column, forward and backward."""
    x, g = kernel.receives(case, "x g")
    y = kernel.silu(x)
    dx = kernel.silu_backward(g, x)
    expected_y = spec.silu(x)
    expected_dx = spec.silu_backward(g, x)
    claim(approx(y, expected_y))
    claim(approx(dx, expected_dx))


@obligation("SI-MULTIPLES", equation="silu", type="equivalence")
@given(case=si_multiples_inputs)
def test_si_multiples(kernel, case):
    """Matrices whose elements fill their blocks exactly are covered to the last one, forward and backward."""
    x, g = kernel.receives(case, "x g")
    y = kernel.silu(x)
    dx = kernel.silu_backward(g, x)
    expected_y = spec.silu(x)
    expected_dx = spec.silu_backward(g, x)
    claim(approx(y, expected_y))
    claim(approx(dx, expected_dx))


@obligation("SI-DEF-SILU", equation="silu", type="definition")
@given(case=silu_inputs)
def test_si_def_silu(kernel, case):
    """silu computes its definition."""
    x = kernel.receives(case, "x")
    y = kernel.silu(x)
    expected_y = spec.silu(x)
    claim(approx(y, expected_y))


@obligation("SI-DEF-SILU_BACKWARD", equation="silu_backward", type="definition")
@given(case=silu_backward_inputs)
def test_si_def_silu_backward(kernel, case):
    """silu_backward computes its definition."""
    g, x = kernel.receives(case, "g x")
    dx = kernel.silu_backward(g, x)
    expected_dx = spec.silu_backward(g, x)
    claim(approx(dx, expected_dx))


@obligation("SI-FT-FAR", rule="SI-DEF-SILU", type="falsification")
def test_si_ft_far(kernel):
    """Far from zero silu is the identity or nothing: no overflow, no NaN."""
    case = example({"x": "float[R, N]"}, x=[[100, -100, 30000, -30000]])
    x = kernel.receives(case, "x")
    R, N = case.R, case.N
    r, i = grid(R, N)
    y = kernel.silu(x)
    claim(all[r, i](isfinite(y[r, i]) & (abs(y[r, i] - max(x[r, i], 0)) <= 0.001)))


@obligation("SI-FT-TWO", rule="SI-GRAD", type="falsification")
def test_si_ft_two(kernel):
    """The derivative at x = 2 is 1.0908, above 1."""
    case = example({"g": "float[R, N]", "x": "float[R, N]"}, g=[[1]], x=[[2]])
    g, x = kernel.receives(case, "g x")
    R, N = case.R, case.N
    r, i = grid(R, N)
    dx = kernel.silu_backward(g, x)
    claim(all[r, i](abs(dx[r, i] - 1.0907842) <= 0.004))
