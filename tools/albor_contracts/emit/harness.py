"""One contract's proofs as one harness file: generated/<family>/prove_<kernel>.py.

A proof over the reals is about the mathematics: there a kernel and its definition are the same, and both are
unrolled. CrossHair runs the function that ships, and so does engine ieee where a target is given.
"""

from __future__ import annotations

import ast
import textwrap
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache

from .. import prove
from ..checked import CheckedContract, CheckedEquation, CheckedObligation
from ..errors import ContractError, Diagnostic, Text, problem
from ..evidence.locate import locate
from ..lang import to_float16, to_loops, to_z3, tree
from ..lang.to_float16 import HalfEmitter
from ..lang.to_loops import LoopEmitter
from ..lang.to_python import sizes_header, used_indices
from ..lang.to_z3 import RealEmitter
from ..lang.types import Type
from ..lang.unroll import CannotExpress, Names
from ..model import Proof
from ..suggest import did_you_mean
from .definitions import only_needed
from .proof import ProofOf, check_axioms, sizes_of
from .proof_halves import HalfProof
from .proof_integers import IntegerProof
from .proof_real import RealProof
from .texts import HEADER, quoted_doc

_WORDS = {*prove.__all__, *to_z3.WORDS, *to_loops.WORDS, *to_float16.WORDS, "proof", "product"}

ENGINES: dict[str, type[ProofOf]] = {"z3": RealProof, "crosshair": IntegerProof, "ieee": HalfProof}

Library = Mapping[str, CheckedContract]
Emit = Callable[[CheckedContract, CheckedEquation, str], list[str]]  # where, what, under which name


def has_proofs(contract: CheckedContract) -> bool:
    """Whether the contract has a harness at all."""
    return any(o.model.prove is not None for o in contract.obligations)


def harness_module(contract: CheckedContract, library: Library, meaning: str) -> str:
    """The text of generated/<family>/prove_<kernel>.py. Raises ContractError with all that cannot be compiled."""
    module = Harness(contract, library)
    faults = module.compile()
    if faults:
        raise ContractError(*faults)
    return module.text(meaning)


def proof_problems(library: Library) -> list[Diagnostic]:
    """What is wrong with the proofs of checked contracts, found by compiling them."""
    return [d for contract in library.values() for d in problems_of_proofs(contract, library)[0]]


def problems_of_proofs(contract: CheckedContract, library: Library) -> tuple[list[Diagnostic], set[str]]:
    """What is wrong with the proofs of one contract, and the modules whose source was looked at."""
    if not has_proofs(contract):
        return [], set()
    module = Harness(contract, library)
    return [*module.compile(), *module.warnings], module.sources


