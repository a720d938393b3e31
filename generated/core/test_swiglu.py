"""core/swiglu: SwiGLU.

Compiled from contracts/core/swiglu-v1.yaml: change the contract and run `albor-contracts generate`, never this file.
Meaning: c6157f62fc3baea6939ab12602f59d2a3022b2c8b340b05b8fb90861462a8789
"""

from albor_contracts.testing import (
    abs, all, approx, array, cases, claim, defines, definitions, example, exp, given, gradient, grid, independent,
    isfinite, max, obligation, rejects, sigmoid, uses_at_most,
)

CONTRACT = "core/swiglu"


@defines("swiglu(gate: float[R, N], up: float[R, N]) -> h: float[R, N]")
def swiglu(gate, up):
    """h = gate sigmoid(gate) up"""
    R, N = gate.shape
    r, i = grid(R, N)
    h = array[r, i](gate[r, i] * sigmoid(gate[r, i]) * up[r, i])
    return h


@defines("swiglu_backward(g: float[R, N], gate: float[R, N], up: float[R, N]) -> dgate: float[R, N], dup: float[R, N]")
def swiglu_backward(g, gate, up):
    """dgate = g up s (1 + gate (1 - s)), dup = g gate s, with s = sigmoid(gate)"""
    R, N = g.shape
    r, i = grid(R, N)
    s = array[r, i](sigmoid(gate[r, i]))
    dgate = array[r, i](g[r, i] * up[r, i] * (s[r, i] * (1 + gate[r, i] * (1 - s[r, i]))))
    dup = array[r, i](g[r, i] * (gate[r, i] * s[r, i]))
    return dgate, dup


spec = definitions(CONTRACT, swiglu, swiglu_backward)

swiglu_inputs = cases(
    dims={"R": "1..8", "N": "1..257"},
    gate="float[R, N] in [-120, 120]",
    up="float[R, N] in [-64, 64]",
)
sg_ratio_inputs = cases(
    dims={"R": "1..8", "N": "1..257"},
    gate="float[R, N] in [-10, 10]",
    up="float[R, N] in [-64, 64]",
)
sg_element_inputs = cases(
    dims={"R": "1..5", "N": "2..129"},
    work={"R * N * R * N": 2**18},
    gate="float[R, N] in [-120, 120]",
    up="float[R, N] in [-64, 64]",
    other_up="float[R, N] in [-64, 64]",
)
swiglu_backward_inputs = cases(
    dims={"R": "1..8", "N": "1..257"},
    g="float[R, N] in [-8, 8]",
    gate="float[R, N] in [-120, 120]",
    up="float[R, N] in [-64, 64]",
)
sg_wide_inputs = cases(
    dims={"R": "9..10", "N": "4097, 5121"},
    elements=92178,
    gate="float[R, N] in [-120, 120]",
    up="float[R, N] in [-64, 64]",
)
sg_wide_backward_inputs = cases(
    dims={"R": "9..10", "N": "4097, 5121"},
    elements=138267,
    g="float[R, N] in [-8, 8]",
    gate="float[R, N] in [-120, 120]",
    up="float[R, N] in [-64, 64]",
)
sg_memory_inputs = cases(
    dims={"R": "1..8", "N": "1..129"},
    gate="float[R, N] in [-120, 120]",
    up="float[R, N] in [-64, 64]",
)
sg_shape_inputs = cases(
    dims={"R": "1..8", "N": "2..129", "L": "1, 130"},
    gate="float[R, N] in [-120, 120]",
    up="float[R, N] in [-64, 64]",
    wrong="float[R, L] in [-64, 64]",
)
sg_batch_inputs = cases(
    dims={"R": "16, 17, 32, 64, 128, 257", "N": "1, 5, 16, 64"},
    assume=("R * N <= 8192",),
    elements=49344,
    gate="float[R, N] in [-120, 120]",
    up="float[R, N] in [-64, 64]",
    g="float[R, N] in [-8, 8]",
)
sg_def_swiglu_inputs = cases(
    dims={"R": "1..8", "N": "1..4097"},
    gate="float[R, N] in [-120, 120]",
    up="float[R, N] in [-64, 64]",
)
sg_def_swiglu_backward_inputs = cases(
    dims={"R": "1..8", "N": "1..4097"},
    g="float[R, N] in [-8, 8]",
    gate="float[R, N] in [-120, 120]",
    up="float[R, N] in [-64, 64]",
)


