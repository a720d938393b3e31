"""loss/chunked-cross-entropy: Cross-entropy over a vocabulary in chunks.

Compiled from contracts/loss/chunked-cross-entropy-v1.yaml: change the contract and run `albor-contracts generate`, never this file.
Meaning: fd782e15fce5cfb1ba71b83574ab3bd53bf3ec25dedb4f2d3e0052e02ed47b88
"""

from albor_contracts.testing import (
    all, approx, array, cases, claim, clip, count, defines, definitions, example, exp, given, gradient, grid, inf, log,
    max, obligation, ratio, rejects, single, sum, uses_at_most, where,
)

CONTRACT = "loss/chunked-cross-entropy"


@defines(
    "chunk_update(z: float[T, V], y: i64[T], first: int, m: accum[T], l: accum[T], picked: accum[T])"
    " -> m2: accum[T], l2: accum[T], picked2: accum[T]"
)
def chunk_update(z, y, first, m, l, picked):
    """m' = max(m, max z), l' = exp(m - m') l + sum exp(z - m'), picked' = z_(y - first) where first <= y < first + V,
    else picked"""
    T, V = z.shape
    t, v = grid(T, V)
    m2 = array[t](max(m[t], max[v](z[t, v])))
    l2 = array[t](exp(m[t] - m2[t]) * l[t] + sum[v](exp(z[t, v] - m2[t])))
    picked2 = array[t](where((first <= y[t]) & (y[t] < first + V), z[t, clip(y[t] - first, 0, V - 1)], picked[t]))
    return m2, l2, picked2


@defines("chunked_cross_entropy(z: float[T, V], y: i64[T], ignore: int, chunk: int) -> loss: accum[], dz: float[T, V]")
def chunked_cross_entropy(z, y, ignore, chunk):
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


spec = definitions(CONTRACT, chunk_update, chunked_cross_entropy, cross_entropy)

