"""One worker process and the file through which it talks.

The worker appends events as JSON lines to a file that its command line names; the parent reads the file while it
grows. A file, unlike a pipe, never blocks the worker and keeps what was written before a kill. In a second file, whose
name is that of the first with a suffix, stands the input that the worker is at: who dies cannot tell.
"""

from __future__ import annotations

import contextlib
import faulthandler
import io
import itertools
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from ..events import Event, EventError, from_json

TAIL_LINES = 15
TAIL_BYTES = 1 << 16
WHERE_AT = getattr(signal, "SIGUSR1", None)  # asks a worker that is silent for the lines it is at
ANSWER_SECONDS = 0.3
_TRACES = re.compile(r"^(?:Fatal Python error: .*\n\n)?(?:Current thread|Stack) .*\(most recent call first\):$", re.M)
LONGEST_LINE = 1 << 20
INPUT = ".input"  # suffix of the file for the input a worker is at
AHEAD = "--ahead"  # the first argument of a worker that is started ahead

Command = Callable[[Sequence[str], Path], Sequence[str]]  # (test ids, file for the events) -> command line


class Ahead:
    """A worker process that is started before its tests are known, and makes ready meanwhile.

    It gets what the command line of the worker has beyond the beginning that both share, as one line of JSON on its
    standard input. It ends when that is closed without a line.
    """

    LONGEST = 32 * 1024  # bytes that a pipe takes without waiting for its reader

    def __init__(self, command: Sequence[str], cwd: Path | None = None, env: Mapping[str, str] | None = None) -> None:
        self.command = list(command)
        self._folder = tempfile.TemporaryDirectory(prefix="albor-ahead-", ignore_cleanup_errors=True)
        self.stdout, self.stderr = Path(self._folder.name, "stdout"), Path(self._folder.name, "stderr")
        self.process: subprocess.Popen[bytes] | None = _started(
            self.command, subprocess.PIPE, self.stdout, self.stderr, cwd, env
        )

    def take(self, command: Sequence[str]) -> subprocess.Popen[bytes] | None:
        """The process, which goes on as `command` would; None where it cannot."""
        shared = itertools.takewhile(lambda pair: pair[0] == pair[1], zip(self.command, command, strict=False))
        line = json.dumps(list(command[len(list(shared)) :])).encode() + b"\n"
        process = self.process
        if process is None or process.stdin is None or len(line) > self.LONGEST:
            return None
        try:
            process.stdin.write(line)
            process.stdin.close()
        except OSError:  # it has ended
            return None
        self.process = None
        return process

    def __enter__(self) -> Ahead:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process is not None:
            if self.process.stdin is not None:
                with contextlib.suppress(OSError):
                    self.process.stdin.close()
            if self.process.poll() is None:
                _end(self.process)
        self._folder.cleanup()


