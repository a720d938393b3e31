"""DARE merging (drop and rescale), in PyTorch."""

from __future__ import annotations

import torch

FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


def dare(base: torch.Tensor, tuned: torch.Tensor, p: float, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Drop each element of the task vector with probability p and rescale what is left, so that the mean stays.

    Formula   mask[i] ~ Bernoulli(1 - p), independent;  merged = base + (tuned - base) / (1 - p) where mask, else base
    Shapes    base, tuned float[N] of one dtype and device; p real in [0, 1), the share DROPPED; seed int in [0, 2^32)
    Returns   merged float[N] of that dtype (computed in float32, or float64 for float64), mask bool[N] (True = kept)
    Seed      kept are the places where float64 uniforms in [0, 1), drawn by torch.rand with this seed, are >= p. The
              same seed gives the same mask on the same kind of device; CPU and CUDA generators differ. Longer seeds
              are refused: the CPU generator reads 32 bits, so seeds that agree in those would share their masks.
              Tensors of one model need seeds of their own, else their masks agree.
    Errors    TypeError: dtypes; ValueError: shapes or devices differ, not one-dimensional, p outside [0, 1), seed
    Source    Yu et al., Language Models are Super Mario: Absorbing Abilities from Homologous Models, 2023
    """
    _check(base, tuned, p)
    if not 0 <= seed < 2**32:
        raise ValueError(f"seed must be in [0, 2^32), got {seed}")

    generator = torch.Generator(device=base.device).manual_seed(seed)
    # float64 uniforms: in float32 a p close to 1 would round to 1 and drop everything.
    uniform = torch.rand(len(base), generator=generator, dtype=torch.float64, device=base.device)
    mask = uniform >= p
    return dare_rescale(base, tuned, mask, p), mask


def dare_rescale(base: torch.Tensor, tuned: torch.Tensor, mask: torch.Tensor, p: float) -> torch.Tensor:
    """What `dare` makes of a mask that is known: the part of it that is not random.

    Formula   merged = base + (tuned - base) / (1 - p) where mask, else base (whose bits are kept)
    Shapes    base, tuned float[N] of one dtype, mask bool[N] (True = kept), one device; p real in [0, 1)
    Returns   float[N] of that dtype, computed in float32, or float64 for float64
    Errors    TypeError: dtypes; ValueError: shapes or devices differ, not one-dimensional, p outside [0, 1)
    Source    as `dare`
    """
    _check(base, tuned, p)
    if mask.dtype != torch.bool:
        raise TypeError(f"the mask must be of truth values, got {mask.dtype}")
    if mask.shape != base.shape or mask.device != base.device:
        raise ValueError(
            f"the mask needs shape and device of the vectors, {tuple(base.shape)} on {base.device}, "
            f"got {tuple(mask.shape)} on {mask.device}"
        )
    work = torch.promote_types(base.dtype, torch.float32)
    origin = base.to(work)
    rescaled = origin + (tuned.to(work) - origin) / (1 - p)
    return torch.where(mask, rescaled.to(base.dtype), base)


def _check(base: torch.Tensor, tuned: torch.Tensor, p: float) -> None:
    if base.dtype != tuned.dtype or base.dtype not in FLOATS:
        raise TypeError(f"dare needs two floating-point tensors of one dtype, got {base.dtype} and {tuned.dtype}")
    if base.ndim != 1 or base.shape != tuned.shape:
        raise ValueError(
            f"dare needs two vectors of one length, got shapes {tuple(base.shape)} and {tuple(tuned.shape)}"
        )
    if base.device != tuned.device:
        raise ValueError(f"dare needs both vectors on one device, got {base.device} and {tuned.device}")
    if not 0 <= p < 1:
        raise ValueError(f"p must be in [0, 1), got {p}")
