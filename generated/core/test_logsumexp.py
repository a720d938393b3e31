"""core/logsumexp: Log-sum-exp.

Compiled from contracts/core/logsumexp-v1.yaml: change the contract and run `albor-contracts generate`, never this file.
Meaning: a514f2ffadf0bb6e9106c83fc4096f77e36b9e1446b1a321b83224799cb98e0f
"""

from albor_contracts.testing import (
    all, approx, array, cases, claim, defines, definitions, example, exp, given, gradient, grid, inf, log, max, min,
    obligation, rejects, sum, where,
)

CONTRACT = "core/logsumexp"


@defines("logsumexp(x: float[R, N]) -> lse: accum[R]")
def logsumexp(x):
    """lse = m + log sum exp(x - m), m = max x; -inf where m is"""
    R, N = x.shape
    r, j = grid(R, N)
    m = array[r](max[j](x[r, j]))
    b = array[r](where(m[r] == -inf, 0, m[r]))
    lse = array[r](b[r] + log(sum[j](exp(x[r, j] - b[r]))))
    return lse


@defines("logsumexp_chunked(x: float[R, N], chunk: int) -> lse: accum[R]")
def logsumexp_chunked(x, chunk):
    """lse = logsumexp over chunks of the logsumexp of each"""
    R, N = x.shape
    r, j = grid(R, N)
    m = array[r](max[j](x[r, j]))
    b = array[r](where(m[r] == -inf, 0, m[r]))
    lse = array[r](b[r] + log(sum[j](exp(x[r, j] - b[r]))))
    return lse


@defines("logsumexp_backward(g: accum[R], x: float[R, N]) -> dx: float[R, N]")
def logsumexp_backward(g, x):
    """dx = g softmax(x)"""
    (R,) = g.shape
    N = x.shape[1]
    r, j, i = grid(R, N, N)
    m = array[r](max[j](x[r, j]))
    e = array[r, i](exp(x[r, i] - m[r]))
    dx = array[r, i](g[r] * (e[r, i] / sum[j](e[r, j])))
    return dx


spec = definitions(CONTRACT, logsumexp, logsumexp_chunked, logsumexp_backward)

logsumexp_inputs = cases(
    dims={"R": "1..5", "N": "1..257"},
    x="float[R, N] in [-120, 120]",
)
lse_shift_inputs = cases(
    dims={"R": "1..5", "N": "1..257"},
    x="float[R, N] in [-10, 10]",
    c="real in [-110, 110]",
)
lse_split_inputs = cases(
    dims={"R": "1..5", "N": "1..257"},
    x="float[R, N] in [-60, 60]",
    at="int in [0, 257]",
)
logsumexp_chunked_inputs = cases(
    dims={"R": "1..5", "N": "1..257"},
    x="float[R, N] in [-60, -2]",
    chunk="int in [1, 300]",
    hole="int in [0, 256]",
)
lse_wide_inputs = cases(
    dims={"R": "1..1", "N": "16385, 16401, 17001"},
    x="float[R, N] in [-40, -2]",
    hole="int in {0, 16384}",
    top="real in [-2, 60]",
)
logsumexp_backward_inputs = cases(
    dims={"R": "1..5", "N": "1..257"},
    g="accum[R] in [-8, 8]",
    x="float[R, N] in [-120, 120]",
)
lse_chunk_inputs = cases(
    dims={"R": "1..5", "N": "1..257"},
    x="float[R, N] in [-120, 120] or {-inf}",
    chunk="int in [1, 300]",
    wrong="int in [-3, 0]",
)
lse_tiles_inputs = cases(
    dims={"R": "9, 17", "N": "257, 300"},
    x="float[R, N] in [-40, 40]",
    g="accum[R] in [-8, 8]",
    chunk="int in {257, 290}",
)
lse_wide_backward_inputs = cases(
    dims={"R": "1..1", "N": "16385, 16401"},
    g="accum[R] in [-8, 8]",
    x="float[R, N] in [-95, -2]",
    hole="int in {0, 16384}",
    first="real in {-50, 0}",
    c="real in {-110, 0, 110}",
)
lse_beside_inputs = cases(
    dims={"R": "2..3", "N": "16385, 16401"},
    elements=49159,
    x="float[R, N] in [-40, 40]",
    g="accum[R] in [-8, 8]",
    chunk="int in {6000, 9000}",
)
lse_many_chunks_inputs = cases(
    dims={"R": "1", "N": "1025"},
    x="float[R, N] in [-4, 4]",
    chunk="int in {2}",
)
lse_deep_inputs = cases(
    dims={"R": "1..5", "N": "1..65"},
    x="float[R, N] in [-1, 1]",
    far="float[R] in [-60000, -20000] or {-1e30}",
)
lse_deep_chunks_inputs = cases(
    dims={"R": "1..5", "N": "1..65"},
    x="float[R, N] in [-1, 1]",
    chunk="int in [1, 300]",
    far="float[R] in [-60000, -20000] or {-1e30}",
)
lse_deep_backward_inputs = cases(
    dims={"R": "1..5", "N": "1..65"},
    g="accum[R] in [-8, 8]",
    x="float[R, N] in [-1, 1]",
    far="float[R] in [-60000, -20000] or {-1e30}",
)
lse_rows_inputs = cases(
    dims={"R": "530", "N": "1..9"},
    x="float[R, N] in [-40, 40]",
    g="accum[R] in [-8, 8]",
)
lse_def_logsumexp_inputs = cases(
    dims={"R": "1..5", "N": "1..257"},
    x="float[R, N] in [-120, 120] or {-inf}",
)
lse_def_logsumexp_chunked_inputs = cases(
    dims={"R": "1..5", "N": "1..257"},
    x="float[R, N] in [-120, 120] or {-inf}",
    chunk="int in [1, 300]",
)