chunk_update_inputs = cases(
    dims={"T": "1..6", "V": "1..67"},
    z="float[T, V] in [-8, 8]",
    y="i64[T] in [0, 200]",
    first="int in [0, 100]",
    m="accum[T] in [-8, 8]",
    l="accum[T] in [1, 100]",
    picked="accum[T] in [-20, 20]",
)
cce_order_inputs = cases(
    dims={"T": "1..6", "V": "1..33", "W": "1..33"},
    z="float[T, V] in [-20, 20]",
    y="i64[T] in [0, 200]",
    first="int in [0, 100]",
    m="accum[T] in [-20, 20]",
    l="accum[T] in [1, 100]",
    picked="accum[T] in [-20, 20]",
    z2="float[T, W] in [-20, 20]",
)
chunked_cross_entropy_inputs = cases(
    dims={"T": "1..6", "V": "1..67"},
    z="float[T, V] in [-80, 80]",
    y="i64[T] in [0, V) or {ignore}",
    ignore="int in {-100, -1}",
    chunk="int in {16, 24, 64}",
)
cce_memory_inputs = cases(
    dims={"T": "1..6", "V": "65..67"},
    z="float[T, V] in [-80, 80]",
    y="i64[T] in [0, V) or {ignore}",
    ignore="int in {-100, -1}",
    chunk="int in {16, 24, 64}",
)
cce_label_inputs = cases(
    dims={"T": "1..6", "V": "1..67"},
    z="float[T, V] in [-80, 80]",
    y="i64[T] in [0, V) or {ignore}",
    ignore="int in {-100}",
    chunk="int in {16, 24, 64}",
    far="int in [-3, 3]",
)
cce_wide_inputs = cases(
    dims={"T": "2", "V": "12001"},
    elements=24006,
    z="float[T, V] in [-4, 4]",
    y="i64[T] in [0, V) or {ignore}",
    ignore="int in {-100, -1}",
    chunk="int in {8193, 12001}",
)
cce_many_inputs = cases(
    dims={"T": "257", "V": "2..9"},
    z="float[T, V] in [-80, 80]",
    y="i64[T] in [0, V)",
    ignore="int in {-100, -1}",
    chunk="int in {16, 24, 64}",
)
cce_column_inputs = cases(
    dims={"T": "1..6", "V": "1..67", "C": "1, 2"},
    z="float[T, V] in [-20, 20]",
    y="i64[T] in [0, 200]",
    first="int in [0, 100]",
    m="accum[T] in [-20, 20]",
    l="accum[T] in [1, 100]",
    picked="accum[T] in [-20, 20]",
    column="i64[T, C] in [0, 200]",
)
cce_deep_inputs = cases(
    dims={"T": "1..6", "V": "1..67"},
    z="float[T, V] in [-80, 80]",
    y="i64[T] in [0, V)",
    ignore="int in {-100, -1}",
    chunk="int in {16, 24, 64}",
    far="float[T] in [-1e6, -60000] or {-1e30}",
)
cce_start_inputs = cases(
    dims={"T": "1..6", "V": "1..67"},
    z="float[T, V] in [-20, 20]",
    y="i64[T] in [0, 200]",
    first="int in [0, 100]",
    m="accum[T] in [-20, 20] or {-inf}",
    l="accum[T] in {0}",
    picked="accum[T] in [-20, 20]",
)
cce_offset_inputs = cases(
    dims={"T": "1..6", "V": "1..9"},
    z="float[T, V] in [-20, 20]",
    y="i64[T] in [first - 2, first + V + 2)",
    first="int in [16777217, 1073741824]",
    m="accum[T] in [-20, 20]",
    l="accum[T] in [1, 100]",
    picked="accum[T] in [-20, 20]",
)
cce_pad_token_inputs = cases(
    dims={"T": "1..6", "V": "1..33"},
    z="float[T, V] in [-80, 80]",
    y="i64[T] in [0, V) or {ignore}",
    ignore="int in [0, V)",
    chunk="int in {16, 24, 64}",
)
cce_def_chunk_update_inputs = cases(
    dims={"T": "1..6", "V": "1..67"},
    z="float[T, V] in [-20, 20]",
    y="i64[T] in [0, 200]",
    first="int in [0, 100]",
    m="accum[T] in [-20, 20]",
    l="accum[T] in [1, 100]",
    picked="accum[T] in [-20, 20]",
)


@obligation("CCE-INVARIANT", equation="chunk_update", type="conservation")
@given(case=chunk_update_inputs)
def test_cce_invariant(kernel, case):
    """l exp(m) grows by the exponentials of the chunk: the induction step."""
    z, y, first, m, l, picked = kernel.receives(case, "z y first m l picked")
    T, V = case.T, case.V
    t, v = grid(T, V)
    m2, l2, _ = kernel.chunk_update(z, y, first, m, l, picked)
    claim(all[t](approx(l2[t] * exp(m2[t]), l[t] * exp(m[t]) + sum[v](exp(z[t, v])))))


@obligation("CCE-ORDER", equation="chunk_update", type="equivalence")
@given(case=cce_order_inputs)
def test_cce_order(kernel, case):
    """Chunks may come in any order."""
    z, y, first, m, l, picked, z2 = kernel.receives(case, "z y first m l picked z2")
    V = case.V
    m1, l1, p1 = kernel.chunk_update(z, y, first, m, l, picked)
    m2, l2, p2 = kernel.chunk_update(z2, y, first + V, m1, l1, p1)
    m3, l3, p3 = kernel.chunk_update(z2, y, first + V, m, l, picked)
    m4, l4, p4 = kernel.chunk_update(z, y, first, m3, l3, p3)
    claim(approx(m2, m4))
    claim(approx(l2, l4))
    claim(approx(p2, p4))


