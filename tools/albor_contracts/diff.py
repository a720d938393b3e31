"""Every change of meaning between two versions of a contract, and the version number it calls for.

tightening  a kernel that conformed may no longer conform
weakening   the new version promises less than the old
breaking    the mathematics or the interface is another one
unknown     the meaning changes in a direction that cannot be told from the text
neutral     what executes changes, what must hold does not
editorial   only prose changes
"""

from __future__ import annotations

import ast
import dataclasses
import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .evidence.canonical import canonical_text
from .model import Contract, Entry, Equation, FalsificationTest, Fault, Obligation, Proof

CLASSES = ("breaking", "weakening", "unknown", "tightening", "neutral", "editorial")
BUMPS = ("none", "patch", "minor", "major")
_BUMP = {
    "breaking": "major",
    "weakening": "major",
    "unknown": "major",
    "tightening": "minor",
    "neutral": "patch",
    "editorial": "patch",
}
_PROSE = {
    "formula", "property", "if_fails", "prediction", "title", "origin", "description", "references", "corrects",
    "seconds", "name",
}  # fmt: skip


@dataclass(frozen=True)
class Change:
    """One difference. `where` is a path such as `proof_obligations.SM-SUM.lower`."""

    where: str
    kind: str
    message: str
    old: str = ""
    new: str = ""


@dataclass(frozen=True)
class Difference:
    """All differences between two versions of a contract."""

    changes: tuple[Change, ...]
    old_version: str
    new_version: str

    @property
    def bump(self) -> str:
        """The smallest version bump that announces all changes: none, patch, minor or major."""
        return max((_BUMP[change.kind] for change in self.changes), key=BUMPS.index, default="none")

    @property
    def declared(self) -> str:
        """The bump between the two version numbers; "backwards" when the number went down."""
        old, new = _version(self.old_version), _version(self.new_version)
        if new < old:
            return "backwards"
        for bump, a, b in zip(("major", "minor", "patch"), old, new, strict=True):
            if a != b:
                return bump
        return "none"

    @property
    def announced(self) -> bool:
        """Whether the version number tells of the changes."""
        return self.declared != "backwards" and BUMPS.index(self.declared) >= BUMPS.index(self.bump)


def diff(old: Contract, new: Contract) -> Difference:
    """What changed from `old` to `new`."""
    changes = [
        *_texts("metadata", old.metadata, new.metadata, ("title", "description", "references", "corrects")),
        *_prefix(old, new),
        *_depends(old, new),
        *_ranges("dims", old.dims, new.dims),
        *_equations(old.equations, new.equations),
        *_entries("proof_obligations", old.proof_obligations, new.proof_obligations, _obligation),
        *_entries("falsification_tests", old.falsification_tests, new.falsification_tests, _test),
        *_entries("faults", old.faults, new.faults, _fault),
        *_prose_of("kernel_structure", old.kernel_structure, new.kernel_structure),
        *_gate(old, new),
    ]
    return Difference(tuple(changes), str(old.metadata.version), str(new.metadata.version))


def to_dict(difference: Difference) -> dict[str, Any]:
    """The difference as JSON data."""
    return {
        "old_version": difference.old_version,
        "new_version": difference.new_version,
        "declared_bump": difference.declared,
        "suggested_bump": difference.bump,
        "announced": difference.announced,
        "changes": [dataclasses.asdict(change) for change in difference.changes],
    }


def to_text(difference: Difference) -> str:
    """The difference for a terminal, the gravest changes first."""
    lines = []
    for change in sorted(difference.changes, key=lambda c: CLASSES.index(c.kind)):
        lines.append(f"{change.kind:<10}  {change.where}: {change.message}")
        if change.old or change.new:
            lines += [f"            - {_shown(change.old)}", f"            + {_shown(change.new)}"]
    counts = {kind: sum(c.kind == kind for c in difference.changes) for kind in CLASSES}
    told = ", ".join(f"{n} {kind}" for kind, n in counts.items() if n) or "none"
    versions = f"{difference.old_version} -> {difference.new_version} ({difference.declared})"
    lines.append(f"{len(difference.changes)} changes: {told}")
    verdict = "" if difference.announced else "; the version number does not announce it"
    lines.append(f"suggested bump: {difference.bump}; version {versions}{verdict}")
    return "\n".join(lines)


