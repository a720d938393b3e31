"""What may go wrong in a call: the kernel raised, or what it returned is not of the right structure."""

from __future__ import annotations

from ..errors import said


class KernelFault(AssertionError):
    """The kernel raised, or returned something of the wrong structure. `kind` says which."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class InputNotMade(Exception):
    """The kernel was not called: an input cannot be had on this device or in this dtype. That is not its failure."""


class Refused(Exception):
    """The kernel raised where a rejection is expected. `error` is what it raised."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(said(error))
        self.error = error
