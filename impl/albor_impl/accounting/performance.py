"""What a step costs, in closed form: operations, bytes, launches, and the share of a device that they use.

B sequences of S tokens, width H, L layers, P parameters, T tokens; a multiplication with its addition is 2 operations.

Operations, bytes, launches and tokens are whole numbers. Times are seconds, rates operations, bytes or tokens a second,
shares 1 for the whole; these are floats.
Errors: ValueError for a size or count below 1, where a function says nothing else.
Sources: Kaplan and others, "Scaling laws for neural language models" (2020); Chowdhery and others, "PaLM" (2022),
appendix B; Williams, Waterman and Patterson, "Roofline" (2009). Counts of launches, products, bytes and tokens are the
definitions in contracts/accounting/performance-v1.yaml.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def _sizes(**values: int) -> None:
    bad = [f"{name} = {value}" for name, value in values.items() if value < 1]
    if bad:
        raise ValueError(f"sizes must be at least 1, got {', '.join(bad)}")


def gemm_flops(m: int, n: int, k: int) -> int:
    """2 m n k: operations of an m x k times a k x n matrix. ValueError for a size below 1 (here and below)."""
    _sizes(m=m, n=n, k=k)
    return 2 * m * n * k


def gemm_intensity(m: int, n: int, k: int, bytes_each: int) -> float:
    """2 m n k / (bytes_each (m k + k n + m n)): operations a byte, every matrix passing memory once."""
    _sizes(m=m, n=n, k=k, bytes_each=bytes_each)
    return 2 / (bytes_each * (1 / m + 1 / n + 1 / k))


def attention_flops(batch: int, sequence: int, hidden: int, layers: int, causal: bool) -> int:
    """12 B S^2 H L, causal 6 B S (S + 1) H L: scores and weighted values, forward and backward."""
    _sizes(batch=batch, sequence=sequence, hidden=hidden, layers=layers)
    rows = sequence + 1 if causal else 2 * sequence
    return 6 * batch * sequence * rows * hidden * layers


def training_flops(parameters: int, tokens: int) -> int:
    """6 P T: forward and backward pass through the matrices (Kaplan and others 2020)."""
    _sizes(parameters=parameters, tokens=tokens)
    return 6 * parameters * tokens


def utilization(parameters: float, attention: float, tokens_per_second: float, peak: float) -> float:
    """(6 P + attention) tokens_per_second / peak: the share of a device's peak that the model's operations are.

    attention: operations a token of `attention_flops`, 0 to leave it out: say which beside the figure. peak: operations
    a second, dense, of the type that is computed in.
    Errors: ValueError unless P and peak are positive, and neither attention nor tokens_per_second negative.
    """
    if not (parameters > 0 and peak > 0):
        raise ValueError(f"parameters and peak must be positive, got {parameters} and {peak}")
    if not (attention >= 0 and tokens_per_second >= 0):
        raise ValueError(f"must not be negative: attention {attention}, tokens_per_second {tokens_per_second}")
    return (6 * parameters + attention) * tokens_per_second / peak


def attainable(intensity: float, peak: float, bandwidth: float) -> float:
    """min(peak, intensity bandwidth): operations a second under both roofs. ValueError unless all are positive."""
    if not (intensity > 0 and peak > 0 and bandwidth > 0):
        raise ValueError(f"intensity, peak and bandwidth must be positive, got {intensity}, {peak}, {bandwidth}")
    return min(peak, intensity * bandwidth)


def step_launches(layers: int, per_layer: int, outside: int, accumulation: int, per_update: int) -> int:
    """accumulation (L per_layer + outside) + per_update: launches, or copies, of one optimizer step.

    Errors: ValueError for accumulation < 1 or a negative count.
    """
    if layers < 0 or per_layer < 0 or outside < 0 or accumulation < 1 or per_update < 0:
        raise ValueError(
            "counts must not be negative and accumulation at least 1, got "
            f"{layers}, {per_layer}, {outside}, {accumulation}, {per_update}"
        )
    return accumulation * (layers * per_layer + outside) + per_update


def loss_on_host_bytes(sequence: int, hidden: int, vocabulary: int, bytes_each: int) -> int:
    """S (H + 2 V) bytes_each: logits to the host, their gradient and that of the last layer back."""
    _sizes(sequence=sequence, hidden=hidden, vocabulary=vocabulary, bytes_each=bytes_each)
    return sequence * bytes_each * (hidden + 2 * vocabulary)


def explained(number: int, seconds_each: float, step_seconds: float) -> float:
    """number seconds_each / step_seconds: the share of a step that so many events can explain.

    Errors: ValueError for a negative number, or times that are not positive.
    """
    if not (number >= 0 and seconds_each > 0 and step_seconds > 0):
        raise ValueError(f"number must be at least 0, times positive, got {number}, {seconds_each}, {step_seconds}")
    return number * seconds_each / step_seconds


def throughput(tokens: int, seconds: float) -> float:
    """tokens / seconds. ValueError unless both are positive."""
    if not (tokens > 0 and seconds > 0):
        raise ValueError(f"tokens and seconds must be positive, got {tokens} and {seconds}")
    return tokens / seconds


def speedup(tokens_before: int, seconds_before: float, tokens_after: int, seconds_after: float) -> float:
    """How many times the tokens a second, from one step before a change and one after it. Errors: as `throughput`."""
    return throughput(tokens_after, seconds_after) / throughput(tokens_before, seconds_before)


def step_products(layers: int, attention: bool) -> int:
    """3 (7 L + 1) products of one forward and backward pass, 6 L more where attention's are products of their own.

    Errors: ValueError for layers < 0.
    """
    if layers < 0:
        raise ValueError(f"layers must be at least 0, got {layers}")
    return 3 + layers * (27 if attention else 21)


def step_budget(times: torch.Tensor, budgets: torch.Tensor, step: float) -> tuple[bool, bool]:
    """Whether the parts of times[N] are at least 95 % of the step, and whether one takes 2 of its budgets[N] or more.

    All in one unit; the sum is formed in float64.
    Errors: ValueError without parts, for shapes that differ, a negative time, or budgets or a step that are not
    positive.
    """
    fits = times.numel() and times.shape == budgets.shape
    if not (fits and bool((times >= 0).all()) and bool((budgets > 0).all()) and step > 0):
        raise ValueError(
            f"each part must have a time of at least 0 and a positive budget, and the step a positive time, "
            f"got {times.tolist()}, {budgets.tolist()} and {step}"
        )
    return math.fsum(times.tolist()) >= 0.95 * step, bool((times >= 2 * budgets).any())


def forward_tokens(prompt: int, generated: int, cached: bool) -> int:
    """Tokens through the model for an answer: prompt + generated - 1 with a cache, all prefixes without one."""
    _sizes(prompt=prompt, generated=generated)
    return prompt + generated - 1 if cached else generated * (2 * prompt + generated - 1) // 2
