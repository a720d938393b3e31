"""Lines of evidence of the trials: what correct code did, and what became of code that was made wrong.

A line holds under which meaning of the kernel it was found (`meaning`: a hash of its equation, with sizes and domains)
and under which constants (`rules`: those of the bounds, and of bias). When either changes, the line is stale.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, ClassVar

from ..events import Event, EventError
from ..evidence import equation_hash, utc_now
from ..evidence.canonical import digest
from ..lang.functions import FUNCTIONS, OPERATORS
from ..library import Library
from ..runtime import bounded, deviation
from .correct import ORDERS
from .run import Slice, Subject
from .wrong import LONG, SCALES

FILE = Path("evidence") / "tolerance-trials.jsonl"


@dataclass(frozen=True, kw_only=True)
class Line(Event):
    """Common to all lines."""

    contract: str
    kernel: str  # its equation
    dtype: str
    seed: int
    meaning: str
    rules: str
    time: str

    @property
    def subject(self) -> tuple[str, str, str]:
        return self.contract, self.kernel, self.dtype


@dataclass(frozen=True, kw_only=True)
class Accuracy(Line):
    """Correct code in one order of summation, on those of `drawn` cases from case `first` on that it computed."""

    kind: ClassVar[str] = "trial_accuracy"
    order: str = ""
    first: int = 0
    drawn: int = 0
    cases: int = 0
    alarms: list[str] = field(default_factory=list)  # cases that the obligation rejected: false alarms
    worst: dict[str, float] = field(default_factory=dict)  # output -> largest error, as a fraction of its bound
    seconds: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Perturbation(Line):
    """One way of being wrong of one output. `smallest` is the smallest change that was rejected, as a fraction of the
    bound; `reason` says why the perturbation does not apply, where it does not."""

    kind: ClassVar[str] = "trial_perturbation"
    output: str = ""
    form: str = ""  # the dtype of the output
    perturbation: str = ""
    rejected: bool = False
    by: str = ""  # "element": beyond its bound; "bias": all cases together
    cases: int = 0
    smallest: float = 0.0
    units: float = 0.0  # of scalings: in units roundoff of the output
    reason: str = ""


KINDS: dict[str, type[Line]] = {c.kind: c for c in (Accuracy, Perturbation)}


def rules() -> str:
    """A hash of the constants that bounds and verdicts are made of, and of the implementations that are tried."""
    return digest(
        {
            "functions": {name: [f.ulp, f.argument] for name, f in FUNCTIONS.items()},
            "operators": OPERATORS,
            "sums": [bounded.LAMBDA, bounded.ALIKE, bounded.PRODUCTS],
            "bias": [deviation.SIGMAS, deviation.ALLOWED, deviation.WELL_CONDITIONED],
            "orders": {name: repr(how) for name, how in ORDERS.items()},
            "wrong": [SCALES, LONG],
        }
    )


def meaning(subject: Subject, library: Library) -> str:
    """A hash of what the kernel computes, and on which inputs."""
    return equation_hash(subject.contract.model, subject.name, library.contracts)


def lines_of(found: Slice, library: Library) -> list[Line]:
    """The lines that a slice of a trial adds."""
    common: dict[str, Any] = {
        "contract": found.subject.contract.name,
        "kernel": found.subject.name,
        "dtype": found.dtype,
        "seed": found.seed,
        "meaning": meaning(found.subject, library),
        "rules": rules(),
        "time": utc_now(),
    }
    lines: list[Line] = []
    for number, (order, count) in enumerate(found.cases.items()):
        alarms = found.alarms.get(order, [])
        alarms = [*alarms, found.bias] if found.bias and not number else alarms
        worst = {name: _digits(share) for name, share in found.worst[order].items()}
        lines.append(
            Accuracy(
                **common, order=order, first=found.first, drawn=found.drawn, cases=count, alarms=alarms, worst=worst,
                seconds=round(found.seconds / len(found.cases), 2),
            )
        )  # fmt: skip
    for output, verdicts in found.verdicts.items():
        for name, v in verdicts.items():
            lines.append(
                Perturbation(
                    **common, output=output, form=found.forms[output], perturbation=name, rejected=v.rejected, by=v.by,
                    cases=v.cases, reason=v.reason,
                    smallest=_digits(v.smallest) if v.rejected else 0.0,
                    units=_digits(v.units) if math.isfinite(v.units) else 0.0,
                )
            )  # fmt: skip
    return lines


def _digits(x: float) -> float:
    return float(f"{x:.4g}")


def append(lines: Iterable[Line], path: Path) -> None:
    """Add lines to a file, in one write."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write("".join(line.to_json() + "\n" for line in lines))


