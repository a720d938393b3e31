"""training/device-step: A training step on a device.

Compiled from contracts/training/device-step-v1.yaml: change the contract and run `albor-contracts generate`, never this file.
Meaning: 21da14e2c718ae67804c34c6cead60a887bf76842087e40bb42d56be3e8b3409
"""

from albor_contracts.testing import (
    Steps, abs, all, approx, array, cases, claim, defines, definitions, dot, drawing, exact, example, given, grid,
    initialize, isfinite, no_fallback, obligation, real, rejects, rule, run_steps, same_twice, sigmoid, single, sqrt,
    uses_at_most, where,
)

CONTRACT = "training/device-step"


@defines(
    "moments(w1: float[K, H], w2: float[H, N]) -> m1: accum[K, H], v1: accum[K, H], m2: accum[H, N], v2: accum[H, N]",
    on_device="m1 m2 v1 v2 w1 w2",
)
def moments(w1, w2):
    """zeros"""
    K, H = w1.shape
    N = w2.shape[1]
    k, j, n = grid(K, H, N)
    m1 = array[k, j](0)
    v1 = array[k, j](0)
    m2 = array[j, n](0)
    v2 = array[j, n](0)
    return m1, v1, m2, v2


@defines(
    "train_step(x: float[A, T, K], y: float[A, T, N], w1: float[K, H], w2: float[H, N], m1: accum[K, H], "
    "v1: accum[K, H], m2: accum[H, N], v2: accum[H, N], step: int, lr: real, beta1: real, beta2: real, eps: real, "
    "max_norm: real)"
    " -> p1: float[K, H], p2: float[H, N], n1: accum[K, H], u1: accum[K, H], n2: accum[H, N], u2: accum[H, N], loss: accum[], norm: accum[]",
    on_device="m1 m2 n1 n2 p1 p2 u1 u2 v1 v2 w1 w2",
)
def train_step(x, y, w1, w2, m1, v1, m2, v2, step, lr, beta1, beta2, eps, max_norm):
    """loss = sum |silu(x W1) W2 - y|^2 / (2 A T); its gradients, clipped by their global norm; Adam"""
    A, T, K = x.shape
    N = y.shape[2]
    H = w1.shape[1]
    a, t, k, j, n = grid(A, T, K, H, N)
    h = array[a, t, j](dot[k](x[a, t, k], w1[k, j]))
    sg = array[a, t, j](sigmoid(h[a, t, j]))
    s = array[a, t, j](h[a, t, j] * sg[a, t, j])
    z = array[a, t, n](dot[j](s[a, t, j], w2[j, n]))
    gap = array[a, t, n](z[a, t, n] - y[a, t, n])
    loss = single(dot[a, t, n](gap[a, t, n], gap[a, t, n]) / (2 * A * T))
    dz = array[a, t, n](gap[a, t, n] / (A * T))
    g2 = array[j, n](dot[a, t](s[a, t, j], dz[a, t, n]))
    ds = array[a, t, j](dot[n](dz[a, t, n], w2[j, n]))
    dh = array[a, t, j](ds[a, t, j] * sg[a, t, j] * (1 + h[a, t, j] * (1 - sg[a, t, j])))
    g1 = array[k, j](dot[a, t](x[a, t, k], dh[a, t, j]))
    norm = single(sqrt(dot[k, j](g1[k, j], g1[k, j]) + dot[j, n](g2[j, n], g2[j, n])))
    c = single(where(norm > max_norm, max_norm / norm, 1))
    mn1 = array[k, j](beta1 * m1[k, j] + (1 - beta1) * c * g1[k, j])
    vn1 = array[k, j](beta2 * v1[k, j] + (1 - beta2) * c * g1[k, j] * c * g1[k, j])
    mn2 = array[j, n](beta1 * m2[j, n] + (1 - beta1) * c * g2[j, n])
    vn2 = array[j, n](beta2 * v2[j, n] + (1 - beta2) * c * g2[j, n] * c * g2[j, n])
    d1 = single(1 - real(beta1) ** step)
    d2 = single(1 - real(beta2) ** step)
    fine = single(isfinite(norm))
    p1 = array[k, j](where(fine, w1[k, j] - lr * mn1[k, j] / d1 / (sqrt(vn1[k, j] / d2) + eps), w1[k, j]))
    p2 = array[j, n](where(fine, w2[j, n] - lr * mn2[j, n] / d1 / (sqrt(vn2[j, n] / d2) + eps), w2[j, n]))
    n1 = array[k, j](where(fine, mn1[k, j], m1[k, j]))
    u1 = array[k, j](where(fine, vn1[k, j], v1[k, j]))
    n2 = array[j, n](where(fine, mn2[j, n], m2[j, n]))
    u2 = array[j, n](where(fine, vn2[j, n], v2[j, n]))
    return p1, p2, n1, u1, n2, u2, loss, norm


