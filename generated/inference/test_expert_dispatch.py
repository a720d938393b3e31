"""inference/expert-dispatch: Dispatch to experts.

Compiled from contracts/inference/expert-dispatch-v1.yaml: change the contract and run `albor-contracts generate`, never this file.
Meaning: 7a2ff0c11a3845d634fde918e46d22275fb17b0572b7e0490500d7eebdbe4c37
"""

from albor_contracts.testing import (
    abs, all, approx, argmax, array, cases, cast, claim, defines, definitions, dot, example, given, grid, int, max, min,
    obligation, rejects, sigmoid, where,
)

CONTRACT = "inference/expert-dispatch"


@defines(
    "dispatch(x: float[T, H], gate: float[E, I, H], up: float[E, I, H], down: float[E, H, I], weights: accum[T, K], "
    "experts: i64[T, K], shared_gate: float[J, H], shared_up: float[J, H], shared_down: float[H, J], "
    "shared_weight: float[H]) -> y: float[T, H]"
)
def dispatch(x, gate, up, down, weights, experts, shared_gate, shared_up, shared_down, shared_weight):
    """y = sum_k weights_k mlp(x, expert_k) + sigmoid(shared_weight x) mlp(x, shared)"""
    T, H = x.shape
    E, I, _ = gate.shape
    K = weights.shape[1]
    J = shared_gate.shape[0]
    t, h, i, k, j = grid(T, H, I, K, J)
    a = array[t, k, i](dot[h](x[t, h], gate[experts[t, k], i, h]))
    b = array[t, k, i](dot[h](x[t, h], up[experts[t, k], i, h]))
    act = array[t, k, i](cast(cast(cast(a[t, k, i]) * sigmoid(cast(a[t, k, i]))) * cast(b[t, k, i])))
    o = array[t, k, h](cast(dot[i](act[t, k, i], down[experts[t, k], h, i])))
    c = array[t, j](cast(dot[h](x[t, h], shared_gate[j, h])))
    d = array[t, j](cast(dot[h](x[t, h], shared_up[j, h])))
    sact = array[t, j](cast(cast(c[t, j] * sigmoid(c[t, j])) * d[t, j]))
    open = array[t](sigmoid(cast(dot[h](x[t, h], shared_weight[h]))))
    s = array[t, h](cast(dot[j](sact[t, j], shared_down[h, j])))
    y = array[t, h](dot[k](weights[t, k], o[t, k, h]) + open[t] * s[t, h])
    return y


@defines("mlp(x: float[T, H], gate: float[I, H], up: float[I, H], down: float[H, I]) -> y: float[T, H]")
def mlp(x, gate, up, down):
    """y = down (silu(gate x) * (up x))"""
    T, H = x.shape
    I = gate.shape[0]
    t, h, i = grid(T, H, I)
    a = array[t, i](cast(dot[h](x[t, h], gate[i, h])))
    b = array[t, i](cast(dot[h](x[t, h], up[i, h])))
    act = array[t, i](cast(cast(a[t, i] * sigmoid(a[t, i])) * b[t, i]))
    y = array[t, h](dot[i](act[t, i], down[h, i]))
    return y


@defines("unfuse(fused: float[E, F, H]) -> gate: float[E, I, H], up: float[E, I, H]")
def unfuse(fused):
    """gate = the first half of the rows of each expert, up = the second"""
    E, F, H = fused.shape
    I = F // 2
    e, h, i = grid(E, H, I)
    gate = array[e, i, h](fused[e, i + 0, h])
    up = array[e, i, h](fused[e, I + i, h])
    return gate, up


spec = definitions(CONTRACT, dispatch, mlp, unfuse)

