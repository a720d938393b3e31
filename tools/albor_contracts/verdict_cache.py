"""What was found about contracts, kept between runs of `validate`.

One file, `.albor/cache/validate.json`. Every entry is found again only by the SHA-256 of what it was found from: the
bytes of the contract's file and of all files it depends on, and the whole file only under the digest of the tool's own
source, of Python and of PyYAML. It holds data alone (messages, names, places), is read like any foreign file, and
whatever is wrong with it, or with the folder, means that nothing is known: never an error, and never another verdict.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from .errors import ContractError, Diagnostic, Position
from .load.source import read_bytes
from .outline import Outline, Place

T = TypeVar("T")
MAX_BYTES = 4 * 1024 * 1024 - 1024  # a longer file is neither written nor read
MAX_FILES = 2000


@dataclass(frozen=True)
class Verdict:
    """What checking found in one contract, each stage by itself, in the order in which `validate` reports."""

    links: tuple[Diagnostic, ...]
    signatures: tuple[Diagnostic, ...]
    texts: tuple[Diagnostic, ...]
    proofs: tuple[Diagnostic, ...]
    sources: tuple[tuple[str, str], ...]  # modules that proofs call, with the digests of their sources
    valid: bool
    obligations: int
    faults: int


class Cache:
    """Remembers nothing: what `validate --no-cache` uses."""

    def outline(self, file: str, key: str) -> Outline | ContractError | None:
        return None

    def verdict(self, file: str, key: str) -> Verdict | None:
        return None

    def problems(self, file: str, key: str) -> tuple[Diagnostic, ...] | None:
        return None

    def keep_outline(self, file: str, key: str, outline: Outline | ContractError) -> None: ...

    def keep_verdict(self, file: str, key: str, verdict: Verdict) -> None: ...

    def keep_problems(self, file: str, key: str, problems: Iterable[Diagnostic]) -> None: ...

    def save(self) -> None: ...


class FileCache(Cache):
    """A cache in a file. An entry holds an outline, a verdict or the problems of a binding, each under its key."""

    def __init__(self, path: Path, stamp: str = "") -> None:
        self.path = path
        self.stamp = stamp or tool_stamp()
        self.used: dict[str, dict[str, Any]] = {}
        self.changed = False
        self.known = self._read()

    def outline(self, file: str, key: str) -> Outline | ContractError | None:
        return self._find(file, "outline", key, _outline_from)

    def verdict(self, file: str, key: str) -> Verdict | None:
        return self._find(file, "verdict", key, verdict_from)

    def problems(self, file: str, key: str) -> tuple[Diagnostic, ...] | None:
        return self._find(file, "problems", key, _diagnostics_from)

    def keep_outline(self, file: str, key: str, outline: Outline | ContractError) -> None:
        data = {"failed": _data(outline.diagnostics)} if isinstance(outline, ContractError) else _data(outline)
        self._keep(file, "outline", key, data)

    def keep_verdict(self, file: str, key: str, verdict: Verdict) -> None:
        self._keep(file, "verdict", key, _data(verdict))

    def keep_problems(self, file: str, key: str, problems: Iterable[Diagnostic]) -> None:
        self._keep(file, "problems", key, _data(tuple(problems)))

    def save(self) -> None:
        """Write what this run used first, and what else was known as far as there is room."""
        if not self.changed:
            return
        files = {**self.used, **{f: e for f, e in self.known.items() if f not in self.used}}
        body = json.dumps(dict(list(files.items())[:MAX_FILES]), separators=(",", ":"))
        if len(body) > MAX_BYTES:
            body = json.dumps(self.used, separators=(",", ":"))
        if len(body) <= MAX_BYTES:
            _write(self.path, f"{digest(self.stamp, body)}\n{body}\n")

    def _find(self, file: str, what: str, key: str, read: Callable[[Any], T]) -> T | None:
        try:
            known, data = self.known[file][what]
            if known != key:
                return None
            found = read(data)
        except (KeyError, TypeError, ValueError, AttributeError):
            return None
        self.used.setdefault(file, {})[what] = [key, data]
        return found

    def _keep(self, file: str, what: str, key: str, data: Any) -> None:
        self.used.setdefault(file, {})[what] = [key, data]
        self.changed = True

    def _read(self) -> dict[str, Any]:
        try:
            seal, _, body = read_bytes(os.fspath(self.path)).decode("ascii").partition("\n")
            body = body.removesuffix("\n")
            data = json.loads(body) if self.stamp and seal == digest(self.stamp, body) else {}
        except (ContractError, OSError, ValueError, RecursionError, MemoryError):
            return {}
        return data if isinstance(data, dict) else {}


def digest(*parts: str) -> str:
    """SHA-256 of texts, which cannot be mistaken for others that run together alike."""
    text = "".join(f"{len(part)}:{part}" for part in parts)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def tool_stamp(folder: Path | None = None) -> str:
    """Digest of what decides besides the contracts: the tool's source, Python, PyYAML. Empty: it cannot be told."""
    found = hashlib.sha256(f"{sys.version}\0{sys.implementation.cache_tag}\0{sys.platform}".encode())
    home = os.fspath(folder or Path(__file__).parent)
    try:
        for where, folders, names in os.walk(home):
            folders[:] = sorted(f for f in folders if f != "__pycache__")
            for name in sorted(n for n in names if n.endswith(".py")):
                path = os.path.join(where, name)
                with open(path, "rb") as file:
                    data = file.read()
                found.update(f"{os.path.relpath(path, home)}\0{len(data)}\0".encode())
                found.update(data)
        for package in ("yaml", "yaml._yaml"):
            found.update(_identity(package).encode())
    except (OSError, ValueError):
        return ""
    return found.hexdigest()


