"""inference/router: Router of a mixture of experts.

Compiled from contracts/inference/router-v1.yaml: change the contract and run `albor-contracts generate`, never this file.
Meaning: b1e0746a973626ebe04ac85f3968efdbc88f320d1c80b31aa5eef42633fcd1e5
"""

from albor_contracts.testing import (
    all, any, approx, argmax, array, cases, claim, count, defines, definitions, dot, equal, exact, example, exp, given,
    gradient, grid, independent, int, max, obligation, ratio, real, rejects, single, sum, uses_at_most, where,
)

CONTRACT = "inference/router"


@defines("route(logits: float[T, E], k: int) -> weights: accum[T, E], experts: i64[T, E]")
def route(logits, k):
    """experts = the k largest logits of a token, weights = softmax over them"""
    T, E = logits.shape
    t, f, e, j = grid(T, E, E, E)
    ahead = array[t, e](count[f]((logits[t, f] > logits[t, e]) | (logits[t, f] == logits[t, e]) & (f < e), where=f != e))
    largest = array[t](max[e](logits[t, e]))
    mass = array[t, e](where(ahead[t, e] < k, exp(logits[t, e] - largest[t]), 0))
    share = array[t, e](mass[t, e] / sum[f](mass[t, f]))
    weights = array[t, j](max[e](where((ahead[t, e] == j) & (j < k), share[t, e], 0)))
    experts = array[t, j](where(j < k, argmax[e](int(ahead[t, e] == j)), -1))
    return weights, experts


@defines("route_backward(g: accum[T, E], logits: float[T, E], k: int) -> dlogits: float[T, E]")
def route_backward(g, logits, k):
    """dlogits = weights (g - sum g weights) at the chosen experts, 0 elsewhere"""
    T, E = g.shape
    t, f, e, j = grid(T, E, E, E)
    ahead = array[t, e](count[f]((logits[t, f] > logits[t, e]) | (logits[t, f] == logits[t, e]) & (f < e), where=f != e))
    largest = array[t](max[e](logits[t, e]))
    mass = array[t, e](where(ahead[t, e] < k, exp(logits[t, e] - largest[t]), 0))
    share = array[t, e](mass[t, e] / sum[f](mass[t, f]))
    slot = array[t, e](sum[j](where(ahead[t, e] == j, g[t, j], 0)))
    coupled = array[t, e](where(ahead[t, e] < k, share[t, e] * (slot[t, e] - dot[f](share[t, f], slot[t, f])), 0))
    p = array[t, e](exp(logits[t, e] - largest[t]) / sum[f](exp(logits[t, f] - largest[t])))
    dlogits = array[t, e](coupled[t, e] - p[t, e] * sum[f](coupled[t, f]))
    return dlogits


spec = definitions(CONTRACT, route, route_backward)

route_inputs = cases(
    dims={"T": "1..5", "E": "1..33"},
    logits="float[T, E] in [-40, 40]",
    k="int in [1, E]",
)
rtr_renormalised_inputs = cases(
    dims={"T": "1..5", "E": "1..33"},
    work={"T * E * E": 2**18},
    logits="float[T, E] in [-15, 15]",
    k="int in [1, E]",
)
rtr_choice_inputs = cases(
    dims={"T": "1..5", "E": "1..17"},
    work={"T * E * E": 2**18, "T * E * E * E": 2**18},
    logits="float[T, E] in [-40, 40]",
    k="int in [1, E]",
)
rtr_permuted_inputs = cases(
    dims={"T": "1..5", "E": "1..33"},
    work={"E * T * E": 2**18},
    logits="float[T, E] in [-40, 40]",
    k="int in [1, E]",
    level="permutation[E]",
    order="permutation[E]",
)
rtr_equal_inputs = cases(
    dims={"T": "1..5", "E": "1..33"},
    logits="float[T, E] in [-40, 40]",
    k="int in [1, E]",
    level="real in {-30000, -100, 0, 100, 30000}",
)
rtr_tokens_inputs = cases(
    dims={"T": "2..5", "E": "1..33"},
    work={"T * T": 2**18},
    logits="float[T, E] in [-40, 40]",
    k="int in [1, E]",
    other_logits="float[T, E] in [-40, 40]",
)
route_backward_inputs = cases(
    dims={"T": "1..5", "E": "1..33"},
    g="accum[T, E] in [-8, 8]",
    logits="float[T, E] in [-40, 40]",
    k="int in [1, E]",
)
rtr_grad_sum_inputs = cases(
    dims={"T": "1..5", "E": "1..33"},
    work={"T * E * E": 2**18},
    g="accum[T, E] in [-8, 8]",
    logits="float[T, E] in [-40, 40]",
    k="int in [1, E]",
)
rtr_launch_inputs = cases(
    dims={"T": "5", "E": "33"},
    logits="float[T, E] in [-40, 40]",
    k="int in [1, E]",
)
rtr_refuses_inputs = cases(
    dims={"T": "1..5", "E": "1..33"},
    logits="float[T, E] in [-40, 40]",
    k="int in [1, E]",
    which="bool",
)
rtr_tiles_inputs = cases(
    dims={"T": "17, 40", "E": "33, 65"},
    logits="float[T, E] in [-40, 40]",
    k="int in [1, 4]",
    g="accum[T, E] in [-8, 8]",
)
rtr_many_inputs = cases(
    dims={"T": "1", "E": "1025"},
    logits="float[T, E] in [-40, 40]",
    k="int in [1, 3]",
    g="accum[T, E] in [-8, 8]",
)
rtr_full_slots_inputs = cases(
    dims={"T": "1..2", "E": "32, 33, 64, 65"},
    g="accum[T, E] in [1, 8]",
    logits="float[T, E] in [-1, 1]",
    k="int in {16, 31, 32, E - 1, E}",
)
rtr_masked_inputs = cases(
    dims={"T": "1..5", "E": "2..17"},
    logits="float[T, E] in {-inf, -170141183460469231731687303715884105728, -1048576, -69632, -2, 0, 1}",
    k="int in [1, E]",
    free="int in [0, E - 1]",
)
rtr_masked_backward_inputs = cases(
    dims={"T": "1..5", "E": "2..17"},
    g="accum[T, E] in [-8, 8]",
    logits="float[T, E] in {-inf, -170141183460469231731687303715884105728, -1048576, -69632, -2, 0, 1}",
    k="int in [1, E]",
    free="int in [0, E - 1]",
)
rtr_rows_inputs = cases(
    dims={"T": "530", "E": "1..5"},
    logits="float[T, E] in [-40, 40]",
    k="int in [1, E]",
    g="accum[T, E] in [-8, 8]",
)


