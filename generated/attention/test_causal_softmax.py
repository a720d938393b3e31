"""attention/causal-softmax: Causal mask and causal softmax.

Compiled from contracts/attention/causal-softmax-v1.yaml: change the contract and run `albor-contracts generate`, never this file.
Meaning: cc4507a0f0186631f22f23f71f60a2b4c368f085d550bfd6ab9b32645a056556
"""

from albor_contracts.testing import (
    all, approx, array, cases, claim, defines, definitions, dot, exact, example, exp, given, gradient, grid,
    independent, inf, isfinite, max, min, obligation, ratio, rejects, sum, uses_at_most, where,
)

CONTRACT = "attention/causal-softmax"


@defines("causal_mask(x: float[B, S, S]) -> y: float[B, S, S]")
def causal_mask(x):
    """y = x where j <= i, -inf elsewhere"""
    B = x.shape[0]
    S = x.shape[1]
    b, i, j = grid(B, S, S)
    y = array[b, i, j](where(j <= i, x[b, i, j], -inf))
    return y


@defines("causal_softmax(x: float[B, S, S], scale: real) -> a: float[B, S, S]")
def causal_softmax(x, scale):
    """a_ij = exp(scale x_ij) / sum over l <= i of exp(scale x_il) where j <= i, 0 elsewhere"""
    B = x.shape[0]
    S = x.shape[1]
    b, i, j, l = grid(B, S, S, S)
    m = array[b, i](max[j](scale * x[b, i, j], where=j <= i))
    e = array[b, i, j](where(j <= i, exp(scale * x[b, i, j] - m[b, i]), 0))
    a = array[b, i, j](e[b, i, j] / sum[l](e[b, i, l]))
    return a


@defines("causal_softmax_backward(g: float[B, S, S], x: float[B, S, S], scale: real) -> dx: float[B, S, S]")
def causal_softmax_backward(g, x, scale):
    """dx_ij = scale a_ij (g_ij - sum_l a_il g_il)"""
    B = g.shape[0]
    S = g.shape[1]
    b, i, j, l = grid(B, S, S, S)
    m = array[b, i](max[j](scale * x[b, i, j], where=j <= i))
    e = array[b, i, j](where(j <= i, exp(scale * x[b, i, j] - m[b, i]), 0))
    a = array[b, i, j](e[b, i, j] / sum[l](e[b, i, l]))
    dx = array[b, i, j](where(j <= i, scale * a[b, i, j] * (g[b, i, j] - dot[l](a[b, i, l], g[b, i, l])), 0))
    return dx


spec = definitions(CONTRACT, causal_mask, causal_softmax, causal_softmax_backward)

