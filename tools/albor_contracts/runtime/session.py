"""What a run knows and tells: the options in force, and one event for every obligation that starts and ends."""

from __future__ import annotations

import contextlib
import dataclasses
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

import hypothesis
import numpy as np

from ..errors import from_here
from ..events import Event, Failure, ObligationStarted, Progress
from ..inputs import profiles
from ..lang.types import Type
from . import device
from .called_with import called_with, outline
from .claims import FALSE, Falsified, watching
from .deviation import Deviation
from .elsewhere import Asked, Other
from .kernel import Kernel
from .kernel_fault import KernelFault
from .missing import Missing, NotOffered
from .quiet import quiet
from .repeated import Repeated
from .target import Target
from .width import overflow

HEARTBEAT = 1.0  # seconds between signs of life
# Kinds of failure that have nothing to do with what a law is about: what may be wrong then stands in the message.
FORMAL = frozenset(
    ("wrong type", "wrong dtype", "wrong device", "writes to its inputs", "not repeatable", "changes earlier results",
     "changes shared state", "device lost", "device error", "does not compile", "offsets overflow")
)  # fmt: skip
SHRUNK = 3  # failures of one kernel whose inputs are made small: more of them tell little, and cost seconds each
WATCHED = 16  # calls that must leave generators and settings of the process alone, of each obligation
MANY_LINES = 9  # of a kernel that a message tells of
SHOWN = 8  # calls of a kernel whose results a failure tells of


@dataclass
class Session:
    """Options of the run. `tell` receives the events; without it obligations are plain tests."""

    profile: str = "quick"
    seed: int | None = None
    tell: Callable[[Event], None] | None = None
    describe: Callable[[str, str], Mapping[str, str]] | None = None  # (contract, obligation) -> texts and hashes
    locate: Callable[[str, str, str], str] | None = None  # (contract, obligation, output) -> where it is stated
    why: Callable[[str, str], str] | None = None  # (contract, obligation) -> `if_fails`, where `describe` is not there
    again: Callable[[Any], None] | None = None  # judges another case of the obligation that is under way
    diagnose: Callable[[Kernel], tuple[str, str] | None] | None = None  # fault the kernel behaves like: id, title
    replay: Callable[[Kernel, str], str] | None = None
    note: Callable[[str], None] | None = None  # keeps the input that the kernel is given next, should it not return
    large: Callable[[Kernel, str], Iterable[Mapping[str, int]]] | None = None  # sizes of an equation beyond memory
    hash_kernel: Callable[[str], str] | None = None  # of the callables under test, by name
    rules: str = ""  # a hash of the constants of the bounds, for the record
    elsewhere: Callable[[], Other] | None = None  # another process that can make the same calls
    override: hypothesis.settings | None = None  # used instead of the profile's settings
    draw: Callable[[Any, Callable[[Any], None]], None] | None = None  # (cases, test of one) -> runs it, for Hypothesis
    state: Mapping[str, Any] = field(default_factory=dict)  # of a run of several steps, before the present one
    cases: int = 1  # that the obligation now running is judged on
    failures: Counter[str] = field(default_factory=Counter)  # of each kernel, in this process
    lost: str = ""  # why no further test can run in this process: the device is unusable

    def settings(self) -> hypothesis.settings:
        """The Hypothesis settings in force."""
        if self.override is not None:
            return self.override
        profiles.register(None if self.seed is None else False)
        return hypothesis.settings.get_profile(self.profile)


session = Session()