@obligation("RTR-SUM", equation="route", type="conservation")
@given(case=route_inputs)
def test_rtr_sum(kernel, case):
    """The weights of a token are positive or 0 and sum to one."""
    logits, k = kernel.receives(case, "logits k")
    T, E = case.T, case.E
    t, j = grid(T, E)
    weights, _ = kernel.route(logits, k)
    claim(all[t](approx(sum[j](weights[t, j]), 1)))
    claim(all[t, j](weights[t, j] >= 0))


@obligation("RTR-RENORMALISED", equation="route", type="equivalence")
@given(case=rtr_renormalised_inputs)
def test_rtr_renormalised(kernel, case):
    """The softmax over all experts, cut to the chosen ones and divided by their sum, gives the same weights."""
    logits, k = kernel.receives(case, "logits k")
    T, E = case.T, case.E
    t, e, f, j, l = grid(T, E, E, E, E)
    weights, experts = kernel.route(logits, k)
    p = array[t, e](exp(logits[t, e]) / sum[f](exp(logits[t, f])))
    chosen = array[t, j](sum[e](where(experts[t, j] == e, p[t, e], 0)))
    claim(all[t, j](approx(weights[t, j] * sum[l](chosen[t, l]), chosen[t, j])))


@obligation("RTR-CHOICE", equation="route", type="ordering")
@given(case=rtr_choice_inputs)
def test_rtr_choice(kernel, case):
    """k different experts that exist, by falling logit, none left out that is larger; equal logits by number."""
    logits, k = kernel.receives(case, "logits k")
    T, E = case.T, case.E
    t, j, e, i = grid(T, E, E, E)
    _, experts = kernel.route(logits, k)
    of = array[t, j](max[e](where(experts[t, j] == e, logits[t, e], -100)))
    chosen = array[t, e](any[j](experts[t, j] == e))
    claim(all[t](exact(count[e](chosen[t, e]), k)))
    claim(all[t, j]((experts[t, j] >= 0) == (j < k)))
    claim(all[t, i, j](~((i < j) & (j < k)) | (of[t, i] > of[t, j]) | (of[t, i] == of[t, j]) & (experts[t, i] < experts[t, j])))
    claim(all[t, e, j](chosen[t, e] | (j >= k) | (logits[t, e] < of[t, j]) | (logits[t, e] == of[t, j]) & (e > experts[t, j])))


@obligation("RTR-PERMUTED", equation="route", type="symmetry")
@given(case=rtr_permuted_inputs)
def test_rtr_permuted(kernel, case):
    """Renumbering the experts renumbers the choice, and every expert keeps its weight."""
    logits, k, level, order = kernel.receives(case, "logits k level order")
    T, E = case.T, case.E
    e, t, j = grid(E, T, E)
    plain = array[t, e](real(level[e]) / 16 + 0 * logits[t, e])
    renumbered = array[t, e](plain[t, order[e]])
    w, x = kernel.route(plain, k)
    v, y = kernel.route(renumbered, k)
    there = array[t, e](sum[j](where(x[t, j] == order[e], w[t, j], 0)))
    here = array[t, e](sum[j](where(y[t, j] == e, v[t, j], 0)))
    claim(approx(here, there))


