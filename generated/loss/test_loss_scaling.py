"""loss/loss-scaling: Loss scaling.

Compiled from contracts/loss/loss-scaling-v1.yaml: change the contract and run `albor-contracts generate`, never this file.
Meaning: 29b9ffb1ebfa5786a96569c2065c11fa6006c3493b4be7f42c8d44178d71cee6
"""

from albor_contracts.testing import (
    Steps, all, approx, array, cases, cast, claim, defines, definitions, dot, drawing, example, given, gradient, grid,
    inf, initialize, isfinite, max, mean, min, obligation, real, rejects, rule, run_steps, single, truth, where,
)

CONTRACT = "loss/loss-scaling"


@defines(
    "scaled_backward(x: float[T, N], w: accum[N], y: accum[T], scale: real)"
    " -> loss: accum[], dw: accum[N], finite: bool[]"
)
def scaled_backward(x, w, y, scale):
    """r = x w - y, loss = mean r^2, e = narrow(scale 2 r / T), dw = (e^T x) / scale"""
    T, N = x.shape
    t, j = grid(T, N)
    r = array[t](dot[j](x[t, j], w[j]) - y[t])
    loss = single(mean[t](r[t] * r[t]))
    e = array[t](cast(scale * 2 * r[t] / T))
    dw = array[j](dot[t](e[t], x[t, j]) / scale)
    finite = single(all[t](isfinite(e[t])))
    return loss, dw, finite


@defines("loss_scale(exponent_bits: int, wanted: real) -> scale: real")
def loss_scale(exponent_bits, wanted):
    """wanted where the format has fewer than 8 exponent bits, 1 otherwise"""
    scale = single(where(exponent_bits < 8, wanted, 1))
    return scale


@defines("unscale(s: float[N], scale: real) -> g: accum[N], finite: bool[]")
def unscale(s, scale):
    """g = s / scale, finite = every s is a finite number"""
    (N,) = s.shape
    i = grid(N)
    g = array[i](s[i] / scale)
    finite = single(all[i](isfinite(s[i])))
    return g, finite


@defines(
    "scaler_update(scale: real, good: int, finite: bool, growth: real, backoff: real, interval: int)"
    " -> scale2: real, good2: int"
)
def scaler_update(scale, good, finite, growth, backoff, interval):
    """not finite: scale backoff, 0; interval-th finite step in a row: scale growth, 0; otherwise scale, good + 1"""
    full = single(truth(finite) & truth(good + 1 >= interval))
    scale2 = single(where(finite, where(full, min(scale * growth, 16777216), scale), max(scale * backoff, 1)))
    good2 = single(where(truth(finite) & ~truth(full), good + 1, 0))
    return scale2, good2


spec = definitions(CONTRACT, scaled_backward, loss_scale, unscale, scaler_update)

