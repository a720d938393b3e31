"""The run as a person wants to follow it: a status line on a terminal, plain lines elsewhere."""

from __future__ import annotations

import shutil
import time
from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import IO

from ..events import (
    BAD_OUTCOMES,
    Event,
    Failure,
    FaultTried,
    KernelCompiled,
    ObligationFinished,
    ObligationStarted,
    Progress,
    ProofFinished,
    RunFinished,
    RunStarted,
    WorkerFailed,
)

Group = tuple[str, str]  # contract, binding

REPAINT_SECONDS = 0.1
HEARTBEAT_SECONDS = 15.0
LONGEST_BLOCK = 4000  # characters of one part of a failure


class Terminal:
    """A listener that prints. `live` shows a status line; by default where the stream is a terminal.

    `expected` is how many verdicts each contract and binding will have, when that is known: its line then appears as
    soon as the last one is in, and not only at the end of the run.
    """

    def __init__(
        self,
        stream: IO[str],
        live: bool | None = None,
        color: bool | None = None,
        expected: Mapping[Group, int] | None = None,
    ) -> None:
        self.stream = stream
        terminal = bool(getattr(stream, "isatty", lambda: False)())
        self.live = terminal if live is None else live
        self.color = self.live if color is None else color
        self.expected = dict(expected or {})
        self.groups: dict[Group, Counter[str]] = {}
        self.cases: Counter[Group] = Counter()
        self.seconds: defaultdict[Group, float] = defaultdict(float)  # of work, whatever the number of workers
        self.worst: dict[Group, float] = {}
        self.printed: set[Group] = set()
        self.reasons: defaultdict[Group, Counter[str]] = defaultdict(Counter)  # why something was not judged
        self.told: dict[tuple[Group, str], str] = {}  # what is wrong with calling a kernel at all -> where it was told
        self.failures = 0
        self.done_cases = 0
        self._running: dict[tuple[str, str, str, str], int] = {}
        self._painted = 0.0
        self._spoke = self._began = time.monotonic()
        self._width = 0

    def __call__(self, event: Event) -> None:
        match event:
            case RunStarted():
                self._header(event)
            case ObligationStarted():
                self._running[_key(event)] = 0
            case Progress():
                self._running[_key(event)] = event.cases
            case ObligationFinished():
                self._finished(event)
            case FaultTried() if not event.killed and event.expected:
                what = f"{event.contract} {event.fault}: {event.title}"
                self._alarm(f"SURVIVED {what}; {event.obligation} did not notice")
            case ProofFinished() if event.verdict != "proved":
                tail = event.counterexample or event.message
                self._alarm(f"{event.verdict} {event.contract} {event.obligation}" + (f": {tail}" if tail else ""))
            case KernelCompiled() if not event.ok:
                self._alarm(f"DOES NOT COMPILE {event.kernel} for {event.architecture}: {event.message}")
            case WorkerFailed():
                self._alarm(event.message, _indented(event.stderr))
            case RunFinished():
                self._end(event)
        if not isinstance(event, RunFinished):
            self._paint()

    def _header(self, event: RunStarted) -> None:
        names = ("python", "numpy", "torch", "triton")
        versions = ", ".join(f"{name} {event.versions[name]}" for name in names if name in event.versions)
        self._say(
            f"profile {event.profile or '?'}, seed {event.seed}, device {event.device or '?'}; {versions}".rstrip("; ")
        )

    def _finished(self, event: ObligationFinished) -> None:
        self._running.pop(_key(event), None)
        group = (event.contract, event.binding)
        self.groups.setdefault(group, Counter())[event.outcome] += 1
        self.cases[group] += event.cases
        self.seconds[group] += event.seconds
        self.done_cases += event.cases
        if event.worst is not None:
            self.worst[group] = max(event.worst, self.worst.get(group, 0.0))
        if event.outcome in BAD_OUTCOMES:
            self.failures += 1
            self._say(self._failure(event))
        elif event.outcome == "declined":
            self._say(_printable(f"declined {event.label()}: {event.reason or 'no reason given'}"))
        elif event.outcome in ("not_applicable", "partial") and event.reason:
            self.reasons[group][f"{event.outcome.replace('_', ' ')}: {event.reason}"] += 1
        if self.groups[group].total() == self.expected.get(group):
            self._line(group)

    def _failure(self, event: ObligationFinished) -> str:
        """In full; where the kernel breaks every obligation in the same way, in full for the first alone."""
        headline = self._red(event.outcome.upper())
        failure = event.failure
        if failure is None or not failure.message or failure.expected or failure.got:
            return failure_block(event, headline)
        label = event.label()
        first = self.told.setdefault(((event.contract, event.binding), failure.message), label)
        if first == label:
            return failure_block(event, headline)
        replay = f"\n  replay: {failure.replay}" if failure.replay else ""  # nothing replays what was never called
        # A law of its own makes it a finding of its own: what was accepted, or refused, is not the same.
        about = f"\n  {_printable(failure.property)}" if failure.if_fails and failure.property else ""
        return f"{headline} {_printable(f'{label}: the same as {first}')}{about}{replay}"

    def _line(self, group: Group, missing: int = 0) -> None:
        """The line of a group, `missing` of whose verdicts never came: their process ended before it said what it was
        at."""
        self.printed.add(group)
        counts = self.groups.get(group, Counter()) + Counter(never_judged=missing)
        bad = missing or any(counts[name] for name in BAD_OUTCOMES)
        told = ", ".join(f"{counts[name]} {name.replace('_', ' ')}" for name in sorted(counts) if name != "passed")
        worst = f", worst error {self.worst[group]:.3g} of the bound" if group in self.worst else ""
        text = f"{group[0]} [{group[1]}]: {counts['passed']} of {counts.total()} passed"
        text += f" ({told})" if told else ""
        rate = f", {self.cases[group] / self.seconds[group]:,.0f} a second" if self.seconds[group] > 0 else ""
        judged = counts["passed"] + counts["partial"]
        label = self._red("FAIL ") if bad else "ok   " if judged else "none "  # nothing judged is no success
        self._say(f"{label}{text}, {self.cases[group]:,} cases{rate}{worst}")
        for reason, number in self.reasons[group].items():
            self._say(_printable(f"     {number} {reason}"))

    def _end(self, event: RunFinished) -> None:
        self._wipe()
        for group in {**self.groups, **self.expected}:
            if group not in self.printed and (group in self.groups or not event.interrupted):
                missing = self.expected.get(group, 0) - self.groups.get(group, Counter()).total()
                self._line(group, 0 if event.interrupted else max(0, missing))
        counts = sum(self.groups.values(), Counter())
        told = ", ".join(f"{n} {name.replace('_', ' ')}" for name, n in sorted(counts.items())) or "nothing was judged"
        seconds = event.seconds or time.monotonic() - self._began
        tail = "; interrupted, what had finished is kept" if event.interrupted else ""
        self._say(f"{counts.total()} obligations: {told}; {self.done_cases:,} cases in {seconds:.1f} s{tail}")

    def _say(self, text: str) -> None:
        self._wipe()
        self._write(text + "\n")
        self._spoke = time.monotonic()

    def _alarm(self, text: str, more: str = "") -> None:
        self._say(self._red(_printable(text)) + more)

    def _paint(self) -> None:
        """The status line, or without a terminal a sign of life now and then."""
        now = time.monotonic()
        if self.live and now - self._painted >= REPAINT_SECONDS:
            width = shutil.get_terminal_size().columns - 1
            text = _printable(self._status())[:width]
            self._write("\r" + text.ljust(self._width))
            self._width, self._painted = len(text), now
        elif not self.live and now - self._spoke >= HEARTBEAT_SECONDS:
            self._say("... " + self._status())

    def _status(self) -> str:
        done = sum(counts.total() for counts in self.groups.values())
        total = f"/{sum(self.expected.values())}" if self.expected else ""
        cases = self.done_cases + sum(self._running.values())
        seconds = time.monotonic() - self._began
        text = f"{done}{total} obligations, {cases:,} cases, {self.failures} failed, {seconds:.0f} s"
        if self._running:
            (contract, obligation, binding, dtype), n = list(self._running.items())[-1]
            text += f" | {contract} {obligation} [{', '.join(p for p in (binding, dtype) if p)}] {n:,}"
        return text

    def _wipe(self) -> None:
        if self._width:
            self._write("\r" + " " * self._width + "\r")
            self._width = 0

    def _write(self, text: str) -> None:
        try:
            self.stream.write(text)
        except UnicodeEncodeError:
            encoding = getattr(self.stream, "encoding", None) or "ascii"
            self.stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
        self.stream.flush()

    def _red(self, text: str) -> str:
        return f"\x1b[31m{text}\x1b[0m" if self.color else text