@defines(
    "gemm_backward(dc: float[T, N], a: float[T, K], b: float[K, N]) -> da: float[T, K], db: float[K, N]",
    on_device="a b da db dc",
)
def gemm_backward(dc, a, b):
    """da = dc b^T, db = a^T dc"""
    T, N = dc.shape
    K = a.shape[1]
    t, n, k = grid(T, N, K)
    da = array[t, k](dot[n](dc[t, n], b[k, n]))
    db = array[k, n](dot[t](a[t, k], dc[t, n]))
    return da, db


@defines(
    "snapshot_between(w: float[K, H], m: float[K, H], g: float[K, H], h: float[K, H], lr: real, beta: real)"
    " -> kept_w: float[K, H], kept_m: float[K, H], last_w: float[K, H], last_m: float[K, H]",
    on_device="g h last_m last_w m w",
)
def snapshot_between(w, m, g, h, lr, beta):
    """m' = beta m + g, w' = w - lr m', kept; then the same with h, while it is copied"""
    K, H = w.shape
    k, j = grid(K, H)
    kept_m = array[k, j](beta * m[k, j] + g[k, j])
    kept_w = array[k, j](w[k, j] - lr * kept_m[k, j])
    last_m = array[k, j](beta * kept_m[k, j] + h[k, j])
    last_w = array[k, j](kept_w[k, j] - lr * last_m[k, j])
    return kept_w, kept_m, last_w, last_m


@defines(
    "compiled_updates(w: float[K, H], g: float[K, H], first: real, second: real)"
    " -> at_first: float[K, H], at_second: float[K, H], decayed: float[K, H]",
    on_device="at_first at_second decayed g w",
)
def compiled_updates(w, g, first, second):
    """w - first g, w - second g, w - second (g + w): one kernel for two rates, and another source of its name"""
    K, H = w.shape
    k, j = grid(K, H)
    at_first = array[k, j](w[k, j] - first * g[k, j])
    at_second = array[k, j](w[k, j] - second * g[k, j])
    decayed = array[k, j](w[k, j] - second * (g[k, j] + w[k, j]))
    return at_first, at_second, decayed


spec = definitions(CONTRACT, moments, train_step, gemm_backward, snapshot_between, compiled_updates)

