"""Products of a batch of matrices by cuBLAS, with the arithmetic of `gemm`; several may share their right operand.

    c_h = a_h b_(h // Q)          c_h = a_h b_(h // Q)^T          Q = H / G

The Q products that share an operand are one product with Q M rows: one strided-batched call, and b is not repeated.

Source: the definition in contracts/core/batched-gemm-v1.yaml.
"""

from __future__ import annotations

import torch

from ._rows import one_dtype
from .gemm import ieee_products


def _product(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """a[H, M, K] times b[G, K, N] by groups of H / G."""
    groups = len(b)
    if groups == 0 or len(a) % groups:
        raise ValueError(f"the {len(a)} matrices of a cannot share the {groups} of b equally")
    joined = a.reshape(groups, len(a) // groups * a.shape[1], a.shape[2])
    with ieee_products(), torch.autocast(a.device.type, enabled=False):
        if a.device.type == "cpu" and a.dtype != torch.float32:
            # What PyTorch's CPU kernels accumulate in depends on the processor.
            c = torch.bmm(joined.float(), b.float()).to(a.dtype)
        else:
            c = torch.bmm(joined, b)
    return c.view(len(a), a.shape[1], b.shape[2])


def batched_gemm(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """c[H, M, N] with c_h = a_h b_(h // Q) for a[H, M, K], b[G, K, N], G a divisor of H; their dtype.

    Raises ValueError for shapes that do not fit, TypeError for dtypes that differ or are not float32, bfloat16 or
    float16.
    """
    one_dtype(a=(a, "H M K"), b=(b, "G K N"))
    return _product(a, b)


def batched_gemm_nt(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """c[H, M, N] with c_h = a_h b_(h // Q)^T for a[H, M, K], b[G, N, K]; otherwise as `batched_gemm`."""
    one_dtype(a=(a, "H M K"), b=(b, "G N K"))
    return _product(a, b.transpose(1, 2))
