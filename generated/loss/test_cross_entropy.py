"""loss/cross-entropy: Cross-entropy with its gradient.

Compiled from contracts/loss/cross-entropy-v1.yaml: change the contract and run `albor-contracts generate`, never this file.
Meaning: 103d3645c2cfb195abfcc6ac43d758c765bbd2f32a212e63db7136d7e673b1df
"""

from albor_contracts.testing import (
    all, any, approx, array, cases, claim, clip, count, defines, definitions, example, exp, given, gradient, grid,
    independent, inf, log, max, obligation, ratio, rejects, same_twice, single, sum, supposing, uses_at_most, where,
)

CONTRACT = "loss/cross-entropy"


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


spec = definitions(CONTRACT, cross_entropy)


def supposed_1(case):
    """any[s, t](y[s] == ignore and s != t)"""
    y, ignore, T = case.y, case.ignore, case.T
    t, s = grid(T, T)
    return any[s, t]((y[s] == ignore) & (s != t))


cross_entropy_inputs = cases(
    dims={"T": "1..8", "V": "1..1025"},
    z="float[T, V] in [-80, 80]",
    y="i64[T] in [0, V) or {ignore}",
    ignore="int in {-100, -1}",
)
ce_wide_inputs = cases(
    dims={"T": "1..1", "V": "32769, 33001"},
    elements=33003,
    z="float[T, V] in [-40, -2]",
    y="i64[T] in [0, V) or {ignore}",
    ignore="int in {-100, -1}",
)
ce_last_step_inputs = cases(
    dims={"T": "1..1", "V": "8193, 15001, 46001"},
    elements=46003,
    z="float[T, V] in [-40, -2]",
    y="i64[T] in [0, V) or {ignore}",
    ignore="int in {-100, -1}",
)
ce_beside_inputs = cases(
    dims={"T": "2..3", "V": "8193, 12287, 16383, 16384"},
    elements=32771,
    z="float[T, V] in [-80, 80]",
    y="i64[T] in [0, V) or {ignore}",
    ignore="int in {-100, -1}",
)
ce_rowsum_inputs = cases(
    dims={"T": "1..8", "V": "1..4099"},
    z="float[T, V] in [-80, 80]",
    y="i64[T] in [0, V) or {ignore}",
    ignore="int in {-100, -1}",
)
ce_shift_inputs = cases(
    dims={"T": "1..8", "V": "1..257"},
    z="float[T, V] in [-20, 20]",
    y="i64[T] in [0, V) or {ignore}",
    ignore="int in {-100, -1}",
    c="float[T] in [-30, 30]",
)
ce_padding_inputs = cases(
    dims={"T": "1..8", "V": "1..257"},
    such_that=supposing(supposed_1),
    work={"T * T": 2**18},
    z="float[T, V] in [-80, 80]",
    y="i64[T] in [0, V) or {ignore}",
    ignore="int in {-100, -1}",
    other_z="float[T, V] in [-80, 80]",
)
ce_memory_inputs = cases(
    dims={"T": "1..8", "V": "65..67"},
    z="float[T, V] in [-80, 80]",
    y="i64[T] in [0, V) or {ignore}",
    ignore="int in {-100, -1}",
)
ce_label_inputs = cases(
    dims={"T": "1..8", "V": "1..257"},
    z="float[T, V] in [-80, 80]",
    y="i64[T] in [0, V) or {ignore}",
    ignore="int in {-100, -1}",
    far="int in [0, 5]",
)
ce_negative_inputs = cases(
    dims={"T": "1..8", "V": "1..257"},
    z="float[T, V] in [-80, 80]",
    y="i64[T] in [0, V) or {ignore}",
    ignore="int in {-100}",
    below="int in [0, 3]",
)
ce_many_inputs = cases(
    dims={"T": "257", "V": "2..9"},
    z="float[T, V] in [-80, 80]",
    y="i64[T] in [0, V)",
    ignore="int in {-100, -1}",
)
ce_ends_inputs = cases(
    dims={"T": "1", "V": "16387, 32771"},
    elements=32774,
    z="float[T, V] in [-240, -200]",
    y="i64[T] in [V - 3, V)",
    ignore="int in {-100, -1}",
    holes="bool",
)
ce_sixteen_bits_inputs = cases(
    dims={"T": "1", "V": "65540"},
    elements=65542,
    z="float[T, V] in [-40, -2]",
    y="i64[T] in [V - 3, V)",
    ignore="int in {-100, -1}",
)
ce_batch_inputs = cases(
    dims={"T": "1025", "V": "2..5"},
    z="float[T, V] in [-80, 80]",
    y="i64[T] in [0, V)",
    ignore="int in {-100, -1}",
)
ce_pad_token_inputs = cases(
    dims={"T": "1..8", "V": "1..17"},
    z="float[T, V] in [-80, 80]",
    y="i64[T] in [0, V) or {ignore}",
    ignore="int in [0, V)",
)
ce_deep_inputs = cases(
    dims={"T": "1..8", "V": "1..65"},
    z="float[T, V] in [-80, 80]",
    y="i64[T] in [0, V)",
    ignore="int in {-100, -1}",
    far="float[T] in [-1e6, -20000] or {-1e30}",
)


