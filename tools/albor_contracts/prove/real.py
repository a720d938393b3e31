"""Engine z3: a statement over the reals.

The functions exp, log, ... become fresh variables, one for each distinct argument, so that what the solver sees is
plain real arithmetic. A proof is then valid for every meaning of these symbols that obeys the axioms; a counterexample
is believed only after `exact.py` has evaluated it with the true functions.
"""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Any, TypeAlias

from .axioms import Polynomial, form, polynomial
from .exact import NotDefined, Point, Unclear, holds, value
from .problem import RealProblem, domain_of
from .terms import COMPARISONS, FUNCTIONS, TRUE, Term, both, walk
from .verdict import PROVED, REFUTED, UNDECIDED, VACUOUS

_SMALL = [
    Fraction(n, d) for n, d in ((0, 1), (1, 1), (-1, 1), (2, 1), (1, 2), (-2, 1), (3, 1), (-1, 2), (1, 3), (5, 1))
]
_Box: TypeAlias = tuple[Fraction | None, Fraction | None]
_SAMPLES = 400
_PINNED = 24


def prove(problem: RealProblem, seconds: float) -> dict[str, Any]:
    """Judge the problem. Returns the fields of a verdict that the engine decides."""
    if not problem.claims:
        return {"status": UNDECIDED, "reason": "the harness claims nothing"}
    return _Attempt(problem, seconds).verdict()


class _Attempt:
    def __init__(self, problem: RealProblem, seconds: float) -> None:
        self.problem = problem
        self.deadline = time.monotonic() + seconds
        self.seconds = seconds
        self.assumed = [c for _, c in problem.assumptions]
        self.claim = both(*problem.claims)
        self.instances = problem.instances()
        self.axioms = tuple(name for name, at in self.instances.items() if at)
        self.facts = [*self.assumed, *itertools.chain.from_iterable(self.instances.values())]
        self.solver = _Translator(list(problem.variables))
        self.fields: dict[str, Any] = {
            "semantics": "reals" + (f", axioms: {', '.join(self.axioms)}" if self.axioms else ""),
            "axioms": self.axioms,
            "assumptions": tuple(text for text, _ in problem.assumptions),
        }

    def left(self) -> float:
        return self.deadline - time.monotonic()

    def result(self, status: str, **more: Any) -> dict[str, Any]:
        return {**self.fields, "status": status, **more}

    def verdict(self) -> dict[str, Any]:
        failure = self.canary()
        if failure:
            return failure
        steps = [("the claim is defined", domain_of(self.claim))]
        for lemma in self.problem.lemmas:
            steps += [("the lemma is defined", domain_of(lemma)), (f"lemma `{lemma}`", lemma)]
        # The claim's domain may need a lemma, and is needed by nothing before the claim.
        steps = [*steps[1:], steps[0], *((f"`{c}`", c) for c in self.problem.claims)]
        for name, step in steps:
            for goal in _conjuncts(step):
                failure = self.step(name, goal)
                if failure:
                    return failure
                self.facts.append(goal)
        return self.result(PROVED)

    def canary(self) -> dict[str, Any] | None:
        """Show that the assumptions can be met; otherwise the verdict that says they cannot, or are not known to."""
        domain = both(*(domain_of(a) for a in self.assumed))
        constraint = both(domain, *self.assumed)
        answer, model = self.solver.check([constraint], min(self.left(), self.seconds / 4))
        if answer == "unsat":
            return self.result(VACUOUS, reason="no point meets the assumptions")
        if self.axioms:
            known, _ = self.solver.check([constraint, *self.facts], min(self.left(), self.seconds / 4), quick=True)
            if known == "unsat":
                return self.result(VACUOUS, reason="the assumptions contradict the axioms")
        witness = None
        for point in itertools.chain([model] if model else [], self.candidates(constraint)):
            if self.inside(point):
                witness = point
                break
        plain = not any(n.op in FUNCTIONS for n in walk([constraint]))
        if witness is None and not (plain and answer == "sat"):
            return self.result(
                UNDECIDED, reason="no point was found that meets the assumptions, so the proof may be empty"
            )
        seen = _describe(witness) if witness else "an irrational point that z3 constructed"
        self.fields["canary"] = f"the assumptions hold at {seen}" if seen else "there are no variables to constrain"
        return None

    def step(self, name: str, goal: Term) -> dict[str, Any] | None:
        """Prove one goal from the facts; on failure the verdict."""
        if goal is TRUE:
            return None
        answer, model = self.solver.check([*self.facts, ~goal], self.left())
        if answer == "unsat":
            return None
        for point in itertools.chain([model] if model else [], self.candidates(both(*self.assumed, ~goal))):
            broken = self.broken(point)
            if broken:
                return self.result(REFUTED, counterexample=f"{_describe(point)}: {broken}", replayed=True)
        if answer == "sat":
            if self.solver.has_functions([*self.assumed, goal]):
                why = "z3 has a counterexample that may misread exp, log, ...: another axiom may be missing"
            else:
                why = "z3 has a counterexample that could not be replayed exactly"
            return self.result(UNDECIDED, reason=f"{name} is not shown; {why}", counterexample=_describe(model or {}))
        return self.result(UNDECIDED, reason=f"{name} is not shown within {self.seconds:g} s")

    def inside(self, point: Point) -> bool:
        try:
            return all(holds(a, point) is True for a in self.assumed)
        except NotDefined:
            return False

    def broken(self, point: Point) -> str:
        """What is wrong at a point that meets the assumptions; empty where nothing is known to be."""
        if not self.inside(point):
            return ""
        for claim in self.problem.claims:
            try:
                if holds(claim, point) is False:
                    return _failure(claim, point)
            except NotDefined as error:
                return f"the claim is not defined there: {error}"
        return ""

    def candidates(self, constraint: Term) -> Iterator[Point]:
        """Points worth trying where z3's own model does not help: random ones, and models with variables pinned."""
        names = list(self.problem.variables)
        kinds = {name: v.op for name, v in self.problem.variables.items()}
        boxes = _boxes(self.assumed)
        draw = random.Random(0)
        until = time.monotonic() + max(0.5, min(self.left(), self.seconds / 4))
        for index in range(_SAMPLES):
            if time.monotonic() > until:
                return
            simple = index < _SAMPLES // 2
            yield {name: _draw(draw, kinds[name], boxes.get(name), simple) for name in names}
        for _ in range(_PINNED):
            if time.monotonic() > until:
                return
            pins = [
                self.problem.variables[name] == _draw(draw, kinds[name], boxes.get(name))
                for name in names
                if draw.random() < 0.7
            ]
            _, model = self.solver.check([constraint, *pins], 0.3, quick=True)
            if model:
                yield model


