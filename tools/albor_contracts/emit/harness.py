"""One contract's proofs as one harness file: generated/<family>/prove_<kernel>.py.

A proof over the reals is about the mathematics: there a kernel and its definition are the same, and both are
unrolled. CrossHair runs the function that ships, and so does engine ieee where a target is given.
"""

from __future__ import annotations

import ast
import itertools
import math
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from .. import prove
from ..checked import CheckedContract, CheckedEquation, CheckedObligation
from ..errors import ContractError, Diagnostic, Text, problem
from ..evidence.source import locate
from ..lang import to_float16, to_loops, to_z3, tree
from ..lang.check import Scope, check_expression
from ..lang.dims import Dims, Poly
from ..lang.syntax import parse_expression
from ..lang.to_float16 import HalfEmitter
from ..lang.to_loops import LoopEmitter
from ..lang.to_python import sizes_header, used_indices
from ..lang.to_z3 import RealEmitter
from ..lang.types import DimRange, Interval, Type, names_in, parse_dim, parse_domain
from ..lang.unroll import CannotExpress, Names, conjuncts, exact_value, fixed_sizes, integer_value, same_tree, unparse
from ..model import Proof
from ..suggest import did_you_mean
from .definitions import _only_needed, quoted_doc
from .module import HEADER

MOST_ELEMENTS = {"z3": 256, "crosshair": 16}
_NARROW = {"u8": (0, 2**8), "i8": (-(2**7), 2**7), "i32": (-(2**31), 2**31), "i64": (-(2**63), 2**63)}
_WORDS = {*prove.__all__, *to_z3.WORDS, *to_loops.WORDS, *to_float16.WORDS, "proof", "product"}

Library = Mapping[str, CheckedContract]
Emit = Callable[[CheckedContract, CheckedEquation, str], list[str]]  # where, what, under which name


def has_proofs(contract: CheckedContract) -> bool:
    """Whether the contract has a harness at all."""
    return any(o.model.prove is not None for o in contract.obligations)


def harness_module(contract: CheckedContract, library: Library, meaning: str) -> str:
    """The text of generated/<family>/prove_<kernel>.py. Raises ContractError with all that cannot be compiled."""
    module = _Module(contract, library)
    faults = module.compile()
    if faults:
        raise ContractError(*faults)
    return module.text(meaning)


def proof_problems(library: Library) -> list[Diagnostic]:
    """What is wrong with the proofs of checked contracts, found by compiling them."""
    found: list[Diagnostic] = []
    for contract in library.values():
        module = _Module(contract, library)
        found += [*module.compile(), *module.warnings]
    return found