@obligation("CCE-PLAIN", equation="chunked_cross_entropy", type="equivalence")
@given(case=chunked_cross_entropy_inputs)
def test_cce_plain(kernel, case):
    """Loss and gradient are those of the plain cross-entropy, whatever the chunk."""
    z, y, ignore, chunk = kernel.receives(case, "z y ignore chunk")
    loss, dz = kernel.chunked_cross_entropy(z, y, ignore, chunk)
    expected_loss, expected_dz = spec.cross_entropy(z, y, ignore)
    claim(approx(loss, expected_loss))
    claim(approx(dz, expected_dz))


@obligation("CCE-GRAD", equation="chunked_cross_entropy", type="gradient")
@given(case=chunked_cross_entropy_inputs)
def test_cce_grad(kernel, case):
    """dz is the gradient of the loss."""
    z, y, ignore, chunk = kernel.receives(case, "z y ignore chunk")
    _, dz = kernel.chunked_cross_entropy(z, y, ignore, chunk)
    (expected_dz,) = gradient(
        spec,
        "chunked_cross_entropy",
        {"z": z, "y": y, "ignore": ignore, "chunk": chunk},
        wrt="z",
        cotangents=(1, None),
    )
    claim(approx(dz, expected_dz))


@obligation("CCE-ROWSUM", equation="chunked_cross_entropy", type="conservation")
@given(case=chunked_cross_entropy_inputs)
def test_cce_rowsum(kernel, case):
    """Every row of the gradient sums to zero over the whole vocabulary."""
    z, y, ignore, chunk = kernel.receives(case, "z y ignore chunk")
    T, V = case.T, case.V
    t, v = grid(T, V)
    _, dz = kernel.chunked_cross_entropy(z, y, ignore, chunk)
    claim(all[t](approx(sum[v](dz[t, v]), 0)))


@obligation("CCE-MEMORY", equation="chunked_cross_entropy", type="resource")
@given(case=cce_memory_inputs)
def test_cce_memory(kernel, case):
    """Beside the gradient only a few numbers for each token are allocated."""
    z, y, ignore, chunk = kernel.receives(case, "z y ignore chunk")
    T, V = case.T, case.V
    uses_at_most(4 * T * V + 64 * T, "bytes", lambda: kernel.chunked_cross_entropy(z, y, ignore, chunk))


@obligation("CCE-LABEL", equation="chunked_cross_entropy", type="rejection")
@given(case=cce_label_inputs)
def test_cce_label(kernel, case):
    """A label that lies in no chunk is refused."""
    z, y, ignore, chunk, far = kernel.receives(case, "z y ignore chunk far")
    T, V = case.T, case.V
    t = grid(T)
    wrong = array[t](where(far < 0, far, V + far) + 0 * y[t])
    rejects(kernel, "chunked_cross_entropy", (z, wrong, ignore, chunk), ValueError, mentions=["label"])


@obligation("CCE-CHUNK", equation="chunked_cross_entropy", type="rejection")
@given(case=chunked_cross_entropy_inputs)
def test_cce_chunk(kernel, case):
    """A chunk of no class is refused."""
    z, y, ignore, chunk = kernel.receives(case, "z y ignore chunk")
    rejects(kernel, "chunked_cross_entropy", (z, y, ignore, 0 * chunk), ValueError, mentions=["chunk"])


@obligation("CCE-WIDE", equation="chunked_cross_entropy", type="equivalence", cost=4)
@given(case=cce_wide_inputs)
def test_cce_wide(kernel, case):
    """Chunks wider than a block have the loss and the gradient of the definition."""
    z, y, ignore, chunk = kernel.receives(case, "z y ignore chunk")
    loss, dz = kernel.chunked_cross_entropy(z, y, ignore, chunk)
    expected_loss, expected_dz = spec.chunked_cross_entropy(z, y, ignore, chunk)
    claim(approx(loss, expected_loss))
    claim(approx(dz, expected_dz))


