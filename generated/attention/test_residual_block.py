"""attention/residual-block: Pre-norm residual block and its recomputation.

Compiled from contracts/attention/residual-block-v1.yaml: change the contract and run `albor-contracts generate`, never this file.
Meaning: 63d42e72e281db9d9e17fb763751a5f1c9549e89c51b5c779a5b6b813a96ddae
"""

from albor_contracts.testing import (
    abs, all, approx, array, cases, cast, claim, defines, definitions, dot, exact, example, given, gradient, grid,
    independent, mean, obligation, rejects, sqrt, where,
)

CONTRACT = "attention/residual-block"


@defines(
    "residual_block_backward(g: float[R, N], x: float[R, N], w: float[N], a: float[N, N], eps: real)"
    " -> dx: float[R, N], dw: float[N], da: float[N, N]"
)
def residual_block_backward(g, x, w, a, eps):
    """da = h^T g, dh = g a^T, dx = RMSNorm_bwd(dh) + g"""
    R, N = g.shape
    r, j, i, k = grid(R, N, N, N)
    v = array[r](1 / sqrt(mean[j](x[r, j] * x[r, j]) + eps))
    n = array[r, i](x[r, i] * v[r])
    dh = array[r, k](cast(dot[i](g[r, i], a[k, i])))
    dw = array[i](dot[r](dh[r, i], n[r, i]))
    da = array[k, i](dot[r](cast(n[r, k] * w[k]), g[r, i]))
    dx = array[r, i](cast(v[r] * (dh[r, i] * w[i] - n[r, i] * mean[j](dh[r, j] * w[j] * n[r, j]))) + g[r, i])
    return dx, dw, da


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


@defines("residual_block(x: float[R, N], w: float[N], a: float[N, N], eps: real) -> y: float[R, N]")
def residual_block(x, w, a, eps):
    """y = x + RMSNorm(x, w, eps) a"""
    R, N = x.shape
    r, i, j, k = grid(R, N, N, N)
    h = array[r, i](cast(x[r, i] / sqrt(mean[j](x[r, j] * x[r, j]) + eps) * w[i]))
    y = array[r, i](x[r, i] + cast(dot[k](h[r, k], a[k, i])))
    return y


@defines(
    "residual_stack_backward(g: float[R, N], x: float[R, N], w: float[L, N], a: float[L, N, N], eps: real, "
    "every: int) -> dx: float[R, N], dw: float[L, N], da: float[L, N, N]"
)
def residual_stack_backward(g, x, w, a, eps, every):
    """residual_block_backward from the last block to the first"""
    R, N = g.shape
    L = w.shape[0]
    i, k, r, l = grid(N, N, R, L)
    wa = array[i](w[0, i])
    wb = array[i](w[1, i])
    wc = array[i](w[2, i])
    aa = array[k, i](a[0, k, i])
    ab = array[k, i](a[1, k, i])
    ac = array[k, i](a[2, k, i])
    y1 = spec.residual_block(x, wa, aa, eps)
    x1 = array[r, i](cast(y1[r, i]))
    y2 = spec.residual_block(x1, wb, ab, eps)
    x2 = array[r, i](cast(y2[r, i]))
    s2, dwc, dac = spec.residual_block_backward(g, x2, wc, ac, eps)
    g2 = array[r, i](cast(s2[r, i]))
    s1, dwb, dab = spec.residual_block_backward(g2, x1, wb, ab, eps)
    g1 = array[r, i](cast(s1[r, i]))
    dx, dwa, daa = spec.residual_block_backward(g1, x, wa, aa, eps)
    dw = array[l, i](where(l == 0, dwa[i], where(l == 1, dwb[i], dwc[i])))
    da = array[l, k, i](where(l == 0, daa[k, i], where(l == 1, dab[k, i], dac[k, i])))
    return dx, dw, da


spec = definitions(CONTRACT, residual_block_backward, rmsnorm_backward, residual_block, residual_stack_backward)