class _Module:
    """The parts of one file, as they come up."""

    def __init__(self, contract: CheckedContract, library: Library) -> None:
        self.contract = contract
        self.library = library
        self.imports: dict[str, set[str]] = {}  # module -> names
        self.functions: dict[tuple[str, ...], tuple[str, list[str]]] = {}
        self.helpers: dict[str, list[str]] = {}
        self.proofs: list[list[str]] = []
        self.warnings: list[Diagnostic] = []
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

    def _use(self, module: str, *names: str) -> None:
        self.imports.setdefault(module, set()).update(names)

    def _usenames_in(self, words: set[str]) -> None:
        """Import what an emitter used."""
        self._use("albor_contracts.prove", *(words & set(prove.__all__)))
        if "term" in words:
            self._use("albor_contracts.prove.terms", "term")
        if "Fraction" in words:
            self._use("fractions", "Fraction")

    def _unique(self, name: str) -> str:
        while name in self.module_names:
            name += "_"
        self.module_names.add(name)
        return name

    # One proof

    def _proof(self, o: CheckedObligation, p: Proof) -> list[str]:
        sizes, chosen = _sizes(self.contract, o, p)
        _check_axioms(p)
        proof = _Proof(self, o, p, sizes)
        self._use("albor_contracts.prove", "proof")
        body, result = {"z3": proof.real, "crosshair": proof.integers, "ieee": proof.halves}[p.engine]()
        stem = o.id.lower().replace("-", "_")
        name = self._unique(f"prove_{stem}")
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
            function = self._unique(plain.module_level(prefix + name))
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
        self._usenames_in(emitter.used | {"RealProblem"})
        return self._function(equation, name, ["problem: RealProblem"], body, attribute=True)

    def loop_function(self, owner: CheckedContract, call: tree.Call) -> str:
        return self.definition("crosshair", owner, call.equation, self._loop_definition)

    def _loop_definition(self, owner: CheckedContract, equation: CheckedEquation, name: str) -> list[str]:
        assert equation.define is not None
        emitter = LoopEmitter(equation.define.scope, self.locals, lambda call: self.loop_function(owner, call))
        body = [emitter.statement(s) for s in equation.define.statements]
        self._loop_helpers(emitter)
        return self._function(equation, name, [], body, attribute=False)

    def _loop_helpers(self, emitter: LoopEmitter) -> None:
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
        self._use("numpy")
        for word, lines in (("half", to_float16.HALF), ("same_bits", to_float16.SAME_BITS), ("erf", to_float16.ERF)):
            if word in emitter.used:
                self.helpers[word] = lines
        if "erf" in emitter.used:
            self._use("math")

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
        header = _only_needed(sizes_header(inputs, needed, equation.space.derived), needed)
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
        known = _top_level_names(module)
        if known is None:
            message, hint = f"the module {module} of {target} cannot be found", "install it, or correct the name"
            self.warnings.append(Diagnostic("E321", message, target.position, "warning", hint))
        elif first not in known:
            hint = did_you_mean(first, known, f"{o.id} calls it; it is looked up beside the target")
            raise problem("E321", f"{module} has no {first}", target, hint)
        self._use(module, first)
        self.module_names.add(first)
        return name


class _Body:
    """The three parts of a proof's function."""

    def __init__(self) -> None:
        self.assumed: list[str] = []
        self.work: list[str] = []
        self.claims: list[str] = []


