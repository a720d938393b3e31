"""The size of a step as a training script computes and reads it; texts become whole numbers, never floating point.

Tokens, sequences and steps are whole numbers; noise scales, rates and what they are computed from are floats.
Sources: McCandlish and others, "An Empirical Model of Large-Batch Training" (2018); Li and others, step law (2025); Hu
and others, MiniCPM (2024); Hoffmann and others, "Training Compute-Optimal Large Language Models" (2022). Steps, counts
and rules are the definitions in contracts/schedule/batch-algebra-v1.yaml.
"""

from __future__ import annotations

import torch

DIGITS = "0123456789"
LARGEST = 2**63 - 1
SUFFIXES = "KMGBT"

# Rules for the size of a run: parameters from which on a step has so many tokens, and the fewest steps.
LARGE = 100_000_000
LEAST_BATCH = 65_536
LEAST_STEPS = 1_000


class CountError(ValueError):
    """A text that does not name a whole number from 0 to 2^63 - 1."""


def _count(name: str, value: int) -> None:
    if value < 1:
        raise ValueError(f"{name} must be at least 1, got {value}")


def step_tokens(micro: int, accumulation: int, world: int, sequence: int) -> int:
    """Tokens of one optimizer step: `accumulation` micro-batches of `micro` sequences on each of `world` workers.

    Errors: ValueError when an argument is below 1.
    """
    _count("micro", micro)
    _count("accumulation", accumulation)
    _count("world", world)
    _count("sequence", sequence)
    return micro * accumulation * world * sequence


def accumulation_for(target: int, per_pass: int) -> int:
    """The fewest micro-batches a step that reach `target` tokens; per_pass: tokens of one of them, on all workers.

    Errors: ValueError when an argument is below 1.
    """
    _count("target", target)
    _count("per_pass", per_pass)
    return (target + per_pass - 1) // per_pass


def common_steps(shards: torch.Tensor, micro: int, accumulation: int) -> int:
    """Steps that every worker can take part in. shards i64[W]: sequences of each worker.

    Errors: ValueError without workers, when micro or accumulation is below 1, or a shard is negative.
    """
    _count("micro", micro)
    _count("accumulation", accumulation)
    if not shards.numel() or bool((shards < 0).any()):
        raise ValueError(f"shards must be sizes of at least one worker, none negative, got {shards.tolist()}")
    return int(shards.div(micro * accumulation, rounding_mode="floor").min())


def _unit(suffix: str) -> int:
    match suffix:
        case "":
            return 1
        case "K":
            return 1 << 10
        case "M":
            return 1 << 20
        case "G":
            return 1 << 30
        case "B":
            return 10**9
    return 10**12


def _digits(text: str, start: int) -> int:
    """Where the run of digits that begins at `start` ends."""
    end = start
    while end < len(text) and text[end] in DIGITS:
        end += 1
    return end


def parse_count(text: str) -> int:
    """The whole number that a text such as 64k, 2.5B, 1_000 or 3.2e4 names, exactly.

    K, M, G are powers of 1024, B and T 10^9 and 10^12, in either case. Read character by character into whole numbers:
    mantissa * 10^exponent * unit.
    Errors: CountError (a ValueError) for anything else: signs, other suffixes, a fraction left over, 2^63 and more.
    """
    body = text.strip()
    at = _digits(body, 0)
    while 0 < at < len(body) - 1 and body[at] == "_" and (next_end := _digits(body, at + 1)) > at + 1:
        at = next_end
    digits, decimals = body[:at].replace("_", ""), 0
    if not digits:
        raise _error(text, "it does not begin with a digit")
    if body[at : at + 1] == ".":
        end = _digits(body, at + 1)
        decimals = end - at - 1
        if not decimals:
            raise _error(text, "no digit follows the point")
        digits, at = digits + body[at + 1 : end], end
    exponent, at = _exponent(body, at, text)
    suffix = body[at:].upper()
    if len(suffix) > 1 or (suffix and suffix not in SUFFIXES):
        raise _error(text, f"unknown suffix {body[at:]!r}; there are K, M, G (powers of 1024) and B, T (powers of ten)")
    # Decimals may be many and the exponent large: both sides stay whole numbers.
    power = exponent - decimals
    value, rest = divmod(int(digits) * _unit(suffix) * 10 ** max(power, 0), 10 ** max(-power, 0))
    if rest or value > LARGEST:
        raise _error(text, "it is not a whole number" if rest else "it is 2^63 or more")
    return value


def _exponent(body: str, at: int, text: str) -> tuple[int, int]:
    if body[at : at + 1] not in ("e", "E"):
        return 0, at
    start = at + 1
    sign = -1 if body[start : start + 1] == "-" else 1
    start += body[start : start + 1] in ("+", "-")
    end = _digits(body, start)
    if not 1 <= end - start <= 3:
        raise _error(text, "an exponent has one to three digits")
    return sign * int(body[start:end]), end


