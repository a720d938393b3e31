"""`albor-contracts validate [PATH...]`"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..collection import without_collection
from ..errors import ContractError, Diagnostic
from ..load.paths import contract_name, find_root
from ..load.source import read_bytes
from ..verdict_cache import Cache, FileCache, digest
from ..verdicts import Judge, Judgement

if TYPE_CHECKING:
    from ..older_format import OlderContract


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "paths", nargs="*", type=Path, metavar="PATH",
        help="files or folders (default: contracts/ of the project, and its bindings)",
    )  # fmt: skip
    parser.add_argument("--format", choices=("text", "json", "sarif", "github"), default="text")
    parser.add_argument(
        "--lenient", action="store_true",
        help="read files in the older prose format: they are listed as prose (level 0, never valid; exit status 1)",
    )  # fmt: skip
    parser.add_argument(
        "--no-cache", action="store_true",
        help="judge every file anew, and keep nothing in .albor/cache/; in CI this is the default",
    )  # fmt: skip


def run(options: argparse.Namespace) -> int:
    with without_collection():
        return _run(options)


def _run(options: argparse.Namespace) -> int:
    cache, judgement, named = _judge(options.paths, options.no_cache)
    older: tuple[OlderContract, ...] = ()
    if options.lenient:
        from ._project import older_among

        older = older_among(judgement.errors)
        judgement = _without(judgement, {o.path for o in older})
    diagnostics = [*judgement.diagnostics, *(note for o in older for note in o.notes)]
    if not options.paths:
        diagnostics += _bindings(judgement, cache)
    cache.save()
    errors = [d for d in diagnostics if d.severity == "error"]
    wrong = {d.position.file for d in errors}
    contracts = {name: c for name, c in judgement.contracts.items() if named is None or c.path in named}
    valid = [name for name, c in contracts.items() if name in judgement.valid and c.path not in wrong]
    unread = {f for f in wrong if f.endswith(".yaml") and "bindings" not in Path(f).parts[-2:-1]}
    total = len(contracts) + len(unread - {c.path for c in judgement.contracts.values()}) + len(older)
    if options.format == "json":
        from ..report.diagnostics import as_data

        data = {
            "contracts": total,
            "valid": valid,
            "prose": [{"file": o.path, "level": o.level, "obligations": len(o.obligations)} for o in older],
            "diagnostics": [as_data(d) for d in diagnostics],
        }
        print(json.dumps(data, indent=2))
    elif diagnostics or options.format != "text":
        from ..report.diagnostics import render, wants_colour

        print(render(diagnostics, options.format, colour=wants_colour(sys.stdout)), end="")
    if options.format == "text":
        obligations = sum(judgement.valid[name][0] for name in valid)
        faults = sum(judgement.valid[name][1] for name in valid)
        prose = f"; {len(older)} prose, level 0, not counted" if older else ""
        print(f"{len(valid)} of {total} contracts are valid: {obligations} obligations, {faults} faults{prose}")
    if errors or not total:
        return 2
    return 1 if older or len(valid) < total else 0


def _judge(paths: list[Path], anew: bool) -> tuple[Cache, Judgement, set[str] | None]:
    """The contracts of the project; or the named files, judged with those they depend on, and which were named."""
    if not paths:
        root = find_root()
        cache = _cache(root, anew)
        return cache, Judge(root, cache).judge([root / "contracts"]), None
    try:
        root = find_root(paths[0])
    except ContractError:
        root = Path.cwd()  # named files need no project
    inside = all(root in Path(os.path.abspath(p)).parents for p in paths)
    cache = _cache(root, anew or not inside)
    judgement, named = Judge(root, cache).judge_with_dependencies(paths)
    return cache, judgement, named


def _cache(root: Path, anew: bool) -> Cache:
    """What was found before, where it lies with the other scratch files of a project.

    Not in CI: a cache that came with the files is the word of whoever wrote them.
    """
    in_ci = os.environ.get("CI", "").lower() in ("1", "true", "yes")
    known = not anew and not in_ci and (root / "contracts").is_dir()
    return FileCache(root / ".albor" / "cache" / "validate.json") if known else Cache()


def _without(judgement: Judgement, paths: set[str]) -> Judgement:
    """Older files are prose: they are listed apart."""
    contracts = {name: c for name, c in judgement.contracts.items() if c.path not in paths}
    valid = {name: counts for name, counts in judgement.valid.items() if name in contracts}
    left = tuple(d for d in judgement.diagnostics if d.position.file not in paths)
    return replace(judgement, contracts=contracts, valid=valid, diagnostics=left)


def _bindings(judgement: Judgement, cache: Cache) -> Iterable[Diagnostic]:
    """What is wrong with the binding files of the project."""
    unreadable = {contract_name(d.position.file) for d in judgement.errors} - {""}
    linked = digest(
        *sorted(unreadable),
        *(
            digest(c.name, *c.equations, *map(" ".join, c.outputs), "", *c.laws, "", *c.tests)
            for c in judgement.contracts.values()
        ),
    )
    for path in sorted((judgement.root / "bindings").glob("*.yaml")):
        file = os.fspath(path)
        try:
            data = read_bytes(file)
        except ContractError as error:
            yield from error.diagnostics
            continue
        key = digest(file, hashlib.sha256(data).hexdigest(), linked)
        found = cache.problems(file, key)
        if found is None:
            found = _problems(file, data, judgement, unreadable)
            cache.keep_problems(file, key, found)
        yield from found


def _problems(file: str, data: bytes, judgement: Judgement, unreadable: set[str]) -> tuple[Diagnostic, ...]:
    from ..binding_file import check_binding_links, load_binding

    try:
        return tuple(check_binding_links(load_binding(file, data), judgement.contracts, unreadable))
    except ContractError as error:
        return error.diagnostics