class _Translator:
    """Terms as z3 expressions. Functions of equal arguments share a variable."""

    def __init__(self, variables: Sequence[str]) -> None:
        import z3

        self.z3 = z3
        self.variables = variables
        self.memo: dict[Term, Any] = {}
        self.symbols: dict[tuple[str, Polynomial], Any] = {}
        self.names: dict[str, Any] = {}

    def has_functions(self, nodes: Sequence[Term]) -> bool:
        return any(n.op in FUNCTIONS for n in walk(nodes))

    def check(self, conditions: Sequence[Term], seconds: float, quick: bool = False) -> tuple[str, dict[str, Fraction]]:
        """sat with a model, unsat, or unknown. The model is empty where it is not needed or not rational enough."""
        expressions = [self.translate(c) for c in conditions]
        expressions += self.congruences(conditions)
        integral = any(n.op in ("int", "floor") for n in walk(conditions))
        until = time.monotonic() + seconds
        share = [1.0] if quick or integral else [0.15, 0.6, 1.0]
        for attempt, part in enumerate(share):
            budget = (until - time.monotonic()) * part
            if budget <= 0:
                break
            # z3's general solver is fast on easy goals; nlsat is complete for polynomials, and slow to start.
            solver = self.z3.Tactic("qfnra-nlsat").solver() if attempt == 1 else self.z3.Solver()
            solver.set("timeout", max(1, int(budget * 1000)))
            solver.add(*expressions)
            try:
                answer = str(solver.check())
            except self.z3.Z3Exception:
                continue
            if answer == "sat":
                return answer, self.point(solver.model())
            if answer == "unsat":
                return answer, {}
        return "unknown", {}

    def point(self, model: Any) -> dict[str, Fraction]:
        # A variable the solver has not met is free, and one of its values is 0.
        result = dict.fromkeys(self.variables, Fraction(0))
        for name, symbol in self.names.items():
            number = model.eval(symbol, model_completion=True)
            if self.z3.is_algebraic_value(number):
                number = number.approx(40)
            if not (self.z3.is_rational_value(number) or self.z3.is_int_value(number)):
                return {}
            result[name] = Fraction(number.as_string())
        return result

    def congruences(self, conditions: Sequence[Term]) -> list[Any]:
        """Equal arguments have equal values, for arguments that are not visibly different."""
        by_function: dict[str, dict[Polynomial, Term]] = {}
        for node in walk(conditions):
            if node.op in FUNCTIONS:
                by_function.setdefault(node.op, {}).setdefault(form(node.args[0]), node)
        result = []
        for nodes in by_function.values():
            for a, b in itertools.combinations(nodes.values(), 2):
                difference = polynomial(a.args[0] - b.args[0])
                if set(difference) == {()}:
                    continue  # they differ by a constant
                same = self.translate(a.args[0]) == self.translate(b.args[0])
                result.append(self.z3.Implies(same, self.translate(a) == self.translate(b)))
        return result

    def translate(self, node: Term) -> Any:
        for inner in walk([node]):
            if inner not in self.memo:
                self.memo[inner] = self._translate(inner)
        return self.memo[node]

    def _translate(self, node: Term) -> Any:
        z3 = self.z3
        args = [self.memo[a] for a in node.args]
        match node.op:
            case "true":
                return z3.BoolVal(node.value)
            case "const":
                return z3.RealVal(str(node.value))
            case "var":
                return self.names.setdefault(node.value, z3.Real(node.value))
            case "int":
                return z3.ToReal(self.names.setdefault(node.value, z3.Int(node.value)))
            case "nothing":
                return z3.FreshReal("nothing")
            case "add":
                return args[0] + args[1]
            case "mul":
                return args[0] * args[1]
            case "div":
                return args[0] / args[1]
            case "lt":
                return args[0] < args[1]
            case "le":
                return args[0] <= args[1]
            case "eq":
                return args[0] == args[1]
            case "not":
                return z3.Not(args[0])
            case "and":
                return z3.And(args[0], args[1])
            case "or":
                return z3.Or(args[0], args[1])
            case "where":
                return z3.If(args[0], args[1], args[2])
            case "floor":
                return z3.ToReal(z3.ToInt(args[0]))
        key = (node.op, form(node.args[0]))
        if key not in self.symbols:
            self.symbols[key] = z3.FreshReal(node.op)
        return self.symbols[key]


