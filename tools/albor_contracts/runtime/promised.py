"""Whether what a kernel returned is what its equation promises: kind, shape, dtype and device, before any number."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ..inputs.layouts import NUMPY
from ..lang.types import Type
from .dtypes import IN_TORCH
from .kernel_fault import KernelFault
from .target import Target

# What a single value of each type may be in Python.
SINGLE: dict[str, Any] = {
    "int": (int, np.integer),
    "bool": (bool, np.bool_),
    "real": (float, int, np.floating, np.integer),
}
OPAQUE: dict[str, type] = {"text": str, "bytes": bytes, "nothing": type(None)}


def as_promised(
    target: Target, name: str, type_: Type, got: Any, sizes: Mapping[str, int], form: str, framework: str, device: str
) -> Any:
    """The output as float64 (or integers, truth values), after checking that it is what the equation promises; the
    elements of an array are of the dtype `form`. Raises `KernelFault`."""
    if type_.is_opaque:
        if not isinstance(got, OPAQUE.get(type_.dtype, object)):
            raise KernelFault("wrong type", f"{target.name} returned {type(got).__name__} for {name}, expected {type_}")
        return got
    if not type_.is_array:
        if not isinstance(got, SINGLE[type_.dtype]) or (type_.dtype != "bool" and isinstance(got, bool)):
            raise KernelFault("wrong type", f"{target.name} returned {type(got).__name__} for {name}, expected {type_}")
        return float(got) if type_.dtype == "real" else got if type_.dtype == "bool" else int(got)
    shape = tuple(sizes.get(d, -1) if isinstance(d, str) else d for d in type_.shape or ())
    found = getattr(got, "shape", None)  # before anything is copied: it may be one number, told to be a million rows
    if -1 not in shape and isinstance(found, tuple) and tuple(found) != shape:
        raise KernelFault(
            "wrong shape", f"{target.name} returned {name} of shape {tuple(found)}, expected {shape} ({type_})"
        )
    return _as_array(target, name, type_, got, form, framework, device)


def _as_array(
    target: Target, name: str, type_: Type, got: Any, expected: str, framework: str, device: str
) -> np.ndarray:
    if framework == "torch":
        import torch

        if not isinstance(got, torch.Tensor):
            raise KernelFault(
                "wrong type",
                f"{target.name} returned {type(got).__name__} for {name}, expected a tensor ({type_})",
            )
        if got.device.type != device:
            raise KernelFault("wrong device", f"{target.name} returned {name} on {got.device}, expected {device}")
        found = next((short for short, name in IN_TORCH.items() if got.dtype is getattr(torch, name)), str(got.dtype))
        if found != expected:
            raise KernelFault("wrong dtype", f"{target.name} returned {name} as {found}, expected {expected}")
        held = fetched(lambda: got.detach().cpu(), f"its output {name}", target.name)
        return (held.to(torch.float64) if type_.is_floating else held).numpy()
    if type_.shape == () and isinstance(got, (float, int)) and isinstance(got, bool) == (type_.dtype == "bool"):
        return np.asarray(got, dtype=np.bool_ if type_.dtype == "bool" else np.float64)
    if not isinstance(got, (np.ndarray, np.generic)):
        raise KernelFault(
            "wrong type", f"{target.name} returned {type(got).__name__} for {name}, expected an array ({type_})"
        )
    array = np.asarray(got)
    wanted = np.dtype(NUMPY[expected])
    if array.dtype != wanted and array.dtype.name != wanted.name:  # in another byte order it is accepted
        found = array.dtype.name
        raise KernelFault("wrong dtype", f"{target.name} returned {name} as {found}, expected {wanted.name}")
    return array.astype(np.float64) if type_.is_floating else array


def fetched(fetch: Callable[[], Any], what: str, kernel: str) -> Any:
    """What comes back from the device after a call. An error that comes with it was made by what the kernel left
    running there."""
    try:
        return fetch()
    except RuntimeError as error:
        raise KernelFault(
            "raises", f"{kernel}: after the call {what} cannot be read: {type(error).__name__}: {error}"
        ) from error
