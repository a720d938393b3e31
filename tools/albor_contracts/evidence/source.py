"""The hash of a kernel: the source of the module that defines it, with the project modules that one imports.

Nothing is imported or executed to compute it: modules are located with the import system's finders, and imports are
read from the syntax tree, so that what a module imports in another way (`importlib.import_module`) is not in the hash.
Comments, docstrings and layout do not count. A module is the project's own unless it
belongs to the standard library or lies where packages are installed. Versions of other packages are recorded beside
the hash, not in it, so that evidence from one machine can be judged on another; a kernel that itself lives in
site-packages has nothing else to go by and hashes as name and version.

A kernel in a working copy of a serving library leads to thousands of modules, most of them in functions that it never
calls: the nearest `NEAREST` are read.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.metadata
import inspect
import os
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from typing import Any

from .canonical import canonical_source, digest
from .locate import locate

OWN_PACKAGE = __name__.partition(".")[0]
NEAREST = 200  # modules of a hash. Reading one takes up to 70 ms, and a worker that is silent for 20 s is ended


def kernel_hash(target: str | Sequence[str] | Callable[..., Any]) -> str:
    """Sha256 of the source behind `target`.

    `target` is "module:function" (several joined by blanks, or as a sequence), or a callable.
    Raises `LookupError` when a module cannot be found.
    """
    if callable(target):
        names = [_defining_module(target)]
    else:
        names = [part.partition(":")[0] for part in (target.split() if isinstance(target, str) else target)]
    if not names:
        raise LookupError("no kernel to hash")
    sources: dict[str, str] = {}
    for name in names:
        sources.update(_sources(name))
    return digest(sources)


def project_modules(root: str) -> list[str]:
    """The module and the project modules that it leads to. Raises `LookupError` when it cannot be found."""
    return list(_sources(root))


def _defining_module(target: Callable[..., Any]) -> str:
    inner = inspect.unwrap(target)
    while not isinstance(getattr(inner, "__module__", None), str) or hasattr(inner, "func"):
        inner = getattr(inner, "func", None) or type(inner)  # functools.partial, then objects with __call__
    return str(inner.__module__)


def _sources(root: str) -> dict[str, str]:
    """Module name -> digest of its source, for `root` and the project modules it leads to, nearest first."""
    found: dict[str, str] = {}
    waiting = deque([root])
    seen: set[str] = set()
    while waiting and len(found) < NEAREST:
        name = waiting.popleft()
        if name in seen:
            continue
        seen.add(name)
        file = _file(name)
        if file is None:
            if name != root:
                continue  # a namespace package, or a module of an optional package that is not installed
            raise LookupError(f"module {name!r} cannot be found")
        if not _is_project(name, file):
            if name == root:
                found[name] = _package_version(name)
            continue
        if name.partition(".")[0] == OWN_PACKAGE and root.partition(".")[0] != OWN_PACKAGE:
            continue  # the tool is not part of the kernel
        found[name], imports = _read(Path(file).read_bytes(), file.endswith(tuple(EXTENSION_SUFFIXES)))
        waiting += _modules(imports, name, is_package=Path(file).stem == "__init__")
    return found


def _file(name: str) -> str | None:
    loaded = sys.modules.get(name)
    if name == "__main__":
        return getattr(loaded, "__file__", None)
    spec = locate(name)
    if spec is not None and spec.origin in ("built-in", "frozen"):
        return spec.origin
    return spec.origin if spec is not None and spec.origin and os.path.isfile(spec.origin) else None


def _is_project(name: str, file: str) -> bool:
    if name.partition(".")[0] in sys.stdlib_module_names and name != "__main__":
        return False
    top = Path(file).parents[name.count(".") + (Path(file).stem == "__init__")]
    return not {"site-packages", "dist-packages"} & set(Path(file).parts) and not _is_installed_to(top)


@lru_cache(maxsize=256)
def _is_installed_to(folder: Path) -> bool:
    """Packages were installed here, as by `pip install --target`."""
    return next(folder.glob("*.dist-info"), None) is not None


@lru_cache(maxsize=256)
def _package_version(name: str) -> str:
    top = name.partition(".")[0]
    if top in sys.stdlib_module_names:
        return f"python=={sys.version_info.major}.{sys.version_info.minor}"
    try:
        return f"{top}=={importlib.metadata.version(top)}"
    except importlib.metadata.PackageNotFoundError:
        distributions = importlib.metadata.packages_distributions().get(top, [])
        return " ".join(sorted(f"{d}=={importlib.metadata.version(d)}" for d in set(distributions))) or top


_HOLD_STATEMENTS = (ast.stmt, ast.excepthandler, ast.match_case)
Import = tuple[int, str, tuple[str, ...]]  # level, module, names; (0, module, ()) for a plain import


@lru_cache(maxsize=1024)  # by content: the times of files are too coarse to tell two edits apart
def _read(data: bytes, compiled: bool) -> tuple[str, tuple[Import, ...]]:
    if compiled:
        return hashlib.sha256(data).hexdigest(), ()
    text = data.decode("utf-8", errors="surrogateescape")
    code = canonical_source(text).encode("utf-8", errors="surrogateescape")
    try:
        tree = ast.parse(data)
    except (SyntaxError, ValueError, RecursionError):
        return hashlib.sha256(code).hexdigest(), ()
    return hashlib.sha256(code).hexdigest(), tuple(_imports(tree))


def _imports(tree: ast.AST) -> Iterator[Import]:
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        waiting += [part for part in ast.iter_child_nodes(node) if isinstance(part, _HOLD_STATEMENTS)]
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield 0, alias.name, ()
        elif isinstance(node, ast.ImportFrom):
            yield node.level, node.module or "", tuple(alias.name for alias in node.names)


def _modules(imports: Sequence[Import], name: str, is_package: bool) -> Iterator[str]:
    """Full names of the modules behind import statements that stand in module `name`.

    `from package import part` means the module package.part where there is one. The package's own __init__ is left
    out then: it gathers all kernels, and a change of one would make the evidence of every other stale.
    """
    package = name if is_package else name.rpartition(".")[0]
    for level, module, names in imports:
        base = module
        if level:
            parts = package.split(".")
            if level - 1 >= len(parts):
                continue
            base = ".".join(parts[: len(parts) - level + 1] + ([module] if module else []))
        for part in names:
            submodule = f"{base}.{part}"
            yield submodule if part != "*" and _file(submodule) is not None else base
        if not names:
            yield base
