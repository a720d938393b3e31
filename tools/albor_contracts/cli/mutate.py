"""`albor-contracts mutate [CONTRACT...]`"""

from __future__ import annotations

import argparse
import importlib.util
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ._numbers import add_workers, at_least_one, seed_number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..errors import Text
    from ..library import Library
    from ..mutate.edits import Mutant
    from ..mutate.run import Verdict

DTYPES = ("f32", "bf16")  # bf16 shows where a kernel leaves float32
LISTED = "impl"  # the binding whose sources mutants/ speaks of; of any other nothing is known
EVERY = 15.0  # seconds between lines of progress


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("contracts", nargs="*", metavar="CONTRACT", help="contract or family (default: all)")
    parser.add_argument("--binding", default="impl", metavar="B", help="binding file whose kernels are changed")
    parser.add_argument(
        "--limit",
        type=at_least_one,
        default=None,
        metavar="N",
        help="try at most N mutants of each contract, drawn by seed",
    )
    parser.add_argument(
        "--seed", type=seed_number, default=0, help="decides which mutants are drawn, and the cases (default: 0)"
    )
    parser.add_argument(
        "--cases", type=at_least_one, default=25, metavar="N", help="most cases of an obligation (default: 25)"
    )  # fmt: skip
    parser.add_argument(
        "--function", default=None, metavar="NAME", help="only mutants of this function or Class.method"
    )
    parser.add_argument(
        "--module",
        default=None,
        metavar="NAME",
        help="mutants of this module, which the kernels of several contracts share: one of these has to kill each",
    )
    parser.add_argument(
        "--tests",
        nargs="+",
        default=[],
        metavar="FILE",
        help="tests of pytest that have to kill what no obligation reaches or notices (default: what the list names)",
    )
    add_workers(parser)
    parser.add_argument("--list", action="store_true", help="print the mutants and try none")
    parser.add_argument("--format", choices=("text", "json"), default="text")


def run(options: argparse.Namespace) -> int:
    from ..library import open_selected
    from ._project import find_kernels, keep_scratch, print_json

    library = open_selected(options.contracts)
    keep_scratch(library.root)
    find_kernels(library.root)
    found, bad = [], False
    for subject in _subjects(library, options):
        mutants = [(k, m) for k, m in subject.mutants if options.function in (None, m.function)]
        if not mutants:
            print(f"{subject.name}: the binding {options.binding} has no function to change", file=sys.stderr)
            continue
        if options.list:
            files = {module: _file(module) for module, _ in mutants}
            known, _ = subject.known(library.root, options.binding)
            listed = [{**_shown(files[module], m), "reason": str(known.get(m, ""))} for module, m in mutants]
            found.append({"contract": subject.name, "binding": options.binding, "mutants": listed})
            if options.format == "text":
                for module, m in mutants:
                    print(_diff(files[module], m, f"{m.operator}, listed as equivalent" if m in known else m.operator))
            continue
        tally = _Tally(subject, options, library)
        bad |= not tally.collect(mutants)
        found.append(tally.data())
        if options.format == "text":
            print(tally.text(), flush=True)
    if options.format == "json":
        print_json({"contracts": found} if options.list else {"holds": not bad, "contracts": found})
    if not found:
        print("there is nothing to change", file=sys.stderr)
        return 2
    return 1 if bad else 0


@dataclass(frozen=True)
class _Subject:
    """What is changed: the kernels of one contract, or a module that those of several contracts share."""

    name: str  # of the contract, or of the module
    listed: str  # mutants/<this>.yaml knows some of its mutants
    contracts: tuple[str, ...]  # one of these has to kill a mutant
    mutants: tuple[tuple[str, Mutant], ...]  # module and edit

    def known(self, root: Path, binding: str) -> tuple[dict[Mutant, Text], tuple[str, ...]]:
        """What its list says: which of the mutants no obligation can see, with the reasons, and the files of tests.

        Raises `ContractError` for entries that match nothing any more.
        """
        from ..errors import problem
        from ..mutate import equivalents, known_mutants

        known = known_mutants(root, self.listed) if binding == LISTED else None
        if known is None:
            return {}, ()
        for name in known.tests:
            if not (root / name).is_file():
                raise problem(
                    "E506", f"there are no tests {str(name)!r}", name, "a file, seen from the project's folder"
                )
        return equivalents(known, [m for _, m in self.mutants]), tuple(str(root / name) for name in known.tests)


