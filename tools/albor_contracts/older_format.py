"""Contracts in the older prose format: read tolerantly, never counted; and turned into a skeleton of the new form.

In that format formulas and obligations are sentences, obligations have no id, and `applies_to` is the only hint at
an equation. Whatever such a file claims about proofs or coverage is prose too: its level is 0.
"""

from __future__ import annotations

import json
import keyword
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from .errors import ContractError, Diagnostic, Position
from .load.bind import MAX_NAME
from .load.files import looks_older
from .load.nodes import Broken, Mapping, Node, Scalar, Sequence, compose
from .load.source import FORBIDDEN, Source, read_source
from .model import IDENTIFIER, OBLIGATION_TYPES, VERSION

LEVEL = 0  # prose: nothing executes
MAX_PROSE = 4000


@dataclass(frozen=True)
class OlderEntry:
    """One equation, obligation, test, harness or gate: every value as prose, under the key it was written with."""

    position: Position
    prose: dict[str, str] = field(default_factory=dict)

    def get(self, *keys: str) -> str:
        """The first of these keys that is there."""
        return next((self.prose[key] for key in keys if self.prose.get(key)), "")


@dataclass(frozen=True)
class OlderContract:
    """A file in the older format. `notes` say what was tolerated while reading."""

    path: str
    name: str
    metadata: OlderEntry
    equations: dict[str, OlderEntry]
    obligations: tuple[OlderEntry, ...]
    tests: tuple[OlderEntry, ...]
    harnesses: tuple[OlderEntry, ...]
    gate: OlderEntry | None
    others: dict[str, str]
    references: tuple[str, ...]
    depends_on: tuple[str, ...]
    notes: tuple[Diagnostic, ...]
    level: int = LEVEL

    def equation_of(self, obligation: OlderEntry) -> str:
        """The equation an obligation seems to be about, or ""."""
        for word in (obligation.get("equation"), obligation.get("applies_to")):
            if word in self.equations:
                return word
        return next(iter(self.equations)) if len(self.equations) == 1 else ""


def read_older(path: str | os.PathLike[str]) -> OlderContract:
    """Reads any YAML mapping. Raises `ContractError` only where there is none: not a file, not text, not YAML."""
    source = read_source(path, lenient=True)
    root = compose(source, lenient=True)
    if not isinstance(root, Mapping):
        source.fail("E203", "a contract is a mapping of keys to values", Position(source.file, 1, 1))
    known = {"metadata", "equations", "proof_obligations", "obligations", "falsification_tests", "kani_harnesses",
             "qa_gate"}  # fmt: skip
    metadata = root.get("metadata")
    gate = root.get("qa_gate")
    contract = OlderContract(
        path=source.file,
        name=os.path.basename(source.file).rsplit(".", 1)[0],
        metadata=_entry(source, metadata) if metadata else OlderEntry(Position(source.file, 1, 1)),
        equations=dict(_equations(source, root.get("equations"))),
        obligations=(*_entries(source, root.get("proof_obligations")), *_entries(source, root.get("obligations"))),
        tests=_entries(source, root.get("falsification_tests")),
        harnesses=_entries(source, root.get("kani_harnesses")),
        gate=_entry(source, gate) if gate else None,
        others={key.value: _prose(value) for key, value in root.pairs if key.value not in known},
        references=_list(metadata, "references"),
        depends_on=_list(metadata, "depends_on"),
        notes=(),
    )
    prose = len(contract.equations) + len(contract.obligations) + len(contract.tests) + len(contract.harnesses)
    note = Diagnostic(
        "E701", f"older prose format: none of its {prose} entries executes; level {LEVEL}, not counted",
        Position(source.file, 1, 1), "note", hint=f"albor-contracts import {source.file} makes a skeleton of it",
        source=source.lines[0] if source.lines else "",
    )  # fmt: skip
    object.__setattr__(contract, "notes", (note, *source.diagnostics))
    return contract


