"""Python's garbage collector, kept from what is read to stay."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator


@contextlib.contextmanager
def without_collection() -> Iterator[None]:
    """Without the garbage collector: what is read and checked here stays, and it would walk that again and again.

    In the end all of it counts as old, as if it had been walked, so that the next collection of young objects does not
    begin with everything that was read.
    """
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        if not gc.get_freeze_count():
            gc.freeze()  # all objects into the permanent generation, without a walk;
            gc.unfreeze()  # from there into the oldest
        gc.enable()
