"""The one stream that every command writes and every report reads.

A run is told as a sequence of immutable events: obligations start, make progress and finish; faults are tried;
proofs and compilations end. An event is one line of JSON, so that a worker process can hand it to its parent through
a file and still leave whole lines behind when it is killed. Listeners are plain callables: `listener(event)`.

>>> line = Progress(contract="core/rmsnorm", obligation="RN-SUM", cases=25).to_json()
>>> from_json(line).cases
25
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import IO, Any, ClassVar, TypeVar

# `partial`: what the binding returns holds, and some of what the obligation is about is not returned.
OUTCOMES = ("passed", "failed", "error", "timeout", "crashed", "declined", "not_applicable", "partial")
VERDICTS = ("proved", "refuted", "undecided", "vacuous")
BAD_OUTCOMES = ("failed", "error", "timeout", "crashed")

LONGEST_TEXT = 20_000  # characters of one text in an event; a kernel's message may be as long as its tensors

Listener = Callable[["Event"], None]


class EventError(ValueError):
    """The line is not an event of this stream."""


@dataclass(frozen=True, kw_only=True)
class Failure:
    """Why an obligation does not hold, ready to be read by a person."""

    property: str
    stated: str = ""  # file:line:column of the obligation, or of the definition it compares with
    kernel: str = ""  # file:line of the callable under test
    judged_as: str = ""  # the equation it was taken for, where it has another name
    message: str = ""
    case: str = ""  # the shrunk input
    expected: str = ""
    got: str = ""
    bound: str = ""
    if_fails: str = ""
    behaves_like: str = ""  # id of the fault whose outputs match
    behaves_like_title: str = ""
    replay: str = ""  # the one command that reproduces it
    traceback: str = ""  # its last lines

    def under_test(self) -> str:
        """The callable, in words."""
        return f"{self.kernel}, judged as {self.judged_as}" if self.kernel and self.judged_as else self.kernel


@dataclass(frozen=True, kw_only=True)
class Event:
    """Common to all events. `kind` is the value of the key "event" in JSON."""

    kind: ClassVar[str] = ""
    __test__: ClassVar[bool] = False  # pytest would take TestStarted for a class of tests

    def to_dict(self) -> dict[str, Any]:
        """The event as JSON data. Fields that have their default value are left out, which keeps the lines short."""
        return {"event": self.kind, **_encode(self)}

    def to_json(self) -> str:
        """The event as one line of strict JSON without the newline; NaN and infinities become strings."""
        return json.dumps(self.to_dict(), separators=(",", ":"), allow_nan=False)


@dataclass(frozen=True, kw_only=True)
class RunStarted(Event):
    """A process begins to check obligations. Several workers of one run announce themselves with the same seed."""

    kind: ClassVar[str] = "run_started"
    seed: int = 0
    profile: str = ""
    device: str = ""
    versions: dict[str, str] = field(default_factory=dict)
    time: str = ""  # UTC, ISO 8601
    total: int = 0  # obligations that the run intends to check; 0 when unknown


@dataclass(frozen=True, kw_only=True)
class TestStarted(Event):
    """A worker begins one of the tests it was given. `test` is the id it was given."""

    kind: ClassVar[str] = "test_started"
    test: str


@dataclass(frozen=True, kw_only=True)
class TestFinished(Event):
    """The worker is done with the test, whatever came out of it."""

    kind: ClassVar[str] = "test_finished"
    test: str
    outcome: str = ""


@dataclass(frozen=True, kw_only=True)
class Subject(Event):
    """What is being checked: an obligation of a contract, on one binding, dtype and device.

    `kernel` names the callables under test, "module:function" joined by blanks. The hashes fix what the verdict is
    about, `adapted` how a binding file has them called, and `rules` by which bounds they were judged; see
    `albor_contracts.evidence`.
    """

    contract: str
    obligation: str
    equation: str = ""
    type: str = ""
    property: str = ""
    if_fails: str = ""
    binding: str = ""
    kernel: str = ""
    device: str = ""  # cpu, cuda
    dtype: str = ""
    seed: int = 0
    profile: str = ""
    case_budget: int = 0
    contract_hash: str = ""
    kernel_hash: str = ""
    adapted: str = ""
    rules: str = ""
    replay: str = ""

    def label(self) -> str:
        """`core/rmsnorm RN-SUM [impl, bf16, cpu]`"""
        where = ", ".join(part for part in (self.binding, self.dtype, self.device) if part)
        return f"{self.contract} {self.obligation} [{where}]"


@dataclass(frozen=True, kw_only=True)
class ObligationStarted(Subject):
    """The checks of one obligation begin."""

    kind: ClassVar[str] = "obligation_started"

    def finished(self, outcome: str, **result: Any) -> ObligationFinished:
        """The closing event of the same subject: `started.finished("passed", cases=200, seconds=1.5)`."""
        subject = {f.name: getattr(self, f.name) for f in dataclasses.fields(Subject)}
        return ObligationFinished(**subject, outcome=outcome, **result)


@dataclass(frozen=True, kw_only=True)
class Progress(Event):
    """A sign of life: so many cases of the obligation in progress are done."""

    kind: ClassVar[str] = "progress"
    contract: str
    obligation: str
    binding: str = ""
    dtype: str = ""
    cases: int = 0


@dataclass(frozen=True, kw_only=True)
class ObligationFinished(Subject):
    """The verdict on one obligation. Falsification tests are reported likewise, with type "falsification"."""

    kind: ClassVar[str] = "obligation_finished"
    outcome: str
    cases: int = 0
    rows: int = 0  # independent rows inside the cases
    exhaustive: bool = False  # the cases are all there are
    worst: float | None = None  # largest error, as a fraction of its bound
    worst_ulp: float | None = None
    seconds: float = 0.0
    reason: str = ""  # why it was declined or does not apply
    failure: Failure | None = None

    def __post_init__(self) -> None:
        if self.outcome not in OUTCOMES:
            raise EventError(f"unknown outcome {self.outcome!r}; expected one of {', '.join(OUTCOMES)}")


@dataclass(frozen=True, kw_only=True)
class FaultTried(Event):
    """A fault was injected and one obligation was run against it. `killed`: the obligation noticed."""

    kind: ClassVar[str] = "fault_tried"
    contract: str
    fault: str
    obligation: str
    killed: bool
    expected: bool = True  # the contract names the obligation in `killed_by`
    title: str = ""
    binding: str = ""
    kernel: str = ""  # target of the patch; empty when the fault is a wrong definition
    dtype: str = ""
    seed: int = 0
    cases: int = 0
    seconds: float = 0.0
    contract_hash: str = ""
    kernel_hash: str = ""
    rules: str = ""
    message: str = ""  # how it was noticed, or why it could not be tried


@dataclass(frozen=True, kw_only=True)
class ProofFinished(Event):
    """The verdict of a prover. `semantics`: over the integers, over the reals (axioms), IEEE exhaustive."""

    kind: ClassVar[str] = "proof_finished"
    contract: str
    obligation: str
    verdict: str
    engine: str = ""
    semantics: str = ""
    canary: str = ""
    counterexample: str = ""
    replayed: bool = False
    kernel: str = ""
    seconds: float = 0.0
    contract_hash: str = ""
    kernel_hash: str = ""
    message: str = ""

    def __post_init__(self) -> None:
        if self.verdict not in VERDICTS:
            raise EventError(f"unknown verdict {self.verdict!r}; expected one of {', '.join(VERDICTS)}")


@dataclass(frozen=True, kw_only=True)
class KernelCompiled(Event):
    """A kernel was compiled ahead of time for one architecture, e.g. sm_90."""

    kind: ClassVar[str] = "kernel_compiled"
    contract: str
    kernel: str
    architecture: str
    ok: bool
    dtype: str = ""
    registers: int = 0
    spills: int = 0
    shared_memory: int = 0
    seconds: float = 0.0
    kernel_hash: str = ""
    message: str = ""


@dataclass(frozen=True, kw_only=True)
class KernelMeasured(Event):
    """The times of one call of a kernel at one size, in milliseconds, and of the same work by its peers.

    `bytes` and `flops` are what the work needs at least. `ceiling` is the rate a plain copy (bytes a second) or matrix
    product (FLOP a second) reached in the same run, `percent` the kernel's rate in percent of it; both are absent where
    a time says nothing about the kernel, as in an interpreter.
    """

    kind: ClassVar[str] = "kernel_measured"
    contract: str
    kernel: str
    size: str
    p50: float
    p20: float
    p80: float
    dims: dict[str, int] = field(default_factory=dict)
    dtype: str = ""
    device: str = ""  # cpu, cuda
    device_name: str = ""
    state: str = ""  # clocks and power while it was measured
    method: str = ""  # graph, or calls from Python
    rounds: int = 0
    bytes: int = 0
    flops: int = 0
    limit: str = ""  # copy, gemm
    ceiling: float | None = None
    percent: float | None = None
    host_ms: float | None = None  # a call from Python, waited for once after many
    peak_bytes: int | None = None  # allocated by one call beyond its arguments
    peers: dict[str, float] = field(default_factory=dict)  # p50 of each
    target: str = ""  # met, missed, not measured
    kernel_hash: str = ""
    message: str = ""


@dataclass(frozen=True, kw_only=True)
class WorkerFailed(Event):
    """Tests that could not be judged because their process never got to them."""

    kind: ClassVar[str] = "worker_failed"
    tests: tuple[str, ...] = ()
    message: str = ""
    stderr: str = ""


@dataclass(frozen=True, kw_only=True)
class RunFinished(Event):
    """The run is over. `outcomes` counts the finished obligations by outcome."""

    kind: ClassVar[str] = "run_finished"
    outcomes: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    interrupted: bool = False


KINDS: dict[str, type[Event]] = {
    cls.kind: cls
    for cls in (
        RunStarted,
        TestStarted,
        TestFinished,
        ObligationStarted,
        Progress,
        ObligationFinished,
        FaultTried,
        ProofFinished,
        KernelCompiled,
        KernelMeasured,
        WorkerFailed,
        RunFinished,
    )
}

T = TypeVar("T")


def from_json(line: str | bytes) -> Event:
    """The event that `line` holds. Unknown keys are ignored. Raises `EventError` for anything else."""
    try:
        data = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise EventError(f"not JSON: {error}") from None
    if not isinstance(data, dict):
        raise EventError(f"expected a JSON object, got {type(data).__name__}")
    return from_dict(data)


def from_dict(data: dict[str, Any]) -> Event:
    """The event that the JSON object `data` describes. Raises `EventError` where it describes none."""
    kind = data.get("event")
    if not isinstance(kind, str) or kind not in KINDS:
        raise EventError(f"unknown event {kind!r}")
    return _decode(KINDS[kind], data)


def json_lines(stream: IO[str]) -> Listener:
    """A listener that writes every event to `stream`, one line each, at once."""

    def write(event: Event) -> None:
        stream.write(event.to_json() + "\n")
        stream.flush()

    return write


def broadcast(listeners: Iterable[Listener]) -> Listener:
    """One listener that passes every event on to all of `listeners`, in order."""
    all_of_them = tuple(listeners)

    def tell(event: Event) -> None:
        for listener in all_of_them:
            listener(event)

    return tell


def _encode(value: Any) -> dict[str, Any]:
    data = {}
    for f in dataclasses.fields(value):
        item = getattr(value, f.name)
        default = f.default_factory() if f.default_factory is not dataclasses.MISSING else f.default
        if item == default and repr(item) == repr(default):  # -0.0 is equal to 0.0 and not the same
            continue
        data[f.name] = _plain(item)
    return data


def _plain(item: Any) -> Any:
    if isinstance(item, Failure):
        return _encode(item)
    if isinstance(item, dict):
        return {str(key): _plain(value) for key, value in item.items()}
    if isinstance(item, tuple | list):
        return [_plain(value) for value in item]
    if isinstance(item, str):
        return item if len(item) <= LONGEST_TEXT else item[:LONGEST_TEXT] + " ..."
    if isinstance(item, bool) or item is None:
        return item
    if isinstance(item, int):
        return int(item)
    number = float(item)  # also NumPy scalars
    return number if math.isfinite(number) else repr(number)


def _decode(cls: type[T], data: dict[str, Any]) -> T:
    values = {}
    for f in dataclasses.fields(cls):  # type: ignore[arg-type]
        if f.name in data:
            values[f.name] = _typed(f.name, str(f.type), data[f.name])
        elif f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING:
            raise EventError(f"{data.get('event', cls.__name__)}: the key {f.name!r} is missing")
    return cls(**values)


def _typed(name: str, expected: str, value: Any) -> Any:
    """`value` as the annotation `expected` wants it: the closed list of annotations used in this module."""
    if value is None and expected.endswith("| None"):
        return None
    match expected.removesuffix(" | None"):
        case "str" if isinstance(value, str):
            return value
        case "bool" if isinstance(value, bool):
            return value
        case "int" if isinstance(value, int) and not isinstance(value, bool):
            return value
        case "float" if isinstance(value, int | float) and not isinstance(value, bool):
            return float(value)
        case "float" if value in ("nan", "inf", "-inf"):
            return float(value)
        case "dict[str, float]" if isinstance(value, dict):
            return {str(key): _typed(name, "float", item) for key, item in value.items()}
        case "Failure" if isinstance(value, dict):
            return _decode(Failure, value)
        case "tuple[str, ...]" if isinstance(value, list) and all(isinstance(item, str) for item in value):
            return tuple(value)
        case "dict[str, str]" if isinstance(value, dict) and all(isinstance(v, str) for v in value.values()):
            return value
        case "dict[str, int]" if isinstance(value, dict) and all(isinstance(v, int) for v in value.values()):
            return value
    raise EventError(f"the key {name!r} should be {expected}, got {type(value).__name__}")