residual_block_backward_inputs = cases(
    dims={"R": "1..5", "N": "1..17"},
    work={"N * N": 2**15},
    g="float[R, N] in [-4, 4]",
    x="float[R, N] in [-4, 4]",
    w="float[N] in [-2, 2]",
    a="float[N, N] in [-1, 1]",
    eps="real in [1e-6, 1e-3]",
)
rsb_parts_inputs = cases(
    dims={"R": "1..5", "N": "1..17"},
    work={"N * N": 2**15, "R * N * N": 2**18},
    g="float[R, N] in [0.5, 4]",
    x="float[R, N] in [0.5, 4]",
    w="float[N] in [-2, 2]",
    a="float[N, N] in [-1, 1]",
    eps="real in [1e-6, 1e-3]",
)
rsb_zero_inputs = cases(
    dims={"R": "1..5", "N": "1..17"},
    work={"N * N": 2**15},
    g="float[R, N] in [-4, 4]",
    x="float[R, N] in [-4, 4]",
    w="float[N] in [-2, 2]",
    a="float[N, N] in {0}",
    eps="real in [1e-6, 1e-3]",
)
residual_block_inputs = cases(
    dims={"R": "1..5", "N": "1..17"},
    x="float[R, N] in [-4, 4]",
    w="float[N] in [-2, 2]",
    a="float[N, N] in [-1, 1]",
    eps="real in [1e-6, 1e-3]",
    c="real in [0.5, 4]",
)
rsb_rows_inputs = cases(
    dims={"R": "2..5", "N": "1..17"},
    work={"R * R": 2**18},
    x="float[R, N] in [-4, 4]",
    w="float[N] in [-2, 2]",
    a="float[N, N] in [-1, 1]",
    eps="real in [1e-6, 1e-3]",
    other_x="float[R, N] in [-4, 4]",
)
residual_stack_backward_inputs = cases(
    dims={"R": "1..3", "N": "1..9", "L": "3"},
    work={"L * N * N": 2**15},
    g="float[R, N] in [-4, 4]",
    x="float[R, N] in [-4, 4]",
    w="float[L, N] in [-1, 1]",
    a="float[L, N, N] in [-0.5, 0.5]",
    eps="real in [1e-6, 1e-3]",
    every="int in [0, 4]",
)
rsb_every_inputs = cases(
    dims={"R": "1..2", "N": "1..3", "L": "3"},
    work={"L * N * N": 2**15},
    g="float[R, N] in [-4, 4]",
    x="float[R, N] in [-4, 4]",
    w="float[L, N] in [-1, 1]",
    a="float[L, N, N] in [-0.5, 0.5]",
    eps="real in [1e-6, 1e-3]",
    every="int in [0, 4]",
    wrong="int in {-1, -2}",
)
rsb_map_inputs = cases(
    dims={"R": "1..2", "N": "1..3", "M": "1..3"},
    assume=("M != N",),
    x="float[R, N] in [-4, 4]",
    w="float[N] in [-2, 2]",
    a="float[N, N] in [-1, 1]",
    eps="real in [1e-6, 1e-3]",
    c="float[N, M] in [-1, 1]",
)
rsb_map_backward_inputs = cases(
    dims={"R": "1..2", "N": "1..3", "M": "1..3"},
    assume=("M != N",),
    work={"N * N": 2**15},
    g="float[R, N] in [-4, 4]",
    x="float[R, N] in [-4, 4]",
    w="float[N] in [-2, 2]",
    a="float[N, N] in [-1, 1]",
    eps="real in [1e-6, 1e-3]",
    c="float[N, M] in [-1, 1]",
    long="float[R, M] in [-1, 1]",
)
rsb_wide_inputs = cases(
    dims={"R": "1..2", "N": "65, 257"},
    elements=66564,
    x="float[R, N] in [-4, 4]",
    w="float[N] in [-2, 2]",
    a="float[N, N] in [-1, 1]",
    eps="real in [1e-6, 1e-3]",
)
rsb_many_rows_inputs = cases(
    dims={"R": "9, 33", "N": "1, 3, 65"},
    work={"N * N": 2**15},
    g="float[R, N] in [-4, 4]",
    x="float[R, N] in [-4, 4]",
    w="float[N] in [-2, 2]",
    a="float[N, N] in [-1, 1]",
    eps="real in [1e-6, 1e-3]",
)
rsb_def_residual_block_inputs = cases(
    dims={"R": "1..5", "N": "1..17"},
    x="float[R, N] in [-4, 4]",
    w="float[N] in [-2, 2]",
    a="float[N, N] in [-1, 1]",
    eps="real in [1e-6, 1e-3]",
)


@obligation("RSB-GRAD", equation="residual_block_backward", type="gradient")
@given(case=residual_block_backward_inputs)
def test_rsb_grad(kernel, case):
    """dx, dw and da are the gradients of sum(g * y)."""
    g, x, w, a, eps = kernel.receives(case, "g x w a eps")
    dx, dw, da = kernel.residual_block_backward(g, x, w, a, eps)
    expected_dx, expected_dw, expected_da = gradient(
        spec,
        "residual_block",
        {"x": x, "w": w, "a": a, "eps": eps},
        wrt="x w a",
        cotangents=(g,),
    )
    claim(approx(dx, expected_dx))
    claim(approx(dw, expected_dw))
    claim(approx(da, expected_da))


