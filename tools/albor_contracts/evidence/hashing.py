"""What a verdict depends on, as hashes.

An obligation's evidence depends on the fields of the obligation that execute, and on the equations and dimensions
these mention, followed through the contracts it depends on. Prose, comments, layout, the order of keys, faults and
other obligations do not count: rewording a property leaves its evidence fresh, changing a coefficient makes it stale.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from ..links import implied_obligations
from ..model import Contract, Entry, Equation, FalsificationTest, Fault, Obligation, Proof
from .canonical import canonical_text, digest
from .source import kernel_hash

__all__ = [
    "equation_hash",
    "fault_hash",
    "kernel_hash",
    "meaning_hash",
    "obligation_hash",
    "obligations_of",
    "prediction_hash",
    "proof_hash",
]

Contracts = Mapping[str, Contract]

# Fields that say something to people, or to other parts of the tool, and change no verdict.
_PROSE = {
    Equation: {"formula", "dtypes"},
    Obligation: {"property", "if_fails", "prove", "cost"},  # how many cases were tried stands in the record
    FalsificationTest: {"prediction", "if_fails"},
    Fault: {"title", "origin", "killed_by"},
    Proof: {"seconds"},
}
_UNORDERED = {"assume", "axioms", "mentions"}
_NAME = re.compile(r"[A-Za-z_]\w*")


def obligations_of(contract: Contract) -> dict[str, Obligation]:
    """Every obligation by id: the written ones, and `PREFIX-DEF-EQUATION` for each equation with a definition.

    An equation for which a `definition` obligation is written gets no second one.
    """
    found = {str(o.id): o for o in contract.proof_obligations}
    for implied in implied_obligations(contract):
        found.setdefault(str(implied.id), implied)
    return found


def meaning_hash(contract: Contract, others: Contracts | None = None) -> str:
    """Sha256 of everything in the contract that executes. `others` holds the contracts it depends on, by name."""
    ids = list(obligations_of(contract))
    return digest(
        {
            "equations": {name: equation_hash(contract, name, others) for name in contract.equations},
            "obligations": {name: obligation_hash(contract, name, others) for name in ids},
            "proofs": {str(o.id): proof_hash(contract, o.id, others) for o in contract.proof_obligations if o.prove},
            "tests": {str(t.id): prediction_hash(contract, t.id, others) for t in contract.falsification_tests},
            "faults": {str(f.id): [_executable(f), sorted(f.killed_by)] for f in contract.faults},
        }
    )


def equation_hash(contract: Contract, equation: str, others: Contracts | None = None) -> str:
    """Sha256 of one equation and of the equations and dimensions it mentions."""
    return digest(_used(contract, [equation], others or {}))


def obligation_hash(contract: Contract, obligation: str, others: Contracts | None = None) -> str:
    """Sha256 of what one obligation demands. KeyError when the contract has no such obligation."""
    entry = obligations_of(contract)[str(obligation)]
    return _with_used(contract, _executable(entry), others)


def prediction_hash(contract: Contract, test: str, others: Contracts | None = None) -> str:
    """Sha256 of one falsification test and of the equation its rule is about. KeyError when there is none."""
    entry = _by_id(contract.falsification_tests, test)
    rule = obligations_of(contract).get(str(entry.rule))
    return _with_used(contract, [_executable(entry), str(rule.equation) if rule else ""], others)


def fault_hash(contract: Contract, fault: str, obligation: str, others: Contracts | None = None) -> str:
    """Sha256 of one fault together with the obligation that is tried on it. KeyError when either is missing."""
    entry = _by_id(contract.faults, fault)
    return digest([_with_used(contract, _executable(entry), others), obligation_hash(contract, obligation, others)])


def proof_hash(contract: Contract, obligation: str, others: Contracts | None = None) -> str:
    """Sha256 of an obligation and of how it is to be proved. KeyError when there is no proof to it."""
    entry = obligations_of(contract)[str(obligation)]
    if entry.prove is None:
        raise KeyError(obligation)
    return digest([_with_used(contract, [_executable(entry), _executable(entry.prove)], others)])


def _by_id(entries: Iterable[Any], identifier: str) -> Any:
    for entry in entries:
        if entry.id == identifier:
            return entry
    raise KeyError(identifier)


def _executable(entry: Entry) -> dict[str, Any]:
    """The fields of `entry` that differ from their default and can change a verdict, in canonical form."""
    prose = _PROSE.get(type(entry), set())
    data = {}
    for f in dataclasses.fields(entry):
        value = getattr(entry, f.name)
        if f.metadata.get("hidden") or f.name in prose or value in (None, (), {}) or value == f.default:
            continue
        exact = f.name in ("given", "find", "put")  # data and source text, not expressions
        data[f.name] = _normal(value, exact, unordered=f.name in _UNORDERED)
    return data


def _normal(value: Any, exact: bool, unordered: bool = False) -> Any:
    if isinstance(value, Entry):
        return _executable(value)
    if isinstance(value, str):
        return str(value) if exact else canonical_text(value)
    if isinstance(value, dict):
        return {str(key): _normal(item, exact) for key, item in value.items()}
    if isinstance(value, list | tuple):
        items = [_normal(item, exact) for item in value]
        return sorted(items) if unordered else items
    return value


def _with_used(contract: Contract, data: Any, others: Contracts | None) -> str:
    return digest([data, _used(contract, _strings(data), others or {})])


def _used(contract: Contract, texts: Iterable[str], others: Contracts) -> dict[str, Any]:
    """Equations and shared dimensions that `texts` mention, with all that these mention in turn.

    Mentioning is judged by name alone. That can take in too much, never too little: nothing is called unnamed.
    """
    found: dict[str, Any] = {}
    waiting = [(contract, text) for text in texts]
    reachable: dict[str, list[Contract]] = {}
    while waiting:
        home, text = waiting.pop()
        places = reachable.get(home.name)
        if places is None:
            places = reachable[home.name] = list(_reachable(home, others))
        for name in _names_in(text):
            for place in places:
                key = f"{place.name}:{name}"
                if key in found:
                    continue
                if name in place.equations:
                    found[key] = _executable(place.equations[name])
                    waiting += [(place, part) for part in _strings(found[key])]
                elif name in place.dims and place is home:
                    found[key] = canonical_text(place.dims[name])
                    waiting.append((place, str(place.dims[name])))
    return found


@lru_cache(maxsize=8192)
def _names_in(text: str) -> frozenset[str]:
    return frozenset(_NAME.findall(text))


def _reachable(contract: Contract, others: Contracts) -> Iterator[Contract]:
    yield contract
    seen = {contract.name}
    waiting = [str(name) for name in contract.metadata.depends_on]
    while waiting:
        name = waiting.pop()
        if name not in seen and name in others:
            seen.add(name)
            yield others[name]
            waiting += [str(further) for further in others[name].metadata.depends_on]


def _strings(data: Any) -> Iterator[str]:
    if isinstance(data, str):
        yield data
    elif isinstance(data, dict):
        for key, value in data.items():
            yield key
            yield from _strings(value)
    elif isinstance(data, list | tuple):
        for value in data:
            yield from _strings(value)