dispatch_inputs = cases(
    dims={"T": "1..4", "H": "1..9", "I": "1..9", "J": "1..5", "E": "1..5", "K": "1..3"},
    x="float[T, H] in [-2, 2]",
    gate="float[E, I, H] in [-1, 1]",
    up="float[E, I, H] in [-1, 1]",
    down="float[E, H, I] in [-1, 1]",
    weights="accum[T, K] in [0, 1]",
    experts="i64[T, K] in [0, E)",
    shared_gate="float[J, H] in [-1, 1]",
    shared_up="float[J, H] in [-1, 1]",
    shared_down="float[H, J] in [-1, 1]",
    shared_weight="float[H] in [-1, 1]",
)
exd_one_expert_inputs = cases(
    dims={"T": "1..4", "H": "1..9", "I": "1..9", "J": "1..5", "E": "1", "K": "1"},
    x="float[T, H] in [-2, 2]",
    gate="float[E, I, H] in [-1, 1]",
    up="float[E, I, H] in [-1, 1]",
    down="float[E, H, I] in [-1, 1]",
    weights="accum[T, K] in [0, 1]",
    experts="i64[T, K] in [0, E)",
    shared_gate="float[J, H] in [-1, 1]",
    shared_up="float[J, H] in [-1, 1]",
    shared_down="float[H, J] in [-1, 1]",
    shared_weight="float[H] in [-1, 1]",
)
exd_renumbered_inputs = cases(
    dims={"T": "1..4", "H": "1..9", "I": "1..9", "J": "1..5", "E": "1..5", "K": "1..3"},
    work={"E * T * K": 2**18},
    x="float[T, H] in [-2, 2]",
    gate="float[E, I, H] in [-1, 1]",
    up="float[E, I, H] in [-1, 1]",
    down="float[E, H, I] in [-1, 1]",
    weights="accum[T, K] in [0, 1]",
    experts="i64[T, K] in [0, E)",
    shared_gate="float[J, H] in [-1, 1]",
    shared_up="float[J, H] in [-1, 1]",
    shared_down="float[H, J] in [-1, 1]",
    shared_weight="float[H] in [-1, 1]",
    order="permutation[E]",
)
exd_tokens_inputs = cases(
    dims={"T": "2..4", "H": "1..9", "I": "1..9", "J": "1..5", "E": "1..5", "K": "1..3"},
    x="float[T, H] in [-2, 2]",
    gate="float[E, I, H] in [-1, 1]",
    up="float[E, I, H] in [-1, 1]",
    down="float[E, H, I] in [-1, 1]",
    weights="accum[T, K] in [0, 1]",
    experts="i64[T, K] in [0, E)",
    shared_gate="float[J, H] in [-1, 1]",
    shared_up="float[J, H] in [-1, 1]",
    shared_down="float[H, J] in [-1, 1]",
    shared_weight="float[H] in [-1, 1]",
    order="permutation[T]",
)
unfuse_inputs = cases(
    dims={"H": "1..9", "I": "1..9", "E": "1..5", "F": "2 * I"},
    fused="float[E, F, H]",
    first="float[E, I, H] in [-1, 1]",
    second="float[E, I, H] in [-1, 1]",
)
exd_refuses_inputs = cases(
    dims={"T": "1..4", "H": "1..9", "I": "1..9", "J": "1..5", "E": "1..5", "K": "1..3"},
    x="float[T, H] in [-2, 2]",
    gate="float[E, I, H] in [-1, 1]",
    up="float[E, I, H] in [-1, 1]",
    down="float[E, H, I] in [-1, 1]",
    weights="accum[T, K] in [0, 1]",
    experts="i64[T, K] in [0, E)",
    shared_gate="float[J, H] in [-1, 1]",
    shared_up="float[J, H] in [-1, 1]",
    shared_down="float[H, J] in [-1, 1]",
    shared_weight="float[H] in [-1, 1]",
    beyond="bool",
)
exd_shapes_inputs = cases(
    dims={"T": "1..4", "H": "1..9", "I": "1..9", "J": "1..5", "E": "1..5", "K": "1..3", "S": "1..4", "M": "1..3"},
    assume=("S != T or M != K",),
    x="float[T, H] in [-2, 2]",
    gate="float[E, I, H] in [-1, 1]",
    up="float[E, I, H] in [-1, 1]",
    down="float[E, H, I] in [-1, 1]",
    weights="accum[T, K] in [0, 1]",
    experts="i64[T, K] in [0, E)",
    shared_gate="float[J, H] in [-1, 1]",
    shared_up="float[J, H] in [-1, 1]",
    shared_down="float[H, J] in [-1, 1]",
    shared_weight="float[H] in [-1, 1]",
    w="accum[S, M] in [0, 1]",
    chosen="i64[S, K] in [0, E)",
)
exd_odd_inputs = cases(
    dims={"H": "1..9", "I": "1..9", "E": "1..5", "F": "2 * I", "O": "1, 3, 5, 9"},
    work={"E * I * H": 2**15},
    fused="float[E, F, H]",
    odd="float[E, O, H] in [-1, 1]",
)
exd_tiles_inputs = cases(
    dims={"T": "17, 40", "H": "66", "I": "33, 65", "J": "65", "E": "2..3", "K": "1..2"},
    elements=41396,
    x="float[T, H] in [-2, 2]",
    gate="float[E, I, H] in [-1, 1]",
    up="float[E, I, H] in [-1, 1]",
    down="float[E, H, I] in [-1, 1]",
    weights="accum[T, K] in [0, 1]",
    experts="i64[T, K] in [0, E)",
    shared_gate="float[J, H] in [-1, 1]",
    shared_up="float[J, H] in [-1, 1]",
    shared_down="float[H, J] in [-1, 1]",
    shared_weight="float[H] in [-1, 1]",
)
mlp_inputs = cases(
    dims={"T": "1..4", "H": "1..9", "I": "1..9"},
    x="float[T, H] in [-2, 2]",
    gate="float[I, H] in [-1, 1]",
    up="float[I, H] in [-1, 1]",
    down="float[H, I] in [-1, 1]",
)
exd_def_unfuse_inputs = cases(
    dims={"H": "1..9", "I": "1..9", "E": "1..5", "F": "2 * I"},
    work={"E * I * H": 2**15},
    fused="float[E, F, H]",
)