causal_softmax_backward_inputs = cases(
    dims={"B": "1..3", "S": "1..17"},
    work={"B * S * S": 2**15},
    g="float[B, S, S] in [-4, 4]",
    x="float[B, S, S] in [-20, 20]",
    scale="real in [0.05, 2]",
)
causal_softmax_inputs = cases(
    dims={"B": "1..3", "S": "1..17"},
    work={"B * S * S": 2**15, "B * S * S * S": 2**18},
    x="float[B, S, S] in [-20, 20]",
    scale="real in [0.05, 2]",
)
csm_seen_inputs = cases(
    dims={"B": "1..3", "S": "1..17"},
    work={"B * S * S": 2**15},
    x="float[B, S, S] in [-20, 20]",
    scale="real in [0.05, 2]",
)
csm_future_inputs = cases(
    dims={"B": "1..3", "S": "1..17"},
    work={"B * S * S": 2**15, "B * S * B * S * S": 2**18},
    x="float[B, S, S] in [-20, 20]",
    scale="real in [0.05, 2]",
    other_x="float[B, S, S] in [-20, 20]",
)
csm_past_gradient_inputs = cases(
    dims={"B": "1..3", "S": "1..17"},
    work={"B * S * S": 2**15, "S * S": 2**18},
    g="float[B, S, S] in [-4, 4]",
    x="float[B, S, S] in [-20, 20]",
    scale="real in [0.05, 2]",
    other_g="float[B, S, S] in [-4, 4]",
)
csm_shift_inputs = cases(
    dims={"B": "1..3", "S": "1..17"},
    work={"B * S * S": 2**15},
    x="float[B, S, S] in [-20, 20]",
    scale="real in [0.05, 2]",
    c="float[B, S] in [-500, 500]",
)
csm_blocks_inputs = cases(
    dims={"B": "1", "S": "127, 129"},
    work={"B * S * S": 2**15},
    x="float[B, S, S] in [-20, 20]",
    scale="real in [0.05, 2]",
)
csm_tiles_inputs = cases(
    dims={"B": "2", "S": "67, 129"},
    work={"B * S * S": 33282},
    elements=66565,
    x="float[B, S, S] in [-20, 20]",
    scale="real in [0.05, 2]",
    g="float[B, S, S] in [-4, 4]",
)
csm_two_inputs = cases(
    dims={"B": "1..3", "S": "2"},
    work={"B * S * S": 2**15},
    x="float[B, S, S] in [-20, 20]",
    scale="real in [0.05, 2]",
)
csm_square_inputs = cases(
    dims={"B": "1..2", "S": "1..5", "T": "1..5"},
    assume=("S != T",),
    work={"B * S * S": 2**15},
    x="float[B, S, S] in [-20, 20]",
    scale="real in [0.05, 2]",
    wide="float[B, S, T] in [-4, 4]",
)
causal_mask_inputs = cases(
    dims={"B": "1..2", "S": "1..5", "T": "1..5"},
    assume=("S != T",),
    work={"B * S * S": 2**15},
    x="float[B, S, S] in [-20, 20]",
    wide="float[B, S, T] in [-4, 4]",
)
csm_fits_inputs = cases(
    dims={"B": "1..2", "S": "1..5", "T": "1..5"},
    assume=("S != T",),
    work={"B * S * S": 2**15},
    g="float[B, S, S] in [-4, 4]",
    x="float[B, S, S] in [-20, 20]",
    scale="real in [0.05, 2]",
    other="float[B, T, T] in [-4, 4]",
)
csm_multiples_inputs = cases(
    dims={"B": "1, 2", "S": "16, 32, 64, 96, 128, 192, 256"},
    assume=("B * S <= 256",),
    work={"B * S * S": 2**17},
    elements=131073,
    x="float[B, S, S] in [-20, 20]",
    scale="real in [0.05, 2]",
    g="float[B, S, S] in [-4, 4]",
)
csm_deep_inputs = cases(
    dims={"B": "1..2", "S": "2..8"},
    work={"B * S * S": 2**15, "S * S": 2**18},
    x="float[B, S, S] in [-20, 20]",
    scale="real in {1, 32}",
    order="permutation[S]",
)
csm_billions_inputs = cases(
    dims={"B": "1..3", "S": "1..17"},
    work={"B * S * S": 2**15},
    x="float[B, S, S] in [-60000, -40000]",
    scale="real in [65536, 131072]",
)
csm_wide_inputs = cases(
    dims={"B": "1", "S": "513"},
    work={"B * S * S": 263169},
    elements=263170,
    x="float[B, S, S] in [-20, 20]",
    scale="real in [0.05, 2]",
)
csm_batches_inputs = cases(
    dims={"B": "4, 5, 9", "S": "1..4"},
    work={"B * S * S": 2**15},
    x="float[B, S, S] in [-20, 20]",
    scale="real in [0.05, 2]",
)
csm_batches_backward_inputs = cases(
    dims={"B": "4, 5, 9", "S": "1..4"},
    work={"B * S * S": 2**15},
    g="float[B, S, S] in [-4, 4]",
    x="float[B, S, S] in [-20, 20]",
    scale="real in [0.05, 2]",
)
csm_batches_mask_inputs = cases(
    dims={"B": "4, 5, 9", "S": "1..4"},
    work={"B * S * S": 2**15},
    x="float[B, S, S] in [-20, 20]",
)
csm_def_causal_mask_inputs = cases(
    dims={"B": "1..3", "S": "1..17"},
    work={"B * S * S": 2**15},
    x="float[B, S, S] in [-20, 20]",
)


