"""What others need to know of a contract: its names and ids with their places, and which words its laws hold.

Links between contracts are checked on outlines, so that a contract that did not change need not be read again to
check another one against it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .errors import ContractError, Position, Text

if TYPE_CHECKING:
    from .model import Contract

Place = tuple[str, Position]  # something written, and where


@dataclass(frozen=True)
class Outline:
    """One contract, seen from outside."""

    name: str
    path: str
    position: Position
    prefix: Place
    depends_on: tuple[Place, ...]
    ids: tuple[Place, ...]  # all that must be unique among contracts, in the order they are compared
    equations: tuple[str, ...]
    outputs: tuple[tuple[str, ...], ...]  # of each equation, in order; none where its signature cannot be read
    defined: tuple[Place, ...]  # the equations with a definition
    about: frozenset[str]  # the equations that laws, other than definitions, are about
    words: frozenset[str]  # what these laws mention
    laws: tuple[str, ...]  # ids of obligations, implied definitions included
    tests: tuple[str, ...]  # ids of falsification tests

    def outputs_of(self, equation: str) -> tuple[str, ...]:
        return dict(zip(self.equations, self.outputs, strict=False)).get(equation, ())

    @property
    def dependencies(self) -> tuple[str, ...]:
        return tuple(name for name, _ in self.depends_on)


def outline_of(contract: Contract) -> Outline:
    from .links import implied_definitions, obligation_ids, words_of

    implied = [(identifier, place) for _, identifier, place in implied_definitions(contract)]
    written = [
        *(entry.id for entry in contract.proof_obligations),
        *(entry.id for entry in contract.falsification_tests),
        *(entry.id for entry in contract.faults),
        *([] if contract.qa_gate is None else [contract.qa_gate.id]),
    ]
    laws = [o for o in contract.proof_obligations if o.type != "definition"]
    return Outline(
        contract.name,
        contract.path,
        contract.position,
        (str(contract.metadata.prefix), contract.metadata.prefix.position),
        tuple((str(name), name.position) for name in contract.metadata.depends_on),
        (*((str(text), text.position) for text in written), *implied),
        tuple(map(str, contract.equations)),
        tuple(_outputs(equation.signature) for equation in contract.equations.values()),
        tuple(
            (str(name), name.position if isinstance(name, Text) else equation.position)
            for name, equation in contract.equations.items()
            if equation.define is not None
        ),
        frozenset(str(o.equation) for o in laws),
        frozenset(word for o in laws for word in words_of(o)),
        tuple(obligation_ids(contract)),
        tuple(str(t.id) for t in contract.falsification_tests),
    )


def _outputs(signature: Text) -> tuple[str, ...]:
    from .lang.signature import parse_signature

    try:
        return tuple(p.name for p in parse_signature(signature).outputs)
    except ContractError:
        return ()


def closure(names: Iterable[str], outlines: Mapping[str, Outline]) -> Iterator[str]:
    """These contracts and all they depend on, as far as they are known."""
    seen: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name in outlines and name not in seen:
            seen.add(name)
            yield name
            waiting += outlines[name].dependencies