def _subjects(library: Library, options: argparse.Namespace) -> list[_Subject]:
    """The kernels of each contract that is named; the module that is named; or everything."""
    from ..errors import Position, problem
    from ..mutate import shared_modules
    from ..suggest import did_you_mean
    from ..verify.plan import binding_data

    kernels = binding_data(library.root, options.binding).kernels
    named = {
        name: sorted({str(t.function).partition(":")[0] for t in kernels.get(name, {}).values() if t.function})
        for name in library.select(options.contracts)
    }
    shared = shared_modules(named) if options.module is not None or not options.contracts else {}
    if options.module is not None and options.module not in shared:
        raise problem(
            "E506", f"no kernels share a module {options.module!r}", Position("--module"),
            hint=did_you_mean(options.module, shared, f"shared are {', '.join(shared) or 'none'}"),
        )  # fmt: skip
    own = named if options.module is None else {}
    return [
        *(_Subject(name, name, (name,), _mutants(modules)) for name, modules in own.items()),
        *(
            _Subject(module, "/".join(module.split(".")[-2:]), tuple(contracts), _mutants([module]))
            for module, contracts in shared.items()
            if options.module in (None, module)
        ),
    ]


def _mutants(modules: list[str]) -> tuple[tuple[str, Mutant], ...]:
    from ..mutate import mutants_of

    return tuple((module, m) for module in modules for m in mutants_of(_file(module).read_text(encoding="utf-8")))


def _file(module: str) -> Path:
    from ..errors import Position, problem

    try:
        spec = importlib.util.find_spec(module)
    except ModuleNotFoundError:
        spec = None
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        raise problem("E506", f"there is no source of the module {module!r}", Position(module))
    return Path(spec.origin)


