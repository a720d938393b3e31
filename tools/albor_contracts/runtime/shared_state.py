"""What all code of a process shares, and a call must leave as it found it: global generators and settings.

A kernel that seeds the global generator makes everything random after it repeat, and one that draws from it gets other
numbers wherever something else draws first. Settings that stay changed make the next kernel another one.
"""

from __future__ import annotations

import contextlib
import pickle
import random
import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

OWN = "make a generator of its own"
RESTORE = "set it back, or pass it on as an argument"

Place = tuple[str, str, Callable[[], Any], Callable[[Any], Any]]  # what it is, what to do instead, read, set back


def _numpy_generator() -> bytes:
    return pickle.dumps(np.random.get_state(legacy=False))


def _set_numpy_generator(state: bytes) -> None:
    np.random.set_state(pickle.loads(state))


_PYTHON: list[Place] = [
    ("numpy's global generator (numpy.random)", f"{OWN}: numpy.random.default_rng",
     _numpy_generator, _set_numpy_generator),
    ("Python's global generator (random)", f"{OWN}: random.Random", random.getstate, random.setstate),
]  # fmt: skip


def _torch() -> list[Place]:
    torch = sys.modules.get("torch")
    if torch is None:
        return []

    def precision() -> str:
        try:
            return str(torch.get_float32_matmul_precision())
        except RuntimeError:  # it was set by its newer name
            return f"fp32_precision = {torch.backends.cuda.matmul.fp32_precision}"

    def set_precision(words: str) -> None:
        newer = words.removeprefix("fp32_precision = ")
        if newer == words:
            torch.set_float32_matmul_precision(words)
        else:
            torch.backends.cuda.matmul.fp32_precision = newer

    return [
        ("PyTorch's global generator (torch.manual_seed)", f"{OWN}: torch.Generator",
         lambda: torch.get_rng_state().numpy().tobytes(),
         lambda state: torch.set_rng_state(torch.frombuffer(bytearray(state), dtype=torch.uint8))),
        ("torch.get_default_dtype()", RESTORE, torch.get_default_dtype, torch.set_default_dtype),
        ("torch.get_float32_matmul_precision()", RESTORE, precision, set_precision),
        ("torch.is_grad_enabled()", RESTORE, torch.is_grad_enabled, torch.set_grad_enabled),
        ("torch.are_deterministic_algorithms_enabled()", RESTORE, torch.are_deterministic_algorithms_enabled,
         torch.use_deterministic_algorithms),
    ]  # fmt: skip


@contextlib.contextmanager
def left_alone(changed: Callable[[str, str], Exception]) -> Iterator[None]:
    """Raises `changed(what, advice)` where the block ends with another state than it began with; sets it back."""
    places = [*_PYTHON, *_torch()]
    before = [read() for _, _, read, _ in places]
    yield
    for (what, advice, read, restore), found in zip(places, before, strict=True):
        if read() != found:
            restore(found)
            raise changed(what, advice)
