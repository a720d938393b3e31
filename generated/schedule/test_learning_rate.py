"""schedule/learning-rate: Learning-rate schedules.

Compiled from contracts/schedule/learning-rate-v1.yaml: change the contract and run `albor-contracts generate`, never this file.
Meaning: 3a4d5faa0b0e8a6b2be1cf497f6f35ed30d497b9c7337458e6ee08171f33cba7
"""

from albor_contracts.testing import (
    abs, all, approx, array, cases, claim, clip, cos, defines, definitions, exact, example, given, grid, inf, max, min,
    obligation, ratio, rejects, single, truth, where,
)

CONTRACT = "schedule/learning-rate"


@defines("wsd(step: int, warmup: int, stable: int, total: int, peak: real, lowest: real) -> rate: real")
def wsd(step, warmup, stable, total, peak, lowest):
    """linear warm-up to `warmup`, the peak to `stable`, cosine decay to `lowest` at `total`"""
    progress = single(clip(ratio(step - stable, max(1, total - stable)), 0, 1))
    inside = single(lowest + (peak - lowest) / 2 * (1 + cos(3.141592653589793 * progress)))
    decay = single(where(step >= total, lowest, inside))
    rate = single(where(step < warmup, peak * step / max(1, warmup), where(step <= stable, peak, decay)))
    return rate


@defines("cosine_decay(step: int, start: int, end: int, peak: real, lowest: real) -> rate: real")
def cosine_decay(step, start, end, peak, lowest):
    """rate = lowest + (peak - lowest) / 2 (1 + cos(pi (step - start) / (end - start))), peak until start, lowest from
    end on"""
    progress = single(clip(ratio(step - start, end - start), 0, 1))
    inside = single(lowest + (peak - lowest) / 2 * (1 + cos(3.141592653589793 * progress)))
    rate = single(where(step <= start, peak, where(step >= end, lowest, inside)))
    return rate


@defines("linear_warmup(step: int, warmup: int, peak: real) -> rate: real")
def linear_warmup(step, warmup, peak):
    """rate = peak min(step / warmup, 1), peak without a warm-up"""
    rate = single(where(step < warmup, peak * step / max(1, warmup), peak))
    return rate


@defines("wsd_marks(total: int, warmup_percent: int, decay_percent: int) -> warmup: int, stable: int")
def wsd_marks(total, warmup_percent, decay_percent):
    """warmup = floor(total w / 100), stable = total - floor(total d / 100)"""
    warmup = total * warmup_percent // 100
    stable = total - total * decay_percent // 100
    return warmup, stable


@defines(
    "group_rates(factors: f64[G], step: int, warmup: int, stable: int, total: int, peak: real, lowest: real)"
    " -> rates: f64[G]"
)
def group_rates(factors, step, warmup, stable, total, peak, lowest):
    """rates = factors wsd(step)"""
    (G,) = factors.shape
    g = grid(G)
    progress = single(clip(ratio(step - stable, max(1, total - stable)), 0, 1))
    inside = single(lowest + (peak - lowest) / 2 * (1 + cos(3.141592653589793 * progress)))
    decay = single(where(step >= total, lowest, inside))
    rate = single(where(step < warmup, peak * step / max(1, warmup), where(step <= stable, peak, decay)))
    rates = array[g](factors[g] * rate)
    return rates


@defines("width_rate(base: real, base_width: int, width: int, hidden: bool) -> rate: real")
def width_rate(base, base_width, width, hidden):
    """rate = base base_width / width for hidden matrices, base for all else"""
    rate = single(where(hidden, ratio(base * base_width, width), base))
    return rate


spec = definitions(CONTRACT, wsd, cosine_decay, linear_warmup, wsd_marks, group_rates, width_rate)