def _error(text: str, why: str) -> CountError:
    return CountError(f"expected a count such as 4096, 64K or 2.5B, a whole number below 2^63, got {text!r}: {why}")


def format_count(count: int) -> str:
    """The shortest exact text of a count with at most three decimals; digits before any suffix of equal length.

    Errors: ValueError outside [0, 2^63).
    """
    if not 0 <= count <= LARGEST:
        raise ValueError(f"a count must lie in [0, 2^63), got {count}")
    writings = [str(count)]
    for suffix in SUFFIXES:
        whole, left = divmod(count, _unit(suffix))
        thousandths, inexact = divmod(left * 1000, _unit(suffix))
        if not inexact:
            decimals = str(1000 + thousandths)[1:].rstrip("0")
            writings.append(f"{whole}.{decimals}{suffix}" if decimals else f"{whole}{suffix}")
    return min(writings, key=len)


def noise_scale(small: float, big: float, small_square: float, big_square: float) -> float:
    """Simple gradient noise scale from mean squared gradient norms at two batch sizes; in their unit.

    Formula   S / G^2 with S = (s - b) / (1/small - 1/big), G^2 = (big b - small s) / (big - small)
    Errors    ValueError unless 0 < small < big and the norms leave a positive G^2 and an S of at least 0
    Source    McCandlish and others, 2018, appendix A.1
    """
    if not (0 < small < big and small_square >= big_square and big * big_square > small * small_square):
        raise ValueError(
            f"no noise scale explains squared norms {small_square} at batch {small} and {big_square} at batch {big}; "
            "batches must rise, norms fall, and the mean over more steps may be needed"
        )
    signal = (big * big_square - small * small_square) / (big - small)
    return (small_square - big_square) / (1 / small - 1 / big) / signal


def steps_needed(least: float, scale: float, batch: float) -> float:
    """Steps to a loss at a batch: least * (1 + scale / batch); least: steps at an endless batch; scale in its unit.

    Errors: ValueError when an argument is not positive. Source: McCandlish and others, 2018, equation 2.11.
    """
    if not (least > 0 and scale > 0 and batch > 0):
        raise ValueError(f"least, scale and batch must be positive, got {least}, {scale}, {batch}")
    return least * (1 + scale / batch)


def step_law(parameters: float, tokens: float) -> tuple[float, float]:
    """Peak rate and batch in tokens for N parameters (without embeddings) and D tokens.

    Formula   1.79 N^-0.713 D^0.307, and 0.58 D^0.571. Errors: ValueError when an argument is not positive.
    Source    Li and others, step law, 2025
    """
    if not (parameters > 0 and tokens > 0):
        raise ValueError(f"parameters and tokens must be positive, got {parameters}, {tokens}")
    return 1.79 * parameters**-0.713 * tokens**0.307, 0.58 * tokens**0.571


def small_model_rate(parameters: float) -> float:
    """Peak rate for a small model, 0.01 (N / 10^7)^-0.25. Errors: ValueError for N <= 0. Source: MiniCPM."""
    if not parameters > 0:
        raise ValueError(f"parameters must be positive, got {parameters}")
    return 0.01 * (parameters / 1e7) ** -0.25


def tokens_wanted(parameters: int) -> tuple[int, int]:
    """10 and 20 tokens a parameter: the least that a model should see, and what is wanted (Hoffmann and others, 2022).

    Errors: ValueError when parameters are below 1.
    """
    _count("parameters", parameters)
    return 10 * parameters, 20 * parameters


def check_scale(parameters: int, batch: int, steps: int, warmup: int) -> None:
    """Refuse a run that is too small for its model: `steps` of `batch` tokens each, after a warm-up.

    Errors: ValueError with each rule that is not met and what would do: LEAST_BATCH tokens a step from LARGE parameters
    on, LEAST_STEPS, a warm-up of 1 % of the steps, 10 tokens a parameter; and for a count below 1 (warmup: below 0).
    """
    least, wanted = tokens_wanted(parameters)
    _count("batch", batch)
    _count("steps", steps)
    if warmup < 0:
        raise ValueError(f"warmup must be at least 0, got {warmup}")
    unmet = []
    if parameters >= LARGE and batch < LEAST_BATCH:
        unmet.append(f"{batch} < {LEAST_BATCH} tokens a step: batch >= {LEAST_BATCH} from {LARGE} parameters on")
    if steps < LEAST_STEPS:
        unmet.append(f"{steps} < {LEAST_STEPS} steps: steps >= {LEAST_STEPS}")
    if 100 * warmup < steps:
        unmet.append(f"100 * warmup >= steps: 100 * {warmup} < {steps}; warmup >= {-(-steps // 100)}")
    if steps * batch < least:
        unmet.append(
            f"steps * batch >= 10 * parameters: {steps * batch} < {least}; steps >= {-(-least // batch)}"
            f" ({wanted} tokens are wanted)"
        )
    if unmet:
        raise ValueError("this run is too small for its model: " + "; ".join(unmet))
