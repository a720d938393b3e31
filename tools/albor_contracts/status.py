"""A short summary for each contract: where it stands, and what would lift it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from .coverage import IMPLEMENTATION, LEVELS, REFERENCE, Coverage, Table
from .model import Contract


def to_dict(contracts: Mapping[str, Contract], coverage: Coverage) -> list[dict[str, Any]]:
    """One JSON object for each contract."""
    return [_summary(contracts.get(table.contract), table) for table in coverage.tables]


def to_text(contracts: Mapping[str, Contract], coverage: Coverage) -> str:
    """A paragraph for each contract."""
    lines = []
    for item in to_dict(contracts, coverage):
        version = f" {item['version']}" if item["version"] else ""
        lines.append(f"{item['contract']}{version}: level {item['level']} ({LEVELS[item['level']]})")
        for binding, states in item["bindings"].items():
            told = ", ".join(f"{count} {state}" for state, count in states.items())
            lines.append(f"  {binding}: {told or 'nothing'}, of {item['obligations']}")
        lines.append(f"  faults: {item['faults_killed']} of {item['faults']} killed")
        lines.append(f"  last evidence: {item['last_evidence'] or 'none'}")
        if item["next"]:
            lines.append(f"  next: {item['next']}")
    reached, total = coverage.covered(3)
    lines.append(f"{len(coverage.tables)} contracts; {reached} of {total} obligations at level 3 or above")
    return "\n".join(lines)


def _summary(contract: Contract | None, table: Table) -> dict[str, Any]:
    names = list(table.rows[0].cells) if table.rows else [REFERENCE, IMPLEMENTATION]
    states = {name: Counter(row.cells[name].state for row in table.rows) for name in names}
    times = [cell.last for row in table.rows for cell in (*row.cells.values(), *row.gpu.values())]
    return {
        "contract": table.contract,
        "version": str(contract.metadata.version) if contract else "",
        "title": str(contract.metadata.title) if contract else "",
        "level": table.level,
        "obligations": table.obligations,
        "bindings": {name: dict(sorted(count.items())) for name, count in states.items()},
        "faults": len(table.faults),
        "faults_killed": sum(state == "killed" for state in table.faults.values()),
        "last_evidence": max(times, default=""),
        "next": _next(table),
    }


def _next(table: Table) -> str:
    if table.prose:
        return "give the obligations an executable form (albor-contracts import)"
    if not table.rows:
        return "write an obligation"
    row = min(table.rows, key=lambda r: r.level)
    if not row.missing:
        alive = [name for name, state in table.faults.items() if state != "killed"]
        return f"kill {', '.join(alive)}" if alive else ""
    return f"{row.obligation} wants {row.missing}"
