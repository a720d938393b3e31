"""Equations and their definitions, right ones and those of faults."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace

from ..errors import ContractError, Text, problem
from ..lang import tree
from ..lang.check import check_block, check_expression
from ..lang.dims import Dims
from ..lang.scope import Scope
from ..lang.signature import Signature
from ..lang.syntax import parse_block, parse_expression
from ..lang.to_python import sizes_found, used_indices
from ..lang.types import Domain, Type
from ..model import Fault
from ..sizes import MOST
from ..suggest import did_you_mean
from .model import Block, CheckedEquation, CheckedFault, Space
from .names import Names
from .spaces import dims_of, domains_of, dtypes_of, filled, needed, sizes_mentioned, sizes_stated


def check_equation(names: Names, name: str, signature: Signature) -> CheckedEquation:
    model = names.contract.equations[name]
    texts = names.dims(model.dims)
    for parameter, type_ in signature.types.items():
        if parameter in texts:
            raise problem("E406", f"{parameter!r} names both a dimension and a parameter", model.signature)
        if type_.dtype == "record":
            raise problem(
                "E401",
                f"{parameter} is a record, which cannot be generated",
                model.signature,
                "pass its fields as inputs of their own",
            )
    inputs: dict[str, tuple[Type, str]] = {}
    for p in signature.inputs:
        if p.type.dtype == "nothing":
            raise problem("E401", f"the input {p.name} is nothing", model.signature, "only an output can be")
        inputs[p.name] = (p.type, model.domain.get(p.name, Text("")))
    for key, text in model.domain.items():
        if key not in inputs:
            raise problem("E404", f"there is no input {key!r}", text, did_you_mean(key, inputs))
    domains = domains_of(inputs, texts, dtypes_of(model))
    used = [
        *signature.dims,
        *sizes_mentioned(texts, domains.values(), model.assume),
        *sizes_stated(texts, [model.define]),
    ]
    dims = dims_of(texts, used, model.assume, model.signature)
    filled(inputs, domains, dims)
    space = Space(needed(texts, used), inputs, tuple(model.assume))
    scope = Scope(dims, {p.name: p.type for p in signature.inputs}, domains, {}, {}, frozenset(space.dims))
    for condition in model.assume:
        check_condition(condition, scope)
    define = None
    if model.define is not None:
        define = _define(names, model.define, signature, space, dims, domains)
    return CheckedEquation(name, model, signature, space, dims, domains, define)


def _define(
    names: Names,
    text: Text,
    signature: Signature,
    space: Space,
    dims: Dims,
    domains: Mapping[str, Domain],
    right: Block | None = None,
) -> Block:
    """The definition of an equation, or a wrong one, which is like the right one but for a line or two."""
    statements, source = parse_block(text)
    outputs = {p.name: p.type for p in signature.outputs}
    visible = {n: s for n, s in names.visible.items() if n != signature.name}
    scope = Scope(
        dims, {p.name: p.type for p in signature.inputs}, domains, visible, outputs, frozenset(space.dims),
        defined=names.defined, definition=True,
    )  # fmt: skip
    steps = check_block(statements, source, scope, () if right is None else right.steps)
    small_at_least(statements, scope, text)
    for p in signature.outputs:
        found = scope.values.get(p.name)
        if found is None:
            raise problem("E429", f"the output {p.name!r} is never defined", text, f"{p.name}[...] = ...")
        if p.type.is_array and p.type.shape and found.shape is None:
            raise problem("E429", f"the output {p.name} is {p.type}, but it is defined without indices", text)
        if p.type.is_opaque or found.is_opaque:
            if p.type.dtype != found.dtype:
                raise problem("E429", f"the output {p.name} is {p.type}, but its definition is {found}", text)
        elif _class(found.dtype) != _class(p.type.dtype) and not (
            _class(found.dtype) == "int" and _class(p.type.dtype) == "real"
        ):
            raise problem("E429", f"the output {p.name} is {p.type}, but its definition is {_class(found.dtype)}", text)
        wanted, sizes = ([dims.poly(d) for d in t.shape or ()] for t in (p.type, found))
        if wanted != sizes:
            raise problem("E429", f"the output {p.name} is {p.type}, but its definition is {found}", text)
    # A definition is called with inputs alone: it reads sizes off their shapes.
    mentioned = used_indices(statements)
    wanted_sizes = {str(scope.indices[i].range) for i in mentioned if i in scope.indices} | (
        mentioned & set(space.dims)
    )
    known = sizes_found([(p.name, p.type) for p in signature.inputs], wanted_sizes, space.derived)
    lost = sorted(d for d in wanted_sizes - known if not d.isdigit())
    if lost:
        raise problem(
            "E407",
            f"the size {lost[0]} cannot be found from the shapes of the inputs",
            text,
            "give it to an input, or derive it from one that has it",
        )
    return Block(statements, scope, source, steps)


def _class(dtype: str) -> str:
    if dtype == "bool":
        return "bool"
    return "real" if Type(dtype).is_floating else "int"


def small_at_least(statements: Iterable[tree.Statement], scope: Scope, where: Text) -> None:
    """No statement spans a grid that is too large even where every size is at its smallest."""
    for s in statements:
        ranges = [str(i.range) for n, i in scope.indices.items() if n in used_indices([s])]
        least = math.prod(int(r) if r.isdigit() else scope.dims.low.get(r, 1) for r in ranges)
        if least > MOST and any(map(str.isdigit, ranges)):  # of inputs alone, see `elements`
            raise problem(
                "E408",
                f"{', '.join(s.targets)} would have {least:,} elements at once, a grid of {' x '.join(ranges)}; "
                f"at most {MOST:,}",
                where.at(*s.place),
                "lower the range that is written on the left",
            )


def check_condition(text: Text, scope: Scope) -> None:
    node, source = parse_expression(text)
    if not any(isinstance(n, tree.Name | tree.Element) for n in tree.walk(node)):
        raise source.error(
            "E404",
            f"the assumption {str(text)!r} is about no dimension and no input",
            node.place,
            "state what cases must satisfy, for example 2 * R <= N, or leave it away",
        )
    if check_expression(node, source, copied(scope)) != "bool":
        raise source.error("E426", "an assumption is a condition", node.place, "for example: 2 * warmup <= total")


def copied(scope: Scope) -> Scope:
    return replace(scope, values=dict(scope.values), indices=dict(scope.indices))


def check_fault(names: Names, fault: Fault, equations: Mapping[str, CheckedEquation]) -> CheckedFault:
    defines = {}
    for name, text in fault.define.items():
        equation = equations.get(name)
        if equation is None:
            raise ContractError  # reported as a link that does not resolve
        e = equation
        defines[name] = _define(names, text, e.signature, e.space, e.dims, e.domains, e.define)
    return CheckedFault(fault, defines)
