"""Links that concern all contracts at once: ids, circles, and definitions that no law is about.

They are checked on outlines alone; `links` checks what one contract and its dependencies are enough for.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

from .errors import Diagnostic, Position
from .outline import Outline, closure


def links_between(outlines: Mapping[str, Outline], own: Mapping[str, Iterable[Diagnostic]]) -> list[Diagnostic]:
    """All problems of links, in order: `own` holds what `own_links` finds in each contract."""
    diagnostics = [*_unique(outlines.values())]
    for name, outline in outlines.items():
        diagnostics += own[name]
        diagnostics += _untouched(outline, outlines.values())
    diagnostics += _cycles(outlines)
    return diagnostics


def unexplained(
    outlines: Mapping[str, Outline], valid: Collection[str], diagnostics: Iterable[Diagnostic]
) -> Iterator[Diagnostic]:
    """Contracts that are not valid although no error says why: no command may go on as if they were not there."""
    wrong = {d.position.file for d in diagnostics if d.severity == "error"}
    for name, outline in outlines.items():
        if name not in valid and not any(outlines[n].path in wrong for n in closure([name], outlines)):
            yield Diagnostic(
                "E315",
                f"{name} was not checked to its end, and no other message says why",
                outline.position,
                hint="take out one obligation, test or fault after the other; this is a mistake of the tool, too",
            )


def _unique(contracts: Iterable[Outline]) -> Iterator[Diagnostic]:
    ids: dict[str, Position] = {}
    prefixes: dict[str, Position] = {}
    for contract in contracts:
        for name, place in contract.ids:
            first = ids.setdefault(name, place)
            if first is not place:
                yield Diagnostic(
                    "E302",
                    f"the id {name} is used twice",
                    place,
                    hint="ids are unique across all contracts",
                    related=((first, "first used here"),),
                )
        prefix, place = contract.prefix
        other = prefixes.setdefault(prefix, place)
        if other is not place:
            yield Diagnostic(
                "E313",
                f"the prefix {prefix} is used by two contracts",
                place,
                hint="generated ids begin with it, so it must be unique",
                related=((other, "first used here"),),
            )


def _cycles(contracts: Mapping[str, Outline]) -> Iterator[Diagnostic]:
    done: set[str] = set()
    for start in contracts:
        if start in done:
            continue
        path: list[str] = [start]
        waiting = [iter(contracts[start].depends_on)]
        while waiting:
            step, place = next(waiting[-1], (None, None))
            if step is None or place is None:
                done.add(path.pop())
                waiting.pop()
            elif step in path:
                circle = " -> ".join([*path[path.index(step) :], step])
                yield Diagnostic("E305", f"contracts depend on each other in a circle: {circle}", place)
            elif step in contracts and step not in done:
                path.append(step)
                waiting.append(iter(contracts[step].depends_on))


def _untouched(contract: Outline, contracts: Iterable[Outline]) -> Iterator[Diagnostic]:
    """Warns of definitions that only the kernel itself is compared with: a slip in the formula would go unseen."""
    others = [c for c in contracts if c is contract or contract.name in c.dependencies]
    touched = contract.about.union(*(other.words for other in others))
    for name, place in contract.defined:
        if name not in touched:
            yield Diagnostic(
                "E310",
                f"no obligation but its definition is about the equation `{name}`",
                place,
                "warning",
                hint="state a law it obeys: a slip in the definition itself would otherwise go unseen",
            )
