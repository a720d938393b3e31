"""optim/tied-embedding: Tied embedding.

Compiled from contracts/optim/tied-embedding-v1.yaml: change the contract and run `albor-contracts generate`, never this file.
Meaning: 1c51a632d2b7bf76ee876f44601a1ab31833adf6cec37092371b70336ab9a0cb
"""

from albor_contracts.testing import (
    all, any, approx, array, cases, claim, defines, definitions, dot, example, given, gradient, grid, obligation,
    rejects, sum,
)

CONTRACT = "optim/tied-embedding"


@defines(
    "untied_gradients(g: float[T, V], embedding: float[V, E], head: float[V, E], a: float[E, E], ids: i64[T])"
    " -> dembedding: float[V, E], dhead: float[V, E]"
)
def untied_gradients(g, embedding, head, a, ids):
    """dembedding[v] = sum over t with ids_t = v of g_t head A^T, dhead = g^T (embedding[ids] A)"""
    T, V = g.shape
    E = embedding.shape[1]
    f, t, e, v = grid(E, T, E, V)
    s = array[t, e](dot[f](embedding[ids[t], f], a[f, e]))
    ds = array[t, e](dot[v](g[t, v], head[v, e]))
    dx = array[t, f](dot[e](ds[t, e], a[f, e]))
    dembedding = array[v, f](sum[t](dx[t, f], where=ids[t] == v))
    dhead = array[v, e](dot[t](g[t, v], s[t, e]))
    return dembedding, dhead


@defines("tied_gradient(g: float[T, V], w: float[V, E], a: float[E, E], ids: i64[T]) -> dw: float[V, E]")
def tied_gradient(g, w, a, ids):
    """dW = dembedding + dhead, both at W"""
    T, V = g.shape
    E = w.shape[1]
    v, e = grid(V, E)
    din, dout = spec.untied_gradients(g, w, w, a, ids)
    dw = array[v, e](din[v, e] + dout[v, e])
    return dw


@defines("tied_logits(w: float[V, E], a: float[E, E], ids: i64[T]) -> z: float[T, V]")
def tied_logits(w, a, ids):
    """z = W[ids] A W^T"""
    V, E = w.shape
    (T,) = ids.shape
    f, t, e, v = grid(E, T, E, V)
    s = array[t, e](dot[f](w[ids[t], f], a[f, e]))
    z = array[t, v](dot[e](s[t, e], w[v, e]))
    return z


spec = definitions(CONTRACT, untied_gradients, tied_gradient, tied_logits)

tied_gradient_inputs = cases(
    dims={"T": "1..9", "V": "2..17", "E": "1..9"},
    g="float[T, V] in [-2, 2]",
    w="float[V, E] in [-1, 1]",
    a="float[E, E] in [-1, 1]",
    ids="i64[T] in [0, V)",
)
untied_gradients_inputs = cases(
    dims={"T": "1..9", "V": "2..17", "E": "1..9"},
    work={"T * V * E": 2**18},
    g="float[T, V] in [-2, 2]",
    embedding="float[V, E] in [-1, 1]",
    head="float[V, E] in [-1, 1]",
    a="float[E, E] in [-1, 1]",
    ids="i64[T] in [0, V)",
)
te_twice_inputs = cases(
    dims={"T": "2..9", "V": "2..17", "E": "1..9"},
    work={"T * V * E": 2**18, "T * E * E": 2**18},
    g="float[T, V] in [-2, 2]",
    embedding="float[V, E] in [-1, 1]",
    head="float[V, E] in [-1, 1]",
    a="float[E, E] in [-1, 1]",
    ids="i64[T] in [0, V)",
)
tied_logits_inputs = cases(
    dims={"T": "1..9", "V": "2..17", "E": "1..9"},
    work={"T * V": 2**15, "V * T": 2**18},
    w="float[V, E] in [-1, 1]",
    a="float[E, E] in [-1, 1]",
    ids="i64[T] in [0, V)",
    factor="real in [0.25, 4]",
)
te_shapes_inputs = cases(
    dims={"T": "1..9", "V": "2..17", "E": "1..9", "D": "1..9"},
    assume=("D != E",),
    work={"T * V": 2**15},
    w="float[V, E] in [-1, 1]",
    a="float[E, E] in [-1, 1]",
    ids="i64[T] in [0, V)",
    other="float[D, D] in [-1, 1]",
)
te_long_inputs = cases(
    dims={"T": "65, 130", "V": "2..17", "E": "1..9"},
    g="float[T, V] in [-2, 2]",
    w="float[V, E] in [-1, 1]",
    a="float[E, E] in [-1, 1]",
    ids="i64[T] in [0, V)",
)
te_long_untied_inputs = cases(
    dims={"T": "65, 130", "V": "2..17", "E": "1..9"},
    g="float[T, V] in [-2, 2]",
    embedding="float[V, E] in [-1, 1]",
    head="float[V, E] in [-1, 1]",
    a="float[E, E] in [-1, 1]",
    ids="i64[T] in [0, V)",
)
te_long_logits_inputs = cases(
    dims={"T": "65, 130", "V": "2..17", "E": "1..9"},
    work={"T * V": 2**15},
    w="float[V, E] in [-1, 1]",
    a="float[E, E] in [-1, 1]",
    ids="i64[T] in [0, V)",
)
te_def_tied_logits_inputs = cases(
    dims={"T": "1..9", "V": "2..17", "E": "1..9"},
    work={"T * V": 2**15},
    w="float[V, E] in [-1, 1]",
    a="float[E, E] in [-1, 1]",
    ids="i64[T] in [0, V)",
)
te_def_untied_gradients_inputs = cases(
    dims={"T": "1..9", "V": "2..17", "E": "1..9"},
    g="float[T, V] in [-2, 2]",
    embedding="float[V, E] in [-1, 1]",
    head="float[V, E] in [-1, 1]",
    a="float[E, E] in [-1, 1]",
    ids="i64[T] in [0, V)",
)


