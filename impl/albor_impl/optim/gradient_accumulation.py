"""Gradient accumulation over micro-batches, weighted by valid tokens, in float32 buffers.

`GradientAccumulator` is what a training loop uses: one flat buffer for all parameters, one cycle for each step.

Gradients of any float dtype in, float32 out; n and `tokens` count valid tokens.
Errors: ValueError for shapes that do not fit and counts out of range, RuntimeError for a mean that is not due.
Source: Ott et al., "Scaling Neural Machine Translation" (2018), section 3.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch


def accumulate(g: torch.Tensor, n: torch.Tensor) -> torch.Tensor:
    """mean[P], float32, for gradients g[N, P] that are means over n[N] tokens each.

    Raises ValueError for shapes that do not fit, or counts below 0 on the CPU (on a GPU that would wait for it).
    """
    if g.ndim != 2 or n.shape != g.shape[:1]:
        raise ValueError(f"expected g[N, P] and n[N], got shapes {list(g.shape)} and {list(n.shape)}")
    if n.device.type == "cpu" and (n < 0).any():
        raise ValueError("n: a number of tokens is not negative")
    total = torch.zeros(g.shape[1], dtype=torch.float32, device=g.device)
    for row, tokens in zip(g, n, strict=True):
        total += row.to(total.dtype) * tokens
    return (total / n.sum().clamp(min=1)).to(torch.float32)


class GradientAccumulator:
    """Gradients of one cycle in one float32 buffer; `views` has the shapes of the parameters.

    `add` takes the gradients of a micro-batch and its number of valid tokens, and says whether the cycle is complete.
    `finish` divides in place and hands the views out; the next `add` clears them first.
    """

    def __init__(self, like: Sequence[torch.Tensor], cycle: int) -> None:
        if cycle < 1:
            raise ValueError(f"cycle: expected at least one micro-batch for each step, got {cycle}")
        self.buffer = torch.zeros(sum(t.numel() for t in like), dtype=torch.float32, device=like[0].device)
        parts = self.buffer.split([t.numel() for t in like])
        self.views = [part.view(t.shape) for part, t in zip(parts, like, strict=True)]
        self.cycle, self.seen, self.tokens = cycle, 0, 0

    def add(self, gradients: Sequence[torch.Tensor], tokens: int) -> bool:
        """Add the gradients of one micro-batch, means over `tokens` tokens. Whether the cycle is complete."""
        if self.seen == 0:
            self.buffer.zero_()
            self.tokens = 0
        for view, g in zip(self.views, gradients, strict=True):
            view.add_(g, alpha=tokens)
        self.seen += 1
        self.tokens += tokens
        return self.seen == self.cycle

    def finish(self) -> list[torch.Tensor]:
        """The means of the cycle, in the views. RuntimeError before it is complete."""
        if self.seen != self.cycle:
            raise RuntimeError(f"{self.seen} of {self.cycle} micro-batches were added: no step is due")
        self.buffer /= max(self.tokens, 1)
        self.seen = 0
        return self.views


def micro_step(
    buffer: torch.Tensor, tokens: int, seen: int, g: torch.Tensor, n: int, cycle: int
) -> tuple[torch.Tensor, torch.Tensor, int, int, bool]:
    """One micro-batch of a cycle, without writing to the arguments; see `GradientAccumulator` for the same in place.

    Returns the buffer, the mean (0 until the cycle is complete), tokens, micro-batches, and whether a step is due.
    """
    if cycle < 1:
        raise ValueError(f"cycle: expected at least one micro-batch for each step, got {cycle}")
    if not 0 <= seen < cycle:
        raise ValueError(f"seen: expected 0 <= seen < cycle = {cycle}, got {seen}")
    added = buffer + g.to(torch.float32) * n
    ready = seen + 1 == cycle
    if not ready:
        return added, torch.zeros_like(added), tokens + n, seen + 1, ready
    return torch.zeros_like(added), added / max(tokens + n, 1), 0, 0, ready
