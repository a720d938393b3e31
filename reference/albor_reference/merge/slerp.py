"""Spherical linear interpolation of two weight vectors."""

from __future__ import annotations

import numpy as np

NEARLY_PARALLEL = 1e-6
"""Below this sin(Omega)^2 the arc is taken as its chord: sin(Omega) in a denominator would only add noise."""

ANTIPODAL = -1 + 5e-7
"""Below this cos(Omega) the great circle through both vectors is not determined."""


def _direction(v: np.ndarray, name: str) -> np.ndarray:
    largest = np.max(np.abs(v), initial=0.0)
    if largest == 0:
        raise ValueError(f"{name} is the zero vector, which has no direction: its angle to another is undefined")
    if not np.isfinite(largest):
        raise ValueError(f"{name} holds NaN or infinity: its direction is undefined")
    v = v / largest  # so that no square below overflows or vanishes
    return v / np.sqrt(np.sum(v * v))


def slerp(a: np.ndarray, b: np.ndarray, t: float) -> np.ndarray:
    """Interpolate along the great circle from a to b, on vectors that keep their own lengths.

    Formula   cos(Omega) = <a, b> / (|a| |b|)
              c = sin((1 - t) Omega) / sin(Omega) a  +  sin(t Omega) / sin(Omega) b
              c = (1 - t) a + t b                        where cos(Omega) > 0 and sin(Omega)^2 < 1e-6
    Shapes    a, b float[N] (flatten a tensor first: its angle is that of all its elements), t real in [0, 1]
    Returns   f64[N]; t = 0 gives a and t = 1 gives b, exactly
    Errors    ValueError: shapes differ or are not one-dimensional, t outside [0, 1], a zero or non-finite vector,
              cos(Omega) < -1 + 5e-7 (opposite vectors: every great circle fits)
    Source    K. Shoemake, Animating rotation with quaternion curves, SIGGRAPH 1985; the angle after W. Kahan
    """
    a, b = np.array(a, dtype=np.float64), np.array(b, dtype=np.float64)
    if a.ndim != 1 or a.shape != b.shape:
        raise ValueError(f"slerp needs two vectors of one length, got shapes {a.shape} and {b.shape}")
    if not 0 <= t <= 1:
        raise ValueError(f"t must be in [0, 1], got {t}")
    u, v = _direction(a, "a"), _direction(b, "b")
    # |u - v| = 2 sin(Omega / 2), |u + v| = 2 cos(Omega / 2): both stay accurate where the arc cosine loses half its
    # digits, near Omega = 0 and Omega = pi.
    apart, together = np.sqrt(np.sum((u - v) ** 2)), np.sqrt(np.sum((u + v) ** 2))
    omega = 2 * np.arctan2(apart, together)
    if np.cos(omega) < ANTIPODAL:
        raise ValueError(
            f"a and b are opposite (cosine {np.cos(omega):.9f}): no great circle between them is distinguished"
        )
    if t == 0:
        return a
    if t == 1:
        return b
    if apart < together and np.sin(omega) ** 2 < NEARLY_PARALLEL:
        return (1 - t) * a + t * b
    return (np.sin((1 - t) * omega) * a + np.sin(t * omega) * b) / np.sin(omega)
