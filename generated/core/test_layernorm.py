"""core/layernorm: Layer normalisation.

Compiled from contracts/core/layernorm-v1.yaml: change the contract and run `albor-contracts generate`, never this file.
Meaning: 79285096ac72d43a8934d9c463d0c96ace56e12839834cba22234fc4b0564195
"""

from albor_contracts.testing import (
    abs, all, approx, array, cases, claim, defines, definitions, dot, example, given, gradient, grid, independent, mean,
    obligation, rejects, same_twice, sqrt, sum, where,
)

CONTRACT = "core/layernorm"


@defines("layernorm(x: float[R, N], w: float[N], b: float[N], eps: real) -> y: float[R, N]")
def layernorm(x, w, b, eps):
    """y = (x - mean x) / sqrt(var x + eps) * w + b"""
    R, N = x.shape
    r, j, i = grid(R, N, N)
    a = array[r](mean[j](x[r, j]))
    d = array[r, i](x[r, i] - a[r])
    v = array[r](mean[j](d[r, j] * d[r, j]))
    y = array[r, i](d[r, i] / sqrt(v[r] + eps) * w[i] + b[i])
    return y


@defines(
    "layernorm_backward(g: float[R, N], x: float[R, N], w: float[N], eps: real)"
    " -> dx: float[R, N], dw: float[N], db: float[N]"
)
def layernorm_backward(g, x, w, eps):
    """dx = r (h - mean h - n mean(h n)), dw = sum g n, db = sum g, with h = g w, n = (x - mean x) r, r = 1 / sqrt(var x
    + eps)"""
    R, N = g.shape
    r, j, i = grid(R, N, N)
    a = array[r](mean[j](x[r, j]))
    d = array[r, i](x[r, i] - a[r])
    q = array[r](1 / sqrt(mean[j](d[r, j] * d[r, j]) + eps))
    n = array[r, i](d[r, i] * q[r])
    h = array[r, i](g[r, i] * w[i])
    dx = array[r, i](q[r] * (h[r, i] - mean[j](h[r, j]) - n[r, i] * mean[j](h[r, j] * n[r, j])))
    dw = array[i](dot[r](g[r, i], n[r, i]))
    db = array[i](sum[r](g[r, i]))
    return dx, dw, db


spec = definitions(CONTRACT, layernorm, layernorm_backward)

