"""training/alert-rules: Alert rules.

Compiled from contracts/training/alert-rules-v1.yaml: change the contract and run `albor-contracts generate`, never this file.
Meaning: d00497cbe82a0092fb8615112b173fce11a2c312f806f6a6a2bb8913c4746447
"""

from albor_contracts.testing import (
    all, approx, array, cases, claim, clip, count, defines, definitions, example, exp, given, grid, isfinite, log, max,
    min, obligation, ratio, rejects, single, sum, truth, where,
)

CONTRACT = "training/alert-rules"


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


@defines("alert(loss: real, norm: real, vocabulary: int, factor: real, norm_limit: real) -> reason: int")
def alert(loss, norm, vocabulary, factor, norm_limit):
    """1 if loss or norm is not finite, else 2 if loss > factor ln V, else 3 if norm > norm_limit, else 0"""
    broken = single(~isfinite(loss) | ~isfinite(norm))
    reason = single(where(broken, 1, where(loss > factor * log(vocabulary), 2, where(norm > norm_limit, 3, 0))))
    return reason


@defines("guarded_clip(norm: real, max_norm: real, norm_limit: real) -> scale: real, stop: bool")
def guarded_clip(norm, max_norm, norm_limit):
    """scale = min(1, max_norm / norm), stop = norm > norm_limit; a norm that is not finite: 0, true"""
    scale = single(where(~isfinite(norm), 0, where(norm > max_norm, max_norm / max(norm, max_norm), 1)))
    stop = single(truth(norm > norm_limit) | ~isfinite(norm))
    return scale, stop


@defines(
    "first_alert(loss: accum[T], norm: accum[T], vocabulary: int, factor: real, norm_limit: real)"
    " -> step: int, reason: int"
)
def first_alert(loss, norm, vocabulary, factor, norm_limit):
    """the first step whose alert is not 0, and that alert; T and 0 when there is none"""
    (T,) = loss.shape
    t = grid(T)
    broken = array[t](~isfinite(loss[t]) | ~isfinite(norm[t]))
    fired = array[t](where(broken[t], 1, where(loss[t] > factor * log(vocabulary), 2, where(norm[t] > norm_limit, 3, 0))))
    step = single(min[t](where(fired[t] > 0, t, T)))
    reason = single(sum[t](where(t == step, fired[t], 0)))
    return step, reason


spec = definitions(CONTRACT, cross_entropy, alert, guarded_clip, first_alert)

