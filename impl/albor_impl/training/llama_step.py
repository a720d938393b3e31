"""A training step of a small decoder out of this package's kernels, differentiated by autograd through their wrappers.

All weights live in one float32 buffer p[R, E], so that the optimizer sees one tensor, with one norm and one clip:

    table[U, V, E]      embedding (first) and head (last); U = 1 ties them
    norm[2 L + 1, E]    two for each layer, then the last one
    wqo[L, 2, H, D, E]  queries and output projection
    wkv[L, 2, K, D, E]  keys and values
    wmlp[L, 3, F, E]    gate, up, down

follow each other in it. The gradients lie in a second buffer with the same views, cleared once a step.

Tokens are int64 in [0, V), losses float32 in nats. Errors: ValueError where the shapes of weights, tokens and targets
do not fit, TypeError for weights that are not float32, and as the kernels say that a step is made of; `block` and
`block_backward` leave it to these. `train` and `resume` end with FloatingPointError where a loss is not finite.
Source: Touvron et al., "LLaMA" (2023), section 2.2, for the architecture.
"""

from __future__ import annotations

import functools
import importlib.util
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import safetensors.torch
import torch
import torch.nn.functional as F

from ..attention.causal_gqa import causal_attention
from ..core.gemm import gemm_autograd
from ..core.rmsnorm import rmsnorm_autograd
from ..core.rope import rope_autograd
from ..core.swiglu import swiglu_autograd
from ..loss.cross_entropy import cross_entropy_loss
from ..optim.adamw import adamw_step_
from ..schedule.training_config import learning_rate

TEXT = ("this", "argparse", "ast", "calendar", "configparser", "difflib", "inspect", "textwrap", "typing", "zipfile")


class Weights(NamedTuple):
    """The five weights, or what belongs to them."""

    table: torch.Tensor
    norm: torch.Tensor
    wqo: torch.Tensor
    wkv: torch.Tensor
    wmlp: torch.Tensor


class Rule(NamedTuple):
    """Schedule and optimizer."""

    warmup: int
    total: int
    peak: float
    lowest: float
    beta1: float
    beta2: float
    adam_eps: float
    weight_decay: float
    max_norm: float


class Norms(NamedTuple):
    """What the forward pass needs besides weights and tokens."""

    base: float
    eps: float
    ignore: int = -100


def check(weights: Weights) -> None:
    """ValueError or TypeError unless the weights belong to one model."""
    for name, w, rank in zip(Weights._fields, weights, (3, 2, 5, 5, 4), strict=True):
        if w.dtype != torch.float32:
            raise TypeError(f"{name} must be float32, got {w.dtype}")
        if w.ndim != rank:
            raise ValueError(f"{name} must have {rank} axes, got shape {list(w.shape)}")
    (_, _, width), (layers, _, heads, dim, _) = weights.table.shape, weights.wqo.shape
    wanted = {
        "table": (weights.table.shape[0], weights.table.shape[1], width), "norm": (2 * layers + 1, width),
        "wqo": (layers, 2, heads, dim, width), "wkv": (layers, 2, weights.wkv.shape[2], dim, width),
        "wmlp": (layers, 3, weights.wmlp.shape[2], width),
    }  # fmt: skip
    for name, w in weights._asdict().items():
        if tuple(w.shape) != wanted[name]:
            raise ValueError(f"{name}: expected shape {list(wanted[name])} beside the others, got {list(w.shape)}")
    if weights.table.shape[0] not in (1, 2):
        raise ValueError(f"table holds one table (tied) or two (untied), got {weights.table.shape[0]}")


# Forward


def _heads(rows: torch.Tensor, w: torch.Tensor, batch: int) -> torch.Tensor:
    """rows[B S, E] times w[H, D, E] as [B, H, S, D]."""
    heads, dim, width = w.shape
    found = gemm_autograd(rows, w.reshape(heads * dim, width).T)
    return found.view(batch, -1, heads, dim).transpose(1, 2)


def _layer(x: torch.Tensor, w: Weights, layer: int, how: Norms) -> torch.Tensor:
    """[B, S, E] to [B, S, E]."""
    batch, _, width = x.shape
    x = x.reshape(-1, width)
    n = rmsnorm_autograd(x, w.norm[2 * layer], how.eps)
    (wq, wo), (wk, wv), (gate, up, down) = w.wqo[layer], w.wkv[layer], w.wmlp[layer]
    q = rope_autograd(_heads(n, wq, batch), 0, how.base)
    k = rope_autograd(_heads(n, wk, batch), 0, how.base)
    o = causal_attention(q, k, _heads(n, wv, batch)).transpose(1, 2).reshape(x.shape[0], -1)
    x = x + gemm_autograd(o, wo.reshape(-1, width))
    n = rmsnorm_autograd(x, w.norm[2 * layer + 1], how.eps)
    x = x + gemm_autograd(swiglu_autograd(gemm_autograd(n, gate.T), gemm_autograd(n, up.T)), down)
    return x.view(batch, -1, width)


