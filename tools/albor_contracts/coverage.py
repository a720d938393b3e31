"""Coverage: which obligations have been shown to hold, by evidence whose hashes still match. Nothing else counts.

Levels of an obligation:
0  prose: the contract is not executable
1  typed: the contract is well-formed
2  the falsification tests that concern it pass on reference and implementation (its own, else all of the contract's)
3  it passes on both, 10,000 cases each (or all there are), and kills every fault that names it; at least one does
4  and it is proved
A contract is as high as its lowest obligation. A contract without obligations is at level 1: an empty set is not
covered.
"""

from __future__ import annotations

from collections import Counter
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
)
from .model import Contract

REFERENCE, IMPLEMENTATION = "reference", "impl"
STATES = ("passed", "failed", "not run", "stale", "declined", "not applicable")
ENOUGH_CASES = 10_000
LEVELS = ("prose", "typed", "falsification tests", "property tests and faults", "proved")

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

    def gate(self, fail_under: float, level: int = 3) -> tuple[bool, str]:
        """Whether at least `fail_under` percent of the obligations are at `level`, and a sentence that says so."""
        reached, total = self.covered(level)
        if not total:
            return False, "coverage: there are no obligations; an empty set is not covered"
        percent = 100 * reached / total
        words = f"coverage: {reached} of {total} obligations at level {level} or above ({percent:.1f} %)"
        if percent < fail_under:
            return False, f"{words}, less than the {fail_under:g} % asked for"
        return True, words


def compute(
    contracts: Mapping[str, Contract],
    records: Iterable[Record],
    *,
    bindings: Sequence[str] = (REFERENCE, IMPLEMENTATION),
    current_kernel: KernelHash = hash_of_kernel,
    stated: Mapping[tuple[str, str], tuple[str, str]] | None = None,
    stated_on_gpu: Mapping[tuple[str, str], tuple[str, str]] | None = None,
    prose: Iterable[Prose] = (),
) -> Coverage:
    """Coverage of `contracts` by `records`.

    `stated` is what bindings themselves say: (binding, obligation) -> ("declined" or "not applicable", reason);
    `stated_on_gpu` what they say of runs on a GPU, by default the same.
    `current_kernel` gives the hash a record's kernel has now; by default it is computed from the installed source.
    """
    by_contract: dict[str, list[Record]] = {}
    for record in compact(records):
        by_contract.setdefault(record.verdict.contract, []).append(record)
    stated = stated or {}
    on_gpu = stated if stated_on_gpu is None else stated_on_gpu
    asked = _Asked(contracts, tuple(bindings), current_kernel, {False: stated, True: on_gpu})
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


