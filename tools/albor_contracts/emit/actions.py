"""Obligation types that are actions rather than equations: differentiating, running twice, expecting an error."""

from __future__ import annotations

from collections.abc import Sequence

from ..checked import CheckedObligation
from ..errors import Text, problem
from ..lang import tree
from ..lang.check import Scope, check_block, check_expression
from ..lang.syntax import parse_block, parse_expression
from ..lang.to_python import Emitter


def action_lines(o: CheckedObligation, emitter: Emitter) -> tuple[list[str], list[tree.Node]] | None:
    """The lines that carry out the action, and the trees whose names they use; None for an ordinary law."""
    match str(o.model.type):
        case "gradient":
            return _gradient(o, emitter)
        case "determinism":
            return _determinism(o, emitter)
        case "rejection":
            return _rejection(o, emitter)
        case "independence":
            return _independence(o, emitter)
        case "resource":
            return _resource(o, emitter)
        case "statistical":
            return _statistical(o, emitter)
        case "protocol":
            return _protocol(o, emitter)
    return None


def _gradient(o: CheckedObligation, emitter: Emitter) -> tuple[list[str], list[tree.Node]]:
    signature = o.equation.signature
    forward = str(o.model.of)
    emitter.used |= {"claim", "approx", "gradient"}
    outputs = [p.name if p.name in map(str, o.model.gives) else "_" for p in signature.outputs]
    inputs = [p.name for p in signature.inputs]
    forward_signature = emitter.scope.equations[forward]
    at = ", ".join(f"{p.name}={p.name}" for p in forward_signature.inputs)
    cotangents = {p.name: "None" for p in forward_signature.outputs}
    if o.model.cotangent:
        cotangents |= {k: str(v) for k, v in o.model.cotangent.items()}
    else:
        free = [n for n in inputs if n not in {p.name for p in forward_signature.inputs}]
        for name, value in zip(list(cotangents), free, strict=False):
            cotangents[name] = value
    wanted = [f"expected_{n}" for n in o.model.gives]
    lines = [
        f"{', '.join(outputs)} = kernel.{signature.name}({', '.join(inputs)})",
        f"{', '.join(wanted)}{',' if len(wanted) == 1 else ''} = gradient(spec, \"{forward}\", dict({at}), "
        f'wrt="{" ".join(map(str, o.model.wrt))}", cotangents=({", ".join(cotangents.values())},))',
    ]
    lines += [f"claim(approx({n}, expected_{n}))" for n in map(str, o.model.gives)]
    return lines, [tree.Name((0, 0), n) for n in inputs]


def _call(text: Text | None, scope: Scope) -> tree.Call:
    """The call of a kernel. Its arguments need not fit the equation: a rejection may be about just that."""
    assert text is not None
    node, source = parse_expression(text)
    if not isinstance(node, tree.Call) or node.spec or node.equation not in scope.equations:
        raise source.error("E427", "`call` is a call of a kernel, e.g. softmax(x)", node.place)
    for argument in node.arguments:
        check_expression(argument, source, scope)
    return node


def _determinism(o: CheckedObligation, emitter: Emitter) -> tuple[list[str], list[tree.Node]]:
    node = _call(o.model.call, emitter.scope)
    emitter.used |= {"same_twice"}
    return [f"same_twice(lambda: {emitter.text(node)})"], [node]


def _rejection(o: CheckedObligation, emitter: Emitter) -> tuple[list[str], list[tree.Node]]:
    return rejection_lines(o.model.call, o.model.raises, o.model.mentions, emitter)


def rejection_lines(
    call: Text | None, error: Text | None, words: Sequence[Text], emitter: Emitter
) -> tuple[list[str], list[tree.Node]]:
    """The lines that expect a call to be refused."""
    node = _call(call, emitter.scope)
    emitter.used |= {"rejects"}
    arguments = ", ".join(emitter.text(a) for a in node.arguments)
    mentions = ", ".join(repr(str(m)) for m in words)
    raises = str(error)
    if raises not in ("ValueError", "TypeError", "IndexError", "KeyError", "OverflowError", "ZeroDivisionError", "RuntimeError"):
        raise problem("E303", f"{raises!r} is not an error a kernel is expected to raise", error, "ValueError, TypeError, IndexError, KeyError, OverflowError or RuntimeError")
    extra = f", mentions=[{mentions}]" if mentions else ""
    return [f'rejects(kernel, "{node.equation}", ({arguments},), {raises}{extra})'], [node]


def _resource(o: CheckedObligation, emitter: Emitter) -> tuple[list[str], list[tree.Node]]:
    node = _call(o.model.call, emitter.scope)
    limit, source = parse_expression(o.model.at_most or "")
    check_expression(limit, source, emitter.scope)
    emitter.used |= {"uses_at_most"}
    return [f'uses_at_most({emitter.text(limit)}, "{o.model.count}", lambda: {emitter.text(node)})'], [node, limit]