def _identity(package: str) -> str:
    """What tells one build of a package from another, without importing it."""
    name, _, part = package.partition(".")
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.origin:
        return f"{package}: none"
    if not part:
        with open(spec.origin, "rb") as file:
            return f"{package}: {hashlib.sha256(file.read()).hexdigest()}"
    folder = os.path.dirname(spec.origin)
    built = [(e.name, e.stat().st_size, e.stat().st_mtime_ns) for e in os.scandir(folder) if e.name.startswith(part)]
    return f"{package}: {sorted(built)}"


def _write(path: Path, text: str) -> None:
    """All or nothing. A folder that cannot be written to keeps no verdicts."""
    name = ""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".tmp")
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(text)
        os.replace(name, path)
    except OSError:
        if name and os.path.exists(name):
            os.unlink(name)


# Data of the file and back. Reading believes nothing: what has another type is a ValueError.


def _data(value: Any) -> Any:
    match value:
        case bool() | int():
            return value
        case str():
            return str(value)
        case Position(file, line, column):
            return [file, line, column]
        case Diagnostic():
            related = [[_data(place), label] for place, label in value.related]
            return [
                value.code, value.message, _data(value.position), value.severity, value.hint, value.source, related
            ]  # fmt: skip
        case tuple():
            return [_data(part) for part in value]
        case frozenset():
            return sorted(value)
    return {name: _data(part) for name, part in vars(value).items()}


def _text(data: Any) -> str:
    if type(data) is not str:
        raise ValueError
    return data


def _count(data: Any) -> int:
    if type(data) is not int or data < 0:
        raise ValueError
    return data


def _truth(data: Any) -> bool:
    if type(data) is not bool:
        raise ValueError
    return data


def _texts(data: Any) -> tuple[str, ...]:
    return tuple(_text(part) for part in _list(data))


def _list(data: Any) -> list[Any]:
    if type(data) is not list:
        raise ValueError
    return data


def _position(data: Any) -> Position:
    file, line, column = _list(data)
    return Position(_text(file), _count(line), _count(column))


def _place(data: Any) -> Place:
    text, position = _list(data)
    return _text(text), _position(position)


def _places(data: Any) -> tuple[Place, ...]:
    return tuple(_place(part) for part in _list(data))


def _diagnostic(data: Any) -> Diagnostic:
    code, message, position, severity, hint, source, related = _list(data)
    if severity not in ("error", "warning", "note"):
        raise ValueError
    places = tuple((_position(place), _text(label)) for place, label in map(_list, _list(related)))
    return Diagnostic(
        _text(code), _text(message), _position(position), severity, _text(hint), _text(source), places
    )  # fmt: skip


def _diagnostics_from(data: Any) -> tuple[Diagnostic, ...]:
    return tuple(_diagnostic(part) for part in _list(data))


def _outline_from(data: Any) -> Outline | ContractError:
    if "failed" in data:
        return ContractError(*_diagnostics_from(data["failed"]))
    return Outline(
        name=_text(data["name"]),
        path=_text(data["path"]),
        position=_position(data["position"]),
        prefix=_place(data["prefix"]),
        depends_on=_places(data["depends_on"]),
        ids=_places(data["ids"]),
        equations=_texts(data["equations"]),
        outputs=tuple(_texts(part) for part in _list(data["outputs"])),
        defined=_places(data["defined"]),
        about=frozenset(_texts(data["about"])),
        words=frozenset(_texts(data["words"])),
        laws=_texts(data["laws"]),
        tests=_texts(data["tests"]),
    )


def verdict_data(verdict: Verdict) -> Any:
    """A verdict as data for JSON."""
    return _data(verdict)


def verdict_from(data: Any) -> Verdict:
    return Verdict(
        links=_diagnostics_from(data["links"]),
        signatures=_diagnostics_from(data["signatures"]),
        texts=_diagnostics_from(data["texts"]),
        proofs=_diagnostics_from(data["proofs"]),
        sources=tuple((_text(module), _text(known)) for module, known in map(_list, _list(data["sources"]))),
        valid=_truth(data["valid"]),
        obligations=_count(data["obligations"]),
        faults=_count(data["faults"]),
    )
