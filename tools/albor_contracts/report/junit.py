"""The run as JUnit XML, which every CI system can show. One suite for each contract and binding."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

from ..events import Event, ObligationFinished, RunFinished, RunStarted, WorkerFailed
from .terminal import failure_block

# XML 1.0 has no way to write these, not even escaped. Lone surrogates cannot be encoded either.
_ILLEGAL = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class Junit:
    """A listener that collects the run and writes `path` when it ends. `xml()` gives the text at any time."""

    def __init__(self, path: str | Path | None = None) -> None:
        self.path = Path(path) if path is not None else None
        self.started: RunStarted | None = None
        self.finished: list[ObligationFinished] = []
        self.broken: list[WorkerFailed] = []

    def __call__(self, event: Event) -> None:
        if isinstance(event, RunStarted):
            self.started = event
        elif isinstance(event, ObligationFinished):
            self.finished.append(event)
        elif isinstance(event, WorkerFailed):
            self.broken.append(event)
        elif isinstance(event, RunFinished) and self.path is not None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.write_text(self.xml(), encoding="utf-8")

    def xml(self) -> str:
        """The document."""
        root = ElementTree.Element("testsuites", name="albor-contracts")
        suites: dict[tuple[str, str], list[ObligationFinished]] = {}
        for event in self.finished:
            suites.setdefault((event.contract, event.binding), []).append(event)
        for (contract, binding), events in suites.items():
            suite = _element(root, "testsuite", name=f"{contract} [{binding}]")
            if self.started:
                self._properties(suite, self.started)
            for event in events:
                _case(suite, event)
            _count(suite)
        if self.broken:
            suite = _element(root, "testsuite", name="workers")
            for broken in self.broken:
                for test in broken.tests or ("worker",):
                    case = _element(suite, "testcase", classname="workers", name=test, time="0")
                    _element(case, "error", message=broken.message).text = legal(broken.stderr)
            _count(suite)
        _total(root)
        ElementTree.indent(root)
        return '<?xml version="1.0" encoding="utf-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"

    @staticmethod
    def _properties(suite: ElementTree.Element, started: RunStarted) -> None:
        properties = _element(suite, "properties")
        items = {"seed": str(started.seed), "profile": started.profile, "device": started.device, **started.versions}
        for name, value in items.items():
            _element(properties, "property", name=name, value=value)


def legal(text: str) -> str:
    """`text` with the characters that XML cannot hold written as escapes."""
    return _ILLEGAL.sub(lambda found: f"\\x{ord(found[0]):02x}", text)


def _element(parent: ElementTree.Element, tag: str, **attributes: str) -> ElementTree.Element:
    return ElementTree.SubElement(parent, tag, {name: legal(value) for name, value in attributes.items()})


def _case(suite: ElementTree.Element, event: ObligationFinished) -> None:
    where = ", ".join(part for part in (event.dtype, event.device) if part)
    case = _element(
        suite,
        "testcase",
        classname=f"{event.contract.replace('/', '.')}.{event.binding}",
        name=f"{event.obligation} [{where}]" if where else event.obligation,
        time=f"{event.seconds:.3f}",
    )
    if event.outcome in ("declined", "not_applicable", "partial"):
        _element(case, "skipped", message=f"{event.outcome.replace('_', ' ')}: {event.reason}")
    elif event.outcome != "passed":
        tag = "failure" if event.outcome == "failed" else "error"
        message = (event.failure.message or event.failure.property) if event.failure else event.outcome
        _element(case, tag, type=event.outcome, message=message).text = legal(failure_block(event))
    else:
        worst = f", worst error {event.worst:.3g} of the bound" if event.worst is not None else ""
        _element(case, "system-out").text = legal(f"{event.property}\n{event.cases} cases{worst}")


def _count(suite: ElementTree.Element) -> None:
    suite.set("tests", str(len(suite.findall("testcase"))))
    for tag, name in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
        suite.set(name, str(len(suite.findall(f"testcase/{tag}"))))
    suite.set("time", f"{sum(float(case.get('time', '0')) for case in suite.findall('testcase')):.3f}")


def _total(root: ElementTree.Element) -> None:
    for name in ("tests", "failures", "errors", "skipped"):
        root.set(name, str(sum(int(suite.get(name, "0")) for suite in root)))
