"""One contract as one test file that a careful person could have written."""

from __future__ import annotations

import math
from typing import Any

from ..checked import CheckedContract, CheckedObligation, Law, Space
from ..lang import tree
from ..lang.check import Scope, check_expression
from ..lang.syntax import parse_expression
from ..lang.to_python import Emitter, grid_line, used_indices
from ..lang.types import DimRange, Type, evaluate, names_in, parse_dim
from ..model import FalsificationTest
from .actions import action_lines, rejection_lines
from .definitions import definition_lines, definitions_needed, quoted_doc

HEADER = "Compiled from {path}: change the contract and run `albor-contracts generate`, never this file."


def test_module(contract: CheckedContract, library: dict[str, CheckedContract], meaning: str) -> str:
    """The text of generated/<family>/test_<kernel>.py."""
    used: set[str] = {"definitions", "given", "obligation"}
    parts: list[list[str]] = []
    names = []
    for equation, block in definitions_needed(contract, library):
        lines, runtime = definition_lines(equation, block)
        used |= runtime
        parts.append(lines)
        names.append(equation.name)
    undefined = [f'"{e.signature}"' for n, e in contract.equations.items() if e.define is None]
    spec = f"spec = definitions({', '.join(['CONTRACT', *names, *undefined])})"
    if len(spec) > 110:
        spec = "\n    ".join(["spec = definitions(", *(f"{part}," for part in ("CONTRACT", *names, *undefined))]) + "\n)"
    spaces: dict[str, str] = {}
    strategies: list[str] = []
    suppositions: dict[str, list[str]] = {}
    tests: list[list[str]] = []
    for obligation in contract.obligations:
        supposed = _supposed(obligation.law, suppositions, used)
        text = _cases(obligation.law.space, _work(obligation.law), supposed)
        if text not in spaces:
            spaces[text] = _strategy_name(obligation, set(spaces.values()))
            strategies.append(f"{spaces[text]} = {text}")
        tests.append(_test(obligation, spaces[text], used))
    for test, law in contract.tests:
        assert isinstance(test, FalsificationTest)
        tests.append(_example(test, law, used))
    if strategies:
        used.add("cases")
    title = f"{contract.name}: {contract.model.metadata.title}."
    lines = [
        quoted_doc(title)[:-3],
        "",
        HEADER.format(path=contract.model.path.rsplit("contracts/", 1)[-1].join(["contracts/", ""])),
        f"Meaning: {meaning}",
        '"""',
        "",
        f"from albor_contracts.testing import {', '.join(sorted(used))}" if len(used) < 9 else _import_block(used),
        "",
        f'CONTRACT = "{contract.name}"',
    ]
    for part in parts:
        lines += ["", "", *part]
    lines += ["", "", spec]
    for supposition in suppositions.values():
        lines += ["", "", *supposition]
    if suppositions:
        lines.append("")
    if strategies:
        lines += ["", *strategies]
    for test_lines in tests:
        lines += ["", "", *test_lines]
    return "\n".join(lines) + "\n"


def _import_block(used: set[str]) -> str:
    rows, row = [], "   "
    for name in sorted(used):
        if len(row) + len(name) > 110:
            rows.append(row)
            row = "   "
        row += f" {name},"
    return "\n".join(["from albor_contracts.testing import (", *rows, row, ")"])


# Inputs


def _cases(space: Space, work: list[str], supposed: list[str]) -> str:
    """The strategy of a space as the call that makes it."""
    lines = ["cases("]
    if space.dims:
        inside = ", ".join(f'"{d}": "{t}"' for d, t in space.dims.items())
        lines.append(f"    dims={{{inside}}},")
    plain = [a for a in space.assume if not _arrays_in(a, space)]
    if plain:
        lines.append(f"    assume=({', '.join(_literal(str(a)) for a in plain)},),")
    if supposed:
        lines.append(f"    such_that=supposing({', '.join(supposed)}),")
    if work:
        lines.append(f"    work={{{', '.join(f'{_literal(w)}: 2**18' for w in work)}}},")
    elements = _elements(space)
    if elements > ELEMENTS:
        lines.append(f"    elements={elements},")
    for name, (type_, domain) in space.inputs.items():
        lines.append(f"    {name}={_literal(_spec(type_, domain))},")
    return "\n".join([*lines, ")"])


ELEMENTS = 20_485  # what `cases` allows when it is not told otherwise


