"""From checked contracts to the files under generated/."""

from .module import test_module
from .write import Change, write_generated

__all__ = ["Change", "test_module", "write_generated"]
