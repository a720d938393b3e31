"""training/early-stopping: Early stopping and the status of a run.

Compiled from contracts/training/early-stopping-v1.yaml: change the contract and run `albor-contracts generate`, never this file.
Meaning: 2f8af836df082ebedcc55001dd3f608b6ea7cecf5ca5b17804ca7051aab482ca
"""

from albor_contracts.testing import (
    Steps, approx, cases, claim, defines, definitions, drawing, exact, example, given, initialize, isfinite, obligation,
    rejects, rule, run_steps, single, truth, where,
)

CONTRACT = "training/early-stopping"


@defines(
    "early_stop(best: real, waited: int, value: real, patience: int, delta: real)"
    " -> best2: real, waited2: int, improved: bool, stop: bool"
)
def early_stop(best, waited, value, patience, delta):
    """improved = value < best - delta; waited' = 0 or waited + 1; stop = 0 < patience <= waited'"""
    improved = single(value < best - delta)
    best2 = single(where(improved, value, best))
    waited2 = single(where(improved, 0, waited + 1))
    stop = single(truth(0 < patience) & truth(patience <= waited2))
    return best2, waited2, improved, stop


@defines("run_status(value: real, done: int, total: int, stop: bool) -> status: int, logged: real")
def run_status(value, done, total, stop):
    """status = 3 where value is not finite, 1 where done = total, 2 where stop, else 0; logged = value"""
    status = single(where(~isfinite(value), 3, where(done == total, 1, where(stop, 2, 0))))
    logged = single(value)
    return status, logged


spec = definitions(CONTRACT, early_stop, run_status)

early_stop_inputs = cases(
    best="real in [0, 10] or {inf}",
    waited="int in [0, 8]",
    value="real in [0, 10]",
    patience="int in [0, 6]",
    delta="real in {0, 0.125, 0.5}",
    bad="real in {nan, inf}",
)
es_never_inputs = cases(
    best="real in [0, 10] or {inf}",
    waited="int in [0, 8]",
    value="real in [0, 10]",
    patience="int in [0, 6]",
    delta="real in {0, 0.125, 0.5}",
)
es_run_inputs = cases(
    best="real in {1, 8}",
    waited="int in [0, 8]",
    value="real in [0, 10]",
    patience="int in [1, 4]",
    delta="real in {0, 0.125, 0.5}",
)
es_adds_up_inputs = cases(
    best="real in [1, 10]",
    waited="int in [0, 8]",
    value="real in [0, 10]",
    patience="int in [0, 6]",
    delta="real in {0.125, 0.5}",
)
es_signs_inputs = cases(
    best="real in [-10, 10]",
    waited="int in [0, 8]",
    value="real in [-10, 10]",
    patience="int in [0, 6]",
    delta="real in {0, 0.125, 0.5}",
)
es_counts_inputs = cases(
    best="real in [0, 10] or {inf}",
    waited="int in [0, 8]",
    value="real in [0, 10]",
    patience="int in [0, 6]",
    delta="real in {0, 0.125, 0.5}",
    negative="int in [-3, -1]",
)
run_status_inputs = cases(
    value="real in [0, 20]",
    done="int in [0, total)",
    total="int in [1, 1000]",
    stop="bool",
)
es_failed_inputs = cases(
    value="real in [0, 20] or {inf}",
    done="int in [0, total]",
    total="int in [1, 1000]",
    stop="bool",
    bad="real in {nan, inf, -inf}",
)
es_logged_inputs = cases(
    value="real in [0, 20] or {inf}",
    done="int in [0, total]",
    total="int in [1, 1000]",
    stop="bool",
)
es_steps_inputs = cases(
    value="real in [0, 20] or {inf}",
    done="int in [0, total]",
    total="int in [1, 1000]",
    stop="bool",
    which="int in [0, 2]",
)


@obligation("ES-NAN", equation="early_stop", type="boundary")
@given(case=early_stop_inputs)
def test_es_nan(kernel, case):
    """NaN is no improvement, never becomes the best, and counts as an evaluation without one."""
    best, waited, patience, delta, bad = kernel.receives(case, "best waited patience delta bad")
    best2, waited2, improved, _ = kernel.early_stop(best, waited, bad, patience, delta)
    claim(exact(best2, best))
    claim(waited2 == waited + 1)
    claim(~truth(improved))