wsd_inputs = cases(
    step="int in [0, 2 * total]",
    warmup="int in [0, stable]",
    stable="int in [0, total]",
    total="int in [1, 100000]",
    peak="real in [1e-6, 1]",
    lowest="real in [0, peak]",
    late="int in [1, 100000]",
)
lrs_parts_inputs = cases(
    step="int in [0, 2 * total]",
    warmup="int in [0, stable]",
    stable="int in [0, total]",
    total="int in [1, 100000]",
    peak="real in [1e-6, 1]",
    lowest="real in [0, peak]",
)
lrs_rises_inputs = cases(
    step="int in [0, stable]",
    warmup="int in [0, stable]",
    stable="int in [0, total]",
    total="int in [1, 100000]",
    peak="real in [1e-6, 1]",
    lowest="real in [0, peak]",
    other_step="int in [0, stable]",
)
lrs_falls_inputs = cases(
    step="int in [warmup, 3 * total]",
    warmup="int in [0, stable]",
    stable="int in [0, total]",
    total="int in [1, 100000]",
    peak="real in [1e-6, 1]",
    lowest="real in [0, peak]",
    other_step="int in [warmup, 3 * total]",
)
lrs_no_jump_inputs = cases(
    step="int in {warmup, stable, total} or [0, 2 * total]",
    warmup="int in [0, stable]",
    stable="int in [0, total]",
    total="int in [1, 100000]",
    peak="real in [1e-6, 1]",
    lowest="real in [0, peak]",
)
cosine_decay_inputs = cases(
    step="int in [0, 2 * end]",
    start="int in [0, end)",
    end="int in [1, 100000]",
    peak="real in [1e-6, 1]",
    lowest="real in [0, peak]",
    k="int in [0, end]",
)
lrs_scale_inputs = cases(
    step="int in [0, 2 * end]",
    start="int in [0, end)",
    end="int in [1, 100000]",
    peak="real in [1e-6, 1]",
    lowest="real in [0, peak]",
    c="real in [0.01, 100]",
)
wsd_marks_inputs = cases(
    total="int in [1, inf)",
    warmup_percent="int in [0, 100]",
    decay_percent="int in [0, 100 - warmup_percent]",
)
group_rates_inputs = cases(
    dims={"G": "1..9"},
    work={"G * G": 2**18},
    factors="f64[G] in [0.01, 10]",
    step="int in [0, 2 * total]",
    warmup="int in [0, stable]",
    stable="int in [0, total]",
    total="int in [1, 100000]",
    peak="real in [1e-6, 1]",
    lowest="real in [0, peak]",
)
width_rate_inputs = cases(
    base="real in [1e-6, 1]",
    base_width="int in [1, 20000]",
    width="int in [1, 20000]",
    hidden="bool",
    between="int in [1, 20000]",
)
lrs_refuses_marks_inputs = cases(
    step="int in [0, 2 * total]",
    warmup="int in [0, stable]",
    stable="int in [0, total]",
    total="int in [1, 100000]",
    peak="real in [1e-6, 1]",
    lowest="real in [0, peak]",
    which="int in [0, 2]",
)
lrs_refuses_rates_inputs = cases(
    step="int in [0, 2 * end]",
    start="int in [0, end)",
    end="int in [1, 100000]",
    peak="real in [1e-6, 1]",
    lowest="real in [0, peak]",
    wrong="real in [1.001, 50] or [-1, -0.001]",
)
lrs_refuses_steps_inputs = cases(
    step="int in [0, 2 * total]",
    warmup="int in [0, stable]",
    stable="int in [0, total]",
    total="int in [1, 100000]",
    peak="real in [1e-6, 1]",
    lowest="real in [0, peak]",
    early="int in [-2, -1]",
)
linear_warmup_inputs = cases(
    step="int in [0, 2 * warmup + 2]",
    warmup="int in [0, 100000]",
    peak="real in [1e-6, 1]",
    which="int in [0, 3]",
)
lrs_refuses_order_inputs = cases(
    step="int in [0, 2 * end]",
    start="int in [0, end)",
    end="int in [1, 100000]",
    peak="real in [1e-6, 1]",
    lowest="real in [0, peak]",
    which="int in [0, 2]",
)
lrs_refuses_percent_inputs = cases(
    total="int in [1, 1000000]",
    warmup_percent="int in [0, 100]",
    decay_percent="int in [0, 100 - warmup_percent]",
    which="int in [0, 3]",
)
lrs_refuses_widths_inputs = cases(
    base="real in [1e-6, 1]",
    base_width="int in [1, 20000]",
    width="int in [1, 20000]",
    hidden="bool",
    which="int in [0, 1]",
)
lrs_frozen_inputs = cases(
    step="int in [0, 2 * warmup + 2]",
    warmup="int in [0, 100000]",
    peak="real in {0}",
)
lrs_frozen_decay_inputs = cases(
    step="int in [0, 2 * end]",
    start="int in [0, end)",
    end="int in [1, 100000]",
    peak="real in [1e-6, 1]",
    lowest="real in [0, peak]",
    rate="real in {0} or [1e-6, 1]",
)
lrs_refuses_nan_warmup_inputs = cases(
    step="int in [0, 2 * warmup + 2]",
    warmup="int in [0, 100000]",
    peak="real in [1e-6, 1]",
    bad="real in {nan, inf, -inf}",
)
lrs_refuses_nan_decay_inputs = cases(
    step="int in [0, 2 * end]",
    start="int in [0, end)",
    end="int in [1, 100000]",
    peak="real in [1e-6, 1]",
    lowest="real in [0, peak]",
    which="bool",
    bad="real in {nan, inf, -inf}",
)
lrs_refuses_nan_wsd_inputs = cases(
    step="int in [0, 2 * total]",
    warmup="int in [0, stable]",
    stable="int in [0, total]",
    total="int in [1, 100000]",
    peak="real in [1e-6, 1]",
    lowest="real in [0, peak]",
    which="bool",
    bad="real in {nan, inf, -inf, -0.5}",
    above="real in {1.5, 2, nan}",
)
lrs_refuses_nan_groups_inputs = cases(
    dims={"G": "1..9"},
    factors="f64[G] in [0.01, 10]",
    step="int in [0, 2 * total]",
    warmup="int in [0, stable]",
    stable="int in [0, total]",
    total="int in [1, 100000]",
    peak="real in [1e-6, 1]",
    lowest="real in [0, peak]",
    which="bool",
    bad="real in {nan, inf, -inf}",
)
lrs_def_linear_warmup_inputs = cases(
    step="int in [0, 2 * warmup + 2]",
    warmup="int in [0, 100000]",
    peak="real in [1e-6, 1]",
)
lrs_def_cosine_decay_inputs = cases(
    step="int in [0, 2 * end]",
    start="int in [0, end)",
    end="int in [1, 100000]",
    peak="real in [1e-6, 1]",
    lowest="real in [0, peak]",
)
lrs_def_wsd_marks_inputs = cases(
    total="int in [1, 1000000]",
    warmup_percent="int in [0, 100]",
    decay_percent="int in [0, 100 - warmup_percent]",
)
lrs_def_group_rates_inputs = cases(
    dims={"G": "1..9"},
    factors="f64[G] in [0.01, 10]",
    step="int in [0, 2 * total]",
    warmup="int in [0, stable]",
    stable="int in [0, total]",
    total="int in [1, 100000]",
    peak="real in [1e-6, 1]",
    lowest="real in [0, peak]",
)
lrs_def_width_rate_inputs = cases(
    base="real in [1e-6, 1]",
    base_width="int in [1, 20000]",
    width="int in [1, 20000]",
    hidden="bool",
)


