"""core/embedding: Embedding.

Compiled from contracts/core/embedding-v1.yaml: change the contract and run `albor-contracts generate`, never this file.
Meaning: 814ae55a5fabd06999f0fc0711a71f8f241043f08fc681a26c939043b4d62115
"""

from albor_contracts.testing import (
    all, any, approx, array, cases, claim, defines, definitions, exact, example, given, gradient, grid, obligation,
    rejects, same_twice, sum, where,
)

CONTRACT = "core/embedding"


@defines("embedding(ids: i64[T], w: float[V, D]) -> y: float[T, D]")
def embedding(ids, w):
    """y_t = w_ids(t)"""
    (T,) = ids.shape
    V, D = w.shape
    d, t = grid(D, T)
    y = array[t, d](w[ids[t], d])
    return y


@defines("embedding_backward(g: float[T, D], ids: i64[T], w: float[V, D]) -> dw: float[V, D]")
def embedding_backward(g, ids, w):
    """dw_v = sum of g_t over t with ids(t) = v"""
    T, D = g.shape
    V = w.shape[0]
    t, d, v = grid(T, D, V)
    dw = array[v, d](sum[t](where(ids[t] == v, g[t, d], 0)) + 0 * w[v, d])
    return dw


spec = definitions(CONTRACT, embedding, embedding_backward)

embedding_inputs = cases(
    dims={"T": "1..33", "V": "1..129", "D": "1, 64, 1025"},
    work={"T * D": 2**15},
    ids="i64[T] in [0, V)",
    w="float[V, D] in [-60000, 60000]",
)
embedding_backward_inputs = cases(
    dims={"T": "1..33", "V": "1..17", "D": "1..65"},
    g="float[T, D] in [-8, 8]",
    ids="i64[T] in [0, V)",
    w="float[V, D] in [-2, 2]",
)
em_sum_inputs = cases(
    dims={"T": "1..33", "V": "1..17", "D": "1..65"},
    work={"V * D * T": 2**18},
    g="float[T, D] in [-8, 8]",
    ids="i64[T] in [0, V)",
    w="float[V, D] in [-2, 2]",
)
em_absent_inputs = cases(
    dims={"T": "1..33", "V": "1..17", "D": "1..65"},
    work={"T * V * D": 2**18},
    g="float[T, D] in [-8, 8]",
    ids="i64[T] in [0, V)",
    w="float[V, D] in [-2, 2]",
)
em_many_inputs = cases(
    dims={"T": "257, 513", "V": "1..3", "D": "1..9"},
    g="float[T, D] in [0.5, 1.5]",
    ids="i64[T] in [0, V)",
    w="float[V, D] in [-2, 2]",
)
em_many_wide_inputs = cases(
    dims={"T": "17..33", "V": "2, 9", "D": "513, 1030"},
    elements=26797,
    g="float[T, D] in [-8, 8]",
    ids="i64[T] in [0, V)",
    w="float[V, D] in [-2, 2]",
)
em_order_inputs = cases(
    dims={"T": "65, 4097", "V": "257, 300", "D": "1"},
    g="float[T, D] in [-8, 8]",
    ids="i64[T] in [0, V)",
    w="float[V, D] in [-2, 2]",
)
em_groups_inputs = cases(
    dims={"T": "65, 300", "V": "513, 600", "D": "1..3"},
    g="float[T, D] in [-8, 8]",
    ids="i64[T] in [0, 2] or [V - 3, V)",
    w="float[V, D] in [-2, 2]",
)
em_repeat_inputs = cases(
    dims={"T": "33..65", "V": "1..2", "D": "1..65"},
    g="float[T, D] in [-8, 8]",
    ids="i64[T] in [0, V)",
    w="float[V, D] in [-2, 2]",
)
em_range_inputs = cases(
    dims={"T": "1..33", "V": "1..17", "D": "1..65"},
    work={"T * D": 2**15},
    ids="i64[T] in [0, V)",
    w="float[V, D] in [-60000, 60000]",
    far="int in [-2, 3]",
)
em_tiles_inputs = cases(
    dims={"T": "3, 65", "V": "1..3", "D": "4286 - 63 * T"},
    work={"T * D": 2**15},
    ids="i64[T] in [0, V)",
    w="float[V, D] in [-60000, 60000]",
)
em_range_backward_inputs = cases(
    dims={"T": "1..9", "V": "1..17", "D": "1..9"},
    g="float[T, D] in [-8, 8]",
    ids="i64[T] in [0, V)",
    w="float[V, D] in [-2, 2]",
    far="int in [-2, 3]",
)
em_tiles_backward_inputs = cases(
    dims={"T": "1..5", "V": "2..3", "D": "513, 1030"},
    g="float[T, D] in [-8, 8]",
    ids="i64[T] in [0, V)",
    w="float[V, D] in [-2, 2]",
)
em_large_inputs = cases(
    dims={"T": "2, 8", "V": "1024, 1025", "D": "128, 130"},
    elements=134298,
    ids="i64[T] in [0, V)",
    w="float[V, D] in [-60000, 60000]",
    g="float[T, D] in [-8, 8]",
)
em_def_embedding_inputs = cases(
    dims={"T": "1..33", "V": "1..17", "D": "1..65"},
    work={"T * D": 2**15},
    ids="i64[T] in [0, V)",
    w="float[V, D] in [-60000, 60000]",
)


