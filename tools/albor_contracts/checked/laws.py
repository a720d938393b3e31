"""Obligations: a law in index notation, or an action, over a space of cases."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from ..actions import Protocol, action_of
from ..errors import Text, problem
from ..lang import tree
from ..lang.check import check_block, check_expression
from ..lang.names import why_not
from ..lang.scope import Scope
from ..lang.syntax import Source, parse_block
from ..lang.types import Type, parse_type
from ..model import Obligation
from ..sizes import MOST, elements, grids, texts
from ..suggest import did_you_mean
from ..templates import law_of
from .equations import check_condition, copied, small_at_least
from .model import CheckedEquation, CheckedObligation, Law, Space
from .names import Names, place_of
from .spaces import dims_of, domains_of, dtypes_of, filled, is_permutation, needed, sizes_mentioned, sizes_stated

_PERMUTATION = re.compile(r"\s*permutation\s*\[\s*([A-Za-z_][A-Za-z0-9_]*)\s*\]\s*")


def check_obligation(names: Names, o: Obligation, equations: Mapping[str, CheckedEquation]) -> CheckedObligation:
    equation = equations[str(o.equation)]
    texts = names.dims(equation.model.dims, o.dims)
    for name, size in o.dims.items():
        if name in equation.signature.types:
            raise problem(
                "E421",
                f"{name!r} names both a dimension and a parameter of {equation.name}",
                size,
                "choose another name",
            )
    template = law_of(o, equation, names.visible)
    inputs = dict(equation.space.inputs)
    for name, text in template.forall.items():
        reason = why_not(name, "input")
        if reason:
            raise problem("E413", reason, place_of(name) or o.id, "choose another name")
        if name in inputs or name in texts:
            raise problem("E421", f"{name!r} already has a meaning in {equation.name}", place_of(text) or o.id)
        match = _PERMUTATION.fullmatch(text)
        if match:
            inputs[name] = (Type("i64", (match[1],)), f"permutation of {match[1]}")
        else:
            type_, domain = parse_type(text)
            if type_.dtype in ("record", "nothing"):
                raise problem("E401", f"{name!r} cannot be generated: it is a {type_}", place_of(text) or o.id)
            inputs[name] = (type_, Text(domain, (place_of(text) or o.id).starts, exact=False))
    for name, text in o.domain.items():
        if name not in inputs:
            raise problem("E404", f"there is no input {name!r}", text, did_you_mean(name, inputs))
        if is_permutation(inputs[name][1]):
            raise problem("E402", f"{name} is a permutation: it has no domain", text)
        inputs[name] = (inputs[name][0], text)
    domains = domains_of(inputs, texts, dtypes_of(equation.model), equation)
    assume = (*equation.space.assume, *o.assume)
    shapes = dict.fromkeys(d for t, _ in inputs.values() for d in t.shape or () if isinstance(d, str))
    used = [
        *shapes,
        *equation.signature.dims,
        *o.dims,
        *sizes_mentioned(texts, domains.values(), (*equation.model.assume, *o.assume)),
        *sizes_stated(texts, [o.let, o.step]),
    ]
    if o.dims or o.assume or not all(d in texts for d in used):
        dims = dims_of(texts, used, assume, o.id)
    else:
        dims = equation.dims  # the same sizes and facts
    filled(inputs, domains, dims)
    space = Space(needed(texts, used), inputs, assume)
    scope = Scope(
        dims, {n: t for n, (t, _) in inputs.items()}, domains, names.visible, {}, frozenset(space.dims),
        kernels=names.own, defined=names.defined,
    )  # fmt: skip
    for condition in o.assume:
        check_condition(condition, scope)
    prepared = [Text(text, (o.id.position,), exact=False) for text in template.let]
    statements = check_statements([*([] if o.let is None else [o.let]), *prepared], scope)
    for node, source in template.parts:
        check_expression(node, source, copied(scope))
    check = None
    if template.check is not None:
        check, source = template.check
        check_claim(check, source, scope)
    small_at_least(statements, scope, o.let or o.id)
    added = [n for n in template.forall if n not in o.forall]
    action = action_of(o, equation, names.visible, scope, added[0] if added else "")
    if isinstance(action, Protocol):
        small_at_least(action.step, scope, o.step or o.id)
    found = CheckedObligation(o, equation, Law(space, statements, check, scope, action))
    # Gradients and independences call a kernel without being told; a proof may be about something else.
    if str(o.type) not in ("gradient", "independence") and o.prove is None:
        runs_a_kernel(found.law, o.id)
    _not_too_large(found)
    return found


def runs_a_kernel(law: Law, identifier: Text) -> None:
    if not law.calls:
        raise problem(
            "E435",
            f"{identifier} calls no kernel: whatever the kernels do, it says the same",
            identifier,
            "call one under `let`, for example y = f(x), and state what holds of its output",
        )


def _not_too_large(o: CheckedObligation) -> None:
    most, sizes = elements(o.law.space)
    if most > MOST:
        at = ", ".join(f"{d} = {n:,}" for d, n in sizes.items())
        raise problem(
            "E408",
            f"the inputs of a case of {o.id} would have {most:,} elements, with {at}; at most {MOST:,}",
            o.model.id,
            "lower the largest size under `dims`; several dimensions are never all large, one alone is",
        )
    if (longest := texts(o.law.space)) > MOST:
        raise problem(
            "E408",
            f"the texts of a case of {o.id} would have up to {longest:,} characters; at most {MOST:,}",
            o.model.id,
            "lower their `length`",
        )
    for ranges, reached in grids(o):
        if reached > MOST:
            raise problem(
                "E408",
                f"{o.id} would compute {reached:,} elements at once, a grid of {' x '.join(ranges)}; at most {MOST:,}",
                o.model.id,
                "lower the largest of the sizes that are listed under `dims`: each of a list is tried",
            )


def check_statements(texts: Iterable[Text], scope: Scope) -> tuple[tree.Statement, ...]:
    statements: list[tree.Statement] = []
    for text in texts:
        block, source = parse_block(text)
        check_block(block, source, scope)
        statements += block
    return tuple(statements)


def check_claim(node: tree.Node, source: Source, scope: Scope) -> None:
    if check_expression(node, source, scope) != "bool":
        raise source.error(
            "E426", "a claim is true or false; this is a number", node.place, "compare it: approx(a, b), a <= b"
        )
