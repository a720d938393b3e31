"""Claims: what a test asserts, and the explanation that goes with a claim that fails."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import bounded
from .bounded import Bounded
from .bounded.value import RELATIONS
from .missing import Missing, either
from .quiet import quiet
from .texts import boxed
from .truth import Gap, Truth

FALSE = "the claim is false"  # of a claim without a comparison that could be shown


class Falsified(AssertionError):
    """A claim does not hold. `gap` is the comparison that failed first, where there was one."""

    def __init__(self, message: str, gap: Gap | None = None) -> None:
        super().__init__(message)
        self.gap = gap


def truth(x: Any) -> Truth:
    """A Python bool as a truth value."""
    return Truth.of(x)


def approx(left: Any, right: Any) -> Truth | Missing:
    """Equal within the derived bounds of both sides; missing where one of them is."""
    absent = either(left, right)
    return compared(left, right) if absent is None else absent


def compared(left: Any, right: Any) -> Truth:
    """Equal within the derived bounds of both sides. Truth values: equal except where undecided. Two whole numbers
    are equal or not, however large."""
    if type(left) is int and type(right) is int:
        numbers = np.asarray(left, object), np.asarray(right, object)  # of any size
        ratio = np.asarray(0.0 if left == right else np.inf)
        return Truth(np.asarray(left == right), False, (Gap(*numbers, np.zeros(()), "approx", ratio),))
    if _is_truth(left) or _is_truth(right):
        return Truth.of(_unwrapped(left)) == Truth.of(_unwrapped(right))
    result = bounded.approx(left, right)
    output = left if hasattr(left, "made_by") else right
    result.gaps[0].name, result.gaps[0].made_by = getattr(output, "name", ""), getattr(output, "made_by", "")
    return result


equal = approx


def exact(left: Any, right: Any) -> Truth | Missing:
    """Bitwise equal: the same values, zeros with the same sign, NaN where the other has NaN."""
    if (absent := either(left, right)) is not None:
        return absent
    a, b = (x.value if isinstance(x, (Bounded, Truth)) else x for x in (left, right))
    if isinstance(a, (str, bytes)):
        return Truth(
            np.asarray(a == b),
            False,
            (Gap(boxed(a), boxed(b), np.zeros(()), "exact", np.asarray(0.0 if a == b else np.inf)),),
        )
    a, b = np.asarray(a), np.asarray(b)
    same = a == b
    if a.dtype.kind == "f" and b.dtype.kind == "f":
        same = (same & (np.signbit(a) == np.signbit(b))) | (np.isnan(a) & np.isnan(b))
    with quiet:
        ratio = np.where(same, 0.0, np.inf)
    return Truth(same, False, (Gap(a, b, np.zeros(()), "exact", ratio),))


def claim(statement: Any) -> None:
    """Raise `Falsified` unless the statement holds, or may hold within the bounds, everywhere. One about an output
    that the binding does not return is noted as not judged."""
    if isinstance(statement, Missing):
        not_judged(statement.reason)
        return
    result = Truth.of(statement)
    watch(result)
    possible = result.value if result.unsure is False else result.possible
    if np.count_nonzero(possible) == possible.size:
        return
    gap = _worst(result.gaps)
    raise Falsified(explain(gap) if gap is not None else FALSE, gap)


def place_of(gap: Gap) -> tuple[str, str, str]:
    """What was got, what was expected and the bound, where a comparison fails worst."""
    place, left, right, bound = _worst_place(gap)
    return (
        f"{_shown(left)}{_where(gap, place)}",
        _shown(right),
        "bitwise" if gap.relation == "exact" else f"{bound:.3g}",
    )


def explain(gap: Gap) -> str:
    """Where a comparison fails worst: got, expected, bound."""
    place, got, wanted, bound = _worst_place(gap)
    if isinstance(got, (str, bytes)):
        return f"not the same: {_shown(got)} and {_shown(wanted)}"
    if gap.relation == "exact":
        return f"not bitwise equal{place}: {_digits(got)} and {_digits(wanted)}"
    apart = float(abs(got - wanted))
    relation = "==" if gap.relation == "approx" else gap.relation
    place = _where(gap, place)
    claimed = f"{_shown(got)} {relation} {_shown(wanted)}"
    return f"{claimed} does not hold{place}: they are {apart:.3g} apart, the bound is {bound:.3g}"


def _where(gap: Gap, place: str) -> str:
    """` in dx at [0, 3]`"""
    return f" in {gap.name}{place}" if gap.name else place


def _worst_place(gap: Gap) -> tuple[str, Any, Any, float]:
    left, right, bound, ratio = np.broadcast_arrays(gap.left, gap.right, gap.bound, gap.judged())
    place = np.unravel_index(int(np.argmax(np.nan_to_num(ratio, nan=np.inf))), left.shape) if left.ndim else ()
    where = (
        f" at [{', '.join(str(int(k)) for k, n in zip(place, left.shape, strict=True) if n > 1 or gap.name)}]"
        if left.size > 1
        else ""
    )
    return where, left[place], right[place], float(bound[place])


def _shown(x: Any) -> str:
    if isinstance(x, (str, bytes)):
        return repr(x)
    return f"{float(x):.9g}" if np.asarray(x).dtype.kind == "f" else str(x)


def _digits(x: Any) -> str:
    """All of them: two numbers that are not the same do not look the same."""
    return repr(float(x)) if np.asarray(x).dtype.kind == "f" else str(x)


def _worst(gaps: tuple[Gap, ...]) -> Gap | None:
    """The first comparison beyond its bound, else the first that does not hold as it stands. None where each holds by
    itself: then another part of the claim does not, and to show one that holds would mislead."""
    beyond = (g for g in gaps if g.beyond)
    wrong = (g for g in gaps if g.relation in RELATIONS and not g.negated and _wrong_as_it_stands(g))
    return next(beyond, None) or next(wrong, None)


def _wrong_as_it_stands(gap: Gap) -> bool:
    return not np.all(RELATIONS[gap.relation](gap.left, gap.right) | gap.excused)


def _is_truth(x: Any) -> bool:
    return isinstance(x, (Truth, bool, np.bool_)) or (isinstance(x, np.ndarray) and x.dtype == bool)


def _unwrapped(x: Any) -> Any:
    return x if isinstance(x, Truth) else np.asarray(x, dtype=bool)


class Watch:
    """What came of the claims: how many were judged, the worst error seen as a fraction of its bound, and why some
    could not be judged."""

    def __init__(self) -> None:
        self.judged = 0
        self.worst = 0.0
        self.missing = ""


_watching: list[Watch] = []


def watch(result: Truth) -> None:
    """Note how close the comparisons of a claim came to their bounds.

    A comparison beyond its bound in a claim that holds is not what the claim rests on: it is one side of an `or`, or
    undecided. A claim that does not hold fails its obligation, and no worst error is told of it.
    """
    if _watching:
        top = _watching[-1]
        top.judged += 1
        for gap in result.gaps:
            if gap.relation == "approx" and np.size(gap.ratio):
                worst = float(np.maximum.reduce(gap.ratio, axis=None))
                if not worst <= 1.0:  # beyond the bound somewhere, or not a number
                    worst = float(np.nanmax(np.where(gap.ratio <= 1.0, gap.ratio, 0.0)))
                top.worst = max(top.worst, worst)


def not_judged(reason: str) -> None:
    """Note that part of what a law is about is not there: whatever else holds, it holds in part."""
    if _watching:
        _watching[-1].missing = reason


class watching:
    """`with watching() as seen:` collects the worst error of the claims made inside."""

    def __enter__(self) -> Watch:
        _watching.append(Watch())
        return _watching[-1]

    def __exit__(self, *_: object) -> None:
        _watching.pop()
