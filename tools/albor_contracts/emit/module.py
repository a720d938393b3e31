"""One contract as one test file that a careful person could have written."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from ..actions import Independence, Protocol
from ..checked import CheckedContract, CheckedObligation, Law, Space
from ..lang import tree
from ..lang.check import check_expression
from ..lang.scope import Scope
from ..lang.syntax import parse_expression
from ..lang.to_python import Emitter, grid_line, used_indices
from ..lang.types import Type
from ..model import FalsificationTest
from ..sizes import elements, grids
from .actions import action_lines, names_of
from .definitions import definition_lines, definitions_needed
from .texts import HEADER, call_lines, doc_lines, import_lines, literal, quoted_doc, value_text


def test_module(contract: CheckedContract, library: dict[str, CheckedContract], meaning: str) -> str:
    """The text of generated/<family>/test_<kernel>.py."""
    used: set[str] = {"definitions"}
    parts: list[list[str]] = []
    names = []
    for equation, block in definitions_needed(contract, library):
        lines, runtime = definition_lines(equation, block)
        used |= runtime
        parts.append(lines)
        names.append(equation.name)
    undefined = [f'"{e.signature}"' for n, e in contract.equations.items() if e.define is None]
    spec = "\n".join(call_lines("definitions", ["CONTRACT", *names, *undefined], before="spec = ", indent=0))
    spaces: dict[str, str] = {}
    strategies: list[str] = []
    suppositions: dict[str, list[str]] = {}
    tests: list[list[str]] = []
    for obligation in contract.obligations:
        supposed = _supposed(obligation, suppositions, used)
        text = _cases(obligation.law.space, _work(obligation), supposed)
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
        HEADER.format(path=f"contracts/{contract.name}-v{str(contract.model.metadata.version).split('.')[0]}.yaml"),
        f"Meaning: {meaning}",
        '"""',
        "",
        *import_lines("albor_contracts.testing", sorted(used)),
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


# Inputs


def _cases(space: Space, work: dict[str, str], supposed: list[str]) -> str:
    """The strategy of a space as the call that makes it."""
    lines = ["cases("]
    if space.dims:
        inside = ", ".join(f'"{d}": {literal(" ".join(t.split()))}' for d, t in space.dims.items())
        lines.append(f"    dims={{{inside}}},")
    plain = [a for a in space.assume if not _arrays_in(a, space) and _simple(a)]
    if plain:
        lines.append(f"    assume=({', '.join(literal(str(a)) for a in plain)},),")
    if supposed:
        lines.append(f"    such_that=supposing({', '.join(supposed)}),")
    if work:
        lines.append(f"    work={{{', '.join(f'{literal(w)}: {limit}' for w, limit in work.items())}}},")
    most, _ = elements(space)
    if most > ELEMENTS:
        lines.append(f"    elements={most},")
    for name, (type_, domain) in space.inputs.items():
        lines.append(f"    {name}={literal(_spec(type_, domain))},")
    return "\n".join([*lines, ")"])


ELEMENTS = 20_485  # what `cases` allows when it is not told otherwise


def _arrays_in(condition: str, space: Space) -> list[str]:
    """The input arrays that a condition is about."""
    node, _ = parse_expression(condition)
    found = {n.array for n in tree.walk(node) if isinstance(n, tree.Element)}
    found |= {n.id for n in tree.walk(node) if isinstance(n, tree.Name)}
    return [n for n, (type_, _) in space.inputs.items() if n in found and type_.is_array]


def _simple(condition: str) -> bool:
    """Whether `cases` itself reads the condition: comparisons of sums and products of sizes and scalars."""
    node, _ = parse_expression(condition)
    plain = tree.Compare | tree.Logic | tree.Name | tree.Number | tree.Binary | tree.Unary
    return (
        len(condition) <= 200
        and not any(c in condition for c in "#\n\\")
        and isinstance(node, tree.Compare | tree.Logic | tree.Unary)
        and all(
            isinstance(n, plain)
            and not (isinstance(n, tree.Number) and isinstance(n.value, bool))
            and not (isinstance(n, tree.Binary) and n.op not in ("+", "-", "*", "/", "//", "%"))
            and not (isinstance(n, tree.Unary) and n.op not in ("-", "not"))
            for n in tree.walk(node)
        )
    )


