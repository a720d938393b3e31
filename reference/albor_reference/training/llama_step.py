"""One training step of a small decoder, assembled from the other references: forward, backward, optimizer, run.

Architecture (pre-norm, no biases), for each layer
    r = x + Wo attention(rope(Wq n), rope(Wk n), Wv n)      n  = rmsnorm(x)
    y = r + Wdown swiglu(Wgate n2, Wup n2)                  n2 = rmsnorm(r)
then the last rmsnorm and the head. Weights, every one with the width E as its last axis:
    table[U, V, E]       embedding and head: U = 2 untied, U = 1 tied (one table serves as both)
    norm[2 L + 1, E]     of attention and feed-forward network of each layer, then the last one
    wqo[L, 2, H, D, E]   queries, output projection
    wkv[L, 2, K, D, E]   keys, values
    wmlp[L, 3, F, E]     gate, up, down
Gradients are composed by hand, the backward of each kernel after the other. Arrays in, float64 out.

Tokens are whole numbers in [0, V), losses in nats. Errors: ValueError where the shapes of weights, tokens and targets
do not fit, for a target outside [0, V) that is not `ignore`, and as the kernels say that a step is made of; `block` and
`block_backward` leave it to these. `train` and `resume` end with FloatingPointError at a loss that is not finite.
Sources: Touvron et al., "LLaMA" (2023), section 2.2, for the architecture; Rumelhart, Hinton, Williams (1986) for the
order of the backward pass; Press and Wolf (2017) for tied weights.
"""

from __future__ import annotations

import functools
import json
import math
import struct
import sysconfig
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..attention.causal_gqa import attention, attention_backward
from ..core.gemm import gemm, gemm_nt, gemm_tn
from ..core.rmsnorm import rmsnorm, rmsnorm_backward
from ..core.rope import rope, rope_inverse
from ..core.swiglu import swiglu, swiglu_backward
from ..loss.cross_entropy import cross_entropy
from ..optim.adamw import adamw
from ..schedule.training_config import learning_rate

Array = NDArray[np.float64]
Weights = tuple[Array, Array, Array, Array, Array]
NAMES = ("table", "norm", "wqo", "wkv", "wmlp")
TEXT = ("this", "argparse", "ast", "calendar", "configparser", "difflib", "inspect", "textwrap", "typing", "zipfile")


def _checked(*weights: ArrayLike) -> Weights:
    """The weights as float64; ValueError when their shapes do not belong to one model."""
    table, norm, wqo, wkv, wmlp = (np.asarray(w, dtype=np.float64) for w in weights)
    ranks = [w.ndim for w in (table, norm, wqo, wkv, wmlp)]
    if ranks != [3, 2, 5, 5, 4]:
        raise ValueError(f"table, norm, wqo, wkv and wmlp must have 3, 2, 5, 5 and 4 axes, got {ranks}")
    layers, width = wqo.shape[0], table.shape[2]
    expected = {
        "table": (min(max(table.shape[0], 1), 2), table.shape[1], width),
        "norm": (2 * layers + 1, width),
        "wqo": (layers, 2, wqo.shape[2], wqo.shape[3], width),
        "wkv": (layers, 2, wkv.shape[2], wqo.shape[3], width),
        "wmlp": (layers, 3, wmlp.shape[2], width),
    }
    for name, w in zip(NAMES, (table, norm, wqo, wkv, wmlp), strict=True):
        if w.shape != expected[name]:
            raise ValueError(f"{name}: expected shape {list(expected[name])} beside the others, got {list(w.shape)}")
    return table, norm, wqo, wkv, wmlp


# Layers


