"""Traceability: from each equation to its obligations, faults, falsification tests, kernels and evidence, and what
stands alone on the way."""

from __future__ import annotations

import ast
import dataclasses
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .coverage import Coverage
from .evidence import obligations_of
from .links import words_of
from .model import Contract
from .report.coverage import describe

Targets = Mapping[tuple[str, str], Mapping[str, str]]  # (contract, equation) -> binding -> "module:function"

ORPHANS = {
    "equation": "an equation that no obligation is about, and none mentions",
    "obligation": "an obligation that kills no fault",
    "fault": "a fault that nothing must kill",
    "binding": "an equation without a kernel in a binding that has others of its contract",
    "module": "a module of kernels without a contract",
    "function": "a public function of a kernel module that no contract names",
}


# Worth knowing, and no gap: a kernel module may export helpers that no contract is about.
INFORMATION = frozenset({"function"})


@dataclass(frozen=True)
class Trace:
    """One obligation with everything that hangs on it."""

    contract: str
    obligation: str
    type: str
    equation: str
    faults: tuple[str, ...]
    tests: tuple[str, ...]
    targets: Mapping[str, str]
    evidence: Mapping[str, str]
    last: str


@dataclass(frozen=True)
class Orphan:
    """Something that leads nowhere. `kind` is a key of ORPHANS."""

    kind: str
    name: str
    where: str


@dataclass(frozen=True)
class Audit:
    """Traces and orphans of a set of contracts."""

    traces: tuple[Trace, ...]
    orphans: tuple[Orphan, ...]
    contracts: int = 0

    @property
    def complete(self) -> bool:
        """Whether there is something to trace and nothing stands alone that should not."""
        return bool(self.traces) and not self.gaps

    @property
    def gaps(self) -> tuple[Orphan, ...]:
        """The orphans that make an audit fail; the others are information."""
        return tuple(orphan for orphan in self.orphans if orphan.kind not in INFORMATION)


def audit(
    contracts: Mapping[str, Contract],
    coverage: Coverage | None = None,
    targets: Targets | None = None,
    kernel_folders: Iterable[str | Path] = (),
) -> Audit:
    """Trace all `contracts`.

    `targets` says which callable each binding has for an equation. `kernel_folders` are packages of kernels laid out
    as family/kernel.py, whose public functions should all be named by the contract of the same family and kernel.
    """
    rows = {(row.contract, row.obligation): row for table in coverage.tables for row in table.rows} if coverage else {}
    traces = []
    for name, contract in contracts.items():
        for identifier, entry in obligations_of(contract).items():
            row = rows.get((name, identifier))
            cells = {**row.cells, **{f"{b} (GPU)": c for b, c in row.gpu.items() if c.last}} if row else {}
            traces.append(
                Trace(
                    contract=name,
                    obligation=identifier,
                    type=str(entry.type),
                    equation=str(entry.equation),
                    faults=tuple(str(f.id) for f in contract.faults if identifier in f.killed_by),
                    tests=tuple(str(t.id) for t in contract.falsification_tests if t.rule == identifier),
                    targets=dict((targets or {}).get((name, str(entry.equation)), {})),
                    evidence={binding: describe(cell) for binding, cell in cells.items()},
                    last=max((cell.last for cell in cells.values()), default=""),
                )
            )
    orphans = [*_of_contracts(contracts), *_of_bindings(contracts, targets or {})]
    for folder in kernel_folders:
        orphans += _of_modules(contracts, targets or {}, Path(folder))
    return Audit(tuple(traces), tuple(orphans), len(contracts))


def to_dict(found: Audit) -> dict[str, Any]:
    """The audit as JSON data."""
    return {
        "contracts": found.contracts,
        "obligations": [dataclasses.asdict(trace) for trace in found.traces],
        "orphans": [{**dataclasses.asdict(orphan), "meaning": ORPHANS[orphan.kind]} for orphan in found.orphans],
        "complete": found.complete,
    }


