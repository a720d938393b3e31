"""Links between the entries of contracts, and the parameters each kind of obligation demands.

A link is a foreign key: it resolves, or it is an error at the place where it is written.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from .errors import Diagnostic, Position, Text
from .links_between import links_between
from .load.bind import rules_of
from .model import Contract, Entry, Obligation, Proof
from .outline import outline_of
from .suggest import did_you_mean


@dataclass(frozen=True)
class Form:
    """One way to state an obligation: these keys, these too if you like, and at least one of `any_of`."""

    required: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    any_of: tuple[str, ...] = ()

    @cached_property
    def permitted(self) -> frozenset[str]:
        return frozenset((*self.required, *self.optional, *self.any_of))

    def lacks(self, written: Collection[str]) -> list[str]:
        missing = [f"`{key}`" for key in self.required if key not in written]
        if self.any_of and not any(key in written for key in self.any_of):
            missing.append(" or ".join(f"`{key}`" for key in self.any_of))
        return missing

    def __str__(self) -> str:
        parts = [*self.required, *([" or ".join(self.any_of)] if self.any_of else [])]
        text = ", ".join(parts) or "no parameter"
        return f"{text} (optional: {', '.join(self.optional)})" if self.optional else text


# Keys that every obligation may have.
EVERYWHERE = (
    "id", "equation", "type", "property", "if_fails", "forall", "dims", "domain", "assume", "let", "prove", "cost",
)  # fmt: skip

_CHECK = Form(("check",))

# A law may be stated by its template or, where the template is too narrow, by a check; never by both.
FORMS: dict[str, tuple[Form, ...]] = {
    "definition": (Form(optional=("exact",)),),
    "gradient": (Form(("of", "wrt", "gives"), ("cotangent",)),),
    "equivalence": (Form(("left", "right"), ("exact",)), _CHECK),
    "bound": (Form(("of",), any_of=("lower", "upper")), _CHECK),
    "monotonicity": (Form(("of", "in", "direction"), ("axis",)), _CHECK),
    "idempotency": (Form(("of", "in"), ("exact",)), _CHECK),
    "involution": (Form(("of", "in"), ("exact",)), _CHECK),
    "linearity": (Form(("of", "in")), _CHECK),
    "homogeneity": (Form(("of", "in", "degree")), _CHECK),
    "symmetry": (Form(("of", "permute"), ("permutes", "exact")), _CHECK),
    "invariance": (Form(("left", "right"), ("exact",)), _CHECK),
    "conservation": (_CHECK,),
    "ordering": (_CHECK,),
    "roundtrip": (Form(("left", "right"), ("exact",)), _CHECK),
    "boundary": (_CHECK,),
    "determinism": (Form(("call",)),),
    "independence": (Form(("output", "input", "when")),),
    "statistical": (Form(("trials", "statistic", "expect", "variance", "observations", "detects"), ("false_alarm",)),),
    "rejection": (Form(("call", "raises"), ("mentions",)),),
    "resource": (Form(("call", "count", "at_most")),),
    "dispatch": (Form(("call",)),),
    "protocol": (Form(("state", "step", "steps", "check")),),
}

# Which keys of `prove` an engine does not read. Writing one would look like an assumption that is not made.
FOREIGN_TO_ENGINE = {"crosshair": ("axioms",), "z3": ("target",), "ieee": ("axioms", "dims")}

_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def definition_id(contract: Contract, equation: str) -> str:
    """Id of the obligation "the kernel equals its definition", which every equation with a `define` has.

    The contract's own obligation of type `definition` for this equation takes its place where there is one.
    """
    for obligation in contract.proof_obligations:
        if obligation.type == "definition" and obligation.equation == equation:
            return obligation.id
    return f"{contract.metadata.prefix}-DEF-{equation.upper()}"


def obligation_ids(contract: Contract) -> dict[str, Position]:
    """Ids of all obligations of a contract, implied definitions included, and where each comes from."""
    ids = {identifier: place for _, identifier, place in implied_definitions(contract)}
    ids.update({str(obligation.id): obligation.id.position for obligation in contract.proof_obligations})
    return ids


def stated_at(contract: Contract, identifier: str, output: str = "") -> Position | None:
    """Where the law of this id is written: an obligation, a falsification test, or the definition it compares with, in
    the line that defines `output` if there is one."""
    for written in (*(o.id for o in contract.proof_obligations), *(t.id for t in contract.falsification_tests)):
        if written == identifier:
            return written.position
    for equation, implied, place in implied_definitions(contract):
        if implied == identifier:
            define = contract.equations[equation].define
            return place if define is None else _line_of(define, output)
    return None


def if_fails_of(contract: Contract, identifier: str) -> str:
    """What a failure of an obligation or falsification test means; empty where there is none of this id."""
    obligations = [(str(o.id), o.if_fails) for o in (*contract.proof_obligations, *implied_obligations(contract))]
    tests = [(str(t.id), t.if_fails) for t in contract.falsification_tests]
    return str(dict([*obligations, *tests]).get(identifier, ""))


def _line_of(define: Text, output: str) -> Position:
    """The line of a definition that says what `output` is, else its first."""
    for k, line in enumerate(define.splitlines()):
        if re.match(rf"{re.escape(output)}\s*[\[=]", line.lstrip()):
            return define.at(k, len(line) - len(line.lstrip()))
    return define.position


def implied_definitions(contract: Contract) -> Iterator[tuple[str, str, Position]]:
    """Equation, id and place of each definition obligation that is not written out."""
    own = {obligation.equation for obligation in contract.proof_obligations if obligation.type == "definition"}
    for name, equation in contract.equations.items():
        if equation.define is not None and name not in own:
            yield name, definition_id(contract, name), _at(name, equation.position)


def implied_obligations(contract: Contract) -> list[Obligation]:
    """A definition obligation for every equation with a `define` that does not state one itself."""
    return [
        Obligation(
            id=Text(identifier, (position,)),
            equation=Text(name),
            type=Text("definition"),
            property=Text(f"{name} computes its definition."),
            if_fails=Text("Compare the terms of the kernel with the define of the contract, factor by factor."),
            position=position,
        )
        for name, identifier, position in implied_definitions(contract)
    ]


def written_keys(entry: Obligation | Proof) -> frozenset[str]:
    """YAML keys that are present: as read from a file, or differing from the default when built in Python."""
    # Entries never change, and each is asked for more than once.
    known: frozenset[str] | None = entry.__dict__.get("_written")
    if known is None:
        differing = [key for key, name, default in _defaults(type(entry)) if getattr(entry, name) != default]
        known = entry.__dict__["_written"] = frozenset((*entry.keys, *differing))
    return known


_DEFAULTS: dict[type[Entry], list[tuple[str, str, object]]] = {}


def _defaults(kind: type[Entry]) -> list[tuple[str, str, object]]:
    """Each key of a kind of entry: its field, and the value that means it is not there."""
    if kind not in _DEFAULTS:
        _DEFAULTS[kind] = _find_defaults(kind)
    return _DEFAULTS[kind]


def _find_defaults(kind: type[Entry]) -> list[tuple[str, str, object]]:
    items = {item.name: item for item in dataclasses.fields(kind)}
    found: list[tuple[str, str, object]] = []
    for key, rule in rules_of(kind).items():
        item = items[rule.field]
        factory = item.default_factory
        found.append((key, rule.field, item.default if factory is dataclasses.MISSING else factory()))
    return found


def check_links(contracts: Mapping[str, Contract], unreadable: Collection[str] = ()) -> list[Diagnostic]:
    """Everything that does not resolve between these contracts.

    `unreadable` names contracts that exist but could not be read: a link to one is not reported a second time.
    """
    outlines = {name: outline_of(contract) for name, contract in contracts.items()}
    own = {name: own_links(contract, contracts, outlines, unreadable) for name, contract in contracts.items()}
    return links_between(outlines, own)


def own_links(
    contract: Contract, contracts: Mapping[str, Contract], names: Collection[str], unreadable: Collection[str] = ()
) -> list[Diagnostic]:
    """What one contract is enough for, with those it depends on. `names` are those of all contracts."""
    return [
        *_depends(contract, names, unreadable),
        *_obligations(contract, contracts, unreadable),
        *_tests_and_gate(contract),
        *_faults(contract),
    ]


def check_parameters(obligation: Obligation) -> Iterator[Diagnostic]:
    """The parameters that this type of obligation demands are there, and no others."""
    forms = FORMS[obligation.type]
    written = written_keys(obligation).difference(EVERYWHERE)
    if any(written <= form.permitted and not form.lacks(written) for form in forms):
        return
    hint = f"`{obligation.type}` takes " + "; or ".join(str(form) for form in forms)
    # The form meant is the one that explains most of what is written.
    form = max(forms, key=lambda form: (len(written & form.permitted), -len(form.lacks(written))))
    missing = form.lacks(written)
    if missing:
        yield Diagnostic(
            "E306",
            f"{obligation.id} is of type `{obligation.type}` and lacks {', '.join(missing)}",
            obligation.where("type"),
            hint=hint,
        )
    for key in sorted(written - form.permitted):
        yield Diagnostic(
            "E307",
            f"`{key}` is not a parameter of `{obligation.type}`" + _beside(key, forms, written & form.permitted),
            obligation.where(key),
            hint=hint,
        )


def _beside(key: str, forms: tuple[Form, ...], others: frozenset[str]) -> str:
    """Says which keys exclude this one, where another form of the same type would permit it."""
    if not others or not any(key in form.permitted for form in forms):
        return ""
    return " beside " + ", ".join(f"`{other}`" for other in sorted(others))


def _depends(contract: Contract, names: Collection[str], unreadable: Collection[str]) -> Iterator[Diagnostic]:
    yield from _twice(contract.metadata.depends_on, "depends_on")
    for name in contract.metadata.depends_on:
        if name not in names and name not in unreadable:
            others = [other for other in names if other != contract.name]
            yield Diagnostic(
                "E304",
                f"there is no contract {name}",
                name.position,
                hint=did_you_mean(name, others, "give family/kernel, and validate it together with this contract"),
            )


def _obligations(
    contract: Contract, contracts: Mapping[str, Contract], unreadable: Collection[str]
) -> Iterator[Diagnostic]:
    callable_names = set(contract.equations)
    for name in contract.metadata.depends_on:
        if name in contracts:
            callable_names.update(contracts[name].equations)
    # An equation of a contract that cannot be read may be what is meant: that file's own errors come first.
    unsure = any(name in unreadable for name in contract.metadata.depends_on)
    for obligation in contract.proof_obligations:
        if obligation.equation not in contract.equations:
            yield _unknown_equation(obligation.equation, contract.equations, obligation)
        yield from check_parameters(obligation)
        of = obligation.of
        if of is not None and of not in callable_names and not unsure:
            yield _unknown_equation(of, callable_names, obligation)
        wrt, gives = obligation.wrt, obligation.gives
        there = obligation.type == "gradient" and {"wrt", "gives"} <= written_keys(obligation)
        if there and (len(wrt) != len(gives) or not wrt):
            yield Diagnostic(
                "E309",
                f"{obligation.id} names {len(wrt)} inputs in `wrt` and {len(gives)} outputs in `gives`",
                obligation.where("gives"),
                hint="one output for each input, in the same order, and one input at least",
            )
        if obligation.prove is not None:
            yield from _proof(obligation.prove)


def _proof(proof: Proof) -> Iterator[Diagnostic]:
    written = written_keys(proof)
    for key in FOREIGN_TO_ENGINE[proof.engine]:
        if key in written:
            yield Diagnostic(
                "E311",
                f"the engine {proof.engine} does not read `{key}`",
                proof.where(key),
                hint=f"delete it; {proof.engine} does not read: {', '.join(FOREIGN_TO_ENGINE[proof.engine])}",
            )


def _tests_and_gate(contract: Contract) -> Iterator[Diagnostic]:
    rejections = {str(o.id) for o in contract.proof_obligations if o.type == "rejection"}
    known = obligation_ids(contract)
    for test in contract.falsification_tests:
        yield from _resolve_obligations(contract, known, (test.rule,), "rule")
        refused = test.rule in rejections
        form = Form(("call", "raises"), ("mentions",)) if refused else _CHECK
        written = frozenset(k for k in ("check", "call", "raises", "mentions") if getattr(test, k))
        if form.lacks(written) or written - form.permitted:
            what = "a rejection" if refused else "an obligation that is no rejection"
            yield Diagnostic("E306", f"{test.id} is a prediction about {what}: it takes {form}", test.id.position)
    if contract.qa_gate is not None:
        yield from _resolve_obligations(contract, known, contract.qa_gate.checks, "checks")


def _faults(contract: Contract) -> Iterator[Diagnostic]:
    known = obligation_ids(contract)
    for fault in contract.faults:
        yield from _resolve_obligations(contract, known, fault.killed_by, "killed_by")
        for name in fault.define:
            if name not in contract.equations:
                yield _unknown_equation(name, contract.equations, fault)
        if bool(fault.define) == (fault.patch is not None):
            has = "both `define` and `patch`" if fault.define else "neither `define` nor `patch`"
            yield Diagnostic(
                "E308",
                f"the fault {fault.id} has {has}",
                fault.id.position,
                hint="a fault is one wrong kernel: a wrong definition, or a substitution in the source",
            )


def _resolve_obligations(
    contract: Contract, known: Mapping[str, Position], names: tuple[Text, ...], key: str
) -> Iterator[Diagnostic]:
    yield from _twice(names, key)
    for name in names:
        if name not in known:
            test = any(name == test.id for test in contract.falsification_tests)
            yield Diagnostic(
                "E314",
                f"{name} in `{key}` is {'a falsification test, not an' if test else 'no'} obligation of this contract",
                name.position,
                hint=did_you_mean(name, known, f"its obligations are: {', '.join(known) or 'none'}"),
            )


def _twice(names: tuple[Text, ...], key: str) -> Iterator[Diagnostic]:
    seen: dict[str, Text] = {}
    for name in names:
        if seen.setdefault(name, name) is not name:
            yield Diagnostic(
                "E312",
                f"{name} is listed twice in `{key}`",
                name.position,
                related=((seen[name].position, "first listed here"),),
            )


def words_of(obligation: Obligation) -> Iterator[str]:
    """The words that may be equations the obligation is about."""
    for text in (
        obligation.of, obligation.let, obligation.check, obligation.left, obligation.right, obligation.call,
        obligation.step, obligation.statistic, obligation.lower, obligation.upper,
    ):  # fmt: skip
        if text is not None:
            yield from _WORD.findall(text)


def _unknown_equation(name: str, known: Collection[str], entry: Entry) -> Diagnostic:
    return Diagnostic(
        "E301",
        f"there is no equation `{name}`",
        _at(name, entry.position),
        hint=did_you_mean(name, known, f"the equations are: {', '.join(sorted(known)) or 'none'}"),
    )


def _at(name: str, fallback: Position) -> Position:
    """Where a name is written; names built in Python are nowhere."""
    return name.position if isinstance(name, Text) else fallback