@obligation("CE-GRAD", equation="cross_entropy", type="gradient")
@given(case=cross_entropy_inputs)
def test_ce_grad(kernel, case):
    """dz is the gradient of the loss."""
    z, y, ignore = kernel.receives(case, "z y ignore")
    _, dz = kernel.cross_entropy(z, y, ignore)
    (expected_dz,) = gradient(spec, "cross_entropy", {"z": z, "y": y, "ignore": ignore}, wrt="z", cotangents=(1, None))
    claim(approx(dz, expected_dz))


@obligation("CE-WIDE", equation="cross_entropy", type="equivalence")
@given(case=ce_wide_inputs)
def test_ce_wide(kernel, case):
    """Vocabularies wider than a block give the same loss and gradient as the definition."""
    z, y, ignore = kernel.receives(case, "z y ignore")
    loss, dz = kernel.cross_entropy(z, y, ignore)
    expected_loss, expected_dz = spec.cross_entropy(z, y, ignore)
    claim(approx(loss, expected_loss))
    claim(approx(dz, expected_dz))


@obligation("CE-LAST-STEP", equation="cross_entropy", type="equivalence")
@given(case=ce_last_step_inputs)
def test_ce_last_step(kernel, case):
    """Vocabularies that end anywhere in a step of several blocks give the same loss and gradient as the definition."""
    z, y, ignore = kernel.receives(case, "z y ignore")
    loss, dz = kernel.cross_entropy(z, y, ignore)
    expected_loss, expected_dz = spec.cross_entropy(z, y, ignore)
    claim(approx(loss, expected_loss))
    claim(approx(dz, expected_dz))


@obligation("CE-BESIDE", equation="cross_entropy", type="equivalence")
@given(case=ce_beside_inputs)
def test_ce_beside(kernel, case):
    """Each of several wide rows has its own loss and gradient, and an ignored one only zeros."""
    z, y, ignore = kernel.receives(case, "z y ignore")
    loss, dz = kernel.cross_entropy(z, y, ignore)
    expected_loss, expected_dz = spec.cross_entropy(z, y, ignore)
    claim(approx(loss, expected_loss))
    claim(approx(dz, expected_dz))


@obligation("CE-ROWSUM", equation="cross_entropy", type="conservation")
@given(case=ce_rowsum_inputs)
def test_ce_rowsum(kernel, case):
    """Every row of the gradient sums to zero."""
    z, y, ignore = kernel.receives(case, "z y ignore")
    T, V = case.T, case.V
    t, v = grid(T, V)
    _, dz = kernel.cross_entropy(z, y, ignore)
    claim(all[t](approx(sum[v](dz[t, v]), 0)))


@obligation("CE-SIGN", equation="cross_entropy", type="bound")
@given(case=cross_entropy_inputs)
def test_ce_sign(kernel, case):
    """The loss is at least 0; dz is at most 0 at the label and at least 0 elsewhere."""
    z, y, ignore = kernel.receives(case, "z y ignore")
    T, V = case.T, case.V
    t, v = grid(T, V)
    loss, dz = kernel.cross_entropy(z, y, ignore)
    claim(0 <= loss)
    claim(all[t, v](where(v == y[t], dz[t, v] <= 0, dz[t, v] >= 0)))


@obligation("CE-SHIFT", equation="cross_entropy", type="invariance")
@given(case=ce_shift_inputs)
def test_ce_shift(kernel, case):
    """Adding a constant to the logits of a token changes nothing."""
    z, y, ignore, c = kernel.receives(case, "z y ignore c")
    T, V = case.T, case.V
    t, v = grid(T, V)
    shifted = array[t, v](z[t, v] + c[t])
    loss, dz = kernel.cross_entropy(z, y, ignore)
    loss2, dz2 = kernel.cross_entropy(shifted, y, ignore)
    claim(approx(loss, loss2))
    claim(approx(dz, dz2))


