"""loss/fused-linear-cross-entropy: Linear head and cross-entropy without the logits.

Compiled from contracts/loss/fused-linear-cross-entropy-v1.yaml: change the contract and run `albor-contracts generate`, never this file.
Meaning: 8f64a5d6be317464c7cbc9f579aa13ac66d50842adcc4b9f985353085b1bae01
"""

from albor_contracts.testing import (
    all, any, approx, array, cases, cast, claim, clip, count, defines, definitions, dot, example, exp, given, gradient,
    grid, independent, log, max, obligation, ratio, rejects, single, sum, supposing, uses_at_most, where,
)

CONTRACT = "loss/fused-linear-cross-entropy"


@defines(
    "fused_linear_cross_entropy(h: float[T, H], w: float[V, H], y: i64[T], ignore: int)"
    " -> loss: accum[], dh: float[T, H], dw: float[V, H]"
)
def fused_linear_cross_entropy(h, w, y, ignore):
    """z = h w^T, loss = cross-entropy(z, y), dz = (softmax z - onehot y) / n, dh = dz w, dw = dz^T h"""
    T, H = h.shape
    V = w.shape[0]
    t, k, v = grid(T, H, V)
    n = single(max(count[t](y[t] != ignore), 1))
    z = array[t, v](cast(dot[k](h[t, k], w[v, k])))
    m = array[t](max[v](z[t, v]))
    lse = array[t](m[t] + log(sum[v](exp(z[t, v] - m[t]))))
    c = array[t](where(y[t] != ignore, lse[t] - z[t, clip(y[t], 0, V - 1)], 0))
    loss = single(sum[t](c[t]) / n)
    dz = array[t, v](cast(where(y[t] != ignore, (exp(z[t, v] - lse[t]) - where(v == y[t], 1, 0)) / n, 0)))
    dh = array[t, k](dot[v](dz[t, v], w[v, k]))
    dw = array[v, k](dot[t](dz[t, v], h[t, k]))
    return loss, dh, dw


@defines("cross_entropy(z: float[T, V], y: i64[T], ignore: int) -> loss: accum[], dz: float[T, V]")
def cross_entropy(z, y, ignore):
    """loss = 1/n sum over valid t of (logsumexp z_t - z_t[y_t]), dz = (softmax(z) - onehot(y)) / n"""
    T, V = z.shape
    t, v = grid(T, V)
    n = single(max(count[t](y[t] != ignore), 1))
    m = array[t](max[v](z[t, v]))
    lse = array[t](m[t] + log(sum[v](exp(z[t, v] - m[t]))))
    c = array[t](where(y[t] != ignore, lse[t] - z[t, clip(y[t], 0, V - 1)], 0))
    loss = single(sum[t](c[t]) / n)
    dz = array[t, v](where(y[t] != ignore, (exp(z[t, v] - lse[t]) - where(v == y[t], 1, 0)) / n, 0))
    return loss, dz


spec = definitions(CONTRACT, fused_linear_cross_entropy, cross_entropy)


def supposed_1(case):
    """any[s, t](y[s] == ignore and s != t)"""
    y, ignore, T = case.y, case.ignore, case.T
    t, s = grid(T, T)
    return any[s, t]((y[s] == ignore) & (s != t))


