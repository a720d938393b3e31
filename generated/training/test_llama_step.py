"""training/llama-step: A training step of a small decoder.

Compiled from contracts/training/llama-step-v1.yaml: change the contract and run `albor-contracts generate`, never this file.
Meaning: 6fff037a84c93beb187bd76608fc2503d490f4634568f30d0e5f163d29e69c36
"""

from albor_contracts.testing import (
    Steps, abs, all, any, approx, array, cases, cast, claim, clip, cos, count, defines, definitions, dot, drawing, erf,
    exact, example, exp, given, gradient, grid, independent, initialize, int, isfinite, log, max, mean, min, obligation,
    ratio, real, rejects, rule, run_steps, sigmoid, sin, single, sqrt, statistically, sum, supposing, truth, where,
)

CONTRACT = "training/llama-step"


@defines("rmsnorm(x: float[R, N], w: float[N], eps: real) -> y: float[R, N]")
def rmsnorm(x, w, eps):
    """y = x / sqrt(mean(x^2) + eps) * w"""
    R, N = x.shape
    r, j, i = grid(R, N, N)
    q = array[r](mean[j](x[r, j] * x[r, j]))
    y = array[r, i](x[r, i] / sqrt(q[r] + eps) * w[i])
    return y


@defines("rope(x: float[B, H, T, D], offset: int, base: real) -> y: float[B, H, T, D]")
def rope(x, offset, base):
    """y_k = x_k cos a - x_{k+D/2} sin a, y_{k+D/2} = x_k sin a + x_{k+D/2} cos a, a = (t + offset) base^(-2k/D)"""
    B, H, T, D = x.shape
    D2 = D // 2
    b, h, t, d = grid(B, H, T, D)
    y = array[b, h, t, d](x[b, h, t, d] * cos((t + offset) * base ** ratio(-2 * (d % D2), D)) + where(d < D2, -x[b, h, t, (d + D2) % D], x[b, h, t, (d + D2) % D]) * sin((t + offset) * base ** ratio(-2 * (d % D2), D)))
    return y