@obligation("RSB-PARTS", equation="residual_block_backward", type="equivalence")
@given(case=rsb_parts_inputs)
def test_rsb_parts(kernel, case):
    """dx is the backward pass of RMSNorm at g a^T, plus g."""
    g, x, w, a, eps = kernel.receives(case, "g x w a eps")
    R, N = case.R, case.N
    r, i, k = grid(R, N, N)
    dx, dw, _ = kernel.residual_block_backward(g, x, w, a, eps)
    dh = array[r, k](dot[i](g[r, i], a[k, i]))
    dn, expected_dw = spec.rmsnorm_backward(dh, x, w, eps)
    claim(all[r, i](approx(dx[r, i], dn[r, i] + g[r, i])))
    claim(approx(dw, expected_dw))


@obligation("RSB-ZERO", equation="residual_block_backward", type="boundary")
@given(case=rsb_zero_inputs)
def test_rsb_zero(kernel, case):
    """A branch of zero weights hands g on as it is."""
    g, x, w, a, eps = kernel.receives(case, "g x w a eps")
    R, N = case.R, case.N
    r, i = grid(R, N)
    dx, dw, _ = kernel.residual_block_backward(g, x, w, a, eps)
    claim(all[r, i](dx[r, i] == g[r, i]))
    claim(all[i](dw[i] == 0))


@obligation("RSB-PRENORM", equation="residual_block", type="invariance")
@given(case=residual_block_inputs)
def test_rsb_prenorm(kernel, case):
    """The branch does not see the scale of x: only the skip grows with it."""
    x, w, a, eps, c = kernel.receives(case, "x w a eps c")
    R, N = case.R, case.N
    r, i = grid(R, N)
    scaled = array[r, i](c * x[r, i])
    y = kernel.residual_block(x, w, a, eps)
    y2 = kernel.residual_block(scaled, w, a, c * c * eps)
    claim(all[r, i](approx(y2[r, i] - c * x[r, i], y[r, i] - x[r, i])))


@obligation("RSB-ROWS", equation="residual_block", type="independence")
@given(case=rsb_rows_inputs)
def test_rsb_rows(kernel, case):
    """A row depends on that row alone."""
    x, w, a, eps, other_x = kernel.receives(case, "x w a eps other_x")
    R, N = case.R, case.N
    r, i, s, j = grid(R, N, R, N)
    independent(
        lambda x: kernel.residual_block(x, w, a, eps),
        x,
        other_x,
        when=s != r,
        output=(r, i),
        input=(s, j),
        case=case,
    )


@obligation("RSB-CHECKPOINT", equation="residual_stack_backward", type="equivalence")
@given(case=residual_stack_backward_inputs)
def test_rsb_checkpoint(kernel, case):
    """Activations computed again give bitwise the gradients of activations kept, whatever is kept."""
    g, x, w, a, eps, every = kernel.receives(case, "g x w a eps every")
    dx, dw, da = kernel.residual_stack_backward(g, x, w, a, eps, 0)
    dx2, dw2, da2 = kernel.residual_stack_backward(g, x, w, a, eps, every)
    claim(exact(dx, dx2))
    claim(exact(dw, dw2))
    claim(exact(da, da2))


@obligation("RSB-EVERY", equation="residual_stack_backward", type="rejection")
@given(case=rsb_every_inputs)
def test_rsb_every(kernel, case):
    """Segments of less than no blocks are refused."""
    g, x, w, a, eps, wrong = kernel.receives(case, "g x w a eps wrong")
    rejects(kernel, "residual_stack_backward", (g, x, w, a, eps, wrong), ValueError, mentions=["every"])


@obligation("RSB-MAP", equation="residual_block", type="rejection")
@given(case=rsb_map_inputs)
def test_rsb_map(kernel, case):
    """A map that is not square is refused."""
    x, w, eps, c = kernel.receives(case, "x w eps c")
    rejects(kernel, "residual_block", (x, w, c, eps), ValueError, mentions=["a"])


@obligation("RSB-MAP-BACKWARD", equation="residual_block_backward", type="rejection")
@given(case=rsb_map_backward_inputs)
def test_rsb_map_backward(kernel, case):
    """A gradient with more or fewer columns than x is refused, though the map fits it."""
    x, w, eps, c, long = kernel.receives(case, "x w eps c long")
    rejects(kernel, "residual_block_backward", (long, x, w, c, eps), ValueError, mentions=["N"])


@obligation("RSB-WIDE", equation="residual_block", type="equivalence", cost=2)
@given(case=rsb_wide_inputs)
def test_rsb_wide(kernel, case):
    """Rows wider than a block are normalised over all their columns."""
    x, w, a, eps = kernel.receives(case, "x w a eps")
    claim(approx(kernel.residual_block(x, w, a, eps), spec.residual_block(x, w, a, eps)))