def _elements(space: Space) -> int:
    """Elements of all inputs when one dimension is at its largest and the others at their smallest.

    A dimension that is meant to be wide must be reachable, whatever the usual budget of a case.
    """
    ranges = {d: r for d, text in space.dims.items() if isinstance(r := parse_dim(text), DimRange)}
    low = {d: float(r.low) for d, r in ranges.items()}
    most = 0
    for d, r in ranges.items():
        sizes = {**low, d: float(r.high)}
        for name, text in space.derived.items():
            if names_in(text) <= set(sizes):
                sizes[name] = evaluate(text, sizes)
        total = 0.0
        for type_, _ in space.inputs.values():
            size = 1.0
            for part in type_.shape or ():
                size *= part if isinstance(part, int) else sizes.get(part, 1.0)
            total += size
        most = max(most, int(total))
    return most


def _arrays_in(condition: str, space: Space) -> list[str]:
    """The input arrays that a condition is about."""
    node, _ = parse_expression(condition)
    found = {n.array for n in tree.walk(node) if isinstance(n, tree.Element)}
    found |= {n.id for n in tree.walk(node) if isinstance(n, tree.Name)}
    return [n for n, (type_, _) in space.inputs.items() if n in found and type_.is_array]


def _supposed(law: Law, known: dict[str, list[str]], used: set[str]) -> list[str]:
    """Names of the functions that say what a law assumes about arrays; new ones are added to `known`."""
    names = []
    for condition in law.space.assume:
        arrays = _arrays_in(condition, law.space)
        if not arrays:
            continue
        values = {n: t for n, (t, _) in law.space.inputs.items()}
        scope = Scope(law.scope.dims, values, law.scope.domains, dim_names=frozenset(law.space.dims))
        node, source = parse_expression(condition)
        check_expression(node, source, scope)
        emitter = Emitter(scope)
        inside = {n.id for n in tree.walk(node) if isinstance(n, tree.Name)} | set(arrays)
        sizes = {str(scope.indices[i].range) for i in used_indices([node]) if i in scope.indices}
        inputs = [n for n in law.space.inputs if n in inside]
        dims = [d for d in law.space.dims if d in inside or d in sizes]
        names_of_case = [*inputs, *dims]
        body = [f"    {quoted_doc(condition)}"]
        body.append(f"    {', '.join(names_of_case)} = {', '.join(f'case.{n}' for n in names_of_case)}")
        grid = grid_line(scope, used_indices([node]))
        if grid:
            body.append(f"    {grid}")
            emitter.used.add("grid")
        body.append(f"    return {emitter.text(node)}")
        same = [name for name, lines in known.items() if lines[1:] == body]
        name = same[0] if same else f"supposed_{len(known) + 1}"
        known[name] = [f"def {name}(case):", *body]
        names.append(name)
        used |= emitter.used | {"supposing"}
    return names


def _spec(type_: Type, domain: str) -> str:
    if domain.startswith("permutation of"):
        return f"permutation[{(type_.shape or ('',))[0]}]"
    return f"{type_} {domain}".strip()


def _work(law: Law) -> list[str]:
    """Grids a law or its definitions span beyond the arrays themselves: bounded, so that cases stay quick."""
    found: list[str] = []
    shapes = [set(map(str, t.shape or ())) for t, _ in law.space.inputs.values()]
    for s in (*law.statements, *((law.check,) if law.check is not None else ())):
        indices = [i for i in law.scope.indices if i in used_indices([s])]
        ranges = [str(law.scope.indices[i].range) for i in indices]
        if len(ranges) > 1 and not any(set(ranges) <= shape and len(set(ranges)) == len(ranges) for shape in shapes):
            product = " * ".join(r if r.isidentifier() or r.isdigit() else f"({r})" for r in ranges)
            if product not in found:
                found.append(product)
    return found


def grids_of(statements: tuple[tree.Statement, ...], law: Law) -> list[str]:
    return _work(Law(law.space, statements, None, law.scope))


def _strategy_name(obligation: CheckedObligation, taken: set[str]) -> str:
    name = f"{obligation.equation.name}_inputs"
    if name not in taken:
        return name
    return f"{obligation.id.lower().replace('-', '_')}_inputs"


# Tests


