"""YAML file -> `Contract`, with the position of every text kept and every problem of a file reported at once."""

from .files import Loaded, contract_name, find_root, load_contract, load_contracts, looks_older

__all__ = ["Loaded", "contract_name", "find_root", "load_contract", "load_contracts", "looks_older"]
