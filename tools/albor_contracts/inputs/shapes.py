"""Dimensions: sizes at the edges of blocks, rectangular by construction, within a budget.

One wide or listed dimension at a time is in focus and takes any of its sizes; the others take what the budget leaves.
Values that would make two dimensions equal are stepped over most of the time: equal dimensions hide swapped ones.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from itertools import product

from ..errors import problem
from ..lang.types import DimRange, parse_dim
from .choices import Choices
from .domains import Empty
from .expressions import Expression, arithmetic, condition, known

EDGES = (
    1, 2, 3, 7, 8, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129, 255, 256, 257, 512, 1023, 1024, 1025, 2048, 4095,
    4096, 4097,
)  # fmt: skip
LARGE_EDGES = (8191, 8193, 32767, 32769, 50257, 65535, 65537, 128256)
ELEMENTS = 5 * 4097  # a matrix of two rows of the widest edge, twice, and a vector of one
WORK = 2**20
_SMALL = 20
_WIDE = 8  # a dimension with more candidates than this can be in focus
_EQUAL_ONE_IN = 8
_SEARCHED = 4096  # sizes tried one by one when no candidate meets a condition


class Shapes:
    """Draws all dimensions of a case. `sizes` are the shapes of its arrays, which count against the budget."""

    def __init__(
        self,
        dims: Mapping[str, str],
        shapes: Sequence[Sequence[str | int]] = (),
        assume: Sequence[str] = (),
        work: Mapping[str, int] | None = None,
        elements: int = ELEMENTS,
    ) -> None:
        self.ranges: dict[str, DimRange] = {}
        derived: dict[str, Expression] = {}
        for name, text in dims.items():
            parsed = parse_dim(str(text))
            if isinstance(parsed, DimRange):
                self.ranges[name] = parsed
            else:
                derived[name] = arithmetic(parsed)
        self.names = set(dims)
        self.derived = _ordered(derived, set(self.ranges), self.names)
        roots = {name: frozenset([name]) for name in self.ranges}
        for name, expression in self.derived:
            roots[name] = frozenset().union(*(roots[n] for n in expression.names))
        self.roots = roots
        for shape in shapes:
            for size in shape:
                if isinstance(size, str) and size not in self.names:
                    raise problem("E404", f"unknown dimension {size!r}", hint=f"declared: {', '.join(sorted(dims))}")
        self.shapes = [tuple(s) for s in shapes]
        self.work = [(known(arithmetic(text), self.names, "work"), limit) for text, limit in (work or {}).items()]
        self.conditions = [
            (c, frozenset().union(*(roots[n] for n in c.names)))
            for c in (known(condition(text), self.names, "assume") for text in assume)
        ]
        self.free = list(self.ranges)
        self.candidates = {name: _candidates(r) for name, r in self.ranges.items()}
        self._prune()
        self.edges = {name: _edges(self.ranges[name], values) for name, values in self.candidates.items()}
        # A size that is listed is meant to be tried, and one of many too.
        wide = [
            k for k, n in enumerate(self.free) if len(self.candidates[n]) > (1 if self.ranges[n].choices else _WIDE)
        ]
        self.focusable = wide or [0]
        self.least = {name: values[0] for name, values in self.candidates.items()}
        # Ranges that begin beyond the budget ask for large arrays: twice the smallest then fit.
        least = self._complete(self.least)
        self.elements = max(elements, 2 * self._total(least))
        self.work = [(w, max(limit, w(least))) for w, limit in self.work]
        self.modest = self._modest()
        self.all_fit = self._fits(self._complete({name: values[-1] for name, values in self.candidates.items()}))
        self.only = self._only()

    def draw(self, choices: Choices) -> dict[str, int]:
        """Dimensions that satisfy every condition and the budget, or `Empty`."""
        if self.only is not None:
            return self.only.copy()
        plan = choices.below(len(self.focusable) * _EQUAL_ONE_IN)
        # The highest plan is the rare one, so that shrinking leads to rectangular cases.
        distinct = plan < len(self.focusable) * (_EQUAL_ONE_IN - 1)
        focus = self.focusable[plan % len(self.focusable)]
        env: dict[str, int] = dict(self.least)
        drawn: set[str] = set()
        for name in self.free[focus:] + self.free[:focus]:
            values = self.edges[name] if not drawn else self.candidates[name]
            if self.all_fit:
                count = len(values)
            else:
                # The focus may leave the others their smallest sizes; these leave each other room to differ.
                rest = self.modest if drawn and distinct else self.least
                count = self._affordable(name, values, rest | {n: env[n] for n in drawn})
            values = values[: max(count, 1)]
            self._pick(name, env, drawn, values[(start := choices.below(len(values))) :] + values[:start], distinct)
            drawn.add(name)
        return self._checked({name: env[name] for name in self.free})

    def _only(self) -> dict[str, int] | None:
        """The dimensions where there is no choice, if they are possible: then there is nothing to draw."""
        if self.conditions or any(len(values) > 1 for values in self.candidates.values()):
            return None
        try:
            return self._checked(self.least)
        except Empty:
            return None

    def _checked(self, env: Mapping[str, int]) -> dict[str, int]:
        result = dict(self._complete(env))
        if any(v < 0 for v in result.values()) or not self._fits(result):
            raise Empty
        return result

    def _pick(self, name: str, env: dict[str, int], drawn: set[str], values: list[int], distinct: bool) -> None:
        """Set env[name] to the first of the values that meets the conditions decided by it.

        With `distinct`, to the first that also differs from all sizes so far, or to the one that repeats fewest.
        """
        after = drawn | {name}
        conditions = [c for c, roots in self.conditions if name in roots and roots <= after]
        before = [n for n in drawn if env[n] > 0]
        settled = [n for n, _ in self.derived if self.roots[n] <= after]
        best, fewest = None, len(self.names) + 1
        for value in values:
            env[name] = value
            if not self._holds(conditions, env):
                continue
            equal = self._repeated([*before, name], settled, env) if distinct else 0
            if not equal:
                return
            if equal < fewest:
                best, fewest = value, equal
        if best is not None:
            env[name] = best
            return
        low, high = self.ranges[name].low, self.ranges[name].high
        for value in self.ranges[name].choices or range(low, min(high, low + _SEARCHED) + 1):
            env[name] = value
            if self._holds(conditions, env):
                return
        raise Empty

    def _repeated(self, names: list[str], settled: list[str], env: Mapping[str, int]) -> int:
        """How many of these dimensions have the size of another one."""
        values = [env[n] for n in names]
        if settled:
            complete = self._complete(env)
            values += [complete[n] for n in settled]
        return len(values) - len(set(values))

    def _holds(self, conditions: Sequence[Expression], env: Mapping[str, int]) -> bool:
        if not conditions:
            return True
        complete = self._complete(env)
        return all(c(complete) for c in conditions)

    def _complete(self, env: Mapping[str, int]) -> Mapping[str, int]:
        if not self.derived:
            return env
        result = dict(env)
        for name, expression in self.derived:
            try:
                value = expression(result)
            except ZeroDivisionError:
                raise problem("E405", f"division by zero in {expression.text!r}") from None
            if value != int(value):
                raise Empty
            result[name] = int(value)
        return result

    def _affordable(self, name: str, values: Sequence[int], env: dict[str, int]) -> int:
        """How many of the sorted candidates of one dimension fit the budget, the others as in `env`."""

        def too_big(value: int) -> bool:
            env[name] = value
            return not self._fits(self._complete(env))

        return bisect_left(values, True, key=too_big) if too_big(values[-1]) else len(values)

    def _total(self, env: Mapping[str, int]) -> int:
        """Elements of all arrays."""
        return sum([math.prod([env[s] if isinstance(s, str) else s for s in shape]) for shape in self.shapes])

    def _fits(self, env: Mapping[str, int]) -> bool:
        return self._total(env) <= self.elements and all(w(env) <= limit for w, limit in self.work)

    def _meets(self, c: Expression, names: Sequence[str], values: Sequence[int]) -> bool:
        least = {n: candidates[0] for n, candidates in self.candidates.items()}
        return self._holds([c], least | dict(zip(names, values, strict=True)))

    def _modest(self) -> dict[str, int]:
        """The smallest sizes that all differ, as far as the ranges let them."""
        env = dict(self.least)
        drawn: set[str] = set()
        try:
            for name in sorted(self.free, key=lambda n: len(self.candidates[n])):
                self._pick(name, env, drawn, self.candidates[name], distinct=True)
                drawn.add(name)
        except Empty:
            return self.least
        return env

    def _prune(self) -> None:
        """Drop candidates that no value of the other dimension of a condition can meet."""
        for c, roots in self.conditions:
            names = sorted(roots)
            if not 1 <= len(names) <= 2:
                continue
            pairs = product(*(self.candidates[n] for n in names))
            met: Sequence[tuple[int, ...]] = [v for v in pairs if self._meets(c, names, v)]
            if not met and len(names) == 1:
                r = self.ranges[names[0]]
                searched = range(r.low, min(r.high, r.low + _SEARCHED) + 1)
                met = [v for v in product(searched) if self._meets(c, names, v)][:_SMALL]
            for k, name in enumerate(names if met else []):
                self.candidates[name] = sorted({values[k] for values in met})


def _candidates(r: DimRange) -> list[int]:
    if r.choices:
        return list(r.choices)
    near = {r.low, r.low + 1, r.high - 1, r.high, *range(1, _SMALL + 1)}
    return sorted(v for v in {*EDGES, *LARGE_EDGES, *near} if r.low <= v <= r.high)


def _edges(r: DimRange, candidates: Sequence[int]) -> list[int]:
    """The candidates for the dimension in focus: fewer small ones, so that each edge is met often."""
    if r.choices or len(candidates) <= _WIDE:
        return list(candidates)
    kept = {*EDGES, *LARGE_EDGES, r.low, r.high}
    return [v for v in candidates if v in kept] or list(candidates)


def _ordered(derived: dict[str, Expression], known_names: set[str], names: set[str]) -> list[tuple[str, Expression]]:
    for name, expression in derived.items():
        known(expression, names, f"dimension {name}")
    result: list[tuple[str, Expression]] = []
    have, waiting = set(known_names), dict(derived)
    while waiting:
        ready = [n for n, e in waiting.items() if e.names <= have]
        if not ready:
            raise problem("E404", f"the dimensions {', '.join(sorted(waiting))} are defined by each other")
        for name in ready:
            result.append((name, waiting.pop(name)))
            have.add(name)
    return result
