"""core/select: Selection.

Compiled from contracts/core/select-v1.yaml: change the contract and run `albor-contracts generate`, never this file.
Meaning: 8063747ad0ea20b73f0b169a03c62de09182640b99cc18908f1cc1d421d8b79c
"""

from albor_contracts.testing import (
    all, approx, array, cases, claim, defines, definitions, exact, example, given, gradient, grid, obligation, rejects,
    where,
)

CONTRACT = "core/select"


@defines("select(pred: bool[R, N], a: float[R, N], b: float[R, N]) -> y: float[R, N]")
def select(pred, a, b):
    """y = a if pred else b"""
    R, N = pred.shape
    r, i = grid(R, N)
    y = array[r, i](where(pred[r, i], a[r, i], b[r, i]))
    return y


@defines("select_backward(g: float[R, N], pred: bool[R, N]) -> da: float[R, N], db: float[R, N]")
def select_backward(g, pred):
    """da = g if pred else 0, db = 0 if pred else g"""
    R, N = g.shape
    r, i = grid(R, N)
    da = array[r, i](where(pred[r, i], g[r, i], 0))
    db = array[r, i](where(pred[r, i], 0, g[r, i]))
    return da, db


spec = definitions(CONTRACT, select, select_backward)

select_inputs = cases(
    dims={"R": "1..6", "N": "1..129"},
    pred="bool[R, N]",
    a="float[R, N] in [-60000, 60000] or {-inf}",
    b="float[R, N] in [-60000, 60000] or {-inf}",
)
select_backward_inputs = cases(
    dims={"R": "1..6", "N": "1..129"},
    g="float[R, N] in [-8, 8]",
    pred="bool[R, N]",
    a="float[R, N] in [-8, 8]",
    b="float[R, N] in [-8, 8]",
)
slt_share_inputs = cases(
    dims={"R": "1..6", "N": "1..129"},
    g="float[R, N] in [-8, 8]",
    pred="bool[R, N]",
)
slt_shape_inputs = cases(
    dims={"R": "1..6", "N": "2..65", "L": "1, 66"},
    pred="bool[R, N]",
    a="float[R, N] in [-60000, 60000] or {-inf}",
    b="float[R, N] in [-60000, 60000] or {-inf}",
    wrong="float[R, L] in [-8, 8]",
)
slt_condition_inputs = cases(
    dims={"R": "1..6", "N": "2..65", "L": "1, 66"},
    pred="bool[R, N]",
    a="float[R, N] in [-60000, 60000] or {-inf}",
    b="float[R, N] in [-60000, 60000] or {-inf}",
    other="bool[R, L]",
)
slt_condition_backward_inputs = cases(
    dims={"R": "1..6", "N": "2..65", "L": "1, 66"},
    g="float[R, N] in [-8, 8]",
    pred="bool[R, N]",
    other="bool[R, L]",
)
slt_boolean_inputs = cases(
    dims={"R": "1..6", "N": "1..129"},
    pred="bool[R, N]",
    a="float[R, N] in [-60000, 60000] or {-inf}",
    b="float[R, N] in [-60000, 60000] or {-inf}",
    numbers="float[R, N] in {0, 1, -2.5}",
)
slt_boolean_backward_inputs = cases(
    dims={"R": "1..6", "N": "1..129"},
    g="float[R, N] in [-8, 8]",
    pred="bool[R, N]",
    numbers="float[R, N] in {0, 1, -2.5}",
)
slt_tiles_inputs = cases(
    dims={"R": "3, 65", "N": "4286 - 63 * R"},
    elements=49660,
    pred="bool[R, N]",
    a="float[R, N] in [-60000, 60000] or {-inf}",
    b="float[R, N] in [-60000, 60000] or {-inf}",
    g="float[R, N] in [-8, 8]",
)
slt_large_inputs = cases(
    dims={"R": "2, 257", "N": "33153 - 128 * R"},
    elements=264196,
    pred="bool[R, N]",
    a="float[R, N] in [-60000, 60000] or {-inf}",
    b="float[R, N] in [-60000, 60000] or {-inf}",
    g="float[R, N] in [-8, 8]",
)


@obligation("SLT-BITS", equation="select", type="equivalence")
@given(case=select_inputs)
def test_slt_bits(kernel, case):
    """What is selected is copied bit by bit."""
    pred, a, b = kernel.receives(case, "pred a b")
    claim(exact(kernel.select(pred, a, b), spec.select(pred, a, b)))


@obligation("SLT-SWAP", equation="select", type="symmetry")
@given(case=select_inputs)
def test_slt_swap(kernel, case):
    """The opposite condition with the operands exchanged selects the same."""
    pred, a, b = kernel.receives(case, "pred a b")
    R, N = case.R, case.N
    r, i = grid(R, N)
    opposite = array[r, i](~pred[r, i])
    y = kernel.select(pred, a, b)
    z = kernel.select(opposite, b, a)
    claim(exact(y, z))


@obligation("SLT-GRAD", equation="select_backward", type="gradient")
@given(case=select_backward_inputs)
def test_slt_grad(kernel, case):
    """da and db are the gradients of sum(g * select(pred, a, b))."""
    g, pred, a, b = kernel.receives(case, "g pred a b")
    da, db = kernel.select_backward(g, pred)
    expected_da, expected_db = gradient(spec, "select", {"pred": pred, "a": a, "b": b}, wrt="a b", cotangents=(g,))
    claim(approx(da, expected_da))
    claim(approx(db, expected_db))


