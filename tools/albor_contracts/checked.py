"""A contract with its mathematics parsed and checked: what every later stage works on.

`check_contracts` takes contracts as read from files and gives either checked ones or every problem it found. It
needs no numerical package, so that `validate` stays quick.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

from .errors import ContractError, Diagnostic, Text, problem
from .lang import tree
from .lang.check import Kind, Scope, check_block, check_expression
from .lang.dims import Dims, Poly
from .lang.signature import Parameter, Signature, parse_signature
from .lang.syntax import Source, parse_block, parse_expression
from .lang.types import DimRange, Domain, Type, names_in, parse_dim, parse_domain, parse_type
from .model import Contract, Equation, FalsificationTest, Fault, Obligation
from .suggest import did_you_mean


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


@dataclass(frozen=True)
class CheckedEquation:
    name: str
    model: Equation
    signature: Signature
    space: Space
    dims: Dims
    define: Block | None


@dataclass(frozen=True)
class Law:
    """A claim in index notation: statements, then conditions that must all hold."""

    space: Space
    statements: tuple[tree.Statement, ...]
    check: tree.Node | None
    scope: Scope


@dataclass(frozen=True)
class CheckedObligation:
    model: Obligation
    equation: CheckedEquation
    law: Law

    @property
    def id(self) -> str:
        return str(self.model.id)


@dataclass(frozen=True)
class CheckedFault:
    model: Fault
    defines: Mapping[str, Block]


@dataclass(frozen=True)
class CheckedContract:
    model: Contract
    equations: Mapping[str, CheckedEquation]
    obligations: tuple[CheckedObligation, ...]
    tests: tuple[tuple[object, Law], ...]
    faults: tuple[CheckedFault, ...]
    imports: Mapping[str, str] = field(default_factory=dict)  # equations of other contracts: name -> contract

    @property
    def name(self) -> str:
        return self.model.name


def definition_id(contract: Contract, equation: str) -> str:
    """Id of the obligation that is implied by a define: RN-DEF-RMSNORM_BACKWARD."""
    return f"{contract.metadata.prefix}-DEF-{equation.upper()}"


class Checking:
    """Collects problems over one set of contracts."""

    def __init__(self, contracts: Mapping[str, Contract]) -> None:
        self.contracts = contracts
        self.diagnostics: list[Diagnostic] = []
        self.signatures: dict[str, dict[str, Signature]] = {}

    def attempt(self, action: Callable[[], T]) -> T | None:
        try:
            return action()
        except ContractError as error:
            self.diagnostics += error.diagnostics
            return None


def check_contracts(contracts: Mapping[str, Contract], select: Iterable[str] | None = None) -> tuple[dict[str, CheckedContract], list[Diagnostic]]:
    """Check contracts (all, or the selected ones with those they depend on). Problems are returned, not raised."""
    checking = Checking(contracts)
    for name, contract in contracts.items():
        checking.signatures[name] = {}
        for equation_name, equation in contract.equations.items():
            signature = checking.attempt(lambda e=equation, n=equation_name: _signature(e, n))  # type: ignore[misc]
            if signature is not None:
                checking.signatures[name][equation_name] = signature
    wanted = set(contracts) if select is None else set(select)
    result = {}
    for name, contract in contracts.items():
        if name in wanted:
            before = len(checking.diagnostics)
            checked = _contract(checking, contract)
            if len(checking.diagnostics) == before:
                result[name] = checked
    return result, checking.diagnostics


def _signature(equation: Equation, name: str) -> Signature:
    signature = parse_signature(equation.signature)
    if signature.name != name:
        raise problem("E406", f"the signature is that of {signature.name!r}, the equation is called {name!r}", equation.signature, "use one name")
    return signature


def _contract(checking: Checking, contract: Contract) -> CheckedContract:
    visible: dict[str, Signature] = {}
    imports: dict[str, str] = {}
    for other in contract.metadata.depends_on:
        for name, signature in checking.signatures.get(other, {}).items():
            visible[name] = signature
            imports[name] = str(other)
    own = checking.signatures[contract.name]
    visible.update(own)
    for name in own:
        imports.pop(name, None)
    equations: dict[str, CheckedEquation] = {}
    for name, signature in own.items():
        equation = checking.attempt(lambda n=name, s=signature: _equation(contract, n, s, visible))  # type: ignore[misc]
        if equation is not None:
            equations[name] = equation
    obligations = []
    for obligation in (*contract.proof_obligations, *implied_definitions(contract)):
        if obligation.equation in equations:
            checked = checking.attempt(lambda o=obligation: _obligation(contract, o, equations, visible))  # type: ignore[misc]
            if checked is not None:
                obligations.append(checked)
    by_id = {o.id: o for o in obligations}
    tests = []
    for test in contract.falsification_tests:
        rule = by_id.get(test.rule)
        if rule is not None:
            law = checking.attempt(lambda t=test, r=rule: _falsification(t, r, visible))  # type: ignore[misc]
            if law is not None:
                tests.append((test, law))
    faults = []
    for fault in contract.faults:
        checked_fault = checking.attempt(lambda f=fault: _fault(f, equations, visible))  # type: ignore[misc]
        if checked_fault is not None:
            faults.append(checked_fault)
    return CheckedContract(contract, equations, tuple(obligations), tuple(tests), tuple(faults), imports)


def implied_definitions(contract: Contract) -> list[Obligation]:
    """A definition obligation for every equation with a `define` that does not state one itself."""
    stated = {str(o.equation) for o in contract.proof_obligations if o.type == "definition"}
    return [
        Obligation(
            id=Text(definition_id(contract, name), equation.signature.starts),
            equation=Text(name),
            type=Text("definition"),
            property=Text(f"{name} computes its definition."),
            if_fails=Text("Compare the terms of the kernel with the define of the contract, factor by factor."),
            position=equation.position,
        )
        for name, equation in contract.equations.items()
        if equation.define is not None and name not in stated
    ]


def _dims(texts: Mapping[str, str], used: Iterable[str], assume: Iterable[str], where: Text | None) -> Dims:
    derived: dict[str, Poly] = {}
    low: dict[str, int] = {}
    pending: dict[str, str] = {}
    for name, text in texts.items():
        parsed = parse_dim(text)
        if isinstance(parsed, DimRange):
            low[name] = parsed.low
        else:
            pending[name] = parsed
    for name in used:
        if name not in texts:
            raise problem("E407", f"the dimension {name!r} has no range", where, f"add it under dims, e.g. {name}: 1..257")
    while pending:
        ready = [n for n, e in pending.items() if not names_in(e) & set(pending)]
        if not ready:
            raise problem("E407", f"the derived dimensions {', '.join(pending)} depend on each other", where)
        for name in ready:
            unknown = names_in(pending[name]) - set(texts)
            if unknown:
                raise problem("E407", f"the dimension {name!r} mentions {', '.join(sorted(unknown))}, which has no range", texts[name] if isinstance(texts[name], Text) else where)
            poly = Dims(derived, low).poly(pending.pop(name))
            if poly is None:
                raise problem("E407", f"the derived dimension {name!r} is not a sum of products", where, "for example H: G * K")
            derived[name] = poly
    base = Dims(derived, low)
    facts = []
    for text in assume:
        for smaller, larger in _inequalities(text):
            a, b = base.poly(smaller), base.poly(larger)
            if a is not None and b is not None:
                facts.append(b - a)
    return Dims(derived, low, tuple(facts))


def _inequalities(text: str) -> list[tuple[str, str]]:
    """`a <= b` facts of an assumption, as texts of dimension expressions."""
    try:
        node, source = parse_expression(text)
    except ContractError:
        return []
    found = []

    def visit(n: tree.Node) -> None:
        match n:
            case tree.Logic(_, "and", left, right):
                visit(left)
                visit(right)
            case tree.Compare(_, op, left, right) if op in ("<", "<=", ">", ">=", "=="):
                a, b = _dim_text(left), _dim_text(right)
                if a is None or b is None:
                    return
                if op in ("<=", "=="):
                    found.append((a, b))
                if op in (">=", "=="):
                    found.append((b, a))
                if op == "<":
                    found.append((f"{a} + 1", b))
                if op == ">":
                    found.append((f"{b} + 1", a))

    visit(node)
    return found


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


def _domain(text: Text | str, type_: Type, names: Iterable[str]) -> Domain:
    domain = parse_domain(text)
    known = set(names)
    for expression in [*domain.values, *(b for i in domain.intervals for b in (i.low, i.high))]:
        for name in names_in(expression):
            if name not in known:
                raise problem("E404", f"the domain mentions {name!r}, which is neither a dimension nor an input", text if isinstance(text, Text) else None, did_you_mean(name, known))
    if domain.length is not None and type_.dtype not in ("text", "bytes"):
        raise problem("E402", f"length bounds texts, not {type_}", text if isinstance(text, Text) else None)
    return domain


def _equation(contract: Contract, name: str, signature: Signature, visible: Mapping[str, Signature]) -> CheckedEquation:
    model = contract.equations[name]
    texts = {**contract.dims, **model.dims}
    dims = _dims(texts, signature.dims, model.assume, model.signature)
    inputs: dict[str, tuple[Type, str]] = {}
    domains: dict[str, Domain] = {}
    names = [*texts, *(p.name for p in signature.inputs)]
    for parameter in signature.types:
        if parameter in texts:
            raise problem("E406", f"{parameter!r} names both a dimension and a parameter", model.signature)
    for p in signature.inputs:
        text = model.domain.get(p.name, Text(""))
        domains[p.name] = _domain(text, p.type, names)
        inputs[p.name] = (p.type, text)
    for key, text in model.domain.items():
        if key not in inputs:
            raise problem("E404", f"there is no input {key!r}", text, did_you_mean(key, inputs))
    space = Space(_needed(texts, signature.dims), inputs, tuple(model.assume))
    define = None
    if model.define is not None:
        define = _define(model.define, signature, space, dims, domains, {k: v for k, v in visible.items() if k != name})
    scope = Scope(dims, {p.name: p.type for p in signature.inputs}, domains, {}, {}, frozenset(texts))
    for condition in model.assume:
        _condition(condition, scope)
    return CheckedEquation(name, model, signature, space, dims, define)


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
    if check_expression(node, source, _copy(scope)) != "bool":
        raise problem("E426", "an assumption is a condition", text, "for example: 2 * warmup <= total")


def _copy(scope: Scope) -> Scope:
    return replace(scope, values=dict(scope.values), indices=dict(scope.indices))


def _define(
    text: Text, signature: Signature, space: Space, dims: Dims, domains: Mapping[str, Domain], visible: Mapping[str, Signature]
) -> Block:
    statements, source = parse_block(text)
    outputs = {p.name: p.type for p in signature.outputs}
    scope = Scope(dims, {p.name: p.type for p in signature.inputs}, domains, visible, outputs, frozenset(space.dims))
    check_block(statements, source, scope)
    for p in signature.outputs:
        found = scope.values.get(p.name)
        if found is None:
            raise problem("E429", f"the output {p.name!r} is never defined", text, f"{p.name}[...] = ...")
        if p.type.is_array and p.type.shape and found.shape is None:
            raise problem("E429", f"the output {p.name} is {p.type}, but it is defined without indices", text)
        if _class(found.dtype) != _class(p.type.dtype) and not (_class(found.dtype) == "int" and _class(p.type.dtype) == "real"):
            raise problem("E429", f"the output {p.name} is {p.type}, but its definition is {_class(found.dtype)}", text)
    return Block(statements, scope, source)


def _class(dtype: str) -> str:
    if dtype == "bool":
        return "bool"
    return "real" if Type(dtype).is_floating else "int"


def _fault(fault: Fault, equations: Mapping[str, CheckedEquation], visible: Mapping[str, Signature]) -> CheckedFault:
    defines = {}
    for name, text in fault.define.items():
        equation = equations.get(name)
        if equation is None:
            raise problem("E301", f"there is no equation {name!r} in this contract", text, did_you_mean(name, equations))
        domains = {p: parse_domain(d) for p, (_, d) in equation.space.inputs.items()}
        others = {k: v for k, v in visible.items() if k != name}
        defines[name] = _define(text, equation.signature, equation.space, equation.dims, domains, others)
    return CheckedFault(fault, defines)


def _obligation(
    contract: Contract, o: Obligation, equations: Mapping[str, CheckedEquation], visible: Mapping[str, Signature]
) -> CheckedObligation:
    from .templates import law_of

    equation = equations[str(o.equation)]
    texts = {**contract.dims, **equation.model.dims, **o.dims}
    template = law_of(o, equation, visible)
    inputs = dict(equation.space.inputs)
    for name, text in template.forall.items():
        if name in inputs or name in texts:
            raise problem("E421", f"{name!r} already has a meaning in {equation.name}", text if isinstance(text, Text) else o.id)
        if str(text).strip().startswith("permutation["):
            dim = str(text).strip()[len("permutation[") :].rstrip("]").strip()
            inputs[name] = (Type("i64", (dim,)), f"permutation of {dim}")
        else:
            type_, domain = parse_type(text)
            inputs[name] = (type_, domain)
    for name, text in o.domain.items():
        if name not in inputs:
            raise problem("E404", f"there is no input {name!r}", text, did_you_mean(name, inputs))
        inputs[name] = (inputs[name][0], text)
    used = {d for t, _ in inputs.values() for d in t.shape or () if isinstance(d, str)} | set(equation.signature.dims) | set(o.dims)
    dims = _dims(texts, used, (*equation.model.assume, *o.assume), o.id)
    names = [*texts, *inputs]
    domains: dict[str, Domain] = {}
    for name, (type_, text) in inputs.items():
        domains[name] = parse_domain(f"in [0, {text.split()[-1]})") if text.startswith("permutation") else _domain(text, type_, names)
    space = Space(_needed(texts, used), inputs, (*equation.space.assume, *o.assume))
    scope = Scope(dims, {n: t for n, (t, _) in inputs.items()}, domains, visible, {}, frozenset(space.dims))
    for condition in o.assume:
        _condition(condition, scope)
    law = _law(space, scope, [t for t in (o.let,) if t is not None], template.let, template.check)
    for text in template.also:
        node, source = parse_expression(text)
        check_expression(node, source, _copy(law.scope))
    return CheckedObligation(o, equation, law)


def _law(space: Space, scope: Scope, written: Iterable[str], prepared: Iterable[str], check: str | None) -> Law:
    statements: list[tree.Statement] = []
    for text in (*written, *prepared):
        block, source = parse_block(text)
        check_block(block, source, scope)
        statements += block
    node = None
    if check is not None:
        node, source = parse_expression(check)
        kind: Kind = check_expression(node, source, scope)
        if kind != "bool":
            raise source.error("E426", "a claim is true or false; this is a number", node.place, "compare it: approx(a, b), a <= b")
    return Law(space, tuple(statements), node, scope)


def _falsification(test: object, rule: CheckedObligation, visible: Mapping[str, Signature]) -> Law:
    assert isinstance(test, FalsificationTest)
    known = rule.law.space.inputs
    inputs: dict[str, tuple[Type, str]] = {}
    extra = dict(known)
    for name in test.given:
        if name not in known:
            raise problem("E404", f"there is no input {name!r} in {rule.equation.name}", test.id, did_you_mean(name, known))
    for name, entry in extra.items():
        if name in test.given:
            inputs[name] = entry
    missing = [p.name for p in rule.equation.signature.inputs if p.name not in test.given]
    if missing:
        raise problem("E303", f"{test.id} gives no value for {', '.join(missing)}", test.id, "given: needs every input of the equation")
    space = Space(rule.law.space.dims, inputs, ())
    domains = {n: parse_domain("" if d.startswith("permutation") else d) for n, (_, d) in inputs.items()}
    dims = _given_dims(test, inputs, rule)
    scope = Scope(dims, {n: t for n, (t, _) in inputs.items()}, domains, visible, {}, rule.law.scope.dim_names)
    return _law(space, scope, [t for t in (test.let,) if t is not None], (), test.check)


def _given_dims(test: FalsificationTest, inputs: Mapping[str, tuple[Type, str]], rule: CheckedObligation) -> Dims:
    """The dimensions as the given values fix them."""
    sizes: dict[str, int] = {}
    for name, (type_, _) in inputs.items():
        shape, value = _shape_of(test.given[name]), type_.shape or ()
        if type_.is_array and len(shape) != len(value):
            raise problem("E303", f"{test.id} gives {name} {len(shape)} axes, but it is {type_}", test.id, "nested lists, one level for each axis")
        for d, n in zip(value, shape, strict=False):
            if isinstance(d, int) and d != n:
                raise problem("E303", f"{test.id} gives {name} size {n} where {type_} says {d}", test.id)
            if isinstance(d, str) and sizes.setdefault(d, n) != n:
                raise problem("E303", f"{test.id} gives {d} two sizes: {sizes[d]} and {n}", test.id)
    old = rule.law.scope.dims
    return Dims({**old.derived, **{d: Poly.number(n) for d, n in sizes.items()}}, old.low, old.facts)


def _shape_of(value: object) -> tuple[int, ...]:
    shape: list[int] = []
    while isinstance(value, list | tuple):
        shape.append(len(value))
        value = value[0] if value else None
    return tuple(shape)


def parameters_of(equation: CheckedEquation) -> tuple[Parameter, ...]:
    return equation.signature.inputs
