"""optim/zclip: Gradient clipping by z-score.

Compiled from contracts/optim/zclip-v1.yaml: change the contract and run `albor-contracts generate`, never this file.
Meaning: 2b6668e6a9e9fc58ad6a50d4307ace0881995a9eca926504d251f4124e4d44ff
"""

from albor_contracts.testing import (
    Steps, approx, cases, claim, defines, definitions, drawing, exact, example, given, initialize, max, obligation,
    rejects, rule, run_steps, single, sqrt, truth, where,
)

CONTRACT = "optim/zclip"


@defines(
    "zclip(norm: real, centre: real, variance: real, decay: real, threshold: real)"
    " -> target: real, mean2: real, variance2: real"
)
def zclip(norm, centre, variance, decay, threshold):
    """target = norm if norm <= centre + threshold sigma, else centre + threshold^2 variance / (norm - centre)"""
    spike = single(truth(variance > 0) & truth(norm > centre + threshold * sqrt(variance)))
    target = single(where(spike, centre + threshold * threshold * variance / max(norm - centre, 1e-30), norm))
    mean2 = single(decay * centre + (1 - decay) * target)
    variance2 = single(decay * variance + (1 - decay) * (target - mean2) * (target - mean2))
    return target, mean2, variance2


spec = definitions(CONTRACT, zclip)

zclip_inputs = cases(
    norm="real in [0, 100]",
    centre="real in [0.1, 10]",
    variance="real in [0.01, 4] or {0}",
    decay="real in [0.5, 0.99]",
    threshold="real in [1, 4]",
)
zc_ordinary_inputs = cases(
    norm="real in [0, 100]",
    centre="real in [0.1, 10]",
    variance="real in [0.01, 4] or {0}",
    decay="real in [0.5, 0.99]",
    threshold="real in [1, 4]",
    share="real in [0, 0.99]",
)
zc_harder_inputs = cases(
    norm="real in [0, 100]",
    centre="real in [0.1, 10]",
    variance="real in [0.01, 4]",
    decay="real in [0.5, 0.99]",
    threshold="real in [1, 4]",
    far="real in [1.5, 3]",
    further="real in [3.5, 9]",
)
zc_units_inputs = cases(
    norm="real in [0, 100]",
    centre="real in [0.1, 10]",
    variance="real in [0.01, 4]",
    decay="real in [0.5, 0.99]",
    threshold="real in [1, 4]",
    c="real in [0.25, 4]",
    far="real in [-1, 3]",
)
zc_small_inputs = cases(
    norm="real in [10, 100]",
    centre="real in [0.1, 10]",
    variance="real in [0.01, 4]",
    decay="real in [0.5, 0.99]",
    threshold="real in [1, 4]",
    c="real in {1e-6, 1e-9}",
)
zc_steady_inputs = cases(
    norm="real in [0, 100]",
    centre="real in [0.1, 10]",
    variance="real in [0.01, 4]",
    decay="real in [0.9, 0.99]",
    threshold="real in [1, 3]",
)
zc_finite_inputs = cases(
    norm="real in [0, 100]",
    centre="real in [0.1, 10]",
    variance="real in [0.01, 4] or {0}",
    decay="real in [0.5, 0.99]",
    threshold="real in [1, 4]",
    bad="real in {nan, inf}",
)
zc_unknown_inputs = cases(
    norm="real in [0.5, 100]",
    centre="real in [0.1, 10]",
    variance="real in [0.01, 4] or {0}",
    decay="real in [0.5, 0.99]",
    threshold="real in [1, 4]",
    memory="real in {0, 0.5}",
)
zc_settings_inputs = cases(
    norm="real in [0, 100]",
    centre="real in [0.1, 10]",
    variance="real in [0.01, 4] or {0}",
    decay="real in [0.5, 0.99]",
    threshold="real in [1, 4]",
    which="int in [0, 3]",
)


@obligation("ZC-BELOW", equation="zclip", type="bound")
@given(case=zclip_inputs)
def test_zc_below(kernel, case):
    """A gradient is never made longer; where anything is known it ends at most threshold standard deviations above the
    mean."""
    norm, centre, variance, decay, threshold = kernel.receives(case, "norm centre variance decay threshold")
    target, _, _ = kernel.zclip(norm, centre, variance, decay, threshold)
    claim(target <= norm)
    claim(truth(variance == 0) | truth(target <= centre + threshold * sqrt(variance)))


@obligation("ZC-ORDINARY", equation="zclip", type="boundary")
@given(case=zc_ordinary_inputs)
def test_zc_ordinary(kernel, case):
    """A norm that is no spike stays bit by bit as it is, far below the mean too."""
    centre, variance, decay, threshold, share = kernel.receives(case, "centre variance decay threshold share")
    usual = single(share * (centre + threshold * sqrt(variance)))
    target, _, _ = kernel.zclip(usual, centre, variance, decay, threshold)
    claim(exact(target, usual))


@obligation("ZC-HARDER", equation="zclip", type="monotonicity")
@given(case=zc_harder_inputs)
def test_zc_harder(kernel, case):
    """The larger the spike, the shorter what is left of it; and never shorter than the mean."""
    centre, variance, decay, threshold, far, further = kernel.receives(case, "centre variance decay threshold far further")
    sigma = single(sqrt(variance))
    a, _, _ = kernel.zclip(centre + far * threshold * sigma, centre, variance, decay, threshold)
    b, _, _ = kernel.zclip(centre + further * threshold * sigma, centre, variance, decay, threshold)
    claim(b < a)
    claim(centre <= b)
    claim(approx(a, centre + threshold * sigma / far))


