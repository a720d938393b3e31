"""A statement over the reals: variables, assumptions, axioms, lemmas and claims, as a harness writes them down."""

from __future__ import annotations

import difflib
import re
from fractions import Fraction

from .axioms import AXIOMS, arguments_of
from .terms import Condition, Operand, Table, Term, all_of, both, condition, over, term, variable, walk

_INTERVAL = re.compile(r"\s*(?:in\s+)?([\[(])\s*([^,\s]+)\s*,\s*([^,\s]+)\s*([\])])\s*")


class RealProblem:
    """What a harness of engine z3 fills in. Assumptions come before claims; at least one claim is needed."""

    def __init__(self) -> None:
        self.variables: dict[str, Term] = {}
        self.assumptions: list[tuple[str, Term]] = []
        self.axioms: dict[str, list[tuple[Term, ...]]] = {}  # name -> explicit places; none: wherever it applies
        self.lemmas: list[Term] = []
        self.claims: list[Term] = []

    def real(self, name: str, within: str = "") -> Term:
        """A real variable; `within` is an interval such as "[0, 1)"."""
        return self._variable(name, "real", within)

    def reals(self, name: str, *dims: int, within: str = "") -> Table:
        """An array of real variables, `name[0, 0]` and so on."""
        return self._variables(name, dims, "real", within)

    def integer(self, name: str, within: str = "") -> Term:
        """A variable whose value is a whole number."""
        return self._variable(name, "int", within)

    def integers(self, name: str, *dims: int, within: str = "") -> Table:
        """An array of variables whose values are whole numbers."""
        return self._variables(name, dims, "int", within)

    def table(self, name: str, *dims: int) -> Table:
        """An empty array, to be written element by element."""
        return Table(name, *dims)

    def assume(self, *conditions: Condition) -> None:
        """Conditions on the variables. Nothing is claimed where they do not hold."""
        for one in conditions:
            self._assume(condition(one))

    def assume_in(self, what: Term | Table, interval: str) -> None:
        """Every element lies in the interval: "[0, 1)", "(0, inf)"."""
        low, high, closed_low, closed_high = _interval(interval)
        parts: list[Term] = []
        for x in what if isinstance(what, Table) else (what,):
            if low is not None:
                parts.append(x >= low if closed_low else x > low)
            if high is not None:
                parts.append(x <= high if closed_high else x < high)
        name = what.name if isinstance(what, Table) else str(what)
        if parts:
            self._assume(all_of(parts), f"{name} in {interval.strip().removeprefix('in ').strip()}")

    def axiom(self, name: str, *at: Operand) -> None:
        """Permit the named axiom: wherever its function occurs, and also at the terms `at` where those are given."""
        if name not in AXIOMS:
            near = difflib.get_close_matches(name, AXIOMS, n=1)
            hint = f"; did you mean {near[0]}?" if near else f"; known: {', '.join(AXIOMS)}"
            raise ValueError(f"unknown axiom {name!r}{hint}")
        if at and len(at) != AXIOMS[name].arity:
            raise ValueError(f"axiom {name} is stated at {AXIOMS[name].arity} terms, not at {len(at)}")
        places = self.axioms.setdefault(name, [])
        if at:
            places.append(tuple(term(x) for x in at))

    def lemma(self, one: Condition) -> None:
        """A step on the way: proved first, and then available to what follows."""
        self.lemmas.append(condition(one))

    def claim(self, *conditions: Condition) -> None:
        """What is to be proved."""
        for one in conditions:
            this = condition(one)
            if not any(node.op in ("var", "int") for node in walk([this])):
                raise ValueError(f"the claim `{this}` does not depend on any variable, so there is nothing to prove")
            self.claims.append(this)

    def instances(self) -> dict[str, list[Term]]:
        """The axioms at the places where they apply. An axiom that applies nowhere has no instance."""
        roots = [c for _, c in self.assumptions] + self.lemmas + self.claims
        found: dict[Term, str] = {}
        # Axioms about pairs of places first: exp(s) = exp(t) exp(s - t) makes a place that exp_positive must see.
        for paired in (True, False):
            nodes = list(walk([*roots, *found]))
            for name, places in self.axioms.items():
                axiom = AXIOMS[name]
                if (axiom.arity == 2) is not paired:
                    continue
                arguments = arguments_of(axiom.function, nodes)
                for where in ([arguments] if arguments else []) + [list(place) for place in places]:
                    for instance in axiom.instances(where):
                        found.setdefault(instance, name)
        result: dict[str, list[Term]] = {name: [] for name in self.axioms}
        for instance, name in found.items():
            result[name].append(instance)
        return result

    def _variable(self, name: str, kind: str, within: str) -> Term:
        if name in self.variables:
            raise ValueError(f"variable {name!r} is declared twice")
        made = self.variables[name] = variable(name, kind)
        if within:
            self.assume_in(made, within)
        return made

    def _variables(self, name: str, dims: tuple[int, ...], kind: str, within: str) -> Table:
        made = Table(name, *dims)
        for at in over(*dims):
            index = at if isinstance(at, tuple) else (at,)
            made[index] = self._variable(f"{name}[{', '.join(map(str, index))}]", kind, "")
        if within:
            self.assume_in(made, within)
        return made

    def _assume(self, one: Term, text: str = "") -> None:
        if self.claims or self.lemmas:
            raise ValueError(f"assumption `{text or one}` comes after a lemma or claim; state assumptions first")
        self.assumptions.append((text or str(one), one))


def _interval(text: str) -> tuple[Fraction | None, Fraction | None, bool, bool]:
    match = _INTERVAL.fullmatch(text)
    if match is None:
        raise ValueError(f"expected an interval such as '[0, 1)', got {text!r}")
    left, low, high, right = match.groups()
    return _bound(low, "-inf", text), _bound(high, "inf", text), left == "[", right == "]"


def _bound(number: str, infinite: str, text: str) -> Fraction | None:
    if number == infinite:
        return None
    try:
        return Fraction(number)
    except ValueError:
        raise ValueError(f"{number!r} is not a number, in the interval {text!r}") from None


def domain_of(node: Term, memo: dict[Term, Term] | None = None) -> Term:
    """The condition under which every quotient and function inside `node` is defined where its value is used."""
    memo = {} if memo is None else memo
    for inner in walk([node]):
        memo[inner] = _domain(inner, memo)
    return memo[node]


def _domain(node: Term, memo: dict[Term, Term]) -> Term:
    inside = [memo[a] for a in node.args]
    match node.op:
        case "where":
            when = node.args[0]
            guarded = both(~when | inside[1], when | inside[2])
            return both(inside[0], guarded)
        case "and":
            return both(inside[0], ~node.args[0] | inside[1])
        case "or":
            return both(inside[0], node.args[0] | inside[1])
        case "div":
            divisor = node.args[1]
            return both(*inside, True if divisor.op == "const" else divisor != 0)
        case "log":
            return both(*inside, node.args[0] > 0)
        case "sqrt":
            return both(*inside, node.args[0] >= 0)
        case "nothing":
            return condition(False)
    return both(*inside)