def _test(o: CheckedObligation, strategy: str, used: set[str]) -> list[str]:
    emitter = Emitter(o.law.scope)
    lines = [_decorator(o.id, o), f"@given(case={strategy})", f"def test_{o.id.lower().replace('-', '_')}(kernel, case):"]
    lines.append(f"    {quoted_doc(str(o.model.property))}")
    lines += [f"    {line}" for line in _body(o, emitter)]
    used |= emitter.used
    return lines


def _decorator(identifier: str, o: CheckedObligation) -> str:
    return f'@obligation("{identifier}", equation="{o.equation.name}", type="{o.model.type}")'


def _body(o: CheckedObligation, emitter: Emitter) -> list[str]:
    law = o.law
    special = action_lines(o, emitter)
    trees: list[tree.Node] = [*law.statements, *((law.check,) if law.check is not None else ())]
    if special is not None:
        action, extra_trees = special
        trees += extra_trees
    lines = _opening(law, trees, emitter, o)
    lines += [emitter.statement(s) for s in law.statements]
    if special is not None:
        lines += action
    if law.check is not None:
        lines += _claims(law.check, emitter)
    return lines


def _opening(law: Law, trees: list[tree.Node], emitter: Emitter, o: CheckedObligation | None) -> list[str]:
    """Unpack the case: the inputs, the sizes that are mentioned, the indices."""
    names = {n.id for t in trees for n in tree.walk(t) if isinstance(n, tree.Name)}
    names |= {n.array for t in trees for n in tree.walk(t) if isinstance(n, tree.Element)}
    if o is not None and (o.model.type in ("gradient", "independence")):
        names |= set(law.space.inputs)
    inputs = [n for n in law.space.inputs if n in names] or list(law.space.inputs)[:1]
    lines = [f'{", ".join(inputs)} = kernel.receives(case, "{" ".join(inputs)}")'] if inputs else []
    used = used_indices(trees)
    sizes = {str(law.scope.indices[i].range) for i in used if i in law.scope.indices} | (used & set(law.space.dims))
    dims = [d for d in law.space.dims if any(d == s or d in s.split() for s in sizes)]
    if dims:
        lines.append(f"{', '.join(dims)} = {', '.join(f'case.{d}' for d in dims)}")
    grid = grid_line(law.scope, used)
    if grid:
        lines.append(grid)
        emitter.used.add("grid")
    return lines


def _claims(check: tree.Node, emitter: Emitter) -> list[str]:
    """A conjunction is several claims, each on a line of its own."""
    emitter.used.add("claim")
    if isinstance(check, tree.Logic) and check.op == "and":
        return [*_claims(check.left, emitter), *_claims(check.right, emitter)]
    return [f"claim({emitter.text(check)})"]


def _example(test: FalsificationTest, law: Law, used: set[str]) -> list[str]:
    emitter = Emitter(law.scope)
    name = str(test.id).lower().replace("-", "_")
    lines = [f'@obligation("{test.id}", rule="{test.rule}", type="falsification")', f"def test_{name}(kernel):"]
    lines.append(f"    {quoted_doc(str(test.prediction))}")
    given = ", ".join(f"{k}={_value(v)}" for k, v in test.given.items())
    specs = ", ".join(f"{n}={_literal(str(t))}" for n, (t, _) in law.space.inputs.items())
    lines.append(f"    case = example(dict({specs}), {given})")
    trees: list[tree.Node] = [*law.statements, *((law.check,) if law.check is not None else ())]
    refused = None if test.call is None else rejection_lines(test.call, test.raises, test.mentions, emitter)
    if refused is not None:
        trees += refused[1]
    lines += [f"    {line}" for line in _opening(law, trees, emitter, None)]
    lines += [f"    {emitter.statement(s)}" for s in law.statements]
    if law.check is not None:
        lines += [f"    {line}" for line in _claims(law.check, emitter)]
    if refused is not None:
        lines += [f"    {line}" for line in refused[0]]
    used |= emitter.used | {"example"}
    return lines


def _value(value: Any) -> str:
    """A concrete input as a Python literal."""
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_value(v) for v in value) + "]"
    if isinstance(value, bool) or value is None:
        return repr(value)
    if isinstance(value, float) and not math.isfinite(value):
        return f'float("{value}")'
    if isinstance(value, int | float):
        return repr(value)
    return _literal(str(value))


def _literal(text: str) -> str:
    """A text as a Python string literal in double quotes, plain ASCII."""
    body = ascii(text)[1:-1]
    if ascii(text).startswith("'"):
        body = body.replace("\\'", "'")
    body = body.replace('"', '\\"')
    return f'"{body}"'