@obligation("SLT-SHARE", equation="select_backward", type="conservation")
@given(case=slt_share_inputs)
def test_slt_share(kernel, case):
    """da + db = g, and one of the two is exactly 0 at each place."""
    g, pred = kernel.receives(case, "g pred")
    R, N = case.R, case.N
    r, i = grid(R, N)
    da, db = kernel.select_backward(g, pred)
    claim(all[r, i]((da[r, i] + db[r, i] == g[r, i]) & (da[r, i] * db[r, i] == 0)))


@obligation("SLT-SHAPE", equation="select", type="rejection")
@given(case=slt_shape_inputs)
def test_slt_shape(kernel, case):
    """Operands of different shapes are refused."""
    pred, a, wrong = kernel.receives(case, "pred a wrong")
    rejects(kernel, "select", (pred, a, wrong), ValueError)


@obligation("SLT-CONDITION", equation="select", type="rejection")
@given(case=slt_condition_inputs)
def test_slt_condition(kernel, case):
    """A condition of another shape than the operands is refused."""
    a, b, other = kernel.receives(case, "a b other")
    rejects(kernel, "select", (other, a, b), ValueError)


@obligation("SLT-CONDITION-BACKWARD", equation="select_backward", type="rejection")
@given(case=slt_condition_backward_inputs)
def test_slt_condition_backward(kernel, case):
    """Backward, too, a condition of another shape is refused."""
    g, other = kernel.receives(case, "g other")
    rejects(kernel, "select_backward", (g, other), ValueError)


@obligation("SLT-BOOLEAN", equation="select", type="rejection")
@given(case=slt_boolean_inputs)
def test_slt_boolean(kernel, case):
    """A condition that is not boolean is refused, zeros and ones included."""
    a, b, numbers = kernel.receives(case, "a b numbers")
    rejects(kernel, "select", (numbers, a, b), TypeError, mentions=["pred", "first argument"], types={"pred": "float"})


@obligation("SLT-BOOLEAN-BACKWARD", equation="select_backward", type="rejection")
@given(case=slt_boolean_backward_inputs)
def test_slt_boolean_backward(kernel, case):
    """Backward, too, a condition that is not boolean is refused."""
    g, numbers = kernel.receives(case, "g numbers")
    rejects(
        kernel,
        "select_backward",
        (g, numbers),
        TypeError,
        mentions=["pred", "first argument"],
        types={"pred": "float"},
    )


@obligation("SLT-TILES", equation="select", type="equivalence")
@given(case=slt_tiles_inputs)
def test_slt_tiles(kernel, case):
    """Matrices that are wider or higher than a tile are covered to the last row and column, forward and backward."""
    pred, a, b, g = kernel.receives(case, "pred a b g")
    y = kernel.select(pred, a, b)
    da, db = kernel.select_backward(g, pred)
    expected = spec.select(pred, a, b)
    expected_da, expected_db = spec.select_backward(g, pred)
    claim(exact(y, expected))
    claim(approx(da, expected_da))
    claim(approx(db, expected_db))


@obligation("SLT-LARGE", equation="select", type="equivalence", cost=12)
@given(case=slt_large_inputs)
def test_slt_large(kernel, case):
    """More than 65536 elements are selected to the last one, forward and backward."""
    pred, a, b, g = kernel.receives(case, "pred a b g")
    y = kernel.select(pred, a, b)
    da, db = kernel.select_backward(g, pred)
    expected = spec.select(pred, a, b)
    expected_da, expected_db = spec.select_backward(g, pred)
    claim(exact(y, expected))
    claim(approx(da, expected_da))
    claim(approx(db, expected_db))


@obligation("SLT-DEF-SELECT", equation="select", type="definition")
@given(case=select_inputs)
def test_slt_def_select(kernel, case):
    """select computes its definition."""
    pred, a, b = kernel.receives(case, "pred a b")
    y = kernel.select(pred, a, b)
    expected_y = spec.select(pred, a, b)
    claim(approx(y, expected_y))


@obligation("SLT-DEF-SELECT_BACKWARD", equation="select_backward", type="definition")
@given(case=slt_share_inputs)
def test_slt_def_select_backward(kernel, case):
    """select_backward computes its definition."""
    g, pred = kernel.receives(case, "g pred")
    da, db = kernel.select_backward(g, pred)
    expected_da, expected_db = spec.select_backward(g, pred)
    claim(approx(da, expected_da))
    claim(approx(db, expected_db))


@obligation("SLT-FT-TABLE", rule="SLT-DEF-SELECT", type="falsification")
def test_slt_ft_table(kernel):
    """True selects the first operand, false the second."""
    case = example(
        {"pred": "bool[R, N]", "a": "float[R, N]", "b": "float[R, N]"},
        pred=[[True, False]],
        a=[[1, 2]],
        b=[[10, 20]],
    )
    pred, a, b = kernel.receives(case, "pred a b")
    y = kernel.select(pred, a, b)
    claim(y[0, 0] == 1)
    claim(y[0, 1] == 20)


@obligation("SLT-FT-NAN", rule="SLT-BITS", type="falsification")
def test_slt_ft_nan(kernel):
    """NaN and infinity that are not selected do not matter."""
    case = example(
        {"pred": "bool[R, N]", "a": "float[R, N]", "b": "float[R, N]"},
        pred=[[True, False, True]],
        a=[[1, float("nan"), 3]],
        b=[[float("inf"), 2, float("nan")]],
    )
    pred, a, b = kernel.receives(case, "pred a b")
    y = kernel.select(pred, a, b)
    claim(y[0, 0] == 1)
    claim(y[0, 1] == 2)
    claim(y[0, 2] == 3)
