"""Definitions as Python functions: the `define` of an equation, line by line."""

from __future__ import annotations

from ..checked import Block, CheckedContract, CheckedEquation
from ..lang import tree
from ..lang.to_python import Emitter, grid_line, sizes_header, used_indices
from .texts import doc_lines, signature_lines


def definition_lines(equation: CheckedEquation, block: Block, name: str | None = None) -> tuple[list[str], set[str]]:
    """The function of one definition, and the names of the runtime it uses."""
    emitter = Emitter(block.scope, kernel="spec")
    body = [emitter.statement(s) for s in block.statements]
    used = used_indices(block.statements)
    grid = grid_line(block.scope, used)
    needed = {str(block.scope.indices[i].range) for i in used if i in block.scope.indices}
    needed |= (used | emitter.sizes) & set(equation.space.dims)
    needed |= {n for s in block.statements for n in _dims_in(s, equation)}
    emitter.used.add("defines")
    lines = [
        *signature_lines(str(equation.signature), equation.signature.on_device),
        f"def {name or equation.name}({', '.join(p.name for p in equation.signature.inputs)}):",
    ]
    doc = str(equation.model.formula) or str(equation.signature)
    lines += doc_lines(doc)
    header = sizes_header([(p.name, p.type) for p in equation.signature.inputs], needed, equation.space.derived)
    lines += [f"    {line}" for line in only_needed(header, needed)]
    if grid:
        lines.append(f"    {grid}")
        emitter.used.add("grid")
    lines += [f"    {line}" for line in body]
    lines.append(f"    return {', '.join(p.name for p in equation.signature.outputs)}")
    return lines, emitter.used


def _dims_in(s: tree.Statement, equation: CheckedEquation) -> set[str]:
    return {n.id for n in tree.walk(s) if isinstance(n, tree.Name) and n.id in equation.space.dims}


def only_needed(header: list[str], needed: set[str]) -> list[str]:
    """Drop single-dimension lines nobody reads, unless a later line does."""
    kept: list[str] = []
    for line in reversed(header):
        names = {w.strip(" (),") for w in line.split("=")[0].split(",")} - {""}
        right = line.split("=", 1)[1]
        if names & needed:
            needed = needed | {
                w
                for w in right.replace("//", " ").replace("*", " ").replace("(", " ").replace(")", " ").split()
                if w.isidentifier()
            }
            kept.append(line)
    return kept[::-1]


def definitions_needed(
    contract: CheckedContract, library: dict[str, CheckedContract]
) -> list[tuple[CheckedEquation, Block]]:
    """Own definitions, preceded by those of other contracts that they or the laws call."""
    found: dict[str, tuple[CheckedEquation, Block]] = {}

    def visit(owner: CheckedContract, name: str) -> None:
        equation = owner.equations.get(name)
        if equation is None and name in owner.imports:
            other = library.get(owner.imports[name])
            if other is not None:
                visit(other, name)
            return
        if equation is None or equation.define is None or name in found:
            return
        for s in equation.define.statements:
            for node in tree.walk(s):
                if isinstance(node, tree.Call):
                    visit(owner, node.equation)
        found[name] = (equation, equation.define)

    laws = [*(o.law for o in contract.obligations), *(law for _, law in contract.tests)]
    blocks = [block for fault in contract.faults for block in fault.defines.values()]
    for part in (*(t for law in laws for t in law.trees), *(s for block in blocks for s in block.statements)):
        for node in tree.walk(part):
            if isinstance(node, tree.Call):
                visit(contract, node.equation)
    for obligation in contract.obligations:
        if obligation.model.of is not None:
            visit(contract, str(obligation.model.of))
    for name in contract.equations:
        visit(contract, name)
    return list(found.values())