class _Proof:
    """One obligation on its way into one of the three forms."""

    def __init__(self, module: _Module, o: CheckedObligation, p: Proof, sizes: Mapping[str, int]) -> None:
        self.module = module
        self.o = o
        self.p = p
        self.sizes = sizes
        self.names = module.locals
        self.parameters: list[str] = []
        # What the proof adds to the law is about these sizes: x[1] is there when N is 2.
        known = Dims({d: Poly.number(n) for d, n in sizes.items()}, {}, ())
        self.scope = replace(_copy(o.law.scope), dims=known)
        self.statements = o.law.statements
        self.claim = self._claim()
        # Assumptions have indices of their own, which may range over something else than in the law.
        self.conditions = [self._condition(text) for text in o.law.space.assume]
        self.extra = [self._condition(text, prepared=True) for text in p.assume]
        self.used = self._used()
        if (p.engine == "z3" or p.target is None) and p.claim is None:
            self._not_a_tautology()

    def _claim(self) -> tree.Node:
        if self.p.claim is not None:
            node, source = parse_expression(self.p.claim)
            if check_expression(node, source, self.scope) != "bool":
                raise source.error("E426", "a claim is true or false; this is a number", node.place)
            return node
        if self.o.law.check is None:
            message = f"an obligation of type {self.o.model.type} is an action and has no check"
            raise CannotExpress(message, "state what is proved: prove.claim")
        return self.o.law.check

    def _condition(self, text: str, prepared: bool = False) -> tuple[tree.Node, Scope]:
        scope = _copy(self.scope)
        if not prepared:
            scope.values = {n: t for n, (t, _) in self.o.law.space.inputs.items()}
            scope.indices = {}
        node, source = parse_expression(text)
        if check_expression(node, source, scope) != "bool":
            raise source.error("E426", "an assumption is a condition", node.place)
        return node, scope

    def _used(self) -> set[str]:
        """Names of inputs that matter to the law: unused ones would only be in the solver's way."""
        roots = [*self.statements, self.claim, *(n for n, _ in (*self.conditions, *self.extra))]
        names = set().union(*map(_names_in, roots))
        while True:
            bounds = {
                word
                for name, (_, text) in self.o.law.space.inputs.items()
                if name in names and not text.startswith("permutation")
                for bound in _bounds(text)
                for word in names_in(bound)
            }
            if bounds <= names:
                return names
            names |= bounds

    def inputs(self) -> list[tuple[str, Type, str]]:
        return [(n, t, d) for n, (t, d) in self.o.law.space.inputs.items() if n in self.used]

    def mentioned(self, sizes: Mapping[str, int]) -> dict[str, int]:
        """The sizes that say something about this proof."""
        if self.p.engine == "ieee":
            return {}
        prepared = {t for s in self.statements for t in s.targets}
        shapes = [t.shape or () for n, t in self.scope.values.items() if n in self.used | prepared]
        scopes = [self.scope, *(scope for _, scope in (*self.conditions, *self.extra))]
        texts = [str(i.range) for scope in scopes for i in scope.indices.values()]
        texts += [str(d) for shape in shapes for d in shape]
        dims = self.used | {word for text in texts for word in names_in(text)}
        return {d: n for d, n in sizes.items() if d in dims}

    def _not_a_tautology(self) -> None:
        calls = [n for r in (*self.statements, self.claim) for n in tree.walk(r) if isinstance(n, tree.Call)]
        for a in calls:
            twins = [b for b in calls if b.spec and b.equation == a.equation and same_tree(a.arguments, b.arguments)]
            if twins and not a.spec:
                raise CannotExpress(
                    f"here the kernel {a.equation} is its definition, and comparing them proves nothing",
                    "state another claim, or a target with an engine that runs what ships", "E324",
                )  # fmt: skip

    def elements(self, name: str, type_: Type) -> list[tuple[int, ...]]:
        """The places of an array at the fixed sizes."""
        sizes = [self.sizes[d] if isinstance(d, str) else d for d in type_.shape or ()]
        if math.prod(sizes) > MOST_ELEMENTS[self.p.engine]:
            message = f"{name} has more than {MOST_ELEMENTS[self.p.engine]} elements at these sizes"
            raise CannotExpress(message, "fix smaller sizes: prove.dims", "E322")
        return list(itertools.product(*map(range, sizes)))

    # z3

    def real(self) -> tuple[_Body, str]:
        self.parameters = ["problem: RealProblem"]
        body = _Body()
        permuted = [n for n, _, d in self.inputs() if d.startswith("permutation")]
        owner = self.module.contract
        emitter = RealEmitter(self.scope, self.names, lambda call: self.module.real_function(owner, call), permuted)
        mentioned = self.mentioned(self.sizes)
        if mentioned:
            body.assumed.append(f"{', '.join(map(self.names, mentioned))} = {', '.join(map(str, mentioned.values()))}")
        domains: list[str] = []
        for name, type_, text in self.inputs():
            if name not in permuted:
                self.elements(name, type_)
                body.assumed += self._variable(name, type_, text, emitter, domains)
        body.assumed += domains
        for node, scope in self.conditions:
            if integer_value(node, self.sizes) is None:
                body.assumed += self._real_lines(node, scope, emitter, "assume")
        prepared = {t for s in self.statements for t in s.targets}
        late: list[str] = []
        for node, scope in self.extra:
            lines = self._real_lines(node, scope, emitter, "assume")
            (late if _names_in(node) & prepared else body.assumed).extend(lines)
        if late and permuted:
            message = "an assumption about prepared values cannot be made for each permutation"
            raise CannotExpress(message, "state it about the inputs")
        body.assumed += [f'problem.axiom("{a}")' for a in self.p.axioms]
        for s in self.statements:
            lines = emitter.statement(s)
            body.work += [*_take(emitter.hoisted), *lines]
        body.work += late
        for part in conjuncts(self.claim):
            body.claims += self._real_lines(part, self.scope, emitter, "claim")
        for name in permuted:
            size = self.scope.values[name].shape or (0,)
            self.module._use("itertools", "permutations")
            loop = f"for {self.names(name)} in permutations(range({emitter.size(size[0])})):"
            body.work = [loop, *(f"    {line}" for line in (*body.work, *body.claims))]
            body.claims = []
        self.module._usenames_in(emitter.used | {"RealProblem"})
        return body, "None"

    def _real_lines(self, node: tree.Node, scope: Scope, emitter: RealEmitter, verb: str) -> list[str]:
        before, emitter.scope = emitter.scope, scope
        try:
            line = f"problem.{verb}({emitter.text(node)})"
            return [*_take(emitter.hoisted), line]
        finally:
            emitter.scope = before

    def _variable(self, name: str, type_: Type, text: str, emitter: RealEmitter, domains: list[str]) -> list[str]:
        if type_.is_opaque:
            raise CannotExpress(f"the input {name} is a {type_.dtype}", "prove a law about numbers")
        here = self.names(name)
        whole = "integer" if not type_.is_floating else "real"
        dims = [emitter.size(d) for d in type_.shape or ()]
        arguments = ", ".join([f'"{name}"', *dims])
        method = f"{whole}s" if dims else whole
        if type_.dtype == "bool":
            # Conditions are no variables of the solver: a truth value is a whole number that is 0 or 1.
            made = f'problem.{method}({arguments}, within="[0, 1]")'
            if not dims:
                return [f"{here} = {made} == 1"]
            emitter.used.add("over")
            indices = ", ".join(f"at{k}" for k in range(1, len(dims) + 1))
            return [
                f"at_bits = {made}", f'{here} = problem.table("{name}", {", ".join(dims)})',
                f"for {indices} in over({', '.join(dims)}):", f"    {here}[{indices}] = at_bits[{indices}] == 1",
            ]  # fmt: skip
        within = self._within(text, type_)
        if within is None:
            domains += self._real_domain(name, dims, text, emitter)
            within = ""
        return [f"{here} = problem.{method}({arguments}" + (f', within="{within}")' if within else ")")]

    def _within(self, text: str, type_: Type) -> str | None:
        """The domain as one interval of numbers; None where it is more than that."""
        domain = parse_domain(text)
        if domain.values or len(domain.intervals) > 1:
            return None
        if not domain.intervals:
            low, high = _NARROW.get(type_.dtype, ("", ""))
            return f"[{low}, {high})" if low != "" else ""
        interval = domain.intervals[0]
        low_, high_ = (exact_value(b, self.sizes) for b in (interval.low, interval.high))
        if low_ is None or high_ is None:
            return None
        if (low_, high_) == (float("-inf"), float("inf")):
            return ""
        return f"{'(' if interval.low_open else '['}{low_}, {high_}{')' if interval.high_open else ']'}"

    def _real_domain(self, name: str, dims: Sequence[str], text: str, emitter: RealEmitter) -> list[str]:
        domain = parse_domain(text)
        indices = [f"at{k}" for k in range(1, len(dims) + 1)]
        element = f"{self.names(name)}[{', '.join(indices)}]" if dims else self.names(name)
        choices = []
        for interval in domain.intervals:
            parts = [f"{element} {sign} {self._real_bound(bound, emitter)}" for sign, bound in _sides(interval)]
            if not parts:
                return []
            choices.append(parts[0] if len(parts) == 1 else f"both({', '.join(parts)})")
            emitter.used |= {"both"} if len(parts) > 1 else set()
        choices += [f"{element} == {self._real_bound(v, emitter)}" for v in domain.values]
        emitter.used |= {"either"} if len(choices) > 1 else set()
        claim = choices[0] if len(choices) == 1 else f"either({', '.join(choices)})"
        if not dims:
            return [f"problem.assume({claim})"]
        emitter.used |= {"over", "all_of"}
        return [f"problem.assume(all_of({claim} for {', '.join(indices)} in over({', '.join(dims)})))"]

    def _real_bound(self, text: str, emitter: RealEmitter) -> str:
        node, _ = parse_expression(text)
        return unparse(emitter.exact(node)) if emitter.level(node) < to_z3.TERM else emitter.text(node)

    # CrossHair

    def integers(self) -> tuple[_Body, str]:
        target = self._target()
        body = _Body()
        module = self.module

        def function(call: tree.Call) -> str:
            return module.loop_function(module.contract, call) if call.spec else module.shipped(self.o, target, call)

        emitter = LoopEmitter(self.scope, self.names, function, self.sizes)
        written: dict[str, ast.expr] = {}
        lists: list[str] = []
        for name, type_, text in self.inputs():
            kind = type_.dtype
            if type_.is_opaque or type_.is_floating or text.startswith("permutation"):
                what = "a permutation" if text.startswith("permutation") else f"{type_}"
                hint = "engine crosshair proves laws of int and bool; z3 those of real numbers"
                raise CannotExpress(f"the input {name} is {what}", hint)
            kind = "bool" if kind == "bool" else "int"
            if not type_.shape:
                self.parameters.append(f"{self.names(name)}: {kind}")
                body.assumed += self._integer_domain(self.names(name), type_, text, emitter)
                continue
            elements = self.elements(name, type_)
            scalars = [self._element_name(name, place) for place in elements]
            self.parameters += [f"{s}: {kind}" for s in scalars]
            for s in scalars:
                body.assumed += self._integer_domain(s, type_, text, emitter)
            listed = _nested(scalars, [self.sizes[d] if isinstance(d, str) else d for d in type_.shape])
            written[name] = ast.parse(listed, mode="eval").body
            lists.append(f"{self.names(name)} = {listed}")
        if not self.parameters:
            raise CannotExpress("the law has no input, so there is nothing to quantify over")
        # No list has been made where assumptions stand, so that they spell its elements out.
        emitter.written = written
        prepared = {t for s in self.statements for t in s.targets}
        for node, scope in (*self.conditions, *self.extra):
            if _names_in(node) & prepared:
                raise CannotExpress("an assumption comes before the law's statements", "state it about the inputs")
            if integer_value(node, self.sizes) is None:
                emitter.scope = scope
                body.assumed.append(f"assert {emitter.text(node)}")
        emitter.scope, emitter.written = self.scope, {}
        body.assumed = body.assumed or ["assert True"]
        body.work = [*lists, *(emitter.statement(s) for s in self.statements)] or ["pass"]
        body.claims = [f"assert {emitter.text(part)}" for part in conjuncts(self.claim)]
        module._loop_helpers(emitter)
        return body, "None"

    def _target(self) -> Text:
        if self.p.target is None:
            hint = 'name the function that ships: target: "package.module:function"'
            raise CannotExpress("there is no `target`", hint, "E321")
        return self.p.target

    def _element_name(self, name: str, place: tuple[int, ...]) -> str:
        text = f"{name}{'_'.join(map(str, place))}"
        while text in self.scope.values or text in self.scope.indices or text in self.sizes:
            text = f"{text}_"
        return self.names(text)

    def _integer_domain(self, name: str, type_: Type, text: str, emitter: LoopEmitter) -> list[str]:
        domain = parse_domain(text)
        if type_.dtype == "bool":
            return []
        choices: list[str] = []
        intervals = domain.intervals
        if not intervals and not domain.values and type_.dtype in _NARROW:
            low, high = _NARROW[type_.dtype]
            intervals = (Interval(str(low), str(high), False, True),)
        for interval in intervals:
            sides = [(sign, emitter.bound(bound)) for sign, bound in _sides(interval)]
            if not sides:
                return []
            if len(sides) == 2:
                first = {">": "<", ">=": "<="}[sides[0][0]]
                choices.append(f"{sides[0][1]} {first} {name} {sides[1][0]} {sides[1][1]}")
            else:
                choices.append(f"{name} {sides[0][0]} {sides[0][1]}")
        choices += [f"{name} == {emitter.bound(v)}" for v in domain.values]
        return [f"assert {' or '.join(choices)}"] if choices else []

    # IEEE

    def halves(self) -> tuple[_Body, str]:
        constants: dict[str, float] = {}
        varying: list[tuple[str, Type, str]] = []
        for name, type_, text in self.inputs():
            domain = None if text.startswith("permutation") or type_.is_opaque else parse_domain(text)
            single = domain is not None and len(domain.values) == 1 and not domain.intervals
            value = exact_value(domain.values[0], {}) if domain is not None and single else None
            if value is not None and not type_.shape:
                constants[name] = float(value)
            elif domain is None or not type_.is_floating:
                raise CannotExpress(f"the input {name} is {type_}", "engine ieee proves laws with one float argument")
            else:
                varying.append((name, type_, text))
        if len(varying) != 1:
            found = ", ".join(n for n, _, _ in varying) or "none"
            message = f"every value of one argument is tried, but the law has {found}"
            raise CannotExpress(message, "give the other scalars one value: domain: {c: 'in {2}'}")
        name, type_, text = varying[0]
        module = self.module

        def function(call: tree.Call) -> str:
            if call.spec or self.p.target is None:
                return module.half_function(module.contract, call)
            return self._wrapped(call)

        emitter = HalfEmitter(self.scope, self.names, function, constants)
        here = self.names(name)
        self.parameters = [f"{here}: np.ndarray"]
        body = _Body()
        body.work.append(f"{here} = {here}.astype(np.float64)")
        assumed = self._half_domain(here, text)
        for node, scope in self.conditions:
            emitter.scope = scope
            assumed += emitter.claim(node)
        emitter.scope = self.scope
        body.work += [emitter.statement(s) for s in self.statements]
        for node, scope in self.extra:
            emitter.scope = scope
            assumed += emitter.claim(node)
        emitter.scope, emitter.indices = self.scope, ()
        claims = _every(emitter.claim(self.claim))
        module.half_helpers(emitter)
        if not assumed:
            body.claims = [f"return {claims}"]
            return body, "np.ndarray"
        body.claims = [f"return {_every(assumed)}, {claims}"]
        return body, "tuple[np.ndarray, np.ndarray]"

    def _half_domain(self, name: str, text: str) -> list[str]:
        """The domain as conditions; sizes have no value here."""
        domain = parse_domain(text)
        choices = []
        for interval in domain.intervals:
            parts = [f"{name} {sign} {self._half_bound(bound)}" for sign, bound in _sides(interval)]
            if not parts:
                return []
            if len(domain.intervals) == 1 and not domain.values:
                return parts
            choices.append(_every(parts))
        choices += [f"{name} == {self._half_bound(v)}" for v in domain.values]
        if len(choices) < 2:
            return choices
        return [f"np.logical_or.reduce([{', '.join(choices)}])"]

    def _half_bound(self, text: str) -> str:
        value = exact_value(text, {})
        if value is None:
            raise CannotExpress(f"the bound {text} is not a number")
        return repr(float(value))

    def _wrapped(self, call: tree.Call) -> str:
        """The shipped function as one from float64 values to float64 values, called with float16."""
        assert self.p.target is not None
        key = ("kernel", str(self.p.target).partition(":")[0], call.equation)
        if key not in self.module.functions:
            shipped = self.module.shipped(self.o, self.p.target, call)
            _, equation = self.module.resolve(self.module.contract, call.equation)
            parameters, arguments = [], []
            for p in equation.signature.inputs:
                here = self.names(p.name)
                parameters.append(here)
                rank = len(p.type.shape or ())
                shape = f".reshape({', '.join(['1'] * (rank - 1) + ['-1'])})" if rank > 1 else ""
                arguments.append(f"{here}.astype(np.float16){shape}" if rank else here)
            function = self.module._unique(f"kernel_{call.equation}")
            self.module.functions[key] = (function, [
                f"def {function}({', '.join(parameters)}):",
                f"    {quoted_doc(f'{self.p.target} on float16 values')}",
                f"    return np.asarray({shipped}({', '.join(arguments)})).reshape(-1)",
            ])  # fmt: skip
        return self.module.functions[key][0]