@defines(
    "attention(q: float[B, H, S, D], k: float[B, K, S, D], v: float[B, K, S, D])"
    " -> o: float[B, H, S, D], lse: accum[B, H, S]"
)
def attention(q, k, v):
    """o = softmax(q k^T / sqrt(D), j <= i) v, lse = log sum exp(q k^T / sqrt(D))"""
    B, H, S, D = q.shape
    K = k.shape[1]
    G = H // K
    b, h, i, d, j = grid(B, H, S, D, S)
    s = array[b, h, i, j](dot[d](q[b, h, i, d], k[b, h // G, j, d]) / sqrt(D))
    m = array[b, h, i](max[j](s[b, h, i, j], where=j <= i))
    e = array[b, h, i, j](where(j <= i, exp(s[b, h, i, j] - m[b, h, i]), 0))
    z = array[b, h, i](sum[j](e[b, h, i, j]))
    o = array[b, h, i, d](dot[j](cast(e[b, h, i, j]), v[b, h // G, j, d]) / z[b, h, i])
    lse = array[b, h, i](m[b, h, i] + log(z[b, h, i]))
    return o, lse


@defines("swiglu(gate: float[R, N], up: float[R, N]) -> h: float[R, N]")
def swiglu(gate, up):
    """h = gate sigmoid(gate) up"""
    R, N = gate.shape
    r, i = grid(R, N)
    h = array[r, i](gate[r, i] * sigmoid(gate[r, i]) * up[r, i])
    return h


@defines(
    "block(x: float[B, S, E], norm: float[Z, E], wqo: float[L, 2, H, D, E], wkv: float[L, 2, K, D, E], "
    "wmlp: float[L, 3, F, E], layer: int, base: real, eps: real) -> y: float[B, S, E]"
)
def block(x, norm, wqo, wkv, wmlp, layer, base, eps):
    """r = x + Wo attention(rope(Wq n), rope(Wk n), Wv n), y = r + Wdown swiglu(Wgate n', Wup n')"""
    B, S, E = x.shape
    H = wqo.shape[2]
    D = wqo.shape[3]
    K = wkv.shape[2]
    F = wmlp.shape[2]
    T = B * S
    t, e, b, s, h, d, c, f = grid(T, E, B, S, H, D, K, F)
    xr = array[t, e](x[t // S, t % S, e])
    w1 = array[e](norm[2 * layer, e])
    n1 = spec.rmsnorm(xr, w1, eps)
    q0 = array[b, h, s, d](dot[e](n1[b * S + s, e], wqo[layer, 0, h, d, e]))
    k0 = array[b, c, s, d](dot[e](n1[b * S + s, e], wkv[layer, 0, c, d, e]))
    v = array[b, c, s, d](dot[e](n1[b * S + s, e], wkv[layer, 1, c, d, e]))
    q = spec.rope(q0, 0, base)
    k = spec.rope(k0, 0, base)
    o, _ = spec.attention(q, k, v)
    r = array[t, e](xr[t, e] + dot[h, d](o[t // S, h, t % S, d], wqo[layer, 1, h, d, e]))
    w2 = array[e](norm[2 * layer + 1, e])
    n2 = spec.rmsnorm(r, w2, eps)
    gate = array[t, f](dot[e](n2[t, e], wmlp[layer, 0, f, e]))
    up = array[t, f](dot[e](n2[t, e], wmlp[layer, 1, f, e]))
    a = spec.swiglu(gate, up)
    y = array[b, s, e](r[b * S + s, e] + dot[f](a[b * S + s, f], wmlp[layer, 2, f, e]))
    return y


@defines("swiglu_backward(g: float[R, N], gate: float[R, N], up: float[R, N]) -> dgate: float[R, N], dup: float[R, N]")
def swiglu_backward(g, gate, up):
    """dgate = g up s (1 + gate (1 - s)), dup = g gate s, with s = sigmoid(gate)"""
    R, N = g.shape
    r, i = grid(R, N)
    s = array[r, i](sigmoid(gate[r, i]))
    dgate = array[r, i](g[r, i] * up[r, i] * (s[r, i] * (1 + gate[r, i] * (1 - s[r, i]))))
    dup = array[r, i](g[r, i] * (gate[r, i] * s[r, i]))
    return dgate, dup


@defines("rmsnorm_backward(g: float[R, N], x: float[R, N], w: float[N], eps: real) -> dx: float[R, N], dw: float[N]")
def rmsnorm_backward(g, x, w, eps):
    """dx = r (g w - n mean(g w n)), dw = sum over rows of g n, with r = 1 / sqrt(mean(x^2) + eps), n = x r"""
    R, N = g.shape
    r, j, i = grid(R, N, N)
    v = array[r](1 / sqrt(mean[j](x[r, j] * x[r, j]) + eps))
    n = array[r, i](x[r, i] * v[r])
    m = array[r](mean[j](g[r, j] * w[j] * n[r, j]))
    dx = array[r, i](v[r] * (g[r, i] * w[i] - n[r, i] * m[r]))
    dw = array[i](dot[r](g[r, i], n[r, i]))
    return dx, dw


@defines(
    "attention_backward(g: float[B, H, S, D], q: float[B, H, S, D], k: float[B, K, S, D], v: float[B, K, S, D])"
    " -> dq: float[B, H, S, D], dk: float[B, K, S, D], dv: float[B, K, S, D]"
)
def attention_backward(g, q, k, v):
    """dS = A (g v^T - rowsum(g o)), dq = dS k / sqrt(D), dk = dS^T q / sqrt(D), dv = A^T g, summed over the group"""
    B, H, S, D = g.shape
    K = k.shape[1]
    G = H // K
    b, h, i, d, j, c = grid(B, H, S, D, S, K)
    s = array[b, h, i, j](dot[d](q[b, h, i, d], k[b, h // G, j, d]) / sqrt(D))
    m = array[b, h, i](max[j](s[b, h, i, j], where=j <= i))
    e = array[b, h, i, j](where(j <= i, exp(s[b, h, i, j] - m[b, h, i]), 0))
    z = array[b, h, i](sum[j](e[b, h, i, j]))
    o = array[b, h, i, d](cast(dot[j](cast(e[b, h, i, j]), v[b, h // G, j, d]) / z[b, h, i]))
    lse = array[b, h, i](m[b, h, i] + log(z[b, h, i]))
    a = array[b, h, i, j](where(j <= i, exp(s[b, h, i, j] - lse[b, h, i]), 0))
    da = array[b, h, i, j](dot[d](g[b, h, i, d], v[b, h // G, j, d]))
    delta = array[b, h, i](dot[d](g[b, h, i, d], o[b, h, i, d]))
    ds = array[b, h, i, j](a[b, h, i, j] * (da[b, h, i, j] - delta[b, h, i]))
    dq = array[b, h, i, d](dot[j](cast(ds[b, h, i, j]), k[b, h // G, j, d]) / sqrt(D))
    dkh = array[b, h, j, d](dot[i](cast(ds[b, h, i, j]), q[b, h, i, d]))
    dvh = array[b, h, j, d](dot[i](cast(a[b, h, i, j]), g[b, h, i, d]))
    dk = array[b, c, j, d](sum[h](dkh[b, h, j, d], where=h // G == c) / sqrt(D))
    dv = array[b, c, j, d](sum[h](dvh[b, h, j, d], where=h // G == c))
    return dq, dk, dv


@defines("rope_inverse(x: float[B, H, T, D], offset: int, base: real) -> y: float[B, H, T, D]")
def rope_inverse(x, offset, base):
    """y_k = x_k cos a + x_{k+D/2} sin a, y_{k+D/2} = x_{k+D/2} cos a - x_k sin a"""
    B, H, T, D = x.shape
    D2 = D // 2
    b, h, t, d = grid(B, H, T, D)
    y = array[b, h, t, d](x[b, h, t, d] * cos((t + offset) * base ** ratio(-2 * (d % D2), D)) + where(d < D2, x[b, h, t, (d + D2) % D], -x[b, h, t, (d + D2) % D]) * sin((t + offset) * base ** ratio(-2 * (d % D2), D)))
    return y


@defines(
    "block_backward(g: float[B, S, E], x: float[B, S, E], norm: float[Z, E], wqo: float[L, 2, H, D, E], "
    "wkv: float[L, 2, K, D, E], wmlp: float[L, 3, F, E], layer: int, base: real, eps: real)"
    " -> dx: float[B, S, E], dnorm: float[2, E], dwqo: float[2, H, D, E], dwkv: float[2, K, D, E], dwmlp: float[3, F, E]"
)
def block_backward(g, x, norm, wqo, wkv, wmlp, layer, base, eps):
    """dr = dy + rmsnorm'(swiglu'(Wdown^T dy)), dx = dr + rmsnorm'(attention'(Wo^T dr))"""
    B, S, E = g.shape
    H = wqo.shape[2]
    D = wqo.shape[3]
    K = wkv.shape[2]
    F = wmlp.shape[2]
    T = B * S
    t, e, b, s, h, d, c, f, i, j = grid(T, E, B, S, H, D, K, F, 2, 3)
    xr = array[t, e](x[t // S, t % S, e])
    w1 = array[e](norm[2 * layer, e])
    n1 = spec.rmsnorm(xr, w1, eps)
    q0 = array[b, h, s, d](dot[e](n1[b * S + s, e], wqo[layer, 0, h, d, e]))
    k0 = array[b, c, s, d](dot[e](n1[b * S + s, e], wkv[layer, 0, c, d, e]))
    v = array[b, c, s, d](dot[e](n1[b * S + s, e], wkv[layer, 1, c, d, e]))
    q = spec.rope(q0, 0, base)
    k = spec.rope(k0, 0, base)
    o, _ = spec.attention(q, k, v)
    r = array[t, e](xr[t, e] + dot[h, d](o[t // S, h, t % S, d], wqo[layer, 1, h, d, e]))
    w2 = array[e](norm[2 * layer + 1, e])
    n2 = spec.rmsnorm(r, w2, eps)
    gate = array[t, f](dot[e](n2[t, e], wmlp[layer, 0, f, e]))
    up = array[t, f](dot[e](n2[t, e], wmlp[layer, 1, f, e]))
    a = spec.swiglu(gate, up)
    dy = array[t, e](g[t // S, t % S, e])
    da = array[t, f](dot[e](dy[t, e], wmlp[layer, 2, f, e]))
    dgate, dup = spec.swiglu_backward(da, gate, up)
    dn2 = array[t, e](dot[f](dgate[t, f], wmlp[layer, 0, f, e]) + dot[f](dup[t, f], wmlp[layer, 1, f, e]))
    past2, dw2 = spec.rmsnorm_backward(dn2, r, w2, eps)
    dr = array[t, e](dy[t, e] + past2[t, e])
    do = array[b, h, s, d](dot[e](dr[b * S + s, e], wqo[layer, 1, h, d, e]))
    dqr, dkr, dv = spec.attention_backward(do, q, k, v)
    dq = spec.rope_inverse(dqr, 0, base)
    dk = spec.rope_inverse(dkr, 0, base)
    through_q = array[t, e](dot[h, d](dq[t // S, h, t % S, d], wqo[layer, 0, h, d, e]))
    through_k = array[t, e](dot[c, d](dk[t // S, c, t % S, d], wkv[layer, 0, c, d, e]))
    through_v = array[t, e](dot[c, d](dv[t // S, c, t % S, d], wkv[layer, 1, c, d, e]))
    dn1 = array[t, e](through_q[t, e] + through_k[t, e] + through_v[t, e])
    past1, dw1 = spec.rmsnorm_backward(dn1, xr, w1, eps)
    dx = array[b, s, e](dr[b * S + s, e] + past1[b * S + s, e])
    dnorm = array[i, e](where(i == 0, dw1[e], dw2[e]))
    dwq = array[h, d, e](dot[t](dq[t // S, h, t % S, d], n1[t, e]))
    dwo = array[h, d, e](dot[t](o[t // S, h, t % S, d], dr[t, e]))
    dwqo = array[i, h, d, e](where(i == 0, dwq[h, d, e], dwo[h, d, e]))
    dwk = array[c, d, e](dot[t](dk[t // S, c, t % S, d], n1[t, e]))
    dwv = array[c, d, e](dot[t](dv[t // S, c, t % S, d], n1[t, e]))
    dwkv = array[i, c, d, e](where(i == 0, dwk[c, d, e], dwv[c, d, e]))
    dwg = array[f, e](dot[t](dgate[t, f], n2[t, e]))
    dwu = array[f, e](dot[t](dup[t, f], n2[t, e]))
    dwd = array[f, e](dot[t](a[t, f], dy[t, e]))
    dwmlp = array[j, f, e](where(j == 0, dwg[f, e], where(j == 1, dwu[f, e], dwd[f, e])))
    return dx, dnorm, dwqo, dwkv, dwmlp


@defines(
    "logits(table: float[U, V, E], norm: float[Z, E], wqo: float[L, 2, H, D, E], wkv: float[L, 2, K, D, E], "
    "wmlp: float[L, 3, F, E], x: i64[B, S], base: real, eps: real) -> z: float[B, S, V]"
)
def logits(table, norm, wqo, wkv, wmlp, x, base, eps):
    """z = rmsnorm(block(block(embedding of x))) head^T"""
    U, V, E = table.shape
    Z = norm.shape[0]
    B, S = x.shape
    T = B * S
    e, b, s, t, v = grid(E, B, S, T, V)
    x0 = array[b, s, e](table[0, x[b, s], e])
    x1 = spec.block(x0, norm, wqo, wkv, wmlp, 0, base, eps)
    x2 = spec.block(x1, norm, wqo, wkv, wmlp, 1, base, eps)
    last = array[t, e](x2[t // S, t % S, e])
    wf = array[e](norm[Z - 1, e])
    n = spec.rmsnorm(last, wf, eps)
    z = array[b, s, v](dot[e](n[b * S + s, e], table[U - 1, v, e]))
    return z


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


@defines(
    "loss(table: float[U, V, E], norm: float[Z, E], wqo: float[L, 2, H, D, E], wkv: float[L, 2, K, D, E], "
    "wmlp: float[L, 3, F, E], x: i64[A, B, S], y: i64[A, B, S], base: real, eps: real, ignore: int) -> loss: accum[]"
)
def loss(table, norm, wqo, wkv, wmlp, x, y, base, eps, ignore):
    """mean over the tokens whose target is not ignored of the cross-entropy of logits(x)"""
    U, V, E = table.shape
    A, B, S = x.shape
    M = A * B
    T = A * B * S
    m, s, t, v = grid(M, S, T, V)
    xm = array[m, s](x[m // B, m % B, s])
    zm = spec.logits(table, norm, wqo, wkv, wmlp, xm, base, eps)
    z = array[t, v](zm[t // S, t % S, v])
    target = array[t](y[t // (B * S), t // S % B, t % S])
    loss, _ = spec.cross_entropy(z, target, ignore)
    return loss


@defines(
    "gradients(table: float[U, V, E], norm: float[Z, E], wqo: float[L, 2, H, D, E], wkv: float[L, 2, K, D, E], "
    "wmlp: float[L, 3, F, E], x: i64[A, B, S], y: i64[A, B, S], base: real, eps: real, ignore: int)"
    " -> loss: accum[], dtable: float[U, V, E], dnorm: float[Z, E], dwqo: float[L, 2, H, D, E], dwkv: float[L, 2, K, D, E], dwmlp: float[L, 3, F, E]"
)
def gradients(table, norm, wqo, wkv, wmlp, x, y, base, eps, ignore):
    """the loss and its gradient with respect to each weight, layer after layer backwards"""
    U, V, E = table.shape
    Z = norm.shape[0]
    L = wqo.shape[0]
    H = wqo.shape[2]
    D = wqo.shape[3]
    K = wkv.shape[2]
    F = wmlp.shape[2]
    A, B, S = x.shape
    M = A * B
    T = A * B * S
    m, e, s, t, v, u, z_, i, h, d, l, c, j, f = grid(M, E, S, T, V, U, Z, 2, H, D, L, K, 3, F)
    x0 = array[m, s, e](table[0, x[m // B, m % B, s], e])
    x1 = spec.block(x0, norm, wqo, wkv, wmlp, 0, base, eps)
    x2 = spec.block(x1, norm, wqo, wkv, wmlp, 1, base, eps)
    last = array[t, e](x2[t // S, t % S, e])
    wf = array[e](norm[Z - 1, e])
    n = spec.rmsnorm(last, wf, eps)
    z = array[t, v](dot[e](n[t, e], table[U - 1, v, e]))
    target = array[t](y[t // (B * S), t // S % B, t % S])
    loss, dz = spec.cross_entropy(z, target, ignore)
    dn = array[t, e](dot[v](dz[t, v], table[U - 1, v, e]))
    dlast, dwf = spec.rmsnorm_backward(dn, last, wf, eps)
    g2 = array[m, s, e](dlast[m * S + s, e])
    g1, dnorm1, dwqo1, dwkv1, dwmlp1 = spec.block_backward(g2, x1, norm, wqo, wkv, wmlp, 1, base, eps)
    g0, dnorm0, dwqo0, dwkv0, dwmlp0 = spec.block_backward(g1, x0, norm, wqo, wkv, wmlp, 0, base, eps)
    dhead = array[v, e](dot[t](dz[t, v], n[t, e]))
    dembedding = array[v, e](sum[m, s](g0[m, s, e], where=x[m // B, m % B, s] == v))
    dtable = array[u, v, e](where(u == 0, dembedding[v, e], 0) + where(u == U - 1, dhead[v, e], 0))
    dnorm = array[z_, e](where(z_ < 2, dnorm0[min(z_, 1), e], where(z_ < 4, dnorm1[clip(z_ - 2, 0, 1), e], dwf[e])))
    dwqo = array[l, i, h, d, e](where(l == 0, dwqo0[i, h, d, e], dwqo1[i, h, d, e]))
    dwkv = array[l, i, c, d, e](where(l == 0, dwkv0[i, c, d, e], dwkv1[i, c, d, e]))
    dwmlp = array[l, j, f, e](where(l == 0, dwmlp0[j, f, e], dwmlp1[j, f, e]))
    return loss, dtable, dnorm, dwqo, dwkv, dwmlp


@defines(
    "rows(table: float[U, V, E], norm: float[Z, E], wqo: float[L, 2, H, D, E], wkv: float[L, 2, K, D, E], "
    "wmlp: float[L, 3, F, E]) -> p: float[R, E]"
)
def rows(table, norm, wqo, wkv, wmlp):
    """all weights, one after the other, as the rows of one matrix"""
    U, V, E = table.shape
    Z = norm.shape[0]
    L = wqo.shape[0]
    H = wqo.shape[2]
    D = wqo.shape[3]
    K = wkv.shape[2]
    F = wmlp.shape[2]
    R = U * V + Z + 2 * L * H * D + 2 * L * K * D + 3 * L * F
    r, e = grid(R, E)
    a = array[r](clip(r, 0, U * V - 1))
    b = array[r](clip(r - U * V, 0, Z - 1))
    c = array[r](clip(r - (U * V + Z), 0, 2 * L * H * D - 1))
    d = array[r](clip(r - (U * V + Z + 2 * L * H * D), 0, 2 * L * K * D - 1))
    f = array[r](clip(r - (U * V + Z + 2 * L * H * D + 2 * L * K * D), 0, 3 * L * F - 1))
    mlp = array[r, e](wmlp[f[r] // (3 * F), f[r] // F % 3, f[r] % F, e])
    kv = array[r, e](wkv[d[r] // (2 * K * D), d[r] // (K * D) % 2, d[r] // D % K, d[r] % D, e])
    qo = array[r, e](wqo[c[r] // (2 * H * D), c[r] // (H * D) % 2, c[r] // D % H, c[r] % D, e])
    last = array[r, e](where(r < U * V + Z + 2 * L * H * D + 2 * L * K * D, kv[r, e], mlp[r, e]))
    rest = array[r, e](where(r < U * V + Z + 2 * L * H * D, qo[r, e], last[r, e]))
    p = array[r, e](where(r < U * V, table[a[r] // V, a[r] % V, e], where(r < U * V + Z, norm[b[r], e], rest[r, e])))
    return p


@defines("learning_rate(step: int, warmup: int, total: int, peak: real, lowest: real) -> rate: real")
def learning_rate(step, warmup, total, peak, lowest):
    """peak step / warmup, then lowest + (peak - lowest) / 2 (1 + cos(pi (step - warmup) / (total - warmup)))"""
    progress = single(clip(ratio(step - warmup, max(1, total - warmup)), 0, 1))
    decay = single(lowest + (peak - lowest) / 2 * (1 + cos(3.141592653589793 * progress)))
    after = single(where(step == warmup, peak, where(progress == 1, lowest, decay)))
    rate = single(where(step < warmup, peak * step / max(1, warmup), after))
    return rate


@defines(
    "adamw(p: float[L, P], g: float[L, P], m: accum[L, P], v: accum[L, P], step: int, lr: real, beta1: real, "
    "beta2: real, eps: real, weight_decay: real, max_norm: real)"
    " -> p2: float[L, P], m2: accum[L, P], v2: accum[L, P], norm: accum[]"
)
def adamw(p, g, m, v, step, lr, beta1, beta2, eps, weight_decay, max_norm):
    """c = min(1, max_norm / |g|), m' = b1 m + (1 - b1) c g, v' = b2 v + (1 - b2) (c g)^2, p' = p - lr (m' / (1 - b1^t)
    / (sqrt(v' / (1 - b2^t)) + eps) + wd p)"""
    L, P = p.shape
    l, i = grid(L, P)
    norm = single(sqrt(dot[l, i](g[l, i], g[l, i])))
    c = single(where(norm > max_norm, max_norm / norm, 1))
    gc = array[l, i](c * g[l, i])
    mn = array[l, i](beta1 * m[l, i] + (1 - beta1) * gc[l, i])
    vn = array[l, i](beta2 * v[l, i] + (1 - beta2) * gc[l, i] * gc[l, i])
    mh = array[l, i](mn[l, i] / (1 - real(beta1) ** step))
    vh = array[l, i](vn[l, i] / (1 - real(beta2) ** step))
    u = array[l, i](mh[l, i] / (sqrt(vh[l, i]) + eps))
    p2 = array[l, i](where(isfinite(norm), (1 - lr * weight_decay) * p[l, i] - lr * u[l, i], p[l, i]))
    m2 = array[l, i](where(isfinite(norm), mn[l, i], m[l, i]))
    v2 = array[l, i](where(isfinite(norm), vn[l, i], v[l, i]))
    return p2, m2, v2, norm


@defines(
    "train_step(table: float[U, V, E], norm: float[Z, E], wqo: float[L, 2, H, D, E], wkv: float[L, 2, K, D, E], "
    "wmlp: float[L, 3, F, E], m: accum[R, E], v: accum[R, E], x: i64[A, B, S], y: i64[A, B, S], done: int, "
    "warmup: int, total: int, peak: real, lowest: real, beta1: real, beta2: real, adam_eps: real, "
    "weight_decay: real, max_norm: real, base: real, eps: real, ignore: int)"
    " -> table2: float[U, V, E], norm2: float[Z, E], wqo2: float[L, 2, H, D, E], wkv2: float[L, 2, K, D, E], wmlp2: float[L, 3, F, E], m2: accum[R, E], v2: accum[R, E], loss: accum[], size: accum[]"
)
def train_step(table, norm, wqo, wkv, wmlp, m, v, x, y, done, warmup, total, peak, lowest, beta1, beta2, adam_eps, weight_decay, max_norm, base, eps, ignore):
    """AdamW with one clip on the gradients of A micro-batches, at the rate of the schedule"""
    U, V, E = table.shape
    Z = norm.shape[0]
    L = wqo.shape[0]
    H = wqo.shape[2]
    D = wqo.shape[3]
    K = wkv.shape[2]
    F = wmlp.shape[2]
    e, u, w, i, l, i2, h, d, c, i3, f = grid(E, U, V, Z, L, 2, H, D, K, 3, F)
    loss, dtable, dnorm, dwqo, dwkv, dwmlp = spec.gradients(table, norm, wqo, wkv, wmlp, x, y, base, eps, ignore)
    p = spec.rows(table, norm, wqo, wkv, wmlp)
    g = spec.rows(dtable, dnorm, dwqo, dwkv, dwmlp)
    rate = spec.learning_rate(done, warmup, total, peak, lowest)
    p2, m2, v2, size = spec.adamw(p, g, m, v, done + 1, rate, beta1, beta2, adam_eps, weight_decay, max_norm)
    table2 = array[u, w, e](p2[u * V + w, e])
    norm2 = array[i, e](p2[U * V + i, e])
    wqo2 = array[l, i2, h, d, e](p2[U * V + Z + ((l * 2 + i2) * H + h) * D + d, e])
    wkv2 = array[l, i2, c, d, e](p2[U * V + Z + 2 * L * H * D + ((l * 2 + i2) * K + c) * D + d, e])
    wmlp2 = array[l, i3, f, e](p2[U * V + Z + 2 * L * H * D + 2 * L * K * D + (l * 3 + i3) * F + f, e])
    return table2, norm2, wqo2, wkv2, wmlp2, m2, v2, loss, size


spec = definitions(
    CONTRACT,
    rmsnorm,
    rope,
    attention,
    swiglu,
    block,
    swiglu_backward,
    rmsnorm_backward,
    attention_backward,
    rope_inverse,
    block_backward,
    logits,
    cross_entropy,
    loss,
    gradients,
    rows,
    learning_rate,
    adamw,
    train_step,
    "initial(seed: int, table: float[U, V, E], norm: float[Z, E], wqo: float[L, 2, H, D, E], wkv: float[L, 2, K, D, E], wmlp: float[L, 3, F, E]) -> table1: float[U, V, E], norm1: float[Z, E], wqo1: float[L, 2, H, D, E], wkv1: float[L, 2, K, D, E], wmlp1: float[L, 3, F, E]",
    "save(table: float[U, V, E], norm: float[Z, E], wqo: float[L, 2, H, D, E], wkv: float[L, 2, K, D, E], wmlp: float[L, 3, F, E], m: accum[R, E], v: accum[R, E], done: int) -> file: bytes",
    "load(file: bytes) -> table1: float[U, V, E], norm1: float[Z, E], wqo1: float[L, 2, H, D, E], wkv1: float[L, 2, K, D, E], wmlp1: float[L, 3, F, E], m1: accum[R, E], v1: accum[R, E], done1: int",
    "train(table: float[U, V, E], norm: float[Z, E], wqo: float[L, 2, H, D, E], wkv: float[L, 2, K, D, E], wmlp: float[L, 3, F, E], x: i64[N, A, B, S], y: i64[N, A, B, S], warmup: int, total: int, peak: real, lowest: real, beta1: real, beta2: real, adam_eps: real, weight_decay: real, max_norm: real, base: real, eps: real, ignore: int) -> losses: accum[N], file: bytes",
    "resume(file: bytes, x: i64[N, A, B, S], y: i64[N, A, B, S], warmup: int, total: int, peak: real, lowest: real, beta1: real, beta2: real, adam_eps: real, weight_decay: real, max_norm: real, base: real, eps: real, ignore: int) -> losses: accum[N], file2: bytes",
    "library_text(first: int, like: i64[N, A, B, S]) -> x: i64[N, A, B, S], y: i64[N, A, B, S]",
)


def supposed_1(case):
    """any[a, b, s](x[a, b, s] != x[0, 0, 0])"""
    x, A, B, S = case.x, case.A, case.B, case.S
    a, b, s = grid(A, B, S)
    return any[a, b, s](x[a, b, s] != x[0, 0, 0])


block_inputs = cases(
    dims={"B": "1..2", "S": "1..4", "E": "2..4", "K": "1..2", "G": "1..2", "H": "G * K", "C": "1..2", "D": "2 * C", "F": "1..3", "L": "2", "Z": "2 * L + 1"},
    x="float[B, S, E] in [-2, 2]",
    norm="float[Z, E] in [0.5, 1.5]",
    wqo="float[L, 2, H, D, E] in [-0.1, 0.1]",
    wkv="float[L, 2, K, D, E] in [-0.1, 0.1]",
    wmlp="float[L, 3, F, E] in [-0.1, 0.1]",
    layer="int in [0, L)",
    base="real in {100, 10000}",
    eps="real in [0.00001, 0.001]",
)
block_backward_inputs = cases(
    dims={"B": "1..2", "S": "1..4", "E": "2..4", "K": "1..2", "G": "1..2", "H": "G * K", "C": "1..2", "D": "2 * C", "F": "1..3", "L": "2", "Z": "2 * L + 1"},
    g="float[B, S, E] in [-2, 2]",
    x="float[B, S, E] in [-2, 2]",
    norm="float[Z, E] in [0.5, 1.5]",
    wqo="float[L, 2, H, D, E] in [-0.1, 0.1]",
    wkv="float[L, 2, K, D, E] in [-0.1, 0.1]",
    wmlp="float[L, 3, F, E] in [-0.1, 0.1]",
    layer="int in [0, L)",
    base="real in {100, 10000}",
    eps="real in [0.00001, 0.001]",
)
logits_inputs = cases(
    dims={"B": "1..2", "S": "1..4", "V": "3..6", "E": "2..4", "K": "1..2", "G": "1..2", "H": "G * K", "C": "1..2", "D": "2 * C", "F": "1..3", "L": "2", "U": "1..2", "Z": "2 * L + 1"},
    work={"B * S * V": 2**15},
    table="float[U, V, E] in [-1, 1]",
    norm="float[Z, E] in [0.5, 1.5]",
    wqo="float[L, 2, H, D, E] in [-0.1, 0.1]",
    wkv="float[L, 2, K, D, E] in [-0.1, 0.1]",
    wmlp="float[L, 3, F, E] in [-0.1, 0.1]",
    x="i64[B, S] in [0, V)",
    base="real in {100, 10000}",
    eps="real in [0.00001, 0.001]",
)
loss_inputs = cases(
    dims={"A": "1..2", "B": "1..2", "S": "1..4", "V": "3..6", "E": "2..4", "K": "1..2", "G": "1..2", "H": "G * K", "C": "1..2", "D": "2 * C", "F": "1..3", "L": "2", "U": "1..2", "Z": "2 * L + 1"},
    table="float[U, V, E] in [-1, 1]",
    norm="float[Z, E] in [0.5, 1.5]",
    wqo="float[L, 2, H, D, E] in [-0.1, 0.1]",
    wkv="float[L, 2, K, D, E] in [-0.1, 0.1]",
    wmlp="float[L, 3, F, E] in [-0.1, 0.1]",
    x="i64[A, B, S] in [0, V)",
    y="i64[A, B, S] in [0, V) or {ignore}",
    base="real in {100, 10000}",
    eps="real in [0.00001, 0.001]",
    ignore="int in {-100, -1}",
)
rows_inputs = cases(
    dims={"V": "3..6", "E": "2..4", "K": "1..2", "G": "1..2", "H": "G * K", "C": "1..2", "D": "2 * C", "F": "1..3", "L": "2", "U": "1..2", "Z": "2 * L + 1", "R": "U * V + Z + 2 * L * H * D + 2 * L * K * D + 3 * L * F"},
    work={"R * E": 2**15},
    table="float[U, V, E] in [-1, 1]",
    norm="float[Z, E] in [0.5, 1.5]",
    wqo="float[L, 2, H, D, E] in [-0.1, 0.1]",
    wkv="float[L, 2, K, D, E] in [-0.1, 0.1]",
    wmlp="float[L, 3, F, E] in [-0.1, 0.1]",
)
train_step_inputs = cases(
    dims={"A": "1..2", "B": "1..2", "S": "1..4", "V": "3..6", "E": "2..4", "K": "1..2", "G": "1..2", "H": "G * K", "C": "1..2", "D": "2 * C", "F": "1..3", "L": "2", "U": "1..2", "Z": "2 * L + 1", "R": "U * V + Z + 2 * L * H * D + 2 * L * K * D + 3 * L * F"},
    table="float[U, V, E] in [-1, 1]",
    norm="float[Z, E] in [0.5, 1.5]",
    wqo="float[L, 2, H, D, E] in [-0.1, 0.1]",
    wkv="float[L, 2, K, D, E] in [-0.1, 0.1]",
    wmlp="float[L, 3, F, E] in [-0.1, 0.1]",
    m="accum[R, E] in [-1, 1]",
    v="accum[R, E] in [0, 1]",
    x="i64[A, B, S] in [0, V)",
    y="i64[A, B, S] in [0, V) or {ignore}",
    done="int in [0, total]",
    warmup="int in [0, total // 2]",
    total="int in [2, 100]",
    peak="real in [0.001, 0.1]",
    lowest="real in [0, 0.001]",
    beta1="real in [0.5, 0.95]",
    beta2="real in [0.5, 0.999]",
    adam_eps="real in [1e-8, 0.001]",
    weight_decay="real in [0.01, 0.5]",
    max_norm="real in [0.05, 5] or {inf}",
    base="real in {100, 10000}",
    eps="real in [0.00001, 0.001]",
    ignore="int in {-100, -1}",
)
gradients_inputs = cases(
    dims={"A": "1", "B": "1", "S": "8", "V": "256", "E": "8", "K": "1", "G": "2", "H": "G * K", "C": "2", "D": "2 * C", "F": "12", "L": "2", "U": "1..2", "Z": "2 * L + 1", "R": "U * V + Z + 2 * L * H * D + 2 * L * K * D + 3 * L * F", "N": "50"},
    work={"R * E": 2**18},
    table="float[U, V, E] in [-1, 1]",
    norm="float[Z, E] in [0.9, 1.1]",
    wqo="float[L, 2, H, D, E] in [-0.1, 0.1]",
    wkv="float[L, 2, K, D, E] in [-0.1, 0.1]",
    wmlp="float[L, 3, F, E] in [-0.1, 0.1]",
    x="i64[A, B, S] in [0, V)",
    y="i64[A, B, S] in [0, V) or {ignore}",
    base="real in {100, 10000}",
    eps="real in [0.00001, 0.001]",
    ignore="int in {-100}",
    first="int in [0, 1000000]",
    like="i64[N, A, B, S] in [0, 1]",
)
library_text_inputs = cases(
    dims={"A": "1", "B": "1", "S": "8", "V": "256", "E": "8", "K": "1", "G": "2", "H": "G * K", "C": "2", "D": "2 * C", "F": "12", "L": "2", "U": "2", "Z": "2 * L + 1", "R": "U * V + Z + 2 * L * H * D + 2 * L * K * D + 3 * L * F", "N": "50"},
    work={"1 * A * B * S": 2**18, "U * V * E": 2**18, "E * Z": 2**18, "E * L * 2 * H * D": 2**18, "E * L * 2 * D * K": 2**18, "E * L * 3 * F": 2**18},
    first="int in [0, 1000000]",
    like="i64[N, A, B, S] in [0, 1]",
    w="float[R, E] in [-0.3, -0.05] or [0.05, 0.3]",
)
ls_free_tied_inputs = cases(
    dims={"A": "1", "B": "1", "S": "8", "V": "256", "E": "8", "K": "1", "G": "2", "H": "G * K", "C": "2", "D": "2 * C", "F": "12", "L": "2", "U": "1", "Z": "2 * L + 1", "R": "U * V + Z + 2 * L * H * D + 2 * L * K * D + 3 * L * F", "N": "20"},
    work={"1 * A * B * S": 2**18, "U * V * E": 2**18, "E * Z": 2**18, "E * L * 2 * H * D": 2**18, "E * L * 2 * D * K": 2**18, "E * L * 3 * F": 2**18},
    first="int in [0, 1000000]",
    like="i64[N, A, B, S] in [0, 1]",
    w="float[R, E] in [-0.3, -0.05] or [0.05, 0.3]",
)
ls_residual_inputs = cases(
    dims={"B": "1..2", "S": "1..4", "E": "2..4", "K": "1..2", "G": "1..2", "H": "G * K", "C": "1..2", "D": "2 * C", "F": "1..3", "L": "2", "Z": "2 * L + 1"},
    x="float[B, S, E] in [-2, 2]",
    norm="float[Z, E] in [0.5, 1.5]",
    wqo="float[L, 2, H, D, E] in [-0.1, 0.1]",
    wkv="float[L, 2, K, D, E] in [-0.1, 0.1]",
    wmlp="float[L, 3, F, E] in [-0.1, 0.1]",
    layer="int in [0, L)",
    base="real in {100, 10000}",
    eps="real in [0.00001, 0.001]",
    g="float[B, S, E] in [-2, 2]",
)
ls_all_inputs = cases(
    dims={"V": "3..6", "E": "2..4", "K": "1..2", "G": "1..2", "H": "G * K", "C": "1..2", "D": "2 * C", "F": "1..3", "L": "2", "U": "1..2", "Z": "2 * L + 1", "R": "U * V + Z + 2 * L * H * D + 2 * L * K * D + 3 * L * F"},
    work={"R * E": 2**15, "U * V * E * Z": 2**18, "E * L * 2 * H * D * K": 2**18, "E * R": 2**18},
    table="float[U, V, E] in [-1, 1]",
    norm="float[Z, E] in [0.5, 1.5]",
    wqo="float[L, 2, H, D, E] in [-0.1, 0.1]",
    wkv="float[L, 2, K, D, E] in [-0.1, 0.1]",
    wmlp="float[L, 3, F, E] in [-0.1, 0.1]",
)
ls_reach_inputs = cases(
    dims={"A": "1", "B": "1", "S": "3..4", "V": "5..6", "E": "2..4", "K": "1..2", "G": "1..2", "H": "G * K", "C": "1..2", "D": "2 * C", "F": "1..3", "L": "2", "U": "2", "Z": "2 * L + 1"},
    such_that=supposing(supposed_1),
    work={"A * B * S * U * V * E * Z * L * 2 * H * D * K * 3 * F": 2**18},
    table="float[U, V, E] in [-1, 1]",
    norm="float[Z, E] in [0.5, 1.5]",
    wqo="float[L, 2, H, D, E] in [-0.1, 0.1]",
    wkv="float[L, 2, K, D, E] in [-0.1, 0.1]",
    wmlp="float[L, 3, F, E] in [-0.1, 0.1]",
    x="i64[A, B, S] in [0, V - 1)",
    y="i64[A, B, S] in [0, V)",
    base="real in {100, 10000}",
    eps="real in [0.00001, 0.001]",
    ignore="int in {-100, -1}",
    seed="int in [0, 1000000]",
)
ls_causal_inputs = cases(
    dims={"B": "1..2", "S": "3..4", "V": "5..6", "E": "2..4", "K": "1..2", "G": "2", "H": "G * K", "C": "1..2", "D": "2 * C", "F": "1..3", "L": "2", "U": "1..2", "Z": "2 * L + 1"},
    work={"B * S * V": 2**15, "B * S * B * S": 2**18},
    table="float[U, V, E] in [-1, 1]",
    norm="float[Z, E] in [0.5, 1.5]",
    wqo="float[L, 2, H, D, E] in [-0.1, 0.1]",
    wkv="float[L, 2, K, D, E] in [-0.1, 0.1]",
    wmlp="float[L, 3, F, E] in [-0.1, 0.1]",
    x="i64[B, S] in [0, V)",
    base="real in {100, 10000}",
    eps="real in [0.00001, 0.001]",
    other_x="i64[B, S] in [0, V)",
)
ls_accumulate_inputs = cases(
    dims={"A": "2..3", "B": "1..1", "S": "1..4", "V": "3..6", "E": "2..4", "K": "1..2", "G": "1..2", "H": "G * K", "C": "1..2", "D": "2 * C", "F": "1..3", "L": "2", "U": "1..2", "Z": "2 * L + 1", "M": "A * B"},
    work={"1 * M * S": 2**18},
    table="float[U, V, E] in [-1, 1]",
    norm="float[Z, E] in [0.5, 1.5]",
    wqo="float[L, 2, H, D, E] in [-0.1, 0.1]",
    wkv="float[L, 2, K, D, E] in [-0.1, 0.1]",
    wmlp="float[L, 3, F, E] in [-0.1, 0.1]",
    x="i64[A, B, S] in [0, V)",
    y="i64[A, B, S] in [0, V) or {ignore}",
    base="real in {100, 10000}",
    eps="real in [0.00001, 0.001]",
    ignore="int in {-100, -1}",
)
ls_one_inputs = cases(
    dims={"A": "1..1", "B": "1..1", "S": "1..1", "V": "3..6", "E": "2..4", "K": "1..2", "G": "1..2", "H": "G * K", "C": "1..2", "D": "2 * C", "F": "1..3", "L": "2", "U": "1..2", "Z": "2 * L + 1"},
    table="float[U, V, E] in [-1, 1]",
    norm="float[Z, E] in [0.5, 1.5]",
    wqo="float[L, 2, H, D, E] in [-0.1, 0.1]",
    wkv="float[L, 2, K, D, E] in [-0.1, 0.1]",
    wmlp="float[L, 3, F, E] in [-0.1, 0.1]",
    x="i64[A, B, S] in [0, V)",
    y="i64[A, B, S] in [0, V) or {ignore}",
    base="real in {100, 10000}",
    eps="real in [0.00001, 0.001]",
    ignore="int in {-100, -1}",
)
train_inputs = cases(
    dims={"A": "1..2", "B": "1..1", "S": "1..4", "V": "3..6", "E": "2..4", "K": "1..2", "G": "1..2", "H": "G * K", "C": "1..2", "D": "2 * C", "F": "1..3", "L": "2", "U": "1..2", "Z": "2 * L + 1", "R": "U * V + Z + 2 * L * H * D + 2 * L * K * D + 3 * L * F", "N": "2"},
    work={"R * E": 2**18},
    table="float[U, V, E] in [-1, 1]",
    norm="float[Z, E] in [0.5, 1.5]",
    wqo="float[L, 2, H, D, E] in [-0.1, 0.1]",
    wkv="float[L, 2, K, D, E] in [-0.1, 0.1]",
    wmlp="float[L, 3, F, E] in [-0.1, 0.1]",
    x="i64[N, A, B, S] in [0, V)",
    y="i64[N, A, B, S] in [0, V)",
    warmup="int in [0, total // 2]",
    total="int in [2, 100]",
    peak="real in [0.001, 0.1]",
    lowest="real in [0, 0.001]",
    beta1="real in [0.5, 0.95]",
    beta2="real in [0.5, 0.999]",
    adam_eps="real in [1e-8, 0.001]",
    weight_decay="real in [0.01, 0.5]",
    max_norm="real in [0.05, 5] or {inf}",
    base="real in {100, 10000}",
    eps="real in [0.00001, 0.001]",
    ignore="int in {-100}",
)
ls_resume_inputs = cases(
    dims={"A": "1..1", "B": "1..1", "S": "1..4", "V": "3..6", "E": "2..4", "K": "1..2", "G": "1..2", "H": "G * K", "C": "1..2", "D": "2 * C", "F": "1..3", "L": "2", "U": "1..2", "Z": "2 * L + 1", "N": "P + Q", "P": "1..2", "Q": "1..1"},
    work={"P * A * B * S": 2**18, "A * B * S * Q": 2**18},
    table="float[U, V, E] in [-1, 1]",
    norm="float[Z, E] in [0.5, 1.5]",
    wqo="float[L, 2, H, D, E] in [-0.1, 0.1]",
    wkv="float[L, 2, K, D, E] in [-0.1, 0.1]",
    wmlp="float[L, 3, F, E] in [-0.1, 0.1]",
    x="i64[N, A, B, S] in [0, V)",
    y="i64[N, A, B, S] in [0, V)",
    warmup="int in [0, total // 2]",
    total="int in [2, 100]",
    peak="real in [0.001, 0.1]",
    lowest="real in [0, 0.001]",
    beta1="real in [0.5, 0.95]",
    beta2="real in [0.5, 0.999]",
    adam_eps="real in [1e-8, 0.001]",
    weight_decay="real in [0.01, 0.5]",
    max_norm="real in [0.05, 5] or {inf}",
    base="real in {100, 10000}",
    eps="real in [0.00001, 0.001]",
    ignore="int in {-100}",
)
ls_seed_inputs = cases(
    dims={"A": "1..1", "B": "1..1", "S": "1..4", "V": "3..6", "E": "2..4", "K": "1..2", "G": "1..2", "H": "G * K", "C": "1..2", "D": "2 * C", "F": "1..3", "L": "2", "U": "1..2", "Z": "2 * L + 1", "N": "1..1"},
    table="float[U, V, E] in [-1, 1]",
    norm="float[Z, E] in [0.5, 1.5]",
    wqo="float[L, 2, H, D, E] in [-0.1, 0.1]",
    wkv="float[L, 2, K, D, E] in [-0.1, 0.1]",
    wmlp="float[L, 3, F, E] in [-0.1, 0.1]",
    x="i64[N, A, B, S] in [0, V)",
    y="i64[N, A, B, S] in [0, V)",
    warmup="int in [0, total // 2]",
    total="int in [2, 100]",
    peak="real in [0.001, 0.1]",
    lowest="real in [0, 0.001]",
    beta1="real in [0.5, 0.95]",
    beta2="real in [0.5, 0.999]",
    adam_eps="real in [1e-8, 0.001]",
    weight_decay="real in [0.01, 0.5]",
    max_norm="real in [0.05, 5] or {inf}",
    base="real in {100, 10000}",
    eps="real in [0.00001, 0.001]",
    ignore="int in {-100}",
    seed="int in [0, 1000000]",
)
initial_inputs = cases(
    dims={"V": "3..6", "E": "2..4", "K": "1..2", "G": "1..2", "H": "G * K", "C": "1..2", "D": "2 * C", "F": "1..3", "L": "2", "U": "1..2", "Z": "2 * L + 1"},
    seed="int in [0, 1000000]",
    table="float[U, V, E]",
    norm="float[Z, E]",
    wqo="float[L, 2, H, D, E]",
    wkv="float[L, 2, K, D, E]",
    wmlp="float[L, 3, F, E]",
)
ls_normal_inputs = cases(
    dims={"V": "256", "E": "32", "K": "4", "G": "1", "H": "G * K", "C": "16", "D": "2 * C", "F": "86", "L": "2", "U": "2", "Z": "2 * L + 1"},
    elements=65827,
    seed="int in [0, 1000000]",
    table="float[U, V, E]",
    norm="float[Z, E]",
    wqo="float[L, 2, H, D, E]",
    wkv="float[L, 2, K, D, E]",
    wmlp="float[L, 3, F, E]",
    t="real in {-2, -1.5, -1, -0.5, 0, 0.5, 1, 1.5, 2}",
    which="int in [0, 3]",
)
ls_layers_apart_inputs = cases(
    dims={"V": "256", "E": "32", "K": "4", "G": "1", "H": "G * K", "C": "16", "D": "2 * C", "F": "86", "L": "2", "U": "2", "Z": "2 * L + 1"},
    elements=65826,
    seed="int in [0, 1000000]",
    table="float[U, V, E]",
    norm="float[Z, E]",
    wqo="float[L, 2, H, D, E]",
    wkv="float[L, 2, K, D, E]",
    wmlp="float[L, 3, F, E]",
    which="int in [0, 3]",
)
ls_fresh_inputs = cases(
    dims={"A": "1", "B": "8", "S": "256", "V": "256", "E": "64", "K": "1", "G": "1", "H": "G * K", "C": "1", "D": "2 * C", "F": "1", "L": "2", "U": "2", "Z": "2 * L + 1", "N": "1"},
    work={"N * A * B * S": 2**18},
    elements=35009,
    seed="int in [0, 1000000]",
    table="float[U, V, E]",
    norm="float[Z, E]",
    wqo="float[L, 2, H, D, E]",
    wkv="float[L, 2, K, D, E]",
    wmlp="float[L, 3, F, E]",
    first="permutation[V]",
    second="permutation[V]",
)
save_inputs = cases(
    dims={"V": "3..6", "E": "2..4", "K": "1..2", "G": "1..2", "H": "G * K", "C": "1..2", "D": "2 * C", "F": "1..3", "L": "2", "U": "1..2", "Z": "2 * L + 1", "R": "U * V + Z + 2 * L * H * D + 2 * L * K * D + 3 * L * F"},
    table="float[U, V, E]",
    norm="float[Z, E]",
    wqo="float[L, 2, H, D, E]",
    wkv="float[L, 2, K, D, E]",
    wmlp="float[L, 3, F, E]",
    m="accum[R, E] in [-1, 1]",
    v="accum[R, E] in [0, 1]",
    done="int in [0, 100000]",
)
ls_nan_inputs = cases(
    dims={"A": "1..1", "B": "1..1", "S": "1..4", "V": "3..6", "E": "2..4", "K": "1..2", "G": "1..2", "H": "G * K", "C": "1..2", "D": "2 * C", "F": "1..3", "L": "2", "U": "1..2", "Z": "2 * L + 1", "R": "U * V + Z + 2 * L * H * D + 2 * L * K * D + 3 * L * F"},
    table="float[U, V, E] in [-1, 1]",
    norm="float[Z, E] in [0.5, 1.5]",
    wqo="float[L, 2, H, D, E] in [-0.1, 0.1]",
    wkv="float[L, 2, K, D, E] in [-0.1, 0.1]",
    wmlp="float[L, 3, F, E] in [-0.1, 0.1]",
    m="accum[R, E] in [-1, 1]",
    v="accum[R, E] in [0, 1]",
    x="i64[A, B, S] in [0, V)",
    y="i64[A, B, S] in [0, V)",
    done="int in [0, total]",
    warmup="int in [0, total // 2]",
    total="int in [2, 100]",
    peak="real in [0.001, 0.1]",
    lowest="real in [0, 0.001]",
    beta1="real in [0.5, 0.95]",
    beta2="real in [0.5, 0.999]",
    adam_eps="real in [1e-8, 0.001]",
    weight_decay="real in [0.01, 0.5]",
    max_norm="real in [0.05, 5] or {inf}",
    base="real in {100, 10000}",
    eps="real in [0.00001, 0.001]",
    ignore="int in {-100, -1}",
    bad="real in {nan, inf}",
    place="int in [0, E - 1]",
)
ls_stop_inputs = cases(
    dims={"A": "1..1", "B": "1..1", "S": "1..4", "V": "3..6", "E": "2..4", "K": "1..2", "G": "1..2", "H": "G * K", "C": "1..2", "D": "2 * C", "F": "1..3", "L": "2", "U": "1..2", "Z": "2 * L + 1", "N": "1..3"},
    table="float[U, V, E] in [-1, 1]",
    norm="float[Z, E] in [0.5, 1.5]",
    wqo="float[L, 2, H, D, E] in [-0.1, 0.1]",
    wkv="float[L, 2, K, D, E] in [-0.1, 0.1]",
    wmlp="float[L, 3, F, E] in [-0.1, 0.1]",
    x="i64[N, A, B, S] in [0, V)",
    y="i64[N, A, B, S] in [0, V)",
    warmup="int in [0, total // 2]",
    total="int in [2, 100]",
    peak="real in [0.001, 0.1]",
    lowest="real in [0, 0.001]",
    beta1="real in [0.5, 0.95]",
    beta2="real in [0.5, 0.999]",
    adam_eps="real in [1e-8, 0.001]",
    weight_decay="real in [0.01, 0.5]",
    max_norm="real in [0.05, 5] or {inf}",
    base="real in {100, 10000}",
    eps="real in [0.00001, 0.001]",
    ignore="int in {-100}",
    bad="real in {nan, inf}",
)
ls_windows_inputs = cases(
    dims={"A": "1..2", "B": "1..2", "S": "2..9", "N": "2..4"},
    first="int in [0, 1000000]",
    like="i64[N, A, B, S] in [0, 1]",
)
ls_heads_inputs = cases(
    dims={"B": "1", "S": "4", "V": "4", "E": "3", "K": "2", "G": "2", "H": "G * K", "C": "2", "D": "2 * C", "F": "1", "L": "2", "U": "1..2", "Z": "2 * L + 1"},
    work={"B * S * V": 2**15},
    table="float[U, V, E] in [-1, 1]",
    norm="float[Z, E] in [0.5, 1.5]",
    wqo="float[L, 2, H, D, E] in [-1, 1]",
    wkv="float[L, 2, K, D, E] in [-1, 1]",
    wmlp="float[L, 3, F, E] in [-0.1, 0.1]",
    x="i64[B, S] in [0, V)",
    base="real in {100, 10000}",
    eps="real in [0.00001, 0.001]",
)
ls_heads_gradients_inputs = cases(
    dims={"A": "1", "B": "1", "S": "4", "V": "4", "E": "3", "K": "2", "G": "2", "H": "G * K", "C": "2", "D": "2 * C", "F": "1", "L": "2", "U": "1..2", "Z": "2 * L + 1"},
    table="float[U, V, E] in [-1, 1]",
    norm="float[Z, E] in [0.5, 1.5]",
    wqo="float[L, 2, H, D, E] in [-1, 1]",
    wkv="float[L, 2, K, D, E] in [-1, 1]",
    wmlp="float[L, 3, F, E] in [-0.1, 0.1]",
    x="i64[A, B, S] in [0, V)",
    y="i64[A, B, S] in [0, V) or {ignore}",
    base="real in {100, 10000}",
    eps="real in [0.00001, 0.001]",
    ignore="int in {-100, -1}",
)
ls_heads_step_inputs = cases(
    dims={"A": "1", "B": "1", "S": "4", "V": "4", "E": "3", "K": "2", "G": "2", "H": "G * K", "C": "2", "D": "2 * C", "F": "1", "L": "2", "U": "1..2", "Z": "2 * L + 1", "R": "U * V + Z + 2 * L * H * D + 2 * L * K * D + 3 * L * F"},
    table="float[U, V, E] in [-1, 1]",
    norm="float[Z, E] in [0.5, 1.5]",
    wqo="float[L, 2, H, D, E] in [-1, 1]",
    wkv="float[L, 2, K, D, E] in [-1, 1]",
    wmlp="float[L, 3, F, E] in [-0.1, 0.1]",
    m="accum[R, E] in [-1, 1]",
    v="accum[R, E] in [0, 1]",
    x="i64[A, B, S] in [0, V)",
    y="i64[A, B, S] in [0, V)",
    done="int in [0, total]",
    warmup="int in [0, total // 2]",
    total="int in [2, 100]",
    peak="real in [0.001, 0.1]",
    lowest="real in [0, 0.001]",
    beta1="real in [0.5, 0.95]",
    beta2="real in [0.5, 0.999]",
    adam_eps="real in [1e-8, 0.001]",
    weight_decay="real in [0.01, 0.5]",
    max_norm="real in {inf}",
    base="real in {100, 10000}",
    eps="real in [0.00001, 0.001]",
    ignore="int in {-100, -1}",
)
ls_belong_inputs = cases(
    dims={"A": "1..1", "B": "1..1", "S": "1..4", "V": "3..6", "E": "2..4", "K": "1..2", "G": "1..2", "H": "G * K", "C": "1..2", "D": "2 * C", "F": "1..3", "L": "2", "U": "1..2", "Z": "2 * L + 1", "Y": "1..9"},
    assume=("Y != Z",),
    work={"B * S * V": 2**15},
    table="float[U, V, E] in [-1, 1]",
    norm="float[Z, E] in [0.5, 1.5]",
    wqo="float[L, 2, H, D, E] in [-0.1, 0.1]",
    wkv="float[L, 2, K, D, E] in [-0.1, 0.1]",
    wmlp="float[L, 3, F, E] in [-0.1, 0.1]",
    x="i64[B, S] in [0, V)",
    base="real in {100, 10000}",
    eps="real in [0.00001, 0.001]",
    other="float[Y, E] in [0.5, 1.5]",
)
ls_belong_loss_inputs = cases(
    dims={"A": "1..1", "B": "1..1", "S": "1..4", "V": "3..6", "E": "2..4", "K": "1..2", "G": "1..2", "H": "G * K", "C": "1..2", "D": "2 * C", "F": "1..3", "L": "2", "U": "1..2", "Z": "2 * L + 1", "W": "1..6"},
    assume=("W != E",),
    table="float[U, V, E] in [-1, 1]",
    norm="float[Z, E] in [0.5, 1.5]",
    wqo="float[L, 2, H, D, E] in [-0.1, 0.1]",
    wkv="float[L, 2, K, D, E] in [-0.1, 0.1]",
    wmlp="float[L, 3, F, E] in [-0.1, 0.1]",
    x="i64[A, B, S] in [0, V)",
    y="i64[A, B, S] in [0, V) or {ignore}",
    base="real in {100, 10000}",
    eps="real in [0.00001, 0.001]",
    ignore="int in {-100, -1}",
    other="float[L, 2, K, D, W] in [-0.1, 0.1]",
)
ls_belong_gradients_inputs = cases(
    dims={"A": "1..1", "B": "1..1", "S": "1..4", "V": "3..6", "E": "2..4", "K": "1..2", "G": "1..2", "H": "G * K", "C": "1..2", "D": "2 * C", "F": "1..3", "L": "2", "U": "1..2", "Z": "2 * L + 1", "M": "1..4"},
    assume=("M != L",),
    table="float[U, V, E] in [-1, 1]",
    norm="float[Z, E] in [0.5, 1.5]",
    wqo="float[L, 2, H, D, E] in [-0.1, 0.1]",
    wkv="float[L, 2, K, D, E] in [-0.1, 0.1]",
    wmlp="float[L, 3, F, E] in [-0.1, 0.1]",
    x="i64[A, B, S] in [0, V)",
    y="i64[A, B, S] in [0, V) or {ignore}",
    base="real in {100, 10000}",
    eps="real in [0.00001, 0.001]",
    ignore="int in {-100, -1}",
    other="float[M, 3, F, E] in [-0.1, 0.1]",
)
ls_tables_inputs = cases(
    dims={"A": "1..1", "B": "1..1", "S": "1..4", "V": "3..6", "E": "2..4", "K": "1..2", "G": "1..2", "H": "G * K", "C": "1..2", "D": "2 * C", "F": "1..3", "L": "2", "U": "1..2", "Z": "2 * L + 1", "W": "3..4"},
    work={"B * S * V": 2**15},
    table="float[U, V, E] in [-1, 1]",
    norm="float[Z, E] in [0.5, 1.5]",
    wqo="float[L, 2, H, D, E] in [-0.1, 0.1]",
    wkv="float[L, 2, K, D, E] in [-0.1, 0.1]",
    wmlp="float[L, 3, F, E] in [-0.1, 0.1]",
    x="i64[B, S] in [0, V)",
    base="real in {100, 10000}",
    eps="real in [0.00001, 0.001]",
    other="float[W, V, E] in [-1, 1]",
)
ls_pairs_inputs = cases(
    dims={"A": "1..1", "B": "1..2", "S": "1..4", "V": "3..6", "E": "2..4", "K": "1..2", "G": "1..2", "H": "G * K", "C": "1..2", "D": "2 * C", "F": "1..3", "L": "2", "U": "1..2", "Z": "2 * L + 1", "O": "1..5"},
    assume=("O != S",),
    table="float[U, V, E] in [-1, 1]",
    norm="float[Z, E] in [0.5, 1.5]",
    wqo="float[L, 2, H, D, E] in [-0.1, 0.1]",
    wkv="float[L, 2, K, D, E] in [-0.1, 0.1]",
    wmlp="float[L, 3, F, E] in [-0.1, 0.1]",
    x="i64[A, B, S] in [0, V)",
    y="i64[A, B, S] in [0, V) or {ignore}",
    base="real in {100, 10000}",
    eps="real in [0.00001, 0.001]",
    ignore="int in {-100, -1}",
    other="i64[A, B, O] in [0, V)",
)


@obligation("LS-DEF-BLOCK", equation="block", type="definition", cost=5)
@given(case=block_inputs)
def test_ls_def_block(kernel, case):
    """A layer computes its definition."""
    x, norm, wqo, wkv, wmlp, layer, base, eps = kernel.receives(case, "x norm wqo wkv wmlp layer base eps")
    y = kernel.block(x, norm, wqo, wkv, wmlp, layer, base, eps)
    expected_y = spec.block(x, norm, wqo, wkv, wmlp, layer, base, eps)
    claim(approx(y, expected_y))


@obligation("LS-DEF-BLOCK_BACKWARD", equation="block_backward", type="definition", cost=8)
@given(case=block_backward_inputs)
def test_ls_def_block_backward(kernel, case):
    """The backward pass of a layer computes its definition."""
    g, x, norm, wqo, wkv, wmlp, layer, base, eps = kernel.receives(case, "g x norm wqo wkv wmlp layer base eps")
    dx, dnorm, dwqo, dwkv, dwmlp = kernel.block_backward(g, x, norm, wqo, wkv, wmlp, layer, base, eps)
    expected_dx, expected_dnorm, expected_dwqo, expected_dwkv, expected_dwmlp = spec.block_backward(g, x, norm, wqo, wkv, wmlp, layer, base, eps)
    claim(approx(dx, expected_dx))
    claim(approx(dnorm, expected_dnorm))
    claim(approx(dwqo, expected_dwqo))
    claim(approx(dwkv, expected_dwkv))
    claim(approx(dwmlp, expected_dwmlp))


@obligation("LS-DEF-LOGITS", equation="logits", type="definition", cost=8)
@given(case=logits_inputs)
def test_ls_def_logits(kernel, case):
    """The logits are those of the definition."""
    table, norm, wqo, wkv, wmlp, x, base, eps = kernel.receives(case, "table norm wqo wkv wmlp x base eps")
    z = kernel.logits(table, norm, wqo, wkv, wmlp, x, base, eps)
    expected_z = spec.logits(table, norm, wqo, wkv, wmlp, x, base, eps)
    claim(approx(z, expected_z))


@obligation("LS-DEF-LOSS", equation="loss", type="definition", cost=8)
@given(case=loss_inputs)
def test_ls_def_loss(kernel, case):
    """The loss is that of the definition."""
    table, norm, wqo, wkv, wmlp, x, y, base, eps, ignore = kernel.receives(case, "table norm wqo wkv wmlp x y base eps ignore")
    loss = kernel.loss(table, norm, wqo, wkv, wmlp, x, y, base, eps, ignore)
    expected_loss = spec.loss(table, norm, wqo, wkv, wmlp, x, y, base, eps, ignore)
    claim(approx(loss, expected_loss))


@obligation("LS-DEF-GRADIENTS", equation="gradients", type="definition", cost=8)
@given(case=loss_inputs)
def test_ls_def_gradients(kernel, case):
    """Loss and every gradient agree with the definition, element by element."""
    table, norm, wqo, wkv, wmlp, x, y, base, eps, ignore = kernel.receives(case, "table norm wqo wkv wmlp x y base eps ignore")
    loss, dtable, dnorm, dwqo, dwkv, dwmlp = kernel.gradients(table, norm, wqo, wkv, wmlp, x, y, base, eps, ignore)
    expected_loss, expected_dtable, expected_dnorm, expected_dwqo, expected_dwkv, expected_dwmlp = spec.gradients(table, norm, wqo, wkv, wmlp, x, y, base, eps, ignore)
    claim(approx(loss, expected_loss))
    claim(approx(dtable, expected_dtable))
    claim(approx(dnorm, expected_dnorm))
    claim(approx(dwqo, expected_dwqo))
    claim(approx(dwkv, expected_dwkv))
    claim(approx(dwmlp, expected_dwmlp))


@obligation("LS-DEF-ROWS", equation="rows", type="definition")
@given(case=rows_inputs)
def test_ls_def_rows(kernel, case):
    """The flat buffer holds every weight once, in order."""
    table, norm, wqo, wkv, wmlp = kernel.receives(case, "table norm wqo wkv wmlp")
    p = kernel.rows(table, norm, wqo, wkv, wmlp)
    expected_p = spec.rows(table, norm, wqo, wkv, wmlp)
    claim(approx(p, expected_p))


@obligation("LS-DEF-TRAIN_STEP", equation="train_step", type="definition", cost=8)
@given(case=train_step_inputs)
def test_ls_def_train_step(kernel, case):
    """The step agrees with the definition: rate, clip, moments, decay."""
    table, norm, wqo, wkv, wmlp, m, v, x, y, done, warmup, total, peak, lowest, beta1, beta2, adam_eps, weight_decay, max_norm, base, eps, ignore = kernel.receives(case, "table norm wqo wkv wmlp m v x y done warmup total peak lowest beta1 beta2 adam_eps weight_decay max_norm base eps ignore")
    table2, norm2, wqo2, wkv2, wmlp2, m2, v2, loss, size = kernel.train_step(table, norm, wqo, wkv, wmlp, m, v, x, y, done, warmup, total, peak, lowest, beta1, beta2, adam_eps, weight_decay, max_norm, base, eps, ignore)
    expected_table2, expected_norm2, expected_wqo2, expected_wkv2, expected_wmlp2, expected_m2, expected_v2, expected_loss, expected_size = spec.train_step(table, norm, wqo, wkv, wmlp, m, v, x, y, done, warmup, total, peak, lowest, beta1, beta2, adam_eps, weight_decay, max_norm, base, eps, ignore)
    claim(approx(table2, expected_table2))
    claim(approx(norm2, expected_norm2))
    claim(approx(wqo2, expected_wqo2))
    claim(approx(wkv2, expected_wkv2))
    claim(approx(wmlp2, expected_wmlp2))
    claim(approx(m2, expected_m2))
    claim(approx(v2, expected_v2))
    claim(approx(loss, expected_loss))
    claim(approx(size, expected_size))


@obligation("LS-GRAD", equation="gradients", type="gradient", cost=8)
@given(case=loss_inputs)
def test_ls_grad(kernel, case):
    """Every gradient is that of the loss, by automatic differentiation of the forward definition."""
    table, norm, wqo, wkv, wmlp, x, y, base, eps, ignore = kernel.receives(case, "table norm wqo wkv wmlp x y base eps ignore")
    _, dtable, dnorm, dwqo, dwkv, dwmlp = kernel.gradients(table, norm, wqo, wkv, wmlp, x, y, base, eps, ignore)
    expected_dtable, expected_dnorm, expected_dwqo, expected_dwkv, expected_dwmlp = gradient(
        spec,
        "loss",
        {"table": table, "norm": norm, "wqo": wqo, "wkv": wkv, "wmlp": wmlp, "x": x, "y": y, "base": base, "eps": eps, "ignore": ignore},
        wrt="table norm wqo wkv wmlp",
        cotangents=(1,),
    )
    claim(approx(dtable, expected_dtable))
    claim(approx(dnorm, expected_dnorm))
    claim(approx(dwqo, expected_dwqo))
    claim(approx(dwkv, expected_dwkv))
    claim(approx(dwmlp, expected_dwmlp))


class LsTextRun(Steps):
    """On real text, in each of the fifty states of a run of the definition, loss and every gradient agree with the
    definition, element by element."""

    @initialize(case=gradients_inputs)
    def begin(self, case):
        kernel = self.kernel
        table, norm, wqo, wkv, wmlp, first, like = self.receives(case, "table norm wqo wkv wmlp first like")
        E, R = case.E, case.R
        r, e = grid(R, E)
        tokens, targets = kernel.library_text(first, like)
        zero = array[r, e](0.0)
        self.holds(tokens=tokens, targets=targets, n=0, t0=table, t1=norm, t2=wqo, t3=wkv, t4=wmlp, mk=zero, vk=zero)

    @rule(draw=drawing())
    def step(self, draw):
        kernel = self.kernel
        base, eps, ignore = self.receives(draw, "base eps ignore")
        n, t0, t1, t2, t3, t4, mk, vk, tokens, targets = self.held("n t0 t1 t2 t3 t4 mk vk tokens targets")
        A, B, S, N = self.case.A, self.case.B, self.case.S, self.case.N
        a, b, s = grid(A, B, S)
        now = array[a, b, s](tokens[clip(n, 0, N - 1), a, b, s])
        then = array[a, b, s](targets[clip(n, 0, N - 1), a, b, s])
        found, d0, d1, d2, d3, d4 = kernel.gradients(t0, t1, t2, t3, t4, now, then, base, eps, ignore)
        expected, e0, e1, e2, e3, e4 = spec.gradients(t0, t1, t2, t3, t4, now, then, base, eps, ignore)
        next_t0, next_t1, next_t2, next_t3, next_t4, next_mk, next_vk, _, _ = spec.train_step(t0, t1, t2, t3, t4, mk, vk, now, then, n, 5, 50, 0.02, 0.001, 0.9, 0.95, 1e-08, 0.1, 1.0, base, eps, ignore)
        next_n = n + 1
        claim(approx(found, expected))
        claim(approx(d0, e0))
        claim(approx(d1, e1))
        claim(approx(d2, e2))
        claim(approx(d3, e3))
        claim(approx(d4, e4))
        self.holds(n=next_n, t0=next_t0, t1=next_t1, t2=next_t2, t3=next_t3, t4=next_t4, mk=next_mk, vk=next_vk)


@obligation("LS-TEXT", equation="gradients", type="protocol", cost=25)
def test_ls_text(kernel):
    """On real text, in each of the fifty states of a run of the definition, loss and every gradient agree with the
    definition, element by element."""
    run_steps(LsTextRun, gradients_inputs, kernel, steps=50)


class LsFreeRun(Steps):
    """Left to themselves for 50 steps on real text, with a checkpoint between one step and the next, the losses stay
    within 0.001 of the definition's, are finite, and fall."""

    @initialize(case=library_text_inputs)
    def begin(self, case):
        kernel = self.kernel
        first, like, w = self.receives(case, "first like w")
        A, B, S, V, E, K, H, D, F, L, U, Z, R = case.A, case.B, case.S, case.V, case.E, case.K, case.H, case.D, case.F, case.L, case.U, case.Z, case.R
        i, a, b, s, u, v, e, z, l, j, h, d, c, k, f, r = grid(1, A, B, S, U, V, E, Z, L, 2, H, D, K, 3, F, R)
        tokens, targets = kernel.library_text(first, like)
        x0 = array[i, a, b, s](tokens[i + 0, a, b, s])
        y0 = array[i, a, b, s](targets[i + 0, a, b, s])
        x1 = array[a, b, s](tokens[0, a, b, s])
        y1 = array[a, b, s](targets[0, a, b, s])
        i0 = array[u, v, e](w[u * V + v, e])
        i1 = array[z, e](1.0)
        i2 = array[l, j, h, d, e](w[U * V + Z + ((l * 2 + j) * H + h) * D + d, e])
        i3 = array[l, j, c, d, e](w[U * V + Z + 2 * L * H * D + ((l * 2 + j) * K + c) * D + d, e])
        i4 = array[l, k, f, e](w[U * V + Z + 2 * L * H * D + 2 * L * K * D + (l * 3 + k) * F + f, e])
        zero = array[r, e](0.0)
        start, opened = kernel.train(i0, i1, i2, i3, i4, x0, y0, 5, 50, 0.01, 0.001, 0.9, 0.95, 1e-08, 0.1, 1, 10000, 1e-05, -100)
        u0, u1, u2, u3, u4, um, uv, expected0, _ = spec.train_step(i0, i1, i2, i3, i4, zero, zero, x1, y1, 0, 5, 50, 0.01, 0.001, 0.9, 0.95, 1e-08, 0.1, 1, 10000, 1e-05, -100)
        gap = single(abs(start[0] - expected0))
        opening = single(start[0] + 0.0)
        self.holds(
            tokens=tokens,
            targets=targets,
            gap=gap,
            n=1,
            file=opened,
            early=opening,
            late=0.0,
            t0=u0,
            t1=u1,
            t2=u2,
            t3=u3,
            t4=u4,
            mk=um,
            vk=uv,
        )

    @rule(draw=drawing())
    def step(self, draw):
        kernel = self.kernel
        n, file, early, late, t0, t1, t2, t3, t4, mk, vk, tokens, targets, gap = self.held("n file early late t0 t1 t2 t3 t4 mk vk tokens targets gap")
        A, B, S, N = self.case.A, self.case.B, self.case.S, self.case.N
        i, a, b, s = grid(1, A, B, S)
        at = single(clip(n, 0, N - 1))
        now = array[i, a, b, s](tokens[at, a, b, s])
        then = array[i, a, b, s](targets[at, a, b, s])
        losses, next_file = kernel.resume(file, now, then, 5, 50, 0.01, 0.001, 0.9, 0.95, 1e-08, 0.1, 1, 10000, 1e-05, -100)
        now1 = array[a, b, s](tokens[at, a, b, s])
        then1 = array[a, b, s](targets[at, a, b, s])
        next_t0, next_t1, next_t2, next_t3, next_t4, next_mk, next_vk, expected, _ = spec.train_step(t0, t1, t2, t3, t4, mk, vk, now1, then1, n, 5, 50, 0.01, 0.001, 0.9, 0.95, 1e-08, 0.1, 1, 10000, 1e-05, -100)
        found = single(losses[0])
        next_early = single(early + where(n < 10, found, 0))
        next_late = single(late + where(n >= 40, found, 0))
        next_n = n + 1
        claim(isfinite(found))
        claim(abs(found - expected) <= 0.001)
        claim(gap <= 0.001)
        claim(truth(n < 49) | truth(next_late < next_early))
        self.holds(
            n=next_n,
            file=next_file,
            early=next_early,
            late=next_late,
            t0=next_t0,
            t1=next_t1,
            t2=next_t2,
            t3=next_t3,
            t4=next_t4,
            mk=next_mk,
            vk=next_vk,
        )


@obligation("LS-FREE", equation="library_text", type="protocol", cost=1000)
def test_ls_free(kernel):
    """Left to themselves for 50 steps on real text, with a checkpoint between one step and the next, the losses stay
    within 0.001 of the definition's, are finite, and fall."""
    run_steps(LsFreeRun, library_text_inputs, kernel, steps=49)


class LsFreeTiedRun(Steps):
    """With a tied head, too, the losses of 20 steps on real text, with a checkpoint between one step and the next, are
    finite and stay within 0.001 of the definition's."""

    @initialize(case=ls_free_tied_inputs)
    def begin(self, case):
        kernel = self.kernel
        first, like, w = self.receives(case, "first like w")
        A, B, S, V, E, K, H, D, F, L, U, Z, R = case.A, case.B, case.S, case.V, case.E, case.K, case.H, case.D, case.F, case.L, case.U, case.Z, case.R
        i, a, b, s, u, v, e, z, l, j, h, d, c, k, f, r = grid(1, A, B, S, U, V, E, Z, L, 2, H, D, K, 3, F, R)
        tokens, targets = kernel.library_text(first, like)
        x0 = array[i, a, b, s](tokens[i + 0, a, b, s])
        y0 = array[i, a, b, s](targets[i + 0, a, b, s])
        x1 = array[a, b, s](tokens[0, a, b, s])
        y1 = array[a, b, s](targets[0, a, b, s])
        i0 = array[u, v, e](w[u * V + v, e])
        i1 = array[z, e](1.0)
        i2 = array[l, j, h, d, e](w[U * V + Z + ((l * 2 + j) * H + h) * D + d, e])
        i3 = array[l, j, c, d, e](w[U * V + Z + 2 * L * H * D + ((l * 2 + j) * K + c) * D + d, e])
        i4 = array[l, k, f, e](w[U * V + Z + 2 * L * H * D + 2 * L * K * D + (l * 3 + k) * F + f, e])
        zero = array[r, e](0.0)
        start, opened = kernel.train(i0, i1, i2, i3, i4, x0, y0, 5, 20, 0.01, 0.001, 0.9, 0.95, 1e-08, 0.1, 1, 10000, 1e-05, -100)
        u0, u1, u2, u3, u4, um, uv, expected0, _ = spec.train_step(i0, i1, i2, i3, i4, zero, zero, x1, y1, 0, 5, 20, 0.01, 0.001, 0.9, 0.95, 1e-08, 0.1, 1, 10000, 1e-05, -100)
        gap = single(abs(start[0] - expected0))
        self.holds(
            tokens=tokens,
            targets=targets,
            gap=gap,
            n=1,
            file=opened,
            t0=u0,
            t1=u1,
            t2=u2,
            t3=u3,
            t4=u4,
            mk=um,
            vk=uv,
        )

    @rule(draw=drawing())
    def step(self, draw):
        kernel = self.kernel
        n, file, t0, t1, t2, t3, t4, mk, vk, tokens, targets, gap = self.held("n file t0 t1 t2 t3 t4 mk vk tokens targets gap")
        A, B, S, N = self.case.A, self.case.B, self.case.S, self.case.N
        i, a, b, s = grid(1, A, B, S)
        at = single(clip(n, 0, N - 1))
        now = array[i, a, b, s](tokens[at, a, b, s])
        then = array[i, a, b, s](targets[at, a, b, s])
        losses, next_file = kernel.resume(file, now, then, 5, 20, 0.01, 0.001, 0.9, 0.95, 1e-08, 0.1, 1, 10000, 1e-05, -100)
        now1 = array[a, b, s](tokens[at, a, b, s])
        then1 = array[a, b, s](targets[at, a, b, s])
        next_t0, next_t1, next_t2, next_t3, next_t4, next_mk, next_vk, expected, _ = spec.train_step(t0, t1, t2, t3, t4, mk, vk, now1, then1, n, 5, 20, 0.01, 0.001, 0.9, 0.95, 1e-08, 0.1, 1, 10000, 1e-05, -100)
        found = single(losses[0])
        next_n = n + 1
        claim(isfinite(found))
        claim(abs(found - expected) <= 0.001)
        claim(gap <= 0.001)
        self.holds(
            n=next_n,
            file=next_file,
            t0=next_t0,
            t1=next_t1,
            t2=next_t2,
            t3=next_t3,
            t4=next_t4,
            mk=next_mk,
            vk=next_vk,
        )


@obligation("LS-FREE-TIED", equation="library_text", type="protocol", cost=1000)
def test_ls_free_tied(kernel):
    """With a tied head, too, the losses of 20 steps on real text, with a checkpoint between one step and the next, are
    finite and stay within 0.001 of the definition's."""
    run_steps(LsFreeTiedRun, ls_free_tied_inputs, kernel, steps=19)


@obligation("LS-RESIDUAL", equation="block", type="boundary", cost=5)
@given(case=ls_residual_inputs)
def test_ls_residual(kernel, case):
    """A layer whose two output projections are zero hands its input on, bit by bit, and the gradient of its output
    likewise."""
    x, norm, wqo, wkv, wmlp, layer, base, eps, g = kernel.receives(case, "x norm wqo wkv wmlp layer base eps g")
    B, S, E, H, D, F, L = case.B, case.S, case.E, case.H, case.D, case.F, case.L
    l, i, h, d, e, j, f, b, s = grid(L, 2, H, D, E, 3, F, B, S)
    silent = array[l, i, h, d, e](where(i == 1, 0, wqo[l, i, h, d, e]))
    closed = array[l, j, f, e](where(j == 2, 0, wmlp[l, j, f, e]))
    y = kernel.block(x, norm, silent, wkv, closed, layer, base, eps)
    dx, _, _, _, _ = kernel.block_backward(g, x, norm, silent, wkv, closed, layer, base, eps)
    claim(all[b, s, e](y[b, s, e] == x[b, s, e]))
    claim(all[b, s, e](dx[b, s, e] == g[b, s, e]))


@obligation("LS-BLOCK-GRAD", equation="block_backward", type="gradient", cost=8)
@given(case=block_backward_inputs)
def test_ls_block_grad(kernel, case):
    """The input gradient of a layer is that of its forward pass, by automatic differentiation."""
    g, x, norm, wqo, wkv, wmlp, layer, base, eps = kernel.receives(case, "g x norm wqo wkv wmlp layer base eps")
    dx, _, _, _, _ = kernel.block_backward(g, x, norm, wqo, wkv, wmlp, layer, base, eps)
    (expected_dx,) = gradient(
        spec,
        "block",
        {"x": x, "norm": norm, "wqo": wqo, "wkv": wkv, "wmlp": wmlp, "layer": layer, "base": base, "eps": eps},
        wrt="x",
        cotangents=(g,),
    )
    claim(approx(dx, expected_dx))


@obligation("LS-ALL", equation="rows", type="conservation")
@given(case=ls_all_inputs)
def test_ls_all(kernel, case):
    """The flat buffer has the sum of squares of all weights."""
    table, norm, wqo, wkv, wmlp = kernel.receives(case, "table norm wqo wkv wmlp")
    V, E, K, H, D, F, L, U, Z, R = case.V, case.E, case.K, case.H, case.D, case.F, case.L, case.U, case.Z, case.R
    u, v, e, i, l, j, h, d, c, k, f, r = grid(U, V, E, Z, L, 2, H, D, K, 3, F, R)
    p = kernel.rows(table, norm, wqo, wkv, wmlp)
    first = single(dot[u, v, e](table[u, v, e], table[u, v, e]) + dot[i, e](norm[i, e], norm[i, e]))
    second = single(dot[l, j, h, d, e](wqo[l, j, h, d, e], wqo[l, j, h, d, e]) + dot[l, j, c, d, e](wkv[l, j, c, d, e], wkv[l, j, c, d, e]))
    third = single(dot[l, k, f, e](wmlp[l, k, f, e], wmlp[l, k, f, e]))
    claim(approx(dot[r, e](p[r, e], p[r, e]), first + second + third))


@obligation("LS-REACH", equation="gradients", type="boundary", cost=8)
@given(case=ls_reach_inputs)
def test_ls_reach(kernel, case):
    """The gradient reaches every weight that has a part in the loss, and no row of the embedding whose token is
    absent."""
    table, norm, wqo, wkv, wmlp, x, y, base, eps, ignore, seed = kernel.receives(case, "table norm wqo wkv wmlp x y base eps ignore seed")
    A, B, S, V, E, K, H, D, F, L, U, Z = case.A, case.B, case.S, case.V, case.E, case.K, case.H, case.D, case.F, case.L, case.U, case.Z
    a, b, s, u, v, e, i, l, j, h, d, c, k, f = grid(A, B, S, U, V, E, Z, L, 2, H, D, K, 3, F)
    t0, _, t2, t3, t4 = kernel.initial(seed, table, norm, wqo, wkv, wmlp)
    _, d0, d1, d2, d3, d4 = kernel.gradients(t0, norm, t2, t3, t4, x, y, base, eps, ignore)
    claim(any[a, b, s](y[a, b, s] == ignore) | all[u, v, e](exact(abs(d0[u, v, e]), 0) == (u == 0) & ~any[a, b, s](x[a, b, s] == v)) & all[i, e](~exact(abs(d1[i, e]), 0)) & all[l, j, h, d, e](~exact(abs(d2[l, j, h, d, e]), 0)) & all[l, j, c, d, e](~exact(abs(d3[l, j, c, d, e]), 0)) & all[l, k, f, e](~exact(abs(d4[l, k, f, e]), 0)))


@obligation("LS-CAUSAL", equation="logits", type="independence", cost=3)
@given(case=ls_causal_inputs)
def test_ls_causal(kernel, case):
    """Changing a later token, or a token of another sequence, never changes an earlier output by one bit."""
    table, norm, wqo, wkv, wmlp, x, base, eps, other_x = kernel.receives(case, "table norm wqo wkv wmlp x base eps other_x")
    B, S, V = case.B, case.S, case.V
    b, s, v, c, t = grid(B, S, V, B, S)
    independent(
        lambda x: kernel.logits(table, norm, wqo, wkv, wmlp, x, base, eps),
        x,
        other_x,
        when=(c != b) | (t > s),
        output=(b, s, v),
        input=(c, t),
        case=case,
    )


@obligation("LS-ACCUMULATE", equation="gradients", type="equivalence", cost=8)
@given(case=ls_accumulate_inputs)
def test_ls_accumulate(kernel, case):
    """A micro-batches of B sequences give the loss and the gradients of one batch of all their sequences."""
    table, norm, wqo, wkv, wmlp, x, y, base, eps, ignore = kernel.receives(case, "table norm wqo wkv wmlp x y base eps ignore")
    B, S, M = case.B, case.S, case.M
    i, m, s = grid(1, M, S)
    joined = array[i, m, s](x[m // B, m % B, s])
    wanted = array[i, m, s](y[m // B, m % B, s])
    found, d0, d1, d2, d3, d4 = kernel.gradients(table, norm, wqo, wkv, wmlp, x, y, base, eps, ignore)
    expected, e0, e1, e2, e3, e4 = kernel.gradients(table, norm, wqo, wkv, wmlp, joined, wanted, base, eps, ignore)
    claim(approx(found, expected))
    claim(approx(d0, e0))
    claim(approx(d1, e1))
    claim(approx(d2, e2))
    claim(approx(d3, e3))
    claim(approx(d4, e4))


@obligation("LS-ONE", equation="gradients", type="equivalence", cost=2)
@given(case=ls_one_inputs)
def test_ls_one(kernel, case):
    """A single target counts in full, and where it is ignored, loss and gradients are zero."""
    table, norm, wqo, wkv, wmlp, x, y, base, eps, ignore = kernel.receives(case, "table norm wqo wkv wmlp x y base eps ignore")
    found, d0, d1, d2, d3, d4 = kernel.gradients(table, norm, wqo, wkv, wmlp, x, y, base, eps, ignore)
    expected, e0, e1, e2, e3, e4 = spec.gradients(table, norm, wqo, wkv, wmlp, x, y, base, eps, ignore)
    claim(approx(found, expected))
    claim(approx(d0, e0))
    claim(approx(d1, e1))
    claim(approx(d2, e2))
    claim(approx(d3, e3))
    claim(approx(d4, e4))


@obligation("LS-RUN", equation="train", type="equivalence", cost=8)
@given(case=train_inputs)
def test_ls_run(kernel, case):
    """A run of two steps is two steps, bit by bit, and its checkpoint holds what they made, not what they began
    with."""
    table, norm, wqo, wkv, wmlp, x, y, warmup, total, peak, lowest, beta1, beta2, adam_eps, weight_decay, max_norm, base, eps, ignore = kernel.receives(case, "table norm wqo wkv wmlp x y warmup total peak lowest beta1 beta2 adam_eps weight_decay max_norm base eps ignore")
    A, B, S, E, R = case.A, case.B, case.S, case.E, case.R
    r, e, a, b, s = grid(R, E, A, B, S)
    losses, file = kernel.train(table, norm, wqo, wkv, wmlp, x, y, warmup, total, peak, lowest, beta1, beta2, adam_eps, weight_decay, max_norm, base, eps, ignore)
    zero = array[r, e](0.0)
    x0 = array[a, b, s](x[0, a, b, s])
    y0 = array[a, b, s](y[0, a, b, s])
    x1 = array[a, b, s](x[1, a, b, s])
    y1 = array[a, b, s](y[1, a, b, s])
    t0, t1, t2, t3, t4, m1, v1, loss0, _ = kernel.train_step(table, norm, wqo, wkv, wmlp, zero, zero, x0, y0, 0, warmup, total, peak, lowest, beta1, beta2, adam_eps, weight_decay, max_norm, base, eps, ignore)
    r0, r1, r2, r3, r4, m2, v2, loss1, _ = kernel.train_step(t0, t1, t2, t3, t4, m1, v1, x1, y1, 1, warmup, total, peak, lowest, beta1, beta2, adam_eps, weight_decay, max_norm, base, eps, ignore)
    s0, s1, s2, s3, s4, sm, sv, steps = kernel.load(file)
    claim(exact(losses[0], loss0))
    claim(exact(losses[1], loss1))
    claim(steps == 2)
    claim(exact(s0, r0))
    claim(exact(s1, r1))
    claim(exact(s2, r2))
    claim(exact(s3, r3))
    claim(exact(s4, r4))
    claim(exact(sm, m2))
    claim(exact(sv, v2))


@obligation("LS-RESUME", equation="train", type="equivalence", cost=8)
@given(case=ls_resume_inputs)
def test_ls_resume(kernel, case):
    """Stopping, saving and resuming is the same, bit by bit, as going on."""
    table, norm, wqo, wkv, wmlp, x, y, warmup, total, peak, lowest, beta1, beta2, adam_eps, weight_decay, max_norm, base, eps, ignore = kernel.receives(case, "table norm wqo wkv wmlp x y warmup total peak lowest beta1 beta2 adam_eps weight_decay max_norm base eps ignore")
    A, B, S, P, Q = case.A, case.B, case.S, case.P, case.Q
    p, a, b, s, q = grid(P, A, B, S, Q)
    losses, complete = kernel.train(table, norm, wqo, wkv, wmlp, x, y, warmup, total, peak, lowest, beta1, beta2, adam_eps, weight_decay, max_norm, base, eps, ignore)
    x1 = array[p, a, b, s](x[p + 0, a, b, s])
    y1 = array[p, a, b, s](y[p + 0, a, b, s])
    x2 = array[q, a, b, s](x[P + q, a, b, s])
    y2 = array[q, a, b, s](y[P + q, a, b, s])
    _, half = kernel.train(table, norm, wqo, wkv, wmlp, x1, y1, warmup, total, peak, lowest, beta1, beta2, adam_eps, weight_decay, max_norm, base, eps, ignore)
    late, rest = kernel.resume(half, x2, y2, warmup, total, peak, lowest, beta1, beta2, adam_eps, weight_decay, max_norm, base, eps, ignore)
    claim(rest == complete)
    claim(all[q](exact(late[q], losses[P + q])))


@obligation("LS-SEED", equation="train", type="equivalence", cost=8)
@given(case=ls_seed_inputs)
def test_ls_seed(kernel, case):
    """Two runs with one seed give the same checkpoint, byte by byte; runs with two seeds do not."""
    table, norm, wqo, wkv, wmlp, x, y, warmup, total, peak, lowest, beta1, beta2, adam_eps, weight_decay, max_norm, base, eps, ignore, seed = kernel.receives(case, "table norm wqo wkv wmlp x y warmup total peak lowest beta1 beta2 adam_eps weight_decay max_norm base eps ignore seed")
    a0, a1, a2, a3, a4 = kernel.initial(seed, table, norm, wqo, wkv, wmlp)
    b0, b1, b2, b3, b4 = kernel.initial(seed, table, norm, wqo, wkv, wmlp)
    c0, c1, c2, c3, c4 = kernel.initial(seed + 1, table, norm, wqo, wkv, wmlp)
    _, first = kernel.train(a0, a1, a2, a3, a4, x, y, warmup, total, peak, lowest, beta1, beta2, adam_eps, weight_decay, max_norm, base, eps, ignore)
    _, second = kernel.train(b0, b1, b2, b3, b4, x, y, warmup, total, peak, lowest, beta1, beta2, adam_eps, weight_decay, max_norm, base, eps, ignore)
    _, other = kernel.train(c0, c1, c2, c3, c4, x, y, warmup, total, peak, lowest, beta1, beta2, adam_eps, weight_decay, max_norm, base, eps, ignore)
    claim(first == second)
    claim(first != other)


@obligation("LS-NORMS-ONE", equation="initial", type="boundary")
@given(case=initial_inputs)
def test_ls_norms_one(kernel, case):
    """Fresh norm weights are ones, all of them."""
    seed, table, norm, wqo, wkv, wmlp = kernel.receives(case, "seed table norm wqo wkv wmlp")
    E, Z = case.E, case.Z
    z, e = grid(Z, E)
    _, fresh, _, _, _ = kernel.initial(seed, table, norm, wqo, wkv, wmlp)
    claim(all[z, e](fresh[z, e] == 1))


@obligation("LS-NORMAL", equation="initial", type="statistical", cost=2)
@given(case=ls_normal_inputs)
def test_ls_normal(kernel, case):
    """Of each kind of weights but the norms, the share below t times 0.02 is that of the normal distribution of mean 0:
    at t = 0 a half."""
    seed, table, norm, wqo, wkv, wmlp, t, which = kernel.receives(case, "seed table norm wqo wkv wmlp t which")
    V, E, K, H, D, F, L, U = case.V, case.E, case.K, case.H, case.D, case.F, case.L, case.U
    u, v, e, l, j, h, d, c, k, f = grid(U, V, E, L, 2, H, D, K, 3, F)
    t0, _, t2, t3, t4 = kernel.initial(seed, table, norm, wqo, wkv, wmlp)
    low = single(0.02 * t)
    below0 = single(sum[u, v, e](int(t0[u, v, e] < low)))
    below2 = single(sum[l, j, h, d, e](int(t2[l, j, h, d, e] < low)))
    below3 = single(sum[l, j, c, d, e](int(t3[l, j, c, d, e] < low)))
    below4 = single(sum[l, k, f, e](int(t4[l, k, f, e] < low)))
    below = single(where(which == 0, below0, where(which == 1, below2, where(which == 2, below3, below4))))
    size = single(where(which == 0, U * V * E, where(which == 1, 2 * L * H * D * E, where(which == 2, 2 * L * K * D * E, 3 * L * F * E))))
    share = single((1 + erf(t / sqrt(2))) / 2)
    statistically(
        statistic=ratio(below, size),
        expect=share,
        variance=share * (1 - share),
        observations=size,
        detects=0.05,
        trials=10000,
        false_alarm=1e-09,
    )


@obligation("LS-LAYERS-APART", equation="initial", type="statistical", cost=2)
@given(case=ls_layers_apart_inputs)
def test_ls_layers_apart(kernel, case):
    """Weights of the two layers, of embedding and head, of keys and values, are independent: their signs agree half of
    the time."""
    seed, table, norm, wqo, wkv, wmlp, which = kernel.receives(case, "seed table norm wqo wkv wmlp which")
    V, E, K, H, D, F = case.V, case.E, case.K, case.H, case.D, case.F
    v, e, h, d, c, f = grid(V, E, H, D, K, F)
    t0, _, t2, t3, t4 = kernel.initial(seed, table, norm, wqo, wkv, wmlp)
    tables = single(mean[v, e](int(t0[0, v, e] * t0[1, v, e] > 0)))
    queries = single(mean[h, d, e](int(t2[0, 0, h, d, e] * t2[1, 0, h, d, e] > 0)))
    values = single(mean[c, d, e](int(t3[0, 0, c, d, e] * t3[0, 1, c, d, e] > 0)))
    gates = single(mean[f, e](int(t4[0, 0, f, e] * t4[1, 0, f, e] > 0)))
    size = single(where(which == 0, V * E, where(which == 1, H * D * E, where(which == 2, K * D * E, F * E))))
    statistically(
        statistic=where(which == 0, tables, where(which == 1, queries, where(which == 2, values, gates))),
        expect=0.5,
        variance=0.25,
        observations=size,
        detects=0.15,
        trials=10000,
        false_alarm=1e-09,
    )


@obligation("LS-FRESH", equation="initial", type="boundary", cost=1000)
@given(case=ls_fresh_inputs)
def test_ls_fresh(kernel, case):
    """Over 2,048 tokens that have nothing to do with the weights, the loss of fresh weights with an untied table, times
    4, is ln V + E (4 * 0.02)^2 / 2, within 0.1."""
    seed, table, norm, wqo, wkv, wmlp, first, second = kernel.receives(case, "seed table norm wqo wkv wmlp first second")
    A, B, S, V, E, U, N = case.A, case.B, case.S, case.V, case.E, case.U, case.N
    u, v, e, i, a, b, s = grid(U, V, E, N, A, B, S)
    t0, t1, t2, t3, t4 = kernel.initial(seed, table, norm, wqo, wkv, wmlp)
    wide = array[u, v, e](4 * t0[u, v, e])
    x = array[i, a, b, s](first[(s + b) % V])
    y = array[i, a, b, s](second[s % V])
    losses, _ = kernel.train(wide, t1, t2, t3, t4, x, y, 0, 2, 0.01, 0.001, 0.9, 0.95, 1e-08, 0.1, 1, 10000, 1e-06, -100)
    claim(abs(losses[0] - (log(V) + E * 0.0064 / 2)) < 0.1)


@obligation("LS-FILE", equation="save", type="roundtrip")
@given(case=save_inputs)
def test_ls_file(kernel, case):
    """A checkpoint gives back what was saved, bit by bit."""
    table, norm, wqo, wkv, wmlp, m, v, done = kernel.receives(case, "table norm wqo wkv wmlp m v done")
    t0, t1, t2, t3, t4, tm, tv, steps = kernel.load(kernel.save(table, norm, wqo, wkv, wmlp, m, v, done))
    claim(steps == done)
    claim(exact(t0, table))
    claim(exact(t1, norm))
    claim(exact(t2, wqo))
    claim(exact(t3, wkv))
    claim(exact(t4, wmlp))
    claim(exact(tm, m))
    claim(exact(tv, v))


@obligation("LS-NAN", equation="train_step", type="boundary", cost=8)
@given(case=ls_nan_inputs)
def test_ls_nan(kernel, case):
    """A weight that is not finite makes a loss that is not finite, and the step leaves everything as it was."""
    table, norm, wqo, wkv, wmlp, m, v, x, y, done, warmup, total, peak, lowest, beta1, beta2, adam_eps, weight_decay, max_norm, base, eps, ignore, bad, place = kernel.receives(case, "table norm wqo wkv wmlp m v x y done warmup total peak lowest beta1 beta2 adam_eps weight_decay max_norm base eps ignore bad place")
    E, Z = case.E, case.Z
    i, e = grid(Z, E)
    spoiled = array[i, e](where((i == Z - 1) & (e == place), bad, norm[i, e]))
    t0, t1, t2, t3, t4, m2, v2, found, size = kernel.train_step(table, spoiled, wqo, wkv, wmlp, m, v, x, y, done, warmup, total, peak, lowest, beta1, beta2, adam_eps, weight_decay, max_norm, base, eps, ignore)
    claim(~isfinite(found))
    claim(~isfinite(size))
    claim(exact(t0, table))
    claim(exact(t1, spoiled))
    claim(exact(t2, wqo))
    claim(exact(t3, wkv))
    claim(exact(t4, wmlp))
    claim(exact(m2, m))
    claim(exact(v2, v))


@obligation("LS-STOP", equation="train", type="rejection", cost=8)
@given(case=ls_stop_inputs)
def test_ls_stop(kernel, case):
    """A run stops at a loss that is not finite, and says at which step."""
    table, norm, wqo, wkv, wmlp, x, y, warmup, total, peak, lowest, beta1, beta2, adam_eps, weight_decay, max_norm, base, eps, ignore, bad = kernel.receives(case, "table norm wqo wkv wmlp x y warmup total peak lowest beta1 beta2 adam_eps weight_decay max_norm base eps ignore bad")
    E, Z = case.E, case.Z
    i, e = grid(Z, E)
    spoiled = array[i, e](where(i == Z - 1, bad, norm[i, e]))
    rejects(
        kernel,
        "train",
        (table, spoiled, wqo, wkv, wmlp, x, y, warmup, total, peak, lowest, beta1, beta2, adam_eps, weight_decay, max_norm, base, eps, ignore),
        FloatingPointError,
        mentions=["loss", "step 1"],
    )


@obligation("LS-WINDOWS", equation="library_text", type="conservation", cost=2)
@given(case=ls_windows_inputs)
def test_ls_windows(kernel, case):
    """Tokens are bytes; the target of each is the token after it, within a sequence and from one to the next."""
    first, like = kernel.receives(case, "first like")
    A, B, S, N = case.A, case.B, case.S, case.N
    n, a, b, s = grid(N, A, B, S)
    x, y = kernel.library_text(first, like)
    claim(all[n, a, b, s]((0 <= x[n, a, b, s]) & (x[n, a, b, s] < 256) & ((0 <= y[n, a, b, s]) & (y[n, a, b, s] < 256))))
    claim(all[n, a, b, s]((y[n, a, b, s] == x[n, a, b, min(s + 1, S - 1)]) | (s == S - 1)))
    claim(all[n, a, b]((y[n, a, b, S - 1] == x[min(n + 1, N - 1), 0, 0, 0]) | (n == N - 1) | (a < A - 1) | (b < B - 1)))


@obligation("LS-HEADS", equation="logits", type="equivalence", cost=4)
@given(case=ls_heads_inputs)
def test_ls_heads(kernel, case):
    """With two key heads, two query heads to each, two pairs in a head and weights that are not small, the logits are
    those of the definition."""
    table, norm, wqo, wkv, wmlp, x, base, eps = kernel.receives(case, "table norm wqo wkv wmlp x base eps")
    claim(approx(kernel.logits(table, norm, wqo, wkv, wmlp, x, base, eps), spec.logits(table, norm, wqo, wkv, wmlp, x, base, eps)))


@obligation("LS-HEADS-GRADIENTS", equation="gradients", type="equivalence", cost=8)
@given(case=ls_heads_gradients_inputs)
def test_ls_heads_gradients(kernel, case):
    """With two key heads, two query heads to each, two pairs in a head and weights that are not small, every gradient
    is that of the definition."""
    table, norm, wqo, wkv, wmlp, x, y, base, eps, ignore = kernel.receives(case, "table norm wqo wkv wmlp x y base eps ignore")
    at, dt, dn, dqo, dkv, dm = kernel.gradients(table, norm, wqo, wkv, wmlp, x, y, base, eps, ignore)
    e0, e1, e2, e3, e4, e5 = spec.gradients(table, norm, wqo, wkv, wmlp, x, y, base, eps, ignore)
    claim(approx(at, e0))
    claim(approx(dt, e1))
    claim(approx(dn, e2))
    claim(approx(dqo, e3))
    claim(approx(dkv, e4))
    claim(approx(dm, e5))


@obligation("LS-HEADS-STEP", equation="train_step", type="equivalence", cost=8)
@given(case=ls_heads_step_inputs)
def test_ls_heads_step(kernel, case):
    """With two key heads, two query heads to each, two pairs in a head and weights that are not small, loss, norm and
    first moments of a step are those of the definition."""
    table, norm, wqo, wkv, wmlp, m, v, x, y, done, warmup, total, peak, lowest, beta1, beta2, adam_eps, weight_decay, max_norm, base, eps, ignore = kernel.receives(case, "table norm wqo wkv wmlp m v x y done warmup total peak lowest beta1 beta2 adam_eps weight_decay max_norm base eps ignore")
    _, _, _, _, _, m2, _, at, size = kernel.train_step(table, norm, wqo, wkv, wmlp, m, v, x, y, done, warmup, total, peak, lowest, beta1, beta2, adam_eps, weight_decay, max_norm, base, eps, ignore)
    _, _, _, _, _, e5, _, e7, e8 = spec.train_step(table, norm, wqo, wkv, wmlp, m, v, x, y, done, warmup, total, peak, lowest, beta1, beta2, adam_eps, weight_decay, max_norm, base, eps, ignore)
    claim(approx(m2, e5))
    claim(approx(at, e7))
    claim(approx(size, e8))


@obligation("LS-BELONG", equation="logits", type="rejection")
@given(case=ls_belong_inputs)
def test_ls_belong(kernel, case):
    """Norms of another number of layers than the other weights are refused."""
    table, wqo, wkv, wmlp, x, base, eps, other = kernel.receives(case, "table wqo wkv wmlp x base eps other")
    rejects(kernel, "logits", (table, other, wqo, wkv, wmlp, x, base, eps), ValueError, mentions=["norm"])


@obligation("LS-BELONG-LOSS", equation="loss", type="rejection")
@given(case=ls_belong_loss_inputs)
def test_ls_belong_loss(kernel, case):
    """Keys and values of another width than the other weights are refused."""
    table, norm, wqo, wmlp, x, y, base, eps, ignore, other = kernel.receives(case, "table norm wqo wmlp x y base eps ignore other")
    rejects(kernel, "loss", (table, norm, wqo, other, wmlp, x, y, base, eps, ignore), ValueError, mentions=["wkv"])


@obligation("LS-BELONG-GRADIENTS", equation="gradients", type="rejection")
@given(case=ls_belong_gradients_inputs)
def test_ls_belong_gradients(kernel, case):
    """Feed-forward networks of another number of layers than the other weights are refused."""
    table, norm, wqo, wkv, x, y, base, eps, ignore, other = kernel.receives(case, "table norm wqo wkv x y base eps ignore other")
    rejects(kernel, "gradients", (table, norm, wqo, wkv, other, x, y, base, eps, ignore), ValueError, mentions=["wmlp"])


@obligation("LS-TABLES", equation="logits", type="rejection")
@given(case=ls_tables_inputs)
def test_ls_tables(kernel, case):
    """More than two tables, embedding and head, are refused."""
    norm, wqo, wkv, wmlp, x, base, eps, other = kernel.receives(case, "norm wqo wkv wmlp x base eps other")
    rejects(kernel, "logits", (other, norm, wqo, wkv, wmlp, x, base, eps), ValueError, mentions=["table"])


@obligation("LS-PAIRS", equation="gradients", type="rejection")
@given(case=ls_pairs_inputs)
def test_ls_pairs(kernel, case):
    """Targets of another length than the tokens are refused."""
    table, norm, wqo, wkv, wmlp, x, base, eps, ignore, other = kernel.receives(case, "table norm wqo wkv wmlp x base eps ignore other")
    rejects(
        kernel,
        "gradients",
        (table, norm, wqo, wkv, wmlp, x, other, base, eps, ignore),
        ValueError,
        mentions=["one shape"],
    )


@obligation("LS-FT-TEXT", rule="LS-WINDOWS", type="falsification")
def test_ls_ft_text(kernel):
    """The text begins with the module this: s = and three quotation marks."""
    case = example({"first": "int", "like": "i64[N, A, B, S]"}, first=0, like=[[[[0, 0, 0, 0, 0]]]])
    first, like = kernel.receives(case, "first like")
    x, y = kernel.library_text(first, like)
    claim(x[0, 0, 0, 0] == 115)
    claim(x[0, 0, 0, 2] == 61)
    claim(x[0, 0, 0, 4] == 34)
    claim(y[0, 0, 0, 4] == 34)