layernorm_backward_inputs = cases(
    dims={"R": "1..6", "N": "1..257"},
    g="float[R, N] in [-8, 8]",
    x="float[R, N] in [-100, 100]",
    w="float[N] in [-2, 2]",
    eps="real in [1e-6, 1e-3]",
    b="float[N] in [-2, 2]",
)
layernorm_inputs = cases(
    dims={"R": "1..6", "N": "1..257"},
    x="float[R, N] in [-8, 8]",
    w="float[N] in [-2, 2]",
    b="float[N] in [-2, 2]",
    eps="real in [1e-6, 1e-3]",
    c="real in [0.5, 8]",
    s="real in [-50, 50]",
)
ln_moments_inputs = cases(
    dims={"R": "1..6", "N": "1..257"},
    x="float[R, N] in [-100, 100]",
    w="float[N] in {1}",
    b="float[N] in {0}",
    eps="real in [1e-6, 1e-3]",
)
ln_far_inputs = cases(
    dims={"R": "1..3", "N": "2..33"},
    x="float[R, N] in [1000, 1010]",
    w="float[N] in [-2, 2]",
    b="float[N] in [-2, 2]",
    eps="real in [1e-6, 1e-3]",
)
ln_centred_inputs = cases(
    dims={"R": "1..6", "N": "1..257"},
    g="float[R, N] in [-8, 8]",
    x="float[R, N] in [-100, 100]",
    w="float[N] in [-2, 2]",
    eps="real in [1e-6, 1e-3]",
)
ln_rows_inputs = cases(
    dims={"R": "2..6", "N": "1..65"},
    work={"R * R": 2**18},
    x="float[R, N] in [-100, 100]",
    w="float[N] in [-2, 2]",
    b="float[N] in [-2, 2]",
    eps="real in [1e-6, 1e-3]",
    other_x="float[R, N] in [-100, 100]",
)
ln_long_inputs = cases(
    dims={"R": "1..1", "N": "16385, 17001"},
    elements=51006,
    x="float[R, N] in [-100, 100]",
    w="float[N] in [-2, 2]",
    b="float[N] in [-2, 2]",
    eps="real in [1e-6, 1e-3]",
    c="real in {0.0001, 1}",
    far="real in {0, 900}",
)
ln_long_backward_inputs = cases(
    dims={"R": "1, 4", "N": "4097, 4111"},
    elements=37000,
    g="float[R, N] in [-8, 8]",
    x="float[R, N] in [-100, 100]",
    w="float[N] in [-2, 2]",
    eps="real in [1e-6, 1e-3]",
)
ln_shape_inputs = cases(
    dims={"R": "1..6", "N": "2..129", "L": "1, 130"},
    x="float[R, N] in [-100, 100]",
    w="float[N] in [-2, 2]",
    b="float[N] in [-2, 2]",
    eps="real in [1e-6, 1e-3]",
    wrong="float[L] in [-2, 2]",
)
ln_tiles_inputs = cases(
    dims={"R": "9, 33", "N": "257, 300"},
    x="float[R, N] in [-100, 100]",
    w="float[N] in [-2, 2]",
    b="float[N] in [-2, 2]",
    eps="real in [1e-6, 1e-3]",
    g="float[R, N] in [-8, 8]",
)
ln_beside_inputs = cases(
    dims={"R": "2..3", "N": "16385, 16401"},
    elements=81926,
    x="float[R, N] in [-100, 100]",
    w="float[N] in [-2, 2]",
    b="float[N] in [-2, 2]",
    eps="real in [1e-6, 1e-3]",
)
ln_wide_inputs = cases(
    dims={"R": "2..3", "N": "4096, 4097"},
    x="float[R, N] in [-4, 4]",
    w="float[N] in [-2, 2]",
    b="float[N] in [-2, 2]",
    eps="real in [1e-6, 1e-3]",
)
ln_many_rows_inputs = cases(
    dims={"R": "530", "N": "1..9"},
    x="float[R, N] in [-100, 100]",
    w="float[N] in [-2, 2]",
    b="float[N] in [-2, 2]",
    eps="real in [1e-6, 1e-3]",
    g="float[R, N] in [-8, 8]",
)
ln_thousands_inputs = cases(
    dims={"R": "5003", "N": "2..3"},
    elements=30022,
    g="float[R, N] in [-8, 8]",
    x="float[R, N] in [-100, 100]",
    w="float[N] in [-2, 2]",
    eps="real in [1e-6, 1e-3]",
)
ln_def_layernorm_inputs = cases(
    dims={"R": "1..6", "N": "1..257"},
    x="float[R, N] in [-100, 100]",
    w="float[N] in [-2, 2]",
    b="float[N] in [-2, 2]",
    eps="real in [1e-6, 1e-3]",
)


@obligation("LN-GRAD", equation="layernorm_backward", type="gradient")
@given(case=layernorm_backward_inputs)
def test_ln_grad(kernel, case):
    """dx, dw and db are the gradients of sum(g * layernorm(x, w, b, eps))."""
    g, x, w, eps, b = kernel.receives(case, "g x w eps b")
    dx, dw, db = kernel.layernorm_backward(g, x, w, eps)
    expected_dx, expected_dw, expected_db = gradient(
        spec,
        "layernorm",
        {"x": x, "w": w, "b": b, "eps": eps},
        wrt="x w b",
        cotangents=(g,),
    )
    claim(approx(dx, expected_dx))
    claim(approx(dw, expected_dw))
    claim(approx(db, expected_db))


