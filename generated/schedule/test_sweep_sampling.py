"""schedule/sweep-sampling: Sampling of a sweep.

Compiled from contracts/schedule/sweep-sampling-v1.yaml: change the contract and run `albor-contracts generate`, never this file.
Meaning: 45c4a0deaf4a9971411fc090ee74da5f2a1c9f1565880cb5fea9a3bc7045c08d
"""

from albor_contracts.testing import (
    abs, all, any, approx, array, cases, claim, defines, definitions, exact, example, exp, given, grid, int, join, log,
    max, mean, min, obligation, ratio, rejects, same_twice, single, sqrt, statistically, sum, where,
)

CONTRACT = "schedule/sweep-sampling"


@defines("log_uniform_at(u: f64[N], low: real, high: real) -> x: f64[N]")
def log_uniform_at(u, low, high):
    """x = low (high / low)^u, within [low, high]"""
    (N,) = u.shape
    i = grid(N)
    x = array[i](low * exp(u[i] * log(ratio(high, low))))
    return x


spec = definitions(
    CONTRACT,
    log_uniform_at,
    "log_uniform(seed: int, name: text, low: real, high: real, like: f64[N]) -> x: f64[N]",
    "choice(seed: int, name: text, options: int, like: f64[N]) -> k: i64[N]",
)

log_uniform_at_inputs = cases(
    dims={"N": "1..17"},
    assume=("low < high",),
    u="f64[N] in [0, 1]",
    low="real in [1e-06, 0.01]",
    high="real in [0.01, 10]",
)
log_uniform_inputs = cases(
    dims={"N": "33"},
    seed="int in [0, 2**31)",
    name="text length 1..12",
    low="real in [1e-06, 0.01]",
    high="real in [0.02, 10]",
    like="f64[N] in [0, 1]",
)
swp_log_inputs = cases(
    dims={"N": "4096"},
    seed="int in [0, 2**31)",
    name="text length 1..12",
    low="real in [1e-06, 0.01]",
    high="real in [0.02, 10]",
    like="f64[N] in [0, 1]",
    t="real in {0.02, 0.1, 0.25, 0.5, 0.75, 0.9, 0.98}",
)
swp_apart_inputs = cases(
    dims={"N": "4096"},
    seed="int in [0, 2**31)",
    name="text length 1..12",
    low="real in [1e-06, 0.01]",
    high="real in [0.02, 10]",
    like="f64[N] in [0, 1]",
    distance="int in {0, 1, 2, 64}",
    which="bool",
)
choice_inputs = cases(
    dims={"N": "4096"},
    seed="int in [0, 2**31)",
    name="text length 1..12",
    options="int in [2, 7]",
    like="f64[N] in [0, 1]",
    which="int in {0, 1, 2}",
)
swp_many_inputs = cases(
    dims={"N": "4096"},
    seed="int in [0, 2**31)",
    name="text length 1..12",
    options="int in {160, 170, 180, 50000}",
    like="f64[N] in [0, 1]",
)
swp_choices_inputs = cases(
    dims={"N": "4096"},
    seed="int in [0, 2**31)",
    name="text length 1..12",
    options="int in [2, 7]",
    like="f64[N] in [0, 1]",
)
swp_keys_inputs = cases(
    dims={"N": "8"},
    seed="int in [0, 2**24)",
    name="text length 1..12",
    low="real in [1e-06, 0.01]",
    high="real in [0.02, 10]",
    like="f64[N] in [0, 1]",
)
swp_choice_keys_inputs = cases(
    dims={"N": "96"},
    seed="int in [0, 2**24)",
    name="text length 1..12",
    options="int in [2, 7]",
    like="f64[N] in [0, 1]",
)
swp_choice_places_inputs = cases(
    dims={"N": "2048"},
    seed="int in [0, 2**31)",
    name="text length 1..12",
    options="int in {2, 3, 5}",
    like="f64[N] in [0, 1]",
    distance="int in {1, 2, 64}",
)
swp_choices_apart_inputs = cases(
    dims={"N": "2048"},
    seed="int in [0, 2**31)",
    name="text length 1..12",
    options="int in {2, 3, 5}",
    like="f64[N] in [0, 1]",
    which="bool",
)
swp_more_inputs = cases(
    dims={"N": "1..9", "M": "9..40"},
    seed="int in [0, 2**31)",
    name="text length 1..12",
    low="real in [1e-06, 0.01]",
    high="real in [0.02, 10]",
    like="f64[N] in [0, 1]",
    more="f64[M] in [0, 1]",
)
swp_repeat_inputs = cases(
    dims={"N": "9"},
    seed="int in [0, 2**31)",
    name="text length 1..12",
    low="real in [1e-06, 0.01]",
    high="real in [0.02, 10]",
    like="f64[N] in [0, 1]",
)
swp_bounds_inputs = cases(
    dims={"N": "3"},
    seed="int in [0, 2**31)",
    name="text length 1..12",
    low="real in [1e-06, 0.01]",
    high="real in [0.02, 10]",
    like="f64[N] in [0, 1]",
    wrong="real in {0, -5, nan, 20, inf}",
)
swp_no_options_inputs = cases(
    dims={"N": "3"},
    seed="int in [0, 2**31)",
    name="text length 1..12",
    options="int in [2, 7]",
    like="f64[N] in [0, 1]",
    none="int in [-2, 0]",
)