@obligation("SG-REFLECT", equation="swiglu", type="symmetry")
@given(case=swiglu_inputs)
def test_sg_reflect(kernel, case):
    """silu(x) - silu(-x) = x: the outputs of a gate and of its negative differ by gate up."""
    gate, up = kernel.receives(case, "gate up")
    R, N = case.R, case.N
    r, i = grid(R, N)
    opposite = array[r, i](-gate[r, i])
    h = kernel.swiglu(gate, up)
    k = kernel.swiglu(opposite, up)
    claim(all[r, i](approx(h[r, i] - k[r, i], gate[r, i] * up[r, i])))


@obligation("SG-RATIO", equation="swiglu", type="invariance")
@given(case=sg_ratio_inputs)
def test_sg_ratio(kernel, case):
    """silu(x) = -exp(x) silu(-x): the sigmoid is the logistic one. With the reflection law this leaves no other
    function."""
    gate, up = kernel.receives(case, "gate up")
    R, N = case.R, case.N
    r, i = grid(R, N)
    opposite = array[r, i](-gate[r, i])
    h = kernel.swiglu(gate, up)
    k = kernel.swiglu(opposite, up)
    claim(all[r, i](approx(h[r, i], -(exp(gate[r, i]) * k[r, i]))))


@obligation("SG-ELEMENT", equation="swiglu", type="independence")
@given(case=sg_element_inputs)
def test_sg_element(kernel, case):
    """An element of the output depends on the elements of its own place alone."""
    gate, up, other_up = kernel.receives(case, "gate up other_up")
    R, N = case.R, case.N
    r, i, s, j = grid(R, N, R, N)
    independent(
        lambda up: kernel.swiglu(gate, up),
        up,
        other_up,
        when=(s != r) | (j != i),
        output=(r, i),
        input=(s, j),
        case=case,
    )


@obligation("SG-GRAD", equation="swiglu_backward", type="gradient")
@given(case=swiglu_backward_inputs)
def test_sg_grad(kernel, case):
    """dgate and dup are the gradients of sum(g * swiglu(gate, up))."""
    g, gate, up = kernel.receives(case, "g gate up")
    dgate, dup = kernel.swiglu_backward(g, gate, up)
    expected_dgate, expected_dup = gradient(spec, "swiglu", {"gate": gate, "up": up}, wrt="gate up", cotangents=(g,))
    claim(approx(dgate, expected_dgate))
    claim(approx(dup, expected_dup))


@obligation("SG-EULER", equation="swiglu_backward", type="conservation")
@given(case=swiglu_backward_inputs)
def test_sg_euler(kernel, case):
    """h is linear in up: up dup = g h, element by element."""
    g, gate, up = kernel.receives(case, "g gate up")
    R, N = case.R, case.N
    r, i = grid(R, N)
    _, dup = kernel.swiglu_backward(g, gate, up)
    h = kernel.swiglu(gate, up)
    claim(all[r, i](approx(up[r, i] * dup[r, i], g[r, i] * h[r, i])))


@obligation("SG-ODD", equation="swiglu_backward", type="symmetry")
@given(case=swiglu_backward_inputs)
def test_sg_odd(kernel, case):
    """With up negated dgate is negated and dup stays."""
    g, gate, up = kernel.receives(case, "g gate up")
    R, N = case.R, case.N
    r, i = grid(R, N)
    opposite = array[r, i](-up[r, i])
    dgate, dup = kernel.swiglu_backward(g, gate, up)
    other, same = kernel.swiglu_backward(g, gate, opposite)
    claim(all[r, i](approx(other[r, i], -dgate[r, i])))
    claim(approx(same, dup))


@obligation("SG-WIDE", equation="swiglu", type="equivalence")
@given(case=sg_wide_inputs)
def test_sg_wide(kernel, case):
    """More rows than a block has, each wider than it, are written to their ends."""
    gate, up = kernel.receives(case, "gate up")
    claim(approx(kernel.swiglu(gate, up), spec.swiglu(gate, up)))


