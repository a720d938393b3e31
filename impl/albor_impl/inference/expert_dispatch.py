"""Feed-forward layer of a mixture of experts with cuBLAS: tokens sorted by expert, one set of matrices at a time.

Each expert multiplies the tokens that chose it, all at once. Its results go back to the slot (token, k) they belong to,
and the slots of a token are added in their order: the sum does not depend on the order of experts, and repeats bitwise.
Matrices are multiplied in the storage type with float32 accumulation; sums over experts are float32.

x and all matrices have one dtype. `mlp` leaves what does not fit to PyTorch.
Sources: Shazeer, "GLU Variants Improve Transformer" (2020); Qwen team, Qwen1.5-MoE (2024), for the shared expert and
its gate.
"""

from __future__ import annotations

import torch
from torch.nn.functional import silu


def _expert(x: torch.Tensor, gate: torch.Tensor, up: torch.Tensor, down: torch.Tensor) -> torch.Tensor:
    a, b = x @ gate.t(), x @ up.t()
    return (silu(a) * b) @ down.t()


def mlp(x: torch.Tensor, gate: torch.Tensor, up: torch.Tensor, down: torch.Tensor) -> torch.Tensor:
    """One expert: down (silu(gate x) * (up x)) for x[T, H], gate and up [I, H], down [H, I] -> [T, H]."""
    return _expert(x, gate, up, down)


def _check(x: torch.Tensor, gate: torch.Tensor, weights: torch.Tensor, experts: torch.Tensor) -> None:
    if experts.dtype != torch.int64:
        raise TypeError(f"experts: expected torch.int64, got {experts.dtype}")
    if weights.shape != experts.shape or len(experts) != len(x):
        raise ValueError(f"weights {list(weights.shape)} and experts {list(experts.shape)} must be [T, K], T {len(x)}")
    if experts.numel() and not (int(experts.min()) >= 0 and int(experts.max()) < len(gate)):
        raise ValueError(
            f"experts must lie in [0, {len(gate)}), got {int(experts.min())} to {int(experts.max())}: "
            "an expert that does not exist"
        )


def _routed(
    x: torch.Tensor,
    gate: torch.Tensor,
    up: torch.Tensor,
    down: torch.Tensor,
    weights: torch.Tensor,
    experts: torch.Tensor,
) -> torch.Tensor:
    """f32[T, H]: the weighted sum over each token's slots."""
    tokens, k = experts.shape
    flat = experts.flatten()
    order = flat.argsort(stable=True)
    outputs = torch.empty((tokens * k, x.shape[1]), dtype=torch.float32, device=x.device)
    first = 0
    for e, count in enumerate(torch.bincount(flat, minlength=len(gate)).tolist()):
        if count:
            slots = order[first : first + count]
            outputs[slots] = _expert(x[slots // k], gate[e], up[e], down[e]).float()
            first += count
    return (outputs.view(tokens, k, x.shape[1]) * weights.float()[:, :, None]).sum(1)


def dispatch(
    x: torch.Tensor,
    gate: torch.Tensor,
    up: torch.Tensor,
    down: torch.Tensor,
    weights: torch.Tensor,
    experts: torch.Tensor,
    shared_gate: torch.Tensor,
    shared_up: torch.Tensor,
    shared_down: torch.Tensor,
    shared_weight: torch.Tensor,
) -> torch.Tensor:
    """y[T, H] in the dtype of x[T, H]: routed experts and the shared one times the sigmoid of its gate.

    Shapes    gate, up [E, I, H]; down [E, H, I]; weights f32[T, K]; experts i64[T, K]; shared_gate, shared_up [J, H];
              shared_down [H, J]; shared_weight [H]
    Errors    ValueError for an expert outside [0, E) or shapes that differ, TypeError when experts are not int64
    """
    _check(x, gate, weights, experts)
    routed = _routed(x, gate, up, down, weights, experts)
    shared = _expert(x, shared_gate, shared_up, shared_down).float()
    opened = torch.sigmoid((x @ shared_weight).float())[:, None]
    return (routed + opened * shared).to(x.dtype)


def unfuse(fused: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Gate and up [E, I, H] of fused[E, 2 I, H], as views: the first and the second half of each expert's rows.

    Errors: ValueError for an odd number of rows.
    """
    if fused.shape[1] % 2:
        raise ValueError(f"fused must have an even number of rows an expert, got {fused.shape[1]}")
    half = fused.shape[1] // 2
    return fused[:, :half], fused[:, half:]
