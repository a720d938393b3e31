"""Parameters and bytes of a decoder with grouped-query attention, SwiGLU and RMSNorm, from its list of tensors.

Nothing here is a formula: the shapes of all tensors are written down and their elements counted.

Sizes are whole numbers, and so are all results: parameters, tensors, elements and bytes.
Errors: ValueError for sizes below 1 (`layers`: below 0, in `cache_bytes` below 1) or kv_width > hidden. The functions
that list shapes check nothing.
Sources: Korthikanti and others, "Reducing activation recomputation in large transformer models" (2022), for what is
kept; Rajbhandari and others, "ZeRO" (2020), for weights, gradients and optimizer states.
"""

from __future__ import annotations

from math import prod


def _positive(**sizes: int) -> None:
    for name, value in sizes.items():
        if value < (0 if name == "layers" else 1):
            raise ValueError(f"{name} must be at least {0 if name == 'layers' else 1}, got {value}")
    if sizes.get("kv_width", 1) > sizes.get("hidden", sizes.get("kv_width", 1)):
        raise ValueError(f"hidden must be at least kv_width, got {sizes['hidden']} and {sizes['kv_width']}")


def layer_shapes(hidden: int, kv_width: int, inner: int) -> dict[str, tuple[int, ...]]:
    """Shapes of the tensors of one layer, by name."""
    return {
        "attention_norm": (hidden,),
        "query": (hidden, hidden),
        "key": (kv_width, hidden),
        "value": (kv_width, hidden),
        "output": (hidden, hidden),
        "mlp_norm": (hidden,),
        "gate": (inner, hidden),
        "up": (inner, hidden),
        "down": (hidden, inner),
    }


def model_shapes(
    vocabulary: int, hidden: int, layers: int, kv_width: int, inner: int, tied: bool
) -> dict[str, tuple[int, ...]]:
    """Shapes of all tensors of a model, by name."""
    shapes: dict[str, tuple[int, ...]] = {"embedding": (vocabulary, hidden), "norm": (hidden,)}
    for layer in range(layers):
        shapes |= {f"{layer}.{name}": shape for name, shape in layer_shapes(hidden, kv_width, inner).items()}
    return shapes if tied else shapes | {"head": (vocabulary, hidden)}


def layer_parameters(hidden: int, kv_width: int, inner: int) -> int:
    """Parameters of one layer. Errors: ValueError for sizes below 1 or kv_width > hidden (this and the next)."""
    _positive(hidden=hidden, kv_width=kv_width, inner=inner)
    return sum(prod(shape) for shape in layer_shapes(hidden, kv_width, inner).values())


def model_parameters(vocabulary: int, hidden: int, layers: int, kv_width: int, inner: int, tied: bool) -> int:
    """Parameters of a model; a tied head is the embedding."""
    _positive(vocabulary=vocabulary, hidden=hidden, layers=layers, kv_width=kv_width, inner=inner)
    return sum(prod(shape) for shape in model_shapes(vocabulary, hidden, layers, kv_width, inner, tied).values())


def tensors(layers: int, tied: bool) -> int:
    """Tensors of a checkpoint. Errors: ValueError for layers < 0."""
    _positive(layers=layers)
    return len(model_shapes(1, 1, 0, 1, 1, tied)) + layers * len(layer_shapes(1, 1, 1))


def training_bytes(parameters: int, compute_bytes: int) -> tuple[int, int, int, int]:
    """Bytes of float32 weights, gradients, the two moments of Adam, and a narrower copy to compute with.

    Errors: ValueError for parameters < 1 or compute_bytes other than 1, 2, 4.
    """
    _positive(parameters=parameters)
    if compute_bytes not in (1, 2, 4):
        raise ValueError(f"compute_bytes must be 1, 2 or 4, got {compute_bytes}")
    float32 = 4 * parameters
    return float32, float32, float32 + float32, 0 if compute_bytes == 4 else compute_bytes * parameters


def kept_elements(
    sequence: int,
    hidden: int,
    kv_width: int,
    inner: int,
    heads: int,
    layers: int,
    vocabulary: int,
    fused: bool,
) -> int:
    """Elements that the backward pass of one sequence needs and does not compute again; with the logits.

    A residual add needs neither of its terms; the root of a norm, one number a token, does not count.
    Errors: ValueError for sizes below 1 (layers: 0) or kv_width > hidden.
    """
    _positive(hidden=hidden, kv_width=kv_width, inner=inner, layers=layers)
    _positive(sequence=sequence, heads=heads, vocabulary=vocabulary)
    kept = {
        "input of the attention norm": (sequence, hidden),
        "its output": (sequence, hidden),
        "query": (sequence, hidden),
        "key": (sequence, kv_width),
        "value": (sequence, kv_width),
        "probabilities, or their normalisers": (heads, sequence) if fused else (heads, sequence, sequence),
        "output of the heads": (sequence, hidden),
        "input of the second norm": (sequence, hidden),
        "its output ": (sequence, hidden),
        "gate": (sequence, inner),
        "up": (sequence, inner),
        "their product": (sequence, inner),
    }
    beside = {
        "input of the last norm": (sequence, hidden),
        "its output": (sequence, hidden),
        "logits": (sequence, vocabulary),
    }
    return layers * sum(map(prod, kept.values())) + sum(map(prod, beside.values()))


def cache_bytes(batch: int, sequence: int, kv_width: int, layers: int, bytes_each: int) -> int:
    """Bytes of the keys and values of `batch` sequences. Errors: ValueError for sizes below 1."""
    _positive(batch=batch, sequence=sequence, kv_width=kv_width, depth=layers, bytes_each=bytes_each)
    key = batch * sequence * kv_width * bytes_each
    value = key
    return layers * (key + value)