@obligation("LSE-BETWEEN", equation="logsumexp", type="bound")
@given(case=logsumexp_inputs)
def test_lse_between(kernel, case):
    """The value lies between the largest logit and that plus log N."""
    x = kernel.receives(case, "x")
    R, N = case.R, case.N
    r, i = grid(R, N)
    lse = kernel.logsumexp(x)
    claim(all[r]((max[i](x[r, i]) <= lse[r]) & (lse[r] <= max[i](x[r, i]) + log(N))))


@obligation("LSE-SHIFT", equation="logsumexp", type="invariance")
@given(case=lse_shift_inputs)
def test_lse_shift(kernel, case):
    """Adding a constant to a row adds it to the value."""
    x, c = kernel.receives(case, "x c")
    R, N = case.R, case.N
    r, i = grid(R, N)
    s = array[r, i](x[r, i] + c)
    a = kernel.logsumexp(s)
    b = kernel.logsumexp(x)
    claim(all[r](approx(a[r], b[r] + c)))


@obligation("LSE-SPLIT", equation="logsumexp", type="conservation")
@given(case=lse_split_inputs)
def test_lse_split(kernel, case):
    """The exponentials of the two parts of a row, one of which may be -inf throughout, add up to that of the whole."""
    x, at = kernel.receives(case, "x at")
    R, N = case.R, case.N
    r, i = grid(R, N)
    low = array[r, i](where(i < at, x[r, i], -inf))
    high = array[r, i](where(i < at, -inf, x[r, i]))
    all_of_it = kernel.logsumexp(x)
    a = kernel.logsumexp(low)
    b = kernel.logsumexp(high)
    claim(all[r](approx(exp(a[r] - all_of_it[r]) + exp(b[r] - all_of_it[r]), 1)))


@obligation("LSE-CHUNKS", equation="logsumexp_chunked", type="equivalence")
@given(case=logsumexp_chunked_inputs)
def test_lse_chunks(kernel, case):
    """Chunks of any width give the value of the whole row, also where chunks hold nothing but -inf."""
    x, chunk, hole = kernel.receives(case, "x chunk hole")
    R, N = case.R, case.N
    r, i = grid(R, N)
    s = array[r, i](where(i < min(hole, N - 1), -inf, x[r, i]))
    a = kernel.logsumexp_chunked(s, chunk)
    b = kernel.logsumexp(s)
    claim(approx(a, b))


@obligation("LSE-WIDE", equation="logsumexp", type="equivalence")
@given(case=lse_wide_inputs)
def test_lse_wide(kernel, case):
    """Rows longer than any block are summed as wholes, a first block of -inf and a last column with all the mass
    included."""
    x, hole, top = kernel.receives(case, "x hole top")
    R, N = case.R, case.N
    r, i = grid(R, N)
    s = array[r, i](where(i < hole, -inf, where(i == N - 1, top, x[r, i])))
    lse = kernel.logsumexp(s)
    expected = spec.logsumexp(s)
    claim(approx(lse, expected))


@obligation("LSE-GRAD", equation="logsumexp_backward", type="gradient")
@given(case=logsumexp_backward_inputs)
def test_lse_grad(kernel, case):
    """dx is the gradient of sum(g * logsumexp(x))."""
    g, x = kernel.receives(case, "g x")
    dx = kernel.logsumexp_backward(g, x)
    (expected_dx,) = gradient(spec, "logsumexp", {"x": x}, wrt="x", cotangents=(g,))
    claim(approx(dx, expected_dx))