@obligation("SG-WIDE-BACKWARD", equation="swiglu_backward", type="equivalence")
@given(case=sg_wide_backward_inputs)
def test_sg_wide_backward(kernel, case):
    """The same of the gradients."""
    g, gate, up = kernel.receives(case, "g gate up")
    dgate, dup = kernel.swiglu_backward(g, gate, up)
    expected_dgate, expected_dup = spec.swiglu_backward(g, gate, up)
    claim(approx(dgate, expected_dgate))
    claim(approx(dup, expected_dup))


@obligation("SG-MEMORY", equation="swiglu", type="resource")
@given(case=sg_memory_inputs)
def test_sg_memory(kernel, case):
    """The forward pass allocates its output and nothing else."""
    gate, up = kernel.receives(case, "gate up")
    uses_at_most(1, "allocations", lambda: kernel.swiglu(gate, up))


@obligation("SG-SHAPE", equation="swiglu", type="rejection")
@given(case=sg_shape_inputs)
def test_sg_shape(kernel, case):
    """An up of another shape than the gate is refused."""
    gate, wrong = kernel.receives(case, "gate wrong")
    rejects(kernel, "swiglu", (gate, wrong), ValueError)


@obligation("SG-BATCH", equation="swiglu", type="equivalence")
@given(case=sg_batch_inputs)
def test_sg_batch(kernel, case):
    """Batches of many rows, whole numbers of tiles and others, are gated to the last row, forward and backward."""
    gate, up, g = kernel.receives(case, "gate up g")
    h = kernel.swiglu(gate, up)
    dgate, dup = kernel.swiglu_backward(g, gate, up)
    expected = spec.swiglu(gate, up)
    expected_dgate, expected_dup = spec.swiglu_backward(g, gate, up)
    claim(approx(h, expected))
    claim(approx(dgate, expected_dgate))
    claim(approx(dup, expected_dup))


@obligation("SG-DEF-SWIGLU", equation="swiglu", type="definition")
@given(case=sg_def_swiglu_inputs)
def test_sg_def_swiglu(kernel, case):
    """swiglu computes its definition."""
    gate, up = kernel.receives(case, "gate up")
    h = kernel.swiglu(gate, up)
    expected_h = spec.swiglu(gate, up)
    claim(approx(h, expected_h))


@obligation("SG-DEF-SWIGLU_BACKWARD", equation="swiglu_backward", type="definition")
@given(case=sg_def_swiglu_backward_inputs)
def test_sg_def_swiglu_backward(kernel, case):
    """swiglu_backward computes its definition."""
    g, gate, up = kernel.receives(case, "g gate up")
    dgate, dup = kernel.swiglu_backward(g, gate, up)
    expected_dgate, expected_dup = spec.swiglu_backward(g, gate, up)
    claim(approx(dgate, expected_dgate))
    claim(approx(dup, expected_dup))


@obligation("SG-FT-FAR", rule="SG-DEF-SWIGLU", type="falsification")
def test_sg_ft_far(kernel):
    """Far from zero the activation is the identity or nothing: no overflow, no NaN."""
    case = example({"gate": "float[R, N]", "up": "float[R, N]"}, gate=[[100, -100, 120, -120]], up=[[2, 2, -3, -3]])
    gate, up = kernel.receives(case, "gate up")
    R, N = case.R, case.N
    r, i = grid(R, N)
    h = kernel.swiglu(gate, up)
    claim(all[r, i](isfinite(h[r, i]) & (abs(h[r, i] - max(gate[r, i], 0) * up[r, i]) <= 0.001)))


@obligation("SG-FT-UP", rule="SG-GRAD", type="falsification")
def test_sg_ft_up(kernel):
    """Where up is zero the gate gets no gradient, and up still gets one."""
    case = example(
        {"g": "float[R, N]", "gate": "float[R, N]", "up": "float[R, N]"},
        g=[[1, 1, 1]],
        gate=[[0.5, -1, 3]],
        up=[[0, 0, 0]],
    )
    g, gate, up = kernel.receives(case, "g gate up")
    R, N = case.R, case.N
    r, i = grid(R, N)
    dgate, dup = kernel.swiglu_backward(g, gate, up)
    claim(all[r, i]((dgate[r, i] == 0) & (abs(dup[r, i]) > 0.2)))