# Sizes, axioms, targets


def _sizes(contract: CheckedContract, o: CheckedObligation, p: Proof) -> tuple[dict[str, int], list[str]]:
    dims = o.law.space.dims
    fixed: dict[str, int] = {}
    for name, text in p.dims.items():
        if name not in dims:
            hint = did_you_mean(name, dims, f"its dimensions: {', '.join(dims) or 'none'}")
            raise problem("E322", f"{o.id} has no dimension {name!r}", text, hint)
        digits = str(text).strip()
        if not digits.isdigit() or len(digits) > 6:
            hint = "a proof is about one size: dims: {N: 3}"
            raise problem("E322", f"a dimension is fixed to a number, not to {digits!r}", text, hint)
        fixed[name] = int(digits)
        if not any(_permits(r, fixed[name]) for r in _ranges(name, contract, o)):
            hint = "a proof about sizes that never occur says nothing"
            raise problem("E322", f"{name} = {digits} is not in its range {dims[name]}", text, hint)
    sizes, chosen = fixed_sizes(dims, fixed)
    for condition in o.law.space.assume if p.engine != "ieee" else ():
        node, _ = parse_expression(condition)
        if integer_value(node, sizes) == 0:
            shown = ", ".join(f"{d} = {n}" for d, n in sizes.items())
            message = f"the assumption `{' '.join(condition.split())}` does not hold for {shown}"
            raise CannotExpress(message, "fix sizes that meet it: prove.dims", "E322")
    return sizes, chosen