@obligation("TE-GRAD", equation="tied_gradient", type="gradient")
@given(case=tied_gradient_inputs)
def test_te_grad(kernel, case):
    """dW is the gradient of sum(g * tied_logits(W, A, ids)), by automatic differentiation."""
    g, w, a, ids = kernel.receives(case, "g w a ids")
    dw = kernel.tied_gradient(g, w, a, ids)
    (expected_dw,) = gradient(spec, "tied_logits", {"w": w, "a": a, "ids": ids}, wrt="w", cotangents=(g,))
    claim(approx(dw, expected_dw))


@obligation("TE-SUM", equation="tied_gradient", type="equivalence")
@given(case=tied_gradient_inputs)
def test_te_sum(kernel, case):
    """The gradient of the shared table is the sum of those of two tables of the same values."""
    g, w, a, ids = kernel.receives(case, "g w a ids")
    V, E = case.V, case.E
    v, e = grid(V, E)
    dw = kernel.tied_gradient(g, w, a, ids)
    din, dout = kernel.untied_gradients(g, w, w, a, ids)
    claim(all[v, e](approx(dw[v, e], din[v, e] + dout[v, e])))


@obligation("TE-ABSENT", equation="untied_gradients", type="boundary")
@given(case=untied_gradients_inputs)
def test_te_absent(kernel, case):
    """Tokens that do not occur have an embedding gradient of exactly zero."""
    g, embedding, head, a, ids = kernel.receives(case, "g embedding head a ids")
    T, V, E = case.T, case.V, case.E
    t, v, e = grid(T, V, E)
    din, _ = kernel.untied_gradients(g, embedding, head, a, ids)
    claim(all[v, e](any[t](ids[t] == v) | (din[v, e] == 0)))


@obligation("TE-TWICE", equation="untied_gradients", type="linearity")
@given(case=te_twice_inputs)
def test_te_twice(kernel, case):
    """A token that occurs in every place gets the sum over all places."""
    g, embedding, head, a, ids = kernel.receives(case, "g embedding head a ids")
    T, V, E = case.T, case.V, case.E
    t, v, e, f = grid(T, V, E, E)
    same = array[t](0 * ids[t])
    din, _ = kernel.untied_gradients(g, embedding, head, a, same)
    ds = array[t, e](dot[v](g[t, v], head[v, e]))
    claim(all[f](approx(din[0, f], dot[t, e](ds[t, e], a[f, e]))))


@obligation("TE-QUADRATIC", equation="tied_logits", type="homogeneity")
@given(case=tied_logits_inputs)
def test_te_quadratic(kernel, case):
    """The logits are quadratic in the table: both uses see it."""
    w, a, ids, factor = kernel.receives(case, "w a ids factor")
    T, V, E = case.T, case.V, case.E
    v, e, t = grid(V, E, T)
    scaled = array[v, e](factor * w[v, e])
    z = kernel.tied_logits(w, a, ids)
    z_scaled = kernel.tied_logits(scaled, a, ids)
    claim(all[t, v](approx(z_scaled[t, v], factor ** 2 * z[t, v])))