def _logits(w: Weights, x: torch.Tensor, how: Norms) -> torch.Tensor:
    """[B S, V] for tokens x[B, S]."""
    state = F.embedding(x, w.table[0])
    for layer in range(w.wqo.shape[0]):
        state = _layer(state, w, layer, how)
    n = rmsnorm_autograd(state.reshape(-1, state.shape[2]), w.norm[-1], how.eps)
    return gemm_autograd(n, w.table[-1].T)


def _loss(w: Weights, x: torch.Tensor, y: torch.Tensor, how: Norms) -> torch.Tensor:
    return cross_entropy_loss(_logits(w, x, how), y.reshape(-1), how.ignore)


def _leaves(weights: Sequence[torch.Tensor]) -> list[torch.Tensor]:
    """The same memory, as leaves of a graph."""
    return [w.detach().requires_grad_() for w in weights]


# The state of a run


class Trainer:
    """Weights, moments and gradients of a run in flat buffers, and the number of steps done."""

    def __init__(self, weights: Weights, m: torch.Tensor, v: torch.Tensor, done: int) -> None:
        check(weights)
        self.p = rows(*weights)
        self.g = torch.zeros_like(self.p)
        self.m, self.v = (t.detach().clone(memory_format=torch.contiguous_format) for t in (m, v))
        self.done = done
        self.weights, self.grads = (Weights(*_views(buffer, weights)) for buffer in (self.p, self.g))

    def accumulate(self, x: torch.Tensor, y: torch.Tensor, how: Norms) -> torch.Tensor:
        """Fill the gradients for x[A, B, S], y[A, B, S]; the loss, float32 [], on the device."""
        if x.ndim != 3 or x.shape != y.shape:
            raise ValueError(f"x and y must have one shape [A, B, S], got {list(x.shape)} and {list(y.shape)}")
        valid = (y != how.ignore).sum(dim=(1, 2))
        share = valid / valid.sum().clamp(min=1)  # of the tokens that count, so that short micro-batches weigh less
        self.g.zero_()
        total = torch.zeros((), dtype=torch.float32, device=x.device)
        leaves = _leaves(self.weights)
        for tokens, targets, part in zip(x, y, share, strict=True):
            with torch.enable_grad():
                found = _loss(Weights(*leaves), tokens, targets, how) * part
                for into, g in zip(self.grads, torch.autograd.grad(found, leaves), strict=True):
                    into.add_(g)
            total += found.detach()
        return total

    def update(self, rule: Rule) -> torch.Tensor:
        """One optimizer step with the gradients as they are; the norm before clipping."""
        rate = learning_rate(self.done, rule.warmup, rule.total, rule.peak, rule.lowest)
        self.done += 1
        return adamw_step_(
            [self.p], [self.g], [self.m], [self.v], step=self.done, lr=rate, beta1=rule.beta1, beta2=rule.beta2,
            eps=rule.adam_eps, weight_decay=rule.weight_decay, max_norm=rule.max_norm,
        )  # fmt: skip

    def run(self, x: torch.Tensor, y: torch.Tensor, rule: Rule, how: Norms) -> torch.Tensor:
        """A step for each of x[N, A, B, S], y[N, A, B, S]; the losses, float32 [N].

        Raises FloatingPointError for a loss that is not finite, once the steps are done, since to look at it earlier
        would make the host wait for the device: the update leaves everything as it was where the norm is not finite.
        """
        losses = []
        for tokens, targets in zip(x, y, strict=True):
            losses.append(self.accumulate(tokens, targets, how))
            self.update(rule)
        found = torch.stack(losses)
        for step, loss in enumerate(found.tolist(), self.done - len(losses) + 1):
            if not math.isfinite(loss):
                raise FloatingPointError(f"the loss is {loss} at step {step}: no step with it is made")
        return found

    def checkpoint(self) -> bytes:
        """The file that `save` makes of this state."""
        return save(*self.weights, self.m, self.v, self.done)


