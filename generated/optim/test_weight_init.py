"""optim/weight-init: Weight initialisation.

Compiled from contracts/optim/weight-init-v1.yaml: change the contract and run `albor-contracts generate`, never this file.
Meaning: d4e8a8cd48da9702bf5f6600599bc8cfe9e3774f13411963abd008272ef86776
"""

from albor_contracts.testing import (
    abs, all, any, array, cases, claim, definitions, erf, exact, example, given, grid, int, join, mean, obligation,
    ratio, rejects, same_twice, single, sqrt, statistically, sum, where,
)

CONTRACT = "optim/weight-init"


spec = definitions(CONTRACT, "weight_init(seed: int, name: text, std: real, like: f32[R, C]) -> w: f32[R, C]")

weight_init_inputs = cases(
    dims={"R": "128", "C": "128"},
    seed="int in [0, 2**31)",
    name="text length 1..24",
    std="real in [0.001, 1]",
    like="f32[R, C] in [0, 1]",
)
wi_normal_inputs = cases(
    dims={"R": "128", "C": "128"},
    seed="int in [0, 2**31)",
    name="text length 1..24",
    std="real in [0.001, 1]",
    like="f32[R, C] in [0, 1]",
    t="real in {-3, -2.5, -2, -1.5, -1, -0.5, 0.5, 1, 1.5, 2, 2.5, 3}",
)
wi_places_inputs = cases(
    dims={"R": "128", "C": "128"},
    seed="int in [0, 2**31)",
    name="text length 1..24",
    std="real in [0.001, 1]",
    like="f32[R, C] in [0, 1]",
    right="int in {0, 1, 2, 3, 5, 8, 32}",
    down="int in {1, 2, 3, 8, 64}",
)
wi_names_inputs = cases(
    dims={"R": "128", "C": "128"},
    seed="int in [0, 2**31)",
    name="text length 1..24",
    std="real in [0.001, 1]",
    like="f32[R, C] in [0, 1]",
    step="int in {1, 2, 256, 65536}",
    which="int in [0, 1]",
)
wi_all_names_inputs = cases(
    dims={"R": "2", "C": "2"},
    work={"24 * R * C": 2**18, "24 * R * C * 24": 2**18},
    seed="int in [0, 2**31)",
    name="text length 1..24",
    std="real in [0.001, 1]",
    like="f32[R, C] in [0, 1]",
)
wi_tails_inputs = cases(
    dims={"R": "1024", "C": "512"},
    elements=524291,
    seed="int in [0, 2**31)",
    name="text length 1..24",
    std="real in [0.001, 1]",
    like="f32[R, C] in [0, 1]",
)
wi_every_place_inputs = cases(
    dims={"R": "1, 3, 4, 7, 17", "C": "1, 3, 5, 6, 33"},
    seed="int in [0, 2**31)",
    name="text length 1..24",
    std="real in [0.001, 1]",
    like="f32[R, C] in [0, 1]",
)
wi_distinct_inputs = cases(
    dims={"R": "32", "C": "32"},
    work={"R * C * R * C": 2**20},
    seed="int in [0, 2**31)",
    name="text length 1..24",
    std="real in [0.001, 1]",
    like="f32[R, C] in [0, 1]",
)
wi_separate_inputs = cases(
    dims={"R": "2", "C": "2"},
    seed="int in [0, 2**27)",
    name="text length 1..24",
    std="real in [0.001, 1]",
    like="f32[R, C] in [0, 1]",
)
wi_scale_inputs = cases(
    dims={"R": "128", "C": "128"},
    seed="int in [0, 2**31)",
    name="text length 1..24",
    std="real in {0.015625, 0.25, 0.5}",
    like="f32[R, C] in [0, 1]",
)
wi_std_inputs = cases(
    dims={"R": "128", "C": "128"},
    seed="int in [0, 2**31)",
    name="text length 1..24",
    std="real in [0.001, 1]",
    like="f32[R, C] in [0, 1]",
    wrong="real in {0, -0.02, nan}",
)


