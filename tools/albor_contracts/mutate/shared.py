"""Modules that the kernels of several contracts share, and no contract names: whose mutants are they?

Everybody's: the obligations of one contract that kill a mutant are enough. A private package (`_triton`) is what
kernels stand on, like NumPy, and no part of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..evidence.locate import locate
from ..evidence.source import project_modules


def shared_modules(named: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """Module -> contracts, for what the modules of each contract import and none of them is.

    `named`: contract -> the modules that the callables of its binding stand in.
    """
    own = {module for modules in named.values() for module in modules}
    found: dict[str, list[str]] = {}
    for contract, modules in named.items():
        behind = {m: None for module in modules for m in project_modules(module) if m not in own}
        for module in behind:
            if not any(part.startswith("_") for part in _packages(module)):
                found.setdefault(module, []).append(contract)
    return dict(sorted(found.items()))


def _packages(module: str) -> list[str]:
    """The packages that a module lies in, itself included if it is one."""
    spec = locate(module)
    parts = module.split(".")
    return parts if spec is not None and spec.submodule_search_locations is not None else parts[:-1]
