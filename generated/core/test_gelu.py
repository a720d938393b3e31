"""core/gelu: GELU, exact and tanh.

Compiled from contracts/core/gelu-v1.yaml: change the contract and run `albor-contracts generate`, never this file.
Meaning: a69a63fdf916e44e741e2b0ce714d090214d0340f287f25d2f07ba8a57690b6c
"""

from albor_contracts.testing import (
    abs, all, approx, array, cases, claim, defines, definitions, erf, example, exp, given, gradient, grid, isfinite,
    obligation, sqrt, tanh, where,
)

CONTRACT = "core/gelu"


@defines("gelu(x: float[R, N]) -> y: float[R, N]")
def gelu(x):
    """y = x (1 + erf(x / sqrt(2))) / 2"""
    R, N = x.shape
    r, i = grid(R, N)
    y = array[r, i](x[r, i] * ((1 + erf(x[r, i] / sqrt(2))) / 2))
    return y


@defines("gelu_tanh(x: float[R, N]) -> y: float[R, N]")
def gelu_tanh(x):
    """y = x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2"""
    R, N = x.shape
    r, i = grid(R, N)
    z = array[r, i](sqrt(2 / 3.141592653589793) * (x[r, i] + 0.044715 * x[r, i] ** 3))
    y = array[r, i](x[r, i] * ((1 + tanh(z[r, i])) / 2))
    return y


@defines("gelu_backward(g: float[R, N], x: float[R, N]) -> dx: float[R, N]")
def gelu_backward(g, x):
    """dx = g (P(x) + x p(x)), P and p of the standard normal"""
    R, N = g.shape
    r, i = grid(R, N)
    c = array[r, i]((1 + erf(x[r, i] / sqrt(2))) / 2)
    dx = array[r, i](g[r, i] * (c[r, i] + x[r, i] * (exp(-(x[r, i] * x[r, i] / 2)) / sqrt(2 * 3.141592653589793))))
    return dx


@defines("gelu_tanh_backward(g: float[R, N], x: float[R, N]) -> dx: float[R, N]")
def gelu_tanh_backward(g, x):
    """dx = g ((1 + t) / 2 + x (1 - t^2) z' / 2), t = tanh(z), z' = sqrt(2 / pi) (1 + 3 * 0.044715 x^2)"""
    R, N = g.shape
    r, i = grid(R, N)
    t = array[r, i](tanh(sqrt(2 / 3.141592653589793) * (x[r, i] + 0.044715 * x[r, i] ** 3)))
    z = array[r, i](sqrt(2 / 3.141592653589793) * (1 + 0.134145 * x[r, i] * x[r, i]))
    dx = array[r, i](g[r, i] * ((1 + t[r, i]) / 2 + x[r, i] * (1 - t[r, i] * t[r, i]) * z[r, i] / 2))
    return dx


spec = definitions(CONTRACT, gelu, gelu_tanh, gelu_backward, gelu_tanh_backward)

gelu_inputs = cases(
    dims={"R": "1..4", "N": "1..129"},
    x="float[R, N] in [-60, 60]",
)
ge_below_inputs = cases(
    dims={"R": "1..4", "N": "1..129"},
    x="float[R, N] in [-4, 1]",
)
ge_near_inputs = cases(
    dims={"R": "1..4", "N": "1..129"},
    x="float[R, N] in [-8, 8]",
)
gelu_backward_inputs = cases(
    dims={"R": "1..4", "N": "1..129"},
    g="float[R, N] in [-8, 8]",
    x="float[R, N] in [-60, 60]",
)
gelu_tanh_backward_inputs = cases(
    dims={"R": "1..4", "N": "1..129"},
    g="float[R, N] in [-8, 8]",
    x="float[R, N] in [-8, 8]",
)
ge_tiles_inputs = cases(
    dims={"R": "3, 65", "N": "4286 - 63 * R"},
    elements=24830,
    x="float[R, N] in [-8, 8]",
    g="float[R, N] in [-8, 8]",
)
ge_large_inputs = cases(
    dims={"R": "2, 257", "N": "33153 - 128 * R"},
    elements=132098,
    x="float[R, N] in [-8, 8]",
    g="float[R, N] in [-8, 8]",
)


@obligation("GE-REFLECT", equation="gelu", type="symmetry")
@given(case=gelu_inputs)
def test_ge_reflect(kernel, case):
    """gelu(x) - gelu(-x) = x, for both forms."""
    x = kernel.receives(case, "x")
    R, N = case.R, case.N
    r, i = grid(R, N)
    opposite = array[r, i](-x[r, i])
    a = kernel.gelu(x)
    b = kernel.gelu(opposite)
    c = kernel.gelu_tanh(x)
    d = kernel.gelu_tanh(opposite)
    claim(all[r, i](approx(a[r, i] - b[r, i], x[r, i]) & approx(c[r, i] - d[r, i], x[r, i])))


@obligation("GE-BELOW", equation="gelu", type="bound")
@given(case=ge_below_inputs)
def test_ge_below(kernel, case):
    """No value lies below -0.16998 (exact) or -0.17005 (tanh)."""
    x = kernel.receives(case, "x")
    R, N = case.R, case.N
    r, i = grid(R, N)
    y = kernel.gelu(x)
    z = kernel.gelu_tanh(x)
    claim(all[r, i]((-0.16998 <= y[r, i]) & (-0.17005 <= z[r, i])))


@obligation("GE-NEAR", equation="gelu", type="equivalence")
@given(case=ge_near_inputs)
def test_ge_near(kernel, case):
    """The two forms differ by at most 4.74e-4."""
    x = kernel.receives(case, "x")
    R, N = case.R, case.N
    r, i = grid(R, N)
    y = kernel.gelu(x)
    z = kernel.gelu_tanh(x)
    claim(all[r, i](abs(y[r, i] - z[r, i]) <= 0.000474))