@obligation("RSB-MANY-ROWS", equation="residual_block_backward", type="equivalence", cost=2)
@given(case=rsb_many_rows_inputs)
def test_rsb_many_rows(kernel, case):
    """Gradients of the weights are summed over all rows, 9 or 33 of them, and wide rows are taken whole."""
    g, x, w, a, eps = kernel.receives(case, "g x w a eps")
    dx, dw, da = kernel.residual_block_backward(g, x, w, a, eps)
    expected_dx, expected_dw, expected_da = spec.residual_block_backward(g, x, w, a, eps)
    claim(approx(dx, expected_dx))
    claim(approx(dw, expected_dw))
    claim(approx(da, expected_da))


@obligation("RSB-DEF-RESIDUAL_BLOCK", equation="residual_block", type="definition")
@given(case=rsb_def_residual_block_inputs)
def test_rsb_def_residual_block(kernel, case):
    """residual_block computes its definition."""
    x, w, a, eps = kernel.receives(case, "x w a eps")
    y = kernel.residual_block(x, w, a, eps)
    expected_y = spec.residual_block(x, w, a, eps)
    claim(approx(y, expected_y))


@obligation("RSB-DEF-RESIDUAL_BLOCK_BACKWARD", equation="residual_block_backward", type="definition")
@given(case=residual_block_backward_inputs)
def test_rsb_def_residual_block_backward(kernel, case):
    """residual_block_backward computes its definition."""
    g, x, w, a, eps = kernel.receives(case, "g x w a eps")
    dx, dw, da = kernel.residual_block_backward(g, x, w, a, eps)
    expected_dx, expected_dw, expected_da = spec.residual_block_backward(g, x, w, a, eps)
    claim(approx(dx, expected_dx))
    claim(approx(dw, expected_dw))
    claim(approx(da, expected_da))


@obligation("RSB-DEF-RESIDUAL_STACK_BACKWARD", equation="residual_stack_backward", type="definition")
@given(case=residual_stack_backward_inputs)
def test_rsb_def_residual_stack_backward(kernel, case):
    """residual_stack_backward computes its definition."""
    g, x, w, a, eps, every = kernel.receives(case, "g x w a eps every")
    dx, dw, da = kernel.residual_stack_backward(g, x, w, a, eps, every)
    expected_dx, expected_dw, expected_da = spec.residual_stack_backward(g, x, w, a, eps, every)
    claim(approx(dx, expected_dx))
    claim(approx(dw, expected_dw))
    claim(approx(da, expected_da))


@obligation("RSB-T-VANISHES", rule="RSB-DEF-RESIDUAL_BLOCK_BACKWARD", type="falsification")
def test_rsb_t_vanishes(kernel):
    """A branch near minus the identity cancels the skip: dx is nearly 0 for a g of length 1.4."""
    case = example(
        {"g": "float[R, N]", "x": "float[R, N]", "w": "float[N]", "a": "float[N, N]", "eps": "real"},
        g=[[1.0, 1.0]],
        x=[[1.0, -1.0]],
        w=[1.0, 1.0],
        a=[[-1.0, 0.0], [0.0, -1.0]],
        eps=1e-06,
    )
    g, x, w, a, eps = kernel.receives(case, "g x w a eps")
    dx, dw, _ = kernel.residual_block_backward(g, x, w, a, eps)
    claim(abs(dx[0, 0]) < 1e-05)
    claim(abs(dx[0, 1]) < 1e-05)
    claim(approx(dw[0], 0 - 1 / sqrt(1.000001)))
    claim(approx(dw[1], 1 / sqrt(1.000001)))


@obligation("RSB-T-NUMBERS", rule="RSB-DEF-RESIDUAL_BLOCK", type="falsification")
def test_rsb_t_numbers(kernel):
    """x = (3, 4) has the root mean square 5 / sqrt(2); the map swaps and doubles the second."""
    case = example(
        {"x": "float[R, N]", "w": "float[N]", "a": "float[N, N]", "eps": "real"},
        x=[[3.0, 4.0]],
        w=[1.0, 0.5],
        a=[[0.0, 2.0], [1.0, 0.0]],
        eps=0.0,
    )
    x, w, a, eps = kernel.receives(case, "x w a eps")
    y = kernel.residual_block(x, w, a, eps)
    claim(approx(y[0, 0], 3 + 0.4 * sqrt(2)))
    claim(approx(y[0, 1], 4 + 1.2 * sqrt(2)))
