"""core/rmsnorm: RMSNorm.

Compiled from contracts/core/rmsnorm-v1.yaml: change the contract and run `albor-contracts generate`, never this file.
Meaning: 3f0893ec9d3a8b747c679218a1facc8285481de4fbcf02d2b4c12477cf35a005
"""

from albor_contracts.testing import (
    approx, array, cases, claim, defines, definitions, dot, given, gradient, grid, mean, obligation, sqrt,
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
    dims={"R": "1..8", "N": "1..4097"},
    g="float[R, N] in [-8, 8]",
    x="float[R, N] in [-60000, 60000]",
    w="float[N] in [-2, 2]",
    eps="real in [1e-6, 1e-3]",
)
rmsnorm_inputs = cases(
    dims={"R": "1..8", "N": "1..4097"},
    x="float[R, N] in [-100, 100]",
    w="float[N] in [-2, 2]",
    eps="real in [1e-6, 1e-3]",
    c="real in [0.5, 8]",
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
    expected_dx, expected_dw = gradient(spec, "rmsnorm", dict(x=x, w=w, eps=eps), wrt="x w", cotangents=(g,))
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


@obligation("RN-DEF-RMSNORM", equation="rmsnorm", type="definition")
@given(case=rn_def_rmsnorm_inputs)
def test_rn_def_rmsnorm(kernel, case):
    """rmsnorm computes its definition."""
    x, w, eps = kernel.receives(case, "x w eps")
    y = kernel.rmsnorm(x, w, eps)
    expected_y = spec.rmsnorm(x, w, eps)
    claim(approx(y, expected_y))


@obligation("RN-DEF-RMSNORM_BACKWARD", equation="rmsnorm_backward", type="definition")
@given(case=rmsnorm_backward_inputs)
def test_rn_def_rmsnorm_backward(kernel, case):
    """rmsnorm_backward computes its definition."""
    g, x, w, eps = kernel.receives(case, "g x w eps")
    dx, dw = kernel.rmsnorm_backward(g, x, w, eps)
    expected_dx, expected_dw = spec.rmsnorm_backward(g, x, w, eps)
    claim(approx(dx, expected_dx))
    claim(approx(dw, expected_dw))