train_step_inputs = cases(
    dims={"A": "1..3", "T": "1..5", "K": "1..6", "H": "1..7", "N": "1..4"},
    work={"K * H * N": 2**18},
    x="float[A, T, K] in [-2, 2]",
    y="float[A, T, N] in [-2, 2]",
    w1="float[K, H] in [-1, 1]",
    w2="float[H, N] in [-1, 1]",
    m1="accum[K, H] in [-1, 1]",
    v1="accum[K, H] in [0.01, 4]",
    m2="accum[H, N] in [-1, 1]",
    v2="accum[H, N] in [0.01, 4]",
    step="int in [1, 1000]",
    lr="real in [0.0001, 0.1]",
    beta1="real in [0.5, 0.95]",
    beta2="real in [0.5, 0.999]",
    eps="real in [0.001, 0.01]",
    max_norm="real in [0.05, 5] or {inf}",
)
dst_micro_inputs = cases(
    dims={"A": "1..3", "T": "1..5", "K": "1..6", "H": "1..7", "N": "1..4", "R": "A * T", "ONE": "1"},
    work={"ONE * R * K": 2**18, "ONE * R * N": 2**18},
    x="float[A, T, K] in [-2, 2]",
    y="float[A, T, N] in [-2, 2]",
    w1="float[K, H] in [-1, 1]",
    w2="float[H, N] in [-1, 1]",
    m1="accum[K, H] in [-1, 1]",
    v1="accum[K, H] in [0.01, 4]",
    m2="accum[H, N] in [-1, 1]",
    v2="accum[H, N] in [0.01, 4]",
    step="int in [1, 1000]",
    lr="real in [0.0001, 0.1]",
    beta1="real in [0.5, 0.95]",
    beta2="real in [0.5, 0.999]",
    eps="real in [1e-8, 0.01]",
    max_norm="real in [0.05, 5] or {inf}",
)
dst_nonfinite_inputs = cases(
    dims={"A": "1..3", "T": "1..5", "K": "1..6", "H": "1..7", "N": "1..4"},
    x="float[A, T, K] in [-2, 2]",
    y="float[A, T, N] in [-2, 2]",
    w1="float[K, H] in [0.1, 1]",
    w2="float[H, N] in [-1, 1]",
    m1="accum[K, H] in [-1, 1]",
    v1="accum[K, H] in [0.01, 4]",
    m2="accum[H, N] in [-1, 1]",
    v2="accum[H, N] in [0.01, 4]",
    step="int in [1, 1000]",
    lr="real in [0.0001, 0.1]",
    beta1="real in [0.5, 0.95]",
    beta2="real in [0.5, 0.999]",
    eps="real in [1e-8, 0.01]",
    max_norm="real in [0.05, 5] or {inf}",
    bad="real in {nan, inf}",
    row="int in [0, T - 1]",
)
dst_twice_inputs = cases(
    dims={"A": "1..3", "T": "1..5", "K": "1..6", "H": "1..7", "N": "1..4"},
    x="float[A, T, K] in [-2, 2]",
    y="float[A, T, N] in [-2, 2]",
    w1="float[K, H] in [-1, 1]",
    w2="float[H, N] in [-1, 1]",
    m1="accum[K, H] in [-1, 1]",
    v1="accum[K, H] in [0.01, 4]",
    m2="accum[H, N] in [-1, 1]",
    v2="accum[H, N] in [0.01, 4]",
    step="int in [1, 1000]",
    lr="real in [0.0001, 0.1]",
    beta1="real in [0.5, 0.95]",
    beta2="real in [0.5, 0.999]",
    eps="real in [1e-8, 0.01]",
    max_norm="real in [0.05, 5] or {inf}",
)
gemm_backward_inputs = cases(
    dims={"T": "1..5", "K": "1..6", "N": "1..4"},
    dc="float[T, N] in [-4, 4]",
    a="float[T, K] in [-4, 4]",
    b="float[K, N] in [-4, 4]",
)
dst_magnitude_inputs = cases(
    dims={"T": "1..5", "K": "1..6", "N": "1..4"},
    work={"T * K * N": 2**18},
    dc="float[T, N] in [-1000000, -100000] or [100000, 1000000]",
    a="float[T, K] in [-1000000, -100000] or [100000, 1000000]",
    b="float[K, N] in [-1000000, -100000] or [100000, 1000000]",
)
snapshot_between_inputs = cases(
    dims={"K": "1..6", "H": "1..7"},
    w="float[K, H] in [-1, 1]",
    m="float[K, H] in [-1, 1]",
    g="float[K, H] in [-2, 2]",
    h="float[K, H] in [-2, 2]",
    lr="real in [0.01, 0.5]",
    beta="real in [0.5, 0.95]",
)
compiled_updates_inputs = cases(
    dims={"K": "1..6", "H": "1..7"},
    w="float[K, H] in [-1, 1]",
    g="float[K, H] in [-2, 2]",
    first="real in [0.01, 0.5]",
    second="real in [0.01, 0.5]",
)
dst_step_inputs = cases(
    dims={"A": "1..3", "T": "1..5", "K": "1..6", "H": "1..7", "N": "1..4"},
    x="float[A, T, K] in [-2, 2]",
    y="float[A, T, N] in [-2, 2]",
    w1="float[K, H] in [-1, 1]",
    w2="float[H, N] in [-1, 1]",
    m1="accum[K, H] in [-1, 1]",
    v1="accum[K, H] in [0.01, 4]",
    m2="accum[H, N] in [-1, 1]",
    v2="accum[H, N] in [0.01, 4]",
    step="int in [1, 1000]",
    lr="real in [0.0001, 0.1]",
    beta1="real in [0.5, 0.95]",
    beta2="real in [0.5, 0.999]",
    eps="real in [1e-8, 0.01]",
    max_norm="real in [0.05, 5] or {inf}",
    none="int in [-2, 0]",
)
moments_inputs = cases(
    dims={"K": "1..6", "H": "1..7", "N": "1..4"},
    w1="float[K, H] in [-1, 1]",
    w2="float[H, N] in [-1, 1]",
)