def _shown(text: str) -> str:
    return " / ".join(line.strip() for line in text.strip().splitlines()) or "(nothing)"


def _version(text: str) -> tuple[int, ...]:
    found = re.fullmatch(r"(\d+)\.(\d+)\.(\d+)", text)
    return tuple(map(int, found.groups())) if found else (0, 0, 0)


def _plain(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, tuple | list):
        return ", ".join(map(str, value))
    return str(value)


def _same(old: Any, new: Any) -> bool:
    """Equal up to comments and layout."""
    if isinstance(old, str) and isinstance(new, str):
        return canonical_text(old) == canonical_text(new)
    if isinstance(old, tuple) and isinstance(new, tuple):
        return len(old) == len(new) and all(map(_same, old, new))
    if isinstance(old, dict) and isinstance(new, dict):
        return old.keys() == new.keys() and all(_same(old[key], new[key]) for key in old)
    return _comparable(old) == _comparable(new)


def _comparable(value: Any) -> Any:
    return "nan" if isinstance(value, float) and math.isnan(value) else value


# The parts of a contract


def _prefix(old: Contract, new: Contract) -> Iterator[Change]:
    a, b = old.metadata.prefix, new.metadata.prefix
    if a != b:
        yield Change("metadata.prefix", "breaking", "the ids of definition obligations change", a, b)


def _depends(old: Contract, new: Contract) -> Iterator[Change]:
    a, b = set(map(str, old.metadata.depends_on)), set(map(str, new.metadata.depends_on))
    for name in sorted(b - a):
        yield Change("metadata.depends_on", "neutral", f"{name} added")
    for name in sorted(a - b):
        yield Change("metadata.depends_on", "neutral", f"{name} removed")


def _equations(old: Mapping[str, Equation], new: Mapping[str, Equation]) -> Iterator[Change]:
    for name in old:
        where = f"equations.{name}"
        if name not in new:
            yield Change(where, "breaking", "equation removed")
            continue
        a, b = old[name], new[name]
        if not _same(a.signature, b.signature):
            yield Change(f"{where}.signature", "breaking", "signature changed", a.signature, b.signature)
        yield from _define(where, a.define, b.define)
        yield from _ranges(f"{where}.dims", a.dims, b.dims)
        yield from _ranges(f"{where}.domain", a.domain, b.domain)
        yield from _assumptions(f"{where}.assume", a.assume, b.assume)
        if set(a.on_device) != set(b.on_device):
            shown = (_plain(a.on_device), _plain(b.on_device))
            yield Change(f"{where}.on_device", "breaking", "other arrays on the device", *shown)
        yield from _dtypes(f"{where}.dtypes", a.dtypes, b.dtypes)
        yield from _texts(where, a, b, ("formula",))
    for name in new:
        if name not in old:
            yield Change(f"equations.{name}", "tightening", "equation added")


def _define(where: str, old: str | None, new: str | None) -> Iterator[Change]:
    if old is None and new is not None:
        yield Change(f"{where}.define", "tightening", "definition added", "", new)
    elif old is not None and new is None:
        yield Change(f"{where}.define", "weakening", "definition removed", old)
    elif old is not None and new is not None and not _same(old, new):
        yield Change(f"{where}.define", "breaking", "definition changed", old, new)


def _dtypes(where: str, old: tuple[str, ...], new: tuple[str, ...]) -> Iterator[Change]:
    if set(old) == set(new):
        return
    shown = (_plain(old) or "all", _plain(new) or "all")
    if not new or (old and set(old) < set(new)):
        yield Change(where, "tightening", "more dtypes", *shown)
    elif not old or set(new) < set(old):
        yield Change(where, "weakening", "fewer dtypes", *shown)
    else:
        yield Change(where, "unknown", "other dtypes", *shown)