@obligation("LRS-ENDS", equation="wsd", type="boundary")
@given(case=wsd_inputs)
def test_lrs_ends(kernel, case):
    """0 at the first step of a warm-up, exactly the peak at both ends of the plateau, exactly lowest at the end and
    ever after."""
    warmup, stable, total, peak, lowest, late = kernel.receives(case, "warmup stable total peak lowest late")
    claim(truth(warmup == 0) | truth(kernel.wsd(0, warmup, stable, total, peak, lowest) == 0))
    claim(exact(kernel.wsd(warmup, warmup, stable, total, peak, lowest), peak))
    claim(exact(kernel.wsd(stable, warmup, stable, total, peak, lowest), peak))
    claim(truth(stable == total) | exact(kernel.wsd(total, warmup, stable, total, peak, lowest), lowest))
    claim(exact(kernel.wsd(total + late, warmup, stable, total, peak, lowest), lowest))


@obligation("LRS-PARTS", equation="wsd", type="equivalence")
@given(case=lrs_parts_inputs)
def test_lrs_parts(kernel, case):
    """The whole is its parts: the warm-up, the peak, the cosine from `stable` to `total`."""
    step, warmup, stable, total, peak, lowest = kernel.receives(case, "step warmup stable total peak lowest")
    decay = kernel.cosine_decay(step, min(stable, total - 1), total, peak, lowest)
    after = single(where(stable == total, where(step <= stable, peak, lowest), decay))
    claim(approx(kernel.wsd(step, warmup, stable, total, peak, lowest), where(step < warmup, kernel.linear_warmup(step, warmup, peak), after)))