alert_inputs = cases(
    dims={"T": "1..2", "W": "8, 256, 32768, 50257"},
    elements=50263,
    loss="real in [0, 40]",
    norm="real in [0, 1]",
    vocabulary="int in [2, 200000]",
    factor="real in [1.5, 2]",
    norm_limit="real in [1, 150]",
    z="accum[T, W] in [-0.25, 0.25]",
    y="i64[T] in [0, W)",
)
al_fires_inputs = cases(
    loss="real in [0, 40]",
    norm="real in [0, 1]",
    vocabulary="int in [2, 200000]",
    factor="real in [1.25, 2]",
    norm_limit="real in [1, 150]",
    above="real in [1.01, 2]",
    below="real in [0.3, 0.99]",
)
al_nan_inputs = cases(
    loss="real in [0, 40]",
    norm="real in [0, 200]",
    vocabulary="int in [2, 200000]",
    factor="real in [1.25, 2]",
    norm_limit="real in [1, 150]",
    bad="real in {nan, inf, -inf}",
)
guarded_clip_inputs = cases(
    norm="real in [0, 200]",
    max_norm="real in [0.5, 4]",
    norm_limit="real in [1, 150]",
    bad="real in {nan, inf}",
)
al_before_clip_inputs = cases(
    norm="real in [0, 200]",
    max_norm="real in [0.5, 4]",
    norm_limit="real in [1, 150]",
    times="real in [1.01, 50]",
)
first_alert_inputs = cases(
    dims={"T": "1..9"},
    loss="accum[T] in {1, 9, 30, nan, inf}",
    norm="accum[T] in {0.5, 199, nan, inf}",
    vocabulary="int in {256, 32768}",
    factor="real in [1.25, 2]",
    norm_limit="real in [1, 150]",
)
al_simulated_inputs = cases(
    dims={"T": "6"},
    loss="accum[T] in [-0.05, 0.05]",
    norm="accum[T] in [0, 1]",
    vocabulary="int in {8, 256, 32768, 50257, 200000}",
    factor="real in [1.25, 2]",
    norm_limit="real in [1, 150]",
    at="int in [1, 5]",
)
al_factor_inputs = cases(
    loss="real in [0, 40]",
    norm="real in [0, 200]",
    vocabulary="int in [2, 200000]",
    factor="real in [1.25, 2]",
    norm_limit="real in [1, 150]",
    low="real in {0, 0.96, 1, nan}",
)
al_limits_inputs = cases(
    loss="real in [0, 40]",
    norm="real in [0, 200]",
    vocabulary="int in [2, 200000]",
    factor="real in [1.25, 2]",
    norm_limit="real in [1, 150]",
    none="real in {0, -1, nan}",
    which="bool",
    few="int in [-1, 1]",
)
al_at_limit_inputs = cases(
    loss="real in [0, 0.5]",
    norm="real in [0, 200]",
    vocabulary="int in [2, 200000]",
    factor="real in [1.25, 2]",
    norm_limit="real in {1, 2.5, 100, 150}",
    above="real in [1.001, 2]",
)
al_at_limit_log_inputs = cases(
    dims={"T": "1..9"},
    loss="accum[T] in [0, 0.5]",
    norm="accum[T] in [0, 1]",
    vocabulary="int in [2, 200000]",
    factor="real in [1.25, 2]",
    norm_limit="real in {1, 2.5, 100, 150}",
    at="int in [0, T)",
)
al_long_inputs = cases(
    dims={"T": "65, 300"},
    loss="accum[T] in [0, 0.5]",
    norm="accum[T] in [0, 1]",
    vocabulary="int in [2, 200000]",
    factor="real in [1.25, 2]",
    norm_limit="real in [1, 150]",
    at="int in {0, 1, 2}",
)
al_def_alert_inputs = cases(
    loss="real in [0, 40]",
    norm="real in [0, 200]",
    vocabulary="int in [2, 200000]",
    factor="real in [1.25, 2]",
    norm_limit="real in [1, 150]",
)
al_def_first_alert_inputs = cases(
    dims={"T": "1..9"},
    loss="accum[T] in [0, 40] or {nan, inf, -inf}",
    norm="accum[T] in [0, 200] or {nan, inf}",
    vocabulary="int in [2, 200000]",
    factor="real in [1.25, 2]",
    norm_limit="real in [1, 150]",
)
al_def_guarded_clip_inputs = cases(
    norm="real in [0, 200]",
    max_norm="real in [0.5, 4]",
    norm_limit="real in [1, 150]",
)


@obligation("AL-FRESH", equation="alert", type="boundary", cost=2)
@given(case=alert_inputs)
def test_al_fresh(kernel, case):
    """A fresh run is not stopped: the cross-entropy of small logits over any vocabulary raises no alert."""
    norm, factor, norm_limit, z, y = kernel.receives(case, "norm factor norm_limit z y")
    W = case.W
    fresh, _ = spec.cross_entropy(z, y, -100)
    claim(kernel.alert(fresh, norm, W, factor, norm_limit) == 0)


@obligation("AL-FIRES", equation="alert", type="boundary")
@given(case=al_fires_inputs)
def test_al_fires(kernel, case):
    """A loss above factor ln V stops, over every vocabulary, and one below it does not."""
    norm, vocabulary, factor, norm_limit, above, below = kernel.receives(case, "norm vocabulary factor norm_limit above below")
    limit = single(factor * log(vocabulary))
    over = kernel.alert(above * limit, norm, vocabulary, factor, norm_limit)
    under = kernel.alert(below * limit, norm, vocabulary, factor, norm_limit)
    claim(over == 2)
    claim(under == 0)