def read(path: Path) -> list[Line]:
    """The lines of a file; none where there is no file. Raises `EventError` for a line that is none."""
    found: list[Line] = []
    if not path.exists():
        return found
    for number, text in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            data = json.loads(text)
            cls = KINDS[data.pop("event")]
            found.append(cls(**{f.name: _number(data[f.name]) for f in fields(cls) if f.name in data}))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise EventError(f"{path}:{number}: not a line of the trials of tolerances: {error}") from None
    return found


def _number(value: Any) -> Any:
    """What strict JSON cannot hold is written as a text: any change of a value without an error is infinitely large."""
    if isinstance(value, dict):
        return {name: _number(part) for name, part in value.items()}
    return float(value) if isinstance(value, str) and value in ("nan", "inf", "-inf") else value


def fresh(lines: Iterable[Line], library: Library, subjects: Iterable[Subject]) -> tuple[list[Line], list[str]]:
    """The lines that still say something, and what the others are about, with why they are stale."""
    now = {(s.contract.name, s.name): meaning(s, library) for s in subjects}
    constants = rules()
    kept, stale = [], {}
    for line in lines:
        key = line.contract, line.kernel
        if key not in now:
            stale[f"{line.contract}:{line.kernel}"] = "there is no such kernel"
        elif line.meaning != now[key]:
            stale[f"{line.contract}:{line.kernel}"] = "its definition, sizes or domains have changed"
        elif line.rules != constants:
            stale[f"{line.contract}:{line.kernel}"] = "a constant of the bounds or the trials has changed"
        else:
            kept.append(line)
    return kept, [f"{name}: {why}" for name, why in sorted(stale.items())]


def reached(lines: Iterable[Line], seed: int) -> dict[tuple[str, str, str], int]:
    """How many cases of each kernel and dtype have been drawn from a seed: where to go on."""
    found: dict[tuple[str, str, str], int] = {}
    for line in lines:
        if isinstance(line, Accuracy) and line.seed == seed:
            found[line.subject] = max(found.get(line.subject, 0), line.first + line.drawn)
    return found


def merged(lines: Iterable[Line]) -> list[Line]:
    """Slices that follow each other as one line. Everything else stays as it is."""
    found: dict[Any, Line] = {}
    for line in lines:
        if not isinstance(line, Accuracy):
            key: Any = (*line.subject, line.seed, line.meaning, line.rules, getattr(line, "output", ""),
                        getattr(line, "perturbation", ""))  # fmt: skip
            found[key] = line
            continue
        key = (*line.subject, line.seed, line.meaning, line.rules, line.order)
        before = found.get(key)
        found[key] = line if not isinstance(before, Accuracy) else _joined(before, line)
    return sorted(found.values(), key=lambda x: (x.contract, x.kernel, x.dtype, x.kind))


def _joined(a: Accuracy, b: Accuracy) -> Accuracy:
    if b.first != a.first + a.drawn:
        raise EventError(f"{a.contract}:{a.kernel} {a.dtype}: case {a.first + a.drawn} should follow, not {b.first}")
    worst = {name: max(share, b.worst.get(name, 0.0)) for name, share in a.worst.items()}
    changed: dict[str, Any] = {
        f.name: getattr(a, f.name) for f in fields(a)
    } | {
        "drawn": a.drawn + b.drawn, "cases": a.cases + b.cases, "alarms": [*a.alarms, *b.alarms], "worst": worst,
        "seconds": round(a.seconds + b.seconds, 2), "time": b.time,
    }  # fmt: skip
    return Accuracy(**changed)
