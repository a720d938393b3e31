"""Obligation types that are actions rather than formulas, read and checked: `emit.actions` writes them down."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

from .errors import ContractError, Text, problem
from .lang import tree
from .lang.check import check_block, check_expression
from .lang.constants import constant
from .lang.names import why_not
from .lang.scope import Index, Scope
from .lang.signature import Signature
from .lang.syntax import Source, parse_block, parse_expression
from .lang.types import Type
from .model import Obligation
from .suggest import did_you_mean
from .templates import element_of

if TYPE_CHECKING:
    from .checked import CheckedEquation

ERRORS = (
    "ValueError", "TypeError", "IndexError", "KeyError", "OverflowError", "ZeroDivisionError", "RuntimeError",
    "FloatingPointError",
)  # fmt: skip
MAX_STEPS = 50


@dataclass(frozen=True)
class Action:
    """`trees` are all expressions in it."""

    @property
    def trees(self) -> tuple[tree.Node, ...]:
        return tuple(_trees(getattr(self, f.name) for f in fields(self)))


def _trees(values: object) -> Iterator[tree.Node]:
    for value in values:  # type: ignore[attr-defined]
        if isinstance(value, tree.Node):
            yield value
        elif isinstance(value, tuple):
            yield from _trees(value)
        elif isinstance(value, Mapping):
            yield from _trees(value.values())


@dataclass(frozen=True)
class Gradient(Action):
    """The vector-Jacobian product of `forward`; a cotangent is an input of the backward equation, "1" or "None"."""

    forward: Signature
    wrt: tuple[str, ...]
    gives: tuple[str, ...]
    cotangents: tuple[str, ...]


@dataclass(frozen=True)
class Repetition(Action):
    call: tree.Call


@dataclass(frozen=True)
class Dispatch(Action):
    call: tree.Call


@dataclass(frozen=True)
class Refusal(Action):
    """`types` has the arrays that are passed as what they are, which is not what the equation wants there."""

    call: tree.Call
    error: str
    mentions: tuple[str, ...]
    types: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Limit(Action):
    call: tree.Call
    count: str
    at_most: tree.Node


@dataclass(frozen=True)
class Independence(Action):
    """`other` is the array that elements of the input are replaced from."""

    output: tree.Element
    input: tree.Element
    when: tree.Node
    other: str


@dataclass(frozen=True)
class Statistic(Action):
    statistic: tree.Node
    expect: tree.Node
    variance: tree.Node
    observations: tree.Node
    detects: tree.Node
    trials: int
    false_alarm: float


@dataclass(frozen=True)
class Protocol(Action):
    """A run: initial values of the state, one step, the claim after it, and the number of steps."""

    state: Mapping[str, tree.Node]
    step: tuple[tree.Statement, ...]
    check: tree.Node
    steps: int


def action_of(
    o: Obligation,
    equation: CheckedEquation,
    visible: Mapping[str, Signature],
    scope: Scope,
    added: str,
) -> Action | None:
    """The action of an obligation; `scope` is that of its law. `added` is the variable that its template added."""
    match str(o.type):
        case "gradient":
            return _gradient(o, equation, visible, scope)
        case "determinism":
            return Repetition(_call(o.call, scope))
        case "dispatch":
            return Dispatch(_call(o.call, scope))
        case "rejection":
            return refusal_of(o.call, o.raises, o.mentions, scope)
        case "resource":
            call = _call(o.call, scope)
            return Limit(call, str(o.count), _number(o.at_most, scope))
        case "independence":
            return _independence(o, equation, scope, added)
        case "statistical":
            return Statistic(
                _number(o.statistic, scope), _finite(o.expect, scope), _finite(o.variance, scope),
                _finite(o.observations, scope), _finite(o.detects, scope), int(o.trials or 1), float(o.false_alarm),
            )  # fmt: skip
        case "protocol":
            return _protocol(o, scope)
    return None


def _number(text: Text | None, scope: Scope) -> tree.Node:
    node, source = parse_expression(text or "")
    if check_expression(node, source, scope) not in ("int", "real"):
        raise source.error("E426", "a number is expected here", node.place)
    return node


def _finite(text: Text | None, scope: Scope) -> tree.Node:
    node = _number(text, scope)
    value = constant(node)
    if value is not None and not math.isfinite(value):
        raise Source(text or "").error("E303", f"{text!s} is not finite", node.place, "nothing could be found by it")
    return node


def _condition(text: Text | None, scope: Scope) -> tree.Node:
    node, source = parse_expression(text or "")
    if check_expression(node, source, scope) != "bool":
        raise source.error("E426", "a condition is expected here", node.place, "for example j > i")
    return node


def _kernel_call(text: Text | None, scope: Scope) -> tuple[tree.Call, Source, Signature]:
    node, source = parse_expression(text or "")
    own = scope.kernels if scope.kernels is not None else frozenset(scope.equations)
    if not isinstance(node, tree.Call) or node.spec or node.equation not in own:
        raise source.error(
            "E427", "`call` is a call of a kernel of this contract", node.place, f"one of {', '.join(sorted(own))}"
        )
    return node, source, scope.equations[node.equation]


def _call(text: Text | None, scope: Scope) -> tree.Call:
    node, source, signature = _kernel_call(text, scope)
    statement = tree.Statement(node.place, ("_",) * len(signature.outputs), None, node)
    check_block((statement,), source, scope)
    return node


def refusal_of(text: Text | None, raises: Text | None, mentions: tuple[Text, ...], scope: Scope) -> Refusal:
    """A call that must be refused. Its arguments need not have the sizes of the equation, and arrays not its kind of
    elements (floating, whole numbers, truth values): that may be the point."""
    node, source, signature = _kernel_call(text, scope)
    types: list[tuple[str, str]] = []
    if len(node.arguments) != len(signature.inputs):
        raise source.error(
            "E427",
            f"{node.equation} takes {len(signature.inputs)} arguments, found {len(node.arguments)}",
            node.place,
            str(signature),
        )
    for argument, p in zip(node.arguments, signature.inputs, strict=True):
        kind = check_expression(argument, source, scope)
        given = kind if isinstance(kind, Type) else Type(kind)
        fits = (
            given.dtype == p.type.dtype
            if p.type.is_opaque
            else not given.is_opaque and (p.type.is_array or not given.is_array)
        )
        if not fits:
            raise source.error("E427", f"{node.equation} wants {p.name}: {p.type}, found {given}", argument.place)
        if p.type.is_array and given.is_array and given.kind != p.type.kind:
            types.append((p.name, given.dtype))
    if str(raises) not in ERRORS:
        raise problem(
            "E303",
            f"{str(raises)!r} is not an error a kernel is expected to raise",
            raises,
            f"one of {', '.join(ERRORS)}",
        )
    return Refusal(node, str(raises), tuple(map(str, mentions)), tuple(types))


def _gradient(o: Obligation, equation: CheckedEquation, visible: Mapping[str, Signature], scope: Scope) -> Gradient:
    forward, backward = visible.get(str(o.of)), equation.signature
    if forward is None or len(o.gives) != len(o.wrt) or not o.wrt:
        raise ContractError  # reported with the links
    for signature, text in ((forward, o.of), (backward, o.equation)):
        if scope.defined is not None and signature.name not in scope.defined:
            raise problem(
                "E303",
                f"{signature.name} has no `define`",
                text,
                "a gradient is that of a definition, within the bound of another",
            )
    # An input that its gradients do not depend on, a bias say, need not be an input of the backward equation.
    known = {p.name for p in backward.inputs} | {str(name) for name in o.forall}
    for p in forward.inputs:
        if p.name not in known:
            raise problem(
                "E303",
                f"{backward.name} does not take {p.name!r}, which {forward.name} needs",
                o.of,
                "gradients are taken at the inputs of the backward equation; "
                f"an input that they do not depend on comes from `forall`: {{{p.name}: ...}}",
            )
    _takes(forward, o.of or "", scope)
    at = {p.name: p.type for p in forward.inputs}
    for name in o.wrt:
        if name not in at or not at[name].is_floating:
            raise problem(
                "E404",
                f"{forward.name} has no real input {str(name)!r}",
                name,
                did_you_mean(name, [n for n, t in at.items() if t.is_floating]),
            )
    outputs = {p.name for p in backward.outputs}
    for name in o.gives:
        if name not in outputs:
            raise problem("E303", f"{backward.name} has no output {str(name)!r}", name, did_you_mean(name, outputs))
    return Gradient(forward, tuple(map(str, o.wrt)), tuple(map(str, o.gives)), cotangents_of(o, forward, backward))


def _takes(forward: Signature, text: str, scope: Scope) -> None:
    """The inputs of this law are of the types that the forward equation has under the same names."""
    place = (0, 0)
    call = tree.Call(place, forward.name, tuple(tree.Name(place, p.name) for p in forward.inputs), spec=True)
    statement = tree.Statement(place, ("_",) * len(forward.outputs), None, call)
    check_block((statement,), Source(text), replace(scope, values=dict(scope.values), indices=dict(scope.indices)))


def cotangents_of(o: Obligation, forward: Signature, backward: Signature) -> tuple[str, ...]:
    """One for each output of the forward equation. Where none are written: the further inputs, in their order."""
    outputs = [p.name for p in forward.outputs]
    inputs = [p.name for p in backward.inputs]
    if not o.cotangent:
        free = [n for n in inputs if n not in {p.name for p in forward.inputs}]
        if len(free) != len(outputs):
            raise problem(
                "E303",
                f"{forward.name} has {len(outputs)} outputs, "
                f"{backward.name} {len(free)} inputs that could hold a cotangent",
                o.of,
                "say which is which under `cotangent`",
            )
        return tuple(free)
    for name, value in o.cotangent.items():
        if name not in outputs:
            raise problem("E303", f"{forward.name} has no output {name!r}", value, did_you_mean(name, outputs))
        if str(value) not in (*inputs, "1"):
            raise problem("E303", f"{backward.name} has no input {str(value)!r}", value, did_you_mean(value, inputs))
    return tuple(str(o.cotangent.get(n, "None")) for n in outputs)


def _independence(o: Obligation, equation: CheckedEquation, scope: Scope, other: str) -> Independence:
    signature = equation.signature
    output = element_of(o.output, signature.outputs, "output")
    given = element_of(o.input, signature.inputs, "input")
    # A condition is about indices that no reduction and no left side binds: both elements do.
    source = Source(o.when or "")
    bound: dict[str, str | int] = {}
    for element in (output, given):
        for index, dim in zip(element.indices, signature.types[element.array].shape or (), strict=True):
            assert isinstance(index, tree.Name)
            if scope.known(index.id):
                raise problem(
                    "E421", f"{index.id!r} is already a value or a dimension; an index needs another name", o.output
                )
            if bound.setdefault(index.id, dim) != dim and scope.dims.poly(bound[index.id]) != scope.dims.poly(dim):
                raise problem(
                    "E425",
                    f"the index {index.id!r} ranges over {dim} in {given.array}, "
                    f"but over {bound[index.id]} in {output.array}",
                    o.input,
                )
            scope.indices.setdefault(index.id, Index(dim, (0, 0), source, element.array))
    node, source = parse_expression(o.when or "")
    if any(isinstance(n, tree.Element) and n.array == given.array for n in tree.walk(node)):
        raise source.error("E303", f"the condition depends on {given.array}, which is changed", node.place)
    # The condition as a claim for all of them, which binds every index.
    over = tuple(bound)
    whole = tree.Reduce(node.place, "all", over, node, None)
    check_expression(whole, source, scope)
    return Independence(output, given, node, other)


def _protocol(o: Obligation, scope: Scope) -> Protocol:
    match = re.fullmatch(r"\s*(?:([0-9]{1,4})\s*\.\.\s*)?([0-9]{1,4})\s*", o.steps or "")
    if not match or not 1 <= int(match[1] or 1) <= int(match[2]) <= MAX_STEPS:
        raise problem(
            "E403",
            f"{str(o.steps)!r} is not a number of steps",
            o.steps,
            f"a number or a range such as 3..6, at most {MAX_STEPS}",
        )
    state: dict[str, tree.Node] = {}
    kinds: dict[str, Type] = {}
    for name, value in o.state.items():
        reason = why_not(name, "output")
        if reason or scope.known(name):
            raise problem(
                "E413" if reason else "E421",
                reason or f"{name!r} already has a meaning here",
                value,
                "choose another name",
            )
        node, source = parse_expression(value)
        kind = check_expression(node, source, scope)
        kinds[name] = kind if isinstance(kind, Type) else Type(kind)
        state[name] = node
    scope.values.update(kinds)
    statements, source = parse_block(o.step or "")
    check_block(statements, source, scope)
    for name, before in kinds.items():
        after = scope.values.get(f"next_{name}")
        if after is None:
            continue
        same = (
            after.dtype == before.dtype or {after.dtype, before.dtype} <= {"float", "accum", "f64", "f32", "real"}
        ) and [scope.dims.poly(d) for d in after.shape or ()] == [scope.dims.poly(d) for d in before.shape or ()]
        if not same:
            raise problem(
                "E426",
                f"the state {name} begins as {before}, and next_{name} is {after}",
                o.state[name],
                "a state keeps its type, e.g. 0.0 for a real number",
            )
    if not any(f"next_{name}" in scope.values for name in state):
        raise problem(
            "E303",
            "no step changes the state",
            o.step,
            f"define next_{next(iter(state), 'x')}: it becomes the state of the next step",
        )
    return Protocol(state, statements, _condition(o.check, scope), int(match[2]))
