"""Products of a batch of matrices, several of which may share their right operand. Arrays in, float64 out.

Product h of H uses right operand h // Q of G, Q = H / G: consecutive products share one, as the query heads of grouped
attention share a key head. G = H is the plain batch, G = 1 one operand for all.

Errors: ValueError for operands that are no batches, inner sizes that differ, or an H that is no multiple of G.
Source: the definition in contracts/core/batched-gemm-v1.yaml.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def _pair(a: ArrayLike, b: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64], int]:
    a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if a.ndim != 3 or b.ndim != 3:
        raise ValueError(f"expected batches of matrices a[H, M, K] and b[G, ...], got shapes {a.shape} and {b.shape}")
    if len(b) == 0 or len(a) % len(b):
        raise ValueError(f"the {len(a)} matrices of a cannot share the {len(b)} of b equally")
    return a, b, len(a) // len(b)


def batched_gemm(a: ArrayLike, b: ArrayLike) -> NDArray[np.float64]:
    """c[H, M, N] with c_h = a_h b_(h // Q) for a[H, M, K], b[G, K, N]. Raises ValueError where shapes do not fit."""
    a, b, share = _pair(a, b)
    if a.shape[2] != b.shape[1]:
        raise ValueError(f"expected a[H, M, K] and b[G, K, N], got shapes {a.shape} and {b.shape}")
    return np.stack([a[h] @ b[h // share] for h in range(len(a))])


def batched_gemm_nt(a: ArrayLike, b: ArrayLike) -> NDArray[np.float64]:
    """c[H, M, N] with c_h = a_h b_(h // Q)^T for a[H, M, K], b[G, N, K]."""
    a, b, share = _pair(a, b)
    if a.shape[2] != b.shape[2]:
        raise ValueError(f"expected a[H, M, K] and b[G, N, K], got shapes {a.shape} and {b.shape}")
    return np.stack([a[h] @ b[h // share].T for h in range(len(a))])
