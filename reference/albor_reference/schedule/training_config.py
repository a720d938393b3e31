"""The arithmetic of a training run: steps, epochs, tokens and the learning rate; and the check before it starts.

Words. A micro-batch has `batch` sequences of `sequence` tokens. One optimizer step consumes `accumulation`
micro-batches. `samples` is the number of sequences in the data; what is left over after the last whole step of an
epoch is dropped. All counts are whole numbers.

Errors, beside those named below: TypeError for a count that is a float or a truth value.
Sources: Loshchilov and Hutter, SGDR (2017), for one cycle; Goyal and others, "Accurate, Large Minibatch SGD" (2017),
for the linear warm-up. Steps, epochs and tokens are the definitions in contracts/schedule/training-config-v1.yaml.
"""

from __future__ import annotations

import math


def _require(name: str, value: int, least: int) -> None:
    if isinstance(value, (bool, float)):
        raise TypeError(f"{name} must be a whole number, got {value!r}")
    if value < least:
        raise ValueError(f"{name} must be at least {least}, got {value}")


def _ceil_div(a: int, b: int) -> int:
    return (a + b - 1) // b


def steps_per_epoch(samples: int, batch: int, accumulation: int) -> int:
    """Optimizer steps in one pass over the data: floor(samples / (batch * accumulation)); 0 if they fill no step.

    Errors: ValueError when an argument is below 1.
    """
    _require("samples", samples, 1)
    _require("batch", batch, 1)
    _require("accumulation", accumulation, 1)
    return samples // (batch * accumulation)


def total_steps(samples: int, batch: int, accumulation: int, epochs: int, max_steps: int) -> int:
    """Optimizer steps that really run: min(max_steps, epochs * steps_per_epoch).

    Errors: ValueError when an argument is below 1.
    """
    _require("epochs", epochs, 1)
    _require("max_steps", max_steps, 1)
    available = epochs * steps_per_epoch(samples, batch, accumulation)
    return max_steps if max_steps < available else available


def epochs_needed(samples: int, batch: int, accumulation: int, max_steps: int) -> int:
    """The fewest epochs that allow max_steps steps: ceil(max_steps / steps_per_epoch).

    Errors: ValueError when an argument is below 1, or when an epoch has no whole step (no number of epochs helps).
    """
    _require("max_steps", max_steps, 1)
    per_epoch = steps_per_epoch(samples, batch, accumulation)
    if per_epoch == 0:
        raise ValueError(f"{samples} samples fill no step of batch {batch} * accumulation {accumulation}")
    return _ceil_div(max_steps, per_epoch)


def tokens_per_step(batch: int, accumulation: int, sequence: int) -> int:
    """Tokens of one optimizer step: batch * accumulation * sequence. Errors: ValueError below 1."""
    _require("batch", batch, 1)
    _require("accumulation", accumulation, 1)
    _require("sequence", sequence, 1)
    return batch * accumulation * sequence


def warmup_ok(warmup: int, total: int) -> bool:
    """Whether the warm-up ends within the run and takes at most a tenth of it: 10 * warmup <= total, warmup < total.

    A run of no steps has no good warm-up. Errors: ValueError when an argument is negative.
    """
    _require("warmup", warmup, 0)
    _require("total", total, 0)
    return 10 * warmup <= total and warmup < total


def learning_rate(step: int, warmup: int, total: int, peak: float, floor: float) -> float:
    """Learning rate of one step: linear warm-up, then half a cosine down to the floor, then the floor.

    Formula   step < warmup                 peak * step / warmup
              warmup <= step                floor + (peak - floor) / 2 * (1 + cos(pi * progress))
              progress = (step - warmup) / (total - warmup), at most 1
    Exact     peak at step == warmup (also when warmup is 0 or total), floor at every step >= total > warmup
    Units     as peak. step counts from 0, warmup and total are counts of steps
    Errors    ValueError: step < 0, total < 1, warmup outside [0, total], not 0 <= floor <= peak < infinity
    Source    Loshchilov and Hutter, SGDR, 2017 (one cycle), with linear warm-up
    """
    _require("step", step, 0)
    _require("total", total, 1)
    _require("warmup", warmup, 0)
    if warmup > total:
        raise ValueError(f"warmup must be at most total, got warmup {warmup} of total {total}")
    if not 0 <= floor <= peak < math.inf:
        raise ValueError(f"rates must satisfy 0 <= floor <= peak < infinity, got floor {floor}, peak {peak}")
    if step < warmup:
        return peak * step / warmup
    if step == warmup:
        return float(peak)
    if step >= total:
        return float(floor)
    progress = (step - warmup) / (total - warmup)
    # Rounding may carry the sum a last digit above the peak, which no step may exceed.
    return min(peak, floor + (peak - floor) / 2 * (1 + math.cos(math.pi * progress)))


