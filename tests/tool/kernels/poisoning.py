"""A simulated device that is lost for its process when a kernel meets a row of zeros, as after a device-side assertion:
every later call fails, whatever it is about."""

import numpy as np
from albor_contracts.runtime import device
from hostile import right

WHY = "device-side assert triggered"
state = {"lost": False}
device.unusable = lambda _: WHY if state["lost"] else ""


def _zeros(x):
    return x.size and not x.any(axis=-1).all()


def asserts(x, w, eps):
    """The error comes with the call."""
    if state["lost"] or _zeros(x):
        state["lost"] = True
        raise RuntimeError(f"CUDA error: {WHY}\nCUDA kernel errors might be asynchronously reported")
    return right(x, w, eps)


def asserts_late(x, w, eps):
    """The error comes with the next call, or with none."""
    if state["lost"]:
        raise RuntimeError(f"CUDA error: {WHY}")
    state["lost"] = bool(_zeros(x))
    return right(x, w, eps)


def only_raises(x, w, eps):
    if _zeros(x):
        raise RuntimeError("zeros")
    return np.asarray(right(x, w, eps))