@obligation("CCE-MANY", equation="chunked_cross_entropy", type="equivalence", cost=2)
@given(case=cce_many_inputs)
def test_cce_many(kernel, case):
    """More tokens than a 16-bit number can count one by one still have their mean."""
    z, y, ignore, chunk = kernel.receives(case, "z y ignore chunk")
    loss, dz = kernel.chunked_cross_entropy(z, y, ignore, chunk)
    expected_loss, expected_dz = spec.chunked_cross_entropy(z, y, ignore, chunk)
    claim(approx(loss, expected_loss))
    claim(approx(dz, expected_dz))


@obligation("CCE-COLUMN", equation="chunk_update", type="rejection")
@given(case=cce_column_inputs)
def test_cce_column(kernel, case):
    """Labels that stand in a column of a matrix are refused."""
    z, first, m, l, picked, column = kernel.receives(case, "z first m l picked column")
    rejects(kernel, "chunk_update", (z, column, first, m, l, picked), ValueError, mentions=["y"])


@obligation("CCE-DEEP", equation="chunked_cross_entropy", type="boundary", cost=2)
@given(case=cce_deep_inputs)
def test_cce_deep(kernel, case):
    """Equal logits cost log V, however far below 0 they lie."""
    z, y, ignore, chunk, far = kernel.receives(case, "z y ignore chunk far")
    T, V = case.T, case.V
    t, v = grid(T, V)
    deep = array[t, v](far[t] + 0 * z[t, v])
    loss, dz = kernel.chunked_cross_entropy(deep, y, ignore, chunk)
    claim(approx(loss, log(V)))
    claim(all[t, v](approx(dz[t, v], (ratio(1, V) - where(v == y[t], 1, 0)) / T)))


@obligation("CCE-START", equation="chunk_update", type="equivalence")
@given(case=cce_start_inputs)
def test_cce_start(kernel, case):
    """Where nothing was seen, l = 0, the maximum is still the larger of m and the chunk's, whatever m is."""
    z, y, first, m, l, picked = kernel.receives(case, "z y first m l picked")
    m2, l2, picked2 = kernel.chunk_update(z, y, first, m, l, picked)
    expected_m, expected_l, expected_picked = spec.chunk_update(z, y, first, m, l, picked)
    claim(approx(m2, expected_m))
    claim(approx(l2, expected_l))
    claim(approx(picked2, expected_picked))


@obligation("CCE-OFFSET", equation="chunk_update", type="equivalence")
@given(case=cce_offset_inputs)
def test_cce_offset(kernel, case):
    """A chunk may begin beyond the whole numbers that float32 holds: each label is that of its own column."""
    z, y, first, m, l, picked = kernel.receives(case, "z y first m l picked")
    m2, l2, picked2 = kernel.chunk_update(z, y, first, m, l, picked)
    expected_m, expected_l, expected_picked = spec.chunk_update(z, y, first, m, l, picked)
    claim(approx(m2, expected_m))
    claim(approx(l2, expected_l))
    claim(approx(picked2, expected_picked))


@obligation("CCE-PAD-TOKEN", equation="chunked_cross_entropy", type="equivalence")
@given(case=cce_pad_token_inputs)
def test_cce_pad_token(kernel, case):
    """The ignored label may be a class of the vocabulary, that of padding: tokens with this label do not count."""
    z, y, ignore, chunk = kernel.receives(case, "z y ignore chunk")
    loss, dz = kernel.chunked_cross_entropy(z, y, ignore, chunk)
    expected_loss, expected_dz = spec.chunked_cross_entropy(z, y, ignore, chunk)
    claim(approx(loss, expected_loss))
    claim(approx(dz, expected_dz))


@obligation("CCE-DEF-CHUNK_UPDATE", equation="chunk_update", type="definition")
@given(case=cce_def_chunk_update_inputs)
def test_cce_def_chunk_update(kernel, case):
    """chunk_update computes its definition."""
    z, y, first, m, l, picked = kernel.receives(case, "z y first m l picked")
    m2, l2, picked2 = kernel.chunk_update(z, y, first, m, l, picked)
    expected_m2, expected_l2, expected_picked2 = spec.chunk_update(z, y, first, m, l, picked)
    claim(approx(m2, expected_m2))
    claim(approx(l2, expected_l2))
    claim(approx(picked2, expected_picked2))