@obligation("EXD-SHARED-ALONE", equation="dispatch", type="boundary")
@given(case=dispatch_inputs)
def test_exd_shared_alone(kernel, case):
    """With weights of zero the shared expert is left, times the sigmoid of its gate."""
    x, gate, up, down, weights, experts, shared_gate, shared_up, shared_down, shared_weight = kernel.receives(case, "x gate up down weights experts shared_gate shared_up shared_down shared_weight")
    T, H, K = case.T, case.H, case.K
    t, k, h = grid(T, K, H)
    none = array[t, k](0 * weights[t, k])
    y = kernel.dispatch(x, gate, up, down, none, experts, shared_gate, shared_up, shared_down, shared_weight)
    s = kernel.mlp(x, shared_gate, shared_up, shared_down)
    open = array[t](sigmoid(cast(dot[h](x[t, h], shared_weight[h]))))
    claim(all[t, h](approx(y[t, h], open[t] * s[t, h])))


@obligation("EXD-ONE-EXPERT", equation="dispatch", type="boundary")
@given(case=exd_one_expert_inputs)
def test_exd_one_expert(kernel, case):
    """One expert of weight 1 and a shared expert of zeros: the layer is that expert."""
    x, gate, up, down, weights, experts, shared_gate, shared_up, shared_down, shared_weight = kernel.receives(case, "x gate up down weights experts shared_gate shared_up shared_down shared_weight")
    T, H, I, J, K = case.T, case.H, case.I, case.J, case.K
    t, k, h, j, i = grid(T, K, H, J, I)
    full = array[t, k](1 + 0 * weights[t, k])
    nothing = array[h, j](0 * shared_down[h, j])
    g = array[i, h](gate[0, i, h])
    u = array[i, h](up[0, i, h])
    d = array[h, i](down[0, h, i])
    y = kernel.dispatch(x, gate, up, down, full, experts, shared_gate, shared_up, nothing, shared_weight)
    claim(approx(y, kernel.mlp(x, g, u, d)))


@obligation("EXD-WEIGHTS", equation="dispatch", type="linearity")
@given(case=dispatch_inputs)
def test_exd_weights(kernel, case):
    """The routed part is linear in the weights: the layer at w, at 0 and at w / 2 lies on a line."""
    x, gate, up, down, weights, experts, shared_gate, shared_up, shared_down, shared_weight = kernel.receives(case, "x gate up down weights experts shared_gate shared_up shared_down shared_weight")
    T, H, K = case.T, case.H, case.K
    t, k, h = grid(T, K, H)
    half = array[t, k](weights[t, k] / 2)
    none = array[t, k](0 * weights[t, k])
    y = kernel.dispatch(x, gate, up, down, weights, experts, shared_gate, shared_up, shared_down, shared_weight)
    m = kernel.dispatch(x, gate, up, down, half, experts, shared_gate, shared_up, shared_down, shared_weight)
    z = kernel.dispatch(x, gate, up, down, none, experts, shared_gate, shared_up, shared_down, shared_weight)
    claim(all[t, h](approx(2 * m[t, h], y[t, h] + z[t, h])))