@obligation("LRS-RISES", equation="wsd", type="monotonicity")
@given(case=lrs_rises_inputs)
def test_lrs_rises(kernel, case):
    """Up to the end of the plateau the rate does not fall."""
    step, warmup, stable, total, peak, lowest, other_step = kernel.receives(case, "step warmup stable total peak lowest other_step")
    first = kernel.wsd(step, warmup, stable, total, peak, lowest)
    second = kernel.wsd(other_step, warmup, stable, total, peak, lowest)
    claim(truth(step > other_step) | truth(first <= second))
    claim(truth(step < other_step) | truth(second <= first))


@obligation("LRS-FALLS", equation="wsd", type="monotonicity")
@given(case=lrs_falls_inputs)
def test_lrs_falls(kernel, case):
    """From the end of the warm-up on the rate does not rise, beyond the end of the run neither."""
    step, warmup, stable, total, peak, lowest, other_step = kernel.receives(case, "step warmup stable total peak lowest other_step")
    first = kernel.wsd(step, warmup, stable, total, peak, lowest)
    second = kernel.wsd(other_step, warmup, stable, total, peak, lowest)
    claim(truth(step > other_step) | truth(first >= second))
    claim(truth(step < other_step) | truth(second >= first))


@obligation("LRS-NO-JUMP", equation="wsd", type="bound")
@given(case=lrs_no_jump_inputs)
def test_lrs_no_jump(kernel, case):
    """From one step to the next the rate changes by at most the slope of its parts."""
    step, warmup, stable, total, peak, lowest = kernel.receives(case, "step warmup stable total peak lowest")
    slope = single(max(peak / max(1, warmup), (peak - lowest) * 3.141592653589793 / 2 / max(1, total - stable)))
    here = kernel.wsd(step, warmup, stable, total, peak, lowest)
    before = kernel.wsd(max(0, step - 1), warmup, stable, total, peak, lowest)
    after = kernel.wsd(step + 1, warmup, stable, total, peak, lowest)
    claim(abs(here - before) <= slope)
    claim(abs(after - here) <= slope)


@obligation("LRS-POINT-SYMMETRY", equation="cosine_decay", type="symmetry")
@given(case=cosine_decay_inputs)
def test_lrs_point_symmetry(kernel, case):
    """As far after the start as before the end, the rates add up to peak and lowest."""
    start, end, peak, lowest, k = kernel.receives(case, "start end peak lowest k")
    claim(approx(kernel.cosine_decay(start + k, start, end, peak, lowest) + kernel.cosine_decay(max(0, end - k), start, end, peak, lowest), peak + lowest))


@obligation("LRS-SCALE", equation="cosine_decay", type="homogeneity")
@given(case=lrs_scale_inputs)
def test_lrs_scale(kernel, case):
    """Peak and lowest rate scaled together scale every rate: lowest is a rate, not a share."""
    step, start, end, peak, lowest, c = kernel.receives(case, "step start end peak lowest c")
    claim(approx(kernel.cosine_decay(step, start, end, c * peak, c * lowest), c * kernel.cosine_decay(step, start, end, peak, lowest)))


