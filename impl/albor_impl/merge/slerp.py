"""Spherical linear interpolation of two weight vectors, in PyTorch."""

from __future__ import annotations

import math

import torch

FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
NEARLY_PARALLEL = 1e-6
ANTIPODAL = 5e-7


def slerp(a: torch.Tensor, b: torch.Tensor, t: float) -> torch.Tensor:
    """Interpolate along the great circle from a to b, on vectors that keep their own lengths.

    Formula   cos(Omega) = <a, b> / (|a| |b|),  c = (sin((1 - t) Omega) a + sin(t Omega) b) / sin(Omega);
              (1 - t) a + t b where cos(Omega) > 0 and sin(Omega)^2 < 1e-6
    Shapes    a, b float[N] of one dtype and device, t real in [0, 1] -> float[N] of that dtype
    Exact     t = 0 gives a and t = 1 gives b, bit for bit
    Errors    TypeError: dtypes; ValueError: shapes or devices differ, not one-dimensional, t outside [0, 1], a zero
              or non-finite vector, cos(Omega) < -1 + 5e-7
    Cost      one host synchronisation: a refusal has to be seen before there is a result
    Source    K. Shoemake, Animating rotation with quaternion curves, SIGGRAPH 1985;
              the angle as 2 atan2(|u - v|, |u + v|) after W. Kahan, accurate for every angle
    """
    if a.dtype != b.dtype or a.dtype not in FLOATS:
        raise TypeError(f"slerp needs two floating-point tensors of one dtype, got {a.dtype} and {b.dtype}")
    if a.ndim != 1 or a.shape != b.shape:
        raise ValueError(f"slerp needs two vectors of one length, got shapes {tuple(a.shape)} and {tuple(b.shape)}")
    if a.device != b.device:
        raise ValueError(f"slerp needs both vectors on one device, got {a.device} and {b.device}")
    if not 0 <= t <= 1:
        raise ValueError(f"t must be in [0, 1], got {t}")

    apart, together = _chords(a, b)  # |u - v| = 2 sin(Omega / 2), |u + v| = 2 cos(Omega / 2)
    if together * together / 2 < ANTIPODAL:  # 1 + cos(Omega)
        raise ValueError(
            f"a and b are opposite (1 + cosine = {together * together / 2:.3g}): "
            "no great circle between them is distinguished"
        )
    if t == 0:
        return a.clone()
    if t == 1:
        return b.clone()
    if apart < together and (apart * together / 2) ** 2 < NEARLY_PARALLEL:  # sin(Omega)^2
        weight_a, weight_b = 1 - t, t
    else:
        omega = 2 * math.atan2(apart, together)
        weight_a = math.sin((1 - t) * omega) / math.sin(omega)
        weight_b = math.sin(t * omega) / math.sin(omega)
    work = torch.promote_types(a.dtype, torch.float32)
    return torch.add(weight_a * a.to(work), b.to(work), alpha=weight_b).to(a.dtype)


def _chords(a: torch.Tensor, b: torch.Tensor) -> tuple[float, float]:
    """Lengths of the difference and of the sum of both directions, in float64: they decide between the branches."""
    if not len(a):
        raise ValueError("a is the zero vector, which has no direction: its angle to another is undefined")
    largest_a, largest_b = a.abs().amax().double(), b.abs().amax().double()
    u, v = a.double() / largest_a, b.double() / largest_b  # scaled so that no square overflows or vanishes
    u, v = u / torch.linalg.vector_norm(u), v / torch.linalg.vector_norm(v)
    scalars = torch.stack([largest_a, largest_b, torch.linalg.vector_norm(u - v), torch.linalg.vector_norm(u + v)])
    top_a, top_b, apart, together = scalars.tolist()
    for name, largest in (("a", top_a), ("b", top_b)):
        if largest == 0:
            raise ValueError(f"{name} is the zero vector, which has no direction: its angle to another is undefined")
        if not math.isfinite(largest):
            raise ValueError(f"{name} holds NaN or infinity: its direction is undefined")
    return apart, together
