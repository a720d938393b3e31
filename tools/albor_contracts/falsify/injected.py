"""Faults as kernels: a wrong definition, or a change of the source while it lasts; and what their deaths prove."""

from __future__ import annotations

import builtins
import contextlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

from ..bindings import bind
from ..checked import CheckedContract, CheckedFault, CheckedObligation
from ..errors import ContractError, Diagnostic, Text, problem
from ..run.elsewhere import Elsewhere, Planted
from ..runtime.kernel import Kernel
from ..runtime.session import session
from .generated import OTHER_CASES, dies, few_cases
from .wrong import planted, wrong_kernel


def about_code(o: CheckedObligation) -> bool:
    """Whether a law is about a program, not a formula: a definition says nothing on bad inputs or on launches."""
    return str(o.model.type) in ("rejection", "resource", "dispatch")


@dataclass
class Injected:
    """A wrong kernel. `changed` are the equations whose definitions are wrong; None where it is the source."""

    fault: CheckedFault
    kernel: Kernel
    changed: set[str] | None
    raised: dict[str, str] = field(default_factory=dict)  # equation -> what its kernel raised on the way

    def meets(self, o: CheckedObligation) -> bool:
        """Whether an obligation is about what is wrong here."""
        if not o.calls() <= set(self.kernel.targets):
            return False
        return self.changed is None or (bool(o.calls() & self.changed) and not about_code(o))

    def died(self, o: CheckedObligation, message: str) -> None:
        """Look at how it died. Raises `ContractError` where the source lacks a name."""
        if self.fault.model.patch is None:
            return
        target = self.fault.model.patch.target
        _refuse_broken(target, message)
        called = self.kernel.targets.get(self.kernel.called)
        own = called is not None and called.name == str(target)
        helper = str(target) not in {t.name for t in self.kernel.targets.values()}
        if _slipped(message) and str(o.model.type) != "rejection" and (own or helper):
            self.raised.setdefault(self.kernel.called, message)

    def answers(self, tests: Iterable[tuple[CheckedObligation, Any]]) -> None:
        """Raises `ContractError` where a kernel that ended in an error has answered no call under any law."""
        for equation, message in self.raised.items():
            for o, test in tests:
                if equation in self.kernel.answered:
                    break
                if equation in o.calls() and not about_code(o):
                    with few_cases(OTHER_CASES):
                        dies(test, self.kernel)
            if equation not in self.kernel.answered:
                target = self.fault.model.patch.target if self.fault.model.patch else self.fault.model.id
                raise problem(
                    "E512",
                    f"the changed source of {target} does not run, it has answered no call at all: {message}", target,
                    "what answers no call falls under any obligation, and proves nothing",
                )  # fmt: skip

    def dies_alone(self, tests: Iterable[tuple[CheckedObligation, Any]]) -> bool:
        """Whether one wrong definition is noticed where nothing else is bound: who brings one function brings no
        others. Of anything else this is not asked."""
        if self.changed is None or len(self.changed) != 1:
            return True
        alone = replace(self.kernel, targets={e: self.kernel.targets[e] for e in self.changed})
        with few_cases():
            return any(
                dies(test, alone) is not None for o, test in tests if o.calls() & self.changed and not about_code(o)
            )


@contextlib.contextmanager
def injected(contract: CheckedContract, fault: CheckedFault, module: ModuleType, root: Path) -> Iterator[Injected]:
    """The fault as a kernel, for as long as it lasts."""
    if fault.model.patch is None:
        yield Injected(fault, wrong_kernel(contract, fault, module.spec), set(fault.defines))
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
        yield Injected(fault, bound.kernels(module.spec, "cpu", (dtype,))[0], None)


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
