"""Whether contracts are valid, and what is wrong with them: what `validate` says.

Each contract is judged by itself, from its file and from those it depends on; what concerns all contracts at once
(ids, circles, definitions that no law is about) is judged on outlines. So what was found about a contract can be kept
(`verdict_cache`) and holds as long as those files do. Kept or found anew, the answer is put together in one place.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .beside import beside, can_work_beside
from .errors import ContractError, Diagnostic
from .evidence.locate import locate
from .load.paths import contract_name, gather, with_dependencies
from .load.source import read_bytes
from .outline import Outline, closure, outline_of
from .verdict_cache import Cache, Verdict, digest, verdict_data, verdict_from

if TYPE_CHECKING:
    from .model import Contract

MANY = 16  # contracts that are checked in two processes


@dataclass(frozen=True)
class Judgement:
    """All contracts that were read, how many obligations and faults those have that are valid, and every problem."""

    root: Path
    contracts: Mapping[str, Outline]
    valid: Mapping[str, tuple[int, int]]
    diagnostics: tuple[Diagnostic, ...]

    @property
    def errors(self) -> tuple[Diagnostic, ...]:
        return tuple(d for d in self.diagnostics if d.severity == "error")


class Judge:
    """Judges contracts; keeps what it has read while it lives."""

    def __init__(self, root: Path, cache: Cache) -> None:
        self.root = root
        self.cache = cache
        self.models: dict[str, Contract] = {}  # by file
        self.files: dict[str, tuple[str, bytes]] = {}  # digest of a file, and its bytes
        self.outlines: dict[str, Outline | ContractError] = {}  # by file

    def judge(self, paths: Iterable[str | os.PathLike[str]]) -> Judgement:
        """Judge the contracts under `paths`. Nothing but these is read."""
        outlines, diagnostics, _ = gather(paths, self.outline)
        verdicts = {name: self.cache.verdict(o.path, self.key(name, outlines)) for name, o in outlines.items()}
        found = {name: v for name, v in verdicts.items() if v is not None and _same_sources(v)}
        stale = [name for name in outlines if name not in found]
        if stale:
            for name, verdict in self.check_all(stale, outlines).items():
                found[name] = verdict
                self.cache.keep_verdict(outlines[name].path, self.key(name, outlines), verdict)
        ordered = [found[name] for name in outlines]
        if outlines:
            diagnostics += self.links(outlines, found)
        for part in ("signatures", "texts", "proofs"):
            diagnostics += [d for verdict in ordered for d in getattr(verdict, part)]
        valid = {name: (v.obligations, v.faults) for name, v in found.items() if v.valid}
        if len(valid) < len(outlines):
            from .links_between import unexplained

            diagnostics += unexplained(outlines, valid, diagnostics)
        return Judgement(self.root, outlines, {n: valid[n] for n in outlines if n in valid}, tuple(diagnostics))

    def judge_with_dependencies(self, paths: Iterable[str | os.PathLike[str]]) -> tuple[Judgement, set[str]]:
        """Judge the files that are named, and the contracts of the project that these depend on; which were named."""
        files = list(paths)
        named = {o.path for o in gather(files, self.outline)[0].values()}

        def missing(files: list[str | os.PathLike[str]]) -> set[str]:
            outlines, _, _ = gather(files, self.outline)
            return {d for o in outlines.values() for d in o.dependencies} - set(outlines)

        return self.judge(with_dependencies(self.root, files, missing)), named

    def outline(self, file: str) -> Outline:
        """The outline of the contract in a file. Raises `ContractError` with every problem of the file."""
        if file not in self.outlines:
            data = read_bytes(file)
            name = contract_name(file)
            self.files[file] = digest(file, name, hashlib.sha256(data).hexdigest()), data
            known = self.cache.outline(file, self.files[file][0])
            if known is None or (isinstance(known, Outline) and (known.path, known.name) != (file, name)):
                try:
                    known = outline_of(self.model(file))
                except ContractError as error:
                    known = error
                self.cache.keep_outline(file, self.files[file][0], known)
            self.outlines[file] = known
        found = self.outlines[file]
        if isinstance(found, ContractError):
            raise found
        return found

    def model(self, file: str) -> Contract:
        from .load.files import load_contract

        if file not in self.models:
            self.models[file] = load_contract(file, self.files[file][1])
        return self.models[file]

    def key(self, name: str, outlines: Mapping[str, Outline]) -> str:
        """Digest of all files that the verdict on a contract rests on."""
        around = sorted(closure([name], outlines))
        parts = [name, *(part for n in around for part in (n, self.files[outlines[n].path][0]))]
        if any(d not in outlines for n in around for d in outlines[n].dependencies):
            parts += ["near misses among", *outlines]  # a message names the contract that was probably meant
        return digest(*parts)

    def check_all(self, stale: list[str], outlines: Mapping[str, Outline]) -> dict[str, Verdict]:
        """The verdicts on some contracts. Of many, a copy of this process checks about half."""
        if len(stale) < MANY or not can_work_beside():
            return self.check(stale, outlines)
        for name in closure(stale, outlines):
            self.model(outlines[name].path)  # read before there are two of us
        first, second = _halves(stale, {name: len(self.files[outlines[name].path][1]) for name in stale})
        other = beside(lambda: _written(self.check(second, outlines)))
        verdicts = self.check(first, outlines)
        found = other()
        return verdicts | (self.check(second, outlines) if found is None else _read(found))

    def check(self, stale: Iterable[str], outlines: Mapping[str, Outline]) -> dict[str, Verdict]:
        """The verdicts on some contracts. Those they depend on are read and checked too, but not judged."""
        from .checked import check_each
        from .emit.harness import problems_of_proofs
        from .links import own_links

        wanted = list(stale)
        around = set(closure(wanted, outlines))
        models = {name: self.model(o.path) for name, o in outlines.items() if name in around}
        checked, signatures, texts = check_each(models)
        verdicts = {}
        for name in wanted:
            contract = checked.get(name)
            proofs, modules = ([], set()) if contract is None else problems_of_proofs(contract, checked)
            sound = contract is not None and not any(d.severity == "error" for d in proofs)
            verdicts[name] = Verdict(
                tuple(own_links(models[name], models, outlines)),
                tuple(signatures[name]),
                tuple(texts[name]),
                tuple(proofs),
                tuple((module, source_digest(module)) for module in sorted(modules)),
                sound,
                0 if contract is None else len(contract.obligations),
                0 if contract is None else len(contract.faults),
            )
        return verdicts

    def links(self, outlines: Mapping[str, Outline], found: Mapping[str, Verdict]) -> list[Diagnostic]:
        from .links_between import links_between

        return links_between(outlines, {name: verdict.links for name, verdict in found.items()})


def _halves(names: list[str], sizes: Mapping[str, int]) -> tuple[list[str], list[str]]:
    """Two parts of about the same size, in order: contracts of a family depend on each other more than on others."""
    whole, so_far = sum(sizes.values()), 0
    for place, name in enumerate(names, 1):
        so_far += sizes[name]
        if 2 * so_far >= whole:
            return names[:place], names[place:]
    return names, []


def _written(verdicts: Mapping[str, Verdict]) -> bytes:
    return json.dumps({name: verdict_data(verdict) for name, verdict in verdicts.items()}).encode("ascii")


def _read(data: bytes) -> dict[str, Verdict]:
    return {name: verdict_from(verdict) for name, verdict in json.loads(data).items()}


def _same_sources(verdict: Verdict) -> bool:
    """Whether the modules that a proof calls still hold what they held."""
    return all(source_digest(module) == known for module, known in verdict.sources)


def source_digest(module: str) -> str:
    """Digest of a module's source, which is found and not imported; empty where there is none."""
    spec = locate(module)
    if spec is None or not spec.origin or not spec.origin.endswith(".py"):
        return ""
    try:
        return hashlib.sha256(Path(spec.origin).read_bytes()).hexdigest()
    except OSError:
        return ""
