"""core/transpose: Batched transpose.

Compiled from contracts/core/transpose-v1.yaml: change the contract and run `albor-contracts generate`, never this file.
Meaning: ccb440fd56ac76af7158e6161063258bab6ed84b0c18fab814d95c87a0dc09e7
"""

from albor_contracts.testing import (
    approx, array, cases, claim, defines, definitions, exact, example, given, grid, independent, obligation,
)

CONTRACT = "core/transpose"


@defines("batched_transpose(x: float[B, R, C]) -> y: float[B, C, R]")
def batched_transpose(x):
    """y_b = x_b^T"""
    B, R, C = x.shape
    b, r, c = grid(B, R, C)
    y = array[b, c, r](x[b, r, c])
    return y


spec = definitions(CONTRACT, batched_transpose)

batched_transpose_inputs = cases(
    dims={"B": "1..4", "R": "1..129", "C": "1..65"},
    x="float[B, R, C] in [-60000, 60000]",
)
tp_batch_inputs = cases(
    dims={"B": "2..4", "R": "1..9", "C": "1..17"},
    work={"B * B": 2**18},
    x="float[B, R, C] in [-60000, 60000]",
    other_x="float[B, R, C] in [-60000, 60000]",
)
tp_square_inputs = cases(
    dims={"B": "1..4", "R": "2..66", "C": "R"},
    x="float[B, R, C] in [-60000, 60000]",
)
tp_narrow_inputs = cases(
    dims={"B": "1..4", "R": "1..9", "C": "2..3"},
    x="float[B, R, C] in [-60000, 60000]",
)


@obligation("TP-BITS", equation="batched_transpose", type="equivalence")
@given(case=batched_transpose_inputs)
def test_tp_bits(kernel, case):
    """Every element is copied bit by bit to its place."""
    x = kernel.receives(case, "x")
    claim(exact(kernel.batched_transpose(x), spec.batched_transpose(x)))


@obligation("TP-TWICE", equation="batched_transpose", type="involution")
@given(case=batched_transpose_inputs)
def test_tp_twice(kernel, case):
    """Transposing twice gives the matrices back, bit by bit."""
    x = kernel.receives(case, "x")
    once = kernel.batched_transpose(x)
    twice = kernel.batched_transpose(once)
    claim(exact(twice, x))


@obligation("TP-BATCH", equation="batched_transpose", type="independence")
@given(case=tp_batch_inputs)
def test_tp_batch(kernel, case):
    """A matrix of the output depends on that matrix of the input alone."""
    x, other_x = kernel.receives(case, "x other_x")
    B, R, C = case.B, case.R, case.C
    b, c, r, d, s, e = grid(B, C, R, B, R, C)
    independent(
        kernel.batched_transpose,
        x,
        other_x,
        when=d != b,
        output=(b, c, r),
        input=(d, s, e),
        case=case,
    )


@obligation("TP-SQUARE", equation="batched_transpose", type="equivalence")
@given(case=tp_square_inputs)
def test_tp_square(kernel, case):
    """Square matrices are transposed like any others."""
    x = kernel.receives(case, "x")
    claim(exact(kernel.batched_transpose(x), spec.batched_transpose(x)))


@obligation("TP-NARROW", equation="batched_transpose", type="equivalence")
@given(case=tp_narrow_inputs)
def test_tp_narrow(kernel, case):
    """Matrices of two or three columns are transposed from any layout."""
    x = kernel.receives(case, "x")
    claim(exact(kernel.batched_transpose(x), spec.batched_transpose(x)))


@obligation("TP-DEF-BATCHED_TRANSPOSE", equation="batched_transpose", type="definition")
@given(case=batched_transpose_inputs)
def test_tp_def_batched_transpose(kernel, case):
    """batched_transpose computes its definition."""
    x = kernel.receives(case, "x")
    y = kernel.batched_transpose(x)
    expected_y = spec.batched_transpose(x)
    claim(approx(y, expected_y))


@obligation("TP-FT-PLACE", rule="TP-DEF-BATCHED_TRANSPOSE", type="falsification")
def test_tp_ft_place(kernel):
    """((1, 2, 3), (4, 5, 6)) becomes ((1, 4), (2, 5), (3, 6))."""
    case = example({"x": "float[B, R, C]"}, x=[[[1, 2, 3], [4, 5, 6]]])
    x = kernel.receives(case, "x")
    y = kernel.batched_transpose(x)
    claim(y[0, 0, 1] == 4)
    claim(y[0, 1, 0] == 2)
    claim(y[0, 2, 1] == 6)