class ObligationFailed(AssertionError):
    """An obligation does not hold; the message tells all that is known."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(render(failure))
        self.failure = failure


def render(failure: Failure) -> str:
    """A failure as a block of text."""
    rows = [
        ("", failure.property),
        ("stated at", failure.stated),
        ("kernel", failure.under_test()),
        ("", failure.message),
        ("input", failure.case),
        ("if this fails", failure.if_fails),
        ("behaves like", f"{failure.behaves_like}: {failure.behaves_like_title}" if failure.behaves_like else ""),
        ("replay", failure.replay),
    ]
    lines = []
    for name, text in rows:
        if text:
            first, *rest = text.split("\n")
            lines.append(f"{name + ': ' if name else ''}{first}")
            lines += ["    " + line for line in rest]
    return "\n".join(lines)


@dataclass(repr=False)
class Recorder:
    """Counts the cases of one obligation on one kernel and closes it with an event."""

    kernel: Kernel
    id: str
    equation: str
    type: str
    words: str
    if_fails: str = ""
    cases: int = 0
    rows: int = 0
    last: Any = None
    steps: list[Any] = field(default_factory=list)  # inputs of the later steps of a run
    beat: float = field(default_factory=time.monotonic)

    def seen(self, case: Any) -> None:
        self.cases += 1
        self.rows += _rows(case)
        self.last = case
        self.steps, session.state = [], {}
        self.kernel.undefined.clear()
        self._note()
        self._alive()

    def _note(self) -> None:
        if session.note is not None:
            session.note(self._inputs())

    def _alive(self) -> None:
        now = time.monotonic()
        if session.tell is not None and now - self.beat > HEARTBEAT:
            self.beat = now
            session.tell(
                Progress(
                    contract=self.kernel.contract,
                    obligation=self.id,
                    binding=self.kernel.binding,
                    dtype=self.kernel.dtype,
                    cases=self.cases,
                )
            )

    def stepped(self, case: Any) -> None:
        self.steps.append(case)
        self._note()
        self._alive()

    def rejected(self) -> None:
        """The last case turned out to show nothing: it does not count."""
        self.cases -= 1
        self.rows -= _rows(self.last)

    def run(self, test: Callable[[Kernel], None]) -> None:
        """Run the obligation's test on the kernel, and tell what came of it."""
        k, started = self.kernel, self._started()
        self._tell(started)
        self._note()
        if (why := k.deviates.get(self.id)) is not None:
            # The library documents another convention: neither passed nor failed.
            self._skipped(started.finished("declined", reason=why), f"declined: {why}")
        k.undefined.clear()
        session.again = None
        begin = time.monotonic()
        with watching() as seen, self._hooked() as deviation, quiet:
            try:
                with profiles.seeded(self.id), self._as_found():
                    test(k)
                device.check_device(k.device)
                self._unbiased(deviation)
                if seen.missing and not seen.judged:
                    raise NotOffered(seen.missing)
                self._fits_integers()
            except NotOffered as why:
                event = started.finished("not_applicable", reason=str(why), seconds=time.monotonic() - begin)
                self._skipped(event, str(why))
            except (Exception, device.DeviceLost) as raised:
                error = self._blamed(_shown(raised))
                session.failures[self._subject()] += 1
                failure = self._failure(error, started)
                outcome = "failed" if isinstance(error, AssertionError) else "error"
                seconds = time.monotonic() - begin
                self._tell(
                    started.finished(outcome, cases=self.cases, rows=self.rows, failure=failure, seconds=seconds)
                )
                raise ObligationFailed(failure) from (None if isinstance(error, (Falsified, KernelFault)) else error)
        ulp = deviation.worst_ulp
        self._tell(
            started.finished(
                "partial" if seen.missing else "passed",
                reason=seen.missing,
                cases=self.cases,
                rows=self.rows,
                worst=round(seen.worst, 4),
                worst_ulp=None if ulp is None else round(ulp, 4),
                seconds=round(time.monotonic() - begin, 4),
            )
        )

    def _started(self) -> ObligationStarted:
        k = self.kernel
        texts = dict(session.describe(k.contract, self.id)) if session.describe is not None else {}
        names = " ".join(sorted({t.name for t in k.targets.values()}))
        return ObligationStarted(
            contract=k.contract,
            obligation=self.id,
            equation=self.equation,
            type=self.type,
            property=self.words,
            if_fails=texts.get("if_fails", self.if_fails),
            binding=k.binding,
            kernel=names,
            device=k.device,
            dtype=k.dtype,
            seed=session.seed or 0,
            profile=session.profile,
            case_budget=1 if self.type == "falsification" else session.settings().max_examples,
            contract_hash=texts.get("contract_hash", ""),
            kernel_hash=session.hash_kernel(names) if session.hash_kernel else "",
            adapted=k.adapted,
            rules=session.rules,
            replay=session.replay(k, self.id) if session.replay else "",
        )

    def _skipped(self, event: Event, why: str) -> NoReturn:
        self._tell(event)
        import pytest

        pytest.skip(why)

    @contextlib.contextmanager
    def _hooked(self) -> Iterator[Deviation]:
        """While active, the kernel tells of its cases, and its calls are looked at as this obligation asks for."""
        k = self.kernel
        k.on_case, k.on_step, k.on_reject = self.seen, self.stepped, self.rejected
        k.deviation = deviation = Deviation()
        k.repeated = Repeated() if self.type == "definition" else None
        k.watched = WATCHED if self.type in ("definition", "determinism") else 0
        k.asked = Asked(session.elsewhere()) if self._asks() and session.elsewhere is not None else None
        try:
            yield deviation
        finally:
            k.deviation, k.repeated, k.watched = None, None, 0
            if k.asked is not None:
                k.asked.other.close()
                k.asked = None
            k.on_case = k.on_step = k.on_reject = None

    def _asks(self) -> bool:
        """Whether another process is asked for the same: it must not depend on this one, nor on the device."""
        return self.type == "determinism" and self.kernel.device == "cpu"

    def _subject(self) -> str:
        return f"{self.kernel.binding} {self.kernel.contract} {self.kernel.dtype}"

    @contextlib.contextmanager
    def _as_found(self) -> Iterator[None]:
        """In a run, of a kernel that has failed several times, inputs are shown as they were found: `replay` makes each
        small."""
        if session.tell is None or session.failures[self._subject()] < SHRUNK:
            yield
            return
        saved, usual = session.override, session.settings()
        left = tuple(p for p in usual.phases if p is not hypothesis.Phase.shrink)
        session.override = hypothesis.settings(usual, phases=left)
        try:
            yield
        finally:
            session.override = saved

    def _blamed(self, error: BaseException) -> Exception:
        """The error; where the device is lost by now, that the kernel lost it, whatever was raised because of it."""
        if not isinstance(error, device.DeviceLost):
            why = device.unusable(self.kernel.device)
            if not why:
                assert isinstance(error, Exception)
                return error
            error = device.DeviceLost(why)
        session.lost = error.why
        return KernelFault("device lost", error.words(self.kernel.called))

    def _unbiased(self, deviation: Deviation) -> None:
        """No case alone shows that a kernel errs in one direction; all of them together do."""
        found = deviation.bias() if self.type == "definition" else None
        if found is not None:
            self.last = None
            raise Falsified(found)

    def _fits_integers(self) -> None:
        """Offsets of a Triton kernel at sizes that no memory holds: no case shows them."""
        if self.type != "definition" or session.large is None:
            return
        for sizes in session.large(self.kernel, self.equation):
            if words := overflow(self.kernel, self.equation, sizes):
                self.last = None
                raise KernelFault("offsets overflow", words)

    def _tell(self, event: Event) -> None:
        if session.tell is not None:
            session.tell(event)

    def _inputs(self) -> str:
        """The case that failed, and what kernels were called with where a law had made it of the case; of a run, the
        inputs of every step, and its state before the last."""
        if self.last is None:
            return ""
        steps = [f"step {k}\n{case.describe()}" for k, case in enumerate(self.steps, 1)]
        if steps and session.state:
            held = (f"{name} = {outline(value)}" for name, value in session.state.items())
            steps.insert(len(steps) - 1, "state before the last step\n" + "\n".join(held))
        calls = [(name, arguments) for name, arguments, _ in self.kernel.log] + self.kernel.given
        told = called_with(calls, self.last.values)
        called = [f"called  {told}"] if told and not steps else []
        return "\n".join([self.last.describe(), *called, *steps])

    def _failure(self, error: Exception, started: ObligationStarted) -> Failure:
        gap = getattr(error, "gap", None)
        expected = got = bound = ""
        if gap is not None:
            from .claims import place_of

            got, expected, bound = place_of(gap)
        like = None
        if session.diagnose is not None and not session.lost:
            like = session.diagnose(self.kernel)
        message = str(error) if isinstance(error, AssertionError) else f"{type(error).__name__}: {error}"
        if message == FALSE:
            message += self._returned()
        if self.kernel.undefined and "nan" in got:
            message += "; what is loaded under a mask without `other` is NaN here and undefined on a GPU: "
            message += _lines_of(self.kernel.undefined)
        unexpected = not isinstance(error, (Falsified, KernelFault))
        output = gap.name if gap is not None else ""
        called = self._called(error)
        target = self.kernel.targets.get(called)
        formal = isinstance(error, KernelFault) and error.kind in FORMAL
        meaning = "" if formal else started.if_fails
        if not formal and not meaning and session.why is not None:
            meaning = session.why(self.kernel.contract, self.id)
        case = self._inputs()
        message += "" if unexpected else self._of_strides(isinstance(error, KernelFault) and error.kind == "raises")
        return Failure(
            property=self.words,
            stated="" if session.locate is None else session.locate(self.kernel.contract, self.id, output),
            kernel=target.place() if target is not None else "",
            judged_as="" if target is None else _judged_as(target, called, output),
            message=message,
            case=case,
            expected=expected,
            got=got,
            bound=bound,
            if_fails=meaning,
            behaves_like=like[0] if like else "",
            behaves_like_title=like[1] if like else "",
            replay=started.replay,
            traceback="".join(traceback.format_exception(error)[-3:]) if unexpected else "",
        )

    def _of_strides(self, raised: bool) -> str:
        """Whether the case that failed holds with the same numbers in contiguous arrays. Calls the kernel again."""
        layouts = getattr(self.last, "layouts", {})
        if session.again is None or session.lost or set(layouts.values()) <= {"contiguous"}:
            return ""
        self.kernel.on_case = self.kernel.on_step = self.kernel.on_reject = None
        try:
            session.again(dataclasses.replace(self.last, layouts={}))
        except (Exception, device.DeviceLost):
            return ""
        why = "these strides are refused" if raised else "a stride is not taken into account"
        return f"; where all inputs are contiguous it holds, so {why}"

    def _returned(self) -> str:
        """What the kernels gave back in the case that failed, as far as it can be read."""
        calls = []
        for name, _, returned in self.kernel.log[-SHOWN:]:
            outputs = zip(self.kernel.signatures[name].outputs, returned, strict=True)
            calls.append(f"{name} gave {', '.join(f'{p.name} = {_brief(v, p.type)}' for p, v in outputs)}")
        return f": {'; '.join(calls)}" if calls else ""

    def _called(self, error: Exception) -> str:
        """The equation whose kernel the failure is about. What a kernel did wrong by itself is its own, whatever the
        law is about; a prediction is about no equation; and a law about one equation may fail in the output of
        another that it calls as well."""
        if isinstance(error, KernelFault) or not self.equation:
            return self.kernel.called
        gap = getattr(error, "gap", None)
        found = (gap.made_by if gap is not None else "") or self.equation
        if found in self.kernel.lent:  # what a binding borrowed is not what it is judged for
            found = next((name for name, _, _ in reversed(self.kernel.log) if name not in self.kernel.lent), found)
        return found


