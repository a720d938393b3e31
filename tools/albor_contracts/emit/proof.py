"""What a proof is about, before any engine: the claim, the assumptions, the inputs that matter, the sizes."""

from __future__ import annotations

import itertools
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from .. import prove
from ..checked import CheckedContract, CheckedObligation
from ..errors import problem
from ..lang import tree
from ..lang.check import check_expression
from ..lang.dims import Dims, Poly
from ..lang.scope import Scope
from ..lang.syntax import parse_expression
from ..lang.types import DimRange, Interval, Type, names_in, parse_dim, parse_domain
from ..lang.unroll import CannotExpress, fixed_sizes, integer_value, same_tree
from ..model import Proof
from ..suggest import did_you_mean

if TYPE_CHECKING:
    from .harness import Harness

# Values a dtype can hold, where a domain does not say.
HOLDS = {"u8": (0, 2**8), "i8": (-(2**7), 2**7), "i32": (-(2**31), 2**31), "i64": (-(2**63), 2**63)}


class Body:
    """The three parts of a proof's function."""

    def __init__(self) -> None:
        self.assumed: list[str] = []
        self.work: list[str] = []
        self.claims: list[str] = []


class ProofOf(ABC):
    """One obligation on its way into one of the three forms: what the engines have in common."""

    most_elements = 0

    def __init__(self, module: Harness, o: CheckedObligation, p: Proof, sizes: Mapping[str, int]) -> None:
        self.module = module
        self.o = o
        self.p = p
        self.sizes = sizes
        self.names = module.locals
        self.parameters: list[str] = []
        # What the proof adds to the law is about these sizes: x[1] is there when N is 2.
        known = Dims({d: Poly.number(n) for d, n in sizes.items()}, {}, ())
        self.scope = replace(copy_of(o.law.scope), dims=known)
        self.statements = o.law.statements
        self.claim = self._claim()
        # Assumptions have indices of their own, which may range over something else than in the law.
        self.conditions = [self._condition(text) for text in o.law.space.assume]
        self.extra = [self._condition(text, prepared=True) for text in p.assume]
        self.used = self._used()
        if (p.engine == "z3" or p.target is None) and p.claim is None:
            self._not_a_tautology()

    def _claim(self) -> tree.Node:
        if self.p.claim is not None:
            node, source = parse_expression(self.p.claim)
            if check_expression(node, source, self.scope) != "bool":
                raise source.error("E426", "a claim is true or false; this is a number", node.place)
            return node
        if self.o.law.check is None:
            message = f"an obligation of type {self.o.model.type} is an action and has no check"
            raise CannotExpress(message, "state what is proved: prove.claim")
        return self.o.law.check

    def _condition(self, text: str, prepared: bool = False) -> tuple[tree.Node, Scope]:
        scope = copy_of(self.scope)
        if not prepared:
            scope.values = {n: t for n, (t, _) in self.o.law.space.inputs.items()}
            scope.indices = {}
        node, source = parse_expression(text)
        if check_expression(node, source, scope) != "bool":
            raise source.error("E426", "an assumption is a condition", node.place)
        return node, scope

    def _used(self) -> set[str]:
        """Names of inputs that matter to the law: unused ones would only be in the solver's way."""
        roots = [*self.statements, self.claim, *(n for n, _ in (*self.conditions, *self.extra))]
        names = set().union(*map(names_in_tree, roots))
        while True:
            bounds = {
                word
                for name, (_, text) in self.o.law.space.inputs.items()
                if name in names and not text.startswith("permutation")
                for bound in bounds_of(text)
                for word in names_in(bound)
            }
            if bounds <= names:
                return names
            names |= bounds

    def inputs(self) -> list[tuple[str, Type, str]]:
        return [(n, t, d) for n, (t, d) in self.o.law.space.inputs.items() if n in self.used]

    def mentioned(self, sizes: Mapping[str, int]) -> dict[str, int]:
        """The sizes that say something about this proof."""
        if self.p.engine == "ieee":
            return {}
        prepared = {t for s in self.statements for t in s.targets}
        shapes = [t.shape or () for n, t in self.scope.values.items() if n in self.used | prepared]
        scopes = [self.scope, *(scope for _, scope in (*self.conditions, *self.extra))]
        texts = [str(i.range) for scope in scopes for i in scope.indices.values()]
        texts += [str(d) for shape in shapes for d in shape]
        dims = self.used | {word for text in texts for word in names_in(text)}
        return {d: n for d, n in sizes.items() if d in dims}

    def _not_a_tautology(self) -> None:
        calls = [n for r in (*self.statements, self.claim) for n in tree.walk(r) if isinstance(n, tree.Call)]
        for a in calls:
            twins = [b for b in calls if b.spec and b.equation == a.equation and same_tree(a.arguments, b.arguments)]
            if twins and not a.spec:
                raise CannotExpress(
                    f"here the kernel {a.equation} is its definition, and comparing them proves nothing",
                    "state another claim, or a target with an engine that runs what ships", "E324",
                )  # fmt: skip

    def elements(self, name: str, type_: Type) -> list[tuple[int, ...]]:
        """The places of an array at the fixed sizes."""
        sizes = [self.sizes[d] if isinstance(d, str) else d for d in type_.shape or ()]
        if math.prod(sizes) > self.most_elements:
            message = f"{name} has more than {self.most_elements} elements at these sizes"
            raise CannotExpress(message, "fix smaller sizes: prove.dims", "E322")
        return list(itertools.product(*map(range, sizes)))

    @abstractmethod
    def emit(self) -> tuple[Body, str]:
        """The function's body, and what it returns. Fills `parameters`."""


