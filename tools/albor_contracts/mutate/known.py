"""mutants/<family>/<kernel>.yaml: which mutants of an implementation change nothing that can be seen, and why.

A group has one reason and the mutants it is true of. An entry without `put` means every mutant of that line: for lines
that only decide how fast a result comes. What is listed is data, never trusted: an entry that matches no mutant any
more is an error, and so is one whose mutant an obligation kills. Tests, if named, kill what no obligation notices.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import ContractError, Diagnostic, Text
from ..load.bind import bind
from ..load.nodes import compose
from ..load.source import read_source
from ..model import IDENTIFIER, Entry, key
from .edits import Mutant

if TYPE_CHECKING:
    from ..runtime.kernel import Kernel


@dataclass(frozen=True, kw_only=True)
class Equivalent(Entry):
    """One mutant, as it is printed; or, without `put`, all of a line."""

    function: Text = key("The function or method that is changed.")
    find: Text = key("The whole line, or lines, before the edit.")
    put: Text | None = key("The same after it; left out for every mutant of the line.", default=None)
    nth: int = key("Which of the places where the line stands in the function.", default=1)


@dataclass(frozen=True, kw_only=True)
class Group(Entry):
    """Mutants that are equivalent for one reason."""

    reason: Text = key("Why no obligation can tell them from the original.")
    mutants: tuple[Equivalent, ...] = key("Which.")


@dataclass(frozen=True, kw_only=True)
class Large(Entry):
    """Sizes that no memory holds, at which the offsets of one equation's kernels pass 2^31."""

    of: Text = key("The equation.", pattern=IDENTIFIER)
    sizes: dict[str, int] = key(
        "Its dimensions; integer inputs that shall not be 1 and what integer arrays hold if not 0, too.",
        keys=IDENTIFIER,
    )


@dataclass(frozen=True, kw_only=True)
class Known(Entry):
    """What is known of the mutants of one implementation."""

    tests: tuple[Text, ...] = key("Files of tests that have to kill what no obligation notices.", default=())
    large: tuple[Large, ...] = key("Launches on which the width of indices is checked.", default=())
    equivalent: tuple[Group, ...] = key("The survivors that are none.", default=())


def known_mutants(root: Path, contract: str) -> Known | None:
    """The file of a contract, None when there is none. Raises `ContractError` with every problem of the file."""
    path = root / "mutants" / f"{contract}.yaml"
    if not path.is_file():
        return None
    source = read_source(path)
    return bind(source, compose(source), Known, "a list of mutants")


OWN = frozenset(("impl", "torch"))  # bindings whose kernels are known: tests look at the offsets of these
LONGEST = 2**21  # of a dimension beside others, in somebody's model: two million tokens, rows or columns
ALONE = 3  # what the others come to where one dimension is all there is, such as the elements of all parameters


def beyond_memory(root: Path, kernel: Kernel, equation: str) -> list[dict[str, int]]:
    """The sizes at which offsets of a user's kernel for this equation are looked at: those of the implementation, but
    for contexts of thirty million tokens and the like."""
    if kernel.framework != "torch" or kernel.device != "cpu" or kernel.binding in OWN:
        return []
    known = known_mutants(root, kernel.contract)
    found = [entry.sizes for entry in (known.large if known is not None else ()) if entry.of == equation]
    return [sizes for sizes in found if _is_met(sorted(sizes.values()))]


def _is_met(sizes: list[int]) -> bool:
    *others, longest = sizes
    return longest <= LONGEST or math.prod(others) <= ALONE


def equivalents(known: Known | None, mutants: Sequence[Mutant]) -> dict[Mutant, Text]:
    """The mutants that are listed, with the reason. Raises `ContractError` for entries that match none (any more)."""
    found: dict[Mutant, Text] = {}
    stale = []
    for group in known.equivalent if known is not None else ():
        for entry in group.mutants:
            hits = [
                m for m in mutants
                if (m.function, m.find, m.nth) == (entry.function, entry.find, entry.nth) and entry.put in (None, m.put)
            ]  # fmt: skip
            found |= dict.fromkeys(hits, group.reason)
            if not hits:
                stale.append(Diagnostic(
                    "E511", f"no mutant of {entry.function} turns {str(entry.find)!r} into {str(entry.put)!r}",
                    entry.find.position, hint="the source has changed: look at the mutant again, or drop this",
                ))  # fmt: skip
    if stale:
        raise ContractError(*stale)
    return found