def rows(
    table: torch.Tensor, norm: torch.Tensor, wqo: torch.Tensor, wkv: torch.Tensor, wmlp: torch.Tensor
) -> torch.Tensor:
    """All weights as the rows of one matrix [R, E], in the order of the arguments; a copy."""
    return torch.cat([w.detach().reshape(-1, w.shape[-1]) for w in (table, norm, wqo, wkv, wmlp)])


def _views(buffer: torch.Tensor, like: Weights) -> Iterator[torch.Tensor]:
    start = 0
    for w in like:
        count = w.numel() // buffer.shape[1]
        yield buffer[start : start + count].view(w.shape)
        start += count


# What the contract is about


def block(x: torch.Tensor, norm: torch.Tensor, wqo: torch.Tensor, wkv: torch.Tensor, wmlp: torch.Tensor,
          layer: int, base: float, eps: float) -> torch.Tensor:  # fmt: skip
    """y[B, S, E] of one layer for x[B, S, E]."""
    return _layer(x, Weights(x, norm, wqo, wkv, wmlp), layer, Norms(base, eps)).detach()


def block_backward(
    g: torch.Tensor, x: torch.Tensor, norm: torch.Tensor, wqo: torch.Tensor, wkv: torch.Tensor, wmlp: torch.Tensor,
    layer: int, base: float, eps: float,
) -> tuple[torch.Tensor, ...]:  # fmt: skip
    """Gradients dx, dnorm[2, E], dwqo[2, H, D, E], dwkv[2, K, D, E], dwmlp[3, F, E] of sum(g * block(x))."""
    own = slice(layer, layer + 1)
    leaves = _leaves([x, norm[2 * layer : 2 * layer + 2], wqo[own], wkv[own], wmlp[own]])
    with torch.enable_grad():
        y = _layer(leaves[0], Weights(*leaves), 0, Norms(base, eps))
    dx, dnorm, *stacks = torch.autograd.grad(y, leaves, g)
    return (dx, dnorm, *(d[0] for d in stacks))


def logits(table: torch.Tensor, norm: torch.Tensor, wqo: torch.Tensor, wkv: torch.Tensor, wmlp: torch.Tensor,
           x: torch.Tensor, base: float, eps: float) -> torch.Tensor:  # fmt: skip
    """z[B, S, V] for tokens x[B, S], in nats."""
    weights = Weights(table, norm, wqo, wkv, wmlp)
    check(weights)
    return _logits(weights, x, Norms(base, eps)).view(*x.shape, -1)


def loss(table: torch.Tensor, norm: torch.Tensor, wqo: torch.Tensor, wkv: torch.Tensor, wmlp: torch.Tensor,
         x: torch.Tensor, y: torch.Tensor, base: float, eps: float, ignore: int) -> torch.Tensor:  # fmt: skip
    """Mean cross-entropy, float32 [], over the targets y[A, B, S] that are not `ignore`."""
    weights = Weights(table, norm, wqo, wkv, wmlp)
    check(weights)
    return _loss(weights, x.flatten(0, 1), y, Norms(base, eps, ignore))


def gradients(table: torch.Tensor, norm: torch.Tensor, wqo: torch.Tensor, wkv: torch.Tensor, wmlp: torch.Tensor,
              x: torch.Tensor, y: torch.Tensor, base: float, eps: float,
              ignore: int) -> tuple[torch.Tensor, ...]:  # fmt: skip
    """`loss` and its gradients with respect to the weights, over the A micro-batches of x[A, B, S], y[A, B, S]."""
    weights = Weights(table, norm, wqo, wkv, wmlp)
    trainer = Trainer(weights, table, table, 0)  # no step follows: it needs no moments
    return (trainer.accumulate(x, y, Norms(base, eps, ignore)), *trainer.grads)


def train_step(
    table: torch.Tensor, norm: torch.Tensor, wqo: torch.Tensor, wkv: torch.Tensor, wmlp: torch.Tensor,
    m: torch.Tensor, v: torch.Tensor, x: torch.Tensor, y: torch.Tensor, done: int, warmup: int, total: int,
    peak: float, lowest: float, beta1: float, beta2: float, adam_eps: float, weight_decay: float, max_norm: float,
    base: float, eps: float, ignore: int,
) -> tuple[torch.Tensor, ...]:  # fmt: skip
    """The step after `done` others: the weights, m, v, the loss before it, the norm of the gradient before clipping.

    A norm that is not finite changes nothing; the loss is then handed out as it is.
    """
    trainer = Trainer(Weights(table, norm, wqo, wkv, wmlp), m, v, done)
    found = trainer.accumulate(x, y, Norms(base, eps, ignore))
    size = trainer.update(Rule(warmup, total, peak, lowest, beta1, beta2, adam_eps, weight_decay, max_norm))
    return (*trainer.weights, trainer.m, trainer.v, found, size)