def _table(contract: Contract, records: Sequence[Record], asked: _Asked) -> Table:
    contracts, bindings, current = asked.contracts, asked.bindings, asked.current
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

    def cell(identifier: str, binding: str, gpu: bool, meaning: str) -> Cell:
        found = runs.get((identifier, binding, gpu), [])
        said = asked.stated[gpu].get((binding, identifier))
        # What the binding file says now outweighs what was recorded under another one.
        return _cell(found, meaning, current) if not said else Cell(said[0], said[1])

    tests = {}
    for test in contract.falsification_tests:
        meaning = prediction_hash(contract, test.id, contracts)
        tests[str(test.id)] = {b: cell(test.id, b, False, meaning) for b in bindings}

    entries = obligations_of(contract)
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
        cells = {b: cell(identifier, b, False, meaning) for b in bindings}
        concerned = [str(t.id) for t in contract.falsification_tests if t.rule == identifier] or list(tests)
        level, missing = _level(cells, [tests[t] for t in concerned], own, proof)
        rows.append(
            Row(
                contract=contract.name,
                obligation=identifier,
                equation=str(entry.equation),
                type=str(entry.type),
                cells=cells,
                gpu={b: cell(identifier, b, True, meaning) for b in bindings},
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


def _cell(records: Sequence[Record], meaning: str, current: KernelHash) -> Cell:
    fresh = [r for r in records if _fresh(r, meaning, current)]
    last = max((r.time for r in records), default="")
    if not fresh:
        return Cell("stale", "the contract or the kernel has changed since", last=last) if records else NOT_RUN
    verdicts = [r.verdict for r in fresh if isinstance(r.verdict, ObligationFinished)]
    passed = [v for v in verdicts if v.outcome == "passed" and v.cases > 0]
    worst = [v.worst for v in verdicts if v.worst is not None]
    ulps = [v.worst_ulp for v in verdicts if v.worst_ulp is not None]
    state, reason = _state(verdicts, passed)
    return Cell(
        state=state,
        reason=reason,
        cases=sum(v.cases for v in passed),
        rows=sum(v.rows for v in passed),
        exhaustive=any(v.exhaustive for v in passed),
        worst=max(worst, default=None),
        worst_ulp=max(ulps, default=None),
        dtypes=tuple(sorted({v.dtype for v in passed if v.dtype})),
        seeds=len({v.seed for v in passed}),
        last=last,
    )


def _state(verdicts: Sequence[ObligationFinished], passed: Sequence[ObligationFinished]) -> tuple[str, str]:
    bad = [v for v in verdicts if v.outcome in BAD_OUTCOMES]
    if bad:
        where = f"{bad[0].dtype}, seed {bad[0].seed}" if bad[0].dtype else f"seed {bad[0].seed}"
        return "failed", f"{bad[0].outcome} ({where})"
    if passed:
        return "passed", ""
    for outcome, state in (("partial", "not run"), ("declined", "declined"), ("not_applicable", "not applicable")):
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
    return v.kernel_hash == current(record)


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


def _wanted(cells: Mapping[str, Cell]) -> str:
    wants = []
    for name in (REFERENCE, IMPLEMENTATION):
        cell = cells.get(name, NOT_RUN)
        if cell.state == "passed" and not cell.enough:
            wants.append(f"{name}: {ENOUGH_CASES - cell.cases:,} more cases")
        elif not cell.enough:
            wants.append(f"{name}: {cell.state}" + (f" ({cell.reason})" if cell.reason else ""))
    return "; ".join(wants)


def to_dict(coverage: Coverage) -> dict[str, Any]:
    """The coverage as JSON data."""
    reached = {str(level): coverage.covered(level)[0] for level in range(5)}
    return {
        "bindings": list(coverage.bindings),
        "obligations": coverage.covered()[1],
        "at_level": reached,
        "contracts": [
            {
                "contract": table.contract,
                "level": table.level,
                "prose_obligations": table.prose,
                "compiled": dict(table.compiled),
                "faults": dict(table.faults),
                "falsification_tests": {t: {b: _cell_dict(c) for b, c in cs.items()} for t, cs in table.tests.items()},
                "obligations": [
                    {
                        "id": row.obligation,
                        "equation": row.equation,
                        "type": row.type,
                        "level": row.level,
                        "next_level_wants": row.missing,
                        "bindings": {name: _cell_dict(cell) for name, cell in row.cells.items()},
                        "gpu": {name: _cell_dict(cell) for name, cell in row.gpu.items()},
                        "faults": dict(row.faults),
                        "proof": {"verdict": row.proof, "semantics": row.semantics},
                    }
                    for row in table.rows
                ],
            }
            for table in coverage.tables
        ],
    }


def _cell_dict(cell: Cell) -> dict[str, Any]:
    data: dict[str, Any] = {"state": cell.state}
    for name in ("reason", "cases", "rows", "exhaustive", "worst", "worst_ulp", "seeds", "last"):
        value = getattr(cell, name)
        if value:
            # JSON has no infinity; a bound that was exceeded by a NaN is worth showing all the same.
            data[name] = value if not isinstance(value, float) or abs(value) < float("inf") else repr(value)
    if cell.dtypes:
        data["dtypes"] = list(cell.dtypes)
    return data


def to_text(coverage: Coverage, details: bool = False) -> str:
    """The table for a terminal; `details` adds a line for each obligation."""
    header = [
        "contract",
        "obligations",
        *_headings(coverage.bindings),
        "compiled",
        "GPU run",
        "proof",
        "faults",
        "level",
    ]
    lines = [header]
    for table in coverage.tables:
        lines.append(_summary(table, coverage.bindings))
    lines.append(_total(coverage))
    widths = [max(len(line[k]) for line in lines) for k in range(len(header))]
    text = ["  ".join(item.ljust(width) for item, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    rule = "-" * max(map(len, text))
    text = [text[0], rule, *text[1:-1], rule, text[-1]]
    if details:
        for table in coverage.tables:
            text += ["", *_details(table)]
    text += ["", *_legend(coverage)]
    return "\n".join(text)


def _headings(bindings: Iterable[str]) -> list[str]:
    return ["impl (interpreter)" if name == IMPLEMENTATION else name for name in bindings]


def _summary(table: Table, bindings: Sequence[str]) -> list[str]:
    if table.prose:
        empty = ["-"] * len(bindings)
        return [table.contract, str(table.prose), *empty, "-", "-", "-", "-", "0 prose"]
    counts = [_fraction([row.cells[name] for row in table.rows]) for name in bindings]
    killed = sum(state == "killed" for state in table.faults.values())
    return [
        table.contract,
        str(len(table.rows)),
        *counts,
        _architectures(table.compiled),
        _gpu(table.rows),
        _proofs(table.rows),
        f"{killed}/{len(table.faults)}",
        str(table.level),
    ]


def _fraction(cells: Sequence[Cell]) -> str:
    """`9/12 (1 failed, 2 stale)`; what does not apply leaves the denominator, but not the sight."""
    counts = Counter(cell.state for cell in cells)
    applicable = len(cells) - counts["not applicable"]
    rest = [f"{counts[state]} {state}" for state in STATES[1:] if counts[state]]
    return f"{counts['passed']}/{applicable}" + (f" ({', '.join(rest)})" if rest else "")


def _architectures(compiled: Mapping[str, str]) -> str:
    if not compiled:
        return "-"
    return " ".join(sm if state == "passed" else f"{sm}:{state}" for sm, state in compiled.items())


def _gpu(rows: Sequence[Row]) -> str:
    cells = [row.gpu.get(IMPLEMENTATION, NOT_RUN) for row in rows]
    return _fraction(cells) if any(cell != NOT_RUN for cell in cells) else f"0/{len(cells)}"


def _proofs(rows: Sequence[Row]) -> str:
    asked = [row for row in rows if row.proof]
    if not asked:
        return "0/0"
    proved = Counter(
        row.semantics.partition(", axioms")[0].partition(" (")[0] or "?" for row in asked if row.proof == "proved"
    )
    bad = Counter(row.proof for row in asked if row.proof != "proved")
    rest = [f"{n} {what}" for what, n in sorted(proved.items())] + [f"{n} {what}" for what, n in sorted(bad.items())]
    return f"{sum(proved.values())}/{len(asked)} ({', '.join(rest)})"


def _total(coverage: Coverage) -> list[str]:
    rows = [row for table in coverage.tables for row in table.rows]
    faults = [state for table in coverage.tables for state in table.faults.values()]
    cells = [_passed_of([row.cells[name] for row in rows]) for name in coverage.bindings]
    proofs = [row.proof for row in rows if row.proof]
    level = min((table.level for table in coverage.tables), default=0)
    compiled = sum(bool(t.compiled) and set(t.compiled.values()) == {"passed"} for t in coverage.tables)
    return [
        f"total ({len(coverage.tables)} contracts)",
        str(coverage.covered()[1]),
        *cells,
        f"{compiled}/{len(coverage.tables)}",
        _passed_of([row.gpu.get(IMPLEMENTATION, NOT_RUN) for row in rows]),
        f"{proofs.count('proved')}/{len(proofs)}",
        f"{faults.count('killed')}/{len(faults)}",
        str(level),
    ]


def _passed_of(cells: Sequence[Cell]) -> str:
    counts = Counter(cell.state for cell in cells)
    return f"{counts['passed']}/{len(cells) - counts['not applicable']}"


def _legend(coverage: Coverage) -> list[str]:
    total = coverage.covered()[1]
    lines = [
        f"level {level} ({LEVELS[level]}) or above: {coverage.covered(level)[0]} of {total} obligations"
        for level in range(1, 5)
    ]
    cells = [cell for table in coverage.tables for row in table.rows for cell in row.cells.values()]
    counts = Counter(cell.state for cell in cells)
    states = ", ".join(f"{counts[state]} {state}" for state in STATES)
    return [*lines, f"obligations x bindings: {states}, of {len(cells)}"]


def _details(table: Table) -> list[str]:
    lines = [f"{table.contract} (level {table.level})"]
    for row in table.rows:
        lines.append(
            f"  {row.obligation} [{row.type}] level {row.level}" + (f", wants {row.missing}" if row.missing else "")
        )
        lines += [f"    {name}: {describe(cell)}" for name, cell in row.cells.items()]
        lines += [f"    {name} on GPU: {describe(cell)}" for name, cell in row.gpu.items() if cell != NOT_RUN]
        if row.faults:
            lines.append("    faults: " + ", ".join(f"{name} {state}" for name, state in row.faults.items()))
        if row.proof:
            lines.append(f"    proof: {row.proof}" + (f", {row.semantics}" if row.semantics else ""))
    for test, cells in table.tests.items():
        lines.append(f"  {test}: " + ", ".join(f"{name} {cell.state}" for name, cell in cells.items()))
    return lines


def describe(cell: Cell) -> str:
    """One cell in words: `passed, 10,000 cases in bf16, f32, worst error 0.43 of the bound`."""
    if cell.state != "passed":
        return cell.state + (f": {cell.reason}" if cell.reason else "")
    words = f"passed, {cell.cases:,} cases" + (f" in {', '.join(cell.dtypes)}" if cell.dtypes else "")
    words += ", all there are" if cell.exhaustive else ""
    words += f", {cell.rows:,} rows" if cell.rows else ""
    return words + (f", worst error {cell.worst:.3g} of the bound" if cell.worst is not None else "")