def _ranges(name: str, contract: CheckedContract, o: CheckedObligation) -> list[DimRange | str]:
    """The range of the obligation, which tests may have narrowed, and that of the equation."""
    texts = [o.law.space.dims.get(name), o.equation.space.dims.get(name), contract.model.dims.get(name)]
    return [parse_dim(t) for t in texts if t is not None]


def _permits(range_: DimRange | str, size: int) -> bool:
    if isinstance(range_, str):
        return True  # derived: compared with its value later
    return range_.low <= size <= range_.high and (not range_.choices or size in range_.choices)


def _check_axioms(p: Proof) -> None:
    for name in p.axioms:
        if name not in prove.AXIOMS:
            hint = did_you_mean(name, prove.AXIOMS, f"known: {', '.join(prove.AXIOMS)}")
            raise problem("E323", f"there is no axiom {str(name)!r}", name, hint)


def _top_level_names(module: str) -> set[str] | None:
    """What a module defines or imports, read and not run; None where it cannot be found."""
    spec = locate(module)
    if spec is None or not spec.origin or not spec.origin.endswith(".py"):
        return None
    with open(spec.origin, encoding="utf-8") as file:
        parsed = ast.parse(file.read())
    names: set[str] = set()
    for node in ast.walk(parsed):
        if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
            names.add(node.name)
        elif isinstance(node, ast.alias):
            names.add((node.asname or node.name).partition(".")[0])
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
    return names


