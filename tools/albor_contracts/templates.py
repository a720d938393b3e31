"""Obligation types as laws: what each template means, written out in index notation.

A template adds variables (`forall`), statements (`let`) and a claim (`check`). Types whose meaning is an action
(running twice, counting launches, expecting an error) have no claim here: `emit.actions` writes their tests.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .errors import Text, problem
from .lang.signature import Signature
from .model import Obligation
from .suggest import did_you_mean

if TYPE_CHECKING:
    from .checked import CheckedEquation


@dataclass(frozen=True)
class Template:
    forall: Mapping[str, str] = field(default_factory=dict)
    let: tuple[str, ...] = ()
    check: str | None = None
    also: tuple[str, ...] = ()  # further expressions that must be well formed


ACTIONS = ("gradient", "determinism", "independence", "statistical", "rejection", "resource", "protocol")


def law_of(o: Obligation, equation: CheckedEquation, visible: Mapping[str, Signature]) -> Template:
    """The law an obligation states."""
    forall: dict[str, str] = dict(o.forall)
    if o.check is not None and o.type not in ACTIONS:
        return Template(forall, (), o.check)
    match str(o.type):
        case "definition":
            return _definition(equation.signature)
        case "gradient":
            return _gradient(o, equation, visible)
        case "equivalence" | "invariance" | "roundtrip":
            return Template(forall, (), f"{'exact' if o.exact else 'approx'}({o.left}, {o.right})")
        case "bound":
            return _bound(o, _equation_of(o, visible))
        case "monotonicity":
            return _monotonicity(o, _equation_of(o, visible), forall, equation)
        case "idempotency" | "involution":
            return _repeated(o, _equation_of(o, visible), forall)
        case "linearity" | "homogeneity":
            return _linear(o, _equation_of(o, visible), forall, equation)
        case "symmetry":
            return _symmetry(o, _equation_of(o, visible), forall)
        case "conservation" | "ordering" | "boundary":
            return Template(forall, (), o.check)
        case "determinism":
            return Template(forall, (), None, ())
        case "protocol":
            return Template(forall, (), None, ())
    return Template(forall, (), None)


def _equation_of(o: Obligation, visible: Mapping[str, Signature]) -> Signature:
    signature = visible.get(str(o.of))
    if signature is None:
        raise problem("E301", f"{o.type} wants the name of an equation under `of`, found {str(o.of)!r}", o.of, did_you_mean(str(o.of), visible))
    return signature


def _input(o: Obligation, name: Text | None, signature: Signature) -> str:
    names = [p.name for p in signature.inputs]
    if name is None or str(name) not in names:
        raise problem("E404", f"{signature.name} has no input {str(name)!r}", name or o.id, did_you_mean(str(name), names))
    return str(name)


def _call(signature: Signature, owner: str = "", **changed: str) -> str:
    return f"{owner}{signature.name}({', '.join(changed.get(p.name, p.name) for p in signature.inputs)})"


def _subscripts(shape: tuple[str | int, ...], taken: tuple[str, ...] = ()) -> list[str]:
    """Index names for the axes of an array that collide with nothing written by hand: i_B, i_N, ...

    An index has one range in a block, so it is named after its dimension, not after the axis.
    """
    names: list[str] = []
    for d in map(str, shape):
        name = f"{'i' if d not in taken else 'j'}_{d}"
        names.append(name if name not in names else f"{name}_{len(names)}")
    return names


def _element(name: str, indices: list[str]) -> str:
    return f"{name}[{', '.join(indices)}]" if indices else name


def _forall(indices: list[str], claim: str) -> str:
    return f"all[{', '.join(indices)}]({claim})" if indices else claim


def _definition(signature: Signature) -> Template:
    outputs = [p.name for p in signature.outputs]
    let = (
        f"{', '.join(outputs)} = {_call(signature)}",
        f"{', '.join('expected_' + n for n in outputs)} = {_call(signature, 'spec.')}",
    )
    return Template({}, let, " and ".join(f"approx({n}, expected_{n})" for n in outputs))


def _gradient(o: Obligation, equation: CheckedEquation, visible: Mapping[str, Signature]) -> Template:
    forward = _equation_of(o, visible)
    backward = equation.signature
    inputs = [p.name for p in forward.inputs]
    known = {p.name for p in backward.inputs}
    for name in inputs:
        if name not in known:
            raise problem("E303", f"{backward.name} does not take {name!r}, which {forward.name} needs", o.of, "gradients are taken at the inputs of the backward equation")
    for name in o.wrt:
        _input(o, name, forward)
    outputs = [p.name for p in backward.outputs]
    for name in o.gives:
        if str(name) not in outputs:
            raise problem("E303", f"{backward.name} has no output {str(name)!r}", name, did_you_mean(str(name), outputs))
    if len(o.gives) != len(o.wrt):
        raise problem("E303", f"{len(o.wrt)} inputs under wrt, {len(o.gives)} outputs under gives", o.id)
    for name, value in o.cotangent.items():
        if name not in [p.name for p in forward.outputs]:
            raise problem("E303", f"{forward.name} has no output {name!r}", value, did_you_mean(name, [p.name for p in forward.outputs]))
        if str(value) not in known and str(value) != "1":
            raise problem("E303", f"{backward.name} has no input {str(value)!r}", value, did_you_mean(str(value), known))
    return Template()


def _bound(o: Obligation, signature: Signature) -> Template:
    output = signature.outputs[0]
    indices = _subscripts(output.type.shape or ())
    element = _element("value", indices)
    parts = [f"{o.lower} <= {element}"] if o.lower is not None else []
    parts += [f"{element} <= {o.upper}"] if o.upper is not None else []
    names = ["value", *("_" for _ in signature.outputs[1:])]
    return Template(dict(o.forall), (f"{', '.join(names)} = {_call(signature)}",), _forall(indices, " and ".join(parts)))


def _monotonicity(o: Obligation, signature: Signature, forall: dict[str, str], equation: CheckedEquation) -> Template:
    name = _input(o, o.in_, signature)
    type_ = signature.types[name]
    output = signature.outputs[0]
    rest = ["_" for _ in signature.outputs[1:]]
    up = o.direction == "increasing"
    if type_.is_array and type_.shape:
        if o.axis is None or str(o.axis) not in map(str, type_.shape) or output.type.shape != type_.shape:
            raise problem("E303", f"monotonicity in the array {name} needs `axis`, and an output of the same shape", o.id)
        i = _subscripts(type_.shape)
        j = _subscripts(type_.shape, (str(o.axis),))
        relation = "<=" if up else ">="
        bound = list(dict.fromkeys(i + j))
        claim = f"not ({_element(name, i)} <= {_element(name, j)}) or {_element('value', i)} {relation} {_element('value', j)}"
        return Template(forall, (f"{', '.join(['value', *rest])} = {_call(signature)}",), _forall(bound, claim))
    other = f"{name}_2"
    forall[other] = str(type_) + " " + _domain_text(o, name, equation)
    indices = _subscripts(output.type.shape or ())
    a, b = _element("first", indices), _element("second", indices)
    if not up:
        a, b = b, a
    let = (
        f"{', '.join(['first', *rest])} = {_call(signature)}",
        f"{', '.join(['second', *rest])} = {_call(signature, '', **{name: other})}",
    )
    check = f"({name} > {other} or {_forall(indices, f'{a} <= {b}')}) and ({name} < {other} or {_forall(indices, f'{b} <= {a}')})"
    return Template(forall, let, check)


def _domain_text(o: Obligation, name: str, equation: CheckedEquation) -> str:
    """The domain of the varied input, for its second value."""
    return str(o.domain.get(name) or equation.space.inputs.get(name, (None, ""))[1])


def _repeated(o: Obligation, signature: Signature, forall: dict[str, str]) -> Template:
    name = _input(o, o.in_, signature)
    rest = ["_" for _ in signature.outputs[1:]]
    compare = "exact" if o.exact else "approx"
    let = (
        f"{', '.join(['once', *rest])} = {_call(signature)}",
        f"{', '.join(['twice', *rest])} = {_call(signature, '', **{name: 'once'})}",
    )
    return Template(forall, let, f"{compare}(twice, {'once' if o.type == 'idempotency' else name})")


def _linear(o: Obligation, signature: Signature, forall: dict[str, str], equation: CheckedEquation) -> Template:
    name = _input(o, o.in_, signature)
    type_ = signature.types[name]
    indices = _subscripts(type_.shape or ())
    outputs = [p.name for p in signature.outputs]
    first = ", ".join(f"{n}_1" for n in outputs)
    changed = ", ".join(f"{n}_3" for n in outputs)
    claims = []
    if o.type == "homogeneity":
        forall["factor"] = "real in [0.25, 4]"
        let = [f"{_element('scaled', indices)} = factor * {_element(name, indices)}"]
        let += [f"{first} = {_call(signature)}", f"{changed} = {_call(signature, '', **{name: 'scaled'})}"]
        for p in signature.outputs:
            at = _subscripts(p.type.shape or ())
            claims.append(_forall(at, f"approx({_element(p.name + '_3', at)}, factor ** {o.degree} * {_element(p.name + '_1', at)})"))
        return Template(forall, tuple(let), " and ".join(claims))
    forall["factor"] = "real in [-3, 3]"
    forall["other"] = f"{type_} {_domain_text(o, name, equation)}"
    second = ", ".join(f"{n}_2" for n in outputs)
    let = [f"{_element('mixed', indices)} = {_element(name, indices)} + factor * {_element('other', indices)}"]
    let += [f"{first} = {_call(signature)}", f"{second} = {_call(signature, '', **{name: 'other'})}"]
    let += [f"{changed} = {_call(signature, '', **{name: 'mixed'})}"]
    for p in signature.outputs:
        at = _subscripts(p.type.shape or ())
        claims.append(
            _forall(at, f"approx({_element(p.name + '_3', at)}, {_element(p.name + '_1', at)} + factor * {_element(p.name + '_2', at)})")
        )
    return Template(forall, tuple(let), " and ".join(claims))


def _symmetry(o: Obligation, signature: Signature, forall: dict[str, str]) -> Template:
    dims = {str(d) for d in o.permute.values()} | {str(d) for d in o.permutes.values()}
    if len(dims) != 1:
        raise problem("E303", "symmetry permutes one dimension", o.id, "state one obligation a dimension")
    (dim,) = dims
    forall["order"] = f"permutation[{dim}]"
    let: list[str] = []
    changed: dict[str, str] = {}
    for name in o.permute:
        _input(o, Text(name), signature)
        shape = signature.types[name].shape or ()
        at = _subscripts(shape)
        moved = [f"order[{i}]" if str(d) == dim else i for i, d in zip(at, shape, strict=True)]
        let.append(f"{_element(name + '_moved', at)} = {_element(name, moved)}")
        changed[name] = f"{name}_moved"
    outputs = [p.name for p in signature.outputs]
    let.append(f"{', '.join(outputs)} = {_call(signature)}")
    let.append(f"{', '.join(n + '_after' for n in outputs)} = {_call(signature, '', **changed)}")
    claims = []
    compare = "exact" if o.exact else "approx"
    for p in signature.outputs:
        shape = p.type.shape or ()
        at = _subscripts(shape)
        moves = p.name in o.permutes
        source = [f"order[{i}]" if moves and str(d) == dim else i for i, d in zip(at, shape, strict=True)]
        claims.append(_forall(at, f"{compare}({_element(p.name + '_after', at)}, {_element(p.name, source)})"))
    return Template(forall, tuple(let), " and ".join(claims))