class Worker:
    """A running process that works through a list of tests."""

    def __init__(
        self,
        tests: Sequence[str],
        command: Command,
        folder: Path,
        cwd: Path | None,
        env: Mapping[str, str] | None,
        ahead: Ahead | None = None,
    ) -> None:
        self.tests = list(tests)
        self.garbage = 0  # lines of the channel that were no events
        folder.mkdir(parents=True, exist_ok=True)
        channel, self._stdout, self._stderr = folder / "events.jsonl", folder / "stdout", folder / "stderr"
        channel.touch()
        self._input = Path(f"{channel}{INPUT}")
        self._channel = io.FileIO(channel)
        self._rest = b""
        self.last_sign = time.monotonic()
        try:
            line = list(command(tests, channel))
            taken = None if ahead is None else ahead.take(line)
            if ahead is not None and taken is not None:
                self._process, self._stdout, self._stderr = taken, ahead.stdout, ahead.stderr
            else:
                self._process = _started(line, subprocess.DEVNULL, self._stdout, self._stderr, cwd, env)
        except BaseException:
            self._channel.close()
            raise

    def poll(self) -> int | None:
        """The exit status, negative for a signal; None while the worker runs.

        When the worker has ended, what it started ends too. That happens before its exit status is collected: only
        until then its number cannot belong to somebody else.
        """
        if self._process.returncode is None and self._has_ended():
            self.kill()
        return self._process.returncode

    def _has_ended(self) -> bool:
        if hasattr(os, "waitid"):
            flags = os.WEXITED | os.WNOHANG | os.WNOWAIT
            return os.waitid(os.P_PID, self._process.pid, flags) is not None
        return self._process.poll() is not None

    def read(self) -> list[Event]:
        """The events that have arrived since the last call. Lines that are no events are counted and dropped."""
        data = self._rest + (self._channel.readall() or b"")
        *lines, self._rest = data.split(b"\n")
        if len(self._rest) > LONGEST_LINE:
            self._rest = b""
            self.garbage += 1
        events = []
        for line in lines:
            if not line.strip():
                continue
            try:
                events.append(from_json(line))
            except EventError:
                self.garbage += 1
        if events:
            self.last_sign = time.monotonic()
        return events

    def silent_for(self) -> float:
        """Seconds since the last event."""
        return time.monotonic() - self.last_sign

    def ask_where(self) -> None:
        """Let the worker write down the lines it is at, if it still can."""
        if WHERE_AT is None or self._process.returncode is not None or self._has_ended():
            return
        size = before = self._stderr.stat().st_size
        os.kill(self._process.pid, WHERE_AT)
        until = time.monotonic() + ANSWER_SECONDS
        while time.monotonic() < until:
            time.sleep(0.02)
            last, size = size, self._stderr.stat().st_size
            if size == last > before:
                return  # it has said all

    def kill(self) -> None:
        """End the worker and every process it started, unless that has been done."""
        if self._process.returncode is None:
            _end(self._process)

    def close(self) -> None:
        """Let go of the channel; the process has ended."""
        self._channel.close()

    def last_input(self) -> str:
        """The input that the worker was at, as far as it has said."""
        try:
            return self._input.read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""

    def last_words(self) -> str:
        """The last lines the worker wrote to stderr, else to stdout."""
        return _tail(self._stderr) or _tail(self._stdout)


def input_notes(channel: str | Path) -> Callable[[str], None]:
    """How a worker says which input it is at, in one short file that is written again and again."""
    file = os.open(f"{channel}{INPUT}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)

    def note(text: str) -> None:
        data = text.encode(errors="backslashreplace")
        os.pwrite(file, data, 0)
        os.ftruncate(file, len(data))

    return note


def tell_where() -> None:
    """Write down where a process is when it crashes, or when it is asked."""
    faulthandler.enable(all_threads=False)
    if WHERE_AT is not None:
        faulthandler.register(WHERE_AT, all_threads=False, chain=False)


def _started(
    command: Sequence[str], stdin: int, stdout: Path, stderr: Path, cwd: Path | None, env: Mapping[str, str] | None
) -> subprocess.Popen[bytes]:
    with open(stdout, "wb") as out, open(stderr, "wb") as err:
        # A session of its own: a stalled kernel is killed with all the processes it started, and Ctrl-C reaches the
        # parent alone, which then ends the workers in order.
        return subprocess.Popen(
            list(command), stdin=stdin, stdout=out, stderr=err, cwd=cwd,
            env=dict(env) if env is not None else None, start_new_session=True,
        )  # fmt: skip


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a process and all that it started."""
    if hasattr(os, "killpg"):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
    process.wait()


def exit_words(status: int) -> str:
    """An exit status in words: `was killed by SIGSEGV`, `ended with exit status 3`."""
    if status >= 0:
        return f"ended with exit status {status}"
    try:
        return f"was killed by {signal.Signals(-status).name}"
    except ValueError:
        return f"was killed by signal {-status}"


def _tail(path: Path) -> str:
    try:
        with open(path, "rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - TAIL_BYTES))
            data = file.read()
    except OSError:
        return ""
    text = data.decode(sys.getfilesystemencoding(), errors="replace")
    if traces := list(_TRACES.finditer(text)):
        return "\n".join(_innermost(text[traces[-1].start() :].strip().splitlines()))
    return "\n".join(text.strip().splitlines()[-TAIL_LINES:])


def _innermost(lines: list[str]) -> list[str]:
    """The beginning of a trace, which is where it was, without the frames of this tool that led there."""
    ours = f'File "{Path(__file__).resolve().parents[1]}'
    first = next((k for k, line in enumerate(lines) if ours in line), len(lines))
    within = any("File " in line for line in lines[:first])
    return lines[:TAIL_LINES] if not within else lines[: min(first, TAIL_LINES)]