@obligation("EXD-RENUMBERED", equation="dispatch", type="symmetry")
@given(case=exd_renumbered_inputs)
def test_exd_renumbered(kernel, case):
    """Renumbering experts and choices together changes nothing; nor does the order of a token's experts."""
    x, gate, up, down, weights, experts, shared_gate, shared_up, shared_down, shared_weight, order = kernel.receives(case, "x gate up down weights experts shared_gate shared_up shared_down shared_weight order")
    T, H, I, E, K = case.T, case.H, case.I, case.E, case.K
    i, h, e, t, k = grid(I, H, E, T, K)
    g = array[e, i, h](gate[order[e], i, h])
    u = array[e, i, h](up[order[e], i, h])
    d = array[e, h, i](down[order[e], h, i])
    number = array[t, k](argmax[e](int(order[e] == experts[t, K - 1 - k])) + 0 * experts[t, k])
    w = array[t, k](weights[t, K - 1 - k] + 0 * weights[t, k])
    y = kernel.dispatch(x, gate, up, down, weights, experts, shared_gate, shared_up, shared_down, shared_weight)
    z = kernel.dispatch(x, g, u, d, w, number, shared_gate, shared_up, shared_down, shared_weight)
    claim(approx(y, z))


@obligation("EXD-TOKENS", equation="dispatch", type="symmetry")
@given(case=exd_tokens_inputs)
def test_exd_tokens(kernel, case):
    """Tokens are independent of their order."""
    x, gate, up, down, weights, experts, shared_gate, shared_up, shared_down, shared_weight, order = kernel.receives(case, "x gate up down weights experts shared_gate shared_up shared_down shared_weight order")
    T, H, K = case.T, case.H, case.K
    h, t, k = grid(H, T, K)
    x_moved = array[t, h](x[order[t], h])
    weights_moved = array[t, k](weights[order[t], k])
    experts_moved = array[t, k](experts[order[t], k])
    y = kernel.dispatch(x, gate, up, down, weights, experts, shared_gate, shared_up, shared_down, shared_weight)
    y_after = kernel.dispatch(x_moved, gate, up, down, weights_moved, experts_moved, shared_gate, shared_up, shared_down, shared_weight)
    claim(all[t, h](approx(y_after[t, h], y[order[t], h])))


@obligation("EXD-HALVES", equation="unfuse", type="roundtrip")
@given(case=unfuse_inputs)
def test_exd_halves(kernel, case):
    """Gate and up put one above the other for each expert come back as they were."""
    fused, first, second = kernel.receives(case, "fused first second")
    H, I, E, F = case.H, case.I, case.E, case.F
    e, h, f = grid(E, H, F)
    both = array[e, f, h](where(f < I, first[e, min(f, I - 1), h], second[e, max(f - I, 0), h]) + 0 * fused[e, f, h])
    gate, up = kernel.unfuse(both)
    claim(approx(gate, first))
    claim(approx(up, second))


@obligation("EXD-REFUSES", equation="dispatch", type="rejection")
@given(case=exd_refuses_inputs)
def test_exd_refuses(kernel, case):
    """An expert that does not exist is refused, also as the last of many."""
    x, gate, up, down, weights, experts, shared_gate, shared_up, shared_down, shared_weight, beyond = kernel.receives(case, "x gate up down weights experts shared_gate shared_up shared_down shared_weight beyond")
    T, E, K = case.T, case.E, case.K
    t, k = grid(T, K)
    wrong = array[t, k](where((t == T - 1) & (k == K - 1), where(beyond, E, -1), experts[t, k]))
    rejects(
        kernel,
        "dispatch",
        (x, gate, up, down, weights, wrong, shared_gate, shared_up, shared_down, shared_weight),
        ValueError,
        mentions=["expert"],
    )


