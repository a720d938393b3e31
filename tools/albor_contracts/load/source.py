"""A file read into memory, within limits, with the messages collected about it."""

from __future__ import annotations

import codecs
import os
import re
import stat
from typing import NoReturn

from ..errors import ContractError, Diagnostic, Position, problem

MAX_BYTES = 4 * 1024 * 1024
MAX_DIAGNOSTICS = 50
MAX_SOURCE_LINE = 1000

# The breaks libyaml counts lines by. All but the first three are refused in strict reading (see FORBIDDEN).
_BREAK = re.compile(r"\r\n|[\n\r\x85\u2028\u2029]")
_RARE_BREAK = re.compile(r"[\r\x85\u2028\u2029]")
# Control characters; line separators that editors do not count as lines; marks that reorder the text on screen,
# so that a reviewer would read something else than the tool.
FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200b\u200e\u200f\u2028-\u202e\u2060\u2066-\u2069\ufeff]")


class Source:
    """Text of one file and the diagnostics about it. `lines` are numbered from 0, as YAML marks are."""

    def __init__(self, file: str, text: str) -> None:
        self.file = file
        self.text = text
        self.lines = _BREAK.split(text) if _RARE_BREAK.search(text) else text.split("\n")
        self.diagnostics: list[Diagnostic] = []

    def position(self, line: int, column: int) -> Position:
        """From the 0-based place of a YAML mark."""
        return Position(self.file, line + 1, column + 1)

    def line(self, position: Position) -> str:
        if 0 < position.line <= len(self.lines):
            return self.lines[position.line - 1][:MAX_SOURCE_LINE]
        return ""

    def report(
        self,
        code: str,
        message: str,
        position: Position,
        *,
        hint: str = "",
        severity: str = "error",
        related: tuple[tuple[Position, str], ...] = (),
    ) -> None:
        """Collects one diagnostic. Past the limit the file is given up: more messages would only hide the first."""
        self.diagnostics.append(
            Diagnostic(code, message, position, severity, hint, source=self.line(position), related=related)
        )
        if len(self.diagnostics) >= MAX_DIAGNOSTICS:
            limit = Diagnostic(
                "E212",
                f"more than {MAX_DIAGNOSTICS} problems; the rest of the file is not reported",
                position,
                "note",
                source=self.line(position),
            )
            raise ContractError(*self.diagnostics, limit)

    def fail(self, code: str, message: str, position: Position, hint: str = "") -> NoReturn:
        """Reports a problem after which the file cannot be read on."""
        self.report(code, message, position, hint=hint)
        raise ContractError(*self.diagnostics)

    @property
    def failed(self) -> bool:
        return any(d.severity == "error" for d in self.diagnostics)


def read_source(path: str | os.PathLike[str], *, lenient: bool = False, data: bytes | None = None) -> Source:
    """Reads a YAML file, or takes its bytes. What is not text is refused."""
    file = os.fspath(path)
    if data is None:
        data = read_bytes(file)
    if b"\x00" in data:
        raise problem("E105", "this is a binary file: it contains a NUL byte", _place(file, data, data.index(0)))
    try:
        text = data.removeprefix(codecs.BOM_UTF8).decode("utf-8")
    except UnicodeDecodeError as error:
        raise problem(
            "E105",
            f"this is not UTF-8 text: {error.reason}",
            _place(file, data, error.start),
            hint="save the file as UTF-8",
        ) from None
    source = Source(file, text)
    if not lenient and (found := FORBIDDEN.search(text)):
        line = len(_BREAK.findall(text, 0, found.start()))
        column = found.start() - max((m.end() for m in _BREAK.finditer(text, 0, found.start())), default=0)
        source.fail(
            "E106",
            f"character U+{ord(found[0]):04X} is invisible or a control character",
            source.position(line, column),
            hint='delete it; in `given` it can be an escape, as in "\\x00"',
        )
    return source


def read_bytes(file: str) -> bytes:
    """The bytes of a regular file. The size is checked before anything is read."""
    descriptor = open_regular(file)
    try:
        size = os.fstat(descriptor).st_size
        if size > MAX_BYTES:
            raise problem("E103", f"the file has {size:,} bytes; the limit is {MAX_BYTES:,}", Position(file))
        data = b""
        while len(data) <= MAX_BYTES and (block := os.read(descriptor, MAX_BYTES + 1 - len(data))):
            data += block
    except OSError as error:
        raise problem("E101", f"cannot be read: {_reason(error)}", Position(file)) from None
    finally:
        os.close(descriptor)
    if len(data) > MAX_BYTES:
        raise problem("E103", f"the file has more than {MAX_BYTES:,} bytes", Position(file))
    return data


def open_regular(file: str) -> int:
    """A descriptor to read a regular file with. Pipes, devices and folders are refused."""
    try:
        # A named pipe must not block the open; a device must not be read at all.
        descriptor = os.open(file, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except (OSError, ValueError) as error:
        raise problem("E101", f"cannot be read: {_reason(error)}", Position(file)) from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise problem("E102", "this is not a regular file", Position(file))
    return descriptor


def _reason(error: Exception) -> str:
    return (getattr(error, "strerror", None) or str(error)).lower()


def _place(file: str, data: bytes, offset: int) -> Position:
    before = data[:offset]
    line = before.count(b"\n")
    column = len(before[before.rfind(b"\n") + 1 :].decode("utf-8", "replace"))
    return Position(file, line + 1, column + 1)