@obligation("CE-PADDING", equation="cross_entropy", type="independence")
@given(case=ce_padding_inputs)
def test_ce_padding(kernel, case):
    """Ignored tokens change neither the loss nor the gradient of others: their logits may be anything."""
    z, y, ignore, other_z = kernel.receives(case, "z y ignore other_z")
    T, V = case.T, case.V
    t, v, s, u = grid(T, V, T, V)
    independent(
        lambda z: kernel.cross_entropy(z, y, ignore)[1],
        z,
        other_z,
        when=(y[s] == ignore) & (s != t),
        output=(t, v),
        input=(s, u),
        case=case,
    )


@obligation("CE-DET", equation="cross_entropy", type="determinism")
@given(case=ce_rowsum_inputs)
def test_ce_det(kernel, case):
    """Two runs agree bitwise."""
    z, y, ignore = kernel.receives(case, "z y ignore")
    same_twice(lambda: kernel.cross_entropy(z, y, ignore))


@obligation("CE-MEMORY", equation="cross_entropy", type="resource")
@given(case=ce_memory_inputs)
def test_ce_memory(kernel, case):
    """Beside the gradient only a few numbers for each token are allocated."""
    z, y, ignore = kernel.receives(case, "z y ignore")
    T, V = case.T, case.V
    uses_at_most(4 * T * V + 64 * T, "bytes", lambda: kernel.cross_entropy(z, y, ignore))


@obligation("CE-LABEL", equation="cross_entropy", type="rejection")
@given(case=ce_label_inputs)
def test_ce_label(kernel, case):
    """A label outside the vocabulary is refused."""
    z, y, ignore, far = kernel.receives(case, "z y ignore far")
    T, V = case.T, case.V
    t = grid(T)
    wrong = array[t](V + far + 0 * y[t])
    rejects(kernel, "cross_entropy", (z, wrong, ignore), ValueError, mentions=["label"])


@obligation("CE-NEGATIVE", equation="cross_entropy", type="rejection")
@given(case=ce_negative_inputs)
def test_ce_negative(kernel, case):
    """A negative label that is not the ignored one is refused."""
    z, y, ignore, below = kernel.receives(case, "z y ignore below")
    T = case.T
    t = grid(T)
    wrong = array[t](-1 - below + 0 * y[t])
    rejects(kernel, "cross_entropy", (z, wrong, ignore), ValueError, mentions=["label"])


@obligation("CE-MANY", equation="cross_entropy", type="equivalence", cost=2)
@given(case=ce_many_inputs)
def test_ce_many(kernel, case):
    """More tokens than a 16-bit number can count one by one still have their mean."""
    z, y, ignore = kernel.receives(case, "z y ignore")
    loss, dz = kernel.cross_entropy(z, y, ignore)
    expected_loss, expected_dz = spec.cross_entropy(z, y, ignore)
    claim(approx(loss, expected_loss))
    claim(approx(dz, expected_dz))


@obligation("CE-ENDS", equation="cross_entropy", type="equivalence", cost=4)
@given(case=ce_ends_inputs)
def test_ce_ends(kernel, case):
    """In a wide row far below 0 the first class may have all the mass, and all but the last three may be impossible."""
    z, y, ignore, holes = kernel.receives(case, "z y ignore holes")
    T, V = case.T, case.V
    t, v = grid(T, V)
    ends = array[t, v](where(holes, where(v < V - 3, -inf, z[t, v]), where(v == 0, 0, z[t, v])))
    loss, dz = kernel.cross_entropy(ends, y, ignore)
    expected_loss, expected_dz = spec.cross_entropy(ends, y, ignore)
    claim(approx(loss, expected_loss))
    claim(approx(dz, expected_dz))


@obligation("CE-SIXTEEN-BITS", equation="cross_entropy", type="equivalence", cost=12)
@given(case=ce_sixteen_bits_inputs)
def test_ce_sixteen_bits(kernel, case):
    """Labels that 16 bits do not hold stand for their own class."""
    z, y, ignore = kernel.receives(case, "z y ignore")
    loss, dz = kernel.cross_entropy(z, y, ignore)
    expected_loss, expected_dz = spec.cross_entropy(z, y, ignore)
    claim(approx(loss, expected_loss))
    claim(approx(dz, expected_dz))


@obligation("CE-BATCH", equation="cross_entropy", type="equivalence", cost=4)
@given(case=ce_batch_inputs)
def test_ce_batch(kernel, case):
    """A batch of more than a thousand tokens has the mean of all of its losses."""
    z, y, ignore = kernel.receives(case, "z y ignore")
    loss, dz = kernel.cross_entropy(z, y, ignore)
    expected_loss, expected_dz = spec.cross_entropy(z, y, ignore)
    claim(approx(loss, expected_loss))
    claim(approx(dz, expected_dz))


