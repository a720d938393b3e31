"""The kill matrix as text or JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..falsify import Matrix


def render_matrix(matrix: Matrix, form: str = "text") -> str:
    """Faults by obligations: `K` killed as named, `k` killed though not named, `.` survived, blank not run."""
    if form == "json":
        cells = [
            {"fault": c.fault, "obligation": c.obligation, "killed": c.killed, "named": c.named, "message": c.message}
            for c in matrix.cells.values()
        ]
        return json.dumps(
            {
                "contract": matrix.contract,
                "cells": cells,
                "problems": matrix.problems + [str(d) for d in matrix.diagnostics],
            }
        )
    killed = {f for (f, _), c in matrix.cells.items() if c.killed}
    lines = [
        f"{matrix.contract}: {len(killed)} of {len(matrix.faults)} faults killed, {len(matrix.obligations)} obligations"
    ]
    width = max((len(f) for f in matrix.faults), default=0)
    for number, obligation in enumerate(matrix.obligations, 1):
        lines.append(f"  {number:>2} {obligation}")
    head = "  ".join(f"{n:>2}" for n in range(1, len(matrix.obligations) + 1))
    lines.append(f"  {'':<{width}}  {head}")
    for fault in matrix.faults:
        row = []
        for obligation in matrix.obligations:
            cell = matrix.cells.get((fault, obligation))
            mark = " " if cell is None else "." if not cell.killed else "K" if cell.named else "k"
            row.append(f"{mark:>2}")
        lines.append(f"  {fault:<{width}}  {'  '.join(row)}")
    lines += [f"  problem: {p}" for p in matrix.problems]
    lines += [f"  problem: {d}" for d in matrix.diagnostics]
    return "\n".join(lines)