@obligation("SWP-RATIOS", equation="log_uniform_at", type="equivalence")
@given(case=log_uniform_at_inputs)
def test_swp_ratios(kernel, case):
    """The middle of the interval is the geometric mean of its ends, and the ends are themselves."""
    u, low, high = kernel.receives(case, "u low high")
    N = case.N
    i = grid(N)
    e = array[i](0.5 + 0 * u[i])
    z = array[i](0 * u[i])
    o = array[i](1 + 0 * u[i])
    middle = kernel.log_uniform_at(e, low, high)
    first = kernel.log_uniform_at(z, low, high)
    last = kernel.log_uniform_at(o, low, high)
    claim(all[i](approx(middle[i] * middle[i], low * high) & approx(first[i], low) & approx(last[i], high)))


@obligation("SWP-RANGE", equation="log_uniform", type="bound")
@given(case=log_uniform_inputs)
def test_swp_range(kernel, case):
    """No value lies outside [low, high], by a rounding neither."""
    seed, name, low, high, like = kernel.receives(case, "seed name low high like")
    N = case.N
    n = grid(N)
    x = kernel.log_uniform(seed, name, low, high, like)
    claim(all[n](x[n] >= low))
    claim(all[n](x[n] <= high))


@obligation("SWP-LOG", equation="log_uniform", type="statistical")
@given(case=swp_log_inputs)
def test_swp_log(kernel, case):
    """The share of trials below low (high / low)^t is t."""
    seed, name, low, high, like, t = kernel.receives(case, "seed name low high like t")
    N = case.N
    i = grid(N)
    x = kernel.log_uniform(seed, name, low, high, like)
    statistically(
        statistic=mean[i](int(x[i] < low * exp(t * log(ratio(high, low))))),
        expect=t,
        variance=t * (1 - t),
        observations=N,
        detects=0.1,
        trials=10000,
        false_alarm=1e-09,
    )