# Small things


def _import(module: str, names: set[str]) -> str:
    if not names:
        return "import numpy as np" if module == "numpy" else f"import {module}"
    line = f"from {module} import {', '.join(sorted(names))}"
    if len(line) <= 120:
        return line
    rows = textwrap.wrap(", ".join(sorted(names)) + ",", 110, initial_indent="    ", subsequent_indent="    ")
    return "\n".join([f"from {module} import (", *rows, ")"])


def _copy(scope: Scope) -> Scope:
    return replace(scope, values=dict(scope.values), indices=dict(scope.indices))


def _names_in(node: tree.Node) -> set[str]:
    """Names of values that occur; those of dimensions and indices too."""
    found = [
        n.id if isinstance(n, tree.Name) else n.array
        for n in tree.walk(node)
        if isinstance(n, tree.Name | tree.Element)
    ]
    return set(found)


def _bounds(text: str) -> list[str]:
    domain = parse_domain(text)
    return [*domain.values, *(b for i in domain.intervals for b in (i.low, i.high))]


def _sides(interval: Interval) -> list[tuple[str, str]]:
    """What an element of the interval satisfies: (">=", low), ("<", high), without the infinite ends."""
    sides = []
    if interval.low.replace(" ", "") != "-inf":
        sides.append((">" if interval.low_open else ">=", interval.low))
    if interval.high.replace(" ", "") not in ("inf", "+inf"):
        sides.append(("<" if interval.high_open else "<=", interval.high))
    return sides


def _take(lines: list[str]) -> list[str]:
    taken = list(lines)
    lines.clear()
    return taken


def _nested(items: Sequence[str], shape: Sequence[int]) -> str:
    """The items as a list of lists, last index fastest."""
    if len(shape) == 1:
        return f"[{', '.join(items)}]"
    step = len(items) // shape[0] if shape[0] else 0
    return f"[{', '.join(_nested(items[k * step : (k + 1) * step], shape[1:]) for k in range(shape[0]))}]"


def _every(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"np.logical_and.reduce([{', '.join(parts)}])"


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
