"""The cross-entropy of hidden states through an output head, with the gradients of both.

Formula
    z_tv  = sum_k h_tk w_vk
    loss  = 1/n sum over valid t of (log sum_v exp(z_tv) - z_t,y_t)
    dz_tv = (exp(z_tv - lse_t) - [v == y_t]) / n       valid rows; 0 on ignored rows
    dh_tk = sum_v dz_tv w_vk,   dw_vk = sum_t dz_tv h_tk

Here all logits are stored: the reference shows what is computed, the implementation how to do without them.

Source: Hsu et al., "Liger Kernel" (2024), section 3.3.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .cross_entropy import cross_entropy

Array = NDArray[np.float64]


def fused_linear_cross_entropy(h: ArrayLike, w: ArrayLike, y: ArrayLike, ignore: int) -> tuple[Array, Array, Array]:
    """Mean cross-entropy of the logits h w^T over the valid tokens, and its gradients.

    Args:
        h: hidden states [T, H].
        w: output head [V, H], one row for each class.
        y: labels [T], integers in [0, V) or `ignore`.
        ignore: label of the tokens that do not count.

    Returns:
        loss, float64 [] in nats; dh [T, H]; dw [V, H]. All are 0 when every token is ignored.

    Raises:
        ValueError: shapes do not fit together, or a label is outside [0, V) and is not `ignore`.
    """
    h, w = np.asarray(h, dtype=np.float64), np.asarray(w, dtype=np.float64)
    if h.ndim != 2 or w.ndim != 2 or h.shape[1] != w.shape[1]:
        raise ValueError(f"expected h[T, H] and w[V, H], got shapes {list(h.shape)} and {list(w.shape)}")
    loss, dz = cross_entropy(h @ w.T, y, ignore)
    # Rows of ignored tokens are 0 in dz, but 0 times what stands there may still be NaN.
    counted = np.where((np.asarray(y) != ignore)[:, None], h, 0.0)
    return loss, dz @ w, dz.T @ counted