@obligation("CSM-GRAD", equation="causal_softmax_backward", type="gradient")
@given(case=causal_softmax_backward_inputs)
def test_csm_grad(kernel, case):
    """dx is the gradient of sum(g * a)."""
    g, x, scale = kernel.receives(case, "g x scale")
    dx = kernel.causal_softmax_backward(g, x, scale)
    (expected_dx,) = gradient(spec, "causal_softmax", {"x": x, "scale": scale}, wrt="x", cotangents=(g,))
    claim(approx(dx, expected_dx))


@obligation("CSM-MASKED", equation="causal_softmax", type="equivalence")
@given(case=causal_softmax_inputs)
def test_csm_masked(kernel, case):
    """The fused kernel is the ordinary softmax of the masked scores."""
    x, scale = kernel.receives(case, "x scale")
    B, S = case.B, case.S
    b, i, j, l = grid(B, S, S, S)
    y = kernel.causal_mask(x)
    a = kernel.causal_softmax(x, scale)
    e = array[b, i, j](exp(scale * y[b, i, j] - max[l](scale * y[b, i, l])))
    claim(all[b, i, j](approx(a[b, i, j] * sum[l](e[b, i, l]), e[b, i, j])))


@obligation("CSM-SEEN", equation="causal_softmax", type="bound")
@given(case=csm_seen_inputs)
def test_csm_seen(kernel, case):
    """A visible weight lies between exp(s - max) / (i + 1) and exp(s - max)."""
    x, scale = kernel.receives(case, "x scale")
    B, S = case.B, case.S
    b, i, j = grid(B, S, S)
    a = kernel.causal_softmax(x, scale)
    m = array[b, i](max[j](scale * x[b, i, j], where=j <= i))
    e = array[b, i, j](where(j <= i, exp(scale * x[b, i, j] - m[b, i]), 0))
    claim(all[b, i, j]((e[b, i, j] <= a[b, i, j] * (i + 1)) & (a[b, i, j] <= e[b, i, j])))


@obligation("CSM-SUM", equation="causal_softmax", type="conservation")
@given(case=csm_seen_inputs)
def test_csm_sum(kernel, case):
    """Each row sums to one."""
    x, scale = kernel.receives(case, "x scale")
    B, S = case.B, case.S
    b, i, j = grid(B, S, S)
    a = kernel.causal_softmax(x, scale)
    claim(all[b, i](approx(sum[j](a[b, i, j]), 1)))


@obligation("CSM-FUTURE", equation="causal_softmax", type="independence")
@given(case=csm_future_inputs)
def test_csm_future(kernel, case):
    """A row depends on no score of the future and on no other row, bit for bit."""
    x, scale, other_x = kernel.receives(case, "x scale other_x")
    B, S = case.B, case.S
    b, i, j, c, r, l = grid(B, S, S, B, S, S)
    independent(
        lambda x: kernel.causal_softmax(x, scale),
        x,
        other_x,
        when=(c != b) | (r != i) | (l > r),
        output=(b, i, j),
        input=(c, r, l),
        case=case,
    )


@obligation("CSM-PAST-GRADIENT", equation="causal_softmax_backward", type="independence")
@given(case=csm_past_gradient_inputs)
def test_csm_past_gradient(kernel, case):
    """Gradients of weights of the future do not take part."""
    g, x, scale, other_g = kernel.receives(case, "g x scale other_g")
    B, S = case.B, case.S
    b, i, j, l = grid(B, S, S, S)
    independent(
        lambda g: kernel.causal_softmax_backward(g, x, scale),
        g,
        other_g,
        when=l > i,
        output=(b, i, j),
        input=(b, i, l),
        case=case,
    )


