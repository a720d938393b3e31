"""The kill matrix: every fault against every obligation it could reach."""

from __future__ import annotations

import builtins
import contextlib
import importlib.util
import re
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

from hypothesis import Phase, settings

from ..bindings import bind
from ..checked import CheckedContract, CheckedFault, CheckedObligation
from ..errors import ContractError, Diagnostic, Text, problem
from ..events import FaultTried
from ..evidence.hashing import fault_hash, kernel_hash
from ..evidence.rules import rules_hash
from ..library import Library
from ..run.elsewhere import Elsewhere, Planted
from ..runtime.kernel import Kernel
from ..runtime.missing import NotOffered
from ..runtime.session import ObligationFailed, session
from ..verify.plan import current_modules
from .wrong import definition_kernel, planted, wrong_kernel

CASES = 60  # for the obligations a fault names
OTHER_CASES = 8  # for obligations that no fault names, and for the rest of a full matrix


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


def load_generated(path: Path) -> ModuleType:
    """A generated test module."""
    name = f"_albor_{path.parent.name}_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def tests_of(module: ModuleType) -> dict[str, Any]:
    """Obligation id -> test function, falsification tests included."""
    return {v.obligation: v for v in vars(module).values() if hasattr(v, "obligation")}


@contextlib.contextmanager
def few_cases(count: int = CASES) -> Iterator[None]:
    """Fixed cases, no shrinking: enough to see whether something fails."""
    saved = session.override
    session.override = settings(
        session.settings(),
        max_examples=count,
        derandomize=True,
        phases=(Phase.explicit, Phase.generate),
        report_multiple_bugs=False,
    )
    try:
        yield
    finally:
        session.override = saved


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
    module = load_generated(current_modules(library, [contract.name])[contract.name])
    tests = tests_of(module)
    obligations = {o.id: o for o in contract.obligations}
    chosen = [f for f in contract.faults if only is None or str(f.model.id) in set(only)]
    matrix = Matrix(contract.name, tuple(str(f.model.id) for f in chosen), tuple(obligations))
    with few_cases():
        control = definition_kernel("definition", module.spec.functions, module.spec, "f32")
        for o in contract.obligations:
            # A control: a kernel that computes the definition must pass, or a kill proves nothing.
            if o.calls() <= set(module.spec.functions) and not _about_code(o):
                stopped: list[str] = []
                died = _dies(tests[o.id], control, stopped) or next(iter(stopped), None)
                if died is not None:
                    matrix.problems.append(_at(o.model.id, f"{o.id} rejects its own definition: {died}"))
        for fault in chosen:
            _try(contract, fault, module, tests, obligations, matrix, library, tell, full or only is not None)
    if only is None:
        killers = {c.obligation for c in matrix.cells.values() if c.killed}
        idle = [o for o in contract.obligations if o.id not in killers]
        matrix.problems += [_at(o.model.id, f"{o.id} kills no fault") for o in idle]
        if not chosen:
            matrix.problems.append(_at(contract.model.metadata.title, "the contract names no fault"))
    return matrix


def _try(
    contract: CheckedContract,
    fault: CheckedFault,
    module: ModuleType,
    tests: Mapping[str, Any],
    obligations: Mapping[str, CheckedObligation],
    matrix: Matrix,
    library: Library,
    tell: Callable[[FaultTried], None] | None,
    full: bool,
) -> None:
    identifier = str(fault.model.id)
    named = set(map(str, fault.model.killed_by))
    # Those that a fault names prove themselves there; only the rest must be looked after here.
    proved = {str(k) for f in contract.faults for k in f.model.killed_by}
    proved |= {c.obligation for c in matrix.cells.values() if c.killed}
    try:
        with _injected(contract, fault, module, library.root) as (kernel, changed):
            died = False
            raised: dict[str, str] = {}  # equation -> what its kernel raised
            for o in sorted(obligations.values(), key=lambda o: o.id not in named):
                if died and not full and o.id not in named and o.id in proved:
                    continue
                if not (changed is None or o.calls() & changed) or not o.calls() <= set(kernel.targets):
                    continue
                if changed is not None and _about_code(o):
                    continue
                begin = time.monotonic()
                cases = CASES if o.id in named else OTHER_CASES
                stopped: list[str] = []
                with few_cases(cases):
                    message = _dies(tests[o.id], kernel, stopped)
                for why in stopped:
                    matrix.problems.append(_at(o.model.id, f"{o.id} stops with an error under {identifier}: {why}"))
                if fault.model.patch is not None and message is not None:
                    _refuse_broken(fault.model.patch.target, message)
                    if _slipped(message) and str(o.model.type) != "rejection" and _reaches(fault, kernel):
                        raised.setdefault(kernel.called, message)
                cell = Cell(
                    identifier, o.id, message is not None, o.id in named, message or "", time.monotonic() - begin
                )
                matrix.cells[identifier, o.id] = cell
                died |= cell.killed
                if tell is not None:
                    target = str(fault.model.patch.target) if fault.model.patch else ""
                    tell(
                        FaultTried(
                            contract=contract.name,
                            fault=identifier,
                            obligation=o.id,
                            killed=cell.killed,
                            expected=cell.named,
                            title=str(fault.model.title),
                            binding=kernel.binding,
                            dtype=kernel.dtype,
                            cases=cases,
                            kernel=target,
                            kernel_hash=kernel_hash(target) if target else "",
                            rules=rules_hash(),
                            contract_hash=fault_hash(contract.model, identifier, o.id, library.contracts),
                            seconds=round(cell.seconds, 3),
                            message=cell.message[:200],
                        )
                    )
            for equation, message in raised.items():
                reaching = (tests[o.id] for o in obligations.values() if equation in o.calls() and not _about_code(o))
                if not _answers(equation, kernel, reaching):
                    _refuse(fault.model.patch.target if fault.model.patch else fault.model.id, message)
            if died and changed is not None and len(changed) == 1:
                killers = sorted(obligations.values(), key=lambda o: not _killed(matrix, identifier, o.id))
                if not _dies_alone(kernel, changed, killers, tests):
                    words = f"{identifier} survives where {next(iter(changed))} is all that a binding has"
                    matrix.problems.append(_at(fault.model.id, f"{words}: {fault.model.title}"))
    except ContractError as error:
        matrix.diagnostics += error.diagnostics
        return
    killed = {o for (f, o), c in matrix.cells.items() if f == identifier and c.killed}
    if not killed:
        matrix.problems.append(_at(fault.model.id, f"{identifier} survives: {fault.model.title}"))
    for missing in sorted(named - killed):
        matrix.problems.append(_at(fault.model.id, f"{identifier} is not killed by {missing}, which it names"))