def _independence(o: CheckedObligation, emitter: Emitter) -> tuple[list[str], list[tree.Node]]:
    signature = o.equation.signature
    output, source_o = parse_expression(o.model.output or "")
    given, source_i = parse_expression(o.model.input or "")
    condition, source_c = parse_expression(o.model.when or "")
    if not isinstance(output, tree.Element) or output.array not in [p.name for p in signature.outputs]:
        raise source_o.error("E303", "`output` is an element of an output, e.g. o[b, i]", output.place)
    if not isinstance(given, tree.Element) or given.array not in [p.name for p in signature.inputs]:
        raise source_i.error("E303", "`input` is an element of an input, e.g. x[b, j]", given.place)
    types = signature.types
    scope = emitter.scope
    for element, source in ((output, source_o), (given, source_i)):
        shape = types[element.array].shape or ()
        if len(shape) != len(element.indices) or not all(isinstance(i, tree.Name) for i in element.indices):
            raise source.error("E303", f"{element.array} is {types[element.array]}: one plain index for each axis", element.place)
        from ..lang.check import Index

        for index, dim in zip(element.indices, shape, strict=True):
            assert isinstance(index, tree.Name)
            scope.indices.setdefault(index.id, Index(dim, element.place, source, str(element.array)))
    emitter.used |= {"independent"}
    out_names = [i.id for i in output.indices if isinstance(i, tree.Name)]
    in_names = [i.id for i in given.indices if isinstance(i, tree.Name)]
    used = {n.id for n in tree.walk(condition) if isinstance(n, tree.Name)}
    unknown = used - set(out_names) - set(in_names) - set(scope.dim_names) - set(scope.values)
    if unknown:
        raise source_c.error("E420", f"unknown name {sorted(unknown)[0]!r}", condition.place, "indices of `output` and `input`, dimensions and scalars")
    position = [p.name for p in signature.outputs].index(output.array)
    call = f"kernel.{signature.name}({', '.join(p.name for p in signature.inputs)})"
    pick = f"[{position}]" if len(signature.outputs) > 1 else ""
    lines = [
        f"independent(",
        f"    lambda {given.array}: {call}{pick},",
        f"    {given.array},",
        f"    when={emitter.text(condition)},",
        f"    output=({', '.join(out_names)},),",
        f"    input=({', '.join(in_names)},),",
        f"    case=case,",
        f")",
    ]
    names = [tree.Name((0, 0), n) for n in (*out_names, *in_names, *(p.name for p in signature.inputs))]
    return lines, [condition, *names]


def _statistical(o: CheckedObligation, emitter: Emitter) -> tuple[list[str], list[tree.Node]]:
    m = o.model
    emitter.used |= {"statistically"}
    trees: list[tree.Node] = []

    def text(part: str | None) -> str:
        node, source = parse_expression(part or "")
        check_expression(node, source, emitter.scope)
        trees.append(node)
        return emitter.text(node)

    lines = [
        "statistically(",
        f"    statistic={text(m.statistic)},",
        f"    expect={text(m.expect)},",
        f"    variance={text(m.variance)},",
        f"    observations={text(m.observations)},",
        f"    detects={text(m.detects)},",
        f"    trials={m.trials},",
        f"    false_alarm={m.false_alarm},",
        ")",
    ]
    return lines, trees


def _protocol(o: CheckedObligation, emitter: Emitter) -> tuple[list[str], list[tree.Node]]:
    """`state` starts the run, `step` is repeated, `check` holds after every step."""
    m = o.model
    low, high = str(m.steps).split("..") if ".." in str(m.steps) else (m.steps, m.steps)
    statements, source = parse_block(m.step or "")
    scope = emitter.scope
    initial: list[str] = []
    trees: list[tree.Node] = []
    for name, value in m.state.items():
        node, value_source = parse_expression(value)
        kind = check_expression(node, value_source, scope)
        from ..lang.types import Type

        scope.values[name] = kind if isinstance(kind, Type) else Type(str(kind))
        initial.append(f"{name} = {emitter.text(node)}")
        trees.append(node)
    before = dict(scope.values)
    updates = []
    for s in statements:
        # `next_x` becomes `x` of the next step.
        check_block((s,), source, scope)
        trees.append(s)
    for name in m.state:
        if f"next_{name}" in scope.values:
            updates.append(f"{name} = next_{name}")
    check, check_source = parse_expression(m.check or "")
    check_expression(check, check_source, scope)
    trees.append(check)
    body = [emitter.statement(s) for s in statements]
    emitter.used.add("claim")
    scope.values = {**before, **scope.values}
    lines = [*initial, f"for _ in range(case.steps({int(str(low))}, {int(str(high))})):"]
    lines += [f"    {line}" for line in (*body, f"claim({emitter.text(check)})", *updates)]
    return lines, trees
