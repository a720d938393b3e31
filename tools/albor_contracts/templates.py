"""Obligation types as laws: what each template means, written out in index notation.

A template adds variables (`forall`), statements (`let`) and a claim (`check`). Types whose meaning is an action
(running twice, counting launches, expecting an error) have no claim here: see `actions`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .errors import ContractError, Text, problem
from .lang import tree
from .lang.constants import constant
from .lang.names import why_not
from .lang.signature import Signature
from .lang.syntax import Source, parse_block, parse_expression
from .model import Obligation
from .suggest import did_you_mean

if TYPE_CHECKING:
    from .checked import CheckedEquation

Parsed = tuple[tree.Node, Source]


@dataclass(frozen=True)
class Template:
    """`parts` are the author's own expressions inside the claim: they are checked first, at their own places."""

    forall: Mapping[str, str] = field(default_factory=dict)
    let: tuple[str, ...] = ()
    check: Parsed | None = None
    parts: tuple[Parsed, ...] = ()


ACTIONS = ("gradient", "determinism", "independence", "statistical", "rejection", "resource", "dispatch", "protocol")


def law_of(o: Obligation, equation: CheckedEquation, visible: Mapping[str, Signature]) -> Template:
    """The law an obligation states. Its parameters are known to be there (`links.check_parameters`)."""
    kind = str(o.type)
    names = Names(o, equation)
    forall: dict[str, str] = dict(o.forall)
    if kind == "independence":
        element = element_of(o.input, equation.signature.inputs, "input")
        name = element.array
        forall[names.fresh(f"other_{name}")] = f"{equation.signature.types[name]} {_domain_text(o, name, equation)}"
    if kind in ACTIONS:
        return Template(forall)
    if o.check is not None:
        return Template(forall, (), parse_expression(o.check))
    if kind == "definition":
        return _definition(o, equation.signature, forall, names)
    if kind in ("equivalence", "invariance", "roundtrip"):
        left, right = parse_expression(o.left or ""), parse_expression(o.right or "")
        claim = tree.Apply(left[0].place, "exact" if o.exact else "approx", (left[0], right[0]))
        return Template(forall, (), (claim, left[1]), (left, right))
    signature = visible.get(str(o.of))
    if signature is None:
        raise ContractError  # reported as a link that does not resolve
    match kind:
        case "bound":
            return _bound(o, signature, forall, names)
        case "monotonicity":
            return _monotonicity(o, signature, forall, equation, names)
        case "idempotency" | "involution":
            return _repeated(o, signature, forall, names)
        case "homogeneity":
            return _homogeneity(o, signature, forall, names)
        case "linearity":
            return _linearity(o, signature, forall, equation, names)
        case "symmetry":
            return _symmetry(o, signature, forall, names)
    raise AssertionError(kind)


class Names:
    """Names for what a template adds, which collide with nothing the author wrote."""

    def __init__(self, o: Obligation, equation: CheckedEquation) -> None:
        self.taken = {*equation.space.dims, *equation.space.inputs, *o.forall, *o.dims}
        self.indices: dict[tuple[str, int, str], str] = {}
        if o.let is not None:
            for s in parse_block(o.let)[0]:
                self.taken.update(s.targets)
                self.taken.update(s.indices or ())
                self.taken.update(n for part in tree.walk(s) if isinstance(part, tree.Reduce) for n in part.over)

    def fresh(self, name: str) -> str:
        found, number = name, 1
        while found in self.taken or why_not(found, "output"):
            number += 1
            found = f"{name}_{number}"
        self.taken.add(found)
        return found

    def at(self, shape: Iterable[str | int] | None, other: str = "") -> list[str]:
        """Index names for the axes of an array, after their dimensions; `other` asks for a second one for that dim."""
        found: list[str] = []
        for d in map(str, shape or ()):
            occurrence = sum(1 for n, e in zip(map(str, shape or ()), found, strict=False) if n == d and e)
            key = d, occurrence, "other" if d == other else ""
            if key not in self.indices:
                word = d.lower() if not d.isdigit() else "k"
                self.indices[key] = self.fresh(word if word not in self.taken and not why_not(word) else f"i_{d}")
            found.append(self.indices[key])
        return found