@obligation("CSM-FIRST", equation="causal_softmax", type="boundary")
@given(case=csm_seen_inputs)
def test_csm_first(kernel, case):
    """The first row is 1, 0, 0, ... whatever its scores."""
    x, scale = kernel.receives(case, "x scale")
    B, S = case.B, case.S
    b, j = grid(B, S)
    a = kernel.causal_softmax(x, scale)
    first = array[b, j](a[b, 0, j])
    one = array[b, j](where(j < 1, 1, 0 * x[b, 0, j]))
    claim(all[b, j](first[b, j] == one[b, j]))


@obligation("CSM-SHIFT", equation="causal_softmax", type="invariance")
@given(case=csm_shift_inputs)
def test_csm_shift(kernel, case):
    """A constant added to the scores of a row changes nothing, however large."""
    x, scale, c = kernel.receives(case, "x scale c")
    B, S = case.B, case.S
    b, i, j = grid(B, S, S)
    moved = array[b, i, j](x[b, i, j] + c[b, i])
    claim(approx(kernel.causal_softmax(moved, scale), kernel.causal_softmax(x, scale)))


@obligation("CSM-ROWSUM", equation="causal_softmax_backward", type="conservation")
@given(case=causal_softmax_backward_inputs)
def test_csm_rowsum(kernel, case):
    """Each row of dx sums to zero."""
    g, x, scale = kernel.receives(case, "g x scale")
    B, S = case.B, case.S
    b, i, j = grid(B, S, S)
    dx = kernel.causal_softmax_backward(g, x, scale)
    claim(all[b, i](approx(sum[j](dx[b, i, j]), 0)))


@obligation("CSM-BLOCKS", equation="causal_softmax", type="equivalence")
@given(case=csm_blocks_inputs)
def test_csm_blocks(kernel, case):
    """Sizes about and beyond a block of columns agree with the definition."""
    x, scale = kernel.receives(case, "x scale")
    claim(approx(kernel.causal_softmax(x, scale), spec.causal_softmax(x, scale)))


@obligation("CSM-LAUNCH", equation="causal_softmax", type="resource")
@given(case=csm_seen_inputs)
def test_csm_launch(kernel, case):
    """One launch serves all heads and rows."""
    x, scale = kernel.receives(case, "x scale")
    uses_at_most(1, "launches", lambda: kernel.causal_softmax(x, scale))


@obligation("CSM-TILES", equation="causal_softmax", type="equivalence")
@given(case=csm_tiles_inputs)
def test_csm_tiles(kernel, case):
    """Matrices of several programs are covered to the last row of the last head, forward and backward."""
    x, scale, g = kernel.receives(case, "x scale g")
    a = kernel.causal_softmax(x, scale)
    dx = kernel.causal_softmax_backward(g, x, scale)
    expected_a = spec.causal_softmax(x, scale)
    expected_dx = spec.causal_softmax_backward(g, x, scale)
    claim(approx(a, expected_a))
    claim(approx(dx, expected_dx))


@obligation("CSM-TWO", equation="causal_softmax", type="equivalence")
@given(case=csm_two_inputs)
def test_csm_two(kernel, case):
    """Of two positions the second sees both, wherever their scores lie in memory."""
    x, scale = kernel.receives(case, "x scale")
    claim(approx(kernel.causal_softmax(x, scale), spec.causal_softmax(x, scale)))


@obligation("CSM-SQUARE", equation="causal_softmax", type="rejection")
@given(case=csm_square_inputs)
def test_csm_square(kernel, case):
    """Scores that are not square are refused."""
    scale, wide = kernel.receives(case, "scale wide")
    rejects(kernel, "causal_softmax", (wide, scale), ValueError, mentions=["x"])


@obligation("CSM-SQUARE-MASK", equation="causal_mask", type="rejection")
@given(case=causal_mask_inputs)
def test_csm_square_mask(kernel, case):
    """Scores that are not square are not masked either."""
    wide = kernel.receives(case, "wide")
    rejects(kernel, "causal_mask", (wide,), ValueError, mentions=["x"])