@obligation("EXD-SHAPES", equation="dispatch", type="rejection")
@given(case=exd_shapes_inputs)
def test_exd_shapes(kernel, case):
    """A weight for each chosen expert, and a choice for each token: other numbers of them are refused."""
    x, gate, up, down, shared_gate, shared_up, shared_down, shared_weight, w, chosen = kernel.receives(case, "x gate up down shared_gate shared_up shared_down shared_weight w chosen")
    rejects(
        kernel,
        "dispatch",
        (x, gate, up, down, w, chosen, shared_gate, shared_up, shared_down, shared_weight),
        ValueError,
    )


@obligation("EXD-ODD", equation="unfuse", type="rejection")
@given(case=exd_odd_inputs)
def test_exd_odd(kernel, case):
    """An odd number of rows has no halves, and is refused."""
    odd = kernel.receives(case, "odd")
    rejects(kernel, "unfuse", (odd,), ValueError, mentions=["even"])


@obligation("EXD-TILES", equation="dispatch", type="equivalence", cost=2)
@given(case=exd_tiles_inputs)
def test_exd_tiles(kernel, case):
    """Experts and batches of several tiles each way agree with the definition."""
    x, gate, up, down, weights, experts, shared_gate, shared_up, shared_down, shared_weight = kernel.receives(case, "x gate up down weights experts shared_gate shared_up shared_down shared_weight")
    claim(approx(kernel.dispatch(x, gate, up, down, weights, experts, shared_gate, shared_up, shared_down, shared_weight), spec.dispatch(x, gate, up, down, weights, experts, shared_gate, shared_up, shared_down, shared_weight)))


@obligation("EXD-DEF-DISPATCH", equation="dispatch", type="definition")
@given(case=dispatch_inputs)
def test_exd_def_dispatch(kernel, case):
    """dispatch computes its definition."""
    x, gate, up, down, weights, experts, shared_gate, shared_up, shared_down, shared_weight = kernel.receives(case, "x gate up down weights experts shared_gate shared_up shared_down shared_weight")
    y = kernel.dispatch(x, gate, up, down, weights, experts, shared_gate, shared_up, shared_down, shared_weight)
    expected_y = spec.dispatch(x, gate, up, down, weights, experts, shared_gate, shared_up, shared_down, shared_weight)
    claim(approx(y, expected_y))


@obligation("EXD-DEF-MLP", equation="mlp", type="definition")
@given(case=mlp_inputs)
def test_exd_def_mlp(kernel, case):
    """mlp computes its definition."""
    x, gate, up, down = kernel.receives(case, "x gate up down")
    y = kernel.mlp(x, gate, up, down)
    expected_y = spec.mlp(x, gate, up, down)
    claim(approx(y, expected_y))


@obligation("EXD-DEF-UNFUSE", equation="unfuse", type="definition")
@given(case=exd_def_unfuse_inputs)
def test_exd_def_unfuse(kernel, case):
    """unfuse computes its definition."""
    fused = kernel.receives(case, "fused")
    gate, up = kernel.unfuse(fused)
    expected_gate, expected_up = spec.unfuse(fused)
    claim(approx(gate, expected_gate))
    claim(approx(up, expected_up))


@obligation("EXD-PREDICTS-GATE", rule="EXD-SHARED-ALONE", type="falsification")
def test_exd_predicts_gate(kernel):
    """A closed gate halves the shared expert: sigmoid(0) = 1/2; silu(1) = 0.731."""
    case = example(
        {"x": "float[T, H]", "gate": "float[E, I, H]", "up": "float[E, I, H]", "down": "float[E, H, I]", "weights": "accum[T, K]", "experts": "i64[T, K]", "shared_gate": "float[J, H]", "shared_up": "float[J, H]", "shared_down": "float[H, J]", "shared_weight": "float[H]"},
        x=[[1]],
        gate=[[[0]]],
        up=[[[0]]],
        down=[[[0]]],
        weights=[[1]],
        experts=[[0]],
        shared_gate=[[1]],
        shared_up=[[2]],
        shared_down=[[1]],
        shared_weight=[0],
    )
    x, gate, up, down, weights, experts, shared_gate, shared_up, shared_down, shared_weight = kernel.receives(case, "x gate up down weights experts shared_gate shared_up shared_down shared_weight")
    y = kernel.dispatch(x, gate, up, down, weights, experts, shared_gate, shared_up, shared_down, shared_weight)
    claim(abs(y[0, 0] - 0.731) < 0.005)