def element_of(text: Text | None, parameters: Iterable[object], what: str) -> tree.Element:
    """`x[b, i]`: an element of one of these parameters, with one plain index for each axis."""
    node, source = parse_expression(text or "")
    types = {p.name: p.type for p in parameters}  # type: ignore[attr-defined]
    if not isinstance(node, tree.Element) or node.array not in types:
        hint = f"`{what}` is an element such as {next(iter(types))}[i]"
        raise source.error(
            "E303", f"{str(text)!r} is not an element of an {what}: {', '.join(types)}", node.place, hint
        )
    indices = [i.id for i in node.indices if isinstance(i, tree.Name)]
    shape = types[node.array].shape or ()
    if len(indices) != len(shape) or len(node.indices) != len(shape) or len(set(indices)) != len(indices):
        raise source.error(
            "E303", f"{node.array} is {types[node.array]}: one plain index for each axis, each its own", node.place
        )
    return node


def _input(o: Obligation, signature: Signature, name: Text | str | None) -> str:
    names = [p.name for p in signature.inputs]
    if name is None or str(name) not in names:
        where = name if isinstance(name, Text) else o.id
        raise problem("E404", f"{signature.name} has no input {str(name)!r}", where, did_you_mean(str(name), names))
    return str(name)


def _call(signature: Signature, owner: str = "", **changed: str) -> str:
    return f"{owner}{signature.name}({', '.join(changed.get(p.name, p.name) for p in signature.inputs)})"


def _element(name: str, indices: list[str]) -> str:
    return f"{name}[{', '.join(indices)}]" if indices else name


def _forall(indices: list[str], claim: str) -> str:
    return f"all[{', '.join(indices)}]({claim})" if indices else claim


def _made(o: Obligation, text: str) -> Parsed:
    """A claim of the tool's own making: what is wrong with it is wrong with the obligation."""
    return parse_expression(Text(text, (o.id.position,), exact=False))


def _definition(o: Obligation, signature: Signature, forall: dict[str, str], names: Names) -> Template:
    outputs = [names.fresh(p.name) for p in signature.outputs]
    expected = [names.fresh(f"expected_{p.name}") for p in signature.outputs]
    let = (f"{', '.join(outputs)} = {_call(signature)}", f"{', '.join(expected)} = {_call(signature, 'spec.')}")
    compare = "exact" if o.exact or any(p.type.is_opaque for p in signature.outputs) else "approx"
    claims = " and ".join(f"{compare}({a}, {b})" for a, b in zip(outputs, expected, strict=True))
    return Template(forall, let, _made(o, claims))


def _bound(o: Obligation, signature: Signature, forall: dict[str, str], names: Names) -> Template:
    """Of every output that is an array or a number."""
    let = f"{', '.join(outputs := [names.fresh(p.name) for p in signature.outputs])} = {_call(signature)}"
    limits = [(parse_expression(text), op) for text, op in ((o.lower, ">="), (o.upper, "<=")) if text is not None]
    claim: tree.Node | None = None
    for name, p in zip(outputs, signature.outputs, strict=True):
        if p.type.is_opaque or p.type.dtype == "bool":
            raise problem("E303", f"the output {p.name}: {p.type} has no bounds", o.of, "state a check")
        at = names.at(p.type.shape)
        for (limit, _), op in limits:
            element, _ = _made(o, _element(name, at))
            part: tree.Node = tree.Compare(limit.place, op, element, limit)
            part = tree.Reduce(limit.place, "all", tuple(at), part, None) if at else part
            claim = part if claim is None else tree.Logic(limit.place, "and", claim, part)
    for (limit, source), _ in limits:
        if not math.isfinite(constant(limit) or 0.0):
            raise source.error("E435", "a limit that is infinite bounds nothing", limit.place, "leave it away")
    assert claim is not None
    return Template(forall, (let,), (claim, limits[0][0][1]), tuple(limit for limit, _ in limits))