def is_older(path: str | os.PathLike[str]) -> bool:
    """Whether a file is a contract in the older format. A file that cannot be read is not."""
    try:
        return looks_older(compose(read_source(path, lenient=True), lenient=True))
    except ContractError:
        return False


def import_skeleton(path: str | os.PathLike[str]) -> str:
    """YAML text in the new form: equations keep their prose as `formula`, everything else waits under `x-prose`.

    Nothing is invented: no `define`, no obligation. The signatures are placeholders that say so.
    """
    older = read_older(path)
    names = _names(older)
    lines = [
        f"# Imported from {_one_line(os.path.basename(older.path))}, which is prose. Nothing here executes yet:",
        "#  1. give each equation its signature and a `define` in index notation;",
        "#  2. restate each entry of `x-prose` as an obligation or a falsification test, and delete it there.",
        "metadata:",
        f"  version: {_version(older)}",
        f"  title: {_quoted(_title(older))}",
        f"  prefix: {_prefix(older)}",
        "  description: " + _block(older.metadata.get("description") or _title(older), "    "),
    ]
    if older.references:
        lines += ["  references:", *(f"    - {_quoted(item)}" for item in older.references if item.strip())]
    if older.depends_on:
        lines.append("  # It named these by file; `depends_on` wants family/kernel:")
        lines += [f"  #   {_one_line(item)}" for item in older.depends_on]
    # A list with nothing but blanks in it would leave a key without a value.
    if lines[-1] == "  references:":
        lines.pop()
    lines += ["", "dims: {N: 1..64}  # placeholder", "", "equations:"]
    for name, key in names.items():
        entry = older.equations.get(name)
        lines += [f"  {key}:", f'    signature: "{key}(x: float[N]) -> y: float[N]"  # placeholder']
        if entry is not None and entry.get("formula").strip():
            lines.append("    formula: " + _block(entry.get("formula"), "      "))
        for word, text in (entry.prose if entry else {}).items():
            if word != "formula" and text.strip():
                lines += _comment(f"{word}: {text}", "    ")
    prose = list(_prose_entries(older, names))
    if prose:
        lines += ["", "x-prose:", *prose]
    return "\n".join(lines) + "\n"


def _prose_entries(older: OlderContract, names: dict[str, str]) -> Iterator[str]:
    groups = (
        ("proof_obligations", older.obligations),
        ("falsification_tests", older.tests),
        ("kani_harnesses", older.harnesses),
        ("qa_gate", (older.gate,) if older.gate else ()),
    )
    for group, entries in groups:
        if not any(entry.prose for entry in entries):
            continue
        yield f"  {group}:"
        for number, entry in enumerate(entries, 1):
            fields = {word: text for word, text in entry.prose.items() if text.strip()}
            if group == "proof_obligations":
                fields = {"id": f"{_prefix(older)}-{number}", **fields}
                equation = older.equation_of(entry)
                if equation:
                    fields["equation"] = names[equation]
                if fields.get("type") not in OBLIGATION_TYPES:
                    fields["note"] = "choose a type by what the law says"
            seen: set[str] = set()
            dash = "    - "
            for word, text in fields.items():
                key = _one_line(word)[:MAX_NAME] or "_"
                if key in seen:
                    continue
                seen.add(key)
                yield f"{dash}{_key(key)}: {_block(text, '        ')}"
                dash = "      "
    if older.others:
        yield "  other_keys:"
        seen = set()
        for word, text in older.others.items():
            key = _one_line(word)[:MAX_NAME] or "_"
            if key not in seen:
                seen.add(key)
                yield f"    {_key(key)}: {_block(text or '(nothing)', '      ')}"


def _equations(source: Source, node: Node | None) -> Iterator[tuple[str, OlderEntry]]:
    if isinstance(node, Mapping):
        for key, value in node.pairs:
            yield key.value, _entry(source, value, "formula")
    elif isinstance(node, Sequence):
        for number, item in enumerate(node.items, 1):
            entry = _entry(source, item, "formula")
            yield entry.get("name", "id") or f"equation_{number}", entry