scaled_backward_inputs = cases(
    dims={"T": "1..8", "N": "1..17"},
    x="float[T, N] in [-2, 2]",
    w="accum[N] in [-1, 1]",
    y="accum[T] in [-4, 4]",
    scale="real in {1, 8, 64}",
)
lsc_scales_inputs = cases(
    dims={"T": "1..8", "N": "1..17"},
    x="float[T, N] in [-2, 2]",
    w="accum[N] in [-1, 1]",
    y="accum[T] in [-4, 4]",
    scale="real in {1, 8, 64}",
    other="real in {2, 16, 128}",
)
loss_scale_inputs = cases(
    exponent_bits="int in {8, 11}",
    wanted="real in (1, 65536]",
)
unscale_inputs = cases(
    dims={"N": "1..130"},
    s="float[N] in [-60000, 60000]",
    scale="real in [1, 65536]",
    g="float[N] in {-1.5, -1, -0.125, 0.25, 1, 1.75}",
    power="int in [0, 12]",
)
lsc_flag_inputs = cases(
    dims={"N": "1..130"},
    s="float[N] in [-60000, 60000]",
    scale="real in [1, 65536]",
    at="int in [0, N)",
    side="real in {-1, 1}",
)
scaler_update_inputs = cases(
    dims={"W": "1"},
    scale="real in [1, 16777216]",
    good="int in [0, interval)",
    finite="bool",
    growth="real in [1.5, 4]",
    backoff="real in [0.25, 0.75]",
    interval="int in [1, 4]",
    f="i64[W] in {0, 1, 2, 3}",
)
lsc_tiles_inputs = cases(
    dims={"N": "2049, 4100"},
    s="float[N] in [-60000, 60000]",
    scale="real in [1, 65536]",
    at="int in [0, N)",
)
lsc_scale_inputs = cases(
    dims={"N": "1..130"},
    s="float[N] in [-60000, 60000]",
    scale="real in [1, 65536]",
    wrong="real in {-2, 0, inf}",
)
lsc_targets_inputs = cases(
    dims={"T": "2..8", "N": "1..17", "U": "1"},
    x="float[T, N] in [-2, 2]",
    w="accum[N] in [-1, 1]",
    y="accum[T] in [-4, 4]",
    scale="real in {1, 8, 64}",
    few="accum[U] in [-4, 4]",
)
lsc_settings_inputs = cases(
    scale="real in [1, 16777216]",
    good="int in [0, interval)",
    finite="bool",
    growth="real in [1, 4]",
    backoff="real in [0.25, 1]",
    interval="int in [1, 2000]",
    which="int in [0, 3]",
)
lsc_ceiling_inputs = cases(
    scale="real in [8500000, 16700000]",
    good="int in [0, interval)",
    finite="bool",
    growth="real in [2, 4]",
    backoff="real in [0.25, 1]",
    interval="int in {1}",
)
lsc_largest_inputs = cases(
    dims={"N": "5..130"},
    s="float[N] in [40000, 3.4e38]",
    scale="real in [1, 65536]",
    side="real in {-1, 1}",
)
lsc_nan_inputs = cases(
    dims={"N": "1..130"},
    s="float[N] in [-60000, 60000]",
    scale="real in [1, 65536]",
    at="int in [0, N)",
)
lsc_def_loss_scale_inputs = cases(
    exponent_bits="int in {4, 5, 8, 11}",
    wanted="real in [1, 65536]",
)
lsc_def_unscale_inputs = cases(
    dims={"N": "1..130"},
    s="float[N] in [-60000, 60000]",
    scale="real in [1, 65536]",
)
lsc_def_scaler_update_inputs = cases(
    scale="real in [1, 16777216]",
    good="int in [0, interval)",
    finite="bool",
    growth="real in [1, 4]",
    backoff="real in [0.25, 1]",
    interval="int in [1, 2000]",
)


@obligation("LSC-GRAD", equation="scaled_backward", type="gradient")
@given(case=scaled_backward_inputs)
def test_lsc_grad(kernel, case):
    """dw is the gradient of the loss that is reported, whatever the scale."""
    x, w, y, scale = kernel.receives(case, "x w y scale")
    _, dw, _ = kernel.scaled_backward(x, w, y, scale)
    (expected_dw,) = gradient(
        spec,
        "scaled_backward",
        {"x": x, "w": w, "y": y, "scale": scale},
        wrt="w",
        cotangents=(1, None, None),
    )
    claim(approx(dw, expected_dw))


@obligation("LSC-SCALES", equation="scaled_backward", type="invariance")
@given(case=lsc_scales_inputs)
def test_lsc_scales(kernel, case):
    """Loss and gradient do not depend on the scale."""
    x, w, y, scale, other = kernel.receives(case, "x w y scale other")
    loss, dw, _ = kernel.scaled_backward(x, w, y, scale)
    loss2, dw2, _ = kernel.scaled_backward(x, w, y, other)
    claim(approx(loss, loss2))
    claim(approx(dw, dw2))


@obligation("LSC-WIDE", equation="loss_scale", type="boundary")
@given(case=loss_scale_inputs)
def test_lsc_wide(kernel, case):
    """float32 and bfloat16 backward passes take no scale."""
    exponent_bits, wanted = kernel.receives(case, "exponent_bits wanted")
    claim(kernel.loss_scale(exponent_bits, wanted) == 1)