def _monotonicity(
    o: Obligation, signature: Signature, forall: dict[str, str], equation: CheckedEquation, names: Names
) -> Template:
    name = _input(o, signature, o.in_)
    type_ = signature.types[name]
    output = signature.outputs[0]
    rest = ["_" for _ in signature.outputs[1:]]
    relation = "<=" if o.direction == "increasing" else ">="
    if type_.is_array and type_.shape:
        if o.axis is None or str(o.axis) not in map(str, type_.shape) or output.type.shape != type_.shape:
            raise problem(
                "E303",
                f"monotonicity in the array {name} needs `axis`, and an output of the same shape",
                o.axis or o.in_,
                f"one of {', '.join(map(str, type_.shape))}",
            )
        value = names.fresh("value")
        i, j = names.at(type_.shape), names.at(type_.shape, other=str(o.axis))
        claim = f"{_element(name, i)} > {_element(name, j)} or {_element(value, i)} {relation} {_element(value, j)}"
        return Template(
            forall,
            (f"{', '.join([value, *rest])} = {_call(signature)}",),
            _made(o, _forall(list(dict.fromkeys(i + j)), claim)),
        )
    if o.axis is not None:
        raise problem("E303", f"{name} is {type_}: it has no axis", o.axis, "leave `axis` away")
    other = names.fresh(f"other_{name}")
    forall[other] = f"{type_} {_domain_text(o, name, equation)}"
    first, second = names.fresh("first"), names.fresh("second")
    at = names.at(output.type.shape)
    a, b = _element(first, at), _element(second, at)
    let = (
        f"{', '.join([first, *rest])} = {_call(signature)}",
        f"{', '.join([second, *rest])} = {_call(signature, '', **{name: other})}",
    )
    up, down = _forall(at, f"{a} {relation} {b}"), _forall(at, f"{b} {relation} {a}")
    return Template(forall, let, _made(o, f"({name} > {other} or {up}) and ({name} < {other} or {down})"))


def _domain_text(o: Obligation, name: str, equation: CheckedEquation) -> str:
    """The domain of the varied input, for its second value."""
    return str(o.domain.get(name) or equation.space.inputs.get(name, (None, ""))[1])


def _repeated(o: Obligation, signature: Signature, forall: dict[str, str], names: Names) -> Template:
    name = _input(o, signature, o.in_)
    rest = ["_" for _ in signature.outputs[1:]]
    compare = "exact" if o.exact or signature.outputs[0].type.is_opaque else "approx"
    once, twice = names.fresh("once"), names.fresh("twice")
    let = (
        f"{', '.join([once, *rest])} = {_call(signature)}",
        f"{', '.join([twice, *rest])} = {_call(signature, '', **{name: once})}",
    )
    return Template(forall, let, _made(o, f"{compare}({twice}, {once if o.type == 'idempotency' else name})"))


def _homogeneity(o: Obligation, signature: Signature, forall: dict[str, str], names: Names) -> Template:
    """f(c x) = c^degree f(x) for c > 0."""
    name = _input(o, signature, o.in_)
    factor, scaled = names.fresh("factor"), names.fresh("scaled")
    forall[factor] = "real in [0.25, 4]"
    plain = [names.fresh(p.name) for p in signature.outputs]
    after = [names.fresh(f"{p.name}_scaled") for p in signature.outputs]
    at = names.at(signature.types[name].shape)
    let = (
        f"{_element(scaled, at)} = {factor} * {_element(name, at)}",
        f"{', '.join(plain)} = {_call(signature)}",
        f"{', '.join(after)} = {_call(signature, '', **{name: scaled})}",
    )
    claims = []
    for p, a, b in zip(signature.outputs, plain, after, strict=True):
        at = names.at(p.type.shape)
        claims.append(_forall(at, f"approx({_element(b, at)}, {factor}**{o.degree} * {_element(a, at)})"))
    return Template(forall, let, _made(o, " and ".join(claims)))


