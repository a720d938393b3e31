"""Whether the device under test still works.

A failed device-side assertion, an access outside memory or a trap leaves the CUDA context of the process unusable:
every later call of it fails with the same error, whatever it is about. The obligation that was being tested ends there,
with the input it was given, and its process ends as well; the tests that are left get a new one.
"""

from __future__ import annotations

LAUNCH_BLOCKING = "CUDA_LAUNCH_BLOCKING=1 before the replay command names the operation"


class DeviceLost(BaseException):
    """The device cannot be used any more; `why` says what it answers.

    No Exception, so that nobody takes it for a failing case: Hypothesis would try to shrink its input, and every
    further input would fail too.
    """

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why

    def words(self, called: str) -> str:
        """What is told of the obligation that was being tested, with the equation called last."""
        return (
            f"{called or 'the kernel'} left the GPU unusable: {self.why}. The input is the first that did, not shrunk: "
            f"nothing else can be tried in this process. {LAUNCH_BLOCKING}"
        )


def unusable(device: str) -> str:
    """What the device answers where nothing runs on it any more; empty while it works.

    It waits for what was launched, so that an error is noticed in the case that made it.
    """
    if device != "cuda":
        return ""
    import torch

    try:
        torch.cuda.synchronize()
        torch.zeros(1, device=device).add_(1).item()
    except torch.cuda.OutOfMemoryError:
        return ""  # full, not broken
    except RuntimeError as error:
        return _first_line(error)
    return ""


def check_device(device: str) -> None:
    """Raise `DeviceLost` where nothing runs on the device any more."""
    why = unusable(device)
    if why:
        raise DeviceLost(why)


def _first_line(error: Exception) -> str:
    """`CUDA error: device-side assert triggered` of a message of many lines."""
    return str(error).strip().partition("\n")[0].removeprefix("CUDA error: ") or type(error).__name__