@obligation("CSM-FITS", equation="causal_softmax_backward", type="rejection")
@given(case=csm_fits_inputs)
def test_csm_fits(kernel, case):
    """A gradient of another size than the scores is refused."""
    x, scale, other = kernel.receives(case, "x scale other")
    rejects(kernel, "causal_softmax_backward", (other, x, scale), ValueError, mentions=["g"])


@obligation("CSM-MULTIPLES", equation="causal_softmax", type="equivalence", cost=2)
@given(case=csm_multiples_inputs)
def test_csm_multiples(kernel, case):
    """Matrices that fill their blocks exactly agree with the definition to the last row and column, forward and
    backward."""
    x, scale, g = kernel.receives(case, "x scale g")
    a = kernel.causal_softmax(x, scale)
    dx = kernel.causal_softmax_backward(g, x, scale)
    expected_a = spec.causal_softmax(x, scale)
    expected_dx = spec.causal_softmax_backward(g, x, scale)
    claim(approx(a, expected_a))
    claim(approx(dx, expected_dx))


@obligation("CSM-DEEP", equation="causal_softmax", type="boundary")
@given(case=csm_deep_inputs)
def test_csm_deep(kernel, case):
    """Where scores are far below -10000, some near -10^6, and far apart, each row has the weight 1 at the largest it
    sees, and 0 elsewhere."""
    x, scale, order = kernel.receives(case, "x scale order")
    B, S = case.B, case.S
    b, i, j = grid(B, S, S)
    deep = array[b, i, j](0 * x[b, i, j] - 32768 - 1024 * order[j])
    a = kernel.causal_softmax(deep, scale)
    least = array[i](min[j](order[j], where=j <= i))
    claim(all[b, i, j](a[b, i, j] == where(order[j] == least[i], 1, 0)))


@obligation("CSM-BILLIONS", equation="causal_softmax", type="bound")
@given(case=csm_billions_inputs)
def test_csm_billions(kernel, case):
    """Weights of the future are exactly 0 where scores lie billions below zero either, or not a number where a sum is
    not one."""
    x, scale = kernel.receives(case, "x scale")
    B, S = case.B, case.S
    b, i, j = grid(B, S, S)
    a = kernel.causal_softmax(x, scale)
    future = array[b, i, j](where((j > i) & isfinite(a[b, i, j]), a[b, i, j], 0 * x[b, i, j]))
    nothing = array[b, i, j](where((j > i) & isfinite(a[b, i, j]), 0, 0 * x[b, i, j]))
    claim(all[b, i, j](exact(future[b, i, j], nothing[b, i, j])))


@obligation("CSM-WIDE", equation="causal_softmax", type="equivalence", cost=25)
@given(case=csm_wide_inputs)
def test_csm_wide(kernel, case):
    """A row of 513 positions sees all before it."""
    x, scale = kernel.receives(case, "x scale")
    claim(approx(kernel.causal_softmax(x, scale), spec.causal_softmax(x, scale)))


@obligation("CSM-BATCHES", equation="causal_softmax", type="equivalence", cost=2)
@given(case=csm_batches_inputs)
def test_csm_batches(kernel, case):
    """Each of four, five or nine matrices is its own."""
    x, scale = kernel.receives(case, "x scale")
    claim(approx(kernel.causal_softmax(x, scale), spec.causal_softmax(x, scale)))


@obligation("CSM-BATCHES-BACKWARD", equation="causal_softmax_backward", type="equivalence", cost=2)
@given(case=csm_batches_backward_inputs)
def test_csm_batches_backward(kernel, case):
    """The same of the gradients."""
    g, x, scale = kernel.receives(case, "g x scale")
    claim(approx(kernel.causal_softmax_backward(g, x, scale), spec.causal_softmax_backward(g, x, scale)))


@obligation("CSM-BATCHES-MASK", equation="causal_mask", type="equivalence", cost=2)
@given(case=csm_batches_mask_inputs)
def test_csm_batches_mask(kernel, case):
    """Each of four, five or nine matrices is masked, and keeps its own scores."""
    x = kernel.receives(case, "x")
    claim(exact(kernel.causal_mask(x), spec.causal_mask(x)))