def _split(rows: Array, batch: int, heads: int) -> Array:
    """[B S, H D] as [B, H, S, D]."""
    return rows.reshape(batch, -1, heads, rows.shape[1] // heads).transpose(0, 2, 1, 3)


def _merge(x: Array) -> Array:
    """[B, H, S, D] as [B S, H D]."""
    return x.transpose(0, 2, 1, 3).reshape(x.shape[0] * x.shape[2], -1)


def _flat(w: Array) -> Array:
    """[H, D, E] as [H D, E]."""
    return w.reshape(-1, w.shape[-1])


def _forward(x: Array, weights: Sequence[Array], layer: int, base: float, eps: float) -> dict[str, Array]:
    """Everything that a layer computes on its way, for x[B, S, E]."""
    norm, wqo, wkv, wmlp = weights
    batch, heads, groups = x.shape[0], wqo.shape[2], wkv.shape[2]
    (wq, wo), (wk, wv), (wgate, wup, wdown) = map(_flat, wqo[layer]), map(_flat, wkv[layer]), wmlp[layer]
    at: dict[str, Array] = {"x": x.reshape(-1, x.shape[2])}
    at["n1"] = rmsnorm(at["x"], norm[2 * layer], eps)
    at["q"] = rope(_split(gemm_nt(at["n1"], wq), batch, heads), 0, base)
    at["k"] = rope(_split(gemm_nt(at["n1"], wk), batch, groups), 0, base)
    at["v"] = _split(gemm_nt(at["n1"], wv), batch, groups)
    at["o"] = _merge(attention(at["q"], at["k"], at["v"])[0])
    at["r"] = at["x"] + gemm(at["o"], wo)
    at["n2"] = rmsnorm(at["r"], norm[2 * layer + 1], eps)
    at["gate"], at["up"] = gemm_nt(at["n2"], wgate), gemm_nt(at["n2"], wup)
    at["a"] = swiglu(at["gate"], at["up"])
    at["y"] = at["r"] + gemm(at["a"], wdown)
    return at


def block(
    x: ArrayLike, norm: ArrayLike, wqo: ArrayLike, wkv: ArrayLike, wmlp: ArrayLike, layer: int, base: float, eps: float
) -> Array:
    """y[B, S, E] of one layer for x[B, S, E]; `layer` picks its weights from the stacks."""
    x = np.asarray(x, dtype=np.float64)
    weights = [np.asarray(w, dtype=np.float64) for w in (norm, wqo, wkv, wmlp)]
    return _forward(x, weights, layer, base, eps)["y"].reshape(x.shape)


def block_backward(
    g: ArrayLike,
    x: ArrayLike,
    norm: ArrayLike,
    wqo: ArrayLike,
    wkv: ArrayLike,
    wmlp: ArrayLike,
    layer: int,
    base: float,
    eps: float,
) -> Weights:
    """Gradients dx[B, S, E], dnorm[2, E], dwqo[2, H, D, E], dwkv[2, K, D, E], dwmlp[3, F, E] of sum(g * block(x)).

    Each residual sum hands its gradient on twice: to the branch and, unchanged, past it. The query and key gradients
    are turned back by the inverse rotation, which is the transpose of the rotation.
    """
    g, x = np.asarray(g, dtype=np.float64), np.asarray(x, dtype=np.float64)
    norm, wqo, wkv, wmlp = (np.asarray(w, dtype=np.float64) for w in (norm, wqo, wkv, wmlp))
    at = _forward(x, (norm, wqo, wkv, wmlp), layer, base, eps)
    batch, heads = x.shape[0], wqo.shape[2]
    (wq, wo), (wk, wv), (wgate, wup, wdown) = map(_flat, wqo[layer]), map(_flat, wkv[layer]), wmlp[layer]
    dy = g.reshape(at["x"].shape)

    dgate, dup = swiglu_backward(gemm_nt(dy, wdown), at["gate"], at["up"])
    dwmlp = np.stack([gemm_tn(dgate, at["n2"]), gemm_tn(dup, at["n2"]), gemm_tn(at["a"], dy)])
    branch, dnorm2 = rmsnorm_backward(gemm(dgate, wgate) + gemm(dup, wup), at["r"], norm[2 * layer + 1], eps)
    dr = dy + branch

    dq, dk, dv = attention_backward(_split(gemm_nt(dr, wo), batch, heads), at["q"], at["k"], at["v"])
    dq, dk, dv = _merge(rope_inverse(dq, 0, base)), _merge(rope_inverse(dk, 0, base)), _merge(dv)
    dwqo = np.stack([gemm_tn(dq, at["n1"]), gemm_tn(at["o"], dr)]).reshape(wqo.shape[1:])
    dwkv = np.stack([gemm_tn(dk, at["n1"]), gemm_tn(dv, at["n1"])]).reshape(wkv.shape[1:])
    dn1 = gemm(dq, wq) + gemm(dk, wk) + gemm(dv, wv)
    branch, dnorm1 = rmsnorm_backward(dn1, at["x"], norm[2 * layer], eps)
    dx = dr + branch
    return dx.reshape(x.shape), np.stack([dnorm1, dnorm2]), dwqo, dwkv, dwmlp


# The model


def _hidden(weights: Weights, x: NDArray[np.int64], base: float, eps: float) -> list[Array]:
    """The input of every layer and the output of the last one, each [B, S, E]."""
    table, norm, wqo, wkv, wmlp = weights
    states = [table[0][x]]
    for layer in range(wqo.shape[0]):
        states.append(block(states[-1], norm, wqo, wkv, wmlp, layer, base, eps))
    return states


def logits(
    table: ArrayLike,
    norm: ArrayLike,
    wqo: ArrayLike,
    wkv: ArrayLike,
    wmlp: ArrayLike,
    x: ArrayLike,
    base: float,
    eps: float,
) -> Array:
    """z[B, S, V]: what the model says about the token after each of x[B, S], in nats."""
    weights = _checked(table, norm, wqo, wkv, wmlp)
    x = np.asarray(x)
    last = _hidden(weights, x, base, eps)[-1]
    n = rmsnorm(last.reshape(-1, last.shape[2]), weights[1][-1], eps)
    return gemm_nt(n, weights[0][-1]).reshape(*x.shape, -1)


def loss(
    table: ArrayLike,
    norm: ArrayLike,
    wqo: ArrayLike,
    wkv: ArrayLike,
    wmlp: ArrayLike,
    x: ArrayLike,
    y: ArrayLike,
    base: float,
    eps: float,
    ignore: int,
) -> Array:
    """Mean cross-entropy, float64 [], over the tokens y[A, B, S] that are not `ignore`, given x[A, B, S]."""
    x, y = np.asarray(x), np.asarray(y)
    z = logits(table, norm, wqo, wkv, wmlp, x.reshape(-1, x.shape[2]), base, eps)
    return cross_entropy(z.reshape(-1, z.shape[2]), y.reshape(-1), ignore)[0]


def _micro_gradients(
    weights: Weights, x: NDArray[np.int64], y: NDArray[np.int64], base: float, eps: float, ignore: int
) -> tuple[float, Weights]:
    """Loss and gradients of one micro-batch x[B, S], y[B, S], as the mean over its own valid tokens."""
    table, norm, wqo, wkv, wmlp = weights
    states = _hidden(weights, x, base, eps)
    last = states[-1].reshape(-1, table.shape[2])
    n = rmsnorm(last, norm[-1], eps)
    found, dz = cross_entropy(gemm_nt(n, table[-1]), y.reshape(-1), ignore)

    dtable, dnorm = np.zeros_like(table), np.zeros_like(norm)
    dwqo, dwkv, dwmlp = np.zeros_like(wqo), np.zeros_like(wkv), np.zeros_like(wmlp)
    dtable[-1] += gemm_tn(dz, n)
    g, dnorm[-1] = rmsnorm_backward(gemm(dz, table[-1]), last, norm[-1], eps)
    g = g.reshape(states[-1].shape)
    for layer in reversed(range(wqo.shape[0])):
        g, dnorm[2 * layer : 2 * layer + 2], dwqo[layer], dwkv[layer], dwmlp[layer] = block_backward(
            g, states[layer], norm, wqo, wkv, wmlp, layer, base, eps
        )
    np.add.at(dtable[0], x, g)  # a token that occurs twice gets both gradients
    return float(found), (dtable, dnorm, dwqo, dwkv, dwmlp)


class Accumulator:
    """Sums the gradients of the micro-batches of one step, each weighted by its share of the step's valid tokens."""

    def __init__(self, weights: Weights) -> None:
        table, norm, wqo, wkv, wmlp = map(np.zeros_like, weights)
        self.gradients: Weights = (table, norm, wqo, wkv, wmlp)
        self.loss = 0.0

    def clear(self) -> None:
        """Set all sums to 0."""
        for g in self.gradients:
            g.fill(0.0)
        self.loss = 0.0

    def add(self, share: float, found: float, gradients: Weights) -> None:
        """Add a micro-batch's loss and gradients, times its share."""
        self.loss += share * found
        for own, g in zip(self.gradients, gradients, strict=True):
            np.add(own, share * g, out=own)


def _accumulate(
    into: Accumulator, weights: Weights, x: ArrayLike, y: ArrayLike, base: float, eps: float, ignore: int
) -> None:
    """One cycle: cleared once, then every micro-batch of x[A, B, S], y[A, B, S] is added."""
    x, y = np.asarray(x), np.asarray(y)
    if x.ndim != 3 or x.shape != y.shape:
        raise ValueError(f"x and y must have one shape [A, B, S], got {list(x.shape)} and {list(y.shape)}")
    valid = int(np.count_nonzero(y != ignore))
    into.clear()
    for tokens, targets in zip(x, y, strict=True):
        share = np.count_nonzero(targets != ignore) / max(valid, 1)
        into.add(share, *_micro_gradients(weights, tokens, targets, base, eps, ignore))


def gradients(
    table: ArrayLike,
    norm: ArrayLike,
    wqo: ArrayLike,
    wkv: ArrayLike,
    wmlp: ArrayLike,
    x: ArrayLike,
    y: ArrayLike,
    base: float,
    eps: float,
    ignore: int,
) -> tuple[Array, Array, Array, Array, Array, Array]:
    """`loss` and its gradients with respect to the five weights, over A micro-batches x[A, B, S], y[A, B, S]."""
    weights = _checked(table, norm, wqo, wkv, wmlp)
    into = Accumulator(weights)
    _accumulate(into, weights, x, y, base, eps, ignore)
    return (np.array(into.loss), *into.gradients)


# The step


def rows(table: ArrayLike, norm: ArrayLike, wqo: ArrayLike, wkv: ArrayLike, wmlp: ArrayLike) -> Array:
    """All weights as the rows of one matrix [R, E], in the order of the arguments."""
    return np.concatenate([_flat(w) for w in _checked(table, norm, wqo, wkv, wmlp)])


def _unrows(p: Array, like: Weights) -> Weights:
    """The inverse of `rows`."""
    cuts = np.cumsum([w.size // p.shape[1] for w in like])[:-1]
    return tuple(part.reshape(w.shape) for part, w in zip(np.split(p, cuts), like, strict=True))  # type: ignore[return-value]


def _update(
    weights: Weights,
    grads: Weights,
    m: Array,
    v: Array,
    done: int,
    warmup: int,
    total: int,
    peak: float,
    lowest: float,
    beta1: float,
    beta2: float,
    adam_eps: float,
    weight_decay: float,
    max_norm: float,
) -> tuple[Weights, Array, Array, float]:
    """AdamW on all weights at once, with one clip and the rate of the schedule after `done` steps."""
    rate = learning_rate(done, warmup, total, peak, lowest)
    p, g = rows(*weights), rows(*grads)
    p, m, v, norm = adamw(p, g, m, v, done + 1, rate, beta1, beta2, adam_eps, weight_decay, max_norm)
    return _unrows(p, weights), m, v, float(norm)


def train_step(
    table: ArrayLike,
    norm: ArrayLike,
    wqo: ArrayLike,
    wkv: ArrayLike,
    wmlp: ArrayLike,
    m: ArrayLike,
    v: ArrayLike,
    x: ArrayLike,
    y: ArrayLike,
    done: int,
    warmup: int,
    total: int,
    peak: float,
    lowest: float,
    beta1: float,
    beta2: float,
    adam_eps: float,
    weight_decay: float,
    max_norm: float,
    base: float,
    eps: float,
    ignore: int,
) -> tuple[Array, Array, Array, Array, Array, Array, Array, Array, Array]:
    """One optimizer step after `done` others, on A micro-batches x[A, B, S], y[A, B, S].

    m and v [R, E] are the moments of `rows(weights)`. The rate is learning_rate(done), the bias correction counts
    done + 1, and one coefficient clips all weights. Returns the five weights, m, v, the loss before the step and the
    norm of the gradient before clipping. Where that norm is not finite nothing changes, and the loss says so: it is
    NaN or infinite, never 0.
    """
    weights = _checked(table, norm, wqo, wkv, wmlp)
    m, v = np.asarray(m, dtype=np.float64), np.asarray(v, dtype=np.float64)
    into = Accumulator(weights)
    _accumulate(into, weights, x, y, base, eps, ignore)
    weights, m, v, size = _update(
        weights, into.gradients, m, v, done, warmup, total, peak, lowest,
        beta1, beta2, adam_eps, weight_decay, max_norm,
    )  # fmt: skip
    return (*weights, m, v, np.array(into.loss), np.array(size))


# Runs and checkpoints


def initial(seed: int, table: ArrayLike, norm: ArrayLike, wqo: ArrayLike, wkv: ArrayLike, wmlp: ArrayLike) -> Weights:
    """Fresh weights of the shapes of the arguments, rounded to float32: N(0, 0.02^2), and ones for the norms."""
    rng = np.random.Generator(np.random.PCG64(seed))
    found = [rng.normal(0.0, 0.02, np.shape(w)).astype(np.float32).astype(np.float64) for w in (table, wqo, wkv, wmlp)]
    return found[0], np.ones(np.shape(norm)), found[1], found[2], found[3]


def save(
    table: ArrayLike, norm: ArrayLike, wqo: ArrayLike, wkv: ArrayLike, wmlp: ArrayLike, m: ArrayLike, v: ArrayLike,
    done: int,
) -> bytes:  # fmt: skip
    """A safetensors file: an 8-byte length, a JSON header, then the arrays in float64 and the order of the header.

    Nothing in it depends on time, place or hash order: equal states give equal bytes.
    """
    arrays = {**dict(zip(NAMES, _checked(table, norm, wqo, wkv, wmlp), strict=True)), "m": m, "v": v}
    header: dict[str, object] = {"__metadata__": {"done": str(done)}}
    body = b""
    for name, value in arrays.items():
        data = np.ascontiguousarray(value, dtype="<f8")
        offsets = [len(body), len(body) + data.nbytes]
        header[name] = {"dtype": "F64", "shape": list(data.shape), "data_offsets": offsets}
        body += data.tobytes()
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + body


def load(file: bytes) -> tuple[Array, Array, Array, Array, Array, Array, Array, int]:
    """What `save` was given. ValueError for a file that is cut short, wherever."""
    if len(file) < 8:
        raise ValueError(f"the file holds {len(file)} bytes, and the length of its header alone takes 8")
    (size,) = struct.unpack("<Q", file[:8])
    header = json.loads(file[8 : 8 + size])
    body = file[8 + size :]
    found: list[Array] = []
    for name in (*NAMES, "m", "v"):
        start, end = header[name]["data_offsets"]
        if end > len(body):
            raise ValueError(f"{name} ends at byte {end} of the data, but the file holds {len(body)}")
        found.append(np.frombuffer(body[start:end], dtype="<f8").reshape(header[name]["shape"]).astype(np.float64))
    table, norm, wqo, wkv, wmlp, m, v = found
    return table, norm, wqo, wkv, wmlp, m, v, int(header["__metadata__"]["done"])


def _run(
    weights: Weights,
    m: Array,
    v: Array,
    done: int,
    x: ArrayLike,
    y: ArrayLike,
    warmup: int,
    total: int,
    peak: float,
    lowest: float,
    beta1: float,
    beta2: float,
    adam_eps: float,
    weight_decay: float,
    max_norm: float,
    base: float,
    eps: float,
    ignore: int,
) -> tuple[Array, bytes]:
    losses = []
    into = Accumulator(weights)
    for tokens, targets in zip(np.asarray(x), np.asarray(y), strict=True):
        _accumulate(into, weights, tokens, targets, base, eps, ignore)
        if not math.isfinite(into.loss):
            raise FloatingPointError(f"the loss is {into.loss} at step {done + 1}: the run stops before the update")
        losses.append(into.loss)
        weights, m, v, _ = _update(
            weights, into.gradients, m, v, done, warmup, total, peak, lowest,
            beta1, beta2, adam_eps, weight_decay, max_norm,
        )  # fmt: skip
        done += 1
    return np.array(losses), save(*weights, m, v, done)


def train(
    table: ArrayLike,
    norm: ArrayLike,
    wqo: ArrayLike,
    wkv: ArrayLike,
    wmlp: ArrayLike,
    x: ArrayLike,
    y: ArrayLike,
    warmup: int,
    total: int,
    peak: float,
    lowest: float,
    beta1: float,
    beta2: float,
    adam_eps: float,
    weight_decay: float,
    max_norm: float,
    base: float,
    eps: float,
    ignore: int,
) -> tuple[Array, bytes]:
    """A run of N steps from these weights on x[N, A, B, S], y[N, A, B, S]: the N losses, and the checkpoint at its end.

    Raises:
        FloatingPointError: a loss is NaN or infinite.
    """
    weights = _checked(table, norm, wqo, wkv, wmlp)
    zero = np.zeros_like(rows(*weights))
    return _run(
        weights, zero, zero, 0, x, y, warmup, total, peak, lowest,
        beta1, beta2, adam_eps, weight_decay, max_norm, base, eps, ignore,
    )  # fmt: skip


def resume(
    file: bytes,
    x: ArrayLike,
    y: ArrayLike,
    warmup: int,
    total: int,
    peak: float,
    lowest: float,
    beta1: float,
    beta2: float,
    adam_eps: float,
    weight_decay: float,
    max_norm: float,
    base: float,
    eps: float,
    ignore: int,
) -> tuple[Array, bytes]:
    """The steps that follow a checkpoint, on x[N, A, B, S], y[N, A, B, S]: as if the run had never stopped."""
    *weights, m, v, done = load(file)
    return _run(
        _checked(*weights), m, v, done, x, y, warmup, total, peak, lowest,
        beta1, beta2, adam_eps, weight_decay, max_norm, base, eps, ignore,
    )  # fmt: skip


@functools.cache
def _library() -> NDArray[np.int64]:
    folder = Path(sysconfig.get_paths()["stdlib"])
    return np.frombuffer(b"".join((folder / f"{name}.py").read_bytes() for name in TEXT), np.uint8).astype(np.int64)


def library_text(first: int, like: ArrayLike) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Tokens x and targets y of the shape [N, A, B, S] of `like`: the source of the standard library, byte by byte.

    Sequence after sequence covers the next S bytes from byte `first` on, beginning again at the end of the text; the
    target of a byte is the byte after it.
    FileNotFoundError where the standard library has no source.
    """
    text, shape = _library(), np.shape(like)
    place = first + np.arange(math.prod(shape)).reshape(shape)
    return text[place % len(text)], text[(place + 1) % len(text)]
