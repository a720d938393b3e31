"""Wrong code that no bound can tell from right code, and why."""

# Truncation of an output is no larger than the roundings on the way that these definitions permit with `cast`, before
# sums that cancel: no bound can tell them apart.
HIDDEN = {
    "attention/residual-block:residual_stack_backward": {"dx: truncated", "dw: truncated"},
    "inference/expert-dispatch:dispatch": {"y: truncated"},
    "inference/expert-dispatch:mlp": {"y: truncated"},
    "loss/fused-linear-cross-entropy:fused_linear_cross_entropy": {"dh: truncated"},
    "training/llama-step:gradients": {"dwkv: truncated", "dwqo: truncated"},
}


def hidden(kernel: str, dtype: str) -> set[str]:
    """What may survive of a kernel, as "output: perturbation"."""
    return HIDDEN.get(kernel, set()) if dtype in ("bf16", "f16") else set()
