"""What a plain copy and a plain matrix product reach on this device in this run: the ceilings of the percentages.

A copy inside a graph may be done by other hardware than a kernel, and slower: an H200 copied 2.7 TB/s in that way
while kernels read and wrote 4.3. So memory is passed in two ways, and the faster is the ceiling.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from .measure import Call, Clock, Quantiles, interleave

COPY_ELEMENTS = 1 << 28  # of bfloat16: 512 MiB read and 512 MiB written
GEMM_SIDE = 8192
SETS = 2


@dataclass(frozen=True)
class Ceilings:
    """Bytes a second of a copy (read plus written) and FLOP a second of a bfloat16 product; from medians."""

    copy: float
    gemm: float

    def of(self, limit: str) -> float:
        return self.copy if limit == "copy" else self.gemm


def measure_ceilings(
    clock: Clock, device: torch.device, rounds: int, elements: int = COPY_ELEMENTS, side: int = GEMM_SIDE
) -> Ceilings:
    """Both ceilings with the method that the kernels are measured with."""
    generator = torch.Generator(device).manual_seed(0)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=generator, device=device, dtype=torch.bfloat16)

    copies = [(normal(elements), torch.empty(elements, dtype=torch.bfloat16, device=device)) for _ in range(SETS)]
    products = [(normal(side, side), normal(side, side)) for _ in range(SETS)]
    variants = [
        [_copy(source, target) for source, target in copies],
        [_negative(source, target) for source, target in copies],
        [_product(a, b) for a, b in products],
    ]
    for calls in variants:
        for call in calls:
            call()  # loads what the library needs
    *passes, gemm = interleave(clock, [clock.program(calls) for calls in variants], rounds)
    return Ceilings(max(_rate(2 * 2 * elements, p) for p in passes), _rate(2 * side**3, gemm))


def passes(nbytes: int, sets: int, device: torch.device) -> list[Call]:
    """Calls of a kernel that reads half of `nbytes` and writes the other half: what a kernel of this traffic could be
    at best, launch and all."""
    sources = [torch.randn(max(nbytes // 8, 1), device=device) for _ in range(sets)]
    return [_negative(source, torch.empty_like(source)) for source in sources]


def _copy(source: torch.Tensor, target: torch.Tensor) -> Any:
    return lambda: target.copy_(source)


def _negative(source: torch.Tensor, target: torch.Tensor) -> Any:
    """A kernel that does next to nothing with what it reads and writes, four bytes at a time."""
    wide, result = source.view(torch.float32), target.view(torch.float32)
    return lambda: torch.neg(wide, out=result)


def _product(a: torch.Tensor, b: torch.Tensor) -> Any:
    return lambda: torch.matmul(a, b)


def _rate(amount: int, time: Quantiles) -> float:
    return amount / (time.p50 * 1e-3)
