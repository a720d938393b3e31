"""What a block of index notation can see."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from . import tree
from .dims import Dims, Poly
from .signature import Signature
from .syntax import Source
from .types import Domain, Type

Kind = str | Type  # "real", "int", "bool", or the Type of a whole array or opaque value
# Smallest and largest value of a whole number; None where nothing is known.
Interval = tuple[Poly | None, Poly | None]


@dataclass(frozen=True)
class Index:
    """An index: its range as written in the type that fixed it, and where that was."""

    range: str | int
    place: tree.Place
    source: Source
    seen_in: str


@dataclass
class Scope:
    """What a block can see. `values` grows as statements are checked."""

    dims: Dims
    values: dict[str, Type]
    domains: Mapping[str, Domain] = field(default_factory=dict)
    equations: Mapping[str, Signature] = field(default_factory=dict)
    outputs: Mapping[str, Type] = field(default_factory=dict)
    dim_names: frozenset[str] = frozenset()
    indices: dict[str, Index] = field(default_factory=dict)
    # Equations whose kernel may be called, and those with a definition; None: all.
    kernels: frozenset[str] | None = None
    defined: frozenset[str] | None = None
    definition: bool = False  # in a definition every call is one of a definition
    # Subscripts that fit only where a condition holds: array, place, axis. They are kept inside when evaluated.
    guarded: set[tuple[str, tree.Place, int]] = field(default_factory=set)
    limits: dict[str, Interval] = field(default_factory=dict)  # of the whole numbers that statements define
    rounded: set[str] = field(default_factory=set)  # what a kernel returned within a bound, and what is made of it

    def known(self, name: str) -> bool:
        return name in self.values or name in self.dim_names