@obligation("LSE-MASS", equation="logsumexp_backward", type="conservation")
@given(case=logsumexp_backward_inputs)
def test_lse_mass(kernel, case):
    """Each row of dx sums to its g."""
    g, x = kernel.receives(case, "g x")
    R, N = case.R, case.N
    r, i = grid(R, N)
    dx = kernel.logsumexp_backward(g, x)
    claim(all[r](approx(sum[i](dx[r, i]), g[r])))


@obligation("LSE-CHUNK", equation="logsumexp_chunked", type="rejection")
@given(case=lse_chunk_inputs)
def test_lse_chunk(kernel, case):
    """Chunks of no or of fewer columns are refused."""
    x, wrong = kernel.receives(case, "x wrong")
    rejects(kernel, "logsumexp_chunked", (x, wrong), ValueError, mentions=["chunk"])


@obligation("LSE-TILES", equation="logsumexp", type="equivalence")
@given(case=lse_tiles_inputs)
def test_lse_tiles(kernel, case):
    """Batches of more rows than one program takes are summed to the last row, in chunks or not, forward and
    backward."""
    x, g, chunk = kernel.receives(case, "x g chunk")
    a = kernel.logsumexp(x)
    b = kernel.logsumexp_chunked(x, chunk)
    dx = kernel.logsumexp_backward(g, x)
    expected = spec.logsumexp(x)
    expected_dx = spec.logsumexp_backward(g, x)
    claim(approx(a, expected))
    claim(approx(b, expected))
    claim(approx(dx, expected_dx))


@obligation("LSE-WIDE-BACKWARD", equation="logsumexp_backward", type="equivalence")
@given(case=lse_wide_backward_inputs)
def test_lse_wide_backward(kernel, case):
    """Gradients of rows longer than any block are taken over the whole row, a first block of -inf included."""
    g, x, hole, first, c = kernel.receives(case, "g x hole first c")
    R, N = case.R, case.N
    r, i = grid(R, N)
    s = array[r, i](where(i < hole, -inf, where(i == N - 1, 0, where(i == 0, first, x[r, i])) + c))
    dx = kernel.logsumexp_backward(g, s)
    expected = spec.logsumexp_backward(g, s)
    claim(approx(dx, expected))


@obligation("LSE-BESIDE", equation="logsumexp", type="equivalence")
@given(case=lse_beside_inputs)
def test_lse_beside(kernel, case):
    """Each of several rows longer than any block is summed by itself, in chunks or not, forward and backward."""
    x, g, chunk = kernel.receives(case, "x g chunk")
    a = kernel.logsumexp(x)
    b = kernel.logsumexp_chunked(x, chunk)
    dx = kernel.logsumexp_backward(g, x)
    expected = spec.logsumexp(x)
    expected_dx = spec.logsumexp_backward(g, x)
    claim(approx(a, expected))
    claim(approx(b, expected))
    claim(approx(dx, expected_dx))


@obligation("LSE-MANY-CHUNKS", equation="logsumexp_chunked", type="equivalence", cost=25)
@given(case=lse_many_chunks_inputs)
def test_lse_many_chunks(kernel, case):
    """Hundreds of narrow chunks, of which the last one is shorter, give the value of the whole row."""
    x, chunk = kernel.receives(case, "x chunk")
    R, N = case.R, case.N
    r, i = grid(R, N)
    s = array[r, i](where(i == N - 1, 8, x[r, i]))
    lse = kernel.logsumexp_chunked(s, chunk)
    expected = spec.logsumexp_chunked(s, chunk)
    claim(approx(lse, expected))


@obligation("LSE-DEEP", equation="logsumexp", type="boundary")
@given(case=lse_deep_inputs)
def test_lse_deep(kernel, case):
    """N equal logits have log N more than one of them, however far below 0 they lie."""
    x, far = kernel.receives(case, "x far")
    R, N = case.R, case.N
    r, i = grid(R, N)
    deep = array[r, i](far[r] + 0 * x[r, i])
    a = kernel.logsumexp(deep)
    claim(all[r](approx(a[r], far[r] + log(N))))


@obligation("LSE-DEEP-CHUNKS", equation="logsumexp_chunked", type="boundary")
@given(case=lse_deep_chunks_inputs)
def test_lse_deep_chunks(kernel, case):
    """The same in chunks."""
    x, chunk, far = kernel.receives(case, "x chunk far")
    R, N = case.R, case.N
    r, i = grid(R, N)
    deep = array[r, i](far[r] + 0 * x[r, i])
    a = kernel.logsumexp_chunked(deep, chunk)
    claim(all[r](approx(a[r], far[r] + log(N))))


