"""Part of a computation in a copy of this process, while this one does the rest."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable


def can_work_beside() -> bool:
    """Whether there is a second core for it, and nothing in this process that a copy would lack: other threads."""
    try:
        return len(os.sched_getaffinity(0)) > 1 and len(os.listdir("/proc/self/task")) == 1
    except (AttributeError, OSError):  # not Linux: a copy is dear there, or not safe
        return False


def beside(work: Callable[[], bytes]) -> Callable[[], bytes | None]:
    """Begins `work` in a copy of this process. What is returned waits for its bytes; None: there are none, because
    there is no copy or it failed, and the work has to be done here."""
    try:
        reading, writing = os.pipe()
    except OSError:
        return lambda: None
    try:
        process = os.fork()
    except OSError:
        os.close(reading)
        os.close(writing)
        return lambda: None
    if not process:
        os.close(reading)  # so that writing fails, and the copy ends, where nobody reads any more
        _work(work, writing)
    os.close(writing)

    def result() -> bytes | None:
        with open(reading, "rb") as pipe:
            data = pipe.read()
        _, status = os.waitpid(process, 0)
        return data if not status else None

    return result


def _work(work: Callable[[], bytes], writing: int) -> None:
    """The life of the copy. Nothing else of this process happens twice: no handlers, no buffers of its output."""
    failed = 1
    with contextlib.suppress(BaseException):
        with open(writing, "wb") as pipe:
            pipe.write(work())
        failed = 0
    os._exit(failed)
