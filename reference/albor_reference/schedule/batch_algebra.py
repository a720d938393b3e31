"""How large a step is, how large it should be, and how such numbers are written.

A micro-batch has `micro` sequences on each of `world` workers; one optimizer step accumulates several of them.
Counts as text: K, M, G are 1024, 1024^2, 1024^3; B and T are 10^9 and 10^12; either case.

Tokens, sequences and steps are whole numbers; noise scales, rates and what they are computed from are floats.
Sources: McCandlish and others, "An Empirical Model of Large-Batch Training" (2018); Li and others, step law (2025); Hu
and others, MiniCPM (2024); Hoffmann and others, "Training Compute-Optimal Large Language Models" (2022). Steps, counts
and rules are the definitions in contracts/schedule/batch-algebra-v1.yaml.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from fractions import Fraction

UNITS = {"": 1, "K": 1024, "M": 1024**2, "G": 1024**3, "B": 10**9, "T": 10**12}
LARGEST = 2**63 - 1
_COUNT = re.compile(r"([0-9]+(?:_[0-9]+)*(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,3})?)([A-Za-z]*)")


class CountError(ValueError):
    """A text that does not name a whole number from 0 to 2^63 - 1."""


def _at_least_one(**counts: int) -> None:
    for name, value in counts.items():
        if value < 1:
            raise ValueError(f"{name} must be at least 1, got {value}")


def step_tokens(micro: int, accumulation: int, world: int, sequence: int) -> int:
    """Tokens of one optimizer step over all workers. Errors: ValueError when an argument is below 1."""
    _at_least_one(micro=micro, accumulation=accumulation, world=world, sequence=sequence)
    return sequence * world * accumulation * micro


def accumulation_for(target: int, per_pass: int) -> int:
    """The fewest micro-batches a step that reach `target` tokens; per_pass: tokens of one of them, on all workers.

    Errors: ValueError when an argument is below 1.
    """
    _at_least_one(target=target, per_pass=per_pass)
    whole, rest = divmod(target, per_pass)
    return whole + (rest > 0)


def common_steps(shards: Sequence[int], micro: int, accumulation: int) -> int:
    """Steps that every worker can take part in: the smallest shard decides. shards[W]: sequences of each worker.

    Errors: ValueError without workers, when micro or accumulation is below 1, or a shard is negative.
    """
    _at_least_one(micro=micro, accumulation=accumulation)
    if len(shards) == 0 or min(shards) < 0:
        raise ValueError(f"shards must be sizes of at least one worker, none negative, got {list(shards)}")
    return int(min(shards)) // (micro * accumulation)


def parse_count(text: str) -> int:
    """The whole number that a text such as 64k, 2.5B, 1_000 or 3.2e4 names, exactly.

    Errors: CountError (a ValueError) for anything else: signs, other suffixes, a fraction left over, 2^63 and more.
    """
    match = _COUNT.fullmatch(text.strip())
    if not match:
        raise CountError(f"expected a count such as 4096, 64K or 2.5B, got {text!r}")
    number, suffix = match[1], match[2].upper()
    if suffix not in UNITS:
        raise CountError(
            f"expected a count, got {text!r}: unknown suffix {match[2]!r}; "
            "there are K, M, G (powers of 1024) and B, T (powers of ten)"
        )
    value = Fraction(number) * Fraction(UNITS[suffix])
    if value.denominator != 1 or value > LARGEST:
        why = "too large" if value > LARGEST else "not a whole number"
        raise CountError(f"expected a count, a whole number below 2^63, got {text!r}: {why}")
    return int(value)


def format_count(count: int) -> str:
    """The shortest exact text of a count with at most three decimals; digits before any suffix of equal length.

    Errors: ValueError outside [0, 2^63).
    """
    if not 0 <= count <= LARGEST:
        raise ValueError(f"a count must lie in [0, 2^63), got {count}")
    best = str(count)
    for suffix, unit in UNITS.items():
        thousandths = Fraction(count * 1000, unit)
        if thousandths.denominator == 1:
            whole, rest = divmod(int(thousandths), 1000)
            text = (f"{whole}.{rest:03}".rstrip("0") if rest else str(whole)) + suffix
            best = min(best, text, key=len)
    return best


def noise_scale(small: float, big: float, small_square: float, big_square: float) -> float:
    """Simple gradient noise scale from mean squared gradient norms at two batch sizes; in their unit.

    Formula   E|g|^2 at batch B is G^2 + S / B; two of them give G^2 and S, and the scale is S / G^2
    Errors    ValueError where no G^2 > 0 and S >= 0 explain the norms
    Source    McCandlish and others, 2018, appendix A.1
    """
    if not 0 < small < big:
        raise ValueError(f"a noise scale needs two batches, 0 < small < big, got {small} and {big}")
    # Multiplied out: S (big - small) = small big (s - b), G^2 (big - small) = big b - small s.
    noise, signal = small * big * (small_square - big_square), big * big_square - small * small_square
    if noise < 0 or signal <= 0:
        raise ValueError(
            f"no noise scale explains squared norms {small_square} at {small} and {big_square} at {big}: "
            "the mean over more steps is needed"
        )
    return noise / signal


def steps_needed(least: float, scale: float, batch: float) -> float:
    """Steps to a loss at a batch, given the fewest (at an endless batch) and the noise scale, in the batch's unit.

    Errors: ValueError when an argument is not positive. Source: McCandlish and others, 2018, equation 2.11.
    """
    if min(least, scale, batch) <= 0:
        raise ValueError(f"least, scale and batch must be positive, got {least}, {scale}, {batch}")
    return least + least * scale / batch


def step_law(parameters: float, tokens: float) -> tuple[float, float]:
    """Peak rate and batch in tokens for N parameters (without embeddings) and D tokens.

    Formula   1.79 N^-0.713 D^0.307, and 0.58 D^0.571
    Errors    ValueError when an argument is not positive
    Source    Li and others, step law, 2025
    """
    if min(parameters, tokens) <= 0:
        raise ValueError(f"parameters and tokens must be positive, got {parameters}, {tokens}")
    n, d = math.log(parameters), math.log(tokens)
    return math.exp(math.log(1.79) - 0.713 * n + 0.307 * d), math.exp(math.log(0.58) + 0.571 * d)


def small_model_rate(parameters: float) -> float:
    """Peak rate for a small model, 0.01 (N / 10^7)^-0.25. Errors: ValueError for N <= 0. Source: MiniCPM."""
    if parameters <= 0:
        raise ValueError(f"parameters must be positive, got {parameters}")
    return 0.01 / math.sqrt(math.sqrt(parameters / 1e7))


def tokens_wanted(parameters: int) -> tuple[int, int]:
    """The least tokens a model should see, ten a parameter, and those that are wanted, twenty.

    Errors: ValueError when parameters are below 1. Source: Hoffmann and others, 2022 (twenty).
    """
    _at_least_one(parameters=parameters)
    return 10 * parameters, 20 * parameters


def check_scale(parameters: int, batch: int, steps: int, warmup: int) -> None:
    """Nothing where a run meets the rules for its size; batch: tokens a step.

    Errors: ValueError with every rule that is not met, and with what would do: 65,536 tokens a step from 100 million
    parameters on, 1,000 steps, a warm-up of 1 % of them, ten tokens a parameter. For counts below 1 (warmup: 0) first.
    """
    _at_least_one(parameters=parameters, batch=batch, steps=steps)
    if warmup < 0:
        raise ValueError(f"warmup must be at least 0, got {warmup}")
    reasons = []
    if parameters >= 100_000_000 and batch < 65_536:
        reasons.append(f"tokens a step: {batch} < 65536 for {parameters} parameters, take batch >= 65536")
    if steps < 1_000:
        reasons.append(f"steps: {steps} < 1000, take steps >= 1000")
    shortest = math.ceil(Fraction(steps, 100))
    if warmup < shortest:
        reasons.append(f"100 * warmup >= steps: 100 * {warmup} < {steps}, take warmup >= {shortest}")
    least, wanted = tokens_wanted(parameters)
    if Fraction(least, batch) > steps:
        enough = math.ceil(Fraction(least, batch))
        reasons.append(
            f"steps * batch >= 10 * parameters: {steps * batch} < {least}, take steps >= {enough} ({wanted} are wanted)"
        )
    if reasons:
        raise ValueError("the run does not fit its size: " + "; ".join(reasons))