class Harness:
    """The parts of one file, as they come up. Proofs ask it for functions and imports."""

    def __init__(self, contract: CheckedContract, library: Library) -> None:
        self.contract = contract
        self.library = library
        self.imports: dict[str, set[str]] = {}  # module -> names
        self.functions: dict[tuple[str, ...], tuple[str, list[str]]] = {}
        self.helpers: dict[str, list[str]] = {}
        self.proofs: list[list[str]] = []
        self.warnings: list[Diagnostic] = []
        self.sources: set[str] = set()  # modules whose source was looked at
        self.module_names: set[str] = set()
        # What functions of the file can be called, in any contract whose definitions come into it.
        equations = {e for c in self._reachable(contract) for e in c.equations}
        targets = {p.target.partition(":")[2] for o in contract.obligations if (p := o.model.prove) and p.target}
        prefixed = {f"{prefix}{e}" for e in equations for prefix in ("", "the_", "spec_", "wide_", "kernel_")}
        self.locals = Names({*_WORDS, *prefixed, *(t.partition(".")[0] for t in targets)})

    def _reachable(self, contract: CheckedContract) -> list[CheckedContract]:
        found = {contract.name: contract}
        waiting = [contract]
        while waiting:
            for other in set(waiting.pop().imports.values()) - set(found):
                if other in self.library:
                    found[other] = self.library[other]
                    waiting.append(found[other])
        return list(found.values())

    # The whole

    def compile(self) -> list[Diagnostic]:
        faults: list[Diagnostic] = []
        for obligation in self.contract.obligations:
            if obligation.model.prove is None:
                continue
            before = dict(self.functions)
            try:
                self.proofs.append(self._proof(obligation, obligation.model.prove))
            except CannotExpress as error:
                message = f"{obligation.id} cannot be compiled for {obligation.model.prove.engine}: {error.message}"
                where = obligation.model.prove.position
                faults.append(Diagnostic(error.code, message, where, hint=error.hint))
            except ContractError as error:
                faults += error.diagnostics
            if faults:
                self.functions = before
        return faults

    def text(self, meaning: str) -> str:
        title = quoted_doc(f"{self.contract.name}: {self.contract.model.metadata.title}, what is proved.")[:-3]
        path = "contracts/" + self.contract.model.path.rsplit("contracts/", 1)[-1]
        lines = [title, "", HEADER.format(path=path), f"Meaning: {meaning}", '"""', ""]
        standard = [m for m in self.imports if m in ("fractions", "itertools", "math")]
        others = sorted(set(self.imports) - set(standard), key=lambda m: (m != "numpy", m))
        lines += [_import(module, self.imports[module]) for module in sorted(standard)]
        lines += [""] * bool(standard) + [_import(module, self.imports[module]) for module in others]
        for part in (*self.helpers.values(), *(lines for _, lines in self.functions.values()), *self.proofs):
            lines += ["", "", *part]
        return "\n".join(lines) + "\n"

    def use(self, module: str, *names: str) -> None:
        self.imports.setdefault(module, set()).update(names)

    def use_words(self, words: set[str]) -> None:
        """Import what an emitter used."""
        self.use("albor_contracts.prove", *(words & set(prove.__all__)))
        if "term" in words:
            self.use("albor_contracts.prove.terms", "term")
        if "Fraction" in words:
            self.use("fractions", "Fraction")

    def unique(self, name: str) -> str:
        while name in self.module_names:
            name += "_"
        self.module_names.add(name)
        return name

    # One proof

    def _proof(self, o: CheckedObligation, p: Proof) -> list[str]:
        sizes, chosen = sizes_of(self.contract, o, p)
        check_axioms(p)
        proof = ENGINES[p.engine](self, o, p, sizes)
        self.use("albor_contracts.prove", "proof")
        body, result = proof.emit()
        stem = o.id.lower().replace("-", "_")
        name = self.unique(f"prove_{stem}")
        seconds = "" if p.seconds == 30.0 else f", seconds={p.seconds:g}"
        parameters = f"{', '.join(proof.parameters)}"
        shown = proof.mentioned(sizes)
        doc = _docstring(str(o.model.property), shown, [c for c in chosen if c in shown])
        lines = [f'@proof("{o.id}", "{p.engine}"{seconds})', f"def {name}({parameters}) -> {result}:", *doc]
        lines += [f"    {line}" for line in (*body.assumed, *body.work, *body.claims)]
        if p.engine == "crosshair":
            canary = "canary_" + name.removeprefix("prove_")
            text = quoted_doc(f"The assumptions of {o.id} can be met: this claim must be refuted.")
            lines += ["", "", f"def {canary}({parameters}) -> None:", f"    {text}"]
            lines += [f"    {line}" for line in (*body.assumed, "pass  # the assumptions end here", "assert False")]
        return lines

    # Functions of the file

    def resolve(self, owner: CheckedContract, name: str) -> tuple[CheckedContract, CheckedEquation]:
        equation = owner.equations.get(name)
        if equation is not None:
            return owner, equation
        other = self.library.get(owner.imports.get(name, ""))
        if other is None or name not in other.equations:
            raise CannotExpress(f"{name} belongs to a contract that is not valid")
        return other, other.equations[name]

    def definition(self, engine: str, owner: CheckedContract, name: str, emit: Emit) -> str:
        """The function that stands for the define of an equation, emitted when it is first asked for."""
        home, equation = self.resolve(owner, name)
        key = (engine, home.name, name)
        if key not in self.functions:
            if equation.define is None:
                raise CannotExpress(f"{name} has no `define` to unroll", "engine crosshair runs what ships instead")
            prefix = {"z3": "", "crosshair": "spec_", "ieee": "wide_"}[engine]
            plain = Names(_WORDS)
            function = self.unique(plain.module_level(prefix + name))
            lines = emit(home, equation, function)  # definitions it calls come before it
            self.functions[key] = (function, lines)
        return self.functions[key][0]

    def real_function(self, owner: CheckedContract, call: tree.Call) -> str:
        return self.definition("z3", owner, call.equation, self._real_definition)

    def _real_definition(self, owner: CheckedContract, equation: CheckedEquation, name: str) -> list[str]:
        assert equation.define is not None
        emitter = RealEmitter(equation.define.scope, self.locals, lambda call: self.real_function(owner, call))
        body: list[str] = []
        for s in equation.define.statements:
            lines = emitter.statement(s)
            body += [*emitter.hoisted, *lines]
            emitter.hoisted.clear()
        self.use_words(emitter.used | {"RealProblem"})
        return self._function(equation, name, ["problem: RealProblem"], body, attribute=True)

    def loop_function(self, owner: CheckedContract, call: tree.Call) -> str:
        return self.definition("crosshair", owner, call.equation, self._loop_definition)

    def _loop_definition(self, owner: CheckedContract, equation: CheckedEquation, name: str) -> list[str]:
        assert equation.define is not None
        emitter = LoopEmitter(equation.define.scope, self.locals, lambda call: self.loop_function(owner, call))
        body = [emitter.statement(s) for s in equation.define.statements]
        self.loop_helpers(emitter)
        return self._function(equation, name, [], body, attribute=False)

    def loop_helpers(self, emitter: LoopEmitter) -> None:
        if "product" in emitter.used:
            self.helpers["product"] = to_loops.PRODUCT

    def half_function(self, owner: CheckedContract, call: tree.Call) -> str:
        return self.definition("ieee", owner, call.equation, self._half_definition)

    def _half_definition(self, owner: CheckedContract, equation: CheckedEquation, name: str) -> list[str]:
        assert equation.define is not None
        emitter = HalfEmitter(equation.define.scope, self.locals, lambda call: self.half_function(owner, call), {})
        body = [emitter.statement(s) for s in equation.define.statements]
        self.half_helpers(emitter)
        parameters = ", ".join(self.locals(p.name) for p in equation.signature.inputs)
        result = ", ".join(self.locals(p.name) for p in equation.signature.outputs)
        doc = quoted_doc(f"{equation.model.formula or equation.signature}, in float64")
        return [f"def {name}({parameters}):", f"    {doc}", *(f"    {line}" for line in body), f"    return {result}"]

    def half_helpers(self, emitter: HalfEmitter) -> None:
        self.use("numpy")
        for word, lines in (("half", to_float16.HALF), ("same_bits", to_float16.SAME_BITS), ("erf", to_float16.ERF)):
            if word in emitter.used:
                self.helpers[word] = lines
        if "erf" in emitter.used:
            self.use("math")

    def _function(
        self, equation: CheckedEquation, name: str, first: list[str], body: list[str], attribute: bool
    ) -> list[str]:
        """A definition over tables or lists, with the sizes read off its arguments."""
        assert equation.define is not None
        block = equation.define
        used = used_indices(block.statements)
        needed = {str(block.scope.indices[i].range) for i in used if i in block.scope.indices}
        needed |= used & set(equation.space.dims)
        inputs = [(p.name, p.type) for p in equation.signature.inputs]
        header = only_needed(sizes_header(inputs, needed, equation.space.derived), needed)
        lines = [self.locals.line(line) for line in header]
        if not attribute:
            lines = self._sizes_of_lists(inputs, header)
        parameters = ", ".join([*first, *(self.locals(n) for n, _ in inputs)])
        result = ", ".join(self.locals(p.name) for p in equation.signature.outputs)
        doc = quoted_doc(str(equation.model.formula) or str(equation.signature))
        lines += [*body, f"return {result}"]
        return [f"def {name}({parameters}):", f"    {doc}", *(f"    {line}" for line in lines)]

    def _sizes_of_lists(self, inputs: Sequence[tuple[str, Type]], header: Sequence[str]) -> list[str]:
        """`R, N = x.shape` for lists of lists; derived sizes stay."""
        wanted = {n.id for line in header for n in ast.walk(ast.parse(line)) if isinstance(n, ast.Name)}
        found: dict[str, str] = {}
        for name, type_ in inputs:
            for axis, d in enumerate(type_.shape or ()):
                if isinstance(d, str) and d in wanted:
                    found.setdefault(d, f"len({self.locals(name)}{'[0]' * axis})")
        lines = [f"{self.locals(d)} = {length}" for d, length in found.items()]
        return [*lines, *(self.locals.line(line) for line in header if ".shape" not in line)]

    def shipped(self, o: CheckedObligation, target: Text, call: tree.Call) -> str:
        """The function that ships for a call: the target, or its neighbour of the equation's name."""
        module, _, function = target.partition(":")
        name = function if call.equation == o.equation.name else call.equation
        first = name.partition(".")[0]
        self.sources.add(module)
        parsed = _parsed(module)
        if parsed is None:
            message, hint = f"the module {module} of {target} cannot be found", "install it, or correct the name"
            self.warnings.append(Diagnostic("E321", message, target.position, "warning", hint))
        elif not _defines(parsed, first):
            hint = did_you_mean(first, _all_names(parsed), f"{o.id} calls it; it is looked up beside the target")
            raise problem("E321", f"{module} has no {first}", target, hint)
        self.use(module, first)
        self.module_names.add(first)
        return name