@obligation("WI-SIGN", equation="weight_init", type="statistical", cost=2)
@given(case=weight_init_inputs)
def test_wi_sign(kernel, case):
    """Half of the weights are positive."""
    seed, name, std, like = kernel.receives(case, "seed name std like")
    R, C = case.R, case.C
    r, c = grid(R, C)
    w = kernel.weight_init(seed, name, std, like)
    statistically(
        statistic=mean[r, c](int(w[r, c] > 0)),
        expect=0.5,
        variance=0.25,
        observations=R * C,
        detects=0.05,
        trials=10000,
        false_alarm=1e-09,
    )


@obligation("WI-NORMAL", equation="weight_init", type="statistical")
@given(case=wi_normal_inputs)
def test_wi_normal(kernel, case):
    """The share of weights below any number of standard deviations is that of the normal distribution."""
    seed, name, std, like, t = kernel.receives(case, "seed name std like t")
    R, C = case.R, case.C
    r, c = grid(R, C)
    w = kernel.weight_init(seed, name, std, like)
    share = single((1 + erf(t / sqrt(2))) / 2)
    statistically(
        statistic=mean[r, c](int(w[r, c] < t * std)),
        expect=share,
        variance=share * (1 - share),
        observations=R * C,
        detects=0.05,
        trials=10000,
        false_alarm=1e-09,
    )