def _conjuncts(node: Term) -> list[Term]:
    if node.op == "and":
        return [*_conjuncts(node.args[0]), *_conjuncts(node.args[1])]
    return [node]


def _draw(draw: random.Random, kind: str, box: _Box | None, simple: bool = False) -> Fraction:
    low, high = box or (None, None)
    if kind == "var" and low is not None and high is not None and not (simple and low < -1 and high > 1):
        return low + (high - low) * Fraction(draw.randrange(0, 17), 16)
    drawn = (
        draw.choice(_SMALL)
        if simple or draw.random() < 0.7
        else Fraction(draw.randrange(-40, 41), draw.choice((1, 2, 4)))
    )
    if low is not None and drawn < low:
        drawn = low + abs(drawn)
    if high is not None and drawn > high:
        drawn = high - abs(drawn)
    return Fraction(round(drawn)) if kind == "int" else drawn


def _boxes(conditions: Sequence[Term]) -> dict[str, _Box]:
    """Bounds on single variables, read off the assumptions: only a hint where to look."""
    boxes: dict[str, _Box] = {}
    for node in itertools.chain.from_iterable(map(_conjuncts, conditions)):
        if node.op not in ("lt", "le"):
            continue
        left, right = node.args
        if left.op in ("var", "int") and right.op == "const":
            boxes[left.value] = (boxes.get(left.value, (None, None))[0], right.value)
        elif right.op in ("var", "int") and left.op == "const":
            boxes[right.value] = (left.value, boxes.get(right.value, (None, None))[1])
    return boxes


def _describe(point: Point) -> str:
    return ", ".join(f"{name} = {_short(number)}" for name, number in point.items())


def _short(number: Fraction) -> str:
    return str(number) if len(str(number)) <= 24 else f"{float(number):.17g}"


def _failure(claim: Term, point: Point) -> str:
    """The first part of the claim that fails there, with both sides evaluated."""
    for part in _conjuncts(claim):
        if holds(part, point) is not False:
            continue
        bare, negated = (part.args[0], True) if part.op == "not" else (part, False)
        if bare.op in COMPARISONS:
            try:
                left, right = (value(side, point) for side in bare.args)
            except (NotDefined, Unclear):
                break
            sign = {"lt": "<", "le": "<=", "eq": "=="}[bare.op]
            return f"left side {left}, right side {right}, but {'not ' if negated else ''}left {sign} right is claimed"
    return "the claim is false there"