def _entries(
    section: str, old: tuple[Any, ...], new: tuple[Any, ...], compare: Callable[[str, Any, Any], Iterator[Change]]
) -> Iterator[Change]:
    """Entries with ids: added ones tighten the contract, removed ones weaken it."""
    before, after = {str(e.id): e for e in old}, {str(e.id): e for e in new}
    word = {"proof_obligations": "obligation", "falsification_tests": "falsification test", "faults": "fault"}[section]
    for name, entry in before.items():
        if name not in after:
            yield Change(f"{section}.{name}", "weakening", f"{word} removed")
        else:
            yield from compare(f"{section}.{name}", entry, after[name])
    for name in after:
        if name not in before:
            yield Change(f"{section}.{name}", "tightening", f"{word} added")


_INTERVALS = ("dims", "domain", "forall")
_NUMBERS = {  # field -> True when a larger value asks more of a kernel
    "lower": True, "upper": False, "at_most": False, "trials": True, "detects": False, "false_alarm": True,
}  # fmt: skip


def _obligation(where: str, old: Obligation, new: Obligation) -> Iterator[Change]:
    for f in dataclasses.fields(Obligation):
        a, b = getattr(old, f.name), getattr(new, f.name)
        place = f"{where}.{f.name.rstrip('_')}"
        if f.metadata.get("hidden") or f.name == "id" or _same(a, b):
            continue
        if f.name in _PROSE:
            yield Change(place, "editorial", "reworded", _plain(a), _plain(b))
        elif f.name in _INTERVALS:
            yield from _ranges(place, a, b)
        elif f.name == "assume":
            yield from _assumptions(place, a, b)
        elif f.name == "prove":
            yield from _proof(place, a, b)
        elif f.name == "exact":
            yield Change(place, "tightening" if b else "weakening", "bitwise" if b else "within the bound only")
        elif f.name == "check":
            yield _check(place, a, b)
        elif f.name == "mentions":
            yield from _members(place, a, b)
        elif f.name == "steps":
            yield _interval(place, a or "", b or "")
        elif f.name in _NUMBERS:
            yield _number(place, a, b, _NUMBERS[f.name])
        else:
            yield Change(place, "unknown", "changed", _plain(a), _plain(b))


def _test(where: str, old: FalsificationTest, new: FalsificationTest) -> Iterator[Change]:
    yield from _fields(where, old, new, {"check": _check})


def _fault(where: str, old: Fault, new: Fault) -> Iterator[Change]:
    yield from _members(f"{where}.killed_by", old.killed_by, new.killed_by)
    yield from _fields(where, old, new, {}, skip=("killed_by",))


def _fields(
    where: str, old: Entry, new: Entry, special: Mapping[str, Callable[..., Change]], skip: tuple[str, ...] = ()
) -> Iterator[Change]:
    for f in dataclasses.fields(old):
        a, b = getattr(old, f.name), getattr(new, f.name)
        if f.metadata.get("hidden") or f.name in ("id", *skip) or _same_entry(a, b):
            continue
        place = f"{where}.{f.name}"
        if f.name in special:
            yield special[f.name](place, a, b)
        elif f.name in _PROSE:
            yield Change(place, "editorial", "reworded", _plain(a), _plain(b))
        else:
            yield Change(place, "unknown", "changed", _visible(a), _visible(b))


def _same_entry(old: Any, new: Any) -> bool:
    """`_same`, also for entries inside entries; data and source text must agree to the letter."""
    if isinstance(old, Entry) and isinstance(new, Entry):
        return _visible(old) == _visible(new)
    return _same(old, new)


def _visible(value: Any) -> str:
    if isinstance(value, Entry):
        pairs = ((f.name, getattr(value, f.name)) for f in dataclasses.fields(value) if not f.metadata.get("hidden"))
        return ", ".join(f"{name}: {str(item)!r}" for name, item in pairs)
    return _plain(value)