@obligation("AL-NAN", equation="alert", type="boundary")
@given(case=al_nan_inputs)
def test_al_nan(kernel, case):
    """NaN and infinity stop at once, in the loss or in the norm, whatever the limits are."""
    loss, norm, vocabulary, factor, norm_limit, bad = kernel.receives(case, "loss norm vocabulary factor norm_limit bad")
    claim(kernel.alert(bad, norm, vocabulary, factor, norm_limit) == 1)
    claim(kernel.alert(loss, bad, vocabulary, factor, norm_limit) == 1)


@obligation("AL-NAN-CLIP", equation="guarded_clip", type="boundary")
@given(case=guarded_clip_inputs)
def test_al_nan_clip(kernel, case):
    """A norm that is not finite stops, and nothing of its gradient is used."""
    max_norm, norm_limit, bad = kernel.receives(case, "max_norm norm_limit bad")
    scale, stop = kernel.guarded_clip(bad, max_norm, norm_limit)
    claim(scale == 0)
    claim(stop)


@obligation("AL-BEFORE-CLIP", equation="guarded_clip", type="boundary")
@given(case=al_before_clip_inputs)
def test_al_before_clip(kernel, case):
    """A norm above the limit stops however hard it is clipped, and a norm below does not; clipped it is at most
    max_norm."""
    max_norm, norm_limit, times = kernel.receives(case, "max_norm norm_limit times")
    scale, stop = kernel.guarded_clip(times * norm_limit, max_norm, norm_limit)
    _, quiet = kernel.guarded_clip(ratio(norm_limit, times), max_norm, norm_limit)
    clipped = single(scale * times * norm_limit)
    claim(stop)
    claim(~truth(quiet))
    claim(clipped <= max_norm)


@obligation("AL-FIRST", equation="first_alert", type="equivalence")
@given(case=first_alert_inputs)
def test_al_first(kernel, case):
    """A run stops at the first step that raises an alert, with that step's reason, and not when none does."""
    loss, norm, vocabulary, factor, norm_limit = kernel.receives(case, "loss norm vocabulary factor norm_limit")
    T = case.T
    t = grid(T)
    step, reason = kernel.first_alert(loss, norm, vocabulary, factor, norm_limit)
    each = array[t](0 + kernel.alert(loss[t], norm[t], vocabulary, factor, norm_limit))
    claim(0 <= step)
    claim(step <= T)
    claim(all[t]((each[t] == 0) | (t >= step)))
    claim(reason == sum[t](where(t == step, each[t], 0)))
    claim((step < T) == (reason > 0))


@obligation("AL-SIMULATED", equation="first_alert", type="boundary")
@given(case=al_simulated_inputs)
def test_al_simulated(kernel, case):
    """A run that falls from ln V is never stopped; one that diverges is, at the step that passes 1.5 ln V."""
    loss, norm, vocabulary, norm_limit, at = kernel.receives(case, "loss norm vocabulary norm_limit at")
    T = case.T
    t = grid(T)
    start = single(log(vocabulary))
    falls = array[t](start * (1 + loss[t]) / (1 + 0.3 * t))
    bursts = array[t](falls[t] + where(t >= at, 1.6 * start, 0))
    quiet, none = kernel.first_alert(falls, norm, vocabulary, 1.5, norm_limit)
    step, reason = kernel.first_alert(bursts, norm, vocabulary, 1.5, norm_limit)
    claim(quiet == T)
    claim(none == 0)
    claim(step == at)
    claim(reason == 2)


@obligation("AL-FACTOR", equation="alert", type="rejection")
@given(case=al_factor_inputs)
def test_al_factor(kernel, case):
    """A factor that puts the limit at or below the loss of a model that knows nothing is refused."""
    loss, norm, vocabulary, norm_limit, low = kernel.receives(case, "loss norm vocabulary norm_limit low")
    rejects(kernel, "alert", (loss, norm, vocabulary, low, norm_limit), ValueError, mentions=["factor", "ln V"])