@obligation("RTR-EQUAL", equation="route", type="boundary")
@given(case=rtr_equal_inputs)
def test_rtr_equal(kernel, case):
    """Where all logits are equal, the first k experts share the token equally, however large the logits are."""
    logits, k, level = kernel.receives(case, "logits k level")
    T, E = case.T, case.E
    t, e, j = grid(T, E, E)
    flat = array[t, e](level + 0 * logits[t, e])
    weights, experts = kernel.route(flat, k)
    claim(all[t, j]((experts[t, j] == where(j < k, j, -1)) & approx(weights[t, j], where(j < k, ratio(1, k), 0))))


@obligation("RTR-TOKENS", equation="route", type="independence")
@given(case=rtr_tokens_inputs)
def test_rtr_tokens(kernel, case):
    """A token's weights depend on its own logits alone."""
    logits, k, other_logits = kernel.receives(case, "logits k other_logits")
    T, E = case.T, case.E
    t, j, s, e = grid(T, E, T, E)
    independent(
        lambda logits: kernel.route(logits, k)[0],
        logits,
        other_logits,
        when=s != t,
        output=(t, j),
        input=(s, e),
        case=case,
    )


@obligation("RTR-GRAD", equation="route_backward", type="gradient")
@given(case=route_backward_inputs)
def test_rtr_grad(kernel, case):
    """dlogits is the gradient of sum(g * weights), the choice taken as given."""
    g, logits, k = kernel.receives(case, "g logits k")
    dlogits = kernel.route_backward(g, logits, k)
    (expected_dlogits,) = gradient(spec, "route", {"logits": logits, "k": k}, wrt="logits", cotangents=(g, None))
    claim(approx(dlogits, expected_dlogits))


@obligation("RTR-GRAD-SUM", equation="route_backward", type="conservation")
@given(case=rtr_grad_sum_inputs)
def test_rtr_grad_sum(kernel, case):
    """The gradient of a token sums to zero, and is zero at experts that were not chosen."""
    g, logits, k = kernel.receives(case, "g logits k")
    T, E = case.T, case.E
    t, e, j = grid(T, E, E)
    dlogits = kernel.route_backward(g, logits, k)
    _, experts = kernel.route(logits, k)
    claim(all[t](approx(sum[e](dlogits[t, e]), 0)))
    claim(all[t, e](any[j](experts[t, j] == e) | approx(dlogits[t, e], 0)))


@obligation("RTR-LAUNCH", equation="route", type="resource")
@given(case=rtr_launch_inputs)
def test_rtr_launch(kernel, case):
    """One launch for all tokens."""
    logits, k = kernel.receives(case, "logits k")
    uses_at_most(1, "launches", lambda: kernel.route(logits, k))


@obligation("RTR-REFUSES", equation="route", type="rejection")
@given(case=rtr_refuses_inputs)
def test_rtr_refuses(kernel, case):
    """No expert to a token, or more than there are, is refused."""
    logits, which = kernel.receives(case, "logits which")
    E = case.E
    wrong = single(where(which, E + 1, 0))
    rejects(kernel, "route", (logits, wrong), ValueError, mentions=["k"])


@obligation("RTR-TILES", equation="route", type="equivalence")
@given(case=rtr_tiles_inputs)
def test_rtr_tiles(kernel, case):
    """More tokens than one program takes are all routed, and all get their gradient."""
    logits, k, g = kernel.receives(case, "logits k g")
    weights, experts = kernel.route(logits, k)
    dlogits = kernel.route_backward(g, logits, k)
    w, x = spec.route(logits, k)
    d = spec.route_backward(g, logits, k)
    claim(approx(weights, w))
    claim(equal(experts, x))
    claim(approx(dlogits, d))


@obligation("RTR-MANY", equation="route", type="equivalence", cost=4)
@given(case=rtr_many_inputs)
def test_rtr_many(kernel, case):
    """A token with more experts than a program usually has logits is routed, and gets its gradient."""
    logits, k, g = kernel.receives(case, "logits k g")
    weights, experts = kernel.route(logits, k)
    dlogits = kernel.route_backward(g, logits, k)
    w, x = spec.route(logits, k)
    d = spec.route_backward(g, logits, k)
    claim(approx(weights, w))
    claim(equal(experts, x))
    claim(approx(dlogits, d))


