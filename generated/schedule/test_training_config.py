"""schedule/training-config: Arithmetic of a training run.

Compiled from contracts/schedule/training-config-v1.yaml: change the contract and run `albor-contracts generate`, never this file.
Meaning: 0f942cefcccd7767444f155a08fac27010ad95719f5000b44af4d6d4c6d8a90f
"""

from albor_contracts.testing import (
    approx, cases, claim, clip, cos, defines, definitions, exact, example, given, inf, max, min, obligation, ratio,
    rejects, single, truth, where,
)

CONTRACT = "schedule/training-config"


@defines("steps_per_epoch(samples: int, batch: int, accumulation: int) -> steps: int")
def steps_per_epoch(samples, batch, accumulation):
    """steps = floor(samples / (batch accumulation))"""
    steps = samples // (batch * accumulation)
    return steps


@defines("total_steps(samples: int, batch: int, accumulation: int, epochs: int, max_steps: int) -> total: int")
def total_steps(samples, batch, accumulation, epochs, max_steps):
    """total = min(max_steps, epochs floor(samples / (batch accumulation)))"""
    total = single(min(max_steps, epochs * (samples // (batch * accumulation))))
    return total


@defines("epochs_needed(samples: int, batch: int, accumulation: int, max_steps: int) -> epochs: int")
def epochs_needed(samples, batch, accumulation, max_steps):
    """epochs = ceil(max_steps / floor(samples / (batch accumulation)))"""
    epochs = -(-max_steps // (samples // (batch * accumulation)))
    return epochs


@defines("tokens_per_step(batch: int, accumulation: int, sequence: int) -> tokens: int")
def tokens_per_step(batch, accumulation, sequence):
    """tokens = batch accumulation sequence"""
    tokens = batch * accumulation * sequence
    return tokens


@defines("warmup_ok(warmup: int, total: int) -> ok: bool")
def warmup_ok(warmup, total):
    """10 warmup <= total and warmup < total"""
    ok = truth(10 * warmup <= total) & truth(warmup < total)
    return ok


@defines("learning_rate(step: int, warmup: int, total: int, peak: real, lowest: real) -> rate: real")
def learning_rate(step, warmup, total, peak, lowest):
    """peak step / warmup, then lowest + (peak - lowest) / 2 (1 + cos(pi (step - warmup) / (total - warmup)))"""
    progress = single(clip(ratio(step - warmup, max(1, total - warmup)), 0, 1))
    decay = single(lowest + (peak - lowest) / 2 * (1 + cos(3.141592653589793 * progress)))
    after = single(where(step == warmup, peak, where(progress == 1, lowest, decay)))
    rate = single(where(step < warmup, peak * step / max(1, warmup), after))
    return rate


spec = definitions(
    CONTRACT,
    steps_per_epoch,
    total_steps,
    epochs_needed,
    tokens_per_step,
    warmup_ok,
    learning_rate,
    "check_training_config(samples: int, batch: int, accumulation: int, epochs: int, max_steps: int, warmup: int, sequence: int, token_budget: int) -> verdict: nothing",
)

steps_per_epoch_inputs = cases(
    samples="int in [1, inf)",
    batch="int in [1, inf)",
    accumulation="int in [1, inf)",
)
tc_large_epochs_inputs = cases(
    samples="int in {1}",
    batch="int in [1, 9]",
    accumulation="int in [1, 9]",
    expected="int in [9007199254740993, 9007199254741993]",
    rest="int in {0, 1}",
)
tc_compose_inputs = cases(
    samples="int in [batch, inf)",
    batch="int in [1, inf)",
    accumulation="int in [1, inf)",
)
total_steps_inputs = cases(
    samples="int in [1, inf)",
    batch="int in [1, inf)",
    accumulation="int in [1, inf)",
    epochs="int in [1, inf)",
    max_steps="int in [1, inf)",
)
epochs_needed_inputs = cases(
    samples="int in [batch * accumulation, inf)",
    batch="int in [1, 1000000]",
    accumulation="int in [1, 1000000]",
    max_steps="int in [1, inf)",
)
tokens_per_step_inputs = cases(
    batch="int in [1, inf)",
    accumulation="int in [1, inf)",
    sequence="int in [1, inf)",
)
warmup_ok_inputs = cases(
    warmup="int in [0, total // 5 + 1]",
    total="int in [1, inf)",
)
learning_rate_inputs = cases(
    step="int in [0, 2 * total]",
    warmup="int in [0, total]",
    total="int in [1, 100000]",
    peak="real in [1e-6, 1]",
    lowest="real in [0, peak]",
    late="int in [1, 100000]",
)
tc_rate_rises_inputs = cases(
    step="int in [0, warmup]",
    warmup="int in [0, total]",
    total="int in [1, 100000]",
    peak="real in [1e-6, 1]",
    lowest="real in [0, peak]",
    other_step="int in [0, warmup]",
)
tc_rate_falls_inputs = cases(
    step="int in [warmup, 3 * total]",
    warmup="int in [0, total]",
    total="int in [1, 100000]",
    peak="real in [1e-6, 1]",
    lowest="real in [0, peak]",
    other_step="int in [warmup, 3 * total]",
)
check_training_config_inputs = cases(
    samples="int in [batch * accumulation, 100000]",
    batch="int in [1, 64]",
    accumulation="int in [1, 64]",
    epochs="int in [1, 40]",
    max_steps="int in [1, epochs * (samples // (batch * accumulation))]",
    warmup="int in [0, max_steps // 10]",
    sequence="int in [1, 4096]",
    token_budget="int in [1, max_steps * batch * accumulation * sequence]",
)
tc_refuses_epochs_inputs = cases(
    samples="int in [batch * accumulation, 100000]",
    batch="int in [1, 64]",
    accumulation="int in [1, 64]",
    epochs="int in [1, 40]",
    max_steps="int in [epochs * (samples // (batch * accumulation)) + 1, epochs * (samples // (batch * accumulation)) + 100000]",
    warmup="int in [0, max_steps // 10]",
    sequence="int in [1, 4096]",
    token_budget="int in [1, max_steps * batch * accumulation * sequence]",
)
tc_refuses_warmup_inputs = cases(
    samples="int in [batch * accumulation, 100000]",
    batch="int in [1, 64]",
    accumulation="int in [1, 64]",
    epochs="int in [1, 40]",
    max_steps="int in [1, epochs * (samples // (batch * accumulation))]",
    warmup="int in [max_steps // 10 + 1, max_steps + 10]",
    sequence="int in [1, 4096]",
    token_budget="int in [1, max_steps * batch * accumulation * sequence]",
)
tc_refuses_tokens_inputs = cases(
    samples="int in [batch * accumulation, 100000]",
    batch="int in [1, 64]",
    accumulation="int in [1, 64]",
    epochs="int in [1, 40]",
    max_steps="int in [1, epochs * (samples // (batch * accumulation))]",
    warmup="int in [0, max_steps // 10]",
    sequence="int in [1, 4096]",
    token_budget="int in [max_steps * batch * accumulation * sequence + 1, 2 * max_steps * batch * accumulation * sequence]",
)
tc_refuses_no_step_inputs = cases(
    samples="int in [1, batch * accumulation - 1]",
    batch="int in [2, 64]",
    accumulation="int in [1, 64]",
    epochs="int in [1, 40]",
    max_steps="int in [1, 10000]",
    warmup="int in [0, max_steps // 10]",
    sequence="int in [1, 4096]",
    token_budget="int in [1, max_steps * batch * accumulation * sequence]",
)
tc_refuses_counts_inputs = cases(
    samples="int in [batch * accumulation, 100000]",
    batch="int in [1, 64]",
    accumulation="int in [1, 64]",
    epochs="int in [1, 40]",
    max_steps="int in [1, epochs * (samples // (batch * accumulation))]",
    warmup="int in [0, max_steps // 10]",
    sequence="int in [1, 4096]",
    token_budget="int in [1, max_steps * batch * accumulation * sequence]",
    which="int in [0, 7]",
    bad="int in [-3, 0]",
)
tc_refuses_steps_inputs = cases(
    samples="int in [1, 10000000]",
    batch="int in [1, 300]",
    accumulation="int in [1, 200]",
    which="int in [0, 2]",
    bad="int in [-2, 0]",
)
tc_refuses_total_inputs = cases(
    samples="int in [1, 100000]",
    batch="int in [1, 64]",
    accumulation="int in [1, 64]",
    epochs="int in [1, 40]",
    max_steps="int in [1, 10000]",
    which="int in [0, 4]",
    bad="int in [-2, 0]",
)
tc_refuses_needed_inputs = cases(
    samples="int in [batch * accumulation, 100000]",
    batch="int in [1, 64]",
    accumulation="int in [1, 64]",
    max_steps="int in [1, 10000]",
    which="int in [0, 3]",
    bad="int in [-2, 0]",
)
tc_refuses_sizes_inputs = cases(
    batch="int in [1, 1000]",
    accumulation="int in [1, 1000]",
    sequence="int in [1, 100000]",
    which="int in [0, 2]",
    bad="int in [-2, 0]",
)
tc_refuses_share_inputs = cases(
    warmup="int in [0, total // 5 + 1]",
    total="int in [0, 10000]",
    which="int in [0, 1]",
    bad="int in [-2, 0]",
)
tc_refuses_rates_inputs = cases(
    step="int in [0, 2 * total]",
    warmup="int in [0, total]",
    total="int in [1, 100000]",
    peak="real in [1e-6, 1]",
    lowest="real in [0, peak]",
    which="int in [0, 6]",
)
tc_def_steps_per_epoch_inputs = cases(
    samples="int in [1, 10000000]",
    batch="int in [1, 300]",
    accumulation="int in [1, 200]",
)
tc_def_total_steps_inputs = cases(
    samples="int in [1, 100000]",
    batch="int in [1, 64]",
    accumulation="int in [1, 64]",
    epochs="int in [1, 40]",
    max_steps="int in [1, 10000]",
)
tc_def_epochs_needed_inputs = cases(
    samples="int in [batch * accumulation, 100000]",
    batch="int in [1, 64]",
    accumulation="int in [1, 64]",
    max_steps="int in [1, 10000]",
)
tc_def_tokens_per_step_inputs = cases(
    batch="int in [1, 1000]",
    accumulation="int in [1, 1000]",
    sequence="int in [1, 100000]",
)
tc_def_warmup_ok_inputs = cases(
    warmup="int in [0, total // 5 + 1]",
    total="int in [0, 10000]",
)
tc_def_learning_rate_inputs = cases(
    step="int in [0, 2 * total]",
    warmup="int in [0, total]",
    total="int in [1, 100000]",
    peak="real in [1e-6, 1]",
    lowest="real in [0, peak]",
)


@obligation("TC-REMAINDER", equation="steps_per_epoch", type="bound")
@given(case=steps_per_epoch_inputs)
def test_tc_remainder(kernel, case):
    """The steps of an epoch consume no more samples than there are, and one more step would."""
    samples, batch, accumulation = kernel.receives(case, "samples batch accumulation")
    steps = kernel.steps_per_epoch(samples, batch, accumulation)
    claim(steps * batch * accumulation <= samples)
    claim(samples < (steps + 1) * batch * accumulation)


@obligation("TC-LARGE-EPOCHS", equation="steps_per_epoch", type="equivalence")
@given(case=tc_large_epochs_inputs)
def test_tc_large_epochs(kernel, case):
    """So many steps, and what is not enough for one more, are as many samples as give so many steps, beyond 2^53
    too."""
    batch, accumulation, expected, rest = kernel.receives(case, "batch accumulation expected rest")
    claim(kernel.steps_per_epoch((expected + rest) * batch * accumulation - rest, batch, accumulation) == expected)


@obligation("TC-COMPOSE", equation="steps_per_epoch", type="equivalence")
@given(case=tc_compose_inputs)
def test_tc_compose(kernel, case):
    """Cutting into micro-batches and then into steps gives as many steps as cutting at once."""
    samples, batch, accumulation = kernel.receives(case, "samples batch accumulation")
    micro = kernel.steps_per_epoch(samples, batch, 1)
    claim(kernel.steps_per_epoch(micro, accumulation, 1) == kernel.steps_per_epoch(samples, batch, accumulation))


@obligation("TC-SMALLER-LIMIT", equation="total_steps", type="bound")
@given(case=total_steps_inputs)
def test_tc_smaller_limit(kernel, case):
    """A run stops at its step limit or at the end of its epochs, whichever comes first."""
    samples, batch, accumulation, epochs, max_steps = kernel.receives(case, "samples batch accumulation epochs max_steps")
    steps = kernel.steps_per_epoch(samples, batch, accumulation)
    total = kernel.total_steps(samples, batch, accumulation, epochs, max_steps)
    claim(total <= max_steps)
    claim(total <= epochs * steps)
    claim(truth(total == max_steps) | truth(total == epochs * steps))


@obligation("TC-FEWEST-EPOCHS", equation="epochs_needed", type="bound")
@given(case=epochs_needed_inputs)
def test_tc_fewest_epochs(kernel, case):
    """So many epochs reach max_steps, and one fewer does not."""
    samples, batch, accumulation, max_steps = kernel.receives(case, "samples batch accumulation max_steps")
    steps = kernel.steps_per_epoch(samples, batch, accumulation)
    epochs = kernel.epochs_needed(samples, batch, accumulation, max_steps)
    claim(epochs * steps >= max_steps)
    claim((epochs - 1) * steps < max_steps)


@obligation("TC-TOKENS-FOLD", equation="tokens_per_step", type="equivalence")
@given(case=tokens_per_step_inputs)
def test_tc_tokens_fold(kernel, case):
    """Accumulating micro-batches is the same number of tokens as one batch of their total size."""
    batch, accumulation, sequence = kernel.receives(case, "batch accumulation sequence")
    claim(kernel.tokens_per_step(batch, accumulation, sequence) == kernel.tokens_per_step(batch * accumulation, 1, sequence))


@obligation("TC-WARMUP-TENTH", equation="warmup_ok", type="boundary")
@given(case=warmup_ok_inputs)
def test_tc_warmup_tenth(kernel, case):
    """A tenth of the run, rounded down, is the longest warm-up that is permitted; a run without steps permits none."""
    total = kernel.receives(case, "total")
    claim(kernel.warmup_ok(total // 10, total))
    claim(~truth(kernel.warmup_ok(total // 10 + 1, total)))
    claim(~truth(kernel.warmup_ok(0, 0)))


@obligation("TC-RATE-ENDS", equation="learning_rate", type="boundary")
@given(case=learning_rate_inputs)
def test_tc_rate_ends(kernel, case):
    """The rate is 0 at step 0 of a warm-up, exactly the peak at its end, exactly lowest at the end of the run and ever
    after."""
    warmup, total, peak, lowest, late = kernel.receives(case, "warmup total peak lowest late")
    claim(truth(warmup == 0) | truth(kernel.learning_rate(0, warmup, total, peak, lowest) == 0))
    claim(exact(kernel.learning_rate(warmup, warmup, total, peak, lowest), peak))
    claim(truth(warmup == total) | exact(kernel.learning_rate(total, warmup, total, peak, lowest), lowest))
    claim(exact(kernel.learning_rate(total + late, warmup, total, peak, lowest), lowest))


@obligation("TC-RATE-RISES", equation="learning_rate", type="monotonicity")
@given(case=tc_rate_rises_inputs)
def test_tc_rate_rises(kernel, case):
    """During the warm-up the rate does not fall."""
    step, warmup, total, peak, lowest, other_step = kernel.receives(case, "step warmup total peak lowest other_step")
    first = kernel.learning_rate(step, warmup, total, peak, lowest)
    second = kernel.learning_rate(other_step, warmup, total, peak, lowest)
    claim(truth(step > other_step) | truth(first <= second))
    claim(truth(step < other_step) | truth(second <= first))


@obligation("TC-RATE-FALLS", equation="learning_rate", type="monotonicity")
@given(case=tc_rate_falls_inputs)
def test_tc_rate_falls(kernel, case):
    """From the end of the warm-up on the rate does not rise, beyond the end of the run neither."""
    step, warmup, total, peak, lowest, other_step = kernel.receives(case, "step warmup total peak lowest other_step")
    first = kernel.learning_rate(step, warmup, total, peak, lowest)
    second = kernel.learning_rate(other_step, warmup, total, peak, lowest)
    claim(truth(step > other_step) | truth(first >= second))
    claim(truth(step < other_step) | truth(second >= first))


@obligation("TC-ACCEPTED-RUNS", equation="check_training_config", type="boundary")
@given(case=check_training_config_inputs)
def test_tc_accepted_runs(kernel, case):
    """A configuration that meets the four inequalities is accepted; it runs all its steps and sees its tokens."""
    samples, batch, accumulation, epochs, max_steps, warmup, sequence, token_budget = kernel.receives(case, "samples batch accumulation epochs max_steps warmup sequence token_budget")
    kernel.check_training_config(samples, batch, accumulation, epochs, max_steps, warmup, sequence, token_budget)
    total = kernel.total_steps(samples, batch, accumulation, epochs, max_steps)
    tokens = kernel.tokens_per_step(batch, accumulation, sequence)
    claim(total == max_steps)
    claim(kernel.warmup_ok(warmup, total))
    claim(total * tokens >= token_budget)


@obligation("TC-REFUSES-EPOCHS", equation="check_training_config", type="rejection")
@given(case=tc_refuses_epochs_inputs)
def test_tc_refuses_epochs(kernel, case):
    """A run whose epochs end before its steps is refused, with the number of epochs that would do."""
    samples, batch, accumulation, epochs, max_steps, warmup, sequence, token_budget = kernel.receives(case, "samples batch accumulation epochs max_steps warmup sequence token_budget")
    rejects(
        kernel,
        "check_training_config",
        (samples, batch, accumulation, epochs, max_steps, warmup, sequence, token_budget),
        ValueError,
        mentions=["epochs * steps_per_epoch >= max_steps", "epochs >= ", "max_steps <= "],
    )


@obligation("TC-REFUSES-WARMUP", equation="check_training_config", type="rejection")
@given(case=tc_refuses_warmup_inputs)
def test_tc_refuses_warmup(kernel, case):
    """A warm-up of more than a tenth of the steps that run is refused, with the warm-up that would do."""
    samples, batch, accumulation, epochs, max_steps, warmup, sequence, token_budget = kernel.receives(case, "samples batch accumulation epochs max_steps warmup sequence token_budget")
    rejects(
        kernel,
        "check_training_config",
        (samples, batch, accumulation, epochs, max_steps, warmup, sequence, token_budget),
        ValueError,
        mentions=["10 * warmup <= total_steps", "warmup <= "],
    )


@obligation("TC-REFUSES-TOKENS", equation="check_training_config", type="rejection")
@given(case=tc_refuses_tokens_inputs)
def test_tc_refuses_tokens(kernel, case):
    """A run that cannot see its budget of tokens is refused, with the steps that would do."""
    samples, batch, accumulation, epochs, max_steps, warmup, sequence, token_budget = kernel.receives(case, "samples batch accumulation epochs max_steps warmup sequence token_budget")
    rejects(
        kernel,
        "check_training_config",
        (samples, batch, accumulation, epochs, max_steps, warmup, sequence, token_budget),
        ValueError,
        mentions=["total_steps * tokens_per_step >= token_budget", "max_steps >= "],
    )


@obligation("TC-REFUSES-NO-STEP", equation="check_training_config", type="rejection")
@given(case=tc_refuses_no_step_inputs)
def test_tc_refuses_no_step(kernel, case):
    """Data that fills no step is refused, with the samples that would do."""
    samples, batch, accumulation, epochs, max_steps, warmup, sequence, token_budget = kernel.receives(case, "samples batch accumulation epochs max_steps warmup sequence token_budget")
    rejects(
        kernel,
        "check_training_config",
        (samples, batch, accumulation, epochs, max_steps, warmup, sequence, token_budget),
        ValueError,
        mentions=["samples >= batch * accumulation", "no step"],
    )


@obligation("TC-REFUSES-COUNTS", equation="check_training_config", type="rejection")
@given(case=tc_refuses_counts_inputs)
def test_tc_refuses_counts(kernel, case):
    """A count of zero or below is refused, whichever it is; only the warm-up may be 0."""
    samples, batch, accumulation, epochs, max_steps, warmup, sequence, token_budget, which, bad = kernel.receives(case, "samples batch accumulation epochs max_steps warmup sequence token_budget which bad")
    s = single(where(which == 0, bad, samples))
    b = single(where(which == 1, bad, batch))
    a = single(where(which == 2, bad, accumulation))
    e = single(where(which == 3, bad, epochs))
    m = single(where(which == 4, bad, max_steps))
    w = single(where(which == 5, bad - 1, warmup))
    q = single(where(which == 6, bad, sequence))
    t = single(where(which == 7, bad, token_budget))
    rejects(kernel, "check_training_config", (s, b, a, e, m, w, q, t), ValueError, mentions=["must be at least"])


@obligation("TC-REFUSES-STEPS", equation="steps_per_epoch", type="rejection")
@given(case=tc_refuses_steps_inputs)
def test_tc_refuses_steps(kernel, case):
    """A count below 1 is refused."""
    samples, batch, accumulation, which, bad = kernel.receives(case, "samples batch accumulation which bad")
    bad_samples = single(where(which == 0, bad, samples))
    bad_batch = single(where(which == 1, bad, batch))
    bad_accumulation = single(where(which == 2, bad, accumulation))
    rejects(
        kernel,
        "steps_per_epoch",
        (bad_samples, bad_batch, bad_accumulation),
        ValueError,
        mentions=["must be at least"],
    )


@obligation("TC-REFUSES-TOTAL", equation="total_steps", type="rejection")
@given(case=tc_refuses_total_inputs)
def test_tc_refuses_total(kernel, case):
    """A count below 1 is refused."""
    samples, batch, accumulation, epochs, max_steps, which, bad = kernel.receives(case, "samples batch accumulation epochs max_steps which bad")
    bad_samples = single(where(which == 0, bad, samples))
    bad_batch = single(where(which == 1, bad, batch))
    bad_accumulation = single(where(which == 2, bad, accumulation))
    bad_epochs = single(where(which == 3, bad, epochs))
    bad_max_steps = single(where(which == 4, bad, max_steps))
    rejects(
        kernel,
        "total_steps",
        (bad_samples, bad_batch, bad_accumulation, bad_epochs, bad_max_steps),
        ValueError,
        mentions=["must be at least"],
    )


@obligation("TC-REFUSES-NEEDED", equation="epochs_needed", type="rejection")
@given(case=tc_refuses_needed_inputs)
def test_tc_refuses_needed(kernel, case):
    """A count below 1 is refused."""
    samples, batch, accumulation, max_steps, which, bad = kernel.receives(case, "samples batch accumulation max_steps which bad")
    bad_samples = single(where(which == 0, bad, samples))
    bad_batch = single(where(which == 1, bad, batch))
    bad_accumulation = single(where(which == 2, bad, accumulation))
    bad_max_steps = single(where(which == 3, bad, max_steps))
    rejects(
        kernel,
        "epochs_needed",
        (bad_samples, bad_batch, bad_accumulation, bad_max_steps),
        ValueError,
        mentions=["must be at least"],
    )


@obligation("TC-REFUSES-SIZES", equation="tokens_per_step", type="rejection")
@given(case=tc_refuses_sizes_inputs)
def test_tc_refuses_sizes(kernel, case):
    """A size below 1 is refused."""
    batch, accumulation, sequence, which, bad = kernel.receives(case, "batch accumulation sequence which bad")
    bad_batch = single(where(which == 0, bad, batch))
    bad_accumulation = single(where(which == 1, bad, accumulation))
    bad_sequence = single(where(which == 2, bad, sequence))
    rejects(
        kernel,
        "tokens_per_step",
        (bad_batch, bad_accumulation, bad_sequence),
        ValueError,
        mentions=["must be at least"],
    )


@obligation("TC-REFUSES-SHARE", equation="warmup_ok", type="rejection")
@given(case=tc_refuses_share_inputs)
def test_tc_refuses_share(kernel, case):
    """A negative count is refused."""
    warmup, total, which, bad = kernel.receives(case, "warmup total which bad")
    bad_warmup = single(where(which == 0, bad - 1, warmup))
    bad_total = single(where(which == 1, bad - 1, total))
    rejects(kernel, "warmup_ok", (bad_warmup, bad_total), ValueError, mentions=["must be at least"])


@obligation("TC-REFUSES-RATES", equation="learning_rate", type="rejection")
@given(case=tc_refuses_rates_inputs)
def test_tc_refuses_rates(kernel, case):
    """A step before the first, a run without steps, a warm-up outside the run, and rates that are negative, infinite or
    out of order are refused."""
    step, warmup, total, peak, lowest, which = kernel.receives(case, "step warmup total peak lowest which")
    early = single(where(which == 0, -1, step))
    end = single(where(which == 1, 0, total))
    ramp = single(where(which == 1, 0, where(which == 2, -1, where(which == 3, total + 1, warmup))))
    low = single(where(which == 4, 2 * peak, where(which == 5, -0.5, lowest)))
    high = single(where(which == 6, inf, peak))
    rejects(kernel, "learning_rate", (early, ramp, end, high, low), ValueError, mentions=["must"])


@obligation("TC-DEF-STEPS_PER_EPOCH", equation="steps_per_epoch", type="definition")
@given(case=tc_def_steps_per_epoch_inputs)
def test_tc_def_steps_per_epoch(kernel, case):
    """steps_per_epoch computes its definition."""
    samples, batch, accumulation = kernel.receives(case, "samples batch accumulation")
    steps = kernel.steps_per_epoch(samples, batch, accumulation)
    expected_steps = spec.steps_per_epoch(samples, batch, accumulation)
    claim(approx(steps, expected_steps))


@obligation("TC-DEF-TOTAL_STEPS", equation="total_steps", type="definition")
@given(case=tc_def_total_steps_inputs)
def test_tc_def_total_steps(kernel, case):
    """total_steps computes its definition."""
    samples, batch, accumulation, epochs, max_steps = kernel.receives(case, "samples batch accumulation epochs max_steps")
    total = kernel.total_steps(samples, batch, accumulation, epochs, max_steps)
    expected_total = spec.total_steps(samples, batch, accumulation, epochs, max_steps)
    claim(approx(total, expected_total))


@obligation("TC-DEF-EPOCHS_NEEDED", equation="epochs_needed", type="definition")
@given(case=tc_def_epochs_needed_inputs)
def test_tc_def_epochs_needed(kernel, case):
    """epochs_needed computes its definition."""
    samples, batch, accumulation, max_steps = kernel.receives(case, "samples batch accumulation max_steps")
    epochs = kernel.epochs_needed(samples, batch, accumulation, max_steps)
    expected_epochs = spec.epochs_needed(samples, batch, accumulation, max_steps)
    claim(approx(epochs, expected_epochs))


@obligation("TC-DEF-TOKENS_PER_STEP", equation="tokens_per_step", type="definition")
@given(case=tc_def_tokens_per_step_inputs)
def test_tc_def_tokens_per_step(kernel, case):
    """tokens_per_step computes its definition."""
    batch, accumulation, sequence = kernel.receives(case, "batch accumulation sequence")
    tokens = kernel.tokens_per_step(batch, accumulation, sequence)
    expected_tokens = spec.tokens_per_step(batch, accumulation, sequence)
    claim(approx(tokens, expected_tokens))


@obligation("TC-DEF-WARMUP_OK", equation="warmup_ok", type="definition")
@given(case=tc_def_warmup_ok_inputs)
def test_tc_def_warmup_ok(kernel, case):
    """warmup_ok computes its definition."""
    warmup, total = kernel.receives(case, "warmup total")
    ok = kernel.warmup_ok(warmup, total)
    expected_ok = spec.warmup_ok(warmup, total)
    claim(approx(ok, expected_ok))


@obligation("TC-DEF-LEARNING_RATE", equation="learning_rate", type="definition")
@given(case=tc_def_learning_rate_inputs)
def test_tc_def_learning_rate(kernel, case):
    """learning_rate computes its definition."""
    step, warmup, total, peak, lowest = kernel.receives(case, "step warmup total peak lowest")
    rate = kernel.learning_rate(step, warmup, total, peak, lowest)
    expected_rate = spec.learning_rate(step, warmup, total, peak, lowest)
    claim(approx(rate, expected_rate))


@obligation("TC-PREDICTS-43-STEPS", rule="TC-REFUSES-EPOCHS", type="falsification")
def test_tc_predicts_43_steps(kernel):
    """22,079 samples in steps of 4 * 128 for one epoch are 43 of 5,000 steps: refused, and 117 epochs would do."""
    case = example(
        {"samples": "int", "batch": "int", "accumulation": "int", "epochs": "int", "max_steps": "int", "warmup": "int", "sequence": "int", "token_budget": "int"},
        samples=22079,
        batch=4,
        accumulation=128,
        epochs=1,
        max_steps=5000,
        warmup=4,
        sequence=1024,
        token_budget=1,
    )
    samples, batch, accumulation, epochs, max_steps, warmup, sequence, token_budget = kernel.receives(case, "samples batch accumulation epochs max_steps warmup sequence token_budget")
    rejects(
        kernel,
        "check_training_config",
        (samples, batch, accumulation, epochs, max_steps, warmup, sequence, token_budget),
        ValueError,
        mentions=["epochs * steps_per_epoch >= max_steps", "43 of 5000", "epochs >= 117"],
    )


@obligation("TC-PREDICTS-117-EPOCHS", rule="TC-FEWEST-EPOCHS", type="falsification")
def test_tc_predicts_117_epochs(kernel):
    """The same run has 43 steps an epoch and needs 117 epochs for 5,000 steps."""
    case = example(
        {"samples": "int", "batch": "int", "accumulation": "int", "max_steps": "int"},
        samples=22079,
        batch=4,
        accumulation=128,
        max_steps=5000,
    )
    samples, batch, accumulation, max_steps = kernel.receives(case, "samples batch accumulation max_steps")
    steps = kernel.steps_per_epoch(samples, batch, accumulation)
    epochs = kernel.epochs_needed(samples, batch, accumulation, max_steps)
    claim(steps == 43)
    claim(epochs == 117)


@obligation("TC-PREDICTS-MIDWAY", rule="TC-DEF-LEARNING_RATE", type="falsification")
def test_tc_predicts_midway(kernel):
    """Half-way between the end of a warm-up of 100 steps and step 1,000 the rate is half the peak of 3e-4."""
    case = example(
        {"step": "int", "warmup": "int", "total": "int", "peak": "real", "lowest": "real"},
        step=550,
        warmup=100,
        total=1000,
        peak=0.0003,
        lowest=0,
    )
    step, warmup, total, peak, lowest = kernel.receives(case, "step warmup total peak lowest")
    claim(approx(kernel.learning_rate(step, warmup, total, peak, lowest), 0.00015))


@obligation("TC-PREDICTS-NO-STEP", rule="TC-REFUSES-NO-STEP", type="falsification")
def test_tc_predicts_no_step(kernel):
    """8 samples are one micro-batch and no step of 16: refused, with the samples and the accumulation that would do."""
    case = example(
        {"samples": "int", "batch": "int", "accumulation": "int", "epochs": "int", "max_steps": "int", "warmup": "int", "sequence": "int", "token_budget": "int"},
        samples=8,
        batch=8,
        accumulation=16,
        epochs=1,
        max_steps=10,
        warmup=0,
        sequence=4,
        token_budget=1,
    )
    samples, batch, accumulation, epochs, max_steps, warmup, sequence, token_budget = kernel.receives(case, "samples batch accumulation epochs max_steps warmup sequence token_budget")
    rejects(
        kernel,
        "check_training_config",
        (samples, batch, accumulation, epochs, max_steps, warmup, sequence, token_budget),
        ValueError,
        mentions=["8 < 8 * 16 = 128", "samples >= 128", "accumulation <= 1"],
    )


@obligation("TC-PREDICTS-TOO-FEW", rule="TC-REFUSES-NO-STEP", type="falsification")
def test_tc_predicts_too_few(kernel):
    """100 samples fill no step of 8 * 16; 128 would, and so would an accumulation of 12."""
    case = example(
        {"samples": "int", "batch": "int", "accumulation": "int", "epochs": "int", "max_steps": "int", "warmup": "int", "sequence": "int", "token_budget": "int"},
        samples=100,
        batch=8,
        accumulation=16,
        epochs=1,
        max_steps=10,
        warmup=0,
        sequence=4,
        token_budget=1,
    )
    samples, batch, accumulation, epochs, max_steps, warmup, sequence, token_budget = kernel.receives(case, "samples batch accumulation epochs max_steps warmup sequence token_budget")
    rejects(
        kernel,
        "check_training_config",
        (samples, batch, accumulation, epochs, max_steps, warmup, sequence, token_budget),
        ValueError,
        mentions=["100 < 8 * 16 = 128", "samples >= 128", "accumulation <= 12"],
    )


@obligation("TC-PREDICTS-BUDGET", rule="TC-REFUSES-TOKENS", type="falsification")
def test_tc_predicts_budget(kernel):
    """10 steps of 4 * 2 * 8 tokens are 640 of 1,000: refused; 16 steps would do, which take 2 epochs."""
    case = example(
        {"samples": "int", "batch": "int", "accumulation": "int", "epochs": "int", "max_steps": "int", "warmup": "int", "sequence": "int", "token_budget": "int"},
        samples=80,
        batch=4,
        accumulation=2,
        epochs=1,
        max_steps=10,
        warmup=1,
        sequence=8,
        token_budget=1000,
    )
    samples, batch, accumulation, epochs, max_steps, warmup, sequence, token_budget = kernel.receives(case, "samples batch accumulation epochs max_steps warmup sequence token_budget")
    rejects(
        kernel,
        "check_training_config",
        (samples, batch, accumulation, epochs, max_steps, warmup, sequence, token_budget),
        ValueError,
        mentions=["640 < 1000", "max_steps >= 16", "epochs >= 2"],
    )


@obligation("TC-PREDICTS-NO-BUDGET", rule="TC-REFUSES-COUNTS", type="falsification")
def test_tc_predicts_no_budget(kernel):
    """A budget of 0 tokens is refused by name."""
    case = example(
        {"samples": "int", "batch": "int", "accumulation": "int", "epochs": "int", "max_steps": "int", "warmup": "int", "sequence": "int", "token_budget": "int", "which": "int", "bad": "int"},
        samples=80,
        batch=4,
        accumulation=2,
        epochs=1,
        max_steps=10,
        warmup=1,
        sequence=8,
        token_budget=0,
        which=7,
        bad=0,
    )
    samples, batch, accumulation, epochs, max_steps, warmup, sequence, token_budget = kernel.receives(case, "samples batch accumulation epochs max_steps warmup sequence token_budget")
    rejects(
        kernel,
        "check_training_config",
        (samples, batch, accumulation, epochs, max_steps, warmup, sequence, token_budget),
        ValueError,
        mentions=["token_budget must be at least 1"],
    )


@obligation("TC-PREDICTS-TENTH", rule="TC-WARMUP-TENTH", type="falsification")
def test_tc_predicts_tenth(kernel):
    """Of 1,000 steps 100 may be warm-up, and 101 may not."""
    case = example({"warmup": "int", "total": "int"}, warmup=100, total=1000)
    warmup, total = kernel.receives(case, "warmup total")
    claim(kernel.warmup_ok(warmup, total))
    claim(~truth(kernel.warmup_ok(warmup + 1, total)))


@obligation("TC-PREDICTS-NO-EPOCHS", rule="TC-REFUSES-NEEDED", type="falsification")
def test_tc_predicts_no_epochs(kernel):
    """Seven samples fill no step of eight: no number of epochs helps, and the refusal says so."""
    case = example(
        {"samples": "int", "batch": "int", "accumulation": "int", "max_steps": "int", "which": "int", "bad": "int"},
        samples=7,
        batch=4,
        accumulation=2,
        max_steps=10,
        which=0,
        bad=0,
    )
    samples, batch, accumulation, max_steps = kernel.receives(case, "samples batch accumulation max_steps")
    rejects(
        kernel,
        "epochs_needed",
        (samples, batch, accumulation, max_steps),
        ValueError,
        mentions=["7 samples", "batch 4", "accumulation 2"],
    )


@obligation("TC-PREDICTS-WHICH", rule="TC-REFUSES-TOTAL", type="falsification")
def test_tc_predicts_which(kernel):
    """Of a batch of 0 it is said that it is the batch."""
    case = example(
        {"samples": "int", "batch": "int", "accumulation": "int", "epochs": "int", "max_steps": "int", "which": "int", "bad": "int"},
        samples=80,
        batch=0,
        accumulation=2,
        epochs=1,
        max_steps=10,
        which=1,
        bad=0,
    )
    samples, batch, accumulation, epochs, max_steps = kernel.receives(case, "samples batch accumulation epochs max_steps")
    rejects(
        kernel,
        "total_steps",
        (samples, batch, accumulation, epochs, max_steps),
        ValueError,
        mentions=["batch must be at least 1"],
    )


@obligation("TC-PREDICTS-WHICH-NEEDED", rule="TC-REFUSES-NEEDED", type="falsification")
def test_tc_predicts_which_needed(kernel):
    """Of an accumulation of 0 it is said that it is the accumulation."""
    case = example(
        {"samples": "int", "batch": "int", "accumulation": "int", "max_steps": "int", "which": "int", "bad": "int"},
        samples=80,
        batch=4,
        accumulation=0,
        max_steps=10,
        which=2,
        bad=0,
    )
    samples, batch, accumulation, max_steps = kernel.receives(case, "samples batch accumulation max_steps")
    rejects(
        kernel,
        "epochs_needed",
        (samples, batch, accumulation, max_steps),
        ValueError,
        mentions=["accumulation must be at least 1"],
    )
