"""Near misses: which permitted word a misspelt one was probably meant to be."""

from __future__ import annotations

from collections.abc import Iterable

LONGEST = 64


def edit_distance(a: str, b: str, limit: int) -> int:
    """Insertions, deletions, replacements and swaps of neighbours that lead from a to b; limit + 1 if more."""
    if abs(len(a) - len(b)) > limit:
        return limit + 1
    before: list[int] = []
    previous = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        current = [i]
        for j, y in enumerate(b, 1):
            cost = min(previous[j] + 1, current[-1] + 1, previous[j - 1] + (x != y))
            if i > 1 and j > 1 and x == b[j - 2] and a[i - 2] == y:
                cost = min(cost, before[j - 2] + 1)
            current.append(cost)
        if min(current) > limit:
            return limit + 1
        before, previous = previous, current
    return previous[-1]


def near_miss(word: str, candidates: Iterable[str]) -> str:
    """The candidate closest to `word`, or "" when none is close enough to be a slip."""
    if not word or len(word) > LONGEST:
        return ""
    limit = 1 if len(word) <= 4 else 2 if len(word) <= 9 else 3
    folded = _fold(word)
    best, best_distance = "", limit + 1
    # The first of equals is chosen; sets have no order of their own.
    for candidate in sorted(candidates) if isinstance(candidates, set | frozenset) else candidates:
        if len(candidate) > LONGEST:
            continue
        distance = edit_distance(folded, _fold(candidate), limit)
        if distance < best_distance:
            best, best_distance = str(candidate), distance
    return best


def did_you_mean(word: str, candidates: Iterable[str], otherwise: str = "") -> str:
    """A hint for a message: "did you mean `x`?", or `otherwise`."""
    found = near_miss(word, candidates)
    return f"did you mean `{found}`?" if found else otherwise


def _fold(word: str) -> str:
    return word.casefold().replace("-", "_").replace(" ", "_")
