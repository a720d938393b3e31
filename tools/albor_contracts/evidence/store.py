"""Files of evidence: JSON lines, only ever appended to, readable in whatever state a run left them.

Scratch evidence goes to `.albor/evidence/`, one file a run; evidence worth keeping is committed under `evidence/`.
"""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from ..errors import ContractError, Diagnostic, Position
from ..events import BAD_OUTCOMES, Event, EventError, ObligationFinished, RunStarted
from ..load.source import open_regular
from .record import VERDICTS, Record, utc_now

LONGEST_LINE = 1 << 20
HASHES = ("contract_hash", "kernel_hash", "adapted", "rules")
OTHERS = b'{"event":"trial_'  # lines about tolerances, not about a kernel: `trials.record` reads them


@dataclass(frozen=True)
class Reading:
    """What was found: the records, and one warning for each line that is none."""

    records: tuple[Record, ...]
    warnings: tuple[Diagnostic, ...] = ()


def default_folders(root: str | Path = ".") -> tuple[Path, Path]:
    """Where evidence of the project at `root` lies: committed, scratch."""
    return Path(root) / "evidence", Path(root) / ".albor" / "evidence"


def scratch_file(root: str | Path = ".") -> Path:
    """A name for the evidence of a new run; no two runs share one."""
    stamp = utc_now().replace(":", "").replace("+0000", "Z")
    return default_folders(root)[1] / f"{stamp}-{os.getpid()}-{os.urandom(3).hex()}.jsonl"


class Recorder:
    """A listener that keeps every verdict of the stream in a file.

    Each record is one write of one whole line, so that a run that is killed leaves whole lines, and several
    processes may append to the same file. The file appears with the first verdict. Close it (or use `with`) to have
    it on the disk for certain.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.written = 0
        self._file: int | None = None
        self._versions: dict[str, str] = {}

    def __call__(self, event: Event) -> None:
        if isinstance(event, RunStarted):
            self._versions = event.versions
        elif isinstance(event, VERDICTS):
            self.write(Record(event, utc_now(), self._versions))

    def write(self, record: Record) -> None:
        """Append one record."""
        if self._file is None:
            self._file = self._open()
        line = record.to_json().encode() + b"\n"
        with self._named():
            while line:  # a short write happens when the disk is full or a signal arrives
                line = line[os.write(self._file, line) :]
        self.written += 1

    def close(self) -> None:
        """Flush the file to the disk. Further records open it again."""
        if self._file is None:
            return
        file, self._file = self._file, None
        try:
            if stat.S_ISREG(os.fstat(file).st_mode):  # a device or a pipe cannot be flushed
                with self._named():
                    os.fsync(file)
        finally:
            os.close(file)

    def _open(self) -> int:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        size = os.fstat(file).st_size
        if size and os.pread(file, 1, size - 1) != b"\n":
            os.write(file, b"\n")  # an earlier run was cut off in the middle of a line
        return file

    @contextlib.contextmanager
    def _named(self) -> Iterator[None]:
        """An error of the open file says which file it is."""
        try:
            yield
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(self.path)) from None

    def __enter__(self) -> Recorder:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()


def read(paths: Iterable[str | Path]) -> Reading:
    """All records in the files and folders `paths`. What cannot be read becomes a warning, never an exception."""
    records: list[Record] = []
    warnings: list[Diagnostic] = []
    for path in _files(paths, warnings):
        try:
            with os.fdopen(open_regular(str(path)), "rb") as file:
                _read_lines(path, file.read(), records, warnings)
        except ContractError as error:
            warnings += [_warning(str(path), 0, d.message) for d in error.diagnostics]
        except OSError as error:
            warnings.append(_warning(str(path), 0, f"cannot be read: {error.strerror}"))
    return Reading(tuple(records), tuple(warnings))


def compact(records: Iterable[Record]) -> tuple[Record, ...]:
    """Runs of the same thing with the same seed and the same hashes count once; the others stay.

    A failure, a crash or a stall stands until the same seed has passed later with at least as large a budget of cases.
    Among passes of one seed the one with the most cases is kept: a smaller one is a prefix of it.
    """
    groups: dict[object, list[Record]] = {}
    for record in records:
        groups.setdefault(_key(record), []).append(record)
    return tuple(_strongest(group) for group in groups.values())


def save(records: Iterable[Record], path: str | Path) -> int:
    """Write `records`, compacted and in a stable order, as the whole content of `path`; returns their number.

    The file is replaced in one step: a reader sees the old content or the new, and a failure leaves the old.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    kept = sorted(compact(records), key=lambda record: (repr(_key(record)), record.time))
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.writelines(record.to_json() + "\n" for record in kept)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise
    return len(kept)


def _key(record: Record) -> tuple[object, ...]:
    v = record.verdict
    names = ("contract", "fault", "obligation", "binding", "kernel", "architecture", "dtype", "device", "seed")
    measured = ("size", "device_name")
    return (v.kind, *(getattr(v, name, "") for name in (*names, *measured, *HASHES)))


def _strongest(group: Sequence[Record]) -> Record:
    # Files are read in the order of their names, which is not that of the runs; sorting is stable.
    group = sorted(group, key=lambda record: record.time)
    standing = group[0]
    for record in group[1:]:
        old, new = standing.verdict, record.verdict
        if isinstance(old, ObligationFinished) and isinstance(new, ObligationFinished):
            if old.outcome == new.outcome == "passed" and new.cases < old.cases:
                continue
            redeemed = new.outcome == "passed" and new.case_budget >= old.case_budget
            if old.outcome in BAD_OUTCOMES and new.outcome not in BAD_OUTCOMES and not redeemed:
                continue
        standing = record
    return standing


def _files(paths: Iterable[str | Path], warnings: list[Diagnostic]) -> list[Path]:
    files: list[Path] = []
    for path in map(Path, paths):
        if path.is_dir():
            files += sorted(path.rglob("*.jsonl"))
        elif path.exists():
            files.append(path)
        elif path.suffix:
            warnings.append(_warning(str(path), 0, "does not exist"))
    return files


def _read_lines(path: Path, data: bytes, records: list[Record], warnings: list[Diagnostic]) -> None:
    lines = data.split(b"\n")
    torn = bool(lines[-1])
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith(OTHERS):
            continue
        try:
            if len(line) > LONGEST_LINE:
                raise EventError(f"longer than {LONGEST_LINE} bytes")
            records.append(Record.from_json(line, f"{path}:{number}"))
        except EventError as error:
            last = torn and number == len(lines)
            why = "the last line is cut off: the run was interrupted" if last else str(error)
            warnings.append(_warning(str(path), number, why))


def _warning(file: str, line: int, message: str) -> Diagnostic:
    position = Position(file, line, 1 if line else 0)
    return Diagnostic("W901", f"evidence ignored: {message}", position, severity="warning")