# Small things


def _parsed(module: str) -> ast.Module | None:
    """The syntax tree of a module, which is read and not run; None where it cannot be found."""
    spec = locate(module)
    if spec is None or not spec.origin or not spec.origin.endswith(".py"):
        return None
    with open(spec.origin, "rb") as file:
        return _syntax_of(file.read())


@lru_cache(maxsize=256)
def _syntax_of(source: bytes) -> ast.Module:
    return ast.parse(source)


def _defines(module: ast.Module, name: str) -> bool:
    """Whether a module defines or imports a name. Most are functions at its top level."""
    functions = ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef
    return any(isinstance(s, functions) and s.name == name for s in module.body) or name in _all_names(module)


def _all_names(module: ast.Module) -> set[str]:
    """What a module defines or imports anywhere in it."""
    names: set[str] = set()
    for node in ast.walk(module):
        if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
            names.add(node.name)
        elif isinstance(node, ast.alias):
            names.add((node.asname or node.name).partition(".")[0])
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
    return names


def _import(module: str, names: set[str]) -> str:
    if not names:
        return "import numpy as np" if module == "numpy" else f"import {module}"
    line = f"from {module} import {', '.join(sorted(names))}"
    if len(line) <= 120:
        return line
    rows = textwrap.wrap(", ".join(sorted(names)) + ",", 110, initial_indent="    ", subsequent_indent="    ")
    return "\n".join([f"from {module} import (", *rows, ")"])


def _docstring(text: str, sizes: Mapping[str, int], chosen: Sequence[str]) -> list[str]:
    """The obligation in words, and the sizes it is proved at. The prover takes a leading `raises` for an excuse."""
    flat = " ".join(text.split())
    first = quoted_doc(f"It {flat}" if flat.lstrip(" :").startswith("raises") else flat)
    if not sizes:
        return [f"    {first}"]
    fixed = ", ".join(f"{d} = {n}" for d, n in sizes.items())
    note = f"Sizes: {fixed}."
    if chosen:
        note += f" Not fixed by the contract, so the smallest of its range: {', '.join(chosen)}."
    return [f"    {first[:-3]}", "", f"    {note}", '    """']