@obligation("EM-BITS", equation="embedding", type="equivalence")
@given(case=embedding_inputs)
def test_em_bits(kernel, case):
    """Rows are copied bit by bit."""
    ids, w = kernel.receives(case, "ids w")
    claim(exact(kernel.embedding(ids, w), spec.embedding(ids, w)))


@obligation("EM-GRAD", equation="embedding_backward", type="gradient")
@given(case=embedding_backward_inputs)
def test_em_grad(kernel, case):
    """dw is the gradient of sum(g * embedding(ids, w))."""
    g, ids, w = kernel.receives(case, "g ids w")
    dw = kernel.embedding_backward(g, ids, w)
    (expected_dw,) = gradient(spec, "embedding", {"ids": ids, "w": w}, wrt="w", cotangents=(g,))
    claim(approx(dw, expected_dw))


@obligation("EM-SUM", equation="embedding_backward", type="conservation")
@given(case=em_sum_inputs)
def test_em_sum(kernel, case):
    """Each column of dw sums to that column of g: no token is lost or counted twice."""
    g, ids, w = kernel.receives(case, "g ids w")
    T, V, D = case.T, case.V, case.D
    v, d, t = grid(V, D, T)
    dw = kernel.embedding_backward(g, ids, w)
    claim(all[d](approx(sum[v](dw[v, d]), sum[t](g[t, d]))))


@obligation("EM-ABSENT", equation="embedding_backward", type="boundary")
@given(case=em_absent_inputs)
def test_em_absent(kernel, case):
    """Rows of absent ids have a gradient of exactly zero."""
    g, ids, w = kernel.receives(case, "g ids w")
    T, V, D = case.T, case.V, case.D
    t, v, d = grid(T, V, D)
    dw = kernel.embedding_backward(g, ids, w)
    claim(all[v, d](any[t](ids[t] == v) | (dw[v, d] == 0)))


@obligation("EM-MANY", equation="embedding_backward", type="equivalence", cost=4)
@given(case=em_many_inputs)
def test_em_many(kernel, case):
    """Hundreds of tokens with one id are summed as carefully as a few."""
    g, ids, w = kernel.receives(case, "g ids w")
    dw = kernel.embedding_backward(g, ids, w)
    expected = spec.embedding_backward(g, ids, w)
    claim(approx(dw, expected))


@obligation("EM-MANY-WIDE", equation="embedding_backward", type="equivalence", cost=4)
@given(case=em_many_wide_inputs)
def test_em_many_wide(kernel, case):
    """Frequent ids have their sums in every column, also where a row of the table is wider than a tile."""
    g, ids, w = kernel.receives(case, "g ids w")
    dw = kernel.embedding_backward(g, ids, w)
    expected = spec.embedding_backward(g, ids, w)
    claim(approx(dw, expected))


@obligation("EM-ORDER", equation="embedding_backward", type="equivalence", cost=4)
@given(case=em_order_inputs)
def test_em_order(kernel, case):
    """Large tables and many tokens: each row sums its own tokens, wherever they stand."""
    g, ids, w = kernel.receives(case, "g ids w")
    dw = kernel.embedding_backward(g, ids, w)
    expected = spec.embedding_backward(g, ids, w)
    claim(approx(dw, expected))


@obligation("EM-GROUPS", equation="embedding_backward", type="equivalence", cost=4)
@given(case=em_groups_inputs)
def test_em_groups(kernel, case):
    """Frequent ids at both ends of a large table have the sums of their own tokens."""
    g, ids, w = kernel.receives(case, "g ids w")
    dw = kernel.embedding_backward(g, ids, w)
    expected = spec.embedding_backward(g, ids, w)
    claim(approx(dw, expected))


@obligation("EM-REPEAT", equation="embedding_backward", type="determinism")
@given(case=em_repeat_inputs)
def test_em_repeat(kernel, case):
    """The same inputs give bitwise the same gradient."""
    g, ids, w = kernel.receives(case, "g ids w")
    same_twice(lambda: kernel.embedding_backward(g, ids, w))


