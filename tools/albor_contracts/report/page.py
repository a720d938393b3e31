"""The page of a contract, for people: what it states, which published claims it corrects, what it must reject."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..evidence import obligations_of
from ..lang.to_latex import text_equation

if TYPE_CHECKING:
    from ..checked import CheckedContract, CheckedEquation

WIDTH = 100


def page_data(contract: CheckedContract) -> dict[str, Any]:
    """A contract as data."""
    model, about = contract.model, contract.model.metadata
    return {
        "kind": "contract",
        "contract": model.name,
        "where": str(model.position),
        "title": str(about.title),
        "description": str(about.description),
        "corrects": [str(claim) for claim in about.corrects],
        "references": [str(text) for text in about.references],
        "depends_on": [str(name) for name in about.depends_on],
        "equations": {
            e.name: {"formula": str(e.model.formula), "lines": equation_lines(e)} for e in contract.equations.values()
        },
        "obligations": {
            i: {"type": str(o.type), "property": str(o.property)} for i, o in obligations_of(model).items()
        },
        "falsification_tests": {str(t.id): str(t.prediction) for t in model.falsification_tests},
        "faults": {
            str(f.id): {"title": str(f.title), "killed_by": [str(k) for k in f.killed_by]} for f in model.faults
        },
    }


def page(contract: CheckedContract) -> str:
    """The same as text."""
    found = page_data(contract)
    lines = [f"{found['contract']}: {found['title']}", found["where"], "", *_wrapped(found["description"], "")]
    lines += _section("What published claims get wrong", [_item(claim) for claim in found["corrects"]])
    lines += _section("Equations", [[f"  {line}" for line in e["lines"]] for e in found["equations"].values()])
    lines += _section(
        "Obligations", [_item(f"{i} ({o['type']}): {o['property']}") for i, o in found["obligations"].items()]
    )
    lines += _section("Predictions", [_item(f"{i}: {words}") for i, words in found["falsification_tests"].items()])
    lines += _section(
        "Faults that must be rejected",
        [_item(f"{i}: {f['title']} (by {', '.join(f['killed_by'])})") for i, f in found["faults"].items()],
    )
    lines += _section("References", [_item(text) for text in found["references"]])
    lines += _section("Run it", [[f"    albor-contracts {command} {found['contract']}"] for command in _COMMANDS])
    return "\n".join(lines)


_COMMANDS = ("verify", "falsify", "status")


def equation_lines(equation: CheckedEquation) -> list[str]:
    """Signature, definition, sizes and domains of an equation."""
    lines = text_equation(equation).split("\n")
    sizes = ", ".join(f"{k}: {v}" for k, v in equation.space.dims.items())
    lines += [f"    sizes {sizes}"] if sizes else []
    lines += [f"    {key} {' '.join(text.split())}" for key, text in equation.model.domain.items()]
    return lines + [f"    assuming {' '.join(text.split())}" for text in equation.model.assume]


def _section(title: str, blocks: Sequence[Sequence[str]]) -> list[str]:
    return ["", f"{title}:", *(line for block in blocks for line in block)] if blocks else []


def _item(text: str) -> list[str]:
    return _wrapped(text, "  - ")


def _wrapped(text: str, first: str) -> list[str]:
    return textwrap.wrap(
        " ".join(text.split()), WIDTH, initial_indent=first, subsequent_indent=" " * len(first),
        break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip
