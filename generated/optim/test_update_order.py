"""optim/update-order: Order of backward passes and updates.

Compiled from contracts/optim/update-order-v1.yaml: change the contract and run `albor-contracts generate`, never this file.
Meaning: c676ea282f3b64a9427418caaea0d0416129033feafac4061e41bbfbf1102a55
"""

from albor_contracts.testing import (
    all, approx, array, cases, claim, defines, definitions, dot, exact, example, given, gradient, grid, obligation,
    rejects, tanh, where,
)

CONTRACT = "optim/update-order"


@defines("weight_gradients(g: float[B, N], w: float[L, N, N], x: float[B, N]) -> dw: float[L, N, N]")
def weight_gradients(g, w, x):
    """dW2 = g h2^T, dW1 = (W2^T g (1 - h2^2)) h1^T, dW0 = (W1^T ... (1 - h1^2)) x^T"""
    B, N = g.shape
    L = w.shape[0]
    i, j, b, l = grid(N, N, B, L)
    h1 = array[b, i](tanh(dot[j](w[0, i, j], x[b, j])))
    h2 = array[b, i](tanh(dot[j](w[1, i, j], h1[b, j])))
    g2 = array[b, j](dot[i](g[b, i], w[2, i, j]) * (1 - h2[b, j] * h2[b, j]))
    g1 = array[b, j](dot[i](g2[b, i], w[1, i, j]) * (1 - h1[b, j] * h1[b, j]))
    d2 = array[i, j](dot[b](g[b, i], h2[b, j]))
    d1 = array[i, j](dot[b](g2[b, i], h1[b, j]))
    d0 = array[i, j](dot[b](g1[b, i], x[b, j]))
    dw = array[l, i, j](where(l == 0, d0[i, j], where(l == 1, d1[i, j], d2[i, j])))
    return dw


@defines("interleaved(g: float[B, N], w: float[L, N, N], x: float[B, N], lr: real) -> w2: float[L, N, N]")
def interleaved(g, w, x, lr):
    """from the last layer on: gradient of the input, then W - lr dW"""
    B, N = g.shape
    L = w.shape[0]
    l, i, j = grid(L, N, N)
    dw = spec.weight_gradients(g, w, x)
    w2 = array[l, i, j](w[l, i, j] - lr * dw[l, i, j])
    return w2


@defines("decoupled(g: float[B, N], w: float[L, N, N], x: float[B, N], lr: real) -> w2: float[L, N, N]")
def decoupled(g, w, x, lr):
    """all gradients, then W - lr dW for every layer"""
    B, N = g.shape
    L = w.shape[0]
    l, i, j = grid(L, N, N)
    dw = spec.weight_gradients(g, w, x)
    w2 = array[l, i, j](w[l, i, j] - lr * dw[l, i, j])
    return w2


@defines("network(w: float[L, N, N], x: float[B, N]) -> y: float[B, N]")
def network(w, x):
    """y = W2 tanh(W1 tanh(W0 x))"""
    N = w.shape[1]
    B = x.shape[0]
    i, j, b = grid(N, N, B)
    h1 = array[b, i](tanh(dot[j](w[0, i, j], x[b, j])))
    h2 = array[b, i](tanh(dot[j](w[1, i, j], h1[b, j])))
    y = array[b, i](dot[j](w[2, i, j], h2[b, j]))
    return y


spec = definitions(CONTRACT, weight_gradients, interleaved, decoupled, network)

interleaved_inputs = cases(
    dims={"B": "1..5", "N": "1..5", "L": "3"},
    work={"L * N * N": 2**15},
    g="float[B, N] in [-2, 2]",
    w="float[L, N, N] in [-1, 1]",
    x="float[B, N] in [-2, 2]",
    lr="real in [0.01, 1]",
)
weight_gradients_inputs = cases(
    dims={"B": "1..5", "N": "1..5", "L": "3"},
    work={"L * N * N": 2**15},
    g="float[B, N] in [-2, 2]",
    w="float[L, N, N] in [-1, 1]",
    x="float[B, N] in [-2, 2]",
)
network_inputs = cases(
    dims={"B": "1..5", "N": "1..5", "L": "3"},
    w="float[L, N, N] in [-1, 1]",
    x="float[B, N] in [-2, 2]",
)
uo_shapes_inputs = cases(
    dims={"B": "1..5", "N": "1..3", "L": "3", "K": "2..4", "M": "1..3"},
    assume=("K != 3 or M != N",),
    w="float[L, N, N] in [-1, 1]",
    x="float[B, N] in [-2, 2]",
    stack="float[K, M, N] in [-1, 1]",
)


@obligation("UO-SAME", equation="interleaved", type="equivalence")
@given(case=interleaved_inputs)
def test_uo_same(kernel, case):
    """Interleaved and decoupled updates are bitwise the same."""
    g, w, x, lr = kernel.receives(case, "g w x lr")
    claim(exact(kernel.interleaved(g, w, x, lr), kernel.decoupled(g, w, x, lr)))