@obligation("LN-AFFINE", equation="layernorm", type="invariance")
@given(case=layernorm_inputs)
def test_ln_affine(kernel, case):
    """Scaling a row by c and adding a constant leaves the output unchanged when eps is scaled by c^2."""
    x, w, b, eps, c, s = kernel.receives(case, "x w b eps c s")
    R, N = case.R, case.N
    r, i = grid(R, N)
    moved = array[r, i](c * x[r, i] + s)
    y = kernel.layernorm(x, w, b, eps)
    z = kernel.layernorm(moved, w, b, c * c * eps)
    claim(approx(z, y))


@obligation("LN-MOMENTS", equation="layernorm", type="conservation")
@given(case=ln_moments_inputs)
def test_ln_moments(kernel, case):
    """With weight 1 and bias 0 the mean of an output row is 0 and its mean square v / (v + eps)."""
    x, w, b, eps = kernel.receives(case, "x w b eps")
    R, N = case.R, case.N
    r, j, i = grid(R, N, N)
    y = kernel.layernorm(x, w, b, eps)
    a = array[r](mean[j](x[r, j]))
    v = array[r](mean[j]((x[r, j] - a[r]) * (x[r, j] - a[r])))
    claim(all[r](approx(mean[i](y[r, i]), 0) & approx(mean[i](y[r, i] * y[r, i]), v[r] / (v[r] + eps))))


@obligation("LN-FAR", equation="layernorm", type="boundary")
@given(case=ln_far_inputs)
def test_ln_far(kernel, case):
    """Rows far from zero beside their spread are normalised as well as their elements allow."""
    x, w, b, eps = kernel.receives(case, "x w b eps")
    y = kernel.layernorm(x, w, b, eps)
    expected = spec.layernorm(x, w, b, eps)
    claim(approx(y, expected))


@obligation("LN-CENTRED", equation="layernorm_backward", type="conservation")
@given(case=ln_centred_inputs)
def test_ln_centred(kernel, case):
    """dx is blind to a shift of its row, and along the centred row only eps keeps a gradient: sum(dx) = 0, sum((x - a)
    dx) = eps r^3 sum(g w (x - a))."""
    g, x, w, eps = kernel.receives(case, "g x w eps")
    R, N = case.R, case.N
    r, j, i = grid(R, N, N)
    dx, _, _ = kernel.layernorm_backward(g, x, w, eps)
    a = array[r](mean[j](x[r, j]))
    d = array[r, i](x[r, i] - a[r])
    q = array[r](1 / sqrt(mean[j](d[r, j] * d[r, j]) + eps))
    claim(all[r](approx(sum[i](dx[r, i]), 0) & approx(dot[i](d[r, i], dx[r, i]), eps * q[r] ** 3 * dot[i](g[r, i], w[i], d[r, i]))))


@obligation("LN-ROWS", equation="layernorm", type="independence")
@given(case=ln_rows_inputs)
def test_ln_rows(kernel, case):
    """A row of the output depends on that row of the input alone."""
    x, w, b, eps, other_x = kernel.receives(case, "x w b eps other_x")
    R, N = case.R, case.N
    r, i, s, j = grid(R, N, R, N)
    independent(
        lambda x: kernel.layernorm(x, w, b, eps),
        x,
        other_x,
        when=s != r,
        output=(r, i),
        input=(s, j),
        case=case,
    )


@obligation("LN-LONG", equation="layernorm", type="equivalence")
@given(case=ln_long_inputs)
def test_ln_long(kernel, case):
    """Rows longer than any block on chip are normalised as wholes, near zero and far from it, large and small."""
    x, w, b, eps, c, far = kernel.receives(case, "x w b eps c far")
    R, N = case.R, case.N
    r, i = grid(R, N)
    s = array[r, i](c * (x[r, i] + far + where(i < 16384, 0, 50)))
    y = kernel.layernorm(s, w, b, eps)
    expected = spec.layernorm(s, w, b, eps)
    claim(approx(y, expected))