fused_linear_cross_entropy_inputs = cases(
    dims={"T": "1..9", "V": "1..33", "H": "1..9"},
    h="float[T, H] in [-3, 3]",
    w="float[V, H] in [-2, 2]",
    y="i64[T] in [0, V) or {ignore}",
    ignore="int in {-100, -1}",
)
flc_parts_inputs = cases(
    dims={"T": "1..9", "V": "1..33", "H": "1..9"},
    work={"T * H * V": 2**18},
    h="float[T, H] in {-2, -1, 0, 1, 2}",
    w="float[V, H] in {-2, -1, 0, 1, 2}",
    y="i64[T] in [0, V) or {ignore}",
    ignore="int in {-100, -1}",
)
flc_trace_inputs = cases(
    dims={"T": "1..9", "V": "1..33", "H": "1..9"},
    work={"T * H * V": 2**18},
    h="float[T, H] in [-3, 3]",
    w="float[V, H] in [-2, 2]",
    y="i64[T] in [0, V) or {ignore}",
    ignore="int in {-100, -1}",
)
flc_padding_inputs = cases(
    dims={"T": "1..9", "V": "1..33", "H": "1..9"},
    such_that=supposing(supposed_1),
    work={"T * T": 2**18},
    h="float[T, H] in [-3, 3]",
    w="float[V, H] in [-2, 2]",
    y="i64[T] in [0, V) or {ignore}",
    ignore="int in {-100, -1}",
    other_h="float[T, H] in [-3, 3]",
)
flc_memory_inputs = cases(
    dims={"T": "33..65", "V": "129..200", "H": "1..4"},
    h="float[T, H] in [-3, 3]",
    w="float[V, H] in [-2, 2]",
    y="i64[T] in [0, V) or {ignore}",
    ignore="int in {-100, -1}",
)
flc_many_inputs = cases(
    dims={"T": "33..65", "V": "65..129", "H": "1..4"},
    h="float[T, H] in [-3, 3]",
    w="float[V, H] in [-2, 2]",
    y="i64[T] in [0, V) or {ignore}",
    ignore="int in {-100, -1}",
)
flc_wide_inputs = cases(
    dims={"T": "1..2", "V": "32771", "H": "1..2"},
    elements=65546,
    h="float[T, H] in [-3, 3]",
    w="float[V, H] in [-2, 2]",
    y="i64[T] in [0, V) or {ignore}",
    ignore="int in {-100, -1}",
)
flc_label_inputs = cases(
    dims={"T": "1..9", "V": "1..33", "H": "1..9"},
    h="float[T, H] in [-3, 3]",
    w="float[V, H] in [-2, 2]",
    y="i64[T] in [0, V) or {ignore}",
    ignore="int in {-100}",
    far="int in [-3, 3]",
)
flc_tiles_inputs = cases(
    dims={"T": "5, 33", "V": "129, 257", "H": "129, 257"},
    elements=74564,
    h="float[T, H] in [-3, 3]",
    w="float[V, H] in [-2, 2]",
    y="i64[T] in [0, V) or {ignore}",
    ignore="int in {-100, -1}",
)
flc_rest_inputs = cases(
    dims={"T": "257, 1025", "V": "2..5", "H": "1..3"},
    h="float[T, H] in [-3, 3]",
    w="float[V, H] in [-2, 2]",
    y="i64[T] in [0, V)",
    ignore="int in {-100, -1}",
)
flc_pad_token_inputs = cases(
    dims={"T": "1..9", "V": "1..17", "H": "1..9"},
    h="float[T, H] in [-3, 3]",
    w="float[V, H] in [-2, 2]",
    y="i64[T] in [0, V) or {ignore}",
    ignore="int in [0, V)",
)
flc_far_inputs = cases(
    dims={"T": "1..5", "V": "1..17", "H": "1..3"},
    h="float[T, H] in [104, 140]",
    w="float[V, H] in [104, 140]",
    y="i64[T] in [0, V) or {ignore}",
    ignore="int in {-100, -1}",
    below="bool",
)


@obligation("FLC-GRAD", equation="fused_linear_cross_entropy", type="gradient")
@given(case=fused_linear_cross_entropy_inputs)
def test_flc_grad(kernel, case):
    """dh and dw are the gradients of the loss."""
    h, w, y, ignore = kernel.receives(case, "h w y ignore")
    _, dh, dw = kernel.fused_linear_cross_entropy(h, w, y, ignore)
    expected_dh, expected_dw = gradient(
        spec,
        "fused_linear_cross_entropy",
        {"h": h, "w": w, "y": y, "ignore": ignore},
        wrt="h w",
        cotangents=(1, None, None),
    )
    claim(approx(dh, expected_dh))
    claim(approx(dw, expected_dw))


@obligation("FLC-PARTS", equation="fused_linear_cross_entropy", type="equivalence")
@given(case=flc_parts_inputs)
def test_flc_parts(kernel, case):
    """The loss is that of the plain cross-entropy of the logits, and dh is its gradient times w."""
    h, w, y, ignore = kernel.receives(case, "h w y ignore")
    T, V, H = case.T, case.V, case.H
    t, k, v = grid(T, H, V)
    loss, dh, _ = kernel.fused_linear_cross_entropy(h, w, y, ignore)
    z = array[t, v](dot[k](h[t, k], w[v, k]))
    expected_loss, dz = spec.cross_entropy(z, y, ignore)
    claim(approx(loss, expected_loss))
    claim(all[t, k](approx(dh[t, k], dot[v](dz[t, v], w[v, k]))))


@obligation("FLC-SUMS", equation="fused_linear_cross_entropy", type="conservation")
@given(case=fused_linear_cross_entropy_inputs)
def test_flc_sums(kernel, case):
    """dw sums to zero over the vocabulary."""
    h, w, y, ignore = kernel.receives(case, "h w y ignore")
    V, H = case.V, case.H
    v, k = grid(V, H)
    _, _, dw = kernel.fused_linear_cross_entropy(h, w, y, ignore)
    claim(all[k](approx(sum[v](dw[v, k]), 0)))


