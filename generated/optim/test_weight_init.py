"""optim/weight-init: Weight initialisation.

Compiled from contracts/optim/weight-init-v1.yaml: change the contract and run `albor-contracts generate`, never this file.
Meaning: bbd30abfe0506a51248cf0d353ba2b4616f051e778a3854fd97ea6e4fd31c3ba
"""

from albor_contracts.testing import (
    all, array, cases, claim, definitions, erf, example, given, grid, int, join, mean, obligation, ratio, rejects,
    same_twice, single, sqrt, statistically, sum, where,
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
