"""How large cases are: the sizes that those of a law have to reach, and how many elements their inputs then have."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from .lang.to_python import used_indices
from .lang.types import DimRange, evaluate, names_in, parse_dim, parse_domain

if TYPE_CHECKING:
    from .checked import CheckedObligation, Space

TOGETHER = 2**18  # elements up to which all sizes that are listed may be at their largest at once
GRID = 2**22  # the same, of a product of sizes
MOST = 2**24  # elements of a case, or of a grid: 128 MiB, of which bounds make about ten


def elements(space: Space) -> tuple[int, dict[str, int]]:
    """Elements of all inputs that a case must be allowed, to reach its sizes; and these sizes."""
    most, at = 0, dict[str, int]()
    for kind, sizes in _largest(space):
        total = 0.0
        for type_, _ in space.inputs.values():
            total += _number(type_.shape or (), sizes)
        if (kind != "together" or total <= TOGETHER) and total > most:
            most, at = int(total), {d: int(n) for d, n in sizes.items()}
    return most, at


def texts(space: Space) -> int:
    """Characters and bytes of all texts of a case, at their longest."""
    lengths = [parse_domain(domain).length for type_, domain in space.inputs.values() if type_.is_opaque]
    return sum(length[1] for length in lengths if length is not None)


def grids(o: CheckedObligation) -> Iterator[tuple[list[str], int]]:
    """Grids that are larger than the inputs, each with the elements that it may have so that cases stay quick: those
    that a law spans, and the outputs of kernels, on which every operation of a bound works. More, where a listed size
    would not be reached otherwise.
    """
    law = o.law
    shapes = [set(map(str, t.shape or ())) for t, _ in law.space.inputs.values()]
    found: list[tuple[list[str], int]] = []
    for output in o.equation.signature.outputs:
        ranges = [str(d) for d in output.type.shape or ()]
        if set(ranges) <= law.space.dims.keys():
            found.append((ranges, 2**15))
    for s in law.trees:
        used = used_indices([s])
        found.append(([str(law.scope.indices[i].range) for i in law.scope.indices if i in used], 2**18))
    for ranges, quick in found:
        if len(ranges) > 1 and not any(set(ranges) <= shape and len(set(ranges)) == len(ranges) for shape in shapes):
            yield ranges, max(quick, _grid_elements(law.space, ranges))


def _grid_elements(space: Space, ranges: Sequence[str]) -> int:
    """Elements of a grid that cases must be allowed, to reach the sizes that are listed."""
    most = 0
    for kind, sizes in _largest(space):
        if kind != "alone" and all(names_in(r) <= set(sizes) for r in ranges):
            product = math.prod(evaluate(r, sizes) for r in ranges)
            if kind != "together" or product <= GRID:
                most = max(most, int(product))
    return most


def _largest(space: Space) -> Iterator[tuple[str, dict[str, float]]]:
    """Sizes that cases have to reach. "alone": one dimension at its largest, the others at their smallest; "listed":
    the same of one that is written as a list, because whoever lists a size means it to be tried; "together": all of
    these at once.
    """
    ranges = {d: r for d, text in space.dims.items() if isinstance(r := parse_dim(text), DimRange)}
    low = {d: float(r.low) for d, r in ranges.items()}
    listed = {d: float(r.high) for d, r in ranges.items() if len(r.choices) > 1}
    alone = (("listed" if d in listed else "alone", {d: float(r.high)}) for d, r in ranges.items())
    for kind, some in (*alone, ("together", listed)):
        sizes = {**low, **some}
        for name, text in space.derived.items():
            if names_in(text) <= set(sizes):
                sizes[name] = evaluate(text, sizes)
        yield kind, sizes


def _number(shape: Sequence[str | int], sizes: Mapping[str, float]) -> float:
    size = 1.0
    for part in shape:
        size *= part if isinstance(part, int) else sizes.get(part, 1.0)
    return size
