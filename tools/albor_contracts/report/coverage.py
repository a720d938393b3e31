"""Coverage as text or JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..coverage import IMPLEMENTATION, LEVELS, NOT_RUN, STATES, Cell, Coverage, Row, Table


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