def failure_block(event: ObligationFinished, headline: str = "") -> str:
    """A failure as a block of text: what was claimed, on which input, what came out, and what to do next."""
    failure = event.failure or Failure(property=event.property, if_fails=event.if_fails)
    lines = [event.label()]
    if failure.property or event.property:
        lines.append(f"  {failure.property or event.property}")
    parts = (
        ("stated at", failure.stated),
        ("kernel", failure.under_test()),
        ("", failure.message or event.reason),
        ("input", failure.case),
        ("expected", failure.expected),
        ("got", failure.got),
        ("bound", failure.bound),
        ("if this fails", failure.if_fails),
    )
    for name, text in parts:
        if text:
            lines.append(_part(name, text))
    if failure.behaves_like:
        title = f": {failure.behaves_like_title}" if failure.behaves_like_title else ""
        lines.append(f"  your kernel behaves like {failure.behaves_like}{title}")
    if failure.traceback and (event.outcome in ("crashed", "timeout") or not failure.case):
        lines.append("  last lines of the process:" + _indented(failure.traceback))
    if failure.replay or event.replay:
        lines.append(f"  replay: {failure.replay or event.replay}")
    return f"\n{headline or event.outcome.upper()} {_printable(chr(10).join(lines))}\n"


def _part(name: str, text: str) -> str:
    text = text.strip("\n")
    if len(text) > LONGEST_BLOCK:
        text = text[:LONGEST_BLOCK] + " ..."
    label = f"  {name}: " if name else "  "
    first, *rest = text.splitlines() or [""]
    if not rest:
        return label + first
    return label.rstrip() + "".join(f"\n    {line}" for line in (first, *rest))


def _indented(text: str) -> str:
    return "".join(f"\n    {_printable(line)}" for line in text.strip().splitlines())


def _printable(text: str) -> str:
    """Without control characters other than line ends and colours: a kernel's message must not steer the terminal."""
    return "".join(c if c in "\n\t" or c.isprintable() else f"\\x{ord(c):02x}" for c in text)


def _key(event: ObligationStarted | ObligationFinished | Progress) -> tuple[str, str, str, str]:
    return event.contract, event.obligation, event.binding, event.dtype