@obligation("LRS-MARKS", equation="wsd_marks", type="bound")
@given(case=wsd_marks_inputs)
def test_lrs_marks(kernel, case):
    """The marks are in order, and warm-up and decay are their shares of the run, less than one step short."""
    total, warmup_percent, decay_percent = kernel.receives(case, "total warmup_percent decay_percent")
    warmup, stable = kernel.wsd_marks(total, warmup_percent, decay_percent)
    claim(0 <= warmup)
    claim(warmup <= stable)
    claim(stable <= total)
    claim(100 * warmup <= warmup_percent * total)
    claim(warmup_percent * total < 100 * (warmup + 1))
    claim(100 * (total - stable) <= decay_percent * total)
    claim(decay_percent * total < 100 * (total - stable + 1))


@obligation("LRS-EVERY-GROUP", equation="group_rates", type="conservation")
@given(case=group_rates_inputs)
def test_lrs_every_group(kernel, case):
    """At every step the rates of any two groups stand in the ratio of their factors, and a group of factor 1 has the
    schedule's rate."""
    factors, step, warmup, stable, total, peak, lowest = kernel.receives(case, "factors step warmup stable total peak lowest")
    G = case.G
    g, h = grid(G, G)
    plain = array[g](factors[g] / factors[0])
    rates = kernel.group_rates(factors, step, warmup, stable, total, peak, lowest)
    ones = kernel.group_rates(plain, step, warmup, stable, total, peak, lowest)
    claim(all[g, h](approx(rates[g] * factors[h], rates[h] * factors[g])))
    claim(approx(ones[0], kernel.wsd(step, warmup, stable, total, peak, lowest)))


@obligation("LRS-WIDTH", equation="width_rate", type="invariance")
@given(case=width_rate_inputs)
def test_lrs_width(kernel, case):
    """Going to another width in one step or in two is the same, and everything that is no hidden matrix keeps its
    rate."""
    base, base_width, width, hidden, between = kernel.receives(case, "base base_width width hidden between")
    there = kernel.width_rate(base, base_width, between, hidden)
    twice = kernel.width_rate(there, between, width, hidden)
    claim(approx(twice, kernel.width_rate(base, base_width, width, hidden)))
    claim(exact(kernel.width_rate(base, base_width, width, False), base))
    claim(approx(kernel.width_rate(base, base_width, 2 * base_width, True), base / 2))


@obligation("LRS-REFUSES-MARKS", equation="wsd", type="rejection")
@given(case=lrs_refuses_marks_inputs)
def test_lrs_refuses_marks(kernel, case):
    """A run without horizon, and marks out of order, are refused."""
    step, warmup, stable, total, peak, lowest, which = kernel.receives(case, "step warmup stable total peak lowest which")
    horizon = single(where(which == 0, 0, total))
    late = single(where(which == 1, stable + 1, warmup))
    beyond = single(where(which == 2, total + 1, stable))
    rejects(kernel, "wsd", (step, late, beyond, horizon, peak, lowest), ValueError)


@obligation("LRS-REFUSES-RATES", equation="cosine_decay", type="rejection")
@given(case=lrs_refuses_rates_inputs)
def test_lrs_refuses_rates(kernel, case):
    """A lowest rate above the peak, or below 0, is refused."""
    step, start, end, peak, wrong = kernel.receives(case, "step start end peak wrong")
    rejects(kernel, "cosine_decay", (step, start, end, peak, wrong * peak), ValueError, mentions=["lowest"])


@obligation("LRS-REFUSES-STEPS", equation="wsd", type="rejection")
@given(case=lrs_refuses_steps_inputs)
def test_lrs_refuses_steps(kernel, case):
    """A step before the first is refused."""
    warmup, stable, total, peak, lowest, early = kernel.receives(case, "warmup stable total peak lowest early")
    rejects(kernel, "wsd", (early, warmup, stable, total, peak, lowest), ValueError, mentions=["step"])


