"""core/residual-add: Residual connection.

Compiled from contracts/core/residual-add-v1.yaml: change the contract and run `albor-contracts generate`, never this file.
Meaning: c88e18df7adc75e539ab6768be8c8024b3a0a30241ab5135c758ae4b69f89fef
"""

from albor_contracts.testing import (
    approx, array, cases, claim, defines, definitions, exact, example, given, gradient, grid, obligation, rejects,
)

CONTRACT = "core/residual-add"


@defines("residual_add(x: float[R, N], f: float[R, N], c: real) -> y: float[R, N]")
def residual_add(x, f, c):
    """y = x + c f"""
    R, N = x.shape
    r, i = grid(R, N)
    y = array[r, i](x[r, i] + c * f[r, i])
    return y


@defines("residual_add_backward(g: float[R, N], c: real) -> dx: float[R, N], df: float[R, N]")
def residual_add_backward(g, c):
    """dx = g, df = c g"""
    R, N = g.shape
    r, i = grid(R, N)
    dx = array[r, i](g[r, i])
    df = array[r, i](c * g[r, i])
    return dx, df


spec = definitions(CONTRACT, residual_add, residual_add_backward)

residual_add_backward_inputs = cases(
    dims={"R": "1..6", "N": "1..257"},
    g="float[R, N] in [-8, 8]",
    c="real in [-2, 2]",
    x="float[R, N] in [-8, 8]",
    f="float[R, N] in [-8, 8]",
)
residual_add_inputs = cases(
    dims={"R": "1..6", "N": "1..257"},
    x="float[R, N] in [0.001, 20000]",
    f="float[R, N] in [-20000, 20000]",
    c="real in [-2, 2]",
)
ra_swap_inputs = cases(
    dims={"R": "1..6", "N": "1..257"},
    x="float[R, N] in [-20000, 20000]",
    f="float[R, N] in [-20000, 20000]",
    c="real in [-2, 2]",
)
ra_shape_inputs = cases(
    dims={"R": "1..6", "N": "2..65", "L": "1, 66"},
    x="float[R, N] in [-20000, 20000]",
    f="float[R, N] in [-20000, 20000]",
    c="real in [-2, 2]",
    wrong="float[R, L] in [-8, 8]",
)
ra_tiles_inputs = cases(
    dims={"R": "3, 65", "N": "4286 - 63 * R"},
    elements=37246,
    x="float[R, N] in [-20000, 20000]",
    f="float[R, N] in [-20000, 20000]",
    c="real in [-2, 2]",
    g="float[R, N] in [-8, 8]",
)
ra_large_inputs = cases(
    dims={"R": "2, 257", "N": "33153 - 128 * R"},
    elements=198148,
    x="float[R, N] in [-20000, 20000]",
    f="float[R, N] in [-20000, 20000]",
    c="real in [-2, 2]",
    g="float[R, N] in [-8, 8]",
)
ra_def_residual_add_backward_inputs = cases(
    dims={"R": "1..6", "N": "1..257"},
    g="float[R, N] in [-8, 8]",
    c="real in [-2, 2]",
)


@obligation("RA-GRAD", equation="residual_add_backward", type="gradient")
@given(case=residual_add_backward_inputs)
def test_ra_grad(kernel, case):
    """dx and df are the gradients of sum(g * residual_add(x, f, c))."""
    g, c, x, f = kernel.receives(case, "g c x f")
    dx, df = kernel.residual_add_backward(g, c)
    expected_dx, expected_df = gradient(spec, "residual_add", {"x": x, "f": f, "c": c}, wrt="x f", cotangents=(g,))
    claim(approx(dx, expected_dx))
    claim(approx(df, expected_df))


@obligation("RA-EMPTY-BRANCH", equation="residual_add", type="boundary")
@given(case=residual_add_inputs)
def test_ra_empty_branch(kernel, case):
    """A branch of zeros leaves the stream as it is, bit by bit; so does c = 0."""
    x, f, c = kernel.receives(case, "x f c")
    R, N = case.R, case.N
    r, i = grid(R, N)
    none = array[r, i](0 * f[r, i])
    y = kernel.residual_add(x, none, c)
    z = kernel.residual_add(x, f, 0.0)
    claim(exact(y, x))
    claim(exact(z, x))


@obligation("RA-SWAP", equation="residual_add", type="symmetry")
@given(case=ra_swap_inputs)
def test_ra_swap(kernel, case):
    """With c = 1 stream and branch may change places, bit by bit."""
    x, f = kernel.receives(case, "x f")
    y = kernel.residual_add(x, f, 1.0)
    z = kernel.residual_add(f, x, 1.0)
    claim(exact(y, z))