@obligation("CSM-DEF-CAUSAL_MASK", equation="causal_mask", type="definition")
@given(case=csm_def_causal_mask_inputs)
def test_csm_def_causal_mask(kernel, case):
    """causal_mask computes its definition."""
    x = kernel.receives(case, "x")
    y = kernel.causal_mask(x)
    expected_y = spec.causal_mask(x)
    claim(approx(y, expected_y))


@obligation("CSM-DEF-CAUSAL_SOFTMAX", equation="causal_softmax", type="definition")
@given(case=csm_seen_inputs)
def test_csm_def_causal_softmax(kernel, case):
    """causal_softmax computes its definition."""
    x, scale = kernel.receives(case, "x scale")
    a = kernel.causal_softmax(x, scale)
    expected_a = spec.causal_softmax(x, scale)
    claim(approx(a, expected_a))


@obligation("CSM-DEF-CAUSAL_SOFTMAX_BACKWARD", equation="causal_softmax_backward", type="definition")
@given(case=causal_softmax_backward_inputs)
def test_csm_def_causal_softmax_backward(kernel, case):
    """causal_softmax_backward computes its definition."""
    g, x, scale = kernel.receives(case, "g x scale")
    dx = kernel.causal_softmax_backward(g, x, scale)
    expected_dx = spec.causal_softmax_backward(g, x, scale)
    claim(approx(dx, expected_dx))


@obligation("CSM-T-HALVES", rule="CSM-DEF-CAUSAL_SOFTMAX", type="falsification")
def test_csm_t_halves(kernel):
    """Scores of log 3 and 0 share 3 to 1, and the future gets exactly nothing."""
    case = example(
        {"x": "float[B, S, S]", "scale": "real"},
        x=[[[7.0, 9.0, 9.0], [1.0986122886681098, 0.0, 50.0], [0.0, 0.0, 0.0]]],
        scale=1.0,
    )
    x, scale = kernel.receives(case, "x scale")
    a = kernel.causal_softmax(x, scale)
    claim(a[0, 0, 0] == 1)
    claim(a[0, 0, 1] == 0)
    claim(approx(a[0, 1, 0], 0.75))
    claim(a[0, 1, 2] == 0)
    claim(approx(a[0, 2, 1], ratio(1, 3)))


@obligation("CSM-T-FAR", rule="CSM-SHIFT", type="falsification")
def test_csm_t_far(kernel):
    """Scores thousands apart select one position, without overflow."""
    case = example(
        {"x": "float[B, S, S]", "scale": "real", "c": "float[B, S]"},
        x=[[[-9000.0, 3.0], [9000.0, -9000.0]]],
        scale=1.0,
        c=[[0.0, 0.0]],
    )
    x, scale = kernel.receives(case, "x scale")
    a = kernel.causal_softmax(x, scale)
    claim(a[0, 0, 0] == 1)
    claim(a[0, 1, 0] == 1)
    claim(a[0, 1, 1] == 0)


@obligation("CSM-T-SLOPE", rule="CSM-DEF-CAUSAL_SOFTMAX_BACKWARD", type="falsification")
def test_csm_t_slope(kernel):
    """At weights 1/2 and 1/2, g = (1, 0) gives scale * (1/4, -1/4); the future's g is not read."""
    case = example(
        {"g": "float[B, S, S]", "x": "float[B, S, S]", "scale": "real"},
        g=[[[5.0, 9.0], [1.0, 0.0]]],
        x=[[[2.0, -1.0], [3.0, 3.0]]],
        scale=0.5,
    )
    g, x, scale = kernel.receives(case, "g x scale")
    dx = kernel.causal_softmax_backward(g, x, scale)
    claim(dx[0, 0, 0] == 0)
    claim(dx[0, 0, 1] == 0)
    claim(approx(dx[0, 1, 0], 0.125))
    claim(approx(dx[0, 1, 1], -0.125))
