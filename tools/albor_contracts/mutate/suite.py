"""Tests of a project as killers of the mutants that no obligation reaches: wrappers for autograd, classes, messages."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from .bench import Control, watched


@dataclass
class _Listener:
    """A plugin of one run of pytest: what failed, and on the unchanged source which lines each test runs."""

    modules: Sequence[str] = ()
    seconds: dict[str, float] = field(default_factory=dict)
    lines: dict[str, dict[str, set[int]]] = field(default_factory=dict)
    failed: list[tuple[str, str]] = field(default_factory=list)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Iterator[None]:
        lines: dict[str, set[int]] = {}
        begin = time.process_time()
        with watched(self.modules, lines):
            result: Any = yield
        self.seconds[item.nodeid], self.lines[item.nodeid] = time.process_time() - begin, lines
        return result

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.failed.append((report.nodeid, _last_line(report.longreprtext)))

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.failed.append((report.nodeid, _last_line(report.longreprtext)))


class Suite:
    """Files of tests, run by pytest in this process."""

    def __init__(self, root: Path, files: Sequence[str]) -> None:
        self.root, self.files = root, files

    def control(self, modules: Sequence[str]) -> Control:
        """Every test once, on the unchanged source."""
        seen = _Listener(modules)
        if not self._run(self.files, seen) and not seen.failed:
            seen.failed.append((", ".join(self.files), "pytest found no test there"))
        return Control(dict(seen.seconds), dict(seen.lines), [f"{name}: {words}" for name, words in seen.failed])

    def kills(self, tests: Sequence[str]) -> tuple[str, str]:
        """Which of the tests fails first, and its last words; two empty texts when none does."""
        seen = _Listener()
        self._run(tests, seen)
        return seen.failed[0] if seen.failed else ("", "")

    def _run(self, what: Sequence[str], listener: _Listener) -> bool:
        options = ["-x", "-q", "-p", "no:cacheprovider", f"--rootdir={self.root}"]
        code = pytest.main([*options, *what], plugins=[listener])
        return code in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED)


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1] if lines else ""