@obligation("AL-LIMITS", equation="alert", type="rejection")
@given(case=al_limits_inputs)
def test_al_limits(kernel, case):
    """A limit that is not positive, and a vocabulary of less than two, are refused."""
    loss, norm, vocabulary, factor, norm_limit, none, which, few = kernel.receives(case, "loss norm vocabulary factor norm_limit none which few")
    rejects(
        kernel,
        "alert",
        (loss, norm, where(which, few, vocabulary), factor, where(which, norm_limit, none)),
        ValueError,
        mentions=["expected"],
    )


@obligation("AL-AT-LIMIT", equation="alert", type="boundary")
@given(case=al_at_limit_inputs)
def test_al_at_limit(kernel, case):
    """A norm at its limit raises no alert; one above it does."""
    loss, vocabulary, factor, norm_limit, above = kernel.receives(case, "loss vocabulary factor norm_limit above")
    at = kernel.alert(loss, norm_limit, vocabulary, factor, norm_limit)
    over = kernel.alert(loss, above * norm_limit, vocabulary, factor, norm_limit)
    claim(at == 0)
    claim(over == 3)


@obligation("AL-AT-LIMIT-LOG", equation="first_alert", type="boundary")
@given(case=al_at_limit_log_inputs)
def test_al_at_limit_log(kernel, case):
    """A log whose norms are at their limit raises no alert, until one is above it."""
    loss, norm, vocabulary, factor, norm_limit, at = kernel.receives(case, "loss norm vocabulary factor norm_limit at")
    T = case.T
    t = grid(T)
    level = array[t](norm_limit + 0 * norm[t])
    above = array[t](where(t == at, 2, 1) * level[t])
    none, quiet = kernel.first_alert(loss, level, vocabulary, factor, norm_limit)
    step, reason = kernel.first_alert(loss, above, vocabulary, factor, norm_limit)
    claim(none == T)
    claim(quiet == 0)
    claim(step == at)
    claim(reason == 3)


@obligation("AL-LONG", equation="first_alert", type="boundary")
@given(case=al_long_inputs)
def test_al_long(kernel, case):
    """In a long log the first alert is found, among the first steps as well as at the last."""
    loss, norm, vocabulary, factor, norm_limit, at = kernel.receives(case, "loss norm vocabulary factor norm_limit at")
    T = case.T
    t = grid(T)
    early = array[t](where(t == at, 40, loss[t]))
    late = array[t](where(t == T - 1, 40, loss[t]))
    step, reason = kernel.first_alert(early, norm, vocabulary, factor, norm_limit)
    last, why = kernel.first_alert(late, norm, vocabulary, factor, norm_limit)
    claim(step == at)
    claim(reason == 2)
    claim(last == T - 1)
    claim(why == 2)


@obligation("AL-DEF-ALERT", equation="alert", type="definition")
@given(case=al_def_alert_inputs)
def test_al_def_alert(kernel, case):
    """alert computes its definition."""
    loss, norm, vocabulary, factor, norm_limit = kernel.receives(case, "loss norm vocabulary factor norm_limit")
    reason = kernel.alert(loss, norm, vocabulary, factor, norm_limit)
    expected_reason = spec.alert(loss, norm, vocabulary, factor, norm_limit)
    claim(approx(reason, expected_reason))


@obligation("AL-DEF-FIRST_ALERT", equation="first_alert", type="definition")
@given(case=al_def_first_alert_inputs)
def test_al_def_first_alert(kernel, case):
    """first_alert computes its definition."""
    loss, norm, vocabulary, factor, norm_limit = kernel.receives(case, "loss norm vocabulary factor norm_limit")
    step, reason = kernel.first_alert(loss, norm, vocabulary, factor, norm_limit)
    expected_step, expected_reason = spec.first_alert(loss, norm, vocabulary, factor, norm_limit)
    claim(approx(step, expected_step))
    claim(approx(reason, expected_reason))


