"""From checked contracts to the files under generated/."""

from typing import TYPE_CHECKING

from ..lazy import lazily

if TYPE_CHECKING:
    from .module import test_module
    from .write import Change, write_generated

__all__ = ["Change", "test_module", "write_generated"]

__getattr__ = lazily(
    __name__,
    {
        "module": "test_module",
        "write": "Change write_generated",
    },
)