class DstRunRun(Steps):
    """From fresh moments, over several steps with other rows, state and loss follow the definition; second moments are
    never negative."""

    @initialize(case=train_step_inputs)
    def begin(self, case):
        kernel = self.kernel
        w1, w2 = self.receives(case, "w1 w2")
        K, H, N = case.K, case.H, case.N
        k, j, n = grid(K, H, N)
        a1, b1, a2, b2 = kernel.moments(w1, w2)
        o1 = array[k, j](0 * abs(w1[k, j]))
        o2 = array[j, n](0 * abs(w2[j, n]))
        self.holds(done=0, q1=w1, q2=w2, ma=a1, va=b1, mb=a2, vb=b2, r1=w1, r2=w2, sa=o1, ta=o1, sb=o2, tb=o2)

    @rule(draw=drawing())
    def step(self, draw):
        kernel = self.kernel
        x, y, lr, beta1, beta2, eps, max_norm = self.receives(draw, "x y lr beta1 beta2 eps max_norm")
        done, q1, q2, ma, va, mb, vb, r1, r2, sa, ta, sb, tb = self.held("done q1 q2 ma va mb vb r1 r2 sa ta sb tb")
        K, H, N = self.case.K, self.case.H, self.case.N
        k, j, n = grid(K, H, N)
        next_q1, next_q2, next_ma, next_va, next_mb, next_vb, loss, norm = kernel.train_step(x, y, q1, q2, ma, va, mb, vb, done + 1, lr, beta1, beta2, eps, max_norm)
        next_r1, next_r2, next_sa, next_ta, next_sb, next_tb, expected_loss, expected_norm = spec.train_step(x, y, r1, r2, sa, ta, sb, tb, done + 1, lr, beta1, beta2, eps, max_norm)
        next_done = done + 1
        claim(approx(next_q1, next_r1))
        claim(approx(next_q2, next_r2))
        claim(approx(next_va, next_ta))
        claim(approx(next_vb, next_tb))
        claim(approx(loss, expected_loss))
        claim(approx(norm, expected_norm))
        claim(all[k, j](next_va[k, j] >= 0))
        claim(all[j, n](next_vb[j, n] >= 0))
        self.holds(
            done=next_done,
            q1=next_q1,
            q2=next_q2,
            ma=next_ma,
            va=next_va,
            mb=next_mb,
            vb=next_vb,
            r1=next_r1,
            r2=next_r2,
            sa=next_sa,
            ta=next_ta,
            sb=next_sb,
            tb=next_tb,
        )


@obligation("DST-RUN", equation="train_step", type="protocol", cost=4)
def test_dst_run(kernel):
    """From fresh moments, over several steps with other rows, state and loss follow the definition; second moments are
    never negative."""
    run_steps(DstRunRun, train_step_inputs, kernel, steps=3)