def initial(seed: int, table: torch.Tensor, norm: torch.Tensor, wqo: torch.Tensor, wkv: torch.Tensor,
            wmlp: torch.Tensor) -> Weights:  # fmt: skip
    """Fresh weights of the shapes of the arguments: N(0, 0.02^2), and ones for the norms. Drawn on the host."""
    source = torch.Generator().manual_seed(seed)

    def drawn(like: torch.Tensor) -> torch.Tensor:
        return (0.02 * torch.randn(like.shape, generator=source)).to(like.device)

    return Weights(drawn(table), torch.ones_like(norm), drawn(wqo), drawn(wkv), drawn(wmlp))


def save(table: torch.Tensor, norm: torch.Tensor, wqo: torch.Tensor, wkv: torch.Tensor, wmlp: torch.Tensor,
         m: torch.Tensor, v: torch.Tensor, done: int) -> bytes:  # fmt: skip
    """A safetensors file with the weights, the moments and the number of steps done."""
    state = {**Weights(table, norm, wqo, wkv, wmlp)._asdict(), "m": m, "v": v}
    state = {name: tensor.detach().contiguous() for name, tensor in state.items()}
    return safetensors.torch.save({**state, "done": torch.tensor(done, dtype=torch.int64)})


def load(file: bytes) -> tuple[torch.Tensor | int, ...]:
    """What `save` was given, on the CPU. Raises safetensors' own error for a damaged file."""
    state = safetensors.torch.load(file)
    return (*(state[name] for name in (*Weights._fields, "m", "v")), int(state["done"]))


def train(table: torch.Tensor, norm: torch.Tensor, wqo: torch.Tensor, wkv: torch.Tensor, wmlp: torch.Tensor,
          x: torch.Tensor, y: torch.Tensor, warmup: int, total: int, peak: float, lowest: float, beta1: float,
          beta2: float, adam_eps: float, weight_decay: float, max_norm: float, base: float, eps: float,
          ignore: int) -> tuple[torch.Tensor, bytes]:  # fmt: skip
    """A run from these weights, a step for each of x[N, A, B, S]: the losses [N] and the checkpoint at its end.

    Raises FloatingPointError at the first loss that is NaN or infinite.
    """
    weights = Weights(table, norm, wqo, wkv, wmlp)
    zero = torch.zeros_like(rows(*weights))
    trainer = Trainer(weights, zero, zero, 0)
    rule = Rule(warmup, total, peak, lowest, beta1, beta2, adam_eps, weight_decay, max_norm)
    return trainer.run(x, y, rule, Norms(base, eps, ignore)), trainer.checkpoint()


def resume(file: bytes, x: torch.Tensor, y: torch.Tensor, warmup: int, total: int, peak: float, lowest: float,
           beta1: float, beta2: float, adam_eps: float, weight_decay: float, max_norm: float, base: float, eps: float,
           ignore: int) -> tuple[torch.Tensor, bytes]:  # fmt: skip
    """The steps that follow a checkpoint: the losses and the checkpoint of a run that never stopped."""
    *state, done = load(file)
    weights, (m, v) = Weights(*(w.to(x.device) for w in state[:5])), (s.to(x.device) for s in state[5:])
    trainer = Trainer(weights, m, v, done)
    rule = Rule(warmup, total, peak, lowest, beta1, beta2, adam_eps, weight_decay, max_norm)
    return trainer.run(x, y, rule, Norms(base, eps, ignore)), trainer.checkpoint()


@functools.cache
def _library() -> torch.Tensor:
    """The source of some modules of the standard library, one after the other, int64 [bytes]."""
    text = bytearray()
    for name in TEXT:
        spec = importlib.util.find_spec(name)
        if spec is None or spec.origin is None:
            raise FileNotFoundError(f"the standard library here has no source of {name}")
        text += Path(spec.origin).read_bytes()
    return torch.frombuffer(text, dtype=torch.uint8).to(torch.int64)


def library_text(first: int, like: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Tokens x[N, A, B, S] from byte `first` on, sequence after sequence, and the bytes that follow each of them.

    FileNotFoundError where the standard library has no source.
    """
    text = _library()
    around = text.repeat(2 + (first + like.numel()) // len(text))[first : first + like.numel() + 1]
    return tuple(part.reshape(like.shape).to(like.device) for part in (around[:-1], around[1:]))  # type: ignore[return-value]