@obligation("ES-NEVER", equation="early_stop", type="boundary")
@given(case=es_never_inputs)
def test_es_never(kernel, case):
    """Patience 0 never stops."""
    best, waited, value, delta = kernel.receives(case, "best waited value delta")
    _, _, _, stop = kernel.early_stop(best, waited, value, 0, delta)
    claim(~truth(stop))


class EsRunRun(Steps):
    """A run that never improves stops at evaluation number `patience` after its best, not before."""

    @initialize(case=es_run_inputs)
    def begin(self, case):
        best = self.receives(case, "best")
        self.holds(n=0, b=best, k=0)

    @rule(draw=drawing())
    def step(self, draw):
        kernel = self.kernel
        patience, delta = self.receives(draw, "patience delta")
        n, b, k = self.held("n b k")
        next_b, next_k, improved, stop = kernel.early_stop(b, k, where(n == 0, 0.25, 0.25 + delta), patience, delta)
        next_n = n + 1
        claim(exact(next_b, 0.25))
        claim(next_k == n)
        claim(stop == (n >= patience))
        claim(improved == (n == 0))
        self.holds(n=next_n, b=next_b, k=next_k)


@obligation("ES-RUN", equation="early_stop", type="protocol")
def test_es_run(kernel):
    """A run that never improves stops at evaluation number `patience` after its best, not before."""
    run_steps(EsRunRun, es_run_inputs, kernel, steps=6)


@obligation("ES-BEST", equation="early_stop", type="bound")
@given(case=es_never_inputs)
def test_es_best(kernel, case):
    """The best never rises, and is the value exactly after an improvement."""
    best, waited, value, patience, delta = kernel.receives(case, "best waited value patience delta")
    best2, waited2, improved, _ = kernel.early_stop(best, waited, value, patience, delta)
    claim(best2 <= best)
    claim(~truth(improved) | exact(best2, value))
    claim(truth(improved) | exact(best2, best))
    claim(~truth(improved) | truth(waited2 == 0))


@obligation("ES-ADDS-UP", equation="early_stop", type="boundary")
@given(case=es_adds_up_inputs)
def test_es_adds_up(kernel, case):
    """A value better by less than delta leaves the best where it was; two such steps that make more than delta are an
    improvement."""
    best, waited, patience, delta = kernel.receives(case, "best waited patience delta")
    best2, waited2, improved, _ = kernel.early_stop(best, waited, best - 0.625 * delta, patience, delta)
    _, waited3, improved3, stop3 = kernel.early_stop(best2, waited2, best - 1.25 * delta, patience, delta)
    claim(exact(best2, best))
    claim(waited2 == waited + 1)
    claim(~truth(improved))
    claim(improved3)
    claim(waited3 == 0)
    claim(~truth(stop3))


@obligation("ES-SIGNS", equation="early_stop", type="equivalence")
@given(case=es_signs_inputs)
def test_es_signs(kernel, case):
    """Values below 0 improve downwards like any others: -2 is better than -1."""
    best, waited, value, patience, delta = kernel.receives(case, "best waited value patience delta")
    best2, waited2, improved, stop = kernel.early_stop(best, waited, value, patience, delta)
    expected_best, expected_waited, expected_improved, expected_stop = spec.early_stop(best, waited, value, patience, delta)
    claim(approx(best2, expected_best))
    claim(waited2 == expected_waited)
    claim(improved == expected_improved)
    claim(stop == expected_stop)


@obligation("ES-COUNTS", equation="early_stop", type="rejection")
@given(case=es_counts_inputs)
def test_es_counts(kernel, case):
    """A negative patience is refused."""
    best, waited, value, delta, negative = kernel.receives(case, "best waited value delta negative")
    rejects(kernel, "early_stop", (best, waited, value, negative, delta), ValueError, mentions=["patience"])


