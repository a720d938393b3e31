"""Writing generated files: only inside the output folder, atomically, and never over a file the tool did not write."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from ..errors import Diagnostic, Position

MARK = "run `albor-contracts generate`, never this file."


@dataclass(frozen=True)
class Change:
    path: Path
    kind: str  # new | changed | current | stale


def write_generated(
    files: dict[Path, str], folder: Path, check: bool = False, prune: bool = True
) -> tuple[list[Change], list[Diagnostic]]:
    """Bring `folder` up to date with `files` (paths relative to it). `check` only compares."""
    changes: list[Change] = []
    problems: list[Diagnostic] = []
    root = folder.resolve()
    for relative, text in sorted(files.items()):
        path = (root / relative).resolve()
        if root not in path.parents:
            problems.append(Diagnostic("E601", f"{relative} would leave the output folder", Position(str(folder))))
            continue
        old = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else None
        if old == text:
            changes.append(Change(path, "current"))
            continue
        if old is not None and MARK not in old:
            problems.append(
                Diagnostic(
                    "E602",
                    f"{path} was not written by this tool",
                    Position(str(path)),
                    hint="move it away, or choose another output folder",
                )
            )
            continue
        changes.append(Change(path, "new" if old is None else "changed"))
        if not check:
            _write(path, text)
    wanted = {(root / r).resolve() for r in files}
    for path in sorted(root.rglob("*.py")) if prune and root.is_dir() else []:
        if (
            path not in wanted
            and (path.name.startswith("test_") or path.name.startswith("prove_"))
            and MARK in path.read_text(encoding="utf-8", errors="replace")
        ):
            changes.append(Change(path, "stale"))
            if not check:
                path.unlink()
    return changes, problems


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".tmp")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise
