"""The arithmetic that a training script runs: steps, epochs, tokens, learning rate, and the check before the start.

A micro-batch has `batch` sequences of `sequence` tokens; one optimizer step consumes `accumulation` micro-batches;
`samples` is the number of sequences in the data, and what is left over after the last whole step of an epoch is
dropped. The counts are plain Python integers, so that they can be proved for all integers.

Errors, beside those named below: TypeError for a count that is a float or a truth value.
Sources: Loshchilov and Hutter, SGDR (2017), for one cycle; Goyal and others, "Accurate, Large Minibatch SGD" (2017),
for the linear warm-up. Steps, epochs and tokens are the definitions in contracts/schedule/training-config-v1.yaml.
"""

from __future__ import annotations

import math

import torch


def _count(name: str, value: int, least: int = 1) -> None:
    if isinstance(value, (bool, float)):
        raise TypeError(f"{name} must be a whole number, got {value!r}")
    if value < least:
        raise ValueError(f"{name} must be at least {least}, got {value}")


def _ceil_div(a: int, b: int) -> int:
    return -(-a // b)


def steps_per_epoch(samples: int, batch: int, accumulation: int) -> int:
    """Optimizer steps in one pass over the data: floor(samples / (batch * accumulation)); 0 if they fill no step.

    Errors: ValueError when an argument is below 1.
    """
    _count("samples", samples)
    _count("batch", batch)
    _count("accumulation", accumulation)
    return samples // (batch * accumulation)


def total_steps(samples: int, batch: int, accumulation: int, epochs: int, max_steps: int) -> int:
    """Optimizer steps that really run: min(max_steps, epochs * steps_per_epoch).

    Errors: ValueError when an argument is below 1.
    """
    _count("epochs", epochs)
    _count("max_steps", max_steps)
    return min(max_steps, epochs * steps_per_epoch(samples, batch, accumulation))


def epochs_needed(samples: int, batch: int, accumulation: int, max_steps: int) -> int:
    """The fewest epochs that allow max_steps steps: ceil(max_steps / steps_per_epoch).

    Errors: ValueError when an argument is below 1, or when an epoch has no whole step (no number of epochs helps).
    """
    _count("max_steps", max_steps)
    per_epoch = steps_per_epoch(samples, batch, accumulation)
    if per_epoch < 1:
        raise ValueError(f"{samples} samples fill no step of batch {batch} * accumulation {accumulation}")
    return _ceil_div(max_steps, per_epoch)


def tokens_per_step(batch: int, accumulation: int, sequence: int) -> int:
    """Tokens of one optimizer step: batch * accumulation * sequence. Errors: ValueError below 1."""
    _count("batch", batch)
    _count("accumulation", accumulation)
    _count("sequence", sequence)
    return batch * accumulation * sequence


def warmup_ok(warmup: int, total: int) -> bool:
    """Whether the warm-up ends within the run and takes at most a tenth of it: 10 * warmup <= total, warmup < total.

    A run of no steps has no good warm-up. Errors: ValueError when an argument is negative.
    """
    _count("warmup", warmup, 0)
    _count("total", total, 0)
    return warmup < total and 10 * warmup <= total


def _check_schedule(warmup: int, total: int, peak: float, floor: float) -> None:
    _count("total", total)
    _count("warmup", warmup, 0)
    if warmup > total:
        raise ValueError(f"warmup must be at most total, got warmup {warmup} of total {total}")
    if not (0 <= floor <= peak and math.isfinite(peak)):
        raise ValueError(f"rates must satisfy 0 <= floor <= peak < infinity, got floor {floor}, peak {peak}")


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
    _count("step", step, 0)
    _check_schedule(warmup, total, peak, floor)
    if step < warmup:
        return peak * step / warmup
    if step == warmup:
        return float(peak)
    progress = min(1.0, (step - warmup) / max(1, total - warmup))
    # cos(pi) is exactly -1 in binary arithmetic: the floor is reached. The sum may round a last digit above the peak.
    return min(float(peak), floor + (peak - floor) / 2 * (1 + math.cos(math.pi * progress)))


def learning_rates(steps: torch.Tensor, warmup: int, total: int, peak: float, floor: float) -> torch.Tensor:
    """`learning_rate` of many steps at once: integer tensor of any shape -> f64 of that shape, on the same device.

    Errors    TypeError: steps are not integers; ValueError: as `learning_rate`. A negative step is refused on the CPU;
              on CUDA, where looking would synchronise, it gives NaN.
    """
    if steps.dtype not in (torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64):
        raise TypeError(f"steps must be whole numbers, got {steps.dtype}")
    _check_schedule(warmup, total, peak, floor)
    if steps.device.type == "cpu" and bool((steps < 0).any()):
        raise ValueError(f"step must be at least 0, got {int(steps.min())}")
    step = steps.double()
    progress = ((step - warmup) / max(1, total - warmup)).clamp(0, 1)
    decay = (floor + (peak - floor) / 2 * (1 + torch.cos(math.pi * progress))).clamp(max=peak)
    decay = torch.where(step == warmup, peak, decay)
    rate = torch.where(step < warmup, peak * step / max(1, warmup), decay)
    return torch.where(step < 0, math.nan, rate)


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
    reasons = _out_of_range(counts)
    if not reasons and samples < batch * accumulation:
        reasons.append(_no_step(samples, batch, accumulation))
    if not reasons:
        reasons = _unmet(**counts)
    if reasons:
        listed = "\n".join(f"  - {reason}" for reason in reasons)
        raise ValueError(f"this training configuration cannot do what it says:\n{listed}")


def _out_of_range(counts: dict[str, int]) -> list[str]:
    reasons = []
    for name, value in counts.items():
        try:
            _count(name, value, 0 if name == "warmup" else 1)
        except ValueError as error:
            reasons.append(str(error))
    return reasons


def _no_step(samples: int, batch: int, accumulation: int) -> str:
    fill = batch * accumulation
    smaller = f" or accumulation <= {samples // batch}" if samples >= batch else ""
    return (
        f"samples >= batch * accumulation is false: {samples} < {batch} * {accumulation} = {fill}, "
        f"no step would ever run; needs samples >= {fill}{smaller}"
    )


def _unmet(
    *,
    samples: int,
    batch: int,
    accumulation: int,
    epochs: int,
    max_steps: int,
    warmup: int,
    sequence: int,
    token_budget: int,
) -> list[str]:
    per_epoch = steps_per_epoch(samples, batch, accumulation)
    per_step = tokens_per_step(batch, accumulation, sequence)
    available, total = epochs * per_epoch, total_steps(samples, batch, accumulation, epochs, max_steps)
    reasons = []
    if available < max_steps:
        reasons.append(
            f"epochs * steps_per_epoch >= max_steps is false: {epochs} * {per_epoch} = {available} < {max_steps}, "
            f"only {available} of {max_steps} steps would run "
            f"(steps_per_epoch = {samples} // ({batch} * {accumulation})); "
            f"needs epochs >= {epochs_needed(samples, batch, accumulation, max_steps)} or max_steps <= {available}"
        )
    if not warmup_ok(warmup, total):
        reasons.append(
            f"10 * warmup <= total_steps is false: 10 * {warmup} = {10 * warmup} > {total}; "
            f"needs warmup <= {total // 10} or total_steps >= {10 * warmup}"
        )
    if total * per_step < token_budget:
        enough = _ceil_div(token_budget, per_step)
        reasons.append(
            f"total_steps * tokens_per_step >= token_budget is false: {total} * {per_step} = {total * per_step} "
            f"< {token_budget}; needs max_steps >= {max(enough, max_steps)} with "
            f"epochs >= {max(epochs, epochs_needed(samples, batch, accumulation, enough))}"
        )
    return reasons
