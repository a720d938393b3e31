"""YAML file -> `Contract`, with the position of every text kept and every problem of a file reported at once.

`paths` and `source` need no YAML: who only looks for files starts without it.
"""

from typing import TYPE_CHECKING

from ..lazy import lazily

if TYPE_CHECKING:
    from .files import Loaded, load_contract, load_contracts, looks_older
    from .paths import contract_name, find_root

__all__ = ["Loaded", "contract_name", "find_root", "load_contract", "load_contracts", "looks_older"]

__getattr__ = lazily(
    __name__,
    {"files": "Loaded load_contract load_contracts looks_older", "paths": "contract_name find_root"},
)