@obligation("TE-SHAPES", equation="tied_logits", type="rejection")
@given(case=te_shapes_inputs)
def test_te_shapes(kernel, case):
    """Layers of another width than the table's are refused."""
    w, ids, other = kernel.receives(case, "w ids other")
    rejects(kernel, "tied_logits", (w, other, ids), ValueError, mentions=["a[E, E]"])


@obligation("TE-LONG", equation="tied_gradient", type="equivalence", cost=6)
@given(case=te_long_inputs)
def test_te_long(kernel, case):
    """Texts of many tokens have all of them in the gradient of the shared table."""
    g, w, a, ids = kernel.receives(case, "g w a ids")
    dw = kernel.tied_gradient(g, w, a, ids)
    expected = spec.tied_gradient(g, w, a, ids)
    claim(approx(dw, expected))


@obligation("TE-LONG-UNTIED", equation="untied_gradients", type="equivalence", cost=6)
@given(case=te_long_untied_inputs)
def test_te_long_untied(kernel, case):
    """Texts of many tokens have all of them in the gradients of both tables."""
    g, embedding, head, a, ids = kernel.receives(case, "g embedding head a ids")
    din, dout = kernel.untied_gradients(g, embedding, head, a, ids)
    expected_din, expected_dout = spec.untied_gradients(g, embedding, head, a, ids)
    claim(approx(din, expected_din))
    claim(approx(dout, expected_dout))


@obligation("TE-LONG-LOGITS", equation="tied_logits", type="equivalence", cost=3)
@given(case=te_long_logits_inputs)
def test_te_long_logits(kernel, case):
    """Texts of many tokens have logits to the last token."""
    w, a, ids = kernel.receives(case, "w a ids")
    z = kernel.tied_logits(w, a, ids)
    expected = spec.tied_logits(w, a, ids)
    claim(approx(z, expected))


@obligation("TE-DEF-TIED_LOGITS", equation="tied_logits", type="definition")
@given(case=te_def_tied_logits_inputs)
def test_te_def_tied_logits(kernel, case):
    """tied_logits computes its definition."""
    w, a, ids = kernel.receives(case, "w a ids")
    z = kernel.tied_logits(w, a, ids)
    expected_z = spec.tied_logits(w, a, ids)
    claim(approx(z, expected_z))


@obligation("TE-DEF-UNTIED_GRADIENTS", equation="untied_gradients", type="definition")
@given(case=te_def_untied_gradients_inputs)
def test_te_def_untied_gradients(kernel, case):
    """untied_gradients computes its definition."""
    g, embedding, head, a, ids = kernel.receives(case, "g embedding head a ids")
    dembedding, dhead = kernel.untied_gradients(g, embedding, head, a, ids)
    expected_dembedding, expected_dhead = spec.untied_gradients(g, embedding, head, a, ids)
    claim(approx(dembedding, expected_dembedding))
    claim(approx(dhead, expected_dhead))


@obligation("TE-DEF-TIED_GRADIENT", equation="tied_gradient", type="definition")
@given(case=tied_gradient_inputs)
def test_te_def_tied_gradient(kernel, case):
    """tied_gradient computes its definition."""
    g, w, a, ids = kernel.receives(case, "g w a ids")
    dw = kernel.tied_gradient(g, w, a, ids)
    expected_dw = spec.tied_gradient(g, w, a, ids)
    claim(approx(dw, expected_dw))


@obligation("TE-FT-HAND", rule="TE-SUM", type="falsification")
def test_te_ft_hand(kernel):
    """With W = (2, 3), A = 5, token 0 and g = (1, 0): z_0 = 2 5 2, so that dW_0 = 2 2 5 = 20, and dW_1 = 0."""
    case = example(
        {"g": "float[T, V]", "w": "float[V, E]", "a": "float[E, E]", "ids": "i64[T]"},
        g=[[1, 0]],
        w=[[2], [3]],
        a=[[5]],
        ids=[0],
    )
    g, w, a, ids = kernel.receives(case, "g w a ids")
    dw = kernel.tied_gradient(g, w, a, ids)
    claim(approx(dw[0, 0], 20))
    claim(dw[1, 0] == 0)