@obligation("UO-GRAD", equation="weight_gradients", type="gradient")
@given(case=weight_gradients_inputs)
def test_uo_grad(kernel, case):
    """dw is the gradient of sum(g * network(w, x))."""
    g, w, x = kernel.receives(case, "g w x")
    dw = kernel.weight_gradients(g, w, x)
    (expected_dw,) = gradient(spec, "network", {"w": w, "x": x}, wrt="w", cotangents=(g,))
    claim(approx(dw, expected_dw))


@obligation("UO-ODD", equation="network", type="symmetry")
@given(case=network_inputs)
def test_uo_odd(kernel, case):
    """The network is odd: a negated input gives a negated output."""
    w, x = kernel.receives(case, "w x")
    B, N = case.B, case.N
    b, i = grid(B, N)
    opposite = array[b, i](-x[b, i])
    y = kernel.network(w, x)
    z = kernel.network(w, opposite)
    claim(all[b, i](approx(z[b, i], -y[b, i])))


@obligation("UO-RATE", equation="decoupled", type="linearity")
@given(case=interleaved_inputs)
def test_uo_rate(kernel, case):
    """Twice the rate moves every weight twice as far, in every layer."""
    g, w, x, lr = kernel.receives(case, "g w x lr")
    N, L = case.N, case.L
    l, i, j = grid(L, N, N)
    once = kernel.decoupled(g, w, x, lr)
    twice = kernel.decoupled(g, w, x, 2 * lr)
    dw = kernel.weight_gradients(g, w, x)
    claim(all[l, i, j](approx(twice[l, i, j] - w[l, i, j], 2 * (once[l, i, j] - w[l, i, j])) & approx(w[l, i, j] - once[l, i, j], lr * dw[l, i, j])))


@obligation("UO-SHAPES", equation="network", type="rejection")
@given(case=uo_shapes_inputs)
def test_uo_shapes(kernel, case):
    """More or fewer than three layers, and layers that are not square, are refused."""
    x, stack = kernel.receives(case, "x stack")
    rejects(kernel, "network", (stack, x), ValueError, mentions=["w"])


@obligation("UO-DEF-NETWORK", equation="network", type="definition")
@given(case=network_inputs)
def test_uo_def_network(kernel, case):
    """network computes its definition."""
    w, x = kernel.receives(case, "w x")
    y = kernel.network(w, x)
    expected_y = spec.network(w, x)
    claim(approx(y, expected_y))


@obligation("UO-DEF-WEIGHT_GRADIENTS", equation="weight_gradients", type="definition")
@given(case=weight_gradients_inputs)
def test_uo_def_weight_gradients(kernel, case):
    """weight_gradients computes its definition."""
    g, w, x = kernel.receives(case, "g w x")
    dw = kernel.weight_gradients(g, w, x)
    expected_dw = spec.weight_gradients(g, w, x)
    claim(approx(dw, expected_dw))


@obligation("UO-DEF-DECOUPLED", equation="decoupled", type="definition")
@given(case=interleaved_inputs)
def test_uo_def_decoupled(kernel, case):
    """decoupled computes its definition."""
    g, w, x, lr = kernel.receives(case, "g w x lr")
    w2 = kernel.decoupled(g, w, x, lr)
    expected_w2 = spec.decoupled(g, w, x, lr)
    claim(approx(w2, expected_w2))


@obligation("UO-DEF-INTERLEAVED", equation="interleaved", type="definition")
@given(case=interleaved_inputs)
def test_uo_def_interleaved(kernel, case):
    """interleaved computes its definition."""
    g, w, x, lr = kernel.receives(case, "g w x lr")
    w2 = kernel.interleaved(g, w, x, lr)
    expected_w2 = spec.interleaved(g, w, x, lr)
    claim(approx(w2, expected_w2))


@obligation("UO-PREDICTS-FIRST", rule="UO-SAME", type="falsification")
def test_uo_predicts_first(kernel):
    """With W0 = 0, W1 = 3, W2 = 2, gradient 1, input 2 and rate 1/2 only W0 moves, to -6."""
    case = example(
        {"g": "float[B, N]", "w": "float[L, N, N]", "x": "float[B, N]", "lr": "real"},
        g=[[1.0]],
        w=[[[0.0]], [[3.0]], [[2.0]]],
        x=[[2.0]],
        lr=0.5,
    )
    g, w, x, lr = kernel.receives(case, "g w x lr")
    w2 = kernel.interleaved(g, w, x, lr)
    claim(w2[0, 0, 0] == -6)
    claim(w2[1, 0, 0] == 3)
    claim(w2[2, 0, 0] == 2)