def _proof(where: str, old: Proof | None, new: Proof | None) -> Iterator[Change]:
    if old is None or new is None:
        yield Change(where, "tightening" if new else "weakening", "proof added" if new else "proof removed")
        return
    for f in dataclasses.fields(Proof):
        a, b = getattr(old, f.name), getattr(new, f.name)
        if f.metadata.get("hidden") or _same(a, b):
            continue
        place = f"{where}.{f.name}"
        if f.name in ("axioms", "assume"):
            yield from _assumptions(place, a, b)
        elif f.name == "seconds":
            yield Change(place, "neutral", "solver budget changed", _plain(a), _plain(b))
        else:
            yield Change(place, "unknown", "changed", _plain(a), _plain(b))


def _gate(old: Contract, new: Contract) -> Iterator[Change]:
    a, b = old.qa_gate, new.qa_gate
    if a is None and b is None:
        return
    if a is None or b is None:
        yield Change("qa_gate", "tightening" if b else "weakening", "gate added" if b else "gate removed")
        return
    yield from _members("qa_gate.checks", a.checks, b.checks)
    yield from _texts("qa_gate", a, b, ("id", "name", "description"))


def _prose_of(where: str, old: Entry | None, new: Entry | None) -> Iterator[Change]:
    def words(entry: Entry | None) -> list[tuple[str, ...]]:
        phases = getattr(entry, "phases", ())
        return [(str(p.name), str(p.description), str(p.invariant)) for p in phases]

    if words(old) != words(new):
        yield Change(where, "editorial", "reworded")


# Directions of change


def _texts(where: str, old: Entry, new: Entry, names: tuple[str, ...]) -> Iterator[Change]:
    for name in names:
        a, b = _plain(getattr(old, name)), _plain(getattr(new, name))
        if a != b:
            yield Change(f"{where}.{name}", "editorial", "reworded", a, b)


def _members(where: str, old: tuple[str, ...], new: tuple[str, ...]) -> Iterator[Change]:
    """Demands that add up."""
    for name in sorted(set(map(str, new)) - set(map(str, old))):
        yield Change(where, "tightening", f"{name} added")
    for name in sorted(set(map(str, old)) - set(map(str, new))):
        yield Change(where, "weakening", f"{name} removed")


def _assumptions(where: str, old: tuple[str, ...], new: tuple[str, ...]) -> Iterator[Change]:
    """Each assumption excuses a kernel from some inputs."""
    before, after = ({canonical_text(text): str(text) for text in texts} for texts in (old, new))
    for key, text in after.items():
        if key not in before:
            yield Change(where, "weakening", f"assumes also {text!r}")
    for key, text in before.items():
        if key not in after:
            yield Change(where, "tightening", f"no longer assumes {text!r}")