@obligation("LRS-REFUSES-WARMUP", equation="linear_warmup", type="rejection")
@given(case=linear_warmup_inputs)
def test_lrs_refuses_warmup(kernel, case):
    """A negative step or warm-up, and a peak that is negative or infinite, are refused."""
    step, warmup, peak, which = kernel.receives(case, "step warmup peak which")
    bad_step = single(where(which == 0, -1, step))
    bad_warmup = single(where(which == 1, -1, warmup))
    bad_peak = single(where(which == 2, -0.5, where(which == 3, inf, peak)))
    rejects(kernel, "linear_warmup", (bad_step, bad_warmup, bad_peak), ValueError)


@obligation("LRS-REFUSES-ORDER", equation="cosine_decay", type="rejection")
@given(case=lrs_refuses_order_inputs)
def test_lrs_refuses_order(kernel, case):
    """A decay that ends where it starts, or before, or starts before the run, is refused."""
    step, start, end, peak, lowest, which = kernel.receives(case, "step start end peak lowest which")
    bad_start = single(where(which == 0, end, where(which == 1, end + 1, where(which == 2, -1, start))))
    rejects(kernel, "cosine_decay", (step, bad_start, end, peak, lowest), ValueError, mentions=["start"])


@obligation("LRS-REFUSES-PERCENT", equation="wsd_marks", type="rejection")
@given(case=lrs_refuses_percent_inputs)
def test_lrs_refuses_percent(kernel, case):
    """A run without steps, a negative share, and shares of more than the whole run are refused."""
    total, warmup_percent, decay_percent, which = kernel.receives(case, "total warmup_percent decay_percent which")
    bad_total = single(where(which == 0, 0, total))
    bad_warmup_percent = single(where(which == 1, -1, warmup_percent))
    bad_decay_percent = single(where(which == 2, -1, where(which == 3, 101 - warmup_percent, decay_percent)))
    rejects(kernel, "wsd_marks", (bad_total, bad_warmup_percent, bad_decay_percent), ValueError)


@obligation("LRS-REFUSES-WIDTHS", equation="width_rate", type="rejection")
@given(case=lrs_refuses_widths_inputs)
def test_lrs_refuses_widths(kernel, case):
    """A width below 1 is refused."""
    base, base_width, width, hidden, which = kernel.receives(case, "base base_width width hidden which")
    bad_base_width = single(where(which == 0, 0, base_width))
    bad_width = single(where(which == 1, 0, width))
    rejects(kernel, "width_rate", (base, bad_base_width, bad_width, hidden), ValueError, mentions=["width"])


@obligation("LRS-FROZEN", equation="linear_warmup", type="boundary")
@given(case=lrs_frozen_inputs)
def test_lrs_frozen(kernel, case):
    """A peak of 0 is a rate, and gives 0 at every step: parameters that are frozen have a schedule as well."""
    step, warmup, peak = kernel.receives(case, "step warmup peak")
    claim(kernel.linear_warmup(step, warmup, peak) == 0)


@obligation("LRS-FROZEN-DECAY", equation="cosine_decay", type="boundary")
@given(case=lrs_frozen_decay_inputs)
def test_lrs_frozen_decay(kernel, case):
    """A decay from 0 to 0 is 0 at every step, and a peak that is its own floor stays."""
    step, start, end, rate = kernel.receives(case, "step start end rate")
    claim(kernel.cosine_decay(step, start, end, 0, 0) == 0)
    claim(exact(kernel.cosine_decay(step, start, end, rate, rate), rate))


@obligation("LRS-FROZEN-WSD", equation="wsd", type="boundary")
@given(case=lrs_parts_inputs)
def test_lrs_frozen_wsd(kernel, case):
    """A schedule of peak 0 is 0 at every step."""
    step, warmup, stable, total = kernel.receives(case, "step warmup stable total")
    claim(kernel.wsd(step, warmup, stable, total, 0, 0) == 0)