@obligation("EM-RANGE", equation="embedding", type="rejection")
@given(case=em_range_inputs)
def test_em_range(kernel, case):
    """An id outside the table is refused."""
    ids, w, far = kernel.receives(case, "ids w far")
    T, V = case.T, case.V
    t = grid(T)
    wrong = array[t](where(far < 0, far, V + far) + 0 * ids[t])
    rejects(kernel, "embedding", (wrong, w), ValueError, mentions=["id"])


@obligation("EM-TILES", equation="embedding", type="equivalence")
@given(case=em_tiles_inputs)
def test_em_tiles(kernel, case):
    """Many tokens, and rows wider than a tile, are looked up to the last one."""
    ids, w = kernel.receives(case, "ids w")
    claim(exact(kernel.embedding(ids, w), spec.embedding(ids, w)))


@obligation("EM-RANGE-BACKWARD", equation="embedding_backward", type="rejection")
@given(case=em_range_backward_inputs)
def test_em_range_backward(kernel, case):
    """The gradient refuses an id outside the table too."""
    g, ids, w, far = kernel.receives(case, "g ids w far")
    T, V = case.T, case.V
    t = grid(T)
    wrong = array[t](where(far < 0, far, V + far) + 0 * ids[t])
    rejects(kernel, "embedding_backward", (g, wrong, w), ValueError, mentions=["id"])


@obligation("EM-TILES-BACKWARD", equation="embedding_backward", type="equivalence")
@given(case=em_tiles_backward_inputs)
def test_em_tiles_backward(kernel, case):
    """Rows wider than a tile have their gradient to the last column, in every row of the table."""
    g, ids, w = kernel.receives(case, "g ids w")
    dw = kernel.embedding_backward(g, ids, w)
    expected = spec.embedding_backward(g, ids, w)
    claim(approx(dw, expected))


@obligation("EM-LARGE", equation="embedding", type="equivalence", cost=2)
@given(case=em_large_inputs)
def test_em_large(kernel, case):
    """Tables of more than 65536 elements are read, and have their gradient, to the last row."""
    ids, w, g = kernel.receives(case, "ids w g")
    y = kernel.embedding(ids, w)
    dw = kernel.embedding_backward(g, ids, w)
    expected_y = spec.embedding(ids, w)
    expected_dw = spec.embedding_backward(g, ids, w)
    claim(exact(y, expected_y))
    claim(approx(dw, expected_dw))


@obligation("EM-DEF-EMBEDDING", equation="embedding", type="definition")
@given(case=em_def_embedding_inputs)
def test_em_def_embedding(kernel, case):
    """embedding computes its definition."""
    ids, w = kernel.receives(case, "ids w")
    y = kernel.embedding(ids, w)
    expected_y = spec.embedding(ids, w)
    claim(approx(y, expected_y))


@obligation("EM-DEF-EMBEDDING_BACKWARD", equation="embedding_backward", type="definition")
@given(case=embedding_backward_inputs)
def test_em_def_embedding_backward(kernel, case):
    """embedding_backward computes its definition."""
    g, ids, w = kernel.receives(case, "g ids w")
    dw = kernel.embedding_backward(g, ids, w)
    expected_dw = spec.embedding_backward(g, ids, w)
    claim(approx(dw, expected_dw))


@obligation("EM-FT-TWICE", rule="EM-DEF-EMBEDDING_BACKWARD", type="falsification")
def test_em_ft_twice(kernel):
    """An id that occurs twice gets both gradients, one that does not occur gets none."""
    case = example(
        {"g": "float[T, D]", "ids": "i64[T]", "w": "float[V, D]"},
        g=[[1, 10], [2, 20], [4, 40]],
        ids=[2, 0, 2],
        w=[[0, 0], [0, 0], [0, 0]],
    )
    g, ids, w = kernel.receives(case, "g ids w")
    dw = kernel.embedding_backward(g, ids, w)
    claim(dw[2, 0] == 5)
    claim(dw[2, 1] == 50)
    claim(dw[0, 0] == 2)
    claim(dw[1, 1] == 0)


@obligation("EM-FT-LAST", rule="EM-DEF-EMBEDDING", type="falsification")
def test_em_ft_last(kernel):
    """The first and the last row can be read."""
    case = example({"ids": "i64[T]", "w": "float[V, D]"}, ids=[2, 0], w=[[1, 2], [3, 4], [5, 6]])
    ids, w = kernel.receives(case, "ids w")
    y = kernel.embedding(ids, w)
    claim(y[0, 0] == 5)
    claim(y[0, 1] == 6)
    claim(y[1, 0] == 1)