@obligation("CCE-DEF-CHUNKED_CROSS_ENTROPY", equation="chunked_cross_entropy", type="definition")
@given(case=chunked_cross_entropy_inputs)
def test_cce_def_chunked_cross_entropy(kernel, case):
    """chunked_cross_entropy computes its definition."""
    z, y, ignore, chunk = kernel.receives(case, "z y ignore chunk")
    loss, dz = kernel.chunked_cross_entropy(z, y, ignore, chunk)
    expected_loss, expected_dz = spec.chunked_cross_entropy(z, y, ignore, chunk)
    claim(approx(loss, expected_loss))
    claim(approx(dz, expected_dz))


@obligation("CCE-T-ONE", rule="CCE-PLAIN", type="falsification")
def test_cce_t_one(kernel):
    """A chunk may be a single class: three equal logits cost log 3."""
    case = example(
        {"z": "float[T, V]", "y": "i64[T]", "ignore": "int", "chunk": "int"},
        z=[[2, 2, 2]],
        y=[1],
        ignore=-1,
        chunk=1,
    )
    z, y, ignore, chunk = kernel.receives(case, "z y ignore chunk")
    loss, dz = kernel.chunked_cross_entropy(z, y, ignore, chunk)
    claim(approx(loss, log(3)))
    claim(approx(dz[0, 1], ratio(-2, 3)))
    claim(approx(dz[0, 2], ratio(1, 3)))


@obligation("CCE-T-FAR", rule="CCE-PLAIN", type="falsification")
def test_cce_t_far(kernel):
    """Two equal logits far below 0 cost log 2."""
    case = example(
        {"z": "float[T, V]", "y": "i64[T]", "ignore": "int", "chunk": "int"},
        z=[[-30000, -30000]],
        y=[1],
        ignore=-1,
        chunk=1,
    )
    z, y, ignore, chunk = kernel.receives(case, "z y ignore chunk")
    loss, dz = kernel.chunked_cross_entropy(z, y, ignore, chunk)
    claim(approx(loss, log(2)))
    claim(approx(dz[0, 1], -0.5))


@obligation("CCE-T-START", rule="CCE-INVARIANT", type="falsification")
def test_cce_t_start(kernel):
    """From nothing, m = -inf, a chunk gives its own maximum and sum; one without any possible class leaves nothing."""
    case = example(
        {"z": "float[T, V]", "y": "i64[T]", "first": "int", "m": "accum[T]", "l": "accum[T]", "picked": "accum[T]"},
        z=[[1.0, 1.0], [float("-inf"), float("-inf")]],
        y=[3, 9],
        first=2,
        m=[float("-inf"), float("-inf")],
        l=[0, 0],
        picked=[0, 7],
    )
    z, y, first, m, l, picked = kernel.receives(case, "z y first m l picked")
    m2, l2, picked2 = kernel.chunk_update(z, y, first, m, l, picked)
    claim(m2[0] == 1)
    claim(l2[0] == 2)
    claim(picked2[0] == 1)
    claim(m2[1] == -inf)
    claim(l2[1] == 0)
    claim(picked2[1] == 7)


@obligation("CCE-T-TWO", rule="CCE-PLAIN", type="falsification")
def test_cce_t_two(kernel):
    """Twenty equal logits in two chunks cost log 20, not log 16 or the mean of log 16 and log 4."""
    case = example(
        {"z": "float[T, V]", "y": "i64[T]", "ignore": "int", "chunk": "int"},
        z=[[2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2]],
        y=[17],
        ignore=-1,
        chunk=16,
    )
    z, y, ignore, chunk = kernel.receives(case, "z y ignore chunk")
    loss, dz = kernel.chunked_cross_entropy(z, y, ignore, chunk)
    claim(approx(loss, log(20)))
    claim(approx(dz[0, 17], -0.95))
    claim(approx(dz[0, 1], 0.05))