@obligation("RA-SHAPE", equation="residual_add", type="rejection")
@given(case=ra_shape_inputs)
def test_ra_shape(kernel, case):
    """A branch of another shape is refused."""
    x, c, wrong = kernel.receives(case, "x c wrong")
    rejects(kernel, "residual_add", (x, wrong, c), ValueError)


@obligation("RA-TILES", equation="residual_add", type="equivalence")
@given(case=ra_tiles_inputs)
def test_ra_tiles(kernel, case):
    """Matrices that are wider or higher than a tile are covered to the last row and column, forward and backward."""
    x, f, c, g = kernel.receives(case, "x f c g")
    y = kernel.residual_add(x, f, c)
    dx, df = kernel.residual_add_backward(g, c)
    expected_y = spec.residual_add(x, f, c)
    expected_dx, expected_df = spec.residual_add_backward(g, c)
    claim(approx(y, expected_y))
    claim(approx(dx, expected_dx))
    claim(approx(df, expected_df))


@obligation("RA-LARGE", equation="residual_add", type="equivalence", cost=12)
@given(case=ra_large_inputs)
def test_ra_large(kernel, case):
    """More than 65536 elements are added to the last one, forward and backward."""
    x, f, c, g = kernel.receives(case, "x f c g")
    y = kernel.residual_add(x, f, c)
    dx, df = kernel.residual_add_backward(g, c)
    expected_y = spec.residual_add(x, f, c)
    expected_dx, expected_df = spec.residual_add_backward(g, c)
    claim(approx(y, expected_y))
    claim(approx(dx, expected_dx))
    claim(approx(df, expected_df))


@obligation("RA-DEF-RESIDUAL_ADD", equation="residual_add", type="definition")
@given(case=ra_swap_inputs)
def test_ra_def_residual_add(kernel, case):
    """residual_add computes its definition."""
    x, f, c = kernel.receives(case, "x f c")
    y = kernel.residual_add(x, f, c)
    expected_y = spec.residual_add(x, f, c)
    claim(approx(y, expected_y))


@obligation("RA-DEF-RESIDUAL_ADD_BACKWARD", equation="residual_add_backward", type="definition")
@given(case=ra_def_residual_add_backward_inputs)
def test_ra_def_residual_add_backward(kernel, case):
    """residual_add_backward computes its definition."""
    g, c = kernel.receives(case, "g c")
    dx, df = kernel.residual_add_backward(g, c)
    expected_dx, expected_df = spec.residual_add_backward(g, c)
    claim(approx(dx, expected_dx))
    claim(approx(df, expected_df))


@obligation("RA-FT-HALF", rule="RA-DEF-RESIDUAL_ADD", type="falsification")
def test_ra_ft_half(kernel):
    """3 + 4 / 2 = 5: the branch is scaled, not the stream, and not the sum."""
    case = example({"x": "float[R, N]", "f": "float[R, N]", "c": "real"}, x=[[3]], f=[[4]], c=0.5)
    x, f, c = kernel.receives(case, "x f c")
    y = kernel.residual_add(x, f, c)
    claim(y[0, 0] == 5)


@obligation("RA-FT-GRADIENT", rule="RA-GRAD", type="falsification")
def test_ra_ft_gradient(kernel):
    """g = 6 and c = 1/2: the stream gets 6, the branch 3."""
    case = example(
        {"g": "float[R, N]", "c": "real", "x": "float[R, N]", "f": "float[R, N]"},
        g=[[6]],
        c=0.5,
        x=[[1]],
        f=[[1]],
    )
    g, c = kernel.receives(case, "g c")
    dx, df = kernel.residual_add_backward(g, c)
    claim(dx[0, 0] == 6)
    claim(df[0, 0] == 3)


@obligation("RA-FT-NOTHING", rule="RA-DEF-RESIDUAL_ADD_BACKWARD", type="falsification")
def test_ra_ft_nothing(kernel):
    """A branch scaled by 0 gets no gradient; one scaled by 1 gets that of the stream."""
    case = example({"g": "float[R, N]", "c": "real"}, g=[[6]], c=0)
    g, c = kernel.receives(case, "g c")
    dx, df = kernel.residual_add_backward(g, c)
    all_x, all_f = kernel.residual_add_backward(g, 1.0)
    claim(dx[0, 0] == 6)
    claim(df[0, 0] == 0)
    claim(all_x[0, 0] == 6)
    claim(all_f[0, 0] == 6)