@obligation("AL-DEF-GUARDED_CLIP", equation="guarded_clip", type="definition")
@given(case=al_def_guarded_clip_inputs)
def test_al_def_guarded_clip(kernel, case):
    """guarded_clip computes its definition."""
    norm, max_norm, norm_limit = kernel.receives(case, "norm max_norm norm_limit")
    scale, stop = kernel.guarded_clip(norm, max_norm, norm_limit)
    expected_scale, expected_stop = spec.guarded_clip(norm, max_norm, norm_limit)
    claim(approx(scale, expected_scale))
    claim(approx(stop, expected_stop))


@obligation("AL-PREDICTS-STEP-ZERO", rule="AL-FIRES", type="falsification")
def test_al_predicts_step_zero(kernel):
    """10.397, the first loss over a vocabulary of 32,768, is above 10 and is no alert; the limit is 15.596."""
    case = example(
        {"loss": "real", "norm": "real", "vocabulary": "int", "factor": "real", "norm_limit": "real"},
        loss=10.397,
        norm=1.0,
        vocabulary=32768,
        factor=1.5,
        norm_limit=100.0,
    )
    loss, norm, vocabulary, factor, norm_limit = kernel.receives(case, "loss norm vocabulary factor norm_limit")
    claim(kernel.alert(loss, norm, vocabulary, factor, norm_limit) == 0)
    claim(kernel.alert(15.59, norm, vocabulary, factor, norm_limit) == 0)
    claim(kernel.alert(15.6, norm, vocabulary, factor, norm_limit) == 2)


@obligation("AL-PREDICTS-SMALL-VOCABULARY", rule="AL-FIRES", type="falsification")
def test_al_predicts_small_vocabulary(kernel):
    """9.5 over bytes is an alert: 1.5 ln 256 is 8.318."""
    case = example(
        {"loss": "real", "norm": "real", "vocabulary": "int", "factor": "real", "norm_limit": "real"},
        loss=9.5,
        norm=1.0,
        vocabulary=256,
        factor=1.5,
        norm_limit=100.0,
    )
    loss, norm, vocabulary, factor, norm_limit = kernel.receives(case, "loss norm vocabulary factor norm_limit")
    claim(kernel.alert(loss, norm, vocabulary, factor, norm_limit) == 2)
    claim(kernel.alert(8.3, norm, vocabulary, factor, norm_limit) == 0)


@obligation("AL-PREDICTS-CLIPPED", rule="AL-BEFORE-CLIP", type="falsification")
def test_al_predicts_clipped(kernel):
    """A norm of 128 with clipping at 1 is scaled by 1/128, and stops a run whose limit is 100."""
    case = example(
        {"norm": "real", "max_norm": "real", "norm_limit": "real"},
        norm=128.0,
        max_norm=1.0,
        norm_limit=100.0,
    )
    norm, max_norm, norm_limit = kernel.receives(case, "norm max_norm norm_limit")
    scale, stop = kernel.guarded_clip(norm, max_norm, norm_limit)
    claim(scale == 0.0078125)
    claim(stop)


@obligation("AL-PREDICTS-AT-THE-LIMIT", rule="AL-BEFORE-CLIP", type="falsification")
def test_al_predicts_at_the_limit(kernel):
    """A norm at its limit is not above it: 100 of 100 goes on, clipped to 1; 1/2 is clipped to 1/4 by a half, and a
    norm of 0 is left as it is."""
    case = example(
        {"norm": "real", "max_norm": "real", "norm_limit": "real", "times": "real"},
        norm=100.0,
        max_norm=1.0,
        norm_limit=100.0,
        times=2.0,
    )
    norm, max_norm, norm_limit = kernel.receives(case, "norm max_norm norm_limit")
    scale, stop = kernel.guarded_clip(norm, max_norm, norm_limit)
    half, _ = kernel.guarded_clip(0.5, 0.25, norm_limit)
    none, idle = kernel.guarded_clip(0, max_norm, norm_limit)
    claim(~truth(stop))
    claim(approx(scale, 0.01))
    claim(half == 0.5)
    claim(none == 1)
    claim(~truth(idle))
    claim(kernel.alert(1, norm, 256, 1.5, norm_limit) == 0)
