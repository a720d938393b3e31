"""Loss scaling for float16 backward passes: unscaling, the check for overflow, and the scale that adapts.

    g = s / scale, finite = every s is finite                                  one pass over the gradients
    not finite: scale * backoff;  interval finite steps in a row: scale * growth

unscale reads each gradient once and writes it once, in float32: divided in float16, what the scale saved would vanish
again. Whether all were finite stays on the device, so that the host can go on launching.

Scales and factors are floats, `good` and `interval` counts of steps. `loss_scale` refuses nothing.
Source: Micikevicius et al., "Mixed Precision Training" (2018), section 3.2.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import triton
import triton.language as tl

from .._triton import empty, example, kernel, unify

LARGEST_SCALE = 2.0**24
# Elements a program takes: 8 for each of 256 threads.
BLOCK = 2048


@kernel(
    *[
        example(f"s=*{t} g=*fp32 bad=*i32 n=i64:16 scale=fp32", label=t, BLOCK=BLOCK, num_warps=8)
        for t in ("fp16", "bf16", "fp32")
    ]
)
def _unscale_kernel(s, g, bad, n, scale, BLOCK: tl.constexpr):
    offsets = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = offsets < n
    x = tl.load(s + offsets, mask=inside, other=0.0).to(tl.float32)
    tl.store(g + offsets, tl.div_rn(x, scale), mask=inside)
    # NaN compares false with everything, so the question is asked the other way round.
    wrong = tl.where(tl.abs(x) < float("inf"), 0, 1)
    # Only programs that found something write, and all write the same: no order, no atomics.
    if tl.max(wrong, axis=0) > 0:
        tl.store(bad, 1)


def loss_scale(exponent_bits: int, wanted: float) -> float:
    """The scale for a backward pass in a format with so many exponent bits (float16 5, bfloat16 and float32 8).

    From 8 bits on it is 1: a scale would save nothing, and bring overflow nearer.
    """
    return 1.0 if exponent_bits >= 8 else float(wanted)


def unscale(s: torch.Tensor, scale: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Gradients s / scale, and whether all of s is finite.

    Args:
        s: scaled gradients [N], float32, bfloat16 or float16.
        scale: what they were scaled by.

    Returns:
        g, float32 [N]; finite, bool [], on the device of s.

    Raises:
        TypeError: the dtype is not supported. ValueError: s is not [N], or scale is not a positive number.
    """
    sizes = unify(s=(s, "N"))
    if not (math.isfinite(scale) and scale > 0):
        raise ValueError(f"scale: expected a positive number, got {scale}")
    s = s.contiguous()
    g = empty(s.shape, torch.float32, s.device)
    bad = torch.zeros((), dtype=torch.int32, device=s.device)
    if sizes["N"]:
        block = min(BLOCK, triton.next_power_of_2(sizes["N"]))
        _unscale_kernel[(triton.cdiv(sizes["N"], block),)](
            s, g, bad, sizes["N"], float(scale), BLOCK=block, num_warps=8
        )
    return g, bad == 0


def scaled_backward(
    x: torch.Tensor, w: torch.Tensor, y: torch.Tensor, scale: float
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Squared error of a linear model and its gradient, taken through the scaled loss: the order of things in small.

    Args:
        x: inputs [T, N], float32, bfloat16 or float16; the error signal is stored in this dtype.
        w, y: weights [N] and targets [T], float32.
        scale: of the loss in the backward pass.

    Returns:
        loss, float32 [], not scaled; dw, float32 [N], its gradient; whether the error signal was finite, bool [].

    Raises:
        TypeError: a dtype is not supported. ValueError: shapes do not fit, or scale is not a positive number.
    """
    unify(x=(x, "T N"), w=(w, "N"), y=(y, "T"))
    if w.dtype != torch.float32 or y.dtype != torch.float32:
        raise TypeError(f"w and y must be float32, got {w.dtype} and {y.dtype}")
    wide = x.float()
    r = wide @ w - y
    signal = (scale * 2 / len(r) * r).to(x.dtype)
    dw, _ = unscale(signal.float() @ wide, scale)
    return (r * r).mean(), dw, signal.isfinite().all()


def scaler_update(
    scale: float, good: int, finite: bool, growth: float, backoff: float, interval: int
) -> tuple[float, int]:
    """Scale and number of finite steps in a row, after a step.

    Args:
        scale: of this step.
        good: finite steps in a row before it, less than interval.
        finite: whether every gradient of this step was finite; if not, the step is skipped.
        growth, backoff: factors after `interval` finite steps, and after an overflow.
        interval: finite steps in a row after which the scale grows.

    Returns:
        scale, between 1 and 2^24; good.

    Raises:
        ValueError: growth is less than 1, backoff is not in (0, 1], or interval is less than 1.
    """
    if not (growth >= 1 and 0 < backoff <= 1 and interval >= 1):
        raise ValueError(
            f"expected growth >= 1, backoff in (0, 1] and interval >= 1, got {growth}, {backoff} and {interval}"
        )
    factor, run = (1.0, good + 1) if finite else (backoff, 0)
    if run >= interval:
        factor, run = growth, 0
    return min(max(scale * factor, 1.0), LARGEST_SCALE), run


@dataclass
class LossScaler:
    """The state of a run: multiply the loss by `scale`, unscale, then tell `update` whether all was finite."""

    scale: float = 65536.0
    growth: float = 2.0
    backoff: float = 0.5
    interval: int = 2000
    good: int = 0

    def update(self, finite: bool) -> None:
        """Take note of a step; a step with `finite` false must not be applied."""
        self.scale, self.good = scaler_update(self.scale, self.good, finite, self.growth, self.backoff, self.interval)