@obligation("FLC-TRACE", equation="fused_linear_cross_entropy", type="conservation")
@given(case=flc_trace_inputs)
def test_flc_trace(kernel, case):
    """sum(h dh) = sum(w dw): both are the loss's derivative when all logits are scaled."""
    h, w, y, ignore = kernel.receives(case, "h w y ignore")
    T, V, H = case.T, case.V, case.H
    t, k, v = grid(T, H, V)
    _, dh, dw = kernel.fused_linear_cross_entropy(h, w, y, ignore)
    claim(approx(dot[t, k](h[t, k], dh[t, k]), dot[v, k](w[v, k], dw[v, k])))


@obligation("FLC-PADDING", equation="fused_linear_cross_entropy", type="independence")
@given(case=flc_padding_inputs)
def test_flc_padding(kernel, case):
    """Ignored tokens change no gradient of others by a bit."""
    h, w, y, ignore, other_h = kernel.receives(case, "h w y ignore other_h")
    T, H = case.T, case.H
    t, k, s, j = grid(T, H, T, H)
    independent(
        lambda h: kernel.fused_linear_cross_entropy(h, w, y, ignore)[1],
        h,
        other_h,
        when=(y[s] == ignore) & (s != t),
        output=(t, k),
        input=(s, j),
        case=case,
    )


@obligation("FLC-MEMORY", equation="fused_linear_cross_entropy", type="resource")
@given(case=flc_memory_inputs)
def test_flc_memory(kernel, case):
    """No buffer of T V elements: beside the gradients, logits for a quarter of the tokens at most, or for as many as
    have the size of h."""
    h, w, y, ignore = kernel.receives(case, "h w y ignore")
    T, V, H = case.T, case.V, case.H
    uses_at_most(4 * (V * H + T * H + max(T * H, ratio(T * V, 4)) + V + T), "bytes", lambda: kernel.fused_linear_cross_entropy(h, w, y, ignore))


@obligation("FLC-MANY", equation="fused_linear_cross_entropy", type="equivalence")
@given(case=flc_many_inputs)
def test_flc_many(kernel, case):
    """Many groups of rows give what the definition gives at once."""
    h, w, y, ignore = kernel.receives(case, "h w y ignore")
    loss, dh, dw = kernel.fused_linear_cross_entropy(h, w, y, ignore)
    expected_loss, expected_dh, expected_dw = spec.fused_linear_cross_entropy(h, w, y, ignore)
    claim(approx(loss, expected_loss))
    claim(approx(dh, expected_dh))
    claim(approx(dw, expected_dw))


@obligation("FLC-WIDE", equation="fused_linear_cross_entropy", type="equivalence", cost=6)
@given(case=flc_wide_inputs)
def test_flc_wide(kernel, case):
    """Vocabularies wider than a block give what the definition gives."""
    h, w, y, ignore = kernel.receives(case, "h w y ignore")
    loss, dh, dw = kernel.fused_linear_cross_entropy(h, w, y, ignore)
    expected_loss, expected_dh, expected_dw = spec.fused_linear_cross_entropy(h, w, y, ignore)
    claim(approx(loss, expected_loss))
    claim(approx(dh, expected_dh))
    claim(approx(dw, expected_dw))


@obligation("FLC-LABEL", equation="fused_linear_cross_entropy", type="rejection")
@given(case=flc_label_inputs)
def test_flc_label(kernel, case):
    """A label outside the vocabulary is refused."""
    h, w, y, ignore, far = kernel.receives(case, "h w y ignore far")
    T, V = case.T, case.V
    t = grid(T)
    wrong = array[t](where(far < 0, far, V + far) + 0 * y[t])
    rejects(kernel, "fused_linear_cross_entropy", (h, w, wrong, ignore), ValueError, mentions=["label"])


@obligation("FLC-TILES", equation="fused_linear_cross_entropy", type="equivalence", cost=2)
@given(case=flc_tiles_inputs)
def test_flc_tiles(kernel, case):
    """Hidden sizes of several tiles give what the definition gives, to the last column."""
    h, w, y, ignore = kernel.receives(case, "h w y ignore")
    loss, dh, dw = kernel.fused_linear_cross_entropy(h, w, y, ignore)
    expected_loss, expected_dh, expected_dw = spec.fused_linear_cross_entropy(h, w, y, ignore)
    claim(approx(loss, expected_loss))
    claim(approx(dh, expected_dh))
    claim(approx(dw, expected_dw))