@obligation("DST-MICRO", equation="train_step", type="equivalence")
@given(case=dst_micro_inputs)
def test_dst_micro(kernel, case):
    """Micro-batches of equal size, added up, are one batch of all their rows."""
    x, y, w1, w2, m1, v1, m2, v2, step, lr, beta1, beta2, eps, max_norm = kernel.receives(case, "x y w1 w2 m1 v1 m2 v2 step lr beta1 beta2 eps max_norm")
    T, K, N, R, ONE = case.T, case.K, case.N, case.R, case.ONE
    a, r, k, n = grid(ONE, R, K, N)
    wide = array[a, r, k](x[r // T, r % T, k])
    goal = array[a, r, n](y[r // T, r % T, n])
    _, _, n1, _, n2, _, loss, norm = kernel.train_step(x, y, w1, w2, m1, v1, m2, v2, step, lr, beta1, beta2, eps, max_norm)
    _, _, f1, _, h1, _, whole_loss, whole_norm = kernel.train_step(wide, goal, w1, w2, m1, v1, m2, v2, step, lr, beta1, beta2, eps, max_norm)
    claim(approx(n1, f1))
    claim(approx(n2, h1))
    claim(approx(loss, whole_loss))
    claim(approx(norm, whole_norm))


@obligation("DST-NONFINITE", equation="train_step", type="boundary")
@given(case=dst_nonfinite_inputs)
def test_dst_nonfinite(kernel, case):
    """A row that is not finite makes loss and norm say so, and changes neither weights nor moments."""
    x, y, w1, w2, m1, v1, m2, v2, step, lr, beta1, beta2, eps, max_norm, bad, row = kernel.receives(case, "x y w1 w2 m1 v1 m2 v2 step lr beta1 beta2 eps max_norm bad row")
    A, T, K = case.A, case.T, case.K
    a, t, k = grid(A, T, K)
    spoiled = array[a, t, k](where((t == row) & (a == 0) & (k == 0), bad, x[a, t, k]))
    p1, p2, n1, u1, n2, u2, loss, norm = kernel.train_step(spoiled, y, w1, w2, m1, v1, m2, v2, step, lr, beta1, beta2, eps, max_norm)
    claim(~isfinite(loss))
    claim(~isfinite(norm))
    claim(exact(p1, w1))
    claim(exact(p2, w2))
    claim(exact(n1, m1))
    claim(exact(u1, v1))
    claim(exact(n2, m2))
    claim(exact(u2, v2))


@obligation("DST-TWICE", equation="train_step", type="determinism")
@given(case=dst_twice_inputs)
def test_dst_twice(kernel, case):
    """Two steps from the same state agree bitwise, whatever was in the memory that they got."""
    x, y, w1, w2, m1, v1, m2, v2, step, lr, beta1, beta2, eps, max_norm = kernel.receives(case, "x y w1 w2 m1 v1 m2 v2 step lr beta1 beta2 eps max_norm")
    same_twice(lambda: kernel.train_step(x, y, w1, w2, m1, v1, m2, v2, step, lr, beta1, beta2, eps, max_norm))


@obligation("DST-WAITS", equation="train_step", type="resource")
@given(case=dst_twice_inputs)
def test_dst_waits(kernel, case):
    """The host waits once a step, whatever the number of micro-batches."""
    x, y, w1, w2, m1, v1, m2, v2, step, lr, beta1, beta2, eps, max_norm = kernel.receives(case, "x y w1 w2 m1 v1 m2 v2 step lr beta1 beta2 eps max_norm")
    uses_at_most(1, "synchronisations", lambda: kernel.train_step(x, y, w1, w2, m1, v1, m2, v2, step, lr, beta1, beta2, eps, max_norm))


@obligation("DST-DOWNLOADS", equation="train_step", type="resource")
@given(case=dst_twice_inputs)
def test_dst_downloads(kernel, case):
    """Two copies come back, loss and norm: none between the micro-batches."""
    x, y, w1, w2, m1, v1, m2, v2, step, lr, beta1, beta2, eps, max_norm = kernel.receives(case, "x y w1 w2 m1 v1 m2 v2 step lr beta1 beta2 eps max_norm")
    uses_at_most(2, "downloads", lambda: kernel.train_step(x, y, w1, w2, m1, v1, m2, v2, step, lr, beta1, beta2, eps, max_norm))


@obligation("DST-DOWNLOADED", equation="train_step", type="resource")
@given(case=dst_twice_inputs)
def test_dst_downloaded(kernel, case):
    """What comes back are two numbers."""
    x, y, w1, w2, m1, v1, m2, v2, step, lr, beta1, beta2, eps, max_norm = kernel.receives(case, "x y w1 w2 m1 v1 m2 v2 step lr beta1 beta2 eps max_norm")
    uses_at_most(16, "downloaded_bytes", lambda: kernel.train_step(x, y, w1, w2, m1, v1, m2, v2, step, lr, beta1, beta2, eps, max_norm))


@obligation("DST-UPLOADS", equation="train_step", type="resource")
@given(case=dst_twice_inputs)
def test_dst_uploads(kernel, case):
    """Each micro-batch goes up once, rows and targets, and nothing else does."""
    x, y, w1, w2, m1, v1, m2, v2, step, lr, beta1, beta2, eps, max_norm = kernel.receives(case, "x y w1 w2 m1 v1 m2 v2 step lr beta1 beta2 eps max_norm")
    A = case.A
    uses_at_most(2 * A, "uploads", lambda: kernel.train_step(x, y, w1, w2, m1, v1, m2, v2, step, lr, beta1, beta2, eps, max_norm))


@obligation("DST-LAUNCHES", equation="train_step", type="resource")
@given(case=dst_twice_inputs)
def test_dst_launches(kernel, case):
    """Eight launches a micro-batch and nine an update, whatever the numbers of rows."""
    x, y, w1, w2, m1, v1, m2, v2, step, lr, beta1, beta2, eps, max_norm = kernel.receives(case, "x y w1 w2 m1 v1 m2 v2 step lr beta1 beta2 eps max_norm")
    A = case.A
    uses_at_most(8 * A + 9, "launches", lambda: kernel.train_step(x, y, w1, w2, m1, v1, m2, v2, step, lr, beta1, beta2, eps, max_norm))


@obligation("DST-SERVED", equation="train_step", type="dispatch", cost=10)
@given(case=dst_twice_inputs)
def test_dst_served(kernel, case):
    """No kernel of the step has a silent replacement, and no error of the device is swallowed."""
    x, y, w1, w2, m1, v1, m2, v2, step, lr, beta1, beta2, eps, max_norm = kernel.receives(case, "x y w1 w2 m1 v1 m2 v2 step lr beta1 beta2 eps max_norm")
    no_fallback(lambda: kernel.train_step(x, y, w1, w2, m1, v1, m2, v2, step, lr, beta1, beta2, eps, max_norm))


@obligation("DST-GEMM-WAITS", equation="gemm_backward", type="resource")
@given(case=gemm_backward_inputs)
def test_dst_gemm_waits(kernel, case):
    """The gradients of a product are enqueued, not waited for."""
    dc, a, b = kernel.receives(case, "dc a b")
    uses_at_most(0, "synchronisations", lambda: kernel.gemm_backward(dc, a, b))


@obligation("DST-MAGNITUDE", equation="gemm_backward", type="boundary")
@given(case=dst_magnitude_inputs)
def test_dst_magnitude(kernel, case):
    """Gradients of 1e5 to 1e6, through transposed operands, are still right: finite operands give finite results."""
    dc, a, b = kernel.receives(case, "dc a b")
    T, K, N = case.T, case.K, case.N
    t, k, n = grid(T, K, N)
    da, db = kernel.gemm_backward(dc, a, b)
    ea, eb = spec.gemm_backward(dc, a, b)
    claim(approx(da, ea))
    claim(approx(db, eb))
    claim(all[t, k](isfinite(da[t, k])))
    claim(all[k, n](isfinite(db[k, n])))


@obligation("DST-ONE-STEP", equation="snapshot_between", type="conservation")
@given(case=snapshot_between_inputs)
def test_dst_one_step(kernel, case):
    """What was kept leads to what training went on to: both arrays of the snapshot are of one step, in all of their
    elements."""
    w, m, g, h, lr, beta = kernel.receives(case, "w m g h lr beta")
    K, H = case.K, case.H
    k, j = grid(K, H)
    kept_w, kept_m, last_w, last_m = kernel.snapshot_between(w, m, g, h, lr, beta)
    claim(all[k, j](approx(last_m[k, j], beta * kept_m[k, j] + h[k, j]) & approx(last_w[k, j], kept_w[k, j] - lr * (beta * kept_m[k, j] + h[k, j]))))


@obligation("DST-SNAPSHOT-WAITS", equation="snapshot_between", type="resource")
@given(case=snapshot_between_inputs)
def test_dst_snapshot_waits(kernel, case):
    """The host waits once, at the end: training goes on while the snapshot is copied."""
    w, m, g, h, lr, beta = kernel.receives(case, "w m g h lr beta")
    uses_at_most(1, "synchronisations", lambda: kernel.snapshot_between(w, m, g, h, lr, beta))


@obligation("DST-RATE", equation="compiled_updates", type="equivalence")
@given(case=compiled_updates_inputs)
def test_dst_rate(kernel, case):
    """A rate that has served before changes nothing for the next: alone or after another one, an update is the same,
    bit by bit."""
    w, g, first, second = kernel.receives(case, "w g first second")
    _, after, changed = kernel.compiled_updates(w, g, first, second)
    alone, same, mended = kernel.compiled_updates(w, g, second, second)
    claim(exact(after, alone))
    claim(exact(same, alone))
    claim(exact(changed, mended))


@obligation("DST-STEP", equation="train_step", type="rejection")
@given(case=dst_step_inputs)
def test_dst_step(kernel, case):
    """Steps count from 1."""
    x, y, w1, w2, m1, v1, m2, v2, lr, beta1, beta2, eps, max_norm, none = kernel.receives(case, "x y w1 w2 m1 v1 m2 v2 lr beta1 beta2 eps max_norm none")
    rejects(
        kernel,
        "train_step",
        (x, y, w1, w2, m1, v1, m2, v2, none, lr, beta1, beta2, eps, max_norm),
        ValueError,
        mentions=["step"],
    )


@obligation("DST-DEF-GEMM_BACKWARD", equation="gemm_backward", type="definition")
@given(case=gemm_backward_inputs)
def test_dst_def_gemm_backward(kernel, case):
    """gemm_backward computes its definition."""
    dc, a, b = kernel.receives(case, "dc a b")
    da, db = kernel.gemm_backward(dc, a, b)
    expected_da, expected_db = spec.gemm_backward(dc, a, b)
    claim(approx(da, expected_da))
    claim(approx(db, expected_db))


@obligation("DST-DEF-MOMENTS", equation="moments", type="definition")
@given(case=moments_inputs)
def test_dst_def_moments(kernel, case):
    """moments computes its definition."""
    w1, w2 = kernel.receives(case, "w1 w2")
    m1, v1, m2, v2 = kernel.moments(w1, w2)
    expected_m1, expected_v1, expected_m2, expected_v2 = spec.moments(w1, w2)
    claim(approx(m1, expected_m1))
    claim(approx(v1, expected_v1))
    claim(approx(m2, expected_m2))
    claim(approx(v2, expected_v2))


@obligation("DST-DEF-SNAPSHOT_BETWEEN", equation="snapshot_between", type="definition")
@given(case=snapshot_between_inputs)
def test_dst_def_snapshot_between(kernel, case):
    """snapshot_between computes its definition."""
    w, m, g, h, lr, beta = kernel.receives(case, "w m g h lr beta")
    kept_w, kept_m, last_w, last_m = kernel.snapshot_between(w, m, g, h, lr, beta)
    expected_kept_w, expected_kept_m, expected_last_w, expected_last_m = spec.snapshot_between(w, m, g, h, lr, beta)
    claim(approx(kept_w, expected_kept_w))
    claim(approx(kept_m, expected_kept_m))
    claim(approx(last_w, expected_last_w))
    claim(approx(last_m, expected_last_m))


@obligation("DST-DEF-COMPILED_UPDATES", equation="compiled_updates", type="definition")
@given(case=compiled_updates_inputs)
def test_dst_def_compiled_updates(kernel, case):
    """compiled_updates computes its definition."""
    w, g, first, second = kernel.receives(case, "w g first second")
    at_first, at_second, decayed = kernel.compiled_updates(w, g, first, second)
    expected_at_first, expected_at_second, expected_decayed = spec.compiled_updates(w, g, first, second)
    claim(approx(at_first, expected_at_first))
    claim(approx(at_second, expected_at_second))
    claim(approx(decayed, expected_decayed))


@obligation("DST-DEF-TRAIN_STEP", equation="train_step", type="definition")
@given(case=dst_twice_inputs)
def test_dst_def_train_step(kernel, case):
    """train_step computes its definition."""
    x, y, w1, w2, m1, v1, m2, v2, step, lr, beta1, beta2, eps, max_norm = kernel.receives(case, "x y w1 w2 m1 v1 m2 v2 step lr beta1 beta2 eps max_norm")
    p1, p2, n1, u1, n2, u2, loss, norm = kernel.train_step(x, y, w1, w2, m1, v1, m2, v2, step, lr, beta1, beta2, eps, max_norm)
    expected_p1, expected_p2, expected_n1, expected_u1, expected_n2, expected_u2, expected_loss, expected_norm = spec.train_step(x, y, w1, w2, m1, v1, m2, v2, step, lr, beta1, beta2, eps, max_norm)
    claim(approx(p1, expected_p1))
    claim(approx(p2, expected_p2))
    claim(approx(n1, expected_n1))
    claim(approx(u1, expected_u1))
    claim(approx(n2, expected_n2))
    claim(approx(u2, expected_u2))
    claim(approx(loss, expected_loss))
    claim(approx(norm, expected_norm))


@obligation("DST-FT-TORN", rule="DST-ONE-STEP", type="falsification")
def test_dst_ft_torn(kernel):
    """Weights of 0, moments of 0 and gradients of 1 at beta 1/2 and rate 1: -1 is kept twice, while training comes to
    -2.5."""
    case = example(
        {"w": "float[K, H]", "m": "float[K, H]", "g": "float[K, H]", "h": "float[K, H]", "lr": "real", "beta": "real"},
        w=[[0.0, 0.0]],
        m=[[0.0, 0.0]],
        g=[[1.0, 1.0]],
        h=[[1.0, 1.0]],
        lr=1.0,
        beta=0.5,
    )
    w, m, g, h, lr, beta = kernel.receives(case, "w m g h lr beta")
    kept_w, kept_m, last_w, last_m = kernel.snapshot_between(w, m, g, h, lr, beta)
    claim(kept_w[0, 0] == -1)
    claim(kept_w[0, 1] == -1)
    claim(kept_m[0, 0] == 1)
    claim(kept_m[0, 1] == 1)
    claim(last_w[0, 0] == -2.5)
    claim(last_w[0, 1] == -2.5)
    claim(last_m[0, 1] == 1.5)


@obligation("DST-FT-STALE", rule="DST-RATE", type="falsification")
def test_dst_ft_stale(kernel):
    """A weight of 1, a gradient of 2, rates 1/2 and 1/4: 0 and 1/2, and 1/4 with the mended kernel."""
    case = example(
        {"w": "float[K, H]", "g": "float[K, H]", "first": "real", "second": "real"},
        w=[[1.0]],
        g=[[2.0]],
        first=0.5,
        second=0.25,
    )
    w, g, first, second = kernel.receives(case, "w g first second")
    at_first, at_second, decayed = kernel.compiled_updates(w, g, first, second)
    claim(at_first[0, 0] == 0)
    claim(at_second[0, 0] == 0.5)
    claim(decayed[0, 0] == 0.25)


@obligation("DST-FT-PRODUCT", rule="DST-DEF-GEMM_BACKWARD", type="falsification")
def test_dst_ft_product(kernel):
    """[1, 2] as dc, [3, 4, 5] as a and rows [1, 0], [0, 1], [1, 1] as b: da is [1, 2, 3]."""
    case = example(
        {"dc": "float[T, N]", "a": "float[T, K]", "b": "float[K, N]"},
        dc=[[1.0, 2.0]],
        a=[[3.0, 4.0, 5.0]],
        b=[[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]],
    )
    dc, a, b = kernel.receives(case, "dc a b")
    da, db = kernel.gemm_backward(dc, a, b)
    claim(da[0, 0] == 1)
    claim(da[0, 1] == 2)
    claim(da[0, 2] == 3)
    claim(db[0, 1] == 6)
    claim(db[2, 0] == 5)