@obligation("LRS-REFUSES-NAN-WARMUP", equation="linear_warmup", type="rejection")
@given(case=lrs_refuses_nan_warmup_inputs)
def test_lrs_refuses_nan_warmup(kernel, case):
    """A peak that is not a number is refused."""
    step, warmup, bad = kernel.receives(case, "step warmup bad")
    rejects(kernel, "linear_warmup", (step, warmup, bad), ValueError, mentions=["peak"])


@obligation("LRS-REFUSES-NAN-DECAY", equation="cosine_decay", type="rejection")
@given(case=lrs_refuses_nan_decay_inputs)
def test_lrs_refuses_nan_decay(kernel, case):
    """A peak or a lowest rate that is not a number, or not finite, is refused."""
    step, start, end, peak, lowest, which, bad = kernel.receives(case, "step start end peak lowest which bad")
    rejects(kernel, "cosine_decay", (step, start, end, where(which, bad, peak), where(which, lowest, bad)), ValueError)


@obligation("LRS-REFUSES-NAN-WSD", equation="wsd", type="rejection")
@given(case=lrs_refuses_nan_wsd_inputs)
def test_lrs_refuses_nan_wsd(kernel, case):
    """A schedule whose peak or lowest rate is negative, not finite or not a number, or whose floor lies above its peak,
    is refused, at every step."""
    step, warmup, stable, total, peak, lowest, which, bad, above = kernel.receives(case, "step warmup stable total peak lowest which bad above")
    low = single(where(bad == -0.5, above * peak, bad))
    rejects(
        kernel,
        "wsd",
        (step, warmup, stable, total, where(which, bad, peak), where(which, lowest, low)),
        ValueError,
    )


@obligation("LRS-REFUSES-NAN-GROUPS", equation="group_rates", type="rejection")
@given(case=lrs_refuses_nan_groups_inputs)
def test_lrs_refuses_nan_groups(kernel, case):
    """Groups of a schedule whose peak or lowest rate is not a number, or not finite, are refused."""
    factors, step, warmup, stable, total, peak, lowest, which, bad = kernel.receives(case, "factors step warmup stable total peak lowest which bad")
    rejects(
        kernel,
        "group_rates",
        (factors, step, warmup, stable, total, where(which, bad, peak), where(which, lowest, bad)),
        ValueError,
    )


@obligation("LRS-DEF-LINEAR_WARMUP", equation="linear_warmup", type="definition")
@given(case=lrs_def_linear_warmup_inputs)
def test_lrs_def_linear_warmup(kernel, case):
    """linear_warmup computes its definition."""
    step, warmup, peak = kernel.receives(case, "step warmup peak")
    rate = kernel.linear_warmup(step, warmup, peak)
    expected_rate = spec.linear_warmup(step, warmup, peak)
    claim(approx(rate, expected_rate))


@obligation("LRS-DEF-COSINE_DECAY", equation="cosine_decay", type="definition")
@given(case=lrs_def_cosine_decay_inputs)
def test_lrs_def_cosine_decay(kernel, case):
    """cosine_decay computes its definition."""
    step, start, end, peak, lowest = kernel.receives(case, "step start end peak lowest")
    rate = kernel.cosine_decay(step, start, end, peak, lowest)
    expected_rate = spec.cosine_decay(step, start, end, peak, lowest)
    claim(approx(rate, expected_rate))


@obligation("LRS-DEF-WSD", equation="wsd", type="definition")
@given(case=lrs_parts_inputs)
def test_lrs_def_wsd(kernel, case):
    """wsd computes its definition."""
    step, warmup, stable, total, peak, lowest = kernel.receives(case, "step warmup stable total peak lowest")
    rate = kernel.wsd(step, warmup, stable, total, peak, lowest)
    expected_rate = spec.wsd(step, warmup, stable, total, peak, lowest)
    claim(approx(rate, expected_rate))