@obligation("CE-PAD-TOKEN", equation="cross_entropy", type="equivalence")
@given(case=ce_pad_token_inputs)
def test_ce_pad_token(kernel, case):
    """The ignored label may be a class of the vocabulary, that of padding: tokens with this label do not count."""
    z, y, ignore = kernel.receives(case, "z y ignore")
    loss, dz = kernel.cross_entropy(z, y, ignore)
    expected_loss, expected_dz = spec.cross_entropy(z, y, ignore)
    claim(approx(loss, expected_loss))
    claim(approx(dz, expected_dz))


@obligation("CE-DEEP", equation="cross_entropy", type="boundary")
@given(case=ce_deep_inputs)
def test_ce_deep(kernel, case):
    """Equal logits cost log V, however far below 0 they lie."""
    z, y, ignore, far = kernel.receives(case, "z y ignore far")
    T, V = case.T, case.V
    t, v = grid(T, V)
    deep = array[t, v](far[t] + 0 * z[t, v])
    loss, dz = kernel.cross_entropy(deep, y, ignore)
    claim(approx(loss, log(V)))
    claim(all[t, v](approx(dz[t, v], (ratio(1, V) - where(v == y[t], 1, 0)) / T)))


@obligation("CE-DEF-CROSS_ENTROPY", equation="cross_entropy", type="definition")
@given(case=ce_rowsum_inputs)
def test_ce_def_cross_entropy(kernel, case):
    """cross_entropy computes its definition."""
    z, y, ignore = kernel.receives(case, "z y ignore")
    loss, dz = kernel.cross_entropy(z, y, ignore)
    expected_loss, expected_dz = spec.cross_entropy(z, y, ignore)
    claim(approx(loss, expected_loss))
    claim(approx(dz, expected_dz))


@obligation("CE-T-IGNORED", rule="CE-DEF-CROSS_ENTROPY", type="falsification")
def test_ce_t_ignored(kernel):
    """When every token is ignored, loss and gradient are exactly 0."""
    case = example(
        {"z": "float[T, V]", "y": "i64[T]", "ignore": "int"},
        z=[[1.0, 2.0, -3.0], [0.5, 0.0, 4.0]],
        y=[-100, -100],
        ignore=-100,
    )
    z, y, ignore = kernel.receives(case, "z y ignore")
    T, V = case.T, case.V
    t, v = grid(T, V)
    loss, dz = kernel.cross_entropy(z, y, ignore)
    claim(loss == 0)
    claim(all[t, v](dz[t, v] == 0))


@obligation("CE-T-UNIFORM", rule="CE-DEF-CROSS_ENTROPY", type="falsification")
def test_ce_t_uniform(kernel):
    """Equal logits cost log V whatever the label."""
    case = example({"z": "float[T, V]", "y": "i64[T]", "ignore": "int"}, z=[[3.0, 3.0, 3.0, 3.0]], y=[2], ignore=-100)
    z, y, ignore = kernel.receives(case, "z y ignore")
    loss, dz = kernel.cross_entropy(z, y, ignore)
    claim(approx(loss, log(4)))
    claim(approx(dz[0, 2], -0.75))


@obligation("CE-T-FAR", rule="CE-DEF-CROSS_ENTROPY", type="falsification")
def test_ce_t_far(kernel):
    """Logits far from 0 do not overflow, and a certain token costs nothing."""
    case = example(
        {"z": "float[T, V]", "y": "i64[T]", "ignore": "int"},
        z=[[-30000.0, -30000.0, 30000.0]],
        y=[2],
        ignore=-100,
    )
    z, y, ignore = kernel.receives(case, "z y ignore")
    T, V = case.T, case.V
    t, v = grid(T, V)
    loss, dz = kernel.cross_entropy(z, y, ignore)
    claim(loss == 0)
    claim(all[t, v](dz[t, v] == 0))


@obligation("CE-T-MASKED", rule="CE-DEF-CROSS_ENTROPY", type="falsification")
def test_ce_t_masked(kernel):
    """A logit of -inf is a class of probability zero: no NaN."""
    case = example(
        {"z": "float[T, V]", "y": "i64[T]", "ignore": "int"},
        z=[[0.0, float("-inf"), 0.0]],
        y=[0],
        ignore=-100,
    )
    z, y, ignore = kernel.receives(case, "z y ignore")
    loss, dz = kernel.cross_entropy(z, y, ignore)
    claim(approx(loss, log(2)))
    claim(dz[0, 1] == 0)
