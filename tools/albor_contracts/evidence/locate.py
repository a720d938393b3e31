"""Where a module lies, without importing it."""

from __future__ import annotations

import os
import sys
from importlib.machinery import ModuleSpec
from typing import Any


def locate(name: str) -> ModuleSpec | None:
    """The spec of module `name`, without importing it or the packages around it. None when there is no such module."""
    spec, path = None, None
    parts = name.split(".")
    for k in range(1, len(parts) + 1):
        spec = _find(".".join(parts[:k]), path)
        if spec is None:
            return None
        path = spec.submodule_search_locations
        if path is None and k < len(parts):
            return None
    return spec


def _find(name: str, path: Any) -> ModuleSpec | None:
    for finder in sys.meta_path:
        try:
            spec = finder.find_spec(name, path)
        except KeyError:
            # A folder without __init__ inside a package that is not imported: the finder asks for its parent.
            folders = [os.path.join(folder, name.rpartition(".")[2]) for folder in path or ()]
            spec = ModuleSpec(name, None, is_package=True)
            spec.submodule_search_locations = [folder for folder in folders if os.path.isdir(folder)]
        except (ImportError, AttributeError, ValueError):
            continue
        if spec is not None:
            return spec
    return None
