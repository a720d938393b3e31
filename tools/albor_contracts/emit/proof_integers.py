"""Engine crosshair: leading asserts that assume, the law's statements, asserts that claim."""

from __future__ import annotations

import ast
from collections.abc import Sequence

from ..errors import Text
from ..lang import tree
from ..lang.to_loops import LoopEmitter
from ..lang.types import Interval, Type, parse_domain
from ..lang.unroll import CannotExpress, conjuncts, integer_value
from .proof import HOLDS, Body, ProofOf, names_in_tree, sides_of


class IntegerProof(ProofOf):
    """A law about the function that ships, in whole numbers and truth values."""

    most_elements = 16

    def emit(self) -> tuple[Body, str]:
        target = self._target()
        body = Body()
        module = self.module

        def function(call: tree.Call) -> str:
            return module.loop_function(module.contract, call) if call.spec else module.shipped(self.o, target, call)

        emitter = LoopEmitter(self.scope, self.names, function, self.sizes)
        written: dict[str, ast.expr] = {}
        lists: list[str] = []
        for name, type_, text in self.inputs():
            kind = type_.dtype
            if type_.is_opaque or type_.is_floating or text.startswith("permutation"):
                what = "a permutation" if text.startswith("permutation") else f"{type_}"
                hint = "engine crosshair proves laws of int and bool; z3 those of real numbers"
                raise CannotExpress(f"the input {name} is {what}", hint)
            kind = "bool" if kind == "bool" else "int"
            if not type_.shape:
                self.parameters.append(f"{self.names(name)}: {kind}")
                body.assumed += self._integer_domain(self.names(name), type_, text, emitter)
                continue
            elements = self.elements(name, type_)
            scalars = [self._element_name(name, place) for place in elements]
            self.parameters += [f"{s}: {kind}" for s in scalars]
            for s in scalars:
                body.assumed += self._integer_domain(s, type_, text, emitter)
            listed = _nested(scalars, [self.sizes[d] if isinstance(d, str) else d for d in type_.shape])
            written[name] = ast.parse(listed, mode="eval").body
            lists.append(f"{self.names(name)} = {listed}")
        if not self.parameters:
            raise CannotExpress("the law has no input, so there is nothing to quantify over")
        # No list has been made where assumptions stand, so that they spell its elements out.
        emitter.written = written
        prepared = {t for s in self.statements for t in s.targets}
        for node, scope in (*self.conditions, *self.extra):
            if names_in_tree(node) & prepared:
                raise CannotExpress("an assumption comes before the law's statements", "state it about the inputs")
            if integer_value(node, self.sizes) is None:
                emitter.scope = scope
                body.assumed.append(f"assert {emitter.text(node)}")
        emitter.scope, emitter.written = self.scope, {}
        body.assumed = body.assumed or ["assert True"]
        body.work = [*lists, *(emitter.statement(s) for s in self.statements)] or ["pass"]
        body.claims = [f"assert {emitter.text(part)}" for part in conjuncts(self.claim)]
        module.loop_helpers(emitter)
        return body, "None"

    def _target(self) -> Text:
        if self.p.target is None:
            hint = 'name the function that ships: target: "package.module:function"'
            raise CannotExpress("there is no `target`", hint, "E321")
        return self.p.target

    def _element_name(self, name: str, place: tuple[int, ...]) -> str:
        text = f"{name}{'_'.join(map(str, place))}"
        while text in self.scope.values or text in self.scope.indices or text in self.sizes:
            text = f"{text}_"
        return self.names(text)

    def _integer_domain(self, name: str, type_: Type, text: str, emitter: LoopEmitter) -> list[str]:
        domain = parse_domain(text)
        if type_.dtype == "bool":
            return []
        choices: list[str] = []
        intervals = domain.intervals
        if not intervals and not domain.values and type_.dtype in HOLDS:
            low, high = HOLDS[type_.dtype]
            intervals = (Interval(str(low), str(high), False, True),)
        for interval in intervals:
            sides = [(sign, emitter.bound(bound)) for sign, bound in sides_of(interval)]
            if not sides:
                return []
            if len(sides) == 2:
                first = {">": "<", ">=": "<="}[sides[0][0]]
                choices.append(f"{sides[0][1]} {first} {name} {sides[1][0]} {sides[1][1]}")
            else:
                choices.append(f"{name} {sides[0][0]} {sides[0][1]}")
        choices += [f"{name} == {emitter.bound(v)}" for v in domain.values]
        return [f"assert {' or '.join(choices)}"] if choices else []


def _nested(items: Sequence[str], shape: Sequence[int]) -> str:
    """The items as a list of lists, last index fastest."""
    if len(shape) == 1:
        return f"[{', '.join(items)}]"
    step = len(items) // shape[0] if shape[0] else 0
    return f"[{', '.join(_nested(items[k * step : (k + 1) * step], shape[1:]) for k in range(shape[0]))}]"