class _Tally:
    """The verdicts on the mutants of one subject."""

    def __init__(self, subject: _Subject, options: argparse.Namespace, library: Library) -> None:
        self.subject, self.options, self.library = subject, options, library
        self.verdicts: list[Verdict] = []
        self.listed, tests = subject.known(library.root, options.binding)
        self.tests = tuple(options.tests) or tests
        self.problem = ""

    def collect(self, mutants: Sequence[tuple[str, Mutant]]) -> bool:
        """Whether every mutant is killed by one of the contracts, or listed."""
        from ..mutate.run import OriginalFails, sample

        *_, last = self.subject.contracts  # tests are asked when the obligations of all contracts have been
        alone = len(self.subject.contracts) == 1
        waiting = mutants if alone else sample(mutants, self.options.limit, self.options.seed)
        try:
            for contract in self.subject.contracts:
                found = self.tried_on(contract, waiting, alone, self.tests if contract == last else ())
                done = {(v.module, v.mutant): v for v in self.verdicts if v.outcome == "survived"}
                self.verdicts = [v for v in self.verdicts if v.outcome not in ("survived", "unreached")]
                for v in found:  # reached by one contract is reached
                    before = done.get((v.module, v.mutant))
                    self.verdicts.append(before if before is not None and v.outcome == "unreached" else v)
                waiting = [(v.module, v.mutant) for v in self.verdicts if v.outcome in ("survived", "unreached")]
                if not waiting:
                    break
        except OriginalFails as error:
            self.problem = f"the unchanged implementation does not hold, so nothing was tried: {error}"
        return not (self.problem or self.survivors() or self.mistaken())

    def tried_on(
        self, contract: str, mutants: Sequence[tuple[str, Mutant]], alone: bool, files: tuple[str, ...]
    ) -> list[Verdict]:
        """What becomes of mutants at the hands of one contract's obligations, which nobody else will try if it is
        `alone`, and then of the tests in `files`. Raises `OriginalFails`."""
        from ..mutate import known_mutants
        from ..mutate.bench import Trial
        from ..mutate.run import Job, sample, try_mutants
        from ..verify.plan import plan

        options, library = self.options, self.library
        known = known_mutants(library.root, contract)
        checked = {contract: library.checked[contract]}
        tests, _ = plan(library, checked, [options.binding], dtypes=DTYPES)
        if not tests:
            tests, _ = plan(library, checked, [options.binding])
        job = Job(
            library.root, contract, options.binding, tests[0].module,
            tuple(Trial(t.obligation, t.dtype) for t in tests), tuple(mutants),
            tuple((str(entry.of), entry.sizes) for entry in (known.large if known is not None else ())),
            options.seed, options.workers, options.cases, files,
        )  # fmt: skip
        drawn: list[tuple[str, Mutant]] = []

        def chosen(reached: list[tuple[str, Mutant]]) -> list[tuple[str, Mutant]]:
            drawn[:] = sample(reached, options.limit if alone else None, options.seed)
            return drawn

        found: list[Verdict] = []
        said = time.monotonic()
        for verdict in try_mutants(job, chosen):
            found.append(verdict)
            if alone and options.format == "text" and self.is_survivor(verdict):
                print(_survivor(verdict), flush=True)  # at once: the rest may take hours
            if time.monotonic() - said >= EVERY:
                said = time.monotonic()
                done = sum(v.outcome != "unreached" for v in found)
                alive = sum(v.outcome == "survived" for v in found)
                print(f"... {contract}: {done}/{len(drawn)} tried, {alive} alive", file=sys.stderr, flush=True)
        return found

    def is_survivor(self, verdict: Verdict) -> bool:
        return verdict.outcome == "survived" and verdict.mutant not in self.listed

    def survivors(self) -> list[Verdict]:
        return sorted(filter(self.is_survivor, self.verdicts), key=lambda v: (v.module, v.mutant.start, v.mutant.text))

    def mistaken(self) -> list[Verdict]:
        """Listed as what no obligation can see, and killed by one. What decides speed alone may run out of time."""
        seen = [v for v in self.verdicts if v.outcome in ("killed", "crashed") and not v.by_test]
        return [v for v in seen if v.mutant in self.listed]

    def counts(self) -> dict[str, int]:
        outcomes = Counter(v.outcome for v in self.verdicts)
        alive = len(self.survivors())
        return {
            "unreached": outcomes["unreached"],
            "tried": len(self.verdicts) - outcomes["unreached"],
            "killed": outcomes["killed"] + outcomes["timeout"] + outcomes["crashed"],
            "by_tests": sum(v.by_test for v in self.verdicts),
            "by_limit": outcomes["timeout"],
            "by_crash": outcomes["crashed"],
            "equivalent": outcomes["survived"] - alive,
            "survived": alive,
        }

    def text(self) -> str:
        if self.problem:
            return f"{self.subject.name} [{self.options.binding}]: {self.problem}"
        n = self.counts()
        ends = [f"{n['by_tests']} by tests alone"] * bool(n["by_tests"])
        ends += [f"{n['by_limit']} by the time limit"] * bool(n["by_limit"])
        ends += [f"{n['by_crash']} by ending the process"] * bool(n["by_crash"])
        how = f" ({', '.join(ends)})" if ends else ""
        head = (
            f"{self.subject.name} [{self.options.binding}]: {n['tried']} mutants tried, {n['killed']} killed{how}, "
            f"{n['equivalent']} equivalent, {n['survived']} survived"
        )
        lines = [head]
        if len(self.subject.contracts) > 1:  # otherwise they have been printed when they were found
            lines += map(_survivor, self.survivors())
        if n["unreached"]:
            where = Counter(v.mutant.function for v in self.verdicts if v.outcome == "unreached")
            names = ", ".join(f"{name} {count}" for name, count in where.most_common())
            nobody = "neither obligations nor tests reach" if self.tests else "no obligation reaches"
            lines.append(f"  {nobody} {n['unreached']} more: {names}")
        for v in self.mistaken():
            lines.append(_diff(_file(v.module), v.mutant, f"listed as equivalent, but {v.outcome}: {v.by}"))
        return "\n".join(lines)

    def data(self) -> dict[str, Any]:
        shown = [
            {
                **_shown(_file(v.module), v.mutant),
                "outcome": "equivalent" if v.outcome == "survived" and v.mutant in self.listed else v.outcome,
                "by": v.by, "message": v.message, "seconds": v.seconds, "reason": str(self.listed.get(v.mutant, "")),
            }
            for v in self.verdicts
        ]  # fmt: skip
        return {
            "contract": self.subject.name, "binding": self.options.binding, "problem": self.problem, **self.counts(),
            "verdicts": shown,
        }  # fmt: skip


def _shown(file: Path, mutant: Mutant) -> dict[str, Any]:
    """One mutant as data."""
    return {
        "file": str(file), "line": mutant.line, "column": mutant.column, "function": mutant.function,
        "operator": mutant.operator, "find": mutant.find, "put": mutant.put, "nth": mutant.nth,
    }  # fmt: skip


def _survivor(verdict: Verdict) -> str:
    return _diff(_file(verdict.module), verdict.mutant, f"survived: {verdict.mutant.operator}")


def _diff(file: Path, mutant: Mutant, words: str) -> str:
    """One mutant as a place, and its lines before and after."""
    from ..errors import from_here

    lines = [f"  {from_here(file)}:{mutant.line}:{mutant.column}: {words}, in {mutant.function}"]
    lines += [f"    - {line}" for line in mutant.find.split("\n")]
    lines += [f"    + {line}" for line in mutant.put.split("\n")]
    return "\n".join(lines)