def _entries(source: Source, node: Node | None) -> tuple[OlderEntry, ...]:
    if isinstance(node, Sequence):
        return tuple(_entry(source, item) for item in node.items)
    if isinstance(node, Mapping):  # a map of id -> entry
        entries = []
        for key, value in node.pairs:
            entry = _entry(source, value)
            entries.append(OlderEntry(entry.position, {"id": key.value, **entry.prose}))
        return tuple(entries)
    return () if node is None or _prose(node) == "" else (_entry(source, node),)


def _entry(source: Source, node: Node, key: str = "property") -> OlderEntry:
    """A mapping as it is; anything else as prose under `key`."""
    position = source.position(*node.start)
    if isinstance(node, Mapping):
        return OlderEntry(position, {name.value: _prose(value) for name, value in node.pairs})
    text = _prose(node)
    return OlderEntry(position, {key: text} if text else {})


def _list(node: Node | None, key: str) -> tuple[str, ...]:
    value = node.get(key) if isinstance(node, Mapping) else None
    if isinstance(value, Sequence):
        return tuple(_prose(item) for item in value.items)
    return (_prose(value),) if value is not None and _prose(value) else ()


def _prose(node: Node) -> str:
    """Any node as text."""
    if isinstance(node, Scalar):
        text = node.value
    elif isinstance(node, Sequence):
        text = "; ".join(_prose(item) for item in node.items)
    elif isinstance(node, Mapping):
        text = "; ".join(f"{key.value}: {_prose(value)}" for key, value in node.pairs)
    else:
        assert isinstance(node, Broken)
        text = ""
    return text if len(text) <= MAX_PROSE else text[: MAX_PROSE - 3] + "..."


def _names(older: OlderContract) -> dict[str, str]:
    """Name of each equation in the older file -> an identifier, all of them distinct."""
    names: dict[str, str] = {}
    for name in list(older.equations) or [older.name]:
        word = re.sub(r"[^A-Za-z0-9_]+", "_", name).strip("_")[: MAX_NAME - 8] or "equation"
        if not re.fullmatch(IDENTIFIER, word):
            word = f"e_{word}"
        if keyword.iskeyword(word):
            word += "_1"
        base, number = word, 2
        while word in names.values():
            word, number = f"{base}_{number}", number + 1
        names[name] = word
    return names


def _version(older: OlderContract) -> str:
    found = re.match(VERSION, older.metadata.get("version").strip(), re.ASCII)
    return found[0] if found and len(found[0]) < 30 else "0.1.0"


def _title(older: OlderContract) -> str:
    words = re.sub(r"(-kernel)?-v\d+$", "", older.name).replace("-", " ").replace("_", " ")
    return _one_line(words).capitalize() or "Untitled"


def _prefix(older: OlderContract) -> str:
    word = re.sub(r"[^A-Z0-9]", "", re.sub(r"(-kernel)?-v\d+$", "", older.name).upper())[:12]
    return word if word[:1].isalpha() else f"K{word}"


def _clean(text: str) -> str:
    return FORBIDDEN.sub(" ", text.replace("\r\n", "\n").replace("\r", "\n"))


def _one_line(text: str) -> str:
    return " ".join(_clean(text).split())[:200]


def _quoted(text: str) -> str:
    """A double-quoted scalar: a JSON string is one."""
    return json.dumps(_one_line(text), ensure_ascii=False)


def _key(word: str) -> str:
    return word if re.fullmatch(IDENTIFIER, word, re.ASCII) else _quoted(word)


def _block(text: str, indent: str) -> str:
    """A value after its key: quoted on the same line, or a literal block when it has several lines."""
    lines = [line.rstrip().replace("\t", "    ") for line in _clean(text).strip().split("\n")]
    if len(lines) == 1:
        return json.dumps(lines[0], ensure_ascii=False)
    return "|\n" + "\n".join(f"{indent}{line}".rstrip() for line in lines)


def _comment(text: str, indent: str) -> list[str]:
    return [f"{indent}# {line}".rstrip() for line in _clean(text).strip().split("\n")]