@obligation("RTR-FULL-SLOTS", equation="route_backward", type="equivalence")
@given(case=rtr_full_slots_inputs)
def test_rtr_full_slots(kernel, case):
    """The gradient is coupled over all chosen experts, be they all there are, all but one, or as many as a warp has
    lanes."""
    g, logits, k = kernel.receives(case, "g logits k")
    dlogits = kernel.route_backward(g, logits, k)
    expected = spec.route_backward(g, logits, k)
    claim(approx(dlogits, expected))


@obligation("RTR-MASKED", equation="route", type="equivalence")
@given(case=rtr_masked_inputs)
def test_rtr_masked(kernel, case):
    """Masked experts, of -inf, and very unlikely ones come last, by number among equals; none is listed twice. Their
    weight is 0."""
    logits, k, free = kernel.receives(case, "logits k free")
    T, E = case.T, case.E
    t, e = grid(T, E)
    masked = array[t, e](where(e == free, max(logits[t, e], -2), logits[t, e]))
    weights, experts = kernel.route(masked, k)
    w, x = spec.route(masked, k)
    claim(approx(weights, w))
    claim(equal(experts, x))
    claim(all[t, e](~(w[t, e] == 0) | (weights[t, e] == 0)))


@obligation("RTR-MASKED-BACKWARD", equation="route_backward", type="equivalence")
@given(case=rtr_masked_backward_inputs)
def test_rtr_masked_backward(kernel, case):
    """Masked experts, of -inf, get no gradient and spoil no other's, chosen or not."""
    g, logits, k, free = kernel.receives(case, "g logits k free")
    T, E = case.T, case.E
    t, e = grid(T, E)
    masked = array[t, e](where(e == free, max(logits[t, e], -2), logits[t, e]))
    dlogits = kernel.route_backward(g, masked, k)
    expected = spec.route_backward(g, masked, k)
    claim(approx(dlogits, expected))
    claim(all[t, e]((masked[t, e] > -3) | (dlogits[t, e] == 0)))


@obligation("RTR-ROWS", equation="route", type="equivalence", cost=12)
@given(case=rtr_rows_inputs)
def test_rtr_rows(kernel, case):
    """Hundreds of tokens are all routed, and all get their gradient."""
    logits, k, g = kernel.receives(case, "logits k g")
    weights, experts = kernel.route(logits, k)
    dlogits = kernel.route_backward(g, logits, k)
    w, x = spec.route(logits, k)
    d = spec.route_backward(g, logits, k)
    claim(approx(weights, w))
    claim(equal(experts, x))
    claim(approx(dlogits, d))


@obligation("RTR-DEF-ROUTE", equation="route", type="definition")
@given(case=route_inputs)
def test_rtr_def_route(kernel, case):
    """route computes its definition."""
    logits, k = kernel.receives(case, "logits k")
    weights, experts = kernel.route(logits, k)
    expected_weights, expected_experts = spec.route(logits, k)
    claim(approx(weights, expected_weights))
    claim(approx(experts, expected_experts))


@obligation("RTR-DEF-ROUTE_BACKWARD", equation="route_backward", type="definition")
@given(case=route_backward_inputs)
def test_rtr_def_route_backward(kernel, case):
    """route_backward computes its definition."""
    g, logits, k = kernel.receives(case, "g logits k")
    dlogits = kernel.route_backward(g, logits, k)
    expected_dlogits = spec.route_backward(g, logits, k)
    claim(approx(dlogits, expected_dlogits))


@obligation("RTR-PREDICTS-TIES", rule="RTR-CHOICE", type="falsification")
def test_rtr_predicts_ties(kernel):
    """Logits 1, 3, 3, 2 and k = 2: experts 1 and 2, half each."""
    case = example({"logits": "float[T, E]", "k": "int"}, logits=[[1, 3, 3, 2]], k=2)
    logits, k = kernel.receives(case, "logits k")
    weights, experts = kernel.route(logits, k)
    claim(experts[0, 0] == 1)
    claim(experts[0, 1] == 2)
    claim(approx(weights[0, 0], 0.5))
    claim(approx(weights[0, 1], 0.5))


@obligation("RTR-PREDICTS-GRADIENT", rule="RTR-GRAD", type="falsification")
def test_rtr_predicts_gradient(kernel):
    """Two chosen experts of equal logits, gradient 1 and 0: a quarter to the one, minus a quarter to the other."""
    case = example(
        {"g": "accum[T, E]", "logits": "float[T, E]", "k": "int"},
        g=[[1, 0, 7, 7]],
        logits=[[0, 5, -1, 5]],
        k=2,
    )
    g, logits, k = kernel.receives(case, "g logits k")
    d = kernel.route_backward(g, logits, k)
    claim(approx(d[0, 1], 0.25))
    claim(approx(d[0, 3], -0.25))
    claim(approx(d[0, 0], 0))
    claim(approx(d[0, 2], 0))