def check_training_config(
    samples: int,
    batch: int,
    accumulation: int,
    epochs: int,
    max_steps: int,
    warmup: int,
    sequence: int,
    token_budget: int,
) -> None:
    """Pre-flight: refuse a configuration that cannot do what it says, before it costs GPU hours.

    Inequalities   samples >= batch * accumulation                an epoch has at least one step
                   epochs * steps_per_epoch >= max_steps          the data lasts for the steps asked for
                   10 * warmup <= total_steps                     warm-up is at most a tenth of the real run
                   total_steps * tokens_per_step >= token_budget  at least this many tokens are trained on
    Errors         ValueError whose message lists every inequality that fails, each with its numbers and with values
                   that satisfy it (other things equal); or every argument that is below its least value (0 for
                   warmup, else 1). TypeError for an argument that is not a whole number.
    """
    counts = {
        "samples": samples,
        "batch": batch,
        "accumulation": accumulation,
        "epochs": epochs,
        "max_steps": max_steps,
        "warmup": warmup,
        "sequence": sequence,
        "token_budget": token_budget,
    }
    invalid = []
    for name, value in counts.items():
        try:
            _require(name, value, 0 if name == "warmup" else 1)
        except ValueError as error:
            invalid.append(str(error))
    if invalid:
        raise ValueError(_refusal(invalid))

    failing = []
    step_samples = batch * accumulation
    per_epoch = steps_per_epoch(samples, batch, accumulation)
    if per_epoch == 0:
        remedy = f"samples >= {step_samples}"
        if samples >= batch:
            remedy += f" or accumulation <= {samples // batch}"
        failing.append(
            f"samples >= batch * accumulation is false: {samples} < {batch} * {accumulation} = {step_samples}, "
            f"no step would ever run; needs {remedy}"
        )
        raise ValueError(_refusal(failing))

    available = epochs * per_epoch
    if available < max_steps:
        failing.append(
            f"epochs * steps_per_epoch >= max_steps is false: {epochs} * {per_epoch} = {available} < {max_steps}, "
            f"only {available} of {max_steps} steps would run "
            f"(steps_per_epoch = {samples} // ({batch} * {accumulation})); "
            f"needs epochs >= {epochs_needed(samples, batch, accumulation, max_steps)} or max_steps <= {available}"
        )
    total = total_steps(samples, batch, accumulation, epochs, max_steps)
    if not warmup_ok(warmup, total):
        failing.append(
            f"10 * warmup <= total_steps is false: 10 * {warmup} = {10 * warmup} > {total}; "
            f"needs warmup <= {total // 10} or total_steps >= {10 * warmup}"
        )
    per_step = tokens_per_step(batch, accumulation, sequence)
    if total * per_step < token_budget:
        steps = _ceil_div(token_budget, per_step)
        failing.append(
            f"total_steps * tokens_per_step >= token_budget is false: {total} * {per_step} = {total * per_step} "
            f"< {token_budget}; needs max_steps >= {max(steps, max_steps)} with "
            f"epochs >= {max(epochs, epochs_needed(samples, batch, accumulation, steps))}"
        )
    if failing:
        raise ValueError(_refusal(failing))


def _refusal(reasons: list[str]) -> str:
    return "this training configuration cannot do what it says:\n" + "\n".join(f"  - {reason}" for reason in reasons)