@obligation("SWP-APART", equation="log_uniform", type="statistical", cost=2)
@given(case=swp_apart_inputs)
def test_swp_apart(kernel, case):
    """Trials at any distance, and equal trials of two names or two seeds, lie on the same side of the middle half of
    the time."""
    seed, name, low, high, like, distance, which = kernel.receives(case, "seed name low high like distance which")
    N = case.N
    i = grid(N)
    x = kernel.log_uniform(seed, name, low, high, like)
    y = kernel.log_uniform(seed + where(which, 1, 0), join(name, where(which, '', 'b')), low, high, like)
    middle = single(sqrt(low * high))
    beside = single(sum[i](int((x[i] < middle) == (x[(i + distance) % N] < middle)), where=i % (2 * max(distance, 1)) < max(distance, 1)))
    across = single(sum[i](int((x[i] < middle) == (y[i] < middle)), where=i % (2 * max(distance, 1)) < max(distance, 1)))
    statistically(
        statistic=ratio(where(distance == 0, across, beside), N // 2),
        expect=0.5,
        variance=0.25,
        observations=N // 2,
        detects=0.2,
        trials=10000,
        false_alarm=1e-09,
    )


@obligation("SWP-CHOICE", equation="choice", type="statistical")
@given(case=choice_inputs)
def test_swp_choice(kernel, case):
    """Each of the choices is drawn with probability 1 / options, the first and the last too."""
    seed, name, options, like, which = kernel.receives(case, "seed name options like which")
    N = case.N
    i = grid(N)
    k = kernel.choice(seed, name, options, like)
    at = single(where(which == 0, 0, where(which == 1, options - 1, options // 2)))
    statistically(
        statistic=mean[i](int(k[i] == at)),
        expect=ratio(1, options),
        variance=ratio(1, options) * (1 - ratio(1, options)),
        observations=N,
        detects=ratio(0.5, options),
        trials=10000,
        false_alarm=1e-09,
    )


@obligation("SWP-MANY", equation="choice", type="statistical")
@given(case=swp_many_inputs)
def test_swp_many(kernel, case):
    """Of many choices, too, the first half is drawn half of the time: of 160, 170, 180 or 50,000, which divide no power
    of two."""
    seed, name, options, like = kernel.receives(case, "seed name options like")
    N = case.N
    i = grid(N)
    k = kernel.choice(seed, name, options, like)
    statistically(
        statistic=mean[i](int(2 * k[i] < options)),
        expect=0.5,
        variance=0.25,
        observations=N,
        detects=0.1,
        trials=10000,
        false_alarm=1e-09,
    )


@obligation("SWP-CHOICES", equation="choice", type="bound")
@given(case=swp_choices_inputs)
def test_swp_choices(kernel, case):
    """A choice is one of 0 ... options - 1."""
    seed, name, options, like = kernel.receives(case, "seed name options like")
    N = case.N
    n = grid(N)
    k = kernel.choice(seed, name, options, like)
    claim(all[n](k[n] >= 0))
    claim(all[n](k[n] <= options - 1))


@obligation("SWP-KEYS", equation="log_uniform", type="conservation")
@given(case=swp_keys_inputs)
def test_swp_keys(kernel, case):
    """Seeds that differ in any part, names that differ at their end alone, and a digit of the seed that moves to the
    name give other trials."""
    seed, name, low, high, like = kernel.receives(case, "seed name low high like")
    N = case.N
    i = grid(N)
    x = kernel.log_uniform(seed, name, low, high, like)
    x1 = kernel.log_uniform(seed + 256, name, low, high, like)
    x2 = kernel.log_uniform(seed + 65536, name, low, high, like)
    x3 = kernel.log_uniform(seed + 2 ** 24, name, low, high, like)
    x4 = kernel.log_uniform(seed + 2 ** 30, name, low, high, like)
    y = kernel.log_uniform(seed, join(name, '.groups.decayed.attention.learning_rate.0'), low, high, like)
    y1 = kernel.log_uniform(seed, join(name, '.groups.decayed.attention.learning_rate.1'), low, high, like)
    z = kernel.log_uniform(seed, join('2', name), low, high, like)
    z1 = kernel.log_uniform(seed * 10 + 2, name, low, high, like)
    v = kernel.log_uniform(2, join(name, '1'), low, high, like)
    v1 = kernel.log_uniform(12, name, low, high, like)
    claim(any[i](~exact(x[i], x1[i])))
    claim(any[i](~exact(x[i], x2[i])))
    claim(any[i](~exact(x[i], x3[i])))
    claim(any[i](~exact(x[i], x4[i])))
    claim(any[i](~exact(y[i], y1[i])))
    claim(any[i](~exact(z[i], z1[i])))
    claim(any[i](~exact(v[i], v1[i])))


@obligation("SWP-CHOICE-KEYS", equation="choice", type="conservation")
@given(case=swp_choice_keys_inputs)
def test_swp_choice_keys(kernel, case):
    """Another seed and another name, however little they differ, give other choices: among 96 trials one at least."""
    seed, name, options, like = kernel.receives(case, "seed name options like")
    N = case.N
    i = grid(N)
    x = kernel.choice(seed, name, options, like)
    x1 = kernel.choice(seed + 1, name, options, like)
    x2 = kernel.choice(seed + 256, name, options, like)
    x3 = kernel.choice(seed + 65536, name, options, like)
    x4 = kernel.choice(seed + 2 ** 24, name, options, like)
    x5 = kernel.choice(seed + 2 ** 30, name, options, like)
    y = kernel.choice(seed, join(name, '.groups.decayed.attention.learning_rate.0'), options, like)
    y1 = kernel.choice(seed, join(name, '.groups.decayed.attention.learning_rate.1'), options, like)
    z = kernel.choice(seed, join('2', name), options, like)
    z1 = kernel.choice(seed * 10 + 2, name, options, like)
    v = kernel.choice(2, join(name, '1'), options, like)
    v1 = kernel.choice(12, name, options, like)
    claim(any[i](~exact(x[i], x1[i])))
    claim(any[i](~exact(x[i], x2[i])))
    claim(any[i](~exact(x[i], x3[i])))
    claim(any[i](~exact(x[i], x4[i])))
    claim(any[i](~exact(x[i], x5[i])))
    claim(any[i](~exact(x[i], y[i])))
    claim(any[i](~exact(y[i], y1[i])))
    claim(any[i](~exact(z[i], z1[i])))
    claim(any[i](~exact(v[i], v1[i])))


@obligation("SWP-CHOICE-PLACES", equation="choice", type="statistical")
@given(case=swp_choice_places_inputs)
def test_swp_choice_places(kernel, case):
    """Choices of two trials, at any distance, agree with probability 1 / options."""
    seed, name, options, like, distance = kernel.receives(case, "seed name options like distance")
    N = case.N
    i = grid(N)
    k = kernel.choice(seed, name, options, like)
    agree = single(sum[i](int(k[i] == k[(i + distance) % N]), where=i % (2 * distance) < distance))
    statistically(
        statistic=ratio(agree, N // 2),
        expect=ratio(1, options),
        variance=ratio(1, options) * (1 - ratio(1, options)),
        observations=N // 2,
        detects=ratio(0.9, options),
        trials=10000,
        false_alarm=1e-09,
    )


@obligation("SWP-CHOICES-APART", equation="choice", type="statistical", cost=2)
@given(case=swp_choices_apart_inputs)
def test_swp_choices_apart(kernel, case):
    """Choices of equal trials under two names, or two seeds, agree with probability 1 / options."""
    seed, name, options, like, which = kernel.receives(case, "seed name options like which")
    N = case.N
    i = grid(N)
    k = kernel.choice(seed, name, options, like)
    l = kernel.choice(seed + where(which, 1, 0), join(name, where(which, '', 'b')), options, like)
    statistically(
        statistic=mean[i](int(k[i] == l[i])),
        expect=ratio(1, options),
        variance=ratio(1, options) * (1 - ratio(1, options)),
        observations=N,
        detects=ratio(0.7, options),
        trials=10000,
        false_alarm=1e-09,
    )


@obligation("SWP-MORE", equation="log_uniform", type="invariance")
@given(case=swp_more_inputs)
def test_swp_more(kernel, case):
    """A sweep with more trials begins with the trials of the smaller one."""
    seed, name, low, high, like, more = kernel.receives(case, "seed name low high like more")
    N, M = case.N, case.M
    i = grid(N)
    x = kernel.log_uniform(seed, name, low, high, like)
    y = kernel.log_uniform(seed, name, low, high, more)
    claim(all[i](exact(x[i], y[min(i, M - 1)])))


@obligation("SWP-REPEAT", equation="log_uniform", type="determinism")
@given(case=swp_repeat_inputs)
def test_swp_repeat(kernel, case):
    """Equal seeds and names give equal bits."""
    seed, name, low, high, like = kernel.receives(case, "seed name low high like")
    same_twice(lambda: kernel.log_uniform(seed, name, low, high, like))


@obligation("SWP-BOUNDS", equation="log_uniform", type="rejection")
@given(case=swp_bounds_inputs)
def test_swp_bounds(kernel, case):
    """A lower end that is not positive, or not below the upper end, is refused."""
    seed, name, high, like, wrong = kernel.receives(case, "seed name high like wrong")
    rejects(kernel, "log_uniform", (seed, name, wrong, high, like), ValueError, mentions=["low"])


@obligation("SWP-NO-OPTIONS", equation="choice", type="rejection")
@given(case=swp_no_options_inputs)
def test_swp_no_options(kernel, case):
    """A choice among nothing is refused."""
    seed, name, like, none = kernel.receives(case, "seed name like none")
    rejects(kernel, "choice", (seed, name, none, like), ValueError, mentions=["options"])


@obligation("SWP-DEF-LOG_UNIFORM_AT", equation="log_uniform_at", type="definition")
@given(case=log_uniform_at_inputs)
def test_swp_def_log_uniform_at(kernel, case):
    """log_uniform_at computes its definition."""
    u, low, high = kernel.receives(case, "u low high")
    x = kernel.log_uniform_at(u, low, high)
    expected_x = spec.log_uniform_at(u, low, high)
    claim(approx(x, expected_x))


@obligation("SWP-PREDICTS-MIDDLE", rule="SWP-RATIOS", type="falsification")
def test_swp_predicts_middle(kernel):
    """Between 1e-5 and 1e-3 the middle is 1e-4, not 5.05e-4; a quarter is 3.16e-5."""
    case = example({"u": "f64[N]", "low": "real", "high": "real"}, u=[0.5, 0.25], low=1e-05, high=0.001)
    u, low, high = kernel.receives(case, "u low high")
    x = kernel.log_uniform_at(u, low, high)
    claim(approx(x[0] * x[0], low * high))
    claim(abs(x[0] - 0.0001) < 1e-12)
    claim(abs(x[1] - 3.1622776601683795e-05) < 1e-12)


@obligation("SWP-PREDICTS-ONE-RATE", rule="SWP-BOUNDS", type="falsification")
def test_swp_predicts_one_rate(kernel):
    """An interval from 0.5 to 0.5 is none."""
    case = example(
        {"seed": "int", "name": "text", "low": "real", "high": "real", "like": "f64[N]", "wrong": "real"},
        seed=1,
        name="rate",
        low=0.01,
        high=0.5,
        like=[0, 0, 0],
        wrong=0.5,
    )
    seed, name, high, like, wrong = kernel.receives(case, "seed name high like wrong")
    rejects(kernel, "log_uniform", (seed, name, wrong, high, like), ValueError, mentions=["low"])


@obligation("SWP-PREDICTS-NO-END", rule="SWP-BOUNDS", type="falsification")
def test_swp_predicts_no_end(kernel):
    """An interval without an upper end is refused."""
    case = example(
        {"seed": "int", "name": "text", "low": "real", "high": "real", "like": "f64[N]", "wrong": "real"},
        seed=1,
        name="rate",
        low=0.01,
        high=float("inf"),
        like=[0, 0, 0],
        wrong=0.01,
    )
    seed, name, high, like, wrong = kernel.receives(case, "seed name high like wrong")
    rejects(kernel, "log_uniform", (seed, name, wrong, high, like), ValueError, mentions=["low"])


@obligation("SWP-PREDICTS-ONE-OPTION", rule="SWP-CHOICES", type="falsification")
def test_swp_predicts_one_option(kernel):
    """Of one option the first is always taken."""
    case = example(
        {"seed": "int", "name": "text", "options": "int", "like": "f64[N]"},
        seed=1,
        name="layers",
        options=1,
        like=[0, 0, 0],
    )
    seed, name, options, like = kernel.receives(case, "seed name options like")
    N = case.N
    i = grid(N)
    k = kernel.choice(seed, name, options, like)
    claim(all[i](k[i] == 0))
