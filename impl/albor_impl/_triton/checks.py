"""Checking the tensor arguments of a wrapper."""

from __future__ import annotations

import torch

FLOATS = (torch.float32, torch.bfloat16, torch.float16)


def unify(dtypes: tuple[torch.dtype, ...] = FLOATS, /, **arguments: tuple[torch.Tensor, str]) -> dict[str, int]:
    """Match shapes against names: `unify(x=(x, "R N"), w=(w, "N"))` returns `{"R": 4, "N": 17}`.

    Raises TypeError when an argument is no tensor or its dtype is not among `dtypes`; ValueError when a rank or
    a size differs, or the tensors are on several devices.
    """
    sizes: dict[str, int] = {}
    owner: dict[str, str] = {}
    devices = set()
    for name, (tensor, shape) in arguments.items():
        if not isinstance(tensor, torch.Tensor):
            raise TypeError(f"{name}: expected a torch.Tensor, got {type(tensor).__name__}")
        if tensor.dtype not in dtypes:
            raise TypeError(f"{name}: expected one of {', '.join(map(str, dtypes))}, got {tensor.dtype}")
        axes = shape.split()
        if tensor.ndim != len(axes):
            raise ValueError(f"{name}: expected shape [{', '.join(axes)}], got {list(tensor.shape)}")
        for axis, size in zip(axes, tensor.shape, strict=True):
            if sizes.setdefault(axis, size) != size:
                raise ValueError(f"{name}: {axis} is {size}, but {owner[axis]} has {axis} = {sizes[axis]}")
            owner.setdefault(axis, name)
        devices.add(tensor.device)
    if len(devices) > 1:
        raise ValueError(f"{', '.join(arguments)}: on different devices, {', '.join(sorted(map(str, devices)))}")
    return sizes