@obligation("LRS-DEF-WSD_MARKS", equation="wsd_marks", type="definition")
@given(case=lrs_def_wsd_marks_inputs)
def test_lrs_def_wsd_marks(kernel, case):
    """wsd_marks computes its definition."""
    total, warmup_percent, decay_percent = kernel.receives(case, "total warmup_percent decay_percent")
    warmup, stable = kernel.wsd_marks(total, warmup_percent, decay_percent)
    expected_warmup, expected_stable = spec.wsd_marks(total, warmup_percent, decay_percent)
    claim(approx(warmup, expected_warmup))
    claim(approx(stable, expected_stable))


@obligation("LRS-DEF-GROUP_RATES", equation="group_rates", type="definition")
@given(case=lrs_def_group_rates_inputs)
def test_lrs_def_group_rates(kernel, case):
    """group_rates computes its definition."""
    factors, step, warmup, stable, total, peak, lowest = kernel.receives(case, "factors step warmup stable total peak lowest")
    rates = kernel.group_rates(factors, step, warmup, stable, total, peak, lowest)
    expected_rates = spec.group_rates(factors, step, warmup, stable, total, peak, lowest)
    claim(approx(rates, expected_rates))


@obligation("LRS-DEF-WIDTH_RATE", equation="width_rate", type="definition")
@given(case=lrs_def_width_rate_inputs)
def test_lrs_def_width_rate(kernel, case):
    """width_rate computes its definition."""
    base, base_width, width, hidden = kernel.receives(case, "base base_width width hidden")
    rate = kernel.width_rate(base, base_width, width, hidden)
    expected_rate = spec.width_rate(base, base_width, width, hidden)
    claim(approx(rate, expected_rate))


@obligation("LRS-PREDICTS-WSD", rule="LRS-DEF-WSD", type="falsification")
def test_lrs_predicts_wsd(kernel):
    """5 %, 75 % and 20 % of 1,000 steps: half the peak at step 25, the peak at 800, half-way down at 900."""
    case = example(
        {"step": "int", "warmup": "int", "stable": "int", "total": "int", "peak": "real", "lowest": "real"},
        step=900,
        warmup=50,
        stable=800,
        total=1000,
        peak=0.001,
        lowest=0.0002,
    )
    step, warmup, stable, total, peak, lowest = kernel.receives(case, "step warmup stable total peak lowest")
    claim(approx(kernel.wsd(25, warmup, stable, total, peak, lowest), 0.0005))
    claim(approx(kernel.wsd(800, warmup, stable, total, peak, lowest), 0.001))
    claim(approx(kernel.wsd(step, warmup, stable, total, peak, lowest), 0.0006))


@obligation("LRS-PREDICTS-MARKS", rule="LRS-MARKS", type="falsification")
def test_lrs_predicts_marks(kernel):
    """5 % warm-up and 20 % decay of 1,019 steps end at 50 and begin at 816: 203 steps of decay."""
    case = example(
        {"total": "int", "warmup_percent": "int", "decay_percent": "int"},
        total=1019,
        warmup_percent=5,
        decay_percent=20,
    )
    total, warmup_percent, decay_percent = kernel.receives(case, "total warmup_percent decay_percent")
    warmup, stable = kernel.wsd_marks(total, warmup_percent, decay_percent)
    claim(warmup == 50)
    claim(stable == 816)


@obligation("LRS-PREDICTS-CLAMP", rule="LRS-DEF-COSINE_DECAY", type="falsification")
def test_lrs_predicts_clamp(kernel):
    """At one and a half times the horizon the rate is the floor; without a clamp it is half the peak again."""
    case = example(
        {"step": "int", "start": "int", "end": "int", "peak": "real", "lowest": "real"},
        step=1500,
        start=0,
        end=1000,
        peak=1,
        lowest=0,
    )
    step, start, end, peak, lowest = kernel.receives(case, "step start end peak lowest")
    claim(exact(kernel.cosine_decay(step, start, end, peak, lowest), 0))
