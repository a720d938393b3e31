"""A contract with its mathematics parsed and checked: what every later stage works on.

`check_contracts` takes contracts as read from files and gives either checked ones or every problem it found. It
needs no numerical package, so that `validate` stays quick.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

from .actions import Action, Protocol, action_of, refusal_of
from .errors import ContractError, Diagnostic, Text, problem
from .lang import tree
from .lang.check import Step, check_block, check_expression
from .lang.dims import ONE, Dims, Poly
from .lang.emptiness import as_written, never_filled, why_empty
from .lang.names import why_not
from .lang.scope import Scope
from .lang.signature import Signature, parse_signature
from .lang.syntax import Source, parse_block, parse_expression
from .lang.to_python import sizes_found, used_indices
from .lang.types import INTEGER_RANGES, DimRange, Domain, Type, evaluate, names_in, parse_dim, parse_domain, parse_type
from .links import check_parameters, implied_obligations
from .model import DTYPES, Contract, Equation, FalsificationTest, Fault, Obligation
from .sizes import MOST, elements, grids, texts
from .suggest import did_you_mean
from .templates import law_of

T = TypeVar("T")


@dataclass(frozen=True)
class Space:
    """Sizes and inputs to draw: dimension texts, and `name -> (type, domain)` in drawing order."""

    dims: Mapping[str, str]
    inputs: Mapping[str, tuple[Type, str]]
    assume: tuple[str, ...]

    @property
    def derived(self) -> dict[str, str]:
        return {d: text for d, text in self.dims.items() if isinstance(parse_dim(text), str)}


@dataclass(frozen=True)
class Block:
    """Checked statements, and the scope that resulted."""

    statements: tuple[tree.Statement, ...]
    scope: Scope
    source: Source
    steps: tuple[Step, ...] = field(default=(), compare=False, repr=False)


@dataclass(frozen=True)
class CheckedEquation:
    name: str
    model: Equation
    signature: Signature
    space: Space
    dims: Dims
    domains: Mapping[str, Domain]
    define: Block | None


@dataclass(frozen=True)
class Law:
    """A claim in index notation: statements, then conditions that must all hold, or an action."""

    space: Space
    statements: tuple[tree.Statement, ...]
    check: tree.Node | None
    scope: Scope
    action: Action | None = None
    sizes: Mapping[str, int] = field(default_factory=dict)  # of a falsification test: dimensions no shape shows

    @property
    def trees(self) -> tuple[tree.Node, ...]:
        """Everything in it that is evaluated."""
        check = () if self.check is None else (self.check,)
        return (*self.statements, *check, *(() if self.action is None else self.action.trees))

    @property
    def calls(self) -> set[str]:
        """Equations whose kernels it calls by name."""
        return {n.equation for t in self.trees for n in tree.walk(t) if isinstance(n, tree.Call) and not n.spec}


@dataclass(frozen=True)
class CheckedObligation:
    model: Obligation
    equation: CheckedEquation
    law: Law

    @property
    def id(self) -> str:
        return str(self.model.id)

    def calls(self) -> set[str]:
        """Equations whose kernels the obligation runs."""
        found = self.law.calls
        if str(self.model.type) in ("gradient", "independence") or not found:
            found.add(self.equation.name)
        return found


@dataclass(frozen=True)
class CheckedFault:
    model: Fault
    defines: Mapping[str, Block]


@dataclass(frozen=True)
class CheckedContract:
    model: Contract
    equations: Mapping[str, CheckedEquation]
    obligations: tuple[CheckedObligation, ...]
    tests: tuple[tuple[FalsificationTest, Law], ...]
    faults: tuple[CheckedFault, ...]
    imports: Mapping[str, str] = field(default_factory=dict)  # equations of other contracts: name -> contract

    @property
    def name(self) -> str:
        return self.model.name


class Checking:
    """Collects problems over one set of contracts."""

    def __init__(self, contracts: Mapping[str, Contract]) -> None:
        self.contracts = contracts
        self.diagnostics: list[Diagnostic] = []
        self.signatures: dict[str, dict[str, Signature]] = {}
        self.complete = True

    def attempt(self, action: Callable[[], T]) -> T | None:
        """The result, or None and one problem more. What the links report is not reported again."""
        try:
            return action()
        except ContractError as error:
            self.diagnostics += error.diagnostics
            self.complete = False
            return None


def check_contracts(
    contracts: Mapping[str, Contract], select: Iterable[str] | None = None
) -> tuple[dict[str, CheckedContract], list[Diagnostic]]:
    """Check contracts (all, or the selected ones with those they depend on). Problems are returned, not raised.

    A contract with a problem is not among the checked ones; nor is one with a link that does not resolve, or with an
    obligation that lacks a parameter, both of which `links` reports.
    """
    result, signatures, texts = check_each(contracts, select)
    return result, [d for part in (signatures, texts) for found in part.values() for d in found]


Problems = dict[str, list[Diagnostic]]  # by the name of the contract


def check_each(
    contracts: Mapping[str, Contract], select: Iterable[str] | None = None
) -> tuple[dict[str, CheckedContract], Problems, Problems]:
    """What `check_contracts` gives, with the problems of signatures and of all other texts by contract."""
    checking = Checking(contracts)
    signatures: Problems = {}
    for name, contract in contracts.items():
        checking.signatures[name] = {}
        for equation_name, equation in contract.equations.items():
            signature = checking.attempt(lambda e=equation, n=equation_name: _signature(e, n))  # type: ignore[misc]
            if signature is not None:
                checking.signatures[name][equation_name] = signature
        signatures[name], checking.diagnostics = checking.diagnostics, []
    wanted = set(contracts) if select is None else set(select)
    result = {}
    texts: Problems = {}
    for name, contract in contracts.items():
        if name in wanted:
            checking.complete = len(checking.signatures[name]) == len(contract.equations)
            checked = _contract(checking, contract)
            if checking.complete:
                result[name] = checked
            texts[name], checking.diagnostics = checking.diagnostics, []
    return result, signatures, texts


def _signature(equation: Equation, name: str) -> Signature:
    signature = parse_signature(equation.signature)
    if signature.name != name:
        raise problem(
            "E406",
            f"the signature is that of {signature.name!r}, the equation is called {name!r}",
            equation.signature,
            "use one name",
        )
    arrays = [n for n, type_ in signature.types.items() if type_.is_array]
    for array in equation.on_device:
        if array not in arrays:
            raise problem(
                "E433",
                f"{name} has no array {str(array)!r} that could lie on the device",
                array,
                did_you_mean(array, arrays, "`on_device` names arrays of the signature"),
            )
    if equation.on_device and equation.define is None:
        raise problem("E433", f"{name} works on the device and has no `define`", equation.on_device[0],
                      "a program on the device is held to a definition: give the equation one")  # fmt: skip
    return replace(signature, on_device=frozenset(map(str, equation.on_device)))


def _contract(checking: Checking, contract: Contract) -> CheckedContract:
    imports: dict[str, str] = {}
    visible: dict[str, Signature] = {}
    for other in contract.metadata.depends_on:
        checking.complete &= other in checking.contracts
        for name, signature in checking.signatures.get(other, {}).items():
            visible[name] = signature
            imports[name] = str(other)
    own = checking.signatures[contract.name]
    visible.update(own)
    for name in own:
        imports.pop(name, None)
    origin = {**{n: checking.contracts[c] for n, c in imports.items()}, **dict.fromkeys(own, contract)}
    defined = frozenset(n for n, c in origin.items() if c.equations[n].define is not None)
    names = _Names(contract, visible, frozenset(own), defined)
    equations: dict[str, CheckedEquation] = {}
    for name, signature in own.items():
        equation = checking.attempt(lambda n=name, s=signature: _equation(names, n, s))  # type: ignore[misc]
        if equation is not None:
            equations[name] = equation
    checking.attempt(lambda: _acyclic(equations))
    obligations = []
    for obligation in (*contract.proof_obligations, *implied_obligations(contract)):
        if obligation.equation not in equations or any(check_parameters(obligation)):
            checking.complete = False
            continue
        checked = checking.attempt(lambda o=obligation: _obligation(names, o, equations))  # type: ignore[misc]
        if checked is not None:
            obligations.append(checked)
    by_id = {o.id: o for o in obligations}
    tests = []
    for test in contract.falsification_tests:
        rule = by_id.get(test.rule)
        law = None if rule is None else checking.attempt(lambda t=test, r=rule: _falsification(names, t, r))  # type: ignore[misc]
        if law is None:
            checking.complete = False
        else:
            tests.append((test, law))
    faults = []
    for fault in contract.faults:
        checked_fault = checking.attempt(lambda f=fault: _fault(names, f, equations))  # type: ignore[misc]
        if checked_fault is not None:
            faults.append(checked_fault)
    checking.attempt(lambda: _distinct(contract))
    return CheckedContract(contract, equations, tuple(obligations), tuple(tests), tuple(faults), imports)


@dataclass(frozen=True)
class _Names:
    """What the texts of a contract can mention: equations in sight, its own ones, and those with a definition."""

    contract: Contract
    visible: Mapping[str, Signature]
    own: frozenset[str]
    defined: frozenset[str]

    def dims(self, *more: Mapping[str, Text]) -> dict[str, Text]:
        texts = dict(self.contract.dims)
        for other in more:
            texts.update(other)
        for name, text in texts.items():
            reason = why_not(name, "dimension")
            if reason:
                raise problem("E413", reason, _place(name) or text, "choose another name")
        return texts


def _place(text: object) -> Text | None:
    return text if isinstance(text, Text) else None


def _acyclic(equations: Mapping[str, CheckedEquation]) -> None:
    """Definitions do not call each other in a circle."""
    calls: dict[str, set[str]] = {}
    for name, equation in equations.items():
        block = equation.define.statements if equation.define is not None else ()
        calls[name] = {n.equation for s in block for n in tree.walk(s) if isinstance(n, tree.Call)} & set(equations)
    while calls:
        free = [name for name, called in calls.items() if not called & set(calls)]
        if not free:
            first = next(iter(calls))
            raise problem(
                "E431",
                f"definitions call each other in a circle: {', '.join(calls)}",
                equations[first].model.define,
                "write one of them out",
            )
        for name in free:
            del calls[name]


def _distinct(contract: Contract) -> None:
    """Ids give names to tests, in which - and _ are the same."""
    found: dict[str, Text] = {}
    ids = [o.id for o in (*contract.proof_obligations, *implied_obligations(contract))] + [
        t.id for t in contract.falsification_tests
    ]
    for identifier in ids:
        word = str(identifier).lower().replace("-", "_")
        first = found.setdefault(word, identifier)
        if str(first) != str(identifier):
            raise problem(
                "E302",
                f"the ids {first} and {identifier} name the same test, test_{word}",
                identifier,
                "ids differ in more than - and _",
            )


def _dims(texts: Mapping[str, Text], used: Iterable[str], assume: Iterable[str], where: Text | None) -> Dims:
    derived: dict[str, Poly] = {}
    low: dict[str, int] = {}
    pending: dict[str, str] = {}
    for name, written in texts.items():
        parsed = parse_dim(written)
        if isinstance(parsed, DimRange):
            low[name] = parsed.low
        else:
            pending[name] = parsed
    for name in used:
        if name not in texts:
            raise problem(
                "E407", f"the dimension {name!r} has no range", where, f"add it under dims, e.g. {name}: 1..257"
            )
    while pending:
        ready = [n for n, e in pending.items() if not names_in(e) & set(pending)]
        if not ready:
            raise problem("E407", f"the derived dimensions {', '.join(pending)} depend on each other", where)
        for name in ready:
            unknown = names_in(pending[name]) - set(texts)
            if unknown:
                raise problem(
                    "E407",
                    f"the dimension {name!r} mentions {', '.join(sorted(unknown))}, which has no range",
                    _place(texts[name]) or where,
                )
            poly = Dims(derived, low).poly(pending.pop(name))
            if poly is None:
                raise problem(
                    "E407", f"the derived dimension {name!r} is not a sum of products", where, "for example H: G * K"
                )
            derived[name] = poly
    base = Dims(derived, low)
    facts = []
    for text in assume:
        for smaller, larger in _inequalities(text):
            a, b = base.poly(smaller), base.poly(larger)
            if a is None or b is None:
                continue
            if base.never_negative(a - b - ONE):
                raise problem(
                    "E405",
                    f"no sizes satisfy {str(text)!r}",
                    _place(text) or where,
                    "an assumption leaves cases over: correct it, or the ranges under `dims`",
                )
            facts.append(b - a)
    return Dims(derived, low, tuple(facts))


def _inequalities(text: str) -> list[tuple[str, str]]:
    """`a <= b` facts of an assumption, as texts of dimension expressions."""
    try:
        node, _ = parse_expression(text)
    except ContractError:
        return []
    return list(_facts(node))


def _facts(node: tree.Node) -> Iterator[tuple[str, str]]:
    match node:
        case tree.Logic(_, "and", left, right):
            yield from _facts(left)
            yield from _facts(right)
        case tree.Compare(_, op, left, right) if op in ("<", "<=", ">", ">=", "=="):
            a, b = _dim_text(left), _dim_text(right)
            if a is None or b is None:
                return
            if op in ("<=", "=="):
                yield a, b
            if op in (">=", "=="):
                yield b, a
            if op == "<":
                yield f"{a} + 1", b
            if op == ">":
                yield f"{b} + 1", a


def _dim_text(node: tree.Node) -> str | None:
    match node:
        case tree.Name(_, name):
            return name
        case tree.Number(_, int() as value):
            return str(value)
        case tree.Binary(_, "+" | "-" | "*" as op, left, right):
            a, b = _dim_text(left), _dim_text(right)
            return None if a is None or b is None else f"({a}) {op} ({b})"
    return None


def _domain(
    text: Text | str, type_: Type, sizes: Iterable[str], numbers: Iterable[str], dtypes: Collection[str]
) -> Domain:
    """The domain of an input; its bounds mention dimensions, and numbers that are drawn before."""
    domain = parse_domain(text)
    where = _place(text)
    if domain.length is None and not domain.intervals and not domain.values:
        return domain
    bounds = [(i.low, i.high) for i in domain.intervals]
    known = {*sizes, *numbers}
    for expression in (*domain.values, *(b for pair in bounds for b in pair)):
        for name in sorted(names_in(expression)):
            if name not in known:
                raise problem(
                    "E404",
                    f"the domain mentions {name!r}, which is neither a dimension nor another number",
                    where,
                    did_you_mean(name, known),
                )
    if domain.length is not None and type_.dtype not in ("text", "bytes"):
        raise problem("E402", f"length bounds texts, not {type_}", where, "in [low, high]")
    if (bounds or domain.values) and type_.dtype in ("text", "bytes", "bool"):
        raise problem(
            "E402", f"{type_} has no such domain", where, "length 0..64" if type_.is_opaque else "leave it away"
        )
    try:
        wrong = why_empty(domain, type_, dtypes)
    except ContractError as error:
        wrong = error.diagnostics[0].message
    if wrong:
        raise problem("E405", wrong, where, "widen the domain: low <= high, and a value of the type in between")
    return domain


def _domains(
    inputs: Mapping[str, tuple[Type, str]],
    sizes: Iterable[str],
    dtypes: Collection[str],
    like: CheckedEquation | None = None,
) -> dict[str, Domain]:
    """The domains of all inputs; none is bounded by itself, not even through others.

    An input taken over from an equation has the domain it has there: no fewer names are known here.
    """
    if (
        like is not None
        and len(inputs) == len(like.space.inputs)
        and all(inputs[n] is known for n, known in like.space.inputs.items())
    ):
        return dict(like.domains)
    numbers = [n for n, (t, _) in inputs.items() if t.dtype in ("real", "int")]
    found: dict[str, Domain] = {}
    for name, (type_, text) in inputs.items():
        if like is not None and like.space.inputs.get(name) is inputs[name]:
            found[name] = like.domains[name]
        elif _is_permutation(text):
            found[name] = parse_domain(f"in [0, {text.split()[-1]})")
        else:
            found[name] = _domain(text, type_, sizes, [n for n in numbers if n != name], dtypes)
    waiting = {n: _mentioned(found[n]) & set(numbers) for n in numbers}
    while waiting:
        ready = [n for n, needs in waiting.items() if not needs & set(waiting)]
        if not ready:
            raise problem(
                "E404", f"the domains of {', '.join(waiting)} bound each other", _place(inputs[next(iter(waiting))][1])
            )
        for name in ready:
            del waiting[name]
    return found


def _filled(inputs: Mapping[str, tuple[Type, str]], domains: Mapping[str, Domain], dims: Dims) -> None:
    """No domain is empty whatever the sizes are."""
    for name, (_, text) in inputs.items():
        empty = None if _is_permutation(text) else never_filled(domains[name], dims)
        if empty is not None:
            raise problem(
                "E405",
                f"nothing lies in {as_written(empty)}, whatever the sizes are",
                _place(text),
                "low <= high",
            )


def _is_permutation(text: str) -> bool:
    """Whether the tool itself says so: no author writes a domain like this."""
    return not isinstance(text, Text) and text.startswith("permutation of ")


def _mentioned(domain: Domain) -> frozenset[str]:
    # Domains never change, and those of an equation are those of its obligations.
    known: frozenset[str] | None = domain.__dict__.get("_mentioned")
    if known is None:
        expressions = [*domain.values, *(b for i in domain.intervals for b in (i.low, i.high))]
        known = domain.__dict__["_mentioned"] = frozenset(n for e in expressions for n in names_in(e))
    return known


def _sizes_mentioned(texts: Mapping[str, str], domains: Iterable[Domain], assume: Iterable[Text]) -> set[str]:
    """Dimensions that domains and assumptions are about."""
    found = {n for d in domains for n in _mentioned(d)}
    for text in assume:
        node, _ = parse_expression(text)
        found |= {n.id for n in tree.walk(node) if isinstance(n, tree.Name)}
    return found & set(texts)


def _sizes_stated(texts: Mapping[str, str], blocks: Iterable[Text | None]) -> set[str]:
    """Dimensions that statements name as the range of an index: `y[t: T] = ...`."""
    found: set[str | int] = set()
    for block in blocks:
        if block is not None and ":" in block:
            try:
                statements, _ = parse_block(block)
            except ContractError:
                continue  # reported where the block is checked
            found |= {size for s in statements for _, size in s.ranges}
    return {size for size in found if isinstance(size, str)} & set(texts)


def _equation(names: _Names, name: str, signature: Signature) -> CheckedEquation:
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
    domains = _domains(inputs, texts, _dtypes(model))
    used = [
        *signature.dims,
        *_sizes_mentioned(texts, domains.values(), model.assume),
        *_sizes_stated(texts, [model.define]),
    ]
    dims = _dims(texts, used, model.assume, model.signature)
    _filled(inputs, domains, dims)
    space = Space(_needed(texts, used), inputs, tuple(model.assume))
    scope = Scope(dims, {p.name: p.type for p in signature.inputs}, domains, {}, {}, frozenset(space.dims))
    for condition in model.assume:
        _condition(condition, scope)
    define = None
    if model.define is not None:
        define = _define(names, model.define, signature, space, dims, domains)
    return CheckedEquation(name, model, signature, space, dims, domains, define)


def _dtypes(equation: Equation) -> tuple[str, ...]:
    return tuple(map(str, equation.dtypes)) or DTYPES


def _needed(texts: Mapping[str, str], used: Iterable[str]) -> dict[str, str]:
    """The dimensions an equation uses, with those they are derived from, in the order they are declared."""
    wanted = set(used)
    while True:
        more = {n for d in wanted if isinstance(parsed := parse_dim(texts[d]), str) for n in names_in(parsed)} - wanted
        # A dimension that is a factor of a derived one may be needed to find it from a shape.
        if not more:
            return {d: t for d, t in texts.items() if d in wanted}
        wanted |= more


def _condition(text: Text, scope: Scope) -> None:
    node, source = parse_expression(text)
    if not any(isinstance(n, tree.Name | tree.Element) for n in tree.walk(node)):
        raise source.error(
            "E404",
            f"the assumption {str(text)!r} is about no dimension and no input",
            node.place,
            "state what cases must satisfy, for example 2 * R <= N, or leave it away",
        )
    if check_expression(node, source, _copy(scope)) != "bool":
        raise source.error("E426", "an assumption is a condition", node.place, "for example: 2 * warmup <= total")


def _copy(scope: Scope) -> Scope:
    return replace(scope, values=dict(scope.values), indices=dict(scope.indices))


def _define(
    names: _Names,
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
    _small_at_least(statements, scope, text)
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


def _fault(names: _Names, fault: Fault, equations: Mapping[str, CheckedEquation]) -> CheckedFault:
    defines = {}
    for name, text in fault.define.items():
        equation = equations.get(name)
        if equation is None:
            raise ContractError  # reported as a link that does not resolve
        e = equation
        defines[name] = _define(names, text, e.signature, e.space, e.dims, e.domains, e.define)
    return CheckedFault(fault, defines)


_PERMUTATION = re.compile(r"\s*permutation\s*\[\s*([A-Za-z_][A-Za-z0-9_]*)\s*\]\s*")


def _obligation(names: _Names, o: Obligation, equations: Mapping[str, CheckedEquation]) -> CheckedObligation:
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
            raise problem("E413", reason, _place(name) or o.id, "choose another name")
        if name in inputs or name in texts:
            raise problem("E421", f"{name!r} already has a meaning in {equation.name}", _place(text) or o.id)
        match = _PERMUTATION.fullmatch(text)
        if match:
            inputs[name] = (Type("i64", (match[1],)), f"permutation of {match[1]}")
        else:
            type_, domain = parse_type(text)
            if type_.dtype in ("record", "nothing"):
                raise problem("E401", f"{name!r} cannot be generated: it is a {type_}", _place(text) or o.id)
            inputs[name] = (type_, Text(domain, (_place(text) or o.id).starts, exact=False))
    for name, text in o.domain.items():
        if name not in inputs:
            raise problem("E404", f"there is no input {name!r}", text, did_you_mean(name, inputs))
        if _is_permutation(inputs[name][1]):
            raise problem("E402", f"{name} is a permutation: it has no domain", text)
        inputs[name] = (inputs[name][0], text)
    domains = _domains(inputs, texts, _dtypes(equation.model), equation)
    assume = (*equation.space.assume, *o.assume)
    shapes = dict.fromkeys(d for t, _ in inputs.values() for d in t.shape or () if isinstance(d, str))
    used = [
        *shapes,
        *equation.signature.dims,
        *o.dims,
        *_sizes_mentioned(texts, domains.values(), (*equation.model.assume, *o.assume)),
        *_sizes_stated(texts, [o.let, o.step]),
    ]
    if o.dims or o.assume or not all(d in texts for d in used):
        dims = _dims(texts, used, assume, o.id)
    else:
        dims = equation.dims  # the same sizes and facts
    _filled(inputs, domains, dims)
    space = Space(_needed(texts, used), inputs, assume)
    scope = Scope(
        dims, {n: t for n, (t, _) in inputs.items()}, domains, names.visible, {}, frozenset(space.dims),
        kernels=names.own, defined=names.defined,
    )  # fmt: skip
    for condition in o.assume:
        _condition(condition, scope)
    prepared = [Text(text, (o.id.position,), exact=False) for text in template.let]
    statements = _statements([*([] if o.let is None else [o.let]), *prepared], scope)
    for node, source in template.parts:
        check_expression(node, source, _copy(scope))
    check = None
    if template.check is not None:
        check, source = template.check
        _claim(check, source, scope)
    _small_at_least(statements, scope, o.let or o.id)
    added = [n for n in template.forall if n not in o.forall]
    action = action_of(o, equation, names.visible, scope, names.defined, added[0] if added else "")
    if isinstance(action, Protocol):
        _small_at_least(action.step, scope, o.step or o.id)
    found = CheckedObligation(o, equation, Law(space, statements, check, scope, action))
    # Gradients and independences call a kernel without being told; a proof may be about something else.
    if str(o.type) not in ("gradient", "independence") and o.prove is None:
        _runs_a_kernel(found.law, o.id)
    _not_too_large(found)
    return found


def _runs_a_kernel(law: Law, identifier: Text) -> None:
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


def _small_at_least(statements: Iterable[tree.Statement], scope: Scope, where: Text) -> None:
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


def _statements(texts: Iterable[Text], scope: Scope) -> tuple[tree.Statement, ...]:
    statements: list[tree.Statement] = []
    for text in texts:
        block, source = parse_block(text)
        check_block(block, source, scope)
        statements += block
    return tuple(statements)


def _claim(node: tree.Node, source: Source, scope: Scope) -> None:
    if check_expression(node, source, scope) != "bool":
        raise source.error(
            "E426", "a claim is true or false; this is a number", node.place, "compare it: approx(a, b), a <= b"
        )


def _falsification(names: _Names, test: FalsificationTest, rule: CheckedObligation) -> Law:
    known = rule.law.space.inputs
    for name in test.given:
        if name not in known:
            raise problem(
                "E404",
                f"there is no input {name!r} in {rule.equation.name}",
                _place(name) or test.id,
                did_you_mean(name, known),
            )
    inputs = {name: entry for name, entry in known.items() if name in test.given}
    missing = [p.name for p in rule.equation.signature.inputs if p.name not in test.given]
    if missing:
        raise problem(
            "E303",
            f"{test.id} gives no value for {', '.join(missing)}",
            test.id,
            "given: needs every input of the equation",
        )
    for name, (type_, _) in inputs.items():
        wrong = not_a_value(test.given[name], type_)
        if wrong:
            raise problem(
                "E303",
                f"{test.id} gives {name}, which is {type_}, {wrong}",
                _place(name) or test.id,
                "numbers, nested lists of numbers, true, false or a text",
            )
    space = Space(rule.law.space.dims, inputs, ())
    domains = {n: d for n, d in rule.law.scope.domains.items() if n in inputs}
    dims, sizes = _given_dims(test, inputs, rule)
    scope = Scope(
        dims, {n: t for n, (t, _) in inputs.items()}, domains, names.visible, {}, rule.law.scope.dim_names,
        kernels=names.own, defined=names.defined,
    )  # fmt: skip
    statements = _statements([] if test.let is None else [test.let], scope)
    check = None
    if test.check is not None:
        check, source = parse_expression(test.check)
        _claim(check, source, scope)
    refusal = None if test.call is None else refusal_of(test.call, test.raises, test.mentions, scope)
    law = Law(space, statements, check, scope, refusal, sizes)
    _runs_a_kernel(law, test.id)
    mentioned = used_indices(law.trees)
    needed = {str(scope.indices[i].range) for i in mentioned if i in scope.indices} | (mentioned & set(space.dims))
    shown = {d for t, _ in inputs.values() for d in t.shape or ()}
    lost = sorted(d for d in needed - shown - set(sizes) if not d.isdigit())
    if lost:
        raise problem(
            "E303", f"what {test.id} gives does not say what {lost[0]} is", test.id, "it follows from no shape"
        )
    return law


def not_a_value(value: object, type_: Type) -> str:
    """Why a value that was written out cannot stand for an input of this type, or the empty text."""
    if type_.is_array:
        shape = _shape_of(value)
        if len(shape) != len(type_.shape or ()):
            return f"{len(shape)} axes: lists are nested, one level for each axis"
        if not _rectangular(value, shape):
            return "rows of different lengths"
        flat = _flat(value)
        element = "bool" if type_.dtype == "bool" else "real" if type_.is_floating else "int"
        wrong = next((w for v in flat if (w := not_a_value(v, Type(element)))), "")
        if not wrong and element == "int" and type_.dtype != "i64":
            low, high = INTEGER_RANGES[type_.dtype]
            wrong = next((f"{v}, which does not fit" for v in flat if not low <= v <= high), "")  # type: ignore[operator]
        return wrong
    if type_.dtype == "bytes":
        whole = isinstance(value, list | tuple) and all(
            isinstance(v, int) and not isinstance(v, bool) and 0 <= v <= 255 for v in value
        )
        return "" if whole else "what is no list of numbers from 0 to 255"
    kinds: dict[str, tuple[type, ...]] = {"real": (int, float), "int": (int,), "bool": (bool,), "text": (str,)}
    if not isinstance(value, kinds[type_.dtype]) or (isinstance(value, bool) and type_.dtype != "bool"):
        return f"a value of another kind, {str(value)[:40]!r}"
    if isinstance(value, int) and abs(value) >= 2**63:
        return "a number that does not fit 64 bits"
    return ""


def _flat(value: object) -> list[object]:
    return [v for part in value for v in _flat(part)] if isinstance(value, list | tuple) else [value]


def _rectangular(value: object, shape: tuple[int, ...]) -> bool:
    if not shape:
        return not isinstance(value, list | tuple)
    return isinstance(value, list | tuple) and len(value) == shape[0] and all(_rectangular(v, shape[1:]) for v in value)


def _given_dims(
    test: FalsificationTest, inputs: Mapping[str, tuple[Type, str]], rule: CheckedObligation
) -> tuple[Dims, dict[str, int]]:
    """The dimensions as the given values fix them, and the sizes of those that no shape shows."""
    sizes: dict[str, int] = {}
    for name, (type_, _) in inputs.items():
        for d, n in zip(type_.shape or (), _shape_of(test.given[name]), strict=False):
            where = _place(name) or test.id
            if isinstance(d, int) and d != n:
                raise problem("E303", f"{test.id} gives {name} size {n} where {type_} says {d}", where)
            if isinstance(d, str) and sizes.setdefault(d, n) != n:
                raise problem("E303", f"{test.id} gives {d} two sizes: {sizes[d]} and {n}", where)
    shown = set(sizes)
    texts = rule.law.space.dims
    for d, text in texts.items():
        parsed = parse_dim(text)
        if isinstance(parsed, DimRange) and parsed.low == parsed.high:
            sizes.setdefault(d, parsed.low)
    for _ in texts:
        for d, text in rule.law.space.derived.items():
            unknown = names_in(text) - set(sizes)
            if not unknown:
                value = int(evaluate(text, sizes))
                if sizes.setdefault(d, value) != value:
                    raise problem(
                        "E303", f"{test.id} gives {d} the size {sizes[d]}, but {d} = {text} is {value}", test.id
                    )
            elif d in sizes and len(unknown) == 1:
                (factor,) = unknown
                for size in range(1, sizes[d] + 1):
                    if evaluate(text, {**sizes, factor: size}) == sizes[d]:
                        sizes[factor] = size
                        break
                else:
                    raise problem(
                        "E303",
                        f"{test.id} gives {d} the size {sizes[d]}, for which no {factor} satisfies {d} = {text}",
                        test.id,
                    )
    old = rule.law.scope.dims
    fixed = {d: Poly.number(n) for d, n in sizes.items()}
    return Dims({**old.derived, **fixed}, old.low, old.facts), {d: n for d, n in sizes.items() if d not in shown}


def _shape_of(value: object) -> tuple[int, ...]:
    shape: list[int] = []
    while isinstance(value, list | tuple):
        shape.append(len(value))
        value = value[0] if value else None
    return tuple(shape)
