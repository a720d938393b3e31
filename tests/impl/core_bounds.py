"""Error bounds for the tests of this folder: derived from the dtype and the terms of a formula."""

from __future__ import annotations

import numpy as np
import torch

U32 = 2.0**-24  # unit roundoff of the accumulation
LAMBDA = 8.0  # a sum of k terms strays by at most LAMBDA sqrt(k) u sum|terms|, except with negligible probability
ROUNDOFF = {torch.float64: 2.0**-53, torch.float32: 2.0**-24, torch.float16: 2.0**-11, torch.bfloat16: 2.0**-8}
SMALLEST = {torch.float64: 5e-324, torch.float32: 2.0**-149, torch.float16: 2.0**-24, torch.bfloat16: 2.0**-133}

FLOATS = [torch.float32, torch.bfloat16, torch.float16]
WIDTHS = [1, 2, 3, 17, 127, 129, 1025, 4097]


def exact(tensor: torch.Tensor) -> np.ndarray:
    """The values of `tensor` in float64."""
    return tensor.detach().double().numpy()


def draw(shape: tuple[int, ...], dtype: torch.dtype, seed: int, low: float = 0.0, high: float = 0.0) -> torch.Tensor:
    """Normal values, or uniform ones of [low, high] when these differ, as the kernel receives them."""
    generator = torch.Generator().manual_seed(seed)
    if low != high:
        return (torch.rand(shape, generator=generator) * (high - low) + low).to(dtype)
    return torch.randn(shape, generator=generator).to(dtype)


def worst(got: torch.Tensor, expected: np.ndarray, error: np.ndarray) -> float:
    """The largest |got - expected| as a fraction of what rounding the result and `error` inside allow."""
    assert tuple(got.shape) == expected.shape
    allowed = ROUNDOFF[got.dtype] * np.abs(expected) + error + SMALLEST[got.dtype]
    fraction = np.abs(exact(got) - expected) / allowed
    return float(fraction.max()) if fraction.size else 0.0


def layouts(tensor: torch.Tensor) -> dict[str, torch.Tensor]:
    """The same values in other places in memory (all but `expanded`, whose rows are equal)."""
    rows, columns = tensor.shape
    padded = torch.full((2 * rows, columns + 5), 77.0).to(tensor.dtype)
    sliced = padded[::2, 3 : 3 + columns]
    sliced.copy_(tensor)
    strided = torch.full((rows, 2 * columns), -77.0).to(tensor.dtype)[:, ::2]
    strided.copy_(tensor)
    return {
        "transposed": tensor.T.contiguous().T,
        "sliced": sliced,
        "strided": strided,
        "expanded": tensor[:1].expand(rows, columns),
    }