@obligation("GE-GRAD", equation="gelu_backward", type="gradient")
@given(case=gelu_backward_inputs)
def test_ge_grad(kernel, case):
    """dx is the gradient of sum(g * gelu(x))."""
    g, x = kernel.receives(case, "g x")
    dx = kernel.gelu_backward(g, x)
    (expected_dx,) = gradient(spec, "gelu", {"x": x}, wrt="x", cotangents=(g,))
    claim(approx(dx, expected_dx))


@obligation("GE-GRAD-TANH", equation="gelu_tanh_backward", type="gradient")
@given(case=gelu_tanh_backward_inputs)
def test_ge_grad_tanh(kernel, case):
    """dx is the gradient of sum(g * gelu_tanh(x))."""
    g, x = kernel.receives(case, "g x")
    dx = kernel.gelu_tanh_backward(g, x)
    (expected_dx,) = gradient(spec, "gelu_tanh", {"x": x}, wrt="x", cotangents=(g,))
    claim(approx(dx, expected_dx))


@obligation("GE-TILES", equation="gelu", type="equivalence")
@given(case=ge_tiles_inputs)
def test_ge_tiles(kernel, case):
    """Matrices that are wider or higher than a tile are covered to the last row and column, forward and backward."""
    x, g = kernel.receives(case, "x g")
    y = kernel.gelu(x)
    dx = kernel.gelu_backward(g, x)
    expected_y = spec.gelu(x)
    expected_dx = spec.gelu_backward(g, x)
    claim(approx(y, expected_y))
    claim(approx(dx, expected_dx))


@obligation("GE-LARGE", equation="gelu", type="equivalence", cost=12)
@given(case=ge_large_inputs)
def test_ge_large(kernel, case):
    """More than 65536 elements are computed to the last one, forward and backward."""
    x, g = kernel.receives(case, "x g")
    y = kernel.gelu(x)
    dx = kernel.gelu_backward(g, x)
    expected_y = spec.gelu(x)
    expected_dx = spec.gelu_backward(g, x)
    claim(approx(y, expected_y))
    claim(approx(dx, expected_dx))


@obligation("GE-DEF-GELU", equation="gelu", type="definition")
@given(case=gelu_inputs)
def test_ge_def_gelu(kernel, case):
    """gelu computes its definition."""
    x = kernel.receives(case, "x")
    y = kernel.gelu(x)
    expected_y = spec.gelu(x)
    claim(approx(y, expected_y))


@obligation("GE-DEF-GELU_BACKWARD", equation="gelu_backward", type="definition")
@given(case=gelu_backward_inputs)
def test_ge_def_gelu_backward(kernel, case):
    """gelu_backward computes its definition."""
    g, x = kernel.receives(case, "g x")
    dx = kernel.gelu_backward(g, x)
    expected_dx = spec.gelu_backward(g, x)
    claim(approx(dx, expected_dx))


@obligation("GE-DEF-GELU_TANH", equation="gelu_tanh", type="definition")
@given(case=gelu_inputs)
def test_ge_def_gelu_tanh(kernel, case):
    """gelu_tanh computes its definition."""
    x = kernel.receives(case, "x")
    y = kernel.gelu_tanh(x)
    expected_y = spec.gelu_tanh(x)
    claim(approx(y, expected_y))


@obligation("GE-DEF-GELU_TANH_BACKWARD", equation="gelu_tanh_backward", type="definition")
@given(case=gelu_backward_inputs)
def test_ge_def_gelu_tanh_backward(kernel, case):
    """gelu_tanh_backward computes its definition."""
    g, x = kernel.receives(case, "g x")
    dx = kernel.gelu_tanh_backward(g, x)
    expected_dx = spec.gelu_tanh_backward(g, x)
    claim(approx(dx, expected_dx))


@obligation("GE-FT-ONE", rule="GE-DEF-GELU", type="falsification")
def test_ge_ft_one(kernel):
    """gelu(1) = 0.841345, gelu(-1) = -0.158655: 1.5e-4 above the tanh form."""
    case = example({"x": "float[R, N]"}, x=[[1, -1]])
    x = kernel.receives(case, "x")
    y = kernel.gelu(x)
    claim(approx(y[0, 0], 0.8413447460685429))
    claim(approx(y[0, 1], -0.15865525393145707))


@obligation("GE-FT-ONE-TANH", rule="GE-DEF-GELU_TANH", type="falsification")
def test_ge_ft_one_tanh(kernel):
    """gelu_tanh(1) = 0.841192, gelu_tanh(-1) = -0.158808."""
    case = example({"x": "float[R, N]"}, x=[[1, -1]])
    x = kernel.receives(case, "x")
    y = kernel.gelu_tanh(x)
    claim(approx(y[0, 0], 0.8411919906082768))
    claim(approx(y[0, 1], -0.1588080093917232))


@obligation("GE-FT-FAR", rule="GE-DEF-GELU_TANH_BACKWARD", type="falsification")
def test_ge_ft_far(kernel):
    """Far from zero the derivative is 0 or 1: x^2 exp(...) does not overflow into NaN."""
    case = example({"g": "float[R, N]", "x": "float[R, N]"}, g=[[1, 1, 1, 1]], x=[[50, -50, 250, -250]])
    g, x = kernel.receives(case, "g x")
    R, N = case.R, case.N
    r, i = grid(R, N)
    dx = kernel.gelu_tanh_backward(g, x)
    claim(all[r, i](isfinite(dx[r, i]) & (abs(dx[r, i] - where(x[r, i] > 0, 1, 0)) <= 0.001)))