@obligation("WI-PLACES", equation="weight_init", type="statistical")
@given(case=wi_places_inputs)
def test_wi_places(kernel, case):
    """Signs of weights at any distance agree as often as they differ, along rows and from row to row."""
    seed, name, std, like, right, down = kernel.receives(case, "seed name std like right down")
    R, C = case.R, case.C
    r, c = grid(R, C)
    w = kernel.weight_init(seed, name, std, like)
    s = array[r, c](where(w[r, c] > 0, 1, -1))
    agree = single(sum[r, c](int(s[r, c] * s[(r + down) % R, (c + right) % C] > 0), where=(r % (2 * down) < down) & (r // (2 * down) * 2 * down + 2 * down <= R)))
    pairs = single(sum[r, c](int(s[r, c] != 0), where=(r % (2 * down) < down) & (r // (2 * down) * 2 * down + 2 * down <= R)))
    statistically(
        statistic=ratio(agree, pairs),
        expect=0.5,
        variance=0.25,
        observations=pairs,
        detects=0.08,
        trials=10000,
        false_alarm=1e-09,
    )


@obligation("WI-NAMES", equation="weight_init", type="statistical", cost=2)
@given(case=wi_names_inputs)
def test_wi_names(kernel, case):
    """Weights of two names, or of two seeds, are independent: their signs agree half of the time."""
    seed, name, std, like, step, which = kernel.receives(case, "seed name std like step which")
    R, C = case.R, case.C
    r, c = grid(R, C)
    a = kernel.weight_init(seed, name, std, like)
    b = kernel.weight_init(seed + which * step, join(name, where(which == 1, '', 'b')), std, like)
    statistically(
        statistic=mean[r, c](int(a[r, c] * b[r, c] > 0)),
        expect=0.5,
        variance=0.25,
        observations=R * C,
        detects=0.05,
        trials=10000,
        false_alarm=1e-09,
    )


@obligation("WI-ALL-NAMES", equation="weight_init", type="conservation")
@given(case=wi_all_names_inputs)
def test_wi_all_names(kernel, case):
    """Of the 24 tensors of a small model no two have the same weights: all pairs are compared."""
    seed, name, std, like = kernel.receives(case, "seed name std like")
    R, C = case.R, case.C
    n, r, c, m = grid(24, R, C, 24)
    w0 = kernel.weight_init(seed, join(name, '.layers.0.attention.q.weight'), std, like)
    w1 = kernel.weight_init(seed, join(name, '.layers.0.attention.k.weight'), std, like)
    w2 = kernel.weight_init(seed, join(name, '.layers.0.attention.v.weight'), std, like)
    w3 = kernel.weight_init(seed, join(name, '.layers.0.attention.o.weight'), std, like)
    w4 = kernel.weight_init(seed, join(name, '.layers.0.mlp.gate.weight'), std, like)
    w5 = kernel.weight_init(seed, join(name, '.layers.0.mlp.up.weight'), std, like)
    w6 = kernel.weight_init(seed, join(name, '.layers.0.mlp.down.weight'), std, like)
    w7 = kernel.weight_init(seed, join(name, '.layers.1.attention.q.weight'), std, like)
    w8 = kernel.weight_init(seed, join(name, '.layers.1.attention.k.weight'), std, like)
    w9 = kernel.weight_init(seed, join(name, '.layers.1.attention.v.weight'), std, like)
    w10 = kernel.weight_init(seed, join(name, '.layers.1.attention.o.weight'), std, like)
    w11 = kernel.weight_init(seed, join(name, '.layers.1.mlp.gate.weight'), std, like)
    w12 = kernel.weight_init(seed, join(name, '.layers.1.mlp.up.weight'), std, like)
    w13 = kernel.weight_init(seed, join(name, '.layers.1.mlp.down.weight'), std, like)
    w14 = kernel.weight_init(seed, join(name, '.layers.10.attention.q.weight'), std, like)
    w15 = kernel.weight_init(seed, join(name, '.layers.10.attention.k.weight'), std, like)
    w16 = kernel.weight_init(seed, join(name, '.layers.10.attention.v.weight'), std, like)
    w17 = kernel.weight_init(seed, join(name, '.layers.10.attention.o.weight'), std, like)
    w18 = kernel.weight_init(seed, join(name, '.layers.10.mlp.gate.weight'), std, like)
    w19 = kernel.weight_init(seed, join(name, '.layers.10.mlp.up.weight'), std, like)
    w20 = kernel.weight_init(seed, join(name, '.layers.10.mlp.down.weight'), std, like)
    w21 = kernel.weight_init(seed, join(name, '.embed.weight'), std, like)
    w22 = kernel.weight_init(seed, join(name, '.norm.weight'), std, like)
    w23 = kernel.weight_init(seed, join(name, '.head.weight'), std, like)
    some0 = array[n, r, c](int(n == 0) * w0[r, c] + int(n == 1) * w1[r, c] + int(n == 2) * w2[r, c] + int(n == 3) * w3[r, c] + int(n == 4) * w4[r, c] + int(n == 5) * w5[r, c])
    some1 = array[n, r, c](int(n == 6) * w6[r, c] + int(n == 7) * w7[r, c] + int(n == 8) * w8[r, c] + int(n == 9) * w9[r, c] + int(n == 10) * w10[r, c] + int(n == 11) * w11[r, c])
    some2 = array[n, r, c](int(n == 12) * w12[r, c] + int(n == 13) * w13[r, c] + int(n == 14) * w14[r, c] + int(n == 15) * w15[r, c] + int(n == 16) * w16[r, c] + int(n == 17) * w17[r, c])
    some3 = array[n, r, c](int(n == 18) * w18[r, c] + int(n == 19) * w19[r, c] + int(n == 20) * w20[r, c] + int(n == 21) * w21[r, c] + int(n == 22) * w22[r, c] + int(n == 23) * w23[r, c])
    w = array[n, r, c](some0[n, r, c] + some1[n, r, c] + some2[n, r, c] + some3[n, r, c])
    claim(all[m, n]((m == n) | any[r, c](~exact(w[m, r, c], w[n, r, c]))))


@obligation("WI-TAILS", equation="weight_init", type="conservation", cost=12)
@given(case=wi_tails_inputs)
def test_wi_tails(kernel, case):
    """Nothing is cut off: of 524,288 weights 33 lie beyond 4 standard deviations on average, none of them once in 10^14
    draws, more than 120 never."""
    seed, name, std, like = kernel.receives(case, "seed name std like")
    R, C = case.R, case.C
    r, c = grid(R, C)
    w = kernel.weight_init(seed, name, std, like)
    far = single(sum[r, c](int(abs(w[r, c]) > 4 * std)))
    claim(1 <= far)
    claim(far <= 120)


@obligation("WI-EVERY-PLACE", equation="weight_init", type="conservation")
@given(case=wi_every_place_inputs)
def test_wi_every_place(kernel, case):
    """Every place of a matrix is drawn, whatever its size: no weight is the same under four names."""
    seed, name, std, like = kernel.receives(case, "seed name std like")
    R, C = case.R, case.C
    r, c = grid(R, C)
    w0 = kernel.weight_init(seed, name, std, like)
    w1 = kernel.weight_init(seed, join(name, 'b'), std, like)
    w2 = kernel.weight_init(seed, join(name, 'c'), std, like)
    w3 = kernel.weight_init(seed, join(name, 'd'), std, like)
    claim(all[r, c](~exact(w0[r, c], w1[r, c]) | ~exact(w0[r, c], w2[r, c]) | ~exact(w0[r, c], w3[r, c])))


@obligation("WI-DISTINCT", equation="weight_init", type="conservation", cost=12)
@given(case=wi_distinct_inputs)
def test_wi_distinct(kernel, case):
    """Weights have the digits of float32: of 1,024 no more than 8 pairs are equal, where 1 pair in 100 draws of them is
    expected."""
    seed, name, std, like = kernel.receives(case, "seed name std like")
    R, C = case.R, case.C
    r, c, q, d = grid(R, C, R, C)
    w = kernel.weight_init(seed, name, std, like)
    equals = single(sum[r, c, q, d](int(exact(w[r, c], w[q, d])), where=r * C + c < q * C + d))
    claim(equals <= 8)


@obligation("WI-SEPARATE", equation="weight_init", type="conservation")
@given(case=wi_separate_inputs)
def test_wi_separate(kernel, case):
    """A digit that moves between seed and name gives other weights: seed 12 with the name x is not seed 1 with the name
    2x."""
    seed, name, std, like = kernel.receives(case, "seed name std like")
    R, C = case.R, case.C
    r, c = grid(R, C)
    a = kernel.weight_init(seed, join('2', name), std, like)
    b = kernel.weight_init(seed * 10 + 2, name, std, like)
    d = kernel.weight_init(seed, join('7', name), std, like)
    e = kernel.weight_init(seed * 10 + 7, name, std, like)
    f = kernel.weight_init(2, join(name, '1'), std, like)
    g = kernel.weight_init(12, name, std, like)
    h = kernel.weight_init(7, join(name, '4'), std, like)
    k = kernel.weight_init(47, name, std, like)
    claim(any[r, c](~exact(a[r, c], b[r, c]) | ~exact(d[r, c], e[r, c])))
    claim(any[r, c](~exact(f[r, c], g[r, c]) | ~exact(h[r, c], k[r, c])))


@obligation("WI-REPEAT", equation="weight_init", type="determinism")
@given(case=weight_init_inputs)
def test_wi_repeat(kernel, case):
    """Equal seeds and names give equal bits."""
    seed, name, std, like = kernel.receives(case, "seed name std like")
    same_twice(lambda: kernel.weight_init(seed, name, std, like))


@obligation("WI-SCALE", equation="weight_init", type="equivalence")
@given(case=wi_scale_inputs)
def test_wi_scale(kernel, case):
    """Twice the standard deviation doubles every weight."""
    seed, name, std, like = kernel.receives(case, "seed name std like")
    R, C = case.R, case.C
    r, c = grid(R, C)
    w = kernel.weight_init(seed, name, std, like)
    v = kernel.weight_init(seed, name, 2 * std, like)
    claim(all[r, c](v[r, c] == 2 * w[r, c]))


@obligation("WI-STD", equation="weight_init", type="rejection")
@given(case=wi_std_inputs)
def test_wi_std(kernel, case):
    """A standard deviation that is not positive is refused."""
    seed, name, like, wrong = kernel.receives(case, "seed name like wrong")
    rejects(kernel, "weight_init", (seed, name, wrong, like), ValueError, mentions=["std"])


@obligation("WI-PREDICTS-HALF", rule="WI-SCALE", type="falsification")
def test_wi_predicts_half(kernel):
    """Weights of deviation 1/2 are half of those of deviation 1, none is zero, and their place decides them."""
    case = example(
        {"seed": "int", "name": "text", "std": "real", "like": "f32[R, C]"},
        seed=7,
        name="layers.0.weight",
        std=0.5,
        like=[[0.0, 0.0, 0.0], [0.0, 0.0, 0.0]],
    )
    seed, name, std, like = kernel.receives(case, "seed name std like")
    R, C = case.R, case.C
    r, c = grid(R, C)
    w = kernel.weight_init(seed, name, std, like)
    v = kernel.weight_init(seed, name, 1.0, like)
    claim(all[r, c]((v[r, c] == 2 * w[r, c]) & (w[r, c] != 0)))
    claim(w[0, 0] != w[1, 0])
    claim(w[0, 0] != w[0, 1])