@obligation("ES-STATUS", equation="run_status", type="boundary")
@given(case=run_status_inputs)
def test_es_status(kernel, case):
    """A run is running until its last step is done or it is told to stop, and not after."""
    value, done, total, stop = kernel.receives(case, "value done total stop")
    ended, _ = kernel.run_status(value, total, total, stop)
    before, _ = kernel.run_status(value, done, total, False)
    told, _ = kernel.run_status(value, done, total, True)
    claim(ended == 1)
    claim(before == 0)
    claim(told == 2)


@obligation("ES-FAILED", equation="run_status", type="boundary")
@given(case=es_failed_inputs)
def test_es_failed(kernel, case):
    """A loss that is not finite is a failure, at the last step too."""
    done, total, stop, bad = kernel.receives(case, "done total stop bad")
    status, _ = kernel.run_status(bad, done, total, stop)
    last, _ = kernel.run_status(bad, total, total, stop)
    claim(status == 3)
    claim(last == 3)


@obligation("ES-LOGGED", equation="run_status", type="equivalence")
@given(case=es_logged_inputs)
def test_es_logged(kernel, case):
    """What is logged is the loss, whatever becomes of the run."""
    value, done, total, stop = kernel.receives(case, "value done total stop")
    _, logged = kernel.run_status(value, done, total, stop)
    claim(exact(logged, value))


@obligation("ES-STEPS", equation="run_status", type="rejection")
@given(case=es_steps_inputs)
def test_es_steps(kernel, case):
    """More steps than there are, fewer than none, and a run of no steps are refused."""
    value, total, stop, which = kernel.receives(case, "value total stop which")
    step = single(where(which == 0, total + 1, where(which == 1, -1, 0)))
    steps = single(where(which == 2, 0, total))
    rejects(kernel, "run_status", (value, step, steps, stop), ValueError, mentions=["steps"])


@obligation("ES-DEF-EARLY_STOP", equation="early_stop", type="definition")
@given(case=es_never_inputs)
def test_es_def_early_stop(kernel, case):
    """early_stop computes its definition."""
    best, waited, value, patience, delta = kernel.receives(case, "best waited value patience delta")
    best2, waited2, improved, stop = kernel.early_stop(best, waited, value, patience, delta)
    expected_best2, expected_waited2, expected_improved, expected_stop = spec.early_stop(best, waited, value, patience, delta)
    claim(approx(best2, expected_best2))
    claim(approx(waited2, expected_waited2))
    claim(approx(improved, expected_improved))
    claim(approx(stop, expected_stop))


@obligation("ES-DEF-RUN_STATUS", equation="run_status", type="definition")
@given(case=es_logged_inputs)
def test_es_def_run_status(kernel, case):
    """run_status computes its definition."""
    value, done, total, stop = kernel.receives(case, "value done total stop")
    status, logged = kernel.run_status(value, done, total, stop)
    expected_status, expected_logged = spec.run_status(value, done, total, stop)
    claim(approx(status, expected_status))
    claim(approx(logged, expected_logged))


@obligation("ES-FT-EQUAL", rule="ES-BEST", type="falsification")
def test_es_ft_equal(kernel):
    """A value equal to the best is no improvement; nor is one that is better by exactly delta."""
    case = example(
        {"best": "real", "waited": "int", "value": "real", "patience": "int", "delta": "real"},
        best=2.0,
        waited=1,
        value=1.5,
        patience=2,
        delta=0.5,
    )
    best, waited, value, patience, delta = kernel.receives(case, "best waited value patience delta")
    best2, _, improved, stop = kernel.early_stop(best, waited, value, patience, delta)
    claim(~truth(improved))
    claim(stop)
    claim(best2 == 2)


@obligation("ES-FT-STATE", rule="ES-STATUS", type="falsification")
def test_es_ft_state(kernel):
    """A loss of 10.39 at step 999 of 1,000 is that of a running run; a step later the run is completed."""
    case = example(
        {"value": "real", "done": "int", "total": "int", "stop": "bool"},
        value=10.39,
        done=999,
        total=1000,
        stop=False,
    )
    value, done, total, stop = kernel.receives(case, "value done total stop")
    status, logged = kernel.run_status(value, done, total, stop)
    after, _ = kernel.run_status(value, done + 1, total, stop)
    claim(status == 0)
    claim(exact(logged, value))
    claim(after == 1)
