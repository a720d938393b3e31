"""Checking a set of contracts: every problem is found, and one does not hide another."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import ParamSpec, TypeVar

from ..errors import ContractError, Diagnostic, Text, problem
from ..lang import tree
from ..lang.signature import Signature, parse_signature
from ..links import check_parameters, implied_obligations
from ..model import Contract, Equation
from ..suggest import did_you_mean
from .equations import check_equation, check_fault
from .given import check_falsification
from .laws import check_obligation
from .model import CheckedContract, CheckedEquation
from .names import Names

P = ParamSpec("P")
T = TypeVar("T")


class Checking:
    """Collects problems over one set of contracts."""

    def __init__(self, contracts: Mapping[str, Contract]) -> None:
        self.contracts = contracts
        self.diagnostics: list[Diagnostic] = []
        self.signatures: dict[str, dict[str, Signature]] = {}
        self.complete = True

    def attempt(self, action: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | None:
        """The result, or None and one problem more. What the links report is not reported again."""
        try:
            return action(*args, **kwargs)
        except ContractError as error:
            self.diagnostics += error.diagnostics
            self.complete = False
            return None


Problems = dict[str, list[Diagnostic]]  # by the name of the contract


def check_contracts(
    contracts: Mapping[str, Contract], select: Iterable[str] | None = None
) -> tuple[dict[str, CheckedContract], list[Diagnostic]]:
    """Check contracts (all, or the selected ones with those they depend on). Problems are returned, not raised.

    A contract with a problem is not among the checked ones; nor is one with a link that does not resolve, or with an
    obligation that lacks a parameter, both of which `links` reports.
    """
    result, signatures, texts = check_each(contracts, select)
    return result, [d for part in (signatures, texts) for found in part.values() for d in found]


def check_each(
    contracts: Mapping[str, Contract], select: Iterable[str] | None = None
) -> tuple[dict[str, CheckedContract], Problems, Problems]:
    """What `check_contracts` gives, with the problems of signatures and of all other texts by contract."""
    checking = Checking(contracts)
    signatures: Problems = {}
    for name, contract in contracts.items():
        checking.signatures[name] = {}
        for equation_name, equation in contract.equations.items():
            signature = checking.attempt(_signature, equation, equation_name)
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
    names = Names(contract, visible, frozenset(own), defined)
    equations: dict[str, CheckedEquation] = {}
    for name, signature in own.items():
        equation = checking.attempt(check_equation, names, name, signature)
        if equation is not None:
            equations[name] = equation
    checking.attempt(_acyclic, equations)
    obligations = []
    for obligation in (*contract.proof_obligations, *implied_obligations(contract)):
        if obligation.equation not in equations or any(check_parameters(obligation)):
            checking.complete = False
            continue
        checked = checking.attempt(check_obligation, names, obligation, equations)
        if checked is not None:
            obligations.append(checked)
    by_id = {o.id: o for o in obligations}
    tests = []
    for test in contract.falsification_tests:
        rule = by_id.get(test.rule)
        law = None if rule is None else checking.attempt(check_falsification, names, test, rule)
        if law is None:
            checking.complete = False
        else:
            tests.append((test, law))
    faults = []
    for fault in contract.faults:
        checked_fault = checking.attempt(check_fault, names, fault, equations)
        if checked_fault is not None:
            faults.append(checked_fault)
    checking.attempt(_distinct, contract)
    return CheckedContract(contract, equations, tuple(obligations), tuple(tests), tuple(faults), imports)


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