# Sizes and axioms


def sizes_of(contract: CheckedContract, o: CheckedObligation, p: Proof) -> tuple[dict[str, int], list[str]]:
    dims = o.law.space.dims
    fixed: dict[str, int] = {}
    for name, text in p.dims.items():
        if name not in dims:
            hint = did_you_mean(name, dims, f"its dimensions: {', '.join(dims) or 'none'}")
            raise problem("E322", f"{o.id} has no dimension {name!r}", text, hint)
        digits = str(text).strip()
        if not digits.isdigit() or len(digits) > 6:
            hint = "a proof is about one size: dims: {N: 3}"
            raise problem("E322", f"a dimension is fixed to a number, not to {digits!r}", text, hint)
        fixed[name] = int(digits)
        if not any(_permits(r, fixed[name]) for r in _ranges(name, contract, o)):
            hint = "a proof about sizes that never occur says nothing"
            raise problem("E322", f"{name} = {digits} is not in its range {dims[name]}", text, hint)
    sizes, chosen = fixed_sizes(dims, fixed)
    for condition in o.law.space.assume if p.engine != "ieee" else ():
        node, _ = parse_expression(condition)
        if integer_value(node, sizes) == 0:
            shown = ", ".join(f"{d} = {n}" for d, n in sizes.items())
            message = f"the assumption `{' '.join(condition.split())}` does not hold for {shown}"
            raise CannotExpress(message, "fix sizes that meet it: prove.dims", "E322")
    return sizes, chosen


def _ranges(name: str, contract: CheckedContract, o: CheckedObligation) -> list[DimRange | str]:
    """The range of the obligation, which tests may have narrowed, and that of the equation."""
    texts = [o.law.space.dims.get(name), o.equation.space.dims.get(name), contract.model.dims.get(name)]
    return [parse_dim(t) for t in texts if t is not None]


def _permits(range_: DimRange | str, size: int) -> bool:
    if isinstance(range_, str):
        return True  # derived: compared with its value later
    return range_.low <= size <= range_.high and (not range_.choices or size in range_.choices)


def check_axioms(p: Proof) -> None:
    for name in p.axioms:
        if name not in prove.AXIOMS:
            hint = did_you_mean(name, prove.AXIOMS, f"known: {', '.join(prove.AXIOMS)}")
            raise problem("E323", f"there is no axiom {str(name)!r}", name, hint)


# Small things


def copy_of(scope: Scope) -> Scope:
    return replace(scope, values=dict(scope.values), indices=dict(scope.indices))


def names_in_tree(node: tree.Node) -> set[str]:
    """Names of values that occur; those of dimensions and indices too."""
    found = [
        n.id if isinstance(n, tree.Name) else n.array
        for n in tree.walk(node)
        if isinstance(n, tree.Name | tree.Element)
    ]
    return set(found)


def bounds_of(text: str) -> list[str]:
    domain = parse_domain(text)
    return [*domain.values, *(b for i in domain.intervals for b in (i.low, i.high))]


def sides_of(interval: Interval) -> list[tuple[str, str]]:
    """What an element of the interval satisfies: (">=", low), ("<", high), without the infinite ends."""
    sides = []
    if interval.low.replace(" ", "") != "-inf":
        sides.append((">" if interval.low_open else ">=", interval.low))
    if interval.high.replace(" ", "") not in ("inf", "+inf"):
        sides.append(("<" if interval.high_open else "<=", interval.high))
    return sides
