"""Where something stands in a file, and what is wrong there.

Every message of the tool is a `Diagnostic`: a code, a severity, a position, what was found, what was expected
and what to do. Readers collect diagnostics and go on; `ContractError` carries them out when going on makes no sense.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field


@dataclass(frozen=True, order=True)
class Position:
    """A place in a file. Line and column count from 1; 0 means "the file as a whole"."""

    file: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        file = from_here(self.file)
        return f"{file}:{self.line}:{self.column}" if self.line else file


NOWHERE = Position("<text>")


def said(error: BaseException) -> str:
    """The message of an error, whatever its class makes of it."""
    try:
        return str(error)
    except Exception as second:
        return f"its message cannot be made ({type(second).__name__})"


def from_here(file: str | os.PathLike[str]) -> str:
    """The path as a person in the working folder would write it; unchanged when the file lies elsewhere."""
    try:
        full, here = os.path.abspath(file), os.getcwd()
    except OSError:  # the working folder is gone
        return os.fspath(file)
    return os.path.relpath(full, here) if full.startswith(here + os.sep) else os.fspath(file)


class Text(str):
    """A string read from a file, which knows where each of its characters stands.

    `starts[k]` is the position of the first character of line k of the text. Folded and escaped YAML scalars
    cannot be mapped character by character: they have one start, and `at` then answers with it.
    """

    starts: tuple[Position, ...]
    exact: bool

    def __new__(cls, value: str, starts: tuple[Position, ...] = (NOWHERE,), exact: bool = True) -> Text:
        text = super().__new__(cls, value)
        text.starts = starts
        text.exact = exact
        return text

    @property
    def position(self) -> Position:
        return self.starts[0]

    def at(self, line: int, column: int) -> Position:
        """Position of 0-based `line` and `column` inside the text."""
        if not self.exact:
            return self.position
        if line >= len(self.starts):
            return self.starts[-1]
        start = self.starts[line]
        return Position(start.file, start.line, start.column + column) if start.line else start


@dataclass(frozen=True)
class Diagnostic:
    """One message. `code` is explained by `albor-contracts explain CODE`."""

    code: str
    message: str
    position: Position = NOWHERE
    severity: str = "error"  # error | warning | note
    hint: str = ""
    source: str = ""  # the offending line, when the reader has it at hand
    related: tuple[tuple[Position, str], ...] = field(default=())

    def __str__(self) -> str:
        return f"{self.position}: {self.severity}[{self.code}]: {self.message}"


class ContractError(Exception):
    """The input cannot be judged. Carries the diagnostics that say why."""

    def __init__(self, *diagnostics: Diagnostic) -> None:
        super().__init__("\n".join(str(d) for d in diagnostics))
        self.diagnostics = diagnostics


def problem(code: str, message: str, where: Position | Text | None = None, hint: str = "") -> ContractError:
    """A `ContractError` with one diagnostic: `raise problem("E201", "unknown name 'x'", text.at(0, 4))`."""
    position = where.position if isinstance(where, Text) else where or NOWHERE
    return ContractError(Diagnostic(code, message, position, hint=hint))
