"""One worker process and the file through which it talks.

The worker appends events as JSON lines to a file that its command line names; the parent reads the file while it
grows. A file, unlike a pipe, never blocks the worker and keeps what was written before a kill.
"""

from __future__ import annotations

import contextlib
import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from ..events import Event, EventError, from_json

TAIL_LINES = 15
TAIL_BYTES = 8192
LONGEST_LINE = 1 << 20

Command = Callable[[Sequence[str], Path], Sequence[str]]  # (test ids, file for the events) -> command line


class Worker:
    """A running process that works through a list of tests."""

    def __init__(
        self, tests: Sequence[str], command: Command, folder: Path, cwd: Path | None, env: Mapping[str, str] | None
    ) -> None:
        self.tests = list(tests)
        self.garbage = 0  # lines of the channel that were no events
        folder.mkdir(parents=True, exist_ok=True)
        channel, self._stdout, self._stderr = folder / "events.jsonl", folder / "stdout", folder / "stderr"
        channel.touch()
        self._channel = io.FileIO(channel)
        self._rest = b""
        self.last_sign = time.monotonic()
        self.spoke = False
        try:
            with open(self._stdout, "wb") as out, open(self._stderr, "wb") as err:
                # A session of its own: a stalled kernel is killed with all the processes it started, and Ctrl-C
                # reaches the parent alone, which then ends the workers in order.
                self._process = subprocess.Popen(
                    list(command(tests, channel)),
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=err,
                    cwd=cwd,
                    env=dict(env) if env is not None else None,
                    start_new_session=True,
                )
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
            self.last_sign, self.spoke = time.monotonic(), True
        return events

    def silent_for(self) -> float:
        """Seconds since the last event."""
        return time.monotonic() - self.last_sign

    def kill(self) -> None:
        """End the worker and every process it started, unless that has been done."""
        if self._process.returncode is not None:
            return
        if hasattr(os, "killpg"):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
        else:
            self._process.kill()
        self._process.wait()

    def close(self) -> None:
        """Let go of the channel; the process has ended."""
        self._channel.close()

    def last_words(self) -> str:
        """The last lines the worker wrote to stderr, else to stdout."""
        return _tail(self._stderr) or _tail(self._stdout)


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
    return "\n".join(text.strip().splitlines()[-TAIL_LINES:])