def _killed(matrix: Matrix, fault: str, obligation: str) -> bool:
    cell = matrix.cells.get((fault, obligation))
    return cell is not None and cell.killed


def _dies_alone(
    kernel: Kernel, changed: set[str], obligations: Iterable[CheckedObligation], tests: Mapping[str, Any]
) -> bool:
    """Whether a wrong kernel is noticed when nothing else is bound: who brings one function brings no others."""
    alone = replace(kernel, targets={e: kernel.targets[e] for e in changed})
    for o in obligations:
        if o.calls() & changed and not _about_code(o):
            with few_cases():
                if _dies(tests[o.id], alone) is not None:
                    return True
    return False


def _at(written: Text, words: str) -> str:
    """The words, after file:line:column of what they are about."""
    return f"{written.position}: {words}"


@contextlib.contextmanager
def _injected(
    contract: CheckedContract, fault: CheckedFault, module: ModuleType, root: Path
) -> Iterator[tuple[Kernel, set[str] | None]]:
    """The wrong kernel, and the equations it changes (None: any)."""
    if fault.model.patch is None:
        yield wrong_kernel(contract, fault, module.spec), set(fault.defines)
        return
    patch = fault.model.patch
    binding = "impl" if str(patch.target).startswith("albor_impl") else "reference"
    change = str(patch.target), str(patch.find), str(patch.put)
    with planted(patch.target, *change[1:]), _elsewhere(change):
        bound = bind(binding, contract.name, module.spec.signatures, root)
        if bound is None:
            raise ContractError(
                Diagnostic("E503", f"the binding {binding} has no kernel of {contract.name}", patch.target.position)
            )
        dtype = str(fault.model.dtype or ("f64" if binding == "reference" else "f32"))
        yield bound.kernels(module.spec, "cpu", (dtype,))[0], None


@contextlib.contextmanager
def _elsewhere(change: Planted) -> Iterator[None]:
    """While active, calls in another process meet the same change of the source."""
    saved, session.elsewhere = session.elsewhere, partial(Elsewhere, [change])
    try:
        yield
    finally:
        session.elsewhere = saved


# What a changed source raises that lacks a name: it would fall under any law, and prove nothing about this one.
_NAMELESS = "NameError|UnboundLocalError|AttributeError|ImportError|ModuleNotFoundError"
_BROKEN = re.compile(rf"\b(?:raised|got) ((?:{_NAMELESS}): .*)")


def _refuse_broken(target: Text, message: str) -> None:
    """Raises `ContractError` where a kernel was rejected because its changed source cannot run."""
    if found := _BROKEN.search(message):
        raise problem(
            "E512", f"the changed source of {target} does not run: {found[1]}", target,
            "the names of its module can be used; a fault that stops for want of a name proves nothing",
        )  # fmt: skip


def _slipped(message: str) -> bool:
    """Whether a kernel was rejected for an error that nobody raises on purpose: of Python's own, but for ValueError,
    or of a compiler."""
    found = re.search(r"\braised (\w+): ", message)
    return found is not None and found[1] != "ValueError" and (hasattr(builtins, found[1]) or "Compil" in found[1])


def _reaches(fault: CheckedFault, kernel: Kernel) -> bool:
    """Whether a changed source may be what the last call raised: it is the kernel's own, or no kernel's."""
    assert fault.model.patch is not None
    target = str(fault.model.patch.target)
    return kernel.targets[kernel.called].name == target or target not in {t.name for t in kernel.targets.values()}


def _refuse(target: Text, message: str) -> NoReturn:
    raise problem(
        "E512", f"the changed source of {target} does not run, it has answered no call at all: {message}", target,
        "what answers no call falls under any obligation, and proves nothing",
    )  # fmt: skip


def _answers(equation: str, kernel: Kernel, tests: Iterable[Any]) -> bool:
    """Whether the kernel of an equation has returned anything, or does under one of these laws."""
    for test in tests:
        if equation in kernel.answered:
            break
        with few_cases(OTHER_CASES):
            _dies(test, kernel)
    return equation in kernel.answered


def _about_code(o: CheckedObligation) -> bool:
    """Whether a law is about a program, not a formula: a definition says nothing on bad inputs or on launches."""
    return str(o.model.type) in ("rejection", "resource", "dispatch")


def _dies(test: Any, kernel: Kernel, stopped: list[str] | None = None) -> str | None:
    """The first line of the failure, or None when the test passes or does not apply, or stops: why goes into
    `stopped`."""
    import _pytest.outcomes

    try:
        test(kernel)
    except ObligationFailed as failed:
        message = failed.failure.message.split("\n")[0]
        if failed.failure.traceback:  # the law ended in an error of its own: it has not noticed anything
            if stopped is not None:
                stopped.append(message)
            return None
        return message
    except (NotOffered, _pytest.outcomes.Skipped):
        return None
    return None