@obligation("LSC-POWER", equation="unscale", type="roundtrip")
@given(case=unscale_inputs)
def test_lsc_power(kernel, case):
    """Scaling by a power of two and unscaling gives the same numbers, bit for bit."""
    scale, g, power = kernel.receives(case, "scale g power")
    N = case.N
    i = grid(N)
    by = real(2) ** power
    scaled = array[i](by * g[i])
    back, ok = kernel.unscale(scaled, by + 0 * scale)
    claim(all[i](back[i] == g[i]))
    claim(ok)


@obligation("LSC-FLAG", equation="unscale", type="ordering")
@given(case=lsc_flag_inputs)
def test_lsc_flag(kernel, case):
    """One gradient that is not finite, wherever it stands, is reported."""
    s, scale, at, side = kernel.receives(case, "s scale at side")
    N = case.N
    i = grid(N)
    bad = array[i](where(i == at, side * inf, s[i]))
    _, ok = kernel.unscale(bad, scale)
    claim(~truth(ok))


class LscStateRun(Steps):
    """Over many steps the scale stays in its range, falls at once on overflow, and grows only after a full interval."""

    @initialize(case=scaler_update_inputs)
    def begin(self, case):
        scale, good = self.receives(case, "scale good")
        self.holds(held=scale, run=0 * good)

    @rule(draw=drawing())
    def step(self, draw):
        kernel = self.kernel
        growth, backoff, interval, f = self.receives(draw, "growth backoff interval f")
        held, run = self.held("held run")
        ok = single(f[0] > 0)
        next_held, next_run = kernel.scaler_update(held, run, ok, growth, backoff, interval)
        claim(1 <= next_held)
        claim(next_held <= 16777216)
        claim(0 <= next_run)
        claim(next_run < interval)
        claim(truth(ok) | truth(next_run == 0) & (truth(next_held < held) | truth(held == 1)))
        claim(truth(next_held <= held) | truth(ok) & truth(run + 1 == interval) & truth(next_run == 0))
        self.holds(held=next_held, run=next_run)


@obligation("LSC-STATE", equation="scaler_update", type="protocol")
def test_lsc_state(kernel):
    """Over many steps the scale stays in its range, falls at once on overflow, and grows only after a full interval."""
    run_steps(LscStateRun, scaler_update_inputs, kernel, steps=8)


@obligation("LSC-TILES", equation="unscale", type="conservation")
@given(case=lsc_tiles_inputs)
def test_lsc_tiles(kernel, case):
    """More gradients than one program takes are unscaled to the last, and one that is not finite is seen in each
    program."""
    s, scale, at = kernel.receives(case, "s scale at")
    N = case.N
    i = grid(N)
    g, fine = kernel.unscale(s, scale)
    expected, _ = spec.unscale(s, scale)
    bad = array[i](where(i == at, inf, s[i]))
    _, ok = kernel.unscale(bad, scale)
    claim(approx(g, expected))
    claim(fine)
    claim(~truth(ok))


@obligation("LSC-SCALE", equation="unscale", type="rejection")
@given(case=lsc_scale_inputs)
def test_lsc_scale(kernel, case):
    """A scale that is no positive number is refused."""
    s, wrong = kernel.receives(case, "s wrong")
    rejects(kernel, "unscale", (s, wrong), ValueError, mentions=["scale"])


@obligation("LSC-TARGETS", equation="scaled_backward", type="rejection")
@given(case=lsc_targets_inputs)
def test_lsc_targets(kernel, case):
    """Another number of targets than of rows is refused."""
    x, w, scale, few = kernel.receives(case, "x w scale few")
    rejects(kernel, "scaled_backward", (x, w, few, scale), ValueError)


@obligation("LSC-SETTINGS", equation="scaler_update", type="rejection")
@given(case=lsc_settings_inputs)
def test_lsc_settings(kernel, case):
    """Settings with which the scale falls where it should grow, grows where it should fall, or vanishes, are
    refused."""
    scale, good, finite, growth, backoff, interval, which = kernel.receives(case, "scale good finite growth backoff interval which")
    up = single(where(which == 0, 0.5, growth))
    down = single(where(which == 1, 0, where(which == 2, 1.5, backoff)))
    each = single(where(which == 3, 0, interval))
    rejects(
        kernel,
        "scaler_update",
        (scale, good, finite, up, down, each),
        ValueError,
        mentions=["growth", "backoff", "interval"],
    )


