"""One line of evidence: a verdict, with when and with which versions it was reached."""

from __future__ import annotations

import dataclasses
import datetime
import importlib.metadata
import json
import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .. import events
from ..events import FaultTried, KernelCompiled, KernelMeasured, ObligationFinished, ProofFinished

Verdict = ObligationFinished | FaultTried | ProofFinished | KernelCompiled | KernelMeasured
VERDICTS = (ObligationFinished, FaultTried, ProofFinished, KernelCompiled, KernelMeasured)

PACKAGES = ("numpy", "torch", "triton", "hypothesis", "crosshair-tool", "z3-solver", "albor-contracts")


def installed_versions(triton_mode: str = "") -> dict[str, str]:
    """Versions of Python, the packages that matter, and the platform; nothing is imported to find them.

    `triton_mode` is "interpreter" or the name of the GPU: only the process that runs the kernels knows it.
    """
    versions = {"python": platform.python_version(), "platform": f"{platform.system()}-{platform.machine()}".lower()}
    for package in PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    if triton_mode:
        versions["triton_mode"] = triton_mode
    return versions


def utc_now() -> str:
    """The time as evidence records it: UTC, ISO 8601, seconds."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


@dataclass(frozen=True)
class Record:
    """A verdict as it is kept. `source` is the file and line it was read from."""

    verdict: Verdict
    time: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    source: str = ""

    def to_json(self) -> str:
        """One line of JSON: the verdict's keys, and `time` and `versions`."""
        verdict = self.verdict
        if isinstance(verdict, ObligationFinished) and verdict.failure and verdict.failure.traceback:
            # Tracebacks name folders of the machine; the replay command brings them back.
            verdict = dataclasses.replace(verdict, failure=dataclasses.replace(verdict.failure, traceback=""))
        data = {**verdict.to_dict(), "time": self.time, "versions": dict(self.versions)}
        return json.dumps(data, separators=(",", ":"), allow_nan=False)

    @staticmethod
    def from_json(line: str | bytes, source: str = "") -> Record:
        """The record in `line`. Unknown keys are ignored. Raises `events.EventError` when it is none."""
        try:
            data = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise events.EventError(f"not JSON: {error}") from None
        if not isinstance(data, dict):
            raise events.EventError(f"expected a JSON object, got {type(data).__name__}")
        verdict = events.from_dict(data)
        if not isinstance(verdict, VERDICTS):
            raise events.EventError(f"{verdict.kind} is not a verdict")
        return Record(verdict, _text(data.get("time")), _texts(data.get("versions")), source)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _texts(value: Any) -> dict[str, str]:
    if not isinstance(value, dict):
        return {}
    return {key: item for key, item in value.items() if isinstance(item, str)}
