"""Contracts with their mathematics parsed: one immutable tree for each expression."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ..actions import Action
from ..lang import tree
from ..lang.check import Step
from ..lang.dims import Dims
from ..lang.scope import Scope
from ..lang.signature import Signature
from ..lang.syntax import Source
from ..lang.types import Domain, Type, parse_dim
from ..model import Contract, Equation, FalsificationTest, Fault, Obligation


@dataclass(frozen=True)
class Space:
    """Sizes and inputs to draw: dimension texts, and `name -> (type, domain)` in drawing order."""

    dims: Mapping[str, str]
    inputs: Mapping[str, tuple[Type, str]]
    assume: tuple[str, ...]

    @property
    def derived(self) -> dict[str, str]:
        return {d: text for d, text in self.dims.items() if isinstance(parse_dim(text), str)}


@dataclass(frozen=True)
class Block:
    """Checked statements, and the scope that resulted."""

    statements: tuple[tree.Statement, ...]
    scope: Scope
    source: Source
    steps: tuple[Step, ...] = field(default=(), compare=False, repr=False)


@dataclass(frozen=True)
class CheckedEquation:
    name: str
    model: Equation
    signature: Signature
    space: Space
    dims: Dims
    domains: Mapping[str, Domain]
    define: Block | None


@dataclass(frozen=True)
class Law:
    """A claim in index notation: statements, then conditions that must all hold, or an action."""

    space: Space
    statements: tuple[tree.Statement, ...]
    check: tree.Node | None
    scope: Scope
    action: Action | None = None
    sizes: Mapping[str, int] = field(default_factory=dict)  # of a falsification test: dimensions no shape shows

    @property
    def trees(self) -> tuple[tree.Node, ...]:
        """Everything in it that is evaluated."""
        check = () if self.check is None else (self.check,)
        return (*self.statements, *check, *(() if self.action is None else self.action.trees))

    @property
    def calls(self) -> set[str]:
        """Equations whose kernels it calls by name."""
        return {n.equation for t in self.trees for n in tree.walk(t) if isinstance(n, tree.Call) and not n.spec}


@dataclass(frozen=True)
class CheckedObligation:
    model: Obligation
    equation: CheckedEquation
    law: Law

    @property
    def id(self) -> str:
        return str(self.model.id)

    def calls(self) -> set[str]:
        """Equations whose kernels the obligation runs."""
        found = self.law.calls
        if str(self.model.type) in ("gradient", "independence") or not found:
            found.add(self.equation.name)
        return found


@dataclass(frozen=True)
class CheckedFault:
    model: Fault
    defines: Mapping[str, Block]


@dataclass(frozen=True)
class CheckedContract:
    model: Contract
    equations: Mapping[str, CheckedEquation]
    obligations: tuple[CheckedObligation, ...]
    tests: tuple[tuple[FalsificationTest, Law], ...]
    faults: tuple[CheckedFault, ...]
    imports: Mapping[str, str] = field(default_factory=dict)  # equations of other contracts: name -> contract

    @property
    def name(self) -> str:
        return self.model.name