@obligation("LN-LONG-BACKWARD", equation="layernorm_backward", type="equivalence")
@given(case=ln_long_backward_inputs)
def test_ln_long_backward(kernel, case):
    """Rows longer than any block on chip have their gradients taken as wholes."""
    g, x, w, eps = kernel.receives(case, "g x w eps")
    dx, dw, db = kernel.layernorm_backward(g, x, w, eps)
    expected_dx, expected_dw, expected_db = spec.layernorm_backward(g, x, w, eps)
    claim(approx(dx, expected_dx))
    claim(approx(dw, expected_dw))
    claim(approx(db, expected_db))


@obligation("LN-REPEAT", equation="layernorm_backward", type="determinism")
@given(case=ln_centred_inputs)
def test_ln_repeat(kernel, case):
    """The same inputs give bitwise the same gradients."""
    g, x, w, eps = kernel.receives(case, "g x w eps")
    same_twice(lambda: kernel.layernorm_backward(g, x, w, eps))


@obligation("LN-SHAPE", equation="layernorm", type="rejection")
@given(case=ln_shape_inputs)
def test_ln_shape(kernel, case):
    """A bias of another length than the rows is refused."""
    x, w, eps, wrong = kernel.receives(case, "x w eps wrong")
    rejects(kernel, "layernorm", (x, w, wrong, eps), ValueError)


@obligation("LN-TILES", equation="layernorm", type="equivalence")
@given(case=ln_tiles_inputs)
def test_ln_tiles(kernel, case):
    """Batches of more rows than all programs take at once are normalised to the last row, forward and backward."""
    x, w, b, eps, g = kernel.receives(case, "x w b eps g")
    y = kernel.layernorm(x, w, b, eps)
    dx, dw, db = kernel.layernorm_backward(g, x, w, eps)
    expected = spec.layernorm(x, w, b, eps)
    expected_dx, expected_dw, expected_db = spec.layernorm_backward(g, x, w, eps)
    claim(approx(y, expected))
    claim(approx(dx, expected_dx))
    claim(approx(dw, expected_dw))
    claim(approx(db, expected_db))


@obligation("LN-BESIDE", equation="layernorm", type="equivalence")
@given(case=ln_beside_inputs)
def test_ln_beside(kernel, case):
    """Each of several rows longer than any block is normalised by itself."""
    x, w, b, eps = kernel.receives(case, "x w b eps")
    y = kernel.layernorm(x, w, b, eps)
    expected = spec.layernorm(x, w, b, eps)
    claim(approx(y, expected))


@obligation("LN-WIDE", equation="layernorm", type="equivalence", cost=3)
@given(case=ln_wide_inputs)
def test_ln_wide(kernel, case):
    """Rows of a few thousand columns have their variance divided by N, not N - 1, beside other rows too."""
    x, w, b, eps = kernel.receives(case, "x w b eps")
    y = kernel.layernorm(x, w, b, eps)
    expected = spec.layernorm(x, w, b, eps)
    claim(approx(y, expected))


@obligation("LN-MANY-ROWS", equation="layernorm", type="equivalence", cost=12)
@given(case=ln_many_rows_inputs)
def test_ln_many_rows(kernel, case):
    """Hundreds of rows are normalised to the last one, and each adds to the gradients of weight and bias."""
    x, w, b, eps, g = kernel.receives(case, "x w b eps g")
    y = kernel.layernorm(x, w, b, eps)
    dx, dw, db = kernel.layernorm_backward(g, x, w, eps)
    expected = spec.layernorm(x, w, b, eps)
    expected_dx, expected_dw, expected_db = spec.layernorm_backward(g, x, w, eps)
    claim(approx(y, expected))
    claim(approx(dx, expected_dx))
    claim(approx(dw, expected_dw))
    claim(approx(db, expected_db))