def _supposed(o: CheckedObligation, known: dict[str, list[str]], used: set[str]) -> list[str]:
    """Names of the functions that say what a law assumes about arrays; new ones are added to `known`."""
    law = o.law
    names = []
    for condition in (*law.space.assume, *_something_to_replace(o)):
        arrays = _arrays_in(condition, law.space)
        if not arrays and _simple(condition):
            continue
        values = {n: t for n, (t, _) in law.space.inputs.items()}
        scope = Scope(law.scope.dims, values, law.scope.domains, dim_names=frozenset(law.space.dims))
        node, source = parse_expression(condition)
        if isinstance(law.action, Independence):
            named = {i for n in tree.walk(node) if isinstance(n, tree.Reduce) for i in n.over}
            scope.indices |= {n: i for n, i in law.scope.indices.items() if n in named}
        check_expression(node, source, scope)
        emitter = Emitter(scope)
        inside = {n.id for n in tree.walk(node) if isinstance(n, tree.Name)} | set(arrays)
        sizes = {str(scope.indices[i].range) for i in used_indices([node]) if i in scope.indices}
        inputs = [n for n in law.space.inputs if n in inside]
        dims = [d for d in law.space.dims if d in inside or d in sizes]
        names_of_case = [*inputs, *dims]
        body = doc_lines(condition)
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


def _something_to_replace(o: CheckedObligation) -> list[str]:
    """For an independence that depends on inputs, that some element must not matter: other cases show nothing."""
    law, action = o.law, o.law.action
    if not isinstance(action, Independence) or not _arrays_in(str(o.model.when), law.space):
        return []
    named = {n.array for n in tree.walk(action.when) if isinstance(n, tree.Element)} | used_indices([action.when])
    if any(named & set(s.targets) for s in law.statements):  # of what the body computes a case knows nothing
        return []
    free = {i.id for e in (action.output, action.input) for i in e.indices if isinstance(i, tree.Name)}
    over = sorted(used_indices([action.when]) & free)
    return [f"any[{', '.join(over)}]({o.model.when})"]


def _spec(type_: Type, domain: str) -> str:
    if domain.startswith("permutation of"):
        return f"permutation[{(type_.shape or ('',))[0]}]"
    return f"{type_} {domain}".strip()


def _work(obligation: CheckedObligation) -> dict[str, str]:
    """Products of sizes, each with its limit."""
    found: dict[str, str] = {}
    for ranges, most in grids(obligation):
        product = " * ".join(r if r.isidentifier() or r.isdigit() else f"({r})" for r in ranges)
        power = most.bit_length() - 1
        found.setdefault(product, f"2**{power}" if most == 2**power else str(most))
    return found


def _strategy_name(obligation: CheckedObligation, taken: set[str]) -> str:
    name = f"{obligation.equation.name}_inputs"
    if name not in taken:
        return name
    return f"{obligation.id.lower().replace('-', '_')}_inputs"


# Tests


def _test(o: CheckedObligation, strategy: str, used: set[str]) -> list[str]:
    used.add("obligation")
    if isinstance(o.law.action, Protocol):
        return _run(o, o.law.action, strategy, used)
    used.add("given")
    emitter = Emitter(o.law.scope)
    lines = [_decorator(o), f"@given(case={strategy})", f"def {_test_name(o.id)}(kernel, case):"]
    lines += doc_lines(str(o.model.property))
    lines += [f"    {line}" for line in _body(o.law, emitter, o)]
    used |= emitter.used
    return lines


def _test_name(identifier: str) -> str:
    return f"test_{identifier.lower().replace('-', '_')}"


def _decorator(o: CheckedObligation) -> str:
    cost = f", cost={o.model.cost}" if o.model.cost != 1 else ""
    return f'@obligation("{o.id}", equation="{o.equation.name}", type="{o.model.type}"{cost})'


def _body(law: Law, emitter: Emitter, o: CheckedObligation | None) -> list[str]:
    """Inputs, statements, then the claims or the action."""
    needed = {n.id for t in law.trees for n in tree.walk(t) if isinstance(n, tree.Name)} | names_of(law, o)
    needed |= {n.array for t in law.trees for n in tree.walk(t) if isinstance(n, tree.Element)}
    lines = [emitter.statement(_without_unused(s, needed)) for s in law.statements]
    lines += action_lines(law, emitter, o)
    if law.check is not None:
        lines += _claims(law.check, emitter)
    names = names_of(law, o)
    inputs = _mentioned(law, law.trees, names) or list(law.space.inputs)[:1]
    return [_receive(inputs, "kernel", "case"), *_grid(law, law.trees, emitter, "case"), *lines]


def _without_unused(s: tree.Statement, needed: set[str]) -> tree.Statement:
    """Outputs of a call that nothing mentions become _."""
    if not isinstance(s.value, tree.Call):
        return s
    return replace(s, targets=tuple(t if t in needed else "_" for t in s.targets))


def _receive(inputs: list[str], owner: str, source: str) -> str:
    return f'{", ".join(inputs)} = {owner}.receives({source}, "{" ".join(inputs)}")'


def _mentioned(law: Law, trees: Iterable[tree.Node], more: Iterable[str] = ()) -> list[str]:
    """The inputs that these expressions mention."""
    found = set(more)
    for t in trees:
        for n in tree.walk(t):
            if isinstance(n, tree.Name):
                found.add(n.id)
            elif isinstance(n, tree.Element):
                found.add(n.array)
    return [n for n in law.space.inputs if n in found]


