"""Operations, traffic and utilization, built up from single products: what a step costs before it is timed.

A multiplication with its addition is two operations.

Operations, bytes, launches and tokens are whole numbers. Times are seconds, rates operations, bytes or tokens a second,
shares 1 for the whole; these are floats.
Errors: ValueError for a size, count, time or rate that is not positive, where a function says nothing else.
Sources: Kaplan and others, "Scaling laws for neural language models" (2020); Chowdhery and others, "PaLM" (2022),
appendix B; Williams, Waterman and Patterson, "Roofline" (2009). Counts of launches, products, bytes and tokens are the
definitions in contracts/accounting/performance-v1.yaml.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction


def _positive(**values: float) -> None:
    for name, value in values.items():
        if not value > 0:
            raise ValueError(f"{name} must be positive, got {value}")


def gemm_flops(m: int, n: int, k: int) -> int:
    """Operations of an m x k times a k x n matrix: m n dot products of k multiplications and additions.

    Errors (here and below): ValueError for a size that is not positive.
    """
    _positive(m=m, n=n, k=k)
    dot = k + k
    return m * n * dot


def gemm_intensity(m: int, n: int, k: int, bytes_each: int) -> float:
    """Operations a byte of a product, every matrix passing memory once."""
    _positive(m=m, n=n, k=k, bytes_each=bytes_each)
    read, written = m * k + k * n, m * n
    return float(Fraction(gemm_flops(m, n, k), bytes_each * (read + written)))


def attention_flops(batch: int, sequence: int, hidden: int, layers: int, causal: bool) -> int:
    """Operations of scores and weighted values, forward and backward; `hidden` is the width of all query heads.

    A pair of positions takes a dot product and a scaled sum of that width forward, and both twice over backward.
    """
    _positive(batch=batch, sequence=sequence, hidden=hidden, layers=layers)
    pairs = sequence * (sequence + 1) // 2 if causal else sequence**2
    forward = 2 * gemm_flops(1, 1, hidden)
    return batch * layers * pairs * (forward + 2 * forward)


def training_flops(parameters: int, tokens: int) -> int:
    """Operations of forward and backward pass through P parameters: 6 P T (Kaplan and others 2020)."""
    _positive(parameters=parameters, tokens=tokens)
    forward = gemm_flops(1, parameters, 1) * tokens
    return forward + 2 * forward


def utilization(parameters: float, attention: float, tokens_per_second: float, peak: float) -> float:
    """Share of a device's peak (operations a second) that the model's own operations are (PaLM, appendix B).

    attention: its operations a token, 0 to leave it out. Recomputed activations do not count.
    Errors: ValueError unless parameters and peak are positive, and neither attention nor the rate negative.
    """
    _positive(parameters=parameters, peak=peak)
    if min(attention, tokens_per_second) < 0:
        raise ValueError(f"must not be negative: attention {attention}, tokens_per_second {tokens_per_second}")
    return tokens_per_second / (peak / (attention + 6 * parameters))


def attainable(intensity: float, peak: float, bandwidth: float) -> float:
    """Operations a second under both roofs: the peak, and what memory can feed (Williams and others 2009)."""
    _positive(intensity=intensity, peak=peak, bandwidth=bandwidth)
    fed = intensity * bandwidth
    return peak if intensity >= peak / bandwidth else fed


def step_launches(layers: int, per_layer: int, outside: int, accumulation: int, per_update: int) -> int:
    """Launches (or copies) of one optimizer step: every micro-batch repeats the layers, the update comes once.

    Errors: ValueError for accumulation < 1 or a negative count.
    """
    _positive(accumulation=accumulation)
    if min(layers, per_layer, outside, per_update) < 0:
        raise ValueError(f"counts must not be negative, got {layers}, {per_layer}, {outside}, {per_update}")
    one_pass = layers * per_layer + outside
    return per_update + one_pass * accumulation


def loss_on_host_bytes(sequence: int, hidden: int, vocabulary: int, bytes_each: int) -> int:
    """Bytes over the bus where the host computes the loss: logits there, their gradient and the last layer's back."""
    _positive(sequence=sequence, hidden=hidden, vocabulary=vocabulary, bytes_each=bytes_each)
    logits, gradient, last = sequence * vocabulary, sequence * vocabulary, sequence * hidden
    return bytes_each * (logits + gradient + last)


def explained(number: int, seconds_each: float, step_seconds: float) -> float:
    """The share of a step that so many events of so many seconds can explain; above 1 where they overlap.

    Errors: ValueError for a negative number, or times that are not positive.
    """
    _positive(seconds_each=seconds_each, step_seconds=step_seconds)
    if number < 0:
        raise ValueError(f"number must not be negative, got {number}")
    return number * (seconds_each / step_seconds)


def throughput(tokens: int, seconds: float) -> float:
    """Tokens a second. Errors (here and below): ValueError for a count or time that is not positive."""
    _positive(tokens=tokens, seconds=seconds)
    return tokens / seconds


def speedup(tokens_before: int, seconds_before: float, tokens_after: int, seconds_after: float) -> float:
    """How many times the tokens a second: of one step before a change, and one after it."""
    return throughput(tokens_after, seconds_after) / throughput(tokens_before, seconds_before)


def step_products(layers: int, attention: bool) -> int:
    """Matrix products of one forward and backward pass; a batch of products counts once.

    attention: whether scores and weighted values are products of their own, which a fused kernel has inside.
    Errors: ValueError for layers < 0.
    """
    if layers < 0:
        raise ValueError(f"layers must be at least 0, got {layers}")
    matrices = layers * len(("query", "key", "value", "output", "gate", "up", "down")) + len(("head",))
    scores_and_values = 2 * layers if attention else 0
    forward = matrices + scores_and_values
    return forward + 2 * forward


def step_budget(times: Sequence[float], budgets: Sequence[float], step: float) -> tuple[bool, bool]:
    """Whether the parts are at least 95 % of the step, and whether one takes twice its budget or more.

    times[N] and budgets[N], in the unit of the step.
    Errors: ValueError without parts, for other numbers of times than of budgets, for a negative time, or budgets or a
    step that are not positive.
    """
    if len(times) == 0 or len(times) != len(budgets):
        raise ValueError(f"there must be a budget for each of at least one part, got {len(times)} and {len(budgets)}")
    _positive(step=step, smallest_budget=min(budgets))
    if min(times) < 0:
        raise ValueError(f"times must not be negative, got {min(times)}")
    slow = [time for time, budget in zip(times, budgets, strict=True) if time / budget >= 2]
    return bool(sum(times) / step >= 0.95), bool(slow)


def forward_tokens(prompt: int, generated: int, cached: bool) -> int:
    """Tokens that pass through the model until an answer is complete; each of it is sampled after one pass."""
    _positive(prompt=prompt, generated=generated)
    if not cached:
        return sum(range(prompt, prompt + generated))
    return prompt + sum(1 for _ in range(1, generated))