@obligation("LSC-CEILING", equation="scaler_update", type="boundary")
@given(case=lsc_ceiling_inputs)
def test_lsc_ceiling(kernel, case):
    """A scale that would grow past 2^24 grows to 2^24."""
    scale, good, growth, backoff, interval = kernel.receives(case, "scale good growth backoff interval")
    scale2, good2 = kernel.scaler_update(scale, good, True, growth, backoff, interval)
    claim(scale2 == 16777216)
    claim(good2 == 0)


@obligation("LSC-LARGEST", equation="unscale", type="boundary")
@given(case=lsc_largest_inputs)
def test_lsc_largest(kernel, case):
    """Gradients near the largest number of their type are finite, however many of one sign there are."""
    s, scale, side = kernel.receives(case, "s scale side")
    N = case.N
    i = grid(N)
    large = array[i](side * s[i])
    g, ok = kernel.unscale(large, scale)
    claim(ok)
    claim(all[i](approx(g[i], large[i] / scale)))


@obligation("LSC-NAN", equation="unscale", type="ordering")
@given(case=lsc_nan_inputs)
def test_lsc_nan(kernel, case):
    """One gradient that is no number, wherever it stands, is reported."""
    s, scale, at = kernel.receives(case, "s scale at")
    N = case.N
    i = grid(N)
    bad = array[i](where(i == at, inf - inf, s[i]))
    _, ok = kernel.unscale(bad, scale)
    claim(~truth(ok))


@obligation("LSC-DEF-LOSS_SCALE", equation="loss_scale", type="definition")
@given(case=lsc_def_loss_scale_inputs)
def test_lsc_def_loss_scale(kernel, case):
    """loss_scale computes its definition."""
    exponent_bits, wanted = kernel.receives(case, "exponent_bits wanted")
    scale = kernel.loss_scale(exponent_bits, wanted)
    expected_scale = spec.loss_scale(exponent_bits, wanted)
    claim(approx(scale, expected_scale))


@obligation("LSC-DEF-UNSCALE", equation="unscale", type="definition")
@given(case=lsc_def_unscale_inputs)
def test_lsc_def_unscale(kernel, case):
    """unscale computes its definition."""
    s, scale = kernel.receives(case, "s scale")
    g, finite = kernel.unscale(s, scale)
    expected_g, expected_finite = spec.unscale(s, scale)
    claim(approx(g, expected_g))
    claim(approx(finite, expected_finite))


@obligation("LSC-DEF-SCALED_BACKWARD", equation="scaled_backward", type="definition")
@given(case=scaled_backward_inputs)
def test_lsc_def_scaled_backward(kernel, case):
    """scaled_backward computes its definition."""
    x, w, y, scale = kernel.receives(case, "x w y scale")
    loss, dw, finite = kernel.scaled_backward(x, w, y, scale)
    expected_loss, expected_dw, expected_finite = spec.scaled_backward(x, w, y, scale)
    claim(approx(loss, expected_loss))
    claim(approx(dw, expected_dw))
    claim(approx(finite, expected_finite))


@obligation("LSC-DEF-SCALER_UPDATE", equation="scaler_update", type="definition")
@given(case=lsc_def_scaler_update_inputs)
def test_lsc_def_scaler_update(kernel, case):
    """scaler_update computes its definition."""
    scale, good, finite, growth, backoff, interval = kernel.receives(case, "scale good finite growth backoff interval")
    scale2, good2 = kernel.scaler_update(scale, good, finite, growth, backoff, interval)
    expected_scale2, expected_good2 = spec.scaler_update(scale, good, finite, growth, backoff, interval)
    claim(approx(scale2, expected_scale2))
    claim(approx(good2, expected_good2))