@obligation("ZC-UNITS", equation="zclip", type="homogeneity")
@given(case=zc_units_inputs)
def test_zc_units(kernel, case):
    """Norms in another unit give the same decisions."""
    centre, variance, decay, threshold, c, far = kernel.receives(case, "centre variance decay threshold c far")
    near = single(max(0, centre + far * threshold * sqrt(variance)))
    a, m, v = kernel.zclip(near, centre, variance, decay, threshold)
    b, m2, v2 = kernel.zclip(c * near, c * centre, c * c * variance, decay, threshold)
    claim(approx(b, c * a))
    claim(approx(m2, c * m))
    claim(approx(v2, c * c * v))


@obligation("ZC-SMALL", equation="zclip", type="homogeneity")
@given(case=zc_small_inputs)
def test_zc_small(kernel, case):
    """Norms of a millionth, and of less, give the decisions of a million times larger ones: no constant stands beside
    the deviation."""
    norm, centre, variance, decay, threshold, c = kernel.receives(case, "norm centre variance decay threshold c")
    a, m, v = kernel.zclip(norm, centre, variance, decay, threshold)
    b, m2, v2 = kernel.zclip(c * norm, c * centre, c * c * variance, decay, threshold)
    claim(approx(b, c * a))
    claim(approx(m2, c * m))
    claim(approx(v2, c * c * v))


class ZcSteadyRun(Steps):
    """Spikes of any size leave the mean where mean and deviation put it: it never exceeds the largest ordinary norm."""

    @initialize(case=zc_steady_inputs)
    def begin(self, case):
        centre, variance = self.receives(case, "centre variance")
        self.holds(n=0, mk=centre, vk=variance)

    @rule(draw=drawing())
    def step(self, draw):
        kernel = self.kernel
        decay, threshold = self.receives(draw, "decay threshold")
        n, mk, vk = self.held("n mk vk")
        limit = single(mk + threshold * sqrt(vk))
        target, next_mk, next_vk = kernel.zclip(1000.0, mk, vk, decay, threshold)
        next_n = n + 1
        claim(next_mk <= limit)
        claim(approx(next_mk, decay * mk + (1 - decay) * target))
        claim(next_vk >= 0)
        self.holds(n=next_n, mk=next_mk, vk=next_vk)


@obligation("ZC-STEADY", equation="zclip", type="protocol")
def test_zc_steady(kernel):
    """Spikes of any size leave the mean where mean and deviation put it: it never exceeds the largest ordinary norm."""
    run_steps(ZcSteadyRun, zc_steady_inputs, kernel, steps=4)


@obligation("ZC-FINITE", equation="zclip", type="rejection")
@given(case=zc_finite_inputs)
def test_zc_finite(kernel, case):
    """A norm that is not finite is refused."""
    centre, variance, decay, threshold, bad = kernel.receives(case, "centre variance decay threshold bad")
    rejects(kernel, "zclip", (bad, centre, variance, decay, threshold), ValueError, mentions=["norm"])


@obligation("ZC-UNKNOWN", equation="zclip", type="boundary")
@given(case=zc_unknown_inputs)
def test_zc_unknown(kernel, case):
    """While the variance is 0 nothing is clipped, however far the norm is from the mean; a decay of 0 is allowed, and
    leaves that norm as the mean."""
    norm, centre, threshold, memory = kernel.receives(case, "norm centre threshold memory")
    target, mean2, variance2 = kernel.zclip(norm, centre, 0.0, memory, threshold)
    claim(exact(target, norm))
    claim(approx(mean2, memory * centre + (1 - memory) * norm))
    claim(variance2 >= 0)


@obligation("ZC-SETTINGS", equation="zclip", type="rejection")
@given(case=zc_settings_inputs)
def test_zc_settings(kernel, case):
    """A variance below 0, a decay outside [0, 1) and a threshold that is not positive are refused."""
    norm, centre, variance, decay, threshold, which = kernel.receives(case, "norm centre variance decay threshold which")
    rejects(
        kernel,
        "zclip",
        (norm, centre, where(which == 0, -1, variance), where(which == 1, 1, where(which == 2, -0.5, decay)), where(which == 3, 0, threshold)),
        ValueError,
        mentions=["variance", "decay", "threshold"],
    )


@obligation("ZC-DEF-ZCLIP", equation="zclip", type="definition")
@given(case=zclip_inputs)
def test_zc_def_zclip(kernel, case):
    """zclip computes its definition."""
    norm, centre, variance, decay, threshold = kernel.receives(case, "norm centre variance decay threshold")
    target, mean2, variance2 = kernel.zclip(norm, centre, variance, decay, threshold)
    expected_target, expected_mean2, expected_variance2 = spec.zclip(norm, centre, variance, decay, threshold)
    claim(approx(target, expected_target))
    claim(approx(mean2, expected_mean2))
    claim(approx(variance2, expected_variance2))


@obligation("ZC-FT-HAND", rule="ZC-HARDER", type="falsification")
def test_zc_ft_hand(kernel):
    """Mean 1, variance 4, threshold 2: a norm of 9 is 4 deviations out and is scaled to 1 + 4 4 / 8 = 3; then the mean
    is 2."""
    case = example(
        {"norm": "real", "centre": "real", "variance": "real", "decay": "real", "threshold": "real", "far": "real", "further": "real"},
        norm=9.0,
        centre=1.0,
        variance=4.0,
        decay=0.5,
        threshold=2.0,
        far=2.0,
        further=4.0,
    )
    norm, centre, variance, decay, threshold = kernel.receives(case, "norm centre variance decay threshold")
    target, mean2, variance2 = kernel.zclip(norm, centre, variance, decay, threshold)
    claim(approx(target, 3))
    claim(approx(mean2, 2))
    claim(approx(variance2, 2.5))