@obligation("LN-THOUSANDS", equation="layernorm_backward", type="equivalence", cost=8)
@given(case=ln_thousands_inputs)
def test_ln_thousands(kernel, case):
    """Thousands of rows, of which every program of a large grid takes several, all add to the gradients of weight and
    bias."""
    g, x, w, eps = kernel.receives(case, "g x w eps")
    dx, dw, db = kernel.layernorm_backward(g, x, w, eps)
    expected_dx, expected_dw, expected_db = spec.layernorm_backward(g, x, w, eps)
    claim(approx(dx, expected_dx))
    claim(approx(dw, expected_dw))
    claim(approx(db, expected_db))


@obligation("LN-DEF-LAYERNORM", equation="layernorm", type="definition")
@given(case=ln_def_layernorm_inputs)
def test_ln_def_layernorm(kernel, case):
    """layernorm computes its definition."""
    x, w, b, eps = kernel.receives(case, "x w b eps")
    y = kernel.layernorm(x, w, b, eps)
    expected_y = spec.layernorm(x, w, b, eps)
    claim(approx(y, expected_y))


@obligation("LN-DEF-LAYERNORM_BACKWARD", equation="layernorm_backward", type="definition")
@given(case=ln_centred_inputs)
def test_ln_def_layernorm_backward(kernel, case):
    """layernorm_backward computes its definition."""
    g, x, w, eps = kernel.receives(case, "g x w eps")
    dx, dw, db = kernel.layernorm_backward(g, x, w, eps)
    expected_dx, expected_dw, expected_db = spec.layernorm_backward(g, x, w, eps)
    claim(approx(dx, expected_dx))
    claim(approx(dw, expected_dw))
    claim(approx(db, expected_db))


@obligation("LN-FT-CONSTANT", rule="LN-DEF-LAYERNORM", type="falsification")
def test_ln_ft_constant(kernel):
    """A constant row becomes the bias: eps keeps the root away from zero."""
    case = example(
        {"x": "float[R, N]", "w": "float[N]", "b": "float[N]", "eps": "real"},
        x=[[7, 7, 7, 7]],
        w=[1.5, 2, -1, 1],
        b=[1, 2, 3, 4],
        eps=1e-05,
    )
    x, w, b, eps = kernel.receives(case, "x w b eps")
    R, N = case.R, case.N
    r, i = grid(R, N)
    y = kernel.layernorm(x, w, b, eps)
    claim(all[r, i](y[r, i] == b[i]))


@obligation("LN-FT-PAIR", rule="LN-DEF-LAYERNORM", type="falsification")
def test_ln_ft_pair(kernel):
    """A row (1, 3) becomes (-1, 1), whatever it is shifted by: the variance is 1, not 2."""
    case = example(
        {"x": "float[R, N]", "w": "float[N]", "b": "float[N]", "eps": "real"},
        x=[[1, 3], [129, 131]],
        w=[1, 1],
        b=[0, 0],
        eps=1e-06,
    )
    x, w, b, eps = kernel.receives(case, "x w b eps")
    R = case.R
    r = grid(R)
    y = kernel.layernorm(x, w, b, eps)
    claim(all[r]((abs(y[r, 0] + 1) <= 0.001) & (abs(y[r, 1] - 1) <= 0.001)))


@obligation("LN-FT-UNIFORM", rule="LN-CENTRED", type="falsification")
def test_ln_ft_uniform(kernel):
    """g = (1, 1, 1, 1) with weight 1 has no gradient for x, and one for the bias."""
    case = example(
        {"g": "float[R, N]", "x": "float[R, N]", "w": "float[N]", "eps": "real"},
        g=[[1, 1, 1, 1]],
        x=[[1, 2, 4, 8]],
        w=[1, 1, 1, 1],
        eps=1e-05,
    )
    g, x, w, eps = kernel.receives(case, "g x w eps")
    R, N = case.R, case.N
    r, i = grid(R, N)
    dx, _, db = kernel.layernorm_backward(g, x, w, eps)
    claim(all[r, i]((abs(dx[r, i]) <= 1e-05) & (db[i] == 1)))