def _linearity(
    o: Obligation, signature: Signature, forall: dict[str, str], equation: CheckedEquation, names: Names
) -> Template:
    """f(x + c y) = f(x) + c f(y)."""
    name = _input(o, signature, o.in_)
    factor, other, mixed = names.fresh("factor"), names.fresh(f"other_{name}"), names.fresh("mixed")
    forall[factor] = "real in [-3, 3]"
    forall[other] = f"{signature.types[name]} {_domain_text(o, name, equation)}"
    plain = [names.fresh(p.name) for p in signature.outputs]
    second = [names.fresh(f"{p.name}_other") for p in signature.outputs]
    after = [names.fresh(f"{p.name}_mixed") for p in signature.outputs]
    at = names.at(signature.types[name].shape)
    let = (
        f"{_element(mixed, at)} = {_element(name, at)} + {factor} * {_element(other, at)}",
        f"{', '.join(plain)} = {_call(signature)}",
        f"{', '.join(second)} = {_call(signature, '', **{name: other})}",
        f"{', '.join(after)} = {_call(signature, '', **{name: mixed})}",
    )
    claims = []
    for p, a, b, c in zip(signature.outputs, plain, second, after, strict=True):
        at = names.at(p.type.shape)
        claims.append(_forall(at, f"approx({_element(c, at)}, {_element(a, at)} + {factor} * {_element(b, at)})"))
    return Template(forall, let, _made(o, " and ".join(claims)))


def _symmetry(o: Obligation, signature: Signature, forall: dict[str, str], names: Names) -> Template:
    """Permuting these inputs along a dimension permutes these outputs likewise, and leaves the others as they are."""
    dims = {str(d) for d in (*o.permute.values(), *o.permutes.values())}
    if len(dims) != 1:
        raise problem(
            "E303",
            f"symmetry permutes one dimension, not {', '.join(sorted(dims))}",
            o.id,
            "state one obligation a dimension",
        )
    (dim,) = dims
    outputs = {p.name: p.type for p in signature.outputs}
    for name, written in o.permute.items():
        if dim not in map(str, signature.types[_input(o, signature, name)].shape or ()):
            raise problem("E303", f"{name}: {signature.types[name]} has no dimension {dim}", written)
    for name, written in o.permutes.items():
        if name not in outputs or dim not in map(str, outputs[name].shape or ()):
            raise problem(
                "E303",
                f"{signature.name} has no output {name} with the dimension {dim}",
                written,
                did_you_mean(name, outputs),
            )
    order = names.fresh("order")
    forall[order] = f"permutation[{dim}]"
    let: list[str] = []
    changed: dict[str, str] = {}
    for name in o.permute:
        shape = signature.types[name].shape or ()
        at = names.at(shape)
        moved = [f"{order}[{i}]" if str(d) == dim else i for i, d in zip(at, shape, strict=True)]
        changed[name] = names.fresh(f"{name}_moved")
        let.append(f"{_element(changed[name], at)} = {_element(name, moved)}")
    plain = [names.fresh(p.name) for p in signature.outputs]
    after = [names.fresh(f"{p.name}_after") for p in signature.outputs]
    let.append(f"{', '.join(plain)} = {_call(signature)}")
    let.append(f"{', '.join(after)} = {_call(signature, '', **changed)}")
    claims = []
    compare = "exact" if o.exact else "approx"
    for p, a, b in zip(signature.outputs, plain, after, strict=True):
        shape = p.type.shape or ()
        at = names.at(shape)
        moves = p.name in o.permutes
        source = [f"{order}[{i}]" if moves and str(d) == dim else i for i, d in zip(at, shape, strict=True)]
        claims.append(_forall(at, f"{compare}({_element(b, at)}, {_element(a, source)})"))
    return Template(forall, tuple(let), _made(o, " and ".join(claims)))