@obligation("LSE-DEEP-BACKWARD", equation="logsumexp_backward", type="boundary")
@given(case=lse_deep_backward_inputs)
def test_lse_deep_backward(kernel, case):
    """N equal logits get g in equal shares, however far below 0 they lie."""
    g, x, far = kernel.receives(case, "g x far")
    R, N = case.R, case.N
    r, i = grid(R, N)
    deep = array[r, i](far[r] + 0 * x[r, i])
    dx = kernel.logsumexp_backward(g, deep)
    claim(all[r, i](approx(dx[r, i], g[r] / N)))


@obligation("LSE-ROWS", equation="logsumexp", type="equivalence", cost=12)
@given(case=lse_rows_inputs)
def test_lse_rows(kernel, case):
    """Hundreds of rows are summed to the last one, in chunks or not, forward and backward."""
    x, g = kernel.receives(case, "x g")
    a = kernel.logsumexp(x)
    b = kernel.logsumexp_chunked(x, 4)
    dx = kernel.logsumexp_backward(g, x)
    expected = spec.logsumexp(x)
    expected_dx = spec.logsumexp_backward(g, x)
    claim(approx(a, expected))
    claim(approx(b, expected))
    claim(approx(dx, expected_dx))


@obligation("LSE-DEF-LOGSUMEXP", equation="logsumexp", type="definition")
@given(case=lse_def_logsumexp_inputs)
def test_lse_def_logsumexp(kernel, case):
    """logsumexp computes its definition."""
    x = kernel.receives(case, "x")
    lse = kernel.logsumexp(x)
    expected_lse = spec.logsumexp(x)
    claim(approx(lse, expected_lse))


@obligation("LSE-DEF-LOGSUMEXP_CHUNKED", equation="logsumexp_chunked", type="definition")
@given(case=lse_def_logsumexp_chunked_inputs)
def test_lse_def_logsumexp_chunked(kernel, case):
    """logsumexp_chunked computes its definition."""
    x, chunk = kernel.receives(case, "x chunk")
    lse = kernel.logsumexp_chunked(x, chunk)
    expected_lse = spec.logsumexp_chunked(x, chunk)
    claim(approx(lse, expected_lse))


@obligation("LSE-DEF-LOGSUMEXP_BACKWARD", equation="logsumexp_backward", type="definition")
@given(case=logsumexp_backward_inputs)
def test_lse_def_logsumexp_backward(kernel, case):
    """logsumexp_backward computes its definition."""
    g, x = kernel.receives(case, "g x")
    dx = kernel.logsumexp_backward(g, x)
    expected_dx = spec.logsumexp_backward(g, x)
    claim(approx(dx, expected_dx))


@obligation("LSE-FT-EQUAL", rule="LSE-DEF-LOGSUMEXP", type="falsification")
def test_lse_ft_equal(kernel):
    """Four equal logits of c give c + log 4, at 16384 as at 0."""
    case = example({"x": "float[R, N]"}, x=[[16384, 16384, 16384, 16384], [0, 0, 0, 0]])
    x = kernel.receives(case, "x")
    lse = kernel.logsumexp(x)
    claim(approx(lse[0], 16384 + log(4)))
    claim(approx(lse[1], log(4)))


@obligation("LSE-FT-NOTHING", rule="LSE-DEF-LOGSUMEXP", type="falsification")
def test_lse_ft_nothing(kernel):
    """A row of -inf gives -inf, and one finite logit is the value of its row."""
    case = example({"x": "float[R, N]"}, x=[[float("-inf"), float("-inf")], [float("-inf"), 2.5]])
    x = kernel.receives(case, "x")
    lse = kernel.logsumexp(x)
    claim(lse[0] == -inf)
    claim(lse[1] == 2.5)


@obligation("LSE-FT-CHUNKS", rule="LSE-DEF-LOGSUMEXP_CHUNKED", type="falsification")
def test_lse_ft_chunks(kernel):
    """Chunks of 2 over (-inf, -inf, 3, 3, 3): the empty one counts for nothing, the short one for one."""
    case = example({"x": "float[R, N]", "chunk": "int"}, x=[[float("-inf"), float("-inf"), 3, 3, 3]], chunk=2)
    x, chunk = kernel.receives(case, "x chunk")
    lse = kernel.logsumexp_chunked(x, chunk)
    claim(approx(lse[0], 3 + log(3)))
