"""New buffers filled with poison while a kernel runs, so that an element nobody wrote shows.

A kernel that forgets part of its output, or reads workspace it never wrote, otherwise passes whenever the allocator
hands it zeros or an old correct result. Calls alternate between NaN and a large number: one of the two is noticed
even by a kernel that clamps or masks the other.
"""

from __future__ import annotations

import contextlib
import functools
import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

LARGE = 6e4  # finite in every dtype
_VALUES = (float("nan"), LARGE)


@contextlib.contextmanager
def poisoned(framework: str, number: int) -> Iterator[None]:
    """While active, `empty` and its relatives of the framework return poison instead of whatever memory held."""
    value = _VALUES[number % 2]
    places = _places(framework)
    saved = [vars(owner).get(name) for owner, name in places]  # None where it is inherited
    own = sys.modules.get("albor_impl._triton.buffers") if framework == "torch" else None
    layer = own.poisoned(value) if own is not None else contextlib.nullcontext()
    try:
        for owner, name in places:
            setattr(owner, name, _filling(getattr(owner, name), value))
        with layer:
            yield
    finally:
        for (owner, name), original in zip(places, saved, strict=True):
            if original is None:
                delattr(owner, name)
            else:
                setattr(owner, name, original)


def _places(framework: str) -> list[tuple[Any, str]]:
    """Whence a kernel gets memory that nobody has written."""
    if framework == "torch":
        import torch

        functions = ("empty", "empty_like", "empty_strided", "empty_permuted")
        return [(torch, n) for n in functions] + [(torch.Tensor, n) for n in ("new_empty", "new_empty_strided")]
    return [(np, "empty"), (np, "empty_like")]


def _filling(original: Callable[..., Any], value: float) -> Callable[..., Any]:
    @functools.wraps(original)
    def make(*args: Any, **kwargs: Any) -> Any:
        buffer = original(*args, **kwargs)
        if isinstance(buffer, np.ndarray):
            if buffer.dtype.kind == "f":
                buffer.fill(value)
            elif buffer.dtype.kind in "iu":
                buffer.fill(np.iinfo(buffer.dtype).max)
        elif buffer.is_floating_point():
            buffer.fill_(value)
        elif buffer.dtype.is_signed and not buffer.is_complex():
            import torch

            buffer.fill_(torch.iinfo(buffer.dtype).max)
        return buffer

    return make