def to_text(found: Audit) -> str:
    """The audit for a terminal."""
    lines: list[str] = []
    contract = ""
    for trace in found.traces:
        if trace.contract != contract:
            contract = trace.contract
            lines += [contract]
        lines.append(f"  {trace.obligation} [{trace.type}] of {trace.equation}")
        lines.append(f"    kills: {', '.join(trace.faults) or 'nothing'}")
        lines.append(f"    predictions: {', '.join(trace.tests) or 'none'}")
        lines += [f"    {binding}: {target}" for binding, target in trace.targets.items()]
        lines += [f"    evidence, {binding}: {words}" for binding, words in trace.evidence.items()]
    for kind, meaning in ORPHANS.items():
        alone = [orphan for orphan in found.orphans if orphan.kind == kind]
        if alone:
            note = " (information)" if kind in INFORMATION else ""
            lines += ["", f"{meaning}{note}:", *(f"  {orphan.name} ({orphan.where})" for orphan in alone)]
    lines += ["", f"{len(found.traces)} obligations of {found.contracts} contracts, {_counted(found)}"]
    return "\n".join(lines)


def _counted(found: Audit) -> str:
    told = len(found.orphans) - len(found.gaps)
    return f"{len(found.gaps)} orphans" + (f", {told} helpers outside all contracts" if told else "")


def _of_contracts(contracts: Mapping[str, Contract]) -> Iterator[Orphan]:
    for contract in contracts.values():
        entries = obligations_of(contract)
        about = {str(entry.equation) for entry in entries.values()}
        about |= {word for entry in entries.values() for word in words_of(entry)}
        for name, equation in contract.equations.items():
            if name not in about:
                yield Orphan("equation", f"{contract.name}: {name}", str(equation.position))
        killers = {str(killer) for fault in contract.faults for killer in fault.killed_by}
        for identifier, entry in entries.items():
            if identifier not in killers:
                yield Orphan("obligation", f"{contract.name}: {identifier}", str(entry.position))
        for fault in contract.faults:
            if not fault.killed_by:
                yield Orphan("fault", f"{contract.name}: {fault.id}", str(fault.position))


def _of_bindings(contracts: Mapping[str, Contract], targets: Targets) -> Iterator[Orphan]:
    for name, contract in contracts.items():
        bindings = {binding for (owner, _), by_binding in targets.items() if owner == name for binding in by_binding}
        for binding in sorted(bindings):
            for equation, entry in contract.equations.items():
                if binding not in targets.get((name, equation), {}):
                    yield Orphan("binding", f"{name}: {equation} in {binding}", str(entry.position))


def _of_modules(contracts: Mapping[str, Contract], targets: Targets, folder: Path) -> Iterator[Orphan]:
    bound = {target.partition(":")[2].partition(".")[0] for found in targets.values() for target in found.values()}
    for path in sorted(folder.rglob("*.py")):
        parts = path.relative_to(folder).with_suffix("").parts
        if any(part.startswith((".", "_")) for part in parts):
            continue
        functions = list(_functions(path))
        if not functions:
            continue
        kernel = "/".join(parts[-2:]).replace("_", "-")
        contract = contracts.get(kernel)
        if contract is None:
            yield Orphan("module", kernel, str(path))
            continue
        named = set(contract.equations) | _words(contract) | bound
        for name, line in functions:
            if name not in named:
                yield Orphan("function", f"{kernel}: {name}", f"{path}:{line}")


def _functions(path: Path) -> Iterator[tuple[str, int]]:
    """Public functions of a module, read without importing it; those it exports when it says so itself."""
    try:
        tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError):
        return
    exported = _exported(tree)
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and (
            node.name in exported if exported is not None else not node.name.startswith("_")
        ):
            yield node.name, node.lineno


def _exported(tree: ast.Module) -> set[str] | None:
    for node in tree.body:
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == "__all__" for t in node.targets):
            try:
                return set(ast.literal_eval(node.value))
            except (ValueError, TypeError):
                return None
    return None


def _words(contract: Contract) -> set[str]:
    """Names that the executable texts of the contract mention: helpers that a law calls are under contract too."""
    texts: list[str] = []
    for entry in contract.proof_obligations:
        texts += [
            str(t) for t in (entry.let, entry.check, entry.left, entry.right, entry.call, entry.of, entry.step) if t
        ]
        if entry.prove and entry.prove.target:
            texts.append(str(entry.prove.target))
    for test in contract.falsification_tests:
        texts += [str(t) for t in (test.let, test.check, test.call) if t]
    return {word for text in texts for word in re.findall(r"[A-Za-z_]\w*", text)}