@obligation("FLC-REST", equation="fused_linear_cross_entropy", type="equivalence", cost=4)
@given(case=flc_rest_inputs)
def test_flc_rest(kernel, case):
    """A single token more than fills groups of rows counts in the loss and in both gradients."""
    h, w, y, ignore = kernel.receives(case, "h w y ignore")
    loss, dh, dw = kernel.fused_linear_cross_entropy(h, w, y, ignore)
    expected_loss, expected_dh, expected_dw = spec.fused_linear_cross_entropy(h, w, y, ignore)
    claim(approx(loss, expected_loss))
    claim(approx(dh, expected_dh))
    claim(approx(dw, expected_dw))


@obligation("FLC-PAD-TOKEN", equation="fused_linear_cross_entropy", type="equivalence")
@given(case=flc_pad_token_inputs)
def test_flc_pad_token(kernel, case):
    """The ignored label may be a class of the vocabulary, that of padding: tokens with this label do not count."""
    h, w, y, ignore = kernel.receives(case, "h w y ignore")
    loss, dh, dw = kernel.fused_linear_cross_entropy(h, w, y, ignore)
    expected_loss, expected_dh, expected_dw = spec.fused_linear_cross_entropy(h, w, y, ignore)
    claim(approx(loss, expected_loss))
    claim(approx(dh, expected_dh))
    claim(approx(dw, expected_dw))


@obligation("FLC-FAR", equation="fused_linear_cross_entropy", type="equivalence")
@given(case=flc_far_inputs)
def test_flc_far(kernel, case):
    """Logits in the tens of thousands, above 0 or below it, have the loss and the gradients of the definition."""
    h, w, y, ignore, below = kernel.receives(case, "h w y ignore below")
    V, H = case.V, case.H
    v, k = grid(V, H)
    far = array[v, k](where(below, -w[v, k], w[v, k]))
    loss, dh, dw = kernel.fused_linear_cross_entropy(h, far, y, ignore)
    expected_loss, expected_dh, expected_dw = spec.fused_linear_cross_entropy(h, far, y, ignore)
    claim(approx(loss, expected_loss))
    claim(approx(dh, expected_dh))
    claim(approx(dw, expected_dw))


@obligation("FLC-DEF-FUSED_LINEAR_CROSS_ENTROPY", equation="fused_linear_cross_entropy", type="definition")
@given(case=fused_linear_cross_entropy_inputs)
def test_flc_def_fused_linear_cross_entropy(kernel, case):
    """fused_linear_cross_entropy computes its definition."""
    h, w, y, ignore = kernel.receives(case, "h w y ignore")
    loss, dh, dw = kernel.fused_linear_cross_entropy(h, w, y, ignore)
    expected_loss, expected_dh, expected_dw = spec.fused_linear_cross_entropy(h, w, y, ignore)
    claim(approx(loss, expected_loss))
    claim(approx(dh, expected_dh))
    claim(approx(dw, expected_dw))


@obligation("FLC-T-UNIFORM", rule="FLC-DEF-FUSED_LINEAR_CROSS_ENTROPY", type="falsification")
def test_flc_t_uniform(kernel):
    """Zero hidden states cost log V each; the ignored third does not count; dh is half the mean row less the
    label's."""
    case = example(
        {"h": "float[T, H]", "w": "float[V, H]", "y": "i64[T]", "ignore": "int"},
        h=[[0.0, 0.0], [0.0, 0.0], [9.0, 9.0]],
        w=[[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, 3.0]],
        y=[3, 0, -1],
        ignore=-1,
    )
    h, w, y, ignore = kernel.receives(case, "h w y ignore")
    loss, dh, _ = kernel.fused_linear_cross_entropy(h, w, y, ignore)
    claim(approx(loss, log(4)))
    claim(approx(dh[0, 0], 0))
    claim(approx(dh[0, 1], -1))
    claim(approx(dh[1, 0], -0.5))
    claim(approx(dh[1, 1], 0.5))
    claim(dh[2, 0] == 0)


@obligation("FLC-T-TWO", rule="FLC-GRAD", type="falsification")
def test_flc_t_two(kernel):
    """One token with h = 3 of two classes of equal weight: dw = (-3/2, 3/2)."""
    case = example(
        {"h": "float[T, H]", "w": "float[V, H]", "y": "i64[T]", "ignore": "int"},
        h=[[3.0]],
        w=[[2.0], [2.0]],
        y=[0],
        ignore=-1,
    )
    h, w, y, ignore = kernel.receives(case, "h w y ignore")
    loss, dh, dw = kernel.fused_linear_cross_entropy(h, w, y, ignore)
    claim(approx(loss, log(2)))
    claim(approx(dw[0, 0], -1.5))
    claim(approx(dw[1, 0], 1.5))
    claim(dh[0, 0] == 0)
