"""The same calls in a second process, where texts have other hashes.

Python hashes texts with a key that every process draws anew (PYTHONHASHSEED). `hash(name)` as a seed and the order of a
set of names therefore change from run to run, and nothing within one process shows it.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from ..runtime.elsewhere import Other, RaisedElsewhere

Planted = tuple[str, str, str]  # module:function, text in its source, what stands there instead


class Elsewhere(Other):
    """A second process. It is started for the first call, and has the same faults planted as this one."""

    def __init__(self, planted: Sequence[Planted] = ()) -> None:
        self.planted = tuple(planted)
        self._process: subprocess.Popen[bytes] | None = None

    def call(self, name: str, positional: Sequence[Any], keywords: Mapping[str, Any]) -> Any:
        """What `module:function` returns there. Raises `RaisedElsewhere` with the words of what it raised."""
        request = pickle.dumps((name, list(positional), dict(keywords)))
        process = self._started()
        assert process.stdin is not None and process.stdout is not None
        try:
            process.stdin.write(request)
            process.stdin.flush()
            returned, answer = pickle.load(process.stdout)
        except (OSError, EOFError):
            self.close()
            raise RaisedElsewhere("the process ended") from None
        if not returned:
            raise RaisedElsewhere(answer)
        return answer

    def close(self) -> None:
        if self._process is None:
            return
        with contextlib.suppress(OSError):
            self._process.communicate()
        self._process = None

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            ours = os.environ.get("PYTHONHASHSEED", "")
            other = str((int(ours) + 1) % 2**32) if ours.isdigit() else "1"
            self._process = subprocess.Popen(
                [sys.executable, "-c", f"from {__name__} import main; main()"],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                env={**os.environ, "PYTHONHASHSEED": other, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            )  # fmt: skip
            assert self._process.stdin is not None
            self._process.stdin.write(pickle.dumps((sys.path, self.planted)))
        return self._process


def _answer(request: tuple[str, list[Any], dict[str, Any]]) -> tuple[bool, Any]:
    from ..callables import resolve
    from ..errors import Position, said

    name, positional, keywords = request
    try:
        return True, resolve(name, Position(""))(*positional, **keywords)
    except BaseException as error:
        return False, f"raised {type(error).__name__}: {said(error)}"


def main() -> None:
    from ..falsify.wrong import planted

    requests, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a kernel prints is no answer
    sys.path[:], faults = pickle.load(requests)
    with contextlib.ExitStack() as stack:
        for fault in faults:
            stack.enter_context(planted(*fault))
        while True:
            try:
                request = pickle.load(requests)
            except EOFError:
                return
            answers.write(pickle.dumps(_answer(request)))
            answers.flush()