@obligation("LSC-T-SEVEN", rule="LSC-DEF-LOSS_SCALE", type="falsification")
def test_lsc_t_seven(kernel):
    """One exponent bit fewer than float32 has takes a scale; as many take none."""
    case = example({"exponent_bits": "int", "wanted": "real"}, exponent_bits=7, wanted=1024.0)
    exponent_bits, wanted = kernel.receives(case, "exponent_bits wanted")
    fewer = kernel.loss_scale(exponent_bits, wanted)
    same = kernel.loss_scale(exponent_bits + 1, wanted)
    claim(fewer == 1024)
    claim(same == 1)


@obligation("LSC-T-CONSTANT", rule="LSC-DEF-SCALER_UPDATE", type="falsification")
def test_lsc_t_constant(kernel):
    """Factors and interval of 1 are allowed: the scale stays where it is, whatever happens."""
    case = example(
        {"scale": "real", "good": "int", "finite": "bool", "growth": "real", "backoff": "real", "interval": "int"},
        scale=1024.0,
        good=0,
        finite=True,
        growth=1.0,
        backoff=1.0,
        interval=1,
    )
    scale, good, finite, growth, backoff, interval = kernel.receives(case, "scale good finite growth backoff interval")
    scale2, good2 = kernel.scaler_update(scale, good, finite, growth, backoff, interval)
    scale3, good3 = kernel.scaler_update(scale2, good2, ~truth(finite), growth, backoff, interval)
    claim(scale2 == 1024)
    claim(good2 == 0)
    claim(scale3 == 1024)
    claim(good3 == 0)


@obligation("LSC-T-INTERVAL", rule="LSC-DEF-SCALER_UPDATE", type="falsification")
def test_lsc_t_interval(kernel):
    """With an interval of 3, the third finite step doubles the scale and starts to count again."""
    case = example(
        {"scale": "real", "good": "int", "finite": "bool", "growth": "real", "backoff": "real", "interval": "int"},
        scale=1024.0,
        good=2,
        finite=True,
        growth=2.0,
        backoff=0.5,
        interval=3,
    )
    scale, good, finite, growth, backoff, interval = kernel.receives(case, "scale good finite growth backoff interval")
    scale2, good2 = kernel.scaler_update(scale, good, finite, growth, backoff, interval)
    claim(scale2 == 2048)
    claim(good2 == 0)


@obligation("LSC-T-OVERFLOW", rule="LSC-STATE", type="falsification")
def test_lsc_t_overflow(kernel):
    """An overflow halves the scale and forgets the finite steps before it."""
    case = example(
        {"scale": "real", "good": "int", "finite": "bool", "growth": "real", "backoff": "real", "interval": "int", "f": "i64[W]"},
        scale=1024.0,
        good=1,
        finite=False,
        growth=2.0,
        backoff=0.5,
        interval=3,
        f=[0],
    )
    scale, good, finite, growth, backoff, interval = kernel.receives(case, "scale good finite growth backoff interval")
    scale2, good2 = kernel.scaler_update(scale, good, finite, growth, backoff, interval)
    claim(scale2 == 512)
    claim(good2 == 0)


@obligation("LSC-T-NAN", rule="LSC-FLAG", type="falsification")
def test_lsc_t_nan(kernel):
    """NaN is not finite, and the other gradients are unscaled all the same."""
    case = example(
        {"s": "float[N]", "scale": "real", "at": "int", "side": "real"},
        s=[8.0, float("nan"), -2.0],
        scale=4.0,
        at=0,
        side=1.0,
    )
    s, scale = kernel.receives(case, "s scale")
    g, ok = kernel.unscale(s, scale)
    claim(~truth(ok))
    claim(g[0] == 2)
    claim(g[2] == -0.5)


@obligation("LSC-T-NUMBERS", rule="LSC-GRAD", type="falsification")
def test_lsc_t_numbers(kernel):
    """x = 2, w = 3, y = 5: the loss is 1 and its slope 4, at a scale of 64 too."""
    case = example(
        {"x": "float[T, N]", "w": "accum[N]", "y": "accum[T]", "scale": "real"},
        x=[[2.0]],
        w=[3.0],
        y=[5.0],
        scale=64.0,
    )
    x, w, y, scale = kernel.receives(case, "x w y scale")
    loss, dw, finite = kernel.scaled_backward(x, w, y, scale)
    claim(loss == 1)
    claim(dw[0] == 4)
    claim(finite)
