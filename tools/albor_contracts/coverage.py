"""Coverage: which obligations have been shown to hold, by evidence whose hashes still match. Nothing else counts.

Levels of an obligation:
0  prose: the contract is not executable
1  typed: the contract is well-formed
2  it passes on reference and implementation, on as many cases as were tried, and so do the falsification tests that
   concern it (its own, else all of the contract's)
3  it passes on both, 10,000 cases each over all dtypes (or all there are), and kills every fault that names it; at
   least one does
4  and it is proved
A contract is as high as its lowest obligation. A contract without obligations is at level 1: an empty set is not
covered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from .events import BAD_OUTCOMES, FaultTried, KernelCompiled, ObligationFinished, ProofFinished
from .evidence import (
    Record,
    compact,
    fault_hash,
    kernel_hash,
    obligation_hash,
    obligations_of,
    prediction_hash,
    proof_hash,
    rules_hash,
)
from .model import Contract

REFERENCE, IMPLEMENTATION = "reference", "impl"
STATES = ("passed", "failed", "not run", "stale", "declined", "not applicable")
ENOUGH_CASES = 10_000
LEVELS = ("prose", "typed", "passed", "property tests and faults", "proved")

KernelHash = Callable[[Record], str]


@lru_cache(maxsize=1024)
def _hash_of(targets: str) -> str:
    try:
        return kernel_hash(targets)
    except LookupError:
        return "missing"


def hash_of_kernel(record: Record) -> str:
    """The present hash of the kernel that a record is about; "" for a record about no kernel."""
    kernel = record.verdict.kernel
    return _hash_of(kernel) if kernel else ""


@dataclass(frozen=True)
class Named:
    """What a binding file names for a contract now: evidence of another kernel, or of another way to call it, is none
    of this one."""

    kernels: frozenset[str]
    adapted: str
    dtypes: Mapping[str, tuple[str, ...]]  # equation -> those that have to be judged


@dataclass(frozen=True)
class Prose:
    """A contract in the older style, read leniently: it is listed, and never counts as covered."""

    name: str
    obligations: int


@dataclass(frozen=True)
class Cell:
    """What is known of one obligation on one binding."""

    state: str
    reason: str = ""
    cases: int = 0
    rows: int = 0
    exhaustive: bool = False
    worst: float | None = None
    worst_ulp: float | None = None
    dtypes: tuple[str, ...] = ()
    seeds: int = 0
    last: str = ""  # time of the latest verdict

    @property
    def enough(self) -> bool:
        """Passed, on as many cases as level 3 asks for."""
        return self.state == "passed" and (self.exhaustive or self.cases >= ENOUGH_CASES)


NOT_RUN = Cell("not run")


@dataclass(frozen=True)
class Row:
    """One obligation."""

    contract: str
    obligation: str
    equation: str
    type: str
    cells: Mapping[str, Cell]
    gpu: Mapping[str, Cell]
    faults: Mapping[str, str]  # fault -> killed, survived, not run, stale
    proof: str = ""  # verdict; "not run" or "stale" when there should be one; "" when none is asked for
    semantics: str = ""
    level: int = 1
    missing: str = ""  # what the next level wants


@dataclass(frozen=True)
class Table:
    """One contract."""

    contract: str
    rows: tuple[Row, ...]
    tests: Mapping[str, Mapping[str, Cell]]  # falsification test -> binding -> cell
    faults: Mapping[str, str]
    compiled: Mapping[str, str] = field(default_factory=dict)  # architecture -> passed, failed, stale
    prose: int = 0

    @property
    def obligations(self) -> int:
        return len(self.rows) or self.prose

    @property
    def level(self) -> int:
        if not self.rows:
            return 0 if self.prose else 1
        lowest = min(row.level for row in self.rows)
        return min(lowest, 2) if any(state != "killed" for state in self.faults.values()) else lowest


@dataclass(frozen=True)
class Coverage:
    """All contracts, and the bindings that the table shows."""

    tables: tuple[Table, ...]
    bindings: tuple[str, ...] = (REFERENCE, IMPLEMENTATION)

    def covered(self, level: int = 3) -> tuple[int, int]:
        """How many obligations are at `level` or above, of how many."""
        total = sum(table.obligations for table in self.tables)
        return sum(row.level >= level for table in self.tables for row in table.rows), total

    def failed(self) -> int:
        """How many obligations and falsification tests have a failure that stands."""
        rows = (row.cells for table in self.tables for row in table.rows)
        tests = (cells for table in self.tables for cells in table.tests.values())
        return sum(any(c.state == "failed" for c in cells.values()) for cells in (*rows, *tests))

    def gate(self, fail_under: float | None, level: int = 3) -> tuple[bool, str]:
        """Whether at least `fail_under` percent of the obligations are at `level` and nothing has failed, and a
        sentence that says so. Without a limit only an empty set, which covers nothing, is refused."""
        reached, total = self.covered(level)
        if not total:
            return False, "coverage: there are no obligations; an empty set is not covered"
        percent = 100 * reached / total
        words = f"coverage: {reached} of {total} obligations at level {level} or above ({percent:.1f} %)"
        if fail_under is not None and percent < fail_under:
            return False, f"{words}, less than the {fail_under:g} % asked for"
        if fail_under is not None and (bad := self.failed()):
            return False, f"{words}, but {bad} of the obligations and predictions failed"
        return True, words


def compute(
    contracts: Mapping[str, Contract],
    records: Iterable[Record],
    *,
    bindings: Sequence[str] = (REFERENCE, IMPLEMENTATION),
    current_kernel: KernelHash = hash_of_kernel,
    stated: Mapping[tuple[str, str], tuple[str, str]] | None = None,
    stated_on_gpu: Mapping[tuple[str, str], tuple[str, str]] | None = None,
    named: Mapping[tuple[str, str], Named] | None = None,
    prose: Iterable[Prose] = (),
) -> Coverage:
    """Coverage of `contracts` by `records`.

    `stated` is what bindings themselves say: (binding, obligation) -> ("declined" or "not applicable", reason);
    `stated_on_gpu` what they say of runs on a GPU, by default the same. `named` is what binding files name now:
    (binding, contract) -> kernels and dtypes.
    `current_kernel` gives the hash a record's kernel has now; by default it is computed from the installed source.
    """
    by_contract: dict[str, list[Record]] = {}
    for record in compact(records):
        by_contract.setdefault(record.verdict.contract, []).append(record)
    stated = stated or {}
    on_gpu = stated if stated_on_gpu is None else stated_on_gpu
    asked = _Asked(contracts, tuple(bindings), current_kernel, {False: stated, True: on_gpu}, named or {})
    tables = [_table(contract, by_contract.get(name, []), asked) for name, contract in contracts.items()]
    tables += [Table(p.name, (), {}, {}, prose=p.obligations) for p in prose]
    return Coverage(tuple(tables), tuple(bindings))


@dataclass(frozen=True)
class _Asked:
    """The arguments of `compute` that all tables share."""

    contracts: Mapping[str, Contract]
    bindings: tuple[str, ...]
    current: KernelHash
    stated: Mapping[bool, Mapping[tuple[str, str], tuple[str, str]]]  # on a GPU or not
    named: Mapping[tuple[str, str], Named]


def _table(contract: Contract, records: Sequence[Record], asked: _Asked) -> Table:
    contracts, bindings, current = asked.contracts, asked.bindings, asked.current
    entries = obligations_of(contract)
    runs: dict[tuple[str, str, bool], list[Record]] = {}
    tried: dict[tuple[str, str], list[Record]] = {}
    proofs: dict[str, list[Record]] = {}
    compiled: dict[str, list[Record]] = {}
    for record in records:
        v = record.verdict
        if isinstance(v, ObligationFinished):
            runs.setdefault((v.obligation, v.binding, v.device.startswith("cuda")), []).append(record)
        elif isinstance(v, FaultTried):
            tried.setdefault((v.fault, v.obligation), []).append(record)
        elif isinstance(v, ProofFinished):
            proofs.setdefault(v.obligation, []).append(record)
        elif isinstance(v, KernelCompiled):
            compiled.setdefault(v.architecture, []).append(record)

    def cell(identifier: str, equation: str, binding: str, gpu: bool, meaning: str) -> Cell:
        found = runs.get((identifier, binding, gpu), [])
        said = asked.stated[gpu].get((binding, identifier))
        # What the binding file says now outweighs what was recorded under another one.
        if said:
            return Cell(said[0], said[1])
        return _cell(found, meaning, current, asked.named.get((binding, contract.name)), equation)

    tests = {}
    for test in contract.falsification_tests:
        meaning = prediction_hash(contract, test.id, contracts)
        rule = entries.get(str(test.rule))
        equation = str(rule.equation) if rule else ""
        tests[str(test.id)] = {b: cell(test.id, equation, b, False, meaning) for b in bindings}

    fault_states: dict[str, dict[str, str]] = {}  # fault -> obligation -> state
    for fault in contract.faults:
        fault_states[fault.id] = {
            str(killer): _fault_state(
                tried.get((fault.id, killer), []), fault_hash(contract, fault.id, killer, contracts), current
            )
            for killer in fault.killed_by
            if killer in entries
        }
    rows = []
    for identifier, entry in entries.items():
        meaning = obligation_hash(contract, identifier, contracts)
        own = {fault: states[identifier] for fault, states in fault_states.items() if identifier in states}
        proof, semantics = "", ""
        if entry.prove:
            proof, semantics = _proof(proofs.get(identifier, []), proof_hash(contract, identifier, contracts), current)
        equation = str(entry.equation)
        cells = {b: cell(identifier, equation, b, False, meaning) for b in bindings}
        concerned = [str(t.id) for t in contract.falsification_tests if t.rule == identifier] or list(tests)
        level, missing = _level(cells, [tests[t] for t in concerned], own, proof)
        rows.append(
            Row(
                contract=contract.name,
                obligation=identifier,
                equation=equation,
                type=str(entry.type),
                cells=cells,
                gpu={b: cell(identifier, equation, b, True, meaning) for b in bindings},
                faults=own,
                proof=proof,
                semantics=semantics,
                level=level,
                missing=missing,
            )
        )
    return Table(
        contract=contract.name,
        rows=tuple(rows),
        tests=tests,
        faults={name: _all_killed(states) for name, states in fault_states.items()},
        compiled={sm: _compiled(found, current) for sm, found in sorted(compiled.items(), key=_architecture)},
    )


def _cell(
    records: Sequence[Record], meaning: str, current: KernelHash, named: Named | None = None, equation: str = ""
) -> Cell:
    fresh = [r for r in records if _fresh(r, meaning, current) and _of_these(r, named)]
    last = max((r.time for r in records), default="")
    if not fresh:
        return Cell("stale", "the contract or the kernel has changed since", last=last) if records else NOT_RUN
    verdicts = [r.verdict for r in fresh if isinstance(r.verdict, ObligationFinished)]
    passed = [v for v in verdicts if v.outcome == "passed" and v.cases > 0]
    worst = [v.worst for v in verdicts if v.worst is not None]
    ulps = [v.worst_ulp for v in verdicts if v.worst_ulp is not None]
    state, reason = _state(verdicts, passed, named.dtypes.get(equation, ()) if named else ())
    return Cell(
        state=state,
        reason=reason,
        cases=sum(v.cases for v in passed),
        rows=sum(v.rows for v in passed),
        exhaustive=bool(passed) and {v.dtype for v in passed} == {v.dtype for v in passed if v.exhaustive},
        worst=max(worst, default=None),
        worst_ulp=max(ulps, default=None),
        dtypes=tuple(sorted({v.dtype for v in passed if v.dtype})),
        seeds=len({v.seed for v in passed}),
        last=last,
    )


def _state(
    verdicts: Sequence[ObligationFinished], passed: Sequence[ObligationFinished], dtypes: Sequence[str]
) -> tuple[str, str]:
    bad = [v for v in verdicts if v.outcome in BAD_OUTCOMES]
    if bad:
        where = f"{bad[0].dtype}, seed {bad[0].seed}" if bad[0].dtype else f"seed {bad[0].seed}"
        return "failed", f"{bad[0].outcome} ({where})"
    shown = {v.dtype for v in passed}
    for v in verdicts:
        if v.outcome == "partial" and v.dtype not in shown:
            return "not run", v.reason  # a part of it was
    if passed:
        open_ = set(dtypes) - shown - {v.dtype for v in verdicts if v.outcome == "not_applicable"}
        return ("not run", f"not in {', '.join(sorted(open_))}") if open_ else ("passed", "")
    for outcome, state in (("declined", "declined"), ("not_applicable", "not applicable")):
        for v in verdicts:
            if v.outcome == outcome:
                return state, v.reason
    return "not run", "the recorded run has no cases"


def _fresh(record: Record, meaning: str, current: KernelHash) -> bool:
    v = record.verdict
    if meaning and getattr(v, "contract_hash", "") != meaning:
        return False
    if isinstance(v, ObligationFinished) and not v.kernel and v.outcome not in ("declined", "not_applicable"):
        return False  # a verdict on nobody knows what
    if (isinstance(v, FaultTried) or (isinstance(v, ObligationFinished) and v.kernel)) and v.rules != rules_hash():
        return False  # judged by other bounds
    return v.kernel_hash == current(record)


def _of_these(record: Record, named: Named | None) -> bool:
    """Whether a verdict is about kernels that the binding file still names, called as it has them called now."""
    v = record.verdict
    if named is None or not isinstance(v, ObligationFinished):
        return True
    if not v.kernel:
        return v.outcome != "declined"  # what is declined now is known
    return named.kernels.issuperset(v.kernel.split()) and v.adapted == named.adapted


def _fault_state(records: Sequence[Record], meaning: str, current: KernelHash) -> str:
    fresh = [r.verdict for r in records if _fresh(r, meaning, current)]
    if not fresh:
        return "stale" if records else "not run"
    return "killed" if all(isinstance(v, FaultTried) and v.killed for v in fresh) else "survived"


def _all_killed(states: Mapping[str, str]) -> str:
    """A fault is killed when each obligation that claims to kill it does."""
    for state in ("survived", "stale", "not run"):
        if state in states.values():
            return state
    return "killed" if states else "not run"


def _proof(records: Sequence[Record], meaning: str, current: KernelHash) -> tuple[str, str]:
    fresh = [r for r in records if _fresh(r, meaning, current)]
    if not fresh:
        return ("stale" if records else "not run"), ""
    verdict = max(fresh, key=lambda r: r.time).verdict
    assert isinstance(verdict, ProofFinished)
    return verdict.verdict, verdict.semantics


def _compiled(records: Sequence[Record], current: KernelHash) -> str:
    fresh = [r.verdict for r in records if _fresh(r, "", current)]
    if not fresh:
        return "stale"
    return "passed" if all(isinstance(v, KernelCompiled) and v.ok for v in fresh) else "failed"


def _architecture(item: tuple[str, Any]) -> tuple[int, str]:
    digits = "".join(c for c in item[0] if c.isdigit())
    return int(digits or 0), item[0]


def _holds(cells: Mapping[str, Cell], enough: bool) -> bool:
    """Passed on reference and implementation; on one of them it may be not applicable."""
    both = [cells.get(name, NOT_RUN) for name in (REFERENCE, IMPLEMENTATION)]
    good = [cell.enough if enough else cell.state == "passed" for cell in both]
    return any(good) and all(ok or cell.state == "not applicable" for ok, cell in zip(good, both, strict=True))


def _level(
    cells: Mapping[str, Cell], tests: Sequence[Mapping[str, Cell]], faults: Mapping[str, str], proof: str
) -> tuple[int, str]:
    if not _holds(cells, enough=False):
        return 1, _wanted(cells, 1)
    if not tests:
        return 1, "a falsification test"
    if not all(_holds(test, enough=False) for test in tests):
        return 1, "falsification tests that pass on reference and implementation"
    if not _holds(cells, enough=True):
        return 2, _wanted(cells)
    if not faults:
        return 2, "a fault that it kills"
    alive = [name for name, state in faults.items() if state != "killed"]
    if alive:
        return 2, f"fresh evidence that it kills {', '.join(alive)}"
    return (4, "") if proof == "proved" else (3, "a proof")


def _wanted(cells: Mapping[str, Cell], cases: int = ENOUGH_CASES) -> str:
    both = {name: cells.get(name, NOT_RUN) for name in (REFERENCE, IMPLEMENTATION)}
    wants = []
    for name, cell in both.items():
        if cell.state == "passed" and not cell.exhaustive and cell.cases < cases:
            wants.append(f"{name}: {cases - cell.cases:,} more cases")
        elif cell.state not in ("passed", "not applicable"):
            wants.append(f"{name}: {cell.state}" + (f" ({cell.reason})" if cell.reason else ""))
    return "; ".join(wants) or "; ".join(f"{name}: {cell.state}" for name, cell in both.items())
