"""The kill matrix: every fault against every obligation it could reach."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

from ..checked import CheckedContract, CheckedFault, CheckedObligation
from ..errors import ContractError, Diagnostic, Text
from ..events import FaultTried
from ..evidence.hashing import fault_hash, kernel_hash
from ..evidence.rules import rules_hash
from ..library import Library
from ..verify.plan import current_modules
from .generated import CASES, OTHER_CASES, dies, few_cases, load_generated, tests_of
from .injected import Injected, about_code, injected
from .wrong import definition_kernel


@dataclass(frozen=True)
class Cell:
    """One fault against one obligation."""

    fault: str
    obligation: str
    killed: bool
    named: bool
    message: str = ""
    seconds: float = 0.0


@dataclass
class Matrix:
    """All cells of one contract, and what is wrong with them."""

    contract: str
    faults: tuple[str, ...]
    obligations: tuple[str, ...]
    cells: dict[tuple[str, str], Cell] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    diagnostics: list[Diagnostic] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        return not self.problems and not self.diagnostics

    def killers(self, fault: str) -> set[str]:
        """The obligations under which a fault has died."""
        return {o for (f, o), c in self.cells.items() if f == fault and c.killed}


def kill_matrix(
    contract: CheckedContract,
    library: Library,
    tell: Callable[[FaultTried], None] | None = None,
    only: Iterable[str] | None = None,
    full: bool = False,
) -> Matrix:
    """Inject every fault of a contract and run the obligations it names against it.

    An obligation that no fault names meets the faults that reach it, until it has killed one; a fault that none of
    its obligations kills meets the others too. `full`, and faults chosen by `only`, run every obligation that a fault
    reaches: which other laws notice as well.
    """
    wanted = None if only is None else set(only)
    chosen = [f for f in contract.faults if wanted is None or str(f.model.id) in wanted]
    module = load_generated(current_modules(library, [contract.name])[contract.name])
    matrix = Matrix(contract.name, tuple(str(f.model.id) for f in chosen), tuple(o.id for o in contract.obligations))
    trial = _Trial(contract, library, module, tests_of(module), matrix, tell, full or only is not None)
    trial.control()
    for fault in chosen:
        trial.of(fault)
    if only is None:
        killers = {c.obligation for c in matrix.cells.values() if c.killed}
        idle = [o for o in contract.obligations if o.id not in killers]
        matrix.problems += [_at(o.model.id, f"{o.id} kills no fault") for o in idle]
        if not chosen:
            matrix.problems.append(_at(contract.model.metadata.title, "the contract names no fault"))
    return matrix


@dataclass
class _Trial:
    """Faults of one contract, one after the other, and the matrix that they fill."""

    contract: CheckedContract
    library: Library
    module: ModuleType
    tests: Mapping[str, Any]
    matrix: Matrix
    tell: Callable[[FaultTried], None] | None
    full: bool

    def control(self) -> None:
        """A kernel that computes the definition must pass, or a kill proves nothing."""
        spec = self.module.spec
        control = definition_kernel("definition", spec.functions, spec, "f32")
        for o in self.contract.obligations:
            if o.calls() <= set(spec.functions) and not about_code(o):
                stopped: list[str] = []
                with few_cases():
                    died = dies(self.tests[o.id], control, stopped) or next(iter(stopped), None)
                if died is not None:
                    self.problem(o.model.id, f"{o.id} rejects its own definition: {died}")

    def of(self, fault: CheckedFault) -> None:
        """Try one fault."""
        identifier, named = str(fault.model.id), set(map(str, fault.model.killed_by))
        try:
            with injected(self.contract, fault, self.module, self.library.root) as wrong:
                for o in self.order(wrong, named):
                    self.cell(wrong, o, o.id in named)
                killed = self.matrix.killers(identifier)
                first = sorted(self.contract.obligations, key=lambda o: o.id not in killed)
                wrong.answers([(o, self.tests[o.id]) for o in first])
                if killed and not wrong.dies_alone([(o, self.tests[o.id]) for o in first]):
                    alone = "".join(wrong.changed or ())
                    words = f"{identifier} survives where {alone} is all that a binding has: {fault.model.title}"
                    self.problem(fault.model.id, words)
        except ContractError as error:
            self.matrix.diagnostics += error.diagnostics
            return
        if not killed:
            self.problem(fault.model.id, f"{identifier} survives: {fault.model.title}")
        for missing in sorted(named - killed):
            self.problem(fault.model.id, f"{identifier} is not killed by {missing}, which it names")

    def order(self, wrong: Injected, named: set[str]) -> Iterator[CheckedObligation]:
        """The obligations to try, those that the fault names first."""
        # Those that a fault names prove themselves there; only the rest must be looked after here.
        proved = {str(k) for f in self.contract.faults for k in f.model.killed_by}
        proved |= {c.obligation for c in self.matrix.cells.values() if c.killed}
        identifier = str(wrong.fault.model.id)
        for o in sorted(self.contract.obligations, key=lambda o: o.id not in named):
            if wrong.meets(o) and (
                self.full or o.id in named or o.id not in proved or not self.matrix.killers(identifier)
            ):
                yield o

    def cell(self, wrong: Injected, o: CheckedObligation, named: bool) -> None:
        """One obligation under one fault."""
        fault, begin, cases = wrong.fault, time.monotonic(), CASES if named else OTHER_CASES
        stopped: list[str] = []
        with few_cases(cases):
            message = dies(self.tests[o.id], wrong.kernel, stopped)
        for why in stopped:
            self.problem(o.model.id, f"{o.id} stops with an error under {fault.model.id}: {why}")
        if message is not None:
            wrong.died(o, message)
        cell = Cell(str(fault.model.id), o.id, message is not None, named, message or "", time.monotonic() - begin)
        self.matrix.cells[cell.fault, o.id] = cell
        if self.tell is not None:
            self.tell(self.event(wrong, cell, cases))

    def event(self, wrong: Injected, cell: Cell, cases: int) -> FaultTried:
        patch = wrong.fault.model.patch
        target = str(patch.target) if patch else ""
        return FaultTried(
            contract=self.contract.name,
            fault=cell.fault,
            obligation=cell.obligation,
            killed=cell.killed,
            expected=cell.named,
            title=str(wrong.fault.model.title),
            binding=wrong.kernel.binding,
            dtype=wrong.kernel.dtype,
            cases=cases,
            kernel=target,
            kernel_hash=kernel_hash(target) if target else "",
            rules=rules_hash(),
            contract_hash=fault_hash(self.contract.model, cell.fault, cell.obligation, self.library.contracts),
            seconds=round(cell.seconds, 3),
            message=cell.message[:200],
        )

    def problem(self, written: Text, words: str) -> None:
        """What is wrong, after file:line:column of what it is about."""
        self.matrix.problems.append(_at(written, words))


def _at(written: Text, words: str) -> str:
    return f"{written.position}: {words}"