def _grid(law: Law, trees: Iterable[tree.Node], emitter: Emitter, case: str) -> list[str]:
    """The sizes that are mentioned, and the indices."""
    trees = list(trees)
    used = used_indices(trees)
    for t in trees:
        # The indices of an independence are those of its two elements.
        used |= {
            i.id for n in tree.walk(t) if isinstance(n, tree.Element) for i in n.indices if isinstance(i, tree.Name)
        }
    sizes = {str(law.scope.indices[i].range) for i in used if i in law.scope.indices}
    dims = [d for d in law.space.dims if d in sizes | used | emitter.sizes]
    lines = [f"{', '.join(dims)} = {', '.join(f'{case}.{d}' for d in dims)}"] if dims else []
    grid = grid_line(law.scope, used)
    if grid:
        lines.append(grid)
        emitter.used.add("grid")
    return lines


def _run(o: CheckedObligation, action: Protocol, strategy: str, used: set[str]) -> list[str]:
    """A protocol: a class with the first and the further steps of a run, and the test that runs it."""
    law, emitter = o.law, Emitter(o.law.scope)
    later = (*action.step, action.check)
    words = {n.id for t in later for n in tree.walk(t) if isinstance(n, tree.Name)}
    words |= {n.array for t in later for n in tree.walk(t) if isinstance(n, tree.Element)}
    prepared = [t for s in law.statements for t in s.targets if t in words]
    begin = [emitter.statement(s) for s in law.statements]
    kept = [f"{n}={n}" for n in prepared] + [f"{n}={emitter.text(value)}" for n, value in action.state.items()]
    begin += call_lines("self.holds", kept, indent=8)
    first = (*law.statements, *action.state.values())
    opening = [_receive(_mentioned(law, first) or list(law.space.inputs)[:1], "self", "case")]
    opening += _grid(law, first, emitter, "case")
    held = [n for n in (*action.state, *prepared) if n in words]
    body = [emitter.statement(s) for s in action.step]
    body += _claims(action.check, emitter)
    body += call_lines(
        "self.holds", [f"{n}=next_{n}" for n in action.state if f"next_{n}" in law.scope.values], indent=8
    )
    inputs = _mentioned(law, later)
    step = [
        *([_receive(inputs, "self", "draw")] if inputs else []),
        *([f'{", ".join(held)} = self.held("{" ".join(held)}")'] if held else []),
    ]
    if any(isinstance(n, tree.Call) and not n.spec for t in later for n in tree.walk(t)):
        step.insert(0, "kernel = self.kernel")
    step += _grid(law, later, emitter, "self.case")
    if any(isinstance(n, tree.Call) and not n.spec for t in first for n in tree.walk(t)):
        opening.insert(0, "kernel = self.kernel")
    used |= emitter.used | {"Steps", "drawing", "initialize", "rule", "run_steps"}
    name = "".join(part.capitalize() for part in o.id.replace("_", "-").split("-")) + "Run"
    return [
        f"class {name}(Steps):",
        *doc_lines(str(o.model.property)),
        "",
        f"    @initialize(case={strategy})",
        "    def begin(self, case):",
        *(f"        {line}" for line in (*opening, *begin)),
        "",
        "    @rule(draw=drawing())",
        "    def step(self, draw):",
        *(f"        {line}" for line in (*step, *body)),
        "",
        "",
        _decorator(o),
        f"def {_test_name(o.id)}(kernel):",
        *doc_lines(str(o.model.property)),
        f"    run_steps({name}, {strategy}, kernel, steps={action.steps})",
    ]


def _claims(check: tree.Node, emitter: Emitter) -> list[str]:
    """A conjunction is several claims, each on a line of its own."""
    emitter.used.add("claim")
    if isinstance(check, tree.Logic) and check.op == "and":
        return [*_claims(check.left, emitter), *_claims(check.right, emitter)]
    return [f"claim({emitter.text(check)})"]


def _example(test: FalsificationTest, law: Law, used: set[str]) -> list[str]:
    emitter = Emitter(law.scope)
    specs = ", ".join(f'"{n}": {literal(str(t))}' for n, (t, _) in law.space.inputs.items())
    body = _body(law, emitter, None)
    hidden = {d: n for d, n in law.sizes.items() if any(f"case.{d}" in line for line in body[1:3])}
    pairs = ", ".join(f'"{d}": {n}' for d, n in hidden.items())
    sizes = [f"dims={{{pairs}}}"] if hidden else []
    given = [f"{n}={value_text(v)}" for n, v in test.given.items()]
    lines = [
        f'@obligation("{test.id}", rule="{test.rule}", type="falsification")',
        f"def {_test_name(str(test.id))}(kernel):",
        *doc_lines(str(test.prediction)),
        *(f"    {line}" for line in call_lines("example", [f"{{{specs}}}", *sizes, *given], before="case = ")),
        *(f"    {line}" for line in body),
    ]
    used |= emitter.used | {"example", "obligation"}
    return lines