def _ranges(where: str, old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[Change]:
    """Ranges and domains of inputs: the wider they are, the more is demanded."""
    for name in old:
        if name not in new:
            yield Change(f"{where}.{name}", "unknown", "removed; a default or an outer range applies", old[name])
        elif not _same(old[name], new[name]):
            yield _interval(f"{where}.{name}", old[name], new[name])
    for name in new:
        if name not in old:
            yield Change(f"{where}.{name}", "unknown", "added; it replaces a default or an outer range", "", new[name])


def _interval(where: str, old: str, new: str) -> Change:
    a, b = _parse_interval(old), _parse_interval(new)
    if a is None or b is None:
        return Change(where, "unknown", "changed", old, new)
    wider, narrower = _contains(b, a), _contains(a, b)
    if wider and not narrower:
        return Change(where, "tightening", "must hold on more inputs", old, new)
    if narrower and not wider:
        return Change(where, "weakening", "must hold on fewer inputs", old, new)
    return Change(where, "neutral" if wider else "unknown", "changed", old, new)


Interval = tuple[str, float, bool, float, bool]  # type in front, low, low belongs to it, high, high belongs to it

_INTERVAL = re.compile(
    r"\s*(?P<type>[\w\[\], ]*?)\s*\bin\s*(?P<open>[\[(])(?P<low>[^,]+),(?P<high>[^,]+)(?P<close>[\])])\s*"
)
_RANGE = re.compile(r"\s*([^.]+?)\s*\.\.\s*([^.]+?)\s*")


def _parse_interval(text: str) -> Interval | None:
    """`in [-50, 50)`, `real in (0, 1]`, `1..4097`, `5`; None where the ends are not numbers."""
    if found := _INTERVAL.fullmatch(text):
        low, high = numeric(found["low"]), numeric(found["high"])
        if low is not None and high is not None:
            return found["type"], low, found["open"] == "[", high, found["close"] == "]"
        return None
    ends = found.groups() if (found := _RANGE.fullmatch(text)) else (text, text)
    low, high = numeric(ends[0]), numeric(ends[1])
    return ("..", low, True, high, True) if low is not None and high is not None else None


def _contains(outer: Interval, inner: Interval) -> bool:
    (a, low, has_low, high, has_high), (b, low2, has_low2, high2, has_high2) = outer, inner
    below = low < low2 or (low == low2 and has_low >= has_low2)
    above = high > high2 or (high == high2 and has_high >= has_high2)
    return a == b and below and above


def _number(where: str, old: Any, new: Any, larger_asks_more: bool) -> Change:
    shown = (_plain(old), _plain(new))
    if old is None or new is None:
        added = new is not None
        return Change(where, "tightening" if added else "weakening", "added" if added else "removed", *shown)
    a, b = numeric(str(old)), numeric(str(new))
    if a is None or b is None:
        return Change(where, "unknown", "changed", *shown)
    if a == b:
        return Change(where, "neutral", "the same number, written otherwise", *shown)
    grew = b > a
    kind = "tightening" if grew == larger_asks_more else "weakening"
    return Change(where, kind, "raised" if grew else "lowered", *shown)


def _check(where: str, old: str | None, new: str | None) -> Change:
    """A claim: with further conjuncts it is tighter, with fewer it is weaker."""
    if old is None or new is None:
        added = new is not None
        return Change(
            where, "tightening" if added else "weakening", "added" if added else "removed", old or "", new or ""
        )
    a, b = _conjuncts(old), _conjuncts(new)
    if a and b and a < b:
        return Change(where, "tightening", "claims more", old, new)
    if a and b and b < a:
        return Change(where, "weakening", "claims less", old, new)
    return Change(where, "neutral" if a == b and a else "unknown", "changed", old, new)


def _conjuncts(text: str) -> set[str]:
    try:
        tree: ast.AST = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return set()
    waiting, found = [tree], set()
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.BoolOp) and isinstance(node.op, ast.And):
            waiting += node.values
        else:
            found.add(ast.dump(node))
    return found


def numeric(text: str) -> float | None:
    """The value of a number, a fraction or a power (`-1`, `1/3`, `2**20`, `1e-9`), else None."""
    try:
        value = _value(ast.parse(text.strip(), mode="eval").body)
    except (SyntaxError, ValueError, ArithmeticError, RecursionError, MemoryError):
        return None
    return value if value is not None and not math.isnan(value) else None


def _value(node: ast.AST) -> float | None:
    match node:
        case ast.Constant(value=bool()):
            return None
        case ast.Constant(value=int() | float() as number):
            return float(number)
        case ast.Name(id="inf"):
            return math.inf
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            value = _value(operand)
            return None if value is None else -value
        case ast.BinOp(left=left, op=op, right=right):
            a, b = _value(left), _value(right)
            if a is None or b is None:
                return None
            if isinstance(op, ast.Div):
                return a / b
            if isinstance(op, ast.Pow):
                return math.pow(a, b)
            if isinstance(op, ast.Mult):
                return a * b
            if isinstance(op, ast.Add | ast.Sub):
                return a + b if isinstance(op, ast.Add) else a - b
    return None
