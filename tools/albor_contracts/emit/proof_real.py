"""Engine z3: variables, assumptions, axioms, the law unrolled, claims."""

from __future__ import annotations

from collections.abc import Sequence

from ..lang import tree
from ..lang.scope import Scope
from ..lang.syntax import parse_expression
from ..lang.to_z3 import TERM, RealEmitter
from ..lang.types import Type, parse_domain
from ..lang.unroll import CannotExpress, conjuncts, exact_value, integer_value, unparse
from .proof import HOLDS, Body, ProofOf, names_in_tree, sides_of


class RealProof(ProofOf):
    """A law about the mathematics: a kernel and its definition are the same."""

    most_elements = 256

    def emit(self) -> tuple[Body, str]:
        self.parameters = ["problem: RealProblem"]
        body = Body()
        permuted = [n for n, _, d in self.inputs() if d.startswith("permutation")]
        owner = self.module.contract
        emitter = RealEmitter(self.scope, self.names, lambda call: self.module.real_function(owner, call), permuted)
        mentioned = self.mentioned(self.sizes)
        if mentioned:
            body.assumed.append(f"{', '.join(map(self.names, mentioned))} = {', '.join(map(str, mentioned.values()))}")
        domains: list[str] = []
        for name, type_, text in self.inputs():
            if name not in permuted:
                self.elements(name, type_)
                body.assumed += self._variable(name, type_, text, emitter, domains)
        body.assumed += domains
        for node, scope in self.conditions:
            if integer_value(node, self.sizes) is None:
                body.assumed += self._real_lines(node, scope, emitter, "assume")
        prepared = {t for s in self.statements for t in s.targets}
        late: list[str] = []
        for node, scope in self.extra:
            lines = self._real_lines(node, scope, emitter, "assume")
            (late if names_in_tree(node) & prepared else body.assumed).extend(lines)
        if late and permuted:
            message = "an assumption about prepared values cannot be made for each permutation"
            raise CannotExpress(message, "state it about the inputs")
        body.assumed += [f'problem.axiom("{a}")' for a in self.p.axioms]
        for s in self.statements:
            lines = emitter.statement(s)
            body.work += [*_take(emitter.hoisted), *lines]
        body.work += late
        for part in conjuncts(self.claim):
            body.claims += self._real_lines(part, self.scope, emitter, "claim")
        for name in permuted:
            size = self.scope.values[name].shape or (0,)
            self.module.use("itertools", "permutations")
            loop = f"for {self.names(name)} in permutations(range({emitter.size(size[0])})):"
            body.work = [loop, *(f"    {line}" for line in (*body.work, *body.claims))]
            body.claims = []
        self.module.use_words(emitter.used | {"RealProblem"})
        return body, "None"

    def _real_lines(self, node: tree.Node, scope: Scope, emitter: RealEmitter, verb: str) -> list[str]:
        before, emitter.scope = emitter.scope, scope
        try:
            line = f"problem.{verb}({emitter.text(node)})"
            return [*_take(emitter.hoisted), line]
        finally:
            emitter.scope = before

    def _variable(self, name: str, type_: Type, text: str, emitter: RealEmitter, domains: list[str]) -> list[str]:
        if type_.is_opaque:
            raise CannotExpress(f"the input {name} is a {type_.dtype}", "prove a law about numbers")
        here = self.names(name)
        whole = "integer" if not type_.is_floating else "real"
        dims = [emitter.size(d) for d in type_.shape or ()]
        arguments = ", ".join([f'"{name}"', *dims])
        method = f"{whole}s" if dims else whole
        if type_.dtype == "bool":
            # Conditions are no variables of the solver: a truth value is a whole number that is 0 or 1.
            made = f'problem.{method}({arguments}, within="[0, 1]")'
            if not dims:
                return [f"{here} = {made} == 1"]
            emitter.used.add("over")
            indices = ", ".join(f"at{k}" for k in range(1, len(dims) + 1))
            return [
                f"at_bits = {made}", f'{here} = problem.table("{name}", {", ".join(dims)})',
                f"for {indices} in over({', '.join(dims)}):", f"    {here}[{indices}] = at_bits[{indices}] == 1",
            ]  # fmt: skip
        within = self._within(text, type_)
        if within is None:
            domains += self._real_domain(name, dims, text, emitter)
            within = ""
        return [f"{here} = problem.{method}({arguments}" + (f', within="{within}")' if within else ")")]

    def _within(self, text: str, type_: Type) -> str | None:
        """The domain as one interval of numbers; None where it is more than that."""
        domain = parse_domain(text)
        if domain.values or len(domain.intervals) > 1:
            return None
        if not domain.intervals:
            low, high = HOLDS.get(type_.dtype, ("", ""))
            return f"[{low}, {high})" if low != "" else ""
        interval = domain.intervals[0]
        low_, high_ = (exact_value(b, self.sizes) for b in (interval.low, interval.high))
        if low_ is None or high_ is None:
            return None
        if (low_, high_) == (float("-inf"), float("inf")):
            return ""
        return f"{'(' if interval.low_open else '['}{low_}, {high_}{')' if interval.high_open else ']'}"

    def _real_domain(self, name: str, dims: Sequence[str], text: str, emitter: RealEmitter) -> list[str]:
        domain = parse_domain(text)
        indices = [f"at{k}" for k in range(1, len(dims) + 1)]
        element = f"{self.names(name)}[{', '.join(indices)}]" if dims else self.names(name)
        choices = []
        for interval in domain.intervals:
            parts = [f"{element} {sign} {self._real_bound(bound, emitter)}" for sign, bound in sides_of(interval)]
            if not parts:
                return []
            choices.append(parts[0] if len(parts) == 1 else f"both({', '.join(parts)})")
            emitter.used |= {"both"} if len(parts) > 1 else set()
        choices += [f"{element} == {self._real_bound(v, emitter)}" for v in domain.values]
        emitter.used |= {"either"} if len(choices) > 1 else set()
        claim = choices[0] if len(choices) == 1 else f"either({', '.join(choices)})"
        if not dims:
            return [f"problem.assume({claim})"]
        emitter.used |= {"over", "all_of"}
        return [f"problem.assume(all_of({claim} for {', '.join(indices)} in over({', '.join(dims)})))"]

    def _real_bound(self, text: str, emitter: RealEmitter) -> str:
        node, _ = parse_expression(text)
        return unparse(emitter.exact(node)) if emitter.level(node) < TERM else emitter.text(node)


def _take(lines: list[str]) -> list[str]:
    taken = list(lines)
    lines.clear()
    return taken