def _judged_as(target: Target, called: str, output: str) -> str:
    """The equation, where the callable has another name, and how it was differentiated if not by everything: for one
    of the gradients, so that nothing is said where another output is wrong."""
    alone, gradients = getattr(target.call, "alone", ""), getattr(target.call, "gradients", None)
    gradient = dict(zip(gradients.wrt, gradients.gives, strict=True))[alone] if alone and gradients else ""
    if not gradient or output not in ("", gradient):
        return "" if target.is_named(called) else called
    return f"{called}, for {gradient} where {alone} alone requires a gradient"


def _lines_of(places: Iterable[str]) -> str:
    """file:line of each place, the file once: `ops.py:12, 31, helpers.py:4`."""
    found = sorted(
        (from_here(file), int(line)) for file, _, line in (place.rpartition(":") for place in places if place)
    )
    words = [str(line) if k and found[k - 1][0] == file else f"{file}:{line}" for k, (file, line) in enumerate(found)]
    return ", ".join(words[:MANY_LINES]) + ", ..." * (len(words) > MANY_LINES)


def _shown(error: BaseException) -> BaseException:
    """Of several failures that Hypothesis found, the one it showed last: `last` is its input. The next run shows what
    is left."""
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[-1]
    return error


def _brief(value: Any, type_: Type) -> str:
    if isinstance(value, Missing):
        return "nothing"
    value = getattr(value, "value", value)
    if isinstance(value, np.ndarray) and not type_.is_floating and type_.dtype not in ("real", "bool"):
        value = value.astype(np.int64)
    return outline(value)


def _rows(case: Any) -> int:
    """Independent rows of a case: those of its first array."""
    arrays = [name for name, value in case.values.items() if getattr(value, "ndim", 0)]
    return case.rows(arrays[0]) if arrays else 1
