"""Parameters and bytes of a decoder (grouped-query attention, SwiGLU, RMSNorm, no biases), by formula.

V vocabulary, H hidden, L layers, D width of all key heads, I inner width, S sequence. Whole numbers throughout.

Sources: Korthikanti and others, "Reducing activation recomputation in large transformer models" (2022), for what is
kept; Rajbhandari and others, "ZeRO" (2020), for weights, gradients and optimizer states.
"""

from __future__ import annotations


def _check(name: str, value: int, least: int = 1) -> None:
    if value < least:
        raise ValueError(f"{name} must be at least {least}, got {value}")


def _check_widths(hidden: int, kv_width: int, inner: int) -> None:
    _check("kv_width", kv_width)
    _check("hidden", hidden, kv_width)
    _check("inner", inner)


def layer_parameters(hidden: int, kv_width: int, inner: int) -> int:
    """Parameters of one layer: H (2 H + 2 D + 3 I + 2). Errors: ValueError for a width below 1, or D > H."""
    _check_widths(hidden, kv_width, inner)
    return hidden * (2 * (hidden + kv_width + 1) + 3 * inner)


def model_parameters(vocabulary: int, hidden: int, layers: int, kv_width: int, inner: int, tied: bool) -> int:
    """Parameters of a model: V H, twice unless the head is tied, L layers, and a last norm of H.

    Errors: ValueError for a size below 1 (layers: below 0), or D > H.
    """
    _check("vocabulary", vocabulary)
    _check("layers", layers, 0)
    embeddings = vocabulary if tied else 2 * vocabulary
    return layers * layer_parameters(hidden, kv_width, inner) + hidden * (embeddings + 1)


def tensors(layers: int, tied: bool) -> int:
    """Tensors of a checkpoint: 9 a layer, embedding and last norm, and the head unless it is tied.

    Errors: ValueError for layers < 0.
    """
    _check("layers", layers, 0)
    return 9 * layers + 3 - tied


def training_bytes(parameters: int, compute_bytes: int) -> tuple[int, int, int, int]:
    """Bytes of float32 weights, their gradients, Adam's moments, and a copy in the compute type if that is narrower.

    Errors: ValueError for parameters < 1 or compute_bytes other than 1, 2, 4.
    4 P, 4 P, 8 P, and compute_bytes P where that is below 4.
    """
    _check("parameters", parameters)
    if compute_bytes not in (1, 2, 4):
        raise ValueError(f"compute_bytes must be 1, 2 or 4, got {compute_bytes}")
    return 4 * parameters, 4 * parameters, 8 * parameters, compute_bytes % 4 * parameters


def kept_elements(
    sequence: int, hidden: int, kv_width: int, inner: int, heads: int, layers: int, vocabulary: int, fused: bool
) -> int:
    """Elements that the backward pass of one sequence needs: S (L (6 H + 2 D + 3 I + ...) + 2 H + V).

    Attention keeps heads * S probabilities a token, or one number a head where a fused kernel computes them again.
    Errors: ValueError for a size below 1 (layers: below 0), or D > H.
    """
    _check_widths(hidden, kv_width, inner)
    for name, value in (("sequence", sequence), ("heads", heads), ("vocabulary", vocabulary)):
        _check(name, value)
    _check("layers", layers, 0)
    token = 6 * hidden + 2 * kv_width + 3 * inner + (heads if fused else heads * sequence)
    return sequence * (layers * token + 2 * hidden + vocabulary)


def cache_bytes(batch: int, sequence: int, kv_width: int, layers: int, bytes_each: int) -> int:
    """Bytes of the keys and values of all layers: 2 L B S D bytes_each. Errors: ValueError for a size below 1."""
    for name, value in (
        ("batch", batch), ("sequence", sequence), ("kv_width", kv_width), ("layers", layers), ("bytes_each", bytes_each)
    ):  # fmt: skip
        _check(name, value)
    return 2 * layers * batch * sequence * kv_width * bytes_each
