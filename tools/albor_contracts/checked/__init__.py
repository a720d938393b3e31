"""A contract with its mathematics parsed and checked: what every later stage works on.

`check_contracts` takes contracts as read from files and gives either checked ones or every problem it found. It
needs no numerical package, so that `validate` stays quick.
"""

from .contracts import check_contracts, check_each
from .model import Block, CheckedContract, CheckedEquation, CheckedFault, CheckedObligation, Law, Space

__all__ = [
    "Block", "CheckedContract", "CheckedEquation", "CheckedFault", "CheckedObligation", "Law", "Space",
    "check_contracts", "check_each",
]  # fmt: skip
